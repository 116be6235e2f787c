//! Looking and acting from inside a container: the operations, the agent that
//! performs them there, and the ways to reach it.

mod access;
pub mod agent;
pub mod client;
mod container;
mod crontabs;
mod end;
mod evidence;
mod file;
mod frames;
mod hints;
pub mod keep;
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
mod zombies;

pub use prober::Prober;
