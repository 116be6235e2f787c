//! What becomes of jobs while the engine is away, and while vai is.

use super::*;
use crate::lab::{Containers, PrivateEngine};

#[test]
fn a_run_that_outlives_vai_gets_its_outcome_from_the_next_one() {
    for init in [false, true] {
        let lab = Lab::new();
        let services = tiny(&lab, init);
        let command = "echo begun >> /tmp/begun; until test -e /tmp/go; do sleep 0.1; done; exit 4";
        let jobs = json!({ "long": {
            "container": "services", "schedule": "@yearly", "command": command,
        } });
        let mut vai = Vai::on_host(&registry(&lab, json!({}), jobs));
        eventually("it is begun", Duration::from_secs(20), || {
            vai.cli(&["jobs", "run", "long", "--detach"]).status.success().then_some(())
        });
        eventually("its command runs", Duration::from_secs(10), || {
            (!services.lines_of("/tmp/begun").is_empty()).then_some(())
        });

        vai.kill9();
        vai.start_again();
        eventually("the next vai knows of it", Duration::from_secs(20), || {
            let running = view(&vai, "long")["running"].clone();
            (running.as_array().map(Vec::len) == Some(1)).then_some(())
        });
        services.sh("touch /tmp/go");

        let failed = wait_for_outcome(&vai, "long", "failed");
        assert_eq!(failed["reason"], "exit 4");
        assert_eq!(services.lines_of("/tmp/begun"), ["begun"], "begun once");
        assert_eq!(history(&vai, "long").len(), 1);

        // One that ends while nobody is there.
        services.sh("rm /tmp/go");
        assert!(vai.cli(&["jobs", "run", "long", "--detach"]).status.success());
        eventually("its command runs", Duration::from_secs(10), || {
            (services.lines_of("/tmp/begun").len() == 2).then_some(())
        });
        vai.kill9();
        services.sh("touch /tmp/go");
        vai.start_again();
        eventually("its outcome", Duration::from_secs(20), || {
            (history(&vai, "long").len() == 2).then_some(())
        });
        assert_eq!(services.lines_of("/tmp/begun").len(), 2);
    }
}

#[test]
fn a_run_whose_container_is_restarted_is_lost_and_told_so_once() {
    let lab = Lab::new();
    let services = tiny(&lab, true);
    let jobs = json!({ "long": {
        "container": "services", "schedule": "@yearly",
        "command": "touch /tmp/begun; sleep 1000", "retry_on_failure": true,
    } });
    let vai = Vai::on_host(&registry(&lab, json!({}), jobs));
    eventually("it is begun", Duration::from_secs(20), || {
        vai.cli(&["jobs", "run", "long", "--detach"]).status.success().then_some(())
    });
    services.wait_for("sleep");

    services.docker("restart");

    let lost = wait_for_outcome(&vai, "long", "failed");
    assert!(lost["reason"].as_str().unwrap().contains("restarted"), "{lost}");
    assert_eq!(history(&vai, "long").len(), 1);
    assert_eq!(services.living("sleep"), [0; 0], "it is not begun again");
}

#[test]
fn a_job_that_is_due_while_the_engine_is_away_runs_when_it_is_back() {
    let mut engine = PrivateEngine::start(Containers::EndWithIt);
    let lab = Lab::on(engine.engine());
    let services = lab.container("services", Image::Tiny).option("--restart=always").start();
    let jobs = json!({ "stamp": job("echo ran >> /tmp/stamp", json!({ "catch_up_seconds": 50 })) });
    let vai = Vai::on_host_with(&registry(&lab, json!({}), jobs), engine.engine().environment());
    wait_for_outcome(&vai, "stamp", "succeeded");
    let before = history(&vai, "stamp").len();

    engine.stop();
    eventually("an instant comes", A_MINUTE, || {
        let waits = view(&vai, "stamp")["running"].as_array().is_some_and(|it| !it.is_empty());
        waits.then_some(())
    });
    engine.start_again();

    eventually("it runs", A_MINUTE, || {
        let runs = history(&vai, "stamp");
        (runs.len() > before && runs[0]["outcome"] == "succeeded").then_some(())
    });
    assert!(!services.lines_of("/tmp/stamp").is_empty());
}
