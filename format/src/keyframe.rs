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
use crate::read::{ChunkInfo, Reader};
use crate::records::take_rows;
use afterimage_model::{BootNs, Tables, TypeDesc};
use std::ops::Range;
use std::time::Duration;

/// The first minor version whose keyframes say which processes had ended.
const TELLS_PAST: u16 = 4;

/// Where a keyframe is: the blocks of one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Byte at which each starts, its bytes, and its number.
    pub blocks: Vec<(u64, u64, u64)>,
    /// Chunks before it.
    pub chunks: usize,
    /// It is one by its flags, and not the state that the file begins with.
    pub flagged: bool,
    /// It begins no section.
    pub within: bool,
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

/// Time between two keyframes of a recording, and of what is made of one.
pub const KEYFRAME_EVERY: Duration = Duration::from_secs(10);

/// Events behind which another keyframe is due however little time they took: so many are read in a moment.
const MOST_BETWEEN: u64 = 16 << 16;

/// Events that take as long to read as a row of a keyframe.
const EVENTS_OF_A_ROW: u64 = 8;

/// Where the next keyframe is due of a capture that is written as fast as something else is read: behind as much time as in a
/// recording or many events, and not before it costs little beside the events it spares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    events: u64,
    at: BootNs,
    rows: u64,
}

impl Pace {
    /// Behind so many events, of which none is later than this instant, everything known was told.
    pub fn told(&mut self, events: u64, at: BootNs, tables: &Tables) {
        let rows = tables.procs.len().saturating_add(tables.descriptors.len());
        *self = Pace {
            events,
            at,
            rows: rows as u64,
        };
    }

    /// Whether it should be told again.
    pub fn is_due(&self, events: u64, at: BootNs) -> bool {
        let between = events.saturating_sub(self.events);
        let took = u128::from(at.0.saturating_sub(self.at.0));
        between >= self.rows.saturating_mul(EVENTS_OF_A_ROW)
            && (took >= KEYFRAME_EVERY.as_nanos() || between >= MOST_BETWEEN)
    }
}

/// A part of a capture of another program at whose beginning everything was told anew: nothing that was known before is true
/// in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which of the capture's keyframes tells what was there at its beginning; `None` where none does.
    frame: Option<usize>,
    /// Its chunks.
    pub chunks: Range<usize>,
}

impl Reader {
    /// The sections of a capture of another program, in order. Its keyframes are where they begin, but for those within one; there is
    /// always one.
    pub fn sections(&self) -> Vec<Section> {
        let all = self.chunks().len();
        let mut sections: Vec<Section> = Vec::new();
        let open = |frame, from| Section {
            frame,
            chunks: from..all,
        };
        let frames = self.parts.keyframes.iter().enumerate();
        let frames = frames.filter(|(_, frame)| !frame.within);
        if (frames.clone().next()).is_none_or(|(_, frame)| frame.chunks > 0) {
            sections.push(open(None, 0));
        }
        for (at, frame) in frames {
            if let Some(before) = sections.last_mut() {
                before.chunks.end = frame.chunks;
            }
            sections.push(open(Some(at), frame.chunks));
        }
        sections
    }

    /// When a section begins, and what was there then.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn section(&self, section: &Section) -> Result<(BootNs, Tables), Error> {
        let frame = section.frame.and_then(|at| self.parts.keyframes.get(at));
        frame.map_or_else(|| Ok(Default::default()), |frame| self.frame(frame))
    }

    /// The last keyframe within a section that is not later than an instant, with the chunks of the section behind it; `None` when
    /// there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn within(&self, section: &Section, instant: BootNs) -> Result<Option<Keyframe>, Error> {
        let Range { start, end } = section.chunks;
        let wanted = |frame: &Frame| frame.within && frame.chunks > start && frame.chunks <= end;
        let found = self.keyframe_where(instant, wanted)?;
        Ok(found.map(|frame| Keyframe {
            chunks: frame.chunks.start..end,
            ..frame
        }))
    }

    /// Whether keyframes are where sections begin: in what comes from another program, and is one capture.
    pub fn has_sections(&self) -> bool {
        let mut types = self.schema().types.iter();
        types.any(|ty| ty.is(TypeDesc::SCAP))
    }

    /// What is known besides what later sections begin with.
    pub fn opening(&self) -> Tables {
        let mut tables = self.state().clone();
        let sections = match self.has_sections() {
            true => self.sections(),
            false => Vec::new(),
        };
        for section in sections.iter().skip(1) {
            // What cannot be read is told as damage; nothing of it is in the state either.
            let Ok((_, later)) = self.section(section) else {
                continue;
            };
            tables.procs.retain(|id, _| !later.procs.contains_key(id));
            tables.files.retain(|id, _| !later.files.contains_key(id));
            let descriptors = &mut tables.descriptors;
            descriptors.retain(|key, _| !later.descriptors.contains_key(key));
        }
        tables
    }

    /// The instant from which on there is something to tell: that of the states before the first chunk, else of the header.
    pub fn begins(&self) -> BootNs {
        let first = self.parts.keyframes.first();
        let first = first.filter(|frame| frame.chunks == 0 && !frame.flagged);
        let first = first.and_then(|frame| self.frame(frame).ok());
        let clock = self.parts.manifest.clock.boot_ns;
        first.map_or(BootNs(clock), |(at, _)| at)
    }

    /// How many instants everything was written of that was known then.
    pub fn keyframes(&self) -> usize {
        self.parts.keyframes.len()
    }

    /// The last keyframe that is not later than an instant, and what has to be read besides; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn keyframe(&self, instant: BootNs) -> Result<Option<Keyframe>, Error> {
        self.keyframe_where(instant, |_| true)
    }

    /// As [`Reader::keyframe`], of those that tell which processes still were (since 1.4) and have more events before them
    /// than `spared`: where few are, it is as well to read them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn resume(&self, instant: BootNs, spared: u64) -> Result<Option<Keyframe>, Error> {
        let spares = |frame: &Frame| {
            let last = frame.chunks.checked_sub(1);
            let last = last.and_then(|at| self.chunks().get(at));
            // Events are numbered from 1.
            let before = |chunk: &ChunkInfo| chunk.first_num.saturating_add(chunk.events);
            last.is_some_and(|chunk| before(chunk) > spared.saturating_add(1))
        };
        if self.minor < TELLS_PAST {
            return Ok(None);
        }
        self.keyframe_where(instant, |frame| frame.flagged && spares(frame))
    }

    /// Whether a section begins before a chunk and behind another one.
    pub(crate) fn begins_section(&self, behind: usize, chunk: usize) -> bool {
        let mut frames = self.parts.keyframes.iter();
        let is_there =
            |frame: &Frame| !frame.within && frame.chunks > behind && frame.chunks <= chunk;
        self.has_sections() && frames.any(is_there)
    }

    /// The last keyframe that [`Reader::resume`] may choose of those that stand before a chunk and behind another one.
    pub(crate) fn last_between(&self, behind: usize, chunk: usize) -> Option<(BootNs, Tables)> {
        let frames = self.parts.keyframes.iter().rev();
        let mut frames = frames.filter(|frame| frame.flagged && self.minor >= TELLS_PAST);
        let frame = frames.find(|frame| frame.chunks <= chunk)?;
        let is_there = frame.chunks > behind;
        // One that cannot be read is not there.
        is_there.then(|| self.frame(frame).ok()).flatten()
    }

    fn keyframe_where(
        &self,
        instant: BootNs,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Option<Keyframe>, Error> {
        let chunks = self.chunks();
        let before = |frame: &Frame| {
            let last = frame.chunks.checked_sub(1).and_then(|at| chunks.get(at));
            last.is_none_or(|chunk| chunk.span.0 <= instant)
        };
        // Chunks stand nearly in the order of time; the keyframe itself says its instant to the nanosecond.
        let candidates = self.parts.keyframes.partition_point(before);
        let candidates = self.parts.keyframes.get(..candidates).unwrap_or_default();
        for frame in candidates.iter().rev().filter(|frame| wanted(frame)) {
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
