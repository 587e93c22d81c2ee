//! The decoders on the hot threads do not touch the allocator.
//!
//! In: every kind of message, sound and broken. Out: a count of allocations, which must be 0.
//! Never: a figure that cannot move: one allocation on purpose is counted first.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use binance::orders::{RequestEncoder, Stamp, decode_reply};
use binance::session::{Feed, MarketEvents, MarketRoute, MarketSession};
use binance::sign::{Credentials, Signer};
use binance::user_data::decode_user_message;
use binance::{DecodeError, StreamMessage};
use market::{
    CancelOrder, ClientOrderId, ExchangeOrderId, Filters, Instrument, InstrumentId,
    InstrumentStatus, Instruments, IntentId, Level, Market, MonoNs, NewOrder, OrderType, Price,
    Quantity, RequestKind, Side, Step, StrategyId, Symbol, TimeInForce, UtcMs,
};

const STREAM_FRAMES: [&str; 8] = [
    r#"{"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":1571889248277,"T":1571889248276,"s":"BTCUSDT","ps":"BTCUSDT","U":390497796,"u":390497878,"pu":390497794,"b":[["7403.80","0.002"],[ "7403.1\u0030","0.000", [] ]],"a":[["7405.90","0.000"]],"st":1}}"#,
    r#"{"b":[["7403.80","0.002"]],"a":[],"pu":1,"u":3,"U":2,"s":"BTCUSDT","T":1,"E":1,"e":"depthUpdate"}"#,
    r#"{"e":"bookTicker","u":400900217,"s":"BTCUSDT","b":"25.30","B":"31.210","a":"25.40","A":"40.660","T":1568014460891,"E":1568014460893}"#,
    r#"{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":3,"p":"28145.17","q":"0.002","X":"ADL","m":false}"#,
    r#"{"e":"aggTrade","E":1,"a":5,"s":"BTCUSDT","p":"1000.10","q":"100","f":1,"l":1,"T":1,"m":true}"#,
    r#"{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":"11794.15","r":"0.00038167","T":1562306400000}"#,
    r#"{"error":{"code":2,"msg":"Invalid request"},"id":1}"#,
    r#"{"e":"depthUpdate","E":1,"s":"BTCUSDT","nested":[[[[{"a":[1,2,"é\ud83d\ude00"]}]]]],"b":[["x""#,
];

const REPLY: &str = r#"{"id":"p1","status":200,"result":{"orderId":325078477,"symbol":"BTCUSDT","status":"NEW","clientOrderId":"fu00001000000001","price":"43187.00","origQty":"0.100","executedQty":"0.000"},"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":300,"count":1}]}"#;

const USER_FRAMES: [&str; 2] = [
    r#"{"e":"ORDER_TRADE_UPDATE","T":1742585119595,"E":1742585119596,"o":{"s":"BTCUSDT","c":"KWsJ1UBaWM1C0IhvgdXxZb","S":"BUY","o":"MARKET","f":"GTC","q":"0.100","p":"0","ap":"84146.50000","sp":"0","x":"TRADE","X":"FILLED","i":4129479931,"l":"0.100","z":"0.100","L":"84146.50","n":"3.36586000","N":"USDT","T":1742585119595,"t":310194316,"b":"0","a":"0","m":false,"R":false,"rp":"0"}}"#,
    r#"{"e":"ACCOUNT_UPDATE","T":1742585119595,"E":1742585119596,"a":{"B":[{"a":"USDT","wb":"15237.42937172","cw":"15237.42937172","bc":"0"}],"P":[{"s":"BTCUSDT","pa":"0.100","ep":"84146.5","ps":"BOTH"}],"m":"ORDER"}}"#,
];

#[test]
fn decoders_and_request_encoder_never_allocate() {
    let control = allocation_counter::measure(|| {
        std::hint::black_box(vec![0u8; 100]);
    });
    assert_eq!(control.count_total, 1, "the counter counts");

    let instrument = btcusdt();
    let table = [instrument];
    let instruments = Instruments(&table);
    let mut levels = [Level::default(); 64];
    let client_order_id = ClientOrderId::compose("fu", 1, 1);
    let mut requests = RequestEncoder::new(Credentials {
        api_key: "key".into(),
        signer: Signer::hmac(b"secret"),
    });
    let mut frame = Vec::with_capacity(2048);
    let measured = allocation_counter::measure(|| {
        let mut sound = 0;
        for text in STREAM_FRAMES {
            let message = binance::decode_stream_message(
                text.as_bytes(),
                &instruments,
                Market::UsdM,
                &mut levels,
            );
            sound += u32::from(message.is_ok());
        }
        assert_eq!(sound, 7, "all but the broken one");
        let reply = decode_reply(REPLY.as_bytes()).unwrap();
        let reply = reply.order_reply(RequestKind::Place, client_order_id, &instrument);
        assert_eq!(reply.error_code, 0);
        for text in USER_FRAMES {
            decode_user_message(text.as_bytes(), &instruments, Market::UsdM).unwrap();
        }
        write_requests(&mut requests, &mut frame, &instrument, client_order_id);
    });
    assert_eq!(measured.count_total, 0, "{measured:?}");
}

/// Counts what went on.
#[derive(Default)]
struct Passed {
    messages: u32,
}

impl MarketEvents for Passed {
    fn market_data(&mut self, _: StreamMessage<'_>) {
        self.messages += 1;
    }
    fn book_doubtful(&mut self, _: InstrumentId) {}
    fn parse_error(&mut self, _: DecodeError) {}
    fn stream(&mut self, _: Market, _: bool) {}
}

/// One difference of three.
fn difference(number: u64) -> String {
    let last = 100 + number;
    format!(
        r#"{{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":{last},"u":{last},"pu":{},"b":[["7403.80","0.002"]],"a":[["7405.90","0.000"]]}}"#,
        last - 1
    )
}

#[test]
fn two_streams_become_one_without_an_allocation_with_gaps_that_are_filled_too() {
    let table = [btcusdt()];
    let instruments = Instruments(&table);
    let route = MarketRoute::Public;
    let mut feed = Feed::new(route, 2, 1);
    let mut sessions =
        [1, 2].map(|seed| MarketSession::relieved(route, "ws://h", &instruments, 100, seed));
    let mut passed = Passed::default();
    let now = MonoNs(1_000);
    for (number, session) in sessions.iter_mut().enumerate() {
        feed.poll(number, session, now, &mut passed);
        feed.on_connected(number, session, now, &mut passed);
    }
    let frames: Vec<String> = (0..40).map(difference).collect();
    let measured = allocation_counter::measure(|| {
        for (number, frame) in frames.iter().enumerate() {
            for connection in [0, 1] {
                // The first one loses every fourth.
                if connection == 0 && number % 4 == 2 {
                    continue;
                }
                // The second one is three behind.
                let late = frames.get(number.wrapping_sub(3));
                let Some(frame) = (if connection == 0 { Some(frame) } else { late }) else {
                    continue;
                };
                let session = &mut sessions[connection];
                let bytes = frame.as_bytes();
                feed.on_frame(connection, session, bytes, now, &instruments, &mut passed);
            }
        }
    });
    assert_eq!(measured.count_total, 0, "{measured:?}");
    let counts = (feed.counts(0), feed.counts(1));
    assert!(
        passed.messages >= 37 && counts.1.filled >= 9,
        "{} {counts:?}",
        passed.messages
    );
}

fn write_requests(
    requests: &mut RequestEncoder,
    frame: &mut Vec<u8>,
    instrument: &Instrument,
    client_order_id: ClientOrderId,
) {
    let stamp = Stamp {
        timestamp: UtcMs(1_499_827_319_559),
        recv_window_ms: 1000,
    };
    let order = NewOrder {
        client_order_id,
        intent: IntentId(1),
        instrument: instrument.id,
        strategy: StrategyId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::PostOnly,
        price: Price(281_451),
        quantity: Quantity(2),
        reduce_only: true,
    };
    let named = CancelOrder {
        client_order_id,
        instrument: instrument.id,
        exchange_order_id: ExchangeOrderId(0),
    };
    requests.place(frame, 1, instrument, &order, stamp);
    requests.cancel(frame, 2, instrument, &named, stamp);
}

fn btcusdt() -> Instrument {
    Instrument {
        id: InstrumentId(0),
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").unwrap(),
        tick: Step::from_text(b"0.10").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}
