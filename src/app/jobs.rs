//! Jobs, as the loop sees them: their schedules by the wall clock, their runs
//! beside it.

use super::keep::STORED_WITHIN;
use super::turn::Turn;
use crate::clock;
use crate::config::Config;
use crate::job::{self, Runner};
use crate::show::{self, Answer};
use crate::store::Written;
use async_trait::async_trait;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use vai_core::model::{
    Event, HowEnded, JobRequest, OperatorError, RunEnd, RunReport, RunRequest, Time, TryId,
};

impl Turn {
    /// Hands over the scheduled instants that have come, at every beat as well:
    /// a clock that was set is noticed, too.
    pub(super) fn keep_schedules(&mut self) {
        let scheduled = self.due.changed(clock::wall());
        if !scheduled.is_empty() {
            self.step(Event::Scheduled(scheduled));
        }
    }

    /// The schedules of the registry in force. Of a job that is new to this run
    /// of `vai`, what came while it was down is due.
    pub(super) fn follow_schedules(&mut self, config: &Config) {
        let core = &self.core;
        self.due.replace(&config.schedules, |name| core.scheduled_until(name));
    }

    /// When the next instant comes, if nobody sets the clock.
    pub(super) fn next_instant(&self) -> Option<Time> {
        let now = clock::now();
        self.due.next().map(|at| now.mono + at.since(now.wall))
    }

    /// Runs a job once the intent to, part of `written`, is stored.
    pub(super) fn run_job(&mut self, request: RunRequest, written: Written) {
        let id = request.try_id();
        let request = Arc::new(request);
        self.trying.insert(id, Arc::clone(&request));
        let (runner, events) = (Arc::clone(&self.runner), self.events.clone());
        self.runs.spawn(async move {
            let end = match written.wait(STORED_WITHIN).await {
                Ok(()) => {
                    let (begin, begun) = oneshot::channel();
                    let running = runner.run(&request, |instance| {
                        // Nobody waits for it after the end.
                        let _ = begin.send(instance);
                    });
                    let telling = async {
                        if let Ok(instance) = begun.await {
                            let report = RunReport::Began(instance);
                            let _ = events.send(Event::Ran { id, report }).await;
                        }
                    };
                    let running = AssertUnwindSafe(running).catch_unwind();
                    let (end, ()) = tokio::join!(running, telling);
                    end.unwrap_or_else(|_| {
                        not_begun(HowEnded::Lost("vai itself broke; please report it".into()))
                    })
                }
                Err(why) => {
                    not_begun(HowEnded::NotBegun(format!("the intent could not be stored: {why}")))
                }
            };
            // The loop is gone only when vai stops.
            let _ = events.send(Event::Ran { id, report: RunReport::Ended(end) }).await;
        });
    }

    /// Ends a try for a newer run of its job.
    pub(super) fn end_run(&mut self, id: TryId) {
        let runner = Arc::clone(&self.runner);
        self.looks.spawn(async move { runner.end(id).await });
    }

    /// A try is over: what its place keeps of it is removed once `written` has
    /// it. Until then a next `vai` could still find it.
    pub(super) fn try_over(&mut self, id: TryId, written: Written) {
        let Some(request) = self.trying.remove(&id) else { return };
        let runner = Arc::clone(&self.runner);
        self.looks.spawn(async move {
            if written.wait(STORED_WITHIN).await.is_ok() {
                runner.forget(&request).await;
            }
        });
    }

    /// Does what an operator asks of a job.
    pub(super) fn ask_job(&mut self, request: JobRequest) -> Result<Answer, OperatorError> {
        let said = self.core.answer_about_job(clock::now(), &request)?;
        let is_run = matches!(request, JobRequest::Run(_));
        self.step(Event::Job(request));
        Ok(if is_run {
            Answer::Begun { run: self.core.last_run(), said }
        } else {
            Answer::Said(said)
        })
    }
}

fn not_begun(how: HowEnded) -> RunEnd {
    RunEnd { how, took: Duration::ZERO, bytes: 0, tail: String::new(), notes: Vec::new() }
}

/// What runs write, for whoever watches one.
pub(super) struct RunOutputs(pub(super) Arc<Runner>);

#[async_trait]
impl show::Outputs for RunOutputs {
    async fn read(&self, id: TryId, from: u64) -> show::Piece {
        let nothing = job::Piece { next: from, ..job::Piece::default() };
        let job::Piece { text, lost, next, .. } = self.0.output(id, from).await.unwrap_or(nothing);
        show::Piece { text, lost, next }
    }
}
