//! The practice itself, on real sockets.
//!
//! In: a clock, a folder. Out: counts of orders and failures. Never: an exchange.

use super::*;
use ipc::{Segment, SegmentLayout};

fn rehearsal() -> Rehearsal {
    let folder = std::env::temp_dir().join(format!(
        "fulcrum-rehearsal-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let layout = SegmentLayout::default();
    let segment = Segment::create(&folder.join("segment"), &layout, 1, 1, 1).unwrap();
    let (clock, _keeper) = TickClock::start();
    let rehearsal = Rehearsal::new(Telemetry(&segment), &folder, &clock, 1_000_000).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    rehearsal
}

#[test]
fn every_rehearsal_ends_in_an_order_and_its_reply() {
    let mut rehearsal = rehearsal();
    for round in 1..=2_000u64 {
        let now = rehearsal.host.now();
        rehearsal.practise(now);
        assert_eq!(rehearsal.orders.get(), round);
    }
    assert_eq!((rehearsal.done.get(), rehearsal.failed.get()), (2_000, 0));
}

#[test]
fn a_rehearsal_allocates_nothing() {
    let mut rehearsal = rehearsal();
    let now = rehearsal.host.now();
    rehearsal.practise(now);
    crate::allocation::guard_this_thread();
    let before = crate::allocation::guarded_counts();
    for _ in 0..200 {
        rehearsal.practise(now);
    }
    let after = crate::allocation::guarded_counts();
    crate::allocation::release_this_thread();
    assert_eq!(before, after);
}

#[test]
fn it_is_due_again_after_its_time_and_never_once_it_is_broken() {
    let mut rehearsal = rehearsal();
    let now = rehearsal.host.now();
    assert!(rehearsal.is_due(now));
    rehearsal.practise(now);
    assert!(!rehearsal.is_due(now));
    assert!(rehearsal.is_due(now.after(1_000_000)));
    drop(rehearsal.desk.slots[0].wire.socket.take());
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while rehearsal.is_due(now.after(1_000_000)) {
        assert!(std::time::Instant::now() < patience, "it never broke");
        rehearsal.practise(now);
    }
    assert_eq!(rehearsal.failed.get(), 1);
    assert!(!rehearsal.is_due(now.after(1_000_000)));
}

#[test]
fn days_of_requests_are_answered_and_fill_no_ring() {
    let mut rehearsal = rehearsal();
    let mut now = rehearsal.host.now();
    for _ in 0..5_000 {
        // Two minutes later the engine asks how the account stands.
        now = now.after(120_000_000_000);
        let Rehearsal { host, desk, .. } = &mut rehearsal;
        host.take_at(now, Input::Time, desk);
        rehearsal.practise(now);
        assert!(rehearsal.host.engine().account_page().reconciled);
    }
    assert_eq!(rehearsal.failed.get(), 0);
}
