//! What was there before the events: the lists in front of them, of each section, as the state a capture of ours opens with.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::rows::Rows;
use super::state::State;
use afterimage_model::{ProcId, Tables};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// Whether lists were read of which nothing was told yet.
#[derive(Default)]
pub struct Opening {
    /// A section began.
    begun: bool,
    /// Entries of its lists since it was told last.
    listed: u64,
    /// What was there was told, of this section or of one before.
    was_told: bool,
    /// Who did nothing in the section before.
    silent: Option<Tables>,
}

impl Opening {
    /// A section begins: what its lists say is all there is.
    pub fn section(&mut self) {
        self.begun = true;
    }

    /// So many entries of lists were read.
    pub fn listed(&mut self, entries: u64) {
        self.listed = self.listed.saturating_add(entries);
    }

    /// Whether it is time to tell what was there, of so many threads. Lists that come late, of which damage has taken the front,
    /// are told of when they are worth it: all that is known is told each time.
    pub fn is_due(&self, threads: usize) -> bool {
        self.begun || self.listed > 0 && self.listed >= threads as u64 / 4
    }

    /// A section is over in which these did nothing.
    pub fn section_ended(&mut self, silent: Tables) {
        self.silent = (!silent.procs.is_empty()).then_some(silent);
    }

    /// Whether anything was told.
    pub fn was_told(&self) -> bool {
        self.was_told
    }

    /// It is told, behind those who did nothing in the section before.
    pub fn told(&mut self) -> Option<Tables> {
        (self.begun, self.listed, self.was_told) = (false, 0, true);
        self.silent.take()
    }
}

impl Rows {
    /// Everything that is there as the lists say, for a block of state.
    pub fn opening(&mut self, state: &mut State) -> Tables {
        state.settle();
        let mut tids: Vec<i64> = state.threads.keys().copied().collect();
        tids.sort_unstable();
        let mut tables = Tables::default();
        // Whether a process has a row that is not of a single thread.
        let mut rows: HashMap<i64, Option<ProcId>> = HashMap::new();
        // Of a process that is over threads may be left.
        let mut over: HashSet<ProcId> = HashSet::new();
        for tid in tids {
            let id = self.process(state, tid);
            let Some(thread) = state.threads.get(&tid) else {
                continue;
            };
            let pid = thread.pid;
            if state.threads.get(&pid).is_some_and(|main| main.ended) {
                over.insert(id);
            }
            let main = rows.entry(pid).or_default();
            if thread.is_main() {
                *main = Some(id);
            }
            let mut numbers: Vec<i64> = thread.fds.keys().copied().collect();
            numbers.sort_unstable();
            tables
                .procs
                .extend(self.tables.procs.get(&id).map(|row| (id, row.clone())));
            for number in numbers {
                let file = self.file(state, (tid, number), tid);
                if let (Some(file), Ok(number)) = (file, u32::try_from(number)) {
                    tables.descriptors.insert((id, number), file);
                    let row = self.tables.files.get(&file);
                    tables.files.extend(row.map(|row| (file, row.clone())));
                }
            }
        }
        // What is told of a process is told by the row of its first thread, or of any where the list has not got that one.
        for (id, row) in &mut tables.procs {
            let pid = i64::from(row.key.pid as i32);
            let main = rows.entry(pid).or_default();
            if *main.get_or_insert(*id) != *id || over.contains(id) {
                Arc::make_mut(row).past = true;
            }
        }
        let descriptors = &mut tables.descriptors;
        descriptors.retain(|(proc, _), _| !over.contains(proc));
        self.names(&mut tables);
        tables
    }

    /// Containers and accounts, which rows of processes go by.
    fn names(&self, tables: &mut Tables) {
        tables.containers.clone_from(&self.tables.containers);
        tables.users.clone_from(&self.tables.users);
        tables.groups.clone_from(&self.tables.groups);
    }

    /// What no event tells at the end: processes that came into being and did nothing, and the names of what there is.
    pub fn silent(&mut self, state: &mut State) -> Tables {
        let began = |thread: &super::threads::Thread| {
            thread.row.is_none() && thread.clone_ts != 0 && thread.is_main() && !thread.is_unknown()
        };
        let mut silent: Vec<i64> = (state.threads.values())
            .filter(|thread| began(thread))
            .map(|thread| thread.tid)
            .collect();
        silent.sort_unstable();
        let mut tables = Tables::default();
        for tid in silent {
            let mut next = Some(self.process(state, tid));
            // With all above it, as far as they are not there already.
            while let Some(id) = next.filter(|id| !tables.procs.contains_key(id)) {
                let Some(row) = self.tables.procs.get(&id) else {
                    break;
                };
                tables.procs.insert(id, row.clone());
                next = row.parent;
            }
        }
        self.names(&mut tables);
        tables
    }
}
