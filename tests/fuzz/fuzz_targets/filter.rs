//! Filters and output formats: no text makes the parsers panic, and what is printed is read back as the same.
#![no_main]

use afterimage_query::{Filter, Syntax, Template, complete};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Filter::parse(text) {
        Ok(filter) => {
            let printed = filter.print();
            assert!(printed.chars().all(|c| !c.is_control()));
            let again = Filter::parse(&printed).expect("what is printed is a filter");
            assert_eq!(again, filter);
            for note in filter.notes() {
                let _ = note.message();
            }
        }
        Err(error) => {
            assert!(error.to_string().chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
    if let Ok(syntax) = Syntax::parse(text) {
        let printed = syntax.to_string();
        assert_eq!(Syntax::parse(&printed).expect("what is printed is a tree"), syntax);
        let _ = Filter::from_syntax(&syntax);
    }
    let _ = Template::parse(text).map_err(|error| error.to_string());
    let _ = complete(text, text.len() / 2);
});
