//! Rules that fired, with the events that made them.

use crate::cell::Cell;
use crate::made::{self, Asked, Columns, instant, number, one, row, text};
use crate::rows::{Row, Rows};
use crate::session::{Session, Visitor};
use afterimage_detect::{Alerts, Detector, Matching, Rule};
use afterimage_model::{Ctx, Schema, TypeId};

struct Collector<'s> {
    session: &'s Session,
    detector: Detector,
    alerts: Alerts,
    columns: Columns,
    rows: Vec<Row>,
    matched: u64,
    truncated: bool,
}

impl Visitor for Collector<'_> {
    fn wants(&mut self, schema: &Schema, ty: TypeId) -> bool {
        self.detector.may_match_type(schema, ty)
    }

    fn sifts(&self) -> bool {
        true
    }

    fn may_want(&mut self, ctx: &Ctx<'_>) -> bool {
        self.detector.may_match(ctx)
    }

    fn chunk(&mut self) {
        self.detector.forget();
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        let Collector {
            session,
            detector,
            alerts,
            columns,
            rows,
            matched,
            truncated,
        } = self;
        let container = ctx
            .proc()
            .and_then(|process| process.container)
            .and_then(|id| ctx.tables.container(id));
        detector.examine(ctx, |rule: &Rule| {
            *matched += 1;
            if rows.len() >= made::MOST_ROWS {
                *truncated = true;
                return;
            }
            let line = alerts.line(rule, ctx);
            // The time and the priority have columns of their own.
            let says = line
                .split_once(": ")
                .map_or(line.as_str(), |(_, rest)| rest);
            let says = says
                .strip_prefix(rule.priority.name())
                .unwrap_or(says)
                .trim_start();
            let cells = columns.cells(None, |name| match name {
                "first" => instant(session, ctx.event.time.0),
                "num" => number(ctx.num),
                "priority" => text(rule.priority.name()),
                "rule" => text(&rule.name),
                "container" => container.map_or(Cell::Missing, |one| text(crate::lives::name(one))),
                "text" => text(says),
                _ => Cell::Missing,
            });
            rows.push(row(cells, ctx.num, 1, one(ctx.num)));
        });
        true
    }
}

/// The rows of `alerts`; none without rules.
pub(crate) fn rows(session: &Session, asked: &Asked<'_>) -> Rows {
    let Some(rules) = session.rules() else {
        return made::answer(Vec::new(), 0, true);
    };
    let mut collector = Collector {
        session,
        detector: rules.detector(Matching::First),
        alerts: Alerts::new(None, false),
        columns: Columns::of(asked.view),
        rows: Vec::new(),
        matched: 0,
        truncated: false,
    };
    let complete = session
        .walk(asked.filter, asked.span, 1, asked.progress, &mut collector)
        .complete;
    let mut answer = made::answer(collector.rows, collector.matched, complete);
    answer.truncated |= collector.truncated;
    answer
}
