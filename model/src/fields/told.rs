//! Getters of what a capture says outright: a recorder that knows the value of a field keeps it with the event, as an
//! argument of the field's name. Other recorders count memory, descriptors and processor time that way; this one does not.

use super::{Ctx, FieldValue};
use crate::event::Value;

fn value<'a>(c: &Ctx<'a>, field: &str) -> Option<&'a Value> {
    c.arg(field)
}

/// A number.
pub fn number(c: &Ctx<'_>, field: &str) -> Option<FieldValue<'static>> {
    match value(c, field)? {
        Value::Num(n) => Some(FieldValue::Uint(*n as u64)),
        Value::Absent | Value::Bytes(_) => None,
    }
}

/// A number that may be negative.
pub fn signed(c: &Ctx<'_>, field: &str) -> Option<FieldValue<'static>> {
    match value(c, field)? {
        Value::Num(n) => Some(FieldValue::Int(*n)),
        Value::Absent | Value::Bytes(_) => None,
    }
}

/// Yes or no.
pub fn flag(c: &Ctx<'_>, field: &str) -> Option<FieldValue<'static>> {
    match value(c, field)? {
        Value::Num(n) => Some(FieldValue::Bool(*n != 0)),
        Value::Absent | Value::Bytes(_) => None,
    }
}

/// A number with a fraction, kept as the bits of a double.
pub fn fraction(c: &Ctx<'_>, field: &str) -> Option<FieldValue<'static>> {
    match value(c, field)? {
        Value::Num(n) => Some(FieldValue::Double(f64::from_bits(*n as u64))),
        Value::Absent | Value::Bytes(_) => None,
    }
}

/// A text.
pub fn text<'a>(c: &Ctx<'a>, field: &str) -> Option<FieldValue<'a>> {
    match value(c, field)? {
        Value::Bytes(blob) => Some(FieldValue::str(&blob.bytes)),
        Value::Absent | Value::Num(_) => None,
    }
}
