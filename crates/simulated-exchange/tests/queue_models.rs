//! What each queue model makes of a market, generated and recorded.
//!
//! In: seeds; recordings where there are some. Out: passes, or the model that is not as it is
//! described. Never: a recording that is required.

mod support;

use std::path::PathBuf;

use market::Market;
use matching::QueueModel;
use simulated_exchange::feed::generator::Generator;
use simulated_exchange::feed::recording::Recording;
use simulated_exchange::feed::{Feed, parameters};
use simulated_exchange::fill_study::{Probe, by_place, by_queue, study};
use support::captures;

const MODELS: [QueueModel; 4] = [
    QueueModel::RiskAverse,
    QueueModel::Power(3),
    QueueModel::Power(1),
    QueueModel::Log,
];

/// In the same queue of the same moment a place further back fills less often.
fn check_places(name: &str, model: QueueModel, probes: &[Probe]) {
    let groups = by_place(probes);
    let shares: Vec<f64> = groups.iter().map(|group| group.share()).collect();
    println!("{name}, {model}, by place: {shares:.3?}");
    assert!(
        shares.windows(2).all(|pair| pair[0] > pair[1]),
        "{name}, {model}: a place further back fills as often: {groups:?}"
    );
}

/// The models on the same market, in the order of [`MODELS`].
fn check(name: &str, feed: impl Fn() -> Box<dyn Feed>, seconds: i64) {
    let all: Vec<Vec<Probe>> = MODELS
        .map(|model| study(&mut *feed(), model, seconds))
        .into();
    let filled = |probes: &[Probe]| probes.iter().filter(|probe| probe.filled).count();
    for (model, probes) in MODELS.iter().zip(&all) {
        let groups = by_queue(probes, 3);
        let shares: Vec<f64> = groups.iter().map(|group| group.share()).collect();
        println!(
            "{name}, {model}: {} orders, shares {shares:.3?}",
            probes.len()
        );
        assert!(probes.len() > 6 * seconds as usize, "{name}");
        assert!(
            shares[0] > shares[1] && shares[1] > shares[2],
            "{name}, {model}: a longer queue fills as often: {groups:?}"
        );
        check_places(name, *model, probes);
        // Nobody is filled more often than by the most hopeful of the models.
        assert!(
            filled(probes) >= filled(&all[0]),
            "{name}, {model} is below risk-averse"
        );
    }
    assert!(
        filled(&all[3]) > filled(&all[0]),
        "{name}: log makes no difference"
    );
    for probe in &all[0] {
        assert!(probe.is_explained(), "{name}: filled too early: {probe:?}");
    }
}

#[test]
fn on_a_generated_market_a_longer_queue_fills_less_often_and_risk_averse_never_too_early() {
    check(
        "generated BTCUSDT",
        || {
            let instrument = parameters::instrument(Market::UsdM, "BTCUSDT").expect("known");
            Box::new(Generator::new(instrument, parameters::flow(&instrument), 1))
        },
        240,
    );
}

#[test]
fn on_a_recording_a_longer_queue_fills_less_often_and_risk_averse_never_too_early() {
    let Some(catalog) = usdm_catalog("btcusdt") else {
        return;
    };
    check("recorded BTCUSDT", || recorded(&catalog), 240);
}

/// Its longest queues stand before the largest moves, so that queues of different moments do not
/// compare.
#[test]
fn on_a_recording_of_another_symbol_a_place_further_back_fills_less_often() {
    let Some(catalog) = usdm_catalog("ethusdt") else {
        return;
    };
    for model in MODELS {
        let probes = study(&mut *recorded(&catalog), model, 120);
        check_places("recorded ETHUSDT", model, &probes);
    }
}

fn usdm_catalog(symbol: &str) -> Option<recordings::Catalog> {
    let folder = captures()?;
    let files: Vec<PathBuf> = ["20240718", "20240719"]
        .iter()
        .map(|day| folder.join(format!("hftbacktest/usdm/{symbol}_{day}.gz")))
        .collect();
    let options = recordings::Options { skip_bad: false };
    Some(recordings::Catalog::open(&files, options).expect("sound recordings"))
}

fn recorded(catalog: &recordings::Catalog) -> Box<dyn Feed> {
    let feed = Recording::load(&catalog.sessions[0], None, false, false);
    Box::new(feed.expect("sound messages"))
}
