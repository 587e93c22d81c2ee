//! One strategy on one instrument: its brain, its own position, its pauses.
//!
//! In: what happens to its orders. Out: whether it may try again. Never: another's position.

use super::core::ACCOUNT_DESK;
use crate::orders::NEVER;
use crate::position::Position;
use crate::risk::Recent;
use crate::strategy::{Purpose, Strategy};
use market::{
    ClientOrderId, InstrumentId, MonoNs, NonAction, Side, StrategyId, UtcMs, wire_struct,
};

/// Pause after a rejected order; doubles with each entry in a row.
const REJECT_PAUSE_NS: u64 = 100_000_000;
/// Most doublings: a pause of 6.4 s.
const REJECT_DOUBLINGS_MAX: u8 = 6;
/// Longest pause of exits: a position must not wait (I18).
const EXIT_PAUSE_MAX_NS: u64 = 200_000_000;
/// Pause after an order that never left, unless the link comes up before.
const UNSENT_PAUSE_NS: u64 = 100_000_000;
/// Pause after a denied entry. Denials are facts of the state, which seldom change faster.
const DENIED_ENTRY_PAUSE_NS: u64 = 1_000_000_000;
/// Pause after a denied exit.
const DENIED_EXIT_PAUSE_NS: u64 = 100_000_000;

/// A strategy's place on an instrument. Without a brain it is the account's own desk, which
/// closes what no strategy claims.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) strategy: StrategyId,
    pub(super) instrument: InstrumentId,
    pub(super) brain: Option<Strategy>,
    /// The strategy's own part of the account's position.
    pub(super) position: Position,
    pub(super) pauses: Pauses,
    pub(super) executions: Executions,
    pub(super) opening: TradeOpening,
}

wire_struct! {
    /// The first fill of the present trade; empty of a position that was taken over.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TradeOpening {
        /// Its order.
        pub order: ClientOrderId,
        /// When the exchange made it.
        pub time: UtcMs,
    }
}

wire_struct! {
    /// Entries that were executed of late.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Executions {
        /// Their side; those of the other one end the count.
        pub side: Option<Side>,
        /// When.
        pub recent: Recent,
    }
}

wire_struct! {
    /// When a strategy is asked again, and what it must wait for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Pauses {
        /// When it wants to be asked at the latest.
        pub wake: MonoNs,
        /// No entry before.
        pub entries_until: MonoNs,
        /// No exit before.
        pub exits_until: MonoNs,
        /// Why.
        pub reason: NonAction,
        /// Rejected entries in a row.
        pub entry_rejects: u8,
        /// Rejected exits in a row.
        pub exit_rejects: u8,
        /// When an entry order ended last with something left unfilled; 0 before the first.
        pub entry_ended_at: MonoNs,
        /// Exit orders of the present trade that ended with something left unfilled.
        pub exit_tries: u8,
        /// The present trade has lost more than one trade may.
        pub loses_too_much: bool,
    }
}

impl Assignment {
    pub(super) fn new(
        strategy: StrategyId,
        instrument: InstrumentId,
        brain: Option<Strategy>,
    ) -> Self {
        Self {
            strategy,
            instrument,
            brain,
            position: Position::default(),
            pauses: Pauses {
                wake: NEVER,
                entries_until: MonoNs(0),
                exits_until: MonoNs(0),
                reason: NonAction::Cooldown,
                entry_rejects: 0,
                exit_rejects: 0,
                entry_ended_at: MonoNs(0),
                exit_tries: 0,
                loses_too_much: false,
            },
            executions: Executions::default(),
            opening: TradeOpening::default(),
        }
    }

    pub(super) fn is_desk(&self) -> bool {
        self.strategy == ACCOUNT_DESK
    }

    /// Why an order must wait, if it must.
    pub(super) fn paused(&self, reduces: bool, now: MonoNs) -> Option<NonAction> {
        let until = if reduces {
            self.pauses.exits_until
        } else {
            self.pauses.entries_until
        };
        (now < until).then_some(self.pauses.reason)
    }

    /// The exchange refused an order; orders of the other kind do not wait for it.
    pub(super) fn rejected(&mut self, reduces: bool, now: MonoNs) {
        let rejects = if reduces {
            &mut self.pauses.exit_rejects
        } else {
            &mut self.pauses.entry_rejects
        };
        let pause_ns = REJECT_PAUSE_NS << (*rejects).min(REJECT_DOUBLINGS_MAX);
        *rejects = rejects.saturating_add(1);
        self.pause_kind(reduces, now, pause_ns, NonAction::RejectBackoff);
    }

    /// An order never left: nobody refused anything.
    pub(super) fn unsent(&mut self, reduces: bool, now: MonoNs) {
        self.pause_kind(reduces, now, UNSENT_PAUSE_NS, NonAction::StreamsNotReady);
    }

    /// Orders can be sent again: exits go at once.
    pub(super) fn link_up(&mut self) {
        self.pauses.exits_until = MonoNs(0);
        self.pauses.exit_rejects = 0;
    }

    /// Risk refused an order.
    pub(super) fn denied(&mut self, reduces: bool, now: MonoNs) {
        let pause_ns = if reduces {
            DENIED_EXIT_PAUSE_NS
        } else {
            DENIED_ENTRY_PAUSE_NS
        };
        self.pause_kind(reduces, now, pause_ns, NonAction::DeniedRecently);
    }

    /// The exchange took an order.
    pub(super) fn accepted(&mut self, reduces: bool) {
        if reduces {
            self.pauses.exit_rejects = 0;
        } else {
            self.pauses.entry_rejects = 0;
        }
    }

    /// An order ended with a part unfilled.
    pub(super) fn fell_short(&mut self, purpose: Purpose, now: MonoNs) {
        match purpose {
            Purpose::Entry => self.pauses.entry_ended_at = now,
            Purpose::TakeProfit => {}
            _ => self.pauses.exit_tries = self.pauses.exit_tries.saturating_add(1),
        }
    }

    fn pause_kind(&mut self, reduces: bool, now: MonoNs, pause_ns: u64, reason: NonAction) {
        let until = if reduces {
            let until = now.after(pause_ns.min(EXIT_PAUSE_MAX_NS));
            self.pauses.exits_until = self.pauses.exits_until.max(until);
            until
        } else {
            let until = now.after(pause_ns);
            self.pauses.entries_until = self.pauses.entries_until.max(until);
            until
        };
        self.pauses.reason = reason;
        self.pauses.wake = self.pauses.wake.min(until);
    }
}
