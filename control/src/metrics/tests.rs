//! Both texts, held against their outside judges where these are installed.
//!
//! `promtool` is part of Debian's prometheus; the parser of PyPI's prometheus_client is run with
//! the interpreter that `FULCRUM_PYTHON_JUDGE` names (default `python3`). A judge that is not there is
//! named and skipped, unless `FULCRUM_REQUIRE_JUDGES` is set.

use super::*;
use crate::paper::{Followed, PaperView};
use crate::table::tests::{picture, settings};
use crate::view::View;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

fn paper_venue() -> PaperView {
    PaperView {
        up: true,
        pid: None,
        restarts: 2,
        following: vec![Followed {
            market: "usdm",
            symbol: "BTCUSDT".to_string(),
            in_sync: false,
        }],
    }
}

fn families() -> Families {
    let mut view: View = picture();
    for (name, value) in [
        ("ws_messages_total{market=\"usdm\",stream=\"market\"}", 10),
        (
            "ws_received_bytes_total{market=\"usdm\",stream=\"market\"}",
            1_000,
        ),
        (
            "shown_book_gaps_total{market=\"usdm\",symbol=\"币安人生USDT\"}",
            1,
        ),
        (
            "shown_book_resyncs_total{market=\"usdm\",symbol=\"BTCUSDT\"}",
            1,
        ),
        ("shown_ring_dropped_total{ring=\"journal\"}", 0),
        ("shown_events_total", 99),
        ("cpu_steal_ns_total{cpu=\"1\"}", 20_000_000),
        ("odd_total{text=\"back\\\\slash\"}", 1),
    ] {
        view.figures.insert(name.to_string(), value);
    }
    view.gauges.insert(
        "stream_last_message_timestamp_seconds{market=\"usdm\"}".to_string(),
        7,
    );
    view.gauges.insert(
        "tick_to_order_worst_ns{window=\"start\",rank=\"1\"}".to_string(),
        4_500_000,
    );
    let cells = vec![0, 0, 3, 4];
    let snapshot = ipc::HistogramSnapshot::from_cells(cells, 18, 3).unwrap();
    view.histograms.insert(
        "tick_to_order_seconds{market=\"usdm\",symbol=\"BTCUSDT\"}".to_string(),
        snapshot,
    );
    view.commits.record(Duration::from_millis(3));
    view.journal_lag = Some(4);
    view.totals.held_by = Some("DRAWDOWN".to_string());
    view.totals.reconciled_utc_ns = 1;
    let funding = ("FUNDING_FEE".to_string(), market::Money(-125_000_000));
    view.totals.incomes.by_kind.extend([funding]);
    view.totals.incomes.differences = 3;
    let key = ["usdm", "BTCUSDT"].map(str::to_string);
    view.totals.crossed.insert(key, 2);
    let key = |last: &str| ["usdm", "BTCUSDT", "BUY", last].map(str::to_string);
    view.totals.sent.insert(key("LIMIT"), 41);
    view.totals.filled.insert(key("TAKER"), 38);
    view.totals
        .rejections
        .insert(("usdm".to_string(), -2019), 3);
    let settings = settings();
    let paper = paper_venue();
    let process = Process {
        settings: &settings,
        state_dir: std::path::Path::new("."),
        now_ns: 1_000,
        paper: Some(&paper),
    };
    let mut http = HttpFigures::default();
    http.auth_failures.insert("bad_key", 2);
    http.requests
        .insert(("GET", "/metrics".to_string(), 200), 3);
    http.durations
        .entry("/metrics".to_string())
        .or_default()
        .record(Duration::from_micros(150));
    collect(&view, process, &http)
}

fn judge(name: &str, mut command: Command, input: &str) {
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        assert!(
            std::env::var_os("FULCRUM_REQUIRE_JUDGES").is_none(),
            "{name} is missing"
        );
        eprintln!("skipped: {name} is not installed");
        return;
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).ok();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if said.contains("No module named") && std::env::var_os("FULCRUM_REQUIRE_JUDGES").is_none() {
        eprintln!("skipped: {name}: {said}");
        return;
    }
    assert!(
        output.status.success() && said.trim().is_empty(),
        "{name}: {said}"
    );
}

#[test]
fn promtool_finds_nothing_in_the_plain_text() {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    judge("promtool", command, &text(&families()));
}

#[test]
fn the_parser_of_prometheus_client_reads_both_texts() {
    let python = std::env::var("FULCRUM_PYTHON_JUDGE").unwrap_or_else(|_| "python3".to_string());
    for (module, page) in [
        (
            "prometheus_client.openmetrics.parser",
            open_metrics(families()).unwrap(),
        ),
        ("prometheus_client.parser", text(&families())),
    ] {
        let program = format!(
            "import sys\nfrom {module} import text_string_to_metric_families as parse\n\
             found = list(parse(sys.stdin.read()))\n\
             assert len(found) > 30, len(found)\n\
             assert len(found) == len({{one.name for one in found}})"
        );
        let mut command = Command::new(&python);
        command
            .args(["-c", &program])
            .env("PYTHONIOENCODING", "utf-8")
            .env("PYTHONUTF8", "1");
        judge(module, command, &page);
    }
}

#[test]
fn the_library_adds_suffixes_once_and_the_sums_are_right() {
    let page = open_metrics(families()).unwrap();
    for line in [
        "# TYPE fulcrum_ws_received_bytes counter",
        "# UNIT fulcrum_ws_received_bytes bytes",
        "fulcrum_ws_received_bytes_total{market=\"usdm\",stream=\"market\"} 1000",
        "# TYPE fulcrum_build info",
        "fulcrum_trading_state{state=\"ACTIVE\"} 1.0",
        "fulcrum_trading_state{state=\"KILLED\"} 0.0",
        "fulcrum_tick_to_order_seconds_count{market=\"usdm\",symbol=\"BTCUSDT\"} 7",
        "fulcrum_tick_to_order_seconds_bucket{le=\"1e-7\",market=\"usdm\",symbol=\"BTCUSDT\"} 7",
        "fulcrum_book_gaps_total{market=\"usdm\",symbol=\"币安人生USDT\"} 1",
        "fulcrum_book_synced{market=\"usdm\",symbol=\"BTCUSDT\"} 1.0",
        "fulcrum_realized_pnl_usdt -3.12902",
        "fulcrum_funding_paid_usdt 1.25",
        "fulcrum_income_usdt{kind=\"FUNDING_FEE\"} -1.25",
        "fulcrum_income_usdt{kind=\"TRANSFER\"} 0.0",
        "fulcrum_reconcile_mismatches_total{kind=\"income\"} 3",
        "fulcrum_drawdown_ratio 0.01",
        "fulcrum_breaker_tripped{breaker=\"DRAWDOWN\"} 1.0",
        "fulcrum_breaker_tripped{breaker=\"DAILY_LOSS\"} 0.0",
        "fulcrum_book_crossed_total{market=\"usdm\",symbol=\"BTCUSDT\"} 2",
        "fulcrum_unclean_restarts_total{process=\"hotpath\"} 0",
        "fulcrum_limit_utilization_ratio{limit=\"open_orders\"} 0.05",
        "fulcrum_journal_lag_records 4.0",
        "fulcrum_cpu_steal_seconds_total{cpu=\"1\"} 0.02",
        "fulcrum_tick_to_order_worst_seconds{rank=\"1\",window=\"start\"} 0.0045",
    ] {
        assert!(
            page.lines().any(|found| found == line),
            "{line} is not in\n{page}"
        );
    }
    assert!(!page.contains("shown_") && !page.contains("total_total") && page.ends_with("# EOF\n"));
    let plain = text(&families());
    for line in [
        "# TYPE fulcrum_ws_received_bytes_total counter",
        "fulcrum_orders_denied_total{reason=\"PRICE_COLLAR\"} 2",
        "fulcrum_tick_to_order_seconds_bucket{market=\"usdm\",symbol=\"BTCUSDT\",le=\"+Inf\"} 7",
        "fulcrum_build_info{process=\"control\",revision=\"unknown\",version=\"0.1.0\"} 1",
    ] {
        assert!(
            plain.lines().any(|found| found == line),
            "{line} is not in\n{plain}"
        );
    }
}

/// A picture with ledger totals, without and with the cells of a hot path that counts the same.
#[test]
fn a_hot_path_that_comes_moves_no_counter() {
    let labels = |family: &Family| family.samples.clone();
    let mut view = picture();
    let key = |last: &str| ["usdm", "BTCUSDT", "BUY", last].map(str::to_string);
    view.totals.sent.insert(key("LIMIT"), 41);
    view.totals.filled.insert(key("TAKER"), 38);
    view.totals
        .rejections
        .insert(("usdm".to_string(), -2019), 3);
    let settings = settings();
    let process = Process {
        settings: &settings,
        state_dir: std::path::Path::new("."),
        now_ns: 1_000,
        paper: None,
    };
    let before = collect(&view, process, &HttpFigures::default());
    for cell in [
        "intents_total{strategy=\"imbalance\"}",
        "orders_denied_total{reason=\"PRICE_COLLAR\"}",
        "orders_denied_total{reason=\"BOOK_STALE\"}",
        "orders_rejected_total{market=\"usdm\",code=\"margin\"}",
        "orders_sent_total{market=\"usdm\",symbol=\"BTCUSDT\",side=\"BUY\",type=\"LIMIT\"}",
        "fills_total{market=\"usdm\",symbol=\"BTCUSDT\",side=\"BUY\",liquidity=\"TAKER\"}",
        "reconcile_runs_total{market=\"usdm\",result=\"ok\"}",
    ] {
        view.figures.insert(cell.to_string(), 1);
    }
    let after = collect(&view, process, &HttpFigures::default());
    let counters = before.iter().filter(|(_, one)| one.kind == Kind::Counter);
    for (name, family) in counters {
        assert_eq!(labels(family), labels(&after[name]), "{name}");
    }
    // What the ledger does not tell apart comes from its cells alone, under one set of labels.
    assert!(!before.contains_key("reconcile_runs"));
    let runs = &after["reconcile_runs"].samples;
    assert_eq!(runs.len(), 1, "{runs:?}");
}

/// 10,001 USDT are left of a mark from which 1 % is gone: a fall of 101.02 of at most 1,000.
#[test]
fn the_use_of_the_drawdown_limit_is_money_of_money() {
    let families = families();
    let used = &families["limit_utilization_ratio"].samples;
    let labels = vec![("limit".to_string(), "drawdown".to_string())];
    let Value::Float(share) = used[&labels] else {
        panic!("a gauge is a float");
    };
    assert!((share - 0.101_020_202).abs() < 1e-9, "{share}");
}

#[test]
fn identities_are_those_of_the_process_that_runs() {
    let settings = settings();
    let samples = |view: &View| {
        let process = Process {
            settings: &settings,
            state_dir: std::path::Path::new("."),
            now_ns: 1_000,
            paper: None,
        };
        text(&collect(view, process, &HttpFigures::default()))
    };
    let mut view = picture();
    view.identity = "testnet binance second".to_string();
    let expected = format!("{:016x}", settings.short_hash());
    let page = samples(&view);
    for line in [
        format!("config_info{{expected=\"{expected}\",sha256=\"0000000000000008\"}} 1"),
        "build_info{process=\"hotpath\",revision=\"0000000000000007\",version=\"unknown\"} 1"
            .to_string(),
        "mode_info{account=\"second\",mode=\"testnet\",venue=\"binance\"} 1".to_string(),
    ] {
        assert!(
            page.contains(&format!("fulcrum_{line}\n")),
            "{line}: {page}"
        );
    }
    let segment = view.segment.as_mut().unwrap();
    segment.config_hash = settings.short_hash();
    segment.build_id = crate::build_identity::build_id();
    let page = samples(&view);
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        format!("config_info{{expected=\"{expected}\",sha256=\"{expected}\"}} 1"),
        format!("build_info{{process=\"hotpath\",revision=\"unknown\",version=\"{version}\"}} 1"),
    ] {
        assert!(
            page.contains(&format!("fulcrum_{line}\n")),
            "{line}: {page}"
        );
    }
    // Nothing runs: no configuration is in force.
    let page = samples(&View::default());
    assert!(!page.contains("config_info{") && !page.contains("build_info{process=\"hotpath\""));
    assert!(page.contains("mode_info{account=\"default\",mode=\"paper\",venue=\"binance\"} 1"));
}

/// A full picture, or a cell that the sources of the hot path or of its reader name.
#[test]
fn every_metric_of_the_catalogue_has_a_producer() {
    let made = families();
    let mut sources = include_str!("../attached.rs").to_string();
    let mut folders =
        vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../hotpath/process/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                sources += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    for (name, kind, _) in catalogue::CATALOGUE {
        let suffix = if *kind == Kind::Counter { "_total" } else { "" };
        let cell = format!("\"{name}{suffix}");
        // Cells are whole numbers: what is shown in seconds may be counted in nanoseconds.
        let stem = name.strip_suffix("_seconds").unwrap_or(name);
        let in_ns = format!("\"{stem}_ns{suffix}");
        assert!(
            made.contains_key(*name) || sources.contains(&cell) || sources.contains(&in_ns),
            "nobody produces {name}"
        );
    }
}

#[test]
fn every_family_has_a_sentence() {
    for (name, family) in families() {
        assert!(name == "odd" || family.help == catalogue::help(&name));
        assert_ne!(family.help, "", "{name}");
        let known = catalogue::CATALOGUE
            .iter()
            .find(|(known, ..)| *known == name);
        assert!(
            known.is_none_or(|(_, kind, _)| *kind == family.kind),
            "{name}"
        );
    }
}
