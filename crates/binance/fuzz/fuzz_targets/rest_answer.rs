//! Any bytes into `binance::fuzzing::rest_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| binance::fuzzing::rest_answer(bytes));
