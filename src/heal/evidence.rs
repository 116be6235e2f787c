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
    let (zombies, space, obstacles, (log_source, log)) = tokio::join!(
        zombies(healer, service, scene),
        space(healer, service, scene),
        obstacles(healer, service, scene),
        log(healer, service, scene)
    );
    let mut facts = match scene {
        Scene::Local => Vec::new(),
        Scene::Container(details) => details.facts.clone(),
    };
    facts.extend(zombies);
    facts.extend(obstacles);
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

/// The dead that nobody took away, and may stand in the way. Beside vai that is
/// another's concern.
async fn zombies(healer: &Healer, service: &Service, scene: &Scene) -> Vec<String> {
    let Some(command) = service.restart_cmd.clone() else { return Vec::new() };
    if !scene.is_running() || matches!(scene, Scene::Local) {
        return Vec::new();
    }
    match healer.ask(&service.place, Op::Zombies { command }, HALF * 2).await {
        Ok(Answer::Lines(lines)) => lines,
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// Why nothing may be found in its log, or in a file that its commands write
/// to.
async fn obstacles(healer: &Healer, service: &Service, scene: &Scene) -> Vec<String> {
    let commands = [&service.stop_cmd, &service.restart_cmd].into_iter().flatten();
    let mut paths: Vec<String> = service.log_path.iter().cloned().collect();
    for path in commands.flat_map(|command| redirected_to(command)) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() || !scene.is_running() {
        return Vec::new();
    }
    let find = Op::Obstacles { paths, user: service.user.clone() };
    match healer.ask(&service.place, find, HALF * 2).await {
        Ok(Answer::Lines(lines)) => lines,
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// The files that a command sends its output to, as far as their names are
/// plain to see.
fn redirected_to(command: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in command.match_indices('>') {
        let target = command[at + 1..].trim_start_matches(['>', '|']).trim_start();
        let target = target.strip_prefix(['"', '\'']).unwrap_or(target);
        let end = target.find([' ', '\t', '\n', ';', '&', '|', ')', '"', '\'', '<', '>']);
        let path = &target[..end.unwrap_or(target.len())];
        let is_file = path.starts_with('/') && !path.starts_with("/dev/");
        if is_file
            && !found.iter().any(|other| other == path)
            && !path.contains(['$', '*', '?', '`', '\\'])
        {
            found.push(path.to_owned());
        }
    }
    found
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_a_command_writes_to_are_seen_where_they_are_plain() {
        let table: [(&str, &[&str]); 6] = [
            ("api-server >> /var/log/api.log 2>&1 &", &["/var/log/api.log"]),
            ("a >/x/a.log 2>/x/b.log; (c &> \"/x/c.log\")", &["/x/a.log", "/x/b.log", "/x/c.log"]),
            ("a > '/x/a.log'&", &["/x/a.log"]),
            ("nginx > /dev/null 2>&1", &[]),
            ("a >> $LOG; b >> /x/$NAME.log; c > relative.log", &[]),
            ("test 1 -gt 0 && redis-server --daemonize yes", &[]),
        ];
        for (command, expected) in table {
            assert_eq!(redirected_to(command), expected, "{command}");
        }
    }
}
