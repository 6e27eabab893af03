//! Saving what a torn or damaged capture still holds: whole blocks are copied, bodies unchanged, into a new sealed file that
//! names the old one by its hash. Never overwrites.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::block::{Block, FileHead, tag_of};
use crate::error::{Digest, Error, ErrorKind, Place};
use crate::layout::{FILE_HEAD, MAX_RECORD, block};
use crate::read::Reader;
use crate::records::{Lineage, Names, Note, ZoneRecord, names};
use crate::scan::{Piece, by_scan};
use crate::source::Source;
use crate::wire::Record;
use crate::write::Blocks;
use afterimage_model::{Gap, Manifest, Schema, Totals};
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
/// Where header or schema cannot be read, blank ones take their place. A file with nothing after them is refused, and a
/// failure leaves no file behind.
pub fn recover(from: &Path, to: &Path) -> Result<Recovered, Error> {
    let source = Source::open(from)?;
    let head = source
        .bytes(0, source.len().min(FILE_HEAD as u64))
        .map_err(Error::file)?;
    let tag = FileHead::decode(&head)
        .map_err(|kind| Error::at(Place::File, 0, kind))?
        .tag;
    let layout = by_scan(&source, tag).map_err(Error::file)?;
    let rescue = Rescue {
        parent: hash(&source).map_err(Error::file)?,
        // The gaps with all that is known of them are the reader's to tell.
        reader: Reader::open(from)?,
        source,
        tag,
        pieces: layout.pieces,
    };
    rescue.check()?;

    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(to, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| output(errno.into()))?;
    // Half a copy would pass for all that could be saved.
    rescue.write(File::from(fd)).inspect_err(|_| {
        let _ = std::fs::remove_file(to);
    })
}

fn output(error: std::io::Error) -> Error {
    Error {
        place: Place::Output,
        offset: None,
        kind: ErrorKind::Io(error),
    }
}

/// A damaged file and what is whole in it.
struct Rescue {
    source: Source,
    tag: u64,
    pieces: Vec<Piece>,
    reader: Reader,
    parent: Digest,
}

impl Rescue {
    /// The place of the schema block, if it is whole.
    fn schema(&self) -> Option<u64> {
        self.pieces.iter().find_map(|piece| match piece {
            Piece::Block {
                offset,
                ty: block::SCHEMA,
                seq: 1,
                ..
            } => Some(*offset),
            _ => None,
        })
    }

    /// Whether there is anything to save: a file torn before its schema ended never held an event.
    fn check(&self) -> Result<(), Error> {
        let copied = self
            .pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Block { ty, .. } if !is_rewritten(*ty)));
        if copied || self.schema().is_some() {
            return Ok(());
        }
        let offset = self.pieces.iter().find_map(|piece| match piece {
            Piece::Damage { offset, .. } => Some(*offset),
            Piece::Block { .. } => None,
        });
        Err(Error {
            place: Place::Block(1),
            offset,
            kind: ErrorKind::Missing { what: "schema" },
        })
    }

    fn block(&self, offset: u64, seq: u64) -> Result<Block, Error> {
        self.source
            .block(offset, self.tag)
            .map_err(|kind| Error::at(Place::Block(seq), offset, kind))
    }

    /// The header's body, naming the damaged file.
    fn header(&self) -> Result<Vec<u8>, Error> {
        let mut header = Manifest::default().encode();
        if let Some(Piece::Block {
            offset,
            ty: block::HEADER,
            ..
        }) = self.pieces.first()
        {
            let body = self.block(*offset, 0)?.body;
            if tag_of(&body) == self.tag {
                header = body;
            }
        }
        let lineage = Lineage {
            parent: self.parent.0.to_vec(),
            derived_by: "recover".to_owned(),
            ..Lineage::default()
        };
        lineage.put(&mut header);
        Ok(header)
    }

    fn write(&self, file: File) -> Result<Recovered, Error> {
        let none = ZoneRecord::default();
        let mut blocks = Blocks::new(BufWriter::new(file), &self.header()?)?;
        match self.schema() {
            Some(offset) => {
                let schema = self.block(offset, 1)?;
                blocks.append(block::SCHEMA, schema.head.flags, &schema.body, &none)?;
            }
            None => {
                // Which types the events had is lost; what the format's own numbers mean is not.
                let mut schema = Schema::default().encode();
                Names { names: names() }.put(&mut schema);
                blocks.append(block::SCHEMA, 0, &schema, &none)?;
            }
        }
        let (mut damage, mut recovered) = (
            0_u64,
            Recovered {
                parent: self.parent,
                blocks: u64::from(self.schema().is_some()),
                chunks: 0,
                events: 0,
                gaps: Vec::new(),
            },
        );
        for piece in &self.pieces {
            match piece {
                Piece::Damage { .. } => damage = damage.saturating_add(1),
                Piece::Block { ty, .. } if is_rewritten(*ty) => {}
                Piece::Block {
                    offset,
                    ty,
                    seq,
                    zone,
                    ..
                } => {
                    let block = self.block(*offset, *seq)?;
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
        let mut copied = recorded_gaps(&self.source, self.tag, &self.pieces);
        for gap in self.reader.gaps() {
            match copied.iter().position(|other| other == gap) {
                Some(at) => {
                    copied.swap_remove(at);
                }
                None => {
                    blocks.append(block::GAP, 0, &gap.encode(), &none)?;
                    recovered.gaps.push(gap.clone());
                }
            }
        }
        let note = Note {
            author: concat!("afterimage ", env!("CARGO_PKG_VERSION")).to_owned(),
            text: format!(
                "recovered from a file with BLAKE3 {}: {} whole blocks, {damage} damaged stretches",
                self.parent, recovered.blocks
            ),
            ..Note::default()
        };
        blocks.append(block::NOTE, 0, &note.encode(), &none)?;
        let totals = self.reader.totals().cloned().unwrap_or(Totals {
            written: recovered.events,
            ..Totals::default()
        });
        let file = blocks
            .seal(&totals)?
            .into_inner()
            .map_err(|error| output(error.into_error()))?;
        file.sync_all().map_err(output)?;
        Ok(recovered)
    }
}

/// Blocks that every file has of its own, and that are therefore not copied with the rest.
fn is_rewritten(ty: u16) -> bool {
    matches!(
        ty,
        block::HEADER | block::SCHEMA | block::CHECKPOINT | block::INDEX | block::FOOTER
    )
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
