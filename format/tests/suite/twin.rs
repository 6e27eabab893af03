//! Two readers, one text: the conformance reader, written from the document, against ours.

use crate::encrypted::{FIRST, encrypted, identity};
use crate::evidence::{key, signed};
use crate::forge::{apart, set, together};
use crate::lists::{many, written};
use crate::story::{event, story};
use afterimage_format::layout::block;
use afterimage_format::{Reader, Writer, WriterOptions, twin, verify_bytes};
use afterimage_model::{Manifest, Schema, Totals, Value, schema::current_type};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn ours(file: &[u8]) -> String {
    let mut out = Vec::new();
    twin::write(&Reader::from_bytes(file.to_vec()).unwrap(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What the conformance reader prints; `None`, loudly, where Python or one of its packages is missing.
fn theirs(path: &Path) -> Option<String> {
    let output = run("zstandard", &[], path)?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What it prints when it is to verify.
fn verified(file: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.aft");
    std::fs::write(&path, file).unwrap();
    let output = run("zstandard, cryptography", &["--verify"], &path)?;
    Some(String::from_utf8(output.stdout).unwrap())
}

fn run(needs: &str, args: &[&str], path: &Path) -> Option<Output> {
    let python = std::env::var_os("AFTERIMAGE_PYTHON").unwrap_or_else(|| "python3".into());
    let ready = Command::new(&python)
        .args(["-c", &format!("import {needs}")])
        .output();
    if !ready.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: the conformance reader needs python3 with {needs}");
        return None;
    }
    let reader = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/reader.py");
    let output = Command::new(&python)
        .arg(reader)
        .args(args)
        .arg(path)
        .output();
    Some(output.unwrap())
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
fn the_conformance_reader_compares_filters_of_texts_with_what_is_there() {
    let file = crate::pieces::capture();
    compare(&file);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.aft");
    let lacking = crate::pieces::forged(&file, |bits| bits.iter_mut().for_each(|byte| *byte = 1));
    std::fs::write(&path, lacking).unwrap();
    let Some(output) = run("zstandard", &[], &path) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("a filter of texts that lacks one"),
        "{said}"
    );
}

#[test]
fn the_conformance_reader_prints_the_same_twin_of_a_capture_with_keyframes() {
    compare(&crate::keyframes::capture());
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
fn the_conformance_reader_prints_the_same_twin_of_lists_of_every_kind() {
    let (events, tables) = many(20_000);
    compare(&written(&events, &tables));
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

#[test]
fn the_conformance_reader_comes_to_the_same_verdict_of_a_signed_capture() {
    let (file, _) = signed(&story(), &key(1));
    compare(&file);
    let report = verify_bytes(file.clone()).unwrap();
    let Some(theirs) = verified(&file) else {
        return;
    };
    let ours = format!(
        "sealed and intact\ndigest {}\nsigner {}\ncheckpoints 4\nunsigned blocks 0\n",
        report.digest,
        key(1).public()
    );
    assert_eq!(theirs, ours);
    // What only a signature shows.
    let mut pieces = apart(&file);
    let footer = pieces.len() - 1;
    pieces[footer].body = set(&pieces[footer].body, 3, None);
    let forged = together(&pieces, |_| false);
    assert_eq!(verified(&forged).unwrap(), "broken\n");
    // Cut at a checkpoint, and with something behind it that nobody signed.
    let pieces = apart(&file);
    let last = pieces
        .iter()
        .rposition(|piece| piece.ty == block::CHECKPOINT);
    let cut = together(&pieces[..last.unwrap()], |_| false);
    let theirs = verified(&cut).unwrap();
    assert!(theirs.starts_with("intact, not sealed\n"), "{theirs}");
    assert!(
        theirs.ends_with("checkpoints 3\nunsigned blocks 1\n"),
        "{theirs}"
    );
    assert_eq!(verify_bytes(cut).unwrap().unsigned_blocks(), 1);
}

#[test]
fn the_conformance_reader_opens_an_encrypted_capture_and_verifies_it_without_an_identity() {
    let file = encrypted(&story(), &[FIRST], Some(&key(1)));
    let folder = tempfile::tempdir().unwrap();
    let (path, secret) = (
        folder.path().join("capture.aft"),
        folder.path().join("identity"),
    );
    std::fs::write(&path, &file).unwrap();
    std::fs::write(&secret, format!("# a remark\n{FIRST}\n")).unwrap();
    let secret = secret.to_str().unwrap();
    let Some(output) = run("zstandard, cryptography", &["--identity", secret], &path) else {
        return;
    };
    let theirs = String::from_utf8(output.stdout).unwrap();
    let mut ours = Vec::new();
    twin::write(
        &Reader::from_bytes_with(file.clone(), &identity(FIRST)).unwrap(),
        &mut ours,
    )
    .unwrap();
    assert_eq!(
        theirs,
        String::from_utf8(ours).unwrap(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let verdict = verified(&file).unwrap();
    assert!(verdict.starts_with("sealed and intact\n"), "{verdict}");
    let closed = run("zstandard, cryptography", &[], &path).unwrap();
    assert!(!closed.status.success());
}
