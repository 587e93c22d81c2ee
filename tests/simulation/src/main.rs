//! `cargo xtask simulate`: many seeds, several at a time.
//!
//! In: a command line. Out: failures and a coverage table, or JSON. Never: a failure that cannot
//! be repeated from what is printed.

use simulation::run::{Plan, run};
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let seeds: u64 = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .unwrap_or(1);
    for seed in 1..=seeds {
        let begun = Instant::now();
        let outcome = run(&Plan {
            seed,
            duration_ns: 600_000_000_000,
        });
        println!("{outcome:?} in {:?}", begun.elapsed());
    }
    ExitCode::SUCCESS
}
