//! `exchange-load`: the simulated exchange on one core under as much as a busy laboratory asks of it.
//!
//! In: rates, a time, the exchange's binary. Out: progress on stderr, a table and with `--json` a
//! file, exit 0 only if every figure is within its bound. Never: a request to anything but the
//! exchange that it started.

mod exchange;
mod orders;
mod requests;
mod subscribers;

use clap::Parser;
use exchange::Exchange;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tests::load::latencies::Latencies;
use tests::load::table::{self, Bound, Row};

/// Load on the simulated exchange.
#[derive(Debug, Parser)]
#[command(name = "exchange-load", version)]
struct Arguments {
    /// Seconds of load that are measured.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds before anything counts: until what the exchange remembers has reached its bounds.
    #[arg(long, default_value_t = 200)]
    warm_up: u64,
    /// Orders a second, over one connection of the WebSocket API.
    #[arg(long, default_value_t = 1_000)]
    orders: u32,
    /// REST requests a second.
    #[arg(long, default_value_t = 200)]
    requests: u32,
    /// Connections that listen to every stream of the market.
    #[arg(long, default_value_t = 10)]
    subscribers: usize,
    /// How many times faster than real time the generated market runs.
    #[arg(long, default_value_t = 12)]
    speed: u32,
    /// The exchange; `target/debug` without it.
    #[arg(long)]
    exchange: Option<PathBuf>,
    /// Where the figures are written.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Stream messages a second over all subscribers that the market must make.
const MESSAGES_LEAST: f64 = 50_000.0;

/// Bound of the 99th percentile of a REST request.
const REST_P99_MS: f64 = 5.0;

/// Of what was asked for, so much must have been done.
const DONE_LEAST: f64 = 0.99;

/// Memory after the load over memory after the warm-up.
const GROWTH_MOST: f64 = 1.05;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The exchange has the first core for itself, the load the others.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut ours = CpuSet::new();
    (1..cores).for_each(|core| ours.set(core));
    if cores > 1
        && let Err(error) = sched_setaffinity(None, &ours)
    {
        eprintln!("exchange-load: the cores cannot be told apart: {error}");
    }
    let binary = arguments.exchange.clone();
    let binary = binary.unwrap_or_else(|| tests::binary("simulated-exchange"));
    let exchange = Exchange::start(&binary, arguments.speed);
    let rows = measure(&arguments, &exchange);
    table::print(&rows);
    if let Some(file) = &arguments.json {
        let page = page(&arguments, &rows).to_string();
        if let Err(error) = std::fs::write(file, page + "\n") {
            eprintln!("exchange-load: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    if rows.iter().all(Row::is_met) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn measure(arguments: &Arguments, exchange: &Exchange) -> Vec<Row> {
    let stop = Arc::new(AtomicBool::new(false));
    let counted = subscribers::start(exchange, arguments.subscribers, &stop);
    let sleeper = subscribers::sleeper(exchange);
    let orders = orders::start(exchange, arguments.orders, &stop);
    let requests = requests::start(exchange, arguments.requests, &stop);
    thread::sleep(Duration::from_secs(arguments.warm_up));
    let (messages, memory, cpu) = (counted.messages(), exchange.memory_kib(), exchange.cpu_s());
    let (placed, asked) = (orders.tally.done(), requests.tally.done());
    orders.tally.forget_latencies();
    requests.tally.forget_latencies();
    let began = Instant::now();
    for second in 1..=arguments.seconds {
        thread::sleep(Duration::from_secs(second).saturating_sub(began.elapsed()));
        if second % 10 == 0 {
            let mib = exchange.memory_kib() as f64 / 1024.0;
            eprintln!("exchange-load: {second} s, {mib:.1} MiB");
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
    let order_rate = rate(orders.tally.done(), placed);
    let request_rate = rate(requests.tally.done(), asked);
    let message_rate = rate(counted.messages(), messages);
    let cores = (exchange.cpu_s() - cpu) / seconds;
    let memory_then = exchange.memory_kib();
    let slow = exchange.slow_dropped();
    stop.store(true, Ordering::Relaxed);
    let (orders, requests) = (orders.end(), requests.end());
    drop(sleeper);
    counted.end();
    let least = |value: f64| Some(Bound::Least(value));
    let most = |value: f64| Some(Bound::Most(value));
    let row = Row::new;
    let growth = memory_then as f64 / memory as f64;
    let wanted = |rate: u32| least(f64::from(rate) * DONE_LEAST);
    vec![
        row("orders", order_rate, "/s", wanted(arguments.orders)),
        row("order reply, p50", ms(&orders.latencies, 0.5), "ms", None),
        row("order reply, p99", ms(&orders.latencies, 0.99), "ms", None),
        row("orders refused", orders.refused as f64, "", most(0.0)),
        row("stream messages", message_rate, "/s", least(MESSAGES_LEAST)),
        row(
            "REST requests",
            request_rate,
            "/s",
            wanted(arguments.requests),
        ),
        row("REST reply, p50", ms(&requests.latencies, 0.5), "ms", None),
        row(
            "REST reply, p99",
            ms(&requests.latencies, 0.99),
            "ms",
            most(REST_P99_MS),
        ),
        row("REST refused", requests.refused as f64, "", most(0.0)),
        row("memory after warm-up", memory as f64 / 1024.0, "MiB", None),
        row("memory, end over warm-up", growth, "x", most(GROWTH_MOST)),
        row("slow subscribers dropped", slow as f64, "", least(1.0)),
        row("processor", cores, "cores", None),
    ]
}

fn ms(latencies: &Latencies, quantile: f64) -> f64 {
    latencies.quantile(quantile).as_secs_f64() * 1e3
}

fn page(arguments: &Arguments, rows: &[Row]) -> Value {
    json!({
        "seconds": arguments.seconds,
        "subscribers": arguments.subscribers,
        "rows": table::as_json(rows),
    })
}
