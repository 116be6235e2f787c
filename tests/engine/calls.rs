use crate::support::{Container, Door, SOON, docker, engine, engine_at, unique};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::time::{Instant, timeout};
use vai::docker::{Address, Bollard, Engine, EngineError, ExecSpec, Own};
use vai_core::model::ContainerStatus;

fn sh(script: &str) -> ExecSpec {
    argv(&["sh", "-c", script])
}

fn argv(argv: &[&str]) -> ExecSpec {
    ExecSpec { argv: argv.iter().map(ToString::to_string).collect(), ..ExecSpec::default() }
}

#[tokio::test]
async fn the_engine_says_what_it_is() {
    let info = engine().info().await.unwrap();
    assert!(info.version.starts_with("Docker Engine "), "{info:?}");
    assert!(!info.version.contains("unknown"), "{info:?}");
}

#[tokio::test]
async fn a_command_ends_with_its_exit_code_and_its_output() {
    let container = Container::sleeping();
    let spec = ExecSpec {
        working_dir: Some("/bin".into()),
        environment: vec!["WHO=vai".into()],
        user: Some("1000".into()),
        ..sh("echo out $WHO; echo err >&2; pwd; id -u; exit 7")
    };
    let end = engine().exec(&container.id(), &spec, SOON).await.unwrap();
    assert_eq!(end.exit_code, Some(7));
    for part in ["out vai\n", "err\n", "/bin\n", "1000\n"] {
        assert!(end.output.contains(part), "{end:?}");
    }
}

#[tokio::test]
async fn a_missing_executable_is_an_exit_code_with_the_engines_words() {
    let container = Container::sleeping();
    let end = engine().exec(&container.id(), &argv(&["/no/such"]), SOON).await.unwrap();
    assert!(matches!(end.exit_code, Some(126 | 127)), "{end:?}");
    assert!(end.output.contains("no such file"), "{end:?}");
}

#[tokio::test]
async fn a_command_that_backgrounds_without_redirecting_holds_nothing_up() {
    let (engine, container) = (engine(), Container::sleeping());
    let id = container.id();
    let began = Instant::now();
    let end = engine.exec(&id, &sh("echo begun; sleep 500 &"), SOON).await.unwrap();
    assert_eq!((end.exit_code, end.output.as_str()), (Some(0), "begun\n"));
    let next = engine.exec(&id, &sh("exit 3"), SOON).await.unwrap();
    assert_eq!(next.exit_code, Some(3));
    assert!(began.elapsed() < Duration::from_secs(5));
    let processes = engine.top(&id).await.unwrap();
    assert!(processes.iter().any(|process| process.args == "sleep 500"));
}

#[tokio::test]
async fn a_command_over_its_time_is_left_running() {
    let (engine, container) = (engine(), Container::sleeping());
    let id = container.id();
    let deadline = Duration::from_millis(700);
    let end = engine.exec(&id, &sh("echo waiting; exec sleep 501"), deadline).await.unwrap();
    assert_eq!((end.exit_code, end.output.as_str()), (None, "waiting\n"));
    let processes = engine.top(&id).await.unwrap();
    assert!(processes.iter().any(|process| process.args == "sleep 501"));
}

#[tokio::test]
async fn only_the_end_of_a_long_output_is_kept() {
    let container = Container::sleeping();
    let script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done";
    let end = engine().exec(&container.id(), &sh(script), SOON).await.unwrap();
    assert_eq!(end.output.len(), 4096);
    assert!(end.output.ends_with("line 2999\n"), "{end:?}");
}

#[tokio::test]
async fn stopped_and_missing_containers_are_told_apart() {
    let (engine, container) = (engine(), Container::sleeping());
    let id = container.id();
    engine.stop(&id, Some(Duration::from_secs(1))).await.unwrap();
    let refused = engine.exec(&id, &sh("true"), SOON).await;
    assert!(matches!(refused, Err(EngineError::Conflict(_))), "{refused:?}");
    let missing = engine.inspect(&unique("nobody")).await;
    assert!(matches!(missing, Err(EngineError::NotFound(_))), "{missing:?}");

    engine.start(&id).await.unwrap();
    engine.start(&id).await.expect("content if it runs already");
    let before = engine.inspect(&id).await.unwrap().presence;
    assert_eq!(before.status, ContainerStatus::Running);
    let at_once = Some(Duration::ZERO);
    engine.restart(&id, at_once).await.unwrap();
    let after = engine.inspect(&id).await.unwrap().presence;
    assert_eq!(after.instance.id, before.instance.id);
    assert_ne!(after.instance.started_at, before.instance.started_at);
}

#[tokio::test]
async fn a_command_ends_with_its_container() {
    let (engine, container) = (engine(), Container::sleeping());
    let id = container.id();
    let script = sh("sleep 502");
    let (end, ()) = tokio::join!(engine.exec(&id, &script, SOON), async {
        let began = async || {
            let processes = engine.top(&id).await.unwrap();
            processes.iter().any(|process| process.args == "sleep 502")
        };
        while !began().await {}
        engine.stop(&id, Some(Duration::ZERO)).await.unwrap();
    });
    // The engine forgets the command soon after its end: then it is a conflict.
    match end {
        Ok(end) => assert_eq!(end.exit_code, Some(137)),
        Err(error) => assert!(matches!(error, EngineError::Conflict(_)), "{error:?}"),
    }
}

#[tokio::test]
async fn a_stream_is_spoken_with_and_ends_when_it_is_dropped() {
    let (engine, container) = (engine(), Container::sleeping());
    let id = container.id();
    let mut stream =
        engine.exec_stream(&id, &sh("echo noise >&2; cat; exec sleep 503")).await.unwrap();
    stream.input.write_all(b"ping\n").await.unwrap();
    let mut answer = [0; 5];
    timeout(SOON, stream.output.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"ping\n");
    drop(stream);
    // End of file ends `cat`, and the shell goes on to its last command.
    let ended = async {
        loop {
            let processes = engine.top(&id).await.unwrap();
            if processes.iter().any(|process| process.args == "sleep 503") {
                return;
            }
        }
    };
    timeout(SOON, ended).await.unwrap();
}

#[tokio::test]
async fn what_is_uploaded_is_there() {
    let (engine, container) = (engine(), Container::sleeping());
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(5);
    archive.append_data(&mut header, ".vai/file", &b"hello"[..]).unwrap();
    let archive = archive.into_inner().unwrap();
    let id = container.id();
    engine.upload(&id, "/", archive).await.unwrap();
    let end = engine.exec(&id, &sh("cat /.vai/file"), SOON).await.unwrap();
    assert_eq!(end.output, "hello");
}

#[tokio::test]
async fn the_log_is_read_from_its_end() {
    let container = Container::run(
        &unique("log"),
        &[],
        &["sh", "-c", "echo one; echo two >&2; echo three; exec sleep 600"],
    );
    let (engine, id) = (engine(), container.id());
    let written = async { while engine.logs(&id, 10).await.unwrap().len() < 3 {} };
    timeout(SOON, written).await.unwrap();
    // The engine keeps no order between the two streams.
    let last = engine.logs(&id, 2).await.unwrap();
    assert_eq!(last.len(), 2);
    let mut all = engine.logs(&id, 10).await.unwrap();
    all.sort();
    assert_eq!(all, ["one", "three", "two"]);
}

#[tokio::test]
async fn a_hung_engine_is_gone_by_the_deadline() {
    let door = Door::new();
    let _accepts_and_never_answers = UnixListener::bind(&door.socket).unwrap();
    let engine = engine_at(&door.address());
    let command = sh("true");
    let began = Instant::now();
    let (ping, list, run, exec) = tokio::join!(
        engine.ping(),
        engine.list(),
        engine.exec("feed", &command, Duration::from_secs(1)),
        engine.exec_stream("feed", &command)
    );
    assert!(began.elapsed() < Duration::from_secs(6));
    assert!(matches!(ping, Err(EngineError::Gone(_))), "{ping:?}");
    assert!(matches!(list, Err(EngineError::Gone(_))), "{list:?}");
    assert!(matches!(run, Err(EngineError::Gone(_))), "{run:?}");
    assert!(matches!(exec, Err(EngineError::Gone(_))));
}

#[tokio::test]
async fn a_missing_and_a_refusing_socket_say_so() {
    let door = Door::new();
    let engine = Bollard::new(&door.address(), Own::default()).unwrap();
    let missing = engine.ping().await.unwrap_err().to_string();
    assert!(missing.contains("No such file"), "{missing}");
    assert!(missing.contains("engine.sock"), "{missing}");
    assert_eq!(engine.refused_for(), None);

    // A socket file that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(&door.socket).unwrap());
    let refused = engine.ping().await.unwrap_err().to_string();
    assert!(refused.contains("refused"), "{refused}");
    assert!(engine.refused_for().is_some());

    let real = Bollard::new(&Address::from_env().unwrap(), Own::default()).unwrap();
    real.ping().await.unwrap();
    assert_eq!(real.refused_for(), None);
}

#[tokio::test]
async fn a_container_is_listed_by_name_and_compose_service() {
    let name = unique("listed");
    let _container = Container::run(
        &name,
        &[
            "--label",
            "com.docker.compose.project=stack",
            "--label",
            "com.docker.compose.service=db",
        ],
        &["sleep", "600"],
    );
    let list = engine().list().await.unwrap();
    let listed = list.iter().find(|listed| listed.name == name).unwrap();
    assert_eq!(listed.compose, Some(("stack".into(), "db".into())));
    assert_eq!(listed.id, docker(&["inspect", "-f", "{{.Id}}", &name]));
}
