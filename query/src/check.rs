//! A comparison's values against its field's type, compiled to what evaluation needs.

use crate::error::FilterErrorKind;
use crate::lexer::Token;
use crate::ops::Op;
use crate::pattern::{Glob, PathPrefix, contains, contains_any_case};
use crate::values::{Cidr, duration_ns, instant_ns, number, port};
use afterimage_model::{Field, FieldArg, FieldType, FieldValue};
use regex::bytes::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;

/// Memory a compiled regular expression may take, and its lazy automaton.
const REGEX_BYTES: usize = 1 << 20;
/// Nesting of a regular expression.
const REGEX_DEPTH: u32 = 64;

/// A compiled comparison.
#[derive(Debug)]
pub(crate) enum Matcher {
    Exists,
    Text(HashSet<Vec<u8>>),
    Number(Vec<i128>),
    Bool(bool, bool),
    Address(Vec<Cidr>),
    Order(Op, i128),
    Contains(Vec<u8>),
    ContainsAnyCase(Vec<u8>),
    StartsWith(Vec<u8>),
    EndsWith(Vec<u8>),
    Glob(Glob),
    Regex(Regex),
    Under(Vec<PathPrefix>),
    /// There, and the inner one matches none of the values.
    Differs(Box<Matcher>),
}

type Refused = (Range<usize>, FilterErrorKind);

impl Matcher {
    /// Whether `op` orders an argument of a call, which is text for one call and a number for another.
    pub fn is_numeric_argument(field: &Field, op: Op) -> bool {
        matches!(op, Op::Lt | Op::Le | Op::Gt | Op::Ge)
            && field.ty == FieldType::Str
            && field.arg == FieldArg::Required
    }

    pub fn compile(field: &Field, op: Op, values: &[Token]) -> Result<Matcher, Refused> {
        let first = || values.first().ok_or((0..0, FilterErrorKind::ExpectedValue));
        let text = || first().map(|token| token.bytes.clone());
        let refuse =
            |kind: FilterErrorKind| first().map_or_else(|e| e, |token| (token.span.clone(), kind));
        Ok(match op {
            Op::Exists => Matcher::Exists,
            Op::Ne => Matcher::Differs(Box::new(Matcher::equal(field.ty, values)?)),
            Op::Eq | Op::In | Op::Intersects => Matcher::equal(field.ty, values)?,
            Op::Lt | Op::Le | Op::Gt | Op::Ge => {
                let ty = if field.ty == FieldType::Str {
                    FieldType::Int
                } else {
                    field.ty
                };
                Matcher::Order(op, Matcher::numeric(ty, first()?)?)
            }
            Op::Contains => Matcher::Contains(text()?),
            Op::Icontains => Matcher::ContainsAnyCase(text()?),
            Op::Startswith => Matcher::StartsWith(text()?),
            Op::Endswith => Matcher::EndsWith(text()?),
            Op::Bcontains => Matcher::Contains(
                Matcher::hex(&text()?).ok_or_else(|| refuse(FilterErrorKind::BadHex))?,
            ),
            Op::Bstartswith => Matcher::StartsWith(
                Matcher::hex(&text()?).ok_or_else(|| refuse(FilterErrorKind::BadHex))?,
            ),
            Op::Glob | Op::Iglob => Matcher::Glob(
                Glob::compile(&text()?, op == Op::Iglob)
                    .ok_or_else(|| refuse(FilterErrorKind::BadPattern(op)))?,
            ),
            Op::Regex => Matcher::Regex(
                Matcher::regex(&text()?).ok_or_else(|| refuse(FilterErrorKind::BadPattern(op)))?,
            ),
            Op::Pmatch => Matcher::Under(
                values
                    .iter()
                    .map(|token| {
                        PathPrefix::compile(&token.bytes)
                            .ok_or((token.span.clone(), FilterErrorKind::BadPattern(op)))
                    })
                    .collect::<Result<_, _>>()?,
            ),
        })
    }

    fn equal(ty: FieldType, values: &[Token]) -> Result<Matcher, Refused> {
        let refuse = |token: &Token| (token.span.clone(), FilterErrorKind::BadValue(ty));
        Ok(match ty {
            FieldType::Str | FieldType::Bytes => {
                Matcher::Text(values.iter().map(|token| token.bytes.clone()).collect())
            }
            FieldType::Bool => {
                let (mut yes, mut no) = (false, false);
                for token in values {
                    match token.bytes.as_slice() {
                        b"true" => yes = true,
                        b"false" => no = true,
                        _ => return Err(refuse(token)),
                    }
                }
                Matcher::Bool(yes, no)
            }
            FieldType::Ip | FieldType::Net => Matcher::Address(
                values
                    .iter()
                    .map(|token| {
                        std::str::from_utf8(&token.bytes)
                            .ok()
                            .and_then(Cidr::parse)
                            .ok_or_else(|| refuse(token))
                    })
                    .collect::<Result<_, _>>()?,
            ),
            _ => Matcher::Number(
                values
                    .iter()
                    .map(|token| Matcher::numeric(ty, token))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }

    fn numeric(ty: FieldType, token: &Token) -> Result<i128, Refused> {
        let parse = match ty {
            FieldType::Port => port,
            FieldType::RelTime => duration_ns,
            FieldType::AbsTime => instant_ns,
            _ => number,
        };
        std::str::from_utf8(&token.bytes)
            .ok()
            .and_then(parse)
            .ok_or((token.span.clone(), FilterErrorKind::BadValue(ty)))
    }

    fn hex(text: &[u8]) -> Option<Vec<u8>> {
        if text.is_empty()
            || !text.len().is_multiple_of(2)
            || !text.iter().all(u8::is_ascii_hexdigit)
        {
            return None;
        }
        text.chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect()
    }

    /// Matches the whole value; the crate's automata take time linear in it, whatever the expression.
    fn regex(text: &[u8]) -> Option<Regex> {
        let pattern = std::str::from_utf8(text).ok()?;
        // Compiled alone first: `a)|(b` must not close the group put around it.
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .size_limit(REGEX_BYTES)
                .dfa_size_limit(REGEX_BYTES)
                .nest_limit(REGEX_DEPTH)
                .build()
                .ok()
        };
        build(pattern)?;
        // On a line of its own the closing bracket cannot end up inside a comment of `(?x)`.
        build(&format!("\\A(?:{pattern})\\z")).or_else(|| build(&format!("\\A(?:{pattern}\n)\\z")))
    }

    /// Whether a value matches; for several values, whether one does.
    pub fn matches(&self, value: &FieldValue<'_>) -> bool {
        if let Matcher::Differs(inner) = self {
            return !inner.matches(value);
        }
        if let FieldValue::Any(all) = value {
            return all.iter().any(|one| self.matches(one));
        }
        match self {
            Matcher::Exists => true,
            Matcher::Text(set) => set.contains(value.text().as_ref()),
            Matcher::Number(set) => as_number(value).is_some_and(|n| set.contains(&n)),
            Matcher::Bool(yes, no) => match value {
                FieldValue::Bool(true) => *yes,
                FieldValue::Bool(false) => *no,
                _ => false,
            },
            Matcher::Address(blocks) => match value {
                FieldValue::Ip(ip) => blocks.iter().any(|block| block.holds(*ip)),
                _ => false,
            },
            Matcher::Order(op, limit) => as_number(value).is_some_and(|n| {
                let order = n.cmp(limit);
                match op {
                    Op::Lt => order == Ordering::Less,
                    Op::Le => order != Ordering::Greater,
                    Op::Gt => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }
            }),
            Matcher::Contains(part) => contains(&value.text(), part),
            Matcher::ContainsAnyCase(part) => contains_any_case(&value.text(), part),
            Matcher::StartsWith(part) => value.text().starts_with(part),
            Matcher::EndsWith(part) => value.text().ends_with(part),
            Matcher::Glob(glob) => glob.matches(&value.text()),
            Matcher::Regex(regex) => regex.is_match(&value.text()),
            Matcher::Under(prefixes) => {
                let text: Cow<'_, [u8]> = value.text();
                prefixes.iter().any(|prefix| prefix.matches(&text))
            }
            Matcher::Differs(_) => false,
        }
    }
}

/// A number, also out of the text of a call's argument.
fn as_number(value: &FieldValue<'_>) -> Option<i128> {
    match value {
        FieldValue::Int(n) => Some(i128::from(*n)),
        FieldValue::Uint(n) => Some(i128::from(*n)),
        FieldValue::Str(text) => number(std::str::from_utf8(text).ok()?),
        _ => None,
    }
}
