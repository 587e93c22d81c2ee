//! The bounds that the reader promises.
//!
//! In: long streams. Out: the addresses and counts that show what was copied and allocated.
//! Never: another judge's view; that is `oracle.rs`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use websocket::{FrameReader, Message, Opcode, Violation, write_frame};

/// A server's frame with a payload of `bytes` letters.
fn frame(first: u8, bytes: usize) -> Vec<u8> {
    let mut out = vec![first];
    match bytes {
        0..=125 => out.push(u8::try_from(bytes).unwrap()),
        126..=65_535 => {
            out.push(126);
            out.extend_from_slice(&u16::try_from(bytes).unwrap().to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(bytes as u64).to_be_bytes());
        }
    }
    out.resize(out.len() + bytes, b'a');
    out
}

#[test]
fn a_message_in_one_frame_lies_where_it_came_in() {
    let mut reader = FrameReader::new(1_000, 4_096);
    let bytes = [frame(0x81, 500), frame(0x82, 300)].concat();
    let spare = reader.spare();
    spare[..bytes.len()].copy_from_slice(&bytes);
    let place = spare.as_ptr_range().start.addr();
    reader.commit(bytes.len());
    for (at, length) in [(4, 500), (508, 300)] {
        let message = reader.next_message().unwrap().unwrap();
        let (Message::Text(payload) | Message::Binary(payload)) = message else {
            panic!("{message:?}");
        };
        assert_eq!(payload.as_ptr().addr() - place, at);
        assert_eq!(payload.len(), length);
    }
}

#[test]
fn nothing_is_allocated_after_construction() {
    let mut reader = FrameReader::new(100_000, 4_096);
    let pieces = [
        frame(0x81, 90_000),
        frame(0x01, 50_000),
        frame(0x89, 125),
        frame(0x80, 50_000),
        frame(0x82, 3),
        frame(0x8A, 0),
    ];
    let stream = pieces.concat();
    let mut out = vec![0; 1_000];
    let mut messages = 0;
    let counted = allocation_counter::measure(|| {
        for _ in 0..20 {
            let mut rest = stream.as_slice();
            while !rest.is_empty() {
                let spare = reader.spare();
                let now = rest.len().min(spare.len()).min(1_447);
                spare[..now].copy_from_slice(&rest[..now]);
                reader.commit(now);
                rest = &rest[now..];
                while reader.next_message().unwrap().is_some() {
                    messages += 1;
                }
            }
            write_frame(Opcode::Text, &[b'a'; 900], 3, &mut out).unwrap();
        }
    });
    assert_eq!(messages, 100);
    assert_eq!(counted.count_total, 0);
}

#[test]
fn the_largest_message_fits_in_any_number_of_fragments_and_one_byte_more_does_not() {
    let max = 5_000;
    for fragments in [1, 2, 7, 100] {
        for extra in [0, 1] {
            let mut reader = FrameReader::new(max, 64);
            let mut stream = Vec::new();
            for at in 0..fragments {
                let opcode = if at == 0 { 1 } else { 0 };
                let last = at + 1 == fragments;
                let bytes = max / fragments + if last { max % fragments + extra } else { 0 };
                stream.extend(frame(if last { 0x80 | opcode } else { opcode }, bytes));
                stream.extend(frame(0x89, 100));
            }
            let mut longest = 0;
            let mut pings = 0;
            let mut result = Ok(());
            for piece in stream.chunks(50) {
                assert!(reader.spare().len() >= 64, "room is kept for a read");
                reader.push(piece).unwrap();
                loop {
                    match reader.next_message() {
                        Ok(Some(Message::Text(text))) => longest = text.len(),
                        Ok(Some(_)) => pings += 1,
                        Ok(None) => break,
                        Err(violation) => {
                            result = Err(violation);
                            break;
                        }
                    }
                }
                if result.is_err() {
                    break;
                }
            }
            if extra == 0 {
                assert_eq!((longest, pings, result), (max, fragments, Ok(())));
            } else {
                let violation = Violation::MessageTooLong { bytes: max + 1 };
                assert_eq!(result, Err(violation), "{fragments} fragments");
                assert_eq!(reader.next_message(), Err(violation), "it stays so");
            }
        }
    }
}

#[test]
fn sixteen_megabytes_are_refused_by_their_head() {
    let mut reader = FrameReader::new(4 << 20, 1 << 16);
    reader.push(&[0x81, 127, 0, 0, 0, 0, 1, 0, 0, 0]).unwrap();
    let violation = Violation::MessageTooLong { bytes: 16 << 20 };
    assert_eq!(reader.next_message(), Err(violation));
}

#[test]
fn what_is_not_taken_fills_the_buffer_and_is_refused_whole() {
    let mut reader = FrameReader::new(100, 50);
    let bytes = frame(0x81, 60);
    reader.push(&bytes).unwrap();
    reader.push(&bytes).unwrap();
    assert_eq!(reader.push(&bytes), Err(Violation::BufferFull));
    assert_eq!(reader.room(), 100 + 14 + 50 - 2 * bytes.len());
    assert!(reader.next_message().unwrap().is_some());
    reader.push(&bytes).unwrap();
    assert!(reader.next_message().unwrap().is_some());
    assert_eq!(reader.next_message(), Ok(Some(Message::Text(&[b'a'; 60]))));
    assert_eq!(reader.next_message(), Ok(None));
}

#[test]
fn nothing_after_a_close_is_looked_at() {
    let mut reader = FrameReader::new(100, 50);
    reader.push(&[0x88, 0, 0xFF, 0xFF, 0xFF]).unwrap();
    let close = Message::Close {
        code: None,
        reason: "",
    };
    assert_eq!(reader.next_message(), Ok(Some(close)));
    assert_eq!(reader.next_message(), Ok(None));
}

#[test]
fn a_broken_stream_stays_broken() {
    let cases: [(&[u8], Violation); 3] = [
        (&[0x88, 1, 3], Violation::CloseTooShort),
        (&[0x88, 3, 3, 0xE8, 0xFF], Violation::CloseReasonNotUtf8),
        (&[0x80, 0], Violation::ContinuationWithoutStart),
    ];
    for (bytes, violation) in cases {
        let mut reader = FrameReader::new(100, 50);
        reader.push(bytes).unwrap();
        reader.push(&frame(0x81, 5)).unwrap();
        assert_eq!(reader.next_message(), Err(violation));
        assert_eq!(reader.next_message(), Err(violation), "{bytes:02x?}");
    }
}
