//! Typed, with borrowed texts: what a careful user of serde writes.
//!
//! In: a frame. Out: fixed-point pairs in vectors that are reused. Never: a string of its own.

use super::fixed::Scale;
use super::{Decoder, Depth};
use rust_decimal::Decimal;
use serde::Deserialize;
use std::hint::black_box;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "U")]
    first: u64,
    u: u64,
    pu: u64,
    #[serde(borrow)]
    b: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    a: Vec<(&'a str, &'a str)>,
}

/// Levels that are kept from message to message.
struct Sides {
    scale: Scale,
    bids: Vec<(i64, i64)>,
    asks: Vec<(i64, i64)>,
}

impl Sides {
    fn new(scale: Scale) -> Self {
        Self {
            scale,
            bids: Vec::new(),
            asks: Vec::new(),
        }
    }

    fn take(&mut self, message: &Message<'_>) -> Option<usize> {
        for (side, levels) in [(&mut self.bids, &message.b), (&mut self.asks, &message.a)] {
            side.clear();
            for (price, quantity) in levels {
                side.push(self.scale.level(price, quantity)?);
            }
        }
        let sides = black_box(&*self);
        Some(sides.bids.len() + sides.asks.len())
    }

    fn depth(&self, ids: [u64; 3]) -> Depth {
        self.scale.depth(ids, &self.bids, &self.asks)
    }
}

macro_rules! typed {
    ($type:ident, $name:literal, $read:path) => {
        pub(super) struct $type(Sides);

        impl $type {
            pub(super) fn new(scale: Scale) -> Self {
                Self(Sides::new(scale))
            }
        }

        impl Decoder for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn decode(&mut self, frame: &[u8]) -> usize {
                let message: Message<'_> = $read(frame).expect("checked before the first round");
                self.0
                    .take(&message)
                    .expect("checked before the first round")
            }

            fn depth(&mut self, frame: &[u8]) -> Result<Depth, String> {
                let message: Message<'_> = $read(frame).map_err(|error| error.to_string())?;
                self.0.take(&message).ok_or("no decimal")?;
                Ok(self.0.depth([message.first, message.u, message.pu]))
            }
        }
    };
}

typed!(
    SerdeBorrowed,
    "serde_json, borrowed, fixed point",
    serde_json::from_slice
);
typed!(
    SonicTyped,
    "sonic-rs, borrowed, fixed point",
    sonic_rs::from_slice
);

/// simd-json parses in place, so that each frame is copied first.
pub(super) struct SimdJsonTyped {
    sides: Sides,
    copy: Vec<u8>,
    buffers: simd_json::Buffers,
}

impl SimdJsonTyped {
    pub(super) fn new(scale: Scale) -> Self {
        Self {
            sides: Sides::new(scale),
            copy: Vec::new(),
            buffers: simd_json::Buffers::default(),
        }
    }

    fn read(&mut self, frame: &[u8]) -> Result<([u64; 3], usize), String> {
        self.copy.clear();
        self.copy.extend_from_slice(frame);
        let message: Message<'_> =
            simd_json::serde::from_slice_with_buffers(&mut self.copy, &mut self.buffers)
                .map_err(|error| error.to_string())?;
        let count = self.sides.take(&message).ok_or("no decimal")?;
        Ok(([message.first, message.u, message.pu], count))
    }
}

impl Decoder for SimdJsonTyped {
    fn name(&self) -> &'static str {
        "simd-json, borrowed, fixed point"
    }

    fn decode(&mut self, frame: &[u8]) -> usize {
        self.read(frame).expect("checked before the first round").1
    }

    fn depth(&mut self, frame: &[u8]) -> Result<Depth, String> {
        let (ids, _) = self.read(frame)?;
        Ok(self.sides.depth(ids))
    }
}

/// Borrowed texts into decimals.
pub(super) struct SerdeDecimal {
    scale: Scale,
    bids: Vec<(Decimal, Decimal)>,
    asks: Vec<(Decimal, Decimal)>,
}

impl SerdeDecimal {
    pub(super) fn new(scale: Scale) -> Self {
        Self {
            scale,
            bids: Vec::new(),
            asks: Vec::new(),
        }
    }

    fn read(&mut self, frame: &[u8]) -> Result<[u64; 3], String> {
        let message: Message<'_> =
            serde_json::from_slice(frame).map_err(|error| error.to_string())?;
        for (side, levels) in [(&mut self.bids, &message.b), (&mut self.asks, &message.a)] {
            side.clear();
            for (price, quantity) in levels {
                let bad = |error: rust_decimal::Error| error.to_string();
                let price = Decimal::from_str_exact(price).map_err(bad)?;
                let quantity = Decimal::from_str_exact(quantity).map_err(bad)?;
                side.push((price, quantity));
            }
        }
        Ok([message.first, message.u, message.pu])
    }
}

impl Decoder for SerdeDecimal {
    fn name(&self) -> &'static str {
        "serde_json, borrowed, rust_decimal"
    }

    fn decode(&mut self, frame: &[u8]) -> usize {
        self.read(frame).expect("checked before the first round");
        let (bids, asks) = black_box((&self.bids, &self.asks));
        bids.len() + asks.len()
    }

    fn depth(&mut self, frame: &[u8]) -> Result<Depth, String> {
        let ids = self.read(frame)?;
        let scale = self.scale;
        let side = |levels: &[(Decimal, Decimal)]| {
            let pairs = levels.iter().map(|one| scale.of_decimals(one.0, one.1));
            pairs.collect::<Vec<_>>()
        };
        Ok(scale.depth(ids, &side(&self.bids), &side(&self.asks)))
    }
}
