//! Instruction counts of decoder, book and engine step, for the gate of `cargo xtask test`.
//!
//! In: the generated stream, made ready outside of the count. Out: gungraun's summaries, which
//! xtask compares with `benches/instructions.json`. Never: a time.
#![allow(
    missing_docs,
    unused_qualifications,
    reason = "gungraun's macros write what they write"
)]

use gungraun::{library_benchmark, library_benchmark_group, main};
use instructions::{BookWorld, EngineWorld, Frames, MESSAGES};
use std::hint::black_box;

const SEED: u64 = 1;

fn depth() -> Frames {
    Frames::new(generated::depth_stream(SEED, MESSAGES).frames)
}

fn book_tickers() -> Frames {
    Frames::new(generated::book_tickers(SEED, MESSAGES))
}

fn trades() -> Frames {
    Frames::new(generated::trades(SEED, MESSAGES))
}

fn agg_trades() -> Frames {
    Frames::new(generated::agg_trades(SEED, MESSAGES))
}

fn book() -> BookWorld {
    BookWorld::new(&generated::depth_stream(SEED, MESSAGES))
}

fn resting() -> EngineWorld {
    EngineWorld::resting(&generated::depth_stream(SEED, MESSAGES))
}

fn taking() -> EngineWorld {
    EngineWorld::taking(&generated::depth_stream(SEED, MESSAGES))
}

// What was made ready is given back, so that freeing it is not counted.

#[library_benchmark]
#[bench::depth(depth())]
#[bench::book_ticker(book_tickers())]
#[bench::trade(trades())]
#[bench::agg_trade(agg_trades())]
fn decode(mut frames: Frames) -> (usize, Frames) {
    (black_box(frames.decode()), frames)
}

// The path of machines without AVX2, which is also the judge of the fast one.
#[library_benchmark]
#[bench::depth(depth())]
fn decode_strictly(mut frames: Frames) -> (usize, Frames) {
    (black_box(frames.decode_strictly()), frames)
}

#[library_benchmark]
#[bench::depth_with_top_five(book())]
fn book_apply(mut world: BookWorld) -> (usize, BookWorld) {
    (black_box(world.apply()), world)
}

#[library_benchmark]
#[bench::resting(resting())]
#[bench::taking(taking())]
fn engine_step(mut world: EngineWorld) -> (usize, EngineWorld) {
    (black_box(world.step()), world)
}

library_benchmark_group!(
    name = hot_path,
    benchmarks = [decode, decode_strictly, book_apply, engine_step]
);
main!(library_benchmark_groups = hot_path);
