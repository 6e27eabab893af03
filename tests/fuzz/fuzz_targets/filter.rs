//! Filters and output formats: no text makes the parsers panic, and what is printed is read back as the same.
#![no_main]

use afterimage_fuzz::language;

libfuzzer_sys::fuzz_target!(|text: &str| language::filter(text));
