use super::anchors::anchors;
use super::channels::Channels;
use super::containers::{containers, doubtful};
use super::diagnostic::{Diagnostic, render};
use super::environment::Environment;
use super::fields::Fields;
use super::graph::resolve_dependencies;
use super::jobs::Jobs;
use super::known::Known;
use super::maintenance::maintenance;
use super::names::misspelt;
use super::node::Node;
use super::positions::Positions;
use super::reader::{Collected, Problem, Reader};
use super::recovery::resolve_ladders;
use super::service::{Draft, service};
use super::watch::{Content, Snapshot};
use super::{Config, jobs, sections, syntax};
use jsonc_parser::ast::Value;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vai_core::model::{Notify, Redactor};

/// The keys of a full registry; a file of services with none of them is a bare
/// map of these.
const SECTIONS: [&str; 10] = [
    "services",
    "cron_jobs",
    "containers",
    "notifications",
    "defaults",
    "limits",
    "probe",
    "anchors",
    "maintenance",
    "env_file",
];

/// What may stand beside sections and services and means nothing to vai.
const SCHEMA: &str = "$schema";

/// Where secrets are looked up unless the registry says otherwise.
const DEFAULT_ENV_FILE: &str = "/home/devuser/ai-global/config/.env";

/// What has to be known about the place vai runs in to judge a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Whether commands of local services have a shell to run in.
    pub local_shell: bool,
}

impl Context {
    /// The place this process runs in.
    #[must_use]
    pub fn here() -> Self {
        let shells = ["/bin/bash", "/bin/sh"];
        Self { local_shell: shells.iter().any(|shell| Path::new(shell).exists()) }
    }
}

/// A registry as it was read, with everything there is to say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The registry; absent if there is any error.
    pub config: Option<Config>,
    /// All errors and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Where everything stands, for what is only found out later.
    pub positions: Positions,
    redactor: Redactor,
    masks: Vec<Range<usize>>,
}

impl Loaded {
    /// The diagnostics with the lines they are about, their secrets hidden.
    #[must_use]
    pub fn render(&self, file_name: &str, colour: bool) -> String {
        self.render_all(&self.diagnostics, file_name, colour)
    }

    /// Like [`Self::render`], for diagnostics that were found later.
    #[must_use]
    pub fn render_all(&self, found: &[Diagnostic], file_name: &str, colour: bool) -> String {
        let mut source = self.positions.source().as_bytes().to_vec();
        for span in &self.masks {
            source[span.clone()].fill(b'*');
        }
        let source = String::from_utf8_lossy(&source);
        self.redactor.redact(&render(found, file_name, &source, colour))
    }

    fn without_config(diagnostic: Diagnostic, positions: Positions) -> Self {
        let masks = suspects(positions.source());
        Self {
            config: None,
            diagnostics: vec![diagnostic],
            positions,
            redactor: Redactor::default(),
            masks,
        }
    }
}

/// Reads the text of a registry. It does no I/O but to read the files that
/// `NAME_FILE` variables point to.
#[must_use]
pub fn load(source: &str, environment: &Environment, context: &Context) -> Loaded {
    let (source, has_mark) = syntax::without_mark(source);
    let root = match syntax::parse(source) {
        Ok(root) => root,
        Err(diagnostic) => {
            return Loaded::without_config(*diagnostic, Positions::without_values(source));
        }
    };
    let mut positions = Positions::new(source, &root);
    let bare = is_bare(&root);
    positions.set_services_at(if bare { "" } else { "/services" });
    let reader = Reader::new(environment, context, &positions);
    let root_node = Node { reader: &reader, value: &root, pointer: String::new() };
    let config = read(&reader, &root_node, bare);
    let Collected { diagnostics: found, redactor, masks } = reader.finish();
    let mut diagnostics = syntax::duplicate_keys(source, &root);
    diagnostics.extend(has_mark.then(|| syntax::byte_order_mark(source)));
    diagnostics.extend(found);
    diagnostics.sort_by_key(|diagnostic| diagnostic.position.as_ref().map(|at| at.span.start));
    let usable = !diagnostics.iter().any(Diagnostic::is_error);
    Loaded {
        config: config
            .filter(|_| usable)
            .map(|config| Config { redactor: redactor.clone(), ..config }),
        diagnostics,
        positions,
        redactor,
        masks,
    }
}

/// Reads a registry as it stands on disk, or says why there is none.
#[must_use]
pub fn load_snapshot(
    snapshot: &Snapshot,
    process: impl IntoIterator<Item = (String, String)>,
    context: &Context,
) -> Loaded {
    let none = |message: String, help: &str| {
        let diagnostic = Diagnostic::without_text(message, help.to_owned());
        Loaded::without_config(diagnostic, Positions::without_values(""))
    };
    match &snapshot.registry {
        Content::Text(source) => {
            let environment = Environment::new(snapshot, process);
            load(source, &environment, context)
        }
        Content::Absent => {
            none("there is no registry".to_owned(), "name it by --config or $VAI_CONFIG")
        }
        Content::Unreadable(why) => none(
            format!("the registry cannot be read: {why}"),
            "it has to be a readable file of UTF-8 text",
        ),
    }
}

/// The env file that the registry at `registry` names; a relative one is beside
/// the registry. A registry that cannot be read names the default one.
#[must_use]
pub fn env_path(source: &str, registry: &Path) -> PathBuf {
    let root = syntax::parse(syntax::without_mark(source).0).ok();
    let named = root.as_ref().and_then(|root| {
        let object = root.as_object()?;
        Some(object.get_string("env_file")?.value.to_string())
    });
    let path = named.unwrap_or_else(|| DEFAULT_ENV_FILE.to_owned());
    let folder = registry.parent().unwrap_or(Path::new(""));
    folder.join(path)
}

/// Reads all sections; the secrets that came up on the way are added by the
/// caller.
fn read<'a>(reader: &'a Reader<'a>, root: &Node<'a>, bare: bool) -> Option<Config> {
    let file = if bare { Fields::new(reader, None, String::new()) } else { root.fields()? };
    sections::env_file(reader, &file);
    let defaults = sections::defaults(&file);
    let containers = containers(&file);
    let probe = file.get("probe").and_then(|node| sections::probe_mode(&node));
    let anchors = anchors(&file);
    let services = if bare { Some(root.clone()) } else { file.get("services") };
    let mut drafts: Vec<Draft<'a>> = Vec::new();
    for (name, node) in services.and_then(|node| node.members()).unwrap_or_default() {
        if bare && is_no_service(name, &node) {
            continue;
        }
        drafts.extend(service(name, &node, defaults.as_ref()));
    }
    let mut channels = Channels::read(reader, &file);
    for draft in &mut drafts {
        let notify = std::mem::replace(&mut draft.service.notify, Notify::Default);
        draft.service.notify = channels.resolve(notify, &draft.channels);
    }
    let entries = jobs::entries(&file);
    let known = Known::new(&drafts, entries.iter().map(|(name, _)| *name));
    resolve_dependencies(&mut drafts, &known);
    resolve_ladders(&mut drafts, &containers);
    let nodes = drafts.iter().map(|draft| &draft.node);
    doubtful(nodes.chain(entries.iter().map(|(_, node)| node)), &containers);
    let Jobs { jobs, schedules } = jobs::jobs(&entries, &known, &mut channels);
    let maintenance = maintenance(&file, &known);
    let limits = sections::limits(&file, drafts.len());
    file.own(SCHEMA);
    stray_services(root, bare);
    file.close("the registry", &["description"]);
    if !drafts.iter().any(Draft::is_watched) && schedules.is_empty() && !reader.has_errors() {
        root.report(
            Problem::warning("nothing is watched")
                .at_key()
                .help("a service is watched if it is enabled and has a \"health_check\""),
        );
    }
    Some(Config {
        services: drafts
            .into_iter()
            .map(|draft| (draft.service.name.clone(), Arc::new(draft.service)))
            .collect(),
        jobs,
        schedules,
        containers,
        probe: probe.unwrap_or_default(),
        limits,
        anchors,
        maintenance,
        notifications: channels.finish(),
        redactor: Redactor::default(),
    })
}

/// Whether a registry is a bare map of services: at least one object, and no
/// section.
fn is_bare(root: &Value<'_>) -> bool {
    let Value::Object(object) = root else {
        return false;
    };
    let mut members = object.properties.iter();
    members.clone().any(|property| property.value.as_object().is_some())
        && members.all(|property| !SECTIONS.contains(&property.name.as_str()))
}

/// In a bare map, whether an entry is documentation. A key like `servces` is a
/// misspelt section, and no service either.
fn is_no_service(name: &str, node: &Node<'_>) -> bool {
    if let Some(meant) = misspelt(name, SECTIONS) {
        node.report(
            Problem::error(format!("`{name}` is not a section of the registry"))
                .at_key()
                .expected(format!("did you mean \"{meant}\"?"))
                .help("a service of this name has to stand under \"services\""),
        );
    }
    node.value.as_object().is_none() || name.starts_with("x-")
}

/// In a full registry, an entry with a health check beside the sections is not
/// watched.
fn stray_services(root: &Node<'_>, bare: bool) {
    if bare {
        return;
    }
    for (name, node) in root.members().unwrap_or_default() {
        let Value::Object(object) = node.value else {
            continue;
        };
        let checks = ["health_check", "health_checks"];
        if !SECTIONS.contains(&name) && checks.iter().any(|check| object.get(check).is_some()) {
            node.report(
                Problem::warning(format!("`{name}` looks like a service and is not watched"))
                    .at_key()
                    .help("move it into \"services\""),
            );
        }
    }
}

/// The parts of a text that is no JSON that may be secrets: the values of keys
/// that sound like one, to the end of their lines.
fn suspects(source: &str) -> Vec<Range<usize>> {
    let pattern = r#"(?i)"[^"\n]*(?:passw|secret|token|key|authorization|cookie|credential|url)[^"\n]*"[ \t]*:([^\n]*)"#;
    let Ok(pattern) = regex::Regex::new(pattern) else {
        return Vec::new();
    };
    let values = pattern.captures_iter(source).filter_map(|found| found.get(1));
    values.map(|value| value.range()).collect()
}
