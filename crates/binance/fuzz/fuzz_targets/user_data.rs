//! Any bytes into `binance::fuzzing::user_data`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| binance::fuzzing::user_data(bytes));
