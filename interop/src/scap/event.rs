//! One event as it lies in a block: time, thread, code and the bytes of its parameters.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::bytes::{Cursor, signed, unsigned, until_nul};
use super::lists::comments;
use super::state::effects::tells_of_a_container;
use super::types::{self, EventType};
use smallvec::SmallVec;

/// An event.
#[derive(Clone, Debug, Default)]
pub struct Raw<'b> {
    /// ns since 1970.
    pub ts: u64,
    /// Thread; -1 for none.
    pub tid: i64,
    /// CPU.
    pub cpu: u16,
    /// Code.
    pub code: u16,
    /// It only changes what is known, and is not to be shown.
    pub state_only: bool,
    /// Bytes of its parameters.
    pub params: Params<'b>,
    /// Its parameters could not be told apart.
    pub torn: bool,
    /// How they lie in the file.
    pub shape: Shape<'b>,
    /// Comments behind it.
    pub comments: Vec<Vec<u8>>,
}

/// How the parameters of an event lie in the file: what it takes to write those of an unknown type again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape<'b> {
    /// How many there are, where the file says so.
    pub count: Option<u32>,
    /// Bytes of each length.
    pub width: usize,
    /// Lengths and values.
    pub content: &'b [u8],
}

impl<'b> Raw<'b> {
    /// The bytes of a parameter; `None` where the file has none of that number.
    pub fn param(&self, at: usize) -> Option<&'b [u8]> {
        self.params.get(at).copied()
    }

    /// A parameter as a number with a sign.
    pub fn int(&self, at: usize) -> Option<i64> {
        signed(self.param(at)?)
    }

    /// A parameter as a number without a sign.
    pub fn uint(&self, at: usize) -> Option<u64> {
        unsigned(self.param(at)?)
    }

    /// A parameter of 32 bits.
    pub fn word(&self, at: usize) -> Option<u32> {
        self.uint(at).map(|n| n as u32)
    }

    /// A parameter as text up to NUL.
    pub fn text(&self, at: usize) -> Option<&'b [u8]> {
        self.param(at).map(until_nul)
    }

    /// Whether it tells of an entry.
    pub fn is_entry(&self) -> bool {
        self.code.is_multiple_of(2)
    }

    /// Whether it happened at the instant it says. Containers are told of without one, before anything happens.
    pub fn is_timed(&self) -> bool {
        !tells_of_a_container(self.code) && self.ts != 0 && self.ts != u64::MAX
    }
}

/// Parameters at the most.
const MAX_PARAMS: usize = 60;

/// Parameters of an event of an unknown type that are told apart; with more they stay as they lie.
pub const MAX_UNKNOWN: usize = 32;

/// Takes the body of an event block apart: one that says how many parameters it has (`counted`), that has flags (`flagged`), that
/// has lengths of 32 bits should its type be unknown (`large`). `None` when not even its head is there.
pub fn parse<'b>(body: &'b [u8], counted: bool, flagged: bool, large: bool) -> Option<Raw<'b>> {
    let mut raw = Raw::default();
    parse_into(body, counted, flagged, large, &mut raw).map(|()| raw)
}

/// As [`parse`], into an event of which nothing is known yet: it is too large to be handed from one to the next.
pub fn parse_into<'b>(
    body: &'b [u8],
    counted: bool,
    flagged: bool,
    large: bool,
    raw: &mut Raw<'b>,
) -> Option<()> {
    let mut cursor = Cursor::new(body);
    let cpu = cursor.u16()?;
    let flags = if flagged { cursor.u32()? } else { 0 };
    let header = cursor.len();
    let (ts, tid) = (cursor.u64()?, cursor.i64()?);
    let len = cursor.u32()? as usize;
    let code = cursor.u16()?;
    let count = if counted {
        Some(cursor.u32()? as usize)
    } else {
        None
    };
    (raw.ts, raw.tid, raw.cpu, raw.code) = (ts, tid, cpu, code);
    raw.state_only = flags & 1 != 0;
    let before = header - cursor.len();
    let size = len.checked_sub(before);
    let content = size
        .and_then(|size| cursor.rest().get(..size))
        .unwrap_or(cursor.rest());
    let row = types::row(code);
    let width = if row.map_or(large, |row| row.large) {
        4
    } else {
        2
    };
    raw.shape = Shape {
        count: count.map(|count| count as u32),
        width,
        content,
    };
    let params = &mut raw.params;
    let found = match count {
        // Nothing says how long the lengths are but that they fill it.
        Some(count) if row.is_none() => {
            let found = [width, 6 - width].into_iter().find(|width| {
                let whole = split(content, count, *width, params) == Some(true);
                whole && (1..=MAX_UNKNOWN).contains(&params.len())
            });
            raw.shape.width = found.unwrap_or(width);
            found.is_some() || count == 0 && content.is_empty()
        }
        Some(count) => {
            split(content, count, width, params).is_some()
                || split(content, count, 6 - width, params).is_some()
        }
        // The count is not in the file: it is the largest that gives the length.
        None => (row.is_some())
            .then(|| 0..=row.map_or(0, |row| row.params.len()))
            .into_iter()
            .flatten()
            .rev()
            .any(|count| {
                split(content, count, width, params)
                    .is_some_and(|whole| whole || matches!(code, 280 | 286))
            }),
    };
    if !found {
        params.clear();
        raw.torn = row.is_some();
    }
    // Options start at the next multiple of four of the block, whose head is eight bytes.
    let past = (2 + if flagged { 4 } else { 0 } + len).next_multiple_of(4);
    if let Some(options) = body.get(past..).filter(|rest| rest.len() >= 4) {
        raw.comments = comments(options);
    }
    Some(())
}

/// CPU, instant, thread and code of an event, of which nothing else is looked at.
#[inline]
pub fn head(body: &[u8], flagged: bool) -> Option<(u16, u64, i64, u16)> {
    let mut cursor = Cursor::new(body);
    let cpu = cursor.u16()?;
    cursor.skip(if flagged { 4 } else { 0 })?;
    let (ts, tid) = (cursor.u64()?, cursor.i64()?);
    cursor.skip(4)?;
    Some((cpu, ts, tid, cursor.u16()?))
}

/// An event of which only the head and the first parameter are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Glance<'b> {
    /// ns since 1970.
    pub ts: u64,
    /// Thread; -1 for none.
    pub tid: i64,
    /// CPU.
    pub cpu: u16,
    /// Code.
    pub code: u16,
    /// What its code means.
    pub row: &'static EventType,
    first: &'b [u8],
}

impl Glance<'_> {
    /// The first parameter as a number with a sign.
    pub fn int(&self) -> Option<i64> {
        signed(self.first)
    }

    /// The first parameter as a number without a sign.
    pub fn uint(&self) -> Option<u64> {
        unsigned(self.first)
    }

    /// Whether it tells of an entry.
    pub fn is_entry(&self) -> bool {
        self.code.is_multiple_of(2)
    }
}

/// Looks at the body of an event block that has no flags. `None` where it takes [`parse`] to say what it is: for codes that
/// mean nothing, long parameters, comments, and whatever is not as it should be.
#[inline]
pub fn glance(body: &[u8], counted: bool) -> Option<Glance<'_>> {
    let mut cursor = Cursor::new(body);
    let (cpu, ts, tid) = (cursor.u16()?, cursor.u64()?, cursor.i64()?);
    let (len, code) = (cursor.u32()? as usize, cursor.u16()?);
    let row = types::row(code).filter(|row| !row.large)?;
    let known = row.params.len();
    let count = match counted {
        true => cursor.u32()? as usize,
        false => known,
    };
    let end = len.checked_add(2)?;
    // Behind it is padding, and nothing that would be a comment.
    if count > known || body.len() >= end.checked_next_multiple_of(4)? + 4 {
        return None;
    }
    let content = body.get(body.len() - cursor.len()..end)?;
    let (lengths, values) = content.split_at_checked(count * 2)?;
    let lengths = lengths.as_chunks().0;
    let length = |bytes: &[u8; 2]| usize::from(u16::from_le_bytes(*bytes));
    let sum: usize = lengths.iter().map(length).sum();
    if sum > values.len() || (!counted && sum != values.len()) {
        return None;
    }
    let first = lengths.first().map_or(0, length);
    Some(Glance {
        ts,
        tid,
        cpu,
        code,
        row,
        first: values.get(..first)?,
    })
}

/// Parameters by their bytes. Most events have few.
pub type Params<'b> = SmallVec<[&'b [u8]; 8]>;

/// Parameters by their lengths, and whether they fill the content exactly. `None` when they do not fit; then some of them may
/// be there.
fn split<'b>(
    content: &'b [u8],
    count: usize,
    width: usize,
    params: &mut Params<'b>,
) -> Option<bool> {
    params.clear();
    if count > MAX_PARAMS {
        return None;
    }
    let (lengths, mut values) = content.split_at_checked(count.checked_mul(width)?)?;
    let mut take = |len: usize| {
        let (value, rest) = values.split_at_checked(len)?;
        values = rest;
        params.push(value);
        Some(())
    };
    match width {
        4 => {
            for len in lengths.as_chunks().0 {
                take(u32::from_le_bytes(*len) as usize)?;
            }
        }
        _ => {
            for len in lengths.as_chunks().0 {
                take(usize::from(u16::from_le_bytes(*len)))?;
            }
        }
    }
    Some(values.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn body(code: u16, counted: bool, params: &[&[u8]]) -> Vec<u8> {
        let head = if counted { 26 } else { 22 };
        let len = head + params.iter().map(|param| param.len() + 2).sum::<usize>();
        let mut out = vec![3, 0];
        out.extend(7_u64.to_le_bytes());
        out.extend((-1_i64).to_le_bytes());
        out.extend((len as u32).to_le_bytes());
        out.extend(code.to_le_bytes());
        if counted {
            out.extend((params.len() as u32).to_le_bytes());
        }
        params
            .iter()
            .for_each(|param| out.extend((param.len() as u16).to_le_bytes()));
        params.iter().for_each(|param| out.extend(*param));
        out
    }

    #[test]
    fn parameters_are_told_apart_with_and_without_a_count() {
        let params: &[&[u8]] = &[
            &3_i64.to_le_bytes(),
            b"/etc\0",
            &1_u32.to_le_bytes(),
            &0_u32.to_le_bytes(),
        ];
        for counted in [false, true] {
            let bytes = body(3, counted, params);
            let raw = parse(&bytes, counted, false, false).unwrap();
            assert_eq!((raw.cpu, raw.ts, raw.tid, raw.torn), (3, 7, -1, false));
            assert_eq!(raw.params.as_slice(), params);
            assert_eq!(raw.text(1), Some(&b"/etc"[..]));
        }
    }

    #[test]
    fn an_event_that_claims_too_many_parameters_is_torn_and_keeps_its_head() {
        let mut bytes = body(7, true, &[&[0; 8], b"x"]);
        bytes[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
        let raw = parse(&bytes, true, false, false).unwrap();
        assert!(raw.torn && raw.params.is_empty() && raw.ts == 7);
    }

    proptest::proptest! {
        #[test]
        fn what_a_glance_sees_is_what_is_there(
            code in 0_u16..460,
            counted: bool,
            params in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..12), 0..8),
            more in proptest::collection::vec(proptest::num::u8::ANY, 0..9),
            cut in 0_usize..3,
        ) {
            let params: Vec<&[u8]> = params.iter().map(Vec::as_slice).collect();
            let mut bytes = body(code, counted, &params);
            bytes.extend(more);
            bytes.truncate(bytes.len() - cut);
            if let Some(seen) = glance(&bytes, counted) {
                let raw = parse(&bytes, counted, false, false).unwrap();
                assert_eq!((seen.ts, seen.tid, seen.cpu, seen.code), (raw.ts, raw.tid, raw.cpu, raw.code));
                assert_eq!((seen.int(), seen.uint()), (raw.int(0), raw.uint(0)));
                assert!(!raw.torn && raw.comments.is_empty());
                assert!(raw.params.len() <= seen.row.params.len());
            }
        }
    }
}
