//! Random filters that ask for what captures have.

use crate::peers::scan;
use afterimage_indexer::Session;
use afterimage_model::{FIELDS, FieldArg, FieldType, Kept};
use afterimage_query::{FieldRef, OPERATORS, Op, quote};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::collections::BTreeSet;

/// Numbers that are the same each time.
pub struct Chance(TestRng);

impl Chance {
    /// Of the capture of this number.
    pub fn of_capture(nth: usize) -> Chance {
        let seed = [nth as u8 + 1; 16];
        Chance(TestRng::from_seed(RngAlgorithm::XorShift, &seed))
    }

    /// Less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    /// One of several.
    pub fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// A field with the values that a capture has for it.
pub struct Asked {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub ty: FieldType,
    /// The values, as texts.
    pub values: Vec<String>,
}

/// Names of arguments that many calls have.
const ARGUMENTS: [&str; 9] = [
    "fd", "res", "name", "path", "flags", "dirfd", "data", "size", "ID",
];

/// Every field, with what some events have for it.
pub fn asked(session: &Session) -> Vec<Asked> {
    let mut fields = Vec::new();
    for field in FIELDS {
        let mut names = Vec::new();
        if field.arg != FieldArg::Required {
            names.push(field.name.to_owned());
        }
        if field.arg != FieldArg::None {
            names.extend([0, 1].map(|at| format!("{}[{at}]", field.name)));
        }
        if field.arg == FieldArg::Required {
            names.extend(ARGUMENTS.map(|name| format!("{}.{name}", field.name)));
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
pub fn part(chance: &mut Chance, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let from = chance.below(chars.len());
    let to = from + chance.below(chars.len() - from + 1);
    chars[from..to].iter().collect()
}

/// A comparison near what is there.
pub fn comparison(chance: &mut Chance, fields: &[Asked]) -> String {
    // Each third of what is kept in strings.
    let kept =
        |asked: &&Asked| FieldRef::parse(&asked.name).is_ok_and(|f| Kept::of(f.field()).is_some());
    let field = match chance.below(3) {
        0 => *chance.of(&fields.iter().filter(kept).collect::<Vec<_>>()),
        _ => chance.of(fields),
    };
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
        // Nearly what is there.
        (_, 2) => {
            let text = chance.of(&field.values).clone();
            format!("{}zq", part(chance, &text))
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

/// A filter of some depth, of comparisons near what is there.
pub fn filter(chance: &mut Chance, fields: &[Asked], depth: usize) -> String {
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
pub fn counts_from_before(text: &str) -> bool {
    text.contains("deltatime") || text.contains("evt.around")
}
