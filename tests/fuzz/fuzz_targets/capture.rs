//! Any bytes as a capture, and any bytes behind the head of one.
#![no_main]

use afterimage_fuzz::probe;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    probe::read(bytes.to_vec());
    let mut file = probe::together(&probe::empty());
    file.truncate(file.len() / 2);
    file.extend_from_slice(bytes);
    probe::read(file);
});
