//! The columns of a chunk one by one: each is read, checked and decompressed when it is asked for, and no other is.

use crate::args_read::Slots;
use crate::chunk_lists::Grouped;
use crate::chunk_read::{Body, ColumnInfo, Zone};
use crate::error::ErrorKind;
use crate::heads::Heads;
use crate::layout::column;
use afterimage_model::TypeId;

/// A chunk whose columns are read one by one. Rows are thread by thread, not in the order of the file.
pub struct Columns<'a> {
    pub(crate) body: Body<'a>,
}

/// Results and arguments of the events of one type, as integers; strings and payloads by their places.
pub struct Values {
    /// The rows, ascending.
    pub rows: Vec<u32>,
    /// The result of each.
    pub results: Vec<i64>,
    /// The arguments, each a list of what the rows that have it say.
    pub args: Vec<Vec<i64>>,
}

/// What is known of the events of a chunk, list by list.
pub struct Rows {
    heads: Heads,
    start: u64,
    grouped: Grouped,
}

impl Rows {
    /// Instants, ns since boot.
    pub fn times(&self) -> impl Iterator<Item = u64> {
        self.heads
            .times
            .iter()
            .map(|time| self.start.wrapping_add(*time))
    }

    /// Types: places in [`Zone::types`].
    pub fn types(&self) -> &[u16] {
        &self.heads.types
    }

    /// For each position in the file, the row that stands there.
    pub fn order(&self) -> &[u32] {
        &self.heads.order
    }

    /// Threads, and how many rows each has.
    pub fn threads(&self) -> &[(u32, usize)] {
        &self.heads.threads
    }
}

impl Columns<'_> {
    /// What the chunk says of itself.
    pub fn zone(&self) -> &Zone {
        &self.body.zone
    }

    /// What the directory says of each column.
    pub fn directory(&self) -> Vec<ColumnInfo> {
        self.body.list()
    }

    /// The type of each row: its place in [`Zone::types`].
    ///
    /// # Errors
    /// When the column cannot be read.
    pub fn types(&self) -> Result<Vec<u16>, ErrorKind> {
        let count = self.body.zone.events as usize;
        if self.body.in_lists() {
            self.body.types(count)
        } else {
            self.body.types_in_rows(count)
        }
    }

    /// The distinct strings of arguments and paths, one after another.
    ///
    /// # Errors
    /// When the column cannot be read.
    pub fn strings(&self) -> Result<Vec<u8>, ErrorKind> {
        Ok(self.body.bytes_of(column::TEXT_BYTES)?.into_owned())
    }

    /// Everything but results, arguments and the rows that are pointed at.
    ///
    /// # Errors
    /// When a column cannot be read.
    pub fn rows(&self) -> Result<Rows, ErrorKind> {
        let heads = self.body.heads()?;
        let grouped = Grouped::of(&heads.types, self.body.zone.types.len());
        Ok(Rows {
            heads,
            start: self.body.zone.start.0,
            grouped,
        })
    }

    /// Results and arguments of all types that have a column of their own.
    ///
    /// # Errors
    /// When a column cannot be read.
    pub fn values(&self, rows: &Rows) -> Result<Vec<(TypeId, Values)>, ErrorKind> {
        let mut found = Vec::new();
        let mut results = self.body.results(&rows.heads, &rows.grouped)?.into_iter();
        for (place, (ty, _)) in self.body.zone.types.iter().enumerate() {
            let key = u32::from(ty.0).saturating_add(1);
            if !self.body.has(column::VALUES, key) {
                continue;
            }
            let of_type = rows.grouped.rows_of(place).to_vec();
            let results = results.next().unwrap_or_default();
            let files = rows.grouped.of_type(place, &rows.heads.files);
            let slots = self.body.parts(column::VALUES, key, |parts| {
                Slots::take(parts, of_type.len(), &files, &results, 0)
            })?;
            let args = slots.map(Slots::into_lists).unwrap_or_default();
            let values = Values {
                rows: of_type,
                results,
                args,
            };
            found.push((*ty, values));
        }
        Ok(found)
    }
}
