//! The reader: the venues that a log makes.
//!
//! In: a log. Out: venues with the same fills, fees and positions. Never: a line that is guessed.

use market::{
    BookTicker, ClientOrderId, ExchangeOrderId, Filters, Instrument, InstrumentId,
    InstrumentStatus, Level, Market, Money, OrderState, OrderType, Price, Quantity, Rate, Side,
    Step, Symbol, TimeInForce, Trade, TradeId, UpdateId, UtcMs, event::DepthHeader,
};
use matching::words::REASONS;
use matching::{
    AccountId, BnbFees, ConditionalKind, Expiry, Fees, Input, ListKind, MarginType, Opening,
    OrderOptions, PRICE_MATCHES, PlaceList, PlaceOrder, PositionSide, SelfTrade, SpotBalances,
    Stop, Venue, VenueConfig,
};

use super::{CROSS, FIRST_LINE, ISOLATED, STOP, TAKE_PROFIT};

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

pub(super) struct Words<'a>(pub(super) std::str::Split<'a, char>);

impl<'a> Words<'a> {
    pub(super) fn word(&mut self) -> Option<&'a str> {
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
            filters: self.filters()?,
        })
    }

    fn filters(&mut self) -> Option<Filters> {
        Some(Filters {
            price_min: self.price()?,
            price_max: self.price()?,
            quantity_min: self.quantity()?,
            quantity_max: self.quantity()?,
            market_quantity_max: self.quantity()?,
            notional_min: self.number().map(Money)?,
            multiplier_up: self.number().map(Rate)?,
            multiplier_down: self.number().map(Rate)?,
            open_orders_max: self.number()?,
        })
    }

    pub(super) fn input(&mut self, kind: &str) -> Option<Input> {
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
            "P" => {
                let (now, request) = self.place()?;
                Input::Place(now, request)
            }
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
                self.client_id()?,
            ),
            "g" => Input::Trigger(self.time()?),
            "Q" => self.list()?,
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
            _ => return self.adversity(kind),
        })
    }

    fn adversity(&mut self, kind: &str) -> Option<Input> {
        Some(match kind {
            "f" => Input::FillNow(
                self.time()?,
                self.number().map(ExchangeOrderId)?,
                self.quantity()?,
                self.number()?,
            ),
            "e" => Input::EndNow(
                self.time()?,
                self.number().map(ExchangeOrderId)?,
                OrderState::from_word(self.word()?)?,
                Expiry::from_word(self.word()?)?,
            ),
            "p" => {
                let (now, request) = self.place()?;
                Input::Force(now, request)
            }
            "m" => {
                let (now, amount) = (self.time()?, self.number().map(Money)?);
                let word = self.word()?;
                let reason = REASONS.into_iter().find(|reason| *reason == word)?;
                Input::MoveMoney(now, amount, reason)
            }
            "n" => Input::FeesElsewhere(self.number()?),
            "i" => Input::Filters(self.instrument_id()?, self.filters()?),
            "s" => Input::Status(
                self.instrument_id()?,
                InstrumentStatus::from_word(self.word()?)?,
            ),
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

    fn client_id(&mut self) -> Option<ClientOrderId> {
        ClientOrderId::new(self.word()?.as_bytes())
    }

    fn list(&mut self) -> Option<Input> {
        let now = self.time()?;
        let kind = ListKind::from_word(self.word()?)?;
        let client_id = self.client_id()?;
        let orders: Option<Vec<_>> = (0..kind.length()).map(|_| self.request()).collect();
        let list = PlaceList {
            client_id,
            kind,
            orders: orders?,
        };
        Some(Input::PlaceList(now, list))
    }

    fn place(&mut self) -> Option<(UtcMs, PlaceOrder)> {
        let now = self.time()?;
        Some((now, self.request()?))
    }

    /// The members of an order that most do not have stand behind the others, each with its name.
    fn named_options(&mut self, options: &mut OrderOptions) -> Option<()> {
        loop {
            let mut ahead = self.0.clone();
            let Some((name, value)) = ahead.next().and_then(|word| word.split_once('=')) else {
                return Some(());
            };
            self.0 = ahead;
            let stop = |kind| {
                let (price, bips) = value.split_once('/')?;
                Some(Stop {
                    kind,
                    price: Price(price.parse().ok()?),
                    trailing_bips: bips.parse().ok()?,
                })
            };
            match name {
                "match" => {
                    let known = PRICE_MATCHES.into_iter().find(|known| *known == value);
                    options.price_match = known?;
                }
                STOP => options.stop = Some(stop(ConditionalKind::Stop)?),
                TAKE_PROFIT => options.stop = Some(stop(ConditionalKind::TakeProfit)?),
                "quote" => options.quote = Money(value.parse().ok()?),
                "strategy" => options.strategy.0 = Some(value.parse().ok()?),
                "strategy-kind" => options.strategy.1 = Some(value.parse().ok()?),
                _ => return None,
            }
        }
    }

    fn request(&mut self) -> Option<PlaceOrder> {
        let instrument = self.instrument_id()?;
        let mut request = PlaceOrder {
            instrument,
            client_order_id: self.client_id()?,
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
        self.named_options(&mut request.options)?;
        Some(request)
    }
}
