//! Row a: a depth frame becomes ticks and lots.
//!
//! In: the same bytes for everybody. Out: nanoseconds a message of each decoder. Never: a decoder
//! in the table whose result differs from ours in any level of any frame.
//!
//! To add a contender: implement [`Decoder`] in a file of its own and name it in [`contenders`].

mod barter;
mod borrowed;
mod fixed;
mod ours;
mod owned;
mod tape;
mod visitor;

pub(crate) use barter::{BarterUpdate, barter_update};
pub(crate) use ours::Ours;

use crate::input::Input;
use crate::rounds::{Figures, Lane, interleave, per_message};
use std::hint::black_box;

/// Name of our lane in every part.
pub(crate) const OURS: &str = "fulcrum";

/// A difference as every decoder must have understood it: `U`, `u`, `pu`, ticks and lots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) ids: [u64; 3],
    pub(crate) bids: Vec<(i64, i64)>,
    pub(crate) asks: Vec<(i64, i64)>,
}

/// A way from bytes to numbers.
pub(crate) trait Decoder {
    /// As the table names it.
    fn name(&self) -> &'static str;

    /// Decodes one frame as its users would and returns how many levels it had. What it decoded
    /// has gone through `black_box`.
    fn decode(&mut self, frame: &[u8]) -> usize;

    /// The same for comparison; may be slow.
    fn depth(&mut self, frame: &[u8]) -> Result<Depth, String>;

    /// All frames; a default so that the inner loop knows its decoder.
    fn run(&mut self, input: &Input) -> usize {
        input
            .frames()
            .map(|frame| self.decode(black_box(frame)))
            .sum()
    }
}

/// Ours first.
fn contenders(input: &Input) -> Vec<Box<dyn Decoder>> {
    let scale = fixed::Scale::of(&input.instrument);
    vec![
        Box::new(Ours::new(input)),
        Box::new(barter::Barter::new(scale)),
        Box::new(tape::SimdJsonTape::new(scale)),
        Box::new(visitor::SonicVisitor::new(scale)),
        Box::new(visitor::SerdeVisitor::new(scale)),
        Box::new(borrowed::SonicTyped::new(scale)),
        Box::new(borrowed::SimdJsonTyped::new(scale)),
        Box::new(borrowed::SerdeBorrowed::new(scale)),
        Box::new(borrowed::SerdeDecimal::new(scale)),
        Box::new(owned::SerdeOwned::new(scale)),
        Box::new(owned::SonicOwned::new(scale)),
    ]
}

/// Checks everybody on every frame, then measures.
pub(crate) fn measure(input: &Input, rounds: usize) -> Result<Figures, String> {
    let mut decoders = contenders(input);
    check(input, &mut decoders)?;
    let mut lanes: Vec<Lane<'_>> = decoders
        .iter_mut()
        .map(|decoder| {
            Lane::new(decoder.name(), || {
                per_message(input.len(), || {
                    black_box(decoder.run(input));
                })
            })
        })
        .collect();
    Ok(interleave(
        &format!("a. decoder, {}", input.name),
        &mut lanes,
        rounds,
    ))
}

fn check(input: &Input, decoders: &mut [Box<dyn Decoder>]) -> Result<(), String> {
    for (index, frame) in input.frames().enumerate() {
        let ours = decoders[0].depth(frame)?;
        for decoder in &mut decoders[1..] {
            let theirs = decoder.depth(frame)?;
            if theirs != ours {
                return Err(format!(
                    "{}: frame {index}: {} decodes another difference than {}",
                    input.name,
                    decoder.name(),
                    OURS
                ));
            }
        }
    }
    for decoder in decoders {
        let levels = decoder.run(input);
        if levels != input.changes {
            return Err(format!(
                "{}: {} counts {levels} level changes of {}",
                input.name,
                decoder.name(),
                input.changes
            ));
        }
    }
    Ok(())
}
