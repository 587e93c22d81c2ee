//! A kill for practice: everything is as in earnest, and its end is written down.
//!
//! In: a drill, its signed reset. Out: a kill, and a record of how long it took. Never: a drill
//! where real orders are, or one that takes another kill back.

use super::verbs::Operator;
use crate::clock;
use crate::kill::keeper::account_page;
use engine::Input;
use market::record::{KillAct, KillStep};
use market::{Symbol, TradingState};
use operator::{ErrorCode, KillLine, Refusal, Reply};
use settings::Mode;
use std::time::Duration;

/// The engine latches once more when it hears of the kill: what comes after that is another's.
const ENGINE_PATIENCE_NS: u64 = 1_000_000_000;

const LOOK: Duration = Duration::from_millis(2);

impl Operator {
    /// Kills, unless that could not be ended again or would end more than a drill.
    pub(super) async fn begin_drill(&self) -> Result<Reply, Refusal> {
        let refused = |code, message: &str| Err(Refusal::new(code, message));
        if self.settings.mode != Mode::Paper {
            let message = "a drill kills in earnest: it is for paper trading only";
            return refused(ErrorCode::PaperOnly, message);
        }
        self.refuse_while_killed()?;
        if self.settings.emergency.operator_public_key.is_none() {
            let message = "emergency.operator_public_key names no key: nothing could end the drill; \
                           `fulcrum operator-key` makes one";
            return refused(ErrorCode::NoOperatorKey, message);
        }
        let state = account_page(&self.segment).map(|page| page.trading_state);
        if state != Some(TradingState::Active) {
            let message = "a drill begins ACTIVE; see `fulcrum status`";
            return refused(ErrorCode::NotActive, message);
        }
        let begun = clock::monotonic();
        let reply = self.kill(false, Some("drill".to_string())).await;
        let is_killed = || {
            account_page(&self.segment)
                .is_some_and(|page| page.trading_state == TradingState::Killed)
        };
        while !is_killed() && clock::monotonic().since(begun) < ENGINE_PATIENCE_NS {
            tokio::time::sleep(LOOK).await;
        }
        self.drill.set(self.segment.kill_word());
        Ok(reply)
    }

    /// True while the latch is a drill's.
    pub(super) fn is_drill(&self) -> bool {
        let word = self.drill.get();
        word != 0 && word == self.segment.kill_word()
    }

    /// # Errors
    /// When another kill came: it holds.
    pub(super) fn check_drill(&self, word: u64) -> Result<(), Refusal> {
        if self.drill.get() == word {
            return Ok(());
        }
        let message = "this kill is no drill, or another one came meanwhile; it holds";
        Err(Refusal::new(ErrorCode::ResetFailed, message))
    }

    /// The latch is gone: what the drill came to is journalled.
    pub(super) fn end_drill(&self, kill: &KillLine) {
        self.drill.set(0);
        let took_ms = kill.sweeps.iter().filter_map(|one| one.verified_after_ms);
        let took_ms = took_ms.max().unwrap_or(0);
        tracing::warn!(took_ms, "KILL: the drill is over");
        self.tell(Input::KillStep(KillStep {
            act: KillAct::Drilled,
            market: self
                .desks
                .first()
                .map_or(market::Market::UsdM, |desk| desk.market),
            symbol: Symbol::EMPTY,
            count: u32::try_from(took_ms).unwrap_or(u32::MAX),
            error_code: 0,
        }));
    }
}
