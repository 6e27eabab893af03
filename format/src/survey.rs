//! The events of a batch, looked at once and laid side by side: in file order what must be known of all of them, then thread by
//! thread and type by type what the columns are made of.

use crate::batch::Line;
use crate::lanes::{MISS, Recent};
use crate::places::{Places, Threads};
use afterimage_model::EventFlags;

/// For each file position, how far the row there stands from where time order would put it.
pub(crate) fn time_order(lines: &[Line], row_of: &[u32]) -> Vec<i64> {
    // What comes late is rare, so that the sort finds long runs in order.
    let places = lines.iter().zip(row_of).zip(0_u32..);
    let mut places: Vec<(u64, u32, u32)> = places
        .map(|((line, row), at)| (line.row.time.0, *row, at))
        .collect();
    places.sort();
    let mut jumps = vec![0_i64; lines.len()];
    for (place, (_, _, at)) in (0_i64..).zip(places) {
        jumps[at as usize] = place - i64::from(at);
    }
    jumps
}

/// What is known of the events when each was looked at once, in file order. Keeps its memory.
#[derive(Default)]
pub(crate) struct Survey {
    pub tids: Vec<u32>,
    pub types: Places,
    pub procs: Places,
    pub files: Places,
    pub start: u64,
    pub end: u64,
    pub failed: u64,
    /// Whether each instant is later than the one before.
    pub in_order: bool,
    /// Each event's number on its CPU less the one expected there.
    pub jumps: Vec<i64>,
    /// Types, processes and files, one behind another.
    seen: [Vec<u32>; 3],
}

impl Survey {
    pub(crate) fn look(&mut self, lines: &[Line]) {
        let (mut start, mut end, mut failed, mut in_order) = (u64::MAX, 0, 0, true);
        let Survey { tids, jumps, .. } = self;
        let [types, procs, files] = &mut self.seen;
        for list in [&mut *tids, types, procs, files] {
            list.clear();
            list.reserve(lines.len());
        }
        jumps.clear();
        jumps.reserve(lines.len());
        let mut expected: Vec<u64> = Vec::new();
        for line in lines {
            let row = &line.row;
            in_order &= tids.is_empty() || row.time.0 > end;
            start = start.min(row.time.0);
            end = end.max(row.time.0);
            failed += u64::from(
                !row.flags.has(EventFlags::NO_RESULT) && (-4095..0).contains(&row.result),
            );
            tids.push(row.tid);
            types.push(u32::from(row.ty.0));
            procs.push(row.proc.0);
            files.extend(row.file.map(|file| file.0));
            let cpu = usize::from(row.cpu);
            if expected.len() <= cpu {
                expected.resize(cpu + 1, 0);
            }
            jumps.push(row.seq.wrapping_sub(expected[cpu]) as i64);
            expected[cpu] = row.seq.wrapping_add(1);
        }
        self.types.fill(types);
        self.procs.fill(procs);
        self.files.fill(files);
        (self.start, self.end) = (start, end);
        (self.failed, self.in_order) = (failed, in_order);
    }
}

/// The rows of a chunk, thread by thread, side by side.
#[derive(Default)]
pub(crate) struct Rows {
    pub types: Vec<u16>,
    /// Types of the rows before in the same thread; of a thread's first row its own.
    pub befores: Vec<u16>,
    pub cpus: Vec<u16>,
    pub procs: Vec<u32>,
    pub abis: Vec<u8>,
    /// Times since the row before in the same thread.
    pub steps: Vec<i64>,
    /// 0 or 1 + place in the file list.
    pub files: Vec<u32>,
    /// See [`Recent`].
    pub ranks: Vec<u8>,
    pub waits: Vec<bool>,
    pub flags: Vec<u16>,
    pub latencies: Vec<i64>,
    pub results: Vec<i64>,
    /// The place of each among the events of its type, and how many values it has.
    pub places: Vec<(u32, u8)>,
    /// Row numbers type by type, and where each type ends.
    pub by_type: Vec<u32>,
    pub ends: Vec<u32>,
}

impl Rows {
    /// Lays the events side by side; `threads` says at which row each stands.
    pub(crate) fn fill(&mut self, lines: &[Line], threads: &Threads, survey: &Survey) {
        let count = lines.len();
        self.by_type.clear();
        self.ends.clear();
        self.types.resize(count, 0);
        self.befores.resize(count, 0);
        self.cpus.resize(count, 0);
        self.procs.resize(count, 0);
        self.abis.resize(count, 0);
        self.steps.resize(count, 0);
        self.files.resize(count, 0);
        self.ranks.resize(count, 0);
        self.waits.resize(count, false);
        self.flags.resize(count, 0);
        self.latencies.resize(count, 0);
        self.results.resize(count, 0);
        self.places.resize(count, (0, 0));
        // Events are read in their own order, one behind the other; what they say is scattered, to as many places as there
        // are threads. The other way round every event would be waited for.
        let mut last = vec![survey.start; threads.runs.len()];
        let at = threads.row_of.iter().zip(&threads.number_of);
        for (line, (at, number)) in lines.iter().zip(at) {
            let (row, at) = (&line.row, *at as usize);
            let last = &mut last[*number as usize];
            self.steps[at] = row.time.0.wrapping_sub(*last) as i64;
            *last = row.time.0;
            self.types[at] = survey.types.place(u32::from(row.ty.0)) as u16;
            self.cpus[at] = row.cpu;
            self.procs[at] = survey.procs.place(row.proc.0) as u32;
            self.abis[at] = row.abi as u8;
            self.flags[at] = row.flags.0;
            self.waits[at] = row.latency_ns != 0;
            self.latencies[at] = row.latency_ns as i64;
            self.results[at] = row.result;
            self.places[at] = (line.place, line.count);
            self.files[at] = row
                .file
                .map_or(0, |file| survey.files.place(file.0) as u32 + 1);
        }
    }

    /// What depends on the row before in the same thread; gives the files that were not told by rank.
    pub(crate) fn follow(&mut self, threads: &Threads, misses: &mut Vec<i64>) {
        misses.clear();
        let mut recent = Recent::new();
        let mut from = 0;
        for (_, run) in &threads.runs {
            recent.clear();
            let to = from + *run as usize;
            let mut before = self.types[from];
            for at in from..to {
                self.befores[at] = std::mem::replace(&mut before, self.types[at]);
                self.ranks[at] = match self.files[at] {
                    0 => 0,
                    file => {
                        let rank = recent.code_of(file);
                        if rank == MISS {
                            misses.push(i64::from(file - 1));
                        }
                        rank as u8
                    }
                };
            }
            from = to;
        }
    }

    /// Groups the rows of `kinds` types.
    pub(crate) fn group(&mut self, kinds: usize) {
        let mut next = vec![0_u32; kinds + 1];
        for ty in &self.types {
            next[usize::from(*ty) + 1] += 1;
        }
        for at in 0..kinds {
            next[at + 1] += next[at];
        }
        self.ends.extend_from_slice(&next[1..]);
        self.by_type.resize(self.types.len(), 0);
        for (row, ty) in (0_u32..).zip(&self.types) {
            let to = &mut next[usize::from(*ty)];
            self.by_type[*to as usize] = row;
            *to += 1;
        }
    }

    /// The row numbers of a type.
    pub(crate) fn of_type(&self, place: usize) -> &[u32] {
        let from = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.by_type[from as usize..self.ends[place] as usize]
    }
}
