//! What the exchange lists: status and filters of our instruments, read again while we trade.
//!
//! In: the time, replies to `exchangeInfo`, doubts of the order connection. Out: requests, and a
//! report for each instrument whose listing is another than the one told last. Never: another grid
//! of prices or quantities taken over: every book, order and position of this life counts in the
//! ticks and lots of its start, so such an instrument is told as one that cannot be traded.
//!
//! It is asked every ten minutes (weight 1 for futures, 20 for spot), every half minute while one of
//! the instruments is not traded, and soon after an order was refused for its filters or its
//! instrument.

use super::{Backoff, Governor, HttpOutcome, HttpRequest, Now, SECOND_NS, http};
use crate::rest::{self, ExchangeInfo};
use market::{
    Instrument, InstrumentStatus, Instruments, ListingFault, ListingReport, Market, MonoNs,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Between two looks when nothing is wrong.
const INTERVAL_NS: u64 = 600 * SECOND_NS;

/// Between two looks while an instrument is not traded: so long it is waited for at most once the
/// exchange trades it again.
const WAITING_INTERVAL_NS: u64 = 30 * SECOND_NS;

/// Refusals that come in a burst are looked into once: the answer has megabytes.
const DOUBT_INTERVAL_NS: u64 = 10 * SECOND_NS;

/// The answer has megabytes.
const TIMEOUT_NS: u64 = 20 * SECOND_NS;

/// Somebody was refused for what the exchange lists; clones share it.
#[derive(Clone, Debug, Default)]
pub struct ListingDoubt(Arc<AtomicBool>);

impl ListingDoubt {
    /// An order was refused for its filters or its instrument.
    pub fn raise(&self) {
        // Relaxed: a flag by itself, looked at within a second.
        self.0.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        // Relaxed: as above. The load spares the others a cache line that is mostly false.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

/// Takes what has changed.
pub trait ListingEvents {
    /// An instrument is listed otherwise than before.
    fn listing(&mut self, report: ListingReport);
    /// The list could not be had or read; it will be asked for again.
    fn failed(&mut self, why: String);
}

/// Watches the listings of one market.
#[derive(Debug)]
pub struct Listings {
    market: Market,
    doubt: ListingDoubt,
    /// As told last, in order of the table; of other markets too, never looked at.
    told: Vec<ListingReport>,
    due: MonoNs,
    /// The last look was begun then.
    asked: Option<MonoNs>,
    in_flight: bool,
    backoff: Backoff,
}

impl Listings {
    /// Knows the table of the start, and looks again an interval after `now`.
    #[must_use]
    pub fn new(market: Market, table: &Instruments<'_>, doubt: ListingDoubt, now: MonoNs) -> Self {
        let mut listings = Self {
            market,
            doubt,
            told: table.0.iter().map(as_listed).collect(),
            due: now,
            asked: None,
            in_flight: false,
            backoff: Backoff::new(SECOND_NS, 60 * SECOND_NS, 31),
        };
        listings.due = now.after(listings.interval_ns(table));
        listings
    }

    /// The request that is due, if the budget allows it.
    pub fn poll(&mut self, now: Now, governor: &mut Governor) -> Option<HttpRequest> {
        if self.in_flight {
            return None;
        }
        if self.doubt.take() {
            let soon = self
                .asked
                .map_or(now.mono, |at| at.after(DOUBT_INTERVAL_NS));
            self.due = self.due.min(soon.max(now.mono));
        }
        if now.mono < self.due {
            return None;
        }
        let call = rest::exchange_info(self.market);
        if let Err(until) = governor.admit(call.weight, now) {
            self.due = until;
            return None;
        }
        self.in_flight = true;
        self.asked = Some(now.mono);
        Some(HttpRequest {
            call,
            deadline: now.mono.after(TIMEOUT_NS),
        })
    }

    /// When `poll` may have something to say; a doubt is looked at whenever it is polled.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        (!self.in_flight).then_some(self.due)
    }

    /// The answer to the last request.
    pub fn on_reply(
        &mut self,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        table: &Instruments<'_>,
        events: &mut impl ListingEvents,
    ) {
        if !std::mem::replace(&mut self.in_flight, false) {
            return;
        }
        let read = http::body(outcome).and_then(|body| {
            rest::parse_exchange_info(body, self.market).map_err(|error| error.to_string())
        });
        match read {
            Ok(info) => {
                self.backoff.succeed();
                self.compare(&info, table, events);
                self.due = now.after(self.interval_ns(table));
            }
            Err(why) => {
                events.failed(why);
                self.due = now.after(self.backoff.fail());
            }
        }
    }

    fn compare(
        &mut self,
        info: &ExchangeInfo,
        table: &Instruments<'_>,
        events: &mut impl ListingEvents,
    ) {
        for (one, told) in table.0.iter().zip(&mut self.told) {
            if one.market != self.market {
                continue;
            }
            let report = listing_of(one, info);
            if report != *told {
                *told = report;
                events.listing(report);
            }
        }
    }

    fn interval_ns(&self, table: &Instruments<'_>) -> u64 {
        let mut ours = table.0.iter().zip(&self.told);
        let waits = ours.any(|(one, told)| {
            one.market == self.market && told.status != InstrumentStatus::Trading
        });
        if waits {
            WAITING_INTERVAL_NS
        } else {
            INTERVAL_NS
        }
    }
}

/// What the start knew.
fn as_listed(one: &Instrument) -> ListingReport {
    ListingReport {
        instrument: one.id,
        status: one.status,
        filters: one.filters,
        fault: None,
    }
}

/// What the list says of an instrument. Filters of another grid say nothing in ours.
fn listing_of(one: &Instrument, info: &ExchangeInfo) -> ListingReport {
    let symbol = one.symbol.as_str();
    let fault = |fault| ListingReport {
        status: InstrumentStatus::NotTrading,
        fault: Some(fault),
        ..as_listed(one)
    };
    let Some(found) = info.find(symbol) else {
        let unread = info.refused.iter().any(|(name, _)| name == symbol);
        return fault(match unread {
            true => ListingFault::GridChanged,
            false => ListingFault::Gone,
        });
    };
    let found = found.instrument;
    let same_grid = (found.tick, found.lot) == (one.tick, one.lot)
        && found.price_decimals <= one.price_decimals
        && found.quantity_decimals <= one.quantity_decimals;
    if !same_grid {
        return fault(ListingFault::GridChanged);
    }
    ListingReport {
        status: found.status,
        filters: found.filters,
        ..as_listed(one)
    }
}

#[cfg(test)]
mod tests;
