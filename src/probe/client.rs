//! The orchestrator's end of the stream to an agent.

use super::frames::{self, FrameReader, FrameWriter, TooLarge};
use super::wire::{Answer, Frame, Op, PROTOCOL, Request};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use vai_core::model::ProcId;

/// An agent that has not introduced itself by then is not one.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// Well within the 30 s after which an agent that hears nothing leaves.
const PING_EVERY: Duration = Duration::from_secs(10);

/// Pings in a row without any frame in return before the agent counts as lost.
const UNHEARD_PINGS: u32 = 3;

/// Requests that wait for the stream to take them.
const QUEUE: usize = 64;

/// How much of what was said instead of a hello is shown, in bytes.
const EXCERPT: usize = 200;

/// Why an agent gave no answer. None of these says anything about a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The stream ended, or the agent no longer answers on it.
    #[error("the agent is lost: {0}")]
    Lost(String),
    /// There is nobody to ask right now; why. Nothing was asked.
    #[error("{0}")]
    Unreached(String),
    /// The stream is there, but this answer did not come in time.
    #[error("the agent did not answer within {0:?}")]
    Deadline(Duration),
    /// The request does not fit into a frame.
    #[error("the request is too large for the agent")]
    TooLarge,
    /// This run of the container takes no agent; why.
    #[error("{0}")]
    NoAgent(String),
    /// It is an agent of another version.
    #[error("the agent speaks protocol {0}, not {PROTOCOL}")]
    Protocol(u32),
    /// It is no agent; what it said or did instead.
    #[error("the agent did not start: {0}")]
    NoHello(String),
}

/// What an agent says unasked. Hints trigger looks; they are never verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentHint {
    /// A watched process ended.
    Died {
        /// Under which name it was watched.
        watch: String,
        /// Which.
        process: ProcId,
    },
    /// A run of a job is over.
    Over {
        /// Which.
        mark: String,
    },
    /// The stream ended other than by dropping the link.
    Closed,
}

impl From<TooLarge> for ProbeError {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// A live stream to one agent. Dropping it closes the stream, which makes the
/// agent leave.
#[derive(Debug)]
pub struct AgentLink {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Bytes>,
    _driver: AbortOnDropHandle<()>,
}

impl AgentLink {
    /// Waits for the agent to introduce itself on `output`, at most 5 s, and
    /// keeps it alive from then on.
    ///
    /// `hints` gets what the agent says unasked; a hint is dropped while the
    /// channel is full, except for [`AgentHint::Closed`].
    ///
    /// # Errors
    /// [`ProbeError::NoHello`] or [`ProbeError::Protocol`]; the streams are
    /// closed by then.
    pub async fn open(
        input: impl AsyncWrite + Send + Unpin + 'static,
        output: impl AsyncRead + Send + Unpin + 'static,
        hints: mpsc::Sender<AgentHint>,
    ) -> Result<Self, ProbeError> {
        let mut reader = frames::reader(output);
        expect_hello(&mut reader).await?;

        let (requests, queue) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let driver = drive(Arc::clone(&shared), reader, frames::writer(input), queue, hints);
        Ok(Self { shared, requests, _driver: AbortOnDropHandle::new(tokio::spawn(driver)) })
    }

    /// Asks for one operation and waits at most `deadline` for its answer. An
    /// answer that comes later is discarded.
    ///
    /// # Errors
    /// [`ProbeError::Lost`], [`ProbeError::Deadline`] or
    /// [`ProbeError::TooLarge`].
    pub async fn ask(&self, op: Op, deadline: Duration) -> Result<Answer, ProbeError> {
        let (ticket, answer) = self.shared.expect_answer();
        let request = frames::encode(&Request { id: ticket.id, op })?;
        let exchange = async {
            self.requests.send(request).await.ok()?;
            answer.await.ok()
        };
        tokio::select! {
            biased;
            answered = timeout(deadline, exchange) => match answered {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) => Err(self.shared.lost()),
                Err(_elapsed) => Err(ProbeError::Deadline(deadline)),
            },
            () = self.closed() => Err(self.shared.lost()),
        }
    }

    /// Whether the stream has ended; if so, for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.is_cancelled()
    }

    /// Waits for the end of the stream.
    pub async fn closed(&self) {
        self.shared.closed.cancelled().await;
    }
}

/// What the driver and the callers of [`AgentLink::ask`] both see.
#[derive(Debug, Default)]
struct Shared {
    last_id: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    unheard_pings: AtomicU32,
    closed: CancellationToken,
    reason: OnceLock<String>,
}

impl Shared {
    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect_answer(&self) -> (Ticket<'_>, oneshot::Receiver<Answer>) {
        let id = self.next_id();
        let (sender, receiver) = oneshot::channel();
        self.waiting().insert(id, sender);
        (Ticket { shared: self, id }, receiver)
    }

    fn lost(&self) -> ProbeError {
        let reason = self.reason.get().map_or("its stream ended", String::as_str);
        ProbeError::Lost(reason.to_owned())
    }
}

/// A place in the waiting room, given up when the asker leaves.
struct Ticket<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.shared.waiting().remove(&self.id);
    }
}

async fn expect_hello<R: AsyncRead + Unpin>(reader: &mut FrameReader<R>) -> Result<(), ProbeError> {
    let Ok(first) = timeout(HELLO_WITHIN, reader.next()).await else {
        let said = excerpt(reader.read_buffer());
        return Err(ProbeError::NoHello(format!(
            "no hello within {} s{said}",
            HELLO_WITHIN.as_secs()
        )));
    };
    let hello = match first {
        Some(frame) => frame.and_then(|frame| frames::decode(&frame)),
        None => Err(std::io::ErrorKind::UnexpectedEof.into()),
    };
    match hello {
        Ok(Frame::Hello { protocol: PROTOCOL }) => Ok(()),
        Ok(Frame::Hello { protocol }) => Err(ProbeError::Protocol(protocol)),
        Ok(Frame::Answer { .. } | Frame::Died { .. } | Frame::Over { .. }) => {
            Err(ProbeError::NoHello("it spoke before its hello".to_owned()))
        }
        // The engine reports a missing executable as output of the command.
        Err(error) => Err(ProbeError::NoHello(format!("{error}{}", excerpt(reader.read_buffer())))),
    }
}

fn excerpt(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(&said[..said.len().min(EXCERPT)]);
    let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match said.trim() {
        "" => String::new(),
        said => format!("; it said: {said}"),
    }
}

/// Moves requests out and frames in until the stream ends.
async fn drive<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    shared: Arc<Shared>,
    reader: FrameReader<R>,
    writer: FrameWriter<W>,
    queue: mpsc::Receiver<Bytes>,
    hints: mpsc::Sender<AgentHint>,
) {
    // Side by side, so that an agent which is itself blocked on writing is
    // still listened to.
    let reason = tokio::select! {
        reason = receive(&shared, reader, &hints) => reason,
        reason = send(&shared, writer, queue) => reason,
    };
    shared.reason.get_or_init(|| reason);
    shared.closed.cancel();
    shared.waiting().clear();
    // Nobody listens any more: then nobody needs to know.
    let _ = hints.send(AgentHint::Closed).await;
}

async fn receive<R: AsyncRead + Unpin>(
    shared: &Shared,
    mut reader: FrameReader<R>,
    hints: &mpsc::Sender<AgentHint>,
) -> String {
    loop {
        let frame = match reader.next().await {
            Some(Ok(frame)) => frames::decode(&frame),
            Some(Err(error)) => Err(error),
            None => return "its stream ended".to_owned(),
        };
        shared.unheard_pings.store(0, Ordering::Relaxed);
        match frame {
            Ok(Frame::Answer { id, answer }) => {
                if let Some(asker) = shared.waiting().remove(&id) {
                    // The asker may have left this very moment.
                    let _ = asker.send(answer);
                }
            }
            Ok(Frame::Died { watch, process }) => {
                hint(hints, AgentHint::Died { watch, process });
            }
            Ok(Frame::Over { mark }) => hint(hints, AgentHint::Over { mark }),
            Ok(Frame::Hello { .. }) => return "it started anew on the same stream".to_owned(),
            Err(error) => return format!("its stream is broken: {error}"),
        }
    }
}

fn hint(hints: &mpsc::Sender<AgentHint>, hint: AgentHint) {
    if hints.try_send(hint).is_err() {
        tracing::debug!("a hint was dropped: too many at once");
    }
}

async fn send<W: AsyncWrite + Unpin>(
    shared: &Shared,
    mut writer: FrameWriter<W>,
    mut queue: mpsc::Receiver<Bytes>,
) -> String {
    let mut ping = interval(PING_EVERY);
    loop {
        let request = tokio::select! {
            request = queue.recv() => match request {
                Some(request) => request,
                None => return "the link was dropped".to_owned(),
            },
            _ = ping.tick() => {
                if shared.unheard_pings.fetch_add(1, Ordering::Relaxed) >= UNHEARD_PINGS {
                    return format!("no answer to {UNHEARD_PINGS} pings");
                }
                let ping = Request { id: shared.next_id(), op: Op::Ping };
                match frames::encode(&ping) {
                    Ok(ping) => ping,
                    Err(TooLarge) => continue,
                }
            }
        };
        if let Err(error) = writer.send(request).await {
            return format!("its stream broke: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    const SOON: Duration = Duration::from_secs(5);

    /// A hand-driven agent at the other end of a link.
    struct FakeAgent {
        requests: FrameReader<DuplexStream>,
        frames: FrameWriter<DuplexStream>,
    }

    impl FakeAgent {
        async fn say(&mut self, frame: &Frame) {
            let frame = frames::encode(frame).unwrap();
            self.frames.send(frame).await.unwrap();
        }

        /// The next request that is not the link's own ping.
        async fn hear(&mut self) -> Request {
            loop {
                let frame = self.requests.next().await.unwrap().unwrap();
                let request: Request = frames::decode(&frame).unwrap();
                if request.op != Op::Ping {
                    return request;
                }
            }
        }
    }

    async fn linked() -> (AgentLink, FakeAgent, mpsc::Receiver<AgentHint>) {
        let (input, agent_input) = duplex(1 << 16);
        let (agent_output, output) = duplex(1 << 16);
        let mut agent = FakeAgent {
            requests: frames::reader(agent_input),
            frames: frames::writer(agent_output),
        };
        agent.say(&Frame::Hello { protocol: PROTOCOL }).await;
        let (hints, hinted) = mpsc::channel(8);
        let link = AgentLink::open(input, output, hints).await.unwrap();
        (link, agent, hinted)
    }

    fn exists(path: &str) -> Op {
        Op::Exists(path.to_owned())
    }

    #[tokio::test]
    async fn answers_find_their_askers_in_any_order() {
        let (link, mut agent, _hints) = linked().await;
        let agent = async {
            let first = agent.hear().await;
            let second = agent.hear().await;
            for request in [second, first] {
                let answer = Answer::Exists(request.op == exists("/a"));
                let id = request.id;
                agent.say(&Frame::Answer { id, answer }).await;
            }
        };
        let (a, b, ()) =
            tokio::join!(link.ask(exists("/a"), SOON), link.ask(exists("/b"), SOON), agent);
        assert_eq!(a, Ok(Answer::Exists(true)));
        assert_eq!(b, Ok(Answer::Exists(false)));
    }

    #[tokio::test]
    async fn a_late_answer_is_discarded_and_the_link_stays_usable() {
        let (link, mut agent, _hints) = linked().await;
        let short = Duration::from_millis(10);
        let late = link.ask(exists("/a"), short).await;
        assert_eq!(late, Err(ProbeError::Deadline(short)));

        let first = agent.hear().await;
        let agent = async {
            let second = agent.hear().await;
            for (id, found) in [(first.id, false), (second.id, true)] {
                let answer = Answer::Exists(found);
                agent.say(&Frame::Answer { id, answer }).await;
            }
        };
        let (answer, ()) = tokio::join!(link.ask(exists("/b"), SOON), agent);
        assert_eq!(answer, Ok(Answer::Exists(true)));
        assert!(link.shared.waiting().is_empty());
    }

    #[tokio::test]
    async fn the_end_of_the_stream_reaches_waiting_and_later_askers_and_is_hinted() {
        let (link, mut agent, mut hints) = linked().await;
        let (answer, ()) = tokio::join!(link.ask(exists("/a"), SOON), async {
            agent.hear().await;
            drop(agent);
        });
        assert!(matches!(answer, Err(ProbeError::Lost(_))), "{answer:?}");
        link.closed().await;
        let answer = link.ask(exists("/a"), SOON).await;
        assert!(matches!(answer, Err(ProbeError::Lost(_))), "{answer:?}");
        assert_eq!(hints.recv().await, Some(AgentHint::Closed));
    }

    #[tokio::test]
    async fn a_death_is_hinted() {
        let (_link, mut agent, mut hints) = linked().await;
        let process = ProcId { pid: 7, start_ticks: 9, name: "redis-server".to_owned() };
        let watch = "redis/tcp".to_owned();
        agent.say(&Frame::Died { watch: watch.clone(), process: process.clone() }).await;
        assert_eq!(hints.recv().await, Some(AgentHint::Died { watch, process }));
    }

    #[tokio::test]
    async fn dropping_the_link_gives_the_agent_end_of_file() {
        let (link, mut agent, _hints) = linked().await;
        drop(link);
        while let Some(ping) = agent.requests.next().await {
            ping.unwrap();
        }
    }

    #[tokio::test]
    async fn what_was_said_instead_of_a_hello_is_shown() {
        let (input, _agent_input) = duplex(1024);
        let (mut agent_output, output) = duplex(1024);
        agent_output.write_all(b"exec failed: no such file\r\n").await.unwrap();
        let (hints, _hinted) = mpsc::channel(1);
        let error = AgentLink::open(input, output, hints).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exec failed: no such file"), "{text}");
    }

    #[tokio::test]
    async fn another_protocol_is_refused() {
        let (input, _agent_input) = duplex(1024);
        let (agent_output, output) = duplex(1024);
        let hello = frames::encode(&Frame::Hello { protocol: 99 }).unwrap();
        frames::writer(agent_output).send(hello).await.unwrap();
        let (hints, _hinted) = mpsc::channel(1);
        let refused = AgentLink::open(input, output, hints).await.unwrap_err();
        assert_eq!(refused, ProbeError::Protocol(99));
    }

    #[tokio::test]
    async fn a_request_over_the_limit_harms_nobody_else() {
        let (link, mut agent, _hints) = linked().await;
        let huge = exists(&"x".repeat(crate::probe::wire::MAX_FRAME));
        assert_eq!(link.ask(huge, SOON).await, Err(ProbeError::TooLarge));
        let (answer, ()) = tokio::join!(link.ask(exists("/a"), SOON), async {
            let id = agent.hear().await.id;
            let answer = Answer::Exists(true);
            agent.say(&Frame::Answer { id, answer }).await;
        });
        assert_eq!(answer, Ok(Answer::Exists(true)));
    }
}
