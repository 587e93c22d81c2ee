//! The first thing that one writes: owned strings, then `f64`.
//!
//! In: a frame. Out: two vectors of floats. Never: a reused buffer; there is none to reuse.

use super::fixed::Scale;
use super::{Decoder, Depth};
use serde::Deserialize;
use std::hint::black_box;

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "U")]
    first: u64,
    u: u64,
    pu: u64,
    b: Vec<[String; 2]>,
    a: Vec<[String; 2]>,
}

type Floats = Vec<(f64, f64)>;

impl Message {
    fn floats(&self) -> Result<(Floats, Floats), String> {
        let side = |levels: &[[String; 2]]| -> Result<Floats, String> {
            levels
                .iter()
                .map(|[price, quantity]| {
                    let bad = |error: std::num::ParseFloatError| error.to_string();
                    Ok((price.parse().map_err(bad)?, quantity.parse().map_err(bad)?))
                })
                .collect()
        };
        Ok((side(&self.b)?, side(&self.a)?))
    }

    fn depth(&self, scale: Scale) -> Result<Depth, String> {
        let (bids, asks) = self.floats()?;
        let side = |levels: Floats| {
            let pairs = levels.into_iter().map(|one| scale.of_floats(one.0, one.1));
            pairs.collect::<Vec<_>>()
        };
        Ok(scale.depth([self.first, self.u, self.pu], &side(bids), &side(asks)))
    }

    fn finish(self) -> usize {
        let floats = self.floats().expect("checked before the first round");
        let (bids, asks) = black_box(floats);
        bids.len() + asks.len()
    }
}

macro_rules! owned {
    ($type:ident, $name:literal, $read:path) => {
        pub(super) struct $type(Scale);

        impl $type {
            pub(super) fn new(scale: Scale) -> Self {
                Self(scale)
            }
        }

        impl Decoder for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn decode(&mut self, frame: &[u8]) -> usize {
                let message: Message = $read(frame).expect("checked before the first round");
                message.finish()
            }

            fn depth(&mut self, frame: &[u8]) -> Result<Depth, String> {
                let message: Message = $read(frame).map_err(|error| error.to_string())?;
                message.depth(self.0)
            }
        }
    };
}

owned!(
    SerdeOwned,
    "serde_json, owned strings, f64",
    serde_json::from_slice
);
owned!(
    SonicOwned,
    "sonic-rs, owned strings, f64",
    sonic_rs::from_slice
);
