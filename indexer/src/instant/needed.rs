//! What types of events do to the state of an instant, and which events of a chunk a replay can do without: those that change
//! nothing that the ones before them have not. Told from the chunk's lists; no other event is put together.

use super::{Identity, Instant, identity};
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::{ArgKind, Event, EventFlags, Schema, TypeDesc, TypeId, render};
use afterimage_query::Among;
use std::collections::HashMap;

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
    ("listen", Change::Listen),
    ("mount", Change::Mount),
    ("pipe", Change::Pair),
    ("pipe2", Change::Pair),
    ("procexit", Change::End),
    ("socketpair", Change::Pair),
    ("umount", Change::Unmount),
    ("umount2", Change::Unmount),
];

/// What events of a type do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Does {
    pub change: Option<Change>,
    /// A result that is not negative is a new descriptor.
    pub opens: bool,
    /// The first argument is a descriptor, which the event's file stands behind.
    pub uses: bool,
}

impl Does {
    fn of(id: TypeId, ty: &TypeDesc) -> Does {
        let change = CHANGES.iter().find(|(name, _)| *name == ty.name);
        let change = change.map(|(_, change)| *change);
        let first = ty.args.first().and_then(|arg| arg.kind());
        Does {
            change,
            opens: render::new_fd(ty, &Event::of_type(id)),
            uses: first == Some(ArgKind::Fd) && change != Some(Change::Close),
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

/// What was met of a process row in a chunk.
#[derive(Clone, Copy, Default)]
struct Met {
    at_all: bool,
    before: bool,
    last: Option<usize>,
}

impl Instant {
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
            if types.get(place).is_some_and(|does| does.uses) {
                let numbers = heads.numbers(place, 0)?;
                for (row, number) in rows.iter().zip(numbers) {
                    if let Some(used) = used.get_mut(*row as usize) {
                        *used = number.and_then(|number| u32::try_from(number).ok());
                    }
                }
            }
        }
        // What events point at is kept whether they are put together or not.
        for id in among.procs {
            if let Some(row) = among.tables.procs.get(id) {
                let procs = &mut self.tables.procs;
                procs.entry(row.id).or_insert_with(|| row.clone());
            }
        }
        for id in listed {
            if let Some(row) = among.tables.files.get(id) {
                let files = &mut self.tables.files;
                files.entry(*id).or_insert_with(|| row.clone());
            }
        }
        let mut numbered: HashMap<Identity, usize> = HashMap::new();
        let mut who = Vec::with_capacity(among.procs.len());
        for id in among.procs {
            let next = numbered.len();
            let known = among.tables.procs.get(id).map(|row| identity(row));
            who.push(known.map(|known| *numbered.entry(known).or_insert(next)));
        }
        // How often each process has changed something so far; what was used before that is not known any more.
        let mut changes = vec![0_u32; numbered.len()];
        let mut behind: HashMap<(usize, u32), (u32, u32)> = HashMap::new();
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
            if does.change == Some(Change::End) || (does.change.is_some() || does.opens) && !failed
            {
                put(row);
                if let Some(changes) = changes.get_mut(who) {
                    *changes = changes.wrapping_add(1);
                }
                continue;
            }
            let file = files.get(row).copied().unwrap_or(0);
            let fd = used.get(row).copied().flatten();
            if let Some(fd) = fd.filter(|_| file != 0 && !failed && !is_later) {
                let now = (file, changes.get(who).copied().unwrap_or(0));
                if behind.insert((who, fd), now) != Some(now) {
                    put(row);
                }
            }
        }
        met.iter().filter_map(|met| met.last).for_each(&mut put);
        Ok(rows)
    }
}
