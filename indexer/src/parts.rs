//! Parts of an answer while it is being made: what was found so far, handed out now and then.

use std::time::{Duration, Instant};

/// Who is given parts; `None` for nobody.
pub type Taker<'a, T> = Option<&'a mut dyn FnMut(T)>;

/// How long after the beginning, and after the part before, a part is handed out at the earliest.
const EVERY: Duration = Duration::from_millis(200);

/// Events between two looks at the clock.
const GLANCE: u32 = 4096;

/// Hands out parts.
pub(crate) struct Parts<'a, T> {
    taker: Taker<'a, T>,
    events: u32,
    due: Instant,
}

impl<'a, T> Parts<'a, T> {
    pub fn new(taker: Taker<'a, T>) -> Parts<'a, T> {
        Parts {
            taker,
            events: 0,
            due: Instant::now() + EVERY,
        }
    }

    /// Another event was looked at: hands out what `make` gives if it is time. Making parts takes a tenth of the time at most.
    pub fn glance(&mut self, make: impl FnOnce() -> T) {
        let Some(taker) = &mut self.taker else {
            return;
        };
        self.events = self.events.wrapping_add(1);
        if !self.events.is_multiple_of(GLANCE) {
            return;
        }
        let begun = Instant::now();
        if begun < self.due {
            return;
        }
        taker(make());
        self.due = Instant::now() + EVERY.max(begun.elapsed() * 9);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_given_nothing_and_somebody_not_every_event() {
        let mut none: Parts<'_, ()> = Parts::new(None);
        (0..10 * GLANCE).for_each(|_| none.glance(|| panic!("nobody asked")));
        let mut given = 0;
        let mut take = |()| given += 1;
        let mut parts = Parts::new(Some(&mut take));
        parts.due = Instant::now();
        (0..2 * GLANCE).for_each(|_| parts.glance(|| ()));
        assert_eq!(given, 1);
    }
}
