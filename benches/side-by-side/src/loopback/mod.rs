//! Parts e to i: from a frame that leaves the exchange to the order that a client has written.
//!
//! In: recorded frames, sent over TLS on the loopback at a fixed rate, whatever the client does.
//! Out: nanoseconds from the exchange's write of a frame into the kernel to the return of the
//! client's write of the order, the median of a round. Never: a client that answers other ticks
//! than the others; all buy above a ratio of 3 and sell below 0.33, by the top five levels.
//!
//! | path | what it is |
//! |---|---|
//! | `echo` | one spinning thread on the bare sockets: decrypt, encrypt; the floor of f |
//! | `peer` | tokio, tokio-tungstenite, serde_json, an ordered map, hmac: the other side of g |
//! | `ours` | the product's pinned thread, its sockets, sessions and engine |
//! | `user_space` | part e: the same sessions and engine, records in memory instead of sockets |
//!
//! They run in a process of their own, `inline-path`: the product's allocator counts there.

mod echo;
mod exchange;
mod ours;
mod peer;
mod process;
mod signals;
mod user_space;
mod world;

pub(crate) use process::{Arguments, Outcome, process, start};

use crate::input::Input;
use crate::rounds::{Figures, Lane, interleave, median};
use exchange::Exchange;
use rustix::time::{ClockId, clock_gettime};
use signals::Tick;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Bare sockets.
pub(crate) const ECHO: &str = "floor: bare TLS echo, busy-polled";
/// The path that a good user would write.
pub(crate) const PEER: &str = "tokio, tokio-tungstenite, serde_json";
/// The product.
pub(crate) const OURS: &str = "fulcrum, inline";

/// What signs, of the length that the exchange gives out.
const SECRET: &[u8] = b"secret of sixty-four characters, as the exchange gives them out.";

/// So large a share of the due orders may be missing: those before the book is there, and those
/// that find the strategy waiting because the exchange's timer was late.
const UNANSWERED_MAX: f64 = 0.1;

/// Frames of a session that are not compared: code and connections are cold, for every path.
const COLD_FRAMES: usize = 50;

/// Runs of a path before it is given up: a neighbour on the exchange's core makes frames come in
/// bunches, which no strategy with a pause answers.
const TRIES: usize = 4;

/// What a client needs to know.
pub(crate) struct Session<'a> {
    /// Where the exchange listens.
    address: std::net::SocketAddr,
    /// Whom to trust, in PEM.
    authority: String,
    /// The instrument and the book before the first frame.
    input: &'a Input,
    /// What will be sent, for those who have no book.
    ticks: &'a [Tick],
    /// The core to stay on.
    core: usize,
    /// The exchange's, for what is not hot.
    other_core: usize,
}

/// An order that was written.
#[derive(Clone, Copy, Debug)]
struct Written {
    /// `u` of the difference that it is due to.
    update_id: u64,
    /// When the write returned ([`now_ns`]).
    at_ns: u64,
    /// The loop saw that it had been stopped just before.
    stalled: bool,
}

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

/// Medians and late ends of all paths.
struct Taken {
    p50: Figures,
    p99: Figures,
}

/// Measures all paths; `cores`: the exchange's and the client's.
fn measure(input: &Input, cores: [usize; 2], extent: Extent) -> Result<Taken, String> {
    let ticks = signals::ticks(input, extent.frames.min(input.len()))?;
    let paths: [(&str, Path); 3] = [(ECHO, echo::run), (PEER, peer::run), (OURS, ours::run)];
    let late = RefCell::new(vec![Vec::new(); paths.len()]);
    let mut lanes = Vec::new();
    for (index, (name, path)) in paths.into_iter().enumerate() {
        // The first run tells what is wrong before any is measured.
        patiently(|| one(input, &ticks, cores, extent, path))
            .map_err(|error| format!("{name}: {error}"))?;
        let (ticks, late) = (&ticks, &late);
        lanes.push(Lane::new(name, move || {
            let [p50, p99] = patiently(|| one(input, ticks, cores, extent, path))
                .unwrap_or_else(|error| panic!("{name}, after a run that worked: {error}"));
            late.borrow_mut()[index].push(p99);
            p50
        }));
    }
    let title = format!("f, g. loopback, {}", input.name);
    let p50 = interleave(&title, &mut lanes, extent.rounds);
    drop(lanes);
    let mut taken = late.into_inner();
    for lane in &mut taken {
        // The turn for warmth.
        lane.remove(0);
    }
    let names = p50.names.clone();
    Ok(Taken {
        p50,
        p99: Figures { names, taken },
    })
}

fn patiently<T>(mut run: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let mut outcome = run();
    for _ in 1..TRIES {
        match outcome {
            Ok(_) => break,
            Err(error) => eprintln!("once more: {error}"),
        }
        outcome = run();
    }
    outcome
}

/// One run of one path; median and 99th percentile of tick to order in nanoseconds.
fn one(
    input: &Input,
    ticks: &[Tick],
    cores: [usize; 2],
    extent: Extent,
    path: Path,
) -> Result<[f64; 2], String> {
    let frames = (0..ticks.len()).map(|index| input.frame(index).to_vec());
    let exchange = Exchange::start(frames.collect(), extent.interval, cores[0])?;
    let session = Session {
        address: exchange.address,
        authority: exchange.authority.clone(),
        input,
        ticks,
        core: cores[1],
        other_core: cores[0],
    };
    let written = std::thread::scope(|scope| {
        scope
            .spawn(|| path(&session))
            .join()
            .map_err(|_| "a path panicked".to_string())?
    })?;
    let seen = exchange.finish()?;
    let written = due(ticks, &written)?;
    if seen.orders < written.len() {
        let written = written.len();
        return Err(format!(
            "{written} orders were written, {} arrived",
            seen.orders
        ));
    }
    let ids = ticks.iter().map(|tick| tick.update_id);
    let sent: HashMap<u64, u64> = ids.zip(seen.sent_ns).skip(COLD_FRAMES).collect();
    let taken = |one: &Written| {
        let sent_ns = sent.get(&one.update_id)?;
        Some(one.at_ns.saturating_sub(*sent_ns) as f64)
    };
    let undisturbed = written.iter().filter(|one| !one.stalled);
    Ok([
        median(written.iter().filter_map(taken).collect()),
        late(undisturbed.filter_map(taken).collect()),
    ])
}

/// Orders that answer a tick that calls for one: what is compared. Every path has them all.
fn due(ticks: &[Tick], written: &[Written]) -> Result<Vec<Written>, String> {
    let due: HashSet<u64> = ticks
        .iter()
        .filter(|tick| tick.has_signal)
        .map(|tick| tick.update_id)
        .collect();
    let right = written.iter().filter(|one| due.contains(&one.update_id));
    let right: Vec<Written> = right.copied().collect();
    if (right.len() as f64) < (1.0 - UNANSWERED_MAX) * due.len() as f64 {
        let (right, due) = (right.len(), due.len());
        return Err(format!(
            "{right} of {due} ticks that call for an order were answered"
        ));
    }
    Ok(right)
}

/// The 99th percentile.
fn late(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    values[values.len() * 99 / 100]
}

/// Nanoseconds of one look into a hot socket that has nothing: a system call, mostly.
fn empty_poll(input: &Input, cores: [usize; 2]) -> Result<f64, String> {
    const POLLS: u32 = 2_000;
    let exchange = Exchange::start(Vec::new(), Duration::ZERO, cores[0])?;
    let session = Session {
        address: exchange.address,
        authority: exchange.authority.clone(),
        input,
        ticks: &[],
        core: cores[1],
        other_core: cores[0],
    };
    crate::rings::pin(session.core);
    let mut market = ours::socket(&session, "market")?;
    let orders = ours::socket(&session, "orders")?;
    let batch = |_| {
        let begun = Instant::now();
        for _ in 0..POLLS {
            let _ = std::hint::black_box(market.receive());
        }
        begun.elapsed().as_nanos() as f64 / f64::from(POLLS)
    };
    let taken = median((0..25).map(batch).collect());
    drop((market, orders));
    exchange.finish()?;
    Ok(taken)
}

/// CLOCK_MONOTONIC in nanoseconds: the same on both sides of the loopback.
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
