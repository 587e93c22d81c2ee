//! The machine against every order of losses, refusals, triggers and deaths.
//!
//! In: turns that a generator makes. Out: the stops that lie there in the end. Never: an id twice.

use super::world::{Fate, World};
use super::*;

/// What the world does next.
#[derive(Clone, Debug)]
enum Turn {
    /// The position becomes this: its average, negative for short, 0 for none.
    Hold(i64),
    /// The next request meets this.
    Meet(Fate),
    /// The stop that lies there triggers, and the position with it.
    Trigger,
    /// Somebody takes our stop away.
    TakeAway,
    /// The stream of the account breaks, and is whole again.
    Doubt,
    /// The process dies: what follows knows nothing.
    Die,
    /// Time passes.
    Wait(u64),
}

fn turn() -> impl proptest::strategy::Strategy<Value = Turn> {
    use proptest::prelude::*;
    let entry = prop_oneof![Just(0), Just(600_000), Just(603_000), Just(-598_000)];
    let code = prop_oneof![
        Just(-1021),
        Just(-2021),
        Just(-4045),
        Just(-1001),
        Just(-1007)
    ];
    let fate = prop_oneof![
        Just(Fate::LostAfter),
        Just(Fate::LostBefore),
        code.prop_map(Fate::Refused)
    ];
    prop_oneof![
        4 => entry.prop_map(Turn::Hold),
        4 => fate.prop_map(Turn::Meet),
        1 => Just(Turn::Trigger),
        1 => Just(Turn::TakeAway),
        1 => Just(Turn::Doubt),
        1 => Just(Turn::Die),
        6 => (1u64..20).prop_map(|steps| Turn::Wait(250 * steps)),
    ]
}

proptest::proptest! {
    /// Whatever happens to answers, stops, streams and processes: no id is used twice, a direction
    /// has one stop at most, somebody else's stays, and once the world is quiet a position has
    /// exactly its stop, and none has none.
    #[test]
    fn in_the_end_a_position_has_its_stop_whatever_happened_before(
        turns in proptest::collection::vec(turn(), 1..60),
    ) {
        let mut world = World::default();
        world.put("ETHUSDT", "SELL", "1000.00", "somebody-else");
        let mut rig = Rig::new(world);
        let (mut entry, mut epoch) = (0, 7);
        for turn in turns {
            match turn {
                Turn::Hold(next) => entry = next,
                Turn::Meet(fate) => rig.world.fates.push_back(fate),
                Turn::Trigger => {
                    let side = if entry > 0 { "SELL" } else { "BUY" };
                    let mut rows = rig.world.rows.iter_mut();
                    let found = rows.find(|row| {
                        row.status == "NEW" && row.symbol == "BTCUSDT" && row.side == side
                    });
                    if let Some(row) = found.filter(|_| entry != 0) {
                        row.status = "FINISHED";
                        entry = 0;
                    }
                }
                Turn::TakeAway => {
                    let mut rows = rig.world.rows.iter_mut();
                    if let Some(row) = rows.find(|row| row.status == "NEW" && row.id != "somebody-else") {
                        row.status = "CANCELED";
                    }
                }
                Turn::Doubt => {
                    rig.machine.set_ready(false, now(rig.ms).mono);
                    rig.run(750);
                    rig.machine.set_ready(true, now(rig.ms).mono);
                }
                Turn::Die => {
                    epoch += 1;
                    let mut next = Rig::new(std::mem::take(&mut rig.world));
                    next.machine.settings.epoch = epoch;
                    next.ms = rig.ms + 2_000;
                    // What was on its way has arrived or never will.
                    next.machine.set_ready(true, now(next.ms).mono);
                    next.machine.list_due = now(next.ms).mono;
                    rig = next;
                }
                Turn::Wait(ms) => rig.run(ms),
            }
            rig.hold(entry);
            rig.run(250);
            for side in ["BUY", "SELL"] {
                proptest::prop_assert!(rig.world.ours(side) <= 1, "{side}");
            }
        }
        // The world is quiet: two lists later all is as it should be.
        rig.world.fates.clear();
        rig.hold(entry);
        rig.run(2 * CHECK_MS + 40_000);
        let (buys, sells) = (rig.world.ours("BUY"), rig.world.ours("SELL"));
        let expected = (usize::from(entry < 0), usize::from(entry > 0));
        proptest::prop_assert_eq!((buys, sells), expected, "{:?}", rig.world.said);
        proptest::prop_assert_eq!(rig.exposed(), 0);
        let other = rig.world.rows.iter().find(|row| row.id == "somebody-else");
        proptest::prop_assert_eq!(other.map(|row| row.status), Some("NEW"));
    }
}
