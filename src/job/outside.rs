//! The lesser way, where no agent may be placed: a command of the engine. What
//! it cannot do: nobody goes on watching when `vai` ends, the log has no bound,
//! and only what carries the run's mark is ended when it takes too long.

use super::gate::{self, Scene};
use super::tries::Try;
use super::{Runner, ended, title};
use crate::clock;
use crate::docker::{EngineError, ExecEnd, ExecSpec};
use crate::probe::run::{GRACE, RUN_VARIABLE};
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;
use vai_core::model::{HowEnded, Instance, RunEnd, RunRequest};

/// Commands at a time: each costs the engine a stream and questions.
pub(super) const PARALLEL: usize = 8;

/// How long one waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(60);

/// For ending what takes too long, and what cannot be ended.
const END_WITHIN: Duration = Duration::from_secs(30);

/// Runs `$1` by the better shell; with a log `$2`, into that, between two lines
/// about it by the name `$3`. Tells on the original output how many bytes that
/// were, and the last of them. The log that cannot be written stops nothing.
const RUN: &str = r#"
run() { if command -v bash >/dev/null 2>&1; then bash -c "$1"; else sh -c "$1"; fi; }
say() { echo "[vai] $(date -u +%Y-%m-%dT%H:%M:%SZ 2>/dev/null) $1"; }
[ -n "$2" ] || { run "$1"; exit $?; }
[ -d "${2%/*}" ] || mkdir -p "${2%/*}" 2>/dev/null
(: >>"$2") 2>/dev/null || { echo "vai-unwritable"; run "$1"; exit $?; }
exec 3>&1 >>"$2" 2>&1
say "$3 begins"
before=$(wc -c <"$2")
run "$1" 3>&-
code=$?
bytes=$(($(wc -c <"$2") - before))
[ "$bytes" -gt 0 ] 2>/dev/null || bytes=0
echo "vai-bytes $bytes" >&3
tail -c "$((bytes < 3900 ? bytes : 3900))" "$2" >&3
say "$3 exited $code"
exit $code
"#;

/// Ends all that carries the mark `$1`: TERM and CONT, KILL after `$2` seconds.
/// Names what is left.
const END: &str = r#"
command -v tr >/dev/null && command -v grep >/dev/null || { echo "what it started (the container has no tr or grep to find it by)"; exit; }
marked() {
  for each in /proc/[0-9]*; do
    { tr '\0' '\n' <"$each/environ"; } 2>/dev/null | grep -qxF "$1" && echo "${each#/proc/}"
  done
}
pids=$(marked "$1")
[ -z "$pids" ] || { kill -TERM $pids; kill -CONT $pids; } 2>/dev/null
n=0
while [ "$n" -lt "$2" ] && [ -n "$(marked "$1")" ]; do sleep 1; n=$((n + 1)); done
pids=$(marked "$1")
[ -z "$pids" ] || { kill -KILL $pids 2>/dev/null; sleep 1; }
for pid in $(marked "$1"); do echo "process $pid"; done
"#;

/// Runs the job to its end, or ends it.
pub(super) async fn run(
    runner: &Runner,
    request: &RunRequest,
    one: &Try,
    scene: &Scene,
    no_agent: &str,
    began: impl FnOnce(Instance),
) -> RunEnd {
    let Scene::Container(details) = scene else {
        return ended(HowEnded::NotBegun(no_agent.to_owned()));
    };
    let _turn = match turn(runner, request, no_agent).await {
        Ok(turn) => turn,
        Err(how) => return ended(how),
    };
    if one.replaced.is_cancelled() {
        return ended(HowEnded::Replaced);
    }
    let instance = &details.presence.instance;
    began(instance.clone());
    let start = clock::boot_time();
    let spec = command(request, one);
    let running = runner.engine.exec(&instance.id, &spec, request.job.timeout);
    let (how, output) = tokio::select! {
        end = running => match end {
            Ok(ExecEnd { exit_code: None, output, .. }) => {
                let left = end_marked(runner, request, one, instance).await;
                (HowEnded::TimedOut { left }, output)
            }
            Ok(end) => exited(end),
            Err(error) => (failed(runner, request, instance, error).await, String::new()),
        },
        () = one.replaced.cancelled() => {
            end_marked(runner, request, one, instance).await;
            (HowEnded::Replaced, String::new())
        }
    };
    told(how, &output, request.job.log_path.as_deref(), clock::boot_time().since(start))
}

/// Waits for its turn. What was true at the gate may be wrong after it.
async fn turn<'a>(
    runner: &'a Runner,
    request: &RunRequest,
    no_agent: &str,
) -> Result<SemaphorePermit<'a>, HowEnded> {
    if let Ok(turn) = runner.execs.try_acquire() {
        return Ok(turn);
    }
    let Ok(Ok(turn)) = timeout(TURN_WITHIN, runner.execs.acquire()).await else {
        return Err(HowEnded::NotBegun(format!(
            "{PARALLEL} jobs are being run by commands of the engine already; this one has to be \
             as well, since {no_agent}"
        )));
    };
    gate::pass(runner, request).await.map(|_| turn)
}

fn command(request: &RunRequest, one: &Try) -> ExecSpec {
    let job = &request.job;
    let log = job.log_path.as_deref().unwrap_or_default();
    let environment = job.environment.iter();
    let mut environment: Vec<String> =
        environment.map(|(name, value)| format!("{name}={}", value.expose())).collect();
    environment.push(entry(one));
    ExecSpec {
        argv: ["sh", "-c", RUN, "sh", &job.command, log, &title(request)]
            .map(str::to_owned)
            .to_vec(),
        user: job.user.clone(),
        working_dir: job.working_dir.clone(),
        environment,
    }
}

/// Ends what carries the mark of the run. Returns what is left.
async fn end_marked(
    runner: &Runner,
    request: &RunRequest,
    one: &Try,
    instance: &Instance,
) -> Vec<String> {
    let (entry, grace) = (entry(one), GRACE.as_secs().to_string());
    let spec = ExecSpec {
        argv: ["sh", "-c", END, "sh", &entry, &grace].map(str::to_owned).to_vec(),
        // Nobody else may read the environment that the mark is in.
        user: request.job.user.clone(),
        ..ExecSpec::default()
    };
    match runner.engine.exec(&instance.id, &spec, END_WITHIN).await {
        Ok(end) if end.exit_code == Some(0) => end.output.lines().map(str::to_owned).collect(),
        Ok(_) => vec!["what it started, which could not be ended in time".to_owned()],
        Err(error) => vec![format!("what it started: {error}")],
    }
}

fn entry(one: &Try) -> String {
    format!("{RUN_VARIABLE}={}", one.mark)
}

fn exited(end: ExecEnd) -> (HowEnded, String) {
    match (end.refusal(), end.exit_code) {
        (Some(why), _) => (HowEnded::NotBegun(why.to_owned()), String::new()),
        (None, Some(code)) => (HowEnded::Exited(i32::try_from(code).unwrap_or(-1)), end.output),
        (None, None) => (HowEnded::Lost("it has no exit code".to_owned()), end.output),
    }
}

async fn failed(
    runner: &Runner,
    request: &RunRequest,
    instance: &Instance,
    error: EngineError,
) -> HowEnded {
    match gate::fate(runner, &request.job.place, instance).await {
        Some(why) => HowEnded::Lost(why),
        None => match error {
            EngineError::Gone(_) => HowEnded::Lost(format!("while it ran, {error}")),
            _ => HowEnded::NotBegun(error.to_string()),
        },
    }
}

/// The end of a run of which `output` told.
fn told(how: HowEnded, output: &str, log: Option<&str>, took: Duration) -> RunEnd {
    let mut end = RunEnd { took, ..ended(how) };
    match output.split_once('\n') {
        Some(("vai-unwritable", rest)) if log.is_some() => {
            end.tail = rest.to_owned();
            let log = log.unwrap_or_default();
            end.notes.push(format!("its output could not be written to {log}"));
        }
        Some((first, rest)) if log.is_some() && first.starts_with("vai-bytes ") => {
            end.bytes = first["vai-bytes ".len()..].parse().unwrap_or(0);
            end.tail = rest.to_owned();
            return end;
        }
        _ => end.tail = output.to_owned(),
    }
    end.bytes = end.tail.len() as u64;
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(exit_code: i64, output: &str) -> HowEnded {
        exited(ExecEnd { exit_code: Some(exit_code), output: output.to_owned(), rest: None }).0
    }

    #[test]
    fn what_the_runtime_refuses_was_not_begun() {
        let no_user = "unable to find user nosuch: no matching entries in passwd file";
        assert_eq!(end(126, &format!("{no_user}\r\n")), HowEnded::NotBegun(no_user.to_owned()));
        assert_eq!(end(127, "sh: 1: nosuch: not found\n"), HowEnded::Exited(127));
        assert_eq!(end(0, no_user), HowEnded::Exited(0));
    }

    #[test]
    fn the_command_tells_of_its_log_before_anything_else() {
        let told = |output: &str, log: Option<&str>| {
            let end = told(HowEnded::Exited(0), output, log, Duration::ZERO);
            (end.bytes, end.tail, end.notes.len())
        };
        let log = Some("/x.log");
        assert_eq!(told("vai-bytes 9000\nthe end\n", log), (9000, "the end\n".to_owned(), 0));
        assert_eq!(told("vai-unwritable\nall\n", log), (4, "all\n".to_owned(), 1));
        assert_eq!(told("vai-bytes 1\nx", None), (13, "vai-bytes 1\nx".to_owned(), 0));
        assert_eq!(told("", log), (0, String::new(), 0));
    }
}
