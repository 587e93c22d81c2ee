//! The venue of paper trading: started, watched, started again.
//!
//! In: whom it follows, where it listens. Out: a running `simulated-exchange`, what is known of it.
//! Never: an order; a word to the followed exchange; a second venue on the same port.
//!
//! It outlives a control that is killed: the next one finds it at its port and watches it. An
//! orderly end of control ends it.

use crate::decimal;
use serde::Serialize;
use serde_json::Value;
use settings::{PaperSettings, Settings};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Where it keeps its accounts, below control's own state.
const ACCOUNTS: &str = "paper-exchange";
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long its answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// First and longest wait before it is started again.
const WAIT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// Whoever lived so long has started well.
const SETTLED: Duration = Duration::from_secs(60);

/// What is known of the venue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PaperView {
    /// It answers.
    pub up: bool,
    /// Its process, where this control has started it.
    pub pid: Option<u32>,
    /// Times that it was started again.
    pub restarts: u64,
    /// The followed instruments.
    pub following: Vec<Followed>,
}

/// One followed instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// `usdm` or `spot`.
    pub market: &'static str,
    /// Its symbol.
    pub symbol: String,
    /// Its book is that of the followed exchange.
    pub in_sync: bool,
}

/// What is known of the venue, shared with whoever tells it on; nothing where none is started.
pub type SharedPaper = Arc<Mutex<Option<PaperView>>>;

/// Starts and watches the venue.
pub struct Supervisor {
    program: PathBuf,
    arguments: Vec<String>,
    /// Its control API.
    control: SocketAddr,
    child: Option<Child>,
    view: SharedPaper,
    known: PaperView,
}

impl Supervisor {
    /// A supervisor, if the settings want a venue to be started; it keeps its accounts below
    /// `state_dir`.
    #[must_use]
    pub fn new(
        settings: &Settings,
        program: &Path,
        state_dir: &Path,
        view: SharedPaper,
    ) -> Option<Self> {
        let listen = settings.paper.listen?;
        let symbols = settings.instruments.iter();
        let symbols: BTreeSet<&str> = symbols.map(|one| one.symbol.as_str()).collect();
        let symbols: Vec<&str> = symbols.into_iter().collect();
        Some(Self {
            program: program.to_path_buf(),
            arguments: arguments(&settings.paper, listen, &symbols.join(","), state_dir),
            control: SocketAddr::new(listen.ip(), listen.port() + 2),
            child: None,
            view,
            known: PaperView::default(),
        })
    }

    /// Keeps the venue running until the task is dropped.
    pub async fn run(mut self) {
        let mut wait = WAIT.0;
        let mut begun: Option<Instant> = None;
        loop {
            let state = self.ask().await;
            self.tell(state.as_ref());
            if state.is_none() && !self.lives() {
                if let Some(begun) = begun {
                    if begun.elapsed() > SETTLED {
                        wait = WAIT.0;
                    }
                    tracing::error!(?wait, "the paper exchange is gone");
                    self.known.restarts += 1;
                    sleep(wait).await;
                    wait = (wait * 2).min(WAIT.1);
                }
                begun = Some(Instant::now());
                self.start();
            }
            sleep(LOOK).await;
        }
    }

    fn start(&mut self) {
        tracing::info!(program = %self.program.display(), "starts the paper exchange");
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        match child {
            Ok(child) => self.child = Some(child),
            Err(error) => {
                let program = self.program.display();
                tracing::error!(%program, %error, "the paper exchange does not start");
            }
        }
    }

    /// Whether the process that was started here has not ended.
    fn lives(&mut self) -> bool {
        let Some(child) = &mut self.child else {
            return false;
        };
        match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                tracing::warn!(%status, "the paper exchange has ended");
                self.child = None;
                false
            }
            Err(error) => {
                tracing::error!(%error, "the paper exchange cannot be waited for");
                true
            }
        }
    }

    async fn ask(&self) -> Option<Value> {
        let asked = timeout(PATIENCE, state_of(self.control)).await;
        asked.ok()?.ok()
    }

    fn tell(&mut self, state: Option<&Value>) {
        self.known.up = state.is_some();
        self.known.pid = self.child.as_ref().map(Child::id);
        match state {
            Some(state) => self.known.following = followed(state),
            None => {
                for one in &mut self.known.following {
                    one.in_sync = false;
                }
            }
        }
        let mut view = self.view.lock().expect("nobody panics while it is held");
        *view = Some(self.known.clone());
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // What it has to save is saved before it answers; a process that is gone already is no trouble.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn arguments(
    paper: &PaperSettings,
    listen: SocketAddr,
    symbols: &str,
    state_dir: &Path,
) -> Vec<String> {
    let mut all = vec!["--listen".to_string(), listen.to_string()];
    let accounts = state_dir.join(ACCOUNTS).display().to_string();
    all.extend(["--state-dir".to_string(), accounts]);
    all.extend(["--symbols".to_string(), symbols.to_string()]);
    let authority = paper.follow_ca_file.as_ref();
    let authority = authority.map(|file| file.display().to_string());
    for (name, fees) in [
        ("--fees", &paper.usdm_fees),
        ("--spot-fees", &paper.spot_fees),
    ] {
        let [maker, taker] = [fees.maker, fees.taker].map(|rate| decimal::text(rate.0, 8));
        all.extend([name.to_string(), format!("maker={maker},taker={taker}")]);
    }
    for (name, value) in [
        ("--follow", &paper.follow_usdm_url),
        ("--follow-stream", &paper.follow_usdm_stream_url),
        ("--follow-spot", &paper.follow_spot_url),
        ("--follow-spot-stream", &paper.follow_spot_stream_url),
        ("--follow-ca", &authority),
        ("--latency", &paper.latency),
    ] {
        if let Some(value) = value {
            all.extend([name.to_string(), value.clone()]);
        }
    }
    all
}

async fn state_of(address: SocketAddr) -> std::io::Result<Value> {
    let mut socket = TcpStream::connect(address).await?;
    let request =
        format!("GET /sim/v1/state HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    let begin = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = begin.map_or(&answer[..0], |begin| &answer[begin + 4..]);
    serde_json::from_slice(body).map_err(std::io::Error::other)
}

fn followed(state: &Value) -> Vec<Followed> {
    let mut all = Vec::new();
    for market in ["usdm", "spot"] {
        let list = state[market]["following"].as_array();
        all.extend(list.into_iter().flatten().map(|one| Followed {
            market,
            symbol: one["symbol"].as_str().unwrap_or_default().to_string(),
            in_sync: one["in_sync"] == true,
        }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_venue_is_told_whom_to_follow_what_to_charge_and_where_to_keep_it() {
        let text = "mode = \"paper\"\n[[instrument]]\nsymbol = \"BTCUSDT\"\n[paper]\n\
                    follow_usdm_url = \"http://a\"\nusdm_taker_ratio = 0.00045\n\
                    latency_ms = \"order=0.5\"\n";
        let settings = Settings::check("fulcrum.toml", text).expect("sound");
        let view = SharedPaper::default();
        let one = Supervisor::new(&settings, Path::new("x"), Path::new("state"), view);
        let arguments = one.expect("a venue to start").arguments.join(" ");
        for part in [
            "--state-dir state/paper-exchange",
            "--follow http://a",
            "--latency order=0.5",
            "--fees maker=0.00020000,taker=0.00045000",
            "--spot-fees maker=0.00100000,taker=0.00100000",
        ] {
            assert!(arguments.contains(part), "{part}: {arguments}");
        }
    }
}
