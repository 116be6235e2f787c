use serde::{Deserialize, Serialize};
use serde_json::Value;
use vai_core::model::{JobName, Run, RunId, ServiceName, SilenceScope};

/// The version of what is spoken over the socket: `"v"` in every line.
pub const PROTOCOL: u32 = 1;

/// The socket's name in the state folder.
pub const SOCKET: &str = "control.sock";

/// A line may be no longer, in bytes.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// A line from an operator's command: `{"v":1,"cmd":"pause","service":"redis"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`PROTOCOL`].
    pub v: u32,
    /// What is asked.
    #[serde(flatten)]
    pub command: Command,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
pub enum Command {
    /// Answered by a [`Snapshot`](super::Snapshot).
    Status,
    /// Answered by a [`Health`](super::Health).
    Health,
    /// Check on, act no more. Answered, like all that follow, by a sentence.
    Pause {
        /// Which.
        service: ServiceName,
    },
    /// End a pause.
    Resume {
        /// Which.
        service: ServiceName,
    },
    /// Stop it and leave it alone.
    Stop {
        /// Which.
        service: ServiceName,
    },
    /// End a stop and start it.
    Start {
        /// Which.
        service: ServiceName,
    },
    /// Somebody looks after an open incident: no more reminders.
    Acknowledge {
        /// Its id, or what is down.
        incident: String,
    },
    /// Hide messages for a while.
    Silence {
        /// About what: `"everything"`, `{"service":"redis"}` (or a job's name),
        /// `{"job":"backup"}`, `{"container":"services"}`.
        scope: SilenceScope,
        /// For how long.
        seconds: u64,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// End a silence.
    Unsilence {
        /// About what.
        scope: SilenceScope,
    },
    /// Read the registry again.
    Reload {
        /// Even if it drops more than half of the services.
        #[serde(default)]
        force: bool,
    },
    /// Run a job now. Answered by an [`Answer::Begun`].
    JobRun {
        /// Which.
        job: JobName,
    },
    /// Run a job by the clock no more.
    JobPause {
        /// Which.
        job: JobName,
    },
    /// End the pause of a job.
    JobResume {
        /// Which.
        job: JobName,
    },
    /// What a run has written. Answered by a [`JobOutput`].
    JobOutput {
        /// The job.
        job: JobName,
        /// Its run.
        run: RunId,
        /// From where on.
        #[serde(flatten)]
        from: OutputAt,
    },
}

/// A place in the output of a run: each of its tries writes its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputAt {
    /// The try, counted from 1.
    pub attempt: u32,
    /// The byte, counted from 0.
    pub byte: u64,
}

impl OutputAt {
    /// The beginning of a try's output.
    #[must_use]
    pub fn beginning(attempt: u32) -> Self {
        Self { attempt, byte: 0 }
    }
}

/// What the loop answers to a demand that it meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// What is done now, in a sentence.
    Said(String),
    /// A run was begun.
    Begun {
        /// Which.
        run: RunId,
        /// The sentence about it.
        said: String,
    },
}

/// A part of what a run has written, in whole lines while it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOutput {
    /// The part; empty where there is nothing new.
    pub text: String,
    /// So many bytes before it are kept no more.
    #[serde(default)]
    pub lost: u64,
    /// From where on to ask next.
    pub next: OutputAt,
    /// Whether more will come.
    pub progress: RunProgress,
}

/// How far a run is, for whoever reads its output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunProgress {
    /// More will come, or is there already.
    UnderWay,
    /// That was all of it, and this came of it.
    Over(Box<Run>),
    /// It is not under way, nor the last one of its job: what came of it is in
    /// the state folder, if anywhere.
    NotKnown,
}

/// The line that answers: `{"v":1,"ok":…}` or
/// `{"v":1,"error":{"message":…,"help":…}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// [`PROTOCOL`].
    pub v: u32,
    /// The answer.
    #[serde(flatten)]
    pub reply: Reply,
}

/// An answer or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done.
    Ok(Value),
    /// Not done.
    Error(Trouble),
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What is wrong.
    pub message: String,
    /// How to mend it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Trouble {
    /// Trouble without a known way out.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts speak this: it changes only together with its version.
    #[test]
    fn the_lines_are_as_documented() {
        let table = [
            (r#"{"v":1,"cmd":"status"}"#, Command::Status),
            (r#"{"v":1,"cmd":"health"}"#, Command::Health),
            (
                r#"{"v":1,"cmd":"pause","service":"redis"}"#,
                Command::Pause { service: "redis".into() },
            ),
            (
                r#"{"v":1,"cmd":"silence","scope":{"container":"services"},"seconds":60,"reason":""}"#,
                Command::Silence {
                    scope: SilenceScope::Container("services".into()),
                    seconds: 60,
                    reason: String::new(),
                },
            ),
            (
                r#"{"v":1,"cmd":"unsilence","scope":"everything"}"#,
                Command::Unsilence { scope: SilenceScope::Everything },
            ),
            (r#"{"v":1,"cmd":"reload","force":true}"#, Command::Reload { force: true }),
            (r#"{"v":1,"cmd":"job_run","job":"backup"}"#, Command::JobRun { job: "backup".into() }),
            (
                r#"{"v":1,"cmd":"job_output","job":"backup","run":7,"attempt":2,"byte":4096}"#,
                Command::JobOutput {
                    job: "backup".into(),
                    run: RunId(7),
                    from: OutputAt { attempt: 2, byte: 4096 },
                },
            ),
        ];
        for (line, command) in table {
            let request = Request { v: PROTOCOL, command };
            assert_eq!(serde_json::to_string(&request).unwrap(), line);
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        }
        let refused = Response {
            v: PROTOCOL,
            reply: Reply::Error(Trouble { message: "no".to_owned(), help: Some("yes".to_owned()) }),
        };
        assert_eq!(
            serde_json::to_string(&refused).unwrap(),
            r#"{"v":1,"error":{"message":"no","help":"yes"}}"#
        );
    }
}
