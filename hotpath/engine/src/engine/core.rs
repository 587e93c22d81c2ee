//! Thin landing of the engine's interface; the state machine follows.
//!
//! In: events. Out: requests. Never: an allocation after `new`.

use crate::config::EngineConfig;
use crate::event::Event;
use crate::hash::RollingHash;
use crate::outbox::{Observer, Outbox};
use market::page::{AccountPage, InstrumentPage};
use market::{InstrumentId, MonoNs};

/// The state machine.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    hash: RollingHash,
}

/// Why a checkpoint cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// No checkpoint, or of another version.
    Foreign,
}

impl Engine {
    /// A halted engine. The only call that allocates.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        Self {
            config,
            hash: RollingHash::default(),
        }
    }
    /// Takes one event.
    pub fn step<O: Observer>(&mut self, _event: &Event<'_>, _outbox: &mut Outbox<O>) {}
    /// When a `Time` event is wanted at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        None
    }
    /// Appends the whole state.
    pub fn save(&self, _out: &mut Vec<u8>) {}
    /// An engine with a saved state.
    ///
    /// # Errors
    /// [`CheckpointError`] says what is wrong with it.
    pub fn load(config: EngineConfig, _bytes: &[u8]) -> Result<Self, CheckpointError> {
        Ok(Self::new(config))
    }
    /// Rolling hash of all outputs.
    #[must_use]
    pub fn output_hash(&self) -> u64 {
        self.hash.value()
    }
    /// Instruments whose page changed since the last call, by bit.
    pub fn take_dirty(&mut self) -> u64 {
        u64::from(!self.config.instruments.is_empty())
    }
    /// The page of an instrument.
    #[must_use]
    pub fn instrument_page(&self, _id: InstrumentId) -> InstrumentPage {
        unreachable!("thin landing")
    }
    /// The page of the account.
    #[must_use]
    pub fn account_page(&self) -> AccountPage {
        unreachable!("thin landing")
    }
}
