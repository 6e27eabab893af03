//! The walk over a capture from its first block to its last, up to the first that is not as it was written.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::{Checks, CustodyEntry, Report, Signing, Verdict};
use crate::anchor::{Anchor, plain};
use crate::block::{Block, BlockHead, Chain, FileHead, tag_of};
use crate::chunk_read::{Body, Zone};
use crate::cipher::{is_secret, may_be_clear, take_brief};
use crate::error::{Digest, Error, ErrorKind, Place, malformed};
use crate::keys::{PublicKey, Purpose};
use crate::layout::{
    BLOCK_HEAD, FILE_HEAD, FLAG_SEALED, FLAG_ZSTD, MAX_BLOCKS, MAX_CUSTODY, MAX_RECORD, SYNC, block,
};
use crate::records::{Checkpoint, Footer, Lineage, Note};
use crate::scan::{Piece, by_footer};
use crate::source::Source;
use crate::wire::{Record, split_signature};
use afterimage_model::{ClockPair, Manifest};

pub(crate) fn check_source(source: &Source, checks: &Checks) -> Result<Report, Error> {
    let at_start = |kind| Error::at(Place::File, 0, kind);
    let head_bytes = source
        .bytes(0, source.len().min(FILE_HEAD as u64))
        .map_err(at_start)?;
    let head = FileHead::decode(&head_bytes).map_err(at_start)?;
    let digest = Chain::start(&head_bytes).digest();
    let mut walk = Walk {
        source,
        checks,
        tag: head.tag,
        chain: Chain::start(&head_bytes),
        at: FILE_HEAD as u64,
        seq: 0,
        buffer: Vec::new(),
        last_num: 0,
        sealed: false,
        signer: None,
        next: None,
        real_ns: 0,
        report: Report {
            verdict: Verdict::IntactUnsealed,
            digest,
            capture_id: String::new(),
            blocks: 0,
            chunks: 0,
            events: 0,
            gaps: 0,
            recipients: None,
            looked_into: false,
            bytes: source.len(),
            good_bytes: FILE_HEAD as u64,
            torn_bytes: 0,
            signing: None,
            custody: Vec::new(),
            custody_error: None,
            anchors: 0,
            anchor: Anchor {
                capture_id: String::new(),
                blocks: 0,
                bytes: 0,
                digest,
                sealed: false,
                signer: None,
                real_ns: 0,
            },
        },
    };
    walk.all()?;
    if walk.seq == 0 && !matches!(walk.report.verdict, Verdict::Broken { .. }) {
        return Err(Error::at(
            Place::Block(0),
            walk.at,
            ErrorKind::Missing { what: "header" },
        ));
    }
    Ok(walk.end())
}

/// Whether the rest of the file is the beginning of a block, or was never written.
fn torn(source: &Source, at: u64, tag: u64) -> Result<bool, ErrorKind> {
    let left = source.len().saturating_sub(at);
    match source.head(at, tag) {
        Ok(head) => Ok(head.total() > left),
        Err(ErrorKind::Io(error)) => Err(ErrorKind::Io(error)),
        Err(_) if left < BLOCK_HEAD as u64 => Ok(true),
        Err(_) => {
            let mut at = at;
            while at < source.len() {
                let len = source.len().saturating_sub(at).min(1 << 16);
                if source.bytes(at, len)?.iter().any(|byte| *byte != 0) {
                    return Ok(false);
                }
                at = source.data_after(at.saturating_add(len));
            }
            Ok(true)
        }
    }
}

struct Walk<'a> {
    source: &'a Source,
    checks: &'a Checks,
    tag: u64,
    chain: Chain,
    at: u64,
    /// Good blocks, custody entries after the seal included.
    seq: u64,
    /// Memory that a block was read into.
    buffer: Vec<u8>,
    last_num: u64,
    sealed: bool,
    /// The key that the header names.
    signer: Option<PublicKey>,
    /// The key that must sign the next checkpoint or the footer.
    next: Option<PublicKey>,
    /// Wall clock at the last checkpoint or at the seal.
    real_ns: i64,
    report: Report,
}

fn same(what: &'static str, expected: u64, found: u64) -> Result<(), ErrorKind> {
    if expected == found {
        Ok(())
    } else {
        Err(ErrorKind::Mismatch {
            what,
            expected,
            found,
        })
    }
}

impl Walk<'_> {
    /// Checks block after block, up to the first that is not as it was written.
    fn all(&mut self) -> Result<(), Error> {
        while self.at < self.source.len() {
            let (at, number) = (self.at, self.seq);
            let failed = |kind| Error::at(Place::Block(number), at, kind);
            let Err(kind) = self.step() else { continue };
            if matches!(kind, ErrorKind::Io(_)) {
                return Err(failed(kind));
            }
            let head = self.source.head(at, self.tag);
            if self.sealed && self.is_custody(head.as_ref().ok()) {
                self.report.custody_error = Some(failed(kind));
                return Ok(());
            }
            if number > 0 && !self.sealed && torn(self.source, at, self.tag).map_err(failed)? {
                self.report.torn_bytes = self.source.len().saturating_sub(at);
                return Ok(());
            }
            let place = match head {
                Ok(head) if head.ty == block::CHUNK => Place::Chunk(self.report.chunks),
                _ => Place::Block(number),
            };
            self.report.verdict = Verdict::Broken {
                error: Error::at(place, at, kind),
            };
            return Ok(());
        }
        Ok(())
    }

    /// Whether what follows the footer is, or begins as, an entry of the custody log.
    fn is_custody(&self, head: Option<&BlockHead>) -> bool {
        match head {
            Some(head) => head.ty == block::NOTE,
            None => {
                let left = self.source.len().saturating_sub(self.at);
                let seen = self.source.bytes(self.at, left.min(SYNC.len() as u64));
                left < BLOCK_HEAD as u64 && seen.is_ok_and(|seen| SYNC.starts_with(&seen))
            }
        }
    }

    /// The verdict, and what was asked for besides.
    fn end(mut self) -> Report {
        self.report.anchor = Anchor {
            capture_id: plain(&self.report.capture_id),
            blocks: self.seq,
            bytes: self.at,
            digest: self.chain.digest(),
            sealed: self.sealed,
            signer: self.signer,
            real_ns: self.real_ns,
        };
        if matches!(self.report.verdict, Verdict::Broken { .. }) {
            return self.report;
        }
        if self.sealed {
            self.report.verdict = Verdict::SealedIntact;
        }
        // A capture that is fine in itself may still not be the one that is meant.
        let wanted = &self.checks.keys;
        let found = self.report.signing.as_ref().map(|signing| signing.signer);
        let stranger = !wanted.is_empty() && !found.is_some_and(|found| wanted.contains(&found));
        let kind = if stranger {
            Some(ErrorKind::Signer { found })
        } else {
            self.beyond_the_end()
        };
        if let Some(kind) = kind {
            self.report.verdict = Verdict::Broken {
                error: Error::file(kind),
            };
        }
        self.report
    }

    /// An anchor that vouches for blocks that are not there.
    fn beyond_the_end(&self) -> Option<ErrorKind> {
        let id = plain(&self.report.capture_id);
        let anchors = &self.checks.anchors;
        if let Some(other) = anchors.iter().find(|anchor| anchor.capture_id != id) {
            return Some(ErrorKind::Anchor(format!(
                "the anchor is of capture {}, this is {id}",
                plain(&other.capture_id)
            )));
        }
        let most = anchors.iter().max_by_key(|anchor| anchor.blocks)?;
        (most.blocks > self.seq).then(|| {
            ErrorKind::Anchor(format!(
                "rolled back, or its end never reached the disk: the anchor vouches for {} blocks in {} bytes, {} blocks in {} bytes are there",
                most.blocks, most.bytes, self.seq, self.at
            ))
        })
    }

    /// Whether the anchors at this block, which was read last, hold.
    fn anchored(&mut self, chain: Chain) -> Result<(), ErrorKind> {
        let here = self.seq.saturating_add(1);
        for anchor in self.checks.anchors.iter().filter(|a| a.blocks == here) {
            if anchor.digest != chain.digest() {
                return Err(ErrorKind::Anchor(format!(
                    "the anchor says {} for the first {here} blocks, they have {}: the capture was rewritten, or is another one",
                    anchor.digest,
                    chain.digest()
                )));
            }
            self.report.anchors = self.report.anchors.saturating_add(1);
        }
        Ok(())
    }

    /// Checks the block at `at` and steps over it.
    fn step(&mut self) -> Result<(), ErrorKind> {
        crate::error::limit(
            "blocks of a file",
            self.seq,
            MAX_BLOCKS.saturating_add(MAX_CUSTODY),
        )?;
        let buffer = std::mem::take(&mut self.buffer);
        let block = self.source.block_into(self.at, self.tag, buffer)?;
        if self.sealed && block.head.ty != block::NOTE {
            return Err(malformed("bytes after the footer"));
        }
        same("block sequence", self.seq, block.head.seq)?;
        let chain = self.chain.next(&block.head.encode(), block.body());
        if chain.0 != block.chain {
            return Err(ErrorKind::Chain {
                expected: chain.digest(),
                found: Digest(block.chain),
            });
        }
        let was_sealed = self.sealed;
        self.content(&block)?;
        self.anchored(chain)?;
        self.chain = chain;
        self.seq = self.seq.saturating_add(1);
        self.at = self.at.saturating_add(block.head.total());
        self.report.good_bytes = self.at;
        if !was_sealed {
            self.report.digest = chain.digest();
            self.report.blocks = self.seq;
        }
        self.buffer = block.into_buffer();
        Ok(())
    }

    fn content(&mut self, block: &Block) -> Result<(), ErrorKind> {
        let is_sealed = block.head.flags & FLAG_SEALED != 0;
        if is_sealed && (self.report.recipients.is_none() || !is_secret(block.head.ty, false)) {
            return Err(malformed("sealed block"));
        }
        if is_sealed && self.sealed {
            return Err(malformed("custody entry"));
        }
        if !is_sealed
            && self.report.recipients.is_some()
            && !may_be_clear(block.head.ty, block.body())
        {
            return Err(ErrorKind::Sealed);
        }
        if block.head.seq == 2 && self.signer.is_some() && block.head.ty != block::CHECKPOINT {
            return Err(ErrorKind::Missing {
                what: "first signed checkpoint",
            });
        }
        match (block.head.seq, block.head.ty) {
            (0, block::HEADER) => self.header(block),
            (0, _) => Err(ErrorKind::Missing { what: "header" }),
            (1, block::SCHEMA) => block.record(MAX_RECORD).map(|_| ()),
            (1, _) => Err(ErrorKind::Missing { what: "schema" }),
            (_, block::HEADER | block::SCHEMA) => Err(malformed("order of blocks")),
            (_, block::CHUNK) => {
                let zone = self.chunk(block, is_sealed)?;
                if zone.first_num <= self.last_num {
                    same(
                        "number of the first event",
                        self.last_num.saturating_add(1),
                        zone.first_num,
                    )?;
                }
                let end = zone.first_num.saturating_add(zone.events);
                self.last_num = end.saturating_sub(1);
                self.report.chunks = self.report.chunks.saturating_add(1);
                self.report.events = self.report.events.saturating_add(zone.events);
                Ok(())
            }
            (_, block::GAP) => {
                self.report.gaps = self.report.gaps.saturating_add(1);
                if is_sealed {
                    return self.look_into(block);
                }
                crate::records::decode_gap(&block.record(MAX_RECORD)?).map(|_| ())
            }
            _ if is_sealed => self.look_into(block),
            (_, block::NOTE) => self.note(&block.record(MAX_RECORD)?),
            (_, block::CHECKPOINT) => self.checkpoint(block),
            (_, block::FOOTER) => self.footer(block),
            _ => Ok(()),
        }
    }

    /// The zone map of a chunk, which is decoded when that was asked for and it can be.
    fn chunk(&self, block: &Block, is_sealed: bool) -> Result<Zone, ErrorKind> {
        if !is_sealed {
            let body = Body::new(block.body())?;
            if self.checks.deep {
                body.check_pieces(&body.decode()?.tables)?;
            }
            return Ok(body.zone);
        }
        let brief = take_brief(block.body())?;
        if self.report.looked_into {
            let opened = self.source.opened(self.at, self.tag)?;
            let body = Body::new(opened.body())?;
            body.check_pieces(&body.decode()?.tables)?;
            same(
                "number of the first event",
                brief.first_num,
                body.zone.first_num,
            )?;
            same("number of events", brief.events, body.zone.events)?;
            same("earliest instant", brief.start.0, body.zone.start.0)?;
            same("latest instant", brief.end.0, body.zone.end.0)?;
        }
        Ok(brief)
    }

    /// Opens what is sealed in a block that is no chunk, when that was asked for and it can be.
    fn look_into(&self, block: &Block) -> Result<(), ErrorKind> {
        if !self.report.looked_into {
            return Ok(());
        }
        let opened = self.source.opened(self.at, self.tag)?;
        match block.head.ty {
            block::GAP => crate::records::decode_gap(&opened.record(MAX_RECORD)?).map(|_| ()),
            block::NOTE => Note::decode(&opened.record(MAX_RECORD)?).map(|_| ()),
            _ => Ok(()),
        }
    }

    fn header(&mut self, block: &Block) -> Result<(), ErrorKind> {
        same("capture tag", self.tag, tag_of(block.body()))?;
        let body = block.record(MAX_RECORD)?;
        self.report.capture_id = Manifest::decode(&body)?.capture_id;
        let lineage = Lineage::decode(&body)?;
        if lineage.recipients.is_empty() != lineage.key.is_empty() {
            return Err(malformed("key of the capture"));
        }
        if !lineage.key.is_empty() {
            self.report.recipients = Some(lineage.recipients.clone());
            self.report.looked_into = self.checks.deep && self.source.is_unlocked();
        }
        if !lineage.signer.is_empty() {
            let signer = PublicKey::from_slice(&lineage.signer)?;
            (self.signer, self.next) = (Some(signer), Some(signer));
        }
        Ok(())
    }

    /// Whether the signature of a checkpoint or a footer is that of the key whose turn it is.
    fn signed(&self, purpose: Purpose, block: &Block) -> Result<bool, ErrorKind> {
        let body = block.record(MAX_RECORD)?;
        match (self.next, split_signature(&body)?) {
            (Some(_), _) if block.head.flags & FLAG_ZSTD != 0 => Err(malformed("signed block")),
            (None, None) => Ok(false),
            (None, Some(_)) => Err(malformed("signature in a capture that names no signer")),
            (Some(_), None) => Err(ErrorKind::Missing { what: "signature" }),
            (Some(key), Some((signed, signature))) => {
                key.check(purpose, signed, signature).map(|()| true)
            }
        }
    }

    fn checkpoint(&mut self, block: &Block) -> Result<(), ErrorKind> {
        let body = block.record(MAX_RECORD)?;
        let checkpoint = Checkpoint::decode(&body)?;
        same("blocks of the checkpoint", self.seq, checkpoint.blocks)?;
        self.same_chain(&checkpoint.chain)?;
        if !self.signed(Purpose::Checkpoint, block)? {
            return Ok(());
        }
        let clock = ClockPair {
            boot_ns: checkpoint.at.0,
            mono_ns: checkpoint.mono_ns,
            real_ns: checkpoint.real_ns,
        };
        let signer = self.signer.ok_or(malformed("signature"))?;
        let (number, first) = match &self.report.signing {
            Some(signing) => (signing.checkpoints, signing.first),
            None => (0, clock),
        };
        same("number of the checkpoint", number, checkpoint.number)?;
        same(
            "events of the checkpoint",
            self.report.events,
            checkpoint.events,
        )?;
        self.next = Some(PublicKey::from_slice(&checkpoint.next)?);
        self.real_ns = checkpoint.real_ns;
        self.report.signing = Some(Signing {
            signer,
            checkpoints: number.saturating_add(1),
            first,
            last: clock,
            blocks: self.seq.saturating_add(1),
            events: self.report.events,
            sealed: false,
        });
        Ok(())
    }

    fn footer(&mut self, block: &Block) -> Result<(), ErrorKind> {
        let body = block.record(MAX_RECORD)?;
        let footer = Footer::decode(&body)?;
        same("blocks of the footer", self.seq, footer.blocks)?;
        same("chunks of the footer", self.report.chunks, footer.chunks)?;
        same("events of the footer", self.report.events, footer.events)?;
        same("gaps of the footer", self.report.gaps, footer.gaps)?;
        self.same_chain(&footer.chain)?;
        let signed = self.signed(Purpose::Seal, block)?;
        self.index(block)?;
        self.sealed = true;
        if footer.real_ns != 0 {
            self.real_ns = footer.real_ns;
        }
        if let Some(signing) = self.report.signing.as_mut().filter(|_| signed) {
            signing.sealed = true;
            signing.blocks = self.seq.saturating_add(1);
            signing.events = self.report.events;
        }
        Ok(())
    }

    /// A remark, or an entry of the custody log: then it must stand where it was put, and be signed by who it says.
    fn note(&mut self, body: &[u8]) -> Result<(), ErrorKind> {
        let note = Note::decode(body)?;
        if note.action.is_empty() {
            return match self.sealed {
                true => Err(malformed("custody entry")),
                false => Ok(()),
            };
        }
        crate::error::limit(
            "custody entries",
            self.report.custody.len() as u64,
            MAX_CUSTODY.saturating_mul(2),
        )?;
        self.same_chain(&note.previous)?;
        let signer = match (note.signer.is_empty(), split_signature(body)?) {
            (true, None) if !self.sealed => None,
            (true, _) | (_, None) => return Err(ErrorKind::Missing { what: "signature" }),
            (false, Some((signed, signature))) => {
                let key = PublicKey::from_slice(&note.signer)?;
                key.check(Purpose::Custody, signed, signature)?;
                Some(key)
            }
        };
        self.report.custody.push(CustodyEntry {
            note,
            signer,
            after_seal: self.sealed,
        });
        Ok(())
    }

    fn same_chain(&self, stored: &[u8]) -> Result<(), ErrorKind> {
        if stored == self.chain.0 {
            return Ok(());
        }
        let found = <[u8; 32]>::try_from(stored).map_err(|_| malformed("hash chain value"))?;
        Err(ErrorKind::Chain {
            expected: self.chain.digest(),
            found: Digest(found),
        })
    }

    /// Whether every line of the index says what the blocks themselves say.
    fn index(&self, footer: &Block) -> Result<(), ErrorKind> {
        for piece in by_footer(self.source, self.tag, self.at, footer)?.pieces {
            let Piece::Block {
                offset,
                len,
                ty,
                seq,
                zone,
            } = piece
            else {
                continue;
            };
            let head = self.source.head(offset, self.tag)?;
            same("length in the index", head.total(), len)?;
            same("type in the index", u64::from(head.ty), u64::from(ty))?;
            same("sequence in the index", head.seq, seq)?;
            if let Some(listed) = zone {
                let zone = crate::scan::zone_at(self.source, offset, head)?;
                same("first event in the index", zone.first_num, listed.first_num)?;
                same("events in the index", zone.events, listed.events)?;
                same("start in the index", zone.start.0, listed.start.0)?;
                same("end in the index", zone.end.0, listed.end.0)?;
            }
        }
        Ok(())
    }
}
