//! Random filters over real captures: what the columns answer is what each event says for itself, and a filter that is printed
//! is the same filter. Values are those of the captures, so that comparisons are near what is there.
//!
//! `AFTERIMAGE_LONG=1` asks a hundred thousand of them.

use afterimage_format::Reader;
use afterimage_indexer::Session;
use afterimage_model::{FIELDS, FieldArg, FieldType};
use afterimage_query::{FieldRef, Filter, OPERATORS, Op, quote};
use afterimage_tests::peers::{self, scan};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Numbers that are the same each time.
struct Chance(TestRng);

impl Chance {
    fn of_capture(nth: usize) -> Chance {
        let seed = [nth as u8 + 1; 16];
        Chance(TestRng::from_seed(RngAlgorithm::XorShift, &seed))
    }

    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// A field with the values that a capture has for it.
struct Asked {
    name: String,
    ty: FieldType,
    values: Vec<String>,
}

/// Captures of both kinds, none of which is long.
fn captures() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let mut all = vec![own.join("v1/break-in.aft"), own.join("v1.3/lists.aft")];
    let theirs = peers::folder();
    for name in [
        "falco_cat_write",
        "falco_connect_localhost",
        "falco_empty.2016",
        "libs_sample",
        "libs_test_ipv6_client",
        "falco_ping_sendto",
    ] {
        all.push(theirs.join(format!("{name}.scap")));
    }
    all.retain(|path| path.exists());
    all
}

fn open(path: &Path) -> Session {
    let reader: Reader = afterimage_interop::open(path).unwrap();
    Session::from_reader(reader)
}

/// Every field, with what some events have for it.
fn asked(session: &Session) -> Vec<Asked> {
    let mut fields = Vec::new();
    for field in FIELDS {
        let mut names = Vec::new();
        if field.arg != FieldArg::Required {
            names.push(field.name.to_owned());
        }
        if field.arg != FieldArg::None {
            names.extend([0, 1].map(|at| format!("{}[{at}]", field.name)));
        }
        let refs = names.into_iter().filter_map(|name| {
            let parsed = FieldRef::parse(&name).ok()?;
            Some((name, field.ty, parsed))
        });
        fields.extend(refs);
    }
    let mut found: Vec<BTreeSet<String>> = vec![BTreeSet::new(); fields.len()];
    let mut nth = 0;
    scan(session, None, |ctx| {
        nth += 1;
        if nth % 7 != 0 {
            return;
        }
        for ((_, _, field), found) in fields.iter().zip(&mut found) {
            if found.len() < 24
                && let Some(value) = field.value(ctx)
                && let Ok(text) = String::from_utf8(value.text().into_owned())
            {
                found.insert(text);
            }
        }
    });
    let fields = fields.into_iter().zip(found);
    fields
        .map(|((name, ty, _), values)| Asked {
            name,
            ty,
            values: values.into_iter().collect(),
        })
        .collect()
}

/// Some part of a text.
fn part(chance: &mut Chance, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let from = chance.below(chars.len());
    let to = from + chance.below(chars.len() - from + 1);
    chars[from..to].iter().collect()
}

fn comparison(chance: &mut Chance, fields: &[Asked]) -> String {
    let field = chance.of(fields);
    let fitting: Vec<_> = OPERATORS
        .iter()
        .filter(|row| row.op.fits(field.ty))
        .collect();
    let row = *chance.of(&fitting);
    let name = match (field.ty, chance.below(12)) {
        (FieldType::Str, 0) => format!("tolower({})", field.name),
        (FieldType::Str, 1) => format!("len({})", field.name),
        (FieldType::Str, 2) => format!("basename({})", field.name),
        _ => field.name.clone(),
    };
    let other = ["0", "1", "-1", "openat", "/etc", "sh", ""];
    let value = |chance: &mut Chance| match (field.values.is_empty(), chance.below(6)) {
        (true, _) | (_, 0) => (*chance.of(&other)).to_owned(),
        (_, 1) => {
            let text = chance.of(&field.values).clone();
            part(chance, &text)
        }
        _ => chance.of(&field.values).clone(),
    };
    let text = match row.op {
        Op::Exists => return format!("{name} exists"),
        Op::Bcontains | Op::Bstartswith => {
            let value = value(chance);
            value.bytes().map(|b| format!("{b:02x}")).collect()
        }
        Op::In | Op::Intersects | Op::Pmatch => {
            let all: Vec<String> = (0..1 + chance.below(4))
                .map(|_| quote(value(chance).as_bytes()))
                .collect();
            return format!("{name} {} ({})", row.text, all.join(", "));
        }
        _ if row.op.takes_modifier() && chance.below(8) == 0 => {
            let modifier = *chance.of(&["oneof", "anyof", "allof"]);
            let (a, b) = (value(chance), value(chance));
            let list = [a, b].map(|text| quote(text.as_bytes())).join(", ");
            return format!("{name} {} {modifier} ({list})", row.text);
        }
        Op::Glob | Op::Iglob => format!("*{}*", value(chance)),
        _ => value(chance),
    };
    format!("{name} {} {}", row.text, quote(text.as_bytes()))
}

fn filter(chance: &mut Chance, fields: &[Asked], depth: usize) -> String {
    match (depth, chance.below(6)) {
        (0, _) | (_, 0 | 1) => comparison(chance, fields),
        (_, 2) => format!("not ({})", filter(chance, fields, depth - 1)),
        (_, n) => {
            let word = if n == 3 { "or" } else { "and" };
            let (a, b) = (
                filter(chance, fields, depth - 1),
                filter(chance, fields, depth - 1),
            );
            format!("({a} {word} {b})")
        }
    }
}

/// Whether it counts from an event before: what that was depends on what else was asked.
fn counts_from_before(text: &str) -> bool {
    text.contains("deltatime") || text.contains("evt.around")
}

#[test]
fn what_columns_answer_is_what_each_event_says_for_itself() {
    let wanted = match std::env::var_os("AFTERIMAGE_LONG") {
        Some(_) => 100_000,
        None => 400,
    };
    let captures = captures();
    let each = wanted / captures.len() + 1;
    let (mut asked_so_far, mut refused, mut matched) = (0, 0, 0_u64);
    for (nth, capture) in captures.iter().enumerate() {
        let mut chance = Chance::of_capture(nth);
        let (naive, columns) = (open(capture), open(capture));
        let fields = asked(&naive);
        let mut left = each;
        while left > 0 {
            let mut filters = Vec::new();
            while filters.len() < left.min(200) {
                let text = filter(&mut chance, &fields, 3);
                if counts_from_before(&text) {
                    continue;
                }
                match Filter::parse(&text) {
                    Ok(filter) => filters.push((text, filter)),
                    // A value that does not fit its field; that is said, too.
                    Err(_) => refused += 1,
                }
                assert!(refused < 300_000, "nearly all filters are refused");
            }
            left -= filters.len();
            let mut expected = vec![Vec::new(); filters.len()];
            scan(&naive, None, |ctx| {
                for ((_, filter), expected) in filters.iter().zip(&mut expected) {
                    if filter.matches(ctx) {
                        expected.push(ctx.num);
                    }
                }
            });
            for ((text, filter), expected) in filters.iter().zip(expected) {
                let name = capture.display();
                let again = Filter::parse(&filter.print());
                let again = again.unwrap_or_else(|error| panic!("{text}: {error}"));
                assert_eq!(again, *filter, "{text}");
                let mut found = Vec::new();
                scan(&columns, Some(filter), |ctx| found.push(ctx.num));
                assert_eq!(found, expected, "{name}: {text}");
                asked_so_far += 1;
                matched += u64::from(!found.is_empty());
            }
        }
    }
    assert!(asked_so_far >= wanted && matched > asked_so_far as u64 / 4);
}
