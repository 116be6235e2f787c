//! Looking and acting from inside a container: the operations, the agent that
//! performs them there, and the ways to reach it.

pub mod client;
mod frames;
pub mod wire;
