//! Replies for people: columns that line up.
//!
//! In: replies. Out: text. Never: a figure that the JSON form does not have.

use crate::table::columns::{Align, lay_out};
use operator::{AlgoOrderLine, KillLine, LimitLine, OrderLine, PositionLine, Reply, StatusReply};
use std::fmt::Write as _;

use Align::{Left, Right};

/// A reply as text, with its last line's end.
pub(super) fn text(reply: &Reply) -> String {
    let mut text = match reply {
        Reply::Accepted { note } | Reply::Reset { note } => note.clone(),
        Reply::Status(status) => self::status(status),
        Reply::Orders {
            age_ms,
            orders,
            algo_orders,
        } => match age_ms {
            0 => self::orders(orders, algo_orders),
            _ => format!(
                "as listed {} s ago\n{}",
                age_ms.div_ceil(1_000),
                self::orders(orders, algo_orders)
            ),
        },
        Reply::Positions { positions } => self::positions(positions),
        Reply::Limits { limits } => self::limits(limits),
        Reply::Configured(taken) => format!(
            "version {}, {} keys at once, {} at a start",
            taken.version,
            taken.at_once.len(),
            taken.waiting.len()
        ),
        Reply::Killed(kill) => pairs(&self::kill(kill)),
        Reply::Challenge { nonce, .. } => nonce.clone(),
        Reply::Refused(refusal) => refusal.message.clone(),
    };
    text.push('\n');
    text
}

fn table(aligns: &[Align], heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut all = vec![heading.iter().map(|word| (*word).to_string()).collect()];
    all.extend(rows);
    lay_out(aligns, &all).join("\n")
}

fn pairs(pairs: &[(&str, String)]) -> String {
    let rows: Vec<Vec<String>> = pairs
        .iter()
        .map(|(name, value)| vec![(*name).to_string(), value.clone()])
        .collect();
    lay_out(&[Left, Left], &rows).join("\n")
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_string()
}

fn status(status: &StatusReply) -> String {
    let live = |up: bool| if up { "live" } else { "down" }.to_string();
    let mut lines = vec![
        ("account", format!("{} ({})", status.account, status.mode)),
        ("state", format!("{} ({})", status.state, status.reason)),
        ("reconciled", yes(status.reconciled)),
        ("market streams", live(status.market_stream_up)),
        ("private stream", live(status.user_stream_up)),
        ("control", live(status.control_alive)),
        ("open orders", status.orders_open.to_string()),
        ("unknown orders", status.orders_unknown.to_string()),
        ("equity USDT", status.equity_usdt.clone()),
        ("unrealized USDT", status.unrealized_usdt.clone()),
        ("realized USDT", status.realized_usdt.clone()),
        ("fees USDT", status.fees_usdt.clone()),
        ("funding USDT", status.funding_usdt.clone()),
    ];
    if !status.advice.is_empty() {
        lines.insert(2, ("what to do", status.advice.clone()));
    }
    if status.kill.latched {
        lines.extend(kill(&status.kill));
    }
    pairs(&lines)
}

fn kill(kill: &KillLine) -> Vec<(&'static str, String)> {
    let durable = match kill.durable {
        Some(true) => "yes".to_string(),
        Some(false) => "no: in shared memory only, the disk is tried again".to_string(),
        None => "being written".to_string(),
    };
    let mut verified = match kill.verified {
        true => "yes: the exchange shows nothing any more".to_string(),
        false => "not yet".to_string(),
    };
    for sweep in &kill.sweeps {
        let after = sweep.verified_after_ms.map(|ms| format!(" after {ms} ms"));
        let _ = write!(
            verified,
            "; {} {} rounds{}",
            sweep.market,
            sweep.rounds,
            after.unwrap_or_default()
        );
    }
    vec![
        (
            "kill latch",
            if kill.latched { "set" } else { "-" }.to_string(),
        ),
        ("durable", durable),
        (
            "positions",
            if kill.keep_positions {
                "kept"
            } else {
                "closed"
            }
            .to_string(),
        ),
        ("verified", verified),
    ]
}

fn orders(orders: &[OrderLine], algo_orders: &[AlgoOrderLine]) -> String {
    let rows = orders.iter().map(|one| {
        vec![
            one.market.clone(),
            one.symbol.clone(),
            one.side.clone(),
            one.order_type.clone(),
            one.price.clone(),
            one.quantity.clone(),
            one.filled.clone(),
            one.origin.clone(),
            one.client_order_id.clone(),
        ]
    });
    let heading = [
        "market", "symbol", "side", "type", "price", "quantity", "filled", "origin", "id",
    ];
    let aligns = [Left, Left, Left, Left, Right, Right, Right, Left, Left];
    let mut text = match orders.is_empty() {
        true => "no open orders".to_string(),
        false => table(&aligns, &heading, rows.collect()),
    };
    if algo_orders.is_empty() {
        return text;
    }
    let rows = algo_orders.iter().map(|one| {
        vec![
            one.symbol.clone(),
            one.side.clone(),
            one.order_type.clone(),
            one.trigger_price.clone(),
            match one.close_position {
                true => "position".to_string(),
                false => one.quantity.clone(),
            },
            one.origin.clone(),
            one.client_algo_id.clone(),
        ]
    });
    let heading = [
        "symbol", "side", "type", "trigger", "quantity", "origin", "id",
    ];
    let aligns = [Left, Left, Left, Right, Right, Left, Left];
    let _ = write!(
        text,
        "\n\nconditional\n{}",
        table(&aligns, &heading, rows.collect())
    );
    text
}

fn positions(positions: &[PositionLine]) -> String {
    let rows = positions.iter().map(|one| {
        vec![
            one.market.clone(),
            one.symbol.clone(),
            one.quantity.clone(),
            one.entry_price.clone(),
            one.mark_price.clone(),
            match one.protective_stop.as_str() {
                "" => "none".to_string(),
                price => price.to_string(),
            },
            one.unrealized_usdt.clone(),
            one.orders_open.to_string(),
            one.book.clone(),
        ]
    });
    let heading = [
        "market",
        "symbol",
        "position",
        "entry",
        "mark",
        "stop",
        "unrealized",
        "orders",
        "book",
    ];
    let aligns = [Left, Left, Right, Right, Right, Right, Right, Right, Left];
    table(&aligns, &heading, rows.collect())
}

fn limits(limits: &[LimitLine]) -> String {
    let rows = limits.iter().map(|one| {
        let words = [&one.limit, &one.value, &one.used, &one.ceiling, &one.guards];
        words.map(Clone::clone).to_vec()
    });
    table(
        &[Left, Right, Right, Right, Left],
        &["limit", "value", "used", "ceiling", "guards"],
        rows.collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_with_wide_symbols_too() {
        let order = |symbol: &str, price: &str, id: &str| OrderLine {
            market: "usdm".to_string(),
            symbol: symbol.to_string(),
            origin: "OWN".to_string(),
            client_order_id: id.to_string(),
            order_id: 1,
            side: "BUY".to_string(),
            order_type: "LIMIT".to_string(),
            price: price.to_string(),
            quantity: "0.010".to_string(),
            filled: "0.000".to_string(),
            reduce_only: false,
        };
        let all = [
            order("BTCUSDT", "60000.10", "fu1"),
            order("币安人生USDT", "0.5", "fu2"),
        ];
        let text = text(&Reply::Orders {
            age_ms: 0,
            orders: all.to_vec(),
            algo_orders: Vec::new(),
        });
        let wanted = "  market  symbol        side  type      price  quantity  filled  origin  id\n  \
                      usdm    BTCUSDT       BUY   LIMIT  60000.10     0.010   0.000  OWN     fu1\n  \
                      usdm    币安人生USDT  BUY   LIMIT       0.5     0.010   0.000  OWN     fu2\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_kill_says_whether_it_is_durable_and_verified() {
        let line = KillLine {
            latched: true,
            durable: Some(false),
            ..KillLine::default()
        };
        let text = text(&Reply::Killed(line));
        assert!(
            text.contains("shared memory only") && text.contains("not yet"),
            "{text}"
        );
    }
}
