//! The crontabs of a place: read where it is, by the agent or by ourselves, or
//! through a shell in a container that takes no agent.

use super::client::ProbeError;
use super::perform::perform;
use super::pool::NoAgent;
use super::prober::{Prober, reason};
use super::wire::{Answer, CrontabLine, Crontabs, Op};
use crate::check::words::plain;
use crate::docker::{Details, ExecSpec};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use vai_core::model::Place;

/// The one file that is no folder.
const SYSTEM: &str = "/etc/crontab";

/// Folders of files whose lines name a user, as those of [`SYSTEM`] do.
const OF_PACKAGES: &str = "/etc/cron.d";

/// Folders of files that belong to the user whose name they bear.
const SPOOLS: [&str; 3] = ["/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron"];

/// Files that are read, so many at most.
const FILES: usize = 100;

/// Of each file so many bytes.
const FILE_BYTES: usize = 64 * 1024;

/// So many bytes of lines in all: they have to fit into a frame.
const ALL_BYTES: usize = 256 * 1024;

/// A line is cut to this many bytes.
const LINE_BYTES: usize = 1000;

/// What a shell prints is read up to here.
const SHELL_BYTES: u64 = 2 * 1024 * 1024;

/// Root, who alone may read the spools.
const ROOT: &str = "0";

/// Needs nothing but a shell. Each line of its output says by its first letter
/// what follows: a file, a line of it, what is not readable.
const SCRIPT: &str = r#"
echo B
for d in /etc/cron.d /var/spool/cron /var/spool/cron/crontabs /var/spool/cron/tabs; do
  if [ -d "$d" ]; then { [ -r "$d" ] && [ -x "$d" ]; } || echo "U$d"; fi
done
for f in /etc/crontab /etc/cron.d/* /var/spool/cron/crontabs/* /var/spool/cron/tabs/* /var/spool/cron/*; do
  [ -f "$f" ] || continue
  echo "F$f"
  { while IFS= read -r l || [ -n "$l" ]; do printf 'L%s\n' "$l"; done < "$f"; } 2>/dev/null || echo "U$f"
done
echo E
"#;

impl Prober {
    /// The lines of the crontabs at `place`, read as root: nobody else may look
    /// into the spools.
    ///
    /// # Errors
    /// [`ProbeError`] where nothing could be read, and if the answer does not
    /// come within `deadline`.
    pub async fn crontabs(
        &self,
        place: &Place,
        deadline: Duration,
    ) -> Result<Crontabs, ProbeError> {
        let reading = async {
            let key = match place {
                Place::Local => return taken(perform(Op::Crontabs, self.here()).await),
                Place::Container(key) => key,
            };
            let lost = |outcome| ProbeError::Lost(reason(outcome));
            let container = self.container(key, None).map_err(lost)?;
            let is_root = ["", "root", ROOT].contains(&container.user.as_str());
            let user = (!is_root).then_some(ROOT);
            match self.agent(key, &container, user).await {
                Ok(agent) => taken(agent.ask(Op::Crontabs, deadline).await?),
                Err(NoAgent::Lost(why)) => Err(ProbeError::Lost(why)),
                Err(NoAgent::Refused(_)) => {
                    self.crontabs_by_shell(&container).await.map_err(ProbeError::Lost)
                }
            }
        };
        match timeout(deadline, reading).await {
            Ok(answer) => answer,
            Err(_) => Err(ProbeError::Deadline(deadline)),
        }
    }

    async fn crontabs_by_shell(&self, container: &Details) -> Result<Crontabs, String> {
        let spec = ExecSpec {
            argv: ["sh", "-c", SCRIPT].map(Into::into).into(),
            user: Some(ROOT.to_owned()),
            ..ExecSpec::default()
        };
        let stream = self.engine().exec_stream(&container.presence.instance.id, &spec).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let mut output = Vec::new();
        let read = stream.output.take(SHELL_BYTES).read_to_end(&mut output).await;
        read.map_err(|error| plain(&error))?;
        printed(&String::from_utf8_lossy(&output))
    }
}

fn taken(answer: Answer) -> Result<Crontabs, ProbeError> {
    match answer {
        Answer::Crontabs(crontabs) => Ok(crontabs),
        Answer::Failed(why) => Err(ProbeError::Lost(why)),
        Answer::Done
        | Answer::Report(_)
        | Answer::Ended { .. }
        | Answer::Processes(_)
        | Answer::Lines(_)
        | Answer::Exists(_)
        | Answer::Run(_)
        | Answer::Written(_) => {
            Err(ProbeError::Lost("the agent answered another question".to_owned()))
        }
    }
}

/// All lines of the crontabs here that run something. What could not be read is
/// said, since unreadable is never absent. Blocks.
pub(super) fn read() -> Crontabs {
    read_below(Path::new("/"))
}

fn read_below(root: &Path) -> Crontabs {
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let mut found = Found::default();
    let mut files = vec![(SYSTEM.to_owned(), inside(SYSTEM))];
    for folder in [OF_PACKAGES].iter().chain(&SPOOLS) {
        match names(&inside(folder)) {
            Ok(names) => files.extend(names.into_iter().map(|name| {
                let path = format!("{folder}/{name}");
                let real = inside(&path);
                (path, real)
            })),
            Err(error) => found.unreadable(folder, &plain(&error)),
        }
    }
    for (path, real) in files {
        if !counts(&path) {
            continue;
        }
        if found.is_full {
            break;
        }
        match contents(&real) {
            Ok(Some(text)) => found.file(&path, &text),
            Ok(None) => {}
            Err(error) => found.unreadable(&path, &plain(&error)),
        }
    }
    found.crontabs
}

/// What a folder holds, in order; nothing where there is none.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// The beginning of a file; none if it is no regular file, or is not there.
fn contents(path: &PathBuf) -> io::Result<Option<String>> {
    // Asked first: the open of a named pipe would wait for a writer.
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut text = Vec::new();
    File::open(path)?.take(FILE_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether cron looks into a file of this name: those of packages have names as
/// `run-parts` wants them, in a spool there are its own hidden and temporary
/// files, too.
fn counts(path: &str) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else { return false };
    match folder {
        OF_PACKAGES => name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'),
        _ => !name.starts_with('.') && !name.starts_with("tmp.") && !name.ends_with('~'),
    }
}

/// Reads what [`SCRIPT`] printed.
///
/// # Errors
/// It did not run, or not to its end.
fn printed(output: &str) -> Result<Crontabs, String> {
    let Some(lines) = output.strip_prefix("B\n") else {
        let said = output.lines().next().unwrap_or("it printed nothing");
        return Err(format!("the crontabs cannot be read through a shell: {said}"));
    };
    let Some(lines) = lines.strip_suffix("E\n") else {
        return Err("the crontabs are too many to be read through a shell".to_owned());
    };
    let mut found = Found::default();
    let mut file: Option<(&str, String)> = None;
    for line in lines.lines() {
        match (line.split_at_checked(1), &mut file) {
            (Some(("L", text)), Some((_, all))) => {
                all.push_str(text);
                all.push('\n');
            }
            (Some((kind, path)), open) => {
                if let Some((path, text)) = open.take().filter(|(path, _)| counts(path)) {
                    found.file(path, &text);
                }
                match kind {
                    "F" => *open = Some((path, String::new())),
                    _ => found.unreadable(path, "permission denied"),
                }
            }
            (None, _) => {}
        }
    }
    if let Some((path, text)) = file.filter(|(path, _)| counts(path)) {
        found.file(path, &text);
    }
    Ok(found.crontabs)
}

/// What was found so far.
#[derive(Default)]
struct Found {
    crontabs: Crontabs,
    files: usize,
    bytes: usize,
    is_full: bool,
}

impl Found {
    fn unreadable(&mut self, path: &str, why: &str) {
        if !self.is_full {
            self.crontabs.unreadable.push(format!("{path}: {why}"));
            self.is_full = self.crontabs.unreadable.len() > FILES;
        }
    }

    /// Nothing more is taken in.
    fn end(&mut self, path: &str, why: &str) {
        self.unreadable(path, why);
        self.is_full = true;
    }

    fn file(&mut self, path: &str, text: &str) {
        if self.is_full {
            return;
        }
        self.files += 1;
        if self.files > FILES {
            return self.end(path, &format!("it comes after {FILES} other crontabs"));
        }
        let beginning = &text[..text.floor_char_boundary(FILE_BYTES)];
        if beginning.len() < text.len() {
            self.unreadable(path, "only its first 64 KiB are read");
        }
        for (number, line) in (1..).zip(beginning.lines()) {
            let line = line.trim();
            if !runs_something(line) {
                continue;
            }
            let text = line[..line.floor_char_boundary(LINE_BYTES)].to_owned();
            self.bytes += path.len() + text.len();
            if self.bytes > ALL_BYTES {
                return self.end(path, "the crontabs have more than 256 KiB in all");
            }
            self.crontabs.lines.push(CrontabLine { file: path.to_owned(), number, text });
        }
    }
}

/// Such a line begins with a time: comments do not, nor do lines that set a
/// variable.
fn runs_something(line: &str) -> bool {
    line.starts_with(|c: char| c.is_ascii_digit() || "*@-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn lines(crontabs: &Crontabs) -> Vec<String> {
        let lines = crontabs.lines.iter();
        lines.map(|it| format!("{}:{} {}", it.file, it.number, it.text)).collect()
    }

    #[test]
    fn the_lines_that_run_something_are_found_with_file_and_number() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read_below(root.path()), Crontabs::default());
        write(root.path(), "etc/crontab", "SHELL=/bin/sh\n# m h\n17 * * * * root run-parts x\n");
        write(
            root.path(),
            "etc/cron.d/vault",
            "\n\n  */5 * * * * root /opt/vault.sh  \nMAILTO=\"\"\n",
        );
        write(root.path(), "etc/cron.d/old.dpkg-old", "* * * * * root no\n");
        write(root.path(), "etc/cron.d/vault~", "* * * * * root no\n");
        write(root.path(), "etc/cron.d/.placeholder", "* * * * * root no\n");
        write(root.path(), "var/spool/cron/crontabs/www-data", "@daily /opt/report\n");
        write(root.path(), "var/spool/cron/crontabs/tmp.AbCd", "@daily no\n");
        write(root.path(), "var/spool/cron/root", "-*/2 * * * * /opt/quiet\n");
        assert_eq!(
            lines(&read_below(root.path())),
            [
                "/etc/crontab:3 17 * * * * root run-parts x",
                "/etc/cron.d/vault:3 */5 * * * * root /opt/vault.sh",
                "/var/spool/cron/crontabs/www-data:1 @daily /opt/report",
                "/var/spool/cron/root:1 -*/2 * * * * /opt/quiet",
            ]
        );
    }

    #[test]
    fn what_is_too_much_is_said_and_a_pipe_holds_up_nothing() {
        let root = tempfile::tempdir().unwrap();
        let long = format!("* * * * * {}\n", "x".repeat(2000));
        write(root.path(), "etc/crontab", &long.repeat(40));
        let pipe = root.path().join("var/spool/cron/pipe");
        fs::create_dir_all(pipe.parent().unwrap()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
        let found = read_below(root.path());
        assert_eq!(found.unreadable, ["/etc/crontab: only its first 64 KiB are read"]);
        assert!(found.lines.iter().all(|line| line.text.len() <= LINE_BYTES));

        for number in 0..=FILES {
            write(root.path(), &format!("etc/cron.d/f{number:03}"), &long.repeat(3));
        }
        let found = read_below(root.path());
        assert_eq!(found.unreadable.len(), 2, "{:?}", found.unreadable);
        let bytes: usize = found.lines.iter().map(|it| it.file.len() + it.text.len()).sum();
        assert!(bytes <= ALL_BYTES, "{bytes}");
    }

    #[test]
    fn what_a_shell_printed_is_read_as_if_it_were_the_files() {
        let output = "B\nU/var/spool/cron/crontabs\nF/etc/crontab\nLA=1\nL* * * * * root x\n\
                      F/etc/cron.d/.placeholder\nL* * * * * root no\nF/etc/cron.d/vault\n\
                      L@daily root LFU\nE\n";
        let found = printed(output).unwrap();
        assert_eq!(
            lines(&found),
            ["/etc/crontab:2 * * * * * root x", "/etc/cron.d/vault:1 @daily root LFU"]
        );
        assert_eq!(found.unreadable, ["/var/spool/cron/crontabs: permission denied"]);
        let refused = printed("OCI runtime exec failed: no sh\n").unwrap_err();
        assert!(refused.ends_with("through a shell: OCI runtime exec failed: no sh"), "{refused}");
        assert!(printed("B\nF/etc/crontab\nL* * *").is_err());
    }

    #[test]
    fn the_script_itself_tells_what_this_system_has() {
        let run = std::process::Command::new("sh").args(["-c", SCRIPT]).output().unwrap();
        let through_shell = printed(&String::from_utf8_lossy(&run.stdout)).unwrap();
        assert_eq!(lines(&through_shell), lines(&read()));
    }
}
