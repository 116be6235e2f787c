//! What commands write, also after they have ended.

use super::command;
use crate::docker::OutputRest;
use crate::probe::keep::{Fate, KeptEnd};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vai_core::model::{ActId, Event, Redactor, ServiceName};

/// What comes later than this has no bearing on the act any more.
pub(super) const FOLLOWED_FOR: Duration = Duration::from_secs(300);

/// More may follow at once; a chatty program is told ever more seldom.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Goes on reading what nobody asks for, so that a program that writes to an
/// inherited pipe neither blocks nor dies of it while the orchestrator lives.
#[derive(Default)]
pub(super) struct Drains {
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Drains {
    /// Reads `rest` to its end, or for so long; hands out what was written so
    /// far, each time that it is more.
    pub(super) fn adopt(
        &self,
        mut rest: OutputRest,
        at_most: Option<Duration>,
    ) -> watch::Receiver<String> {
        let (sender, receiver) = watch::channel(String::new());
        self.spawn(async move {
            let read = async {
                while let Some(written) = rest.more().await {
                    sender.send_replace(written);
                }
            };
            match at_most {
                Some(span) => drop(timeout(span, read).await),
                None => read.await,
            }
        });
        receiver
    }

    /// Hears what becomes of what a command left behind, if that is soon.
    pub(super) fn hear(&self, mut end: KeptEnd) -> oneshot::Receiver<Fate> {
        let (sender, receiver) = oneshot::channel();
        self.spawn(async move {
            if let Ok(Some(fate)) = timeout(FOLLOWED_FOR, end.fate()).await {
                // Nobody listens any more: then nobody needs to know.
                let _ = sender.send(fate);
            }
        });
        receiver
    }

    /// Runs `task` until its end or the stop.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            stopping.run_until_cancelled(task).await;
        });
    }

    /// Lets go of all of it.
    pub(super) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What one command wrote that nothing else tells.
pub(super) struct Written {
    /// The field of the service that the command is.
    pub(super) label: String,
    /// Up to its end.
    pub(super) text: String,
    /// All of it, again and again, where something may still write.
    pub(super) later: Option<watch::Receiver<String>>,
    /// Hears what becomes of what it left behind.
    pub(super) kept: Option<oneshot::Receiver<Fate>>,
}

impl Written {
    /// Nothing so far, by the command `label`.
    pub(super) fn by(label: &str) -> Self {
        Self { label: label.to_owned(), text: String::new(), later: None, kept: None }
    }

    /// In a sentence; empty if nothing was written.
    fn sentence(&self) -> String {
        match command::last_lines(&self.text).as_str() {
            "" => String::new(),
            lines => format!("{} wrote: {lines}", self.label),
        }
    }
}

/// In a sentence what `all` commands of an act wrote.
pub(super) fn sentence(all: &[Written]) -> String {
    let sentences: Vec<String> = all.iter().map(Written::sentence).collect();
    let sentences = sentences.iter().map(String::as_str).filter(|it| !it.is_empty());
    sentences.collect::<Vec<_>>().join("; ")
}

/// What is still to be heard of an act after its report.
pub struct Aftermath {
    pub(super) service: ServiceName,
    pub(super) id: ActId,
    pub(super) written: Vec<Written>,
    pub(super) redactor: Redactor,
}

impl Aftermath {
    /// Tells what the last command of the act goes on to write, and the early
    /// end of what it left behind.
    pub(super) async fn tell(mut self, events: mpsc::Sender<Event>) {
        let Some(last) = self.written.last_mut() else { return };
        let (kept, later) = (last.kept.take(), last.later.take());
        let (service, id) = (self.service.clone(), self.id);
        let died = async {
            let Some(kept) = kept else { return };
            let Ok(Fate { failed: Some(how) }) = kept.await else { return };
            // The loop is gone only when vai stops.
            let _ = events.send(Event::DiedEarly { service, id, how }).await;
        };
        tokio::join!(died, self.tell_what_is_written(later, &events));
    }

    async fn tell_what_is_written(
        &mut self,
        later: Option<watch::Receiver<String>>,
        events: &mpsc::Sender<Event>,
    ) {
        let Some(mut later) = later else { return };
        let mut told = sentence(&self.written);
        let mut pause = FIRST_PAUSE;
        while later.changed().await.is_ok() {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let text = later.borrow_and_update().clone();
            self.written.iter_mut().last().into_iter().for_each(|it| it.text.clone_from(&text));
            let now = sentence(&self.written);
            if now != told {
                told.clone_from(&now);
                let (service, id) = (self.service.clone(), self.id);
                let wrote = self.redactor.redact(&now);
                if events.send(Event::Wrote { service, id, wrote }).await.is_err() {
                    return;
                }
            }
        }
    }
}
