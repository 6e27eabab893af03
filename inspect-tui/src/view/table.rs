//! Tables, lists, trees and gaps: the rows of a view.

use super::rows::{Line, Rows};
use super::{Canvas, events, why};
use crate::area::Area;
use crate::show;
use crate::state::look::{Under, said_view};
use crate::state::table::Table;
use crate::state::{Pane, State, keeping, tree_column};
use crate::theme::Role;
use crate::worker::Lane;
use afterimage_indexer::Cell;
use afterimage_query::{Column, Made, Shape, Unit, View};
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

/// Draws the rows, and what stands below them.
pub fn draw(state: &State, table: &Table, canvas: &mut Canvas<'_>) {
    let panes = state.panes();
    if panes.list.height > 0 {
        draw_rows(state, table, panes.list, canvas);
    }
    match state.under() {
        Under::Nothing => {}
        Under::Event => events::draw_look(state, panes, canvas),
        Under::Caused => {
            if panes.arguments.height > 0 {
                draw_said(state, table, panes.arguments, canvas);
            }
        }
        Under::Said => {
            if panes.arguments.height > 0 {
                draw_said(state, table, panes.arguments, canvas);
            }
            if panes.bytes.height > 0 {
                events::draw_bytes(state, panes.bytes, canvas);
            }
        }
    }
}

/// Draws what was said in the selected talk.
fn draw_said(state: &State, table: &Table, area: Area, canvas: &mut Canvas<'_>) {
    let focus = state.pane == Pane::Arguments;
    let said = table.below.said.as_deref();
    let lines = said.map_or(String::new(), |said| {
        let lines = show::counted(said.order.len() as u64, "line");
        let whole = said.rows.complete && !said.rows.truncated;
        if whole { lines } else { lines + ", not all" }
    });
    let caused = state.under() == Under::Caused;
    let name = if caused { "what was done" } else { "said" };
    events::title(area, name, &lines, focus, canvas);
    let area = area.split_top(1).1;
    let Some((said, view)) = said.zip(said_view(state.under())) else {
        let says = match state.coming(Lane::Said) || state.coming(Lane::Body) {
            true => "working",
            false if table.order.is_empty() => "no row is selected above",
            false if caused => "nothing is known of what was done",
            false => "nothing that was said belongs to this row",
        };
        canvas.text(area, 2, 0, says, Role::Dim);
        return;
    };
    let style = state.epoch().style;
    let width = |(at, column): (usize, &Column)| {
        show::width(column, said.widest.get(at).copied(), &style, area.width)
    };
    let rows = Rows {
        columns: view.columns,
        widths: keeping(
            view.keeps,
            view.columns,
            view.columns.iter().enumerate().map(width),
            area.width,
        ),
        hidden: Default::default(),
        tree: None,
        sort: None,
        cursor: said.cursor.checked_sub(said.top),
        column: said.column,
        focus,
        style,
        reveal: state.reveal,
        most: Vec::new(),
    };
    rows.draw(area, canvas, |place| {
        let row = said.line(said.top + place)?;
        Some(Line {
            cells: Cow::Borrowed(&row.cells),
            depth: 0,
            fold: None,
            bad: false,
            role: None,
            marked: state.bookmarks.contains_key(&row.first_num),
        })
    });
    if said.order.is_empty() {
        let says = match caused {
            true => "nothing is known of what was done",
            false => "none of what was said was kept",
        };
        canvas.text(area, 2, 1, says, Role::Dim);
    }
}

/// Draws the rows there are, or says why there are none.
fn draw_rows(state: &State, table: &Table, area: Area, canvas: &mut Canvas<'_>) {
    let view = state.step().view;
    let tree = tree_column(view).filter(|_| table.sort.is_none());
    let own = matches!(view.shape, Shape::Table).then_some((view.sort, true));
    let rows = Rows {
        columns: view.columns,
        widths: state.column_widths(),
        hidden: state.hidden_columns().clone(),
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
        why::draw(state, area, canvas);
    }
}
