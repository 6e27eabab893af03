//! Finding the key of an encrypted capture: in its header, or in the key block where the header is damaged.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::age::Identities;
use crate::block::tag_of;
use crate::cipher::FileKey;
use crate::error::ErrorKind;
use crate::layout::{FILE_HEAD, MAX_RECORD, block};
use crate::records::Lineage;
use crate::scan::{Piece, by_scan};
use crate::source::Source;
use crate::wire::Record;

/// Opens the key of an encrypted capture, which its header holds, and a block of its own once more.
pub(crate) fn unlock(
    source: &mut Source,
    tag: u64,
    identities: &Identities,
) -> Result<(), ErrorKind> {
    let header = source.block(FILE_HEAD as u64, tag).ok();
    let header =
        header.filter(|block| block.head.ty == block::HEADER && tag_of(block.body()) == tag);
    let lineage = match header {
        Some(block) => Lineage::decode(block.body())?,
        None => Lineage {
            key: key_block(source, tag)?.unwrap_or_default(),
            ..Lineage::default()
        },
    };
    if !lineage.key.is_empty() || !lineage.recipients.is_empty() {
        let key = FileKey::open(&lineage, identities)?;
        source.unlock(key);
    }
    Ok(())
}

/// The body of the first key block.
fn key_block(source: &Source, tag: u64) -> Result<Option<Vec<u8>>, ErrorKind> {
    let found = by_scan(source, tag)?
        .pieces
        .into_iter()
        .find_map(|piece| match piece {
            Piece::Block {
                offset,
                ty: block::KEY,
                ..
            } => Some(offset),
            _ => None,
        });
    let read = |offset| Ok(source.block(offset, tag)?.record(MAX_RECORD)?.into_owned());
    found.map(read).transpose()
}
