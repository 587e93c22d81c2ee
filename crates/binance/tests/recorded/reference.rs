//! The judge: the same messages through serde_json.
//!
//! In: bytes. Out: the message or a reason, by the rules of the documents: known fields once and
//! with their type, unknown ones skipped, numbers exact. Never: code of the decoders.

use crate::owned::{LEVELS_MAX, Owned, OwnedSnapshot};
use binance::decode::ControlReply;
use market::event::DepthHeader;
use market::{
    AggTrade, BookTicker, Instrument, Instruments, Level, MarkPrice, Market, Price, Quantity, Rate,
    Side, Trade, TradeId, UpdateId, UtcMs,
};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

type Refused<T> = Result<T, String>;

/// Deepest nesting of a skipped value.
const NESTING_MAX: u32 = 32;

/// Longest text of a number.
const NUMBER_BYTES_MAX: usize = 64;

/// One frame of a stream.
pub(crate) fn decode(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
) -> Refused<Owned> {
    let frame = object(raw(bytes)?)?;
    let telling = [
        "stream", "data", "result", "error", "id", "code", "msg", "e",
    ];
    match frame
        .0
        .iter()
        .find(|(key, _)| telling.contains(&key.as_str()))
    {
        Some((key, _)) if key == "stream" || key == "data" => {
            let fields = frame.known(&["stream", "data"])?;
            string(fields.get("stream")?)?;
            event(&object(fields.get("data")?)?, instruments, market)
        }
        Some((key, _)) if key != "e" => control(&frame),
        _ => event(&frame, instruments, market),
    }
}

/// The body of a depth snapshot.
pub(crate) fn snapshot(bytes: &[u8], instrument: &Instrument) -> Refused<OwnedSnapshot> {
    let fields = object(raw(bytes)?)?;
    let fields = fields.known(&["lastUpdateId", "E", "T", "bids", "asks"])?;
    let bids = levels(fields.get("bids")?, instrument)?;
    let asks = levels(fields.get("asks")?, instrument)?;
    let sorted = bids.windows(2).all(|pair| pair[0].price > pair[1].price)
        && asks.windows(2).all(|pair| pair[0].price < pair[1].price);
    let crossed =
        matches!((bids.first(), asks.first()), (Some(bid), Some(ask)) if bid.price >= ask.price);
    let all = bids.iter().chain(&asks);
    if !sorted || crossed || all.into_iter().any(|level| level.quantity.0 == 0) {
        return Err("not a book".into());
    }
    if bids.len() > 5000 || asks.len() > 5000 {
        return Err("too many levels".into());
    }
    let optional_time = |name| fields.find(name).map_or(Ok(UtcMs(0)), time);
    Ok(OwnedSnapshot {
        last_update_id: UpdateId(unsigned(fields.get("lastUpdateId")?)?),
        event_time: optional_time("E")?,
        transaction_time: optional_time("T")?,
        bids,
        asks,
    })
}

/// An object as a list of members.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Walk)
    }
}

impl<'a> Members<'a> {
    /// The known members, each at most once; the others must be sound.
    fn known(&self, names: &[&str]) -> Refused<Self> {
        let mut known: Vec<(String, &RawValue)> = Vec::new();
        for (key, value) in &self.0 {
            if !names.contains(&key.as_str()) {
                sound(value, NESTING_MAX)?;
            } else if known.iter().any(|(other, _)| other == key) {
                return Err(format!("{key} twice"));
            } else {
                known.push((key.clone(), value));
            }
        }
        Ok(Self(known))
    }

    fn find(&self, name: &str) -> Option<&'a RawValue> {
        let member = self.0.iter().find(|(key, _)| key == name);
        member.map(|(_, value)| *value)
    }

    fn get(&self, name: &str) -> Refused<&'a RawValue> {
        self.find(name).ok_or_else(|| format!("{name} missing"))
    }
}

fn raw(bytes: &[u8]) -> Refused<&RawValue> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

fn object(value: &RawValue) -> Refused<Members<'_>> {
    serde_json::from_str(value.get()).map_err(|error| error.to_string())
}

/// Skipped values: strings must be real strings, nesting has a bound.
fn sound(value: &RawValue, nesting_left: u32) -> Refused<()> {
    let text = value.get();
    match text.as_bytes()[0] {
        b'"' => string(value).map(|_| ()),
        b'{' | b'[' if nesting_left == 0 => Err("too deep".into()),
        b'{' => {
            let members = object(value)?;
            members
                .0
                .iter()
                .try_for_each(|(_, value)| sound(value, nesting_left - 1))
        }
        b'[' => {
            let elements = list(value)?;
            elements
                .into_iter()
                .try_for_each(|value| sound(value, nesting_left - 1))
        }
        _ => Ok(()),
    }
}

fn list(value: &RawValue) -> Refused<Vec<&RawValue>> {
    serde_json::from_str(value.get()).map_err(|error| error.to_string())
}

fn string(value: &RawValue) -> Refused<String> {
    serde_json::from_str(value.get()).map_err(|error| error.to_string())
}

fn unsigned(value: &RawValue) -> Refused<u64> {
    serde_json::from_str(value.get()).map_err(|error| error.to_string())
}

fn time(value: &RawValue) -> Refused<UtcMs> {
    let value = unsigned(value)?;
    i64::try_from(value)
        .map(UtcMs)
        .map_err(|error| error.to_string())
}

fn number(value: &RawValue) -> Refused<String> {
    let text = string(value)?;
    if text.len() > NUMBER_BYTES_MAX {
        return Err("long number".into());
    }
    Ok(text)
}

fn price(value: &RawValue, instrument: &Instrument) -> Refused<Price> {
    let text = number(value)?;
    let price = instrument.price_from_text(text.as_bytes());
    price.map_err(|error| error.to_string())
}

fn quantity(value: &RawValue, instrument: &Instrument) -> Refused<Quantity> {
    let text = number(value)?;
    let quantity = instrument.quantity_from_text(text.as_bytes());
    quantity.map_err(|error| error.to_string())
}

fn above_zero<T: PartialEq + Default>(value: T) -> Refused<T> {
    if value == T::default() {
        return Err("zero".into());
    }
    Ok(value)
}

/// A decimal of up to 8 decimals, rounded half up to the nearest tick.
fn nearest_tick(value: &RawValue, instrument: &Instrument) -> Refused<Price> {
    let text = number(value)?;
    let e8 = market::parse_decimal(text.as_bytes(), 8);
    let e8 = i128::from(e8.map_err(|error| error.to_string())?);
    let tick_e20 =
        i128::from(instrument.tick.mantissa) * 10i128.pow(20 - u32::from(instrument.tick.decimals));
    let ticks = (e8 * 10i128.pow(12) + tick_e20 / 2) / tick_e20;
    i64::try_from(ticks)
        .map(Price)
        .map_err(|error| error.to_string())
}

fn levels(value: &RawValue, instrument: &Instrument) -> Refused<Vec<Level>> {
    let mut levels = Vec::new();
    for element in list(value)? {
        let parts = list(element)?;
        if parts.len() < 2 {
            return Err("short level".into());
        }
        parts[2..]
            .iter()
            .try_for_each(|part| sound(part, NESTING_MAX))?;
        levels.push(Level {
            price: above_zero(price(parts[0], instrument)?)?,
            quantity: quantity(parts[1], instrument)?,
        });
    }
    Ok(levels)
}

fn event(fields: &Members<'_>, instruments: &Instruments<'_>, market: Market) -> Refused<Owned> {
    let kind = fields.find("e").map(string).transpose()?;
    let kind = match (kind, market) {
        (Some(kind), _) => kind,
        (None, Market::Spot) => "bookTicker".into(),
        (None, Market::UsdM) => return Err("e missing".into()),
    };
    let usdm = market == Market::UsdM;
    let names: &[&str] = match (kind.as_str(), usdm) {
        ("depthUpdate", true) => &["e", "E", "T", "s", "U", "u", "pu", "b", "a", "st"],
        ("depthUpdate", false) => &["e", "E", "s", "U", "u", "b", "a"],
        ("bookTicker", true) => &["e", "u", "s", "b", "B", "a", "A", "T", "E", "st"],
        ("bookTicker", false) => &["e", "u", "s", "b", "B", "a", "A"],
        ("trade", true) => &["e", "E", "T", "s", "t", "p", "q", "X", "m", "st"],
        ("trade", false) => &["e", "E", "T", "s", "t", "p", "q", "m"],
        ("aggTrade", true) => &["e", "E", "a", "s", "p", "q", "f", "l", "T", "m", "st"],
        ("aggTrade", false) => &["e", "E", "a", "s", "p", "q", "f", "l", "T", "m"],
        ("markPriceUpdate", true) => &["e", "E", "s", "p", "r", "T", "st"],
        ("markPriceUpdate", false) => &["e", "E", "s", "p", "r", "T"],
        (other, _) => {
            // Nobody looks inside; it only has to be sound.
            fields
                .0
                .iter()
                .try_for_each(|(_, value)| sound(value, NESTING_MAX - 1))?;
            let shutdown = other == "serverShutdown";
            return Ok(if shutdown {
                Owned::Shutdown
            } else {
                Owned::Unused
            });
        }
    };
    let fields = fields.known(names)?;
    if let Some(settlement) = fields.find("st")
        && unsigned(settlement)? != 1
    {
        return Err("another market".into());
    }
    let symbol = string(fields.get("s")?)?;
    let instrument = instruments.find(market, symbol.as_bytes());
    let instrument = instrument.ok_or("unknown symbol")?;
    match kind.as_str() {
        "depthUpdate" => depth(&fields, instrument),
        "bookTicker" => book_ticker(&fields, instrument),
        "trade" => trade(&fields, instrument),
        "aggTrade" => agg_trade(&fields, instrument),
        _ => mark_price(&fields, instrument),
    }
}

fn depth(fields: &Members<'_>, instrument: &Instrument) -> Refused<Owned> {
    let event_time = time(fields.get("E")?)?;
    let usdm = instrument.market == Market::UsdM;
    let header = DepthHeader {
        instrument: instrument.id,
        first_update_id: UpdateId(unsigned(fields.get("U")?)?),
        last_update_id: UpdateId(unsigned(fields.get("u")?)?),
        previous_update_id: UpdateId(if usdm {
            unsigned(fields.get("pu")?)?
        } else {
            0
        }),
        event_time,
        transaction_time: if usdm {
            time(fields.get("T")?)?
        } else {
            event_time
        },
    };
    if header.first_update_id > header.last_update_id {
        return Err("U after u".into());
    }
    let bids = levels(fields.get("b")?, instrument)?;
    let asks = levels(fields.get("a")?, instrument)?;
    if bids.len() + asks.len() > LEVELS_MAX {
        return Err("too many levels".into());
    }
    Ok(Owned::Depth(header, bids, asks))
}

fn book_ticker(fields: &Members<'_>, instrument: &Instrument) -> Refused<Owned> {
    let usdm = instrument.market == Market::UsdM;
    let when = |name| {
        if usdm {
            time(fields.get(name)?)
        } else {
            Ok(UtcMs(0))
        }
    };
    let side = |price_name, quantity_name| {
        Ok::<_, String>(Level {
            price: above_zero(price(fields.get(price_name)?, instrument)?)?,
            quantity: above_zero(quantity(fields.get(quantity_name)?, instrument)?)?,
        })
    };
    Ok(Owned::BookTicker(BookTicker {
        instrument: instrument.id,
        update_id: UpdateId(unsigned(fields.get("u")?)?),
        bid: side("b", "B")?,
        ask: side("a", "A")?,
        event_time: when("E")?,
        transaction_time: when("T")?,
    }))
}

fn trade(fields: &Members<'_>, instrument: &Instrument) -> Refused<Owned> {
    let from_book = match fields.find("X") {
        Some(kind) => string(kind)? == "MARKET",
        None => true,
    };
    let (price_text, quantity_text) = (fields.get("p")?, fields.get("q")?);
    let (price, quantity) = if from_book {
        (
            above_zero(price(price_text, instrument)?)?,
            above_zero(quantity(quantity_text, instrument)?)?,
        )
    } else {
        (
            nearest_tick(price_text, instrument)?,
            quantity(quantity_text, instrument)?,
        )
    };
    Ok(Owned::Trade(Trade {
        instrument: instrument.id,
        trade_id: TradeId(unsigned(fields.get("t")?)?),
        price,
        quantity,
        aggressor: aggressor(fields)?,
        from_book,
        transaction_time: time(fields.get("T")?)?,
        event_time: time(fields.get("E")?)?,
    }))
}

fn agg_trade(fields: &Members<'_>, instrument: &Instrument) -> Refused<Owned> {
    let id = |name| Ok::<_, String>(TradeId(unsigned(fields.get(name)?)?));
    Ok(Owned::AggTrade(AggTrade {
        instrument: instrument.id,
        aggregate_id: id("a")?,
        first_trade_id: id("f")?,
        last_trade_id: id("l")?,
        price: above_zero(price(fields.get("p")?, instrument)?)?,
        quantity: above_zero(quantity(fields.get("q")?, instrument)?)?,
        aggressor: aggressor(fields)?,
        transaction_time: time(fields.get("T")?)?,
        event_time: time(fields.get("E")?)?,
    }))
}

fn mark_price(fields: &Members<'_>, instrument: &Instrument) -> Refused<Owned> {
    let rate = number(fields.get("r")?)?;
    let rate = if rate.is_empty() {
        0
    } else {
        let rate = market::parse_signed_decimal(rate.as_bytes(), 8);
        rate.map_err(|error| error.to_string())?
    };
    Ok(Owned::MarkPrice(MarkPrice {
        instrument: instrument.id,
        mark: above_zero(nearest_tick(fields.get("p")?, instrument)?)?,
        funding_rate: Rate(rate),
        next_funding_time: time(fields.get("T")?)?,
        event_time: time(fields.get("E")?)?,
    }))
}

fn aggressor(fields: &Members<'_>) -> Refused<Side> {
    match fields.get("m")?.get() {
        "true" => Ok(Side::Sell),
        "false" => Ok(Side::Buy),
        _ => Err("m is no boolean".into()),
    }
}

fn control(frame: &Members<'_>) -> Refused<Owned> {
    let mut id: Option<Option<u64>> = None;
    let mut error_code: Option<i64> = None;
    for (key, value) in &frame.0 {
        match key.as_str() {
            "id" => {
                let known = if value.get().as_bytes()[0].is_ascii_digit() {
                    Some(unsigned(value)?)
                } else {
                    sound(value, NESTING_MAX)?;
                    None
                };
                if id.replace(known).is_some() {
                    return Err("id twice".into());
                }
            }
            "code" => code(value, &mut error_code)?,
            "error" => {
                for (key, value) in &object(value)?.0 {
                    match key.as_str() {
                        "code" => code(value, &mut error_code)?,
                        _ => sound(value, NESTING_MAX)?,
                    }
                }
            }
            _ => sound(value, NESTING_MAX)?,
        }
    }
    Ok(Owned::Control(ControlReply {
        id: id.flatten(),
        error_code,
    }))
}

fn code(value: &RawValue, slot: &mut Option<i64>) -> Refused<()> {
    let code: i64 = serde_json::from_str(value.get()).map_err(|error| error.to_string())?;
    if slot.replace(code).is_some() {
        return Err("code twice".into());
    }
    Ok(())
}
