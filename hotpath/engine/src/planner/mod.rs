//! The planner: what is wanted against what is live.
//!
//! In: desired orders and live orders of one strategy on one instrument. Out: the fewest places
//! and cancels that lead there. Never: two live or unknown orders for one intent (I1).

mod plan;
#[cfg(test)]
mod tests;

pub use plan::{Action, Plan, PlanRules, plan};
