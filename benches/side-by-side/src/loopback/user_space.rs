//! Part e: from a record in the kernel's buffer to the system call that would send the order.
//!
//! In: frames as TLS records in memory. Out: nanoseconds of decrypting, framing, parsing, the
//! engine with its journal, signing, framing and encrypting; medians over the ticks that are
//! answered. Never: a system call between the two ends; what the exchange answers is read between
//! two ticks.
//!
//! The calls are those of `hotpath::inline` and `hotpath::hot_socket`, in their order, with the
//! same buffers; only the descriptor is missing.

use super::signals::Tick;
use super::world::{Logs, account, hmac, host, market_session, order_session, segment, text};
use crate::input::Input;
use crate::rounds::{Figures, median};
use binance::session::{LinkAction, MarketEvents, MarketSession, Now, OrderSession};
use binance::sign::Signer;
use binance::{DecodeError, StreamMessage};
use engine::event::{SnapshotBegin, SnapshotLevels, StreamChange, StreamKind};
use engine::{Input as EngineInput, Request};
use hotpath::allocation::{self, guard_this_thread, release_this_thread};
use hotpath::engine_host::{EngineHost, Outlet};
use hotpath::gateway::latency_cells::LatencyCells;
use hotpath::gateway::private_sink::{Deliver, PrivateSink};
use hotpath::gateway::stream_cells::StreamCells;
use hotpath::messages::Stamps;
use hotpath::server_clock::ServerClock;
use hotpath::telemetry::Telemetry;
use hotpath::tick_clock::{TickClock, Ticks};
use ipc::RECORD_BYTES_MAX;
use market::{Instrument, InstrumentId, Instruments, Market, MonoNs, Side, UpdateId};
use std::sync::Arc;
use websocket::{FrameReader, Message, Opcode, write_frame};

mod memory;

use memory::{Records, Tls, pair};

/// The whole way, and its stages.
const LANES: [&str; 6] = [
    "fulcrum, tick to order in user space",
    "of it: decrypt",
    "of it: frame and parse",
    "of it: engine, journal, controls",
    "of it: sign, frame, encrypt",
    "the whole, logged on: orders are not signed",
];

/// Ready for the next tick, but not within the step that is told of an order's end.
const RETRY_AFTER_NS: u64 = 1;

/// Largest message, as in the product.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What a run took.
pub(super) struct UserSpace {
    /// [`LANES`].
    pub(super) figures: Figures,
    /// Our own allocations and frees.
    pub(super) own: u64,
    /// Those of rustls.
    pub(super) tls: u64,
    /// Records each way.
    pub(super) records: u64,
}

/// Passes over the ticks.
pub(super) fn measure(input: &Input, ticks: &[Tick], rounds: usize) -> Result<UserSpace, String> {
    let mut figures = Figures {
        names: LANES.map(str::to_string).to_vec(),
        taken: vec![Vec::new(); LANES.len()],
    };
    let own = |(one, other): (u64, u64)| one + other;
    let before = [allocation::guarded_counts(), allocation::tls_counts()].map(own);
    let mut records = 0;
    for round in 0..=rounds {
        let mut pass = Pass::new(input, hmac())?;
        let mut logged_on = Pass::new(input, Signer::ed25519(&[7; 32]))?;
        let [unsigned, ..] = logged_on.run(ticks)?;
        let signed = pass.run(ticks)?;
        records += pass.desk.records + logged_on.desk.records + 2 * ticks.len() as u64;
        if round > 0 {
            let taken = signed.into_iter().chain([unsigned]);
            for (lane, taken) in figures.taken.iter_mut().zip(taken) {
                lane.push(median(taken));
            }
        }
    }
    let after = [allocation::guarded_counts(), allocation::tls_counts()].map(own);
    Ok(UserSpace {
        figures,
        own: after[0] - before[0],
        tls: after[1] - before[1],
        records,
    })
}

/// The order connection without its socket: what `Desk` and `HotSocket` do.
struct Desk {
    session: OrderSession,
    clock: ServerClock,
    instrument: Instrument,
    cells: StreamCells,
    latency: LatencyCells,
    waiting: Waiting,
    tls: Tls,
    text: Vec<u8>,
    frame: Vec<u8>,
    record: Vec<u8>,
    /// When the last request came, and when its record was ready.
    began: Ticks,
    written: Ticks,
    records: u64,
}

/// What the order connection has learned.
#[derive(Default)]
struct Waiting(Vec<EngineInput<'static>>);

impl Deliver for Waiting {
    fn deliver(&mut self, input: EngineInput<'static>) {
        self.0.push(input);
    }
}

impl Outlet for Desk {
    #[inline]
    fn send(&mut self, request: &Request, stamps: &Stamps, clock: &TickClock) {
        self.began = clock.now();
        let Request::Place(order) = request else {
            return;
        };
        let mono = clock.to_mono(clock.now());
        let server = self.clock.utc_at(mono).to_ms();
        let now = Now { mono, server };
        self.text.clear();
        let mut sink = PrivateSink::with(&mut self.waiting, &self.cells, &self.latency);
        let (order, decided) = (order.get(), stamps.stepped);
        let (session, instrument) = (&mut self.session, &self.instrument);
        if !session.place(order, instrument, decided, now, &mut self.text, &mut sink) {
            return;
        }
        let mask = self.records as u32;
        let count = write_frame(Opcode::Text, &self.text, mask, &mut self.frame);
        let count = count.expect("an order is shorter than the buffer");
        self.tls.encrypt(&self.frame[..count], &mut self.record);
        self.written = clock.now();
        self.latency.note_written(request);
        self.records += 1;
    }
}

/// The engine's side of a market session, as `hotpath::inline::market` has it.
struct Sink<'a> {
    host: &'a mut EngineHost,
    desk: &'a mut Desk,
    stamps: Stamps,
    now: MonoNs,
    parsed: Ticks,
}

impl MarketEvents for Sink<'_> {
    #[inline]
    fn market_data(&mut self, message: StreamMessage<'_>) {
        let StreamMessage::Depth(depth) = message else {
            return;
        };
        self.parsed = self.host.clock().now();
        self.stamps.parsed = self.host.clock().to_mono(self.parsed);
        let input = EngineInput::Depth(depth);
        self.host.take(self.now, input, self.stamps, self.desk);
    }

    fn book_doubtful(&mut self, instrument: InstrumentId) {
        let input = EngineInput::ParseFailure(instrument);
        self.host.take_at(self.now, input, self.desk);
    }

    fn parse_error(&mut self, error: DecodeError) {
        panic!("a frame of the bench could not be read: {error}");
    }

    fn stream(&mut self, market: Market, up: bool) {
        let stream = StreamKind::Market;
        let input = EngineInput::Stream(StreamChange { stream, market, up });
        self.host.take_at(self.now, input, self.desk);
    }
}

/// One pass over the frames.
struct Pass<'a> {
    input: &'a Input,
    host: EngineHost,
    logs: Logs,
    desk: Desk,
    session: MarketSession,
    reader: FrameReader,
    tls: Tls,
    records: Records,
    cells: StreamCells,
    /// For what the logs hold.
    bytes: Vec<u8>,
}

impl<'a> Pass<'a> {
    fn new(input: &'a Input, signer: Signer) -> Result<Self, String> {
        let (clock, _keeper) = TickClock::start();
        let segment = segment()?;
        let telemetry = Telemetry(&segment);
        let (host, logs) = host(input, &segment, &clock, RETRY_AFTER_NS)?;
        let cells = |name| StreamCells::new(telemetry, Market::UsdM, name).map_err(text);
        let latency = LatencyCells::new(telemetry, Market::UsdM, &[input.instrument]);
        let (tls, records) = pair()?;
        let mut pass = Self {
            input,
            host,
            logs,
            desk: Desk {
                session: order_session(signer),
                clock: ServerClock::default(),
                instrument: input.instrument,
                cells: cells("orders")?,
                latency: latency.map_err(text)?,
                waiting: Waiting(Vec::with_capacity(64)),
                tls: pair()?.0,
                text: Vec::with_capacity(4_096),
                frame: vec![0; 16 << 10],
                record: vec![0; 64 << 10],
                began: Ticks::NONE,
                written: Ticks::NONE,
                records: 0,
            },
            session: market_session(input),
            reader: FrameReader::new(MESSAGE_BYTES_MAX, 64 << 10),
            tls,
            records,
            cells: cells("public")?,
            bytes: vec![0; RECORD_BYTES_MAX],
        };
        pass.start();
        Ok(pass)
    }

    /// Streams up, reconciled, the book synced.
    fn start(&mut self) {
        let now = self.host.now();
        let mono = Now {
            mono: now,
            server: self.desk.clock.utc_at(now).to_ms(),
        };
        let (desk, host) = (&mut self.desk, &mut self.host);
        let mut events = PrivateSink::with(&mut desk.waiting, &desk.cells, &desk.latency);
        let action = desk.session.poll(mono, &mut events);
        assert_eq!(action, Some(LinkAction::Connect), "a new session connects");
        desk.session.on_connected(mono, &mut events);
        if desk.session.due_frame(mono, &mut desk.text) {
            let answer = super::exchange::answer(&String::from_utf8_lossy(&desk.text));
            let none = Instruments(&[]);
            let action = desk
                .session
                .on_frame(answer.as_bytes(), mono, &none, &mut events);
            assert_eq!(action, None, "the log-on is taken");
        }
        let (stamps, parsed) = (Stamps::default(), Ticks::NONE);
        let mut sink = Sink {
            host,
            desk,
            stamps,
            now,
            parsed,
        };
        let action = self.session.poll(now, &mut sink);
        assert_eq!(action, Some(LinkAction::Connect), "a new session connects");
        self.session.on_connected(now, &mut sink);
        let user = StreamChange {
            stream: StreamKind::User,
            market: Market::UsdM,
            up: true,
        };
        let instrument = self.input.instrument.id;
        let mut inputs = vec![EngineInput::Stream(user)];
        inputs.extend(account());
        inputs.push(EngineInput::SnapshotBegin(SnapshotBegin {
            instrument,
            last_update_id: UpdateId(self.input.start_update_id),
            complete: true,
        }));
        for (side, levels) in [
            (Side::Buy, &self.input.bids),
            (Side::Sell, &self.input.asks),
        ] {
            inputs.extend(levels.chunks(500).map(|levels| {
                EngineInput::SnapshotLevels(SnapshotLevels {
                    instrument,
                    side,
                    levels,
                })
            }));
        }
        inputs.push(EngineInput::SnapshotEnd(instrument));
        self.settle();
        for input in inputs {
            self.host.take_at(now, input, &mut self.desk);
        }
    }

    fn settle(&mut self) {
        while let Some(input) = self.desk.waiting.0.pop() {
            let now = self.host.now();
            self.host.take_at(now, input, &mut self.desk);
        }
    }

    /// All frames; the times of those that were answered, by [`LANES`].
    fn run(&mut self, ticks: &[Tick]) -> Result<[Vec<f64>; 5], String> {
        let mut taken: [Vec<f64>; 5] = Default::default();
        for (index, tick) in ticks.iter().enumerate() {
            let record = self.records.of_frame(self.input.frame(index))?;
            self.tls.arrived(record);
            let orders = self.desk.records;
            guard_this_thread();
            let times = self.tick();
            release_this_thread();
            if (self.desk.records > orders) != tick.has_signal {
                return Err(format!(
                    "{} was answered otherwise than it should",
                    tick.update_id
                ));
            }
            if tick.has_signal {
                for (lane, time) in taken.iter_mut().zip(times) {
                    lane.push(time);
                }
                self.answer();
            }
            self.read_logs()?;
        }
        Ok(taken)
    }

    /// From the record to the order's record.
    #[inline]
    fn tick(&mut self) -> [f64; 5] {
        let read = self.host.clock().now();
        let reader = &mut self.reader;
        self.tls.decrypt(|plaintext| {
            reader
                .push(plaintext)
                .expect("frames of the bench are short");
        });
        let decrypted = self.host.clock().now();
        let span = self
            .reader
            .advance()
            .expect("frames of the bench are sound");
        let span = span.expect("a record holds a whole frame");
        let Message::Text(frame) = self.reader.view(span) else {
            panic!("frames of the bench are texts");
        };
        self.cells.frame(frame.len(), 0);
        let now = self.host.now();
        let stamps = Stamps {
            read: self.host.clock().to_mono(read),
            decrypted: self.host.clock().to_mono(decrypted),
            framed: now,
            ..Stamps::default()
        };
        let mut sink = Sink {
            host: &mut self.host,
            desk: &mut self.desk,
            stamps,
            now,
            parsed: Ticks::NONE,
        };
        let table = [self.input.instrument];
        let _ = self
            .session
            .on_frame(frame, now, &Instruments(&table), &mut sink);
        let parsed = sink.parsed;
        let (clock, desk) = (self.host.clock(), &self.desk);
        [
            (read, desk.written),
            (read, decrypted),
            (decrypted, parsed),
            (parsed, desk.began),
            (desk.began, desk.written),
        ]
        .map(|(from, to)| clock.between(from, to) as f64)
    }

    /// The exchange found nobody.
    fn answer(&mut self) {
        let request = String::from_utf8_lossy(&self.desk.text).into_owned();
        let answer = super::exchange::answer(&request);
        let now = self.desk.clock.now();
        let desk = &mut self.desk;
        let mut sink = PrivateSink::with(&mut desk.waiting, &desk.cells, &desk.latency);
        let table = Arc::new([desk.instrument]);
        let instruments = Instruments(table.as_slice());
        let _ = desk
            .session
            .on_frame(answer.as_bytes(), now, &instruments, &mut sink);
        self.settle();
    }

    fn read_logs(&mut self) -> Result<(), String> {
        let logs = &mut self.logs;
        for log in logs.others.iter_mut().chain([&mut logs.market]) {
            while let Some(entry) = log.read(&mut self.bytes).map_err(text)? {
                let cursor = entry.cursor;
                log.commit_durable(cursor).map_err(text)?;
            }
        }
        while logs.ways.take().is_some() {}
        Ok(())
    }
}
