use super::super::fields::Fields;
use super::super::http::keep;
use super::super::node::Node;
use super::super::notifications::{SinkKind, Smtp, SmtpTls};
use super::super::reader::Problem;
use super::{HELD, Shared};
use lettre::message::Mailbox;

pub(super) fn email(
    fields: &Fields<'_>,
    shared: &Shared,
    held: &mut Option<String>,
) -> Option<SinkKind> {
    let to = fields.required("to", "one address, or a list of them");
    let to = to.map(|node| {
        let addresses = node.one_or_many();
        if addresses.is_empty() {
            node.report(Problem::error("nobody gets this mail").expected("at least one address"));
        }
        let addresses = addresses.iter().filter_map(mail_address);
        addresses.collect::<Vec<_>>()
    });
    let Some((smtp, smtp_held)) = &shared.smtp else {
        fields.report(
            Problem::error("mail needs a server, and there is none in `notifications.smtp`")
                .at_key()
                .help("\"smtp\": { \"host\": \"smtp.example.com\", \"from\": \"vai@example.com\", … }"),
        );
        return None;
    };
    keep(held, smtp_held.clone());
    Some(SinkKind::Email { to: to?, smtp: smtp.clone() })
}

/// An address such as `ops@example.com` or `Ops <ops@example.com>`.
fn mail_address(node: &Node<'_>) -> Option<String> {
    let expanded = node.expand(HELD)?;
    let text = expanded.secret.expose();
    if expanded.missing.is_none() && text.parse::<Mailbox>().is_err() {
        node.report(Problem::error("not a mail address").expected("such as ops@example.com"));
        return None;
    }
    Some(text.to_owned())
}

/// A name that can be said to a mail server: a domain, or an address in
/// brackets.
fn helo_name(node: &Node<'_>) -> Option<String> {
    let name = node.text()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    if name.is_empty() || !name.bytes().all(allowed) {
        node.report(
            Problem::error("not a name that can be said to a mail server")
                .expected("such as \"vps1.example.com\" or \"[192.0.2.1]\""),
        );
        return None;
    }
    Some(name.to_owned())
}

/// Reads `notifications.smtp`.
pub(in crate::config) fn smtp(node: &Node<'_>) -> Option<(Smtp, Option<String>)> {
    const HELD: &str = "no mail is sent";
    let fields = node.fields()?;
    let mut held = None;
    let host = fields.required("host", "the name of the mail server");
    let host = host.and_then(|node| node.text()).map(str::to_owned);
    let tls = fields.get("tls").and_then(|node| {
        node.choice(&[
            ("starttls", SmtpTls::StartTls),
            ("tls", SmtpTls::Tls),
            ("none", SmtpTls::None),
        ])
    });
    let tls = tls.unwrap_or(SmtpTls::StartTls);
    let port = fields.get("port").and_then(|node| node.integer(1..=u16::MAX));
    let username = fields.get("username").and_then(|node| node.expand(HELD));
    let password = fields.get("password").and_then(|node| node.expand_secret(HELD));
    let from = fields.required("from", "the sender, such as vai@example.com");
    let from = from.and_then(|node| mail_address(&node));
    for missing in [&username, &password].into_iter().flatten() {
        keep(&mut held, missing.missing.clone());
    }
    let ca_file = fields.text("ca_file");
    let helo_name = fields.get("helo_name").and_then(|node| helo_name(&node));
    fields.close("`smtp`", &[]);
    let smtp = Smtp {
        host: host?,
        port: port.unwrap_or(match tls {
            SmtpTls::StartTls => 587,
            SmtpTls::Tls => 465,
            SmtpTls::None => 25,
        }),
        tls,
        username: username.map(|name| name.secret.expose().to_owned()),
        password: password.map(|password| password.secret),
        from: from?,
        ca_file,
        helo_name,
    };
    Some((smtp, held))
}
