use super::fields::Fields;
use super::jobs::known_name;
use super::node::Node;
use super::schedule::{schedule, timezone};
use crate::schedule::Window;
use vai_core::model::ServiceName;

/// Reads `maintenance` of `file`, a registry of these `services`.
pub(super) fn maintenance(file: &Fields<'_>, services: &[&str]) -> Vec<Window> {
    let windows = file.get("maintenance").and_then(|node| node.items());
    windows.unwrap_or_default().iter().filter_map(|node| window(node, services)).collect()
}

fn window(node: &Node<'_>, services: &[&str]) -> Option<Window> {
    let fields = node.fields()?;
    let begins = fields.required("schedule", "when it begins, such as \"0 3 * * *\"");
    let begins = begins.and_then(|node| schedule(&node));
    let duration = fields.required("duration_seconds", "how long it lasts");
    let duration = duration.and_then(|node| node.seconds(1.0));
    let zone = fields.get("timezone").and_then(|node| timezone(&node));
    let reason = fields.text("reason");
    let within = within(fields.get("services").as_ref(), services);
    fields.close("a maintenance window", &["description"]);
    Some(Window {
        schedule: begins?,
        duration: duration?,
        zone,
        services: within,
        reason: reason.unwrap_or_default(),
    })
}

/// The services that a window names: all of them by `"*"`, and where the field
/// is left out. Unknown ones are told and left out.
fn within(named: Option<&Node<'_>>, services: &[&str]) -> Vec<ServiceName> {
    let mut all = named.is_none();
    let mut within = Vec::new();
    for node in named.map(Node::one_or_many).unwrap_or_default() {
        if node.string() == Some("*") {
            all = true;
        } else {
            within.extend(known_name(&node, services).map(ServiceName::from));
        }
    }
    if all { services.iter().copied().map(ServiceName::from).collect() } else { within }
}
