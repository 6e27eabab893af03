//! What is gathered from the blocks of a file while it is opened.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::{ChunkInfo, Seal};
use crate::block::tag_of;
use crate::chunk_read::Zone;
use crate::error::{Error, ErrorKind, Place, limit, malformed};
use crate::keyframe::Frame;
use crate::layout::{
    BLOCK_TAIL, FILE_HEAD, FLAG_KEYFRAME, FLAG_WITHIN, MAX_RECORD, MAX_ROWS, MAX_STATE, MAX_STATES,
    block,
};
use crate::records::{Lineage, Note, decode_gap, take_rows};
use crate::scan::{Layout, Piece, Reached};
use crate::source::Source;
use crate::wire::Record;
use afterimage_model::{BootNs, Gap, GapCause, Manifest, Schema, Tables, Totals};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is gathered from the blocks while a file is opened.
pub(super) struct Builder<'a> {
    source: &'a Source,
    tag: u64,
    parts: Parts,
    course: Course,
}

/// What has to be known of the blocks so far to take the next one.
#[derive(Clone, Default)]
struct Course {
    states: Vec<(u64, u64, u64)>,
    /// Bytes of records decompressed so far.
    spent: u64,
    /// End of the last whole chunk, and the number of the event after it.
    last_end: Option<BootNs>,
    next_num: u64,
    /// Gaps whose end is the start of the next chunk.
    open: Vec<usize>,
    has_header: bool,
}

/// Where the reading of a file that is not sealed can go on when it has grown.
#[derive(Clone)]
pub(super) struct Tail {
    /// How far it came.
    pub reached: Reached,
    /// The last bytes before that.
    pub mark: Vec<u8>,
    /// Gaps before that: what was behind it was not whole yet.
    gaps: usize,
    course: Course,
    /// A state block could not be read.
    is_rough: bool,
}

/// What a file says of itself, and where in it the rest lies.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    pub manifest: Manifest,
    pub lineage: Lineage,
    pub schema: Schema,
    pub schema_at: Option<u64>,
    pub chunks: Vec<ChunkInfo>,
    pub gaps: Vec<Gap>,
    pub state: Tables,
    pub notes: Vec<Note>,
    pub artifacts: Vec<(u64, u64)>,
    pub keyframes: Vec<Frame>,
    pub totals: Option<Totals>,
    pub seal: Option<Seal>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(source: &'a Source, tag: u64) -> Builder<'a> {
        Builder {
            source,
            tag,
            parts: Parts::default(),
            course: Course {
                next_num: 1,
                ..Course::default()
            },
        }
    }

    /// Goes on behind what was read of a file before it grew.
    pub(super) fn go_on(source: &'a Source, tag: u64, parts: &Parts, tail: &Tail) -> Builder<'a> {
        let mut parts = parts.clone();
        parts.gaps.truncate(tail.gaps);
        Builder {
            source,
            tag,
            parts,
            course: tail.course.clone(),
        }
    }

    /// Takes every piece. When `strict`, the first block that cannot be read is an error; else it becomes a gap.
    pub(super) fn take(&mut self, layout: &Layout, strict: bool) -> Result<(), Error> {
        self.pieces(&layout.pieces, strict)?;
        self.all_states(strict)
    }

    /// Takes every piece of a file that was scanned from where `before` came to, from its start without it; what cannot be read
    /// becomes a gap. Gives where to go on when the file has grown; `None` when it is sealed.
    pub(super) fn take_scanned(
        &mut self,
        layout: &Layout,
        before: Option<&Tail>,
    ) -> Result<Option<Tail>, Error> {
        if layout.footer.is_some() {
            return self.take(layout, false).map(|()| None);
        }
        // What is not whole at the end may be before long.
        let (settled, begun) = match layout.pieces.split_last() {
            Some((Piece::Damage { .. }, rest)) => layout.pieces.split_at(rest.len()),
            _ => layout.pieces.split_at(layout.pieces.len()),
        };
        let (states, keyframes) = (self.course.states.len(), self.parts.keyframes.clone());
        self.pieces(settled, false)?;
        let reached = before.map_or_else(Reached::default, |tail| tail.reached.clone());
        let reached = reached.after(settled);
        let len = (reached.at).min(BLOCK_TAIL as u64);
        let mark = self.source.bytes(reached.at.saturating_sub(len), len);
        let mut tail = Tail {
            mark: mark.map_err(Error::file)?,
            reached,
            gaps: self.parts.gaps.len(),
            course: self.course.clone(),
            is_rough: false,
        };
        self.pieces(begun, false)?;
        let told = self.course.states.len() > states || self.parts.keyframes != keyframes;
        if told || before.is_none_or(|tail| tail.is_rough) {
            let gaps = self.parts.gaps.len();
            self.parts.state = Tables::default();
            self.all_states(false)?;
            tail.is_rough = self.parts.gaps.len() > gaps;
        }
        Ok(Some(tail))
    }

    fn pieces(&mut self, pieces: &[Piece], strict: bool) -> Result<(), Error> {
        for piece in pieces {
            match piece {
                Piece::Block {
                    offset,
                    len,
                    ty,
                    seq,
                    zone,
                } => {
                    if let Err(kind) = self.block(*offset, *len, *ty, *seq, zone.as_ref()) {
                        if strict {
                            return Err(Error::at(Place::Block(*seq), *offset, kind));
                        }
                        self.damage(*offset, offset.saturating_add(*len), false, None, &kind);
                    }
                }
                Piece::Damage {
                    offset,
                    end,
                    torn,
                    zone,
                    why,
                } => self.damage(*offset, *end, *torn, zone.as_deref(), why),
            }
        }
        Ok(())
    }

    fn all_states(&mut self, strict: bool) -> Result<(), Error> {
        // Of the keyframes only the newest may have something that nothing else has: what the recorder's end did not tell.
        let mut newest = Vec::new();
        // One within a section has not: who came into being is told before it.
        let mut frames = self.parts.keyframes.iter().rev();
        if let Some(last) = frames.find(|frame| !frame.within) {
            newest.clone_from(&last.blocks);
            newest.retain(|block| !self.course.states.contains(block));
            self.course.states.extend(&newest);
            self.course.states.sort_by_key(|state| state.2);
        }
        // The newest description of a row is the one that counts, so it must not be the one a limit shuts out.
        for (offset, len, seq) in std::mem::take(&mut self.course.states).into_iter().rev() {
            let is_keyframe = newest.iter().any(|block| block.2 == seq);
            if let Err(kind) = self.state(offset, is_keyframe) {
                if strict {
                    return Err(Error::at(Place::Block(seq), offset, kind));
                }
                self.damage(offset, offset.saturating_add(len), false, None, &kind);
            }
        }
        Ok(())
    }

    fn record(&mut self, offset: u64, most: u64) -> Result<Vec<u8>, ErrorKind> {
        let block = self.source.opened(offset, self.tag)?;
        let record = block.record(most)?;
        self.course.spent = self.course.spent.saturating_add(record.len() as u64);
        limit("length of all records", self.course.spent, MAX_STATES)?;
        Ok(record.into_owned())
    }

    fn block(
        &mut self,
        offset: u64,
        len: u64,
        ty: u16,
        seq: u64,
        zone: Option<&Zone>,
    ) -> Result<(), ErrorKind> {
        match ty {
            block::HEADER if seq == 0 => {
                let body = self.record(offset, MAX_RECORD)?;
                if tag_of(&body) != self.tag {
                    return Err(ErrorKind::Mismatch {
                        what: "capture tag",
                        expected: self.tag,
                        found: tag_of(&body),
                    });
                }
                self.parts.manifest = Manifest::decode(&body)?;
                self.parts.lineage = Lineage::decode(&body)?;
                self.course.has_header = true;
                self.course.last_end = Some(BootNs(self.parts.manifest.clock.boot_ns));
            }
            block::SCHEMA if seq == 1 => {
                self.parts.schema = Schema::decode(&self.record(offset, MAX_RECORD)?)?;
                self.parts.schema_at = Some(offset);
            }
            block::CHUNK => self.chunk(offset, len, zone.ok_or(malformed("chunk"))?)?,
            block::GAP => {
                let gap = decode_gap(&self.record(offset, MAX_RECORD)?)?;
                self.parts.gaps.push(gap);
            }
            block::NOTE => {
                let note = Note::decode(&self.record(offset, MAX_RECORD)?)?;
                self.parts.notes.push(note);
            }
            block::STATE => self.state_block(offset, len, seq)?,
            block::ARTIFACT => self.parts.artifacts.push((offset, seq)),
            // Checkpoints, index and footer are for `verify`; other types are of later versions or private.
            _ => {}
        }
        Ok(())
    }

    fn chunk(&mut self, offset: u64, len: u64, zone: &Zone) -> Result<(), ErrorKind> {
        if zone.first_num < self.course.next_num {
            return Err(ErrorKind::Mismatch {
                what: "number of the first event",
                expected: self.course.next_num,
                found: zone.first_num,
            });
        }
        let missing = zone.first_num.saturating_sub(self.course.next_num);
        let open = std::mem::take(&mut self.course.open);
        for at in &open {
            if let Some(gap) = self.parts.gaps.get_mut(*at) {
                gap.end = zone.start.max(gap.start);
                if open.len() == 1 {
                    gap.count = Some(missing);
                }
            }
        }
        self.parts.chunks.push(ChunkInfo {
            offset,
            len,
            first_num: zone.first_num,
            events: zone.events,
            span: (zone.start, zone.end),
        });
        self.course.next_num = zone.first_num.saturating_add(zone.events);
        self.course.last_end = Some(zone.end.max(self.course.last_end.unwrap_or_default()));
        Ok(())
    }

    /// A state block: one that is no keyframe is read when all blocks are known; the first is where keyframes begin.
    fn state_block(&mut self, offset: u64, len: u64, seq: u64) -> Result<(), ErrorKind> {
        let flags = self.source.head(offset, self.tag)?.flags;
        let block = (offset, len, seq);
        let chunks = self.parts.chunks.len();
        let last = self.parts.keyframes.last_mut();
        let is_keyframe = flags & FLAG_KEYFRAME != 0;
        let within = is_keyframe && flags & FLAG_WITHIN != 0;
        if !is_keyframe {
            self.course.states.push(block);
            // What comes later than the first is of some rows alone.
            let is_more = last
                .as_ref()
                .is_some_and(|frame| !frame.continues(seq, chunks));
            if chunks > 0 || is_more {
                return Ok(());
            }
        }
        match last {
            Some(frame) if frame.continues(seq, chunks) && frame.within == within => {
                frame.blocks.push(block);
            }
            _ => self.parts.keyframes.push(Frame {
                blocks: vec![block],
                chunks,
                flagged: is_keyframe,
                within,
            }),
        }
        Ok(())
    }

    /// Rows of a state block that no later one has; past the limit, rows are left out: chunks carry their own. What was over is
    /// what the first state says: later ones, and keyframes, are of later instants.
    fn state(&mut self, offset: u64, is_keyframe: bool) -> Result<(), ErrorKind> {
        if self.course.spent >= MAX_STATES.saturating_sub(MAX_STATE) {
            return Ok(());
        }
        let record = self.record(offset, MAX_STATE)?;
        let mut tables = Tables::default();
        take_rows(&record, &mut tables)?;
        let state = &mut self.parts.state;
        for (id, row) in &mut tables.procs {
            if is_keyframe && row.past {
                Arc::make_mut(row).past = false;
            }
            let newer = state
                .procs
                .get_mut(id)
                .filter(|newer| newer.past != row.past);
            if let Some(newer) = newer.filter(|_| !is_keyframe) {
                Arc::make_mut(newer).past = row.past;
            }
        }
        keep(&mut state.procs, tables.procs);
        keep(&mut state.containers, tables.containers);
        keep(&mut state.files, tables.files);
        keep(&mut state.users, tables.users);
        keep(&mut state.groups, tables.groups);
        keep(&mut state.descriptors, tables.descriptors);
        keep(&mut state.mounts, tables.mounts);
        Ok(())
    }

    /// A gap behind what was read last, of unknown size.
    fn gap_here(&self, cause: GapCause, detail: String) -> Gap {
        let start = self.course.last_end.unwrap_or_default();
        Gap {
            cause,
            start,
            end: start,
            cpu: None,
            count: None,
            first_seq: None,
            detail,
        }
    }

    /// Adds the gap of a damaged stretch, with what is known of it.
    fn damage(&mut self, offset: u64, end: u64, torn: bool, zone: Option<&Zone>, why: &ErrorKind) {
        let cause = if torn {
            GapCause::Torn
        } else {
            GapCause::Unreadable
        };
        let mut gap = self.gap_here(cause, format!("bytes {offset} to {end}: {why}"));
        match zone {
            Some(zone) if zone.first_num >= self.course.next_num => {
                (gap.start, gap.end, gap.count) = (zone.start, zone.end, Some(zone.events));
                self.course.next_num = zone.first_num.saturating_add(zone.events);
                self.course.last_end = Some(zone.end.max(self.course.last_end.unwrap_or_default()));
            }
            _ => self.course.open.push(self.parts.gaps.len()),
        }
        self.parts.gaps.push(gap);
    }

    pub(super) fn finish(mut self, layout: Layout) -> Result<Parts, Error> {
        if !self.course.has_header && self.parts.chunks.is_empty() {
            return Err(Error::at(
                Place::Block(0),
                FILE_HEAD as u64,
                ErrorKind::Missing { what: "header" },
            ));
        }
        let ends_torn = matches!(layout.pieces.last(), Some(Piece::Damage { .. }));
        match layout.footer {
            Some(footer) => {
                self.parts.seal = Some(Seal {
                    at: BootNs(footer.at),
                    real_ns: footer.real_ns,
                    ended: footer.ended,
                    signed: !footer.signature.is_empty(),
                });
                self.parts.totals = Some(footer.totals);
            }
            None if ends_torn => {}
            None => {
                let detail = "the file ends without a footer: the recorder died, or is still at work, or the tail was cut".to_owned();
                let gap = self.gap_here(GapCause::Torn, detail);
                self.parts.gaps.push(gap);
            }
        }
        Ok(self.parts)
    }
}

fn keep<K: Ord, V>(into: &mut BTreeMap<K, V>, rows: BTreeMap<K, V>) {
    for (key, row) in rows {
        if into.len() as u64 >= MAX_ROWS {
            return;
        }
        into.entry(key).or_insert(row);
    }
}
