#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| datamanager::testing::fuzz::data_file(bytes));
