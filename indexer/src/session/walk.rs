//! The walk over a capture's events that every answer is made of: which chunks it passes over, which events it asks, and what it
//! shows to whom.

use super::work::{Progress, Work};
use super::{Session, Span, bounds, lock};
use crate::alike::Alike;
use crate::choosing::Choosing;
use crate::index::Reach;
use crate::source::Told;
use afterimage_format::{Choose, Chunk, ErrorKind, Heads};
use afterimage_model::{ContainerId, Ctx, Event, Schema, TypeDesc, TypeId};
use afterimage_query::{Among, Evaluator, Filter, Needles};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How many events are looked at between two glances at [`Progress::cancel`].
const GLANCE: u64 = 1024;

/// A chunk and the positions of the events that are to be asked; `None` when none is.
type Asked = Option<(Events, Vec<u32>)>;

/// Where those events are.
enum Events {
    /// Among all of the chunk's.
    All(Arc<Chunk>),
    /// By themselves.
    Picked(Box<Chunk>),
}

impl Events {
    fn chunk(&self) -> &Chunk {
        match self {
            Events::All(chunk) => chunk,
            Events::Picked(chunk) => chunk,
        }
    }

    /// The event at a position, which is the so-maniest of those to be asked.
    fn get(&self, position: u32, nth: usize) -> Option<&Event> {
        match self {
            Events::All(chunk) => chunk.events.get(position as usize),
            Events::Picked(chunk) => chunk.events.get(nth),
        }
    }
}

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
    /// Which events of a chunk, the so-maniest, can be of interest, told from its lists: one bit a row, row 0 the lowest of the
    /// first word; `None` for any.
    ///
    /// # Errors
    /// When a list cannot be read.
    fn rows(
        &mut self,
        _chunk: usize,
        _heads: &Heads<'_>,
        _among: &Among<'_>,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        Ok(None)
    }
    /// Rows that match, all of them within the span, one bit each or all: takes those it can count by lists alone, and gives those
    /// that are to be shown as events.
    ///
    /// # Errors
    /// When a list cannot be read.
    fn count(
        &mut self,
        _heads: &Heads<'_>,
        _among: &Among<'_>,
        rows: Option<Vec<u64>>,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        Ok(rows)
    }
    /// Counts what is of interest among the events of a chunk, the so-maniest, by sorts of them, all of which are within the span
    /// and not hidden; `evaluator` says which match. Says whether nothing is left to be told by lists or events.
    ///
    /// # Errors
    /// When a list cannot be read.
    fn sums(
        &mut self,
        _chunk: usize,
        _alike: &Alike,
        _lists: (&Heads<'_>, &Among<'_>),
        _evaluator: Option<&mut Evaluator>,
    ) -> Result<bool, ErrorKind> {
        Ok(false)
    }
    /// Whether [`Visitor::sums`] counts.
    fn counts_sorts(&self) -> bool {
        false
    }
    /// Whether anything is left out by [`Visitor::rows`], [`Visitor::count`] or [`Visitor::may_want`].
    fn sifts(&self) -> bool {
        self.by_lists()
    }
    /// Whether it wants to be asked by the lists of each chunk, also of one that is at hand event by event.
    fn by_lists(&self) -> bool {
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

/// What a walk over single chunks asks for.
#[derive(Clone, Copy)]
pub(crate) struct Within<'a> {
    pub filter: Option<&'a Filter>,
    pub span: Span,
    /// In chunks that all of these hold; of the filter's own the walk asks no more.
    pub reaches: &'a [&'a Reach],
}

/// What a walk asks for.
#[derive(Clone, Copy)]
struct Asking<'a> {
    /// In these chunks only.
    chunks: Option<&'a Reach>,
    filter: Option<&'a Filter>,
    span: Span,
    from: u64,
    /// Of these alone.
    range: (usize, usize),
    /// Where the filter may match, if that is known already.
    reaches: Option<&'a [&'a Reach]>,
    /// When the last event before matched.
    previous_ns: Option<u64>,
}

/// How far the events of a capture that grows have been shown.
#[derive(Default)]
pub struct Shown {
    /// Number of the first event that has not been.
    next: u64,
    evaluator: Option<Evaluator>,
    previous_ns: Option<u64>,
}

impl Shown {
    /// Adds to the books of the work what was asked for.
    pub fn tell(&self, work: &Work) {
        if let Some(evaluator) = &self.evaluator {
            work.add_texts(evaluator);
        }
    }

    /// Number of the first event that has not been shown; 0 before there was any.
    pub fn next(&self) -> u64 {
        self.next
    }
}

/// A visitor that is only told of events.
pub(super) struct Each<'e>(pub &'e mut dyn FnMut(&Ctx<'_>) -> bool);

impl Visitor for Each<'_> {
    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        (self.0)(ctx)
    }
}

/// How a walk went.
pub(crate) struct Walked {
    /// Events looked at.
    pub looked: u64,
    /// It was not cancelled.
    pub complete: bool,
    /// When the last event matched.
    previous_ns: Option<u64>,
}

impl Session {
    /// Whether no event of a chunk can match or is wanted, by the pieces of texts, the types and the containers it holds; counts why.
    fn is_ruled_out(
        &self,
        (filter, needles): (Option<&Filter>, Option<&Needles>),
        visitor: &mut dyn Visitor,
        work: &Work,
        at: usize,
    ) -> bool {
        let Some(told) = self.source.zone(at) else {
            return false;
        };
        let Told {
            types,
            containers,
            pieces,
        } = told;
        if needles.is_some_and(|needles| !needles.may_match(&types, &|p| pieces.may_hold(p))) {
            Work::add(&work.by_text, 1);
            return true;
        }
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
        is_whole: bool,
        evaluator: &mut Option<Evaluator>,
        visitor: &mut dyn Visitor,
        work: &Work,
    ) -> Result<Asked, String> {
        if evaluator.is_none() && !visitor.sifts() {
            let chunk = self.chunk(at)?;
            visitor.chunk();
            let all = (0..).take(chunk.events.len()).collect();
            return Ok(Some((Events::All(chunk), all)));
        }
        let kept = lock(&self.kept)
            .iter()
            .find(|(have, _)| *have == at && !visitor.by_lists())
            .map(|(_, chunk)| chunk.clone());
        let mut choosing = Choosing::new(self, (at, is_whole), evaluator, visitor);
        if let Some(chunk) = kept {
            let places: Vec<u32> = (0..).take(chunk.events.len()).collect();
            let chosen = choosing.events(&chunk, &places);
            let chosen = places.into_iter().zip(chosen);
            let chosen: Vec<u32> = chosen.filter(|(_, is)| *is).map(|row| row.0).collect();
            return Ok((!chosen.is_empty()).then_some((Events::All(chunk), chosen)));
        }
        if let Some(why) = lock(&self.unreadable).get(&at) {
            return Err(why.clone());
        }
        let picked = self.source.pick(at, &mut choosing);
        Work::add(&work.by_sorts, u64::from(choosing.summed));
        match picked {
            Ok(found) => {
                let found =
                    found.map(|found| (Events::Picked(Box::new(found.chunk)), found.places));
                Ok(found)
            }
            Err(error) => {
                let why = error.to_string();
                lock(&self.unreadable).insert(at, why.clone());
                Err(why)
            }
        }
    }

    /// Where events may match, as far as the index knows. It does not know events of a recorder's own books.
    pub(crate) fn reach(&self, filter: Option<&Filter>) -> Option<Reach> {
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
                range: (0, usize::MAX),
                reaches: None,
                previous_ns: None,
            };
            self.walk_chunks(asked, progress, visitor, &mut decode)
        })
    }

    /// As [`Session::walk`], every event of a span in a run of chunks, without a look at any other.
    pub(crate) fn walk_range(
        &self,
        range: Range<usize>,
        span: Span,
        progress: &Progress,
        visitor: &mut dyn Visitor,
    ) -> Walked {
        let asked = Asking {
            chunks: None,
            filter: None,
            span,
            from: 1,
            range: (range.start, range.end),
            reaches: None,
            previous_ns: None,
        };
        self.walk_chunks(asked, progress, visitor, &mut |_| {})
    }

    /// Shows every matching event that came since the last time, in order, until `each` returns false. What a filter remembers of
    /// the events before it keeps, and so does what is told of the event before, so that a capture that is shown while it grows is
    /// shown as a whole one.
    pub fn scan_on(
        &self,
        (filter, span): (Option<&Filter>, Span),
        shown: &mut Shown,
        progress: &Progress,
        each: &mut dyn FnMut(&Ctx<'_>) -> bool,
    ) {
        self.walk_on((filter, span), shown, progress, &mut Each(each));
    }

    /// As [`Session::scan_on`], for a visitor.
    pub(crate) fn walk_on(
        &self,
        (filter, span): (Option<&Filter>, Span),
        shown: &mut Shown,
        progress: &Progress,
        visitor: &mut dyn Visitor,
    ) {
        let filter = filter.filter(|filter| !filter.is_all());
        if shown.evaluator.is_none() {
            shown.evaluator = filter.map(Filter::evaluator);
        }
        let begin = self
            .chunks()
            .partition_point(|info| info.first_num < shown.next);
        let asked = Asking {
            chunks: None,
            filter,
            span,
            from: shown.next.max(1),
            range: (begin, usize::MAX),
            reaches: None,
            previous_ns: shown.previous_ns,
        };
        let walked = self.walk_with(asked, &mut shown.evaluator, progress, visitor, &mut |_| {});
        shown.previous_ns = walked.previous_ns;
        let last = self.chunks().last();
        shown.next = last.map_or(0, |info| info.first_num.saturating_add(info.events));
    }

    /// Shows every matching event of one chunk. Says whether it was not cancelled.
    pub(crate) fn walk_one(
        &self,
        at: usize,
        within: Within<'_>,
        evaluator: &mut Option<Evaluator>,
        progress: &Progress,
        visitor: &mut dyn Visitor,
    ) -> bool {
        let asked = Asking {
            chunks: None,
            filter: within.filter,
            span: within.span,
            from: 1,
            range: (at, at.saturating_add(1)),
            reaches: Some(within.reaches),
            previous_ns: None,
        };
        let walked = self.walk_with(asked, evaluator, progress, visitor, &mut |_| {});
        walked.complete
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
            range,
            reaches,
            mut previous_ns,
        } = asked;
        let needles = filter.and_then(|filter| filter.needles(self.schema()));
        let reach = match reaches {
            Some(_) => None,
            None => self.reach(filter),
        };
        let known = reaches.unwrap_or_default();
        let work = &*progress.work;
        let mut looked = 0u64;
        let cancelled = || progress.cancel.load(Ordering::Relaxed);
        let shown: Vec<bool> = (self.schema().types.iter())
            .map(|ty| self.shows_internal || visitor.wants_internal(ty))
            .collect();
        let hidden = |event: &Event| {
            let shown = shown.get(usize::from(event.ty.0));
            self.is_internal(event) && !shown.is_some_and(|shown| *shown)
        };
        let behind = range.1.saturating_sub(range.0);
        let all = self.chunks().iter().enumerate();
        for (at, info) in all.skip(range.0).take(behind) {
            if cancelled() {
                return Walked {
                    looked,
                    complete: false,
                    previous_ns,
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
            let mut reaches = (reach.iter().chain(chunks)).chain(known.iter().copied());
            let unreached = reaches.any(|reach| !reach.holds(at));
            if unreached {
                Work::add(&work.by_index, 1);
            }
            let ruled_out =
                unreached || self.is_ruled_out((filter, needles.as_ref()), visitor, work, at);
            let found = if ruled_out {
                None
            } else {
                Work::add(&work.events, info.events);
                let is_whole = info.first_num >= from
                    && span.is_none_or(|(start, end)| start <= first && last <= end);
                self.chosen(at, is_whole, evaluator, visitor, work)
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
            let Some((events, chosen)) = found else {
                progress.done.fetch_add(info.events, Ordering::Relaxed);
                continue;
            };
            let chunk = events.chunk();
            let (before, mut told) = (looked, looked);
            for (nth, place) in chosen.iter().enumerate() {
                let Some(event) = events.get(*place, nth) else {
                    continue;
                };
                let num = chunk.first_num.saturating_add(u64::from(*place));
                looked = before.saturating_add(u64::from(*place)).saturating_add(1);
                if looked.saturating_sub(told) >= GLANCE {
                    ahead(at);
                    progress.done.fetch_add(looked - told, Ordering::Relaxed);
                    told = looked;
                    if cancelled() {
                        return Walked {
                            looked,
                            complete: false,
                            previous_ns,
                        };
                    }
                }
                if num < from
                    || hidden(event)
                    || span.is_some_and(|(start, end)| !(start..=end).contains(&event.time.0))
                {
                    continue;
                }
                let ctx = self.ctx(chunk, event, num, previous_ns);
                Work::add(&work.asked, 1);
                if evaluator
                    .as_mut()
                    .is_none_or(|evaluator| evaluator.matches(&ctx))
                {
                    Work::add(&work.matched, 1);
                    previous_ns = Some(event.time.0);
                    if !visitor.event(&ctx) {
                        progress.done.fetch_add(looked - told, Ordering::Relaxed);
                        return Walked {
                            looked,
                            complete: true,
                            previous_ns,
                        };
                    }
                }
            }
            looked = before.saturating_add(info.events);
            progress.done.fetch_add(looked - told, Ordering::Relaxed);
        }
        Walked {
            looked,
            complete: true,
            previous_ns,
        }
    }
}
