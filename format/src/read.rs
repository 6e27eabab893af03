//! Opening a capture and reading it chunk by chunk. Never writes; damage becomes gaps, not failures, wherever something can be read.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::age::Identities;
use crate::block::FileHead;
use crate::chunk_read::{Body, Zone};
use crate::columns::Columns;
use crate::error::{Error, ErrorKind, Place, malformed};
use crate::layout::{FILE_HEAD, MAX_BODY, MAX_RECORD, block};
use crate::pick::{Choose, Picked};
use crate::records::{Artifact, Lineage, Name, Names, Note};
use crate::scan::{by_index, by_scan, head_at, whole_zone_at};
use crate::source::Source;
use crate::unlock::unlock;
use crate::wire::Record;
use afterimage_model::{
    BootNs, Container, Event, Gap, GapCause, Manifest, Schema, Tables, Totals, TypeId,
};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

mod build;
mod grow;

use build::{Builder, Parts, Tail};

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
    pub(crate) parts: Parts,
    is_copy: bool,
    /// Where to go on when the file has grown; `None` when it is sealed.
    tail: Option<Tail>,
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

    fn over(source: Source, head: FileHead, parts: Parts, tail: Option<Tail>) -> Reader {
        Reader {
            source,
            tag: head.tag,
            minor: head.minor,
            parts,
            is_copy: false,
            tail,
        }
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
        unlock(&mut source, head.tag, identities).map_err(Error::file)?;
        Reader::unlocked(source, head)
    }

    fn unlocked(source: Source, head: FileHead) -> Result<Reader, Error> {
        let tag = head.tag;
        if let Ok(layout) = by_index(&source, tag) {
            let mut builder = Builder::new(&source, tag);
            if builder.take(&layout, true).is_ok() {
                return builder
                    .finish(layout)
                    .map(|parts| Reader::over(source, head, parts, None));
            }
        }
        let layout = by_scan(&source, tag).map_err(Error::file)?;
        let mut builder = Builder::new(&source, tag);
        let tail = builder.take_scanned(&layout, None)?;
        builder
            .finish(layout)
            .map(|parts| Reader::over(source, head, parts, tail))
    }

    /// The header; blank, with a gap that says so, when its block is damaged.
    pub fn manifest(&self) -> &Manifest {
        &self.parts.manifest
    }

    /// What this capture was derived from, if it was.
    pub fn lineage(&self) -> &Lineage {
        &self.parts.lineage
    }

    /// The schema; empty, with a gap that says so, when its block is damaged.
    pub fn schema(&self) -> &Schema {
        &self.parts.schema
    }

    /// The names the file gives to its numbers: argument kinds, columns, fields … Read anew at each call.
    pub fn names(&self) -> Result<Vec<Name>, Error> {
        let Some(offset) = self.parts.schema_at else {
            return Ok(Vec::new());
        };
        let read = || Names::decode(&self.source.block(offset, self.tag)?.record(MAX_RECORD)?);
        read()
            .map(|record| record.names)
            .map_err(|kind| Error::at(Place::Block(1), offset, kind))
    }

    /// The chunks in order.
    pub fn chunks(&self) -> &[ChunkInfo] {
        &self.parts.chunks
    }

    fn info(&self, at: usize) -> Result<&ChunkInfo, Error> {
        self.parts.chunks.get(at).ok_or(Error {
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
                && let Some(later) = self.parts.state.proc(row.id)
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
        self.parts.chunks.get(at).map(|info| Gap {
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
        &self.parts.gaps
    }

    /// Containers, users and the initial state: rows of all state blocks, later ones winning.
    pub fn state(&self) -> &Tables {
        &self.parts.state
    }

    /// The containers as last described.
    pub fn containers(&self) -> Vec<&Container> {
        self.parts
            .state
            .containers
            .values()
            .map(AsRef::as_ref)
            .collect()
    }

    /// The notes in order.
    pub fn notes(&self) -> &[Note] {
        &self.parts.notes
    }

    /// Remarks alone: what may stand in another file as well. The custody log stays with the file whose chain it is part of.
    pub fn remarks(&self) -> impl Iterator<Item = &Note> {
        self.notes().iter().filter(|note| note.action.is_empty())
    }

    /// How many artifacts there are.
    pub fn artifacts(&self) -> usize {
        self.parts.artifacts.len()
    }

    /// One artifact; its bytes are checked against its hash.
    pub fn artifact(&self, at: usize) -> Result<Artifact, Error> {
        let missing = ErrorKind::Missing { what: "artifact" };
        let (offset, seq) = *self.parts.artifacts.get(at).ok_or(Error::file(missing))?;
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
        self.parts.totals.as_ref()
    }

    /// What the footer says of the end; `None` when the file is not sealed.
    pub fn seal(&self) -> Option<&Seal> {
        self.parts.seal.as_ref()
    }

    /// Total events in whole chunks.
    pub fn events(&self) -> u64 {
        self.parts
            .chunks
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
