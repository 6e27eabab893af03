//! Processes under their parents. A parent without events of its own in the answer is skipped for the next one up; a
//! process without any stands at the root. Whatever a capture claims about parents, the result is a forest.

use afterimage_model::{Ctx, ProcId};
use std::collections::{HashMap, HashSet};

/// A process: its pid and its start, ns since boot.
type Identity = (u32, u64);

/// Longest line of ancestors that is followed.
const MOST_ANCESTORS: usize = 4096;

/// Who descends from whom, by the place of their groups.
#[derive(Default)]
pub(crate) struct Lineage {
    group_of: HashMap<Identity, usize>,
    ancestors: HashMap<usize, Vec<Identity>>,
    asked: HashSet<(usize, ProcId)>,
}

impl Lineage {
    /// Notes the process of an event that went into `group`.
    pub fn add(&mut self, group: usize, ctx: &Ctx<'_>) {
        let Some(process) = ctx.proc() else { return };
        let own = (process.key.pid, process.key.start_ns);
        self.group_of.entry(own).or_insert(group);
        if self.ancestors.contains_key(&group) || !self.asked.insert((group, process.id)) {
            return;
        }
        let line: Vec<Identity> = ctx
            .tables
            .ancestors(process.id)
            .take(MOST_ANCESTORS)
            .map(|row| (row.key.pid, row.key.start_ns))
            .filter(|identity| *identity != own)
            .collect();
        if !line.is_empty() {
            self.ancestors.insert(group, line);
        }
    }

    /// The groups in the order of a walk through the forest, each with its depth. `order` says which sibling comes first.
    pub fn walk<K: Ord>(&self, groups: usize, order: impl Fn(usize) -> K) -> Vec<(usize, u16)> {
        let mut parents: Vec<Option<usize>> = (0..groups).map(|group| self.parent(group)).collect();
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

    fn parent(&self, group: usize) -> Option<usize> {
        self.ancestors
            .get(&group)?
            .iter()
            .filter_map(|identity| self.group_of.get(identity))
            .copied()
            .find(|parent| *parent != group)
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
