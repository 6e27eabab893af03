//! Finding the blocks of a capture: by its index when it is sealed, else from the first byte on, stepping over what is damaged.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::block::{Block, BlockHead};
use crate::chunk_read::{Body, CHUNK_HEAD, Zone, head_len};
use crate::cipher::{BRIEF, take_brief};
use crate::error::{ErrorKind, limit, malformed};
use crate::layout::{
    BLOCK_HEAD, BLOCK_TAIL, FILE_HEAD, FLAG_SEALED, MAX_BLOCKS, MAX_BODY, MAX_CUSTODY, MAX_RECORD,
    SYNC, block,
};
use crate::records::Footer;
use crate::source::{Source, Window};
use crate::wire::{Cursor, Record};

/// One stretch of the file, in order; together they cover it.
pub(crate) enum Piece {
    /// A whole block. Chunks come with their zone map when the piece was found by scanning.
    Block {
        offset: u64,
        len: u64,
        ty: u16,
        seq: u64,
        zone: Option<Zone>,
    },
    /// Bytes that are no whole block.
    Damage {
        offset: u64,
        end: u64,
        torn: bool,
        zone: Option<Box<Zone>>,
        why: ErrorKind,
    },
}

/// The pieces and the footer of a sealed file.
pub(crate) struct Layout {
    pub pieces: Vec<Piece>,
    pub footer: Option<Footer>,
}

impl Layout {
    /// Whether a block is whole.
    pub(crate) fn has_block(&self) -> bool {
        (self.pieces.iter()).any(|piece| matches!(piece, Piece::Block { .. }))
    }
}

/// Finds the blocks by the footer and the index, which must agree with each other and cover the file to the byte; notes may
/// follow the footer.
pub(crate) fn by_index(source: &Source, tag: u64) -> Result<Layout, ErrorKind> {
    let overhead = (BLOCK_HEAD as u64).saturating_add(BLOCK_TAIL as u64);
    let (mut end, mut notes) = (source.len(), Vec::new());
    loop {
        let last = source.bytes(end.checked_sub(4).ok_or(malformed("footer"))?, 4)?;
        let len = u64::from(Cursor::new(&last).u32()?);
        limit("footer length", len, MAX_RECORD)?;
        let at = end
            .checked_sub(len.saturating_add(overhead))
            .ok_or(malformed("footer"))?;
        let block = source.block(at, tag)?;
        if at.saturating_add(block.head.total()) != end {
            return Err(malformed("footer"));
        }
        match block.head.ty {
            block::FOOTER => {
                let mut layout = by_footer(source, tag, at, &block)?;
                layout.pieces.extend(notes.into_iter().rev());
                return Ok(layout);
            }
            block::NOTE if (notes.len() as u64) < MAX_CUSTODY => notes.push(Piece::Block {
                offset: at,
                len: block.head.total(),
                ty: block.head.ty,
                seq: block.head.seq,
                zone: None,
            }),
            _ => return Err(ErrorKind::Missing { what: "footer" }),
        }
        end = at;
    }
}

/// The blocks that the index of this footer lists.
pub(crate) fn by_footer(
    source: &Source,
    tag: u64,
    footer_at: u64,
    block: &Block,
) -> Result<Layout, ErrorKind> {
    let overhead = (BLOCK_HEAD as u64).saturating_add(BLOCK_TAIL as u64);
    let footer = Footer::decode(&block.record(MAX_RECORD)?)?;
    let index = source.block(footer.index, tag)?;
    if index.head.ty != block::INDEX || footer.index.saturating_add(index.head.total()) != footer_at
    {
        return Err(ErrorKind::Missing { what: "index" });
    }
    let body = index.record(MAX_BODY)?;
    let mut cursor = Cursor::new(&body);
    let count = cursor.count("blocks in the index")?;
    limit("blocks of a file", count as u64, MAX_BLOCKS)?;
    let mut pieces = Vec::with_capacity(count.saturating_add(2));
    let (mut at, mut num, mut time) = (FILE_HEAD as u64, 0_u64, 0_u64);
    for seq in 0..count as u64 {
        let ty = u16::try_from(cursor.varint()?).map_err(|_| malformed("index"))?;
        let len = cursor.varint()?;
        limit("block length", len, MAX_BODY.saturating_add(overhead))?;
        let zone = if ty == block::CHUNK {
            let first_num = num.wrapping_add(cursor.varint()?);
            let events = cursor.varint()?;
            let start = time.wrapping_add(cursor.varint()?);
            let end = start.wrapping_add(cursor.varint()?);
            num = first_num.checked_add(events).ok_or(malformed("index"))?;
            time = start;
            Some(Zone {
                events,
                first_num,
                start: afterimage_model::BootNs(start),
                end: afterimage_model::BootNs(end),
                ..Zone::default()
            })
        } else {
            None
        };
        pieces.push(Piece::Block {
            offset: at,
            len,
            ty,
            seq,
            zone,
        });
        at = at
            .checked_add(len)
            .filter(|at| *at <= footer.index)
            .ok_or(malformed("index"))?;
    }
    if at != footer.index || cursor.left() != 0 {
        return Err(malformed("index"));
    }
    for (offset, head) in [(footer.index, index.head), (footer_at, block.head)] {
        pieces.push(Piece::Block {
            offset,
            len: head.total(),
            ty: head.ty,
            seq: head.seq,
            zone: None,
        });
    }
    Ok(Layout {
        pieces,
        footer: Some(footer),
    })
}

/// Finds the blocks from the first on, checking every checksum. Damage becomes a piece of its own.
pub(crate) fn by_scan(source: &Source, tag: u64) -> Result<Layout, ErrorKind> {
    scan_from(source, tag, &Reached::default(), false)
}

/// Finds the blocks that were added behind those of an earlier scan, as [`by_scan`] does, but for one that is only begun: its end
/// is to be awaited, not looked for.
pub(crate) fn by_scan_on(
    source: &Source,
    tag: u64,
    reached: &Reached,
) -> Result<Layout, ErrorKind> {
    scan_from(source, tag, reached, true)
}

/// How far a scan came that is to go on when the file has grown.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    /// Where the next block starts.
    pub at: u64,
    /// Number of the last block.
    pub last_seq: Option<u64>,
    /// Blocks and damaged stretches so far.
    pub pieces: u64,
}

impl Default for Reached {
    fn default() -> Reached {
        Reached {
            at: FILE_HEAD as u64,
            last_seq: None,
            pieces: 0,
        }
    }
}

impl Reached {
    /// After further pieces.
    pub(crate) fn after(mut self, pieces: &[Piece]) -> Reached {
        for piece in pieces {
            self.pieces = self.pieces.saturating_add(1);
            match piece {
                Piece::Block {
                    offset, len, seq, ..
                } => {
                    self.at = offset.saturating_add(*len);
                    self.last_seq = Some(*seq);
                }
                Piece::Damage { end, .. } => self.at = *end,
            }
        }
        self
    }
}

fn scan_from(
    source: &Source,
    tag: u64,
    reached: &Reached,
    grows: bool,
) -> Result<Layout, ErrorKind> {
    let mut at = reached.at;
    let mut scan = Scan {
        source,
        tag,
        window: Window::default(),
        last_seq: reached.last_seq,
        budget: (source.len().saturating_sub(at))
            .saturating_mul(4)
            .saturating_add(64 << 20),
    };
    let mut layout = Layout {
        pieces: Vec::new(),
        footer: None,
    };
    while at < source.len() {
        let pieces = reached.pieces.saturating_add(layout.pieces.len() as u64);
        limit("blocks of a file", pieces, MAX_BLOCKS)?;
        let piece = match scan.block(at) {
            Ok(piece) => piece,
            Err(why) if grows && scan.is_begun(at) => Piece::Damage {
                offset: at,
                end: source.len(),
                torn: true,
                zone: scan.zone_of_torn(at),
                why,
            },
            Err(why) => scan.damage(at, why)?,
        };
        match &piece {
            Piece::Block {
                offset,
                len,
                ty,
                seq,
                ..
            } => {
                scan.last_seq = Some(*seq);
                at = offset.saturating_add(*len);
                if *ty != block::NOTE {
                    layout.footer = None;
                }
                if *ty == block::FOOTER {
                    layout.footer =
                        Footer::decode(&source.block(*offset, tag)?.record(MAX_RECORD)?).ok();
                }
            }
            Piece::Damage { end, .. } => {
                at = *end;
                layout.footer = None;
            }
        }
        layout.pieces.push(piece);
    }
    Ok(layout)
}

struct Scan<'a> {
    source: &'a Source,
    tag: u64,
    window: Window,
    last_seq: Option<u64>,
    /// Bytes that may still be read in vain: without a bound, many heads that claim long overlapping bodies would make the
    /// work grow with the square of the file.
    budget: u64,
}

impl Scan<'_> {
    fn head(&mut self, at: u64) -> Result<BlockHead, ErrorKind> {
        let left = self.source.len().saturating_sub(at).min(BLOCK_HEAD as u64) as usize;
        let head = BlockHead::decode(self.window.at(self.source, at, left)?, self.tag)?;
        if self.last_seq.is_some_and(|last| head.seq <= last) {
            return Err(ErrorKind::Mismatch {
                what: "block sequence",
                expected: self.last_seq.unwrap_or(0).saturating_add(1),
                found: head.seq,
            });
        }
        Ok(head)
    }

    /// Whether the block at `at` has begun and goes on behind the end of the file.
    fn is_begun(&mut self, at: u64) -> bool {
        let left = self.source.len().saturating_sub(at);
        left < BLOCK_HEAD as u64 || self.head(at).is_ok_and(|head| head.total() > left)
    }

    /// The whole block at `at`.
    fn block(&mut self, at: u64) -> Result<Piece, ErrorKind> {
        let head = self.head(at)?;
        self.source.check(at, head, &mut self.window)?;
        let zone = if head.ty == block::CHUNK {
            Some(self.zone(at, head)?)
        } else {
            None
        };
        Ok(Piece::Block {
            offset: at,
            len: head.total(),
            ty: head.ty,
            seq: head.seq,
            zone,
        })
    }

    fn zone(&self, at: u64, head: BlockHead) -> Result<Zone, ErrorKind> {
        zone_at(self.source, at, head)
    }

    /// What is known of the chunk at `at`, which is not whole.
    fn zone_of_torn(&mut self, at: u64) -> Option<Box<Zone>> {
        let head = self.head(at).ok();
        head.filter(|head| head.ty == block::CHUNK)
            .and_then(|head| self.zone(at, head).ok())
            .map(Box::new)
    }

    /// The damaged stretch that starts at `at`.
    fn damage(&mut self, at: u64, why: ErrorKind) -> Result<Piece, ErrorKind> {
        if let ErrorKind::Io(_) = why {
            return Err(why);
        }
        let size = self.source.len();
        let left = size.saturating_sub(at);
        let head = self.head(at).ok();
        let zone = self.zone_of_torn(at);
        // A body was changed but its length is right: the next block says so.
        if let Some(head) = head {
            let end = at.saturating_add(head.total());
            if end == size
                || (end < size
                    && self
                        .head(end)
                        .is_ok_and(|next| next.seq == head.seq.saturating_add(1)))
            {
                return Ok(Piece::Damage {
                    offset: at,
                    end,
                    torn: false,
                    zone,
                    why,
                });
            }
        }
        match self.next_block(at.saturating_add(1))? {
            Some(end) => Ok(Piece::Damage {
                offset: at,
                end,
                torn: false,
                zone,
                why,
            }),
            None => {
                let cut = left < BLOCK_HEAD as u64 || head.is_some_and(|head| head.total() > left);
                // Bytes that were allocated and never written read as zeros after a power cut.
                let torn = cut || self.all_zero(at)?;
                Ok(Piece::Damage {
                    offset: at,
                    end: size,
                    torn,
                    zone,
                    why,
                })
            }
        }
    }

    /// Where the next whole block starts, from `at` on.
    fn next_block(&mut self, mut at: u64) -> Result<Option<u64>, ErrorKind> {
        const STEP: usize = 64 << 10;
        loop {
            let left = self.source.len().saturating_sub(at);
            if left < BLOCK_HEAD as u64 || self.budget == 0 {
                return Ok(None);
            }
            let bytes = self
                .window
                .at(self.source, at, left.min(STEP as u64) as usize)?;
            let len = bytes.len() as u64;
            let found = bytes.windows(SYNC.len()).position(|window| window == SYNC);
            let Some(found) = found else {
                let zeros = bytes.iter().all(|byte| *byte == 0);
                // The marker may lie across the end of the window.
                let next =
                    at.saturating_add(len.saturating_sub(SYNC.len() as u64).saturating_add(1));
                at = if zeros {
                    self.source.data_after(next)
                } else {
                    next
                };
                continue;
            };
            at = at.saturating_add(found as u64);
            if let Ok(head) = self.head(at) {
                if self.block(at).is_ok() {
                    return Ok(Some(at));
                }
                self.budget = self.budget.saturating_sub(head.total());
            }
            at = at.saturating_add(1);
        }
    }

    fn all_zero(&mut self, mut at: u64) -> Result<bool, ErrorKind> {
        while at < self.source.len() {
            let left = self.source.len().saturating_sub(at);
            let bytes = self
                .window
                .at(self.source, at, left.min(64 << 10) as usize)?;
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at = self
                .source
                .data_after(at.saturating_add(bytes.len() as u64));
        }
        Ok(true)
    }
}

/// The zone map of the chunk at `at`, whose body need not be whole: it has a checksum of its own. Of a sealed chunk it is
/// what is said in the clear, until the file is unlocked.
pub(crate) fn zone_at(source: &Source, at: u64, head: BlockHead) -> Result<Zone, ErrorKind> {
    if head.flags & FLAG_SEALED != 0 {
        limit("brief of a sealed chunk", BRIEF as u64, u64::from(head.len))?;
        let brief = source.bytes(at.saturating_add(BLOCK_HEAD as u64), BRIEF as u64)?;
        return take_brief(&brief);
    }
    whole_zone_at(source, at, head)
}

/// The zone map of the chunk at `at`, opened where it is sealed.
pub(crate) fn whole_zone_at(source: &Source, at: u64, head: BlockHead) -> Result<Zone, ErrorKind> {
    Ok(Body::new(&head_at(source, at, head)?)?.zone)
}

/// Zone map and directory of the chunk at `at`, opened where it is sealed.
pub(crate) fn head_at(source: &Source, at: u64, head: BlockHead) -> Result<Vec<u8>, ErrorKind> {
    let len = head_len(&source.body(at, head, 0, CHUNK_HEAD as u64)?)? as u64;
    limit("chunk head", len, u64::from(head.len))?;
    source.body(at, head, 0, len)
}
