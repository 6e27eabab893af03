//! Files made to hurt a reader: lengths, counts and ratios that lie, with every checksum right.

use crate::story::{event, story, tables};
use afterimage_format::layout::{self, BLOCK_HEAD, BLOCK_TAIL, FILE_HEAD, SYNC};
use afterimage_format::{Reader, Verdict, Writer, WriterOptions, verify_bytes};
use afterimage_model::{Manifest, ProcId, Process, Schema, Tables, Totals};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Puts a right checksum and chain value on a block, as a forger would.
fn block(ty: u16, flags: u16, seq: u64, tag: u64, body: &[u8], claimed: u32) -> Vec<u8> {
    let mut out = SYNC.to_vec();
    out.extend_from_slice(&ty.to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&claimed.to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(&[0; 32]);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&claimed.to_le_bytes());
    out
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

pub(crate) fn field(tag: u64, value: &[u8]) -> Vec<u8> {
    [varint(tag), varint(value.len() as u64), value.to_vec()].concat()
}

/// A file of header and schema, its tag, and the number of the next block.
fn start() -> (Vec<u8>, u64) {
    let writer = Writer::new(
        Vec::new(),
        &Manifest::default(),
        &Schema::default(),
        WriterOptions::default(),
    )
    .unwrap();
    let mut file = writer.seal(&Totals::default(), &Tables::default()).unwrap();
    let tag = u64::from_le_bytes(file[12..20].try_into().unwrap());
    let mut at = FILE_HEAD;
    for _ in 0..2 {
        at += BLOCK_HEAD
            + u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize
            + BLOCK_TAIL;
    }
    file.truncate(at);
    (file, tag)
}

pub(crate) fn with(ty: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let (mut file, tag) = start();
    file.extend(block(ty, flags, 2, tag, body, body.len() as u32));
    file
}

/// The body of a chunk with this zone map and these columns: number, codec, key, claimed length, stored bytes.
pub(crate) fn chunk(zone: &[u8], columns: &[(u16, u16, u32, u32, Vec<u8>)]) -> Vec<u8> {
    let mut head = [
        (zone.len() as u32).to_le_bytes(),
        (columns.len() as u32).to_le_bytes(),
    ]
    .concat();
    let mut rest = zone.to_vec();
    let mut frames = Vec::new();
    for (number, codec, key, raw, stored) in columns {
        rest.extend_from_slice(&number.to_le_bytes());
        rest.extend_from_slice(&codec.to_le_bytes());
        rest.extend_from_slice(&key.to_le_bytes());
        rest.extend_from_slice(&raw.to_le_bytes());
        rest.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        rest.extend_from_slice(&crc32c::crc32c(stored).to_le_bytes());
        frames.extend_from_slice(stored);
    }
    head.extend_from_slice(&crc32c::crc32c_append(crc32c::crc32c(&head), &rest).to_le_bytes());
    [head, rest, frames].concat()
}

/// A zone map of `events` events of type 0 of process 0.
pub(crate) fn zone(events: u64) -> Vec<u8> {
    [
        field(1, &varint(events)),
        field(2, &varint(1)),
        field(6, &[varint(0), varint(events)].concat()),
        field(7, &[0]),
        field(8, &[0]),
    ]
    .concat()
}

/// Opens, reads and verifies within a second, and finds no event; `verify` does not call it intact.
pub(crate) fn refused(name: &str, file: Vec<u8>) {
    let began = Instant::now();
    if let Ok(reader) = Reader::from_bytes(file.clone()) {
        for at in 0..reader.chunks().len() {
            assert!(reader.chunk(at).is_err(), "{name}: chunk {at} was read");
        }
    }
    let verdict = verify_bytes(file).map(|report| report.verdict);
    assert!(
        !matches!(verdict, Ok(Verdict::SealedIntact | Verdict::IntactUnsealed)),
        "{name} is called intact"
    );
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{name} took {:?}",
        began.elapsed()
    );
}

pub(crate) fn bomb(len: usize) -> Vec<u8> {
    zstd::bulk::compress(&vec![0; len], 1).unwrap()
}

#[test]
fn lengths_and_counts_that_lie_are_refused() {
    let one = |column: u16, codec: u16, raw: u32, stored: Vec<u8>| {
        chunk(&zone(1), &[(column, codec, 0, raw, stored)])
    };
    let thread = (layout::column::THREAD, 0, 0, 2, vec![1, 1]);
    let time = (layout::column::TIME, 0, 0, 1, vec![0]);
    let args = |raw: Vec<u8>| {
        chunk(
            &zone(1),
            &[
                thread.clone(),
                time.clone(),
                (layout::column::RESULT, 0, 0, 2, vec![2, 0]),
                (layout::column::ARGS, 0, 0, raw.len() as u32, raw),
            ],
        )
    };
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("an empty body", vec![]),
        ("a zone map longer than the body", [0xff; 12].to_vec()),
        ("a zone map of no events", chunk(&zone(0), &[])),
        ("10^9 events", chunk(&zone(1_000_000_000), &[])),
        ("2^64 - 1 events", chunk(&zone(u64::MAX), &[])),
        ("events without columns", chunk(&zone(200_000), &[])),
        (
            "a stored column of another length",
            one(layout::column::TIME, 0, 9, vec![0]),
        ),
        (
            "a codec of tomorrow",
            one(layout::column::TIME, 9, 1, vec![0]),
        ),
        (
            "a column of 4 GiB",
            one(layout::column::TIME, 1, u32::MAX, bomb(1 << 20)),
        ),
        (
            "a frame that claims less than it holds",
            one(layout::column::TIME, 1, 100, bomb(1 << 20)),
        ),
        (
            "a frame that claims more than it holds",
            one(layout::column::TIME, 1, 1 << 26, bomb(1 << 20)),
        ),
        (
            "two frames in one column",
            one(layout::column::TIME, 1, 64, [bomb(64), bomb(64)].concat()),
        ),
        (
            "a skippable frame",
            one(
                layout::column::TIME,
                1,
                0,
                vec![0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0],
            ),
        ),
        (
            "the same column twice",
            chunk(&zone(1), &[time.clone(), time.clone()]),
        ),
        (
            "more threads than rows",
            chunk(
                &zone(1),
                &[
                    (layout::column::THREAD, 0, 0, 4, vec![1, 1, 1, 1]),
                    time.clone(),
                ],
            ),
        ),
        (
            "a thread of no rows",
            chunk(
                &zone(1),
                &[(layout::column::THREAD, 0, 0, 2, vec![1, 0]), time.clone()],
            ),
        ),
        (
            "a type beyond the list",
            chunk(
                &zone(1),
                &[
                    thread.clone(),
                    time.clone(),
                    (layout::column::TYPE, 0, 0, 2, vec![1, 2]),
                ],
            ),
        ),
        (
            "a negative process",
            chunk(
                &zone(1),
                &[
                    thread.clone(),
                    time.clone(),
                    (layout::column::PROC, 0, 0, 2, vec![1, 1]),
                ],
            ),
        ),
        (
            "a file beyond the list",
            chunk(
                &zone(1),
                &[
                    thread.clone(),
                    time.clone(),
                    (layout::column::FILE, 0, 0, 2, vec![1, 4]),
                ],
            ),
        ),
        (
            "an order beyond the rows",
            chunk(
                &zone(1),
                &[
                    thread.clone(),
                    time.clone(),
                    (layout::column::ORDER, 0, 0, 2, vec![1, 8]),
                ],
            ),
        ),
        ("2^63 arguments", args([varint(1 << 63), vec![1]].concat())),
        ("an argument tag of tomorrow", args(vec![1, 1, 77])),
        (
            "a string that is not in the dictionary",
            args(vec![1, 1, 2, 1, 8]),
        ),
        ("an argument cut short", args(vec![1, 1])),
        ("a varint of eleven bytes", args(vec![0xff; 11])),
        (
            "a string longer than the dictionary",
            chunk(
                &zone(1),
                &[
                    thread.clone(),
                    time.clone(),
                    (
                        layout::column::TEXT_LEN,
                        0,
                        0,
                        5,
                        varint(1 << 30)[..5].to_vec(),
                    ),
                ],
            ),
        ),
        (
            "a cut beyond the dictionary",
            chunk(
                &zone(1),
                &[
                    thread.clone(),
                    time.clone(),
                    (layout::column::TEXT_CUT, 0, 0, 2, vec![9, 9]),
                ],
            ),
        ),
        (
            "a row that is no record",
            chunk(
                &zone(1),
                &[
                    thread.clone(),
                    time.clone(),
                    (layout::column::RESULT, 0, 0, 2, vec![2, 0]),
                    (layout::column::ARGS, 0, 0, 2, vec![0, 1]),
                    (layout::column::PROCESS_ROWS, 0, 0, 2, vec![2, 200]),
                ],
            ),
        ),
    ];
    for (name, body) in bodies {
        refused(name, with(layout::block::CHUNK, 0, &body));
    }
}

#[test]
fn a_block_that_claims_more_than_the_limit_is_not_allocated() {
    for claimed in [0, 1, layout::MAX_BODY as u32 + 1, u32::MAX] {
        let (mut file, tag) = start();
        let good = file.len();
        file.extend(block(layout::block::CHUNK, 0, 2, tag, &[7; 50], claimed));
        let reader = Reader::from_bytes(file).unwrap();
        assert_eq!(reader.chunks().len(), 0);
        assert!(
            reader.gaps()[0]
                .detail
                .starts_with(&format!("bytes {good} to ")),
            "{:?}",
            reader.gaps()
        );
    }
}

#[test]
fn bombs_in_records_are_refused() {
    for raw in [1 << 20, 64 << 20, u32::MAX] {
        for ty in [layout::block::GAP, layout::block::NOTE] {
            let body = [raw.to_le_bytes().to_vec(), bomb(64 << 20)].concat();
            refused(
                "a gap or note of 64 MiB of zeros",
                with(ty, layout::FLAG_ZSTD, &body),
            );
        }
    }
}

#[test]
fn one_long_string_repeated_by_every_event_stops_at_the_limit() {
    // 1 MiB once in the dictionary, named by 100,000 events: 100 GB if it were followed.
    let events = 100_000_u64;
    let string = vec![b'a'; 1 << 20];
    let framed = |column: u16, raw: Vec<u8>| {
        (
            column,
            1,
            0,
            raw.len() as u32,
            zstd::bulk::compress(&raw, 1).unwrap(),
        )
    };
    let body = chunk(
        &zone(events),
        &[
            (
                layout::column::THREAD,
                0,
                0,
                4,
                [varint(1), varint(events)].concat(),
            ),
            framed(layout::column::TIME, vec![0; events as usize]),
            (layout::column::RESULT, 0, 0, 2, vec![1, 0]),
            (layout::column::ARGS, 0, 0, 5, vec![1, 1, 2, 1, 0]),
            (layout::column::TEXT_LEN, 0, 0, 3, varint(1 << 20)),
            framed(layout::column::TEXT_BYTES, string),
        ],
    );
    let (mut file, tag) = start();
    file.extend(block(
        layout::block::CHUNK,
        0,
        2,
        tag,
        &body,
        body.len() as u32,
    ));
    let reader = Reader::from_bytes(file).unwrap();
    let error = reader.chunk(0).unwrap_err().to_string();
    assert!(error.contains("bytes of all values of a chunk"), "{error}");
}

#[test]
fn parents_in_a_circle_and_a_tree_of_a_hundred_thousand_generations_end() {
    let mut tables = tables();
    for (id, parent) in [(5, 9), (9, 5)] {
        let id = ProcId(id);
        tables.procs.insert(
            id,
            Arc::new(Process {
                id,
                parent: Some(ProcId(parent)),
                ..Process::default()
            }),
        );
    }
    for id in 100..100_100 {
        let id = ProcId(id);
        tables.procs.insert(
            id,
            Arc::new(Process {
                id,
                parent: Some(ProcId(id.0 - 1)),
                ..Process::default()
            }),
        );
    }
    let mut writer = Writer::new(
        Vec::new(),
        &Manifest::default(),
        &Schema::default(),
        WriterOptions::default(),
    )
    .unwrap();
    let mut deep = event(1);
    deep.proc = ProcId(100_099);
    for event in [event(0), deep] {
        writer.push(event, &tables).unwrap();
    }
    let reader = Reader::from_bytes(writer.seal(&Totals::default(), &tables).unwrap()).unwrap();
    let chunk = reader.chunk(0).unwrap();
    assert_eq!(chunk.tables.ancestors(ProcId(9)).count(), 1);
    assert_eq!(chunk.tables.ancestors(ProcId(100_099)).count(), 99_999);
}

#[test]
fn many_heads_that_claim_long_bodies_do_not_make_the_work_square() {
    let (mut file, tag) = start();
    for seq in 2..20_000 {
        // Each head is right and claims everything that follows.
        let head = block(layout::block::CHUNK, 0, seq, tag, &[], 640_000);
        file.extend_from_slice(&head[..BLOCK_HEAD]);
    }
    let began = Instant::now();
    let reader = Reader::from_bytes(file).unwrap();
    assert_eq!(reader.events(), 0);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn an_unknown_block_is_skipped_and_still_part_of_the_chain() {
    let file = story().write();
    let reader = Reader::from_bytes(with(layout::PRIVATE_BLOCKS, 0, b"anything")).unwrap();
    assert_eq!(
        reader.gaps().len(),
        1,
        "only the missing footer: {:?}",
        reader.gaps()
    );
    assert!(matches!(
        verify_bytes(file).unwrap().verdict,
        Verdict::SealedIntact
    ));
    let forged = verify_bytes(with(layout::PRIVATE_BLOCKS, 0, b"anything")).unwrap();
    assert!(
        matches!(forged.verdict, Verdict::Broken { .. }),
        "its chain value is zeros"
    );
}

#[test]
fn only_a_regular_file_that_begins_like_a_capture_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let message = |path: &std::path::Path| Reader::open(path).err().unwrap().to_string();
    assert_eq!(message(&fifo), "not a regular file but a pipe");
    assert_eq!(message(folder.path()), "not a regular file but a directory");
    assert_eq!(
        message("/dev/zero".as_ref()),
        "not a regular file but a device"
    );
    let path = folder.path().join("file");
    for (bytes, what) in [
        (&b""[..], "not a capture: it is empty"),
        (
            b"\x7fELF\x02\x01\x01\0\0",
            "not a capture: it begins with [7f, 45",
        ),
        (b"plain text", "not a capture: it begins with \"plain te\""),
        (b"\x89AFT\n\x1a\n\0\0\0\0\0", "not a capture"),
        (
            &story().write()[..10],
            "file head needs 24 bytes, 10 are there",
        ),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert!(message(&path).contains(what), "{}", message(&path));
    }
    let mut newer = story().write();
    newer[8] = 2;
    let crc = crc32c::crc32c(&newer[..20]);
    newer[20..24].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, newer).unwrap();
    assert!(
        message(&path).contains(&format!(
            "format version is 2.{}, this reader knows 1",
            layout::VERSION_MINOR
        )),
        "{}",
        message(&path)
    );
}

#[test]
fn a_hole_of_eight_tebibytes_is_stepped_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse.aft");
    let file = story().write();
    std::fs::write(&path, &file[..file.len() - 20]).unwrap();
    let sparse = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    if sparse.set_len(8 << 40).is_err() {
        eprintln!(
            "skipped: the file system of {} refuses sparse files of 8 TiB",
            folder.path().display()
        );
        return;
    }
    let began = Instant::now();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.events(), 42);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_file_that_shrinks_while_open_gives_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shrinking.aft");
    std::fs::write(&path, story().write()).unwrap();
    let reader = Reader::open(&path).unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(100)
        .unwrap();
    assert!(reader.chunk(0).is_err());
    assert!(reader.zone(2).is_err());
}

#[test]
fn a_file_that_is_cut_while_it_is_read_gives_an_error_and_never_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.aft");
    let whole = story().write();
    for at in 0..1_000 {
        std::fs::write(&path, &whole).unwrap();
        let reader = Reader::open(&path).unwrap();
        // Cut behind the reader's back, at a place that moves through the file.
        let cut = whole.len() * at / 1_000;
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(cut as u64).unwrap();
        for at in 0..reader.chunks().len() {
            let info = &reader.chunks()[at];
            let is_there = info.offset + info.len <= cut as u64;
            assert_eq!(reader.chunk(at).is_ok(), is_there, "cut at {cut}");
            let _ = reader.zone(at);
        }
        let verdict = afterimage_format::verify(&path).map(|report| report.verdict);
        assert!(!matches!(verdict, Ok(Verdict::SealedIntact)));
    }
}

/// Bytes this process has at most had in memory.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[test]
fn lengths_offsets_and_counts_of_every_kind_of_block_that_lie_are_refused_in_bounded_memory() {
    // Every number of every record is replaced by each of these, with every checksum right.
    let lies = [
        0,
        1,
        0x7f,
        0x80,
        u64::from(u32::MAX),
        1 << 32,
        1 << 62,
        u64::MAX,
    ];
    let (signed, _) = crate::evidence::signed(&story(), &crate::evidence::key(1));
    let mut cases = 0;
    let before = peak();
    for file in [story().write(), signed] {
        let pieces = crate::forge::apart(&file);
        for (at, piece) in pieces.iter().enumerate() {
            let is_record = matches!(
                piece.ty,
                layout::block::GAP
                    | layout::block::NOTE
                    | layout::block::CHECKPOINT
                    | layout::block::FOOTER
                    | layout::block::STATE
            );
            if !is_record || piece.flags != 0 {
                continue;
            }
            for (tag, _) in crate::forge::fields(&piece.body) {
                for lie in lies {
                    let mut forged = pieces.clone();
                    forged[at].body =
                        crate::forge::set(&piece.body, tag, Some(crate::forge::varint(lie)));
                    let file = crate::forge::together(&forged, |other| other.ty == piece.ty);
                    cases += 1;
                    let began = Instant::now();
                    let _ = verify_bytes(file.clone());
                    if let Ok(reader) = Reader::from_bytes(file) {
                        for at in 0..reader.chunks().len() {
                            let _ = reader.chunk(at);
                        }
                    }
                    assert!(began.elapsed() < Duration::from_secs(2), "{tag} {lie}");
                }
            }
            // Lengths of fields that reach beyond the record, and records cut anywhere.
            for cut in 0..piece.body.len().min(64) {
                let mut forged = pieces.clone();
                forged[at].body.truncate(cut);
                cases += 1;
                let file = crate::forge::together(&forged, |_| true);
                let _ = (verify_bytes(file.clone()), Reader::from_bytes(file));
            }
        }
    }
    assert!(cases > 500, "{cases} cases");
    let grown = peak().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more than before");
}
