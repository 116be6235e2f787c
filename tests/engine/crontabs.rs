//! Crontabs of real containers: with an agent, without one, and as root of a
//! container whose processes are somebody else's.

use crate::probing::{LIBRARIES, Probing, key};
use crate::support::{Container, SOON, docker, unique};
use vai::config::ProbeMode;
use vai::probe::wire::Crontabs;
use vai_core::model::Place;

async fn read(probing: &Probing) -> Crontabs {
    probing.prober.crontabs(&Place::Container(key()), SOON).await.unwrap()
}

fn shell(container: &Container, script: &str) {
    docker(&["exec", "-u", "0", &container.name, "sh", "-c", script]);
}

fn lines(crontabs: &Crontabs) -> Vec<String> {
    crontabs.lines.iter().map(|it| format!("{}:{} {}", it.file, it.number, it.text)).collect()
}

/// Of a container whose processes run as user 1234.
async fn appears_and_goes(probe: ProbeMode) {
    let options = [&LIBRARIES[..], &["--user", "1234"]].concat();
    let container = Container::run(&unique("cron"), &options, &["sleep", "600"]);
    let probing = Probing::of(&container.name, probe).await;
    assert_eq!(read(&probing).await, Crontabs::default());

    shell(
        &container,
        "busybox mkdir -p /etc/cron.d /var/spool/cron/crontabs && \
         echo '# nightly\n30 3 * * * root /opt/vault.sh' > /etc/cron.d/vault && \
         echo '@daily /opt/report.sh' > /var/spool/cron/crontabs/root && \
         busybox chmod 600 /var/spool/cron/crontabs/root && \
         busybox chmod 700 /var/spool/cron/crontabs",
    );
    let expected = [
        "/etc/cron.d/vault:2 30 3 * * * root /opt/vault.sh",
        "/var/spool/cron/crontabs/root:1 @daily /opt/report.sh",
    ];
    let found = read(&probing).await;
    assert_eq!((lines(&found), found.unreadable), (expected.map(String::from).into(), Vec::new()));

    shell(&container, "busybox rm -r /etc/cron.d /var/spool/cron");
    assert_eq!(read(&probing).await, Crontabs::default());
    probing.stop().await;
}

#[tokio::test]
async fn a_crontab_is_seen_by_an_agent_and_gone_when_it_is_gone() {
    appears_and_goes(ProbeMode::Auto).await;
}

#[tokio::test]
async fn a_crontab_is_seen_through_a_shell_where_no_agent_may_be() {
    appears_and_goes(ProbeMode::None).await;
}

#[tokio::test]
async fn what_even_root_may_not_read_is_said_and_never_taken_for_absent() {
    for probe in [ProbeMode::Auto, ProbeMode::None] {
        let options = [&LIBRARIES[..], &["--cap-drop", "ALL"]].concat();
        let container = Container::run(&unique("cron"), &options, &["sleep", "600"]);
        shell(
            &container,
            "busybox mkdir -p /etc/cron.d && echo '@daily root /opt/x' > /etc/cron.d/x && \
             busybox chmod 0 /etc/cron.d/x",
        );
        let probing = Probing::of(&container.name, probe).await;
        let found = read(&probing).await;
        assert!(found.lines.is_empty(), "{found:?}");
        assert_eq!(found.unreadable.len(), 1, "{found:?}");
        assert!(found.unreadable[0].starts_with("/etc/cron.d/x: "), "{found:?}");
        probing.stop().await;
    }
}
