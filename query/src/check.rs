//! A comparison's values against its field's type, compiled to what evaluation needs.

use crate::error::FilterErrorKind;
use crate::ops::{Modifier, Op};
use crate::pattern::{Glob, PathPrefix, contains, contains_any_case};
use crate::source::Source;
use crate::syntax::{Check, Literal, Right};
use crate::values::{Cidr, duration_ns, fraction, instant_ns, number, port};
use afterimage_model::{Ctx, FieldArg, FieldType, FieldValue};
use regex::bytes::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;

/// Memory a compiled regular expression may take, and its lazy automaton.
const REGEX_BYTES: usize = 1 << 20;
/// Nesting of a regular expression.
const REGEX_DEPTH: u32 = 64;

/// Calls that the peers call by another name than the kernel: whoever asks for that one means the kernel's too.
const PEER_NAMES: &[(&[u8], &[u8])] = &[
    (b"llseek", b"_llseek"),
    (b"pread", b"pread64"),
    (b"prlimit", b"prlimit64"),
    (b"pwrite", b"pwrite64"),
];

/// Whether a call has this name only for the peers.
pub(crate) fn is_peer_name(name: &[u8]) -> bool {
    PEER_NAMES.iter().any(|row| row.0 == name)
}

/// A compiled comparison.
#[derive(Debug)]
pub(crate) enum Matcher {
    Exists,
    Text(HashSet<Vec<u8>>),
    Number(Vec<i128>),
    Fraction(Vec<f64>),
    Bool(bool, bool),
    Address(Vec<Cidr>),
    Order(Op, i128),
    FractionOrder(Op, f64),
    TextOrder(Op, Vec<u8>),
    Contains(Vec<u8>),
    ContainsAnyCase(Vec<u8>),
    StartsWith(Vec<u8>),
    EndsWith(Vec<u8>),
    Glob(Glob),
    Regex(Regex),
    Under(Vec<PathPrefix>),
    /// There, and the inner one does not match: of several values, with `every`, none; else one of them.
    Differs {
        inner: Box<Matcher>,
        every: bool,
    },
    /// Every member of a list matches.
    All(Box<Matcher>),
    /// So many of these match.
    Members(Modifier, Vec<Matcher>),
    /// Compared with what another source says of the event.
    Against(Op, Source),
}

type Refused = (Range<usize>, FilterErrorKind);

/// Whether a field's several values are the ends of one connection, of which `!=` asks both.
fn are_ends(ty: FieldType) -> bool {
    matches!(ty, FieldType::Ip | FieldType::Net | FieldType::Port)
}

impl Matcher {
    /// Whether what is ordered is an argument of a call, which is text for one call and a number for another: whoever
    /// compares it with a number means the number.
    fn is_argument(left: &Source) -> bool {
        left.field().is_some_and(|field| {
            field.field().ty == FieldType::Str && field.field().arg == FieldArg::Required
        })
    }

    /// What a comparison takes its left side for. A raw argument is a number for one call and bytes for another: whoever
    /// compares it with a number means the number.
    fn type_of(left: &Source, op: Op, values: &[Literal]) -> FieldType {
        let raw = left
            .field()
            .is_some_and(|field| field.field().name == "evt.rawarg");
        let numeric = |value: &Literal| value.text().and_then(number).is_some();
        match left.ty() {
            FieldType::Int if raw && op.fits(FieldType::Int) && values.iter().all(numeric) => {
                FieldType::Int
            }
            FieldType::Int if raw => FieldType::Str,
            ty => ty,
        }
    }

    /// Compiles a comparison whose left side is known.
    pub fn compile(left: &Source, check: &Check) -> Result<Matcher, Refused> {
        let op = check.op;
        let ty = match &check.right {
            Right::Value(value) | Right::Name(value) => {
                Matcher::type_of(left, op, std::slice::from_ref(value))
            }
            Right::List(values) => Matcher::type_of(left, op, values),
            Right::Nothing | Right::Term(_) => left.ty(),
        };
        // `evt.around[instant]=5` is the one comparison of that field: within 5 ms.
        if left
            .field()
            .is_some_and(|field| field.field().name == "evt.around")
        {
            return match (&check.right, op, check.modifier) {
                (Right::Value(value), Op::Eq, None) => {
                    let ms = Matcher::numeric(FieldType::Uint, value)?;
                    Ok(Matcher::Order(Op::Le, ms.saturating_mul(1_000_000)))
                }
                _ => Err((
                    check.op_span.clone(),
                    FilterErrorKind::OperatorMisfit(op, ty),
                )),
            };
        }
        if !op.fits(ty) {
            return Err((
                check.op_span.clone(),
                FilterErrorKind::OperatorMisfit(op, ty),
            ));
        }
        let values = match &check.right {
            Right::Nothing => return Ok(Matcher::Exists),
            Right::Value(value) | Right::Name(value) => std::slice::from_ref(value),
            Right::List(values) => values.as_slice(),
            Right::Term(term) => return Matcher::against(left, check, term),
        };
        if let Some(modifier) = check.modifier {
            let each = values
                .iter()
                .map(|value| Matcher::plain(left, check, std::slice::from_ref(value)));
            return Ok(Matcher::Members(modifier, each.collect::<Result<_, _>>()?));
        }
        Matcher::plain(left, check, values)
    }

    fn against(
        left: &Source,
        check: &Check,
        term: &crate::syntax::Term,
    ) -> Result<Matcher, Refused> {
        let right = Source::resolve(term)?;
        let place = term.span();
        if matches!(check.op, Op::Regex | Op::Pmatch) || left.ty() == FieldType::Net {
            return Err((place, FilterErrorKind::NoRightField(check.op)));
        }
        if let Some(field) = [left, &right]
            .into_iter()
            .filter(|source| source.is_apart())
            .find_map(Source::field)
        {
            return Err((place, FilterErrorKind::FieldApart(field.field().name)));
        }
        let family = |ty: FieldType| match ty {
            FieldType::Uint | FieldType::Double => FieldType::Int,
            other => other,
        };
        if family(left.ty()) != family(right.ty()) {
            return Err((place, FilterErrorKind::TypesDiffer(left.ty(), right.ty())));
        }
        Ok(Matcher::Against(check.op, right))
    }

    fn plain(left: &Source, check: &Check, values: &[Literal]) -> Result<Matcher, Refused> {
        let (op, ty) = (check.op, Matcher::type_of(left, check.op, values));
        let named = left
            .field()
            .is_some_and(|field| matches!(field.field().name, "evt.type" | "syscall.type"));
        let more: Vec<Literal>;
        let mut values = values;
        if named && matches!(op, Op::Eq | Op::Ne | Op::In | Op::Intersects) {
            let other = |value: &Literal| {
                let row = PEER_NAMES.iter().find(|row| row.0 == value.bytes);
                row.map(|row| Literal {
                    bytes: row.1.to_vec(),
                    span: value.span.clone(),
                })
            };
            let others = values.iter().filter_map(other);
            more = values.iter().cloned().chain(others).collect();
            values = &more;
        }
        let first = || {
            values
                .first()
                .ok_or((check.op_span.clone(), FilterErrorKind::ExpectedValue))
        };
        let text = || first().map(|token| token.bytes.clone());
        let refuse =
            |kind: FilterErrorKind| first().map_or_else(|e| e, |token| (token.span.clone(), kind));
        Ok(match op {
            Op::Exists => Matcher::Exists,
            Op::Ne => Matcher::Differs {
                inner: Box::new(Matcher::equal(ty, values)?),
                every: are_ends(ty),
            },
            Op::In if ty == FieldType::List => Matcher::All(Box::new(Matcher::equal(ty, values)?)),
            Op::Eq | Op::In | Op::Intersects => Matcher::equal(ty, values)?,
            Op::Lt | Op::Le | Op::Gt | Op::Ge => match ty {
                FieldType::Double => Matcher::FractionOrder(op, Matcher::fraction(first()?, Some)?),
                FieldType::Str if !Matcher::is_argument(left) => Matcher::TextOrder(op, text()?),
                FieldType::Str => Matcher::Order(op, Matcher::numeric(FieldType::Int, first()?)?),
                ty => Matcher::Order(op, Matcher::numeric(ty, first()?)?),
            },
            Op::Contains => Matcher::Contains(text()?),
            Op::Icontains => Matcher::ContainsAnyCase(text()?),
            Op::Startswith => Matcher::StartsWith(text()?),
            Op::Endswith => Matcher::EndsWith(text()?),
            Op::Bcontains => {
                Matcher::Contains(hex(&text()?).ok_or_else(|| refuse(FilterErrorKind::BadHex))?)
            }
            Op::Bstartswith => {
                Matcher::StartsWith(hex(&text()?).ok_or_else(|| refuse(FilterErrorKind::BadHex))?)
            }
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

    fn equal(ty: FieldType, values: &[Literal]) -> Result<Matcher, Refused> {
        let refuse = |token: &Literal| (token.span.clone(), FilterErrorKind::BadValue(ty));
        Ok(match ty {
            FieldType::Str | FieldType::Bytes | FieldType::List => {
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
            // What was computed is hardly ever equal to a fraction: whole numbers only, as the peers have it.
            FieldType::Double => Matcher::Fraction(
                values
                    .iter()
                    .map(|token| {
                        Matcher::fraction(token, |n| {
                            let text = std::str::from_utf8(&token.bytes).ok()?;
                            number(text).map(|_| n)
                        })
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

    fn fraction(token: &Literal, fits: impl Fn(f64) -> Option<f64>) -> Result<f64, Refused> {
        std::str::from_utf8(&token.bytes)
            .ok()
            .and_then(fraction)
            .and_then(fits)
            .ok_or((
                token.span.clone(),
                FilterErrorKind::BadValue(FieldType::Double),
            ))
    }

    fn numeric(ty: FieldType, token: &Literal) -> Result<i128, Refused> {
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
        let literal = literal_braces(pattern);
        let pattern = match build(pattern) {
            Some(_) => pattern,
            // RE2 takes a brace that begins no repetition for itself.
            None => build(&literal).map(|_| literal.as_str())?,
        };
        // On a line of its own the closing bracket cannot end up inside a comment of `(?x)`.
        build(&format!("\\A(?:{pattern})\\z")).or_else(|| build(&format!("\\A(?:{pattern}\n)\\z")))
    }

    /// Whether no number but 0 matches.
    pub fn is_only_zero(&self) -> bool {
        matches!(self, Matcher::Number(set) if set.iter().all(|n| *n == 0))
    }

    /// Whether a test costs more than looking up what it came to for the same text before.
    pub fn is_dear(&self) -> bool {
        match self {
            Matcher::Contains(_)
            | Matcher::ContainsAnyCase(_)
            | Matcher::Glob(_)
            | Matcher::Regex(_) => true,
            Matcher::Under(prefixes) => prefixes.len() > 2,
            Matcher::Differs { inner, .. } => inner.is_dear(),
            Matcher::Members(_, members) => members.len() > 4,
            _ => false,
        }
    }

    /// The source it compares with, where that is not a value.
    pub fn right(&self) -> Option<&Source> {
        match self {
            Matcher::Against(_, source) => Some(source),
            _ => None,
        }
    }

    /// Whether the event's value matches.
    pub fn holds(&self, ctx: &Ctx<'_>, value: &FieldValue<'_>) -> bool {
        match self {
            Matcher::Against(op, source) => source
                .value(ctx)
                .is_some_and(|right| compare(*op, value, &right)),
            _ => self.matches(value),
        }
    }

    /// Whether a value matches; for several values, whether one does.
    pub fn matches(&self, value: &FieldValue<'_>) -> bool {
        match self {
            Matcher::Differs { inner, every: true } => return !inner.matches(value),
            Matcher::All(inner) => {
                return match value {
                    FieldValue::Any(all) => all.iter().all(|one| inner.matches(one)),
                    one => inner.matches(one),
                };
            }
            Matcher::Members(modifier, members) => {
                let mut found = members.iter().map(|member| member.matches(value));
                return match modifier {
                    Modifier::Oneof => found.filter(|found| *found).count() == 1,
                    Modifier::Anyof => found.any(|found| found),
                    Modifier::Allof => !members.is_empty() && found.all(|found| found),
                };
            }
            _ => {}
        }
        if let FieldValue::Any(all) = value {
            return all.iter().any(|one| self.matches(one));
        }
        match self {
            Matcher::Exists => true,
            Matcher::Text(set) => set.contains(value.text().as_ref()),
            Matcher::Number(set) => as_number(value).is_some_and(|n| set.contains(&n)),
            Matcher::Fraction(set) => as_fraction(value).is_some_and(|n| set.contains(&n)),
            Matcher::Bool(yes, no) => match value {
                FieldValue::Bool(true) => *yes,
                FieldValue::Bool(false) => *no,
                _ => false,
            },
            Matcher::Address(blocks) => match value {
                FieldValue::Ip(ip) => blocks.iter().any(|block| block.holds(*ip)),
                _ => false,
            },
            Matcher::Order(op, limit) => {
                as_number(value).is_some_and(|n| ordered(*op, n.cmp(limit)))
            }
            Matcher::FractionOrder(op, limit) => as_fraction(value)
                .and_then(|n| n.partial_cmp(limit))
                .is_some_and(|order| ordered(*op, order)),
            Matcher::TextOrder(op, limit) => {
                ordered(*op, value.text().as_ref().cmp(limit.as_slice()))
            }
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
            Matcher::Differs { inner, .. } => !inner.matches(value),
            Matcher::All(_) | Matcher::Members(..) | Matcher::Against(..) => false,
        }
    }
}

/// The same expression with a backslash before every brace that begins neither a repetition nor what follows an escape.
fn literal_braces(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut class = false;
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                out.push(c);
                let escaped = rest.next();
                out.extend(escaped);
                if matches!(escaped, Some('p' | 'P' | 'x' | 'u')) && rest.as_str().starts_with('{')
                {
                    out.extend(rest.next());
                }
                continue;
            }
            '[' => class = true,
            ']' => class = false,
            '{' if !class => {
                let repeats = rest.as_str().split_once('}').is_some_and(|(inside, _)| {
                    let (least, most) = inside.split_once(',').unwrap_or((inside, "0"));
                    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
                    !least.is_empty() && number(least) && number(most)
                });
                if !repeats {
                    out.push('\\');
                }
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// An even number of hex digits as bytes.
fn hex(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    text.chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn ordered(op: Op, order: Ordering) -> bool {
    match op {
        Op::Lt => order == Ordering::Less,
        Op::Le => order != Ordering::Greater,
        Op::Gt => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }
}

/// Two values of one event.
fn compare(op: Op, left: &FieldValue<'_>, right: &FieldValue<'_>) -> bool {
    let members = |value: &FieldValue<'_>| match value {
        FieldValue::Any(all) => all.iter().map(|one| one.text().into_owned()).collect(),
        one => vec![one.text().into_owned()],
    };
    let order = || match (left, right) {
        (FieldValue::Str(left), FieldValue::Str(right)) => Some(left.cmp(right)),
        _ => match (as_number(left), as_number(right)) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => as_fraction(left)?.partial_cmp(&as_fraction(right)?),
        },
    };
    let (a, b) = (|| left.text(), || right.text());
    match op {
        Op::Exists => true,
        Op::Eq | Op::Ne => {
            let equal = match order() {
                Some(order) => order == Ordering::Equal,
                None => a() == b(),
            };
            equal == (op == Op::Eq)
        }
        Op::Lt | Op::Le | Op::Gt | Op::Ge => order().is_some_and(|order| ordered(op, order)),
        Op::In => {
            let right: Vec<Vec<u8>> = members(right);
            let left: Vec<Vec<u8>> = members(left);
            left.iter().all(|one| right.contains(one))
        }
        Op::Intersects => {
            let right: Vec<Vec<u8>> = members(right);
            let left: Vec<Vec<u8>> = members(left);
            left.iter().any(|one| right.contains(one))
        }
        Op::Contains => contains(&a(), &b()),
        Op::Icontains => contains_any_case(&a(), &b()),
        Op::Startswith => a().starts_with(&b()),
        Op::Endswith => a().ends_with(&b()),
        Op::Bcontains => hex(&b()).is_some_and(|part| contains(&a(), &part)),
        Op::Bstartswith => hex(&b()).is_some_and(|part| a().starts_with(&part)),
        Op::Glob | Op::Iglob => {
            Glob::compile(&b(), op == Op::Iglob).is_some_and(|glob| glob.matches(&a()))
        }
        Op::Regex | Op::Pmatch => false,
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

fn as_fraction(value: &FieldValue<'_>) -> Option<f64> {
    match value {
        FieldValue::Double(n) => Some(*n),
        other => as_number(other).map(|n| n as f64),
    }
}
