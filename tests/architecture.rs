//! Who may import whom, as ARCHITECTURE.md says. What the compiler can see to
//! it sees to: the core is a crate of its own without clock, I/O or async.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail a test by panicking, as tests do")]

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Room → the rooms that it may use. `address`, `clock`, `jsonpath`, `when` and the
/// core are open to all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("schedule", &[]),
    ("config", &["schedule"]),
    ("check", &[]),
    ("docker", &["config"]),
    ("probe", &["check", "docker"]),
    ("crontabs", &["probe"]),
    ("heal", &["check", "docker", "probe"]),
    ("job", &["check", "docker", "probe"]),
    ("alert", &["config"]),
    ("store", &["show"]),
    ("show", &[]),
    (
        "app",
        &[
            "alert", "config", "crontabs", "docker", "heal", "job", "probe", "schedule", "show",
            "store",
        ],
    ),
    ("cli", &["alert", "app", "config", "probe", "schedule", "show", "store"]),
];

/// Crate → the only places that may name it.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("bollard", &["docker"]),
    ("reqwest", &["alert"]),
    // To tell a wrong mail address or header name while the registry is read.
    ("lettre", &["alert", "config"]),
    ("hyper", &["check", "config", "docker"]),
    ("notify", &["config"]),
    ("rusqlite", &["store"]),
    ("jsonc_parser", &["config"]),
    ("cron", &["schedule"]),
    ("serde_json_path", &["jsonpath.rs"]),
    ("flate2", &["check"]),
    ("brotli_decompressor", &["check"]),
    ("clap", &["cli", "show", "main.rs"]),
    ("anyhow", &["cli", "main.rs"]),
];

/// Files of a folder that must not know each other, and what they share.
const STRANGERS: &[(&str, &[&str])] = &[
    ("src/check", &["http", "tcp", "process", "custom", "disk"]),
    (
        "src/alert/sinks",
        &[
            "alertmanager",
            "apprise",
            "discord",
            "email",
            "gotify",
            "log",
            "matrix",
            "mattermost",
            "ntfy",
            "opsgenie",
            "pagerduty",
            "pushover",
            "slack",
            "teams",
            "telegram",
            "templated",
            "webhook",
        ],
    ),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file up to its tests, which may borrow from anywhere.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        ["tests", "tests.rs", "testing.rs", "fake.rs", "fixture.rs"].contains(&part.as_ref())
    })
}

/// `src/<room>/…` and `src/<room>.rs` without tests; not the core.
fn rooms() -> BTreeMap<String, Vec<PathBuf>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut rooms: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).unwrap();
        let room = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        if room != "core" && !is_test(inside) {
            rooms.entry(room).or_default().push(path);
        }
    }
    rooms
}

#[test]
fn rooms_use_only_what_lies_below_them() {
    let uses = Regex::new(r"crate::([a-z_]+)").unwrap();
    let rooms = rooms();
    let mut wrong = BTreeSet::new();
    for (room, allowed) in MAY_USE {
        for path in &rooms[*room] {
            for used in uses.captures_iter(&code(path)).map(|found| found[1].to_owned()) {
                let fine = used == "clock" || used == *room || allowed.contains(&used.as_str());
                if !fine && rooms.contains_key(&used) {
                    wrong.insert(format!("{} uses {used}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(room, _)| *room).collect();
    let files = ["address.rs", "clock.rs", "jsonpath.rs", "lib.rs", "main.rs", "when.rs"];
    for room in rooms.keys().filter(|room| !files.contains(&room.as_str())) {
        assert!(known.contains(room.as_str()), "say in MAY_USE what {room} may use");
    }
}

#[test]
fn a_library_is_known_to_the_room_that_needs_it_alone() {
    let mut wrong = BTreeSet::new();
    for (library, allowed) in ONLY_IN {
        let named = Regex::new(&format!(r"\b{library}::")).unwrap();
        for (room, paths) in rooms() {
            for path in paths {
                if !allowed.contains(&room.as_str()) && named.is_match(&code(&path)) {
                    wrong.insert(format!("{} names {library}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn kinds_of_check_and_sinks_do_not_know_each_other() {
    for (folder, kinds) in STRANGERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for kind in *kinds {
            let others: Vec<&str> = kinds.iter().copied().filter(|other| other != kind).collect();
            let names = format!(
                r"super::({})\b|use super::\{{[^}}]*\b({})::",
                others.join("|"),
                others.join("|")
            );
            let names = Regex::new(&names).unwrap();
            let mut paths = vec![folder.join(kind).with_extension("rs")];
            if folder.join(kind).is_dir() {
                paths.extend(sources(&folder.join(kind)));
            }
            for path in paths.iter().filter(|path| path.exists() && !is_test(path)) {
                assert!(!names.is_match(&code(path)), "{} knows another kind", path.display());
            }
        }
    }
}

#[test]
fn the_core_depends_on_nothing_that_could_do_anything() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core/Cargo.toml");
    let text = fs::read_to_string(manifest).unwrap();
    let dependencies: Vec<&str> = text
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty()))
        .collect();
    assert_eq!(dependencies, ["serde", "serde_json"]);
}
