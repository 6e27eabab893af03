//! Search: things by their words, ranked, with where and when they were met. With an index or without, the answer is the same.

mod rank;

pub(crate) use rank::Pile;

use crate::error::Error;
use crate::index::{About, Ask, Entry, Gather, Index, Kind, Reach, Refused, Tally, Thing, Times};
use crate::index::{about, apart, gather};
use crate::ioc::{Indicators, Sighting, Sweep};
use crate::session::{Aim, Progress, Session, Span, Visitor};
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::{Ctx, Event, EventFlags, TypeId};
use afterimage_query::{Among, Filter};
use hashbrown::HashMap;
use rank::{Best, hit};
use std::ops::Range;
use std::sync::atomic::Ordering;

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

/// Where things that are meant are met, as far as an index says.
struct Met {
    /// The chunks.
    chunks: Reach,
    /// Those in which a path that a program passed holds one of them.
    by_paths: Reach,
    /// Those in which what was read or written does. In all others only rows do.
    by_payload: Reach,
}

/// What is looked for, and what was found out about things so far.
struct Meant<'a> {
    ask: &'a Ask,
    met: Option<&'a Met>,
    known: HashMap<Thing, bool>,
}

/// Things about which something is remembered.
const MOST_KNOWN: usize = 100_000;

impl<'a> Meant<'a> {
    fn new(ask: &'a Ask, met: Option<&'a Met>) -> Meant<'a> {
        Meant {
            ask,
            met,
            known: HashMap::new(),
        }
    }

    fn is(&mut self, thing: &Thing) -> bool {
        if let Some(is) = self.known.get(thing) {
            return *is;
        }
        let is = self.ask.score(thing).is_some();
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(thing.clone(), is);
        is
    }

    /// Which events of a chunk can have to do with things that are meant.
    fn aim(&mut self, gather: &mut Gather, chunk: usize, among: &Among<'_>) -> Option<Aim> {
        if !self.ask.has_text() {
            return None;
        }
        let mut event = nobody();
        let mut is = |event: &Event, of_file: bool| {
            let ctx = among.ctx(event);
            gather.row_is(&ctx, of_file, &mut |thing| self.is(thing))
        };
        let procs = among.procs.iter().map(|proc| {
            event.proc = *proc;
            is(&event, false)
        });
        let procs = procs.collect();
        let mut event = nobody();
        let files = among.tables.files.keys().filter(|file| {
            event.file = Some(**file);
            is(&event, true)
        });
        let files = files.copied().collect();
        Some(Aim {
            procs,
            files,
            types: self.types(gather, chunk, among),
        })
    }

    /// By place among a chunk's types: whether the arguments of events may have things that are meant.
    fn types(&self, gather: &mut Gather, chunk: usize, among: &Among<'_>) -> Vec<bool> {
        let met = self.met;
        let in_paths = met.is_none_or(|met| met.by_paths.holds(chunk));
        let in_payload = met.is_none_or(|met| met.by_payload.holds(chunk));
        let types = among.types.iter().map(|ty| {
            let (path, payload) = gather.has(among.schema, *ty);
            path && in_paths || payload && in_payload
        });
        types.collect()
    }
}

/// An event that never was, so that things can be asked of a row.
fn nobody() -> Event {
    Event {
        cpu: Event::NO_CPU,
        ..Event::of_type(TypeId(u16::MAX))
    }
}

/// Gathers the things of the events it is shown.
struct Collecting<'a> {
    session: &'a Session,
    gather: Gather,
    meant: Meant<'a>,
    pile: Pile,
}

impl Collecting<'_> {
    fn settle(&mut self) {
        // Of rows that were asked without an event there is nothing to tell.
        for (thing, tally) in self.gather.take() {
            if tally.count > 0 {
                self.pile.add(self.meant.ask, &thing, &tally);
            }
        }
    }
}

impl Visitor for Collecting<'_> {
    fn sifts(&self) -> bool {
        true
    }

    /// What arguments cannot say is counted by process and file.
    fn count(
        &mut self,
        chunk: usize,
        heads: &Heads<'_>,
        among: &Among<'_>,
        rows: Option<Vec<u64>>,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        let asked = self.meant.types(&mut self.gather, chunk, among);
        if asked.iter().all(|asked| *asked) {
            return Ok(rows);
        }
        let session = self.session;
        let hides = !session.shows_internal();
        let hidden = |ty: &TypeId| hides && session.is_internal_type(*ty);
        let hidden: Vec<bool> = among.types.iter().map(hidden).collect();
        let (types, marks) = (heads.types()?, heads.marks()?);
        let (procs, times) = (heads.procs()?, heads.times()?);
        let (files, listed) = (heads.files()?, heads.file_list()?);
        let mut rows = rows.unwrap_or_else(|| vec![u64::MAX; types.len().div_ceil(64)]);
        let mut sums: HashMap<(u32, u32), Times> = HashMap::new();
        let of_rows = types
            .iter()
            .zip(marks)
            .zip(procs.iter().zip(files))
            .zip(times);
        for (row, (((ty, marks), (proc, file)), time)) in of_rows.enumerate() {
            let Some(word) = rows.get_mut(row / 64) else {
                break;
            };
            let ty = usize::from(*ty);
            if *word >> (row % 64) & 1 == 0 || asked.get(ty).is_none_or(|asked| *asked) {
                continue;
            }
            *word &= !(1 << (row % 64));
            let hides = hides && EventFlags(*marks).has(EventFlags::INTERNAL);
            if hides || hidden.get(ty).is_some_and(|hidden| *hidden) {
                continue;
            }
            (sums.entry((*proc, *file)))
                .and_modify(|sum| sum.add(*time))
                .or_insert_with(|| Times::once(*time));
        }
        let mut event = nobody();
        for ((proc, file), times) in sums {
            let Some(proc) = among.procs.get(proc as usize) else {
                continue;
            };
            event.proc = *proc;
            event.file = (file.checked_sub(1)).and_then(|at| listed.get(at as usize).copied());
            self.gather.rows(&among.ctx(&event), &times);
        }
        Ok(Some(rows))
    }

    fn aim(&mut self, chunk: usize, among: &Among<'_>) -> Option<Aim> {
        self.settle();
        self.meant.aim(&mut self.gather, chunk, among)
    }

    fn chunk(&mut self) {
        self.settle();
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        self.gather.event(ctx);
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

    fn aim(&mut self, chunk: usize, among: &Among<'_>) -> Option<Aim> {
        self.gather.take();
        self.meant.aim(&mut self.gather, chunk, among)
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
        let mut best = Best::of(limit);
        self.candidates(Some(ask), |number, entry| {
            best.add(ask, number, entry);
            true
        })?;
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
        let index = self
            .index()
            .filter(|_| ask.has_text() && !self.shows_internal())?;
        let (mut chunks, mut by_paths) = (index.nowhere(), index.nowhere());
        let mut by_payload = index.nowhere();
        let each = |_, entry: &Entry| {
            if ask.score(&entry.thing).is_some() {
                chunks.add_all(&entry.chunks);
                let kind = entry.thing.kind();
                if kind.is_none_or(Kind::is_of_paths) {
                    by_paths.add_all(&entry.chunks);
                }
                if kind.is_none_or(Kind::is_of_payload) {
                    by_payload.add_all(&entry.chunks);
                }
            }
            true
        };
        index.candidates(Some(ask), each).ok()?;
        Some(Met {
            chunks,
            by_paths,
            by_payload,
        })
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
        let filter = self.conditions(ask)?;
        let indexed = self.index().is_some() && !self.shows_internal();
        let walks = filter.is_some() || span.is_some();
        let whole = self.index().filter(|index| index.is_whole());
        if let Some(index) = whole.filter(|_| !walks && indexed)
            && let Ok(hits) = index.search(ask, limit)
        {
            return Ok(hits);
        }
        let met = if walks { self.met(ask) } else { None };
        let mut collecting = Collecting {
            session: self,
            gather: Gather::new(),
            meant: Meant::new(ask, met.as_ref()),
            pile: Pile::default(),
        };
        let complete;
        if walks {
            let walked = self.walk_in(
                met.as_ref().map(|met| &met.chunks),
                filter.as_ref(),
                span,
                1,
                progress,
                &mut collecting,
            );
            complete = walked.complete;
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
            ..collecting.pile.ranked(limit)
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
