//! Row a+b: bytes become a book and the sum of its top five levels.
//!
//! In: frames. Out: nanoseconds a message of ours, of barter-data, and of the Python peers where
//! Python and their packages are. Never: a contender whose sums differ after any message.

use crate::books::{Decoded, barter_book, barter_event, barter_top, begin_ours, top_of_ours};
use crate::decoders::{OURS, Ours, barter_update};
use crate::input::Input;
use crate::python::Python;
use crate::reference::{Reference, TOP_LEVELS};
use crate::rounds::{Figures, Lane, interleave, per_message};
use engine::book::Imbalance;
use market::MonoNs;
use std::hint::black_box;

/// barter-data from bytes to sums.
pub(crate) const BARTER: &str = "barter-data, whole message";

/// Measures everybody; `python` brings the peers that it has.
pub(crate) fn measure(
    input: &Input,
    python: Option<&Python>,
    rounds: usize,
) -> Result<Figures, String> {
    check(input)?;
    let names = python.map_or(&[][..], Python::names);
    if let Some(python) = python {
        check_python(input, python)?;
    }
    let mut lanes = vec![
        Lane::new(OURS, || ours(input)),
        Lane::new(BARTER, || barter(input)),
    ];
    for name in names {
        lanes.push(Lane::new(name.clone(), move || {
            let python = python.expect("names come from it");
            python
                .run(name)
                .expect("its first run showed that it works")
        }));
    }
    Ok(interleave(
        &format!("a+b. whole message, {}", input.name),
        &mut lanes,
        rounds,
    ))
}

fn ours(input: &Input) -> f64 {
    let mut decoder = Ours::new(input);
    let mut book = begin_ours(input);
    per_message(input.len(), || {
        for frame in input.frames() {
            let update = decoder
                .update(black_box(frame))
                .expect("checked before the first round");
            black_box(book.apply(&update, MonoNs(2)));
            black_box(book.imbalance(TOP_LEVELS).ok());
        }
    })
}

fn barter(input: &Input) -> f64 {
    let mut book = barter_book(input);
    per_message(input.len(), || {
        for frame in input.frames() {
            let update = barter_update(black_box(frame)).expect("checked before the first round");
            book.update(&barter_event(update));
            black_box(barter_top(&book));
        }
    })
}

/// The sums of the reference after each message.
fn expected(input: &Input) -> Result<Vec<[i64; 2]>, String> {
    let mut reference = Reference::new(input.start_update_id, &input.bids, &input.asks);
    let decoded = Decoded::new(input)?;
    let sums = decoded.updates().map(|update| {
        reference.apply(update.bids, update.asks);
        reference.top()
    });
    Ok(sums.collect())
}

/// Ours as it is run here; barter-data's parts are checked in rows a and b.
fn check(input: &Input) -> Result<(), String> {
    let mut decoder = Ours::new(input);
    let mut book = begin_ours(input);
    for (index, expected) in expected(input)?.iter().enumerate() {
        let update = decoder.update(input.frame(index))?;
        book.apply(&update, MonoNs(2));
        let imbalance: Option<Imbalance> = book.imbalance(TOP_LEVELS).ok();
        if top_of_ours(imbalance) != *expected {
            return Err(format!("{}: message {index}: other sums", input.name));
        }
    }
    Ok(())
}

fn check_python(input: &Input, python: &Python) -> Result<(), String> {
    let expected = expected(input)?;
    for name in python.names() {
        let sums = python.sums(name)?;
        if sums.len() != python.count() || sums[..] != expected[..sums.len()] {
            let at = sums
                .iter()
                .zip(&expected)
                .position(|(one, other)| one != other);
            return Err(format!(
                "{}: {name}: {} sums, the first other one at {at:?}",
                input.name,
                sums.len()
            ));
        }
    }
    Ok(())
}
