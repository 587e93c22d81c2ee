//! The input log: replays to the same hash, in another process, in debug and in release.
//!
//! In: the log of a demo. Out: equal hashes; another one with an event taken out. Never: the
//! engine of this process.

use std::path::{Path, PathBuf};
use std::process::Command;
use tests::Demo;

/// Both ways of the bytes: what one has recorded replays under the settings of the other.
const WAYS: [&str; 2] = ["inline", "threads"];

#[test]
fn a_log_without_holes_replays_to_the_same_hash_in_debug_and_release() {
    for way in WAYS {
        let arguments = ["--seconds", "6", "--hot-io", way];
        let demo = Demo::start(&format!("replay-{way}"), &arguments);
        let state_dir = demo.state_dir.clone();
        let (report, succeeded) = demo.finish();
        assert!(succeeded, "{report:#}");
        assert_eq!(report["input_log_holes"], 0, "{report:#}");
        assert_eq!(report["hot_io"], way, "{report:#}");
        replays_everywhere(&newest(&state_dir.join("input-log")));
    }
}

fn replays_everywhere(log: &Path) {
    let release_binary = tests::binary("fulcrum-hotpath");
    let release = replay(&release_binary, log, &[]);
    assert_eq!(release, replay(&release_binary, log, &[]));
    let debug = debug_binary();
    assert_eq!(
        release,
        replay(&debug, log, &[]),
        "debug and release differ"
    );
    let without_one = replay(&debug, log, &["--drop", "200"]);
    assert_ne!(release, without_one, "an event that is left out must show");
    let other = with_the_other_way(log);
    assert_eq!(release, replay(&release_binary, &other, &[]));
}

/// The same log with the other `hot_io` in its settings.
fn with_the_other_way(log: &Path) -> PathBuf {
    let copy = log.with_extension("other-way");
    std::fs::create_dir_all(&copy).expect("a folder");
    let mut swapped = 0;
    for entry in std::fs::read_dir(log).expect("a folder").flatten() {
        let mut bytes = std::fs::read(entry.path()).expect("a file");
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let here = WAYS.map(|way| format!("hot_io = \"{way}\""));
            let at = here.iter().position(|line| text.contains(line.as_str()));
            if let Some(at) = at {
                bytes = text.replace(&here[at], &here[1 - at]).into_bytes();
                swapped += 1;
            }
        }
        std::fs::write(copy.join(entry.file_name()), bytes).expect("a file");
    }
    assert_eq!(swapped, 1, "the settings of the start");
    copy
}

/// Last line of the replay: `hash <16 hex digits>`; with `--drop` the comparison with the journal
/// fails, so the exit code is not asked for then.
fn replay(binary: &Path, log: &Path, extra: &[&str]) -> String {
    let output = Command::new(binary)
        .args(["replay", "--log"])
        .arg(log)
        .args(extra)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() || !extra.is_empty(),
        "{said}\n{errors}"
    );
    let hash = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("hash "));
    hash.unwrap_or_else(|| panic!("no hash: {said}\n{errors}"))
        .to_string()
}

fn debug_binary() -> PathBuf {
    let status = tests::cargo()
        .args(["build", "--quiet", "--workspace", "--bins"])
        .status()
        .expect("cargo runs");
    assert!(status.success());
    tests::target().join("debug/fulcrum-hotpath")
}

fn newest(folder: &Path) -> PathBuf {
    let mut generations: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .flatten()
        .map(|entry| entry.path())
        .collect();
    generations.sort();
    generations.pop().expect("a generation")
}
