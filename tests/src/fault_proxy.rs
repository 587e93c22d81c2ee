//! A small TCP proxy before the exchange that breaks what passes through it.
//!
//! In: where the exchange is; faults and tripwires, switched while bytes flow. Out: the same bytes,
//! late, one at a time, never, or a reset; a blow at the very moment when a frame comes by. Never: a
//! changed byte, a connection that outlives the proxy.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Most bytes that are passed on at once.
const CHUNK: usize = 64 << 10;

/// What a connection is there for, by the first line of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// REST.
    Rest,
    /// The WebSocket API, which carries orders.
    Orders,
    /// Market streams.
    Market,
    /// The private stream.
    Private,
}

impl Line {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Rest, Self::Orders, Self::Market, Self::Private];

    fn of(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&head[..head.len().min(64)]).into_owned();
        let path = text.split(' ').nth(1).unwrap_or_default();
        if path.starts_with("/ws-fapi") || path.starts_with("/ws-api") {
            Self::Orders
        } else if path.starts_with("/private") {
            Self::Private
        } else if ["/public", "/market", "/stream", "/ws"]
            .iter()
            .any(|start| path.starts_with(start))
        {
            Self::Market
        } else {
            Self::Rest
        }
    }
}

/// What is wrong with a kind of connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Every piece waits so long.
    Latency(Duration),
    /// Nothing passes any more, and nobody is told. Who is caught stays caught.
    HalfOpen,
    /// RST to both ends, those that connect included.
    Reset,
    /// FIN to both ends, and only so much later the end of the connection.
    SlowClose(Duration),
    /// A segment for each byte.
    ByteAtATime,
}

/// Which way a piece goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the exchange.
    Out,
    /// From the exchange.
    In,
}

/// What becomes of the piece that touched a tripwire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Struck first, then it goes on.
    Passes,
    /// Struck, and it goes nowhere; its connection ends.
    IsLost,
    /// It goes on first; the blow comes so long after it.
    PassedBefore(Duration),
}

/// A blow that a piece sets off.
pub struct Tripwire {
    /// On which kind of connection.
    pub line: Line,
    /// Which way.
    pub direction: Direction,
    /// The piece holds this text; empty: any does.
    pub holding: &'static str,
    /// So many pass before it.
    pub skip: u32,
    /// What becomes of it.
    pub piece: Piece,
    /// The blow, on the proxy's thread.
    pub strike: Box<dyn FnOnce() + Send>,
}

struct Shared {
    exchange: SocketAddr,
    faults: Mutex<[Fault; 4]>,
    tripwire: Mutex<Option<Tripwire>>,
    /// Says that a fault has changed; closed when the proxy ends.
    changed: watch::Sender<()>,
}

/// A running proxy.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Arc<tokio::sync::Notify>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Listens on loopback and passes on to `exchange`.
    ///
    /// # Panics
    /// Without a socket: nothing could be tested.
    #[must_use]
    pub fn start(exchange: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("an event loop");
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .expect("a port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            exchange,
            faults: Mutex::default(),
            tripwire: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let stop = Arc::new(tokio::sync::Notify::new());
        let (serving, stopping) = (Arc::clone(&shared), Arc::clone(&stop));
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, serving) => {}
                    () = stopping.notified() => {}
                }
            });
            // With the runtime all its tasks and sockets go.
        };
        let thread = std::thread::Builder::new().name("fault proxy".to_string());
        Self {
            address,
            shared,
            stop,
            thread: Some(thread.spawn(serve).expect("a thread")),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this is wrong with these kinds of connections, open ones included.
    pub fn set(&self, lines: &[Line], fault: Fault) {
        for line in lines {
            lock(&self.shared.faults)[*line as usize] = fault;
        }
        self.shared.changed.send_replace(());
    }

    /// Nothing is wrong any more; a connection that is half open stays so until its end.
    pub fn heal(&self) {
        self.set(&Line::ALL, Fault::None);
    }

    /// Lays a tripwire, in place of the one before.
    pub fn lay(&self, tripwire: Tripwire) {
        *lock(&self.shared.tripwire) = Some(tripwire);
    }

    /// Takes the tripwire away; false when it has been touched.
    pub fn take_away(&self) -> bool {
        lock(&self.shared.tripwire).take().is_some()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic over there was printed; a second one here would hide the test's own.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        if let Ok((client, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                // Whichever end breaks first ends both; there is nothing else to do about it.
                let _ = carry(client, &shared).await;
            });
        }
    }
}

/// The two sockets of a passage.
struct Passage {
    client: TcpStream,
    exchange: TcpStream,
}

async fn carry(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut out = vec![0; CHUNK];
    let first = client.read(&mut out).await?;
    let line = Line::of(&out[..first]);
    let exchange = TcpStream::connect(shared.exchange).await?;
    client.set_nodelay(true)?;
    exchange.set_nodelay(true)?;
    let mut passage = Passage { client, exchange };
    let mut changed = shared.changed.subscribe();
    let mut back = vec![0; CHUNK];
    let mut waiting = Some((Direction::Out, first));
    loop {
        let fault = lock(&shared.faults)[line as usize];
        match fault {
            Fault::HalfOpen => return passage.hang().await,
            Fault::Reset => return passage.reset(),
            Fault::SlowClose(after) => return passage.close_slowly(after).await,
            Fault::None | Fault::Latency(_) | Fault::ByteAtATime => {}
        }
        let (direction, length) = match waiting.take() {
            Some(first) => first,
            None => tokio::select! {
                _ = changed.changed() => continue,
                read = passage.client.read(&mut out) => (Direction::Out, read?),
                read = passage.exchange.read(&mut back) => (Direction::In, read?),
            },
        };
        if length == 0 {
            return Ok(());
        }
        let piece = match direction {
            Direction::Out => &out[..length],
            Direction::In => &back[..length],
        };
        let Some((fate, strike)) = touched(shared, line, direction, piece) else {
            passage.pass(direction, piece, fault).await?;
            continue;
        };
        if let Piece::PassedBefore(wait) = fate {
            passage.pass(direction, piece, fault).await?;
            // So short that no timer could tell it.
            let passed = Instant::now();
            while passed.elapsed() < wait {
                std::hint::spin_loop();
            }
        }
        strike();
        match fate {
            Piece::PassedBefore(_) => {}
            Piece::Passes => passage.pass(direction, piece, fault).await?,
            Piece::IsLost => return Ok(()),
        }
    }
}

/// The blow that this piece sets off, if it is the one.
fn touched(
    shared: &Shared,
    line: Line,
    direction: Direction,
    piece: &[u8],
) -> Option<(Piece, Box<dyn FnOnce() + Send>)> {
    let mut laid = lock(&shared.tripwire);
    let wire = laid.as_mut()?;
    let holding = wire.holding.as_bytes();
    let holds = holding.is_empty() || piece.windows(holding.len()).any(|part| part == holding);
    if (wire.line, wire.direction) != (line, direction) || !holds {
        return None;
    }
    if wire.skip > 0 {
        wire.skip -= 1;
        return None;
    }
    laid.take().map(|wire| (wire.piece, wire.strike))
}

impl Passage {
    async fn pass(
        &mut self,
        direction: Direction,
        piece: &[u8],
        fault: Fault,
    ) -> std::io::Result<()> {
        let to = match direction {
            Direction::Out => &mut self.exchange,
            Direction::In => &mut self.client,
        };
        match fault {
            Fault::ByteAtATime => {
                for byte in piece {
                    to.write_all(std::slice::from_ref(byte)).await?;
                    tokio::task::yield_now().await;
                }
                return Ok(());
            }
            Fault::Latency(wait) => tokio::time::sleep(wait).await,
            _ => {}
        }
        to.write_all(piece).await
    }

    /// Swallows what the client says, and keeps the exchange in the belief that it is there.
    async fn hang(&mut self) -> std::io::Result<()> {
        let mut nothing = [0; 4096];
        while self.client.read(&mut nothing).await? > 0 {}
        Ok(())
    }

    fn reset(&self) -> std::io::Result<()> {
        self.client.set_zero_linger()?;
        self.exchange.set_zero_linger()
    }

    async fn close_slowly(&mut self, after: Duration) -> std::io::Result<()> {
        self.client.shutdown().await?;
        self.exchange.shutdown().await?;
        tokio::time::sleep(after).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener as ListenerOfStd, TcpStream as StreamOfStd};
    use std::sync::mpsc::channel;

    const PATIENCE: Duration = Duration::from_secs(10);
    const BRIEFLY: Duration = Duration::from_millis(150);

    /// A proxy before somebody who says everything twice.
    fn before_an_echo() -> FaultProxy {
        let listener = ListenerOfStd::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut bytes = [0; 1024];
                    while let Ok(length @ 1..) = stream.read(&mut bytes) {
                        stream.write_all(&bytes[..length]).unwrap();
                    }
                });
            }
        });
        FaultProxy::start(address)
    }

    fn connect(proxy: &FaultProxy) -> StreamOfStd {
        let stream = StreamOfStd::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn say(stream: &mut StreamOfStd, text: &str) -> std::io::Result<String> {
        stream.write_all(text.as_bytes())?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back)?;
        Ok(String::from_utf8(back).unwrap())
    }

    const ORDERS: &str = "GET /ws-fapi/v1 HTTP/1.1\r\n";
    const REST: &str = "GET /fapi/v1/time HTTP/1.1\r\n";

    #[test]
    fn connections_are_told_apart_by_their_first_line() {
        for (path, line) in [
            ("/ws-fapi/v1", Line::Orders),
            ("/private/ws/abc", Line::Private),
            ("/public/stream?streams=a", Line::Market),
            ("/market/stream?streams=a", Line::Market),
            ("/fapi/v1/openOrders?x=1", Line::Rest),
        ] {
            assert_eq!(Line::of(format!("GET {path} HTTP/1.1").as_bytes()), line);
        }
    }

    #[test]
    fn a_fault_meets_its_own_kind_of_connection_and_open_ones_too() {
        let proxy = before_an_echo();
        let (mut orders, mut rest) = (connect(&proxy), connect(&proxy));
        assert_eq!(say(&mut orders, ORDERS).unwrap(), ORDERS);
        assert_eq!(say(&mut rest, REST).unwrap(), REST);
        proxy.set(&[Line::Orders], Fault::Reset);
        let error = orders.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(say(&mut rest, "more").unwrap(), "more");
        // Who comes while it lasts is reset as well.
        assert!(say(&mut connect(&proxy), ORDERS).is_err());
        proxy.heal();
        assert_eq!(say(&mut connect(&proxy), ORDERS).unwrap(), ORDERS);
    }

    #[test]
    fn half_open_is_silent_and_stays_so() {
        let proxy = before_an_echo();
        let mut orders = connect(&proxy);
        assert_eq!(say(&mut orders, ORDERS).unwrap(), ORDERS);
        proxy.set(&[Line::Orders], Fault::HalfOpen);
        orders.set_read_timeout(Some(BRIEFLY)).unwrap();
        let error = say(&mut orders, "hello").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        proxy.heal();
        assert!(say(&mut orders, "hello").is_err());
        assert_eq!(say(&mut connect(&proxy), ORDERS).unwrap(), ORDERS);
    }

    #[test]
    fn slow_bytes_arrive_whole_and_a_slow_close_says_so_first() {
        let proxy = before_an_echo();
        let mut orders = connect(&proxy);
        proxy.set(&Line::ALL, Fault::ByteAtATime);
        assert_eq!(say(&mut orders, ORDERS).unwrap(), ORDERS);
        proxy.set(&Line::ALL, Fault::Latency(BRIEFLY));
        let begun = Instant::now();
        assert_eq!(say(&mut orders, "late").unwrap(), "late");
        assert!(begun.elapsed() >= 2 * BRIEFLY, "{:?}", begun.elapsed());
        proxy.set(&Line::ALL, Fault::SlowClose(Duration::from_secs(60)));
        assert_eq!(orders.read(&mut [0; 8]).unwrap(), 0);
        // The other half is still open: that is what is slow about it.
        orders.write_all(b"into the void").unwrap();
    }

    #[test]
    fn a_tripwire_strikes_once_at_its_piece() {
        let proxy = before_an_echo();
        let (struck, blows) = channel();
        let lay = |piece, skip, direction| {
            let struck = struck.clone();
            proxy.lay(Tripwire {
                line: Line::Rest,
                direction,
                holding: "openOrders",
                skip,
                piece,
                strike: Box::new(move || struck.send(Instant::now()).unwrap()),
            });
        };
        let mut rest = connect(&proxy);
        lay(Piece::Passes, 1, Direction::Out);
        say(&mut rest, REST).unwrap();
        say(&mut rest, "GET openOrders").unwrap();
        assert!(blows.try_recv().is_err());
        say(&mut rest, "GET openOrders").unwrap();
        assert!(blows.try_recv().is_ok());
        assert!(!proxy.take_away());
        lay(
            Piece::PassedBefore(Duration::from_micros(50)),
            0,
            Direction::In,
        );
        say(&mut rest, "GET openOrders").unwrap();
        assert!(blows.recv_timeout(PATIENCE).is_ok());
        lay(Piece::IsLost, 0, Direction::Out);
        assert!(say(&mut rest, "GET openOrders").is_err());
        assert!(blows.try_recv().is_ok());
    }
}
