//! The columns of a chunk one by one: each is read, checked and decompressed when it is asked for, and no other is.

use crate::args_read::Slots;
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
pub struct Values<'h> {
    /// The rows, ascending.
    pub rows: &'h [u32],
    /// The result of each.
    pub results: &'h [i64],
    /// The arguments, each a list of what the rows that have it say.
    pub args: Vec<Vec<i64>>,
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

    /// The distinct strings of arguments and paths, one after another.
    ///
    /// # Errors
    /// When the column cannot be read.
    pub fn strings(&self) -> Result<Vec<u8>, ErrorKind> {
        Ok(self.body.bytes_of(column::TEXT_BYTES)?.into_owned())
    }

    /// The lists of the events, each taken when it is asked for.
    ///
    /// # Errors
    /// When there are more events than memory has room for.
    pub fn heads(&self) -> Result<Heads<'_>, ErrorKind> {
        Heads::new(&self.body)
    }

    /// Results and arguments of all types that have a column of their own.
    ///
    /// # Errors
    /// When a column cannot be read.
    pub fn values<'h>(&self, heads: &'h Heads<'_>) -> Result<Vec<(TypeId, Values<'h>)>, ErrorKind> {
        let types = &self.body.zone.types;
        let own: Vec<bool> = types
            .iter()
            .map(|(ty, _)| self.body.has_values(*ty))
            .collect();
        let (mut found, mut spent) = (Vec::new(), 0);
        for (place, results) in heads.results(&own)?.into_iter().enumerate() {
            let (Some((rows, results)), Some(ty)) = (results, heads.type_at(place)) else {
                continue;
            };
            let slots = heads.own_slots(place, results, &mut spent)?;
            let values = Values {
                rows,
                results,
                args: slots.map(Slots::into_lists).unwrap_or_default(),
            };
            found.push((ty, values));
        }
        Ok(found)
    }
}
