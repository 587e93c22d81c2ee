//! The rules of the house that no compiler checks.
//!
//! In: the tracked files. Out: every breach with its file and line, or silence. Never: a change.

use crate::process::{Failure, cargo, output, read, root};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Longest Rust file.
const LINES_MAX: usize = 800;

/// File names that explain nothing.
const EMPTY_NAMES: [&str; 5] = ["utils", "common", "helpers", "misc", "manager"];

/// The only files that may say `unsafe`.
const UNSAFE_FILES: [&str; 7] = [
    // Calls what is compiled for AVX2, behind the processor's own word that it has it.
    "crates/binance/src/decode/fast.rs",
    // Loads of 16 and 32 bytes from slices whose range has been checked.
    "crates/binance/src/decode/wide/lanes.rs",
    // The one loop whose loads and stores are proven instead of checked.
    "crates/binance/src/decode/wide/levels.rs",
    "crates/ipc/src/memory.rs",
    "hotpath/process/src/allocation.rs",
    // recvmsg with its control messages, and socket options that rustix does not know.
    "hotpath/process/src/hot_socket/receive.rs",
    // One instruction that has no safe name.
    "hotpath/process/src/tick_clock/counter.rs",
];

/// Where the product's programs begin, and what each says there: it was built without the rare
/// things that the simulation makes often.
const PROGRAMS: [&str; 5] = [
    "control/src/bin/fulcrum.rs",
    "control/src/main.rs",
    "crates/simulated-exchange/src/main.rs",
    "hotpath/process/src/bin/fulcrum-flatten.rs",
    "hotpath/process/src/main.rs",
];
const NO_RARE_THINGS: &str = "const _: () = assert!(!market::buggify::COMPILED_IN);";

/// Every program of the product refuses to be built with the feature `buggify`.
fn check_programs(files: &[String], breaches: &mut Vec<String>) -> Result<(), Failure> {
    for file in files {
        let program = file.ends_with("/src/main.rs") || file.contains("/src/bin/");
        let product = !file.starts_with("tests/") && !file.starts_with("xtask/");
        let known = PROGRAMS.contains(&file.as_str());
        if program && product && !file.starts_with("benches/") && !known {
            breaches.push(format!("{file}: a program that PROGRAMS does not know"));
        }
        let tested = file.starts_with("xtask/") || file.starts_with("benches/");
        if program && !tested && read(&root().join(file))?.contains("#[test]") {
            breaches.push(format!(
                "{file}: `test = false` in its manifest, so nobody runs its tests"
            ));
        }
    }
    for file in PROGRAMS {
        if !read(&root().join(file))?.contains(NO_RARE_THINGS) {
            breaches.push(format!("{file}: lacks `{NO_RARE_THINGS}`"));
        }
    }
    Ok(())
}

/// Checks everything.
pub(crate) fn run() -> Result<(), Failure> {
    let files = tracked_files()?;
    let mut breaches = Vec::new();
    let folders = folders_of_one_machine();
    for file in &files {
        let Ok(text) = std::fs::read_to_string(root().join(file)) else {
            continue;
        };
        check_text(file, &text, &folders, &mut breaches);
        if file.ends_with(".rs") {
            check_rust(file, &text, &mut breaches);
        }
    }
    check_architecture(&files, &mut breaches)?;
    check_links(&files, &mut breaches)?;
    check_specification(&files, &mut breaches)?;
    check_dependencies(&files, &mut breaches)?;
    check_programs(&files, &mut breaches)?;
    crate::evidence::report_stale()?;
    if breaches.is_empty() {
        println!("tidy: {} files, no breach", files.len());
        return Ok(());
    }
    for breach in &breaches {
        eprintln!("{breach}");
    }
    Err(Failure::Said(format!("tidy: {} breaches", breaches.len())))
}

fn tracked_files() -> Result<Vec<String>, Failure> {
    let list = output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root()),
    )?;
    Ok(list.lines().map(str::to_string).collect())
}

/// Folders that mean nothing on another machine: people's homes, the one of who runs this, and the
/// checkout itself.
fn folders_of_one_machine() -> Vec<String> {
    let mut folders = vec!["/home/".to_string(), format!("{}/", root().display())];
    let home = std::env::var("HOME").ok().filter(|home| home.len() > 1);
    folders.extend(home.map(|home| format!("{home}/")));
    folders
}

fn check_text(file: &str, text: &str, folders: &[String], breaches: &mut Vec<String>) {
    if file.ends_with(".lock") || file == "xtask/src/tidy.rs" {
        return;
    }
    for (index, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", index + 1);
        for folder in folders {
            if line.contains(folder.as_str()) {
                breaches.push(format!("{place}: a path of one machine: {folder}"));
            }
        }
        if file.ends_with(".rs") {
            for word in ["TODO", "FIXME", "XXX"] {
                if line.contains(word) {
                    breaches.push(format!("{place}: `{word}`: do it, or write an issue"));
                }
            }
        }
    }
}

fn check_rust(file: &str, text: &str, breaches: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > LINES_MAX {
        breaches.push(format!("{file}: {lines} lines; {LINES_MAX} is the wall"));
    }
    if !text.starts_with("//!") {
        breaches.push(format!(
            "{file}: does not open with a `//!` that says in, out and never"
        ));
    }
    let mut parts = file.split(['/', '.']);
    if let Some(name) = parts.find(|part| EMPTY_NAMES.contains(part)) {
        breaches.push(format!(
            "{file}: `{name}` fits anything and explains nothing"
        ));
    }
    // This file has to name what it looks for.
    let says_unsafe = file != "xtask/src/tidy.rs"
        && text
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.starts_with("//"))
            .any(|line| {
                line.contains("unsafe {")
                    || line.contains("unsafe impl")
                    || line.contains("unsafe fn")
            });
    if says_unsafe && !UNSAFE_FILES.contains(&file) {
        breaches.push(format!(
            "{file}: `unsafe` outside of the list in xtask/src/tidy.rs"
        ));
    }
    for (index, line) in text.lines().enumerate() {
        if line.contains("#[allow(") && !line.contains("reason") && !line.ends_with("#[allow(") {
            breaches.push(format!("{file}:{}: `allow` without a reason", index + 1));
        }
    }
}

/// Every path in backticks exists, and the drawn graph is cargo's.
fn check_architecture(files: &[String], breaches: &mut Vec<String>) -> Result<(), Failure> {
    let text = read(&root().join("ARCHITECTURE.md"))?;
    let known: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    for (index, line) in text.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2) {
            let is_path = word.contains('/')
                && !word.contains([' ', '<', '*', ':', '$', '{'])
                && !word.starts_with(['/', '.', '-'])
                && !word.starts_with("target/");
            let folder = word.trim_end_matches('/');
            let exists = known.contains(folder)
                || files
                    .iter()
                    .any(|file| file.starts_with(&format!("{folder}/")));
            if is_path && !exists {
                breaches.push(format!(
                    "ARCHITECTURE.md:{}: no such path: {word}",
                    index + 1
                ));
            }
        }
    }
    let drawn = drawn_graph(&text);
    let real = real_graph()?;
    for (name, needs) in &real {
        match drawn.get(name) {
            None => breaches.push(format!(
                "ARCHITECTURE.md: the graph has no line for `{name}`"
            )),
            Some(lines) if lines != needs => breaches.push(format!(
                "ARCHITECTURE.md: `{name}` is drawn on {lines:?}, cargo says {needs:?}"
            )),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Every relative link of the README leads somewhere.
fn check_links(files: &[String], breaches: &mut Vec<String>) -> Result<(), Failure> {
    let text = read(&root().join("README.md"))?;
    for (index, line) in text.lines().enumerate() {
        for link in line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let exists = files
                .iter()
                .any(|file| file == link || file.starts_with(&format!("{link}/")));
            if !link.contains("://") && !exists {
                breaches.push(format!("README.md:{}: no such file: {link}", index + 1));
            }
        }
    }
    Ok(())
}

/// Lines `name -> a b c` between the fences of the block that opens with ```graph.
fn drawn_graph(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let block = text
        .split("```graph")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    block
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once("->"))
        .map(|(name, needs)| {
            (
                name.trim().to_string(),
                needs.split_whitespace().map(str::to_string).collect(),
            )
        })
        .collect()
}

fn real_graph() -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let value: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Failure::Said(format!("cargo metadata: {error}")))?;
    let mut graph = BTreeMap::new();
    for package in value["packages"].as_array().into_iter().flatten() {
        let needs = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one["kind"].is_null() && one["path"].is_string())
            .filter_map(|one| one["name"].as_str().map(str::to_string))
            .collect();
        graph.insert(
            package["name"].as_str().unwrap_or_default().to_string(),
            needs,
        );
    }
    Ok(graph)
}

/// Each number of SPECIFICATION.md names a test that exists, or says "not yet tested".
fn check_specification(files: &[String], breaches: &mut Vec<String>) -> Result<(), Failure> {
    let text = read(&root().join("SPECIFICATION.md"))?;
    let mut sources = String::new();
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        sources.push_str(&std::fs::read_to_string(root().join(file)).unwrap_or_default());
    }
    let rows = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("| "));
    for (index, line) in rows {
        let holder = line
            .trim_end_matches('|')
            .rsplit('|')
            .next()
            .unwrap_or_default()
            .trim();
        if holder.starts_with("held by") || holder.starts_with("---") || holder == "not yet tested"
        {
            continue;
        }
        let names: Vec<&str> = holder.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            breaches.push(format!("SPECIFICATION.md:{}: no test named", index + 1));
        }
        for name in names.iter().filter(|name| !name.starts_with("cargo ")) {
            if !sources.contains(&format!("fn {name}(")) {
                breaches.push(format!("SPECIFICATION.md:{}: no test `{name}`", index + 1));
            }
        }
    }
    Ok(())
}

/// Every dependency of the workspace has its line in docs/dependencies.md and a crate that uses it,
/// and every line of the page has its dependency.
fn check_dependencies(files: &[String], breaches: &mut Vec<String>) -> Result<(), Failure> {
    let manifest = read(&root().join("Cargo.toml"))?;
    let page = read(&root().join("docs/dependencies.md"))?;
    let block = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .unwrap_or_default();
    let block = block.split("\n[").next().unwrap_or_default();
    let mut members = String::new();
    for file in files.iter().filter(|file| file.ends_with("/Cargo.toml")) {
        members.push_str(&read(&root().join(file))?);
    }
    let mut known = BTreeSet::new();
    for line in block.lines().filter(|line| line.contains('=')) {
        let name = line.split('=').next().unwrap_or_default().trim();
        known.insert(name);
        if !line.contains("path =") && !page.contains(&format!("| `{name}` |")) {
            breaches.push(format!("docs/dependencies.md: no line for `{name}`"));
        }
        if !members.contains(&format!("\n{name}.workspace"))
            && !members.contains(&format!("\n{name} = {{ workspace"))
        {
            breaches.push(format!("Cargo.toml: no crate uses `{name}`"));
        }
    }
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    for name in rows.filter_map(|row| row.split('`').next()) {
        if !known.contains(name) {
            breaches.push(format!(
                "docs/dependencies.md: `{name}` is no dependency any more"
            ));
        }
    }
    Ok(())
}
