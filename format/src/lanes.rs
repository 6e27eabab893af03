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
