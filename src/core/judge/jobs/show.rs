use super::JobMachine;
use super::memory::{OpenRun, Stage};
use crate::model::{Duty, JobState, JobView, RunningView};

impl JobMachine {
    /// How it stands; `incident` is the open one about it.
    pub(super) fn view(&self, incident: Option<String>) -> JobView {
        let (state, reason) = self.state();
        JobView {
            name: self.job.name.clone(),
            container: self.container().map_or_else(String::new, ToString::to_string),
            schedule: self.job.schedule.clone(),
            state,
            reason,
            next: self.next.filter(|_| self.is_scheduled()),
            running: self.kept.open.iter().map(running).collect(),
            last: self.kept.last.clone(),
            usually: self.kept.usually(),
            incident,
        }
    }

    fn state(&self) -> (JobState, String) {
        match self.job.duty {
            Duty::Documentation => (JobState::Documentation, "it names no container".to_owned()),
            Duty::Disabled => (JobState::Disabled, String::new()),
            Duty::Scheduled => match self.held() {
                Some(held) => (JobState::Held, held),
                None if self.kept.paused.is_some() => {
                    (JobState::Paused, "paused by an operator".to_owned())
                }
                None => (JobState::Scheduled, self.window.clone().unwrap_or_default()),
            },
        }
    }
}

fn running(run: &OpenRun) -> RunningView {
    RunningView {
        id: run.id,
        since: run.began.unwrap_or(run.decided.wall),
        attempt: run.attempt,
        waits: !matches!(run.stage, Stage::Running(_)),
    }
}
