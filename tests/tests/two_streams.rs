//! Two redundant market streams, on real processes and sockets.
//!
//! In: an exchange that loses frames and breaks one of two connections. Out: books without a gap and
//! without a pause. Never: a look inside.

use std::time::Duration;
use tests::rig::Rig;
use tests::wait_for;

const INLINE: &str = "[hot_path]\nhot_io = \"inline\"\nengine_wait = \"yield\"\n";
const THREADS: &str = "[hot_path]\nhot_io = \"threads\"\nengine_wait = \"yield\"\n";
const SOON: Duration = Duration::from_secs(30);

/// One figure of the books' stream, the connections of which have numbers.
struct Figures<'a>(&'a Rig);

impl Figures<'_> {
    fn get(&self, name: &str) -> f64 {
        self.0.figure(&format!("fulcrum_{name} ")).unwrap_or(-1.0)
    }

    fn gaps(&self) -> f64 {
        self.get("book_gaps_total{market=\"usdm\",symbol=\"BTCUSDT\"}")
    }

    /// Times that the book was built anew, for whatever reason.
    fn snapshots(&self) -> f64 {
        self.get("book_snapshots_total{market=\"usdm\"}")
    }

    fn connected(&self, stream: &str) -> bool {
        self.get(&format!(
            "ws_connected{{market=\"usdm\",stream=\"{stream}\"}}"
        )) == 1.0
    }

    fn copies(&self, stream: &str, copy: &str) -> f64 {
        self.get(&format!(
            "market_copies_total{{copy=\"{copy}\",market=\"usdm\",stream=\"{stream}\"}}"
        ))
    }

    fn missed(&self) -> f64 {
        self.copies("public", "missed") + self.copies("public_2", "missed")
    }

    fn broken(&self) -> f64 {
        let of = |stream: &str| {
            self.get(&format!(
                "ws_reconnects_total{{market=\"usdm\",reason=\"disconnected\",stream=\"{stream}\"}}"
            ))
        };
        of("public") + of("public_2")
    }
}

fn start(name: &str, io: &str, connections: u32) -> Rig {
    let lines = format!("{io}[market_data]\nconnections = {connections}\n");
    let mut rig = Rig::new(name, "BTCUSDT", &lines);
    rig.start_hot_path();
    rig.start_control();
    wait_for("the book is there", SOON, || {
        let figures = Figures(&rig);
        let synced = figures.get("book_synced{market=\"usdm\",symbol=\"BTCUSDT\"}") == 1.0;
        synced && figures.connected("public")
    });
    rig
}

#[test]
fn a_gap_or_the_end_of_one_of_two_connections_leaves_the_book_as_it_is() {
    for (name, io) in [("two-inline", INLINE), ("two-threads", THREADS)] {
        let rig = start(name, io, 2);
        let figures = Figures(&rig);
        wait_for("both bring something", SOON, || {
            figures.connected("public_2") && figures.copies("public_2", "second") > 0.0
        });
        assert!(!figures.connected("public_3"), "one rests");
        let snapshots = figures.snapshots();
        // A frame is lost on one connection, again and again: the other one has it. The frame behind
        // it is what shows the loss, so that the next one is lost only then.
        for _ in 0..3 {
            let missed = figures.missed();
            rig.inject("drop-one:1");
            wait_for("a loss that the other one made good", SOON, || {
                figures.missed() > missed
            });
        }
        // One connection breaks, and comes back.
        let broken = figures.broken();
        rig.inject("disconnect-one:1");
        wait_for("one broke", SOON, || figures.broken() > broken);
        wait_for("it is back", SOON, || {
            figures.connected("public") && figures.connected("public_2")
        });
        let after = figures.copies("public", "second") + figures.copies("public_2", "second");
        wait_for("both bring something again", SOON, || {
            figures.copies("public", "second") + figures.copies("public_2", "second") > after
        });
        assert_eq!(
            (figures.gaps(), figures.snapshots()),
            (0.0, snapshots),
            "{name}"
        );
        assert_eq!(rig.status()["market_stream_up"], true);
        // Both break: now it is built anew.
        rig.inject("disconnect:1");
        wait_for("it is built anew", SOON, || figures.snapshots() > snapshots);
    }
}

#[test]
fn with_one_connection_its_end_is_the_end_of_the_book() {
    let rig = start("one-inline", INLINE, 1);
    let figures = Figures(&rig);
    let snapshots = figures.snapshots();
    rig.inject("disconnect-one:1");
    wait_for("it is built anew", SOON, || figures.snapshots() > snapshots);
}
