//! A2–A6 and L1 at each sink: what has to arrive there, and what arrived.

use super::Violation;
use crate::plan::{HOUR, Ms};
use crate::sinks::{Inbox, Sinks};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use vai_core::dispatch::{Reached, Sink};
use vai_core::judge::{Change, Delta, Record};
use vai_core::model::{IncidentId, Notice, NoticeKind, Notify};

/// More open incidents than this at one sink are a storm.
const STORM: usize = 5;

pub(crate) struct Arrivals {
    sinks: Sinks,
    /// By which names it is stored who was told, if by others.
    stored_names: Option<Sinks>,
    repeat: Ms,
    /// What the core wants told, by incident.
    pub(super) debts: BTreeMap<IncidentId, Debt>,
    /// What arrived where.
    arrived: BTreeMap<(IncidentId, Inbox), Arrived>,
    /// Who refused it for good, and who was to be told instead.
    refused: BTreeMap<(IncidentId, Inbox), BTreeSet<Inbox>>,
    refused_end: BTreeSet<(IncidentId, Inbox)>,
    /// When messages arrived, and since when there is a storm.
    traffic: BTreeMap<Inbox, Traffic>,
    /// How often somebody left the registry, or could not be known again.
    left: BTreeMap<Inbox, u64>,
    crashes: u64,
    /// Who may be told an end only: names that changed while vai was away.
    mistaken: BTreeSet<(IncidentId, Inbox)>,
}

#[derive(Clone)]
pub(super) struct Debt {
    since: Ms,
    latest: Notice,
    owed: BTreeSet<Inbox>,
    ended: bool,
}

#[derive(Clone, Default)]
struct Arrived {
    messages: u64,
    openings: u64,
    ends: u64,
    over: bool,
    /// Crashes, and how often it had left, before the first.
    crashes_then: u64,
    left_then: u64,
    /// A crash left nobody who knows that it arrived.
    unknown: bool,
}

#[derive(Default)]
struct Traffic {
    at: VecDeque<Ms>,
    open: BTreeSet<IncidentId>,
    stormy_since: Option<Ms>,
}

impl Arrivals {
    pub(crate) fn new(sinks: Sinks, repeat: Ms) -> Self {
        Self {
            sinks,
            stored_names: None,
            repeat: repeat.max(1),
            debts: BTreeMap::new(),
            arrived: BTreeMap::new(),
            refused: BTreeMap::new(),
            refused_end: BTreeSet::new(),
            traffic: BTreeMap::new(),
            left: BTreeMap::new(),
            crashes: 0,
            mistaken: BTreeSet::new(),
        }
    }

    /// What the core remembers to tell.
    pub(super) fn follow(&mut self, now: Ms, delta: &Delta) {
        for change in &delta.changes {
            let Change::Keep(record) = change else { continue };
            let Record::Message(_, notice) = &**record else { continue };
            let id = notice.incident.id.clone();
            let wanted = wanted(&self.sinks, notice);
            let debt = self.debts.entry(id).or_insert_with(|| Debt {
                since: now,
                latest: notice.clone(),
                owed: BTreeSet::new(),
                ended: false,
            });
            debt.latest = notice.clone();
            if notice.kind == NoticeKind::Resolved {
                debt.ended = true;
            } else {
                debt.owed.extend(wanted);
            }
        }
    }

    /// What was owed when it was last stored, if later things were lost.
    pub(super) fn crashed(&mut self, saved: Option<BTreeMap<IncidentId, Debt>>) {
        if let Some(saved) = saved {
            self.debts = saved;
        }
        self.crashes += 1;
        for traffic in self.traffic.values_mut() {
            traffic.stormy_since = None;
            traffic.open.retain(|id| self.debts.get(id).is_some_and(|debt| !debt.ended));
        }
    }

    /// The registry has these sinks now. `told` is what a new vai knows of who
    /// was told.
    pub(super) fn sinks_are(&mut self, sinks: &Sinks, told: Option<&[Reached]>) {
        let mut before = std::mem::replace(&mut self.sinks, sinks.clone());
        let stored = self.stored_names.take();
        match told {
            Some(_) => before = stored.unwrap_or(before),
            None => self.stored_names = Some(before.clone()),
        }
        let names = |sinks: &Sinks| -> BTreeMap<Inbox, BTreeSet<String>> {
            let mut names: BTreeMap<Inbox, BTreeSet<String>> = BTreeMap::new();
            for (_, sink) in usable(sinks) {
                for inbox in sink.kind.inboxes() {
                    names.entry(inbox).or_default().insert(sink.name.clone());
                }
            }
            names
        };
        let (old, new) = (names(&before), names(sinks));
        for (inbox, was) in &old {
            let is = new.get(inbox);
            if is.is_none() || (told.is_some() && is != Some(was)) {
                *self.left.entry(*inbox).or_default() += 1;
                self.traffic.remove(inbox);
            }
        }
        for (id, debt) in &mut self.debts {
            let arrived = |inbox: &Inbox| self.arrived.contains_key(&(id.clone(), *inbox));
            let gone: Vec<Inbox> = debt
                .owed
                .iter()
                .copied()
                .filter(|inbox| !new.contains_key(inbox) && !arrived(inbox))
                .collect();
            if !gone.is_empty() {
                debt.owed.retain(|inbox| !gone.contains(inbox));
                let refused =
                    gone.iter().all(|inbox| self.refused.contains_key(&(id.clone(), *inbox)));
                if !refused {
                    debt.owed.extend(wanted(sinks, &debt.latest));
                }
            }
        }
        for traffic in self.traffic.values_mut() {
            traffic.stormy_since = None;
        }
        let Some(told) = told else { return };
        let known: BTreeSet<(&IncidentId, Inbox)> = usable(sinks)
            .flat_map(|(_, sink)| {
                let told = told.iter().filter(|it| it.sink == sink.name);
                told.flat_map(|it| {
                    let named: Option<Inbox> = it.recipient.parse().ok();
                    let inboxes = sink.kind.inboxes();
                    let known = inboxes.filter(move |inbox| named.is_none_or(|it| it == *inbox));
                    known.map(|inbox| (&it.incident, inbox))
                })
            })
            .collect();
        for (id, inbox) in &known {
            let key = ((*id).clone(), *inbox);
            if old.get(inbox) != new.get(inbox) && !self.arrived.contains_key(&key) {
                self.mistaken.insert(key);
            }
        }
        for ((id, inbox), arrived) in &mut self.arrived {
            let owed = self.debts.get(id).is_some_and(|debt| debt.owed.contains(inbox));
            // Only who is owed it is told again.
            arrived.unknown |= !owed && !known.contains(&(id, *inbox));
        }
    }

    /// Who was told is stored by the names that sinks have now.
    pub(super) fn names_are_stored(&mut self) {
        self.stored_names = None;
    }

    /// A message arrived: A2, A3, A4.
    pub(super) fn arrived(
        &mut self,
        now: Ms,
        inbox: Inbox,
        notices: &[Notice],
        lives: bool,
    ) -> crate::Step {
        let crashes = self.crashes - u64::from(!lives);
        let left = self.left.get(&inbox).copied().unwrap_or(0);
        for notice in notices {
            let id = &notice.incident.id;
            let key = (id.clone(), inbox);
            let violated = |invariant, words: String| {
                let words = format!("inbox {inbox}, {}: {words}", id.0);
                Err(Violation { invariant, at: now, words })
            };
            let is_first = !self.arrived.contains_key(&key) && !self.mistaken.contains(&key);
            let arrived = self.arrived.entry(key).or_insert_with(|| Arrived {
                crashes_then: crashes,
                left_then: left,
                ..Arrived::default()
            });
            if is_first && notice.kind == NoticeKind::Resolved {
                return violated("A3", "the end arrived before its beginning".into());
            }
            arrived.messages += 1;
            arrived.openings += u64::from(notice.kind == NoticeKind::Opened);
            arrived.over |= notice.incident.is_over();
            arrived.ends += u64::from(notice.incident.is_over());
            let again = self.crashes - arrived.crashes_then + left - arrived.left_then;
            if arrived.openings.max(arrived.ends) > 1 + again {
                let words = format!("{:?} came again, nothing was forgotten", notice.kind);
                return violated("A2", words);
            }
            let Some(debt) = self.debts.get(id) else { continue };
            let most = 2 + (now - debt.since).div_ceil(self.repeat) + 2 * again;
            if arrived.messages > most {
                let words = format!("{} messages by then, at most {most}", arrived.messages);
                return violated("A4", words);
            }
        }
        self.storm(now, inbox, notices)
    }

    /// A4: while many are open, two messages an interval but for the last.
    fn storm(&mut self, now: Ms, inbox: Inbox, notices: &[Notice]) -> crate::Step {
        let interval = self.sinks.group_interval.as_millis() as Ms;
        let tells_ends =
            usable(&self.sinks).all(|(_, it)| !it.kind.reaches(inbox) || it.send_resolved);
        let traffic = self.traffic.entry(inbox).or_default();
        for notice in notices {
            if notice.incident.is_over() {
                traffic.open.remove(&notice.incident.id);
            } else {
                traffic.open.insert(notice.incident.id.clone());
            }
        }
        // Who is in two channels is two sinks.
        let once = usable(&self.sinks).filter(|(_, it)| it.kind.reaches(inbox)).count() == 1;
        let stormy = traffic.stormy_since.is_some_and(|since| since + interval < now);
        // A message takes a moment to arrive.
        let lately = traffic.at.iter().filter(|&&at| at + interval > now + 4000).count();
        if stormy && once && tells_ends && lately >= 2 && traffic.open.len() > STORM {
            let words = format!(
                "inbox {inbox}: message {} within {interval} ms, {} incidents are open",
                lately + 1,
                traffic.open.len()
            );
            return Err(Violation { invariant: "A4", at: now, words });
        }
        traffic.at.push_back(now);
        traffic.at.retain(|at| at + HOUR > now);
        if traffic.open.len() <= STORM {
            traffic.stormy_since = None;
        } else {
            traffic.stormy_since.get_or_insert(now);
        }
        Ok(())
    }

    /// A sink will never take it: others are to be told.
    pub(super) fn refused(&mut self, inbox: Inbox, notices: &[Notice]) {
        let fallback = self.sinks.fallback.as_deref();
        let others = usable(&self.sinks)
            // Whoever is reached beside it may have been told.
            .filter(|(channel, sink)| Some(*channel) == fallback || sink.kind.reaches(inbox))
            .flat_map(|(_, sink)| sink.kind.inboxes())
            .filter(|other| *other != inbox);
        let others: BTreeSet<Inbox> = others.collect();
        for notice in notices {
            let key = (notice.incident.id.clone(), inbox);
            if let Some(traffic) = self.traffic.get_mut(&inbox) {
                traffic.open.remove(&notice.incident.id);
            }
            if notice.incident.is_over() {
                self.refused_end.insert(key.clone());
            }
            self.refused.entry(key).or_insert_with(|| others.clone());
        }
    }

    /// A5: nothing is given up before its time, and then others are told.
    pub(super) fn given_up(&mut self, now: Ms, inbox: Inbox, notices: &[Notice]) -> crate::Step {
        self.refused(inbox, notices);
        let early = notices.iter().find(|notice| {
            let debt = self.debts.get(&notice.incident.id);
            debt.is_some_and(|debt| now - debt.since < 24 * HOUR)
        });
        match early {
            None => Ok(()),
            Some(notice) => {
                let words = format!("inbox {inbox}: {} is given up early", notice.incident.id.0);
                Err(Violation { invariant: "A5", at: now, words })
            }
        }
    }

    /// Everything arrived, or somebody else was told.
    pub(super) fn at_the_end(&self, now: Ms) -> crate::Step {
        let violated = |invariant, inbox: &Inbox, id: &IncidentId, words: &str| {
            let words = format!("inbox {inbox}, {}: {words}", id.0);
            Err(Violation { invariant, at: now, words })
        };
        for (id, debt) in &self.debts {
            for inbox in &debt.owed {
                let key = (id.clone(), *inbox);
                if self.arrived.contains_key(&key) || self.refused.contains_key(&key) {
                    continue;
                }
                return violated("A2", inbox, id, "it was never told");
            }
        }
        for ((id, inbox), others) in &self.refused {
            let key = |other: &Inbox| (id.clone(), *other);
            let heard = |it: &Inbox| {
                self.arrived.contains_key(&key(it)) || self.refused.contains_key(&key(it))
            };
            let gone = |other: &Inbox| self.left.contains_key(other);
            let is_known = self.debts.contains_key(id);
            let arrived = self.arrived.contains_key(&key(inbox));
            if is_known
                && !arrived
                && !others.is_empty()
                && !others.iter().any(|it| heard(it) || gone(it))
            {
                return violated("A5", inbox, id, "it was refused, and nobody else was told");
            }
        }
        for ((id, inbox), arrived) in &self.arrived {
            let Some(debt) = self.debts.get(id).filter(|debt| debt.ended) else { continue };
            let key = (id.clone(), *inbox);
            let tells_ends =
                usable(&self.sinks).all(|(_, it)| !it.kind.reaches(*inbox) || it.send_resolved);
            let left = self.left.get(inbox).copied().unwrap_or(0) > arrived.left_then;
            let excused = left || arrived.unknown || self.refused_end.contains(&key);
            if debt.ended && !arrived.over && tells_ends && !excused {
                return violated("A2", inbox, id, "its end was never told");
            }
        }
        Ok(())
    }
}

/// Every sink that can be used, and its channel.
pub(super) fn usable(sinks: &Sinks) -> impl Iterator<Item = (&str, &Sink<crate::sinks::Address>)> {
    sinks
        .channels
        .iter()
        .flat_map(|(channel, sinks)| sinks.iter().map(|sink| (channel.as_str(), sink)))
        .filter(|(_, sink)| sink.held.is_none())
}

/// Who has to be told, as the registry says.
pub(super) fn wanted(sinks: &Sinks, notice: &Notice) -> BTreeSet<Inbox> {
    let is_default = |channel: &str| sinks.default.iter().any(|it| it == channel);
    let is_named = |channel: &str, name: &str| match &notice.notify {
        Notify::Nobody => false,
        Notify::Default => is_default(channel),
        Notify::Channels(names) => names
            .iter()
            .any(|it| it == channel || (!sinks.channels.contains_key(it) && is_default(channel))),
        Notify::Others(other) => {
            name != other && (is_default(channel) || sinks.fallback.as_deref() == Some(channel))
        }
    };
    usable(sinks)
        .filter(|(channel, sink)| is_named(channel, &sink.name))
        .filter(|(_, sink)| notice.incident.severity >= sink.min_severity)
        .flat_map(|(_, sink)| sink.kind.inboxes())
        .collect()
}
