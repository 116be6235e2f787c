//! The engine through bollard, which prints whole bodies at `debug`: its own
//! log target has to stay at `warn`.

use super::errors::classify;
use super::inspect::{compose_of, details};
use super::tail::Tail;
use super::transport::{Refusals, connect};
use super::{
    Address, Details, Engine, EngineError, EngineEvent, EngineEventKind, EngineInfo, ExecEnd,
    ExecSpec, ExecStream, HostProcess, Listed, Own, exec,
};
use crate::clock;
use async_trait::async_trait;
use bollard::Docker;
use bollard::models::{ContainerTopResponse, EventMessage};
use bollard::query_parameters::{
    EventsOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RestartContainerOptionsBuilder, StopContainerOptionsBuilder, TopOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use vai_core::model::Wall;

/// Deadline of a call that only asks.
pub(super) const SHORT: Duration = Duration::from_secs(5);

/// Deadline of an upload of a few megabytes.
const UPLOAD: Duration = Duration::from_secs(30);

/// A stop or restart ends by its stop timeout plus this.
const AFTER_STOP: Duration = Duration::from_secs(30);

/// bollard's own deadline, which covers headers only; every call has a shorter
/// one around all of it.
const LONGEST: Duration = Duration::from_secs(3600);

/// `pid` has to be in it and `args` has to be last, else the engine answers 500.
const PS_ARGS: &str = "-eo pid,ppid,stat,etimes,rss,args";

const EVENTS: [&str; 11] = [
    "create",
    "start",
    "kill",
    "die",
    "stop",
    "oom",
    "pause",
    "unpause",
    "health_status",
    "rename",
    "destroy",
];

/// The Docker Engine.
pub struct Bollard {
    /// For calls with a deadline of their own around them.
    docker: Docker,
    /// For streams: only the beginning of the answer has a deadline.
    streams: Docker,
    own: Own,
    refusals: Arc<Refusals>,
}

impl Bollard {
    /// A client of the engine at `address`. It speaks to nobody yet, and works
    /// again by itself when the engine comes back.
    ///
    /// # Errors
    /// [`EngineError::Gone`] where the address makes no sense.
    pub fn new(address: &Address, own: Own) -> Result<Self, EngineError> {
        let refusals = Arc::default();
        Ok(Self {
            docker: connect(address, LONGEST, &refusals)?,
            streams: connect(address, SHORT, &refusals)?,
            own,
            refusals,
        })
    }

    /// How long every connection to the unix socket has been refused. After a
    /// minute, a socket file that is itself a bind mount is a dead one: only a
    /// restart of our container mounts the new one.
    #[must_use]
    pub fn refused_for(&self) -> Option<Duration> {
        self.refusals.lasting()
    }
}

/// Gives `call` until `deadline`; an engine that does not answer is gone.
pub(super) async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, EngineError> {
    match timeout(deadline, call).await {
        Ok(answer) => answer.map_err(classify),
        Err(_) => Err(EngineError::Gone(format!("no answer within {deadline:?}"))),
    }
}

fn whole_seconds(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

#[async_trait]
impl Engine for Bollard {
    async fn ping(&self) -> Result<(), EngineError> {
        within(SHORT, self.docker.ping()).await.map(drop)
    }

    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let version = within(SHORT, self.docker.version()).await?;
        Ok(EngineInfo {
            version: format!(
                "Docker Engine {} (API {})",
                version.version.as_deref().unwrap_or("of unknown version"),
                version.api_version.as_deref().unwrap_or("unknown"),
            ),
        })
    }

    async fn list(&self) -> Result<Vec<Listed>, EngineError> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let containers = within(SHORT, self.docker.list_containers(Some(options))).await?;
        Ok(containers
            .into_iter()
            .filter_map(|container| {
                // A link gives a container further names, `/other/alias`.
                let name = container.names?.into_iter().find_map(|name| own_name(&name))?;
                Some(Listed {
                    id: container.id?,
                    name,
                    compose: compose_of(&container.labels.unwrap_or_default()),
                })
            })
            .collect())
    }

    async fn inspect(&self, id: &str) -> Result<Details, EngineError> {
        let answer = within(SHORT, self.docker.inspect_container(id, None)).await?;
        Ok(details(answer, &self.own, clock::wall()))
    }

    async fn top(&self, id: &str) -> Result<Vec<HostProcess>, EngineError> {
        let options = TopOptionsBuilder::new().ps_args(PS_ARGS).build();
        let answer = within(SHORT, self.docker.top_processes(id, Some(options))).await?;
        Ok(host_processes(answer))
    }

    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<String>, EngineError> {
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let mut output = self.docker.logs(id, Some(options));
        let mut tail = Tail::default();
        within(SHORT, async {
            while let Some(chunk) = output.try_next().await? {
                tail.push(&chunk.into_bytes());
            }
            Ok(())
        })
        .await?;
        let text = tail.into_text();
        let all: Vec<_> = text.lines().map(ToOwned::to_owned).collect();
        Ok(all[all.len().saturating_sub(lines)..].to_vec())
    }

    async fn start(&self, id: &str) -> Result<(), EngineError> {
        within(AFTER_STOP, self.docker.start_container(id, None)).await
    }

    async fn stop(&self, id: &str, timeout: Option<Duration>) -> Result<(), EngineError> {
        let grace = self.stop_timeout(id, timeout).await?;
        let options = StopContainerOptionsBuilder::new().t(whole_seconds(grace)).build();
        let call = self.docker.stop_container(id, Some(options));
        within(grace + AFTER_STOP, call).await
    }

    async fn restart(&self, id: &str, timeout: Option<Duration>) -> Result<(), EngineError> {
        let grace = self.stop_timeout(id, timeout).await?;
        let options = RestartContainerOptionsBuilder::new().t(whole_seconds(grace)).build();
        let call = self.docker.restart_container(id, Some(options));
        within(grace + AFTER_STOP, call).await
    }

    async fn exec(
        &self,
        id: &str,
        spec: &ExecSpec,
        deadline: Duration,
    ) -> Result<ExecEnd, EngineError> {
        exec::run(&self.docker, id, spec, deadline).await
    }

    async fn exec_stream(&self, id: &str, spec: &ExecSpec) -> Result<ExecStream, EngineError> {
        exec::stream(&self.streams, id, spec).await
    }

    async fn upload(&self, id: &str, path: &str, archive: Vec<u8>) -> Result<(), EngineError> {
        let options = UploadToContainerOptionsBuilder::new().path(path).build();
        let body = bollard::body_full(archive.into());
        let call = self.docker.upload_to_container(id, Some(options), body);
        within(UPLOAD, call).await
    }

    async fn events(
        &self,
        since: Wall,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        let filters = HashMap::from([("type", vec!["container"]), ("event", EVENTS.to_vec())]);
        // The connection is made when the stream is first polled. With `since`
        // the engine repeats what happened between this call and then.
        let millis = since.as_millis();
        let options = EventsOptionsBuilder::new()
            .since(&format!("{}.{:03}000000", millis / 1000, millis % 1000))
            .filters(&filters)
            .build();
        let events = self.streams.events(Some(options));
        Ok(events.map_err(classify).try_filter_map(async |message| Ok(event(message))).boxed())
    }
}

impl Bollard {
    async fn stop_timeout(
        &self,
        id: &str,
        timeout: Option<Duration>,
    ) -> Result<Duration, EngineError> {
        match timeout {
            Some(timeout) => Ok(timeout),
            None => Ok(self.inspect(id).await?.stop_timeout),
        }
    }
}

/// `/name` → `name`; `None` for a link's alias.
fn own_name(name: &str) -> Option<String> {
    let name = name.strip_prefix('/').unwrap_or(name);
    (!name.contains('/')).then(|| name.to_owned())
}

fn host_processes(answer: ContainerTopResponse) -> Vec<HostProcess> {
    let titles = answer.titles.unwrap_or_default();
    let column = |title: &str| titles.iter().position(|t| t == title);
    let (Some(pid), Some(stat)) = (column("PID"), column("STAT")) else {
        return Vec::new();
    };
    answer
        .processes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|row| {
            Some(HostProcess {
                pid: row.get(pid)?.parse().ok()?,
                stat: row.get(stat)?.clone(),
                args: row.last()?.clone(),
            })
        })
        .collect()
}

fn event(message: EventMessage) -> Option<EngineEvent> {
    use EngineEventKind as Kind;
    let action = message.action?;
    let kind = match action.split_once(':').map_or(action.as_str(), |(a, _)| a) {
        "create" => Kind::Create,
        "start" => Kind::Start,
        "kill" => Kind::Kill,
        "die" => Kind::Die,
        "stop" => Kind::Stop,
        "oom" => Kind::Oom,
        "pause" => Kind::Pause,
        "unpause" => Kind::Unpause,
        "health_status" => Kind::Health,
        "rename" => Kind::Rename,
        "destroy" => Kind::Destroy,
        _ => return None,
    };
    let actor = message.actor?;
    let mut attributes = actor.attributes?;
    if kind == Kind::Kill && attributes.get("signal").is_some_and(|signal| is_harmless(signal)) {
        return None;
    }
    Some(EngineEvent { id: actor.id?, name: attributes.remove("name")?, kind })
}

/// Signals by which nobody wants a container to end: HUP, USR1, USR2, WINCH.
fn is_harmless(signal: &str) -> bool {
    matches!(signal, "1" | "10" | "12" | "28")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(action: &str) -> Option<EngineEventKind> {
        let message = json!({
            "Type": "container", "Action": action,
            "Actor": { "ID": "feed", "Attributes": { "name": "db", "signal": "1" } },
        });
        event(serde_json::from_value(message).unwrap()).map(|event| event.kind)
    }

    #[test]
    fn events_are_told_apart_by_the_word_before_the_colon() {
        assert_eq!(read("health_status: unhealthy"), Some(EngineEventKind::Health));
        assert_eq!(read("die"), Some(EngineEventKind::Die));
        assert_eq!(read("exec_start: ps"), None);
        assert_eq!(read("kill"), None, "a hang-up asks for a reload, not for a stop");
    }

    #[test]
    fn an_alias_of_a_link_is_no_name() {
        assert_eq!(own_name("/db"), Some("db".into()));
        assert_eq!(own_name("/web/db"), None);
    }

    #[test]
    fn processes_are_read_by_their_columns() {
        let answer = ContainerTopResponse {
            titles: Some(["PID", "PPID", "STAT", "COMMAND"].map(Into::into).into()),
            processes: Some(vec![["7", "1", "Zs", "redis-server *:6379"].map(Into::into).into()]),
        };
        assert_eq!(
            host_processes(answer),
            [HostProcess { pid: 7, stat: "Zs".into(), args: "redis-server *:6379".into() }]
        );
    }

    #[test]
    fn a_stop_timeout_is_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(10)), 10);
    }
}
