//! Looking and acting from inside a container: the operations, the agent that
//! performs them there, and the ways to reach it.

pub mod agent;
pub mod client;
mod container;
mod crontabs;
mod end;
mod evidence;
mod file;
mod frames;
mod hints;
mod network;
pub mod orphans;
mod outside;
pub mod perform;
mod pidfd;
mod pool;
mod prober;
pub mod run;
mod started;
pub mod watch;
pub mod wire;

pub use prober::Prober;
