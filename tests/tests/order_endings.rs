//! Ends of orders that the exchange makes, by its own texts: through the dialect's decoders into
//! the engine.
//!
//! In: replies and private events as the exchange writes them. Out: what the engine makes of the
//! order, of the position and of what it sends next. Never: a decoded value by hand.

use binance::orders::decode_reply;
use binance::user_data::{UserMessage, decode_user_message};
use engine::config::{EngineConfig, StrategyConfig, StrategyParameters};
use engine::event::{SnapshotBegin, SnapshotLevels, StreamChange, StreamKind};
use engine::orders::Order;
use engine::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use engine::{Engine, Event, Input, Observer, Outbox, Request};
use market::event::{DepthHeader, Level};
use market::ids::Asset;
use market::record::Record;
use market::{
    BalanceReport, DepthUpdate, ExitReason, Filters, Instrument, InstrumentId, InstrumentStatus,
    Instruments, Market, Money, MonoNs, NewOrder, NonAction, OrderState, Price, Quantity,
    RequestKind, Side, Step, StrategyId, Symbol, UpdateId, UtcMs, UtcNs,
};

const ID: InstrumentId = InstrumentId(0);
const MS: u64 = 1_000_000;
const UTC_MS: i64 = 1_764_165_000_000;

#[derive(Default)]
struct Notes(Vec<Record>);

impl Observer for Notes {
    fn record(&mut self, record: &Record, _: &[u8]) {
        self.0.push(*record);
    }
    fn non_action(&mut self, _: StrategyId, _: InstrumentId, _: NonAction) {}
}

struct World {
    engine: Engine,
    outbox: Outbox<Notes>,
    table: [Instrument; 1],
    now: u64,
    sequence: u64,
    update_id: u64,
}

fn instrument() -> Instrument {
    Instrument {
        id: ID,
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").expect("as the exchange writes it"),
        tick: Step::from_text(b"0.10").expect("as the exchange writes it"),
        lot: Step::from_text(b"0.001").expect("as the exchange writes it"),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}

fn level(price: i64, lots: i64) -> Level {
    Level {
        price: Price(price),
        quantity: Quantity(lots),
    }
}

impl World {
    /// Reconciled, the book synced and balanced around 50,000.0.
    fn new(entry: EntryStyle) -> Self {
        let mut config = EngineConfig::new(vec![instrument()]);
        config.signal.levels = 2;
        config.strategies.push(StrategyConfig {
            name: "imbalance".to_string(),
            instruments: vec![ID],
            parameters: StrategyParameters::Imbalance(ImbalanceParameters {
                entry,
                ..ImbalanceParameters::default()
            }),
        });
        let mut world = Self {
            engine: Engine::new(config),
            outbox: Outbox::default(),
            table: [instrument()],
            now: 1_000 * MS,
            sequence: 0,
            update_id: 100,
        };
        world.start();
        world
    }

    fn send(&mut self, input: Input<'_>) {
        self.sequence += 1;
        self.now += MS;
        let event = Event {
            sequence: self.sequence,
            time: MonoNs(self.now),
            input,
        };
        self.engine.step(&event, &mut self.outbox);
    }

    fn start(&mut self) {
        for stream in [StreamKind::Market, StreamKind::Orders, StreamKind::User] {
            let market = Market::UsdM;
            let up = true;
            self.send(Input::Stream(StreamChange { stream, market, up }));
        }
        let utc = UTC_MS * MS as i64 + self.now as i64;
        self.send(Input::Clock(UtcNs(utc)));
        self.send(Input::ReconcileBegin);
        self.send(Input::Balance(BalanceReport {
            asset: Asset::new(b"USDT").expect("as the exchange writes it"),
            wallet: Money::from_whole(100_000),
            event_time: UtcMs(1),
        }));
        self.send(Input::ReconcileEnd);
        self.depth(&[], &[]);
        self.send(Input::SnapshotBegin(SnapshotBegin {
            instrument: ID,
            last_update_id: UpdateId(self.update_id),
            complete: true,
        }));
        for (side, first, step) in [(Side::Buy, 500_000, -1), (Side::Sell, 500_001, 1)] {
            let levels: Vec<Level> = (0..10).map(|at| level(first + at * step, 10)).collect();
            let instrument = ID;
            let levels = &levels;
            self.send(Input::SnapshotLevels(SnapshotLevels {
                instrument,
                side,
                levels,
            }));
        }
        self.send(Input::SnapshotEnd(ID));
        self.outbox.requests.clear();
    }

    fn depth(&mut self, bids: &[Level], asks: &[Level]) {
        let id = self.update_id + 1;
        let header = DepthHeader {
            instrument: ID,
            first_update_id: UpdateId(id),
            last_update_id: UpdateId(id),
            previous_update_id: UpdateId(self.update_id),
            event_time: UtcMs(UTC_MS + (self.now / MS) as i64),
            transaction_time: UtcMs(1),
        };
        self.update_id = id;
        self.send(Input::Depth(DepthUpdate { header, bids, asks }));
    }

    /// The bids become heavy, and the strategy sends its entry.
    fn entry(&mut self) -> NewOrder {
        self.depth(&[level(500_000, 60)], &[]);
        self.placed().expect("an entry")
    }

    fn placed(&mut self) -> Option<NewOrder> {
        let placed = self.outbox.requests.iter().find_map(|one| match one {
            Request::Place(order) => Some(*order.get()),
            _ => None,
        });
        self.outbox.requests.clear();
        placed
    }

    /// A reply to the placing of `order`, as the WebSocket API writes it.
    fn reply(&mut self, order: &NewOrder, text: &str) {
        let reply = decode_reply(text.as_bytes()).expect("as the exchange writes it");
        let reply = reply.order_reply(RequestKind::Place, order.client_order_id, &self.table[0]);
        self.send(Input::OrderReply(reply));
    }

    fn accept(&mut self, order: &NewOrder) {
        let text = format!(
            r#"{{"id":"p1","status":200,"result":{{"orderId":77,"symbol":"BTCUSDT","status":"NEW","clientOrderId":"{}","price":"50000.00","origQty":"0.020","executedQty":"0.000","updateTime":{UTC_MS}}}}}"#,
            order.client_order_id
        );
        self.reply(order, &text);
    }

    /// An event of the private stream.
    fn event(&mut self, text: &str) {
        let table = self.table;
        let message = decode_user_message(text.as_bytes(), &Instruments(&table), Market::UsdM);
        match message {
            Ok(UserMessage::Order(update)) => self.send(Input::OrderUpdate(update)),
            other => panic!("{other:?} of {text}"),
        }
    }

    fn look(&self, order: &NewOrder) -> Order {
        let slot = self
            .engine
            .orders()
            .find(&order.client_order_id)
            .expect("as the exchange writes it");
        *self.engine.orders().get(slot)
    }

    fn position(&self) -> i64 {
        self.engine.instrument_page(ID).position.0
    }

    fn closed(&self) -> Option<ExitReason> {
        self.outbox.observer.0.iter().find_map(|one| match one {
            Record::TradeClosed(closed) => Some(closed.reason),
            _ => None,
        })
    }
}

/// An ORDER_TRADE_UPDATE in the exchange's own form and order of members.
struct Told<'a> {
    id: &'a str,
    side: &'a str,
    kind: &'a str,
    lifetime: &'a str,
    execution: &'a str,
    state: &'a str,
    quantity: &'a str,
    last: &'a str,
    filled: &'a str,
    trade: u64,
    reason: &'a str,
}

const TOLD: Told<'static> = Told {
    id: "",
    side: "BUY",
    kind: "LIMIT",
    lifetime: "GTX",
    execution: "NEW",
    state: "NEW",
    quantity: "0.02",
    last: "0",
    filled: "0",
    trade: 0,
    reason: "0",
};

fn told(one: &Told<'_>) -> String {
    let Told {
        id,
        side,
        kind,
        lifetime,
        execution,
        state,
        quantity,
        last,
        filled,
        trade,
        reason,
    } = one;
    let price = if *last == "0" { "0" } else { "50000" };
    format!(
        r#"{{"e":"ORDER_TRADE_UPDATE","T":1764165000100,"E":1764165000101,"o":{{"s":"BTCUSDT","c":"{id}","S":"{side}","o":"{kind}","f":"{lifetime}","q":"{quantity}","p":"50000","ap":"0","sp":"0","x":"{execution}","X":"{state}","i":77,"l":"{last}","z":"{filled}","L":"{price}","n":"0","N":"USDT","T":1764165000100,"t":{trade},"b":"0","a":"0","m":false,"R":false,"wt":"CONTRACT_PRICE","ot":"{kind}","ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,"ss":0,"V":"EXPIRE_MAKER","pm":"NONE","gtd":0,"er":"{reason}"}}}}"#
    )
}

#[test]
fn a_post_only_order_that_would_take_and_a_fill_or_kill_that_cannot_never_existed() {
    let refusals = [
        (
            EntryStyle::Maker,
            -5022,
            "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be recorded in the order history",
        ),
        (
            EntryStyle::Taker,
            -5021,
            "Due to the order could not be filled immediately, the FOK order has been rejected. The order will not be recorded in the order history",
        ),
    ];
    for (style, code, text) in refusals {
        let mut world = World::new(style);
        let order = world.entry();
        let text =
            format!(r#"{{"id":"p1","status":400,"error":{{"code":{code},"msg":"{text}"}}}}"#);
        world.reply(&order, &text);
        let now = world.look(&order);
        assert_eq!(now.state, OrderState::Rejected, "{code}");
        assert_eq!((now.told, now.reserved()), (Quantity(0), Money::ZERO));
        assert_eq!(world.engine.orders().live().len(), 0, "nothing to query");
        assert!(world.outbox.requests.is_empty(), "and nothing at once");
        assert_eq!(world.engine.order_counters().unknown_ever, 0);
        assert_eq!(world.engine.order_counters().violations, 0);
    }
}

#[test]
fn self_trade_prevention_ends_an_order_with_what_it_filled_before() {
    let mut world = World::new(EntryStyle::Maker);
    let order = world.entry();
    world.accept(&order);
    let id = order.client_order_id.to_string();
    world.event(&told(&Told {
        id: &id,
        execution: "TRADE",
        state: "PARTIALLY_FILLED",
        last: "0.004",
        filled: "0.004",
        trade: 501,
        ..TOLD
    }));
    let target = world.placed().expect("a target for what is held");
    assert!(target.reduce_only && target.quantity == Quantity(4));
    world.event(&told(&Told {
        id: &id,
        execution: "EXPIRED",
        state: "EXPIRED_IN_MATCH",
        filled: "0.004",
        reason: "1",
        ..TOLD
    }));
    let now = world.look(&order);
    assert_eq!((now.state, now.told), (OrderState::Expired, Quantity(4)));
    assert_eq!((now.reserved(), world.position()), (Money::ZERO, 4));
    assert_eq!(world.engine.order_counters().violations, 0);
}

/// A long position of 20 lots with its reduce-only target.
fn long() -> (World, NewOrder) {
    let mut world = World::new(EntryStyle::Maker);
    let order = world.entry();
    world.accept(&order);
    let id = order.client_order_id.to_string();
    world.event(&told(&Told {
        id: &id,
        execution: "TRADE",
        state: "FILLED",
        last: "0.02",
        filled: "0.02",
        trade: 501,
        ..TOLD
    }));
    let target = world.placed().expect("a target");
    world.accept(&target);
    assert_eq!(world.position(), 20);
    (world, target)
}

fn target_told<'a>(id: &'a str, quantity: &'a str) -> Told<'a> {
    Told {
        id,
        side: "SELL",
        lifetime: "GTC",
        quantity,
        ..TOLD
    }
}

#[test]
fn a_reduce_only_order_that_the_exchange_trims_is_what_it_says_and_then_ends() {
    let (mut world, target) = long();
    let id = target.client_order_id.to_string();
    // Somebody sells 15 lots: we ask for a smaller target, and the exchange has trimmed it before.
    world.event(&told(&Told {
        lifetime: "IOC",
        execution: "TRADE",
        state: "FILLED",
        last: "0.015",
        filled: "0.015",
        trade: 800,
        ..target_told("web_1", "0.015")
    }));
    assert_eq!(world.position(), 5);
    assert!(matches!(world.outbox.requests[..], [Request::Amend(_)]));
    world.outbox.requests.clear();
    world.event(&told(&Told {
        execution: "AMENDMENT",
        ..target_told(&id, "0.005")
    }));
    let now = world.look(&target);
    assert_eq!(
        (now.state, now.new.quantity),
        (OrderState::Accepted, Quantity(5))
    );
    assert_eq!(now.exposure(), Quantity(5));
    // Our own request comes too late, and says so.
    let text =
        r#"{"id":"a2","status":400,"error":{"code":-5027,"msg":"No need to modify the order."}}"#;
    let reply = decode_reply(text.as_bytes()).expect("as the exchange writes it");
    let id_of = target.client_order_id;
    world.send(Input::OrderReply(reply.order_reply(
        RequestKind::Amend,
        id_of,
        &instrument(),
    )));
    let now = world.look(&target);
    assert_eq!((now.amending, now.amend_refused), (None, false));
    world.event(&told(&Told {
        execution: "EXPIRED",
        state: "EXPIRED",
        reason: "4",
        ..target_told(&id, "0.005")
    }));
    let now = world.look(&target);
    assert_eq!(
        (now.state, now.exposure()),
        (OrderState::Expired, Quantity(0))
    );
    assert_eq!(world.engine.order_counters().violations, 0);
}

#[test]
fn orders_that_the_exchange_makes_move_the_position_and_no_order_of_ours() {
    let made = [
        (
            "autoclose-1764165000100123456",
            "LIQUIDATION",
            "IOC",
            "CALCULATED",
        ),
        ("adl_autoclose", "LIMIT", "IOC", "TRADE"),
        (
            "settlement_autoclose-1764165000100",
            "MARKET",
            "GTC",
            "TRADE",
        ),
    ];
    for (name, kind, lifetime, execution) in made {
        let (mut world, target) = long();
        let orders = world.engine.orders().live().len();
        world.outbox.observer.0.clear();
        world.event(&told(&Told {
            id: name,
            side: "SELL",
            kind,
            lifetime,
            execution,
            state: "FILLED",
            last: "0.02",
            filled: "0.02",
            trade: 900,
            ..TOLD
        }));
        assert_eq!(world.position(), 0, "{name}");
        assert!(
            world.closed().is_some(),
            "{name}: the strategy's trade is over"
        );
        assert_eq!(world.engine.orders().live().len(), orders, "{name}: I15");
        let fill = world.outbox.observer.0.iter().find_map(|one| match one {
            Record::Fill(fill) => Some(*fill),
            _ => None,
        });
        let fill = fill.expect("a fill in the journal");
        assert_eq!(fill.client_order_id.as_str(), name);
        assert_eq!(fill.strategy, StrategyId(255), "nobody's");
        // The target closes nothing any more: it goes, and no entry follows in the same step.
        let cancels = world.outbox.requests.iter().filter(
            |one| matches!(one, Request::Cancel(one) if one.client_order_id == target.client_order_id),
        );
        assert_eq!(cancels.count(), 1, "{name}");
        assert_eq!(world.engine.order_counters().violations, 0);
    }
}

#[test]
fn an_amendment_told_by_the_exchange_is_the_order_from_then_on() {
    let mut world = World::new(EntryStyle::Maker);
    let order = world.entry();
    world.accept(&order);
    world.depth(&[level(500_001, 60)], &[level(500_001, 0)]);
    let requests: Vec<Request> = world.outbox.requests.to_vec();
    world.outbox.requests.clear();
    let [Request::Amend(amend)] = requests[..] else {
        panic!("{requests:?}")
    };
    let id = order.client_order_id;
    assert_eq!(amend.get().order.price, Price(500_001));
    let text = format!(
        r#"{{"id":"a2","status":200,"result":{{"orderId":77,"symbol":"BTCUSDT","pair":"BTCUSDT","status":"NEW","clientOrderId":"{id}","price":"50000.10","avgPrice":"0.00000","origQty":"0.020","executedQty":"0.000","cumQty":"0.000","cumQuote":"0.00000","timeInForce":"GTX","type":"LIMIT","reduceOnly":false,"closePosition":false,"side":"BUY","positionSide":"BOTH","stopPrice":"0","workingType":"CONTRACT_PRICE","priceProtect":false,"origType":"LIMIT","priceMatch":"NONE","selfTradePreventionMode":"EXPIRE_MAKER","goodTillDate":0,"updateTime":1764165000300}}}}"#
    );
    let reply = decode_reply(text.as_bytes()).expect("as the exchange writes it");
    let reply = reply.order_reply(RequestKind::Amend, id, &world.table[0]);
    world.send(Input::OrderReply(reply));
    let now = world.look(&order);
    assert_eq!((now.new.price, now.amending), (Price(500_001), None));
    assert_eq!(now.amended_at, UtcMs(1_764_165_000_300));
}
