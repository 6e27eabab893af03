//! Counts per lane over equal steps of time, for the timeline above every view.

use crate::error::Error;
use crate::parts::{Parts, Taker};
use crate::session::{Progress, Session, Span, Visitor};
use afterimage_model::{Class, Ctx, Event, Schema, fields::is_socket};
use afterimage_query::Filter;

/// Lanes of the timeline.
pub const LANES: &[&str] = &["all", "exec", "file", "net", "errors"];

/// Most steps a histogram is made of.
pub(crate) const MOST_STEPS: usize = 65_536;

/// Counts per lane over equal steps of a span, for the timeline.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// First and last instant.
    pub span: (u64, u64),
    /// `lanes[lane][step]`; lanes in the order of [`LANES`].
    pub lanes: Vec<Vec<u64>>,
    /// Events without a time, in captures of sysdig: they are in no step.
    pub untimed: u64,
    /// Whether all of the span was looked at.
    pub complete: bool,
}

/// The step in which an instant of a span falls, both ends included.
pub(crate) fn step_of(at: u64, span: (u64, u64), steps: usize) -> usize {
    let (from, to) = span;
    let length = u128::from(to.saturating_sub(from)) + 1;
    let step = u128::from(at.saturating_sub(from)) * steps as u128 / length;
    usize::try_from(step)
        .unwrap_or(usize::MAX)
        .min(steps.saturating_sub(1))
}

impl Session {
    /// Counts per lane in `steps` equal steps. With an index, and where that is fine enough for the steps, no event is read:
    /// then an event next to the border of a step may be counted with its neighbour.
    pub fn histogram(
        &self,
        filter: Option<&Filter>,
        span: Span,
        steps: usize,
        progress: &Progress,
    ) -> Result<Histogram, Error> {
        self.histogram_in_parts(filter, span, steps, progress, None)
    }

    /// The same, and what was counted so far now and then on the way.
    pub fn histogram_in_parts(
        &self,
        filter: Option<&Filter>,
        span: Span,
        steps: usize,
        progress: &Progress,
        parts: Taker<'_, Histogram>,
    ) -> Result<Histogram, Error> {
        let steps = steps.min(MOST_STEPS);
        let Some(shown) = span.or_else(|| self.span()) else {
            return Ok(Histogram {
                span: (0, 0),
                lanes: vec![vec![0; steps]; LANES.len()],
                untimed: 0,
                complete: true,
            });
        };
        let untimed = span.is_none() && self.has_untimed();
        if !untimed
            && filter.is_none_or(Filter::is_all)
            && !self.shows_internal()
            && let Some(lanes) = self.index().and_then(|index| index.histogram(shown, steps))
        {
            return Ok(Histogram {
                span: shown,
                lanes,
                untimed: 0,
                complete: true,
            });
        }
        let mut counting = Counting {
            which: Lanes::of(self.schema()),
            span: shown,
            steps,
            lanes: vec![vec![0; steps]; LANES.len()],
            untimed: 0,
            parts: Parts::new(parts),
        };
        let looked_at = if untimed { (0, shown.1) } else { shown };
        let complete = self
            .walk(filter, Some(looked_at), 1, progress, &mut counting)
            .complete;
        Ok(Histogram {
            span: shown,
            lanes: counting.lanes,
            untimed: counting.untimed,
            complete,
        })
    }
}

/// Tells which lanes an event is in.
pub(crate) struct Lanes {
    /// By type.
    kinds: Vec<LaneKind>,
}

/// What the lanes ask of a type.
#[derive(Clone, Copy, Default)]
struct LaneKind {
    exec: bool,
    file: bool,
    net: bool,
}

struct Counting<'a> {
    which: Lanes,
    span: (u64, u64),
    steps: usize,
    lanes: Vec<Vec<u64>>,
    untimed: u64,
    parts: Parts<'a, Histogram>,
}

impl Lanes {
    pub fn of(schema: &Schema) -> Lanes {
        let kinds = schema.types.iter().map(|ty| LaneKind {
            exec: matches!(ty.name.as_str(), "execve" | "execveat"),
            file: ty.class() == Class::File,
            net: ty.class() == Class::Net,
        });
        Lanes {
            kinds: kinds.collect(),
        }
    }

    /// Whether an event is in each of [`LANES`]. A read or write is a file's or a socket's business by what it touched, not
    /// by its name.
    pub fn of_event(&self, event: &Event, socket: bool) -> [bool; LANES.len()] {
        let kind = self.kinds.get(usize::from(event.ty.0));
        let kind = kind.copied().unwrap_or_default();
        [
            true,
            kind.exec,
            kind.file && !socket,
            kind.net || kind.file && socket,
            event.errno().is_some(),
        ]
    }
}

impl Visitor for Counting<'_> {
    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        if ctx.event.time.0 == 0 && self.span.0 > 0 {
            self.untimed += 1;
            return true;
        }
        let step = step_of(ctx.event.time.0, self.span, self.steps);
        let socket = ctx.file().is_some_and(is_socket);
        let within = self.which.of_event(ctx.event, socket);
        for (lane, _) in self.lanes.iter_mut().zip(within).filter(|(_, is)| *is) {
            if let Some(count) = lane.get_mut(step) {
                *count += 1;
            }
        }
        let (span, lanes, untimed) = (self.span, &self.lanes, self.untimed);
        self.parts.glance(|| Histogram {
            span,
            lanes: lanes.clone(),
            untimed,
            complete: false,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::step_of;

    #[test]
    fn the_ends_of_a_span_fall_into_its_first_and_last_step() {
        assert_eq!(step_of(10, (10, 20), 4), 0);
        assert_eq!(step_of(20, (10, 20), 4), 3);
        assert_eq!(step_of(5, (10, 20), 4), 0);
        assert_eq!(step_of(99, (10, 20), 4), 3);
        assert_eq!(step_of(7, (7, 7), 1), 0);
        assert_eq!(step_of(u64::MAX, (0, u64::MAX), 100), 99);
        assert_eq!(step_of(3, (0, 9), 0), 0);
    }
}
