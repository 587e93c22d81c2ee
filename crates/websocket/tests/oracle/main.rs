//! Our framing judged by tungstenite's.
//!
//! In: random streams of frames, cut into random pieces. Out: the same messages from both readers,
//! and the same end; our frames as tungstenite's server reads them. Never: a stream that both
//! readers could misread in the same way by chance: one of them was written elsewhere.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod judge;

use judge::{End, MESSAGE_BYTES_MAX, Seen, may_differ, ours, theirs};
use proptest::prelude::*;
use tungstenite::protocol::Role;
use websocket::{Opcode, write_close, write_frame};

/// A frame of a server; `first` holds the FIN and reserved bits and the opcode.
fn frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        short @ 0..=125 => out.push(u8::try_from(short).unwrap()),
        middle @ 126..=65_535 => {
            out.push(126);
            out.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

fn text(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    // Characters of one to four bytes, so that fragments cut through them (F20).
    proptest::collection::vec(
        prop::sample::select(vec!['a', '"', 'é', '€', '🂡']),
        0..=bytes,
    )
    .prop_map(|characters| characters.into_iter().collect::<String>().into_bytes())
}

/// One well-behaved message, in one frame or in several with control frames between them.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let cuts = proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..4);
    let short = (text(200), cuts, any::<bool>()).prop_map(|(payload, cuts, binary)| {
        let mut cuts: Vec<(usize, bool)> = cuts
            .iter()
            .map(|(cut, ping)| (cut.index(payload.len() + 1), *ping))
            .collect();
        cuts.sort_unstable();
        let mut out = Vec::new();
        let mut opcode = if binary { 2 } else { 1 };
        let mut start = 0;
        for (cut, ping) in cuts {
            frame(opcode, &payload[start..cut], &mut out);
            if ping {
                frame(0x89, b"between", &mut out);
            }
            (opcode, start) = (0, cut);
        }
        frame(0x80 | opcode, &payload[start..], &mut out);
        out
    });
    let long = (120..70_000_usize).prop_map(|bytes| {
        let mut out = Vec::new();
        frame(0x82, &vec![b'x'; bytes], &mut out);
        out
    });
    let control = (
        prop::sample::select(vec![0x89, 0x8A]),
        proptest::collection::vec(any::<u8>(), 0..126),
    )
        .prop_map(|(first, payload)| {
            let mut out = Vec::new();
            frame(first, &payload, &mut out);
            out
        });
    prop_oneof![6 => short, 1 => long, 2 => control]
}

/// A close frame with a code that both readers judge alike: tungstenite does not know 1014.
fn close() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![
        900..1014_u16,
        1015..1020_u16,
        2990..3010_u16,
        4990..5010_u16
    ];
    (prop::option::of(code), text(30)).prop_map(|(code, reason)| {
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(&reason);
        }
        let mut out = Vec::new();
        frame(0x88, &payload[..payload.len().min(125)], &mut out);
        out
    })
}

/// What breaks one rule, or any byte at all.
fn fault() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (1..8_u8).prop_map(|reserved| vec![0x81 | (reserved << 4), 1, b'a']),
        prop::sample::select(vec![3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
            .prop_map(|opcode| vec![0x80 | opcode, 0]),
        Just(vec![0x81, 0x81, 1, 2, 3, 4, b'a']),
        Just(vec![0x80, 0]),
        Just(vec![0x01, 0, 0x01, 0]),
        Just(vec![0x09, 0]),
        Just([&[0x89, 126, 0, 126][..], &[0; 126]].concat()),
        Just(vec![0x88, 1, 3]),
        Just(vec![0x88, 3, 3, 0xE8, 0xFF]),
        (70_001..u64::MAX).prop_map(|bytes| {
            let mut out = vec![0x82, 127];
            out.extend_from_slice(&bytes.to_be_bytes());
            out
        }),
        Just({
            let mut out = Vec::new();
            frame(0x02, &[0; 40_000], &mut out);
            frame(0x80, &[0; 40_000], &mut out);
            out
        }),
    ]
}

/// Messages, then perhaps a close or a fault, then perhaps more.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![
        Just(Vec::new()),
        close(),
        fault(),
        proptest::collection::vec(any::<u8>(), 0..12),
    ];
    (
        proptest::collection::vec(message(), 0..8),
        end,
        proptest::collection::vec(message(), 0..2),
    )
        .prop_map(|(before, end, after)| [before.concat(), end, after.concat()].concat())
}

/// Lengths of pieces: one byte at a time (F19), or anything.
fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1]),
        Just(vec![1 << 16]),
        proptest::collection::vec(1..5_000_usize, 1..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn well_behaved_streams_are_read_as_tungstenite_reads_them(
        messages in proptest::collection::vec(message(), 0..10),
        close in close(),
        pieces in pieces(),
    ) {
        let stream = [messages.concat(), close].concat();
        prop_assert_eq!(ours(&stream, &pieces), theirs(Role::Client, &stream));
    }

    #[test]
    fn one_fault_ends_both_readers_after_the_same_messages(
        messages in proptest::collection::vec(message(), 0..5),
        fault in fault(),
        pieces in pieces(),
    ) {
        let stream = [messages.concat(), fault].concat();
        let (seen, end) = ours(&stream, &pieces);
        let (expected, their_end) = theirs(Role::Client, &stream);
        prop_assert_eq!(seen, expected);
        // The reason of a close frame is the one text that both look at.
        let refused = |end| match end {
            End::NotText | End::Stricter => End::Refused,
            other => other,
        };
        prop_assert_eq!(refused(end), refused(their_end));
    }

    #[test]
    fn any_stream_in_any_pieces_gives_the_same(stream in stream(), pieces in pieces()) {
        let whole = ours(&stream, &[usize::MAX]);
        prop_assert_eq!(&ours(&stream, &pieces), &whole);
        let judge = theirs(Role::Client, &stream);
        prop_assert!(whole == judge || may_differ(&whole, &judge), "{:?} {:?}", whole.1, judge.1);
    }

    #[test]
    fn a_server_reads_what_we_write(
        texts in proptest::collection::vec((text(300), any::<u32>()), 0..6),
        long in 0..70_000_usize,
        control in proptest::collection::vec(any::<u8>(), 0..126),
        code in 1000..1004_u16,
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        let mut buffer = vec![0; MESSAGE_BYTES_MAX + 14];
        let long = vec![b'y'; long];
        let mut write = |opcode, payload: &[u8], mask, seen| {
            let count = write_frame(opcode, payload, mask, &mut buffer).unwrap();
            stream.extend_from_slice(&buffer[..count]);
            expected.push(seen);
        };
        for (text, mask) in texts {
            write(Opcode::Text, &text, mask, Seen::Text(text.clone()));
        }
        write(Opcode::Binary, &long, 0xDEAD_BEEF, Seen::Binary(long.clone()));
        write(Opcode::Ping, &control, 1, Seen::Ping(control.clone()));
        write(Opcode::Pong, &control, u32::MAX, Seen::Pong(control.clone()));
        let count = write_close(code, "enough", 7, &mut buffer).unwrap();
        stream.extend_from_slice(&buffer[..count]);
        expected.push(Seen::Close(Some(code), "enough".to_string()));
        prop_assert_eq!(theirs(Role::Server, &stream), (expected, End::Closed));
    }
}
