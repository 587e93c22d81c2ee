//! The arrival log: every market event and every order with its time, so that `matching` alone
//! makes the same fills, fees and positions of it.
//!
//! In: the venues' inputs; a log. Out: one line an input ([`write`]); the venues that a log makes
//! (by `replay`). Never: a float, an answer, a secret.
//!
//! ```text
//! # fulcrum arrivals 1
//! V usdm wallet maker taker leverage first-order first-trade queue-model   how a venue starts
//! B usdm quote base …                                                      spot's balances
//! I usdm symbol tick lot price-decimals quantity-decimals filters…         an instrument
//! S usdm instrument last-update-id n [price lots]… n [price lots]…         a snapshot
//! D usdm ms instrument first last previous n [price lots]… n [price lots]… a difference
//! K usdm ms instrument update-id bid lots ask lots                         a book ticker
//! T usdm ms instrument id price lots aggressor from-book                   a trade
//! M usdm instrument ticks                                                  a mark price
//! P usdm ms instrument client-id side type lifetime price lots reduce-only leg stp good-till an order
//! C usdm ms order-id                                                       a cancel
//! A usdm ms order-id price lots                                            a modification
//! H usdm ms order-id lots client-id                                        a smaller quantity
//! Q spot ms kind client-id [instrument … as behind P's ms]…                a list of orders
//! g spot ms                                                                stops that were due
//! L usdm instrument leverage                                               leverage
//! N usdm instrument cross|isolated                                         margin type
//! W usdm hedge                                                             position mode
//! U usdm ms instrument leg amount                                          isolated margin
//! Z usdm balance price, or Z usdm -                                        fees in BNB
//! F usdm ms instrument rate                                                funding
//! Y usdm ms                                                                liquidations
//! G usdm ms                                                                orders whose end came
//! f usdm ms order-id lots slices                                           a fill of the exchange's own
//! e usdm ms order-id state reason                                          an end of its own
//! p usdm …                                                                 an order of its own, as P
//! m usdm ms amount reason                                                  money that moved
//! n usdm fills                                                             fees in another asset
//! i usdm instrument filters…                                               other filters
//! s usdm instrument status                                                 opened or halted
//! O usdm wallet maker taker tier leverage, or with quote base…             one more account
//! X usdm account                                                           whose calls follow
//! ```
//!
//! Behind an order's good-till stands what most do not have: `match=QUEUE`, `stop=ticks/bips`,
//! `take-profit=ticks/bips`, `quote=money`, `strategy=n`, `strategy-kind=n`.
//!
//! Prices are ticks, quantities lots, money and rates 1e-8, times UTC in ms.

mod read;
mod write;

pub use read::replay;
pub use write::ArrivalLog;

const FIRST_LINE: &str = "# fulcrum arrivals 1";
const CROSS: &str = "cross";
const ISOLATED: &str = "isolated";
const STOP: &str = "stop";
const TAKE_PROFIT: &str = "take-profit";

#[cfg(test)]
mod tests;
