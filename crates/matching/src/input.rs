//! Everything that can change a venue, as values: what came, when, in which order.
//!
//! In: the calls of a running venue. Out: the same calls, to be applied to another one; it then has
//! the same fills, fees and positions. Never: an output; those follow.

use market::{
    BookTicker, ClientOrderId, ExchangeOrderId, Filters, InstrumentId, InstrumentStatus, Level,
    Money, OrderState, Price, Quantity, Rate, Trade, UpdateId, UtcMs, event::DepthHeader,
};

use crate::account::{Account, BnbFees, Fees, MarginType};
use crate::desk::AccountId;
use crate::lists::PlaceList;
use crate::order::{Expiry, PlaceOrder, PositionSide};
use crate::output::Output;
use crate::spot::SpotBalances;
use crate::venue::Venue;

/// What an account is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its wallet.
    pub wallet: Money,
    /// Its fee rates.
    pub fees: Fees,
    /// The exchange's number of them.
    pub fee_tier: u32,
    /// Its leverage everywhere.
    pub leverage: u32,
    /// Its balances, on spot.
    pub spot: Option<SpotBalances>,
}

impl Opening {
    /// The account in a venue of so many instruments.
    #[must_use]
    pub fn account(&self, instruments: usize) -> Account {
        Account {
            fee_tier: self.fee_tier,
            spot: self.spot.clone(),
            ..Account::new(self.wallet, self.fees, self.leverage, instruments)
        }
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// [`Venue::on_snapshot`].
    Snapshot {
        /// Which instrument.
        instrument: InstrumentId,
        /// Version.
        last_update_id: UpdateId,
        /// Best first.
        bids: Vec<Level>,
        /// Best first.
        asks: Vec<Level>,
    },
    /// [`Venue::on_depth`].
    Depth {
        /// When.
        now: UtcMs,
        /// Ids and times.
        header: DepthHeader,
        /// Changed bids.
        bids: Vec<Level>,
        /// Changed asks.
        asks: Vec<Level>,
    },
    /// [`Venue::on_ticker`].
    Ticker(UtcMs, BookTicker),
    /// [`Venue::on_trade`].
    Trade(UtcMs, Trade),
    /// [`Venue::on_mark`].
    Mark(InstrumentId, Price),
    /// [`Venue::place`], also one that was refused.
    Place(UtcMs, PlaceOrder),
    /// [`Venue::cancel`].
    Cancel(UtcMs, ExchangeOrderId),
    /// [`Venue::modify`].
    Modify(UtcMs, ExchangeOrderId, Price, Quantity),
    /// [`Venue::shrink`].
    Shrink(UtcMs, ExchangeOrderId, Quantity, ClientOrderId),
    /// [`Venue::place_list`], also one that was refused.
    PlaceList(UtcMs, PlaceList),
    /// [`Venue::trigger_stops`], where something was due.
    Trigger(UtcMs),
    /// [`Venue::set_leverage`].
    Leverage(InstrumentId, u32),
    /// [`Venue::set_margin_type`].
    MarginType(InstrumentId, MarginType),
    /// [`Venue::set_dual_side`].
    DualSide(bool),
    /// [`Venue::move_margin`].
    MoveMargin(UtcMs, InstrumentId, PositionSide, Money),
    /// [`Venue::set_bnb_fees`].
    BnbFees(Option<BnbFees>),
    /// [`Venue::fund`].
    Fund(UtcMs, InstrumentId, Rate),
    /// [`Venue::supervise`], where it did something.
    Supervise(UtcMs),
    /// [`Venue::end_good_till`], where it did something.
    EndGoodTill(UtcMs),
    /// [`Venue::fill_now`].
    FillNow(UtcMs, ExchangeOrderId, Quantity, i64),
    /// [`Venue::end_now`].
    EndNow(UtcMs, ExchangeOrderId, OrderState, Expiry),
    /// [`Venue::force`].
    Force(UtcMs, PlaceOrder),
    /// [`Venue::move_money`].
    MoveMoney(UtcMs, Money, &'static str),
    /// [`Venue::take_fees_elsewhere`].
    FeesElsewhere(u32),
    /// [`Venue::set_filters`].
    Filters(InstrumentId, Filters),
    /// [`Venue::set_status`].
    Status(InstrumentId, InstrumentStatus),
    /// [`Venue::open_account`].
    Open(Opening),
    /// [`Venue::select`], before the next call that another account made.
    Select(AccountId),
}

/// The calls of a venue since they were last taken; nothing unless it is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder {
    inputs: Option<Vec<Input>>,
    /// Whose calls they are.
    selected: AccountId,
}

impl Recorder {
    /// Notes a call; without a recording it is not even made.
    pub(crate) fn note(&mut self, input: impl FnOnce() -> Input) {
        if let Some(inputs) = &mut self.inputs {
            inputs.push(input());
        }
    }

    /// Notes a call of an account.
    pub(crate) fn note_of(&mut self, account: AccountId, input: impl FnOnce() -> Input) {
        if let Some(inputs) = &mut self.inputs {
            if self.selected != account {
                self.selected = account;
                inputs.push(Input::Select(account));
            }
            inputs.push(input());
        }
    }
}

impl Venue {
    /// Notes every call from now on; whoever asks for it takes them regularly.
    pub fn record_inputs(&mut self) {
        self.recorder.inputs.get_or_insert_default();
    }

    /// The calls since the last time, oldest first.
    pub fn take_inputs(&mut self) -> Vec<Input> {
        let inputs = self.recorder.inputs.as_mut();
        inputs.map(std::mem::take).unwrap_or_default()
    }

    /// Makes a call again. A refusal is no news: it was one before.
    pub fn apply(&mut self, input: &Input, out: &mut Vec<Output>) {
        match input {
            Input::Snapshot {
                instrument,
                last_update_id,
                bids,
                asks,
            } => self.on_snapshot(*instrument, *last_update_id, bids, asks),
            Input::Depth {
                now,
                header,
                bids,
                asks,
            } => {
                let update = market::DepthUpdate {
                    header: *header,
                    bids,
                    asks,
                };
                self.on_depth(*now, &update, out);
            }
            Input::Ticker(now, ticker) => self.on_ticker(*now, ticker, out),
            Input::Trade(now, trade) => self.on_trade(*now, trade, out),
            Input::Mark(instrument, mark) => self.on_mark(*instrument, *mark),
            Input::Place(now, request) => {
                let _ = self.place(*now, request, out);
            }
            Input::Cancel(now, id) => {
                let _ = self.cancel(*now, *id, out);
            }
            Input::Modify(now, id, price, quantity) => {
                let _ = self.modify(*now, *id, *price, *quantity, out);
            }
            Input::Shrink(now, id, quantity, client_id) => {
                let _ = self.shrink(*now, *id, *quantity, *client_id, out);
            }
            Input::PlaceList(now, request) => {
                let _ = self.place_list(*now, request, out);
            }
            Input::Trigger(now) => self.trigger_stops(*now, out),
            Input::Leverage(instrument, leverage) => {
                let _ = self.set_leverage(*instrument, *leverage);
            }
            Input::MarginType(instrument, kind) => {
                let _ = self.set_margin_type(*instrument, *kind);
            }
            Input::DualSide(dual) => {
                let _ = self.set_dual_side(*dual);
            }
            Input::MoveMargin(now, instrument, leg, amount) => {
                let _ = self.move_margin(*now, *instrument, *leg, *amount, out);
            }
            Input::BnbFees(fees) => self.set_bnb_fees(*fees),
            Input::Fund(now, instrument, rate) => self.fund(*now, *instrument, *rate, out),
            Input::Supervise(now) => self.supervise(*now, out),
            Input::EndGoodTill(now) => self.end_good_till(*now, out),
            Input::Select(account) => drop(self.select(*account)),
            Input::Open(opening) => {
                let account = opening.account(self.instruments.len());
                self.open_account(account);
            }
            adversity => self.apply_adversity(adversity, out),
        }
    }

    fn apply_adversity(&mut self, input: &Input, out: &mut Vec<Output>) {
        match input {
            Input::FillNow(now, id, quantity, slices) => {
                self.fill_now(*now, *id, *quantity, *slices, out);
            }
            Input::EndNow(now, id, state, expiry) => self.end_now(*now, *id, *state, *expiry, out),
            Input::Force(now, request) => self.force(*now, request, out),
            Input::MoveMoney(now, amount, reason) => self.move_money(*now, *amount, reason, out),
            Input::FeesElsewhere(fills) => self.take_fees_elsewhere(*fills),
            Input::Filters(instrument, filters) => self.set_filters(*instrument, *filters),
            Input::Status(instrument, status) => self.set_status(*instrument, *status),
            _ => unreachable!("all others are applied above"),
        }
    }
}
