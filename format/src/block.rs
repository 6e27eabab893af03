//! Blocks: what every piece of a capture is wrapped in, so that it can be found, checked and chained without being understood.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::{Digest, ErrorKind, malformed};
use crate::layout::{
    BLOCK_HEAD, BLOCK_TAIL, FILE_HEAD, FLAG_SEALED, FLAG_ZSTD, MAGIC, MAX_BODY, SYNC,
    VERSION_MAJOR, VERSION_MINOR,
};
use crate::wire::Cursor;
use std::borrow::Cow;

/// The first bytes of a file, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHead {
    pub minor: u16,
    /// First eight bytes of the BLAKE3 of the header's body: repeated in every block, so that a block of another capture
    /// inside a payload is never taken for one of this file.
    pub tag: u64,
}

impl FileHead {
    pub(crate) fn for_header(body: &[u8]) -> FileHead {
        FileHead {
            minor: VERSION_MINOR,
            tag: tag_of(body),
        }
    }

    pub(crate) fn encode(self) -> [u8; FILE_HEAD] {
        let mut out = Vec::with_capacity(FILE_HEAD);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION_MAJOR.to_le_bytes());
        out.extend_from_slice(&self.minor.to_le_bytes());
        out.extend_from_slice(&self.tag.to_le_bytes());
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        let mut head = [0; FILE_HEAD];
        head.copy_from_slice(&out);
        head
    }

    /// Checks as many of the first bytes as there are.
    pub(crate) fn decode(bytes: &[u8]) -> Result<FileHead, ErrorKind> {
        if bytes.is_empty() || !bytes.iter().zip(&MAGIC).all(|(a, b)| a == b) {
            return Err(ErrorKind::NotCapture {
                found: bytes.iter().take(MAGIC.len()).copied().collect(),
            });
        }
        if bytes.len() < FILE_HEAD {
            return Err(ErrorKind::Short {
                what: "file head",
                expected: FILE_HEAD as u64,
                found: bytes.len() as u64,
            });
        }
        let mut cursor = Cursor::new(bytes);
        cursor.take(MAGIC.len())?;
        let (major, minor, tag, expected) =
            (cursor.u16()?, cursor.u16()?, cursor.u64()?, cursor.u32()?);
        let found = crc32c::crc32c(bytes.get(..FILE_HEAD.saturating_sub(4)).unwrap_or_default());
        if found != expected {
            return Err(ErrorKind::Checksum {
                what: "file head",
                expected,
                found,
            });
        }
        if major != VERSION_MAJOR {
            return Err(ErrorKind::Version { major, minor });
        }
        Ok(FileHead { minor, tag })
    }
}

pub(crate) fn tag_of(header_body: &[u8]) -> u64 {
    let hash = blake3::hash(header_body);
    Cursor::new(hash.as_bytes()).u64().unwrap_or_default()
}

/// The head of a block, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHead {
    pub ty: u16,
    pub flags: u16,
    /// Bytes of the body.
    pub len: u32,
    /// Number of the block, from 0.
    pub seq: u64,
    pub tag: u64,
}

impl BlockHead {
    pub(crate) fn encode(self) -> [u8; BLOCK_HEAD] {
        let mut out = Vec::with_capacity(BLOCK_HEAD);
        out.extend_from_slice(&SYNC);
        out.extend_from_slice(&self.ty.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.tag.to_le_bytes());
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        let mut head = [0; BLOCK_HEAD];
        head.copy_from_slice(&out);
        head
    }

    /// Reads the head of a block of the file with this tag.
    pub(crate) fn decode(bytes: &[u8], tag: u64) -> Result<BlockHead, ErrorKind> {
        let mut cursor = Cursor::new(bytes);
        if bytes.len() < BLOCK_HEAD {
            return Err(ErrorKind::Short {
                what: "block head",
                expected: BLOCK_HEAD as u64,
                found: bytes.len() as u64,
            });
        }
        if cursor.take(SYNC.len())? != SYNC {
            return Err(malformed("sync marker"));
        }
        let head = BlockHead {
            ty: cursor.u16()?,
            flags: cursor.u16()?,
            len: cursor.u32()?,
            seq: cursor.u64()?,
            tag: cursor.u64()?,
        };
        let expected = cursor.u32()?;
        let found = crc32c::crc32c(
            bytes
                .get(..BLOCK_HEAD.saturating_sub(4))
                .unwrap_or_default(),
        );
        if found != expected {
            return Err(ErrorKind::Checksum {
                what: "block head",
                expected,
                found,
            });
        }
        if head.tag != tag {
            return Err(ErrorKind::Mismatch {
                what: "capture tag",
                expected: tag,
                found: head.tag,
            });
        }
        crate::error::limit("block length", u64::from(head.len), MAX_BODY)?;
        Ok(head)
    }

    /// Bytes of the whole block.
    pub(crate) fn total(self) -> u64 {
        u64::from(self.len).saturating_add((BLOCK_HEAD + BLOCK_TAIL) as u64)
    }
}

/// What follows a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockTail {
    pub chain: [u8; 32],
    pub crc: u32,
    pub len: u32,
}

impl BlockTail {
    pub(crate) fn decode(bytes: &[u8]) -> Result<BlockTail, ErrorKind> {
        let mut cursor = Cursor::new(bytes);
        Ok(BlockTail {
            chain: cursor.array()?,
            crc: cursor.u32()?,
            len: cursor.u32()?,
        })
    }
}

/// The hash chain: each block's value covers the value before it and the block's head and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain(pub [u8; 32]);

impl Chain {
    /// The value before the first block.
    pub(crate) fn start(file_head: &[u8]) -> Chain {
        Chain(*blake3::hash(file_head).as_bytes())
    }

    /// The value of a block that follows this one.
    pub(crate) fn next(self, head: &[u8], body: &[u8]) -> Chain {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(head).update(body);
        Chain(*hasher.finalize().as_bytes())
    }

    pub(crate) fn digest(self) -> Digest {
        Digest(self.0)
    }
}

/// Appends a whole block to `out` and gives its chain value.
pub(crate) fn put_block(out: &mut Vec<u8>, head: BlockHead, body: &[u8], before: Chain) -> Chain {
    let head_bytes = head.encode();
    let chain = before.next(&head_bytes, body);
    let crc = crc32c::crc32c(&head_bytes);
    let crc = crc32c::crc32c_append(crc, body);
    let crc = crc32c::crc32c_append(crc, &chain.0);
    out.reserve(body.len().saturating_add(BLOCK_HEAD + BLOCK_TAIL));
    out.extend_from_slice(&head_bytes);
    out.extend_from_slice(body);
    out.extend_from_slice(&chain.0);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&head.len.to_le_bytes());
    chain
}

/// A whole block that was read and whose checksum matches.
pub(crate) struct Block {
    pub head: BlockHead,
    /// The whole block; or only its body, once that was opened.
    bytes: Vec<u8>,
    /// Where in it the body is.
    body: std::ops::Range<usize>,
    pub chain: [u8; 32],
}

impl Block {
    /// A block as it lies in the file.
    pub(crate) fn whole(head: BlockHead, bytes: Vec<u8>, chain: [u8; 32]) -> Block {
        let end = bytes.len().saturating_sub(BLOCK_TAIL);
        Block {
            head,
            body: BLOCK_HEAD.min(end)..end,
            bytes,
            chain,
        }
    }

    /// The same block with the body that was sealed in it.
    pub(crate) fn opened(self, head: BlockHead, body: Vec<u8>) -> Block {
        Block {
            head,
            body: 0..body.len(),
            bytes: body,
            chain: self.chain,
        }
    }

    /// The body as it lies in the file, or as it was sealed.
    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.get(self.body.clone()).unwrap_or_default()
    }

    /// Its memory, for the next block.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// The body as a record's bytes: decompressed when its flag says so, never more than `most` bytes.
    pub(crate) fn record(&self, most: u64) -> Result<Cow<'_, [u8]>, ErrorKind> {
        if self.head.flags & FLAG_SEALED != 0 {
            return Err(ErrorKind::Sealed);
        }
        if self.head.flags & FLAG_ZSTD == 0 {
            return Ok(Cow::Borrowed(self.body()));
        }
        let mut cursor = Cursor::new(self.body());
        let raw = u64::from(cursor.u32()?);
        crate::error::limit("record length", raw, most)?;
        let frame = cursor.take(cursor.left())?;
        crate::codec::decompress(frame, raw).map(Cow::Owned)
    }
}
