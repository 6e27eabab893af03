//! The custody log: entries that say who did what with a capture, signed by who did it, chained like every block, and
//! appended behind the seal without changing a byte before it. The one thing that is ever written to a finished capture.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::block::{BlockHead, Chain, FileHead, put_block};
use crate::error::{Error, ErrorKind, Place, limit, malformed};
use crate::keys::{Purpose, SecretKey};
use crate::layout::{FILE_HEAD, MAX_CUSTODY, MAX_RECORD, SIGNATURE, block};
use crate::records::Note;
use crate::source::Source;
use crate::verify::{Checks, Report, Verdict, check_source};
use crate::wire::{Record, put_field};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Something that was done with a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deed {
    /// What: a word such as `verified`.
    pub action: String,
    /// Who.
    pub operator: String,
    /// With which program.
    pub tool: String,
    /// On which host.
    pub host: String,
    /// When, ns since 1970.
    pub made_ns: i64,
    /// What else is to be said.
    pub text: String,
    /// BLAKE3 of the file that was made, if one was.
    pub subject: Option<[u8; 32]>,
}

impl Deed {
    /// The body of a note behind the block with this chain value, signed.
    pub(crate) fn body(&self, previous: Chain, key: Option<&SecretKey>) -> Vec<u8> {
        let note = Note {
            made_ns: self.made_ns,
            about: None,
            author: self.operator.clone(),
            text: self.text.clone(),
            action: self.action.clone(),
            tool: self.tool.clone(),
            host: self.host.clone(),
            subject: self.subject.map_or_else(Vec::new, |hash| hash.to_vec()),
            previous: previous.0.to_vec(),
            signer: key.map_or_else(Vec::new, |key| key.public().0.to_vec()),
            signature: Vec::new(),
        };
        let mut body = note.encode();
        if let Some(key) = key {
            let signature = key.sign(Purpose::Custody, &body);
            put_field(&mut body, SIGNATURE, &signature);
        }
        body
    }
}

/// Verifies a sealed capture and appends an entry to its custody log; gives what was found before. What cannot be appended
/// whole is taken away again.
///
/// # Errors
/// When it cannot be read or written, and when the capture is not sealed and intact: nothing is said about one that is not.
pub fn append(path: &Path, deed: &Deed, key: &SecretKey, checks: &Checks) -> Result<Report, Error> {
    let io = |error: std::io::Error| Error::file(ErrorKind::Io(error));
    let flags =
        OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| io(errno.into()))?;
    let file = File::from(fd);
    // Two entries at once would both name the same block before them.
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|errno| io(errno.into()))?;
    let source = Source::of(file.try_clone().map_err(io)?)?;
    let report = check_source(&source, checks)?;
    if let Some(error) = &report.custody_error {
        return Err(Error {
            place: error.place,
            offset: error.offset,
            kind: malformed("custody log"),
        });
    }
    if !matches!(report.verdict, Verdict::SealedIntact) {
        return Err(Error::file(ErrorKind::Missing {
            what: "seal that holds",
        }));
    }
    let entries = report.custody.iter().filter(|entry| entry.after_seal);
    let entries = (entries.count() as u64).saturating_add(1);
    limit("custody entries", entries, MAX_CUSTODY).map_err(Error::file)?;
    let head = source.bytes(0, FILE_HEAD as u64).map_err(Error::file)?;
    let tag = FileHead::decode(&head).map_err(Error::file)?.tag;
    let chain = Chain(report.anchor.digest.0);
    let body = deed.body(chain, Some(key));
    limit("record length", body.len() as u64, MAX_RECORD).map_err(Error::file)?;
    let mut bytes = Vec::new();
    let head = BlockHead {
        ty: block::NOTE,
        flags: 0,
        len: u32::try_from(body.len()).unwrap_or(u32::MAX),
        seq: report.anchor.blocks,
        tag,
    };
    put_block(&mut bytes, head, &body, chain);
    write_whole(file, &bytes, source.len()).map_err(|error| Error {
        place: Place::Output,
        offset: Some(source.len()),
        kind: ErrorKind::Io(error),
    })?;
    Ok(report)
}

fn write_whole(mut file: File, bytes: &[u8], length: u64) -> std::io::Result<()> {
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half an entry would look like an attack on the log.
        file.set_len(length)?;
        file.sync_all()?;
    }
    written
}
