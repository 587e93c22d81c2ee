//! Any bytes into `binance::fuzzing::order_reply`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| binance::fuzzing::order_reply(bytes));
