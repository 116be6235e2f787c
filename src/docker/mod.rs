//! The container engine. Nothing outside this module knows bollard.

mod engine;

pub use engine::{
    Details, Engine, EngineError, EngineEvent, EngineEventKind, EngineInfo, ExecEnd, ExecSpec,
    ExecStream, HostProcess, Listed,
};
