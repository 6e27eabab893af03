//! A long capture of sysdig tells what is known again and again once it is converted, and any instant is told from there as by all events.

use afterimage_format::derive::{Origin, derive};
use afterimage_format::{Reader, Verdict, verify_bytes};
use afterimage_indexer::{Progress, Session};
use afterimage_interop::{Provenance, open, scap};
use afterimage_model::{BootNs, Tables};
use afterimage_tests::derived::in_small_chunks;
use afterimage_tests::peers::folder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Cursor};

/// Block types of events, and where in them the instant is.
const EVENTS: &[(u32, usize)] = &[
    (0x204, 2),
    (0x216, 2),
    (0x221, 2),
    (0x208, 6),
    (0x217, 6),
    (0x222, 6),
];

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The blocks of a capture: type and place.
fn blocks(bytes: &[u8]) -> Vec<(u32, std::ops::Range<usize>)> {
    let (mut at, mut found) = (0, Vec::new());
    while at + 12 <= bytes.len() {
        let len = word(bytes, at + 4) as usize;
        found.push((word(bytes, at), at..at + len));
        at += len;
    }
    found
}

/// The lists of a capture, and its events so many times, each time later.
fn again(bytes: &[u8], times: u64) -> Vec<u8> {
    let all = blocks(bytes);
    let place = |ty: u32| EVENTS.iter().find(|row| row.0 == ty).map(|row| 8 + row.1);
    let time = |range: &std::ops::Range<usize>, place: usize| {
        let at = range.start + place;
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    };
    let events: Vec<_> = all
        .iter()
        .filter_map(|(ty, range)| Some((range.clone(), place(*ty)?)))
        .collect();
    let timed = events.iter().map(|(range, place)| time(range, *place));
    let timed: Vec<u64> = timed.filter(|time| *time > 0).collect();
    let (first, last) = (timed.iter().min().unwrap(), timed.iter().max().unwrap());
    let mut out = Vec::new();
    for (ty, range) in &all {
        if place(*ty).is_none() {
            out.extend(&bytes[range.clone()]);
        }
    }
    for turn in 0..times {
        for (range, place) in &events {
            let before = time(range, *place);
            let now = match before {
                0 => 0,
                before => before + turn * (last - first + 1_000_000),
            };
            let at = out.len() + place;
            out.extend(&bytes[range.clone()]);
            out[at..at + 8].copy_from_slice(&now.to_le_bytes());
        }
    }
    out
}

/// A converted capture of more events than are read at once, in one section.
fn long() -> Option<Vec<u8>> {
    let capture = folder().join("sf-collector_alpine_alpine.scap");
    let Ok(bytes) = fs::read(&capture) else {
        afterimage_tests::harness::skip(&format!("no {}", capture.display()));
        return None;
    };
    let stream = Box::new(BufReader::new(Cursor::new(again(&bytes, 32))));
    let made = scap::convert(stream, Vec::new(), open::manifest(), &Provenance::default());
    Some(made.unwrap().0)
}

type Told = (
    BTreeMap<(u32, u64), Vec<u8>>,
    BTreeSet<(u32, u64, u32, Vec<u8>)>,
);

/// Processes that lived with their command lines, and what they had open.
fn told(tables: &Tables) -> Told {
    let living = tables.procs.values().filter(|row| !row.past);
    let living = living.map(|row| ((row.key.pid, row.key.start_ns), row.argv.clone()));
    let open = tables.descriptors.iter().map(|((proc, fd), file)| {
        let key = tables.proc(*proc).unwrap().key;
        let path = tables.file(*file).unwrap().path.clone();
        (key.pid, key.start_ns, *fd, path)
    });
    (living.collect(), open.collect())
}

/// Whether every instant is told as by all events, and how often that took fewer of them.
fn same(bytes: &[u8]) -> usize {
    let session = Session::from_reader(Reader::from_bytes(bytes.to_vec()).unwrap());
    let (first, last) = session.span().unwrap();
    let mut spared = 0;
    for step in [25, 61, 90, 99] {
        let at = BootNs(first + (last - first) / 100 * step);
        let (few, all) = (Progress::default(), Progress::default());
        let (a, complete) = session.state_at(at, &few);
        let (b, all_complete) = session.state_at_by_all(at, &all);
        assert!(complete && all_complete);
        assert_eq!(told(&a), told(&b), "at {step}");
        let looked = |progress: &Progress| progress.work.counts()[0].1;
        spared += usize::from(looked(&few) < looked(&all));
    }
    spared
}

#[test]
fn a_long_capture_of_sysdig_tells_any_instant_from_where_all_was_told_last() {
    let Some(bytes) = long() else { return };
    let reader = Reader::from_bytes(bytes.clone()).unwrap();
    assert_eq!(reader.sections().len(), 1);
    // One chunk after the other, but for the first.
    let chunks = reader.chunks().len();
    assert!(chunks > 4 && reader.keyframes() + 2 >= chunks, "{chunks}");
    assert!(matches!(
        verify_bytes(bytes.clone()).unwrap().verdict,
        Verdict::SealedIntact
    ));
    assert_eq!(same(&bytes), 2);

    // Packed anew it still is one section.
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("a.aft"), folder.path().join("b.aft"));
    fs::write(&from, &bytes).unwrap();
    let origin = [Origin::open(&from).unwrap()];
    derive(
        &origin,
        &to,
        &in_small_chunks("repacked"),
        &mut |_, _, _| true,
    )
    .unwrap();
    let packed = fs::read(&to).unwrap();
    let reader = Reader::from_bytes(packed.clone()).unwrap();
    assert_eq!(reader.sections().len(), 1);
    assert!(reader.keyframes() > 2, "{}", reader.keyframes());
    assert!(same(&packed) >= 1);
}

#[test]
fn where_what_was_told_again_is_damaged_all_events_tell() {
    let Some(mut bytes) = long() else { return };
    // Type and flags stand behind the mark that blocks begin with.
    let within = |head: &[u8]| head == [0xA6, 0xF7, 0x42, 0x4B, 3, 0, 0b1101, 0];
    let found: Vec<usize> = (0..bytes.len() - 64)
        .filter(|at| within(&bytes[*at..at + 8]))
        .collect();
    assert!(found.len() > 2, "{found:?}");
    for at in found {
        bytes[at + 48] ^= 0x55;
    }
    assert_eq!(same(&bytes), 0);
}
