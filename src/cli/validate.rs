//! `vai validate`.

use super::{BAD_REGISTRY, read_registry};
use crate::config::{Diagnostic, Loaded};
use anyhow::Context as _;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check a registry and show everything that is wrong with it.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// The registry; the one that `vai run` would take if absent.
    pub file: Option<PathBuf>,
    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `vai validate`: prints all findings about a registry. `config` is the path
/// given for all commands.
///
/// # Errors
/// When the findings cannot be printed. A bad registry is exit code 2.
pub async fn run(args: &ValidateArgs, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let (path, loaded) = read_registry(args.file.as_deref().or(config)).await;
    let mut stdout = std::io::stdout();
    let text = if args.json {
        serde_json::to_string_pretty(&Findings::of(&path, &loaded))?
    } else {
        let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let rendered = loaded.render(&path.display().to_string(), colour);
        format!("{rendered}{}", summary(&path, &loaded))
    };
    writeln!(stdout, "{text}").context("cannot print the findings")?;
    Ok(if loaded.config.is_some() { ExitCode::SUCCESS } else { ExitCode::from(BAD_REGISTRY) })
}

/// What `--json` prints.
#[derive(Serialize)]
struct Findings<'l> {
    file: String,
    valid: bool,
    services: Option<usize>,
    cron_jobs: Option<usize>,
    diagnostics: &'l [Diagnostic],
}

impl<'l> Findings<'l> {
    fn of(path: &Path, loaded: &'l Loaded) -> Self {
        let config = loaded.config.as_ref();
        Self {
            file: path.display().to_string(),
            valid: config.is_some(),
            services: config.map(|config| config.services.len()),
            cron_jobs: config.map(|config| config.jobs.len()),
            diagnostics: &loaded.diagnostics,
        }
    }
}

/// `system-config.json: 12 services, 3 jobs, 2 warnings`.
fn summary(path: &Path, loaded: &Loaded) -> String {
    let errors = loaded.diagnostics.iter().filter(|found| found.is_error());
    let errors = errors.count();
    let warnings = loaded.diagnostics.len() - errors;
    let mut counts = Vec::new();
    if let Some(config) = &loaded.config {
        counts.push(counted(config.services.len(), "service"));
        if !config.jobs.is_empty() {
            counts.push(counted(config.jobs.len(), "job"));
        }
    }
    if errors > 0 {
        counts.push(counted(errors, "error"));
    }
    if warnings > 0 {
        counts.push(counted(warnings, "warning"));
    }
    format!("{}: {}", path.display(), counts.join(", "))
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
