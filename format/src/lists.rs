//! Columns made of parts: a head that says what follows, then byte planes and strings of bytes, each a frame of its own.
//!
//! A list of integers is taken apart into planes: all lowest bytes, then all second ones … What is alike stands together so,
//! and a byte that is noise costs nothing but itself.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::codec::{Encoder, decompress_into};
use crate::error::{ErrorKind, limit, malformed};
use crate::layout::{CONTEXTS, way};
use crate::wire::{Cursor, put_varint, unzigzag, zigzag};
use std::cell::Cell;
use std::io;

/// Bit of a list's second byte: its integers are zigzags.
const ZIGZAG: u8 = 16;
/// How a part is stored, the lowest two bits of its length.
const PLAIN: u64 = 0;
const FRAME: u64 = 1;
const SAME: u64 = 2;

/// What the integer at a place of a list is told from: another value of the same row.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// Its number, see [`way`].
    pub number: u8,
    /// Its value in each row.
    pub values: &'a [i64],
    /// Whether only the difference to it is tried.
    pub minus_only: bool,
}

fn key(value: i64) -> usize {
    (value as u64 % CONTEXTS) as usize
}

/// A column being made. Keeps its memory.
#[derive(Default)]
pub(crate) struct Parts {
    head: Vec<u8>,
    body: Vec<u8>,
    raw: u64,
    residuals: Vec<i64>,
    plane: Vec<u8>,
    table: Lasts,
}

impl Parts {
    /// Makes it empty.
    pub(crate) fn clear(&mut self) {
        self.head.clear();
        self.body.clear();
        self.raw = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Bytes before compression.
    pub(crate) fn raw(&self) -> u64 {
        self.raw.saturating_add(self.head.len() as u64)
    }

    /// Appends the whole column.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.head.len() as u64);
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&self.body);
    }

    /// A number in the head.
    pub(crate) fn number(&mut self, number: u64) {
        put_varint(&mut self.head, number);
    }

    /// A byte in the head.
    pub(crate) fn byte(&mut self, byte: u8) {
        self.head.push(byte);
    }

    /// Bytes; the reader knows how many.
    pub(crate) fn bytes(&mut self, encoder: &mut Encoder, raw: &[u8]) -> io::Result<()> {
        self.raw = self.raw.saturating_add(raw.len() as u64);
        if let Some((first, rest)) = raw.split_first()
            && rest.iter().all(|byte| byte == first)
        {
            put_varint(&mut self.head, u64::from(*first) << 2 | SAME);
            return Ok(());
        }
        let start = self.body.len();
        let framed = encoder.append(raw, &mut self.body)?;
        let stored = self.body.len().saturating_sub(start) as u64;
        put_varint(
            &mut self.head,
            stored << 2 | if framed { FRAME } else { PLAIN },
        );
        Ok(())
    }

    /// A list of integers as they are; the reader knows how many.
    pub(crate) fn plain<T: Copy + Into<i64>>(
        &mut self,
        encoder: &mut Encoder,
        values: &[T],
    ) -> io::Result<()> {
        self.planes(encoder, way::PLAIN as u8, values)
    }

    /// A list of integers in the way that looks shortest: as they are, less the one before, or told from a context.
    pub(crate) fn list(
        &mut self,
        encoder: &mut Encoder,
        values: &[i64],
        contexts: &[Context<'_>],
    ) -> io::Result<()> {
        let Some((first, rest)) = values.split_first() else {
            return Ok(());
        };
        if rest.iter().all(|value| value == first) {
            return self.planes(encoder, way::PLAIN as u8, values);
        }
        let mut residuals = std::mem::take(&mut self.residuals);
        let mut best = (
            cost_of(values.iter().copied().take(SAMPLE)),
            way::PLAIN as u8,
        );
        let mut try_way = |way: u8, residuals: &[i64]| {
            let cost = cost_of(residuals.iter().copied());
            if cost < best.0 {
                best = (cost, way);
            }
        };
        let sample = values.get(..values.len().min(SAMPLE)).unwrap_or_default();
        differences(sample, &mut residuals);
        try_way(way::DELTA as u8, &residuals);
        for context in contexts {
            let table = (way::CONTEXT as u8).saturating_add(context.number.saturating_mul(2));
            let keys = context.values.get(..sample.len()).unwrap_or_default();
            if !context.minus_only {
                self.by_table(sample, keys, &mut residuals);
                try_way(table, &residuals);
            }
            if context.number > 0 {
                minus(sample, keys, &mut residuals);
                try_way(table.saturating_add(1), &residuals);
            }
        }
        let chosen = best.1;
        let number = chosen.wrapping_sub(way::CONTEXT as u8);
        if chosen == way::DELTA as u8 {
            differences(values, &mut residuals);
        } else if chosen != way::PLAIN as u8
            && let Some(context) = (contexts.iter()).find(|context| context.number == number / 2)
        {
            if number.is_multiple_of(2) {
                self.by_table(values, context.values, &mut residuals);
            } else {
                minus(values, context.values, &mut residuals);
            }
        }
        let done = if chosen == way::PLAIN as u8 {
            self.planes(encoder, chosen, values)
        } else {
            self.planes(encoder, chosen, &residuals)
        };
        self.residuals = residuals;
        done
    }

    fn by_table(&mut self, values: &[i64], keys: &[i64], out: &mut Vec<i64>) {
        out.clear();
        out.extend(values.iter().zip(keys).map(|(value, _)| *value));
        self.table.each(keys, out, |last, value| {
            let before = std::mem::replace(last, *value);
            *value = value.wrapping_sub(before);
        });
    }

    fn planes<T: Copy + Into<i64>>(
        &mut self,
        encoder: &mut Encoder,
        way: u8,
        values: &[T],
    ) -> io::Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let (mut any, mut negative, mut any_zigzag) = (0_u64, 0_i64, 0_u64);
        for value in values {
            let value: i64 = (*value).into();
            any |= value as u64;
            negative |= value;
            any_zigzag |= zigzag(value);
        }
        let signed = negative < 0;
        let all = if signed { any_zigzag } else { any };
        let width = 64_u32.saturating_sub(all.leading_zeros()).div_ceil(8) as u8;
        self.head.push(way);
        self.head.push(width | if signed { ZIGZAG } else { 0 });
        let mut plane = std::mem::take(&mut self.plane);
        let mut done = Ok(());
        for at in 0..width {
            let shift = u32::from(at) * 8;
            plane.clear();
            if signed {
                plane.extend((values.iter()).map(|value| (zigzag((*value).into()) >> shift) as u8));
            } else {
                plane.extend((values.iter()).map(|value| ((*value).into() as u64 >> shift) as u8));
            }
            done = self.bytes(encoder, &plane);
            if done.is_err() {
                break;
            }
        }
        self.plane = plane;
        done
    }
}

/// Integers that are looked at to choose a way.
const SAMPLE: usize = 512;

fn differences(values: &[i64], out: &mut Vec<i64>) {
    out.clear();
    let mut before = 0_i64;
    for value in values {
        out.push(value.wrapping_sub(before));
        before = *value;
    }
}

fn minus(values: &[i64], others: &[i64], out: &mut Vec<i64>) {
    out.clear();
    out.extend(
        values
            .iter()
            .zip(others)
            .map(|(value, other)| value.wrapping_sub(*other)),
    );
}

/// About how many bits these will take: what is zero, or the same as before, costs little; the others as much as there are
/// different ones of them.
fn cost_of(residuals: impl Iterator<Item = i64>) -> u64 {
    let mut seen = [0_u64; 16];
    let (mut count, mut zeros, mut distinct, mut bits, mut before) =
        (0_u64, 0_u64, 0_u64, 0_u64, 0_i64);
    for value in residuals {
        count = count.saturating_add(1);
        if value == 0 || value == before {
            zeros = zeros.saturating_add(1);
            before = value;
            continue;
        }
        before = value;
        let hash = (value as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
        let bit = 1_u64 << (hash % 64);
        if let Some(word) = seen.get_mut((hash / 64) as usize)
            && *word & bit == 0
        {
            *word |= bit;
            distinct = distinct.saturating_add(1);
            bits = bits.saturating_add(u64::from(
                64_u32.saturating_sub(zigzag(value).leading_zeros()),
            ));
        }
    }
    let others = count.saturating_sub(zeros);
    let each = u64::from(64_u32.saturating_sub(distinct.leading_zeros())).saturating_add(1);
    bits.saturating_add(others.saturating_mul(each))
        .saturating_add(zeros / 8)
}

/// A column being taken apart.
pub(crate) struct PartsReader<'a> {
    head: Cursor<'a>,
    body: Cursor<'a>,
    /// Bytes that may still come out of it.
    left: u64,
    scratch: Scratch,
}

impl<'a> PartsReader<'a> {
    /// Of the stored bytes of a column, from which `raw` bytes come at most.
    pub(crate) fn new(stored: &'a [u8], raw: u64) -> Result<PartsReader<'a>, ErrorKind> {
        let mut body = Cursor::new(stored);
        let len = body.count("head of a column")?;
        let head = Cursor::new(body.take(len)?);
        Ok(PartsReader {
            head,
            body,
            left: raw.saturating_sub(len as u64),
            scratch: SCRATCH.take(),
        })
    }

    pub(crate) fn number(&mut self) -> Result<u64, ErrorKind> {
        self.head.varint()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, ErrorKind> {
        self.head.u8()
    }

    /// Whether everything was taken.
    pub(crate) fn end(&self) -> Result<(), ErrorKind> {
        if self.head.left() == 0 && self.body.left() == 0 && self.left == 0 {
            Ok(())
        } else {
            Err(malformed("end of a column"))
        }
    }

    /// Puts `count` bytes, which the caller has bounded, into `out`.
    pub(crate) fn bytes(&mut self, count: usize, out: &mut Vec<u8>) -> Result<(), ErrorKind> {
        out.clear();
        limit("bytes of a part", count as u64, self.left)?;
        self.left = self.left.saturating_sub(count as u64);
        let how = self.head.varint()?;
        match how & 3 {
            PLAIN if how >> 2 == count as u64 => out.extend_from_slice(self.body.take(count)?),
            FRAME => {
                let len = usize::try_from(how >> 2).map_err(|_| malformed("length of a part"))?;
                decompress_into(self.body.take(len)?, count, out)?;
            }
            SAME => {
                let byte = u8::try_from(how >> 2).map_err(|_| malformed("part"))?;
                out.resize(count, byte);
            }
            _ => return Err(malformed("part")),
        }
        Ok(())
    }

    /// As [`PartsReader::list`], of integers of a smaller kind without contexts.
    pub(crate) fn narrow<T: Narrow>(&mut self, count: usize) -> Result<Vec<T>, ErrorKind> {
        let mut ahead = self.head;
        let plain = count > 0 && u16::from(ahead.u8()?) == way::PLAIN;
        let width = match plain {
            true => ahead.u8()?,
            false => u8::MAX,
        };
        if width > T::BYTES {
            let values = self.list(count, alone)?.into_iter();
            let small = |value| T::try_from(value).map_err(|_| malformed("list of integers"));
            return values.map(small).collect();
        }
        self.head = ahead;
        let mut values = Vec::new();
        let mut plane = std::mem::take(&mut self.scratch.plane);
        for at in 0..width {
            self.bytes(count, &mut plane)?;
            if at == 0 {
                values.extend(plane.iter().map(|byte| T::from(*byte)));
            } else {
                for (value, byte) in values.iter_mut().zip(&plane) {
                    *value = value.with(*byte, at);
                }
            }
        }
        self.scratch.plane = plane;
        values.resize(count, T::default());
        Ok(values)
    }

    /// As [`PartsReader::narrow`], of integers that are as they are.
    pub(crate) fn plain<T: Narrow>(&mut self, count: usize) -> Result<Vec<T>, ErrorKind> {
        let mut ahead = self.head;
        if count > 0 && (u16::from(ahead.u8()?) != way::PLAIN || ahead.u8()? > T::BYTES) {
            return Err(malformed("list of integers"));
        }
        self.narrow(count)
    }

    /// Passes over a list.
    pub(crate) fn skip(&mut self, count: usize) -> Result<(), ErrorKind> {
        if count == 0 {
            return Ok(());
        }
        let (_, how) = (self.head.u8()?, self.head.u8()?);
        for _ in 0..how & 15 {
            limit("bytes of a part", count as u64, self.left)?;
            self.left = self.left.saturating_sub(count as u64);
            let how = self.head.varint()?;
            let len = match how & 3 {
                PLAIN | FRAME => how >> 2,
                _ => 0,
            };
            self.body
                .take(usize::try_from(len).map_err(|_| malformed("length of a part"))?)?;
        }
        Ok(())
    }

    /// The context that the next list is told from, if it is from one.
    pub(crate) fn peek_context(&self) -> Option<u8> {
        let way = Cursor::u8(&mut self.head.clone()).ok()?;
        way.checked_sub(way::CONTEXT as u8).map(|number| number / 2)
    }

    /// A list of `count` integers, which the caller has bounded. `context` gives the values of a context in each row.
    pub(crate) fn list<'c>(
        &mut self,
        count: usize,
        context: impl Fn(u8) -> Option<&'c [i64]>,
    ) -> Result<Vec<i64>, ErrorKind> {
        let mut values = Vec::new();
        if count == 0 {
            return Ok(values);
        }
        let (way, how) = (self.head.u8()?, self.head.u8()?);
        let width = how & 15;
        if width > 8 || how & !(15 | ZIGZAG) != 0 {
            return Err(malformed("list of integers"));
        }
        let mut planes = std::mem::take(&mut self.scratch.planes);
        for plane in planes.iter_mut().take(usize::from(width)) {
            self.bytes(count, plane)?;
        }
        let taken = planes.get(..usize::from(width)).unwrap_or_default();
        match how & ZIGZAG != 0 {
            true => put_together(taken, count, &mut values, unzigzag),
            false => put_together(taken, count, &mut values, |bits| bits as i64),
        }
        self.scratch.planes = planes;
        match u16::from(way) {
            way::PLAIN => {}
            way::DELTA => {
                let mut before = 0_i64;
                for value in &mut values {
                    before = before.wrapping_add(*value);
                    *value = before;
                }
            }
            _ => {
                let number = way.wrapping_sub(way::CONTEXT as u8);
                let others = context(number / 2).ok_or_else(|| malformed("context of a list"))?;
                if others.len() != count {
                    return Err(malformed("context of a list"));
                }
                if number & 1 == 1 {
                    for (value, other) in values.iter_mut().zip(others) {
                        *value = value.wrapping_add(*other);
                    }
                } else {
                    self.scratch.table.each(others, &mut values, |last, value| {
                        *last = last.wrapping_add(*value);
                        *value = *last;
                    });
                }
            }
        }
        Ok(values)
    }
}

impl Drop for PartsReader<'_> {
    fn drop(&mut self) {
        SCRATCH.set(std::mem::take(&mut self.scratch));
    }
}

/// Puts `count` integers of these planes, the lowest first, into an empty list.
fn put_together(planes: &[Vec<u8>], count: usize, out: &mut Vec<i64>, of: impl Fn(u64) -> i64) {
    let few = |a: &u8, b: &u8, c: &u8, d: &u8| {
        let low = u32::from(*a) | u32::from(*b) << 8;
        of(u64::from(low | u32::from(*c) << 16 | u32::from(*d) << 24))
    };
    match planes {
        [] => out.resize(count, of(0)),
        [a] => out.extend(a.iter().map(|a| of(u64::from(*a)))),
        [a, b] => out.extend(a.iter().zip(b).map(|(a, b)| few(a, b, &0, &0))),
        [a, b, c] => {
            let rows = a.iter().zip(b).zip(c);
            out.extend(rows.map(|((a, b), c)| few(a, b, c, &0)));
        }
        [a, b, c, d] => {
            let rows = a.iter().zip(b).zip(c).zip(d);
            out.extend(rows.map(|(((a, b), c), d)| few(a, b, c, d)));
        }
        _ => {
            out.resize(count, 0);
            for (at, plane) in (0_u32..).zip(planes) {
                let shift = at.saturating_mul(8);
                for (value, byte) in out.iter_mut().zip(plane) {
                    *value |= (u64::from(*byte) << shift) as i64;
                }
            }
            for value in out {
                *value = of(*value as u64);
            }
        }
    }
}

/// The value that came last with each of the keys that contexts have. Of all keys it is 0 in the beginning.
#[derive(Default)]
struct Lasts(Vec<i64>);

impl Lasts {
    /// Goes through values with their contexts: what came last with its key stands beside each.
    fn each(
        &mut self,
        contexts: &[i64],
        values: &mut [i64],
        mut visit: impl FnMut(&mut i64, &mut i64),
    ) {
        self.0.resize(CONTEXTS as usize, 0);
        for (value, context) in values.iter_mut().zip(contexts) {
            if let Some(last) = self.0.get_mut(key(*context)) {
                visit(last, value);
            }
        }
        // Most lists are much shorter than this is.
        if values.len() >= self.0.len() {
            return self.0.fill(0);
        }
        for context in contexts.iter().take(values.len()) {
            if let Some(last) = self.0.get_mut(key(*context)) {
                *last = 0;
            }
        }
    }
}

/// Memory that taking a column apart needs besides what it gives.
#[derive(Default)]
struct Scratch {
    plane: Vec<u8>,
    planes: [Vec<u8>; 8],
    table: Lasts,
}

thread_local! {
    /// That of the columns this thread has taken apart.
    static SCRATCH: Cell<Scratch> = const {
        Cell::new(Scratch { plane: Vec::new(), planes: [const { Vec::new() }; 8], table: Lasts(Vec::new()) })
    };
}

/// An integer that takes less room than 64 bits.
pub(crate) trait Narrow: Copy + Default + From<u8> + TryFrom<i64> {
    /// Bytes it has.
    const BYTES: u8;
    /// With this byte at a place from the lowest, where it has none yet.
    fn with(self, byte: u8, at: u8) -> Self;
}

macro_rules! narrow {
    ($($kind:ident)*) => {$(
        impl Narrow for $kind {
            const BYTES: u8 = size_of::<$kind>() as u8;
            fn with(self, byte: u8, at: u8) -> $kind {
                self | $kind::from(byte).wrapping_shl(u32::from(at).saturating_mul(8))
            }
        }
    )*};
}

narrow! { u8 u16 u32 }

/// There is no context.
pub(crate) fn alone<'c>(_: u8) -> Option<&'c [i64]> {
    None
}
