//! What an act started is found and ended before the next one, in real
//! containers.

use crate::probing::{Probing, key, process, service, with_worker};
use crate::support::{docker, engine};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use vai::config::ProbeMode;
use vai::heal::{Healer, Places, Registry};
use vai::probe::wire::{Answer, Op};
use vai_core::model::{
    Act, ActId, ActOutcome, ActReport, ActRequest, ContainerKey, ContainerView, Place, Redactor,
    Rung, Service,
};

struct Reach(Probing);

#[async_trait]
impl Places for Reach {
    fn view(&self, key: &ContainerKey) -> Option<ContainerView> {
        self.0.directory.view(key)
    }

    async fn ask(&self, place: &Place, op: Op, deadline: Duration) -> Result<Answer, String> {
        let asked = self.0.prober.ask(place, None, op, deadline).await;
        asked.map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Registry for Reach {
    async fn still_wanted(&self, _: &Service) -> Result<(), String> {
        Ok(())
    }

    fn shares_container(&self, _: &Service) -> bool {
        true
    }

    fn redactor(&self) -> Redactor {
        Redactor::default()
    }
}

/// The living `sleep 701`s, as the host counts.
fn copies(container: &str) -> BTreeSet<String> {
    let top = docker(&["top", container, "-eo", "pid,args"]);
    let lines = top.lines().filter(|line| line.ends_with(" sleep 701"));
    lines.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

fn slow_starter(user: Option<&str>) -> Arc<Service> {
    let mut slow = service();
    slow.checks = vec![crate::probing::check(process("never there"))];
    slow.restart_cmd = Some("sleep 701 > /dev/null 2>&1 &".to_owned());
    slow.user = user.map(str::to_owned);
    slow.place = Place::Container(key());
    Arc::new(slow)
}

async fn restart(healer: &Healer, service: &Arc<Service>, id: u64) -> ActReport {
    let request = ActRequest {
        id: ActId(id),
        service: Arc::clone(service),
        instance: None,
        act: Act::Restart(Rung::Command),
        processes: Vec::new(),
        supersedes: id.checked_sub(1).filter(|&before| before > 0).map(ActId),
        follows_at_once: false,
    };
    healer.perform(&request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_no_moment_are_there_two_copies_whoever_they_run_as() {
    for user in [None, Some("1234")] {
        let container = with_worker().await;
        let name = container.name.clone();
        let reach = Arc::new(Reach(Probing::of(&name, ProbeMode::Auto).await));
        let mark = format!("test-{}", std::process::id());
        let healer = Healer::new(engine(), reach.clone(), reach.clone(), mark);
        let service = slow_starter(user);
        assert!(matches!(restart(&healer, &service, 1).await.outcome, ActOutcome::Done { .. }));
        let first = copies(&name);
        assert_eq!(first.len(), 1, "{first:?}");

        let second = restart(&healer, &service, 2);
        tokio::pin!(second);
        let mut most = 0;
        let report = loop {
            let watched = name.clone();
            let sample = tokio::task::spawn_blocking(move || copies(&watched).len());
            tokio::select! {
                report = &mut second => break report,
                sample = sample => most = most.max(sample.unwrap()),
            }
        };
        most = most.max(copies(&name).len());
        assert_eq!(most, 1);
        assert!(matches!(report.outcome, ActOutcome::Done { .. }), "{report:?}");
        let told = &report.steps[0];
        assert!(told.starts_with("ended sleep (pid "), "{told}");
        assert!(told.contains("), which the attempt before had started, by TERM in "), "{told}");
        assert!(copies(&name).is_disjoint(&first));
        healer.stop().await;
    }
}
