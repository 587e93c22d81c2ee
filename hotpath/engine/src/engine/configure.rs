//! Another configuration while the engine runs: limits, strategies' parameters, who is switched off.
//!
//! In: what holds from here on. Out: the same decisions as of an engine that was started with it,
//! but for what was counted meanwhile; a record. Never: a change of the instruments or of who
//! trades them, an allocation, an order that rests on by limits that hold no more.

use super::core::{Engine, bits};
use super::emit::Emit;
use crate::event::{Configure, StrategyChange};
use crate::outbox::Observer;
use market::StrategyId;
use market::record::{ConfiguredRecord, Record};

impl Engine {
    /// What holds for a strategy. Its resting orders are compared with what it wants now, as after
    /// any event.
    #[inline(never)]
    pub(super) fn take_strategy(&mut self, change: &StrategyChange) {
        let index = usize::from(change.strategy.0);
        let Some(known) = self.config.strategies.get_mut(index) else {
            self.facts.absurd_inputs += 1;
            return;
        };
        let same_kind =
            std::mem::discriminant(&known.parameters) == std::mem::discriminant(&change.parameters);
        if !same_kind {
            self.facts.absurd_inputs += 1;
            return;
        }
        if known.parameters == change.parameters && self.off[index] == change.off {
            return;
        }
        known.parameters = change.parameters;
        self.off[index] = change.off;
        self.facts.strategies_changed |= 1 << index;
        for place in 0..self.assignments.len() {
            let one = &mut self.assignments[place];
            if one.strategy != change.strategy {
                continue;
            }
            if let Some(brain) = &mut one.brain {
                let taken = brain.set_parameters(&change.parameters);
                debug_assert!(taken, "it is of the same kind");
            }
            let instrument = one.instrument;
            self.touch(instrument);
        }
    }

    /// A version with its limits. What rests and may add to a position was let through by limits
    /// that hold no more: it goes, and what is still wanted is judged anew.
    #[inline(never)]
    pub(super) fn take_configuration<O: Observer>(
        &mut self,
        one: &Configure<'_>,
        emit: &mut Emit<'_, O>,
    ) {
        let Some(risk) = one.risk() else {
            self.facts.absurd_inputs += 1;
            return;
        };
        let limits_changed = risk != self.config.risk;
        if limits_changed {
            self.config.risk = risk;
            self.throttle.reconfigure(&risk, self.facts.now);
            self.breakers.judged = None;
            self.limit_event_times();
            self.cancel_what_may_add(None);
        }
        let strategies_changed = std::mem::take(&mut self.facts.strategies_changed);
        self.facts.config_version = one.version;
        self.facts.config_hash = one.config_hash;
        emit.record(Record::Configured(ConfiguredRecord {
            version: one.version,
            config_hash: one.config_hash,
            limits_changed,
            strategies_changed,
        }));
        // A start is told of its version before it knows anything: then there is nothing to decide.
        if limits_changed || strategies_changed != 0 {
            self.touch_all();
        }
    }

    /// True where the strategy is to open nothing on the instrument at `index`.
    pub(super) fn is_switched_off(&self, strategy: StrategyId, index: usize) -> bool {
        let off = self.off.get(usize::from(strategy.0));
        off.is_some_and(|off| off & (1 << index) != 0)
    }

    /// Instruments on which a strategy is switched off, lowest first.
    pub fn switched_off(&self, strategy: StrategyId) -> impl Iterator<Item = usize> {
        let off = self.off.get(usize::from(strategy.0));
        bits(off.copied().unwrap_or(0))
    }
}
