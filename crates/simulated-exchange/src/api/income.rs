//! What moved the futures wallet, as a list (binance.md 1.4 `income`).
//!
//! In: a checked call. Out: one line for each profit, fee, funding and transfer that is kept.
//! Never: a line that did not move a balance.

use binance::encode::JsonText;
use market::ids::Asset;
use market::{InstrumentId, Money, UtcMs};

use super::endpoint::{Answer, Call};

/// One line of the income list.
struct IncomeLine {
    instrument: Option<InstrumentId>,
    kind: &'static str,
    amount: Money,
    asset: Asset,
    time: UtcMs,
    transaction_id: u64,
    trade_id: Option<u64>,
}

/// A day.
const DAY_MS: i64 = 86_400_000;

/// Transaction ids of what is no trade begin here.
const FIRST_MOVE_ID: u64 = 1_000_000_000;

/// Everything that moved the wallet and is kept, oldest first.
fn income_lines(call: &Call<'_>) -> Vec<IncomeLine> {
    let venue = &call.exchange.usdm.venue;
    let usdt = Asset::new(b"USDT").expect("four bytes");
    let of_trades = venue.fills().flat_map(move |fill| {
        let kinds = [
            ("REALIZED_PNL", fill.realized, usdt),
            ("COMMISSION", -fill.commission, fill.commission_asset),
        ];
        kinds.map(|(kind, amount, asset)| IncomeLine {
            asset,
            instrument: Some(fill.instrument),
            kind,
            amount,
            time: fill.time,
            transaction_id: fill.trade_id.0,
            trade_id: Some(fill.trade_id.0),
        })
    });
    let moves = venue.moves().map(|(number, one)| IncomeLine {
        instrument: one.instrument,
        kind: match one.reason {
            word @ ("FUNDING_FEE" | "INSURANCE_CLEAR") => word,
            _ => "TRANSFER",
        },
        asset: one.asset,
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
/// -1121, -1023, -1130.
pub fn income(call: &mut Call<'_>) -> Answer {
    let named = call.params.get("symbol").is_some();
    let instruments = call.instruments()?;
    let wanted = call.params.get("incomeType").map(str::to_owned);
    let limit = super::market_data::limit(call, 100, 1_000)?;
    let page = call.params.integer("page")?.unwrap_or(1).max(1) as usize;
    let (start, end) = super::market_data::span(call)?;
    // Without any time the last week is looked through; nothing is kept over three months.
    let oldest = match (start, end) {
        (None, None) => call.now.0 - 7 * DAY_MS,
        _ => call.now.0 - 90 * DAY_MS,
    };
    let mut lines = income_lines(call);
    lines.retain(|line| line.time.0 >= oldest);
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
        json.text("asset", line.asset.as_bytes());
        json.text("info", line.kind.as_bytes());
        json.integer("time", line.time.0);
        json.id("tranId", line.transaction_id);
        json.text("tradeId", trade_id.as_bytes());
        json.close();
    }
    json.close_list();
    Ok(out)
}
