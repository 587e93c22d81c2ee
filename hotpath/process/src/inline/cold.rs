//! The cold side of the sockets: opens them, drops them, keeps listen keys, writes the log.
//!
//! In: wishes of the pinned thread. Out: connected sockets, at most one a wish. Never: anything
//! that an order waits for.

use super::dialing::{Dialed, Dialing, Wanted};
use crate::clock;
use crate::gateway::rest::{Response, RestClient, remaining};
use crate::hot_socket::{Encryption, HotDialer};
use binance::session::{KeyNews, ListenKey};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Between two looks into the queues.
const TICK: Duration = Duration::from_millis(1);

/// A look at a key without anything due.
const KEY_LOOK: Duration = Duration::from_secs(60);

/// A place as the cold side knows it.
pub struct Place {
    /// For the log.
    pub name: String,
    /// How its URL is found.
    pub route: Route,
}

/// Where a place connects to.
pub enum Route {
    /// Always there.
    Url(String),
    /// Where its listen key says.
    Key(Rc<KeyKeeper>),
}

/// Opens connections for every place.
pub struct ColdDialer {
    /// To and from the pinned thread.
    pub dialing: Arc<Dialing>,
    /// By number.
    pub places: Vec<Place>,
    /// Opens sockets.
    pub dialer: HotDialer,
}

impl ColdDialer {
    /// Runs until its thread ends.
    pub async fn run(self) {
        for place in &self.places {
            if let Route::Key(keeper) = &place.route {
                tokio::task::spawn_local(Rc::clone(keeper).run());
            }
        }
        loop {
            while self.dialing.given_up.pop().is_some() {}
            while let Some(note) = self.dialing.notes.pop() {
                let stream = self.name(note.place);
                let end = note.end.map(|end| end.to_string());
                tracing::warn!(stream, reason = %note.reason, end, "STREAM_DOWN");
            }
            while let Some(wanted) = self.dialing.wanted.pop() {
                self.serve(wanted);
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn name(&self, place: usize) -> &str {
        self.places.get(place).map_or("?", |one| one.name.as_str())
    }

    fn serve(&self, wanted: Wanted) {
        match self.places.get(wanted.place).map(|one| &one.route) {
            Some(Route::Url(url)) => {
                let name = self.name(wanted.place).to_string();
                dial(&self.dialing, &self.dialer, name, url.clone(), wanted);
            }
            Some(Route::Key(keeper)) => keeper.want(wanted),
            None => {}
        }
    }
}

/// Connects on a thread that may block, and hands the result over.
fn dial(dialing: &Arc<Dialing>, dialer: &HotDialer, stream: String, url: String, wanted: Wanted) {
    let dialing = Arc::clone(dialing);
    let dialer = dialer.clone();
    tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + remaining(wanted.deadline);
        let socket = match dialer.dial(&url, deadline) {
            Ok(socket) => {
                if let Encryption::Rustls {
                    kernel_refused: Some(reason),
                } = socket.encryption()
                {
                    tracing::warn!(stream, reason, "no TLS of the kernel, rustls goes on");
                }
                Some(Box::new(socket))
            }
            Err(error) => {
                tracing::warn!(stream, %error, "not connected");
                None
            }
        };
        // Without room the attempt times out on the other side.
        let _ = dialing.dialed.push(Dialed {
            place: wanted.place,
            attempt: wanted.attempt,
            socket,
        });
    });
}

/// The listen key of one private stream.
pub struct KeyKeeper {
    /// To the pinned thread.
    pub dialing: Arc<Dialing>,
    /// Opens sockets.
    pub dialer: HotDialer,
    /// For the key's calls.
    pub rest: RestClient,
    /// The stream's base URL.
    pub stream_url: String,
    /// Number of its place.
    pub place: usize,
    /// A wish that was not looked at yet.
    pub wish: Cell<Option<Wanted>>,
    /// Wakes it.
    pub wake: Notify,
    /// For the log.
    pub name: String,
}

/// A call about the key.
type Call = Pin<Box<dyn Future<Output = Option<Response>>>>;

impl KeyKeeper {
    fn want(&self, wanted: Wanted) {
        self.wish.set(Some(wanted));
        self.wake.notify_one();
    }

    /// A wish is looked at whatever call is under way.
    async fn run(self: Rc<Self>) {
        let mut key = ListenKey::new(&self.stream_url);
        let mut wanted: Option<Wanted> = None;
        let mut call: Option<Call> = None;
        loop {
            if let Some(fresh) = self.wish.take() {
                // Each connection begins with a fresh key; one that nobody used yet is fresh.
                if wanted.is_none() {
                    key.forget();
                    if call.take().is_some() {
                        // A keep-alive of a key that nobody wants any more.
                        key.on_reply(None, clock::monotonic());
                    }
                }
                wanted = Some(fresh);
            }
            if let (Some(url), Some(wish)) = (key.url(), wanted) {
                let (name, url) = (self.name.clone(), url.to_string());
                dial(&self.dialing, &self.dialer, name, url, wish);
                wanted = None;
            }
            // Without a wish nobody needs a new key.
            let useful = wanted.is_some() || key.url().is_some();
            let request = useful.then(|| key.poll(clock::monotonic())).flatten();
            if let Some(request) = request {
                let keeper = Rc::clone(&self);
                call = Some(Box::pin(async move { keeper.rest.send(&request).await }));
            }
            let due = key.next_deadline().filter(|_| useful);
            let patience = due.map_or(KEY_LOOK, remaining);
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(patience) => {}
                response = answer(&mut call) => {
                    let reply = response.as_ref().map(Response::as_reply);
                    if key.on_reply(reply, clock::monotonic()) == KeyNews::Gone {
                        // Without room the stream's silence tells it.
                        let _ = self.dialing.keys_gone.push(self.place);
                    }
                }
            }
        }
    }
}

/// Waits for a call, forever when there is none, and forgets it.
async fn answer(call: &mut Option<Call>) -> Option<Response> {
    match call {
        Some(under_way) => {
            let response = under_way.await;
            *call = None;
            response
        }
        None => std::future::pending().await,
    }
}
