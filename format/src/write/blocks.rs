//! Blocks one after another: their order, their chain, signatures and encryption, the index and the end.

use crate::age::Recipient;
use crate::anchor::Anchor;
use crate::block::{BlockHead, Chain, FileHead, put_block};
use crate::cipher::{FileKey, brief, is_secret, sealed_len};
use crate::custody::Deed;
use crate::error::{Error, ErrorKind, Place, limit};
use crate::keys::{PublicKey, Purpose, SecretKey};
use crate::layout::{
    BLOCK_HEAD, BLOCK_TAIL, FILE_HEAD, FLAG_SEALED, MAX_BLOCKS, MAX_BODY, MAX_RECORD, SIGNATURE,
    block,
};
use crate::records::{Checkpoint, Footer, Lineage, ZoneRecord};
use crate::wire::{Record, put_field, put_varint};
use afterimage_model::{BootNs, ClockPair, Gap, GapCause, Manifest, Totals};
use std::io::Write;

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
pub(super) struct Refused {
    pub(super) events: u64,
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
    pub(super) on_anchor: Option<OnAnchor>,
    /// The clocks at the last checkpoint, or at the end.
    clock: ClockPair,
    /// Why the recording ended.
    ended: String,
    pub(super) guard: Option<Guard>,
    /// What bodies are sealed with, in an encrypted capture.
    key: Option<FileKey>,
    /// Set when the guard has found no room: only the end of the file is written from there on.
    pub(super) full: Option<Refused>,
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

    pub(crate) fn flush(&mut self) -> Result<(), Error> {
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
