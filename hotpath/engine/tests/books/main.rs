//! Books against an exchange whose every version is known.
//!
//! In: seeds. Out: whenever a book says that it is usable, what it shows is the truth. Never: a look
//! into a book from inside.

mod exchange;
mod hostile_streams;
mod sixty_four;
