//! How often something was met, and by whom, while events are gone through.

use smallvec::SmallVec;

/// How many events there are, the first and the last instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    count: u64,
    first: u64,
    last: u64,
}

impl Times {
    pub fn once(at: u64) -> Times {
        Times {
            count: 1,
            first: at,
            last: at,
        }
    }

    /// So many events, the first and the last.
    pub fn of(count: u64, first: u64, last: u64) -> Times {
        Times { count, first, last }
    }

    /// How many, the first and the last.
    pub fn parts(&self) -> (u64, u64, u64) {
        (self.count, self.first, self.last)
    }

    pub fn add(&mut self, at: u64) {
        self.count += 1;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }

    /// Adds others.
    pub fn add_all(&mut self, other: &Times) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// A thing's tally while events are gone through.
pub(super) struct Count {
    pub count: u64,
    pub first: u64,
    pub last: u64,
    /// Who had to do with it; the last is who was met last.
    pub by: SmallVec<[(u32, u64); 2]>,
}

impl Count {
    pub fn add_all(&mut self, times: &Times, actor: u32) {
        self.count += times.count;
        self.first = self.first.min(times.first);
        self.last = self.last.max(times.last);
        if let Some((have, n)) = self.by.last_mut()
            && *have == actor
        {
            *n += times.count;
            return;
        }
        match self.by.iter().position(|(have, _)| *have == actor) {
            Some(place) => {
                if let Some((_, n)) = self.by.get_mut(place) {
                    *n += times.count;
                }
                let last = self.by.len() - 1;
                self.by.swap(place, last);
            }
            None => self.by.push((actor, times.count)),
        }
    }
}
