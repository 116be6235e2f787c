//! The agent: the same binary inside a container, as one long-lived exec that
//! speaks over its standard input and output.

use super::frames;
use super::perform::{Here, perform};
use super::run::{Runs, Supervisors};
use super::watch::{Death, Watcher};
use super::wire::{Frame, PROTOCOL, Request};
use crate::clock::Deadline;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::env;
use std::fs;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Its stream may stay open although nobody is left at the other end: an
/// engine with `live-restore` went away and came back.
const LEAVE_AFTER_SILENCE: Duration = Duration::from_secs(30);

/// Requests at work at a time; further ones wait in the stream.
const REQUESTS_LIMIT: usize = 64;

/// Frames that wait for the stream to take them.
const QUEUE: usize = 64;

/// Every build of the agent has a file name of its own with this beginning.
pub const FILE_PREFIX: &str = "agent-";

/// Serves until `input` ends or nothing comes from it for 30 s. Whatever is at
/// work then is abandoned; checks' commands are killed, runs of jobs are not:
/// their supervisors, children of this process, are returned.
///
/// # Errors
/// When a stream breaks or carries something else than requests.
pub async fn serve<R, W>(input: R, output: W) -> (Supervisors, io::Result<()>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    serve_until_silence(input, output, LEAVE_AFTER_SILENCE).await
}

async fn serve_until_silence<R, W>(
    input: R,
    output: W,
    silence: Duration,
) -> (Supervisors, io::Result<()>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (frames, queue) = mpsc::channel(QUEUE);
    frames.send(Frame::Hello { protocol: PROTOCOL }).await.ok();
    let (deaths, died) = mpsc::channel(QUEUE);
    let (over, ended) = mpsc::channel(QUEUE);
    let here = Here {
        watcher: Watcher::new(deaths),
        runs: Runs::new(PathBuf::from("/proc/self/exe"), over),
    };
    let supervisors = here.runs.supervisors();
    let here = Arc::new(here);
    let mut at_work = JoinSet::new();
    let end = tokio::select! {
        end = receive(input, &frames, &here, &mut at_work, silence) => end,
        end = send(output, queue) => end,
        never = tell(died, &frames, |Death { watch, process }| Frame::Died { watch, process }) => never,
        never = tell(ended, &frames, |mark| Frame::Over { mark }) => never,
    };
    at_work.shutdown().await;
    (supervisors, end)
}

async fn receive<R: AsyncRead + Unpin>(
    input: R,
    frames: &mpsc::Sender<Frame>,
    here: &Arc<Here>,
    at_work: &mut JoinSet<()>,
    silence: Duration,
) -> io::Result<()> {
    let mut requests = frames::reader(input);
    let mut deadline = Deadline::after(silence);
    loop {
        let request = tokio::select! {
            Some(done) = at_work.join_next() => {
                if let Err(error) = done {
                    tracing::error!("a request broke off: {error}");
                }
                continue;
            }
            // What came while this process was frozen still counts.
            next = deadline.bound(requests.next()), if at_work.len() < REQUESTS_LIMIT => next,
        };
        let Some(request) = request else {
            return Ok(());
        };
        let request: Request = match request {
            Some(frame) => frames::decode(&frame?)?,
            None => return Ok(()),
        };
        deadline = Deadline::after(silence);
        let (frames, here) = (frames.clone(), Arc::clone(here));
        at_work.spawn(async move {
            let answer = perform(request.op, &here).await;
            let id = request.id;
            // The stream is gone: then nobody waits for it.
            let _ = frames.send(Frame::Answer { id, answer }).await;
        });
    }
}

async fn send<W: AsyncWrite + Unpin>(
    output: W,
    mut queue: mpsc::Receiver<Frame>,
) -> io::Result<()> {
    let mut output = frames::writer(output);
    while let Some(frame) = queue.recv().await {
        let frame: Bytes = frames::encode(&frame)
            .map_err(|_too_large| io::Error::other("an answer does not fit into a frame"))?;
        output.send(frame).await?;
    }
    Ok(())
}

/// Tells what happens unasked.
async fn tell<T>(
    mut happens: mpsc::Receiver<T>,
    frames: &mpsc::Sender<Frame>,
    frame: impl Fn(T) -> Frame,
) -> io::Result<()> {
    while let Some(what) = happens.recv().await {
        if frames.send(frame(what)).await.is_err() {
            break;
        }
    }
    pending().await
}

/// Removes the files of other builds beside this one's, as far as it may. Does
/// nothing for a binary that was not placed as an agent.
pub fn remove_other_builds() {
    let Ok(own) = env::current_exe() else {
        return;
    };
    if let Some(folder) = own.parent() {
        remove_siblings(folder, &own);
    }
}

fn remove_siblings(folder: &Path, own: &Path) {
    let is_agent = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(FILE_PREFIX))
    };
    let Ok(siblings) = fs::read_dir(folder) else {
        return;
    };
    if !is_agent(own) {
        return;
    }
    for sibling in siblings.flatten().map(|entry| entry.path()) {
        if sibling != own && is_agent(&sibling) {
            // A read-only or foreign folder: it costs some megabytes only.
            let _ = fs::remove_file(sibling);
        }
    }
}

#[cfg(test)]
mod tests;
