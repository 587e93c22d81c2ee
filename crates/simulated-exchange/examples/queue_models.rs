//! Measures how often a maker order fills by its place in the queue, for each queue model.
//!
//! In: `SECONDS CAPTURES PLOTS`: how long, the folder of recordings, where plots go. Out: a table
//! in Markdown on stdout, one SVG a market. Never: a socket.

#[path = "shared/figure.rs"]
mod figure;
#[path = "shared/source.rs"]
mod source;

use std::path::Path;
use std::process::ExitCode;

use figure::{Figure, Series};
use matching::QueueModel;
use simulated_exchange::feed::Feed;
use simulated_exchange::fill_study::{by_queue, study};

const GROUPS: usize = 8;
const MODELS: [QueueModel; 4] = [
    QueueModel::RiskAverse,
    QueueModel::Power(3),
    QueueModel::Power(1),
    QueueModel::Log,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seconds, captures, plots] = arguments.as_slice() else {
        eprintln!("usage: queue_models SECONDS CAPTURES PLOTS");
        return ExitCode::from(2);
    };
    let Ok(seconds) = seconds.parse() else {
        return ExitCode::from(2);
    };
    match run(seconds, Path::new(captures), Path::new(plots)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("queue_models: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(seconds: i64, captures: &Path, plots: &Path) -> Result<(), String> {
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let recorded = || source::recorded(captures, symbol);
        if recorded()?.is_some() {
            let feed = || Ok(recorded()?.expect("there a moment ago"));
            measure(&format!("recorded-{symbol}"), feed, seconds, plots)?;
        } else {
            println!(
                "skipped: no recording of {symbol} at {}",
                captures.display()
            );
        }
        let feed = || source::generated(symbol, 1);
        measure(&format!("generated-{symbol}"), feed, seconds, plots)?;
    }
    Ok(())
}

fn measure(
    name: &str,
    feed: impl Fn() -> Result<Box<dyn Feed>, String>,
    seconds: i64,
    plots: &Path,
) -> Result<(), String> {
    let mut series = Vec::new();
    let mut header = String::new();
    for model in MODELS {
        let mut feed = feed()?;
        let lot = feed.instrument().lot.to_f64();
        let probes = study(&mut *feed, model, seconds);
        let early = probes.iter().filter(|probe| !probe.is_explained()).count();
        let groups = by_queue(&probes, GROUPS);
        if header.is_empty() {
            let ahead: Vec<String> = groups
                .iter()
                .map(|one| format!("{:.2}", one.ahead as f64 * lot))
                .collect();
            header = format!("| {name}: ahead | {} | all |", ahead.join(" | "));
            println!("{header}\n|---{}|", "|---".repeat(GROUPS + 1));
        }
        let shares: Vec<String> = groups
            .iter()
            .map(|one| format!("{:.2}", one.share()))
            .collect();
        let filled = probes.iter().filter(|probe| probe.filled).count();
        let all = filled as f64 / probes.len().max(1) as f64;
        println!("| {model} | {} | {all:.2} |", shares.join(" | "));
        if model == QueueModel::RiskAverse && early > 0 {
            return Err(format!("{name}: {early} fills that nothing explains"));
        }
        let points = groups
            .iter()
            .map(|one| (one.ahead as f64 * lot, one.share()));
        series.push(Series {
            name: model.to_string(),
            points: points.collect(),
            dashed: model == QueueModel::RiskAverse,
        });
    }
    println!();
    let title = format!("Fills within 5 s of orders at the best price, {name}");
    let figure = Figure {
        title: &title,
        x: "ahead in the queue on arrival (base asset)",
        y: "share filled",
        log: (true, false),
    };
    let file = plots.join(format!("queue-models-{name}.svg"));
    std::fs::write(&file, figure.draw(&series))
        .map_err(|error| format!("{}: {error}", file.display()))
}
