//! Row b: a difference enters the book, then the lots of the top five levels are summed.
//!
//! In: differences that were decoded beforehand into each one's own types. Out: nanoseconds a
//! message of each book. Never: a book in the table whose sums differ from the reference after any
//! message.
//!
//! To add a contender: implement [`Contender`] in a file of its own and name it in [`contenders`].

mod barter;
mod decoded;
mod hftbacktest;
mod maps;
mod nautilus;
mod ours;

pub(crate) use barter::{barter_book, barter_event, barter_top};
pub(crate) use decoded::Decoded;
pub(crate) use ours::{begin as begin_ours, top as top_of_ours};

use crate::input::Input;
use crate::reference::Reference;
use crate::rounds::{Figures, Lane, interleave, per_message};

/// A book with its own decoded input.
pub(crate) trait Contender {
    /// As the table names it.
    fn name(&self) -> &'static str;

    /// The book before the first message.
    fn reset(&mut self);

    /// Applies one message and sums the top; the sum has gone through `black_box`.
    fn message(&mut self, index: usize);

    /// Lots of the top; for comparison.
    fn top(&mut self) -> [i64; 2];

    /// All messages; a default so that the inner loop knows its book.
    fn run(&mut self, count: usize) {
        for index in 0..count {
            self.message(index);
        }
    }
}

/// Ours first.
fn contenders<'a>(input: &'a Input, decoded: &'a Decoded) -> Vec<Box<dyn Contender + 'a>> {
    vec![
        Box::new(ours::Ours::new(input, decoded)),
        Box::new(hftbacktest::roi_vector(input, decoded)),
        Box::new(hftbacktest::hash_map(input, decoded)),
        Box::new(hftbacktest::btree(input, decoded)),
        Box::new(maps::Integers::new(input, decoded)),
        Box::new(maps::Decimals::new(input, decoded)),
        Box::new(nautilus::Nautilus::new(input, decoded)),
        Box::new(barter::Barter::new(input)),
    ]
}

/// Checks everybody after every message, then measures.
pub(crate) fn measure(input: &Input, rounds: usize) -> Result<Figures, String> {
    let decoded = Decoded::new(input)?;
    let mut books = contenders(input, &decoded);
    check(input, &decoded, &mut books)?;
    let count = input.len();
    let mut lanes: Vec<Lane<'_>> = books
        .iter_mut()
        .map(|book| {
            Lane::new(book.name(), || {
                book.reset();
                per_message(count, || book.run(count))
            })
        })
        .collect();
    Ok(interleave(
        &format!("b. book, {}", input.name),
        &mut lanes,
        rounds,
    ))
}

fn check(
    input: &Input,
    decoded: &Decoded,
    books: &mut [Box<dyn Contender + '_>],
) -> Result<(), String> {
    for book in books.iter_mut() {
        let mut reference = Reference::new(input.start_update_id, &input.bids, &input.asks);
        book.reset();
        for index in 0..input.len() {
            let update = decoded.update(index);
            reference.apply(update.bids, update.asks);
            book.message(index);
            let (theirs, expected) = (book.top(), reference.top());
            if theirs != expected {
                return Err(format!(
                    "{}: message {index}: the top five of {} are {theirs:?}, not {expected:?}",
                    input.name,
                    book.name()
                ));
            }
        }
    }
    Ok(())
}
