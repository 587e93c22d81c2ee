//! Pages of `fulcrum top` as they are drawn.
//!
//! In: pictures made up here. Out: the texts of `top/pages/`. Never: a terminal.

use super::super::picture::Orders;
use super::*;
use crate::command_line::top::text_of;
use operator::{LimitLine, OrderLine, PositionLine, StatusReply};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

fn status(state: &str) -> StatusReply {
    let killed = state == "KILLED";
    let status = json!({
        "account": "default", "mode": "paper", "generation": 1, "state": state,
        "reason": if killed { "KILL" } else { "READY" },
        "advice": if killed { "look at why, then fulcrum reset" } else { "" },
        "reconciled": true, "market_stream_up": true, "user_stream_up": !killed,
        "control_alive": true, "orders_open": 1, "orders_unknown": 0, "orders_inherited": 0,
        "safe_after_ms": 1, "ready_after_ms": 2, "equity_usdt": "99988.99440000",
        "unrealized_usdt": "-0.07520000", "realized_usdt": "1.20000000",
        "fees_usdt": "10.80590000", "funding_usdt": "0.00000000",
        "utc_ms": 1_795_827_723_004_i64,
        "kill": {
            "latched": killed, "durable": killed, "keep_positions": false, "since_utc_ms": 1,
            "verified": false, "sweeps": []
        }
    });
    serde_json::from_value(status).expect("a status")
}

fn position(symbol: &str, quantity: &str) -> PositionLine {
    PositionLine {
        market: "usdm".to_string(),
        symbol: symbol.to_string(),
        quantity: quantity.to_string(),
        entry_price: if quantity == "0.000" { "" } else { "63948.2" }.to_string(),
        mark_price: "63950.0".to_string(),
        protective_stop: String::new(),
        unrealized_usdt: "-0.0752".to_string(),
        book: "SYNCED".to_string(),
        orders_open: 1,
    }
}

fn order(symbol: &str) -> OrderLine {
    OrderLine {
        market: "usdm".to_string(),
        symbol: symbol.to_string(),
        origin: "OWN".to_string(),
        client_order_id: "fu1".to_string(),
        order_id: 1,
        side: "BUY".to_string(),
        order_type: "LIMIT".to_string(),
        price: "63948.1".to_string(),
        quantity: "0.015".to_string(),
        filled: "0.000".to_string(),
        reduce_only: false,
    }
}

fn limit(name: &str, used: &str, value: &str) -> LimitLine {
    LimitLine {
        limit: name.to_string(),
        value: value.to_string(),
        ceiling: value.to_string(),
        used: used.to_string(),
        guards: "X".to_string(),
    }
}

fn picture(state: &str, at: Instant) -> Picture {
    let mut picture = Picture::default();
    for step in 0..40 {
        let mut status = status(state);
        status.equity_usdt = format!("99{}.50000000", 900 + (step * step) % 90);
        picture.take_status(Ok(status), at);
    }
    picture.take_status(Ok(status(state)), at);
    let positions = vec![
        position("BTCUSDT", "-0.015"),
        position("ETHUSDT", "0.000"),
        position("币安人生USDT", "0.000"),
    ];
    picture.positions.take(Ok(positions), at);
    let orders = Orders {
        plain: vec![order("BTCUSDT"), order("ETHUSDT")],
        conditional: Vec::new(),
    };
    picture.orders.take(Ok(orders), at);
    let limits = vec![
        limit("risk.max_open_orders", "1", "20"),
        limit("risk.daily_loss_usdt", "480", "500"),
        limit("risk.max_order_notional_usdt", "", "5000"),
    ];
    picture.limits.take(Ok(limits), at);
    let stats = json!({
        "instruments": [{
            "market": "usdm", "symbol": "BTCUSDT", "book": "SYNCED", "book_age_ms": 12,
            "bid": "63948.2", "bid_quantity": "1.500", "ask": "63948.3", "ask_quantity": "0.500",
            "imbalance": "3.000", "fills": 9
        }],
        "tick_to_order_ns": { "p50": 107_000, "p99": 502_000, "max": 502_000 },
        "orders_sent": 34, "fills": 22, "events": 18_773, "book_gaps": 0,
        "journal_records": 195, "journal_holes": 0
    });
    picture.stats.take(Ok(stats), at);
    let fill = json!({
        "transaction_time_ms": 1_795_827_700_000_i64, "side": "SELL", "quantity": "0.015",
        "symbol": "BTCUSDT", "price": "63948.2"
    });
    picture.fills.take(Ok(vec![fill]), at);
    let change =
        json!({ "utc_ns": 1_795_827_000_000_000_000_i64, "to": "ACTIVE", "reason": "READY" });
    picture.states.take(Ok(vec![change]), at);
    picture
}

fn drawn(picture: &Picture, place: &Place, now: Instant, size: (u16, u16), colour: bool) -> String {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("cells");
    let looks = Looks {
        picture,
        place,
        said: "",
        now,
        colour,
    };
    terminal.draw(|frame| page(frame, &looks)).expect("cells");
    text_of(terminal.backend().buffer(), colour)
}

/// Compares with the page on the disk; `FULCRUM_BLESS=1` writes it.
fn check(name: &str, found: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/command_line/top/pages");
    let file = folder.join(format!("{name}.txt"));
    if std::env::var_os("FULCRUM_BLESS").is_some() {
        std::fs::write(&file, found).expect("a file of the tree");
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        found, wanted,
        "{name} is drawn otherwise; look at it, then FULCRUM_BLESS=1"
    );
}

#[test]
fn pages_are_drawn_as_they_were_looked_at() {
    let now = Instant::now();
    let place = Place::default();
    let active = picture("ACTIVE", now);
    check("active", &drawn(&active, &place, now, (80, 24), false));
    check("wide", &drawn(&active, &place, now, (130, 32), false));
    check("narrow", &drawn(&active, &place, now, (48, 20), false));
    let killed = picture("KILLED", now);
    check("killed", &drawn(&killed, &place, now, (80, 24), false));
    check(
        "empty",
        &drawn(&Picture::default(), &place, now, (80, 24), false),
    );
    let mut stale = picture("ACTIVE", now);
    let later = now + Duration::from_secs(12);
    stale.take_status(Err("nobody".to_string()), later);
    check("stale", &drawn(&stale, &place, later, (80, 24), false));
}

#[test]
fn what_lies_over_the_page_is_whole_at_any_size() {
    let now = Instant::now();
    let active = picture("ACTIVE", now);
    let kill = Place {
        chosen: 0,
        over: Over::Kill("ki".to_string()),
    };
    let text = drawn(&active, &kill, now, (80, 24), false);
    assert!(
        text.contains("Type `kill` and Enter, or Esc: ki_"),
        "{text}"
    );
    for width in [1, 20, 39, 40, 48, 78, 79, 99, 100, 140] {
        for height in [1, 7, 8, 12, 24, 40] {
            for over in [Over::Nothing, Over::Help, kill.over.clone()] {
                let place = Place { chosen: 99, over };
                let _ = drawn(&active, &place, now, (width, height), true);
                let _ = drawn(&Picture::default(), &place, now, (width, height), false);
            }
        }
    }
}

#[test]
fn the_chosen_instrument_is_in_sight_and_colours_go_with_no_color() {
    let now = Instant::now();
    let mut many = picture("ACTIVE", now);
    let positions = (0..30).map(|number| position(&format!("S{number}USDT"), "0.000"));
    many.positions.take(Ok(positions.collect()), now);
    let place = Place {
        chosen: 25,
        over: Over::Nothing,
    };
    let text = drawn(&many, &place, now, (80, 24), false);
    assert!(
        text.contains("S25USDT") && !text.contains("S0USDT "),
        "{text}"
    );
    assert!(!text.contains('\x1b'));
    let coloured = drawn(&many, &place, now, (80, 24), true);
    assert!(coloured.contains("\x1b[1;32mACTIVE"), "{coloured:?}");
}
