//! The protective stops of futures, as the product's shell runs them.
//!
//! In: the state pages, answers. Out: calls, steps for the journal. Never: a decision; machine and
//! looks are the product's, only their calls go another way.

use binance::rest::TriggerPrice;
use binance::session::{
    Governor, HttpOutcome, HttpRequest, Now, ProtectEvents, ProtectSettings, Protector, earliest,
};
use binance::sign::Credentials;
use engine::Input;
use hotpath::protection::shell::Watch;
use hotpath::server_clock::ServerClock;
use ipc::Segment;
use market::record::ProtectionStep;
use market::{Instrument, Market, MonoNs};

use crate::cold::ColdEvent;
use crate::network::{Owner, SECOND};
use crate::random::Random;

/// In so many of a thousand seeds positions have a stop at the exchange.
const PROTECTED_PERMILLE: u64 = 400;

/// How the stops of a seed are placed; none where it has no stops.
#[must_use]
pub fn stop_settings(seed: u64, life: u32) -> Option<ProtectSettings> {
    let mut random = Random::new(seed, 6);
    // Nearer than the settings allow, so that the market comes there.
    let distance_bps = random.between(3, 14) as i64;
    let settings = ProtectSettings {
        distance_bps,
        trigger: match random.chance(500) {
            true => TriggerPrice::Mark,
            false => TriggerPrice::Last,
        },
        replace_above_bps: random.between(1, 2) as i64,
        check_every_ns: random.between(10, 20) * SECOND,
        epoch: life,
    };
    random.chance(PROTECTED_PERMILLE).then_some(settings)
}

/// The machine of the futures.
pub struct Protection {
    /// Decides.
    pub machine: Protector,
    watch: Watch,
}

impl Protection {
    /// At rest; none for spot, and where a seed has no stops.
    #[must_use]
    pub fn new(
        market: Market,
        instruments: &[Instrument],
        credentials: Credentials,
        (seed, life): (u64, u32),
    ) -> Option<Self> {
        let settings = stop_settings(seed, life).filter(|_| market == Market::UsdM)?;
        let here = || instruments.iter().filter(|one| one.market == market);
        let pages = here().map(|one| usize::from(one.id.0)).collect();
        Some(Self {
            machine: Protector::new(settings, here().copied(), credentials, seed),
            watch: Watch::new(pages),
        })
    }

    /// The calls that are due.
    pub fn poll(
        &mut self,
        now: Now,
        segment: &Segment,
        governor: &mut Governor,
    ) -> Vec<(Owner, HttpRequest)> {
        self.watch.look(&mut self.machine, segment, now.mono);
        let mut calls = Vec::new();
        while let Some((number, request)) = self.machine.poll(now, governor) {
            calls.push((Owner::Protect(number), request));
        }
        calls
    }

    /// When `poll` may have something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        let look = self.watch.next_deadline();
        earliest(self.machine.next_deadline(), Some(look))
    }

    /// The answer to a call.
    pub fn replied(
        &mut self,
        number: u64,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        clock: &ServerClock,
        events: &mut Vec<ColdEvent>,
    ) {
        let mut notes = Notes(events, clock);
        self.machine.on_reply(number, outcome, now, &mut notes);
    }
}

struct Notes<'a>(&'a mut Vec<ColdEvent>, &'a ServerClock);

impl ProtectEvents for Notes<'_> {
    fn step(&mut self, step: ProtectionStep) {
        self.0.push(ColdEvent::Input(Input::Protection(step)));
    }

    fn clock_refused(&mut self) {
        self.1.refuse();
    }
}
