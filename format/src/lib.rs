//! The capture file `.aft`.
//!
//! [`Writer`] turns events into blocks over any `Write`; [`Reader`] opens a file, finds its blocks and decodes one chunk
//! at a time; [`verify()`] checks checksums and the hash chain and gives one of three verdicts; [`recover`] copies what a
//! torn file still holds into a new one.

use afterimage_model::{BootNs, Container, Event, Gap, Manifest, Schema, Tables, Totals};
use std::io::Write;
use std::path::Path;

/// When a chunk is closed.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// Events in a chunk at most.
    pub chunk_events: usize,
    /// Time span of a chunk at most, ns.
    pub chunk_span_ns: u64,
    /// zstd level.
    pub level: i32,
}

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions { chunk_events: 65_536, chunk_span_ns: 1_000_000_000, level: 1 }
    }
}

/// What went wrong, and where in the file.
#[derive(Debug, thiserror::Error)]
#[error("placeholder")]
pub struct Error;

/// Writes a capture: header and schema first, then chunks, gaps and state, and a footer with the totals.
pub struct Writer<W: Write> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Writes magic, header block and schema block.
    pub fn new(_out: W, _manifest: &Manifest, _schema: &Schema, _options: WriterOptions) -> Result<Self, Error> {
        todo!()
    }
    /// Adds an event (in file order); closes the chunk when it is full. `tables` must hold every row the buffered events need
    /// (process with all recorded ancestors, container, file, users): the chunk takes its own copies.
    pub fn push(&mut self, _event: Event, _tables: &Tables) -> Result<(), Error> {
        todo!()
    }
    /// Closes the current chunk, if it has events, so that they are in the file.
    pub fn flush(&mut self, _tables: &Tables) -> Result<(), Error> {
        todo!()
    }
    /// Writes a gap block.
    pub fn gap(&mut self, _gap: &Gap) -> Result<(), Error> {
        todo!()
    }
    /// Writes a state block: everything known at that instant (keyframe): all live processes, files they hold, containers, users.
    pub fn state(&mut self, _at: BootNs, _tables: &Tables) -> Result<(), Error> {
        todo!()
    }
    /// Flushes, writes index and footer, and gives the output back. The file is sealed.
    pub fn seal(self, _totals: &Totals, _tables: &Tables) -> Result<W, Error> {
        todo!()
    }
    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        todo!()
    }
    /// The output.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }
}

/// What the index says of one chunk.
#[derive(Clone, Debug)]
pub struct ChunkInfo {
    /// Where its block starts in the file.
    pub offset: u64,
    /// Bytes of the block.
    pub len: u64,
    /// Number of its first event, from 1.
    pub first_num: u64,
    /// Events in it.
    pub events: u64,
    /// Instants of its first and last event.
    pub span: (BootNs, BootNs),
}

/// A decoded chunk: it stands alone.
pub struct Chunk {
    /// Number of the first event, from 1.
    pub first_num: u64,
    /// Events in file order.
    pub events: Vec<Event>,
    /// Every row they point at.
    pub tables: Tables,
}

/// An open capture. Never writes. A torn or damaged file opens, with the damage among `gaps()`.
pub struct Reader {}

impl Reader {
    /// Opens a capture by its footer, or by scanning its blocks when it has none.
    pub fn open(_path: &Path) -> Result<Reader, Error> {
        todo!()
    }
    /// The header.
    pub fn manifest(&self) -> &Manifest {
        todo!()
    }
    /// The schema.
    pub fn schema(&self) -> &Schema {
        todo!()
    }
    /// The chunks in order.
    pub fn chunks(&self) -> &[ChunkInfo] {
        todo!()
    }
    /// Decodes one chunk.
    pub fn chunk(&self, _at: usize) -> Result<Chunk, Error> {
        todo!()
    }
    /// Every gap: those recorded, and those found in the file itself.
    pub fn gaps(&self) -> &[Gap] {
        todo!()
    }
    /// Containers, users and the initial state: rows of all state blocks, later ones winning.
    pub fn state(&self) -> &Tables {
        todo!()
    }
    /// The containers as last described.
    pub fn containers(&self) -> Vec<&Container> {
        todo!()
    }
    /// The footer's totals; `None` when the file is not sealed.
    pub fn totals(&self) -> Option<&Totals> {
        todo!()
    }
    /// Total events in whole chunks.
    pub fn events(&self) -> u64 {
        todo!()
    }
    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        todo!()
    }
}
