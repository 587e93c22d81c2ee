//! Latency in three parts: how much later a market frame leaves, a request arrives, an answer
//! leaves than they would by themselves.
//!
//! In: delays as they were asked for, the seed. Out: the next delay of a part, in ns. Never: a
//! clock, a wait; the sockets wait.

mod applied;
mod histogram;
mod prometheus;
mod written;

use std::sync::Arc;

use market::Market;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

pub use self::histogram::Histogram;
pub use self::prometheus::read as read_histogram;
pub use self::written::{PartSpec, Source};
use crate::streams::outlet::Outlet;

/// Longest delay: a minute.
pub const DELAY_NS_MAX: i64 = 60_000_000_000;
const MS_MAX: f64 = 60_000.0;
const NS_PER_MS: f64 = 1e6;

/// A part of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From the market to who listens.
    Feed,
    /// From who asks to the exchange.
    Order,
    /// Back from it: answers and private events.
    Response,
}

impl Part {
    /// All, in the order of the way.
    pub const ALL: [Self; 3] = [Self::Feed, Self::Order, Self::Response];

    /// Its name in options and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Order => "order",
            Self::Response => "response",
        }
    }
}

/// The delay of one part.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Delay {
    /// None is added.
    #[default]
    None,
    /// Always the same, in ns: 1 to [`DELAY_NS_MAX`].
    Constant(i64),
    /// Drawn from a histogram.
    Sampled(Arc<Histogram>),
}

impl Delay {
    /// A constant delay in ms.
    ///
    /// # Errors
    /// When it does not lie between 0 and 60,000.
    pub fn from_ms(ms: f64) -> Result<Self, String> {
        if !(0.0..=MS_MAX).contains(&ms) {
            return Err(format!(
                "a delay of {ms} ms; it must lie between 0 and {MS_MAX}"
            ));
        }
        Ok(match (ms * NS_PER_MS).round() as i64 {
            0 => Self::None,
            ns => Self::Constant(ns),
        })
    }
}

/// The delays of all parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latency([Delay; 3]);

impl Latency {
    /// The delay of a part.
    #[must_use]
    pub fn of(&self, part: Part) -> &Delay {
        &self.0[part as usize]
    }

    /// Gives a part another delay.
    pub fn set(&mut self, part: Part, delay: Delay) {
        self.0[part as usize] = delay;
    }
}

/// Draws the delays of one part, the same ones for the same seed.
#[derive(Clone, Debug)]
pub struct Sampler {
    delay: Delay,
    random: ChaCha8Rng,
}

impl Sampler {
    /// A sampler of its own stream of chance.
    #[must_use]
    pub fn new(delay: Delay, seed: u64, stream: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Self { delay, random }
    }

    /// True when it never delays.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.delay == Delay::None
    }

    /// The next delay in ns: 0 to [`DELAY_NS_MAX`].
    pub fn next_ns(&mut self) -> i64 {
        match &self.delay {
            Delay::None => 0,
            Delay::Constant(ns) => *ns,
            Delay::Sampled(histogram) => {
                let uniform = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                histogram.quantile_ns(uniform)
            }
        }
    }
}

/// The latency of a running exchange.
#[derive(Clone, Debug)]
pub struct Delays {
    seed: u64,
    at_start: Latency,
    latency: Latency,
    order: Sampler,
    reply: Sampler,
    /// Requests that were delayed.
    requests: u64,
}

/// Streams of chance: every user its own, so that none moves another's.
const ORDER_STREAM: u64 = 1;
const REPLY_STREAM: u64 = 2;
const OUTLET_STREAMS: [(Market, u64); 2] = [(Market::UsdM, 3), (Market::Spot, 5)];

impl Delays {
    /// Delays that begin as the command line says.
    #[must_use]
    pub fn new(at_start: Latency, seed: u64) -> Self {
        let none = |stream| Sampler::new(Delay::None, seed, stream);
        let mut delays = Self {
            seed,
            latency: Latency::default(),
            order: none(ORDER_STREAM),
            reply: none(REPLY_STREAM),
            requests: 0,
            at_start,
        };
        delays.set(delays.at_start.clone());
        delays
    }

    /// The delays as they are.
    #[must_use]
    pub const fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Requests that were delayed.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    fn set(&mut self, latency: Latency) {
        let sampler = |part, stream| Sampler::new(latency.of(part).clone(), self.seed, stream);
        self.order = sampler(Part::Order, ORDER_STREAM);
        self.reply = sampler(Part::Response, REPLY_STREAM);
        self.latency = latency;
    }

    /// What delays the frames of a market's connections; nothing where none is delayed.
    fn outlet(&self, market: Market) -> Option<Outlet> {
        let own = OUTLET_STREAMS.into_iter().find(|(of, _)| *of == market);
        let (_, stream) = own.expect("both markets have streams of chance");
        let sampler = |part, stream| Sampler::new(self.latency.of(part).clone(), self.seed, stream);
        Outlet::new(
            sampler(Part::Feed, stream),
            sampler(Part::Response, stream + 1),
        )
    }
}

#[cfg(test)]
mod tests;
