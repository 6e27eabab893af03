//! JSON objects out of events, by hand: keys are the dotted field names, and nothing captured is lost or left unescaped.

use crate::template::Shown;
use afterimage_model::{Ctx, FieldValue};
use std::fmt::Write;

/// One object with a key for every field, in order; `null` where the event has no value, an array where it has several.
/// Text that is not UTF-8 becomes `{"hex":"…"}`.
pub fn json_line(fields: &[Shown], ctx: &Ctx<'_>) -> String {
    let mut out = String::from("{");
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_text(&mut out, &field.to_string());
        out.push(':');
        // How a time is shown is for a screen; here it is a number, as sysdig has it.
        if field
            .field()
            .is_some_and(|f| f.field().name == "evt.outputtime")
        {
            let _ = write!(out, "{}", ctx.manifest.wall_ns(ctx.event.time.0));
            continue;
        }
        match field.value(ctx) {
            Some(value) => push_value(&mut out, &value),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    out
}

/// Bytes as a JSON value: a string, or `{"hex":"…"}` when they are not UTF-8. Whatever a terminal might act on is escaped.
pub fn json_text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    push_bytes(&mut out, bytes);
    out
}

fn push_value(out: &mut String, value: &FieldValue<'_>) {
    match value {
        FieldValue::Str(bytes) => push_bytes(out, bytes),
        FieldValue::Ip(ip) => push_text(out, &ip.to_string()),
        FieldValue::Int(_) | FieldValue::Uint(_) | FieldValue::Double(_) | FieldValue::Bool(_) => {
            out.push_str(&String::from_utf8_lossy(&value.text()))
        }
        FieldValue::Any(all) => {
            out.push('[');
            for (at, one) in all.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_value(out, one);
            }
            out.push(']');
        }
    }
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => push_text(out, text),
        Err(_) => {
            out.push_str("{\"hex\":\"");
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
            out.push_str("\"}");
        }
    }
}

/// A JSON string. Besides what JSON demands, everything outside ASCII that is not a letter or a digit is escaped: that
/// covers C1 controls and whatever reorders or hides text, and costs only a few bytes for the rest.
fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric()
                && !matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}') =>
            {
                out.push(c)
            }
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}
