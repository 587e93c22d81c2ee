//! The record itself: lists, refusals and limits first, then streams with snapshots under them.
//!
//! In: a plan, whether somebody wants the end. Out: a bundle, however it ended. Never: another request
//! of a venue that asks for silence.

use super::bundle::{Bundle, utc_ns};
use super::{Plan, ProbeError};
use crate::build_identity::{REVISION, VERSION};
use crate::client::{Answer, ByteStream, Client, Dialer, Endpoint, Question};
use binance::rest::{self, Call};
use binance::session::{MarketRoute, stream_url};
use futures_util::StreamExt as _;
use hyper::Method;
use market::{Instrument, InstrumentId, Instruments, Market};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long a connection and an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Levels of a side of a snapshot.
const LEVELS: u32 = 1_000;
/// Speed of the depth stream, in milliseconds.
const DEPTH_MS: u64 = 100;
/// Frames that wait to be written; a disk that is slower than this is told as a break.
const FRAMES_MAX: usize = 4_096;
/// Longest message.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Before a broken connection is opened again.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two looks at whether somebody wants the end.
const LOOK: Duration = Duration::from_millis(100);
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(1);

/// How a probe ended; the bundle is whole in each case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its time was over.
    Time(PathBuf),
    /// Somebody wanted it.
    Asked(PathBuf),
    /// There was no more room.
    Full(PathBuf),
}

impl Ended {
    const fn word(&self) -> &'static str {
        match self {
            Self::Time(_) => "time",
            Self::Asked(_) => "interrupt",
            Self::Full(_) => "bytes",
        }
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &PathBuf {
        match self {
            Self::Time(path) | Self::Asked(path) | Self::Full(path) => path,
        }
    }
}

/// What a connection brings.
enum Frame {
    Text(String),
    Broken(&'static str, String),
}

struct Recorder<'a> {
    plan: &'a Plan,
    client: Client,
    bundle: Bundle,
    /// Why the venue is not asked any more.
    silent: Option<String>,
    breaks: Vec<Value>,
}

/// Records until time, room or patience end.
///
/// # Errors
/// [`ProbeError`]; nothing of the venue's is known then, or a file cannot be written.
pub async fn run(
    plan: &Plan,
    ended: &AtomicBool,
    tell: &mut dyn FnMut(&str),
) -> Result<Ended, ProbeError> {
    let venue = |error: String| ProbeError::Venue(error);
    let endpoint = Endpoint::of_url(&plan.rest_url).map_err(|error| venue(error.to_string()))?;
    let dialer = Dialer::new(plan.ca_file.as_deref(), PATIENCE);
    let mut client = Client::new(dialer.clone(), endpoint);
    // Before anything is made: is it there, and does it have the symbols?
    let call = rest::exchange_info(plan.market);
    let listed = ask(&mut client, &call.target()).await.map_err(venue)?;
    let instruments = instruments(plan, &listed)?;
    let mut recorder = Recorder {
        plan,
        client,
        bundle: Bundle::new(plan)?,
        silent: None,
        breaks: Vec::new(),
    };
    let begun_ns = utc_ns();
    recorder
        .bundle
        .answer("exchangeInfo", &call.target(), &listed)?;
    recorder.answers(&instruments).await?;
    let (send, frames) = mpsc::channel(FRAMES_MAX);
    let mut connections = Vec::new();
    for route in routes(plan.market) {
        let url = stream_url(
            *route,
            &plan.stream_url,
            &Instruments(&instruments),
            DEPTH_MS,
        );
        connections.push(tokio::spawn(connection(dialer.clone(), url, send.clone())));
    }
    let how = recorder.streams(&instruments, frames, ended, tell).await;
    for connection in connections {
        connection.abort();
    }
    let how = how?;
    let facts = json!({
        "made_by": format!("fulcrum probe {VERSION} {REVISION}"),
        "rest_url": plan.rest_url,
        "stream_url": plan.stream_url,
        "market": plan.market.as_str(),
        "symbols": plan.symbols,
        "begun_utc_ns": begun_ns.to_string(),
        "ended_utc_ns": utc_ns().to_string(),
        "ended_by": how(PathBuf::new()).word(),
        "messages": recorder.bundle.lines(),
        "breaks": recorder.breaks,
        "silent": recorder.silent,
    });
    Ok(how(recorder.bundle.finish(facts)?))
}

const fn routes(market: Market) -> &'static [MarketRoute] {
    match market {
        Market::UsdM => &[MarketRoute::Public, MarketRoute::Market],
        Market::Spot => &[MarketRoute::Spot],
    }
}

/// The instruments of the plan, as the venue lists them.
fn instruments(plan: &Plan, listed: &Answer) -> Result<Vec<Instrument>, ProbeError> {
    let info = rest::parse_exchange_info(&listed.body, plan.market).map_err(|error| {
        ProbeError::Venue(format!(
            "{}: exchangeInfo with status {}: {error}",
            plan.rest_url, listed.status
        ))
    })?;
    let find = |(index, symbol): (usize, &String)| match info.find(symbol) {
        Some(found) => Ok(Instrument {
            id: InstrumentId(u16::try_from(index).unwrap_or(u16::MAX)),
            ..found.instrument
        }),
        None => Err(ProbeError::Venue(format!(
            "{symbol} is none of the {} symbols that {} lists",
            info.instruments.len(),
            plan.rest_url
        ))),
    };
    plan.symbols.iter().enumerate().map(find).collect()
}

async fn ask(client: &mut Client, path: &str) -> Result<Answer, String> {
    let question = Question {
        method: Method::GET,
        path,
        headers: &[],
        body: String::new(),
    };
    let answer = client.ask(&question, PATIENCE).await;
    answer.map_err(|error| error.to_string())
}

type End = fn(PathBuf) -> Ended;

impl Recorder<'_> {
    /// Asks, unless the venue wants silence; what it says then is kept, too.
    async fn ask(&mut self, path: &str) -> Option<Answer> {
        if self.silent.is_some() {
            return None;
        }
        match ask(&mut self.client, path).await {
            Ok(answer) => {
                if [418, 429].contains(&answer.status) {
                    let wait = answer.header("retry-after").unwrap_or("some");
                    self.silent = Some(format!("status {}, {wait} s", answer.status));
                }
                Some(answer)
            }
            Err(error) => {
                self.breaks.push(json!({ "what": path, "why": error }));
                None
            }
        }
    }

    async fn keep(&mut self, name: &str, path: &str) -> Result<(), ProbeError> {
        match self.ask(path).await {
            Some(answer) => self.bundle.answer(name, path, &answer),
            None => Ok(()),
        }
    }

    /// Time, limits, refusals: one of each.
    async fn answers(&mut self, instruments: &[Instrument]) -> Result<(), ProbeError> {
        let market = self.plan.market;
        let (base, symbol) = match market {
            Market::UsdM => ("/fapi/v1", instruments[0].symbol),
            Market::Spot => ("/api/v3", instruments[0].symbol),
        };
        let symbol = percent(symbol.as_str());
        let calls = [
            ("time", rest::time(market).target()),
            ("ping", rest::ping(market).target()),
            ("bookTicker", rest::best_prices(&instruments[0]).target()),
            ("trades", format!("{base}/trades?symbol={symbol}&limit=100")),
            (
                "klines",
                format!("{base}/klines?symbol={symbol}&interval=1m&limit=100"),
            ),
            (
                "error-unknown-symbol",
                format!("{base}/depth?symbol=NOSUCHSYMBOL&limit=5"),
            ),
            (
                "error-bad-limit",
                format!("{base}/depth?symbol={symbol}&limit=-1"),
            ),
            ("error-missing-symbol", format!("{base}/depth")),
            (
                "error-bad-interval",
                format!("{base}/klines?symbol={symbol}&interval=7x"),
            ),
            ("error-no-key", format!("{base}/openOrders?symbol={symbol}")),
            ("error-no-path", format!("{base}/nothing-is-here")),
        ];
        for (name, path) in calls {
            self.keep(name, &path).await?;
        }
        Ok(())
    }

    async fn snapshots(&mut self, instruments: &[Instrument]) -> Result<(), ProbeError> {
        for instrument in instruments {
            let call: Call = rest::depth(instrument, LEVELS);
            let Some(answer) = self.ask(&call.target()).await else {
                continue;
            };
            if answer.status == 200 {
                // In the recording, where a reader of it expects a snapshot.
                let symbol = instrument.symbol;
                self.bundle
                    .message(symbol.as_str(), answer.body.trim_ascii())?;
            } else {
                self.bundle.answer("depth", &call.target(), &answer)?;
            }
        }
        Ok(())
    }

    async fn streams(
        &mut self,
        instruments: &[Instrument],
        mut frames: mpsc::Receiver<Frame>,
        ended: &AtomicBool,
        tell: &mut dyn FnMut(&str),
    ) -> Result<End, ProbeError> {
        let begun = Instant::now();
        let names: Vec<(String, String)> = instruments
            .iter()
            .map(|one| {
                (
                    one.symbol.as_str().to_lowercase(),
                    one.symbol.as_str().to_string(),
                )
            })
            .collect();
        let mut told = begun;
        // The first one comes once the streams flow, so that it lies within them.
        let mut snapshot_due = None;
        loop {
            let frame = tokio::time::timeout(LOOK, frames.recv()).await;
            match frame {
                Ok(Some(Frame::Text(text))) => {
                    let stream = stream_of(&text).unwrap_or_default();
                    let symbol = stream.split('@').next().unwrap_or_default().to_lowercase();
                    if let Some((_, symbol)) = names.iter().find(|(name, _)| *name == symbol) {
                        self.bundle.message(symbol, text.as_bytes())?;
                        snapshot_due.get_or_insert_with(|| Instant::now() + AGAIN);
                    }
                }
                Ok(Some(Frame::Broken(what, why))) => {
                    self.breaks.push(json!({
                        "what": what, "why": why, "utc_ns": utc_ns().to_string()
                    }));
                }
                Ok(None) | Err(_) => {}
            }
            let now = Instant::now();
            if snapshot_due.is_some_and(|due| due <= now) {
                self.snapshots(instruments).await?;
                snapshot_due = Some(now + self.plan.snapshot_every);
            }
            if now.duration_since(told) >= PROGRESS {
                told = now;
                tell(&format!(
                    "{} of {} s, {} messages, {} KiB, {} breaks",
                    begun.elapsed().as_secs(),
                    self.plan.length.as_secs(),
                    self.bundle.lines(),
                    self.bundle.bytes() / 1_024,
                    self.breaks.len(),
                ));
            }
            if ended.load(Ordering::Relaxed) {
                return Ok(Ended::Asked);
            }
            if self.bundle.is_full {
                return Ok(Ended::Full);
            }
            if begun.elapsed() >= self.plan.length {
                return Ok(Ended::Time);
            }
        }
    }
}

/// Name of the stream of a frame of a combined connection.
fn stream_of(text: &str) -> Option<&str> {
    let rest = text.split_once("\"stream\":\"")?.1;
    Some(rest.split_once('"')?.0)
}

/// As a query wants it.
fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// One connection for as long as the probe lasts, opened again when it breaks.
async fn connection(dialer: Dialer, url: String, frames: mpsc::Sender<Frame>) {
    loop {
        let broken = match open(&dialer, &url).await {
            Err(error) => error,
            Ok(mut socket) => loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        if frames.send(Frame::Text(text.to_string())).await.is_err() {
                            return;
                        }
                    }
                    // Pings are answered by the library.
                    Some(Ok(Message::Close(_))) | None => break "it was ended".to_string(),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break error.to_string(),
                }
            },
        };
        if frames.send(Frame::Broken("streams", broken)).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn open(dialer: &Dialer, url: &str) -> Result<WebSocketStream<Box<dyn ByteStream>>, String> {
    let base = url.split('?').next().unwrap_or_default();
    let endpoint = Endpoint::of_url(base).map_err(|error| error.to_string())?;
    let connected = dialer
        .connect(&endpoint)
        .await
        .map_err(|error| error.to_string())?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let upgraded = client_async_with_config(url, connected.stream, Some(config));
    let upgraded = tokio::time::timeout(PATIENCE, upgraded).await;
    let (socket, _) = upgraded
        .map_err(|_| "no upgrade in time".to_string())?
        .map_err(|error| error.to_string())?;
    Ok(socket)
}
