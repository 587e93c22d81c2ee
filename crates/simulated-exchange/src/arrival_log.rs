//! The arrival log: every market event and every order with its time, so that `matching` alone
//! makes the same fills, fees and positions of it.
//!
//! In: the venues' inputs; a log. Out: one line an input; the venues that a log makes. Never: a
//! float, an answer, a secret.
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
//! H usdm ms order-id lots                                                  a smaller quantity
//! L usdm instrument leverage                                               leverage
//! N usdm instrument cross|isolated                                         margin type
//! W usdm hedge                                                             position mode
//! U usdm ms instrument leg amount                                          isolated margin
//! Z usdm balance price, or Z usdm -                                        fees in BNB
//! F usdm ms instrument rate                                                funding
//! Y usdm ms                                                                liquidations
//! G usdm ms                                                                orders whose end came
//! O usdm wallet maker taker tier leverage, or with quote base…             one more account
//! X usdm account                                                           whose calls follow
//! ```
//!
//! Prices are ticks, quantities lots, money and rates 1e-8, times UTC in ms.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use market::{
    BookTicker, ClientOrderId, ExchangeOrderId, Filters, Instrument, InstrumentId,
    InstrumentStatus, Level, Market, Money, OrderType, Price, Quantity, Rate, Side, Step, Symbol,
    TimeInForce, Trade, TradeId, UpdateId, UtcMs, event::DepthHeader,
};
use matching::{
    AccountId, BnbFees, Fees, Input, MarginType, Opening, OrderOptions, PlaceOrder, PositionSide,
    SelfTrade, SpotBalances, Venue, VenueConfig,
};

const FIRST_LINE: &str = "# fulcrum arrivals 1";

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
            let filters = one.filters;
            writeln!(
                self.file,
                "I {word} {} {}/{} {}/{} {} {} {} {} {} {} {} {} {} {} {}",
                one.symbol.as_str(),
                one.tick.mantissa,
                one.tick.decimals,
                one.lot.mantissa,
                one.lot.decimals,
                one.price_decimals,
                one.quantity_decimals,
                filters.price_min.0,
                filters.price_max.0,
                filters.quantity_min.0,
                filters.quantity_max.0,
                filters.market_quantity_max.0,
                filters.notional_min.0,
                filters.multiplier_up.0,
                filters.multiplier_down.0,
                filters.open_orders_max
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
fn write_input(line: &mut String, market: &str, input: &Input) {
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
        Input::Place(now, request) => {
            let _ = write!(line, "P {market} {} {} ", now.0, request.instrument.0);
            let _ = write!(
                line,
                "{} {} ",
                request.client_order_id.as_str(),
                request.side.as_str()
            );
            let (kind, lifetime) = (request.order_type, request.time_in_force);
            let _ = write!(line, "{} {} ", kind.as_str(), lifetime.as_str());
            let (price, quantity) = (request.price.0, request.quantity.0);
            let _ = write!(line, "{price} {quantity} {} ", request.reduce_only);
            let options = request.options;
            let _ = write!(line, "{} ", options.position_side.as_str());
            let good_till = options.good_till.map_or(0, |at| at.0);
            write!(line, "{} {good_till}", options.self_trade.as_str())
        }
        Input::Cancel(now, id) => write!(line, "C {market} {} {}", now.0, id.0),
        Input::Modify(now, id, price, quantity) => {
            write!(
                line,
                "A {market} {} {} {} {}",
                now.0, id.0, price.0, quantity.0
            )
        }
        Input::Shrink(now, id, quantity) => {
            write!(line, "H {market} {} {} {}", now.0, id.0, quantity.0)
        }
        _ => return write_account_input(line, market, input),
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
        _ => unreachable!("the market's own and orders are written above"),
    };
}

const CROSS: &str = "cross";
const ISOLATED: &str = "isolated";

fn write_levels(line: &mut String, levels: &[Level]) {
    let _ = write!(line, " {}", levels.len());
    for level in levels {
        let _ = write!(line, " {} {}", level.price.0, level.quantity.0);
    }
}

/// The venues that a log makes: USD-M and spot, as far as they are in it.
///
/// # Errors
/// One sentence that names the line.
pub fn replay(text: &str) -> Result<Vec<(Market, Venue)>, String> {
    let mut lines = text.lines().enumerate();
    if lines.next().is_none_or(|(_, first)| first != FIRST_LINE) {
        return Err(format!("line 1: not `{FIRST_LINE}`"));
    }
    let mut starts: Vec<Start> = Vec::new();
    let mut venues: Vec<(Market, Venue)> = Vec::new();
    let mut out = Vec::new();
    for (index, line) in lines {
        let mut words = Words(line.split(' '));
        let mut read = || -> Option<()> {
            let kind = words.word()?;
            let market = Market::from_word(words.word()?)?;
            match kind {
                "V" => starts.push(words.start(market)?),
                "B" | "I" => {
                    let start = starts.iter_mut().find(|start| start.market == market)?;
                    if kind == "B" {
                        start.config.spot = Some(words.balances()?);
                    } else {
                        let id = start.config.instruments.len() as u16;
                        start.config.instruments.push(words.instrument(market, id)?);
                    }
                }
                _ => {
                    let input = words.input(kind)?;
                    if !venues.iter().any(|(of, _)| *of == market) {
                        let start = starts.iter().find(|start| start.market == market)?;
                        let mut venue = Venue::new(start.config.clone());
                        venue.set_queue_model(start.model.parse().ok()?);
                        venues.push((market, venue));
                    }
                    let (_, venue) = venues.iter_mut().find(|(of, _)| *of == market)?;
                    venue.apply(&input, &mut out);
                    out.clear();
                }
            }
            words.0.next().is_none().then_some(())
        };
        read().ok_or_else(|| format!("line {}: no input of this log", index + 1))?;
    }
    Ok(venues)
}

struct Start {
    market: Market,
    config: VenueConfig,
    model: String,
}

struct Words<'a>(std::str::Split<'a, char>);

impl<'a> Words<'a> {
    fn word(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.word()?.parse().ok()
    }

    fn price(&mut self) -> Option<Price> {
        self.number().map(Price)
    }

    fn quantity(&mut self) -> Option<Quantity> {
        self.number().map(Quantity)
    }

    fn time(&mut self) -> Option<UtcMs> {
        self.number().map(UtcMs)
    }

    fn instrument_id(&mut self) -> Option<InstrumentId> {
        self.number().map(InstrumentId)
    }

    fn step(&mut self) -> Option<Step> {
        let (mantissa, decimals) = self.word()?.split_once('/')?;
        Some(Step {
            mantissa: mantissa.parse().ok()?,
            decimals: decimals.parse().ok()?,
        })
    }

    fn levels(&mut self) -> Option<Vec<Level>> {
        let count: usize = self.number()?;
        let level = |words: &mut Self| {
            Some(Level {
                price: words.price()?,
                quantity: words.quantity()?,
            })
        };
        (0..count).map(|_| level(self)).collect()
    }

    fn start(&mut self, market: Market) -> Option<Start> {
        let wallet = self.number().map(Money)?;
        let fees = Fees {
            maker: self.number().map(Rate)?,
            taker: self.number().map(Rate)?,
        };
        let config = VenueConfig {
            instruments: Vec::new(),
            wallet,
            fees,
            spot: None,
            leverage: self.number()?,
            first_order_id: self.number()?,
            first_trade_id: self.number()?,
        };
        let model = self.word()?.to_owned();
        Some(Start {
            market,
            config,
            model,
        })
    }

    fn balances(&mut self) -> Option<SpotBalances> {
        let quote = self.number().map(Money)?;
        let bases: Option<Vec<Money>> = self
            .0
            .by_ref()
            .map(|word| word.parse().ok().map(Money))
            .collect();
        Some(SpotBalances {
            quote,
            bases: bases?,
        })
    }

    fn instrument(&mut self, market: Market, id: u16) -> Option<Instrument> {
        Some(Instrument {
            id: InstrumentId(id),
            market,
            symbol: Symbol::new(self.word()?.as_bytes())?,
            tick: self.step()?,
            lot: self.step()?,
            price_decimals: self.number()?,
            quantity_decimals: self.number()?,
            status: InstrumentStatus::Trading,
            filters: Filters {
                price_min: self.price()?,
                price_max: self.price()?,
                quantity_min: self.quantity()?,
                quantity_max: self.quantity()?,
                market_quantity_max: self.quantity()?,
                notional_min: self.number().map(Money)?,
                multiplier_up: self.number().map(Rate)?,
                multiplier_down: self.number().map(Rate)?,
                open_orders_max: self.number()?,
            },
        })
    }

    fn input(&mut self, kind: &str) -> Option<Input> {
        Some(match kind {
            "S" => Input::Snapshot {
                instrument: self.instrument_id()?,
                last_update_id: self.number().map(UpdateId)?,
                bids: self.levels()?,
                asks: self.levels()?,
            },
            "D" => self.depth()?,
            "K" => self.ticker()?,
            "T" => self.trade()?,
            "M" => Input::Mark(self.instrument_id()?, self.price()?),
            "P" => self.place()?,
            "C" => Input::Cancel(self.time()?, self.number().map(ExchangeOrderId)?),
            "A" => Input::Modify(
                self.time()?,
                self.number().map(ExchangeOrderId)?,
                self.price()?,
                self.quantity()?,
            ),
            "H" => Input::Shrink(
                self.time()?,
                self.number().map(ExchangeOrderId)?,
                self.quantity()?,
            ),
            _ => return self.account_input(kind),
        })
    }

    fn account_input(&mut self, kind: &str) -> Option<Input> {
        Some(match kind {
            "L" => Input::Leverage(self.instrument_id()?, self.number()?),
            "N" => {
                let instrument = self.instrument_id()?;
                let margin_type = match self.word()? {
                    CROSS => MarginType::Cross,
                    ISOLATED => MarginType::Isolated,
                    _ => return None,
                };
                Input::MarginType(instrument, margin_type)
            }
            "W" => Input::DualSide(self.number()?),
            "U" => Input::MoveMargin(
                self.time()?,
                self.instrument_id()?,
                PositionSide::from_word(self.word()?)?,
                self.number().map(Money)?,
            ),
            "Z" => Input::BnbFees(match self.word()? {
                "-" => None,
                balance => Some(BnbFees {
                    balance: balance.parse().ok().map(Money)?,
                    price: self.number().map(Money)?,
                }),
            }),
            "F" => Input::Fund(
                self.time()?,
                self.instrument_id()?,
                self.number().map(Rate)?,
            ),
            "Y" => Input::Supervise(self.time()?),
            "G" => Input::EndGoodTill(self.time()?),
            "X" => Input::Select(self.number().map(AccountId)?),
            "O" => Input::Open(self.opening()?),
            _ => return None,
        })
    }

    fn opening(&mut self) -> Option<Opening> {
        let wallet = self.number().map(Money)?;
        let fees = Fees {
            maker: self.number().map(Rate)?,
            taker: self.number().map(Rate)?,
        };
        let (fee_tier, leverage) = (self.number()?, self.number()?);
        let mut balances = self.0.clone();
        let spot = match balances.next() {
            Some(_) => Some(self.balances()?),
            None => None,
        };
        Some(Opening {
            wallet,
            fees,
            fee_tier,
            leverage,
            spot,
        })
    }

    fn depth(&mut self) -> Option<Input> {
        let now = self.time()?;
        let header = DepthHeader {
            instrument: self.instrument_id()?,
            first_update_id: self.number().map(UpdateId)?,
            last_update_id: self.number().map(UpdateId)?,
            previous_update_id: self.number().map(UpdateId)?,
            event_time: now,
            transaction_time: now,
        };
        Some(Input::Depth {
            now,
            header,
            bids: self.levels()?,
            asks: self.levels()?,
        })
    }

    fn ticker(&mut self) -> Option<Input> {
        let now = self.time()?;
        let instrument = self.instrument_id()?;
        let update_id = self.number().map(UpdateId)?;
        let mut level = || {
            Some(Level {
                price: self.price()?,
                quantity: self.quantity()?,
            })
        };
        let ticker = BookTicker {
            instrument,
            update_id,
            bid: level()?,
            ask: level()?,
            event_time: now,
            transaction_time: now,
        };
        Some(Input::Ticker(now, ticker))
    }

    fn trade(&mut self) -> Option<Input> {
        let now = self.time()?;
        let trade = Trade {
            instrument: self.instrument_id()?,
            trade_id: self.number().map(TradeId)?,
            price: self.price()?,
            quantity: self.quantity()?,
            aggressor: Side::from_word(self.word()?)?,
            from_book: self.number()?,
            transaction_time: now,
            event_time: now,
        };
        Some(Input::Trade(now, trade))
    }

    fn place(&mut self) -> Option<Input> {
        let now = self.time()?;
        let instrument = self.instrument_id()?;
        let request = PlaceOrder {
            instrument,
            client_order_id: ClientOrderId::new(self.word()?.as_bytes())?,
            side: Side::from_word(self.word()?)?,
            order_type: OrderType::from_word(self.word()?)?,
            time_in_force: TimeInForce::from_word(self.word()?)?,
            price: self.price()?,
            quantity: self.quantity()?,
            reduce_only: self.number()?,
            options: OrderOptions {
                position_side: PositionSide::from_word(self.word()?)?,
                self_trade: SelfTrade::from_word(self.word()?)?,
                good_till: match self.number()? {
                    0 => None,
                    at => Some(UtcMs(at)),
                },
                ..OrderOptions::default()
            },
        };
        Some(Input::Place(now, request))
    }
}
