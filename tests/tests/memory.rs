//! Memory of the hot path with as many instruments as it takes.
//!
//! In: a demo with 64 symbols. Out: what the kernel says of the process. Never: an estimate.

use std::time::Duration;
use tests::{Demo, wait_for};

/// What a process with 64 instruments may have in memory.
const BYTES_MAX: u64 = 256 << 20;

#[test]
fn sixty_four_instruments_live_in_256_mib_and_do_not_grow() {
    let symbols: Vec<String> = (0..64).map(|index| format!("TEST{index}USDT")).collect();
    let symbols = symbols.join(",");
    let arguments = ["--seconds", "20", "--symbols", &symbols];
    let mut demo = Demo::start("memory", &arguments);
    demo.wait_until_ready();
    let pid = demo.pid("hotpath");
    let events = |demo: &Demo| {
        let stats = demo.get("api", "/api/v1/engine/stats");
        stats.and_then(|page| page["events"].as_u64()).unwrap_or(0)
    };
    wait_for("events flow", Duration::from_secs(15), || {
        events(&demo) > 5_000
    });
    let early = resident(pid);
    let seen = events(&demo);
    wait_for("more events flow", Duration::from_secs(15), || {
        events(&demo) > seen + 5_000
    });
    let late = resident(pid);
    let (report, succeeded) = demo.finish();
    assert!(succeeded, "{report:#}");
    assert!(early > BYTES_MAX / 8, "64 windows are there: {early} bytes");
    assert!(late <= BYTES_MAX, "{late} bytes");
    // The cold side's sockets and log lines move by some pages.
    let grown = late.saturating_sub(early);
    assert!(grown <= 2 << 20, "grown by {grown} bytes from {early}");
    assert_eq!(report["hot_allocations"]["engine"], 0, "{report:#}");
    println!("resident: {early} bytes, later {late}");
}

/// VmRSS, with the shared segment.
fn resident(pid: i64) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let text = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = text.and_then(|text| text.parse().ok()).expect("a number");
    kib * 1024
}
