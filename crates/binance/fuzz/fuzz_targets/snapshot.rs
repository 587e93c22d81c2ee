//! Any bytes into `binance::fuzzing::snapshot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| binance::fuzzing::snapshot(bytes));
