//! Events of types that nobody knew when this was written: they are read with their number and what they hold, counted, and
//! written again as they were.

use afterimage_format::Reader;
use afterimage_interop::{Provenance, open, scap};
use afterimage_model::{Ctx, EventFlags, Value, render};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Cursor;

/// An event of an unknown type as it is to lie in the file.
#[derive(Clone, Debug)]
struct Unknown {
    /// The type of its block.
    block: u32,
    code: u16,
    tid: i64,
    params: Vec<Vec<u8>>,
    /// What is added to the count.
    lie: u32,
}

impl Unknown {
    fn is_counted(&self) -> bool {
        !matches!(self.block, 0x204 | 0x208)
    }

    fn is_hidden(&self) -> bool {
        matches!(self.block, 0x208 | 0x217 | 0x222)
    }

    fn content(&self) -> Vec<u8> {
        let large = matches!(self.block, 0x221 | 0x222);
        let mut out = Vec::new();
        for param in &self.params {
            let len = (param.len() as u32).to_le_bytes();
            out.extend(&len[..if large { 4 } else { 2 }]);
        }
        out.extend(self.params.concat());
        out
    }

    fn body(&self, ts: u64) -> Vec<u8> {
        let mut out = 3_u16.to_le_bytes().to_vec();
        if self.is_hidden() {
            out.extend(1_u32.to_le_bytes());
        }
        let head = if self.is_counted() { 26 } else { 22 };
        out.extend(ts.to_le_bytes());
        out.extend(self.tid.to_le_bytes());
        out.extend((head + self.content().len() as u32).to_le_bytes());
        out.extend(self.code.to_le_bytes());
        if self.is_counted() {
            out.extend((self.params.len() as u32 + self.lie).to_le_bytes());
        }
        out.extend(self.content());
        out
    }
}

fn block(ty: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = (body.len() as u32 + 12).to_le_bytes();
    [&ty.to_le_bytes()[..], &len, &body, &len].concat()
}

/// A capture with a process of one thread.
fn front() -> Vec<u8> {
    let mut entry = Vec::new();
    for id in [7_i64, 7, 1] {
        entry.extend(id.to_le_bytes());
    }
    for text in [&b"web"[..], b"/bin/web", b"", b"/"] {
        entry.extend((text.len() as u16).to_le_bytes());
        entry.extend(text);
    }
    entry.extend([0; 20]);
    [scap::SECTION_HEAD.to_vec(), block(0x202, &entry)].concat()
}

fn capture(unknown: &[Unknown]) -> Vec<u8> {
    let mut out = front();
    for (at, one) in (1..).zip(unknown) {
        out.extend(block(one.block, &one.body(at * 1_000)));
    }
    out
}

/// Events of a file, by the number of their code: type and body of their blocks.
fn events(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (ty, len) = (word(at), word(at + 4) as usize);
        if matches!(ty, 0x204 | 0x208 | 0x216 | 0x217 | 0x221 | 0x222) {
            found.push((ty, bytes[at + 8..at + len - 4].to_vec()));
        }
        at += len;
    }
    found
}

fn read(bytes: &[u8]) -> Reader {
    let input = Box::new(Cursor::new(bytes.to_vec()));
    let made = scap::convert(input, Vec::new(), open::manifest(), &Provenance::default());
    Reader::from_bytes(made.unwrap().0).unwrap()
}

/// Fails where an event is not read as what it is, or not written again as it was.
fn check(unknown: &[Unknown]) {
    let bytes = capture(unknown);
    let reader = read(&bytes);
    assert_eq!(reader.gaps(), []);
    assert_eq!(reader.events(), unknown.len() as u64);
    let mut at = 0;
    for chunk in (0..reader.chunks().len()).map(|at| reader.chunk(at).unwrap()) {
        for event in &chunk.events {
            let one = &unknown[at];
            at += 1;
            let ty = reader.schema().ty(event.ty).unwrap();
            assert_eq!(ty.name, "unrecognized");
            assert_eq!(event.tid, one.tid as u32);
            assert_eq!(event.flags.has(EventFlags::INTERNAL), one.is_hidden());
            let proc = chunk.tables.proc(event.proc).unwrap();
            assert_eq!(proc.comm == b"web", one.tid == 7);
            let told: BTreeMap<&str, &Value> = (ty.args.iter().map(|arg| arg.name.as_str()))
                .zip(&event.args)
                .filter(|(_, value)| **value != Value::Absent)
                .collect();
            assert_eq!(*told["code"], Value::Num(i64::from(one.code)));
            let count = one.params.len() as i64 + i64::from(one.lie);
            let count = one.is_counted().then_some(Value::Num(count));
            assert_eq!(told.get("count").copied(), count.as_ref());
            let apart = one.is_counted() && one.lie == 0 && one.params.len() <= 32;
            let raw = !apart && !one.content().is_empty();
            assert_eq!(told.contains_key("raw"), raw, "{one:?}");
            for (place, param) in (1..).zip(&one.params).filter(|_| apart) {
                let Some(Value::Bytes(blob)) = told.get(format!("p{place}").as_str()) else {
                    panic!("{one:?} has no parameter {place}");
                };
                assert_eq!(blob.bytes, *param);
            }
            let ctx = Ctx {
                manifest: reader.manifest(),
                schema: reader.schema(),
                tables: &chunk.tables,
                event,
                num: at as u64,
                first_ns: 0,
                previous_ns: 0,
            };
            let line = String::from_utf8(render::args_text(&ctx)).unwrap();
            assert!(line.starts_with(&format!("code={} ", one.code)), "{line}");
        }
    }
    assert_eq!(at, unknown.len());
    let (again, written) = scap::write(&reader, Vec::new(), false, &mut |_| true).unwrap();
    assert!(written.left_out.is_empty());
    assert_eq!(events(&again), events(&bytes));
    assert_eq!(events(&again).len(), unknown.len());
}

fn one(block: u32, code: u16, params: &[&[u8]]) -> Unknown {
    Unknown {
        block,
        code,
        tid: 7,
        params: params.iter().map(|param| param.to_vec()).collect(),
        lie: 0,
    }
}

const BLOCKS: [u32; 6] = [0x204, 0x208, 0x216, 0x217, 0x221, 0x222];

#[test]
fn every_kind_of_block_holds_what_it_held() {
    let params: [&[&[u8]]; 6] = [
        &[],
        &[b""],
        &[b"one"],
        &[&5_i64.to_le_bytes(), b"", b"/etc/passwd\0", &[0; 4]],
        &[&[7_u8; 70] as &[u8]; 32],
        &[&[1_u8; 3] as &[u8]; 40],
    ];
    // Codes that mean nothing are between others, too.
    let codes = [17, 147, 454, 455, 500, 1023];
    let mut all = Vec::new();
    for block in BLOCKS {
        for code in codes {
            all.extend(params.iter().map(|params| one(block, code, params)));
        }
    }
    check(&all);
    let long = vec![b'x'; 200_000];
    check(&[one(0x221, 600, &[&long, b"y"]), one(0x222, 601, &[&long])]);
}

#[test]
fn one_that_lies_about_its_parameters_is_kept_as_it_lies() {
    let lying = |block| Unknown {
        lie: 40,
        ..one(block, 700, &[b"abc", b"de"])
    };
    check(&[lying(0x216), lying(0x217), lying(0x221), lying(0x222)]);
}

#[test]
fn a_thread_of_which_nothing_is_known_has_them_too() {
    let other = Unknown {
        tid: 99,
        ..one(0x216, 460, &[b"abc"])
    };
    check(&[other]);
}

/// A return from close with more than anybody knows of it.
fn later(block: u32, more: &[&[u8]]) -> Unknown {
    let known: [&[u8]; 2] = [&0_i64.to_le_bytes(), &3_i64.to_le_bytes()];
    one(block, 5, &[&known, more].concat())
}

#[test]
fn parameters_that_a_later_version_appended_are_kept() {
    let eight: [&[u8]; 40] = [&[0; 8]; 40];
    let more: [&[&[u8]]; 4] = [&[b"x"], &[b"", b"abc"], &[&[7; 300], b""], &eight];
    let all: Vec<Unknown> = more.iter().map(|more| later(0x216, more)).collect();
    let bytes = capture(&all);
    let reader = read(&bytes);
    assert_eq!(reader.gaps(), []);
    let (again, written) = scap::write(&reader, Vec::new(), false, &mut |_| true).unwrap();
    assert_eq!(events(&again), events(&bytes));
    assert_eq!((written.events, written.left_out.len()), (4, 0));
    let chunk = reader.chunk(0).unwrap();
    let shown = |at: usize| {
        let event = &chunk.events[at];
        let place = reader
            .schema()
            .ty(event.ty)
            .unwrap()
            .arg_index("evt.surplus");
        match &event.args[place.unwrap()] {
            Value::Bytes(blob) => blob.bytes.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(shown(0), b"\x01\0\0\0x");
    assert_eq!(shown(1), b"\0\0\0\0\x03\0\0\0abc");
    let notes = reader.notes();
    assert!(
        notes
            .iter()
            .any(|note| note.text.starts_with("45 parameters")),
        "{notes:?}"
    );
    // What the row knows is there, too.
    let event = &chunk.events[0];
    assert_eq!(event.args[..2], [Value::Num(0), Value::Num(3)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("AFTERIMAGE_LONG").is_some() { 20_000 } else { 200 }))]

    #[test]
    fn whatever_they_hold_they_are_written_again_as_they_were(
        all in proptest::collection::vec(
            (0..6_usize, 454_u16..1024, proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..6)),
            1..12,
        ),
    ) {
        let unknown = all.into_iter().map(|(block, code, params)| Unknown { block: BLOCKS[block], code, tid: 7, params, lie: 0 });
        check(&unknown.collect::<Vec<_>>());
    }
}
