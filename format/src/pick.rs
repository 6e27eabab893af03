//! From the lists of a chunk to its events: all of them, or those that are chosen, first by lists, then by what is known without
//! results and arguments. What only the others need is neither decompressed nor checked.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::args_read::{Slots, Values};
use crate::chunk_read::{Body, Zone};
use crate::error::{ErrorKind, malformed};
use crate::heads::Heads;
use crate::read::Chunk;
use afterimage_model::{Event, Tables, TypeId};

/// Says what is needed of a chunk while it is decoded.
pub trait Choose {
    /// Whether any event could be needed, by the types of the chunk's events, their processes and the rows that they may
    /// point at.
    fn rows(&mut self, _zone: &Zone, _tables: &Tables) -> bool {
        true
    }
    /// Which rows may be needed by what single lists tell, one bit each, row 0 the lowest of the first word; `None` for all.
    ///
    /// # Errors
    /// When a list cannot be read.
    fn lists(
        &mut self,
        _heads: &Heads<'_>,
        _tables: &Tables,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        Ok(None)
    }
    /// For each event whether it is needed, by what is known without its arguments and result; `places` are their positions in
    /// the chunk.
    fn events(&mut self, chunk: &Chunk, places: &[u32]) -> Vec<bool>;
}

impl<F: FnMut(&Chunk) -> Vec<bool>> Choose for F {
    fn events(&mut self, chunk: &Chunk, _places: &[u32]) -> Vec<bool> {
        self(chunk)
    }
}

/// Chosen events of a chunk, whole, in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// The chunk with these events alone.
    pub chunk: Chunk,
    /// Their positions in the whole chunk, ascending: the number of an event is that of the chunk's first and its position.
    pub places: Vec<u32>,
}

impl Body<'_> {
    /// Everything.
    pub(crate) fn decode(&self) -> Result<Chunk, ErrorKind> {
        self.decode_with(&mut |_| true)
    }

    /// Everything but the arguments of events of types that are not wanted, which may be missing.
    pub(crate) fn decode_with(
        &self,
        wanted: &mut dyn FnMut(TypeId) -> bool,
    ) -> Result<Chunk, ErrorKind> {
        let heads = Heads::new(self)?;
        let all: Vec<(u32, u32)> = (0_u32..).zip(heads.order()?.iter().copied()).collect();
        let mut events = heads.events(&all)?;
        let args = self.zone.types.iter().map(|row| wanted(row.0)).collect();
        let results = vec![true; self.zone.types.len()];
        fill(&heads, &Wanted { results, args }, &all, &mut events)?;
        Ok(Chunk {
            first_num: self.zone.first_num,
            events,
            tables: self.tables()?,
        })
    }

    /// The events that are chosen; `None` when none is.
    pub(crate) fn pick(
        &self,
        tables: Tables,
        choose: &mut dyn Choose,
    ) -> Result<Option<Picked>, ErrorKind> {
        let heads = Heads::new(self)?;
        let may = choose.lists(&heads, &tables)?;
        if may
            .as_ref()
            .is_some_and(|words| words.iter().all(|word| *word == 0))
        {
            return Ok(None);
        }
        let is_in = |row: u32| {
            may.as_ref().is_none_or(|words| {
                let word = words.get((row >> 6) as usize);
                word.is_some_and(|word| word >> (row & 63) & 1 == 1)
            })
        };
        let order = (0_u32..).zip(heads.order()?.iter().copied());
        let mut picked: Vec<(u32, u32)> = order.filter(|(_, row)| is_in(*row)).collect();
        let mut chunk = Chunk {
            first_num: self.zone.first_num,
            events: heads.events(&picked)?,
            tables,
        };
        let places: Vec<u32> = picked.iter().map(|(place, _)| *place).collect();
        let chosen = choose.events(&chunk, &places);
        if !chosen.contains(&true) {
            return Ok(None);
        }
        if chosen.contains(&false) || chosen.len() < picked.len() {
            let mut of_events = chosen.iter();
            chunk.events.retain(|_| of_events.next() == Some(&true));
            let mut of_picked = chosen.iter();
            picked.retain(|_| of_picked.next() == Some(&true));
        }
        let mut results = vec![false; self.zone.types.len()];
        let types = heads.types()?;
        for (_, row) in &picked {
            let ty = types.get(*row as usize).map(|ty| usize::from(*ty));
            if let Some(wanted) = ty.and_then(|ty| results.get_mut(ty)) {
                *wanted = true;
            }
        }
        let wanted = Wanted {
            args: results.clone(),
            results,
        };
        fill(&heads, &wanted, &picked, &mut chunk.events)?;
        let places = picked.into_iter().map(|(place, _)| place).collect();
        Ok(Some(Picked { chunk, places }))
    }
}

/// Types of which something is needed, by place.
struct Wanted {
    results: Vec<bool>,
    args: Vec<bool>,
}

/// What there is of one type.
struct OfType<'h> {
    results: &'h [i64],
    slots: Option<&'h Slots>,
}

/// Puts results and arguments into the events at these rows, one event after the other: they are large, and the lists are not.
fn fill(
    heads: &Heads<'_>,
    wanted: &Wanted,
    picked: &[(u32, u32)],
    events: &mut [Event],
) -> Result<(), ErrorKind> {
    let mut kinds = Vec::new();
    for (place, found) in heads.results(&wanted.results)?.into_iter().enumerate() {
        let Some((rows, results)) = found else {
            kinds.push(None);
            continue;
        };
        if rows.len() != results.len() {
            return Err(malformed("result column"));
        }
        let slots = match wanted.args.get(place).copied().unwrap_or(false) {
            true => heads.slots(place)?,
            false => None,
        };
        kinds.push(Some(OfType { results, slots }));
    }
    let (types, ranks) = (heads.types()?, heads.grouped()?.ranks());
    let mut values = Values::new(heads);
    for ((_, row), event) in picked.iter().zip(events) {
        let row = *row as usize;
        let ty = types.get(row).map_or(usize::MAX, |ty| usize::from(*ty));
        let rank = ranks.get(row).map_or(usize::MAX, |rank| *rank as usize);
        let Some(Some(kind)) = kinds.get(ty) else {
            continue;
        };
        event.result = kind.results.get(rank).copied().unwrap_or(0);
        if let Some(slots) = kind.slots {
            values.put(slots, rank, &mut event.args)?;
        }
    }
    Ok(())
}
