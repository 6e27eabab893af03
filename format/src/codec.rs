//! zstd frames of known size, and lists of integers. Nothing is allocated before the frame's own claim, ours and the limit agree.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::{ErrorKind, malformed};
use crate::layout::ints;
use crate::wire::{Cursor, put_varint, unzigzag, varint_len, zigzag};
use std::cell::RefCell;
use std::io;
use zstd::bulk::Decompressor;
use zstd::zstd_safe;

/// Decompresses exactly one frame that says it holds exactly `raw` bytes; the caller has checked `raw` against its limit.
pub(crate) fn decompress(frame: &[u8], raw: u64) -> Result<Vec<u8>, ErrorKind> {
    if zstd_safe::get_frame_content_size(frame).ok().flatten() != Some(raw) {
        return Err(malformed("declared size of a zstd frame"));
    }
    if zstd_safe::find_frame_compressed_size(frame).ok() != Some(frame.len()) {
        return Err(malformed("length of a zstd frame"));
    }
    let size = usize::try_from(raw).map_err(|_| malformed("declared size of a zstd frame"))?;
    let bytes = with_decompressor(|zstd| zstd.decompress(frame, size))
        .map_err(|_| malformed("zstd frame"))?;
    if bytes.len() as u64 != raw {
        return Err(ErrorKind::Mismatch {
            what: "decompressed length",
            expected: raw,
            found: bytes.len() as u64,
        });
    }
    Ok(bytes)
}

/// Runs `work` with this thread's decompression context: making one costs more than most columns do.
fn with_decompressor<T>(
    work: impl FnOnce(&mut Decompressor<'static>) -> io::Result<T>,
) -> io::Result<T> {
    thread_local! {
        static CONTEXT: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }
    CONTEXT.with_borrow_mut(|context| match context {
        Some(zstd) => work(zstd),
        None => work(context.insert(Decompressor::new()?)),
    })
}

/// As [`decompress`], into memory that is kept; the caller has checked `raw` against its limit.
pub(crate) fn decompress_into(
    frame: &[u8],
    raw: usize,
    out: &mut Vec<u8>,
) -> Result<(), ErrorKind> {
    if zstd_safe::get_frame_content_size(frame).ok().flatten() != Some(raw as u64) {
        return Err(malformed("declared size of a zstd frame"));
    }
    if zstd_safe::find_frame_compressed_size(frame).ok() != Some(frame.len()) {
        return Err(malformed("length of a zstd frame"));
    }
    out.clear();
    out.reserve(raw);
    with_decompressor(|zstd| zstd.decompress_to_buffer(frame, out))
        .map_err(|_| malformed("zstd frame"))?;
    if out.len() != raw {
        return Err(ErrorKind::Mismatch {
            what: "decompressed length",
            expected: raw as u64,
            found: out.len() as u64,
        });
    }
    Ok(())
}

/// Compresses into frames that declare their size, keeping one context and one buffer for all.
pub(crate) struct Encoder {
    zstd: zstd::bulk::Compressor<'static>,
    frame: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(level: i32) -> io::Result<Encoder> {
        Ok(Encoder {
            zstd: zstd::bulk::Compressor::new(level)?,
            frame: Vec::new(),
        })
    }

    /// Appends `raw` to `out` as a frame if that is shorter, else as it is; says whether it is a frame.
    pub(crate) fn append(&mut self, raw: &[u8], out: &mut Vec<u8>) -> io::Result<bool> {
        // Below this a frame's own header costs more than it saves.
        if raw.len() >= 24 {
            self.frame.clear();
            self.frame.reserve(zstd_safe::compress_bound(raw.len()));
            self.zstd.compress_to_buffer(raw, &mut self.frame)?;
            if self.frame.len() < raw.len() {
                out.extend_from_slice(&self.frame);
                return Ok(true);
            }
        }
        out.extend_from_slice(raw);
        Ok(false)
    }
}

/// Appends a list of integers in the shortest of the three ways. The reader knows how many there are.
pub(crate) fn put_ints(out: &mut Vec<u8>, values: &[i64]) {
    let Some((first, rest)) = values.split_first() else {
        return;
    };
    if rest.iter().all(|value| value == first) {
        out.push(ints::CONSTANT as u8);
        put_varint(out, zigzag(*first));
        return;
    }
    let (mut plain, mut delta, mut before) = (0_usize, 0_usize, 0_i64);
    for value in values {
        plain = varint_len(zigzag(*value)).saturating_add(plain);
        delta = varint_len(zigzag(value.wrapping_sub(before))).saturating_add(delta);
        before = *value;
    }
    if delta < plain {
        out.push(ints::DELTA as u8);
        let mut before = 0_i64;
        for value in values {
            put_varint(out, zigzag(value.wrapping_sub(before)));
            before = *value;
        }
    } else {
        out.push(ints::PLAIN as u8);
        for value in values {
            put_varint(out, zigzag(*value));
        }
    }
}

/// Takes a list of `count` integers; the caller has bounded `count`.
pub(crate) fn take_ints(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<i64>, ErrorKind> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let way = u16::from(cursor.u8()?);
    if way == ints::CONSTANT {
        return Ok(vec![unzigzag(cursor.varint()?); count]);
    }
    if way != ints::PLAIN && way != ints::DELTA {
        return Err(malformed("list of integers"));
    }
    if count > cursor.left() {
        return Err(ErrorKind::Short {
            what: "list of integers",
            expected: count as u64,
            found: cursor.left() as u64,
        });
    }
    let mut values = Vec::with_capacity(count);
    let (mut before, mut left) = (0_i64, count);
    while left > 0 {
        // Numbers of one byte, as most are, together.
        let run = cursor.run_of_small(left);
        left = left.saturating_sub(run.len());
        let numbers = run.iter().map(|byte| unzigzag(u64::from(*byte)));
        match way == ints::DELTA {
            true => values.extend(numbers.map(|step| {
                before = before.wrapping_add(step);
                before
            })),
            false => values.extend(numbers),
        }
        if left == 0 {
            break;
        }
        let value = unzigzag(cursor.varint()?);
        before = match way == ints::DELTA {
            true => before.wrapping_add(value),
            false => value,
        };
        values.push(before);
        left = left.saturating_sub(1);
    }
    Ok(values)
}

/// Appends an ascending list as steps from 0.
pub(crate) fn put_steps(out: &mut Vec<u8>, values: impl IntoIterator<Item = u64>) {
    let mut before = 0;
    for value in values {
        put_varint(out, value.wrapping_sub(before));
        before = value;
    }
}

/// Takes strictly ascending steps to the end of `bytes`, all at most `most`.
pub(crate) fn take_steps(bytes: &[u8], most: u64) -> Result<Vec<u64>, ErrorKind> {
    let mut cursor = Cursor::new(bytes);
    let mut values: Vec<u64> = Vec::new();
    while cursor.left() > 0 {
        let step = cursor.varint()?;
        let value = match values.last() {
            Some(before) if step > 0 => before.checked_add(step),
            Some(_) => None,
            None => Some(step),
        };
        match value {
            Some(value) if value <= most => values.push(value),
            _ => return Err(malformed("ascending list")),
        }
    }
    Ok(values)
}
