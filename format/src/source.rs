//! The bytes of a capture: a regular file read by position, or memory. A file that shrinks while it is read gives an error,
//! never a signal, because nothing is mapped.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::block::{Block, BlockHead, BlockTail};
use crate::error::{Error, ErrorKind};
use crate::layout::{BLOCK_HEAD, BLOCK_TAIL};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;

/// How much is read at once while blocks are walked.
const WINDOW: usize = 256 << 10;

pub(crate) enum Source {
    File(File, u64),
    Memory(Vec<u8>),
}

impl Source {
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
            return Ok(Source::File(file, meta.len()));
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
        Ok(Source::File(file, len))
    }

    /// Bytes there were when it was opened.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Source::File(_, len) => *len,
            Source::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `buffer` from `offset`, or fails.
    pub(crate) fn read_exact(&self, buffer: &mut [u8], offset: u64) -> Result<(), ErrorKind> {
        match self {
            Source::File(file, _) => file.read_exact_at(buffer, offset).map_err(ErrorKind::Io),
            Source::Memory(bytes) => {
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
        match self {
            Source::File(file, len) => rustix::fs::seek(file, rustix::fs::SeekFrom::Data(offset))
                .unwrap_or(*len)
                .clamp(offset, *len),
            Source::Memory(_) => offset,
        }
    }

    /// The head of the block at `offset`.
    pub(crate) fn head(&self, offset: u64, tag: u64) -> Result<BlockHead, ErrorKind> {
        BlockHead::decode(&self.bytes(offset, BLOCK_HEAD as u64)?, tag)
    }

    /// The whole block at `offset`, its checksum compared.
    pub(crate) fn block(&self, offset: u64, tag: u64) -> Result<Block, ErrorKind> {
        let head = self.head(offset, tag)?;
        let mut bytes = self.bytes(offset, head.total())?;
        let mut head_bytes = [0; BLOCK_HEAD];
        let tail_at = bytes.len().saturating_sub(BLOCK_TAIL);
        let tail = BlockTail::decode(bytes.get(tail_at..).unwrap_or_default())?;
        // Everything but the checksum itself and the repeated length.
        let found = crc32c::crc32c(
            bytes
                .get(..bytes.len().saturating_sub(8))
                .unwrap_or_default(),
        );
        check_tail(head, tail, found)?;
        head_bytes.copy_from_slice(bytes.get(..BLOCK_HEAD).unwrap_or_default());
        bytes.truncate(tail_at);
        bytes.drain(..BLOCK_HEAD);
        Ok(Block {
            head,
            head_bytes,
            body: bytes,
            chain: tail.chain,
        })
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
