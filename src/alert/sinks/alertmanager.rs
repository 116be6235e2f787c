use super::incident::{Step, description, outgrown, rfc3339, summary};
use super::{SendError, WholeTransport, http};
use crate::alert::message::Message;
use crate::clock;
use crate::config::{Alertmanager as Config, Auth};
use async_trait::async_trait;
use reqwest::Client;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use vai_core::model::{IncidentPhase, Notice, Severity, Wall};

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
impl WholeTransport for Alertmanager {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let now = clock::wall();
        let labels = &self.config.labels;
        let alerts = message.notices.iter().flat_map(|notice| alerts(notice, labels, now));
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
    /// The alert's identity. What becomes worse is another alert: Alertmanager
    /// routes by the severity, and tells nobody of a change in an annotation.
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
}

/// The alert of the incident's severity, and the end of the one that it may
/// have had before.
fn alerts<'a>(
    notice: &'a Notice,
    more: &'a BTreeMap<String, String>,
    now: Wall,
) -> impl Iterator<Item = Alert<'a>> {
    let own = alert(notice, more, notice.incident.severity, ends(notice, now));
    let over = match notice.incident.phase {
        IncidentPhase::Closed { at, .. } => at,
        IncidentPhase::Open => now,
    };
    let outgrown = outgrown(notice).map(|severity| alert(notice, more, severity, over));
    [own].into_iter().chain(outgrown)
}

fn alert<'a>(
    notice: &'a Notice,
    more: &'a BTreeMap<String, String>,
    severity: Severity,
    ends: Wall,
) -> Alert<'a> {
    let incident = &notice.incident;
    let ours = [
        ("alertname", "VaiIncident"),
        ("incident", &incident.id.0),
        ("service", &incident.root),
        ("severity", severity.label()),
    ];
    let more = more.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let annotations = [
        ("summary", summary(notice)),
        ("description", description(notice)),
        ("state", incident.state.label().to_owned()),
        ("container", incident.place.clone()),
    ];
    Alert {
        // An empty label is the same as none.
        labels: more.chain(ours).filter(|(_, value)| !value.is_empty()).collect(),
        annotations: annotations.into(),
        starts_at: rfc3339(incident.since),
        // Alertmanager refuses an end before the start.
        ends_at: rfc3339(ends.max(incident.since)),
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

    /// Severity and end of each alert that is sent for `notice`.
    fn shown(notice: &Notice) -> Vec<(String, String)> {
        let none = BTreeMap::new();
        let alerts = alerts(notice, &none, NOW);
        alerts
            .map(|alert| {
                assert_eq!(alert.labels["incident"], notice.incident.id.0);
                (alert.labels["severity"].to_owned(), alert.ends_at)
            })
            .collect()
    }

    fn expected(alerts: &[(&str, &str)]) -> Vec<(String, String)> {
        alerts.iter().map(|(severity, end)| ((*severity).into(), (*end).into())).collect()
    }

    const A_YEAR: &str = "1971-01-02T00:02:00Z";

    #[test]
    fn an_alert_lasts_until_the_incident_is_over_or_becomes_worse() {
        let opened = shown(&notice("redis", Opened, Warning));
        assert_eq!(opened, expected(&[("warning", A_YEAR)]));
        let worse = shown(&notice("redis", Escalated, Critical));
        let now = "1970-01-01T00:02:00Z";
        assert_eq!(worse, expected(&[("critical", A_YEAR), ("warning", now)]));
        let over = shown(&notice("redis", Resolved, Critical));
        let then = "1970-01-01T00:01:00Z";
        assert_eq!(over, expected(&[("critical", then), ("warning", then)]));
    }

    #[test]
    fn what_is_over_before_it_was_told_is_shown_for_a_while() {
        let info = shown(&notice("host", Info, Warning));
        assert_eq!(info, expected(&[("warning", "1970-01-01T00:07:00Z")]));
    }

    #[test]
    fn an_end_before_the_start_is_not_sent() {
        let mut notice = notice("redis", Resolved, Critical);
        notice.incident.since = Wall::from_millis(90_000);
        assert_eq!(shown(&notice)[0].1, "1970-01-01T00:01:30Z");
    }
}
