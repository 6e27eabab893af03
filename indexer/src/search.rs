//! Search: things by their words, ranked, with where and when they were met. With an index or without, the answer is the same.

use crate::error::Error;
use crate::index::{About, Ask, Entry, Found, Gather, Index, Kind, Reach, Refused, Tally, Thing};
use crate::index::{about, actor_parts, apart, gather};
use crate::ioc::{Indicators, Sighting, Sweep};
use crate::session::{Aim, Progress, Session, Span, Visitor};
use afterimage_model::{Ctx, Event, TypeId};
use afterimage_query::{Among, Filter};
use hashbrown::HashMap;
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

/// What was found, while it is being gathered.
#[derive(Default)]
pub(crate) struct Pile {
    found: HashMap<Thing, (Found, Tally)>,
    truncated: bool,
}

impl Pile {
    pub(crate) fn add(&mut self, ask: &Ask, thing: &Thing, tally: &Tally) {
        if let Some((_, sum)) = self.found.get_mut(thing) {
            sum.absorb(tally.clone());
            return;
        }
        if thing.kind() == Some(Kind::Flow) {
            return;
        }
        let Some(found) = ask.find(thing) else {
            return;
        };
        if self.found.len() >= MOST_HITS {
            self.truncated = true;
            return;
        }
        self.found.insert(thing.clone(), (found, tally.clone()));
    }

    /// The best `limit`: those that fit best, of these the most telling kind, the rarest, in the order of their texts.
    pub(crate) fn ranked(self, limit: usize) -> Hits {
        let found = self.found.len();
        let mut all: Vec<(Thing, (Found, Tally))> = self.found.into_iter().collect();
        let order = |a: &(Thing, (Found, Tally)), b: &(Thing, (Found, Tally))| {
            let (score_a, score_b) = (a.1.0.score, b.1.0.score);
            let rank = |thing: &Thing| thing.kind().map(|kind| kind as u8);
            score_b
                .cmp(&score_a)
                .then_with(|| rank(&a.0).cmp(&rank(&b.0)))
                .then_with(|| a.1.1.count.cmp(&b.1.1.count))
                .then_with(|| a.0.cmp(&b.0))
        };
        if limit < all.len() && limit > 0 {
            all.select_nth_unstable_by(limit - 1, order);
        }
        all.truncate(limit);
        all.sort_by(order);
        Hits {
            hits: all.into_iter().filter_map(hit).collect(),
            found,
            truncated: self.truncated,
            complete: true,
            indexed: false,
        }
    }
}

fn hit((thing, (found, tally)): (Thing, (Found, Tally))) -> Option<Hit> {
    let kind = thing.kind()?;
    let mut places = found.places;
    let mut texts = Vec::new();
    let names = kind.row().fields.iter();
    for (name, text) in names.zip(thing.texts()) {
        match text {
            Some(text) => texts.push((*name, text.to_vec())),
            // The places after it move up.
            None => {
                let gone = texts.len();
                let behind = places.iter_mut().filter(|(place, _)| *place > gone);
                behind.for_each(|(place, _)| *place -= 1);
            }
        }
    }
    let by = tally.by.iter().map(|(actor, count)| {
        let (process, container) = actor_parts(actor);
        (process.to_vec(), container.to_vec(), *count)
    });
    Some(Hit {
        kind,
        texts,
        places,
        score: found.score,
        events: tally.count,
        first: tally.first,
        last: tally.last,
        by: by.collect(),
    })
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
        let is = self.ask.find(thing).is_some();
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
        let met = self.met;
        let in_paths = met.is_none_or(|met| met.by_paths.holds(chunk));
        let in_payload = met.is_none_or(|met| met.by_payload.holds(chunk));
        let types = among.types.iter().map(|ty| {
            let (path, payload) = gather.has(among.schema, *ty);
            path && in_paths || payload && in_payload
        });
        Some(Aim {
            procs,
            files,
            types: types.collect(),
        })
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
        self.meant.ask.has_text()
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
        let mut pile = Pile::default();
        self.candidates(Some(ask), |entry| {
            pile.add(ask, &entry.thing, &entry.tally);
            true
        })?;
        Ok(Hits {
            indexed: true,
            ..pile.ranked(limit)
        })
    }

    /// As [`Session::sweep`].
    ///
    /// # Errors
    /// When the index turns out to be damaged.
    pub fn sweep(&self, list: &Indicators) -> Result<Vec<Sighting>, Refused> {
        let mut sweep = Sweep::new(list);
        self.candidates(None, |entry| {
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
        let each = |entry: &Entry| {
            if ask.find(&entry.thing).is_some() {
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
        let met = if walks { self.met(ask) } else { None };
        let mut collecting = Collecting {
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
            let keep = |entry: &Entry| {
                if entry.tally.count > 0 && ask.is_none_or(|ask| ask.find(&entry.thing).is_some()) {
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
