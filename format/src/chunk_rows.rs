//! The columns of chunks before version 1.3: one integer a row as varints, arguments type by type.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::args_read::Values;
use crate::chunk_read::{Body, end_of};
use crate::codec::take_ints;
use crate::error::{ErrorKind, limit, malformed};
use crate::heads::Heads;
use crate::layout::column;
use crate::wire::Cursor;
use afterimage_model::{Event, TypeId};
use std::collections::BTreeSet;

impl Body<'_> {
    /// The place of each row's type in the zone map's list.
    pub(crate) fn types_in_rows(&self, count: usize) -> Result<Vec<u16>, ErrorKind> {
        let place = |ty: i64| u16::try_from(ty).map_err(|_| malformed("type column"));
        let types = self.ints(column::TYPE, count)?;
        types.into_iter().map(place).collect()
    }

    /// The events without results and arguments.
    pub(crate) fn heads_in_rows(&self, count: usize) -> Result<Heads, ErrorKind> {
        let bytes = self.bytes_of(column::TIME)?;
        limit("events of a chunk", count as u64, bytes.len() as u64)?;
        let threads = self.threads(count)?;
        let mut cursor = Cursor::new(&bytes);
        let mut times = Vec::with_capacity(count);
        for (_, run) in &threads {
            let mut time = 0_u64;
            for _ in 0..*run {
                time = time.wrapping_add(cursor.varint()?);
                times.push(time);
            }
        }
        end_of(&cursor)?;
        Ok(Heads {
            threads,
            times,
            types: self.types_in_rows(count)?,
            cpus: self.ints(column::CPU, count)?,
            abis: self.ints(column::ABI, count)?,
            flags: self.ints(column::FLAGS, count)?,
            procs: self.ints(column::PROC, count)?,
            files: self.ints(column::FILE, count)?,
            latencies: self.ints(column::LATENCY, count)?,
            order: Vec::new(),
        })
    }

    /// Results and arguments, type by type; with `wanted`, arguments only where they are cheap or the type is wanted.
    pub(crate) fn fill_from_rows(
        &self,
        heads: &Heads,
        events: &mut [Event],
        wanted: Option<&BTreeSet<TypeId>>,
    ) -> Result<(), ErrorKind> {
        let rows_of_type = heads.by_type(&self.zone)?;
        let result_bytes = self.bytes_of(column::RESULT)?;
        let mut results = Cursor::new(&result_bytes);
        let shared_bytes = self.bytes_of(column::ARGS)?;
        let mut shared = Cursor::new(&shared_bytes);
        let mut values = Values::new(self);
        for ((ty, _), rows) in self.zone.types.iter().zip(&rows_of_type) {
            for (row, result) in rows.iter().zip(take_ints(&mut results, rows.len())?) {
                if let Some(event) = events.get_mut(*row as usize) {
                    event.result = result;
                }
            }
            let key = u32::from(ty.0).saturating_add(1);
            let own = self.has(column::ARGS, key);
            if own && wanted.is_some_and(|wanted| !wanted.contains(ty)) {
                continue;
            }
            match self.column(column::ARGS, key)? {
                Some(own) => {
                    let mut own = Cursor::new(&own);
                    values.take_args(&mut own, rows, events)?;
                    end_of(&own)?;
                }
                None => values.take_args(&mut shared, rows, events)?,
            }
        }
        end_of(&results)?;
        end_of(&shared)
    }
}
