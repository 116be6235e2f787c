use crate::config::{At, Config, Diagnostic, Level, Loaded};
use tracing::{error, warn};
use vai_core::model::{ContainerKey, Place};

/// The text of a registry, to point into.
pub(super) struct Text {
    loaded: Loaded,
    /// Of its file.
    name: String,
}

impl Text {
    /// The text that `loaded` was read from, in the file `name`.
    pub(super) fn new(loaded: Loaded, name: String) -> Self {
        Self { loaded, name }
    }

    /// The text itself.
    pub(super) fn source(&self) -> &str {
        self.loaded.positions.source()
    }

    /// Logs all that was found wrong with it.
    pub(super) fn tell(&self) {
        self.tell_all(&self.loaded.diagnostics);
    }

    /// Logs that a container which services or jobs of `config` are in does not
    /// exist.
    pub(super) fn tell_missing(&self, config: &Config, key: &ContainerKey) {
        self.tell_all(&[self.missing(config, key)]);
    }

    /// All findings as `vai validate` prints them.
    pub(super) fn render(&self) -> String {
        self.loaded.render(&self.name, false)
    }

    fn missing(&self, config: &Config, key: &ContainerKey) -> Diagnostic {
        let positions = &self.loaded.positions;
        let entry = config.containers.get(key);
        let name = entry.and_then(|entry| entry.name.as_deref());
        let inside = |place: &Place| matches!(place, Place::Container(other) if other == key);
        let service = config.services.values().find(|service| inside(&service.place));
        let job = config.jobs.values().find(|job| inside(&job.place));
        let pointer = match (name, service, job) {
            (None, Some(service), _) => positions.service(service.name.as_str(), "container"),
            (None, None, Some(job)) => positions.job(job.name.as_str(), "container"),
            (Some(_), _, _) | (None, None, None) => positions.container(key.as_str(), "name"),
        };
        let until = match service {
            Some(_) => "its services are looked at as soon as it is there",
            None => "its jobs are not run until it is there",
        };
        let message =
            format!("there is no container \"{}\" right now", name.unwrap_or_else(|| key.as_str()));
        Diagnostic {
            help: Some(until.to_owned()),
            ..positions.diagnostic(Level::Warning, &pointer, At::Value, &message)
        }
    }

    /// Line by line, as `vai validate` prints them.
    fn tell_all(&self, findings: &[Diagnostic]) {
        for finding in findings {
            let text = self.loaded.render_all(std::slice::from_ref(finding), &self.name, false);
            for line in text.lines().filter(|line| !line.is_empty()) {
                if finding.is_error() {
                    error!("{line}");
                } else {
                    warn!("{line}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Context, Environment, load};

    fn text(source: &str) -> (Text, Config) {
        let mut loaded = load(source, &Environment::default(), &Context { local_shell: true });
        let config = loaded.config.take().unwrap();
        (Text::new(loaded, "registry.json".into()), config)
    }

    #[test]
    fn a_missing_container_is_shown_where_it_is_named() {
        let (text, config) = text(
            r#"{
  "containers": { "services": { "name": "services-container" } },
  "services": {
    "db": { "container": "database" },
    "redis": { "container": "services" }
  },
  "cron_jobs": {
    "backup": { "container": "vault", "schedule": "@daily", "command": "x" }
  }
}"#,
        );
        for (key, at, message) in [
            ("services", (2, 41), "there is no container \"services-container\" right now"),
            ("database", (4, 26), "there is no container \"database\" right now"),
            ("vault", (8, 30), "there is no container \"vault\" right now"),
        ] {
            let found = text.missing(&config, &key.into());
            let position = found.position.unwrap();
            assert_eq!((position.line, position.column), at, "{key}");
            assert_eq!(found.message, message);
        }
    }
}
