//! States that an index keeps, so that a replay begins at the last one before its instant: what they hold, and how one is gone
//! on from. What depends on the whole capture is told apart: who was there before the first event of his, and which descriptors
//! of state blocks were opened in the capture itself.

use super::{Identity, Instant, Open, identity};
use crate::session::{Progress, Session};
use afterimage_format::{pack_rows, unpack_rows};
use afterimage_model::{BootNs, FileId, Mount, ProcId, Process, Tables};
use bincode::{Decode, Encode};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// Most bytes of a part of kept states, before compression.
pub(crate) const MOST_RAW: u64 = 64 << 20;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<{ MOST_RAW as usize }>()
}

/// A process as it is kept: its id, and its start.
pub(super) type Who = (u32, u64);

/// A descriptor as it is kept: its number, 0 or 1 + the file's row, 0 or the number of the event that opened it, and marks.
pub(super) type Fd = (u32, u64, u64, u8);

const CLOSES_ON_EXEC: u8 = 1;
const TOUCHED: u8 = 2;

/// A process of which nothing but events after the instant may be known.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Waiting {
    pub who: Who,
    /// The row that it has until then.
    pub row: u32,
    /// Time of its first event, if there is one.
    pub first: Option<u64>,
}

impl Waiting {
    pub fn row_id(&self) -> ProcId {
        ProcId(self.row)
    }
}

/// Where a state stands: behind the events of so many chunks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Place {
    pub chunks: u64,
    /// The latest instant of those events, of the section of the capture that it is in.
    pub latest: u64,
    /// The parts of rows in which those are that it points at.
    pub rows: Vec<u32>,
}

/// What is kept of all states together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Common {
    pub(super) waiting: Vec<Waiting>,
    /// Descriptors that state blocks tell and that were opened in the capture: process, number, inode.
    pub(super) made: Vec<(Who, u32, u64)>,
    /// Processes that were over and that chunks after that speak of, with the chunk in which they ended.
    pub(super) again: Vec<(Who, u32)>,
    pub(super) places: Vec<Place>,
    /// The parts of rows that those that wait are in.
    pub(super) rows: Vec<u32>,
}

impl Common {
    /// As it was kept.
    pub fn read(bytes: &[u8]) -> Option<Common> {
        decoded(bytes)
    }
}

/// A process in a state.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Living {
    who: Who,
    row: u32,
    open: Vec<Fd>,
    /// Descriptors that were closed.
    closed: Vec<u32>,
}

/// A state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct State {
    living: Vec<Living>,
    listening: Vec<u32>,
    /// Mounts as rows, and the number of the event that made each.
    mounts: Vec<u8>,
    mounted: Vec<u64>,
    unmounted: Vec<(u32, Vec<u8>)>,
    /// What was left to processes of which nothing was heard yet: id, when, what.
    born: Vec<(u32, u64, Vec<Fd>)>,
}

/// When a process was met first, while all events are gone through.
pub(super) struct First {
    /// The chunk, the row that is best there, and whether the process began before that chunk does.
    pub met: Option<(u32, ProcId, bool)>,
    /// The best row of all: one that is not past, then the first.
    pub best: (bool, ProcId),
    /// Chunk and time of its first event.
    pub shown: Option<(u32, u64)>,
}

/// What is noted while all events are gone through.
pub(super) struct Noting {
    /// The chunk that is gone through, and the instant with which it begins.
    pub chunk: u32,
    pub begins: u64,
    /// The latest instant so far.
    pub latest: u64,
    /// What state blocks tell: number and inode of descriptors.
    told: HashMap<Identity, HashSet<(u32, u64)>>,
    /// Processes that state blocks tell to be there.
    present: HashSet<Identity>,
    pub firsts: HashMap<Identity, First>,
    pub ended: HashMap<Identity, u32>,
    /// When each ended, ns since boot.
    pub ends: HashMap<Identity, u64>,
    pub again: BTreeMap<Identity, u32>,
}

impl Noting {
    pub fn of(session: &Session) -> Noting {
        let state = session.state();
        let mut told: HashMap<Identity, HashSet<(u32, u64)>> = HashMap::new();
        for ((proc, fd), file) in &state.descriptors {
            if let Some(process) = state.proc(*proc) {
                let ino = state.file(*file).map_or(0, |file| file.ino);
                told.entry(identity(process))
                    .or_default()
                    .insert((*fd, ino));
            }
        }
        let mut firsts: HashMap<Identity, First> = HashMap::new();
        let known = |row: &&Arc<Process>| !row.is_nobody() && row.key.pid != 0;
        for row in state.procs.values().filter(known) {
            let one = (row.past, row.id);
            let first = firsts.entry(identity(row)).or_insert(First {
                met: None,
                best: one,
                shown: None,
            });
            first.best = first.best.min(one);
        }
        let present = state.procs.values().filter(|row| !row.past);
        Noting {
            chunk: 0,
            begins: 0,
            latest: 0,
            told,
            present: present.map(|row| identity(row)).collect(),
            firsts,
            ended: HashMap::new(),
            ends: HashMap::new(),
            again: BTreeMap::new(),
        }
    }

    /// Whether state blocks tell of descriptors of a process.
    pub fn tells(&self, who: Identity) -> bool {
        self.told.contains_key(&who)
    }

    pub fn is_told(&self, who: Identity, fd: u32, ino: u64) -> bool {
        let told = self.told.get(&who);
        told.is_some_and(|told| told.contains(&(fd, ino)))
    }

    /// The chunk speaks of a process, with this row as its best.
    pub fn meet(&mut self, who: Identity, best: (bool, ProcId)) {
        if let Some(ended) = self.ended.get(&who)
            && *ended < self.chunk
        {
            self.again.entry(who).or_insert(*ended);
        }
        let first = self.firsts.entry(who).or_insert(First {
            met: None,
            best,
            shown: None,
        });
        first.best = first.best.min(best);
        let before = who.1 < self.begins;
        first.met.get_or_insert((self.chunk, best.1, before));
    }

    /// An event of a process.
    pub fn show(&mut self, who: Identity, time: u64) {
        if let Some(first) = self.firsts.get_mut(&who) {
            let shown = first.shown.get_or_insert((self.chunk, time));
            shown.1 = match shown.0 == self.chunk {
                true => shown.1.min(time),
                false => shown.1,
            };
        }
    }

    pub fn end(&mut self, who: Identity, at: BootNs) {
        self.ends.entry(who).or_insert(at.0);
        let ended = *self.ended.entry(who).or_insert(self.chunk);
        if self.present.contains(&who) {
            self.again.entry(who).or_insert(ended);
        }
    }

    /// Processes whose row before their first event the chunks before it do not tell.
    pub fn waiting(&self) -> Vec<Waiting> {
        let waits = |(who, first): (&Identity, &First)| {
            let (past, row) = first.best;
            let at_once = first.met.zip(first.shown);
            let at_once = at_once.is_some_and(|(met, shown)| met == (shown.0, row, false));
            // Of one that was over when that was written, and of which there is no event, only the name is of use.
            let over = past && first.shown.is_none();
            let first = first.shown.map(|shown| shown.1);
            (!at_once && !over).then_some(Waiting {
                who: *who,
                row: row.0,
                first,
            })
        };
        let mut waiting: Vec<Waiting> = self.firsts.iter().filter_map(waits).collect();
        waiting.sort_unstable_by_key(|waiting| waiting.who);
        waiting
    }
}

pub(super) fn fds(open: &BTreeMap<u32, Open>, touched: Option<&HashSet<u32>>) -> Vec<Fd> {
    let fd = |(fd, open): (&u32, &Open)| {
        let touched = touched.is_some_and(|touched| touched.contains(fd));
        let marks = u8::from(open.closes_on_exec) * CLOSES_ON_EXEC + u8::from(touched) * TOUCHED;
        let file = open.file.map_or(0, |file| u64::from(file.0) + 1);
        (*fd, file, open.since.unwrap_or(0), marks)
    };
    open.iter().map(fd).collect()
}

pub(super) fn open((_, file, since, marks): &Fd) -> Open {
    Open {
        file: (file.checked_sub(1))
            .and_then(|id| u32::try_from(id).ok())
            .map(FileId),
        since: Some(*since).filter(|since| *since > 0),
        closes_on_exec: marks & CLOSES_ON_EXEC != 0,
    }
}

pub(super) fn encoded<T: Encode>(what: &T) -> Option<Vec<u8>> {
    bincode::encode_to_vec(what, config()).ok()
}

pub(super) fn decoded<T: Decode<()>>(bytes: &[u8]) -> Option<T> {
    let (what, used) = bincode::decode_from_slice(bytes, config()).ok()?;
    (used == bytes.len()).then_some(what)
}

impl Instant {
    /// What there is now, to be kept.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let living = self
            .lived
            .iter()
            .filter(|(who, _)| !self.ended.contains(*who));
        let living = living.map(|(who, row)| {
            let (open, touched) = (self.open.get(who), self.touched.get(who));
            let none = BTreeMap::new();
            let open = open.unwrap_or(&none);
            let closed = touched.into_iter().flatten();
            let mut closed: Vec<u32> = closed
                .copied()
                .filter(|fd| !open.contains_key(fd))
                .collect();
            closed.sort_unstable();
            Living {
                who: *who,
                row: row.0,
                open: fds(open, touched),
                closed,
            }
        });
        let mut listening: Vec<u32> = self.listening.iter().map(|file| file.0).collect();
        listening.sort_unstable();
        let mut unmounted: Vec<(u32, Vec<u8>)> = self.unmounted.iter().cloned().collect();
        unmounted.sort_unstable();
        let numbered = (0..).zip(self.mounted.values()).map(|(id, (_, mount))| {
            let mount = Mount {
                id,
                ..mount.as_ref().clone()
            };
            ((0, id), Arc::new(mount))
        });
        let mounts = Tables {
            mounts: numbered.collect(),
            ..Tables::default()
        };
        let born = self.born.iter().flatten();
        let mut born: Vec<(u32, u64, Vec<Fd>)> = born
            .map(|(pid, (since, left))| (*pid, *since, fds(left, None)))
            .collect();
        born.sort_unstable();
        encoded(&State {
            living: living.collect(),
            listening,
            mounts: pack_rows(&mounts),
            mounted: self.mounted.values().map(|mounted| mounted.0).collect(),
            unmounted,
            born,
        })
    }

    /// The rows that what there is now points at.
    pub(super) fn rows_in_use(&self) -> (Vec<ProcId>, Vec<FileId>) {
        let open = self
            .open
            .values()
            .chain((self.born.iter().flatten()).map(|(_, (_, left))| left));
        let files = open.flat_map(BTreeMap::values).filter_map(|open| open.file);
        let procs = self.living().map(|(_, process)| process.id);
        (
            procs.collect(),
            files.chain(self.listening.iter().copied()).collect(),
        )
    }

    /// Takes up a state that was kept.
    fn take(&mut self, bytes: &[u8]) -> Option<()> {
        let state: State = decoded(bytes)?;
        for living in state.living {
            self.lived.insert(living.who, ProcId(living.row));
            let touched = living.open.iter().filter(|fd| fd.3 & TOUCHED != 0);
            let touched: HashSet<u32> = touched.map(|fd| fd.0).chain(living.closed).collect();
            if !touched.is_empty() {
                self.touched.insert(living.who, touched);
            }
            for fd in &living.open {
                let Open {
                    file,
                    since,
                    closes_on_exec,
                } = open(fd);
                self.put(living.who, fd.0, file, since, closes_on_exec);
            }
        }
        self.listening
            .extend(state.listening.into_iter().map(FileId));
        let mounts = unpack_rows(&state.mounts).ok()?.mounts;
        let mut mounts: Vec<Arc<Mount>> = mounts.into_values().collect();
        mounts.sort_unstable_by_key(|mount| mount.id);
        for (number, mount) in state.mounted.into_iter().zip(mounts) {
            let key = (mount.ns_mnt, mount.point.clone());
            let mount = Mount {
                id: 0,
                ..mount.as_ref().clone()
            };
            self.mounted.insert(key, (number, Arc::new(mount)));
        }
        self.unmounted.extend(state.unmounted);
        if let Some(born) = &mut self.born {
            for (pid, since, left) in state.born {
                let left = left.iter().map(|fd| (fd.0, open(fd))).collect();
                born.insert(pid, (since, left));
            }
        }
        Some(())
    }
}

/// Reads a part.
pub(crate) type Load<'a> = dyn Fn(Part) -> Option<Vec<u8>> + 'a;

/// A part of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The state of this number.
    State(usize),
    /// The rows of this number.
    Rows(usize),
}

/// What is kept, in use.
pub(crate) struct Kept<'a> {
    /// What all states have in common.
    pub common: &'a Common,
    /// How a part is read.
    pub load: Box<Load<'a>>,
}

impl Kept<'_> {
    /// Takes up the last state that is not later than the instant, of those behind some of these chunks. Gives the chunks that
    /// are left; `None` where it cannot be read.
    pub(super) fn begin(&self, state: &mut Instant, chunks: Range<usize>) -> Option<Range<usize>> {
        let number = |place: &Place| usize::try_from(place.chunks).unwrap_or(usize::MAX);
        let is_before = |place: &Place| {
            let number = number(place);
            number > chunks.start && number <= chunks.end && place.latest <= state.at
        };
        let found = self.common.places.iter().rposition(is_before);
        let found = found.and_then(|at| Some((at, self.common.places.get(at)?)));
        let mut rows: Vec<u32> = self.common.rows.clone();
        rows.extend(found.iter().flat_map(|(_, place)| &place.rows));
        rows.sort_unstable();
        rows.dedup();
        for part in rows {
            let bytes = (self.load)(Part::Rows(usize::try_from(part).ok()?))?;
            let Tables { procs, files, .. } = unpack_rows(&bytes).ok()?;
            for (id, row) in procs {
                state.tables.procs.entry(id).or_insert(row);
            }
            for (id, row) in files {
                state.tables.files.entry(id).or_insert(row);
            }
        }
        let Some((at, place)) = found else {
            return Some(chunks);
        };
        let behind = number(place);
        for (who, ended) in &self.common.again {
            if usize::try_from(*ended).is_ok_and(|ended| ended < behind && ended >= chunks.start) {
                state.ended.insert(*who);
                state.lived.entry(*who).or_insert(ProcId(u32::MAX));
            }
        }
        state.take(&(self.load)(Part::State(at))?)?;
        Some(behind..chunks.end)
    }
}

impl Instant {
    /// Replays from the last state before the instant. Says whether it was not stopped; `None`, and nothing was done, where what
    /// is kept cannot be read.
    pub(super) fn replay_from(
        &mut self,
        session: &Session,
        kept: &Kept<'_>,
        progress: &Progress,
    ) -> Option<bool> {
        let all = session.chunks().len();
        let mut state = Instant::before(session, self.at);
        let left = kept.begin(&mut state, 0..all)?;
        state.news = Some(BTreeMap::new());
        let walked = session.walk_range(left, Some((0, state.at)), progress, &mut state);
        let common = &kept.common;
        for waiting in &common.waiting {
            let waits = waiting.first.is_none_or(|first| first > state.at);
            if waiting.who.1 <= state.at && waits {
                let row = waiting.row_id();
                state.lived.entry(waiting.who).or_insert(row);
            }
        }
        for (who, row) in state.news.take().unwrap_or_default() {
            if who.1 <= state.at {
                state.lived.entry(who).or_insert(row);
            }
        }
        state
            .made
            .extend(common.made.iter().map(|(who, fd, ino)| (*who, *fd, *ino)));
        state.add_descriptors();
        *self = state;
        Some(walked.complete)
    }
}
