//! Rows of a chunk field by field: all pids together, all paths together, each string once in a dictionary. The rows come out
//! as the records they were, so a field that is new needs nothing here.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::codec::Encoder;
use crate::dictionary::Dictionary;
use crate::error::{ErrorKind, limit, malformed};
use crate::layout::{MAX_CHUNK, MAX_ITEMS, MAX_ROWS};
use crate::lists::{Parts, PartsReader, alone};
use crate::wire::{Cursor, put_field, put_varint};
use std::collections::BTreeMap;
use std::io;

/// How the values of a field are kept.
const STRINGS: u8 = 0;
const NUMBERS: u8 = 1;
/// Bit: every row has the field once.
const ONCE: u8 = 2;

/// One field of all rows.
#[derive(Default)]
struct Field<'a> {
    /// How many times each row so far has it; rows behind the last are not in it yet.
    counts: Vec<i64>,
    values: Vec<&'a [u8]>,
}

/// The number that is this varint, if it is the shortest one and all there is.
fn number(value: &[u8]) -> Option<i64> {
    let mut cursor = Cursor::new(value);
    let number = cursor.varint().ok()?;
    (cursor.left() == 0 && crate::wire::varint_len(number) == value.len()).then_some(number as i64)
}

/// Puts rows, records one after another, into a column; `place` gives the place in the dictionary of a
/// string, which is a value of the field with this tag. `texts` are the tags of fields whose values are never kept as numbers.
pub(crate) fn put_table(
    parts: &mut Parts,
    encoder: &mut Encoder,
    rows: &[&[u8]],
    texts: &[u64],
    place: &mut dyn FnMut(u64, &[u8]) -> u32,
) -> io::Result<()> {
    let mut fields: BTreeMap<u64, Field<'_>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let mut cursor = Cursor::new(row);
        while let Ok(Some((tag, value))) = cursor.field() {
            let field = fields.entry(tag).or_default();
            field.counts.resize(at.saturating_add(1), 0);
            if let Some(count) = field.counts.last_mut() {
                *count = count.saturating_add(1);
            }
            field.values.push(value);
        }
    }
    parts.number(rows.len() as u64);
    parts.number(fields.len() as u64);
    let mut list = Vec::new();
    for (tag, mut field) in fields {
        parts.number(tag);
        field.counts.resize(rows.len(), 0);
        list.clear();
        list.extend(field.values.iter().map_while(|value| number(value)));
        let numbers = list.len() == field.values.len() && !texts.contains(&tag);
        let kind = if numbers { NUMBERS } else { STRINGS };
        if field.counts.iter().all(|count| *count == 1) {
            parts.byte(kind | ONCE);
        } else {
            parts.byte(kind);
            parts.plain(encoder, &field.counts)?;
        }
        if !numbers {
            list.clear();
            list.extend(
                field
                    .values
                    .iter()
                    .map(|value| i64::from(place(tag, value))),
            );
        }
        parts.list(encoder, &list, &[])?;
    }
    Ok(())
}

/// Takes the rows of a column; they come out as fields with this tag, at most `most` bytes of them.
pub(crate) fn take_table(
    parts: &mut PartsReader<'_>,
    tag: u16,
    strings: &Dictionary<'_>,
    most: u64,
) -> Result<Vec<u8>, ErrorKind> {
    let rows = parts.number()?;
    limit("rows of a chunk", rows, MAX_ROWS)?;
    let fields = parts.number()?;
    limit("fields of a row", fields, MAX_ITEMS)?;
    let rows = rows as usize;
    let mut records: Vec<Vec<u8>> = Vec::new();
    records.resize(rows, Vec::new());
    let (mut spent, mut before) = (0_u64, None);
    let most = most.min(MAX_CHUNK);
    for _ in 0..fields {
        let field = parts.number()?;
        if before.is_some_and(|before| field <= before) {
            return Err(malformed("fields of a table"));
        }
        before = Some(field);
        let kind = parts.byte()?;
        let counts = match kind & ONCE {
            0 => parts.list(rows, alone)?,
            _ => vec![1; rows],
        };
        let mut sum = 0_u64;
        for count in &counts {
            limit("values of a field", *count as u64, MAX_ITEMS)?;
            sum = sum.saturating_add(*count as u64);
        }
        limit("values of a table", sum, MAX_ROWS.saturating_mul(8))?;
        let values = parts.list(sum as usize, alone)?;
        let mut values = values.into_iter();
        let mut bytes = Vec::new();
        for (record, count) in records.iter_mut().zip(counts) {
            for value in values.by_ref().take(count as usize) {
                let len = record.len();
                match kind & !ONCE {
                    NUMBERS => {
                        bytes.clear();
                        put_varint(&mut bytes, value as u64);
                        put_field(record, field, &bytes);
                    }
                    STRINGS => {
                        let found = usize::try_from(value).ok().and_then(|at| strings.get(at));
                        let (bytes, _) = found.ok_or_else(|| malformed("place of a value"))?;
                        limit(
                            "bytes of all rows",
                            spent.saturating_add(bytes.len() as u64),
                            most,
                        )?;
                        put_field(record, field, bytes);
                    }
                    _ => return Err(malformed("kind of a field")),
                }
                spent = spent.saturating_add(record.len().saturating_sub(len) as u64);
            }
        }
        limit("bytes of all rows", spent, most)?;
    }
    parts.end()?;
    let mut out = Vec::with_capacity(spent as usize);
    for record in records {
        put_field(&mut out, u64::from(tag), &record);
    }
    Ok(out)
}
