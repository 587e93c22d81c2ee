//! The exchange's own countdown: it cancels our orders when it has not heard of us for long.
//!
//! In: which symbols have own open orders, replies, the time. Out: `countdownCancelAll` for these
//! symbols alone, inside a quarter of the weight; when each countdown ends. Never: a countdown
//! that is left to run into later orders.
//!
//! A symbol is armed as soon as it has an order. A quarter of the countdown later it is armed anew,
//! or disarmed when it has none any more: so one that comes and goes costs at most twice as much as one
//! that stays. With so many symbols that this would cost more than the share, all wait longer and the
//! countdown grows with them.

use super::{Governor, HttpOutcome, HttpRequest, Now, SECOND_NS, earliest};
use crate::orders::Stamp;
use crate::rest;
use crate::sign::Credentials;
use market::buggify::{Point, happens};
use market::{MonoNs, Symbol};
use std::collections::VecDeque;

/// Weight of one call.
const WEIGHT: u64 = 10;

/// Share of the exchange's limit, in per cent.
const SHARE_PERCENT: u64 = 25;

/// A countdown outlives so many renewals that fail.
const RENEWALS: u64 = 4;

/// After a failure, and for a reply.
const RETRY_NS: u64 = SECOND_NS;
const REPLY_NS: u64 = 3 * SECOND_NS;

const WINDOW_MS: u32 = 5_000;

const MINUTE_NS: u64 = 60 * SECOND_NS;

/// The countdowns of one market's symbols.
#[derive(Debug)]
pub struct Deadman {
    credentials: Credentials,
    timers: Vec<Timer>,
    /// As configured; 0: nothing is ever armed.
    countdown_ns: u64,
    /// Nobody decides about the orders any more: nothing is renewed and nothing disarmed.
    abandoned: bool,
    /// Calls in any minute.
    calls_max: u64,
    /// When the calls of the last minute were made.
    calls: VecDeque<MonoNs>,
}

#[derive(Debug)]
struct Timer {
    symbol: Symbol,
    has_orders: bool,
    /// When the exchange cancels, by our clock; `None` while it is not armed.
    ends: Option<MonoNs>,
    /// When it is to be renewed or disarmed.
    due: MonoNs,
    /// Nothing is to be said before: the last call failed, or the budget is used up.
    not_before: MonoNs,
    /// The call that is under way arms until then, or disarms.
    under_way: Option<Option<MonoNs>>,
}

impl Deadman {
    /// Nothing armed. `weight_limit` is the exchange's, a minute.
    #[must_use]
    pub fn new(
        symbols: &[Symbol],
        countdown_s: u64,
        weight_limit: u32,
        credentials: Credentials,
    ) -> Self {
        let timer = |symbol: &Symbol| Timer {
            symbol: *symbol,
            has_orders: false,
            ends: None,
            due: MonoNs(0),
            not_before: MonoNs(0),
            under_way: None,
        };
        let share = u64::from(weight_limit) * SHARE_PERCENT / 100;
        Self {
            credentials,
            timers: symbols.iter().map(timer).collect(),
            countdown_ns: countdown_s * SECOND_NS,
            abandoned: false,
            calls_max: (share / WEIGHT).max(1),
            calls: VecDeque::new(),
        }
    }

    /// Says whether anybody still decides about the orders. While nobody does the exchange does not
    /// hear of us: that is what the countdown is for.
    pub const fn set_abandoned(&mut self, abandoned: bool) {
        self.abandoned = abandoned;
    }

    /// Says whether a symbol has own open orders.
    pub fn set_orders(&mut self, place: usize, has_orders: bool) {
        if let Some(timer) = self.timers.get_mut(place) {
            timer.has_orders = has_orders;
        }
    }

    /// When the exchange will cancel a symbol's orders, unless it hears of us before then.
    #[must_use]
    pub fn ends(&self, place: usize) -> Option<MonoNs> {
        self.timers.get(place)?.ends
    }

    /// The call that is due, with the place of its symbol; asked until there is none.
    pub fn poll(&mut self, now: Now, governor: &mut Governor) -> Option<(usize, HttpRequest)> {
        if self.countdown_ns == 0 || self.abandoned {
            return None;
        }
        while self
            .calls
            .front()
            .is_some_and(|at| now.mono.since(*at) >= MINUTE_NS)
        {
            self.calls.pop_front();
        }
        if self.calls.len() as u64 >= self.calls_max {
            return None;
        }
        let place = self
            .timers
            .iter()
            .position(|one| one.wants() && one.due() <= Some(now.mono))?;
        if happens(Point::CountdownLate) {
            self.timers[place].not_before = now.mono.after(RETRY_NS);
            return None;
        }
        let interval_ns = self.interval_ns();
        let countdown_ns = (interval_ns * RENEWALS).max(self.countdown_ns);
        let timer = &mut self.timers[place];
        let countdown_ms = match timer.has_orders {
            true => countdown_ns / 1_000_000,
            false => 0,
        };
        let stamp = Stamp {
            timestamp: now.server,
            recv_window_ms: WINDOW_MS,
        };
        let call =
            rest::countdown_cancel_all(&timer.symbol, countdown_ms, &self.credentials, stamp);
        if let Err(at) = governor.admit(call.weight, now) {
            timer.not_before = at;
            return None;
        }
        self.calls.push_back(now.mono);
        timer.due = now.mono.after(interval_ns);
        // The exchange counts from when it reads the call: this is the earliest moment.
        timer.under_way = Some(timer.has_orders.then(|| now.mono.after(countdown_ns)));
        let deadline = now.mono.after(REPLY_NS);
        Some((place, HttpRequest { call, deadline }))
    }

    /// The answer to the call of this place.
    pub fn on_reply(&mut self, place: usize, outcome: HttpOutcome<'_>, now: MonoNs) {
        let Some(timer) = self.timers.get_mut(place) else {
            return;
        };
        let Some(meant) = timer.under_way.take() else {
            return;
        };
        if super::http::success(outcome).is_some() {
            timer.ends = meant;
        } else {
            // What was lost may have been heard: the old end may hold, or the new one.
            timer.due = now;
            timer.not_before = now.after(RETRY_NS);
        }
    }

    /// When `poll` may have something to say, as things are.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        if self.countdown_ns == 0 || self.abandoned {
            return None;
        }
        let due = self.timers.iter().filter(|one| one.wants());
        let due = due.fold(None, |first, one| earliest(first, one.due()))?;
        let full = self.calls.len() as u64 >= self.calls_max;
        let room = self.calls.front().filter(|_| full);
        Some(room.map_or(due, |oldest| due.max(oldest.after(MINUTE_NS))))
    }

    /// Between two calls for one symbol.
    fn interval_ns(&self) -> u64 {
        let armed = self.timers.iter().filter(|one| one.wants()).count() as u64;
        let affordable_ns = armed * MINUTE_NS / self.calls_max;
        (self.countdown_ns / RENEWALS).max(affordable_ns)
    }
}

impl Timer {
    /// It has orders to protect, or a countdown to end.
    const fn wants(&self) -> bool {
        self.under_way.is_none() && (self.has_orders || self.ends.is_some())
    }

    /// When its next call is due; what has orders and is not armed does not wait.
    fn due(&self) -> Option<MonoNs> {
        let bare = self.has_orders && self.ends.is_none();
        let due = if bare { MonoNs(0) } else { self.due };
        Some(due.max(self.not_before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{HttpReply, MILLISECOND_NS};
    use crate::sign::Signer;
    use market::UtcMs;

    fn deadman(symbols: usize, countdown_s: u64) -> Deadman {
        let names: Vec<Symbol> = (0..symbols)
            .map(|number| Symbol::new(format!("S{number}USDT").as_bytes()).unwrap())
            .collect();
        let credentials = Credentials {
            api_key: "k".to_string(),
            signer: Signer::hmac(b"s"),
        };
        Deadman::new(&names, countdown_s, 2_400, credentials)
    }

    fn now(ms: u64) -> Now {
        Now {
            mono: MonoNs(ms * MILLISECOND_NS),
            server: UtcMs(ms as i64),
        }
    }

    const OK: HttpOutcome<'static> = Some(HttpReply {
        status: 200,
        retry_after_s: None,
        used_weight: None,
        body: b"{}",
    });

    /// Calls until `end_ms`: when, which place, with which countdown.
    fn run(deadman: &mut Deadman, from_ms: u64, end_ms: u64) -> Vec<(u64, usize, u64)> {
        let mut governor = Governor::new(2_400);
        let mut calls = Vec::new();
        for ms in (from_ms..end_ms).step_by(250) {
            while let Some((place, request)) = deadman.poll(now(ms), &mut governor) {
                let query = &request.call.query;
                let text = query.split_once("countdownTime=").unwrap().1;
                let countdown = text.split('&').next().unwrap().parse().unwrap();
                calls.push((ms, place, countdown));
                deadman.on_reply(place, OK, now(ms).mono);
            }
        }
        calls
    }

    #[test]
    fn while_nobody_decides_the_countdown_runs_out_and_is_not_ended() {
        let mut deadman = deadman(1, 120);
        deadman.set_orders(0, true);
        assert_eq!(run(&mut deadman, 0, 10_000), [(0, 0, 120_000)]);
        deadman.set_abandoned(true);
        assert_eq!(run(&mut deadman, 10_000, 90_000), []);
        deadman.set_orders(0, false);
        assert_eq!(run(&mut deadman, 90_000, 100_000), []);
        assert_eq!(deadman.next_deadline(), None);
        deadman.set_abandoned(false);
        assert_eq!(run(&mut deadman, 100_000, 110_000), [(100_000, 0, 0)]);
    }

    #[test]
    fn only_symbols_with_orders_are_armed_renewed_and_disarmed() {
        let mut deadman = deadman(3, 120);
        assert_eq!(run(&mut deadman, 1_000, 5_000), []);
        deadman.set_orders(1, true);
        let calls = run(&mut deadman, 5_000, 66_000);
        assert_eq!(
            calls,
            [
                (5_000, 1, 120_000),
                (35_000, 1, 120_000),
                (65_000, 1, 120_000)
            ]
        );
        assert_eq!(deadman.ends(1), Some(now(185_000).mono));
        // Without orders it is disarmed when the renewal would be due, and then left alone.
        deadman.set_orders(1, false);
        assert_eq!(run(&mut deadman, 66_000, 400_000), [(95_000, 1, 0)]);
        assert_eq!(deadman.ends(1), None);
        // An order that is back is protected at once.
        deadman.set_orders(1, true);
        assert_eq!(run(&mut deadman, 400_000, 401_000), [(400_000, 1, 120_000)]);
    }

    #[test]
    fn orders_that_come_and_go_cost_at_most_twice_what_orders_that_stay_cost() {
        let mut deadman = deadman(1, 40);
        let mut calls = 0;
        for ms in (0..600_000).step_by(250) {
            deadman.set_orders(0, ms % 1_000 < 500);
            calls += run(&mut deadman, ms, ms + 1).len();
        }
        assert!(calls <= 121, "{calls} calls in 600 s");
    }

    #[test]
    fn sixty_four_symbols_stay_inside_a_quarter_of_the_weight_and_none_runs_out() {
        for countdown_s in [10, 120] {
            let mut deadman = deadman(64, countdown_s);
            (0..64).for_each(|place| deadman.set_orders(place, true));
            let calls = run(&mut deadman, 0, 1_200_000);
            // By clock minutes, as the exchange counts.
            for minute in 1..20 {
                let here = |one: &&(u64, usize, u64)| one.0 / 60_000 == minute;
                let weight = calls.iter().filter(here).count() * 10;
                assert!(weight <= 600, "{weight} in minute {minute}");
            }
            for place in 0..64 {
                let mine: Vec<_> = calls.iter().filter(|one| one.1 == place).collect();
                assert!(mine.len() > 10, "{place}: {}", mine.len());
                for pair in mine.windows(2) {
                    let gap = pair[1].0 - pair[0].0;
                    assert!(gap * 2 < pair[0].2, "{gap} ms of {} ms", pair[0].2);
                }
            }
        }
    }

    #[test]
    fn a_lost_call_is_repeated_soon_and_off_is_off() {
        let mut deadman = deadman(1, 120);
        let mut governor = Governor::new(2_400);
        deadman.set_orders(0, true);
        assert!(deadman.poll(now(0), &mut governor).is_some());
        assert!(deadman.poll(now(0), &mut governor).is_none());
        deadman.on_reply(0, None, now(3_000).mono);
        assert_eq!(deadman.ends(0), None);
        assert_eq!(deadman.next_deadline(), Some(now(4_000).mono));
        assert!(deadman.poll(now(3_500), &mut governor).is_none());
        assert!(deadman.poll(now(4_000), &mut governor).is_some());
        let mut off = self::deadman(1, 0);
        off.set_orders(0, true);
        assert!(off.poll(now(0), &mut governor).is_none());
    }

    #[test]
    fn a_call_that_waits_for_weight_is_made_when_there_is_some() {
        let mut deadman = deadman(1, 120);
        let mut governor = Governor::new(2_400);
        governor.admit_emergency(2_400, now(1_000)).unwrap();
        deadman.set_orders(0, true);
        assert!(deadman.poll(now(1_000), &mut governor).is_none());
        assert_eq!(deadman.next_deadline(), Some(now(60_000).mono));
        // Nothing was armed: answers to nobody do not say otherwise.
        deadman.on_reply(0, OK, now(2_000).mono);
        deadman.on_reply(7, OK, now(2_000).mono);
        assert_eq!((deadman.ends(0), deadman.ends(7)), (None, None));
        let (place, _) = deadman.poll(now(60_000), &mut governor).unwrap();
        deadman.on_reply(place, OK, now(60_100).mono);
        assert_eq!(deadman.ends(0), Some(now(180_000).mono));
    }
}
