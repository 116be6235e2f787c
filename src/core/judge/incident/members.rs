//! Which incident a failing service belongs to, and for how long.

use super::*;

impl Incidents {
    /// Lets go of what is well again, and of what fails by itself.
    pub(super) fn leave(&mut self, scene: &Scene<'_>) {
        for (root, open) in &mut self.open {
            open.members.retain(|name| still_fails(scene, name));
            if let Root::Service(root) = root {
                // The registry may say only now that the root needs them.
                let dependencies = scene.graph.all_dependencies(root);
                open.members.retain(|name| !dependencies.contains(name));
            }
            let alone: Vec<ServiceName> =
                open.members.iter().filter(|it| !open.explains(root, it, scene)).cloned().collect();
            if alone.is_empty() {
                open.root_well = None;
            } else if *open.root_well.get_or_insert(scene.now.mono) + LOOKED_AT_AGAIN
                <= scene.now.mono
            {
                open.members.retain(|name| !alone.contains(name));
                open.root_well = None;
            }
        }
    }

    pub(super) fn join(&mut self, scene: &Scene<'_>, changes: &mut Vec<Change>) {
        for trouble in &scene.troubles {
            self.open(&trouble.root, scene);
        }
        self.gather_in_network(scene, changes);
        for name in scene.services.keys() {
            let Some(outage) = outage(scene, name) else {
                continue;
            };
            if self.of(name).is_some() {
                continue;
            }
            let Some(root) = self.root_for(name, outage, scene) else {
                continue;
            };
            let open = self.open(&root, scene);
            open.members.insert(name.clone());
            open.incident.since = open.incident.since.min(outage.since.wall);
            let dependents = scene.graph.all_dependents(name);
            let is_child = |child: &Root, open: &IncidentMemory| {
                matches!(child, Root::Service(child) if dependents.contains(child))
                    && open.members.iter().all(|it| explains(scene, name, it))
            };
            self.adopt(is_child, &root, scene, changes);
            self.take_over(name, &root, scene, changes);
        }
    }

    fn open(&mut self, root: &Root, scene: &Scene<'_>) -> &mut IncidentMemory {
        let last = &mut self.last;
        self.open.entry(root.clone()).or_insert_with(|| {
            *last += 1;
            IncidentMemory::new(root, *last, scene.now)
        })
    }

    /// While it may be the network, everything that fails over it is one
    /// incident, unless it was told before.
    fn gather_in_network(&mut self, scene: &Scene<'_>, changes: &mut Vec<Change>) {
        if scene.trouble(&Root::Network).is_some() {
            let over_network = |name: &ServiceName| {
                scene.services.get(name).is_some_and(Machine::fails_over_network)
            };
            let is_part = |child: &Root, open: &IncidentMemory| {
                matches!(child, Root::Service(_)) && open.members.iter().all(over_network)
            };
            self.adopt(is_part, &Root::Network, scene, changes);
        }
    }

    /// Who joins others without being named by them is the root after all if
    /// its death was seen, or others depend on it, and theirs was not and none
    /// do; unless people were told otherwise, or it depends on one of them.
    fn take_over(
        &mut self,
        name: &ServiceName,
        root: &Root,
        scene: &Scene<'_>,
        changes: &mut Vec<Change>,
    ) {
        let Root::Service(old) = root else { return };
        let weight = |name: &ServiceName| {
            let outage = scene.services.get(name).and_then(|it| it.kept.outage.as_ref());
            let proven = outage.is_some_and(|outage| outage.proven);
            (proven, !scene.graph.dependents(name).is_empty())
        };
        let dependencies = scene.graph.all_dependencies(name);
        let may_lead = self
            .open
            .get(root)
            .is_some_and(|open| open.told.is_none() && open.members.is_disjoint(&dependencies));
        if !may_lead || weight(name) <= weight(old) {
            return;
        }
        let new = Root::Service(name.clone());
        if let Some(mut open) = self.open.remove(root) {
            open.incident.root = new.name();
            open.root = new.clone();
            if open.shown {
                changes.push(Change::Incident(Box::new(open.incident.clone())));
            }
            self.open.insert(new, open);
        }
    }

    /// Where a failure belongs; `None` if it is the engine's, which is told in
    /// its own time.
    fn root_for(&self, name: &ServiceName, outage: &Outage, scene: &Scene<'_>) -> Option<Root> {
        let place = scene.services.get(name).map(|machine| &machine.service.place);
        if let Some(Place::Container(key)) = place {
            match outage.kind {
                OutageKind::Blind if scene.engine_gone.is_some() => return None,
                OutageKind::Stopped
                | OutageKind::Broken(
                    FaultKind::ContainerStopped
                    | FaultKind::ContainerMissing
                    | FaultKind::CrashLoop,
                ) => {
                    return Some(Root::Container(key.clone()));
                }
                OutageKind::Blind | OutageKind::Degraded | OutageKind::Broken(_) => {}
            }
        }
        // It was well for a moment, and others that failed with it are not yet.
        let own = Root::Service(name.clone());
        if self.open.contains_key(&own) {
            return Some(own);
        }
        let dependencies = scene.graph.all_dependencies(name);
        let blamed = self.open.iter().find(|(root, open)| {
            let is_blamed = |member: &ServiceName| {
                dependencies.contains(member) && explains(scene, member, name)
            };
            match root {
                Root::Service(root) => is_blamed(root) && open.members.contains(root),
                root => !root.is_of_host() && open.members.iter().any(is_blamed),
            }
        });
        if let Some((root, _)) = blamed {
            return Some(root.clone());
        }
        let over_network = scene.services.get(name).is_some_and(Machine::fails_over_network);
        if over_network && scene.trouble(&Root::Network).is_some() {
            return Some(Root::Network);
        }
        let together = self.failed_together(name, outage, scene);
        Some(together.unwrap_or(own))
    }

    /// The incident of what failed within the same two minutes in the same
    /// container, or after the same event of the host (behaviour.md, 4).
    fn failed_together(
        &self,
        name: &ServiceName,
        outage: &Outage,
        scene: &Scene<'_>,
    ) -> Option<Root> {
        let OutageKind::Broken(_) = outage.kind else { return None };
        let confirmed = outage.confirmed.mono;
        let after_event = |at: Time| {
            scene.host_event.is_some_and(|event| at >= event && at.since(event) <= TOGETHER)
        };
        let place = &scene.services.get(name)?.service.place;
        let dependents = scene.graph.all_dependents(name);
        let found = self.open.keys().find(|root| {
            let Root::Service(root) = root else { return false };
            if dependents.contains(root) {
                return false;
            }
            let Some(machine) = scene.services.get(root) else { return false };
            let Some(other) = &machine.kept.outage else { return false };
            let OutageKind::Broken(_) = other.kind else { return false };
            let at = other.confirmed.mono;
            let same_place =
                matches!(place, Place::Container(_)) && machine.service.place == *place;
            let at_once = confirmed.since(at) <= TOGETHER && at.since(confirmed) <= TOGETHER;
            at_once && (same_place || (after_event(at) && after_event(confirmed)))
        });
        found.cloned()
    }

    /// Takes the incidents that nobody was told about yet and that `is_part`
    /// names into the one of `root`.
    fn adopt(
        &mut self,
        is_part: impl Fn(&Root, &IncidentMemory) -> bool,
        root: &Root,
        scene: &Scene<'_>,
        changes: &mut Vec<Change>,
    ) {
        let children: Vec<Root> = self
            .open
            .iter()
            .filter(|(child, open)| **child != *root && open.told.is_none() && is_part(child, open))
            .map(|(child, _)| child.clone())
            .collect();
        for child in children {
            let Some(mut orphan) = self.open.remove(&child) else {
                continue;
            };
            if let Some(open) = self.open.get_mut(root) {
                open.members.extend(orphan.members);
                open.incident.since = open.incident.since.min(orphan.incident.since);
            }
            let how = format!("it is part of the incident of {}", root.name());
            orphan.incident.phase = IncidentPhase::Closed { at: scene.now.wall, how };
            if orphan.shown {
                changes.push(Change::Incident(Box::new(orphan.incident)));
            }
        }
    }
}

impl IncidentMemory {
    /// Whether `member` fails because of the root as it stands now.
    fn explains(&self, root: &Root, member: &ServiceName, scene: &Scene<'_>) -> bool {
        match root {
            Root::Service(root) => {
                member == root || (self.members.contains(root) && explains(scene, root, member))
            }
            Root::Network => scene.trouble(root).is_some(),
            Root::Engine
            | Root::Store
            | Root::Vai
            | Root::Registry
            | Root::Sink(_)
            | Root::Job(_)
            | Root::Unstable(_)
            | Root::Container(_) => true,
        }
    }
}

/// Whether what is wrong with `cause` explains what is wrong with `name`; of
/// what is not confirmed to fail it is not known yet.
pub(super) fn explains(scene: &Scene<'_>, cause: &ServiceName, name: &ServiceName) -> bool {
    let kind = |name: &ServiceName| Some(scene.services.get(name)?.kept.outage.as_ref()?.kind);
    match (kind(cause), kind(name)) {
        (Some(cause), Some(name)) => cause.explains(name),
        (Some(cause), None) => cause.explains(OutageKind::Broken(FaultKind::Timeout)),
        (None, _) => true,
    }
}
