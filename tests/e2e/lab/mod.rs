//! A laboratory for one test: real containers of a real engine in a network of
//! their own, gone when the test is over.

pub(crate) mod calls;
mod container;
mod docker;
mod doors;
mod http_catcher;
mod image;
mod mail;
mod output;
mod private_engine;
mod relay;
mod run;
mod vai;
mod wait;

pub(crate) use container::{Container, Spec};
pub(crate) use docker::Engine;
pub(crate) use doors::Doors;
pub(crate) use http_catcher::HttpCatcher;
pub(crate) use image::Image;
pub(crate) use mail::{Mail, MailCatcher};
pub(crate) use private_engine::{Containers, PrivateEngine};
pub(crate) use relay::Relay;
pub(crate) use vai::{Vai, pretty, vai_once};
pub(crate) use wait::{eventually, never, until};

use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// The binary under test: static, because it is copied into every container.
///
/// # Panics
///
/// If `VAI_STATIC_BIN` does not say where it is; `tests/run` does.
fn vai_binary() -> PathBuf {
    std::env::var_os("VAI_STATIC_BIN")
        .map(PathBuf::from)
        .expect("VAI_STATIC_BIN names the static binary; tests/run builds it and sets this")
}

/// What the environment sets by this name for a longer run than usual.
pub(crate) fn number_of(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {value:?}")))
}

/// The containers and the network of one test. Dropping it removes them.
pub(crate) struct Lab {
    engine: Engine,
    prefix: String,
    containers: RefCell<Vec<String>>,
}

impl Lab {
    /// An empty one on the engine that all tests share.
    pub(crate) fn new() -> Self {
        let engine = Engine::shared();
        run::sweep(&engine);
        Self::on(engine)
    }

    /// An empty one on `engine`.
    pub(crate) fn on(engine: Engine) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let lab = Self {
            engine,
            prefix: format!(
                "vai-e2e-{}-{}",
                run::id().replace('.', "-"),
                COUNT.fetch_add(1, Ordering::Relaxed)
            ),
            containers: RefCell::default(),
        };
        lab.engine.docker(["network", "create", "--label", &label(), &lab.prefix]);
        lab
    }

    /// A container to be, reachable in the lab's network as
    /// `<short>-container`.
    pub(crate) fn container(&self, short: &str, image: Image) -> Spec {
        self.containers.borrow_mut().push(short.to_owned());
        Spec {
            engine: self.engine.clone(),
            name: self.name_of(short),
            options: vec![
                format!("--label={}", label()),
                format!("--network={}", self.prefix),
                format!("--network-alias={short}-container"),
                // Stopping is not what is tested, mostly.
                "--stop-timeout=1".to_owned(),
            ],
            image,
            command: Vec::new(),
        }
    }

    /// A registry with these services, the lab's containers and no
    /// notifications. A container is known to it by its full name only: the
    /// short one, looked up on an engine that others use as well, could be
    /// somebody's real container while the lab's is gone.
    pub(crate) fn registry(&self, mut services: Value) -> Value {
        for service in services.as_object_mut().into_iter().flat_map(Map::values_mut) {
            let short = service["container"].as_str().expect("a service names its container");
            service["container"] = json!(self.name_of(short));
        }
        let name = |short: &String| self.name_of(short);
        let containers: Map<String, Value> = self
            .containers
            .borrow()
            .iter()
            .map(name)
            .map(|name| (name.clone(), json!({ "name": name })))
            .collect();
        json!({ "containers": containers, "services": services })
    }

    /// Takes a container out of the lab's network.
    pub(crate) fn disconnect(&self, short: &str) {
        self.engine.docker(["network", "disconnect", &self.prefix, &self.name_of(short)]);
    }

    /// Puts a container back into the lab's network.
    pub(crate) fn connect(&self, short: &str) {
        self.engine.docker(["network", "connect", &self.prefix, &self.name_of(short)]);
    }

    fn name_of(&self, short: &str) -> String {
        format!("{}-{short}", self.prefix)
    }
}

fn label() -> String {
    format!("{}={}", run::LABEL, run::id())
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A failing clean-up must not hide why the test failed; the next
        // run's sweep gets what is left.
        for short in self.containers.borrow().iter() {
            self.engine.remove(&["rm", "--force", "--volumes", &self.name_of(short)]);
        }
        self.engine.remove(&["network", "rm", &self.prefix]);
    }
}
