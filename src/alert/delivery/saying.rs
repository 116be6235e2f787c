//! What the log says of messages: where they went, where not, and why.

use super::Delivery;
use super::standing::{Failure, Outcome};
use std::collections::BTreeSet;
use tracing::{debug, error, info, warn};
use vai_core::dispatch::{FallenBack, GivenUp, Refusal, SinkId};

impl Delivery {
    pub(super) fn say_outcome(&self, sink: SinkId, outcome: &Outcome, is_new: bool, failures: u32) {
        let name = self.whom(sink, &outcome.recipients);
        let title = self.title(&outcome.notices).unwrap_or_default();
        let Err(Failure { refusal, reason }) = &outcome.result else {
            match failures {
                0 => info!("sent to {name}: {title}"),
                failures => info!("sent to {name} after {failures} failed tries: {title}"),
            }
            return;
        };
        match refusal {
            Refusal::Final => error!("not sent to {name}, {reason}: {title}"),
            // The same fault is said once; how it ended is said in any case.
            Refusal::Passing(_) | Refusal::Unknown(_) if !is_new => {
                debug!("still not sent to {name}, {reason}: {title}");
            }
            Refusal::Passing(_) => {
                warn!("not sent to {name} yet, will be tried again: {reason}: {title}");
            }
            Refusal::Unknown(rest) => {
                let rest = vai_core::words::duration(*rest);
                warn!(
                    "it may have reached {name}, will be tried again in {rest}: {reason}: {title}"
                );
            }
        }
    }

    pub(super) fn say_what_is_given_up(&self, given_up: &GivenUp) {
        let GivenUp { sink, recipient, notices } = given_up;
        let recipients: Vec<String> =
            Some(recipient.clone()).filter(|name| !name.is_empty()).into_iter().collect();
        let reason = self.standings.last_error(*sink, &recipients).unwrap_or_default();
        if let Some(title) = self.title(notices) {
            let name = self.whom(*sink, &recipients);
            error!("given up after 24 h, never sent to {name}: {reason}: {title}");
        }
    }

    pub(super) fn say_who_is_told_instead(&self, fallen_back: &FallenBack) {
        let FallenBack { sink, notice, told_to, known_to } = fallen_back;
        let name = self.name(*sink);
        let names = |sinks: &[SinkId]| {
            sinks.iter().map(|sink| self.name(*sink)).collect::<Vec<_>>().join(", ")
        };
        let title = self.title(std::slice::from_ref(notice)).unwrap_or_default();
        match (told_to.as_slice(), known_to.as_slice()) {
            ([], []) => {
                warn!("{name} did not take it, and no fallback channel has anybody else: {title}");
            }
            ([], known) => {
                info!("{name} did not take it, {} has it already: {title}", names(known))
            }
            (told, _) => warn!("{} is told instead of {name}: {title}", names(told)),
        }
    }

    /// Says what is new since it was last said.
    pub(super) fn say_what_is_not_used(&mut self) {
        let routes = self.dispatch.routes();
        let mut sayings: BTreeSet<String> = routes
            .iter()
            .filter_map(|route| {
                let why = route.sink.held.as_ref()?;
                Some(format!("{} is not used: {why}", route.sink.name))
            })
            .collect();
        if self.transports.is_empty() {
            let which = if routes.is_empty() { "is configured" } else { "can be used" };
            sayings
                .insert(format!("no notification channel {which}: messages go to this log only"));
        }
        for news in sayings.difference(&self.said) {
            warn!("{news}");
        }
        self.said = sayings;
    }
}
