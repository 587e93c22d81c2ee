//! Asks for the picture again and again, and carries out what keys ask for.
//!
//! In: the way to the box. Out: a picture that others read at any time. Never: a screen that waits for
//! an answer; an emergency that waits behind a look.

use super::super::arguments::Arguments;
use super::super::line::Line;
use super::super::remote::Remote;
use super::picture::{Orders, Picture};
use operator::{Reply, Request};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Pause between two rounds.
const ROUND: Duration = Duration::from_millis(500);
/// Rounds between two looks at what changes seldom, or is dear.
const SELDOM: u32 = 4;
/// How long a look waits, in seconds: what takes longer is stale anyway.
const LOOK_S: u64 = 3;

/// The picture as it is shared.
pub(super) type Shared = Arc<Mutex<Picture>>;

/// What became of a verb, for the line below.
pub(super) type Said = Arc<Mutex<String>>;

/// The ways to a box that are kept open.
pub(super) struct Feed {
    arguments: Arguments,
    line: Option<Line>,
    control: Option<Remote>,
}

impl Feed {
    pub(super) fn new(arguments: &Arguments) -> Self {
        let mut arguments = arguments.clone();
        arguments.away.timeout_s = arguments.away.timeout_s.min(LOOK_S);
        Self {
            arguments,
            line: None,
            control: None,
        }
    }

    /// One round of looks; `all` of them, or only what changes fast.
    pub(super) fn round(&mut self, shared: &Shared, all: bool) {
        let status = self.ask(&Request::Status).and_then(|reply| match reply {
            Reply::Status(status) => Ok(*status),
            _ => Err("an answer of another version".to_string()),
        });
        let with = |work: &mut dyn FnMut(&mut Picture)| {
            work(&mut shared.lock().expect("nobody panics while it is held"));
        };
        let mut status = Some(status);
        with(&mut |picture| {
            if let Some(status) = status.take() {
                picture.take_status(status, Instant::now());
            }
        });
        let positions = self.ask(&Request::Positions).and_then(|reply| match reply {
            Reply::Positions { positions } => Ok(positions),
            _ => Err("an answer of another version".to_string()),
        });
        with(&mut |picture| picture.positions.take(positions.clone(), Instant::now()));
        let stats = self.get("/engine/stats");
        with(&mut |picture| picture.stats.take(stats.clone(), Instant::now()));
        let fills = self.rows("/engine/fills?limit=20");
        with(&mut |picture| picture.fills.take(fills.clone(), Instant::now()));
        if !all {
            return;
        }
        let orders = self.ask(&Request::Orders).and_then(|reply| match reply {
            Reply::Orders {
                orders,
                algo_orders,
                ..
            } => Ok(Orders {
                plain: orders,
                conditional: algo_orders,
            }),
            _ => Err("an answer of another version".to_string()),
        });
        with(&mut |picture| picture.orders.take(orders.clone(), Instant::now()));
        let limits = self.ask(&Request::Limits).and_then(|reply| match reply {
            Reply::Limits { limits } => Ok(limits),
            _ => Err("an answer of another version".to_string()),
        });
        with(&mut |picture| picture.limits.take(limits.clone(), Instant::now()));
        let states = self.rows("/engine/states?limit=20");
        with(&mut |picture| picture.states.take(states.clone(), Instant::now()));
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, String> {
        let line = match &mut self.line {
            Some(line) => line,
            None => self
                .line
                .insert(Line::open(&self.arguments).map_err(|(_, why)| why)?),
        };
        match line.ask(request) {
            Ok(Reply::Refused(refusal)) => Err(refusal.message),
            Ok(reply) => Ok(reply),
            Err((_, why)) => {
                // The next round opens another one.
                self.line = None;
                Err(why)
            }
        }
    }

    fn get(&mut self, path: &str) -> Result<Value, String> {
        let control = match &mut self.control {
            Some(control) => control,
            None => self
                .control
                .insert(Remote::of(&self.arguments).map_err(|(_, why)| why)?),
        };
        control.get(path).map_err(|(_, why)| {
            self.control = None;
            why
        })
    }

    fn rows(&mut self, path: &str) -> Result<Vec<Value>, String> {
        let mut page = self.get(path)?;
        match page["rows"].take() {
            Value::Array(rows) => Ok(rows),
            _ => Err("an answer of another version".to_string()),
        }
    }
}

/// Looks for as long as the process lives.
pub(super) fn start(arguments: &Arguments, shared: &Shared) -> std::io::Result<()> {
    let mut feed = Feed::new(arguments);
    let shared = Arc::clone(shared);
    let looks = move || {
        for number in 0_u32.. {
            feed.round(&shared, number.is_multiple_of(SELDOM));
            std::thread::sleep(ROUND);
        }
    };
    std::thread::Builder::new()
        .name("looks".to_string())
        .spawn(looks)
        .map(drop)
}

/// Carries a verb out, on a way of its own.
pub(super) fn act(arguments: &Arguments, request: Request, said: &Said) {
    let (arguments, told) = (arguments.clone(), Arc::clone(said));
    let say = |said: &Said, text: String| {
        *said.lock().expect("nobody panics while it is held") = text;
    };
    let name = serde_json::to_value(&request).unwrap_or_default();
    let name = name["verb"].as_str().unwrap_or_default().to_string();
    say(said, format!("{name}: sent"));
    let work = move || {
        let answer = Line::open(&arguments).and_then(|mut line| line.ask(&request));
        say(
            &told,
            match answer {
                Ok(Reply::Accepted { note }) => format!("{name}: {note}"),
                Ok(Reply::Killed(_)) => format!("{name}: latched; the sweep goes on"),
                Ok(Reply::Refused(refusal)) => format!("{name} is refused: {}", refusal.message),
                Ok(_) => format!("{name}: an answer of another version"),
                Err((_, why)) => format!("{name}: {why}"),
            },
        );
    };
    let started = std::thread::Builder::new()
        .name("verb".to_string())
        .spawn(work);
    if let Err(error) = started {
        say(said, format!("not sent: {error}"));
    }
}
