//! What can go wrong with a capture file, where in the file, what was expected there and what was found.

use crate::keys::PublicKey;
use afterimage_model::Safe;
use std::fmt;
use std::io;

/// A BLAKE3 hash, shown as lowercase hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Which part of the file an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The file as a whole, or its first bytes.
    File,
    /// A block that is not a chunk, by its sequence number.
    Block(u64),
    /// A chunk, by its place among the chunks, from 0.
    Chunk(u64),
    /// The output of a writer.
    Output,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File => f.write_str("file"),
            Place::Block(number) => write!(f, "block {number}"),
            Place::Chunk(number) => write!(f, "chunk {number}"),
            Place::Output => f.write_str("output"),
        }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// A capture is read at many places at once, which only a regular file allows.
    #[error("not a regular file but {0}")]
    NotRegular(&'static str),
    /// The first bytes are not those of a capture.
    #[error("not a capture: {}", beginning(found))]
    NotCapture {
        /// The first bytes of the file, at most eight.
        found: Vec<u8>,
    },
    /// Written by a later major version.
    #[error(
        "format version is {major}.{minor}, this reader knows {}",
        crate::layout::VERSION_MAJOR
    )]
    Version {
        /// Major version of the file.
        major: u16,
        /// Minor version of the file.
        minor: u16,
    },
    /// The file lost bytes while it was followed.
    #[error("it was cut from {before} to {now} bytes while it was read")]
    Cut {
        /// Bytes it had.
        before: u64,
        /// Bytes it has.
        now: u64,
    },
    /// The file was written anew while it was followed.
    #[error("what was read of it has changed since")]
    Rewritten,
    /// Fewer bytes than something needs.
    #[error("{what} needs {expected} bytes, {found} are there")]
    Short {
        /// What is cut.
        what: &'static str,
        /// Bytes needed.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// A checksum does not match.
    #[error("checksum of the {what} is {found:08x}, the file says {expected:08x}")]
    Checksum {
        /// What the checksum covers.
        what: &'static str,
        /// The stored checksum.
        expected: u32,
        /// The checksum of what is there.
        found: u32,
    },
    /// Two places of the file disagree.
    #[error("{what} is {found}, expected {expected}")]
    Mismatch {
        /// What is compared.
        what: &'static str,
        /// The value it must have.
        expected: u64,
        /// The value it has.
        found: u64,
    },
    /// The hash chain is broken: a block was changed, removed, added or moved.
    #[error("hash chain is {found}, expected {expected}")]
    Chain {
        /// The chain value computed from the blocks before and this one.
        expected: Digest,
        /// The chain value stored in the block.
        found: Digest,
    },
    /// A signature that is not the key's.
    #[error("signature is not one of the key {key}")]
    Signature {
        /// The key that must have signed.
        key: PublicKey,
    },
    /// The capture is signed by another key than those that may.
    #[error("{}", stranger(*found))]
    Signer {
        /// The key that signed; `None` when it is not signed.
        found: Option<PublicKey>,
    },
    /// An anchor vouches for something else.
    #[error("{0}")]
    Anchor(String),
    /// A length or count beyond what the format allows.
    #[error("{what} is {found}, the limit is {limit}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The largest value allowed.
        limit: u64,
        /// The value found.
        found: u64,
    },
    /// Bytes that mean nothing.
    #[error("{what} cannot be decoded")]
    Malformed {
        /// What the bytes should have been.
        what: &'static str,
    },
    /// Something every capture has is not there.
    #[error("{what} is missing")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
    /// Captures that cannot be put into one.
    #[error("{name} is of another {what}")]
    Different {
        /// What differs.
        what: &'static str,
        /// The capture in which it does.
        name: String,
    },
    /// An encrypted capture, and no identity to open it with.
    #[error("it is encrypted to {0}, and no identity was named")]
    Locked(String),
    /// An encrypted capture, and identities of others.
    #[error("it is encrypted to {0}, and no identity that was named is of one of them")]
    Stranger(String),
    /// A sealed body that is not the one that was sealed there.
    #[error(
        "the body does not open: it was changed, or sealed for another place or with another key"
    )]
    Sealed,
    /// An earlier write failed, so nothing more can follow it.
    #[error("an earlier write failed; the file ends there")]
    WriterFailed,
}

fn stranger(found: Option<PublicKey>) -> String {
    match found {
        Some(key) => format!("signed by {key}, which is not the key that was named"),
        None => "not signed, and a key was named that must have signed it".to_owned(),
    }
}

/// How a file begins that is none of ours: in letters where it is text, else in hex.
fn beginning(found: &[u8]) -> String {
    let is_plain = |byte: &u8| (byte.is_ascii_graphic() || *byte == b' ') && *byte != b'\\';
    if found.is_empty() {
        "it is empty".to_owned()
    } else if found.iter().all(is_plain) {
        format!("it begins with \"{}\"", Safe::new(found))
    } else {
        format!("it begins with {found:02x?}")
    }
}

/// What went wrong, and where in the file.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    /// Which part of the file.
    pub place: Place,
    /// The byte at which that part starts; `None` where there is no file position.
    pub offset: Option<u64>,
    /// What is wrong with it.
    pub kind: ErrorKind,
}

impl Error {
    pub(crate) fn file(kind: ErrorKind) -> Error {
        Error {
            place: Place::File,
            offset: None,
            kind,
        }
    }

    pub(crate) fn at(place: Place, offset: u64, kind: ErrorKind) -> Error {
        Error {
            place,
            offset: Some(offset),
            kind,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.place, self.offset) {
            // Whoever reports it names the file.
            (Place::File, _) => write!(f, "{}", self.kind),
            (place, Some(offset)) => write!(f, "{place} at byte {offset}: {}", self.kind),
            (place, None) => write!(f, "{place}: {}", self.kind),
        }
    }
}

pub(crate) fn malformed(what: &'static str) -> ErrorKind {
    ErrorKind::Malformed { what }
}

pub(crate) fn limit(what: &'static str, found: u64, limit: u64) -> Result<(), ErrorKind> {
    if found > limit {
        Err(ErrorKind::Limit { what, limit, found })
    } else {
        Ok(())
    }
}
