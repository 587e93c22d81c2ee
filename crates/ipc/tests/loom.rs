//! Every interleaving, within bounds, of the ring, the page and the durable cursor.
//!
//! In: `RUSTFLAGS="--cfg loom" cargo test -p ipc --release --test loom`. Out: verdicts over all
//! orders that the memory model allows. Never: more than a handful of records; the search grows
//! with every access.
//!
//! What loom cannot show: it runs a load where it stands and never lets it see a later store, so
//! it stays green when the reader's progress is published relaxed. The comments at `freed` in
//! `src/slots.rs` carry that argument; each of the other orderings turns a model red when weakened.
#![cfg(loom)]

use ipc::{heap_journal, heap_page, heap_ring};
use loom::thread;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A record whose every word says which one it is.
fn record(number: u64, words: usize) -> Vec<u8> {
    number.to_le_bytes().repeat(words)
}

#[test]
fn records_arrive_whole_and_in_order_while_slots_are_used_again() {
    check(|| {
        let (mut producer, mut consumer) = heap_ring(2);
        let writer = thread::spawn(move || {
            let mut pushed = 0;
            for _ in 0..4 {
                pushed += u64::from(producer.try_push(9, &record(pushed, 1)).is_ok());
            }
            pushed
        });
        let mut buffer = [0; 8];
        let mut popped = 0;
        for _ in 0..3 {
            if let Some(found) = consumer.pop(&mut buffer).unwrap() {
                assert_eq!(found, (9, &record(popped, 1)[..]));
                popped += 1;
            }
        }
        let pushed = writer.join().unwrap();
        while let Some(found) = consumer.pop(&mut buffer).unwrap() {
            assert_eq!(found, (9, &record(popped, 1)[..]));
            popped += 1;
        }
        assert_eq!(popped, pushed);
        assert!(pushed >= 2);
    });
}

#[test]
fn a_record_over_two_slots_is_seen_whole_or_not_at_all() {
    check(|| {
        let (mut producer, mut consumer) = heap_ring(4);
        let writer = thread::spawn(move || {
            producer.try_push(1, &record(7, 8)).unwrap();
            producer.try_push(2, &record(8, 1)).unwrap();
        });
        let mut buffer = [0; 64];
        let mut popped = 0;
        for _ in 0..2 {
            match (popped, consumer.pop(&mut buffer).unwrap()) {
                (_, None) => {}
                (0, found) => {
                    assert_eq!(found, Some((1, &record(7, 8)[..])));
                    popped = 1;
                }
                (_, found) => assert_eq!(found, Some((2, &record(8, 1)[..]))),
            }
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_slot_is_not_written_again_before_its_record_is_durable() {
    check(|| {
        let (mut producer, mut consumer) = heap_journal(2);
        producer.try_push(&record(0, 1)).unwrap();
        producer.try_push(&record(1, 1)).unwrap();
        let writer = thread::spawn(move || {
            let mut pushed = 2;
            for _ in 0..2 {
                pushed += u64::from(producer.try_push(&record(pushed, 1)).is_ok());
            }
            pushed
        });
        let mut buffer = [0; 8];
        let first = consumer.read(&mut buffer).unwrap().unwrap().cursor;
        assert_eq!(buffer[..], record(0, 1));
        consumer.read(&mut buffer).unwrap().unwrap();
        assert_eq!(buffer[..], record(1, 1));
        consumer.commit_durable(first).unwrap();
        // Record 1 is read and not durable: it must still be there for whoever comes next.
        consumer.rewind();
        assert_eq!(
            consumer.read(&mut buffer).unwrap().unwrap().payload,
            record(1, 1)
        );
        let pushed = writer.join().unwrap();
        assert!((2..=3).contains(&pushed), "one slot was freed, not two");
    });
}

#[test]
fn a_new_reader_goes_on_at_the_durable_cursor_while_the_writer_writes() {
    check(|| {
        let (mut producer, mut consumer) = heap_journal(2);
        let writer = thread::spawn(move || {
            let mut pushed = 0;
            for _ in 0..4 {
                pushed += u64::from(producer.try_push(&record(pushed, 1)).is_ok());
            }
        });
        // Reads two, makes one durable, and dies; the lock on the file orders its end before the
        // next reader's begin, as the join does here.
        let reader = thread::spawn(move || {
            let mut buffer = [0; 8];
            if let Some(entry) = consumer.read(&mut buffer).unwrap() {
                let first = entry.cursor;
                consumer.read(&mut buffer).unwrap();
                consumer.commit_durable(first).unwrap();
            }
            consumer
        });
        let dead = reader.join().unwrap();
        let mut successor = dead.attach_again().expect("the cursor is never impossible");
        assert_eq!(successor.position(), dead.durable());
        let mut buffer = [0; 8];
        for number in dead.durable().get().. {
            let Some(entry) = successor.read(&mut buffer).unwrap() else {
                break;
            };
            assert_eq!(entry.payload, record(number, 1));
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_page_is_read_whole_or_busy() {
    check(|| {
        let (mut writer, reader) = heap_page();
        writer.write(&record(1, 2));
        let writing = thread::spawn(move || {
            writer.write(&record(2, 2));
            writer.write(&record(3, 1));
        });
        let mut buffer = [0; 16];
        if let Ok(length) = reader.read(&mut buffer) {
            let length = length.expect("written before");
            let number = u64::from(buffer[0]);
            assert_eq!(length, if number == 3 { 8 } else { 16 });
            assert_eq!(buffer[..length], record(number, length / 8));
        }
        writing.join().unwrap();
    });
}
