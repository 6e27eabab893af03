//! Whether a capture is what its recorder wrote: checksums, lengths, sequence, hash chain, index, footer, and that every chunk
//! decodes. Never repairs.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::block::{Block, Chain, FileHead, tag_of};
use crate::chunk_read::Body;
use crate::error::{Digest, Error, ErrorKind, Place, malformed};
use crate::layout::{FILE_HEAD, MAX_BLOCKS, MAX_RECORD, block};
use crate::records::{Checkpoint, Footer};
use crate::scan::{Piece, by_index};
use crate::source::Source;
use crate::wire::Record;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// What is to be said of a capture.
#[derive(Debug)]
pub enum Verdict {
    /// The footer is there and everything before it is as it was sealed.
    SealedIntact,
    /// Every whole block is as it was written, and there is no footer: the recorder died, is still at work, or the tail was
    /// removed.
    IntactUnsealed,
    /// Something was changed, removed, added or moved.
    Broken {
        /// Where, and what is wrong there.
        error: Error,
    },
}

/// The outcome of [`verify`].
#[derive(Debug)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// Hash chain value of the last good block: it stands for everything before it. A copy kept elsewhere is what makes the
    /// chain evidence.
    pub digest: Digest,
    /// Good blocks, up to the first bad one.
    pub blocks: u64,
    /// Good chunks.
    pub chunks: u64,
    /// Events in them.
    pub events: u64,
    /// Recorded gaps.
    pub gaps: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes up to the first bad block, or to the end.
    pub good_bytes: u64,
    /// Bytes after the last whole block of an unsealed file.
    pub torn_bytes: u64,
}

impl Report {
    /// What these checks cannot tell: captures of this version are not signed.
    pub const NOT_SIGNED: &'static str = "the capture is not signed: this shows that no accident changed it, not that nobody rewrote it with all its checksums";
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::SealedIntact => f.write_str("sealed and intact"),
            Verdict::IntactUnsealed => f.write_str("intact, not sealed"),
            Verdict::Broken { error } => write!(f, "broken: {error}"),
        }
    }
}

/// Checks a capture from the first byte to the last. `Err` means that it could not be read at all, or is no capture.
pub fn verify(path: &Path) -> Result<Report, Error> {
    verify_source(&Source::open(path)?)
}

/// As [`verify`], of a capture that comes as a stream, by way of an unnamed temporary file.
pub fn verify_stream(stream: impl Read) -> Result<Report, Error> {
    verify_source(&Source::spool(stream)?)
}

/// As [`verify`], of a capture in memory.
pub fn verify_bytes(bytes: Vec<u8>) -> Result<Report, Error> {
    verify_source(&Source::Memory(bytes))
}

fn verify_source(source: &Source) -> Result<Report, Error> {
    let at_start = |kind| Error::at(Place::File, 0, kind);
    let head_bytes = source
        .bytes(0, source.len().min(FILE_HEAD as u64))
        .map_err(at_start)?;
    let head = FileHead::decode(&head_bytes).map_err(at_start)?;
    let mut walk = Walk {
        source,
        tag: head.tag,
        chain: Chain::start(&head_bytes),
        at: FILE_HEAD as u64,
        last_num: 0,
        sealed: false,
        report: Report {
            verdict: Verdict::IntactUnsealed,
            digest: Chain::start(&head_bytes).digest(),
            blocks: 0,
            chunks: 0,
            events: 0,
            gaps: 0,
            bytes: source.len(),
            good_bytes: FILE_HEAD as u64,
            torn_bytes: 0,
        },
    };
    while walk.at < source.len() {
        let (at, number) = (walk.at, walk.report.blocks);
        if let Err(kind) = walk.step() {
            if matches!(kind, ErrorKind::Io(_)) {
                return Err(Error::at(Place::Block(number), at, kind));
            }
            let tail = source.len().saturating_sub(at);
            if number > 0
                && !walk.sealed
                && torn(source, at, walk.tag)
                    .map_err(|kind| Error::at(Place::Block(number), at, kind))?
            {
                walk.report.torn_bytes = tail;
                return Ok(walk.report);
            }
            let place = match source.head(at, walk.tag) {
                Ok(head) if head.ty == block::CHUNK => Place::Chunk(walk.report.chunks),
                _ => Place::Block(number),
            };
            walk.report.verdict = Verdict::Broken {
                error: Error::at(place, at, kind),
            };
            return Ok(walk.report);
        }
    }
    if walk.report.blocks == 0 {
        return Err(Error::at(
            Place::Block(0),
            walk.at,
            ErrorKind::Missing { what: "header" },
        ));
    }
    if walk.sealed {
        walk.report.verdict = Verdict::SealedIntact;
    }
    Ok(walk.report)
}

/// Whether the rest of the file is the beginning of a block, or was never written.
fn torn(source: &Source, at: u64, tag: u64) -> Result<bool, ErrorKind> {
    let left = source.len().saturating_sub(at);
    match source.head(at, tag) {
        Ok(head) => Ok(head.total() > left),
        Err(ErrorKind::Io(error)) => Err(ErrorKind::Io(error)),
        Err(_) if left < crate::layout::BLOCK_HEAD as u64 => Ok(true),
        Err(_) => {
            let mut at = at;
            while at < source.len() {
                let len = source.len().saturating_sub(at).min(1 << 16);
                if source.bytes(at, len)?.iter().any(|byte| *byte != 0) {
                    return Ok(false);
                }
                at = source.data_after(at.saturating_add(len));
            }
            Ok(true)
        }
    }
}

struct Walk<'a> {
    source: &'a Source,
    tag: u64,
    chain: Chain,
    at: u64,
    last_num: u64,
    sealed: bool,
    report: Report,
}

fn same(what: &'static str, expected: u64, found: u64) -> Result<(), ErrorKind> {
    if expected == found {
        Ok(())
    } else {
        Err(ErrorKind::Mismatch {
            what,
            expected,
            found,
        })
    }
}

impl Walk<'_> {
    /// Checks the block at `at` and steps over it.
    fn step(&mut self) -> Result<(), ErrorKind> {
        if self.sealed {
            return Err(malformed("bytes after the footer"));
        }
        crate::error::limit("blocks of a file", self.report.blocks, MAX_BLOCKS)?;
        let block = self.source.block(self.at, self.tag)?;
        same("block sequence", self.report.blocks, block.head.seq)?;
        let chain = self.chain.next(&block.head_bytes, &block.body);
        if chain.0 != block.chain {
            return Err(ErrorKind::Chain {
                expected: chain.digest(),
                found: Digest(block.chain),
            });
        }
        self.content(&block)?;
        self.chain = chain;
        self.report.digest = chain.digest();
        self.report.blocks = self.report.blocks.saturating_add(1);
        self.at = self.at.saturating_add(block.head.total());
        self.report.good_bytes = self.at;
        Ok(())
    }

    fn content(&mut self, block: &Block) -> Result<(), ErrorKind> {
        match (block.head.seq, block.head.ty) {
            (0, block::HEADER) => same("capture tag", self.tag, tag_of(&block.body)),
            (0, _) => Err(ErrorKind::Missing { what: "header" }),
            (1, block::SCHEMA) => block.record(MAX_RECORD).map(|_| ()),
            (1, _) => Err(ErrorKind::Missing { what: "schema" }),
            (_, block::HEADER | block::SCHEMA) => Err(malformed("order of blocks")),
            (_, block::CHUNK) => {
                let body = Body::new(&block.body)?;
                if body.zone.first_num <= self.last_num {
                    same(
                        "number of the first event",
                        self.last_num.saturating_add(1),
                        body.zone.first_num,
                    )?;
                }
                body.decode()?;
                self.last_num = body
                    .zone
                    .first_num
                    .saturating_add(body.zone.events)
                    .saturating_sub(1);
                self.report.chunks = self.report.chunks.saturating_add(1);
                self.report.events = self.report.events.saturating_add(body.zone.events);
                Ok(())
            }
            (_, block::GAP) => {
                self.report.gaps = self.report.gaps.saturating_add(1);
                crate::records::decode_gap(&block.record(MAX_RECORD)?).map(|_| ())
            }
            (_, block::CHECKPOINT) => {
                let checkpoint = Checkpoint::decode(&block.record(MAX_RECORD)?)?;
                same(
                    "blocks of the checkpoint",
                    self.report.blocks,
                    checkpoint.blocks,
                )?;
                self.same_chain(&checkpoint.chain)
            }
            (_, block::FOOTER) => {
                let footer = Footer::decode(&block.record(MAX_RECORD)?)?;
                same("blocks of the footer", self.report.blocks, footer.blocks)?;
                same("chunks of the footer", self.report.chunks, footer.chunks)?;
                same("events of the footer", self.report.events, footer.events)?;
                same("gaps of the footer", self.report.gaps, footer.gaps)?;
                self.same_chain(&footer.chain)?;
                if self.at.saturating_add(block.head.total()) == self.source.len() {
                    self.index()?;
                }
                self.sealed = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn same_chain(&self, stored: &[u8]) -> Result<(), ErrorKind> {
        if stored == self.chain.0 {
            return Ok(());
        }
        let found = <[u8; 32]>::try_from(stored).map_err(|_| malformed("hash chain value"))?;
        Err(ErrorKind::Chain {
            expected: self.chain.digest(),
            found: Digest(found),
        })
    }

    /// Whether every line of the index says what the blocks themselves say.
    fn index(&self) -> Result<(), ErrorKind> {
        for piece in by_index(self.source, self.tag)?.pieces {
            let Piece::Block {
                offset,
                len,
                ty,
                seq,
                zone,
            } = piece
            else {
                continue;
            };
            let head = self.source.head(offset, self.tag)?;
            same("length in the index", head.total(), len)?;
            same("type in the index", u64::from(head.ty), u64::from(ty))?;
            same("sequence in the index", head.seq, seq)?;
            if let Some(listed) = zone {
                let zone = crate::scan::zone_at(self.source, offset, head)?;
                same("first event in the index", zone.first_num, listed.first_num)?;
                same("events in the index", zone.events, listed.events)?;
                same("start in the index", zone.start.0, listed.start.0)?;
                same("end in the index", zone.end.0, listed.end.0)?;
            }
        }
        Ok(())
    }
}
