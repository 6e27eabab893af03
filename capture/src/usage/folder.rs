//! A control group's files, read again and again: they stay open while there is room, because opening costs more than reading.

use super::MOST_BYTES;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Looks in which a file that was not there is not asked for again: a controller may be turned on later.
const PATIENCE: u32 = 32;

/// Files that may stay open: half of what this process may have open at all.
pub fn may_stay_open() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| limit as usize) / 2
}

/// A file that is read again and again: it stays open while there is room.
#[derive(Default)]
struct Again {
    file: Option<File>,
    /// Looks for which it is taken not to be there.
    absent: u32,
    /// What it said at the last look.
    text: Option<String>,
}

/// A control group in one hierarchy.
pub struct Folder {
    path: PathBuf,
    files: Vec<(&'static str, Again)>,
    /// Files that may still stay open, of all folders.
    room: Arc<AtomicUsize>,
}

impl Folder {
    pub fn new(path: PathBuf, files: &[&'static str], room: &Arc<AtomicUsize>) -> Folder {
        Folder {
            path,
            files: files.iter().map(|name| (*name, Again::default())).collect(),
            room: Arc::clone(room),
        }
    }

    /// Reads those of its files that are meant; says whether any of them says something else than at the last look.
    pub fn look(&mut self, meant: impl Fn(&str) -> bool) -> bool {
        let mut changed = false;
        for (name, again) in self.files.iter_mut().filter(|(name, _)| meant(name)) {
            let before = again.text.take();
            if again.absent > 0 {
                again.absent -= 1;
                continue;
            }
            let kept = again.file.take();
            let was_kept = kept.is_some();
            let file = kept.or_else(|| File::open(self.path.join(name)).ok());
            again.text = file.as_ref().and_then(from_the_start);
            changed |= again.text != before;
            if again.text.is_none() {
                again.absent = PATIENCE;
            }
            let one = |room: usize| room.checked_sub(1);
            let take = || {
                self.room
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one)
            };
            if again.text.is_some() && (was_kept || take().is_ok()) {
                again.file = file;
            } else if was_kept {
                self.room.fetch_add(1, Ordering::Relaxed);
            }
        }
        changed
    }

    /// Whether it has a file, or had when that was looked for.
    pub fn has(&self, name: &str) -> bool {
        let file = self.files.iter().find(|(known, _)| *known == name);
        file.is_some_and(|(_, again)| again.absent == 0)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// What a file said at the last look.
    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, again) = self.files.iter().find(|(known, _)| *known == name)?;
        again.text.as_deref()
    }

    /// A file with one number; `max` and what version 1 writes for "no limit" are 0.
    pub fn number(&self, name: &str) -> Option<u64> {
        /// The largest multiple of a page, and what larger pages make of it.
        const UNLIMITED: u64 = 0x7fff_ffff_0000_0000;
        match self.text(name)?.trim() {
            "max" => Some(0),
            digits => digits
                .parse()
                .ok()
                .map(|n| if n >= UNLIMITED { 0 } else { n }),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let open = self.files.iter().filter(|(_, again)| again.file.is_some());
        self.room.fetch_add(open.count(), Ordering::Relaxed);
    }
}

/// What a file says now, from its beginning, whatever was read before. Such a file gives all it has when there is room.
fn from_the_start(file: &File) -> Option<String> {
    let mut bytes = vec![0; 512];
    let mut have = 0;
    loop {
        let read = file.read_at(bytes.get_mut(have..)?, have as u64).ok()?;
        have += read;
        if have < bytes.len() || have >= MOST_BYTES {
            bytes.truncate(have);
            return String::from_utf8(bytes).ok();
        }
        bytes.resize((2 * have).min(MOST_BYTES), 0);
    }
}
