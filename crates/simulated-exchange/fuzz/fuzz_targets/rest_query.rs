//! Any bytes into `simulated_exchange_fuzz::query`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| simulated_exchange_fuzz::query(bytes));
