//! The queue position of resting orders, by one of three models.
//!
//! In: how much stands ahead of an order, trades at its price, the level's new quantity. Out:
//! what of a trade reaches the order. Never: chance, a float.
//!
//! A trade at our price always eats from the front. What differs is who cancels when a level
//! shrinks by more than was traded. **Risk-averse**: those behind us, until the level is smaller
//! than our queue. **Power** and **log**: the decrease is shared, and the share behind us is
//! `f(back) / (f(back) + f(front))` with `f(x) = x^n` or `f(x) = log(1 + x)`, `x` in lots. The
//! names and formulas are those of hftbacktest's `RiskAdverseQueueModel`, `PowerProbQueueFunc`
//! and `LogProbQueueFunc`; the expected value moves the order, nothing is drawn.
//!
//! A trade and the change of the book that it makes are told one after the other, in either order.
//! A decrease is explained by trades told before it, and a trade by a decrease of the same
//! moment told before it; otherwise the same lots would count twice.

use market::{ExchangeOrderId, Quantity, UtcMs};

use crate::venue::Venue;

/// Positions are kept in millionths of a lot.
const SCALE: i64 = 1_000_000;
/// Largest exponent of the power model.
const EXPONENT_MAX: u32 = 16;

/// Who is assumed to cancel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueModel {
    /// Those behind us.
    #[default]
    RiskAverse,
    /// By the given power of what stands ahead and behind.
    Power(u32),
    /// By the logarithm.
    Log,
}

/// A word that names no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no queue model: risk-averse, power:N with N from 1 to 16, or log")]
pub struct UnknownQueueModel(String);

impl std::str::FromStr for QueueModel {
    type Err = UnknownQueueModel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownQueueModel(text.to_owned());
        match text.split_once(':') {
            None if text == "risk-averse" => Ok(Self::RiskAverse),
            None if text == "log" => Ok(Self::Log),
            Some(("power", exponent)) => {
                let exponent = exponent.parse().map_err(|_| unknown())?;
                let known = (1..=EXPONENT_MAX).contains(&exponent);
                known.then_some(Self::Power(exponent)).ok_or_else(unknown)
            }
            _ => Err(unknown()),
        }
    }
}

impl std::fmt::Display for QueueModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RiskAverse => f.write_str("risk-averse"),
            Self::Power(exponent) => write!(f, "power:{exponent}"),
            Self::Log => f.write_str("log"),
        }
    }
}

impl QueueModel {
    /// The share of a decrease that is behind us, in units of 2^-32.
    fn share_behind(self, ahead: i64, behind: i64) -> i128 {
        const ONE: i128 = 1 << 32;
        let (ahead, behind) = (i128::from(ahead.max(0)), i128::from(behind.max(0)));
        let all = ahead + behind;
        if all == 0 {
            return ONE;
        }
        let (front, back) = match self {
            Self::RiskAverse => return ONE,
            Self::Power(exponent) => {
                let power = |part: i128| {
                    let share = part * ONE / all;
                    (1..exponent).fold(share, |power, _| (power * share) >> 32)
                };
                (power(ahead), power(behind))
            }
            Self::Log => {
                let scale = i128::from(SCALE);
                (log2_e16(1 + ahead / scale), log2_e16(1 + behind / scale))
            }
        };
        // Both vanish only where each is less than one lot.
        if front + back == 0 {
            return ONE / 2;
        }
        back * ONE / (front + back)
    }
}

/// The logarithm of a positive number to base 2, in units of 2^-16, by repeated squaring.
fn log2_e16(number: i128) -> i128 {
    let whole = 127 - number.leading_zeros() as i32;
    // The mantissa in [1, 2), with 32 bits behind the point.
    let mut mantissa = if whole > 32 {
        number >> (whole - 32)
    } else {
        number << (32 - whole)
    };
    let mut log = i128::from(whole) << 16;
    for bit in (0..16).rev() {
        mantissa = (mantissa * mantissa) >> 32;
        if mantissa >= 2 << 32 {
            mantissa >>= 1;
            log += 1 << bit;
        }
    }
    log
}

/// Where an order stands: other people's lots ahead of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueuePosition {
    /// In millionths of a lot.
    ahead: i64,
    /// The level's quantity as last told, in lots.
    level: i64,
    /// Lots traded since then.
    traded: i64,
    /// What the last decrease has brought us forward, in millionths, as far as no trade has
    /// explained it; and when that was.
    advanced: i64,
    advanced_at: UtcMs,
}

impl QueuePosition {
    /// Behind everything that stands at the price on arrival.
    #[must_use]
    pub fn behind(level_lots: i64) -> Self {
        Self::within(level_lots, level_lots)
    }

    /// Behind so many lots of those that stand at the price, at most all of them.
    #[must_use]
    pub fn within(level_lots: i64, ahead_lots: i64) -> Self {
        let level = level_lots.max(0);
        Self {
            ahead: ahead_lots.clamp(0, level).saturating_mul(SCALE),
            level,
            ..Self::default()
        }
    }

    /// Lots ahead, a started one as a whole.
    #[must_use]
    pub fn ahead(self) -> i64 {
        self.ahead / SCALE + i64::from(self.ahead % SCALE > 0)
    }

    /// A trade of `lots` at our price: the whole lots that reach past the queue to us.
    pub fn trade(&mut self, lots: i64, now: UtcMs) -> i64 {
        self.traded = self.traded.saturating_add(lots);
        let mut eaten = lots.saturating_mul(SCALE);
        if self.advanced_at == now {
            let explained = self.advanced.min(eaten);
            self.advanced -= explained;
            eaten -= explained;
        }
        let reached = (eaten - self.ahead).max(0) / SCALE;
        self.ahead = (self.ahead - eaten).max(0);
        reached
    }

    /// The level now holds `level_lots`: no more than that can stand ahead.
    pub fn level_changed(&mut self, level_lots: i64, model: QueueModel, now: UtcMs) {
        let level = level_lots.max(0);
        let before = self.ahead;
        let cancelled = self.level - level - self.traded;
        if cancelled > 0 {
            let cancelled = cancelled.saturating_mul(SCALE);
            let behind = self.level.saturating_sub(self.traded).saturating_mul(SCALE) - before;
            let share = model.share_behind(before, behind);
            let behind_us = ((i128::from(cancelled) * share) >> 32) as i64;
            // More cannot go behind us than there is; the rest went ahead.
            let behind_us = behind_us.min(behind.max(0));
            if model != QueueModel::RiskAverse {
                self.ahead = (self.ahead - (cancelled - behind_us)).max(0);
            }
        }
        self.ahead = self.ahead.min(level.saturating_mul(SCALE));
        if self.level != level || self.traded > 0 {
            self.advanced = before - self.ahead;
            self.advanced_at = now;
        }
        self.level = level;
        self.traded = 0;
    }
}

impl Venue {
    /// How resting orders move forward from now on.
    pub fn set_queue_model(&mut self, model: QueueModel) {
        self.queue_model = model;
    }

    /// Puts a resting order where it stood had it come earlier, behind so many lots of its level:
    /// a study's question. No exchange does it, and no log of inputs has it. Without such an order
    /// nothing happens.
    pub fn stand_behind(&mut self, id: ExchangeOrderId, lots: Quantity) {
        if let Some(order) = self.desk.orders.get_mut(&id.0) {
            let (instrument, side) = (order.request.instrument, order.request.side);
            let view = &self.views[usize::from(instrument.0)];
            let level = view.quantity_at(side, order.request.price);
            order.queue = QueuePosition::within(level.0, lots.0);
        }
    }

    /// How resting orders move forward.
    #[must_use]
    pub fn queue_model(&self) -> QueueModel {
        self.queue_model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: [UtcMs; 4] = [UtcMs(1), UtcMs(2), UtcMs(3), UtcMs(4)];
    const MODELS: [QueueModel; 4] = [
        QueueModel::RiskAverse,
        QueueModel::Power(1),
        QueueModel::Power(3),
        QueueModel::Log,
    ];

    #[test]
    fn trades_eat_the_queue_before_they_reach_us() {
        let mut queue = QueuePosition::behind(10);
        assert_eq!(queue.trade(4, T[0]), 0);
        assert_eq!(queue.ahead(), 6);
        assert_eq!(queue.trade(9, T[1]), 3);
        assert_eq!(queue.ahead(), 0);
    }

    #[test]
    fn a_shrinking_level_moves_us_only_when_it_is_smaller_than_our_queue() {
        let mut queue = QueuePosition::behind(10);
        queue.level_changed(25, QueueModel::RiskAverse, T[0]);
        assert_eq!(queue.ahead(), 10);
        queue.level_changed(3, QueueModel::RiskAverse, T[1]);
        assert_eq!(queue.ahead(), 3);
    }

    /// 10 ahead, 30 behind, 8 cancelled: by the power n of the sides, 3^n / (3^n + 1) of it behind.
    #[test]
    fn a_decrease_is_shared_by_the_power_of_what_stands_ahead_and_behind() {
        for (model, ahead_e6) in [
            (QueueModel::RiskAverse, 10_000_000),
            (QueueModel::Power(1), 8_000_000),
            (QueueModel::Power(2), 9_200_000),
            (QueueModel::Power(3), 9_714_286),
            // 10 - 8 * (1 - log 31 / (log 31 + log 11)).
            (QueueModel::Log, 6_710_640),
        ] {
            let mut queue = QueuePosition::behind(10);
            queue.level_changed(40, model, T[0]);
            queue.level_changed(32, model, T[1]);
            assert!(
                (queue.ahead - ahead_e6).abs() < 200,
                "{model}: {}",
                queue.ahead
            );
        }
    }

    #[test]
    fn a_decrease_that_trades_explain_counts_once_in_either_order() {
        for model in MODELS {
            let mut trade_first = QueuePosition::behind(10);
            trade_first.level_changed(40, model, T[0]);
            let mut book_first = trade_first;
            assert_eq!(trade_first.trade(6, T[1]), 0);
            trade_first.level_changed(34, model, T[1]);
            assert_eq!(trade_first.ahead(), 4, "{model}");
            book_first.level_changed(34, model, T[1]);
            assert_eq!(book_first.trade(6, T[1]), 0);
            assert_eq!(book_first.ahead(), 4, "{model}");
        }
    }

    /// The level falls to 3 because 7 traded: the 3 were ahead of us, and nothing reached us.
    #[test]
    fn a_trade_told_behind_its_own_change_of_the_book_does_not_fill() {
        let mut queue = QueuePosition::behind(10);
        queue.level_changed(3, QueueModel::RiskAverse, T[1]);
        assert_eq!(queue.trade(7, T[1]), 0);
        assert_eq!(queue.ahead(), 3);
        // A later trade is another one.
        assert_eq!(queue.trade(4, T[2]), 1);
    }

    #[test]
    fn models_are_named_as_on_the_command_line() {
        for model in MODELS {
            assert_eq!(model.to_string().parse(), Ok(model));
        }
        for wrong in [
            "", "power", "power:", "power:0", "power:17", "power:x", "Log", "log:2",
        ] {
            assert!(wrong.parse::<QueueModel>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_logarithm_is_the_logarithm() {
        for number in [1i128, 2, 3, 10, 1_000, 65_537, 1 << 40, (1 << 50) + 12_345] {
            let exact = (number as f64).log2() * 65_536.0;
            let found = log2_e16(number) as f64;
            assert!(
                (exact - found).abs() < 2.0,
                "{number}: {found} is not {exact}"
            );
        }
    }

    #[test]
    fn a_queue_of_nothing_and_one_of_less_than_a_lot_have_shares_too() {
        const ONE: i128 = 1 << 32;
        for model in MODELS {
            assert_eq!(model.share_behind(0, 0), ONE, "{model}: nobody moves");
        }
        let part = SCALE / 3;
        assert_eq!(QueueModel::Log.share_behind(part, part), ONE / 2);
        assert_eq!(QueueModel::Log.share_behind(0, SCALE), ONE);
    }

    proptest! {
        /// Whatever happens, an order never stands behind more than there is, never moves back,
        /// and risk-averse is never ahead of the others.
        #[test]
        fn no_model_moves_back_and_risk_averse_is_last(
            start in 0i64..1_000_000_000_000,
            events in proptest::collection::vec((any::<bool>(), 0i64..2_000_000_000_000), 1..60),
        ) {
            for model in MODELS {
                let mut queue = QueuePosition::behind(start);
                let mut careful = queue;
                for (at, (trade, lots)) in events.iter().enumerate() {
                    let (before, now) = (queue.ahead, UtcMs(at as i64));
                    if *trade {
                        let reached = queue.trade(lots / 100, now);
                        prop_assert!(reached >= 0 && reached <= lots / 100);
                        prop_assert!(careful.trade(lots / 100, now) <= reached);
                    } else {
                        queue.level_changed(*lots, model, now);
                        careful.level_changed(*lots, QueueModel::RiskAverse, now);
                        prop_assert!(queue.ahead() <= *lots);
                    }
                    prop_assert!(queue.ahead <= before);
                    prop_assert!(queue.ahead <= careful.ahead, "{model}");
                }
            }
        }
    }
}
