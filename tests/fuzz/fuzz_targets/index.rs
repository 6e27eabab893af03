//! Any bytes as the body of a block: indexes.
#![no_main]

use afterimage_format::layout::block;
use afterimage_fuzz::probe;

libfuzzer_sys::fuzz_target!(|body: &[u8]| probe::block(block::INDEX, body));
