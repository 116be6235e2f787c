//! Which sinks get a notice. Pure.

use super::outbox::{DeskId, Reached};
use super::plan::{Destination, Plan, Sink};
use crate::model::{IncidentId, Notice, NoticeKind, Notify};
use std::collections::{BTreeMap, BTreeSet};

/// Names a sink over reloads, whatever its place in the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SinkId(u64);

/// Knows the sinks and which of them was told of which incident.
#[derive(Debug)]
pub(super) struct Router<K> {
    routes: Vec<Route<K>>,
    channels: BTreeSet<String>,
    default: Vec<String>,
    fallback: Option<String>,
    told: BTreeMap<IncidentId, BTreeSet<SinkId>>,
    last_id: u64,
}

/// One sink in one channel.
#[derive(Clone, Debug)]
pub struct Route<K> {
    /// Stable over reloads.
    pub id: SinkId,
    /// The sink as it is configured now.
    pub sink: Sink<K>,
    channel: String,
}

impl<K: Destination> Router<K> {
    /// Without any sink.
    pub(super) fn new() -> Self {
        Self {
            routes: Vec::new(),
            channels: BTreeSet::new(),
            default: Vec::new(),
            fallback: None,
            told: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// Applies a configuration. A sink that was there before keeps its id: the
    /// one that reaches the same people in the same way, else the one of the
    /// same name, whose address or password was mended.
    pub(super) fn reconfigure(&mut self, plan: &Plan<K>) {
        let mut before = std::mem::take(&mut self.routes);
        let mut wanted: Vec<(&String, &Sink<K>, Option<SinkId>)> = plan
            .channels
            .iter()
            .flat_map(|(channel, sinks)| sinks.iter().map(move |sink| (channel, sink, None)))
            .collect();
        for same in [Route::reaches_the_same, Route::has_the_same_name] {
            for (channel, sink, id) in wanted.iter_mut().filter(|(_, _, id)| id.is_none()) {
                if let Some(at) = before.iter().position(|old| same(old, channel, sink)) {
                    *id = Some(before.swap_remove(at).id);
                }
            }
        }
        for (channel, sink, id) in wanted {
            let id = id.unwrap_or_else(|| self.new_id());
            self.routes.push(Route { id, sink: sink.clone(), channel: channel.clone() });
        }
        self.channels = plan.channels.keys().cloned().collect();
        self.default.clone_from(&plan.default);
        self.fallback.clone_from(&plan.fallback);
    }

    /// Goes on from what the sinks were told by a `vai` before this one.
    pub(super) fn resume(&mut self, told: &[Reached]) {
        for Reached { incident, sink, .. } in told {
            let route = self.routes.iter().find(|route| route.sink.name == *sink);
            let told = self.told.entry(incident.clone()).or_default();
            told.extend(route.map(|route| route.id));
        }
    }

    /// Every sink, held ones included.
    pub(super) fn routes(&self) -> &[Route<K>] {
        &self.routes
    }

    /// The sinks that can be used.
    pub(super) fn usable(&self) -> impl Iterator<Item = &Route<K>> {
        self.routes.iter().filter(|route| route.sink.held.is_none())
    }

    /// The sinks that get `notice`. None: it is for the log only.
    ///
    /// Whoever was told of an incident is told of its end too, whatever its
    /// `min_severity` and however the channels have changed since. If none of
    /// those sinks is left, the channel's present ones are.
    pub(super) fn route(&mut self, notice: &Notice) -> Vec<SinkId> {
        let id = &notice.incident.id;
        if notice.kind == NoticeKind::Resolved {
            let Some(told) = self.told.remove(id) else {
                return Vec::new();
            };
            let left: Vec<SinkId> =
                self.usable().map(|route| route.id).filter(|id| told.contains(id)).collect();
            return if left.is_empty() { self.choose(notice, &told) } else { left };
        }
        let told = self.told.get(id).cloned().unwrap_or_default();
        let chosen = self.choose(notice, &told);
        if !chosen.is_empty() && !notice.incident.is_over() {
            self.told.entry(id.clone()).or_default().extend(&chosen);
        }
        chosen
    }

    /// Who is told instead of `sink`: the other usable sinks of the fallback
    /// channel. They are told the end as well.
    pub(super) fn fallback(&mut self, notice: &Notice, sink: SinkId) -> Vec<SinkId> {
        let Some(fallback) = &self.fallback else { return Vec::new() };
        let others = self.usable().filter(|it| it.channel == *fallback && it.id != sink);
        let chosen: Vec<SinkId> = others.map(|route| route.id).collect();
        if !notice.incident.is_over() && !chosen.is_empty() {
            self.told.entry(notice.incident.id.clone()).or_default().extend(&chosen);
        }
        chosen
    }

    /// The usable sinks of the notice's channels that want its severity or
    /// know of the incident already; of two that reach the same people, one.
    fn choose(&self, notice: &Notice, told: &BTreeSet<SinkId>) -> Vec<SinkId> {
        let knows = |route: &Route<K>| told.contains(&route.id);
        let mut wanted: Vec<&Route<K>> = self
            .named(&notice.notify)
            .into_iter()
            .filter(|route| knows(route) || notice.incident.severity >= route.sink.min_severity)
            .collect();
        wanted.sort_by_key(|route| !knows(route));
        let mut chosen: Vec<&Route<K>> = Vec::new();
        for route in wanted {
            if chosen.iter().all(|other| other.sink.kind != route.sink.kind) {
                chosen.push(route);
            }
        }
        chosen.into_iter().map(|route| route.id).collect()
    }

    /// The usable sinks that `notify` names.
    fn named(&self, notify: &Notify) -> Vec<&Route<K>> {
        let named = self.usable().filter(|route| self.is_in(route, notify));
        let named: Vec<_> = named.collect();
        match notify {
            Notify::Others(sink) if named.is_empty() => {
                self.usable().filter(|route| route.sink.name != *sink).collect()
            }
            Notify::Others(_) | Notify::Default | Notify::Nobody | Notify::Channels(_) => named,
        }
    }

    /// Whether `notify` names the channel of `route`. An undefined channel
    /// means the default one (registry.md, "Notifications").
    fn is_in(&self, route: &Route<K>, notify: &Notify) -> bool {
        match notify {
            Notify::Nobody => false,
            Notify::Default => self.default.contains(&route.channel),
            Notify::Others(sink) => {
                let channel = &route.channel;
                let chosen =
                    self.default.contains(channel) || self.fallback.as_ref() == Some(channel);
                chosen && route.sink.name != *sink
            }
            Notify::Channels(names) => names.iter().any(|name| {
                if self.channels.contains(name) {
                    route.channel == *name
                } else {
                    self.default.contains(&route.channel)
                }
            }),
        }
    }

    fn new_id(&mut self) -> SinkId {
        self.last_id += 1;
        SinkId(self.last_id)
    }
}

impl<K: Destination> Route<K> {
    /// The queues of this sink: one for each recipient, or its own.
    pub(super) fn desks(&self) -> Vec<DeskId> {
        let desk = |recipient| DeskId { sink: self.id, recipient };
        match self.sink.kind.recipients() {
            recipients if recipients.is_empty() => vec![desk(String::new())],
            recipients => recipients.into_iter().map(desk).collect(),
        }
    }

    fn reaches_the_same(&self, channel: &str, sink: &Sink<K>) -> bool {
        self.channel == channel && self.sink.kind == sink.kind
    }

    fn has_the_same_name(&self, _: &str, sink: &Sink<K>) -> bool {
        self.sink.name == sink.name
    }
}

/// Two different ones, for tests.
#[cfg(test)]
pub(super) fn two_sinks() -> [SinkId; 2] {
    [SinkId(1), SinkId(2)]
}

#[cfg(test)]
mod tests;
