//! Rows of several captures in one: each capture numbers its processes, containers and files by itself, so their numbers
//! are made anew, and rows that say the same become one.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::wire::Record;
use afterimage_model::{Container, ContainerId, Event, File, FileId, ProcId, Process, Tables};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

/// New numbers of one kind.
struct Numbers<I> {
    next: u32,
    /// By origin and old number.
    given: HashMap<(usize, I), I>,
    /// By what a row says, its own number aside.
    said: HashMap<[u8; 32], I>,
    make: fn(u32) -> I,
}

impl<I: Copy + Eq + Hash> Numbers<I> {
    fn new(make: fn(u32) -> I) -> Numbers<I> {
        Numbers {
            next: 1,
            given: HashMap::new(),
            said: HashMap::new(),
            make,
        }
    }

    fn fresh(&mut self) -> I {
        let number = (self.make)(self.next);
        self.next = self.next.saturating_add(1);
        number
    }

    /// The new number of one that stands for no row.
    fn of(&mut self, origin: usize, old: I) -> I {
        if let Some(number) = self.given.get(&(origin, old)) {
            return *number;
        }
        let number = self.fresh();
        self.given.insert((origin, old), number);
        number
    }

    /// The new number of a row that says this.
    fn of_row(&mut self, origin: usize, old: I, row: &impl Record) -> I {
        if let Some(number) = self.given.get(&(origin, old)) {
            return *number;
        }
        let said = *blake3::hash(&row.encode()).as_bytes();
        let number = match self.said.get(&said) {
            Some(number) => *number,
            None => self.fresh(),
        };
        self.said.insert(said, number);
        self.given.insert((origin, old), number);
        number
    }
}

/// Puts rows of several captures into one set of tables. Those of a single capture keep their numbers.
pub(crate) struct Remap {
    single: bool,
    procs: Numbers<ProcId>,
    files: Numbers<FileId>,
    containers: Numbers<ContainerId>,
}

impl Remap {
    /// For this many captures.
    pub(crate) fn of(origins: usize) -> Remap {
        Remap {
            single: origins == 1,
            procs: Numbers::new(ProcId),
            files: Numbers::new(FileId),
            containers: Numbers::new(ContainerId),
        }
    }

    /// Adds the rows of one capture.
    pub(crate) fn rows(&mut self, origin: usize, from: &Tables, to: &mut Tables) {
        if self.single {
            to.procs.extend(from.procs.clone());
            to.containers.extend(from.containers.clone());
            to.files.extend(from.files.clone());
            to.users.extend(from.users.clone());
            to.groups.extend(from.groups.clone());
            to.descriptors.extend(from.descriptors.clone());
            to.mounts.extend(from.mounts.clone());
            return;
        }
        for row in from.containers.values() {
            let blank = Container {
                id: ContainerId(0),
                ..row.as_ref().clone()
            };
            let id = self.containers.of_row(origin, row.id, &blank);
            to.containers
                .insert(id, Arc::new(Container { id, ..blank }));
        }
        for row in from.procs.values() {
            self.process(origin, row.id, from, to);
        }
        for row in from.files.values() {
            let blank = File {
                id: FileId(0),
                ..row.as_ref().clone()
            };
            let id = self.files.of_row(origin, row.id, &blank);
            to.files.insert(id, Arc::new(File { id, ..blank }));
        }
        for row in from.users.values() {
            let mut row = row.as_ref().clone();
            row.container = row.container.map(|id| self.containers.of(origin, id));
            to.users.insert((row.container, row.uid), Arc::new(row));
        }
        for row in from.groups.values() {
            let mut row = row.as_ref().clone();
            row.container = row.container.map(|id| self.containers.of(origin, id));
            to.groups.insert((row.container, row.gid), Arc::new(row));
        }
        for ((proc, fd), file) in &from.descriptors {
            let (proc, file) = (self.procs.of(origin, *proc), self.files.of(origin, *file));
            to.descriptors.insert((proc, *fd), file);
        }
        for row in from.mounts.values() {
            let mut row = row.as_ref().clone();
            row.container = row.container.map(|id| self.containers.of(origin, id));
            to.mounts.insert((row.ns_mnt, row.id), Arc::new(row));
        }
    }

    /// What the captures tell of what there was, in their order. A process lived where one of them says so.
    pub(crate) fn state(&mut self, all: Vec<Tables>) -> Tables {
        let mut to = Tables::default();
        if self.single {
            all.iter().for_each(|from| self.rows(0, from, &mut to));
            return to;
        }
        let mut alive = HashSet::new();
        for (origin, from) in all.iter().enumerate() {
            self.rows(origin, from, &mut to);
            let living = from.procs.values().filter(|row| !row.past);
            alive.extend(living.map(|row| self.procs.of(origin, row.id)));
        }
        for (id, row) in &mut to.procs {
            let past = !alive.contains(id);
            if row.past != past {
                Arc::make_mut(row).past = past;
            }
        }
        to
    }

    /// Adds a process, its ancestors first: what a row says includes its parent's number.
    fn process(&mut self, origin: usize, id: ProcId, from: &Tables, to: &mut Tables) {
        let mut line = Vec::new();
        let mut next = Some(id);
        // A hostile capture may make its ancestors a circle.
        while let Some(row) = next.and_then(|id| from.procs.get(&id)) {
            if line.iter().any(|other: &&Arc<Process>| other.id == row.id) {
                break;
            }
            line.push(row);
            let known = self.procs.given.get(&(origin, row.id));
            if known.is_some_and(|id| to.procs.contains_key(id)) {
                break;
            }
            next = row.parent;
        }
        for row in line.into_iter().rev() {
            let blank = Process {
                id: ProcId(0),
                // That was so at the instant of one of the captures; what scap tells of a single thread is so at any.
                past: row.past && row.is_told(),
                parent: row.parent.map(|id| self.procs.of(origin, id)),
                container: row.container.map(|id| self.containers.of(origin, id)),
                ..row.as_ref().clone()
            };
            let id = self.procs.of_row(origin, row.id, &blank);
            to.procs.insert(id, Arc::new(Process { id, ..blank }));
        }
    }

    /// An event with the new numbers. Its rows must have been added.
    pub(crate) fn event(&mut self, origin: usize, mut event: Event) -> Event {
        if !self.single {
            event.proc = self.procs.of(origin, event.proc);
            event.file = event.file.map(|id| self.files.of(origin, id));
        }
        event
    }
}
