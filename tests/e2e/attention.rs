//! What an operator says about messages: silences, acknowledgements, tests.

use crate::lab::{MailCatcher, Vai, eventually, never};
use crate::services::flag;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A vai that watches the flag `shop`, and reminds after 3 s.
struct Shop {
    _folder: TempDir,
    flag: PathBuf,
    mail: MailCatcher,
    vai: Vai,
}

impl Shop {
    fn open() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("up");
        File::create(&path).expect("it can be made");
        let mail = MailCatcher::start();
        let mut notifications = mail.notifications();
        notifications["repeat_interval_seconds"] = json!(3);
        let registry =
            json!({ "services": { "shop": flag(&path) }, "notifications": notifications });
        let vai = Vai::on_host(&registry);
        vai.wait_for_state("shop", "healthy");
        Self { _folder: folder, flag: path, mail, vai }
    }

    fn fail(&self) {
        fs::remove_file(&self.flag).expect("it is there");
        self.vai.wait_for_state("shop", "down");
    }

    fn mend(&self) {
        File::create(&self.flag).expect("it can be made");
        self.vai.wait_for_state("shop", "healthy");
    }

    fn says(&self, arguments: &[&str]) -> String {
        let said = self.vai.cli(arguments);
        assert!(said.status.success(), "{arguments:?}: {said:?}");
        String::from_utf8(said.stdout).expect("text")
    }

    fn refuses(&self, arguments: &[&str]) -> String {
        let said = self.vai.cli(arguments);
        assert!(!said.status.success(), "{arguments:?}: {said:?}");
        String::from_utf8(said.stderr).expect("text")
    }

    fn incidents(&self) -> Vec<Value> {
        serde_json::from_str(&self.says(&["incidents", "--json"])).expect("JSON")
    }
}

#[test]
fn a_silence_hides_an_outage_until_it_is_taken_back() {
    let shop = Shop::open();
    let said = shop.says(&["silence", "shop", "--for", "2h", "--reason", "it moves"]);
    assert!(said.starts_with("no messages about shop for 2 h; "), "{said}");
    shop.fail();
    never("a mail in a silence", Duration::from_secs(5), || shop.mail.mails().pop());
    let open = shop.says(&["incidents"]);
    assert!(open.contains("shop-") && open.contains("no flag"), "{open}");
    let status = shop.says(&["status"]);
    assert!(status.contains("it moves"), "who looks sees that it is silenced: {status}");

    assert_eq!(shop.says(&["unsilence", "shop"]), "messages about shop are sent again\n");
    let told = shop.mail.wait_for(1);
    assert!(told.subject.contains("shop"), "{told:?}");
    assert!(shop.refuses(&["unsilence", "shop"]).contains("shop is not silenced"));
}

#[test]
fn a_silence_ends_by_itself_and_what_is_still_wrong_is_told() {
    let shop = Shop::open();
    shop.says(&["silence", "--all", "--for", "12s"]);
    shop.fail();
    assert_eq!(shop.mail.mails(), []);
    let told = shop.mail.wait_for(1);
    assert!(told.subject.contains("shop"), "{told:?}");
}

#[test]
fn an_acknowledged_outage_is_not_reminded_of_and_its_end_is_told() {
    let shop = Shop::open();
    assert_eq!(shop.says(&["incidents"]), "none\n");
    shop.fail();
    let reminder = shop.mail.wait_for(2);
    assert!(reminder.subject.starts_with("STILL DOWN shop"), "{reminder:?}");

    let said = shop.says(&["ack", "shop"]);
    assert!(said.starts_with("shop is acknowledged: no more reminders"), "{said}");
    assert!(shop.says(&["incidents"]).contains("(acknowledged)"));
    assert!(shop.incidents()[0]["acknowledged"].is_number());
    let told = shop.mail.mails().len();
    never("a reminder besides one that was on its way", Duration::from_secs(10), || {
        let mails = shop.mail.mails();
        (mails.len() > told + 1).then_some(mails)
    });
    shop.mend();
    eventually("its end", Duration::from_secs(30), || {
        let mails = shop.mail.mails();
        mails.last().filter(|last| last.subject.starts_with("RESOLVED shop")).map(|_| ())
    });
    assert_eq!(shop.says(&["incidents"]), "none\n");
    let closed = shop.says(&["incidents", "--closed"]);
    assert!(closed.contains("shop-") && closed.contains("no flag"), "{closed}");
    assert!(!closed.contains("(acknowledged)"), "{closed}");
}

#[test]
fn what_cannot_be_silenced_or_acknowledged_is_refused_with_what_there_is() {
    let shop = Shop::open();
    assert!(shop.refuses(&["ack", "shop"]).contains("no incident is open"));
    let unknown = shop.refuses(&["silence", "shoop", "--for", "1h"]);
    assert!(
        unknown.contains("there is no service \"shoop\" in the registry; did you mean \"shop\"?"),
        "{unknown}"
    );
    let unknown = shop.refuses(&["silence", "--container", "db", "--for", "1h"]);
    assert!(unknown.contains("no service or job of the registry is in container db"), "{unknown}");
    let long = shop.refuses(&["silence", "shop", "--for", "31d"]);
    assert!(long.contains("a silence lasts up to 30 d"), "{long}");
    let never_ending = shop.refuses(&["silence", "shop"]);
    assert!(never_ending.contains("--for"), "{never_ending}");
}

#[test]
fn a_test_message_takes_the_real_way_and_each_answer_is_said() {
    let shop = Shop::open();
    let said = shop.says(&["test-alert", "alerts"]);
    assert!(said.starts_with("alerts[0] email: sent in "), "{said}");
    let mail = shop.mail.wait_for(1);
    assert!(mail.subject.to_lowercase().contains("test"), "{mail:?}");
    assert!(mail.text.contains("nothing is wrong"), "{mail:?}");
    let unknown = shop.refuses(&["test-alert", "alarms"]);
    assert!(unknown.contains("there is no channel alarms; the registry has alerts"), "{unknown}");
}
