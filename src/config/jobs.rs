use super::channels::Channels;
use super::fields::Fields;
use super::known::Known;
use super::node::Node;
use super::reader::Problem;
use super::schedule::{schedule, timezone};
use super::service::{DOCUMENTATION, environment, notify, path};
use crate::schedule::{Crontab, JobSchedule};
use std::collections::BTreeMap;
use std::sync::Arc;
use vai_core::model::{ContainerKey, Duty, Job, JobName, Notify, Overlap, Place, ServiceName};

/// How often a run is tried again where `retry_on_failure` says no number.
const RETRIES: u32 = 3;

/// The jobs of a registry.
#[derive(Default)]
pub(super) struct Jobs {
    pub(super) jobs: BTreeMap<JobName, Arc<Job>>,
    /// When those are due that the clock runs.
    pub(super) schedules: BTreeMap<JobName, JobSchedule>,
}

/// The entries of `cron_jobs` of `file`.
pub(super) fn entries<'a>(file: &Fields<'a>) -> Vec<(&'a str, Node<'a>)> {
    file.get("cron_jobs").and_then(|node| node.members()).unwrap_or_default()
}

/// Reads the `entries` of `cron_jobs`.
pub(super) fn jobs(entries: &[(&str, Node<'_>)], known: &Known, channels: &mut Channels) -> Jobs {
    let mut found = Jobs::default();
    for (name, node) in entries {
        let Some((job, schedule)) = job(name, node, known, channels) else { continue };
        if job.duty == Duty::Scheduled {
            found.schedules.insert(job.name.clone(), schedule);
        }
        found.jobs.insert(job.name.clone(), Arc::new(job));
    }
    found
}

fn job(
    name: &str,
    node: &Node<'_>,
    known: &Known,
    channels: &mut Channels,
) -> Option<(Job, JobSchedule)> {
    let fields = node.fields()?;
    let (duty, place) = place(&fields);
    let (text, schedule) = when(&fields).unzip();
    let command = what_it_runs(&fields, duty);
    let mut held = None;
    let environment = fields.get("environment").map(|node| environment(&node, &mut held));
    let seconds = |key, least| fields.get(key).and_then(|node| node.seconds(least));
    let overlap = fields.get("overlap").and_then(|node| {
        node.choice(&[
            ("forbid", Overlap::Forbid),
            ("allow", Overlap::Allow),
            ("replace", Overlap::Replace),
        ])
    });
    let on_success = fields.get("notify_on_success").and_then(|node| node.bool());
    let base = Job::new(name, place, &text.unwrap_or_default(), &command.unwrap_or_default());
    let job = Job {
        duty,
        user: fields.text("user"),
        working_dir: fields.get("working_dir").and_then(|node| path(&node)),
        environment: environment.unwrap_or_default(),
        log_path: fields.get("log_path").and_then(|node| node.absolute_path()).map(str::to_owned),
        timeout: seconds("timeout_seconds", 0.1).unwrap_or(base.timeout),
        overlap: overlap.unwrap_or(base.overlap),
        catch_up: seconds("catch_up_seconds", 0.0).unwrap_or(base.catch_up),
        retries: retries(&fields),
        dependencies: dependencies(&fields, known),
        notify: whom_to_tell(&fields, channels),
        notify_on_success: on_success.unwrap_or(base.notify_on_success),
        held,
        ..base
    };
    if duty == Duty::Scheduled {
        needs_shell(&fields, &job);
    }
    fields.close("a cron job", &DOCUMENTATION);
    Some((job, schedule?))
}

/// Who runs it, and where. The jobs of the host are its own crontab's.
fn place(fields: &Fields<'_>) -> (Duty, Place) {
    let enabled = fields.get("enabled").and_then(|node| node.bool()).unwrap_or(true);
    let duty = if enabled { Duty::Scheduled } else { Duty::Disabled };
    match fields.text("container").as_deref() {
        None | Some("host") => (Duty::Documentation, Place::Local),
        Some("vai" | "local") => (duty, Place::Local),
        Some(name) => (duty, Place::Container(ContainerKey::from(name))),
    }
}

/// When it is due; in words, and for whoever follows the clock.
fn when(fields: &Fields<'_>) -> Option<(String, JobSchedule)> {
    let node = fields.required("schedule", "five fields of crontab, such as \"0 3 * * *\"");
    let zone = fields.get("timezone");
    let found = zone.as_ref().and_then(timezone);
    let node = node?;
    let crontab: Crontab = schedule(&node)?;
    let words = node.text()?.split_whitespace().chain(zone.as_ref().and_then(Node::string));
    let text = words.collect::<Vec<_>>().join(" ");
    Some((text, JobSchedule { crontab, zone: found }))
}

/// The command of a job. Its output is taken in any case; what it leaves in the
/// background is not waited for.
fn job_command(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let trimmed = text.trim_end();
    if trimmed.ends_with('&') && !trimmed.ends_with("&&") {
        node.report(
            Problem::warning(
                "this goes to the background, so vai sees that it was started, and not how it ends",
            )
            .help("leave out the & at its end"),
        );
    }
    Some(text.to_owned())
}

fn what_it_runs(fields: &Fields<'_>, duty: Duty) -> Option<String> {
    match (fields.get("command"), fields.get("script")) {
        (Some(_), Some(script)) => {
            script.report(
                Problem::error("`command` and `script` mean the same")
                    .at_key()
                    .help("keep one of the two"),
            );
            None
        }
        (Some(node), None) | (None, Some(node)) => job_command(&node),
        (None, None) if duty == Duty::Documentation => None,
        (None, None) => {
            fields.required("command", "what to run");
            None
        }
    }
}

fn retries(fields: &Fields<'_>) -> u32 {
    let retry = fields.get("retry_on_failure").map(|node| node.bool().unwrap_or(false));
    let most = fields.get("max_retries");
    if let (None, Some(node)) = (retry, &most) {
        node.report(
            Problem::warning("`max_retries` means nothing without `retry_on_failure`")
                .at_key()
                .expected("needs \"retry_on_failure\": true"),
        );
    }
    let most = most.and_then(|node| node.integer(0u32..=1000)).unwrap_or(RETRIES);
    if retry == Some(true) { most } else { 0 }
}

fn dependencies(fields: &Fields<'_>, known: &Known) -> Vec<ServiceName> {
    let mut found: Vec<ServiceName> = Vec::new();
    for node in fields.get("dependencies").and_then(|node| node.items()).unwrap_or_default() {
        let Some(name) = known.service(&node).filter(|name| known.blocks(&node, name)) else {
            continue;
        };
        if !found.iter().any(|earlier| earlier.as_str() == name) {
            found.push(name.into());
        }
    }
    found
}

fn whom_to_tell(fields: &Fields<'_>, channels: &mut Channels) -> Notify {
    let (notify, names) = notify(fields);
    channels.resolve(notify, &names)
}

/// A local job needs a shell beside vai.
fn needs_shell(fields: &Fields<'_>, job: &Job) {
    if job.place == Place::Local && !fields.reader().context.local_shell {
        fields.report(
            Problem::error("this job runs beside vai, and there is no shell here")
                .at_key()
                .expected("needs \"container\": the one that it runs in")
                .help("or run vai where there is a shell, such as in an ubuntu image"),
        );
    }
}
