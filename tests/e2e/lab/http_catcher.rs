use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use vai::clock::boot_time;
use vai_core::model::Time;

/// A web server that keeps what it gets and answers everything alike; ended
/// when dropped.
pub(crate) struct HttpCatcher {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<String>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Request {
    at: Time,
    text: String,
}

impl HttpCatcher {
    /// Runs it on a free port of the loopback; answers `status`, as in
    /// `204 No Content`, with `body`. More headers may follow the status.
    pub(crate) fn start(status: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (requests, over): (Arc<Mutex<Vec<Request>>>, Arc<AtomicBool>) = Default::default();
        let answer = Arc::new(Mutex::new(written(status, body)));
        let thread = thread::spawn({
            let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
            let over = Arc::clone(&over);
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    let answer = locked(&answer).clone();
                    if let Some(text) = serve(stream, &answer) {
                        locked(&requests).push(Request { at: boot_time(), text });
                    }
                }
            }
        });
        Self { address, requests, answer, over, thread: Some(thread) }
    }

    /// Answers this from now on.
    pub(crate) fn answer(&self, status: &str, body: &str) {
        *locked(&self.answer) = written(status, body);
    }

    /// The address of `path`, which begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far, head and body, oldest first.
    pub(crate) fn requests(&self) -> Vec<String> {
        locked(&self.requests).iter().map(|request| request.text.clone()).collect()
    }

    /// When each of them was answered.
    pub(crate) fn times(&self) -> Vec<Time> {
        locked(&self.requests).iter().map(|request| request.at).collect()
    }
}

impl Drop for HttpCatcher {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes it up.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn locked<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

fn written(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn serve(stream: TcpStream, answer: &str) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reader = BufReader::new(&stream);
    let (mut request, mut length) = (String::new(), 0);
    while !request.ends_with("\r\n\r\n") {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&count| count > 0)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        request.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.push_str(&String::from_utf8_lossy(&body));
    (&stream).write_all(answer.as_bytes()).ok()?;
    Some(request)
}
