//! Every bit of a capture of a mebibyte: flipped alone, it is found, and all chunks but the one it is in are read.
//!
//! A whole run takes minutes (`make flips`); without `AFTERIMAGE_FLIPS=all` a stride through all blocks is taken. Opening the
//! file anew for each of eight million flips would take days, so a flip is judged by what a reader does with the block it is in;
//! of each stretch of bits one is also judged by opening the whole file.

use crate::story::{event, story};
use afterimage_format::layout::{BLOCK_HEAD, BLOCK_TAIL, FILE_HEAD, block};
use afterimage_format::{Reader, Verdict, Writer, WriterOptions, verify_bytes, whole_block};
use afterimage_model::{Event, Totals, Value};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

const MEBIBYTE: usize = 1 << 20;

/// A sealed capture of exactly a mebibyte, and its chunks.
fn capture() -> (Vec<u8>, Vec<Vec<Event>>) {
    let story = story();
    let make = |chunks: u64, padding: usize| {
        let mut writer = Writer::new(
            Vec::new(),
            &story.manifest,
            &story.schema,
            WriterOptions::default(),
        )
        .unwrap();
        let mut all = Vec::new();
        let mut noise = 1_u64;
        for chunk in 0..chunks {
            let mut events = Vec::new();
            for at in 0..24 {
                let mut event = event(chunk * 24 + at);
                let bytes = std::iter::repeat_with(|| {
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (noise >> 33) as u8
                });
                let len = if at == 0 && chunk == 0 { padding } else { 280 };
                let bytes: Vec<u8> = bytes.take(len).collect();
                event
                    .args
                    .push(Value::Bytes(afterimage_model::Blob::whole(bytes)));
                events.push(event.clone());
                writer.push(event, &story.tables).unwrap();
            }
            writer.flush(&story.tables).unwrap();
            all.push(events);
        }
        (writer.seal(&Totals::default(), &story.tables).unwrap(), all)
    };
    let one = make(2, 0).0.len() - make(1, 0).0.len();
    let chunks = (MEBIBYTE / one) as u64 - 1;
    let (mut padding, mut made) = (0, make(chunks, 0));
    // Noise does not compress: each byte more is one in the file, but for a length that grows with it.
    for _ in 0..100 {
        if made.0.len() == MEBIBYTE {
            return made;
        }
        padding = (padding + MEBIBYTE).saturating_sub(made.0.len());
        made = make(chunks, padding);
    }
    panic!("no padding makes it a mebibyte: {} bytes", made.0.len());
}

/// Where the blocks of a file are, with their types.
fn blocks(file: &[u8]) -> Vec<(u16, Range<usize>)> {
    let (mut at, mut blocks) = (FILE_HEAD, Vec::new());
    while at < file.len() {
        let len = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
        let end = at + BLOCK_HEAD + len + BLOCK_TAIL;
        blocks.push((u16::from_le_bytes([file[at + 4], file[at + 5]]), at..end));
        at = end;
    }
    blocks
}

/// What a reader makes of the whole file: chunks that are missing, and whether it says so. `None` when it does not open.
fn missing(file: Vec<u8>, chunks: &[Vec<Event>]) -> Option<usize> {
    let reader = Reader::from_bytes(file).ok()?;
    let read = (0..reader.chunks().len()).filter_map(|at| reader.chunk(at).ok());
    let read: Vec<Vec<Event>> = read.map(|chunk| chunk.events).collect();
    for chunk in &read {
        assert!(chunks.contains(chunk), "events that were never written");
    }
    Some(chunks.len() - read.len())
}

fn is_broken(file: Vec<u8>) -> bool {
    verify_bytes(file).map_or(true, |report| {
        matches!(report.verdict, Verdict::Broken { .. })
    })
}

#[test]
fn every_bit_that_is_flipped_is_found_and_the_other_chunks_are_read() {
    let (file, chunks) = capture();
    assert_eq!(file.len(), MEBIBYTE);
    assert_eq!(missing(file.clone(), &chunks), Some(0));
    let all = std::env::var_os("AFTERIMAGE_FLIPS").is_some_and(|value| value == "all");
    let blocks = blocks(&file);
    let (found, opened) = (AtomicU64::new(0), AtomicU64::new(0));
    let halves = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for half in 0..halves {
            let (file, chunks, blocks, found, opened) = (&file, &chunks, &blocks, &found, &opened);
            scope.spawn(move || {
                for (number, (ty, range)) in blocks.iter().enumerate() {
                    if number % halves != half {
                        continue;
                    }
                    let flips = flips_of(file, range.clone(), *ty, all);
                    found.fetch_add(flips, Ordering::Relaxed);
                    // The whole file, with bits of this block's head, body and tail.
                    let step = if all {
                        range.len() / 64
                    } else {
                        range.len() / 2
                    }
                    .max(1);
                    for at in range.clone().step_by(step).chain([range.end - 1]) {
                        let mut changed = file.clone();
                        changed[at] ^= 1 << (at % 8);
                        assert!(is_broken(changed.clone()), "byte {at}");
                        let missing = missing(changed, chunks).expect("it opens");
                        let most = usize::from(*ty == block::CHUNK);
                        assert!(missing <= most, "byte {at}: {missing} chunks missing");
                        opened.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    // The file head has no block around it: without it nothing is a capture.
    let mut head = 0;
    for at in 0..FILE_HEAD {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            assert!(is_broken(changed.clone()) && missing(changed, &chunks).is_none());
            head += 1;
        }
    }
    let found = found.into_inner() + head;
    if all {
        assert_eq!(found, 8 * MEBIBYTE as u64);
    }
    eprintln!(
        "{found} bits flipped and found, {} of them in the whole file",
        opened.into_inner() + head
    );
}

/// How many of a block's bits, each flipped alone, make it another block to every reader. A reader takes a block for whole
/// when the sums of head and block, and the two lengths, agree; this is what is asked, of each bit.
fn flips_of(file: &[u8], range: Range<usize>, ty: u16, all: bool) -> u64 {
    let block = &file[range.clone()];
    let tag = u64::from_le_bytes(block[20..28].try_into().unwrap());
    assert!(whole_block(block, tag).is_some());
    let mut changed = block.to_vec();
    let mut found = 0;
    let step = if all { 1 } else { 97 };
    for bit in (0..8 * block.len()).step_by(step) {
        changed[bit / 8] ^= 1 << (bit % 8);
        let whole = whole_block(&changed, tag).is_some();
        assert!(
            !whole,
            "type {ty}, bit {bit} of the block at {}",
            range.start
        );
        changed[bit / 8] ^= 1 << (bit % 8);
        found += 1;
    }
    found
}

#[test]
fn cut_at_every_byte_it_opens_with_every_whole_chunk() {
    let (file, _) = capture();
    let blocks = blocks(&file);
    let all = std::env::var_os("AFTERIMAGE_FLIPS").is_some_and(|value| value == "all");
    // The bytes around the ends of blocks, and a stride through the rest.
    let near = |at: usize| blocks.iter().any(|(_, range)| range.end.abs_diff(at) <= 2);
    let first = blocks[1].1.end;
    let (opened, halves) = (AtomicU64::new(0), 2);
    std::thread::scope(|scope| {
        for half in 0..halves {
            let (file, blocks, opened, near) = (&file, &blocks, &opened, &near);
            scope.spawn(move || {
                for at in (half..file.len()).step_by(halves) {
                    if !all && at % 1_999 != 0 && !near(at) {
                        continue;
                    }
                    let reader = Reader::from_bytes(file[..at].to_vec());
                    if at < first {
                        // Without a whole header nothing is known; with one there is nothing to tell.
                        assert!(
                            reader.map_or(true, |reader| reader.events() == 0),
                            "cut at {at}"
                        );
                    } else {
                        let reader = reader.unwrap_or_else(|error| panic!("cut at {at}: {error}"));
                        let whole = blocks
                            .iter()
                            .filter(|(ty, range)| *ty == block::CHUNK && range.end <= at);
                        assert_eq!(reader.chunks().len(), whole.count(), "cut at {at}");
                        assert!(!reader.gaps().is_empty(), "cut at {at}");
                    }
                    opened.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    eprintln!("cut at {} places, and opened", opened.into_inner());
}
