use super::{Engine, Image, wait::eventually};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Command, Output};
use std::time::Duration;

/// A container to be started in a [`Lab`](super::Lab).
pub(crate) struct Spec {
    pub(super) engine: Engine,
    pub(super) name: String,
    pub(super) options: Vec<String>,
    pub(super) image: Image,
    pub(super) command: Vec<String>,
}

impl Spec {
    /// The engine's name for it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// With an init that reaps zombies, or with a bare main process that does
    /// not.
    pub(crate) fn init(self, init: bool) -> Self {
        if init { self.option("--init") } else { self }
    }

    /// One more option of `docker run`, as `--name=value`.
    pub(crate) fn option(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Another command than the image's own.
    pub(crate) fn command<const N: usize>(mut self, command: [&str; N]) -> Self {
        self.command = command.map(str::to_owned).to_vec();
        self
    }

    /// Starts it.
    pub(crate) fn start(self) -> Container {
        let mut run: Vec<String> = vec!["run".into(), "--detach".into(), "--name".into()];
        run.push(self.name.clone());
        run.extend(self.options);
        run.push(self.image.name(&self.engine));
        run.extend(self.command);
        self.engine.docker(&run);
        Container { engine: self.engine, name: self.name, run }
    }
}

/// A container that a test started. The [`Lab`](super::Lab) removes it.
pub(crate) struct Container {
    engine: Engine,
    name: String,
    run: Vec<String>,
}

/// A process inside, as the kernel shows it: zombies included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// As the container counts.
    pub(crate) pid: u32,
    /// Clock ticks after the boot.
    started: u64,
    /// `Z` is a zombie, `T` is stopped.
    pub(crate) state: char,
}

/// An agent of vai in a container, as this machine counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    pid: i32,
    /// The user that it runs as.
    pub(crate) uid: u32,
}

impl Agent {
    /// Ends it as a crash does.
    pub(crate) fn kill9(&self) {
        let pid = Pid::from_raw(self.pid).expect("a process has a number");
        kill_process(pid, Signal::KILL).expect("it still runs");
    }
}

impl Container {
    /// The engine's name for it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What prints its lines, those so far and those to come.
    pub(super) fn logs(&self, options: &[&str]) -> Command {
        let mut logs = self.engine.command("docker");
        logs.args(["logs", "--follow"]).args(options).arg(&self.name);
        logs
    }

    /// What runs `program` inside.
    pub(super) fn exec(&self, program: &str) -> Command {
        let mut exec = self.engine.command("docker");
        exec.args(["exec", &self.name, program]);
        exec
    }

    /// `sh -c` inside, to its end.
    pub(crate) fn sh(&self, script: &str) -> Output {
        self.engine.try_docker(&["exec", &self.name, "sh", "-c", script].map(str::to_owned))
    }

    /// The lines of a file inside; none if it is not there.
    pub(crate) fn lines_of(&self, path: &str) -> Vec<String> {
        let read = self.sh(&format!("cat {path}"));
        String::from_utf8_lossy(&read.stdout).lines().map(str::to_owned).collect()
    }

    /// The processes inside whose executable is `name`.
    pub(crate) fn processes(&self, name: &str) -> Vec<Seen> {
        let stats = self.sh("cat /proc/[0-9]*/stat 2>/dev/null");
        String::from_utf8_lossy(&stats.stdout)
            .lines()
            .filter_map(|line| {
                let (pid, rest) = line.split_once(" (")?;
                let (comm, rest) = rest.rsplit_once(") ")?;
                // Field 22 of all; the third is the first of the rest.
                let started = rest.split_whitespace().nth(19)?.parse().ok()?;
                let state = rest.chars().next()?;
                (comm == name).then_some(Seen { pid: pid.parse().ok()?, started, state })
            })
            .collect()
    }

    /// The process numbers of those that are no zombies.
    pub(crate) fn living(&self, name: &str) -> Vec<u32> {
        let processes = self.processes(name).into_iter();
        processes.filter(|process| process.state != 'Z').map(|process| process.pid).collect()
    }

    /// Waits until a process `name` lives, and hands back all that do.
    pub(crate) fn wait_for(&self, name: &str) -> Vec<u32> {
        let what = format!("a living {name} in {}", self.name);
        eventually(&what, Duration::from_secs(20), || {
            let living = self.living(name);
            (!living.is_empty()).then_some(living)
        })
    }

    /// `signal` to every living process `name`; there must be one.
    pub(crate) fn signal(&self, name: &str, signal: &str) {
        let pids: Vec<String> = self.living(name).iter().map(u32::to_string).collect();
        assert!(!pids.is_empty(), "no {name} lives in {}", self.name);
        let sent = self.sh(&format!("kill -{signal} {}", pids.join(" ")));
        assert!(sent.status.success(), "{sent:?}");
    }

    /// `kill -9` of every process `name`, and waits until none lives.
    pub(crate) fn kill9(&self, name: &str) {
        // In a container that was restarted meanwhile a new one may have the
        // number of the old one.
        let lives = || {
            let processes = self.processes(name).into_iter();
            let living = processes.filter(|process| process.state != 'Z');
            living.map(|process| (process.pid, process.started)).collect::<Vec<_>>()
        };
        let before = lives();
        self.signal(name, "KILL");
        let what = format!("the end of {name}");
        eventually(&what, Duration::from_secs(5), || {
            let now = lives();
            before.iter().all(|old| !now.contains(old)).then_some(())
        });
    }

    /// Whether it runs.
    pub(crate) fn runs(&self) -> bool {
        self.engine.docker(["inspect", "--format", "{{.State.Running}}", &self.name]) == "true"
    }

    /// When its main process was started last.
    pub(crate) fn started_at(&self) -> String {
        self.engine.docker(["inspect", "--format", "{{.State.StartedAt}}", &self.name])
    }

    /// vai's agents inside.
    pub(crate) fn agents(&self) -> Vec<Agent> {
        self.parts_of_vai("agent")
    }

    /// vai's keepers inside. Whoever only listens to one, with input from vai,
    /// is none.
    pub(crate) fn keepers(&self) -> Vec<Agent> {
        let mut keepers = self.parts_of_vai("keep");
        keepers.retain(|keeper| {
            let children = format!("/proc/{0}/task/{0}/children", keeper.pid);
            std::fs::read_to_string(children).is_ok_and(|children| !children.is_empty())
        });
        keepers
    }

    fn parts_of_vai(&self, verb: &str) -> Vec<Agent> {
        self.engine
            .docker(["top", &self.name, "-eo", "pid,uid,args"])
            .lines()
            .filter_map(|line| {
                let mut fields = line.split_whitespace();
                let (pid, uid, executable) = (fields.next()?, fields.next()?, fields.next()?);
                let is_part = executable.starts_with("/.vai/agent-") && fields.next()? == verb;
                is_part.then_some(())?;
                Some(Agent { pid: pid.parse().ok()?, uid: uid.parse().ok()? })
            })
            .collect()
    }

    /// `docker <verb>` of this container.
    pub(crate) fn docker(&self, verb: &str) {
        self.engine.docker([verb, &self.name]);
    }

    /// Removes it.
    pub(crate) fn remove(&self) {
        assert!(self.engine.remove(&["rm", "--force", &self.name]), "{} stays", self.name);
    }

    /// Another one under the name of this removed one.
    pub(crate) fn start_anew(&self) {
        self.engine.docker(&self.run);
    }
}
