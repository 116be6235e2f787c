//! What an operator wants to hear of: acknowledgements and silences.

use super::jobs::JobMachine;
use super::*;
use crate::model::{AlertRequest, Silence, SilenceScope};
use crate::words;

/// A silence may last no longer; what is forgotten must come back by itself.
const LONGEST_SILENCE: Duration = Duration::from_secs(30 * 24 * 3600);

impl Core {
    /// What a request about messages will come to, or why it is refused. It is
    /// carried out by handing in [`Event::Alerts`].
    ///
    /// # Errors
    /// Nothing of that name is open, known or silenced, or a silence without a
    /// sensible length.
    pub fn answer_about_alerts(
        &self,
        now: Now,
        request: &AlertRequest,
    ) -> Result<String, OperatorError> {
        match request {
            AlertRequest::Acknowledge(name) => {
                let open: Vec<&str> =
                    self.incidents.find(name).map(|it| it.root.as_str()).collect();
                let what = match open.as_slice() {
                    [] => return Err(self.nothing_open(name)),
                    [root] => format!("{root} is acknowledged"),
                    several => format!("{} incidents of {name} are acknowledged", several.len()),
                };
                Ok(format!("{what}: no more reminders, you are told when it gets worse or is over"))
            }
            AlertRequest::Silence { scope, lasts, .. } => {
                self.known(scope)?;
                if lasts.is_zero() || *lasts > LONGEST_SILENCE {
                    let most = words::duration(LONGEST_SILENCE);
                    return Err(OperatorError(format!("a silence lasts up to {most}")));
                }
                let lasts = words::duration(*lasts);
                Ok(format!(
                    "no {} for {lasts}; vai goes on checking and healing, and tells afterwards \
                     what is still wrong",
                    scope.messages()
                ))
            }
            AlertRequest::Unsilence(scope) => {
                let in_force = || self.host.silences.iter().filter(|it| it.is_in_force(now));
                if !in_force().any(|it| it.scope == *scope) {
                    return Err(OperatorError(match scope {
                        SilenceScope::Everything => "messages are not silenced".to_owned(),
                        scope => format!("{scope} is not silenced"),
                    }));
                }
                let mut wider = in_force().filter(|it| self.covers(&it.scope, scope));
                Ok(match wider.next() {
                    None => format!("{} are sent again", scope.messages()),
                    Some(Silence { scope: wider, .. }) => format!(
                        "{scope} by itself is not silenced any more; {wider} still is, and it with \
                         that"
                    ),
                })
            }
        }
    }

    pub(super) fn attend(&mut self, now: Now, request: &AlertRequest, out: &mut Out) {
        if self.answer_about_alerts(now, request).is_err() {
            return;
        }
        match request {
            AlertRequest::Acknowledge(name) => {
                self.incidents.acknowledge(name, now, &mut out.changes);
            }
            AlertRequest::Silence { scope, lasts, reason } => {
                self.host.silences.retain(|it| it.scope != *scope);
                let wall = now.wall.after(*lasts);
                let until = Now { mono: now.mono + *lasts, wall };
                let (scope, reason) = (scope.clone(), reason.clone());
                self.host.silences.push(Silence { scope, until, reason });
            }
            AlertRequest::Unsilence(scope) => self.host.silences.retain(|it| it.scope != *scope),
        }
    }

    /// Forgets the silences that are over.
    pub(super) fn end_silences(&mut self, now: Now) {
        self.host.silences.retain(|it| it.is_in_force(now));
    }

    /// Hands out the silences where they changed, for show.
    pub(super) fn show_silences(&mut self, out: &mut Out) {
        if self.silences_shown != self.host.silences {
            self.silences_shown.clone_from(&self.host.silences);
            out.changes.push(Change::Silences(self.host.silences.clone()));
        }
    }

    fn known(&self, scope: &SilenceScope) -> Result<(), OperatorError> {
        match scope {
            SilenceScope::Everything => Ok(()),
            SilenceScope::Service(name) if self.services.contains_key(name) => Ok(()),
            SilenceScope::Job(name) if self.jobs.contains_key(name) => Ok(()),
            SilenceScope::Job(name) => {
                Err(OperatorError(format!("there is no job {name} in the registry")))
            }
            SilenceScope::Service(name) => {
                Err(OperatorError(format!("there is no service {name} in the registry")))
            }
            SilenceScope::Container(key) => {
                let services = self.services.values().filter_map(Machine::container);
                if services.chain(self.job_containers()).any(|known| known == key) {
                    Ok(())
                } else {
                    Err(OperatorError(format!(
                        "no service or job of the registry is in container {key}"
                    )))
                }
            }
        }
    }

    /// Whether a silence of `wide` hides what one of `narrow` hides, and more.
    fn covers(&self, wide: &SilenceScope, narrow: &SilenceScope) -> bool {
        match (wide, narrow) {
            (SilenceScope::Everything, narrow) => *narrow != SilenceScope::Everything,
            (SilenceScope::Container(key), SilenceScope::Service(name)) => {
                self.services.get(name).and_then(Machine::container) == Some(key)
            }
            (SilenceScope::Container(key), SilenceScope::Job(name)) => {
                self.jobs.get(name).and_then(JobMachine::container) == Some(key)
            }
            (SilenceScope::Container(_) | SilenceScope::Service(_) | SilenceScope::Job(_), _) => {
                false
            }
        }
    }

    fn nothing_open(&self, name: &str) -> OperatorError {
        let open: Vec<&str> =
            self.incidents.memories().map(|(_, it)| it.incident().root.as_str()).collect();
        OperatorError(match open.as_slice() {
            [] => "no incident is open".to_owned(),
            open => format!("no open incident is called {name}; open: {}", open.join(", ")),
        })
    }
}
