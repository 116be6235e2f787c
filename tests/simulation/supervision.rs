//! Supervisors of the services' own, for random histories.

use crate::plan::{Plan, SECOND};
use crate::rng::Rng;
use crate::world::{Thing, World};
use std::sync::Arc;
use std::time::Duration;
use vai_core::model::{Rung, Supervised};

/// A plan in which something else restarts some of the services. Its chance is
/// its own: all else is as it was.
pub(crate) fn supervised(mut plan: Plan) -> Plan {
    let mut rng = Rng::new(plan.seed ^ 0x50be_4715);
    for it in &mut plan.services {
        if it.service.restart_cmd.is_none() || !rng.chance(20) {
            continue;
        }
        let service = Arc::make_mut(&mut it.service);
        let patience = Duration::from_secs(rng.range(2, 90));
        service.supervised = Some(Supervised { by: "supervisord".into(), patience });
        service.recovery.ladder.retain(|rung| *rung != Rung::KillAndCommand);
        it.supervisor = Some(rng.range(1, 30) * SECOND);
        it.autostart |= rng.chance(70);
    }
    plan
}

impl World {
    /// Whoever supervises a service that ended starts it again in a while.
    pub(crate) fn supervisor_sees_death(&mut self, service: &str) {
        let Some(target) = self.targets.get(service) else { return };
        if let Some(after) = target.plan.supervisor {
            self.later(after, Thing::Supervisor { service: service.to_owned() });
        }
    }

    /// It does so once: a program that is broken is given up.
    pub(crate) fn supervisor_starts(&mut self, service: &str) {
        let now = self.now;
        let Some(target) = self.targets.get_mut(service) else { return };
        let home = target.plan.container.as_ref();
        let up = home.is_none_or(|name| self.containers.get(name).is_some_and(|it| it.runs()));
        if up && target.process(now).is_none() && target.broken_until <= now {
            target.launch(now);
        }
    }
}
