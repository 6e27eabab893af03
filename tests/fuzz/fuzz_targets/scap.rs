//! Any bytes as a capture of sysdig: `cargo +nightly fuzz run --fuzz-dir tests/fuzz scap`.
#![no_main]

use afterimage_fuzz::language;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| language::capture_of_sysdig(bytes));
