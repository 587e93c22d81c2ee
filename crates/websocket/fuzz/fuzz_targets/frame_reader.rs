//! Any bytes, in any pieces, into the frame reader, with tungstenite beside it.
//!
//! The first three bytes are lengths of pieces; what follows is the stream.
#![no_main]

#[path = "../../tests/oracle/judge.rs"]
mod judge;

use tungstenite::protocol::Role;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((lengths, stream)) = bytes.split_first_chunk::<3>() else {
        return;
    };
    let pieces = lengths.map(|length| usize::from(length) + 1);
    let whole = judge::ours(stream, &[usize::MAX]);
    assert_eq!(judge::ours(stream, &pieces), whole, "pieces matter");
    let theirs = judge::theirs(Role::Client, stream);
    assert!(
        whole == theirs || judge::may_differ(&whole, &theirs),
        "ours: {whole:?}, tungstenite: {theirs:?}"
    );
});
