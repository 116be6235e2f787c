//! Jobs by the clock and by hand, in real containers.

mod by_clock;
mod by_hand;
mod crashes;
mod engine;

use crate::lab::{Container, Image, Lab, MailCatcher, Vai, eventually};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Until the next full minute, and some.
const A_MINUTE: Duration = Duration::from_secs(75);

/// A job of every minute in the container `services`, with these fields beside.
fn job(command: &str, beside: Value) -> Value {
    let mut job = json!({ "container": "services", "schedule": "* * * * *", "command": command });
    let fields = job.as_object_mut().expect("a job is an object");
    fields.extend(beside.as_object().cloned().unwrap_or_else(Map::new));
    job
}

/// The lab's registry of `services` with these jobs.
fn registry(lab: &Lab, services: Value, jobs: Value) -> Value {
    let mut registry = lab.registry(services);
    let name_of = |short: &str| {
        let names = registry["containers"].as_object().expect("it names containers");
        let full = names.keys().find(|name| name.ends_with(&format!("-{short}")));
        full.cloned().unwrap_or_else(|| short.to_owned())
    };
    let mut jobs = jobs;
    for job in jobs.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(short) = job["container"].as_str() {
            job["container"] = json!(name_of(short));
        }
    }
    registry["cron_jobs"] = jobs;
    registry
}

/// What `vai jobs --json` says of one.
fn view(vai: &Vai, job: &str) -> Value {
    let all = eventually("vai shows its jobs", Duration::from_secs(20), || {
        let all = vai.cli(&["jobs", "--json"]);
        all.status.success().then_some(all.stdout)
    });
    let all: Value = serde_json::from_slice(&all).expect("it prints JSON");
    assert!(all[job].is_object(), "no {job}: {all}");
    all[job].clone()
}

/// The runs that `vai jobs history --json` shows of one, the latest first.
fn history(vai: &Vai, job: &str) -> Vec<Value> {
    let all = vai.cli(&["jobs", "history", job, "--limit", "300", "--json"]);
    // Before the first start there is no state.
    let past: Value = serde_json::from_slice(&all.stdout).unwrap_or_default();
    past["runs"].as_array().cloned().unwrap_or_default()
}

/// Waits for an outcome of a job, and hands back the whole run.
fn wait_for_outcome(vai: &Vai, job: &str, outcome: &str) -> Value {
    eventually(&format!("{job} {outcome}"), A_MINUTE, || {
        history(vai, job).into_iter().find(|run| run["outcome"] == outcome)
    })
}

fn subjects(mail: &MailCatcher) -> Vec<String> {
    mail.mails().into_iter().map(|mail| mail.subject).collect()
}

/// A container without anything in it but a shell.
fn tiny(lab: &Lab, init: bool) -> Container {
    lab.container("services", Image::Tiny).init(init).start()
}
