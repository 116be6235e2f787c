//! From a connection to a server that knows who we are: greeting, TLS, EHLO,
//! and HELO where a server knows no EHLO. lettre, which speaks the rest, does
//! this part with one deadline for all of it, with roots of its own, and with
//! EHLO only; so it is handed a connection that says again what was said.

use super::session::{PHASE, too_late};
use crate::alert::sinks::SendError;
use crate::config::{Smtp, SmtpTls};
use crate::{address, tls};
use lettre::transport::smtp::client::AsyncTokioStream;
use lettre::transport::smtp::commands::{Ehlo, Starttls};
use lettre::transport::smtp::extension::{ClientId, Extension, ServerInfo};
use lettre::transport::smtp::response::Response;
use rustls::pki_types::ServerName;
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The longest reply, in bytes.
const LONGEST_REPLY: u64 = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin + Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + Debug> Stream for T {}

/// A connection to a server that has been greeted. Who reads from it is told
/// again what the server said so far, and who writes to it greets nobody.
#[derive(Debug)]
pub(super) struct Introduced {
    stream: BufReader<Box<dyn Stream>>,
    peer: SocketAddr,
    /// The greeting and the answer to EHLO, as far as they were not read again.
    said: io::Cursor<Vec<u8>>,
    /// Whether the EHLO of whom it was handed to is still to come.
    is_greeted: bool,
}

/// Connects to the server of `smtp` and says who we are.
pub(super) async fn introduced(smtp: &Smtp) -> Result<Introduced, SendError> {
    let connector = match smtp.tls {
        SmtpTls::None => None,
        SmtpTls::StartTls | SmtpTls::Tls => Some(connector(smtp).await?),
    };
    let stream = connected(&smtp.host, smtp.port).await?;
    let addresses = stream.peer_addr().and_then(|peer| Ok((peer, stream.local_addr()?)));
    let (peer, own) = addresses.map_err(|error| lost(&error))?;
    let name = own_name(smtp, own);
    let mut dialog = match connector {
        None => Dialog::new(Box::new(stream)),
        Some(connector) if smtp.tls == SmtpTls::Tls => {
            Dialog::new(encrypted(connector, smtp, Box::new(stream)).await?)
        }
        Some(connector) => {
            let plain = upgraded(Dialog::new(Box::new(stream)), &name).await?;
            let stream = encrypted(connector, smtp, plain).await?;
            // There is no second greeting.
            let stream = BufReader::new(stream);
            Dialog { stream, greeting: "220 ready\r\n".to_owned() }
        }
    };
    dialog.take_greeting().await?;
    let (answer, _) = dialog.say_hello(&name).await?;
    let said = io::Cursor::new(format!("{}{answer}", dialog.greeting).into_bytes());
    Ok(Introduced { stream: dialog.stream, peer, said, is_greeted: false })
}

/// Asks for TLS, and returns the connection that is to be encrypted.
async fn upgraded(mut dialog: Dialog, name: &ClientId) -> Result<Box<dyn Stream>, SendError> {
    dialog.take_greeting().await?;
    let (_, info) = dialog.say_hello(name).await?;
    if !info.supports_feature(Extension::StartTls) {
        return Err(SendError::unanswered("the server offers no STARTTLS"));
    }
    dialog.ask("STARTTLS", &Starttls.to_string()).await?.positive()?;
    if !dialog.stream.buffer().is_empty() {
        // Whoever is in between may have put it there (CVE-2011-0411).
        return Err(SendError::unanswered("the server spoke before TLS was there"));
    }
    Ok(dialog.stream.into_inner())
}

/// What is said until both sides know each other.
struct Dialog {
    stream: BufReader<Box<dyn Stream>>,
    /// Empty until the server has spoken.
    greeting: String,
}

/// A reply as it came, and what it means.
struct Reply {
    text: String,
    response: Response,
}

impl Reply {
    fn positive(self) -> Result<Self, SendError> {
        let code = u16::from(self.response.code());
        let lines: Vec<&str> = self.response.message().collect();
        let words = format!("{code}: {}", lines.join(" "));
        match code {
            200..400 => Ok(self),
            500.. => Err(SendError::Rejected(words)),
            _ => Err(SendError::unanswered(words)),
        }
    }
}

impl Dialog {
    fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufReader::new(stream), greeting: String::new() }
    }

    async fn take_greeting(&mut self) -> Result<(), SendError> {
        if self.greeting.is_empty() {
            self.greeting = self.reply("the connection").await?.positive()?.text;
        }
        Ok(())
    }

    /// Says who we are, in the older way to a server that knows no other.
    async fn say_hello(&mut self, name: &ClientId) -> Result<(String, ServerInfo), SendError> {
        let reply = self.ask("EHLO", &Ehlo::new(name.clone()).to_string()).await?;
        let reply = match reply.positive() {
            Err(SendError::Rejected(_)) => {
                self.ask("HELO", &format!("HELO {name}\r\n")).await?.positive()?
            }
            reply => reply?,
        };
        let info = ServerInfo::from_response(&reply.response);
        let info = info.map_err(|error| SendError::unanswered(error.to_string()))?;
        Ok((reply.text, info))
    }

    async fn ask(&mut self, name: &str, command: &str) -> Result<Reply, SendError> {
        let writing = async {
            self.stream.write_all(command.as_bytes()).await?;
            self.stream.flush().await
        };
        match timeout(PHASE, writing).await {
            Ok(written) => written.map_err(|error| lost(&error))?,
            Err(_) => return Err(too_late(name)),
        }
        self.reply(name).await
    }

    async fn reply(&mut self, name: &str) -> Result<Reply, SendError> {
        let text = match timeout(PHASE, read_reply(&mut self.stream)).await {
            Ok(text) => text.map_err(|error| lost(&error))?,
            Err(_) => return Err(too_late(name)),
        };
        let response = text.parse();
        let response = response.map_err(|_| {
            let line = text.lines().next().unwrap_or_default();
            SendError::unanswered(format!("the answer to {name} is not SMTP: {line}"))
        })?;
        Ok(Reply { text, response })
    }
}

/// All lines of a reply: the last one has no dash after its code.
async fn read_reply(stream: &mut BufReader<Box<dyn Stream>>) -> io::Result<String> {
    let mut reply = Vec::new();
    let mut stream = stream.take(LONGEST_REPLY);
    loop {
        let begin = reply.len();
        stream.read_until(b'\n', &mut reply).await?;
        if !reply.ends_with(b"\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if reply.get(begin + 3) != Some(&b'-') {
            return Ok(String::from_utf8_lossy(&reply).into_owned());
        }
    }
}

/// What the registry says, else the name of this machine if it is one that can
/// be said, else the address that we come from (RFC 5321, section 4.1.4).
fn own_name(smtp: &Smtp, own: SocketAddr) -> ClientId {
    let host = rustix::system::uname();
    let host = host.nodename().to_str().unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_name = host != "localhost" && !host.is_empty() && host.bytes().all(allowed);
    match (&smtp.helo_name, own) {
        (Some(name), _) => ClientId::Domain(name.clone()),
        (None, _) if is_name => ClientId::Domain(host.to_owned()),
        (None, SocketAddr::V4(own)) => ClientId::Ipv4(*own.ip()),
        (None, SocketAddr::V6(own)) => ClientId::Ipv6(*own.ip()),
    }
}

/// Without Nagle's algorithm: with delayed acknowledgements it holds the end of
/// a mail back for 40 ms on some systems.
async fn connected(host: &str, port: u16) -> Result<TcpStream, SendError> {
    let connecting = async {
        let addresses = address::resolve(host, port).await?;
        let stream = TcpStream::connect(&addresses[..]).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let stream = timeout(PHASE, connecting).await;
    let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    stream.map_err(|error: io::Error| SendError::unanswered(format!("cannot connect: {error}")))
}

async fn connector(smtp: &Smtp) -> Result<TlsConnector, SendError> {
    // Read for each mail, so that a renewed file counts without a reload.
    let config = match &smtp.ca_file {
        Some(path) => tls::with_ca_file(path).await,
        None => tls::public().map_err(|error| error.to_string()),
    };
    Ok(TlsConnector::from(Arc::new(config.map_err(SendError::unanswered)?)))
}

async fn encrypted(
    connector: TlsConnector,
    smtp: &Smtp,
    stream: Box<dyn Stream>,
) -> Result<Box<dyn Stream>, SendError> {
    let name = ServerName::try_from(smtp.host.clone());
    let name = name
        .map_err(|_| SendError::Rejected(format!("{} is no name for a certificate", smtp.host)))?;
    match timeout(PHASE, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(SendError::unanswered(format!("no TLS connection: {error}"))),
        Err(_) => Err(too_late("the TLS handshake")),
    }
}

fn lost(error: &io::Error) -> SendError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => SendError::unanswered("the server closed the connection"),
        _ => SendError::unanswered(format!("the connection is lost: {error}")),
    }
}

impl AsyncRead for Introduced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.said).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Introduced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_greeted {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        self.is_greeted = bytes.ends_with(b"\n");
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Introduced {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_local_server_is_not_connected_to() {
        // Only the resolver reads the second as 169.254.169.254, as it reads a name.
        for host in ["169.254.169.254", "2852039166"] {
            let error = connected(host, 25).await.unwrap_err().to_string();
            assert!(error.ends_with("which is never contacted"), "{error}");
        }
    }
}
