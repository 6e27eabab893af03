//! Keyframes: what was known at an instant is read from the last one before it, and the chunks that follow that one up to the
//! instant, however long the recording is.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::{Error, Place};
use crate::layout::MAX_STATE;
use crate::read::Reader;
use crate::records::take_rows;
use afterimage_model::{BootNs, Tables};
use std::ops::Range;

/// Where a keyframe is: the blocks of one instant.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Byte at which each starts, its bytes, and its number.
    pub blocks: Vec<(u64, u64, u64)>,
    /// Chunks before it.
    pub chunks: usize,
}

impl Frame {
    /// Whether the block of this number, behind so many chunks, is another part of it.
    pub(crate) fn continues(&self, seq: u64, chunks: usize) -> bool {
        let last = self.blocks.last().map(|block| block.2);
        chunks == self.chunks && last.and_then(|last| last.checked_add(1)) == Some(seq)
    }
}

/// What was known at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyframe {
    /// The instant.
    pub at: BootNs,
    /// Everything that was known then.
    pub tables: Tables,
    /// The chunks of what happened from then to the instant that was asked for.
    pub chunks: Range<usize>,
}

impl Reader {
    /// How many instants everything was written of that was known then.
    pub fn keyframes(&self) -> usize {
        self.keyframes.len()
    }

    /// The last keyframe that is not later than an instant, and what has to be read besides; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn keyframe(&self, instant: BootNs) -> Result<Option<Keyframe>, Error> {
        let chunks = self.chunks();
        let before = |frame: &Frame| {
            let last = frame.chunks.checked_sub(1).and_then(|at| chunks.get(at));
            last.is_none_or(|chunk| chunk.span.0 <= instant)
        };
        // Chunks stand nearly in the order of time; the keyframe itself says its instant to the nanosecond.
        let candidates = self.keyframes.partition_point(before);
        let candidates = self.keyframes.get(..candidates).unwrap_or_default();
        for frame in candidates.iter().rev() {
            let (at, mut tables) = self.frame(frame)?;
            if at > instant {
                continue;
            }
            tables.mounts = self.state().mounts.clone();
            let later = chunks.get(frame.chunks..).unwrap_or_default();
            let count = later.iter().rposition(|chunk| chunk.span.0 <= instant);
            let count = count.map_or(0, |last| last.saturating_add(1));
            return Ok(Some(Keyframe {
                at,
                tables,
                chunks: frame.chunks..frame.chunks.saturating_add(count),
            }));
        }
        Ok(None)
    }

    fn frame(&self, frame: &Frame) -> Result<(BootNs, Tables), Error> {
        let (mut at, mut tables) = (None, Tables::default());
        for (offset, _, seq) in &frame.blocks {
            let mut read = || {
                let block = self.source.opened(*offset, self.tag)?;
                let record = block.record(MAX_STATE)?;
                take_rows(&record, &mut tables)
            };
            let instant = read().map_err(|kind| Error::at(Place::Block(*seq), *offset, kind))?;
            at.get_or_insert(instant);
        }
        Ok((at.unwrap_or_default(), tables))
    }
}
