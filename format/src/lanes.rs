//! What a chunk's writer and reader must do alike: which list a row's time is in, and which files a thread used last.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::layout::{PAIR_LANE, PAIR_TYPES, RANKS, TYPE_LANE};

/// No lane of its own.
const NONE: u16 = u16::MAX;

/// The lists that times are in: how long a thread takes from one call to the next depends most on which two calls they are.
pub(crate) struct Lanes {
    /// The lane of each row.
    pub of_row: Vec<u16>,
    /// Rows of each lane.
    pub counts: Vec<usize>,
}

impl Lanes {
    /// Of rows that are of these types, of `kinds` many, come after rows of those in the same thread, and waited or not.
    pub(crate) fn of(types: &[u16], befores: &[u16], waits: &[bool], kinds: usize) -> Lanes {
        let pair_kinds = if kinds <= PAIR_TYPES { kinds } else { 0 };
        let pair = |ty: u16, before: u16| {
            usize::from(ty)
                .saturating_mul(pair_kinds)
                .saturating_add(usize::from(before))
        };
        let rows = || types.iter().zip(befores).zip(waits);
        let mut pairs = vec![0_u32; pair_kinds.saturating_mul(pair_kinds)];
        let mut left = vec![0_u32; kinds];
        for ((ty, before), waits) in rows() {
            if *waits {
                continue;
            }
            let of_pair = pairs.get_mut(pair(*ty, *before));
            if let Some(count) = of_pair.or(left.get_mut(usize::from(*ty))) {
                *count = count.saturating_add(1);
            }
        }
        let mut lanes = 0_u16;
        let mut next = || {
            let lane = lanes;
            lanes = lanes.saturating_add(1);
            lane
        };
        let mut pair_lanes = vec![NONE; pairs.len()];
        for (at, (count, lane)) in pairs.iter().zip(&mut pair_lanes).enumerate() {
            if *count >= PAIR_LANE {
                *lane = next();
            } else if let Some(left) = left.get_mut(at.checked_div(pair_kinds).unwrap_or(0)) {
                *left = left.saturating_add(*count);
            }
        }
        let mut type_lanes = vec![NONE; kinds];
        for (count, lane) in left.iter().zip(&mut type_lanes) {
            if *count >= TYPE_LANE {
                *lane = next();
            }
        }
        let (rest, waiting) = (next(), next());
        let mut counts = vec![0_usize; usize::from(lanes)];
        let of_row = rows().map(|((ty, before), waits)| {
            let own = || {
                let of_pair = pair_lanes
                    .get(pair(*ty, *before))
                    .filter(|lane| **lane != NONE);
                of_pair
                    .or_else(|| {
                        type_lanes
                            .get(usize::from(*ty))
                            .filter(|lane| **lane != NONE)
                    })
                    .copied()
            };
            let lane = if *waits {
                waiting
            } else {
                own().unwrap_or(rest)
            };
            if let Some(count) = counts.get_mut(usize::from(lane)) {
                *count = count.saturating_add(1);
            }
            lane
        });
        let of_row = of_row.collect();
        Lanes { of_row, counts }
    }
}

/// The files a thread used last, newest first.
pub(crate) struct Recent {
    files: [u32; RANKS],
    len: usize,
}

/// Stands for a file that is not among them.
pub(crate) const MISS: usize = RANKS + 1;

impl Recent {
    pub(crate) fn new() -> Recent {
        Recent {
            files: [0; RANKS],
            len: 0,
        }
    }

    /// A thread begins.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// 1 + the rank of a file, or [`MISS`]; it is the newest from here on.
    pub(crate) fn code_of(&mut self, file: u32) -> usize {
        let known = self.files.get(..self.len).unwrap_or_default();
        match known.iter().position(|other| *other == file) {
            Some(rank) => {
                self.bring_to_front(rank, file);
                rank.saturating_add(1)
            }
            None => {
                self.put(file);
                MISS
            }
        }
    }

    /// The file of a code, which becomes the newest.
    pub(crate) fn file_of(&mut self, code: usize) -> Option<u32> {
        let rank = code.checked_sub(1).filter(|rank| *rank < self.len)?;
        let file = *self.files.get(rank)?;
        self.bring_to_front(rank, file);
        Some(file)
    }

    /// A file that was not among them.
    pub(crate) fn put(&mut self, file: u32) {
        self.len = self.len.saturating_add(1).min(RANKS);
        self.bring_to_front(self.len.saturating_sub(1), file);
    }

    fn bring_to_front(&mut self, rank: usize, file: u32) {
        if let Some(moved) = self.files.get_mut(..=rank) {
            moved.copy_within(..rank, 1);
            if let Some(first) = moved.first_mut() {
                *first = file;
            }
        }
    }
}

/// Bits of a row number where it shares a word with its time; a chunk has no more rows than that.
const ROW_BITS: u32 = 18;
/// Bits sorted by at once.
const DIGIT: u32 = 11;

/// The rows in the order of their instants, those of one instant by number: `times` less the earliest, by row.
pub(crate) fn by_time(times: &[u64]) -> Vec<u32> {
    if times.is_sorted() {
        return (0_u32..).zip(times).map(|row| row.0).collect();
    }
    let all = times.iter().fold(0, |all, time| all | time);
    let bits = 64_u32.saturating_sub(all.leading_zeros());
    if bits.saturating_add(ROW_BITS) <= 64 && times.len() <= 1 << ROW_BITS {
        let rows = times.iter().zip(0_u64..);
        let rows = rows.map(|(time, row)| time << ROW_BITS | row).collect();
        let sorted = by_digits(rows, bits, |row| row >> ROW_BITS);
        let number = |row: u64| (row & ((1 << ROW_BITS) - 1)) as u32;
        return sorted.into_iter().map(number).collect();
    }
    let rows = times.iter().copied().zip(0_u32..).collect();
    let sorted = by_digits(rows, bits, |row: (u64, u32)| row.0);
    sorted.into_iter().map(|row| row.1).collect()
}

/// Sorts by a number of at most `bits` bits; what has the same one stays in its order.
fn by_digits<T: Copy + Default>(mut rows: Vec<T>, bits: u32, number: impl Fn(T) -> u64) -> Vec<T> {
    let mut other = vec![T::default(); rows.len()];
    for shift in (0..bits).step_by(DIGIT as usize) {
        let digit = |row: T| (number(row) >> shift & ((1 << DIGIT) - 1)) as usize;
        let mut starts = [0_usize; 1 << DIGIT];
        for row in &rows {
            if let Some(count) = starts.get_mut(digit(*row)) {
                *count = count.saturating_add(1);
            }
        }
        let mut from = 0_usize;
        for start in &mut starts {
            let count = *start;
            *start = from;
            from = from.saturating_add(count);
        }
        for row in &rows {
            if let Some(start) = starts.get_mut(digit(*row)) {
                if let Some(to) = other.get_mut(*start) {
                    *to = *row;
                }
                *start = start.saturating_add(1);
            }
        }
        std::mem::swap(&mut rows, &mut other);
    }
    rows
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn rows_sort_by_time_and_then_by_number() {
        let mut state = 7_u64;
        for mask in [0xf, 0xffff, 0xfff_ffff, u64::MAX] {
            let times: Vec<u64> = (0..3_000)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state ^ state >> 33) & mask
                })
                .collect();
            let mut expected: Vec<u32> = (0..3_000).collect();
            expected.sort_by_key(|row| (times[*row as usize], *row));
            assert_eq!(by_time(&times), expected);
        }
        assert_eq!(by_time(&[]), [] as [u32; 0]);
    }

    #[test]
    fn a_file_used_again_is_told_by_how_many_were_used_since() {
        let (mut told, mut heard) = (Recent::new(), Recent::new());
        let files: Vec<u32> = (0..500_u32)
            .map(|at| at * at % 97 % (at % 80 + 1))
            .collect();
        for file in files {
            let code = told.code_of(file);
            let found = if code == MISS {
                heard.put(file);
                Some(file)
            } else {
                heard.file_of(code)
            };
            assert_eq!(found, Some(file));
        }
        assert_eq!(heard.file_of(MISS), None);
    }

    #[test]
    fn rows_that_follow_each_other_often_have_a_list_of_their_own() {
        let types: Vec<u16> = (0..6_000).map(|at| u16::from(at % 2 == 0)).collect();
        let mut befores = types.clone();
        befores.rotate_right(1);
        let waits: Vec<bool> = (0..6_000).map(|at| at % 10 == 0).collect();
        let lanes = Lanes::of(&types, &befores, &waits, 3);
        assert_eq!(lanes.counts, [3_000, 2_400, 0, 600]);
        assert_eq!(&lanes.of_row[..3], [3, 0, 1]);
        let many = Lanes::of(&types, &befores, &waits, PAIR_TYPES + 1);
        assert_eq!(many.counts, [3_000, 2_400, 0, 600]);
    }
}
