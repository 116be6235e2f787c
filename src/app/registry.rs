use super::text::Text;
use super::{AppError, shown};
use crate::clock;
use crate::config::{
    Config, Content, Context, Environment, Snapshot, Source, dropped, is_mounted_alone,
    load_snapshot,
};
use crate::docker::keys_of;
use crate::heal;
use crate::job;
use crate::show::Answer;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use vai_core::model::{ContainerKey, Job, OperatorError, Redactor, Service};

/// An act waits no longer than this for an edit to settle.
const EDIT_SETTLES: Duration = Duration::from_secs(3);

/// More names than these are only counted.
const SHOWN_NAMES: usize = 8;

/// An operator's demand to read the registry again, and where the answer goes.
pub struct Forced {
    /// Even if it drops more than half of the services.
    pub force: bool,
    /// What became of it.
    pub reply: oneshot::Sender<Result<Answer, OperatorError>>,
}

/// The registry in force, and what is on disk.
pub struct Registry {
    source: Source,
    current: watch::Sender<Arc<Config>>,
    /// What `current` was read from.
    text: watch::Sender<Arc<Text>>,
    /// The content that was judged last, whatever became of it.
    considered: watch::Sender<Snapshot>,
    settled: mpsc::Sender<Snapshot>,
    /// What is wrong with the content on disk, while it is not in force.
    trouble: watch::Sender<Option<String>>,
    /// What is wrong with how the file is mounted.
    mount: Option<String>,
    applying: Mutex<()>,
}

/// A registry and what is needed to follow it.
pub struct StartRegistry {
    /// The registry itself.
    pub registry: Arc<Registry>,
    /// Contents that settled on disk.
    pub settled: mpsc::Receiver<Snapshot>,
    /// Finds them.
    pub source: Source,
    /// The content that was read at the start.
    pub known: Snapshot,
    /// What was in force last, if that was another one.
    pub before: Option<Config>,
}

impl Registry {
    /// Reads the registry at `path`. If it has errors, `last_good` is taken,
    /// loudly.
    ///
    /// # Errors
    /// The diagnostics, when there is no good copy either.
    pub async fn start(path: &Path, last_good: Option<String>) -> Result<StartRegistry, AppError> {
        let source = Source::new(path.to_owned());
        let snapshot = source.read_now().await;
        let name = shown(path);
        let (config, text) = read(&snapshot, &name);
        text.tell();
        let mount = is_mounted_alone(path).then(|| {
            format!(
                "{name} is mounted as a single file: an edit that is saved by a rename will never \
                 be seen; mount its folder instead"
            )
        });
        if let Some(warning) = &mount {
            warn!("{warning}");
        }
        let copy = last_good.filter(|source| source != text.source());
        let copy = copy.and_then(|source| read_copy(source, &snapshot));
        let (config, text, trouble, before) = match (config, copy) {
            (Some(config), copy) => (config, text, None, copy.map(|(before, _)| before)),
            (None, Some((config, copy))) => {
                let trouble = format!("{name} has errors; the last good copy of it is in force");
                error!("{trouble}");
                (config, copy, Some(trouble), None)
            }
            (None, None) => return Err(AppError::BadRegistry(text.render())),
        };
        let (sender, settled) = mpsc::channel(1);
        let registry = Arc::new(Self {
            source: source.clone(),
            current: watch::Sender::new(Arc::new(config)),
            text: watch::Sender::new(Arc::new(text)),
            considered: watch::Sender::new(snapshot.clone()),
            settled: sender,
            trouble: watch::Sender::new(trouble),
            mount,
            applying: Mutex::new(()),
        });
        Ok(StartRegistry { registry, settled, source, known: snapshot, before })
    }

    /// What is in force.
    #[must_use]
    pub fn current(&self) -> Arc<Config> {
        Arc::clone(&self.current.borrow())
    }

    /// The text of what is in force.
    #[must_use]
    pub fn text(&self) -> String {
        self.text.borrow().source().to_owned()
    }

    /// Why what is on disk is not in force, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// What the operator should know for as long as it is so.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.mount.clone().into_iter().chain(self.trouble()).collect()
    }

    /// Logs that a container of the registry in force does not exist.
    pub fn tell_missing(&self, key: &ContainerKey) {
        let text = Arc::clone(&self.text.borrow());
        text.tell_missing(&self.current(), key);
    }

    /// Takes contents that settled on disk.
    #[must_use]
    pub fn settled_sender(&self) -> mpsc::Sender<Snapshot> {
        self.settled.clone()
    }

    /// Puts every good content in force, and tells `registries`, until
    /// `shutdown`.
    pub async fn follow(
        &self,
        mut settled: mpsc::Receiver<Snapshot>,
        registries: watch::Sender<Arc<Config>>,
        mut forced: mpsc::Receiver<Forced>,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(snapshot) = settled.recv() => {
                    // What it came to is in the log.
                    let _ = self.consider(snapshot, false, &registries).await;
                }
                Some(Forced { force, reply }) = forced.recv() => {
                    let snapshot = self.source.read_settled().await;
                    let answer = self.consider(snapshot, force, &registries).await;
                    // Whoever asked may have gone.
                    let _ = reply.send(answer.map(Answer::Said).map_err(OperatorError));
                }
            }
        }
    }

    /// Judges one content: in force, or a reason why not.
    async fn consider(
        &self,
        snapshot: Snapshot,
        force: bool,
        registries: &watch::Sender<Arc<Config>>,
    ) -> Result<String, String> {
        let _one_at_a_time = self.applying.lock().await;
        let name = shown(self.source.path());
        let (config, text) = read(&snapshot, &name);
        text.tell();
        let old = self.current();
        let verdict = match config {
            None => Err(not_in_force(&snapshot, &name)),
            Some(new) if new == *old => {
                self.text.send_replace(Arc::new(text));
                Ok(format!("{name} is in force, nothing changed"))
            }
            Some(new) => match dropped(&old, &new).filter(|_| !force) {
                Some(held) => Err(format!("{name}: {held}")),
                None => {
                    let words = format!("{name} is in force: {}", difference(&old, &new));
                    let new = Arc::new(new);
                    self.text.send_replace(Arc::new(text));
                    self.current.send_replace(Arc::clone(&new));
                    registries.send_replace(new);
                    Ok(words)
                }
            },
        };
        match &verdict {
            Ok(words) => info!("{words}"),
            Err(why) => error!("{why}"),
        }
        self.trouble.send_replace(verdict.as_ref().err().cloned());
        self.considered.send_replace(snapshot);
        verdict
    }

    /// Waits until what is on disk is what was judged last, but not for ever:
    /// somebody may be writing all the time.
    async fn settle(&self) {
        let mut considered = self.considered.subscribe();
        let deadline = clock::Deadline::after(EDIT_SETTLES);
        let caught_up = async {
            loop {
                let on_disk = self.source.read_now().await;
                if *considered.borrow_and_update() == on_disk {
                    return;
                }
                if considered.changed().await.is_err() {
                    return;
                }
            }
        };
        if deadline.bound(caught_up).await.is_none() {
            warn!("{} is still being edited; what is in force decides", shown(self.source.path()));
        }
    }
}

#[async_trait]
impl heal::Registry for Registry {
    async fn still_wanted(&self, service: &Service) -> Result<(), String> {
        self.settle().await;
        match self.current().services.get(&service.name) {
            None => Err("it was removed from the registry a moment ago".into()),
            Some(now) if !now.enabled => Err("it was disabled in the registry a moment ago".into()),
            Some(now) if **now != *service => {
                Err("its entry in the registry was changed a moment ago".into())
            }
            Some(_) => Ok(()),
        }
    }

    fn shares_container(&self, service: &Service) -> bool {
        self.current().shares_container(service)
    }

    fn redactor(&self) -> Redactor {
        self.current().redactor.clone()
    }
}

#[async_trait]
impl job::Registry for Registry {
    async fn still_wanted(&self, job: &Job) -> Result<(), String> {
        self.settle().await;
        match self.current().jobs.get(&job.name) {
            None => Err("it was removed from the registry a moment ago".into()),
            Some(now) if **now != *job => {
                Err("its entry in the registry was changed a moment ago".into())
            }
            Some(_) => Ok(()),
        }
    }

    fn redactor(&self) -> Redactor {
        self.current().redactor.clone()
    }
}

fn read(snapshot: &Snapshot, name: &str) -> (Option<Config>, Text) {
    let mut loaded = load_snapshot(snapshot, Environment::of_process(), &Context::here());
    let config = loaded.config.take();
    (config, Text::new(loaded, name.to_owned()))
}

/// Why a content that is no registry is not in force.
fn not_in_force(snapshot: &Snapshot, name: &str) -> String {
    let (what, instead) = match &snapshot.registry {
        Content::Text(_) => ("has errors and is not in force".to_owned(), "the one before it"),
        Content::Absent => ("is not there any more".to_owned(), "what was in force"),
        Content::Unreadable(why) => (format!("cannot be read: {why}"), "what was in force"),
    };
    format!("{name} {what}; {instead} stays")
}

/// The copy that was stored of the last registry without errors.
fn read_copy(source: String, beside: &Snapshot) -> Option<(Config, Text)> {
    let copy = Snapshot { registry: Content::Text(source), ..beside.clone() };
    let (config, text) = read(&copy, "the last good registry");
    Some((config?, text))
}

/// What an edit changed, by name.
fn difference(old: &Config, new: &Config) -> String {
    let notifications = (old.notifications != new.notifications).then(|| "notifications".into());
    let containers = (keys_of(old) != keys_of(new)).then(|| "containers".into());
    let parts: Vec<String> = changes("", &old.services, &new.services)
        .chain(changes("job ", &old.jobs, &new.jobs))
        .chain(notifications)
        .chain(containers)
        .collect();
    if parts.is_empty() { "settings changed".into() } else { parts.join("; ") }
}

/// `added a, b`, `removed c` and `changed d`, with `what` before each name.
fn changes<'m, K: Ord + Display, V: PartialEq>(
    what: &'m str,
    old: &'m BTreeMap<K, V>,
    new: &'m BTreeMap<K, V>,
) -> impl Iterator<Item = String> + 'm {
    let added = new.keys().filter(|name| !old.contains_key(*name));
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    let is_other = |(name, it): &(&K, &V)| old.get(*name).is_some_and(|before| before != *it);
    let changed = new.iter().filter(is_other).map(|(name, _)| name);
    let named = move |label: &str, names: Vec<&K>| {
        let shown = names.iter().take(SHOWN_NAMES).map(|name| format!("{what}{name}"));
        let shown = shown.collect::<Vec<_>>().join(", ");
        match names.len() {
            0 => None,
            1..=SHOWN_NAMES => Some(format!("{label} {shown}")),
            many => Some(format!("{label} {shown}, … ({many} in all)")),
        }
    };
    let parts = [
        named("added", added.collect()),
        named("removed", removed.collect()),
        named("changed", changed.collect()),
    ];
    parts.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn config(jobs: &str) -> Config {
        let source = format!(r#"{{ "cron_jobs": {{ {jobs} }} }}"#);
        load(&source, &Environment::default(), &Context { local_shell: true }).config.unwrap()
    }

    #[test]
    fn an_edit_names_the_jobs_that_it_changes() {
        let job = |name: &str, schedule: &str| {
            format!(r#""{name}": {{ "schedule": "{schedule}", "command": "x", "container": "c" }}"#)
        };
        let old = config(&format!("{}, {}", job("backup", "@daily"), job("rotate", "@weekly")));
        let new = config(&format!("{}, {}", job("backup", "@hourly"), job("report", "@weekly")));
        assert_eq!(
            difference(&old, &new),
            "added job report; removed job rotate; changed job backup"
        );
        assert_eq!(difference(&old, &config("")), "removed job backup, job rotate; containers");
    }
}
