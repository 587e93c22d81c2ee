//! How the exchange lists the instruments while we trade: status and filters.
//!
//! In: reports that something is listed otherwise than before. Out: the instrument as it is to be
//! judged, cancels where its grid is another one. Never: other ticks or lots under the books, orders
//! and positions of this life.

use super::core::Engine;
use super::emit::Emit;
use crate::outbox::Observer;
use market::record::Record;
use market::{Instrument, ListingReport};

impl Engine {
    pub(super) fn take_listing<O: Observer>(
        &mut self,
        report: &ListingReport,
        emit: &mut Emit<'_, O>,
    ) {
        let id = report.instrument;
        let Some(index) = self.index_of(id) else {
            return;
        };
        self.instruments[index].facts.listing = Some(*report);
        emit.record(Record::Listing(*report));
        if report.fault.is_some() {
            // Whatever rests there was meant for another grid, or for a market that is gone.
            self.want_cancels(|one| one.new.instrument == id);
        }
        self.touch(id);
    }

    /// The instrument as the exchange lists it now.
    #[inline]
    pub(super) fn listed(&self, index: usize) -> Instrument {
        let instrument = self.config.instruments[index];
        match &self.instruments[index].facts.listing {
            None => instrument,
            Some(now) => Instrument {
                status: now.status,
                filters: now.filters,
                ..instrument
            },
        }
    }
}
