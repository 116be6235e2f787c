//! The command line: one file a verb.

pub mod agent;
pub mod check;
pub mod crontab;
pub mod health;
pub mod incidents;
pub mod jobs;
mod keep;
pub mod operate;
pub mod reload;
pub mod run;
pub mod silence;
pub mod status;
pub mod supervise;
pub mod test_alert;
pub mod validate;

mod client;
#[cfg(test)]
mod testing;

use crate::config::{Context, Environment, Loaded, Source, load_snapshot, locate};
use anyhow::Result;
use clap::{Parser, Subcommand};
use comfy_table::{Table, presets};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use vai_core::model::Wall;
use vai_core::words;

/// Threads of the daemon: one for the loop and what it dispatches, one so that
/// a slow file system holds up nothing.
const WORKERS: usize = 2;

/// The exit code for a registry with errors.
const BAD_REGISTRY: u8 = 2;

/// Reads the registry as it is on disk, for verbs that need no daemon; `config`
/// is what the command line names.
async fn read_registry(config: Option<&Path>) -> (PathBuf, Loaded) {
    let path = locate(config);
    let snapshot = Source::new(path.clone()).read_now().await;
    let loaded = load_snapshot(&snapshot, Environment::of_process(), &Context::here());
    (path, loaded)
}

/// Where the daemon keeps its state, and its socket.
#[derive(Clone, Debug, clap::Args)]
pub struct StateDir {
    /// The daemon's state folder.
    #[arg(long, value_name = "DIR", env = "VAI_STATE_DIR", default_value = "/var/lib/vai")]
    pub state_dir: PathBuf,
}

/// Prints `text` to standard output. Reasons hold what services printed, and
/// that must not speak to the reader's terminal. Whoever reads it may stop
/// early (`vai status | head`).
fn print(text: &str) -> io::Result<()> {
    let harmless = text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}");
    let mut out = io::stdout().lock();
    match out.write_all(harmless.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// For scripts.
fn json(value: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// From one moment to another in words; the wall clock may have been set back
/// in between.
fn span(from: Wall, to: Wall) -> String {
    let millis = u64::try_from(to.as_millis() - from.as_millis()).unwrap_or(0);
    match millis / 1000 {
        0 => "0 s".to_owned(),
        seconds => words::duration(Duration::from_secs(seconds)),
    }
}

/// Keeps the services in your containers alive, and tells you what it did.
#[derive(Debug, Parser)]
#[command(name = "vai", version, arg_required_else_help = true)]
pub struct Cli {
    /// The registry; else $VAI_CONFIG, else ./system-config.json, else
    /// /workspace/agent-infrastructure/config/system-config.json.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Validate(validate::ValidateArgs),
    Cron(crontab::CronArgs),
    Status(status::StatusArgs),
    Health(health::HealthArgs),
    /// Go on checking a service, but act no more.
    Pause(operate::ServiceArgs),
    /// End a pause.
    Resume(operate::ServiceArgs),
    /// Stop a service and leave it alone.
    Stop(operate::ServiceArgs),
    /// End a stop and start the service.
    Start(operate::ServiceArgs),
    Incidents(incidents::IncidentsArgs),
    Jobs(jobs::JobsArgs),
    TestAlert(test_alert::TestAlertArgs),
    Ack(silence::AckArgs),
    Silence(silence::SilenceArgs),
    Unsilence(silence::UnsilenceArgs),
    Reload(reload::ReloadArgs),
    /// Serve an orchestrator from inside a container; not for people.
    #[command(hide = true)]
    Agent,
    /// Watch over a run of a job; not for people.
    #[command(hide = true)]
    Supervise,
    /// Keep what the commands of services start; not for people.
    #[command(hide = true)]
    Keep {
        /// The act that is told about.
        mark: String,
    },
    /// Have the keeper run a program; not for people.
    #[command(hide = true)]
    Launch(keep::ProgramArgs),
    /// Run a program in a session of its own; not for people.
    #[command(hide = true)]
    Session(keep::ProgramArgs),
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What the verb could not do, for standard error.
    pub fn run(self) -> Result<ExitCode> {
        match &self.verb {
            Verb::Agent => return Ok(agent::run()),
            Verb::Supervise => return Ok(supervise::run()),
            Verb::Keep { mark } => return Ok(keep::keep(mark)),
            Verb::Launch(args) => return Ok(keep::launch(args)),
            Verb::Session(args) => return Ok(keep::session(args)),
            _ => {}
        }
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()?
            .block_on(self.dispatch())
    }

    async fn dispatch(self) -> Result<ExitCode> {
        let config = self.config.as_deref();
        match self.verb {
            Verb::Run(args) => run::run(args, config).await,
            Verb::Check(args) => check::run(args, config).await,
            Verb::Validate(args) => validate::run(&args, config).await,
            Verb::Cron(args) => crontab::run(&args),
            Verb::Status(args) => status::run(args).await,
            Verb::Health(args) => health::run(args).await,
            Verb::Pause(args) => operate::pause(args).await,
            Verb::Resume(args) => operate::resume(args).await,
            Verb::Stop(args) => operate::stop(args).await,
            Verb::Start(args) => operate::start(args).await,
            Verb::TestAlert(args) => test_alert::run(args, config).await,
            Verb::Incidents(args) => incidents::run(args).await,
            Verb::Jobs(args) => jobs::run(args).await,
            Verb::Ack(args) => silence::acknowledge(args).await,
            Verb::Silence(args) => silence::silence(args).await,
            Verb::Unsilence(args) => silence::unsilence(args).await,
            Verb::Reload(args) => reload::run(args).await,
            Verb::Agent => Ok(agent::run()),
            Verb::Supervise => Ok(supervise::run()),
            Verb::Keep { mark } => Ok(keep::keep(&mark)),
            Verb::Launch(args) => Ok(keep::launch(&args)),
            Verb::Session(args) => Ok(keep::session(&args)),
        }
    }
}

/// Columns by spaces alone: easy on the eye, on `grep` and on `awk`.
fn plain_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}
