use super::ContainerEntry;
use super::fields::Fields;
use super::names::{digits_aside, nearest};
use super::node::Node;
use super::reader::Problem;
use super::sections::probe_mode;
use super::service::DOCUMENTATION;
use std::collections::BTreeMap;
use vai_core::model::ContainerKey;

/// Reads `containers` of `file`.
pub(super) fn containers(file: &Fields<'_>) -> BTreeMap<ContainerKey, ContainerEntry> {
    let members = file.get("containers").and_then(|node| node.members());
    let mut containers = BTreeMap::new();
    for (key, node) in members.unwrap_or_default() {
        let Some(fields) = node.fields() else {
            continue;
        };
        let entry = ContainerEntry {
            name: fields.text("name"),
            probe: fields.get("probe").and_then(|node| probe_mode(&node)),
        };
        fields.close("a container", &DOCUMENTATION);
        containers.insert(ContainerKey::from(key), entry);
    }
    containers
}

/// Tells where the `container` of an entry of `services` or `cron_jobs` is
/// neither a key of `containers` nor a name in it, and much like one of them. By
/// itself such a name may be that of any container of the engine.
pub(super) fn doubtful<'n, 'a: 'n>(
    entries: impl Iterator<Item = &'n Node<'a>>,
    containers: &BTreeMap<ContainerKey, ContainerEntry>,
) {
    let names = containers.values().filter_map(|entry| entry.name.as_deref());
    let known: Vec<&str> = containers.keys().map(ContainerKey::as_str).chain(names).collect();
    for entry in entries {
        let Some(node) = entry.member("container") else { continue };
        let Some(name) = node.quiet_text() else { continue };
        if matches!(name, "vai" | "local" | "host") || known.contains(&name) {
            continue;
        }
        let alike = nearest(name, known.iter().copied());
        if let Some(alike) = alike.filter(|alike| !digits_aside(name, alike)) {
            node.report(
                Problem::warning(format!("\"{name}\" is not in `containers`"))
                    .expected("taken for the name of a container")
                    .did_you_mean(Some(alike)),
            );
        }
    }
}
