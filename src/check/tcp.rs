//! The `tcp` check: a connection that opens and, where asked, answers.

use super::{connect, words};
use crate::clock::Deadline;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vai_core::model::{Fault, FaultKind, Outcome, TcpCheck};

/// How much of a reply is kept, in bytes (behaviour.md, section 1).
const REPLY_LIMIT: usize = 4 * 1024;

pub(super) async fn look(check: &TcpCheck, deadline: Deadline) -> Outcome {
    match talk(check, deadline).await {
        Ok(()) => Outcome::Pass,
        Err(outcome) => outcome,
    }
}

async fn talk(check: &TcpCheck, deadline: Deadline) -> Result<(), Outcome> {
    let addresses = connect::resolve(&check.host, check.port, deadline).await?;
    let mut stream = connect::connect(&check.host, &addresses, deadline).await?;
    let at = stream.peer_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], check.port)));
    let broken = |error: &io::Error| {
        if connect::is_our_own(error) {
            return connect::could_not_look(error);
        }
        let detail = format!("the connection to {at} broke: {}", words::plain(error));
        Outcome::Fail(Fault::new(FaultKind::Connect, detail))
    };

    if let Some(send) = &check.send {
        let sending = stream.write_all(send.expose().as_bytes());
        match deadline.bound(sending).await {
            Some(sent) => sent.map_err(|error| broken(&error))?,
            None => return Err(no_reply(at, deadline, "it takes no bytes")),
        }
    }
    let Some(expected) = &check.expect else {
        return Ok(());
    };
    let mut reply = Vec::new();
    let reading = find(&mut stream, expected.as_bytes(), &mut reply);
    match deadline.bound(reading).await {
        Some(Ok(Read::Found)) => Ok(()),
        Some(Ok(Read::TooMuch)) => Err(beyond(at, expected)),
        Some(Err(error)) => Err(broken(&error)),
        None if reply.is_empty() => Err(no_reply(at, deadline, "connected")),
        Some(Ok(Read::Ended)) | None => Err(mismatch(at, expected, &reply)),
    }
}

/// How the reading of a reply ended.
enum Read {
    Found,
    Ended,
    TooMuch,
}

/// Reads until `wanted` has come, or the stream or the limit ends.
async fn find(stream: &mut TcpStream, wanted: &[u8], reply: &mut Vec<u8>) -> io::Result<Read> {
    let mut chunk = [0; 1024];
    while reply.len() < REPLY_LIMIT {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(Read::Ended);
        }
        let room = REPLY_LIMIT - reply.len();
        reply.extend_from_slice(&chunk[..read.min(room)]);
        if wanted.is_empty() || reply.windows(wanted.len()).any(|window| window == wanted) {
            return Ok(Read::Found);
        }
    }
    Ok(Read::TooMuch)
}

fn no_reply(at: SocketAddr, deadline: Deadline, state: &str) -> Outcome {
    let within = words::span(deadline.span());
    let detail = format!("no answer from {at} within {within} ({state})");
    Outcome::Fail(Fault::new(FaultKind::Timeout, detail))
}

fn beyond(at: SocketAddr, expected: &str) -> Outcome {
    let expected = words::excerpt(expected.as_bytes());
    let limit = words::size(u64::try_from(REPLY_LIMIT).unwrap_or(u64::MAX));
    Outcome::Unknown(format!(
        "\"{expected}\" is not in the first {limit} that {at} answered, and no more is read"
    ))
}

fn mismatch(at: SocketAddr, expected: &str, reply: &[u8]) -> Outcome {
    let expected = words::excerpt(expected.as_bytes());
    let detail = match words::excerpt(reply).as_str() {
        "" => format!("{at} closed the connection without an answer, expected \"{expected}\""),
        reply => format!("{at} answered \"{reply}\", expected \"{expected}\""),
    };
    Outcome::Fail(Fault::new(FaultKind::Body, detail))
}
