//! Any bytes as a capture of sysdig: `cargo +nightly fuzz run --fuzz-dir tests/fuzz scap`.
#![no_main]

use afterimage_format::Reader;
use afterimage_interop::{Provenance, open, scap};
use std::io::Cursor;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Plain bytes, or those behind the first ones of a section, so that blocks are reached at once.
    let begun = scap::SECTION_HEAD;
    for input in [bytes.to_vec(), [&begun[..], bytes].concat()] {
        let made = scap::convert(
            Box::new(Cursor::new(input)),
            Vec::new(),
            open::manifest(),
            &Provenance::default(),
        );
        if let Ok((made, report)) = made {
            let reader = Reader::from_bytes(made).expect("what is made can be read");
            assert_eq!(reader.events(), report.events);
            for at in 0..reader.chunks().len() {
                reader.chunk(at).expect("every chunk can be read");
            }
        }
    }
});
