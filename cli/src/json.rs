//! JSON lines: one object a line, dotted names as keys. How captured bytes become a JSON string is the query crate's
//! business: nothing is lost, and nothing reaches a terminal that it could obey.

use afterimage_model::FieldValue;
use afterimage_query::json_text;

/// An object being written.
#[derive(Debug)]
pub struct Object(String);

impl Object {
    /// `{`.
    pub fn new() -> Object {
        Object("{".to_owned())
    }

    /// Adds a name and a value that is JSON already.
    pub fn raw(&mut self, name: &str, json: &str) -> &mut Object {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&json_text(name.as_bytes()));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    /// Adds a text.
    pub fn text(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Object {
        self.raw(name, &json_text(value.as_ref()))
    }

    /// Adds a whole number.
    pub fn number(&mut self, name: &str, value: impl Into<i128>) -> &mut Object {
        let value: i128 = value.into();
        self.raw(name, &value.to_string())
    }

    /// Adds a truth value.
    pub fn truth(&mut self, name: &str, value: bool) -> &mut Object {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// Adds a list of texts.
    pub fn texts<T: AsRef<[u8]>>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Object {
        let list: Vec<String> = values.into_iter().map(|v| json_text(v.as_ref())).collect();
        self.raw(name, &format!("[{}]", list.join(",")))
    }

    /// Adds the value of a field.
    pub fn field(&mut self, name: &str, value: &FieldValue<'_>) -> &mut Object {
        let json = field(value);
        self.raw(name, &json)
    }

    /// `}`: the whole object.
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn field(value: &FieldValue<'_>) -> String {
    match value {
        FieldValue::Str(bytes) => json_text(bytes),
        FieldValue::Int(n) => n.to_string(),
        FieldValue::Uint(n) => n.to_string(),
        FieldValue::Double(n) => n.to_string(),
        FieldValue::Bool(b) => b.to_string(),
        FieldValue::Ip(ip) => format!("\"{ip}\""),
        FieldValue::Any(all) => {
            format!("[{}]", all.iter().map(field).collect::<Vec<_>>().join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_one_line_of_json_whatever_is_in_it() {
        let mut object = Object::new();
        object
            .text("proc.name", b"a\n\x1b[2J")
            .number("n", -3)
            .truth("t", true)
            .texts("l", ["x", "y\""]);
        object.field(
            "fd.ip",
            &FieldValue::Any(vec![
                FieldValue::Uint(1),
                FieldValue::Ip([127, 0, 0, 1].into()),
            ]),
        );
        let line = object.end();
        assert!(line.chars().all(|c| !c.is_control()), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["proc.name"], "a\n\u{1b}[2J");
        assert_eq!(
            (&value["n"], &value["l"][1]),
            (&serde_json::json!(-3), &serde_json::json!("y\""))
        );
        assert_eq!(value["fd.ip"], serde_json::json!([1, "127.0.0.1"]));
        assert!(serde_json::from_str::<serde_json::Value>(&Object::new().end()).is_ok());
    }
}
