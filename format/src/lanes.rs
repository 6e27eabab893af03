//! What a chunk's writer and reader must do alike: which list a row's time is in, and which files a thread used last.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::deal;
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
        // Of what kind of row each is: of which pair, or where there are too many types of which type, or one that waited.
        let by_pair = kinds <= PAIR_TYPES;
        let width = if by_pair { kinds } else { 1 };
        let waited = kinds.saturating_mul(width);
        let (of_type, of_before) = (width as u32, u32::from(by_pair));
        let slot = |((ty, before), waits): ((&u16, &u16), &bool)| {
            let of_type = u32::from(*ty).wrapping_mul(of_type);
            let own = of_type.wrapping_add(u32::from(*before).wrapping_mul(of_before));
            // Chosen without a branch, which would be foretold badly.
            let waits = u32::from(*waits).wrapping_neg();
            own & !waits | waited as u32 & waits
        };
        let rows = types.iter().zip(befores).zip(waits);
        let slots: Vec<u32> = rows.map(slot).collect();
        let counts = deal::counts(&slots, waited.saturating_add(1));
        let mut lanes = 0_u16;
        let mut sums: Vec<usize> = Vec::new();
        let mut next = |sums: &mut Vec<usize>, count: usize| {
            let lane = lanes;
            lanes = lanes.saturating_add(1);
            sums.push(count);
            lane
        };
        // The lane of each of these kinds of rows, first those of many rows; then what is left of each type.
        let mut lane_of = vec![NONE; counts.len()];
        let own = counts.iter().zip(&mut lane_of).take(waited);
        for (count, lane) in own.filter(|(count, _)| by_pair && **count >= PAIR_LANE) {
            *lane = next(&mut sums, *count as usize);
        }
        let mut rest = 0_usize;
        let of_types = counts
            .chunks(width.max(1))
            .zip(lane_of.chunks_mut(width.max(1)));
        let mut left_over: Vec<&mut u16> = Vec::new();
        for (counts, lanes) in of_types.take(kinds) {
            let left = counts.iter().zip(lanes).filter(|(_, lane)| **lane == NONE);
            let left: Vec<(&u32, &mut u16)> = left.collect();
            let sum = left
                .iter()
                .fold(0_u32, |sum, (count, _)| sum.saturating_add(**count));
            if sum < TYPE_LANE {
                rest = rest.saturating_add(sum as usize);
                left_over.extend(left.into_iter().map(|(_, lane)| lane));
                continue;
            }
            let own = next(&mut sums, sum as usize);
            left.into_iter().for_each(|(_, lane)| *lane = own);
        }
        let others = next(&mut sums, rest);
        left_over.into_iter().for_each(|lane| *lane = others);
        let waiting = counts.last().map_or(0, |count| *count as usize);
        let waiting = next(&mut sums, waiting);
        if let Some(lane) = lane_of.last_mut() {
            *lane = waiting;
        }
        let lane = |slot: &u32| lane_of.get(*slot as usize).copied().unwrap_or(others);
        Lanes {
            of_row: slots.iter().map(lane).collect(),
            counts: sums,
        }
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

    /// The file that was used last.
    pub(crate) fn newest(&self) -> Option<u32> {
        self.files.first().copied().filter(|_| self.len > 0)
    }

    /// A file that was not among them.
    pub(crate) fn put(&mut self, file: u32) {
        self.len = self.len.saturating_add(1).min(RANKS);
        self.bring_to_front(self.len.saturating_sub(1), file);
    }

    fn bring_to_front(&mut self, rank: usize, file: u32) {
        // Ranks are small: moved one by one they are there before a copy would have begun.
        let mut before = file;
        for place in self.files.iter_mut().take(rank.saturating_add(1)) {
            before = std::mem::replace(place, before);
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    use super::*;

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
