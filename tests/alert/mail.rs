use crate::common::{alerter, arrived, notice, wait_for};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use vai::alert::SinkStatus;
use vai::config::{SinkKind, Smtp, SmtpTls};
use vai_core::model::MessageId;
use vai_core::model::NoticeKind::{Opened, Resolved};
use vai_core::model::Secret;

/// A running aiosmtpd; it ends with its standard input.
struct Catcher {
    port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

#[derive(Debug, Deserialize)]
struct Mail {
    to: Vec<String>,
    headers: BTreeMap<String, String>,
    body: String,
    html: String,
    parts: Vec<String>,
    encrypted: bool,
    authenticated: bool,
    name: String,
    extended: bool,
}

impl Catcher {
    async fn start(arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alert/smtp_catcher.py");
        let mut child =
            Command::new(std::env::var_os("VAI_E2E_PYTHON").unwrap_or_else(|| "python3".into()))
                .arg(script)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("python3 is needed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .next_line()
            .await
            .unwrap()
            .expect("aiosmtpd is needed; tests/run makes a Python that has it")
            .parse()
            .unwrap();
        Self { port, lines, _child: child }
    }

    async fn next(&mut self) -> Mail {
        let line = tokio::time::timeout(Duration::from_secs(20), self.lines.next_line());
        let line = line.await.expect("a mail within 20 s").unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn sink(&self, tls: SmtpTls, to: &[&str]) -> SinkKind {
        SinkKind::Email {
            to: to.iter().map(|to| (*to).to_owned()).collect(),
            smtp: Smtp {
                host: "localhost".to_owned(),
                port: self.port,
                tls,
                username: None,
                password: None,
                from: "vai on vps1 <vai@example.com>".to_owned(),
                ca_file: None,
                helo_name: None,
            },
        }
    }
}

fn changed(sink: SinkKind, change: impl Fn(&mut Smtp)) -> SinkKind {
    match sink {
        SinkKind::Email { to, mut smtp } => {
            change(&mut smtp);
            SinkKind::Email { to, smtp }
        }
        other => other,
    }
}

/// A self-signed certificate for localhost, as a careful operator makes it: its
/// path and its key's.
pub(crate) async fn certificate(folder: &Path) -> (String, String) {
    let san = ["-addext", "subjectAltName=DNS:localhost"];
    let no_authority = ["-addext", "basicConstraints=critical,CA:FALSE"];
    made_certificate(folder, &[san, no_authority].concat()).await
}

/// A self-signed certificate as `openssl req -x509` makes it: an authority, and
/// without a name that counts.
pub(crate) async fn usual_certificate(folder: &Path) -> (String, String) {
    made_certificate(folder, &[]).await
}

async fn made_certificate(folder: &Path, more: &[&str]) -> (String, String) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost"])
        .args(more)
        .args(["-keyout", &key, "-out", &cert])
        .output()
        .await
        .expect("openssl is needed");
    assert!(output.status.success(), "{output:?}");
    (cert, key)
}

#[tokio::test]
async fn a_mail_can_be_read_and_its_end_belongs_to_it() {
    let mut catcher = Catcher::start(&[]).await;
    let sink = catcher.sink(SmtpTls::None, &["ops@example.com", "cto@example.com"]);
    let alerter = alerter(&[sink]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    let mail = catcher.next().await;
    assert_eq!(mail.to, ["ops@example.com", "cto@example.com"]);
    let header = |mail: &Mail, name: &str| mail.headers[name].clone();
    assert_eq!(
        header(&mail, "subject"),
        "DOWN redis (services): connection refused, 2 restarts failed"
    );
    assert_eq!(header(&mail, "from"), "vai on vps1 <vai@example.com>");
    assert_eq!(header(&mail, "auto-submitted"), "auto-generated");
    let kind = header(&mail, "content-type");
    assert!(kind.starts_with("multipart/alternative; "), "{kind}");
    assert_eq!(mail.parts, ["text/plain", "text/html"], "the better one comes last");
    assert!(mail.headers.contains_key("date"));
    assert!(mail.body.contains("größer als erlaubt"), "{}", mail.body);
    assert!(mail.body.contains("| AUTH ***"), "{}", mail.body);
    let command = "docker exec vai-container /vai status redis";
    assert!(mail.body.contains(command) && mail.html.contains(command), "{}", mail.body);
    assert!(mail.html.contains("größer als erlaubt"), "{}", mail.html);
    assert!(mail.html.contains("AUTH ***") && !mail.html.contains("hunter22"), "{}", mail.html);
    let id = header(&mail, "message-id");
    assert!(id.ends_with("@example.com>"), "{id}");

    arrived(&alerter, 0).await;
    alerter.deliver(MessageId(1), notice("redis", Resolved));
    let end = catcher.next().await;
    assert_eq!(
        header(&end, "subject"),
        "RESOLVED redis (services): was down 11:01–11:09, healed by restart_cmd, 2 attempts"
    );
    assert_eq!(header(&end, "in-reply-to"), id);
    assert_eq!(header(&end, "references"), id);
    assert_ne!(header(&end, "message-id"), id);
    alerter.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn encrypted_mail_with_a_password() {
    let folder = TempDir::new().unwrap();
    let (cert, key) = certificate(folder.path()).await;
    let ways: [(SmtpTls, &[&str]); 2] = [(SmtpTls::StartTls, &[]), (SmtpTls::Tls, &["--implicit"])];
    for (tls, more) in ways {
        let mut arguments = vec!["--cert", &cert, "--key", &key, "--auth"];
        arguments.extend(more);
        let mut catcher = Catcher::start(&arguments).await;
        let sink = changed(catcher.sink(tls, &["ops@example.com"]), |smtp| {
            smtp.username = Some("vai".to_owned());
            smtp.password = Some(Secret::from("hunter22"));
            smtp.ca_file = Some(cert.clone());
        });
        let alerter = alerter(&[sink]).await;
        alerter.deliver(MessageId(1), notice("redis", Opened));
        let mail = catcher.next().await;
        assert!(mail.authenticated, "{tls:?}");
        assert!(mail.encrypted, "{tls:?}");
        alerter.stop(Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_final_and_is_not_shown() {
    let catcher = Catcher::start(&["--auth"]).await;
    let sink = changed(catcher.sink(SmtpTls::None, &["ops@example.com"]), |smtp| {
        smtp.username = Some("vai".to_owned());
        smtp.password = Some(Secret::from("wrong-hunter22"));
    });
    let alerter = alerter(&[sink]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    let status = wait_for(&alerter, 0, |status| status.last_error.is_some()).await;
    let error = status.last_error.unwrap();
    assert!(error.starts_with("rejected: ") && error.contains("535"), "{error}");
    assert!(!error.contains("hunter22"), "{error}");
    assert_eq!(status.pending, 0);
}

#[tokio::test]
async fn a_server_without_a_trusted_certificate_gets_no_mail() {
    let folder = TempDir::new().unwrap();
    let (cert, key) = certificate(folder.path()).await;
    let catcher = Catcher::start(&["--cert", &cert, "--key", &key]).await;
    let plain = Catcher::start(&[]).await;
    let alerter = alerter(&[
        catcher.sink(SmtpTls::StartTls, &["ops@example.com"]),
        plain.sink(SmtpTls::StartTls, &["ops@example.com"]),
    ])
    .await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    let tried = |status: &SinkStatus| status.last_error.is_some();
    let untrusted = wait_for(&alerter, 0, tried).await;
    let error = untrusted.last_error.unwrap();
    assert!(error.to_lowercase().contains("certificate"), "{error}");
    assert_eq!(untrusted.pending, 1, "it may be renewed");
    let no_starttls = wait_for(&alerter, 1, tried).await;
    assert_eq!(no_starttls.last_sent, None, "{no_starttls:?}");
}

#[tokio::test]
async fn a_mail_that_was_put_off_comes_later() {
    let mut catcher = Catcher::start(&["--busy"]).await;
    let sink = catcher.sink(SmtpTls::None, &["ops@example.com"]);
    let alerter = alerter(&[sink]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    let status = wait_for(&alerter, 0, |status| status.last_error.is_some()).await;
    assert!(status.last_error.unwrap().contains("451"));
    catcher.next().await;
    let status = arrived(&alerter, 0).await;
    assert_eq!(status.last_error, None);
}

#[tokio::test]
async fn a_server_that_does_not_answer_the_goodbye_has_the_mail_once() {
    let mut catcher = Catcher::start(&["--clinging"]).await;
    let sink = catcher.sink(SmtpTls::None, &["ops@example.com"]);
    let alerter = alerter(&[sink]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    catcher.next().await;
    let status = arrived(&alerter, 0).await;
    assert_eq!(status.last_error, None);
    alerter.stop(Duration::from_secs(5)).await;
}

/// Everything that comes until `alerter` has nothing more to send: to whom, and
/// with which id.
async fn all_of(catcher: &mut Catcher, mails: usize) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for _ in 0..mails {
        let mail = catcher.next().await;
        all.extend(mail.to.into_iter().map(|to| (to, mail.headers["message-id"].clone())));
    }
    all.sort();
    all
}

fn people(mails: &[(String, String)]) -> Vec<&str> {
    mails.iter().map(|(to, _)| to.as_str()).collect()
}

#[tokio::test]
async fn who_is_put_off_or_refused_costs_nobody_else_a_copy() {
    let mut catcher = Catcher::start(&[]).await;
    let to = ["full@example.com", "ops@example.com", "refused@example.com"];
    let alerter = alerter(&[catcher.sink(SmtpTls::None, &to)]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    assert_eq!(catcher.next().await.to, ["ops@example.com"]);
    let failing = |status: &SinkStatus| status.last_error.is_some() && status.pending == 1;
    let status = wait_for(&alerter, 0, failing).await;
    let error = status.last_error.unwrap();
    assert!(error.contains("full@example.com: ") && error.contains("452"), "{error}");
    assert!(error.contains("refused@example.com: rejected: "), "{error}");
    assert!(status.next_try.is_some() && status.last_sent.is_some());
    // The next news comes to whoever can be told, and is the next mail there.
    alerter.deliver(MessageId(2), notice("nginx", Opened));
    let next = catcher.next().await;
    assert_eq!(next.to, ["ops@example.com"]);
    assert!(next.headers["subject"].contains("nginx"), "{:?}", next.headers);
}

#[tokio::test]
async fn a_server_that_takes_one_recipient_a_session_tells_all_of_them_once() {
    for arguments in [&["--single"][..], &["--single", "421"]] {
        let mut catcher = Catcher::start(arguments).await;
        let to = ["a@example.com", "b@example.com", "full@example.com", "c@example.com"];
        let alerter = alerter(&[catcher.sink(SmtpTls::None, &to)]).await;
        alerter.deliver(MessageId(1), notice("redis", Opened));
        let mails = all_of(&mut catcher, 3).await;
        assert_eq!(people(&mails), ["a@example.com", "b@example.com", "c@example.com"]);
        assert!(mails.iter().all(|(_, id)| *id == mails[0].1), "one message: {mails:?}");
        let status = wait_for(&alerter, 0, |status| status.last_error.is_some()).await;
        assert!(status.last_error.unwrap().starts_with("full@example.com: "));
    }
}

#[tokio::test]
async fn a_mail_that_is_put_off_because_of_one_recipient_reaches_the_others() {
    let mut catcher = Catcher::start(&["--whole"]).await;
    let to = ["a@example.com", "picky@example.com", "b@example.com"];
    let alerter = alerter(&[catcher.sink(SmtpTls::None, &to)]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    let mails = all_of(&mut catcher, 3).await;
    assert_eq!(people(&mails), ["a@example.com", "b@example.com", "picky@example.com"]);
    assert_eq!(arrived(&alerter, 0).await.last_error, None);
}

#[tokio::test]
async fn a_server_that_takes_its_time_over_a_mail_gets_it_once_and_others_meanwhile() {
    let mut catcher = Catcher::start(&["--held"]).await;
    let alerter = alerter(&[catcher.sink(SmtpTls::None, &["ops@example.com"])]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    wait_for(&alerter, 0, |status| status.pending == 1).await;
    alerter.deliver(MessageId(2), notice("nginx", Opened));
    // The first mail is not answered before the second is there.
    let subjects =
        [catcher.next().await, catcher.next().await].map(|mail| mail.headers["subject"].clone());
    assert!(subjects.iter().any(|it| it.contains("redis")), "{subjects:?}");
    assert!(subjects.iter().any(|it| it.contains("nginx")), "{subjects:?}");
    assert_eq!(arrived(&alerter, 0).await.last_error, None);
    alerter.deliver(MessageId(3), notice("postgres", Opened));
    let next = catcher.next().await.headers["subject"].clone();
    assert!(next.contains("postgres"), "no copy in between: {next}");
}

#[tokio::test]
async fn a_server_is_told_our_name_in_the_way_that_it_knows() {
    let host = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    for (arguments, helo_name, expected) in [
        (&[][..], None, host.as_str()),
        (&[], Some("vps1.example.com"), "vps1.example.com"),
        (&["--older"], Some("vps1.example.com"), "vps1.example.com"),
    ] {
        let mut catcher = Catcher::start(arguments).await;
        let sink = changed(catcher.sink(SmtpTls::None, &["ops@example.com"]), |smtp| {
            smtp.helo_name = helo_name.map(str::to_owned);
        });
        let alerter = alerter(&[sink]).await;
        alerter.deliver(MessageId(1), notice("redis", Opened));
        let mail = catcher.next().await;
        assert_eq!((mail.name.as_str(), mail.extended), (expected, arguments.is_empty()));
        assert_eq!(arrived(&alerter, 0).await.last_error, None);
    }
}

#[tokio::test]
async fn the_usual_self_signed_certificate_is_trusted_as_its_own_ca_file_only() {
    let folder = TempDir::new().unwrap();
    let (cert, key) = usual_certificate(folder.path()).await;
    let other = TempDir::new().unwrap();
    let (other_cert, _) = usual_certificate(other.path()).await;
    for (tls, more) in [(SmtpTls::StartTls, None), (SmtpTls::Tls, Some("--implicit"))] {
        let mut arguments = vec!["--cert", &cert, "--key", &key];
        arguments.extend(more);
        let mut catcher = Catcher::start(&arguments).await;
        let trusts = |file: &str| {
            changed(catcher.sink(tls, &["ops@example.com"]), |smtp| {
                smtp.ca_file = Some(file.to_owned());
            })
        };
        let wrong = alerter(&[trusts(&other_cert)]).await;
        wrong.deliver(MessageId(1), notice("nginx", Opened));
        let status = wait_for(&wrong, 0, |status| status.last_error.is_some()).await;
        assert!(status.last_error.unwrap().contains("certificate"), "{tls:?}");
        let right = alerter(&[trusts(&cert)]).await;
        right.deliver(MessageId(1), notice("redis", Opened));
        let mail = catcher.next().await;
        assert!(mail.encrypted && mail.headers["subject"].contains("redis"), "{tls:?}");
    }
}

#[tokio::test]
async fn one_refused_address_does_not_silence_the_others() {
    let mut catcher = Catcher::start(&[]).await;
    let to = ["refused@example.com", "ops@example.com"];
    let alerter = alerter(&[catcher.sink(SmtpTls::None, &to)]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    assert_eq!(catcher.next().await.to, ["ops@example.com"]);
    arrived(&alerter, 0).await;
}
