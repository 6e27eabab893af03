//! A capture as text: one JSON object per line, the same that the conformance reader prints, so that two readers can be compared.
//!
//! Every byte is printable ASCII: captured bytes are strings of code points 0 to 255, escaped outside the printable ones.

use crate::{Error, Reader};
use afterimage_model::{Event, Gap, Manifest, Schema, Tables, Totals, Value};
use std::fmt::Write as _;

/// Writes one line per manifest, event, gap and totals. Chunks that cannot be read become gap lines.
pub fn write(reader: &Reader, out: &mut dyn std::io::Write) -> Result<(), Error> {
    let failed = |error| Error {
        place: crate::Place::Output,
        offset: None,
        kind: crate::ErrorKind::Io(error),
    };
    let mut line = |text: String| writeln!(out, "{text}").map_err(failed);
    line(manifest(reader.manifest()))?;
    let mut lost = Vec::new();
    for at in 0..reader.chunks().len() {
        match reader.chunk(at) {
            Ok(chunk) => {
                for (number, event) in (chunk.first_num..).zip(&chunk.events) {
                    line(self::event(number, event, reader.schema(), &chunk.tables))?;
                }
            }
            Err(_) => lost.extend(reader.loss(at)),
        }
    }
    for gap in reader.gaps().iter().chain(&lost) {
        line(self::gap(gap))?;
    }
    match reader.totals() {
        Some(totals) => line(self::totals(totals)),
        None => Ok(()),
    }
}

/// A JSON string whose code points 0 to 255 are the bytes.
fn bytes(out: &mut String, bytes: &[u8]) {
    units(out, bytes.iter().map(|byte| u16::from(*byte)));
}

/// A JSON string of text.
fn text(out: &mut String, text: &str) {
    units(out, text.encode_utf16());
}

/// A JSON string of UTF-16 units, everything but printable ASCII escaped, in the shortest way JSON has.
fn units(out: &mut String, units: impl Iterator<Item = u16>) {
    out.push('"');
    for unit in units {
        match unit {
            0x22 => out.push_str("\\\""),
            0x5c => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x09 => out.push_str("\\t"),
            0x0a => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            0x0d => out.push_str("\\r"),
            0x20..=0x7e => out.push(char::from(unit as u8)),
            _ => {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out.push('"');
}

/// An object while it is written.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object("{".to_owned())
    }

    fn key(&mut self, key: &str) -> &mut String {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        text(&mut self.0, key);
        self.0.push(':');
        &mut self.0
    }

    fn text(&mut self, key: &str, value: &str) {
        text(self.key(key), value);
    }

    fn number(&mut self, key: &str, value: impl std::fmt::Display) {
        let _ = write!(self.key(key), "{value}");
    }

    fn optional(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        match value {
            Some(value) => self.number(key, value),
            None => self.number(key, "null"),
        }
    }

    fn list<'a>(&mut self, key: &str, items: impl IntoIterator<Item = &'a String>) {
        let out = self.key(key);
        out.push('[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            text(out, item);
        }
        out.push(']');
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn wrapped(key: &str, inside: Object) -> String {
    let mut object = Object::new();
    object.key(key).push_str(&inside.end());
    object.end()
}

fn manifest(manifest: &Manifest) -> String {
    let mut object = Object::new();
    for (key, value) in [
        ("capture_id", &manifest.capture_id),
        ("tool", &manifest.tool),
        ("tool_hash", &manifest.tool_hash),
        ("host", &manifest.host),
        ("kernel", &manifest.kernel),
        ("machine", &manifest.machine),
        ("boot_id", &manifest.boot_id),
    ] {
        object.text(key, value);
    }
    object.number("cpus", manifest.cpus);
    object.number("clock.boot_ns", manifest.clock.boot_ns);
    object.number("clock.mono_ns", manifest.clock.mono_ns);
    object.number("clock.real_ns", manifest.clock.real_ns);
    object.text("time_zone", &manifest.time_zone);
    object.text("scope", &manifest.scope);
    object.text("filter", &manifest.filter);
    object.list("coverage", &manifest.coverage);
    object.list("not_covered", &manifest.not_covered);
    let mut limits = Object::new();
    for (key, value) in &manifest.limits {
        limits.text(key, value);
    }
    object.key("limits").push_str(&limits.end());
    for (key, value) in [
        ("trigger", &manifest.trigger),
        ("reason", &manifest.reason),
        ("operator", &manifest.operator),
        ("case_id", &manifest.case_id),
    ] {
        object.text(key, value);
    }
    object.list("command", &manifest.command);
    // Of later minor versions: not there in captures that have none.
    for (key, value) in [
        ("machine_id", &manifest.machine_id),
        ("clock_sync", &manifest.clock_sync),
    ] {
        if !value.is_empty() {
            object.text(key, value);
        }
    }
    wrapped("manifest", object)
}

/// One event as a line.
pub fn event(number: u64, event: &Event, schema: &Schema, tables: &Tables) -> String {
    let mut object = Object::new();
    object.number("num", number);
    object.number("time_ns", event.time.0);
    object.number("cpu", event.cpu);
    object.number("seq", event.seq);
    let ty = schema.ty(event.ty);
    match ty {
        Some(ty) => object.text("type", &ty.name),
        None => object.number("type", event.ty.0),
    }
    object.text("abi", event.abi.name());
    object.number("flags", event.flags.0);
    object.number("tid", event.tid);
    object.number("proc", event.proc.0);
    let process = tables.proc(event.proc);
    object.optional("pid", process.map(|process| process.key.pid));
    match process {
        Some(process) => bytes(object.key("comm"), &process.comm),
        None => object.number("comm", "null"),
    }
    match event.file.map(|id| (id, tables.file(id))) {
        None => object.number("file", "null"),
        Some((id, None)) => object.number("file", id.0),
        Some((_, Some(file))) => bytes(object.key("file"), &file.name()),
    }
    object.number("result", event.result);
    let mut args = Object::new();
    for (at, value) in event.args.iter().enumerate() {
        let spare = format!("#{at}");
        let name = ty
            .and_then(|ty| ty.args.get(at))
            .map_or(spare.as_str(), |arg| arg.name.as_str());
        match value {
            Value::Absent => args.number(name, "null"),
            Value::Num(number) => args.number(name, number),
            Value::Bytes(blob) if blob.is_cut() => {
                let out = args.key(name);
                out.push_str("{\"hex\":\"");
                for byte in &blob.bytes {
                    let _ = write!(out, "{byte:02x}");
                }
                let _ = write!(out, "\",\"full_len\":{}}}", blob.full_len);
            }
            Value::Bytes(blob) => bytes(args.key(name), &blob.bytes),
        }
    }
    object.key("args").push_str(&args.end());
    wrapped("event", object)
}

fn gap(gap: &Gap) -> String {
    let mut object = Object::new();
    object.text("cause", gap.cause.name());
    object.number("start_ns", gap.start.0);
    object.number("end_ns", gap.end.0);
    object.optional("cpu", gap.cpu);
    object.optional("count", gap.count);
    object.optional("first_seq", gap.first_seq);
    object.text("detail", &gap.detail);
    wrapped("gap", object)
}

fn totals(totals: &Totals) -> String {
    let mut object = Object::new();
    for (key, value) in [
        ("offered", totals.offered),
        ("written", totals.written),
        ("dropped", totals.dropped),
        ("filtered", totals.filtered),
        ("unsealed", totals.unsealed),
        ("spared_self", totals.spared_self),
        ("spared_scope", totals.spared_scope),
    ] {
        object.number(key, value);
    }
    // Of later minor versions: not there in captures that have none.
    for (key, value) in [("told", totals.told), ("sampled", totals.sampled)] {
        if value > 0 {
            object.number(key, value);
        }
    }
    wrapped("totals", object)
}
