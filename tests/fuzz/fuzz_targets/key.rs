//! Any bytes as the key of an encrypted capture, which is an age file.
#![no_main]

use afterimage_fuzz::probe;

libfuzzer_sys::fuzz_target!(|wrapped: &[u8]| probe::key(wrapped));
