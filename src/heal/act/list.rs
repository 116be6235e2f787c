use std::collections::BTreeMap;
use vai_core::model::ProcId;

/// `nginx (pid 12, 13), redis-server (pid 20)`.
pub(super) fn list(processes: &[ProcId]) -> String {
    let mut by_name: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ProcId { name, pid, .. } in processes {
        by_name.entry(name).or_default().push(pid.to_string());
    }
    let groups: Vec<String> =
        by_name.iter().map(|(name, pids)| format!("{name} (pid {})", pids.join(", "))).collect();
    groups.join(", ")
}
