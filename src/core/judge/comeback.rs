//! The engine or the host was away and is back: one message once everything
//! is up again (behaviour.md, section 4, "info").

use super::*;
use crate::model::{SilenceScope, Subject};
use host::{Comeback, Failing, UNCLEAN_WITHIN};

/// What is not up by then tells of itself.
const UP_WITHIN: Duration = Duration::from_secs(1800);

impl Core {
    /// Whether this is the boot that was remembered.
    pub(super) fn note_boot(&mut self, now: Now) {
        let boot = self.settings.local.id.clone();
        let before = self.host.boot.replace(boot.clone());
        if before.is_some_and(|before| before != boot) {
            self.came_back(now, "the host was rebooted");
        }
    }

    /// The engine is back; it was restarted with everything in it if containers
    /// run in other instances now than before it went.
    pub(super) fn note_engine(&mut self, now: Now, before: &BTreeMap<ContainerKey, Instance>) {
        let restarted = self.containers.iter().any(|(key, container)| {
            let now = container.presence().filter(|presence| presence.status.is_running());
            now.is_some_and(|now| before.get(key).is_some_and(|before| *before != now.instance))
        });
        if restarted {
            self.came_back(now, "the container engine was restarted");
        }
    }

    fn came_back(&mut self, now: Now, what: &str) {
        self.host.event = Some(now.mono);
        self.host.comeback = Some(Comeback { what: what.to_owned(), at: now });
    }

    /// `vai` was restarted within one boot of the host; a reboot ends it as well.
    pub(super) fn note_restart(&mut self, now: Now, unclean: bool) {
        let words = self.host.last_words.take();
        if unclean && self.host.event != Some(now.mono) {
            let why = words.unwrap_or_else(|| {
                "it was killed, or ended without a word\nThe engine knows more: docker inspect, \
                 docker logs"
                    .to_owned()
            });
            self.host.restart = Some(Failing { since: now, why });
        }
    }

    /// Tells that once; of one that starts again and again, its own incident
    /// tells.
    pub(super) fn tell_restart(&mut self, now: Now, out: &mut Out) {
        let Some(Failing { since, why }) = self.host.restart.take() else { return };
        let told = self.is_silent(now)
            || self.host.restart_told.is_some_and(|at| now.mono.since(at) < UNCLEAN_WITHIN);
        if !told {
            self.host.restart_told = Some(now.mono);
            let reason = format!("vai was restarted without having been stopped: {why}");
            let notice = self.good_news(Subject::Vai, "vai", since, now, reason);
            self.tell(notice, out);
        }
    }

    /// Tells that everything is up again, once it is.
    pub(super) fn tell_comeback(&mut self, now: Now, out: &mut Out) {
        let Some(comeback) = &self.host.comeback else { return };
        let watched = || self.services.values().filter(|machine| machine.is_watched());
        let up = watched().all(|machine| machine.is_well() || machine.blocks_nobody());
        if now.mono.since(comeback.at.mono) >= UP_WITHIN {
            self.host.comeback = None;
        } else if up {
            let count = watched().filter(|machine| machine.is_well()).count();
            let services = if count == 1 { "the one service" } else { "all {} services" };
            let services = services.replace("{}", &count.to_string());
            let verb = if count == 1 { "is" } else { "are" };
            let reason = format!("{}, and {services} {verb} up again", comeback.what);
            let notice = self.good_news(Subject::Host, "host", comeback.at, now, reason);
            self.host.comeback = None;
            if !self.is_silent(now) {
                self.tell(notice, out);
            }
        }
    }

    /// Whether no message at all is wanted.
    pub(super) fn is_silent(&self, now: Now) -> bool {
        let mut silences = self.host.silences.iter();
        silences.any(|it| it.scope == SilenceScope::Everything && it.is_in_force(now))
    }

    /// A message that is about nothing that anybody has to mend now.
    pub(super) fn good_news(
        &mut self,
        subject: Subject,
        about: &str,
        since: Now,
        now: Now,
        reason: String,
    ) -> Notice {
        let number = self.incidents.next_number();
        let seconds = now.wall.as_millis() / 1000;
        let id = IncidentId(format!("{}-{seconds}-{number}", about.replace(' ', "-")));
        Notice::good_to_know(id, subject, about, since.wall, now, reason)
    }
}
