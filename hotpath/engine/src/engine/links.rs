//! The streams, and when to ask the exchange how things stand.
//!
//! In: streams going up and down. Out: reconcile requests, one at a time; the way of cancels and
//! queries. Never: an entry while a stream is down or its reconciliation is not done.

use super::core::Engine;
use super::decide::ROOM_KEPT;
use super::emit::Emit;
use super::exposure::ToldMargin;
use crate::event::{StreamChange, StreamKind};
use crate::orders::NEVER;
use crate::outbox::{Observer, Request};
use market::record::FirstStartFate;
use market::{
    BookReason, CancelOrder, DenialCode, InstrumentId, Market, Money, MonoNs, UtcMs, VenueReport,
    wire_struct,
};

/// A reconciliation that does not come back is asked for again.
const RECONCILE_RETRY_NS: u64 = 10_000_000_000;
/// One whose answer has begun has so long: its parts are repeated, each in its time.
const RECONCILE_UNDER_WAY_NS: u64 = 60_000_000_000;
/// Without the private stream fills are told by nobody: the exchange is asked this often. No more
/// often while one of the two connections is away: cancels and queries need the weight then.
const RECONCILE_BLIND_NS: u64 = 5_000_000_000;
/// The exchange is asked this often, without anything of ours too: somebody else may have traded.
pub(super) const RECONCILE_INTERVAL_NS: u64 = 60_000_000_000;
/// Pause before the next look when answers and fills have crossed each other.
pub(super) const RECONCILE_AGAIN_NS: u64 = 300_000_000;
/// A reconnect takes less than a second. An order connection that is away for longer may stay away,
/// and nothing that rests can be amended or replaced meanwhile.
const ORDERS_AWAY_NS: u64 = 3_000_000_000;
/// The pause doubles so often while an order's fate stays open: an order connection that is up and
/// mute answers no query, and looks that cannot conclude would use up the weight.
const MOST_DOUBLINGS: u8 = 3;

wire_struct! {
    /// One part of the venue.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Link {
        /// An instrument of this market is configured.
        pub used: bool,
        /// Market data is live.
        pub market_up: bool,
        /// The private stream is live.
        pub user_up: bool,
        /// Orders can be sent.
        pub orders_up: bool,
        /// When the order connection has been away for too long; [`NEVER`] while it is up, and
        /// once it is.
        pub away_due: MonoNs,
        /// We agree with the exchange since the private stream came up.
        pub reconciled: bool,
        /// We agreed at least once.
        pub ever_reconciled: bool,
        /// When we did first.
        pub agreed_at: Option<MonoNs>,
        /// When to ask; [`NEVER`] while it makes no sense.
        pub ask_at: MonoNs,
        /// Looks in a row that ended while an order's fate or fills were open.
        pub looks_in_vain: u8,
        /// Profit here since start: realised, less fees, plus funding.
        pub earned: Money,
        /// Wallet less what was earned, as of the last wallet that was taken.
        pub wallet_base: Money,
        /// When that one was asked for.
        pub wallet_at: UtcMs,
        /// When money came or went that no wallet has shown yet.
        pub wallet_moved: Option<MonoNs>,
        /// The wallet was told at least once.
        pub wallet_known: bool,
        /// Margin as last told.
        pub margin: Option<ToldMargin>,
        /// Whether the exchange takes requests, as last told.
        pub venue: VenueReport,
        /// What a first start found and did; `None` before, and where it is none.
        pub first_start: Option<FirstStartFate>,
        /// Open orders of others, as last listed.
        pub external_orders: u32,
    }
}

wire_struct! {
    /// The reconciliation under way.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ReconcileRun {
        /// Which market was asked for; `None` while none is.
        pub market: Option<Market>,
        /// When it was asked for.
        pub requested_at: MonoNs,
        /// Its answer has begun.
        pub begun: bool,
        /// Orders of ours that go on.
        pub adopted: u32,
        /// Orders of ours that are cancelled.
        pub cancelled: u32,
        /// Orders of others.
        pub foreign: u32,
        /// Orders of ours, where nothing may be touched.
        pub own: u32,
        /// Conditional orders.
        pub algo_orders: u32,
        /// Orders of both kinds beside the table.
        pub orders_elsewhere: u32,
        /// Cancels of others' orders are due again.
        pub cancel_again: bool,
        /// Positions beside the table.
        pub positions_elsewhere: u32,
        /// Wallet, once told.
        pub wallet: Option<Money>,
    }
}

impl Link {
    pub(super) fn new(market: Market, used: bool) -> Self {
        Self {
            used,
            market_up: false,
            user_up: false,
            orders_up: false,
            away_due: NEVER,
            reconciled: false,
            ever_reconciled: false,
            agreed_at: None,
            ask_at: NEVER,
            looks_in_vain: 0,
            earned: Money::ZERO,
            wallet_base: Money::ZERO,
            wallet_at: UtcMs(0),
            wallet_moved: None,
            wallet_known: false,
            margin: None,
            venue: VenueReport {
                market,
                silent_until: MonoNs(0),
                banned_until: MonoNs(0),
                maintenance: false,
            },
            first_start: None,
            external_orders: 0,
        }
    }

    /// Whether the account can be looked at. The first look waits for the private stream.
    pub(super) const fn may_look(&self) -> bool {
        self.used && (self.user_up || self.ever_reconciled)
    }

    /// The pause before the next look: `pause_ns` where the private stream tells what happens, and
    /// the order connection takes queries.
    pub(super) const fn pause(&self, pause_ns: u64) -> u64 {
        if self.user_up && self.orders_up {
            pause_ns
        } else {
            RECONCILE_BLIND_NS
        }
    }

    /// The pause after a look that an open fate has kept from a conclusion.
    pub(super) fn pause_in_vain(&mut self) -> u64 {
        let pause = RECONCILE_AGAIN_NS << self.looks_in_vain.min(MOST_DOUBLINGS);
        self.looks_in_vain = self.looks_in_vain.saturating_add(1);
        pause
    }

    /// True once the order connection has been away for too long, until it is back.
    pub(super) const fn is_cut_off(&self) -> bool {
        !self.orders_up && self.away_due.0 == NEVER.0 && self.ever_reconciled
    }

    /// Whether an entry that rests may stay: not for an order connection that reconnects.
    pub(super) fn may_keep(&self) -> Result<(), DenialCode> {
        let reconnects = self.away_due != NEVER;
        Self {
            orders_up: self.orders_up || reconnects,
            ..*self
        }
        .ready()
    }

    /// Whether entries can be made here, or the code that says why not.
    pub(super) fn ready(&self) -> Result<(), DenialCode> {
        if !(self.market_up && self.user_up && self.orders_up) {
            Err(DenialCode::StreamDown)
        } else if !self.reconciled {
            Err(DenialCode::StreamReconciling)
        } else {
            Ok(())
        }
    }
}

impl Engine {
    pub(super) fn take_stream<O: Observer>(
        &mut self,
        change: &StreamChange,
        emit: &mut Emit<'_, O>,
    ) {
        let now = self.facts.now;
        let link = &mut self.links[change.market as usize];
        match change.stream {
            StreamKind::Market => link.market_up = change.up,
            StreamKind::Orders => {
                link.away_due = match (change.up, link.orders_up) {
                    (true, _) => NEVER,
                    (false, true) => now.after(ORDERS_AWAY_NS),
                    (false, false) => link.away_due,
                };
                link.orders_up = change.up;
                link.looks_in_vain = 0;
                let due = link.away_due;
                if change.up {
                    // What waited for it is answered now.
                    if link.ever_reconciled && !link.reconciled {
                        link.ask_at = link.ask_at.min(now);
                    }
                    self.free_exits(change.market);
                }
                self.schedule(due);
            }
            StreamKind::User => {
                link.user_up = change.up;
                // Events may have been missed in between; only the exchange knows. While the stream
                // is away it is asked, too: what fills meanwhile needs its exits.
                link.reconciled = false;
                link.looks_in_vain = 0;
                link.ask_at = match change.up || !link.ever_reconciled {
                    true => NEVER,
                    false => now.after(RECONCILE_BLIND_NS),
                };
                if self.run.market == Some(change.market) {
                    self.run = Default::default();
                }
                self.want_trades_at_stake(change.market);
            }
        }
        let link = &mut self.links[change.market as usize];
        let may_look = link.orders_up || link.ever_reconciled;
        if link.user_up && may_look && !link.reconciled && link.ask_at == NEVER {
            link.ask_at = now;
        }
        if link.ask_at != NEVER {
            let due = link.ask_at;
            self.schedule(due);
        }
        if change.stream == StreamKind::Market && !change.up {
            for index in 0..self.instruments.len() {
                if self.config.instruments[index].market == change.market {
                    let book = &mut self.instruments[index].book;
                    let gone = book.invalidate(BookReason::Disconnected);
                    self.book_changed(index, gone, emit);
                }
            }
        }
        self.ask_reconcile(emit);
        self.touch_all();
    }

    /// What could not be sent is tried again at once.
    fn free_exits(&mut self, market: Market) {
        for one in &mut self.assignments {
            if self.config.instruments[usize::from(one.instrument.0)].market == market {
                one.link_up();
            }
        }
    }

    /// How a cancel goes out: over the order connection, or over REST while that is away.
    pub(super) fn cancel_request(&self, cancel: CancelOrder) -> Request {
        match self.link_of(cancel.instrument).orders_up {
            true => Request::Cancel(cancel),
            false => Request::CancelOverRest(cancel),
        }
    }

    /// How a query goes out, as a cancel does.
    pub(super) fn query_request(&self, order: CancelOrder) -> Request {
        match self.link_of(order.instrument).orders_up {
            true => Request::Query(order),
            false => Request::QueryOverRest(order),
        }
    }

    pub(super) fn link_of(&self, id: InstrumentId) -> &Link {
        let market = self.config.instruments[usize::from(id.0)].market;
        &self.links[market as usize]
    }

    /// Where the order connection stays away, whatever rests and may add is cancelled: nobody could
    /// move it out of the way, and our countdown would keep it alive.
    pub(super) fn pass_orders_away(&mut self) {
        for market in [Market::UsdM, Market::Spot] {
            let link = &mut self.links[market as usize];
            if link.away_due <= self.facts.now {
                link.away_due = NEVER;
                self.cancel_what_may_add(Some(market));
            }
        }
    }

    /// The view of `market` is in doubt: no entries until the exchange has been asked.
    pub(super) fn doubt(&mut self, market: Market) {
        let now = self.facts.now;
        let link = &mut self.links[market as usize];
        link.reconciled = false;
        // A reconnect asks by itself, and so does the run that is under way.
        if link.user_up && self.run.market != Some(market) {
            link.ask_at = link.ask_at.min(now);
            self.schedule(now);
        }
    }

    /// Inputs were lost on their way, whatever they told: only the exchange knows it now. Order
    /// replies are missed in their time by themselves; which streams are up is told anew.
    pub(super) fn inputs_lost<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        // A look of which a part is missing is none.
        self.run = ReconcileRun::default();
        for market in [Market::UsdM, Market::Spot] {
            if self.links[market as usize].used {
                self.doubt(market);
                self.want_trades_at_stake(market);
            }
        }
        for index in 0..self.config.instruments.len() {
            if emit.has_room(ROOM_KEPT) {
                let id = InstrumentId(index as u16);
                emit.request(Request::VerifySetup(id));
            }
        }
        self.ask_reconcile(emit);
        self.touch_all();
    }

    /// Asks for what is due, one market at a time.
    pub(super) fn ask_reconcile<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        let now = self.facts.now;
        for market in [Market::UsdM, Market::Spot] {
            let link = &self.links[market as usize];
            if !link.may_look() || link.ask_at > now {
                continue;
            }
            let other_runs = self.run.market.is_some_and(|running| running != market);
            let under_way =
                self.run.begun && now.since(self.run.requested_at) < RECONCILE_UNDER_WAY_NS;
            if other_runs || under_way || !emit.has_room(1) {
                let later = now.after(RECONCILE_AGAIN_NS);
                self.links[market as usize].ask_at = later;
                self.schedule(later);
                continue;
            }
            self.ask_trades(market, emit);
            let first = self
                .config
                .instruments
                .iter()
                .find(|one| one.market == market);
            let id = first.expect("a used market has an instrument").id;
            emit.request(Request::Reconcile(id));
            self.run = ReconcileRun {
                market: Some(market),
                requested_at: now,
                ..ReconcileRun::default()
            };
            let again = now.after(RECONCILE_RETRY_NS);
            self.links[market as usize].ask_at = again;
            self.schedule(again);
        }
    }
}
