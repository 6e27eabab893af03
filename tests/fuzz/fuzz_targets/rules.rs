//! Rule files: no text makes loading panic or take more than its bounds, alone or after another.
#![no_main]

use afterimage_detect::{Selection, load, results_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (first, second) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let (rules, reports) = load([("first.yaml", first), ("second.yaml", second)]);
    for problem in reports.iter().flat_map(|r| r.errors.iter().chain(&r.warnings)) {
        let _ = (problem.to_string(), problem.snippet().len(), problem.item());
    }
    let _ = results_json(&reports).to_string();
    let _ = rules.select(&Selection::default());
});
