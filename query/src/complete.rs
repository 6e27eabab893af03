//! What could stand at the cursor of a filter that is being typed. The parser itself says what it would welcome.

use crate::lexer::Expect;
use crate::ops::{FUNCTIONS, OPERATORS};
use crate::parse::expected;
use crate::source::Source;
use crate::values::print_value;
use afterimage_model::{
    Class, FIELDS, FieldArg, FieldType, FileKind, HAPPENINGS, SYSCALLS, errno::ERRNOS, services,
};
use std::ops::Range;

/// Something to put in place of the word at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What to put there.
    pub text: String,
    /// Which bytes it replaces.
    pub replace: Range<usize>,
    /// One sentence.
    pub doc: &'static str,
}

/// Most candidates given at once.
const MOST: usize = 512;

/// What could stand at `cursor` (a byte offset), best first.
pub fn complete(text: &str, cursor: usize) -> Vec<Candidate> {
    let mut cursor = cursor.min(text.len());
    while !text.is_char_boundary(cursor) {
        cursor -= 1;
    }
    let typed = text.get(..cursor).unwrap_or_default();
    let (expect, start) = expected(typed);
    let word = typed.get(start..).unwrap_or_default();
    if word.contains(char::is_whitespace)
        || (word.starts_with('(') && !matches!(expect, Expect::Field))
    {
        return Vec::new();
    }
    let word = word.trim_start_matches('(');
    let start = cursor - word.len();
    let offers: Vec<(String, &'static str)> = match expect {
        Expect::Field => {
            let names = FIELDS.iter().map(|field| {
                let open = if field.arg == FieldArg::Required {
                    "["
                } else {
                    ""
                };
                (format!("{}{open}", field.name), field.doc)
            });
            let functions = FUNCTIONS
                .iter()
                .map(|row| (format!("{}(", row.text), row.doc));
            names
                .chain([("not ".to_owned(), "The opposite of what follows.")])
                .chain(functions)
                .collect()
        }
        Expect::Operator(term) => {
            let Ok(source) = Source::resolve(&term) else {
                return Vec::new();
            };
            let ty = source.ty();
            OPERATORS
                .iter()
                .filter(|row| row.op.fits(ty))
                .map(|row| (row.text.to_owned(), row.doc))
                .collect()
        }
        Expect::Value(term) => match Source::resolve(&term) {
            Ok(source) => values(
                source.field().map_or("", |field| field.field().name),
                source.ty(),
            ),
            Err(_) => return Vec::new(),
        },
        Expect::Connective => vec![
            ("and ".to_owned(), "Both must hold."),
            ("or ".to_owned(), "One of both must hold."),
        ],
        Expect::Nothing => Vec::new(),
    };
    let fits = |offer: &(String, &'static str)| offer.0.starts_with(word) && offer.0 != word;
    // Names that go on after a dot the user typed come first, then those that hold the word anywhere.
    let mut found: Vec<_> = offers.iter().filter(|offer| fits(offer)).cloned().collect();
    if word.len() >= 2 {
        found.extend(
            offers
                .into_iter()
                .filter(|offer| !fits(offer) && offer.0.contains(word) && offer.0 != word),
        );
    }
    found.truncate(MOST);
    found
        .into_iter()
        .map(|(text, doc)| Candidate {
            text,
            replace: start..cursor,
            doc,
        })
        .collect()
}

/// Values a field is known to take.
fn values(field: &str, ty: FieldType) -> Vec<(String, &'static str)> {
    match field {
        "evt.type" => SYSCALLS
            .iter()
            .chain(HAPPENINGS)
            .map(|row| (row.name.to_owned(), row.doc))
            .collect(),
        "evt.category" => Class::ALL
            .iter()
            .map(|row| (print_value(row.1.as_bytes()), row.2))
            .collect(),
        "fd.type" => FileKind::ALL
            .iter()
            .map(|row| (row.1.to_owned(), "A kind of file or socket."))
            .collect(),
        "evt.res" => [("SUCCESS", "The call did not fail.")]
            .into_iter()
            .chain(ERRNOS.iter().map(|row| (row.1, row.2)))
            .map(owned)
            .collect(),
        _ if ty == FieldType::Bool => [("true", "Yes."), ("false", "No.")].map(owned).to_vec(),
        _ if ty == FieldType::Port => services::SERVICES
            .iter()
            .map(|row| (row.1.to_owned(), "A well-known port."))
            .collect(),
        _ => Vec::new(),
    }
}

fn owned(offer: (&'static str, &'static str)) -> (String, &'static str) {
    (offer.0.to_owned(), offer.1)
}
