//! `cargo xtask simulate`: many seeds, several at a time.
//!
//! In: a command line. Out: failures and a coverage table, or JSON. Never: a failure that cannot
//! be repeated from what is printed.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use simulation::faults::CATALOGUE;
use simulation::network::SECOND;
use simulation::report::{Report, story};
use simulation::run::{Outcome, Plan, catch_panics, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Engine, sessions and simulated exchange in virtual time, under seeded faults.
#[derive(Clone, Debug, Parser)]
#[command(name = "simulation", version)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated hours of each seed, faults on; ten minutes by default.
    #[arg(long, value_parser = parse_hours)]
    hours: Option<u64>,
    /// Numbers of the faults that may come, `all` or `none`.
    #[arg(long, default_value = "all")]
    faults: String,
    /// Leave out the fault at this place of the schedule.
    #[arg(long)]
    without: Option<usize>,
    /// Lose the delivery of the network with this number.
    #[arg(long)]
    without_event: Option<u64>,
    /// Begin no further seed after so many seconds.
    #[arg(long)]
    budget_seconds: Option<u64>,
    /// Begin no further seed after the first that goes wrong; the exit code is 0 all the same.
    #[arg(long)]
    until_failure: bool,
    /// Tell nothing on stderr.
    #[arg(long)]
    quiet: bool,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Phase one by default.
const MINUTES: u64 = 10;

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

fn parse_hours(text: &str) -> Result<u64, String> {
    let hours: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if (0.005..=100.0).contains(&hours) {
        Ok((hours * 3_600.0) as u64 * SECOND)
    } else {
        Err("the hours must lie between 0.005 and 100".to_owned())
    }
}

fn faults(text: &str) -> Result<Vec<u8>, String> {
    match text {
        "all" => return Ok(CATALOGUE.iter().map(|one| one.number).collect()),
        "none" => return Ok(Vec::new()),
        _ => {}
    }
    let number = |word: &str| {
        let digits = word.trim().trim_start_matches(['F', 'f']);
        let number: Option<u8> = digits.parse().ok();
        let known = |number: &u8| CATALOGUE.iter().any(|one| one.number == *number);
        number.filter(known).ok_or_else(|| {
            format!("`{word}` is no fault of the simulation; F1 to F58 are, but F24")
        })
    };
    text.split(',').map(number).collect()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let faults = match faults(&arguments.faults) {
        Ok(faults) => faults,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    catch_panics();
    let report = run_all(&arguments, &faults);
    let told = if arguments.quiet { 0 } else { 20 };
    let one = arguments.seeds == 1;
    for outcome in report.told(one).take(told) {
        eprintln!("{}", story(outcome, one));
    }
    if arguments.json {
        println!("{}", report.json());
    } else {
        println!("{}", report.table());
        let json = report.json();
        println!(
            "{}",
            serde_json::to_string_pretty(&json).unwrap_or_default()
        );
    }
    match report.failures().count() {
        0 => ExitCode::SUCCESS,
        _ if arguments.until_failure => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn run_all(arguments: &Arguments, faults: &[u8]) -> Report {
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let outcomes: Mutex<Vec<Outcome>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let told = Mutex::new(Instant::now());
    let budget = arguments.budget_seconds.map(Duration::from_secs);
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    // Relaxed: a number that nobody else gets is all that is asked.
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let late = budget.is_some_and(|budget| begun.elapsed() > budget);
                    let enough = arguments.until_failure && failed.load(Ordering::Relaxed);
                    if place >= arguments.seeds || late || enough {
                        return;
                    }
                    let outcome = run(&Plan {
                        seed: arguments.seed + place,
                        duration_ns: arguments.hours.unwrap_or(MINUTES * 60 * SECOND),
                        faults: faults.to_vec(),
                        without: arguments.without,
                        without_delivery: arguments.without_event,
                    });
                    failed.fetch_or(outcome.has_failed(), Ordering::Relaxed);
                    let mut all = outcomes.lock().expect("no run panics while it is held");
                    all.push(outcome);
                    if !arguments.quiet {
                        progress(&all, arguments.seeds, begun, &told);
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("all threads have ended");
    Report::new(outcomes, begun.elapsed().as_secs_f64())
}

fn progress(all: &[Outcome], seeds: u64, begun: Instant, told: &Mutex<Instant>) {
    let Ok(mut told) = told.lock() else { return };
    if told.elapsed() < PROGRESS {
        return;
    }
    *told = Instant::now();
    let wrong = all.iter().filter(|one| one.has_failed());
    let (done, wrong) = (all.len(), wrong.count());
    let seconds = begun.elapsed().as_secs();
    eprintln!("simulate: {done} of {seeds} seeds in {seconds} s, {wrong} went wrong");
}
