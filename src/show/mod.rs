//! Read-only views, the operator's socket, and the log. Nothing in here
//! changes anything: what is asked for goes to the loop as a request.

mod control;
mod health;
mod lock;
mod log;
mod narrate;
mod output;
mod protocol;
mod snapshot;
mod utc;

#[cfg(test)]
pub(crate) mod fixture;

pub use control::{Control, ControlRequest, Demand, bind, run};
pub use health::{Health, Vitals};
pub use lock::{LockError, StateLock};
pub use log::{LogError, LogFormat, init};
pub use narrate::{narrate, narrate_report};
pub use output::{Outputs, Piece};
pub use protocol::{
    Answer, Command, JobOutput, OutputAt, PROTOCOL, Reply, Request, Response, RunProgress, SOCKET,
    Trouble,
};
pub use snapshot::{EngineState, SinkView, Snapshot, UnknownName};
pub(crate) use utc::utc;
