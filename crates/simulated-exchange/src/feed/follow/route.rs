//! Connections of a followed market: opened, watched, replaced before the exchange ends them.
//!
//! In: the streams of a market. Out: frames to its shop, in the order of one connection. Never: a
//! connection that is closed for its age before the next one carries everything it carries.
//!
//! The exchange ends a connection after 24 h. Before that a second one opens; its frames are kept
//! for the length of an overlap while the old one goes on, and then pass the lines, which know what
//! they have seen. Only then the old one is closed.

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use market::Market;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::dial::{Dialer, WebSocket};
use super::shop::Shop;
use super::{backoff, pause};

/// Without a frame for so long a connection is dead: mark prices come each second, best prices
/// more often; spot sends a ping every 20 s.
const SILENCE: Duration = Duration::from_secs(30);
/// How long two connections run side by side.
const OVERLAP: Duration = Duration::from_secs(1);
/// A replacement that cannot be opened is tried again after this.
const RENEW_AGAIN: Duration = Duration::from_secs(10);

type Dialing = Pin<Box<dyn Future<Output = Result<WebSocket, String>> + Send>>;

/// Starts the connections of a market.
pub(super) fn start(shop: &Shop, dialer: &Dialer, renew: Duration) {
    let target = shop.target();
    let routes: &[(&str, bool, &[&str])] = match target.market {
        Market::UsdM => &[
            ("/public", true, &["depth@100ms", "bookTicker"]),
            ("/market", false, &["trade", "aggTrade", "markPrice@1s"]),
        ],
        Market::Spot => &[(
            "",
            true,
            &["depth@100ms", "bookTicker", "trade", "aggTrade"],
        )],
    };
    for (path, carries_books, streams) in routes {
        let symbols = shop.symbols();
        let names = symbols
            .iter()
            .flat_map(|symbol| streams.iter().map(move |name| format!("{symbol}@{name}")));
        let names: Vec<String> = names.collect();
        let route = Route {
            url: format!("{}{path}/stream?streams={}", target.stream, names.join("/")),
            carries_books: *carries_books,
            shop: shop.clone(),
            dialer: dialer.clone(),
            renew,
        };
        tokio::spawn(route.run());
    }
}

struct Route {
    url: String,
    carries_books: bool,
    shop: Shop,
    dialer: Dialer,
    renew: Duration,
}

impl Route {
    async fn run(self) {
        let mut waits = backoff(if self.carries_books { 11 } else { 13 });
        loop {
            match self.dialer.web_socket(&self.url).await {
                Ok(socket) => {
                    waits.succeed();
                    tracing::info!(url = self.url, "following");
                    self.shop.up(self.carries_books);
                    let why = self.read(socket).await;
                    tracing::warn!(url = self.url, why, "the followed stream ended");
                    self.shop.down(self.carries_books);
                }
                Err(error) => tracing::warn!(%error, "the followed stream does not open"),
            }
            pause(&mut waits).await;
        }
    }

    /// Reads until nothing is left to read from; says why.
    async fn read(&self, first: WebSocket) -> String {
        let mut old = first;
        loop {
            let mut renew_at = Instant::now() + self.renew;
            let mut dialing: Option<Dialing> = None;
            let mut next: Option<WebSocket> = None;
            let ended = loop {
                tokio::select! {
                    frame = timeout(SILENCE, old.next()) => match self.text(frame) {
                        Ok(Some(text)) => self.shop.frame(&text),
                        Ok(None) => {}
                        Err(why) => break Some(why),
                    },
                    () = sleep_until(renew_at), if dialing.is_none() => {
                        let (dialer, url) = (self.dialer.clone(), self.url.clone());
                        dialing = Some(Box::pin(async move { dialer.web_socket(&url).await }));
                    }
                    made = poll_dialing(&mut dialing), if dialing.is_some() => {
                        dialing = None;
                        match made {
                            Ok(socket) => {
                                next = Some(socket);
                                break None;
                            }
                            Err(error) => {
                                tracing::warn!(%error, "no replacement yet");
                                renew_at = Instant::now() + RENEW_AGAIN;
                            }
                        }
                    }
                }
            };
            let Some(mut new) = next else {
                return ended.unwrap_or_default();
            };
            let kept = self.overlap(&mut old, &mut new).await;
            for text in kept {
                self.shop.frame(&text);
            }
            tracing::info!(url = self.url, "the followed stream has a new connection");
            old = new;
        }
    }

    /// Reads both connections side by side: what the old one brings goes on, what the new one
    /// brings is kept.
    async fn overlap(&self, old: &mut WebSocket, new: &mut WebSocket) -> Vec<String> {
        let mut kept = Vec::new();
        let mut until = None;
        loop {
            tokio::select! {
                frame = timeout(SILENCE, old.next()) => match self.text(frame) {
                    Ok(Some(text)) => self.shop.frame(&text),
                    Ok(None) => {}
                    Err(_) => return kept,
                },
                frame = timeout(SILENCE, new.next()) => match self.text(frame) {
                    Ok(Some(text)) => {
                        until.get_or_insert_with(|| Instant::now() + OVERLAP);
                        kept.push(text);
                    }
                    Ok(None) => {}
                    // Whoever reads it next finds the same end.
                    Err(_) => return kept,
                },
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    return kept;
                }
            }
        }
    }

    /// The text of what a connection brought, or why it has ended.
    fn text(&self, frame: Read) -> Result<Option<String>, String> {
        match frame {
            Err(_) => Err("silent for too long".to_owned()),
            Ok(None) => Err("closed".to_owned()),
            Ok(Some(Err(error))) => Err(error.to_string()),
            Ok(Some(Ok(Message::Text(text)))) => Ok(Some(text.to_string())),
            Ok(Some(Ok(Message::Close(_)))) => Err("closed by the exchange".to_owned()),
            // tungstenite answers pings with the next read.
            Ok(Some(Ok(_))) => Ok(None),
        }
    }
}

type Read = Result<
    Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    tokio::time::error::Elapsed,
>;

async fn poll_dialing(dialing: &mut Option<Dialing>) -> Result<WebSocket, String> {
    match dialing {
        Some(dialing) => dialing.await,
        None => Err("nothing is dialled".to_owned()),
    }
}
