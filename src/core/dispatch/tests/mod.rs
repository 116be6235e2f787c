//! Everything that is on its way, in virtual time.

mod parts;
mod recipients;

use crate::model::{
    Evidence, EvidenceDetail, Incident, IncidentId, IncidentPhase, Notice, NoticeKind, Notify,
    Severity, StateLabel, Subject, Wall,
};

/// Something to tell about the incident and service `name`.
pub(in crate::dispatch) fn notice(name: &str, kind: NoticeKind, severity: Severity) -> Notice {
    let phase = match kind {
        NoticeKind::Resolved | NoticeKind::Info => IncidentPhase::Closed {
            at: Wall::from_millis(60_000),
            how: "healed by restart_cmd, 1 attempt".to_owned(),
        },
        NoticeKind::Opened
        | NoticeKind::Escalated
        | NoticeKind::Joined
        | NoticeKind::Reminder(_) => IncidentPhase::Open,
    };
    Notice {
        incident: Incident {
            id: IncidentId(name.to_owned()),
            root: name.to_owned(),
            subject: Subject::Service,
            place: "services".to_owned(),
            severity,
            state: StateLabel::Down,
            failed_attempts: 0,
            since: Wall::default(),
            reason: "connection refused".to_owned(),
            history: Vec::new(),
            next: String::new(),
            affected: Vec::new(),
            phase,
            evidence: Evidence::default(),
            acknowledged: None,
        },
        kind,
        notify: Notify::Default,
        detail: EvidenceDetail::Full,
        at: Wall::default(),
        decided: None,
    }
}

use super::*;
use NoticeKind::{Escalated, Opened, Resolved};
use Severity::{Critical, Warning};
use std::time::Duration;

/// `team: ann bob` reaches two people one by one.
impl Destination for &'static str {
    fn recipients(&self) -> Vec<String> {
        let named = self.split_once(": ").map(|(_, recipients)| recipients);
        named.into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect()
    }
}

const DAY: u64 = 24 * 3600;

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1000)
}

fn sink(name: &'static str) -> Sink<&'static str> {
    Sink {
        name: name.to_owned(),
        kind: name,
        min_severity: Severity::Info,
        send_resolved: true,
        held: None,
    }
}

/// `mail` is the default channel, `pager` the fallback.
fn plan() -> Plan<&'static str> {
    Plan {
        channels: [
            ("mail".to_owned(), vec![sink("mail")]),
            ("pager".to_owned(), vec![sink("pager")]),
        ]
        .into(),
        default: vec!["mail".to_owned()],
        fallback: Some("pager".to_owned()),
        group_wait: Duration::from_secs(10),
        group_interval: Duration::from_secs(300),
    }
}

/// Of which incident, as what, and whether it was over.
type Heard = (String, NoticeKind, bool);

/// Sinks that answer as they are told to, and what arrived there.
struct World {
    dispatch: Dispatch<&'static str>,
    now: u64,
    next_id: u64,
    /// By sink, by recipient, or by incident.
    answers: BTreeMap<&'static str, Result<(), Refusal>>,
    /// Sinks that answer by incident.
    takes_parts: BTreeSet<&'static str>,
    /// For how many seconds each sink takes its time.
    takes: BTreeMap<&'static str, u64>,
    /// What is being sent, and until when.
    under_way: Vec<(u64, Sending)>,
    /// How often each sink, recipient or incident was tried.
    tried: BTreeMap<String, u32>,
    /// When, where, and what of which incidents.
    arrived: Vec<(u64, String, Vec<Heard>)>,
    /// Messages that everybody is done with.
    done: Vec<u64>,
    /// What was stored of messages that some have.
    delivered: BTreeMap<MessageId, Delivered>,
}

impl World {
    fn new(plan: Plan<&'static str>) -> Self {
        Self {
            dispatch: Dispatch::new(plan, Notified::default(), at(0)),
            now: 0,
            next_id: 0,
            answers: BTreeMap::new(),
            takes_parts: BTreeSet::new(),
            takes: BTreeMap::new(),
            under_way: Vec::new(),
            tried: BTreeMap::new(),
            arrived: Vec::new(),
            done: Vec::new(),
            delivered: BTreeMap::new(),
        }
    }

    fn answers(&mut self, who: &'static str, answer: Result<(), Refusal>) {
        self.answers.insert(who, answer);
    }

    fn tell(&mut self, name: &str, kind: NoticeKind, severity: Severity) {
        self.next_id += 1;
        let ids = vec![MessageId(self.next_id)];
        let notice = notice(name, kind, severity);
        self.dispatch.tell(Parcel { notice, ids, age: Duration::ZERO }, at(self.now));
    }

    /// Lets time pass to the second `until`, sending what is due on the way.
    fn run_to(&mut self, until: u64) {
        loop {
            self.take_told();
            let due = self.dispatch.next_wake().map(|wake| wake.since(at(0)).as_secs());
            let ends = self.under_way.iter().map(|(ends, _)| *ends).min();
            let Some(next) = due.into_iter().chain(ends).min().filter(|it| *it <= until) else {
                break;
            };
            self.now = self.now.max(next);
            let now = self.now;
            for (_, sending) in
                self.under_way.extract_if(.., |(ends, _)| *ends <= now).collect::<Vec<_>>()
            {
                self.ends(&sending);
            }
            for sending in self.dispatch.due(at(now)) {
                let takes = self.takes.get(self.kind(&sending)).copied().unwrap_or(0);
                match takes {
                    0 => self.ends(&sending),
                    takes => self.under_way.push((now + takes, sending)),
                }
            }
        }
        self.now = until;
        self.take_told();
    }

    fn kind(&self, sending: &Sending) -> &'static str {
        let mut routes = self.dispatch.routes().iter();
        routes.find(|route| route.id == sending.sink).unwrap().sink.kind
    }

    fn ends(&mut self, sending: &Sending) {
        let kind = self.kind(sending);
        let Sending { number, recipients, notices, .. } = sending;
        let mut of = |who: &str| {
            *self.tried.entry(who.to_owned()).or_default() += 1;
            self.answers.get(who).or_else(|| self.answers.get(kind)).copied().unwrap_or(Ok(()))
        };
        let answer = if self.takes_parts.contains(kind) {
            let ids = notices.iter().map(|it| it.incident.id.clone());
            Answer::Incidents(ids.map(|id| (id.clone(), of(&id.0))).collect())
        } else if recipients.is_empty() {
            Answer::Whole(of(kind))
        } else {
            Answer::Recipients(recipients.iter().map(|it| (it.clone(), of(it))).collect())
        };
        let whom = if recipients.is_empty() { vec![kind.to_owned()] } else { recipients.clone() };
        for who in whom {
            let told = notices.iter().filter(|it| answer.of(&who, &it.incident.id).is_ok());
            let told: Vec<Heard> =
                told.map(|it| (it.incident.root.clone(), it.kind, it.incident.is_over())).collect();
            if !told.is_empty() {
                self.arrived.push((self.now, who, told));
            }
        }
        self.dispatch.sent(*number, &format!("m{}", self.now), &answer, at(self.now));
    }

    fn take_told(&mut self) {
        for told in self.dispatch.take_told() {
            match told {
                Told::Everybody(id) => {
                    self.done.push(id.0);
                    self.delivered.remove(&id);
                }
                Told::Delivered(it) => _ = self.delivered.insert(it.message, it),
                Told::Reached(_) | Told::Over { .. } => {}
            }
        }
    }

    /// When and where something about `name` arrived, as what, and whether it
    /// was over.
    fn of(&self, name: &str) -> Vec<(u64, &str, NoticeKind, bool)> {
        let mut all = Vec::new();
        for (at, sink, told) in &self.arrived {
            for (root, kind, over) in told {
                if root == name {
                    all.push((*at, sink.as_str(), *kind, *over));
                }
            }
        }
        all
    }
}

#[test]
fn what_a_sink_rejects_the_fallback_is_told_at_once_and_its_end_as_well() {
    let mut world = World::new(plan());
    world.answers("mail", Err(Refusal::Final));
    world.tell("redis", Opened, Critical);
    world.run_to(60);
    assert_eq!(world.of("redis"), [(10, "pager", Opened, false)]);
    assert_eq!(world.done, [1]);
    world.tell("redis", Resolved, Critical);
    world.run_to(120);
    assert_eq!(world.of("redis")[1..], [(70, "pager", Resolved, true)], "once");
    assert_eq!(world.done, [1, 2]);
}

#[test]
fn a_sink_that_is_away_is_stood_in_for_after_five_minutes_or_an_hour() {
    let mut world = World::new(plan());
    world.answers("mail", Err(Refusal::Passing(None)));
    world.tell("redis", Opened, Critical);
    world.tell("nginx", Opened, Warning);
    world.run_to(2 * 3600);
    assert_eq!(world.of("redis"), [(300, "pager", Opened, false)]);
    assert_eq!(world.of("nginx"), [(3600, "pager", Opened, false)]);
    assert_eq!(world.done, [0; 0], "mail is still to be told");

    world.answers("mail", Ok(()));
    world.run_to(2 * 3600 + 300);
    assert_eq!(world.of("redis").len(), 2);
    assert_eq!(world.done, [1, 2]);
}

#[test]
fn what_became_worse_falls_back_again_and_what_is_over_does_not_come_twice() {
    let mut world = World::new(plan());
    world.answers("mail", Err(Refusal::Passing(None)));
    world.tell("redis", Opened, Warning);
    world.run_to(3600);
    world.tell("redis", Escalated, Critical);
    world.run_to(3700);
    world.tell("redis", Resolved, Critical);
    world.run_to(2 * DAY);
    let told: Vec<_> =
        world.of("redis").into_iter().map(|(_, sink, kind, _)| (sink, kind)).collect();
    assert_eq!(told, [("pager", Opened), ("pager", Escalated), ("pager", Resolved)]);
    assert_eq!(world.done, [1, 2, 3], "given up at mail after a day");
}

#[test]
fn an_end_that_is_rejected_is_no_end_without_a_beginning_at_the_fallback() {
    let mut world = World::new(plan());
    world.tell("redis", Opened, Critical);
    world.run_to(60);
    world.answers("mail", Err(Refusal::Final));
    world.tell("redis", Resolved, Critical);
    world.run_to(120);
    let expected = [(10, "mail", Opened, false), (70, "pager", Opened, true)];
    assert_eq!(world.of("redis"), expected);
}

#[test]
fn without_a_fallback_a_rejection_is_the_end_and_is_said() {
    let mut world = World::new(Plan { fallback: None, ..plan() });
    world.answers("mail", Err(Refusal::Final));
    world.tell("redis", Opened, Critical);
    world.run_to(60);
    assert_eq!(world.arrived, []);
    assert_eq!(world.done, [1]);
    let fallen_back = world.dispatch.take_fallen_back();
    assert_eq!(fallen_back.len(), 1);
    assert!(fallen_back[0].told_to.is_empty() && fallen_back[0].known_to.is_empty());
}

#[test]
fn a_fallback_that_has_it_already_is_no_fallback_that_is_missing() {
    let mut both = plan();
    both.default = vec!["mail".to_owned(), "pager".to_owned()];
    let mut world = World::new(both);
    world.answers("mail", Err(Refusal::Final));
    world.tell("redis", Opened, Critical);
    world.run_to(60);
    let fallen_back = world.dispatch.take_fallen_back().remove(0);
    assert_eq!((fallen_back.told_to.len(), fallen_back.known_to.len()), (0, 1));
    assert_eq!(fallen_back.notice.incident.root, "redis");
}

#[test]
fn a_sink_that_fails_is_told_of_through_the_others() {
    let mut world = World::new(plan());
    let about = |name: &str| Notice {
        notify: crate::model::Notify::Others(name.to_owned()),
        ..notice(name, Opened, Warning)
    };
    for name in ["mail", "pager"] {
        let parcel = Parcel { notice: about(name), ids: Vec::new(), age: Duration::ZERO };
        world.dispatch.tell(parcel, at(0));
    }
    world.run_to(60);
    assert_eq!(world.of("mail"), [(10, "pager", Opened, false)]);
    assert_eq!(world.of("pager"), [(10, "mail", Opened, false)]);
}

#[test]
fn a_storm_comes_in_two_messages_in_its_first_five_minutes_and_ends_in_one() {
    let mut world = World::new(plan());
    for number in 0..500 {
        world.run_to(number / 8);
        world.tell(&format!("s{number}"), Opened, Warning);
    }
    // Each gives up at another time.
    for number in 0..500 {
        world.run_to(90 + number / 4);
        world.tell(&format!("s{number}"), Escalated, Critical);
    }
    world.run_to(300);
    let early: Vec<(u64, usize)> =
        world.arrived.iter().map(|(at, _, told)| (*at, told.len())).collect();
    assert_eq!(early.len(), 2, "{early:?}");
    let named: BTreeSet<&str> =
        world.arrived.iter().flat_map(|(_, _, told)| told).map(|it| it.0.as_str()).collect();
    assert_eq!(named.len(), 500, "all of them are named or counted");

    world.run_to(3600);
    let before = world.arrived.len();
    assert!(before <= 4, "{before}");
    for number in 0..500 {
        world.run_to(3600 + number / 8);
        world.tell(&format!("s{number}"), Resolved, Critical);
    }
    world.run_to(7200);
    let (_, _, ends) = world.arrived.last().unwrap();
    assert_eq!((world.arrived.len() - before, ends.len()), (1, 500), "one message for all ends");
    assert_eq!(world.done.len(), 1500);
}

#[test]
fn the_end_of_a_storm_is_not_held_up_by_what_stays_down() {
    let mut world = World::new(plan());
    for number in 0..10 {
        world.tell(&format!("s{number}"), Opened, Critical);
    }
    world.run_to(600);
    for number in 0..9 {
        world.tell(&format!("s{number}"), Resolved, Critical);
    }
    world.run_to(3600);
    assert_eq!(world.of("s3")[1..], [(900, "mail", Resolved, true)], "after group_interval");
}

#[test]
fn what_waits_for_a_sink_that_leaves_the_registry_is_told_by_those_that_stay() {
    let mut world = World::new(plan());
    world.answers("mail", Err(Refusal::Passing(None)));
    world.tell("redis", Opened, Critical);
    world.run_to(30);
    let mut without = plan();
    without.channels.remove("mail");
    without.default = vec!["pager".to_owned()];
    world.dispatch.configure(without, at(30));
    world.run_to(60);
    assert_eq!(world.of("redis"), [(40, "pager", Opened, false)]);
    assert_eq!(world.done, [1]);
}

#[test]
fn a_changed_name_takes_along_who_was_told() {
    let mut dispatch = Dispatch::new(plan(), Notified::default(), at(0));
    dispatch.tell(notice("redis", Opened, Critical).into(), at(0));
    let sending = dispatch.due(at(10)).remove(0);
    dispatch.sent(sending.number, "m1", &Ok(()).into(), at(10));
    dispatch.take_told();
    let mut renamed = plan();
    let sink = renamed.channels.get_mut("mail").map(|sinks| &mut sinks[0]).unwrap();
    sink.name = "post".to_owned();
    dispatch.configure(renamed, at(20));
    let told = dispatch.take_told();
    let names: Vec<&str> = told
        .iter()
        .map(|told| match told {
            Told::Over { by, .. } => by.sink.as_str(),
            Told::Reached(reached) => reached.sink.as_str(),
            Told::Delivered(_) | Told::Everybody(_) => "",
        })
        .collect();
    assert_eq!(names, ["post", "mail"], "a crash between them forgets nothing");
}

#[test]
fn sinks_that_swap_their_names_go_on_knowing_what_they_were_told() {
    let mut dispatch = Dispatch::new(plan(), Notified::default(), at(0));
    dispatch.tell(notice("redis", Opened, Critical).into(), at(0));
    let sending = dispatch.due(at(10)).remove(0);
    dispatch.sent(sending.number, "m1", &Ok(()).into(), at(10));
    dispatch.take_told();
    let mut swapped = plan();
    for (channel, name) in [("mail", "pager"), ("pager", "mail")] {
        swapped.channels.get_mut(channel).unwrap()[0].name = name.to_owned();
    }
    dispatch.configure(swapped.clone(), at(20));
    let mut stored = vec!["mail".to_owned()];
    for told in dispatch.take_told() {
        match told {
            Told::Reached(reached) => stored.push(reached.sink),
            Told::Over { by, .. } => stored.retain(|it| *it != by.sink),
            Told::Delivered(_) | Told::Everybody(_) => {}
        }
    }
    assert_eq!(stored, ["pager"]);
    dispatch.configure(plan(), at(30));
    dispatch.configure(swapped, at(40));
    let last: Vec<Told> = dispatch.take_told();
    assert!(matches!(&last[2], Told::Reached(reached) if reached.sink == "pager"), "{last:?}");
}

#[test]
fn what_only_became_critical_while_its_sink_was_away_is_told_there_though_it_is_over() {
    let mut critical_only = plan();
    let mail = &mut critical_only.channels.get_mut("mail").unwrap()[0];
    (mail.min_severity, mail.send_resolved) = (Critical, false);
    let mut world = World::new(Plan { fallback: None, ..critical_only });
    world.answers("mail", Err(Refusal::Passing(None)));
    world.tell("redis", Opened, Warning);
    world.tell("redis", Escalated, Critical);
    world.run_to(60);
    world.tell("redis", Resolved, Critical);
    world.answers("mail", Ok(()));
    world.run_to(600);
    let told: Vec<_> =
        world.of("redis").into_iter().map(|(_, _, kind, over)| (kind, over)).collect();
    assert_eq!(told, [(Opened, true)]);
}

#[test]
fn what_waits_for_a_sink_that_leaves_does_not_come_twice_to_those_that_have_it() {
    let mut both = plan();
    both.default = vec!["mail".to_owned(), "pager".to_owned()];
    let mut world = World::new(both.clone());
    world.answers("mail", Err(Refusal::Passing(None)));
    world.tell("redis", Opened, Critical);
    world.run_to(30);
    both.channels.remove("mail");
    world.dispatch.configure(both, at(30));
    world.run_to(600);
    assert_eq!(world.of("redis"), [(10, "pager", Opened, false)]);
    assert_eq!(world.done, [1]);
}

#[test]
fn what_was_too_old_before_it_was_tried_is_told_by_the_fallback() {
    let mut world = World::new(plan());
    world.answers("mail", Err(Refusal::Passing(None)));
    let notice = notice("redis", Opened, Critical);
    let age = Duration::from_secs(DAY + 1);
    world.dispatch.tell(Parcel { notice, ids: vec![MessageId(1)], age }, at(0));
    world.run_to(60);
    assert_eq!(world.of("redis"), [(10, "pager", Opened, false)]);
    assert_eq!(world.done, [1]);
}
