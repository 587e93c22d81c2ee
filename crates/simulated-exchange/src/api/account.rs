//! The futures account by request: positions, balances, settings, listen keys.
//!
//! In: a checked call. Out: the account as the venue keeps it. Never: a setting that is answered
//! with success and not kept, other than those that this exchange has only one value of.

use binance::encode::JsonText;
use market::{Instrument, InstrumentId, Money, UtcMs};

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_object::quantity;
use crate::streams::publisher::mark_detail;

/// Maintenance margin rate of the only bracket that is simulated.
const MAINTENANCE_PERMILLE: i64 = 4;

/// `GET /fapi/v3/positionRisk`: only what is held or ordered.
///
/// # Errors
/// -1121.
pub fn position_risk_v3(call: &mut Call<'_>) -> Answer {
    let instruments: Vec<Instrument> = call
        .instruments()?
        .into_iter()
        .filter(|instrument| is_active(call, instrument))
        .collect();
    positions(call, &instruments, |call, json, instrument| {
        let margin = margins(call, instrument);
        json.decimal("isolatedMargin", 0, 8);
        json.decimal("notional", notional(call, instrument).0, 8);
        json.text("marginAsset", b"USDT");
        json.text("isolatedWallet", b"0");
        json.decimal("initialMargin", margin.initial.0, 8);
        json.decimal("maintMargin", margin.maintenance.0, 8);
        json.decimal("positionInitialMargin", margin.position.0, 8);
        json.decimal(
            "openOrderInitialMargin",
            (margin.initial - margin.position).0,
            8,
        );
        json.integer("adl", 1);
        json.text("bidNotional", b"0");
        json.text("askNotional", b"0");
    })
}

/// `GET /fapi/v2/positionRisk`: every symbol.
///
/// # Errors
/// -1121.
pub fn position_risk_v2(call: &mut Call<'_>) -> Answer {
    let instruments = call.instruments()?;
    positions(call, &instruments, |call, json, instrument| {
        let leverage = leverage_of(call, instrument).to_string();
        json.text("leverage", leverage.as_bytes());
        json.text("maxNotionalValue", b"1000000");
        json.text("marginType", b"cross");
        json.text("isolatedMargin", b"0.00000000");
        json.text("isAutoAddMargin", b"false");
        json.decimal("notional", notional(call, instrument).0, 8);
        json.text("isolatedWallet", b"0");
    })
}

fn positions(
    call: &Call<'_>,
    instruments: &[Instrument],
    more: impl Fn(&Call<'_>, &mut JsonText<'_>, &Instrument),
) -> Answer {
    let venue = &call.exchange.usdm.venue;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for instrument in instruments {
        let position = &venue.account().positions[usize::from(instrument.id.0)];
        let entry_e8 = position.entry_price_e8(instrument);
        let mark = mark_detail(instrument, venue.mark(instrument.id), call.now);
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        json.text("positionSide", b"BOTH");
        quantity(&mut json, "positionAmt", instrument, position.quantity);
        json.decimal("entryPrice", entry_e8, 8);
        json.decimal("breakEvenPrice", entry_e8, 8);
        json.decimal("markPrice", mark.mark_e8, 8);
        json.decimal("unRealizedProfit", venue.unrealized(instrument.id).0, 8);
        json.text("liquidationPrice", b"0");
        more(call, &mut json, instrument);
        json.integer("updateTime", call.now.0);
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// `GET /fapi/v3/account`.
///
/// # Errors
/// Never.
pub fn account_v3(call: &mut Call<'_>) -> Answer {
    account(call, false)
}

/// `GET /fapi/v2/account`.
///
/// # Errors
/// Never.
pub fn account_v2(call: &mut Call<'_>) -> Answer {
    account(call, true)
}

fn account(call: &Call<'_>, old: bool) -> Answer {
    let venue = &call.exchange.usdm.venue;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    if old {
        json.integer("feeTier", 0);
        for name in ["feeBurn", "canTrade", "canDeposit", "canWithdraw"] {
            json.boolean(name, name != "feeBurn");
        }
        json.boolean("multiAssetsMargin", false);
        json.integer("tradeGroupId", -1);
        json.integer("updateTime", 0);
    }
    let total = totals(call);
    json.decimal("totalInitialMargin", total.initial.0, 8);
    json.decimal("totalMaintMargin", total.maintenance.0, 8);
    json.decimal("totalWalletBalance", total.wallet.0, 8);
    json.decimal("totalUnrealizedProfit", total.unrealized.0, 8);
    json.decimal("totalMarginBalance", (total.wallet + total.unrealized).0, 8);
    json.decimal("totalPositionInitialMargin", total.position.0, 8);
    json.decimal(
        "totalOpenOrderInitialMargin",
        (total.initial - total.position).0,
        8,
    );
    json.decimal("totalCrossWalletBalance", total.wallet.0, 8);
    json.decimal("totalCrossUnPnl", total.unrealized.0, 8);
    json.decimal("availableBalance", venue.available_balance().0, 8);
    json.decimal("maxWithdrawAmount", venue.available_balance().0, 8);
    json.open_list("assets");
    json.open();
    json.text("asset", b"USDT");
    json.decimal("walletBalance", total.wallet.0, 8);
    json.decimal("unrealizedProfit", total.unrealized.0, 8);
    json.decimal("marginBalance", (total.wallet + total.unrealized).0, 8);
    json.decimal("maintMargin", total.maintenance.0, 8);
    json.decimal("initialMargin", total.initial.0, 8);
    json.decimal("positionInitialMargin", total.position.0, 8);
    json.decimal(
        "openOrderInitialMargin",
        (total.initial - total.position).0,
        8,
    );
    json.decimal("crossWalletBalance", total.wallet.0, 8);
    json.decimal("crossUnPnl", total.unrealized.0, 8);
    json.decimal("availableBalance", venue.available_balance().0, 8);
    json.decimal("maxWithdrawAmount", venue.available_balance().0, 8);
    json.integer("updateTime", call.now.0);
    json.close();
    json.close_list();
    json.open_list("positions");
    for instrument in venue.instruments() {
        if old || is_active(call, instrument) {
            account_position(call, &mut json, instrument, old);
        }
    }
    json.close_list();
    json.close();
    Ok(out)
}

fn account_position(call: &Call<'_>, json: &mut JsonText<'_>, instrument: &Instrument, old: bool) {
    let venue = &call.exchange.usdm.venue;
    let position = &venue.account().positions[usize::from(instrument.id.0)];
    let margin = margins(call, instrument);
    json.open();
    json.text("symbol", instrument.symbol.as_bytes());
    json.text("positionSide", b"BOTH");
    quantity(json, "positionAmt", instrument, position.quantity);
    json.decimal("unrealizedProfit", venue.unrealized(instrument.id).0, 8);
    json.text("isolatedMargin", b"0.00000000");
    json.decimal("notional", notional(call, instrument).0, 8);
    json.text("isolatedWallet", b"0");
    json.decimal("initialMargin", margin.initial.0, 8);
    json.decimal("maintMargin", margin.maintenance.0, 8);
    if old {
        json.decimal("positionInitialMargin", margin.position.0, 8);
        json.decimal(
            "openOrderInitialMargin",
            (margin.initial - margin.position).0,
            8,
        );
        json.text(
            "leverage",
            leverage_of(call, instrument).to_string().as_bytes(),
        );
        json.boolean("isolated", false);
        json.decimal("entryPrice", position.entry_price_e8(instrument), 8);
        json.text("maxNotional", b"1000000");
    }
    json.integer("updateTime", call.now.0);
    json.close();
}

/// `GET /fapi/v3/balance`.
///
/// # Errors
/// Never.
pub fn balance(call: &mut Call<'_>) -> Answer {
    let total = totals(call);
    let available = call.exchange.usdm.venue.available_balance();
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    json.open();
    json.text("accountAlias", b"SimA");
    json.text("asset", b"USDT");
    json.decimal("balance", total.wallet.0, 8);
    json.decimal("crossWalletBalance", total.wallet.0, 8);
    json.decimal("crossUnPnl", total.unrealized.0, 8);
    json.decimal("availableBalance", available.0, 8);
    json.decimal("maxWithdrawAmount", available.0, 8);
    json.boolean("marginAvailable", true);
    json.integer("updateTime", call.now.0);
    json.close();
    json.close_list();
    Ok(out)
}

/// `GET /fapi/v1/commissionRate`.
///
/// # Errors
/// -1102, -1121.
pub fn commission_rate(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let fees = call.exchange.usdm.venue.account().fees;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("symbol", instrument.symbol.as_bytes());
    json.short_decimal("makerCommissionRate", fees.maker.0, 8);
    json.short_decimal("takerCommissionRate", fees.taker.0, 8);
    json.text("rpiCommissionRate", b"0.00005");
    json.close();
    Ok(out)
}

/// `POST /fapi/v1/leverage`.
///
/// # Errors
/// -1102, -1121, -4028.
pub fn leverage(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let asked = call
        .params
        .integer("leverage")?
        .ok_or_else(|| ApiError::mandatory("leverage"))?;
    let leverage = u32::try_from(asked)
        .ok()
        .filter(|leverage| (1..=125).contains(leverage));
    let Some(leverage) = leverage else {
        return Err(ApiError::new(
            -4028,
            format!("Leverage {asked} is not valid"),
        ));
    };
    call.exchange
        .usdm
        .venue
        .set_leverage(instrument.id, leverage);
    let symbol = instrument.symbol;
    let text =
        format!(r#"{{"leverage":{leverage},"maxNotionalValue":"1000000","symbol":"{symbol}"}}"#);
    Ok(text.into_bytes())
}

/// `POST /fapi/v1/marginType`: cross is the only one.
///
/// # Errors
/// -4046 for cross, -4048 for isolated, which is not simulated.
pub fn margin_type(call: &mut Call<'_>) -> Answer {
    call.instrument()?;
    match call.params.require("marginType")? {
        "CROSSED" => Err(ApiError::new(-4046, "No need to change margin type.")),
        _ => Err(ApiError::new(
            -4048,
            "Margin type cannot be changed if there exists position.",
        )),
    }
}

/// `GET /fapi/v1/positionSide/dual`: one-way is the only one.
///
/// # Errors
/// Never.
pub fn position_mode(_: &mut Call<'_>) -> Answer {
    Ok(br#"{"dualSidePosition":false}"#.to_vec())
}

/// `POST /fapi/v1/positionSide/dual`.
///
/// # Errors
/// -4059 for one-way, -4068 for hedge mode, which is not simulated.
pub fn set_position_mode(call: &mut Call<'_>) -> Answer {
    if call
        .params
        .require("dualSidePosition")?
        .eq_ignore_ascii_case("true")
    {
        return Err(ApiError::new(
            -4068,
            "Position side cannot be changed if there exists position.",
        ));
    }
    Err(ApiError::new(-4059, "No need to change position side."))
}

/// `GET /fapi/v1/multiAssetsMargin`.
///
/// # Errors
/// Never.
pub fn multi_assets(_: &mut Call<'_>) -> Answer {
    Ok(br#"{"multiAssetsMargin":false}"#.to_vec())
}

/// `GET /fapi/v1/symbolConfig`.
///
/// # Errors
/// -1121.
pub fn symbol_config(call: &mut Call<'_>) -> Answer {
    each(call, |call, json, instrument| {
        json.text("marginType", b"CROSSED");
        json.boolean("isAutoAddMargin", false);
        json.integer("leverage", i64::from(leverage_of(call, instrument)));
        json.text("maxNotionalValue", b"1000000");
    })
}

/// `GET /fapi/v1/leverageBracket`: one bracket.
///
/// # Errors
/// -1121.
pub fn leverage_bracket(call: &mut Call<'_>) -> Answer {
    each(call, |_, json, _| {
        let bracket = br#"[{"bracket":1,"initialLeverage":125,"notionalCap":50000000,"notionalFloor":0,"maintMarginRatio":0.004,"cum":0.0}]"#;
        json.raw("brackets", bracket);
    })
}

fn each(call: &Call<'_>, write: impl Fn(&Call<'_>, &mut JsonText<'_>, &Instrument)) -> Answer {
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for instrument in call.instruments()? {
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        write(call, &mut json, &instrument);
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// `GET /fapi/v1/accountConfig`.
///
/// # Errors
/// Never.
pub fn account_config(_: &mut Call<'_>) -> Answer {
    Ok(br#"{"feeTier":0,"canTrade":true,"canDeposit":true,"canWithdraw":true,"dualSidePosition":false,"updateTime":0,"multiAssetsMargin":false,"tradeGroupId":-1}"#.to_vec())
}

/// One line of the income list.
struct IncomeLine {
    instrument: Option<InstrumentId>,
    kind: &'static str,
    amount: Money,
    time: UtcMs,
    transaction_id: u64,
    trade_id: Option<u64>,
}

/// Transaction ids of what is no trade begin here.
const FIRST_MOVE_ID: u64 = 1_000_000_000;

/// Everything that moved the wallet and is kept, oldest first.
fn income_lines(call: &Call<'_>) -> Vec<IncomeLine> {
    let venue = &call.exchange.usdm.venue;
    let of_trades = venue.fills().flat_map(|fill| {
        let kinds = [
            ("REALIZED_PNL", fill.realized),
            ("COMMISSION", -fill.commission),
        ];
        kinds.map(|(kind, amount)| IncomeLine {
            instrument: Some(fill.instrument),
            kind,
            amount,
            time: fill.time,
            transaction_id: fill.trade_id.0,
            trade_id: Some(fill.trade_id.0),
        })
    });
    let moves = venue.moves().map(|(number, one)| IncomeLine {
        instrument: None,
        kind: match one.reason {
            "FUNDING_FEE" => "FUNDING_FEE",
            _ => "TRANSFER",
        },
        amount: one.change,
        time: one.time,
        transaction_id: FIRST_MOVE_ID + number,
        trade_id: None,
    });
    let mut lines: Vec<IncomeLine> = of_trades.chain(moves).collect();
    lines.retain(|line| line.amount != Money::ZERO);
    lines.sort_by_key(|line| line.time);
    lines
}

/// `GET /fapi/v1/income`: realised profits and commissions of the kept fills, money that moved
/// otherwise. Without a time the newest, as the exchange has it.
///
/// # Errors
/// -1121.
pub fn income(call: &mut Call<'_>) -> Answer {
    let named = call.params.get("symbol").is_some();
    let instruments = call.instruments()?;
    let wanted = call.params.get("incomeType").map(str::to_owned);
    let limit = call.params.integer("limit")?.unwrap_or(100).clamp(1, 1_000) as usize;
    let page = call.params.integer("page")?.unwrap_or(1).max(1) as usize;
    let start = call.params.integer("startTime")?;
    let end = call.params.integer("endTime")?;
    let mut lines = income_lines(call);
    lines.retain(|line| {
        let here = |id| instruments.iter().any(|instrument| instrument.id == id);
        line.instrument.map_or(!named, here)
            && wanted.as_ref().is_none_or(|wanted| wanted == line.kind)
            && start.is_none_or(|start| line.time.0 >= start)
            && end.is_none_or(|end| line.time.0 <= end)
    });
    let skipped = match (start, end) {
        (None, None) => lines.len().saturating_sub(limit * page),
        _ => limit * (page - 1),
    };
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for line in lines.iter().skip(skipped).take(limit) {
        let table = call.exchange.usdm.venue.instruments();
        let instrument = line.instrument.map(|id| &table[usize::from(id.0)]);
        let trade_id = line.trade_id.map_or(String::new(), |id| id.to_string());
        json.open();
        json.text(
            "symbol",
            instrument.map_or(b"", |one| one.symbol.as_bytes()),
        );
        json.text("incomeType", line.kind.as_bytes());
        json.decimal("income", line.amount.0, 8);
        json.text("asset", b"USDT");
        json.text("info", line.kind.as_bytes());
        json.integer("time", line.time.0);
        json.id("tranId", line.transaction_id);
        json.text("tradeId", trade_id.as_bytes());
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// `POST /fapi/v1/listenKey`, `userDataStream.start`.
///
/// # Errors
/// Never.
pub fn listen_key_create(call: &mut Call<'_>) -> Answer {
    let key = call.exchange.listen_keys.create(call.now);
    Ok(format!(r#"{{"listenKey":"{key}"}}"#).into_bytes())
}

/// `PUT /fapi/v1/listenKey`, `userDataStream.ping`.
///
/// # Errors
/// -1125.
pub fn listen_key_renew(call: &mut Call<'_>) -> Answer {
    let key = call.exchange.listen_keys.renew(call.now).ok_or_else(|| {
        ApiError::new(
            -1125,
            "This listenKey does not exist. Please use `POST /fapi/v1/listenKey` to recreate \
             `listenKey`",
        )
    })?;
    Ok(format!(r#"{{"listenKey":"{key}"}}"#).into_bytes())
}

/// `DELETE /fapi/v1/listenKey`, `userDataStream.stop`.
///
/// # Errors
/// Never.
pub fn listen_key_close(call: &mut Call<'_>) -> Answer {
    call.exchange.expire_listen_key(call.now);
    Ok(b"{}".to_vec())
}

struct Margins {
    initial: Money,
    position: Money,
    maintenance: Money,
}

fn margins(call: &Call<'_>, instrument: &Instrument) -> Margins {
    let venue = &call.exchange.usdm.venue;
    let value = notional(call, instrument).0.abs();
    Margins {
        initial: venue.margin(instrument.id),
        position: Money(value / i64::from(leverage_of(call, instrument))),
        maintenance: Money(value / 1_000 * MAINTENANCE_PERMILLE),
    }
}

struct Totals {
    wallet: Money,
    unrealized: Money,
    initial: Money,
    position: Money,
    maintenance: Money,
}

fn totals(call: &Call<'_>) -> Totals {
    let venue = &call.exchange.usdm.venue;
    let mut total = Totals {
        wallet: venue.account().wallet,
        unrealized: Money::ZERO,
        initial: Money::ZERO,
        position: Money::ZERO,
        maintenance: Money::ZERO,
    };
    for instrument in venue.instruments() {
        let margin = margins(call, instrument);
        total.unrealized += venue.unrealized(instrument.id);
        total.initial += margin.initial;
        total.position += margin.position;
        total.maintenance += margin.maintenance;
    }
    total
}

fn notional(call: &Call<'_>, instrument: &Instrument) -> Money {
    let venue = &call.exchange.usdm.venue;
    let position = &venue.account().positions[usize::from(instrument.id.0)];
    instrument.notional(venue.mark(instrument.id), position.quantity)
}

fn leverage_of(call: &Call<'_>, instrument: &Instrument) -> u32 {
    call.exchange.usdm.venue.account().leverage[usize::from(instrument.id.0)]
}

fn is_active(call: &Call<'_>, instrument: &Instrument) -> bool {
    let venue = &call.exchange.usdm.venue;
    let position = &venue.account().positions[usize::from(instrument.id.0)];
    !position.quantity.is_zero() || venue.open_orders(instrument.id).next().is_some()
}
