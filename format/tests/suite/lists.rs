//! Chunks in lists: what comes back, and what lies in them.

use crate::hostile::{bomb, chunk, refused, varint, with, zone};
use crate::story;
use afterimage_format::layout::{self, column};
use afterimage_format::{Reader, Writer, WriterOptions, verify_bytes};
use afterimage_model::*;
use std::sync::Arc;

type Column = (u16, u16, u32, u32, Vec<u8>);

/// A column in parts, which claims to hold as much as its head and `raw` bytes.
fn parts(number: u16, key: u32, head: &[u8], body: &[u8], raw: usize) -> Column {
    let stored = [varint(head.len() as u64), head.to_vec(), body.to_vec()].concat();
    (number, 2, key, (head.len() + raw) as u32, stored)
}

fn plain(number: u16, bytes: &[u8]) -> Column {
    (number, 0, 0, bytes.len() as u32, bytes.to_vec())
}

/// One event of type 0 without arguments; the other columns may replace these.
fn one(others: Vec<Column>) -> Vec<u8> {
    let mut columns = vec![
        plain(column::THREAD, &[1, 1]),
        parts(column::TIMES, 0, &[0, 0], &[], 0),
        plain(column::REST, &[1, 0, 0, 1]),
    ];
    for other in others {
        columns.retain(|column| column.0 != other.0);
        columns.push(other);
    }
    chunk(&zone(1), &columns)
}

/// The arguments of type 0 in planes.
fn values(head: &[u8], body: &[u8], raw: usize) -> Vec<u8> {
    one(vec![
        plain(column::REST, &[]),
        parts(column::RESULTS, 0, &[0, 0], &[], 0),
        parts(column::VALUES, 1, head, body, raw),
    ])
}

fn table(head: Vec<u8>) -> Vec<u8> {
    one(vec![
        plain(column::ROW_LEN, &[2]),
        plain(column::ROW_BYTES, b"ab"),
        parts(column::PROCESS_TABLE, 0, &head, &[], 1 << 20),
    ])
}

#[test]
fn a_chunk_in_lists_made_by_hand_is_read() {
    let good = [
        one(vec![]),
        values(&[1, 1, 1, 0, 1, 7 << 2 | 2], &[], 1),
        values(&[1, 1, 1, 0, 1, 1 << 2], &[9], 1),
        values(&[0, 1], &[], 0),
    ];
    for body in good {
        let reader = Reader::from_bytes(with(layout::block::CHUNK, 0, &body)).unwrap();
        let chunk = reader.chunk(0).unwrap();
        assert_eq!((chunk.events.len(), chunk.events[0].tid), (1, 1));
    }
}

#[test]
fn lists_that_lie_are_refused() {
    let times = |head: &[u8], body: &[u8], raw| one(vec![parts(column::TIMES, 0, head, body, raw)]);
    let framed = bomb(1 << 20);
    let frame = |len: usize| [&[0, 1][..], &varint((len as u64) << 2 | 1)].concat();
    let ranks = |head: &[u8]| one(vec![parts(column::RANKS, 0, head, &[], head.len())]);
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        (
            "no lists at all",
            one(vec![parts(column::TIMES, 0, &[], &[], 0)]),
        ),
        (
            "a head longer than its column",
            one(vec![(column::TIMES, 2, 0, 9, vec![200, 1, 0])]),
        ),
        (
            "parts as plain bytes",
            one(vec![plain(column::TIMES, &[0, 0])]),
        ),
        (
            "parts as one frame",
            one(vec![(column::TIMES, 1, 0, 1 << 20, framed.clone())]),
        ),
        (
            "an old column in parts",
            one(vec![parts(column::ABI, 0, &[0, 0], &[], 0)]),
        ),
        ("a context where there is none", times(&[2, 0], &[], 0)),
        ("a way of tomorrow", times(&[255, 0], &[], 0)),
        ("nine planes", times(&[0, 9], &[], 9)),
        ("bits of tomorrow", times(&[0, 0x20], &[], 0)),
        ("a plane that is not there", times(&[0, 1], &[], 1)),
        ("a plane of two bytes", times(&[0, 1, 2 << 2], &[1, 1], 1)),
        (
            "a byte of more than eight bits",
            times(&[0, 1, 0x82, 0x08], &[], 1),
        ),
        ("a part of tomorrow", times(&[0, 1, 3], &[], 1)),
        (
            "a frame of a megabyte for one event",
            times(&frame(framed.len()), &framed, 1),
        ),
        ("a frame cut short", times(&frame(20), &framed[..20], 1)),
        ("more than the directory says", times(&[0, 1, 2], &[], 0)),
        ("less than the directory says", times(&[0, 1, 2], &[], 2)),
        ("something behind the last list", times(&[0, 0, 0], &[], 0)),
        (
            "something behind the last part",
            times(&[0, 1, 4], &[1, 1], 1),
        ),
        (
            "a type beyond the list",
            one(vec![parts(column::TYPES, 0, &[0, 1, 1 << 2 | 2], &[], 1)]),
        ),
        (
            "a type that is a difference",
            one(vec![parts(column::TYPES, 0, &[1, 1, 2], &[], 1)]),
        ),
        (
            "a process beyond the list",
            one(vec![parts(column::PROCS, 0, &[0, 1, 6], &[], 1)]),
        ),
        ("a rank among no files", ranks(&[0, 1, 1 << 2 | 2])),
        ("a rank beyond all", ranks(&[0, 1, 0x9a, 0x02])),
        ("a file that is not told", ranks(&[0, 1, 0x86, 0x02])),
        ("a file beyond the list", ranks(&[0, 1, 0x86, 0x02, 0, 0])),
        (
            "a latency that is not told",
            one(vec![parts(column::WAITS, 0, &[0, 1, 6], &[], 1)]),
        ),
        (
            "no results",
            one(vec![
                plain(column::REST, &[]),
                parts(column::VALUES, 1, &[0, 1], &[], 0),
            ]),
        ),
        ("2^63 arguments", values(&varint(1 << 63), &[], 0)),
        ("65 arguments", values(&[65, 1], &[], 0)),
        ("counts of tomorrow", values(&[1, 2, 0], &[], 0)),
        ("a kind of tomorrow", values(&[1, 1, 77], &[], 0)),
        (
            "a string that is not there",
            values(&[1, 1, 2, 0, 1, 6], &[], 1),
        ),
        (
            "a payload at a negative place",
            values(&[1, 1, 3, 0, 0x11, 6], &[], 1),
        ),
        (
            "an argument told from itself",
            values(&[1, 1, 1, 6, 0], &[], 0),
        ),
        ("rows without an end", table(varint(1 << 40))),
        (
            "fields without an end",
            table([varint(1), varint(1 << 40)].concat()),
        ),
        ("a field twice", table(vec![1, 2, 1, 1, 0, 0, 1, 1, 0, 0])),
        (
            "a field less than no times",
            table(vec![1, 1, 1, 1, 0, 0x11, 6]),
        ),
        (
            "a field of tomorrow's kind",
            table(vec![1, 1, 1, 4, 0, 1, 6, 0, 0]),
        ),
        (
            "a string of rows that is not there",
            table(vec![1, 1, 11, 0, 0, 1, 6, 0, 1, 6]),
        ),
    ];
    for (name, body) in bodies {
        refused(name, with(layout::block::CHUNK, 0, &body));
    }
}

#[test]
fn one_long_string_repeated_by_every_row_stops_at_the_limit() {
    // 1 MiB once in the dictionary, named by 200,000 rows: 200 GB if it were followed.
    let string = vec![b'a'; 1 << 20];
    let rows = 200_000_u64;
    let head = [varint(rows), vec![1, 11, 0], vec![0, 1, 6], vec![0, 0]].concat();
    let body = one(vec![
        plain(column::ROW_LEN, &varint(1 << 20)),
        (
            column::ROW_BYTES,
            1,
            0,
            1 << 20,
            zstd::bulk::compress(&string, 1).unwrap(),
        ),
        parts(column::PROCESS_TABLE, 0, &head, &[], rows as usize),
    ]);
    let reader = Reader::from_bytes(with(layout::block::CHUNK, 0, &body)).unwrap();
    let error = reader.chunk(0).unwrap_err().to_string();
    assert!(error.contains("bytes of all rows"), "{error}");
}

/// Marsaglia's xorshift.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// So many events that types, and what follows what, have lists of their own.
pub fn many(count: u64) -> (Vec<Event>, Tables) {
    let mut tables = story::tables();
    for id in 0..300 {
        let id = FileId(1_000 + id * 3);
        let file = File {
            id,
            path: format!("/srv/data/{}", id.0).into_bytes(),
            ino: u64::from(id.0) * 77,
            ..File::default()
        };
        tables.files.insert(id, Arc::new(file));
    }
    let (mut state, mut time) = (0x9e37_79b9_7f4a_7c15_u64, 5_000_u64);
    let events = (0..count).map(|at| {
        let random = next(&mut state);
        time += random % 700;
        let mut event = story::event(at);
        // Now and then an instant is earlier than the one before, or the same.
        event.time = BootNs(time - random % 900);
        event.tid = 40 + (random >> 20) as u32 % 7;
        event.cpu = (random >> 24) as u16 % 3;
        event.seq = at;
        event.ty = TypeId([0, 0, 0, 1, 1, 2][(random >> 28) as usize % 6]);
        event.result = if random >> 32 & 15 == 0 {
            -2
        } else {
            (random >> 36) as i64 % 4_096
        };
        event.latency_ns = if random >> 40 & 31 == 0 {
            random >> 44
        } else {
            0
        };
        event.flags = EventFlags(if random & 63 == 0 { EventFlags::CUT } else { 0 });
        event.file = match random >> 50 & 7 {
            0 => None,
            1 => Some(FileId(1_000 + (random >> 53) as u32 % 300 * 3)),
            near => Some(FileId(1_000 + near as u32 * 3)),
        };
        let path = format!("/srv/data/{}", random % 50).into_bytes();
        event.args = match event.ty.0 {
            0 => vec![
                Value::Num(event.file.map_or(-1, |file| i64::from(file.0 % 64))),
                Value::Num(event.result),
                Value::Bytes(Blob {
                    bytes: path[..random as usize % 9].to_vec(),
                    full_len: 900,
                }),
            ],
            1 => vec![
                Value::Bytes(Blob::whole(path)),
                if random >> 8 & 1 == 0 {
                    Value::Absent
                } else {
                    Value::Num(random as i64)
                },
            ],
            _ => vec![Value::Num(i64::MIN.wrapping_add(random as i64 % 3)); random as usize % 4],
        }
        .into();
        event
    });
    (events.collect(), tables)
}

/// A capture of them in one chunk.
pub fn written(events: &[Event], tables: &Tables) -> Vec<u8> {
    let options = WriterOptions {
        chunk_span_ns: u64::MAX,
        ..WriterOptions::default()
    };
    let mut writer = Writer::new(
        Vec::new(),
        &Manifest::default(),
        &Schema::default(),
        options,
    )
    .unwrap();
    for event in events {
        writer.push(event.clone(), tables).unwrap();
    }
    writer.seal(&Totals::default(), tables).unwrap()
}

#[test]
fn many_events_come_back_as_they_were_in_order_and_by_what_is_asked() {
    let (events, tables) = many(20_000);
    let file = written(&events, &tables);
    assert!(matches!(
        verify_bytes(file.clone()).unwrap().verdict,
        afterimage_format::Verdict::SealedIntact
    ));
    let reader = Reader::from_bytes(file).unwrap();
    let chunk = reader.chunk(0).unwrap();
    for (found, event) in chunk.events.iter().zip(&events) {
        assert_eq!(found, event);
    }
    assert_eq!(chunk.events.len(), events.len());
    assert_eq!(chunk.tables.files.len(), 300);
    for (id, file) in &chunk.tables.files {
        assert_eq!(Some(file), tables.files.get(id));
    }

    let mut only_failed = |chunk: &afterimage_format::Chunk| {
        let is = |event: &Event| event.ty == TypeId(1);
        chunk.events.iter().map(is).collect::<Vec<_>>()
    };
    let some = reader.pick(0, &mut only_failed).unwrap().unwrap();
    let chosen = events
        .iter()
        .zip(0_u32..)
        .filter(|(event, _)| event.ty == TypeId(1));
    let (expected, places): (Vec<Event>, Vec<u32>) =
        chosen.map(|(event, place)| (event.clone(), place)).unzip();
    assert_eq!(some.places, places);
    assert!(some.chunk.events == expected);
    let without = reader.chunk_with(0, &mut |ty| ty == TypeId(1)).unwrap();
    for (found, event) in without.events.iter().zip(&events) {
        assert_eq!((found.time, found.result), (event.time, event.result));
        assert!(event.ty != TypeId(1) || found == event);
    }

    let columns = reader.columns(0).unwrap();
    let rows = columns.heads().unwrap();
    let (types, times) = (rows.types().unwrap(), rows.times().unwrap());
    for (row, event) in rows.order().unwrap().iter().zip(&events) {
        let row = *row as usize;
        assert_eq!(columns.zone().types[usize::from(types[row])].0, event.ty);
        assert_eq!(times[row], event.time.0);
    }
    let values = columns.values(&rows).unwrap();
    let found: usize = values.iter().map(|(_, values)| values.results.len()).sum();
    assert_eq!(found, events.len());
    assert!(
        columns
            .strings()
            .unwrap()
            .windows(9)
            .any(|window| window == b"/srv/data")
    );
}

#[test]
fn the_frozen_sample_in_lists_still_prints_its_twin() {
    let reader = crate::frozen::sample("v1.3", "lists", || {
        let (events, tables) = many(1_300);
        written(&events, &tables)
    });
    let columns = reader.columns(0).unwrap().directory();
    for number in [
        column::TIMES,
        column::RANKS,
        column::WAITS,
        column::VALUES,
        column::REST,
    ] {
        assert!(
            columns.iter().any(|column| column.number == number),
            "{number}"
        );
    }
}
