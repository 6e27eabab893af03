//! Where a capture that is being recorded is kept: what was written, what is known to be on disk, and room for the end.
//!
//! A write that was not synced may be lost; a sync that failed is never tried again, because the kernel forgets what it
//! could not write. So after one failure nothing more is taken, and nothing after the last good sync is called durable.

mod marks;

use crate::error::Error;
use crate::output::failed;
use marks::Marks;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::process::{Resource, getrlimit};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Bytes kept free for the end of a file: its gap, index and footer.
pub const RESERVE: u64 = 1 << 20;
/// How much more is reserved at once.
const AHEAD: u64 = 4 << 20;

/// How far a capture is kept. Each number is at most the one before.
#[derive(Debug, Default)]
pub struct States {
    written: AtomicU64,
    durable: AtomicU64,
    failed: Mutex<Option<String>>,
    /// Some of the bytes that were written, to see whether they are still there.
    marks: Mutex<Marks>,
}

impl States {
    /// Bytes that were handed to the kernel.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Bytes that a sync has confirmed to be on disk.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Why nothing more is taken.
    pub fn failed(&self) -> Option<String> {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn fail(&self, why: &io::Error) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert_with(|| why.to_string());
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That the file still has what was written to it, as far as is looked.
    fn unchanged(&self, file: &File) -> io::Result<()> {
        let Some(good) = self.marks().changed(file)? else {
            return Ok(());
        };
        self.durable.fetch_min(good, Ordering::AcqRel);
        Err(io::Error::other(
            "the file was cut or overwritten while it was written",
        ))
    }

    fn refuse(&self) -> io::Result<()> {
        match self.failed() {
            None => Ok(()),
            Some(why) => Err(io::Error::other(format!(
                "what was written may not be on disk ({why}); only the first {} bytes are known to be",
                self.durable()
            ))),
        }
    }

    /// Syncs up to where the file is now. A failure stays.
    fn sync(&self, sync: &mut Sync) -> io::Result<()> {
        self.refuse()?;
        let until = self.written();
        match sync() {
            Ok(()) => {
                self.durable.fetch_max(until, Ordering::AcqRel);
                Ok(())
            }
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        }
    }
}

/// Makes everything written so far durable.
pub type Sync = Box<dyn FnMut() -> io::Result<()> + Send>;

enum Syncing {
    /// A pipe has nothing to sync.
    Never,
    /// At once.
    Here(Sync),
    /// On a thread of its own, so that a slow disk holds nobody up.
    There(SyncSender<()>, JoinHandle<Sync>),
}

/// What a capture is written to. `flush` asks for a sync of what was written.
pub struct Store {
    out: Box<dyn Write + Send>,
    states: Arc<States>,
    syncing: Syncing,
    file: Option<(File, PathBuf)>,
}

impl Store {
    /// Creates a file: new, private, not through a link, its name on disk.
    ///
    /// # Errors
    /// When it exists, or cannot be created or synced.
    pub fn create(path: &Path) -> Result<Store, Error> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| failed(errno.into()))?;
        let file = File::from(fd);
        Store::over(file, path).inspect_err(|_| {
            let _ = std::fs::remove_file(path);
        })
    }

    /// Over a new file that was opened by its folder's handle, to be written and read; its name is synced, too.
    ///
    /// # Errors
    /// When it cannot be shared or synced.
    pub fn over(file: File, path: &Path) -> Result<Store, Error> {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let folder = File::open(parent.unwrap_or(Path::new("."))).map_err(failed)?;
        folder.sync_all().map_err(failed)?;
        let synced = file.try_clone().map_err(failed)?;
        let states = Arc::new(States::default());
        let (ask, asked) = sync_channel(1);
        let (shared, written) = (states.clone(), states.clone());
        let sync: Sync = Box::new(move || {
            synced.sync_data()?;
            written.unchanged(&synced)?;
            match rustix::fs::fstat(&synced)?.st_nlink {
                0 => Err(io::Error::other(
                    "the file was removed while it was written",
                )),
                _ => Ok(()),
            }
        });
        let thread = std::thread::Builder::new()
            .name("sync".to_owned())
            .spawn(move || sync_when_asked(&asked, sync, &shared))
            .map_err(failed)?;
        Ok(Store {
            out: Box::new(file.try_clone().map_err(failed)?),
            states,
            syncing: Syncing::There(ask, thread),
            file: Some((file, path.to_owned())),
        })
    }

    /// A pipe.
    pub fn stream(out: impl Write + Send + 'static) -> Store {
        Store {
            out: Box::new(out),
            states: Arc::default(),
            syncing: Syncing::Never,
            file: None,
        }
    }

    /// Anything that can be written and synced.
    pub fn of(out: impl Write + Send + 'static, sync: Sync) -> Store {
        Store {
            out: Box::new(out),
            states: Arc::default(),
            syncing: Syncing::Here(sync),
            file: None,
        }
    }

    /// How far it is kept, for others to look at.
    pub fn states(&self) -> Arc<States> {
        self.states.clone()
    }

    /// What makes sure that there is room for a block and for the end of the file, for [`crate::Writer::guard`]. Where the
    /// file system cannot reserve, there is always room.
    ///
    /// # Errors
    /// When the file cannot be shared.
    pub fn room(&self) -> io::Result<Box<dyn FnMut(u64) -> io::Result<()> + Send>> {
        let Some((file, _)) = &self.file else {
            return Ok(Box::new(|_| Ok(())));
        };
        let file = file.try_clone()?;
        let mut reserved = 0_u64;
        Ok(Box::new(move |end| {
            let wanted = end.saturating_add(RESERVE);
            // A reservation keeps the file's size, and so passes the limit on it (RLIMIT_FSIZE), which a write would not.
            if getrlimit(Resource::Fsize)
                .current
                .is_some_and(|limit| wanted > limit)
            {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if wanted <= reserved {
                return Ok(());
            }
            for more in [AHEAD, 0] {
                match reserve(&file, wanted.saturating_add(more)) {
                    Ok(()) => {
                        reserved = wanted.saturating_add(more);
                        return Ok(());
                    }
                    Err(
                        rustix::io::Errno::NOSPC
                        | rustix::io::Errno::DQUOT
                        | rustix::io::Errno::FBIG,
                    ) => {}
                    // Not every file system can; then the end of a full disk is an error like any other.
                    Err(_) => {
                        reserved = u64::MAX;
                        return Ok(());
                    }
                }
            }
            Err(io::ErrorKind::StorageFull.into())
        }))
    }

    /// Everything is on disk, under its name, when this returns.
    ///
    /// # Errors
    /// When it is not, or nobody knows.
    pub fn finish(self) -> io::Result<()> {
        let Store {
            mut out,
            states,
            syncing,
            file,
        } = self;
        out.flush()?;
        drop(out);
        let mut sync = match syncing {
            Syncing::Never => return states.refuse(),
            Syncing::Here(sync) => sync,
            Syncing::There(ask, thread) => {
                drop(ask);
                thread
                    .join()
                    .map_err(|_| io::Error::other("the thread that syncs is gone"))?
            }
        };
        if let Some((file, _)) = &file {
            // What was reserved and is not needed.
            file.set_len(states.written())?;
        }
        states.sync(&mut sync)?;
        let Some((file, path)) = file else {
            return Ok(());
        };
        file.sync_all()?;
        let (here, there) = (rustix::fs::fstat(&file)?, rustix::fs::lstat(&path));
        match there {
            Ok(there) if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino) => Ok(()),
            _ => Err(io::Error::other(
                "the file was renamed or replaced while it was written",
            )),
        }
    }
}

fn reserve(file: impl AsFd, end: u64) -> rustix::io::Result<()> {
    rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, end)
}

fn sync_when_asked(asked: &Receiver<()>, mut sync: Sync, states: &States) -> Sync {
    while asked.recv().is_ok() {
        if states.sync(&mut sync).is_err() {
            break;
        }
    }
    sync
}

impl Write for Store {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.states.refuse()?;
        let taken = self.out.write(bytes)?;
        let states = &self.states;
        let end = states.written.fetch_add(taken as u64, Ordering::AcqRel) + taken as u64;
        if self.file.is_some() {
            states.marks().put(end, bytes.get(..taken).unwrap_or(bytes));
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        match &mut self.syncing {
            Syncing::Never => Ok(()),
            Syncing::Here(sync) => self.states.sync(sync),
            Syncing::There(ask, _) => match ask.try_send(()) {
                // One that waits already will see this, too.
                Ok(()) | Err(TrySendError::Full(())) => Ok(()),
                Err(TrySendError::Disconnected(())) => self.states.refuse(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_is_durable_and_a_failed_sync_is_never_tried_again() {
        let calls = Arc::new(AtomicU64::new(0));
        let counted = calls.clone();
        let sync: Sync = Box::new(move || match counted.fetch_add(1, Ordering::Relaxed) {
            1 => Err(io::Error::other("EIO")),
            _ => Ok(()),
        });
        let mut store = Store::of(Vec::new(), sync);
        let states = store.states();
        store.write_all(b"12345").expect("written");
        assert_eq!((states.written(), states.durable()), (5, 0));
        store.flush().expect("synced");
        assert_eq!(states.durable(), 5);
        store.write_all(b"678").expect("written");
        assert!(store.flush().is_err());
        // The second sync would have said that all is well.
        assert!(store.flush().is_err() && store.write_all(b"9").is_err());
        assert_eq!((states.written(), states.durable()), (8, 5));
        assert!(store.finish().is_err());
        assert_eq!(states.durable(), 5);
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_file_is_new_private_and_reached_through_no_link() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("a.aft"), folder.path().join("link"));
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(Store::create(&link).is_err() && !path.exists());
        let mut store = Store::create(&path).expect("created");
        assert!(Store::create(&path).is_err());
        let mut room = store.room().expect("shared");
        room(3).expect("room");
        store.write_all(b"abc").expect("written");
        store.finish().expect("kept");
        let meta = path.metadata().expect("a file");
        assert_eq!((meta.len(), meta.permissions().mode() & 0o777), (3, 0o600));
    }

    #[test]
    fn a_file_that_was_removed_or_replaced_is_not_said_to_be_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        for how in ["removed", "renamed", "replaced"] {
            let path = folder.path().join(how);
            let mut store = Store::create(&path).expect("created");
            store.write_all(b"abc").expect("written");
            match how {
                "removed" => std::fs::remove_file(&path).expect("removed"),
                "renamed" => std::fs::rename(&path, folder.path().join("x")).expect("renamed"),
                _ => {
                    std::fs::remove_file(&path).expect("removed");
                    std::fs::write(&path, b"lie").expect("a file");
                }
            }
            assert!(store.finish().is_err(), "{how}");
        }
    }

    #[test]
    fn a_file_that_was_cut_or_overwritten_is_not_said_to_be_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        for (how, good) in [("emptied", 0), ("cut", 8), ("written over", 16)] {
            let path = folder.path().join(how);
            let mut store = Store::create(&path).expect("created");
            let states = store.states();
            for piece in [b"aaaaaaaa", b"bbbbbbbb", b"cccccccc"] {
                store.write_all(piece).expect("written");
            }
            store.flush().expect("asked for");
            while states.durable() < 24 {
                assert_eq!(states.failed(), None);
                std::thread::yield_now();
            }
            let mut other = File::options().write(true).open(&path).expect("a file");
            match how {
                "emptied" => other.set_len(0).expect("emptied"),
                "cut" => other.set_len(12).expect("cut"),
                _ => {
                    use std::io::Seek;
                    other.seek(io::SeekFrom::Start(20)).expect("there");
                    other.write_all(b"xx").expect("written over");
                }
            }
            // Behind it goes on as if nothing had been.
            store.write_all(b"dddddddd").expect("written");
            let why = store.finish().expect_err(how).to_string();
            assert!(why.contains("cut or overwritten"), "{how}: {why}");
            assert_eq!(states.durable(), good, "{how}");
        }
    }
}
