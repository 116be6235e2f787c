//! What an operator asks of a job.

use super::JobMachine;
use crate::judge::{Core, Out};
use crate::model::{Duty, JobRequest, Now, OperatorError, Overlap, RunId};
use crate::words;

impl Core {
    /// What a request about a job will come to, or why it is refused. It is
    /// carried out by handing in [`Event::Job`](crate::model::Event::Job).
    ///
    /// # Errors
    /// An unknown job, one that somebody else runs, or one that may not run
    /// now.
    pub fn answer_about_job(
        &self,
        now: Now,
        request: &JobRequest,
    ) -> Result<String, OperatorError> {
        let name = request.job();
        let known = self.jobs.get(name).filter(|machine| machine.kept.gone.is_none());
        let Some(machine) = known else {
            return Err(OperatorError(format!("there is no job {name} in the registry")));
        };
        if machine.job.duty == Duty::Documentation {
            return Err(OperatorError(format!(
                "{name} is documentation: it names no container, so vai does not run it"
            )));
        }
        match request {
            JobRequest::Run(_) => match self.why_not_by_hand(machine, now) {
                Some(why) => Err(OperatorError(why)),
                None => Ok(format!("{name} is being run")),
            },
            JobRequest::Pause(_) if machine.kept.paused.is_some() => {
                Ok(format!("{name} is paused already"))
            }
            JobRequest::Pause(_) => {
                Ok(format!("{name} is paused: it is not run until `vai jobs resume {name}`"))
            }
            JobRequest::Resume(_) if machine.kept.paused.is_none() => {
                Ok(format!("{name} is not paused"))
            }
            JobRequest::Resume(_) => Ok(match machine.held() {
                None => format!("{name} is run by its schedule again"),
                Some(held) => format!("{name} is not paused any more, but held: {held}"),
            }),
        }
    }

    fn why_not_by_hand(&self, machine: &JobMachine, now: Now) -> Option<String> {
        let name = &machine.job.name;
        if self.stopping {
            return Some("vai is stopping".to_owned());
        }
        if let Some(why) = self.job_never(now) {
            return Some(format!("{name} is not run: {why}"));
        }
        if let Some(why) = &machine.job.held {
            return Some(format!("{name} is held: {why}"));
        }
        let running = machine.kept.open.iter().find_map(|run| run.under_way());
        let running = running.filter(|_| machine.job.overlap == Overlap::Forbid)?;
        let since = words::duration(now.mono.since(running.since.mono));
        Some(format!("{name} is under way already, for {since}"))
    }

    pub(in crate::judge) fn ask_job(&mut self, now: Now, request: &JobRequest, out: &mut Out) {
        if self.answer_about_job(now, request).is_err() {
            return;
        }
        match request {
            JobRequest::Run(name) => self.decide_run(now, name, None, out),
            JobRequest::Pause(name) => {
                if let Some(machine) = self.jobs.get_mut(name) {
                    machine.kept.paused.get_or_insert(now);
                }
            }
            JobRequest::Resume(name) => {
                if let Some(machine) = self.jobs.get_mut(name) {
                    machine.kept.paused = None;
                }
            }
        }
    }

    /// The run that was decided last.
    #[must_use]
    pub fn last_run(&self) -> RunId {
        RunId(self.host.next_run)
    }
}
