//! `hot_io = "inline"`: one pinned thread that reads the sockets itself, steps the engine and
//! writes the orders.
//!
//! In: connections that the cold side has opened, commands, cold inputs. Out: orders on the wire
//! from the very turn in which their market data was read. Never: a wait, a lock, an allocation of
//! our own, a system call but receives and sends.
//!
//! ```text
//!   order and private sockets --> [ turn: commands, replies and fills, cold, market ] --> orders
//!   market sockets ------------->          |  ^
//!                          dial requests   v  |  connected sockets
//!                                     [ cold side ]
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | [`thread`] | the loop |
//! | [`market`], [`desk`], [`private`] | session machines with their sockets |
//! | [`wire`] | a socket's place: asked for, open, given up |
//! | [`dialing`] | what the two sides hand each other |
//! | [`rehearsal`] | the way of an order, walked for practice while nothing comes |
//! | [`cold`] | who opens and drops sockets, keeps listen keys and logs |
//! | [`assembly`] | all of it from a start |

pub mod assembly;
pub mod cold;
pub mod desk;
pub mod dialing;
pub mod market;
pub mod private;
pub mod rehearsal;
pub mod thread;
pub mod wire;
