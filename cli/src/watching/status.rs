//! How a running `watch` stands: the same numbers as JSON for `watch status`, and as OpenMetrics.

use super::stdin::Lines;
use super::webhook::Webhook;
use crate::anchoring::Anchors;
use crate::json::Object;
use afterimage_capture::serve::{Answer, Handler, Head, Reply, Server};
use afterimage_capture::watch::{Command, Status};
use afterimage_model::Safe;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

/// Ways in for alerts of other programs, and the way out for anchors, as far as there are any.
#[derive(Clone, Default)]
pub struct Doors {
    /// The webhook.
    pub webhook: Option<Arc<Webhook>>,
    /// Standard input.
    pub stdin: Option<Arc<Lines>>,
    /// Where anchors go.
    pub anchors: Anchors,
}

/// What one number is, in JSON and as a metric.
enum Number {
    /// So many by now: a counter.
    Count(u64),
    /// So many at present: a gauge.
    Now(u64),
    /// An instant, ns since 1970; a metric has seconds.
    At(i64),
    /// A rate.
    Rate(f64),
}

/// A number of a watch: its name in JSON, its name as a metric, what it is, and where it stands.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Status) -> Number,
);

/// All that are one number each.
#[rustfmt::skip]
const NUMBERS: &[Row] = &[
    ("since_ns", "start_timestamp_seconds", "Since when it watches.", |s| Number::At(s.since_ns)),
    ("last_ns", "last_event_timestamp_seconds", "When the last events came.", |s| Number::At(s.last_ns)),
    ("heartbeat_ns", "heartbeat_timestamp_seconds", "When the recorder last looked.", |s| Number::At(s.heartbeat_ns)),
    ("events", "events", "Events taken in.", |s| Number::Count(s.events)),
    ("events_per_second", "event_rate", "Events a second, over the last ten.", |s| Number::Rate(s.rate)),
    ("lost", "lost_events", "Events known to be lost.", |s| Number::Count(s.lost)),
    ("window.events", "window_events", "Events in the window.", |s| Number::Now(s.held.events)),
    ("window.bytes", "window_bytes", "Bytes the window takes.", |s| Number::Now(s.held.bytes as u64)),
    ("window.bound", "window_bound_bytes", "Bytes the window may take now.", |s| Number::Now(s.bound as u64)),
    ("window.displaced", "window_displaced_events", "Events of the window's span that went for lack of room.", |s| Number::Now(s.held.gone)),
    ("memory", "own_memory_bytes", "Bytes of memory that the process has of its own, the window among them.", |s| Number::Now(s.memory)),
    ("memory.bound", "own_memory_bound_bytes", "Bytes of memory that the process is to have of its own at the most.", |s| Number::Now(s.memory_bound)),
    ("resident", "resident_memory_bytes", "Bytes of memory that the process has, files and rings among them.", |s| Number::Now(s.resident)),
    ("sealed", "files_sealed", "Evidence files that were made.", |s| Number::Count(s.sealed)),
    ("refused", "files_refused", "Files that were not made.", |s| Number::Count(s.refused)),
];

impl Number {
    fn json(&self) -> i128 {
        match *self {
            Number::Count(count) | Number::Now(count) => count.into(),
            Number::At(ns) => ns.into(),
            Number::Rate(rate) => rate.round() as i128,
        }
    }

    fn metric(&self) -> (&'static str, String) {
        match *self {
            Number::Count(count) => ("counter", count.to_string()),
            Number::Now(count) => ("gauge", count.to_string()),
            Number::At(ns) => (
                "gauge",
                format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000),
            ),
            Number::Rate(rate) => ("gauge", format!("{rate:.1}")),
        }
    }
}

/// As one JSON object.
pub fn json(status: &Status, doors: &Doors) -> String {
    let trails = status.trails.iter().map(|trail| {
        let mut object = Object::new();
        if let Some(container) = &trail.container {
            object
                .text("container.id", container.short_id())
                .text("container.name", &container.name);
        }
        object
            .number("events", trail.events)
            .number("bytes", trail.bytes as u64);
        object.end()
    });
    let triggers = status.triggers.iter().map(|(name, kind, fired)| {
        let mut object = Object::new();
        object
            .text("name", name)
            .text("kind", kind)
            .number("fired", *fired);
        object.end()
    });
    let open = status.open.iter().map(|(path, until)| {
        let mut object = Object::new();
        object
            .text("path", path.as_os_str().as_encoded_bytes())
            .number("until_ns", *until);
        object.end()
    });
    let mut left = Object::new();
    for (quota, rest) in &status.left {
        left.number(quota, *rest);
    }
    left.number("concurrent", status.concurrent_left as u64);
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    let mut object = Object::new();
    for (name, _, _, of) in NUMBERS {
        object.number(name, of(status).json());
    }
    if let Some(webhook) = &doors.webhook {
        let counts = webhook.counts();
        object
            .text("webhook.address", webhook.address().to_string())
            .number("webhook.accepted", counts.accepted)
            .number("webhook.refused", counts.refused)
            .number("webhook.limited", counts.limited);
    }
    if let Some(stdin) = &doors.stdin {
        object
            .number("stdin.accepted", stdin.accepted())
            .number("stdin.refused", stdin.refused());
    }
    if let Some(standing) = doors.anchors.standing() {
        object
            .text("anchors.to", &standing.to)
            .number("anchors.handed", standing.handed)
            .number("anchors.failed", standing.failed)
            .number("anchors.given_up", standing.given_up)
            .number("anchors.waiting", standing.waiting);
        if let Some(why) = &standing.why {
            object.text("anchors.why", why);
        }
    }
    object
        .raw("left", &left.end())
        .raw("trails", &list(trails.collect()))
        .raw("triggers", &list(triggers.collect()))
        .raw("open", &list(open.collect()));
    object.end()
}

/// A value of a label.
fn label(text: &str) -> String {
    let text = Safe::new(text).to_string();
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// One family: its kind, what it is, and its samples with their labels.
fn family(out: &mut String, name: &str, kind: &str, doc: &str, samples: &[(String, String)]) {
    let suffix = if kind == "counter" { "_total" } else { "" };
    let _ = writeln!(out, "# TYPE afterimage_{name} {kind}");
    let _ = writeln!(out, "# HELP afterimage_{name} {doc}");
    for (labels, value) in samples {
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{labels}}}"),
        };
        let _ = writeln!(out, "afterimage_{name}{suffix}{labels} {value}");
    }
}

/// As OpenMetrics.
pub fn metrics(status: &Status, doors: &Doors) -> String {
    let mut out = String::new();
    let mut put = |name: &str, kind: &str, doc: &str, samples: Vec<(String, String)>| {
        family(&mut out, name, kind, doc, &samples);
    };
    for (_, name, doc, of) in NUMBERS {
        let (kind, value) = of(status).metric();
        put(name, kind, doc, vec![(String::new(), value)]);
    }
    put(
        "files_open",
        "gauge",
        "Evidence files that are being made.",
        vec![(String::new(), status.open.len().to_string())],
    );
    let fired = status.triggers.iter().map(|(name, kind, fired)| {
        let labels = format!("name=\"{}\",kind=\"{kind}\"", label(name));
        (labels, fired.to_string())
    });
    put(
        "trigger_fired",
        "counter",
        "How often a trigger fired.",
        fired.collect(),
    );
    let quotas = (status.left.iter())
        .map(|(quota, left)| (format!("quota=\"{quota}\""), left.to_string()))
        .chain([(
            "quota=\"concurrent\"".to_owned(),
            status.concurrent_left.to_string(),
        )]);
    put(
        "quota_left",
        "gauge",
        "What is left of a quota of evidence.",
        quotas.collect(),
    );
    let trails: Vec<(String, u64, usize)> = (status.trails.iter())
        .map(|trail| {
            let (id, name) =
                (trail.container.as_ref()).map_or(("", ""), |c| (c.short_id(), c.name.as_str()));
            let labels = format!(
                "container_id=\"{}\",container_name=\"{}\"",
                label(id),
                label(name)
            );
            (labels, trail.events, trail.bytes)
        })
        .collect();
    let events = trails
        .iter()
        .map(|(labels, events, _)| (labels.clone(), events.to_string()));
    put(
        "trail_events",
        "gauge",
        "Events in the window, by container.",
        events.collect(),
    );
    let bytes = trails
        .iter()
        .map(|(labels, _, bytes)| (labels.clone(), bytes.to_string()));
    put(
        "trail_bytes",
        "gauge",
        "Bytes in the window, by container.",
        bytes.collect(),
    );
    let mut requests = Vec::new();
    if let Some(webhook) = &doors.webhook {
        let counts = webhook.counts();
        for (outcome, count) in [
            ("accepted", counts.accepted),
            ("refused", counts.refused),
            ("limited", counts.limited),
        ] {
            requests.push((
                format!("way=\"webhook\",outcome=\"{outcome}\""),
                count.to_string(),
            ));
        }
    }
    if let Some(stdin) = &doors.stdin {
        for (outcome, count) in [("accepted", stdin.accepted()), ("refused", stdin.refused())] {
            requests.push((
                format!("way=\"stdin\",outcome=\"{outcome}\""),
                count.to_string(),
            ));
        }
    }
    put(
        "alerts",
        "counter",
        "Requests and lines of other programs.",
        requests,
    );
    if let Some(standing) = doors.anchors.standing() {
        let outcomes = [
            ("handed", standing.handed),
            ("failed", standing.failed),
            ("given_up", standing.given_up),
        ];
        let label = |outcome| format!("outcome=\"{outcome}\"");
        let samples = outcomes.map(|(outcome, count)| (label(outcome), count.to_string()));
        put(
            "anchors",
            "counter",
            "Anchors of evidence files: handed over, tries that failed, and those that are not kept any more.",
            samples.into(),
        );
        put(
            "anchors_waiting",
            "gauge",
            "Evidence files whose newest anchor was not handed over yet.",
            vec![(String::new(), standing.waiting.to_string())],
        );
    }
    out.push_str("# EOF\n");
    out
}

struct Metrics {
    commands: Mutex<Sender<Command>>,
    doors: Doors,
}

impl Handler for Metrics {
    fn admit(&self, head: &Head) -> Result<usize, Answer> {
        match (head.method(), head.path()) {
            ("GET", "/metrics") => Ok(0),
            ("GET", _) => Err(Answer::text(404, "there is only /metrics")),
            _ => Err(Answer::text(405, "there is only GET /metrics")),
        }
    }

    fn too_long(&self, _: &Head) -> Answer {
        Answer::text(413, "a question has no body")
    }

    fn answer(&self, _: Head, _: Vec<u8>, reply: Reply) {
        let doors = self.doors.clone();
        let ask = Command::Status(Box::new(move |status| {
            reply(Answer {
                status: 200,
                kind: "application/openmetrics-text; version=1.0.0; charset=utf-8",
                body: metrics(&status, &doors),
            });
        }));
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        // When watch has ended nobody answers, which is an answer.
        let _ = commands.send(ask);
    }
}

/// Tells its numbers to whoever asks at an address.
///
/// # Errors
/// When the address cannot be had.
pub fn serve(
    address: SocketAddr,
    commands: Sender<Command>,
    doors: Doors,
) -> Result<Server, afterimage_capture::Error> {
    let commands = Mutex::new(commands);
    Server::start(address, "metrics", Metrics { commands, doors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_openmetrics() {
        let status = Status {
            events: 7,
            triggers: vec![("a\"b\\\u{1b}".to_owned(), "filter", 2)],
            left: vec![("files_per_hour", 3)],
            heartbeat_ns: 1_500_000_000,
            resident: 4096,
            ..Status::default()
        };
        let text = metrics(&status, &Doors::default());
        assert!(text.ends_with("\n# EOF\n"), "{text}");
        assert!(text.contains("afterimage_events_total 7\n"), "{text}");
        assert!(text.contains("afterimage_resident_memory_bytes 4096\n"));
        assert!(text.contains("afterimage_heartbeat_timestamp_seconds 1.500000000\n"));
        assert!(text.contains("afterimage_quota_left{quota=\"files_per_hour\"} 3\n"));
        assert!(!text.contains('\u{1b}'));
        let mut known = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                known = rest.split(' ').next().unwrap_or_default().to_owned();
            }
            assert!(line.starts_with('#') || line.starts_with(&known), "{line}");
        }
    }
}
