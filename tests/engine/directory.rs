use crate::support::{Container, Door, SOON, docker, engine, engine_at, expect, unique};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use vai::config::ContainerEntry;
use vai::docker::{Directory, Engine, Keys, Own};
use vai_core::model::{
    ContainerChange, ContainerKey, ContainerStatus, ContainerView, Event, Presence,
};

/// A directory at work.
struct Following {
    directory: Directory,
    events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Following {
    /// Follows the container called `name` by the key `box`.
    fn start(engine: Arc<dyn Engine>, name: &str) -> Self {
        let (sender, events) = mpsc::channel(1000);
        let (directory, follower) = Directory::new(engine, Own::default(), sender);
        directory.set_keys(Keys::from([(
            key(),
            ContainerEntry { name: Some(name.to_owned()), probe: None },
        )]));
        let shutdown = CancellationToken::new();
        Self { directory, events, task: tokio::spawn(follower.run(shutdown.clone())), shutdown }
    }

    async fn change(&mut self, what: &str, wanted: impl Fn(&ContainerChange) -> bool) {
        expect(&mut self.events, what, |event| match event {
            Event::Container { key: whose, change } if *whose == key() && wanted(change) => {
                Some(())
            }
            _ => None,
        })
        .await;
    }

    async fn present(&mut self, wanted: impl Fn(&Presence) -> bool) -> Presence {
        expect(&mut self.events, "presence", |event| match event {
            Event::Container {
                change: ContainerChange::Seen(ContainerView::Present(presence)),
                ..
            } if wanted(presence) => Some(presence.clone()),
            _ => None,
        })
        .await
    }

    async fn back(&mut self) {
        expect(&mut self.events, "EngineBack", |event| {
            matches!(event, Event::EngineBack).then_some(())
        })
        .await;
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(SOON, self.task).await.unwrap().unwrap();
    }
}

fn key() -> ContainerKey {
    "box".into()
}

#[tokio::test]
async fn whose_network_a_container_shares_is_seen() {
    let owner = Container::sleeping();
    let network = format!("--network=container:{}", owner.name);
    let helper = Container::run(&unique("helper"), &[&network], &["sleep", "600"]);
    let mut following = Following::start(engine(), &helper.name);
    let presence = following.present(|_| true).await;
    assert_eq!(presence.network_of, Some(owner.id()));
    assert!(!presence.network_gone);
    following.stop().await;

    let mut following = Following::start(engine(), &owner.name);
    assert_eq!(following.present(|_| true).await.network_of, None);
    following.stop().await;

    // Whatever takes its name has another namespace.
    drop(owner);
    let mut following = Following::start(engine(), &helper.name);
    assert!(following.present(|_| true).await.network_gone);
    following.stop().await;
}

#[tokio::test]
async fn a_network_is_lost_when_its_owner_is_started_anew() {
    let owner = Container::sleeping();
    let network = format!("container:{}", owner.name);
    let options = ["--network", network.as_str()];
    let sharer = Container::run(&unique("sharer"), &options, &["sleep", "600"]);
    let mut following = Following::start(engine(), &sharer.name);
    assert!(!following.present(|_| true).await.network_lost);

    // The owner is no key of the registry; its end and start are told all the same.
    docker(&["restart", "--time", "0", &owner.name]);
    following.present(|presence| presence.network_lost).await;
    docker(&["restart", "--time", "0", &sharer.name]);
    let joined = |presence: &Presence| presence.status.is_running() && !presence.network_lost;
    following.present(joined).await;
    following.stop().await;
}

#[tokio::test]
async fn every_container_is_seen_before_the_engine_is_back() {
    let container = Container::sleeping();
    let mut following = Following::start(engine(), &container.name);
    let first = following.events.recv().await.unwrap();
    assert!(
        matches!(
            &first,
            Event::Container { change: ContainerChange::Seen(ContainerView::Present(_)), .. }
        ),
        "{first:?}"
    );
    following.back().await;
    assert!(following.directory.engine_up());
    following.stop().await;
}

#[tokio::test]
async fn a_container_recreated_under_its_name_is_followed() {
    let name = unique("recreated");
    let first = Container::run(&name, &[], &["sleep", "600"]);
    let id = first.id();
    let mut following = Following::start(engine(), &name);
    following.back().await;

    drop(first);
    following
        .change("Missing", |change| *change == ContainerChange::Seen(ContainerView::Missing))
        .await;
    assert_eq!(following.directory.view(&key()), Some(ContainerView::Missing));

    let second = Container::run(&name, &[], &["sleep", "600"]);
    let presence = following.present(|presence| presence.status == ContainerStatus::Running).await;
    assert_eq!(presence.instance.id, second.id());
    assert_ne!(presence.instance.id, id);
    assert!(following.directory.details(&key()).is_some());
    following.stop().await;
}

#[tokio::test]
async fn a_killed_main_process_is_told_within_a_second() {
    let container = Container::sleeping();
    let mut following = Following::start(engine(), &container.name);
    following.back().await;
    let pid = container.host_pid();
    let began = Instant::now();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    following.change("Died", |change| *change == ContainerChange::Died).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    let presence = following.present(|presence| presence.status != ContainerStatus::Running).await;
    assert_eq!(presence.status, ContainerStatus::Exited { code: 137, oom: false });
    following.stop().await;
}

#[tokio::test]
async fn a_stop_by_hand_and_a_pause_are_told() {
    let container = Container::sleeping();
    let mut following = Following::start(engine(), &container.name);
    following.back().await;
    docker(&["pause", &container.name]);
    following.present(|presence| presence.status == ContainerStatus::Paused).await;
    docker(&["unpause", &container.name]);
    following.present(|presence| presence.status == ContainerStatus::Running).await;
    docker(&["stop", "-t", "0", &container.name]);
    following.change("StopRequested", |change| *change == ContainerChange::StopRequested).await;
    following.stop().await;
}

#[tokio::test]
async fn a_key_set_later_is_looked_at_at_once() {
    let container = Container::sleeping();
    let mut following = Following::start(engine(), &unique("nobody"));
    following.back().await;
    assert_eq!(following.directory.view(&key()), Some(ContainerView::Missing));
    let entry = ContainerEntry { name: Some(container.name.clone()), probe: None };
    following.directory.set_keys(Keys::from([(key(), entry)]));
    let presence = following.present(|_| true).await;
    assert_eq!(presence.name, container.name);
    following.stop().await;
}

#[tokio::test]
async fn an_engine_that_went_away_is_found_again_within_5_seconds() {
    let container = Container::sleeping();
    let door = Door::new();
    let shut = CancellationToken::new();
    let passing = door.open(shut.clone());
    let mut following = Following::start(engine_at(&door.address()), &container.name);
    following.back().await;

    shut.cancel();
    passing.await.unwrap();
    let why = expect(&mut following.events, "EngineGone", |event| match event {
        Event::EngineGone(why) => Some(why.clone()),
        _ => None,
    })
    .await;
    assert!(!why.is_empty());
    assert!(!following.directory.engine_up());

    docker(&["kill", &container.name]);
    let shut = CancellationToken::new();
    let passing = door.open(shut.clone());
    let began = Instant::now();
    let presence = following.present(|_| true).await;
    assert!(!presence.status.is_running(), "what happened meanwhile is seen");
    following.back().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    following.stop().await;
    shut.cancel();
    passing.await.unwrap();
}

#[tokio::test]
async fn an_engine_that_hangs_is_told_once() {
    let door = Door::new();
    let _accepts_and_never_answers = tokio::net::UnixListener::bind(&door.socket).unwrap();
    let mut following = Following::start(engine_at(&door.address()), "nobody");
    let told = expect(&mut following.events, "EngineGone", |event| {
        matches!(event, Event::EngineGone(_)).then_some(())
    });
    timeout(Duration::from_secs(8), told).await.unwrap();
    let asked_again = timeout(Duration::from_secs(4), following.events.recv()).await;
    assert!(asked_again.is_err(), "{asked_again:?}");
    following.stop().await;
}
