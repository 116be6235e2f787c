use super::mail::python;
use super::output::Lines;
use std::io::Write;
use std::ops::Range;
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

/// Ports of the loopback that a check finds open or closed, of a process that
/// has nothing to do with vai; ended when dropped.
pub(crate) struct Doors {
    child: Child,
    input: ChildStdin,
    lines: Lines,
    read: usize,
    ports: Vec<u16>,
}

impl Doors {
    /// So many open ones.
    pub(crate) fn open(count: usize) -> Self {
        let mut child = python("doors.py")
            .arg(count.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python can be run");
        let lines = Lines::default();
        lines.follow(child.stdout.take().expect("stdout is piped"));
        let input = child.stdin.take().expect("stdin is piped");
        let (ports, read) = lines.wait_for(0, r"^\d+", Duration::from_secs(20));
        let ports = ports.split(' ').map(|port| port.parse().expect("a port is a number"));
        let ports = ports.collect();
        Self { child, input, lines, read, ports }
    }

    /// All of them.
    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Whoever connects to one of these is refused from now on.
    pub(crate) fn close(&mut self, doors: Range<usize>) {
        self.tell("close", doors);
    }

    /// Ends that.
    pub(crate) fn open_again(&mut self, doors: Range<usize>) {
        self.tell("open", doors);
    }

    fn tell(&mut self, word: &str, Range { start, end }: Range<usize>) {
        writeln!(self.input, "{word} {start} {end}").expect("it still runs");
        (_, self.read) = self.lines.wait_for(self.read, word, Duration::from_secs(20));
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
