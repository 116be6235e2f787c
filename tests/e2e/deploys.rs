//! A deploy: everything is taken down, and brought up again as something new.

use crate::lab::{Image, Lab, MailCatcher, Vai, never};
use crate::services::{redis, worker};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_deploy_of_two_minutes_is_sat_out_in_silence() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut dependent = worker();
    dependent["dependencies"] = json!(["redis"]);
    let mut registry = lab.registry(json!({ "redis": redis(), "worker": dependent }));
    registry["notifications"] = mail.notifications();
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("worker", "healthy");
    vai.skip_lines();

    services.docker("stop");
    services.remove();

    never("a word of the deploy", Duration::from_secs(120), || mail.mails().pop());
    assert_eq!(vai.new_lines_with("→ down|restart"), [""; 0]);
    services.start_anew();

    services.wait_for("worker.sh");
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("worker", "healthy");
    assert_eq!(vai.new_lines_with("redis.*starting it by restart_cmd").len(), 1);
    assert_eq!(vai.new_lines_with("worker.*starting it by restart_cmd").len(), 1);
    assert_eq!(vai.new_lines_with("restarting|healed"), [""; 0]);
    assert_eq!(mail.mails(), []);
}
