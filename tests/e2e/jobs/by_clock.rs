//! What comes at the full minute.

use super::*;
use crate::lab::never;

#[test]
fn at_the_full_minute_each_job_gets_its_one_outcome_and_people_hear_what_they_need() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = tiny(&lab, false);
    let stopped = lab.container("stopped", Image::Tiny).start();
    services.sh("mkdir -p /etc/cron.d && echo '0 3 * * * root /bin/twice.sh' > /etc/cron.d/twice");
    let down = json!({
        "container": "services",
        "health_check": { "type": "process", "process_name": "/bin/nothing", "interval_seconds": 2,
                          "timeout_seconds": 1, "confirm_interval_seconds": 0.2 },
        "recovery": { "action": "alert" }, "notify_on_fail": null,
    });
    let jobs = json!({
        "good": job("echo fine; echo $GREETING >> /tmp/good", json!({
            "environment": { "GREETING": "hello" }, "log_path": "/var/log/cron/good.log" })),
        "bad": job("echo no space left; exit 3", json!({ "log_path": "/tmp/bad.log" })),
        "hung": job("sleep 1000 & sleep 1000", json!({ "timeout_seconds": 2 })),
        "needy": job("touch /tmp/needy", json!({ "dependencies": ["down"] })),
        "twice": job("/bin/twice.sh", json!({})),
        "away": job("true", json!({ "container": "stopped" })),
        "off": job("touch /tmp/off", json!({ "enabled": false })),
        "elsewhere": { "schedule": "* * * * *", "command": "touch /tmp/elsewhere" },
    });
    let mut registry = registry(&lab, json!({ "down": down }), jobs);
    registry["notifications"] = mail.notifications();
    stopped.docker("stop");
    let mut vai = Vai::on_host(&registry);

    let good = wait_for_outcome(&vai, "good", "succeeded");
    assert_eq!(good["attempts"], 1);
    assert_eq!(services.lines_of("/tmp/good"), ["hello"]);
    let log = services.lines_of("/var/log/cron/good.log");
    assert!(log.iter().any(|line| line == "fine") && log.len() >= 3, "{log:?}");

    let bad = wait_for_outcome(&vai, "bad", "failed");
    assert_eq!(bad["reason"], "exit 3");
    let hung = wait_for_outcome(&vai, "hung", "timed_out");
    assert!(hung["reason"].as_str().unwrap().contains("was ended"), "{hung}");
    assert_eq!(services.living("sleep"), [0; 0], "its whole session is gone");
    assert_eq!(services.processes("sleep"), [], "and nothing of it is left to be collected");
    let needy = wait_for_outcome(&vai, "needy", "skipped");
    assert!(needy["reason"].as_str().unwrap().contains("its dependency down is"), "{needy}");
    let twice = wait_for_outcome(&vai, "twice", "skipped");
    assert_eq!(twice["reason"], "held: also in /etc/cron.d/twice:1");
    let away = wait_for_outcome(&vai, "away", "failed");
    assert!(away["reason"].as_str().unwrap().contains("is stopped"), "{away}");
    assert!(history(&vai, "off").is_empty() && history(&vai, "elsewhere").is_empty());
    for job in ["good", "bad", "hung", "needy", "away"] {
        let instants: Vec<Value> =
            history(&vai, job).into_iter().map(|run| run["scheduled"].clone()).collect();
        let mut once = instants.clone();
        once.dedup();
        assert_eq!(instants, once, "{job} has one outcome for each instant");
    }

    vai.wait_for_line("job bad .*failed: exit 3");
    for subject in ["FAILED bad", "FAILED hung", "HELD twice", "FAILED away"] {
        eventually(subject, Duration::from_secs(20), || {
            let told =
                |it: &crate::lab::Mail| it.subject.contains(subject) || it.text.contains(subject);
            mail.mails().iter().any(told).then_some(())
        });
    }
    let told = mail.mails();
    assert!(told.iter().any(|mail| mail.text.contains("no space left")), "{told:?}");

    // The other scheduler is gone, the container is there, the bug is fixed.
    services.sh("rm /etc/cron.d/twice; echo '#!/bin/sh' > /bin/twice.sh; chmod +x /bin/twice.sh");
    stopped.docker("start");
    wait_for_outcome(&vai, "twice", "succeeded");
    wait_for_outcome(&vai, "away", "succeeded");
    eventually("the ends are told", Duration::from_secs(20), || {
        let told =
            |it: &crate::lab::Mail, word: &str| it.subject.contains(word) || it.text.contains(word);
        let all = mail.mails();
        let both = ["RESOLVED twice", "RESOLVED away"];
        both.iter().all(|word| all.iter().any(|it| told(it, word))).then_some(())
    });
    let again = subjects(&mail).iter().filter(|it| it.contains("HELD twice")).count();
    assert!(again <= 1, "{:?}", subjects(&mail));
}

#[test]
fn a_container_that_is_recreated_between_two_runs_is_found_by_its_name() {
    let lab = Lab::new();
    let services = tiny(&lab, true);
    let jobs = json!({ "stamp": job("echo ran >> /tmp/stamp", json!({})) });
    let vai = Vai::on_host(&registry(&lab, json!({}), jobs));
    wait_for_outcome(&vai, "stamp", "succeeded");

    services.remove();
    services.start_anew();

    let before = history(&vai, "stamp").len();
    eventually("one more run", A_MINUTE, || {
        let runs = history(&vai, "stamp");
        (runs.len() > before && runs[0]["outcome"] == "succeeded").then_some(())
    });
    assert_eq!(services.lines_of("/tmp/stamp"), ["ran"], "in the new one");
}

#[test]
fn a_marker_file_pauses_a_job_as_the_older_scripts_do() {
    let lab = Lab::new();
    let services = tiny(&lab, true);
    services.sh("mkdir -p /var/run/cron-pause && touch /var/run/cron-pause/stamp.paused");
    let jobs = json!({ "stamp": job("touch /tmp/stamp", json!({})) });
    let vai = Vai::on_host(&registry(&lab, json!({}), jobs));
    let skipped = wait_for_outcome(&vai, "stamp", "skipped");
    assert_eq!(skipped["reason"], "paused by /var/run/cron-pause/stamp.paused");
    never("a run", Duration::from_secs(1), || {
        services.sh("test -e /tmp/stamp").status.success().then_some(())
    });
}
