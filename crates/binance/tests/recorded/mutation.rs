//! A million damaged, reordered and decorated messages, through both decoders.

use crate::captures::sessions;
use crate::owned::{LEVELS_MAX, fast, fast_snapshot};
use crate::reference;
use market::{
    Filters, Instrument, InstrumentId, InstrumentStatus, Instruments, Level, Market, Step, Symbol,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

const MUTANTS: u32 = 1_000_000;

/// Recorded messages longer than this are left to `agreement`.
const BYTES_MAX: usize = 700;

#[test]
fn fast_and_plain_decoder_agree_on_a_million_mutants() {
    let table = [
        instrument(0, Market::UsdM, "BTCUSDT", "0.10", "0.001", 2, 3),
        instrument(1, Market::Spot, "BTCUSDT", "0.01", "0.00001", 8, 8),
        instrument(2, Market::UsdM, "龙虾USDT", "0.00025", "5", 5, 0),
    ];
    let samples = samples();
    let workers: Vec<_> = (0..2u64)
        .map(|worker| {
            let samples = samples.clone();
            std::thread::spawn(move || run(&table, &samples, 0x6675_6c63 + worker, MUTANTS / 2))
        })
        .collect();
    let mut accepted = 0;
    for worker in workers {
        accepted += worker.join().expect("a worker found a difference");
    }
    println!("{accepted} of {MUTANTS} mutants were acceptable to both");
    // A mutator that breaks everything, or nothing, would prove little.
    assert!((MUTANTS / 10..MUTANTS * 9 / 10).contains(&accepted));
}

/// Returns how many mutants both decoders accepted.
fn run(table: &[Instrument], samples: &[Sample], seed: u64, mutants: u32) -> u32 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut levels = vec![Level::default(); LEVELS_MAX];
    let instruments = Instruments(table);
    let mut accepted = 0;
    for round in 0..mutants {
        let sample = &samples[random.random_range(0..samples.len())];
        let mut bytes = sample.text.clone().into_bytes();
        for _ in 0..random.random_range(0..3) {
            mutate(&mut bytes, &mut random);
        }
        let told = || {
            let text = String::from_utf8_lossy(&bytes);
            format!("seed {seed} round {round}: {text}")
        };
        if sample.snapshot {
            let quick = fast_snapshot(&bytes, &table[0], 3);
            let plain = reference::snapshot(&bytes, &table[0]);
            accepted += u32::from(quick.is_ok());
            assert_eq!(
                quick.as_ref().ok(),
                plain.as_ref().ok(),
                "{}\n{quick:?}\n{plain:?}",
                told()
            );
        } else {
            let quick = fast(&bytes, &instruments, sample.market, &mut levels);
            let plain = reference::decode(&bytes, &instruments, sample.market);
            accepted += u32::from(quick.is_ok());
            assert_eq!(
                quick.as_ref().ok(),
                plain.as_ref().ok(),
                "{}\n{quick:?}\n{plain:?}",
                told()
            );
        }
    }
    accepted
}

#[derive(Clone)]
struct Sample {
    text: String,
    market: Market,
    snapshot: bool,
}

/// Built-in messages of every kind, and short recorded ones.
fn samples() -> Vec<Sample> {
    let built_in = [
        (
            Market::UsdM,
            r#"{"e":"depthUpdate","E":1571889248277,"T":1571889248276,"s":"BTCUSDT","ps":"BTCUSDT","U":390497796,"u":390497878,"pu":390497794,"b":[["7403.80","0.002"],["7403.10","0.000"]],"a":[["7405.90","0.000"]],"st":1}"#,
        ),
        (
            Market::UsdM,
            r#"{"e":"depthUpdate","E":1,"T":1,"s":"龙虾USDT","U":1,"u":2,"pu":0,"b":[["0.00125","15"],["1","5"]],"a":[]}"#,
        ),
        (
            Market::UsdM,
            r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":400900217,"s":"BTCUSDT","ps":"BTCUSDT","b":"25.30","B":"31.210","a":"25.40","A":"40.660","T":1568014460891,"E":1568014460893,"st":1}}"#,
        ),
        (
            Market::UsdM,
            r#"{"e":"aggTrade","E":123456789,"a":5933014,"s":"BTCUSDT","p":"1000.10","q":"100","nq":"100","f":100,"l":105,"T":123456785,"m":true,"st":1}"#,
        ),
        (
            Market::UsdM,
            r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1680652700455,"T":1680652700452,"s":"BTCUSDT","t":3535186032,"p":"28145.10","q":"0.002","X":"MARKET","m":true}}"#,
        ),
        (
            Market::UsdM,
            r#"{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":3,"p":"28145.17","q":"0.002","X":"INSURANCE_FUND","m":false}"#,
        ),
        (
            Market::UsdM,
            r#"{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","ap":"11794.0","i":"11784.62","P":"11784.25","r":"-0.00038167","T":1562306400000,"st":1}"#,
        ),
        (
            Market::UsdM,
            r#"{"e":"kline","E":5,"s":"BTCUSDT","k":{"t":1,"x":false,"o":[1.5e3,-0,null,{"deep":[[[]]]}]}}"#,
        ),
        (Market::UsdM, r#"{"result":null,"id":1}"#),
        (
            Market::UsdM,
            r#"{"error":{"code":2,"msg":"Invalid request: \u00e9 \ud83d\ude00"},"id":"b3"}"#,
        ),
        (
            Market::Spot,
            r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#,
        ),
        (
            Market::Spot,
            r#"{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"]],"a":[["61837.64000000","1.54698000"]]}"#,
        ),
        (
            Market::Spot,
            r#"{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}"#,
        ),
    ];
    let mut samples: Vec<Sample> = built_in
        .into_iter()
        .map(|(market, text)| Sample {
            text: text.to_owned(),
            market,
            snapshot: false,
        })
        .collect();
    samples.push(Sample {
        text: r#"{"lastUpdateId":1027024,"E":1589436922972,"T":1589436922959,"bids":[["4.20","431.000"],["4.10","1.000"]],"asks":[["4.30","12.000"]]}"#.to_owned(),
        market: Market::UsdM,
        snapshot: true,
    });
    samples.extend(recorded());
    samples
}

/// Up to 40 short recorded messages of each kind and market, spread over each session.
fn recorded() -> Vec<Sample> {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for (session, _) in sessions().unwrap_or_default() {
        for (at, message) in session.messages().enumerate() {
            let message = message.expect("captures are readable");
            let kind = (
                format!("{:?}", core::mem::discriminant(&message.kind)),
                session.market,
            );
            let count = counts.entry(kind).or_default();
            if at % 97 == 0 && *count < 40 && message.payload.len() <= BYTES_MAX {
                *count += 1;
                let text = String::from_utf8(message.payload).unwrap();
                found.push(Sample {
                    text,
                    market: session.market,
                    snapshot: false,
                });
            }
        }
    }
    found
}

fn mutate(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = random.random_range(0..bytes.len());
    let end = (at + random.random_range(1..12)).min(bytes.len());
    match random.random_range(0..11) {
        0 => bytes[at] = random.random(),
        1 => bytes[at] ^= 1 << random.random_range(0..8),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => bytes.truncate(at),
        5 => insert_token(bytes, at, random),
        6 => space_out(bytes, random),
        7 => escape_a_letter(bytes, at),
        8 => shuffle_members(bytes, random),
        9 => add_member(bytes, random),
        _ => change_a_digit(bytes, at, random),
    }
}

fn insert_token(bytes: &mut Vec<u8>, at: usize, random: &mut ChaCha8Rng) {
    const TOKENS: [&[u8]; 24] = [
        b"0",
        b"00",
        b".",
        b"-",
        b"e5",
        b"+",
        b"\"",
        b"\\",
        b",",
        b":",
        b"{}",
        b"[]",
        b"null",
        b"true",
        b"18446744073709551616",
        b"9223372036854775808",
        b"\\u0031",
        b"\\ud800",
        b"\xff",
        b"\xc3\xa9",
        b"123456789012345678901234567890",
        b"0.0000000000000000000000001",
        b" ",
        b"\x01",
    ];
    let token = TOKENS[random.random_range(0..TOKENS.len())];
    bytes.splice(at..at, token.iter().copied());
}

/// White space before some of the structural characters.
fn space_out(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    for &byte in bytes.iter() {
        if b"{}[],:".contains(&byte) && random.random_range(0..4) == 0 {
            out.push(b" \n\t\r"[random.random_range(0..4)]);
        }
        out.push(byte);
    }
    *bytes = out;
}

/// Writes one character as `\u00XX`.
fn escape_a_letter(bytes: &mut Vec<u8>, at: usize) {
    if bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.' {
        let escape = format!("\\u{:04x}", bytes[at]);
        bytes.splice(at..=at, escape.into_bytes());
    }
}

fn shuffle_members(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    change_members(bytes, |members| {
        let count = members.len();
        if count > 1 {
            let (first, second) = (random.random_range(0..count), random.random_range(0..count));
            members.swap(first, second);
        }
    });
}

fn add_member(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    const VALUES: [&str; 10] = [
        "1",
        "\"x\"",
        "null",
        "[1,[2,{\"a\":[]}]]",
        "{\"e\":\"trade\"}",
        "1e999",
        "-0.5",
        "\"\\ud83d\\ude00\"",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
        "true",
    ];
    const KEYS: [&str; 12] = [
        "x", "e", "E", "s", "st", "b", "data", "", "\\u0065", "X", "pu", "id",
    ];
    let value = VALUES[random.random_range(0..VALUES.len())];
    let key = KEYS[random.random_range(0..KEYS.len())];
    let place: usize = random.random_range(0..20);
    change_members(bytes, |members| {
        let place = place.min(members.len());
        members.insert(place, format!("\"{key}\":{value}").into_bytes());
    });
}

fn change_a_digit(bytes: &mut [u8], at: usize, random: &mut ChaCha8Rng) {
    if let Some(digit) = bytes[at..].iter_mut().find(|byte| byte.is_ascii_digit()) {
        *digit = b'0' + random.random_range(0..10);
    }
}

/// Cuts the innermost whole message at its top-level commas, lets `change` work on the members,
/// and joins them again. Text that is broken already stays as it is.
fn change_members(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let start = match bytes.windows(7).position(|part| part == b"\"data\":") {
        Some(found) => found + 7,
        None => 0,
    };
    if bytes.get(start) != Some(&b'{') {
        return;
    }
    let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
    let (mut members, mut current) = (Vec::new(), Vec::new());
    let mut end = None;
    for (at, &byte) in bytes.iter().enumerate().skip(start) {
        let structural = !quoted;
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte == b'"' {
            quoted = true;
        }
        match byte {
            b'{' | b'[' if structural => depth += 1,
            b'}' | b']' if structural => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            end = Some(at);
            break;
        }
        if structural && depth == 1 && byte == b',' {
            members.push(core::mem::take(&mut current));
        } else if at > start {
            current.push(byte);
        }
    }
    let Some(end) = end else { return };
    if !current.is_empty() {
        members.push(current);
    }
    change(&mut members);
    let joined = members.join(&b","[..]);
    bytes.splice(start + 1..end, joined);
}

fn instrument(
    id: u16,
    market: Market,
    symbol: &str,
    tick: &str,
    lot: &str,
    price_decimals: u8,
    quantity_decimals: u8,
) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        market,
        symbol: Symbol::new(symbol.as_bytes()).unwrap(),
        tick: Step::from_text(tick.as_bytes()).unwrap(),
        lot: Step::from_text(lot.as_bytes()).unwrap(),
        price_decimals,
        quantity_decimals,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}
