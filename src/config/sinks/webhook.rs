use super::super::fields::Fields;
use super::super::http::{headers, keep};
use super::super::names::nearest;
use super::super::node::Node;
use super::super::notifications::{SinkKind, Templated};
use super::super::reader::Problem;
use super::super::template::{PLACEHOLDERS, Template, TemplateError};
use super::HELD;
use super::values::hook;
use vai_core::model::Secret;

pub(super) fn webhook(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let url = hook(fields, held);
    let headers = fields.get("headers").map(|node| headers(&node, HELD, held));
    let headers = headers.unwrap_or_default();
    let method = fields.get("method");
    let Some(body) = fields.get("body") else {
        if let Some(method) = method {
            method.report(
                Problem::error("without a `body` of its own a webhook is a POST")
                    .at_key()
                    .expected("remove it, or add a \"body\""),
            );
        }
        return Some(SinkKind::Webhook { url: url?, headers });
    };
    let method =
        method.map(|node| node.choice(&[("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH")]));
    let body = template(&body, is_form(&headers), held);
    let method = method.unwrap_or(Some("POST"));
    Some(SinkKind::Templated(Templated { url: url?, method: method?, headers, body: body? }))
}

/// Whether `headers` say that the body is a form.
fn is_form(headers: &[(String, Secret)]) -> bool {
    headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("content-type")
            && value.expose().starts_with("application/x-www-form-urlencoded")
    })
}

fn template(node: &Node<'_>, form: bool, held: &mut Option<String>) -> Option<Template> {
    node.text()?;
    let expanded = node.expand(HELD)?;
    keep(held, expanded.missing);
    match Template::parse(expanded.secret.expose(), form) {
        Ok(template) => Some(template),
        Err(TemplateError::Unknown(name)) => {
            let known: Vec<&str> = PLACEHOLDERS.iter().map(|(name, _)| *name).collect();
            let braced: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
            let meant = nearest(&name, known.iter().copied()).map(|name| format!("{{{name}}}"));
            node.report(
                Problem::error(format!("{{{name}}} stands for nothing"))
                    .expected(braced.join(", "))
                    .did_you_mean(meant.as_deref()),
            );
            None
        }
        Err(TemplateError::NotJson(why)) => {
            node.report(
                Problem::error(format!("this body begins like JSON and is none: {why}"))
                    .expected("JSON with its placeholders inside strings: \"{title}\""),
            );
            None
        }
    }
}
