//! An index answers as the capture does, belongs to it alone, and survives whatever happens to it.

use super::*;
use crate::alike::Summing;
use crate::search::Hits;
use crate::session::{Progress, Session};
use crate::story::{bytes, event, events, world};
use afterimage_format::{Reader, Writer, WriterOptions};
use afterimage_model::{ClockPair, Event, Manifest, Schema, Totals, Value};
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

mod ahead;
mod random;

/// Events of which some have text in their payload.
fn story(count: usize) -> Vec<Event> {
    let texts: [&[u8]; 5] = [
        b"GET /cgi-bin/look?name=x HTTP/1.1\r\nHost: web.example\r\n\r\n",
        b"segfault at nowhere in libfoo\n",
        b"password=hunter2 user=alice@example.org\n",
        b"\x7fELF\x01\x02",
        b"\x1b[2J\x1b]0;owned\x07 and more text",
    ];
    let mut all = events(count);
    for (at, text) in (0..count).step_by(7).zip(texts.iter().cycle()) {
        let time = all[at].time.0;
        let fd = if at % 2 == 0 { 2 } else { 5 };
        let args = vec![Value::Num(fd), bytes(text), Value::Num(9)];
        all[at] = event("write", time, 1 + (at % 7) as u32, Some(6), 9, args);
    }
    for at in (3..count).step_by(41) {
        let time = all[at].time.0;
        let path = format!("/var/lib/d{}/getUserName.conf", at % 13);
        let args = vec![
            Value::Num(-100),
            bytes(path.as_bytes()),
            Value::Num(0),
            Value::Num(0),
        ];
        all[at] = event("openat", time, 2, None, -2, args);
    }
    all.retain(|event| event.proc.0 != 9);
    all
}

fn capture(count: usize) -> Vec<u8> {
    let manifest = Manifest {
        capture_id: "0011".into(),
        host: "lab".into(),
        trigger: "canary /etc/shadow".into(),
        clock: ClockPair {
            boot_ns: 0,
            mono_ns: 0,
            real_ns: 1_700_000_000_000_000_000,
        },
        ..Manifest::default()
    };
    let options = WriterOptions {
        chunk_events: 97,
        ..WriterOptions::default()
    };
    let mut writer = Writer::new(Vec::new(), &manifest, Schema::current(), options).unwrap();
    let tables = world();
    for event in story(count) {
        writer.push(event, &tables).unwrap();
    }
    writer.seal(&Totals::default(), &tables).unwrap()
}

/// Sorts of events are kept of all chunks.
const SORTS: Summing = Summing {
    events: 1,
    alike: 1,
    bytes: 1 << 40,
};

struct Case {
    folder: tempfile::TempDir,
    capture: PathBuf,
    keeper: Keeper,
}

impl Case {
    fn new(bytes: &[u8]) -> Case {
        let folder = tempfile::tempdir().unwrap();
        let capture = folder.path().join("web.aft");
        std::fs::write(&capture, bytes).unwrap();
        let keeper = Keeper {
            key: [7; 32],
            cache: None,
        };
        Case {
            folder,
            capture,
            keeper,
        }
    }

    fn session(&self) -> Session {
        Session::from_reader(Reader::open(&self.capture).unwrap())
    }

    fn build(&self) -> Built {
        let how = Indexing {
            keep_every: 3,
            sorts: SORTS,
            ..Indexing::default()
        };
        let session = self.session();
        build(
            &session,
            &self.capture,
            &self.keeper,
            &how,
            &Progress::default(),
        )
        .unwrap()
    }

    fn indexed(&self) -> Session {
        let mut session = self.session();
        let index = Index::open(&self.capture, &self.keeper).unwrap();
        assert!(session.use_index(index));
        session
    }

    fn sidecar(&self) -> PathBuf {
        self.folder.path().join("web.aft.idx")
    }
}

fn search(session: &Session, query: &str) -> Hits {
    let ask = Ask::parse(query).unwrap_or_else(|error| panic!("{error}"));
    let mut hits = session
        .search(&ask, None, 100, &Progress::default())
        .unwrap();
    hits.indexed = false;
    hits
}

fn count(session: &Session, filter: &str) -> (u64, u64) {
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}\n{error}"));
    let progress = Progress::default();
    let mut found = 0;
    let mut each = |_: &afterimage_model::Ctx<'_>| {
        found += 1;
        true
    };
    session
        .scan(Some(&filter), None, 1, &progress, &mut each)
        .unwrap();
    (found, progress.work.by_index.load(Ordering::Relaxed))
}

const QUERIES: &[&str] = &[
    "nginx",
    "shadow",
    "etc AND shadow",
    "10.0.0.0/8",
    "93.184.216.34:443",
    "hunter2",
    "HTTP*",
    "web.example",
    "username",
    "getUser*",
    "canary",
    "segfault~1",
    "re:d1[0-2]",
    "*.conf",
    "sshd OR mysql",
    "NOT nginx AND bin",
    "shadow AND proc.name=nginx",
    "evt.time>-300ms x*",
    "proc.name:sh",
    "[a TO c]",
    "\"segfault at\"",
    "nothing-at-all",
    "alice@example.org",
    "(proc.name=sh or proc.name=id) and evt.failed=true",
    "container.name:web",
];

#[test]
fn an_index_finds_what_going_through_the_capture_finds() {
    let case = Case::new(&capture(1500));
    let built = case.build();
    assert_eq!(built.chunks, case.session().chunks().len());
    let (plain, indexed) = (case.session(), case.indexed());
    let mut empty = Vec::new();
    for query in QUERIES {
        let (a, b) = (search(&plain, query), search(&indexed, query));
        assert_eq!(a, b, "{query}");
        if a.hits.is_empty() {
            empty.push(*query);
        }
    }
    assert_eq!(empty, ["nothing-at-all"]);
}

/// What an index keeps of sorts of events answers where it can, and nothing else does where it cannot.
#[test]
fn words_with_conditions_are_counted_by_sorts_of_events() {
    let case = Case::new(&capture(1500));
    case.build();
    let (plain, indexed) = (case.session(), case.indexed());
    let by_sorts = |query: &str| {
        let progress = Progress::default();
        let ask = Ask::parse(query).unwrap();
        let mut hits = indexed.search(&ask, None, 100, &progress).unwrap();
        hits.indexed = false;
        assert!(!hits.hits.is_empty(), "{query}");
        assert_eq!(hits, search(&plain, query), "{query}");
        let work = &progress.work;
        let looked = work.read.load(Ordering::Relaxed) + work.by_head.load(Ordering::Relaxed);
        (work.by_sorts.load(Ordering::Relaxed), looked)
    };
    for query in [
        "nginx AND evt.failed=false",
        "etc AND evt.rawres<0",
        "shadow AND evt.type in (openat, write)",
        "hunter2 AND proc.name!=sh",
        "username AND evt.failed=true",
        "(proc.name=sh or fd.name contains etc) and not evt.type=read",
        "container.name:web AND evt.failed=true",
        "evt.time>-10m nginx",
    ] {
        let (sorts, looked) = by_sorts(query);
        assert!(sorts > 0 && sorts == looked, "{query}: {sorts} of {looked}");
    }
    for query in [
        "nginx AND evt.cpu=0",
        "nginx AND thread.tid>0",
        "username AND evt.arg.path contains UserName",
        "etc AND not evt.latency>=0",
    ] {
        assert_eq!(by_sorts(query).0, 0, "{query}");
    }
}

#[test]
fn the_events_of_what_is_found_are_those_that_have_it() {
    let case = Case::new(&capture(1500));
    case.build();
    for query in ["shadow", "hunter2", "shadow AND evt.failed=true"] {
        let ask = Ask::parse(query).unwrap();
        let events = |session: &Session| {
            let mut found = Vec::new();
            let mut each = |ctx: &afterimage_model::Ctx<'_>| {
                found.push(ctx.num);
                true
            };
            let progress = Progress::default();
            session
                .search_events(&ask, None, &progress, &mut each)
                .unwrap();
            found
        };
        let found = events(&case.indexed());
        assert_eq!(found, events(&case.session()), "{query}");
        // No event is about two of them.
        let hits = search(&case.session(), query).hits;
        let events: u64 = hits.iter().map(|hit| hit.events).sum();
        assert_eq!(found.len() as u64, events, "{query}: {hits:?}");
    }
}

/// Parts of an answer are handed out while it is made, and none says more than the whole does.
#[test]
fn what_is_found_so_far_is_part_of_what_is_found() {
    let case = Case::new(&capture(120_000));
    case.build();
    let session = case.indexed();
    let ask = Ask::parse("re:. AND (evt.failed=true or proc.name=nginx)").unwrap();
    let mut parts: Vec<Hits> = Vec::new();
    let mut take = |hits| parts.push(hits);
    let progress = Progress::default();
    let whole = session.search_in_parts(&ask, None, 500, &progress, Some(&mut take));
    let whole = whole.unwrap();
    assert!(whole.complete);
    assert_eq!(whole, session.search(&ask, None, 500, &progress).unwrap());
    assert!(!parts.is_empty());
    for part in &parts {
        assert!(!part.complete && part.found <= whole.found);
        for hit in &part.hits {
            let same = |other: &&crate::Hit| other.texts == hit.texts && other.kind == hit.kind;
            let other = whole.hits.iter().find(same).unwrap();
            assert!(
                hit.events <= other.events && hit.first >= other.first,
                "{hit:?}"
            );
        }
    }
    assert!(parts.is_sorted_by_key(|part| part.found));
}

#[test]
fn an_index_of_another_capture_or_user_or_state_is_refused() {
    let case = Case::new(&capture(700));
    assert!(matches!(
        Index::open(&case.capture, &case.keeper),
        Err(Refused::Missing)
    ));
    case.build();
    let other = Keeper {
        key: [8; 32],
        cache: None,
    };
    assert!(matches!(
        Index::open(&case.capture, &other),
        Err(Refused::Foreign)
    ));
    let mut bytes = capture(700);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&case.capture, &bytes).unwrap();
    assert!(matches!(
        Index::open(&case.capture, &case.keeper),
        Err(Refused::Stale)
    ));
    std::fs::write(&case.capture, capture(900)).unwrap();
    assert!(matches!(
        Index::open(&case.capture, &case.keeper),
        Err(Refused::Stale)
    ));
    let built = case.build();
    assert_eq!(built.resumed, 0);
    assert!(Index::open(&case.capture, &case.keeper).is_ok());
}

#[test]
fn a_flipped_bit_is_refused_or_changes_no_answer() {
    let case = Case::new(&capture(400));
    case.build();
    let whole = std::fs::read(case.sidecar()).unwrap();
    let expected: Vec<Hits> = QUERIES
        .iter()
        .map(|query| search(&case.session(), query))
        .collect();
    let filter = "proc.name=sshd";
    let events = count(&case.session(), filter).0;
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(case.sidecar(), &bytes).unwrap();
        let mut session = case.session();
        if let Ok(index) = Index::open(&case.capture, &case.keeper) {
            session.use_index(index);
        }
        for (query, expected) in QUERIES.iter().zip(&expected) {
            assert_eq!(search(&session, query), *expected, "{query}, byte {at}");
        }
        assert_eq!(count(&session, filter).0, events, "byte {at}");
    }
    for len in [0, 1, 47, 48, whole.len() / 2, whole.len() - 1] {
        std::fs::write(case.sidecar(), &whole[..len]).unwrap();
        assert!(Index::open(&case.capture, &case.keeper).is_err(), "{len}");
    }
}

#[test]
fn work_that_was_interrupted_goes_on_where_it_was_and_the_capture_is_untouched() {
    let bytes = capture(1500);
    let case = Case::new(&bytes);
    let session = case.session();
    let how = Indexing {
        threads: 1,
        keep_every: 3,
        anew: false,
        ..Indexing::default()
    };
    // Cancelled from within, when some of it is done.
    let progress = Progress::default();
    let (cancel, done) = (progress.cancel.clone(), progress.done.clone());
    let watcher = std::thread::spawn(move || {
        while done.load(Ordering::Relaxed) < 600 && !cancel.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        cancel.store(true, Ordering::Relaxed);
    });
    let ended = build(&session, &case.capture, &case.keeper, &how, &progress);
    progress.cancel.store(true, Ordering::Relaxed);
    watcher.join().unwrap();
    if let Err(error) = ended {
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
        assert!(matches!(
            Index::open(&case.capture, &case.keeper),
            Err(Refused::Missing)
        ));
        let built = case.build();
        assert!(built.resumed >= 3, "{built:?}");
        assert_eq!(built.resumed + built.chunks, session.chunks().len());
    }
    let (plain, indexed) = (case.session(), case.indexed());
    for query in QUERIES {
        assert_eq!(search(&plain, query), search(&indexed, query), "{query}");
    }
    assert_eq!(std::fs::read(&case.capture).unwrap(), bytes);
    let names: Vec<_> = std::fs::read_dir(case.folder.path()).unwrap().collect();
    assert_eq!(names.len(), 2, "capture and index: {names:?}");
}

#[test]
fn a_capture_that_grows_keeps_its_index_for_what_was_there() {
    let bytes = capture(6000);
    let case = Case::new(&bytes);
    let ends: Vec<u64> = case
        .session()
        .chunks()
        .iter()
        .map(|info| info.offset + info.len)
        .collect();
    let chunks = ends.len();
    let cut = usize::try_from(ends[chunks / 2]).unwrap();
    std::fs::write(&case.capture, &bytes[..cut]).unwrap();
    case.build();
    assert!(case.indexed().index().unwrap().is_whole());
    std::fs::write(&case.capture, &bytes).unwrap();
    let indexed = case.indexed();
    let index = indexed.index().unwrap();
    assert!(!index.is_whole());
    assert_eq!(index.covered(), chunks / 2 + 1);
    let plain = case.session();
    for query in QUERIES {
        assert_eq!(search(&plain, query), search(&indexed, query), "{query}");
    }
    assert_eq!(
        count(&plain, "proc.name=id").0,
        count(&indexed, "proc.name=id").0
    );
    let built = case.build();
    assert_eq!(
        (built.resumed, built.chunks),
        (chunks / 2 + 1, chunks - chunks / 2 - 1)
    );
    let indexed = case.indexed();
    assert!(indexed.index().unwrap().is_whole());
    for query in QUERIES {
        assert_eq!(search(&plain, query), search(&indexed, query), "{query}");
    }
}

#[test]
fn a_timeline_is_drawn_from_the_pyramid_without_reading_events() {
    let case = Case::new(&capture(6000));
    case.build();
    let (plain, indexed) = (case.session(), case.indexed());
    for steps in [1, 7, 60] {
        let draw = |session: &Session| {
            let progress = Progress::default();
            let drawn = session.histogram(None, None, steps, &progress).unwrap();
            (drawn.lanes, progress.work.read.load(Ordering::Relaxed))
        };
        let (a, b) = (draw(&plain), draw(&indexed));
        assert!(a.1 > 0);
        assert_eq!(b.1, 0);
        for (a, b) in a.0.iter().zip(&b.0) {
            assert_eq!(a.iter().sum::<u64>(), b.iter().sum::<u64>());
            let off: u64 = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).sum();
            assert!(off <= 2 * steps as u64, "{a:?} {b:?}");
        }
    }
    // A step that is shorter than what is kept is counted event by event.
    let span = Some((1_000_000, 3_000_000));
    let draw = |session: &Session| {
        session
            .histogram(None, span, 9, &Progress::default())
            .unwrap()
            .lanes
    };
    assert_eq!(draw(&plain), draw(&indexed));
}

#[test]
fn many_things_have_a_text_index_and_it_changes_no_answer() {
    let mut writer = Writer::new(
        Vec::new(),
        &Manifest::default(),
        Schema::current(),
        WriterOptions {
            chunk_events: 2000,
            ..WriterOptions::default()
        },
    )
    .unwrap();
    let tables = world();
    for at in 0..text::WORTH + 500 {
        let path = format!("/srv/a{}/userName{at}.d/x{}", at % 97, at % 31);
        let args = vec![
            Value::Num(-100),
            bytes(path.as_bytes()),
            Value::Num(0),
            Value::Num(0),
        ];
        writer
            .push(event("openat", 1000 + at, 2, None, -2, args), &tables)
            .unwrap();
    }
    let case = Case::new(&writer.seal(&Totals::default(), &tables).unwrap());
    case.build();
    let (plain, indexed) = (case.session(), case.indexed());
    assert!(!indexed.index().unwrap().head().text.is_empty());
    assert!(indexed.index().unwrap().text().is_some());
    for query in [
        "username77",
        "username7*",
        "a5 AND x3",
        "usrname77~1",
        "/srv/a9/*",
        "*77.d",
        "name123 OR name456",
        "a5 AND NOT x3",
        "\"a96/userName\" ",
        "re:77\\.d",
    ] {
        let (a, b) = (search(&plain, query), search(&indexed, query));
        assert_eq!(a, b, "{query}");
    }
    assert!(search(&indexed, "usrname77~1").found > 0);
}
