use crate::model::{Service, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who depends on whom. The registry has no cycles.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    dependencies: BTreeMap<ServiceName, Vec<ServiceName>>,
    dependents: BTreeMap<ServiceName, Vec<ServiceName>>,
}

impl Graph {
    pub(crate) fn new(services: &BTreeMap<ServiceName, Arc<Service>>) -> Self {
        let mut graph = Self::default();
        for (name, service) in services {
            for dependency in &service.dependencies {
                graph.dependents.entry(dependency.clone()).or_default().push(name.clone());
            }
            graph.dependencies.insert(name.clone(), service.dependencies.clone());
        }
        graph
    }

    /// What `name` needs, directly.
    pub(crate) fn dependencies(&self, name: &ServiceName) -> &[ServiceName] {
        self.dependencies.get(name).map_or(&[], Vec::as_slice)
    }

    /// What needs `name`, directly.
    pub(crate) fn dependents(&self, name: &ServiceName) -> &[ServiceName] {
        self.dependents.get(name).map_or(&[], Vec::as_slice)
    }

    /// Everything that `name` needs, directly or not.
    pub(crate) fn all_dependencies(&self, name: &ServiceName) -> BTreeSet<ServiceName> {
        reach(name, |next| self.dependencies(next))
    }

    /// Everything that needs `name`, directly or not.
    pub(crate) fn all_dependents(&self, name: &ServiceName) -> BTreeSet<ServiceName> {
        reach(name, |next| self.dependents(next))
    }
}

fn reach<'a>(
    from: &'a ServiceName,
    edges: impl Fn(&ServiceName) -> &'a [ServiceName],
) -> BTreeSet<ServiceName> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&ServiceName> = edges(from).iter().collect();
    while let Some(name) = open.pop() {
        if found.insert(name.clone()) {
            open.extend(edges(name));
        }
    }
    found
}
