//! What is decoded is encoded to the same text.

use crate::captures::sessions;
use crate::owned::{LEVELS_MAX, Owned, fast, fast_snapshot};
use binance::encode::{self, Layout, MarkPriceDetail};
use market::{DepthUpdate, Instrument, Instruments, Level, Rate, UtcMs};
use recordings::MessageKind;

#[test]
fn recorded_messages_come_back_byte_for_byte() {
    let Some(sessions) = sessions() else { return };
    let mut levels = vec![Level::default(); LEVELS_MAX];
    let (mut equal, mut of_another_key_set) = (0u64, 0u64);
    for (session, instrument) in sessions {
        let table = [*instrument];
        let instruments = Instruments(&table);
        for message in session.messages() {
            let message = message.expect("captures are readable");
            if message.kind == MessageKind::Other {
                continue;
            }
            let text = core::str::from_utf8(&message.payload).unwrap();
            if matches!(message.kind, MessageKind::Snapshot { .. }) {
                snapshot_comes_back(text, instrument);
                equal += 1;
                continue;
            }
            // Until 2023 spot trades named both orders; no field of ours holds them.
            if message.kind == MessageKind::Trade && text.contains("\"b\":") {
                of_another_key_set += 1;
                continue;
            }
            let owned = fast(text.as_bytes(), &instruments, session.market, &mut levels);
            let encoded = encoded(&owned.unwrap(), text, instrument);
            assert_eq!(core::str::from_utf8(&encoded).unwrap(), text);
            equal += 1;
        }
    }
    println!("{equal} messages equal, {of_another_key_set} with keys that we do not keep");
    assert!(equal > of_another_key_set);
}

fn encoded(owned: &Owned, text: &str, instrument: &Instrument) -> Vec<u8> {
    let mut out = Vec::new();
    let layout = Layout::Classic;
    match owned {
        Owned::Depth(header, bids, asks) => {
            let update = DepthUpdate {
                header: *header,
                bids,
                asks,
            };
            encode::depth_update(&mut out, instrument, &update, layout);
        }
        Owned::BookTicker(ticker) => encode::book_ticker(&mut out, instrument, ticker, layout),
        Owned::Trade(trade) => encode::trade(&mut out, instrument, trade, layout),
        Owned::AggTrade(trade) => encode::agg_trade(&mut out, instrument, trade, layout),
        Owned::MarkPrice(_) => encode::mark_price(&mut out, instrument, &detail(text), layout),
        other => panic!("{other:?} is no market message"),
    }
    out
}

/// The mark price's fields that the event does not keep.
fn detail(text: &str) -> MarkPriceDetail {
    let fields: serde_json::Value = serde_json::from_str(text).unwrap();
    let decimal = |name: &str| {
        let text = fields[name].as_str().unwrap();
        market::parse_signed_decimal(text.as_bytes(), 8).unwrap()
    };
    let time = |name: &str| UtcMs(fields[name].as_i64().unwrap());
    MarkPriceDetail {
        mark_e8: decimal("p"),
        average_e8: 0,
        index_e8: decimal("i"),
        settle_e8: decimal("P"),
        funding_rate: Rate(decimal("r")),
        next_funding_time: time("T"),
        event_time: time("E"),
    }
}

fn snapshot_comes_back(text: &str, instrument: &Instrument) {
    let snapshot = fast_snapshot(text.as_bytes(), instrument, 100).unwrap();
    let mut out = Vec::new();
    encode::snapshot(
        &mut out,
        instrument,
        snapshot.last_update_id,
        snapshot.event_time,
        &snapshot.bids,
        &snapshot.asks,
    );
    // Some recorders wrote it with spaces; the encoder knows one time, the exchange two.
    let transaction = format!("\"T\":{}", snapshot.transaction_time.0);
    let event = format!("\"T\":{}", snapshot.event_time.0);
    let expected = text.replace(", ", ",").replace(": ", ":");
    let expected = expected.replace(&transaction, &event);
    assert_eq!(core::str::from_utf8(&out).unwrap(), expected);
}
