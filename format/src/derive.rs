//! Captures made from captures: a slice, several merged into one, one packed anew. A derived capture names its parents by
//! their hashes and what was found when they were verified, is signed by who made it, and can be read without them.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod frames;
mod origin;
mod stream;

pub use self::origin::{Origin, hash_of};

use self::frames::Frames;
use self::stream::Stream;
use crate::custody::Deed;
use crate::error::{Digest, Error, ErrorKind, malformed};
use crate::keys::SecretKey;
use crate::layout::MAX_CHUNK_EVENTS;
use crate::output;
use crate::read::Reader;
use crate::records::{Lineage, Parent};
use crate::remap::Remap;
use crate::write::{Writer, WriterOptions, made_at};
use afterimage_model::{BootNs, ContainerId, Event, Gap, Manifest, ProcId, Schema, Tables, Totals};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Rows of processes that are gathered before a chunk is written.
const MOST_ROWS: usize = 1 << 16;

/// What becomes of the instants of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamps {
    /// Nothing.
    #[default]
    Nanoseconds,
    /// They are cut to whole microseconds. The order of events stays.
    Microseconds,
}

/// What there was of each of several origins at an instant, in their order; `None` where that cannot be told.
pub type StateAt<'a> = dyn Fn(BootNs) -> Option<Vec<Tables>> + 'a;

/// Keyframes of a capture that is made of several.
#[derive(Clone, Copy)]
pub struct Keyframes<'a> {
    /// Time between two of them, ns.
    pub every_ns: u64,
    /// What they hold.
    pub state: &'a StateAt<'a>,
}

/// How a capture is made from others. By default all that they hold, packed as a recording is, and unsigned.
#[derive(Default)]
pub struct Recipe<'a> {
    /// What is done: `sliced`, `merged` or `repacked`.
    pub deed: Deed,
    /// What signs it.
    pub key: Option<&'a SecretKey>,
    /// Chunks and their compression.
    pub options: WriterOptions,
    /// Only events of this span, both ends included.
    pub span: Option<(u64, u64)>,
    /// Only what concerns these containers.
    pub containers: Option<BTreeSet<ContainerId>>,
    /// What becomes of the instants of events.
    pub stamps: Stamps,
    /// What was there at the beginning of the span, of a single origin; what it knows of all its time without that.
    pub opening: Option<Tables>,
    /// Keyframes where there are several origins; of a single one, its own are kept. Without this there are none.
    pub keyframes: Option<Keyframes<'a>>,
}

impl Recipe<'_> {
    /// Large chunks, packed as small as can be: slow to write, as fast to read.
    pub fn archive() -> WriterOptions {
        WriterOptions {
            chunk_events: MAX_CHUNK_EVENTS as usize,
            chunk_bytes: 32 << 20,
            chunk_span_ns: u64::MAX,
            level: 19,
            ..WriterOptions::default()
        }
    }

    fn holds(&self, time: BootNs) -> bool {
        self.span
            .is_none_or(|(from, to)| (from..=to).contains(&time.0))
    }

    fn touches(&self, start: BootNs, end: BootNs) -> bool {
        self.span
            .is_none_or(|(from, to)| start.0 <= to && end.0 >= from)
    }

    /// Whether a process's doings concern the containers that are meant.
    fn concerns(&self, proc: ProcId, tables: &Tables) -> bool {
        let Some(containers) = &self.containers else {
            return true;
        };
        let container = tables.proc(proc).and_then(|process| process.container);
        container.is_some_and(|container| containers.contains(&container))
    }
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Events in it.
    pub events: u64,
    /// Events left out.
    pub left_out: u64,
    /// Gaps in it.
    pub gaps: Vec<Gap>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Its digest.
    pub digest: Digest,
}

/// Which events are kept, beyond what a recipe says: asked with the event's number, the event, and the rows it points at.
pub type Keep<'a> = &'a mut dyn FnMut(u64, &Event, &Tables) -> bool;

/// Makes a new file, which must not exist, of what `keep` keeps of the origins. Several must be of one boot of one host:
/// their clocks are one then, and their events are put in the order of time.
///
/// # Errors
/// When there is no origin, when they do not belong together, when something cannot be read that is no mere damage, and
/// when the file cannot be written; then none is left behind.
pub fn derive(
    origins: &[Origin],
    to: &Path,
    recipe: &Recipe<'_>,
    keep: Keep<'_>,
) -> Result<Derived, Error> {
    let first = origins.first().ok_or(Error::file(ErrorKind::Missing {
        what: "capture to make another one from",
    }))?;
    // What is of another program has neither its types nor its clock in common with what is ours.
    let has_schema = |o: &&Origin| !o.reader.schema().types.is_empty();
    let schema = first.reader.schema();
    let mut with_types = origins.iter().filter(has_schema);
    if let Some(other) = with_types.find(|o| o.reader.schema() != schema)
        && has_schema(&first)
    {
        return Err(Error::file(ErrorKind::Different {
            what: "set of event types",
            name: other.parent.name.clone(),
        }));
    }
    let boot = &first.reader.manifest().boot_id;
    if let Some(other) = (origins.iter()).find(|o| o.reader.manifest().boot_id != *boot) {
        return Err(Error::file(ErrorKind::Different {
            what: "boot",
            name: other.parent.name.clone(),
        }));
    }
    // Where it is not told which boot it was, it must at least be one host.
    let host = &first.reader.manifest().host;
    let other = origins.iter().find(|o| o.reader.manifest().host != *host);
    if let Some(other) = other.filter(|_| boot.is_empty()) {
        return Err(Error::file(ErrorKind::Different {
            what: "host",
            name: other.parent.name.clone(),
        }));
    }
    if (origins.iter()).any(|o| o.reader.schema().types.is_empty() && !o.reader.chunks().is_empty())
    {
        return Err(Error::file(ErrorKind::Missing { what: "schema" }));
    }
    if let Some(other) = origins.iter().find(|o| o.reader.schema() != schema) {
        return Err(Error::file(ErrorKind::Different {
            what: "set of event types",
            name: other.parent.name.clone(),
        }));
    }
    output::create(to, |file| {
        let job = Job {
            origins,
            recipe,
            schema: first.reader.schema(),
        };
        let (out, derived) = job.run(BufWriter::new(file), keep)?;
        let file: File = out
            .into_inner()
            .map_err(|error| output::failed(error.into_error()))?;
        Ok((file, derived))
    })
}

struct Job<'a> {
    origins: &'a [Origin],
    recipe: &'a Recipe<'a>,
    schema: &'a Schema,
}

impl Job<'_> {
    fn manifest(&self) -> Result<Manifest, Error> {
        let all = || self.origins.iter().map(|origin| origin.reader.manifest());
        let earliest = all().min_by_key(|manifest| manifest.clock.boot_ns);
        let mut manifest = earliest.cloned().unwrap_or_default();
        manifest.capture_id = random_id().map_err(output::failed)?;
        for other in all() {
            for (list, more) in [
                (&mut manifest.coverage, &other.coverage),
                (&mut manifest.not_covered, &other.not_covered),
            ] {
                for line in more {
                    if !list.contains(line) {
                        list.push(line.clone());
                    }
                }
            }
            for (text, more) in [
                (&mut manifest.scope, &other.scope),
                (&mut manifest.case_id, &other.case_id),
                (&mut manifest.reason, &other.reason),
            ] {
                if !more.is_empty() && !text.split("; ").any(|part| part == more) {
                    let comma = if text.is_empty() { "" } else { "; " };
                    *text = format!("{text}{comma}{more}");
                }
            }
        }
        if self.recipe.stamps == Stamps::Microseconds {
            manifest.limits.insert("stamps".to_owned(), "us".to_owned());
        }
        Ok(manifest)
    }

    fn lineage(&self) -> Lineage {
        let parents: Vec<Parent> = self.origins.iter().map(|o| o.parent.clone()).collect();
        Lineage {
            parent: parents.first().map_or_else(Vec::new, |p| p.hash.clone()),
            derived_by: self.recipe.deed.action.clone(),
            parents,
            ..Lineage::default()
        }
    }

    fn run<W: Write>(&self, out: W, keep: Keep<'_>) -> Result<(W, Derived), Error> {
        let manifest = self.manifest()?;
        let mut writer = Writer::signed(
            out,
            &manifest,
            &self.lineage(),
            self.schema,
            WriterOptions {
                made_ns: Some(self.recipe.deed.made_ns),
                ..self.recipe.options.clone()
            },
            self.recipe.key,
        )?;
        writer.custody(&self.recipe.deed, self.recipe.key)?;
        let mut remap = Remap::of(self.origins.len());
        let begins = self.origins.iter().map(|origin| origin.reader.begins().0);
        let begins = begins.min().unwrap_or(manifest.clock.boot_ns);
        // What one section begins with is not what those do that another capture tells of later.
        let has_sections = (self.origins.iter()).any(|origin| origin.reader.has_sections());
        let known = (self.recipe.keyframes)
            .filter(|_| has_sections && self.origins.len() > 1 && self.recipe.opening.is_none())
            .and_then(|keyframes| (keyframes.state)(BootNs(begins)));
        let states = self.origins.iter().map(|origin| {
            let state = match (&self.recipe.opening, self.origins.len()) {
                (Some(opening), _) => opening.clone(),
                // Later sections come with keyframes of their own.
                (None, 1) => origin.reader.opening(),
                (None, _) => origin.reader.state().clone(),
            };
            self.ours(state)
        });
        // Who comes into being later, and perhaps does nothing, is told behind the events.
        let mut to_come = Vec::new();
        let states: Vec<Tables> = match known {
            Some(known) => {
                let later = states.map(|state: Tables| Tables {
                    procs: (state.procs.into_iter())
                        .filter(|(_, row)| row.key.start_ns > begins && !row.past)
                        .collect(),
                    ..Tables::default()
                });
                to_come = later.collect();
                known.into_iter().map(|state| self.ours(state)).collect()
            }
            None => states.collect(),
        };
        let mut tables = remap.state(states);
        let at = (self.recipe.span).map_or(begins, |span| span.0.max(begins));
        writer.state(BootNs(at), &tables)?;
        tables = Tables::default();
        let mut streams = self
            .origins
            .iter()
            .map(|origin| Stream::new(&origin.reader, self.recipe))
            .collect::<Vec<_>>();
        let (mut events, mut left_out, mut pending) = (0_u64, 0_u64, 0_usize);
        // The chunk of the event before.
        let mut last = 0_usize;
        let mut frames = Frames::of(self.origins, self.recipe);
        // The stream whose next event is the earliest gives it.
        loop {
            let mut earliest: Option<(u64, usize)> = None;
            for (at, stream) in streams.iter_mut().enumerate() {
                let Some(time) = stream.peek() else { continue };
                if earliest.is_none_or(|(other, _)| time < other) {
                    earliest = Some((time, at));
                }
            }
            let Some((_, at)) = earliest else { break };
            let Some(stream) = streams.get_mut(at) else {
                break;
            };
            let Some((num, event)) = stream.next() else {
                continue;
            };
            let rows = &stream.tables;
            let wanted = self.recipe.holds(event.time)
                && self.recipe.concerns(event.proc, rows)
                && keep(num, &event, rows);
            if !wanted {
                left_out = left_out.saturating_add(1);
                continue;
            }
            let chunk = stream.next_chunk.saturating_sub(1);
            if let Some(frames) = &mut frames
                && let Some(instant) = frames.due(event.time, &streams)
                && let Some(known) = frames.state(instant)
            {
                writer.flush(&tables)?;
                let known = known.into_iter().map(|state| self.ours(state)).collect();
                writer.keyframe(self.stamp(instant), &remap.state(known))?;
                tables = Tables::default();
                streams.iter_mut().for_each(|stream| stream.taken = false);
                pending = 0;
            }
            let Some(stream) = streams.get_mut(at) else {
                break;
            };
            // Only a single origin's keyframes are of all there is. Each ends a chunk; where that would be a small one there will
            // be another soon, but for those with which a section begins.
            let begins = chunk > last && stream.reader.begins_section(last, chunk);
            if self.origins.len() == 1
                && chunk > last
                && events > 0
                && (pending == 0 || begins || pending >= self.recipe.options.chunk_events / 2)
                && let Some((at, known)) = stream.reader.last_between(last, chunk)
                && self.recipe.holds(at)
            {
                let at = self.stamp(at);
                writer.flush(&tables)?;
                let known = self.ours(known);
                match begins || !stream.reader.has_sections() {
                    true => writer.keyframe(at, &known)?,
                    false => writer.keyframe_within(at, &known)?,
                }
                tables = Tables::default();
                stream.taken = false;
                pending = 0;
            }
            last = chunk;
            if !std::mem::replace(&mut stream.taken, true) {
                remap.rows(at, &stream.tables, &mut tables);
            }
            if let Some(frames) = &mut frames {
                frames.took(event.time);
            }
            let mut event = remap.event(at, event);
            event.time = self.stamp(event.time);
            writer.push(event, &tables)?;
            (events, pending) = (events.saturating_add(1), pending.saturating_add(1));
            if pending >= self.recipe.options.chunk_events || tables.procs.len() > MOST_ROWS {
                writer.flush(&tables)?;
                tables = Tables::default();
                streams.iter_mut().for_each(|stream| stream.taken = false);
                pending = 0;
            }
        }
        writer.flush(&tables)?;
        if events > 0 && !to_come.is_empty() {
            writer.state(BootNs(at), &remap.state(to_come))?;
        }
        left_out = left_out.saturating_add(streams.iter().map(|s| s.skipped).sum());
        let gaps = self.gaps(&streams);
        for gap in &gaps {
            writer.gap(gap)?;
        }
        self.notes(&mut writer)?;
        writer.checkpoint(made_at(self.recipe.deed.made_ns))?;
        writer.ended(&self.recipe.deed.action);
        let dropped = gaps.iter().filter_map(|gap| gap.count);
        let dropped = dropped.fold(0, u64::saturating_add);
        let totals = Totals {
            offered: events.saturating_add(left_out).saturating_add(dropped),
            written: events,
            filtered: left_out,
            dropped,
            ..Totals::default()
        };
        let mut derived = Derived {
            events,
            left_out,
            gaps,
            bytes: 0,
            digest: Digest([0; 32]),
        };
        let (out, anchor) = writer.seal_anchored(&totals, &tables)?;
        (derived.bytes, derived.digest) = (anchor.bytes, anchor.digest);
        Ok((out, derived))
    }

    fn stamp(&self, time: BootNs) -> BootNs {
        match self.recipe.stamps {
            Stamps::Nanoseconds => time,
            Stamps::Microseconds => {
                let us = time.0.checked_div(1_000).unwrap_or(0);
                BootNs(us.saturating_mul(1_000))
            }
        }
    }

    /// Of what was known all, or what concerns the containers that are meant.
    fn ours(&self, mut state: Tables) -> Tables {
        let Some(containers) = &self.recipe.containers else {
            return state;
        };
        let mut procs: BTreeSet<ProcId> = BTreeSet::new();
        for process in state.procs.values() {
            if process.container.is_some_and(|id| containers.contains(&id)) {
                let mut next = Some(process.id);
                while let Some(process) = next.and_then(|id| state.proc(id)) {
                    if !procs.insert(process.id) {
                        break;
                    }
                    next = process.parent;
                }
            }
        }
        let ours = |container: Option<ContainerId>| {
            container.is_none_or(|container| containers.contains(&container))
        };
        let Tables {
            procs: rows,
            descriptors,
            ..
        } = &mut state;
        rows.retain(|id, _| procs.contains(id));
        descriptors.retain(|(proc, _), _| {
            let container = rows.get(proc).and_then(|row| row.container);
            container.is_some_and(|container| containers.contains(&container))
        });
        let files: BTreeSet<_> = state.descriptors.values().copied().collect();
        state.files.retain(|id, _| files.contains(id));
        state.containers.retain(|id, _| containers.contains(id));
        state.users.retain(|(container, _), _| ours(*container));
        state.groups.retain(|(container, _), _| ours(*container));
        state
            .mounts
            .retain(|_, mount| mount.container.is_some_and(|id| containers.contains(&id)));
        state
    }

    /// Gaps of the span, and those that damage left.
    fn gaps(&self, streams: &[Stream<'_>]) -> Vec<Gap> {
        let known = self.origins.iter().flat_map(|o| o.reader.gaps().to_vec());
        let mut gaps: Vec<Gap> = known
            .chain(streams.iter().flat_map(|stream| stream.lost.clone()))
            .filter(|gap| self.recipe.touches(gap.start, gap.end))
            .collect();
        gaps.sort_by_key(|gap| (gap.start, gap.end));
        gaps
    }

    /// Remarks of the span and artifacts.
    fn notes<W: Write>(&self, writer: &mut Writer<W>) -> Result<(), Error> {
        for origin in self.origins {
            for note in origin.reader.remarks() {
                if note.about.is_none_or(|at| self.recipe.holds(at)) {
                    writer.note(note)?;
                }
            }
            if self.recipe.containers.is_some() {
                continue;
            }
            for at in 0..origin.reader.artifacts() {
                if let Ok(artifact) = origin.reader.artifact(at) {
                    writer.artifact(&artifact)?;
                }
            }
        }
        Ok(())
    }
}

/// A random name for a capture.
pub(crate) fn random_id() -> std::io::Result<String> {
    let key = SecretKey::generate()?;
    let hash = blake3::hash(&key.public().0);
    let hex = hash.to_hex();
    Ok(hex.chars().take(32).collect())
}

/// The containers of a capture that are called one of these names, ids or beginnings of ids.
///
/// # Errors
/// When one is called by no container.
pub fn containers_called(
    reader: &Reader,
    names: &[String],
) -> Result<BTreeSet<ContainerId>, Error> {
    let mut found = BTreeSet::new();
    for name in names {
        let before = found.len();
        let all = reader.state().containers.values();
        let called = all.filter(|container| {
            container.name == *name
                || (name.len() >= 3 && container.full_id.starts_with(name.as_str()))
        });
        found.extend(called.map(|container| container.id));
        if found.len() == before {
            return Err(Error::file(malformed("name of a container")));
        }
    }
    Ok(found)
}
