//! Rows f and g: from a frame that leaves the exchange to the order that a client has written.
//!
//! In: recorded frames, sent over TLS on the loopback at a fixed rate, whatever the client does.
//! Out: nanoseconds from the exchange's write of a frame into the kernel to the return of the
//! client's write of the order, the median of a round. Never: a client that decides otherwise than
//! the others; all buy above a ratio of 3 and sell below 0.33, by the top five levels.
//!
//! | path | what it is |
//! |---|---|
//! | `echo` | one spinning thread on the bare sockets: decrypt, encrypt; the floor of f |
//! | `peer` | tokio, tokio-tungstenite, serde_json, an ordered map, hmac: the other side of g |
//! | `ours` | the product's inline thread: [`ours::run`] is the one place to plug it in |

mod echo;
mod exchange;
mod ours;
mod peer;

use crate::input::Input;
use crate::rounds::{Figures, Lane, interleave, median};
use exchange::Exchange;
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
use std::time::Duration;

/// Bare sockets.
pub(crate) const ECHO: &str = "floor: bare TLS echo, busy-polled";
/// The path that a good user would write.
pub(crate) const PEER: &str = "tokio, tokio-tungstenite, serde_json";

/// What a client needs to know.
pub(crate) struct Session<'a> {
    /// Where the exchange listens.
    pub(crate) address: std::net::SocketAddr,
    /// Whom to trust, in PEM.
    pub(crate) authority: String,
    /// The instrument and the book before the first frame.
    pub(crate) input: &'a Input,
    /// The core to stay on.
    pub(crate) core: usize,
}

/// An order that was written: `u` of the difference that it is due to, and when the write
/// returned ([`now_ns`]).
pub(crate) type Written = (u64, u64);

/// A client: connects twice (`/market`, `/orders`), trades until the market connection is closed.
type Path = fn(&Session<'_>) -> Result<Vec<Written>, String>;

/// How much.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// Frames of a round.
    pub(crate) frames: usize,
    /// Time between two frames.
    pub(crate) interval: Duration,
    /// Rounds.
    pub(crate) rounds: usize,
}

/// Measures all paths; `cores`: the exchange's and the client's.
pub(crate) fn measure(input: &Input, cores: [usize; 2], extent: Extent) -> Result<Figures, String> {
    let paths: [(&str, Path); 2] = [(ECHO, echo::run), (PEER, peer::run)];
    let mut lanes = Vec::new();
    let ours: [(&str, Path); 1] = [("fulcrum, inline", ours::run)];
    for (name, path) in paths
        .into_iter()
        .chain(ours.into_iter().filter(|_| ours::IS_THERE))
    {
        // The first run tells what is wrong before any is measured.
        one(input, cores, extent, path)?;
        lanes.push(Lane::new(name, move || {
            one(input, cores, extent, path).expect("the first run showed that it works")
        }));
    }
    Ok(interleave(
        &format!("f, g. loopback, {}", input.name),
        &mut lanes,
        extent.rounds,
    ))
}

/// One run of one path; the median tick to order in nanoseconds.
fn one(input: &Input, cores: [usize; 2], extent: Extent, path: Path) -> Result<f64, String> {
    let count = extent.frames.min(input.len());
    let frames: Vec<Vec<u8>> = (0..count)
        .map(|index| input.frame(index).to_vec())
        .collect();
    let exchange = Exchange::start(frames, extent.interval, cores[0])?;
    let session = Session {
        address: exchange.address,
        authority: exchange.authority.clone(),
        input,
        core: cores[1],
    };
    let written = std::thread::scope(|scope| {
        scope
            .spawn(|| path(&session))
            .join()
            .map_err(|_| "a path panicked".to_string())?
    })?;
    let seen = exchange.finish()?;
    let sent: HashMap<u64, u64> = ids(input, count)?.into_iter().zip(seen.sent_ns).collect();
    if written.is_empty() || seen.orders != written.len() {
        return Err(format!(
            "{} orders were written, {} arrived",
            written.len(),
            seen.orders
        ));
    }
    let taken = written.iter().filter_map(|(update_id, at_ns)| {
        let sent_ns = sent.get(update_id)?;
        Some(at_ns.saturating_sub(*sent_ns) as f64)
    });
    Ok(median(taken.collect()))
}

/// `u` of each frame.
fn ids(input: &Input, count: usize) -> Result<Vec<u64>, String> {
    let mut decoder = crate::decoders::Ours::new(input);
    let one = |index| Ok(decoder.update(input.frame(index))?.header.last_update_id.0);
    (0..count).map(one).collect()
}

/// CLOCK_MONOTONIC in nanoseconds: the same on both sides of the loopback.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
