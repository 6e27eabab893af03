//! The rows of a view: what each holds, and the filter that leads to the events behind it.

use crate::aggregate::{Groups, is_sampled, view_field};
use crate::cell::{Cell, Key};
use crate::error::Error;
use crate::index::Ahead;
use crate::made::Asked;
use crate::parts::{Parts, Taker};
use crate::runs::Taking;
use crate::session::{Progress, Session, Span, Visitor};
use crate::tree::Lineage;
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::{Ctx, Gap, Manifest, TypeDesc};
use afterimage_query::{Among, FieldRef, Filter, Shape, View, print_value};
use bincode::{Decode, Encode};

/// Most rows that a list of events is answered with; whoever wants more scans.
pub const MOST_LIST_ROWS: usize = 100_000;

/// Most groups that a view is answered with.
pub const MOST_GROUPS: usize = 1 << 20;

/// A row of a view.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Row {
    /// Cells, one per column of the view.
    pub cells: Vec<Cell>,
    /// Depth in a tree; 0 elsewhere.
    pub depth: u16,
    /// Events behind it.
    pub events: u64,
    /// Number of its first event.
    pub first_num: u64,
    /// The filter that selects exactly this row's events among those the view was given.
    pub filter: String,
}

/// The answer for a view.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Rows {
    /// Rows, sorted as the view says.
    pub rows: Vec<Row>,
    /// Events that matched.
    pub matched: u64,
    /// Whether all of the capture was looked at (not cancelled).
    pub complete: bool,
    /// Whether there are more rows than are given ([`MOST_LIST_ROWS`], [`MOST_GROUPS`]).
    pub truncated: bool,
}

impl Rows {
    /// Whether anything in it is not shown unless somebody asks for it.
    pub(crate) fn has_secrets(&self) -> bool {
        let mut cells = self.rows.iter().flat_map(|row| &row.cells);
        cells.any(|cell| matches!(cell, Cell::Secret(_)))
    }
}

impl Session {
    /// The rows of a view, with a further filter.
    pub fn view(
        &self,
        view: &View,
        filter: Option<&Filter>,
        span: Span,
        progress: &Progress,
    ) -> Result<Rows, Error> {
        self.view_in_parts(view, filter, span, progress, None)
    }

    /// The same, and what was found so far now and then on the way, where the view can tell.
    pub fn view_in_parts(
        &self,
        view: &View,
        filter: Option<&Filter>,
        span: Span,
        progress: &Progress,
        parts: Taker<'_, Rows>,
    ) -> Result<Rows, Error> {
        match view.shape {
            Shape::Gaps => return Ok(self.gap_rows(span)),
            Shape::Overview => return self.tile_rows(filter, span, progress),
            _ => {}
        }
        let mut parts = parts;
        match (self.kept_rows(view, (filter, span), progress)).map(Ahead::whole) {
            Some(Ok(rows)) => return Ok(rows),
            Some(Err(page)) => {
                if let Some(taker) = &mut parts {
                    taker(page.rows);
                }
            }
            None => {}
        }
        let own = own_filter(view)?;
        let both = match filter {
            Some(filter) => own.clone().and(filter.clone()),
            None => own.clone(),
        };
        match view.shape {
            Shape::List | Shape::Events => {
                self.list(view, &both, span, progress, (parts, usize::MAX))
            }
            Shape::Made(made) => {
                let asked = Asked {
                    view,
                    filter: Some(&both),
                    span,
                    progress,
                };
                self.made(made, &asked)
            }
            _ => self.grouped((view, &own), &both, span, progress, parts),
        }
    }

    /// The first `most` rows of a view that lists events, and only as much of the capture is looked at as that takes; of any other
    /// view all of them.
    pub fn first_rows(
        &self,
        view: &View,
        filter: Option<&Filter>,
        span: Span,
        most: usize,
        progress: &Progress,
    ) -> Result<Rows, Error> {
        let kept = self.kept_rows(view, (filter, span), progress);
        if let Some(rows) = kept.and_then(|kept| kept.first(most)) {
            return Ok(rows);
        }
        if !matches!(view.shape, Shape::List | Shape::Events) {
            return self.view(view, filter, span, progress);
        }
        let own = own_filter(view)?;
        let both = match filter {
            Some(filter) => own.and(filter.clone()),
            None => own,
        };
        self.list(view, &both, span, progress, (None, most))
    }

    fn grouped(
        &self,
        (view, own): (&View, &Filter),
        both: &Filter,
        span: Span,
        progress: &Progress,
        parts: Taker<'_, Rows>,
    ) -> Result<Rows, Error> {
        let lineage = (view.shape == Shape::Tree).then(Lineage::default);
        let groups = Groups::new(view)?;
        let mut taking = Taking::of(self, groups.asked());
        if lineage.is_some() {
            taking = taking.map(Taking::with_processes);
        }
        let mut grouping = Grouping {
            session: self,
            taking,
            groups,
            lineage,
            matched: 0,
            view,
            seconds: self.seconds(span),
            narrow: RowFilter::new(view, own)?,
            parts: Parts::of_chunks(parts),
        };
        let complete = self
            .walk(Some(both), span, 1, progress, &mut grouping)
            .complete;
        Ok(grouping.rows(complete))
    }

    fn list(
        &self,
        view: &View,
        filter: &Filter,
        span: Span,
        progress: &Progress,
        (parts, most): (Taker<'_, Rows>, usize),
    ) -> Result<Rows, Error> {
        let fields = view
            .columns
            .iter()
            .map(|column| view_field(view, column.field))
            .collect::<Result<_, Error>>()?;
        let mut listing = Listing {
            fields,
            rows: Rows::default(),
            most,
            parts: Parts::of_chunks(parts),
        };
        let complete = self
            .walk(Some(filter), span, 1, progress, &mut listing)
            .complete;
        Ok(Rows {
            complete,
            ..listing.rows
        })
    }

    fn gap_rows(&self, span: Span) -> Rows {
        let unreadable = self.unreadable();
        let gaps = self.gaps().iter().chain(&unreadable);
        let inside =
            |gap: &&Gap| span.is_none_or(|(from, to)| gap.start.0 <= to && gap.end.0 >= from);
        let mut gaps: Vec<&Gap> = gaps.filter(inside).collect();
        gaps.sort_by_key(|gap| (gap.start, gap.end));
        let rows = gaps
            .into_iter()
            .map(|gap| gap_row(gap, self.manifest()))
            .collect();
        Rows {
            rows,
            matched: 0,
            complete: true,
            truncated: false,
        }
    }
}

/// The filter of a view.
fn own_filter(view: &View) -> Result<Filter, Error> {
    Filter::parse(view.filter).map_err(|source| Error::View {
        view: view.id,
        source,
    })
}

fn started(groups: &Groups, at: usize) -> Option<Key> {
    let group = groups.groups.get(at)?;
    groups
        .keys(group)
        .find(|(field, _)| field.field().name == "proc.pid.ts")
        .map(|(_, key)| key.clone())
}

fn gap_row(gap: &Gap, manifest: &Manifest) -> Row {
    let number = |n: Option<u64>| n.map_or(Cell::Missing, |n| Cell::Number(i128::from(n)));
    let instant = |boot_ns: u64| Cell::Number(i128::from(manifest.wall_ns(boot_ns)));
    Row {
        cells: vec![
            Cell::Text(gap.cause.name().into()),
            instant(gap.start.0),
            instant(gap.end.0),
            number(gap.cpu.map(u64::from)),
            number(gap.count),
            Cell::Text(gap.detail.clone().into_bytes()),
        ],
        depth: 0,
        events: 0,
        first_num: 0,
        filter: String::new(),
    }
}

/// Makes the filter of a row out of its keys and of what the view's own filter asks beyond them.
struct RowFilter {
    own: Filter,
}

impl RowFilter {
    fn new(view: &View, own: &Filter) -> Result<RowFilter, Error> {
        let keys = view
            .keys()
            .map(|name| view_field(view, name))
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(RowFilter {
            own: own.beyond(&keys),
        })
    }

    fn text<'k>(&self, keys: impl Iterator<Item = (&'k FieldRef, &'k Key)>) -> String {
        let mut parts = Vec::new();
        if !self.own.is_all() {
            parts.push(self.own.print_member());
        }
        parts.extend(keys.map(|(field, key)| match key {
            Key::Missing => format!("not {field} exists"),
            Key::Number(n) => format!("{field}={n}"),
            Key::Text(text) => format!("{field}={}", print_value(text)),
        }));
        parts.join(" and ")
    }
}

/// Collects groups.
struct Grouping<'v, 'p> {
    session: &'v Session,
    /// How events are taken together; `None` where each is looked at.
    taking: Option<Taking>,
    groups: Groups,
    lineage: Option<Lineage>,
    matched: u64,
    view: &'v View,
    /// Length of the span, for rates.
    seconds: f64,
    narrow: RowFilter,
    parts: Parts<'p, Rows>,
}

impl Grouping<'_, '_> {
    /// Hands out the rows so far, if it is time.
    fn glance(&mut self) {
        let (groups, lineage) = (&self.groups, self.lineage.as_ref());
        let how = (self.view, &self.narrow, self.seconds);
        let matched = self.matched;
        self.parts
            .glance_at_chunk(|| rows_of(groups, lineage, how, (matched, false)));
    }

    /// The rows so far.
    fn rows(&self, complete: bool) -> Rows {
        rows_of(
            &self.groups,
            self.lineage.as_ref(),
            (self.view, &self.narrow, self.seconds),
            (self.matched, complete),
        )
    }
}

fn rows_of(
    groups: &Groups,
    lineage: Option<&Lineage>,
    (view, narrow, seconds): (&View, &RowFilter, f64),
    (matched, complete): (u64, bool),
) -> Rows {
    // What was only sampled is a row where the view is about samples.
    let sorted_by = view.columns.get(view.sort);
    let shows_samples = sorted_by.is_some_and(|column| is_sampled(column.aggregate));
    let row = |at: usize, depth: u16| {
        let group = groups.groups.get(at)?;
        if group.events == 0 && !shows_samples {
            return None;
        }
        Some(Row {
            cells: groups.cells(group, seconds),
            depth,
            events: group.events,
            first_num: group.first_num,
            filter: narrow.text(groups.keys(group)),
        })
    };
    let rows = match lineage {
        Some(lineage) => {
            // Siblings in the order they started, as far as known; then in the order they were seen.
            let order = |at: usize| {
                groups
                    .groups
                    .get(at)
                    .map(|group| (started(groups, at), group.first_num))
            };
            lineage
                .walk(groups.groups.len(), order)
                .into_iter()
                .filter_map(|(at, depth)| row(at, depth))
                .collect()
        }
        None => {
            let mut rows: Vec<Row> = (0..groups.groups.len())
                .filter_map(|at| row(at, 0))
                .collect();
            let order = |a: &Row, b: &Row| match (a.cells.get(view.sort), b.cells.get(view.sort)) {
                (Some(x), Some(y)) => y.order(x).then(a.first_num.cmp(&b.first_num)),
                _ => a.first_num.cmp(&b.first_num),
            };
            rows.sort_by(order);
            rows
        }
    };
    Rows {
        rows,
        matched,
        complete,
        truncated: groups.truncated,
    }
}

impl Visitor for Grouping<'_, '_> {
    fn chunk(&mut self) {
        self.groups.forget_rows();
        self.glance();
    }

    fn by_lists(&self) -> bool {
        self.taking.is_some()
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
        let taken = taking.take(self.session, (heads, among), rows, &is_sample)?;
        self.groups.forget_rows();
        for run in &taken.runs {
            self.matched = self.matched.saturating_add(run.events);
            let last = run.last();
            let ctx = |event, num| Ctx {
                num,
                ..among.ctx(event)
            };
            let first = ctx(&run.first, run.first_num);
            let last = ctx(&last, run.last_num);
            let group = self.groups.add_all(&first, &last, run.events);
            if let (Some(group), Some(lineage)) = (group, &mut self.lineage) {
                lineage.add(group, &first);
            }
        }
        self.glance();
        Ok(Some(taken.left))
    }

    fn wants_internal(&self, ty: &TypeDesc) -> bool {
        is_sample(ty) && self.groups.has_samples()
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        if ctx.ty().is_some_and(is_sample) {
            self.groups.sample(ctx);
            return true;
        }
        self.matched += 1;
        if let (Some(group), Some(lineage)) = (self.groups.add(ctx), &mut self.lineage) {
            lineage.add(group, ctx);
        }
        let (groups, lineage) = (&self.groups, self.lineage.as_ref());
        let how = (self.view, &self.narrow, self.seconds);
        let matched = self.matched;
        self.parts
            .glance(|| rows_of(groups, lineage, how, (matched, false)));
        true
    }
}

/// Whether events of a type are samples that another recorder took of threads.
fn is_sample(ty: &TypeDesc) -> bool {
    ty.is(TypeDesc::INTERNAL) && ty.arg_index("thread.cpu").is_some()
}

/// Collects one row per event, and counts on when there are too many.
struct Listing<'a> {
    fields: Vec<FieldRef>,
    rows: Rows,
    /// Rows after which it ends.
    most: usize,
    parts: Parts<'a, Rows>,
}

impl Visitor for Listing<'_> {
    fn chunk(&mut self) {
        let rows = &self.rows;
        self.parts.glance_at_chunk(|| rows.clone());
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        self.rows.matched += 1;
        if self.rows.rows.len() >= MOST_LIST_ROWS {
            self.rows.truncated = true;
            return true;
        }
        let cells = self
            .fields
            .iter()
            .map(|field| Cell::from(&Key::of(field.value(ctx))))
            .collect();
        self.rows.rows.push(Row {
            cells,
            depth: 0,
            events: 1,
            first_num: ctx.num,
            filter: format!("evt.num={}", ctx.num),
        });
        let rows = &self.rows;
        self.parts.glance(|| rows.clone());
        rows.rows.len() < self.most
    }
}
