//! `torture`: rounds of terrible things on real processes, and what the books say afterwards.
//!
//! In: how many rounds, or one by its kind and seed. Out: progress on stderr, a report as JSON on
//! stdout, exit 0 only if no round failed. Never: a round in silence.

use clap::{Args, Parser, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::torture::{self, Away, Finding, Report, Round, namespace};

/// Rounds at once: each has three processes, and machines have few cores.
const SIDE_BY_SIDE: usize = 2;

/// Repeats one round by hand: `KIND:SEED`.
const SEED: &str = "FULCRUM_TORTURE_SEED";

/// Real processes under torture.
#[derive(Debug, Parser)]
#[command(name = "torture", version)]
struct Arguments {
    /// Leave the state on the disk: slow writes are a part of it then.
    #[arg(long, global = true)]
    on_disk: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Rounds of each kind. FULCRUM_TORTURE_SEED=KIND:SEED repeats one instead.
    Rounds(Rounds),
    /// One round, and nothing but what it found.
    One {
        /// KIND:SEED.
        round: Round,
        /// Where its state lies.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Control dead under a recording at five times its speed.
    Away {
        /// The recording.
        #[arg(long)]
        recording: PathBuf,
        /// Seconds of a window.
        #[arg(long, default_value_t = 15)]
        window_s: u64,
        /// Windows with control, before and after.
        #[arg(long, default_value_t = 3)]
        with: u32,
        /// Windows without it.
        #[arg(long, default_value_t = 4)]
        without: u32,
        /// Give the engine's thread a core of its own.
        #[arg(long)]
        spin: bool,
    },
}

#[derive(Clone, Debug, Args)]
struct Rounds {
    /// Of each `kill -9`.
    #[arg(long, default_value_t = 3)]
    kills: u64,
    /// Of each other kind.
    #[arg(long, default_value_t = 1)]
    others: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only kinds whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
}

fn folder() -> PathBuf {
    tests::target().join("fulcrum/torture")
}

/// Runs this command line again with its state in memory; none where that is so already, is not
/// wanted, or cannot be.
fn again_in_memory() -> Option<ExitCode> {
    if namespace::is_in_memory() || namespace::is_on_small_disk() {
        return None;
    }
    if let Err(why) = namespace::can_mount() {
        eprintln!("torture: state on the disk, whose other users will show in the times: {why}");
        return None;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let status = namespace::in_memory(&folder(), &arguments).status().ok()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Some(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.on_disk
        && let Some(code) = again_in_memory()
    {
        return code;
    }
    match arguments.verb {
        Verb::Rounds(options) => rounds(&options),
        Verb::One { round, folder } => {
            let report = torture::run(&[round], 1, &folder, &|finding| {
                let page = serde_json::to_string(finding).expect("plain data");
                println!("{page}");
            });
            exit(&report)
        }
        Verb::Away {
            recording,
            window_s,
            with,
            without,
            spin,
        } => {
            let measured = torture::measure_control_away(&Away {
                recording: &recording,
                state_dir: &folder().join("away"),
                window: Duration::from_secs(window_s),
                windows_with: with,
                windows_without: without,
                spin,
            });
            let page = json!({
                "measured": measured,
                "nothing_lost": measured.nothing_lost(),
                "unchanged": measured.unchanged(),
            });
            println!("{page:#}");
            if measured.nothing_lost() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn rounds(options: &Rounds) -> ExitCode {
    let repeated = std::env::var(SEED).ok();
    let rounds = match repeated.as_deref().map(str::parse::<Round>) {
        Some(Ok(round)) => vec![round],
        Some(Err(error)) => {
            eprintln!("torture: {SEED}: {error}");
            return ExitCode::from(2);
        }
        None => {
            let mut all = torture::plan(options.kills, options.others, options.seed);
            all.retain(|round| round.kind.name().contains(&options.only));
            all
        }
    };
    let (begun, ended) = (Instant::now(), AtomicUsize::new(0));
    let show = |finding: &Finding| {
        // Relaxed: a number for people.
        let number = ended.fetch_add(1, Ordering::Relaxed) + 1;
        let after = begun.elapsed().as_secs();
        let (round, took_ms, done) = (&finding.round, finding.took_ms, &finding.done);
        let verdict = match (&finding.failure, &finding.skipped) {
            (Some(why), _) => format!(
                "FAILED: {why}\n  repeat: {SEED}={round} cargo run --release -p tests --bin \
                 torture -- rounds\n  state: {}",
                finding.state_dir.as_deref().unwrap_or("gone")
            ),
            (None, Some(why)) => format!("skipped: {why}"),
            (None, None) => format!("right, {took_ms} ms ({done})"),
        };
        eprintln!(
            "{after:>5} s {number:>3}/{} {round}: {verdict}",
            rounds.len()
        );
    };
    let report = torture::run(&rounds, SIDE_BY_SIDE, &folder(), &show);
    println!(
        "{}",
        serde_json::to_string_pretty(&report).expect("plain data")
    );
    eprintln!("safe: {}", report.safe_ms);
    eprintln!("ready: {}", report.ready_ms);
    eprintln!(
        "ready after the last window: {}",
        report.ready_after_window_ms
    );
    exit(&report)
}

fn exit(report: &Report) -> ExitCode {
    if report.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
