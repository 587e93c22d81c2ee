//! The box's own side of its connections: session machines, wires, what is to be sent.
//!
//! In: requests of the engine, texts of the exchange. Out: effects for the network, inputs for
//! the engine's next steps. Never: a byte after the process died.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use binance::decode::DecodeError;
use binance::session::{
    ListenKey, MarketSession, Now, OrderEvents, OrderSession, PrivateStream, UserEvents,
};
use engine::event::{StreamChange, StreamKind};
use engine::{Input, Request};
use hotpath::engine_host::Outlet;
use hotpath::messages::{Stamps, instrument_of};
use hotpath::server_clock::ServerClock;
use hotpath::tick_clock::TickClock;
use ipc::JournalConsumer;
use market::record::JournalRecord;
use market::{
    AccountConfigChange, BalanceReport, Instrument, Instruments, Market, MonoNs, OrderReply,
    OrderUpdate, PositionReport, Wire as _,
};
use websocket::{FrameReader, Opcode, frame_bytes, write_frame};

use crate::checker::Checker;
use crate::death::{Death, DeathPoint};
use crate::network::{ConnectionId, Place, Role};

/// Largest message that the box takes, as the inline thread does.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Most bytes of one read.
const READ_BYTES: usize = 64 << 10;

/// What the box wants of the network.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Open a connection.
    Dial {
        /// Where.
        place: Place,
        /// Path and query.
        target: String,
        /// Number of the attempt.
        attempt: u64,
    },
    /// Write.
    Write(ConnectionId, Vec<u8>),
    /// Drop.
    Drop(ConnectionId),
}

/// One end of a connection.
pub struct Wire {
    /// What for.
    pub place: Place,
    /// The open connection.
    pub connection: Option<ConnectionId>,
    /// Number of the newest attempt.
    pub attempt: u64,
    /// Takes frames apart.
    pub reader: FrameReader,
}

impl Wire {
    /// Not connected.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self {
            place,
            connection: None,
            attempt: 0,
            reader: FrameReader::new(1, 1),
        }
    }

    /// Wants a connection.
    pub fn ask(&mut self, target: String, effects: &mut Vec<Effect>) {
        self.attempt += 1;
        effects.push(Effect::Dial {
            place: self.place,
            target,
            attempt: self.attempt,
        });
    }

    /// It is open.
    pub fn open(&mut self, connection: ConnectionId) {
        self.connection = Some(connection);
        self.reader = FrameReader::new(MESSAGE_BYTES_MAX, READ_BYTES);
    }

    /// Drops the connection or the attempt.
    pub fn close(&mut self, effects: &mut Vec<Effect>) {
        self.attempt += 1;
        if let Some(connection) = self.connection.take() {
            effects.push(Effect::Drop(connection));
        }
    }

    /// Writes one frame; false without a connection.
    pub fn write(&mut self, opcode: Opcode, payload: &[u8], effects: &mut Vec<Effect>) -> bool {
        let Some(connection) = self.connection else {
            return false;
        };
        let mut frame = vec![0; frame_bytes(payload.len())];
        let mask = 0x5A17_C3E9 ^ payload.len() as u32;
        write_frame(opcode, payload, mask, &mut frame).expect("sized for it");
        effects.push(Effect::Write(connection, frame));
        true
    }
}

/// An order connection.
pub struct OrderSlot {
    /// Its machine.
    pub session: OrderSession,
    /// Its socket.
    pub wire: Wire,
}

/// A private stream of futures with its key.
pub struct PrivateSlot {
    /// Its machine.
    pub stream: PrivateStream,
    /// Its key.
    pub key: ListenKey,
    /// A connection is wanted as soon as there is a key.
    pub wanted: bool,
    /// Number of the call under way.
    pub call: Option<u64>,
    /// Its socket.
    pub wire: Wire,
}

/// A market connection.
pub struct MarketSlot {
    /// Which of the feeds it brings to.
    pub feed: usize,
    /// Its machine.
    pub session: MarketSession,
    /// Its socket.
    pub wire: Wire,
}

/// Where orders go out, and what the engine is to be told next.
pub struct Desk {
    /// One a market.
    pub slots: Vec<OrderSlot>,
    /// The exchange's time.
    pub clock: ServerClock,
    /// The table.
    pub instruments: Rc<[Instrument]>,
    /// Inputs for the next steps.
    pub waiting: VecDeque<Input<'static>>,
    /// Snapshots and reconciliations that the engine wants.
    pub cold: Vec<Request>,
    /// For the network.
    pub effects: Vec<Effect>,
    /// Now.
    pub now: MonoNs,
    /// What control reads, and the checker with it.
    pub journal: JournalConsumer,
    /// Who watches.
    pub checker: Rc<RefCell<Checker>>,
    /// How and when this life ends.
    pub death: Death,
}

impl Desk {
    /// Both clocks.
    #[must_use]
    pub fn both(&self) -> Now {
        self.clock.at(self.now)
    }

    /// Shows the checker what the journal has got; it is also what is durable to the box.
    pub fn tap(&mut self) {
        let mut buffer = [0; market::record::RECORD_BYTES_MAX];
        while let Ok(Some(entry)) = self.journal.read(&mut buffer) {
            let record = JournalRecord::from_bytes(entry.payload);
            let mut checker = self.checker.borrow_mut();
            checker.on_journal(record.ok(), entry.cursor, self.now.0);
        }
    }

    fn slot_of(&mut self, market: Market) -> usize {
        let found = self
            .slots
            .iter()
            .position(|one| one.wire.place.market == market);
        found.expect("every market with instruments has its order connection")
    }

    /// Writes a text on an order connection; the checker sees it before the network does.
    fn write_order(&mut self, slot: usize, frame: &[u8]) -> bool {
        let slot = &mut self.slots[slot];
        let text = std::str::from_utf8(frame).expect("the encoder writes UTF-8");
        let server = self.clock.at(self.now).server;
        if slot.wire.connection.is_some() {
            let market = slot.wire.place.market;
            let mut checker = self.checker.borrow_mut();
            checker.on_order_frame(market, text, self.now.0, server);
        }
        slot.wire.write(Opcode::Text, frame, &mut self.effects)
    }

    /// An order connection is gone: whatever was under way is unresolved (I3).
    pub fn lost(&mut self, slot: usize) {
        let now = self.both();
        let slot = &mut self.slots[slot];
        let mut sink = Sink(&mut self.waiting);
        slot.session.on_disconnected(now, &mut sink);
        slot.wire.close(&mut self.effects);
    }

    /// The log-on and the subscription to private events, when they are due.
    pub fn write_due(&mut self, slot: usize) {
        let mut frame = Vec::new();
        let now = self.both();
        if self.slots[slot].session.due_frame(now, &mut frame) && !self.write_order(slot, &frame) {
            self.lost(slot);
        }
    }
}

impl Outlet for Desk {
    fn send(&mut self, request: &Request, stamps: &Stamps, _: &TickClock) {
        if self.death.dead {
            return;
        }
        self.checker.borrow_mut().on_request(request, self.now.0);
        if request.is_cold() {
            self.cold.push(*request);
            return;
        }
        self.tap();
        self.death.pass(DeathPoint::BeforeWrite);
        if self.death.dead {
            return;
        }
        let table = Rc::clone(&self.instruments);
        let instrument = Instruments(&table)
            .get(instrument_of(request))
            .expect("the engine knows the same table");
        let index = self.slot_of(instrument.market);
        let now = self.both();
        let mut frame = Vec::new();
        let session = &mut self.slots[index].session;
        let mut sink = Sink(&mut self.waiting);
        let (out, sink) = (&mut frame, &mut sink);
        let wanted = match request {
            Request::Place(order) => {
                session.place(order.get(), instrument, stamps.stepped, now, out, sink)
            }
            Request::Amend(amend) => {
                session.amend(amend.get(), instrument, stamps.stepped, now, out, sink)
            }
            Request::Cancel(order) => session.cancel(order, instrument, now, out, sink),
            Request::Query(order) => session.query(order, instrument, now, out, sink),
            Request::Snapshot(_)
            | Request::Reconcile(_)
            | Request::Trades(_)
            | Request::VerifySetup(_)
            | Request::CancelOverRest(_)
            | Request::QueryOverRest(_) => false,
        };
        if wanted && !self.write_order(index, &frame) {
            self.lost(index);
        }
        self.death.pass(DeathPoint::AfterWrite);
    }
}

/// Puts what the exchange says of orders and account into the queue.
pub struct Sink<'a>(pub &'a mut VecDeque<Input<'static>>);

impl OrderEvents for Sink<'_> {
    fn reply(&mut self, reply: OrderReply, _: Option<u64>) {
        self.0.push_back(Input::OrderReply(reply));
    }

    fn stream(&mut self, market: Market, up: bool) {
        let stream = StreamKind::Orders;
        let change = StreamChange { stream, market, up };
        self.0.push_back(Input::Stream(change));
    }

    fn unreadable(&mut self) {}
}

impl UserEvents for Sink<'_> {
    fn order_update(&mut self, update: OrderUpdate) {
        self.0.push_back(Input::OrderUpdate(update));
    }

    fn position(&mut self, position: PositionReport) {
        self.0.push_back(Input::Position(position));
    }

    fn balance(&mut self, balance: BalanceReport) {
        self.0.push_back(Input::Balance(balance));
    }

    fn account_config(&mut self, change: AccountConfigChange) {
        self.0.push_back(Input::AccountConfig(change));
    }

    fn wallet_moved(&mut self, market: Market) {
        self.0.push_back(Input::WalletMoved(market));
    }

    fn stream(&mut self, market: Market, up: bool) {
        let stream = StreamKind::User;
        let change = StreamChange { stream, market, up };
        self.0.push_back(Input::Stream(change));
    }

    fn parse_error(&mut self, _: DecodeError) {}
}

/// The places of a market's connections.
#[must_use]
pub const fn roles(market: Market) -> &'static [Role] {
    match market {
        Market::UsdM => &[Role::Orders, Role::Private, Role::Books, Role::Trades],
        Market::Spot => &[Role::Orders, Role::Books],
    }
}
