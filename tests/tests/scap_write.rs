//! Captures written as scap: sysdig, where it is installed, and our own reader find in them what was in ours.
//!
//! Captures of sysdig are looked for as by `scap.rs`.

#![allow(clippy::print_stderr, reason = "tests say what they skipped")]

use afterimage_format::{Reader, Writer, WriterOptions};
use afterimage_indexer::{Progress, Session};
use afterimage_interop::scap;
use afterimage_model::{
    self as model, Blob, BootNs, Ctx, Event, FileId, FileKind, Manifest, ProcId, ProcKey, Process,
    Schema, Tables, Totals, Value,
};
use afterimage_query::FieldRef;
use afterimage_tests::peers::captures;
use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// What is compared: the first three say which event it is.
const COLUMNS: &[&str] = &[
    "evt.rawtime",
    "thread.tid",
    "evt.cpu",
    "proc.name",
    "proc.pid",
    "proc.ppid",
    "proc.exepath",
    "user.name",
    "fd.name",
];

/// Those that may be known to one and not to the other: scap knows no parent that nobody told of, no program behind an exec
/// as a file, and no socket's name before it has one.
const LOOSE: &[&str] = &["fd.name"];

/// Happenings that scap has no words for.
const WORDLESS: &[&str] = &["cgroup_attach", "container_stop"];

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    let paths = fs::read_dir(folder).unwrap().flatten().map(|e| e.path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "aft"))
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn written(from: &Path, name: &str, folder: &Path) -> (PathBuf, scap::Written) {
    let to = folder.join(name);
    let reader = afterimage_interop::open(from).unwrap();
    let file = File::create(&to).unwrap();
    let packed = name.ends_with(".gz");
    let (_, written) = scap::write(&reader, file, packed, &mut |_| true).unwrap();
    (to, written)
}

/// The columns of every event that is shown, as our readers have them.
fn ours(reader: Reader) -> Vec<Vec<String>> {
    let fields: Vec<FieldRef> = COLUMNS
        .iter()
        .map(|name| FieldRef::parse(name).unwrap())
        .collect();
    let session = Session::from_reader(reader);
    let mut rows = Vec::new();
    let mut each = |ctx: &Ctx<'_>| {
        if WORDLESS.contains(&ctx.ty().map_or("", |ty| ty.name.as_str())) {
            return true;
        }
        let row = fields.iter().map(|field| match field.value(ctx) {
            Some(value) => String::from_utf8_lossy(&value.text()).into_owned(),
            None => String::new(),
        });
        rows.push(row.collect());
        true
    };
    session
        .scan(None, None, 1, &Progress::default(), &mut each)
        .unwrap();
    rows
}

/// The same as sysdig has them; `None`, and said, where it is not installed.
fn theirs(capture: &Path) -> Option<Vec<Vec<String>>> {
    let format: Vec<String> = COLUMNS.iter().map(|name| format!("%{name}")).collect();
    let output = Command::new("sysdig")
        .arg("-r")
        .arg(capture)
        .arg("-p")
        .arg(format!("*{}", format.join("\u{1f}")))
        .stderr(Stdio::null())
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: sysdig is not installed");
        return None;
    };
    assert!(
        output.status.success(),
        "sysdig -r {}: {}",
        capture.display(),
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let cell = |cell: &str| cell.replace("<NA>", "");
    Some(
        text.lines()
            .map(|line| line.split('\u{1f}').map(cell).collect())
            .collect(),
    )
}

/// How many cells of two lists of events agree, and those that do not; of `loose` columns one may be silent.
fn compare(
    left: &[Vec<String>],
    right: &[Vec<String>],
    loose: &[&str],
    what: &str,
) -> (usize, Vec<String>) {
    assert_eq!(left.len(), right.len(), "{what}: events");
    let (mut same, mut wrong) = (0, Vec::new());
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left.get(..3), right.get(..3), "{what}: order");
        for ((name, left), right) in COLUMNS.iter().zip(left).zip(right) {
            let silent = loose.contains(name) && (left.is_empty() || right.is_empty());
            // sysdig shows dots where we show what there is.
            let printable = |text: &str| text.trim_end_matches('/').to_owned();
            // A directory that is not known cannot be written: every reader takes an empty one for the root.
            let below = *name == "fd.name" && *right == format!("/{left}");
            match printable(left) == printable(right) || below {
                true => same += 1,
                false if silent => {}
                false => wrong.push(format!("{what}: {name}: {left:?} {right:?}")),
            }
        }
    }
    (same, wrong)
}

#[test]
fn what_is_written_as_scap_is_read_back_with_names_descriptors_and_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for sample in samples() {
        let before = ours(Reader::open(&sample).unwrap());
        for name in ["a.scap", "a.scap.gz"] {
            let (file, written) = written(&sample, name, folder.path());
            let what = format!("{} as {name}", sample.display());
            assert_eq!(written.events as usize, before.len(), "{what}");
            let left_out: u64 = written.left_out.values().sum();
            assert_eq!(left_out, 2, "{what}: {:?}", written.left_out);
            let reader = afterimage_interop::open(&file).unwrap();
            assert_eq!(reader.gaps(), [], "{what}");
            let mut readers = vec![("afterimage", ours(reader))];
            readers.extend(theirs(&file).map(|rows| ("sysdig", rows)));
            for (reader, after) in readers {
                let (same, wrong) = compare(&before, &after, LOOSE, &format!("{what}, {reader}"));
                let rare = wrong.len() * 100 < before.len();
                assert!(rare, "{}", wrong.join("\n"));
                assert!(same > before.len() * 8, "{what}, {reader}: {same}");
            }
        }
    }
}

/// A process that writes to a socket by its path and reads from it, turn by turn.
fn a_talk(file: &Path, turns: u64) {
    let schema = Schema::current();
    let mut tables = Tables::default();
    let process = Process {
        id: ProcId(1),
        comm: b"client".to_vec(),
        exe_path: b"/bin/client".to_vec(),
        argv: b"client\0".to_vec(),
        cwd: b"/".to_vec(),
        key: ProcKey {
            pid: 70,
            start_ns: 5,
            exec: 1,
        },
        ..Process::default()
    };
    tables.procs.insert(process.id, Arc::new(process));
    let socket = model::File {
        id: FileId(1),
        kind: FileKind::Unix,
        path: b"/run/cache.sock".to_vec(),
        ..model::File::default()
    };
    tables.files.insert(socket.id, Arc::new(socket));
    let out = File::create(file).unwrap();
    let manifest = Manifest::default();
    let mut writer = Writer::new(out, &manifest, schema, WriterOptions::default()).unwrap();
    let names = ["sendto", "read", "write", "recvfrom"];
    for (at, name) in (0..turns).zip(names.iter().cycle()) {
        let args = [Value::Num(3), Value::Bytes(Blob::whole(*b"GET key"))];
        let event = Event {
            time: BootNs(1_000 + at),
            seq: at,
            tid: 70,
            proc: ProcId(1),
            file: Some(FileId(1)),
            result: 7,
            args: args.into_iter().collect(),
            ..Event::of_type(schema.type_id(name).unwrap())
        };
        writer.push(event, &tables).unwrap();
    }
    let totals = Totals {
        offered: turns,
        written: turns,
        ..Totals::default()
    };
    writer.seal(&totals, &tables).unwrap();
}

#[test]
fn a_socket_with_a_path_is_called_by_it_whatever_goes_through_and_told_of_once() {
    let folder = tempfile::tempdir().unwrap();
    let talk = folder.path().join("talk.aft");
    a_talk(&talk, 400);
    let (file, written) = written(&talk, "talk.scap", folder.path());
    assert_eq!(written.events, 400);
    // Each call is entered, too.
    assert!(written.hidden < 410, "{}", written.hidden);
    let mut readers = vec![ours(afterimage_interop::open(&file).unwrap())];
    readers.extend(theirs(&file));
    let name = COLUMNS.iter().position(|name| *name == "fd.name").unwrap();
    for rows in readers {
        let with_name = rows.iter().filter(|row| !row[name].is_empty());
        let names: HashSet<&str> = with_name.map(|row| row[name].as_str()).collect();
        assert_eq!(names, HashSet::from(["/run/cache.sock"]));
    }
}

#[test]
fn a_capture_of_sysdig_goes_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    for path in captures() {
        let (file, _) = written(&path, "b.scap", folder.path());
        let before = ours(afterimage_interop::open(&path).unwrap());
        let after = ours(afterimage_interop::open(&file).unwrap());
        let (_, wrong) = compare(&before, &after, &[], &path.display().to_string());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        if let (Some(before), Some(after)) = (theirs(&path), theirs(&file)) {
            let (_, wrong) = compare(&before, &after, &[], &path.display().to_string());
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
    }
}
