//! Registries and what is said about them.
//!
//! `bad/*.json` and `warn/*.json` each break one rule; beside each stands the
//! message that a user gets. `VAI_BLESS=1` writes these anew: read what changed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at its first surprise")]

mod jobs;
mod meaning;
mod sections;
mod sinks;
mod validate;
mod watching;

use std::path::{Path, PathBuf};
use vai::config::{Content, Context, Environment, Loaded, Snapshot, load};

/// Reads `source` as in a container with a shell, two secrets and no env file.
fn read(source: &str) -> Loaded {
    read_with(source, true)
}

fn read_with(source: &str, local_shell: bool) -> Loaded {
    let snapshot = Snapshot {
        registry: Content::Text(source.to_owned()),
        env_path: PathBuf::from("/etc/vai/.env"),
        env_file: Content::Text(
            "NTFY_TOKEN=tk_from_env_file\nPAGER_URL=https://pager.example.com/h/abc\n".to_owned(),
        ),
        env_world_readable: false,
    };
    let process = [("SMTP_PASSWORD".to_owned(), "from process".to_owned())];
    load(source, &Environment::new(&snapshot, process), &Context { local_shell })
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(!files.is_empty(), "nothing in {}", folder.display());
    files
}

/// Compares what is said about each file with what stands beside it.
fn compare(folder: &str, check: impl Fn(&Path, &Loaded)) {
    let mut wrong = Vec::new();
    for path in files(folder) {
        let source = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let loaded = read_with(&source, !name.contains("no-shell"));
        check(&path, &loaded);
        let said = loaded.render(name, false);
        let expected = path.with_extension("txt");
        if std::env::var_os("VAI_BLESS").is_some() {
            std::fs::write(&expected, &said).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{}:\n{said}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_bad_registry_is_refused_with_its_message() {
    compare("tests/registry/bad", |path, loaded| {
        assert!(loaded.config.is_none(), "{} was taken", path.display());
    });
}

#[test]
fn each_doubtful_registry_is_taken_with_its_warning() {
    compare("tests/registry/warn", |path, loaded| {
        let said = loaded.render("", false);
        assert!(loaded.config.is_some(), "{} was refused\n{said}", path.display());
        assert!(!loaded.diagnostics.is_empty(), "{}", path.display());
    });
}

#[test]
fn good_registries_and_the_documented_examples_are_taken_in_silence() {
    for path in files("tests/registry/good").into_iter().chain(files("config/examples")) {
        let loaded = read(&std::fs::read_to_string(&path).unwrap());
        let said = loaded.render(&path.display().to_string(), false);
        assert!(loaded.diagnostics.is_empty(), "{said}");
        assert!(loaded.config.is_some());
    }
}

#[test]
fn all_findings_come_at_once_and_in_order() {
    let loaded = read(
        r#"{ "services": {
            "a": { "enabled": "yes", "helth_check": {} },
            "b": { "health_check": { "type": "tcp", "timeout_seconds": 70 }, "dependencies": ["a", "z"] }
        } }"#,
    );
    let lines: Vec<usize> =
        loaded.diagnostics.iter().map(|found| found.position.as_ref().unwrap().line).collect();
    assert_eq!(lines, [2, 2, 3, 3, 3, 3], "{}", loaded.render("f", false));
}
