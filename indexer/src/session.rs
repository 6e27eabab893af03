//! An open capture: its facts, its events one by one, and the walk over them that every answer is made of.

use crate::choosing::Choosing;
use crate::error::Error;
use crate::index::{Index, Reach};
use crate::source::Source;
use afterimage_detect::Rules;
use afterimage_format::{Choose, Chunk, ChunkInfo, Note, Reader};
use afterimage_model::{
    BootNs, ContainerId, Ctx, Event, EventFlags, Gap, GapCause, Manifest, Schema, Tables, Totals,
    TypeDesc, TypeId,
};
use afterimage_query::{Evaluator, Filter};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a piece of work had to do, and what it could pass over.
#[derive(Debug, Default)]
pub struct Work {
    /// Parts of the capture (chunks).
    pub chunks: AtomicU64,
    /// Chunks outside the span.
    pub outside: AtomicU64,
    /// Chunks that hold no type of event that could match.
    pub by_type: AtomicU64,
    /// Chunks that hold no container whose events could match.
    pub by_container: AtomicU64,
    /// Chunks in which the index knows no process and no file that could match.
    pub by_index: AtomicU64,
    /// Chunks in which no event could match by the rows they may point at, or by what is known without arguments and results;
    /// those were not read.
    pub by_head: AtomicU64,
    /// Chunks that could not be read.
    pub unreadable: AtomicU64,
    /// Chunks whose events were read, at least those of the types that could match.
    pub read: AtomicU64,
    /// Events in chunks that were looked into.
    pub events: AtomicU64,
    /// Those of them that were asked with their arguments and results.
    pub asked: AtomicU64,
    /// Tests of texts in arguments.
    pub texts: AtomicU64,
    /// Texts that were looked at for those; the others had been met before.
    pub tested: AtomicU64,
    /// Those that matched.
    pub matched: AtomicU64,
}

impl Work {
    fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds what an evaluator has done, once it is done.
    pub fn add_texts(&self, evaluator: &Evaluator) {
        let texts = evaluator.texts();
        Work::add(&self.texts, texts.asked);
        Work::add(&self.tested, texts.tested);
    }

    /// Each count with what it is of, in the order of the work.
    pub fn counts(&self) -> [(&'static str, u64); 13] {
        [
            ("chunks", &self.chunks),
            ("skipped: outside the time span", &self.outside),
            ("skipped: by the types of their events", &self.by_type),
            ("skipped: by their containers", &self.by_container),
            ("skipped: by the index", &self.by_index),
            ("skipped: by their rows, arguments not read", &self.by_head),
            ("unreadable", &self.unreadable),
            ("read", &self.read),
            ("events in chunks that were looked into", &self.events),
            ("events asked with their arguments", &self.asked),
            ("events that matched", &self.matched),
            ("tests of texts in arguments", &self.texts),
            ("distinct texts looked at for those", &self.tested),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}

/// Lets another thread watch and stop a piece of work.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Set to stop: the work ends soon with what it has.
    pub cancel: Arc<AtomicBool>,
    /// Events looked at so far.
    pub done: Arc<AtomicU64>,
    /// What had to be done for that.
    pub work: Arc<Work>,
}

/// A chunk and which of its events are to be asked; `None` when none is.
type Asked = Option<(Arc<Chunk>, Vec<bool>)>;

/// Which part of a capture: boot-clock ns, both ends included; `None` for all.
pub type Span = Option<(u64, u64)>;

/// How many decoded chunks are kept for paging back and forth.
const KEPT_CHUNKS: usize = 4;

/// How many events are looked at between two glances at [`Progress::cancel`].
const GLANCE: u64 = 1024;

/// What an answer is made by: told of every matching event, and of every change of tables.
pub trait Visitor {
    /// Whether events of a type are of interest; parts of a capture without such a type are not decoded.
    fn wants(&mut self, _schema: &Schema, _ty: TypeId) -> bool {
        true
    }
    /// Whether events of a type that is kept for a recorder's own books are of interest too.
    fn wants_internal(&self, _ty: &TypeDesc) -> bool {
        false
    }
    /// Whether [`Visitor::may_want`] leaves anything out.
    fn sifts(&self) -> bool {
        false
    }
    /// Whether an event is of interest, asked before its arguments and its result are there; only to leave out what certainly
    /// is not.
    fn may_want(&mut self, _ctx: &Ctx<'_>) -> bool {
        true
    }
    /// Events with other tables follow.
    fn chunk(&mut self) {}
    /// A matching event; false ends the walk.
    fn event(&mut self, ctx: &Ctx<'_>) -> bool;
}

/// What a walk asks for.
#[derive(Clone, Copy)]
struct Asking<'a> {
    /// In these chunks only.
    chunks: Option<&'a Reach>,
    filter: Option<&'a Filter>,
    span: Span,
    from: u64,
}

/// How a walk went.
pub(crate) struct Walked {
    /// Events looked at.
    pub looked: u64,
    /// It was not cancelled.
    pub complete: bool,
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
    shows_internal: bool,
    rules: Option<Rules>,
    index: Option<Index>,
}

impl Session {
    /// Opens a capture.
    pub fn open(path: &Path) -> Result<Session, Error> {
        Ok(Session::from_reader(Reader::open(path)?))
    }

    /// Takes a capture that is already open.
    pub fn from_reader(reader: Reader) -> Session {
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
            shows_internal: false,
            rules: None,
            index: None,
        }
    }

    /// Whether the capture is encrypted: what is in it must not reach a disk in the clear.
    pub fn is_encrypted(&self) -> bool {
        self.source.is_encrypted()
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
        self.rules = Some(rules);
    }

    /// The rules that alerts are made by.
    pub fn rules(&self) -> Option<&Rules> {
        self.rules.as_ref()
    }

    /// Whether an event is one of the recorder's own books.
    pub(crate) fn is_internal(&self, event: &Event) -> bool {
        let by_type = self.internal.get(usize::from(event.ty.0));
        event.flags.has(EventFlags::INTERNAL) || by_type.copied().unwrap_or(false)
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

    /// Totals of a sealed capture.
    pub fn totals(&self) -> Option<&Totals> {
        self.source.totals()
    }

    /// Number of events.
    pub fn events(&self) -> u64 {
        self.chunks()
            .iter()
            .map(|info| info.events)
            .fold(0, u64::saturating_add)
    }

    /// First and last instant.
    pub fn span(&self) -> Option<(u64, u64)> {
        let bounds = self
            .chunks()
            .iter()
            .filter(|info| info.events > 0)
            .map(bounds);
        bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
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
        struct Each<'e>(&'e mut dyn FnMut(&Ctx<'_>) -> bool);
        impl Visitor for Each<'_> {
            fn event(&mut self, ctx: &Ctx<'_>) -> bool {
                (self.0)(ctx)
            }
        }
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

    pub(crate) fn chunks(&self) -> &[ChunkInfo] {
        self.source.chunks()
    }

    /// Decodes a chunk, not to be kept, in which events of other types than `wanted` may be without arguments.
    pub(crate) fn decode_with(
        &self,
        at: usize,
        mut wanted: impl FnMut(TypeId) -> bool,
    ) -> Result<Chunk, String> {
        let mut choose = |chunk: &Chunk| -> Vec<bool> {
            let chosen: Vec<bool> = (chunk.events.iter())
                .map(|event| wanted(event.ty))
                .collect();
            // Results are needed of all of them.
            match chosen.contains(&true) {
                true => chosen,
                false => vec![true; chunk.events.len()],
            }
        };
        match self.source.chunk_chosen(at, &mut choose) {
            Ok(Some((chunk, _))) => Ok(chunk),
            Ok(None) => Ok(Chunk::default()),
            Err(error) => {
                let why = error.to_string();
                lock(&self.unreadable).insert(at, why.clone());
                Err(why)
            }
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

    /// Whether no event of a chunk can match or is wanted, by the types and containers it holds; counts why.
    fn is_ruled_out(
        &self,
        filter: Option<&Filter>,
        visitor: &mut dyn Visitor,
        work: &Work,
        at: usize,
    ) -> bool {
        let Some((types, containers)) = self.source.zone(at) else {
            return false;
        };
        let may_match = |ty: TypeId| filter.is_none_or(|f| f.may_match_type(self.schema(), ty));
        let mut may = |ty: &TypeId| may_match(*ty) && visitor.wants(self.schema(), *ty);
        if !types.iter().any(&mut may) {
            Work::add(&work.by_type, 1);
            return true;
        }
        let may = |container: &Option<ContainerId>| {
            filter.is_none_or(|f| {
                f.may_match_container(self.manifest(), self.schema(), self.state(), *container)
            })
        };
        if !containers.is_empty() && !containers.iter().any(may) {
            Work::add(&work.by_container, 1);
            return true;
        }
        false
    }

    /// A chunk, and which of its events are to be asked; `None` when none is.
    fn chosen(
        &self,
        at: usize,
        evaluator: &mut Option<Evaluator>,
        visitor: &mut dyn Visitor,
    ) -> Result<Asked, String> {
        if evaluator.is_none() && !visitor.sifts() {
            let chunk = self.chunk(at)?;
            visitor.chunk();
            let all = vec![true; chunk.events.len()];
            return Ok(Some((chunk, all)));
        }
        let kept = lock(&self.kept)
            .iter()
            .find(|(have, _)| *have == at)
            .map(|(_, chunk)| chunk.clone());
        let mut choosing = Choosing::new(self, evaluator, visitor);
        if let Some(chunk) = kept {
            let chosen = choosing.events(&chunk);
            return Ok(chosen.contains(&true).then_some((chunk, chosen)));
        }
        if let Some(why) = lock(&self.unreadable).get(&at) {
            return Err(why.clone());
        }
        match self.source.chunk_chosen(at, &mut choosing) {
            Ok(found) => Ok(found.map(|(chunk, chosen)| (Arc::new(chunk), chosen))),
            Err(error) => {
                let why = error.to_string();
                lock(&self.unreadable).insert(at, why.clone());
                Err(why)
            }
        }
    }

    /// Where events may match, as far as the index knows. It does not know events of a recorder's own books.
    fn reach(&self, filter: Option<&Filter>) -> Option<Reach> {
        let index = self.index.as_ref().filter(|_| !self.shows_internal)?;
        index.reach(filter?)
    }

    /// Shows every matching event to the visitor, in order, and decodes the next chunk meanwhile where all of it is needed.
    pub(crate) fn walk(
        &self,
        filter: Option<&Filter>,
        span: Span,
        from: u64,
        progress: &Progress,
        visitor: &mut dyn Visitor,
    ) -> Walked {
        self.walk_in(None, filter, span, from, progress, visitor)
    }

    /// As [`Session::walk`], in some chunks only.
    pub(crate) fn walk_in(
        &self,
        chunks: Option<&Reach>,
        filter: Option<&Filter>,
        span: Span,
        from: u64,
        progress: &Progress,
        visitor: &mut dyn Visitor,
    ) -> Walked {
        std::thread::scope(|scope| {
            let mut ahead = None;
            let needs_all = filter.is_none_or(Filter::is_all) && !visitor.sifts();
            let mut decode = |after: usize| {
                let Some(info) = self.chunks().get(after + 1).filter(|_| needs_all) else {
                    return;
                };
                let (first, last) = bounds(info);
                if span.is_none_or(|(start, end)| last >= start && first <= end)
                    && chunks.is_none_or(|chunks| chunks.holds(after + 1))
                    && ahead.is_none_or(|done| done <= after)
                {
                    ahead = Some(after + 1);
                    // Two decoded chunks are enough memory for a walk that does not turn back.
                    lock(&self.kept).retain(|(have, _)| *have >= after);
                    // What is wrong with it is said when its turn comes.
                    scope.spawn(move || drop(self.chunk(after + 1)));
                }
            };
            let asked = Asking {
                chunks,
                filter,
                span,
                from,
            };
            self.walk_chunks(asked, progress, visitor, &mut decode)
        })
    }

    /// Shows every matching event to the visitor, in order. Chunks outside the span, or without a type or a container that
    /// could match, are not read; of the others first what decides most filters: the rows of processes and files, and the
    /// columns without arguments and results. Chunks that cannot be read are noted and skipped.
    fn walk_chunks(
        &self,
        asked: Asking<'_>,
        progress: &Progress,
        visitor: &mut dyn Visitor,
        ahead: &mut dyn FnMut(usize),
    ) -> Walked {
        let filter = asked.filter.filter(|filter| !filter.is_all());
        let asked = Asking { filter, ..asked };
        let mut evaluator = filter.map(Filter::evaluator);
        let walked = self.walk_with(asked, &mut evaluator, progress, visitor, ahead);
        if let Some(evaluator) = &evaluator {
            progress.work.add_texts(evaluator);
        }
        walked
    }

    fn walk_with(
        &self,
        asked: Asking<'_>,
        evaluator: &mut Option<Evaluator>,
        progress: &Progress,
        visitor: &mut dyn Visitor,
        ahead: &mut dyn FnMut(usize),
    ) -> Walked {
        let Asking {
            chunks,
            filter,
            span,
            from,
        } = asked;
        let reach = self.reach(filter);
        let work = &*progress.work;
        let mut looked = 0u64;
        let mut previous_ns = None;
        let cancelled = || progress.cancel.load(Ordering::Relaxed);
        let shown: Vec<bool> = (self.schema().types.iter())
            .map(|ty| self.shows_internal || visitor.wants_internal(ty))
            .collect();
        let hidden = |event: &Event| {
            let shown = shown.get(usize::from(event.ty.0));
            self.is_internal(event) && !shown.is_some_and(|shown| *shown)
        };
        for (at, info) in self.chunks().iter().enumerate() {
            if cancelled() {
                return Walked {
                    looked,
                    complete: false,
                };
            }
            Work::add(&work.chunks, 1);
            let (first, last) = bounds(info);
            let outside = span.is_some_and(|(start, end)| last < start || first > end);
            if outside || info.first_num.saturating_add(info.events) <= from {
                Work::add(&work.outside, 1);
                progress.done.fetch_add(info.events, Ordering::Relaxed);
                continue;
            }
            let mut reaches = reach.iter().chain(chunks);
            let unreached = reaches.any(|reach| !reach.holds(at));
            if unreached {
                Work::add(&work.by_index, 1);
            }
            let ruled_out = unreached || self.is_ruled_out(filter, visitor, work, at);
            let found = if ruled_out {
                None
            } else {
                Work::add(&work.events, info.events);
                self.chosen(at, evaluator, visitor)
                    .inspect_err(|_| Work::add(&work.unreadable, 1))
                    .inspect(|found| {
                        let counter = if found.is_some() {
                            &work.read
                        } else {
                            &work.by_head
                        };
                        Work::add(counter, 1);
                    })
                    .unwrap_or_default()
            };
            let Some((chunk, chosen)) = found else {
                progress.done.fetch_add(info.events, Ordering::Relaxed);
                continue;
            };
            for ((place, event), chosen) in chunk.events.iter().enumerate().zip(chosen) {
                let num = chunk.first_num.saturating_add(place as u64);
                looked += 1;
                if looked.is_multiple_of(GLANCE) {
                    ahead(at);
                    progress.done.fetch_add(GLANCE, Ordering::Relaxed);
                    if cancelled() {
                        return Walked {
                            looked,
                            complete: false,
                        };
                    }
                }
                if !chosen
                    || num < from
                    || hidden(event)
                    || span.is_some_and(|(start, end)| !(start..=end).contains(&event.time.0))
                {
                    continue;
                }
                let ctx = self.ctx(&chunk, event, num, previous_ns);
                Work::add(&work.asked, 1);
                if evaluator
                    .as_mut()
                    .is_none_or(|evaluator| evaluator.matches(&ctx))
                {
                    Work::add(&work.matched, 1);
                    previous_ns = Some(event.time.0);
                    if !visitor.event(&ctx) {
                        progress.done.fetch_add(looked % GLANCE, Ordering::Relaxed);
                        return Walked {
                            looked,
                            complete: true,
                        };
                    }
                }
            }
        }
        progress.done.fetch_add(looked % GLANCE, Ordering::Relaxed);
        Walked {
            looked,
            complete: true,
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
