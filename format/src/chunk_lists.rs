//! The columns of chunks from version 1.3 on: lists of integers in planes, most of them type by type.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::args_read::Slots;
use crate::chunk_read::{Body, end_of};
use crate::codec::take_ints;
use crate::deal::Deal;
use crate::error::{ErrorKind, malformed};
use crate::heads::{Heads, Rest, Waits};
use crate::lanes::{Lanes, MISS, Recent};
use crate::layout::column;
use crate::lists::{Narrow, alone};
use crate::wire::Cursor;
use afterimage_model::TypeId;

impl Body<'_> {
    /// One integer of a smaller kind per row.
    pub(crate) fn narrow<T: Narrow>(&self, number: u16, count: usize) -> Result<Vec<T>, ErrorKind> {
        let taken = self.parts(number, 0, |parts| parts.narrow(count))?;
        Ok(taken.unwrap_or_else(|| vec![T::default(); count]))
    }

    /// The place of each row's type in the zone map's list.
    pub(crate) fn types_in_lists(&self, count: usize) -> Result<Vec<u16>, ErrorKind> {
        let types = self.parts(column::TYPES, 0, |parts| parts.plain(count))?;
        let types: Vec<u16> = types.unwrap_or_else(|| vec![0; count]);
        let largest = types.iter().copied().max().unwrap_or(0);
        if usize::from(largest) < self.zone.types.len() {
            Ok(types)
        } else {
            Err(malformed("type column"))
        }
    }
}

/// What is of a thread that has so many rows, and what is of those after it.
fn of_thread<T>(rows: &[T], run: usize) -> Result<(&[T], &[T]), ErrorKind> {
    let parted = rows.split_at_checked(run);
    parted.ok_or_else(|| malformed("thread column"))
}

impl Heads<'_> {
    pub(crate) fn marks_in_lists(&self) -> Result<Vec<u16>, ErrorKind> {
        match self.body.has(column::MARKS, 0) {
            true => {
                let marks: Vec<u16> = self.body.narrow(column::MARKS, self.count)?;
                match marks.split_first() {
                    Some((first, rest)) if rest.iter().all(|marks| marks == first) => Ok(marks),
                    _ => Ok(self.grouped()?.to_rows(&marks)),
                }
            }
            false => Ok(vec![0; self.count]),
        }
    }

    pub(crate) fn waits_in_lists(&self) -> Result<Waits, ErrorKind> {
        let mut found = Waits {
            waits: vec![false; self.count],
            rows: Vec::new(),
            lost: Vec::new(),
        };
        if !self.body.has(column::WAITS, 0) {
            return Ok(found);
        }
        let grouped = self.grouped()?;
        self.body.parts(column::WAITS, 0, |parts| {
            let marks: Vec<u8> = parts.narrow(self.count)?;
            let mut rows = vec![0; self.count];
            let mut waiting = 0_usize;
            for (row, mark) in grouped.rows().iter().zip(&marks) {
                if let Some(to) = rows.get_mut(waiting) {
                    *to = *row;
                }
                waiting = waiting.saturating_add(usize::from(*mark != 0));
            }
            rows.truncate(waiting);
            for row in &rows {
                if let Some(waits) = found.waits.get_mut(*row as usize) {
                    *waits = true;
                }
            }
            found.rows = rows;
            found.lost = parts.list(waiting, alone)?;
            Ok(())
        })?;
        Ok(found)
    }

    pub(crate) fn latencies_in_lists(&self) -> Result<Vec<u64>, ErrorKind> {
        let mut latencies = vec![0; self.count];
        let Waits { rows, lost, .. } = self.waits()?;
        if rows.is_empty() {
            return Ok(latencies);
        }
        let steps = self.steps()?;
        for (row, lost) in rows.iter().map(|row| *row as usize).zip(lost) {
            if let (Some(latency), Some(step)) = (latencies.get_mut(row), steps.get(row)) {
                *latency = step.wrapping_sub(*lost) as u64;
            }
        }
        Ok(latencies)
    }

    pub(crate) fn times_in_lists(&self) -> Result<Vec<u64>, ErrorKind> {
        let mut times = Vec::with_capacity(self.count);
        let mut left = self.steps()?;
        for (_, run) in self.threads()? {
            let (own, others) = of_thread(left, *run)?;
            left = others;
            let mut time = self.zone().start.0;
            times.extend(own.iter().map(|step| {
                time = time.wrapping_add(*step as u64);
                time
            }));
        }
        Ok(times)
    }

    /// Time since the row before in the same thread.
    pub(crate) fn steps_in_lists(&self) -> Result<Vec<i64>, ErrorKind> {
        let types = self.types()?;
        let mut befores = Vec::with_capacity(types.len());
        let mut rest = types;
        for (_, run) in self.threads()? {
            let (own, others) = of_thread(rest, *run)?;
            if let Some((last, others)) = own.split_last() {
                befores.push(*own.first().unwrap_or(last));
                befores.extend_from_slice(others);
            }
            rest = others;
        }
        let lanes = Lanes::of(
            types,
            &befores,
            &self.waits()?.waits,
            self.zone().types.len(),
        );
        let lists = self.body.parts(column::TIMES, 0, |parts| {
            let lists = lanes.counts.iter().map(|count| parts.list(*count, alone));
            lists.collect::<Result<Vec<_>, _>>()
        })?;
        let lists = lists.unwrap_or_default();
        let mut next: Vec<_> = lists.iter().map(|list| list.iter()).collect();
        let mut steps = Vec::with_capacity(types.len());
        for lane in &lanes.of_row {
            let step = next.get_mut(usize::from(*lane)).and_then(Iterator::next);
            steps.push(*step.ok_or_else(|| malformed("time column"))?);
        }
        Ok(steps)
    }

    /// 0, or 1 + place in the file list.
    pub(crate) fn files_in_lists(&self) -> Result<Vec<u32>, ErrorKind> {
        if !self.body.has(column::RANKS, 0) {
            return Ok(vec![0; self.count]);
        }
        let grouped = self.grouped()?;
        let taken = self.body.parts(column::RANKS, 0, |parts| {
            let codes: Vec<u16> = grouped.to_rows(&parts.narrow(self.count)?);
            let misses = codes.iter().filter(|code| usize::from(**code) == MISS);
            let misses = misses.count();
            Ok((codes, parts.list(misses, alone)?))
        })?;
        let (codes, misses) = taken.unwrap_or_default();
        let (mut codes, mut misses) = (codes.as_slice(), misses.into_iter());
        let mut recent = Recent::new();
        let mut files = Vec::with_capacity(self.count);
        let mut is_bad = false;
        for (_, run) in self.threads()? {
            recent.clear();
            let (own, others) = of_thread(codes, *run)?;
            codes = others;
            files.extend(own.iter().map(|code| {
                let file = match usize::from(*code) {
                    0 => return 0,
                    // Mostly the one it used before.
                    1 => recent.newest(),
                    MISS => {
                        let place = misses.next().and_then(|place| u32::try_from(place).ok());
                        let place = place.and_then(|place| place.checked_add(1));
                        place.inspect(|place| recent.put(*place))
                    }
                    code => recent.file_of(code),
                };
                is_bad |= file.is_none();
                file.unwrap_or(0)
            }));
        }
        match is_bad {
            true => Err(malformed("rank column")),
            false => Ok(files),
        }
    }

    /// The results of the types that are wanted and have a column of their own.
    pub(crate) fn take_results_in_lists(
        &self,
        wanted: &dyn Fn(usize) -> bool,
        put: &mut dyn FnMut(usize, Vec<i64>),
    ) -> Result<(), ErrorKind> {
        self.body.parts(column::RESULTS, 0, |parts| {
            for (place, (ty, _)) in self.zone().types.iter().enumerate() {
                if !self.body.has_values(*ty) {
                    continue;
                }
                let count = self.grouped()?.rows_of(place).len();
                if !wanted(place) {
                    parts.skip(count)?;
                    continue;
                }
                let files = match parts.peek_context() {
                    Some(0) => self.grouped()?.of_type(place, self.files()?),
                    _ => Vec::new(),
                };
                let context = |context| (context == 0).then_some(files.as_slice());
                put(place, parts.list(count, context)?);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Results and arguments of the types without a column of their own.
    pub(crate) fn take_rest(&self) -> Result<Vec<Rest>, ErrorKind> {
        let bytes = self.body.bytes_of(column::REST)?;
        let mut cursor = Cursor::new(&bytes);
        let (mut found, mut spent) = (Vec::new(), 0);
        for (place, (ty, _)) in self.zone().types.iter().enumerate() {
            if self.body.has_values(*ty) {
                continue;
            }
            let count = self.grouped()?.rows_of(place).len();
            let results = take_ints(&mut cursor, count)?;
            let slots = Slots::take_varints(&mut cursor, count, &mut spent)?;
            found.push(Rest {
                place,
                results,
                slots,
            });
        }
        end_of(&cursor)?;
        Ok(found)
    }

    /// The arguments of a type that has a column of its own, whose results are these.
    pub(crate) fn own_slots(
        &self,
        place: usize,
        results: &[i64],
        spent: &mut u64,
    ) -> Result<Option<Slots>, ErrorKind> {
        let Some(ty) = self.type_at(place).filter(|ty| self.body.has_values(*ty)) else {
            return Ok(None);
        };
        let key = u32::from(ty.0).saturating_add(1);
        self.body.parts(column::VALUES, key, |parts| {
            let files = || Ok(self.grouped()?.of_type(place, self.files()?));
            Slots::take(parts, results, &files, spent)
        })
    }
}

/// The rows type by type.
pub(crate) struct Grouped {
    rows: Vec<u32>,
    /// Where each type ends.
    ends: Vec<usize>,
}

impl Grouped {
    /// Of rows of these types, of which there must be as many as is said.
    pub(crate) fn of(types: &[u16], kinds: &[(TypeId, u64)]) -> Result<Grouped, ErrorKind> {
        let mut deal = Deal::of(types, kinds.len());
        let ends = std::mem::take(&mut deal.ends);
        let mut start = 0;
        for (end, (_, expected)) in ends.iter().zip(kinds) {
            let found = end.saturating_sub(start) as u64;
            if found != *expected {
                return Err(ErrorKind::Mismatch {
                    what: "events of a type",
                    expected: *expected,
                    found,
                });
            }
            start = *end;
        }
        let mut rows = vec![0_u32; types.len()];
        deal.each(types, |row, place| {
            if let Some(to) = rows.get_mut(place) {
                *to = row as u32;
            }
        });
        Ok(Grouped { rows, ends })
    }

    /// For each row its place among the rows of its type.
    pub(crate) fn ranks(&self) -> Vec<u32> {
        let mut ranks = vec![0; self.rows.len()];
        for place in 0..self.ends.len() {
            for (rank, row) in (0_u32..).zip(self.rows_of(place)) {
                if let Some(to) = ranks.get_mut(*row as usize) {
                    *to = rank;
                }
            }
        }
        ranks
    }

    /// All rows in type order.
    pub(crate) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// What is told type by type, row by row.
    pub(crate) fn to_rows<T: Copy + Default>(&self, values: &[T]) -> Vec<T> {
        let mut rows = vec![T::default(); values.len()];
        for (row, value) in self.rows.iter().zip(values) {
            if let Some(to) = rows.get_mut(*row as usize) {
                *to = *value;
            }
        }
        rows
    }

    /// The rows of a type.
    pub(crate) fn rows_of(&self, place: usize) -> &[u32] {
        let from = place
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        let to = self.ends.get(place).copied().unwrap_or(0);
        self.rows
            .get(from.copied().unwrap_or(0)..to)
            .unwrap_or_default()
    }

    /// The values of the rows of a type.
    pub(crate) fn of_type(&self, place: usize, values: &[u32]) -> Vec<i64> {
        let value = |row: &u32| {
            values
                .get(*row as usize)
                .map_or(0, |value| i64::from(*value))
        };
        self.rows_of(place).iter().map(value).collect()
    }
}
