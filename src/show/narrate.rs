//! The story in sentences: what a person reads in `docker compose logs`.

mod jobs;

use super::Snapshot;
use std::borrow::Cow;
use std::collections::BTreeSet;
use tracing::{debug, error, info, warn};
use vai_core::judge::{Change, Delta};
use vai_core::model::{
    Act, ActOutcome, ActReport, ActRequest, Incident, IncidentPhase, Place, Service, ServiceName,
    Severity, Silence, StateLabel, Subject, Transition,
};

/// Logs one step of the core. `before` is what was known before it.
pub fn narrate(delta: &Delta, before: &Snapshot) {
    let mut known = Cow::Borrowed(before);
    for change in &delta.changes {
        match change {
            Change::Transition(transition) => tell_transition(transition, &known),
            Change::Incident(incident) => tell_incident(incident, &known),
            Change::Silences(silences) => tell_silences(&known.silences, silences),
            Change::Removed(name) => info!("{}: not watched any more", whose(name, &known)),
            Change::Job(view) => jobs::tell_standing(view, &known),
            Change::JobRemoved(name) => {
                info!("{}: not scheduled any more", jobs::whose(name, &known))
            }
            Change::Run(run) => jobs::tell_run(run, before, &known),
            Change::Service(_) | Change::Sampled(_) | Change::Keep(_) | Change::Forget(_) => {}
        }
        let news = match change {
            Change::Service(view) => !known.services.contains_key(&view.name),
            Change::Incident(_) | Change::Silences(_) | Change::Job(_) | Change::JobRemoved(_) => {
                true
            }
            _ => false,
        };
        // Most steps bring no news, and then nothing is copied.
        if news {
            known.to_mut().apply_change(change);
        }
    }
}

/// Logs what was done for a start or a restart, step by step. What came of it
/// and why something was refused is told by the transitions that follow, and
/// so is all of a stop.
pub fn narrate_report(request: &ActRequest, report: &ActReport) {
    if request.act == Act::Stop {
        return;
    }
    let service = named(&request.service);
    let failure = match &report.outcome {
        ActOutcome::Failed(words) => Some(words),
        ActOutcome::Done { .. } | ActOutcome::CommandOverdue(_) | ActOutcome::Refused { .. } => {
            None
        }
    };
    for step in report.steps.iter().filter(|step| Some(*step) != failure) {
        info!("{service}: {step}");
    }
    if let Some(words) = failure {
        warn!("{service}: {words}");
    }
    if let ActOutcome::Done { still_there: Some(who), .. } = &report.outcome {
        warn!("{service}: {who}");
    }
}

fn tell_silences(before: &[Silence], now: &[Silence]) {
    for Silence { scope, until, reason } in now.iter().filter(|it| !before.contains(it)) {
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let messages = scope.messages();
        info!("no {messages} until {}{reason}", super::utc(until.wall));
    }
    for Silence { scope, .. } in before {
        if now.iter().all(|it| it.scope != *scope) {
            info!("{} are sent again", scope.messages());
        }
    }
}

fn tell_transition(transition: &Transition, known: &Snapshot) {
    let Transition { service, from, to, reason } = transition;
    let mut line = whose(service, known);
    if from != to {
        line.push_str(&format!(": {} → {}", from.label(), to.label()));
    }
    if !reason.is_empty() {
        line.push_str(&format!(": {reason}"));
    }
    match to {
        StateLabel::GaveUp => error!("{line}"),
        StateLabel::Down
        | StateLabel::Degraded
        | StateLabel::Blocked
        | StateLabel::Held
        | StateLabel::StoppedByHand => warn!("{line}"),
        StateLabel::Unknown if from != to => warn!("{line}"),
        StateLabel::Unknown
        | StateLabel::Starting
        | StateLabel::Healthy
        | StateLabel::Suspect
        | StateLabel::Healing
        | StateLabel::Verifying
        | StateLabel::Paused
        | StateLabel::Maintenance
        | StateLabel::Disabled => info!("{line}"),
    }
}

fn tell_incident(incident: &Incident, known: &Snapshot) {
    let place = match incident.place.as_str() {
        "" => incident.root.clone(),
        place => format!("{} ({place})", incident.root),
    };
    let Incident { severity, reason, .. } = incident;
    match (&incident.phase, known.incidents.get(&incident.id)) {
        // How it came back is the line before this one.
        (IncidentPhase::Closed { how, .. }, _) => debug!("{place}: incident over: {how}"),
        (IncidentPhase::Open, None) => {
            let level = severity.label();
            tell_standing(
                incident,
                known,
                &format!("{place}: incident opened ({level}): {reason}"),
            );
        }
        (IncidentPhase::Open, Some(before)) => {
            if *severity > before.severity {
                let next = &incident.next;
                let level = severity.label();
                tell_standing(
                    incident,
                    known,
                    &format!("{place}: incident is {level} now: {next}"),
                );
            }
            if incident.acknowledged.is_some() && before.acknowledged.is_none() {
                info!("{place}: somebody looks after it: no more reminders");
            }
            let failing: BTreeSet<_> = before.failing_with_it().map(|it| &it.name).collect();
            for joined in incident.failing_with_it() {
                if !failing.contains(&joined.name) {
                    let who = whose(&joined.name, known);
                    let root = &incident.root;
                    // A service is the cause of another only where the registry says so.
                    if joined.because.is_some() || incident.subject != Subject::Service {
                        info!("{who}: fails because of {root}");
                    } else {
                        info!("{who}: fails about the same time as {root}, told with it");
                    }
                }
            }
        }
    }
}

/// The line before it has told why a service is down, or was given up.
fn tell_standing(incident: &Incident, known: &Snapshot, line: &str) {
    if known.services.contains_key(&ServiceName::from(incident.root.as_str())) {
        debug!("{line}");
    } else {
        at(incident.severity, line);
    }
}

fn at(severity: Severity, line: &str) {
    match severity {
        Severity::Critical => error!("{line}"),
        Severity::Warning => warn!("{line}"),
        Severity::Info => info!("{line}"),
    }
}

/// `redis (services)`, or `redis` for a local one.
fn whose(name: &ServiceName, known: &Snapshot) -> String {
    match known.services.get(name) {
        Some(view) if !view.container.is_empty() => format!("{name} ({})", view.container),
        Some(_) | None => name.to_string(),
    }
}

fn named(service: &Service) -> String {
    match &service.place {
        Place::Local => service.name.to_string(),
        Place::Container(key) => format!("{} ({key})", service.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heal::fixture::request;
    use crate::show::fixture::{incident, service};
    use crate::show::log::tests::logged;
    use std::time::Duration;
    use vai_core::model::{Affected, Evidence, Rung, Wall};

    fn known() -> Snapshot {
        let mut known = Snapshot::new(Wall::default(), false);
        for name in ["redis", "web"] {
            let view = service(name, StateLabel::Healthy);
            known.services.insert(name.into(), view);
        }
        known
    }

    fn transition(from: StateLabel, to: StateLabel, reason: &str) -> Change {
        Change::Transition(Transition {
            service: "redis".into(),
            from,
            to,
            reason: reason.to_owned(),
        })
    }

    fn told(changes: Vec<Change>) -> Vec<String> {
        logged(|| narrate(&Delta { changes }, &known()))
    }

    #[test]
    fn an_outage_reads_as_a_story() {
        let refused = "connection refused on 127.0.0.1:6379";
        let opened = incident("redis");
        let mut joined = opened.clone();
        let by_chance = Affected::from(ServiceName::from("api"));
        let because = Some("redis".into());
        joined.affected = vec![by_chance, Affected { because, ..ServiceName::from("web").into() }];
        let mut acknowledged = joined.clone();
        acknowledged.acknowledged = Some(Wall::default());
        let mut closed = acknowledged.clone();
        closed.phase = IncidentPhase::Closed {
            at: Wall::default(),
            how: "healed by restart_cmd, 1 attempt".to_owned(),
        };
        let lines = told(vec![
            transition(StateLabel::Healthy, StateLabel::Suspect, refused),
            transition(StateLabel::Suspect, StateLabel::Down, refused),
            Change::Incident(Box::new(opened)),
            Change::Incident(Box::new(joined)),
            Change::Incident(Box::new(acknowledged.clone())),
            Change::Incident(Box::new(acknowledged)),
            transition(StateLabel::Verifying, StateLabel::Healthy, "healed in 14 s"),
            Change::Incident(Box::new(closed)),
        ]);
        assert_eq!(
            lines,
            [
                " INFO redis (services): healthy → suspect: connection refused on 127.0.0.1:6379",
                " WARN redis (services): suspect → down: connection refused on 127.0.0.1:6379",
                "DEBUG redis (services): incident opened (critical): connection refused on \
                 127.0.0.1:6379",
                " INFO api: fails about the same time as redis, told with it",
                " INFO web (services): fails because of redis",
                " INFO redis (services): somebody looks after it: no more reminders",
                " INFO redis (services): verifying → healthy: healed in 14 s",
                "DEBUG redis (services): incident over: healed by restart_cmd, 1 attempt",
            ]
        );
    }

    #[test]
    fn a_line_that_changes_no_state_has_no_arrow_and_giving_up_is_an_error() {
        let lines = told(vec![
            transition(StateLabel::Suspect, StateLabel::Suspect, "still refused"),
            transition(StateLabel::Down, StateLabel::GaveUp, ""),
            Change::Removed("redis".into()),
        ]);
        assert_eq!(
            lines,
            [
                " INFO redis (services): still refused",
                "ERROR redis (services): down → gave_up",
                " INFO redis (services): not watched any more",
            ]
        );
    }

    #[test]
    fn an_act_is_told_step_by_step_and_its_failure_once() {
        let request = request(crate::heal::fixture::service(), Act::Restart(Rung::Command));
        let words = "restart_cmd exited 1: no such file".to_owned();
        let report = ActReport {
            outcome: ActOutcome::Failed(words.clone()),
            instance: None,
            steps: vec!["started the container services".to_owned(), words],
            wrote: String::new(),
            evidence: Evidence::default(),
            took: Duration::from_secs(1),
        };
        let lines = logged(|| {
            narrate_report(&request, &report);
        });
        assert_eq!(
            lines,
            [
                " INFO nginx (services): started the container services",
                " WARN nginx (services): restart_cmd exited 1: no such file",
            ]
        );
    }
}
