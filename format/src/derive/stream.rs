//! The events of a capture one after another, with the rows they point at.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::Recipe;
use crate::read::Reader;
use afterimage_model::{Event, Gap, Tables};

/// The events of a capture one after another, with the rows they point at.
pub(super) struct Stream<'a> {
    pub(super) reader: &'a Reader,
    recipe: &'a Recipe<'a>,
    pub(super) next_chunk: usize,
    num: u64,
    events: std::vec::IntoIter<Event>,
    pub(super) tables: Tables,
    /// Whether these rows are among those that are gathered.
    pub(super) taken: bool,
    /// Events in chunks that were not even read.
    pub(super) skipped: u64,
    pub(super) lost: Vec<Gap>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(reader: &'a Reader, recipe: &'a Recipe<'a>) -> Stream<'a> {
        Stream {
            reader,
            recipe,
            next_chunk: 0,
            num: 0,
            events: Vec::new().into_iter(),
            tables: Tables::default(),
            taken: false,
            skipped: 0,
            lost: Vec::new(),
        }
    }

    /// The instant of the next event. Reads on where a chunk is over.
    pub(super) fn peek(&mut self) -> Option<u64> {
        loop {
            if let Some(event) = self.events.as_slice().first() {
                return Some(event.time.0);
            }
            let at = self.next_chunk;
            let info = self.reader.chunks().get(at)?;
            self.next_chunk = at.saturating_add(1);
            if !self.recipe.touches(info.span.0, info.span.1) {
                self.skipped = self.skipped.saturating_add(info.events);
                continue;
            }
            match self.reader.chunk(at) {
                Ok(chunk) => {
                    self.num = chunk.first_num;
                    self.events = chunk.events.into_iter();
                    self.tables = chunk.tables;
                    self.taken = false;
                }
                Err(_) => self.lost.extend(self.reader.loss(at)),
            }
        }
    }

    /// The earliest instant of the events of its chunk that are left.
    pub(super) fn earliest(&self) -> u64 {
        let left = self.events.as_slice().iter().map(|event| event.time.0);
        left.min().unwrap_or(u64::MAX)
    }

    pub(super) fn next(&mut self) -> Option<(u64, Event)> {
        let event = self.events.next()?;
        let num = self.num;
        self.num = num.saturating_add(1);
        Some((num, event))
    }
}
