//! One instrument's protection: what is held, which stops of ours lie at the exchange, what is to
//! be done next.
//!
//! In: the position, what became of stops. Out: the next task. Never: two tasks at a time, a
//! second stop while it is not known whether the first one exists.

use super::AGAIN_NS_MAX;
use super::ProtectSettings;
use crate::session::{Backoff, MILLISECOND_NS, SECOND_NS};
use market::{ClientOrderId, Instrument, MonoNs, Price, Quantity, Side};

/// A position must be gone for so long before its stop is taken away: a stop without a position
/// can only end, and one that comes back at once keeps it.
pub(super) const FLAT_NS: u64 = SECOND_NS;

/// Two answers "does not exist" must be so far apart (I4).
const BETWEEN_MISSES_NS: u64 = SECOND_NS;

/// So often the exchange must say that it does not know an order whose placement got no answer.
const MISSES: u8 = 2;

/// Parts of one in which distances are told.
const BPS: i128 = 10_000;

/// What is held of one instrument, as the engine shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The side that closes it: `Sell` for a long position.
    pub closing: Side,
    /// Average price.
    pub entry: Price,
    /// Mark price, or else the middle of the book; 0 while not known.
    pub mark: Price,
    /// How much the stop closes, where the account holds something beside it that is somebody
    /// else's; `None` where it closes all there is.
    pub part: Option<Quantity>,
}

/// A stop of ours that may lie at the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) id: ClientOrderId,
    pub(super) side: Side,
    pub(super) trigger: Price,
    /// The trigger that its position asked for when it was placed.
    pub(super) basis: Price,
    /// How much it closes; `None` for all there is.
    pub(super) part: Option<Quantity>,
    /// Placed by this start of the process.
    pub(super) own_life: bool,
    pub(super) state: StopState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopState {
    /// It lies there.
    Open,
    /// It was sent, and whether it arrived is not known. It cannot arrive after `latest`.
    Doubtful { latest: MonoNs, misses: u8 },
    /// It is not there any more, or a cancel got no answer: what became of it is asked.
    Vanished { by_us: bool },
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Place(Stop),
    Cancel(ClientOrderId),
    Ask(ClientOrderId),
}

/// One instrument.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) instrument: Instrument,
    pub(super) holding: Option<Holding>,
    pub(super) flat_since: MonoNs,
    /// Since when there has been a position without a stop.
    pub(super) exposed_since: Option<MonoNs>,
    pub(super) stops: Vec<Stop>,
    /// Triggers of stops of others that close positions, for `Buy` and `Sell`.
    pub(super) others: [Option<Price>; 2],
    pub(super) call: Option<(u64, Task)>,
    /// When something was last sent or answered: an older list says nothing of it.
    pub(super) touched: MonoNs,
    pub(super) not_before: MonoNs,
    pub(super) backoff: Backoff,
    /// The price has passed the distance from the average already: it counts from the mark.
    pub(super) beyond: bool,
    /// The next stop takes the place of one that was cancelled for it.
    pub(super) replacing: bool,
    /// The exchange says that there is another one: a list is wanted.
    pub(super) wants_list: bool,
}

impl Guard {
    pub(super) fn new(instrument: Instrument) -> Self {
        Self {
            instrument,
            holding: None,
            flat_since: MonoNs(0),
            exposed_since: None,
            stops: Vec::new(),
            others: [None; 2],
            call: None,
            touched: MonoNs(0),
            not_before: MonoNs(0),
            backoff: Backoff::new(
                500 * MILLISECOND_NS,
                AGAIN_NS_MAX,
                u64::from(instrument.id.0),
            ),
            beyond: false,
            replacing: false,
            wants_list: false,
        }
    }

    /// What is held now.
    pub(super) fn hold(&mut self, holding: Option<Holding>, now: MonoNs) {
        let side = |holding: Option<Holding>| holding.map(|one| one.closing);
        if side(holding) != side(self.holding) {
            self.beyond = false;
            self.backoff.succeed();
            self.not_before = MonoNs(0);
            if holding.is_none() {
                self.flat_since = now;
            }
        }
        self.holding = holding;
        self.count_exposure(now);
    }

    /// Whether the position lies bare, and since when.
    pub(super) fn count_exposure(&mut self, now: MonoNs) {
        let bare = self.holding.is_some() && self.stands() == Price(0);
        self.exposed_since = match (bare, self.exposed_since) {
            (false, _) => None,
            (true, since) => since.or(Some(now)),
        };
    }

    /// The price at which the position is closed as things are; 0 without one.
    pub(super) fn stands(&self) -> Price {
        let Some(holding) = self.holding else {
            return Price(0);
        };
        let own = self.stops.iter().find(|one| one.protects(holding.closing));
        let other = self.others[holding.closing as usize];
        own.map(|one| one.trigger).or(other).unwrap_or(Price(0))
    }

    pub(super) fn stop(&mut self, id: ClientOrderId) -> Option<&mut Stop> {
        self.stops.iter_mut().find(|one| one.id == id)
    }

    /// What is to be done next, if anything can be. While positions are in doubt, which is what
    /// `settled` denies, a bare one gets its stop, and no stop is taken away.
    pub(super) fn next(
        &self,
        now: MonoNs,
        settled: bool,
        settings: &ProtectSettings,
        id: ClientOrderId,
    ) -> Option<Task> {
        if self.call.is_some() || now < self.not_before {
            return None;
        }
        // First of all it must be known what is there.
        let unsure = |one: &&Stop| one.state != StopState::Open;
        if let Some(stop) = self.stops.iter().find(unsure) {
            return Some(Task::Ask(stop.id));
        }
        let Some(holding) = self.holding else {
            let rested = settled && now.since(self.flat_since) >= FLAT_NS;
            return self
                .stops
                .first()
                .filter(|_| rested)
                .map(|one| Task::Cancel(one.id));
        };
        let wanted = self.wanted(&holding, settings);
        let mut right: Vec<&Stop> = self.stops.iter().collect();
        right.retain(|one| one.side == holding.closing);
        let apart = |one: &Stop| (one.basis.0 - wanted.0).abs();
        right.sort_by_key(|one| (one.part != holding.part, apart(one)));
        let Some(best) = right.first() else {
            let place = self.place(&holding, wanted, settings, id);
            // Where somebody else's stop keeps ours out, the one of before has still no use.
            return place.or_else(|| self.take_away(holding.closing).filter(|_| settled));
        };
        if !settled {
            return None;
        }
        // The exchange takes one such stop a direction (-4130): a worse one goes first.
        let worst = right.last().filter(|_| right.len() > 1);
        if let Some(worst) = worst {
            return Some(Task::Cancel(worst.id));
        }
        let limit = i128::from(holding.entry.0) * i128::from(settings.replace_above_bps);
        if best.part != holding.part || i128::from(apart(best)) * BPS > limit {
            return Some(Task::Cancel(best.id));
        }
        // A stop of the other direction is taken away once this one is there.
        self.take_away(holding.closing)
    }

    /// A stop that does not close what `closing` closes.
    fn take_away(&self, closing: Side) -> Option<Task> {
        let wrong = self.stops.iter().find(|one| one.side != closing);
        wrong.map(|one| Task::Cancel(one.id))
    }

    fn place(
        &self,
        holding: &Holding,
        wanted: Price,
        settings: &ProtectSettings,
        id: ClientOrderId,
    ) -> Option<Task> {
        if self.others[holding.closing as usize].is_some() && holding.part.is_none() {
            // It would be refused.
            return None;
        }
        let trigger = if self.beyond && holding.mark.0 > 0 {
            let worse = match holding.closing {
                Side::Sell => holding.entry.min(holding.mark),
                Side::Buy => holding.entry.max(holding.mark),
            };
            at_distance(worse, holding.closing, settings.distance_bps)
        } else {
            wanted
        };
        (trigger.0 > 0).then_some(Task::Place(Stop {
            id,
            side: holding.closing,
            trigger,
            basis: wanted,
            part: holding.part,
            own_life: true,
            state: StopState::Open,
        }))
    }

    fn wanted(&self, holding: &Holding, settings: &ProtectSettings) -> Price {
        at_distance(holding.entry, holding.closing, settings.distance_bps)
    }
}

impl Stop {
    /// True for one that will close a position which `closing` closes.
    fn protects(&self, closing: Side) -> bool {
        self.side == closing && self.state == StopState::Open
    }

    /// The exchange does not know it. True when that is the end of it.
    pub(super) fn is_missed(&mut self, now: MonoNs) -> bool {
        match &mut self.state {
            // It was there, and has been forgotten.
            StopState::Vanished { .. } | StopState::Open => true,
            StopState::Doubtful { latest, misses } => {
                if now >= *latest {
                    *misses += 1;
                }
                *misses >= MISSES
            }
        }
    }

    /// When the exchange is asked again after it did not know it.
    pub(super) fn ask_again(&self, now: MonoNs) -> MonoNs {
        match self.state {
            StopState::Doubtful { latest, .. } => latest.max(now.after(BETWEEN_MISSES_NS)),
            _ => now,
        }
    }
}

/// The price so far from `from` that `closing` loses by it, rounded towards `from`.
fn at_distance(from: Price, closing: Side, distance_bps: i64) -> Price {
    let scaled = i128::from(from.0) * (BPS + i128::from(closing.sign()) * i128::from(distance_bps));
    let ticks = match closing {
        // Below a long position, rounded up.
        Side::Sell => -((-scaled).div_euclid(BPS)),
        Side::Buy => scaled.div_euclid(BPS),
    };
    Price(i64::try_from(ticks).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_lies_on_the_losing_side_and_is_rounded_towards_the_position() {
        // (from, closing side, bps, price)
        let cases = [
            (600_000, Side::Sell, 100, 594_000),
            (600_001, Side::Sell, 100, 594_001),
            (600_000, Side::Buy, 100, 606_000),
            (600_001, Side::Buy, 100, 606_001),
            (1, Side::Sell, 9_000, 1),
            (33, Side::Buy, 100, 33),
        ];
        for (from, closing, bps, price) in cases {
            let found = at_distance(Price(from), closing, bps);
            assert_eq!(found, Price(price), "{from} {closing} {bps}");
        }
    }
}
