//! What a reader of a filter might have meant otherwise: how an unclear text was read, and values that look like a slip.

use crate::field::FieldRef;
use crate::ops::{FUNCTIONS, Op};
use crate::syntax::{Check, Right, Term};
use afterimage_model::Safe;
use afterimage_model::fields::{self, RETIRED};
use std::ops::Range;

/// Something to tell about a filter that is none the less right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which bytes of the text are meant.
    pub span: Range<usize>,
    /// What about them.
    pub kind: NoteKind,
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteKind {
    /// `and` and `or` side by side without brackets; the text says how they were read.
    Mixed(String),
    /// `not` several times; the text says how they were read.
    ManyNots(String),
    /// A value that is the name of a field.
    FieldAsValue(String),
    /// A value that looks like a function.
    FunctionAsValue(String),
    /// A field of old that no capture has; the text says what to ask for instead.
    Retired(&'static str, &'static str),
    /// A regular expression that a simpler operator can do.
    SimpleRegex(String),
}

impl Note {
    /// One line, escaped.
    pub fn message(&self) -> String {
        match &self.kind {
            NoteKind::Mixed(read) => {
                format!("`and` binds tighter than `or`: read as {}", cut(read))
            }
            NoteKind::ManyNots(read) => format!(
                "each `not` turns the one after it round: read as {}",
                cut(read)
            ),
            NoteKind::FieldAsValue(text) => format!(
                "'{}' may be a valid field misused as a const string value",
                Safe::new(text)
            ),
            NoteKind::FunctionAsValue(text) => format!(
                "'{}' may be a valid field transformer misused as a const string value",
                Safe::new(text)
            ),
            NoteKind::Retired(name, instead) => format!("{name} matches nothing: {instead}"),
            NoteKind::SimpleRegex(text) => format!(
                "regex check with '{}' may be optimized with simpler operators such as '=', 'contains', 'startswith', 'endswith'",
                Safe::new(text)
            ),
        }
    }
}

/// A text short enough for a line; it is printable already.
fn cut(text: &str) -> String {
    const LONGEST: usize = 200;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}

/// What there is to tell of a comparison: of its fields, and of its values.
pub(crate) fn of_check(check: &Check, notes: &mut Vec<Note>) {
    of_term(&check.left, notes);
    if let Right::Term(term) = &check.right {
        of_term(term, notes);
    }
    let values = match &check.right {
        Right::Value(value) | Right::Name(value) => std::slice::from_ref(value),
        Right::List(values) => values.as_slice(),
        Right::Nothing | Right::Term(_) => &[],
    };
    for value in values {
        let Ok(text) = std::str::from_utf8(&value.bytes) else {
            continue;
        };
        let mut say = |kind| {
            notes.push(Note {
                span: value.span.clone(),
                kind,
            });
        };
        if check.op == Op::Regex && is_simple(text) {
            say(NoteKind::SimpleRegex(text.to_owned()));
        }
        let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let is_field =
            packed.len() < 256 && packed.contains('.') && FieldRef::parse(&packed).is_ok();
        if is_field {
            say(NoteKind::FieldAsValue(text.to_owned()));
        }
        let functions = FUNCTIONS.iter().map(|row| row.text).chain(["val"]);
        let is_call = packed.ends_with(')')
            && functions.into_iter().any(|name| {
                packed
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('('))
            });
        if is_call {
            say(NoteKind::FunctionAsValue(text.to_owned()));
        }
    }
}

fn of_term(term: &Term, notes: &mut Vec<Note>) {
    match term {
        Term::Field { name, span, .. } => {
            let old = fields::split_name(name).map(|(field, _)| field);
            let old = old.and_then(|field| RETIRED.iter().find(|row| row.name == field.name));
            if let Some(field) = old {
                notes.push(Note {
                    span: span.clone(),
                    kind: NoteKind::Retired(field.name, field.doc),
                });
            }
        }
        Term::Call { args, .. } | Term::List(args, _) => {
            args.iter().for_each(|arg| of_term(arg, notes));
        }
        Term::Literal(_) => {}
    }
}

/// Whether an expression has nothing special but anchors and `.*` and its kin at its ends.
fn is_simple(text: &str) -> bool {
    let bytes = text.as_bytes();
    let at = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let mut here = 0;
    while here < bytes.len() {
        let (first, last) = (here == 0, here + 1 == bytes.len());
        let anchor = (first && at(here) == b'^') || (last && at(here) == b'$');
        let repeated = at(here) == b'.' && b"+*?".contains(&at(here + 1));
        if !anchor && repeated && (first || here + 2 == bytes.len()) {
            here += 1;
        } else if !anchor && b".+*?^$()[]{}|\\".contains(&at(here)) {
            return false;
        }
        here += 1;
    }
    true
}
