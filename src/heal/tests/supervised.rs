//! What something else restarts is never signalled, and started by nobody else.

use super::*;
use vai_core::model::Supervised;

fn supervised() -> Service {
    let patience = Duration::from_secs(20);
    Service {
        supervised: Some(Supervised { by: "supervisord".to_owned(), patience }),
        restart_cmd: Some("supervisorctl restart nginx".to_owned()),
        ..service()
    }
}

#[tokio::test]
async fn its_restart_ends_no_process_before_the_command() {
    for rung in [Rung::Command, Rung::KillAndCommand] {
        let world = Arc::new(World::new());
        let mut request = request(supervised(), Act::Restart(rung));
        request.supersedes = Some(vai_core::model::ActId(0));
        assert!(done(&perform(&world, &request).await));
        assert_eq!(deeds(&world), ["exec supervisorctl restart nginx"], "{rung:?}");
    }
}

#[tokio::test]
async fn its_stop_needs_a_command() {
    let world = Arc::new(World::new());
    let report = perform(&world, &request(supervised(), Act::Stop)).await;
    let ActOutcome::Failed(words) = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(
        words,
        "supervisord would start it again; give it a stop_cmd that asks supervisord to stop it"
    );
    assert_eq!(deeds(&world), [""; 0]);

    let stop_cmd = Some("supervisorctl stop nginx".to_owned());
    let request = request(Service { stop_cmd, ..supervised() }, Act::Stop);
    assert!(done(&perform(&world, &request).await));
    assert_eq!(deeds(&world), ["exec supervisorctl stop nginx"]);
}

#[tokio::test]
async fn in_a_container_that_is_only_coming_up_its_start_is_left_to_its_supervisor() {
    for act in [Act::Start, COMMAND] {
        let world = Arc::new(World::new());
        world.status(EXITED);
        let report = perform(&world, &request(supervised(), act)).await;
        assert!(done(&report), "{report:?}");
        assert_eq!(deeds(&world), ["start"]);
        assert_eq!(report.steps[1], "left its start to supervisord");
    }
}
