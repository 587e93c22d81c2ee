//! Two threads over one ring, one journal, one page; small enough for Miri.
//!
//! In: threads as the scheduler runs them. Out: order and wholeness. Never: files (Miri maps none).
//!
//! Under Miri: `MIRIFLAGS=-Zmiri-many-seeds=0..8 cargo +nightly miri test -p ipc --test heap`.
#![cfg(not(loom))]

use std::thread;

use ipc::{PageError, heap_journal, heap_page, heap_ring};

const RECORDS: u64 = if cfg!(miri) { 40 } else { 50_000 };

/// Some words that all say the same number; one to five slots.
fn record(number: u64, bytes: &mut [u8; 240]) -> &[u8] {
    let length = 8 * (1 + (number % 30) as usize);
    for chunk in bytes[..length].chunks_mut(8) {
        chunk.copy_from_slice(&number.to_le_bytes());
    }
    &bytes[..length]
}

#[test]
fn a_ring_between_threads_keeps_order_and_wholeness() {
    let (mut producer, mut consumer) = heap_ring(16);
    let writer = thread::spawn(move || {
        let mut bytes = [0; 240];
        for number in 0..RECORDS {
            let payload = record(number, &mut bytes);
            while producer.try_push(number as u16, payload).is_err() {
                thread::yield_now();
            }
        }
        assert_eq!(producer.reader_faults(), 0);
    });
    let (mut buffer, mut wanted) = ([0; 240], [0; 240]);
    let mut number = 0;
    while number < RECORDS {
        match consumer.pop(&mut buffer).unwrap() {
            Some((kind, payload)) => {
                assert_eq!(kind, number as u16);
                assert_eq!(payload, record(number, &mut wanted));
                number += 1;
            }
            None => thread::yield_now(),
        }
    }
    writer.join().unwrap();
    assert_eq!(consumer.pop(&mut buffer), Ok(None));
}

#[test]
fn a_journal_between_threads_survives_readers_that_forget() {
    let (mut producer, mut consumer) = heap_journal(32);
    let writer = thread::spawn(move || {
        let mut bytes = [0; 240];
        for number in 0..RECORDS {
            let payload = record(number, &mut bytes);
            while producer.try_push(payload).is_err() {
                thread::yield_now();
            }
        }
    });
    let (mut buffer, mut wanted) = ([0; 240], [0; 240]);
    let (mut number, mut durable, mut reads) = (0, 0, 0_u64);
    while durable < RECORDS {
        let Some(entry) = consumer.read(&mut buffer).unwrap() else {
            thread::yield_now();
            continue;
        };
        assert_eq!(entry.payload, record(number, &mut wanted));
        let cursor = entry.cursor;
        number += 1;
        reads += 1;
        // Every third is committed, and at each seventh reading all since then is forgotten.
        if number % 3 == 0 || number == RECORDS {
            consumer.commit_durable(cursor).unwrap();
            durable = number;
        } else if reads.is_multiple_of(7) {
            consumer.rewind();
            number = durable;
        }
    }
    writer.join().unwrap();
    assert!(consumer.is_drained().unwrap());
}

#[test]
fn a_page_between_threads_is_never_mixed() {
    let (mut writer, reader) = heap_page();
    let mut buffer = [0; 240];
    assert_eq!(reader.read(&mut buffer), Ok(None));
    let writing = thread::spawn(move || {
        let mut bytes = [0; 240];
        for number in 1..=RECORDS {
            writer.write(record(number, &mut bytes));
            if number % 16 == 0 {
                thread::yield_now();
            }
        }
    });
    let mut wanted = [0; 240];
    let mut newest = 0;
    while newest < RECORDS {
        match reader.read(&mut buffer) {
            Ok(Some(length)) => {
                let number = u64::from_le_bytes(buffer[..8].try_into().unwrap());
                assert!(number >= newest, "never back");
                assert_eq!(&buffer[..length], record(number, &mut wanted));
                newest = number;
            }
            Ok(None) | Err(PageError::Busy) => thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    }
    writing.join().unwrap();
}
