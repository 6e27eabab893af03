//! Arguments from columns to events: every count is checked against what must hold it before anything is allocated.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::chunk_read::Body;
use crate::codec::take_ints;
use crate::error::{ErrorKind, limit, malformed};
use crate::layout::{MAX_ARGS, MAX_CHUNK, MAX_CHUNK_VALUES, value};
use crate::lists::PartsReader;
use crate::wire::Cursor;
use afterimage_model::{Blob, Event, Value};

/// The dictionaries, each taken when it is first needed, and how much was taken out of them so far: one long string repeated by
/// every event would fill the memory.
pub(crate) struct Values<'a> {
    body: &'a Body<'a>,
    text: Option<Vec<Blob>>,
    data: Option<Vec<Blob>>,
    count: u64,
    bytes: u64,
}

impl<'a> Values<'a> {
    pub(crate) fn new(body: &'a Body<'a>) -> Values<'a> {
        Values {
            body,
            text: None,
            data: None,
            count: 0,
            bytes: 0,
        }
    }

    /// Arguments as varints, of the events at these places.
    pub(crate) fn take_args(
        &mut self,
        cursor: &mut Cursor<'_>,
        rows: &[u32],
        events: &mut [Event],
    ) -> Result<(), ErrorKind> {
        let most = cursor.varint()?;
        limit("arguments of an event", most, MAX_ARGS)?;
        let counts: Vec<u64> = match cursor.u8()? {
            1 => vec![most; rows.len()],
            0 => cursor
                .take(rows.len())?
                .iter()
                .map(|count| u64::from(*count))
                .collect(),
            _ => return Err(malformed("argument counts")),
        };
        for slot in 0..most {
            let with: Vec<u32> = rows
                .iter()
                .zip(&counts)
                .filter(|(_, count)| **count > slot)
                .map(|(row, _)| *row)
                .collect();
            self.count = self.count.saturating_add(with.len() as u64);
            limit("arguments of a chunk", self.count, MAX_CHUNK_VALUES)?;
            let first = cursor.u8()?;
            let tags = if u16::from(first) == value::MIXED {
                cursor.take(with.len())?.to_vec()
            } else {
                vec![first; with.len()]
            };
            let of = |wanted: u16| tags.iter().filter(|tag| u16::from(**tag) == wanted).count();
            let (nums, text, data) = (of(value::NUM), of(value::TEXT), of(value::DATA));
            let mut nums = take_ints(cursor, nums)?.into_iter();
            let mut text = take_ints(cursor, text)?.into_iter();
            let mut data = take_ints(cursor, data)?.into_iter();
            for (row, tag) in with.iter().zip(&tags) {
                let value = match u16::from(*tag) {
                    value::ABSENT => Value::Absent,
                    value::NUM => Value::Num(nums.next().ok_or_else(|| malformed("argument"))?),
                    value::TEXT => self.blob(false, text.next())?,
                    value::DATA => self.blob(true, data.next())?,
                    _ => return Err(malformed("argument tag")),
                };
                if let Some(event) = events.get_mut(*row as usize) {
                    event.args.push(value);
                }
            }
        }
        Ok(())
    }

    fn blob(&mut self, is_data: bool, place: Option<i64>) -> Result<Value, ErrorKind> {
        let list = match if is_data {
            &mut self.data
        } else {
            &mut self.text
        } {
            Some(list) => list,
            none if is_data => none.insert(self.body.payloads()?),
            none => none.insert(self.body.texts()?),
        };
        let place = place.and_then(|place| usize::try_from(place).ok());
        let blob = place
            .and_then(|place| list.get(place))
            .ok_or_else(|| malformed("place of a value"))?;
        self.bytes = self.bytes.saturating_add(blob.bytes.len() as u64);
        limit("bytes of all values of a chunk", self.bytes, MAX_CHUNK)?;
        Ok(Value::Bytes(blob.clone()))
    }

    /// Puts results and arguments of one type into the events at these places. Each event is visited once: they lie far apart.
    pub(crate) fn put(
        &mut self,
        slots: &Slots,
        results: &[i64],
        rows: &[u32],
        events: &mut [Event],
    ) -> Result<(), ErrorKind> {
        let lists = slots.slots.iter().map(|slot| {
            (
                slot.tag,
                slot.tags.iter(),
                slot.nums.iter(),
                slot.texts.iter(),
                slot.datas.iter(),
            )
        });
        let mut lists: Vec<_> = lists.collect();
        let mut counts = slots.counts.iter();
        for (row, result) in rows.iter().zip(results) {
            let Some(event) = events.get_mut(*row as usize) else {
                continue;
            };
            event.result = *result;
            let count = counts
                .next()
                .map_or(lists.len(), |count| usize::from(*count));
            for (tag, tags, nums, texts, datas) in lists.iter_mut().take(count) {
                let tag = tags.next().unwrap_or(tag);
                let value = match u16::from(*tag) {
                    value::ABSENT => Value::Absent,
                    value::NUM => Value::Num(*nums.next().ok_or_else(|| malformed("argument"))?),
                    value::TEXT => self.blob(false, texts.next().copied())?,
                    value::DATA => self.blob(true, datas.next().copied())?,
                    _ => return Err(malformed("argument tag")),
                };
                event.args.push(value);
            }
        }
        Ok(())
    }

    /// Arguments taken so far.
    pub(crate) fn spent(&self) -> u64 {
        self.count
    }

    /// Counts arguments against the limit of a chunk.
    pub(crate) fn count(&mut self, slots: &Slots) -> Result<(), ErrorKind> {
        self.count = self.count.saturating_add(slots.values);
        limit("arguments of a chunk", self.count, MAX_CHUNK_VALUES)
    }
}

/// The arguments of one type, list by list.
pub(crate) struct Slots {
    /// How many each event has; empty when all have as many as there are slots.
    counts: Vec<u8>,
    slots: Vec<Slot>,
    /// How many there are of all events.
    values: u64,
}

/// One argument of all events of a type that have it.
struct Slot {
    /// The kind of all values, or [`value::MIXED`].
    tag: u8,
    tags: Vec<u8>,
    nums: Vec<i64>,
    texts: Vec<i64>,
    datas: Vec<i64>,
}

impl Slots {
    /// Takes the arguments of `rows` events; `files` and `results` are theirs.
    pub(crate) fn take(
        parts: &mut PartsReader<'_>,
        rows: usize,
        files: &[i64],
        results: &[i64],
        spent: u64,
    ) -> Result<Slots, ErrorKind> {
        let most = parts.number()?;
        limit("arguments of an event", most, MAX_ARGS)?;
        let mut counts = Vec::new();
        match parts.byte()? {
            1 => {}
            0 => parts.bytes(rows, &mut counts)?,
            _ => return Err(malformed("argument counts")),
        }
        let mut slots: Vec<Slot> = Vec::new();
        let mut values = 0_u64;
        for number in 0..most as usize {
            let has = |count: &&u8| usize::from(**count) > number;
            let count = if counts.is_empty() {
                rows
            } else {
                counts.iter().filter(has).count()
            };
            values = values.saturating_add(count as u64);
            limit(
                "arguments of a chunk",
                values.saturating_add(spent),
                MAX_CHUNK_VALUES,
            )?;
            let tag = parts.byte()?;
            let mut tags = Vec::new();
            if u16::from(tag) == value::MIXED {
                parts.bytes(count, &mut tags)?;
            }
            let mut lists = [const { Vec::new() }; 3];
            for (wanted, list) in [value::NUM, value::TEXT, value::DATA]
                .into_iter()
                .zip(&mut lists)
            {
                let is = |tag: &u8| u16::from(*tag) == wanted;
                let len = match tags.as_slice() {
                    [] if is(&tag) => count,
                    tags => tags.iter().filter(|tag| is(tag)).count(),
                };
                if len == rows {
                    *list =
                        parts.list(len, |context| whole(context, files, results, &slots, rows))?;
                    continue;
                }
                // Of which rows these are, for what they are told from.
                let having = counts_rows(&counts, number, rows);
                let of: Vec<usize> = match tags.as_slice() {
                    [] => having.collect(),
                    tags => (having.zip(tags))
                        .filter(|(_, tag)| is(tag))
                        .map(|(row, _)| row)
                        .collect(),
                };
                let context = parts.peek_context();
                let gathered: Vec<i64> = context
                    .and_then(|context| whole(context, files, results, &slots, rows))
                    .map(|all| {
                        of.iter()
                            .map(|row| all.get(*row).copied().unwrap_or(0))
                            .collect()
                    })
                    .unwrap_or_default();
                *list = parts.list(len, |_| Some(&gathered))?;
            }
            let [nums, texts, datas] = lists;
            slots.push(Slot {
                tag,
                tags,
                nums,
                texts,
                datas,
            });
        }
        Ok(Slots {
            counts,
            slots,
            values,
        })
    }
}

impl Slots {
    /// What the arguments say, one list each; of values of several kinds the integers, then the places.
    pub(crate) fn into_lists(self) -> Vec<Vec<i64>> {
        let lists = self.slots.into_iter().map(|mut slot| {
            slot.nums.append(&mut slot.texts);
            slot.nums.append(&mut slot.datas);
            slot.nums
        });
        lists.collect()
    }
}

/// The rows that have an argument.
fn counts_rows(counts: &[u8], number: usize, rows: usize) -> impl Iterator<Item = usize> {
    (0..rows).filter(move |row| {
        counts
            .get(*row)
            .is_none_or(|count| usize::from(*count) > number)
    })
}

/// The values of a context, of all rows: the file, the result, or an earlier argument that is an integer in all of them.
fn whole<'a>(
    context: u8,
    files: &'a [i64],
    results: &'a [i64],
    slots: &'a [Slot],
    rows: usize,
) -> Option<&'a [i64]> {
    let values = match context {
        0 => files,
        1 => results,
        slot => &slots.get(usize::from(slot).checked_sub(2)?)?.nums,
    };
    (values.len() == rows).then_some(values)
}
