//! Strategies: an enum with static dispatch; each folder has the same files.
//!
//! In: a [`Context`]: signal, position, time. Out: [`DesiredOrders`]. Never: an order of their
//! own; the planner, risk and the order table come after.

pub mod dummy;
pub mod imbalance;

mod context;
mod desired;
mod prices;
mod runner;

pub use context::{Context, Decision};
pub use desired::{DESIRED_MAX, Desired, DesiredOrders, Purpose};
pub use prices::{PriceRounding, moved, target_price};
pub use runner::Strategy;
