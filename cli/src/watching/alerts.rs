//! Alerts of other programs as they write them: JSON of Falco and Falcosidekick, JSON of Alertmanager, a plain object, text.
//!
//! What cannot be read is refused with a reason; what is read is words, and chooses among what is known by comparing.

use afterimage_capture::trigger::Alert;
use afterimage_detect::Priority;
use serde_json::{Map, Value};

/// Alerts in one body at most.
const MOST_ALERTS: usize = 100;

/// The alerts of a body.
///
/// # Errors
/// Why it is none.
pub fn alerts(body: &[u8]) -> Result<Vec<Alert>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let text = text.trim();
    if text.is_empty() {
        return Err("the body is empty".to_owned());
    }
    if !text.starts_with(['{', '[']) {
        return Ok(vec![Alert {
            text: text.to_owned(),
            ..Alert::default()
        }]);
    }
    let value: Value = serde_json::from_str(text).map_err(|why| format!("no JSON: {why}"))?;
    let one = |value: Value| match value {
        Value::Object(object) => Ok(object),
        _ => Err("expected an object, or a list of objects".to_owned()),
    };
    let objects = match value {
        Value::Array(items) => items.into_iter().map(one).collect::<Result<Vec<_>, _>>()?,
        other => vec![one(other)?],
    };
    let mut found = Vec::new();
    for mut object in objects {
        match object.remove("alerts") {
            Some(Value::Array(items)) => {
                for item in items {
                    found.extend(of_alertmanager(&one(item)?));
                }
            }
            Some(_) => return Err("alerts is no list".to_owned()),
            None => found.push(of_falco(&object)?),
        }
        if found.len() > MOST_ALERTS {
            return Err(format!("more than {MOST_ALERTS} alerts"));
        }
    }
    Ok(found)
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    let text = object.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// An object as Falco prints it; one with `container`, `rule`, `priority` and `text` will do.
fn of_falco(object: &Map<String, Value>) -> Result<Alert, String> {
    let fields = object.get("output_fields").and_then(Value::as_object);
    let field = |name| fields.and_then(|fields| text(fields, name));
    let container = field("container.id")
        .or_else(|| field("container.name"))
        .or_else(|| text(object, "container"));
    let alert = Alert {
        rule: text(object, "rule").unwrap_or_default(),
        priority: text(object, "priority").and_then(|name| Priority::parse(&name)),
        // So Falco calls what is in no container.
        container: container.filter(|id| id != "host"),
        text: ["output", "text", "message"]
            .into_iter()
            .find_map(|name| text(object, name))
            .unwrap_or_default(),
    };
    match alert.rule.is_empty() && alert.text.is_empty() {
        true => Err("neither a rule nor a text".to_owned()),
        false => Ok(alert),
    }
}

/// An alert of Alertmanager, unless it is over.
fn of_alertmanager(object: &Map<String, Value>) -> Option<Alert> {
    if text(object, "status").as_deref() == Some("resolved") {
        return None;
    }
    let part = |name: &str| object.get(name).and_then(Value::as_object);
    let (labels, notes) = (part("labels"), part("annotations"));
    let label = |name| labels.and_then(|labels| text(labels, name));
    let note = |name| notes.and_then(|notes| text(notes, name));
    // `docker://…` and `containerd://…` are Kubernetes' way to write an id, `/docker/…` is cAdvisor's.
    let id = label("container_id").or_else(|| label("id").filter(|id| id.contains('/')));
    let id = id.and_then(|id| {
        let last = id.rsplit('/').next().unwrap_or_default();
        (!last.is_empty()).then(|| last.to_owned())
    });
    Some(Alert {
        rule: label("alertname").unwrap_or_default(),
        priority: label("severity").and_then(|name| match name.as_str() {
            "page" => Some(Priority::Critical),
            name => Priority::parse(name),
        }),
        container: id.or_else(|| label("name")).or_else(|| label("container")),
        text: ["summary", "description", "message"]
            .into_iter()
            .find_map(note)
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: &str) -> Alert {
        let mut all = alerts(body.as_bytes()).unwrap_or_else(|why| panic!("{body}: {why}"));
        assert_eq!(all.len(), 1, "{body}");
        all.remove(0)
    }

    #[test]
    fn alerts_of_falco_are_read() {
        let alert = one(
            r#"{"hostname":"h","output":"17:00: Notice A shell","priority":"Notice","rule":"Terminal shell in container",
            "source":"syscall","tags":["shell"],"time":"2026-01-01T00:00:00Z","output_fields":{"container.id":"5f1d2a3b4c5d","proc.name":"sh"}}"#,
        );
        assert_eq!(alert.rule, "Terminal shell in container");
        assert_eq!(alert.priority, Some(Priority::Notice));
        assert_eq!(alert.container.as_deref(), Some("5f1d2a3b4c5d"));
        assert_eq!(alert.text, "17:00: Notice A shell");
        let host = one(r#"{"rule":"r","output_fields":{"container.id":"host"}}"#);
        assert_eq!(host.container, None);
        // Falcosidekick adds keys, and fields may be of any type.
        let odd =
            one(r#"{"uuid":"x","rule":"r","priority":7,"output_fields":{"container.id":null}}"#);
        assert_eq!((odd.priority, odd.container), (None, None));
    }

    #[test]
    fn alerts_of_alertmanager_are_read_unless_they_are_over() {
        let body = r#"{"version":"4","status":"firing","alerts":[
            {"status":"firing","labels":{"alertname":"High","severity":"critical","container_id":"docker://abcdef123456"},"annotations":{"summary":"too much"}},
            {"status":"resolved","labels":{"alertname":"Old"}},
            {"status":"firing","labels":{"alertname":"Named","name":"web","id":"9"}}]}"#;
        let all = alerts(body.as_bytes()).unwrap_or_else(|why| panic!("{why}"));
        let [high, named] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!(high.words(), "High (critical): too much");
        assert_eq!(high.container.as_deref(), Some("abcdef123456"));
        assert_eq!(named.container.as_deref(), Some("web"));
    }

    #[test]
    fn text_is_an_alert_and_what_is_none_is_refused() {
        assert_eq!(one(" look at this \n").text, "look at this");
        let plain = one(r#"{"container":"web","text":"odd"}"#);
        assert_eq!(plain.container.as_deref(), Some("web"));
        let deep = "[".repeat(100_000);
        let many = format!("[{}]", vec![r#"{"text":"x"}"#; 101].join(","));
        for body in [
            "",
            "  ",
            "{",
            "[1]",
            "{}",
            r#"{"alerts":3}"#,
            r#"{"alerts":[7]}"#,
            &deep,
            &many,
            r#"{"rule":["a"]}"#,
        ] {
            assert!(alerts(body.as_bytes()).is_err(), "{body}");
        }
        assert!(alerts(b"\xff\xfe").is_err());
    }
}
