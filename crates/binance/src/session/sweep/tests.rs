//! The sweep against an exchange of a few lines.
//!
//! In: orders and positions, answers that fail. Out: how far the sweep gets. Never: a socket.

use super::*;
use crate::session::HttpReply;
use crate::sign::Signer;
use market::UtcMs;

/// What is at the exchange, and what it does wrong.
#[derive(Default)]
struct World {
    orders: Vec<(&'static str, &'static str)>,
    algo_orders: Vec<(&'static str, &'static str)>,
    positions: Vec<(&'static str, i64)>,
    /// Most that one closing order may have.
    close_max: i64,
    /// Answers that are lost from now on; what was asked is done all the same.
    lose: u32,
    /// Requests as `METHOD path symbol`.
    asked: Vec<String>,
    ids: BTreeSet<String>,
    steps: Vec<KillStep>,
    clock_refusals: u32,
    refuse_clock: u32,
}

impl SweepEvents for World {
    fn step(&mut self, step: KillStep) {
        self.steps.push(step);
    }
    fn clock_refused(&mut self) {
        self.clock_refusals += 1;
    }
}

fn parameter(query: &str, name: &str) -> String {
    let found = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_default().to_string()
}

impl World {
    fn answer(&mut self, request: &HttpRequest) -> (u16, String) {
        let (path, query) = (request.call.path, &request.call.query);
        let symbol = parameter(query, "symbol");
        let method = request.call.method.as_str();
        self.asked
            .push(format!("{method} {path} {symbol}").trim_end().to_string());
        if self.refuse_clock > 0 {
            self.refuse_clock -= 1;
            return (400, r#"{"code":-1021,"msg":"Timestamp"}"#.to_string());
        }
        let ok = |text: String| (200, text);
        match (method, path) {
            ("GET", "/fapi/v1/openOrders" | "/api/v3/openOrders") => {
                let rows = self.orders.iter().map(|(symbol, id)| {
                    format!(
                        r#"{{"symbol":"{symbol}","clientOrderId":"{id}","orderId":1,"side":"BUY",
                        "type":"LIMIT","price":"1","origQty":"1","executedQty":"0"}}"#
                    )
                });
                ok(format!("[{}]", rows.collect::<Vec<_>>().join(",")))
            }
            ("GET", "/fapi/v1/openAlgoOrders") => {
                let rows = self.algo_orders.iter().map(|(symbol, id)| {
                    format!(
                        r#"{{"symbol":"{symbol}","clientAlgoId":"{id}","algoId":1,"side":"SELL",
                        "orderType":"STOP_MARKET"}}"#
                    )
                });
                ok(format!("[{}]", rows.collect::<Vec<_>>().join(",")))
            }
            ("GET", "/fapi/v3/positionRisk") => {
                let rows = self.positions.iter().map(|(symbol, lots)| {
                    format!(
                        r#"{{"symbol":"{symbol}","positionSide":"BOTH","positionAmt":"{lots}"}}"#
                    )
                });
                ok(format!("[{}]", rows.collect::<Vec<_>>().join(",")))
            }
            ("DELETE", "/fapi/v1/allOpenOrders" | "/api/v3/openOrders") => {
                self.orders.retain(|(one, _)| *one != symbol);
                ok("{}".to_string())
            }
            ("DELETE", "/fapi/v1/order") => {
                let id = parameter(query, "origClientOrderId");
                self.orders.retain(|(_, one)| *one != id);
                ok("{}".to_string())
            }
            ("DELETE", "/fapi/v1/algoOpenOrders") => {
                self.algo_orders.retain(|(one, _)| *one != symbol);
                ok("{}".to_string())
            }
            ("DELETE", "/fapi/v1/algoOrder") => {
                let id = parameter(query, "clientAlgoId");
                self.algo_orders.retain(|(_, one)| *one != id);
                ok("{}".to_string())
            }
            ("POST", "/fapi/v1/order") => self.close(query, &symbol),
            other => panic!("not asked for by a sweep: {other:?}"),
        }
    }

    fn close(&mut self, query: &str, symbol: &str) -> (u16, String) {
        assert!(query.contains("reduceOnly=true"), "{query}");
        assert!(
            self.ids.insert(parameter(query, "newClientOrderId")),
            "an id twice: {query}"
        );
        let lots: i64 = parameter(query, "quantity").parse().unwrap();
        if self.close_max > 0 && lots > self.close_max {
            return (400, r#"{"code":-4005,"msg":"Quantity"}"#.to_string());
        }
        let position = self
            .positions
            .iter_mut()
            .find(|(one, _)| *one == symbol)
            .unwrap();
        let sell = parameter(query, "side") == "SELL";
        assert_eq!(sell, position.1 > 0, "{query}");
        position.1 -= lots.min(position.1.abs()) * position.1.signum();
        (200, "{}".to_string())
    }
}

fn sweeper(market: Market, only_prefix: Option<&str>) -> Sweeper {
    let credentials = Credentials {
        api_key: "k".to_string(),
        signer: Signer::hmac(b"s"),
    };
    let settings = SweepSettings {
        market,
        close_positions: true,
        only_prefix: only_prefix.map(str::to_string),
        id_prefix: "fk1-".to_string(),
    };
    Sweeper::new(settings, credentials, 1)
}

fn now(ms: u64) -> Now {
    Now {
        mono: MonoNs(ms * MILLISECOND_NS),
        server: UtcMs(ms as i64),
    }
}

/// Runs it with 500 ms a reply until it is verified, at most a minute; returns the milliseconds.
fn run(sweeper: &mut Sweeper, world: &mut World) -> u64 {
    let mut governor = Governor::new(2_400);
    let mut at = 0;
    while sweeper.is_running() {
        let mut waiting = Vec::new();
        while let Some((number, request)) = sweeper.poll(now(at), &mut governor) {
            let answer = world.answer(&request);
            waiting.push((number, answer));
        }
        at += 500;
        assert!(at < 60_000, "not verified: {:?}", world.asked);
        for (number, (status, body)) in waiting {
            let lost = world.lose > 0;
            world.lose = world.lose.saturating_sub(1);
            let reply = HttpReply {
                status,
                retry_after_s: None,
                used_weight: None,
                body: body.as_bytes(),
            };
            sweeper.on_reply(number, (!lost).then_some(reply), now(at).mono, world);
        }
    }
    at
}

fn symbols(names: &[&str]) -> Vec<Symbol> {
    names
        .iter()
        .map(|name| Symbol::new(name.as_bytes()).unwrap())
        .collect()
}

fn full() -> World {
    World {
        orders: vec![("BTCUSDT", "f1"), ("XRPUSDT", "web_1")],
        algo_orders: vec![("BTCUSDT", "fs1"), ("XRPUSDT", "web_2")],
        positions: vec![("BTCUSDT", 14), ("XRPUSDT", -900)],
        ..World::default()
    }
}

#[test]
fn orders_of_both_kinds_and_positions_on_any_symbol_are_gone_after_three_rounds() {
    let (mut sweeper, mut world) = (sweeper(Market::UsdM, None), full());
    sweeper.start(symbols(&["BTCUSDT"]), true);
    // Cancel and list, act, list: three times half a second.
    assert_eq!(run(&mut sweeper, &mut world), 1_500);
    assert!(world.orders.is_empty() && world.algo_orders.is_empty());
    assert!(world.positions.iter().all(|(_, lots)| *lots == 0));
    // The first act needs no list.
    assert_eq!(world.asked[0], "DELETE /fapi/v1/allOpenOrders BTCUSDT");
    assert_eq!(world.asked[1], "DELETE /fapi/v1/algoOpenOrders BTCUSDT");
    let last = world.steps.last().unwrap();
    assert_eq!((last.act, last.error_code), (KillAct::Verified, 0));
    assert_eq!(world.steps.len(), world.asked.len() + 1);
}

#[test]
fn it_is_verified_only_by_a_list_that_was_asked_for_after_the_last_act() {
    let (mut sweeper, mut world) = (sweeper(Market::UsdM, None), World::default());
    sweeper.start(symbols(&["BTCUSDT"]), true);
    assert_eq!(run(&mut sweeper, &mut world), 1_000);
    let lists = |world: &World| {
        let list = |one: &&String| one.as_str() == "GET /fapi/v1/openAlgoOrders";
        world.asked.iter().filter(list).count()
    };
    assert_eq!(lists(&world), 2);
}

#[test]
fn lost_answers_and_a_refused_clock_are_survived_without_an_id_twice() {
    for lose in 1..30 {
        let (mut sweeper, mut world) = (sweeper(Market::UsdM, None), full());
        (world.lose, world.refuse_clock) = (lose, 2);
        sweeper.start(symbols(&["BTCUSDT"]), true);
        run(&mut sweeper, &mut world);
        assert!(
            world.orders.is_empty() && world.algo_orders.is_empty(),
            "{lose}"
        );
        assert!(world.positions.iter().all(|(_, lots)| *lots == 0), "{lose}");
    }
    let (mut sweeper, mut world) = (sweeper(Market::UsdM, None), full());
    world.refuse_clock = 2;
    sweeper.start(symbols(&["BTCUSDT"]), true);
    run(&mut sweeper, &mut world);
    assert_eq!(world.clock_refusals, 2);
}

#[test]
fn a_position_too_large_for_one_order_is_closed_in_parts() {
    let (mut sweeper, mut world) = (sweeper(Market::UsdM, None), World::default());
    world.positions = vec![("SHIBUSDT", 10_001)];
    world.close_max = 1_500;
    sweeper.start([], true);
    run(&mut sweeper, &mut world);
    assert_eq!(world.positions, [("SHIBUSDT", 0)]);
}

#[test]
fn foreign_orders_stay_where_only_ours_are_meant_and_positions_where_they_are_kept() {
    let (mut sweeper, mut world) = (sweeper(Market::UsdM, Some("f")), full());
    sweeper.start(symbols(&["BTCUSDT"]), false);
    run(&mut sweeper, &mut world);
    assert_eq!(world.orders, [("XRPUSDT", "web_1")]);
    assert_eq!(world.algo_orders, [("XRPUSDT", "web_2")]);
    assert_eq!(world.positions, full().positions);
}

#[test]
fn our_protective_stops_go_where_only_ours_are_meant() {
    // The engine's prefix, as the kill and the emergency binary give it.
    let (mut sweeper, mut world) = (sweeper(Market::UsdM, Some("fu")), World::default());
    world.algo_orders = vec![
        ("BTCUSDT", "fulcrum-stop-000070000000001"),
        ("XRPUSDT", "web_2"),
    ];
    assert!(
        world.algo_orders[0]
            .1
            .starts_with(market::PROTECTIVE_STOP_PREFIX)
    );
    sweeper.start(symbols(&["BTCUSDT"]), false);
    run(&mut sweeper, &mut world);
    assert_eq!(world.algo_orders, [("XRPUSDT", "web_2")]);
}

#[test]
fn spot_has_no_conditional_orders_and_no_positions() {
    let (mut sweeper, mut world) = (sweeper(Market::Spot, None), World::default());
    world.orders = vec![("BTCUSDT", "f1")];
    sweeper.start(symbols(&["BTCUSDT", "ETHUSDT"]), true);
    run(&mut sweeper, &mut world);
    assert!(world.orders.is_empty());
    assert!(
        world
            .asked
            .iter()
            .all(|one| one.contains("/api/v3/openOrders")),
        "{:?}",
        world.asked
    );
}

#[test]
fn a_start_during_a_sweep_goes_on_and_one_after_it_begins_anew() {
    let (mut sweeper, mut world) = (sweeper(Market::UsdM, None), full());
    // Positions were to be kept at first.
    sweeper.start(symbols(&["BTCUSDT"]), false);
    let mut governor = Governor::new(2_400);
    assert!(sweeper.poll(now(0), &mut governor).is_some());
    sweeper.start(symbols(&["BTCUSDT"]), true);
    assert_eq!(sweeper.under_way.len(), 1);
    let (_, task) = sweeper.under_way.remove(0);
    sweeper.queue.push_front(task);
    run(&mut sweeper, &mut world);
    assert!(world.positions.iter().all(|(_, lots)| *lots == 0));
    world.orders.push(("BTCUSDT", "late"));
    sweeper.start(symbols(&["BTCUSDT"]), true);
    assert!(!sweeper.is_verified());
    run(&mut sweeper, &mut world);
    assert!(world.orders.is_empty());
}

#[test]
fn a_look_asks_for_lists_alone_and_sweeps_what_came_since() {
    let (mut sweeper, mut world) = (sweeper(Market::UsdM, None), full());
    sweeper.look_again();
    assert!(!sweeper.is_running(), "nothing was verified yet");
    sweeper.start(symbols(&["BTCUSDT"]), true);
    run(&mut sweeper, &mut world);
    world.asked.clear();
    sweeper.look_again();
    assert!(sweeper.is_verified(), "until it sees something");
    assert_eq!(run(&mut sweeper, &mut world), 500);
    assert_eq!(world.asked.len(), 3, "{:?}", world.asked);
    assert!(world.asked.iter().all(|one| one.starts_with("GET")));
    world.algo_orders.push(("ETHUSDT", "web_9"));
    sweeper.look_again();
    let mut governor = Governor::new(2_400);
    for _ in 0..3 {
        let (number, request) = sweeper.poll(now(0), &mut governor).unwrap();
        let (status, body) = world.answer(&request);
        let reply = HttpReply {
            status,
            retry_after_s: None,
            used_weight: None,
            body: body.as_bytes(),
        };
        sweeper.on_reply(number, Some(reply), now(0).mono, &mut world);
    }
    assert!(!sweeper.is_verified(), "it has seen something");
    run(&mut sweeper, &mut world);
    assert!(world.algo_orders.is_empty() && sweeper.is_verified());
}

#[test]
fn a_kill_under_a_ban_goes_on_at_its_end() {
    let (mut sweeper, mut world) = (sweeper(Market::UsdM, None), full());
    let mut governor = Governor::new(2_400);
    let banned = HttpReply {
        status: 418,
        retry_after_s: Some(30),
        used_weight: None,
        body: b"",
    };
    governor.on_reply(&banned, now(1_000));
    sweeper.start(symbols(&["BTCUSDT"]), true);
    assert!(sweeper.poll(now(1_000), &mut governor).is_none());
    assert_eq!(sweeper.next_deadline(), Some(now(31_000).mono));
    let (number, request) = sweeper.poll(now(31_000), &mut governor).unwrap();
    assert_eq!(request.call.path, "/fapi/v1/allOpenOrders");
    assert_eq!(sweeper.next_deadline(), None);
    // Another number than the one under way answers nothing.
    sweeper.on_reply(number + 1, None, now(31_500).mono, &mut world);
    assert!(world.steps.is_empty() && !sweeper.is_verified());
}

#[test]
fn lists_that_fail_or_cannot_be_read_verify_nothing_and_are_asked_for_again() {
    let (mut sweeper, mut world) = (sweeper(Market::UsdM, None), World::default());
    let mut governor = Governor::new(2_400);
    sweeper.start(Vec::new(), true);
    let mut waiting = Vec::new();
    // Each list is asked for twice without a pause.
    for round in 0..2 {
        while let Some((number, request)) = sweeper.poll(now(500 * round), &mut governor) {
            waiting.push((number, request.call.path));
        }
        assert_eq!(waiting.len(), 3);
        for (number, path) in waiting.drain(..) {
            // One has no code of the exchange, the others are no lists.
            let (status, body): (u16, &[u8]) = match path {
                "/fapi/v1/openOrders" => (502, b"<html>"),
                _ => (200, b"{}"),
            };
            let reply = HttpReply {
                status,
                retry_after_s: None,
                used_weight: None,
                body,
            };
            let at = now(500 * (round + 1)).mono;
            sweeper.on_reply(number, Some(reply), at, &mut world);
        }
    }
    let told: Vec<_> = world
        .steps
        .iter()
        .map(|one| (one.act, one.error_code))
        .collect();
    let lists = [
        (KillAct::OrdersListed, 502),
        (KillAct::AlgoOrdersListed, NO_ANSWER),
        (KillAct::PositionsListed, NO_ANSWER),
    ];
    assert_eq!(told, [lists, lists].concat());
    assert!(!sweeper.is_verified() && sweeper.is_running());
    let again = sweeper.next_deadline().unwrap();
    assert!(again > now(1_000).mono);
    assert!(
        sweeper
            .poll(
                Now {
                    mono: again,
                    ..now(0)
                },
                &mut governor
            )
            .is_some()
    );
}
