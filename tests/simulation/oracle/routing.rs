//! Who may be told what, and when others have to be told instead: A5 and
//! `min_severity` and `send_resolved` of each sink.

use super::Violation;
use super::arrivals::{usable, wanted};
use crate::plan::{HOUR, MINUTE, Ms, SECOND};
use crate::sinks::{Address, Inbox, Sinks};
use std::collections::{BTreeMap, BTreeSet};
use vai_core::dispatch::{Reached, Refusal};
use vai_core::judge::{Change, Delta, Record, RecordKey};
use vai_core::model::{IncidentId, MessageId, Notice, NoticeKind, Severity};

/// A message is stored, sent and not answered within this.
const ON_ITS_WAY: Ms = 45 * SECOND;

type Whose = (IncidentId, Inbox);

pub(crate) struct Routing {
    sinks: Sinks,
    /// Who may hear of what.
    entitled: BTreeSet<Whose>,
    /// Who was told and left the registry since: nobody waits for an end there.
    left: BTreeSet<Whose>,
    pub(super) news: News,
    /// Who refused what, and nobody was told instead yet.
    refused: BTreeSet<Whose>,
    /// Since when a sink takes nothing.
    failing: BTreeMap<Inbox, Ms>,
    /// Of whom a new vai knows that they were told, by a name that no sink has
    /// any more: it tells the end to those that there are.
    renamed: BTreeSet<IncidentId>,
    /// Since when what is on its way, or was and was not taken.
    untaken: BTreeMap<Whose, Ms>,
}

/// What there is to tell; what was not stored is lost in a crash.
#[derive(Clone, Default)]
pub(super) struct News {
    /// As it was told last.
    latest: BTreeMap<IncidentId, Notice>,
    /// When what is remembered of it was decided.
    kept: BTreeMap<MessageId, (IncidentId, Ms)>,
    /// What waits for whom since when in this run of vai.
    waits: BTreeMap<Whose, Vec<(Ms, Severity)>>,
    /// Instead of whom others were told; they hear of the end by themselves.
    stood_in: BTreeSet<Whose>,
}

impl Routing {
    pub(super) fn new(sinks: Sinks) -> Self {
        Self {
            sinks,
            entitled: BTreeSet::new(),
            left: BTreeSet::new(),
            news: News::default(),
            refused: BTreeSet::new(),
            failing: BTreeMap::new(),
            renamed: BTreeSet::new(),
            untaken: BTreeMap::new(),
        }
    }

    /// What the core remembers to tell.
    pub(super) fn follow(&mut self, now: Ms, delta: &Delta) {
        for change in &delta.changes {
            match change {
                Change::Keep(record) => {
                    if let Record::Message(id, notice) = &**record {
                        self.decided(now, *id, notice);
                    }
                }
                Change::Forget(RecordKey::Message(id)) => _ = self.news.kept.remove(id),
                _ => {}
            }
        }
    }

    fn decided(&mut self, now: Ms, id: MessageId, notice: &Notice) {
        let incident = &notice.incident.id;
        self.news.kept.insert(id, (incident.clone(), now));
        self.news.latest.insert(incident.clone(), notice.clone());
        for inbox in wanted(&self.sinks, notice) {
            let whose = (incident.clone(), inbox);
            let is_end = notice.kind == NoticeKind::Resolved;
            if is_end && !(self.waits_for_end(&whose) && self.wants_ends(inbox)) {
                continue;
            }
            self.entitled.insert(whose.clone());
            if notice.kind != NoticeKind::Resolved {
                self.left.remove(&whose);
            } else if self.left.contains(&whose) {
                continue;
            }
            let waits = self.news.waits.entry(whose).or_default();
            waits.push((now, notice.incident.severity));
        }
    }

    /// Whether every sink of that inbox has `send_resolved`.
    fn wants_ends(&self, inbox: Inbox) -> bool {
        usable(&self.sinks).all(|(_, it)| !it.kind.reaches(inbox) || it.send_resolved)
    }

    /// Whoever was told of it, or nobody of those is left; and nobody was told
    /// instead, who hears of the end as well.
    fn waits_for_end(&self, whose: &Whose) -> bool {
        let told = self.entitled.iter().filter(|(id, _)| *id == whose.0);
        let is_left = |inbox: Inbox| usable(&self.sinks).any(|(_, it)| it.kind.reaches(inbox));
        let moved = told.clone().next().is_some() && !told.clone().any(|(_, it)| is_left(*it));
        let moved = moved || self.renamed.contains(&whose.0);
        (moved || self.entitled.contains(whose)) && !self.news.stood_in.contains(whose)
    }

    /// `saved` is what there was to tell when it was last stored, if later
    /// things were lost.
    pub(super) fn crashed(&mut self, saved: Option<News>) {
        if let Some(saved) = saved {
            self.news = saved;
        }
        let News { kept, waits, stood_in, .. } = &mut self.news;
        waits.clear();
        // What was not told to everybody is told anew, to all that it is for.
        stood_in.retain(|(incident, _)| kept.values().all(|(it, _)| it != incident));
        self.failing.clear();
        self.untaken.clear();
        self.refused.clear();
    }

    /// Nobody could do anything until then.
    pub(super) fn suspended(&mut self, until: Ms) {
        for since in self.failing.values_mut() {
            *since = until;
        }
    }

    /// The registry has these sinks now; what a new vai knows of who was told.
    pub(super) fn sinks_are(&mut self, sinks: &Sinks, told: Option<&[Reached]>) {
        self.sinks = sinks.clone();
        self.failing.clear();
        let is_gone = |whose: &&Whose| !usable(sinks).any(|(_, sink)| sink.kind.reaches(whose.1));
        self.left.extend(self.entitled.iter().filter(is_gone).cloned());
        // What waited for one that has gone is told anew, and to all.
        let News { latest, kept, waits, .. } = &mut self.news;
        for (incident, _) in kept.values() {
            let Some(notice) = latest.get(incident) else { continue };
            let all = wanted(sinks, notice).into_iter().map(|inbox| (incident.clone(), inbox));
            self.entitled.extend(all);
        }
        waits.retain(|(_, inbox), _| usable(sinks).any(|(_, sink)| sink.kind.reaches(*inbox)));
        let Some(told) = told else { return };
        self.renamed = told.iter().map(|it| it.incident.clone()).collect();
        for told in told {
            // One that cannot be used now may be later.
            let all = sinks.channels.values().flatten();
            for sink in all.filter(|sink| sink.name == told.sink) {
                let inboxes = sink.kind.inboxes();
                self.entitled.extend(inboxes.map(|inbox| (told.incident.clone(), inbox)));
                self.renamed.remove(&told.incident);
            }
        }
    }

    /// Everything in a message was meant for this sink. `asked` is when it was
    /// sent.
    pub(super) fn arrived(
        &mut self,
        now: Ms,
        inbox: Inbox,
        notices: &[Notice],
        asked: Ms,
    ) -> crate::Step {
        let mut same = self.sinks.channels.values().flatten().filter(|it| it.kind.reaches(inbox));
        let no_ends = same.clone().next().is_some() && same.all(|it| !it.send_resolved);
        for notice in notices {
            let whose = (notice.incident.id.clone(), inbox);
            let violated = |words: &str| {
                let words = format!("inbox {inbox}, {}: {words}", whose.0.0);
                Err(Violation { invariant: "Routing", at: now, words })
            };
            if !self.entitled.contains(&whose) {
                return violated("it is told what it does not want");
            }
            if no_ends && notice.kind == NoticeKind::Resolved {
                return violated("it is told an end, which it does not want");
            }
            if let Some(waits) = self.news.waits.get_mut(&whose) {
                waits.retain(|(since, _)| *since > asked);
            }
            self.news.stood_in.remove(&whose);
        }
        Ok(())
    }

    pub(super) fn is_sent(&mut self, now: Ms, inbox: Inbox, notices: &[Notice]) {
        for notice in notices {
            self.untaken.entry((notice.incident.id.clone(), inbox)).or_insert(now);
        }
    }

    pub(super) fn answered(
        &mut self,
        inbox: Inbox,
        notices: &[Notice],
        result: Result<(), Refusal>,
    ) {
        if matches!(result, Ok(()) | Err(Refusal::Final)) {
            for notice in notices {
                self.untaken.remove(&(notice.incident.id.clone(), inbox));
            }
        }
    }

    /// A sink answered. Another one that reaches the same inbox may fail on.
    pub(super) fn takes(&mut self, inbox: Inbox) {
        if self.sinks_of(inbox) == 1 {
            self.failing.remove(&inbox);
        }
    }

    /// A sink did not take what it was sent.
    pub(super) fn fails(&mut self, now: Ms, inbox: Inbox) {
        self.failing.entry(inbox).or_insert(now);
    }

    /// A sink will never take this.
    pub(super) fn refused(&mut self, inbox: Inbox, notices: &[Notice]) {
        let whose = notices.iter().map(|notice| (notice.incident.id.clone(), inbox));
        self.refused.extend(whose);
    }

    /// Others are told instead of a sink: for a reason, and not before its time,
    /// and not while anybody whom it reaches was told or may still be.
    pub(super) fn fell_back(
        &mut self,
        now: Ms,
        inboxes: &[Inbox],
        notice: &Notice,
        others: &[Inbox],
    ) -> crate::Step {
        let id = &notice.incident.id;
        let oldest = self.news.kept.values().filter(|(it, _)| it == id).map(|(_, at)| *at).min();
        let waited = oldest.map_or(0, |at| now - at);
        let is_late = waited >= patience(notice.incident.severity);
        let mut reasons = 0;
        for inbox in inboxes {
            let whose = (id.clone(), *inbox);
            let is_failing = self.failing.contains_key(inbox) || self.untaken.contains_key(&whose);
            reasons += usize::from(self.refused.remove(&whose) || is_failing && is_late);
            self.news.waits.remove(&whose);
            self.news.stood_in.insert(whose);
        }
        // Whoever of several refused an older message about it is not asked again.
        if reasons == 0 {
            let words = format!("inboxes {inboxes:?}, {}: falls back after {waited} ms", id.0);
            return Err(Violation { invariant: "A5", at: now, words });
        }
        self.entitled.extend(others.iter().map(|other| (id.clone(), *other)));
        Ok(())
    }

    /// What a failing sink was not told in time others were told of.
    pub(super) fn audit(&self, now: Ms) -> crate::Step {
        for ((id, inbox), waits) in &self.news.waits {
            let Some(failing) = self.failing.get(inbox).filter(|_| self.has_fallback(*inbox))
            else {
                continue;
            };
            let Some(first) = waits.iter().map(|(since, _)| *since).min() else { continue };
            let due = |severity: Severity| {
                let as_bad = waits.iter().filter(|(_, it)| *it >= severity);
                let worst = as_bad.map(|(since, _)| *since).min()?;
                Some(worst.max(first + patience(severity)))
            };
            let due = [Severity::Critical, Severity::Info].into_iter().filter_map(due).min();
            let due = due.map(|due| due.max(*failing) + ON_ITS_WAY);
            if due.is_some_and(|due| due < now) {
                let words = format!("inbox {inbox}, {}: nobody is told instead of it", id.0);
                return Err(Violation { invariant: "A5", at: now, words });
            }
        }
        Ok(())
    }

    /// Whether somebody else can be told instead of it, which is one sink only
    /// and reaches nobody else, who may have been told.
    fn has_fallback(&self, inbox: Inbox) -> bool {
        let alone = |kind: &Address| kind.others.is_empty() || !kind.reaches(inbox);
        if !usable(&self.sinks).all(|(_, sink)| alone(&sink.kind)) {
            return false;
        }
        let fallback = self.sinks.fallback.as_deref();
        let mut others = usable(&self.sinks).filter(|(_, sink)| !sink.kind.reaches(inbox));
        self.sinks_of(inbox) == 1 && others.any(|(channel, _)| Some(channel) == fallback)
    }

    fn sinks_of(&self, inbox: Inbox) -> usize {
        usable(&self.sinks).filter(|(_, sink)| sink.kind.reaches(inbox)).count()
    }
}

/// For so long a failing sink is waited for (behaviour.md, "Outbox").
fn patience(severity: Severity) -> Ms {
    match severity {
        Severity::Critical => 5 * MINUTE,
        Severity::Warning | Severity::Info => HOUR,
    }
}
