//! The columns of chunks before version 1.3: one integer a row as varints, arguments type by type.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::args_read::Slots;
use crate::chunk_read::{Body, end_of};
use crate::codec::take_ints;
use crate::error::{ErrorKind, limit, malformed};
use crate::heads::{Heads, Rest};
use crate::layout::column;
use crate::wire::Cursor;

impl Body<'_> {
    /// The place of each row's type in the zone map's list.
    pub(crate) fn types_in_rows(&self, count: usize) -> Result<Vec<u16>, ErrorKind> {
        let place = |ty: i64| u16::try_from(ty).map_err(|_| malformed("type column"));
        let types = self.ints(column::TYPE, count)?;
        types.into_iter().map(place).collect()
    }
}

impl Heads<'_> {
    pub(crate) fn times_in_rows(&self) -> Result<Vec<u64>, ErrorKind> {
        let bytes = self.body.bytes_of(column::TIME)?;
        limit("events of a chunk", self.count as u64, bytes.len() as u64)?;
        let mut cursor = Cursor::new(&bytes);
        let mut times = Vec::with_capacity(self.count);
        for (_, run) in self.threads()? {
            let mut time = self.zone().start.0;
            for _ in 0..*run {
                time = time.wrapping_add(cursor.varint()?);
                times.push(time);
            }
        }
        end_of(&cursor)?;
        Ok(times)
    }

    /// The results of all types.
    pub(crate) fn take_results_in_rows(
        &self,
        put: &mut dyn FnMut(usize, Vec<i64>),
    ) -> Result<(), ErrorKind> {
        let bytes = self.body.bytes_of(column::RESULT)?;
        let mut cursor = Cursor::new(&bytes);
        for place in 0..self.zone().types.len() {
            let count = self.grouped()?.rows_of(place).len();
            put(place, take_ints(&mut cursor, count)?);
        }
        end_of(&cursor)
    }

    /// Arguments of the types without a column of their own.
    pub(crate) fn take_shared(&self) -> Result<Vec<Rest>, ErrorKind> {
        let bytes = self.body.bytes_of(column::ARGS)?;
        let mut cursor = Cursor::new(&bytes);
        let (mut found, mut spent) = (Vec::new(), 0);
        for (place, (ty, _)) in self.zone().types.iter().enumerate() {
            if self
                .body
                .has(column::ARGS, u32::from(ty.0).saturating_add(1))
            {
                continue;
            }
            let count = self.grouped()?.rows_of(place).len();
            let slots = Slots::take_varints(&mut cursor, count, &mut spent)?;
            found.push(Rest {
                place,
                results: Vec::new(),
                slots,
            });
        }
        end_of(&cursor)?;
        Ok(found)
    }

    /// The arguments of a type that has a column of its own.
    pub(crate) fn own_args(
        &self,
        place: usize,
        spent: &mut u64,
    ) -> Result<Option<Slots>, ErrorKind> {
        let key = self
            .type_at(place)
            .map_or(0, |ty| u32::from(ty.0).saturating_add(1));
        let Some(bytes) = self.body.column(column::ARGS, key)? else {
            return Ok(None);
        };
        let mut cursor = Cursor::new(&bytes);
        let count = self.grouped()?.rows_of(place).len();
        let slots = Slots::take_varints(&mut cursor, count, spent)?;
        end_of(&cursor)?;
        Ok(Some(slots))
    }
}
