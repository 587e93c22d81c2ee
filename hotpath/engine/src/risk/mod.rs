//! Risk: the last word before an order leaves.
//!
//! In: an order and everything that speaks against it. Out: [`crate::Approved`] or a denial.
//! Never: a limit that blocks a cancel or an order that reduces (I18).

mod breakers;
mod controls;
mod memory;
mod recent;
#[cfg(test)]
mod tests;
mod throttle;
mod trading;

pub use breakers::{Breakers, LEVEL_STOP, Trip};
pub use controls::{
    AccountView, BookView, RiskView, check, check_amend, fitted_exit_price, margin_of,
    worst_notional,
};
pub use memory::{BreakerMemory, Cooldown};
pub use recent::{INCIDENTS_MAX, Recent};
pub use throttle::Throttle;
pub use trading::Trading;
