//! The events of a batch, looked at once and laid side by side: in file order what must be known of all of them, then thread by
//! thread and type by type what the columns are made of.

use crate::batch::{Line, Places};
use crate::lanes::by_time;
use afterimage_model::EventFlags;

/// For each file position, how far the row there stands from where time order would put it.
pub(crate) fn time_order(lines: &[Line], order: &[u32], start: u64) -> Vec<i64> {
    let times: Vec<u64> = (order.iter())
        .map(|line| lines[*line as usize].row.time.0 - start)
        .collect();
    let mut jumps = vec![0_i64; lines.len()];
    for (place, row) in by_time(&times).into_iter().enumerate() {
        let at = order[row as usize] as usize;
        jumps[at] = place as i64 - at as i64;
    }
    jumps
}

/// What is known of the events when each was looked at once, in file order.
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
}

impl Survey {
    pub(crate) fn of(lines: &[Line]) -> Survey {
        let (mut start, mut end, mut failed, mut in_order) = (u64::MAX, 0, 0, true);
        let mut tids = Vec::with_capacity(lines.len());
        let mut types = Vec::with_capacity(lines.len());
        let mut procs = Vec::with_capacity(lines.len());
        let mut files = Vec::with_capacity(lines.len());
        let mut jumps = Vec::with_capacity(lines.len());
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
        Survey {
            tids,
            types: Places::of(&types),
            procs: Places::of(&procs),
            files: Places::of(&files),
            start,
            end,
            failed,
            in_order,
            jumps,
        }
    }
}

/// The rows of a chunk, thread by thread, side by side.
#[derive(Default)]
pub(crate) struct Rows {
    pub types: Vec<u16>,
    /// Types of the rows before in the same thread; of a thread's first row its own.
    pub befores: Vec<u16>,
    pub cpus: Vec<i64>,
    pub procs: Vec<i64>,
    pub abis: Vec<i64>,
    /// Times since the row before in the same thread.
    pub steps: Vec<i64>,
    /// 0 or 1 + place in the file list.
    pub files: Vec<i64>,
    /// See [`Recent`].
    pub ranks: Vec<i64>,
    pub waits: Vec<bool>,
    pub flags: Vec<i64>,
    pub latencies: Vec<i64>,
    pub results: Vec<i64>,
    /// Where the values of each are, and how many.
    pub cells: Vec<(u32, u8)>,
    /// Row numbers type by type, and where each type ends.
    pub by_type: Vec<u32>,
    pub ends: Vec<u32>,
}

impl Rows {
    pub(crate) fn clear(&mut self) {
        let Rows {
            types,
            befores,
            cpus,
            procs,
            abis,
            steps,
            files,
            ranks,
            waits,
            flags,
            latencies,
            results,
            cells,
            by_type,
            ends,
        } = self;
        types.clear();
        befores.clear();
        for list in [
            cpus, procs, abis, steps, files, ranks, flags, latencies, results,
        ] {
            list.clear();
        }
        waits.clear();
        cells.clear();
        by_type.clear();
        ends.clear();
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
