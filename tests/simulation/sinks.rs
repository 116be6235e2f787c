//! Who is told, for random histories: sinks in channels, what goes wrong with
//! them, and what people want to hear of.

use crate::plan::{CrashPoint, Fault, HOUR, MINUTE, Ms, Plan, SECOND, ServicePlan, What};
use crate::registry::{plain, process};
use crate::rng::Rng;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use vai_core::dispatch::{self, Destination, Sink};
use vai_core::model::{Notify, Place, Service, Severity, SilenceScope};

/// The sinks of a registry.
pub(crate) type Sinks = dispatch::Plan<Address>;

/// Where the messages of a sink arrive.
pub(crate) type Inbox = usize;

/// How a sink is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) inbox: Inbox,
    /// Who else it reaches, each by themselves.
    pub(crate) others: Vec<Inbox>,
    /// Its password is not the right one.
    pub(crate) wrong: bool,
}

impl Address {
    /// Everybody that it reaches.
    pub(crate) fn inboxes(&self) -> impl Iterator<Item = Inbox> {
        [self.inbox].into_iter().chain(self.others.iter().copied())
    }

    pub(crate) fn reaches(&self, inbox: Inbox) -> bool {
        self.inboxes().any(|it| it == inbox)
    }
}

impl Destination for Address {
    fn recipients(&self) -> Vec<String> {
        match self.others.is_empty() {
            true => Vec::new(),
            false => self.inboxes().map(|inbox| inbox.to_string()).collect(),
        }
    }
}

/// How a sink fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    Refuses,
    /// It answers nothing until vai gives up.
    Hangs,
    Rejects,
    /// It asks to be left alone for so long.
    Busy(Ms),
    /// It takes every other message, by chance.
    Flaps,
    /// It takes some incidents of a message, by chance, puts others off and
    /// rejects the rest.
    Picks,
    /// It may have taken what it does not answer.
    Doubtful,
}

/// What an operator does to the sinks of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Edit {
    Removed(Inbox),
    /// A variable that it needs is not set.
    Held(Inbox),
    WrongPassword(Inbox),
    /// One comes in front of all others, whose names say their place.
    Shifted,
}

/// One sink that wants everything, in one channel.
pub(crate) fn plain_sinks() -> Sinks {
    Sinks {
        channels: [("people".to_owned(), vec![sink(0)])].into(),
        default: vec!["people".to_owned()],
        fallback: None,
        group_wait: Duration::from_secs(10),
        group_interval: Duration::from_secs(300),
    }
}

fn sink(inbox: Inbox) -> Sink<Address> {
    Sink {
        name: name(inbox),
        kind: Address { inbox, others: Vec::new(), wrong: false },
        min_severity: Severity::Info,
        send_resolved: true,
        held: None,
    }
}

fn name(place: usize) -> String {
    format!("alerts[{place}]")
}

/// The registry with these edits.
pub(crate) fn edited(original: &Sinks, edits: &BTreeSet<Edit>) -> Sinks {
    let mut sinks = original.clone();
    let mut place = usize::from(edits.contains(&Edit::Shifted));
    for channel in sinks.channels.values_mut() {
        for sink in channel.iter_mut() {
            sink.name = name(place);
            place += 1;
            let inbox = sink.kind.inbox;
            sink.kind.wrong = edits.contains(&Edit::WrongPassword(inbox));
            if edits.contains(&Edit::Held(inbox)) {
                sink.held = Some("${TOKEN} is not set".into());
            }
        }
        channel.retain(|sink| !edits.contains(&Edit::Removed(sink.kind.inbox)));
    }
    sinks
}

/// A plan with several sinks and what goes wrong with them. Its chance is its
/// own: all else is as it was.
pub(crate) fn told(mut plan: Plan) -> Plan {
    let mut rng = Rng::new(plan.seed ^ 0x7e11_0ff5);
    plan.sinks = random(&mut rng);
    reach_several(&mut Rng::new(plan.seed ^ 0x5e7e_8a15), &mut plan.sinks);
    let channels: Vec<String> = plan.sinks.channels.keys().cloned().collect();
    for service in &mut plan.services {
        Arc::make_mut(&mut service.service).notify = match rng.range(0, 19) {
            0 => Notify::Nobody,
            1 => Notify::Channels(vec!["nowhere".into()]),
            2..6 => Notify::Channels(vec![rng.pick(&channels)]),
            _ => Notify::Default,
        };
    }
    if rng.chance(20) {
        storm(&mut rng, &mut plan);
    }
    let inboxes = inboxes(&plan.sinks);
    for hour in 0..plan.busy / HOUR {
        for _ in 0..rng.pick(&[0, 0, 1, 2, 4]) {
            let at = hour * HOUR + rng.range(0, HOUR - 1);
            let what = what(&mut rng, &inboxes, &plan.services);
            // The wall clock may end a silence, and a run without its jumps
            // would not be the same.
            let silenced = matches!(what, What::Silenced { .. });
            if !(silenced && plan.seed.is_multiple_of(4)) {
                plan.faults.push(Fault { at, what });
            }
        }
    }
    plan.faults.sort_by_key(|fault| fault.at);
    plan
}

/// Everybody who can be reached.
pub(crate) fn inboxes(sinks: &Sinks) -> Vec<Inbox> {
    let sinks = sinks.channels.values().flatten();
    let all: BTreeSet<Inbox> = sinks.flat_map(|sink| sink.kind.inboxes()).collect();
    all.into_iter().collect()
}

fn random(rng: &mut Rng) -> Sinks {
    let mut sinks = Sinks {
        fallback: rng.chance(70).then(|| "night".to_owned()),
        group_wait: Duration::from_secs(rng.pick(&[0, 10, 30])),
        group_interval: Duration::from_secs(rng.pick(&[60, 300, 300])),
        ..plain_sinks()
    };
    for inbox in 1..=rng.range(0, 3) as usize {
        let channel = rng.pick(&["people", "night", "night", "team"]).to_owned();
        let next = Sink {
            min_severity: rng.pick(&[Severity::Info, Severity::Warning, Severity::Critical]),
            send_resolved: rng.chance(85),
            ..sink(inbox)
        };
        sinks.channels.entry(channel).or_default().push(next);
    }
    // Somebody may be in two channels.
    if rng.chance(15) {
        sinks.channels.entry("team".to_owned()).or_default().push(sink(0));
    }
    edited(&sinks, &BTreeSet::new())
}

/// Some sinks reach several people one by one.
fn reach_several(rng: &mut Rng, sinks: &mut Sinks) {
    let mut next = 10;
    for sink in sinks.channels.values_mut().flatten() {
        if sink.kind.inbox != 0 && rng.chance(40) {
            sink.kind.others = (next..next + rng.range(1, 2) as usize).collect();
            next += sink.kind.others.len();
        }
    }
}

/// A dozen services that have nothing in common fail together, twice.
fn storm(rng: &mut Rng, plan: &mut Plan) {
    let names: Vec<String> = (0..12).map(|number| format!("storm-{number:02}")).collect();
    for name in &names {
        let service = Service { place: Place::Local, checks: vec![process()], ..plain(name) };
        plan.services.push(ServicePlan {
            service: Arc::new(service),
            container: None,
            autostart: true,
            start: 3 * SECOND,
            needs: Vec::new(),
            supervisor: None,
        });
    }
    for _ in 0..2 {
        let begin = rng.range(MINUTE, plan.busy - MINUTE);
        for service in names.clone() {
            let at = begin + rng.range(0, 5 * MINUTE);
            let lasts = rng.range(5 * MINUTE, HOUR);
            plan.faults.push(Fault { at, what: What::BreaksFor { service, lasts } });
        }
    }
}

fn what(rng: &mut Rng, inboxes: &[Inbox], services: &[ServicePlan]) -> What {
    let inbox = rng.pick(inboxes);
    let service = rng.pick(services).name().to_owned();
    let lasts = rng.range(10 * SECOND, rng.clone().pick(&[5 * MINUTE, HOUR, 5 * HOUR]));
    match rng.range(0, 19) {
        0..8 => {
            let busy = Failing::Busy(rng.range(1, 1200) * SECOND);
            let how = rng.pick(&[
                Failing::Refuses,
                Failing::Hangs,
                Failing::Rejects,
                busy,
                Failing::Flaps,
                Failing::Picks,
                Failing::Doubtful,
            ]);
            What::SinkFails { inbox, how, lasts }
        }
        8..12 => {
            let edit = rng.pick(&[
                Edit::Removed(inbox),
                Edit::Held(inbox),
                Edit::WrongPassword(inbox),
                Edit::Shifted,
            ]);
            What::SinksEdited { edit, lasts }
        }
        12..15 => {
            let reports = rng.range(0, 2) as usize;
            let point = rng.pick(&[CrashPoint::Arrived, CrashPoint::Reported(reports)]);
            What::KilledAt { point, down: rng.range(1, 120) * SECOND }
        }
        15..17 => What::Acknowledged { service },
        17 => What::Silenced { scope: SilenceScope::Service(service.as_str().into()), lasts },
        18 => What::Silenced { scope: SilenceScope::Everything, lasts },
        _ => What::Digest,
    }
}
