//! The engine itself is stopped, killed and started again: a real one, of the
//! test's own.

use crate::lab::{Container, Containers, Image, Lab, Mail, MailCatcher, PrivateEngine, Vai};
use crate::lab::{eventually, never};
use crate::services::tiny_worker;
use serde_json::{Value, json};
use std::time::Duration;

/// In the order in which they depend on each other.
const CHAIN: [&str; 3] = ["database", "cache", "gateway"];

/// Longer than the 30 s that the engine's restart policy is given to bring a
/// container back.
const LONGER_THAN_GRACE: Duration = Duration::from_secs(40);

#[test]
fn after_an_engine_that_stopped_everything_all_is_started_once_in_order() {
    let mut private = PrivateEngine::start(Containers::EndWithIt);
    let lab = Lab::on(private.engine());
    let mail = MailCatcher::start();
    let services = kept_up(&lab, "services");
    let mut vai = Vai::on_host_with(&told(&lab, &mail), private.engine().environment());
    wait_until_healthy(&vai);
    let before = services.started_at();

    private.stop();
    private.start_again();

    wait_until_seen_anew(&mut vai);
    wait_until_healthy(&vai);
    assert_ne!(services.started_at(), before, "the engine left its container alone");
    assert_eq!(services.lines_of("/tmp/started"), [CHAIN, CHAIN].concat());
    only_news(&mail, "INFO host: the container engine was restarted, and all 3 services are up");
    assert_eq!(vai.lines_with("stopped_by_hand|→ down|restarting by"), [""; 0]);
    nothing_was_spent(&vai);
    one_agent(&services);
}

#[test]
fn what_outlives_its_engine_is_left_as_it_is() {
    let mut private = PrivateEngine::start(Containers::OutliveIt);
    let lab = Lab::on(private.engine());
    let mail = MailCatcher::start();
    let services = kept_up(&lab, "services");
    let mut vai = Vai::on_host_with(&told(&lab, &mail), private.engine().environment());
    wait_until_healthy(&vai);
    let (workers, began) = (workers(&services), services.started_at());

    for end in [PrivateEngine::stop, PrivateEngine::kill9] {
        end(&mut private);
        vai.wait_for_line("WARN.*the container engine does not answer");
        private.start_again();
        vai.wait_for_line("connected to ");
        wait_until_healthy(&vai);
        one_agent(&services);
    }
    assert_eq!(mail.mails(), [], "what was short is not told");

    private.kill9();
    let opened = mail.wait_for(1);
    assert!(opened.subject.contains("container engine"), "{opened:?}");
    private.start_again();
    let resolved = mail.wait_for(2);
    assert!(resolved.subject.starts_with("RESOLVED container engine"), "{resolved:?}");
    assert_eq!(resolved.in_reply_to, opened.id);
    wait_until_healthy(&vai);
    one_agent(&services);

    assert_eq!((self::workers(&services), services.started_at()), (workers, began));
    assert_eq!(services.lines_of("/tmp/started"), CHAIN, "nothing was started again");
    assert_eq!(vai.lines_with("stopped_by_hand|→ down|restarting by"), [""; 0]);
    assert_eq!(mail.mails().len(), 2);
    nothing_was_spent(&vai);
}

#[test]
fn a_stop_by_hand_outlives_the_engine() {
    let mut private = PrivateEngine::start(Containers::EndWithIt);
    let lab = Lab::on(private.engine());
    let services = kept_up(&lab, "services");
    let mut vai = Vai::on_host_with(&lab.registry(chain()), private.engine().environment());
    wait_until_healthy(&vai);

    services.docker("stop");
    CHAIN.iter().for_each(|name| vai.wait_for_state(name, "stopped_by_hand"));
    private.stop();
    private.start_again();
    vai.wait_for_line("connected to ");

    stays_down(&services);
    CHAIN.iter().for_each(|name| vai.wait_for_state(name, "stopped_by_hand"));
}

#[test]
fn a_stop_by_hand_that_vai_did_not_see_is_found() {
    let private = PrivateEngine::start(Containers::EndWithIt);
    let lab = Lab::on(private.engine());
    let services = kept_up(&lab, "services");
    let mut vai = Vai::on_host_with(&lab.registry(chain()), private.engine().environment());
    wait_until_healthy(&vai);

    vai.kill9();
    services.docker("stop");
    vai.start_again();

    CHAIN.iter().for_each(|name| vai.wait_for_state(name, "stopped_by_hand"));
    stays_down(&services);
    services.docker("start");
    wait_until_healthy(&vai);
    assert_eq!(services.lines_of("/tmp/started"), [CHAIN, CHAIN].concat());
}

/// As near as a test comes to a reboot: everything ends at once without a
/// word, vai in its own container as well, and the engine brings it all back.
#[test]
fn after_a_loss_of_power_all_is_started_once_in_order() {
    let mut private = PrivateEngine::start(Containers::EndWithIt);
    let lab = Lab::on(private.engine());
    let services = kept_up(&lab, "services");
    let mut vai = Vai::in_its_image(&lab, &lab.registry(chain()));
    wait_until_healthy(&vai);

    private.lose_power();

    vai.follow_again();
    wait_until_seen_anew(&mut vai);
    wait_until_healthy(&vai);
    assert_eq!(services.lines_of("/tmp/started"), [CHAIN, CHAIN].concat());
    assert_eq!(vai.lines_with("stopped_by_hand|→ down|restarting by"), [""; 0]);
    nothing_was_spent(&vai);
    one_agent(&services);
}

fn kept_up(lab: &Lab, short: &str) -> Container {
    lab.container(short, Image::Tiny).option("--restart=unless-stopped").start()
}

fn chain() -> Value {
    json!({
        "database": tiny_worker("database", &[]),
        "cache": tiny_worker("cache", &["database"]),
        "gateway": tiny_worker("gateway", &["cache"]),
    })
}

/// The chain, with all messages to `mail`.
fn told(lab: &Lab, mail: &MailCatcher) -> Value {
    let mut registry = lab.registry(chain());
    registry["notifications"] = mail.notifications();
    registry
}

/// Until then they are shown as they were before.
fn wait_until_seen_anew(vai: &mut Vai) {
    vai.wait_for_line("healthy → starting: its container came up");
}

fn wait_until_healthy(vai: &Vai) {
    CHAIN.iter().for_each(|name| vai.wait_for_state(name, "healthy"));
}

/// The processes of all of them.
fn workers(services: &Container) -> Vec<Vec<u32>> {
    CHAIN.iter().map(|name| services.living(name)).collect()
}

fn nothing_was_spent(vai: &Vai) {
    for name in CHAIN {
        let view = vai.view(name);
        assert_eq!(view["restarts_in_window"], 0, "{view}");
        assert_eq!(view["failed_attempts"], 0, "{view}");
        assert_eq!(view["incident"], Value::Null, "{view}");
    }
}

/// An older one may need a moment to leave.
fn one_agent(services: &Container) {
    eventually("one agent", Duration::from_secs(45), || {
        (services.agents().len() == 1).then_some(())
    });
}

fn stays_down(services: &Container) {
    never("a start of what somebody stopped", LONGER_THAN_GRACE, || {
        services.runs().then(|| services.started_at())
    });
}

/// One mail comes, this one, and no other.
fn only_news(mail: &MailCatcher, subject: &str) {
    let news = mail.wait_for(1);
    assert!(news.subject.starts_with(subject), "{news:?}");
    never("another mail", Duration::from_secs(5), || {
        let others: Vec<Mail> = mail.mails().into_iter().skip(1).collect();
        (!others.is_empty()).then_some(others)
    });
}
