//! The trading state, as the worst of everything that speaks against trading.
//!
//! In: verbs, breakers, levels, reconciliation. Out: ACTIVE, REDUCING, HALTED or KILLED with the
//! reason. Never: a hidden way back; each flag is cleared by what set it, or by a person.

use crate::event::{Command, JOURNAL_FULL_PERMILLE, JOURNAL_HIGH_PERMILLE};
use market::{Breaker, StateReason, TradingState, wire_struct};

wire_struct! {
    /// Everything that speaks for or against trading.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Trading {
        /// Every market agreed with the exchange once (I23).
        pub reconciled: bool,
        /// Configured or told to trade.
        pub armed: bool,
        /// Told to stop.
        pub stopped: bool,
        /// Told to pause or to flatten.
        pub paused: bool,
        /// Positions are being closed.
        pub flattening: bool,
        /// Latched.
        pub killed: bool,
        /// Latched breakers, a set of [`Breaker::bit`].
        pub tripped: u32,
        /// Control is gone beyond its grace.
        pub control_lost: bool,
        /// The journal is over its threshold.
        pub journal_high: bool,
        /// The journal has no room.
        pub journal_full: bool,
        /// An unexplained difference with the exchange is open.
        pub mismatch: bool,
        /// A position is held that no strategy claims, so that nothing watches it.
        pub unclaimed: bool,
        /// A first start found an account that is in use, and the policy is to refuse it.
        pub refused: bool,
        /// Another process trades the account with our ids (I30).
        pub doubled: bool,
        /// As last told.
        pub state: TradingState,
        /// As last told.
        pub reason: StateReason,
    }
}

impl Trading {
    /// HALTED until reconciled.
    #[must_use]
    pub const fn new(armed: bool) -> Self {
        Self {
            reconciled: false,
            armed,
            stopped: false,
            paused: false,
            flattening: false,
            killed: false,
            tripped: 0,
            control_lost: false,
            journal_high: false,
            journal_full: false,
            mismatch: false,
            unclaimed: false,
            refused: false,
            doubled: false,
            state: TradingState::Halted,
            reason: StateReason::Startup,
        }
    }

    /// Does what a verb says. True when all own orders are to be cancelled.
    pub fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Start => {
                // Neither breakers nor the kill latch are this verb's to clear.
                self.armed = true;
                self.stopped = false;
                self.paused = false;
                self.flattening &= self.killed;
            }
            // A person has looked at what tripped; nothing else clears it.
            Command::Rearm => {
                self.tripped = 0;
                self.doubled = false;
            }
            Command::Pause => self.paused = true,
            Command::Resume => {
                self.paused = false;
                self.flattening &= self.killed;
            }
            Command::Flatten => {
                self.paused = true;
                self.flattening = true;
            }
            Command::Stop | Command::Halt | Command::HaltKeepOrders => self.stopped = true,
            // After an ordinary kill positions are being closed, and that goes on.
            Command::KillKeepPositions => {
                self.flattening &= self.killed;
                self.killed = true;
            }
            Command::Reset => {
                self.killed = false;
                self.flattening = false;
                self.armed = false;
            }
            Command::Kill => {
                self.killed = true;
                self.flattening = true;
            }
            Command::CancelAll => {}
            Command::ControlLost => self.control_lost = true,
            Command::ControlBack => self.control_lost = false,
        }
        matches!(
            command,
            Command::Flatten
                | Command::Stop
                | Command::Halt
                | Command::Kill
                | Command::KillKeepPositions
                | Command::CancelAll
        )
    }

    /// Takes the fill level of the journal.
    pub fn journal_level(&mut self, permille: u16) {
        self.journal_high = permille >= JOURNAL_HIGH_PERMILLE;
        self.journal_full = permille >= JOURNAL_FULL_PERMILLE;
    }

    /// The state before and after with the reason, when either changed since the last call.
    #[inline]
    pub fn change(&mut self) -> Option<(TradingState, TradingState, StateReason)> {
        // Asked on every event, and nearly always trading goes on.
        let stays = self.state == TradingState::Active && self.is_free();
        if stays { None } else { self.compare() }
    }

    /// True when nothing speaks against trading. Without branches: one test of all flags.
    #[inline]
    fn is_free(&self) -> bool {
        let against = self.stopped
            | self.paused
            | self.killed
            | (self.tripped != 0)
            | self.control_lost
            | self.journal_high
            | self.journal_full
            | self.mismatch
            | self.unclaimed
            | self.doubled;
        self.reconciled & self.armed & !against
    }

    #[inline(never)]
    fn compare(&mut self) -> Option<(TradingState, TradingState, StateReason)> {
        let (state, reason) = self.worst();
        if (state, reason) == (self.state, self.reason) {
            return None;
        }
        let from = self.state;
        (self.state, self.reason) = (state, reason);
        Some((from, state, reason))
    }

    fn worst(&self) -> (TradingState, StateReason) {
        let mut tripped = Breaker::ALL
            .iter()
            .filter(|one| self.tripped & one.bit() != 0);
        let breaker = tripped.find_map(|one| one.state_reason());
        let flags = [
            (self.killed, TradingState::Killed, StateReason::Operator),
            (
                self.doubled,
                TradingState::Halted,
                StateReason::SecondInstance,
            ),
            (self.refused, TradingState::Halted, StateReason::FirstStart),
            (!self.reconciled, TradingState::Halted, StateReason::Startup),
            (self.stopped, TradingState::Halted, StateReason::Stopping),
            (
                self.journal_full,
                TradingState::Halted,
                StateReason::JournalFull,
            ),
            (!self.armed, TradingState::Halted, StateReason::NotArmed),
            (
                breaker.is_some(),
                TradingState::Reducing,
                breaker.unwrap_or(StateReason::Operator),
            ),
            (
                self.mismatch || self.unclaimed,
                TradingState::Reducing,
                StateReason::PositionMismatch,
            ),
            (
                self.journal_high,
                TradingState::Reducing,
                StateReason::JournalFull,
            ),
            (
                self.control_lost,
                TradingState::Reducing,
                StateReason::ControlLost,
            ),
            (self.paused, TradingState::Reducing, StateReason::Operator),
        ];
        let worst = flags.iter().find(|(set, _, _)| *set);
        if let Some((_, state, reason)) = worst {
            return (*state, *reason);
        }
        // Free again: the reason is whatever held it before.
        let reason = match self.reason {
            StateReason::Startup | StateReason::FirstStart => StateReason::Reconciled,
            StateReason::NotArmed | StateReason::Stopping => StateReason::Operator,
            other => other,
        };
        (TradingState::Active, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Trading {
        let mut trading = Trading::new(true);
        trading.reconciled = true;
        trading.change();
        trading
    }

    #[test]
    fn a_start_is_halted_until_reconciled_and_armed() {
        let mut trading = Trading::new(false);
        assert_eq!(trading.change(), None);
        trading.reconciled = true;
        let (_, state, reason) = trading.change().unwrap();
        assert_eq!(
            (state, reason),
            (TradingState::Halted, StateReason::NotArmed)
        );
        trading.obey(Command::Start);
        let (_, state, reason) = trading.change().unwrap();
        assert_eq!(
            (state, reason),
            (TradingState::Active, StateReason::Operator)
        );
    }

    #[test]
    fn two_reasons_at_once_stop_trading_as_one_does() {
        let against: [fn(&mut Trading); 10] = [
            |trading| trading.stopped = true,
            |trading| trading.paused = true,
            |trading| trading.killed = true,
            |trading| trading.tripped = 1,
            |trading| trading.control_lost = true,
            |trading| trading.journal_high = true,
            |trading| trading.journal_full = true,
            |trading| trading.mismatch = true,
            |trading| trading.unclaimed = true,
            |trading| trading.doubled = true,
        ];
        for first in against {
            for second in against {
                let mut trading = ready();
                first(&mut trading);
                second(&mut trading);
                trading.change();
                assert_ne!(trading.state, TradingState::Active);
            }
        }
    }

    #[test]
    fn verbs_lead_to_their_states() {
        use TradingState::{Active, Halted, Killed, Reducing};
        // (verbs in order, state after, orders are cancelled by the last)
        let cases: &[(&[Command], TradingState, bool)] = &[
            (&[Command::Pause], Reducing, false),
            (&[Command::Pause, Command::Resume], Active, false),
            (&[Command::Flatten], Reducing, true),
            (&[Command::Stop], Halted, true),
            (&[Command::Stop, Command::Resume], Halted, false),
            (&[Command::Stop, Command::Start], Active, false),
            (&[Command::Kill], Killed, true),
            (&[Command::Kill, Command::Start], Killed, false),
            (&[Command::Kill, Command::Resume], Killed, false),
            (&[Command::CancelAll], Active, true),
            (&[Command::Halt], Halted, true),
            (&[Command::HaltKeepOrders], Halted, false),
            (&[Command::KillKeepPositions], Killed, true),
            (
                &[Command::KillKeepPositions, Command::Resume],
                Killed,
                false,
            ),
            (&[Command::Kill, Command::Reset], Halted, false),
            (
                &[Command::Kill, Command::Reset, Command::Resume],
                Halted,
                false,
            ),
            (
                &[Command::Kill, Command::Reset, Command::Start],
                Active,
                false,
            ),
            (&[Command::ControlLost], Reducing, false),
            (&[Command::ControlLost, Command::ControlBack], Active, false),
        ];
        for (verbs, state, sweep) in cases {
            let mut trading = ready();
            let mut swept = false;
            for verb in *verbs {
                swept = trading.obey(*verb);
            }
            trading.change();
            assert_eq!((trading.state, swept), (*state, *sweep), "{verbs:?}");
        }
    }

    #[test]
    fn breakers_stay_latched_over_every_verb_but_rearm() {
        for breaker in Breaker::ALL {
            let Some(reason) = breaker.state_reason() else {
                continue;
            };
            let mut trading = ready();
            trading.tripped |= breaker.bit();
            for verb in [
                Command::Pause,
                Command::Resume,
                Command::Stop,
                Command::Start,
            ] {
                trading.obey(verb);
            }
            trading.change();
            assert_eq!(
                (trading.state, trading.reason),
                (TradingState::Reducing, reason)
            );
            trading.obey(Command::Rearm);
            trading.change();
            assert_eq!(trading.state, TradingState::Active, "{breaker}");
        }
    }

    #[test]
    fn a_kill_closes_positions_unless_it_was_told_to_keep_them_from_the_first() {
        use Command::{Flatten, Kill, KillKeepPositions, Reset, Resume, Start};
        let cases: &[(&[Command], bool)] = &[
            (&[Kill], true),
            (&[KillKeepPositions], false),
            (&[Flatten, KillKeepPositions], false),
            (&[Kill, KillKeepPositions], true),
            (&[KillKeepPositions, Kill], true),
            (&[KillKeepPositions, Start, Resume], false),
            (&[Kill, Start, Resume], true),
            (&[Kill, Reset], false),
        ];
        for (verbs, flattening) in cases {
            let mut trading = ready();
            for verb in *verbs {
                trading.obey(*verb);
            }
            assert_eq!(trading.flattening, *flattening, "{verbs:?}");
        }
    }

    #[test]
    fn rearm_clears_no_kill() {
        let mut trading = ready();
        trading.obey(Command::Kill);
        trading.obey(Command::Rearm);
        trading.change();
        assert_eq!(trading.state, TradingState::Killed);
    }

    #[test]
    fn a_filling_journal_reduces_then_halts_then_frees() {
        let mut trading = ready();
        let mut states = Vec::new();
        // The teller says exactly 750 when the journal fills slowly.
        for permille in [749, 750, 999, 1_000, 750, 100] {
            trading.journal_level(permille);
            trading.change();
            states.push(trading.state);
        }
        use TradingState::{Active, Halted, Reducing};
        assert_eq!(
            states,
            [Active, Reducing, Reducing, Halted, Reducing, Active]
        );
    }
}
