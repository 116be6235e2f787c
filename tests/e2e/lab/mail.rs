use super::eventually;
use super::output::Lines;
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A real SMTP server that keeps what it gets; ended when dropped.
pub(crate) struct MailCatcher {
    child: Child,
    lines: Lines,
    port: u16,
}

/// A mail as its reader sees it, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Mail {
    /// The envelope's recipients.
    pub(crate) to: Vec<String>,
    /// The subject.
    pub(crate) subject: String,
    /// Its `Message-ID`.
    pub(crate) id: Option<String>,
    /// The `Message-ID` of the mail that it follows.
    pub(crate) in_reply_to: Option<String>,
    /// The `Message-ID`s of all mails that it follows.
    pub(crate) references: Vec<String>,
    /// When it came, in milliseconds of the boot clock.
    pub(crate) at: u64,
    /// The plain text.
    pub(crate) text: String,
    /// The same for who reads HTML.
    pub(crate) html: String,
}

impl MailCatcher {
    /// Runs it on a free port of the loopback.
    ///
    /// # Panics
    ///
    /// If `VAI_E2E_PYTHON` names no Python with aiosmtpd; `tests/run` sees to
    /// that.
    pub(crate) fn start() -> Self {
        let lines = Lines::default();
        let child = run(0, &lines);
        let (port, _) = lines.wait_for(0, r"^\d+$", Duration::from_secs(20));
        let port = port.parse().expect("a port is a number");
        Self { child, lines, port }
    }

    /// As if the server was down: nobody listens there any more.
    pub(crate) fn stop(&mut self) {
        self.child.kill().expect("it still runs");
        self.child.wait().expect("a child can be waited for");
    }

    /// Ends that. What came before stays.
    pub(crate) fn start_again(&mut self) {
        let read = self.lines.all().len();
        self.child = run(self.port, &self.lines);
        self.lines.wait_for(read, r"^\d+$", Duration::from_secs(20));
    }

    /// The registry's `notifications.smtp` that leads here.
    pub(crate) fn smtp(&self) -> Value {
        json!({ "host": "127.0.0.1", "port": self.port, "tls": "none", "from": "vai@example.com" })
    }

    /// The registry's `notifications` that send everything here.
    pub(crate) fn notifications(&self) -> Value {
        json!({
            "channels": { "alerts": [{ "type": "email", "to": ["ops@example.com"] }] },
            "smtp": self.smtp(),
            "group_wait_seconds": 1,
        })
    }

    /// All mails so far, oldest first.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.lines.look(|lines| mails_in(lines).map(read).collect())
    }

    /// How many mails have come so far.
    pub(crate) fn count(&self) -> usize {
        self.lines.look(|lines| mails_in(lines).count())
    }

    /// Waits until there are `count` mails, and hands back the last of them.
    pub(crate) fn wait_for(&self, count: usize) -> Mail {
        eventually(&format!("mail {count}"), Duration::from_secs(60), || {
            self.lines.look(|lines| mails_in(lines).nth(count - 1).map(read))
        })
    }
}

/// The catcher prints a mail a line.
fn mails_in(lines: &[String]) -> impl Iterator<Item = &str> {
    lines.iter().map(String::as_str).filter(|line| line.starts_with('{'))
}

fn read(line: &str) -> Mail {
    serde_json::from_str(line).expect("the catcher prints JSON")
}

fn run(port: u16, lines: &Lines) -> Child {
    let mut child = python("mail_catcher.py")
        .arg(port.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python can be run");
    lines.follow(child.stdout.take().expect("stdout is piped"));
    child
}

/// What runs a script of the lab's own.
pub(super) fn python(script: &str) -> Command {
    let python = std::env::var_os("VAI_E2E_PYTHON")
        .expect("VAI_E2E_PYTHON names a Python with aiosmtpd; tests/run makes it");
    let mut command = Command::new(python);
    command.arg(format!("{}/tests/e2e/lab/{script}", env!("CARGO_MANIFEST_DIR")));
    command
}

impl Drop for MailCatcher {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
