//! What was known at instants of the window: a file begins with what was known when its past begins.

use afterimage_model::{BootNs, Tables};
use std::collections::VecDeque;
use std::sync::Arc;

/// States closer together than this part of the window are thinned out.
pub(super) const PARTS: u64 = 8;

/// Everything known at some instants, by time.
#[derive(Default)]
pub(super) struct States {
    known: VecDeque<(BootNs, Tables)>,
    nothing: Tables,
}

/// What a file tells anew after its beginning: who there is. What was open was told when it began, and by events since.
pub(super) fn rows(tables: &Tables) -> Tables {
    Tables {
        procs: tables.procs.clone(),
        containers: tables.containers.clone(),
        users: tables.users.clone(),
        groups: tables.groups.clone(),
        ..Tables::default()
    }
}

impl States {
    /// Takes a state in, in a window so long. Keyframes are whole, but for mounts, which are told once. What comes in between
    /// are rows of processes alone, told anew.
    pub(super) fn take(&mut self, at: BootNs, mut tables: Tables, span_ns: u64) {
        let whole = !tables.files.is_empty() || !tables.descriptors.is_empty();
        if !whole && let Some((_, newest)) = self.known.back_mut() {
            for (id, row) in &tables.procs {
                newest.procs.entry(*id).or_insert_with(|| Arc::clone(row));
            }
            for (_, known) in &mut self.known {
                for (id, row) in &tables.procs {
                    let Some(old) = known.procs.get_mut(id) else {
                        continue;
                    };
                    let past = std::mem::replace(old, Arc::clone(row)).past;
                    if old.past != past {
                        Arc::make_mut(old).past = past;
                    }
                }
            }
            return;
        }
        if let Some((_, last)) = self.known.back()
            && tables.mounts.is_empty()
        {
            tables.mounts.clone_from(&last.mounts);
        }
        let before = self.known.len().checked_sub(2);
        if let Some((before, _)) = before.and_then(|before| self.known.get(before))
            && at.0.saturating_sub(before.0) < span_ns / PARTS
        {
            self.known.pop_back();
        }
        self.known.push_back((at, tables));
    }

    /// Forgets what is not needed for a past that begins at this instant, or later.
    pub(super) fn age(&mut self, oldest: BootNs) {
        while self.known.get(1).is_some_and(|(at, _)| *at <= oldest) {
            self.known.pop_front();
        }
    }

    /// What was known last.
    pub(super) fn newest(&self) -> &Tables {
        self.known
            .back()
            .map_or(&self.nothing, |(_, tables)| tables)
    }

    /// The last state that is no later than an instant, else the first one there is: all that happened since is to be told with it.
    pub(super) fn before(&self, from: BootNs) -> Option<(BootNs, &Tables)> {
        let earlier = self.known.iter().rev().find(|(at, _)| *at <= from);
        let (at, tables) = earlier.or(self.known.front())?;
        Some((*at, tables))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_model::{FileId, ProcId, Process};

    const SECOND: u64 = 1_000_000_000;

    fn process(pid: u32, comm: &[u8], past: bool) -> Tables {
        let mut tables = Tables::default();
        let row = Process {
            id: ProcId(pid),
            comm: comm.into(),
            past,
            ..Process::default()
        };
        tables.procs.insert(row.id, Arc::new(row));
        tables
    }

    fn keyframe(pid: u32, past: bool) -> Tables {
        let mut tables = process(pid, b"sh", past);
        tables.descriptors.insert((ProcId(pid), 3), FileId(pid));
        tables
    }

    fn states(seconds: impl IntoIterator<Item = u64>, span: u64) -> States {
        let mut states = States::default();
        for second in seconds {
            let tables = keyframe(second as u32, false);
            states.take(BootNs(second * SECOND), tables, span * SECOND);
        }
        states
    }

    fn seconds(states: &States) -> Vec<u64> {
        states.known.iter().map(|(at, _)| at.0 / SECOND).collect()
    }

    #[test]
    fn a_past_begins_with_the_last_state_before_it() {
        let mut states = states([10, 20, 30, 40], 60);
        let at = |states: &States, from: u64| {
            let (at, tables) = states.before(BootNs(from * SECOND)).expect("a state");
            let of = u64::from(tables.procs.keys().next().expect("its process").0);
            assert_eq!(of, at.0 / SECOND);
            of
        };
        assert_eq!(
            [5, 10, 29, 99].map(|from| at(&states, from)),
            [10, 10, 20, 40]
        );
        states.age(BootNs(29 * SECOND));
        assert_eq!(seconds(&states), [20, 30, 40]);
        states.age(BootNs(99 * SECOND));
        assert_eq!(seconds(&states), [40]);
        assert_eq!(at(&states, 1), 40);
    }

    #[test]
    fn states_of_a_long_window_are_thinned_out() {
        let states = states((0..60).map(|at| at * 10), 600);
        let kept = seconds(&states);
        assert!(kept.len() <= 2 * PARTS as usize + 2, "{kept:?}");
        assert!(
            kept.windows(2).all(|two| two[1] - two[0] < 600 / PARTS),
            "{kept:?}"
        );
        assert_eq!((kept.first(), kept.last()), (Some(&0), Some(&590)));
    }

    #[test]
    fn what_is_told_anew_of_a_process_is_put_where_it_is_and_mounts_stay() {
        let mut states = States::default();
        let mut first = keyframe(1, false);
        first.mounts.insert((7, 1), Arc::default());
        states.take(BootNs(SECOND), first, SECOND);
        states.take(BootNs(2 * SECOND), keyframe(1, true), SECOND);
        states.take(BootNs(2 * SECOND), process(1, b"known", false), SECOND);
        states.take(BootNs(2 * SECOND), process(2, b"new", false), SECOND);
        let told: Vec<(usize, bool, &[u8])> = (states.known.iter())
            .map(|(_, tables)| {
                let row = tables.proc(ProcId(1)).expect("it");
                (tables.procs.len(), row.past, row.comm.as_ref())
            })
            .collect();
        assert_eq!(told, [(1, false, &b"known"[..]), (2, true, b"known")]);
        assert!(
            states
                .known
                .iter()
                .all(|(_, tables)| tables.mounts.len() == 1)
        );
    }
}
