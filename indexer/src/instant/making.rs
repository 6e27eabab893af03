//! Making the states that an index keeps: all events are gone through once, and every so often what there is then is kept.

use super::halted::GoingOn;
use super::kept::{Common, Noting, Place, encoded};
use super::{Identity, Instant, MOST_OPEN};
use crate::session::{Progress, Session};
use afterimage_format::pack_rows;
use afterimage_model::{FileId, ProcId, Tables};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Compression of what is kept.
const DENSE: i32 = 12;

/// Most bytes of all of it.
const MOST: usize = 64 << 20;

/// Most rows that are kept with one state.
const MOST_ROWS: usize = 100_000;

/// How far apart states are kept.
#[derive(Clone, Copy, Debug)]
pub struct Spacing {
    /// Events between two of them, at least.
    pub events: u64,
    /// Bytes that they may take, in a thousand events.
    pub bytes: u64,
    /// Bytes that they may take in any case.
    pub free: u64,
}

impl Default for Spacing {
    /// A replay of so many events is a matter of a tenth of a second.
    fn default() -> Spacing {
        Spacing {
            events: 400_000,
            bytes: 50,
            free: 64 << 10,
        }
    }
}

/// A part, compressed, and how long it is before that.
pub(crate) type Pressed = (Vec<u8>, usize);

/// What is to be kept.
#[derive(Default)]
pub(crate) struct Made {
    /// What all states have in common.
    pub common: Vec<u8>,
    /// The states.
    pub states: Vec<Pressed>,
    /// Their rows.
    pub rows: Vec<Pressed>,
    /// When processes ended, ns since boot; not for the index.
    pub ends: HashMap<Identity, u64>,
}

fn press(raw: &[u8]) -> io::Result<Pressed> {
    Ok((zstd::bulk::compress(raw, DENSE)?, raw.len()))
}

/// How the making of states goes on after an interruption.
pub(crate) struct Resuming<'a> {
    /// What an earlier run kept, with the states and rows that it had made.
    pub from: Option<(Vec<u8>, Vec<Pressed>, Vec<Pressed>)>,
    /// Chunks after which it is kept.
    pub every: usize,
    /// Chunks that had been gone through before.
    pub resumed: usize,
    /// Keeps it: where it is, behind how many chunks, what was made.
    pub keep: &'a mut Keep<'a>,
}

/// Keeps what a later run goes on from.
pub(crate) type Keep<'a> = dyn FnMut(&[u8], usize, &Made) -> io::Result<()> + Send + 'a;

/// What was made so far.
#[derive(Default)]
pub(super) struct Making {
    spacing: Spacing,
    made: Made,
    pub common: Common,
    pub bytes: usize,
    /// In which part of rows a row is.
    pub procs: BTreeMap<ProcId, u32>,
    pub files: BTreeMap<FileId, u32>,
    /// No more fits.
    pub is_full: bool,
}

impl Making {
    /// Keeps rows that are not kept yet, in a part of their own. Gives the parts that these are in; `None` where they are too many.
    fn rows(
        &mut self,
        state: &Instant,
        known: &Tables,
        (roots, files): (Vec<ProcId>, Vec<FileId>),
    ) -> io::Result<Option<Vec<u32>>> {
        let mut parts = BTreeSet::new();
        let mut rows = Tables::default();
        let next_part = u32::try_from(self.made.rows.len()).unwrap_or(u32::MAX);
        let mut seen = HashSet::new();
        for root in roots {
            let mut next = Some(root);
            while let Some(id) = next
                && seen.insert(id)
            {
                let row = state.tables.procs.get(&id);
                let Some(row) = row.or_else(|| state.above.get(&id)) else {
                    break;
                };
                next = row.parent;
                if known.procs.contains_key(&id) {
                    continue;
                }
                if let Some(part) = self.procs.get(&id) {
                    parts.insert(*part);
                } else {
                    rows.procs.insert(id, row.clone());
                }
            }
        }
        for id in files {
            if known.files.contains_key(&id) {
                continue;
            }
            if let Some(part) = self.files.get(&id) {
                parts.insert(*part);
            } else if let Some(row) = state.tables.files.get(&id) {
                rows.files.insert(id, row.clone());
            }
        }
        if rows.procs.len() + rows.files.len() > MOST_ROWS {
            return Ok(None);
        }
        if !rows.procs.is_empty() || !rows.files.is_empty() {
            parts.insert(next_part);
            self.procs
                .extend(rows.procs.keys().map(|id| (*id, next_part)));
            self.files
                .extend(rows.files.keys().map(|id| (*id, next_part)));
            let pressed = press(&pack_rows(&rows))?;
            self.bytes += pressed.0.len();
            self.made.rows.push(pressed);
        }
        Ok(Some(parts.into_iter().collect()))
    }

    /// Keeps what there is behind so many chunks.
    fn keep(&mut self, state: &Instant, known: &Tables, chunks: usize) -> io::Result<()> {
        let latest = state
            .noting
            .as_ref()
            .map_or(u64::MAX, |noting| noting.latest);
        let Some(raw) = state.encode() else {
            self.is_full = true;
            return Ok(());
        };
        let Some(rows) = self.rows(state, known, state.rows_in_use())? else {
            self.is_full = true;
            return Ok(());
        };
        let pressed = press(&raw)?;
        self.bytes += pressed.0.len();
        self.made.states.push(pressed);
        self.common.places.push(Place {
            chunks: chunks as u64,
            latest,
            rows,
        });
        self.is_full |= self.bytes > MOST;
        Ok(())
    }

    /// Whether another state, of about the size of the last one, is within what they may take of so many events.
    fn may(&self, events: u64) -> bool {
        let last = self.made.states.last().map_or(0, |last| last.0.len());
        let allowed = (events / 1_000).saturating_mul(self.spacing.bytes);
        let allowed = allowed.max(self.spacing.free);
        !self.is_full && (self.bytes + last) as u64 <= allowed
    }
}

impl Instant {
    /// Lets go of all rows but those that are in use, or will be.
    fn forget_rows(&mut self, known: &Tables, waiting: impl Iterator<Item = ProcId>) {
        let (mut procs, files) = self.rows_in_use();
        procs.extend(waiting);
        procs.extend(known.procs.keys());
        self.keep_procs(procs);
        self.above.clear();
        let files: HashSet<FileId> = files.into_iter().collect();
        let known = &known.files;
        (self.tables.files).retain(|id, _| files.contains(id) || known.contains_key(id));
    }
}

/// Goes through a stretch of chunks that were all told of in one section, and keeps states in it. Says whether it was not stopped.
fn go_through(
    session: &Session,
    state: &mut Instant,
    (section, chunks): (usize, Range<usize>),
    (making, resuming): (&mut Making, &mut Resuming<'_>),
    (progress, outer): (&Progress, &Progress),
) -> io::Result<bool> {
    // What is told beside the events is the same for each state, and not kept.
    let known = state.tables.clone();
    let infos = session.chunks();
    let mut at = chunks.start;
    if let Some((halted, states, rows)) = resuming.from.take()
        && let Some(going_on) = GoingOn::read(&halted)
        && going_on.section == section
        && chunks.contains(&going_on.chunks)
    {
        let done = going_on.chunks;
        if going_on.take_up(state, making).is_some() {
            at = done;
            resuming.resumed = done;
            (making.made.states, making.made.rows) = (states, rows);
        }
    }
    let mut kept = at;
    while at < chunks.end {
        let (mut to, mut events) = (at, 0_u64);
        while to < chunks.end && events < making.spacing.events {
            events = events.saturating_add(infos.get(to).map_or(0, |info| info.events));
            to += 1;
        }
        let stopped = outer.cancel.load(Ordering::Relaxed);
        if stopped || !session.walk_range(at..to, None, progress, state).complete {
            return Ok(false);
        }
        at = to;
        let last = infos.get(..to).and_then(<[_]>::last);
        let done = last.map_or(0, |info| info.first_num.saturating_add(info.events));
        making.is_full |= state.opened >= MOST_OPEN;
        // What is left at the end is replayed at once.
        if events >= making.spacing.events && making.may(done) {
            making.keep(state, &known, to)?;
        }
        let waiting = state.noting.as_ref().map(|noting| noting.waiting());
        let waiting = waiting.into_iter().flatten();
        state.forget_rows(&known, waiting.map(|waiting| waiting.row_id()));
        // Behind the first section of several nothing is kept: what was noted in it would have to be, too.
        if section == 0 && at - kept >= resuming.every && at < chunks.end {
            kept = at;
            if let Some(halted) = making.halted(state, section, at) {
                (resuming.keep)(&halted, at, &making.made)?;
            }
        }
    }
    Ok(true)
}

/// Makes the states that are kept of a capture.
///
/// # Errors
/// When they cannot be compressed, or it was stopped, by itself or with the whole ([`io::ErrorKind::Interrupted`]).
pub(crate) fn make(
    session: &Session,
    spacing: Spacing,
    stop: &Arc<AtomicBool>,
    outer: &Progress,
    resuming: &mut Resuming<'_>,
) -> io::Result<Made> {
    let mut making = Making {
        spacing,
        ..Making::default()
    };
    // What is counted is the work of others.
    let progress = Progress {
        cancel: stop.clone(),
        ..Progress::default()
    };
    let progress = (&progress, outer);
    let mut complete = true;
    if session.is_scap() {
        for (number, section) in session.sections().into_iter().enumerate() {
            let Some((_, opening)) = session.section(&section) else {
                continue;
            };
            let mut state = Instant::before(session, u64::MAX);
            state.noting = Some(Box::new(Noting::of(session)));
            state.open_with(&opening_of(session, opening));
            let chunks = (number, section.chunks);
            let with = (&mut making, &mut *resuming);
            complete &= go_through(session, &mut state, chunks, with, progress)?;
            making.note(&mut state);
        }
    } else {
        let mut state = Instant::before(session, u64::MAX);
        state.noting = Some(Box::new(Noting::of(session)));
        let all = 0..session.chunks().len();
        let with = (&mut making, &mut *resuming);
        complete = go_through(session, &mut state, (0, all), with, progress)?;
        making.note(&mut state);
        let waiting = state.noting.as_ref().map(|noting| noting.waiting());
        let waiting = waiting.unwrap_or_default();
        let rows = waiting.iter().map(|waiting| waiting.row_id());
        let rows = (
            rows.chain(session.state().procs.keys().copied()).collect(),
            Vec::new(),
        );
        match making.rows(&state, session.state(), rows)? {
            Some(rows) => (making.common.waiting, making.common.rows) = (waiting, rows),
            // Without them nothing can be gone on from.
            None => return Ok(Made::default()),
        }
    }
    if !complete {
        return Err(io::Error::from(io::ErrorKind::Interrupted));
    }
    let Making {
        mut made, common, ..
    } = making;
    made.common = encoded(&common).unwrap_or_default();
    Ok(made)
}

impl Making {
    /// What was noted while a section was gone through.
    fn note(&mut self, state: &mut Instant) {
        let Some(noting) = &mut state.noting else {
            return;
        };
        self.made.ends.extend(noting.ends.drain());
        let again = noting.again.iter().map(|(who, chunk)| (*who, *chunk));
        self.common.again.extend(again);
        let mut made: Vec<_> = state.made.iter().copied().collect();
        made.sort_unstable();
        self.common.made.extend(made);
    }
}

/// What is there when a section of a capture of sysdig begins: what the capture as a whole tells where it tells nothing itself.
pub(super) fn opening_of(session: &Session, opening: Tables) -> Tables {
    match opening == Tables::default() {
        true => session.state().clone(),
        false => opening,
    }
}
