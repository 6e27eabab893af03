//! The short form of the fuzz targets for filters, rules and captures of sysdig: their seeds, and what a seeded generator makes
//! of them in a few hundred changes each. It needs neither a nightly compiler nor cargo-fuzz.

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/dice.rs"]
mod dice;
#[path = "../fuzz/src/language.rs"]
mod language;

use dice::Dice;

impl Dice {
    /// Overwrites, removes, cuts, doubles or takes from another in some places.
    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len() + 1);
            let end = (at + self.roll(24)).min(bytes.len());
            let piece = |from: &[u8]| from[at.min(from.len())..end.min(from.len())].to_vec();
            match (self.roll(6), bytes.get_mut(at)) {
                (0, Some(byte)) => *byte ^= 1 << self.roll(8),
                (1, Some(byte)) => *byte = [0, 1, 0x7f, 0xff, b'(', b'"', b' '][self.roll(7)],
                (2, _) => drop(bytes.drain(at..end)),
                (3, _) if at > 0 => bytes.truncate(at),
                (4, _) => drop(bytes.splice(at..end, piece(other)).count()),
                _ => {
                    let again = piece(bytes);
                    bytes.splice(at..at, again);
                }
            }
        }
    }
}

/// Asks of every seed of a target, and of what changes make of it.
fn short(target: &str, changes: usize, ask: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut seeds: Vec<Vec<u8>> = (entries.flatten())
        .map(|entry| fs::read(entry.path()).unwrap())
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for seed in &seeds {
        ask(seed);
        for _ in 0..changes {
            let mut bytes = seed.clone();
            let other = dice.roll(seeds.len());
            dice.change(&mut bytes, &seeds[other]);
            ask(&bytes);
        }
    }
}

#[test]
fn a_filter_may_be_any_text() {
    short("filter", 600, |bytes| {
        language::filter(&String::from_utf8_lossy(bytes));
    });
}

#[test]
fn a_rule_file_may_be_any_text() {
    short("rules", 300, |bytes| {
        language::rules(&String::from_utf8_lossy(bytes));
    });
}

#[test]
fn a_capture_of_sysdig_may_be_any_bytes() {
    short("scap", 200, language::capture_of_sysdig);
}
