//! Blocks of the index: things in order, each with its tally and the chunks it is met in, compressed. What is read back is
//! checked at every step: a block may have been damaged, or made by somebody else.

use super::things::{Actor, MOST_ACTORS, MOST_FIELDS, MOST_TEXT, Tally, Thing};
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

/// A block being made.
#[derive(Default)]
pub(crate) struct Draft {
    actors: HashMap<Actor, u64>,
    names: Vec<u8>,
    body: Vec<u8>,
    last: Vec<u8>,
    at: u64,
    pub things: u64,
}

impl Draft {
    pub fn push(&mut self, entry: &Entry) {
        let key = &entry.thing.0;
        let shared = self
            .last
            .iter()
            .zip(key)
            .take_while(|(a, b)| a == b)
            .count();
        put(&mut self.body, shared as u64);
        put(&mut self.body, (key.len() - shared) as u64);
        self.body.extend(key.iter().skip(shared));
        let tally = &entry.tally;
        put(&mut self.body, tally.count);
        // Things that stand together were often met together.
        let step = tally.first.wrapping_sub(self.at) as i64;
        put(&mut self.body, (step << 1 ^ step >> 63) as u64);
        put(&mut self.body, tally.last.wrapping_sub(tally.first));
        put(&mut self.body, entry.chunks.len() as u64);
        let mut before = 0;
        for chunk in &entry.chunks {
            put(&mut self.body, u64::from(chunk.wrapping_sub(before)));
            before = *chunk;
        }
        put(&mut self.body, tally.by.len() as u64);
        for (actor, count) in &tally.by {
            let next = self.actors.len() as u64;
            let place = *self.actors.entry(actor.clone()).or_insert_with(|| {
                put(&mut self.names, actor.len() as u64);
                self.names.extend(actor.iter());
                next
            });
            put(&mut self.body, place);
            put(&mut self.body, *count);
        }
        self.last.clone_from(key);
        self.at = tally.first;
        self.things += 1;
    }

    pub fn is_full(&self) -> bool {
        self.body.len() >= BLOCK
    }

    /// The bytes; the draft is empty again.
    pub fn take(&mut self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(self.names.len() + self.body.len() + 20);
        put(&mut raw, self.actors.len() as u64);
        raw.append(&mut self.names);
        put(&mut raw, self.things);
        raw.append(&mut self.body);
        *self = Draft::default();
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
    let mut entries = Vec::with_capacity(count.min(1 << 16));
    let (mut last, mut at): (Vec<u8>, u64) = (Vec::new(), 0);
    for _ in 0..count {
        let shared = usize::try_from(bytes.number()?).ok()?;
        let len = bytes.count()?;
        if shared > last.len() || shared.saturating_add(len) > MOST_KEY {
            return None;
        }
        last.truncate(shared);
        last.extend(bytes.take(len)?);
        let count = bytes.number()?;
        let step = bytes.number()?;
        let first = at.wrapping_add(((step >> 1) as i64 ^ -((step & 1) as i64)) as u64);
        let tally_last = first.wrapping_add(bytes.number()?);
        let mut chunks = Vec::with_capacity(bytes.count()?);
        let mut before = 0u32;
        for place in 0..chunks.capacity() {
            let step = u32::try_from(bytes.number()?).ok()?;
            if place > 0 && step == 0 {
                return None;
            }
            before = before.checked_add(step)?;
            chunks.push(before);
        }
        let mut by = Vec::new();
        for _ in 0..bytes.count().filter(|count| *count <= MOST_ACTORS)? {
            let actor = actors.get(usize::try_from(bytes.number()?).ok()?)?;
            by.push((actor.clone(), bytes.number()?));
        }
        at = first;
        let thing = Thing(last.clone());
        thing.kind()?;
        entries.push(Entry {
            thing,
            tally: Tally {
                count,
                first,
                last: tally_last,
                by,
            },
            chunks,
        });
    }
    bytes.0.is_empty().then_some(entries)
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
        ("[a-z/]{0,20}", any::<u64>(), any::<u64>(), chunks, by).prop_map(
            |(text, count, first, chunks, by)| Entry {
                thing: Thing::new(Kind::File, &[Some(text.as_bytes())]),
                tally: Tally {
                    count,
                    first,
                    last: first.wrapping_add(count),
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
