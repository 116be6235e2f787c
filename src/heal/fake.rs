//! A scripted engine, places and registry.

use super::fixture::instance;
use super::{Places, Registry};
use crate::docker::{
    Details, Engine, EngineError, EngineEvent, EngineInfo, ExecEnd, ExecSpec, ExecStream,
    HostProcess, Listed,
};
use crate::probe::wire::{Answer, Op};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;
use vai_core::model::{
    ContainerKey, ContainerStatus, ContainerView, Place, Presence, Redactor, Secret, Service, Wall,
};

/// Everything that a test sets and everything that was asked for, in order.
pub(super) struct World {
    pub(super) container: Mutex<Option<Details>>,
    /// Why the container cannot be inspected.
    pub(super) inspection: Mutex<Option<EngineError>>,
    /// What `view` says instead of the container.
    pub(super) view: Mutex<Option<ContainerView>>,
    /// Why the next start, stop or restart is not answered; done all the same
    /// where the flag says so.
    pub(super) lifecycle: Mutex<Option<(EngineError, bool)>>,
    pub(super) execs: Mutex<VecDeque<Result<ExecEnd, EngineError>>>,
    /// Answers by the name of the operation; `None` hangs.
    pub(super) answers: Mutex<Vec<(&'static str, Option<Answer>)>>,
    pub(super) wanted: Mutex<Result<(), String>>,
    pub(super) shared: bool,
    /// The marks in the environment of what was run.
    pub(super) marks: Mutex<Vec<String>>,
    pub(super) calls: Mutex<Vec<String>>,
}

impl World {
    /// A running container in which everything works.
    pub(super) fn new() -> Self {
        Self {
            container: Mutex::new(Some(details(ContainerStatus::Running))),
            inspection: Mutex::new(None),
            view: Mutex::new(None),
            lifecycle: Mutex::new(None),
            execs: Mutex::new(VecDeque::new()),
            answers: Mutex::new(Vec::new()),
            wanted: Mutex::new(Ok(())),
            shared: true,
            marks: Mutex::new(Vec::new()),
            calls: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn status(&self, status: ContainerStatus) {
        *self.container.lock().unwrap() = Some(details(status));
    }

    pub(super) fn answer(&self, op: &'static str, answer: Answer) {
        self.answers.lock().unwrap().push((op, Some(answer)));
    }

    pub(super) fn hang(&self, op: &'static str) {
        self.answers.lock().unwrap().push((op, None));
    }

    pub(super) fn exec_ends(&self, exit_code: Option<i64>, output: &str) {
        self.execs.lock().unwrap().push_back(Ok(ExecEnd { exit_code, output: output.to_owned() }));
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn called(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }

    fn change(&self, call: &str, status: ContainerStatus) -> Result<(), EngineError> {
        self.called(call);
        let trouble = self.lifecycle.lock().unwrap().take();
        if trouble.as_ref().is_none_or(|(_, done)| *done)
            && let Some(details) = self.container.lock().unwrap().as_mut()
        {
            details.presence.status = status;
            if call != "stop" {
                details.presence.instance.started_at = "later".to_owned();
            }
        }
        trouble.map_or(Ok(()), |(error, _)| Err(error))
    }
}

pub(super) fn details(status: ContainerStatus) -> Details {
    Details {
        presence: presence(status),
        user: String::new(),
        addresses: Vec::new(),
        facts: vec!["exit code 137, out of memory".to_owned()],
        stop_timeout: Duration::from_secs(10),
        compose_project: None,
    }
}

pub(super) fn presence(status: ContainerStatus) -> Presence {
    Presence {
        instance: instance(),
        name: "services-container".to_owned(),
        status,
        health: None,
        up_for: Duration::from_secs(600),
        health_start: None,
        engine_restarts: false,
        network_of: None,
        network_gone: false,
        is_self: false,
    }
}

#[async_trait]
impl Places for World {
    fn view(&self, _: &ContainerKey) -> Option<ContainerView> {
        if let Some(view) = self.view.lock().unwrap().clone() {
            return Some(view);
        }
        Some(ContainerView::Present(presence(ContainerStatus::Running)))
    }

    async fn ask(&self, _: &Place, op: Op, _: Duration) -> Result<Answer, String> {
        let (name, call) = match &op {
            Op::End { processes, .. } => ("end", format!("end {}", processes.len())),
            Op::EndStarted { mark, since, .. } => {
                let known = if since.is_some() { " since" } else { "" };
                ("end_started", format!("end_started {mark}{known}"))
            }
            Op::Behind(checks) => ("behind", format!("behind {}", checks.len())),
            Op::Tail { path, .. } => ("tail", format!("tail {path}")),
            Op::Exists(path) => ("exists", format!("exists {path}")),
            Op::Facts => ("facts", "facts".to_owned()),
            Op::Ping | Op::Check { .. } | Op::Unwatch(_) | Op::Run { .. } | Op::Crontabs => {
                ("other", format!("{op:?}"))
            }
        };
        self.called(call);
        let scripted = {
            let answers = self.answers.lock().unwrap();
            answers.iter().find(|(op, _)| *op == name).cloned()
        };
        match scripted {
            Some((_, Some(answer))) => Ok(answer),
            Some((_, None)) => pending().await,
            None if name == "exists" => Ok(Answer::Exists(false)),
            None => Err("no agent".to_owned()),
        }
    }
}

#[async_trait]
impl Registry for World {
    async fn still_wanted(&self, _: &Service) -> Result<(), String> {
        self.wanted.lock().unwrap().clone()
    }

    fn shares_container(&self, _: &Service) -> bool {
        self.shared
    }

    fn redactor(&self) -> Redactor {
        Redactor::new([Secret::from("hunter2")])
    }
}

#[async_trait]
impl Engine for World {
    async fn inspect(&self, id: &str) -> Result<Details, EngineError> {
        if let Some(error) = self.inspection.lock().unwrap().clone() {
            return Err(error);
        }
        let details = self.container.lock().unwrap().clone();
        details.ok_or_else(|| EngineError::NotFound(format!("No such container: {id}")))
    }

    async fn logs(&self, _: &str, _: usize) -> Result<Vec<String>, EngineError> {
        self.called("logs");
        Ok(vec!["password=hunter2".to_owned()])
    }

    async fn start(&self, _: &str) -> Result<(), EngineError> {
        self.change("start", ContainerStatus::Running)
    }

    async fn stop(&self, _: &str, _: Option<Duration>) -> Result<(), EngineError> {
        let exited = ContainerStatus::Exited { code: 0, oom: false };
        self.change("stop", exited)
    }

    async fn restart(&self, _: &str, _: Option<Duration>) -> Result<(), EngineError> {
        self.change("restart", ContainerStatus::Running)
    }

    async fn exec(&self, _: &str, spec: &ExecSpec, _: Duration) -> Result<ExecEnd, EngineError> {
        self.called(format!("exec {}", spec.argv.last().unwrap()));
        let marks = spec.environment.iter().filter(|it| it.starts_with("VAI_ACT="));
        self.marks.lock().unwrap().extend(marks.cloned());
        let scripted = self.execs.lock().unwrap().pop_front();
        scripted.unwrap_or_else(|| Ok(ExecEnd { exit_code: Some(0), output: String::new() }))
    }

    async fn ping(&self) -> Result<(), EngineError> {
        Err(unscripted())
    }

    async fn info(&self) -> Result<EngineInfo, EngineError> {
        Err(unscripted())
    }

    async fn list(&self) -> Result<Vec<Listed>, EngineError> {
        Err(unscripted())
    }

    async fn top(&self, _: &str) -> Result<Vec<HostProcess>, EngineError> {
        Err(unscripted())
    }

    async fn exec_stream(&self, _: &str, _: &ExecSpec) -> Result<ExecStream, EngineError> {
        Err(unscripted())
    }

    async fn upload(&self, _: &str, _: &str, _: Vec<u8>) -> Result<(), EngineError> {
        Err(unscripted())
    }

    async fn events(
        &self,
        _: Wall,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        Err(unscripted())
    }
}

fn unscripted() -> EngineError {
    EngineError::Gone("healing makes no such call".to_owned())
}
