//! The other end of the hot sockets in these tests.
//!
//! In: what to do with one connection. Out: its URL, and the authority that vouches for it.
//! Never: a port of its own choice.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a failed unwrap is a failed test; each test file uses its part of this module"
)]

use hotpath::gateway::socket::Dialer;
use hotpath::hot_socket::{DialError, HotDialer, HotOptions, HotSocket, Message, SocketEnd};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Longest that anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A TLS stream of the server's side.
pub(crate) type TlsStream = StreamOwned<ServerConnection, TcpStream>;

/// An authority and a server that it vouches for.
pub(crate) struct Certificates {
    config: Arc<ServerConfig>,
    /// Where the authority's certificate lies.
    pub(crate) authority: PathBuf,
}

impl Certificates {
    /// For a server named `names`, which speaks `versions`.
    pub(crate) fn new(names: &[&str], versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        static COUNTER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!(
            "fulcrum-hot-socket-{}-{number}.pem",
            std::process::id()
        ));
        std::fs::write(&path, authority.pem()).unwrap();
        Self {
            config: Arc::new(config),
            authority: path,
        }
    }

    /// For localhost, in TLS 1.3.
    pub(crate) fn localhost() -> Self {
        Self::new(&["localhost"], &[&rustls::version::TLS13])
    }

    /// A dialer that trusts the authority.
    pub(crate) fn dialer(&self) -> HotDialer {
        self.dialer_with(HotOptions::default())
    }

    /// The same, with options.
    pub(crate) fn dialer_with(&self, options: HotOptions) -> HotDialer {
        let dialer = Dialer::new(Some(&self.authority), &["wss://localhost"]).unwrap();
        HotDialer::new(&dialer, options)
    }

    /// The server's side of TLS over `tcp`.
    pub(crate) fn accept(&self, tcp: TcpStream) -> TlsStream {
        StreamOwned::new(
            ServerConnection::new(Arc::clone(&self.config)).unwrap(),
            tcp,
        )
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.authority);
    }
}

/// A dialer that trusts nobody, for unencrypted sockets.
pub(crate) fn plain_dialer() -> HotDialer {
    HotDialer::new(&Dialer::new(None, &[]).unwrap(), HotOptions::default())
}

/// Serves one connection on a thread; its port, and the thread.
pub(crate) fn serve<T: Send + 'static>(
    act: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        act(tcp)
    });
    (port, thread)
}

/// Dials within the tests' patience.
pub(crate) fn dial(dialer: &HotDialer, url: &str) -> Result<HotSocket, DialError> {
    dialer.dial(url, Instant::now() + PATIENCE)
}

/// Spins until `look` has something to say of the next message, or of the end.
pub(crate) fn until<T>(
    socket: &mut HotSocket,
    mut look: impl FnMut(Result<Message<'_>, SocketEnd>) -> Option<T>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let received = socket.receive().err();
        loop {
            let answer = match socket.next_message() {
                Ok(Some(message)) => look(Ok(message)),
                Ok(None) => break,
                Err(end) => look(Err(end)),
            };
            if let Some(answer) = answer {
                return answer;
            }
        }
        if let Some(answer) = received.and_then(|end| look(Err(end))) {
            return answer;
        }
        assert!(Instant::now() < deadline, "nothing came");
        std::thread::yield_now();
    }
}

/// The server's end of a connection, encrypted or not.
pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Runs a server and a client against each other, first over ws, then over wss; what the server
/// returned must be equal.
pub(crate) fn both<T: Send + PartialEq + std::fmt::Debug + 'static>(
    server: fn(Box<dyn Stream>) -> T,
    client: fn(HotSocket),
) -> T {
    let (port, thread) = serve(move |tcp| server(Box::new(tcp)));
    client(dial(&plain_dialer(), &format!("ws://127.0.0.1:{port}/ws")).unwrap());
    let plain = thread.join().unwrap();
    let certificates = Certificates::localhost();
    let dialer = certificates.dialer();
    let (port, thread) = serve(move |tcp| server(Box::new(certificates.accept(tcp))));
    client(dial(&dialer, &format!("wss://localhost:{port}/ws")).unwrap());
    assert_eq!(thread.join().unwrap(), plain);
    plain
}

/// Answers the upgrade by hand, with `after` in the same write.
pub(crate) fn upgrade(stream: &mut impl Read, after: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes();
    answer.extend_from_slice(after);
    answer
}

/// The next text.
pub(crate) fn text(socket: &mut HotSocket) -> String {
    until(socket, |message| match message {
        Ok(Message::Text(text)) => Some(String::from_utf8(text.to_vec()).unwrap()),
        Ok(_) => None,
        Err(end) => panic!("{end}"),
    })
}

/// The end; messages before it are passed over.
pub(crate) fn end(socket: &mut HotSocket) -> SocketEnd {
    until(socket, |message| message.err())
}
