//! The writer: one line an input.
//!
//! In: how venues start, their inputs. Out: lines. Never: a line that [`super::read`] cannot read.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use market::{Filters, Level, Market, UtcMs};
use matching::{ConditionalKind, Input, MarginType, PlaceOrder, VenueConfig};

use super::{CROSS, FIRST_LINE, ISOLATED, STOP, TAKE_PROFIT};

/// A log that is being written.
pub struct ArrivalLog {
    file: BufWriter<File>,
    line: String,
}

impl ArrivalLog {
    /// Starts a log.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "{FIRST_LINE}")?;
        Ok(Self {
            file,
            line: String::new(),
        })
    }

    /// Says how a venue starts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn venue(
        &mut self,
        market: Market,
        config: &VenueConfig,
        model: &str,
    ) -> std::io::Result<()> {
        let word = market.as_str();
        let fees = config.fees;
        writeln!(
            self.file,
            "V {word} {} {} {} {} {} {} {model}",
            config.wallet.0,
            fees.maker.0,
            fees.taker.0,
            config.leverage,
            config.first_order_id,
            config.first_trade_id
        )?;
        if let Some(spot) = &config.spot {
            let bases: Vec<String> = spot.bases.iter().map(|base| base.0.to_string()).collect();
            writeln!(self.file, "B {word} {} {}", spot.quote.0, bases.join(" "))?;
        }
        for one in &config.instruments {
            self.line.clear();
            write_filters(&mut self.line, &one.filters);
            writeln!(
                self.file,
                "I {word} {} {}/{} {}/{} {} {}{}",
                one.symbol.as_str(),
                one.tick.mantissa,
                one.tick.decimals,
                one.lot.mantissa,
                one.lot.decimals,
                one.price_decimals,
                one.quantity_decimals,
                self.line
            )?;
        }
        Ok(())
    }

    /// Writes inputs in their order.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn inputs(&mut self, market: Market, inputs: &[Input]) -> std::io::Result<()> {
        for input in inputs {
            self.line.clear();
            write_input(&mut self.line, market.as_str(), input);
            writeln!(self.file, "{}", self.line)?;
        }
        Ok(())
    }

    /// Puts on the disk what is still in memory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Writing to a text cannot fail: its results mean nothing.
pub(super) fn write_input(line: &mut String, market: &str, input: &Input) {
    match input {
        Input::Snapshot {
            instrument,
            last_update_id,
            bids,
            asks,
        } => {
            let _ = write!(line, "S {market} {} {}", instrument.0, last_update_id.0);
            write_levels(line, bids);
            write_levels(line, asks);
        }
        Input::Depth {
            now,
            header,
            bids,
            asks,
        } => {
            let _ = write!(line, "D {market} {} {} ", now.0, header.instrument.0);
            let (first, last) = (header.first_update_id.0, header.last_update_id.0);
            let _ = write!(line, "{first} {last} {}", header.previous_update_id.0);
            write_levels(line, bids);
            write_levels(line, asks);
        }
        Input::Ticker(now, ticker) => {
            let (bid, ask) = (ticker.bid, ticker.ask);
            let _ = write!(line, "K {market} {} {} ", now.0, ticker.instrument.0);
            let _ = write!(line, "{} {} ", ticker.update_id.0, bid.price.0);
            let rest = [bid.quantity.0, ask.price.0, ask.quantity.0];
            let _ = write!(line, "{} {} {}", rest[0], rest[1], rest[2]);
        }
        Input::Trade(now, trade) => {
            let _ = write!(line, "T {market} {} {} ", now.0, trade.instrument.0);
            let _ = write!(line, "{} {} ", trade.trade_id.0, trade.price.0);
            let aggressor = trade.aggressor.as_str();
            let _ = write!(line, "{} {aggressor} {}", trade.quantity.0, trade.from_book);
        }
        Input::Mark(instrument, mark) => {
            let _ = write!(line, "M {market} {} {}", instrument.0, mark.0);
        }
        order => write_order(line, market, order),
    }
}

fn write_order(line: &mut String, market: &str, input: &Input) {
    let _ = match input {
        Input::Place(now, request) => return write_request(line, "P", market, *now, request),
        Input::Force(now, request) => return write_request(line, "p", market, *now, request),
        Input::Cancel(now, id) => write!(line, "C {market} {} {}", now.0, id.0),
        Input::Modify(now, id, price, quantity) => {
            write!(
                line,
                "A {market} {} {} {} {}",
                now.0, id.0, price.0, quantity.0
            )
        }
        Input::Shrink(now, id, quantity, client_id) => {
            write!(
                line,
                "H {market} {} {} {} {client_id}",
                now.0, id.0, quantity.0
            )
        }
        Input::Trigger(now) => write!(line, "g {market} {}", now.0),
        Input::PlaceList(now, list) => {
            let (kind, id) = (list.kind.as_str(), list.client_id);
            let _ = write!(line, "Q {market} {} {kind} {id}", now.0);
            for order in &list.orders {
                line.push(' ');
                write_fields(line, order);
            }
            Ok(())
        }
        _ => return write_account_input(line, market, input),
    };
}

fn write_request(line: &mut String, kind: &str, market: &str, now: UtcMs, request: &PlaceOrder) {
    let _ = write!(line, "{kind} {market} {} ", now.0);
    write_fields(line, request);
}

fn write_fields(line: &mut String, request: &PlaceOrder) {
    let _ = write!(line, "{} ", request.instrument.0);
    let (id, side) = (request.client_order_id.as_str(), request.side.as_str());
    let _ = write!(line, "{id} {side} ");
    let (kind, lifetime) = (request.order_type, request.time_in_force);
    let _ = write!(line, "{} {} ", kind.as_str(), lifetime.as_str());
    let (price, quantity) = (request.price.0, request.quantity.0);
    let _ = write!(line, "{price} {quantity} {} ", request.reduce_only);
    let options = request.options;
    let _ = write!(line, "{} ", options.position_side.as_str());
    let good_till = options.good_till.map_or(0, |at| at.0);
    let _ = write!(line, "{} {good_till}", options.self_trade.as_str());
    if !options.price_match.is_empty() {
        let _ = write!(line, " match={}", options.price_match);
    }
    if let Some(stop) = options.stop {
        let kind = match stop.kind {
            ConditionalKind::Stop => STOP,
            ConditionalKind::TakeProfit => TAKE_PROFIT,
        };
        let _ = write!(line, " {kind}={}/{}", stop.price.0, stop.trailing_bips);
    }
    if options.quote.0 != 0 {
        let _ = write!(line, " quote={}", options.quote.0);
    }
    let (id, kind) = options.strategy;
    for (name, number) in [("strategy", id), ("strategy-kind", kind)] {
        if let Some(number) = number {
            let _ = write!(line, " {name}={number}");
        }
    }
}

fn write_filters(line: &mut String, filters: &Filters) {
    let (price_min, price_max) = (filters.price_min.0, filters.price_max.0);
    let _ = write!(line, " {price_min} {price_max}");
    let (least, most) = (filters.quantity_min.0, filters.quantity_max.0);
    let _ = write!(line, " {least} {most} {}", filters.market_quantity_max.0);
    let (up, down) = (filters.multiplier_up.0, filters.multiplier_down.0);
    let _ = write!(line, " {} {up} {down}", filters.notional_min.0);
    let _ = write!(line, " {}", filters.open_orders_max);
}

/// What the exchange does by itself.
fn write_adversity(line: &mut String, market: &str, input: &Input) {
    let _ = match input {
        Input::FillNow(now, id, quantity, slices) => {
            write!(
                line,
                "f {market} {} {} {} {slices}",
                now.0, id.0, quantity.0
            )
        }
        Input::EndNow(now, id, state, expiry) => {
            let (state, expiry) = (state.as_str(), expiry.as_str());
            write!(line, "e {market} {} {} {state} {expiry}", now.0, id.0)
        }
        Input::MoveMoney(now, amount, reason) => {
            write!(line, "m {market} {} {} {reason}", now.0, amount.0)
        }
        Input::FeesElsewhere(fills) => write!(line, "n {market} {fills}"),
        Input::Filters(instrument, filters) => {
            let _ = write!(line, "i {market} {}", instrument.0);
            write_filters(line, filters);
            Ok(())
        }
        Input::Status(instrument, status) => {
            write!(line, "s {market} {} {}", instrument.0, status.as_str())
        }
        _ => unreachable!("all others are written above"),
    };
}

fn write_account_input(line: &mut String, market: &str, input: &Input) {
    let _ = match input {
        Input::Leverage(instrument, leverage) => {
            write!(line, "L {market} {} {leverage}", instrument.0)
        }
        Input::MarginType(instrument, kind) => {
            let word = match kind {
                MarginType::Cross => CROSS,
                MarginType::Isolated => ISOLATED,
            };
            write!(line, "N {market} {} {word}", instrument.0)
        }
        Input::DualSide(hedge) => write!(line, "W {market} {hedge}"),
        Input::MoveMargin(now, instrument, leg, amount) => {
            let leg = leg.as_str();
            write!(
                line,
                "U {market} {} {} {leg} {}",
                now.0, instrument.0, amount.0
            )
        }
        Input::BnbFees(None) => write!(line, "Z {market} -"),
        Input::BnbFees(Some(fees)) => {
            write!(line, "Z {market} {} {}", fees.balance.0, fees.price.0)
        }
        Input::Fund(now, instrument, rate) => {
            write!(line, "F {market} {} {} {}", now.0, instrument.0, rate.0)
        }
        Input::Supervise(now) => write!(line, "Y {market} {}", now.0),
        Input::EndGoodTill(now) => write!(line, "G {market} {}", now.0),
        Input::Select(account) => write!(line, "X {market} {}", account.0),
        Input::Open(opening) => {
            let fees = opening.fees;
            let _ = write!(line, "O {market} {} {} ", opening.wallet.0, fees.maker.0);
            let _ = write!(line, "{} {} ", fees.taker.0, opening.fee_tier);
            let _ = write!(line, "{}", opening.leverage);
            if let Some(spot) = &opening.spot {
                let _ = write!(line, " {}", spot.quote.0);
                for base in &spot.bases {
                    let _ = write!(line, " {}", base.0);
                }
            }
            Ok(())
        }
        _ => return write_adversity(line, market, input),
    };
}

fn write_levels(line: &mut String, levels: &[Level]) {
    let _ = write!(line, " {}", levels.len());
    for level in levels {
        let _ = write!(line, " {} {}", level.price.0, level.quantity.0);
    }
}
