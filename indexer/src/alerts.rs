//! Rules that fired, with the events that made them.

use crate::cell::Cell;
use crate::made::{self, Asked, Columns, instant, number, one, row, text};
use crate::parts::{Parts, Taker};
use crate::rows::Rows;
use crate::ruled::Ruled;
use crate::session::{Progress, Session};
use afterimage_detect::{Alerts, Matching, Rule};
use afterimage_model::Ctx;

/// The rows of `alerts`; none without rules.
pub(crate) fn rows(session: &Session, asked: &Asked<'_>) -> Rows {
    let Some(rules) = session.rules() else {
        return made::answer(Vec::new(), 0, true);
    };
    let (alerts, columns) = (Alerts::new(None, false), Columns::of(asked.view));
    let (mut rows, mut matched, mut truncated) = (Vec::new(), 0, false);
    let mut fired = |rule: &Rule, ctx: &Ctx<'_>| {
        matched += 1;
        if rows.len() >= made::MOST_ROWS {
            truncated = true;
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
        let container = ctx
            .proc()
            .and_then(|process| process.container)
            .and_then(|id| ctx.tables.container(id));
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
    };
    let mut ruled = Ruled::new(rules.detector(Matching::First), |detector, ctx| {
        detector.examine(ctx, |rule| fired(rule, ctx));
        true
    });
    let complete = session
        .walk(asked.filter, asked.span, 1, asked.progress, &mut ruled)
        .complete;
    let mut answer = made::answer(rows, matched, complete);
    answer.truncated |= truncated;
    answer
}

/// Alerts whose instants are told at most.
const MOST_INSTANTS: usize = 1 << 20;

impl Session {
    /// When rules fired, in the order of time, ns since boot; now and then what was found so far. None without rules.
    pub fn alert_instants(&self, progress: &Progress, parts: Taker<'_, Vec<u64>>) -> Vec<u64> {
        let Some(rules) = self.rules() else {
            return Vec::new();
        };
        let (mut instants, mut parts) = (Vec::new(), Parts::new(parts));
        let mut ruled = Ruled::new(rules.detector(Matching::First), |detector, ctx| {
            detector.examine(ctx, |_| instants.push(ctx.event.time.0));
            parts.glance(|| {
                let mut so_far = instants.clone();
                so_far.sort_unstable();
                so_far
            });
            instants.len() < MOST_INSTANTS
        });
        self.walk(None, None, 1, progress, &mut ruled);
        drop(ruled);
        instants.sort_unstable();
        instants
    }
}
