//! Where what occurs in a batch stands once it is sorted: types, processes and files in lists of them, events by thread.

use hashbrown::DefaultHashBuilder;
use std::collections::HashMap;

/// Where values of a kind stand in a sorted list of them, found fast when they lie close together. Keeps its memory.
#[derive(Default)]
pub(crate) struct Places {
    list: Vec<u32>,
    /// Place by value less the first one; empty when the values are too far apart for that.
    table: Vec<u32>,
}

impl Places {
    /// Of the distinct values, sorted.
    pub fn fill(&mut self, values: &[u32]) {
        let Places { list, table } = self;
        list.clear();
        table.clear();
        let (mut first, mut last) = (u32::MAX, 0);
        for value in values {
            first = first.min(*value);
            last = last.max(*value);
        }
        // A table costs as much as it is long, sorting as much as there are values.
        let count = values.len() as u64;
        let longest = (1_024 + 32 * count).min(65_536 + 4 * count);
        if !values.is_empty() && u64::from(last - first) < longest {
            table.resize((last - first) as usize + 1, 0);
            for value in values {
                table[(value - first) as usize] = 1;
            }
            for (value, place) in (first..=last).zip(table) {
                if *place != 0 {
                    *place = list.len() as u32;
                    list.push(value);
                }
            }
        } else {
            list.extend_from_slice(values);
            list.sort_unstable();
            list.dedup();
        }
    }

    /// The sorted values.
    pub fn list(&self) -> &[u32] {
        &self.list
    }

    /// Where a value that is among them stands.
    pub fn place(&self, value: u32) -> usize {
        let first = self.list.first().copied().unwrap_or(0);
        match self.table.get(value.wrapping_sub(first) as usize) {
            Some(place) => *place as usize,
            None => self.list.partition_point(|other| *other < value),
        }
    }
}

/// Where events stand when they are sorted by thread, each thread's in their own order. Keeps its memory.
#[derive(Default)]
pub(crate) struct Threads {
    /// The row of each event.
    pub row_of: Vec<u32>,
    /// The number of each event's thread, as they first occur.
    pub number_of: Vec<u32>,
    /// Threads, ascending, and how many rows each has.
    pub runs: Vec<(u32, u32)>,
}

impl Threads {
    /// Of events of these threads.
    pub fn fill(&mut self, tids: &[u32]) {
        let mut numbers: HashMap<u32, u32, DefaultHashBuilder> = HashMap::default();
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let Threads {
            row_of, number_of, ..
        } = self;
        number_of.clear();
        number_of.reserve(tids.len());
        let mut last = (u32::MAX, 0_u32);
        for tid in tids {
            let tid = *tid;
            if last.0 != tid || runs.is_empty() {
                let number = *numbers.entry(tid).or_insert_with(|| {
                    runs.push((tid, 0));
                    runs.len() as u32 - 1
                });
                last = (tid, number);
            }
            runs[last.1 as usize].1 += 1;
            number_of.push(last.1);
        }
        let mut ascending: Vec<u32> = (0..runs.len() as u32).collect();
        ascending.sort_unstable_by_key(|number| runs[*number as usize].0);
        let mut next = vec![0_u32; runs.len()];
        let mut from = 0;
        for number in &ascending {
            next[*number as usize] = from;
            from += runs[*number as usize].1;
        }
        row_of.clear();
        row_of.extend(number_of.iter().map(|number| {
            let to = &mut next[*number as usize];
            *to += 1;
            *to - 1
        }));
        self.runs.clear();
        let ascending = ascending.iter();
        self.runs
            .extend(ascending.map(|number| runs[*number as usize]));
    }
}
