//! Maintenance windows, by the wall clock of a running vai.

use crate::lab::{Image, Lab, MailCatcher, Vai, never};
use crate::services::redis;
use serde_json::json;
use std::time::Duration;

#[test]
fn while_a_window_is_open_nothing_is_restarted_or_told_and_afterwards_it_is_healed() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "redis": redis() }));
    registry["notifications"] = mail.notifications();
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("redis", "healthy");

    // It begins anew before it ends, for ever.
    let mut in_maintenance = registry.clone();
    in_maintenance["maintenance"] = json!([
        { "schedule": "* * * * *", "duration_seconds": 90, "reason": "new disks" }
    ]);
    vai.edit(&in_maintenance);
    vai.wait_for_line("is in force");
    services.kill9("redis-server");

    vai.wait_for_state("redis", "maintenance");
    never("a restart or a message", Duration::from_secs(6), || {
        let (living, told) = (services.living("redis-server"), mail.mails());
        (!living.is_empty() || !told.is_empty()).then_some((living, told))
    });

    vai.edit(&registry);

    vai.wait_for_line("redis.*healed in");
    vai.wait_for_state("redis", "healthy");
}
