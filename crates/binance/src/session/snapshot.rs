//! Snapshots of books on demand: one at a time, paced for each instrument, within the weight.
//!
//! In: wishes of the engine and replies. Out: requests, and snapshots in runs of levels. Never: a
//! part of a snapshot that is not sound to its last byte; a storm of requests.

use super::http::success;
use super::{Backoff, Governor, HttpOutcome, HttpRequest, MILLISECOND_NS, Now, SECOND_NS};
use crate::decode::decode_snapshot;
use crate::rest;
use market::buggify::{Point, happens};
use market::{InstrumentId, Instruments, Level, Market, MonoNs, Side, UpdateId};

/// Takes snapshots.
pub trait SnapshotEvents {
    /// A snapshot begins; `complete` when it lists whole sides.
    fn begin(&mut self, instrument: InstrumentId, last_update_id: UpdateId, complete: bool);
    /// Some levels, best first.
    fn levels(&mut self, instrument: InstrumentId, side: Side, levels: &[Level]);
    /// It is complete.
    fn end(&mut self, instrument: InstrumentId);
}

/// Levels in one run.
const RUN_LEVELS: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    None,
    Due(MonoNs),
    InFlight,
}

#[derive(Clone, Debug)]
struct Slot {
    wish: Wish,
    backoff: Backoff,
    last_asked: MonoNs,
}

/// The wishes of one market.
#[derive(Clone, Debug)]
pub struct SnapshotQueue {
    market: Market,
    slots: Vec<Slot>,
    in_flight: Option<InstrumentId>,
    blocked_until: MonoNs,
}

/// A wish that comes after this much peace is answered at once.
const PEACE_NS: u64 = 5 * SECOND_NS;

impl SnapshotQueue {
    /// No wishes, for a table of `instruments`.
    #[must_use]
    pub fn new(market: Market, instruments: usize, seed: u64) -> Self {
        let slot = |index: usize| Slot {
            wish: Wish::None,
            backoff: Backoff::new(100 * MILLISECOND_NS, 20 * SECOND_NS, seed + index as u64),
            last_asked: MonoNs(0),
        };
        Self {
            market,
            slots: (0..instruments).map(slot).collect(),
            in_flight: None,
            blocked_until: MonoNs(0),
        }
    }

    /// The engine needs a snapshot of this book.
    pub fn want(&mut self, instrument: InstrumentId, now: MonoNs) {
        let Some(slot) = self.slots.get_mut(usize::from(instrument.0)) else {
            return;
        };
        if slot.wish != Wish::None {
            return;
        }
        let peaceful = slot.last_asked == MonoNs(0) || now.since(slot.last_asked) >= PEACE_NS;
        if peaceful {
            slot.backoff.succeed();
            slot.wish = Wish::Due(now);
        } else {
            slot.wish = Wish::Due(now.after(slot.backoff.fail()));
        }
    }

    /// The request that is due, if the budget allows one.
    pub fn poll(
        &mut self,
        now: Now,
        governor: &mut Governor,
        instruments: &Instruments<'_>,
    ) -> Option<HttpRequest> {
        if self.in_flight.is_some() || now.mono < self.blocked_until {
            return None;
        }
        let (index, due) = self.first_due()?;
        if due > now.mono {
            return None;
        }
        if happens(Point::SnapshotLate) {
            self.slots[index].wish = Wish::Due(now.mono.after(SECOND_NS));
            return None;
        }
        let instrument = instruments.0.get(index)?;
        let call = rest::depth(instrument, self.limit());
        if let Err(until) = governor.admit(call.weight, now) {
            self.blocked_until = until;
            return None;
        }
        self.slots[index].wish = Wish::InFlight;
        self.slots[index].last_asked = now.mono;
        self.in_flight = Some(instrument.id);
        Some(HttpRequest {
            call,
            deadline: now.mono.after(5 * SECOND_NS),
        })
    }

    /// When `poll` may have something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        if self.in_flight.is_some() {
            return None;
        }
        self.first_due().map(|(_, due)| due.max(self.blocked_until))
    }

    /// The answer to the last request. A bad one is asked again, later.
    pub fn on_reply(
        &mut self,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl SnapshotEvents,
    ) {
        let Some(id) = self.in_flight.take() else {
            return;
        };
        let limit = self.limit();
        let slot = &mut self.slots[usize::from(id.0)];
        let delivered = instruments.get(id).is_some_and(|instrument| {
            let snapshot = success(outcome).and_then(|body| decode_snapshot(body, instrument).ok());
            let Some(snapshot) = snapshot.filter(|_| !happens(Point::SnapshotDropped)) else {
                return false;
            };
            let version = snapshot.header().last_update_id;
            events.begin(id, version, snapshot.is_complete(limit as usize));
            for side in [Side::Buy, Side::Sell] {
                let mut buffer = [Level::default(); RUN_LEVELS];
                let mut runs = snapshot.runs(side);
                loop {
                    let levels = runs.next_run(&mut buffer);
                    if levels.is_empty() {
                        break;
                    }
                    events.levels(id, side, levels);
                }
            }
            events.end(id);
            true
        });
        slot.wish = if delivered {
            Wish::None
        } else {
            Wish::Due(now.after(slot.backoff.fail()))
        };
    }

    const fn limit(&self) -> u32 {
        match self.market {
            Market::UsdM => 1000,
            Market::Spot => 5000,
        }
    }

    fn first_due(&self) -> Option<(usize, MonoNs)> {
        let due = |(index, slot): (usize, &Slot)| match slot.wish {
            Wish::Due(due) => Some((index, due)),
            _ => None,
        };
        let all = self.slots.iter().enumerate();
        all.filter_map(due).min_by_key(|(_, due)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::HttpReply;
    use market::{Filters, Instrument, InstrumentStatus, Step, Symbol, UtcMs};

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl SnapshotEvents for Seen {
        fn begin(&mut self, instrument: InstrumentId, version: UpdateId, complete: bool) {
            self.0
                .push(format!("begin {} {} {complete}", instrument.0, version.0));
        }
        fn levels(&mut self, _: InstrumentId, side: Side, levels: &[Level]) {
            self.0.push(format!("{side} {}", levels.len()));
        }
        fn end(&mut self, instrument: InstrumentId) {
            self.0.push(format!("end {}", instrument.0));
        }
    }

    fn table() -> Vec<Instrument> {
        let one = |id, symbol: &str| Instrument {
            id: InstrumentId(id),
            market: Market::UsdM,
            symbol: Symbol::new(symbol.as_bytes()).unwrap(),
            tick: Step::from_text(b"0.10").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        };
        vec![one(0, "BTCUSDT"), one(1, "ETHUSDT")]
    }

    fn now(ms: u64) -> Now {
        Now {
            mono: MonoNs(ms * MILLISECOND_NS),
            server: UtcMs(ms as i64),
        }
    }

    fn reply(status: u16, body: &[u8]) -> HttpOutcome<'_> {
        Some(HttpReply {
            status,
            retry_after_s: None,
            used_weight: None,
            body,
        })
    }

    const BODY: &[u8] =
        br#"{"lastUpdateId":7,"bids":[["1.00","1"],["0.90","2"]],"asks":[["1.10","3"]]}"#;

    #[test]
    fn wishes_are_served_one_at_a_time_and_a_repeated_wish_counts_once() {
        let table = table();
        let instruments = Instruments(&table);
        let mut governor = Governor::new(2400);
        let mut queue = SnapshotQueue::new(Market::UsdM, 2, 1);
        queue.want(InstrumentId(1), now(1_000).mono);
        queue.want(InstrumentId(1), now(1_000).mono);
        queue.want(InstrumentId(0), now(1_001).mono);
        let first = queue.poll(now(1_001), &mut governor, &instruments).unwrap();
        assert_eq!(
            first.call.target(),
            "/fapi/v1/depth?limit=1000&symbol=ETHUSDT"
        );
        assert_eq!(queue.poll(now(1_002), &mut governor, &instruments), None);
        let mut seen = Seen::default();
        queue.on_reply(reply(200, BODY), now(1_003).mono, &instruments, &mut seen);
        assert_eq!(seen.0, ["begin 1 7 true", "BUY 2", "SELL 1", "end 1"]);
        let second = queue.poll(now(1_003), &mut governor, &instruments).unwrap();
        assert!(second.call.query.contains("BTCUSDT"));
        queue.on_reply(reply(200, BODY), now(1_004).mono, &instruments, &mut seen);
        assert_eq!(queue.next_deadline(), None);
    }

    #[test]
    fn failures_and_unsound_bodies_deliver_nothing_and_are_asked_again_later() {
        let table = table();
        let instruments = Instruments(&table);
        let cases: [HttpOutcome<'_>; 4] = [
            None,
            reply(503, b""),
            reply(200, b"{"),
            reply(
                200,
                br#"{"lastUpdateId":7,"bids":[["2.00","1"]],"asks":[["1.10","3"]]}"#,
            ),
        ];
        for outcome in cases {
            let mut governor = Governor::new(2400);
            let mut queue = SnapshotQueue::new(Market::UsdM, 2, 1);
            let mut seen = Seen::default();
            queue.want(InstrumentId(0), now(1_000).mono);
            assert!(
                queue
                    .poll(now(1_000), &mut governor, &instruments)
                    .is_some()
            );
            queue.on_reply(outcome, now(1_001).mono, &instruments, &mut seen);
            assert!(seen.0.is_empty());
            let again = queue.next_deadline().unwrap();
            assert!(again > now(1_001).mono && again <= now(1_101).mono);
        }
    }

    #[test]
    fn a_book_that_keeps_asking_is_paced_and_a_ban_silences_everything() {
        let table = table();
        let instruments = Instruments(&table);
        let mut governor = Governor::new(2400);
        let mut queue = SnapshotQueue::new(Market::UsdM, 2, 1);
        queue.want(InstrumentId(0), now(1_000).mono);
        assert!(
            queue
                .poll(now(1_000), &mut governor, &instruments)
                .is_some()
        );
        let mut seen = Seen::default();
        queue.on_reply(reply(200, BODY), now(1_010).mono, &instruments, &mut seen);
        queue.want(InstrumentId(0), now(1_020).mono);
        assert_eq!(queue.poll(now(1_020), &mut governor, &instruments), None);
        let banned = HttpReply {
            status: 418,
            retry_after_s: Some(30),
            used_weight: None,
            body: b"",
        };
        governor.on_reply(&banned, now(1_020));
        assert_eq!(queue.poll(now(2_000), &mut governor, &instruments), None);
        assert!(queue.next_deadline().unwrap() >= now(31_000).mono);
        assert!(
            queue
                .poll(now(31_100), &mut governor, &instruments)
                .is_some()
        );
    }

    #[test]
    fn a_wish_for_no_instrument_and_an_answer_to_nobody_are_none() {
        let table = table();
        let instruments = Instruments(&table);
        let mut governor = Governor::new(2400);
        let mut queue = SnapshotQueue::new(Market::UsdM, 2, 1);
        let mut seen = Seen::default();
        queue.want(InstrumentId(2), now(1_000).mono);
        assert_eq!(queue.next_deadline(), None);
        queue.on_reply(reply(200, BODY), now(1_000).mono, &instruments, &mut seen);
        assert!(seen.0.is_empty());
        queue.want(InstrumentId(0), now(1_000).mono);
        let asked = queue.poll(now(1_000), &mut governor, &instruments);
        assert!(asked.is_some());
        assert_eq!(queue.next_deadline(), None, "one at a time");
    }

    #[test]
    fn spot_has_five_thousand_levels_for_its_weight() {
        let mut table = table();
        table.iter_mut().for_each(|one| one.market = Market::Spot);
        let instruments = Instruments(&table);
        let mut governor = Governor::new(6_000);
        let mut queue = SnapshotQueue::new(Market::Spot, 2, 1);
        queue.want(InstrumentId(1), now(1_000).mono);
        let asked = queue.poll(now(1_000), &mut governor, &instruments).unwrap();
        let target = "/api/v3/depth?limit=5000&symbol=ETHUSDT";
        assert_eq!(
            (asked.call.target().as_str(), asked.call.weight),
            (target, 250)
        );
        assert_eq!(governor.used(), 250);
    }
}
