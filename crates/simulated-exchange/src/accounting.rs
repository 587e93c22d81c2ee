//! What a floor does for its accounts as time goes by: funding, ends of orders, liquidation,
//! conditional orders, countdowns.
//!
//! In: the time, prices. Out: changes of accounts, their events in the floor's outputs. Never: a
//! market event.

use market::{InstrumentId, Money, Rate, UtcMs};
use matching::{Account, AccountId, ConditionalOrders, ConditionalState, PlaceOrder, PositionSide};
use serde::{Deserialize, Serialize};

use crate::api::order_parse::matched_level;
use crate::floor::Floor;
use crate::streams::publisher::mark_detail;
use crate::user_events;

/// Id of the first conditional order of the first account.
const FIRST_CONDITIONAL_ID: u64 = 3_000_000_001;
/// Conditional orders of an account have ids of their own.
const CONDITIONAL_IDS: u64 = 100_000_000;

/// A margin call comes when the maintenance margin is this share of the collateral.
const CALL_RATIO: Rate = Rate(80_000_000);

/// A private text for one account that no output of the venue makes.
pub struct Notice {
    /// Whose.
    pub account: AccountId,
    /// The event.
    pub text: Vec<u8>,
}

/// What a floor keeps of an account beside the venue.
pub(crate) struct Desk {
    pub(crate) conditional: ConditionalOrders,
    pub(crate) countdowns: Vec<Option<i64>>,
    pub(crate) standing: Standing,
}

/// What a floor knows of an account's margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// It margins with all of its assets.
    pub multi_assets: bool,
    /// It has had its margin call, and is still where it got it.
    called: bool,
}

/// The desks of accounts that are not selected, and the next funding.
pub(crate) struct Accounting {
    others: Vec<Option<Desk>>,
    pub(crate) next_funding: Option<UtcMs>,
}

impl Accounting {
    pub(crate) fn new() -> Self {
        Self {
            others: vec![None],
            next_funding: None,
        }
    }
}

/// The conditional orders of an account that has none.
pub(crate) fn no_conditionals(account: AccountId) -> ConditionalOrders {
    let first = FIRST_CONDITIONAL_ID + u64::from(account.0) * CONDITIONAL_IDS;
    ConditionalOrders::of(account, first)
}

impl Floor {
    /// Opens one more account.
    pub fn open_account(&mut self, account: Account) -> AccountId {
        let id = self.venue.open_account(account);
        self.accounting.others.push(Some(Desk {
            conditional: no_conditionals(id),
            countdowns: vec![None; self.venue.instruments().len()],
            standing: Standing::default(),
        }));
        id
    }

    /// Selects the account that requests are about; returns the one that was selected.
    ///
    /// # Panics
    /// When there is no such account.
    pub fn select(&mut self, account: AccountId) -> AccountId {
        let before = self.venue.select(account);
        if before != account {
            let chosen = self.accounting.others[usize::from(account.0)].take();
            let chosen = chosen.expect("only the selected account is not among the others");
            let left = Desk {
                conditional: std::mem::replace(&mut self.conditional, chosen.conditional),
                countdowns: std::mem::replace(&mut self.countdowns, chosen.countdowns),
                standing: std::mem::replace(&mut self.standing, chosen.standing),
            };
            self.accounting.others[usize::from(before.0)] = Some(left);
        }
        before
    }

    /// Does something for every account.
    pub(crate) fn for_each_account(&mut self, mut work: impl FnMut(&mut Self)) {
        let selected = self.venue.selected();
        for id in 0..self.venue.account_count() {
            self.select(AccountId(id as u16));
            work(self);
        }
        self.select(selected);
    }

    /// Funding at its boundary and ends of orders, up to `now_ns`.
    pub(crate) fn keep_accounts(&mut self, now_ns: i64) {
        let now = UtcMs(now_ns.div_euclid(1_000_000));
        self.venue.end_good_till(now, &mut self.outputs);
        self.for_each_account(|floor| {
            let ended = floor.conditional.end_good_till(now);
            floor.conditional_changes.extend(ended);
        });
        if self.market == market::Market::UsdM {
            self.charge_funding(now);
        }
    }

    fn charge_funding(&mut self, now: UtcMs) {
        if self.follows() {
            self.charge_followed(now);
            return;
        }
        let Some(first) = self.venue.instruments().first() else {
            return;
        };
        let next = mark_detail(first, market::Price(0), now).next_funding_time;
        let next_charge = self.accounting.next_funding;
        match next_charge {
            // What a position was worth at the boundary is not known before a price is.
            Some(due) if now >= due && !self.is_marked() => {}
            Some(due) if now >= due => {
                self.accounting.next_funding = Some(next);
                for id in 0..self.venue.instruments().len() {
                    let id = InstrumentId(id as u16);
                    let rate = self.funding_rate(id);
                    self.venue.fund(now, id, rate, &mut self.outputs);
                }
                self.supervise(now);
            }
            // A clock that is set back brings no second funding of one boundary.
            Some(_) => {}
            None => self.accounting.next_funding = Some(next),
        }
    }

    /// False while an instrument that somebody holds has had no mark price since a restart.
    fn is_marked(&mut self) -> bool {
        let mut marked = true;
        self.for_each_account(|floor| {
            let mut held = floor.venue.account().held();
            marked &= held.all(|(index, ..)| floor.venue.is_marked(InstrumentId(index as u16)));
        });
        marked
    }

    /// The rate that the next funding has.
    #[must_use]
    pub fn funding_rate(&self, id: InstrumentId) -> Rate {
        self.tape(id).funding.rate()
    }

    /// A countdown ends ordinary orders only; conditional ones stay.
    pub(crate) fn fire_countdowns(&mut self, now_ns: i64) {
        let now = UtcMs(now_ns.div_euclid(1_000_000));
        self.for_each_account(|floor| {
            for index in 0..floor.countdowns.len() {
                if floor.countdowns[index].is_none_or(|at| at > now_ns) {
                    continue;
                }
                floor.countdowns[index] = None;
                let id = InstrumentId(index as u16);
                let open: Vec<_> = floor.venue.open_orders(id).map(|order| order.id).collect();
                for order in open {
                    let ended = floor.venue.cancel(now, order, &mut floor.outputs);
                    ended.expect("listed as open");
                }
            }
        });
    }

    /// When the next countdown of any account ends.
    pub(crate) fn next_countdown_ns(&self) -> Option<i64> {
        let others = self.accounting.others.iter().flatten();
        let others = others.flat_map(|desk| desk.countdowns.iter().flatten().copied());
        let selected = self.countdowns.iter().flatten().copied();
        selected.chain(others).min()
    }

    /// Conditional orders whose price has come become ordinary ones.
    pub fn trigger(&mut self, id: InstrumentId, now: UtcMs) {
        self.venue.trigger_stops(now, &mut self.outputs);
        let (last, mark) = (self.last_price(id), self.venue.mark(id));
        self.for_each_account(|floor| {
            floor.conditional.observe(id, last, mark);
            for due in floor.conditional.due(id, last, mark) {
                let leg = due.request.options.position_side;
                let position = floor.venue.position(id, leg).quantity;
                let view = floor.venue.view(id);
                let matched = |order: PlaceOrder| match order.options.price_match {
                    "" => order,
                    // Without such a level it has no price, and is refused for that.
                    word => PlaceOrder {
                        price: matched_level(view, word, order.side).unwrap_or_default(),
                        ..order
                    },
                };
                let order = due.request.order(position).map(matched);
                let placed = order.map(|order| floor.venue.place(now, &order, &mut floor.outputs));
                let conditional = &mut floor.conditional;
                let ended = match placed {
                    None => conditional.triggered(now, due.id, ConditionalState::Expired, None),
                    Some(Ok(order)) => {
                        let state = ConditionalState::Triggered;
                        conditional.triggered(now, due.id, state, Some(order))
                    }
                    Some(Err(rejection)) => conditional.refused(now, due.id, rejection),
                };
                floor.conditional_changes.extend(ended);
            }
        });
    }

    /// Liquidates what cannot be kept at the present mark prices, and calls for margin where that is
    /// near; once, until the account is better off again.
    pub fn supervise(&mut self, now: UtcMs) {
        self.venue.supervise(now, &mut self.outputs);
        self.for_each_account(|floor| {
            let sums = floor.venue.totals_of_account();
            let collateral = sums.cross_wallet + sums.cross_unrealized;
            let due = sums.cross_maintenance > Money::ZERO
                && sums.cross_maintenance >= collateral.times(CALL_RATIO);
            if due && !floor.standing.called {
                floor.notices.push(Notice {
                    account: floor.venue.selected(),
                    text: user_events::margin_call(&floor.venue, now),
                });
            }
            floor.standing.called = due;
        });
    }

    /// Conditional orders whose ordinary order is over are finished, and say so.
    pub(crate) fn finish_conditionals(&mut self, now: UtcMs) {
        let others = self.accounting.others.iter().flatten();
        let mut all = others.map(|desk| &desk.conditional);
        if !self.conditional.has_triggered() && !all.any(ConditionalOrders::has_triggered) {
            return;
        }
        self.for_each_account(|floor| {
            let venue = &floor.venue;
            let is_over = |id| venue.order(id).is_none_or(|order| order.state.is_final());
            let finished = floor.conditional.finish(now, is_over);
            floor.conditional_changes.extend(finished);
        });
    }

    /// True where an account holds or wants something of an instrument.
    #[must_use]
    pub fn is_active(&self, id: InstrumentId) -> bool {
        let held = |leg: PositionSide| !self.venue.position(id, leg).quantity.is_zero();
        PositionSide::ALL.into_iter().any(held) || self.venue.open_orders(id).next().is_some()
    }
}
