//! Line coverage of the four crates that money hangs on, by their own tests alone.
//!
//! In: their sources and tests, cargo-llvm-cov. Out: a table of lines and covered lines, the lines
//! that no test reaches in a file of the target folder, evidence; exit 0 only where each crate has
//! the least share. Never: a line of test code that counts, an install.

use crate::evidence;
use crate::process::{Failure, cargo, exists, read, root, run as run_to_end, target_dir, write};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A crate and where its sources lie.
const CRATES: [(&str, &str); 4] = [
    ("engine", "hotpath/engine/src/"),
    ("binance", "crates/binance/src/"),
    ("matching", "crates/matching/src/"),
    ("ipc", "crates/ipc/src/"),
];

/// Of a hundred lines of each crate more than so many must be covered.
const COVERED_LEAST: u64 = 90;

/// Where the page with reasons lies: a file with uncovered lines has its heading there.
const REASONS: &str = "docs/coverage.md";

/// What the result depends on.
const INPUTS: [&str; 7] = [
    "crates/binance",
    "crates/ipc",
    "crates/market/src",
    "crates/matching",
    "crates/recordings/src",
    "hotpath/engine",
    "xtask/src/coverage.rs",
];

/// Lines of a file, and the numbers of those that no test reaches.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    all: u64,
    uncovered: Vec<u64>,
}

/// Files by their path inside of the repository.
type Files = BTreeMap<String, Lines>;

/// Measures, prints, records; fails where a crate has too little.
pub(crate) fn suite() -> Result<(), Failure> {
    if !exists("cargo-llvm-cov") {
        let text = "cargo-llvm-cov is not installed; `rustup component add llvm-tools` and \
                    `cargo install cargo-llvm-cov --locked`";
        return Err(Failure::Said(text.to_string()));
    }
    let folder = target_dir().join("coverage");
    std::fs::create_dir_all(&folder).map_err(|source| Failure::File {
        path: folder.clone(),
        source,
    })?;
    let report = folder.join("report.lcov");
    let mut command = cargo();
    command.args(["llvm-cov", "--locked", "--lcov", "--output-path"]);
    command.arg(&report);
    for (name, _) in CRATES {
        command.args(["--package", name]);
    }
    run_to_end(&mut command)?;
    let files = files_of(&read(&report)?, |file| read(&root().join(file)))?;
    let list = folder.join("uncovered.txt");
    write(&list, &uncovered(&files))?;
    print_table(&files);
    println!("\nlines that no test reaches: {}", list.display());
    print_unexplained(&files)?;
    evidence::record("coverage", &INPUTS, page(&files))?;
    verdict(&files)
}

/// Files of the four crates in a report in lcov's format, without their test modules.
fn files_of(
    report: &str,
    mut source: impl FnMut(&str) -> Result<String, Failure>,
) -> Result<Files, Failure> {
    let here = format!("{}/", root().display());
    let mut files = Files::new();
    let mut current = None;
    for line in report.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            let file = path.strip_prefix(&here).unwrap_or(path);
            let ours = CRATES.iter().any(|(_, place)| file.starts_with(place));
            current = match ours && !holds_only_tests(file) {
                true => Some((file.to_string(), tests_begin(&source(file)?))),
                false => None,
            };
        }
        let (Some((file, end)), Some(entry)) = (&current, line.strip_prefix("DA:")) else {
            continue;
        };
        let broken = || Failure::Said(format!("no report of cargo-llvm-cov: `{line}`"));
        let mut numbers = entry.split(',').map(str::parse::<u64>);
        let (Some(Ok(number)), Some(Ok(count))) = (numbers.next(), numbers.next()) else {
            return Err(broken());
        };
        if number < *end {
            let lines = files.entry(file.clone()).or_default();
            lines.all += 1;
            if count == 0 {
                lines.uncovered.push(number);
            }
        }
    }
    Ok(files)
}

fn holds_only_tests(file: &str) -> bool {
    file.split('/')
        .any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs"))
}

/// The first line of the test module at the end of a source, from 1; behind its end without one.
fn tests_begin(source: &str) -> u64 {
    let lines: Vec<&str> = source.lines().collect();
    let module = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    module.map_or(lines.len(), |index| index) as u64 + 1
}

/// Lines and covered lines of the crate whose sources lie in `place`.
fn sum_of(files: &Files, place: &str) -> (u64, u64) {
    let of_crate = files.iter().filter(|(file, _)| file.starts_with(place));
    of_crate.fold((0, 0), |(all, covered), (_, lines)| {
        (all + lines.all, covered + lines.covered())
    })
}

fn percent(all: u64, covered: u64) -> f64 {
    covered as f64 * 100.0 / all.max(1) as f64
}

fn print_table(files: &Files) {
    println!(
        "\n{:<10} {:>7} {:>8} {:>6}",
        "crate", "lines", "covered", "%"
    );
    for (name, place) in CRATES {
        let (all, covered) = sum_of(files, place);
        let share = percent(all, covered);
        println!("{name:<10} {all:>7} {covered:>8} {share:>6.1}");
    }
}

/// One line a file with uncovered lines: its path and their numbers.
fn uncovered(files: &Files) -> String {
    let mut text = String::new();
    for (file, lines) in files.iter().filter(|(_, lines)| lines.has_uncovered()) {
        let numbers: Vec<String> = lines.uncovered.iter().map(u64::to_string).collect();
        let (covered, all) = (lines.covered(), lines.all);
        text.push_str(&format!("{file} {covered}/{all}: {}\n", numbers.join(" ")));
    }
    text
}

/// Names the files with uncovered lines that the page with reasons lacks.
fn print_unexplained(files: &Files) -> Result<(), Failure> {
    let reasons = read(&root().join(REASONS))?;
    for (file, _) in files.iter().filter(|(_, lines)| lines.has_uncovered()) {
        if !reasons.contains(&format!("`{file}`")) {
            println!("{REASONS}: no reason for {file}");
        }
    }
    Ok(())
}

fn page(files: &Files) -> Value {
    let row = |(name, place): &(&str, &str)| {
        let (all, covered) = sum_of(files, place);
        let tenths = (percent(all, covered) * 10.0).floor() / 10.0;
        json!({ "crate": name, "lines": all, "covered": covered, "percent": tenths })
    };
    json!(CRATES.iter().map(row).collect::<Vec<_>>())
}

fn verdict(files: &Files) -> Result<(), Failure> {
    let enough = |place| {
        let (all, covered) = sum_of(files, place);
        all > 0 && covered * 100 > all * COVERED_LEAST
    };
    let poor = CRATES.iter().filter(|(_, place)| !enough(place));
    let names: Vec<&str> = poor.map(|(name, _)| *name).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names = names.join(", ");
    let text = format!("not over {COVERED_LEAST} % of lines are covered: {names}");
    Err(Failure::Said(text))
}

impl Lines {
    fn covered(&self) -> u64 {
        self.all - self.uncovered.len() as u64
    }

    fn has_uncovered(&self) -> bool {
        !self.uncovered.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn a() {}\nfn b() {}\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}\n";

    /// A report of one file of each crate: of `all` lines the first `covered` ones are reached.
    fn report(all: u64, covered: u64) -> Files {
        let mut text = String::new();
        for (_, place) in CRATES {
            text.push_str(&format!("SF:{}/{place}lib.rs\n", root().display()));
            for number in 1..=all {
                text.push_str(&format!("DA:{number},{}\n", u64::from(number <= covered)));
            }
            text.push_str("end_of_record\n");
        }
        files_of(&text, |_| Ok("\n".repeat(all as usize))).unwrap()
    }

    #[test]
    fn ninety_of_a_hundred_are_too_few_and_so_is_a_crate_that_is_missing() {
        assert!(verdict(&report(100, 91)).is_ok());
        assert!(verdict(&report(100, 90)).is_err());
        let mut files = report(100, 91);
        files.remove("crates/ipc/src/lib.rs");
        let said = verdict(&files).unwrap_err().to_string();
        assert!(said.ends_with(": ipc"), "{said}");
    }

    #[test]
    fn lines_of_test_modules_and_of_other_crates_do_not_count() {
        let text = "SF:crates/ipc/src/lib.rs\nDA:1,3\nDA:2,0\nDA:5,0\nend_of_record\n\
                    SF:crates/market/src/lib.rs\nDA:1,0\nend_of_record\n\
                    SF:crates/ipc/src/ring/tests.rs\nDA:1,0\nend_of_record\n\
                    SF:hotpath/engine/src/book/top_tests.rs\nDA:1,0\nend_of_record\n";
        let files = files_of(text, |_| Ok(SOURCE.to_string())).unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(sum_of(&files, "crates/ipc/src/"), (2, 1));
        assert_eq!(uncovered(&files), "crates/ipc/src/lib.rs 1/2: 2\n");
    }

    #[test]
    fn a_report_that_is_none_is_refused() {
        let text = "SF:crates/ipc/src/lib.rs\nDA:one,3\n";
        assert!(files_of(text, |_| Ok(SOURCE.to_string())).is_err());
    }
}
