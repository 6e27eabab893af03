//! How numbers are spread: percentiles of any number of them, in bounded memory.

use bincode::{Decode, Encode};
use std::collections::BTreeMap;

/// Values below this are kept as they are; greater ones to their leading eight bits, less than one part in 128 too low.
const EXACT: u64 = 256;

/// Numbers, counted by what is kept of each: at most some 7,500 counts for all there can be.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Spread {
    counts: BTreeMap<u64, u64>,
    many: u64,
    most: u64,
}

/// Values that so many of a hundred do not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of them are this at most.
    pub p50: u64,
    /// Of a hundred, 95.
    pub p95: u64,
    /// Of a hundred, 99.
    pub p99: u64,
    /// All of them; exact.
    pub most: u64,
}

impl Spread {
    /// Adds a number.
    pub fn add(&mut self, value: u64) {
        self.add_all(value, 1);
    }

    /// Adds a number so many times.
    pub fn add_all(&mut self, value: u64, times: u64) {
        let kept = match value.checked_ilog2() {
            Some(log) if value >= EXACT => value >> (log - 7) << (log - 7),
            _ => value,
        };
        *self.counts.entry(kept).or_default() += times;
        self.many += times;
        self.most = self.most.max(value);
    }

    /// The percentiles, by the nearest rank; `None` where there is none.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let at = |percent: u64| {
            let rank = (u128::from(self.many) * u128::from(percent)).div_ceil(100);
            let mut passed = 0u128;
            self.counts.iter().find_map(|(value, count)| {
                passed += u128::from(*count);
                (passed >= rank).then_some(*value)
            })
        };
        Some(Percentiles {
            p50: at(50)?,
            p95: at(95)?,
            p99: at(99)?,
            most: self.most,
        })
    }
}

impl FromIterator<u64> for Spread {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Spread {
        let mut spread = Spread::default();
        values.into_iter().for_each(|value| spread.add(value));
        spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_exact_and_of_the_nearest_rank() {
        let of = |values: &[u64]| values.iter().copied().collect::<Spread>().percentiles();
        assert_eq!(of(&[]), None);
        let one = Percentiles {
            p50: 7,
            p95: 7,
            p99: 7,
            most: 7,
        };
        assert_eq!(of(&[7]), Some(one));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        let found = of(&hundred).unwrap();
        assert_eq!(
            (found.p50, found.p95, found.p99, found.most),
            (50, 95, 99, 100)
        );
    }

    #[test]
    fn great_numbers_are_less_than_a_128th_too_low_and_few_counts_hold_all() {
        let mut all = Spread::default();
        for shift in 0..64 {
            for odd in 0..1000u64 {
                all.add((1u64 << shift) | ((u128::from(odd) << shift) / 1000) as u64);
            }
            let value = (1u64 << shift) | (0x5555_5555_5555_5555 >> (63 - shift));
            let one: Spread = [value, u64::MAX].into_iter().collect();
            let p50 = one.percentiles().unwrap().p50;
            assert!(
                p50 <= value && (value - p50) as u128 * 128 < value as u128 + 128,
                "{value} {p50}"
            );
        }
        all.add(u64::MAX);
        assert!(all.counts.len() < 7500, "{}", all.counts.len());
        assert_eq!(all.percentiles().unwrap().most, u64::MAX);
    }
}
