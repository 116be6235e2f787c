use crate::show::{EngineState, SinkView, Snapshot};
use std::sync::Arc;
use tokio::sync::watch;
use vai_core::judge::Delta;

/// What is shown: applies every change in the order in which it happened and
/// publishes the result.
#[derive(Clone, Debug)]
pub struct Shown {
    current: watch::Sender<Arc<Snapshot>>,
}

impl Shown {
    /// Begins with `snapshot`.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self { current: watch::Sender::new(Arc::new(snapshot)) }
    }

    /// What is known now and from now on.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.current.subscribe()
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.borrow().clone()
    }

    /// Takes in one step of the core, as one change for whoever reads.
    pub fn apply(&self, delta: &Delta) {
        if !delta.changes.is_empty() {
            self.update(|snapshot| snapshot.apply(delta));
        }
    }

    /// Takes in how the link to the engine stands.
    pub fn set_engine(&self, engine: EngineState) {
        self.update(|snapshot| snapshot.engine = engine);
    }

    /// Takes in why nothing can be stored, if so.
    pub fn set_store(&self, trouble: Option<String>) {
        self.update(|snapshot| snapshot.store = trouble);
    }

    /// Takes in what the registry in force has to say.
    pub fn set_warnings(&self, warnings: Vec<String>) {
        self.update(|snapshot| snapshot.warnings = warnings);
    }

    /// Takes in how the notification sinks stand, if that changed.
    pub fn set_sinks(&self, sinks: Vec<SinkView>) {
        if self.snapshot().sinks != sinks {
            self.update(|snapshot| snapshot.sinks = sinks);
        }
    }

    /// Takes in what the crontabs of the containers have to say.
    pub fn set_crontabs(&self, warnings: Vec<String>) {
        self.update(|snapshot| snapshot.crontabs = warnings);
    }

    fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        self.current.send_modify(|current| change(Arc::make_mut(current)));
    }
}
