//! Private events in the order in which the exchange was seen to tell them (binance.md 4.1).
//!
//! In: outputs of a venue. Out: their texts. Never: an event that nothing caused.

use binance::encode::JsonText;
use binance::user_data::{
    AccountUpdateDetail, BalanceDetail, OrderUpdateDetail, OrderWords, PositionDetail, Prevention,
    SpotWords, encode_account_update, encode_execution_report, encode_order_update,
    encode_trade_lite,
};
use market::ids::Asset;
use market::{Execution, Instrument, Money, OrderUpdate, Price, Quantity, UtcMs};
use matching::{
    AccountChange, Conditional, ConditionalState, Expiry, ListChange, ListEvent, MarginType,
    OrderEvent, Output, Rejection, Stage, Venue, WalletChange,
};

use crate::api::exchange_info::base_asset;
use crate::api::order_object::{self, price, quantity};
use crate::api::{algo, order_lists};

/// The futures texts of a run of outputs that one request or one market event caused.
///
/// For a fill at once the stream was seen to say `TRADE_LITE`, then NEW, then `ACCOUNT_UPDATE`
/// and TRADE; so fills are told shortly before all else.
#[must_use]
pub fn futures(outputs: &[Output], instruments: &[Instrument], now: UtcMs) -> Vec<Vec<u8>> {
    let mut texts = Vec::with_capacity(outputs.len() + 2);
    for output in outputs {
        if let Output::Order(event) = output
            && matches!(
                event.update.execution,
                Execution::Trade | Execution::Liquidation
            )
        {
            let mut text = Vec::with_capacity(256);
            let update = sent_at(&event.update, now);
            encode_trade_lite(&mut text, instrument_of(event, instruments), &update);
            texts.push(text);
        }
    }
    for output in outputs {
        let mut text = Vec::with_capacity(640);
        match output {
            Output::Order(event) => {
                let update = sent_at(&event.update, now);
                let instrument = instrument_of(event, instruments);
                encode_order_update(&mut text, instrument, &detail(event, &update));
            }
            Output::Account(change) => account_update(&mut text, change, instruments, now),
            Output::Wallet(change) => wallet_update(&mut text, change, now),
            // There are none on futures.
            Output::List(_) => continue,
        }
        texts.push(text);
    }
    texts
}

/// The spot texts: a report for each order event, one for each change of a list, then the balances
/// as they are.
#[must_use]
pub fn spot(outputs: &[Output], venue: &Venue, now: UtcMs) -> Vec<Vec<u8>> {
    let mut texts = Vec::with_capacity(outputs.len() + 1);
    let mut touched: Vec<&Instrument> = Vec::new();
    for output in outputs {
        let mut text = Vec::with_capacity(640);
        match output {
            Output::Order(event) => {
                let instrument = instrument_of(event, venue.instruments());
                let update = sent_at(&event.update, now);
                let detail = spot_detail(event, &update, venue);
                encode_execution_report(&mut text, instrument, &detail);
                if !touched.contains(&instrument) {
                    touched.push(instrument);
                }
            }
            Output::List(event) => list_status(&mut text, event, venue, now),
            Output::Account(_) | Output::Wallet(_) => continue,
        }
        texts.push(text);
    }
    texts.push(account_position(venue, &touched, now));
    texts
}

/// `listStatus`.
fn list_status(text: &mut Vec<u8>, event: &ListEvent, venue: &Venue, now: UtcMs) {
    let list = &event.list;
    let symbol = venue.instruments()[usize::from(list.instrument.0)].symbol;
    let mut json = JsonText::new(text);
    json.open();
    json.text("e", b"listStatus");
    json.integer("E", now.0);
    json.text("s", symbol.as_bytes());
    json.id("g", list.id);
    json.text("c", order_lists::contingency(list.kind).as_bytes());
    let change: &[u8] = match event.change {
        ListChange::Started => b"EXEC_STARTED",
        ListChange::Updated => b"UPDATED",
        ListChange::Done => b"ALL_DONE",
    };
    json.text("l", change);
    json.text("L", order_lists::order_status(list).as_bytes());
    json.text("r", b"NONE");
    json.text("C", list.client_id.as_bytes());
    json.integer("T", event.time.0);
    json.open_list("O");
    for (id, client_id) in list.orders() {
        json.open();
        json.text("s", symbol.as_bytes());
        json.id("i", id.0);
        json.text("c", client_id.as_bytes());
        json.close();
    }
    json.close_list();
    json.close();
}

fn spot_detail<'a>(
    event: &'a OrderEvent,
    update: &'a OrderUpdate,
    venue: &Venue,
) -> OrderUpdateDetail<'a> {
    let plain = detail(event, update);
    let (standing, options) = (&event.standing, &event.options);
    let stop = options.stop;
    let spot = SpotWords {
        order_type: order_object::spot_type(update.order_type, update.time_in_force, stop),
        stop_price: stop.map_or(Price(0), |stop| stop.price),
        trailing_bips: stop.map_or(0, |stop| stop.trailing_bips),
        trailing_since: standing.trailing_since.0,
        list: standing.list,
        pending: standing.stage == Stage::Pending,
        working_since: standing.working_since.0,
        rejection: rejection_word(standing.rejection),
        cancel_id: match event.cancel_id.as_str() {
            "" => "exchange",
            name => name,
        },
        created: event.created.0,
        quote: options.quote,
        strategy: options.strategy,
        prevented: standing.prevented.and_then(|id| {
            let found = venue.prevented().rev().find(|one| one.id == id)?;
            let is_taker = found.taker == update.exchange_order_id;
            let (quantity, counter) = match is_taker {
                true => (found.taker_quantity, found.maker),
                false => (found.maker_quantity, found.taker),
            };
            Some(Prevention {
                id,
                quantity,
                counter_order: counter.0,
            })
        }),
    };
    OrderUpdateDetail {
        words: OrderWords {
            spot: Some(spot),
            ..plain.words
        },
        ..plain
    }
}

/// Why an order was refused when its time came, as reports name it.
fn rejection_word(rejection: Option<Rejection>) -> &'static str {
    match rejection {
        None | Some(Rejection::NoCounterparty) => "NONE",
        Some(Rejection::WouldTrigger) => "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
        Some(Rejection::PostOnlyWouldTake) => "WOULD_MATCH_IMMEDIATELY",
        Some(Rejection::ListPrices) => "OCO_BAD_PRICES",
        Some(_) => "INSUFFICIENT_BALANCES",
    }
}

/// `ALGO_UPDATE`s of a change of a conditional order, oldest first (binance.md 4.3): what
/// triggers says so on its way, has an order of its own once it has triggered, and is finished when
/// that order is over.
#[must_use]
pub fn conditional(change: &Conditional, venue: &Venue, now: UtcMs) -> Vec<Vec<u8>> {
    let before = Conditional {
        order_id: None,
        ..*change
    };
    let end = algo::state_word(change.state);
    let steps: &[(&Conditional, &str)] = match change.state {
        ConditionalState::Triggered | ConditionalState::Rejected => {
            &[(&before, "TRIGGERING"), (change, end)]
        }
        ConditionalState::New
        | ConditionalState::Finished
        | ConditionalState::Canceled
        | ConditionalState::Expired => &[(change, end)],
    };
    let texts = steps
        .iter()
        .map(|(change, word)| algo_update(change, word, venue, now));
    texts.collect()
}

fn algo_update(change: &Conditional, word: &str, venue: &Venue, now: UtcMs) -> Vec<u8> {
    let request = &change.request;
    let instrument = &venue.instruments()[usize::from(request.instrument.0)];
    let mut out = Vec::with_capacity(512);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("e", b"ALGO_UPDATE");
    json.integer("T", change.updated.0);
    json.integer("E", now.0);
    json.open_member("o");
    json.text("caid", request.client_id.as_bytes());
    json.id("aid", change.id);
    json.text("at", b"CONDITIONAL");
    json.text("o", algo::type_word(request).as_bytes());
    json.text("s", instrument.symbol.as_bytes());
    json.text("S", request.side.as_str().as_bytes());
    json.text("ps", request.options.position_side.as_str().as_bytes());
    json.text("f", algo::lifetime(request).as_bytes());
    quantity(&mut json, "q", instrument, request.quantity);
    json.text("X", word.as_bytes());
    let order = change.order_id.map(|id| id.0.to_string());
    json.text("ai", order.unwrap_or_default().as_bytes());
    let became = change.order_id.and_then(|id| venue.order(id));
    let average_e8 = became.map_or(0, |order| venue.average_price_e8(order));
    json.short_decimal("ap", average_e8, 8);
    let filled = became.map_or(Quantity::ZERO, |order| order.filled);
    quantity(&mut json, "aq", instrument, filled);
    json.text("act", request.order_type.as_str().as_bytes());
    price(&mut json, "tp", instrument, request.trigger_price);
    price(&mut json, "p", instrument, request.price);
    json.text("V", request.options.self_trade.as_str().as_bytes());
    json.text("wt", algo::working_type(request).as_bytes());
    json.text("pm", algo::price_match_word(request).as_bytes());
    json.boolean("cp", request.close_position);
    json.boolean("pP", request.options.price_protect);
    json.boolean("R", request.reduce_only);
    if let Some(trailing) = request.options.trailing {
        price(&mut json, "AP", instrument, trailing.activation);
        json.short_decimal("cr", trailing.callback.0, 6);
    }
    json.integer("tt", change.triggered.0);
    json.integer("gtd", request.options.good_till.map_or(0, |at| at.0));
    json.text("rm", algo::reject_reason(change).as_bytes());
    json.close();
    json.close();
    out
}

/// `ACCOUNT_CONFIG_UPDATE` of a leverage.
#[must_use]
pub fn leverage(instrument: &Instrument, leverage: i64, now: UtcMs) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("e", b"ACCOUNT_CONFIG_UPDATE");
    json.integer("E", now.0);
    json.integer("T", now.0);
    json.open_member("ac");
    json.text("s", instrument.symbol.as_bytes());
    json.integer("l", leverage);
    json.close();
    json.close();
    out
}

/// `ACCOUNT_CONFIG_UPDATE` of the margin mode.
#[must_use]
pub fn multi_assets(on: bool, now: UtcMs) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("e", b"ACCOUNT_CONFIG_UPDATE");
    json.integer("E", now.0);
    json.integer("T", now.0);
    json.open_member("ai");
    json.boolean("j", on);
    json.close();
    json.close();
    out
}

/// `MARGIN_CALL` of the selected account: its cross positions and what they need.
#[must_use]
pub fn margin_call(venue: &Venue, now: UtcMs) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("e", b"MARGIN_CALL");
    json.integer("E", now.0);
    let wallet = venue.account().cross_wallet();
    json.short_decimal("cw", wallet.0, 8);
    json.open_list("p");
    for (index, leg, position) in venue.account().held() {
        let instrument = &venue.instruments()[index];
        let id = instrument.id;
        if venue.margin_type(id) != MarginType::Cross {
            continue;
        }
        let lot = instrument.lot;
        let tick = instrument.tick;
        json.open();
        json.text("s", instrument.symbol.as_bytes());
        json.text("ps", leg.as_str().as_bytes());
        let amount = position.quantity.0 * lot.mantissa;
        json.short_decimal("pa", amount, u32::from(lot.decimals));
        json.text("mt", b"CROSSED");
        json.short_decimal("iw", position.isolated.0, 8);
        let mark = venue.mark(id).0 * tick.mantissa;
        json.short_decimal("mp", mark, u32::from(tick.decimals));
        json.short_decimal("up", venue.unrealized_of(id, leg).0, 8);
        json.short_decimal("mm", venue.maintenance_of(id, leg).0, 8);
        json.close();
    }
    json.close_list();
    json.close();
    out
}

/// `outboundAccountPosition` of the quote asset and the base assets of `touched`.
fn account_position(venue: &Venue, touched: &[&Instrument], now: UtcMs) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("e", b"outboundAccountPosition");
    json.integer("E", now.0);
    json.integer("u", now.0);
    json.open_list("B");
    let quote = venue.spot_quote();
    let bases = touched.iter().map(|instrument| {
        let balance = venue.spot_base(instrument.id);
        (base_asset(instrument), balance)
    });
    for (asset, balance) in std::iter::once(("USDT", quote)).chain(bases) {
        json.open();
        json.text("a", asset.as_bytes());
        json.decimal("f", balance.free.0, 8);
        json.decimal("l", balance.locked.0, 8);
        json.close();
    }
    json.close_list();
    json.close();
    out
}

fn wallet_update(text: &mut Vec<u8>, change: &WalletChange, now: UtcMs) {
    let detail = AccountUpdateDetail {
        reason: change.reason,
        balances: &[BalanceDetail {
            asset: change.asset,
            wallet: change.wallet,
            cross_wallet: change.cross_wallet,
            change: change.change,
        }],
        positions: &[],
        transaction_time: change.time,
        event_time: now,
    };
    encode_account_update(text, &detail);
}

fn account_update(
    text: &mut Vec<u8>,
    change: &AccountChange,
    instruments: &[Instrument],
    now: UtcMs,
) {
    let usdt = Asset::new(b"USDT").expect("four bytes");
    let detail = AccountUpdateDetail {
        reason: change.reason,
        balances: &[BalanceDetail {
            asset: usdt,
            wallet: change.wallet,
            cross_wallet: change.cross_wallet,
            change: Money::ZERO,
        }],
        positions: &[PositionDetail {
            instrument: &instruments[usize::from(change.instrument.0)],
            quantity: change.quantity,
            entry_price_e8: change.entry_price_e8,
            break_even_e8: change.break_even_e8,
            realized: change.realized,
            unrealized: change.unrealized,
            margin_asset: usdt,
            position_side: change.position_side.as_str(),
            margin_type: match change.margin_type {
                MarginType::Cross => "cross",
                MarginType::Isolated => "isolated",
            },
            isolated_wallet: change.isolated,
        }],
        transaction_time: change.time,
        event_time: now,
    };
    encode_account_update(text, &detail);
}

fn instrument_of<'a>(event: &OrderEvent, instruments: &'a [Instrument]) -> &'a Instrument {
    &instruments[usize::from(event.update.instrument.0)]
}

fn sent_at(update: &OrderUpdate, now: UtcMs) -> OrderUpdate {
    OrderUpdate {
        event_time: now,
        ..*update
    }
}

fn detail<'a>(event: &OrderEvent, update: &'a OrderUpdate) -> OrderUpdateDetail<'a> {
    OrderUpdateDetail {
        update,
        average_price_e8: event.average_price_e8,
        bids_notional: event.bids_notional,
        asks_notional: event.asks_notional,
        words: OrderWords {
            position_side: event.options.position_side.as_str(),
            self_trade: event.options.self_trade.as_str(),
            price_match: match event.options.price_match {
                "" => "NONE",
                word => word,
            },
            good_till: event.options.good_till.map_or(0, |at| at.0),
            spot: None,
        },
        expiry_reason: match event.expiry {
            Expiry::None | Expiry::GoodTill | Expiry::ListPartner => 0,
            Expiry::SelfTrade => 1,
            Expiry::ImmediateOrCancel => 2,
            Expiry::ReduceOnly => 4,
            Expiry::Liquidation => 5,
            Expiry::MarketRest => 9,
        },
    }
}
