//! Two readers, one text: the conformance reader, written from the document, against ours.

use crate::story::{event, story};
use afterimage_format::{Reader, Writer, WriterOptions, twin};
use afterimage_model::{Manifest, Schema, Totals, Value, schema::current_type};
use std::path::{Path, PathBuf};
use std::process::Command;

fn ours(file: &[u8]) -> String {
    let mut out = Vec::new();
    twin::write(&Reader::from_bytes(file.to_vec()).unwrap(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What the conformance reader prints; `None`, loudly, where Python or its zstandard package is missing.
fn theirs(path: &Path) -> Option<String> {
    let python = std::env::var_os("AFTERIMAGE_PYTHON").unwrap_or_else(|| "python3".into());
    let ready = Command::new(&python)
        .args(["-c", "import zstandard"])
        .output();
    if !ready.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: the conformance reader needs python3 with the zstandard package");
        return None;
    }
    let reader = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/reader.py");
    let output = Command::new(&python)
        .arg(reader)
        .arg(path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

fn compare(file: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.aft");
    std::fs::write(&path, file).unwrap();
    let Some(theirs) = theirs(&path) else { return };
    let ours = ours(file);
    for (line, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", line + 1);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
}

#[test]
fn the_conformance_reader_prints_the_same_twin_of_a_small_capture() {
    compare(&story().write());
}

#[test]
fn the_conformance_reader_prints_the_same_twin_of_disordered_events_in_large_chunks() {
    let story = story();
    let mut writer = Writer::new(
        Vec::new(),
        &Manifest::default(),
        &Schema::current().clone(),
        WriterOptions::default(),
    )
    .unwrap();
    let types = ["openat", "read", "setuid", "unknown"].map(|name| current_type(name).unwrap());
    for at in 0..4_000_u64 {
        let mut event = event(at);
        // Type 0 gets a column of its own; times repeat, and go back now and then.
        event.ty = if at % 40 == 0 {
            types[3]
        } else {
            types[usize::from(event.ty.0)]
        };
        event.time.0 = 10_000 + at / 3 * 7 - if at % 97 == 0 { 500 } else { 0 };
        event.tid = (at * 7919 % 13) as u32;
        if at % 11 == 0 {
            event.args.push(Value::Num(i64::MIN));
        }
        writer.push(event, &story.tables).unwrap();
    }
    compare(&writer.seal(&Totals::default(), &story.tables).unwrap());
}

#[test]
fn a_twin_is_printable_ascii_whatever_was_captured() {
    let text = ours(&story().write());
    assert!(
        text.bytes()
            .all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte))
    );
    assert!(text.contains(r#""path":"/etc/\u001b[31m\u00ff\n\t\b\f\r\u007f\"\\""#));
    assert!(text.contains(r#""buf":{"hex":"726f6f743a78","full_len":"#));
    assert!(text.contains(r#""file":"192.0.2.7:40112->10.0.0.2:80""#));
    assert!(text.contains(r#""host":"w\u00ebb-1""#));
    assert!(
        text.lines()
            .last()
            .unwrap()
            .starts_with(r#"{"totals":{"offered":49,"#)
    );
}
