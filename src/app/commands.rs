//! How a person on the host calls this very `vai`.

use super::Options;
use crate::alert::Commands;
use crate::docker::Directory;
use std::env;
use std::path::Path;
use std::sync::Arc;

/// Where state is unless somebody says otherwise.
const STATE_DIR: &str = "/var/lib/vai";

/// From `status redis` to the whole command, for messages. Our own container's
/// name is known once the engine has answered.
pub(super) fn commands(options: &Options, directory: &Directory) -> Commands {
    let directory = directory.clone();
    let executable = env::current_exe().ok();
    let Options { config, state_dir, .. } = options.clone();
    // What is in our environment is in that of an exec as well.
    let is_known = state_dir == Path::new(STATE_DIR)
        || env::var_os("VAI_STATE_DIR").is_some_and(|it| Path::new(&it) == state_dir);
    let state =
        if is_known { String::new() } else { format!(" --state-dir {}", state_dir.display()) };
    Arc::new(move |what| {
        let container = directory.own().map(|own| own.presence.name.clone());
        let inside = container.as_deref().zip(executable.as_deref());
        let more = match what {
            "validate" => format!(" {}", config.display()),
            _ => state.clone(),
        };
        command(inside, what) + &more
    })
}

/// `docker exec vai-container /vai status redis`, or `vai status redis` where
/// it does not run `inside` a container.
fn command(inside: Option<(&str, &Path)>, what: &str) -> String {
    match inside {
        Some((container, path)) => format!("docker exec {container} {} {what}", path.display()),
        None => format!("vai {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_works_where_its_reader_is() {
        assert_eq!(command(None, "status redis"), "vai status redis");
        let inside = Some(("vai-container", Path::new("/vai")));
        assert_eq!(command(inside, "status redis"), "docker exec vai-container /vai status redis");
    }
}
