//! The place where the product's inline path plugs in.
//!
//! In: a session. Out: the orders that it wrote. Never: a stand-in; while there is none, rows e, f
//! and g say so.

use super::{Session, Written};

/// Whether the inline path is wired up here.
pub(super) const IS_THERE: bool = false;

/// Connects to `/market` and `/orders` of the session, hands both connections to the inline
/// thread, pinned to the session's core, and returns what it wrote when the market closes.
pub(super) fn run(_session: &Session<'_>) -> Result<Vec<Written>, String> {
    Err("the inline path is not wired up yet".to_string())
}
