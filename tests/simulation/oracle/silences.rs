//! What an operator wants to hear nothing of: no message of it while that
//! lasts, and of what is not silenced one in time (behaviour.md, section 4).

use super::known::Known;
use crate::plan::Ms;
use vai_core::model::{
    AlertRequest, ContainerKey, Event, Incident, JobName, Place, ServiceName, SilenceScope,
    StateLabel, Subject,
};

/// The silences in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Silences(Vec<Silenced>);

#[derive(Clone, Debug)]
struct Silenced {
    scope: SilenceScope,
    until: Ms,
    /// By the wall clock: whichever gets there first ends it.
    wall: i64,
}

impl Silences {
    pub(super) fn hear(&mut self, now: Ms, wall: i64, event: &Event) {
        match event {
            Event::Alerts(AlertRequest::Silence { scope, lasts, .. }) => {
                self.0.retain(|it| it.scope != *scope);
                let lasts = lasts.as_millis() as Ms;
                let (until, wall) = (now + lasts, wall + lasts as i64);
                self.0.push(Silenced { scope: scope.clone(), until, wall });
            }
            Event::Alerts(AlertRequest::Unsilence(scope)) => self.0.retain(|it| it.scope != *scope),
            _ => {}
        }
        self.0.retain(|it| now < it.until && wall < it.wall);
    }

    /// Whether nothing at all is to be heard.
    fn hide_everything(&self) -> bool {
        self.0.iter().any(|it| it.scope == SilenceScope::Everything)
    }

    /// Whether nothing is to be heard of this incident: all that fails in it is
    /// silenced.
    pub(super) fn hide(&self, incident: &Incident, known: &Known) -> bool {
        if self.hide_everything() {
            return true;
        }
        match incident.subject {
            Subject::Service | Subject::Container if super::alerts::is_unstable(incident) => {
                self.hide_service(&incident.root.as_str().into(), known)
            }
            Subject::Service | Subject::Container => {
                let mut members = members(incident, known).peekable();
                members.peek().is_some() && members.all(|name| self.hide_service(name, known))
            }
            Subject::Job => self.hide_job(&incident.root.as_str().into(), known),
            Subject::Engine
            | Subject::Store
            | Subject::Vai
            | Subject::Network
            | Subject::Host
            | Subject::Registry
            | Subject::Sink => false,
        }
    }

    fn hide_service(&self, name: &ServiceName, known: &Known) -> bool {
        let place = known.watchlist.services.get(name).map(|service| &service.place);
        self.0.iter().any(|it| match &it.scope {
            SilenceScope::Everything => true,
            SilenceScope::Service(service) => service == name,
            SilenceScope::Job(_) => false,
            SilenceScope::Container(key) => is_in(place, key),
        })
    }

    fn hide_job(&self, name: &JobName, known: &Known) -> bool {
        let place = known.watchlist.jobs.get(name).map(|job| &job.place);
        self.0.iter().any(|it| match &it.scope {
            SilenceScope::Everything => true,
            SilenceScope::Job(job) => job == name,
            SilenceScope::Service(_) => false,
            SilenceScope::Container(key) => is_in(place, key),
        })
    }
}

fn is_in(place: Option<&Place>, key: &ContainerKey) -> bool {
    matches!(place, Some(Place::Container(place)) if place == key)
}

/// Whether an operator left everything that fails in it alone.
pub(super) fn is_left_alone(incident: &Incident, known: &Known) -> bool {
    let about_services = matches!(incident.subject, Subject::Service | Subject::Container);
    about_services
        && !super::alerts::is_unstable(incident)
        && members(incident, known).all(|name| {
            let left_alone = [
                StateLabel::Paused,
                StateLabel::Maintenance,
                StateLabel::StoppedByHand,
                StateLabel::Missing,
            ];
            known.state(name).is_none_or(|state| left_alone.contains(&state))
        })
}

/// What fails in it.
fn members<'a>(
    incident: &'a Incident,
    known: &'a Known,
) -> impl Iterator<Item = &'a ServiceName> + 'a {
    let views = known.views.values();
    let inside = views.filter(|view| view.incident.as_ref() == Some(&incident.id.0));
    inside.map(|view| &view.name)
}
