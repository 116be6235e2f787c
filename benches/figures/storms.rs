//! How many messages come when very many services fail at once, each for
//! itself: nothing says that they have a cause in common.

use crate::daemon::Daemon;
use crate::lab::{Doors, HttpCatcher, Mail, MailCatcher, until};
use crate::table::{row, title};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

const SIZES: [usize; 3] = [10, 100, 500];

/// What is counted by itself.
const BEGINNING: Duration = Duration::from_secs(300);
/// All of them are well again and told by then.
const END: Duration = Duration::from_secs(300);
/// So long it is looked whether anything more comes.
const CALM: Duration = Duration::from_secs(30);

/// What came at a sink.
struct Count {
    sink: &'static str,
    beginning: usize,
    end: usize,
}

/// What came of one storm.
struct Storm {
    size: usize,
    /// How many services the mails of the beginning name.
    named: usize,
    counts: [Count; 2],
    subjects: Vec<String>,
}

/// Prints the figures. The storms rage side by side, each with a `vai` of its
/// own.
pub(crate) fn measure() {
    let doors = SIZES.map(Doors::open);
    let storms = thread::scope(|scope| {
        let threads = doors.map(|doors| scope.spawn(|| rage(doors)));
        threads.map(|thread| thread.join().expect("a storm was measured"))
    });
    title("Storms: services that fail at once, checked every 60 s, all times as by default");
    for storm in storms {
        for Count { sink, beginning, end } in storm.counts {
            row(
                &format!("{} services, {sink}: in 5 min / when over", storm.size),
                format!("{beginning} / {end}"),
            );
        }
        row("named in the mails of the beginning", storm.named);
        for subject in storm.subjects {
            row("", subject);
        }
    }
}

fn rage(mut doors: Doors) -> Storm {
    let size = doors.ports().len();
    let (mail, phone) = (MailCatcher::start(), HttpCatcher::start("200 OK", "{}"));
    let vai = Daemon::run(&registry(&mail, &phone, doors.ports()));
    for _ in 0..size {
        vai.line("→ healthy");
    }
    doors.close(0..size);
    thread::sleep(BEGINNING);
    let beginning = (mail.mails(), phone.requests().len());

    doors.open_again(0..size);
    let told = || mail.mails().last().is_some_and(|mail| mail.subject.contains("RESOLVED"));
    until(END, || told().then_some(()));
    thread::sleep(CALM);
    let (mails, requests) = (mail.mails(), phone.requests());
    let counts = [
        Count { sink: "mail", beginning: beginning.0.len(), end: mails.len() - beginning.0.len() },
        Count {
            sink: "ntfy (stand-in)",
            beginning: beginning.1,
            end: requests.len() - beginning.1,
        },
    ];
    let subjects = mails.into_iter().map(|mail| mail.subject).collect();
    Storm { size, named: named(size, &beginning.0), counts, subjects }
}

fn registry(mail: &MailCatcher, phone: &HttpCatcher, ports: &[u16]) -> Value {
    let service = |(number, port): (usize, &u16)| {
        let service = json!({
            "health_check": { "type": "tcp", "port": port },
            "recovery": { "action": "alert" },
        });
        (name(number), service)
    };
    let services: Map<String, Value> = ports.iter().enumerate().map(service).collect();
    json!({
        "services": services,
        "notifications": {
            "channels": { "alerts": [
                { "type": "email", "to": ["ops@example.com"] },
                { "type": "ntfy", "server": phone.url(""), "topic": "ops" },
            ] },
            "smtp": mail.smtp(),
        },
    })
}

fn name(number: usize) -> String {
    format!("service-{number:03}")
}

fn named(size: usize, mails: &[Mail]) -> usize {
    let names: BTreeSet<String> = (0..size).map(name).collect();
    let is_named = |name: &&String| mails.iter().any(|mail| mail.text.contains(*name));
    names.iter().filter(is_named).count()
}
