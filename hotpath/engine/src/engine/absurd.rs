//! Inputs whose numbers cannot be are refused before anything is made of them (F9).
//!
//! In: inputs. Out: which are refused; a doubt where the account's truth was in them. Never: a
//! book's levels; the book looks at each itself.

use super::core::Engine;
use crate::bounds;
use crate::event::Input;
use market::{InstrumentId, Market};

impl Engine {
    /// Counts and refuses an absurd input. One about the account leaves our view of it in doubt.
    pub(super) fn refuses(&mut self, input: &Input<'_>) -> bool {
        let (sane, doubted) = match input {
            Input::MarkPrice(mark) => (bounds::is_price(mark.mark), None),
            Input::Trade(one) => (
                bounds::is_price(one.price) && bounds::is_quantity(one.quantity),
                None,
            ),
            Input::AggTrade(one) => (
                bounds::is_price(one.price) && bounds::is_quantity(one.quantity),
                None,
            ),
            // Its request runs into its time-out, and a query asks again.
            Input::OrderReply(reply) => (reply.terms.is_none_or(bounds::are_terms), None),
            Input::OrderUpdate(update) => (bounds::is_update(update), Some(update.instrument)),
            Input::OpenOrder(report) => (bounds::is_open_order(report), Some(report.instrument)),
            Input::Position(report) => {
                let instrument = self
                    .config
                    .instruments
                    .get(usize::from(report.instrument.0));
                let sane = instrument.is_none_or(|one| bounds::is_position(report, one));
                (sane, Some(report.instrument))
            }
            Input::ListedTrade(report) => (bounds::is_listed(report), Some(report.instrument)),
            Input::Balance(report) => (bounds::is_wallet(report), None),
            Input::Margin(report) => (bounds::is_margin(report), None),
            _ => (true, None),
        };
        if sane {
            return false;
        }
        self.facts.absurd_inputs += 1;
        if let Some(market) = doubted.and_then(|id| self.market_at(id)) {
            self.distrust(market);
        }
        true
    }

    fn market_at(&self, id: InstrumentId) -> Option<Market> {
        let instrument = self.config.instruments.get(usize::from(id.0));
        instrument.map(|one| one.market)
    }

    /// What was refused may have been a position or a fill. A list with an absurd line is no
    /// list: that run is void, and the next one is asked for at its usual time.
    fn distrust(&mut self, market: Market) {
        if self.run.begun && self.run.market == Some(market) {
            self.run = Default::default();
            self.links[market as usize].reconciled = false;
        } else {
            self.doubt(market);
        }
    }
}
