//! A plain serde_json decoder of market messages.
//!
//! In: bytes of one message, the instrument's grid. Out: its fields, numbers in steps of the grid
//! and as canonical text. Never: our own decoders or our own decimal code.

use market::{Instrument, Market, Step};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// A number in steps, with its canonical text at wire precision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// Steps (ticks or lots).
    pub steps: i64,
    /// As the exchange would write it.
    pub text: String,
}

/// A price and a quantity.
pub type Pair = (Number, Number);

/// A book difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// `U`.
    pub first: u64,
    /// `u`.
    pub last: u64,
    /// `pu`; 0 on spot.
    pub previous: u64,
    /// `E`.
    pub event_ms: u64,
    /// `T`; `E` on spot.
    pub transaction_ms: u64,
    /// `b`.
    pub bids: Vec<Pair>,
    /// `a`.
    pub asks: Vec<Pair>,
}

/// Best bid and ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticker {
    /// `u`.
    pub update_id: u64,
    /// `b`, `B`.
    pub bid: Pair,
    /// `a`, `A`.
    pub ask: Pair,
    /// `E`; 0 on spot.
    pub event_ms: u64,
    /// `T`; 0 on spot.
    pub transaction_ms: u64,
}

/// A trade or an aggregate trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    /// `t` or `a`.
    pub id: u64,
    /// `f` and `l` of an aggregate.
    pub range: Option<(u64, u64)>,
    /// `p`, `q`.
    pub level: Pair,
    /// `m`.
    pub buyer_is_maker: bool,
    /// False for `X` other than `MARKET`.
    pub from_book: bool,
    /// `E`.
    pub event_ms: u64,
    /// `T`.
    pub transaction_ms: u64,
}

/// Mark price and funding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `p`, in ticks, rounded to the nearest.
    pub mark: i64,
    /// `r`, in 1e-8.
    pub rate_e8: i64,
    /// `T`.
    pub next_funding_ms: u64,
    /// `E`.
    pub event_ms: u64,
}

/// A REST snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `lastUpdateId`.
    pub last_update_id: u64,
    /// `bids`.
    pub bids: Vec<Pair>,
    /// `asks`.
    pub asks: Vec<Pair>,
}

#[derive(Deserialize)]
struct RawDepth<'a> {
    #[serde(borrow)]
    e: Cow<'a, str>,
    #[serde(rename = "E")]
    event_ms: u64,
    #[serde(rename = "T", default, deserialize_with = "present")]
    transaction_ms: Option<Value>,
    #[serde(borrow)]
    s: Cow<'a, str>,
    #[serde(rename = "U")]
    first: u64,
    u: u64,
    #[serde(default, deserialize_with = "present")]
    pu: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    st: Option<Value>,
    b: Vec<RawLevel>,
    a: Vec<RawLevel>,
}

#[derive(Deserialize)]
struct RawTicker {
    #[serde(default, deserialize_with = "present")]
    e: Option<Value>,
    #[serde(rename = "E", default, deserialize_with = "present")]
    event_ms: Option<Value>,
    #[serde(rename = "T", default, deserialize_with = "present")]
    transaction_ms: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    st: Option<Value>,
    u: u64,
    s: String,
    b: String,
    #[serde(rename = "B")]
    bid_quantity: String,
    a: String,
    #[serde(rename = "A")]
    ask_quantity: String,
}

#[derive(Deserialize)]
struct RawTrade {
    e: String,
    #[serde(rename = "E")]
    event_ms: u64,
    #[serde(rename = "T")]
    transaction_ms: u64,
    s: String,
    #[serde(default, deserialize_with = "present")]
    t: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    a: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    f: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    l: Option<Value>,
    p: String,
    q: String,
    #[serde(rename = "X", default, deserialize_with = "present")]
    kind: Option<Value>,
    m: bool,
    #[serde(default, deserialize_with = "present")]
    st: Option<Value>,
}

#[derive(Deserialize)]
struct RawMark {
    e: String,
    #[serde(rename = "E")]
    event_ms: u64,
    s: String,
    p: String,
    r: String,
    #[serde(rename = "T")]
    next_funding_ms: u64,
    #[serde(default, deserialize_with = "present")]
    st: Option<Value>,
}

#[derive(Deserialize)]
struct RawSnapshot {
    #[serde(rename = "lastUpdateId")]
    last_update_id: u64,
    #[serde(rename = "E", default, deserialize_with = "present")]
    event_ms: Option<Value>,
    #[serde(rename = "T", default, deserialize_with = "present")]
    transaction_ms: Option<Value>,
    bids: Vec<RawLevel>,
    asks: Vec<RawLevel>,
}

/// `["price","quantity"]`, and whatever the exchange may add behind (it once sent `[]` there).
struct RawLevel {
    price: String,
    quantity: String,
}

impl<'de> Deserialize<'de> for RawLevel {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let missing = || serde::de::Error::custom("a level without price and quantity");
        let mut parts = Vec::<Value>::deserialize(input)?.into_iter();
        match (parts.next(), parts.next()) {
            (Some(Value::String(price)), Some(Value::String(quantity))) => {
                Ok(Self { price, quantity })
            }
            _ => Err(missing()),
        }
    }
}

/// Keeps a `null` that stands there apart from a field that is missing.
fn present<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(input).map(Some)
}

/// Reads a difference; nothing when it is not one of this instrument, whole and sound.
#[must_use]
pub fn depth(bytes: &[u8], instrument: &Instrument) -> Option<Depth> {
    let raw: RawDepth<'_> = read(bytes)?;
    let futures = instrument.market == Market::UsdM;
    let ours = raw.e == "depthUpdate" && raw.s == instrument.symbol.as_str();
    if !ours || raw.first > raw.u || !is_usdm(futures, raw.st.as_ref()) {
        return None;
    }
    let (transaction_ms, previous) = if futures {
        (raw.transaction_ms?.as_u64()?, raw.pu?.as_u64()?)
    } else {
        (raw.event_ms, 0)
    };
    Some(Depth {
        first: raw.first,
        last: raw.u,
        previous,
        event_ms: time(raw.event_ms)?,
        transaction_ms: time(transaction_ms)?,
        bids: pairs(&raw.b, instrument)?,
        asks: pairs(&raw.a, instrument)?,
    })
}

/// Reads a ticker, likewise. A side with 0 is refused.
#[must_use]
pub fn ticker(bytes: &[u8], instrument: &Instrument) -> Option<Ticker> {
    let raw: RawTicker = read(bytes)?;
    let futures = instrument.market == Market::UsdM;
    // Spot's ticker names no event; where a name stands, it must be this one.
    let named = match &raw.e {
        Some(name) => name == "bookTicker",
        None => !futures,
    };
    if !named || raw.s != instrument.symbol.as_str() || !is_usdm(futures, raw.st.as_ref()) {
        return None;
    }
    let (event_ms, transaction_ms) = if futures {
        (
            time(raw.event_ms?.as_u64()?)?,
            time(raw.transaction_ms?.as_u64()?)?,
        )
    } else {
        (0, 0)
    };
    Some(Ticker {
        update_id: raw.u,
        bid: positive(pair(&raw.b, &raw.bid_quantity, instrument)?)?,
        ask: positive(pair(&raw.a, &raw.ask_quantity, instrument)?)?,
        event_ms,
        transaction_ms,
    })
}

/// Reads a trade or an aggregate trade.
#[must_use]
pub fn trade(bytes: &[u8], instrument: &Instrument, aggregate: bool) -> Option<Trade> {
    let raw: RawTrade = read(bytes)?;
    let futures = instrument.market == Market::UsdM;
    let name = if aggregate { "aggTrade" } else { "trade" };
    if raw.e != name || raw.s != instrument.symbol.as_str() || !is_usdm(futures, raw.st.as_ref()) {
        return None;
    }
    let from_book = match (&raw.kind, futures && !aggregate) {
        (Some(kind), true) => kind.as_str()? == "MARKET",
        _ => true,
    };
    let range = if aggregate {
        let (first, last) = (raw.f?.as_u64()?, raw.l?.as_u64()?);
        Some((first, last))
    } else {
        None
    };
    let level = if from_book {
        positive(pair(&raw.p, &raw.q, instrument)?)?
    } else {
        // Trades with the insurance fund need not lie on the grid.
        let steps = nearest(&raw.p, instrument.tick)?;
        let lots = number(&raw.q, instrument.lot, instrument.quantity_decimals)?;
        (
            canonical(steps, instrument.tick, instrument.price_decimals),
            lots,
        )
    };
    Some(Trade {
        id: if aggregate { raw.a } else { raw.t }?.as_u64()?,
        range,
        level,
        buyer_is_maker: raw.m,
        from_book,
        event_ms: time(raw.event_ms)?,
        transaction_ms: time(raw.transaction_ms)?,
    })
}

/// Reads a mark price.
#[must_use]
pub fn mark(bytes: &[u8], instrument: &Instrument) -> Option<Mark> {
    let raw: RawMark = read(bytes)?;
    let ours = raw.e == "markPriceUpdate" && raw.s == instrument.symbol.as_str();
    if !ours || !is_usdm(instrument.market == Market::UsdM, raw.st.as_ref()) {
        return None;
    }
    let mark = nearest(&raw.p, instrument.tick)?;
    Some(Mark {
        mark: (mark > 0).then_some(mark)?,
        rate_e8: if raw.r.is_empty() {
            0
        } else {
            signed_e8(&raw.r)?
        },
        next_funding_ms: time(raw.next_funding_ms)?,
        event_ms: time(raw.event_ms)?,
    })
}

/// Reads a snapshot.
#[must_use]
pub fn snapshot(bytes: &[u8], instrument: &Instrument) -> Option<Snapshot> {
    let raw: RawSnapshot = read(bytes)?;
    for stamp in [raw.event_ms, raw.transaction_ms].into_iter().flatten() {
        time(stamp.as_u64()?)?;
    }
    Some(Snapshot {
        last_update_id: raw.last_update_id,
        bids: pairs(&raw.bids, instrument)?,
        asks: pairs(&raw.asks, instrument)?,
    })
}

/// Checks the whole text first: skipping a field does not look inside its strings.
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?;
    serde_json::from_slice::<Value>(bytes).ok()?;
    serde_json::from_slice(bytes).ok()
}

fn time(value: u64) -> Option<u64> {
    i64::try_from(value).is_ok().then_some(value)
}

fn is_usdm(futures: bool, st: Option<&Value>) -> bool {
    !futures || st.is_none_or(|st| st.as_u64() == Some(1))
}

fn positive(pair: Pair) -> Option<Pair> {
    (pair.0.steps > 0 && pair.1.steps > 0).then_some(pair)
}

fn pairs(raw: &[RawLevel], instrument: &Instrument) -> Option<Vec<Pair>> {
    raw.iter()
        .map(|level| {
            let pair = pair(&level.price, &level.quantity, instrument)?;
            (pair.0.steps > 0).then_some(pair)
        })
        .collect()
}

fn pair(price: &str, quantity: &str, instrument: &Instrument) -> Option<Pair> {
    Some((
        number(price, instrument.tick, instrument.price_decimals)?,
        number(quantity, instrument.lot, instrument.quantity_decimals)?,
    ))
}

/// Reads a plain decimal on the grid of `step`.
fn number(text: &str, step: Step, wire_decimals: u8) -> Option<Number> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || text.len() > 64 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let decimals = usize::from(step.decimals);
    if whole.len() > 20 || fraction.len() > decimals {
        return None;
    }
    let digits = format!("0{whole}{fraction:0<decimals$}");
    let mantissa = i64::try_from(digits.parse::<u128>().ok()?).ok()?;
    if mantissa % step.mantissa != 0 {
        return None;
    }
    Some(canonical(mantissa / step.mantissa, step, wire_decimals))
}

/// Steps with their text, written digit by digit. Numbers that no exchange has stay without one.
#[must_use]
pub fn canonical(steps: i64, step: Step, wire_decimals: u8) -> Number {
    let mut text = String::new();
    if steps <= TEXT_STEPS_MAX {
        let (have, wire) = (usize::from(step.decimals), usize::from(wire_decimals));
        let digits = format!("{:0>width$}", steps * step.mantissa, width = have + 1);
        let (whole, fraction) = digits.split_at(digits.len() - have);
        text = whole.to_owned();
        if wire > 0 {
            text = format!("{whole}.{fraction:0<wire$}");
        }
    }
    Number { steps, text }
}

/// Steps above this have no canonical text: at 8 wire decimals it would not fit 63 bits.
pub const TEXT_STEPS_MAX: i64 = 10_000_000_000;

/// The nearest number of steps to a text of up to 8 decimals, half away from zero.
fn nearest(text: &str, step: Step) -> Option<i64> {
    let value = i128::from(signed_e8(text)?);
    let unit = i128::from(step.mantissa) * 100_000_000;
    let scaled = value * 10i128.pow(u32::from(step.decimals));
    let rounded = (scaled * 2 + unit) / (unit * 2);
    (value >= 0).then_some(i64::try_from(rounded).ok()?)
}

/// A number of up to 8 decimals with an optional sign, in 1e-8.
fn signed_e8(text: &str) -> Option<i64> {
    let unit = Step {
        mantissa: 1,
        decimals: 8,
    };
    match text.strip_prefix('-') {
        Some(digits) => Some(-number(digits, unit, 8)?.steps),
        None => Some(number(text, unit, 8)?.steps),
    }
}
