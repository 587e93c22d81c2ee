//! Events of the market streams in the exchange's own form.
//!
//! In: a frame, combined or bare. Out: the event, and the counts of its levels. Never: an event
//! whose last byte has not been read.

use super::form::{Form, part, times};
use super::lanes::{Columns, Faults, Pair, numbers, two_levels};
use super::levels::side;
use crate::decode::fast::Event;
use market::event::DepthHeader;
use market::{
    AggTrade, BookTicker, Instrument, Instruments, Level, Market, Side, Trade, TradeId, UpdateId,
    UtcMs,
};

/// One frame: `{"stream":"…","data":` around an event where `wrapped` allows it, or the event
/// alone.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub(in crate::decode) fn frame(
    bytes: &[u8],
    wrapped: bool,
    instruments: &Instruments<'_>,
    market: Market,
    levels: &mut [Level],
) -> Option<Event> {
    let mut form = Form::new(bytes);
    let combined = wrapped && form.optional(b"{\"stream\":\"");
    if combined {
        form.plain_string()?;
        form.literal(b",\"data\":")?;
    }
    let event = event(&mut form, instruments, market, levels)?;
    if combined {
        form.literal(b"}")?;
    }
    form.end()?;
    Some(event)
}

#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn event(
    form: &mut Form<'_>,
    instruments: &Instruments<'_>,
    market: Market,
    levels: &mut [Level],
) -> Option<Event> {
    if form.optional(b"{\"e\":\"depthUpdate\"") {
        depth(form, instruments, market, levels)
    } else if form.optional(b"{\"e\":\"trade\"") {
        trade(form, instruments, market)
    } else if form.optional(b"{\"e\":\"aggTrade\"") {
        agg_trade(form, instruments, market)
    } else {
        match market {
            Market::UsdM => {
                form.literal(b"{\"e\":\"bookTicker\",\"u\":")?;
                usdm_ticker(form, instruments)
            }
            Market::Spot => {
                form.literal(b"{\"u\":")?;
                spot_ticker(form, instruments)
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn depth(
    form: &mut Form<'_>,
    instruments: &Instruments<'_>,
    market: Market,
    levels: &mut [Level],
) -> Option<Event> {
    let usdm = market == Market::UsdM;
    let (event_time, transaction_time) = first_times(form, usdm)?;
    let instrument = symbol(form, instruments, market)?;
    form.literal(b",\"U\":")?;
    // Ids of one message nearly always have one length: told by the first, the others do not
    // wait for a search.
    let (first, length) = form.integer()?;
    form.literal(b",\"u\":")?;
    let last = form.sized_integer(length)?;
    let mut previous = 0;
    if usdm {
        form.literal(b",\"pu\":")?;
        previous = form.sized_integer(length)?;
    }
    if first > last {
        return None;
    }
    let columns = Columns::of(instrument)?;
    let mut faults = Faults::none();
    let mut bids = 0;
    form.literal(b",\"b\":[")?;
    levels_of_side(form, &columns, levels, &mut bids, &mut faults)?;
    let mut used = bids;
    form.literal(b",\"a\":[")?;
    levels_of_side(form, &columns, levels, &mut used, &mut faults)?;
    close(form, market)?;
    if !faults.absent(&columns) {
        return None;
    }
    on_grid(instrument, levels.get_mut(..used)?)?;
    Some(Event::Depth {
        header: DepthHeader {
            instrument: instrument.id,
            first_update_id: UpdateId(first),
            last_update_id: UpdateId(last),
            previous_update_id: UpdateId(previous),
            event_time,
            transaction_time,
        },
        bids,
        asks: used - bids,
    })
}

#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn usdm_ticker(form: &mut Form<'_>, instruments: &Instruments<'_>) -> Option<Event> {
    let (update_id, _) = form.integer()?;
    let instrument = symbol(form, instruments, Market::UsdM)?;
    let [bid, ask] = best(form, instrument)?;
    let last: &[u8; 36] = form.take()?;
    if part::<0, 5, 36>(last) != b",\"T\":" || part::<18, 5, 36>(last) != b",\"E\":" {
        return None;
    }
    let (transaction_time, event_time) = times(part::<2, 16, 36>(last), part::<20, 16, 36>(last))?;
    close(form, Market::UsdM)?;
    Some(Event::BookTicker(BookTicker {
        instrument: instrument.id,
        update_id: UpdateId(update_id),
        bid,
        ask,
        event_time,
        transaction_time,
    }))
}

#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn spot_ticker(form: &mut Form<'_>, instruments: &Instruments<'_>) -> Option<Event> {
    let (update_id, _) = form.integer()?;
    let instrument = symbol(form, instruments, Market::Spot)?;
    let [bid, ask] = best(form, instrument)?;
    close(form, Market::Spot)?;
    Some(Event::BookTicker(BookTicker {
        instrument: instrument.id,
        update_id: UpdateId(update_id),
        bid,
        ask,
        event_time: UtcMs(0),
        transaction_time: UtcMs(0),
    }))
}

/// Best bid and ask, none of their numbers 0.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn best(form: &mut Form<'_>, instrument: &Instrument) -> Option<[Level; 2]> {
    form.literal(b",\"b\":\"")?;
    let bid = form.pair::<7, 4>(b"\",\"B\":\"")?;
    form.literal(b",\"a\":\"")?;
    let ask = form.pair::<7, 4>(b"\",\"A\":\"")?;
    positive_levels(instrument, bid, ask)
}

#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn trade(form: &mut Form<'_>, instruments: &Instruments<'_>, market: Market) -> Option<Event> {
    let usdm = market == Market::UsdM;
    let (event_time, mut transaction_time) = first_times(form, usdm)?;
    form.literal(b",\"s\":\"")?;
    let instrument = form.symbol(instruments, market)?;
    form.literal(b",\"t\":")?;
    let (id, _) = form.integer()?;
    form.literal(b",\"p\":\"")?;
    let pair = form.pair::<7, 4>(b"\",\"q\":\"")?;
    if usdm {
        // Every other word marks a trade that no book has seen.
        form.literal(b",\"X\":\"MARKET\"")?;
    } else {
        transaction_time = last_time(form)?;
    }
    let aggressor = aggressor(form, market)?;
    close(form, market)?;
    let [level, _] = positive_levels(instrument, pair, pair)?;
    Some(Event::Trade(Trade {
        instrument: instrument.id,
        trade_id: TradeId(id),
        price: level.price,
        quantity: level.quantity,
        aggressor,
        from_book: true,
        transaction_time,
        event_time,
    }))
}

#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn agg_trade(form: &mut Form<'_>, instruments: &Instruments<'_>, market: Market) -> Option<Event> {
    let usdm = market == Market::UsdM;
    let (event_time, _) = first_times(form, false)?;
    let (instrument, id);
    if usdm {
        form.literal(b",\"a\":")?;
        (id, _) = form.integer()?;
        form.literal(b",\"s\":\"")?;
        instrument = form.symbol(instruments, market)?;
    } else {
        form.literal(b",\"s\":\"")?;
        instrument = form.symbol(instruments, market)?;
        form.literal(b",\"a\":")?;
        (id, _) = form.integer()?;
    }
    form.literal(b",\"p\":\"")?;
    let pair = form.pair::<7, 4>(b"\",\"q\":\"")?;
    // The quantity without retail price improvement: of no use here, whatever it says.
    if usdm && form.optional(b",\"nq\":\"") {
        form.plain_string()?;
    }
    form.literal(b",\"f\":")?;
    let (first, _) = form.integer()?;
    form.literal(b",\"l\":")?;
    let (last, _) = form.integer()?;
    let transaction_time = last_time(form)?;
    let aggressor = aggressor(form, market)?;
    close(form, market)?;
    let [level, _] = positive_levels(instrument, pair, pair)?;
    Some(Event::AggTrade(AggTrade {
        instrument: instrument.id,
        aggregate_id: TradeId(id),
        first_trade_id: TradeId(first),
        last_trade_id: TradeId(last),
        price: level.price,
        quantity: level.quantity,
        aggressor,
        transaction_time,
        event_time,
    }))
}

/// `E`, and the `T` behind it where there is one; else the same again.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn first_times(form: &mut Form<'_>, both: bool) -> Option<(UtcMs, UtcMs)> {
    if !both {
        let text: &[u8; 18] = form.take()?;
        let digits = part::<2, 16, 18>(text);
        return if part::<0, 5, 18>(text) == b",\"E\":" {
            times(digits, digits)
        } else {
            None
        };
    }
    let text: &[u8; 36] = form.take()?;
    if part::<0, 5, 36>(text) != b",\"E\":" || part::<18, 5, 36>(text) != b",\"T\":" {
        return None;
    }
    times(part::<2, 16, 36>(text), part::<20, 16, 36>(text))
}

/// A `T` of its own.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn last_time(form: &mut Form<'_>) -> Option<UtcMs> {
    let text: &[u8; 18] = form.take()?;
    let digits = part::<2, 16, 18>(text);
    if part::<0, 5, 18>(text) != b",\"T\":" {
        return None;
    }
    times(digits, digits).map(|(time, _)| time)
}

/// Levels from the bracket behind `[` to the end of their side.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn levels_of_side(
    form: &mut Form<'_>,
    columns: &Columns,
    levels: &mut [Level],
    used: &mut usize,
    faults: &mut Faults,
) -> Option<()> {
    let (bytes, at) = form.place();
    let end = side(bytes, at, columns, levels, used, faults)?;
    form.move_to(end)
}

/// The symbol, written twice on futures since 2026.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn symbol<'i>(
    form: &mut Form<'_>,
    instruments: &Instruments<'i>,
    market: Market,
) -> Option<&'i Instrument> {
    form.literal(b",\"s\":\"")?;
    let instrument = form.symbol(instruments, market)?;
    if market == Market::UsdM {
        form.pair_symbol(instrument)?;
    }
    Some(instrument)
}

/// Who took; spot has one more flag, which means nothing.
#[inline(always)]
fn aggressor(form: &mut Form<'_>, market: Market) -> Option<Side> {
    form.literal(b",\"m\":")?;
    let buyer_is_maker = form.boolean()?;
    if market == Market::Spot {
        form.literal(b",\"M\":")?;
        form.boolean()?;
    }
    Some(if buyer_is_maker {
        Side::Sell
    } else {
        Side::Buy
    })
}

/// The end of an event, on futures since 2026 with the mark of its market.
#[inline(always)]
fn close(form: &mut Form<'_>, market: Market) -> Option<()> {
    if market == Market::UsdM {
        form.optional(b",\"st\":1");
    }
    form.literal(b"}")
}

/// Two pairs as levels, none of their numbers 0.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn positive_levels(instrument: &Instrument, first: Pair, second: Pair) -> Option<[Level; 2]> {
    let columns = Columns::of(instrument)?;
    let mut faults = Faults::none();
    let groups = [first, second].map(|pair| pair.groups(&columns, &mut faults));
    let mut levels = two_levels(numbers(groups[0], groups[1], &mut faults));
    if !faults.absent(&columns) || levels.iter().any(|level| level.quantity.is_zero()) {
        return None;
    }
    on_grid(instrument, &mut levels)?;
    Some(levels)
}

/// Counts steps of more than one unit of their last decimal.
#[inline(always)]
fn on_grid(instrument: &Instrument, levels: &mut [Level]) -> Option<()> {
    let (tick, lot) = (instrument.tick.mantissa, instrument.lot.mantissa);
    if tick == 1 && lot == 1 {
        return Some(());
    }
    for level in levels {
        if level.price.0 % tick != 0 || level.quantity.0 % lot != 0 {
            return None;
        }
        level.price.0 /= tick;
        level.quantity.0 /= lot;
    }
    Some(())
}
