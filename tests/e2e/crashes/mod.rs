//! vai is killed at random moments again and again, also in the middle of its
//! acts, and goes on as if nothing had happened.
//!
//! Three unclean starts within ten minutes make vai watch only, and most of
//! what is tested here would never happen. So every run of vai gets a boot clock
//! that is minutes ahead of the one before, as if each had lived so long: it is
//! what vai measures with. A ceiling of an hour then spans some ten runs.
//!
//! `VAI_CRASH_ROUNDS` is how often it is killed, `VAI_CRASH_SEED` which chance
//! decides when.

mod commands;
mod deliveries;
pub(crate) mod random;
mod state;

use crate::lab::{
    Container, Image, Lab, Mail, MailCatcher, Vai, eventually, never, number_of, until,
};
use deliveries::Deliveries;
use random::Random;
use regex::Regex;
use serde_json::{Value, json};
use state::Kept;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use vai::clock::boot_time;

const ROUNDS: u64 = 45;
const MAX_RESTARTS: usize = 8;
const WINDOW: Duration = Duration::from_secs(3600);
/// So long a run of vai lives at most.
const LONGEST_LIFE: Duration = Duration::from_millis(1500);

#[test]
fn killed_again_and_again_it_does_nothing_twice_and_forgets_nothing() {
    let rounds = number_of("VAI_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number_of("VAI_CRASH_SEED").unwrap_or_else(|| boot_time().as_millis());
    println!("{rounds} rounds by chance {seed}");
    let mut random = Random::new(seed);
    let mut scene = Scene::set();
    scene.begin();

    for _ in 0..rounds {
        scene.go_on(&mut random);
    }

    scene.end();
    scene.tell(rounds);
    scene.judge_mails();
    scene.deliveries.judge();
}

#[test]
fn after_three_unclean_starts_in_ten_minutes_it_watches_only_and_says_so() {
    let mut scene = Scene::set();
    scene.begin();
    for _ in 0..2 {
        scene.start(1);
        // It has stored its start before it serves anybody.
        scene.vai.wait_for_state("stable", "healthy");
        scene.kill();
    }
    scene.start(1);

    scene.vai.wait_for_line("hopeless.*not attempted: vai itself ended unexpectedly");
    let done = scene.commands().len();
    let told = eventually("a message", Duration::from_secs(20), || {
        scene.mail.mails().into_iter().find(|mail| mail.subject.contains("vai itself"))
    });
    assert!(told.text.contains("three times in 10 min"), "{told:?}");
    never("an act, or another message", Duration::from_secs(5), || {
        let about = |mail: &&Mail| mail.subject.contains("vai itself");
        let (mails, acts) = (scene.mail.mails(), scene.commands().len() - done);
        (acts > 0 || mails.iter().filter(about).count() != 1).then_some((acts, mails))
    });

    // Ten minutes later it is trusted again.
    assert!(scene.vai.terminate().success());
    scene.start(601);
    scene.vai.wait_for_line("restarting by restart_cmd");
    let over = eventually("the end of it", Duration::from_secs(20), || {
        let mails = scene.mail.mails();
        mails.into_iter().find(|mail| mail.subject.contains("RESOLVED vai itself"))
    });
    // The same mail may tell of what joined another incident meanwhile.
    assert!(over.references.iter().any(|id| Some(id) == told.id.as_ref()), "{over:?}");
}

/// A container with a service that dies all the time, one that cannot be
/// mended and one that never fails, and vai, which dies as well.
struct Scene {
    vai: Vai,
    mail: MailCatcher,
    deliveries: Deliveries,
    services: Container,
    /// Where the commands write down that they ran.
    acts: TempDir,
    /// How many seconds the boot clock of vai is ahead of this machine's.
    ahead: u64,
    /// When each run of vai began, in milliseconds of this machine's boot clock.
    began: Vec<u64>,
    /// What the last run left behind.
    kept: Option<Kept>,
    /// Every moment that a restart was admitted at, by service.
    admitted: BTreeMap<String, BTreeSet<u64>>,
    /// How many runs ended in the middle of an act.
    amid_an_act: usize,
    stable: Vec<u32>,
    /// Dropped last: it removes the container.
    _lab: Lab,
}

impl Scene {
    /// All is well, and vai has seen it.
    fn set() -> Self {
        let (lab, mail) = (Lab::new(), MailCatcher::start());
        let mut deliveries = Deliveries::new();
        let acts = TempDir::new().expect("a folder for what the commands write");
        let services = lab
            .container("services", Image::Tiny)
            .init(true)
            .option(format!("--volume={}:/acts", acts.path().display()))
            .start();
        for worker in ["mayfly 600", "gateway", "database"] {
            let started = services.sh(&format!("/bin/{worker} > /dev/null 2>&1 &"));
            assert!(started.status.success(), "{started:?}");
        }
        let mut registry = lab.registry(registry());
        registry["notifications"] = mail.notifications();
        let sinks = registry["notifications"]["channels"]["alerts"].as_array_mut();
        sinks.expect("sinks").push(deliveries.sink());
        deliveries.begin();
        let began = vec![boot_time().as_millis()];
        let vai = Vai::on_host_with(&registry, environment(0));
        for service in ["dying", "hopeless", "stable"] {
            vai.wait_for_state(service, "healthy");
        }
        let stable = services.living("database");
        Self {
            vai,
            mail,
            deliveries,
            services,
            acts,
            ahead: 0,
            began,
            kept: None,
            admitted: BTreeMap::new(),
            amid_an_act: 0,
            stable,
            _lab: lab,
        }
    }

    /// vai is killed, and two of the three begin to fail.
    fn begin(&mut self) {
        self.kill();
        self.services.kill9("mayfly");
        self.services.kill9("gateway");
    }

    /// One more life of vai.
    fn go_on(&mut self, random: &mut Random) {
        // Now and then three starts do fall into ten minutes.
        let ahead = if random.below(10) == 0 { 200 } else { 310 + random.below(80) };
        self.start(ahead);
        self.wait_for_death(random);
        self.kill();
    }

    /// Starts vai with its boot clock so many more seconds ahead.
    fn start(&mut self, more: u64) {
        self.ahead += more;
        self.began.push(boot_time().as_millis());
        self.deliveries.begin();
        self.vai.start_again_ahead(self.ahead, environment(self.ahead));
    }

    /// A moment by chance: any, or close behind one at which something is
    /// stored, begun or sent.
    fn wait_for_death(&self, random: &mut Random) {
        let (ran, came) = (self.commands().len(), self.mail.count());
        match random.below(4) {
            0 => thread::sleep(random.millis(2000)),
            1 => {
                until(LONGEST_LIFE, || {
                    (!self.vai.new_lines_with("restarting by").is_empty()).then_some(())
                });
                thread::sleep(random.millis(100));
            }
            2 => {
                until(LONGEST_LIFE, || (self.commands().len() > ran).then_some(()));
                thread::sleep(random.millis(300));
            }
            _ => {
                until(LONGEST_LIFE, || (self.mail.count() > came).then_some(()));
                thread::sleep(random.millis(20));
            }
        }
    }

    /// Kills vai and judges what it left.
    fn kill(&mut self) {
        self.vai.kill9();
        self.judge();
    }

    fn judge(&mut self) {
        let kept = Kept::read(&self.vai.state_dir());
        if let Some(before) = &self.kept {
            kept.follows(before, WINDOW);
        }
        if let Some(before) = self.kept.as_ref().and_then(|kept| kept.incident_of("hopeless")) {
            assert_eq!(kept.incident_of("hopeless"), Some(before), "it was never well");
        }
        for (service, spent) in &kept.spent {
            self.admitted.entry(service.clone()).or_default().extend(spent);
        }
        self.amid_an_act += usize::from(kept.acts > 0);
        self.deliveries.owe(&kept);
        self.kept = Some(kept);

        let commands = self.commands();
        commands::none_is_done_twice(&commands);
        commands::none_is_over_its_ceiling(&commands, MAX_RESTARTS, WINDOW);
        for (service, admitted) in &self.admitted {
            let ran = commands::count(&commands, service);
            assert!(ran <= admitted.len(), "{service} ran {ran} times for {admitted:?}");
        }
        assert_eq!(commands::count(&commands, "stable"), 0);
    }

    fn commands(&self) -> Vec<commands::Command> {
        commands::read(self.acts.path())
    }

    /// What could not be mended is mended, and vai ends as it should.
    fn end(&mut self) {
        self.start(700);
        let mended = self.services.sh("/bin/gateway > /dev/null 2>&1 &");
        assert!(mended.status.success(), "{mended:?}");
        self.vai.wait_for_state("hopeless", "healthy");
        eventually("the end of the outage is told", Duration::from_secs(30), || {
            told(&self.mail, "RESOLVED hopeless").first().map(|_| ())
        });
        assert!(self.vai.terminate().success());
        let kept = Kept::read(&self.vai.state_dir());
        assert_eq!((kept.acts, kept.messages.len()), (0, 0), "something is left");
        assert_eq!(self.services.living("database"), self.stable);
    }

    fn judge_mails(&self) {
        // Held, if vai was not trusted when it was told first.
        let opened = told(&self.mail, "(DOWN|HELD) hopeless");
        assert!(!opened.is_empty(), "it was never told");
        let mut sent: BTreeSet<(String, usize)> = BTreeSet::new();
        for mail in self.mail.mails() {
            let id = mail.id.clone().expect("every mail has a name");
            for opening in mail.in_reply_to.iter().flat_map(|ids| ids.split_whitespace()) {
                let known = sent.iter().any(|(id, _)| id == opening);
                assert!(known, "it follows what was never sent: {mail:?}");
            }
            let run = self.began.partition_point(|began| *began <= mail.at);
            assert!(sent.insert((id, run)), "sent twice without a crash between: {mail:?}");
        }
    }

    fn tell(&self, rounds: u64) {
        let (commands, mails) = (self.commands(), self.mail.mails());
        let deliveries = self.deliveries.count();
        let names: BTreeSet<_> = mails.iter().map(|mail| &mail.id).collect();
        let fullest = commands::none_is_over_its_ceiling(&commands, MAX_RESTARTS, WINDOW);
        println!(
            "killed {rounds} times, {} of them in the middle of an act; {} commands ran, at most \
             {fullest:?} of {MAX_RESTARTS} in an hour; {} times in the middle of a delivery; {} \
             mails, {} of them again after a crash; {} messages at the webhook, {} of them again \
             after a crash",
            self.amid_an_act,
            commands.len(),
            deliveries.amid_a_delivery,
            mails.len(),
            mails.len() - names.len(),
            deliveries.came,
            deliveries.again(),
        );
        assert!(self.amid_an_act > 0, "no act was interrupted: nothing is shown");
        assert!(commands.len() as u64 > rounds / 10, "next to nothing happened: nothing is shown");
        assert!(deliveries.amid_a_delivery > 0, "no delivery was interrupted: nothing is shown");
    }
}

fn registry() -> Value {
    json!({
        "dying": service("dying", "mayfly", "/bin/mayfly > /dev/null 2>&1 &"),
        "hopeless": service("hopeless", "gateway", "true"),
        "stable": service("stable", "database", "/bin/database > /dev/null 2>&1 &"),
    })
}

fn service(name: &str, process: &str, command: &str) -> Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "process", "process_name": format!("/bin/{process}( |$)"),
            "interval_seconds": 1, "timeout_seconds": 0.5, "confirm_interval_seconds": 0.2,
            "failure_threshold": 2, "success_threshold": 1,
        },
        "restart_cmd": format!("{}; {command}", commands::written_down(name)),
        "environment": { "AHEAD": "${VAI_TEST_AHEAD}" },
        "startup_delay_seconds": 0,
        "start_timeout_seconds": 1,
        "recovery": {
            "max_attempts": 3, "max_restarts": MAX_RESTARTS, "window_seconds": WINDOW.as_secs(),
            "backoff_initial_seconds": 0.5, "backoff_max_seconds": 2,
            "retry_after_give_up_seconds": 60,
        },
    })
}

fn environment(ahead: u64) -> Vec<(String, String)> {
    vec![("VAI_TEST_AHEAD".to_owned(), format!("ahead-{ahead}"))]
}

/// The mails with this headline, a regular expression, alone or beside few other
/// news or many.
fn told(mail: &MailCatcher, headline: &str) -> Vec<Mail> {
    let headline = Regex::new(&format!("(?m)^(== |  - )?{headline}")).expect("it is one");
    let tells = |mail: &Mail| headline.is_match(&mail.subject) || headline.is_match(&mail.text);
    mail.mails().into_iter().filter(tells).collect()
}
