//! Lines for a log server (RFC 5424 over UDP, or over TCP with RFC 6587's counted octets).
//!
//! In: events of `tracing`. Out: messages, from a thread of their own. Never: a wait for the server:
//! what finds no room is counted, and told when there is room again.

use crate::events;
use crate::fields::Line;
use settings::{SyslogServer, SyslogTransport};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// Lines that wait for the server at most.
const LINES_WAITING: usize = 4_096;

/// Longest message; every server has to take 2,048.
const BYTES_MAX: usize = 2_048;

const PATIENCE: Duration = Duration::from_secs(2);
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(15)];

/// "System daemons".
const FACILITY: u8 = 3;

/// The id of our fields: the one that the standard gives to documents.
const ENTERPRISE: &str = "fulcrum@32473";

/// Where lines go that a server is to have.
#[derive(Debug)]
pub(crate) struct Syslog {
    lines: SyncSender<String>,
    lost: Arc<AtomicU64>,
    host: String,
    program: String,
}

impl Syslog {
    pub(crate) fn start(server: SyslogServer) -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel(LINES_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        std::thread::Builder::new()
            .name("syslog".to_string())
            .spawn(move || {
                Sender {
                    server,
                    to: None,
                    lost: counted,
                }
                .run(&waiting)
            })?;
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let program = systemd_journal_logger::current_exe_identifier();
        Ok(Self {
            lines,
            lost,
            host: word(&host),
            program: word(&program.unwrap_or_default()),
        })
    }

    pub(crate) fn send(&self, event: &tracing::Event<'_>) {
        let mut time = String::new();
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let head = format!(
            "{time} {} {} {}",
            self.host,
            self.program,
            std::process::id()
        );
        let message = message(&head, *event.metadata().level(), &Line::of(event));
        if let Err(TrySendError::Full(_)) = self.lines.try_send(message) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A word of the header: printable and without spaces.
fn word(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(48)
        .collect();
    if kept.is_empty() {
        "-".to_string()
    } else {
        kept
    }
}

fn message(head: &str, level: tracing::Level, line: &Line) -> String {
    let severity = match level {
        tracing::Level::ERROR => 3,
        tracing::Level::WARN => 4,
        tracing::Level::INFO => 6,
        tracing::Level::DEBUG | tracing::Level::TRACE => 7,
    };
    let kind = line
        .event()
        .and_then(events::named)
        .map_or("-", |one| one.name);
    let mut text = format!("<{}>1 {head} {kind} ", FACILITY * 8 + severity);
    if line.fields.is_empty() {
        text.push('-');
    } else {
        let _ = write!(text, "[{ENTERPRISE}");
        for (name, value) in &line.fields {
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace(']', "\\]");
            let _ = write!(text, " {name}=\"{value}\"");
        }
        text.push(']');
    }
    let _ = write!(text, " {}", line.message);
    let mut end = text.len().min(BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    // Over UDP an end of line is a part of the message, over TCP the count says where it ends; servers
    // that split at it all the same would see lines that nobody wrote.
    text.replace(['\n', '\r'], " ")
}

enum To {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

struct Sender {
    server: SyslogServer,
    to: Option<To>,
    lost: Arc<AtomicU64>,
}

impl Sender {
    fn run(mut self, lines: &Receiver<String>) {
        let mut pause = PAUSES[0];
        while let Ok(line) = lines.recv() {
            while let Err(error) = self.send(&line) {
                self.to = None;
                // Not a line of the log: it would come back to us.
                let _ = writeln!(std::io::stderr(), "log.syslog: {error}; again in {pause:?}");
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSES[1]);
            }
            pause = PAUSES[0];
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                tracing::warn!(lost, "lines found no room while the log server was away");
            }
        }
    }

    fn send(&mut self, line: &str) -> std::io::Result<()> {
        let to = match &mut self.to {
            Some(to) => to,
            none => none.insert(connect(&self.server)?),
        };
        match to {
            To::Udp(socket) => socket.send(line.as_bytes()).map(drop),
            To::Tcp(stream) => write!(stream, "{} {line}", line.len()),
        }
    }
}

fn connect(server: &SyslogServer) -> std::io::Result<To> {
    let none = || std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    let address = server.address.to_socket_addrs()?.next().ok_or_else(none)?;
    Ok(match server.transport {
        SyslogTransport::Udp => {
            let any = if address.is_ipv4() {
                "0.0.0.0:0"
            } else {
                "[::]:0"
            };
            let socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            To::Udp(socket)
        }
        SyslogTransport::Tcp => {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            To::Tcp(stream)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::net::TcpListener;

    fn line(fields: &[(&'static str, &str)], message: &str) -> Line {
        Line {
            message: message.to_string(),
            fields: fields
                .iter()
                .map(|(name, text)| (*name, (*text).to_string()))
                .collect(),
        }
    }

    #[test]
    fn a_message_reads_as_the_standard_wants_it() {
        let fill = line(&[("event", "FILL"), ("note", "a \"b]\\")], "bought\nsold");
        assert_eq!(
            message(
                "2026-01-01T00:00:00Z box fulcrum-control 7",
                tracing::Level::INFO,
                &fill
            ),
            "<30>1 2026-01-01T00:00:00Z box fulcrum-control 7 FILL \
             [fulcrum@32473 event=\"FILL\" note=\"a \\\"b\\]\\\\\"] bought sold"
        );
        let plain = message(
            "- - - -",
            tracing::Level::ERROR,
            &line(&[], &"x".repeat(5_000)),
        );
        assert!(plain.starts_with("<27>1 - - - - - - xxx"), "{plain}");
        assert_eq!(plain.len(), BYTES_MAX);
    }

    #[test]
    fn a_server_gets_every_line_again_after_it_was_away() {
        let first = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = first.local_addr().expect("an address");
        let server = SyslogServer {
            transport: SyslogTransport::Tcp,
            address: address.to_string(),
        };
        let (lines, waiting) = sync_channel(8);
        let lost = Arc::new(AtomicU64::new(0));
        let sender = std::thread::spawn(move || {
            Sender {
                server,
                to: None,
                lost,
            }
            .run(&waiting)
        });
        lines.send("one".to_string()).expect("room");
        let (mut taken, _) = first.accept().expect("the sender");
        let mut bytes = [0; 3];
        taken.read_exact(&mut bytes).expect("a line");
        assert_eq!(&bytes, b"3 o");
        // Closed with bytes that nobody has read: the sender's next write is refused, so that none is lost.
        drop((taken, first));
        for text in ["two", "three", "four"] {
            lines.send(text.to_string()).expect("room");
        }
        let again = TcpListener::bind(address).expect("the port is free again");
        let (mut taken, _) = again.accept().expect("the sender");
        drop(lines);
        let mut text = String::new();
        taken.read_to_string(&mut text).expect("lines");
        assert_eq!(text, "3 two5 three4 four");
        sender.join().expect("it ends with its lines");
    }
}
