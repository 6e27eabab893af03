//! The filter of texts in a zone map: it never lacks what is there, costs what it may, and one that lies is found.

use crate::damage::recovered;
use crate::forge::{apart, get, set, together};
use crate::hostile::{chunk, field, refused, varint, with, zone};
use crate::lists::{many, written};
use crate::story::story;
use afterimage_format::derive::{Origin, Recipe, derive};
use afterimage_format::layout::{self, block, column};
use afterimage_format::{Checks, Reader, Verdict, Writer, WriterOptions, check_bytes};
use afterimage_model::{Event, FileId, ProcId, Tables, Totals};
use proptest::prelude::*;
use std::sync::Arc;

/// A capture with a filter of texts, whose schema knows its types.
pub fn capture() -> Vec<u8> {
    let (events, tables) = many(800);
    let story = story();
    let options = WriterOptions {
        chunk_span_ns: u64::MAX,
        ..WriterOptions::default()
    };
    let mut writer = Writer::new(Vec::new(), &story.manifest, &story.schema, options).unwrap();
    for event in events {
        writer.push(event, &tables).unwrap();
    }
    writer.seal(&Totals::default(), &tables).unwrap()
}

#[test]
fn a_chunk_tells_which_texts_it_may_hold_and_pays_little_for_it() {
    let (events, tables) = many(20_000);
    let reader = Reader::from_bytes(written(&events, &tables)).unwrap();
    let pieces = reader.zone(0).unwrap().pieces;
    assert!(pieces.bytes() > 100 && pieces.hashes() > 1);
    assert!(pieces.bytes() as u64 * layout::PIECE_SHARE <= reader.chunks()[0].len);
    for text in [
        "/srv/data/1003",
        "SRV/Data",
        "nginx -x",
        "web",
        "shop",
        "docker",
        "ab",
        "",
    ] {
        assert!(pieces.may_hold_text(text.as_bytes()), "{text}");
    }
    let strange = |at: &u32| {
        let text = format!("%{at}#no_such_name_anywhere");
        pieces.may_hold_text(text.as_bytes())
    };
    assert_eq!((0..1_000).filter(strange).count(), 0);
}

#[test]
fn the_filter_of_small_chunks_is_left_out() {
    let reader = Reader::from_bytes(story().write()).unwrap();
    for at in 0..reader.chunks().len() {
        let pieces = reader.zone(at).unwrap().pieces;
        assert!(pieces.bytes() == 0 && pieces.may_hold_text(b"no_such_name_anywhere"));
    }
}

/// A chunk of one event with these fields of the filter.
fn one(fields: &[u8]) -> Vec<u8> {
    let zone = [zone(1), fields.to_vec()].concat();
    let times = vec![2, 0, 0];
    let columns = [
        (column::THREAD, 0, 0, 2, vec![1, 1]),
        (column::TIMES, 2, 0, 2, times),
        (column::REST, 0, 0, 4, vec![1, 0, 0, 1]),
    ];
    chunk(&zone, &columns)
}

#[test]
fn a_filter_that_lies_about_itself_is_refused_or_rules_nothing_out() {
    let fields = |hashes: u64, bits: &[u8]| [field(9, &varint(hashes)), field(10, bits)].concat();
    let large = vec![1; layout::MAX_PIECE_BITS as usize + 1];
    for (name, fields) in [
        ("no hashes", field(10, &[1])),
        ("no bits", field(9, &varint(3))),
        ("17 hashes", fields(17, &[1])),
        ("2^64 - 1 hashes", fields(u64::MAX, &[1])),
        ("256 hashes", fields(256, &[1])),
        ("more bits than there may be", fields(3, &large)),
        ("a filter cut short", fields(3, &[1; 40])[..30].to_vec()),
        ("hashes cut short", vec![9, 2, 3]),
    ] {
        refused(name, with(block::CHUNK, 0, &one(&fields)));
    }
    for fields in [
        vec![],
        fields(3, &[0; 64]),
        fields(16, &[0xff; 64]),
        fields(3, &large[1..]),
        fields(1, &[0xff]),
    ] {
        let reader = Reader::from_bytes(with(block::CHUNK, 0, &one(&fields))).unwrap();
        assert_eq!(reader.chunk(0).unwrap().events.len(), 1);
        let pieces = reader.zone(0).unwrap().pieces;
        assert!(pieces.bytes() > 1_000 || pieces.may_hold_text(b"/etc/passwd"));
    }
}

/// The capture with another filter in its chunk, and everything around it right.
pub fn forged(file: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut blocks = apart(file);
    for piece in blocks.iter_mut().filter(|piece| piece.ty == block::CHUNK) {
        let len = u32::from_le_bytes(piece.body[..4].try_into().unwrap()) as usize;
        let columns = u32::from_le_bytes(piece.body[4..8].try_into().unwrap()) as usize;
        let (head, rest) = piece.body[12..].split_at(len);
        let mut bits = get(head, 10).unwrap();
        change(&mut bits);
        let zone = set(head, 10, Some(bits));
        let (directory, frames) = rest.split_at(columns * 20);
        let mut body = [
            (zone.len() as u32).to_le_bytes(),
            (columns as u32).to_le_bytes(),
        ]
        .concat();
        let crc = crc32c::crc32c(&body);
        let crc = crc32c::crc32c_append(crc32c::crc32c_append(crc, &zone), directory);
        body.extend_from_slice(&crc.to_le_bytes());
        piece.body = [&body, &zone[..], directory, frames].concat();
    }
    together(&blocks, |_| false)
}

#[test]
fn a_filter_that_hides_what_is_there_is_found_by_looking_into_chunks() {
    let deep = |file: Vec<u8>| {
        let checks = Checks {
            deep: true,
            ..Checks::default()
        };
        check_bytes(file, &checks).unwrap().verdict
    };
    let file = capture();
    assert!(matches!(deep(file.clone()), Verdict::SealedIntact));
    assert!(matches!(deep(forged(&file, |_| ())), Verdict::SealedIntact));
    // One that says more than is there hides nothing.
    let full = |bits: &mut Vec<u8>| bits.iter_mut().for_each(|byte| *byte = 0xff);
    assert!(matches!(deep(forged(&file, full)), Verdict::SealedIntact));
    let lacks = |bits: &mut Vec<u8>| {
        let at = bits.iter().position(|byte| *byte != 0).unwrap();
        bits[at] = 0;
    };
    let Verdict::Broken { error } = deep(forged(&file, lacks)) else {
        panic!("a filter that lacks what is there is called intact");
    };
    assert!(error.to_string().contains("filter of texts"), "{error}");
    let one_bit = |bits: &mut Vec<u8>| bits.iter_mut().for_each(|byte| *byte = 1);
    assert!(matches!(
        deep(forged(&file, one_bit)),
        Verdict::Broken { .. }
    ));
}

#[test]
fn captures_made_from_others_have_filters_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut file = capture();
    std::fs::write(path("whole"), &file).unwrap();
    let origin = || Origin::open(&path("whole")).unwrap();
    for (name, origins) in [
        ("sliced", vec![origin()]),
        ("merged", vec![origin(), origin()]),
    ] {
        let recipe = Recipe {
            options: WriterOptions {
                chunk_span_ns: u64::MAX,
                ..WriterOptions::default()
            },
            ..Recipe::default()
        };
        derive(&origins, &path(name), &recipe, &mut |_, _, _| true).unwrap();
    }
    file.truncate(file.len() - 50);
    std::fs::write(path("torn"), &file).unwrap();
    recovered(&path("torn"), &path("recovered")).unwrap();
    for name in ["whole", "sliced", "merged", "recovered"] {
        let reader = Reader::open(&path(name)).unwrap();
        let pieces = reader.zone(0).unwrap().pieces;
        assert!(pieces.bytes() > 0, "{name}");
        assert!(pieces.may_hold_text(b"/srv/data/1003"), "{name}");
        assert!(!pieces.may_hold_text(b"no_such_name_anywhere"), "{name}");
    }
}

#[test]
fn the_frozen_sample_with_a_filter_of_texts_still_rules_out() {
    let reader = crate::frozen::sample("v1.5", "texts", capture);
    let pieces = reader.zone(0).unwrap().pieces;
    assert!(pieces.may_hold_text(b"/srv/data/1003"));
    assert!(!pieces.may_hold_text(b"no_such_name_anywhere"));
}

/// A text of few letters, so that needles are often there.
fn word() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        proptest::sample::select(b"abB/-\0 \xc3\xa9".to_vec()),
        0..12,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_a_string_of_a_chunk_holds_is_never_ruled_out(
        paths in proptest::collection::vec(word(), 1..20),
        args in proptest::collection::vec(word(), 1..20),
        names in proptest::collection::vec(word(), 3..4),
        needles in proptest::collection::vec(word(), 1..40),
    ) {
        let (mut events, mut tables) = many(1_500);
        for (at, path) in paths.iter().enumerate() {
            let id = FileId(1_000 + at as u32 * 3);
            Arc::make_mut(tables.files.get_mut(&id).unwrap()).path = path.clone();
        }
        for (id, name) in [1, 5, 9].iter().zip(&names) {
            let row = tables.procs.get_mut(&ProcId(*id)).unwrap();
            (Arc::make_mut(row).argv, Arc::make_mut(row).cwd) = (name.clone(), name.clone());
        }
        for (event, arg) in events.iter_mut().zip(args.iter().cycle()) {
            if event.ty.0 == 1 {
                event.args[0] = afterimage_model::Value::Bytes(afterimage_model::Blob::whole(arg.clone()));
            }
        }
        let reader = Reader::from_bytes(written(&events, &tables)).unwrap();
        let pieces = reader.zone(0).unwrap().pieces;
        prop_assert!(pieces.bytes() > 0);
        let used = |tables: &Tables| -> Vec<Vec<u8>> {
            let rows = tables.procs.values().flat_map(|row| [row.argv.clone(), row.comm.clone()]);
            rows.chain(tables.files.values().map(|file| file.path.clone())).collect()
        };
        let chunk = reader.chunk(0).unwrap();
        let of_event = |event: &Event| event.args.iter().filter_map(|arg| match arg {
            afterimage_model::Value::Bytes(blob) => Some(blob.bytes.clone()),
            _ => None,
        }).collect::<Vec<_>>();
        let texts: Vec<Vec<u8>> = used(&chunk.tables).into_iter().chain(chunk.events.iter().flat_map(of_event)).collect();
        for needle in &needles {
            let lower = needle.to_ascii_lowercase();
            let holds = |text: &Vec<u8>| lower.is_empty() || text.windows(lower.len()).any(|part| part.eq_ignore_ascii_case(&lower));
            prop_assert!(pieces.may_hold_text(needle) || !texts.iter().any(holds), "{needle:?}");
        }
    }
}
