//! One field with its argument, resolved against the table `FIELDS`.

use crate::error::{FilterError, FilterErrorKind};
use crate::parse;
use crate::syntax::{Term, print_argument};
use afterimage_model::{Ctx, Field, FieldArg, FieldValue, fields};
use std::fmt;
use std::hash::{Hash, Hasher};

/// A field of `FIELDS` with its argument: `proc.name`, `evt.arg.flags`, `proc.aname[2]`.
#[derive(Clone)]
pub struct FieldRef {
    field: &'static Field,
    arg: Option<String>,
}

impl FieldRef {
    /// Parses a field alone.
    pub fn parse(text: &str) -> Result<FieldRef, FilterError> {
        let refused = |span, kind| FilterError::new(text, span, kind);
        match parse::term(text)? {
            (Term::Field { name, arg, .. }, end) if end == text.len() => {
                FieldRef::resolve(&name, arg).map_err(|kind| refused(0..end, kind))
            }
            (Term::Field { .. }, end) => {
                Err(refused(end..text.len(), FilterErrorKind::UnknownField))
            }
            (_, end) => Err(refused(0..end, FilterErrorKind::ExpectedField)),
        }
    }

    /// The row with this name, and the argument if the row allows it.
    pub(crate) fn resolve(word: &str, arg: Option<String>) -> Result<FieldRef, FilterErrorKind> {
        let (field, arg) = match arg {
            Some(arg) => (
                fields::by_name(word).ok_or(FilterErrorKind::UnknownField)?,
                Some(arg),
            ),
            None => {
                let (field, arg) = fields::split_name(word).ok_or(FilterErrorKind::UnknownField)?;
                (field, arg.filter(|arg| !arg.is_empty()).map(str::to_owned))
            }
        };
        match (field.arg, &arg) {
            (FieldArg::None, Some(_)) => Err(FilterErrorKind::UnexpectedArgument(field.name)),
            (FieldArg::Required, None) => Err(FilterErrorKind::MissingArgument(field.name)),
            _ => Ok(FieldRef { field, arg }),
        }
    }

    /// The row of `FIELDS`.
    pub fn field(&self) -> &'static Field {
        self.field
    }

    /// The argument.
    pub fn arg(&self) -> Option<&str> {
        self.arg.as_deref()
    }

    /// The event's value; `None` when it has none.
    pub fn value<'a>(&self, ctx: &Ctx<'a>) -> Option<FieldValue<'a>> {
        match (self.field.get)(ctx, self.arg.as_deref())? {
            FieldValue::Any(all) if all.is_empty() => None,
            value => Some(value),
        }
    }
}

impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field.name)?;
        let Some(arg) = &self.arg else { return Ok(()) };
        let dotted = format!("{}.{arg}", self.field.name);
        let is_word = arg.starts_with(|c: char| c.is_ascii_alphabetic())
            && arg
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
            && fields::split_name(&dotted)
                .is_some_and(|(field, rest)| field.name == self.field.name && rest == Some(arg));
        if is_word {
            write!(f, ".{arg}")
        } else {
            write!(f, "[{}]", print_argument(arg))
        }
    }
}

impl fmt::Debug for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for FieldRef {
    fn eq(&self, other: &FieldRef) -> bool {
        self.field.name == other.field.name && self.arg == other.arg
    }
}

impl Eq for FieldRef {}

impl Hash for FieldRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.field.name.hash(state);
        self.arg.hash(state);
    }
}
