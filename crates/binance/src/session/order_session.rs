//! The order connection: WebSocket API requests and what became of each.
//!
//! In: orders to place, amend, cancel or query, reply frames, the end of the connection, the time. Out:
//! frames to write, on spot the private events that come over the same connection, and exactly
//! one verdict a request at first (a late answer follows as what it is: evidence). Never: a
//! request sent twice, a silent loss: what was written and not answered is `Unresolved` (I3),
//! what was not written is `Rejected` with [`NOT_SENT`]. Queries are judged more strictly:
//! `Rejected` means that the exchange said, in answer to the newest query, that it does not know
//! the order (I4); whatever else came of a query is `Unresolved`.

use super::governor::SILENCE_S_MAX;
use super::link::PING_AFTER_NS;
use super::private_stream::take_private_frame;
use super::verdict::{not_sent, unanswered};
use super::{
    CloseReason, Link, LinkAction, LinkSettings, ListingDoubt, MILLISECOND_NS, Now, SECOND_NS,
    Silence, UserEvents,
};
use crate::decode::DecodeError;
use crate::orders::{
    ErrorClass, ReplyId, RequestEncoder, RequestId, Stamp, WireRequest, classify_code, decode_reply,
};
use crate::sign::Credentials;
use market::buggify::{Point, happens};
use market::{
    AmendOrder, CancelOrder, ClientOrderId, Instrument, InstrumentId, Instruments, Market, MonoNs,
    NewOrder, OrderReply, ReplyOutcome, RequestKind, WANTED_WINDOW_MS,
};

/// Error code of a request that never left: no connection, or the exchange wants silence. The
/// exchange's own codes are negative.
pub const NOT_SENT: i64 = 1;

/// Requests under way; a power of two.
const PENDING_MAX: usize = 2048;

/// An order that opens or increases is not sent when its decision is older than this (I7, I21):
/// the book that it was made for is gone.
const ENTRY_AGE_NS_MAX: u64 = 500 * MILLISECOND_NS;

/// A log-on may take this long.
const LOGON_TIMEOUT_NS: u64 = 5 * SECOND_NS;

/// Takes what the order connection learns.
pub trait OrderEvents {
    /// What became of a request; `took_ns` from writing it to its answer, where there is one.
    fn reply(&mut self, reply: OrderReply, took_ns: Option<u64>);
    /// Orders can, or cannot, be sent.
    fn stream(&mut self, market: Market, up: bool);
    /// A frame that could not be read or matched.
    fn unreadable(&mut self);
}

/// What an order session is told once.
#[derive(Clone, Debug)]
pub struct OrderSessionSettings {
    /// Futures or spot.
    pub market: Market,
    /// Key and secret.
    pub credentials: Credentials,
    /// `recvWindow` of orders that open or increase; others have [`WANTED_WINDOW_MS`].
    pub recv_window_ms: u32,
    /// Without a reply for this long a request is unresolved.
    pub reply_timeout_ns: u64,
    /// Seed of the reconnect jitter.
    pub seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    sequence: u64,
    request: RequestKind,
    client_order_id: ClientOrderId,
    instrument: InstrumentId,
    written: MonoNs,
    told: bool,
    /// A query or an amendment that a later one of the same order has followed.
    superseded: bool,
}

/// A step that a connection takes before it is of full use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    NotNeeded,
    Wanted,
    Waiting { deadline: MonoNs },
    Done,
}

/// One order connection.
#[derive(Debug)]
pub struct OrderSession {
    settings: OrderSessionSettings,
    encoder: RequestEncoder,
    link: Link,
    /// `session.logon`, for Ed25519 keys.
    logon: Step,
    /// The subscription to private events, on spot.
    private: Step,
    pending: Vec<Option<Pending>>,
    next_sequence: u64,
    oldest: u64,
    heard: MonoNs,
    /// What anybody was told who asks this part of the exchange: not even a connection is opened
    /// before its end, the exchange counts that too.
    silence: Silence,
    /// A time stamp was refused since the shell last asked.
    clock_refused: bool,
    /// Raised when an order is refused for what the exchange lists.
    listing_doubt: ListingDoubt,
}

impl OrderSession {
    /// A session that connects at its first poll.
    #[must_use]
    pub fn new(settings: OrderSessionSettings) -> Self {
        let logon = if settings.credentials.signer.can_log_on() {
            Step::Wanted
        } else {
            Step::NotNeeded
        };
        Self {
            encoder: RequestEncoder::new(settings.credentials.clone()),
            link: Link::new(LinkSettings {
                // No order should be the one to find out that the connection is half-open.
                ping_after_ns: PING_AFTER_NS,
                seed: settings.seed,
                ..LinkSettings::default()
            }),
            logon,
            private: match settings.market {
                Market::UsdM => Step::NotNeeded,
                Market::Spot => Step::Wanted,
            },
            pending: vec![None; PENDING_MAX],
            next_sequence: 1,
            oldest: 1,
            heard: MonoNs(0),
            silence: Silence::default(),
            clock_refused: false,
            listing_doubt: ListingDoubt::default(),
            settings,
        }
    }

    /// True when orders can be sent.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.link.is_up() && matches!(self.logon, Step::NotNeeded | Step::Done)
    }

    /// True once after a time stamp was refused: the exchange's time is to be measured again.
    pub const fn take_clock_refused(&mut self) -> bool {
        std::mem::replace(&mut self.clock_refused, false)
    }

    /// What is due now.
    pub fn poll(
        &mut self,
        now: Now,
        events: &mut (impl OrderEvents + UserEvents),
    ) -> Option<LinkAction> {
        if self.link.is_waiting() && now.mono < self.silence.end() {
            return None;
        }
        let was_ready = self.is_ready();
        let action = self
            .overdue(now, events)
            .or_else(|| self.link.poll(now.mono));
        if matches!(action, Some(LinkAction::Close(_))) {
            self.lose(was_ready, events);
        }
        action
    }

    /// When `poll` has to be called at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> MonoNs {
        let mut deadline = self.link.next_deadline();
        if self.link.is_waiting() {
            deadline = deadline.max(self.silence.end());
        }
        for step in [self.logon, self.private] {
            match step {
                Step::Waiting { deadline: answer } => deadline = deadline.min(answer),
                // Only a silence keeps a step back on an open connection.
                Step::Wanted if self.link.is_up() => deadline = deadline.min(self.silence.end()),
                _ => {}
            }
        }
        match self.first_open() {
            Some(first) => deadline.min(first.written.after(self.settings.reply_timeout_ns)),
            None => deadline,
        }
    }

    /// Shares what the exchange forbids with whoever else asks it and with whoever keeps it for the
    /// next life, and keeps to what was forbidden to them.
    #[must_use]
    pub fn with_silence(mut self, silence: Silence) -> Self {
        self.silence = silence;
        self
    }

    /// Tells whoever watches the listings of refusals for filters and status.
    #[must_use]
    pub fn with_listing_doubt(mut self, doubt: ListingDoubt) -> Self {
        self.listing_doubt = doubt;
        self
    }

    /// The connection is open; `due_frame` follows.
    pub fn on_connected(&mut self, now: Now, events: &mut impl OrderEvents) {
        self.link.on_connected(now.mono);
        self.heard = now.mono;
        if self.logon == Step::NotNeeded {
            events.stream(self.settings.market, true);
        }
    }

    /// The log-on or the subscription to private events, when it is due: `out` holds the frame to
    /// write when this is true. To be asked after each connection, each frame and each poll: after
    /// 429 or 418 nothing goes out before Retry-After, not over a new connection either (I20).
    pub fn due_frame(&mut self, now: Now, out: &mut Vec<u8>) -> bool {
        if now.mono < self.silence.end() {
            return false;
        }
        let stamp = self.stamp(WANTED_WINDOW_MS, now);
        let waiting = Step::Waiting {
            deadline: now.mono.after(LOGON_TIMEOUT_NS),
        };
        if self.link.is_up() && self.logon == Step::Wanted {
            let sequence = self.take_sequence();
            self.encoder.logon(out, sequence, stamp);
            self.logon = waiting;
            return true;
        }
        if self.is_ready() && self.private == Step::Wanted {
            let sequence = self.take_sequence();
            self.encoder.subscribe_user_data(out, sequence, stamp);
            self.private = waiting;
            return true;
        }
        false
    }

    /// The connection ended or could not be opened: whatever was under way is unresolved (I3).
    pub fn on_disconnected(&mut self, now: Now, events: &mut (impl OrderEvents + UserEvents)) {
        let was_ready = self.is_ready();
        if self.link.on_disconnected(now.mono) {
            self.lose(was_ready, events);
        }
    }

    /// Places an order that was decided at `decided`: `out` holds the frame to write when this is
    /// true.
    pub fn place(
        &mut self,
        order: &NewOrder,
        instrument: &Instrument,
        decided: MonoNs,
        now: Now,
        out: &mut Vec<u8>,
        events: &mut impl OrderEvents,
    ) -> bool {
        let (request, id) = (RequestKind::Place, order.client_order_id);
        let reduces = order.only_reduces(self.settings.market);
        if !reduces && now.mono.since(decided) > ENTRY_AGE_NS_MAX {
            let one = self.pending_now(request, id, instrument, now);
            events.reply(verdict(&one, ReplyOutcome::Rejected, NOT_SENT), None);
            return false;
        }
        let Some(sequence) = self.admit(request, id, instrument, now, events) else {
            return false;
        };
        let stamp = self.stamp(self.window_ms(reduces), now);
        self.encoder.place(out, sequence, instrument, order, stamp);
        true
    }

    /// Cancels an order: `out` holds the frame to write when this is true.
    pub fn cancel(
        &mut self,
        order: &CancelOrder,
        instrument: &Instrument,
        now: Now,
        out: &mut Vec<u8>,
        events: &mut impl OrderEvents,
    ) -> bool {
        let (request, id) = (RequestKind::Cancel, order.client_order_id);
        let Some(sequence) = self.admit(request, id, instrument, now, events) else {
            return false;
        };
        let stamp = self.stamp(WANTED_WINDOW_MS, now);
        self.encoder.cancel(out, sequence, instrument, order, stamp);
        true
    }

    /// Changes price and quantity of an order, as decided at `decided`: `out` holds the frame to
    /// write when this is true. Only futures have a request for it.
    pub fn amend(
        &mut self,
        amend: &AmendOrder,
        instrument: &Instrument,
        decided: MonoNs,
        now: Now,
        out: &mut Vec<u8>,
        events: &mut impl OrderEvents,
    ) -> bool {
        let order = &amend.order;
        let (request, id) = (RequestKind::Amend, order.client_order_id);
        let reduces = order.only_reduces(self.settings.market);
        let old = !reduces && now.mono.since(decided) > ENTRY_AGE_NS_MAX;
        if old || self.settings.market == Market::Spot {
            let one = self.pending_now(request, id, instrument, now);
            events.reply(verdict(&one, ReplyOutcome::Rejected, NOT_SENT), None);
            return false;
        }
        let Some(sequence) = self.admit(request, id, instrument, now, events) else {
            return false;
        };
        let stamp = self.stamp(self.window_ms(reduces), now);
        self.encoder.amend(out, sequence, instrument, order, stamp);
        true
    }

    const fn window_ms(&self, reduces: bool) -> u32 {
        if reduces {
            WANTED_WINDOW_MS
        } else {
            self.settings.recv_window_ms
        }
    }

    /// Asks what became of an order: `out` holds the frame to write when this is true.
    pub fn query(
        &mut self,
        order: &CancelOrder,
        instrument: &Instrument,
        now: Now,
        out: &mut Vec<u8>,
        events: &mut impl OrderEvents,
    ) -> bool {
        let (request, id) = (RequestKind::Query, order.client_order_id);
        let Some(sequence) = self.admit(request, id, instrument, now, events) else {
            return false;
        };
        let stamp = self.stamp(WANTED_WINDOW_MS, now);
        self.encoder.query(out, sequence, instrument, order, stamp);
        true
    }

    /// A ping or any other sign of life without content.
    pub fn on_alive(&mut self, now: MonoNs) {
        self.heard = now;
        self.link.on_data(now);
    }

    /// One text frame.
    pub fn on_frame(
        &mut self,
        bytes: &[u8],
        now: Now,
        instruments: &Instruments<'_>,
        events: &mut (impl OrderEvents + UserEvents),
    ) -> Option<LinkAction> {
        self.on_alive(now.mono);
        let reply = match decode_reply(bytes) {
            Ok(reply) => reply,
            // Private events of spot share the connection; they answer nothing.
            Err(DecodeError::Missing("id")) if self.private != Step::NotNeeded => {
                let market = self.settings.market;
                return take_private_frame(bytes, market, instruments, events)
                    .map(|reason| self.give_up(reason, now, events));
            }
            Err(_) => {
                // Which request it answered is not known: that one runs into its time-out.
                events.unreadable();
                return None;
            }
        };
        let retry_after_ms = reply.error.and_then(|one| one.retry_after_ms);
        self.note_silence(reply.status, retry_after_ms, now);
        let code = reply.error.map_or(0, |one| one.code);
        let message = reply.error.map_or(&b""[..], |one| one.message);
        match classify_code(code) {
            ErrorClass::Clock => self.clock_refused = true,
            ErrorClass::Filter | ErrorClass::Instrument => self.listing_doubt.raise(),
            // Spot says so of a halt.
            ErrorClass::Rejected if message == b"Market is closed." => self.listing_doubt.raise(),
            _ => {}
        }
        let ReplyId::Ours(RequestId { kind, sequence }) = reply.id else {
            events.unreadable();
            return None;
        };
        if matches!(kind, WireRequest::Logon | WireRequest::Subscribe) {
            return self.on_step(kind, reply.status, now, events);
        }
        let slot = &mut self.pending[sequence as usize % PENDING_MAX];
        let one = slot.take_if(|one| one.sequence == sequence);
        let instrument = one.and_then(|one| instruments.get(one.instrument));
        match (one, instrument) {
            (Some(one), Some(instrument)) => {
                let mut verdict = reply.order_reply(one.request, one.client_order_id, instrument);
                let late = one.told || one.superseded;
                if one.request == RequestKind::Query
                    && verdict.outcome == ReplyOutcome::Rejected
                    && late
                {
                    // It says how things stood before the query that is under way (I4).
                    verdict.outcome = ReplyOutcome::Unresolved;
                }
                let refused_before = one.request == RequestKind::Amend
                    && verdict.outcome == ReplyOutcome::Rejected
                    && one.superseded;
                if !(refused_before && one.told) {
                    events.reply(verdict, Some(now.mono.since(one.written)));
                }
            }
            _ => events.unreadable(),
        }
        self.settle();
        None
    }

    /// The answer to the log-on or the subscription.
    fn on_step(
        &mut self,
        kind: WireRequest,
        status: u16,
        now: Now,
        events: &mut (impl OrderEvents + UserEvents),
    ) -> Option<LinkAction> {
        let market = self.settings.market;
        let step = match kind {
            WireRequest::Logon => &mut self.logon,
            _ => &mut self.private,
        };
        if !matches!(step, Step::Waiting { .. }) {
            events.unreadable();
            return None;
        }
        if status != 200 {
            return Some(self.give_up(CloseReason::LogonFailed, now, events));
        }
        *step = Step::Done;
        if kind == WireRequest::Logon {
            self.encoder.set_logged_on(true);
            OrderEvents::stream(events, market, true);
        } else {
            UserEvents::stream(events, market, true);
        }
        None
    }

    /// Ends the connection from this side.
    fn give_up(
        &mut self,
        reason: CloseReason,
        now: Now,
        events: &mut (impl OrderEvents + UserEvents),
    ) -> LinkAction {
        let was_ready = self.is_ready();
        let action = self.link.close(reason, now.mono);
        self.lose(was_ready, events);
        action
    }

    /// After 429 or 418 nothing goes out before Retry-After (I20).
    fn note_silence(&mut self, status: u16, retry_after_ms: Option<u64>, now: Now) {
        if status != 429 && status != 418 {
            return;
        }
        let wait_ms = retry_after_ms
            .map(|until| until.saturating_sub(now.server.0.unsigned_abs()))
            .filter(|wait_ms| *wait_ms <= u64::from(SILENCE_S_MAX) * 1_000)
            .unwrap_or(if status == 418 { 120_000 } else { 10_000 });
        let until = now.mono.after(wait_ms.saturating_mul(MILLISECOND_NS));
        self.silence.hear(until, status == 418);
    }

    /// A sequence for a request that may go out now, or its verdict.
    fn admit(
        &mut self,
        request: RequestKind,
        client_order_id: ClientOrderId,
        instrument: &Instrument,
        now: Now,
        events: &mut impl OrderEvents,
    ) -> Option<u64> {
        let one = self.pending_now(request, client_order_id, instrument, now);
        // Whoever asked again counts answers from then on, whether the question left or not: the
        // answer to the one before would be taken for a younger one (I4).
        if request == RequestKind::Query {
            self.supersede(request, client_order_id);
        }
        let unlucky = happens(Point::OrderNotSent);
        if unlucky || !self.is_ready() || now.mono < self.silence.end() {
            events.reply(verdict(&one, not_sent(request), NOT_SENT), None);
            return None;
        }
        if request == RequestKind::Amend {
            self.supersede(request, client_order_id);
        }
        let sequence = self.take_sequence();
        let slot = &mut self.pending[sequence as usize % PENDING_MAX];
        if let Some(old) = slot.replace(one).filter(|old| !old.told) {
            events.reply(verdict(&old, ReplyOutcome::Unresolved, 0), None);
        }
        Some(sequence)
    }

    const fn pending_now(
        &self,
        request: RequestKind,
        client_order_id: ClientOrderId,
        instrument: &Instrument,
        now: Now,
    ) -> Pending {
        Pending {
            sequence: self.next_sequence,
            request,
            client_order_id,
            instrument: instrument.id,
            written: now.mono,
            told: false,
            superseded: false,
        }
    }

    /// A late answer to a former query says nothing of now, and a late refusal of a former
    /// amendment nothing of the one that is under way.
    fn supersede(&mut self, request: RequestKind, client_order_id: ClientOrderId) {
        for one in self.pending.iter_mut().flatten() {
            one.superseded |= one.request == request && one.client_order_id == client_order_id;
        }
    }

    /// Requests without answer for too long are unresolved; when nothing at all was heard since
    /// the oldest of them, the connection is dead.
    fn overdue(&mut self, now: Now, events: &mut impl OrderEvents) -> Option<LinkAction> {
        for step in [self.logon, self.private] {
            if let Step::Waiting { deadline } = step
                && now.mono >= deadline
            {
                return Some(self.link.close(CloseReason::LogonFailed, now.mono));
            }
        }
        let mut dead = false;
        self.settle();
        while let Some(first) = self.first_open().copied() {
            if now.mono.since(first.written) < self.settings.reply_timeout_ns {
                break;
            }
            dead |= self.heard < first.written;
            events.reply(verdict(&first, ReplyOutcome::Unresolved, 0), None);
            if let Some(slot) = &mut self.pending[first.sequence as usize % PENDING_MAX] {
                slot.told = true;
            }
            self.settle();
        }
        dead |= happens(Point::OrderLinkDropped);
        (dead && self.link.is_up()).then(|| self.link.close(CloseReason::Silent, now.mono))
    }

    /// Everything under way is unresolved and the log-on is gone.
    fn lose(&mut self, was_ready: bool, events: &mut (impl OrderEvents + UserEvents)) {
        let market = self.settings.market;
        if was_ready {
            OrderEvents::stream(events, market, false);
        }
        if self.private == Step::Done {
            UserEvents::stream(events, market, false);
        }
        for sequence in self.oldest..self.next_sequence {
            let slot = &mut self.pending[sequence as usize % PENDING_MAX];
            if let Some(one) = slot.take_if(|one| one.sequence == sequence)
                && !one.told
            {
                events.reply(verdict(&one, ReplyOutcome::Unresolved, 0), None);
            }
        }
        self.pending.fill(None);
        self.oldest = self.next_sequence;
        self.encoder.set_logged_on(false);
        for step in [&mut self.logon, &mut self.private] {
            if *step != Step::NotNeeded {
                *step = Step::Wanted;
            }
        }
    }

    /// The oldest request without verdict. All have the same time-out, so it is due first.
    fn first_open(&self) -> Option<&Pending> {
        let slot = self.pending[self.oldest as usize % PENDING_MAX].as_ref();
        slot.filter(|one| one.sequence == self.oldest && !one.told)
    }

    /// Moves `oldest` past requests that have their verdict.
    fn settle(&mut self) {
        while self.oldest < self.next_sequence && self.first_open().is_none() {
            self.oldest += 1;
        }
    }

    const fn take_sequence(&mut self) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        sequence
    }

    const fn stamp(&self, recv_window_ms: u32, now: Now) -> Stamp {
        Stamp {
            timestamp: now.server,
            recv_window_ms,
        }
    }
}

const fn verdict(one: &Pending, outcome: ReplyOutcome, error_code: i64) -> OrderReply {
    let (id, instrument) = (one.client_order_id, one.instrument);
    unanswered(one.request, id, instrument, outcome, error_code)
}

#[cfg(test)]
mod tests;
