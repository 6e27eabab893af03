//! Moving: the selection, the panes, the timeline's cursor, the mouse.

use super::look::Under;
use super::{Body, Pane, State};
use crate::action::Action;
use crate::area::{self, Panes};
use crate::board;

use afterimage_query::TILES;

impl State {
    /// Moves by so many lines in what has the focus.
    pub(super) fn travel(&mut self, by: i64) {
        let pane = self.pane;
        match (&mut self.step_mut().body, pane) {
            (_, Pane::Timeline) => self.move_cursor(by),
            (_, Pane::Arguments) => {
                if let Some(said) = self.said_mut() {
                    said.cursor = moved(said.cursor, by, said.order.len().saturating_sub(1));
                } else if let Some(look) = self.look_mut() {
                    let last = look.lines().saturating_sub(1);
                    look.argument.0 = moved(look.argument.0, by, last);
                    look.byte_line = 0;
                }
            }
            (_, Pane::Bytes) => {
                if let Some(look) = self.look_mut() {
                    look.byte_line = moved(look.byte_line, by, usize::MAX);
                }
            }
            (Body::Events(list), Pane::Body) => {
                list.target = None;
                list.cursor = moved(list.cursor, by, list.len().saturating_sub(1));
            }
            (Body::Table(table), _) => {
                // Keys pressed before the rows have come count for the rows that come.
                let last = if table.loaded {
                    table.order.len().saturating_sub(1)
                } else {
                    usize::MAX
                };
                table.cursor = moved(table.cursor, by, last);
            }
            (Body::Overview(view), _) => {
                view.cursor = board::step(view.cursor, by, &view.shown());
            }
        }
    }

    /// To the first line, or to the last.
    pub(super) fn travel_to_edge(&mut self, first: bool) {
        if self.pane == Pane::Bytes && !first {
            let lines = self.byte_lines();
            if let Some(look) = self.look_mut() {
                look.byte_line = lines;
            }
            return;
        }
        self.travel(if first { i64::MIN / 2 } else { i64::MAX / 2 });
    }

    /// To the next column, tile or step of the timeline.
    pub(super) fn sideways(&mut self, right: bool) {
        let by = if right { 1 } else { -1 };
        let (pane, width) = (self.pane, self.plan().body.width);
        let column = match &self.step().body {
            Body::Events(list) => list.column,
            Body::Table(table) => table.column,
            Body::Overview(_) => 0,
        };
        let beside = self.column_beside(column, right);
        match (&mut self.step_mut().body, pane) {
            (_, Pane::Timeline) => self.move_cursor(by),
            (Body::Events(list), _) => list.column = beside,
            (Body::Table(table), _) => table.column = beside,
            (Body::Overview(view), _) => {
                view.cursor = board::sideways(view.cursor, right, width, &view.shown());
            }
        }
    }

    /// Gives the focus to the next pane that is there.
    pub(super) fn focus(&mut self, forward: bool) {
        let mut panes = vec![Pane::Body];
        match self.under() {
            Under::Nothing => {}
            Under::Caused if self.panes().arguments.height > 0 => panes.push(Pane::Arguments),
            Under::Caused => {}
            Under::Event | Under::Said => panes.extend([Pane::Arguments, Pane::Bytes]),
        }
        if self.plan().timeline.height > 0 {
            panes.push(Pane::Timeline);
        }
        let at = panes
            .iter()
            .position(|pane| *pane == self.pane)
            .unwrap_or(0);
        let next = if forward {
            at + 1
        } else {
            at + panes.len() - 1
        };
        self.pane = panes[next % panes.len()];
    }

    /// The panes of the event list.
    pub fn panes(&self) -> Panes {
        let focus = match self.pane {
            Pane::Body | Pane::Timeline => 0,
            Pane::Arguments => 1,
            Pane::Bytes => 2,
        };
        match self.under() {
            Under::Nothing => Panes {
                list: self.plan().body,
                ..Panes::default()
            },
            Under::Caused => area::beside(self.plan().body),
            under => {
                let rows = match &self.step().body {
                    Body::Table(table) if table.loaded => table.order.len(),
                    Body::Events(list) if list.last => list.len(),
                    _ => usize::MAX,
                };
                area::panes(self.plan().body, focus, rows, under == Under::Said)
            }
        }
    }

    /// Lines of rows on screen, without the line of titles.
    pub(super) fn list_lines(&self) -> usize {
        let height = self.panes().list.height;
        usize::from(height.saturating_sub(1)).max(1)
    }

    pub(super) fn page_lines(&self) -> i64 {
        let lines = match self.pane {
            Pane::Arguments => usize::from(self.panes().arguments.height),
            Pane::Bytes => usize::from(self.panes().bytes.height),
            Pane::Body | Pane::Timeline => self.list_lines(),
        };
        lines.saturating_sub(1).max(1) as i64
    }

    /// Bytes in a line of the bytes pane: 16 where they fit, else 8 or 4.
    pub fn bytes_per_line(&self) -> usize {
        match self.panes().bytes.width {
            area::WHOLE_DUMP.. => 16,
            area::HALF_DUMP.. => 8,
            _ => 4,
        }
    }

    fn byte_lines(&self) -> usize {
        let bytes = self.look().and_then(|look| look.bytes());
        bytes.map_or(0, |(_, blob)| {
            blob.bytes.len().div_ceil(self.bytes_per_line())
        })
    }

    /// Scrolls so that what is selected is on screen.
    pub(super) fn keep_in_sight(&mut self) {
        let lines = self.list_lines();
        let panes = self.panes();
        let (byte_lines, body) = (self.byte_lines(), self.plan().body);
        match &mut self.step_mut().body {
            Body::Table(table) if !table.loaded => {}
            Body::Table(table) => {
                table.top = scrolled(table.top, table.cursor, lines, table.order.len())
            }
            Body::Overview(view) => {
                let (line, all) = board::line_of(view.cursor, body.width, &view.shown());
                // The heading above the first tile of a group comes into sight with it.
                let line = if line <= 1 { 0 } else { line };
                view.top = scrolled(view.top, line, usize::from(body.height).max(1), all);
            }
            Body::Events(list) => {
                list.cursor = list.cursor.min(list.len().saturating_sub(1));
                list.top = scrolled(list.top, list.cursor, lines, list.len());
            }
        }
        let shown = |pane: area::Area| usize::from(pane.height.saturating_sub(1)).max(1);
        if let Some(said) = self.said_mut() {
            // Titles stand on the first line of the pane.
            let lines = shown(panes.arguments).saturating_sub(1).max(1);
            said.top = scrolled(said.top, said.cursor, lines, said.order.len());
        }
        if let Some(look) = self.look_mut() {
            let all = look.lines();
            let lines = shown(panes.arguments);
            look.argument.1 = scrolled(look.argument.1, look.argument.0, lines, all);
            let lines = shown(panes.bytes);
            look.byte_line = look.byte_line.min(byte_lines.saturating_sub(lines));
        }
    }

    fn move_cursor(&mut self, by: i64) {
        let last = usize::from(self.plan().strip().width).saturating_sub(1);
        self.timeline.cursor = moved(self.timeline.cursor, by, last);
        self.follow_cursor();
    }

    /// The left button went down.
    pub(super) fn press(&mut self, x: u16, y: u16) {
        let plan = self.plan();
        if plan.strip().contains(x, y) {
            self.pane = Pane::Timeline;
            self.timeline.cursor = usize::from(x - plan.strip().x);
            self.timeline.mark = Some(self.timeline.cursor);
            return;
        }
        if plan.trail.contains(x, y) {
            let mut right = plan.trail.x;
            for (crumb, step) in self.crumbs() {
                right += crate::fit::cells(&crumb) as u16 + area::BETWEEN_CRUMBS;
                if x < right {
                    return self.back_to(step);
                }
            }
            return;
        }
        let panes = self.panes();
        match &mut self.step_mut().body {
            _ if panes.arguments.contains(x, y) => {
                self.pane = Pane::Arguments;
                let line = usize::from(y - panes.arguments.y);
                if let Some(said) = self.said_mut() {
                    let last = said.order.len().saturating_sub(1);
                    said.cursor = (said.top + line.saturating_sub(2)).min(last);
                } else if let Some(look) = self.look_mut().filter(|_| line > 0) {
                    let last = look.lines().saturating_sub(1);
                    look.argument.0 = (look.argument.1 + line - 1).min(last);
                }
            }
            _ if panes.bytes.contains(x, y) => self.pane = Pane::Bytes,
            Body::Events(_) | Body::Table(_) => self.press_row(panes.list, x, y),
            Body::Overview(view) => {
                if plan.body.contains(x, y) {
                    let line = usize::from(y - plan.body.y) + view.top;
                    let Some(tile) = board::tile_at(x, line, plan.body.width, &view.shown()) else {
                        return;
                    };
                    let again = view.cursor == tile && self.pane == Pane::Body;
                    self.pane = Pane::Body;
                    if let Body::Overview(view) = &mut self.step_mut().body {
                        view.cursor = tile.min(TILES.len().saturating_sub(1));
                    }
                    if again {
                        self.drill();
                    }
                }
            }
        }
    }

    /// A click on a title sorts by its column, on a row selects its cell, on the selected row opens it.
    fn press_row(&mut self, list: area::Area, x: u16, y: u16) {
        if !list.contains(x, y) {
            return;
        }
        self.pane = Pane::Body;
        let widths = self.column_widths();
        let (top, cursor, count, column) = match &self.step().body {
            Body::Table(table) => (table.top, table.cursor, table.order.len(), table.column),
            Body::Events(events) => (events.top, events.cursor, events.len(), events.column),
            Body::Overview(_) => return,
        };
        let room = list.width.saturating_sub(area::GUTTER);
        let placed = area::shown_columns(&widths, self.hidden_columns(), room, column);
        let inside = (x - list.x).saturating_sub(area::GUTTER);
        let hit = placed
            .iter()
            .rev()
            .find(|placed| inside >= placed.x)
            .map(|placed| placed.column);
        let line = usize::from(y - list.y);
        let row = (top + line)
            .checked_sub(1)
            .filter(|row| line > 0 && *row < count);
        match &mut self.step_mut().body {
            Body::Table(table) => {
                table.column = hit.unwrap_or(table.column);
                table.cursor = row.unwrap_or(table.cursor);
            }
            Body::Events(events) => {
                events.column = hit.unwrap_or(events.column);
                events.cursor = row.unwrap_or(events.cursor);
            }
            Body::Overview(_) => {}
        }
        match row {
            None if line == 0 => self.sort(Action::Sort),
            Some(row) if row == cursor => self.drill(),
            _ => {}
        }
    }

    /// The pointer moved with the button down: it draws a range on the timeline.
    pub(super) fn drag(&mut self, x: u16) {
        if self.pane == Pane::Timeline && self.timeline.mark.is_some() {
            let strip = self.plan().strip();
            let last = strip.x + strip.width.saturating_sub(1);
            self.timeline.cursor = usize::from(x.clamp(strip.x, last) - strip.x);
        }
    }

    /// The button went up: a range that was drawn becomes the span; a mere click only moved the cursor.
    pub(super) fn release(&mut self) {
        if self.pane == Pane::Timeline && self.timeline.mark.is_some() {
            if self.timeline.mark == Some(self.timeline.cursor) {
                self.timeline.mark = None;
                self.follow_cursor();
            } else {
                self.mark();
            }
        }
    }
}

fn moved(at: usize, by: i64, last: usize) -> usize {
    let by_lines = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
    if by < 0 {
        at.saturating_sub(by_lines)
    } else {
        at.saturating_add(by_lines).min(last)
    }
}

/// The first line on screen so that `cursor` is among `lines` lines and no line is wasted at the end.
fn scrolled(top: usize, cursor: usize, lines: usize, all: usize) -> usize {
    let top = top.clamp(
        (cursor + 1).saturating_sub(lines),
        cursor.max((cursor + 1).saturating_sub(lines)),
    );
    top.min(all.saturating_sub(lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_on_screen_and_the_end_is_used() {
        for all in 0..30usize {
            for cursor in 0..all.max(1) {
                for top in 0..40 {
                    let new = scrolled(top, cursor, 10, all);
                    assert!(
                        new <= cursor && cursor < new + 10,
                        "cursor {cursor} from {new}"
                    );
                    assert!(new == 0 || new + 10 <= all, "{new} wastes lines of {all}");
                }
            }
        }
    }

    #[test]
    fn moving_far_stops_at_the_ends() {
        assert_eq!(
            [
                moved(3, i64::MIN / 2, 9),
                moved(3, i64::MAX / 2, 9),
                moved(0, -1, 0)
            ],
            [0, 9, 0]
        );
    }
}
