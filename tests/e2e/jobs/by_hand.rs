//! What an operator does with jobs.

use super::*;
use std::process::Output;

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_run_by_hand_is_watched_to_its_end_and_says_what_came_of_it() {
    let lab = Lab::new();
    let services = tiny(&lab, true);
    let yearly = |command: &str| json!({ "container": "services", "schedule": "@yearly", "command": command });
    let jobs = json!({
        "good": yearly("echo begins; sleep 1; echo ends"),
        "bad": yearly("echo no space left >&2; exit 3"),
        "long": yearly("sleep 30"),
    });
    let vai = Vai::on_host(&registry(&lab, json!({}), jobs));
    eventually("vai serves", Duration::from_secs(20), || {
        vai.cli(&["jobs"]).status.success().then_some(())
    });

    let good = vai.cli(&["jobs", "run", "good"]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let text = said(&good);
    assert!(text.contains("begins\nends\n") && text.contains("good succeeded"), "{text}");

    let bad = vai.cli(&["jobs", "run", "bad"]);
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    assert!(said(&bad).contains("no space left") && said(&bad).contains("exit 3"), "{bad:?}");

    let unknown = vai.cli(&["jobs", "run", "goood"]);
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert!(said(&unknown).contains("did you mean \"good\"?"), "{unknown:?}");

    let detached = vai.cli(&["jobs", "run", "long", "--detach"]);
    assert_eq!(detached.status.code(), Some(0), "{detached:?}");
    services.wait_for("sleep");
    let busy = vai.cli(&["jobs", "run", "long"]);
    assert!(!busy.status.success() && said(&busy).contains("under way"), "{busy:?}");
    assert_eq!(view(&vai, "long")["running"].as_array().map(Vec::len), Some(1));

    let runs = history(&vai, "good");
    assert_eq!((runs.len(), runs[0]["outcome"].as_str()), (1, Some("succeeded")));
    let shown = said(&vai.cli(&["jobs"]));
    for word in ["good", "succeeded", "bad", "failed", "long", "@yearly"] {
        assert!(shown.contains(word), "{word} is not in:\n{shown}");
    }
}

#[test]
fn a_paused_job_is_skipped_until_it_is_resumed_over_a_restart_of_vai() {
    let lab = Lab::new();
    let services = tiny(&lab, true);
    let jobs = json!({ "stamp": job("touch /tmp/stamp", json!({})) });
    let mut vai = Vai::on_host(&registry(&lab, json!({}), jobs));
    eventually("vai pauses it", Duration::from_secs(20), || {
        vai.cli(&["jobs", "pause", "stamp"]).status.success().then_some(())
    });
    assert!(vai.terminate().success());
    vai.start_again();

    let skipped = wait_for_outcome(&vai, "stamp", "skipped");
    assert_eq!(skipped["reason"], "paused by an operator");
    assert_eq!(view(&vai, "stamp")["state"], "paused");
    assert!(!services.sh("test -e /tmp/stamp").status.success());

    assert!(vai.cli(&["jobs", "resume", "stamp"]).status.success());
    wait_for_outcome(&vai, "stamp", "succeeded");
    assert!(services.sh("test -e /tmp/stamp").status.success());
}

#[test]
fn no_secret_of_a_job_is_in_what_it_wrote_as_shown_told_or_kept() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    tiny(&lab, true);
    let jobs = json!({
        "leaky": {
            "container": "services", "schedule": "* * * * *",
            "command": "echo the key is $KEY; exit 1",
            "environment": { "KEY": "${JOB_KEY}" },
        },
    });
    let mut registry = registry(&lab, json!({}), jobs);
    registry["notifications"] = mail.notifications();
    let environment = vec![("JOB_KEY".to_owned(), "hunter2-of-jobs".to_owned())];
    let vai = Vai::on_host_with(&registry, environment);
    let failed = wait_for_outcome(&vai, "leaky", "failed");
    assert!(failed["tail"].as_str().unwrap_or_default().contains("the key is ***"), "{failed}");
    eventually("it is told", Duration::from_secs(20), || {
        mail.mails().into_iter().find(|mail| mail.text.contains("the key is ***"))
    });
    let by_hand = said(&vai.cli(&["jobs", "run", "leaky"]));
    assert!(by_hand.contains("the key is ***"), "{by_hand}");
    let shown = said(&vai.cli(&["jobs", "--json"])) + &vai.lines_with("").join("\n");
    let told: String = mail.mails().into_iter().map(|it| it.subject + &it.text).collect();
    assert!(!(shown + &told + &by_hand).contains("hunter2-of-jobs"));
}
