//! Joining things that stand in order in several places, each once.

use super::block::Entry;
use super::sidecar::{In, Refused};
use super::things::Thing;
use std::collections::BTreeMap;
use std::io;

/// Every thing of all files and of memory, in order, each once. Files are of earlier chunks than memory.
pub(super) fn merge(
    files: &[In],
    heap: Vec<Entry>,
    each: impl FnMut(&Entry) -> io::Result<()>,
) -> io::Result<()> {
    let mut rows: Vec<Row<'_>> = files
        .iter()
        .map(|file| Box::new(file.entries().filter(is_met)) as Row<'_>)
        .collect();
    rows.push(Box::new(heap.into_iter().map(Ok)));
    merge_rows(rows, each)
}

/// Things in order.
pub(crate) type Row<'f> = Box<dyn Iterator<Item = Result<Entry, Refused>> + 'f>;

/// Every thing of all rows in order, each once, those of earlier rows first.
pub(crate) fn merge_rows(
    rows: Vec<Row<'_>>,
    mut each: impl FnMut(&Entry) -> io::Result<()>,
) -> io::Result<()> {
    let next = |row: &mut Row<'_>| match row.next() {
        None => Ok(None),
        Some(Ok(entry)) => Ok(Some(entry)),
        Some(Err(_)) => Err(io::Error::other(Refused::Damaged)),
    };
    let mut rows = rows;
    // The first thing of each row that was not taken yet, the least on top.
    let mut heads: BTreeMap<(Thing, usize), Entry> = BTreeMap::new();
    for (at, row) in rows.iter_mut().enumerate() {
        if let Some(entry) = next(row)? {
            heads.insert((entry.thing.clone(), at), entry);
        }
    }
    let mut sum: Option<Entry> = None;
    while let Some(((_, at), entry)) = heads.pop_first() {
        if let Some(row) = rows.get_mut(at)
            && let Some(entry) = next(row)?
        {
            heads.insert((entry.thing.clone(), at), entry);
        }
        match &mut sum {
            Some(sum) if sum.thing == entry.thing => sum.absorb(entry),
            _ => {
                if let Some(done) = sum.replace(entry) {
                    each(&done)?;
                }
            }
        }
    }
    sum.iter().try_for_each(each)
}

/// Whether an event is about it. Remarks and the like are taken from the capture as it is now.
fn is_met(entry: &Result<Entry, Refused>) -> bool {
    entry.as_ref().map_or(true, |entry| entry.tally.count > 0)
}
