//! A visitor of its own, without allocation: the best that serde can do.
//!
//! In: a frame. Out: fixed-point pairs in vectors that are reused. Never: a vector of texts.

use super::fixed::Scale;
use super::{Decoder, Depth};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::hint::black_box;

/// What the visitor fills.
struct Target {
    scale: Scale,
    ids: [u64; 3],
    bids: Vec<(i64, i64)>,
    asks: Vec<(i64, i64)>,
}

impl Target {
    fn new(scale: Scale) -> Self {
        Self {
            scale,
            ids: [0; 3],
            bids: Vec::new(),
            asks: Vec::new(),
        }
    }

    fn levels(&self) -> usize {
        let target = black_box(self);
        target.bids.len() + target.asks.len()
    }

    fn depth(&self) -> Depth {
        self.scale.depth(self.ids, &self.bids, &self.asks)
    }
}

struct Message<'t>(&'t mut Target);

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a depthUpdate")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let target = self.0;
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "U" => target.ids[0] = map.next_value()?,
                "u" => target.ids[1] = map.next_value()?,
                "pu" => target.ids[2] = map.next_value()?,
                "b" => map.next_value_seed(Side(target.scale, &mut target.bids))?,
                "a" => map.next_value_seed(Side(target.scale, &mut target.asks))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Side<'t>(Scale, &'t mut Vec<(i64, i64)>);

impl<'de> DeserializeSeed<'de> for Side<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Side<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of levels")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut levels: A) -> Result<(), A::Error> {
        self.1.clear();
        while let Some((price, quantity)) = levels.next_element::<(&str, &str)>()? {
            let level = self.0.level(price, quantity);
            self.1
                .push(level.ok_or_else(|| serde::de::Error::custom("no decimal"))?);
        }
        Ok(())
    }
}

/// serde_json with the visitor.
pub(super) struct SerdeVisitor(Target);

impl SerdeVisitor {
    pub(super) fn new(scale: Scale) -> Self {
        Self(Target::new(scale))
    }

    fn read(&mut self, frame: &[u8]) -> Result<(), String> {
        let mut deserializer = serde_json::Deserializer::from_slice(frame);
        Message(&mut self.0)
            .deserialize(&mut deserializer)
            .map_err(|error| error.to_string())
    }
}

/// sonic-rs with the visitor.
pub(super) struct SonicVisitor(Target);

impl SonicVisitor {
    pub(super) fn new(scale: Scale) -> Self {
        Self(Target::new(scale))
    }

    fn read(&mut self, frame: &[u8]) -> Result<(), String> {
        let mut deserializer = sonic_rs::Deserializer::from_slice(frame);
        Message(&mut self.0)
            .deserialize(&mut deserializer)
            .map_err(|error| error.to_string())
    }
}

macro_rules! by_visitor {
    ($type:ident, $name:literal) => {
        impl Decoder for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn decode(&mut self, frame: &[u8]) -> usize {
                self.read(frame).expect("checked before the first round");
                self.0.levels()
            }

            fn depth(&mut self, frame: &[u8]) -> Result<Depth, String> {
                self.read(frame)?;
                Ok(self.0.depth())
            }
        }
    };
}

by_visitor!(SerdeVisitor, "serde_json, visitor, no allocation");
by_visitor!(SonicVisitor, "sonic-rs, visitor, no allocation");
