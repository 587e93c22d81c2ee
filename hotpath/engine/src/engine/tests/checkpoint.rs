//! Determinism and checkpoints.
//!
//! In: a long random but seeded run. Out: equal hashes where they must be equal. Never: luck.

use super::properties::{Act, play};
use super::rig::{Rig, config, dummy, imbalance};
use crate::config::Frequency;
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{CheckpointError, Engine, EngineConfig};
use market::Market;

fn two_strategies() -> EngineConfig {
    let taker = ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    };
    let mut config = config(Market::UsdM, &[imbalance(taker), dummy()]);
    // This exchange refuses and forgets all the time, and still the run is to go on.
    let never = Frequency {
        count: 32,
        window_ns: 0,
    };
    config.risk.rejects = never;
    config.risk.errors = never;
    config.risk.feed_gaps = never;
    config
}

/// A run of acts from a small generator: the same for the same seed.
fn acts(seed: u64, count: usize) -> Vec<Act> {
    let mut state = seed;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u32
    };
    (0..count)
        .map(|_| Act::from_numbers(next(), next(), next()))
        .collect()
}

fn run(rig: &mut Rig, acts: &[Act]) {
    for act in acts {
        play(rig, act);
    }
}

#[test]
fn the_same_inputs_give_the_same_hash_and_one_less_gives_another() {
    let acts = acts(1, 400);
    let hash_of = |acts: &[Act]| {
        let mut rig = Rig::ready(two_strategies());
        run(&mut rig, acts);
        (rig.engine.output_hash(), rig.outbox.observer.records.len())
    };
    let (hash, records) = hash_of(&acts);
    assert!(records > 100, "the run does something: {records}");
    assert_eq!(hash_of(&acts), (hash, records));
    // Acts on orders may find none; a book always changes.
    let is_book = |index: &usize| matches!(acts[*index], Act::Book(..));
    for left_out in (0..acts.len()).filter(is_book).step_by(10) {
        let mut fewer = acts.clone();
        fewer.remove(left_out);
        assert_ne!(hash_of(&fewer).0, hash, "without act {left_out}");
    }
}

#[test]
fn a_run_that_goes_through_a_checkpoint_ends_with_the_same_hash() {
    let acts = acts(2, 300);
    let mut whole = Rig::ready(two_strategies());
    run(&mut whole, &acts);
    for cut in [0, 1, 50, 133, 299] {
        let mut rig = Rig::ready(two_strategies());
        run(&mut rig, &acts[..cut]);
        let mut bytes = Vec::new();
        rig.engine.save(&mut bytes);
        rig.engine = Engine::load(two_strategies(), &bytes).unwrap();
        let mut again = Vec::new();
        rig.engine.save(&mut again);
        assert!(bytes == again, "what was loaded is what was saved");
        run(&mut rig, &acts[cut..]);
        assert_eq!(
            rig.engine.output_hash(),
            whole.engine.output_hash(),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_checkpoint_that_does_not_fit_is_refused_with_the_reason() {
    let mut bytes = Vec::new();
    Rig::ready(two_strategies()).engine.save(&mut bytes);
    let load = |bytes: &[u8]| Engine::load(two_strategies(), bytes).err();
    assert_eq!(load(b"nothing"), Some(CheckpointError::NotACheckpoint));
    let zeros = vec![0; bytes.len()];
    assert_eq!(load(&zeros), Some(CheckpointError::NotACheckpoint));
    assert_eq!(
        load(&bytes[..bytes.len() - 1]),
        Some(CheckpointError::Length)
    );
    let mut other = bytes.clone();
    other[8] = 77;
    assert_eq!(load(&other), Some(CheckpointError::Version(77)));
    let mut damaged = bytes.clone();
    damaged[500] ^= 1;
    assert_eq!(load(&damaged), Some(CheckpointError::Checksum));
    let mut settings = two_strategies();
    settings.risk.collar.0 += 1;
    assert_eq!(
        Engine::load(settings, &bytes).err(),
        Some(CheckpointError::OtherConfiguration)
    );
    assert_eq!(load(&bytes), None);
}
