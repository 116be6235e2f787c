//! What a step of the core changes, and what of it outlives a run of `vai`.

use super::container::ContainerMemory;
use super::host::HostMemory;
use super::incident::IncidentMemory;
use super::jobs::JobMemory;
use super::machine::ServiceMemory;
use crate::model::{
    Act, ActId, ContainerKey, Incident, IncidentId, Instance, JobName, JobView, MessageId, Notice,
    Outcome, Run, ServiceName, ServiceView, Silence, Time, Transition,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What changed in one step of the core. The shell stores it before it
/// dispatches any action of the same step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// In the order in which it happened.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// How a service stands now; replaces what was known. For show.
    Service(Box<ServiceView>),
    /// A service left the registry.
    Removed(ServiceName),
    /// A service changed its state or something worth a log line happened.
    Transition(Transition),
    /// A result that counted.
    Sampled(Sample),
    /// An incident was opened, changed or closed; replaces what was known. For
    /// show, and as the record of what was.
    Incident(Box<Incident>),
    /// How a job stands now; replaces what was known. For show.
    Job(Box<JobView>),
    /// A job left the registry.
    JobRemoved(JobName),
    /// A run is over, or will never be: its one outcome, for the record of what
    /// was.
    Run(Box<Run>),
    /// The silences in force; replaces what was known. For show.
    Silences(Vec<Silence>),
    /// To be remembered over a restart of `vai`; replaces the record of the
    /// same key.
    Keep(Box<Record>),
    /// Need not be remembered any more.
    Forget(RecordKey),
}

/// One result of one check, for statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The service.
    pub service: ServiceName,
    /// The check's name.
    pub check: String,
    /// What the look came to.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// Something that the core remembers over a restart of `vai`. Its content is
/// the core's own business; whoever stores it keeps it as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a record travels in the box of its change")]
pub enum Record {
    /// About the host and `vai` itself.
    Host(HostMemory),
    /// About a service.
    Service(ServiceName, ServiceMemory),
    /// About a container.
    Container(ContainerKey, ContainerMemory),
    /// About a job.
    Job(JobName, JobMemory),
    /// An act that was admitted and has not ended yet: the intent.
    Act(ActId, ActMemory),
    /// An open incident.
    Incident(IncidentId, IncidentMemory),
    /// A message that has not reached everybody yet.
    Message(MessageId, Notice),
}

/// Names a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKey {
    /// The one about the host.
    Host,
    /// Of a service.
    Service(ServiceName),
    /// Of a container.
    Container(ContainerKey),
    /// Of a job.
    Job(JobName),
    /// Of an act.
    Act(ActId),
    /// Of an incident.
    Incident(IncidentId),
    /// Of a message.
    Message(MessageId),
}

impl Record {
    /// Its name.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Host(_) => RecordKey::Host,
            Self::Service(name, _) => RecordKey::Service(name.clone()),
            Self::Container(key, _) => RecordKey::Container(key.clone()),
            Self::Job(name, _) => RecordKey::Job(name.clone()),
            Self::Act(id, _) => RecordKey::Act(*id),
            Self::Incident(id, _) => RecordKey::Incident(id.clone()),
            Self::Message(id, _) => RecordKey::Message(*id),
        }
    }
}

/// An act under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActMemory {
    /// On which service.
    pub service: ServiceName,
    /// Where it runs.
    pub place: crate::model::Place,
    /// What is done.
    pub act: Act,
    /// The instance that was judged.
    pub instance: Option<Instance>,
    /// When it was admitted.
    pub at: Time,
    /// Whether it counts under the ceiling of the host.
    #[serde(default)]
    pub spends_host: bool,
}

/// Everything that was remembered, to go on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    pub(crate) host: HostMemory,
    pub(crate) services: BTreeMap<ServiceName, ServiceMemory>,
    pub(crate) containers: BTreeMap<ContainerKey, ContainerMemory>,
    pub(crate) jobs: BTreeMap<JobName, JobMemory>,
    pub(crate) acts: BTreeMap<ActId, ActMemory>,
    pub(crate) incidents: BTreeMap<IncidentId, IncidentMemory>,
    messages: BTreeMap<MessageId, Notice>,
}

impl Memory {
    /// Takes in one change, as a store would.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Keep(record) => self.keep((**record).clone()),
            Change::Forget(key) => self.forget(key),
            Change::Service(_)
            | Change::Removed(_)
            | Change::Transition(_)
            | Change::Sampled(_)
            | Change::Silences(_)
            | Change::Job(_)
            | Change::JobRemoved(_)
            | Change::Run(_)
            | Change::Incident(_) => {}
        }
    }

    /// Takes in one record; replaces the one of the same key.
    pub fn keep(&mut self, record: Record) {
        match record {
            Record::Host(host) => self.host = host,
            Record::Service(name, memory) => _ = self.services.insert(name, memory),
            Record::Container(key, memory) => _ = self.containers.insert(key, memory),
            Record::Job(name, memory) => _ = self.jobs.insert(name, memory),
            Record::Act(id, memory) => _ = self.acts.insert(id, memory),
            Record::Incident(id, memory) => _ = self.incidents.insert(id, memory),
            Record::Message(id, notice) => _ = self.messages.insert(id, notice),
        }
    }

    fn forget(&mut self, key: &RecordKey) {
        match key {
            RecordKey::Host => self.host = HostMemory::default(),
            RecordKey::Service(name) => _ = self.services.remove(name),
            RecordKey::Container(key) => _ = self.containers.remove(key),
            RecordKey::Job(name) => _ = self.jobs.remove(name),
            RecordKey::Act(id) => _ = self.acts.remove(id),
            RecordKey::Incident(id) => _ = self.incidents.remove(id),
            RecordKey::Message(id) => _ = self.messages.remove(id),
        }
    }

    /// What `vai` said when it ended itself, for the message about its restart.
    pub fn set_last_words(&mut self, words: String) {
        self.host.last_words = Some(words);
    }

    /// Every record, for tests of a store.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let host = std::iter::once(Record::Host(self.host.clone()));
        let services = self.services.iter().map(|(k, v)| Record::Service(k.clone(), v.clone()));
        let containers =
            self.containers.iter().map(|(k, v)| Record::Container(k.clone(), v.clone()));
        let jobs = self.jobs.iter().map(|(k, v)| Record::Job(k.clone(), v.clone()));
        let acts = self.acts.iter().map(|(k, v)| Record::Act(*k, v.clone()));
        let incidents = self.incidents.iter().map(|(k, v)| Record::Incident(k.clone(), v.clone()));
        let messages = self.messages.iter().map(|(k, v)| Record::Message(*k, v.clone()));
        host.chain(services)
            .chain(containers)
            .chain(jobs)
            .chain(acts)
            .chain(incidents)
            .chain(messages)
            .collect()
    }

    /// The incidents that are open.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().map(IncidentMemory::incident)
    }

    /// Messages that have not reached everybody, oldest first.
    #[must_use]
    pub fn messages(&self) -> &BTreeMap<MessageId, Notice> {
        &self.messages
    }
}
