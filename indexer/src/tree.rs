//! Processes under their parents. A parent without events of its own in the answer is skipped for the next one up; a
//! process without any stands at the root. Whatever a capture claims about parents, the result is a forest.

use afterimage_model::{Ctx, ProcId, Process};
use std::collections::{HashMap, HashSet};

/// A process: its pid and its start, ns since boot.
type Identity = (u32, u64);

fn identity(process: &Process) -> Identity {
    (process.key.pid, process.key.start_ns)
}

/// Who descends from whom. Every process row is climbed from once, so the work is linear in the rows, however long their
/// lines are.
#[derive(Default)]
pub(crate) struct Lineage {
    group_of: HashMap<Identity, usize>,
    identity_of: HashMap<usize, Identity>,
    parent_of: HashMap<Identity, Identity>,
    climbed: HashSet<ProcId>,
}

impl Lineage {
    /// Notes the process of an event that went into `group`, and its ancestors.
    pub fn add(&mut self, group: usize, ctx: &Ctx<'_>) {
        let Some(mut process) = ctx.proc() else {
            return;
        };
        self.group_of.entry(identity(process)).or_insert(group);
        self.identity_of.entry(group).or_insert(identity(process));
        while self.climbed.insert(process.id) {
            let Some(parent) = process.parent.and_then(|id| ctx.tables.proc(id)) else {
                return;
            };
            // An earlier row of the same process is not its parent.
            if identity(parent) != identity(process) {
                let known = self.parent_of.entry(identity(process));
                known.or_insert(identity(parent));
            }
            process = parent;
        }
    }

    /// The groups in the order of a walk through the forest, each with its depth. `order` says which sibling comes first.
    pub fn walk<K: Ord>(&self, groups: usize, order: impl Fn(usize) -> K) -> Vec<(usize, u16)> {
        let mut nearest = HashMap::new();
        let mut parents: Vec<Option<usize>> = (0..groups)
            .map(|group| self.parent(group, &mut nearest))
            .collect();
        break_circles(&mut parents);
        let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
        for (group, parent) in parents.iter().enumerate() {
            children.entry(*parent).or_default().push(group);
        }
        for siblings in children.values_mut() {
            siblings.sort_by_key(|group| std::cmp::Reverse(order(*group)));
        }
        let mut walk = Vec::with_capacity(groups);
        let mut waiting: Vec<(usize, u16)> = children
            .remove(&None)
            .unwrap_or_default()
            .into_iter()
            .map(|group| (group, 0))
            .collect();
        while let Some((group, depth)) = waiting.pop() {
            walk.push((group, depth));
            if let Some(below) = children.remove(&Some(group)) {
                waiting.extend(
                    below
                        .into_iter()
                        .map(|child| (child, depth.saturating_add(1))),
                );
            }
        }
        walk
    }

    /// The group of the nearest ancestor that has one. `nearest` keeps what is found for every ancestor on the way.
    fn parent(
        &self,
        group: usize,
        nearest: &mut HashMap<Identity, Option<usize>>,
    ) -> Option<usize> {
        let mut at = *self.parent_of.get(self.identity_of.get(&group)?)?;
        let mut passed = Vec::new();
        let found = loop {
            if let Some(found) = self.group_of.get(&at) {
                break Some(*found);
            }
            // Found before, or just passed: then it is a circle, and nobody is there.
            if let Some(found) = nearest.get(&at) {
                break *found;
            }
            nearest.insert(at, None);
            passed.push(at);
            match self.parent_of.get(&at) {
                Some(above) => at = *above,
                None => break None,
            }
        };
        nearest.extend(passed.into_iter().map(|identity| (identity, found)));
        found.filter(|parent| *parent != group)
    }
}

/// Makes one member of every circle a root.
fn break_circles(parents: &mut [Option<usize>]) {
    // For each group the walk that reached it first; a walk that meets itself has found a circle.
    let mut reached = vec![usize::MAX; parents.len()];
    for start in 0..parents.len() {
        let mut at = start;
        while let Some(mark) = reached.get_mut(at) {
            if *mark == start {
                if let Some(parent) = parents.get_mut(at) {
                    *parent = None;
                }
                break;
            }
            if *mark != usize::MAX {
                break;
            }
            *mark = start;
            match parents.get(at) {
                Some(Some(up)) => at = *up,
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_circle_of_two_becomes_a_root_and_its_child() {
        let mut parents = vec![Some(1), Some(0), Some(0)];
        break_circles(&mut parents);
        assert_eq!(parents, vec![None, Some(0), Some(0)]);
    }

    proptest! {
        #[test]
        fn every_walk_up_ends(parents in proptest::collection::vec(proptest::option::of(0usize..12), 12)) {
            let mut cut = parents.clone();
            break_circles(&mut cut);
            for start in 0..cut.len() {
                let mut at = start;
                let mut steps = 0;
                while let Some(up) = cut[at] {
                    at = up;
                    steps += 1;
                    prop_assert!(steps <= cut.len());
                }
            }
            let lost = parents.iter().zip(&cut).filter(|(before, after)| before != after).count();
            prop_assert!(lost <= cut.iter().filter(|parent| parent.is_none()).count());
        }
    }
}
