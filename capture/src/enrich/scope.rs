//! What is recorded: whether a process, a container or a member of a tree is wanted for all that is known now.

use super::{Verdict, Wanted, World};
use afterimage_model::{ContainerId, Origin, ProcId, Process};
use std::collections::BTreeSet;

impl World {
    /// Adds a process and its descendants to come to [`Wanted::Tree`].
    pub fn root(&mut self, pid: u32) {
        if let Wanted::Tree(roots) = &mut self.wanted {
            roots.insert(pid);
        }
    }

    /// Whether a process's events are wanted.
    pub(super) fn in_scope(&self, id: ProcId) -> bool {
        self.wants(self.tables.proc(id).and_then(|p| p.container))
    }

    /// Whether events of a container are wanted, or those of the host for `None`. Of a tree the kernel hands over nothing else.
    pub(super) fn wants(&self, container: Option<ContainerId>) -> bool {
        match &self.wanted {
            Wanted::All | Wanted::Tree(_) => true,
            Wanted::Containers | Wanted::Group(_) => container.is_some(),
            Wanted::Matching(..) => container
                .and_then(|c| self.verdicts.get(&c))
                .is_some_and(|verdict| *verdict != Verdict::Out),
        }
    }

    /// Whether it is still open if an event's container is wanted.
    pub fn is_pending(&self, proc: ProcId) -> bool {
        matches!(self.wanted, Wanted::Matching(..))
            && self
                .tables
                .proc(proc)
                .and_then(|p| p.container)
                .is_some_and(|c| self.verdicts.get(&c) == Some(&Verdict::Pending))
    }

    /// Whether an event's container is wanted for all that is known now.
    pub fn wants_of(&self, proc: ProcId) -> bool {
        self.in_scope(proc)
    }

    /// Whether a container is recorded for all that is known now.
    pub fn wants_container(&self, full_id: &str) -> bool {
        let container = self.by_full_id.get(full_id).copied();
        container.is_some_and(|id| match self.wanted {
            // Of a tree, those that its processes are in.
            Wanted::Tree(_) => (self.tables.procs.values()).any(|row| {
                row.container == Some(id) && self.wants_of(row.id) && row.origin == Origin::Kernel
            }),
            _ => self.wants(Some(id)) && self.verdicts.get(&id) != Some(&Verdict::Pending),
        })
    }

    /// Whether a process belongs to a tree: it is a root or descends from one, or the kernel told of it.
    pub(super) fn in_tree(&self, roots: &BTreeSet<u32>, id: ProcId) -> bool {
        let is_root = |p: &Process| roots.contains(&p.key.pid);
        let known = self.tables.proc(id);
        known.is_some_and(|p| p.origin == Origin::Kernel || is_root(p))
            || self.tables.ancestors(id).any(is_root)
    }
}
