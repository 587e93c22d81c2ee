//! What the venue does with orders and money, from outside.
//!
//! In: markets and orders. Out: passes, or the rule that is broken. Never: a program of its own for
//! each of these files.

mod support;

mod accounting;
mod accounting_properties;
mod conditional;
mod rare;
mod records;
mod refusals;
mod spot_properties;
mod stops_and_lists;
mod venue;
