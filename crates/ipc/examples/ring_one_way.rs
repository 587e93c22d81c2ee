//! How long a message takes from one core to the other: the ring beside its floor, one cache line
//! that two threads bounce.
//!
//! In: two cores. Out: half round trips on stdout, p50 p99 p99.9 in nanoseconds. Never: a verdict;
//! `cargo run --release -p ipc --example ring_one_way` is for people, benches gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use rustix::thread::{CpuSet, sched_setaffinity};

const ROUNDS: u64 = 400_000;

fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    if let Err(error) = sched_setaffinity(None, &cores) {
        eprintln!("core {core}: not pinned: {error}");
    }
}

fn report(name: &str, mut round_trips_ns: Vec<u64>) {
    round_trips_ns.sort_unstable();
    let at = |permille: usize| round_trips_ns[(round_trips_ns.len() - 1) * permille / 1000] / 2;
    println!(
        "{name:<12} p50 {:>5}  p99 {:>5}  p99.9 {:>6}",
        at(500),
        at(990),
        at(999)
    );
}

fn measure(mut round_trip: impl FnMut(u64)) -> Vec<u64> {
    let timed = |round| {
        let start = Instant::now();
        round_trip(round);
        u64::try_from(start.elapsed().as_nanos()).expect("a round trip is short")
    };
    (1..=ROUNDS).map(timed).collect()
}

fn floor() -> Vec<u64> {
    #[repr(align(128))]
    struct Cell(AtomicU64);
    let line = Arc::new(Cell(AtomicU64::new(0)));
    let echo = Arc::clone(&line);
    let answering = thread::spawn(move || {
        pin(1);
        for round in 1..=ROUNDS {
            while echo.0.load(Ordering::Acquire) != 2 * round - 1 {
                std::hint::spin_loop();
            }
            echo.0.store(2 * round, Ordering::Release);
        }
    });
    let times = measure(|round| {
        line.0.store(2 * round - 1, Ordering::Release);
        while line.0.load(Ordering::Acquire) != 2 * round {
            std::hint::spin_loop();
        }
    });
    answering.join().expect("the echo does not panic");
    times
}

fn ring() -> Vec<u64> {
    let (mut there, mut inbox) = ipc::heap_ring(1024);
    let (mut back, mut answers) = ipc::heap_ring(1024);
    let answering = thread::spawn(move || {
        pin(1);
        let mut buffer = [0; 56];
        for _ in 0..ROUNDS {
            let (kind, payload) = loop {
                if let Some(record) = inbox.pop(&mut buffer).expect("the ring is sound") {
                    break record;
                }
                std::hint::spin_loop();
            };
            back.try_push(kind, payload)
                .expect("one message is under way");
        }
    });
    let payload = [7; 56];
    let mut buffer = [0; 56];
    let times = measure(|_| {
        there
            .try_push(1, &payload)
            .expect("one message is under way");
        while answers
            .pop(&mut buffer)
            .expect("the ring is sound")
            .is_none()
        {
            std::hint::spin_loop();
        }
    });
    answering.join().expect("the echo does not panic");
    times
}

fn flood() {
    let (mut producer, mut consumer) = ipc::heap_ring(1024);
    let messages = 20 * ROUNDS;
    let reading = thread::spawn(move || {
        pin(1);
        let mut buffer = [0; 56];
        let mut popped = 0;
        while popped < messages {
            let record = consumer.pop(&mut buffer).expect("the ring is sound");
            popped += u64::from(record.is_some());
        }
    });
    let start = Instant::now();
    let payload = [7; 56];
    for _ in 0..messages {
        while producer.try_push(1, &payload).is_err() {
            std::hint::spin_loop();
        }
    }
    reading.join().expect("the reader does not panic");
    println!(
        "flooded      {} ns a message",
        start.elapsed().as_nanos() / u128::from(messages)
    );
}

fn main() {
    pin(0);
    for _ in 0..3 {
        report("floor", floor());
        report("ring", ring());
        flood();
    }
}
