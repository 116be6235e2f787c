//! What reached a sink that says what it is told: nothing is lost, and what comes twice does so for a
//! crash in between.

use super::state::Kept;
use crate::lab::HttpCatcher;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vai_core::model::{IncidentId, Notice};

/// What is told of an incident once; reminders and the like come again.
const ONCE: [&str; 3] = ["opened", "resolved", "info"];

/// A webhook beside the mails, which says what is told of which incident.
pub(super) struct Deliveries {
    webhook: HttpCatcher,
    /// By run of vai: how many requests had come when it began.
    began: Vec<usize>,
    /// What was on its way when vai was killed.
    owed: Vec<Notice>,
    /// How often something was.
    amid_a_delivery: usize,
}

/// What came.
pub(super) struct Counts {
    pub(super) came: usize,
    /// By run of vai: how many requests had something in them that had come
    /// before.
    again: Vec<usize>,
    /// How many runs ended while something was on its way.
    pub(super) amid_a_delivery: usize,
}

impl Counts {
    /// How many requests had something in them that had come before.
    pub(super) fn again(&self) -> usize {
        self.again.iter().sum()
    }
}

impl Deliveries {
    pub(super) fn new() -> Self {
        let webhook = HttpCatcher::start("204 No Content", "");
        Self { webhook, began: Vec::new(), owed: Vec::new(), amid_a_delivery: 0 }
    }

    /// The sink of the registry that leads here.
    pub(super) fn sink(&self) -> Value {
        json!({ "type": "webhook", "url": self.webhook.url("/") })
    }

    /// A run of vai begins.
    pub(super) fn begin(&mut self) {
        self.began.push(self.webhook.requests().len());
    }

    /// A run of vai was killed and left this.
    pub(super) fn owe(&mut self, kept: &Kept) {
        self.owed.extend(kept.messages.iter().cloned());
        self.amid_a_delivery += usize::from(!kept.messages.is_empty());
    }

    /// Counts what came so far.
    pub(super) fn count(&self) -> Counts {
        let (mut known, mut again) = (BTreeSet::new(), vec![0; self.began.len()]);
        let requests = self.requests();
        for (at, request) in requests.iter().enumerate() {
            let once = request.iter().filter(|news| ONCE.contains(&news.event.as_str()));
            let repeats = once.filter(|news| !known.insert((&news.incident, &news.event))).count();
            let run = self.began.partition_point(|began| *began <= at) - 1;
            again[run] += usize::from(repeats > 0);
        }
        Counts { came: requests.len(), again, amid_a_delivery: self.amid_a_delivery }
    }

    /// Holds everything that came against what was to come.
    pub(super) fn judge(&self) {
        let requests = self.requests();
        for notice in &self.owed {
            let told = |news: &News| news.tells(notice);
            assert!(requests.iter().flatten().any(told), "it was lost: {notice:?}");
        }
        let again = self.count().again;
        assert_eq!(again[0], 0, "sent twice without a crash before");
        assert!(again.iter().all(|again| *again <= 1), "twice after one crash: {again:?}");
    }

    fn requests(&self) -> Vec<Vec<News>> {
        self.webhook.requests().iter().map(|request| read(request)).collect()
    }
}

/// What one request says of one incident.
struct News {
    incident: IncidentId,
    event: String,
    over: bool,
    critical: bool,
}

impl News {
    /// Whether it says what `notice` does, or what became of it.
    fn tells(&self, notice: &Notice) -> bool {
        let incident = &notice.incident;
        let as_bad = self.critical || incident.severity.label() != "critical";
        self.incident == incident.id && (self.over || (!incident.is_over() && as_bad))
    }
}

fn read(request: &str) -> Vec<News> {
    let (_, body) = request.split_once("\r\n\r\n").expect("a head ends");
    let body: Value = serde_json::from_str(body).expect("a webhook is sent JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let news = |entry: &Value| News {
        incident: IncidentId(text(&entry["id"])),
        event: text(&entry["event"]),
        over: entry["status"] == "closed",
        critical: entry["severity"] == "critical",
    };
    body["incidents"].as_array().expect("incidents").iter().map(news).collect()
}
