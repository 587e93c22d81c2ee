//! A process, watched from outside.
//!
//! In: its pid. Out: its memory and processor time, from /proc. Never: a touch of the process.

/// Ticks of the kernel's clock in a second, as /proc counts them.
const TICKS_PER_SECOND: f64 = 100.0;

fn proc(pid: u32, file: &str) -> String {
    let path = format!("/proc/{pid}/{file}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Memory that it has in RAM.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn memory_kib(pid: u32) -> u64 {
    let status = proc(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("VmRSS in /proc")
}

/// Processor time used so far.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn cpu_s(pid: u32) -> f64 {
    let stat = proc(pid, "stat");
    // The name may hold spaces; the fields are counted from behind it.
    let fields = stat.rsplit(") ").next().expect("a line of /proc");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: f64 = [11, 12]
        .map(|at: usize| fields[at].parse::<f64>().expect("ticks"))
        .iter()
        .sum();
    ticks / TICKS_PER_SECOND
}
