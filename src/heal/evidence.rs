use super::Healer;
use super::gate::Scene;
use crate::probe::wire::{Answer, Op};
use std::time::Duration;
use tokio::time::timeout;
use vai_core::model::{Evidence, Service};

/// Each half of the budget; a log is looked for in two places.
const HALF: Duration = Duration::from_secs(1);

/// Lines of a log that are kept.
const LOG_LINES: usize = 20;

/// What is known before the act changes it. Takes 2 s at most: what cannot be
/// had by then is left out, the act does not wait for it.
pub(super) async fn gather(healer: &Healer, service: &Service, scene: &Scene) -> Evidence {
    let (space, (log_source, log)) =
        tokio::join!(space(healer, service, scene), log(healer, service, scene));
    let mut facts = match scene {
        Scene::Local => Vec::new(),
        Scene::Container(details) => details.facts.clone(),
    };
    facts.extend(space);
    Evidence { facts, log_source, log }
}

async fn space(healer: &Healer, service: &Service, scene: &Scene) -> Vec<String> {
    if !scene.is_running() {
        return Vec::new();
    }
    match healer.ask(&service.place, Op::Facts, HALF * 2).await {
        Ok(Answer::Lines(lines)) => lines,
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// The service's own log, else the container's.
async fn log(healer: &Healer, service: &Service, scene: &Scene) -> (String, Vec<String>) {
    if let Some(path) = service.log_path.as_ref().filter(|_| scene.is_running()) {
        let tail = Op::Tail { path: path.clone(), lines: LOG_LINES };
        if let Ok(Answer::Lines(lines)) = healer.ask(&service.place, tail, HALF).await
            && !lines.is_empty()
        {
            return (path.clone(), lines);
        }
    }
    if let Scene::Container(details) = scene {
        let logs = healer.engine.logs(&details.presence.instance.id, LOG_LINES);
        if let Ok(Ok(lines)) = timeout(HALF, logs).await
            && !lines.is_empty()
        {
            return (format!("docker logs {}", details.presence.name), lines);
        }
    }
    (String::new(), Vec::new())
}
