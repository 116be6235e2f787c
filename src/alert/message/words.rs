//! How things stand, as a person would say it.

use vai_core::model::{Incident, Severity, StateLabel, Subject};

/// Of what cannot be looked at.
pub(super) const OUT_OF_SIGHT: &str = "out of sight";

/// How the root stands: what follows "has been" and "was".
pub(super) fn condition(incident: &Incident) -> &'static str {
    match incident.subject {
        Subject::Engine => return "down",
        Subject::Store => return "failing",
        Subject::Vai => return "unstable",
        Subject::Network => return "in doubt",
        Subject::Registry => return "refused",
        Subject::Sink => return "failing",
        Subject::Job => return job_condition(incident.state),
        Subject::Service | Subject::Container | Subject::Host => {}
    }
    match incident.state {
        StateLabel::Down
        | StateLabel::Healing
        | StateLabel::Verifying
        | StateLabel::GaveUp
        | StateLabel::Blocked
        | StateLabel::Held
        | StateLabel::Paused
        | StateLabel::Maintenance
        | StateLabel::Starting
        | StateLabel::Suspect => "down",
        StateLabel::Degraded => "degraded",
        StateLabel::Unknown => OUT_OF_SIGHT,
        StateLabel::StoppedByHand => "stopped by hand",
        StateLabel::Missing => "missing",
        StateLabel::Finished => "finished",
        StateLabel::Disabled => "disabled",
        // The service is well, and yet there is something to tell of it.
        StateLabel::Healthy => match incident.severity {
            Severity::Info => "well",
            Severity::Warning | Severity::Critical => "unstable",
        },
    }
}

/// The same of a job: its state says what is wrong with it.
fn job_condition(state: StateLabel) -> &'static str {
    match state {
        StateLabel::Healing => "overdue",
        StateLabel::Unknown => "behind",
        StateLabel::Blocked => "skipped",
        StateLabel::Degraded => "slow",
        StateLabel::Held => "held",
        StateLabel::Down
        | StateLabel::Starting
        | StateLabel::Healthy
        | StateLabel::Suspect
        | StateLabel::Verifying
        | StateLabel::GaveUp
        | StateLabel::Paused
        | StateLabel::StoppedByHand
        | StateLabel::Missing
        | StateLabel::Finished
        | StateLabel::Maintenance
        | StateLabel::Disabled => "failing",
    }
}

/// How one of many stands, with its verb.
pub(super) fn standing(state: StateLabel, over: bool) -> &'static str {
    let [now, then] = match state {
        StateLabel::Down
        | StateLabel::Healing
        | StateLabel::Verifying
        | StateLabel::GaveUp
        | StateLabel::Blocked
        | StateLabel::Held => ["is down", "was down"],
        StateLabel::Suspect => ["fails", "failed"],
        StateLabel::Starting => ["is not up yet", "was not up"],
        StateLabel::Degraded => ["is degraded", "was degraded"],
        StateLabel::Unknown => ["is out of sight", "was out of sight"],
        StateLabel::StoppedByHand => ["is stopped by hand", "was stopped by hand"],
        StateLabel::Missing => ["is missing", "was missing"],
        StateLabel::Finished => ["has finished", "had finished"],
        StateLabel::Paused => ["is paused", "was paused"],
        StateLabel::Maintenance => ["is in maintenance", "was in maintenance"],
        StateLabel::Disabled => ["is disabled", "was disabled"],
        StateLabel::Healthy => ["is well", "was well"],
    };
    if over { then } else { now }
}

/// `redis (services)`, or the name alone for what runs beside vai.
pub(super) fn named(incident: &Incident) -> String {
    if incident.place.is_empty() {
        incident.root.clone()
    } else {
        format!("{} ({})", incident.root, incident.place)
    }
}

/// The same at the beginning of a sentence.
pub(super) fn begun(incident: &Incident) -> String {
    match incident.subject {
        Subject::Service | Subject::Vai => named(incident),
        Subject::Job => format!("The job {}", named(incident)),
        Subject::Container
        | Subject::Engine
        | Subject::Store
        | Subject::Network
        | Subject::Host
        | Subject::Sink
        | Subject::Registry => format!("The {}", named(incident)),
    }
}

/// `a, b and 40 more`: at most `most` of `names`.
pub(super) fn listed(names: &[&str], most: usize) -> String {
    let shown = names[..names.len().min(most)].join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The first line of `text`, cut with an ellipsis where it is longer than
/// `most` characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.to_owned(),
    }
}
