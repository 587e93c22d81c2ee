//! What is said about which machine.
//!
//! In: facts as machines state them. Out: findings. Never: the machine that this runs on, except
//! for the reading itself.

use super::*;
use crate::tick_clock::TickClock;

const LOCK_BYTES: u64 = 1 << 20;

/// A machine that lacks nothing.
fn quiet() -> Facts {
    let text = |text: &str| Some(text.to_string());
    Facts {
        core: 3,
        spinning: true,
        cores: 4,
        isolated: text("1,2-5\n"),
        nohz_full: text("3\n"),
        governor: text("performance\n"),
        clock_source: text("tsc\n"),
        counter_unfit: None,
        huge_pages: text("always [madvise] never\n"),
        lock_limit: None,
        stat: text("cpu3 1 2 3 4 5 6 7 99 0 0\ncpu30 1 2 3 4 5 6 7 5000 0 0\n"),
        protocols: text("espintcp mptcp tls\n"),
    }
}

#[test]
fn a_quiet_machine_lacks_nothing() {
    assert_eq!(findings(&quiet(), LOCK_BYTES), []);
}

#[test]
fn each_lack_is_one_sentence_with_what_to_do() {
    type Change = fn(&mut Facts);
    let cases: [(Change, Weight, &str); 13] = [
        (|facts| facts.cores = 1, Weight::Warning, "engine_wait"),
        (
            |facts| facts.isolated = Some("1,2,30-31\n".into()),
            Weight::Warning,
            "isolcpus=3",
        ),
        (
            |facts| facts.isolated = Some("\n".into()),
            Weight::Warning,
            "isolcpus=3",
        ),
        (|facts| facts.isolated = None, Weight::Warning, "isolcpus=3"),
        (
            |facts| facts.nohz_full = Some(" (null)\n".into()),
            Weight::Warning,
            "nohz_full=3",
        ),
        (
            |facts| facts.governor = Some("powersave\n".into()),
            Weight::Warning,
            "scaling_governor",
        ),
        (
            |facts| facts.clock_source = Some("hpet\n".into()),
            Weight::Warning,
            "clocksource=tsc",
        ),
        (
            |facts| facts.counter_unfit = Some("no counter".into()),
            Weight::Warning,
            "no counter",
        ),
        (
            |facts| facts.huge_pages = Some("[always] madvise never\n".into()),
            Weight::Warning,
            "transparent_hugepage=madvise",
        ),
        (
            |facts| facts.lock_limit = Some((1 << 20) - 1),
            Weight::Warning,
            "LimitMEMLOCK",
        ),
        (
            |facts| facts.stat = Some("cpu3 1 2 3 4 5 6 7 250 0 0\n".into()),
            Weight::Warning,
            "for 2 s",
        ),
        (
            |facts| facts.protocols = Some("espintcp mptcp\n".into()),
            Weight::Info,
            "module `tls`",
        ),
        (|facts| facts.protocols = None, Weight::Info, "module `tls`"),
    ];
    for (change, weight, named) in cases {
        let mut facts = quiet();
        change(&mut facts);
        let found = findings(&facts, LOCK_BYTES);
        assert_eq!(found.len(), 1, "{named}: {found:?}");
        assert_eq!(found[0].weight, weight);
        assert!(found[0].text.contains(named), "{}", found[0].text);
    }
}

#[test]
fn a_thread_that_yields_needs_no_core_of_its_own() {
    let yielding = Facts {
        spinning: false,
        cores: 1,
        isolated: None,
        nohz_full: None,
        governor: None,
        clock_source: Some("kvm-clock\n".to_string()),
        lock_limit: Some(LOCK_BYTES),
        ..quiet()
    };
    assert_eq!(findings(&yielding, LOCK_BYTES), []);
}

#[test]
fn this_machine_can_be_read() {
    let (_, keeper) = TickClock::start();
    let facts = Facts::read(0, true, &keeper);
    assert!(facts.cores > 0);
    assert!(facts.stat.is_some());
}

#[test]
fn touching_a_buffer_keeps_what_is_in_it() {
    let mut buffer = Vec::with_capacity(100_000);
    buffer.extend_from_slice(b"abc");
    touch(&mut buffer);
    assert_eq!(buffer, b"abc");
    assert!(buffer.capacity() >= 100_000);
}
