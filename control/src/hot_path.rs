//! The conversation with the hot path over `operator.sock`, for the API.
//!
//! In: requests. Out: replies, or whether the request can have been carried out. Never: a reader
//! that keeps an operator waiting; a wait without end.

use operator::{LINE_BYTES_MAX, Reply, Request};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

/// Longer than the hot path waits for disk and exchange together.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who only looks waits no longer than this, except for lists of the exchange.
const LOOK: Duration = Duration::from_secs(3);

/// A local socket takes a connection at once, or nobody is there.
const CONNECT: Duration = Duration::from_secs(1);

/// How old an answer to a question may be that many ask at once.
const FRESH: Duration = Duration::from_millis(100);

/// Conversations at a time, kills aside: the hot path ends its oldest one when there are too many.
const CONVERSATIONS_MAX: usize = 8;

/// Why there is no reply.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AskError {
    /// The request did not arrive.
    #[error(
        "no hot path answers at {path}: {why}; in an emergency without one, `fulcrum-flatten` \
         cancels and closes everything"
    )]
    Unreachable {
        /// Its socket.
        path: String,
        /// Why.
        why: String,
    },
    /// It arrived, or may have, and what became of it is not known.
    #[error(
        "the hot path gave no answer ({0}): whether it was carried out is not known; look at the status"
    )]
    NoAnswer(String),
}

/// The newest answer to a question, or that there was none.
type Cached = Arc<Mutex<Option<(Instant, Result<Reply, AskError>)>>>;

/// The way to the hot path.
pub struct HotPath {
    socket: PathBuf,
    conversations: Semaphore,
    answers: std::sync::Mutex<HashMap<&'static str, Cached>>,
}

impl HotPath {
    /// By its socket.
    #[must_use]
    pub fn at(socket: PathBuf) -> Self {
        Self {
            socket,
            conversations: Semaphore::new(CONVERSATIONS_MAX),
            answers: std::sync::Mutex::default(),
        }
    }

    /// Asks something that changes nothing. Those who ask the same at the same time share an answer.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn look(&self, name: &'static str, request: &Request) -> Result<Reply, AskError> {
        let cached = {
            let mut answers = self.answers.lock().expect("nobody panics while it is held");
            Arc::clone(answers.entry(name).or_default())
        };
        let mut cached = cached.lock().await;
        if let Some((at, reply)) = &*cached
            && at.elapsed() < FRESH
        {
            return reply.clone();
        }
        let patience = match request {
            Request::Orders => PATIENCE,
            _ => LOOK,
        };
        let reply = self.converse(request, patience).await;
        *cached = Some((Instant::now(), reply.clone()));
        reply
    }

    /// Asks for what an operator wants.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask(&self, request: &Request) -> Result<Reply, AskError> {
        self.converse(request, PATIENCE).await
    }

    async fn converse(&self, request: &Request, patience: Duration) -> Result<Reply, AskError> {
        let kills = matches!(request, Request::Kill { .. });
        let _turn = match kills {
            true => None,
            false => self.conversations.acquire().await.ok(),
        };
        let unreachable = |why: String| AskError::Unreachable {
            path: self.socket.display().to_string(),
            why,
        };
        let stream = match timeout(CONNECT, UnixStream::connect(&self.socket)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable("it takes no connection".to_string())),
        };
        match timeout(patience, say(stream, request)).await {
            Ok(Ok(answer)) if answer.is_empty() => {
                Err(AskError::NoAnswer("it ended the conversation".to_string()))
            }
            Ok(Ok(answer)) => serde_json::from_slice(&answer).map_err(|error| {
                AskError::NoAnswer(format!("a reply of another version: {error}"))
            }),
            Ok(Err(error)) => Err(AskError::NoAnswer(error.to_string())),
            Err(_) => Err(AskError::NoAnswer(format!(
                "not within {} s",
                patience.as_secs()
            ))),
        }
    }
}

/// A line there, a line back.
async fn say(mut stream: UnixStream, request: &Request) -> std::io::Result<Vec<u8>> {
    stream.write_all(request.line().as_bytes()).await?;
    let mut answer = Vec::new();
    let mut bounded = BufReader::new(stream).take(16 * LINE_BYTES_MAX as u64);
    bounded.read_until(b'\n', &mut answer).await?;
    Ok(answer)
}
