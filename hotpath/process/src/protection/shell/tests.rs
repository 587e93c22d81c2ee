//! What the machine of the stops is shown, and when.
//!
//! In: pages, a latch. Out: the calls that the machine makes. Never: a position that no page shows.

use super::*;
use binance::rest::TriggerPrice;
use binance::session::{HttpReply, ProtectSettings};
use binance::sign::{Credentials, Signer};
use engine::{Engine, EngineConfig};
use ipc::{PageWriter, SegmentLayout};
use market::page::AccountPage;
use market::{
    Filters, Instrument, InstrumentId, InstrumentStatus, Market, Quantity, Step, Symbol, UtcMs,
    Wire as _,
};

const MS: u64 = 1_000_000;

fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(0),
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").unwrap(),
        tick: Step::from_text(b"0.1").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}

/// A segment whose file is gone already; its pages show a position of 2 lots.
fn segment(name: &str) -> (Segment, PageWriter) {
    let file = format!("fulcrum-protection-{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(file);
    let layout = SegmentLayout {
        instrument_pages: 1,
        ..SegmentLayout::default()
    };
    let segment = Segment::create(&path, &layout, 1, 1, 1).unwrap();
    std::fs::remove_file(&path).unwrap();
    let engine = Engine::new(EngineConfig::new(vec![instrument()]));
    let account = AccountPage {
        trading_state: TradingState::Active,
        ..engine.account_page()
    };
    let mut bytes = [0; PAGE_BYTES_MAX];
    let length = account.to_bytes(&mut bytes).unwrap();
    segment
        .account_page_writer()
        .unwrap()
        .write(&bytes[..length]);
    let mut writer = segment.instrument_page_writer(0).unwrap();
    show(&mut writer, true);
    (segment, writer)
}

/// The position on its page.
fn show(writer: &mut PageWriter, reconciled: bool) {
    let engine = Engine::new(EngineConfig::new(vec![instrument()]));
    let held = InstrumentPage {
        position: Quantity(2),
        cost_tick_lots: 2 * 600_000,
        reconciled,
        ..engine.instrument_page(InstrumentId(0))
    };
    let mut bytes = [0; PAGE_BYTES_MAX];
    let length = held.to_bytes(&mut bytes).unwrap();
    writer.write(&bytes[..length]);
}

fn machine() -> Protector {
    let settings = ProtectSettings {
        distance_bps: 100,
        trigger: TriggerPrice::Mark,
        replace_above_bps: 10,
        check_every_ns: 60 * SECOND_NS,
        epoch: 1,
    };
    let credentials = Credentials {
        api_key: "key".to_string(),
        signer: Signer::from_secret_text("0123456789abcdef0123456789abcdef").unwrap(),
    };
    Protector::new(settings, [instrument()], credentials, 1)
}

const fn at(mono: u64) -> Now {
    Now {
        mono: MonoNs(mono),
        server: UtcMs(1_700_000_000_000),
    }
}

/// Steps are of no interest here.
struct Silent;

impl ProtectEvents for Silent {
    fn step(&mut self, _: ProtectionStep) {}

    fn clock_refused(&mut self) {}
}

/// Looks, and asks for the next call: its method.
fn turn(watch: &mut Watch, machine: &mut Protector, segment: &Segment, now: u64) -> Option<String> {
    watch.look(machine, segment, MonoNs(now));
    let mut governor = Governor::new(2_400);
    let (number, request) = machine.poll(at(now), &mut governor)?;
    let method = request.call.method.as_str();
    if request.call.path == "/fapi/v1/openAlgoOrders" {
        let reply = HttpReply {
            status: 200,
            retry_after_s: None,
            used_weight: None,
            body: b"[]",
        };
        machine.on_reply(number, Some(reply), MonoNs(now), &mut Silent);
    }
    Some(format!("{method} {}", request.call.path))
}

#[test]
fn a_position_on_the_pages_gets_its_stop_after_a_look_at_what_is_there() {
    let ((segment, _), mut machine) = (segment("placed"), machine());
    let mut watch = Watch::new(vec![0]);
    let mut calls = Vec::new();
    for now in [MS, 2 * MS, 3 * MS] {
        calls.extend(turn(&mut watch, &mut machine, &segment, now));
    }
    let wanted = ["GET /fapi/v1/openAlgoOrders", "POST /fapi/v1/algoOrder"];
    assert_eq!(calls, wanted);
}

/// A market that is in doubt again, of which positions were known once, goes on being protected.
#[test]
fn a_doubt_keeps_no_position_bare_and_a_start_that_knows_nothing_places_nothing() {
    let ((segment, mut writer), mut machine) = (segment("doubted"), machine());
    let mut watch = Watch::new(vec![0]);
    show(&mut writer, false);
    for now in [MS, 300 * MS] {
        assert_eq!(turn(&mut watch, &mut machine, &segment, now), None);
    }
    show(&mut writer, true);
    let listed = turn(&mut watch, &mut machine, &segment, 600 * MS);
    assert!(listed.is_some_and(|call| call.starts_with("GET")));
    show(&mut writer, false);
    let placed = turn(&mut watch, &mut machine, &segment, 900 * MS);
    assert!(placed.is_some_and(|call| call.starts_with("POST")));
}

#[test]
fn a_kill_ends_placements_at_once_and_not_at_the_next_look() {
    let ((segment, _), mut machine) = (segment("killed"), machine());
    let mut watch = Watch::new(vec![0]);
    let listed = turn(&mut watch, &mut machine, &segment, MS);
    assert!(listed.is_some_and(|call| call.starts_with("GET")));
    segment.latch_kill();
    for now in [2 * MS, 100 * MS, 300 * MS, 5_000 * MS] {
        let call = turn(&mut watch, &mut machine, &segment, now);
        assert_eq!(call, None, "after {} ms", now / MS);
    }
}
