//! Words and numbers as values of a text format that serde knows.
//!
//! In: the types that a venue keeps. Out: a number for a newtype, the usual word for a closed list,
//! a text for a text. Never: a float; a word that is not one of its list.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{ExchangeOrderId, InstrumentId, Text, TradeId};
use crate::order::{Liquidity, OrderState, OrderType, Side, TimeInForce};
use crate::units::{Money, Price, Quantity, Rate, UtcMs};

macro_rules! numbers {
    ($($name:ident($inner:ty)),* $(,)?) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$inner>::deserialize(deserializer).map(Self)
            }
        }
    )*};
}

numbers!(
    Price(i64),
    Quantity(i64),
    Money(i64),
    Rate(i64),
    UtcMs(i64),
    InstrumentId(u16),
    TradeId(u64),
    ExchangeOrderId(u64),
);

/// Reads a text as what `parse` makes of it.
struct Words<T> {
    parse: fn(&str) -> Option<T>,
    expected: &'static str,
    of: PhantomData<T>,
}

impl<T> Visitor<'_> for Words<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let found = (self.parse)(text);
        found.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

macro_rules! words {
    ($($name:ident),* $(,)?) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Words {
                    parse: Self::from_word,
                    expected: concat!("a word of ", stringify!($name)),
                    of: PhantomData,
                })
            }
        }
    )*};
}

words!(Side, OrderType, TimeInForce, OrderState, Liquidity);

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Words {
            parse: |text| Self::new(text.as_bytes()),
            expected: "a text that is not too long",
            of: PhantomData,
        })
    }
}
