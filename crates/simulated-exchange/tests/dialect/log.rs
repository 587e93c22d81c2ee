//! The log of the real binary.
//!
//! In: variables of the environment. Out: what it writes to stderr until SIGTERM. Never: a fixed
//! port.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// What the exchange says until it is ended.
fn said(ours: &str, foreign: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_simulated-exchange"))
        .args(["--listen", "127.0.0.1:0"])
        .env("FULCRUM_LOG", ours)
        .env("RUST_LOG", foreign)
        .env_remove("NO_COLOR")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut ready).unwrap();
    assert!(ready.starts_with("ready "), "{ready}");
    let id = child.id().to_string();
    let told = Command::new("kill").arg(id).status().unwrap();
    assert!(told.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn levels_follow_the_products_variable_and_a_pipe_gets_no_colour() {
    let log = said("info", "off");
    assert!(log.contains("SIGTERM"), "{log}");
    assert!(!log.contains('\x1b'), "{log:?}");
    assert_eq!(said("off", "info"), "");
}
