use super::known::Known;
use super::reader::Problem;
use super::service::Draft;
use std::collections::{BTreeMap, BTreeSet};
use vai_core::model::ServiceName;

/// Resolves the names in `dependencies`. Unknown ones are told and dropped, as
/// are those that vai does not watch: they block nobody. A cycle is an error.
pub(super) fn resolve_dependencies(drafts: &mut [Draft<'_>], known: &Known) {
    let mut edges: BTreeMap<String, Vec<Edge>> = BTreeMap::new();
    for (index, draft) in drafts.iter_mut().enumerate() {
        let mut seen = BTreeSet::new();
        for (place, node) in draft.dependencies.iter().enumerate() {
            let Some(name) = known.service(node).filter(|&name| seen.insert(name)) else {
                continue;
            };
            let edge = Edge { to: name.to_owned(), draft: index, place };
            edges.entry(draft.service.name.to_string()).or_default().push(edge);
            if known.blocks(node, name) {
                draft.service.dependencies.push(ServiceName::from(name));
            }
        }
    }
    for cycle in cycles(&edges) {
        report_cycle(drafts, &cycle);
    }
}

/// One entry of a list of dependencies.
#[derive(Clone)]
struct Edge {
    to: String,
    draft: usize,
    place: usize,
}

fn report_cycle(drafts: &[Draft<'_>], cycle: &[Edge]) {
    let Some(last) = cycle.last() else { return };
    let names = cycle.iter().map(|edge| edge.to.as_str());
    let path: Vec<&str> = std::iter::once(last.to.as_str()).chain(names).collect();
    drafts[last.draft].dependencies[last.place].report(
        Problem::error(format!("these services wait for each other: {}", path.join(" → ")))
            .expected("closes the circle")
            .help("remove one of these dependencies"),
    );
}

/// One cycle for each edge that closes one in a walk through the graph, as the
/// edges from its first service back to it.
fn cycles(edges: &BTreeMap<String, Vec<Edge>>) -> Vec<Vec<Edge>> {
    let mut walk = Walk {
        edges,
        path: Vec::new(),
        on_path: Vec::new(),
        done: BTreeSet::new(),
        found: Vec::new(),
    };
    for name in edges.keys() {
        walk.visit(name);
    }
    walk.found
}

struct Walk<'e> {
    edges: &'e BTreeMap<String, Vec<Edge>>,
    /// The edges from the walk's start to here.
    path: Vec<Edge>,
    /// The services that these lead through, the start first.
    on_path: Vec<&'e str>,
    done: BTreeSet<&'e str>,
    found: Vec<Vec<Edge>>,
}

impl<'e> Walk<'e> {
    fn visit(&mut self, name: &'e str) {
        if !self.done.insert(name) {
            return;
        }
        self.on_path.push(name);
        for edge in self.edges.get(name).into_iter().flatten() {
            self.path.push(edge.clone());
            match self.on_path.iter().position(|&earlier| earlier == edge.to) {
                Some(start) => self.found.push(self.path[start..].to_vec()),
                None => self.visit(&edge.to),
            }
            self.path.pop();
        }
        self.on_path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(graph: &[(&str, &[&str])]) -> Vec<Vec<String>> {
        let edges = graph
            .iter()
            .map(|(from, to)| {
                let edge = |to: &&str| Edge { to: (*to).to_owned(), draft: 0, place: 0 };
                ((*from).to_owned(), to.iter().map(edge).collect())
            })
            .collect();
        let names = |cycle: Vec<Edge>| cycle.into_iter().map(|edge| edge.to).collect();
        cycles(&edges).into_iter().map(names).collect()
    }

    #[test]
    fn a_diamond_is_no_cycle() {
        let none = Vec::<Vec<String>>::new();
        assert_eq!(found(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"])]), none);
    }

    #[test]
    fn each_cycle_is_found_once_without_what_leads_to_it() {
        let graph: [(&str, &[&str]); 4] =
            [("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &["d", "a"])];
        assert_eq!(found(&graph), [vec!["c", "b"], vec!["d"]]);
    }
}
