use super::testing::{Service, custom, free_port, http, tcp, wait_until};
use super::*;
use processes::Processes;
use rustix::process::Signal;
use std::net::TcpListener;
use vai_core::model::{CustomCheck, FaultKind, HttpCheck, Secret, TcpCheck};

const SOON: Duration = Duration::from_secs(5);

fn fault(report: &Report) -> (FaultKind, &str) {
    match &report.outcome {
        Outcome::Fail(fault) => (fault.kind, fault.detail.as_str()),
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[tokio::test]
async fn a_living_redis_passes_and_its_process_is_known() {
    let redis = Service::redis();
    let check = TcpCheck {
        send: Some(Secret::from("PING\r\n")),
        expect: Some("+PONG".to_owned()),
        ..redis.tcp()
    };
    let report = look(&CheckKind::Tcp(check), SOON).await;
    assert_eq!(report.outcome, Outcome::Pass);
    let [process] = report.processes.as_slice() else { panic!("{report:?}") };
    assert_eq!(process.pid, redis.pid());
    assert_eq!(process.name, "redis-server");
}

#[tokio::test]
async fn a_redis_that_answers_otherwise_is_quoted() {
    let redis = Service::redis();
    let check = TcpCheck {
        send: Some(Secret::from("PING\r\n")),
        expect: Some("READY".to_owned()),
        ..redis.tcp()
    };
    let report = look(&CheckKind::Tcp(check), Duration::from_millis(300)).await;
    let (kind, detail) = fault(&report);
    assert_eq!(kind, FaultKind::Body);
    let wanted = format!("127.0.0.1:{} answered \"+PONG\", expected \"READY\"", redis.port);
    assert_eq!(detail, wanted);
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_refuses() {
    let port = free_port();
    let report = look(&CheckKind::Tcp(tcp(port)), SOON).await;
    let wanted = format!("connection refused on 127.0.0.1:{port}");
    assert_eq!(fault(&report), (FaultKind::Refused, wanted.as_str()));

    let check = http(&format!("http://localhost:{port}/health"));
    let report = look(&CheckKind::Http(check), SOON).await;
    assert_eq!(fault(&report), (FaultKind::Refused, wanted.as_str()));
}

#[tokio::test]
async fn a_name_that_stands_for_a_link_local_address_is_not_connected_to() {
    // Only the resolver reads this as 169.254.169.254, as it reads a name.
    let check = TcpCheck { host: "2852039166".to_owned(), ..tcp(80) };
    let report = look(&CheckKind::Tcp(check), SOON).await;
    let why = "2852039166 is the link-local address 169.254.169.254, which is never contacted";
    assert_eq!(report.outcome, Outcome::Unknown(why.to_owned()));
}

#[tokio::test]
async fn a_reply_that_goes_on_beyond_what_is_read_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = listener.accept().unwrap();
        // The other end goes away in the middle of it.
        let _ = stream.write_all(&[b'x'; 64 * 1024]);
    });
    let check = TcpCheck { expect: Some("ready".to_owned()), ..tcp(port) };
    let report = look(&CheckKind::Tcp(check), SOON).await;
    server.join().unwrap();
    let Outcome::Unknown(why) = &report.outcome else { panic!("{report:?}") };
    assert!(why.contains("\"ready\" is not in the first 4 KiB"), "{why}");
}

#[tokio::test]
async fn nginx_passes_and_its_master_and_worker_are_behind_it() {
    let nginx = Service::nginx();
    let check = CheckKind::Http(nginx.http("/"));
    let report = look(&check, SOON).await;
    assert_eq!(report.outcome, Outcome::Pass);
    let pids: Vec<i32> = report.processes.iter().map(|each| each.pid).collect();
    assert!(pids.contains(&nginx.pid()), "{report:?}");
    assert!(report.processes.iter().all(|each| each.name == "nginx"), "{report:?}");
    assert_eq!(behind(&check).await, report.processes);
}

#[tokio::test]
async fn a_frozen_nginx_accepts_but_does_not_answer() {
    let nginx = Service::nginx();
    nginx.signal(Signal::STOP);
    let timeout = Duration::from_millis(200);
    let report = look(&CheckKind::Http(nginx.http("/")), timeout).await;
    let (kind, detail) = fault(&report);
    assert_eq!(kind, FaultKind::Timeout);
    let wanted =
        format!("GET http://localhost:{}/: no answer within 200 ms (connected)", nginx.port);
    assert_eq!(detail, wanted);
}

/// Invariant C2: a check ends by its timeout + 100 ms.
#[tokio::test]
async fn no_hung_target_outlasts_the_timeout() {
    // Taken into the kernel's backlog, never accepted, never answered.
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hole.local_addr().unwrap().port();
    let reply = TcpCheck { expect: Some("hello".to_owned()), ..tcp(port) };
    let kinds = [
        CheckKind::Tcp(reply),
        CheckKind::Http(http(&format!("http://127.0.0.1:{port}/"))),
        CheckKind::Http(HttpCheck {
            tls_verify: false,
            ..http(&format!("https://127.0.0.1:{port}/"))
        }),
        custom("sleep 600 & trap '' TERM INT HUP; while :; do sleep 600; done"),
    ];
    for kind in kinds {
        for timeout in [1, 30, 150].map(Duration::from_millis) {
            let began = clock::boot_time();
            let report = look(&kind, timeout).await;
            let took = clock::boot_time().since(began);
            assert!(took <= timeout + Duration::from_millis(100), "{took:?}: {kind:?}");
            let (fault, _) = fault(&report);
            assert!(matches!(fault, FaultKind::Timeout | FaultKind::ConnectTimeout), "{report:?}");
        }
    }
}

#[tokio::test]
async fn the_output_of_a_failing_command_is_the_reason() {
    let report = look(&custom("echo checking; echo 'no route to peer' >&2; exit 3"), SOON).await;
    let wanted = "exited 3: checking no route to peer";
    assert_eq!(fault(&report), (FaultKind::ExitCode, wanted));

    let report = look(&custom("kill -9 $$"), SOON).await;
    let wanted = "killed by signal 9, without output";
    assert_eq!(fault(&report), (FaultKind::ExitCode, wanted));
}

#[tokio::test]
async fn of_much_output_the_end_is_kept() {
    let report = look(&custom("seq 1 100000; exit 1"), SOON).await;
    let (_, detail) = fault(&report);
    assert!(detail.len() < 4200, "{}", detail.len());
    assert!(detail.ends_with(" 99999 100000"), "{detail}");
}

#[tokio::test]
async fn a_command_that_leaves_something_in_the_background_is_not_waited_for() {
    let report = look(&custom("sleep 30 & echo started; exit 0"), SOON).await;
    assert_eq!(report.outcome, Outcome::Pass);
    assert!(report.took < Duration::from_secs(2), "{report:?}");
}

#[tokio::test]
async fn an_overdue_command_is_killed_with_all_that_it_started() {
    crate::probe::orphans::adopt();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    let script = folder.path().join("child.sh");
    std::fs::write(&script, "echo child; while :; do sleep 0.1; done").unwrap();
    let command = format!("bash {path}/child.sh & bash {path}/child.sh");
    let report = look(&custom(&command), Duration::from_millis(300)).await;
    let (kind, detail) = fault(&report);
    assert_eq!(kind, FaultKind::Timeout);
    assert_eq!(detail, "not done within 300 ms: child child");
    wait_until("nothing of it is left, not even a zombie", || {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let processes = Processes::read().unwrap();
        let mut living = processes.living.iter();
        !living.any(|each| each.args.concat().contains(&path)) && children.unwrap().is_empty()
    });
}

#[tokio::test]
async fn a_command_gets_its_folder_and_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let check = CustomCheck {
        command: "test \"$PWD\" = \"$EXPECTED\" && test \"$TOKEN\" = hunter2".to_owned(),
        user: None,
        working_dir: Some(path.to_str().unwrap().to_owned()),
        environment: vec![
            ("EXPECTED".to_owned(), Secret::from(path.to_str().unwrap())),
            ("TOKEN".to_owned(), Secret::from("hunter2")),
        ],
    };
    let report = look(&CheckKind::Custom(check.clone()), SOON).await;
    assert_eq!(report.outcome, Outcome::Pass);

    let gone = CustomCheck { working_dir: Some("/no/such/folder".to_owned()), ..check };
    let report = look(&CheckKind::Custom(gone), SOON).await;
    let wanted = "working_dir /no/such/folder: No such file or directory";
    assert_eq!(report.outcome, Outcome::Unknown(wanted.to_owned()));
}

#[tokio::test]
async fn a_command_runs_as_its_user() {
    if !rustix::process::geteuid().is_root() {
        return; // only root can become somebody else
    }
    let check = |user: &str| {
        CheckKind::Custom(CustomCheck {
            command: "echo \"I am $(id -un)\"; exit 1".to_owned(),
            user: Some(user.to_owned()),
            working_dir: None,
            environment: Vec::new(),
        })
    };
    let report = look(&check("nobody"), SOON).await;
    assert_eq!(fault(&report).1, "exited 1: I am nobody");
    let report = look(&check("root"), SOON).await;
    assert_eq!(fault(&report).1, "exited 1: I am root");
    let report = look(&check("no-such-user"), SOON).await;
    assert!(matches!(report.outcome, Outcome::Unknown(_)), "{report:?}");
}

#[tokio::test]
async fn docker_checks_are_not_answered_here() {
    let report = look(&CheckKind::Docker, SOON).await;
    assert!(matches!(report.outcome, Outcome::Unknown(_)), "{report:?}");
}
