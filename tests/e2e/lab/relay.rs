use super::Engine;
use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use tempfile::TempDir;

/// A socket in front of the engine's that can fail as an engine does, without
/// anything happening to the engine.
pub(crate) struct Relay {
    folder: TempDir,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    hung: Mutex<bool>,
    goes_on: Condvar,
    /// Both ends of all that was ever connected.
    streams: Mutex<Vec<UnixStream>>,
}

impl Relay {
    /// One through which everything passes.
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().expect("a folder for the socket");
        let relay = Self { folder, state: Arc::default() };
        let listener = UnixListener::bind(relay.socket()).expect("a socket can be made");
        let state = Arc::clone(&relay.state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // An engine that refuses is an end of this connection.
                let _ = state.connect(client);
            }
        });
        relay
    }

    /// What leads vai here.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        vec![("DOCKER_HOST".to_owned(), format!("unix://{}", self.socket().display()))]
    }

    /// As if the engine was stopped: every stream ends and the socket is gone.
    pub(crate) fn cut(&self) {
        fs::rename(self.socket(), self.away()).expect("the socket can be moved");
        for stream in self.state.streams().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// As if the engine was stopped in its tracks: it takes everything and
    /// answers nothing.
    pub(crate) fn hang(&self) {
        *self.state.hung() = true;
    }

    /// Ends whatever is wrong.
    pub(crate) fn restore(&self) {
        *self.state.hung() = false;
        self.state.goes_on.notify_all();
        if self.away().exists() {
            fs::rename(self.away(), self.socket()).expect("the socket can be moved");
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    fn away(&self) -> PathBuf {
        self.folder.path().join("away.sock")
    }
}

impl State {
    fn connect(self: &Arc<Self>, client: UnixStream) -> io::Result<()> {
        let engine = UnixStream::connect(Engine::shared().socket())?;
        self.streams().extend([client.try_clone()?, engine.try_clone()?]);
        for (from, to) in [(client.try_clone()?, engine.try_clone()?), (engine, client)] {
            let state = Arc::clone(self);
            thread::spawn(move || {
                let _ = state.copy(from, &to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
        Ok(())
    }

    fn copy(&self, mut from: UnixStream, mut to: &UnixStream) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        loop {
            let count = from.read(&mut buffer)?;
            self.wait_while_hung();
            if count == 0 {
                return Ok(());
            }
            to.write_all(&buffer[..count])?;
        }
    }

    fn wait_while_hung(&self) {
        let hung = self.goes_on.wait_while(self.hung(), |hung| *hung);
        drop(hung.unwrap_or_else(PoisonError::into_inner));
    }

    fn hung(&self) -> MutexGuard<'_, bool> {
        self.hung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> MutexGuard<'_, Vec<UnixStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
