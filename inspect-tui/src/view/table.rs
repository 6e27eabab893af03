//! Tables, lists, trees and gaps: the rows of a view.

use super::Canvas;
use super::rows::{Line, Rows};
use crate::area::Area;
use crate::state::table::Table;
use crate::state::{Pane, State, tree_column};
use crate::theme::Role;
use afterimage_indexer::Cell;
use afterimage_query::{Made, Shape, Unit, View};
use std::borrow::Cow;

/// The largest number of each shaded column; of the spectrograms, whose columns count the same, the largest of all.
fn most(view: &View, table: &Table) -> Vec<i128> {
    if !view.columns.iter().any(|column| column.unit == Unit::Heat) {
        return Vec::new();
    }
    let largest = |at: usize| {
        let cells = table.rows.rows.iter().filter_map(|row| row.cells.get(at));
        let numbers = cells.map(|cell| match cell {
            Cell::Number(n) => *n,
            _ => 0,
        });
        numbers.max().unwrap_or(0)
    };
    let heat = |at: usize| match view.columns.get(at).map(|column| column.unit) {
        Some(Unit::Heat) => largest(at),
        _ => 0,
    };
    let each: Vec<i128> = (0..view.columns.len()).map(heat).collect();
    match view.shape {
        Shape::Made(Made::Latencies | Made::Subsecond) => {
            let all = each.iter().copied().max().unwrap_or(0);
            vec![all; each.len()]
        }
        _ => each,
    }
}

/// Draws the rows there are, or says why there are none.
pub fn draw(state: &State, table: &Table, area: Area, canvas: &mut Canvas<'_>) {
    let view = state.step().view;
    let tree = tree_column(view).filter(|_| table.sort.is_none());
    let own = matches!(view.shape, Shape::Table).then_some((view.sort, true));
    let rows = Rows {
        columns: view.columns,
        widths: state.column_widths(),
        tree,
        sort: table.sort.or(own),
        cursor: table.cursor.checked_sub(table.top),
        column: table.column,
        focus: state.pane == Pane::Body,
        style: state.epoch().style,
        reveal: state.reveal,
        most: most(view, table),
    };
    let result = view
        .columns
        .iter()
        .position(|column| column.field == "evt.res");
    rows.draw(area, canvas, |place| {
        let row = table.line(table.top + place)?;
        let at = table.order.get(table.top + place).copied()?;
        let failed = |cell: &Cell| matches!(cell, Cell::Text(text) if text != b"SUCCESS");
        Some(Line {
            cells: Cow::Borrowed(&row.cells),
            depth: row.depth,
            fold: (tree.is_some() && table.has_children(at)).then(|| table.folded.contains(&at)),
            bad: view.shape == Shape::List
                && result.and_then(|at| row.cells.get(at)).is_some_and(failed),
            role: None,
            marked: row.events == 1 && state.bookmarks.contains_key(&row.first_num),
        })
    });
    if table.order.is_empty() {
        let says = match (table.loaded, view.shape) {
            (false, _) => "working",
            (true, Shape::Gaps) => "no gaps: nothing is known to be missing",
            (true, Shape::Made(Made::Alerts)) if state.facts.rules.is_none() => {
                "no rule files were given: afterimage inspect --rules FILE"
            }
            (true, Shape::Made(Made::Alerts)) => "none of the rules fired",
            (true, Shape::Made(Made::Story)) => {
                "no event was selected: b on an event tells its story"
            }
            (true, _) if state.which().filter.is_some() => "nothing matches the filter",
            (true, _) if state.at.is_some() => "nothing up to this instant",
            (true, _) if state.span.is_some() => "nothing in this part of the capture",
            (true, _) => "nothing of this was recorded",
        };
        canvas.text(area, 2, 1, says, Role::Dim);
    }
}
