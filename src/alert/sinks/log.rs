use crate::alert::message::Message;
use tracing::{error, info, warn};
use vai_core::model::Severity;

/// Writes a message's title to the log, with who else gets it; the log is the
/// sink that is always there.
pub(in crate::alert) fn write(message: &Message, to: &[String]) {
    let title = &message.title;
    let to = if to.is_empty() { "this log only".to_owned() } else { to.join(", ") };
    match message.severity {
        Severity::Critical => error!("alert: {title} (to {to})"),
        Severity::Warning => warn!("alert: {title} (to {to})"),
        Severity::Info => info!("alert: {title} (to {to})"),
    }
}
