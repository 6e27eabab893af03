//! An open capture: its facts and its events one by one; `walk` is the way over them that every answer is made of.

mod grow;
mod tally;
mod walk;
mod work;

pub use grow::Place;
use walk::Each;
pub(crate) use walk::Within;
pub use walk::{Shown, Visitor};
pub use work::{Progress, Work};

use crate::alike::Alike;
use crate::error::Error;
use crate::index::Index;
use crate::instant::{Instant, Kept};
use crate::source::Source;
use afterimage_detect::Rules;
use afterimage_format::{Choose, Chunk, ChunkInfo, Keyframe, Note, Reader, Section, Zone};
use afterimage_model::{
    BootNs, Ctx, Event, EventFlags, Gap, GapCause, Manifest, Schema, Tables, Totals, TypeDesc,
    TypeId,
};
use afterimage_query::{Among, Filter};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Which part of a capture: boot-clock ns, both ends included; `None` for all.
pub type Span = Option<(u64, u64)>;

/// How many decoded chunks are kept for paging back and forth.
const KEPT_CHUNKS: usize = 4;

/// How many chunks of a capture say which texts their strings do not hold, and what that takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextFilters {
    /// Chunks in all.
    pub chunks: u64,
    /// Bytes of those.
    pub of_bytes: u64,
    /// Chunks with a filter.
    pub filters: u64,
    /// Bytes of the filters.
    pub bytes: u64,
}

/// An open capture, with or without an index. Shared between threads by reference.
pub struct Session {
    source: Box<dyn Source>,
    kept: Mutex<VecDeque<(usize, Arc<Chunk>)>>,
    /// Held while a chunk is decoded, by its place.
    decoding: [Mutex<()>; 2],
    unreadable: Mutex<BTreeMap<usize, String>>,
    /// By event type: whether it is one of the recorder's own books.
    internal: Vec<bool>,
    /// Instant of the first event.
    first_ns: u64,
    /// Whether it holds events of sysdig's kinds.
    is_scap: bool,
    /// See [`Session::span`].
    span: OnceLock<Span>,
    shows_internal: bool,
    rules: Option<Arc<Rules>>,
    index: Option<Index>,
}

impl Session {
    /// Opens a capture.
    pub fn open(path: &Path) -> Result<Session, Error> {
        Ok(Session::from_reader(Reader::open(path)?))
    }

    /// Takes a capture that is already open.
    pub fn from_reader(reader: Reader) -> Session {
        Session::from_shared(Arc::new(reader))
    }

    /// As [`Session::from_reader`], of one that others use, too.
    pub fn from_shared(reader: Arc<Reader>) -> Session {
        Session::from_source(Box::new(reader))
    }

    pub(crate) fn from_source(source: Box<dyn Source>) -> Session {
        let types = source.schema().types.iter();
        let internal = types.map(|ty| ty.is(TypeDesc::INTERNAL)).collect();
        // Captures of sysdig hold events stamped 0, so that the earliest is not the first; their clocks start with that one.
        let is_scap = source.schema().types.iter().any(|ty| ty.is(TypeDesc::SCAP));
        let first = source.chunks().first().map_or(0, |info| info.span.0.0);
        let first_ns = match is_scap {
            true => source.manifest().clock.boot_ns,
            false => first,
        };
        Session {
            source,
            kept: Mutex::default(),
            decoding: Default::default(),
            unreadable: Mutex::default(),
            internal,
            first_ns,
            is_scap,
            span: OnceLock::new(),
            shows_internal: false,
            rules: None,
            index: None,
        }
    }

    /// Whether the capture is encrypted: what is in it must not reach a disk in the clear.
    pub fn is_encrypted(&self) -> bool {
        self.source.is_encrypted()
    }

    /// The public key that the capture says it is signed with; empty where it is not signed. Whether it is, `verify` tells.
    pub fn signer(&self) -> &[u8] {
        self.source.signer()
    }

    /// Uses an index, unless it covers other chunks than the capture has; says whether it does.
    pub fn use_index(&mut self, index: Index) -> bool {
        let fits = index.covers(self.chunks());
        self.index = Some(index).filter(|_| fits);
        fits
    }

    /// The index in use.
    pub fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    /// Whether events of a recorder's own books are shown.
    pub(crate) fn shows_internal(&self) -> bool {
        self.shows_internal
    }

    /// Remarks and entries of the custody log.
    pub fn notes(&self) -> &[Note] {
        self.source.notes()
    }

    /// Names and hashes of the artifacts.
    pub(crate) fn artifacts(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.source.artifacts()
    }

    /// Whether events are shown, too, that a recorder kept for its own books only. They are numbered in any case.
    pub fn show_internal(&mut self, yes: bool) {
        self.shows_internal = yes;
    }

    /// Gives the rules that the view of alerts asks.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = Some(Arc::new(rules));
    }

    /// The rules that alerts are made by.
    pub fn rules(&self) -> Option<&Rules> {
        self.rules.as_deref()
    }

    /// Whether an event is one of the recorder's own books.
    pub(crate) fn is_internal(&self, event: &Event) -> bool {
        event.flags.has(EventFlags::INTERNAL) || self.is_internal_type(event.ty)
    }

    /// Whether all events of a type are.
    pub(crate) fn is_internal_type(&self, ty: TypeId) -> bool {
        let by_type = self.internal.get(usize::from(ty.0));
        by_type.copied().unwrap_or(false)
    }

    /// The capture's header.
    pub fn manifest(&self) -> &Manifest {
        self.source.manifest()
    }

    /// The capture's schema.
    pub fn schema(&self) -> &Schema {
        self.source.schema()
    }

    /// Containers, users, initial state.
    pub fn state(&self) -> &Tables {
        self.source.state()
    }

    /// Everything that was there at an instant: the rows of processes say which of them were over ([`Process::past`]), descriptors
    /// and mounts are those that there were then. False beside it when it was stopped or there was too much.
    ///
    /// [`Process::past`]: afterimage_model::Process::past
    pub fn state_at(&self, at: BootNs, progress: &Progress) -> (Tables, bool) {
        Instant::tables(self, at, progress)
    }

    /// As [`Session::state_at`], by every event one after another: what the quick way, which looks only at those that change
    /// something, is held to.
    pub fn state_at_by_all(&self, at: BootNs, progress: &Progress) -> (Tables, bool) {
        Instant::tables_by(self, at, false, progress)
    }

    /// The states that the index keeps. It does not know events of a recorder's own books.
    pub(crate) fn kept_states(&self) -> Option<Kept<'_>> {
        let index = self.index.as_ref().filter(|_| !self.shows_internal)?;
        index.states()
    }

    /// The sorts of a chunk's events, where the index keeps them. They leave out events of a recorder's own books.
    pub(crate) fn alike(&self, at: usize) -> Option<Arc<Alike>> {
        let index = self.index.as_ref().filter(|_| !self.shows_internal)?;
        index.alike(at)
    }

    /// Shows the lists of a chunk, and those events that are chosen by them, which are not kept.
    pub(crate) fn pick(&self, at: usize, choose: &mut dyn Choose) -> Result<(), String> {
        let picked = self.source.pick(at, choose);
        picked.map(drop).map_err(|error| error.to_string())
    }

    /// See [`afterimage_format::Reader::resume`].
    pub(crate) fn resume(&self, instant: BootNs, spared: u64) -> Option<Keyframe> {
        self.source.resume(instant, spared)
    }

    /// Whether it holds events of sysdig's kinds.
    pub(crate) fn is_scap(&self) -> bool {
        self.is_scap
    }

    /// See [`afterimage_format::Reader::sections`].
    pub(crate) fn sections(&self) -> Vec<Section> {
        self.source.sections()
    }

    /// See [`afterimage_format::Reader::within`].
    pub(crate) fn within(&self, section: &Section, instant: BootNs) -> Option<Keyframe> {
        self.source.within(section, instant)
    }

    /// When a section begins, and what was there then; `None` where that cannot be read.
    pub(crate) fn section(&self, section: &Section) -> Option<(BootNs, Tables)> {
        self.source.section(section)
    }

    /// Gaps, in file order, as the capture has them. See also [`Session::unreadable`].
    pub fn gaps(&self) -> &[Gap] {
        self.source.gaps()
    }

    /// Chunks that turned out not to be readable while answers were made, as gaps. Empty until something was scanned.
    pub fn unreadable(&self) -> Vec<Gap> {
        let found = lock(&self.unreadable);
        let gap = |(at, why): (&usize, &String)| {
            let info = self.chunks().get(*at)?;
            let (start, end) = bounds(info);
            Some(Gap {
                cause: GapCause::Unreadable,
                start: BootNs(start),
                end: BootNs(end),
                cpu: None,
                count: Some(info.events),
                first_seq: None,
                detail: format!(
                    "events {} to {}: {why}",
                    info.first_num,
                    info.first_num.saturating_add(info.events.saturating_sub(1))
                ),
            })
        };
        found.iter().filter_map(gap).collect()
    }

    /// Whether this is the capture of a program that seals nothing: nothing shows whether it was changed.
    pub fn has_no_seal(&self) -> bool {
        self.source.is_copy()
    }

    /// Totals of a sealed capture.
    pub fn totals(&self) -> Option<&Totals> {
        self.source.totals()
    }

    /// The filters of texts in the zone maps of its chunks.
    pub fn text_filters(&self) -> TextFilters {
        let mut told = TextFilters::default();
        for (at, info) in self.chunks().iter().enumerate() {
            told.chunks = told.chunks.saturating_add(1);
            told.of_bytes = told.of_bytes.saturating_add(info.len);
            // What cannot be read is told as damage.
            let bytes = (self.source.zone(at)).map_or(0, |zone| zone.pieces.bytes() as u64);
            told.filters = told.filters.saturating_add(u64::from(bytes > 0));
            told.bytes = told.bytes.saturating_add(bytes);
        }
        told
    }

    /// Number of events.
    pub fn events(&self) -> u64 {
        self.chunks()
            .iter()
            .map(|info| info.events)
            .fold(0, u64::saturating_add)
    }

    /// First and last instant. Captures of sysdig may hold events without a time, stamped 0, which say nothing of that; only where
    /// there are no others is it theirs.
    pub fn span(&self) -> Option<(u64, u64)> {
        *self.span.get_or_init(|| {
            let filled = self.chunks().iter().filter(|info| info.events > 0);
            let join = |a: (u64, u64), b: (u64, u64)| (a.0.min(b.0), a.1.max(b.1));
            let whole = filled.clone().map(bounds).reduce(join);
            if !self.has_untimed() {
                return whole;
            }
            let first = Some(self.first_ns).filter(|first| *first > 0);
            let first = first.or_else(|| self.first_timed()).unwrap_or(u64::MAX);
            let timed = filled.map(bounds).filter(|(_, last)| *last > 0);
            let timed = timed.map(|(start, last)| match start {
                0 => (first.min(last), last),
                start => (start, last),
            });
            timed.reduce(join).or(whole)
        })
    }

    /// Whether there are events without a time, stamped 0.
    pub(crate) fn has_untimed(&self) -> bool {
        let untimed = |info: &ChunkInfo| info.events > 0 && bounds(info).0 == 0;
        self.is_scap && self.chunks().iter().any(untimed)
    }

    /// The first time that an event has, where the first event has none.
    fn first_timed(&self) -> Option<u64> {
        let timed = |at: &usize| (self.chunks().get(*at)).is_some_and(|info| bounds(info).1 > 0);
        let mut timed = (0..self.chunks().len()).filter(timed);
        timed.find_map(|at| self.first_timed_of(at))
    }

    /// The first time that an event of a chunk has.
    pub(crate) fn first_timed_of(&self, at: usize) -> Option<u64> {
        let chunk = self.chunk(at).ok()?;
        let times = chunk.events.iter().map(|event| event.time.0);
        times.filter(|time| *time > 0).min()
    }

    /// Calls `each` for every matching event in order from event number `from`, until it returns false. Returns the number
    /// of events looked at.
    pub fn scan(
        &self,
        filter: Option<&Filter>,
        span: Span,
        from: u64,
        progress: &Progress,
        each: &mut dyn FnMut(&Ctx<'_>) -> bool,
    ) -> Result<u64, Error> {
        Ok(self
            .walk(filter, span, from, progress, &mut Each(each))
            .looked)
    }

    /// Shows every matching event of a span to the visitor, in order, until it returns false. Returns the number of events
    /// looked at.
    pub fn visit(
        &self,
        filter: Option<&Filter>,
        span: Span,
        progress: &Progress,
        visitor: &mut dyn Visitor,
    ) -> u64 {
        self.walk(filter, span, 1, progress, visitor).looked
    }

    /// One event by number.
    pub fn event<R>(&self, num: u64, look: impl FnOnce(&Ctx<'_>) -> R) -> Result<Option<R>, Error> {
        let after = self.chunks().partition_point(|info| info.first_num <= num);
        let Some(at) = after.checked_sub(1) else {
            return Ok(None);
        };
        if self
            .chunks()
            .get(at)
            .is_none_or(|info| num - info.first_num >= info.events)
        {
            return Ok(None);
        }
        let chunk = self.chunk(at).map_err(|why| Error::Unreadable {
            num,
            chunk: at,
            why,
        })?;
        let Some(place) = num
            .checked_sub(chunk.first_num)
            .and_then(|place| usize::try_from(place).ok())
        else {
            return Ok(None);
        };
        let previous = place
            .checked_sub(1)
            .and_then(|before| chunk.events.get(before));
        Ok(chunk
            .events
            .get(place)
            .map(|event| look(&self.ctx(&chunk, event, num, previous.map(|event| event.time.0)))))
    }

    /// Seconds of a span, or of the capture; never zero.
    pub(crate) fn seconds(&self, span: Span) -> f64 {
        let (from, to) = span.or_else(|| self.span()).unwrap_or_default();
        to.saturating_sub(from).max(1) as f64 / 1e9
    }

    #[cfg(test)]
    pub(crate) fn kept_chunks(&self) -> usize {
        lock(&self.kept).len()
    }

    /// Lets go of the decoded chunks.
    #[cfg(test)]
    pub(crate) fn forget_chunks(&self) {
        lock(&self.kept).clear();
    }

    pub(crate) fn chunks(&self) -> &[ChunkInfo] {
        self.source.chunks()
    }

    /// Decodes a chunk, not to be kept, in which events of other types than `wanted` may be without arguments.
    pub(crate) fn decode_with(
        &self,
        at: usize,
        mut wanted: impl FnMut(TypeId) -> bool,
    ) -> Result<Chunk, String> {
        match self.source.chunk_with(at, &mut wanted) {
            Ok(chunk) => Ok(chunk),
            Err(error) => {
                let why = error.to_string();
                lock(&self.unreadable).insert(at, why.clone());
                Err(why)
            }
        }
    }

    /// What is known of a chunk's events without looking at any.
    pub(crate) fn among<'c>(
        &'c self,
        zone: &'c Zone,
        tables: &'c Tables,
        types: &'c [TypeId],
    ) -> Among<'c> {
        Among {
            manifest: self.manifest(),
            schema: self.schema(),
            tables,
            types,
            procs: &zone.procs,
            first_ns: self.first_ns,
        }
    }

    pub(crate) fn ctx<'c>(
        &'c self,
        chunk: &'c Chunk,
        event: &'c Event,
        num: u64,
        previous_ns: Option<u64>,
    ) -> Ctx<'c> {
        Ctx {
            manifest: self.manifest(),
            schema: self.schema(),
            tables: &chunk.tables,
            event,
            num,
            first_ns: self.first_ns,
            previous_ns: previous_ns.unwrap_or(event.time.0),
        }
    }

    /// A decoded chunk, from memory where possible.
    fn chunk(&self, at: usize) -> Result<Arc<Chunk>, String> {
        // Who wants what another thread is decoding waits for that.
        let _decoding = self.decoding.get(at % self.decoding.len()).map(lock);
        {
            let mut kept = lock(&self.kept);
            if let Some(place) = kept.iter().position(|(have, _)| *have == at)
                && let Some(found) = kept.remove(place)
            {
                let chunk = found.1.clone();
                kept.push_back(found);
                return Ok(chunk);
            }
        }
        if let Some(why) = lock(&self.unreadable).get(&at) {
            return Err(why.clone());
        }
        match self.source.chunk(at) {
            Ok(chunk) => {
                let chunk = Arc::new(chunk);
                let mut kept = lock(&self.kept);
                kept.push_back((at, chunk.clone()));
                if kept.len() > KEPT_CHUNKS {
                    kept.pop_front();
                }
                Ok(chunk)
            }
            Err(error) => {
                let why = error.to_string();
                lock(&self.unreadable).insert(at, why.clone());
                Err(why)
            }
        }
    }
}

/// The instants of a chunk, the earlier first whatever the file says.
fn bounds(info: &ChunkInfo) -> (u64, u64) {
    let (a, b) = (info.span.0.0, info.span.1.0);
    (a.min(b), a.max(b))
}

/// What is behind these locks stays whole even if a holder panicked: each is changed in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
