//! Rows dealt out to kinds: first all rows of the first kind in their order, then those of the next, as a counting sort does it.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

/// Parts of the rows that are gone through at once. Rows of one kind stand together often, and each waits for the counter that the
/// one before it has moved; those of the other parts need not.
const STRANDS: usize = 4;

/// A counter for each part.
type Counters = [u32; STRANDS];

/// Where rows go that are dealt out by kind.
pub(crate) struct Deal {
    next: Vec<Counters>,
    /// Rows up to the end of each kind.
    pub ends: Vec<usize>,
}

impl Deal {
    /// Of rows of these kinds, of which there are so many; rows of others are left out.
    pub(crate) fn of<K: Kind>(rows: &[K], kinds: usize) -> Deal {
        let mut next = tally(rows, kinds);
        let (mut sum, mut ends) = (0_u32, Vec::with_capacity(kinds));
        for counters in &mut next {
            for counter in counters {
                let count = std::mem::replace(counter, sum);
                sum = sum.wrapping_add(count);
            }
            ends.push(sum as usize);
        }
        Deal { next, ends }
    }

    /// Says of each row at which place it is among all; the rows are those it was made of.
    pub(crate) fn each<K: Kind>(mut self, rows: &[K], mut put: impl FnMut(usize, usize)) {
        walk(rows, &mut self.next, |row, counter| {
            put(row, *counter as usize);
            *counter = counter.wrapping_add(1);
        });
    }
}

/// How many rows are of each kind.
pub(crate) fn counts<K: Kind>(rows: &[K], kinds: usize) -> Vec<u32> {
    let sum = |counters: &Counters| counters.iter().fold(0_u32, |sum, n| sum.wrapping_add(*n));
    tally(rows, kinds).iter().map(sum).collect()
}

/// How many rows of each part are of each kind.
fn tally<K: Kind>(rows: &[K], kinds: usize) -> Vec<Counters> {
    let mut counters = vec![Counters::default(); kinds];
    walk(rows, &mut counters, |_, counter| {
        *counter = counter.wrapping_add(1);
    });
    counters
}

/// The number of a kind.
pub(crate) trait Kind: Copy {
    fn number(self) -> usize;
}

impl Kind for u16 {
    fn number(self) -> usize {
        usize::from(self)
    }
}

impl Kind for u32 {
    fn number(self) -> usize {
        self as usize
    }
}

/// Goes through the parts of the rows side by side.
fn walk<K: Kind>(rows: &[K], counters: &mut [Counters], mut visit: impl FnMut(usize, &mut u32)) {
    let part = rows.len() / STRANDS;
    let starts = [0, part, part.saturating_mul(2), part.saturating_mul(3)];
    let [a, b, c, d] = starts.map(|start| rows.get(start..).unwrap_or_default());
    let together = a.iter().zip(b).zip(c).zip(d).take(part);
    for (at, (((a, b), c), d)) in together.enumerate() {
        if let Some([counter, ..]) = counters.get_mut(a.number()) {
            visit(at, counter);
        }
        if let Some([_, counter, ..]) = counters.get_mut(b.number()) {
            visit(at.wrapping_add(part), counter);
        }
        if let Some([_, _, counter, _]) = counters.get_mut(c.number()) {
            visit(at.wrapping_add(part.wrapping_mul(2)), counter);
        }
        if let Some([.., counter]) = counters.get_mut(d.number()) {
            visit(at.wrapping_add(part.wrapping_mul(3)), counter);
        }
    }
    // What is left over belongs to the last part.
    let done = part.saturating_mul(STRANDS);
    for (at, kind) in rows.iter().enumerate().skip(done) {
        if let Some([.., counter]) = counters.get_mut(kind.number()) {
            visit(at, counter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_kind_stand_together_and_keep_their_order() {
        for count in [0_usize, 1, 2, 3, 4, 5, 7, 8, 1_001] {
            let rows: Vec<u16> = (0..count).map(|at| (at * at % 13 % 5) as u16).collect();
            let deal = Deal::of(&rows, 5);
            assert_eq!(deal.ends.last(), Some(&count));
            let mut sum = 0;
            for (end, count) in deal.ends.iter().zip(counts(&rows, 5)) {
                sum += count as usize;
                assert_eq!(*end, sum);
            }
            let mut dealt = vec![None; count];
            deal.each(&rows, |row, place| {
                let before = dealt.get_mut(place).map(|slot| slot.replace(row));
                assert_eq!(before, Some(None), "{place}");
            });
            let mut expected: Vec<usize> = (0..count).collect();
            expected.sort_by_key(|row| rows.get(*row));
            assert_eq!(dealt, expected.into_iter().map(Some).collect::<Vec<_>>());
        }
    }

    #[test]
    fn rows_of_no_kind_are_left_out() {
        let rows = [3_u32, 0, 9, 1, 0, 4];
        let deal = Deal::of(&rows, 2);
        assert_eq!(deal.ends, [2, 3]);
        let mut dealt = Vec::new();
        deal.each(&rows, |row, place| dealt.push((place, row)));
        dealt.sort_unstable();
        assert_eq!(dealt, [(0, 1), (1, 4), (2, 3)]);
    }
}
