//! Latency in production: the way of every event, stage by stage.
//!
//! In: stamps of the hot threads. Out: histograms, the worst events, stalls told apart from work.
//! Never: a cost for a hot thread beyond its stamps and one slot in a ring.
//!
//! | room | what it is |
//! |---|---|
//! | [`way`] | the stations of one event, in one slot of a ring |
//! | [`way_log`] | that ring: lossy, counted |
//! | [`stall`] | a spinning loop that was stopped by somebody |
//! | [`collector`] | the cold side: from ring to cells |
//! | [`worst`] | the slowest events with their sequence |
//! | [`steal`] | what the host took from the engine's core |
//! | [`watch`] | all of it, for the two sides |

pub mod collector;
pub mod stall;
pub mod steal;
pub mod watch;
pub mod way;
pub mod way_log;
pub mod worst;
