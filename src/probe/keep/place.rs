//! The orchestrator's way to the keeper in a container.

use super::{Fate, READY, Reply};
use crate::docker::{ExecSpec, ExecStream};
use crate::probe::Prober;
use crate::probe::prober::reason;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, Lines};
use tokio::time::timeout;
use vai_core::model::Place;

/// A keeper that said nothing by then is none.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// A keeper that is ready.
pub struct Kept {
    /// What is to stand before a program and its arguments for it to be kept.
    pub launch: Vec<String>,
    /// What becomes of what the act leaves behind.
    pub end: KeptEnd,
}

/// Hears what becomes of what an act leaves behind.
pub struct KeptEnd {
    lines: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    /// Its end would end the stream.
    _input: Box<dyn AsyncWrite + Send + Unpin>,
}

impl KeptEnd {
    /// Waits until the commands of the act ended and nothing of what they left
    /// behind lives; `None` if that cannot be heard of any more.
    pub async fn fate(&mut self) -> Option<Fate> {
        while let Ok(Some(line)) = self.lines.next_line().await {
            if let Ok(Reply::Over(fate)) = serde_json::from_str(&line) {
                return Some(fate);
            }
        }
        None
    }
}

impl Prober {
    /// Sees to it that the container behind `place` has a keeper for `user`, and
    /// listens to what becomes of the act `mark`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn keeper(
        &self,
        place: &Place,
        user: Option<&str>,
        mark: &str,
    ) -> Result<Kept, String> {
        let Place::Container(key) = place else {
            return Err("beside vai there is no keeper but vai itself".to_owned());
        };
        let container = self.container(key, None).map_err(reason)?;
        // Whoever has an agent has its file.
        let agent = self.agent(key, &container, None).await;
        agent.map_err(|error| error.to_string())?;
        let program = self.program().await.map_err(|error| error.to_string())?;
        let spec = ExecSpec {
            argv: [program.as_str(), "keep", mark].map(str::to_owned).into(),
            user: user.map(str::to_owned),
            ..ExecSpec::default()
        };
        let id = &container.presence.instance.id;
        let stream = self.engine().exec_stream(id, &spec);
        let ExecStream { input, output } = stream.await.map_err(|error| error.to_string())?;
        let mut lines = BufReader::new(output).lines();
        match timeout(READY_WITHIN, lines.next_line()).await {
            Ok(Ok(Some(line))) if line == READY => Ok(Kept {
                launch: vec![program, "launch".to_owned()],
                end: KeptEnd { lines, _input: input },
            }),
            Ok(Ok(line)) => Err(line.unwrap_or_else(|| "it ended at once".to_owned())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it does not answer".to_owned()),
        }
    }
}
