//! The order in which the events of a chunk stand in the file, from the instants of its rows.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::{ErrorKind, malformed};
use std::cmp::Reverse;

/// The row at each file position: that of the place in time that `jumps` says. Each row stands once.
pub(crate) fn in_order(by_time: Vec<u32>, jumps: Vec<i64>) -> Result<Vec<u32>, ErrorKind> {
    if jumps.iter().all(|jump| *jump == 0) {
        return Ok(by_time);
    }
    // Rows stand once in the order of time, so it is enough that each place there is taken once.
    let mut seen = vec![false; by_time.len()];
    let mut order = Vec::with_capacity(by_time.len());
    for (at, jump) in jumps.into_iter().enumerate() {
        let place = (at as i64)
            .checked_add(jump)
            .and_then(|place| usize::try_from(place).ok());
        let place = place.ok_or_else(|| malformed("order column"))?;
        match (seen.get_mut(place), by_time.get(place)) {
            (Some(seen), Some(row)) if !*seen => {
                *seen = true;
                order.push(*row);
            }
            _ => return Err(malformed("order column")),
        }
    }
    Ok(order)
}

/// Bits of a row number where it shares a word with its time; a chunk has no more rows than that.
const ROW_BITS: u32 = 18;
/// The row's part of such a word.
const ROWS: u64 = (1 << ROW_BITS) - 1;
/// Most bits of a bucket's number.
const BUCKET_BITS: u32 = 16;
/// Words of a bucket up to which they are put in order one by one.
const FEW: usize = 16;

/// The rows in the order of their instants, counted from `start`, those of one instant by number.
pub(crate) fn by_time(times: &[u64], start: u64) -> Vec<u32> {
    let since = |time: &u64| time.wrapping_sub(start);
    if times.is_sorted_by_key(since) {
        return (0_u32..).zip(times).map(|row| row.0).collect();
    }
    let all = times.iter().fold(0, |all, time| all | since(time));
    let bits = 64_u32.saturating_sub(all.leading_zeros());
    if bits.saturating_add(ROW_BITS) > 64 || times.len() > 1 << ROW_BITS {
        let mut rows: Vec<(u64, u32)> = times.iter().map(since).zip(0_u32..).collect();
        rows.sort_unstable();
        return rows.into_iter().map(|row| row.1).collect();
    }
    if let Some(merged) = of_runs(times, start) {
        return merged;
    }
    let rows = times.iter().zip(0_u64..);
    let sorted = in_buckets(
        rows.map(|(time, row)| since(time) << ROW_BITS | row),
        times.len(),
        bits,
    );
    let number = |row: u64| (row & ROWS) as u32;
    sorted.into_iter().map(number).collect()
}

/// Runs of ascending times up to which they are merged: each event costs a comparison then, and each change of run some more.
const RUNS: usize = 1024;
/// Runs that may be passed for each row when one finds its place among the others; where many threads take turns they are more, and
/// buckets are cheaper.
const PASSED: usize = 4;

/// Merges the runs in which times ascend, which are the threads of a chunk; `None` where they are too many, or change too often.
/// Rows and times fit into a word.
fn of_runs(times: &[u64], start: u64) -> Option<Vec<u32>> {
    // Words compare as times and then rows do.
    let word = |row: usize| {
        let time = times.get(row)?;
        Some(time.wrapping_sub(start) << ROW_BITS | row as u64)
    };
    // The first word of what is left of each run, and where that ends; the least is on top.
    let mut heads = Vec::new();
    let mut from = 0;
    while let Some(first) = word(from) {
        let since = |time: &u64| time.wrapping_sub(start);
        let rest = times.get(from..).unwrap_or_default();
        let falls = rest.windows(2).position(|pair| match pair {
            [one, next] => since(one) > since(next),
            _ => false,
        });
        let end = falls.map_or(times.len(), |at| from.saturating_add(at).saturating_add(1));
        if heads.len() >= RUNS {
            return None;
        }
        heads.push((first, end));
        from = end;
    }
    // The least is the last. A thread that has the processor stays near that end, those that sleep stand behind it untouched.
    heads.sort_unstable_by_key(|head| Reverse(*head));
    let mut merged = Vec::with_capacity(times.len());
    let mut spare = times.len().saturating_mul(PASSED);
    while let Some((first, end)) = heads.pop() {
        let until = heads.last().map_or(u64::MAX, |next| next.0);
        let first = (first & ROWS) as usize;
        let mut left = None;
        for row in first..end {
            match word(row) {
                Some(word) if word > until => {
                    left = Some(word);
                    break;
                }
                _ => merged.push(row as u32),
            }
        }
        if let Some(word) = left {
            let before = heads.iter().rev().take_while(|head| head.0 < word);
            let before = before.count();
            spare = spare.checked_sub(before)?;
            heads.insert(heads.len().saturating_sub(before), (word, end));
        }
    }
    Some(merged)
}

/// Sorts words by dealing them out to about as many buckets as there are words, by the highest of the `bits` of their times. What
/// is in one bucket is sorted by itself.
fn in_buckets(words: impl Iterator<Item = u64> + Clone, count: usize, bits: u32) -> Vec<u64> {
    let wanted = usize::BITS.saturating_sub(count.leading_zeros());
    let wanted = wanted.clamp(1, BUCKET_BITS);
    let shift = bits.saturating_sub(wanted).saturating_add(ROW_BITS);
    let mut ends = vec![0_u32; 1 << wanted];
    for word in words.clone() {
        if let Some(count) = ends.get_mut((word >> shift) as usize) {
            *count = count.saturating_add(1);
        }
    }
    let mut from = 0_u32;
    for end in &mut ends {
        let count = *end;
        *end = from;
        from = from.saturating_add(count);
    }
    let mut sorted = vec![0_u64; count];
    for word in words {
        if let Some(end) = ends.get_mut((word >> shift) as usize) {
            if let Some(to) = sorted.get_mut(*end as usize) {
                *to = word;
            }
            *end = end.saturating_add(1);
        }
    }
    // Each start has moved to where its bucket ends. Many words in one bucket are sorted by themselves; of the others most stand
    // right, and each of those that do not goes back past a few.
    let mut from = 0;
    for end in &ends {
        let end = *end as usize;
        if end.saturating_sub(from) > FEW
            && let Some(bucket) = sorted.get_mut(from..end)
        {
            bucket.sort_unstable();
        }
        from = end;
    }
    let mut before = 0;
    for at in 0..sorted.len() {
        let Some(word) = sorted.get(at).copied() else {
            break;
        };
        if word >= before {
            before = word;
            continue;
        }
        let mut to = at;
        while let Some(place) = to.checked_sub(1)
            && let Some(other) = sorted.get(place).copied()
            && other > word
        {
            if let Some(slot) = sorted.get_mut(to) {
                *slot = other;
            }
            to = place;
        }
        if let Some(slot) = sorted.get_mut(to) {
            *slot = word;
        }
    }
    sorted
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn runs_of_ascending_times_are_merged_as_they_would_be_sorted() {
        let mut state = 5_u64;
        let mut chance = |most: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % most
        };
        // Few and many runs, long and short ones, of times that many share and of times that are counted from one that wraps; and
        // which of them are merged: not those of many threads that take turns, nor of too many.
        for (runs, long, step, apart, merges) in [
            (2, 900, 3, 0, true),
            (5, 200, 9, 0, true),
            (40, 60, 2, 0, false),
            (700, 4, 9, 0, false),
            (700, 4, 9, 100, true),
            (RUNS - 1, 2, 5, 100, true),
            (RUNS * 2, 2, 5, 100, false),
        ] {
            let start = u64::MAX - 40;
            let mut times = Vec::new();
            for run in 0..runs {
                let mut time = chance(50) + (runs - run) as u64 * apart;
                for _ in 0..chance(long) + 1 {
                    times.push(start.wrapping_add(time));
                    time += chance(step);
                }
            }
            let mut expected: Vec<u32> = (0..times.len() as u32).collect();
            expected.sort_by_key(|row| (times[*row as usize].wrapping_sub(start), *row));
            assert_eq!(by_time(&times, start), expected);
            assert_eq!(of_runs(&times, start).is_some(), merges, "{runs}");
        }
        assert_eq!(of_runs(&[], 0), Some(Vec::new()));
    }

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
            assert_eq!(by_time(&times, 0), expected);
            let later: Vec<u64> = times.iter().map(|time| time.wrapping_add(9)).collect();
            assert_eq!(by_time(&later, 9), expected);
        }
        assert_eq!(by_time(&[], 0), [] as [u32; 0]);
    }
}
