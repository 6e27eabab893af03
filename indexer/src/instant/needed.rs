//! What types of events do to the state of an instant, and which events of a chunk a replay can do without: those that change
//! nothing that the ones before them have not. Told from the chunk's lists; no other event is put together.

use super::{Identity, Instant, identity};
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::{
    ArgKind, Event, EventFlags, FileId, ProcId, Schema, TypeDesc, TypeId, render, syscalls,
};
use afterimage_query::Among;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;

/// How a successful call, or an end, changes what is open or mounted, besides what it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Gives a second descriptor.
    Duplicate,
    /// May give a second descriptor, or say whether one closes with an exec.
    Control,
    Close,
    CloseRange,
    /// Gives two descriptors.
    Pair,
    /// A task begins, with what its parent has.
    Clone,
    Exec,
    Listen,
    /// A task ends.
    End,
    Mount,
    Unmount,
}

/// By the names of types.
const CHANGES: &[(&str, Change)] = &[
    ("close", Change::Close),
    ("close_range", Change::CloseRange),
    ("dup2", Change::Duplicate),
    ("dup3", Change::Duplicate),
    ("execve", Change::Exec),
    ("execveat", Change::Exec),
    ("fcntl", Change::Control),
    ("fcntl64", Change::Control),
    ("listen", Change::Listen),
    ("mount", Change::Mount),
    ("pipe", Change::Pair),
    ("pipe2", Change::Pair),
    ("procexit", Change::End),
    ("socketpair", Change::Pair),
    ("umount", Change::Unmount),
    ("umount2", Change::Unmount),
];

/// The same of sysdig's types, besides those.
const TOLD: &[(&str, Change)] = &[
    ("clone", Change::Clone),
    ("clone3", Change::Clone),
    ("dup", Change::Duplicate),
    ("fork", Change::Clone),
    ("vfork", Change::Clone),
];

/// What events of a type do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Does {
    pub change: Option<Change>,
    /// A result that is not negative is a new descriptor.
    pub opens: bool,
    /// The first argument is a descriptor, which the event's file stands behind.
    pub uses: bool,
    /// Which argument is the descriptor that is closed or used.
    pub fd: Option<usize>,
}

impl Does {
    fn of(id: TypeId, ty: &TypeDesc) -> Does {
        if ty.is(TypeDesc::SCAP) {
            return Does::of_told(ty);
        }
        let change = CHANGES.iter().find(|(name, _)| *name == ty.name);
        let change = change.map(|(_, change)| *change);
        let first = ty.args.first().and_then(|arg| arg.kind());
        let closes = change == Some(Change::Close);
        let uses = first == Some(ArgKind::Fd) && !closes;
        Does {
            change,
            opens: render::new_fd(ty, &Event::of_type(id)),
            uses,
            fd: match closes {
                true => ty.arg_index("fd"),
                false => uses.then_some(0),
            },
        }
    }

    /// Of a type of sysdig's: what happens has happened when a call returns, and the descriptor is told beside the arguments.
    fn of_told(ty: &TypeDesc) -> Does {
        let change = CHANGES.iter().chain(TOLD).find(|row| row.0 == ty.name);
        let change = change.map(|row| row.1);
        let is_exit = ty.is(TypeDesc::EXIT);
        let returns_fd = syscalls::by_name(&ty.name).is_some_and(|row| row.returns_fd);
        Does {
            change: change.filter(|change| is_exit || *change == Change::End),
            opens: is_exit && (returns_fd || change == Some(Change::Duplicate)),
            uses: ty.is(TypeDesc::ABOUT_FD),
            fd: ty.arg_index("fd.num"),
        }
    }

    /// By type.
    pub fn of_all(schema: &Schema) -> Vec<Does> {
        let types = (0..=u16::MAX).map(TypeId).zip(&schema.types);
        types.map(|(id, ty)| Does::of(id, ty)).collect()
    }

    fn anything(self) -> bool {
        self.change.is_some() || self.opens || self.uses
    }
}

/// What the events of a chunk so far say of descriptors, by process and number.
#[derive(Default)]
struct OpenSoFar {
    /// Opened by these rows, which need not be shown should they be closed again.
    pending: HashMap<(usize, u32), usize>,
    /// Closed, and not opened since.
    closed: HashSet<(usize, u32)>,
    /// The file that was last seen behind it.
    behind: HashMap<(usize, u32), u32>,
    /// Opened after the instant, with the file.
    later: HashSet<(usize, u32, u32)>,
}

impl OpenSoFar {
    /// A process did something that may have to do with any of its descriptors.
    fn forget(&mut self, who: usize, put: &mut dyn FnMut(usize)) {
        self.pending.retain(|(of, _), row| {
            let others = *of != who;
            if !others {
                put(*row);
            }
            others
        });
        self.closed.retain(|(of, _)| *of != who);
        self.behind.retain(|(of, _), _| *of != who);
    }
}

/// What was met of a process row in a chunk.
#[derive(Clone, Copy, Default)]
struct Met {
    at_all: bool,
    before: bool,
    last: Option<usize>,
}

/// A number for each process, by place in [`Among::procs`].
pub(super) fn numbered(among: &Among<'_>) -> Vec<Option<usize>> {
    let mut numbered: HashMap<Identity, usize> = HashMap::new();
    let mut who = Vec::with_capacity(among.procs.len());
    for id in among.procs {
        let next = numbered.len();
        let known = among.tables.procs.get(id).map(|row| identity(row));
        who.push(known.map(|known| *numbered.entry(known).or_insert(next)));
    }
    who
}

impl Instant {
    /// Keeps what the events of a chunk point at, whether they are put together or not.
    pub(super) fn keep_all(&mut self, among: &Among<'_>, files: &[FileId]) {
        for (id, row) in &among.tables.procs {
            self.above.entry(*id).or_insert_with(|| row.clone());
        }
        // The first row of each process, where two are equally good.
        let mut first: BTreeMap<Identity, (bool, ProcId)> = BTreeMap::new();
        let follows = self.noting.is_some() || self.news.is_some();
        for id in among.procs {
            if let Some(row) = among.tables.procs.get(id) {
                let procs = &mut self.tables.procs;
                let row = procs.entry(row.id).or_insert_with(|| row.clone());
                if follows && !row.is_nobody() && row.key.pid != 0 {
                    let one = (row.past, row.id);
                    let best = first.entry(identity(row)).or_insert(one);
                    *best = (*best).min(one);
                }
            }
        }
        for (who, best) in first {
            if let Some(noting) = &mut self.noting {
                noting.meet(who, best);
            }
            if let Some(news) = &mut self.news {
                news.entry(who).or_insert(best.1);
            }
        }
        for id in files {
            if let Some(row) = among.tables.files.get(id) {
                let files = &mut self.tables.files;
                files.entry(*id).or_insert_with(|| row.clone());
            }
        }
    }

    /// The rows of a chunk without which the state would be another.
    pub(super) fn needed(
        &mut self,
        heads: &Heads<'_>,
        among: &Among<'_>,
    ) -> Result<Vec<u64>, ErrorKind> {
        let (from, at) = (self.from, self.at);
        let zone = heads.zone();
        let is_later = zone.start.0.min(zone.end.0) > at;
        let types: Vec<Does> = among
            .types
            .iter()
            .map(|ty| {
                let does = self.does.get(usize::from(ty.0)).copied();
                let does = does.unwrap_or_default();
                // What is used later says nothing.
                Does {
                    uses: does.uses && !is_later,
                    fd: does.fd.filter(|_| !is_later),
                    ..does
                }
            })
            .collect();
        let (types_of, marks, times) = (heads.types()?, heads.marks()?, heads.times()?);
        let (procs, files, listed) = (heads.procs()?, heads.files()?, heads.file_list()?);
        let mut results = vec![0_i64; types_of.len()];
        let mut used = vec![None; types_of.len()];
        let wanted: Vec<bool> = types.iter().map(|does| does.anything()).collect();
        for (place, found) in heads.results(&wanted)?.into_iter().enumerate() {
            let Some((rows, values)) = found else {
                continue;
            };
            for (row, value) in rows.iter().zip(values) {
                if let Some(result) = results.get_mut(*row as usize) {
                    *result = *value;
                }
            }
            if let Some(fd) = types.get(place).and_then(|does| does.fd) {
                let numbers = heads.numbers(place, fd)?;
                for (row, number) in rows.iter().zip(numbers) {
                    if let Some(used) = used.get_mut(*row as usize) {
                        *used = number.and_then(|number| u32::try_from(number).ok());
                    }
                }
            }
        }
        self.keep_all(among, listed);
        let who = numbered(among);
        // Whether something is told elsewhere of what a process, by place, has open.
        let told: Vec<bool> = match &self.noting {
            Some(noting) => (among.procs.iter())
                .map(|id| {
                    among
                        .tables
                        .proc(*id)
                        .is_some_and(|row| noting.tells(identity(row)))
                })
                .collect(),
            None => Vec::new(),
        };
        let mut open = OpenSoFar::default();
        let mut met = vec![Met::default(); among.procs.len()];
        let mut rows = vec![0_u64; types_of.len().div_ceil(64)];
        let mut put = |row: usize| {
            if let Some(word) = rows.get_mut(row / 64) {
                *word |= 1 << (row % 64);
            }
        };
        for row in heads.order()? {
            let row = *row as usize;
            let time = times.get(row).copied().unwrap_or(0);
            let place = procs.get(row).map_or(usize::MAX, |proc| *proc as usize);
            let Some((met, who)) = met.get_mut(place).zip(who.get(place).copied().flatten()) else {
                continue;
            };
            if time < from {
                continue;
            }
            let is_later = time > at;
            if !met.at_all || !is_later && !met.before {
                put(row);
                // Perhaps a new process, which has what another had open.
                open.pending.drain().for_each(|(_, row)| put(row));
            }
            met.at_all = true;
            if !is_later {
                met.before = true;
                met.last = Some(row);
            }
            let ty = types_of.get(row).map_or(usize::MAX, |ty| usize::from(*ty));
            let does = types.get(ty).copied().unwrap_or_default();
            if !does.anything() {
                continue;
            }
            let marks = EventFlags(marks.get(row).copied().unwrap_or(0));
            let result = results.get(row).copied().unwrap_or(0);
            let failed = Event {
                flags: marks,
                result,
                ..Event::of_type(TypeId(0))
            };
            let failed = failed.errno().is_some();
            let file = files.get(row).copied().unwrap_or(0);
            let fd = used.get(row).copied().flatten().map(|fd| (who, fd));
            let opens = does.opens && !marks.has(EventFlags::NO_RESULT);
            let opened = (opens && result >= 0).then(|| u32::try_from(result).unwrap_or(u32::MAX));
            match (does.change, opened) {
                (None, Some(opened)) if is_later => {
                    if open.later.insert((who, opened, file)) {
                        put(row);
                    }
                }
                (None, Some(opened)) => {
                    if told.get(place).is_some_and(|told| *told)
                        && open.later.insert((who, opened, file))
                    {
                        put(row);
                    }
                    let opened = (who, opened);
                    open.behind.insert(opened, file);
                    open.closed.remove(&opened);
                    open.pending.insert(opened, row);
                }
                (Some(Change::Close), None) if !failed && !is_later && fd.is_some() => {
                    if let Some(fd) = fd {
                        // What was opened here and is closed again leaves nothing but that.
                        open.pending.remove(&fd);
                        open.behind.remove(&fd);
                        if open.closed.insert(fd) {
                            put(row);
                        }
                    }
                }
                (Some(change), _) if change == Change::End || !failed => {
                    put(row);
                    open.forget(who, &mut put);
                }
                _ => {
                    let fd = fd.filter(|_| does.uses && file != 0 && !failed && !is_later);
                    if let Some(fd) = fd
                        && open.behind.insert(fd, file) != Some(file)
                    {
                        put(row);
                        if let Some(row) = open.pending.remove(&fd) {
                            put(row);
                        }
                    }
                }
            }
        }
        open.pending.into_values().for_each(&mut put);
        met.iter().filter_map(|met| met.last).for_each(&mut put);
        Ok(rows)
    }
}
