//! Saving what a torn or damaged capture still holds: whole blocks are copied, bodies unchanged, into a new sealed file that
//! names the old one by its hash. Never overwrites.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::age::{Identities, Recipient};
use crate::block::{Block, FileHead, tag_of};
use crate::custody::Deed;
use crate::derive::{Origin, random_id};
use crate::error::{Digest, Error, ErrorKind, Place};
use crate::keys::SecretKey;
use crate::layout::{FILE_HEAD, MAX_RECORD, block};
use crate::output;
use crate::records::{Lineage, Names, Note, ZoneRecord, names};
use crate::scan::{Piece, by_scan};
use crate::source::Source;
use crate::unlock::unlock;
use crate::wire::{Cursor, Record, put_field};
use crate::write::{Blocks, Vault, made_at};
use afterimage_model::{Gap, Manifest, Schema, Totals};
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
///
/// An encrypted file is opened with one of the identities; the new one is encrypted to the recipients, without them to those
/// of the old one. The new file is signed where there is a key, and its custody log begins with `deed`.
pub fn recover(
    from: &Path,
    to: &Path,
    deed: &Deed,
    key: Option<&SecretKey>,
    identities: &Identities,
    recipients: Option<&[Recipient]>,
) -> Result<Recovered, Error> {
    let mut source = Source::open(from)?;
    let head = source
        .bytes(0, source.len().min(FILE_HEAD as u64))
        .map_err(Error::file)?;
    let tag = FileHead::decode(&head)
        .map_err(|kind| Error::at(Place::File, 0, kind))?
        .tag;
    unlock(&mut source, tag, identities).map_err(Error::file)?;
    let layout = by_scan(&source, tag).map_err(Error::file)?;
    let rescue = Rescue {
        origin: Origin::open_with(from, identities)?,
        source,
        tag,
        pieces: layout.pieces,
    };
    rescue.check()?;

    let recipients = match recipients {
        Some(recipients) => recipients.to_vec(),
        None => rescue.origin.recipients()?,
    };
    output::create(to, |file| rescue.write(file, deed, key, &recipients))
}

/// A damaged file and what is whole in it.
struct Rescue {
    source: Source,
    tag: u64,
    pieces: Vec<Piece>,
    /// The gaps with all that is known of them are the reader's to tell.
    origin: Origin,
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
            .opened(offset, self.tag)
            .map_err(|kind| Error::at(Place::Block(seq), offset, kind))
    }

    /// The header's body, naming the damaged file.
    fn header(
        &self,
        key: Option<&SecretKey>,
        vault: Option<&Vault>,
        recipients: &[Recipient],
    ) -> Result<Vec<u8>, Error> {
        let mut header = Manifest::default().encode();
        if let Some(Piece::Block {
            offset,
            ty: block::HEADER,
            ..
        }) = self.pieces.first()
        {
            let body = self.block(*offset, 0)?.body().to_vec();
            if tag_of(&body) == self.tag {
                header = body;
            }
        }
        // What is of the damaged file alone goes; what later versions added stays.
        let mut kept = Vec::new();
        let mut cursor = Cursor::new(&header);
        while let Ok(Some((tag, value))) = cursor.field() {
            if !OWN.contains(&tag) {
                put_field(&mut kept, tag, value);
            }
        }
        put_field(
            &mut kept,
            1,
            random_id().map_err(output::failed)?.as_bytes(),
        );
        let lineage = Lineage {
            parent: self.origin.parent().hash.clone(),
            derived_by: "recover".to_owned(),
            signer: key.map_or_else(Vec::new, |key| key.public().0.to_vec()),
            parents: vec![self.origin.parent().clone()],
            ..Lineage::default()
        };
        let lineage = Vault::name(vault, recipients, &lineage);
        lineage.put(&mut kept);
        Ok(kept)
    }

    fn write(
        &self,
        file: File,
        deed: &Deed,
        key: Option<&SecretKey>,
        recipients: &[Recipient],
    ) -> Result<(File, Recovered), Error> {
        let none = ZoneRecord::default();
        let vault = Vault::new(recipients)?;
        let header = self.header(key, vault.as_ref(), recipients)?;
        let mut blocks = Blocks::new(BufWriter::new(file), &header)?;
        match self.schema() {
            Some(offset) => {
                let schema = self.block(offset, 1)?;
                blocks.append(block::SCHEMA, schema.head.flags, schema.body(), &none)?;
            }
            None => {
                // Which types the events had is lost; what the format's own numbers mean is not.
                let mut schema = Schema::default().encode();
                Names { names: names() }.put(&mut schema);
                blocks.append(block::SCHEMA, 0, &schema, &none)?;
            }
        }
        let clock = made_at(deed.made_ns);
        if let Some(key) = key {
            blocks.sign(key, clock)?;
        }
        blocks.encrypt(vault)?;
        blocks.custody(deed, key)?;
        let (mut damage, mut recovered) = (
            0_u64,
            Recovered {
                parent: self.origin.hash(),
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
                    if *ty == block::NOTE
                        && let Some(note) = remark(&block)
                    {
                        blocks.append(*ty, 0, &note.encode(), &none)?;
                        recovered.blocks = recovered.blocks.saturating_add(1);
                        continue;
                    }
                    let zone = zone
                        .as_ref()
                        .map_or_else(ZoneRecord::default, |zone| ZoneRecord {
                            events: zone.events,
                            first_num: zone.first_num,
                            start: zone.start,
                            end: zone.end,
                            ..ZoneRecord::default()
                        });
                    blocks.append(*ty, block.head.flags, block.body(), &zone)?;
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
        for gap in self.origin.reader().gaps() {
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
                recovered.parent, recovered.blocks
            ),
            ..Note::default()
        };
        blocks.append(block::NOTE, 0, &note.encode(), &none)?;
        let totals = self.origin.reader().totals().cloned().unwrap_or(Totals {
            written: recovered.events,
            ..Totals::default()
        });
        blocks.checkpoint(clock)?;
        blocks.ended("recovered");
        let (out, _) = blocks.seal(&totals)?;
        let file = out
            .into_inner()
            .map_err(|error| output::failed(error.into_error()))?;
        Ok((file, recovered))
    }
}

/// Fields of the header that are of one file alone: its id, where it came from, who signed it, and who may read it.
const OWN: [u64; 7] = [1, 64, 65, 66, 67, 68, 69];

/// Blocks that every file has of its own, and that are therefore not copied with the rest.
fn is_rewritten(ty: u16) -> bool {
    matches!(
        ty,
        block::HEADER
            | block::SCHEMA
            | block::CHECKPOINT
            | block::INDEX
            | block::FOOTER
            | block::KEY
    )
}

/// An entry of the damaged file's custody log as a remark: its place in the chain, which it was signed for, is lost.
fn remark(block: &Block) -> Option<Note> {
    let note = Note::decode(&block.record(MAX_RECORD).ok()?).ok()?;
    if note.action.is_empty() {
        return None;
    }
    Some(Note {
        text: format!("custody of the damaged file: {} {}", note.action, note.text),
        made_ns: note.made_ns,
        author: note.author,
        ..Note::default()
    })
}

fn recorded_gaps(source: &Source, tag: u64, pieces: &[Piece]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for piece in pieces {
        if let Piece::Block {
            offset,
            ty: block::GAP,
            ..
        } = piece
            && let Ok(block) = source.opened(*offset, tag)
            && let Ok(gap) = block
                .record(MAX_RECORD)
                .and_then(|record| crate::records::decode_gap(&record))
        {
            gaps.push(gap);
        }
    }
    gaps
}
