//! Life of one WebSocket connection: when to connect, when it counts as dead, how long to wait.
//!
//! In: what the shell saw happen and the time. Out: connect, ping or close. Never: two connections of
//! one link at a time; the shell drops the socket when it is told to close, and says no more.
//!
//! A connection that may be silent for minutes by right is asked whether it lives: a half-open one
//! would otherwise look like a quiet account. A ping has to be answered by the protocol (RFC 6455,
//! 5.5.2), and both sides of Binance answer it.

use super::{Backoff, MILLISECOND_NS, SECOND_NS};
use market::MonoNs;

market::wire_enum! {
    /// Why a connection ended, as the metric's label writes it.
    pub enum CloseReason {
        /// It could not be opened.
        ConnectFailed = "connect_failed",
        /// It was not open in time.
        ConnectTimeout = "connect_timeout",
        /// The other side closed it, or it broke.
        Disconnected = "disconnected",
        /// Alive, but without data for too long.
        Silent = "silent",
        /// It did not answer our ping: half-open.
        Unanswered = "ping_unanswered",
        /// Old enough to be replaced before the exchange ends it.
        Rotated = "rotated",
        /// The exchange said that it is shutting down.
        ServerShutdown = "server_shutdown",
        /// The listen key is gone.
        KeyExpired = "key_expired",
        /// A private event could not be read: what it said must be asked for.
        Unreadable = "unreadable",
        /// The log-on was refused or not answered.
        LogonFailed = "logon_failed",
    }
}

/// What the shell has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkAction {
    /// Open the connection; answer with `on_connected` or `on_disconnected`.
    Connect,
    /// Send an empty ping; whatever comes next is the answer.
    Ping,
    /// Drop the connection or the attempt; no answer is expected.
    Close(CloseReason),
}

/// The times of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// A connection attempt may take this long.
    pub connect_timeout_ns: u64,
    /// Without data for this long it counts as dead; 0 = silence is normal.
    pub silence_ns: u64,
    /// Without data for this long it is pinged; 0 = never.
    pub ping_after_ns: u64,
    /// Without data for this long after the ping it is half-open.
    pub pong_within_ns: u64,
    /// It is replaced at this age at the latest, before the exchange's 24 h; the seed makes it
    /// earlier, so that connections that opened together are not all gone at once.
    pub rotate_after_ns: u64,
    /// So long after that age it is closed, where somebody replaces it first.
    pub overtime_ns: u64,
    /// Seed of the jitter.
    pub seed: u64,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            connect_timeout_ns: 10 * SECOND_NS,
            silence_ns: 0,
            ping_after_ns: 0,
            pong_within_ns: PONG_WITHIN_NS,
            rotate_after_ns: 23 * 3600 * SECOND_NS + 1800 * SECOND_NS,
            overtime_ns: 0,
            seed: 1,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting(MonoNs),
    Connecting(MonoNs),
    Up {
        since: MonoNs,
        heard: MonoNs,
        /// When it was pinged, while nothing has come since.
        pinged: Option<MonoNs>,
    },
}

/// One connection's life.
#[derive(Clone, Debug)]
pub struct Link {
    settings: LinkSettings,
    backoff: Backoff,
    state: State,
}

/// A connection over which fills or orders go is pinged after this much silence. The exchange counts
/// pings among the 5 (spot) or 10 (futures) messages a second that it takes: this is a third of one.
pub(super) const PING_AFTER_NS: u64 = 3 * SECOND_NS;

/// A pong that a lost packet delays is back after two retransmissions, within a second. What has not
/// come after three is not worth waiting for: a new connection and a look at the account take less.
pub(super) const PONG_WITHIN_NS: u64 = 3 * SECOND_NS;

/// Between the rotations of connections whose seeds are neighbours.
const STAGGER_NS: u64 = 5 * 60 * SECOND_NS;

/// Longest wait before the next attempt: 10 s after an outage everything is well again, and four
/// connections of one host make no more than 300 attempts in 5 minutes, which is its limit.
const RETRY_NS_MAX: u64 = 8 * SECOND_NS;

/// A connection that lived this long forgives the failures before it.
const PROVEN_NS: u64 = 10 * SECOND_NS;

impl Link {
    /// A link that connects at the first poll.
    #[must_use]
    pub fn new(mut settings: LinkSettings) -> Self {
        let stagger_ns = settings.seed % 16 * STAGGER_NS;
        settings.rotate_after_ns = settings.rotate_after_ns.saturating_sub(stagger_ns);
        Self {
            settings,
            backoff: Backoff::new(100 * MILLISECOND_NS, RETRY_NS_MAX, settings.seed),
            state: State::Waiting(MonoNs(0)),
        }
    }

    /// True while the connection is open.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// True while there is no connection and none is being opened.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// True once it is open for so long that it is to be replaced.
    #[must_use]
    pub fn is_aged(&self, now: MonoNs) -> bool {
        match self.state {
            State::Up { since, .. } => now.since(since) >= self.settings.rotate_after_ns,
            State::Waiting(_) | State::Connecting(_) => false,
        }
    }

    /// The shell has opened the connection.
    pub fn on_connected(&mut self, now: MonoNs) {
        self.state = State::Up {
            since: now,
            heard: now,
            pinged: None,
        };
    }

    /// Data arrived.
    pub fn on_data(&mut self, now: MonoNs) {
        if let State::Up { heard, pinged, .. } = &mut self.state {
            *heard = now;
            *pinged = None;
        }
    }

    /// The connection ended or could not be opened. True when it had been open.
    pub fn on_disconnected(&mut self, now: MonoNs) -> bool {
        let was_up = match self.state {
            State::Waiting(_) => return false,
            State::Connecting(_) => false,
            State::Up { since, .. } => {
                if now.since(since) >= PROVEN_NS {
                    self.backoff.succeed();
                }
                true
            }
        };
        self.state = State::Waiting(now.after(self.backoff.fail()));
        was_up
    }

    /// Ends the connection from this side; the shell must drop the socket.
    pub fn close(&mut self, reason: CloseReason, now: MonoNs) -> LinkAction {
        self.on_disconnected(now);
        LinkAction::Close(reason)
    }

    /// What is due now.
    pub fn poll(&mut self, now: MonoNs) -> Option<LinkAction> {
        match self.state {
            State::Waiting(until) if now >= until => {
                self.state = State::Connecting(now.after(self.settings.connect_timeout_ns));
                Some(LinkAction::Connect)
            }
            State::Connecting(until) if now >= until => {
                Some(self.close(CloseReason::ConnectTimeout, now))
            }
            State::Up { since, heard, .. } => {
                let silence_ns = self.settings.silence_ns;
                if silence_ns > 0 && now.since(heard) >= silence_ns {
                    Some(self.close(CloseReason::Silent, now))
                } else if now.since(since) >= self.age_max_ns() {
                    Some(self.close(CloseReason::Rotated, now))
                } else {
                    self.ask_whether_it_lives(now)
                }
            }
            _ => None,
        }
    }

    fn ask_whether_it_lives(&mut self, now: MonoNs) -> Option<LinkAction> {
        let due = self.liveness_due()?;
        if now < due {
            return None;
        }
        if let State::Up { pinged, .. } = &mut self.state
            && pinged.is_none()
        {
            *pinged = Some(now);
            return Some(LinkAction::Ping);
        }
        Some(self.close(CloseReason::Unanswered, now))
    }

    /// When it is to be pinged, or to have answered.
    fn liveness_due(&self) -> Option<MonoNs> {
        let settings = &self.settings;
        match self.state {
            State::Up { heard, pinged, .. } if settings.ping_after_ns > 0 => Some(match pinged {
                Some(at) => at.after(settings.pong_within_ns),
                None => heard.after(settings.ping_after_ns),
            }),
            _ => None,
        }
    }

    const fn age_max_ns(&self) -> u64 {
        let settings = &self.settings;
        settings
            .rotate_after_ns
            .saturating_add(settings.overtime_ns)
    }

    /// When `poll` has to be called at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> MonoNs {
        match self.state {
            State::Waiting(until) | State::Connecting(until) => until,
            State::Up { since, heard, .. } => {
                let mut due = since.after(self.age_max_ns());
                if self.settings.silence_ns > 0 {
                    due = due.min(heard.after(self.settings.silence_ns));
                }
                self.liveness_due().map_or(due, |alive| due.min(alive))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link::new(LinkSettings {
            silence_ns: 5 * SECOND_NS,
            ..LinkSettings::default()
        })
    }

    const fn at(seconds: u64) -> MonoNs {
        MonoNs(seconds * SECOND_NS)
    }

    #[test]
    fn connects_once_and_gives_up_after_the_timeout() {
        let mut link = link();
        assert_eq!(link.poll(at(1)), Some(LinkAction::Connect));
        assert_eq!(link.poll(at(2)), None);
        assert_eq!(link.next_deadline(), at(11));
        assert_eq!(
            link.poll(at(11)),
            Some(LinkAction::Close(CloseReason::ConnectTimeout))
        );
        assert_eq!(link.poll(at(12)), Some(LinkAction::Connect));
    }

    #[test]
    fn silence_closes_a_connection_that_is_alive_but_dead() {
        let mut link = link();
        link.poll(at(1));
        link.on_connected(at(1));
        link.on_data(at(3));
        assert_eq!(link.poll(at(7)), None);
        assert_eq!(
            link.poll(at(8)),
            Some(LinkAction::Close(CloseReason::Silent))
        );
        assert!(!link.is_up());
    }

    /// A link that is pinged, up since second 1.
    fn pinged() -> Link {
        let mut link = Link::new(LinkSettings {
            ping_after_ns: PING_AFTER_NS,
            ..LinkSettings::default()
        });
        link.poll(at(1));
        link.on_connected(at(1));
        link
    }

    #[test]
    fn a_silent_connection_is_pinged_once_and_is_half_open_without_an_answer() {
        let mut link = pinged();
        link.on_data(at(2));
        assert_eq!((link.next_deadline(), link.poll(at(4))), (at(5), None));
        assert_eq!(link.poll(at(5)), Some(LinkAction::Ping));
        assert_eq!((link.next_deadline(), link.poll(at(7))), (at(8), None));
        let close = LinkAction::Close(CloseReason::Unanswered);
        assert_eq!(link.poll(at(8)), Some(close));
        assert!(!link.is_up());
        // The next connection begins anew.
        let due = link.next_deadline();
        assert_eq!(link.poll(due), Some(LinkAction::Connect));
        link.on_connected(due);
        assert_eq!(link.poll(due), None);
        assert_eq!(link.next_deadline(), due.after(PING_AFTER_NS));
    }

    #[test]
    fn whatever_comes_answers_the_ping_and_quiet_hours_are_lived_through() {
        let mut link = pinged();
        let mut now = at(1);
        for _ in 0..1_000 {
            now = link.next_deadline();
            assert_eq!(link.poll(now), Some(LinkAction::Ping));
            now = now.after(PONG_WITHIN_NS - 1);
            assert_eq!(link.poll(now), None);
            link.on_data(now);
        }
        assert!(link.is_up() && now > at(5_000));
        // While data comes there is nothing to ask.
        for _ in 0..1_000 {
            now = now.after(PING_AFTER_NS - 1);
            assert_eq!(link.poll(now), None);
            link.on_data(now);
        }
    }

    #[test]
    fn quick_failures_wait_longer_each_time() {
        let mut link = link();
        let mut now = at(1);
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert_eq!(link.poll(now), Some(LinkAction::Connect));
            link.on_connected(now);
            assert!(link.on_disconnected(now));
            assert!(!link.on_disconnected(now), "told twice, counted once");
            waits.push(link.next_deadline().since(now));
            now = link.next_deadline();
        }
        assert!(waits[0] <= 100 * MILLISECOND_NS);
        assert!(waits[11] >= RETRY_NS_MAX / 2 && waits[11] <= RETRY_NS_MAX);
    }

    #[test]
    fn connections_that_opened_together_are_replaced_one_by_one() {
        let mut ages: Vec<MonoNs> = (0..16)
            .map(|seed| {
                let mut link = Link::new(LinkSettings {
                    seed,
                    ..LinkSettings::default()
                });
                link.poll(at(0));
                link.on_connected(at(0));
                link.next_deadline()
            })
            .collect();
        ages.sort_unstable();
        assert!(ages[0] >= at(20 * 3600) && ages[15] < at(24 * 3600));
        assert!(
            ages.windows(2)
                .all(|pair| pair[1].since(pair[0]) >= 60 * SECOND_NS)
        );
    }

    #[test]
    fn a_connection_is_replaced_before_its_last_day_ends() {
        let mut link = Link::new(LinkSettings::default());
        link.poll(at(0));
        link.on_connected(at(0));
        let age = link.next_deadline();
        assert!(age < at(24 * 3600));
        assert_eq!(
            link.poll(age),
            Some(LinkAction::Close(CloseReason::Rotated))
        );
    }
}
