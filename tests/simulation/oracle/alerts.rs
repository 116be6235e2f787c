//! A1–A4 and A6: incidents and what is told of them, or not to be told.

use super::known::Known;
use super::silences::{Silences, is_left_alone};
use super::{Heard, Violation};
use crate::plan::{MINUTE, Ms};
use std::collections::{BTreeMap, BTreeSet};
use vai_core::judge::{Change, Record, RecordKey};
use vai_core::model::{
    AlertRequest, Event, Incident, IncidentId, IncidentPhase, MessageId, Notice, NoticeKind,
    ServiceName, ServiceView, Severity, StateLabel, Subject,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Alerts {
    /// The open ones, as they were last recorded.
    open: BTreeMap<IncidentId, Incident>,
    began: BTreeMap<IncidentId, Ms>,
    closed: BTreeSet<IncidentId>,
    told: BTreeMap<IncidentId, Told>,
    outbox: BTreeSet<MessageId>,
    /// Somebody looks after these.
    acknowledged: BTreeSet<IncidentId>,
    silences: Silences,
}

/// What was told of an incident.
#[derive(Clone, Debug, Default)]
struct Told {
    messages: u64,
    opened: bool,
    resolved: bool,
}

impl Alerts {
    /// `saved` is how all this stood when it was last remembered, if later
    /// things were lost.
    pub(crate) fn crashed(&mut self, saved: Option<Self>) {
        if let Some(saved) = saved {
            *self = saved;
        }
    }

    pub(crate) fn follow(&mut self, now: Ms, heard: &Heard<'_>, known: &Known) -> crate::Step {
        if let Some(event) = heard.event {
            self.silences.hear(now, heard.wall, event);
        }
        if let Some(Event::Alerts(AlertRequest::Acknowledge(name))) = heard.event {
            let open = self.open.iter().filter(|(id, it)| id.0 == *name || it.root == *name);
            self.acknowledged.extend(open.map(|(id, _)| id.clone()));
        }
        for change in &heard.delta.changes {
            match change {
                Change::Incident(incident) => self.recorded(now, incident)?,
                Change::Keep(record) => {
                    if let Record::Message(id, notice) = &**record {
                        self.outbox.insert(*id);
                        self.told(now, notice, known)?;
                    }
                }
                Change::Forget(RecordKey::Message(id)) => _ = self.outbox.remove(id),
                _ => {}
            }
        }
        // At a start the first step opens what is missing.
        let steps = heard.event.is_some();
        for change in heard.delta.changes.iter().filter(|_| steps) {
            if let Change::Service(view) = change {
                self.belongs(now, view)?;
            }
        }
        if steps {
            self.told_in_time(now, known)?;
        }
        match heard.event {
            Some(Event::Checked { ticket, .. }) => confirmed(now, &ticket.service, known),
            Some(Event::Configured(_)) => unchanged(now, known),
            _ => Ok(()),
        }
    }

    fn recorded(&mut self, now: Ms, incident: &Incident) -> crate::Step {
        let violated = |words: String| {
            let words = format!("{}: {words}", incident.id.0);
            Err(Violation { invariant: "A2", at: now, words })
        };
        if self.closed.contains(&incident.id) {
            return violated("it was closed before".into());
        }
        match &incident.phase {
            IncidentPhase::Open => {
                let is_twin = |it: &Incident| {
                    it.root == incident.root && is_unstable(it) == is_unstable(incident)
                };
                let twin = self.open.iter().find(|(id, it)| **id != incident.id && is_twin(it));
                if let Some((id, _)) = twin {
                    let words = format!("{} and {} are both open", id.0, incident.id.0);
                    return Err(Violation { invariant: "A1", at: now, words });
                }
                self.began.entry(incident.id.clone()).or_insert(now);
                self.open.insert(incident.id.clone(), incident.clone());
                Ok(())
            }
            IncidentPhase::Closed { .. } => {
                self.closed.insert(incident.id.clone());
                if self.open.remove(&incident.id).is_none() {
                    return violated("closed and never opened".into());
                }
                Ok(())
            }
        }
    }

    /// A1, as published.
    fn belongs(&self, now: Ms, view: &ServiceView) -> crate::Step {
        let broken = matches!(
            view.state,
            StateLabel::Down | StateLabel::GaveUp | StateLabel::Verifying | StateLabel::Healing
        );
        let is_open =
            view.incident.as_ref().map(|id| self.open.contains_key(&IncidentId(id.clone())));
        let words = match is_open {
            None if broken => format!("{} is {} and in no incident", view.name, view.state.label()),
            Some(false) => {
                format!("{} is in {:?}, which is not open", view.name, view.incident)
            }
            _ => return Ok(()),
        };
        Err(Violation { invariant: "A1", at: now, words })
    }

    /// A message leaves: it is remembered until it has arrived.
    pub(crate) fn sent(&self, now: Ms, id: MessageId) -> crate::Step {
        if self.outbox.contains(&id) {
            return Ok(());
        }
        let words = format!("{id:?} is sent and not remembered");
        Err(Violation { invariant: "A2", at: now, words })
    }

    /// Something is told: the bound of messages.
    fn told(&mut self, now: Ms, notice: &Notice, known: &Known) -> crate::Step {
        self.may_be_told(now, notice, known)?;
        // Good news is about no incident that was ever open.
        if notice.kind == NoticeKind::Info {
            return Ok(());
        }
        let id = &notice.incident.id;
        let since = self.began.get(id).copied().unwrap_or(0);
        let told = self.told.entry(id.clone()).or_default();
        told.messages += 1;
        match notice.kind {
            NoticeKind::Opened => told.opened = true,
            NoticeKind::Resolved => told.resolved = true,
            NoticeKind::Escalated
            | NoticeKind::Joined
            | NoticeKind::Reminder(_)
            | NoticeKind::Info => {}
        }
        let repeat = known.watchlist.repeat_interval.as_millis() as Ms;
        let most = 2 + (now - since).div_ceil(repeat.max(1));
        if told.messages > most {
            let words =
                format!("{} messages about {} by then, at most {most}", told.messages, id.0);
            return Err(Violation { invariant: "A4", at: now, words });
        }
        if matches!(notice.kind, NoticeKind::Reminder(_)) && self.acknowledged.contains(id) {
            let words = format!("{} is reminded of, somebody looks after it", id.0);
            return Err(Violation { invariant: "A4", at: now, words });
        }
        if matches!(notice.kind, NoticeKind::Reminder(_)) && notice.incident.subject == Subject::Job
        {
            let words = format!("{} is reminded of, a job speaks when it runs", id.0);
            return Err(Violation { invariant: "A4", at: now, words });
        }
        if notice.kind == NoticeKind::Resolved && !told.opened {
            let words = format!("the end of {} is told, its beginning was not", id.0);
            return Err(Violation { invariant: "A3", at: now, words });
        }
        Ok(())
    }

    /// Nobody is told what is silenced; but whoever was told of a beginning is
    /// told of its end.
    fn may_be_told(&self, now: Ms, notice: &Notice, known: &Known) -> crate::Step {
        let hidden = match notice.kind {
            NoticeKind::Resolved => false,
            NoticeKind::Info
            | NoticeKind::Opened
            | NoticeKind::Escalated
            | NoticeKind::Joined
            | NoticeKind::Reminder(_) => self.silences.hide(&notice.incident, known),
        };
        if hidden {
            let words = format!("{:?} of {} is told", notice.kind, notice.incident.id.0);
            return Err(Violation { invariant: "Silence", at: now, words });
        }
        Ok(())
    }

    /// What is not healed within a minute is told, and what is critical at once,
    /// unless somebody wants to hear nothing of it; what is acknowledged is
    /// recorded as that.
    fn told_in_time(&self, now: Ms, known: &Known) -> crate::Step {
        for (id, incident) in &self.open {
            let violated = |invariant, words: &str| {
                let words = format!("{} {words}", id.0);
                Err(Violation { invariant, at: now, words })
            };
            if self.acknowledged.contains(id) && incident.acknowledged.is_none() {
                return violated("A4", "is acknowledged, and nothing is known of it");
            }
            let since = self.began.get(id).copied().unwrap_or(now);
            let is_time = incident.severity == Severity::Critical || now - since >= MINUTE;
            let is_told = self.told.get(id).is_some_and(|told| told.opened);
            let wanted = || !self.silences.hide(incident, known) && !is_left_alone(incident, known);
            if is_time && !is_told && wanted() {
                return violated("A2", "has to be told, and nobody is");
            }
        }
        Ok(())
    }

    /// All but the incidents of unreliable services are over and told.
    pub(crate) fn at_the_end(&self, now: Ms, unreliable: &BTreeSet<Option<String>>) -> crate::Step {
        let violated = |invariant, words: String| Err(Violation { invariant, at: now, words });
        // A day without a failure ends those that had to be healed too often.
        if let Some((id, _)) = self
            .open
            .iter()
            .find(|(id, it)| !is_unstable(it) && !unreliable.contains(&Some(id.0.clone())))
        {
            return violated("L1", format!("{} is still open", id.0));
        }
        if let Some(id) = self.outbox.first() {
            return violated("L1", format!("{id:?} is still to be sent"));
        }
        for (id, told) in &self.told {
            if self.open.contains_key(id) {
                continue;
            }
            if told.opened && !told.resolved {
                return violated("A2", format!("nobody was told of the end of {}", id.0));
            }
        }
        Ok(())
    }
}

/// Whether it says that a service had to be healed, or came back, too often.
pub(super) fn is_unstable(incident: &Incident) -> bool {
    incident.reason.starts_with("it had to be healed") || incident.reason.starts_with("it ended ")
}

/// A1, by an own count of the results.
fn confirmed(now: Ms, name: &ServiceName, known: &Known) -> crate::Step {
    let Some(view) = known.views.get(name) else { return Ok(()) };
    let Some(service) = known.watchlist.services.get(name) else { return Ok(()) };
    let left_alone = matches!(
        view.state,
        StateLabel::Paused
            | StateLabel::StoppedByHand
            | StateLabel::Missing
            | StateLabel::Finished
            | StateLabel::Maintenance
            | StateLabel::Disabled
            | StateLabel::Starting
    );
    let instance = known.instance_of(name);
    let was_well = instance.is_some() && known.well_in.get(name) == Some(&instance);
    let in_doubt = !known.engine_up
        || !known.container_runs(&service.place)
        || known.is_ending(&service.place, now);
    if left_alone || !was_well || in_doubt || view.incident.is_some() {
        return Ok(());
    }
    match known.surely_confirmed(name) {
        Some(check) => {
            let words = format!(
                "{} of {name} is confirmed to fail; it is {} and in no incident",
                check.name,
                view.state.label()
            );
            Err(Violation { invariant: "A1", at: now, words })
        }
        None => Ok(()),
    }
}

/// A6: what a reload does not change goes on as it was.
fn unchanged(now: Ms, known: &Known) -> crate::Step {
    let unedited = known.before.iter().filter(|(name, _)| !known.edited.contains(*name));
    for (name, before) in unedited {
        let Some(view) = known.views.get(name) else { continue };
        let lost = before.checks.len() == view.checks.len()
            && (before.checks != view.checks
                || (known.edited.is_empty() && before.incident != view.incident)
                || before.failed_attempts != view.failed_attempts
                || before.restarts_in_window < view.restarts_in_window);
        if before.state == view.state && lost {
            let words = format!("{name} was {before:?} and is {view:?}");
            return Err(Violation { invariant: "A6", at: now, words });
        }
    }
    Ok(())
}
