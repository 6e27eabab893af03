//! The catalogue of a folder: what is known of each of its captures, and the things of all that have an index, each once, with
//! the captures it is met in. So a word is looked up once and not ten thousand times, and only captures that have it are
//! opened. It lies in the user's cache, never among the evidence, and is sealed as an index is.
//!
//! A capture is taken for unchanged while its file is the same (device, inode, length, times of change); every other one is
//! not answered for.

use super::block::Entry;
use super::merge::{Row, merge_rows};
use super::sidecar::{About, Holds, In, Keeper, Out, Part, Refused};
use super::text::{self, Draft};
use super::things::{Kind, Tally, Thing};
use super::{Ask, Index};
use crate::ioc::Indicators;
use bincode::{Decode, Encode};
use hashbrown::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most captures of a catalogue, and most bytes of what is known of them.
const MOST_MEMBERS: usize = 200_000;
const MOST_BYTES: usize = 256 << 20;

/// Memory that things of new captures may take before they are written, bytes, roughly.
const MEMORY: usize = 96 << 20;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MOST_BYTES>()
}

/// By what a file is known to be the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of a file as it is now.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Stamp> {
        let meta = std::fs::symlink_metadata(path)?;
        Ok(Stamp {
            device: meta.dev(),
            inode: meta.ino(),
            len: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// A capture of a catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Member {
    /// Its path below the folder.
    name: Vec<u8>,
    stamp: Stamp,
    about: About,
    /// Its things are here.
    indexed: bool,
}

/// What was found in the captures of a catalogue.
#[derive(Clone, Debug, Default)]
pub struct Sifted {
    /// Things that were found, each once for every capture.
    pub found: u64,
    /// The captures that have them.
    pub captures: usize,
    /// Captures, by their places among those asked for, that may have one of the best.
    pub best: Vec<usize>,
}

/// A catalogue that was found to be our own, beside the captures as they are now.
pub struct Folder {
    index: Option<Index>,
    members: Vec<Member>,
    /// By place among the captures as they are now: which member it is.
    known: Vec<Option<u32>>,
    stamps: Vec<Option<Stamp>>,
}

fn name_of(folder: &Path, path: &Path) -> Vec<u8> {
    let name = path.strip_prefix(folder).unwrap_or(path);
    name.as_os_str().as_encoded_bytes().to_vec()
}

fn place(folder: &Path, keeper: &Keeper) -> Option<PathBuf> {
    let whole = folder.canonicalize().ok()?;
    let name = blake3::hash(whole.as_os_str().as_encoded_bytes()).to_hex();
    let name = format!("{}.folder", name.get(..32)?);
    Some(keeper.cache.as_ref()?.join(name))
}

fn read(folder: &Path, keeper: &Keeper) -> Result<(Index, Vec<Member>), Refused> {
    let place = place(folder, keeper).ok_or(Refused::Missing)?;
    let file = In::open(&place, &keeper.key)?;
    let part = file.head.members.clone().ok_or(Refused::Damaged)?;
    let raw = file.part(&part, MOST_BYTES as u64)?;
    let (members, _): (Vec<Member>, usize) =
        bincode::decode_from_slice(&raw, config()).map_err(|_| Refused::Damaged)?;
    Ok((Index::over(file, place, Holds::Whole), members))
}

impl Folder {
    /// The catalogue of a folder with these captures, as far as it still holds; of none, and where `keeper` is not known, an
    /// empty one.
    pub fn open(folder: &Path, files: &[PathBuf], keeper: Option<&Keeper>) -> Folder {
        let (index, members) = match keeper.map(|keeper| read(folder, keeper)) {
            Some(Ok((index, members))) => (Some(index), members),
            _ => (None, Vec::new()),
        };
        let names: HashMap<&[u8], u32> = (members.iter().zip(0..))
            .map(|(member, at)| (member.name.as_slice(), at))
            .collect();
        let mut known = Vec::with_capacity(files.len());
        let mut stamps = Vec::with_capacity(files.len());
        for path in files {
            let stamp = Stamp::of(path).ok();
            let name = path.strip_prefix(folder).unwrap_or(path);
            let at = names.get(name.as_os_str().as_encoded_bytes()).copied();
            let same = |at: &u32| {
                let member = members.get(*at as usize);
                stamp.is_some() && member.map(|member| &member.stamp) == stamp.as_ref()
            };
            known.push(at.filter(same));
            stamps.push(stamp);
        }
        drop(names);
        Folder {
            index,
            members,
            known,
            stamps,
        }
    }

    fn member(&self, at: usize) -> Option<&Member> {
        let known = self.known.get(at).copied().flatten()?;
        self.members.get(known as usize)
    }

    /// What is known of a capture, by its place among those asked for.
    pub fn about(&self, at: usize) -> Option<&About> {
        self.member(at).map(|member| &member.about)
    }

    /// Whether a capture's things are here.
    pub fn has_things(&self, at: usize) -> bool {
        self.member(at).is_some_and(|member| member.indexed)
    }

    /// Captures that are not answered for, or not with their things.
    pub fn missing(&self) -> usize {
        (0..self.known.len())
            .filter(|at| !self.has_things(*at))
            .count()
    }

    /// Captures that are not answered for at all.
    pub fn unknown(&self) -> usize {
        self.known.iter().filter(|known| known.is_none()).count()
    }

    /// By member: its place among the captures as they are now.
    fn places(&self) -> Vec<Option<usize>> {
        let mut places = vec![None; self.members.len()];
        for (at, known) in self.known.iter().enumerate() {
            if let Some(place) = known.and_then(|known| places.get_mut(known as usize)) {
                *place = Some(at);
            }
        }
        places
    }

    /// What is found in all captures whose things are here, and those of them that may have one of the best `number`.
    ///
    /// # Errors
    /// When the catalogue turns out to be damaged.
    pub fn search(&self, ask: &Ask, number: usize) -> Result<Sifted, Refused> {
        let Some(index) = &self.index else {
            return Ok(Sifted::default());
        };
        let places = self.places();
        // By capture and score: how many.
        let mut scores: HashMap<(u32, u32), u64> = HashMap::new();
        let mut sifted = Sifted::default();
        index.candidates(Some(ask), |_, entry| {
            if entry.thing.kind() == Some(Kind::Flow) {
                return true;
            }
            if let Some(score) = ask.score(&entry.thing) {
                for member in &entry.chunks {
                    let at = places.get(*member as usize).copied().flatten();
                    if let Some(at) = at.and_then(|at| u32::try_from(at).ok()) {
                        *scores.entry((at, score)).or_default() += 1;
                        sifted.found += 1;
                    }
                }
            }
            true
        })?;
        let mut all: Vec<((u32, u32), u64)> = scores.into_iter().collect();
        let mut captures: Vec<u32> = all.iter().map(|((at, _), _)| *at).collect();
        captures.sort_unstable();
        captures.dedup();
        sifted.captures = captures.len();
        // The best come first; of equal ones those of the first captures.
        all.sort_unstable_by_key(|((at, score), _)| (std::cmp::Reverse(*score), *at));
        let mut left = number as u64;
        for ((at, _), count) in all {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(count);
            sifted.best.push(at as usize);
        }
        sifted.best.sort_unstable();
        sifted.best.dedup();
        Ok(sifted)
    }

    /// By place among the captures asked for: whether it has a thing that `wanted` wants. Captures whose things are not here
    /// may have any.
    ///
    /// # Errors
    /// When the catalogue turns out to be damaged.
    pub(crate) fn having(
        &self,
        ask: Option<&Ask>,
        mut wanted: impl FnMut(&Thing) -> bool,
    ) -> Result<Vec<bool>, Refused> {
        let mut having: Vec<bool> = (0..self.known.len())
            .map(|at| !self.has_things(at))
            .collect();
        let Some(index) = &self.index else {
            return Ok(having);
        };
        let places = self.places();
        index.candidates(ask, |_, entry| {
            if wanted(&entry.thing) {
                for member in &entry.chunks {
                    let at = places.get(*member as usize).copied().flatten();
                    if let Some(has) = at.and_then(|at| having.get_mut(at)) {
                        *has = true;
                    }
                }
            }
            true
        })?;
        Ok(having)
    }

    /// By place among the captures asked for: whether it may have what is asked for by words.
    ///
    /// # Errors
    /// When the catalogue turns out to be damaged.
    pub fn may_have(&self, ask: &Ask) -> Result<Vec<bool>, Refused> {
        if !ask.has_text() {
            return Ok(vec![true; self.known.len()]);
        }
        self.having(Some(ask), |thing| ask.score(thing).is_some())
    }

    /// By place among the captures asked for: whether it may have an indicator of a list.
    ///
    /// # Errors
    /// When the catalogue turns out to be damaged.
    pub fn may_show(&self, list: &Indicators) -> Result<Vec<bool>, Refused> {
        self.having(None, |thing| list.is_in(thing))
    }

    /// Writes the catalogue anew, with the captures as they are now. `learn` tells of a capture that is not in it, or not with
    /// its things: what is known of it, and its index where it has one that is whole; `None` for what must not be kept.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn update(
        self,
        folder: &Path,
        files: &[PathBuf],
        keeper: &Keeper,
        mut learn: impl FnMut(&Path) -> Option<(About, Option<Index>)>,
    ) -> io::Result<()> {
        let Some(target) = place(folder, keeper).filter(|_| files.len() <= MOST_MEMBERS) else {
            return Ok(());
        };
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let places = self.places();
        let (mut members, mut numbers) = (Vec::new(), vec![None; self.members.len()]);
        // Members keep their order, which is that of the files.
        let mut fresh: HashMap<Thing, Vec<u32>> = HashMap::new();
        let mut bytes = 0usize;
        let mut parts: Vec<(In, PathBuf)> = Vec::new();
        let draft = |at: usize| target.with_extension(format!("{}.{at}", std::process::id()));
        let clear = |parts: &[(In, PathBuf)]| {
            for (_, path) in parts {
                let _ = std::fs::remove_file(path);
            }
        };
        for (at, path) in files.iter().enumerate() {
            let number = u32::try_from(members.len()).unwrap_or(u32::MAX);
            let Some(stamp) = self.stamps.get(at).cloned().flatten() else {
                continue;
            };
            if self.has_things(at)
                && let Some(member) = self.member(at)
            {
                members.push(member.clone());
                let old = self.known.get(at).copied().flatten();
                if let Some(slot) = old.and_then(|old| numbers.get_mut(old as usize)) {
                    *slot = Some(number);
                }
                continue;
            }
            let Some((about, index)) = learn(path) else {
                continue;
            };
            let mut indexed = index.is_some();
            if let Some(index) = index {
                let added = index.candidates(None, |_, entry| {
                    match fresh.get_mut(&entry.thing) {
                        Some(have) => have.push(number),
                        None => {
                            bytes += entry.thing.0.len() + 96;
                            fresh.insert(entry.thing.clone(), vec![number]);
                        }
                    }
                    bytes += 4;
                    true
                });
                indexed = added.is_ok();
            }
            members.push(Member {
                name: name_of(folder, path),
                stamp,
                about,
                indexed,
            });
            if bytes > MEMORY {
                let path = draft(parts.len() + 1);
                let mut out = Out::create(&path)?;
                for entry in entries(&mut fresh) {
                    out.push(&entry, 1)?;
                }
                out.finish(&keeper.key, 1)?;
                bytes = 0;
                let file = In::open(&path, &keeper.key).map_err(io::Error::other)?;
                parts.push((file, path));
            }
        }
        drop(places);
        let mut rows: Vec<Row<'_>> = Vec::new();
        if let Some(index) = &self.index {
            let kept = index.file.entries().filter_map(|entry| match entry {
                Err(why) => Some(Err(why)),
                Ok(mut entry) => {
                    let number = |old: &u32| numbers.get(*old as usize).copied().flatten();
                    entry.chunks = entry.chunks.iter().filter_map(number).collect();
                    (!entry.chunks.is_empty()).then_some(Ok(entry))
                }
            });
            rows.push(Box::new(kept));
        }
        rows.extend(
            parts
                .iter()
                .map(|(file, _)| Box::new(file.entries()) as Row<'_>),
        );
        rows.push(Box::new(entries(&mut fresh).into_iter().map(Ok)));
        let path = draft(0);
        let written = write(&path, &target, keeper, rows, &members);
        clear(&parts);
        if written.is_err() {
            let _ = std::fs::remove_file(&path);
        }
        written
    }
}

fn entries(fresh: &mut HashMap<Thing, Vec<u32>>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = fresh
        .drain()
        .map(|(thing, chunks)| Entry {
            thing,
            tally: Tally::default(),
            chunks,
        })
        .collect();
    entries.sort_unstable_by(|a, b| a.thing.cmp(&b.thing));
    entries
}

fn write(
    path: &Path,
    target: &Path,
    keeper: &Keeper,
    rows: Vec<Row<'_>>,
    members: &[Member],
) -> io::Result<()> {
    let words = path.with_extension("words");
    let _ = std::fs::remove_dir_all(&words);
    let mut out = Out::create(path)?;
    // Words are worth their place from so many things on, which is known afterwards.
    std::fs::create_dir(&words)?;
    let made = (|| -> io::Result<Vec<(String, Part)>> {
        let mut draft = Draft::create(&words)?;
        let mut number = 0u64;
        merge_rows(rows, |entry| {
            draft.add(number, entry.thing.texts().flatten())?;
            number += 1;
            out.push(entry, 3)
        })?;
        let mut parts = Vec::new();
        if number >= text::WORTH {
            for (name, path) in draft.finish()? {
                parts.push((name, out.part(&std::fs::read(path)?, 3)?));
            }
        }
        Ok(parts)
    })();
    let _ = std::fs::remove_dir_all(&words);
    out.head.text = made?;
    let raw = bincode::encode_to_vec(members, config()).map_err(io::Error::other)?;
    out.head.members = Some(out.part(&raw, 3)?);
    out.finish(&keeper.key, 3)?;
    std::fs::rename(path, target)
}
