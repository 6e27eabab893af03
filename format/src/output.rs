//! New files: private, never in the place of another, never through a link, on disk when they are said to be.

use crate::error::{Error, ErrorKind, Place};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io;
use std::path::Path;

pub(crate) fn failed(error: io::Error) -> Error {
    Error {
        place: Place::Output,
        offset: None,
        kind: ErrorKind::Io(error),
    }
}

/// Creates a file and has it filled. It stays only when that succeeds: half a copy would pass for a whole one.
pub(crate) fn create<T>(
    path: &Path,
    fill: impl FnOnce(File) -> Result<(File, T), Error>,
) -> Result<T, Error> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| failed(errno.into()))?;
    let done = fill(File::from(fd)).and_then(|(file, done)| {
        file.sync_all().map_err(failed)?;
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let folder = File::open(parent.unwrap_or(Path::new("."))).map_err(failed)?;
        folder.sync_all().map_err(failed)?;
        Ok(done)
    });
    if done.is_err() {
        let _ = std::fs::remove_file(path);
    }
    done
}
