use super::channels::Channels;
use super::fields::Fields;
use super::names::nearest;
use super::node::Node;
use super::reader::{Problem, Reader};
use super::schedule::{schedule, timezone};
use super::service::{DOCUMENTATION, command, environment, notify};

/// Validates `cron_jobs` of `file`, and says that they are not run.
pub(super) fn jobs<'a>(
    reader: &Reader<'a>,
    file: &Fields<'a>,
    services: &[&str],
    channels: &mut Channels,
) {
    let members = file.get("cron_jobs").and_then(|node| node.members());
    let members = members.unwrap_or_default();
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let known: Vec<&str> = names.iter().chain(services).copied().collect();
    let mut waiting = Vec::new();
    for (name, node) in &members {
        if job(node, &known, channels) == Some(true) {
            waiting.push(*name);
        }
    }
    match waiting.as_slice() {
        [] => {}
        [only] => reader.not_acted_on(format!("the cron job {only} is not run by this version")),
        many => reader.not_acted_on(format!(
            "{} cron jobs are not run by this version: {}",
            many.len(),
            many.join(", ")
        )),
    }
}

/// Validates one job; whether vai would have to run it.
fn job(node: &Node<'_>, known: &[&str], channels: &mut Channels) -> Option<bool> {
    let fields = node.fields()?;
    let enabled = fields.get("enabled").and_then(|node| node.bool()).unwrap_or(true);
    let container = fields.text("container");
    let runs = enabled && container.is_some_and(|container| container != "host");
    if let Some(node) = fields.required("schedule", "five fields of crontab, such as \"0 3 * * *\"")
    {
        schedule(&node);
    }
    if let Some(node) = fields.get("timezone") {
        timezone(&node);
    }
    what_it_runs(&fields, runs);
    for key in ["timeout_seconds", "catch_up_seconds"] {
        fields.get(key).and_then(|node| node.seconds(0.0));
    }
    for key in ["user", "working_dir", "log_path"] {
        fields.text(key);
    }
    if let Some(node) = fields.get("environment") {
        let mut held = None;
        environment(&node, &mut held);
    }
    for key in ["notify_on_success", "retry_on_failure"] {
        fields.get(key).and_then(|node| node.bool());
    }
    if let Some(node) = fields.get("max_retries") {
        node.integer(0u32..=1000);
    }
    if let Some(node) = fields.get("overlap") {
        node.choice(&[("forbid", ()), ("allow", ()), ("replace", ())]);
    }
    let (notify, names) = notify(&fields);
    channels.resolve(notify, &names);
    for node in fields.get("dependencies").and_then(|node| node.items()).unwrap_or_default() {
        known_name(&node, known);
    }
    fields.close("a cron job", &DOCUMENTATION);
    Some(runs)
}

fn what_it_runs(fields: &Fields<'_>, runs: bool) {
    match (fields.get("command"), fields.get("script")) {
        (Some(_), Some(script)) => script.report(
            Problem::error("`command` and `script` mean the same")
                .at_key()
                .help("keep one of the two"),
        ),
        (Some(node), None) | (None, Some(node)) => {
            command(&node);
        }
        (None, None) if runs => {
            fields.required("command", "what to run");
        }
        (None, None) => {}
    }
}

/// The name, if it is one of `known`; another one is told and ignored.
pub(super) fn known_name<'a>(node: &Node<'a>, known: &[&str]) -> Option<&'a str> {
    let name = node.text()?;
    if known.contains(&name) {
        return Some(name);
    }
    node.report(
        Problem::warning(format!("there is no service \"{name}\""))
            .expected("ignored")
            .did_you_mean(nearest(name, known.iter().copied())),
    );
    None
}
