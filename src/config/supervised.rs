use super::fields::Fields;
use super::positions::child;
use super::reader::Problem;
use super::service::Draft;
use jsonc_parser::ast::Value;
use vai_core::model::{Rung, Supervised};

/// Reads `supervised`: what else restarts the service, and how long it is left to that.
pub(super) fn supervised(service: &Fields<'_>) -> Option<Supervised> {
    let node = service.get("supervised")?;
    let Value::Object(object) = node.value else {
        // Reports that this is no object.
        node.fields();
        return None;
    };
    let fields = service.nested(Some(object), child(service.pointer(), "supervised"));
    let by = fields.required("by", "what restarts it, such as \"supervisord\"");
    let seconds = fields.required("seconds", "how long it is left to that, such as 20");
    let by = by.and_then(|node| node.text());
    let patience = seconds.and_then(|node| node.seconds(1.0));
    fields.close("`supervised`", &[]);
    Some(Supervised { by: by?.to_owned(), patience: patience? })
}

/// The rungs that may be climbed for a service: processes that a supervisor
/// started are signalled by nobody else, or the two work against each other.
pub(super) fn without_signals(draft: &Draft<'_>, rungs: Vec<Rung>) -> Vec<Rung> {
    let Some(supervised) = &draft.service.supervised else { return rungs };
    let mut left = rungs.clone();
    left.retain(|rung| *rung != Rung::KillAndCommand);
    if left.is_empty() {
        left.push(Rung::Command);
    }
    if left != rungs {
        draft.node.report(
            Problem::warning(format!(
                "\"kill_and_command\" is left out of the ladder: vai ends no process that {} \
                 restarts",
                supervised.by
            ))
            .at_key()
            .help("give it a \"restart_cmd\" that asks the supervisor for a restart"),
        );
    }
    left
}
