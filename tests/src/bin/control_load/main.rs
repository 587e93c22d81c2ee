//! `control-load`: control's API under as many readers and listeners as are promised, while the hot
//! path trades at recorded rate.
//!
//! In: numbers of readers and listeners, a time, release binaries (`FULCRUM_BINARIES`). Out: a table and
//! with `--json` a file, exit 0 only if every figure is within its bound. Never: a request to a control
//! that it did not start.

mod listeners;
mod readers;

use clap::Parser;
use listeners::Heard;
use readers::Read;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tests::load::latencies::Latencies;
use tests::load::table::{self, Bound, Row};
use tests::load::watched;
use tests::rig::{Plan, Process, Rig};
use tests::{captures, target, wait_for};

/// Load on control.
#[derive(Debug, Parser)]
#[command(name = "control-load", version)]
struct Arguments {
    /// Seconds of each load.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Connections that ask, all the time.
    #[arg(long, default_value_t = 100)]
    readers: usize,
    /// Milliseconds between two questions of one of them.
    #[arg(long, default_value_t = 250)]
    every_ms: u64,
    /// Connections that listen.
    #[arg(long, default_value_t = 200)]
    listeners: usize,
    /// Where the figures are written.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What is promised of 100 readers; 10 ms are the aim.
const READ_P99_MS: f64 = 100.0;

/// Updates of a book that every listener gets a second, where ten are made.
const UPDATES_LEAST: f64 = 9.5;

/// Oldest update when it comes, of 99 in 100.
const AGE_P99_MS: f64 = 100.0;

/// Memory of control.
const MEMORY_MOST_MIB: f64 = 128.0;

/// Processor that the listeners may cost beside what control does anyway.
const LISTENERS_CORES_MOST: f64 = 0.25;

/// The engine's events under a load, of those without: a recording has busier minutes and quieter ones.
const EVENTS_LEAST: f64 = 0.5;

/// What was measured around a load.
struct Around {
    cores: f64,
    memory_mib: f64,
    events: f64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let rig = trading();
    let rows = measure(&arguments, &rig);
    table::print(&rows);
    if let Some(file) = &arguments.json {
        let page = page(&arguments, &rows).to_string();
        if let Err(error) = std::fs::write(file, page + "\n") {
            eprintln!("control-load: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    match rows.iter().all(Row::is_met) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A hot path that trades on a recording at its own rate, or on a generated market where there is none.
fn trading() -> Rig {
    let folder = captures().map(|folder| folder.join("hftbacktest/usdm"));
    let mut files: Vec<String> = folder
        .and_then(|folder| std::fs::read_dir(folder).ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().display().to_string())
        .collect();
    files.sort();
    files.truncate(2);
    let list = files.join(",");
    let market = match files.is_empty() {
        true => vec!["--generate", "--symbols", "BTCUSDT", "--seed", "7"],
        false => vec!["--capture", &list, "--loop"],
    };
    // The symbol stands before the day in the name of a recording.
    let symbol = files.first().and_then(|file| symbol_of(file));
    let symbol = symbol.unwrap_or_else(|| "BTCUSDT".to_string());
    let mut rig = Rig::set_up(&Plan {
        state_dir: target().join("fulcrum/control-load"),
        market,
        traded: vec![&symbol],
        lines: "[hot_path]\nengine_wait = \"yield\"\n[book]\nstale_after_ms = 5000\n\
             [[strategy]]\nkind = \"imbalance\"\nentry = \"taker\"\norder_notional_usdt = 1000\n\
             signal_exit_after_ms = 5000\ncooldown_ms = 1000\n"
            .to_string(),
        proxied: false,
    });
    rig.start_control();
    rig.start_hot_path();
    wait_for("trades", Duration::from_secs(60), || {
        rig.stats()["fills"].as_u64().is_some_and(|fills| fills > 0)
    });
    rig
}

fn symbol_of(file: &str) -> Option<String> {
    let name = file.rsplit('/').next()?;
    let word = name
        .split(['_', '.', '-'])
        .find(|word| word.to_uppercase().ends_with("USDT"))?;
    Some(word.to_uppercase())
}

fn measure(arguments: &Arguments, rig: &Rig) -> Vec<Row> {
    let time = Duration::from_secs(arguments.seconds);
    eprintln!("control-load: nobody asks");
    let (alone, ()) = around(rig, || std::thread::sleep(time));
    eprintln!("control-load: {} readers", arguments.readers);
    let every = Duration::from_millis(arguments.every_ms);
    let (reading, read) = around(rig, || {
        readers::run(&rig.api(), arguments.readers, every, time)
    });
    eprintln!("control-load: {} listeners", arguments.listeners);
    let (listening, heard) = around(rig, || {
        listeners::run(&rig.api(), arguments.listeners, time)
    });
    let memory = [&alone, &reading, &listening].map(|one| one.memory_mib);
    let memory = memory.into_iter().fold(0.0, f64::max);
    let mut rows = vec![
        Row::new("control: engine events", alone.events, "/s", least(1.0)),
        Row::new(
            "control: processor, nobody asks",
            alone.cores,
            "cores",
            None,
        ),
        Row::new("control: memory", memory, "MiB", most(MEMORY_MOST_MIB)),
    ];
    rows.extend(rows_of_readers(arguments, &alone, &reading, &read));
    rows.extend(rows_of_listeners(arguments, &alone, &listening, &heard));
    rows
}

const fn least(value: f64) -> Option<Bound> {
    Some(Bound::Least(value))
}

const fn most(value: f64) -> Option<Bound> {
    Some(Bound::Most(value))
}

fn rows_of_readers(
    arguments: &Arguments,
    alone: &Around,
    reading: &Around,
    read: &Read,
) -> [Row; 6] {
    let rate = read.answered as f64 / arguments.seconds as f64;
    let asked = arguments.readers as f64 * 1_000.0 / arguments.every_ms as f64;
    let (p50, p99) = (ms(&read.latencies, 0.5), ms(&read.latencies, 0.99));
    let cores = reading.cores - alone.cores;
    let events = least(alone.events * EVENTS_LEAST);
    [
        Row::new("control: reads", rate, "/s", least(asked * 0.99)),
        Row::new("control: read, p50", p50, "ms", None),
        Row::new("control: read, p99", p99, "ms", most(READ_P99_MS)),
        Row::new("control: reads refused", read.refused as f64, "", most(0.0)),
        Row::new("control: processor, readers", cores, "cores", None),
        Row::new("control: events with readers", reading.events, "/s", events),
    ]
}

fn rows_of_listeners(
    arguments: &Arguments,
    alone: &Around,
    listening: &Around,
    heard: &Heard,
) -> [Row; 7] {
    let wanted = least(arguments.listeners as f64);
    let (p50, p99) = (ms(&heard.ages, 0.5), ms(&heard.ages, 0.99));
    let cores = listening.cores - alone.cores;
    let events = least(alone.events * EVENTS_LEAST);
    let there = heard.listeners as f64;
    [
        Row::new("control: listeners", there, "", wanted),
        Row::new(
            "control: updates of the slowest",
            heard.slowest_hz,
            "/s",
            least(UPDATES_LEAST),
        ),
        Row::new("control: age of an update, p50", p50, "ms", None),
        Row::new(
            "control: age of an update, p99",
            p99,
            "ms",
            most(AGE_P99_MS),
        ),
        Row::new(
            "control: gaps in the numbers",
            heard.gaps as f64,
            "",
            most(0.0),
        ),
        Row::new(
            "control: processor, listeners",
            cores,
            "cores",
            most(LISTENERS_CORES_MOST),
        ),
        Row::new(
            "control: events with listeners",
            listening.events,
            "/s",
            events,
        ),
    ]
}

fn ms(latencies: &Latencies, quantile: f64) -> f64 {
    latencies.quantile(quantile).as_secs_f64() * 1e3
}

fn around<T>(rig: &Rig, load: impl FnOnce() -> T) -> (Around, T) {
    let pid = rig
        .pid(Process::Control)
        .as_raw_nonzero()
        .get()
        .unsigned_abs();
    let events = || rig.stats()["events"].as_u64().unwrap_or_default();
    let (cpu, before, begun) = (watched::cpu_s(pid), events(), Instant::now());
    let done = load();
    let seconds = begun.elapsed().as_secs_f64();
    let around = Around {
        cores: (watched::cpu_s(pid) - cpu) / seconds,
        memory_mib: watched::memory_kib(pid) as f64 / 1_024.0,
        events: (events() - before) as f64 / seconds,
    };
    (around, done)
}

fn page(arguments: &Arguments, rows: &[Row]) -> Value {
    json!({
        "seconds": arguments.seconds,
        "readers": arguments.readers,
        "listeners": arguments.listeners,
        "rows": table::as_json(rows),
    })
}
