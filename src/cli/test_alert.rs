//! `vai test-alert`.

use super::{BAD_REGISTRY, print, read_registry};
use crate::alert::{Trial, try_channel};
use anyhow::{Result, bail};
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use vai_core::words;

/// Send a marked test message to every sink of a channel, and say what each
/// answers.
#[derive(Clone, Debug, clap::Args)]
pub struct TestAlertArgs {
    /// The channel, as the registry names it.
    channel: String,
}

/// Exit 0 if every sink took it, 1 if not, 2 for a registry with errors.
///
/// # Errors
/// There is no such channel.
pub async fn run(args: TestAlertArgs, config: Option<&Path>) -> Result<ExitCode> {
    let (path, loaded) = read_registry(config).await;
    let Some(config) = &loaded.config else {
        print(&loaded.render(&path.display().to_string(), false))?;
        return Ok(ExitCode::from(BAD_REGISTRY));
    };
    let commands = Arc::new(|what: &str| format!("vai {what}"));
    let channel = &args.channel;
    let trials = try_channel(config, channel, TimeZone::system(), commands).await?;
    let Some(trials) = trials else {
        let known: Vec<&str> =
            config.notifications.plan.channels.keys().map(String::as_str).collect();
        match known.as_slice() {
            [] => bail!("the registry has no channels: messages are in the log only"),
            known => bail!("there is no channel {channel}; the registry has {}", known.join(", ")),
        }
    };
    print(&answers(channel, &trials))?;
    let all_well = !trials.is_empty() && trials.iter().all(|trial| trial.answer.is_ok());
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn answers(channel: &str, trials: &[Trial]) -> String {
    let mut text = String::new();
    for Trial { sink, answer } in trials {
        _ = match answer {
            Ok(took) => writeln!(text, "{sink}: sent in {}", words::duration(*took)),
            Err(why) => writeln!(text, "{sink}: NOT sent: {why}"),
        };
    }
    if trials.is_empty() {
        _ = writeln!(text, "the channel {channel} reaches nobody");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_sink_s_answer_is_said() {
        let trial = |sink: &str, answer| Trial { sink: sink.to_owned(), answer };
        let trials = [
            trial("alerts[0] email", Ok(Duration::from_millis(240))),
            trial("alerts[1] ntfy", Err("held: ${NTFY_TOKEN} is not set".to_owned())),
        ];
        let expected = "\
alerts[0] email: sent in 240 ms
alerts[1] ntfy: NOT sent: held: ${NTFY_TOKEN} is not set
";
        assert_eq!(answers("alerts", &trials), expected);
        assert_eq!(answers("quiet", &[]), "the channel quiet reaches nobody\n");
    }
}
