//! Every recorded message, through both decoders.

use crate::captures::sessions;
use crate::owned::{LEVELS_MAX, fast, fast_snapshot};
use crate::reference;
use market::{Instruments, Level};
use recordings::MessageKind;

#[test]
fn fast_and_plain_decoder_agree_on_every_recorded_message() {
    let Some(sessions) = sessions() else { return };
    let mut levels = vec![Level::default(); LEVELS_MAX];
    let (mut compared, mut decoded) = (0u64, 0u64);
    for (session, instrument) in sessions {
        let table = [*instrument];
        let instruments = Instruments(&table);
        for message in session.messages() {
            let message = message.expect("captures are readable");
            let payload = &message.payload;
            compared += 1;
            if matches!(message.kind, MessageKind::Snapshot { .. }) {
                let fast = fast_snapshot(payload, instrument, 512).unwrap();
                assert_eq!(Ok(fast), reference::snapshot(payload, instrument));
                decoded += 1;
                continue;
            }
            let mut frame = Vec::new();
            binance::encode::wrap_stream(&mut frame, message.stream.as_bytes(), payload);
            let wrapped = fast(&frame, &instruments, session.market, &mut levels);
            let bare = fast(payload, &instruments, session.market, &mut levels);
            let plain = reference::decode(&frame, &instruments, session.market);
            let place = || format!("{} line {}", session.symbol, message.line);
            if message.kind != MessageKind::Other {
                decoded += 1;
                assert!(wrapped.is_ok(), "{}: {wrapped:?}", place());
            }
            assert_eq!(wrapped.as_ref().ok(), plain.as_ref().ok(), "{}", place());
            assert_eq!(wrapped.ok(), bare.ok(), "{}", place());
        }
    }
    println!("{compared} messages compared, {decoded} of them decoded");
    assert!(decoded > 0, "no message in any recording");
}
