//! Saving what a torn or damaged capture still holds: whole blocks are copied, bodies unchanged, into a new sealed file that
//! names the old one by its hash. Never overwrites.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::block::{FileHead, tag_of};
use crate::error::{Digest, Error, ErrorKind, Place};
use crate::layout::{FILE_HEAD, MAX_RECORD, block};
use crate::read::Reader;
use crate::records::{Lineage, Note, ZoneRecord};
use crate::scan::{Piece, by_scan};
use crate::source::Source;
use crate::wire::Record;
use crate::write::Blocks;
use afterimage_model::{Gap, Manifest, Totals};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// What [`recover`] saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// BLAKE3 of the whole damaged file.
    pub parent: Digest,
    /// Blocks copied.
    pub blocks: u64,
    /// Chunks among them.
    pub chunks: u64,
    /// Events in those.
    pub events: u64,
    /// The gaps the damage left, written to the new file.
    pub gaps: Vec<Gap>,
}

/// Copies every whole block of `from` into the new file `to`, which must not exist. Blocks of unknown types are copied too.
pub fn recover(from: &Path, to: &Path) -> Result<Recovered, Error> {
    let source = Source::open(from)?;
    let head = source
        .bytes(0, source.len().min(FILE_HEAD as u64))
        .map_err(Error::file)?;
    let tag = FileHead::decode(&head)
        .map_err(|kind| Error::at(Place::File, 0, kind))?
        .tag;
    let layout = by_scan(&source, tag).map_err(Error::file)?;
    // The gaps with all that is known of them are the reader's to tell.
    let reader = Reader::open(from)?;
    let parent = hash(&source).map_err(Error::file)?;

    let output = |kind| Error {
        place: Place::Output,
        offset: None,
        kind,
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(to, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| output(ErrorKind::Io(errno.into())))?;
    let lineage = Lineage {
        parent: parent.0.to_vec(),
        derived_by: "recover".to_owned(),
    };
    let mut header = match layout.pieces.first() {
        Some(Piece::Block {
            offset,
            ty: block::HEADER,
            ..
        }) => {
            let body = source
                .block(*offset, tag)
                .map_err(|kind| Error::at(Place::Block(0), *offset, kind))?
                .body;
            if tag_of(&body) == tag {
                body
            } else {
                Manifest::default().encode()
            }
        }
        _ => Manifest::default().encode(),
    };
    lineage.put(&mut header);
    let mut blocks = Blocks::new(BufWriter::new(File::from(fd)), &header)?;
    let (mut damage, mut recovered) = (
        0_u64,
        Recovered {
            parent,
            blocks: 0,
            chunks: 0,
            events: 0,
            gaps: Vec::new(),
        },
    );
    for piece in &layout.pieces {
        match piece {
            Piece::Damage { .. } => damage = damage.saturating_add(1),
            Piece::Block {
                ty: block::HEADER | block::CHECKPOINT | block::INDEX | block::FOOTER,
                ..
            } => {}
            Piece::Block {
                offset,
                ty,
                seq,
                zone,
                ..
            } => {
                let block = source
                    .block(*offset, tag)
                    .map_err(|kind| Error::at(Place::Block(*seq), *offset, kind))?;
                let zone = zone
                    .as_ref()
                    .map_or_else(ZoneRecord::default, |zone| ZoneRecord {
                        events: zone.events,
                        first_num: zone.first_num,
                        start: zone.start,
                        end: zone.end,
                        ..ZoneRecord::default()
                    });
                blocks.append(*ty, block.head.flags, &block.body, &zone)?;
                recovered.blocks = recovered.blocks.saturating_add(1);
                if *ty == block::CHUNK {
                    recovered.chunks = recovered.chunks.saturating_add(1);
                    recovered.events = recovered.events.saturating_add(zone.events);
                }
            }
        }
    }
    // Recorded gaps were copied with the other blocks; what the reader found beyond them is new.
    let mut copied = recorded_gaps(&source, tag, &layout.pieces);
    for gap in reader.gaps() {
        match copied.iter().position(|other| other == gap) {
            Some(at) => {
                copied.swap_remove(at);
            }
            None => {
                blocks.append(block::GAP, 0, &gap.encode(), &ZoneRecord::default())?;
                recovered.gaps.push(gap.clone());
            }
        }
    }
    let note = Note {
        author: concat!("afterimage ", env!("CARGO_PKG_VERSION")).to_owned(),
        text: format!(
            "recovered from a file with BLAKE3 {parent}: {} whole blocks, {damage} damaged stretches",
            recovered.blocks
        ),
        ..Note::default()
    };
    blocks.append(block::NOTE, 0, &note.encode(), &ZoneRecord::default())?;
    let totals = reader.totals().cloned().unwrap_or(Totals {
        written: recovered.events,
        ..Totals::default()
    });
    let file = blocks
        .seal(&totals)?
        .into_inner()
        .map_err(|error| output(ErrorKind::Io(error.into_error())))?;
    file.sync_all()
        .map_err(|error| output(ErrorKind::Io(error)))?;
    Ok(recovered)
}

fn recorded_gaps(source: &Source, tag: u64, pieces: &[Piece]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for piece in pieces {
        if let Piece::Block {
            offset,
            ty: block::GAP,
            ..
        } = piece
            && let Ok(block) = source.block(*offset, tag)
            && let Ok(gap) = block
                .record(MAX_RECORD)
                .and_then(|record| crate::records::decode_gap(&record))
        {
            gaps.push(gap);
        }
    }
    gaps
}

fn hash(source: &Source) -> Result<Digest, ErrorKind> {
    let (mut hasher, mut at) = (blake3::Hasher::new(), 0_u64);
    while at < source.len() {
        let bytes = source.bytes(at, source.len().saturating_sub(at).min(1 << 20))?;
        hasher.update(&bytes);
        at = at.saturating_add(bytes.len() as u64);
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}
