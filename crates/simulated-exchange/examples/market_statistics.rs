//! Writes the statistics of the generated and the recorded market side by side.
//!
//! In: `SECONDS CAPTURES DOCUMENT PLOTS`: how long, the folder of recordings, the Markdown file
//! whose part between `<!-- statistics -->` and `<!-- end -->` is replaced (`-`: stdout), where
//! plots go. Out: that file and the plots. Never: a socket.

#[path = "shared/figure.rs"]
mod figure;
#[path = "shared/measures.rs"]
mod measures;
#[path = "shared/source.rs"]
mod source;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use figure::{Figure, Series};
use measures::{HORIZONS_MS, Measures, RETURN_LAGS, Summary, WINDOWS_MS};
use simulated_exchange::feed::Feed;

const BEGIN: &str = "<!-- statistics -->\n";
const END: &str = "<!-- end -->";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seconds, captures, document, plots] = arguments.as_slice() else {
        eprintln!("usage: market_statistics SECONDS CAPTURES DOCUMENT PLOTS");
        return ExitCode::from(2);
    };
    let Ok(seconds) = seconds.parse() else {
        return ExitCode::from(2);
    };
    match run(seconds, Path::new(captures), document, Path::new(plots)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("market_statistics: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(seconds: i64, captures: &Path, document: &str, plots: &Path) -> Result<(), String> {
    let mut columns: Vec<(String, Summary)> = Vec::new();
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let short = &symbol[..3];
        if let Some(feed) = source::recorded(captures, symbol)? {
            columns.push((format!("{short} recorded"), measure(feed, seconds)));
        } else {
            eprintln!(
                "skipped: no recording of {symbol} at {}",
                captures.display()
            );
        }
        let feed = source::generated(symbol, 1)?;
        columns.push((format!("{short} generated"), measure(feed, seconds)));
    }
    let table = table(&columns);
    if document == "-" {
        print!("{table}");
    } else {
        let named = |error: std::io::Error| format!("{document}: {error}");
        let text = std::fs::read_to_string(document).map_err(named)?;
        let missing = || format!("{document}: no `{}` and `{END}`", BEGIN.trim_end());
        let begin = text.find(BEGIN).ok_or_else(missing)? + BEGIN.len();
        let end = begin + text[begin..].find(END).ok_or_else(missing)?;
        let new = format!("{}{table}{}", &text[..begin], &text[end..]);
        std::fs::write(document, new).map_err(named)?;
    }
    draw(&columns, plots).map_err(|error| format!("{}: {error}", plots.display()))
}

fn measure(mut feed: Box<dyn Feed>, seconds: i64) -> Summary {
    let mut measures = Measures::new(&*feed);
    measures.run(&mut *feed, seconds);
    measures.summary()
}

fn table(columns: &[(String, Summary)]) -> String {
    let mut out = String::from("| |");
    for (name, _) in columns {
        let _ = write!(out, " {name} |");
    }
    let _ = writeln!(out, "\n|---{}|", "|---".repeat(columns.len()));
    let rows = columns.first().map_or(0, |(_, first)| first.rows.len());
    for row in 0..rows {
        let _ = write!(out, "| {} |", columns[0].1.rows[row].0);
        for (_, column) in columns {
            let _ = write!(out, " {} |", column.rows[row].1);
        }
        out.push('\n');
    }
    out
}

fn draw(columns: &[(String, Summary)], plots: &Path) -> std::io::Result<()> {
    let write = |name: &str, figure: Figure<'_>, lines: Vec<Series>| {
        let file = plots.join(format!("market-{name}.svg"));
        std::fs::write(file, figure.draw(&lines))
    };
    let figure = |title, x, y, log| Figure { title, x, y, log };
    let fano = figure(
        "Burstiness of trades",
        "window, s",
        "Fano factor",
        (true, true),
    );
    write(
        "fano",
        fano,
        series(columns, &|one| seconds(&WINDOWS_MS, &one.fano_trades)),
    )?;
    let signature = figure(
        "Volatility signature",
        "horizon, s",
        "deviation of the mid / root of the horizon, bp",
        (true, false),
    );
    write(
        "signature",
        signature,
        series(columns, &|one| seconds(&HORIZONS_MS, &one.signature_bp)),
    )?;
    let depth = figure(
        "Depth profile",
        "ticks behind the best bid",
        "quantity up to there",
        (true, true),
    );
    write("depth", depth, series(columns, &|one| one.profile.clone()))?;
    draw_memory(columns, plots)
}

/// The plots of what a market remembers, and of its sizes.
fn draw_memory(columns: &[(String, Summary)], plots: &Path) -> std::io::Result<()> {
    let figure = |title, x, y, log| Figure { title, x, y, log };
    let write = |name: &str, figure: Figure<'_>, lines: Vec<Series>| {
        let file = plots.join(format!("market-{name}.svg"));
        std::fs::write(file, figure.draw(&lines))
    };
    let imbalance = figure(
        "Autocorrelation of the imbalance",
        "lag, s",
        "correlation",
        (true, false),
    );
    write(
        "imbalance",
        imbalance,
        series(columns, &|one| seconds(&HORIZONS_MS, &one.imbalance)),
    )?;
    let size = figure(
        "Autocorrelation of |returns| of 1 s",
        "lag, s",
        "correlation",
        (false, false),
    );
    write(
        "clustering",
        size,
        series(columns, &|one| lags(&one.clustering)),
    )?;
    let spread = figure(
        "Spread",
        "ticks",
        "share of the time wider than that",
        (true, true),
    );
    write("spread", spread, series(columns, &|one| one.spread.clone()))?;
    let trade = figure(
        "Trade sizes",
        "base asset",
        "share of trades larger than that",
        (true, true),
    );
    write("sizes", trade, series(columns, &|one| one.sizes.clone()))
}

type Curve = Vec<(f64, f64)>;

fn series(columns: &[(String, Summary)], of: &dyn Fn(&Summary) -> Curve) -> Vec<Series> {
    let all = columns.iter();
    all.map(|(name, summary)| Series {
        name: name.clone(),
        points: of(summary),
        dashed: name.ends_with("generated"),
    })
    .collect()
}

fn seconds(ms: &[i64], values: &[f64]) -> Curve {
    let seconds = ms.iter().map(|ms| *ms as f64 / 1e3);
    seconds.zip(values.iter().copied()).collect()
}

fn lags(values: &[f64]) -> Curve {
    let lags = RETURN_LAGS.iter().map(|lag| *lag as f64);
    lags.zip(values.iter().copied()).collect()
}
