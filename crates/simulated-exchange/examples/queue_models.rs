//! Measures how often a maker order fills by its place in the queue, for each queue model.
//!
//! In: `SECONDS CAPTURES PLOTS`: how long, the folder of recordings, where plots go. Out: tables
//! in Markdown on stdout, two SVG a market. Never: a socket.

#[path = "shared/figure.rs"]
mod figure;
#[path = "shared/source.rs"]
mod source;

use std::path::Path;
use std::process::ExitCode;

use figure::{Figure, Series};
use matching::QueueModel;
use simulated_exchange::feed::Feed;
use simulated_exchange::fill_study::{Group, PARTS, by_place, by_queue, study};

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
    let mut lot = 0.0;
    let mut all = Vec::new();
    for model in MODELS {
        let mut feed = feed()?;
        lot = feed.instrument().lot.to_f64();
        let probes = study(&mut *feed, model, seconds);
        let early = probes.iter().filter(|probe| !probe.is_explained()).count();
        if model == QueueModel::RiskAverse && early > 0 {
            return Err(format!("{name}: {early} fills that nothing explains"));
        }
        all.push((model, probes));
    }
    let places = all.iter().map(|(model, probes)| Row {
        model: *model,
        groups: by_place(probes),
    });
    let part = |index: usize, _: &Group| index as f64 / PARTS as f64;
    let title = format!("Fills within 5 s by the place in the same queue, {name}");
    let figure = Figure {
        title: &title,
        x: "share of the queue ahead on arrival",
        y: "share filled",
        log: (false, false),
    };
    let file = plots.join(format!("queue-places-{name}.svg"));
    show(name, &places.collect::<Vec<_>>(), part, &figure, &file)?;
    let queues = all.iter().map(|(model, probes)| Row {
        model: *model,
        groups: by_queue(probes, GROUPS),
    });
    let ahead = |_: usize, group: &Group| group.ahead as f64 * lot;
    let title = format!("Fills within 5 s of orders at the best price, {name}");
    let figure = Figure {
        title: &title,
        x: "ahead in the queue on arrival (base asset)",
        y: "share filled",
        log: (true, false),
    };
    let file = plots.join(format!("queue-models-{name}.svg"));
    show(name, &queues.collect::<Vec<_>>(), ahead, &figure, &file)
}

/// One model's groups.
struct Row {
    model: QueueModel,
    groups: Vec<Group>,
}

/// The table to stdout and the plot into a file.
fn show(
    name: &str,
    rows: &[Row],
    ahead: impl Fn(usize, &Group) -> f64,
    figure: &Figure<'_>,
    file: &Path,
) -> Result<(), String> {
    let cells = |one: &dyn Fn(usize, &Group) -> f64, row: &Row| {
        let cells = row.groups.iter().enumerate();
        let cells: Vec<String> = cells
            .map(|(index, group)| format!("{:.2}", one(index, group)))
            .collect();
        cells.join(" | ")
    };
    let first = rows.first().ok_or("no model")?;
    println!("| {name}: ahead | {} |", cells(&ahead, first));
    println!("|---{}|", "|---".repeat(first.groups.len()));
    for row in rows {
        println!(
            "| {} | {} |",
            row.model,
            cells(&|_, group| group.share(), row)
        );
    }
    let passed = |_: usize, group: &Group| group.passed as f64 / group.orders.max(1) as f64;
    println!("| market went beyond | {} |\n", cells(&passed, first));
    let series = rows.iter().map(|row| Series {
        name: row.model.to_string(),
        points: row
            .groups
            .iter()
            .enumerate()
            .map(|(index, group)| (ahead(index, group), group.share()))
            .collect(),
        dashed: row.model == QueueModel::RiskAverse,
    });
    std::fs::write(file, figure.draw(&series.collect::<Vec<_>>()))
        .map_err(|error| format!("{}: {error}", file.display()))
}
