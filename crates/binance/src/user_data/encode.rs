//! Private events as the exchange writes them, for the simulated exchange.
//!
//! In: order updates, balances, positions. Out: event text in live key order, decimals without
//! trailing zeros. Never: a field that the exchange always sends left out.

use crate::encode::JsonText;
use crate::word;
use market::ids::Asset;
use market::units::round_div;
use market::{
    Execution, Instrument, Liquidity, Market, Money, OrderState, OrderUpdate, Price, Quantity,
    UtcMs,
};

/// An order update with what only the exchange knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderUpdateDetail<'a> {
    /// What we read of it.
    pub update: &'a OrderUpdate,
    /// Average price of all fills times 1e8; 0 without.
    pub average_price_e8: i64,
    /// Notional of the open buy orders of the symbol.
    pub bids_notional: Money,
    /// Notional of the open sell orders of the symbol.
    pub asks_notional: Money,
    /// Expiry reason: 0 none, 1 self-trade prevention, 2 rest of an IOC, 4 reduce-only, 5
    /// liquidation, 9 rest of a market order. 1 makes the state `EXPIRED_IN_MATCH`.
    pub expiry_reason: u8,
    /// What the order was asked to be.
    pub words: OrderWords<'a>,
}

/// What most orders leave as it is, in the exchange's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderWords<'a> {
    /// `BOTH`, or the leg of the hedge mode.
    pub position_side: &'a str,
    /// Self-trade prevention.
    pub self_trade: &'a str,
    /// Where its price came from.
    pub price_match: &'a str,
    /// When it ends by itself, in ms; 0: never, and with a time its lifetime is `GTD`.
    pub good_till: i64,
    /// What only reports of spot have; `None` for an order that works since it was accepted.
    pub spot: Option<SpotWords<'a>>,
}

/// What a report of spot tells beside the order itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpotWords<'a> {
    /// The type with what it waits for in it.
    pub order_type: &'a str,
    /// The price that it waits for; 0 without.
    pub stop_price: Price,
    /// How far it trails, in hundredths of a per cent; 0 where it does not.
    pub trailing_bips: u32,
    /// Since when it trails, in ms; 0 while it does not.
    pub trailing_since: i64,
    /// The list that it belongs to.
    pub list: Option<u64>,
    /// It waits for another order of its list.
    pub pending: bool,
    /// When it began to work, in ms; 0 before.
    pub working_since: i64,
    /// Why it was refused, in the exchange's word; `NONE` where it was not.
    pub rejection: &'a str,
    /// The id of the cancel that ended it.
    pub cancel_id: &'a str,
    /// When it was accepted, in ms.
    pub created: i64,
    /// The amount of the quote asset that a market order was asked for.
    pub quote: Money,
    /// The client's numbers of its strategy and of the strategy's kind.
    pub strategy: (Option<i64>, Option<i64>),
    /// The match with an order of the same account that it expired of.
    pub prevented: Option<Prevention>,
}

/// A match that did not happen, as the order that expired of it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prevention {
    /// Number of the match.
    pub id: u64,
    /// What expired.
    pub quantity: Quantity,
    /// The other order.
    pub counter_order: u64,
}

impl Default for OrderWords<'_> {
    fn default() -> Self {
        Self {
            position_side: "BOTH",
            self_trade: "EXPIRE_MAKER",
            price_match: "NONE",
            good_till: 0,
            spot: None,
        }
    }
}

/// A changed balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceDetail {
    /// Asset.
    pub asset: Asset,
    /// Wallet balance.
    pub wallet: Money,
    /// Wallet balance less what is set aside for isolated positions.
    pub cross_wallet: Money,
    /// Change that is neither profit nor fee: transfers, funding.
    pub change: Money,
}

/// A changed position, or one leg of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionDetail<'a> {
    /// Which.
    pub instrument: &'a Instrument,
    /// Signed lots.
    pub quantity: Quantity,
    /// Entry price times 1e8.
    pub entry_price_e8: i64,
    /// Break-even price times 1e8.
    pub break_even_e8: i64,
    /// Profit realised so far, before fees.
    pub realized: Money,
    /// Profit not realised yet.
    pub unrealized: Money,
    /// Asset of the margin.
    pub margin_asset: Asset,
    /// `BOTH`, or the leg of the hedge mode.
    pub position_side: &'a str,
    /// `cross` or `isolated`.
    pub margin_type: &'a str,
    /// What is set aside for it.
    pub isolated_wallet: Money,
}

/// A change of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountUpdateDetail<'a> {
    /// The exchange's word: `ORDER`, `FUNDING_FEE`, `DEPOSIT`, …
    pub reason: &'a str,
    /// Balances that changed.
    pub balances: &'a [BalanceDetail],
    /// Positions that changed.
    pub positions: &'a [PositionDetail<'a>],
    /// When it happened.
    pub transaction_time: UtcMs,
    /// When it is sent.
    pub event_time: UtcMs,
}

/// Appends `ORDER_TRADE_UPDATE`.
pub fn encode_order_update(
    out: &mut Vec<u8>,
    instrument: &Instrument,
    detail: &OrderUpdateDetail<'_>,
) {
    let update = detail.update;
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"ORDER_TRADE_UPDATE");
    json.integer("T", update.transaction_time.0);
    json.integer("E", update.event_time.0);
    json.open_member("o");
    json.text("s", instrument.symbol.as_bytes());
    json.text("c", update.client_order_id.as_bytes());
    json.text("S", update.side.as_str().as_bytes());
    json.text("o", update.order_type.as_str().as_bytes());
    let lifetime = match detail.words.good_till {
        0 => update.time_in_force.as_str(),
        _ => "GTD",
    };
    json.text("f", lifetime.as_bytes());
    short_quantity(&mut json, "q", instrument, update.quantity);
    short_price(&mut json, "p", instrument, update.price);
    json.short_decimal("ap", detail.average_price_e8, 8);
    json.text("sp", b"0");
    json.text("x", execution_word(update.execution).as_bytes());
    json.text("X", final_word(detail).as_bytes());
    json.id("i", update.exchange_order_id.0);
    short_quantity(&mut json, "l", instrument, update.last_quantity);
    short_quantity(&mut json, "z", instrument, update.cumulative_quantity);
    short_price(&mut json, "L", instrument, update.last_price);
    wire_money(&mut json, "n", update.commission);
    if !update.commission_asset.is_empty() {
        json.text("N", update.commission_asset.as_bytes());
    }
    json.integer("T", update.transaction_time.0);
    json.id("t", update.trade_id.0);
    json.short_decimal("b", detail.bids_notional.0, 8);
    json.short_decimal("a", detail.asks_notional.0, 8);
    json.boolean("m", update.liquidity == Liquidity::Maker);
    json.boolean("R", update.reduce_only);
    json.text("wt", b"CONTRACT_PRICE");
    json.text("ot", update.order_type.as_str().as_bytes());
    json.text("ps", detail.words.position_side.as_bytes());
    json.boolean("cp", false);
    wire_money(&mut json, "rp", update.realized);
    json.boolean("pP", false);
    json.integer("si", 0).integer("ss", 0);
    json.text("V", detail.words.self_trade.as_bytes());
    json.text("pm", detail.words.price_match.as_bytes());
    json.integer("gtd", detail.words.good_till);
    json.decimal("er", i64::from(detail.expiry_reason), 0);
    json.close().close();
}

/// Appends `TRADE_LITE` for a fill.
pub fn encode_trade_lite(out: &mut Vec<u8>, instrument: &Instrument, update: &OrderUpdate) {
    use market::decimal::TEXT_MAX;
    let mut buffer = [0; TEXT_MAX];
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"TRADE_LITE");
    json.integer("E", update.event_time.0);
    json.integer("T", update.transaction_time.0);
    json.text("s", instrument.symbol.as_bytes());
    json.text("q", instrument.write_quantity(update.quantity, &mut buffer));
    json.text("p", instrument.write_price(update.price, &mut buffer));
    json.boolean("m", update.liquidity == Liquidity::Maker);
    json.text("c", update.client_order_id.as_bytes());
    json.text("S", update.side.as_str().as_bytes());
    json.text("L", instrument.write_price(update.last_price, &mut buffer));
    json.text(
        "l",
        instrument.write_quantity(update.last_quantity, &mut buffer),
    );
    json.id("t", update.trade_id.0);
    json.id("i", update.exchange_order_id.0);
    json.close();
}

/// Appends `ACCOUNT_UPDATE`.
pub fn encode_account_update(out: &mut Vec<u8>, detail: &AccountUpdateDetail<'_>) {
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"ACCOUNT_UPDATE");
    json.integer("T", detail.transaction_time.0);
    json.integer("E", detail.event_time.0);
    json.open_member("a");
    json.open_list("B");
    for balance in detail.balances {
        json.open();
        json.text("a", balance.asset.as_bytes());
        json.short_decimal("wb", balance.wallet.0, 8);
        json.short_decimal("cw", balance.cross_wallet.0, 8);
        json.short_decimal("bc", balance.change.0, 8);
        json.close();
    }
    json.close_list();
    json.open_list("P");
    for position in detail.positions {
        let lot = position.instrument.lot;
        json.open();
        json.text("s", position.instrument.symbol.as_bytes());
        json.short_decimal(
            "pa",
            position.quantity.0 * lot.mantissa,
            u32::from(lot.decimals),
        );
        json.short_decimal("ep", position.entry_price_e8, 8);
        wire_money(&mut json, "cr", position.realized);
        json.short_decimal("up", position.unrealized.0, 8);
        json.text("mt", position.margin_type.as_bytes());
        json.short_decimal("iw", position.isolated_wallet.0, 8);
        json.text("ps", position.position_side.as_bytes());
        json.text("ma", position.margin_asset.as_bytes());
        json.short_decimal("bep", position.break_even_e8, 8);
        json.close();
    }
    json.close_list();
    json.text("m", detail.reason.as_bytes());
    json.close().close();
}

/// Appends `listenKeyExpired`.
pub fn encode_listen_key_expired(out: &mut Vec<u8>, listen_key: &str, event_time: UtcMs) {
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"listenKeyExpired");
    json.integer("E", event_time.0);
    json.text("listenKey", listen_key.as_bytes());
    json.close();
}

/// Appends spot's `executionReport`, with eight decimals throughout.
pub fn encode_execution_report(
    out: &mut Vec<u8>,
    instrument: &Instrument,
    detail: &OrderUpdateDetail<'_>,
) {
    use market::decimal::TEXT_MAX;
    const NOTHING: &[u8] = b"0.00000000";
    debug_assert!(instrument.market == Market::Spot);
    let update = detail.update;
    let (order_type, lifetime) =
        word::type_and_lifetime(Market::Spot, update.order_type, update.time_in_force);
    let canceled = update.execution == Execution::Canceled;
    let spot = detail.words.spot;
    let order_type = spot.map_or(order_type, |spot| spot.order_type);
    let mut buffer = [0; TEXT_MAX];
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"executionReport");
    json.integer("E", update.event_time.0);
    json.text("s", instrument.symbol.as_bytes());
    // A cancel has an id of its own; the order's stands in `C`.
    let own_id = if canceled {
        spot.map_or("cancel", |spot| spot.cancel_id).as_bytes()
    } else {
        update.client_order_id.as_bytes()
    };
    json.text("c", own_id);
    json.text("S", update.side.as_str().as_bytes());
    json.text("o", order_type.as_bytes());
    json.text("f", lifetime.unwrap_or("GTC").as_bytes());
    json.text("q", instrument.write_quantity(update.quantity, &mut buffer));
    json.text("p", instrument.write_price(update.price, &mut buffer));
    let stop_price = spot.map_or(Price(0), |spot| spot.stop_price);
    json.text("P", instrument.write_price(stop_price, &mut buffer));
    if let Some(spot) = spot.filter(|spot| spot.trailing_bips > 0) {
        json.integer("d", i64::from(spot.trailing_bips));
        if spot.trailing_since > 0 {
            json.integer("D", spot.trailing_since);
        }
    }
    json.text("F", NOTHING);
    match spot.and_then(|spot| spot.list) {
        None => json.integer("g", -1),
        Some(list) => json.id("g", list),
    };
    let original = if canceled {
        update.client_order_id.as_bytes()
    } else {
        b""
    };
    json.text("C", original);
    let prevented = update.execution == Execution::Expired && detail.expiry_reason == 1;
    let execution = match prevented {
        true => "TRADE_PREVENTION",
        false => spot_execution_word(update.execution),
    };
    json.text("x", execution.as_bytes());
    let pending = !update.state.is_final() && spot.is_some_and(|spot| spot.pending);
    let state = if pending {
        "PENDING_NEW"
    } else {
        final_word(detail)
    };
    json.text("X", state.as_bytes());
    let rejection = spot.map_or("NONE", |spot| spot.rejection);
    json.text("r", rejection.as_bytes());
    json.id("i", update.exchange_order_id.0);
    json.text(
        "l",
        instrument.write_quantity(update.last_quantity, &mut buffer),
    );
    json.text(
        "z",
        instrument.write_quantity(update.cumulative_quantity, &mut buffer),
    );
    json.text("L", instrument.write_price(update.last_price, &mut buffer));
    wire_money(&mut json, "n", update.commission);
    if update.commission_asset.is_empty() {
        json.raw("N", b"null");
    } else {
        json.text("N", update.commission_asset.as_bytes());
    }
    execution_report_tail(&mut json, instrument, detail);
    json.close();
}

/// The part of an `executionReport` behind the commission.
fn execution_report_tail(
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    detail: &OrderUpdateDetail<'_>,
) {
    let update = detail.update;
    let lot = instrument.lot;
    let lots = i128::from(update.cumulative_quantity.0) * i128::from(lot.mantissa);
    let spent_e8 = round_div(
        i128::from(detail.average_price_e8) * lots,
        10i128.pow(u32::from(lot.decimals)),
    );
    json.integer("T", update.transaction_time.0);
    if update.trade_id.0 == 0 {
        json.integer("t", -1);
    } else {
        json.id("t", update.trade_id.0);
    }
    json.integer("I", 0);
    let working_since = detail
        .words
        .spot
        .map_or(update.transaction_time.0, |spot| spot.working_since);
    json.boolean("w", !update.state.is_final() && working_since > 0);
    json.boolean("m", update.liquidity == Liquidity::Maker);
    json.boolean("M", false);
    let created = detail.words.spot.map(|spot| spot.created);
    json.integer("O", created.unwrap_or(update.transaction_time.0));
    let paid = instrument.notional(update.last_price, update.last_quantity);
    json.decimal("Z", spent_e8, 8);
    json.decimal("Y", paid.0, 8);
    let quote = detail.words.spot.map_or(Money::ZERO, |spot| spot.quote);
    json.decimal("Q", quote.0, 8);
    if working_since > 0 {
        json.integer("W", working_since);
    }
    json.text("V", detail.words.self_trade.as_bytes());
    let (id, kind) = detail.words.spot.map_or((None, None), |spot| spot.strategy);
    if let Some(id) = id {
        json.integer("j", id);
    }
    if let Some(kind) = kind {
        json.integer("J", kind);
    }
    if let Some(one) = detail.words.spot.and_then(|spot| spot.prevented) {
        let mut buffer = [0; market::decimal::TEXT_MAX];
        json.id("v", one.id);
        for name in ["A", "B"] {
            json.text(name, instrument.write_quantity(one.quantity, &mut buffer));
        }
        json.integer("u", -1);
        json.id("U", one.counter_order);
        json.text("Cs", instrument.symbol.as_bytes());
    }
}

/// Spot has a word of its own for an order that was made smaller.
const fn spot_execution_word(execution: Execution) -> &'static str {
    match execution {
        Execution::Amendment => "REPLACED",
        other => execution_word(other),
    }
}

const fn execution_word(execution: Execution) -> &'static str {
    match execution {
        Execution::Liquidation => "CALCULATED",
        other => other.as_str(),
    }
}

fn final_word(detail: &OrderUpdateDetail<'_>) -> &'static str {
    if detail.update.state == OrderState::Expired && detail.expiry_reason == 1 {
        "EXPIRED_IN_MATCH"
    } else {
        word::state_word(detail.update.state)
    }
}

/// Commission and profit keep eight decimals, but nothing is a plain 0.
fn wire_money(json: &mut JsonText<'_>, name: &str, money: Money) {
    json.decimal(name, money.0, if money == Money::ZERO { 0 } else { 8 });
}

fn short_price(json: &mut JsonText<'_>, name: &str, instrument: &Instrument, price: Price) {
    let tick = instrument.tick;
    json.short_decimal(name, price.0 * tick.mantissa, u32::from(tick.decimals));
}

fn short_quantity(
    json: &mut JsonText<'_>,
    name: &str,
    instrument: &Instrument,
    quantity: Quantity,
) {
    let lot = instrument.lot;
    json.short_decimal(name, quantity.0 * lot.mantissa, u32::from(lot.decimals));
}
