//! The distinct strings or payloads of a chunk: all of them one after another, and where each ends.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::{ErrorKind, limit, malformed};
use crate::layout::MAX_CHUNK_VALUES;
use crate::wire::Cursor;
use std::borrow::Cow;

/// Values by their places.
pub(crate) struct Dictionary<'a> {
    bytes: Cow<'a, [u8]>,
    ends: Vec<u32>,
    /// Places of those that were cut, ascending, and how many bytes are missing.
    cuts: Vec<(usize, u64)>,
}

impl<'a> Dictionary<'a> {
    /// From the columns that hold it.
    pub(crate) fn take(
        lengths: &[u8],
        cuts: &[u8],
        bytes: Cow<'a, [u8]>,
    ) -> Result<Dictionary<'a>, ErrorKind> {
        limit(
            "distinct values of a chunk",
            lengths.len() as u64,
            MAX_CHUNK_VALUES.saturating_mul(5),
        )?;
        let (mut lengths, mut steps) = (Cursor::new(lengths), Cursor::new(cuts));
        let mut ends = Vec::with_capacity(lengths.left());
        let (mut at, all) = (0_u64, bytes.len() as u64);
        while lengths.left() > 0 {
            let len = lengths.varint()?;
            limit("length of a value", len, all.saturating_sub(at))?;
            at = at.saturating_add(len);
            ends.push(u32::try_from(at).map_err(|_| malformed("length of a value"))?);
            limit(
                "distinct values of a chunk",
                ends.len() as u64,
                MAX_CHUNK_VALUES,
            )?;
        }
        if at != all {
            return Err(malformed("end of a column"));
        }
        let mut cuts: Vec<(usize, u64)> = Vec::new();
        let mut place = 0_usize;
        while steps.left() > 0 {
            let (step, missing) = (steps.varint()?, steps.varint()?);
            place = usize::try_from(step)
                .ok()
                .and_then(|step| place.checked_add(step))
                .filter(|place| *place < ends.len())
                .ok_or_else(|| malformed("cut column"))?;
            let before = match cuts.last() {
                Some((last, before)) if *last == place => *before,
                _ => 0,
            };
            // Together with its bytes it must still be a number.
            let missing = before
                .checked_add(missing)
                .filter(|missing| missing.checked_add(all).is_some())
                .ok_or_else(|| malformed("cut column"))?;
            match cuts.last_mut() {
                Some((last, sum)) if *last == place => *sum = missing,
                _ => cuts.push((place, missing)),
            }
        }
        Ok(Dictionary { bytes, ends, cuts })
    }

    /// All values one behind another, and where each ends.
    pub(crate) fn run(&self) -> (&[u8], &[u32]) {
        (&self.bytes, &self.ends)
    }

    /// The value at a place, and how long it was.
    pub(crate) fn get(&self, place: usize) -> Option<(&[u8], u64)> {
        let end = *self.ends.get(place)? as usize;
        let before = place
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        let bytes = self
            .bytes
            .get(before.map_or(0, |before| *before as usize)..end)?;
        let missing = match self.cuts.as_slice() {
            [] => 0,
            cuts => (cuts.binary_search_by_key(&place, |cut| cut.0).ok())
                .and_then(|at| cuts.get(at))
                .map_or(0, |cut| cut.1),
        };
        Some((bytes, (bytes.len() as u64).saturating_add(missing)))
    }
}
