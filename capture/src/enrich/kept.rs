//! What is handed to the file of everything that is known, and what is forgotten when nothing living needs it.

use super::{MOST_BULK, Verdict, Wanted, World, bulk_of};
use afterimage_model::{ContainerId, Event, FileId, ProcId, Tables};
use std::collections::BTreeSet;
use std::sync::Arc;

impl World {
    /// What was there when the recording began: a keyframe with mounts. To be asked once.
    pub fn opening(&mut self) -> Tables {
        let tables = self.keyframe();
        self.tables.mounts.clear();
        tables
    }

    /// Everything as it is now: [`World::kept`] with descriptors, and of the files those that they lead to. Rows that no process
    /// has any more say so.
    pub fn keyframe(&self) -> Tables {
        let mut tables = self.kept();
        let alive = self.live.values().filter(|live| !live.ended);
        let alive: BTreeSet<ProcId> = alive.map(|live| live.row).collect();
        // Of processes that are over, those that others descend from: the rest are in the chunks that name them.
        let named = alive.iter().flat_map(|id| self.tables.ancestors(*id));
        let named: BTreeSet<ProcId> = named.map(|row| row.id).collect();
        tables
            .procs
            .retain(|id, _| alive.contains(id) || named.contains(id));
        for (id, row) in &mut tables.procs {
            if !alive.contains(id) {
                Arc::make_mut(row).past = true;
            }
        }
        for live in self.live.values().filter(|live| !live.ended) {
            if tables.procs.contains_key(&live.row) {
                let open = live.fds.iter();
                let open = open.map(|(fd, file)| ((live.row, fd.unsigned_abs()), file));
                tables.descriptors.extend(open);
            }
        }
        // Of the files that were seen, those that are open: all others are in the chunks that name them.
        let open: BTreeSet<FileId> = tables.descriptors.values().copied().collect();
        tables.files.retain(|id, _| open.contains(id));
        tables
    }

    /// The tables without what is out of scope: its containers and its processes, except ancestors of processes in scope.
    pub fn kept(&self) -> Tables {
        let mut tables = self.tables.clone();
        tables.procs.retain(|_, row| !row.is_nobody());
        let in_scope: Box<dyn Fn(ProcId) -> bool> = match &self.wanted {
            Wanted::All => return tables,
            Wanted::Tree(roots) => Box::new(|id| self.in_tree(roots, id)),
            _ => Box::new(|id| self.in_scope(id) && !self.is_pending(id)),
        };
        let mut processes = BTreeSet::new();
        let mut containers = BTreeSet::new();
        for id in tables.procs.keys().copied().filter(|id| in_scope(*id)) {
            processes.insert(id);
            processes.extend(self.tables.ancestors(id).map(|p| p.id));
            containers.extend(self.tables.proc(id).and_then(|p| p.container));
        }
        if !matches!(self.wanted, Wanted::Tree(_)) {
            // A container may be wanted and have no process yet, or none any more.
            let all = self.tables.containers.keys().copied();
            containers.extend(all.filter(|id| {
                self.wants(Some(*id)) && self.verdicts.get(id) != Some(&Verdict::Pending)
            }));
        }
        let keeps = |container: &Option<ContainerId>| {
            container.is_none_or(|container| containers.contains(&container))
        };
        tables.procs.retain(|id, _| processes.contains(id));
        tables.containers.retain(|id, _| containers.contains(id));
        tables.users.retain(|(container, _), _| keeps(container));
        tables.groups.retain(|(container, _), _| keeps(container));
        tables
    }

    /// Forgets what nothing living needs. To be called when the file holds all that was handed out, but for events of `held`.
    pub fn trim(&mut self, held: &[Event]) {
        let rows = |tables: &Tables| tables.procs.len() + tables.files.len();
        if rows(&self.tables) < MANY_ROWS.max(2 * self.living_rows) && self.bulk < MOST_BULK / 2 {
            return;
        }
        self.live.retain(|_, live| !live.ended);
        let mut keep: BTreeSet<ProcId> = BTreeSet::new();
        for live in self.live.values() {
            for id in live.threads.values().chain([&live.row]) {
                keep.extend(self.tables.ancestors(*id).map(|p| p.id));
                keep.insert(*id);
            }
        }
        for event in held {
            keep.extend(self.tables.ancestors(event.proc).map(|p| p.id));
            keep.insert(event.proc);
        }
        self.tables.procs.retain(|id, _| keep.contains(id));
        self.nobodies.retain(|_, id| keep.contains(id));
        self.bulk = self.tables.procs.values().map(|row| bulk_of(row)).sum();
        let held: BTreeSet<FileId> = self
            .live
            .values()
            .flat_map(|live| live.fds.iter().map(|(_, file)| file))
            .chain(
                self.told
                    .iter()
                    .flatten()
                    .flatten()
                    .filter_map(|told| told.id),
            )
            .chain(held.iter().filter_map(|event| event.file))
            .collect();
        self.objects.trim(&mut self.tables, &held);
        self.living_rows = rows(&self.tables);
    }
}

/// Processes and files up to which nothing is forgotten; later as many as are needed may be needless.
const MANY_ROWS: usize = 8_192;
