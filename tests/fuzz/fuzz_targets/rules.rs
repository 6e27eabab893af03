//! Rule files: no text makes loading panic or take more than its bounds, alone or after another.
#![no_main]

use afterimage_fuzz::language;

libfuzzer_sys::fuzz_target!(|text: &str| language::rules(text));
