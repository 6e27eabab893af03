//! Opening a capture and reading it chunk by chunk. Never writes; damage becomes gaps, not failures, wherever something can be read.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::age::Identities;
use crate::block::{FileHead, tag_of};
use crate::chunk_read::{Body, Zone};
use crate::columns::Columns;
use crate::error::{Error, ErrorKind, Place, limit, malformed};
use crate::keyframe::Frame;
use crate::layout::{
    FILE_HEAD, FLAG_KEYFRAME, MAX_BODY, MAX_RECORD, MAX_ROWS, MAX_STATE, MAX_STATES, block,
};
use crate::pick::{Choose, Picked};
use crate::records::{Artifact, Lineage, Name, Names, Note, decode_gap, take_rows};
use crate::scan::{Layout, Piece, by_index, by_scan, head_at, whole_zone_at};
use crate::source::Source;
use crate::unlock::unlock;
use crate::wire::Record;
use afterimage_model::{
    BootNs, Container, Event, Gap, GapCause, Manifest, Schema, Tables, Totals, TypeId,
};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// What the index says of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Where its block starts in the file.
    pub offset: u64,
    /// Bytes of the block.
    pub len: u64,
    /// Number of its first event, from 1. Numbers jump where a chunk is lost.
    pub first_num: u64,
    /// Events in it.
    pub events: u64,
    /// Its earliest and latest instant.
    pub span: (BootNs, BootNs),
}

/// A decoded chunk: it stands alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Number of the first event, from 1.
    pub first_num: u64,
    /// Events in file order.
    pub events: Vec<Event>,
    /// Every row they point at.
    pub tables: Tables,
}

/// What the footer says of how the recording ended; what it is worth is for `verify` to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seal {
    /// When it was sealed; 0 when not said.
    pub at: BootNs,
    /// The same instant on the wall clock, ns since 1970; 0 when not said.
    pub real_ns: i64,
    /// Why the recording ended.
    pub ended: String,
    /// Whether there is a signature.
    pub signed: bool,
}

/// An open capture. A torn or damaged file opens, with the damage among [`Reader::gaps`].
///
/// A sealed file is opened by its index, so that a damaged chunk shows only when it is read: [`Reader::chunk`] then fails, and
/// [`Reader::loss`] is the gap to put in its place. Any number of threads may read at once.
pub struct Reader {
    pub(crate) source: Source,
    pub(crate) tag: u64,
    pub(crate) minor: u16,
    manifest: Manifest,
    lineage: Lineage,
    schema: Schema,
    schema_at: Option<u64>,
    chunks: Vec<ChunkInfo>,
    gaps: Vec<Gap>,
    state: Tables,
    notes: Vec<Note>,
    artifacts: Vec<(u64, u64)>,
    pub(crate) keyframes: Vec<Frame>,
    totals: Option<Totals>,
    seal: Option<Seal>,
    is_copy: bool,
}

impl Reader {
    /// Opens a capture by its footer, or by scanning its blocks when it has none. Anything but a regular file is refused.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        Reader::open_with(path, &Identities::default())
    }

    /// As [`Reader::open`], also a capture that is encrypted to one of the identities.
    pub fn open_with(path: &Path, identities: &Identities) -> Result<Reader, Error> {
        Reader::from_source(Source::open(path)?, identities)
    }

    /// Reads a capture from a stream, by way of an unnamed temporary file.
    pub fn from_reader(stream: impl Read) -> Result<Reader, Error> {
        Reader::from_reader_with(stream, &Identities::default())
    }

    /// As [`Reader::from_reader`], also a capture that is encrypted to one of the identities.
    pub fn from_reader_with(stream: impl Read, identities: &Identities) -> Result<Reader, Error> {
        Reader::from_source(Source::spool(stream)?, identities)
    }

    /// Reads a capture that is open, from its start; it need not have a name any more.
    pub fn from_file(file: std::fs::File) -> Result<Reader, Error> {
        let len = file
            .metadata()
            .map_err(|error| Error::file(ErrorKind::Io(error)))?
            .len();
        Reader::from_source(Source::file(file, len), &Identities::default())
    }

    /// Reads a capture that is in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Reader, Error> {
        Reader::from_bytes_with(bytes, &Identities::default())
    }

    /// As [`Reader::from_bytes`], also a capture that is encrypted to one of the identities.
    pub fn from_bytes_with(bytes: Vec<u8>, identities: &Identities) -> Result<Reader, Error> {
        Reader::from_source(Source::memory(bytes), identities)
    }

    pub(crate) fn from_source(
        mut source: Source,
        identities: &Identities,
    ) -> Result<Reader, Error> {
        let at_start = |kind| Error::at(Place::File, 0, kind);
        let head = source
            .bytes(0, source.len().min(FILE_HEAD as u64))
            .map_err(at_start)?;
        let head = FileHead::decode(&head).map_err(at_start)?;
        let tag = head.tag;
        unlock(&mut source, tag, identities).map_err(Error::file)?;
        if let Ok(layout) = by_index(&source, tag) {
            let mut builder = Builder::new(&source, tag);
            if builder.take(&layout, true).is_ok() {
                return builder.finish(layout).map(|parts| parts.with(source, head));
            }
        }
        let layout = by_scan(&source, tag).map_err(Error::file)?;
        let mut builder = Builder::new(&source, tag);
        builder.take(&layout, false)?;
        builder.finish(layout).map(|parts| parts.with(source, head))
    }

    /// The header; blank, with a gap that says so, when its block is damaged.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What this capture was derived from, if it was.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// The schema; empty, with a gap that says so, when its block is damaged.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The names the file gives to its numbers: argument kinds, columns, fields … Read anew at each call.
    pub fn names(&self) -> Result<Vec<Name>, Error> {
        let Some(offset) = self.schema_at else {
            return Ok(Vec::new());
        };
        let read = || Names::decode(&self.source.block(offset, self.tag)?.record(MAX_RECORD)?);
        read()
            .map(|record| record.names)
            .map_err(|kind| Error::at(Place::Block(1), offset, kind))
    }

    /// The chunks in order.
    pub fn chunks(&self) -> &[ChunkInfo] {
        &self.chunks
    }

    fn info(&self, at: usize) -> Result<&ChunkInfo, Error> {
        self.chunks.get(at).ok_or(Error {
            place: Place::Chunk(at as u64),
            offset: None,
            kind: ErrorKind::Missing { what: "chunk" },
        })
    }

    /// The zone map of one chunk: enough to tell whether a query needs its events. Only a few kilobytes are read.
    pub fn zone(&self, at: usize) -> Result<Zone, Error> {
        let info = self.info(at)?;
        let zone = self
            .source
            .head(info.offset, self.tag)
            .and_then(|head| match head.ty {
                block::CHUNK => whole_zone_at(&self.source, info.offset, head),
                _ => Err(malformed("chunk")),
            });
        zone.map_err(|kind| Error::at(Place::Chunk(at as u64), info.offset, kind))
    }

    /// The columns of one chunk, to be read one by one: zone map and directory are read and checked, nothing else.
    pub fn columns(&self, at: usize) -> Result<Columns<'_>, Error> {
        let info = self.info(at)?;
        let open = || {
            let head = self.source.head(info.offset, self.tag)?;
            if head.ty != block::CHUNK {
                return Err(malformed("chunk"));
            }
            let bytes = head_at(&self.source, info.offset, head)?;
            let body = Body::in_file(&bytes, &self.source, info.offset, head)?;
            Ok(Columns { body })
        };
        open().map_err(|kind| Error::at(Place::Chunk(at as u64), info.offset, kind))
    }

    /// Decodes one chunk.
    pub fn chunk(&self, at: usize) -> Result<Chunk, Error> {
        let info = self.info(at)?;
        self.decode(info)
            .map_err(|kind| Error::at(Place::Chunk(at as u64), info.offset, kind))
    }

    /// Decodes what is asked of one chunk: `choose` sees its rows, then what it asks of single lists, then the events that are
    /// left without arguments and results, and says what is needed. Gives the chosen events; `None` when none is. Columns that
    /// nobody needs are neither decompressed nor checked.
    pub fn pick(&self, at: usize, choose: &mut dyn Choose) -> Result<Option<Picked>, Error> {
        let info = self.info(at)?;
        let decode = |body: &Body<'_>| {
            let mut tables = body.tables()?;
            self.fill_late(&mut tables);
            if !choose.rows(&body.zone, &tables) {
                return Ok(None);
            }
            body.pick(tables, choose)
        };
        let picked = self.with_body(info, decode);
        picked.map_err(|kind| Error::at(Place::Chunk(at as u64), info.offset, kind))
    }

    /// Decodes one chunk in which events of types that are not wanted may be without arguments.
    pub fn chunk_with(
        &self,
        at: usize,
        wanted: &mut dyn FnMut(TypeId) -> bool,
    ) -> Result<Chunk, Error> {
        let info = self.info(at)?;
        let decode = |body: &Body<'_>| body.decode_with(wanted);
        let mut chunk = self
            .with_body(info, decode)
            .map_err(|kind| Error::at(Place::Chunk(at as u64), info.offset, kind))?;
        self.fill_late(&mut chunk.tables);
        Ok(chunk)
    }

    fn decode(&self, info: &ChunkInfo) -> Result<Chunk, ErrorKind> {
        let mut chunk = self.with_body(info, |body| body.decode())?;
        self.fill_late(&mut chunk.tables);
        Ok(chunk)
    }

    fn with_body<T>(
        &self,
        info: &ChunkInfo,
        decode: impl FnOnce(&Body<'_>) -> Result<T, ErrorKind>,
    ) -> Result<T, ErrorKind> {
        let block = self.source.opened(info.offset, self.tag)?;
        if block.head.ty != block::CHUNK {
            return Err(malformed("chunk"));
        }
        let body = Body::new(block.body())?;
        for (what, expected, found) in [
            (
                "number of the first event",
                info.first_num,
                body.zone.first_num,
            ),
            ("number of events", info.events, body.zone.events),
        ] {
            if expected != found {
                return Err(ErrorKind::Mismatch {
                    what,
                    expected,
                    found,
                });
            }
        }
        decode(&body)
    }

    /// The hash of a program may have been computed when the chunk had been written.
    fn fill_late(&self, tables: &mut Tables) {
        for row in tables.procs.values_mut() {
            if row.exe_sha256.is_empty()
                && let Some(later) = self.state.proc(row.id)
                && !later.exe_sha256.is_empty()
                && later.key == row.key
                && (later.exe_dev, later.exe_ino) == (row.exe_dev, row.exe_ino)
            {
                Arc::make_mut(row).exe_sha256 = later.exe_sha256.clone();
            }
        }
    }

    /// The gap that stands for a chunk that cannot be read.
    pub fn loss(&self, at: usize) -> Option<Gap> {
        self.chunks.get(at).map(|info| Gap {
            cause: GapCause::Unreadable,
            start: info.span.0,
            end: info.span.1,
            cpu: None,
            count: Some(info.events),
            first_seq: None,
            detail: format!("chunk {at} at byte {}", info.offset),
        })
    }

    /// Every gap in file order: those recorded, and those found while opening the file.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Containers, users and the initial state: rows of all state blocks, later ones winning.
    pub fn state(&self) -> &Tables {
        &self.state
    }

    /// The containers as last described.
    pub fn containers(&self) -> Vec<&Container> {
        self.state.containers.values().map(AsRef::as_ref).collect()
    }

    /// The notes in order.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Remarks alone: what may stand in another file as well. The custody log stays with the file whose chain it is part of.
    pub fn remarks(&self) -> impl Iterator<Item = &Note> {
        self.notes().iter().filter(|note| note.action.is_empty())
    }

    /// How many artifacts there are.
    pub fn artifacts(&self) -> usize {
        self.artifacts.len()
    }

    /// One artifact; its bytes are checked against its hash.
    pub fn artifact(&self, at: usize) -> Result<Artifact, Error> {
        let missing = ErrorKind::Missing { what: "artifact" };
        let (offset, seq) = *self.artifacts.get(at).ok_or(Error::file(missing))?;
        let read = || {
            let block = self.source.opened(offset, self.tag)?;
            let artifact = Artifact::decode(&block.record(MAX_BODY)?)?;
            if artifact.hash != blake3::hash(&artifact.bytes).as_bytes() {
                return Err(malformed("hash of the artifact"));
            }
            Ok(artifact)
        };
        read().map_err(|kind| Error::at(Place::Block(seq), offset, kind))
    }

    /// The same, read as a working copy of a capture that another program wrote.
    pub fn of_a_copy(mut self) -> Reader {
        self.is_copy = true;
        self
    }

    /// Whether this is a working copy of a capture that another program wrote: its seal says nothing of that one.
    pub fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// The footer's totals; `None` when the file is not sealed.
    pub fn totals(&self) -> Option<&Totals> {
        self.totals.as_ref()
    }

    /// What the footer says of the end; `None` when the file is not sealed.
    pub fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref()
    }

    /// Total events in whole chunks.
    pub fn events(&self) -> u64 {
        self.chunks
            .iter()
            .map(|chunk| chunk.events)
            .fold(0, u64::saturating_add)
    }

    /// Whether it is encrypted, and was opened with an identity.
    pub fn is_encrypted(&self) -> bool {
        self.source.is_unlocked()
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.source.len()
    }
}

/// What is gathered from the blocks while a file is opened.
struct Builder<'a> {
    source: &'a Source,
    tag: u64,
    parts: Parts,
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

#[derive(Default)]
struct Parts {
    manifest: Manifest,
    lineage: Lineage,
    schema: Schema,
    schema_at: Option<u64>,
    chunks: Vec<ChunkInfo>,
    gaps: Vec<Gap>,
    state: Tables,
    notes: Vec<Note>,
    artifacts: Vec<(u64, u64)>,
    keyframes: Vec<Frame>,
    totals: Option<Totals>,
    seal: Option<Seal>,
}

impl Parts {
    fn with(self, source: Source, head: FileHead) -> Reader {
        let Parts {
            manifest,
            lineage,
            schema,
            schema_at,
            chunks,
            gaps,
            state,
            notes,
            artifacts,
            keyframes,
            totals,
            seal,
        } = self;
        Reader {
            source,
            tag: head.tag,
            minor: head.minor,
            manifest,
            lineage,
            schema,
            schema_at,
            chunks,
            gaps,
            state,
            notes,
            artifacts,
            keyframes,
            totals,
            seal,
            is_copy: false,
        }
    }
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source, tag: u64) -> Builder<'a> {
        Builder {
            source,
            tag,
            parts: Parts::default(),
            states: Vec::new(),
            spent: 0,
            last_end: None,
            next_num: 1,
            open: Vec::new(),
            has_header: false,
        }
    }

    /// Takes every piece. When `strict`, the first block that cannot be read is an error; else it becomes a gap.
    fn take(&mut self, layout: &Layout, strict: bool) -> Result<(), Error> {
        for piece in &layout.pieces {
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
        // Of the keyframes only the newest may have something that nothing else has: what the recorder's end did not tell.
        let mut newest = Vec::new();
        if let Some(last) = self.parts.keyframes.last() {
            newest.clone_from(&last.blocks);
            newest.retain(|block| !self.states.contains(block));
            self.states.extend(&newest);
            self.states.sort_by_key(|state| state.2);
        }
        // The newest description of a row is the one that counts, so it must not be the one a limit shuts out.
        for (offset, len, seq) in std::mem::take(&mut self.states).into_iter().rev() {
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
        self.spent = self.spent.saturating_add(record.len() as u64);
        limit("length of all records", self.spent, MAX_STATES)?;
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
                self.has_header = true;
                self.last_end = Some(BootNs(self.parts.manifest.clock.boot_ns));
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
        if zone.first_num < self.next_num {
            return Err(ErrorKind::Mismatch {
                what: "number of the first event",
                expected: self.next_num,
                found: zone.first_num,
            });
        }
        let missing = zone.first_num.saturating_sub(self.next_num);
        let open = std::mem::take(&mut self.open);
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
        self.next_num = zone.first_num.saturating_add(zone.events);
        self.last_end = Some(zone.end.max(self.last_end.unwrap_or_default()));
        Ok(())
    }

    /// A state block: one that is no keyframe is read when all blocks are known; the first is where keyframes begin.
    fn state_block(&mut self, offset: u64, len: u64, seq: u64) -> Result<(), ErrorKind> {
        let flags = self.source.head(offset, self.tag)?.flags;
        let block = (offset, len, seq);
        let chunks = self.parts.chunks.len();
        let last = self.parts.keyframes.last_mut();
        let is_keyframe = flags & FLAG_KEYFRAME != 0;
        if !is_keyframe {
            self.states.push(block);
            // What comes later than the first is of some rows alone.
            let is_more = last
                .as_ref()
                .is_some_and(|frame| !frame.continues(seq, chunks));
            if chunks > 0 || is_more {
                return Ok(());
            }
        }
        match last {
            Some(frame) if frame.continues(seq, chunks) => frame.blocks.push(block),
            _ => self.parts.keyframes.push(Frame {
                blocks: vec![block],
                chunks,
                flagged: is_keyframe,
            }),
        }
        Ok(())
    }

    /// Rows of a state block that no later one has; past the limit, rows are left out: chunks carry their own. What was over is
    /// what the first state says: later ones, and keyframes, are of later instants.
    fn state(&mut self, offset: u64, is_keyframe: bool) -> Result<(), ErrorKind> {
        if self.spent >= MAX_STATES.saturating_sub(MAX_STATE) {
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

    /// Adds the gap of a damaged stretch, with what is known of it.
    fn damage(&mut self, offset: u64, end: u64, torn: bool, zone: Option<&Zone>, why: &ErrorKind) {
        let cause = if torn {
            GapCause::Torn
        } else {
            GapCause::Unreadable
        };
        let start = self.last_end.unwrap_or_default();
        let detail = format!("bytes {offset} to {end}: {why}");
        let mut gap = Gap {
            cause,
            start,
            end: start,
            cpu: None,
            count: None,
            first_seq: None,
            detail,
        };
        match zone {
            Some(zone) if zone.first_num >= self.next_num => {
                (gap.start, gap.end, gap.count) = (zone.start, zone.end, Some(zone.events));
                self.next_num = zone.first_num.saturating_add(zone.events);
                self.last_end = Some(zone.end.max(start));
            }
            _ => self.open.push(self.parts.gaps.len()),
        }
        self.parts.gaps.push(gap);
    }

    fn finish(mut self, layout: Layout) -> Result<Parts, Error> {
        if !self.has_header && self.parts.chunks.is_empty() {
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
                let start = self.last_end.unwrap_or_default();
                let detail = "the file ends without a footer: the recorder died, or is still at work, or the tail was cut".to_owned();
                self.parts.gaps.push(Gap {
                    cause: GapCause::Torn,
                    start,
                    end: start,
                    cpu: None,
                    count: None,
                    first_seq: None,
                    detail,
                });
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
