//! What fails because of an incident's root, and what of it is well again.

use super::members::explains;
use super::*;
use crate::model::Affected;
use std::collections::BTreeSet;

impl IncidentMemory {
    /// What hangs on the root and is not well, what shares its fate, and what
    /// of both is well again, by name. What is known of one stays as it was told until
    /// it stands otherwise: a reason with a figure in it is another at each look.
    pub(super) fn update_affected(&mut self, root: Option<&ServiceName>, scene: &Scene<'_>) {
        let failing = affected(root, &self.members, scene);
        let all = &mut self.incident.affected;
        // What still fails, and not because of the root, is told by itself.
        all.retain(|it| {
            Some(&it.name) != root && (failing.contains(&it.name) || !is_broken(&it.name, scene))
        });
        for it in all.iter_mut() {
            it.over = !failing.contains(&it.name);
        }
        for name in &failing {
            let Some(machine) = scene.services.get(name) else { continue };
            let place = |name: &ServiceName| all.binary_search_by(|it| it.name.cmp(name));
            let because = scene
                .graph
                .dependencies(name)
                .iter()
                .filter(|it| explains(scene, it, name))
                .find(|&it| Some(it) == root || failing.contains(it) || place(it).is_ok());
            let state = machine.standing();
            let at = place(name);
            if let Ok(at) = at
                && all[at].state == state
                && all[at].because.as_ref() == because
            {
                continue;
            }
            let (reason, because) = (machine.complaint(), because.cloned());
            let it = Affected { name: name.clone(), state, reason, because, over: false };
            match at {
                Ok(at) => all[at] = it,
                Err(at) => all.insert(at, it),
            }
        }
    }

    /// Nothing fails because of the root any more.
    pub(super) fn settle_affected(&mut self, scene: &Scene<'_>) {
        let all = &mut self.incident.affected;
        all.retain(|it| !is_broken(&it.name, scene));
        all.iter_mut().for_each(|it| it.over = true);
    }
}

fn is_broken(name: &ServiceName, scene: &Scene<'_>) -> bool {
    let outage = scene.services.get(name).and_then(|it| it.kept.outage.as_ref());
    outage.is_some_and(|outage| matches!(outage.kind, OutageKind::Broken(_)))
}

/// What hangs on the root and is not well, and what shares its fate.
fn affected(
    root: Option<&ServiceName>,
    members: &BTreeSet<ServiceName>,
    scene: &Scene<'_>,
) -> BTreeSet<ServiceName> {
    let mut all = members.clone();
    if let Some(root) = root {
        all.extend(scene.graph.all_dependents(root).into_iter().filter(|name| {
            let machine = scene.services.get(name);
            machine.is_some_and(|machine| !machine.is_well() && !machine.blocks_nobody())
                && explains(scene, root, name)
        }));
        all.remove(root);
    }
    all
}
