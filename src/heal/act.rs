use super::Healer;
use super::command::{self, CommandEnd};
use super::gate::{self, Scene};
use crate::clock;
use crate::docker::{Details, EngineError};
use crate::probe::wire::{Answer, Op};
use std::time::Duration;
use vai_core::model::{
    Act, ActOutcome, ActRequest, CheckKind, Instance, Place, Presence, ProcId, Rung, Vantage,
};
use vai_core::words;

mod list;
mod survivors;

use list::list;

/// Between TERM and KILL (behaviour.md, section 3).
const GRACE: Duration = Duration::from_secs(10);

/// For the kernel to take a killed process away, and for the way there and
/// back.
const END_DEADLINE: Duration = Duration::from_secs(15);

const BEHIND_DEADLINE: Duration = Duration::from_secs(3);

/// How an act went.
pub(super) struct CarriedOut {
    pub(super) outcome: ActOutcome,
    /// The one that runs then.
    pub(super) instance: Option<Instance>,
    /// What was done, in sentences.
    pub(super) steps: Vec<String>,
    pub(super) survivor_age: Option<Duration>,
}

impl CarriedOut {
    /// Ended with `outcome` before anything was done.
    pub(super) fn nothing(outcome: ActOutcome) -> Self {
        Self { outcome, instance: None, steps: Vec::new(), survivor_age: None }
    }
}

/// Does what `request` asks for.
pub(super) async fn carry_out(healer: &Healer, request: &ActRequest, scene: Scene) -> CarriedOut {
    let mut acting = Acting { healer, request, scene, steps: Vec::new(), command: None };
    let result = match request.act {
        Act::Start => acting.start().await,
        Act::Restart(Rung::Command) => acting.command().await,
        Act::Restart(Rung::KillAndCommand) => acting.kill_and_command().await,
        Act::Restart(Rung::Container) => acting.container().await,
        Act::Stop => acting.stop().await,
    };
    let survivors = acting.survivors().await;
    let survivor_age = acting.age_of(&survivors);
    let still_there = survivors::still_there(&survivors);
    let outcome = match result {
        Ok(()) => ActOutcome::Done { still_there },
        Err(ActOutcome::Failed(words)) => ActOutcome::Failed(match still_there {
            Some(who) => acting.add_to(words, &who),
            None => words,
        }),
        Err(outcome) => {
            acting.steps.extend(still_there);
            outcome
        }
    };
    let instance = acting.instance_now().await;
    CarriedOut { outcome, instance, steps: acting.steps, survivor_age }
}

/// An act under way. Its methods end early with the outcome in `Err`.
struct Acting<'a> {
    healer: &'a Healer,
    request: &'a ActRequest,
    scene: Scene,
    steps: Vec<String>,
    /// What was run last, if it ended.
    command: Option<String>,
}

impl Acting<'_> {
    async fn start(&mut self) -> Result<(), ActOutcome> {
        if self.request.service.restart_cmd.is_some() {
            let came_up = self.start_container_if_down().await?;
            return if came_up && self.is_left_to_supervisor() {
                Ok(())
            } else {
                self.run_restart_cmd().await
            };
        }
        // An operator asked for it: a start of the core's own has a command.
        if self.scene.is_running() && self.healer.registry.shares_container(&self.request.service) {
            return Err(failed("it has no restart_cmd and shares its container with others"));
        }
        self.container().await
    }

    async fn command(&mut self) -> Result<(), ActOutcome> {
        if !self.start_container_if_down().await? {
            self.run_stop_cmd().await;
        } else if self.is_left_to_supervisor() {
            return Ok(());
        }
        self.run_restart_cmd().await
    }

    /// Whether a supervisor, which came up with the container, starts it: its
    /// client would only find that nobody listens yet.
    fn is_left_to_supervisor(&mut self) -> bool {
        let supervised = self.request.service.supervised.as_ref();
        self.steps.extend(supervised.map(|it| format!("left its start to {}", it.by)));
        supervised.is_some()
    }

    async fn kill_and_command(&mut self) -> Result<(), ActOutcome> {
        if self.request.follows_at_once {
            survivors::are_alone(self).await?;
        }
        if self.scene.is_running() && self.request.service.supervised.is_none() {
            // Who could not be ended is named in the steps and in the verdict;
            // the command may get by all the same.
            let _ = self.end(self.request.processes.clone()).await;
        }
        self.command().await
    }

    async fn container(&mut self) -> Result<(), ActOutcome> {
        let Some(before) = self.presence() else {
            return Err(failed("a local service has no container to restart"));
        };
        if !before.status.is_running() {
            self.start_container_if_down().await?;
            return Ok(());
        }
        let timeout = self.request.service.recovery.stop_timeout;
        let began = clock::boot_time();
        let result = self.healer.engine.restart(&before.instance.id, timeout).await;
        let restarted = |now: &Presence| now.status.is_running() && now.instance != before.instance;
        self.settle(&before, "restarting", result, restarted).await?;
        self.steps.push(format!(
            "restarted the container {} in {}",
            before.name,
            words::duration(clock::boot_time().since(began))
        ));
        Ok(())
    }

    async fn stop(&mut self) -> Result<(), ActOutcome> {
        let service = &self.request.service;
        if let Some(presence) = self.presence().filter(|it| !it.status.is_running()) {
            self.steps.push(format!("the container {} does not run", presence.name));
            return Ok(());
        }
        if let Some(stop_cmd) = &service.stop_cmd {
            return self.run("stop_cmd", stop_cmd).await;
        }
        if service.restart_cmd.is_none()
            && !self.healer.registry.shares_container(service)
            && let Some(before) = self.presence()
        {
            return self.stop_container(&before).await;
        }
        if let Some(supervised) = &service.supervised {
            return Err(failed(format!(
                "{} would start it again; give it a stop_cmd that asks {} to stop it",
                supervised.by, supervised.by
            )));
        }
        let processes = match self.behind().await {
            Some(now) if !now.is_empty() => now,
            Some(_) | None => self.request.processes.clone(),
        };
        if processes.is_empty() {
            return Err(failed(
                "there is no stop_cmd and no process of it can be seen; give it a stop_cmd",
            ));
        }
        self.end(processes).await.map_err(ActOutcome::Failed)
    }

    async fn stop_container(&mut self, before: &Presence) -> Result<(), ActOutcome> {
        let timeout = self.request.service.recovery.stop_timeout;
        let result = self.healer.engine.stop(&before.instance.id, timeout).await;
        self.settle(before, "stopping", result, |now| !now.status.is_running()).await?;
        self.steps.push(format!("stopped the container {}", before.name));
        Ok(())
    }

    /// Whether it was down and is started now.
    async fn start_container_if_down(&mut self) -> Result<bool, ActOutcome> {
        let Some(before) = self.presence().filter(|it| !it.status.is_running()) else {
            return Ok(false);
        };
        let id = &before.instance.id;
        let result = self.healer.engine.start(id).await;
        self.settle(&before, "starting", result, |now| now.status.is_running()).await?;
        self.steps.push(format!("started the container {}", before.name));
        let details = self.healer.engine.inspect(id).await;
        self.scene = Scene::Container(Box::new(details.map_err(failed)?));
        // Only now the marker can be looked at.
        gate::stop_marker(self.healer, &self.request.service, &self.scene)
            .await
            .map_err(ActOutcome::from)?;
        Ok(true)
    }

    /// A call that the engine did not answer in time is looked up, not
    /// repeated: the engine completes what it began.
    async fn settle(
        &mut self,
        before: &Presence,
        doing: &str,
        result: Result<(), EngineError>,
        wanted: impl Fn(&Presence) -> bool + Send,
    ) -> Result<(), ActOutcome> {
        let Err(error) = result else { return Ok(()) };
        let name = &before.name;
        if !matches!(error, EngineError::Gone(_)) {
            return Err(failed(format!("{doing} the container {name}: {error}")));
        }
        match self.healer.engine.inspect(&before.instance.id).await {
            Ok(now) if wanted(&now.presence) => {
                self.steps.push(format!("{doing} the container {name}: {error}; looked it up"));
                Ok(())
            }
            Ok(_) => Err(failed(format!(
                "{doing} the container {name}: {error}; it may still complete it"
            ))),
            Err(_) => Err(failed(format!("{doing} the container {name}: {error}"))),
        }
    }

    async fn run_restart_cmd(&mut self) -> Result<(), ActOutcome> {
        let Some(restart_cmd) = &self.request.service.restart_cmd else {
            return Err(failed("it has no restart_cmd"));
        };
        self.end_superseded().await?;
        self.run("restart_cmd", restart_cmd).await
    }

    /// Ends what the act before this one started: there are never two copies.
    /// Where nobody can look for it, the command runs all the same, or nothing
    /// would ever be healed there.
    async fn end_superseded(&mut self) -> Result<(), ActOutcome> {
        let Some(before) = self.request.supersedes else { return Ok(()) };
        if self.request.service.supervised.is_some() {
            return Ok(());
        }
        let end = Op::EndStarted {
            mark: self.healer.marks.of(before),
            since: self.healer.marks.began(before),
            behind: self.behind_checks(),
            grace: GRACE,
        };
        let began = clock::boot_time();
        let answer = self.healer.ask(&self.request.service.place, end, END_DEADLINE).await;
        let took = clock::boot_time().since(began);
        let why = match answer {
            Ok(Answer::Ended { ended, left }) => {
                let whose = ", which the attempt before had started,";
                return self.tell_ended(&ended, whose, &left, took).map_err(|words| {
                    failed(format!("{words}; a second copy is not started beside it"))
                });
            }
            Ok(_) => "an answer to another question".to_owned(),
            Err(why) => why,
        };
        self.steps.push(format!("could not look for what the attempt before had started: {why}"));
        Ok(())
    }

    /// Stopping what is dead already may well fail: that holds up nothing.
    async fn run_stop_cmd(&mut self) {
        if let Some(stop_cmd) = &self.request.service.stop_cmd {
            let _ = self.run("stop_cmd", stop_cmd).await;
        }
    }

    /// The outcome tells the failure of the command that the act is about; a
    /// step tells each.
    async fn run(&mut self, label: &str, command: &str) -> Result<(), ActOutcome> {
        let service = &self.request.service;
        let end = command::run(self.healer, self.request, &self.scene, label, command).await;
        let has_ended = matches!(end, CommandEnd::Succeeded(_) | CommandEnd::Failed(_));
        self.command = has_ended.then(|| command.to_owned());
        match end {
            CommandEnd::Succeeded(words) => {
                self.steps.push(words);
                Ok(())
            }
            CommandEnd::Failed(words) | CommandEnd::NotRun(words) => {
                self.steps.push(words.clone());
                Err(ActOutcome::Failed(words))
            }
            CommandEnd::Overdue(words) => {
                self.steps.push(words);
                Err(ActOutcome::CommandOverdue(service.recovery.command_timeout))
            }
        }
    }

    /// Ends `processes` where they still are behind the service.
    async fn end(&mut self, processes: Vec<ProcId>) -> Result<(), String> {
        if processes.is_empty() {
            return Ok(());
        }
        let names = list(&processes);
        let end = Op::End { processes, behind: self.behind_checks(), grace: GRACE };
        let began = clock::boot_time();
        let answer = self.healer.ask(&self.request.service.place, end, END_DEADLINE).await;
        let took = clock::boot_time().since(began);
        let why = match answer {
            Ok(Answer::Ended { ended, left }) => return self.tell_ended(&ended, "", &left, took),
            Ok(_) => "an answer to another question".to_owned(),
            Err(why) => why,
        };
        let words = format!("could not end {names}: {why}");
        self.steps.push(words.clone());
        Err(words)
    }

    fn tell_ended(
        &mut self,
        ended: &[ProcId],
        whose: &str,
        left: &[(ProcId, String)],
        took: Duration,
    ) -> Result<(), String> {
        if !ended.is_empty() {
            let how = if took < GRACE {
                format!("by TERM in {}", words::duration(took))
            } else {
                format!("by KILL after {}", words::duration(GRACE))
            };
            self.steps.push(format!("ended {}{whose} {how}", list(ended)));
        }
        if left.is_empty() {
            return Ok(());
        }
        let left: Vec<String> =
            left.iter().map(|(process, why)| format!("{process}: {why}")).collect();
        let words = format!("could not end {}", left.join(", "));
        self.steps.push(words.clone());
        Err(words)
    }

    /// Tells with a failure who may be behind it, as one step.
    fn add_to(&mut self, failure: String, who: &str) -> String {
        self.steps.retain(|step| *step != failure);
        let words = format!("{failure}; {who}");
        self.steps.push(words.clone());
        words
    }

    async fn behind(&self) -> Option<Vec<ProcId>> {
        let behind = Op::Behind(self.behind_checks());
        let place = &self.request.service.place;
        match self.healer.ask(place, behind, BEHIND_DEADLINE).await {
            Ok(Answer::Processes(processes)) => Some(processes),
            Ok(_) | Err(_) => None,
        }
    }

    /// The checks that processes of the service can be seen behind.
    fn behind_checks(&self) -> Vec<CheckKind> {
        let service = &self.request.service;
        let seen_from = match service.place {
            Place::Local => Vantage::Here,
            Place::Container(_) => Vantage::Inside,
        };
        service
            .checks
            .iter()
            .map(|check| &check.kind)
            .filter(|kind| match kind {
                CheckKind::Process(_) | CheckKind::Http(_) | CheckKind::Tcp(_) => {
                    kind.vantage(&service.place) == seen_from
                }
                CheckKind::Custom(_) | CheckKind::Docker | CheckKind::Disk(_) => false,
            })
            .cloned()
            .collect()
    }

    fn presence(&self) -> Option<Presence> {
        match &self.scene {
            Scene::Local => None,
            Scene::Container(details) => Some(details.presence.clone()),
        }
    }

    async fn instance_now(&self) -> Option<Instance> {
        let Scene::Container(details) = &self.scene else {
            return self.request.instance.clone();
        };
        let id = &details.presence.instance.id;
        let now: Option<Details> = self.healer.engine.inspect(id).await.ok();
        now.map(|details| details.presence)
            .filter(|presence| presence.status.is_running())
            .map(|presence| presence.instance)
    }
}

fn failed(words: impl ToString) -> ActOutcome {
    ActOutcome::Failed(words.to_string())
}
