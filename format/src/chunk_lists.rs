//! The columns of chunks from version 1.3 on: lists of integers in planes, most of them type by type.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::args_read::{Slots, Values};
use crate::chunk_read::{Body, end_of};
use crate::codec::take_ints;
use crate::error::{ErrorKind, malformed};
use crate::heads::Heads;
use crate::lanes::{Lanes, MISS, Recent};
use crate::layout::column;
use crate::lists::alone;
use crate::wire::Cursor;
use afterimage_model::{Event, TypeId};
use std::collections::BTreeSet;

impl Body<'_> {
    /// One integer per row.
    fn per_row(&self, number: u16, count: usize) -> Result<Vec<i64>, ErrorKind> {
        let taken = self.parts(number, 0, |parts| parts.list(count, alone))?;
        Ok(taken.unwrap_or_else(|| vec![0; count]))
    }

    /// The place of each row's type in the zone map's list.
    pub(crate) fn types(&self, count: usize) -> Result<Vec<u16>, ErrorKind> {
        let types = self.parts(column::TYPES, 0, |parts| parts.shorts(count))?;
        let types = types.unwrap_or_else(|| vec![0; count]);
        let largest = types.iter().copied().max().unwrap_or(0);
        if usize::from(largest) < self.zone.types.len() {
            Ok(types)
        } else {
            Err(malformed("type column"))
        }
    }

    /// The events without results and arguments.
    pub(crate) fn heads_in_lists(&self, count: usize) -> Result<Heads, ErrorKind> {
        let threads = self.threads(count)?;
        let types = self.types(count)?;
        let grouped = Grouped::of(&types, self.zone.types.len());
        let flags = match self.has(column::MARKS, 0) {
            true => grouped.to_rows(&self.per_row(column::MARKS, count)?),
            false => vec![0; count],
        };
        let mut waits = vec![false; count];
        let mut lost = Vec::new();
        self.parts(column::WAITS, 0, |parts| {
            let marks = parts.list(count, alone)?;
            let mut waiting = 0_usize;
            for (row, mark) in grouped.rows.iter().zip(&marks) {
                if let Some(waits) = waits.get_mut(*row as usize) {
                    *waits = *mark != 0;
                    waiting = waiting.saturating_add(usize::from(*mark != 0));
                }
            }
            lost = parts.list(waiting, alone)?;
            Ok(())
        })?;
        let steps = self.steps(&threads, &types, &waits)?;
        let mut latencies = Vec::new();
        if !lost.is_empty() {
            latencies.resize(count, 0);
            let waiting = grouped.rows.iter().map(|row| *row as usize);
            let waiting = waiting.filter(|row| waits.get(*row).is_some_and(|waits| *waits));
            for (row, lost) in waiting.zip(lost) {
                if let (Some(latency), Some(step)) = (latencies.get_mut(row), steps.get(row)) {
                    *latency = step.wrapping_sub(lost);
                }
            }
        }
        let files = self.files(&threads, &grouped, count)?;
        let mut times = Vec::with_capacity(count);
        let mut left = steps.iter();
        for (_, run) in &threads {
            let mut time = 0_u64;
            for step in left.by_ref().take(*run) {
                time = time.wrapping_add(*step as u64);
                times.push(time);
            }
        }
        Ok(Heads {
            threads,
            times,
            types,
            cpus: self.per_row(column::CPUS, count)?,
            abis: self.ints(column::ABI, count)?,
            flags,
            procs: self.per_row(column::PROCS, count)?,
            files,
            latencies,
            order: Vec::new(),
        })
    }

    /// Time since the row before in the same thread.
    fn steps(
        &self,
        threads: &[(u32, usize)],
        types: &[u16],
        waits: &[bool],
    ) -> Result<Vec<i64>, ErrorKind> {
        let mut befores = Vec::with_capacity(types.len());
        let mut rest = types;
        for (_, run) in threads {
            let (own, others) = rest
                .split_at_checked(*run)
                .ok_or_else(|| malformed("thread column"))?;
            if let Some((last, others)) = own.split_last() {
                befores.push(*own.first().unwrap_or(last));
                befores.extend_from_slice(others);
            }
            rest = others;
        }
        let lanes = Lanes::of(types, &befores, waits, self.zone.types.len());
        let lists = self.parts(column::TIMES, 0, |parts| {
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
    fn files(
        &self,
        threads: &[(u32, usize)],
        grouped: &Grouped,
        count: usize,
    ) -> Result<Vec<i64>, ErrorKind> {
        let taken = self.parts(column::RANKS, 0, |parts| {
            let codes = grouped.to_rows(&parts.list(count, alone)?);
            let misses = codes.iter().filter(|code| **code == MISS as i64).count();
            Ok((codes, parts.list(misses, alone)?))
        })?;
        let Some((codes, misses)) = taken else {
            return Ok(vec![0; count]);
        };
        let (mut codes, mut misses) = (codes.into_iter(), misses.into_iter());
        let mut recent = Recent::new();
        let mut files = Vec::with_capacity(count);
        for (_, run) in threads {
            recent.clear();
            for code in codes.by_ref().take(*run) {
                let file = match usize::try_from(code) {
                    Ok(0) => Some(0),
                    Ok(MISS) => {
                        let place = misses.next().and_then(|place| u32::try_from(place).ok());
                        let place = place.and_then(|place| place.checked_add(1));
                        place.inspect(|place| recent.put(*place))
                    }
                    Ok(code) => recent.file_of(code),
                    Err(_) => None,
                };
                files.push(i64::from(file.ok_or_else(|| malformed("rank column"))?));
            }
        }
        Ok(files)
    }

    /// Results and arguments, type by type; with `wanted`, arguments only where they are cheap or the type is wanted.
    pub(crate) fn fill_from_lists(
        &self,
        heads: &Heads,
        events: &mut [Event],
        wanted: Option<&BTreeSet<TypeId>>,
    ) -> Result<(), ErrorKind> {
        let positions = heads.by_type(&self.zone)?;
        let grouped = Grouped::of(&heads.types, self.zone.types.len());
        let rest_bytes = self.bytes_of(column::REST)?;
        let mut rest = Cursor::new(&rest_bytes);
        let mut values = Values::new(self);
        let mut all = self.results(heads, &grouped)?.into_iter();
        for (place, ((ty, _), rows)) in self.zone.types.iter().zip(&positions).enumerate() {
            let key = u32::from(ty.0).saturating_add(1);
            let own = self.has(column::VALUES, key);
            let results = if own {
                all.next().ok_or_else(|| malformed("result column"))?
            } else {
                take_ints(&mut rest, rows.len())?
            };
            let is_left = own && wanted.is_some_and(|wanted| !wanted.contains(ty));
            if !own || is_left {
                for (row, result) in rows.iter().zip(&results) {
                    if let Some(event) = events.get_mut(*row as usize) {
                        event.result = *result;
                    }
                }
            }
            if !own {
                values.take_args(&mut rest, rows, events)?;
            }
            if !own || is_left {
                continue;
            }
            let files = grouped.of_type(place, &heads.files);
            let spent = values.spent();
            let slots = self.parts(column::VALUES, key, |parts| {
                Slots::take(parts, rows.len(), &files, &results, spent)
            })?;
            if let Some(slots) = slots {
                values.count(&slots)?;
                values.put(&slots, &results, rows, events)?;
            }
        }
        end_of(&rest)
    }

    /// The results of each type that has a column of its own.
    pub(crate) fn results(
        &self,
        heads: &Heads,
        grouped: &Grouped,
    ) -> Result<Vec<Vec<i64>>, ErrorKind> {
        let taken = self.parts(column::RESULTS, 0, |parts| {
            let mut lists = Vec::new();
            for (place, (ty, _)) in self.zone.types.iter().enumerate() {
                if self.has(column::VALUES, u32::from(ty.0).saturating_add(1)) {
                    let files = grouped.of_type(place, &heads.files);
                    let context = |context| (context == 0).then_some(files.as_slice());
                    lists.push(parts.list(files.len(), context)?);
                }
            }
            Ok(lists)
        })?;
        Ok(taken.unwrap_or_default())
    }
}

/// The rows type by type.
pub(crate) struct Grouped {
    rows: Vec<u32>,
    /// Where each type ends.
    ends: Vec<usize>,
}

impl Grouped {
    pub(crate) fn of(types: &[u16], kinds: usize) -> Grouped {
        let mut next = vec![0_usize; kinds];
        for ty in types {
            if let Some(count) = next.get_mut(usize::from(*ty)) {
                *count = count.saturating_add(1);
            }
        }
        let mut from = 0_usize;
        for start in &mut next {
            let count = *start;
            *start = from;
            from = from.saturating_add(count);
        }
        let mut rows = vec![0_u32; types.len()];
        for (row, ty) in (0_u32..).zip(types) {
            if let Some(at) = next.get_mut(usize::from(*ty)) {
                if let Some(to) = rows.get_mut(*at) {
                    *to = row;
                }
                *at = at.saturating_add(1);
            }
        }
        // Each start has moved to where its type ends.
        Grouped { rows, ends: next }
    }

    /// What is told type by type, row by row.
    fn to_rows(&self, values: &[i64]) -> Vec<i64> {
        let mut rows = vec![0; values.len()];
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
    pub(crate) fn of_type(&self, place: usize, values: &[i64]) -> Vec<i64> {
        let value = |row: &u32| values.get(*row as usize).copied().unwrap_or(0);
        self.rows_of(place).iter().map(value).collect()
    }
}
