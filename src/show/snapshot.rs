use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use vai_core::judge::{Change, Delta, Record, RecordKey};
use vai_core::model::{
    ActId, Incident, IncidentId, IncidentPhase, ServiceName, ServiceView, Silence, Wall,
};

/// All that can be shown, at one moment. It is what `vai status --json`
/// prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Of the running daemon.
    pub version: String,
    /// When the daemon started.
    pub started_at: Wall,
    /// Whether it only says what it would do.
    pub observe: bool,
    /// How the link to the container engine stands.
    pub engine: EngineState,
    /// Why nothing can be stored, if so.
    pub store: Option<String>,
    /// Every service of the registry.
    pub services: BTreeMap<ServiceName, ServiceView>,
    /// Open ones.
    pub incidents: BTreeMap<IncidentId, Incident>,
    /// What hides messages.
    #[serde(default)]
    pub silences: Vec<Silence>,
    /// Acts under way.
    pub acts: BTreeMap<ActId, ServiceName>,
    /// Where messages go.
    pub sinks: Vec<SinkView>,
    /// What the operator should know about the registry in force.
    pub warnings: Vec<String>,
}

/// How the link to the container engine stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EngineState {
    /// Not asked yet, or no service needs it.
    Unused,
    /// It answers.
    Up {
        /// For people: `Docker Engine 20.10.24 (API 1.41)`.
        version: String,
    },
    /// It does not answer.
    Gone {
        /// Why, in words.
        reason: String,
        /// Since when.
        since: Wall,
    },
}

/// One way to reach people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkView {
    /// `alerts[0] ntfy`.
    pub name: String,
    /// Why it cannot be used, if so.
    pub held: Option<String>,
}

impl Snapshot {
    /// A daemon that has seen nothing yet.
    #[must_use]
    pub fn new(started_at: Wall, observe: bool) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            observe,
            engine: EngineState::Unused,
            store: None,
            services: BTreeMap::new(),
            incidents: BTreeMap::new(),
            silences: Vec::new(),
            acts: BTreeMap::new(),
            sinks: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Takes in one step of the core.
    pub fn apply(&mut self, delta: &Delta) {
        for change in &delta.changes {
            self.apply_change(change);
        }
    }

    /// Takes in one change.
    pub(super) fn apply_change(&mut self, change: &Change) {
        match change {
            Change::Service(view) => {
                self.services.insert(view.name.clone(), (**view).clone());
            }
            Change::Removed(name) => {
                self.services.remove(name);
            }
            Change::Keep(record) => {
                if let Record::Act(id, act) = &**record {
                    self.acts.insert(*id, act.service.clone());
                }
            }
            Change::Forget(key) => {
                if let RecordKey::Act(id) = key {
                    self.acts.remove(id);
                }
            }
            Change::Incident(incident) => match incident.phase {
                IncidentPhase::Open => {
                    self.incidents.insert(incident.id.clone(), (**incident).clone());
                }
                IncidentPhase::Closed { .. } => {
                    self.incidents.remove(&incident.id);
                }
            },
            Change::Job(_) | Change::JobRemoved(_) | Change::Run(_) => {}
            Change::Silences(silences) => self.silences.clone_from(silences),
            // One is a line of the log, the other is for statistics.
            Change::Transition(_) | Change::Sampled(_) => {}
        }
    }

    /// The service called `name`.
    ///
    /// # Errors
    /// There is none; names the nearest one.
    pub fn service(&self, name: &ServiceName) -> Result<&ServiceView, UnknownService> {
        self.services.get(name).ok_or_else(|| UnknownService {
            asked: name.clone(),
            nearest: self.nearest(name).cloned(),
        })
    }

    fn nearest(&self, name: &ServiceName) -> Option<&ServiceName> {
        let asked = name.as_str();
        let far = (asked.chars().count() / 3).max(2);
        self.services
            .keys()
            .map(|known| (strsim::damerau_levenshtein(asked, known.as_str()), known))
            .filter(|(distance, _)| *distance <= far)
            .min()
            .map(|(_, known)| known)
    }
}

/// No service goes by the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownService {
    asked: ServiceName,
    nearest: Option<ServiceName>,
}

impl UnknownService {
    /// How to go on.
    #[must_use]
    pub fn help(&self) -> String {
        match &self.nearest {
            Some(nearest) => format!("did you mean \"{nearest}\"?"),
            None => "`vai status` lists all services".to_owned(),
        }
    }
}

impl fmt::Display for UnknownService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no service \"{}\" in the registry", self.asked)
    }
}

impl std::error::Error for UnknownService {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fixture::{incident, service};
    use vai_core::judge::ActMemory;
    use vai_core::model::{Act, Place, StateLabel, Time};

    fn apply(snapshot: &mut Snapshot, change: Change) {
        snapshot.apply(&Delta { changes: vec![change] });
    }

    #[test]
    fn a_service_is_replaced_and_removed() {
        let mut snapshot = Snapshot::new(Wall::default(), false);
        let healthy = service("redis", StateLabel::Healthy);
        let down = service("redis", StateLabel::Down);
        apply(&mut snapshot, Change::Service(Box::new(healthy)));
        apply(&mut snapshot, Change::Service(Box::new(down.clone())));
        assert_eq!(snapshot.service(&"redis".into()), Ok(&down));
        apply(&mut snapshot, Change::Removed("redis".into()));
        assert!(snapshot.services.is_empty());
    }

    #[test]
    fn only_open_incidents_and_acts_under_way_are_shown() {
        let mut snapshot = Snapshot::new(Wall::default(), false);
        let open = incident("redis");
        let mut closed = open.clone();
        closed.phase = IncidentPhase::Closed { at: Wall::from_millis(9), how: "healed".to_owned() };
        apply(&mut snapshot, Change::Incident(Box::new(open)));
        let id = ActId(4);
        let act = ActMemory {
            service: "redis".into(),
            place: Place::Local,
            act: Act::Start,
            instance: None,
            at: Time::default(),
            spends_host: false,
        };
        let begun = Change::Keep(Box::new(Record::Act(id, act)));
        apply(&mut snapshot, begun);
        assert_eq!((snapshot.incidents.len(), snapshot.acts.len()), (1, 1));
        apply(&mut snapshot, Change::Forget(RecordKey::Act(id)));
        apply(&mut snapshot, Change::Incident(Box::new(closed)));
        assert_eq!((snapshot.incidents.len(), snapshot.acts.len()), (0, 0));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_one() {
        let mut snapshot = Snapshot::new(Wall::default(), false);
        for name in ["redis", "nginx", "syncthing"] {
            let view = service(name, StateLabel::Healthy);
            apply(&mut snapshot, Change::Service(Box::new(view)));
        }
        let help = |name: &str| snapshot.service(&name.into()).unwrap_err().help();
        assert_eq!(help("reids"), "did you mean \"redis\"?");
        assert_eq!(help("sincting"), "did you mean \"syncthing\"?");
        assert_eq!(help("postgres"), "`vai status` lists all services");
    }
}
