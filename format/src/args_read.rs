//! Arguments from columns to events: every count is checked against what must hold it before anything is allocated.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::codec::take_ints;
use crate::error::{ErrorKind, limit, malformed};
use crate::heads::{Heads, Held};
use crate::layout::{MAX_ARGS, MAX_CHUNK, MAX_CHUNK_VALUES, value};
use crate::lists::PartsReader;
use crate::wire::Cursor;
use afterimage_model::{Blob, Value};
use smallvec::SmallVec;

/// Takes values out of the dictionaries, and counts how much was taken so far: one long string repeated by every event would
/// fill the memory.
pub(crate) struct Values<'h, 'b> {
    heads: &'h Heads<'b>,
    bytes: u64,
}

impl<'h, 'b> Values<'h, 'b> {
    pub(crate) fn new(heads: &'h Heads<'b>) -> Values<'h, 'b> {
        Values { heads, bytes: 0 }
    }

    fn blob(&mut self, is_data: bool, place: Option<&i64>) -> Result<Value, ErrorKind> {
        let list = match is_data {
            true => self.heads.payloads()?,
            false => self.heads.texts()?,
        };
        let place = place.and_then(|place| usize::try_from(*place).ok());
        let (bytes, full_len) = place
            .and_then(|place| list.get(place))
            .ok_or_else(|| malformed("place of a value"))?;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        limit("bytes of all values of a chunk", self.bytes, MAX_CHUNK)?;
        Ok(Value::Bytes(Blob {
            bytes: bytes.to_vec(),
            full_len,
        }))
    }

    /// Adds the arguments of the event that is the so-maniest of its type.
    pub(crate) fn put(
        &mut self,
        slots: &Slots,
        nth: usize,
        args: &mut SmallVec<[Value; 6]>,
    ) -> Result<(), ErrorKind> {
        let count = match slots.counts.as_slice() {
            [] => slots.slots.len(),
            counts => counts.get(nth).map_or(0, |count| usize::from(*count)),
        };
        for slot in slots.slots.iter().take(count) {
            let (tag, nth) = slot.place(nth).ok_or_else(|| malformed("argument"))?;
            args.push(match u16::from(tag) {
                value::ABSENT => Value::Absent,
                value::NUM => Value::Num(*slot.nums.get(nth).ok_or_else(|| malformed("argument"))?),
                value::TEXT => self.blob(false, slot.texts.get(nth))?,
                value::DATA => self.blob(true, slot.datas.get(nth))?,
                _ => return Err(malformed("argument tag")),
            });
        }
        Ok(())
    }
}

/// The arguments of one type, list by list.
pub(crate) struct Slots {
    /// How many each event has; empty when all have as many as there are slots.
    counts: Vec<u8>,
    slots: Vec<Slot>,
}

/// One argument of all events of a type that have it.
struct Slot {
    /// The kind of all values, or [`value::MIXED`].
    tag: u8,
    /// For each event of the type where it is among those that have this argument; `None` when all have it.
    having: Option<Vec<u32>>,
    /// Of mixed values for each its kind, and where it is among those of that kind.
    mixed: Option<Vec<(u8, u32)>>,
    nums: Vec<i64>,
    texts: Vec<i64>,
    datas: Vec<i64>,
}

impl Slot {
    /// The argument of this number, with its values.
    fn of(number: usize, counts: &[u8], tag: u8, tags: &[u8], lists: [Vec<i64>; 3]) -> Slot {
        let [nums, texts, datas] = lists;
        let mut having = 0_u32;
        let of_counts = counts.iter().map(|count| {
            let place = having;
            having = having.saturating_add(u32::from(usize::from(*count) > number));
            place
        });
        let having = (!counts.is_empty()).then(|| of_counts.collect());
        let mut passed = [0_u32; 256];
        let of_tags = tags.iter().map(|tag| {
            let passed = passed.get_mut(usize::from(*tag));
            let nth = passed.as_deref().copied().unwrap_or(0);
            if let Some(passed) = passed {
                *passed = nth.saturating_add(1);
            }
            (*tag, nth)
        });
        let mixed = (u16::from(tag) == value::MIXED).then(|| of_tags.collect());
        Slot {
            tag,
            having,
            mixed,
            nums,
            texts,
            datas,
        }
    }
}

impl Slot {
    /// The kind of the value of the event that is the so-maniest of its type, and where it stands among those of that kind.
    fn place(&self, nth: usize) -> Option<(u8, usize)> {
        let nth = match &self.having {
            None => nth,
            Some(having) => having.get(nth).map_or(usize::MAX, |nth| *nth as usize),
        };
        match &self.mixed {
            None => Some((self.tag, nth)),
            Some(mixed) => {
                let (tag, nth) = mixed.get(nth)?;
                Some((*tag, *nth as usize))
            }
        }
    }
}

/// Counts arguments against the limit of a chunk.
fn spend(spent: &mut u64, count: usize) -> Result<(), ErrorKind> {
    *spent = spent.saturating_add(count as u64);
    limit("arguments of a chunk", *spent, MAX_CHUNK_VALUES)
}

impl Slots {
    /// Takes the arguments of events whose results are these; `files` gives their files where a list is told from them.
    pub(crate) fn take(
        parts: &mut PartsReader<'_>,
        results: &[i64],
        files: &dyn Fn() -> Result<Vec<i64>, ErrorKind>,
        spent: &mut u64,
    ) -> Result<Slots, ErrorKind> {
        let rows = results.len();
        let mut known_files: Option<Vec<i64>> = None;
        let most = parts.number()?;
        limit("arguments of an event", most, MAX_ARGS)?;
        let mut counts = Vec::new();
        match parts.byte()? {
            1 => {}
            0 => parts.bytes(rows, &mut counts)?,
            _ => return Err(malformed("argument counts")),
        }
        let mut slots: Vec<Slot> = Vec::new();
        for number in 0..most as usize {
            let has = |count: &&u8| usize::from(**count) > number;
            let count = if counts.is_empty() {
                rows
            } else {
                counts.iter().filter(has).count()
            };
            spend(spent, count)?;
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
                let context = match len {
                    0 => None,
                    _ => parts.peek_context(),
                };
                if context == Some(0) && known_files.is_none() {
                    known_files = Some(files()?);
                }
                let files = known_files.as_deref().unwrap_or_default();
                if len == rows {
                    *list =
                        parts.list(len, |context| whole(context, files, results, &slots, rows))?;
                    continue;
                }
                let Some(context) = context else {
                    *list = parts.list(len, |_| None)?;
                    continue;
                };
                // Of which rows these are, for what they are told from.
                let having = counts_rows(&counts, number, rows);
                let of: Vec<usize> = match tags.as_slice() {
                    [] => having.collect(),
                    tags => (having.zip(tags))
                        .filter(|(_, tag)| is(tag))
                        .map(|(row, _)| row)
                        .collect(),
                };
                let gathered: Vec<i64> = whole(context, files, results, &slots, rows)
                    .map(|all| {
                        of.iter()
                            .map(|row| all.get(*row).copied().unwrap_or(0))
                            .collect()
                    })
                    .unwrap_or_default();
                *list = parts.list(len, |_| Some(&gathered))?;
            }
            slots.push(Slot::of(number, &counts, tag, &tags, lists));
        }
        Ok(Slots { counts, slots })
    }

    /// Takes the arguments of so many events, as varints.
    pub(crate) fn take_varints(
        cursor: &mut Cursor<'_>,
        rows: usize,
        spent: &mut u64,
    ) -> Result<Slots, ErrorKind> {
        let most = cursor.varint()?;
        limit("arguments of an event", most, MAX_ARGS)?;
        let counts: Vec<u8> = match cursor.u8()? {
            1 => Vec::new(),
            0 => cursor.take(rows)?.to_vec(),
            _ => return Err(malformed("argument counts")),
        };
        let mut slots = Vec::new();
        for number in 0..most as usize {
            let count = match counts.is_empty() {
                true => rows,
                false => {
                    let has = |count: &&u8| usize::from(**count) > number;
                    counts.iter().filter(has).count()
                }
            };
            spend(spent, count)?;
            let tag = cursor.u8()?;
            let tags = match u16::from(tag) {
                value::MIXED => cursor.take(count)?.to_vec(),
                _ => Vec::new(),
            };
            let of = |wanted: u16| match (tags.as_slice(), u16::from(tag)) {
                ([], tag) if tag == wanted => count,
                (tags, _) => tags.iter().filter(|tag| u16::from(**tag) == wanted).count(),
            };
            let lists = [
                take_ints(cursor, of(value::NUM))?,
                take_ints(cursor, of(value::TEXT))?,
                take_ints(cursor, of(value::DATA))?,
            ];
            slots.push(Slot::of(number, &counts, tag, &tags, lists));
        }
        Ok(Slots { counts, slots })
    }

    /// What the argument of a number of the event that is the so-maniest of its type holds.
    pub(crate) fn held(&self, number: usize, nth: usize) -> Option<Held> {
        let has = |count: &u8| usize::from(*count) > number;
        if !self.counts.is_empty() && !self.counts.get(nth).is_some_and(has) {
            return None;
        }
        let slot = self.slots.get(number)?;
        let (tag, nth) = slot.place(nth)?;
        let place = |list: &[i64]| u32::try_from(*list.get(nth)?).ok();
        match u16::from(tag) {
            value::NUM => slot.nums.get(nth).copied().map(Held::Number),
            value::TEXT => place(&slot.texts).map(Held::Text),
            value::DATA => place(&slot.datas).map(Held::Payload),
            _ => None,
        }
    }

    /// Whether an argument of a number is an integer in any event, and bytes in any.
    pub(crate) fn kinds(&self, number: usize) -> (bool, bool) {
        self.slots.get(number).map_or((false, false), |slot| {
            let has_bytes = !slot.texts.is_empty() || !slot.datas.is_empty();
            (!slot.nums.is_empty(), has_bytes)
        })
    }

    /// The argument of a number of the event that is the so-maniest of its type, where that is an integer.
    pub(crate) fn number(&self, number: usize, nth: usize) -> Option<i64> {
        match self.held(number, nth)? {
            Held::Number(number) => Some(number),
            _ => None,
        }
    }

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
