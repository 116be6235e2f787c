//! A daemon of which only the socket is real.

use super::StateDir;
use crate::show::fixture::{self, Silent, service};
use crate::show::{self, Control, ControlRequest, Outputs, SOCKET, Snapshot, Vitals};
use crate::store::Shown;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vai_core::judge::{Change, Delta};
use vai_core::model::{StateLabel, Wall};

/// It knows the service `redis` and the job `backup`; whoever has it is its
/// loop.
pub(super) struct Daemon {
    pub(super) dir: TempDir,
    pub(super) shown: Shown,
    pub(super) requests: mpsc::Receiver<ControlRequest>,
    pub(super) shutdown: CancellationToken,
    pub(super) serving: JoinHandle<()>,
}

impl Daemon {
    pub(super) fn start() -> Self {
        Self::with_outputs(Arc::new(Silent))
    }

    pub(super) fn with_outputs(outputs: Arc<dyn Outputs>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = show::bind(dir.path()).unwrap();
        let shown = Shown::new(Snapshot::new(Wall::default(), false));
        shown.apply(&Delta {
            changes: vec![
                Change::Service(Box::new(service("redis", StateLabel::Healthy))),
                Change::Job(Box::new(fixture::job("backup"))),
            ],
        });
        let (sender, requests) = mpsc::channel(1);
        let control = Control {
            snapshot: shown.subscribe(),
            vitals: Vitals::default(),
            requests: sender,
            outputs,
        };
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(show::run(listener, control, shutdown.clone()));
        Self { dir, shown, requests, shutdown, serving }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join(SOCKET)
    }

    pub(super) fn state(&self) -> StateDir {
        StateDir { state_dir: self.dir.path().to_owned() }
    }

    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap();
    }
}
