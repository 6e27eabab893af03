//! The timeline of a folder: what part of all captures is shown, and how a part is picked.

use super::FolderState;
use afterimage_indexer::Cell;
use afterimage_query::Unit;

impl FolderState {
    /// First and last instant of all captures, ns since 1970.
    pub fn whole(&self) -> Option<(i64, i64)> {
        let spans = self.activity.iter().map(|one| one.span);
        spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// The part that is shown.
    pub fn shown(&self) -> Option<(i64, i64)> {
        self.span.or_else(|| self.whole())
    }

    fn steps(&self) -> usize {
        usize::from(self.plan().strip().width).max(1)
    }

    /// First and last instant of a step of the timeline.
    pub(super) fn step_span(&self, step: usize) -> Option<(i64, i64)> {
        let (from, to) = self.shown()?;
        let (steps, length) = (self.steps() as i128, i128::from(to) - i128::from(from) + 1);
        let at = |step: usize| i128::from(from) + length * (step as i128).min(steps) / steps;
        let (first, next) = (at(step), at(step + 1));
        let last = (next - 1).max(first).min(i128::from(to));
        Some((i64::try_from(first).ok()?, i64::try_from(last).ok()?))
    }

    /// To the timeline, or back to the rows.
    pub(super) fn focus(&mut self) {
        let there = self.plan().timeline.height > 0 && !self.activity.is_empty();
        self.on_timeline = !self.on_timeline && there;
        self.mark = None;
        if !there {
            self.say("there is no timeline here", true);
        }
    }

    pub(super) fn move_cursor(&mut self, by: i64) {
        let last = self.steps() - 1;
        let to = i64::try_from(self.cursor).unwrap_or(0).saturating_add(by);
        self.cursor = usize::try_from(to.max(0)).unwrap_or(0).min(last);
    }

    /// Marks one end of a part, or shows what lies between two marks.
    pub(super) fn mark(&mut self) {
        let Some(mark) = self.mark.take() else {
            self.mark = Some(self.cursor);
            return self.say("marked; move on and mark the other end", false);
        };
        let ends = self.step_span(mark.min(self.cursor));
        let ends = ends.zip(self.step_span(mark.max(self.cursor)));
        if let Some(((from, _), (_, to))) = ends {
            self.set_span(Some((from, to)));
        }
    }

    pub(super) fn drag(&mut self, x: u16) {
        if self.on_timeline && self.mark.is_some() {
            let strip = self.plan().strip();
            let last = strip.x + strip.width.saturating_sub(1);
            self.cursor = usize::from(x.clamp(strip.x, last.max(strip.x)) - strip.x);
        }
    }

    /// A range that was drawn becomes the part that is shown; a mere click only moved the cursor.
    pub(super) fn release(&mut self) {
        match self.mark {
            Some(mark) if self.on_timeline && mark != self.cursor => self.mark(),
            _ => self.mark = None,
        }
    }

    /// The first instant that the selected row tells.
    fn instant_of_row(&self) -> Option<i64> {
        let row = self.standing().table.selected()?;
        let mut cells = self.row().columns.iter().zip(&row.cells);
        cells.find_map(|(column, cell)| match (column.unit, cell) {
            (Unit::Time, Cell::Number(ns)) => i64::try_from(*ns).ok(),
            _ => None,
        })
    }

    /// Shows half of what is shown, or twice as much, around the cursor or the selected row.
    pub(super) fn zoom(&mut self, closer: bool) {
        /// Closer than this there is nothing more to tell apart, ns.
        const LEAST: i64 = 1000;
        let Some((from, to)) = self.shown() else {
            return;
        };
        let length = to.saturating_sub(from);
        let middle = match self.on_timeline {
            true => self.step_span(self.cursor).map(|span| span.0),
            false => self.instant_of_row(),
        };
        let middle = middle.unwrap_or(from.saturating_add(length / 2));
        let half = match closer {
            true => (length / 4).max(LEAST / 2),
            false => length.max(LEAST),
        };
        self.set_span(Some((
            middle.saturating_sub(half),
            middle.saturating_add(half),
        )));
    }

    /// Shows a part on every page; a part that holds everything is none.
    pub(super) fn set_span(&mut self, span: Option<(i64, i64)>) {
        let Some(whole) = self.whole() else {
            return;
        };
        let span = span.map(|(from, to)| (from.max(whole.0), to.min(whole.1)));
        let span = span.filter(|span| *span != whole && span.0 <= span.1);
        if span != self.span {
            self.span = span;
            self.mark = None;
            self.show(self.page);
        }
    }
}
