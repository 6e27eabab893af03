//! Search: things by their words, ranked, with where and when they were met. With an index or without, the answer is the same.

mod grown;
mod lists;
mod order;
mod rank;
mod sums;

pub use grown::Finding;
pub(crate) use rank::Pile;

use crate::alike::Alike;
use crate::error::Error;
use crate::index::{About, Ask, Entry, Gather, Index, Kind, Refused, Tally, Thing, Times};
use crate::index::{about, apart, gather};
use crate::ioc::{Indicators, Sighting, Sweep};
use crate::parts::{Parts, Taker};
use crate::session::{Progress, Session, Span, Visitor};
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::{Ctx, EventFlags, TypeId};
use afterimage_query::{Among, Evaluator, Filter};
use lists::{Meant, Met, Told};
use order::Counting;
use rank::{Best, hit};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use sums::Sums;

/// Most things that are kept while an answer is made.
pub const MOST_HITS: usize = 500_000;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is.
    pub kind: Kind,
    /// Its texts by the names of their fields, as captured.
    pub texts: Vec<(&'static str, Vec<u8>)>,
    /// Where in them the words stand: which text, which bytes.
    pub places: Vec<(usize, Range<usize>)>,
    /// How well it fits; more is better.
    pub score: u32,
    /// Events that are about it.
    pub events: u64,
    /// First and last of them, ns since boot; 0 where no event is about it.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// Processes and containers (empty on the host) that had to do with it, with the number of their events: the first few in
    /// the order of names.
    pub by: Vec<(Vec<u8>, Vec<u8>, u64)>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// The best of what was found, best first.
    pub hits: Vec<Hit>,
    /// How many things were found.
    pub found: usize,
    /// Not everything could be kept: there is more than can be ranked.
    pub truncated: bool,
    /// It was not cancelled.
    pub complete: bool,
    /// An index was used.
    pub indexed: bool,
}

/// Gathers the things of the events it is shown.
struct Collecting<'a, 't> {
    session: &'a Session,
    gather: Gather,
    meant: Meant<'a>,
    pile: Pile,
    /// What the lists of the chunk tell, until it is counted by them.
    told: Option<Told>,
    /// The rows of the chunk's events were counted by its lists; so the events that follow are asked only for their arguments.
    counted: bool,
    only_args: bool,
    /// Who is shown what was found so far, and how many of the best.
    parts: Parts<'t, Hits>,
    limit: usize,
    /// Where what was found goes to be gathered, if not here.
    away: Option<SyncSender<Vec<(Thing, Tally)>>>,
}

impl<'a, 't> Collecting<'a, 't> {
    fn new(
        session: &'a Session,
        meant: Meant<'a>,
        (limit, taker): (usize, Taker<'t, Hits>),
    ) -> Collecting<'a, 't> {
        Collecting {
            session,
            gather: Gather::new(),
            meant,
            pile: Pile::default(),
            told: None,
            counted: false,
            only_args: false,
            parts: Parts::of_chunks(taker),
            limit,
            away: None,
        }
    }

    fn settle(&mut self) {
        if let Some(away) = &self.away {
            let mut found = self.gather.take();
            found.retain(|(thing, _)| self.meant.is(thing));
            // Whoever gathers waits for the last of them.
            if !found.is_empty() && away.send(found).is_err() {
                self.away = None;
            }
            return;
        }
        for (thing, tally) in self.gather.take() {
            if self.meant.is(&thing) {
                self.pile.add(self.meant.ask, &thing, &tally);
            }
        }
    }
}

impl Visitor for Collecting<'_, '_> {
    fn sifts(&self) -> bool {
        true
    }

    fn rows(
        &mut self,
        chunk: usize,
        heads: &Heads<'_>,
        among: &Among<'_>,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        self.begin_chunk();
        let (told, rows) = (self.meant).rows(&mut self.gather, chunk, heads, among)?;
        self.told = Some(told);
        Ok(rows)
    }

    fn counts_sorts(&self) -> bool {
        true
    }

    fn sums(
        &mut self,
        chunk: usize,
        alike: &Alike,
        lists: (&Heads<'_>, &Among<'_>),
        evaluator: Option<&mut Evaluator>,
    ) -> Result<bool, ErrorKind> {
        self.sum(chunk, alike, lists, evaluator)
    }

    /// Counts by process and file, and what arguments say by that, too. Left are events that are read by rules of their own.
    fn count(
        &mut self,
        heads: &Heads<'_>,
        among: &Among<'_>,
        rows: Option<Vec<u64>>,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        let Some(told) = self.told.take() else {
            return Ok(rows);
        };
        if rows.iter().flatten().all(|word| *word == 0) && rows.is_some() {
            return Ok(rows);
        }
        let session = self.session;
        let hides = !session.shows_internal();
        let hidden = |ty: &TypeId| hides && session.is_internal_type(*ty);
        let hidden: Vec<bool> = among.types.iter().map(hidden).collect();
        let (types, marks) = (heads.types()?, heads.marks()?);
        let (procs, times) = (heads.procs()?, heads.times()?);
        let files = heads.files()?;
        let mut rows = rows.unwrap_or_else(|| vec![u64::MAX; types.len().div_ceil(64)]);
        let is_hidden = |row: usize| {
            let marks = marks.get(row).copied().unwrap_or(0);
            let ty = types.get(row).map_or(usize::MAX, |ty| usize::from(*ty));
            hides && EventFlags(marks).has(EventFlags::INTERNAL)
                || hidden.get(ty).is_some_and(|hidden| *hidden)
        };
        let actors = |row: usize| {
            let (proc, file) = (procs.get(row)?, files.get(row)?);
            Some((*proc, *file, *times.get(row)?))
        };
        let mut sums = Sums::default();
        if told.has_rows() {
            // Neighbours are mostly of one thread.
            let mut last: Option<((u32, u32), Times)> = None;
            let mut add = |who: (u32, u32), sum: Times| {
                (sums.rows.entry(who).and_modify(|all| all.add_all(&sum))).or_insert(sum);
            };
            for (at, word) in rows.iter().enumerate() {
                let mut left = *word;
                while left != 0 {
                    let row = at * 64 + left.trailing_zeros() as usize;
                    left &= left - 1;
                    let Some((proc, file, time)) = actors(row) else {
                        continue;
                    };
                    if !told.is_of_row(proc, file) || is_hidden(row) {
                        continue;
                    }
                    match &mut last {
                        Some((who, sum)) if *who == (proc, file) => sum.add(time),
                        last => {
                            let before = last.replace(((proc, file), Times::once(time)));
                            if let Some((who, sum)) = before {
                                add(who, sum);
                            }
                        }
                    }
                }
            }
            if let Some((who, sum)) = last {
                add(who, sum);
            }
        }
        for (row, number) in told.said() {
            let row = *row as usize;
            let Some((proc, file, time)) = actors(row).filter(|_| lists::holds(&rows, row)) else {
                continue;
            };
            if !is_hidden(row) {
                (sums.says.entry((proc, file, *number)))
                    .and_modify(|sum| sum.add(time))
                    .or_insert_with(|| Times::once(time));
            }
        }
        self.tell(&sums, &told, (heads, among))?;
        for (word, odd) in rows.iter_mut().zip(told.odd()) {
            *word &= odd;
        }
        self.counted = rows.iter().any(|word| *word != 0);
        Ok(Some(rows))
    }

    fn chunk(&mut self) {
        self.settle();
        self.told = None;
        self.only_args = std::mem::take(&mut self.counted);
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        match self.only_args {
            true => {
                let times = Times::once(ctx.event.time.0);
                self.gather.arguments(ctx, &times);
            }
            false => {
                self.gather.event(ctx);
            }
        }
        true
    }
}

/// Passes on the events of things that are meant.
struct Picking<'a> {
    gather: Gather,
    meant: Meant<'a>,
    each: &'a mut dyn FnMut(&Ctx<'_>) -> bool,
}

impl Visitor for Picking<'_> {
    fn sifts(&self) -> bool {
        self.meant.ask.has_text()
    }

    fn rows(
        &mut self,
        chunk: usize,
        heads: &Heads<'_>,
        among: &Among<'_>,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        self.gather.take();
        let (_, rows) = (self.meant).rows(&mut self.gather, chunk, heads, among)?;
        Ok(rows)
    }

    fn chunk(&mut self) {
        self.gather.take();
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        let meant = &mut self.meant;
        if self.gather.event_is(ctx, &mut |thing| meant.is(thing)) {
            (self.each)(ctx)
        } else {
            true
        }
    }
}

/// Answers of an index alone: the capture need not be opened for them. Only of one that is whole.
impl Index {
    /// As [`Session::search`], without conditions.
    ///
    /// # Errors
    /// When the index turns out to be damaged.
    pub fn search(&self, ask: &Ask, limit: usize) -> Result<Hits, Refused> {
        let each = |best: &mut Best, number, entry: &Entry| {
            if let Some(score) = ask.score(&entry.thing) {
                best.add(score, number, entry);
            }
        };
        let best = self.candidates_shared(ask, || Best::of(limit), each, Best::or)?;
        let found = best.found;
        let mut hits = Vec::new();
        for number in best.done() {
            let (thing, tally) =
                self.entry(number, |entry| (entry.thing.clone(), entry.tally.clone()))?;
            let found = ask.find(&thing).ok_or(Refused::Damaged)?;
            hits.extend(hit((thing, (found, tally))));
        }
        Ok(Hits {
            hits,
            found,
            truncated: false,
            complete: true,
            indexed: true,
        })
    }

    /// As [`Session::sweep`].
    ///
    /// # Errors
    /// When the index turns out to be damaged.
    pub fn sweep(&self, list: &Indicators) -> Result<Vec<Sighting>, Refused> {
        let mut sweep = Sweep::new(list);
        self.candidates(None, |_, entry| {
            sweep.thing(&entry.thing, &entry.tally);
            true
        })?;
        Ok(sweep.done())
    }
}

impl Session {
    /// Where things that are meant are met; `None` when that is not known.
    fn met(&self, ask: &Ask) -> Option<Met> {
        Some(self.met_and_best(ask)?.0)
    }

    /// The conditions of what is asked, for this capture.
    fn conditions(&self, ask: &Ask) -> Result<Option<Filter>, Error> {
        let end = self.span().map_or(0, |span| span.1);
        Ok(ask.filter(self.manifest().wall_ns(end))?)
    }

    /// What is asked for, best first. Conditions and a span leave out events, and things that then have none.
    pub fn search(
        &self,
        ask: &Ask,
        span: Span,
        limit: usize,
        progress: &Progress,
    ) -> Result<Hits, Error> {
        self.search_in_parts(ask, span, limit, progress, None)
    }

    /// As [`Session::search`]. Where every event may have to be counted, `taker` is given what was found so far soon after the
    /// beginning, and now and then after that: the counts of such a part grow, and it is not complete.
    pub fn search_in_parts(
        &self,
        ask: &Ask,
        span: Span,
        limit: usize,
        progress: &Progress,
        taker: Taker<'_, Hits>,
    ) -> Result<Hits, Error> {
        let filter = self.conditions(ask)?;
        let indexed = self.index().is_some() && !self.shows_internal();
        let walks = filter.is_some() || span.is_some();
        let whole = self.index().filter(|index| index.is_whole());
        if let Some(index) = whole.filter(|_| !walks && indexed)
            && let Ok(hits) = index.search(ask, limit)
        {
            return Ok(hits);
        }
        let known = if walks { self.met_and_best(ask) } else { None };
        let (met, best) = known.unzip();
        let meant = Meant::new(ask, met.as_ref());
        let mut collecting = Collecting::new(self, meant, (limit, taker));
        let complete;
        if walks {
            let how = Counting {
                filter: filter.as_ref(),
                span,
                met: met.as_ref(),
                progress,
                limit,
            };
            complete = match filter.as_ref().is_some_and(Filter::is_ordered) {
                false => self.count_chunks(&how, best, &mut collecting),
                // What it says of an event depends on the one before.
                true => {
                    let chunks = how.met.map(|met| &met.chunks);
                    let filter = filter.as_ref();
                    let walked = self.walk_in(chunks, filter, span, 1, progress, &mut collecting);
                    walked.complete
                }
            };
            collecting.settle();
        } else {
            let pile = &mut collecting.pile;
            let mut add = |thing: &Thing, tally: &Tally| {
                pile.add(ask, thing, tally);
            };
            complete = self.things_of(Some(ask), progress, &mut add);
        }
        Ok(Hits {
            complete,
            indexed,
            ..collecting.pile.ranked(ask, limit)
        })
    }

    /// Shows every thing with its tally: of those that are not in an index once for each chunk. Says whether it was not
    /// cancelled.
    fn things(&self, progress: &Progress, mut each: impl FnMut(&Thing, &Tally)) -> bool {
        self.things_of(None, progress, &mut each)
    }

    /// As [`Session::things`]; those that are surely not meant may be left out.
    fn things_of(
        &self,
        ask: Option<&Ask>,
        progress: &Progress,
        each: &mut dyn FnMut(&Thing, &Tally),
    ) -> bool {
        let index = self.index().filter(|_| !self.shows_internal());
        // First what may fail, so that nothing is told twice.
        let mut known = Vec::new();
        let read = index.is_some_and(|index| {
            let keep = |_, entry: &Entry| {
                if entry.tally.count > 0 && ask.is_none_or(|ask| ask.score(&entry.thing).is_some())
                {
                    known.push((entry.thing.clone(), entry.tally.clone()));
                }
                true
            };
            index.candidates(ask, keep).is_ok()
        });
        for (thing, tally) in known.iter().filter(|_| read) {
            each(thing, tally);
        }
        let mut things = Gather::new();
        for (at, info) in self.chunks().iter().enumerate() {
            if read && index.is_some_and(|index| !index.lacks(at)) {
                continue;
            }
            if progress.cancel.load(Ordering::Relaxed) {
                return false;
            }
            let found = gather(self, at, &mut things, |_, _| {}).unwrap_or_default();
            found.iter().for_each(|(thing, tally)| each(thing, tally));
            progress.done.fetch_add(info.events, Ordering::Relaxed);
        }
        apart(self)
            .iter()
            .for_each(|(thing, tally)| each(thing, tally));
        true
    }

    /// Where indicators of a list were seen.
    pub fn sweep(&self, list: &Indicators, progress: &Progress) -> Vec<Sighting> {
        let mut sweep = Sweep::new(list);
        self.things(progress, |thing, tally| sweep.thing(thing, tally));
        sweep.done()
    }

    /// What is known of the capture as a whole.
    pub fn about(&self) -> About {
        about(self)
    }

    /// Shows every event of what is asked for, in order, until `each` returns false.
    pub fn search_events(
        &self,
        ask: &Ask,
        span: Span,
        progress: &Progress,
        each: &mut dyn FnMut(&Ctx<'_>) -> bool,
    ) -> Result<(), Error> {
        let filter = self.conditions(ask)?;
        let met = self.met(ask);
        let mut picking = Picking {
            gather: Gather::new(),
            meant: Meant::new(ask, met.as_ref()),
            each,
        };
        self.walk_in(
            met.as_ref().map(|met| &met.chunks),
            filter.as_ref(),
            span,
            1,
            progress,
            &mut picking,
        );
        Ok(())
    }
}
