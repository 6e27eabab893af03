//! The bytes of a capture: a regular file read by position, or memory. A file that shrinks while it is read gives an error,
//! never a signal, because nothing is mapped.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::block::{Block, BlockHead, BlockTail};
use crate::cipher::{FileKey, Shape, TAG, bound, may_be_clear, opened};
use crate::error::{Digest, Error, ErrorKind, limit, malformed};
use crate::layout::{BLOCK_HEAD, BLOCK_TAIL, FLAG_SEALED, SEGMENT};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

/// How much is read at once while blocks are walked.
const WINDOW: usize = 256 << 10;

enum Bytes {
    File(Arc<File>, u64),
    Memory(Vec<u8>),
}

/// The bytes of a capture, and the key to what is sealed in them.
pub(crate) struct Source {
    bytes: Bytes,
    key: Option<Arc<FileKey>>,
}

impl Source {
    /// A file of this length.
    pub(crate) fn file(file: File, len: u64) -> Source {
        Source {
            bytes: Bytes::File(Arc::new(file), len),
            key: None,
        }
    }

    /// Bytes in memory.
    pub(crate) fn memory(bytes: Vec<u8>) -> Source {
        Source {
            bytes: Bytes::Memory(bytes),
            key: None,
        }
    }

    /// Takes the key with which sealed bodies are opened.
    pub(crate) fn unlock(&mut self, key: FileKey) {
        self.key = Some(Arc::new(key));
    }

    /// Whether there is a key.
    pub(crate) fn is_unlocked(&self) -> bool {
        self.key.is_some()
    }

    /// Opens a regular file. `O_NONBLOCK` keeps a FIFO or a device from making us wait before we can refuse it.
    pub(crate) fn open(path: &Path) -> Result<Source, Error> {
        let fd = rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY,
            Mode::empty(),
        )
        .map_err(|errno| Error::file(ErrorKind::Io(errno.into())))?;
        Source::of(File::from(fd))
    }

    /// A file that is open already, if it is a regular one.
    pub(crate) fn of(file: File) -> Result<Source, Error> {
        let meta = file
            .metadata()
            .map_err(|error| Error::file(ErrorKind::Io(error)))?;
        let ty = meta.file_type();
        if ty.is_file() {
            return Ok(Source::file(file, meta.len()));
        }
        let what = if ty.is_dir() {
            "a directory"
        } else if ty.is_fifo() {
            "a pipe"
        } else if ty.is_socket() {
            "a socket"
        } else {
            "a device"
        };
        Err(Error::file(ErrorKind::NotRegular(what)))
    }

    /// Copies a stream to an unnamed file, which is gone when the reader is.
    pub(crate) fn spool(mut stream: impl Read) -> Result<Source, Error> {
        let io = |error: io::Error| Error::file(ErrorKind::Io(error));
        let directory = std::env::temp_dir();
        let unnamed = rustix::fs::open(
            &directory,
            OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
            Mode::RUSR | Mode::WUSR,
        )
        .or_else(|_| rustix::fs::memfd_create("capture", rustix::fs::MemfdFlags::CLOEXEC))
        .map_err(|errno| io(errno.into()))?;
        let mut file = File::from(unnamed);
        let len = io::copy(&mut stream, &mut file).map_err(io)?;
        Ok(Source::file(file, len))
    }

    /// The same with the bytes that were added to the file since; `None` when none were.
    pub(crate) fn grown(&self) -> Result<Option<Source>, ErrorKind> {
        let Bytes::File(file, before) = &self.bytes else {
            return Ok(None);
        };
        let now = file.metadata().map_err(ErrorKind::Io)?.len();
        if now < *before {
            return Err(ErrorKind::Cut {
                before: *before,
                now,
            });
        }
        Ok((now > *before).then(|| Source {
            bytes: Bytes::File(file.clone(), now),
            key: self.key.clone(),
        }))
    }

    /// Whether the file of this name is the one that is read.
    pub(crate) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let Bytes::File(file, _) = &self.bytes else {
            return Ok(false);
        };
        let (own, named) = (file.metadata()?, path.metadata()?);
        Ok((own.dev(), own.ino()) == (named.dev(), named.ino()))
    }

    /// Bytes there were when it was opened.
    pub(crate) fn len(&self) -> u64 {
        match &self.bytes {
            Bytes::File(_, len) => *len,
            Bytes::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `buffer` from `offset`, or fails.
    pub(crate) fn read_exact(&self, buffer: &mut [u8], offset: u64) -> Result<(), ErrorKind> {
        match &self.bytes {
            Bytes::File(file, _) => file.read_exact_at(buffer, offset).map_err(ErrorKind::Io),
            Bytes::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let from = bytes.get(start..start.saturating_add(buffer.len()));
                buffer.copy_from_slice(
                    from.ok_or(ErrorKind::Io(io::ErrorKind::UnexpectedEof.into()))?,
                );
                Ok(())
            }
        }
    }

    /// `len` bytes from `offset`, which must all be inside the file.
    pub(crate) fn bytes(&self, offset: u64, len: u64) -> Result<Vec<u8>, ErrorKind> {
        let left = self.len().saturating_sub(offset);
        if len > left {
            return Err(ErrorKind::Short {
                what: "block",
                expected: len,
                found: left,
            });
        }
        let mut buffer = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.read_exact(&mut buffer, offset)?;
        Ok(buffer)
    }

    /// The next byte from `offset` on that is not in a hole of a sparse file.
    pub(crate) fn data_after(&self, offset: u64) -> u64 {
        match &self.bytes {
            Bytes::File(file, len) => rustix::fs::seek(file, rustix::fs::SeekFrom::Data(offset))
                .unwrap_or(*len)
                .clamp(offset, *len),
            Bytes::Memory(_) => offset,
        }
    }

    /// The head of the block at `offset`.
    pub(crate) fn head(&self, offset: u64, tag: u64) -> Result<BlockHead, ErrorKind> {
        BlockHead::decode(&self.bytes(offset, BLOCK_HEAD as u64)?, tag)
    }

    /// The whole block at `offset` as it lies in the file, its checksum compared.
    pub(crate) fn block(&self, offset: u64, tag: u64) -> Result<Block, ErrorKind> {
        self.block_into(offset, tag, Vec::new())
    }

    /// As [`Source::block`], in memory that was used before.
    pub(crate) fn block_into(
        &self,
        offset: u64,
        tag: u64,
        mut buffer: Vec<u8>,
    ) -> Result<Block, ErrorKind> {
        let head = self.head(offset, tag)?;
        let (total, left) = (head.total(), self.len().saturating_sub(offset));
        if total > left {
            return Err(ErrorKind::Short {
                what: "block",
                expected: total,
                found: left,
            });
        }
        buffer.resize(usize::try_from(total).unwrap_or(usize::MAX), 0);
        self.read_exact(&mut buffer, offset)?;
        let tail_at = buffer.len().saturating_sub(BLOCK_TAIL);
        let tail = BlockTail::decode(buffer.get(tail_at..).unwrap_or_default())?;
        // Everything but the checksum itself and the repeated length.
        let checked = buffer.len().saturating_sub(8);
        let found = crc32c::crc32c(buffer.get(..checked).unwrap_or_default());
        check_tail(head, tail, found)?;
        // It may have changed since its head was read alone.
        if buffer.get(..BLOCK_HEAD) != Some(&head.encode()[..]) {
            return Err(malformed("block head"));
        }
        Ok(Block::whole(head, buffer, tail.chain))
    }

    /// The whole block at `offset` with its body opened, where that is sealed. In an encrypted capture nothing is taken that
    /// should be sealed and is not.
    pub(crate) fn opened(&self, offset: u64, tag: u64) -> Result<Block, ErrorKind> {
        let block = self.block(offset, tag)?;
        let is_sealed = block.head.flags & FLAG_SEALED != 0;
        match &self.key {
            Some(key) if is_sealed => {
                let body = key.unseal(block.head, block.body())?;
                let head = opened(block.head);
                Ok(block.opened(head, body))
            }
            Some(_) if !may_be_clear(block.head.ty, block.body()) => Err(ErrorKind::Sealed),
            None if is_sealed => Err(ErrorKind::Sealed),
            _ => Ok(block),
        }
    }

    /// Part of the body of the block at `offset`, which need not be whole. What is sealed is opened.
    pub(crate) fn body(
        &self,
        offset: u64,
        head: BlockHead,
        from: u64,
        len: u64,
    ) -> Result<Vec<u8>, ErrorKind> {
        let body = offset.saturating_add(BLOCK_HEAD as u64);
        let end = from.saturating_add(len);
        if head.flags & FLAG_SEALED == 0 {
            let sealed = self.key.is_some() && !may_be_clear(head.ty, &[]);
            limit("end of a part of a body", end, u64::from(head.len))?;
            return match sealed {
                true => Err(ErrorKind::Sealed),
                false => self.bytes(body.saturating_add(from), len),
            };
        }
        let key = self.key.as_ref().ok_or(ErrorKind::Sealed)?;
        let shape = Shape::of(head)?;
        limit("end of a part of a body", end, shape.body as u64)?;
        let clear = self.bytes(body, shape.clear as u64)?;
        let bound = bound(head, &clear);
        let segment = SEGMENT as u64;
        let full = segment.saturating_add(TAG);
        let first = from.checked_div(segment).unwrap_or(0);
        let sealed_end = u64::from(head.len);
        let (mut out, mut at) = (Vec::new(), first);
        while at.saturating_mul(segment) < end {
            let start = (shape.clear as u64).saturating_add(at.saturating_mul(full));
            let sealed = self.bytes(
                body.saturating_add(start),
                sealed_end.saturating_sub(start).min(full),
            )?;
            out.extend_from_slice(&key.segment(head, &bound, at as usize, &sealed)?);
            at = at.saturating_add(1);
        }
        let skipped = from.saturating_sub(first.saturating_mul(segment)) as usize;
        out.drain(..skipped.min(out.len()));
        out.truncate(len as usize);
        Ok(out)
    }

    /// Whether the block at `offset` is whole and undamaged, without holding it in memory.
    pub(crate) fn check(
        &self,
        offset: u64,
        head: BlockHead,
        window: &mut Window,
    ) -> Result<(), ErrorKind> {
        let total = head.total();
        let left = self.len().saturating_sub(offset);
        if total > left {
            return Err(ErrorKind::Short {
                what: "block",
                expected: total,
                found: left,
            });
        }
        let (mut at, mut crc) = (offset, 0);
        let end = offset.saturating_add(total.saturating_sub(8));
        while at < end {
            let wanted = end.saturating_sub(at).min(WINDOW as u64) as usize;
            let bytes = window.at(self, at, wanted)?;
            crc = crc32c::crc32c_append(crc, bytes);
            at = at.saturating_add(bytes.len() as u64);
        }
        let tail_at = offset.saturating_add(total.saturating_sub(BLOCK_TAIL as u64));
        let tail = BlockTail::decode(window.at(self, tail_at, BLOCK_TAIL)?)?;
        check_tail(head, tail, crc)
    }
}

/// The chain value of a block, when these bytes are a whole one of the file with this tag: as every reader sees it.
pub fn whole_block(bytes: &[u8], tag: u64) -> Option<Digest> {
    let source = Source::memory(bytes.to_vec());
    let block = source.block(0, tag).ok()?;
    (block.head.total() == bytes.len() as u64).then_some(Digest(block.chain))
}

fn check_tail(head: BlockHead, tail: BlockTail, found: u32) -> Result<(), ErrorKind> {
    if found != tail.crc {
        return Err(ErrorKind::Checksum {
            what: "block",
            expected: tail.crc,
            found,
        });
    }
    if tail.len != head.len {
        return Err(ErrorKind::Mismatch {
            what: "length at the end of the block",
            expected: u64::from(head.len),
            found: u64::from(tail.len),
        });
    }
    Ok(())
}

/// A stretch of the file kept in memory while blocks are walked, so that small blocks do not cost a system call each.
#[derive(Default)]
pub(crate) struct Window {
    start: u64,
    buffer: Vec<u8>,
}

impl Window {
    /// `len` bytes from `offset`, at most [`WINDOW`]; the caller has checked that the file has them.
    pub(crate) fn at(
        &mut self,
        source: &Source,
        offset: u64,
        len: usize,
    ) -> Result<&[u8], ErrorKind> {
        let end = offset.saturating_add(len as u64);
        let held = self.start.saturating_add(self.buffer.len() as u64);
        if offset < self.start || end > held {
            let size = source.len().saturating_sub(offset).min(WINDOW as u64);
            self.buffer = source.bytes(offset, size)?;
            self.start = offset;
        }
        let from = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.buffer
            .get(from..from.saturating_add(len))
            .ok_or(ErrorKind::Short {
                what: "block",
                expected: len as u64,
                found: 0,
            })
    }
}
