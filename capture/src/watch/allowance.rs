//! What the window may have of the memory of the whole process.

use crate::window::Bounds;
use crate::{host, memory};

/// The window has one of so many parts of the bound, whatever the rest of the process takes.
const LEAST: usize = 4;

/// What is left for the window, looked at now and then.
#[derive(Default)]
pub(super) struct Allowance {
    /// Bytes of memory that the process had of its own.
    pub(super) own: usize,
    /// Whether it was said that the rest takes too much.
    said: bool,
}

/// Bytes that the window may have when the process has `own` of its own and `held` of them are the window's.
fn left(bounds: Bounds, own: usize, held: usize) -> usize {
    let rest = own.saturating_sub(held);
    let left = bounds.memory.saturating_sub(rest);
    left.max(bounds.memory / LEAST).min(bounds.bytes)
}

impl Allowance {
    /// Looks at what the process has; bytes that its window may have now, and what is to be said to whoever watches it, once
    /// each time that it comes about.
    pub(super) fn look(&mut self, bounds: Bounds, held: usize) -> (usize, Option<String>) {
        let Some(mut own) = host::own_memory() else {
            return (bounds.bytes.min(bounds.memory), None);
        };
        if own > bounds.memory {
            // What was freed in between goes first: it is nobody's past.
            memory::trim();
            own = host::own_memory().unwrap_or(own);
        }
        self.own = own;
        let rest = own.saturating_sub(held);
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
        (left(bounds, own, held), say)
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
        let of =
            |memory, bytes, own, held| left(bounds(memory, bytes), own * MIB, held * MIB) / MIB;
        // At first it may have all but what the process began with, later the same, be it full or not.
        assert_eq!(of(256, 256, 40, 0), 216);
        assert_eq!(of(256, 256, 256, 216), 216);
        // Whatever the rest takes is taken from it, down to a quarter.
        assert_eq!(of(256, 256, 276, 216), 196);
        assert_eq!(of(256, 256, 400, 100), 64);
        assert_eq!(of(32, 32, 60, 1), 8);
        // A bound of its own that is smaller stands.
        assert_eq!(of(256, 16, 70, 10), 16);
        assert_eq!(of(32, 2, 60, 1), 2);
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
}
