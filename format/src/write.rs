//! Writing a capture: blocks one after another over any `Write`, nothing ever rewritten, so a pipe will do.

use crate::age::Recipient;
use crate::anchor::Anchor;
use crate::batch::{Arg, Batch, Row};
use crate::chunk_write::{ChunkEncoder, Pressed};
use crate::custody::Deed;
use crate::error::{Error, ErrorKind, limit};
use crate::keys::SecretKey;
use crate::layout::{
    FLAG_KEYFRAME, FLAG_WITHIN, FLAG_ZSTD, MAX_CHUNK, MAX_CHUNK_EVENTS, MAX_CHUNK_VALUES,
    MAX_RECORD, MAX_ROWS, MAX_STATE, block, row,
};
use crate::records::{Artifact, Lineage, Names, Note, ZoneRecord, each_row, names};
use crate::wire::{Record, put_field, put_varint};
use afterimage_model::{BootNs, ClockPair, Event, Gap, Manifest, Schema, Tables, Totals};
use smallvec::SmallVec;
use std::io::Write;

mod blocks;

pub(crate) use blocks::{Blocks, Vault};

/// When a chunk is closed.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// Events in a chunk at most; never more than the format's own limit.
    pub chunk_events: usize,
    /// Time span of a chunk at most, ns.
    pub chunk_span_ns: u64,
    /// Bytes of strings, payload and process rows a chunk may hold back before it is closed.
    pub chunk_bytes: usize,
    /// zstd level.
    pub level: i32,
    /// Who may read the capture; anybody when there is none.
    pub recipients: Vec<Recipient>,
    /// Instants are cut to whole multiples of this, ns; the order of events stays.
    pub unit_ns: u64,
    /// When a file that is made of others is made, ns since 1970: its first checkpoint is signed then. The clocks of its manifest are
    /// those of the recording.
    pub made_ns: Option<i64>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions {
            chunk_events: 65_536,
            chunk_span_ns: 1_000_000_000,
            // A recorder has several of them on their way at a time.
            chunk_bytes: 8 << 20,
            level: 1,
            recipients: Vec::new(),
            unit_ns: 1,
            made_ns: None,
        }
    }
}

impl WriterOptions {
    /// A row as it is told in the unit of time.
    pub fn in_unit(&self, row: Row) -> Row {
        let cut = |ns: u64| ns - ns.checked_rem(self.unit_ns).unwrap_or(0);
        Row {
            time: BootNs(cut(row.time.0)),
            latency_ns: cut(row.latency_ns),
            ..row
        }
    }

    /// Whether a batch may as well be closed: there is little room left in it.
    pub fn is_nearly_full(&self, batch: &Batch) -> bool {
        let nearly = |has: usize, most: usize| has >= most - most / 8;
        let most = self.chunk_bytes.min((MAX_CHUNK / 8) as usize);
        nearly(batch.len(), self.chunk_events) || nearly(batch.bytes(), most)
    }

    /// Whether a batch must be closed before this event is added to it.
    pub fn is_full(&self, batch: &Batch, row: &Row, args: &[Arg<'_>]) -> bool {
        let bytes = |arg: &Arg<'_>| match arg {
            Arg::Bytes(bytes, _) => bytes.len(),
            Arg::Absent | Arg::Num(_) => 0,
        };
        let most = self.chunk_bytes.min((MAX_CHUNK / 8) as usize);
        !batch.is_empty()
            && (batch.len() >= self.chunk_events
                || batch.span_with(row.time) > self.chunk_span_ns
                || batch.bytes() + args.iter().map(bytes).sum::<usize>() > most
                || batch.values() + args.len() as u64 > MAX_CHUNK_VALUES)
    }
}

/// The clocks of a checkpoint of a file that is made of others: of those only what people call the time is of meaning.
pub(crate) fn made_at(made_ns: i64) -> ClockPair {
    ClockPair {
        real_ns: made_ns,
        ..ClockPair::default()
    }
}

/// Writes a capture: header and schema first, then chunks, gaps and state, and a footer with the totals.
///
/// Every block goes out in one `write_all`. After a write has failed the file ends there: every later call is an error.
pub struct Writer<W: Write> {
    blocks: Blocks<W>,
    chunks: ChunkEncoder,
    schema: Schema,
    options: WriterOptions,
    batch: Batch,
    next_num: u64,
}

impl<W: Write> Writer<W> {
    /// Writes magic, header block and schema block.
    pub fn new(
        out: W,
        manifest: &Manifest,
        schema: &Schema,
        options: WriterOptions,
    ) -> Result<Self, Error> {
        Self::signed(out, manifest, &Lineage::default(), schema, options, None)
    }

    /// As [`Writer::new`], for a capture made from another one, which it names by its hash.
    pub fn derived(
        out: W,
        manifest: &Manifest,
        lineage: &Lineage,
        schema: &Schema,
        options: WriterOptions,
    ) -> Result<Self, Error> {
        Self::signed(out, manifest, lineage, schema, options, None)
    }

    /// As [`Writer::derived`], signed by `key` when there is one. The key signs once, here; the checkpoints and the seal are
    /// signed by keys that are made on the way and wiped.
    pub fn signed(
        out: W,
        manifest: &Manifest,
        lineage: &Lineage,
        schema: &Schema,
        options: WriterOptions,
        key: Option<&SecretKey>,
    ) -> Result<Self, Error> {
        let clock = options.made_ns.map_or(manifest.clock, made_at);
        let mut header = manifest.encode();
        let vault = Vault::new(&options.recipients)?;
        let lineage = Lineage {
            signer: key.map_or_else(Vec::new, |key| key.public().0.to_vec()),
            ..Vault::name(vault.as_ref(), &options.recipients, lineage)
        };
        lineage.put(&mut header);
        let chunks =
            ChunkEncoder::new(options.level).map_err(|error| Error::file(ErrorKind::Io(error)))?;
        let mut writer = Writer {
            blocks: Blocks::new(out, &header)?,
            chunks,
            schema: schema.clone(),
            options: WriterOptions {
                chunk_events: options.chunk_events.clamp(1, MAX_CHUNK_EVENTS as usize),
                ..options
            },
            batch: Batch::new(schema),
            next_num: 1,
        };
        let mut record = schema.encode();
        Names { names: names() }.put(&mut record);
        writer.append_record(block::SCHEMA, &record)?;
        if let Some(key) = key {
            writer.blocks.sign(key, clock)?;
        }
        writer.blocks.encrypt(vault)?;
        Ok(writer)
    }

    /// Appends a block whose body is a record, compressed when that is shorter.
    fn append_record(&mut self, ty: u16, record: &[u8]) -> Result<(), Error> {
        self.append_flagged(ty, 0, record)
    }

    fn append_flagged(&mut self, ty: u16, flags: u16, record: &[u8]) -> Result<(), Error> {
        let most = if ty == block::STATE {
            MAX_STATE
        } else {
            MAX_RECORD
        };
        limit("record length", record.len() as u64, most)
            .map_err(|kind| self.blocks.error(kind))?;
        let compressed = self
            .chunks
            .compress_record(record)
            .map_err(|error| self.blocks.error(ErrorKind::Io(error)))?;
        match compressed {
            Some(body) => self
                .blocks
                .append(ty, flags | FLAG_ZSTD, &body, &ZoneRecord::default()),
            None => self
                .blocks
                .append(ty, flags, record, &ZoneRecord::default()),
        }
    }

    /// Adds an event (in file order); closes the chunk when it is full. When a chunk is closed, here or by [`Writer::flush`],
    /// `tables` must hold every row its events need (process with all recorded ancestors, container, file, users): the chunk
    /// takes its own copies.
    pub fn push(&mut self, event: Event, tables: &Tables) -> Result<(), Error> {
        self.add(&event, tables, false)
    }

    /// As [`Writer::push`], for what is heard of late: the event is put at its place in time among those of the chunk that
    /// is being made. It cannot come before chunks that are written.
    pub fn place(&mut self, event: Event, tables: &Tables) -> Result<(), Error> {
        self.add(&event, tables, true)
    }

    fn add(&mut self, event: &Event, tables: &Tables, in_time: bool) -> Result<(), Error> {
        let args: SmallVec<[Arg<'_>; 8]> = event.args.iter().map(Arg::from).collect();
        let row = Row::from(event);
        if self.options.is_full(&self.batch, &row, &args) {
            self.flush(tables)?;
        }
        let pushed = match in_time {
            true => self.batch.place(row, &args, tables),
            false => self.batch.push(row, &args, tables),
        };
        pushed.map_err(|kind| self.blocks.error(kind))?;
        if self.batch.len() >= self.options.chunk_events {
            self.flush(tables)?;
        }
        Ok(())
    }

    /// Closes the current chunk, if it has events, so that they are in the file.
    pub fn flush(&mut self, tables: &Tables) -> Result<(), Error> {
        let mut batch = std::mem::replace(&mut self.batch, Batch::new(&self.schema));
        let written = self.chunk(&batch, &batch.needs(tables));
        batch.clear();
        self.batch = batch;
        written
    }

    /// Writes a chunk of its own, of a batch that was filled elsewhere, and of the rows that it needs. One that is empty is
    /// left out. What was pushed before goes before it.
    pub fn chunk(&mut self, batch: &Batch, needs: &Tables) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let pressed = self.chunks.encode(batch, needs);
        let pressed = pressed.map_err(|error| self.blocks.error(ErrorKind::Io(error)))?;
        self.pressed(&pressed)
    }

    /// Writes a chunk that was encoded elsewhere, of events that the same schema describes.
    pub fn pressed(&mut self, chunk: &Pressed) -> Result<(), Error> {
        let (zone, body) = chunk.body(self.next_num);
        self.blocks.append(block::CHUNK, 0, &body, &zone)?;
        self.next_num += zone.events;
        Ok(())
    }

    /// When chunks are closed.
    pub fn options(&self) -> &WriterOptions {
        &self.options
    }

    /// Writes a gap block.
    pub fn gap(&mut self, gap: &Gap) -> Result<(), Error> {
        self.append_record(block::GAP, &gap.encode())
    }

    /// Writes a state block: everything known at that instant: all live processes, files they hold, containers, users.
    /// A state too large for one block becomes several of the same instant.
    pub fn state(&mut self, at: BootNs, tables: &Tables) -> Result<(), Error> {
        self.put_state(at, tables, 0)
    }

    /// Writes a keyframe: as [`Writer::state`], of what can also be told from what was written before. Who looks at an instant
    /// needs no chunk before it; who reads on from the start does not need it.
    pub fn keyframe(&mut self, at: BootNs, tables: &Tables) -> Result<(), Error> {
        self.flush(tables)?;
        self.put_state(at, tables, FLAG_KEYFRAME)
    }

    /// Writes a keyframe within a section of a capture of another program: as [`Writer::keyframe`], which begins one there.
    pub fn keyframe_within(&mut self, at: BootNs, tables: &Tables) -> Result<(), Error> {
        self.flush(tables)?;
        self.put_state(at, tables, FLAG_KEYFRAME | FLAG_WITHIN)
    }

    fn put_state(&mut self, at: BootNs, tables: &Tables, flags: u16) -> Result<(), Error> {
        let mut start = Vec::new();
        put_field(&mut start, u64::from(row::AT), &{
            let mut value = Vec::new();
            put_varint(&mut value, at.0);
            value
        });
        let mut rows: Vec<Vec<u8>> = Vec::new();
        each_row(tables, &mut |row| rows.push(row));
        let (mut record, mut count) = (start.clone(), 0);
        for row in rows {
            if count > 0
                && (record.len() + row.len() > (MAX_STATE / 4) as usize || count >= MAX_ROWS)
            {
                self.append_flagged(block::STATE, flags, &record)?;
                (record, count) = (start.clone(), 0);
            }
            limit("length of a row", row.len() as u64, MAX_STATE / 2)
                .map_err(|kind| self.blocks.error(kind))?;
            record.extend_from_slice(&row);
            count += 1;
        }
        self.append_flagged(block::STATE, flags, &record)
    }

    /// Writes a note.
    pub fn note(&mut self, note: &Note) -> Result<(), Error> {
        self.append_record(block::NOTE, &note.encode())
    }

    /// Writes an entry of the custody log, signed where there is a key.
    pub fn custody(&mut self, deed: &Deed, key: Option<&SecretKey>) -> Result<(), Error> {
        self.blocks.custody(deed, key)
    }

    /// Writes a file to keep with the capture; its hash is computed here.
    pub fn artifact(&mut self, artifact: &Artifact) -> Result<(), Error> {
        let hashed = Artifact {
            hash: blake3::hash(&artifact.bytes).as_bytes().to_vec(),
            ..artifact.clone()
        };
        self.blocks
            .append(block::ARTIFACT, 0, &hashed.encode(), &ZoneRecord::default())
    }

    /// Writes how far the file has come, by the clocks as they are; signed where the file is.
    pub fn checkpoint(&mut self, clock: ClockPair) -> Result<(), Error> {
        self.blocks.checkpoint(clock)
    }

    /// Asks once more for what was written to be kept, though nothing was written since.
    ///
    /// # Errors
    /// When that has failed, now or earlier.
    pub fn look(&mut self) -> Result<(), Error> {
        self.blocks.flush()
    }

    /// Has `each` called with how far the file has come, after each checkpoint and after the seal.
    pub fn on_anchor(&mut self, mut each: impl FnMut(&Anchor) + Send + 'static) {
        each(&self.blocks.anchor());
        self.blocks.on_anchor = Some(Box::new(each));
    }

    /// Has `room` asked before each block whether the file can grow to this many bytes and still be ended. When it says
    /// that the disk is full, nothing more is written but the end of the file, with a gap for what is left out.
    pub fn guard(&mut self, room: impl FnMut(u64) -> std::io::Result<()> + Send + 'static) {
        self.blocks.guard = Some(Box::new(room));
    }

    /// Events that were left out because the disk is full; `None` while it is not.
    pub fn refused(&self) -> Option<u64> {
        self.blocks.full.map(|refused| refused.events)
    }

    /// How far the file has come.
    pub fn anchor(&self) -> Anchor {
        self.blocks.anchor()
    }

    /// Says why the recording ended, for the footer.
    pub fn ended(&mut self, why: &str) {
        self.blocks.ended(why);
    }

    /// Flushes, writes index and footer, and gives the output back. The file is sealed.
    pub fn seal(self, totals: &Totals, tables: &Tables) -> Result<W, Error> {
        self.seal_anchored(totals, tables).map(|(out, _)| out)
    }

    /// As [`Writer::seal`], and says how far the file goes.
    pub fn seal_anchored(mut self, totals: &Totals, tables: &Tables) -> Result<(W, Anchor), Error> {
        self.flush(tables)?;
        self.blocks.seal(totals)
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.blocks.position
    }

    /// Events in the chunks written so far; those still buffered are not among them.
    pub fn events(&self) -> u64 {
        self.next_num - 1
    }

    /// The output.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.blocks.out
    }
}
