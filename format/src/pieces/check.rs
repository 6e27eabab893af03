//! Whether the filter of texts of a chunk tells the truth: one that lacks what is there would hide it from searches.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::Pieces;
use crate::chunk_read::Body;
use crate::error::{ErrorKind, malformed};
use crate::heads::{Heads, Held};
use crate::layout::PROCESS_HASH;
use crate::wire::{Cursor, Record};
use afterimage_model::Tables;

/// What a text that is not among the pieces makes of the chunk.
fn told(pieces: &Pieces, text: &[u8]) -> Result<(), ErrorKind> {
    match pieces.may_hold_text(text) {
        true => Ok(()),
        false => Err(malformed("filter of texts, which lacks one that is there")),
    }
}

/// The fields of a record whose values are texts, or pairs of them.
pub(crate) fn text_fields<R: Record>() -> Vec<u64> {
    let rows = R::rows().into_iter();
    let texts = rows.filter(|row| matches!(row.wire, "bytes" | "text" | "text*" | "pair*"));
    texts.map(|row| row.tag).collect()
}

/// The texts of a row.
fn row<R: Record>(pieces: &Pieces, row: &R, besides: u64) -> Result<(), ErrorKind> {
    let paired = R::rows().into_iter().filter(|row| row.wire == "pair*");
    let paired: Vec<u64> = paired.map(|row| row.tag).collect();
    let texts = text_fields::<R>();
    let bytes = row.encode();
    let mut cursor = Cursor::new(&bytes);
    while let Some((tag, value)) = cursor.field()? {
        if tag == besides || !texts.contains(&tag) {
            continue;
        }
        if !paired.contains(&tag) {
            told(pieces, value)?;
            continue;
        }
        let mut pair = Cursor::new(value);
        while let Some((_, text)) = pair.field()? {
            told(pieces, text)?;
        }
    }
    Ok(())
}

impl Body<'_> {
    /// Compares the filter of texts with the strings, of a chunk with these rows.
    ///
    /// # Errors
    /// When it lacks one, or something cannot be read.
    pub(crate) fn check_pieces(&self, tables: &Tables) -> Result<(), ErrorKind> {
        let pieces = &self.zone.pieces;
        if pieces.bytes() == 0 {
            return Ok(());
        }
        for process in tables.procs.values() {
            row(pieces, process.as_ref(), PROCESS_HASH)?;
        }
        for container in tables.containers.values() {
            row(pieces, container.as_ref(), 0)?;
        }
        for file in tables.files.values() {
            row(pieces, file.as_ref(), 0)?;
        }
        for user in tables.users.values() {
            row(pieces, user.as_ref(), 0)?;
        }
        for group in tables.groups.values() {
            row(pieces, group.as_ref(), 0)?;
        }
        let heads = Heads::new(self)?;
        let texts = heads.texts()?;
        let mut seen = vec![false; texts.run().1.len()];
        for place in 0..self.zone.types.len() {
            let (rows, args) = (heads.rows_of(place)?.len(), heads.args(place)?);
            for number in 0..crate::layout::MAX_ARGS as usize {
                for nth in 0..rows {
                    let Some(Held::Text(text)) = args.get(number, nth) else {
                        continue;
                    };
                    if let Some(seen) = seen.get_mut(text as usize)
                        && !std::mem::replace(seen, true)
                    {
                        let text = texts.get(text as usize);
                        told(pieces, text.map_or(&[], |text| text.0))?;
                    }
                }
            }
        }
        Ok(())
    }
}
