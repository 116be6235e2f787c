//! Which sinks get a notice. Pure.

use super::outbox::Reached;
use crate::config::{Notifications, Sink};
use std::collections::{BTreeMap, BTreeSet};
use vai_core::model::{IncidentId, Notice, NoticeKind, Notify};

/// Names a sink over reloads, whatever its place in the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SinkId(u64);

/// Knows the sinks and which of them was told of which incident.
#[derive(Debug, Default)]
pub(super) struct Router {
    routes: Vec<Route>,
    channels: BTreeSet<String>,
    default: Vec<String>,
    told: BTreeMap<IncidentId, BTreeSet<SinkId>>,
    last_id: u64,
}

/// One sink in one channel.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// Stable over reloads.
    pub(super) id: SinkId,
    /// The sink as it is configured now.
    pub(super) sink: Sink,
    channel: String,
}

impl Router {
    /// Applies a configuration. A sink that was there before keeps its id: the
    /// one that reaches the same people in the same way, else the one of the
    /// same name, whose address or password was mended.
    pub(super) fn reconfigure(&mut self, config: &Notifications) {
        let mut before = std::mem::take(&mut self.routes);
        let mut wanted: Vec<(&String, &Sink, Option<SinkId>)> = config
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
        self.channels = config.channels.keys().cloned().collect();
        self.default.clone_from(&config.default);
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
    pub(super) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The sinks that can be used.
    pub(super) fn usable(&self) -> impl Iterator<Item = &Route> {
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
        if !chosen.is_empty() {
            self.told.entry(id.clone()).or_default().extend(&chosen);
        }
        chosen
    }

    /// The usable sinks of the notice's channels that want its severity or
    /// know of the incident already; of two that reach the same people, one.
    fn choose(&self, notice: &Notice, told: &BTreeSet<SinkId>) -> Vec<SinkId> {
        let knows = |route: &Route| told.contains(&route.id);
        let mut wanted: Vec<&Route> = self
            .usable()
            .filter(|route| self.is_in(route, &notice.notify))
            .filter(|route| knows(route) || notice.incident.severity >= route.sink.min_severity)
            .collect();
        wanted.sort_by_key(|route| !knows(route));
        let mut chosen: Vec<&Route> = Vec::new();
        for route in wanted {
            if chosen.iter().all(|other| other.sink.kind != route.sink.kind) {
                chosen.push(route);
            }
        }
        chosen.into_iter().map(|route| route.id).collect()
    }

    /// Whether `notify` names the channel of `route`. An undefined channel
    /// means the default one (registry.md, "Notifications").
    fn is_in(&self, route: &Route, notify: &Notify) -> bool {
        match notify {
            Notify::Nobody => false,
            Notify::Default => self.default.contains(&route.channel),
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

impl Route {
    fn reaches_the_same(&self, channel: &str, sink: &Sink) -> bool {
        self.channel == channel && self.sink.kind == sink.kind
    }

    fn has_the_same_name(&self, _: &str, sink: &Sink) -> bool {
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
