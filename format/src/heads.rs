//! What is known of the events of a chunk without their results and arguments, and the order in which they stand.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::chunk_read::Zone;
use crate::error::{ErrorKind, limit, malformed};
use afterimage_model::TypeId;

/// What is known of the events of a chunk without results and arguments, thread by thread.
#[derive(Default)]
pub(crate) struct Heads {
    /// The threads and how many rows each has.
    pub threads: Vec<(u32, usize)>,
    /// Times less the start of the chunk.
    pub times: Vec<u64>,
    /// Places in the zone map's list.
    pub types: Vec<u16>,
    pub cpus: Vec<i64>,
    pub abis: Vec<i64>,
    pub flags: Vec<i64>,
    /// Places in the zone map's list.
    pub procs: Vec<i64>,
    /// 0 for none, else 1 + place in the file list.
    pub files: Vec<i64>,
    pub latencies: Vec<i64>,
    /// For each file position, the row that stands there.
    pub order: Vec<u32>,
}

impl Heads {
    /// The thread of each row.
    pub(crate) fn tids(&self) -> Result<Vec<u32>, ErrorKind> {
        let mut tids = Vec::with_capacity(self.times.len());
        for (tid, run) in &self.threads {
            limit("rows of a thread", *run as u64, self.times.len() as u64)?;
            tids.extend(std::iter::repeat_n(*tid, *run));
        }
        Ok(tids)
    }

    /// The positions of the rows of each type, row by row, which must be as many as the zone map says.
    pub(crate) fn by_type(&self, zone: &Zone) -> Result<Vec<Vec<u32>>, ErrorKind> {
        let mut positions = vec![0_u32; self.order.len()];
        for (position, row) in (0_u32..).zip(&self.order) {
            if let Some(to) = positions.get_mut(*row as usize) {
                *to = position;
            }
        }
        let with_room =
            |row: &(TypeId, u64)| Vec::with_capacity((row.1 as usize).min(self.order.len()));
        let mut lists: Vec<Vec<u32>> = zone.types.iter().map(with_room).collect();
        for (ty, position) in self.types.iter().zip(&positions) {
            if let Some(list) = lists.get_mut(usize::from(*ty)) {
                list.push(*position);
            }
        }
        for ((_, expected), list) in zone.types.iter().zip(&lists) {
            if list.len() as u64 != *expected {
                return Err(ErrorKind::Mismatch {
                    what: "events of a type",
                    expected: *expected,
                    found: list.len() as u64,
                });
            }
        }
        Ok(lists)
    }
}

/// The row at each file position: that of the place in time that `jumps` says. Each row stands once.
pub(crate) fn in_order(by_time: Vec<u32>, jumps: Vec<i64>) -> Result<Vec<u32>, ErrorKind> {
    if jumps.iter().all(|jump| *jump == 0) {
        return Ok(by_time);
    }
    let mut seen = vec![false; by_time.len()];
    let mut order = Vec::with_capacity(by_time.len());
    for (at, jump) in jumps.into_iter().enumerate() {
        let place = (at as i64)
            .checked_add(jump)
            .and_then(|place| usize::try_from(place).ok());
        let row = place.and_then(|place| by_time.get(place)).copied();
        let row = row.ok_or_else(|| malformed("order column"))?;
        match seen.get_mut(row as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(malformed("order column")),
        }
        order.push(row);
    }
    Ok(order)
}
