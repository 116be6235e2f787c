//! `vai`, a health-check orchestrator for the services inside Docker
//! containers. The modules stand in the order in which data flows.

mod address;
pub mod app;
pub mod cli;
pub mod clock;
mod jsonpath;
mod when;

pub mod config;
pub mod schedule;

pub mod check;
pub mod probe;

pub mod docker;

pub mod crontabs;
pub mod heal;
pub mod job;

pub mod alert;

pub mod store;

pub mod show;
