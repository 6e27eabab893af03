//! The tiles of the overview, all in one pass.

use crate::cell::{Cell, Key};
use crate::error::Error;
use crate::likely::{Likely, Places, each};
use crate::parts::{Parts, Taker};
use crate::reading::FieldReader;
use crate::rows::{Row, Rows};
use crate::runs::{self, Taking};
use crate::session::{Progress, Session, Span, Visitor};
use crate::spread::{Percentiles, Spread};
use crate::timeline::{MOST_STEPS, step_of};
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::Ctx;
use afterimage_query::{Among, Counted, Evaluator, FieldRef, Filter, FilterError, TILES, Tile};
use bincode::{Decode, Encode};
use std::collections::HashSet;

/// Steps of a span in which tiles are counted, so that percentiles over them tell something.
pub const TILE_STEPS: usize = 320;

/// What a tile has come to.
#[derive(Clone, Debug)]
pub struct TileTotal {
    /// The tile.
    pub tile: &'static Tile,
    /// Events, sum or distinct values, as the tile says.
    pub total: u64,
    /// Events that it looked at.
    pub events: u64,
    /// Number of the first of them; `None` when there is none.
    pub first_num: Option<u64>,
    /// The total over equal steps of the span; for distinct values, those that were new.
    pub steps: Vec<u64>,
    /// The single values, of a tile that sums them.
    values: Spread,
}

impl TileTotal {
    /// Percentiles of the single values of a tile that sums them, else of its steps; `None` where nothing was counted.
    pub fn percentiles(&self) -> Option<Percentiles> {
        match self.tile.counted {
            _ if self.events == 0 => None,
            Counted::Sum(_) => self.values.percentiles(),
            Counted::Events | Counted::Distinct(_) => {
                self.steps.iter().copied().collect::<Spread>().percentiles()
            }
        }
    }
}

/// Tiles, counted.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// One per row of `TILES`, in order, or of the tiles that were asked for.
    pub tiles: Vec<TileTotal>,
    /// The span shown.
    pub span: (u64, u64),
    /// Events that matched.
    pub matched: u64,
    /// Whether all of the capture was looked at.
    pub complete: bool,
}

impl Session {
    /// The totals of all tiles, with a further filter, and their course in `steps` equal steps.
    pub fn tiles(
        &self,
        filter: Option<&Filter>,
        span: Span,
        steps: usize,
        progress: &Progress,
    ) -> Result<Overview, Error> {
        self.tiles_in_parts(filter, span, steps, progress, None)
    }

    /// The same, and what was counted so far now and then on the way.
    pub fn tiles_in_parts(
        &self,
        filter: Option<&Filter>,
        span: Span,
        steps: usize,
        progress: &Progress,
        parts: Taker<'_, Overview>,
    ) -> Result<Overview, Error> {
        if steps == TILE_STEPS
            && let Some(kept) = self.kept_tiles((filter, span), progress)
            && let Some(overview) = kept.overview()
        {
            return Ok(overview);
        }
        let all: Vec<&'static Tile> = TILES.iter().collect();
        self.courses(&all, filter, span, steps, progress, parts)
    }

    /// The totals and the course of some tiles, in their order.
    pub fn courses(
        &self,
        tiles: &[&'static Tile],
        filter: Option<&Filter>,
        span: Span,
        steps: usize,
        progress: &Progress,
        parts: Taker<'_, Overview>,
    ) -> Result<Overview, Error> {
        let shown = span.or_else(|| self.span()).unwrap_or_default();
        let steps = steps.min(MOST_STEPS);
        let counters = tiles
            .iter()
            .map(|tile| Counter::new(tile, steps))
            .collect::<Result<_, FilterError>>();
        let counters = counters.map_err(|source| Error::View {
            view: "overview",
            source,
        })?;
        let mut counting = Counting {
            session: self,
            taking: Taking::by_steps(self, shown, steps),
            open: Open::default(),
            likely: Likely::default(),
            counters,
            span: shown,
            matched: 0,
            parts: Parts::of_chunks(parts),
        };
        let complete = self.walk(filter, span, 1, progress, &mut counting).complete;
        Ok(overview(
            &counting.counters,
            shown,
            counting.matched,
            complete,
        ))
    }

    /// The tiles as rows of a table.
    pub(crate) fn tile_rows(
        &self,
        filter: Option<&Filter>,
        span: Span,
        progress: &Progress,
    ) -> Result<Rows, Error> {
        let overview = self.tiles(filter, span, TILE_STEPS, progress)?;
        let number = |n: Option<u64>| n.map_or(Cell::Missing, |n| Cell::Number(n.into()));
        let rows = overview.tiles.into_iter().map(|total| {
            let spread = total.percentiles();
            Row {
                cells: vec![
                    Cell::Text(total.tile.title.into()),
                    number(Some(total.total)),
                    number(spread.map(|spread| spread.p50)),
                    number(spread.map(|spread| spread.p95)),
                    number(spread.map(|spread| spread.p99)),
                    number(spread.map(|spread| spread.most)),
                    number(total.first_num),
                ],
                depth: 0,
                events: total.events,
                first_num: total.first_num.unwrap_or(0),
                filter: total.tile.filter.to_owned(),
            }
        });
        Ok(Rows {
            rows: rows.collect(),
            matched: overview.matched,
            complete: overview.complete,
            truncated: false,
        })
    }
}

/// All tiles of everything, as an index keeps them.
#[derive(Encode, Decode)]
pub(crate) struct Kept {
    /// In the order of `TILES`.
    tiles: Vec<KeptTile>,
    span: (u64, u64),
    matched: u64,
}

/// A [`TileTotal`] without its tile.
#[derive(Encode, Decode)]
struct KeptTile {
    total: u64,
    events: u64,
    first_num: Option<u64>,
    steps: Vec<u64>,
    values: Spread,
}

impl Kept {
    /// What is kept of an overview; nothing where not all of the capture was looked at.
    pub(crate) fn of(overview: Overview) -> Option<Kept> {
        let Overview {
            tiles,
            span,
            matched,
            complete,
        } = overview;
        let tile = |of: TileTotal| KeptTile {
            total: of.total,
            events: of.events,
            first_num: of.first_num,
            steps: of.steps,
            values: of.values,
        };
        complete.then(|| Kept {
            tiles: tiles.into_iter().map(tile).collect(),
            span,
            matched,
        })
    }

    fn overview(self) -> Option<Overview> {
        if self.tiles.len() != TILES.len() {
            return None;
        }
        let tile = |(tile, kept): (&'static Tile, KeptTile)| TileTotal {
            tile,
            total: kept.total,
            events: kept.events,
            first_num: kept.first_num,
            steps: kept.steps,
            values: kept.values,
        };
        Some(Overview {
            tiles: TILES.iter().zip(self.tiles).map(tile).collect(),
            span: self.span,
            matched: self.matched,
            complete: true,
        })
    }
}

struct Counter {
    /// The tile's filter, for what types of events it can match.
    asked: Filter,
    /// By event type: whether the filter can match it; asked once each.
    may: Vec<Option<bool>>,
    filter: Evaluator,
    readers: Vec<FieldReader>,
    /// What it counts is not told by lists.
    by_events: bool,
    seen: HashSet<Vec<u32>>,
    total: TileTotal,
}

impl Counter {
    fn new(tile: &'static Tile, steps: usize) -> Result<Counter, FilterError> {
        let fields: &[&str] = match &tile.counted {
            Counted::Events => &[],
            Counted::Sum(field) => std::slice::from_ref(field),
            Counted::Distinct(fields) => fields,
        };
        let readers = fields
            .iter()
            .map(|name| FieldRef::parse(name).map(FieldReader::new))
            .collect::<Result<Vec<_>, _>>()?;
        let by_events = (readers.iter()).any(|reader| !runs::tell(reader.field().field().on));
        let total = TileTotal {
            tile,
            total: 0,
            events: 0,
            first_num: None,
            steps: vec![0; steps],
            values: Spread::default(),
        };
        let asked = Filter::parse(tile.filter)?;
        Ok(Counter {
            filter: asked.evaluator(),
            asked,
            may: Vec::new(),
            readers,
            by_events,
            seen: HashSet::new(),
            total,
        })
    }

    /// Whether the type of an event may be one that the tile counts.
    fn may_count(&mut self, ctx: &Ctx<'_>) -> bool {
        let ty = ctx.event.ty;
        let place = usize::from(ty.0);
        if self.may.len() <= place {
            self.may.resize(place + 1, None);
        }
        match self.may.get_mut(place) {
            Some(Some(known)) => *known,
            Some(slot) => *slot.insert(self.asked.may_match_type(ctx.schema, ty)),
            None => true,
        }
    }

    /// Whether the type, the process and the file of an event may be of one that the tile counts.
    fn may_count_of(&mut self, ctx: &Ctx<'_>) -> bool {
        self.may_count(ctx) && self.filter.by_rows(ctx) != Some(false)
    }

    /// Whether an event is one that the tile counts, as far as lists tell.
    fn counts_by_lists(&mut self, ctx: &Ctx<'_>) -> Option<bool> {
        let found = self.filter.by_lists(ctx);
        found.filter(|counts| !counts || !self.by_events)
    }

    /// Takes in so many events that are alike, in a step of the span if they have a time.
    fn add(&mut self, ctx: &Ctx<'_>, events: u64, step: Option<usize>) {
        let weight = self.weight(ctx);
        let total = &mut self.total;
        total.events += events;
        let summed = match total.tile.counted {
            // What is counted once is so however often it is met.
            Counted::Distinct(_) => weight,
            Counted::Events | Counted::Sum(_) => weight.saturating_mul(events),
        };
        total.total = total.total.saturating_add(summed);
        let first = total.first_num.get_or_insert(ctx.num);
        *first = ctx.num.min(*first);
        if matches!(total.tile.counted, Counted::Sum(_)) {
            total.values.add_all(weight, events);
        }
        if let Some(count) = step.and_then(|step| total.steps.get_mut(step)) {
            *count = count.saturating_add(summed);
        }
    }

    /// How much an event adds.
    fn weight(&mut self, ctx: &Ctx<'_>) -> u64 {
        match self.total.tile.counted {
            Counted::Events => 1,
            Counted::Sum(_) => self
                .readers
                .first()
                .and_then(|reader| reader.number(ctx))
                .map_or(0, |n| u64::try_from(n.max(0)).unwrap_or(u64::MAX)),
            Counted::Distinct(_) => {
                let ids: Vec<u32> = self
                    .readers
                    .iter_mut()
                    .map(|reader| reader.id(ctx))
                    .collect();
                let something = self
                    .readers
                    .iter()
                    .zip(&ids)
                    .any(|(reader, id)| *reader.key(*id) != Key::Missing);
                u64::from(something && self.seen.insert(ids))
            }
        }
    }
}

fn overview(counters: &[Counter], span: (u64, u64), matched: u64, complete: bool) -> Overview {
    Overview {
        tiles: counters
            .iter()
            .map(|counter| counter.total.clone())
            .collect(),
        span,
        matched,
        complete,
    }
}

const _: () = assert!(TILES.len() <= Places::BITS as usize);

/// What lists left open of a chunk.
#[derive(Default)]
struct Open {
    /// Number of the chunk's first event.
    first_num: u64,
    /// Which run each event is in, in the order of the capture; none when lists told nothing.
    runs: Vec<u32>,
    /// By run: the counters that have to look at its events.
    counters: Vec<Places>,
}

impl Open {
    /// The counters that have to look at an event; `None` of one that lists told nothing of.
    fn of(&self, num: u64) -> Option<Places> {
        let place = usize::try_from(num.checked_sub(self.first_num)?).ok()?;
        let run = self.runs.get(place).filter(|run| **run != 0)?;
        self.counters.get(*run as usize).copied()
    }
}

struct Counting<'s, 'p> {
    session: &'s Session,
    /// How events are taken together; `None` where each is looked at.
    taking: Option<Taking>,
    open: Open,
    likely: Likely,
    counters: Vec<Counter>,
    span: (u64, u64),
    matched: u64,
    parts: Parts<'p, Overview>,
}

impl Counting<'_, '_> {
    /// The counters that may count an event, by its rows.
    fn may(&mut self, ctx: &Ctx<'_>) -> Places {
        let counters = &mut self.counters;
        self.likely.of(ctx, || {
            (counters.iter_mut()).map(|counter| counter.may_count_of(ctx))
        })
    }

    fn forget(&mut self) {
        self.likely.forget();
        for counter in &mut self.counters {
            counter.filter.forget();
            for reader in &mut counter.readers {
                reader.forget_rows();
            }
        }
    }

    fn glance(&mut self) {
        let (counters, span, matched) = (&self.counters, self.span, self.matched);
        self.parts
            .glance_at_chunk(|| overview(counters, span, matched, false));
    }
}

impl Visitor for Counting<'_, '_> {
    fn chunk(&mut self) {
        self.forget();
        self.glance();
    }

    fn by_lists(&self) -> bool {
        self.taking.is_some()
    }

    fn rows(
        &mut self,
        _: usize,
        _: &Heads<'_>,
        _: &Among<'_>,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        self.open = Open::default();
        Ok(None)
    }

    fn count(
        &mut self,
        heads: &Heads<'_>,
        among: &Among<'_>,
        rows: Option<Vec<u64>>,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        let Some(taking) = &self.taking else {
            return Ok(rows);
        };
        let mut taken = taking.take(self.session, (heads, among), rows, &|_| false)?;
        self.forget();
        let mut open: Vec<Places> = vec![0; taken.runs.len() + 1];
        for run in &taken.runs {
            self.matched = self.matched.saturating_add(run.events);
            let ctx = Ctx {
                num: run.first_num,
                ..among.ctx(&run.first)
            };
            for at in each(self.may(&ctx)) {
                let Some(counter) = self.counters.get_mut(at) else {
                    continue;
                };
                match counter.counts_by_lists(&ctx) {
                    Some(true) => counter.add(&ctx, run.events, Some(run.step)),
                    Some(false) => {}
                    None => {
                        if let Some(bits) = open.get_mut(run.number as usize) {
                            *bits |= 1 << at;
                        }
                    }
                }
            }
        }
        taken.leave(&|run| open.get(run as usize).is_some_and(|bits| *bits != 0));
        let run = |row: &u32| taken.of_row.get(*row as usize).copied().unwrap_or(0);
        self.open = Open {
            first_num: heads.zone().first_num,
            runs: heads.order()?.iter().map(run).collect(),
            counters: open,
        };
        self.glance();
        Ok(Some(taken.left))
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        let open = self.open.of(ctx.num).unwrap_or_else(|| {
            // Of types that the capture does not name, lists tell nothing.
            self.matched += 1;
            self.may(ctx)
        });
        for at in each(open) {
            let Some(counter) = self.counters.get_mut(at) else {
                continue;
            };
            if !counter.filter.matches(ctx) {
                continue;
            }
            // What has no time, in captures of sysdig, is in no step.
            let untimed = ctx.event.time.0 == 0 && self.span.0 > 0;
            let step = || step_of(ctx.event.time.0, self.span, counter.total.steps.len());
            let step = (!untimed).then(step);
            counter.add(ctx, 1, step);
        }
        let (counters, span, matched) = (&self.counters, self.span, self.matched);
        self.parts
            .glance(|| overview(counters, span, matched, false));
        true
    }
}
