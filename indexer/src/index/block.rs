//! Blocks of the index: things in order, each with its tally and the chunks it is met in, compressed. What is read back is
//! checked at every step: a block may have been damaged, or made by somebody else.

use super::things::{Actor, MOST_ACTORS, MOST_FIELDS, MOST_TEXT, TICK, Tally, Thing};
use std::collections::HashMap;

/// Bytes of things after which a block ends, before compression.
pub(crate) const BLOCK: usize = 128 << 10;

/// Most bytes of a block before compression; the last thing may be large and met in many chunks.
pub(crate) const MOST_RAW: u64 = 64 << 20;

/// Longest key of a thing.
const MOST_KEY: usize = 2 + MOST_FIELDS * (MOST_TEXT + 2);

/// A thing as it stands in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub thing: Thing,
    pub tally: Tally,
    /// Chunks it is met in, ascending.
    pub chunks: Vec<u32>,
}

impl Entry {
    /// Adds the same thing of other chunks.
    pub fn absorb(&mut self, other: Entry) {
        self.tally.absorb(other.tally);
        let ordered = self.chunks.last() < other.chunks.first();
        self.chunks.extend(other.chunks);
        if !ordered {
            self.chunks.sort_unstable();
            self.chunks.dedup();
        }
    }
}

pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes being read; every reading says `None` where they end early.
pub(crate) struct Bytes<'b>(pub &'b [u8]);

impl<'b> Bytes<'b> {
    pub fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for at in 0..10 {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(7 * at)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A count of things that take at least a byte each.
    pub fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    pub fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

/// Lists of a block, which stand apart because what is alike packs well: the lengths of keys, their bytes, counts, chunks, who,
/// instants.
#[derive(Default)]
struct Lists {
    lens: Vec<u8>,
    keys: Vec<u8>,
    counts: Vec<u8>,
    chunks: Vec<u8>,
    who: Vec<u8>,
    times: Vec<u8>,
}

const LISTS: usize = 6;

impl Lists {
    fn all(self) -> [Vec<u8>; LISTS] {
        [
            self.lens,
            self.keys,
            self.counts,
            self.chunks,
            self.who,
            self.times,
        ]
    }
}

/// A block being made.
#[derive(Default)]
pub(crate) struct Draft {
    actors: HashMap<Actor, u64>,
    names: Vec<u8>,
    lists: Lists,
    last: Vec<u8>,
    /// First chunk and first instant of the thing before.
    chunk: u32,
    at: u64,
    pub things: u64,
}

/// A small number for a small step in either direction.
fn zigzag(step: i64) -> u64 {
    (step << 1 ^ step >> 63) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

impl Draft {
    pub fn push(&mut self, entry: &Entry) {
        let lists = &mut self.lists;
        let key = &entry.thing.0;
        let shared = self
            .last
            .iter()
            .zip(key)
            .take_while(|(a, b)| a == b)
            .count();
        put(&mut lists.lens, shared as u64);
        put(&mut lists.lens, (key.len() - shared) as u64);
        lists.keys.extend(key.iter().skip(shared));
        let tally = &entry.tally;
        put(&mut lists.counts, tally.count);
        // Things that stand together were often met together.
        let first = tally.first / TICK;
        let step = first.wrapping_sub(self.at) as i64;
        put(&mut lists.times, zigzag(step));
        let length = tally.last.div_ceil(TICK).wrapping_sub(first);
        put(&mut lists.times, length);
        put(&mut lists.chunks, entry.chunks.len() as u64);
        let mut before = None;
        for chunk in &entry.chunks {
            match before {
                None => {
                    let step = i64::from(*chunk) - i64::from(self.chunk);
                    put(&mut lists.chunks, zigzag(step));
                    self.chunk = *chunk;
                }
                Some(before) => put(&mut lists.chunks, u64::from(chunk.wrapping_sub(before))),
            }
            before = Some(*chunk);
        }
        put(&mut lists.who, tally.by.len() as u64);
        let mut rest = tally.count;
        for (place, (actor, count)) in tally.by.iter().enumerate() {
            let next = self.actors.len() as u64;
            let actor = *self.actors.entry(actor.clone()).or_insert_with(|| {
                put(&mut self.names, actor.len() as u64);
                self.names.extend(actor.iter());
                next
            });
            put(&mut lists.who, actor);
            // The last has what the others leave, unless some were not kept.
            match place + 1 == tally.by.len() {
                true => put(&mut lists.who, zigzag(rest.wrapping_sub(*count) as i64)),
                false => put(&mut lists.who, *count),
            }
            rest = rest.wrapping_sub(*count);
        }
        self.last.clone_from(key);
        self.at = first;
        self.things += 1;
    }

    pub fn is_full(&self) -> bool {
        let lists = &self.lists;
        let lists = [&lists.keys, &lists.chunks, &lists.who, &lists.times];
        lists.iter().map(|list| list.len()).sum::<usize>() >= BLOCK
    }

    /// The bytes; the draft is empty again.
    pub fn take(&mut self) -> Vec<u8> {
        let done = std::mem::take(self);
        let mut raw = Vec::with_capacity(2 * BLOCK);
        put(&mut raw, done.actors.len() as u64);
        raw.extend(done.names);
        put(&mut raw, done.things);
        let lists = done.lists.all();
        for list in &lists {
            put(&mut raw, list.len() as u64);
        }
        lists.iter().for_each(|list| raw.extend(list));
        raw
    }
}

/// A block's entries; `None` when the bytes are no block.
pub(crate) fn read(raw: &[u8]) -> Option<Vec<Entry>> {
    let mut bytes = Bytes(raw);
    let mut actors: Vec<Actor> = Vec::new();
    for _ in 0..bytes.count()? {
        let len = bytes.count()?;
        actors.push(bytes.take(len)?.into());
    }
    let count = bytes.count()?;
    let mut lens = [0usize; LISTS];
    for len in &mut lens {
        *len = bytes.count()?;
    }
    let mut lists = [const { Bytes(&[]) }; LISTS];
    for (list, len) in lists.iter_mut().zip(lens) {
        *list = Bytes(bytes.take(len)?);
    }
    let [lens, keys, counts, chunk_list, who, times] = &mut lists;
    let mut entries = Vec::with_capacity(count.min(1 << 16));
    let mut last: Vec<u8> = Vec::new();
    let (mut at, mut chunk) = (0u64, 0u32);
    for _ in 0..count {
        let shared = usize::try_from(lens.number()?).ok()?;
        let len = usize::try_from(lens.number()?).ok()?;
        if shared > last.len() || shared.saturating_add(len) > MOST_KEY {
            return None;
        }
        last.truncate(shared);
        last.extend(keys.take(len)?);
        let count = counts.number()?;
        at = at.wrapping_add(unzigzag(times.number()?) as u64);
        let end = at.wrapping_add(times.number()?);
        let mut chunks = Vec::with_capacity(chunk_list.count()?);
        let mut before = chunk;
        for place in 0..chunks.capacity() {
            let step = chunk_list.number()?;
            before = match place {
                0 => {
                    let first = i64::from(chunk).checked_add(unzigzag(step))?;
                    chunk = u32::try_from(first).ok()?;
                    chunk
                }
                _ => {
                    let step = u32::try_from(step).ok().filter(|step| *step > 0)?;
                    before.checked_add(step)?
                }
            };
            chunks.push(before);
        }
        let known = who.count().filter(|count| *count <= MOST_ACTORS)?;
        let mut by = Vec::with_capacity(known);
        let mut rest = count;
        for place in 0..known {
            let actor = actors.get(usize::try_from(who.number()?).ok()?)?;
            let number = who.number()?;
            let number = match place + 1 == known {
                true => rest.wrapping_sub(unzigzag(number) as u64),
                false => number,
            };
            rest = rest.wrapping_sub(number);
            by.push((actor.clone(), number));
        }
        let thing = Thing(last.clone());
        thing.kind()?;
        entries.push(Entry {
            thing,
            tally: Tally {
                count,
                first: at.wrapping_mul(TICK),
                last: end.wrapping_mul(TICK),
                by,
            },
            chunks,
        });
    }
    let read = bytes.0.is_empty() && lists.iter().all(|list| list.0.is_empty());
    read.then_some(entries)
}

/// An actor's process and container names.
pub(crate) fn actor_parts(actor: &[u8]) -> (&[u8], &[u8]) {
    let at = actor.iter().rposition(|byte| *byte == 0);
    let at = at.unwrap_or(actor.len());
    (
        actor.get(..at).unwrap_or_default(),
        actor.get(at + 1..).unwrap_or_default(),
    )
}

/// The actor that is called so.
#[cfg(test)]
pub(crate) fn actor(process: &str, container: &str) -> Actor {
    Actor::from(format!("{process}\0{container}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::things::Kind;
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let chunks = proptest::collection::btree_set(0u32..5000, 0..6);
        let by = proptest::collection::btree_map("[a-c]{1,3}", 1u64..99, 0..5);
        ("[a-z/]{0,20}", any::<u64>(), 0..u64::MAX >> 24, chunks, by).prop_map(
            |(text, count, first, chunks, by)| Entry {
                thing: Thing::new(Kind::File, &[Some(text.as_bytes())]),
                tally: Tally {
                    count,
                    first: first * TICK,
                    last: (first + (count & 0xffff)) * TICK,
                    by: by
                        .iter()
                        .map(|(name, n)| (actor(name, "web"), *n))
                        .collect(),
                },
                chunks: chunks.into_iter().collect(),
            },
        )
    }

    proptest! {
        #[test]
        fn a_block_comes_back_as_it_went_in(entries in proptest::collection::vec(entry(), 0..40)) {
            let mut draft = Draft::default();
            entries.iter().for_each(|entry| draft.push(entry));
            let raw = draft.take();
            prop_assert_eq!(read(&raw), Some(entries));
        }

        #[test]
        fn bytes_of_anybody_are_a_block_or_refused(
            entries in proptest::collection::vec(entry(), 1..10), at in any::<proptest::sample::Index>(), bit in 0..8u8, cut in any::<proptest::sample::Index>()
        ) {
            let mut draft = Draft::default();
            entries.iter().for_each(|entry| draft.push(entry));
            let mut raw = draft.take();
            let place = at.index(raw.len());
            raw[place] ^= 1 << bit;
            let _ = read(&raw);
            prop_assert_eq!(read(&raw[..cut.index(raw.len())]).map(|found| found.len()), None);
        }

        #[test]
        fn noise_is_refused_without_harm(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&noise);
        }
    }
}
