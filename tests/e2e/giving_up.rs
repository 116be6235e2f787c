//! What cannot be healed is given up, told, and told again when it is over.

use crate::lab::{Image, Lab, MailCatcher, Vai, never};
use crate::services::hopeless;
use serde_json::json;
use std::time::Duration;

#[test]
fn what_cannot_be_healed_is_given_up_and_told_by_one_mail() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "licensed": hopeless() }));
    registry["notifications"] = mail.notifications();
    // Found well, so that what follows is a failure and not a first start.
    assert!(services.sh("touch /tmp/mended").status.success());
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("licensed", "healthy");

    assert!(services.sh("rm /tmp/mended").status.success());

    let first = vai.wait_for_line("licensed.*restarted but still failing: .*no licence found");
    let second = vai.wait_for_line("licensed.*restarted but still failing: .*no licence found");
    assert!(delay(&first) < delay(&second), "{first}\n{second}");
    vai.wait_for_line("licensed.*gave_up: restarted but still failing: .*no licence found");
    vai.wait_for_state("licensed", "gave_up");

    let opened = mail.wait_for(1);
    never("a fourth attempt or a second mail", Duration::from_secs(8), || {
        let (attempts, mails) = (services.lines_of("/tmp/attempts").len(), mail.mails());
        (attempts != 3 || mails.len() != 1).then_some((attempts, mails))
    });
    let place = services.name();
    assert_eq!(opened.to, ["ops@example.com"]);
    assert_eq!(
        opened.subject,
        format!("DOWN licensed ({place}): exited 1: no licence found, 3 restarts failed, gave up")
    );
    for part in [
        &format!("licensed ({place}) has been down since "),
        "Why: exited 1: no licence found",
        "attempt 1: restarted but still failing: exited 1: no licence found",
        "attempt 3: restarted but still failing: ",
        "What comes next: gave up; one more try in 5 min",
        "Last lines of /tmp/licensed.log:\n  | looking for a licence",
        "More: vai status licensed",
    ] {
        assert!(opened.text.contains(part), "no {part:?} in:\n{}", opened.text);
    }

    assert!(services.sh("touch /tmp/mended").status.success());
    vai.wait_for_state("licensed", "healthy");
    let resolved = mail.wait_for(2);
    assert!(
        resolved.subject.starts_with(&format!("RESOLVED licensed ({place}): was down ")),
        "{resolved:?}"
    );
    assert!(opened.id.is_some() && resolved.in_reply_to == opened.id, "{opened:?} {resolved:?}");
    assert!(resolved.text.contains("came back between vai's attempts"), "{resolved:?}");
    assert_eq!(mail.mails().len(), 2);
}

/// The seconds in `next attempt in 3 s`.
fn delay(line: &str) -> u32 {
    let (_, rest) = line.split_once("next attempt in ").expect("it says when");
    rest.split(' ').next().and_then(|seconds| seconds.parse().ok()).expect("a number of seconds")
}
