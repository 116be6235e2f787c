use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use vai_core::judge::{Change, Delta, Record, RecordKey};
use vai_core::model::{
    ActId, Incident, IncidentId, IncidentPhase, JobName, JobView, ServiceName, ServiceView,
    Silence, StateLabel, Wall,
};

/// All that can be shown, at one moment. It is what `vai status --json`
/// prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Every job of the registry.
    #[serde(default)]
    pub jobs: BTreeMap<JobName, JobView>,
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
    /// What the operator should know about the crontabs of the containers.
    #[serde(default)]
    pub crontabs: Vec<String>,
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
            jobs: BTreeMap::new(),
            incidents: BTreeMap::new(),
            silences: Vec::new(),
            acts: BTreeMap::new(),
            sinks: Vec::new(),
            warnings: Vec::new(),
            crontabs: Vec::new(),
        }
    }

    /// The services whose container does not exist, in a sentence that names
    /// them; none if there are none.
    #[must_use]
    pub fn unwatched(&self) -> Option<String> {
        let missing = self.services.values().filter(|it| it.state == StateLabel::Missing);
        let named: Vec<String> = missing.map(|it| format!("{} ({})", it.name, it.reason)).collect();
        match named.as_slice() {
            [] => None,
            [one] => Some(format!("1 service is not watched: {one}")),
            many => Some(format!("{} services are not watched: {}", many.len(), many.join(", "))),
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
            Change::Job(view) => {
                self.jobs.insert(view.name.clone(), (**view).clone());
            }
            Change::JobRemoved(name) => {
                self.jobs.remove(name);
            }
            Change::Silences(silences) => self.silences.clone_from(silences),
            // A line of the log, for statistics, and for the record of what was.
            Change::Transition(_) | Change::Sampled(_) | Change::Run(_) => {}
        }
    }

    /// The service called `name`.
    ///
    /// # Errors
    /// There is none; names the nearest one.
    pub fn service(&self, name: &ServiceName) -> Result<&ServiceView, UnknownName> {
        let known = self.services.keys().map(ServiceName::as_str);
        let unknown = || UnknownName::new("service", "vai status", name.as_str(), known);
        self.services.get(name).ok_or_else(unknown)
    }

    /// The job called `name`.
    ///
    /// # Errors
    /// There is none; names the nearest one.
    pub fn job(&self, name: &JobName) -> Result<&JobView, UnknownName> {
        let known = self.jobs.keys().map(JobName::as_str);
        let unknown = || UnknownName::new("job", "vai jobs", name.as_str(), known);
        self.jobs.get(name).ok_or_else(unknown)
    }
}

/// Nothing in the registry goes by the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// `service` or `job`.
    what: &'static str,
    /// The command that lists them all.
    lists: &'static str,
    asked: String,
    nearest: Option<String>,
}

impl UnknownName {
    fn new<'a>(
        what: &'static str,
        lists: &'static str,
        asked: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Self {
        let far = (asked.chars().count() / 3).max(2);
        let nearest = known
            .map(|known| (strsim::damerau_levenshtein(asked, known), known))
            .filter(|(distance, _)| *distance <= far)
            .min()
            .map(|(_, known)| known.to_owned());
        Self { what, lists, asked: asked.to_owned(), nearest }
    }

    /// How to go on.
    #[must_use]
    pub fn help(&self) -> String {
        match &self.nearest {
            Some(nearest) => format!("did you mean \"{nearest}\"?"),
            None => format!("`{}` lists all {}s", self.lists, self.what),
        }
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no {} \"{}\" in the registry", self.what, self.asked)
    }
}

impl std::error::Error for UnknownName {}

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
