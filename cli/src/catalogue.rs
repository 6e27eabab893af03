//! Many captures: which there are in a folder, and going through them on a few threads, in bounded memory.

use crate::failure::{Exit, Failure, shown};
use crate::output::say;
use crate::sidecar;
use afterimage_indexer::{About, Folder, Index, Keeper, Progress, Refused, Session};
use afterimage_interop::Format;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most captures of a folder.
const MOST_FILES: usize = 1_000_000;

/// Memory that one capture takes while it is looked into, bytes.
const EACH: u64 = 256 << 20;

/// The captures in a folder and those below it, in the order of their names. Links are not followed.
pub fn captures(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error| Failure::path("reading", &folder, error, "check who may read it");
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            match entry.file_type() {
                Ok(ty) if ty.is_dir() => folders.push(path),
                Ok(ty) if ty.is_file() && Format::by_path(&path).is_some_and(|row| row.reads) => {
                    files.push(path);
                }
                _ => {}
            }
            if files.len() + folders.len() > MOST_FILES {
                return Err(Failure::new(
                    format!("{}: more files than can be taken", shown(&folder)),
                    "name its folders one by one",
                ));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A capture that is looked into: by its index alone, where that is whole, else opened.
pub enum Opened {
    /// Its index.
    Index(Box<Index>),
    /// The capture, with an index or without.
    Capture(Box<Session>),
}

impl Opened {
    /// What is known of the capture as a whole.
    pub fn about(&self) -> About {
        match self {
            Opened::Index(index) => index.about().clone(),
            Opened::Capture(session) => session.about(),
        }
    }
}

/// The catalogue of a folder, as far as it holds; an empty one where indexes are not used.
pub fn folder(folder: &Path, files: &[PathBuf], plain: bool) -> Folder {
    let keeper = sidecar::known().filter(|_| !plain);
    Folder::open(folder, files, keeper.as_ref())
}

/// Brings a catalogue up to date: captures that are new or have changed, or have an index now, are looked into. One that is
/// encrypted is left out, for what is in it must not reach a disk in the clear.
///
/// # Errors
/// When the catalogue cannot be written.
pub fn update(known: Folder, place: &Path, files: &[PathBuf]) -> Result<(), Failure> {
    let Some(keeper) = sidecar::known() else {
        return Ok(());
    };
    let learn = |path: &Path| match Index::open(path, &keeper) {
        Ok(index) if index.is_whole() => Some((index.about().clone(), Some(index))),
        _ => {
            let session = capture(path).ok()?;
            (!session.is_encrypted()).then(|| (session.about(), None))
        }
    };
    known.update(place, files, &keeper, learn).map_err(|error| {
        Failure::path(
            "keeping the catalogue of",
            place,
            error,
            "check the space and the rights of the cache, or set XDG_CACHE_HOME",
        )
    })
}

/// Whether so much of a folder is not in its catalogue that it is worth making it anew.
pub fn is_behind(known: &Folder, files: &[PathBuf]) -> bool {
    known.unknown() > 16.max(files.len() / 16)
}

/// How captures are gone through.
pub struct Walk {
    /// At most this much memory, bytes.
    pub memory: u64,
    /// The captures themselves must be opened, because what is asked is not in their indexes.
    pub events: bool,
    /// Indexes are not used.
    pub plain: bool,
    /// Counts captures, and ends it.
    pub progress: Progress,
}

/// How it went.
#[derive(Debug, Default)]
pub struct Went {
    /// Captures that could be read.
    pub read: usize,
    /// Captures that have no index that can be used.
    pub plain: usize,
    /// Captures that could not be read, the first of them with the reason.
    pub broken: usize,
    /// Why.
    pub why: Vec<(PathBuf, String)>,
}

/// Captures that could not be read, of which it is kept why.
const MOST_REASONS: usize = 1000;

impl Went {
    /// Tells on standard error what was missing, and gives the exit code that says so.
    pub fn report(&self, told: bool) -> Exit {
        for (_, why) in &self.why {
            say(format_args!("afterimage: {why}"));
        }
        if self.broken > self.why.len() {
            let others = self.broken - self.why.len();
            say(format_args!(
                "afterimage: {others} more captures could not be read"
            ));
        }
        if self.plain > 0 && told {
            say(format_args!(
                "afterimage: note: {} of {} captures have no index, which is slower: afterimage index makes one",
                self.plain, self.read
            ));
        }
        if self.broken > 0 {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}

impl Walk {
    fn open(&self, keeper: Option<&Keeper>, path: &Path) -> Result<(Opened, bool), String> {
        let index = match keeper.filter(|_| !self.plain) {
            None => Err(Refused::Missing),
            Some(keeper) => Index::open(path, keeper),
        };
        if let Ok(index) = index {
            if index.is_whole() && !self.events {
                return Ok((Opened::Index(Box::new(index)), true));
            }
            let mut session = capture(path)?;
            let used = session.use_index(index);
            return Ok((Opened::Capture(Box::new(session)), used));
        }
        capture(path).map(|session| (Opened::Capture(Box::new(session)), false))
    }

    /// Does `one` with each capture, several at a time, and hands over what came of it in the order of the files. A capture that
    /// cannot be read is reported, and the others have their turn.
    pub fn each<T: Send>(
        &self,
        files: &[PathBuf],
        one: impl Fn(&Path, &Opened) -> Result<T, String> + Sync,
        mut take: impl FnMut(&Path, T) -> Result<(), Failure> + Send,
    ) -> Result<Went, Failure> {
        let keeper = sidecar::known();
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        let threads = (self.memory / EACH).clamp(1, cores.min(16)) as usize;
        let next = AtomicUsize::new(0);
        type Waiting<T> = BTreeMap<usize, Result<(T, bool), String>>;
        let state: Mutex<(usize, Waiting<T>, Went, Option<Failure>)> =
            Mutex::new((0, BTreeMap::new(), Went::default(), None));
        let take = Mutex::new(&mut take);
        std::thread::scope(|scope| {
            for _ in 0..threads.min(files.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = files.get(at) else { return };
                        if self.progress.cancel.load(Ordering::Relaxed) {
                            return;
                        }
                        let opened = self.open(keeper.as_ref(), path);
                        let found = opened.and_then(|(opened, indexed)| {
                            let value = one(path, &opened);
                            let value = value.map_err(|why| format!("{}: {why}", shown(path)))?;
                            Ok((value, indexed))
                        });
                        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                        let (turn, waiting, went, failed) = &mut *state;
                        waiting.insert(at, found);
                        while let Some(found) = waiting.remove(turn) {
                            let path = files.get(*turn).map_or(Path::new(""), PathBuf::as_path);
                            *turn += 1;
                            self.progress.done.fetch_add(1, Ordering::Relaxed);
                            match found {
                                Ok((value, indexed)) => {
                                    went.read += 1;
                                    went.plain += usize::from(!indexed);
                                    let mut take =
                                        take.lock().unwrap_or_else(PoisonError::into_inner);
                                    if let Err(failure) = take(path, value) {
                                        *failed = Some(failure);
                                        next.store(files.len(), Ordering::Relaxed);
                                        return;
                                    }
                                }
                                Err(why) => {
                                    went.broken += 1;
                                    if went.why.len() < MOST_REASONS {
                                        went.why.push((path.to_owned(), why));
                                    }
                                }
                            }
                        }
                    }
                });
            }
        });
        let (_, _, went, failed) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match failed {
            Some(failure) => Err(failure),
            None => Ok(went),
        }
    }
}

/// Opens a capture without an index.
///
/// # Errors
/// Why it cannot be opened, in a line.
pub fn capture(path: &Path) -> Result<Session, String> {
    let reader = crate::source::reader(path).map_err(|failure| failure.what)?;
    Ok(Session::from_reader(reader))
}

/// Opens a capture with its index, if it has one that holds, and says nothing on standard error.
///
/// # Errors
/// As [`capture`].
pub fn capture_with_index(path: &Path) -> Result<Session, String> {
    let mut session = capture(path)?;
    if let Some(index) = sidecar::known().and_then(|keeper| Index::open(path, &keeper).ok()) {
        session.use_index(index);
    }
    Ok(session)
}
