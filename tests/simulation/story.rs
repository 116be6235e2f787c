//! The last lines of what happened, for whoever has to understand a failure.

use crate::plan::Ms;
use std::collections::VecDeque;
use vai_core::judge::{Change, Delta};
use vai_core::model::{ContainerChange, ContainerView, Event};

/// Kept only where somebody will read it.
#[derive(Debug, Default)]
pub(crate) struct Story {
    lines: VecDeque<String>,
    most: usize,
}

impl Story {
    /// Keeps the last `most` lines.
    pub(crate) fn of(most: usize) -> Self {
        Self { lines: VecDeque::new(), most }
    }

    pub(crate) fn tell(&mut self, now: Ms, words: impl FnOnce() -> String) {
        if self.most == 0 {
            return;
        }
        if self.lines.len() >= self.most {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>10.3} {}", now as f64 / 1000.0, words()));
    }

    pub(crate) fn event(&mut self, now: Ms, event: &Event) {
        match event {
            Event::Wake => {}
            Event::Checked { ticket, report } => self.tell(now, || {
                let outcome = &report.outcome;
                format!("{}/{} #{}: {outcome:?}", ticket.service, ticket.check, ticket.number)
            }),
            Event::Configured(_) => self.tell(now, || "a new registry".into()),
            Event::Container { key, change: ContainerChange::Seen(view) } => self.tell(now, || {
                let what = match view {
                    ContainerView::Present(it) => {
                        format!("{} {:?}", it.instance.started_at, it.status)
                    }
                    other => format!("{other:?}"),
                };
                format!("{key}: seen {what}")
            }),
            other => self.tell(now, || format!("{other:?}")),
        }
    }

    pub(crate) fn delta(&mut self, now: Ms, delta: &Delta) {
        for change in &delta.changes {
            match change {
                Change::Transition(it) => self.tell(now, || {
                    let (from, to) = (it.from.label(), it.to.label());
                    format!("  {}: {from} → {to}: {}", it.service, it.reason)
                }),
                Change::Incident(it) => self
                    .tell(now, || format!("  incident {}: {:?} {:?}", it.id.0, it.phase, it.state)),
                Change::Run(it) => self.tell(now, || {
                    let (outcome, scheduled) = (it.outcome.label(), it.scheduled);
                    format!(
                        "  run {} of {}: {outcome}: {} {scheduled:?}",
                        it.id.0, it.job, it.reason
                    )
                }),
                _ => {}
            }
        }
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &String> {
        self.lines.iter()
    }
}
