//! Real services on loopback for the tests of checks and of the agent.

use super::processes::Processes;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use vai_core::model::{
    CheckKind, HttpCheck, ProcessCheck, ProcessPattern, Secret, StatusSet, TcpCheck,
};

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits for a condition, at most 10 s.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited in vain: {what}");
}

/// A process in a group of its own, which is killed on drop.
pub(crate) struct Service {
    pub(crate) child: Child,
    pub(crate) port: u16,
    /// Unique in this machine, and part of the command line.
    pub(crate) folder: TempDir,
}

impl Service {
    pub(crate) fn spawn(folder: TempDir, port: u16, command: &mut Command) -> Self {
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port, folder }
    }

    /// A real Redis.
    pub(crate) fn redis() -> Self {
        Self::redis_at(free_port())
    }

    pub(crate) fn redis_at(port: u16) -> Self {
        Self::redis_by(&mut Command::new("redis-server"), port)
    }

    /// A real Redis of another user; only root can start one.
    pub(crate) fn redis_as_nobody() -> Self {
        let mut redis = Command::new("redis-server");
        Self::redis_by(redis.uid(65534).gid(65534), free_port())
    }

    fn redis_by(command: &mut Command, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port_text = port.to_string();
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port_text]);
        let service = Self::spawn(folder, port, command);
        service.wait_for_port();
        service
    }

    /// A real nginx with a master and a worker; `/` answers `well`, `/broken`
    /// 502 with an HTML page.
    pub(crate) fn nginx() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let path = folder.path().display();
        let config = format!(
            "daemon off; worker_processes 1; pid {path}/pid; error_log {path}/error.log;
             events {{ worker_connections 64; }}
             http {{ access_log off;
               server {{ listen 127.0.0.1:{port};
                 location = / {{ return 200 'well'; }}
                 location = /broken {{ return 502; }}
                 location = /json {{ return 200 '{{\"status\":\"ok\",\"peers\":[{{\"up\":1}},{{\"up\":1}}]}}'; }}
               }} }}"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).unwrap();
        let service =
            Self::spawn(folder, port, Command::new("/usr/sbin/nginx").arg("-c").arg(file));
        service.wait_for_port();
        service
    }

    /// A real nginx that speaks TLS with a certificate of its own for
    /// `localhost` and `127.0.0.1`: `cert.pem` in its folder.
    pub(crate) fn nginx_tls() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let path = folder.path().display().to_string();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", &format!("{path}/key.pem")])
            .args(["-out", &format!("{path}/cert.pem")])
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let server = format!(
            "listen 127.0.0.1:{port} ssl; return 200 'well';
             ssl_certificate {path}/cert.pem; ssl_certificate_key {path}/key.pem;"
        );
        Self::nginx_with(folder, port, &server)
    }

    fn nginx_with(folder: TempDir, port: u16, server: &str) -> Self {
        let path = folder.path().display();
        let config = format!(
            "daemon off; worker_processes 1; pid {path}/pid; error_log {path}/error.log;
             events {{ worker_connections 64; }}
             http {{ access_log off; server {{ {server} }} }}"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).unwrap();
        let mut nginx = Command::new("/usr/sbin/nginx");
        let service = Self::spawn(folder, port, nginx.arg("-c").arg(file));
        service.wait_for_port();
        service
    }

    /// A script that runs until it is killed, started as `program arguments…`
    /// with the script's path in place of `{}`.
    pub(crate) fn script(name: &str, program: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join(name);
        fs::write(&script, "#!/bin/bash\nwhile :; do sleep 0.1; done\n").unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&script, executable).unwrap();
        let script = script.to_str().unwrap();
        let argv: Vec<String> = program.iter().map(|arg| arg.replace("{}", script)).collect();
        let service = Self::spawn(folder, 0, Command::new(&argv[0]).args(&argv[1..]));
        let pid = service.pid();
        wait_until("the script runs", || {
            let processes = Processes::read().unwrap();
            let mut living = processes.living.iter();
            living.any(|each| each.id.pid == pid && each.args.concat().contains(name))
        });
        service
    }

    fn wait_for_port(&self) {
        wait_until("the service listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Signals the process and everything in its group.
    pub(crate) fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(self.pid()).unwrap();
        kill_process_group(group, signal).unwrap();
    }

    pub(crate) fn http(&self, path: &str) -> HttpCheck {
        http(&format!("http://localhost:{}{path}", self.port))
    }

    pub(crate) fn tcp(&self) -> TcpCheck {
        tcp(self.port)
    }

    /// A check for processes with this service's folder in their command line.
    pub(crate) fn process(&self) -> ProcessCheck {
        process(self.folder.path())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.pid()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

pub(crate) fn process(folder: &Path) -> ProcessCheck {
    ProcessCheck {
        pattern: ProcessPattern::CommandLine(folder.to_str().unwrap().to_owned()),
        min_count: 1,
        max_count: None,
    }
}

pub(crate) fn tcp(port: u16) -> TcpCheck {
    TcpCheck { host: "localhost".to_owned(), port, send: None, expect: None }
}

/// An `http` check with the registry's defaults.
pub(crate) fn http(endpoint: &str) -> HttpCheck {
    let url = url::Url::parse(endpoint).unwrap();
    HttpCheck {
        endpoint: Secret::from(endpoint),
        shown: format!(
            "{}://{}:{}{}",
            url.scheme(),
            url.host_str().unwrap(),
            url.port_or_known_default().unwrap(),
            url.path()
        ),
        host: url.host_str().unwrap().to_owned(),
        method: "GET".to_owned(),
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
    }
}

pub(crate) fn custom(command: &str) -> CheckKind {
    CheckKind::Custom(vai_core::model::CustomCheck {
        command: command.to_owned(),
        user: None,
        working_dir: None,
        environment: Vec::new(),
    })
}
