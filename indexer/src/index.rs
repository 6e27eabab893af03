//! The index of a capture: an own file that can always be made anew, what it finds, and where it says nothing can match.

mod about;
mod alike;
mod answers;
mod ask;
mod block;
mod build;
mod candidates;
mod count;
mod folder;
mod gather;
mod halted;
mod merge;
mod pyramid;
mod sidecar;
#[cfg(test)]
mod tests;
mod text;
mod things;
mod words;

pub use answers::{Answered, Counting, keep_answers, questions};
pub use ask::{Ask, AskError};
pub use build::{Built, Indexing, build};
pub use folder::{Folder, Sifted, Stamp};
pub use sidecar::{About, Identity, Keeper, Missing, Refused};
pub use things::{KINDS, Kind, KindRow};

pub(crate) use about::{about, apart};
pub(crate) use answers::Ahead;
pub(crate) use ask::Found;
pub(crate) use block::{Entry, actor_parts};
pub(crate) use build::gather;
pub(crate) use count::Times;
pub(crate) use gather::Gather;
pub(crate) use things::{TICK, Tally, Thing};

use crate::instant::{Common, Kept, MOST_RAW, Part};
use afterimage_format::ChunkInfo;
use afterimage_model::FieldValue;
use afterimage_query::{FieldRef, Filter, Fits, Places};
use pyramid::Pyramid;
use sidecar::{Covered, Head, Holds, In};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use text::Text;

/// Bytes of blocks, before compression, that are kept decoded.
const KEPT: u64 = 64 << 20;

/// Most bytes of the pyramid, and of one file of the text index.
const MOST_PART: u64 = 512 << 20;

/// Some chunks of a capture. Chunks that an index does not know are among any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    bits: Vec<u64>,
    known: usize,
}

impl Reach {
    fn none(known: usize) -> Reach {
        Reach {
            bits: vec![0; known.div_ceil(64)],
            known,
        }
    }

    fn add(&mut self, chunk: usize) {
        if chunk < self.known
            && let Some(word) = self.bits.get_mut(chunk / 64)
        {
            *word |= 1 << (chunk % 64);
        }
    }

    pub(crate) fn add_all(&mut self, chunks: &[u32]) {
        chunks.iter().for_each(|chunk| self.add(*chunk as usize));
    }

    /// Whether a chunk is among them.
    pub fn holds(&self, chunk: usize) -> bool {
        let word = self.bits.get(chunk / 64).copied().unwrap_or_default();
        chunk >= self.known || word >> (chunk % 64) & 1 == 1
    }
}

impl Places for Reach {
    fn both(mut self, other: Reach) -> Reach {
        let pairs = self.bits.iter_mut().zip(&other.bits);
        pairs.for_each(|(a, b)| *a &= b);
        self
    }

    fn either(mut self, other: Reach) -> Reach {
        let pairs = self.bits.iter_mut().zip(&other.bits);
        pairs.for_each(|(a, b)| *a |= b);
        self
    }
}

/// Blocks of an index by number, and how many bytes they are.
type Blocks = (u64, HashMap<usize, Arc<Vec<Entry>>>);

/// An index in use.
pub struct Index {
    file: In,
    place: PathBuf,
    /// Whether it covers all of the capture as it was when it was opened.
    whole: bool,
    /// Number of the first thing of each block.
    starts: Vec<u64>,
    kept: Mutex<Blocks>,
    pyramid: OnceLock<Option<Pyramid>>,
    text: OnceLock<Option<Text>>,
    /// What the states that are kept have in common.
    states: OnceLock<Option<Common>>,
    /// Sorts of events that were read.
    alike: Mutex<alike::Read>,
}

impl Index {
    /// The index of a capture, if there is one that may be trusted.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn open(capture: &Path, keeper: &Keeper) -> Result<Index, Refused> {
        let mut refused = Refused::Missing;
        for place in keeper.places(capture) {
            match Index::open_at(&place, capture, &keeper.key) {
                Err(Refused::Missing) => {}
                Err(other) => refused = other,
                found => return found,
            }
        }
        Err(refused)
    }

    fn open_at(place: &Path, capture: &Path, key: &[u8; 32]) -> Result<Index, Refused> {
        let file = In::open(place, key)?;
        match file.head.identity.holds(capture)? {
            Holds::No => Err(Refused::Stale),
            holds => Ok(Index::over(file, place.to_owned(), holds)),
        }
    }

    fn over(file: In, place: PathBuf, holds: Holds) -> Index {
        let mut starts = Vec::with_capacity(file.head.blocks.len());
        let mut next = 0u64;
        for (_, things, _) in &file.head.blocks {
            starts.push(next);
            next = next.saturating_add(*things);
        }
        Index {
            file,
            place,
            whole: holds == Holds::Whole,
            starts,
            kept: Mutex::default(),
            pyramid: OnceLock::new(),
            text: OnceLock::new(),
            states: OnceLock::new(),
            alike: Mutex::default(),
        }
    }

    fn head(&self) -> &Head {
        &self.file.head
    }

    /// Where it lies.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Bytes of it.
    pub fn bytes(&self) -> u64 {
        self.file.len
    }

    /// Things in it.
    pub fn things(&self) -> u64 {
        self.head().things()
    }

    /// Things of each kind.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind, u64)> {
        KINDS
            .iter()
            .map(|row| row.kind)
            .zip(self.head().kinds.iter().copied())
    }

    /// What it knows of the capture.
    pub fn about(&self) -> &About {
        &self.head().about
    }

    /// Whether nothing was added to the capture since, and all of it could be read.
    pub fn is_whole(&self) -> bool {
        self.whole && !self.head().chunks.iter().any(|chunk| chunk.unread)
    }

    /// Number of chunks it covers.
    pub fn covered(&self) -> usize {
        self.head().chunks.len()
    }

    /// Whether a chunk must be looked at because its things are not in the index.
    pub(crate) fn lacks(&self, chunk: usize) -> bool {
        self.head()
            .chunks
            .get(chunk)
            .is_none_or(|chunk| chunk.unread)
    }

    /// Events of a chunk that it covers.
    pub(crate) fn events_of(&self, chunk: usize) -> Option<u64> {
        Some(self.head().chunks.get(chunk)?.events)
    }

    /// Whether these are the chunks it was made of, and perhaps more behind them.
    pub(crate) fn covers(&self, chunks: &[ChunkInfo]) -> bool {
        let covered = &self.head().chunks;
        (covered.len() == chunks.len() || covered.len() < chunks.len() && !self.whole)
            && covered
                .iter()
                .zip(chunks)
                .all(|(have, info)| *have == Covered::of(info, have.unread))
    }

    /// No chunks but those whose things are not here.
    pub(crate) fn nowhere(&self) -> Reach {
        let chunks = &self.head().chunks;
        let mut reach = Reach::none(chunks.len());
        for (at, chunk) in chunks.iter().enumerate() {
            if chunk.unread {
                reach.add(at);
            }
        }
        reach
    }

    fn block(&self, at: usize) -> Result<Arc<Vec<Entry>>, Refused> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().1.get(&at) {
            return Ok(found.clone());
        }
        let entries = Arc::new(self.file.block(at)?);
        let raw = self.head().blocks.get(at).map_or(0, |(part, ..)| part.raw);
        let mut kept = lock();
        if kept.0.saturating_add(raw) <= KEPT && !kept.1.contains_key(&at) {
            kept.0 += raw;
            kept.1.insert(at, entries.clone());
        }
        Ok(entries)
    }

    /// The blocks in which things of a kind stand.
    fn blocks_of(&self, kind: Kind) -> Range<usize> {
        let blocks = &self.head().blocks;
        let first = |(_, _, key): &(_, _, Vec<u8>)| key.first().copied().unwrap_or_default();
        let start = blocks.partition_point(|block| first(block) < kind as u8);
        let end = blocks.partition_point(|block| first(block) <= kind as u8);
        start.saturating_sub(1)..end
    }

    fn each_of(&self, kind: Kind, mut each: impl FnMut(&Entry)) -> Result<(), Refused> {
        for at in self.blocks_of(kind) {
            let block = self.block(at)?;
            block
                .iter()
                .filter(|entry| entry.thing.kind() == Some(kind))
                .for_each(&mut each);
        }
        Ok(())
    }

    /// The block a thing stands in, and the number of its first thing.
    fn block_with(&self, number: u64) -> Result<(usize, u64), Refused> {
        let after = self.starts.partition_point(|start| *start <= number);
        let at = after.checked_sub(1).ok_or(Refused::Damaged)?;
        let start = self.starts.get(at).copied().ok_or(Refused::Damaged)?;
        Ok((at, start))
    }

    /// The thing with a number.
    pub(crate) fn entry<R>(
        &self,
        number: u64,
        look: impl FnOnce(&Entry) -> R,
    ) -> Result<R, Refused> {
        let (at, start) = self.block_with(number)?;
        let block = self.block(at)?;
        let place = usize::try_from(number - start).unwrap_or(usize::MAX);
        block.get(place).map(look).ok_or(Refused::Damaged)
    }

    fn text(&self) -> Option<&Text> {
        let load = || {
            let parts = self.head().text.iter();
            let files: Option<Vec<_>> = parts
                .map(|(name, part)| {
                    Some((PathBuf::from(name), self.file.part(part, MOST_PART).ok()?))
                })
                .collect();
            Text::load(files.filter(|files| !files.is_empty())?)
        };
        self.text.get_or_init(load).as_ref()
    }

    /// The states that it keeps; `None` where it is not of all of the capture.
    pub(crate) fn states(&self) -> Option<Kept<'_>> {
        if !self.is_whole() {
            return None;
        }
        let read = |part: &sidecar::Part| self.file.part(part, MOST_RAW).ok();
        let load = || Common::read(&read(self.head().states.as_ref()?)?);
        let common = self.states.get_or_init(load).as_ref()?;
        Some(Kept {
            common,
            load: Box::new(move |part| {
                let head = self.head();
                read(match part {
                    Part::State(at) => head.state_parts.get(at)?,
                    Part::Rows(at) => head.row_parts.get(at)?,
                })
            }),
        })
    }

    /// Where a filter may match; `None` when it may match anywhere.
    pub(crate) fn reach(&self, filter: &Filter) -> Option<Reach> {
        let mut of = |field: &FieldRef, fits: Fits<'_>| self.places(field, fits);
        filter.reach(&mut of)
    }

    fn places(&self, field: &FieldRef, fits: Fits<'_>) -> Option<Reach> {
        if field.arg().is_some() {
            return None;
        }
        let name = field.field().name;
        let rows = KINDS.iter().filter(|row| row.by_row);
        let (kind, at) = rows
            .filter_map(|row| Some((row.kind, row.fields.iter().position(|own| *own == name)?)))
            .next()?;
        let mut reach = self.nowhere();
        let mut last: Option<(Vec<u8>, bool)> = None;
        let mut add = |entry: &Entry| {
            let holds = match entry.thing.texts().nth(at).flatten() {
                None => false,
                Some(_) if entry.thing.is_cut(at) => true,
                Some(text) => match &last {
                    Some((same, answer)) if same == text => *answer,
                    _ => {
                        let answer = fits(&FieldValue::str(text));
                        last = Some((text.to_vec(), answer));
                        answer
                    }
                },
            };
            if holds {
                reach.add_all(&entry.chunks);
            }
        };
        self.each_of(kind, &mut add).ok()?;
        if kind == Kind::File {
            // The names of sockets are made of their ends, and are not here one by one.
            self.each_of(Kind::Flow, |entry| reach.add_all(&entry.chunks))
                .ok()?;
        }
        Some(reach)
    }

    /// Counts per lane and step; `None` where events must be read for that.
    pub(crate) fn histogram(&self, span: (u64, u64), steps: usize) -> Option<Vec<Vec<u64>>> {
        if !self.is_whole() {
            return None;
        }
        let load = || {
            let part = self.head().pyramid.as_ref()?;
            Pyramid::read(&self.file.part(part, MOST_PART).ok()?)
        };
        self.pyramid
            .get_or_init(load)
            .as_ref()?
            .histogram(span, steps)
    }
}
