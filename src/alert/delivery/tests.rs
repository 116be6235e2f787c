use super::*;
use crate::alert::testing::notice;
use async_trait::async_trait;
use std::future::pending;
use std::sync::Mutex;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;
use vai_core::dispatch::{Notified, Reached, Recipient, Sink};
use vai_core::model::NoticeKind::{Opened, Resolved};
use vai_core::model::Severity::{self, Critical};
use vai_core::model::{IncidentId, MessageId, Secret};

/// Says of each message that it got when, and answers as it was told to.
struct Fake {
    answers: Mutex<Vec<Result<(), SendError>>>,
    got: UnboundedSender<(Instant, Message)>,
    ends: Ends,
}

/// How a send ends that was told nothing else.
#[derive(Clone, Copy)]
enum Ends {
    Well,
    Never,
    Broken,
}

#[async_trait]
impl sinks::WholeTransport for Fake {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        self.got.send((clock::instant(), message.clone())).unwrap();
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            if answers.is_empty() { None } else { Some(answers.remove(0)) }
        };
        match (answer, self.ends) {
            (Some(answer), _) => answer,
            (None, Ends::Well) => Ok(()),
            (None, Ends::Never) => pending().await,
            (None, Ends::Broken) => panic!("a bug of the sink"),
        }
    }
}

struct Running {
    commands: UnboundedSender<Command>,
    got: UnboundedReceiver<(Instant, Message)>,
    reported: UnboundedReceiver<Told>,
    status: watch::Receiver<Vec<SinkStatus>>,
    task: JoinHandle<()>,
    started: Instant,
}

fn start(answers: Vec<Result<(), SendError>>, ends: Ends) -> Running {
    go_on(setup(), Before::default(), answers, ends)
}

/// The first of the sinks of `setup` answers as it is told to.
fn go_on(setup: Setup, before: Before, answers: Vec<Result<(), SendError>>, ends: Ends) -> Running {
    let (commands, inbox) = unbounded_channel();
    let (got_sender, got) = unbounded_channel();
    let (reports, reported) = unbounded_channel();
    let style = Style { zone: TimeZone::UTC, commands: Arc::new(|what| format!("vai {what}")) };
    let mut delivery = Delivery::new(setup, style, sinks::client().unwrap(), before, reports);
    let fake = Fake { answers: Mutex::new(answers), got: got_sender, ends };
    let sink = delivery.dispatch.routes()[0].id;
    delivery.transports.insert(sink, Arc::new(fake));
    let status = delivery.status();
    let task = tokio::spawn(delivery.run(inbox));
    Running { commands, got, reported, status, task, started: clock::instant() }
}

fn setup() -> Setup {
    let sink = Sink {
        name: "alerts[0] fake".to_owned(),
        kind: SinkKind::Webhook { url: Secret::from("http://localhost"), headers: Vec::new() },
        min_severity: Severity::Info,
        send_resolved: true,
        held: None,
    };
    Setup {
        plan: Plan {
            channels: [("alerts".to_owned(), vec![sink])].into(),
            default: vec!["alerts".to_owned()],
            fallback: None,
            group_wait: Duration::from_secs(10),
            group_interval: Duration::from_secs(300),
        },
        redactor: Redactor::new(["hunter22".into()]),
    }
}

fn by(sink: String) -> Recipient {
    Recipient { sink, recipient: String::new() }
}

impl Running {
    fn tell(&self, name: &str, kind: vai_core::model::NoticeKind) {
        self.tell_parcel(notice(name, kind, Critical).into());
    }

    fn tell_parcel(&self, parcel: Parcel) {
        assert!(self.commands.send(Command::Tell(Box::new(parcel))).is_ok());
    }

    /// The next message and how many seconds after the start it came.
    async fn next(&mut self) -> (u64, Message) {
        let (at, message) = self.got.recv().await.unwrap();
        ((at - self.started).as_secs(), message)
    }

    /// The same, by the key that every try has.
    async fn next_key(&mut self) -> (u64, String) {
        let (at, message) = self.next().await;
        (at, message.dedup_key)
    }

    async fn stop(self, seconds: u64) -> Duration {
        let asked = clock::instant();
        let deadline = asked + Duration::from_secs(seconds);
        assert!(self.commands.send(Command::Stop(deadline)).is_ok());
        self.task.await.unwrap();
        clock::instant() - asked
    }
}

fn numbered(name: &str, kind: vai_core::model::NoticeKind, id: u64) -> Parcel {
    Parcel { ids: vec![MessageId(id)], ..notice(name, kind, Critical).into() }
}

#[tokio::test(start_paused = true)]
async fn it_tries_again_with_the_same_key_until_it_arrives() {
    let refused = || Err(SendError::passing("refused, password hunter22"));
    let busy =
        Err(SendError::Passing { reason: "busy".to_owned(), after: Some(Duration::from_secs(60)) });
    let mut sink = start(vec![refused(), refused(), busy], Ends::Well);
    sink.tell("redis", Opened);
    let (at, first) = sink.next_key().await;
    assert_eq!(at, 10);
    assert_eq!(sink.next_key().await, (11, first.clone()));
    let error = sink.status.wait_for(|status| status[0].last_error.is_some()).await;
    let error = error.unwrap()[0].last_error.clone();
    assert_eq!(error.as_deref(), Some("refused, password ***"));
    assert_eq!(sink.next_key().await, (13, first.clone()));
    assert_eq!(sink.next_key().await, (73, first));
    let arrived =
        |status: &Vec<SinkStatus>| status[0].pending == 0 && status[0].last_sent.is_some();
    let status = sink.status.wait_for(arrived).await.unwrap();
    assert_eq!(status[0].last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_final() {
    let gone = Err(SendError::Rejected("no such topic".to_owned()));
    let mut sink = start(vec![gone], Ends::Well);
    sink.tell("redis", Opened);
    sink.next().await;
    sink.tell("nginx", Opened);
    let (_, message) = sink.next().await;
    assert_eq!(message.notices.len(), 1);
    assert_eq!(message.notices[0].incident.root, "nginx");
}

#[tokio::test(start_paused = true)]
async fn a_send_that_hangs_is_cut_off_and_one_that_breaks_is_tried_again() {
    let cases = [
        (Ends::Never, 10 + 3600 + 1, "no answer within 1 h"),
        (Ends::Broken, 10 + 1, "vai itself broke; please report it"),
    ];
    for (ends, again, error) in cases {
        let mut sink = start(Vec::new(), ends);
        sink.tell("redis", Opened);
        assert_eq!(sink.next().await.0, 10);
        assert_eq!(sink.next().await.0, again);
        let status = sink.status.borrow()[0].clone();
        assert_eq!(status.last_error.as_deref(), Some(error));
        assert_eq!(status.pending, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_follows_the_opening_and_names_it() {
    let mut sink = start(Vec::new(), Ends::Well);
    sink.tell("redis", Opened);
    let (_, opening) = sink.next().await;
    sink.tell("redis", Resolved);
    let (_, end) = sink.next().await;
    assert!(end.over);
    assert_eq!(end.follows, [opening.dedup_key]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_delivers_what_waits_without_waiting_for_company() {
    let mut sink = start(vec![Err(SendError::passing("busy"))], Ends::Well);
    sink.tell("redis", Opened);
    let mut got = std::mem::replace(&mut sink.got, unbounded_channel().1);
    let took = sink.stop(8).await;
    assert_eq!(took, Duration::from_secs(1), "one failure, one second");
    let [first, second] = [got.recv().await.unwrap(), got.recv().await.unwrap()];
    assert_eq!(first.1.dedup_key, second.1.dedup_key);
    assert!(got.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_by_its_deadline_and_what_it_leaves_is_not_done_with() {
    let mut sink = start(Vec::new(), Ends::Never);
    sink.tell_parcel(numbered("redis", Opened, 1));
    sink.next().await;
    let mut reported = std::mem::replace(&mut sink.reported, unbounded_channel().1);
    assert_eq!(sink.stop(8).await, Duration::from_secs(8));
    assert!(reported.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn it_reports_who_was_told_before_what_is_done_with() {
    let mut sink = start(Vec::new(), Ends::Well);
    sink.tell_parcel(numbered("redis", Opened, 1));
    let opening = sink.next().await.1.dedup_key;
    sink.tell_parcel(numbered("redis", Resolved, 2));
    sink.next().await;
    let incident = IncidentId("redis".to_owned());
    let name = "alerts[0] fake".to_owned();
    let reached = Reached {
        incident: incident.clone(),
        sink: name.clone(),
        recipient: String::new(),
        opening,
        severity: Critical,
    };
    for expected in [
        Told::Reached(reached),
        Told::Everybody(MessageId(1)),
        Told::Over { incident, by: by(name) },
        Told::Everybody(MessageId(2)),
    ] {
        assert_eq!(sink.reported.recv().await.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_of_yesterday_is_tried_once_more_and_given_up() {
    let mut sink = start(vec![Err(SendError::passing("refused"))], Ends::Well);
    let day = Duration::from_secs(24 * 3600);
    sink.tell_parcel(Parcel { age: day, ..numbered("redis", Opened, 1) });
    sink.next().await;
    assert_eq!(sink.reported.recv().await.unwrap(), Told::Everybody(MessageId(1)));
}

/// The name of a sink says its place in the registry, and another one may have
/// that place by now.
#[tokio::test(start_paused = true)]
async fn the_end_comes_to_whoever_was_told_although_the_sinks_were_edited_meanwhile() {
    let (mut edited, before) = (setup(), setup().plan);
    let alerts = edited.plan.channels.get_mut("alerts").unwrap();
    let moved = Sink { name: "alerts[1] fake".to_owned(), ..alerts[0].clone() };
    let url = Secret::from("http://localhost/other");
    let other = Sink { kind: SinkKind::Webhook { url, headers: Vec::new() }, ..moved.clone() };
    let other = Sink { name: "alerts[0] fake".to_owned(), ..other };
    *alerts = vec![other, moved];
    let opening = Reached {
        incident: IncidentId("redis".to_owned()),
        sink: "alerts[0] fake".to_owned(),
        recipient: String::new(),
        opening: "vai-1".to_owned(),
        severity: Critical,
    };
    let before = Before {
        plan: Some(before),
        notified: Notified { reached: vec![opening.clone()], delivered: Vec::new() },
    };
    let mut other = go_on(edited, before, Vec::new(), Ends::Well);
    let renamed = Reached { sink: "alerts[1] fake".to_owned(), ..opening.clone() };
    assert_eq!(other.reported.recv().await.unwrap(), Told::Reached(renamed));
    let Reached { incident, sink, .. } = opening;
    assert_eq!(other.reported.recv().await.unwrap(), Told::Over { incident, by: by(sink) });
    other.tell("redis", Resolved);
    let waits = other.status.wait_for(|status| status[1].pending == 1).await.unwrap().clone();
    assert_eq!(waits[0].pending, 0, "it never heard of it");
}
