use std::net::{Ipv4Addr, TcpListener};

/// Below what the system hands out by itself, so that nothing else takes a port
/// while its door is closed.
const FIRST_PORT: u16 = 20_000;

/// A port of the loopback that a check finds open or closed. Nobody has to
/// accept: the system takes thousands of connections by itself.
pub(crate) struct Door {
    port: u16,
    listener: Option<TcpListener>,
}

impl Door {
    /// So many open ones.
    pub(crate) fn several(count: usize) -> Vec<Self> {
        let open = |port| Some(Self { port, listener: Some(bind(port).ok()?) });
        let doors: Vec<Self> = (FIRST_PORT..).filter_map(open).take(count).collect();
        assert_eq!(doors.len(), count, "there are not so many free ports");
        doors
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whoever connects is refused from now on.
    pub(crate) fn close(&mut self) {
        self.listener = None;
    }

    /// Ends that.
    pub(crate) fn open(&mut self) {
        self.listener = Some(bind(self.port).expect("nobody else took the port"));
    }
}

fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}
