//! Parts of an answer while it is being made: what was found so far, handed out now and then.

use std::time::{Duration, Instant};

/// Who is given parts; `None` for nobody.
pub type Taker<'a, T> = Option<&'a mut dyn FnMut(T)>;

/// How long after the beginning, and after the part before, a part is handed out at the earliest.
const EVERY: Duration = Duration::from_millis(200);

/// How long after the beginning the first part of an answer is handed out that comes chunk by chunk.
const SOON: Duration = Duration::from_millis(5);

/// How long after the beginning somebody who was given nothing wants to know that there is nothing yet.
const NOTICED: Duration = Duration::from_millis(50);

/// Events between two looks at the clock.
const GLANCE: u32 = 4096;

/// Hands out parts.
pub(crate) struct Parts<'a, T> {
    taker: Taker<'a, T>,
    events: u32,
    begun: Instant,
    due: Instant,
}

impl<'a, T> Parts<'a, T> {
    pub fn new(taker: Taker<'a, T>) -> Parts<'a, T> {
        Parts {
            taker,
            events: 0,
            begun: Instant::now(),
            due: Instant::now() + EVERY,
        }
    }

    /// Of an answer that comes chunk by chunk.
    pub fn of_chunks(taker: Taker<'a, T>) -> Parts<'a, T> {
        Parts {
            due: Instant::now() + SOON,
            ..Parts::new(taker)
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
        Parts::hand_out(&mut self.due, taker, make);
    }

    /// As [`Parts::glance`], when a whole chunk was looked at.
    pub fn glance_at_chunk(&mut self, make: impl FnOnce() -> T) {
        if let Some(taker) = &mut self.taker {
            Parts::hand_out(&mut self.due, taker, make);
        }
    }

    /// Whether anybody is given any.
    pub fn are_wanted(&self) -> bool {
        self.taker.is_some()
    }

    /// Whether nobody would notice yet that there is nothing.
    pub fn may_wait(&self) -> bool {
        self.begun.elapsed() < NOTICED
    }

    /// Hands out what `make` gives at once.
    pub fn now(&mut self, make: impl FnOnce() -> T) {
        self.due = Instant::now();
        self.glance_at_chunk(make);
    }

    fn hand_out(due: &mut Instant, taker: &mut dyn FnMut(T), make: impl FnOnce() -> T) {
        let begun = Instant::now();
        if begun < *due {
            return;
        }
        taker(make());
        *due = Instant::now() + EVERY.max(begun.elapsed() * 9);
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
