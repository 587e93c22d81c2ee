//! Any bytes into `binance::fuzzing::market_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| binance::fuzzing::market_stream(bytes));
