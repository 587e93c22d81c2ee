//! Set-ups of an account, against texts.
//!
//! In: bodies as the exchange writes them. Out: which requests follow, which reports. Never: a
//! socket.

use super::*;
use crate::session::HttpReply;
use crate::sign::Signer;
use market::{Filters, Instrument, InstrumentStatus, Market, Step as Grid, Symbol, UtcMs};

#[derive(Default)]
struct Seen(Vec<SetupReport>);

impl SetupEvents for Seen {
    fn setup(&mut self, report: SetupReport) {
        self.0.push(report);
    }
    fn told(&mut self, _: String) {}
}

fn table() -> Vec<Instrument> {
    ["BTCUSDT", "ETHUSDT"]
        .iter()
        .enumerate()
        .map(|(id, symbol)| Instrument {
            id: InstrumentId(id as u16),
            market: Market::UsdM,
            symbol: Symbol::new(symbol.as_bytes()).unwrap(),
            tick: Grid::from_text(b"0.10").unwrap(),
            lot: Grid::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        })
        .collect()
}

fn at(second: u64) -> Now {
    Now {
        mono: MonoNs(second * SECOND_NS),
        server: UtcMs(second as i64 * 1_000),
    }
}

fn reply(status: u16, body: &str) -> HttpOutcome<'_> {
    Some(HttpReply {
        status,
        retry_after_s: None,
        used_weight: None,
        body: body.as_bytes(),
    })
}

fn wish(id: u16, margin_type: Option<MarginType>, leverage: LeverageWish) -> SetupWish {
    SetupWish {
        instrument: InstrumentId(id),
        margin_type,
        leverage,
    }
}

/// Runs a script of (request, status, body); what is asked must be just that.
fn run(setup: &mut AccountSetup, second: u64, script: &[(&str, u16, &str)]) -> Vec<SetupReport> {
    let table = table();
    let instruments = Instruments(&table);
    let (mut governor, mut seen) = (Governor::new(2_400), Seen::default());
    for (wanted, status, body) in script {
        let request = setup.poll(at(second), &mut governor, &instruments);
        let call = request.expect(wanted).call;
        let stamp = ["recvWindow", "timestamp", "signature"];
        let own = call.query.split('&');
        let own: Vec<&str> = own
            .filter(|one| !stamp.iter().any(|key| one.starts_with(key)))
            .collect();
        let asked = format!("{} {}?{}", call.method.as_str(), call.path, own.join("&"));
        assert_eq!(asked.trim_end_matches('?'), *wanted);
        setup.on_reply(
            reply(*status, body),
            at(second).mono,
            &instruments,
            &mut seen,
        );
    }
    assert_eq!(setup.poll(at(second), &mut governor, &instruments), None);
    seen.0
}

const MODE: &str = "GET /fapi/v1/positionSide/dual";
const CONFIG: &str = "GET /fapi/v1/symbolConfig";
const ONE_WAY: &str = r#"{"dualSidePosition":false}"#;
const HEDGE: &str = r#"{"dualSidePosition":true}"#;

fn config(btc: (&str, u32), eth: (&str, u32)) -> String {
    let row = |symbol, (margin, leverage): (&str, u32)| {
        format!(
            r#"{{"symbol":"{symbol}","marginType":"{margin}","isAutoAddMargin":false,"leverage":{leverage},"maxNotionalValue":"1"}}"#
        )
    };
    format!("[{},{}]", row("BTCUSDT", btc), row("ETHUSDT", eth))
}

fn faults(reports: &[SetupReport]) -> Vec<(Option<SetupFault>, i64)> {
    let all = reports.iter().map(|one| (one.fault, one.error_code));
    all.collect()
}

fn setup(wishes: Vec<SetupWish>) -> AccountSetup {
    let credentials = Credentials {
        api_key: "k".to_string(),
        signer: Signer::hmac(b"s"),
    };
    AccountSetup::new(wishes, credentials, 1)
}

fn capped() -> AccountSetup {
    let any = LeverageWish::AtMost(6);
    setup(vec![wish(0, None, any), wish(1, None, any)])
}

#[test]
fn an_account_that_is_as_wanted_is_only_read() {
    let mut setup = capped();
    assert!(!setup.is_settled());
    let config = config(("CROSSED", 6), ("ISOLATED", 1));
    let reports = run(
        &mut setup,
        1,
        &[(MODE, 200, ONE_WAY), (CONFIG, 200, &config)],
    );
    assert_eq!(faults(&reports), [(None, 0), (None, 0)]);
    assert_eq!((reports[1].leverage, reports[1].isolated), (1, true));
    assert!(setup.is_settled());
    // Asked again it reads again, and tells nothing where nothing has changed.
    setup.want(at(2).mono);
    let again = run(
        &mut setup,
        2,
        &[(MODE, 200, ONE_WAY), (CONFIG, 200, &config)],
    );
    assert_eq!(again, []);
    assert_eq!(setup.next_deadline(), Some(MonoNs(602 * SECOND_NS)));
}

#[test]
fn what_differs_is_set_and_only_what_is_read_afterwards_counts() {
    let mut setup = setup(vec![
        wish(0, Some(MarginType::Isolated), LeverageWish::Exactly(3)),
        wish(1, None, LeverageWish::AtMost(6)),
    ]);
    let (before, after) = (
        config(("CROSSED", 20), ("CROSSED", 20)),
        config(("ISOLATED", 3), ("CROSSED", 6)),
    );
    let reports = run(
        &mut setup,
        1,
        &[
            (MODE, 200, HEDGE),
            (
                "POST /fapi/v1/positionSide/dual?dualSidePosition=false",
                200,
                "{}",
            ),
            (MODE, 200, ONE_WAY),
            (CONFIG, 200, &before),
            (
                "POST /fapi/v1/marginType?marginType=ISOLATED&symbol=BTCUSDT",
                200,
                "{}",
            ),
            // No answer: what is read decides.
            ("POST /fapi/v1/leverage?leverage=3&symbol=BTCUSDT", 503, ""),
            (
                "POST /fapi/v1/leverage?leverage=6&symbol=ETHUSDT",
                200,
                "{}",
            ),
            (CONFIG, 200, &after),
        ],
    );
    assert_eq!(faults(&reports), [(None, 0), (None, 0)]);
}

#[test]
fn a_refusal_to_change_what_is_so_already_is_success() {
    let mut setup = setup(vec![wish(
        0,
        Some(MarginType::Crossed),
        LeverageWish::AtMost(6),
    )]);
    let stale = config(("ISOLATED", 5), ("CROSSED", 5));
    let fresh = config(("CROSSED", 5), ("CROSSED", 5));
    let no_need = r#"{"code":-4046,"msg":"No need to change margin type."}"#;
    let reports = run(
        &mut setup,
        1,
        &[
            (MODE, 200, ONE_WAY),
            (CONFIG, 200, &stale),
            (
                "POST /fapi/v1/marginType?marginType=CROSSED&symbol=BTCUSDT",
                400,
                no_need,
            ),
            (CONFIG, 200, &fresh),
        ],
    );
    assert_eq!(faults(&reports), [(None, 0)]);
}

#[test]
fn any_other_refusal_leaves_that_instrument_alone_without_entries() {
    let mut setup = capped();
    let config = config(("CROSSED", 20), ("CROSSED", 3));
    let refused = r#"{"code":-4161,"msg":"Leverage reduction is not supported in Isolated Margin Mode with open positions"}"#;
    let reports = run(
        &mut setup,
        1,
        &[
            (MODE, 200, ONE_WAY),
            (CONFIG, 200, &config),
            (
                "POST /fapi/v1/leverage?leverage=6&symbol=BTCUSDT",
                400,
                refused,
            ),
            (CONFIG, 200, &config),
        ],
    );
    assert_eq!(
        faults(&reports),
        [(Some(SetupFault::Leverage), -4_161), (None, 0)]
    );
    assert!(setup.is_settled(), "the appliance starts all the same");
}

#[test]
fn hedge_mode_that_cannot_be_left_holds_all_entries_back() {
    let mut setup = capped();
    let held =
        r#"{"code":-4068,"msg":"Position side cannot be changed if there exists position."}"#;
    let reports = run(
        &mut setup,
        1,
        &[
            (MODE, 200, HEDGE),
            (
                "POST /fapi/v1/positionSide/dual?dualSidePosition=false",
                400,
                held,
            ),
            (MODE, 200, HEDGE),
        ],
    );
    let fault = (Some(SetupFault::HedgeMode), -4_068);
    assert_eq!(faults(&reports), [fault, fault]);
}

#[test]
fn an_exchange_that_does_not_say_is_asked_again_and_holds_entries_back_meanwhile() {
    let mut setup = capped();
    let mut reports = Vec::new();
    for second in [1, 10, 100] {
        assert!(!setup.is_settled());
        reports = run(&mut setup, second, &[(MODE, 500, "")]);
    }
    let fault = (Some(SetupFault::Unverified), 0);
    assert_eq!(faults(&reports), [fault, fault]);
    assert!(setup.is_settled());
    let config = config(("CROSSED", 5), ("CROSSED", 5));
    let reports = run(
        &mut setup,
        400,
        &[(MODE, 200, ONE_WAY), (CONFIG, 200, &config)],
    );
    assert_eq!(faults(&reports), [(None, 0), (None, 0)]);
    // What was read once stays as it was read while the exchange says nothing.
    setup.want(at(500).mono);
    assert_eq!(run(&mut setup, 500, &[(MODE, 500, "")]), []);
}

#[test]
fn a_set_up_that_waits_for_weight_goes_on_where_it_was() {
    let table = table();
    let instruments = Instruments(&table);
    let mut setup = capped();
    let mut seen = Seen::default();
    let mut governor = Governor::new(2_400);
    let mode = setup.poll(at(1), &mut governor, &instruments);
    assert_eq!(mode.unwrap().call.path, "/fapi/v1/positionSide/dual");
    assert_eq!(setup.poll(at(1), &mut governor, &instruments), None);
    assert_eq!(setup.next_deadline(), None);
    let one_way = reply(200, ONE_WAY);
    setup.on_reply(one_way, at(1).mono, &instruments, &mut seen);
    governor.admit_emergency(2_300, at(1)).unwrap();
    assert_eq!(setup.poll(at(1), &mut governor, &instruments), None);
    assert_eq!(setup.next_deadline(), Some(at(60).mono));
    // An answer that nobody waits for is none.
    setup.on_reply(one_way, at(2).mono, &instruments, &mut seen);
    let config = setup.poll(at(60), &mut governor, &instruments);
    assert_eq!(config.unwrap().call.path, "/fapi/v1/symbolConfig");
    assert!(seen.0.is_empty() && !setup.is_settled());
}

#[test]
fn a_change_that_is_told_while_the_account_is_read_has_it_read_once_more() {
    let table = table();
    let instruments = Instruments(&table);
    let (mut setup, mut seen) = (capped(), Seen::default());
    let mut governor = Governor::new(2_400);
    let before = config(("CROSSED", 6), ("CROSSED", 6));
    for body in [ONE_WAY, &before] {
        assert!(setup.poll(at(1), &mut governor, &instruments).is_some());
        setup.want(at(1).mono);
        setup.on_reply(reply(200, body), at(1).mono, &instruments, &mut seen);
    }
    let script = [(MODE, 200, ONE_WAY), (CONFIG, 200, &before)];
    assert_eq!(run(&mut setup, 1, &script), []);
}

#[test]
fn texts_that_cannot_be_read_settle_nothing_and_a_symbol_that_is_not_listed_is_unverified() {
    let mut setup = capped();
    assert_eq!(run(&mut setup, 1, &[(MODE, 200, "{}")]), []);
    let absurd = config(("CROSSED", 6), ("SOMEHOW", 6));
    for (second, status, body) in [(70, 200, absurd.as_str()), (140, 503, "")] {
        let script = [(MODE, 200, ONE_WAY), (CONFIG, status, body)];
        let reports = run(&mut setup, second, &script);
        let unverified = reports
            .iter()
            .all(|one| one.fault == Some(SetupFault::Unverified));
        assert!(unverified, "{reports:?}");
    }
    let one = r#"[{"symbol":"BTCUSDT","marginType":"CROSSED","leverage":6},
        {"symbol":"XYZUSDT","marginType":"ISOLATED","leverage":100}]"#;
    let mut setup = capped();
    let reports = run(&mut setup, 1, &[(MODE, 200, ONE_WAY), (CONFIG, 200, one)]);
    let unverified = Some(SetupFault::Unverified);
    assert_eq!(faults(&reports), [(None, 0), (unverified, 0)]);
}

#[test]
fn a_margin_type_that_the_exchange_does_not_change_is_a_fault_with_its_reason() {
    let wish = wish(0, Some(MarginType::Isolated), LeverageWish::AtMost(6));
    let mut setup = setup(vec![wish]);
    let config = config(("CROSSED", 6), ("CROSSED", 6));
    let set = "POST /fapi/v1/marginType?marginType=ISOLATED&symbol=BTCUSDT";
    let refused =
        r#"{"code":-4048,"msg":"Margin type cannot be changed if there exists position."}"#;
    let script = [
        (MODE, 200, ONE_WAY),
        (CONFIG, 200, config.as_str()),
        (set, 400, refused),
        (CONFIG, 200, config.as_str()),
    ];
    let reports = run(&mut setup, 1, &script);
    assert_eq!(faults(&reports), [(Some(SetupFault::MarginType), -4048)]);
}
