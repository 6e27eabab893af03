//! Whether a capture is what its recorder wrote: checksums, lengths, sequence, hash chain, index, footer, and that every chunk
//! decodes. Never repairs.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod walk;

pub(crate) use self::walk::check_source;

use crate::age::Identities;
use crate::anchor::Anchor;
use crate::block::FileHead;
use crate::error::{Digest, Error};
use crate::keys::PublicKey;
use crate::layout::FILE_HEAD;
use crate::records::Note;
use crate::source::Source;
use afterimage_model::ClockPair;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// What a capture is checked against beyond its own bytes.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// Also decode every chunk, and compare its filter of texts with what is in it. Without it chunks are checked byte by byte and
    /// not looked into.
    pub deep: bool,
    /// What an encrypted capture is opened with, so that it can be looked into; everything else is checked without.
    pub identities: Identities,
    /// What was kept elsewhere of how far the capture had come.
    pub anchors: Vec<Anchor>,
    /// Keys of which one must have signed the capture; empty when it may be anybody, or nobody.
    pub keys: Vec<PublicKey>,
}

/// What is to be said of a capture.
#[derive(Debug)]
pub enum Verdict {
    /// The footer is there and everything before it is as it was sealed.
    SealedIntact,
    /// Every whole block is as it was written, and there is no footer: the recorder died, is still at work, or the tail was
    /// removed.
    IntactUnsealed,
    /// Something was changed, removed, added or moved, or it is not what was asked for.
    Broken {
        /// Where, and what is wrong there.
        error: Error,
    },
}

/// Signatures that hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// The key that signed the first checkpoint, and so all others.
    pub signer: PublicKey,
    /// Signed checkpoints.
    pub checkpoints: u64,
    /// The clocks at the first checkpoint.
    pub first: ClockPair,
    /// The clocks at the last checkpoint.
    pub last: ClockPair,
    /// Blocks that the last signature covers, itself included.
    pub blocks: u64,
    /// Events that it covers.
    pub events: u64,
    /// Whether the footer is signed: then every block before it is.
    pub sealed: bool,
}

/// An entry of the custody log whose place holds, and its signature where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodyEntry {
    /// What it says.
    pub note: Note,
    /// The key that signed it.
    pub signer: Option<PublicKey>,
    /// Whether it stands after the seal.
    pub after_seal: bool,
}

/// The outcome of [`verify`].
#[derive(Debug)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// Hash chain value of the last good block, of the footer in a sealed file: it stands for everything before it.
    pub digest: Digest,
    /// Capture id.
    pub capture_id: String,
    /// Good blocks, up to the first bad one; custody entries after the seal are not counted.
    pub blocks: u64,
    /// Good chunks.
    pub chunks: u64,
    /// Events in them.
    pub events: u64,
    /// Recorded gaps.
    pub gaps: u64,
    /// Whom it is encrypted to, as it says itself; `None` when it is not encrypted.
    pub recipients: Option<Vec<String>>,
    /// Whether what is sealed was opened and checked inside, too.
    pub looked_into: bool,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes up to the first bad block, or to the end.
    pub good_bytes: u64,
    /// Bytes after the last whole block of an unsealed file.
    pub torn_bytes: u64,
    /// Signatures; `None` when the capture is not signed.
    pub signing: Option<Signing>,
    /// The custody log.
    pub custody: Vec<CustodyEntry>,
    /// What is wrong with the custody log after the seal. It says nothing of the capture, which ends with its footer.
    pub custody_error: Option<Error>,
    /// Anchors that hold.
    pub anchors: u64,
    /// How far the file goes, custody entries included: to be kept elsewhere.
    pub anchor: Anchor,
}

impl Report {
    /// What the checks of a capture that is not signed cannot tell.
    pub const NOT_SIGNED: &'static str = "not signed: this shows that no accident changed it, not that nobody rewrote it with all its checksums";

    /// Blocks of an unsealed file that no signature covers; they can be written by anybody.
    pub fn unsigned_blocks(&self) -> u64 {
        match &self.signing {
            Some(signing) if signing.sealed => 0,
            Some(signing) => self.blocks.saturating_sub(signing.blocks),
            None => self.blocks,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::SealedIntact => f.write_str("sealed and intact"),
            Verdict::IntactUnsealed => f.write_str("intact, not sealed"),
            Verdict::Broken { error } => write!(f, "broken: {error}"),
        }
    }
}

/// Checks a capture from the first byte to the last, each chunk included. `Err` means that it could not be read at all, or
/// is no capture.
pub fn verify(path: &Path) -> Result<Report, Error> {
    check(path, &Checks::thorough())
}

/// As [`verify`], of a capture in memory.
pub fn verify_bytes(bytes: Vec<u8>) -> Result<Report, Error> {
    check_bytes(bytes, &Checks::thorough())
}

/// Checks a capture, and what was asked for besides.
pub fn check(path: &Path, checks: &Checks) -> Result<Report, Error> {
    unlocked(Source::open(path)?, checks)
}

/// As [`check()`], of a capture that comes as a stream, by way of an unnamed temporary file.
pub fn check_stream(stream: impl Read, checks: &Checks) -> Result<Report, Error> {
    unlocked(Source::spool(stream)?, checks)
}

/// As [`check()`], of a capture in memory.
pub fn check_bytes(bytes: Vec<u8>, checks: &Checks) -> Result<Report, Error> {
    unlocked(Source::memory(bytes), checks)
}

/// Checks a capture inside, too, where that was asked for and there are identities.
fn unlocked(mut source: Source, checks: &Checks) -> Result<Report, Error> {
    if checks.deep && !checks.identities.is_empty() {
        let head = source.bytes(0, source.len().min(FILE_HEAD as u64));
        if let Ok(head) = head.and_then(|head| FileHead::decode(&head)) {
            crate::unlock::unlock(&mut source, head.tag, &checks.identities)
                .map_err(Error::file)?;
        }
    }
    check_source(&source, checks)
}

impl Checks {
    /// Everything there is to check in the file itself.
    pub fn thorough() -> Checks {
        Checks {
            deep: true,
            ..Checks::default()
        }
    }
}
