//! Counts per lane and stretch of time, so that a timeline is drawn at any zoom without an event being read. The stretches
//! are as short as the capture is dense, a millisecond at the shortest; every longer one is a difference of two sums.

use super::block::{Bytes, put};
use crate::timeline::{LANES, Lanes, step_of};
use afterimage_model::Event;
use std::collections::BTreeMap;

/// Shortest stretch, ns.
const SHORTEST: u64 = 1_000_000;

/// Most stretches that are kept while counting.
const MOST: usize = 1 << 19;

/// Events for each stretch that a pyramid may have, at least; and the number it may have in any case.
const DENSITY: u64 = 256;
const FREE: u64 = 2048;

/// A stretch is at most this part of a step that is drawn from it.
const FINE: u64 = 8;

type Counts = [u64; LANES.len()];

/// Counts while events are gone through.
#[derive(Clone, Debug)]
pub(crate) struct Counting {
    width: u64,
    rows: BTreeMap<u64, Counts>,
    /// The stretch of the event before, whose counts are not among the rows yet.
    open: Option<(u64, Counts)>,
}

impl Default for Counting {
    fn default() -> Counting {
        Counting {
            width: SHORTEST,
            rows: BTreeMap::new(),
            open: None,
        }
    }
}

impl Counting {
    pub fn event(&mut self, lanes: &Lanes, event: &Event, socket: bool) {
        let at = event.time.0 / self.width;
        if self.open.is_none_or(|(open, _)| open != at) {
            self.close();
        }
        let (_, row) = self.open.get_or_insert_with(|| (at, Counts::default()));
        for (count, within) in row.iter_mut().zip(lanes.of_event(event, socket)) {
            *count += u64::from(within);
        }
    }

    fn close(&mut self) {
        if let Some((at, counts)) = self.open.take() {
            add(self.rows.entry(at).or_default(), &counts);
        }
    }

    /// Adds what was counted elsewhere.
    pub fn absorb(&mut self, mut other: Counting) {
        self.close();
        other.close();
        let width = self.width.max(other.width);
        self.widen(width);
        other.widen(width);
        for (at, counts) in other.rows {
            add(self.rows.entry(at).or_default(), &counts);
        }
        while self.rows.len() > MOST {
            self.widen(self.width.saturating_mul(2));
        }
    }

    fn widen(&mut self, width: u64) {
        if width <= self.width {
            return;
        }
        let by = width / self.width;
        let mut rows: BTreeMap<u64, Counts> = BTreeMap::new();
        for (at, counts) in std::mem::take(&mut self.rows) {
            add(rows.entry(at / by).or_default(), &counts);
        }
        (self.rows, self.width) = (rows, width);
    }

    /// The bytes, with stretches as long as they must be.
    pub fn bytes(mut self) -> Vec<u8> {
        self.close();
        let events: u64 = self.rows.values().filter_map(|row| row.first()).sum();
        while self.rows.len() as u64 > (events / DENSITY).max(FREE) {
            self.widen(self.width.saturating_mul(2));
        }
        self.raw()
    }

    /// The bytes, with stretches as they are.
    pub fn raw(&mut self) -> Vec<u8> {
        self.close();
        let mut out = Vec::new();
        put(&mut out, self.width);
        put(&mut out, self.rows.len() as u64);
        let mut before = 0;
        for (at, counts) in &self.rows {
            put(&mut out, at - before);
            before = *at;
            counts.iter().for_each(|count| put(&mut out, *count));
        }
        out
    }

    /// From [`Counting::raw`]; `None` for other bytes.
    pub fn read(raw: &[u8]) -> Option<Counting> {
        let (width, rows) = rows(raw)?;
        Some(Counting {
            width,
            rows: rows.into_iter().collect(),
            open: None,
        })
    }
}

fn add(to: &mut Counts, counts: &Counts) {
    for (sum, count) in to.iter_mut().zip(counts) {
        *sum = sum.saturating_add(*count);
    }
}

fn rows(raw: &[u8]) -> Option<(u64, Vec<(u64, Counts)>)> {
    let mut bytes = Bytes(raw);
    let width = bytes.number().filter(|width| *width >= SHORTEST)?;
    let mut rows = Vec::with_capacity(bytes.count()?);
    let mut at = 0u64;
    for place in 0..rows.capacity() {
        let step = bytes.number()?;
        if place > 0 && step == 0 {
            return None;
        }
        at = at.checked_add(step)?;
        let mut counts = Counts::default();
        for count in &mut counts {
            *count = bytes.number()?;
        }
        rows.push((at, counts));
    }
    bytes.0.is_empty().then_some((width, rows))
}

/// Sums up to each stretch.
#[derive(Debug)]
pub(crate) struct Pyramid {
    width: u64,
    starts: Vec<u64>,
    /// Of all stretches before this one; one more than there are stretches.
    sums: Vec<Counts>,
}

impl Pyramid {
    /// From bytes; `None` when they are no pyramid.
    pub fn read(raw: &[u8]) -> Option<Pyramid> {
        let (width, rows) = rows(raw)?;
        let mut sum = Counts::default();
        let mut sums = vec![sum];
        let mut starts = Vec::with_capacity(rows.len());
        for (at, counts) in rows {
            starts.push(at.checked_mul(width)?);
            add(&mut sum, &counts);
            sums.push(sum);
        }
        Some(Pyramid {
            width,
            starts,
            sums,
        })
    }

    /// Counts per lane and step; `None` when the steps are too short for it.
    pub fn histogram(&self, span: (u64, u64), steps: usize) -> Option<Vec<Vec<u64>>> {
        let (from, to) = span;
        let length = to.checked_sub(from)?.checked_add(1)?;
        let whole = self
            .starts
            .first()
            .is_none_or(|first| from <= first.saturating_add(self.width))
            && self.starts.last().is_none_or(|last| *last <= to);
        if steps == 0 || length / steps as u64 / FINE < self.width && !(whole && steps == 1) {
            return None;
        }
        let mut lanes = vec![vec![0; steps]; LANES.len()];
        let begin = self
            .starts
            .partition_point(|start| start.saturating_add(self.width) <= from);
        let end = self.starts.partition_point(|start| *start <= to);
        let mut at = begin;
        while at < end {
            let step = step_of(*self.starts.get(at)?, span, steps);
            // All that fall into the same step, by one difference.
            let rest = self.starts.get(at..end)?;
            let next = at + rest.partition_point(|start| step_of(*start, span, steps) <= step);
            let (below, above) = (self.sums.get(at)?, self.sums.get(next)?);
            for (lane, (below, above)) in lanes.iter_mut().zip(below.iter().zip(above)) {
                *lane.get_mut(step)? += above.saturating_sub(*below);
            }
            at = next;
        }
        Some(lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counting(times: &[u64]) -> Counting {
        let mut counting = Counting::default();
        for at in times {
            let row = counting.rows.entry(at / counting.width).or_default();
            row[0] += 1;
            row[4] += at % 2;
        }
        counting
    }

    proptest! {
        #[test]
        fn steps_add_up_to_all_there_is(times in proptest::collection::vec(0u64..1 << 40, 1..300), steps in 1usize..50) {
            let pyramid = Pyramid::read(&counting(&times).bytes()).unwrap();
            let span = (*times.iter().min().unwrap(), *times.iter().max().unwrap());
            if let Some(lanes) = pyramid.histogram(span, steps) {
                prop_assert_eq!(lanes[0].iter().sum::<u64>(), times.len() as u64);
                let length = u128::from(span.1 - span.0) + 1;
                let mut exact = vec![0u64; steps];
                times.iter().for_each(|at| exact[step_of(*at, span, steps)] += 1);
                let mut ahead = 0i64;
                for (step, (a, b)) in lanes[0].iter().zip(&exact).enumerate() {
                    ahead += *a as i64 - *b as i64;
                    // Only events within a stretch of the border may have changed sides.
                    let border = span.0 + (length * (step as u128 + 1)).div_ceil(steps as u128) as u64;
                    let near = times.iter().filter(|at| at.abs_diff(border) <= pyramid.width).count();
                    prop_assert!(ahead.unsigned_abs() as usize <= near, "{ahead} {near}");
                }
            }
        }

        #[test]
        fn counting_in_parts_is_counting_at_once(a in proptest::collection::vec(0u64..1 << 36, 0..50), b in proptest::collection::vec(0u64..1 << 36, 0..50)) {
            let mut sum = counting(&a);
            sum.absorb(Counting::read(&counting(&b).raw()).unwrap());
            prop_assert_eq!(sum.raw(), counting(&[a, b].concat()).raw());
        }

        #[test]
        fn noise_is_no_pyramid_or_a_small_one(noise in proptest::collection::vec(any::<u8>(), 0..200), steps in 0usize..9) {
            if let Some(pyramid) = Pyramid::read(&noise) {
                let _ = pyramid.histogram((0, u64::MAX), steps);
                let _ = pyramid.histogram((5, 1 << 50), steps);
            }
        }
    }
}
