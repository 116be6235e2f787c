//! Containers that ended: who ended them, and when that is settled.

use super::*;

/// The engine's `stop` event follows its `die` within this: until then a death
/// may turn out to be somebody's wish.
pub(super) const CAUSE_SETTLES: Duration = Duration::from_millis(500);
/// After a signal that somebody sent through the engine, it is waited for
/// longer: unmounting may take the engine seconds.
const SIGNALLED_CAUSE_SETTLES: Duration = Duration::from_secs(5);

/// Who ended a run of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ender {
    /// Nobody saw it, or it was the engine on its own way down.
    #[default]
    Unknown,
    /// Its main process ended without anybody asking for it.
    Itself,
    /// A restart or a stop by `vai`.
    Vai,
    /// A `docker kill`, `docker stop` or the like.
    Somebody,
}

impl Container {
    /// Who ends it when its main process ends at `now`.
    pub(super) fn ender(&self, now: Time) -> Ender {
        if self.is_ours(now) {
            Ender::Vai
        } else if self.signalled.is_some() {
            Ender::Somebody
        } else {
            Ender::Itself
        }
    }

    /// What is known of its end and not in what the engine shows now.
    pub(super) fn recall_end(&mut self, shown: &mut Presence) {
        if shown.status.is_running() {
            return;
        }
        if self.kept.ended_by == Ender::Vai && self.left_running.as_ref() == Some(&shown.instance) {
            // This run is what our act left; it ended after that.
            self.kept.ended_by = Ender::Itself;
        }
        let before = self.presence().filter(|before| before.instance == shown.instance);
        if let (None, Some(before)) = (&shown.start_error, before) {
            shown.start_error.clone_from(&before.start_error);
        }
    }

    /// The engine could not start it, in these words.
    pub(crate) fn was_not_started(&mut self, words: &str) {
        if let Some(ContainerView::Present(presence)) = &mut self.view {
            presence.start_error = Some(words.to_owned());
        }
    }

    pub(super) fn exited(&self, presence: &Presence, code: i64, oom: bool, now: Time) -> Standing {
        if let Some(at) = self.kept.stop {
            return if now.since(at) < STOP_SETTLES {
                Standing::Settling("the container was stopped just now".into())
            } else {
                Standing::ByHand("the container was stopped by hand".into())
            };
        }
        let gone = self.kept.died.or(self.absent.map(|absent| absent.mono)).unwrap_or(now);
        if now.since(gone) < self.cause_settles() {
            return Standing::Settling("the container has just ended".into());
        }
        // No policy tries a start again that came to nothing.
        if presence.engine_restarts && presence.start_error.is_none() {
            if !self.seen_running {
                // Its policy would have started it, so somebody stopped it
                // while we were not looking; unless the engine is still coming
                // or going.
                return if now.since(gone) < STOP_SETTLES {
                    Standing::Settling("the engine may yet start the container".into())
                } else {
                    Standing::ByHand("the container was stopped by hand".into())
                };
            }
            if now.since(gone) < POLICY_GRACE {
                return Standing::Settling(
                    "the container ended and the engine's restart policy is to bring it back"
                        .into(),
                );
            }
        }
        let fault = Fault::new(FaultKind::ContainerStopped, self.how_it_ended(presence, code, oom));
        let was_ended = matches!(self.kept.ended_by, Ender::Vai | Ender::Somebody);
        if presence.has_finished() && presence.start_error.is_none() && !was_ended {
            let name = &presence.name;
            let detail = format!("container {name} ran to its end with exit code 0");
            return Standing::Finished { detail, otherwise: fault };
        }
        Standing::Died(fault)
    }

    fn how_it_ended(&self, presence: &Presence, code: i64, oom: bool) -> String {
        let name = &presence.name;
        if let Some(error) = &presence.start_error {
            return format!("container {name} could not be started: {error}");
        }
        let why = if oom { ", out of memory" } else { "" };
        match self.kept.ended_by {
            Ender::Itself => format!("container {name} exited by itself with code {code}{why}"),
            Ender::Unknown => format!("container {name} exited with code {code}{why}"),
            Ender::Vai => format!("container {name} was stopped by vai, exit code {code}{why}"),
            Ender::Somebody => {
                format!("container {name} was killed through the engine, exit code {code}{why}")
            }
        }
    }

    pub(super) fn cause_settles(&self) -> Duration {
        if self.signalled.is_some() { SIGNALLED_CAUSE_SETTLES } else { CAUSE_SETTLES }
    }
}
