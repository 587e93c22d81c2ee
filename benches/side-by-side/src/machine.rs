//! The machine of a run, as far as figures depend on it.
//!
//! In: what the system tells. Out: lines for the page. Never: a name of the machine or of a path.

use std::process::Command;

/// Facts as name and value.
pub(crate) fn describe() -> Vec<(&'static str, String)> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_string()))
            .unwrap_or_else(|| "unknown".to_string())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let flags: Vec<&str> = [
        "avx2",
        "bmi2",
        "avx512bw",
        "avx512_vbmi2",
        "constant_tsc",
        "nonstop_tsc",
        "hypervisor",
    ]
    .into_iter()
    .filter(|flag| cpu.split_whitespace().any(|word| word == *flag))
    .collect();
    vec![
        ("processor", field("model name")),
        (
            "family, model, stepping",
            format!(
                "{}, {}, {}",
                field("cpu family"),
                field("model\t"),
                field("stepping")
            ),
        ),
        ("cores", cores.to_string()),
        (
            "L3 and flags that matter",
            format!("{}; {}", field("cache size"), flags.join(" ")),
        ),
        ("kernel", version_of(&kernel)),
        ("compiler", rustc()),
        (
            "built with",
            format!(
                "release: fat LTO, one codegen unit, target-cpu {}; overflow checks in ours as shipped, not in peers",
                if cfg!(target_feature = "avx2") {
                    "x86-64-v3"
                } else {
                    "x86-64"
                }
            ),
        ),
        (
            "load at the end",
            std::fs::read_to_string("/proc/loadavg")
                .unwrap_or_default()
                .split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
        ),
    ]
}

/// The numbers of a kernel's release; what builders append is theirs.
fn version_of(release: &str) -> String {
    let numbers = release.trim().split('-').next().unwrap_or_default();
    format!("Linux {numbers}")
}

fn rustc() -> String {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(program).arg("--version").output();
    output.map_or_else(
        |_| "unknown".to_string(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_string(),
    )
}
