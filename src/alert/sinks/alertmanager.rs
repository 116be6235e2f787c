use super::incident::{Step, description, rfc3339, summary};
use super::{SendError, Transport, http};
use crate::alert::message::Message;
use crate::clock;
use crate::config::{Alertmanager as Config, Auth};
use async_trait::async_trait;
use reqwest::Client;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use vai_core::model::{IncidentPhase, Notice, Wall};

/// An alert that has not ended ends by then. Alertmanager tells the end of
/// whatever is not repeated every few minutes, and an end that is not true is
/// worse than an alert that stays when vai itself is gone for good.
const OPEN_FOR: Duration = Duration::from_secs(366 * 24 * 3600);
/// What is over before it was told is shown for so long, since Alertmanager
/// tells nobody of an alert that has ended when it comes.
const SHOWN_FOR: Duration = Duration::from_secs(300);

/// A Prometheus Alertmanager: an alert for each incident, all of a message in
/// one request.
pub(super) struct Alertmanager {
    http: Client,
    url: String,
    config: Config,
}

impl Alertmanager {
    pub(super) fn new(http: &Client, config: &Config) -> Self {
        Self {
            http: http.clone(),
            url: format!("{}/api/v2/alerts", config.server),
            config: config.clone(),
        }
    }
}

#[async_trait]
impl Transport for Alertmanager {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let now = clock::wall();
        let alerts = message.notices.iter().map(|notice| alert(notice, &self.config.labels, now));
        let request = self.http.post(&self.url).json(&alerts.collect::<Vec<_>>());
        let request = match &self.config.auth {
            Some(Auth::Token(token)) => request.bearer_auth(token.expose()),
            Some(Auth::Password { username, password }) => {
                request.basic_auth(username, Some(password.expose()))
            }
            None => request,
        };
        http::send(request).await
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    /// The alert's identity: nothing in it changes while the incident lasts.
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
}

fn alert<'a>(notice: &'a Notice, more: &'a BTreeMap<String, String>, now: Wall) -> Alert<'a> {
    let incident = &notice.incident;
    let ours = [
        ("alertname", "VaiIncident"),
        ("incident", &incident.id.0),
        ("service", &incident.root),
        ("container", &incident.place),
    ];
    let more = more.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let annotations = [
        ("summary", summary(notice)),
        ("description", description(notice)),
        ("severity", incident.severity.label().to_owned()),
        ("state", incident.state.label().to_owned()),
    ];
    Alert {
        // An empty label is the same as none.
        labels: more.chain(ours).filter(|(_, value)| !value.is_empty()).collect(),
        annotations: annotations.into(),
        starts_at: rfc3339(incident.since),
        // Alertmanager refuses an end before the start.
        ends_at: rfc3339(ends(notice, now).max(incident.since)),
    }
}

fn ends(notice: &Notice, now: Wall) -> Wall {
    match (Step::of(notice), &notice.incident.phase) {
        (Step::Close, IncidentPhase::Closed { at, .. }) => *at,
        (Step::OpenAndClose, _) => later(now, SHOWN_FOR),
        (Step::Open | Step::Close, _) => later(now, OPEN_FOR),
    }
}

fn later(wall: Wall, by: Duration) -> Wall {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Wall::from_millis(wall.as_millis().saturating_add(by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::notice;
    use vai_core::model::NoticeKind::{Escalated, Info, Opened, Resolved};
    use vai_core::model::Severity::{Critical, Warning};

    const NOW: Wall = Wall::from_millis(120_000);

    fn shown(notice: &Notice) -> (BTreeMap<String, String>, String) {
        let none = BTreeMap::new();
        let alert = alert(notice, &none, NOW);
        let labels = alert.labels.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        (labels.collect(), alert.ends_at)
    }

    #[test]
    fn an_incident_is_the_same_alert_over_its_whole_life() {
        let (labels, ends) = shown(&notice("redis", Opened, Warning));
        assert!(ends.starts_with("1971-01-02"), "{ends}");
        assert_eq!(labels["incident"], "redis");
        for later in [notice("redis", Escalated, Critical), notice("redis", Resolved, Critical)] {
            assert_eq!(shown(&later).0, labels);
        }
        assert_eq!(shown(&notice("redis", Resolved, Critical)).1, "1970-01-01T00:01:00Z");
    }

    #[test]
    fn what_is_over_before_it_was_told_is_shown_for_a_while() {
        assert_eq!(shown(&notice("host", Info, Warning)).1, "1970-01-01T00:07:00Z");
    }

    #[test]
    fn an_end_before_the_start_is_not_sent() {
        let mut notice = notice("redis", Resolved, Critical);
        notice.incident.since = Wall::from_millis(90_000);
        assert_eq!(shown(&notice).1, "1970-01-01T00:01:30Z");
    }
}
