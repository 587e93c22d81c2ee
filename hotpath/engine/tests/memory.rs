//! What an engine of the largest size keeps in memory.
//!
//! In: 64 instruments with the default sizes. Out: bytes that its construction leaves allocated.
//! Never: a guess from the sizes of types; the allocator counts.

use engine::config::{EngineConfig, INSTRUMENTS_MAX};
use engine::{Engine, NoObserver, Outbox};
use market::{Filters, Instrument, InstrumentId, InstrumentStatus, Market, Step, Symbol};

/// Bound of the whole engine: half of what the process may have.
const ENGINE_BYTES_MAX: u64 = 128 << 20;

/// Bound of one instrument: two windows of 576 KiB, two tables of far levels of 256 KiB, the hold.
const INSTRUMENT_BYTES_MAX: u64 = 1_984 << 10;

fn config(count: usize) -> EngineConfig {
    let instruments = (0..count).map(|index| Instrument {
        id: InstrumentId(index as u16),
        market: Market::UsdM,
        symbol: Symbol::new(format!("COIN{index}USDT").as_bytes()).expect("a short text"),
        tick: Step::from_text(b"0.1").expect("a decimal"),
        lot: Step::from_text(b"0.001").expect("a decimal"),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    });
    EngineConfig::new(instruments.collect())
}

fn bytes_of(count: usize) -> u64 {
    let config = config(count);
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        kept = Some((Engine::new(config), Outbox::new(NoObserver)));
    });
    drop(kept);
    counted.bytes_current.max(0) as u64
}

#[test]
fn an_engine_of_64_instruments_fits_in_half_of_its_process() {
    let (one, all) = (bytes_of(1), bytes_of(INSTRUMENTS_MAX));
    let each = (all - one) / (INSTRUMENTS_MAX as u64 - 1);
    println!("1 instrument {one} bytes, 64 {all} bytes, each further one {each} bytes");
    assert!(all <= ENGINE_BYTES_MAX, "{all} bytes");
    assert!(each <= INSTRUMENT_BYTES_MAX, "{each} bytes an instrument");
    // The count has seen the windows: two of 2^16 ticks, 9 bytes each.
    assert!(each > (2 * 9) << 16, "{each} bytes an instrument");
}
