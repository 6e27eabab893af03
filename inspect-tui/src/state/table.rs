//! The rows of a view, and where the user stands in them.

use super::look::Below;
use crate::show;
use crate::waste::drop_elsewhere;
use crate::worker::holds;
use afterimage_indexer::{Cell, Row, Rows, TimeStyle};
use afterimage_query::Column;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// A table: rows as they came, the order they are shown in, the selection.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Rows as they came.
    pub rows: Rows,
    /// Whether they have come at all.
    pub loaded: bool,
    /// Places in `rows` in the order shown.
    pub order: Vec<usize>,
    /// The selected line of `order`.
    pub cursor: usize,
    /// The first line on screen.
    pub top: usize,
    /// The selected column.
    pub column: usize,
    /// The column sorted by and whether the largest comes first; `None` for the view's own order.
    pub sort: Option<(usize, bool)>,
    /// The widest cell of each column; empty when there are too many rows to look at all of them.
    pub widest: Vec<u16>,
    /// Places in `rows` whose children are hidden.
    pub folded: BTreeSet<usize>,
    /// What stands below it, in views that show something there.
    pub below: Below,
}

impl Table {
    /// Takes new rows; the selection stays on the row it was on where that is still there.
    pub fn fill(&mut self, rows: Rows, columns: &[Column]) {
        // While more is being found, who has not moved stays at the top.
        let stays = self.loaded && !self.rows.complete && self.cursor == 0;
        let before = self
            .selected()
            .filter(|_| !stays)
            .map(|row| row.filter.clone())
            .filter(|filter| !filter.is_empty());
        drop_elsewhere(std::mem::replace(&mut self.rows, rows));
        self.loaded = true;
        /// Rows whose cells are measured at most; it takes a few milliseconds.
        const MEASURED: usize = 4000;
        self.widest = if self.rows.rows.len() > MEASURED {
            Vec::new()
        } else {
            show::measure(columns, self.rows.rows.iter().map(|row| &row.cells[..]))
        };
        self.folded.clear();
        self.arrange();
        let same = |at: &usize| self.rows.rows.get(*at).map(|row| &row.filter) == before.as_ref();
        if let Some(line) = before
            .as_ref()
            .and_then(|_| self.order.iter().position(same))
        {
            self.cursor = line;
        }
        self.cursor = self.cursor.min(self.order.len().saturating_sub(1));
    }

    /// The selected row.
    pub fn selected(&self) -> Option<&Row> {
        self.line(self.cursor)
    }

    /// The row on a line.
    pub fn line(&self, line: usize) -> Option<&Row> {
        self.rows.rows.get(*self.order.get(line)?)
    }

    /// Sorts by a column: largest first, then smallest first, then not at all.
    pub fn sort_by(&mut self, column: usize) {
        self.sort = match self.sort {
            Some((at, true)) if at == column => Some((column, false)),
            Some((at, false)) if at == column => None,
            _ => Some((column, true)),
        };
        self.rearrange();
    }

    /// Hides or shows what is below the selected row of a tree.
    pub fn fold(&mut self) {
        let Some(at) = self.order.get(self.cursor).copied() else {
            return;
        };
        if self.has_children(at) && !self.folded.remove(&at) {
            self.folded.insert(at);
        }
        self.rearrange();
    }

    /// Whether the row at this place is followed by one below it.
    pub fn has_children(&self, at: usize) -> bool {
        let depth = |at: usize| self.rows.rows.get(at).map(|row| row.depth);
        depth(at + 1).is_some_and(|below| Some(below) > depth(at))
    }

    fn rearrange(&mut self) {
        let at = self.order.get(self.cursor).copied();
        self.arrange();
        if let Some(line) = self.order.iter().position(|place| Some(*place) == at) {
            self.cursor = line;
        }
    }

    fn arrange(&mut self) {
        let rows = &self.rows.rows;
        let mut hidden_below = None;
        self.order = (0..rows.len())
            .filter(|at| {
                let depth = rows.get(*at).map_or(0, |row| row.depth);
                if hidden_below.is_some_and(|limit| depth > limit) {
                    return false;
                }
                hidden_below = self.folded.contains(at).then_some(depth);
                true
            })
            .collect();
        if let Some((column, descending)) = self.sort {
            let cell = |at: &usize| {
                rows.get(*at)
                    .and_then(|row| row.cells.get(column))
                    .unwrap_or(&Cell::Missing)
            };
            self.order
                .sort_by(|a, b| compare(cell(a), cell(b), descending));
        }
    }

    /// The next line that shows a lower-case text, before or after the selected one, and round the end.
    pub fn find(
        &self,
        needle: &str,
        backwards: bool,
        columns: &[Column],
        style: &TimeStyle,
    ) -> Option<usize> {
        let lines = self.order.len();
        let hit = |line: &usize| {
            self.line(*line).is_some_and(|row| {
                let mut cells = row.cells.iter().zip(columns);
                cells.any(|(cell, column)| holds(&show::cell(cell, column, style), needle))
            })
        };
        let place = |step: usize| {
            if backwards {
                (self.cursor + lines - step) % lines
            } else {
                (self.cursor + step) % lines
            }
        };
        (1..=lines).map(place).find(hit)
    }
}

/// Compares cells; those without a value come last whichever way the others are sorted.
fn compare(a: &Cell, b: &Cell, descending: bool) -> Ordering {
    match (a, b) {
        (Cell::Missing, Cell::Missing) => Ordering::Equal,
        (Cell::Missing, _) => Ordering::Greater,
        (_, Cell::Missing) => Ordering::Less,
        _ if descending => b.order(a),
        _ => a.order(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(depths: &[u16]) -> Table {
        let rows = depths
            .iter()
            .enumerate()
            .map(|(at, depth)| Row {
                cells: vec![
                    Cell::Number((at as i128 * 7) % 5),
                    Cell::Text(vec![b'a' + at as u8]),
                ],
                depth: *depth,
                events: 1,
                first_num: at as u64,
                filter: format!("row {at}"),
            })
            .collect();
        let mut table = Table::default();
        table.fill(
            Rows {
                rows,
                complete: true,
                ..Rows::default()
            },
            &[],
        );
        table
    }

    #[test]
    fn folding_hides_all_descendants_and_nothing_else() {
        let mut table = tree(&[0, 1, 2, 1, 0]);
        table.fold();
        assert_eq!(table.order, [0, 4]);
        table.fold();
        assert_eq!(table.order, [0, 1, 2, 3, 4]);
        table.cursor = 4;
        table.fold();
        assert_eq!(table.order.len(), 5, "a row without children does not fold");
    }

    #[test]
    fn sorting_three_times_comes_back_to_the_order_of_the_view() {
        let mut table = tree(&[0, 1, 2, 1, 0]);
        table.cursor = 3;
        table.sort_by(0);
        assert_eq!(table.order, [2, 4, 1, 3, 0]);
        assert_eq!(
            table.selected().map(|row| row.first_num),
            Some(3),
            "the selection stays on its row"
        );
        table.sort_by(0);
        assert_eq!(table.order, [0, 3, 1, 4, 2]);
        table.sort_by(0);
        assert_eq!(table.order, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn cells_without_a_value_come_last_both_ways() {
        for descending in [false, true] {
            let mut cells = [Cell::Missing, Cell::Number(1), Cell::Number(2)];
            cells.sort_by(|a, b| compare(a, b, descending));
            assert_eq!(cells.last(), Some(&Cell::Missing));
        }
    }

    #[test]
    fn new_rows_keep_the_selection_on_its_row() {
        let mut table = tree(&[0, 0, 0]);
        table.cursor = 2;
        let mut rows = table.rows.clone();
        rows.rows.remove(0);
        table.fill(rows, &[]);
        assert_eq!(
            (table.cursor, table.selected().map(|row| row.first_num)),
            (1, Some(2))
        );
    }
}
