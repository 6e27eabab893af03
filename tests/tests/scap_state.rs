//! What was there when a capture of sysdig began is what its lists say, and what is there at the end is that and what events
//! changed.

use afterimage_format::Reader;
use afterimage_format::derive::{Keyframes, Origin, Recipe, derive};
use afterimage_indexer::{Joined, Progress, Session};
use afterimage_interop::scap::Stream;
use afterimage_interop::{Provenance, copy};
use afterimage_model::{BootNs, FileId, ProcId, Tables};
use afterimage_tests::derived::in_small_chunks;
use afterimage_tests::peers::{captures, session};
use flate2::read::MultiGzDecoder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

fn bytes(path: &Path) -> Vec<u8> {
    let raw = fs::read(path).unwrap();
    if !raw.starts_with(&[0x1f, 0x8b]) {
        return raw;
    }
    let mut out = Vec::new();
    MultiGzDecoder::new(raw.as_slice())
        .read_to_end(&mut out)
        .unwrap();
    out
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn long(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// What the lists of a capture hold, by a walk of its own: processes by their first threads, and descriptors of threads.
#[derive(Debug, Default)]
struct Listed {
    threads: BTreeMap<i64, i64>,
    descriptors: BTreeMap<(i64, i64), u8>,
}

/// Behind a text with its length.
fn text(bytes: &[u8], at: usize) -> usize {
    at + 2 + usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()))
}

/// Behind an entry of a list of processes without its length.
fn process(body: &[u8], at: usize, version: usize) -> usize {
    let mut at = at + 24 + [0, 8][usize::from(version >= 6)] + [0, 8][usize::from(version >= 8)];
    for _ in 0..4 + usize::from(version >= 7) {
        at = text(body, at);
    }
    at += 20;
    at += [0, 28][usize::from(version >= 2)];
    if version >= 3 {
        at = text(body, at);
    }
    if version >= 4 {
        at = text(body, at + 16);
    }
    if version >= 5 {
        at = text(body, at);
    }
    at
}

/// Behind a descriptor of a list of version 1.
fn descriptor(body: &[u8], at: usize) -> usize {
    match body[at + 16] {
        0 => at + 17,
        3 => at + 17 + 13,
        4 => at + 17 + 37,
        5 => at + 17 + 7,
        6 => at + 17 + 19,
        8 => text(body, at + 17 + 16),
        16 => text(body, at + 17 + 4),
        _ => text(body, at + 17),
    }
}

fn listed(bytes: &[u8]) -> Listed {
    let mut found = Listed::default();
    let mut at = 0;
    while at + 12 <= bytes.len() {
        let (ty, len) = (word(bytes, at), word(bytes, at + 4));
        let body = &bytes[at + 8..at + len - 4];
        let version = match ty {
            0x202 => 1,
            0x207 => 2,
            0x209 => 3,
            0x210..=0x215 => ty - 0x210 + 4,
            _ => 0,
        };
        let mut place = 0;
        while version > 0 && place + 4 <= body.len() {
            let head = [0, 4][usize::from(version == 9)];
            let (tid, pid) = (long(body, place + head), long(body, place + head + 8));
            found.threads.insert(tid, pid);
            place = match version {
                9 => place + word(body, place),
                _ => process(body, place, version),
            };
        }
        let mut place = 8;
        while matches!(ty, 0x203 | 0x218) && place + 4 <= body.len() {
            let head = [0, 4][usize::from(ty == 0x218)];
            let fd = long(body, place + head);
            let kind = body[place + head + 16];
            found.descriptors.insert((long(body, 0), fd), kind);
            place = match ty {
                0x218 => place + word(body, place),
                _ => descriptor(body, place),
            };
        }
        at += len;
    }
    found
}

/// Processes by id and start, with their names.
fn processes(tables: &Tables) -> BTreeMap<(u32, u64), Vec<u8>> {
    let there = tables
        .procs
        .values()
        .filter(|row| !row.past && !row.is_nobody());
    there
        .map(|row| ((row.key.pid, row.key.start_ns), row.comm.clone()))
        .collect()
}

/// Descriptors by process and number, with what is behind them.
fn descriptors(tables: &Tables) -> BTreeMap<(u32, u64, u32), String> {
    let of = |((proc, fd), file): (&(ProcId, u32), &FileId)| {
        let key = tables.proc(*proc).unwrap().key;
        let file = tables.file(*file).unwrap();
        let name = String::from_utf8_lossy(&file.path).into_owned();
        (
            (key.pid, key.start_ns, *fd),
            format!("{:?} {name}", file.kind),
        )
    };
    tables.descriptors.iter().map(of).collect()
}

#[test]
fn what_is_there_at_the_beginning_is_what_the_lists_say() {
    for capture in captures() {
        let name = capture.display();
        let listed = listed(&bytes(&capture));
        assert!(
            listed.threads.len() > 20 && listed.descriptors.len() > 50,
            "{name}"
        );
        let reader: Reader = afterimage_interop::open(&capture).unwrap();
        let sections = reader.sections();
        assert_eq!(sections.len(), 1, "{name}");
        let (at, tables) = reader.section(&sections[0]).unwrap();
        assert_eq!(at.0, reader.manifest().clock.boot_ns, "{name}");
        let pids: BTreeSet<i64> = listed.threads.values().copied().collect();
        let told: BTreeSet<i64> = processes(&tables)
            .keys()
            .map(|key| i64::from(key.0))
            .collect();
        assert_eq!(told, pids, "{name}");
        // Of type 0 nothing is said but the number; sysdig has none of them either.
        let known = listed.descriptors.iter().filter(|(_, kind)| **kind != 0);
        let known: BTreeSet<(i64, i64)> = known.map(|(key, _)| *key).collect();
        let told: BTreeSet<(i64, i64)> = (tables.descriptors.keys())
            .map(|(proc, fd)| {
                (
                    i64::from(tables.proc(*proc).unwrap().key.pid),
                    i64::from(*fd),
                )
            })
            .collect();
        let of_process = |(tid, fd): (i64, i64)| (listed.threads[&tid], fd);
        let known: BTreeSet<(i64, i64)> = known.into_iter().map(of_process).collect();
        assert_eq!(told, known, "{name}");
    }
}

#[test]
fn what_is_there_at_the_end_is_what_there_was_and_what_events_changed() {
    for capture in captures() {
        let name = capture.display();
        let file = BufReader::new(fs::File::open(&capture).unwrap());
        let stream = Stream::open(Box::new(file), afterimage_interop::open::manifest()).unwrap();
        let mut ended = stream.each(&mut |_| Ok(true)).unwrap().unwrap();
        let wanted = ended.known();
        let session = session(&capture);
        let (told, complete) = session.state_at(BootNs(u64::MAX), &Progress::default());
        assert!(complete);
        let (mut a, b) = (processes(&wanted), processes(&told));
        // Parents that were made up, of which there is nothing but the id.
        a.retain(|key, comm| b.contains_key(key) || comm != b"<NA>");
        assert_eq!(a, b, "{name}");
        let (a, b) = (descriptors(&wanted), descriptors(&told));
        let missing: Vec<_> = a.iter().filter(|(k, v)| b.get(k) != Some(v)).collect();
        let more: Vec<_> = b.iter().filter(|(k, v)| a.get(k) != Some(v)).collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "{name}: {missing:#?} {more:#?}"
        );
    }
}

/// Where the blocks of events end, with the time of each.
fn events(bytes: &[u8]) -> Vec<(usize, u64)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 12 <= bytes.len() {
        let (ty, len) = (word(bytes, at), word(bytes, at + 4));
        at += len;
        if matches!(ty, 0x204 | 0x216 | 0x221) {
            found.push((at, long(bytes, at - len + 10) as u64));
        }
    }
    found
}

/// What the peers would know behind the last event.
fn known(bytes: &[u8]) -> Tables {
    let stream = Stream::open(
        Box::new(Cursor::new(bytes.to_vec())),
        afterimage_interop::open::manifest(),
    );
    let ended = stream.unwrap().each(&mut |_| Ok(true)).unwrap();
    ended.unwrap().known()
}

fn of_bytes(bytes: Vec<u8>) -> Session {
    let reader = afterimage_interop::open_stream(Cursor::new(bytes));
    Session::from_reader(reader.unwrap())
}

/// A copy with every event.
fn copied(reader: &Reader) -> Reader {
    let (bytes, events) =
        copy::copy(reader, Vec::new(), &Provenance::default(), &mut |_| true).unwrap();
    assert_eq!(events, reader.events());
    Reader::from_bytes(bytes).unwrap()
}

#[test]
fn a_copy_begins_with_what_was_there() {
    let mut known = [0; 3];
    for name in [
        "v1/break-in.aft",
        "v1.3/lists.aft",
        "v1.4/keyframes.aft",
        "v1.5/texts.aft",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
        let reader = Reader::open(&path.join(name)).unwrap();
        let state = reader.state();
        assert_eq!(copied(&reader).state(), state, "{name}");
        let of = [
            state.procs.len(),
            state.containers.len(),
            state.descriptors.len(),
        ];
        known = std::array::from_fn(|at| known[at].max(of[at]));
    }
    assert!(known.iter().all(|known| *known > 0), "{known:?}");
}

/// Fails where a capture does not tell of an instant what the peers would know then.
fn same(name: &str, session: &Session, at: u64, wanted: &Tables) {
    let (told, complete) = session.state_at(BootNs(at), &Progress::default());
    assert!(complete);
    let (mut a, b) = (processes(wanted), processes(&told));
    a.retain(|key, comm| b.contains_key(key) || comm != b"<NA>");
    let differ = |a: &BTreeMap<_, _>, b: &BTreeMap<_, _>| -> Vec<_> {
        let of = a.iter().filter(|(key, comm)| b.get(*key) != Some(*comm));
        of.map(|(key, _)| *key).collect()
    };
    assert_eq!((differ(&a, &b), differ(&b, &a)), (vec![], vec![]), "{name}");
    assert_eq!(descriptors(wanted), descriptors(&told), "{name}");
}

#[test]
fn what_is_there_at_any_instant_is_what_the_peers_would_know_then() {
    for capture in captures() {
        let bytes = bytes(&capture);
        let events = events(&bytes);
        let session = session(&capture);
        let mut latest = 0;
        let latest: Vec<u64> = (events.iter())
            .map(|(_, time)| {
                latest = time.max(&latest).to_owned();
                latest
            })
            .collect();
        let step = events.len() / 12 + 1;
        for from in (0..events.len()).step_by(step) {
            // Behind it nothing may be that was at the same instant or before.
            let ends = |at: &usize| {
                let now = latest[*at];
                now > 0 && events[at + 1..].iter().all(|(_, time)| *time > now)
            };
            let Some(at) = (from..events.len()).take(step).find(ends) else {
                continue;
            };
            let wanted = known(&bytes[..events[at].0]);
            let name = format!("{} behind event {}", capture.display(), at + 1);
            same(&name, &session, latest[at], &wanted);
        }
    }
}

#[test]
fn of_several_sections_each_begins_with_what_its_own_lists_say() {
    let captures = captures();
    for pair in captures.windows(2) {
        let (a, b) = (bytes(&pair[0]), bytes(&pair[1]));
        let end = |bytes: &[u8]| events(bytes).iter().map(|event| event.1).max().unwrap();
        let both = Cursor::new([a.clone(), b.clone()].concat());
        let reader = afterimage_interop::open_stream(both).unwrap();
        let copy = copied(&reader);
        for (name, reader) in [("as it is", reader), ("copied", copy)] {
            let session = Session::from_reader(reader);
            let name = format!("{} and {}, {name}", pair[0].display(), pair[1].display());
            assert_eq!(session.gaps(), [], "{name}");
            same(&name, &session, u64::MAX, &known(&b));
            same(&name, &session, end(&b), &known(&b));
            same(&name, &session, end(&a), &known(&a));
        }
    }
}

#[test]
fn lists_without_events_are_told_of() {
    for capture in captures() {
        let bytes = bytes(&capture);
        let mut lists = Vec::new();
        let mut at = 0;
        while at + 12 <= bytes.len() {
            let (ty, len) = (word(&bytes, at), word(&bytes, at + 4));
            if !matches!(ty, 0x204 | 0x216 | 0x221) {
                lists.extend_from_slice(&bytes[at..at + len]);
            }
            at += len;
        }
        let wanted = known(&lists);
        assert!(wanted.descriptors.len() > 50);
        let session = of_bytes(lists);
        same(&capture.display().to_string(), &session, u64::MAX, &wanted);
    }
}

#[test]
fn what_nothing_happens_to_is_found() {
    for capture in captures() {
        let session = session(&capture);
        let (told, _) = session.state_at(BootNs(0), &Progress::default());
        let find = |text: &str| {
            let ask = afterimage_indexer::Ask::parse(&format!("\"{text}\"")).unwrap();
            let hits = session
                .search(&ask, None, 100, &Progress::default())
                .unwrap();
            hits.hits.iter().any(|hit| {
                let mut texts = hit.texts.iter();
                texts.any(|(_, found)| String::from_utf8_lossy(found).contains(text))
            })
        };
        let comm = processes(&told)
            .into_values()
            .map(|comm| String::from_utf8(comm).unwrap());
        let plain =
            |text: &String| text.len() > 3 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        for comm in comm.filter(plain).take(8) {
            assert!(find(&comm), "{} {comm}", capture.display());
        }
    }
}

/// Captures that follow each other, or overlap, and are merged.
#[test]
fn what_is_merged_of_parts_tells_of_any_instant_what_the_whole_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut told = 0;
    for (number, capture) in captures().into_iter().enumerate() {
        let whole = session(&capture);
        let (first, last) = whole.span().unwrap();
        if last - first < 1_000 {
            // All of it is at one instant.
            continue;
        }
        let aft = path(&format!("{number}.aft"));
        let reader = afterimage_interop::open(&capture).unwrap();
        let (bytes, _) =
            copy::copy(&reader, Vec::new(), &Provenance::default(), &mut |_| true).unwrap();
        fs::write(&aft, bytes).unwrap();
        let part = |percent: u64| first + (last - first) / 100 * percent;
        let piece = |name: &str, span: (u64, u64)| {
            let before = BootNs(span.0.saturating_sub(1));
            let (opening, _) = whole.state_at(before, &Progress::default());
            let recipe = Recipe {
                span: Some(span),
                opening: Some(opening).filter(|_| span.0 > first),
                ..in_small_chunks("sliced")
            };
            let to = path(&format!("{number}-{name}.aft"));
            let origin = [Origin::open(&aft).unwrap()];
            derive(&origin, &to, &recipe, &mut |_, _, _| true).unwrap();
            to
        };
        let half = part(50);
        for (name, spans) in [
            ("behind", [(first, half), (half + 1, last)]),
            ("over", [(first, part(60)), (part(40), last)]),
        ] {
            let parts = spans.map(|span| piece(&format!("{name}{}", span.0), span));
            let origins: Vec<Origin> = parts.iter().map(|at| Origin::open(at).unwrap()).collect();
            let readers = origins.iter().map(Origin::shared).collect();
            let joined = Joined::new(readers, &Progress::default()).unwrap();
            let state = |at| joined.at(at);
            let recipe = Recipe {
                keyframes: Some(Keyframes {
                    every_ns: (last - first) / 12,
                    state: &state,
                }),
                ..in_small_chunks("merged")
            };
            let to = path(&format!("{number}-{name}.aft"));
            derive(&origins, &to, &recipe, &mut |_, _, _| true).unwrap();
            let merged = Session::open(&to).unwrap();
            told += Reader::open(&to).unwrap().sections().len() - 1;
            for step in 0..12 {
                let at = part(step * 8 + 4);
                let (wanted, _) = whole.state_at(BootNs(at), &Progress::default());
                let what = format!("{} {name} at {step}", capture.display());
                same(&what, &merged, at, &wanted);
            }
        }
    }
    assert!(captures().is_empty() || told > 12, "{told}");
}

/// What boot it was is not told, but the host is.
#[test]
fn captures_of_different_hosts_are_not_merged() {
    let folder = tempfile::tempdir().unwrap();
    let mut hosts: BTreeMap<String, std::path::PathBuf> = BTreeMap::new();
    for (number, capture) in captures().into_iter().enumerate() {
        let reader = afterimage_interop::open(&capture).unwrap();
        let (bytes, _) =
            copy::copy(&reader, Vec::new(), &Provenance::default(), &mut |_| true).unwrap();
        let to = folder.path().join(format!("{number}.aft"));
        fs::write(&to, bytes).unwrap();
        hosts.insert(reader.manifest().host.clone(), to);
    }
    let paths: Vec<_> = hosts.into_values().collect();
    for pair in paths.windows(2) {
        let origins: Vec<Origin> = pair.iter().map(|at| Origin::open(at).unwrap()).collect();
        let to = folder.path().join("merged.aft");
        let made = derive(&origins, &to, &in_small_chunks("merged"), &mut |_, _, _| {
            true
        });
        let error = made.expect_err("they are not of one host").to_string();
        assert!(error.contains("of another host"), "{error}");
        assert!(!to.exists());
    }
    assert!(captures().is_empty() || paths.len() > 2);
}
