//! Counts over steps of time: how long calls waited, at which tenth of a second things happened, how much went in and out.

use crate::cell::Cell;
use crate::error::Error;
use crate::made::{self, Asked, Columns, instant, number, row};
use crate::reading::FieldReader;
use crate::rows::Rows;
use crate::runs::{self, Taking};
use crate::session::{Session, Visitor};
use crate::timeline::step_of;
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::Ctx;
use afterimage_query::{Among, FieldRef, Made};

/// Steps of time.
const STEPS: usize = 60;

/// Most bins of a step.
const BINS: usize = 10;

/// Smallest latency that is in the next bin, ns.
const DECADES: [u64; 8] = [
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
];

/// What is summed over time, by bin: a field.
const COURSE: &[&str] = &[
    "evt.count",
    "evt.buflen.file.in",
    "evt.buflen.file.out",
    "evt.buflen.net.in",
    "evt.buflen.net.out",
    "evt.type.is.execve",
    "evt.count.error",
];

struct Counter<'s> {
    session: &'s Session,
    made: Made,
    span: (u64, u64),
    steps: Vec<([u64; BINS], u64, u64)>,
    fields: Vec<FieldReader>,
    /// How events are taken together; `None` where each is looked at.
    taking: Option<Taking>,
    matched: u64,
}

impl Counter<'_> {
    /// Adds so many events that are alike, in a step of the span.
    fn add(&mut self, ctx: &Ctx<'_>, alike: u64, step: usize) {
        self.matched = self.matched.saturating_add(alike);
        let Some((bins, events, first)) = self.steps.get_mut(step) else {
            return;
        };
        *first = match *events {
            0 => ctx.num,
            _ => ctx.num.min(*first),
        };
        *events = events.saturating_add(alike);
        let mut add = |bin: usize, n: u64| {
            if let Some(bin) = bins.get_mut(bin) {
                *bin = bin.saturating_add(n.saturating_mul(alike));
            }
        };
        match self.made {
            Made::Latencies => add(
                DECADES.partition_point(|least| *least <= ctx.event.latency_ns),
                1,
            ),
            Made::Subsecond => {
                let ns = self.session.manifest().wall_ns(ctx.event.time.0);
                add((ns.rem_euclid(1_000_000_000) / 100_000_000) as usize, 1);
            }
            _ => {
                for (bin, field) in self.fields.iter().enumerate() {
                    let n = field.number(ctx).unwrap_or(0);
                    add(bin, u64::try_from(n).unwrap_or(0));
                }
            }
        }
    }
}

impl Visitor for Counter<'_> {
    fn chunk(&mut self) {
        self.fields.iter_mut().for_each(FieldReader::forget_rows);
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
        let taken = taking.take(self.session, (heads, among), rows, &|_| false)?;
        self.chunk();
        for run in &taken.runs {
            let ctx = Ctx {
                num: run.first_num,
                ..among.ctx(&run.first)
            };
            self.add(&ctx, run.events, run.step);
        }
        Ok(Some(taken.left))
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        let step = step_of(ctx.event.time.0, self.span, self.steps.len());
        self.add(ctx, 1, step);
        true
    }
}

/// The latencies of a bin of `latency`: least, and the least of the next.
pub fn latencies_of(bin: usize) -> (u64, Option<u64>) {
    let least = bin.checked_sub(1).and_then(|at| DECADES.get(at).copied());
    (least.unwrap_or(1), DECADES.get(bin).copied())
}

/// The rows of `latency`, `subsecond` and `course`.
pub(crate) fn rows(session: &Session, made: Made, asked: &Asked<'_>) -> Result<Rows, Error> {
    let Some(span) = asked.span.or_else(|| session.span()) else {
        return Ok(made::answer(Vec::new(), 0, true));
    };
    let fields = COURSE
        .iter()
        .map(|name| FieldRef::parse(name).map(FieldReader::new))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| Error::View {
            view: asked.view.id,
            source,
        })?;
    // Events that are alike are not of one tenth of a second.
    let told = made != Made::Subsecond
        && (fields.iter()).all(|reader| runs::tell(reader.field().field().on));
    let taking = told.then(|| Taking::by_steps(session, span, STEPS));
    let mut counter = Counter {
        session,
        made,
        span,
        steps: vec![([0; BINS], 0, 0); STEPS],
        fields,
        taking: taking.flatten(),
        matched: 0,
    };
    let complete = session
        .walk(asked.filter, Some(span), 1, asked.progress, &mut counter)
        .complete;
    let columns = Columns::of(asked.view);
    let length = u128::from(span.1.saturating_sub(span.0)) + 1;
    let start = |step: usize| {
        let into = (length * step as u128).div_ceil(STEPS as u128);
        span.0
            .saturating_add(u64::try_from(into).unwrap_or(u64::MAX))
    };
    let mut rows = Vec::new();
    if counter.matched > 0 {
        for (step, (bins, events, first)) in counter.steps.iter().enumerate() {
            let cells = columns.cells(None, |name| match name.strip_prefix("bin.") {
                Some(bin) => {
                    let count = bin.parse().ok().and_then(|bin: usize| bins.get(bin));
                    count.map_or(Cell::Missing, |count| number(*count))
                }
                None => instant(session, start(step)),
            });
            let wall = |at: u64| session.manifest().wall_ns(at);
            let own = match asked.view.filter {
                "" => String::new(),
                own => format!("{own} and "),
            };
            let filter = format!(
                "{own}evt.rawtime>={} and evt.rawtime<{}",
                wall(start(step)),
                wall(start(step + 1))
            );
            rows.push(row(cells, *first, *events, filter));
        }
    }
    Ok(made::answer(rows, counter.matched, complete))
}
