//! The strategies behind one type.
//!
//! In: parameters, then contexts. Out: desired orders and a decision. Never: dynamic dispatch.

use super::dummy::Dummy;
use super::imbalance::Imbalance;
use super::{Context, Decision, DesiredOrders};
use crate::config::StrategyParameters;
use market::{CodecError, Reader, Wire, Writer};

/// One strategy on one instrument.
#[derive(Clone, Debug)]
pub enum Strategy {
    /// Follows the order book imbalance.
    Imbalance(Imbalance),
    /// Exercises the order path.
    Dummy(Dummy),
}

impl Strategy {
    /// A strategy that has seen nothing yet.
    #[must_use]
    pub fn new(parameters: &StrategyParameters) -> Self {
        match parameters {
            StrategyParameters::Imbalance(parameters) => {
                Self::Imbalance(Imbalance::new(*parameters))
            }
            StrategyParameters::Dummy(parameters) => Self::Dummy(Dummy::new(*parameters)),
        }
    }

    /// Other parameters from here on; what it remembers stays. False, and nothing changes, where
    /// they are those of another kind.
    pub fn set_parameters(&mut self, parameters: &StrategyParameters) -> bool {
        match (self, parameters) {
            (Self::Imbalance(strategy), StrategyParameters::Imbalance(parameters)) => {
                strategy.set_parameters(*parameters);
            }
            (Self::Dummy(strategy), StrategyParameters::Dummy(parameters)) => {
                strategy.set_parameters(*parameters);
            }
            (Self::Imbalance(_) | Self::Dummy(_), _) => return false,
        }
        true
    }

    /// Looks at the world and writes down what it wants.
    pub fn on_event(&mut self, context: &Context<'_>, desired: &mut DesiredOrders) -> Decision {
        match self {
            Self::Imbalance(strategy) => strategy.on_event(context, desired),
            Self::Dummy(strategy) => strategy.on_event(context, desired),
        }
    }

    /// Appends what changes; parameters stay in the configuration.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when the buffer is full.
    pub fn save(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        match self {
            Self::Imbalance(strategy) => strategy.state.encode(writer),
            Self::Dummy(strategy) => strategy.state.encode(writer),
        }
    }

    /// Takes back what was saved.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are no such state.
    pub fn load(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        match self {
            Self::Imbalance(strategy) => strategy.state = Wire::decode(reader)?,
            Self::Dummy(strategy) => strategy.state = Wire::decode(reader)?,
        }
        Ok(())
    }
}
