//! Draws the state. Nothing here changes it, and nothing is written but printable text.

mod events;
mod footer;
mod header;
mod overlay;
mod overview;
pub(crate) mod rows;
mod table;
pub(crate) mod tile;
mod timeline;
mod typing;
pub(crate) mod why;

use crate::area::Area;
use crate::fit;
use crate::state::{Body, State};
use crate::theme::{Role, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// What is drawn on, and how.
pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    theme: Theme,
    /// Only ASCII may be drawn.
    pub ascii: bool,
}

/// Draws everything.
pub fn draw(state: &State, theme: Theme, buffer: &mut Buffer) {
    let plan = state.plan();
    let mut canvas = Canvas {
        buffer,
        theme,
        ascii: state.ascii,
    };
    header::draw(state, plan.header, &mut canvas);
    timeline::draw(state, &plan, &mut canvas);
    header::trail(state, plan.trail, &mut canvas);
    match &state.step().body {
        Body::Table(table) => table::draw(state, table, &mut canvas),
        Body::Events(list) => events::draw(state, list, &mut canvas),
        Body::Overview(overview) => overview::draw(state, overview, plan.body, &mut canvas),
    }
    match &state.entry {
        Some(entry) => typing::draw(state, entry, plan.status, &mut canvas),
        None => footer::status(state, plan.status, &mut canvas),
    }
    footer::draw(state, plan.footer, &mut canvas);
    overlay::draw(state, &mut canvas);
}

impl<'a> Canvas<'a> {
    /// Draws on a buffer.
    pub fn new(buffer: &'a mut Buffer, theme: Theme, ascii: bool) -> Canvas<'a> {
        Canvas {
            buffer,
            theme,
            ascii,
        }
    }
}

impl Canvas<'_> {
    /// Writes printable text from a cell on, cut where the area ends, and returns the cells it took.
    pub fn text(&mut self, area: Area, x: u16, line: u16, text: &str, role: Role) -> u16 {
        let room = area.width.saturating_sub(x);
        if line >= area.height || room == 0 {
            return 0;
        }
        let text = fit::cut(text, usize::from(room), self.ascii);
        let at = (area.x + x, area.y + line);
        if !self.buffer.area.contains(at.into()) {
            return 0;
        }
        let (end, _) =
            self.buffer
                .set_stringn(at.0, at.1, &text, usize::from(room), self.theme.style(role));
        end.saturating_sub(at.0)
    }

    /// Writes pieces one after the other.
    pub fn pieces(&mut self, area: Area, x: u16, line: u16, pieces: &[(&str, Role)]) -> u16 {
        pieces.iter().fold(x, |x, (text, role)| {
            x + self.text(area, x, line, text, *role)
        })
    }

    /// Gives cells a role without changing what they say.
    pub fn tint(&mut self, area: Area, x: u16, line: u16, width: u16, role: Role) {
        if line < area.height && x < area.width {
            let width = width.min(area.width - x);
            let rect =
                Rect::new(area.x + x, area.y + line, width, 1).intersection(self.buffer.area);
            let style = self.theme.style(role);
            self.buffer.set_style(rect, style);
        }
    }

    /// Empties an area.
    pub fn clear(&mut self, area: Area) {
        let rect =
            Rect::new(area.x, area.y, area.width, area.height).intersection(self.buffer.area);
        for position in rect.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
    }

    /// One of two texts: the second where only ASCII may be drawn.
    pub fn glyph(&self, fancy: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { fancy }
    }

    /// A line of a height from 0 to `most`, as one character.
    pub fn level(&self, value: u64, most: u64) -> char {
        let ramp: &[char] = if self.ascii {
            &[' ', '.', ':', '-', '=', '+', '*', '#', '@']
        } else {
            &[' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        };
        if value == 0 || most == 0 {
            return ' ';
        }
        // Anything but nothing shows, and only the most reaches the top.
        let steps = ramp.len() as u128 - 1;
        let at = (u128::from(value) * steps)
            .div_ceil(u128::from(most))
            .clamp(1, steps);
        ramp[at as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_among_millions_still_shows() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 1, 1));
        let canvas = Canvas {
            buffer: &mut buffer,
            theme: Theme::default(),
            ascii: false,
        };
        assert_eq!(
            [
                canvas.level(0, 9),
                canvas.level(1, u64::MAX),
                canvas.level(u64::MAX, u64::MAX)
            ],
            [' ', '▁', '█']
        );
    }
}
