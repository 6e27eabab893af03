//! Writing a capture: blocks one after another over any `Write`, nothing ever rewritten, so a pipe will do.

use crate::age::Recipient;
use crate::anchor::Anchor;
use crate::batch::{Arg, Batch, Row};
use crate::block::{BlockHead, Chain, FileHead, put_block};
use crate::chunk_write::{ChunkEncoder, Pressed};
use crate::cipher::{FileKey, brief, is_secret, sealed_len};
use crate::custody::Deed;
use crate::error::{Error, ErrorKind, Place, limit};
use crate::keys::{PublicKey, Purpose, SecretKey};
use crate::layout::{
    BLOCK_HEAD, BLOCK_TAIL, FILE_HEAD, FLAG_KEYFRAME, FLAG_SEALED, FLAG_ZSTD, MAX_BLOCKS, MAX_BODY,
    MAX_CHUNK, MAX_CHUNK_EVENTS, MAX_CHUNK_VALUES, MAX_RECORD, MAX_ROWS, MAX_STATE, SIGNATURE,
    block, row,
};
use crate::records::{
    Artifact, Checkpoint, Footer, Lineage, Names, Note, ZoneRecord, names, put_row,
};
use crate::wire::{Record, put_field, put_varint};
use afterimage_model::{
    BootNs, ClockPair, Descriptor, Event, Gap, GapCause, Manifest, Schema, Tables, Totals,
};
use smallvec::SmallVec;
use std::io::Write;

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
}

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions {
            chunk_events: 65_536,
            chunk_span_ns: 1_000_000_000,
            chunk_bytes: 32 << 20,
            level: 1,
            recipients: Vec::new(),
            unit_ns: 1,
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

/// One line of the index: what block stands where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub len: u64,
    pub ty: u16,
    /// Zero for blocks that are not chunks.
    pub first_num: u64,
    pub events: u64,
    pub start: u64,
    pub end: u64,
}

/// The body of an index block: entries of varints, each block's place being the end of the one before.
pub(crate) fn encode_index(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * 12);
    put_varint(&mut out, entries.len() as u64);
    let (mut num, mut time) = (0_u64, 0_u64);
    for entry in entries {
        put_varint(&mut out, u64::from(entry.ty));
        put_varint(&mut out, entry.len);
        if entry.ty == block::CHUNK {
            put_varint(&mut out, entry.first_num.wrapping_sub(num));
            put_varint(&mut out, entry.events);
            put_varint(&mut out, entry.start.wrapping_sub(time));
            put_varint(&mut out, entry.end.wrapping_sub(entry.start));
            num = entry.first_num.wrapping_add(entry.events);
            time = entry.start;
        }
    }
    out
}

/// Who signs a file that is being written. Each key signs once and is wiped: who comes into possession of all there is in
/// memory cannot sign again what was signed before.
struct Ratchet {
    signer: PublicKey,
    next: SecretKey,
    number: u64,
}

/// The key of a capture that is being written, and how its readers come by it.
pub(crate) struct Vault {
    key: FileKey,
    wrapped: Vec<u8>,
}

impl Vault {
    /// A new key for these recipients; `None` when there are none.
    pub(crate) fn new(recipients: &[Recipient]) -> Result<Option<Vault>, Error> {
        if recipients.is_empty() {
            return Ok(None);
        }
        let made = FileKey::generate(recipients);
        let (key, wrapped) = made.map_err(|error| Error::file(ErrorKind::Io(error)))?;
        Ok(Some(Vault { key, wrapped }))
    }

    /// The lineage of the capture, which names its readers and holds its key for them.
    pub(crate) fn name(
        vault: Option<&Vault>,
        recipients: &[Recipient],
        lineage: &Lineage,
    ) -> Lineage {
        Lineage {
            recipients: recipients.iter().map(ToString::to_string).collect(),
            key: vault.map_or_else(Vec::new, |vault| vault.wrapped.clone()),
            ..lineage.clone()
        }
    }
}

/// Makes sure that the file can grow to this many bytes and still be ended.
type Guard = Box<dyn FnMut(u64) -> std::io::Result<()> + Send>;

/// What was not written because the disk was full.
#[derive(Clone, Copy, Debug, Default)]
struct Refused {
    events: u64,
    start: u64,
    end: u64,
}

/// Told how far the file has come at each checkpoint and at its seal.
type OnAnchor = Box<dyn FnMut(&Anchor) + Send>;

/// Frames blocks and keeps the books about them; knows nothing of events.
pub(crate) struct Blocks<W> {
    pub out: W,
    pub entries: Vec<Entry>,
    tag: u64,
    chain: Chain,
    pub position: u64,
    /// Events in all chunks.
    events: u64,
    buffer: Vec<u8>,
    failed: bool,
    capture_id: String,
    ratchet: Option<Ratchet>,
    on_anchor: Option<OnAnchor>,
    /// The clocks at the last checkpoint, or at the end.
    clock: ClockPair,
    /// Why the recording ended.
    ended: String,
    guard: Option<Guard>,
    /// What bodies are sealed with, in an encrypted capture.
    key: Option<FileKey>,
    /// Set when the guard has found no room: only the end of the file is written from there on.
    full: Option<Refused>,
}

impl<W: Write> Blocks<W> {
    /// Starts a file whose header block has this body.
    pub(crate) fn new(out: W, header: &[u8]) -> Result<Self, Error> {
        let file_head = FileHead::for_header(header);
        let bytes = file_head.encode();
        let mut blocks = Blocks {
            out,
            entries: Vec::new(),
            tag: file_head.tag,
            chain: Chain::start(&bytes),
            position: FILE_HEAD as u64,
            events: 0,
            buffer: bytes.to_vec(),
            failed: false,
            capture_id: Manifest::decode(header)
                .map_or_else(|_| String::new(), |m| crate::anchor::plain(&m.capture_id)),
            ratchet: None,
            on_anchor: None,
            clock: ClockPair::default(),
            ended: String::new(),
            guard: None,
            key: None,
            full: None,
        };
        blocks.append(block::HEADER, 0, header, &ZoneRecord::default())?;
        Ok(blocks)
    }

    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        Error {
            place: Place::Output,
            offset: Some(self.position),
            kind,
        }
    }

    /// Seals bodies from here on, and keeps the key once more.
    pub(crate) fn encrypt(&mut self, vault: Option<Vault>) -> Result<(), Error> {
        let Some(vault) = vault else { return Ok(()) };
        self.key = Some(vault.key);
        self.plain(block::KEY, &vault.wrapped)
    }

    /// Writes one block in one call; after a failure nothing more is written. In an encrypted capture its body is sealed,
    /// unless it is needed to check the file.
    pub(crate) fn append(
        &mut self,
        ty: u16,
        flags: u16,
        body: &[u8],
        zone: &ZoneRecord,
    ) -> Result<(), Error> {
        self.append_as(ty, flags, body, zone, is_secret(ty, false))
    }

    fn append_as(
        &mut self,
        ty: u16,
        flags: u16,
        body: &[u8],
        zone: &ZoneRecord,
        is_secret: bool,
    ) -> Result<(), Error> {
        if self.failed {
            return Err(self.error(ErrorKind::WriterFailed));
        }
        let len = match &self.key {
            Some(_) if is_secret => sealed_len(ty, body.len()),
            _ => body.len(),
        };
        // Two blocks are kept free, so that a file at its limit can still be sealed.
        let most = if matches!(ty, block::INDEX | block::FOOTER) {
            MAX_BLOCKS
        } else {
            MAX_BLOCKS - 2
        };
        limit("block length", len as u64, MAX_BODY)
            .and_then(|()| limit("blocks of a file", self.entries.len() as u64 + 1, most))
            .map_err(|kind| self.error(kind))?;
        if !self.has_room(ty, len as u64, zone)? {
            return Ok(());
        }
        let key = self.key.as_ref().filter(|_| is_secret);
        let head = BlockHead {
            ty,
            flags: if key.is_some() {
                flags | FLAG_SEALED
            } else {
                flags
            },
            len: len as u32,
            seq: self.entries.len() as u64,
            tag: self.tag,
        };
        let sealed = key.map(|key| {
            let clear = if ty == block::CHUNK {
                brief(zone)
            } else {
                Vec::new()
            };
            key.seal(head, &clear, body)
        });
        let sealed = sealed.transpose().map_err(|kind| self.error(kind))?;
        let body = sealed.as_deref().unwrap_or(body);
        let chain = put_block(&mut self.buffer, head, body, self.chain);
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        if let Err(error) = written {
            self.failed = true;
            return Err(self.error(ErrorKind::Io(error)));
        }
        let len = head.total();
        self.entries.push(Entry {
            len,
            ty,
            first_num: zone.first_num,
            events: zone.events,
            start: zone.start.0,
            end: zone.end.0,
        });
        self.position += len;
        self.events += zone.events;
        self.chain = chain;
        Ok(())
    }

    /// Whether a block may be written: when the disk is full, only those that end the file may, for which there is a
    /// reserve. What is left out is counted.
    fn has_room(&mut self, ty: u16, len: u64, zone: &ZoneRecord) -> Result<bool, Error> {
        if matches!(ty, block::INDEX | block::FOOTER | block::HEADER) {
            return Ok(true);
        }
        if let (None, Some(guard)) = (self.full, &mut self.guard) {
            // The index grows with each block.
            let index = (self.entries.len() as u64).saturating_mul(64);
            let end = self.position + (BLOCK_HEAD + BLOCK_TAIL) as u64 + len;
            match guard(end.saturating_add(index)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    self.full = Some(Refused::default());
                }
                Err(error) => return Err(self.error(ErrorKind::Io(error))),
            }
        }
        let Some(refused) = &mut self.full else {
            return Ok(true);
        };
        if zone.events > 0 {
            let start = zone.start.0;
            refused.start = match refused.events {
                0 => start,
                _ => refused.start.min(start),
            };
            refused.end = refused.end.max(zone.end.0);
            refused.events += zone.events;
        }
        Ok(false)
    }

    /// Says what was not written, from the reserve.
    fn tell_refused(&mut self) -> Result<(), Error> {
        let Some(refused) = self.full.take() else {
            return Ok(());
        };
        self.guard = None;
        let gap = Gap {
            cause: GapCause::WriteFailed,
            start: BootNs(refused.start),
            end: BootNs(refused.end.max(refused.start)),
            cpu: None,
            count: Some(refused.events),
            first_seq: None,
            detail: "the disk was full".to_owned(),
        };
        self.plain(block::GAP, &gap.encode())?;
        self.put_checkpoint(self.clock, None)
    }

    fn count(&self, ty: u16) -> u64 {
        self.entries.iter().filter(|entry| entry.ty == ty).count() as u64
    }

    pub(crate) fn chain(&self) -> Vec<u8> {
        self.chain.0.to_vec()
    }

    /// How far the file has come.
    pub(crate) fn anchor(&self) -> Anchor {
        Anchor {
            capture_id: self.capture_id.clone(),
            blocks: self.entries.len() as u64,
            bytes: self.position,
            digest: self.chain.digest(),
            sealed: self.entries.last().is_some_and(|e| e.ty == block::FOOTER),
            signer: self.ratchet.as_ref().map(|ratchet| ratchet.signer),
            real_ns: self.clock.real_ns,
        }
    }

    fn tell(&mut self) {
        let anchor = self.anchor();
        if let Some(on_anchor) = &mut self.on_anchor {
            on_anchor(&anchor);
        }
    }

    /// Writes the first checkpoint, signed by `key`, which the header names. It names the first of the keys that sign from
    /// here on; `key` itself is not needed any more.
    pub(crate) fn sign(&mut self, key: &SecretKey, clock: ClockPair) -> Result<(), Error> {
        self.put_checkpoint(clock, Some(key))?;
        self.tell();
        Ok(())
    }

    /// Writes how far the file has come; signed where the file is.
    pub(crate) fn checkpoint(&mut self, clock: ClockPair) -> Result<(), Error> {
        self.put_checkpoint(clock, None)?;
        if self.full.is_none() {
            self.flush()?;
            self.tell();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.out
            .flush()
            .map_err(|error| self.error(ErrorKind::Io(error)))
    }

    fn put_checkpoint(&mut self, clock: ClockPair, first: Option<&SecretKey>) -> Result<(), Error> {
        self.clock = clock;
        let mut checkpoint = Checkpoint {
            at: BootNs(clock.boot_ns),
            blocks: self.entries.len() as u64,
            events: self.events,
            chain: self.chain(),
            number: self.ratchet.as_ref().map_or(0, |ratchet| ratchet.number),
            mono_ns: clock.mono_ns,
            real_ns: clock.real_ns,
            ..Checkpoint::default()
        };
        let key = first.or(self.ratchet.as_ref().map(|ratchet| &ratchet.next));
        let Some(key) = key else {
            return self.plain(block::CHECKPOINT, &checkpoint.encode());
        };
        let next = SecretKey::generate().map_err(|error| self.error(ErrorKind::Io(error)))?;
        checkpoint.next = next.public().0.to_vec();
        let mut body = checkpoint.encode();
        let signature = key.sign(Purpose::Checkpoint, &body);
        put_field(&mut body, SIGNATURE, &signature);
        let ratchet = Ratchet {
            signer: (self.ratchet.as_ref()).map_or(key.public(), |ratchet| ratchet.signer),
            next,
            number: checkpoint.number + 1,
        };
        let blocks = self.entries.len();
        self.plain(block::CHECKPOINT, &body)?;
        if self.entries.len() > blocks {
            // The key that has signed is wiped here.
            self.ratchet = Some(ratchet);
        }
        Ok(())
    }

    /// Writes an entry of the custody log, signed where there is a key.
    pub(crate) fn custody(&mut self, deed: &Deed, key: Option<&SecretKey>) -> Result<(), Error> {
        let body = deed.body(self.chain, key);
        limit("record length", body.len() as u64, MAX_RECORD).map_err(|kind| self.error(kind))?;
        let is_secret = is_secret(block::NOTE, !deed.action.is_empty());
        self.append_as(block::NOTE, 0, &body, &ZoneRecord::default(), is_secret)
    }

    /// Says why the recording ended, for the footer.
    pub(crate) fn ended(&mut self, why: &str) {
        self.ended = why.to_owned();
    }

    fn plain(&mut self, ty: u16, body: &[u8]) -> Result<(), Error> {
        self.append(ty, 0, body, &ZoneRecord::default())
    }

    /// Writes index and footer and gives the output back.
    pub(crate) fn seal(mut self, totals: &Totals) -> Result<(W, Anchor), Error> {
        self.tell_refused()?;
        let index = self.position;
        let body = encode_index(&self.entries);
        self.append(block::INDEX, 0, &body, &ZoneRecord::default())?;
        let footer = Footer {
            totals: totals.clone(),
            blocks: self.entries.len() as u64,
            chunks: self.count(block::CHUNK),
            events: self.events,
            gaps: self.count(block::GAP),
            index,
            chain: self.chain(),
            at: self.clock.boot_ns,
            real_ns: self.clock.real_ns,
            ended: std::mem::take(&mut self.ended),
            signature: Vec::new(),
        };
        let mut body = footer.encode();
        if let Some(ratchet) = &self.ratchet {
            let signature = ratchet.next.sign(Purpose::Seal, &body);
            put_field(&mut body, SIGNATURE, &signature);
        }
        self.plain(block::FOOTER, &body)?;
        self.tell();
        self.flush()?;
        let anchor = self.anchor();
        Ok((self.out, anchor))
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
            writer.blocks.sign(key, manifest.clock)?;
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

    fn put_state(&mut self, at: BootNs, tables: &Tables, flags: u16) -> Result<(), Error> {
        let mut start = Vec::new();
        put_field(&mut start, u64::from(row::AT), &{
            let mut value = Vec::new();
            put_varint(&mut value, at.0);
            value
        });
        let mut rows: Vec<Vec<u8>> = Vec::new();
        let mut one = |tag: u16, put: &dyn Fn(&mut Vec<u8>, u16)| {
            let mut bytes = Vec::new();
            put(&mut bytes, tag);
            rows.push(bytes);
        };
        tables
            .procs
            .values()
            .for_each(|item| one(row::PROCESS, &|out, tag| put_row(out, tag, item.as_ref())));
        tables
            .containers
            .values()
            .for_each(|item| one(row::CONTAINER, &|out, tag| put_row(out, tag, item.as_ref())));
        tables
            .files
            .values()
            .for_each(|item| one(row::FILE, &|out, tag| put_row(out, tag, item.as_ref())));
        tables
            .users
            .values()
            .for_each(|item| one(row::USER, &|out, tag| put_row(out, tag, item.as_ref())));
        tables
            .groups
            .values()
            .for_each(|item| one(row::GROUP, &|out, tag| put_row(out, tag, item.as_ref())));
        for ((proc, fd), file) in &tables.descriptors {
            let (proc, fd, file) = (*proc, *fd, *file);
            let item = Descriptor { proc, fd, file };
            one(row::DESCRIPTOR, &|out, tag| put_row(out, tag, &item));
        }
        tables
            .mounts
            .values()
            .for_each(|item| one(row::MOUNT, &|out, tag| put_row(out, tag, item.as_ref())));
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
