//! What is wrong with the host or with `vai` itself, as opposed to a service.

use super::*;
use crate::model::{Evidence, Notify, Severity, StateLabel};
use deaths::DEATHS_WITHIN;
use host::{Failing, UNCLEAN_WITHIN};
use incident::{ENGINE_TOLD_AFTER, Root, SINK_TOLD_AFTER, Trouble};

impl Core {
    /// Why the registry on disk was not in force when it was last heard of, by
    /// this `vai` or the one before.
    #[must_use]
    pub fn registry_failure(&self) -> Option<&str> {
        self.host.registry.as_ref().map(|failing| failing.why.as_str())
    }

    /// The notification sinks that took nothing when they were tried last, by
    /// this `vai` or the one before, and why.
    pub fn failing_sinks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.host.sinks.iter().map(|(name, failing)| (name.as_str(), failing.why.as_str()))
    }

    /// Everything of that kind that is worth telling now.
    pub(super) fn troubles(&self, now: Now) -> Vec<Trouble> {
        let host = [
            self.engine_trouble(now),
            self.store_trouble(),
            self.own_trouble(now),
            self.registry_trouble(),
        ];
        let unstable = self.services.values().filter_map(unstable);
        host.into_iter()
            .flatten()
            .chain(self.network_trouble(now))
            .chain(self.sink_troubles(now))
            .chain(unstable)
            .chain(self.jobs.troubles())
            .collect()
    }

    fn engine_trouble(&self, now: Now) -> Option<Trouble> {
        let EngineLink::Gone { since, why, .. } = &self.engine else { return None };
        let needed = self.services.values().any(|it| it.is_watched() && it.container().is_some());
        let long = now.mono.since(since.mono) >= ENGINE_TOLD_AFTER;
        (needed && long).then(|| Trouble {
            state: StateLabel::Unknown,
            ..critical(
                Root::Engine,
                *since,
                why.clone(),
                "nothing in containers is restarted until it answers",
            )
        })
    }

    fn store_trouble(&self) -> Option<Trouble> {
        let (since, why) = self.store_failed.as_ref()?;
        Some(critical(
            Root::Store,
            *since,
            format!("nothing can be stored: {why}"),
            "vai checks and alerts from memory, and acts on nothing until it can be stored again",
        ))
    }

    fn own_trouble(&self, now: Now) -> Option<Trouble> {
        let since = self.host.mistrusted_since(now.mono)?;
        let within = crate::words::duration(UNCLEAN_WITHIN);
        Some(critical(
            Root::Vai,
            since,
            format!("it ended unexpectedly three times in {within}"),
            "it watches and alerts, and acts on nothing until it has run for 10 minutes",
        ))
    }

    fn registry_trouble(&self) -> Option<Trouble> {
        let Failing { since, why } = self.host.registry.as_ref()?;
        Some(Trouble {
            severity: Severity::Warning,
            ..critical(
                Root::Registry,
                *since,
                why.clone(),
                "what was in force stays so until the file is mended; `vai validate` shows what \
                 is wrong",
            )
        })
    }

    /// A sink that takes nothing for a day is told through the others.
    fn sink_troubles(&self, now: Now) -> impl Iterator<Item = Trouble> {
        let long = move |since: Now| now.mono.since(since.mono) >= SINK_TOLD_AFTER;
        let failing = self.host.sinks.iter().filter(move |(_, it)| long(it.since));
        failing.map(|(name, Failing { since, why })| Trouble {
            severity: Severity::Warning,
            state: StateLabel::Down,
            notify: Notify::Others(name.clone()),
            ..critical(
                Root::Sink(name.clone()),
                *since,
                why.clone(),
                "each message is tried there for 24 h; the fallback channel gets what it does \
                 not take",
            )
        })
    }

    fn network_trouble(&self, now: Now) -> Option<Trouble> {
        let gates = self.services.values().filter_map(Machine::gate);
        let gate = gates.into_iter().find(|gate| matches!(gate, Gate::MassFailure { .. }))?;
        Some(critical(
            Root::Network,
            now,
            gate.words(now.mono),
            "nothing that is only seen over the network is restarted until that is over",
        ))
    }
}

fn critical(root: Root, since: Now, reason: String, next: &str) -> Trouble {
    Trouble {
        root,
        since,
        severity: Severity::Critical,
        state: StateLabel::Held,
        place: String::new(),
        reason,
        next: next.to_owned(),
        notify: Notify::Default,
        history: Vec::new(),
        evidence: Evidence::default(),
    }
}

fn unstable(machine: &Machine) -> Option<Trouble> {
    let healed = machine.kept.stability.unstable().map(|(since, count)| {
        let reason = format!("it had to be healed {count} times and may need a closer look");
        (since, reason, "vai goes on healing it; a day without a failure ends this".to_owned())
    });
    let (since, reason, next) = healed.or_else(|| {
        let (since, count, by) = machine.deaths()?;
        let within = crate::words::duration(DEATHS_WITHIN);
        let reason = format!(
            "it ended {count} times with less than {within} in between, and {by} started it again"
        );
        Some((
            since,
            reason,
            format!("{by} goes on restarting it; this is over after {within} without that"),
        ))
    })?;
    Some(Trouble {
        root: Root::Unstable(machine.service.name.clone()),
        since,
        severity: Severity::Warning.min(machine.service.severity),
        state: StateLabel::Healthy,
        place: machine.container().map_or_else(String::new, ToString::to_string),
        reason,
        next,
        notify: machine.service.notify.clone(),
        history: Vec::new(),
        evidence: Evidence::default(),
    })
}
