//! The generic table: titles and rows of cells, whatever view they come from.

use super::Canvas;
use crate::area::{self, Area, GUTTER, Placed, Width};
use crate::fit;
use crate::show::{self, is_number};
use crate::theme::Role;
use afterimage_indexer::{Cell, TimeStyle};
use afterimage_query::{Column, Unit};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A line of a table.
pub struct Line<'a> {
    /// One per column.
    pub cells: Cow<'a, [Cell]>,
    /// How far the tree column is pushed in.
    pub depth: u16,
    /// `+` or `-` for a row with children, folded or not.
    pub fold: Option<bool>,
    /// Whether the row tells of a failure.
    pub bad: bool,
    /// How it stands out otherwise.
    pub role: Option<Role>,
    /// Whether the user marked it.
    pub marked: bool,
}

/// A table to draw.
pub struct Rows {
    /// Its columns.
    pub columns: &'static [Column],
    /// What they need.
    pub widths: Vec<Width>,
    /// Those that are not shown.
    pub hidden: BTreeSet<usize>,
    /// Which column is pushed in by depth.
    pub tree: Option<usize>,
    /// The column sorted by, and whether the largest comes first.
    pub sort: Option<(usize, bool)>,
    /// The selected line, counted from the first on screen.
    pub cursor: Option<usize>,
    /// The selected column.
    pub column: usize,
    /// Whether it has the focus.
    pub focus: bool,
    /// How instants are shown.
    pub style: TimeStyle,
    /// Whether what is hidden is shown.
    pub reveal: bool,
    /// The largest number of each column that is shaded.
    pub most: Vec<i128>,
}

/// Whether both ends of a column's cells say more than their middle.
fn is_path(column: &Column) -> bool {
    matches!(
        column.field,
        "fd.name" | "fd.directory" | "fs.path.name" | "proc.exepath" | "proc.cwd"
    )
}

impl Rows {
    /// Draws titles on the first line and rows below; `line` gives the row at a place on screen, or nothing.
    pub fn draw<'l>(
        &self,
        area: Area,
        canvas: &mut Canvas<'_>,
        line: impl Fn(usize) -> Option<Line<'l>>,
    ) {
        let inner = area.split_left(GUTTER).1;
        let placed = area::shown_columns(&self.widths, &self.hidden, inner.width, self.column);
        for Placed {
            column: at,
            x,
            width,
        } in &placed
        {
            let column = &self.columns[*at];
            let arrow = match self.sort {
                Some((sorted, true)) if sorted == *at => canvas.glyph("▼", "v"),
                Some((sorted, false)) if sorted == *at => canvas.glyph("▲", "^"),
                _ => "",
            };
            let title = format!("{}{arrow}", column.title);
            let title = fit::pad(&title, usize::from(*width), is_number(column), canvas.ascii);
            let role = if *at == self.column && self.focus {
                Role::ColumnSelected
            } else {
                Role::Column
            };
            canvas.text(inner, *x, 0, &title, role);
        }
        // Columns that lie beyond an edge are there for the arrow keys.
        let between = |from: usize, to: usize| (from..to).any(|at| !self.hidden.contains(&at));
        if placed.first().is_some_and(|first| between(0, first.column)) {
            canvas.text(area, 0, 0, canvas.glyph("‹", "<"), Role::Key);
        }
        if placed
            .last()
            .is_some_and(|last| between(last.column + 1, self.columns.len()))
        {
            let edge = area.width.saturating_sub(1);
            canvas.text(area, edge, 0, canvas.glyph("›", ">"), Role::Key);
        }
        // Columns between two that are on screen are there for them, too.
        for pair in placed.windows(2) {
            if let [before, after] = pair
                && between(before.column + 1, after.column)
            {
                let edge = after.x.saturating_sub(1);
                canvas.text(inner, edge, 0, canvas.glyph("›", ">"), Role::Key);
            }
        }
        for place in 0..usize::from(area.height.saturating_sub(1)) {
            let Some(row) = line(place) else { break };
            let screen_line = place as u16 + 1;
            let selected = self.cursor == Some(place);
            let role = match (selected, self.focus, row.bad) {
                (true, true, _) => Role::Selected,
                (true, false, _) => Role::Resting,
                (false, _, true) => Role::Bad,
                (false, _, false) => row.role.unwrap_or(Role::Text),
            };
            let mark = match (selected, row.bad) {
                (true, _) => canvas.glyph("▸", ">"),
                (false, true) => "!",
                (false, false) if row.marked => canvas.glyph("◆", "*"),
                (false, false) => " ",
            };
            // The mark of the selected row stands beside its arrow.
            if row.marked && (selected || row.bad) {
                canvas.text(area, 1, screen_line, canvas.glyph("◆", "*"), role);
            }
            if selected && self.focus {
                canvas.tint(area, 0, screen_line, area.width, Role::Selected);
            }
            canvas.text(area, 0, screen_line, mark, role);
            for Placed {
                column: at,
                x,
                width,
            } in &placed
            {
                let text = self.cell_text(&row, *at, usize::from(*width), canvas.ascii);
                let chosen = selected && self.focus && *at == self.column;
                canvas.text(
                    inner,
                    *x,
                    screen_line,
                    &text,
                    if chosen { Role::Cell } else { role },
                );
            }
        }
    }

    /// A count with a bar or a shade before it: how it stands to the largest of its column, or of all where they are alike.
    fn heat(&self, n: i128, at: usize, width: usize, ascii: bool) -> String {
        let ramp: &[char] = if ascii {
            &[' ', '.', ':', '+', '#']
        } else {
            &[' ', '░', '▒', '▓', '█']
        };
        let most = self.most.get(at).copied().unwrap_or(0).max(1);
        let steps = ramp.len() as i128 - 1;
        let level = (n.clamp(0, most) * steps + most - 1) / most;
        let shade = usize::try_from(level)
            .ok()
            .and_then(|at| ramp.get(at))
            .copied()
            .unwrap_or(' ');
        let number = if n == 0 {
            String::new()
        } else {
            afterimage_indexer::bytes_text(n)
        };
        let room = width.saturating_sub(fit::cells(&number) + 1).min(3);
        let bar: String = std::iter::repeat_n(shade, room).collect();
        let between = " ".repeat(width.saturating_sub(room + fit::cells(&number)));
        fit::pad(&format!("{bar}{between}{number}"), width, false, ascii)
    }

    fn cell_text(&self, row: &Line<'_>, at: usize, width: usize, ascii: bool) -> String {
        let (column, missing) = (&self.columns[at], Cell::Missing);
        let cell = row.cells.get(at).unwrap_or(&missing);
        if column.unit == Unit::Heat
            && let Cell::Number(n) = cell
        {
            return self.heat(*n, at, width, ascii);
        }
        if self.reveal
            && let Cell::Secret(text) = cell
        {
            return fit::pad(&fit::captured(text, width, ascii), width, false, ascii);
        }
        let bytes = show::cell(cell, column, &self.style);
        if self.tree != Some(at) {
            let text = if is_path(column) {
                fit::captured_middle(&bytes, width, ascii)
            } else {
                fit::captured(&bytes, width, ascii)
            };
            return fit::pad(&text, width, is_number(column), ascii);
        }
        // However deep a process is, half of the column is left for its name.
        let indent = usize::from(row.depth.min(64)) * 2;
        let indent = indent.min(width / 2);
        let fold = match row.fold {
            Some(true) => "+ ",
            Some(false) => "- ",
            None => "  ",
        };
        let text = fit::captured(&bytes, width.saturating_sub(indent + 2), ascii);
        fit::pad(
            &format!("{}{fold}{text}", " ".repeat(indent)),
            width,
            false,
            ascii,
        )
    }
}
