//! The `http` check: a reply that meets every expectation.

mod body;
mod expect;
mod request;
mod tls;

use crate::check::connect::{self, Unresolved};
use crate::check::{blocking, words};
use crate::clock::{self, Deadline};
use hyper::header::LOCATION;
use hyper::{Method, StatusCode};
use request::{Reply, Target};
use std::net::SocketAddr;
use std::time::Duration;
use url::Url;
use vai_core::model::{Fault, FaultKind, HttpCheck, Outcome};

/// Redirects followed where `follow_redirects` asks for it.
const MAX_REDIRECTS: usize = 5;

/// Ends a sentence about a chain of redirects that is longer.
const AS_FAR_AS: &str = "which is as far as they are followed";

pub(super) async fn look(check: &HttpCheck, deadline: Deadline) -> Outcome {
    let began = clock::boot_time();
    match follow(check, deadline).await {
        Ok(reply) => {
            let took = clock::boot_time().since(began);
            judge(check, reply, took, deadline).await
        }
        Err(outcome) => outcome,
    }
}

/// Judges a reply; a body that is looked at has a thread of its own, for one
/// that is large or made to be costly would hold up other checks.
async fn judge(check: &HttpCheck, reply: Reply, took: Duration, deadline: Deadline) -> Outcome {
    if !request::needs_body(check) {
        return expect::judge(check, &reply, took);
    }
    let lane = format!("body {}", check.shown);
    let asked = reply.asked.clone();
    let check = check.clone();
    let judging = blocking::run(&lane, deadline, move || expect::judge(&check, &reply, took));
    judging.await.unwrap_or_else(|| {
        let within = words::span(deadline.span());
        Outcome::Unknown(format!("{asked} was answered, but could not be judged within {within}"))
    })
}

/// The port that the endpoint names or its scheme implies.
pub(super) fn port(check: &HttpCheck) -> Option<u16> {
    Url::parse(check.endpoint.expose()).ok()?.port_or_known_default()
}

/// The reply of the endpoint, or of where it redirects to.
async fn follow(check: &HttpCheck, deadline: Deadline) -> Result<Reply, Outcome> {
    let mut target = Target::endpoint(check)?;
    let mut asked = Vec::new();
    loop {
        let addresses = reachable(&target, deadline).await?;
        let reply = request::send(check, &target, &addresses, deadline).await?;
        if !check.follow_redirects || !reply.status.is_redirection() {
            return Ok(reply);
        }
        let Some(location) = reply.headers.get(LOCATION) else {
            return Ok(reply);
        };
        asked.push((target.method.clone(), target.url.clone()));
        if asked.len() > MAX_REDIRECTS {
            let shown = &check.shown;
            let why = format!("{shown} redirects more than {MAX_REDIRECTS} times, {AS_FAR_AS}");
            return Err(Outcome::Unknown(why));
        }
        let next = location.to_str().ok();
        let next = next.and_then(|next| target.url.join(next).ok());
        target = match next {
            Some(url) => redirected(&target, &reply, url)?,
            None => return Err(refused(&reply, "redirects to no valid address")),
        };
        if asked.iter().any(|(method, url)| (method, url) == (&target.method, &target.url)) {
            return Err(refused(&reply, "redirects in a circle"));
        }
    }
}

/// The next target, once it is clear that it may be one.
fn redirected(from: &Target, reply: &Reply, to: Url) -> Result<Target, Outcome> {
    if !matches!(to.scheme(), "http" | "https") {
        return Err(refused(reply, "redirects to something that is not HTTP"));
    }
    let is_local = |url: &Url| url.host_str().is_some_and(super::owner::is_loopback);
    if is_local(&to) && !is_local(&from.url) {
        return Err(refused(reply, "redirects to this very machine"));
    }
    let keeps_method =
        matches!(reply.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
            || matches!(from.method, Method::GET | Method::HEAD);
    let same_origin = to.origin() == from.url.origin();
    Ok(Target {
        shown: request::shown(&to),
        // Credentials are for the endpoint alone.
        credentials: from.credentials && same_origin,
        body: from.body && same_origin && keeps_method,
        method: if keeps_method { from.method.clone() } else { Method::GET },
        is_endpoint: false,
        url: to,
    })
}

/// The addresses of a target that may be connected to. Where the registry sends
/// us to one that we refuse we could not look; an answer that does is wrong.
async fn reachable(target: &Target, deadline: Deadline) -> Result<Vec<SocketAddr>, Outcome> {
    let resolved = connect::resolve(target.host(), target.port(), deadline).await;
    resolved.map_err(|unresolved| match unresolved {
        Unresolved::LinkLocal(refusal) if !target.is_endpoint => {
            let detail = format!("redirected to {}: {refusal}", target.shown);
            Outcome::Fail(Fault::new(FaultKind::Connect, detail))
        }
        unresolved => unresolved.into(),
    })
}

fn refused(reply: &Reply, what: &str) -> Outcome {
    let detail = format!("{} {what}", reply.asked);
    Outcome::Fail(Fault::new(FaultKind::Protocol, detail))
}

#[cfg(test)]
mod tests;
