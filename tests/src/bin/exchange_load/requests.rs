//! REST requests at a steady rate, as a bot asks: books, tickers, open orders, the account.
//!
//! In: the exchange, a rate. Out: how fast the answers came. Never: a request whose latency is
//! counted from later than when it was due.

use crate::exchange::Exchange;
use crate::orders::Load;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tests::load::latencies::Tally;

const PATHS: [&str; 5] = [
    "/fapi/v1/depth?symbol=BTCUSDT&limit=20",
    "/fapi/v1/ticker/bookTicker?symbol=ETHUSDT",
    "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=100",
    "/fapi/v1/openOrders?symbol=BTCUSDT&timestamp=NOW&signature=00",
    "/fapi/v3/account?timestamp=NOW&signature=00",
];

/// One connection, kept open.
pub(crate) fn start(exchange: &Exchange, rate: u32, stop: &Arc<AtomicBool>) -> Load {
    let base = exchange.field("http").to_string();
    let tally = Arc::new(Tally::default());
    let (counted, stop) = (tally.clone(), stop.clone());
    let thread = thread::spawn(move || {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = config.build().into();
        let began = Instant::now();
        let interval = Duration::from_secs(1) / rate.max(1);
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let due = began + interval * number;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let path = PATHS[number as usize % PATHS.len()];
            let path = path.replace("NOW", &crate::orders::now_ms().to_string());
            let answer = agent
                .get(format!("{base}{path}"))
                .header("X-MBX-APIKEY", "load")
                .call();
            let accepted = answer.is_ok_and(|mut answer| {
                answer.body_mut().read_to_vec().is_ok() && answer.status() == 200
            });
            counted.answered(due.elapsed(), accepted);
        }
    });
    Load { tally, thread }
}
