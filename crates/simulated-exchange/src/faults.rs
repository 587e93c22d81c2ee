//! Faults on command: what the exchange does wrong, when it is told to.
//!
//! In: `NAME:ARG` from the command line or the control API, then each frame, snapshot and order.
//! Out: what to do with it. Never: a fault that nobody asked for, chance but that of a seeded
//! schedule.
//!
//! | name | argument | safety.md | what happens |
//! |---|---|---|---|
//! | `drop-depth` | N | F1 | the N-th depth difference is not sent |
//! | `gap` | N | F2 | five depth differences from the N-th on are not sent |
//! | `reorder` | N | F3 | the N-th depth difference is sent after its successor |
//! | `duplicate` | N | F4 | the N-th depth difference is sent twice |
//! | `snapshot-old` | N | F5 | the next N snapshots carry an id from before the stream |
//! | `snapshot-429` | N | F6 | the next N snapshot requests are answered 429 |
//! | `crossed` | N | F8 | the N-th depth difference (or the first after it that can) has a bid above an ask |
//! | `silence` | MS | F10 | no market frame for so long, from now on, or from the 200th frame after the start |
//! | `disconnect` | N | F17 | market connections break in place of the N-th depth difference |
//! | `disconnect-one` | N | F17 | in place of the N-th depth difference the first of its connections breaks |
//! | `drop-one` | N | F1 | the N-th depth difference is not sent to the first of its connections |
//! | `bad-json` | N | F21 | the N-th depth difference ends in the middle |
//! | `ack-lost` | N | F25 | the N-th order from now on is live, its answer is not sent |
//! | `reply-delay` | MS | - | every answer, over REST and the WebSocket API, waits so long |
//! | `ack-delay` | MS | F27 | every answer of the order interface waits so long |
//! | `reject` | CODE | F29 | the next order is refused with this code |
//! | `unknown-503` | N | F35 | the N-th order is live, its answer is 503 "unknown" |
//! | `unknown-1007` | N | F36 | the N-th order is live, its answer is 408 with -1007 |
//! | `mark-shift` | BPS | F49 | the mark price lies so far above the market's; negative below, 0 ends it |
//! | `listen-key-expire` | N | F43 | the listen key expires with the N-th private event |
//! | `drop-private` | N | F42 | the next N private events are not sent |

pub mod schedule;

use std::str::FromStr;

use market::Price;

use crate::streams::hub::{FrameKey, StreamId};
use crate::streams::names::StreamKind;

/// Frames after the start before a silence from the command line begins.
const SILENCE_AFTER_FRAMES: u64 = 200;
/// Frames that a gap swallows.
const GAP_FRAMES: u64 = 5;

/// Kinds of faults, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// F1.
    DropDepth,
    /// F2.
    Gap,
    /// F3.
    Reorder,
    /// F4.
    Duplicate,
    /// F5.
    SnapshotOld,
    /// F6.
    Snapshot429,
    /// F8.
    Crossed,
    /// F10.
    Silence,
    /// F17.
    Disconnect,
    /// F17, on one of several connections.
    DisconnectOne,
    /// F1, on one of several connections.
    DropOne,
    /// F21.
    BadJson,
    /// F25.
    AckLost,
    /// F27.
    AckDelay,
    /// A slow exchange.
    ReplyDelay,
    /// F29.
    Reject,
    /// F35.
    Unknown503,
    /// F36.
    Unknown1007,
    /// F49: conditional orders trigger.
    MarkShift,
    /// F43.
    ListenKeyExpire,
    /// F42.
    DropPrivate,
}

const NAMES: [(&str, FaultKind); 21] = [
    ("drop-depth", FaultKind::DropDepth),
    ("gap", FaultKind::Gap),
    ("reorder", FaultKind::Reorder),
    ("duplicate", FaultKind::Duplicate),
    ("snapshot-old", FaultKind::SnapshotOld),
    ("snapshot-429", FaultKind::Snapshot429),
    ("crossed", FaultKind::Crossed),
    ("silence", FaultKind::Silence),
    ("disconnect", FaultKind::Disconnect),
    ("disconnect-one", FaultKind::DisconnectOne),
    ("drop-one", FaultKind::DropOne),
    ("bad-json", FaultKind::BadJson),
    ("ack-lost", FaultKind::AckLost),
    ("ack-delay", FaultKind::AckDelay),
    ("reply-delay", FaultKind::ReplyDelay),
    ("reject", FaultKind::Reject),
    ("unknown-503", FaultKind::Unknown503),
    ("unknown-1007", FaultKind::Unknown1007),
    ("mark-shift", FaultKind::MarkShift),
    ("listen-key-expire", FaultKind::ListenKeyExpire),
    ("drop-private", FaultKind::DropPrivate),
];

/// A fault as written: `NAME:ARG`. Without an argument it is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultSpec {
    /// Which.
    pub kind: FaultKind,
    /// Its argument.
    pub argument: i64,
}

impl FromStr for FaultSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, argument) = text.split_once(':').unwrap_or((text, "1"));
        let kind = NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind)
            .ok_or_else(|| {
                let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
                format!("no fault is named `{name}`; there are {}", known.join(", "))
            })?;
        let argument = argument
            .parse()
            .map_err(|_| format!("`{argument}` is no whole number (fault `{name}`)"))?;
        let signed = matches!(kind, FaultKind::Reject | FaultKind::MarkShift);
        let positive = signed || argument > 0;
        if !positive {
            return Err(format!(
                "fault `{name}` needs a positive number, not {argument}"
            ));
        }
        Ok(Self { kind, argument })
    }
}

impl FaultSpec {
    /// The name as written.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let found = NAMES.iter().find(|(_, kind)| *kind == self.kind);
        found.map_or("", |(name, _)| name)
    }
}

/// What happens to a market frame.
#[derive(Debug, PartialEq, Eq)]
pub enum FrameFate {
    /// It is sent (its text may have been changed).
    Send,
    /// It is not sent.
    Drop,
    /// It is sent twice.
    Duplicate,
    /// It is sent, and after it this one, which was held back.
    After(Vec<u8>),
    /// Every market connection breaks.
    Disconnect,
    /// The first connection of its stream breaks, the others get it.
    DisconnectOne,
    /// The first connection of its stream does not get it, the others do.
    DropOne,
}

/// What happens to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderFate {
    /// It is handled and answered.
    Normal,
    /// It is refused with this code before it exists.
    Reject(i64),
    /// It is handled, no answer is sent.
    AckLost,
    /// It is handled, the answer is 503 "unknown".
    Unknown503,
    /// It is handled, the answer is 408 with -1007.
    Unknown1007,
}

/// What happens to a snapshot request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotFate {
    /// It is answered.
    Normal,
    /// 429 with `Retry-After: 1`.
    TooManyRequests,
    /// Its id is from before the stream.
    Old,
}

struct Active {
    spec: FaultSpec,
    /// Frames, orders or events still to pass before it acts.
    wait: u64,
}

/// The active faults.
#[derive(Default)]
pub struct Faults {
    active: Vec<Active>,
    now_ns: i64,
    silent_until_ns: i64,
    held: Option<(StreamId, Vec<u8>)>,
    ack_delay_ms: u64,
    reply_delay_ms: u64,
    mark_shift_bps: i64,
    injected: u64,
}

impl Faults {
    /// Faults from the command line: counted from the start.
    #[must_use]
    pub fn from_specs(specs: &[FaultSpec]) -> Self {
        let mut faults = Self::default();
        for spec in specs {
            faults.add(*spec, SILENCE_AFTER_FRAMES);
        }
        faults
    }

    /// Ends all faults, those that wait and those that last.
    pub fn clear(&mut self) {
        *self = Self {
            now_ns: self.now_ns,
            injected: self.injected,
            ..Self::default()
        };
    }

    /// Faults that wait for their turn, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = FaultSpec> + '_ {
        self.active.iter().map(|one| one.spec)
    }

    /// Adds a fault: its counts begin now.
    pub fn inject(&mut self, spec: FaultSpec) {
        self.add(spec, 0);
    }

    fn add(&mut self, spec: FaultSpec, silence_after: u64) {
        match spec.kind {
            FaultKind::AckDelay => self.ack_delay_ms = spec.argument.unsigned_abs(),
            FaultKind::ReplyDelay => self.reply_delay_ms = spec.argument.unsigned_abs(),
            FaultKind::MarkShift => self.mark_shift_bps = spec.argument,
            FaultKind::Silence => self.active.push(Active {
                spec,
                wait: silence_after,
            }),
            FaultKind::Reject => self.active.push(Active { spec, wait: 0 }),
            _ => self.active.push(Active {
                spec,
                wait: spec.argument.unsigned_abs() - 1,
            }),
        }
    }

    /// Tells the time.
    pub fn set_now(&mut self, now_ns: i64) {
        self.now_ns = now_ns;
    }

    /// How often a fault has acted.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.injected
    }

    /// The mark price as it is told and looked at.
    #[must_use]
    pub fn mark(&self, mark: Price) -> Price {
        let shift = i128::from(mark.0) * i128::from(self.mark_shift_bps) / 10_000;
        Price(mark.0.saturating_add(i64::try_from(shift).unwrap_or(0)))
    }

    /// How long answers of the order interface wait.
    #[must_use]
    pub fn ack_delay_ms(&self) -> u64 {
        self.ack_delay_ms.max(self.reply_delay_ms)
    }

    /// How long every answer waits.
    #[must_use]
    pub fn reply_delay_ms(&self) -> u64 {
        self.reply_delay_ms
    }

    /// Decides about one market frame; only differences of the book are counted.
    pub fn on_frame(&mut self, stream: StreamId, key: FrameKey, text: &mut Vec<u8>) -> FrameFate {
        if self.active.is_empty() && self.held.is_none() && self.silent_until_ns == 0 {
            return FrameFate::Send;
        }
        if self.now_ns < self.silent_until_ns {
            return FrameFate::Drop;
        }
        if key.kind != StreamKind::Depth {
            return FrameFate::Send;
        }
        if let Some((held_stream, held)) = self.held.take() {
            if held_stream == stream {
                return FrameFate::After(held);
            }
            self.held = Some((held_stream, held));
        }
        match self.due_for_frame(text) {
            None => FrameFate::Send,
            Some(FaultKind::DropDepth | FaultKind::Gap) => FrameFate::Drop,
            Some(FaultKind::Duplicate) => FrameFate::Duplicate,
            Some(FaultKind::Disconnect) => FrameFate::Disconnect,
            Some(FaultKind::DisconnectOne) => FrameFate::DisconnectOne,
            Some(FaultKind::DropOne) => FrameFate::DropOne,
            Some(FaultKind::Reorder) => {
                self.held = Some((stream, text.clone()));
                FrameFate::Drop
            }
            Some(FaultKind::BadJson) => {
                text.truncate(text.len() * 2 / 3);
                FrameFate::Send
            }
            Some(FaultKind::Silence) => FrameFate::Drop,
            Some(_) => FrameFate::Send,
        }
    }

    fn due_for_frame(&mut self, text: &mut Vec<u8>) -> Option<FaultKind> {
        let mut due = None;
        for fault in &mut self.active {
            let kind = fault.spec.kind;
            if !counts_frames(kind) {
                continue;
            }
            if fault.wait > 0 {
                fault.wait -= 1;
            } else if due.is_none() && (kind != FaultKind::Crossed || cross(text)) {
                due = Some((kind, fault.spec.argument));
                fault.spec.argument = i64::MIN;
            }
        }
        self.active.retain(|fault| fault.spec.argument != i64::MIN);
        let (kind, argument) = due?;
        self.injected += 1;
        if kind == FaultKind::Silence {
            self.silent_until_ns = self.now_ns + argument * 1_000_000;
        }
        if kind == FaultKind::Gap {
            for _ in 1..GAP_FRAMES {
                let spec = FaultSpec {
                    kind: FaultKind::DropDepth,
                    argument: 1,
                };
                self.active.push(Active { spec, wait: 0 });
            }
        }
        Some(kind)
    }

    /// Decides about one order.
    pub fn on_order(&mut self) -> OrderFate {
        let due = self.due(|kind| {
            matches!(
                kind,
                FaultKind::AckLost
                    | FaultKind::Reject
                    | FaultKind::Unknown503
                    | FaultKind::Unknown1007
            )
        });
        match due {
            Some((FaultKind::AckLost, _)) => OrderFate::AckLost,
            Some((FaultKind::Reject, code)) => OrderFate::Reject(code),
            Some((FaultKind::Unknown503, _)) => OrderFate::Unknown503,
            Some((FaultKind::Unknown1007, _)) => OrderFate::Unknown1007,
            _ => OrderFate::Normal,
        }
    }

    /// Decides about one snapshot request.
    pub fn on_snapshot(&mut self) -> SnapshotFate {
        for fault in &mut self.active {
            let fate = match fault.spec.kind {
                FaultKind::Snapshot429 => SnapshotFate::TooManyRequests,
                FaultKind::SnapshotOld => SnapshotFate::Old,
                _ => continue,
            };
            self.injected += 1;
            fault.spec.argument -= 1;
            self.active.retain(|fault| fault.spec.argument != 0);
            return fate;
        }
        SnapshotFate::Normal
    }

    /// True when this private event is not sent.
    pub fn drops_private_event(&mut self) -> bool {
        let mut all = self.active.iter_mut();
        let Some(fault) = all.find(|one| one.spec.kind == FaultKind::DropPrivate) else {
            return false;
        };
        fault.spec.argument -= 1;
        self.injected += 1;
        self.active.retain(|fault| fault.spec.argument != 0);
        true
    }

    /// True when the listen key expires with this private event.
    pub fn on_private_event(&mut self) -> bool {
        self.due(|kind| kind == FaultKind::ListenKeyExpire)
            .is_some()
    }

    /// Counts all faults of these kinds down and returns the first that is due.
    fn due(&mut self, of: impl Fn(FaultKind) -> bool) -> Option<(FaultKind, i64)> {
        let mut due = None;
        for (index, fault) in self.active.iter_mut().enumerate() {
            if !of(fault.spec.kind) {
                continue;
            }
            if fault.wait > 0 {
                fault.wait -= 1;
            } else if due.is_none() {
                due = Some(index);
            }
        }
        let fault = self.active.remove(due?);
        self.injected += 1;
        Some((fault.spec.kind, fault.spec.argument))
    }
}

fn counts_frames(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::DropDepth
            | FaultKind::Gap
            | FaultKind::Reorder
            | FaultKind::Duplicate
            | FaultKind::Crossed
            | FaultKind::Silence
            | FaultKind::Disconnect
            | FaultKind::DisconnectOne
            | FaultKind::DropOne
            | FaultKind::BadJson
    )
}

/// Puts a bid at the highest ask of the frame; false when it has no ask.
fn cross(text: &mut Vec<u8>) -> bool {
    let Ok(mut frame) = serde_json::from_slice::<serde_json::Value>(text) else {
        return false;
    };
    let last_ask = frame["a"].as_array().and_then(|asks| asks.last()).cloned();
    let (Some(mut level), Some(bids)) = (last_ask, frame["b"].as_array_mut()) else {
        return false;
    };
    level[1] = serde_json::Value::from("1.000");
    bids.push(level.clone());
    if let Some(asks) = frame["a"].as_array_mut() {
        let _ = asks.pop();
        asks.push(level);
    }
    *text = frame.to_string().into_bytes();
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::hub::Hub;
    use market::InstrumentId;

    fn frames(spec: &str, count: usize) -> Vec<String> {
        let mut hub = Hub::default();
        let stream = hub.add_stream("btcusdt@depth".to_owned(), StreamKind::Depth);
        let mut faults = Faults::from_specs(&[spec.parse().unwrap()]);
        let mut sent = Vec::new();
        for number in 1..=count {
            let key = FrameKey {
                kind: StreamKind::Depth,
                instrument: InstrumentId(0),
                id: number as u64,
            };
            let ask = format!(r#"{{"u":{number},"b":[],"a":[["9.0","1"]]}}"#);
            let mut text = ask.into_bytes();
            let fate = faults.on_frame(stream, key, &mut text);
            let name = |text: &[u8]| {
                let parsed: Option<serde_json::Value> = serde_json::from_slice(text).ok();
                parsed.map_or("broken".to_owned(), |frame| {
                    let crossed = frame["b"].as_array().is_some_and(|bids| !bids.is_empty());
                    format!("{}{}", frame["u"], if crossed { "x" } else { "" })
                })
            };
            match fate {
                FrameFate::Send => sent.push(name(&text)),
                FrameFate::Drop => {}
                FrameFate::Duplicate => sent.extend([name(&text), name(&text)]),
                FrameFate::After(held) => sent.extend([name(&text), name(&held)]),
                FrameFate::Disconnect => sent.push("break".to_owned()),
                FrameFate::DisconnectOne => sent.push("one breaks".to_owned()),
                FrameFate::DropOne => sent.push("one does not get it".to_owned()),
            }
        }
        sent
    }

    #[test]
    fn private_events_are_dropped_as_many_as_were_said() {
        let mut faults = Faults::from_specs(&["drop-private:2".parse().unwrap()]);
        let fates: Vec<bool> = (0..4).map(|_| faults.drops_private_event()).collect();
        assert_eq!(fates, [true, true, false, false]);
        assert_eq!(faults.injected(), 2);
    }

    #[test]
    fn each_frame_fault_does_what_its_name_says() {
        assert_eq!(frames("drop-depth:2", 3), ["1", "3"]);
        assert_eq!(frames("gap:2", 8), ["1", "7", "8"]);
        assert_eq!(frames("reorder:2", 4), ["1", "3", "2", "4"]);
        assert_eq!(frames("duplicate:2", 3), ["1", "2", "2", "3"]);
        assert_eq!(frames("bad-json:2", 3), ["1", "broken", "3"]);
        assert_eq!(frames("disconnect:2", 3), ["1", "break", "3"]);
        assert_eq!(frames("disconnect-one:2", 3), ["1", "one breaks", "3"]);
        assert_eq!(frames("drop-one:1", 2), ["one does not get it", "2"]);
        assert_eq!(frames("crossed:2", 3), ["1", "2x", "3"]);
    }

    #[test]
    fn unknown_names_and_bad_arguments_are_named() {
        assert!(
            "frobnicate:1"
                .parse::<FaultSpec>()
                .unwrap_err()
                .contains("drop-depth")
        );
        assert!("gap:x".parse::<FaultSpec>().unwrap_err().contains("`x`"));
        assert!("gap:0".parse::<FaultSpec>().is_err());
        assert!("reject:-2019".parse::<FaultSpec>().is_ok());
    }

    #[test]
    fn a_shifted_mark_price_is_shifted_until_it_is_told_otherwise() {
        let mut faults = Faults::default();
        for (spec, mark) in [("mark-shift:-200", 98_000), ("mark-shift:50", 100_500)] {
            faults.inject(spec.parse().unwrap());
            assert_eq!(faults.mark(Price(100_000)), Price(mark));
        }
        faults.inject("mark-shift:0".parse().unwrap());
        assert_eq!(faults.mark(Price(100_000)), Price(100_000));
    }

    #[test]
    fn the_nth_order_is_the_one_that_suffers() {
        let mut faults = Faults::from_specs(&["ack-lost:2".parse().unwrap()]);
        assert_eq!(faults.on_order(), OrderFate::Normal);
        assert_eq!(faults.on_order(), OrderFate::AckLost);
        assert_eq!(faults.on_order(), OrderFate::Normal);
    }
}
