//! The bodies of the fuzz targets, as plain functions.
//!
//! In: any bytes. Out: nothing, or a panic where something is wrong: a crash, or a promise of a
//! decoder that does not hold. Never: I/O.
//!
//! The fuzz workspace calls these, and so do the property tests on stable.

use crate::decode::{
    StreamMessage, decode_exact_form, decode_snapshot, decode_stream_message,
    decode_stream_message_strictly, instrument_hint,
};
use crate::encode::{self, Layout};
use crate::orders::decode_reply;
use crate::rest;
use crate::user_data::decode_user_message;
use market::{
    ClientOrderId, Filters, Instrument, InstrumentId, InstrumentStatus, Instruments, Level, Market,
    ReplyOutcome, RequestKind, Side, Step, Symbol,
};

/// A frame of a market stream: what decodes can be encoded, and decodes to the same again; what
/// the fast way takes, the strict way reads as the same.
pub fn market_stream(bytes: &[u8]) {
    let table = table();
    let instruments = Instruments(&table);
    for market in [Market::UsdM, Market::Spot] {
        fast_is_strict(bytes, &instruments, market);
        let mut levels = [Level::default(); 512];
        let Ok(message) = decode_stream_message(bytes, &instruments, market, &mut levels) else {
            let _ = instrument_hint(bytes, &instruments, market);
            continue;
        };
        let mut text = Vec::new();
        match &message {
            StreamMessage::Depth(depth) => {
                let instrument = &table[usize::from(depth.header.instrument.0)];
                encode::depth_update(&mut text, instrument, depth, Layout::Current);
            }
            StreamMessage::BookTicker(ticker) => {
                let instrument = &table[usize::from(ticker.instrument.0)];
                encode::book_ticker(&mut text, instrument, ticker, Layout::Current);
            }
            StreamMessage::AggTrade(trade) => {
                let instrument = &table[usize::from(trade.instrument.0)];
                encode::agg_trade(&mut text, instrument, trade, Layout::Current);
            }
            _ => continue,
        }
        let mut again = [Level::default(); 512];
        let decoded = decode_stream_message(&text, &instruments, market, &mut again);
        assert_eq!(decoded.as_ref(), Ok(&message));
    }
}

fn fast_is_strict(bytes: &[u8], instruments: &Instruments<'_>, market: Market) {
    let (mut fast_levels, mut strict_levels) = ([Level::default(); 512], [Level::default(); 512]);
    let strict = decode_stream_message_strictly(bytes, instruments, market, &mut strict_levels);
    if let Some(fast) = decode_exact_form(bytes, instruments, market, &mut fast_levels) {
        assert_eq!(Ok(fast), strict);
    }
    let both = decode_stream_message(bytes, instruments, market, &mut fast_levels);
    assert_eq!(both, strict);
}

/// The body of a snapshot: its runs hold as many levels as its header says, sorted.
pub fn snapshot(bytes: &[u8]) {
    for instrument in &table() {
        let Ok(snapshot) = decode_snapshot(bytes, instrument) else {
            continue;
        };
        for side in [Side::Buy, Side::Sell] {
            let mut runs = snapshot.runs(side);
            let mut buffer = [Level::default(); 7];
            let mut count = 0;
            loop {
                let levels = runs.next_run(&mut buffer);
                if levels.is_empty() {
                    break;
                }
                count += levels.len();
                assert!(
                    levels
                        .iter()
                        .all(|level| level.price.0 > 0 && level.quantity.0 > 0)
                );
            }
            let expected = match side {
                Side::Buy => snapshot.header().bid_count,
                Side::Sell => snapshot.header().ask_count,
            };
            assert_eq!(count, expected);
        }
    }
}

/// A reply of the WebSocket API: only status 200 without an error can confirm anything.
pub fn order_reply(bytes: &[u8]) {
    let Ok(reply) = decode_reply(bytes) else {
        return;
    };
    let id = ClientOrderId::compose("fu", 1, 1);
    for request in RequestKind::ALL {
        let order = reply.order_reply(*request, id, &table()[0]);
        if order.outcome == ReplyOutcome::Confirmed {
            assert!(reply.status == 200 && reply.error.is_none());
            assert!(!reply.result().is_empty());
        }
    }
}

/// A frame of a private stream.
pub fn user_data(bytes: &[u8]) {
    let table = table();
    for market in [Market::UsdM, Market::Spot] {
        let _ = decode_user_message(bytes, &Instruments(&table), market);
    }
}

/// A body of any REST answer.
pub fn rest_answer(bytes: &[u8]) {
    let table = table();
    let instruments = Instruments(&table);
    for market in [Market::UsdM, Market::Spot] {
        let _ = rest::parse_exchange_info(bytes, market);
        let _ = rest::parse_open_orders(bytes, &instruments, market);
        let _ = rest::parse_account(bytes, &instruments, market);
    }
    let _ = rest::parse_time(bytes);
    let _ = rest::parse_order(bytes, &table[0]);
    let _ = rest::parse_user_trades(bytes, &table[0]);
    let _ = rest::parse_positions(bytes, &instruments);
    let _ = rest::parse_balances(bytes);
    let _ = rest::parse_listen_key(bytes);
    let failure = rest::parse_failure(503, bytes);
    assert_ne!(failure.outcome(), ReplyOutcome::Confirmed);
}

fn table() -> [Instrument; 3] {
    let instrument =
        |id, market, symbol: &str, tick: &str, lot: &str, decimals: (u8, u8)| Instrument {
            id: InstrumentId(id),
            market,
            symbol: Symbol::new(symbol.as_bytes()).expect("a short text"),
            tick: Step::from_text(tick.as_bytes()).expect("a decimal"),
            lot: Step::from_text(lot.as_bytes()).expect("a decimal"),
            price_decimals: decimals.0,
            quantity_decimals: decimals.1,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        };
    [
        instrument(0, Market::UsdM, "BTCUSDT", "0.10", "0.001", (2, 3)),
        instrument(1, Market::Spot, "BTCUSDT", "0.01", "0.00001", (8, 8)),
        instrument(2, Market::UsdM, "龙虾USDT", "0.00025", "5", (5, 0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Texts that look like the exchange's: its words and numbers in any order.
    fn almost_json() -> impl Strategy<Value = Vec<u8>> {
        let token = prop_oneof![
            Just("{"),
            Just("}"),
            Just("["),
            Just("]"),
            Just(","),
            Just(":"),
            Just("\"e\":"),
            Just("\"depthUpdate\""),
            Just("\"s\":\"BTCUSDT\""),
            Just("\"E\":1"),
            Just("\"o\":"),
            Just("\"b\":[[\"1.0\",\"2\"]]"),
            Just("\"status\":200"),
            Just("\"id\":\"p1\""),
            Just("\"code\":-1007"),
            Just("null"),
            Just("-1"),
            Just("1e9"),
            Just("\"\\ud83d\""),
            Just("\"ORDER_TRADE_UPDATE\""),
            Just("\"asks\":"),
            Just("\"lastUpdateId\":1"),
        ];
        proptest::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn no_decoder_panics(text in almost_json(), noise: Vec<u8>) {
            for bytes in [&text, &noise] {
                market_stream(bytes);
                snapshot(bytes);
                order_reply(bytes);
                user_data(bytes);
                rest_answer(bytes);
            }
        }
    }
}
