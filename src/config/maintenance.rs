use super::fields::Fields;
use super::known::Known;
use super::node::Node;
use super::schedule::{schedule, timezone};
use crate::schedule::Window;
use vai_core::model::{JobName, ServiceName};

/// Reads `maintenance` of `file`, a registry of these services and jobs.
pub(super) fn maintenance(file: &Fields<'_>, known: &Known) -> Vec<Window> {
    let windows = file.get("maintenance").and_then(|node| node.items());
    windows.unwrap_or_default().iter().filter_map(|node| window(node, known)).collect()
}

fn window(node: &Node<'_>, known: &Known) -> Option<Window> {
    let fields = node.fields()?;
    let begins = fields.required("schedule", "when it begins, such as \"0 3 * * *\"");
    let begins = begins.and_then(|node| schedule(&node));
    let duration = fields.required("duration_seconds", "how long it lasts");
    let duration = duration.and_then(|node| node.seconds(1.0));
    let zone = fields.get("timezone").and_then(|node| timezone(&node));
    let reason = fields.text("reason");
    let (services, jobs) = within(fields.get("services").as_ref(), known);
    fields.close("a maintenance window", &["description"]);
    Some(Window {
        schedule: begins?,
        duration: duration?,
        zone,
        services,
        jobs,
        reason: reason.unwrap_or_default(),
    })
}

/// The services and jobs that a window names: all of them by `"*"`, and where
/// the field is left out. Unknown ones are told and left out.
fn within(named: Option<&Node<'_>>, known: &Known) -> (Vec<ServiceName>, Vec<JobName>) {
    let Some(named) = named else { return (known.services(), known.jobs()) };
    let (mut services, mut jobs) = (Vec::new(), Vec::new());
    let mut all = false;
    for node in named.one_or_many() {
        if node.string() == Some("*") {
            all = true;
            continue;
        }
        let Some(name) = node.text() else { continue };
        let (is_service, is_job) = (known.is_service(name), known.is_job(name));
        services.extend(is_service.then(|| ServiceName::from(name)));
        jobs.extend(is_job.then(|| JobName::from(name)));
        if !is_service && !is_job {
            known.nobody(&node, name);
        }
    }
    if all { (known.services(), known.jobs()) } else { (services, jobs) }
}
