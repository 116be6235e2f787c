//! Runs in the place where this process is: the agent's, or the orchestrator's
//! own.

use super::record::{Begun, Record, is_mark, remove_old};
use super::supervise::{Order, READY, REPLACE};
use super::{Begin, RUN_VARIABLE, RunOp, RunState, Written, family, ring};
use crate::check::words::plain;
use crate::clock::{self, Deadline};
use crate::probe::end::end_started;
use crate::probe::orphans;
use crate::probe::wire::Answer;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::interval;
use tokio_util::task::AbortOnDropHandle;
use vai_core::model::{HowEnded, RunEnd};

/// A supervisor that said nothing by then is ended, and has begun nothing.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// How often a run is looked at that another agent has begun.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Begins runs, and tells once when each is over.
#[derive(Debug)]
pub struct Runs {
    executable: PathBuf,
    over: mpsc::Sender<String>,
    supervisors: Supervisors,
    /// Who waits for the end of which run.
    waiting: Mutex<HashMap<String, AbortOnDropHandle<()>>>,
}

/// The processes that only this one can take away when they are dead.
#[derive(Clone, Debug, Default)]
pub struct Supervisors(Arc<Mutex<HashSet<u32>>>);

impl Runs {
    /// `executable` is this very program; `over` gets the mark of every run
    /// that is over, or seems to be. Needs a tokio runtime.
    #[must_use]
    pub fn new(executable: PathBuf, over: mpsc::Sender<String>) -> Self {
        remove_old();
        Self { executable, over, supervisors: Supervisors::default(), waiting: Mutex::default() }
    }

    /// The supervisors that were started here.
    #[must_use]
    pub fn supervisors(&self) -> Supervisors {
        self.supervisors.clone()
    }

    /// Does what is asked about the run `mark`.
    pub(in crate::probe) async fn perform(&self, mark: String, op: RunOp) -> Answer {
        if !is_mark(&mark) {
            return Answer::Failed(format!("`{mark}` names no run"));
        }
        match op {
            RunOp::Begin(begin) => match self.begin(&mark, *begin).await {
                Ok(()) => Answer::Run(self.look(mark).await),
                Err(why) => Answer::Failed(why),
            },
            RunOp::Look => Answer::Run(self.look(mark).await),
            RunOp::Replace => {
                if let Some(begun) = under_way(&mark) {
                    family::signal(&begun.supervisor, REPLACE);
                }
                Answer::Done
            }
            RunOp::Output(from) => Answer::Written(written(&mark, from)),
            RunOp::Forget => {
                self.lock().remove(&mark);
                if let Some(record) = Record::find(&mark) {
                    record.remove();
                }
                Answer::Done
            }
        }
    }

    /// Has a supervisor begin the run, unless one did already.
    async fn begin(&self, mark: &str, begin: Begin) -> Result<(), String> {
        let mut command = Command::new(&self.executable);
        command.arg0("vai").arg("supervise");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let not_started = |error: io::Error| format!("no process for it: {}", plain(&error));
        let mut supervisor = command.spawn().map_err(not_started)?;
        self.supervisors.add(&supervisor);
        let order = Order { mark: mark.to_owned(), begin };
        let ready = Deadline::after(READY_WITHIN).bound(hand_over(&mut supervisor, &order)).await;
        match ready {
            Some(Ok(open)) => {
                let (over, mark) = (self.over.clone(), mark.to_owned());
                let supervisors = self.supervisors.clone();
                self.wait(mark.clone(), async move {
                    end_of(open).await;
                    // Nobody listens any more: then nobody needs to know.
                    let _ = over.send(mark).await;
                    supervisors.collect(supervisor).await;
                });
                Ok(())
            }
            failed => {
                // Whatever it was about to do, it does not do it any more.
                let _ = supervisor.start_kill();
                self.supervisors.collect(supervisor).await;
                match failed {
                    // It may have begun the run before it fell silent.
                    _ if Record::find(mark).is_some() => Ok(()),
                    Some(Err(why)) => Err(format!("its supervisor did not start: {}", plain(&why))),
                    Some(Ok(_)) | None => Err("its supervisor did not start in time".to_owned()),
                }
            }
        }
    }

    async fn look(&self, mark: String) -> RunState {
        let Some(record) = Record::find(&mark) else {
            return RunState::Unknown;
        };
        if let Some(end) = record.end() {
            return RunState::Over(Box::new(end));
        }
        let Some(begun) = record.begun() else {
            return RunState::Unknown;
        };
        if begun.is_watched() {
            self.adopt(mark);
            return RunState::UnderWay;
        }
        // It may have ended between the two looks.
        let end = match record.end() {
            Some(end) => end,
            None => bury(&mark, &record, &begun).await,
        };
        RunState::Over(Box::new(end))
    }

    /// Sees to it that the end of a run is told, whoever began it.
    fn adopt(&self, mark: String) {
        if self.lock().get(&mark).is_some_and(|waiting| !waiting.is_finished()) {
            return;
        }
        let over = self.over.clone();
        self.wait(mark.clone(), async move {
            let mut look = interval(LOOK_EVERY);
            while under_way(&mark).is_some() {
                look.tick().await;
            }
            // Nobody listens any more: then nobody needs to know.
            let _ = over.send(mark).await;
        });
    }

    fn wait(&self, mark: String, end: impl Future<Output = ()> + Send + 'static) {
        let mut waiting = self.lock();
        waiting.retain(|_, waiting| !waiting.is_finished());
        waiting.insert(mark, AbortOnDropHandle::new(tokio::spawn(end)));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, AbortOnDropHandle<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisors {
    fn add(&self, supervisor: &Child) {
        self.lock().extend(supervisor.id());
    }

    /// Waits for its end.
    async fn collect(&self, mut supervisor: Child) {
        let pid = supervisor.id();
        // Gone in another way: as good.
        let _ = supervisor.wait().await;
        if let Some(pid) = pid {
            self.lock().remove(&pid);
        }
    }

    /// Blocks until none is left, so that none stays behind as a zombie where
    /// the container's first process collects nothing.
    pub fn outlive(&self) {
        while !self.lock().is_empty() {
            let Ok(ended) = rustix::process::wait(rustix::process::WaitOptions::empty()) else {
                return;
            };
            if let Some((pid, _)) = ended {
                self.lock().remove(&pid.as_raw_nonzero().get().unsigned_abs());
            }
        }
        orphans::collect_all().for_each(drop);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a supervisor its order, and waits until it says that it is ready.
async fn hand_over(supervisor: &mut Child, order: &Order) -> io::Result<ChildStdout> {
    let (input, output) = (supervisor.stdin.take(), supervisor.stdout.take());
    let (mut input, mut output) = input.zip(output).ok_or(io::ErrorKind::BrokenPipe)?;
    input.write_all(&serde_json::to_vec(order)?).await?;
    drop(input);
    let mut said = [0; READY.len()];
    output.read_exact(&mut said).await?;
    if said == READY { Ok(output) } else { Err(io::Error::other("it said something else")) }
}

async fn end_of(mut stream: ChildStdout) {
    let mut nothing = [0; 64];
    while stream.read(&mut nothing).await.is_ok_and(|read| read > 0) {}
}

/// Who watches over a run that is not over.
fn under_way(mark: &str) -> Option<Begun> {
    let record = Record::find(mark)?;
    let begun = record.begun().filter(Begun::is_watched)?;
    record.end().is_none().then_some(begun)
}

/// The end of a run whose supervisor was killed: what it started is ended.
async fn bury(mark: &str, record: &Record, begun: &Begun) -> RunEnd {
    let took = clock::uptime().saturating_sub(begun.at);
    let entry = format!("{RUN_VARIABLE}={mark}");
    let left = match end_started(entry, None, &[], super::GRACE).await {
        Answer::Ended { left, .. } => left,
        _ => Vec::new(),
    };
    let mut notes: Vec<String> =
        left.into_iter().map(|(process, why)| format!("{process} is left: {why}")).collect();
    let (_, kept) = ring::read(&record.output(), 0).unwrap_or_default();
    let mut tail = crate::docker::Tail::default();
    tail.push(&kept);
    notes.insert(0, "what it had started was ended".to_owned());
    let how = HowEnded::Lost("the process that watched over it was killed".to_owned());
    let bytes = ring::total(&record.output()).unwrap_or_default();
    let end = RunEnd { how, took, bytes, tail: tail.into_text(), notes };
    if let Err(error) = record.set_end(&end) {
        tracing::debug!("the end of a run could not be written down: {}", plain(&error));
    }
    end
}

/// What a run wrote from byte `from` on: whole lines, unless it is over or a
/// line is endless.
fn written(mark: &str, from: u64) -> Written {
    let Some(record) = Record::find(mark) else {
        return Written { from, next: from, ..Written::default() };
    };
    let over = record.end().is_some();
    let (from, mut bytes) = ring::read(&record.output(), from).unwrap_or((from, Vec::new()));
    if !over && (bytes.len() as u64) < ring::SIZE / 2 {
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        bytes.truncate(whole);
    }
    let next = from + bytes.len() as u64;
    Written { text: String::from_utf8_lossy(&bytes).into_owned(), from, next }
}
