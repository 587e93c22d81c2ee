//! The machine against an exchange of a few lines, by the texts that both sides write.
//!
//! In: positions that come, turn and go, answers that fail. Out: which stops lie there, and what
//! was said of them. Never: a socket.

mod whatever;
mod world;

use super::*;
use crate::session::MILLISECOND_NS;
use crate::sign::Signer;
use market::{Filters, InstrumentId, InstrumentStatus, Market, Quantity, Step, UtcMs};
use world::{Fate, World};

fn instrument(id: u16, symbol: &str) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        market: Market::UsdM,
        symbol: Symbol::new(symbol.as_bytes()).unwrap(),
        tick: Step::from_text(b"0.10").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}

/// The machine, the exchange and a clock.
struct Rig {
    machine: Protector,
    world: World,
    governor: Governor,
    ms: u64,
    /// What is ours of a position that is shared.
    part: Option<Quantity>,
}

fn now(ms: u64) -> Now {
    Now {
        mono: MonoNs(ms * MILLISECOND_NS),
        server: UtcMs(ms as i64),
    }
}

const CHECK_MS: u64 = 60_000;

impl Rig {
    fn new(world: World) -> Self {
        let settings = ProtectSettings {
            distance_bps: 100,
            trigger: TriggerPrice::Mark,
            replace_above_bps: 10,
            check_every_ns: CHECK_MS * MILLISECOND_NS,
            epoch: 7,
        };
        let credentials = Credentials {
            api_key: "k".to_string(),
            signer: Signer::hmac(b"s"),
        };
        let instruments = [instrument(0, "BTCUSDT"), instrument(1, "ETHUSDT")];
        let mut machine = Protector::new(settings, instruments, credentials, 1);
        machine.set_ready(true, now(1_000).mono);
        Self {
            machine,
            world,
            governor: Governor::new(2_400),
            ms: 1_000,
            part: None,
        }
    }

    /// Goes on for so long, a quarter of a second at a time; answers come at once.
    fn run(&mut self, ms: u64) {
        let end = self.ms + ms;
        while self.ms < end {
            self.turn();
            self.ms += 250;
        }
    }

    fn turn(&mut self) {
        while let Some((number, request)) = self.machine.poll(now(self.ms), &mut self.governor) {
            let answer = self.world.answer(&request);
            let reply = answer.as_ref().map(|(status, body)| HttpReply {
                status: *status,
                retry_after_s: None,
                used_weight: None,
                body: body.as_bytes(),
            });
            let mono = now(self.ms).mono;
            self.machine.on_reply(number, reply, mono, &mut self.world);
        }
    }

    /// A position of BTCUSDT with this average; 0 for flat, negative for short.
    fn hold(&mut self, entry: i64) {
        let holding = (entry != 0).then(|| Holding {
            closing: if entry > 0 { Side::Sell } else { Side::Buy },
            entry: Price(entry.abs()),
            mark: Price(entry.abs()),
            part: self.part,
        });
        self.machine.set_holding(0, holding, now(self.ms).mono);
    }

    fn exposed(&self) -> u32 {
        self.machine.exposure(now(self.ms).mono).positions
    }
}

#[test]
fn a_stop_follows_its_position_from_the_first_fill_to_the_last() {
    let mut rig = Rig::new(World::default());
    rig.run(2_000);
    assert_eq!(rig.world.asked, ["GET /fapi/v1/openAlgoOrders"]);
    rig.hold(600_000);
    assert_eq!(rig.exposed(), 1);
    rig.run(250);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59400.00"]);
    assert_eq!(rig.exposed(), 0);
    // A small move of the average is none; a larger one is followed: first away, then anew.
    rig.hold(600_500);
    rig.run(1_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59400.00"]);
    rig.hold(601_000);
    rig.run(1_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59499.00"]);
    let said = [
        "PLACED SELL 594000 stands 594000",
        "CANCELLED SELL 594000 stands 0",
        "REPLACED SELL 594990 stands 594990",
    ];
    assert_eq!(rig.world.said(), said);
    // A position that turns has the new stop before the old one is gone.
    rig.hold(-600_000);
    rig.run(1_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT BUY 60600.00"]);
    let said = [
        "PLACED BUY 606000 stands 606000",
        "CANCELLED SELL 594990 stands 606000",
    ];
    assert_eq!(rig.world.said(), said);
    // Flat for a moment is nothing; flat is flat.
    rig.hold(0);
    rig.run(500);
    rig.hold(-600_000);
    rig.run(500);
    rig.hold(0);
    rig.run(750);
    assert_eq!(rig.world.lying(), ["BTCUSDT BUY 60600.00"]);
    rig.run(500);
    assert!(rig.world.lying().is_empty());
    assert_eq!(rig.world.said(), ["CANCELLED BUY 606000 stands 0"]);
}

#[test]
fn beside_a_position_of_somebody_else_the_stop_closes_ours_alone() {
    let mut rig = Rig::new(World::default());
    // A stop of theirs does not keep ours out, and closes nothing of ours.
    rig.world
        .put("BTCUSDT", "SELL", "50000.00", "somebody-else");
    rig.part = Some(Quantity(20));
    rig.hold(600_000);
    rig.run(1_000);
    let theirs = "BTCUSDT SELL 50000.00";
    assert_eq!(rig.world.lying(), [theirs, "BTCUSDT SELL 59400.00 0.020"]);
    // It follows the size, and after a restart as well.
    rig.part = Some(Quantity(35));
    rig.hold(600_000);
    rig.run(1_000);
    assert_eq!(rig.world.lying(), [theirs, "BTCUSDT SELL 59400.00 0.035"]);
    let world = std::mem::take(&mut rig.world);
    let mut rig = Rig::new(world);
    rig.machine.settings.epoch += 1;
    rig.part = Some(Quantity(35));
    rig.hold(600_000);
    rig.run(1_000);
    assert_eq!(rig.world.lying(), [theirs, "BTCUSDT SELL 59400.00 0.035"]);
    assert_eq!(rig.world.count("POST /fapi/v1/algoOrder"), 2);
    // Once they have closed, and taken their stop away, ours closes whatever there is.
    rig.world.rows[0].status = "CANCELED";
    rig.run(CHECK_MS);
    rig.part = None;
    rig.hold(600_000);
    rig.run(1_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59400.00"]);
}

#[test]
fn while_positions_are_in_doubt_stops_are_placed_and_none_is_taken_away() {
    let mut rig = Rig::new(World::default());
    rig.run(1_000);
    rig.machine.set_settled(false);
    rig.hold(600_000);
    rig.run(1_000);
    let placed = ["BTCUSDT SELL 59400.00"];
    assert_eq!(rig.world.lying(), placed);
    for held in [620_000, 0] {
        rig.hold(held);
        rig.run(10_000);
        assert_eq!(rig.world.lying(), placed);
    }
    // Turned, as far as is known: the other direction gets its own, and this one stays.
    rig.hold(-600_000);
    rig.run(10_000);
    assert_eq!(rig.world.lying(), [placed[0], "BTCUSDT BUY 60600.00"]);
    rig.machine.set_settled(true);
    rig.run(1_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT BUY 60600.00"]);
}

#[test]
fn a_start_sweeps_what_is_orphaned_doubled_or_strange_and_keeps_what_fits() {
    let mut world = World::default();
    world.put("BTCUSDT", "SELL", "59395.00", "fulcrum-stop-fits");
    world.put("BTCUSDT", "SELL", "50000.00", "fulcrum-stop-double");
    world.put("BTCUSDT", "SELL", "50000.00", "somebody-else");
    world.put("ETHUSDT", "BUY", "4000.00", "fulcrum-stop-orphan");
    world.put("XRPUSDT", "SELL", "0.5", "fulcrum-stop-strange");
    world.put("XRPUSDT", "SELL", "0.6", "fulcrum-stop-strange-too");
    let mut rig = Rig::new(world);
    rig.hold(600_000);
    rig.run(3_000);
    assert_eq!(
        rig.world.lying(),
        ["BTCUSDT SELL 59395.00", "BTCUSDT SELL 50000.00"],
        "ours that fits, and somebody else's"
    );
    assert_eq!(rig.world.count("POST /fapi/v1/algoOrder"), 0);
    let said = rig.world.said();
    for step in [
        "ADOPTED SELL 593950 stands 593950",
        "CANCELLED SELL 500000 stands 593950",
        "ORPHAN_CANCELLED BUY 40000 stands 0",
        "ORPHAN_CANCELLED SELL 0 stands 0",
    ] {
        assert!(said.contains(&step.to_string()), "{step}: {said:?}");
    }
}

#[test]
fn a_placement_without_an_answer_is_asked_for_and_never_sent_twice() {
    // It arrived.
    let mut rig = Rig::new(World::default());
    rig.run(250);
    rig.world.fates.push_back(Fate::LostAfter);
    rig.hold(600_000);
    rig.run(2_000);
    assert_eq!(rig.world.count("POST /fapi/v1/algoOrder"), 1);
    let said = [
        "UNKNOWN SELL 594000 code 1 stands 0",
        "PLACED SELL 594000 stands 594000",
    ];
    assert_eq!(rig.world.said(), said);
    // It never did, and that is known only after its window, by two answers a second apart.
    let mut rig = Rig::new(World::default());
    rig.run(250);
    rig.world.fates.push_back(Fate::LostBefore);
    rig.hold(600_000);
    rig.run(3_750);
    assert_eq!(rig.world.count("POST /fapi/v1/algoOrder"), 1);
    assert_eq!(rig.exposed(), 1);
    rig.run(1_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59400.00"]);
    let said = [
        "UNKNOWN SELL 594000 code 1 stands 0",
        "NEVER_THERE SELL 594000 code -2013 stands 0",
        "PLACED SELL 594000 stands 594000",
    ];
    assert_eq!(rig.world.said(), said);
}

#[test]
fn a_stop_that_triggers_is_told_with_the_order_that_it_became() {
    let mut rig = Rig::new(World::default());
    rig.hold(600_000);
    rig.run(500);
    rig.world.rows[0].status = "FINISHED";
    rig.hold(0);
    rig.run(1_500);
    assert_eq!(
        rig.world.said().last().unwrap(),
        "TRIGGERED SELL 594000 stands 0"
    );
    assert_eq!(rig.world.count("POST /fapi/v1/algoOrder"), 1);
}

#[test]
fn a_stop_that_somebody_took_away_is_missed_at_the_next_list_and_placed_again() {
    let mut rig = Rig::new(World::default());
    rig.hold(600_000);
    rig.run(500);
    rig.world.rows[0].status = "CANCELED";
    rig.run(CHECK_MS);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59400.00"]);
    let said = [
        "PLACED SELL 594000 stands 594000",
        "LOST SELL 594000 stands 0",
        "PLACED SELL 594000 stands 594000",
    ];
    assert_eq!(rig.world.said(), said);
}

#[test]
fn a_cancel_without_an_answer_is_looked_into() {
    for fate in [Fate::LostAfter, Fate::LostBefore] {
        let mut rig = Rig::new(World::default());
        rig.hold(600_000);
        rig.run(500);
        rig.hold(0);
        rig.world.fates.push_back(fate);
        rig.run(5_000);
        assert!(rig.world.lying().is_empty());
        let said = rig.world.said();
        assert_eq!(said.last().unwrap(), "CANCELLED SELL 594000 stands 0");
        assert_eq!(said.len(), 2, "{said:?}");
    }
}

#[test]
fn a_price_that_is_beyond_the_stop_already_gets_one_from_the_mark() {
    let mut rig = Rig::new(World::default());
    rig.run(250);
    rig.world.fates.push_back(Fate::Refused(-2021));
    let holding = Holding {
        closing: Side::Sell,
        entry: Price(600_000),
        mark: Price(580_000),
        part: None,
    };
    rig.machine.set_holding(0, Some(holding), now(rig.ms).mono);
    rig.run(500);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 57420.00"]);
    // It stays there: a price that falls on does not take it along.
    let lower = Holding {
        mark: Price(576_000),
        ..holding
    };
    rig.machine.set_holding(0, Some(lower), now(rig.ms).mono);
    rig.run(10_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 57420.00"]);
    assert_eq!(rig.world.count("POST /fapi/v1/algoOrder"), 2);
}

#[test]
fn a_stop_of_somebody_else_in_the_same_direction_is_left_to_do_it() {
    let mut rig = Rig::new(World::default());
    rig.run(250);
    rig.world
        .put("BTCUSDT", "SELL", "59000.00", "somebody-else");
    rig.hold(600_000);
    rig.run(5_000);
    assert_eq!(rig.world.count("POST /fapi/v1/algoOrder"), 1, "-4130");
    assert_eq!(rig.exposed(), 0);
    let said = rig.world.said();
    assert_eq!(
        said.last().unwrap(),
        "LEFT_TO_OTHER SELL 590000 stands 590000"
    );
    // One of ours for a position that was the other way round has no use beside it.
    rig.hold(-600_000);
    rig.run(1_000);
    let both = ["BTCUSDT SELL 59000.00", "BTCUSDT BUY 60600.00"];
    assert_eq!(rig.world.lying(), both);
    rig.hold(600_000);
    rig.run(1_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59000.00"]);
    // When it is gone ours takes its place.
    rig.world.rows[0].status = "CANCELED";
    rig.run(CHECK_MS + 1_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59400.00"]);
}

#[test]
fn refusals_wait_longer_each_time_and_a_refused_clock_is_told() {
    let mut rig = Rig::new(World::default());
    rig.run(250);
    rig.world.fates.extend([Fate::Refused(-1021); 20]);
    rig.hold(600_000);
    rig.run(30_000);
    let tried = rig.world.count("POST /fapi/v1/algoOrder");
    assert!((4..=9).contains(&tried), "{tried}");
    assert_eq!(rig.world.clock_refusals as usize, tried);
    assert_eq!(rig.exposed(), 1);
    let exposure = rig.machine.exposure(now(rig.ms).mono);
    assert_eq!(exposure.longest_ns, 30_000 * MILLISECOND_NS);
}

#[test]
fn nothing_is_done_while_positions_are_not_known_or_a_kill_sweeps() {
    let mut rig = Rig::new(World::default());
    rig.machine.set_ready(false, now(rig.ms).mono);
    rig.hold(600_000);
    rig.run(5_000);
    assert_eq!(rig.machine.next_deadline(), None);
    assert!(rig.world.asked.is_empty());
    rig.machine.set_ready(true, now(rig.ms).mono);
    rig.run(250);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59400.00"]);
    // A kill takes it away; what comes after begins with a list.
    rig.machine.set_ready(false, now(rig.ms).mono);
    rig.world.rows[0].status = "CANCELED";
    rig.hold(0);
    rig.run(5_000);
    rig.machine.set_ready(true, now(rig.ms).mono);
    rig.run(2_000);
    let tail = &rig.world.asked[rig.world.asked.len() - 2..];
    assert_eq!(
        tail,
        ["GET /fapi/v1/openAlgoOrders", "GET /fapi/v1/algoOrder"]
    );
}

#[test]
fn its_lists_leave_the_weight_to_others_and_its_stops_pass_a_spent_budget() {
    let mut rig = Rig::new(World::default());
    rig.run(250);
    rig.governor = Governor::new(100);
    assert!(rig.governor.admit(79, now(rig.ms)).is_ok());
    rig.hold(600_000);
    rig.run(250);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59400.00"]);
    let lists = rig.world.count("GET /fapi/v1/openAlgoOrders");
    rig.machine.list_due = now(rig.ms).mono;
    rig.run(1_000);
    assert_eq!(rig.world.count("GET /fapi/v1/openAlgoOrders"), lists);
}

#[test]
fn an_average_that_never_rests_costs_no_more_placements_than_the_budget_has() {
    let mut rig = Rig::new(World::default());
    for turn in 0..80 {
        rig.hold(600_000 + (turn % 2) * 20_000);
        rig.run(250);
    }
    let placed = rig.world.count("POST /fapi/v1/algoOrder");
    assert!(placed <= 2 * PLACEMENTS_MAX, "{placed} in 20 s");
    assert!(placed >= PLACEMENTS_MAX, "{placed} in 20 s");
}

#[test]
fn the_next_look_is_never_due_already() {
    let mut rig = Rig::new(World::default());
    for entry in [0, 600_000, 600_000, 0, 0] {
        rig.hold(entry);
        rig.turn();
        let due = rig.machine.next_deadline().unwrap();
        assert!(due > now(rig.ms).mono, "{entry}");
        rig.ms += 500;
    }
}

/// The exchange keeps ended ones for a while only.
#[test]
fn a_stop_that_the_exchange_has_forgotten_is_lost_and_placed_anew() {
    let mut rig = Rig::new(World::default());
    rig.hold(600_000);
    rig.run(1_000);
    rig.world.said();
    rig.world.rows.clear();
    rig.run(CHECK_MS + 2_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59400.00"]);
    let said = [
        "LOST SELL 594000 code -2013 stands 0",
        "PLACED SELL 594000 stands 594000",
    ];
    assert_eq!(rig.world.said(), said);
}

#[test]
fn a_cancel_whose_answer_is_lost_has_happened_when_the_exchange_knows_the_stop_no_more() {
    let mut rig = Rig::new(World::default());
    rig.hold(600_000);
    rig.run(1_000);
    rig.world.said();
    rig.world.fates.push_back(Fate::LostAfter);
    rig.hold(0);
    while rig.world.count("DELETE /fapi/v1/algoOrder") == 0 {
        rig.run(250);
        assert!(rig.ms < 60_000);
    }
    rig.world.rows.clear();
    rig.run(10_000);
    assert_eq!(
        rig.world.said(),
        ["CANCELLED SELL 594000 code -2013 stands 0"]
    );
    assert_eq!(rig.world.count("DELETE /fapi/v1/algoOrder"), 1);
}

#[test]
fn a_stop_of_ours_on_a_symbol_without_a_guard_is_cancelled_until_it_is_gone() {
    let mut rig = Rig::new(World::default());
    let id = ClientOrderId::compose(PROTECTIVE_STOP_PREFIX, 6, 1);
    rig.world.put("XRPUSDT", "SELL", "1.00", id.as_str());
    // The list, and a cancel that does not arrive.
    rig.world.fates.extend([Fate::Done, Fate::LostBefore]);
    rig.run(CHECK_MS / 2);
    assert_eq!(rig.world.lying(), [""; 0]);
    assert_eq!(rig.world.said().len(), 1);
    // No answer is for nobody.
    rig.machine
        .on_reply(999, None, now(rig.ms).mono, &mut rig.world);
    assert!(rig.world.said().is_empty());
}

#[test]
fn a_refusal_without_a_code_of_the_exchange_is_told_by_its_status() {
    let mut rig = Rig::new(World::default());
    rig.run(250);
    rig.world.fates.push_back(Fate::Refused(0));
    rig.hold(600_000);
    rig.run(250);
    assert_eq!(rig.world.said(), ["REFUSED SELL 594000 code 400 stands 0"]);
    // The position does not stay without one.
    rig.run(10_000);
    assert_eq!(rig.world.lying(), ["BTCUSDT SELL 59400.00"]);
}

#[test]
fn strange_stops_are_cancelled_one_after_the_other() {
    let mut rig = Rig::new(World::default());
    for number in 1..=2 {
        let id = ClientOrderId::compose(PROTECTIVE_STOP_PREFIX, 6, number);
        rig.world.put("XRPUSDT", "SELL", "1.00", id.as_str());
    }
    let poll = |rig: &mut Rig| rig.machine.poll(now(rig.ms), &mut rig.governor);
    for asked in ["openAlgoOrders", "algoOrder", "algoOrder"] {
        let (number, request) = poll(&mut rig).unwrap();
        assert!(request.call.path.ends_with(asked));
        assert!(poll(&mut rig).is_none(), "one at a time");
        let (status, body) = rig.world.answer(&request).unwrap();
        let reply = HttpReply {
            status,
            retry_after_s: None,
            used_weight: None,
            body: body.as_bytes(),
        };
        let mono = now(rig.ms).mono;
        rig.machine
            .on_reply(number, Some(reply), mono, &mut rig.world);
    }
    assert!(rig.world.lying().is_empty() && poll(&mut rig).is_none());
}
