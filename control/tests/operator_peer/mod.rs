//! The hot path's side of `operator.sock`, played: it notes verbs and answers them.

use operator::{ConfiguredReply, ErrorCode, KillLine, Refusal, Reply, Request, StatusReply};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

#[derive(Default)]
struct Noted {
    requests: Mutex<Vec<Value>>,
    refuses: AtomicBool,
    holds: Mutex<bool>,
    goes_on: Condvar,
    ended: AtomicBool,
}

pub(crate) struct OperatorPeer {
    noted: Arc<Noted>,
    path: PathBuf,
}

impl OperatorPeer {
    pub(crate) fn at(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(operator::SOCKET);
        let listener = UnixListener::bind(&path).unwrap();
        let noted = Arc::new(Noted::default());
        let shared = Arc::clone(&noted);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || converse(stream.unwrap(), &shared));
            }
        });
        Self { noted, path }
    }

    /// Verbs that change something, in order.
    pub(crate) fn verbs(&self) -> Vec<String> {
        let requests = self.noted.requests.lock().unwrap();
        let verbs = requests
            .iter()
            .map(|one| one["verb"].as_str().unwrap().to_string());
        let looks = ["status", "orders", "positions", "limits"];
        verbs
            .filter(|verb| !looks.contains(&verb.as_str()))
            .collect()
    }

    pub(crate) fn last(&self) -> Value {
        self.noted.requests.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) fn refuse_next(&self) {
        self.noted.refuses.store(true, Ordering::SeqCst);
    }

    /// Takes what comes, and does not answer.
    pub(crate) fn hold(&self) {
        *self.noted.holds.lock().unwrap() = true;
    }

    pub(crate) fn go_on(&self) {
        *self.noted.holds.lock().unwrap() = false;
        self.noted.goes_on.notify_all();
    }
}

impl Drop for OperatorPeer {
    fn drop(&mut self) {
        self.noted.ended.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
        let _ = std::fs::remove_file(&self.path);
    }
}

fn converse(stream: UnixStream, noted: &Noted) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        let request = Request::from_line(line.as_bytes()).unwrap();
        noted.requests.lock().unwrap().push(json!(request));
        let holds = noted.holds.lock().unwrap();
        drop(noted.goes_on.wait_while(holds, |holds| *holds).unwrap());
        let refuses = noted.refuses.swap(false, Ordering::SeqCst);
        let reply = if refuses {
            Reply::Refused(Refusal::new(ErrorCode::KillLatched, "KILLED"))
        } else {
            answer(&request)
        };
        if reader.get_mut().write_all(reply.line().as_bytes()).is_err() {
            return;
        }
        line.clear();
    }
}

fn answer(request: &Request) -> Reply {
    match request {
        Request::Status => {
            let status = json!({
                "account": "default", "mode": "paper", "generation": 1, "state": "ACTIVE",
                "reason": "READY", "advice": "", "reconciled": true, "market_stream_up": true,
                "user_stream_up": true, "control_alive": true, "orders_open": 0,
                "orders_unknown": 0, "orders_inherited": 0, "safe_after_ms": 1,
                "ready_after_ms": 2, "equity_usdt": "1", "unrealized_usdt": "0",
                "realized_usdt": "0", "fees_usdt": "0", "funding_usdt": "0", "utc_ms": 1,
                "kill": KillLine::default()
            });
            let status: StatusReply = serde_json::from_value(status).unwrap();
            Reply::Status(Box::new(status))
        }
        Request::Orders => Reply::Orders {
            age_ms: 0,
            orders: vec![],
            algo_orders: vec![],
        },
        Request::Positions => Reply::Positions { positions: vec![] },
        Request::Limits => Reply::Limits { limits: vec![] },
        Request::Configure { version, text } => Reply::Configured(ConfiguredReply {
            version: *version,
            config_hash: settings::sha256_text(text).chars().take(16).collect(),
            confirmed: true,
            at_once: vec![],
            waiting: vec![],
        }),
        Request::Kill { .. } => Reply::Killed(KillLine {
            latched: true,
            ..KillLine::default()
        }),
        _ => Reply::Accepted {
            note: "done".to_string(),
        },
    }
}
