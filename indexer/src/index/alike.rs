//! Sorts of events as an index keeps them: of chunks in which they are few, as many as it may hold, some chunks to a part.

use super::Index;
use super::sidecar::{In, Out, Part};
use crate::alike::{Alike, BYTES, Summing};
use bincode::{Decode, Encode};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, PoisonError};

/// Sorts after which a part ends.
const PART: usize = 4 << 10;

/// Most bytes of a part before compression.
const MOST_RAW: u64 = 32 << 20;

/// Bytes of parts, before compression, that are kept decoded.
const KEPT: u64 = 24 << 20;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<{ MOST_RAW as usize }>()
}

/// The chunks of a part.
#[derive(Default, Encode, Decode)]
struct Chunks(Vec<(u32, Arc<Alike>)>);

/// Parts that were read, by number, and how many bytes they are; `None` for one that cannot be used.
#[derive(Default)]
pub(super) struct Read {
    bytes: u64,
    parts: HashMap<usize, Option<Arc<Chunks>>>,
}

/// Sorts that were found and are not written yet.
#[derive(Default)]
pub(super) struct Found {
    /// By chunk, each with the number of its events.
    chunks: BTreeMap<u32, (u64, Alike)>,
    /// Events of all chunks that were looked at.
    events: u64,
}

impl Found {
    /// A chunk was looked at.
    pub fn add(&mut self, chunk: usize, events: u64, alike: Option<Alike>) {
        self.events = self.events.saturating_add(events);
        let chunk = u32::try_from(chunk).ok();
        let found = chunk.zip(alike);
        (self.chunks).extend(found.map(|(chunk, alike)| (chunk, (events, alike))));
    }

    /// Writes those that are worth most, as many as they may be.
    pub fn write(&mut self, out: &mut Out, summing: Summing, level: i32) -> io::Result<()> {
        let Found { chunks, events } = std::mem::take(self);
        let mut order: Vec<(u64, u32, u64)> = (chunks.iter())
            .map(|(at, (events, alike))| {
                let sorts = alike.len().max(1) as u64;
                (events / sorts, *at, sorts * BYTES)
            })
            .collect();
        order.sort_unstable_by_key(|(worth, at, _)| (std::cmp::Reverse(*worth), *at));
        let mut left = events.saturating_mul(summing.bytes) / 1_000_000;
        left = left.max(64 << 10);
        let mut kept = BTreeMap::new();
        let mut chunks = chunks;
        for (_, at, bytes) in order {
            let Some(rest) = left.checked_sub(bytes) else {
                break;
            };
            left = rest;
            kept.extend(chunks.remove(&at).map(|(_, alike)| (at, alike)));
        }
        let mut part = Chunks::default();
        let mut sorts = 0;
        for (at, alike) in kept {
            sorts += alike.len();
            part.0.push((at, Arc::new(alike)));
            if sorts >= PART {
                put(out, &std::mem::take(&mut part), level)?;
                sorts = 0;
            }
        }
        put(out, &part, level)
    }
}

fn put(out: &mut Out, chunks: &Chunks, level: i32) -> io::Result<()> {
    let Some((first, _)) = chunks.0.first() else {
        return Ok(());
    };
    let raw = bincode::encode_to_vec(chunks, config()).map_err(io::Error::other)?;
    let part = out.part(&raw, level)?;
    out.head.alike.push((part, *first));
    Ok(())
}

/// Takes over what another index keeps.
pub(super) fn take_over(out: &mut Out, file: &In, level: i32) -> io::Result<()> {
    for (part, first) in &file.head.alike {
        let raw = file.part(part, MOST_RAW).map_err(io::Error::other)?;
        let part: Part = out.part(&raw, level)?;
        out.head.alike.push((part, *first));
    }
    Ok(())
}

impl Index {
    /// The sorts of a chunk's events, where they are kept.
    pub(crate) fn alike(&self, chunk: usize) -> Option<Arc<Alike>> {
        let chunk = u32::try_from(chunk).ok()?;
        let parts = &self.head().alike;
        let at = parts.partition_point(|(_, first)| *first <= chunk);
        let at = at.checked_sub(1)?;
        let (part, _) = parts.get(at)?;
        let lock = || self.alike.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().parts.get(&at).cloned();
        let chunks = match known {
            Some(known) => known?,
            None => {
                let read = || {
                    let raw = self.file.part(part, MOST_RAW).ok()?;
                    let read = bincode::decode_from_slice::<Chunks, _>(&raw, config());
                    let (chunks, used) = read.ok()?;
                    let sound = chunks.0.iter().all(|(_, alike)| alike.is_sound())
                        && chunks.0.is_sorted_by_key(|(at, _)| *at);
                    (sound && used == raw.len()).then(|| Arc::new(chunks))
                };
                let read = read();
                let mut kept = lock();
                if kept.bytes.saturating_add(part.raw) > KEPT {
                    *kept = Read::default();
                }
                kept.bytes = kept.bytes.saturating_add(part.raw);
                kept.parts.insert(at, read.clone());
                read?
            }
        };
        let place = chunks.0.binary_search_by_key(&chunk, |(at, _)| *at).ok()?;
        let place = chunks.0.get(place)?;
        Some(place.1.clone())
    }
}
