//! The machines of all services, and which of them a step concerns.

use super::machine::Machine;
use crate::model::{ContainerKey, ServiceName, Time};
use std::collections::BTreeMap;
use std::ops::Deref;

/// All machines by name. Whoever is handed one to change it has touched it:
/// only those that were touched, or whose time has come, are judged anew, so
/// that a step costs the same however many services are well.
#[derive(Clone, Debug, Default)]
pub(super) struct Services(BTreeMap<ServiceName, Machine>);

impl Deref for Services {
    type Target = BTreeMap<ServiceName, Machine>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Services {
    /// One of them, to be changed.
    pub(super) fn get_mut(&mut self, name: &ServiceName) -> Option<&mut Machine> {
        let machine = self.0.get_mut(name)?;
        machine.attention = Attention::Touched;
        Some(machine)
    }

    /// All of them, to be changed.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Machine> {
        self.touch_all();
        self.0.values_mut()
    }

    /// Something changed that all of them are judged by.
    pub(super) fn touch_all(&mut self) {
        for machine in self.0.values_mut() {
            machine.attention = Attention::Touched;
        }
    }

    /// The container behind `key` changed, by which those in it are judged.
    pub(super) fn touch_in(&mut self, key: &ContainerKey) {
        for machine in self.0.values_mut().filter(|machine| machine.container() == Some(key)) {
            machine.attention = Attention::Touched;
        }
    }

    /// All of them, to be changed in what nobody is shown.
    pub(super) fn iter_quietly(&mut self) -> impl Iterator<Item = (&ServiceName, &mut Machine)> {
        self.0.iter_mut()
    }

    pub(super) fn insert(&mut self, name: ServiceName, machine: Machine) {
        self.0.insert(name, machine);
    }

    pub(super) fn remove(&mut self, name: &ServiceName) -> Option<Machine> {
        self.0.remove(name)
    }

    /// Those that have to be judged at `now`.
    pub(super) fn due(&self, now: Time) -> Vec<ServiceName> {
        let due = self.0.iter().filter(|(_, machine)| machine.needs_judgement(now));
        due.map(|(name, _)| name.clone()).collect()
    }

    /// Those that were judged or changed in this step.
    pub(super) fn touched(&self) -> impl Iterator<Item = (&ServiceName, &Machine)> {
        self.0.iter().filter(|(_, machine)| machine.attention == Attention::Touched)
    }
}

/// Whether a machine has to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    /// It was changed, or is new.
    Touched,
    /// Nothing changes of itself before then.
    QuietUntil(Option<Time>),
}
