use super::*;

impl Machine {
    pub(crate) fn label(&self) -> StateLabel {
        if self.kept.hold == Hold::Paused {
            return StateLabel::Paused;
        }
        if self.maintenance.is_some() && self.is_watched() {
            return StateLabel::Maintenance;
        }
        match &self.kept.state {
            State::Disabled => StateLabel::Disabled,
            State::Unknown(_) => StateLabel::Unknown,
            State::Starting(Starting::Wanted { .. } | Starting::Running { .. }) => {
                self.gate.as_ref().and_then(Gate::label).unwrap_or(StateLabel::Starting)
            }
            State::Starting(Starting::Looking { .. }) if !self.has_result() => StateLabel::Unknown,
            State::Starting(_) => StateLabel::Starting,
            State::Healthy => StateLabel::Healthy,
            State::Degraded(_) => StateLabel::Degraded,
            State::Suspect(_) => StateLabel::Suspect,
            State::Down => match self.gate.as_ref().and_then(Gate::label) {
                Some(label) => label,
                None if self.kept.effort.has_given_up() => StateLabel::GaveUp,
                None => StateLabel::Down,
            },
            State::Healing { .. } => {
                self.gate.as_ref().and_then(Gate::label).unwrap_or(StateLabel::Healing)
            }
            State::Verifying(_) => StateLabel::Verifying,
            State::StoppedByHand(_) => StateLabel::StoppedByHand,
            State::Missing(_) => StateLabel::Missing,
            State::Finished(_) => StateLabel::Finished,
        }
    }

    /// Why it is in its state, in words; the times in them are as of `now`.
    pub(crate) fn reason(&self, now: Time) -> String {
        if self.act().is_some()
            && let Some(gate) = &self.gate
        {
            return gate.words(now);
        }
        match &self.kept.state {
            State::Disabled => match self.service.kind {
                ServiceKind::Watched => "disabled in the registry".into(),
                ServiceKind::Documentation => "listed in the registry, not watched".into(),
            },
            State::Unknown(why)
            | State::Degraded(why)
            | State::StoppedByHand(why)
            | State::Missing(why) => why.clone(),
            State::Finished(why) => format!("{why} and is not started again"),
            State::Starting(starting) => match starting {
                Starting::Looking { .. } => self.failing().map_or_else(
                    || "waiting for its first look".into(),
                    |failing| failing.fault.detail,
                ),
                Starting::Wanted { fault, .. } => self.with_gate(&fault.detail, now),
                Starting::Running { .. } => "its start is under way".into(),
                Starting::Proving(_) => self.while_waiting("started"),
            },
            State::Healthy => String::new(),
            State::Suspect(fault) => fault.detail.clone(),
            State::Down => match &self.kept.outage {
                Some(outage) => self.with_gate(&outage.reason, now),
                None => String::new(),
            },
            State::Healing { .. } => "being restarted".into(),
            State::Verifying(_) => self.while_waiting("restarted"),
        }
    }

    /// How it stands, whatever is being done about it.
    pub(crate) fn standing(&self) -> StateLabel {
        match self.kept.outage.as_ref().map(|outage| outage.kind) {
            Some(OutageKind::Broken(_)) => StateLabel::Down,
            Some(OutageKind::Degraded) => StateLabel::Degraded,
            Some(OutageKind::Blind) => StateLabel::Unknown,
            Some(OutageKind::Stopped) if matches!(self.kept.state, State::Missing(_)) => {
                StateLabel::Missing
            }
            Some(OutageKind::Stopped) => StateLabel::StoppedByHand,
            None => self.label(),
        }
    }

    /// What is wrong with it, without what is done about it; empty if that is
    /// not known.
    pub(crate) fn complaint(&self) -> String {
        match (&self.kept.outage, &self.kept.state) {
            (Some(outage), _) => outage.reason.clone(),
            (None, State::Unknown(why)) => why.clone(),
            (None, _) => self.failing().map_or_else(String::new, |failing| failing.fault.detail),
        }
    }

    /// What its check last said while it is being proven.
    fn while_waiting(&self, done: &str) -> String {
        match self.failing() {
            Some(failing) => match self.wrote() {
                "" => format!("{done}, its check still says: {}", failing.fault),
                wrote => format!("{done}, its check still says: {}; {wrote}", failing.fault),
            },
            None => format!("{done}, waiting for its check"),
        }
    }

    /// What the command of the act that is being proven wrote.
    fn wrote(&self) -> &str {
        match &self.kept.state {
            State::Verifying(proof) | State::Starting(Starting::Proving(proof)) => {
                &proof.findings.wrote
            }
            _ => "",
        }
    }

    fn with_gate(&self, reason: &str, now: Time) -> String {
        match &self.gate {
            Some(gate) if !matches!(gate, Gate::Looking | Gate::Busy) => {
                format!("{reason}; {}", gate.words(now))
            }
            _ => reason.to_owned(),
        }
    }

    pub(crate) fn since(&self) -> Now {
        self.kept.since
    }

    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    fn has_result(&self) -> bool {
        self.runs.iter().any(|run| run.shown().is_some())
    }
}
