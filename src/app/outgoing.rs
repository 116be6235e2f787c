//! Messages on their way out: each is stored before it leaves, and shows the end
//! of the log as it is then.

use super::keep::STORED_WITHIN;
use super::turn::Turn;
use crate::clock;
use crate::store::Written;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinError;
use vai_core::model::{
    Evidence, EvidenceDetail, MessageId, Notice, NoticeKind, Service, ServiceName, Subject, Time,
};

/// Messages that may not leave yet, in the order in which they were decided.
#[derive(Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    written: Written,
    until: Time,
    id: MessageId,
    notice: Notice,
    /// Evidence is being gathered for it.
    gathers: bool,
}

impl Outgoing {
    /// Holds a message back until it is stored, and until its evidence is
    /// there where that is gathered. One that cannot be stored goes out as
    /// well: it must not be lost with the disk.
    fn hold(&mut self, written: Written, id: MessageId, notice: Notice, gathers: bool) {
        let until = clock::boot_time() + STORED_WITHIN;
        self.waiting.push_back(Waiting { written, until, id, notice, gathers });
    }

    /// Adds what was gathered to the message that it was gathered for.
    fn add_evidence(&mut self, id: MessageId, evidence: Evidence) {
        if let Some(waiting) = self.waiting.iter_mut().find(|it| it.id == id) {
            waiting.gathers = false;
            let told = std::mem::take(&mut waiting.notice.incident.evidence);
            waiting.notice.incident.evidence = renewed(told, evidence);
        }
    }

    /// Waits for no more evidence: `vai` stops.
    pub(super) fn stop_gathering(&mut self) {
        for waiting in &mut self.waiting {
            waiting.gathers = false;
        }
    }

    /// When a message has waited long enough.
    pub(super) fn next_wake(&self) -> Option<Time> {
        self.waiting.front().map(|waiting| waiting.until)
    }

    /// The next message that may go out. None overtakes another.
    pub(super) fn release(&mut self) -> Option<(MessageId, Notice)> {
        let ready = |it: &mut Waiting| {
            (it.written.is_settled() && !it.gathers) || clock::boot_time() >= it.until
        };
        self.waiting.pop_front_if(ready).map(|it| (it.id, it.notice))
    }
}

impl Turn {
    /// Takes a message on its way, with what is known about its service now.
    pub(super) fn tell(&mut self, written: Written, id: MessageId, notice: Notice) {
        let service = self.service_with_evidence(&notice);
        self.outgoing.hold(written, id, notice, service.is_some());
        if let Some(service) = service {
            let healer = Arc::clone(&self.healer);
            self.evidence.spawn(async move { (id, healer.gather_evidence(&service).await) });
        }
    }

    /// A message whose evidence could not be gathered leaves when it has waited
    /// long enough.
    pub(super) fn gathered(&mut self, gathered: Result<(MessageId, Evidence), JoinError>) {
        if let Ok((id, evidence)) = gathered {
            self.outgoing.add_evidence(id, evidence);
            self.follow_store();
        }
    }

    fn service_with_evidence(&self, notice: &Notice) -> Option<Arc<Service>> {
        let incident = &notice.incident;
        let is_news = !matches!(notice.kind, NoticeKind::Resolved | NoticeKind::Info);
        if !is_news || incident.is_over() || notice.detail == EvidenceDetail::None {
            return None;
        }
        let name = match incident.subject {
            Subject::Service => ServiceName::from(incident.root.as_str()),
            Subject::Container => incident.affected.first()?.name.clone(),
            Subject::Engine
            | Subject::Store
            | Subject::Vai
            | Subject::Network
            | Subject::Host
            | Subject::Registry
            | Subject::Sink
            | Subject::Job => return None,
        };
        self.registry.current().services.get(&name).cloned()
    }
}

/// What was known before an act is told as it was then; the log goes on.
fn renewed(told: Evidence, now: Evidence) -> Evidence {
    let facts = if told.facts.is_empty() { now.facts } else { told.facts };
    let (log_source, log) = match now.log.as_slice() {
        [] => (told.log_source, told.log),
        [..] => (now.log_source, now.log),
    };
    Evidence { facts, log_source, log }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fixture::incident;
    use crate::store::{Opened, Store};
    use vai_core::judge::Delta;
    use vai_core::model::{Incident, Notify, Wall};

    fn evidence(facts: &[&str], log: &[&str]) -> Evidence {
        let owned = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
        Evidence { facts: owned(facts), log_source: "/var/log/api.log".into(), log: owned(log) }
    }

    fn notice(evidence: Evidence) -> Notice {
        Notice {
            incident: Incident { evidence, ..incident("api") },
            kind: NoticeKind::Opened,
            notify: Notify::Default,
            detail: EvidenceDetail::Full,
            at: Wall::default(),
            decided: None,
        }
    }

    fn stored(dir: &std::path::Path) -> Written {
        let (mut store, ..) = Store::start(Opened::open(dir).unwrap()).unwrap();
        store.apply(clock::now(), Delta::default())
    }

    #[test]
    fn a_message_waits_for_its_evidence_and_none_overtakes_it() {
        let dir = tempfile::tempdir().unwrap();
        let written = stored(dir.path());
        let mut outgoing = Outgoing::default();
        let before = evidence(&["memory: 1 GiB free"], &["started"]);
        outgoing.hold(written.clone(), MessageId(1), notice(before), true);
        outgoing.hold(written, MessageId(2), notice(Evidence::default()), false);
        assert_eq!(outgoing.release(), None);
        let now = evidence(&["memory: 2 GiB free"], &["started", "no such file"]);
        outgoing.add_evidence(MessageId(1), now);
        let (id, first) = outgoing.release().unwrap();
        assert_eq!(id, MessageId(1));
        let told = evidence(&["memory: 1 GiB free"], &["started", "no such file"]);
        assert_eq!(first.incident.evidence, told);
        assert_eq!(outgoing.release().unwrap().0, MessageId(2));
    }

    #[test]
    fn a_stop_waits_for_no_evidence() {
        let dir = tempfile::tempdir().unwrap();
        let mut outgoing = Outgoing::default();
        let before = evidence(&[], &["started"]);
        outgoing.hold(stored(dir.path()), MessageId(1), notice(before.clone()), true);
        outgoing.stop_gathering();
        assert_eq!(outgoing.release().unwrap().1.incident.evidence, before);
    }

    #[test]
    fn what_cannot_be_had_any_more_leaves_what_is_known() {
        let before = evidence(&["memory: 1 GiB free"], &["started"]);
        assert_eq!(renewed(before.clone(), Evidence::default()), before);
        let now = evidence(&["memory: 2 GiB free"], &["no such file"]);
        assert_eq!(renewed(Evidence::default(), now.clone()), now);
    }
}
