//! Topics by name.
//!
//! In: names. Out: which picture or which facts. Never: a name that two instruments share.

use market::{Market, Symbol};
use settings::InstrumentKey;

/// What is told under a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// How it is now: the newest counts.
    Picture(Picture),
    /// What happened: each once, in order.
    Facts(Facts),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Picture {
    Status,
    Account,
    Positions,
    Signals,
    Risk,
    Latency,
    Book(Market, Symbol),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Facts {
    Orders,
    Fills,
    Trades,
    Events,
}

/// Those that every account has.
const COMMON: [(&str, Kind); 10] = [
    ("status", Kind::Picture(Picture::Status)),
    ("account", Kind::Picture(Picture::Account)),
    ("positions", Kind::Picture(Picture::Positions)),
    ("orders", Kind::Facts(Facts::Orders)),
    ("fills", Kind::Facts(Facts::Fills)),
    ("trades", Kind::Facts(Facts::Trades)),
    ("signals", Kind::Picture(Picture::Signals)),
    ("risk", Kind::Picture(Picture::Risk)),
    ("latency", Kind::Picture(Picture::Latency)),
    ("events", Kind::Facts(Facts::Events)),
];

/// Every topic of the account that is served.
#[derive(Clone, Debug)]
pub struct Topics(Vec<(String, Kind)>);

impl Topics {
    /// The common ones, and a book for each instrument: `book:SYMBOL`, or `book:MARKET:SYMBOL` where
    /// two markets have the symbol.
    #[must_use]
    pub fn of(instruments: &[InstrumentKey]) -> Self {
        let mut all: Vec<(String, Kind)> = COMMON
            .iter()
            .map(|(name, kind)| ((*name).to_string(), *kind))
            .collect();
        for one in instruments {
            let same = instruments
                .iter()
                .filter(|other| other.symbol == one.symbol);
            let name = match same.count() {
                1 => format!("book:{}", one.symbol),
                _ => format!("book:{}:{}", one.market, one.symbol),
            };
            all.push((name, Kind::Picture(Picture::Book(one.market, one.symbol))));
        }
        Self(all)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Kind)> {
        self.0.iter().map(|(_, kind)| *kind).enumerate()
    }

    pub(super) fn name(&self, topic: usize) -> &str {
        &self.0[topic].0
    }

    pub(super) fn kind(&self, topic: usize) -> Kind {
        self.0[topic].1
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The numbers of the topics with these names.
    ///
    /// # Errors
    /// Names the first that is none, and all there are.
    pub fn find<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<usize>, String> {
        let find = |name: &str| {
            let found = self.names().position(|one| one == name);
            found.ok_or_else(|| {
                let short: String = name.chars().take(64).collect();
                let all: Vec<&str> = self.names().collect();
                format!("no topic is named `{short}`; there are {}", all.join(", "))
            })
        };
        names.into_iter().map(find).collect()
    }
}

/// Start of the hot path and sequence.
pub(super) type Place = (u64, u64);

/// Reads `GENERATION-SEQUENCE`.
///
/// # Errors
/// What is allowed.
pub fn place_of(text: &str) -> Result<(u64, u64), String> {
    let parsed = text.split_once('-').and_then(|(generation, sequence)| {
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse::<u64>().ok()).flatten()
        };
        Some((number(generation)?, number(sequence)?))
    });
    let fits = |place: &(u64, u64)| [place.0, place.1].into_iter().all(|one| one < 1 << 63);
    parsed.filter(fits).ok_or_else(|| {
        let short: String = text.chars().take(64).collect();
        format!("after: found `{short}`; allowed: GENERATION-SEQUENCE, as a row's `place` is")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(market: Market, symbol: &str) -> InstrumentKey {
        InstrumentKey {
            market,
            symbol: Symbol::new(symbol.as_bytes()).unwrap(),
        }
    }

    #[test]
    fn books_are_named_by_symbol_unless_two_markets_have_it() {
        let topics = Topics::of(&[
            key(Market::UsdM, "BTCUSDT"),
            key(Market::Spot, "BTCUSDT"),
            key(Market::Spot, "ETHUSDT"),
        ]);
        let books: Vec<&str> = topics.names().skip(COMMON.len()).collect();
        let wanted = ["book:usdm:BTCUSDT", "book:spot:BTCUSDT", "book:ETHUSDT"];
        assert_eq!(books, wanted);
        assert_eq!(topics.find(["fills", "status"]), Ok(vec![4, 0]));
        let refused = topics.find(["status", "book:BTCUSDT"]).unwrap_err();
        assert!(refused.contains("`book:BTCUSDT`") && refused.contains("book:spot:BTCUSDT"));
    }

    #[test]
    fn a_place_is_two_numbers() {
        assert_eq!(place_of("3-17"), Ok((3, 17)));
        for text in ["", "3", "-", "3-", "+3-1", "3-1-2", "9223372036854775808-1"] {
            assert!(place_of(text).is_err(), "{text}");
        }
    }
}
