use super::env_file::{Oddity, is_name, parse};
use super::read::read_small;
use super::watch::{Content, Snapshot};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `${NAME}` is resolved from: the env file, then the process
/// environment, then the file that `NAME_FILE` names (Docker secrets).
#[derive(Clone, Debug, Default)]
pub struct Environment {
    path: PathBuf,
    file: BTreeMap<String, String>,
    process: BTreeMap<String, String>,
    problems: Vec<FileProblem>,
}

/// What is wrong with the env file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileProblem {
    /// It is there and cannot be read; why.
    Unreadable(String),
    /// Everybody on the machine can read it.
    WorldReadable,
    /// It is read, and something in it is odd.
    Odd(Oddity),
}

impl Environment {
    /// The env file as it was read, and `process`, the process environment.
    #[must_use]
    pub fn new(snapshot: &Snapshot, process: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut environment = Self {
            path: snapshot.env_path.clone(),
            process: process.into_iter().collect(),
            ..Self::default()
        };
        match &snapshot.env_file {
            Content::Text(text) => {
                let (values, odd) = parse(text);
                environment.file = values;
                environment.problems.extend(odd.into_iter().map(FileProblem::Odd));
            }
            Content::Absent => {}
            Content::Unreadable(why) => {
                environment.problems.push(FileProblem::Unreadable(why.clone()));
            }
        }
        if snapshot.env_world_readable {
            environment.problems.push(FileProblem::WorldReadable);
        }
        environment
    }

    /// The variables of this process, without those that are not UTF-8.
    pub fn of_process() -> impl Iterator<Item = (String, String)> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
    }

    /// The env file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with the env file.
    pub(super) fn problems(&self) -> &[FileProblem] {
        &self.problems
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(super) fn lookup(&self, name: &str) -> Result<String, String> {
        let by_file = format!("{name}_FILE");
        if let Some(value) = self.file.get(name).or_else(|| self.process.get(name)) {
            return Ok(value.clone());
        }
        match self.file.get(&by_file).or_else(|| self.process.get(&by_file)) {
            Some(path) => read_small(Path::new(path))
                .map_err(|error| error.to_string())
                .and_then(|bytes| {
                    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
                })
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|why| format!("${{{name}}} cannot be read from {path}: {why}")),
            None => Err(format!("${{{name}}} is not set")),
        }
    }
}

/// A text with its `${NAME}`s resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    /// The text; a name without a value stays as written.
    pub(super) text: String,
    /// The values that went into it.
    pub(super) values: Vec<String>,
    /// The names whose value is empty.
    pub(super) empty: Vec<String>,
    /// Why names have no value, one sentence each.
    pub(super) unresolved: Vec<String>,
}

/// Puts the values of all `${NAME}` into `text`. Anything else that starts with
/// a dollar sign is left as written.
pub(super) fn resolve(text: &str, environment: &Environment) -> Resolved {
    let mut resolved = Resolved {
        text: String::with_capacity(text.len()),
        values: Vec::new(),
        empty: Vec::new(),
        unresolved: Vec::new(),
    };
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        resolved.text.push_str(before);
        let name = from[2..].split('}').next().unwrap_or_default();
        let closed = from.len() > 2 + name.len();
        if !closed || !is_name(name) {
            resolved.text.push_str("${");
            rest = &from[2..];
            continue;
        }
        let whole = &from[..name.len() + 3];
        match environment.lookup(name) {
            Ok(value) => {
                if value.is_empty() {
                    resolved.empty.push(name.to_owned());
                }
                resolved.text.push_str(&value);
                resolved.values.push(value);
            }
            Err(why) => {
                resolved.text.push_str(whole);
                resolved.unresolved.push(why);
            }
        }
        rest = &from[whole.len()..];
    }
    resolved.text.push_str(rest);
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(file: &str, process: &[(&str, &str)]) -> Environment {
        let snapshot = Snapshot {
            registry: Content::Absent,
            env_path: PathBuf::from("/etc/vai.env"),
            env_file: Content::Text(file.to_owned()),
            env_world_readable: false,
        };
        let process = process.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Environment::new(&snapshot, process)
    }

    #[test]
    fn the_env_file_goes_before_the_process() {
        let env = environment("TOKEN=file\n", &[("TOKEN", "process"), ("OTHER", "p")]);
        assert_eq!(env.lookup("TOKEN").unwrap(), "file");
        assert_eq!(env.lookup("OTHER").unwrap(), "p");
        assert_eq!(env.lookup("NONE").unwrap_err(), "${NONE} is not set");
    }

    #[test]
    fn a_docker_secret_is_read_without_its_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        let env = environment("", &[("TOKEN_FILE", path.to_str().unwrap())]);
        assert_eq!(env.lookup("TOKEN").unwrap(), "s3cret");
        std::fs::remove_file(&path).unwrap();
        assert!(env.lookup("TOKEN").unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn a_secret_is_never_waited_for_and_never_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [fifo.to_str().unwrap(), "/dev/zero"] {
            let env = environment("", &[("TOKEN_FILE", path)]);
            let why = env.lookup("TOKEN").unwrap_err();
            assert!(why.ends_with("and not a regular file"), "{why}");
        }
    }

    #[test]
    fn only_names_in_braces_are_resolved() {
        let env = environment("A=1\nB=2\n", &[]);
        let resolved = resolve("${A}-$A-${B-x}-${}-${B}-${", &env);
        assert_eq!(resolved.text, "1-$A-${B-x}-${}-2-${");
        assert_eq!(resolved.values, ["1", "2"]);
        assert!(resolved.unresolved.is_empty());
        let resolved = resolve("a ${GONE} b", &env);
        assert_eq!(resolved.text, "a ${GONE} b");
        assert_eq!(resolved.unresolved, ["${GONE} is not set"]);
    }
}
