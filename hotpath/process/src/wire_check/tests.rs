//! Both counts against each other.
//!
//! In: counts, and requests that come to the last hop or do not. Out: findings. Never: a socket.

use super::*;
use crate::engine_host::tests::segment;
use crate::gateway::latency_cells::{Frame, LatencyCells};
use engine::Request;
use market::{CancelOrder, ClientOrderId, ExchangeOrderId, InstrumentId, Market};

fn check(name: &str) -> (std::sync::Arc<Segment>, WireCheck) {
    let segment = segment(name);
    let check = WireCheck::new(Telemetry(&segment)).unwrap();
    (segment, check)
}

fn counts(decided: u64, ended: u64) -> Counts {
    Counts { decided, ended }
}

fn mismatches(segment: &Segment) -> u64 {
    sum(segment, &["wire_intent_mismatch_total"])
}

#[test]
fn a_frame_that_nobody_decided_is_found_at_once_and_told_once() {
    let (segment, mut check) = check("wire-undecided");
    assert_eq!(check.judge(counts(3, 3)), Finding::Sound);
    assert_eq!(check.judge(counts(3, 4)), Finding::Undecided(1));
    assert_eq!(check.judge(counts(3, 4)), Finding::Sound);
    assert_eq!(check.judge(counts(5, 6)), Finding::Sound, "the same one");
    assert_eq!(check.judge(counts(5, 7)), Finding::Undecided(2));
    assert_eq!(mismatches(&segment), 2);
}

#[test]
fn a_decision_on_its_way_is_no_mismatch_and_one_that_came_nowhere_is() {
    let (segment, mut check) = check("wire-lost");
    assert_eq!(check.judge(counts(3, 2)), Finding::Sound, "on its way");
    assert_eq!(check.judge(counts(4, 3)), Finding::Sound, "the next one is");
    assert_eq!(check.judge(counts(4, 3)), Finding::Lost(1), "nothing moves");
    assert_eq!(check.judge(counts(9, 8)), Finding::Sound);
    assert_eq!(mismatches(&segment), 1);
}

#[test]
fn the_cells_of_recorder_and_connections_are_what_is_compared() {
    let (segment, mut check) = check("wire-cells");
    let telemetry = Telemetry(&segment);
    let decided = telemetry.counter(DECIDED).unwrap();
    let held_back = telemetry.counter(HELD_BACK).unwrap();
    let hops = [Market::UsdM, Market::Spot].map(|one| LatencyCells::new(telemetry, one, &[]));
    let [usdm, spot] = hops.map(Result::unwrap);
    let order = crate::engine_host::tests::approved_order();
    let cancel = Request::Cancel(CancelOrder {
        client_order_id: ClientOrderId::EMPTY,
        instrument: InstrumentId(0),
        exchange_order_id: ExchangeOrderId(0),
    });
    decided.add(4);
    held_back.add(1);
    usdm.note_frame(&order, Frame::Written);
    usdm.note_frame(&order, Frame::Failed);
    spot.note_frame(&order, Frame::Unsent);
    usdm.note_frame(&cancel, Frame::Written);
    assert_eq!(
        check.look(&segment),
        Finding::Sound,
        "cancels need no decision of risk"
    );
    // A shell that writes an order twice.
    usdm.note_frame(&order, Frame::Written);
    assert_eq!(check.look(&segment), Finding::Undecided(1));
}
