//! Which threads what is known of a thread comes from: its parent, the others of its process, the first of its session.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use hashbrown::{HashMap, HashSet};

/// Ties that are kept at the most.
const MOST: usize = 1 << 20;

/// Ties between threads, whenever they were.
#[derive(Default)]
pub struct Ties {
    /// What is known of the second comes to the first: `true` when texts do.
    ties: HashSet<(i64, i64, bool)>,
    /// Main threads of several.
    leaders: HashSet<i64>,
    /// Threads that began or ended, so that another may take the place.
    changed: HashSet<i64>,
    /// Threads of the lists.
    listed: HashSet<i64>,
    /// Threads that are followed in any case.
    followed: HashSet<i64>,
    /// There were too many.
    full: bool,
    /// The last ones: most come in a row.
    last: [(i64, i64, bool); 2],
}

impl Ties {
    fn tie(&mut self, to: i64, from: i64, texts: bool) {
        let tie = (to, from, texts);
        if to == from || self.last.contains(&tie) {
            return;
        }
        self.last = [tie, self.last[0]];
        self.full |= self.ties.len() >= MOST;
        if !self.full {
            self.ties.insert(tie);
        }
    }

    /// A thread is the child of another, or in its session.
    pub fn child(&mut self, parent: i64, child: i64) {
        self.tie(child, parent, true);
    }

    /// Two threads are of the same process.
    pub fn same(&mut self, one: i64, other: i64) {
        self.tie(one, other, true);
        self.tie(other, one, true);
    }

    /// An event of a thread names another, and is shown with that one's name.
    pub fn needs(&mut self, thread: i64, named: i64) {
        self.tie(thread, named, false);
    }

    /// A thread is the main one of several.
    pub fn leads(&mut self, thread: i64) {
        self.note(|ties| &mut ties.leaders, thread);
    }

    /// A thread begins or ends.
    pub fn changes(&mut self, thread: i64) {
        self.note(|ties| &mut ties.changed, thread);
    }

    /// A thread is in a list.
    pub fn listed(&mut self, thread: i64) {
        self.note(|ties| &mut ties.listed, thread);
    }

    /// A thread changes what is known of others.
    pub fn follow(&mut self, thread: i64) {
        self.note(|ties| &mut ties.followed, thread);
    }

    fn note(&mut self, set: fn(&mut Ties) -> &mut HashSet<i64>, thread: i64) {
        let full = set(self).len() >= MOST;
        self.full |= full;
        if !full {
            set(self).insert(thread);
        }
    }

    /// All threads to which texts of some come; `None` when there were too many ties.
    pub fn below(&self, threads: Vec<i64>) -> Option<HashSet<i64>> {
        let down = self.ties.iter().filter(|tie| tie.2);
        (!self.full).then(|| reached(threads, down.map(|(to, from, _)| (*from, *to))))
    }

    /// All threads that have to be followed to know everything of some; `None` when there were too many ties, or when with those
    /// that are `known` for having events there may be more threads than `most`.
    pub fn around(
        &self,
        mut threads: Vec<i64>,
        known: impl Iterator<Item = i64>,
        most: usize,
    ) -> Option<HashSet<i64>> {
        let mut all: HashSet<i64> = known.collect();
        all.extend(self.ties.iter().flat_map(|(to, from, _)| [*to, *from]));
        all.extend(self.changed.iter().chain(&self.listed));
        all.extend(self.leaders.iter().chain(&self.followed));
        if self.full || all.len() >= most {
            return None;
        }
        threads.extend(&self.followed);
        let up = || self.ties.iter().map(|(to, from, _)| (*to, *from));
        let mut found = reached(threads, up());
        // When one of several threads goes whose place another takes, all processes count their threads anew.
        if found.iter().any(|thread| self.leaders.contains(thread)) {
            let stays = |id: &i64| self.listed.contains(id) && !self.changed.contains(id);
            let risky = self.leaders.iter().copied().filter(|id| !stays(id));
            let more = found.iter().copied().chain(risky).collect();
            found = reached(more, up());
        }
        Some(found)
    }
}

/// What is reached from some threads by ties that lead from the first to the second.
fn reached(mut threads: Vec<i64>, ties: impl Iterator<Item = (i64, i64)>) -> HashSet<i64> {
    let mut ways: HashMap<i64, Vec<i64>> = HashMap::new();
    ties.for_each(|(from, to)| ways.entry(from).or_default().push(to));
    let mut found = HashSet::new();
    while let Some(thread) = threads.pop() {
        if found.insert(thread) {
            threads.extend(ways.get(&thread).into_iter().flatten());
        }
    }
    found
}
