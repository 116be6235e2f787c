use super::*;
use crate::alert::testing::notice;
use async_trait::async_trait;
use std::future::pending;
use std::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use vai_core::model::NoticeKind::{Opened, Resolved};
use vai_core::model::Severity::Critical;
use vai_core::model::{IncidentId, MessageId};

/// Says of each message that it got when, and answers as it was told to.
struct Fake {
    answers: Mutex<Vec<Result<(), SendError>>>,
    got: UnboundedSender<(Instant, Message)>,
    hangs: bool,
}

#[async_trait]
impl Transport for Fake {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        self.got.send((clock::instant(), message.clone())).unwrap();
        if self.hangs {
            pending::<()>().await;
        }
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() { Ok(()) } else { answers.remove(0) }
    }
}

struct Running {
    commands: UnboundedSender<Command>,
    got: UnboundedReceiver<(Instant, Message)>,
    reported: UnboundedReceiver<Report>,
    status: watch::Receiver<SinkStatus>,
    task: JoinHandle<()>,
    started: Instant,
}

fn start(answers: Vec<Result<(), SendError>>, hangs: bool) -> Running {
    let (commands, inbox) = unbounded_channel();
    let (fake, got) = fake(answers, hangs);
    let (reports, reported) = unbounded_channel();
    let reporter = Reporter { sink: SinkId::default(), reports };
    let (worker, status) = Worker::new(setup(fake), &[], inbox, reporter);
    let task = tokio::spawn(worker.run());
    Running { commands, got, reported, status, task, started: clock::instant() }
}

fn fake(
    answers: Vec<Result<(), SendError>>,
    hangs: bool,
) -> (Fake, UnboundedReceiver<(Instant, Message)>) {
    let (sender, got) = unbounded_channel();
    let fake = Fake { answers: Mutex::new(answers), got: sender, hangs };
    (fake, got)
}

fn setup(transport: Fake) -> Setup {
    Setup {
        name: "alerts[0] fake".to_owned(),
        transport: Arc::new(transport),
        timing: Timing {
            group_wait: Duration::from_secs(10),
            group_interval: Duration::from_secs(300),
            send_resolved: true,
        },
        redactor: Redactor::new(["hunter22".into()]),
        zone: TimeZone::UTC,
        commands: Arc::new(|what| format!("vai {what}")),
    }
}

impl Running {
    fn tell(&self, name: &str, kind: vai_core::model::NoticeKind) {
        self.tell_parcel(notice(name, kind, Critical).into());
    }

    fn tell_parcel(&self, parcel: Parcel) {
        assert!(self.commands.send(Command::Tell(Box::new(parcel))).is_ok());
    }

    /// The key of the next message and how many seconds after the start it came.
    async fn next_key(&mut self) -> (u64, String) {
        let (at, message) = self.next().await;
        (at, message.dedup_key)
    }

    /// The next message and how many seconds after the start it came.
    async fn next(&mut self) -> (u64, Message) {
        let (at, message) = self.got.recv().await.unwrap();
        ((at - self.started).as_secs(), message)
    }

    async fn stop(self, seconds: u64) -> Duration {
        let asked = clock::instant();
        let deadline = asked + Duration::from_secs(seconds);
        assert!(self.commands.send(Command::Stop(deadline)).is_ok());
        self.task.await.unwrap();
        clock::instant() - asked
    }
}

#[tokio::test(start_paused = true)]
async fn it_tries_again_with_the_same_key_until_it_arrives() {
    let refused = || Err(SendError::passing("refused, password hunter22"));
    let busy =
        Err(SendError::Passing { reason: "busy".to_owned(), after: Some(Duration::from_secs(60)) });
    let mut sink = start(vec![refused(), refused(), busy], false);
    sink.tell("redis", Opened);
    let (at, key) = sink.next_key().await;
    assert_eq!(at, 10);
    let (at, second) = sink.next().await;
    assert_eq!((at, &second.dedup_key), (11, &key));
    let why = "because it could not be sent: refused, password ***.";
    assert!(second.body.contains(why), "{}", second.body);
    let error = sink.status.wait_for(|status| status.last_error.is_some()).await;
    let error = error.unwrap().last_error.clone();
    assert_eq!(error.as_deref(), Some("refused, password ***"));
    assert_eq!(sink.next_key().await, (13, key.clone()));
    assert_eq!(sink.next_key().await, (73, key));
    let arrived = |status: &SinkStatus| status.pending == 0 && status.last_sent.is_some();
    let status = sink.status.wait_for(arrived).await.unwrap();
    assert_eq!(status.last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_final() {
    let mut sink = start(vec![Err(SendError::Rejected("no such topic".to_owned()))], false);
    sink.tell("redis", Opened);
    sink.next().await;
    sink.tell("nginx", Opened);
    let (_, message) = sink.next().await;
    assert_eq!(message.notices.len(), 1);
    assert_eq!(message.notices[0].incident.root, "nginx");
}

#[tokio::test(start_paused = true)]
async fn a_send_that_hangs_is_cut_off_and_tried_again() {
    let mut sink = start(Vec::new(), true);
    sink.tell("redis", Opened);
    assert_eq!(sink.next().await.0, 10);
    assert_eq!(sink.next().await.0, 10 + 15 + 1);
    let status = sink.status.borrow().clone();
    assert_eq!(status.last_error.as_deref(), Some("no answer within 15 s"));
    assert_eq!(status.pending, 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_follows_the_opening_and_names_it() {
    let mut sink = start(Vec::new(), false);
    sink.tell("redis", Opened);
    let (_, opening) = sink.next().await;
    sink.tell("redis", Resolved);
    let (_, end) = sink.next().await;
    assert!(end.over);
    assert_eq!(end.follows, [opening.dedup_key]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_delivers_what_waits_without_waiting_for_company() {
    let mut sink = start(vec![Err(SendError::passing("busy"))], false);
    sink.tell("redis", Opened);
    let mut got = std::mem::replace(&mut sink.got, unbounded_channel().1);
    let took = sink.stop(8).await;
    assert_eq!(took, Duration::from_secs(1), "one failure, one second");
    let [first, second] = [got.recv().await, got.recv().await].map(|got| got.unwrap().1);
    assert_eq!(first.dedup_key, second.dedup_key);
    assert!(got.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_by_its_deadline_whatever_the_sink_does() {
    let mut sink = start(Vec::new(), true);
    sink.tell("redis", Opened);
    sink.next().await;
    assert_eq!(sink.stop(8).await, Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn what_waits_survives_a_change_of_the_sink() {
    let day = Duration::from_secs(3600);
    let gone = Err(SendError::Passing { reason: "gone".to_owned(), after: Some(day) });
    let mut sink = start(vec![gone], false);
    sink.tell("redis", Opened);
    let (_, message) = sink.next().await;
    let failed = |status: &SinkStatus| status.last_error.is_some();
    sink.status.wait_for(failed).await.unwrap();
    let (mended, mut got) = fake(Vec::new(), false);
    let command = Command::Configure(Box::new(setup(mended)));
    assert!(sink.commands.send(command).is_ok());
    let (at, again) = got.recv().await.unwrap();
    assert!(at - sink.started < day);
    assert_eq!(again.dedup_key, message.dedup_key);
}

#[tokio::test(start_paused = true)]
async fn a_retired_sink_hands_back_what_is_in_flight() {
    let mut sink = start(Vec::new(), true);
    sink.tell("redis", Opened);
    sink.next().await;
    sink.tell("nginx", Opened);
    let (reply, answer) = oneshot::channel();
    assert!(sink.commands.send(Command::Retire(reply)).is_ok());
    let names: Vec<String> =
        answer.await.unwrap().into_iter().map(|parcel| parcel.notice.incident.root).collect();
    assert_eq!(names, ["redis", "nginx"]);
    sink.task.await.unwrap();
}

fn numbered(name: &str, kind: vai_core::model::NoticeKind, id: u64) -> Parcel {
    Parcel { ids: vec![MessageId(id)], ..notice(name, kind, Critical).into() }
}

#[tokio::test(start_paused = true)]
async fn it_reports_who_was_told_before_what_is_done_with() {
    let mut sink = start(Vec::new(), false);
    sink.tell_parcel(numbered("redis", Opened, 1));
    let opening = sink.next().await.1.dedup_key;
    sink.tell_parcel(numbered("redis", Resolved, 2));
    sink.next().await;
    let incident = IncidentId("redis".to_owned());
    for expected in [
        News::Reached { incident: incident.clone(), opening, severity: Critical },
        News::Settled(vec![MessageId(1)]),
        News::Over(incident),
        News::Settled(vec![MessageId(2)]),
    ] {
        assert_eq!(sink.reported.recv().await.unwrap().news, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stop_leaves_is_not_done_with() {
    let sink = start(Vec::new(), true);
    sink.tell_parcel(numbered("redis", Opened, 1));
    let Running { commands, mut reported, task, .. } = sink;
    assert!(commands.send(Command::Stop(clock::instant() + Duration::from_secs(1))).is_ok());
    task.await.unwrap();
    assert!(reported.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_message_of_yesterday_is_tried_once_more_and_given_up() {
    let mut sink = start(vec![Err(SendError::passing("refused"))], false);
    let day = Duration::from_secs(24 * 3600);
    sink.tell_parcel(Parcel { age: day, ..numbered("redis", Opened, 1) });
    sink.next().await;
    assert_eq!(sink.reported.recv().await.unwrap().news, News::Settled(vec![MessageId(1)]));
}

#[tokio::test(start_paused = true)]
async fn a_changed_name_takes_along_who_was_told() {
    let mut sink = start(Vec::new(), false);
    sink.tell("redis", Opened);
    sink.next().await;
    sink.reported.recv().await.unwrap();
    let renamed = Setup { name: "alerts[1] fake".to_owned(), ..setup(fake(Vec::new(), false).0) };
    assert!(sink.commands.send(Command::Configure(Box::new(renamed))).is_ok());
    let (over, reached) =
        (sink.reported.recv().await.unwrap(), sink.reported.recv().await.unwrap());
    assert_eq!((over.name.as_str(), reached.name.as_str()), ("alerts[0] fake", "alerts[1] fake"));
    assert!(matches!((over.news, reached.news), (News::Over(_), News::Reached { .. })));
}
