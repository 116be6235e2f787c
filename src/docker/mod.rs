//! The container engine. Nothing outside this module knows bollard.

mod allow;
mod bollard;
mod directory;
mod engine;
mod errors;
mod exec;
mod follow;
mod inspect;
mod own;
mod resolve;
mod tail;
mod transport;

pub use allow::is_allowed;
pub use bollard::Bollard;
pub use directory::{Directory, Keys, keys_of, may_place};
pub use engine::{
    Details, Engine, EngineError, EngineEvent, EngineEventKind, EngineInfo, ExecEnd, ExecSpec,
    ExecStream, HostProcess, Listed, OutputRest,
};
pub use follow::Follower;
pub use own::Own;
pub(crate) use tail::Tail;
pub use transport::Address;
