//! `ACCOUNT_UPDATE` (futures) and `outboundAccountPosition` (spot).
//!
//! In: one event. Out: the balances and positions that changed, as far as we know their
//! instruments. Never: a hedge-mode leg taken for a one-way position; it is counted.

use crate::decode::{
    DecodeError, NUMBER_BYTES_MAX, average_price, instrument_of, money, required, set,
    signed_quantity, text_of, time,
};
use crate::json::{Cursor, Quoted};
use market::ids::Asset;
use market::{BalanceReport, Instruments, Market, Money, PositionReport, UtcMs, wire_enum};

/// Most balances of one event that are kept.
pub const BALANCES_MAX: usize = 32;

/// Most positions of one event that are kept: one for each instrument of the table.
pub const POSITIONS_MAX: usize = 64;

/// A change of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountUpdate {
    /// Why.
    pub reason: AccountReason,
    /// New wallet balances.
    pub balances: heapless::Vec<BalanceReport, BALANCES_MAX>,
    /// New one-way positions on instruments of the table.
    pub positions: heapless::Vec<PositionReport, POSITIONS_MAX>,
    /// Funding that was exchanged, when that is the reason; positive = received.
    pub funding: Option<Funding>,
    /// Positions on symbols outside of the table.
    pub other_symbols: u32,
    /// Legs of hedge mode that are not flat.
    pub hedge_legs: u32,
    /// Entries that found no room.
    pub left_out: u32,
    /// When it happened.
    pub transaction_time: UtcMs,
    /// When the exchange sent it.
    pub event_time: UtcMs,
}

/// A funding payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funding {
    /// In which asset.
    pub asset: Asset,
    /// Positive = received.
    pub amount: Money,
}

wire_enum! {
    /// Why the account changed.
    pub enum AccountReason {
        /// A fill.
        Order = "ORDER",
        /// Funding.
        FundingFee = "FUNDING_FEE",
        /// Money moved in or out.
        Transfer = "TRANSFER",
        /// Anything else.
        Other = "OTHER",
    }
}

impl AccountUpdate {
    fn new(reason: AccountReason, transaction_time: UtcMs, event_time: UtcMs) -> Self {
        Self {
            reason,
            balances: heapless::Vec::new(),
            positions: heapless::Vec::new(),
            funding: None,
            other_symbols: 0,
            hedge_legs: 0,
            left_out: 0,
            transaction_time,
            event_time,
        }
    }
}

pub(super) fn account_update(
    event: &mut Cursor<'_>,
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<AccountUpdate, DecodeError> {
    let (mut event_time, mut transaction_time, mut account) = (None, None, None);
    event.object(|cursor, key| match key {
        b"E" => set(&mut event_time, "E", time(cursor, "E")?),
        b"T" => set(&mut transaction_time, "T", time(cursor, "T")?),
        b"a" => {
            if cursor.peek() != Some(b'{') {
                return Err(DecodeError::WrongType("a"));
            }
            set(&mut account, "a", Lists::read(cursor)?)
        }
        _ => cursor.skip().map(|_| ()),
    })?;
    let lists = required(account, "a")?;
    let mut update = AccountUpdate::new(
        lists.reason.unwrap_or(AccountReason::Other),
        required(transaction_time, "T")?,
        required(event_time, "E")?,
    );
    if let Some(mut balances) = lists.balances {
        balances.array(|cursor| balance(cursor, &mut update))?;
    }
    if let Some(mut positions) = lists.positions {
        positions.array(|cursor| position(cursor, &mut update, instruments, market))?;
    }
    Ok(update)
}

pub(super) fn outbound_account_position(
    event: &mut Cursor<'_>,
) -> Result<AccountUpdate, DecodeError> {
    let (mut event_time, mut update_time, mut list) = (None, None, None);
    event.object(|cursor, key| match key {
        b"E" => set(&mut event_time, "E", time(cursor, "E")?),
        b"u" => set(&mut update_time, "u", time(cursor, "u")?),
        b"B" => set(&mut list, "B", list_here(cursor, "B")?),
        _ => cursor.skip().map(|_| ()),
    })?;
    let event_time = required(event_time, "E")?;
    let update_time = required(update_time, "u")?;
    let mut update = AccountUpdate::new(AccountReason::Other, update_time, event_time);
    required(list, "B")?.array(|cursor| spot_balance(cursor, &mut update))?;
    Ok(update)
}

/// The lists of a futures event, still text: the reason may stand behind them.
struct Lists<'a> {
    reason: Option<AccountReason>,
    balances: Option<Cursor<'a>>,
    positions: Option<Cursor<'a>>,
}

impl<'a> Lists<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let mut lists = Self {
            reason: None,
            balances: None,
            positions: None,
        };
        cursor.object(|cursor, key| match key {
            b"m" => set(&mut lists.reason, "m", reason(cursor.string("m")?)),
            b"B" => set(&mut lists.balances, "B", list_here(cursor, "B")?),
            b"P" => set(&mut lists.positions, "P", list_here(cursor, "P")?),
            _ => cursor.skip().map(|_| ()),
        })?;
        Ok(lists)
    }
}

fn list_here<'a>(cursor: &mut Cursor<'a>, name: &'static str) -> Result<Cursor<'a>, DecodeError> {
    if cursor.peek() != Some(b'[') {
        return Err(DecodeError::WrongType(name));
    }
    let start = *cursor;
    cursor.skip()?;
    Ok(start)
}

fn reason(word: Quoted<'_>) -> AccountReason {
    match word.text(&mut [0; 40]) {
        Some(b"ORDER") => AccountReason::Order,
        Some(b"FUNDING_FEE") => AccountReason::FundingFee,
        Some(
            b"DEPOSIT"
            | b"WITHDRAW"
            | b"ADMIN_DEPOSIT"
            | b"ADMIN_WITHDRAW"
            | b"MARGIN_TRANSFER"
            | b"ASSET_TRANSFER"
            | b"COIN_SWAP_DEPOSIT"
            | b"COIN_SWAP_WITHDRAW",
        ) => AccountReason::Transfer,
        _ => AccountReason::Other,
    }
}

fn balance(cursor: &mut Cursor<'_>, update: &mut AccountUpdate) -> Result<(), DecodeError> {
    let (mut asset, mut wallet, mut change) = (None, None, None);
    expect_object(cursor, "B")?;
    cursor.object(|cursor, key| match key {
        b"a" => set(&mut asset, "a", text_of(cursor.string("a")?, "a")?),
        b"wb" => set(&mut wallet, "wb", money(cursor.string("wb")?, "wb")?),
        b"bc" => set(&mut change, "bc", money(cursor.string("bc")?, "bc")?),
        _ => cursor.skip().map(|_| ()),
    })?;
    let asset = required(asset, "a")?;
    if update.reason == AccountReason::FundingFee {
        update.funding = change.map(|amount| Funding { asset, amount });
    }
    keep_balance(update, asset, required(wallet, "wb")?);
    Ok(())
}

fn spot_balance(cursor: &mut Cursor<'_>, update: &mut AccountUpdate) -> Result<(), DecodeError> {
    let (mut asset, mut free, mut locked) = (None, None, None);
    expect_object(cursor, "B")?;
    cursor.object(|cursor, key| match key {
        b"a" => set(&mut asset, "a", text_of(cursor.string("a")?, "a")?),
        b"f" => set(&mut free, "f", money(cursor.string("f")?, "f")?),
        b"l" => set(&mut locked, "l", money(cursor.string("l")?, "l")?),
        _ => cursor.skip().map(|_| ()),
    })?;
    let total = required(free, "f")?
        .0
        .checked_add(required(locked, "l")?.0)
        .ok_or(DecodeError::Number("l"))?;
    keep_balance(update, required(asset, "a")?, Money(total));
    Ok(())
}

fn keep_balance(update: &mut AccountUpdate, asset: Asset, wallet: Money) {
    let report = BalanceReport {
        asset,
        wallet,
        event_time: update.event_time,
    };
    if update.balances.push(report).is_err() {
        update.left_out += 1;
    }
}

fn position(
    cursor: &mut Cursor<'_>,
    update: &mut AccountUpdate,
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<(), DecodeError> {
    let (mut symbol, mut amount, mut entry, mut leg) = (None, None, None, None);
    expect_object(cursor, "P")?;
    cursor.object(|cursor, key| match key {
        b"s" => set(&mut symbol, "s", cursor.string("s")?),
        b"pa" => set(&mut amount, "pa", cursor.string("pa")?),
        b"ep" => set(&mut entry, "ep", cursor.string("ep")?),
        b"ps" => set(&mut leg, "ps", cursor.string("ps")?),
        _ => cursor.skip().map(|_| ()),
    })?;
    let Ok(instrument) = instrument_of(required(symbol, "s")?, instruments, market) else {
        update.other_symbols += 1;
        return Ok(());
    };
    let quantity = signed_quantity(required(amount, "pa")?, instrument, "pa")?;
    let mut word = [0; NUMBER_BYTES_MAX];
    if required(leg, "ps")?.text(&mut word) != Some(b"BOTH") {
        update.hedge_legs += u32::from(!quantity.is_zero());
        return Ok(());
    }
    let report = PositionReport {
        instrument: instrument.id,
        quantity,
        entry_price_e8: average_price(required(entry, "ep")?, "ep")?,
        update_time: update.transaction_time,
    };
    if update.positions.push(report).is_err() {
        update.left_out += 1;
    }
    Ok(())
}

fn expect_object(cursor: &Cursor<'_>, name: &'static str) -> Result<(), DecodeError> {
    if cursor.peek() == Some(b'{') {
        Ok(())
    } else {
        Err(DecodeError::WrongType(name))
    }
}
