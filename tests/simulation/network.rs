//! Networks, for random histories: targets outside the host, anchors, and
//! containers that share another's network.

use crate::plan::{ContainerPlan, Fault, HOUR, MINUTE, Plan, SECOND, ServicePlan, What};
use crate::registry::{check, port_of};
use crate::rng::Rng;
use std::sync::Arc;
use std::time::Duration;
use vai_core::model::{Check, CheckKind, HttpCheck, OnFail, Rung, Secret, Service, StatusSet};

/// A plan in which more is looked at over networks, and more goes wrong with
/// them. Its chance is its own: all else is as it was.
pub(crate) fn widened(mut plan: Plan) -> Plan {
    let mut rng = Rng::new(plan.seed ^ 0x00dd_ba11);
    if rng.chance(60) {
        let targets = look_outside(&mut rng, &mut plan.services);
        plan.settings.anchors = anchors(&mut rng);
        if !targets.is_empty() {
            let anchors = plan.settings.anchors.len();
            let faults = |rng: &mut Rng| of_outside(rng, &targets, anchors);
            add_faults(&mut rng, &mut plan, &[0, 1, 1, 3], faults);
        }
    }
    if rng.chance(50)
        && let Some(owner) = share(&mut rng, &mut plan.containers)
    {
        let containers = &plan.containers;
        for service in &mut plan.services {
            let home = containers.iter().find(|it| Some(&it.name) == service.container.as_ref());
            if home.is_some_and(|it| it.network_of.is_some()) && rng.chance(60) {
                heal_by_restart(service);
            }
        }
        add_faults(&mut rng, &mut plan, &[0, 0, 1, 2], |rng| of_owner(rng, &owner));
    }
    plan.faults.sort_by_key(|fault| fault.at);
    plan
}

fn add_faults(rng: &mut Rng, plan: &mut Plan, rates: &[u64], what: impl Fn(&mut Rng) -> What) {
    for hour in 0..plan.busy / HOUR {
        for _ in 0..rng.pick(rates) {
            let at = hour * HOUR + rng.range(0, HOUR - 1);
            plan.faults.push(Fault { at, what: what(rng) });
        }
    }
}

/// Some services are looked at from outside, or by the name of their
/// container; those that are from outside come back.
fn look_outside(rng: &mut Rng, services: &mut [ServicePlan]) -> Vec<String> {
    let mut outside = Vec::new();
    let share = rng.pick(&[20, 50, 90]);
    for plan in services {
        let name = plan.name().to_owned();
        let service = Arc::make_mut(&mut plan.service);
        let kind = match rng.range(0, 99) {
            at if at < share => {
                outside.push(name.clone());
                let host = format!("{name}.example.com");
                if rng.chance(50) { page_of(&host) } else { port_of(&host) }
            }
            at if at < share + 8 => port_of(&name),
            _ => continue,
        };
        look_by(service, kind);
    }
    outside
}

/// Looks at the service by `kind` instead of, or beside what was looked at.
fn look_by(service: &mut Service, kind: CheckKind) {
    let is_tcp = |check: &&mut Check| matches!(check.kind, CheckKind::Tcp(_));
    match service.checks.iter_mut().find(is_tcp) {
        Some(check) => check.kind = kind,
        None => {
            let like = service.checks.first().cloned().unwrap_or_else(|| check(kind.clone()));
            service.checks.push(Check { name: kind.label().to_owned(), kind, ..like });
        }
    }
}

fn page_of(host: &str) -> CheckKind {
    let url = format!("https://{host}/");
    CheckKind::Http(HttpCheck {
        endpoint: Secret::from(url.as_str()),
        shown: url,
        host: host.to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        body: None,
        expected_status: StatusSet(vec![(200, 299)]),
        expected_body: None,
        expected_json: Vec::new(),
        max_body: HttpCheck::default_max_body(),
        max_response: None,
        follow_redirects: false,
        tls_verify: true,
        ca_file: None,
    })
}

/// As the registry's `anchors` become checks.
fn anchors(rng: &mut Rng) -> Vec<Check> {
    let hosts = ["1.1.1.1", "9.9.9.9", "8.8.8.8"];
    let count = rng.pick(&[0, 0, 1, 2, 2, 3]);
    let anchors = hosts[..count].iter().map(|host| Check {
        name: format!("{host}:443"),
        failure_threshold: 1,
        success_threshold: 1,
        timeout: Duration::from_secs(5),
        on_fail: OnFail::Alert,
        ..check(port_of(host))
    });
    anchors.collect()
}

fn of_outside(rng: &mut Rng, targets: &[String], anchors: usize) -> What {
    let lasts = rng.range(5 * SECOND, rng.clone().pick(&[MINUTE, 5 * MINUTE, 40 * MINUTE]));
    match rng.range(0, 9) {
        0..5 => What::OutsideLost { lasts },
        5..7 if anchors > 0 => {
            What::AnchorDown { anchor: rng.range(0, anchors as u64 - 1) as usize, lasts }
        }
        _ => What::EndpointDown { service: rng.pick(targets), lasts },
    }
}

/// Makes one container share the network of one before it, which comes back.
fn share(rng: &mut Rng, containers: &mut [ContainerPlan]) -> Option<String> {
    let (owner, others) = containers.split_first_mut()?;
    let sharer = others.iter_mut().find(|it| !it.is_self)?;
    sharer.network_of = Some(owner.name.clone());
    // Who shares a network is often a helper that the engine keeps up.
    sharer.policy |= rng.chance(30);
    Some(owner.name.clone())
}

/// What is in the wrong network is only helped by a restart of its container.
fn heal_by_restart(plan: &mut ServicePlan) {
    plan.autostart = true;
    let service = Arc::make_mut(&mut plan.service);
    service.restart_cmd = None;
    if !service.recovery.ladder.is_empty() {
        service.recovery.ladder = vec![Rung::Container];
    }
}

fn of_owner(rng: &mut Rng, owner: &str) -> What {
    let container = owner.to_owned();
    match rng.range(0, 9) {
        0..3 => What::Crashes { container, oom: false },
        3..6 => What::RestartedByHand { container },
        6..8 => What::Recreated { container, gone: rng.range(1, 120) * SECOND },
        _ => What::StoppedByHand { container, back: rng.range(1, 600) * SECOND },
    }
}
