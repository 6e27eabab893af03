//! Making an index: chunks are decoded and gone through on several threads, merged in order, and written in stretches, so that
//! neither memory nor the work that an interruption costs grows with the capture. What is unfinished lies aside and is
//! renamed into place at the end.

use super::about::{about, apart};
use super::alike;
use super::block::Entry;
use super::gather::Gather;
use super::halted;
use super::merge::merge;
use super::pyramid::Counting;
use super::sidecar::{Covered, Holds, Identity, In, Keeper, Out, Part, Refused};
use super::text::{self, Draft};
use super::things::{Tally, Thing};
use crate::alike::{Alike, Summing};
use crate::instant::{self, Pressed, Resuming, Spacing, States};
use crate::session::{Progress, Session};
use crate::timeline::Lanes;
use afterimage_model::Event;
use hashbrown::HashMap;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Memory that things may take before they are written aside, bytes, roughly.
const MEMORY: usize = 160 << 20;

/// Chunks after which what was done is kept, unless somebody says otherwise.
const KEEP_EVERY: usize = 256;

/// Compression of what is written aside, and of what stays.
const QUICK: i32 = 1;
const DENSE: i32 = 17;

/// Files of what is written aside, at most.
const MOST_FILES: usize = 4096;

/// How an index is made.
#[derive(Clone, Debug)]
pub struct Indexing {
    /// Threads that decode.
    pub threads: usize,
    /// Forget what is there, and begin at the beginning.
    pub anew: bool,
    /// Chunks after which what was done is kept, in case of an interruption.
    pub keep_every: usize,
    /// How far apart states of the capture are kept, from which what there was at an instant is told.
    pub states: Spacing,
    /// Of which chunks the sorts of events are kept, so that a word with a condition is counted without a look at events.
    pub sorts: Summing,
}

impl Default for Indexing {
    fn default() -> Indexing {
        Indexing {
            threads: std::thread::available_parallelism().map_or(2, |n| n.get().min(8)),
            anew: false,
            keep_every: KEEP_EVERY,
            states: Spacing::default(),
            sorts: Summing::default(),
        }
    }
}

/// What was made.
#[derive(Clone, Debug, Default)]
pub struct Built {
    /// Where.
    pub place: PathBuf,
    /// Bytes of it.
    pub bytes: u64,
    /// Things in it.
    pub things: u64,
    /// Events it covers.
    pub events: u64,
    /// Chunks that were gone through; the others had been before.
    pub chunks: usize,
    /// Chunks that an earlier index, or one that was interrupted, had gone through.
    pub resumed: usize,
    /// Chunks behind which an interrupted run had kept what states are made of.
    pub states_resumed: usize,
    /// Chunks that could not be read.
    pub unreadable: usize,
}

/// What was found in one chunk.
struct Gathered {
    things: Vec<(Thing, Tally)>,
    counts: Counting,
    alike: Option<Alike>,
}

/// The things of a chunk.
pub(crate) fn gather(
    session: &Session,
    at: usize,
    gather: &mut Gather,
    mut each: impl FnMut(&Event, bool),
) -> Result<Vec<(Thing, Tally)>, String> {
    let chunk = session.decode_with(at, |ty| gather.has_text(session.schema(), ty))?;
    for (place, event) in chunk.events.iter().enumerate() {
        if session.is_internal(event) {
            continue;
        }
        let num = chunk.first_num.saturating_add(place as u64);
        let ctx = session.ctx(&chunk, event, num, None);
        let socket = gather.event(&ctx);
        each(event, socket);
    }
    Ok(gather.take())
}

/// Things in memory that are not yet written.
#[derive(Default)]
struct Heap {
    things: HashMap<Thing, (Tally, Vec<u32>)>,
    bytes: usize,
    chunks: Vec<Covered>,
    counts: Counting,
    alike: alike::Found,
}

impl Heap {
    fn add(&mut self, at: usize, found: Vec<(Thing, Tally)>) {
        let chunk = u32::try_from(at).unwrap_or(u32::MAX);
        for (thing, tally) in found {
            match self.things.get_mut(&thing) {
                Some((sum, chunks)) => {
                    sum.absorb(tally);
                    chunks.push(chunk);
                    self.bytes += 8;
                }
                None => {
                    self.bytes += thing.0.capacity() + 160 + tally.by.len() * 24;
                    self.things.insert(thing, (tally, vec![chunk]));
                }
            }
        }
    }

    fn entries(&mut self) -> Vec<Entry> {
        self.bytes = 0;
        let mut entries: Vec<Entry> = std::mem::take(&mut self.things)
            .into_iter()
            .map(|(thing, (tally, chunks))| Entry {
                thing,
                tally,
                chunks,
            })
            .collect();
        entries.sort_by(|a, b| a.thing.cmp(&b.thing));
        entries
    }

    /// Writes everything as a file of its own.
    fn write(
        &mut self,
        path: &Path,
        identity: &Identity,
        key: &[u8; 32],
        sorts: Summing,
    ) -> io::Result<()> {
        let mut out = Out::create(path)?;
        for entry in self.entries() {
            out.push(&entry, QUICK)?;
        }
        out.head.identity = identity.clone();
        out.head.chunks = std::mem::take(&mut self.chunks);
        let mut counts = std::mem::take(&mut self.counts);
        out.head.pyramid = Some(out.part(&counts.raw(), QUICK)?);
        self.alike.write(&mut out, sorts, QUICK)?;
        out.finish(key, QUICK)
    }
}

/// Whether a file of earlier work belongs to this capture and goes on at chunk `next`.
fn fits(file: &In, session: &Session, capture: &Path, next: usize) -> io::Result<bool> {
    let covered = &file.head.chunks;
    let infos = session.chunks().get(next..).unwrap_or_default();
    let same = |(have, info): (&Covered, _)| !have.unread && *have == Covered::of(info, false);
    Ok(!covered.is_empty()
        && covered.len() <= infos.len()
        && covered.iter().zip(infos).all(same)
        && file.head.identity.holds(capture)? != Holds::No)
}

/// The folder in which an index is made. Only one maker at a time has it.
pub(super) struct Workshop {
    folder: PathBuf,
    target: PathBuf,
    _lock: File,
}

impl Workshop {
    pub(super) fn open(target: &Path) -> io::Result<Workshop> {
        let mut folder = target.as_os_str().to_owned();
        folder.push(".part");
        let folder = PathBuf::from(folder);
        if let Some(parent) = folder
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            // Beside a capture it is there; the cache may not be.
            if !parent.exists() {
                std::fs::create_dir_all(parent)?;
            }
        }
        match rustix::fs::mkdir(&folder, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::open(&folder, flags, Mode::empty())?;
        if rustix::fs::fstat(&lock)?.st_uid != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the folder belongs to somebody else",
            ));
        }
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            match error {
                rustix::io::Errno::WOULDBLOCK => io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "it is being made by another process",
                ),
                other => other.into(),
            }
        })?;
        Ok(Workshop {
            folder,
            target: target.to_owned(),
            _lock: File::from(lock),
        })
    }

    /// The file for what begins with a chunk.
    fn stretch(&self, chunk: usize) -> PathBuf {
        self.folder.join(format!("{chunk:08}"))
    }

    /// Files of earlier work that belong to the beginning of this capture, in order.
    fn earlier(&self, session: &Session, capture: &Path, key: &[u8; 32]) -> io::Result<Vec<In>> {
        let mut found: Vec<In> = Vec::new();
        let mut next = 0usize;
        // An index that is finished, of the capture when it was shorter; then what was written aside.
        let mut path = self.target.clone();
        loop {
            let fits = match In::open(&path, key) {
                Ok(file) if fits(&file, session, capture, next)? => Some(file),
                _ => None,
            };
            match fits {
                Some(file) => {
                    next += file.head.chunks.len();
                    found.push(file);
                }
                None if path == self.target => {}
                None => return Ok(found),
            }
            if found.len() >= MOST_FILES {
                return Ok(found);
            }
            path = self.stretch(next);
        }
    }

    /// Where what will be the index is written.
    pub(super) fn draft(&self) -> PathBuf {
        self.folder.join("new")
    }

    /// Puts it where the index is.
    pub(super) fn hand_over(&self, draft: &Path) -> io::Result<()> {
        std::fs::rename(draft, &self.target)?;
        if let Some(parent) = self
            .target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }

    pub(super) fn clear(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Makes the index of a capture, or what is missing of it. The capture is only read.
///
/// # Errors
/// When the capture is encrypted ([`io::ErrorKind::Unsupported`]: its index would lay it open), nothing can be written, another
/// process is at it, or the work was cancelled ([`io::ErrorKind::Interrupted`]): then
/// what was done is kept for the next time.
pub fn build(
    session: &Session,
    capture: &Path,
    keeper: &Keeper,
    how: &Indexing,
    progress: &Progress,
) -> io::Result<Built> {
    if session.is_encrypted() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "it is encrypted, and an index would lay it open",
        ));
    }
    let identity = Identity::of(capture)?;
    let mut last = io::Error::from(io::ErrorKind::PermissionDenied);
    let mut shop = None;
    for place in keeper.places(capture) {
        match Workshop::open(&place) {
            Ok(found) => {
                shop = Some(found);
                break;
            }
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return Err(error),
            Err(error) => last = error,
        }
    }
    let shop = shop.ok_or(last)?;
    let mut files = match how.anew {
        true => Vec::new(),
        false => shop.earlier(session, capture, &keeper.key)?,
    };
    let resumed: usize = files.iter().map(|file| file.head.chunks.len()).sum();
    let mut heap = Heap::default();
    let mut chunks = 0;
    let mut each = |at: usize, found: Result<Gathered, String>| {
        let info = session.chunks().get(at).ok_or(io::ErrorKind::NotFound)?;
        chunks += 1;
        heap.chunks.push(Covered::of(info, found.is_err()));
        if let Ok(found) = found {
            heap.add(at, found.things);
            heap.counts.absorb(found.counts);
            heap.alike.add(at, info.events, found.alike);
        }
        let due = heap.chunks.len() >= how.keep_every.max(1) && at + 1 < session.chunks().len();
        if (heap.bytes > MEMORY || due) && files.len() < MOST_FILES {
            let path = shop.stretch(at + 1 - heap.chunks.len());
            heap.write(&path, &identity, &keeper.key, how.sorts)?;
            files.push(In::open(&path, &keeper.key).map_err(io::Error::other)?);
        }
        Ok(())
    };
    let aside = |halted: &[u8], chunks: usize, made: &States| {
        let of = (&identity, &keeper.key);
        halted::write(&shop.folder, session, of, (halted, chunks, made))
    };
    let mut keep = aside;
    let mut resuming = Resuming {
        from: match how.anew {
            true => None,
            false => halted::read(&shop.folder, session, capture, &keeper.key),
        },
        every: how.keep_every.max(1),
        resumed: 0,
        keep: &mut keep,
    };
    // Of states each is made of the one before, so it is one thread's work: one of its own, where there may be several.
    let states = if how.threads <= 1 {
        run(session, resumed, how, progress, &mut each)?;
        instant::make(
            session,
            how.states,
            &Arc::default(),
            progress,
            &mut resuming,
        )?
    } else {
        let stop = Arc::default();
        std::thread::scope(|scope| {
            let making = {
                let (stop, resuming) = (&stop, &mut resuming);
                scope.spawn(move || instant::make(session, how.states, stop, progress, resuming))
            };
            let ran = run(session, resumed, how, progress, &mut each);
            stop.store(ran.is_err(), Ordering::Relaxed);
            let made = making.join();
            let made = made.unwrap_or_else(|_| Err(io::Error::other("a state could not be made")));
            ran.and(made)
        })?
    };
    let states_resumed = resuming.resumed;
    let place = shop.draft();
    let made = (files, heap, states);
    let mut built = finish(session, &shop, made, &identity, (keeper, how.sorts), &place)?;
    shop.hand_over(&place)?;
    shop.clear();
    built.place.clone_from(&shop.target);
    (built.chunks, built.resumed) = (chunks, resumed);
    built.states_resumed = states_resumed;
    Ok(built)
}

type Take<'t> = &'t mut dyn FnMut(usize, Result<Gathered, String>) -> io::Result<()>;

/// Goes through the chunks from `from` on several threads, and hands over what was found in order.
fn run(
    session: &Session,
    from: usize,
    how: &Indexing,
    progress: &Progress,
    take: Take<'_>,
) -> io::Result<()> {
    let threads = how.threads;
    let all = session.chunks().len();
    let next = AtomicUsize::new(from);
    let done = AtomicUsize::new(from);
    let stop = || progress.cancel.load(Ordering::Relaxed);
    let (send, receive) = mpsc::sync_channel::<(usize, Result<Gathered, String>)>(1);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let send = send.clone();
            let (next, done) = (&next, &done);
            scope.spawn(move || {
                let mut things = Gather::new();
                let lanes = Lanes::of(session.schema());
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= all || stop() {
                        return;
                    }
                    // Nobody runs far ahead of what is merged.
                    while at > done.load(Ordering::Relaxed) + 4 * threads && !stop() {
                        std::thread::park_timeout(std::time::Duration::from_millis(1));
                    }
                    let mut counts = Counting::default();
                    let found = gather(session, at, &mut things, |event, socket| {
                        counts.event(&lanes, event, socket);
                    });
                    let alike = Alike::of(session, at, &mut things, how.sorts);
                    let found = found.map(|things| Gathered {
                        things,
                        counts,
                        alike,
                    });
                    if send.send((at, found)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut waiting = BTreeMap::new();
        let mut at = from;
        let mut merge = || -> io::Result<()> {
            for (place, found) in receive.iter() {
                waiting.insert(place, found);
                while let Some(found) = waiting.remove(&at) {
                    take(at, found)?;
                    let events = session.chunks().get(at).map_or(0, |info| info.events);
                    progress.done.fetch_add(events, Ordering::Relaxed);
                    at += 1;
                    done.store(at, Ordering::Relaxed);
                }
            }
            Ok(())
        };
        let merged = merge();
        // Whoever still sends finds nobody, and ends; whoever waits for a turn must not.
        done.store(usize::MAX / 2, Ordering::Relaxed);
        next.store(all, Ordering::Relaxed);
        drop(receive);
        merged?;
        if at < all {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        Ok(())
    })
}

/// Joins everything into one file.
fn finish(
    session: &Session,
    shop: &Workshop,
    (files, mut heap, states): (Vec<In>, Heap, States),
    identity: &Identity,
    (keeper, sorts): (&Keeper, Summing),
    place: &Path,
) -> io::Result<Built> {
    let mut counts = Counting::default();
    let mut covered = Vec::new();
    for file in &files {
        covered.extend(file.head.chunks.iter().cloned());
        let part = file.head.pyramid.clone().unwrap_or_default();
        let raw = file
            .part(&part, super::MOST_PART)
            .map_err(io::Error::other)?;
        let read = Counting::read(&raw).ok_or_else(|| io::Error::other(Refused::Damaged))?;
        counts.absorb(read);
    }
    covered.append(&mut heap.chunks);
    counts.absorb(std::mem::take(&mut heap.counts));
    for (thing, tally) in apart(session) {
        heap.things
            .entry(thing)
            .or_insert_with(|| (tally, Vec::new()));
    }
    let few = heap.things.len() as u64 + files.iter().map(|file| file.head.things()).sum::<u64>();
    let folder = shop.folder.join("text");
    let mut text = None;
    if few >= text::WORTH {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder)?;
        text = Some(Draft::create(&folder)?);
    }
    let mut out = Out::create(place)?;
    let mut number = 0u64;
    merge(&files, heap.entries(), |entry| {
        // What no event is about is asked of the capture each time.
        if let Some(text) = &mut text {
            text.add(number, entry.thing.texts().flatten())?;
        }
        number += 1;
        out.push(entry, DENSE)
    })?;
    // The blocks end where the number of their things is known.
    let mut parts: Vec<(String, Part)> = Vec::new();
    if let Some(text) = text {
        for (name, path) in text.finish()? {
            parts.push((name, out.part(&std::fs::read(path)?, DENSE)?));
        }
    }
    out.head.text = parts;
    out.head.pyramid = Some(out.part(&counts.bytes(), DENSE)?);
    for file in &files {
        alike::take_over(&mut out, file, DENSE)?;
    }
    heap.alike.write(&mut out, sorts, DENSE)?;
    if !states.common.is_empty() {
        out.head.states = Some(out.part(&states.common, DENSE)?);
        let mut put = |(packed, raw): &Pressed| out.pressed(packed, *raw);
        let parts = states
            .states
            .iter()
            .map(&mut put)
            .collect::<io::Result<_>>()?;
        let rows = states
            .rows
            .iter()
            .map(&mut put)
            .collect::<io::Result<_>>()?;
        (out.head.state_parts, out.head.row_parts) = (parts, rows);
    }
    out.head.identity = identity.clone();
    out.head.about = about(session);
    let events = covered.iter().map(|chunk| chunk.events).sum();
    let unreadable = covered.iter().filter(|chunk| chunk.unread).count();
    out.head.chunks = covered;
    out.finish(&keeper.key, DENSE)?;
    Ok(Built {
        bytes: std::fs::metadata(place)?.len(),
        things: number,
        events,
        unreadable,
        ..Built::default()
    })
}
