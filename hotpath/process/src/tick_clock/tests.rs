//! The clock against the kernel's, and what it does where the counter is unfit.
//!
//! In: the real counter, made-up readings. Out: bounded errors, refusals. Never: a test that a
//! busy machine fails: a reading counts between two of the kernel.

use super::*;
use proptest::prelude::*;
use std::time::Instant;

const FLAGS: &str = "processor : 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc sse\n";

/// How far the clock is outside of two readings of the kernel around it.
fn error_ns(clock: &TickClock) -> u64 {
    let before = clock::monotonic();
    let stamped = clock.to_mono(clock.now());
    let after = clock::monotonic();
    before.since(stamped) + stamped.since(after)
}

#[test]
fn the_error_stays_bounded_over_a_second() {
    let (mut clock, mut keeper) = TickClock::start();
    let (begun, mut corrected) = (Instant::now(), Instant::now());
    let (mut last, mut worst) = (MonoNs(0), 0);
    while begun.elapsed() < Duration::from_millis(1_200) {
        let now = clock.to_mono(clock.now());
        assert!(now >= last, "{now:?} after {last:?}");
        last = now;
        worst = error_ns(&clock).max(worst);
        if corrected.elapsed() > Duration::from_millis(250) {
            corrected = Instant::now();
            keeper.correct();
            clock.follow();
        }
    }
    assert!(worst < 20_000, "{worst} ns off");
    // The error right after a glide of a second is what the keeper's own readings are worth.
    let left = (0..100).map(|_| error_ns(&clock)).min();
    assert!(left.is_some_and(|left| left < 2_000), "{left:?}");
}

#[test]
fn a_machine_without_a_fit_counter_gets_the_kernels_clock() {
    let (clock, mut keeper) = TickClock::of_kernel();
    assert!(keeper.unfit().is_some());
    assert_eq!(error_ns(&clock), 0);
    keeper.correct();
    assert_eq!(clock.between(Ticks(5), Ticks(12)), 7);
    assert_eq!(clock.ticks_of(20_000), 20_000);
}

#[test]
fn flags_and_rates_are_judged() {
    if counter::read().is_some() {
        assert_eq!(steady(FLAGS), Ok(()));
        for missing in ["constant_tsc", "nonstop_tsc"] {
            assert_eq!(
                steady(&FLAGS.replace(missing, "")),
                Err(Unfit::Flag(missing))
            );
        }
        assert_eq!(steady(""), Err(Unfit::Flag("constant_tsc")));
    }
    let at = |ticks, ns| Reading { ticks, ns };
    let steady = judge(&at(0, 0), &at(15_000, 5_000), &at(30_000, 10_000));
    assert_eq!(steady.map(|one| one.at(30_006)), Ok(10_001));
    let unsteady = judge(&at(0, 0), &at(15_000, 5_000), &at(29_000, 10_000));
    assert!(
        matches!(unsteady, Err(Unfit::Unsteady { .. })),
        "{unsteady:?}"
    );
    let stopped = judge(&at(7, 0), &at(7, 5_000), &at(7, 10_000));
    assert_eq!(stopped, Err(Unfit::Rate(0)));
    let backwards = judge(&at(9, 0), &at(8, 5_000), &at(7, 10_000));
    assert_eq!(backwards, Err(Unfit::Rate(0)));
}

#[test]
fn kernel_stamps_become_ages_and_impossible_ones_none() {
    let (clock, _keeper) = TickClock::start();
    let read = clock.now();
    let utc = clock::utc().0;
    let age = clock.kernel_age(utc - 1_000_000, read).unwrap();
    assert!(age.abs_diff(1_000_000) < 500_000, "{age}");
    assert_eq!(clock.kernel_age(utc + 1_000_000_000, read), None);
    assert_eq!(clock.kernel_age(utc - 10_000_000_000, read), None);
    assert_eq!(clock.kernel_age(i64::MIN, read), None);
}

fn scale() -> impl Strategy<Value = Scale> {
    let base = 0..1_u64 << 60;
    (base.clone(), base, FACTORS).prop_map(|(base_ticks, base_ns, factor)| Scale {
        base_ticks,
        base_ns,
        factor,
    })
}

proptest! {
    #[test]
    fn a_later_tick_is_never_an_earlier_time(scale in scale(), ticks: u64, more in 0..1_u64 << 40) {
        let later = ticks.saturating_add(more);
        prop_assert!(scale.at(ticks) <= scale.at(later));
    }

    #[test]
    fn a_glide_is_continuous_and_arrives(
        scale in scale(),
        ahead in -999_000_i64..999_000,
        ppm in -500_i64..500,
        passed in 0..1_u64 << 36,
    ) {
        let now = scale.base_ticks + passed;
        let drift = i128::from(scale.factor) * i128::from(ppm) / 1_000_000;
        let truth = Scale {
            base_ticks: now,
            base_ns: (scale.at(now) + 1_000_000).saturating_add_signed(-ahead) - 1_000_000,
            factor: u64::try_from(i128::from(scale.factor) + drift).unwrap(),
        };
        let glided = scale.glide(&truth, now);
        prop_assert_eq!(glided.at(now), scale.at(now));
        let span = u64::try_from((u128::from(GLIDE_NS) << SHIFT) / u128::from(truth.factor));
        let there = now + span.unwrap();
        // One part in 2^32 of a second is a quarter of a nanosecond a rounding.
        prop_assert!(glided.at(there).abs_diff(truth.at(there)) < 40, "{:?}", glided);
    }

    #[test]
    fn a_clock_far_behind_steps_and_one_far_ahead_never_runs_backwards(
        scale in scale(),
        off in 2_000_000_u64..1 << 50,
        behind: bool,
    ) {
        let now = scale.base_ticks;
        let here = scale.at(now);
        let base_ns = if behind { here + off } else { here.saturating_sub(off) };
        let truth = Scale { base_ns, ..scale };
        let glided = scale.glide(&truth, now);
        prop_assert_eq!(glided.at(now), if behind { truth.base_ns } else { here });
        prop_assert!(glided.factor >= scale.factor / 2);
    }
}
