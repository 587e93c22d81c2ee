//! The fast decoders against plain serde_json ones.
//!
//! In: every message of every recording, and a million mutated ones (`FULCRUM_MUTATIONS` says
//! another number). Out: the same numbers and the
//! same canonical text at wire precision, or a refusal by both. Never: a mutation that cannot be
//! repeated; the seed is printed.

use market::InstrumentId;
use recordings::{Catalog, MessageKind, Options, Session};
use std::path::Path;
use tests::oracle::decoders::Decoders;

/// Mutated messages in all, where `FULCRUM_MUTATIONS` says no other number.
const MUTATIONS: u64 = 1_000_000;

/// Messages of a session that are mutated: every so many-th, up to so many bytes.
const SAMPLE_STEP: usize = 23;
const SAMPLE_BYTES_MAX: usize = 1_200;

const SEED: u64 = 0x5eed_0f0b_00c5;

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed % bound as u64) as usize
    }
}

#[test]
fn both_decoders_read_every_recorded_message_the_same() {
    let Some(folder) = tests::captures() else {
        return;
    };
    let mut messages = 0u64;
    for session in discover(&folder) {
        let mut decoders = decoders(&session);
        for message in session.messages() {
            let message = message.expect("the recording was read once already");
            let result = decoders.compare(message.kind, &message.payload);
            let taken = result.unwrap_or_else(|difference| {
                panic!("{} line {}: {difference}", session.symbol, message.line)
            });
            assert!(
                taken || message.kind == MessageKind::Other,
                "{} line {} is refused: {}",
                session.symbol,
                message.line,
                String::from_utf8_lossy(&message.payload)
            );
            messages += 1;
        }
    }
    println!("{messages} messages");
}

#[test]
fn both_decoders_judge_mutated_messages_the_same() {
    let Some(folder) = tests::captures() else {
        return;
    };
    println!("seed {SEED:#x}");
    let sessions = discover(&folder);
    let mut random = Random(SEED);
    let (mut taken, mut refused) = (0u64, 0u64);
    let share = mutations().div_ceil(sessions.len().max(1) as u64);
    for session in sessions {
        let samples = samples(&session);
        let mut decoders = decoders(&session);
        if samples.is_empty() {
            continue;
        }
        for _ in 0..share {
            let (kind, original) = &samples[random.below(samples.len())];
            let mut bytes = original.clone();
            for _ in 0..=random.below(3) {
                mutate(&mut bytes, &mut random);
            }
            match decoders.compare(*kind, &bytes) {
                Ok(true) => taken += 1,
                Ok(false) => refused += 1,
                Err(difference) => panic!(
                    "{difference}\nmessage {}\nas {kind:?}",
                    String::from_utf8_lossy(&bytes)
                ),
            }
        }
    }
    println!("{taken} taken, {refused} refused by both");
}

fn mutations() -> u64 {
    std::env::var("FULCRUM_MUTATIONS").map_or(MUTATIONS, |text| {
        text.parse().expect("FULCRUM_MUTATIONS is a number")
    })
}

fn discover(folder: &Path) -> Vec<Session> {
    Catalog::discover(folder, Options::default())
        .expect("recordings are readable")
        .sessions
}

fn decoders(session: &Session) -> Decoders {
    Decoders::new(
        session
            .instrument(InstrumentId(0))
            .expect("the symbol fits"),
    )
}

fn samples(session: &Session) -> Vec<(MessageKind, Vec<u8>)> {
    session
        .messages()
        .map(|message| message.expect("the recording was read once already"))
        .filter(|message| message.payload.len() <= SAMPLE_BYTES_MAX)
        .filter(|message| message.kind != MessageKind::Other)
        .step_by(SAMPLE_STEP)
        .map(|message| (message.kind, message.payload))
        .collect()
}

/// Changes a few bytes in ways that keep the result near to a message.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const ALPHABET: &[u8] = b"0123456789.,:\"[]{}-+eEtrufalsn\\ \x00\x7f\xc3ABUbapsTq";
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    let byte = ALPHABET[random.below(ALPHABET.len())];
    match random.below(12) {
        // Digits for digits: mostly still a message, with other numbers.
        0..=3 => {
            let digits = (0..bytes.len()).filter(|&index| bytes[index].is_ascii_digit());
            let digits: Vec<usize> = digits.collect();
            if !digits.is_empty() {
                bytes[digits[random.below(digits.len())]] = b'0' + random.below(10) as u8;
            }
        }
        4 => bytes[at] = byte,
        5 => bytes.insert(at, byte),
        6 => {
            bytes.remove(at);
        }
        7 => move_one(b'"', bytes, random),
        8 => move_one(b'.', bytes, random),
        9 => resize_number(bytes, random),
        10 => repeat_member(bytes, random),
        _ => {
            let end = (at + 1 + random.below(24)).min(bytes.len());
            let run = bytes[at..end].to_vec();
            if random.below(2) == 0 {
                bytes.drain(at..end);
            } else {
                bytes.splice(end..end, run);
            }
        }
    }
}

/// Swaps one of these bytes with a neighbour: a number grows where another shrinks, a dot stands
/// one digit further.
fn move_one(byte: u8, bytes: &mut [u8], random: &mut Random) {
    let Some(at) = any_of(bytes, random, |index| bytes[index] == byte) else {
        return;
    };
    let other = if random.below(2) == 0 {
        at + 1
    } else {
        at.wrapping_sub(1)
    };
    if other < bytes.len() {
        bytes.swap(at, other);
    }
}

/// Puts digits in front of a quoted number, or zeros behind it, until it is up to 20 bytes long.
fn resize_number(bytes: &mut Vec<u8>, random: &mut Random) {
    let starts =
        |index: usize| bytes[index] == b'"' && bytes.get(index + 1).is_some_and(u8::is_ascii_digit);
    let Some(quote) = any_of(bytes, random, starts) else {
        return;
    };
    let number = &bytes[quote + 1..];
    let length = number.iter().position(|&byte| byte == b'"').unwrap_or(0);
    let at = quote + 1 + if random.below(2) == 0 { 0 } else { length };
    let fill = [b'0', b'1', b'9'][random.below(3)];
    let more = random.below(21usize.saturating_sub(length).max(1));
    bytes.splice(at..at, std::iter::repeat_n(fill, more));
}

/// Writes a member of the object a second time, right behind itself.
fn repeat_member(bytes: &mut Vec<u8>, random: &mut Random) {
    let starts = |index: usize| bytes[index] == b',' && bytes.get(index + 1) == Some(&b'"');
    let Some(at) = any_of(bytes, random, starts) else {
        return;
    };
    let rest = &bytes[at + 1..];
    let length = rest
        .iter()
        .position(|&byte| byte == b',')
        .unwrap_or(rest.len());
    let member = bytes[at..=at + length].to_vec();
    bytes.splice(at..at, member);
}

fn any_of(bytes: &[u8], random: &mut Random, is: impl Fn(usize) -> bool) -> Option<usize> {
    let found: Vec<usize> = (0..bytes.len()).filter(|&index| is(index)).collect();
    (!found.is_empty()).then(|| found[random.below(found.len())])
}
