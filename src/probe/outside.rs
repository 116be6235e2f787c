//! Looks from outside, for the containers that take no agent.

use crate::check::{self, process};
use crate::docker::{Details, Directory, Engine, EngineError, ExecSpec};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;
use vai_core::model::{
    Check, CheckKind, CustomCheck, Fault, FaultKind, HttpCheck, Instance, Outcome, ProcessCheck,
    Secret, TcpCheck,
};

/// Exit codes of a shell or program that is not there.
const NOT_RUNNABLE: [i64; 2] = [126, 127];

/// The ways that need nothing inside.
pub(super) struct Outside {
    engine: Arc<dyn Engine>,
    directory: Directory,
    /// The checks that have once reached their service over the network.
    reached: Mutex<HashSet<(Instance, String)>>,
    /// The containers of which this was said.
    told: Mutex<HashSet<Instance>>,
}

impl Outside {
    pub(super) fn new(engine: Arc<dyn Engine>, directory: Directory) -> Self {
        Self { engine, directory, reached: Mutex::default(), told: Mutex::default() }
    }

    /// Looks once. `why` is why there is no agent, `watch` names the check.
    pub(super) async fn look(
        &self,
        container: &Details,
        check: &Check,
        watch: &str,
        why: &str,
    ) -> Outcome {
        self.tell_once(container, why);
        let name = &container.presence.name;
        let moved = |address: &str| match &check.kind {
            CheckKind::Http(http) => http_at(http, address).map(CheckKind::Http),
            CheckKind::Tcp(tcp) => Some(CheckKind::Tcp(tcp_at(tcp, address))),
            CheckKind::Process(_)
            | CheckKind::Custom(_)
            | CheckKind::Docker
            | CheckKind::Disk(_) => None,
        };
        match &check.kind {
            CheckKind::Http(_) | CheckKind::Tcp(_) => {
                let own = self.directory.own();
                match shared_address(container, own.as_deref()).and_then(moved) {
                    Some(kind) => self.over_network(container, &kind, check, watch).await,
                    None => Outcome::Unknown(format!(
                        "container {name} is in no network of ours and takes no agent: {why}"
                    )),
                }
            }
            CheckKind::Process(process) => self.by_top(container, process).await,
            CheckKind::Custom(custom) => self.by_exec(container, custom, check).await,
            CheckKind::Disk(_) | CheckKind::Docker => Outcome::Unknown(format!(
                "this is only seen from inside container {name}, which takes no agent: {why}"
            )),
        }
    }

    fn tell_once(&self, container: &Details, why: &str) {
        let instance = &container.presence.instance;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(instance) {
            told.retain(|other| other.id != instance.id);
            told.insert(instance.clone());
            tracing::warn!(
                "container {} takes no agent, so it is looked at from outside: {why}",
                container.presence.name
            );
        }
    }

    /// Until this way has worked once, a connection that fails says nothing: the
    /// service may listen on the container's loopback only.
    async fn over_network(
        &self,
        container: &Details,
        moved: &CheckKind,
        check: &Check,
        watch: &str,
    ) -> Outcome {
        let outcome = check::look(moved, check.timeout).await.outcome;
        let key = (container.presence.instance.clone(), watch.to_owned());
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Fail(fault) if never_arrived(fault.kind) && !reached.contains(&key) => {
                Outcome::Unknown(format!(
                    "from outside container {}: {fault}; it may answer inside only",
                    container.presence.name
                ))
            }
            outcome => {
                if matches!(outcome, Outcome::Pass | Outcome::Slow(_)) {
                    reached.retain(|(instance, _)| instance.id != key.0.id || *instance == key.0);
                    reached.insert(key);
                }
                outcome
            }
        }
    }

    async fn by_top(&self, container: &Details, check: &ProcessCheck) -> Outcome {
        match self.engine.top(&container.presence.instance.id).await {
            Ok(processes) => process::judge_listed(
                check,
                processes.iter().map(|process| (process.stat.as_str(), process.args.as_str())),
            ),
            Err(error) => could_not_look(&error),
        }
    }

    async fn by_exec(&self, container: &Details, custom: &CustomCheck, check: &Check) -> Outcome {
        let spec = ExecSpec {
            user: custom.user.clone(),
            working_dir: custom.working_dir.clone(),
            environment: custom
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={}", value.expose()))
                .collect(),
            ..ExecSpec::shell(&custom.command)
        };
        let id = &container.presence.instance.id;
        let end = match self.engine.exec(id, &spec, check.timeout).await {
            Ok(end) => end,
            Err(error) => return could_not_look(&error),
        };
        let said = end.output.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = match said.as_str() {
            "" => ", without output".to_owned(),
            said => format!(": {said}"),
        };
        match end.exit_code {
            Some(0) => Outcome::Pass,
            Some(code) if NOT_RUNNABLE.contains(&code) && said.contains("exec failed") => {
                Outcome::Unknown(format!("the command could not be run{said}"))
            }
            Some(code) => {
                Outcome::Fail(Fault::new(FaultKind::ExitCode, format!("exited {code}{said}")))
            }
            None => Outcome::Fail(Fault::new(
                FaultKind::Timeout,
                format!("not done within {:?}{said}", check.timeout),
            )),
        }
    }
}

fn could_not_look(error: &EngineError) -> Outcome {
    Outcome::Unknown(error.to_string())
}

/// Whether a fault says that the service itself was not reached.
fn never_arrived(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Refused | FaultKind::ConnectTimeout | FaultKind::Connect | FaultKind::Tls
    )
}

/// The container's address in a network that we are in too. From the host's
/// own network, every address can be reached.
fn shared_address<'a>(container: &'a Details, own: Option<&Details>) -> Option<&'a str> {
    let networks = own.map(|own| &own.addresses).filter(|own| !own.is_empty());
    container
        .addresses
        .iter()
        .find(|(network, _)| networks.is_none_or(|own| own.iter().any(|(name, _)| name == network)))
        .map(|(_, address)| address.as_str())
}

/// The same request to `address`, still asking for the host of the endpoint.
fn http_at(check: &HttpCheck, address: &str) -> Option<HttpCheck> {
    let mut url = Url::parse(check.endpoint.expose()).ok()?;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    url.set_host(Some(address)).ok()?;
    let mut moved = check.clone();
    moved.host = address.to_owned();
    moved.endpoint = Secret::from(url.as_str());
    if !check.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        moved.headers.push(("Host".to_owned(), Secret::from(host.as_str())));
    }
    Some(moved)
}

fn tcp_at(check: &TcpCheck, address: &str) -> TcpCheck {
    TcpCheck { host: address.to_owned(), ..check.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use vai_core::model::{ContainerStatus, Presence, StatusSet};

    fn container(addresses: &[(&str, &str)]) -> Details {
        Details {
            presence: Presence {
                instance: Instance { id: "feed".into(), started_at: "now".into() },
                name: "box".into(),
                status: ContainerStatus::Running,
                health: None,
                up_for: Duration::ZERO,
                health_start: None,
                engine_restarts: false,
                network_of: None,
                network_gone: false,
                is_self: false,
            },
            user: String::new(),
            addresses: addresses
                .iter()
                .map(|&(network, address)| (network.into(), address.into()))
                .collect(),
            facts: Vec::new(),
            stop_timeout: Duration::from_secs(10),
            compose_project: None,
        }
    }

    #[test]
    fn the_address_is_one_in_a_network_that_we_share() {
        let target = container(&[("back", "172.30.0.2"), ("front", "172.31.0.2")]);
        let in_front = container(&[("front", "172.31.0.9")]);
        let elsewhere = container(&[("other", "172.32.0.9")]);
        let on_host = container(&[]);
        assert_eq!(shared_address(&target, Some(&in_front)), Some("172.31.0.2"));
        assert_eq!(shared_address(&target, Some(&elsewhere)), None);
        assert_eq!(shared_address(&target, Some(&on_host)), Some("172.30.0.2"));
        assert_eq!(shared_address(&target, None), Some("172.30.0.2"));
    }

    #[test]
    fn a_moved_request_still_asks_for_its_host() {
        let check = HttpCheck {
            endpoint: Secret::from("http://me:pw@localhost:8080/health?deep=1"),
            shown: "http://localhost:8080/health".into(),
            host: "localhost".into(),
            method: "GET".into(),
            headers: Vec::new(),
            body: None,
            expected_status: StatusSet(vec![(200, 399)]),
            expected_body: None,
            expected_json: Vec::new(),
            max_body: HttpCheck::default_max_body(),
            max_response: None,
            follow_redirects: false,
            tls_verify: true,
            ca_file: None,
        };
        let moved = http_at(&check, "172.30.0.2").unwrap();
        assert_eq!(moved.endpoint.expose(), "http://me:pw@172.30.0.2:8080/health?deep=1");
        assert_eq!(moved.host, "172.30.0.2");
        assert_eq!(moved.shown, check.shown);
        let host = ("Host".to_owned(), Secret::from("localhost:8080"));
        assert_eq!(moved.headers, [host]);

        let mut own_host = check;
        own_host.headers.push(("host".into(), Secret::from("shop.example")));
        assert_eq!(http_at(&own_host, "172.30.0.2").unwrap().headers.len(), 1);
    }
}
