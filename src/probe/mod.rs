//! Looking and acting from inside a container: the operations, the agent that
//! performs them there, and the ways to reach it.

pub mod agent;
pub mod client;
mod end;
mod evidence;
mod frames;
pub mod perform;
mod pidfd;
pub mod watch;
pub mod wire;
