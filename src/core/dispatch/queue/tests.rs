use super::super::answer::Refusal;
use super::*;
use crate::dispatch::tests::notice;
use crate::model::IncidentPhase;
use crate::model::{MessageId, Severity};
use NoticeKind::{Escalated, Opened, Resolved};
use Severity::{Critical, Warning};

const REMINDER: NoticeKind = NoticeKind::Reminder(Duration::from_secs(14_400));

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1000)
}

fn queue() -> Queue {
    Queue::new(timing(true))
}

fn timing(send_resolved: bool) -> Timing {
    Timing {
        group_wait: Duration::from_secs(10),
        group_interval: Duration::from_secs(300),
        send_resolved,
    }
}

impl Queue {
    /// Takes what may be sent, as the only message in flight.
    fn take_all(&mut self) -> Vec<Notice> {
        self.take(1, self.next_due().unwrap_or_default())
    }

    fn delivered(&mut self, key: &str, now: Time) {
        self.answered(1, key, |_| Ok(()), now);
    }

    /// Returns what is given up then.
    fn failed(&mut self, now: Time, asked: Option<Duration>) -> Vec<Notice> {
        self.answered(1, "", |_| Err(Refusal::Passing(asked)), now);
        self.expire(now)
    }

    fn rejected(&mut self) {
        self.answered(1, "", |_| Err(Refusal::Final), Time::default());
    }
}

/// What a batch tells: name and kind, and whether it is over.
fn told(batch: &[Notice]) -> Vec<(&str, NoticeKind, bool)> {
    batch
        .iter()
        .map(|notice| {
            let over = notice.incident.phase != IncidentPhase::Open;
            (notice.incident.root.as_str(), notice.kind, over)
        })
        .collect()
}

/// Delivers everything that waits, as the message `key`.
fn deliver(queue: &mut Queue, key: &str, now: Time) {
    assert!(!queue.take_all().is_empty());
    queue.delivered(key, now);
}

#[test]
fn openings_wait_for_others_from_the_first_one_on() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    queue.push(notice("b", Opened, Warning), at(6));
    assert_eq!(queue.next_due(), Some(at(10)));
    let batch = queue.take_all();
    assert_eq!(told(&batch), [("a", Opened, false), ("b", Opened, false)]);
    assert_eq!(queue.next_due(), None, "one message is in flight");
    queue.delivered("m1", at(10));
    assert_eq!(queue.pending().count(), 0);
    assert_eq!(queue.next_due(), None);
}

#[test]
fn an_escalation_to_critical_goes_at_once_and_others_at_most_every_interval() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Warning), at(0));
    deliver(&mut queue, "m1", at(10));
    queue.push(notice("a", Escalated, Warning), at(20));
    assert_eq!(queue.next_due(), Some(at(310)), "10 + group_interval");
    queue.push(notice("a", Escalated, Critical), at(30));
    assert_eq!(queue.next_due(), Some(at(30)));
    deliver(&mut queue, "m2", at(30));
    queue.push(notice("a", Escalated, Critical), at(40));
    assert_eq!(queue.next_due(), Some(at(330)), "it was critical before");
}

#[test]
fn an_escalation_that_nobody_here_heard_of_goes_at_once_if_critical() {
    let mut queue = queue();
    queue.push(notice("a", Escalated, Critical), at(5));
    assert_eq!(queue.next_due(), Some(at(5)));
}

#[test]
fn what_is_over_before_it_was_told_becomes_one_message() {
    for send_resolved in [true, false] {
        let mut queue = Queue::new(timing(send_resolved));
        queue.push(notice("a", Opened, Critical), at(0));
        queue.push(notice("a", Resolved, Critical), at(4));
        assert_eq!(queue.next_due(), Some(at(10)));
        assert_eq!(told(&queue.take_all()), [("a", Opened, true)]);
        queue.delivered("m1", at(10));
        assert_eq!(queue.pending().count(), 0);
    }
}

#[test]
fn the_end_waits_for_an_opening_in_flight() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    queue.take_all();
    queue.push(notice("a", Resolved, Critical), at(11));
    assert_eq!(queue.next_due(), None);
    queue.delivered("m1", at(12));
    assert_eq!(queue.next_due(), Some(at(21)));
    let batch = queue.take_all();
    assert_eq!(told(&batch), [("a", Resolved, true)]);
    assert_eq!(queue.openings(&batch), ["m1"]);
    queue.delivered("m2", at(21));
    assert_eq!(queue.openings(&batch), [""; 0], "forgotten once it is over");
}

#[test]
fn an_opening_that_failed_merges_with_the_end_that_came_meanwhile() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    queue.take_all();
    queue.push(notice("a", Resolved, Critical), at(11));
    assert!(queue.failed(at(12), None).is_empty());
    assert_eq!(queue.next_due(), Some(at(13)));
    assert_eq!(told(&queue.take_all()), [("a", Opened, true)]);
}

#[test]
fn a_sink_that_wants_no_ends_gets_none() {
    let mut queue = Queue::new(timing(false));
    queue.push(notice("a", Opened, Critical), at(0));
    deliver(&mut queue, "m1", at(10));
    queue.push(notice("a", Resolved, Critical), at(20));
    assert_eq!(told(&queue.take_all()), []);
    assert_eq!(queue.pending().count(), 0);
}

#[test]
fn newer_news_replaces_older_but_stays_what_it_is() {
    let cases = [
        (Opened, Escalated, Opened),
        (Opened, REMINDER, Opened),
        (Escalated, REMINDER, Escalated),
        (REMINDER, Escalated, Escalated),
        (Escalated, Resolved, Opened),
        (REMINDER, Resolved, Opened),
    ];
    // The sink was told nothing before.
    for (older, newer, expected) in cases {
        let mut queue = queue();
        queue.push(notice("a", older, Warning), at(0));
        queue.push(notice("a", newer, Critical), at(1));
        let batch = queue.take_all();
        assert_eq!(batch.len(), 1);
        assert_eq!(batch[0].kind, expected, "{older:?}, then {newer:?}");
        assert_eq!(batch[0].incident.severity, Critical);
    }
}

#[test]
fn tries_are_spaced_from_one_second_to_five_minutes() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    let mut now = at(10);
    let mut delays = Vec::new();
    for _ in 0..11 {
        queue.take_all();
        queue.failed(now, None);
        let due = queue.next_due().unwrap();
        delays.push(due.since(now).as_secs());
        now = due;
    }
    assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    queue.take_all();
    queue.delivered("m1", now);
    queue.push(notice("b", Opened, Critical), now);
    let now = queue.next_due().unwrap();
    queue.take_all();
    queue.failed(now, None);
    assert_eq!(queue.next_due(), Some(now + BACKOFF_FIRST), "a success resets it");
}

#[test]
fn a_sink_that_asks_for_a_longer_wait_gets_it() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    queue.take_all();
    queue.failed(at(10), Some(Duration::from_secs(90)));
    queue.push(notice("b", Escalated, Critical), at(11));
    assert_eq!(queue.next_due(), Some(at(100)), "for urgent news as well");
}

#[test]
fn after_a_day_it_is_given_up_but_what_came_later_is_not() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    queue.push(notice("b", Opened, Critical), at(3600));
    queue.take_all();
    assert!(queue.failed(at(24 * 3600 - 1), None).is_empty());
    queue.take_all();
    let expired = queue.failed(at(24 * 3600), None);
    assert_eq!(told(&expired), [("a", Opened, false)]);
    assert_eq!(queue.pending().count(), 1);
}

#[test]
fn a_rejection_is_not_tried_again_and_holds_up_nothing() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    queue.take_all();
    queue.failed(at(10), None);
    queue.take_all();
    queue.rejected();
    assert_eq!(queue.pending().count(), 0);
    queue.push(notice("b", Opened, Critical), at(12));
    assert_eq!(queue.next_due(), Some(at(22)));
}

#[test]
fn a_changed_sink_is_tried_at_once() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    queue.take_all();
    queue.failed(at(10), Some(Duration::from_secs(3600)));
    queue.reconfigure(timing(true));
    assert_eq!(queue.next_due(), Some(at(10)));
}

#[test]
fn in_a_hurry_nothing_waits() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(100));
    queue.hurry();
    assert_eq!(queue.next_due(), Some(at(0)));
    queue.take_all();
    queue.push(notice("b", Opened, Critical), at(101));
    assert_eq!(queue.drain().len(), 2, "in flight counts as undelivered");
}

#[test]
fn after_a_restart_the_end_follows_what_was_told_before_it() {
    let mut queue = queue();
    let incident = notice("a", Opened, Warning).incident.id;
    let told = Reached {
        incident,
        sink: String::new(),
        recipient: String::new(),
        opening: "m1".to_owned(),
        severity: Warning,
    };
    queue.resume([told].iter(), at(0));
    let end = notice("a", Resolved, Warning);
    assert_eq!(queue.openings(&[end]), ["m1"]);
    queue.push(notice("a", Escalated, Warning), at(5));
    assert_eq!(queue.next_due(), Some(at(300)), "it may have been told a moment ago");
}

#[test]
fn every_message_is_done_with_once_however_it_ends() {
    let parcel = |name: &str, kind, id| Parcel {
        ids: vec![MessageId(id)],
        ..notice(name, kind, Critical).into()
    };
    let settled = |queue: &mut Queue| -> Vec<u64> {
        let news = queue.take_news().into_iter();
        let ids =
            news.filter_map(|it| if let News::Settled { ids, .. } = it { Some(ids) } else { None });
        ids.flatten().map(|id| id.0).collect()
    };
    let mut queue = Queue::new(timing(false));
    queue.push(parcel("a", Opened, 1), at(0));
    queue.push(parcel("a", Escalated, 2), at(1));
    queue.take_all();
    assert!(queue.failed(at(2), None).is_empty());
    assert_eq!(settled(&mut queue), [0; 0], "it is tried again");
    queue.take_all();
    queue.delivered("m1", at(3));
    assert_eq!(settled(&mut queue), [1, 2], "one message for both");
    queue.push(parcel("a", Resolved, 3), at(4));
    assert!(queue.take_all().is_empty());
    assert_eq!(settled(&mut queue), [3], "it is not wanted here");
    queue.push(parcel("b", Opened, 4), at(5));
    queue.take_all();
    queue.rejected();
    assert_eq!(settled(&mut queue), [4]);
    queue.push(parcel("c", Opened, 5), at(6));
    queue.take_all();
    queue.failed(at(6 + 24 * 3600), None);
    assert_eq!(settled(&mut queue), [5], "given up");
}

#[test]
fn what_may_have_arrived_rests_while_other_news_goes_on() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    queue.take_all();
    queue.answered(1, "", |_| Err(Refusal::Unknown(Duration::from_secs(600))), at(10));
    queue.push(notice("b", Opened, Critical), at(11));
    assert_eq!(queue.next_due(), Some(at(21)));
    deliver(&mut queue, "m1", at(21));
    queue.reconfigure(timing(true));
    assert_eq!(queue.next_due(), Some(at(610)), "a changed registry answers no question");
    assert_eq!(queue.falls_back_at(), Some(at(300)), "the fallback need not wait for it");
    assert_eq!(told(&queue.take_all()), [("a", Opened, false)]);
}

#[test]
fn no_sink_is_left_alone_for_longer_than_an_hour() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    queue.take_all();
    queue.failed(at(10), Some(Duration::MAX));
    assert_eq!(queue.next_due(), Some(at(3610)));
}

#[test]
fn what_a_sink_asked_to_wait_counts_into_the_day() {
    let mut queue = queue();
    queue.push(notice("a", Opened, Critical), at(0));
    let day = 24 * 3600;
    queue.take_all();
    queue.failed(at(day - 60), Some(Duration::from_secs(3600)));
    assert_eq!(queue.expires_at(), Some(at(day)));
    assert_eq!(told(&queue.expire(at(day))), [("a", Opened, false)]);
    assert_eq!(queue.next_due(), None);
}
