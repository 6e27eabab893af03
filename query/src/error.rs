//! Why a text is not a filter or a template: the place, the reason, the remedy.

use crate::ops::{FUNCTIONS, OPERATORS, Op, type_name};
use crate::{MAX_DEPTH, MAX_TEXT};
use afterimage_model::{FIELDS, FieldType, Safe};
use std::fmt;
use std::ops::Range;
use unicode_width::UnicodeWidthStr;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterErrorKind {
    /// The text is longer than [`MAX_TEXT`].
    TooLong,
    /// Brackets are nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A field was expected.
    ExpectedField,
    /// There is no such field.
    UnknownField,
    /// There is no such function.
    UnknownFunction,
    /// The function does not take what it is given; the text says what it takes.
    BadCall(&'static str, &'static str),
    /// What stands in brackets behind `getopt(…)` is not the letter of one option.
    BadOption,
    /// Nothing in brackets may stand behind this function.
    NoIndex(&'static str),
    /// No function takes this field.
    NoFunction(&'static str),
    /// An argument of a function was expected.
    ExpectedArgument,
    /// The operator is not followed by another field.
    NoRightField(Op),
    /// The field is not compared with other fields.
    FieldApart(&'static str),
    /// What is compared holds different things.
    TypesDiffer(FieldType, FieldType),
    /// A number was expected.
    ExpectedNumber,
    /// A blank was expected.
    ExpectedBlank,
    /// A backslash in quotes is followed by nothing that has a meaning.
    BadEscape,
    /// The field needs an argument.
    MissingArgument(&'static str),
    /// The field takes no argument.
    UnexpectedArgument(&'static str),
    /// The bracket of a field's argument is not closed or is empty.
    BadArgument,
    /// An operator was expected.
    ExpectedOperator,
    /// There is no such operator.
    UnknownOperator,
    /// The operator does not fit what the field holds.
    OperatorMisfit(Op, FieldType),
    /// A value was expected.
    ExpectedValue,
    /// A list in brackets was expected.
    ExpectedList(Op),
    /// The value is not one the field could hold.
    BadValue(FieldType),
    /// The value is not an even number of hex digits.
    BadHex,
    /// The value is not a pattern this program can match in bounded space.
    BadPattern(Op),
    /// A quote is not closed.
    OpenQuote,
    /// A bracket is not closed.
    OpenBracket,
    /// `and`, `or` or the end was expected.
    ExpectedConnective,
    /// A template's `%` is followed by neither a field nor a `%`.
    BarePercent,
}

/// Why a text is not a filter: where, what, and the nearest thing that would be one. `Display` prints the text with a
/// caret under the place; what the user wrote is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    text: String,
    span: Range<usize>,
    kind: FilterErrorKind,
}

/// Names that readers of sysdig and Falco know and that cannot be answered here, with the reason.
const FOREIGN: &[(&str, &str)] = &[
    ("ka.", "Kubernetes audit events are not recorded"),
    ("ct.", "events of CloudTrail are not recorded"),
    ("json.", "events of plug-ins are not recorded"),
    ("jevt.", "events of plug-ins are not recorded"),
];

impl FilterError {
    pub(crate) fn new(text: &str, span: Range<usize>, kind: FilterErrorKind) -> FilterError {
        FilterError {
            text: text.to_owned(),
            span,
            kind,
        }
    }

    /// The same error in a longer text, in which this one's begins at a place.
    pub(crate) fn within(self, text: &str, at: usize) -> FilterError {
        FilterError {
            text: text.to_owned(),
            span: self.span.start + at..self.span.end + at,
            kind: self.kind,
        }
    }

    /// What is wrong.
    pub fn kind(&self) -> &FilterErrorKind {
        &self.kind
    }

    /// The text that is wrong.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Which bytes of the text are meant.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// One line without the text: lowercase, escaped.
    pub fn message(&self) -> String {
        use FilterErrorKind::*;
        let word = Safe::new(shorten(
            self.text.get(self.span.clone()).unwrap_or_default(),
        ));
        match &self.kind {
            TooLong => format!(
                "the text has {} bytes, at most {MAX_TEXT} are taken",
                self.text.len()
            ),
            TooDeep => format!("brackets are nested deeper than {MAX_DEPTH}"),
            ExpectedField => "expected a field".to_owned(),
            UnknownField => format!("unknown field `{word}`"),
            UnknownFunction => format!("unknown function `{word}`"),
            BadCall(name, takes) => format!("`{name}` takes {takes}"),
            BadOption => "the option in brackets is not one letter".to_owned(),
            NoIndex(name) => format!("`{name}` takes nothing in brackets"),
            NoFunction(field) => format!("`{field}` cannot be given to a function"),
            ExpectedArgument => {
                "expected a field, a function, a text in quotes or a number".to_owned()
            }
            NoRightField(op) => format!("`{}` does not compare two fields", op.text()),
            FieldApart(field) => format!("`{field}` cannot be compared with another field"),
            TypesDiffer(left, right) => format!(
                "{} cannot be compared with {}",
                type_name(*left),
                type_name(*right)
            ),
            ExpectedNumber => format!("`{word}` is not a number"),
            ExpectedBlank => "expected a blank".to_owned(),
            BadEscape => format!("`{word}` means nothing in quotes"),
            MissingArgument(field) => format!("`{field}` needs an argument"),
            UnexpectedArgument(field) => format!("`{field}` takes no argument"),
            BadArgument => "the argument in brackets is empty or not closed".to_owned(),
            ExpectedOperator => "expected an operator".to_owned(),
            UnknownOperator => format!("unknown operator `{word}`"),
            OperatorMisfit(op, ty) => format!(
                "`{}` does not fit a field that holds {}",
                op.text(),
                type_name(*ty)
            ),
            ExpectedValue => "expected a value".to_owned(),
            ExpectedList(op) => format!("`{}` needs a list in brackets", op.text()),
            BadValue(ty) => format!("`{word}` is not {}", type_name(*ty)),
            BadHex => format!("`{word}` is not an even number of hex digits"),
            BadPattern(op) => format!(
                "`{word}` is not a pattern for `{}`, or it is too large",
                op.text()
            ),
            OpenQuote => "this quote is not closed".to_owned(),
            OpenBracket => "this bracket is not closed".to_owned(),
            ExpectedConnective => "expected `and`, `or` or the end".to_owned(),
            BarePercent => "a `%` must be followed by a field".to_owned(),
        }
    }

    /// What to do instead.
    pub fn remedy(&self) -> String {
        use FilterErrorKind::*;
        let word = self.text.get(self.span.clone()).unwrap_or_default();
        match &self.kind {
            TooLong | TooDeep => "split it into several filters".to_owned(),
            ExpectedField => "for example: proc.name=sh".to_owned(),
            UnknownField => match (
                FOREIGN.iter().find(|row| word.starts_with(row.0)),
                nearest_field(word),
            ) {
                (Some(row), _) => row.1.to_owned(),
                (None, Some(name)) => format!("did you mean {name}?"),
                (None, None) => "`afterimage fields` lists all fields".to_owned(),
            },
            UnknownFunction => match nearest(word, FUNCTIONS.iter().map(|row| row.text)) {
                Some(name) => format!("did you mean {name}?"),
                None => format!(
                    "the functions are {}",
                    FUNCTIONS
                        .iter()
                        .map(|row| row.text)
                        .collect::<Vec<_>>()
                        .join(" ")
                ),
            },
            BadCall(name, _) => FUNCTIONS
                .iter()
                .find(|row| row.text == *name)
                .map(|row| format!("for example: {}", row.example))
                .unwrap_or_default(),
            BadOption => "for example: getopt(proc.args, 'lp:')[p]".to_owned(),
            NoIndex(_) => "only getopt takes the letter of an option in brackets".to_owned(),
            NoFunction(_) | FieldApart(_) => "it may stand for several values".to_owned(),
            ExpectedArgument => "for example: proc.name".to_owned(),
            NoRightField(_) => "write a text or a list instead".to_owned(),
            TypesDiffer(..) => "both sides must hold the same".to_owned(),
            ExpectedNumber => "for example: 42, -1, 0x10, 1.5".to_owned(),
            ExpectedBlank => "put a blank behind the operator".to_owned(),
            BadEscape => "write \\\\ for a backslash".to_owned(),
            MissingArgument(field) => format!("for example: {field}[0]"),
            UnexpectedArgument(field) => format!("write {field}"),
            BadArgument => "for example: evt.arg[0]".to_owned(),
            ExpectedOperator => "for example: = != < > contains in exists".to_owned(),
            UnknownOperator => match nearest(word, OPERATORS.iter().map(|row| row.text)) {
                Some(name) => format!("did you mean {name}?"),
                None => format!("the operators are {}", names_of(|_| true)),
            },
            OperatorMisfit(_, ty) => format!("operators that fit: {}", names_of(|op| op.fits(*ty))),
            ExpectedValue => "text with blanks, brackets, commas or = goes in quotes".to_owned(),
            ExpectedList(op) => op
                .row()
                .map(|row| format!("for example: {}", row.example))
                .unwrap_or_default(),
            BadValue(ty) => match ty {
                FieldType::Bool => "write true or false".to_owned(),
                FieldType::Ip | FieldType::Net => {
                    "for example: 10.0.0.1, 10.0.0.0/8, ::1".to_owned()
                }
                FieldType::Port => "a number up to 65535 or a service such as https".to_owned(),
                FieldType::RelTime => {
                    "nanoseconds, or a number with ns, us, ms, s, m or h".to_owned()
                }
                FieldType::AbsTime => "nanoseconds since 1970, or 2026-01-31T12:00:00Z".to_owned(),
                _ => "for example: 42, -1, 0x10".to_owned(),
            },
            BadHex => "for example: 7f454c46".to_owned(),
            BadPattern(_) => {
                "patterns are those of the Rust regex crate: no look-around, no back-references"
                    .to_owned()
            }
            OpenQuote => {
                "add the closing quote, or put a \\ before a quote that is meant".to_owned()
            }
            OpenBracket => "add the closing bracket".to_owned(),
            ExpectedConnective => match nearest(word, ["and", "or"].into_iter()) {
                Some(name) => format!("did you mean {name}?"),
                None => "text with blanks, brackets, commas or = goes in quotes".to_owned(),
            },
            BarePercent => "write %% for a percent sign".to_owned(),
        }
    }
}

/// Longest stretch of the user's text that is shown on either side of the place.
const SHOWN: usize = 60;

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.text.get(..self.span.start).unwrap_or_default();
        let mut inside = self.text.get(self.span.clone()).unwrap_or_default();
        let after = self.text.get(self.span.end..).unwrap_or_default();
        let skip = before
            .char_indices()
            .rev()
            .nth(SHOWN)
            .map_or(0, |(at, c)| at + c.len_utf8());
        let lead = if skip > 0 { "…" } else { "" };
        let before = Safe::new(before.get(skip..).unwrap_or_default()).to_string();
        let mut tail = "";
        let mut after_shown = cut(after, SHOWN);
        if cut(inside, SHOWN).len() < inside.len() {
            inside = cut(inside, SHOWN);
            after_shown = "";
            tail = "…";
        } else if after_shown.len() < after.len() {
            tail = "…";
        }
        let inside = Safe::new(inside).to_string();
        writeln!(f, "{}", self.message())?;
        writeln!(
            f,
            "  {lead}{before}{inside}{}{tail}",
            Safe::new(after_shown)
        )?;
        let indent = lead.width() + before.width();
        writeln!(f, "  {:indent$}{}", "", "^".repeat(inside.width().max(1)))?;
        f.write_str(&self.remedy())
    }
}

impl std::error::Error for FilterError {}

fn cut(text: &str, chars: usize) -> &str {
    text.char_indices()
        .nth(chars)
        .and_then(|(at, _)| text.get(..at))
        .unwrap_or(text)
}

fn shorten(text: &str) -> &str {
    cut(text, SHOWN)
}

fn names_of(fits: impl Fn(Op) -> bool) -> String {
    OPERATORS
        .iter()
        .filter(|row| fits(row.op))
        .map(|row| row.text)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The field whose name is nearest, with the argument stripped.
fn nearest_field(word: &str) -> Option<&'static str> {
    let word = word.split('[').next().unwrap_or(word);
    nearest(word, FIELDS.iter().map(|field| field.name))
}

/// The nearest of `names` by edit distance, if it is near enough to be a slip of the fingers.
pub(crate) fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const LONGEST: usize = 64;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let near_enough = (word.len() / 3).clamp(1, 4);
    names
        .map(|name| (distance(word.as_bytes(), name.as_bytes()), name))
        .filter(|(far, _)| *far <= near_enough)
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// Edit distance with neighbours swapped counting as one.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut left = None;
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = j.checked_sub(1).and_then(|k| b.get(k)) == Some(x) && left == Some(y);
            if swapped && let Some(far) = j.checked_sub(1).and_then(|k| before.get(k)) {
                best = best.min(far + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
        left = Some(x);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place_even_after_wide_and_hostile_characters() {
        let text = "検\u{1b}索 bad";
        let start = text.find("bad").unwrap();
        let error = FilterError::new(text, start..start + 3, FilterErrorKind::UnknownField);
        let shown = error.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "  検\\x1b索 bad");
        let column = lines[1].split("bad").next().unwrap().width();
        assert_eq!(lines[2], format!("{}^^^", " ".repeat(column)));
        assert!(!shown.contains('\u{1b}'));
    }

    #[test]
    fn a_long_text_is_shown_only_around_the_place() {
        let text = format!("{} bad {}", "x".repeat(5000), "y".repeat(5000));
        let error = FilterError::new(&text, 5001..5004, FilterErrorKind::UnknownField);
        assert!(
            error
                .to_string()
                .lines()
                .all(|line| line.chars().count() < 140)
        );
        assert!(error.to_string().contains("bad"));
    }

    #[test]
    fn swapped_letters_are_one_slip() {
        assert_eq!(distance(b"porc", b"proc"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(
            nearest("porc.name", ["proc.name", "evt.type"].into_iter()),
            Some("proc.name")
        );
        assert_eq!(nearest("zzzz", ["proc.name", "evt.type"].into_iter()), None);
    }
}
