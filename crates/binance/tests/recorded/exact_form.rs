//! The fast way against the strict one.
//!
//! In: every recorded message, and messages changed where the fast way assumes something. Out:
//! the same events from both, and how often the fast way took one. Never: a fast way that has
//! silently stopped to be taken.

use crate::captures::sessions;
use crate::owned::LEVELS_MAX;
use binance::decode::{decode_exact_form, decode_stream_message, decode_stream_message_strictly};
use market::{
    Filters, Instrument, InstrumentId, InstrumentStatus, Instruments, Level, Market, Step, Symbol,
};
use recordings::MessageKind;

/// Both ways with a buffer each.
struct Ways {
    fast: Vec<Level>,
    strict: Vec<Level>,
}

impl Ways {
    fn new(levels: usize) -> Self {
        Self {
            fast: vec![Level::default(); levels],
            strict: vec![Level::default(); levels],
        }
    }

    /// Whether the fast way takes it; what it takes must be what the strict way says.
    fn taken(&mut self, bytes: &[u8], table: &[Instrument], market: Market) -> bool {
        let instruments = Instruments(table);
        let text = || String::from_utf8_lossy(bytes).into_owned();
        let strict = decode_stream_message_strictly(bytes, &instruments, market, &mut self.strict);
        let fast = decode_exact_form(bytes, &instruments, market, &mut self.fast);
        let taken = fast.is_some();
        if let Some(fast) = fast {
            assert_eq!(Ok(fast), strict, "{}", text());
        }
        let both = decode_stream_message(bytes, &instruments, market, &mut self.fast);
        assert_eq!(both, strict, "{}", text());
        taken
    }
}

#[test]
fn the_fast_way_takes_nearly_every_recorded_message_and_reads_what_the_strict_way_reads() {
    let Some(sessions) = sessions() else { return };
    let mut ways = Ways::new(LEVELS_MAX);
    let mut kinds = [("depth", 0u64, 0u64), ("bookTicker", 0, 0), ("trade", 0, 0)];
    for (session, instrument) in sessions {
        for message in session.messages() {
            let message = message.expect("captures are readable");
            let kind = match message.kind {
                MessageKind::Depth { .. } => 0,
                MessageKind::BookTicker { .. } => 1,
                MessageKind::Trade | MessageKind::AggTrade => 2,
                _ => continue,
            };
            let mut frame = Vec::new();
            binance::encode::wrap_stream(&mut frame, message.stream.as_bytes(), &message.payload);
            for bytes in [&frame, &message.payload] {
                let taken = ways.taken(bytes, &[*instrument], session.market);
                kinds[kind].1 += 1;
                kinds[kind].2 += u64::from(taken);
            }
        }
    }
    for (kind, seen, taken) in kinds {
        println!("{kind}: {taken} of {seen} taken");
        assert!(seen > 0, "no {kind} in any recording");
        let expected = u64::from(has_fast_way()) * seen;
        assert!(taken * 100 >= expected * 99, "{kind}: {taken} of {seen}");
    }
}

#[test]
fn the_exchange_s_forms_are_taken() {
    let mut ways = Ways::new(64);
    for (market, text) in FORMS {
        let table = table();
        let taken = ways.taken(text.as_bytes(), &table, market);
        assert_eq!(taken, has_fast_way(), "{text}");
        let wrapped = format!(r#"{{"stream":"btcusdt@x","data":{text}}}"#);
        let taken = ways.taken(wrapped.as_bytes(), &table, market);
        assert_eq!(taken, has_fast_way(), "{wrapped}");
        let other = if market == Market::Spot {
            Market::UsdM
        } else {
            Market::Spot
        };
        assert!(!ways.taken(text.as_bytes(), &table, other), "{text}");
    }
}

#[test]
fn every_byte_replaced_removed_or_doubled_is_judged_as_the_strict_way_does() {
    let mut ways = Ways::new(64);
    let table = table();
    let mut taken = 0;
    for (market, text) in FORMS {
        let wrapped = format!(r#"{{"stream":"btcusdt@x","data":{text}}}"#).into_bytes();
        for at in 0..wrapped.len() {
            let mut bytes = wrapped.clone();
            for byte in 0..=255 {
                bytes[at] = byte;
                taken += u32::from(ways.taken(&bytes, &table, market));
            }
            bytes[at] = wrapped[at];
            bytes.insert(at, wrapped[at]);
            ways.taken(&bytes, &table, market);
            bytes.drain(at..at + 2);
            ways.taken(&bytes, &table, market);
            ways.taken(&wrapped[..at], &table, market);
        }
    }
    assert!(taken > 0 || !has_fast_way());
}

/// Lengths around the sixteen bytes of a load, the dot everywhere, on every level of a side.
#[test]
fn numbers_of_every_length_are_judged_as_the_strict_way_does() {
    let mut ways = Ways::new(64);
    let table = table();
    let mut taken = 0;
    for place in 0..5 {
        for length in 0..24 {
            for dot in 0..=length {
                for column in 0..2 {
                    let mut digits = "1".repeat(length);
                    if dot < length {
                        digits.replace_range(dot..=dot, ".");
                    }
                    let mut levels = vec![["7403.10".to_owned(), "0.002".to_owned()]; 5];
                    levels[place][column] = digits;
                    for end in ["1", "10", "0"] {
                        let level = &mut levels[place][column];
                        let cut = level.len().saturating_sub(end.len());
                        level.replace_range(cut.., &end[..end.len().min(level.len())]);
                        let frame = depth(&levels);
                        taken += u32::from(ways.taken(frame.as_bytes(), &table, Market::UsdM));
                    }
                }
            }
        }
    }
    assert!(taken > 100 || !has_fast_way(), "{taken}");
}

#[test]
fn a_buffer_that_is_too_short_is_told_by_the_strict_way() {
    let table = table();
    let levels = vec![["7403.10".to_owned(), "0.002".to_owned()]; 9];
    let frame = depth(&levels);
    for room in 0..20 {
        let taken = Ways::new(room).taken(frame.as_bytes(), &table, Market::UsdM);
        assert_eq!(taken, room >= 18 && has_fast_way(), "{room} levels");
    }
}

/// The longest symbol there can be reaches to the end of the bytes that are searched for its
/// quote.
#[test]
fn a_symbol_without_a_quote_behind_it_is_judged_as_the_strict_way_does() {
    let mut ways = Ways::new(8);
    let mut table = table();
    let symbol = "S".repeat(32);
    table[0].symbol = Symbol::new(symbol.as_bytes()).unwrap();
    for behind in ["\"", "\\", "'", ""] {
        let (market, text) = FORMS[1];
        let text = text.replace("BTCUSDT\"", &format!("{symbol}{behind}"));
        ways.taken(text.as_bytes(), &table, market);
    }
}

fn depth(levels: &[[String; 2]]) -> String {
    let side: Vec<String> = levels
        .iter()
        .map(|[price, quantity]| format!(r#"["{price}","{quantity}"]"#))
        .collect();
    let side = side.join(",");
    format!(
        r#"{{"stream":"btcusdt@depth","data":{{"e":"depthUpdate","E":1571889248277,"T":1571889248276,"s":"BTCUSDT","U":390497796,"u":390497878,"pu":390497794,"b":[{side}],"a":[{side}]}}}}"#
    )
}

/// One of each form: recorded ones, and the documents' with the fields of 2026.
/// A table may hold what JSON writes as an escape; in a frame it means something else.
#[test]
fn a_symbol_that_a_frame_would_have_to_escape_is_not_taken_as_it_stands() {
    let mut ways = Ways::new(64);
    for symbol in [r"A\nUSDT", r"A\BUSDT", "A\u{1}USDT"] {
        let mut table = table();
        table[0].symbol = Symbol::new(symbol.as_bytes()).unwrap();
        let (market, text) = FORMS[0];
        let frame = text.replace("BTCUSDT", symbol).into_bytes();
        assert!(!ways.taken(&frame, &table, market), "{symbol:?}");
        let read = decode_stream_message(&frame, &Instruments(&table), market, &mut ways.fast);
        assert!(read.is_err(), "{symbol:?}");
    }
}

const FORMS: [(Market, &str); 13] = [
    (
        Market::UsdM,
        r#"{"e":"depthUpdate","E":1571889248277,"T":1571889248276,"s":"BTCUSDT","ps":"BTCUSDT","U":390497796,"u":390497878,"pu":390497794,"b":[["7403.80","0.002"],["7403.10","0.000"],["7403.00","110.000"]],"a":[["7405.90","0.000"],["17405.90","0.010"]],"st":1}"#,
    ),
    (
        Market::UsdM,
        r#"{"e":"depthUpdate","E":1571889248277,"T":1571889248276,"s":"BTCUSDT","U":390497796,"u":390497878,"pu":390497794,"b":[],"a":[["7405.90","0.000"]]}"#,
    ),
    (
        Market::UsdM,
        r#"{"e":"depthUpdate","E":1571889248277,"T":1571889248276,"s":"龙虾USDT","U":1,"u":2,"pu":1,"b":[["0.00125","15"],["0.00100","0"],["0.00025","5"]],"a":[]}"#,
    ),
    (
        Market::Spot,
        r#"{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"],["61737.62000000","12.00001000"]],"a":[["61837.64000000","1.54698000"]]}"#,
    ),
    (
        Market::UsdM,
        r#"{"e":"bookTicker","u":400900217,"s":"BTCUSDT","ps":"BTCUSDT","b":"25.30","B":"31.210","a":"25.40","A":"40.660","T":1568014460891,"E":1568014460893,"st":1}"#,
    ),
    (
        Market::UsdM,
        r#"{"e":"bookTicker","u":2710246762461,"s":"BTCUSDT","b":"28145.10","B":"3.868","a":"28145.20","A":"6.887","T":1680652700430,"E":1680652700435}"#,
    ),
    (
        Market::Spot,
        r#"{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}"#,
    ),
    (
        Market::UsdM,
        r#"{"e":"trade","E":1680652700455,"T":1680652700452,"s":"BTCUSDT","t":3535186032,"p":"28145.10","q":"0.002","X":"MARKET","m":true}"#,
    ),
    (
        Market::UsdM,
        r#"{"e":"trade","E":1680652700455,"T":1680652700452,"s":"BTCUSDT","t":3535186032,"p":"28145.10","q":"0.002","X":"MARKET","m":false,"st":1}"#,
    ),
    (
        Market::Spot,
        r#"{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}"#,
    ),
    (
        Market::UsdM,
        r#"{"e":"aggTrade","E":1680652700455,"a":5933014,"s":"BTCUSDT","p":"1000.10","q":"100.000","nq":"100.000","f":100,"l":105,"T":1680652700452,"m":true,"st":1}"#,
    ),
    (
        Market::UsdM,
        r#"{"e":"aggTrade","E":1680652700455,"a":5933014,"s":"BTCUSDT","p":"1000.10","q":"100.000","f":100,"l":105,"T":1680652700452,"m":false}"#,
    ),
    (
        Market::Spot,
        r#"{"e":"aggTrade","E":1680652700455,"s":"BTCUSDT","a":5933014,"p":"1000.10000000","q":"100.00000000","f":100,"l":105,"T":1680652700452,"m":true,"M":true}"#,
    ),
];

fn table() -> [Instrument; 3] {
    let instrument =
        |id, market, symbol: &str, tick: &str, lot: &str, decimals: (u8, u8)| Instrument {
            id: InstrumentId(id),
            market,
            symbol: Symbol::new(symbol.as_bytes()).unwrap(),
            tick: Step::from_text(tick.as_bytes()).unwrap(),
            lot: Step::from_text(lot.as_bytes()).unwrap(),
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

/// The processors that have one; on others the strict way does all the work.
fn has_fast_way() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("bmi1");
    #[cfg(not(target_arch = "x86_64"))]
    false
}
