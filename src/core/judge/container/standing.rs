//! What the judge makes of a container at a moment.

use super::*;

impl Container {
    pub(crate) fn standing(&self, now: Time) -> Standing {
        match &self.view {
            None => Standing::Unseen,
            Some(ContainerView::Missing) => match self.kept.stop {
                Some(at) if now.since(at) < STOP_SETTLES => {
                    Standing::Settling("the container was stopped and removed just now".into())
                }
                _ => Standing::Missing(self.unmatched.clone().unwrap_or_else(|| {
                    let what = if self.seen_running { "was removed" } else { "does not exist" };
                    format!("the container {what}")
                })),
            },
            Some(ContainerView::Ambiguous(names)) => self.ambiguous(names, now),
            Some(ContainerView::Present(presence)) => self.present(presence, now),
        }
    }

    fn present(&self, presence: &Presence, now: Time) -> Standing {
        let standing = self.by_status(presence, now);
        let by_policy = presence.engine_restarts;
        match (self.crash_loop(now), standing) {
            (Some(fault), Standing::Died(_)) if !by_policy => Standing::Died(fault),
            (Some(otherwise), Standing::Finished { detail, .. }) => {
                Standing::Finished { detail, otherwise }
            }
            (Some(fault), Standing::Died(_) | Standing::Up { .. }) => {
                Standing::Looping { fault, by_policy }
            }
            (Some(fault), Standing::Settling(_))
                if presence.status == ContainerStatus::Restarting =>
            {
                Standing::Looping { fault, by_policy }
            }
            (_, standing) => standing,
        }
    }

    fn by_status(&self, presence: &Presence, now: Time) -> Standing {
        match &presence.status {
            ContainerStatus::Running if self.kept.died.is_some() => {
                Standing::Settling("the container's main process has just ended".into())
            }
            ContainerStatus::Running if self.is_being_stopped(now) => {
                Standing::Changing("somebody is stopping the container".into())
            }
            ContainerStatus::Running => {
                self.cut_off(presence, now).unwrap_or_else(|| self.up(presence))
            }
            ContainerStatus::Paused => Standing::ByHand("the container is paused".into()),
            ContainerStatus::Restarting => {
                Standing::Settling("the engine is restarting the container".into())
            }
            ContainerStatus::Removing => {
                Standing::Settling("the container is being removed".into())
            }
            ContainerStatus::Created => Standing::ByHand(match &presence.start_error {
                Some(error) => format!("the container was created, and its start failed: {error}"),
                None => "the container was created and not started".into(),
            }),
            ContainerStatus::Exited { code, oom } => self.exited(presence, *code, *oom, now),
        }
    }

    fn up(&self, presence: &Presence) -> Standing {
        Standing::Up { instance: presence.instance.clone(), since: self.up_since }
    }

    /// The same for a service that is run once: to end again and again is what
    /// it is for.
    pub(crate) fn standing_of_one_shot(&self, now: Time) -> Standing {
        match (self.standing(now), self.presence()) {
            (Standing::Looping { by_policy: false, .. }, Some(presence)) => {
                self.by_status(presence, now)
            }
            (standing, _) => standing,
        }
    }

    fn is_being_stopped(&self, now: Time) -> bool {
        self.signalled.is_some_and(|at| now.since(at) < SIGNAL_LASTS)
    }

    /// A recreation leaves two of one name for a moment.
    fn ambiguous(&self, names: &[String], now: Time) -> Standing {
        let list = names.join(", ");
        if self.ambiguous.is_some_and(|since| now.since(since) < AMBIGUITY_SETTLES) {
            return Standing::Changing(format!("one of these containers is to be left: {list}"));
        }
        let first = names.first().map_or("…", String::as_str);
        Standing::Unclear(format!(
            "{} containers go by this name, as replicas do: {list}; vai watches one container by \
             one name, so write an entry for each in `containers`: {{ \"name\": \"{first}\" }}",
            names.len()
        ))
    }

    /// Whether it exited by itself too often lately.
    fn crash_loop(&self, now: Time) -> Option<Fault> {
        let recent = self.kept.exits.iter().filter(|&&at| now.since(at) < LOOP_WITHIN).count();
        (recent >= LOOP_EXITS).then(|| {
            let name = self.presence().map_or("the container", |it| it.name.as_str());
            let within = words::duration(LOOP_WITHIN);
            let detail = format!("{name} exited by itself {recent} times in {within}");
            Fault::new(FaultKind::CrashLoop, detail)
        })
    }
}
