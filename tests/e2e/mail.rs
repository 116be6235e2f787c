//! The lab's own mail catcher decodes what a reader would see.

use crate::lab::MailCatcher;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{Message, SmtpTransport, Transport};

#[test]
fn the_catcher_keeps_what_was_sent() {
    let catcher = MailCatcher::start();
    let address = |text: &str| text.parse::<Mailbox>().expect("an address");
    let mail = Message::builder()
        .from(address("vai@example.com"))
        .to(address("ops@example.com"))
        .subject("redis is down — 12:01")
        .header(ContentType::TEXT_PLAIN)
        .body("Größe: 4 KiB".to_owned())
        .expect("a mail");
    let port = catcher.smtp()["port"].as_u64().expect("a number");
    let port = u16::try_from(port).expect("a port");
    let sender = SmtpTransport::builder_dangerous("127.0.0.1").port(port).build();
    sender.send(&mail).expect("the catcher takes it");

    let caught = catcher.wait_for(1);
    assert_eq!(caught.to, ["ops@example.com"]);
    assert_eq!(caught.subject, "redis is down — 12:01");
    assert_eq!(caught.text.trim_end(), "Größe: 4 KiB");
}
