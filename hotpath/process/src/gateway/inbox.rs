//! Where the gateways put inputs for the engine.
//!
//! In: events with the time at which their frame was read. Out: records in one ring. Never: a wait
//! for an engine that hangs, since kills are done on these threads; a loss that the engine is not
//! told of.

use crate::clock;
use crate::messages::{INPUT_BYTES_MAX, KIND, encode_input};
use engine::Input;
use engine::event::StreamChange;
use ipc::{Counter, Producer};
use market::MonoNs;

/// An engine that makes no room for so long hangs.
const PATIENCE_NS: u64 = 250_000_000;

/// Room for what is told after a loss: that, and three streams of two markets, a slot each.
const SLOTS_OF_NEWS: usize = 16;

/// The writing end of a ring into the engine, with its buffer.
pub struct Inbox {
    ring: Producer,
    buffer: Vec<u8>,
    dropped: Counter,
    /// Inputs that had to be delivered and found no room since the engine was told of such last.
    lost: u32,
    /// The streams as they were told last: whoever lost inputs is told again.
    streams: Vec<StreamChange>,
    /// When the frame that is being taken apart was read.
    pub received: MonoNs,
}

impl Inbox {
    /// An end that counts what found no room in `dropped`.
    #[must_use]
    pub fn new(ring: Producer, dropped: Counter) -> Self {
        Self {
            ring,
            buffer: vec![0; INPUT_BYTES_MAX],
            dropped,
            lost: 0,
            streams: Vec::new(),
            received: MonoNs(0),
        }
    }

    /// Market data: dropped and counted when the engine is a whole ring behind. The gap in the
    /// ids tells the book. Also what a kill says, which waits for nobody.
    pub fn offer(&mut self, input: Input<'_>) {
        self.tell_of_loss();
        let length = self.encode(input);
        if self.ring.try_push(KIND, &self.buffer[..length]).is_err() {
            self.dropped.add(1);
        }
    }

    /// Anything else: waits for room, which the engine makes in microseconds. Where it makes none,
    /// the input is lost; the engine is told so as soon as it takes inputs again, and asks the
    /// exchange.
    pub fn deliver(&mut self, input: Input<'_>) {
        if let Input::Stream(change) = &input {
            self.remember(*change);
        }
        self.tell_of_loss();
        let length = self.encode(input);
        if self.lost > 0 || !self.push_in_time(length) {
            self.lost = self.lost.saturating_add(1);
            self.dropped.add(1);
        }
    }

    fn push_in_time(&mut self, length: usize) -> bool {
        let mut begun = None;
        while self.ring.try_push(KIND, &self.buffer[..length]).is_err() {
            let now = clock::monotonic();
            if now.since(*begun.get_or_insert(now)) >= PATIENCE_NS {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }

    /// Tells the engine what it was not told, once there is room for all of it.
    fn tell_of_loss(&mut self) {
        if self.lost == 0 || self.ring.free_slots() < SLOTS_OF_NEWS {
            return;
        }
        let lost = std::mem::take(&mut self.lost);
        tracing::error!(
            lost,
            "the engine made no room for inputs: it asks the exchange anew"
        );
        let streams = self.streams.clone().into_iter().map(Input::Stream);
        for news in std::iter::once(Input::InputsLost(lost)).chain(streams) {
            let length = self.encode(news);
            let told = self.ring.try_push(KIND, &self.buffer[..length]);
            debug_assert!(told.is_ok(), "there was room for all of it");
        }
    }

    fn remember(&mut self, change: StreamChange) {
        let same =
            |one: &&mut StreamChange| (one.stream, one.market) == (change.stream, change.market);
        match self.streams.iter_mut().find(same) {
            Some(one) => *one = change,
            None => self.streams.push(change),
        }
    }

    fn encode(&mut self, input: Input<'_>) -> usize {
        let decoded = clock::monotonic();
        encode_input(input, self.received, decoded, &mut self.buffer)
            .expect("decoders and snapshot runs stay within LEVELS_MAX levels")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;
    use engine::Event;
    use engine::event::StreamKind;
    use ipc::{Consumer, Segment, SegmentLayout, heap_ring};
    use market::{Market, UtcNs};

    fn inbox(name: &str, slots: usize) -> (Inbox, Consumer, Segment) {
        let file = format!("fulcrum-inbox-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(file);
        let segment = Segment::create(&path, &SegmentLayout::default(), 1, 1, 1).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (producer, consumer) = heap_ring(slots);
        let dropped = Telemetry(&segment).ring_dropped("cold").unwrap();
        (Inbox::new(producer, dropped), consumer, segment)
    }

    fn read(consumer: &mut Consumer) -> Vec<String> {
        let (mut told, mut buffer) = (Vec::new(), [0; INPUT_BYTES_MAX]);
        while let Some((_, bytes)) = consumer.pop(&mut buffer).unwrap() {
            let event = Event::from_bytes(bytes, &mut []).unwrap();
            told.push(format!("{:?}", event.input));
        }
        told
    }

    fn dropped(segment: &Segment) -> u64 {
        let cells = segment.counters();
        let found = cells
            .iter()
            .find(|(name, _)| name == "ring_dropped_total{ring=\"cold\"}");
        found.expect("a registered cell").1
    }

    fn stream(up: bool) -> Input<'static> {
        let (stream, market) = (StreamKind::User, Market::UsdM);
        Input::Stream(StreamChange { stream, market, up })
    }

    #[test]
    fn an_engine_that_hangs_holds_nobody_up_and_hears_of_the_loss_before_all_else() {
        let (mut inbox, mut consumer, segment) = inbox("hangs", 64);
        inbox.deliver(stream(true));
        while inbox.ring.free_slots() > 0 {
            inbox.deliver(Input::Clock(UtcNs(1)));
        }
        let begun = std::time::Instant::now();
        inbox.deliver(stream(false));
        let first = begun.elapsed();
        for _ in 0..1_000 {
            inbox.deliver(Input::Clock(UtcNs(2)));
        }
        let all = begun.elapsed();
        assert!(first.as_nanos() as u64 >= PATIENCE_NS, "{first:?}");
        assert!(all.as_nanos() as u64 <= 4 * PATIENCE_NS, "{all:?}");
        assert_eq!(dropped(&segment), 1_001);
        read(&mut consumer);
        inbox.deliver(Input::Clock(UtcNs(3)));
        let wanted = [
            "InputsLost(1001)".to_string(),
            format!("{:?}", stream(false)),
            format!("{:?}", Input::Clock(UtcNs(3))),
        ];
        assert_eq!(read(&mut consumer), wanted);
        inbox.deliver(Input::Clock(UtcNs(4)));
        assert_eq!(read(&mut consumer).len(), 1, "told once");
    }

    #[test]
    fn what_must_be_delivered_waits_for_an_engine_that_is_only_slow() {
        let (mut inbox, mut consumer, segment) = inbox("slow", 64);
        let (told, telling) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut count = 0;
            while count < 10_000 {
                std::thread::sleep(std::time::Duration::from_millis(1));
                count += read(&mut consumer).len();
            }
            told.send(count).unwrap();
        });
        for _ in 0..10_000 {
            inbox.deliver(Input::Clock(UtcNs(1)));
        }
        assert_eq!(telling.recv().unwrap(), 10_000);
        reader.join().unwrap();
        assert_eq!(dropped(&segment), 0);
    }
}
