//! Risk: the last word before an order leaves.
//!
//! In: an order and everything that speaks against it. Out: [`crate::Approved`] or a denial.
//! Never: a limit that blocks a cancel or an order that reduces (I18).

mod breakers;
mod controls;
#[cfg(test)]
mod tests;
mod throttle;
mod trading;

pub use breakers::{BreakerTrips, Breakers};
pub use controls::{BookView, RiskView, check};
pub use throttle::Throttle;
pub use trading::Trading;
