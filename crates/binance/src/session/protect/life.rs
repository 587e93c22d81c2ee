//! What becomes of stops: answers and lists, taken in.
//!
//! In: answers to the tasks of a guard, what the exchange lists. Out: stops as they are now, a step
//! for each change. Never: "it is not there" from one answer alone, where the placement got none.

use super::guard::{Guard, Stop, StopState};
use super::{MARGIN_NS, ProtectEvents, WINDOW_MS};
use crate::orders::ErrorClass;
use crate::rest::{self, AlgoState, Failure, ListedAlgoOrder, PlacedAlgoOrder};
use crate::session::{HttpOutcome, MILLISECOND_NS};
use market::record::{ProtectionAct, ProtectionStep};
use market::{ClientOrderId, ExchangeOrderId, MonoNs, Price, Quantity, ReplyOutcome, Side};

/// "Order would immediately trigger."
const WOULD_TRIGGER: i64 = -2021;

/// "An open stop or take profit order with GTE and closePosition in the direction is existing."
const ONE_A_DIRECTION: i64 = -4130;

/// What a step carries where no answer came.
const NO_ANSWER: i64 = 1;

/// An answer, taken apart.
enum Answer {
    Done(Option<PlacedAlgoOrder>),
    Failed(Failure),
    Lost,
}

fn answer(outcome: HttpOutcome<'_>) -> Answer {
    match outcome {
        None => Answer::Lost,
        Some(reply) if reply.status == 200 => Answer::Done(rest::parse_algo_order(reply.body).ok()),
        Some(reply) => Answer::Failed(rest::parse_failure(reply.status, reply.body)),
    }
}

impl Guard {
    /// The answer to a placement.
    pub(super) fn placed(
        &mut self,
        stop: Stop,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        events: &mut impl ProtectEvents,
    ) {
        let replacing = std::mem::take(&mut self.replacing);
        let (code, refused) = match answer(outcome) {
            Answer::Done(Some(order)) => {
                self.backoff.succeed();
                self.stops.push(stop);
                self.settle(stop.id, &order, replacing, events);
                return;
            }
            Answer::Failed(failure) => {
                let refused = failure.outcome() == ReplyOutcome::Rejected;
                (code_of(&failure), refused)
            }
            Answer::Done(None) | Answer::Lost => (NO_ANSWER, false),
        };
        if refused {
            self.replacing = replacing;
            // From the mark it can be placed at once; whatever else is wrong needs time.
            let again = code != WOULD_TRIGGER || self.beyond;
            let pause_ns = if again { self.backoff.fail() } else { 0 };
            self.not_before = now.after(pause_ns);
            self.beyond |= code == WOULD_TRIGGER;
            self.wants_list |= code == ONE_A_DIRECTION;
            events.step(self.step(ProtectionAct::Refused, &stop, 0, code));
            return;
        }
        let latest = now.after(u64::from(WINDOW_MS) * MILLISECOND_NS + MARGIN_NS);
        let doubtful = Stop {
            state: StopState::Doubtful { latest, misses: 0 },
            ..stop
        };
        self.stops.push(doubtful);
        events.step(self.step(ProtectionAct::Unknown, &stop, 0, code));
    }

    /// The answer to a cancel.
    pub(super) fn cancelled(
        &mut self,
        id: ClientOrderId,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        events: &mut impl ProtectEvents,
    ) {
        let failure = match answer(outcome) {
            Answer::Done(_) => {
                self.backoff.succeed();
                self.forget(id, ProtectionAct::Cancelled, 0, events);
                return;
            }
            Answer::Failed(failure) => Some(failure),
            Answer::Lost => None,
        };
        let outcome = failure.as_ref().map(Failure::outcome);
        let gone = failure.is_some_and(|one| one.class == ErrorClass::OrderGone);
        if !gone {
            self.not_before = now.after(self.backoff.fail());
        }
        // What was refused has not happened; otherwise the exchange knows what has.
        if (gone || outcome != Some(ReplyOutcome::Rejected))
            && let Some(stop) = self.stop(id)
        {
            stop.state = StopState::Vanished { by_us: !gone };
        }
    }

    /// The answer to the question what became of a stop.
    pub(super) fn answered(
        &mut self,
        id: ClientOrderId,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        events: &mut impl ProtectEvents,
    ) {
        let Some(stop) = self.stop(id) else {
            return;
        };
        match answer(outcome) {
            Answer::Done(Some(order)) => {
                self.backoff.succeed();
                self.settle(id, &order, false, events);
            }
            Answer::Failed(failure) if is_absent(&failure) => {
                let over = stop.is_missed(now);
                let (again, state) = (stop.ask_again(now), stop.state);
                if over {
                    self.forget(id, end_of(state), failure.code, events);
                } else {
                    self.not_before = again;
                }
            }
            _ => self.not_before = now.after(self.backoff.fail()),
        }
    }

    /// What the exchange listed, where nothing has happened here since it was asked.
    pub(super) fn compare(
        &mut self,
        listed: &[ListedAlgoOrder],
        now: MonoNs,
        events: &mut impl ProtectEvents,
    ) {
        let stood = self.stands();
        let here = || {
            listed
                .iter()
                .filter(|one| one.symbol == self.instrument.symbol)
        };
        let others = [Side::Buy, Side::Sell].map(|side| {
            let mut stops = here().filter(|one| is_stop_of_other(one, side));
            stops.find_map(|one| self.trigger_of(one))
        });
        let found: Vec<Stop> = here().filter_map(|one| self.listed_stop(one)).collect();
        self.others = others;
        for stop in &found {
            match self.stop(stop.id) {
                Some(known) if known.state == StopState::Open => {}
                Some(known) => {
                    let doubted = matches!(known.state, StopState::Doubtful { .. });
                    known.state = StopState::Open;
                    if doubted {
                        events.step(self.step(ProtectionAct::Placed, stop, 0, 0));
                    }
                }
                None => {
                    self.stops.push(*stop);
                    if self.holding.is_some_and(|one| one.closing == stop.side) {
                        events.step(self.step(ProtectionAct::Adopted, stop, 0, 0));
                    }
                }
            }
        }
        for stop in &mut self.stops {
            let listed = found.iter().any(|one| one.id == stop.id);
            if !listed && stop.state == StopState::Open {
                stop.state = StopState::Vanished { by_us: false };
            }
        }
        self.count_exposure(now);
        let own = |one: &Stop| one.trigger == self.stands();
        if self.stands() != stood && self.stands().0 > 0 && !self.stops.iter().any(own) {
            let other = Stop {
                id: ClientOrderId::EMPTY,
                side: self.holding.map_or(Side::Sell, |one| one.closing),
                trigger: self.stands(),
                basis: self.stands(),
                part: None,
                own_life: false,
                state: StopState::Open,
            };
            events.step(self.step(ProtectionAct::LeftToOther, &other, 0, 0));
        }
    }

    /// A stop as the exchange says that it stands.
    fn settle(
        &mut self,
        id: ClientOrderId,
        order: &PlacedAlgoOrder,
        replacing: bool,
        events: &mut impl ProtectEvents,
    ) {
        let Some(stop) = self.stop(id) else {
            return;
        };
        let before = stop.state;
        match order.state {
            AlgoState::Open => {
                stop.state = StopState::Open;
                let stop = *stop;
                let act = match replacing {
                    true => ProtectionAct::Replaced,
                    false => ProtectionAct::Placed,
                };
                if !matches!(before, StopState::Vanished { .. }) {
                    events.step(self.step(act, &stop, 0, 0));
                }
            }
            AlgoState::Triggered => {
                let stop = *stop;
                self.stops.retain(|one| one.id != id);
                let act = ProtectionAct::Triggered;
                events.step(self.step(act, &stop, order.order_id, 0));
            }
            AlgoState::Ended => {
                let act = match before {
                    StopState::Vanished { by_us: true } => ProtectionAct::Cancelled,
                    _ => ProtectionAct::Lost,
                };
                self.forget(id, act, 0, events);
            }
        }
    }

    /// It is not there any more.
    fn forget(
        &mut self,
        id: ClientOrderId,
        act: ProtectionAct,
        code: i64,
        events: &mut impl ProtectEvents,
    ) {
        let Some(stop) = self.stop(id).copied() else {
            return;
        };
        self.stops.retain(|one| one.id != id);
        let closing = self.holding.map(|one| one.closing);
        let cancelled = act == ProtectionAct::Cancelled;
        self.replacing |= cancelled && closing == Some(stop.side);
        let orphan = cancelled && closing.is_none() && !stop.own_life;
        let act = if orphan {
            ProtectionAct::OrphanCancelled
        } else {
            act
        };
        events.step(self.step(act, &stop, 0, code));
    }

    fn step(&self, act: ProtectionAct, stop: &Stop, order_id: u64, code: i64) -> ProtectionStep {
        ProtectionStep {
            act,
            instrument: Some(self.instrument.id),
            symbol: self.instrument.symbol,
            client_algo_id: stop.id,
            side: stop.side,
            trigger_price: stop.trigger,
            exchange_order_id: ExchangeOrderId(order_id),
            stands: self.stands(),
            error_code: code,
        }
    }

    /// A stop of ours as the exchange lists it.
    fn listed_stop(&self, one: &ListedAlgoOrder) -> Option<Stop> {
        let id = ClientOrderId::new(one.client_algo_id.as_bytes())?;
        let trigger = self.trigger_of(one)?;
        id.is_protective_stop().then_some(Stop {
            id,
            side: Side::from_word(&one.side)?,
            trigger,
            basis: trigger,
            part: self.part_of(one),
            own_life: false,
            state: StopState::Open,
        })
    }

    /// How much it closes; what is off the grid counts as nothing that we would want.
    fn part_of(&self, one: &ListedAlgoOrder) -> Option<Quantity> {
        let lots = self.instrument.quantity_from_text(one.quantity.as_bytes());
        (!one.close_position).then(|| lots.unwrap_or(Quantity::ZERO))
    }

    /// Its trigger in ticks; a price off the grid counts as the lowest there is.
    fn trigger_of(&self, one: &ListedAlgoOrder) -> Option<Price> {
        let text = one.trigger_price.as_bytes();
        Some(self.instrument.price_from_text(text).unwrap_or(Price(1)))
    }
}

fn is_stop_of_other(one: &ListedAlgoOrder, side: Side) -> bool {
    let id = ClientOrderId::new(one.client_algo_id.as_bytes());
    let ours = id.is_some_and(|id| id.is_protective_stop());
    let closes = one.close_position && one.order_type == "STOP_MARKET";
    !ours && closes && one.side == side.as_str()
}

/// Two codes say that there is no such order.
fn is_absent(failure: &Failure) -> bool {
    matches!(
        failure.class,
        ErrorClass::OrderNotFound | ErrorClass::OrderGone
    )
}

/// What it is called when the exchange does not know a stop.
const fn end_of(state: StopState) -> ProtectionAct {
    match state {
        StopState::Doubtful { .. } => ProtectionAct::NeverThere,
        StopState::Vanished { by_us: true } => ProtectionAct::Cancelled,
        StopState::Vanished { by_us: false } | StopState::Open => ProtectionAct::Lost,
    }
}

/// The exchange's code, or the status where it has none.
const fn code_of(failure: &Failure) -> i64 {
    match failure.code {
        0 => failure.status as i64,
        code => code,
    }
}
