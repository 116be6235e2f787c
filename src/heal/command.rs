use super::Healer;
use super::gate::Scene;
use super::local;
use crate::check::shell::ShellCommand;
use crate::clock;
use crate::docker::{ExecEnd, ExecSpec};
use std::time::Duration;
use vai_core::model::{ActRequest, Secret, Service};
use vai_core::words;

/// Output that is quoted in a sentence, in characters.
const QUOTED: usize = 300;

/// How a command of a service ended, with a sentence about it.
pub(super) enum CommandEnd {
    /// Exit 0.
    Succeeded(String),
    /// Another exit.
    Failed(String),
    /// It could not be started.
    NotRun(String),
    /// It is still running.
    Overdue(String),
}

/// Runs `command`, the field `label` of the service that `request` is about,
/// where that runs. What it starts carries the mark of the act.
pub(super) async fn run(
    healer: &Healer,
    request: &ActRequest,
    scene: &Scene,
    label: &str,
    command: &str,
) -> CommandEnd {
    let service = &*request.service;
    let deadline = service.recovery.command_timeout;
    let (variable, mark) = healer.marks.variable(request.id);
    let began = clock::boot_time();
    let end = match scene {
        Scene::Local => {
            let mut environment = service.environment.clone();
            environment.push((variable.to_owned(), Secret::from(mark.as_str())));
            let command = ShellCommand {
                text: command,
                user: service.user.as_deref(),
                working_dir: service.working_dir.as_deref(),
                environment: &environment,
            };
            local::run(&command, deadline, &healer.drains).await
        }
        Scene::Container(details) => {
            let id = &details.presence.instance.id;
            let mut spec = exec_spec(service, command);
            spec.environment.push(format!("{variable}={mark}"));
            let end = healer.engine.exec(id, &spec, deadline).await;
            end.map_err(|error| error.to_string())
        }
    };
    match end {
        Err(why) => CommandEnd::NotRun(format!("{label} could not be run: {why}")),
        Ok(end) => judge(&end, label, deadline, clock::boot_time().since(began)),
    }
}

fn exec_spec(service: &Service, command: &str) -> ExecSpec {
    let environment = service.environment.iter();
    ExecSpec {
        user: service.user.clone(),
        working_dir: service.working_dir.clone(),
        environment: environment
            .map(|(name, value)| format!("{name}={}", value.expose()))
            .collect(),
        ..ExecSpec::shell(command)
    }
}

fn judge(end: &ExecEnd, label: &str, deadline: Duration, took: Duration) -> CommandEnd {
    match end.exit_code {
        Some(0) => {
            CommandEnd::Succeeded(format!("ran {label}: exit 0 in {}", words::duration(took)))
        }
        Some(_) if end.refusal().is_some() => {
            CommandEnd::NotRun(not_started(label, &last_lines(&end.output)))
        }
        Some(code) => {
            let said = last_lines(&end.output);
            CommandEnd::Failed(if said.is_empty() {
                format!("{label} exited {code} without a word")
            } else {
                format!("{label} exited {code}: {said}")
            })
        }
        None => CommandEnd::Overdue(format!(
            "{label} is still running after {} and was left so",
            words::duration(deadline)
        )),
    }
}

fn not_started(label: &str, said: &str) -> String {
    if said.contains("executable file not found") || said.contains("\"sh\"") {
        format!(
            "{label} could not be run, the container has no shell: {said}; \
             use an image with sh, or heal by \"ladder\": [\"container\"]"
        )
    } else {
        format!("{label} could not be run: {said}")
    }
}

/// The last two lines with something on them, in one.
fn last_lines(output: &str) -> String {
    let mut lines: Vec<&str> =
        output.lines().rev().map(str::trim).filter(|line| !line.is_empty()).take(2).collect();
    lines.reverse();
    let said = lines.join(" | ");
    match said.char_indices().rev().nth(QUOTED - 1) {
        Some((at, _)) if at > 0 => format!("…{}", &said[at..]),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(exit_code: Option<i64>, output: &str) -> String {
        let end = ExecEnd { exit_code, output: output.to_owned() };
        let (deadline, took) = (Duration::from_secs(30), Duration::from_millis(80));
        match judge(&end, "restart_cmd", deadline, took) {
            CommandEnd::Succeeded(words) => format!("+ {words}"),
            CommandEnd::Failed(words) | CommandEnd::NotRun(words) => format!("- {words}"),
            CommandEnd::Overdue(words) => format!("… {words}"),
        }
    }

    #[test]
    fn each_end_of_a_command_has_its_sentence() {
        let no_shell = "OCI runtime exec failed: exec failed: unable to start container process: \
                        exec: \"sh\": executable file not found in $PATH: unknown\r\n";
        let no_folder = "OCI runtime exec failed: exec failed: chdir to cwd (\"/nope\") set in \
                         config.json failed: no such file or directory: unknown";
        let table = [
            (Some(0), "", "+ ran restart_cmd: exit 0 in 80 ms".to_owned()),
            (
                Some(1),
                "starting\n\nnginx: [emerg] bind() failed\nstill could not bind()\n",
                "- restart_cmd exited 1: nginx: [emerg] bind() failed | still could not bind()"
                    .to_owned(),
            ),
            (Some(3), "\n", "- restart_cmd exited 3 without a word".to_owned()),
            (
                Some(127),
                "bash: line 1: nginxx: command not found",
                "- restart_cmd exited 127: bash: line 1: nginxx: command not found".to_owned(),
            ),
            (
                Some(126),
                no_shell,
                format!(
                    "- restart_cmd could not be run, the container has no shell: {}; use an \
                     image with sh, or heal by \"ladder\": [\"container\"]",
                    no_shell.trim()
                ),
            ),
            (Some(126), no_folder, format!("- restart_cmd could not be run: {no_folder}")),
            (
                Some(126),
                "unable to find user nosuch: no matching entries in passwd file\r\n",
                "- restart_cmd could not be run: unable to find user nosuch: no matching entries \
                 in passwd file"
                    .to_owned(),
            ),
            (None, "", "… restart_cmd is still running after 30 s and was left so".to_owned()),
        ];
        for (code, output, expected) in table {
            assert_eq!(sentence(code, output), expected);
        }
    }

    #[test]
    fn only_the_end_of_a_long_line_is_quoted() {
        let said = last_lines(&format!("{}ü the end", "x".repeat(4000)));
        assert_eq!(said.chars().count(), QUOTED + 1);
        assert!(said.starts_with('…') && said.ends_with("ü the end"));
    }
}
