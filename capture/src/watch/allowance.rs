//! What the window may have of the memory of the whole process.

use crate::window::Bounds;
use crate::{host, memory};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The window has one of so many parts of the bound, whatever the rest of the process takes.
const LEAST: usize = 4;

/// How often it is looked at, and for how many looks what the rest of the process took at the most is remembered: batches on
/// their way come and go within moments. While nothing comes one look stands for several.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: usize = 600;
const AT_REST: u32 = 10;

/// One of so many parts of the bound is left alone: what comes between two looks. While it is not known what a busy moment takes, more.
const SPARE: usize = 16;
const SPARE_AT_FIRST: usize = 8;

/// What is left for the window, looked at now and then.
#[derive(Default)]
pub(super) struct Allowance {
    /// Bytes of memory that the process had of its own.
    pub(super) own: usize,
    looked: Option<Instant>,
    /// Events that had been taken in when that was asked last, and whether any came since the last look.
    taken: u64,
    came: bool,
    /// What the rest of the process took, each more than all that came after it, with the number of its look.
    rest: VecDeque<(usize, usize)>,
    looks: usize,
    /// The look at which what was freed last went.
    trimmed: usize,
    /// Whether it was said that the rest takes too much.
    said: bool,
}

/// Bytes that the window may have when the rest of the process takes so many.
fn left(bounds: Bounds, rest: usize) -> usize {
    let left = bounds.memory.saturating_sub(rest);
    left.max(bounds.memory / LEAST).min(bounds.bytes)
}

impl Allowance {
    /// Whether it is to be looked at again, when so many events have been taken in.
    pub(super) fn is_due(&mut self, now: Instant, taken: u64) -> bool {
        let looked = *self.looked.get_or_insert_with(|| now - LOOK);
        let since = now.duration_since(looked);
        let came = std::mem::replace(&mut self.taken, taken) != taken;
        self.came |= came;
        let rested = since >= AT_REST * LOOK;
        let due = rested || since >= LOOK && self.came;
        if due {
            self.looks += if self.came { 0 } else { AT_REST as usize - 1 };
            (self.looked, self.came) = (Some(now), false);
        }
        due
    }

    /// What the rest of the process took at the most of late, this look among them.
    fn peak(&mut self, rest: usize) -> usize {
        self.looks += 1;
        while self.rest.back().is_some_and(|(_, less)| *less <= rest) {
            self.rest.pop_back();
        }
        self.rest.push_back((self.looks, rest));
        while (self.rest.front()).is_some_and(|(look, _)| *look + LOOKS <= self.looks) {
            self.rest.pop_front();
        }
        self.rest.front().map_or(rest, |(_, most)| *most)
    }

    /// Looks at what the process has; bytes that its window may have now, and what is to be said to whoever watches it, once
    /// each time that it comes about.
    pub(super) fn look(&mut self, bounds: Bounds, held: usize) -> (usize, Option<String>) {
        let Some(mut own) = host::own_memory() else {
            return (bounds.bytes.min(bounds.memory), None);
        };
        if own > bounds.memory || self.looks - self.trimmed >= LOOKS {
            // What was freed in between goes first: it is nobody's past. Once a minute it goes in any case: what a flood took would
            // stay in the heaps for good.
            memory::trim();
            self.trimmed = self.looks;
            own = host::own_memory().unwrap_or(own);
        }
        self.own = own;
        let rest = self.peak(own.saturating_sub(held));
        let much = rest > bounds.memory - bounds.memory / LEAST;
        let say = (much && !self.said).then(|| {
            format!(
                "the recorder has {rest} bytes of memory besides the past, and window.memory is {}: the past has {} of them all \
                 the same, so the bound is passed; raise it",
                bounds.memory,
                bounds.memory / LEAST
            )
        });
        self.said = much;
        let spare = match self.looks < LOOKS {
            true => SPARE_AT_FIRST,
            false => SPARE,
        };
        (left(bounds, rest + bounds.memory / spare), say)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn bounds(memory: usize, bytes: usize) -> Bounds {
        Bounds {
            memory: memory * MIB,
            bytes: bytes * MIB,
            ..Bounds::default()
        }
    }

    #[test]
    fn the_window_has_what_the_rest_of_the_process_leaves() {
        let of = |memory, bytes, rest| left(bounds(memory, bytes), rest * MIB) / MIB;
        // Whatever the rest takes is taken from it, down to a quarter.
        assert_eq!(of(256, 256, 40), 216);
        assert_eq!(of(256, 256, 60), 196);
        assert_eq!(of(256, 256, 300), 64);
        assert_eq!(of(32, 32, 59), 8);
        // A bound of its own that is smaller stands.
        assert_eq!(of(256, 16, 60), 16);
        assert_eq!(of(32, 2, 59), 2);
    }

    #[test]
    fn what_the_rest_took_at_the_most_is_remembered_for_a_while() {
        let mut allowance = Allowance::default();
        let peaks = [3, 9, 4, 5, 1].map(|rest| allowance.peak(rest));
        assert_eq!(peaks, [3, 9, 9, 9, 9]);
        let mut later: Vec<usize> = (0..LOOKS).map(|_| allowance.peak(1)).collect();
        assert_eq!(later.pop(), Some(1));
        // The nine goes first, then the five that came after it.
        later.dedup();
        assert_eq!(later, [9, 5, 1]);
        assert!(allowance.rest.len() <= LOOKS);
    }

    #[test]
    fn a_recorder_that_has_too_much_says_so_once() {
        let mut allowance = Allowance::default();
        let small = bounds(1, 1);
        let (bytes, said) = allowance.look(small, 0);
        assert_eq!(bytes, MIB / 4);
        assert!(said.is_some_and(|said| said.contains("window.memory is 1048576")));
        assert!(allowance.own > MIB);
        assert_eq!(allowance.look(small, 0).1, None);
        assert_eq!(allowance.look(bounds(1 << 20, 1), 0), (MIB, None));
        assert!(allowance.look(small, 0).1.is_some());
    }

    #[test]
    fn at_rest_one_look_stands_for_several() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut allowance = Allowance::default();
        assert!(allowance.is_due(at(0), 7), "nothing is known yet");
        assert!(!allowance.is_due(at(50), 8));
        assert!(allowance.is_due(at(100), 8), "something came since");
        assert!(!allowance.is_due(at(250), 8));
        assert_eq!(allowance.looks, 0);
        assert!(allowance.is_due(at(1_100), 8));
        assert_eq!(allowance.looks, 9, "the look itself is counted by it");
        assert!(allowance.is_due(at(1_200), 9));
        assert_eq!(allowance.looks, 9);
    }
}
