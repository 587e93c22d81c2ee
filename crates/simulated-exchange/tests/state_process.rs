//! The state directory under a process that is killed, and under one whose files may not grow.
//!
//! In: the binary, SIGKILL at any moment, a limit on the size of files. Out: passes, or the order that
//! was answered and is not known. Never: a sleep; a process that outlives its test.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_simulated-exchange");

/// A running exchange that ends with its test.
struct Exchange {
    child: Child,
    usdm: String,
    control: String,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("state-process")
        .join(name);
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// Starts it by the shell, after these words.
fn start(before: &str, directory: &Path, more: &[&str]) -> Exchange {
    let mut child = Command::new("sh")
        .args(["-c", &format!("{before} exec \"$0\" \"$@\""), PROGRAM])
        .args([
            "--listen",
            "127.0.0.1:0",
            "--symbols",
            "BTCUSDT",
            "--no-limits",
        ])
        .arg("--state-dir")
        .arg(directory)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let field = |name: &str| {
        let found = line
            .split_whitespace()
            .find_map(|one| one.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("{name} in {line:?}"))
            .to_owned()
    };
    Exchange {
        usdm: field("http=http://"),
        control: field("sim=http://"),
        child,
    }
}

/// Status and body; nothing where the connection breaks.
fn ask(address: &str, method: &str, target: &str) -> Option<(u16, Value)> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         x-mbx-apikey: any\r\ncontent-length: 0\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.get(9..12)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

fn signed(query: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    format!("{query}&timestamp={now}&signature=0")
}

/// Places orders until the exchange does not answer; their names.
fn place_until_it_ends(address: &str, first: u32) -> Vec<String> {
    let mut answered = Vec::new();
    for number in first.. {
        let name = format!("n{number}");
        let query = signed(&format!(
            "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001&newClientOrderId={name}"
        ));
        match ask(address, "POST", &format!("/fapi/v1/order?{query}")) {
            Some((200, _)) => answered.push(name),
            Some((503, _)) | None => return answered,
            Some(other) => panic!("{name}: {other:?}"),
        }
    }
    answered
}

/// Every order and fill as it truly is.
fn history(exchange: &Exchange) -> Value {
    ask(&exchange.control, "GET", "/sim/v1/history").unwrap().1
}

/// Killed again and again in the midst of orders: whatever was answered is known with its fills, and
/// the position is the sum of all fills.
#[test]
fn what_was_answered_is_known_after_a_kill() {
    let directory = directory("killed");
    let mut answered: Vec<String> = Vec::new();
    for round in 0..5u32 {
        let mut exchange = start("", &directory, &["--seed", "3"]);
        let usdm = exchange.usdm.clone();
        let placing = std::thread::spawn(move || place_until_it_ends(&usdm, round * 100_000));
        // In the midst of them: after so many, which differ from round to round.
        let many = u64::from(20 + 13 * round);
        let begun = answered.len() as u64;
        while history(&exchange)["orders"].as_array().unwrap().len() as u64 <= begun + many {}
        exchange.child.kill().unwrap();
        exchange.child.wait().unwrap();
        answered.extend(placing.join().unwrap());

        let exchange = start("", &directory, &["--seed", "3"]);
        let known = history(&exchange);
        let orders = known["orders"].as_array().unwrap();
        for name in &answered {
            let order = orders.iter().find(|one| one["client_order_id"] == *name);
            let order = order.unwrap_or_else(|| panic!("{name} was answered"));
            assert_eq!(order["state"], "FILLED", "{order}");
        }
        let fills = known["fills"].as_array().unwrap();
        let filled: i64 = fills.iter().map(|one| one["lots"].as_i64().unwrap()).sum();
        let of_orders = orders
            .iter()
            .map(|one| one["filled_lots"].as_i64().unwrap());
        assert_eq!(filled, of_orders.sum::<i64>(), "no order is known by half");
        let account = ask(&exchange.control, "GET", "/sim/v1/account").unwrap().1;
        assert_eq!(account["positions"][0]["quantity_lots"], filled);
        // At most the one that was in flight is known though nobody was told.
        assert!(
            orders.len() <= answered.len() + 1 + round as usize,
            "{}",
            orders.len()
        );
    }
}

/// No file of it may grow beyond 24 KiB: it says so, answers no order as taken, and ends with 1.
#[test]
fn a_disk_that_is_full_ends_the_exchange_before_it_answers() {
    let directory = directory("full");
    let mut exchange = start("trap '' XFSZ; ulimit -f 48;", &directory, &[]);
    let answered = place_until_it_ends(&exchange.usdm, 0);
    assert!(!answered.is_empty());
    let status = exchange.child.wait().unwrap();
    let mut said = String::new();
    let mut stderr = exchange.child.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("changes-000000000001: File too large"),
        "{said}"
    );

    let exchange = start("", &directory, &[]);
    let known = history(&exchange);
    let orders = known["orders"].as_array().unwrap();
    assert_eq!(orders.len(), answered.len(), "half a line is no order");
}
