//! The table as a person sees it.

use super::*;
use crate::ledger::StrategyTotals;
use crate::view::{RingView, SegmentView, View};
use ipc::{HistogramSnapshot, HotpathState};
use market::event::Level;
use market::page::{AccountPage, InstrumentPage};
use market::{
    BookState, InstrumentId, Market, Money, MonoNs, Price, Quantity, Rate, Step, Symbol,
    TradingState, UpdateId, UtcNs,
};
use settings::Settings;

/// A picture in the middle of a session, with a Chinese symbol beside a Latin one.
pub(crate) fn picture() -> View {
    let mut view = View {
        segment: Some(SegmentView {
            pid: 1,
            generation: 3,
            build_id: 7,
            config_hash: 8,
            state: HotpathState::Running,
            process_exists: true,
            heartbeat_age_ns: Some(1_000),
            kill_latched: false,
            drained: false,
        }),
        account: Some(account()),
        instruments: vec![
            instrument(0, "BTCUSDT", "0.10"),
            instrument(1, "币安人生USDT", "0.00001"),
        ],
        ledger_up: true,
        input_log_up: true,
        ..View::default()
    };
    view.instruments[1].book_state = BookState::Stale;
    view.totals.records = 1_234;
    view.totals.confirmed = 40;
    view.totals.denials.insert("PRICE_COLLAR".to_string(), 2);
    view.totals.by_strategy.insert(
        0,
        StrategyTotals {
            orders: 41,
            fills: 38,
            trades: 3,
            trades_won: 2,
            realized: Money(1_250_000_000),
            fees: Money(1_562_902_000),
        },
    );
    view.figures
        .insert("non_actions_total{reason=\"COOLDOWN\"}".to_string(), 1_000);
    view.figures.insert(
        "non_actions_total{reason=\"SIGNAL_NEUTRAL\"}".to_string(),
        54_321,
    );
    view.gauges
        .insert("ring_high_watermark{ring=\"market\"}".to_string(), 512);
    view.gauges
        .insert("ring_capacity{ring=\"market\"}".to_string(), 4_096);
    view.rings.push(RingView {
        name: "journal",
        depth: 1,
        capacity: 65_536,
        high_watermark: 700,
        dropped: 0,
    });
    view
}

fn account() -> AccountPage {
    AccountPage {
        trading_state: TradingState::Active,
        reason: market::StateReason::Reconciled,
        input_sequence: 9_000,
        time: MonoNs(5),
        utc: UtcNs(0),
        output_hash: 1,
        wallet: Money::from_whole(10_000),
        equity: Money::from_whole(10_001),
        realized: Money(1_250_000_000),
        unrealized: Money::from_whole(1),
        fees: Money(1_562_902_000),
        funding: Money(0),
        drawdown: Rate(1_000_000),
        unknown_ever: 1,
        unknown_now: 0,
        orders_open: 1,
        market_stream_up: true,
        user_stream_up: true,
        reconciled: true,
        gross_notional: Money(0),
        net_notional: Money(0),
        balances_untold: 0,
        orders_inherited: 0,
        strategies_latched: 0,
        config_version: 0,
        config_hash: 0,
    }
}

fn instrument(index: u16, symbol: &str, tick: &str) -> InstrumentPage {
    let level = |ticks| Level {
        price: Price(ticks),
        quantity: Quantity(5),
    };
    InstrumentPage {
        instrument: InstrumentId(index),
        market: Market::UsdM,
        symbol: Symbol::new(symbol.as_bytes()).unwrap(),
        tick: Step::from_text(tick.as_bytes()).unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        book_state: BookState::Synced,
        update_id: UpdateId(1),
        book_time: MonoNs(4),
        bid: level(281_450),
        ask: level(281_451),
        imbalance_ratio: 3.25,
        no_signal: None,
        mark: Price(0),
        position: Quantity(-36),
        cost_tick_lots: 0,
        realized: Money(1_250_000_000),
        unrealized: Money::from_whole(1),
        fees: Money(1_562_902_000),
        orders_open: 1,
        orders_unknown: 0,
        orders_sent: 41,
        fills: 38,
        trades_won: 2,
        trades_closed: 3,
        book_gaps: 0,
        book_resyncs: 0,
        protective_stop: Price(0),
        opening: Quantity(0),
        reconciled: true,
    }
}

/// One instrument, one strategy, everything else as the template has it.
pub(crate) fn settings() -> Settings {
    let text = "[[instrument]]\nmarket = \"usdm\"\nsymbol = \"BTCUSDT\"\n\
        [[strategy]]\nkind = \"imbalance\"\nsymbols = [\"BTCUSDT\"]\nentry = \"maker\"\n";
    Settings::check("test.toml", text).unwrap()
}

const EXPECTED: &str = "  fulcrum  paper default  ACTIVE  (generation 3, running)

  market  symbol        book        bid      ask  imbalance  position  P&L net  unrealised  open  orders  fills
  usdm    BTCUSDT       SYNCED  28145.0  28145.1      3.250    -0.036  -3.1290      1.0000     1      41     38
  usdm    币安人生USDT  STALE   2.81450  2.81451          -    -0.036  -3.1290      1.0000     1      41     38

  strategy   orders  fills  trades  won  win rate  break-even  P&L net     fees
  imbalance      41     38       3    2    66.7 %      57.9 %  -3.1290  15.6290

  P&L net of fees  -3.1290 USDT, equity 10001.0000
  orders           41 sent, 40 at the exchange, 38 fills, 0 of unknown fate
  denials          PRICE_COLLAR 2
  no action        SIGNAL_NEUTRAL 54,321, COOLDOWN 1,000
  tick to order    -
  ring high-water  journal 1 %, market 12 %
  journal          1,234 records, 0 holes; input log 0 events, 0 holes
  not ready: book of usdm 币安人生USDT is STALE
";

#[test]
fn the_page_lines_up_in_plain_text() {
    let text = page(&picture(), &settings(), Style { colour: false });
    assert_eq!(text, EXPECTED);
}

#[test]
fn colour_adds_escape_codes_and_nothing_else() {
    let text = page(&picture(), &settings(), Style { colour: true });
    assert!(text.contains("\x1b[1;32mACTIVE\x1b[0m"));
    let mut plain = text;
    for code in ["\x1b[1;32m", "\x1b[1m", "\x1b[33m", "\x1b[0m"] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, EXPECTED);
}

#[test]
fn an_empty_picture_draws_a_page_too() {
    let text = page(&View::default(), &settings(), Style { colour: false });
    assert!(text.contains("waiting for a hot path"));
}

#[test]
fn the_way_of_orders_is_drawn_by_stream_and_stage() {
    let mut view = picture();
    let place = "market=\"usdm\",symbol=\"BTCUSDT\",trigger=\"depth\"";
    let stage = "stage_duration_seconds{market=\"usdm\",trigger=\"depth\",stage=";
    for (name, ns) in [
        (
            format!("tick_to_order_seconds{{{place},source=\"from_read\"}}"),
            20,
        ),
        (
            format!("tick_to_order_seconds{{{place},source=\"from_kernel\"}}"),
            40,
        ),
        (format!("{stage}\"write\"}}"), 9),
        (format!("{stage}\"parse\"}}"), 7),
        (
            "tick_to_order_stalled_seconds{market=\"usdm\",trigger=\"depth\"}".to_string(),
            50,
        ),
        ("loop_stall_seconds{thread=\"engine\"}".to_string(), 60),
    ] {
        let mut cells = vec![0; 64];
        cells[ns] = 2;
        let one = HistogramSnapshot::from_cells(cells, 2 * ns as u64, ns as u64).unwrap();
        view.histograms.insert(name, one);
    }
    let text = page(&view, &settings(), Style { colour: false });
    let all = |ns: u64| format!("p50 {ns} ns, p99 {ns} ns, p99.9 {ns} ns, max {ns} ns of 2");
    let rows = [
        format!("  tick to order    {} (from read)", all(20)),
        format!("    depth          {} (from kernel)", all(40)),
        format!("    depth          {} (from read)", all(20)),
        "  stages depth     parse 7 ns / 7 ns, write 9 ns / 9 ns".to_string(),
        format!("    with a stall   {}", all(50)),
        format!("  loop stalls      {}", all(60)),
    ];
    assert!(text.contains(&rows.join("\n")), "{text}");
}

#[test]
fn durations_and_counts_are_short() {
    for (ns, expected) in [
        (7, "7 ns"),
        (1_234, "1.23 us"),
        (45_678, "45.6 us"),
        (456_789, "456 us"),
        (2_000_000_000, "2.00 s"),
    ] {
        assert_eq!(columns::duration(ns), expected);
    }
    assert_eq!(columns::grouped(1_234_567), "1,234,567");
}
