//! Following a capture that is still being written: what was added to the file is read as it was when it was opened, and what was
//! read before is not read again.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::build::Builder;
use super::{Reader, Tail};
use crate::block::FileHead;
use crate::error::{Error, ErrorKind};
use crate::scan::by_scan_on;
use crate::source::Source;
use std::io;
use std::path::Path;

impl Reader {
    /// Whether it may still grow: it has no footer.
    pub fn may_grow(&self) -> bool {
        self.tail.is_some()
    }

    /// This capture with the blocks that were added to the file since; `None` when no further block is whole, and of a sealed one.
    /// Of what is added every checksum is compared, as on opening. Events keep their numbers, and those that were there before stay
    /// before the new ones. Once it is sealed it is opened by its index, as any other.
    ///
    /// # Errors
    /// When the file cannot be read, has lost bytes, or was written anew. What was read before can still be asked.
    pub fn grown(&self) -> Result<Option<Reader>, Error> {
        let Some(tail) = &self.tail else {
            return Ok(None);
        };
        let Some(source) = self.source.grown().map_err(Error::file)? else {
            return Ok(None);
        };
        self.grown_to(source, tail)
    }

    fn grown_to(&self, source: Source, tail: &Tail) -> Result<Option<Reader>, Error> {
        let mark_at = (tail.reached.at).saturating_sub(tail.mark.len() as u64);
        let mark = source.bytes(mark_at, tail.mark.len() as u64);
        if mark.map_err(Error::file)? != tail.mark {
            return Err(Error::file(ErrorKind::Rewritten));
        }
        let layout = by_scan_on(&source, self.tag, &tail.reached).map_err(Error::file)?;
        let head = FileHead {
            tag: self.tag,
            minor: self.minor,
        };
        if layout.footer.is_some() {
            let reader = Reader::unlocked(source, head)?;
            return Ok(Some(Reader {
                is_copy: self.is_copy,
                ..reader
            }));
        }
        if !layout.has_block() {
            return Ok(None);
        }
        let mut builder = Builder::go_on(&source, self.tag, &self.parts, tail);
        let tail = builder.take_scanned(&layout, Some(tail))?;
        let parts = builder.finish(layout)?;
        Ok(Some(Reader {
            is_copy: self.is_copy,
            ..Reader::over(source, head, parts, tail)
        }))
    }

    /// Whether the file of this name is the one that is read; it is not when it was replaced, and an error when it is gone.
    ///
    /// # Errors
    /// When nothing can be learnt of the name.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.source.is_at(path)
    }
}
