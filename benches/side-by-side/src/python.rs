//! Peers that live in Python: one child process that runs whom it is asked for.
//!
//! In: frames in a file, requests by line. Out: nanoseconds a message, measured inside of Python
//! over the same bytes. Never: a failure of the bench because Python or a package is missing; the
//! reason is told instead.

use crate::input::Input;
use market::Level;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Messages that Python is given: it is some hundred times slower.
pub(crate) const MESSAGES_MAX: usize = 1_000;

/// A running script.
pub(crate) struct Python {
    talk: RefCell<Talk>,
    names: Vec<String>,
    /// Contenders that are not there, each with its reason.
    pub(crate) skipped: Vec<String>,
    count: usize,
    file: PathBuf,
}

struct Talk {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Python {
    /// Starts `script` with the Python at `program`.
    pub(crate) fn start(program: &Path, script: &Path, input: &Input) -> Result<Self, String> {
        let file = std::env::temp_dir().join(format!("fulcrum-frames-{}.json", std::process::id()));
        let count = input.len();
        std::fs::write(&file, frames(input, count)).map_err(|error| error.to_string())?;
        let mut child = Command::new(program)
            .arg(script)
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a child without pipes".to_string());
        };
        let talk = RefCell::new(Talk {
            child,
            to,
            from: BufReader::new(from),
        });
        let mut python = Self {
            talk,
            names: Vec::new(),
            skipped: Vec::new(),
            count,
            file,
        };
        let hello = python.ask("hello")?;
        let texts = |value: &Value| -> Vec<String> {
            let list = value.as_array().into_iter().flatten();
            list.filter_map(|one| Some(one.as_str()?.to_string()))
                .collect()
        };
        python.names = texts(&hello["names"]);
        python.skipped = texts(&hello["skipped"]);
        Ok(python)
    }

    /// Contenders that are there.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Messages of a run.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Runs one contender; nanoseconds a message.
    pub(crate) fn run(&self, name: &str) -> Result<f64, String> {
        let answer = self.ask(&format!("run {name}"))?;
        answer["ns"].as_f64().ok_or_else(|| answer.to_string())
    }

    /// Lots of the top after each message.
    pub(crate) fn sums(&self, name: &str) -> Result<Vec<[i64; 2]>, String> {
        let answer = self.ask(&format!("sums {name}"))?;
        serde_json::from_value(answer["sums"].clone()).map_err(|error| error.to_string())
    }

    fn ask(&self, request: &str) -> Result<Value, String> {
        let mut talk = self.talk.borrow_mut();
        let text = |error: std::io::Error| format!("Python: {error}");
        writeln!(talk.to, "{request}").map_err(text)?;
        talk.to.flush().map_err(text)?;
        let mut line = String::new();
        talk.from.read_line(&mut line).map_err(text)?;
        let answer: Value =
            serde_json::from_str(&line).map_err(|_| format!("Python ended at `{request}`"))?;
        match answer["error"].as_str() {
            Some(error) => Err(format!("Python: {request}: {error}")),
            None => Ok(answer),
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let talk = self.talk.get_mut();
        let _ = talk.child.kill();
        let _ = talk.child.wait();
        let _ = std::fs::remove_file(&self.file);
    }
}

fn frames(input: &Input, count: usize) -> String {
    let instrument = &input.instrument;
    let side = |levels: &[Level]| -> Vec<[String; 2]> {
        let mut buffer = [0; market::decimal::TEXT_MAX];
        let mut text = |count: i64, step: market::Step, decimals: u8| {
            let text = step.write(count, decimals, &mut buffer);
            String::from_utf8_lossy(text).into_owned()
        };
        let pairs = levels.iter().map(|one| {
            [
                text(one.price.0, instrument.tick, instrument.price_decimals),
                text(one.quantity.0, instrument.lot, instrument.quantity_decimals),
            ]
        });
        pairs.collect()
    };
    let frames: Vec<_> = (0..count)
        .map(|index| String::from_utf8_lossy(input.frame(index)).into_owned())
        .collect();
    json!({
        "symbol": instrument.symbol.as_str(),
        "lot": instrument.lot.to_f64(),
        "price_decimals": instrument.price_decimals,
        "quantity_decimals": instrument.quantity_decimals,
        "last_update_id": input.start_update_id,
        "bids": side(&input.bids),
        "asks": side(&input.asks),
        "frames": frames,
    })
    .to_string()
}
