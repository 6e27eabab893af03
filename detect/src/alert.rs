//! Alerts as Falco writes them: a line of text, or a JSON object with the same keys.

use crate::rules::Rule;
use afterimage_model::time::Civil;
use afterimage_model::{Ctx, FieldValue};
use afterimage_query::{FieldRef, Template};
use serde_json::{Map, Value, json};

/// How alerts are written.
#[derive(Clone, Debug)]
pub struct Alerts {
    time: Template,
    time_field: &'static str,
    json: Option<JsonParts>,
}

/// Which of Falco's optional keys a JSON object has.
#[derive(Clone, Copy, Debug)]
pub struct JsonParts {
    /// `output`: the line of text.
    pub output: bool,
    /// `output_fields`: the fields of the output by name.
    pub output_fields: bool,
    /// `tags`.
    pub tags: bool,
    /// `message`: the output without time and priority.
    pub message: bool,
}

impl Default for JsonParts {
    fn default() -> JsonParts {
        JsonParts {
            output: true,
            output_fields: true,
            tags: true,
            message: false,
        }
    }
}

impl Alerts {
    /// Lines of text, or objects with these parts; times as time of day on the recorded host, or as ISO 8601.
    pub fn new(json: Option<JsonParts>, iso8601: bool) -> Alerts {
        let time_field = match iso8601 {
            true => "evt.time.iso8601",
            false => "evt.time",
        };
        let text = format!("*%{time_field}");
        Alerts {
            // The two fields exist; a template that does not parse would print nothing in their place.
            time: Template::parse(&text).unwrap_or_default(),
            time_field,
            json,
        }
    }

    /// The line for a rule that matched an event, without a newline. Captured bytes are escaped.
    pub fn line(&self, rule: &Rule, ctx: &Ctx<'_>) -> String {
        let message = rule.output.print(ctx).unwrap_or_default();
        let time = self.time.print(ctx).unwrap_or_default();
        let output = format!("{time}: {} {message}", rule.priority.name());
        let Some(parts) = self.json else {
            return output;
        };
        let mut object = Map::new();
        let ns = ctx.manifest.wall_ns(ctx.event.time.0);
        object.insert("time".into(), json!(zulu(ns)));
        object.insert("rule".into(), json!(rule.name));
        object.insert("priority".into(), json!(rule.priority.name()));
        object.insert("source".into(), json!(rule.source));
        object.insert("hostname".into(), json!(ctx.manifest.host));
        if parts.output {
            object.insert("output".into(), json!(output));
        }
        if parts.tags {
            object.insert("tags".into(), json!(rule.tags));
        }
        if parts.message {
            object.insert("message".into(), json!(message));
        }
        if parts.output_fields {
            let mut fields = Map::new();
            for shown in rule.output.shown() {
                let name = shown.to_string();
                let value = match is_time(shown.field()) {
                    true => json!(ns),
                    false => shown
                        .value(ctx)
                        .map_or(Value::Null, |value| json_value(&value)),
                };
                fields.insert(name, value);
            }
            fields.insert(self.time_field.into(), json!(ns));
            object.insert("output_fields".into(), Value::Object(fields));
        }
        ascii(&Value::Object(object).to_string())
    }
}

/// Whether a field is an instant that JSON has as a number.
fn is_time(field: Option<&FieldRef>) -> bool {
    field.is_some_and(|field| {
        matches!(
            field.field().name,
            "evt.time" | "evt.time.iso8601" | "evt.outputtime"
        )
    })
}

/// `2026-01-31T12:00:00.000000000Z`.
fn zulu(ns: i64) -> String {
    let civil = Civil::from_unix_ns(ns);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        civil.year,
        civil.month,
        civil.day,
        civil.hour,
        civil.minute,
        civil.second,
        civil.nanosecond
    )
}

fn json_value(value: &FieldValue<'_>) -> Value {
    match value {
        FieldValue::Int(n) => json!(n),
        FieldValue::Uint(n) => json!(n),
        FieldValue::Double(n) => json!(n),
        FieldValue::Bool(b) => json!(b),
        FieldValue::Any(all) => Value::Array(all.iter().map(json_value).collect()),
        // What is not UTF-8 is shown as it is on a screen.
        FieldValue::Str(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!(afterimage_model::Safe::new(bytes.as_ref()).to_string()),
        },
        FieldValue::Ip(ip) => json!(ip.to_string()),
    }
}

/// The same JSON with everything outside ASCII escaped that is not a letter or a digit: whatever hides or reorders text.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' || c.is_alphanumeric() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}
