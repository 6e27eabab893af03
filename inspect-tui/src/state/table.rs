//! The rows of a view, and where the user stands in them.

use super::look::Below;
use crate::arrange::{Arranged, Hunt, Stands, Wanted, arrange};
use crate::show;
use crate::waste::drop_elsewhere;
use afterimage_indexer::{Row, Rows, TimeStyle};
use afterimage_query::Column;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Rows that are measured, arranged and searched at once; it takes a few milliseconds. More are left to the worker.
const AT_ONCE: usize = 4000;

/// A table: rows as they came, the order they are shown in, the selection.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Rows as they came.
    pub rows: Arc<Rows>,
    /// Whether they have come at all.
    pub loaded: bool,
    /// Places in `rows` in the order shown.
    pub order: Arc<Vec<usize>>,
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
    /// What is to be shown instead, once it is arranged.
    pub wanted: Option<Box<Wanted>>,
    /// What the worker was asked to arrange and has not yet.
    pub asked: Option<Box<Wanted>>,
}

impl Table {
    /// Takes new rows; the selection stays on the row it was on where that is still there.
    pub fn fill(&mut self, rows: Rows, columns: &[Column]) {
        let sort = self.wanted.as_ref().map_or(self.sort, |wanted| wanted.sort);
        let wanted = Wanted {
            rows: Arc::new(rows),
            sort,
            folded: BTreeSet::new(),
        };
        // Rows in the order in which they came are there already, where no other has to be found.
        let easy = sort.is_none() && self.standing().is_none();
        self.want(wanted, columns, easy);
    }

    /// The filter of the row that is to stay selected.
    fn standing(&self) -> Option<&String> {
        // While more is being found, who has not moved stays at the top.
        let stays = self.loaded && !self.rows.complete && self.cursor == 0;
        let filter = self.selected().filter(|_| !stays).map(|row| &row.filter);
        filter.filter(|filter| !filter.is_empty())
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
        let mut wanted = self.as_wanted();
        wanted.sort = match wanted.sort {
            Some((at, true)) if at == column => Some((column, false)),
            Some((at, false)) if at == column => None,
            _ => Some((column, true)),
        };
        self.want(wanted, &[], false);
    }

    /// Hides or shows what is below the selected row of a tree.
    pub fn fold(&mut self) {
        let Some(at) = self.order.get(self.cursor).copied() else {
            return;
        };
        let mut wanted = self.as_wanted();
        // Of rows that are to come nothing can be folded yet.
        if Arc::ptr_eq(&wanted.rows, &self.rows) && self.has_children(at) {
            if !wanted.folded.remove(&at) {
                wanted.folded.insert(at);
            }
            self.want(wanted, &[], false);
        }
    }

    /// Whether the row at this place is followed by one below it.
    pub fn has_children(&self, at: usize) -> bool {
        let depth = |at: usize| self.rows.rows.get(at).map(|row| row.depth);
        depth(at + 1).is_some_and(|below| Some(below) > depth(at))
    }

    /// What is shown, or is going to be.
    fn as_wanted(&self) -> Wanted {
        let shown = || Wanted {
            rows: self.rows.clone(),
            sort: self.sort,
            folded: self.folded.clone(),
        };
        self.wanted.as_deref().cloned().unwrap_or_else(shown)
    }

    /// Shows rows in another way: at once where they are few or it is easy, else when the worker has arranged them.
    fn want(&mut self, wanted: Wanted, columns: &[Column], easy: bool) {
        let few = wanted.rows.rows.len() <= AT_ONCE;
        drop_elsewhere(self.wanted.replace(Box::new(wanted)));
        if few || easy {
            self.arrange_now(columns);
        }
    }

    /// Shows what is wanted without asking the worker.
    pub fn arrange_now(&mut self, columns: &[Column]) {
        self.asked = None;
        let Some(wanted) = self.wanted.as_deref().cloned() else {
            return;
        };
        let stands = self.stands(&wanted);
        let never = AtomicBool::new(false);
        if let Some(arranged) = arrange(wanted, &stands, &never, &mut drop) {
            self.take(arranged, columns, true);
        }
    }

    fn stands(&self, wanted: &Wanted) -> Stands {
        let same = Arc::ptr_eq(&wanted.rows, &self.rows);
        match (same, self.order.get(self.cursor), self.standing()) {
            (true, Some(place), _) => Stands::Place(*place),
            (false, _, Some(filter)) => Stands::Filter(filter.clone(), self.cursor),
            _ => Stands::Line(self.cursor),
        }
    }

    /// What the worker is to arrange. While it works on rows they are not taken from it because others have come since: those follow.
    pub fn ask(&mut self) -> Option<(Wanted, Stands)> {
        let wanted = self.wanted.as_deref()?;
        let under_way = self
            .asked
            .as_ref()
            .is_some_and(|asked| asked.sort == wanted.sort && asked.folded == wanted.folded);
        if under_way {
            return None;
        }
        self.asked = Some(Box::new(wanted.clone()));
        Some((wanted.clone(), self.stands(wanted)))
    }

    /// Whether the worker is arranging rows for it.
    pub fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// What the worker was asked does not come any more.
    pub fn forget(&mut self) {
        self.asked = None;
    }

    /// Waits for the worker no more: what is shown stays as it is, and rows that have come are shown in their own order.
    pub fn give_up(&mut self, columns: &[Column]) {
        self.asked = None;
        let Some(wanted) = self.wanted.as_mut() else {
            return;
        };
        if Arc::ptr_eq(&wanted.rows, &self.rows) {
            self.wanted = None;
            return;
        }
        (wanted.sort, wanted.folded) = (None, BTreeSet::new());
        self.arrange_now(columns);
    }

    /// Shows rows as they were arranged; of a part only what is around the user is in order yet.
    pub fn take(&mut self, arranged: Arranged, columns: &[Column], whole: bool) {
        let Arranged {
            wanted,
            order,
            place,
        } = arranged;
        let same = Arc::ptr_eq(&wanted.rows, &self.rows);
        let selected = self.order.get(self.cursor).copied();
        if !whole && same && selected != place {
            // The user has moved to where nothing is in order yet.
            return;
        }
        if !same {
            self.widest = if wanted.rows.rows.len() > AT_ONCE {
                Vec::new()
            } else {
                show::measure(columns, wanted.rows.rows.iter().map(|row| &row.cells[..]))
            };
        }
        if whole {
            self.asked = None;
            if self.wanted.as_ref().is_some_and(|next| next.is(&wanted)) {
                self.wanted = None;
            }
        }
        self.loaded = true;
        (self.sort, self.folded) = (wanted.sort, wanted.folded);
        if !same {
            drop_elsewhere(std::mem::replace(&mut self.rows, wanted.rows));
        }
        drop_elsewhere(std::mem::replace(&mut self.order, order));
        let stands = if same { selected } else { place };
        let line = stands.and_then(|place| self.order.iter().position(|at| *at == place));
        self.cursor = line
            .unwrap_or(self.cursor)
            .min(self.order.len().saturating_sub(1));
    }

    /// A search for a lower-case text from the selected line on, and whether it can be done at once.
    pub fn hunt(
        &self,
        needle: String,
        backwards: bool,
        columns: &'static [Column],
        style: TimeStyle,
    ) -> (Hunt, bool) {
        let hunt = Hunt {
            rows: self.rows.clone(),
            order: self.order.clone(),
            columns,
            style,
            from: self.cursor,
            needle,
            backwards,
        };
        (hunt, self.order.len() <= AT_ONCE)
    }

    /// Stands on the row at a place that a search found; whether it went round the end. `None` when it is not shown any more.
    pub fn stand_on(&mut self, rows: &Arc<Rows>, place: usize, backwards: bool) -> Option<bool> {
        if !Arc::ptr_eq(rows, &self.rows) {
            return None;
        }
        let line = self.order.iter().position(|at| *at == place)?;
        let before = std::mem::replace(&mut self.cursor, line);
        Some(match backwards {
            true => line >= before,
            false => line <= before,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_indexer::Cell;

    fn tree(depths: &[u16]) -> Table {
        let rows = depths
            .iter()
            .enumerate()
            .map(|(at, depth)| Row {
                cells: vec![
                    Cell::Number((at as i128 * 7) % 5),
                    Cell::Text(vec![b"abcdefgh"[at % 8]]),
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
        assert_eq!(*table.order, [0, 4]);
        table.fold();
        assert_eq!(*table.order, [0, 1, 2, 3, 4]);
        table.cursor = 4;
        table.fold();
        assert_eq!(table.order.len(), 5, "a row without children does not fold");
    }

    #[test]
    fn sorting_three_times_comes_back_to_the_order_of_the_view() {
        let mut table = tree(&[0, 1, 2, 1, 0]);
        table.cursor = 3;
        table.sort_by(0);
        assert_eq!(*table.order, [2, 4, 1, 3, 0]);
        assert_eq!(
            table.selected().map(|row| row.first_num),
            Some(3),
            "the selection stays on its row"
        );
        table.sort_by(0);
        assert_eq!(*table.order, [0, 3, 1, 4, 2]);
        table.sort_by(0);
        assert_eq!(*table.order, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn new_rows_keep_the_selection_on_its_row() {
        let mut table = tree(&[0, 0, 0]);
        table.cursor = 2;
        let mut rows = Rows::clone(&table.rows);
        rows.rows.remove(0);
        table.fill(rows, &[]);
        assert_eq!(
            (table.cursor, table.selected().map(|row| row.first_num)),
            (1, Some(2))
        );
    }

    /// A table of so many rows, of which the worker would arrange some.
    fn large(rows: usize) -> Table {
        tree(&vec![0; rows])
    }

    fn answer(table: &mut Table) -> Arranged {
        let (wanted, stands) = table.ask().expect("the worker is asked");
        let never = AtomicBool::new(false);
        arrange(wanted, &stands, &never, &mut drop).expect("it is not cancelled")
    }

    #[test]
    fn a_large_table_stays_as_it_is_until_it_is_arranged_and_then_looks_as_a_small_one_would() {
        let mut table = large(AT_ONCE + 1);
        table.cursor = 7;
        table.sort_by(0);
        assert!(table.sort.is_none() && table.order.is_sorted());
        let arranged = answer(&mut table);
        assert!(table.ask().is_none(), "it is asked for once");
        // Who moves on meanwhile stays on the row moved to.
        table.cursor = 8;
        table.take(arranged, &[], true);
        assert_eq!(table.sort, Some((0, true)));
        let mut stable: Vec<usize> = (0..=AT_ONCE).collect();
        stable.sort_by_key(|at| std::cmp::Reverse((at * 7) % 5));
        assert_eq!(*table.order, stable);
        assert_eq!(table.selected().map(|row| row.first_num), Some(8));
        assert!(table.wanted.is_none() && !table.is_asking());
    }

    #[test]
    fn a_part_is_shown_only_where_the_user_still_stands() {
        let mut table = large(AT_ONCE + 1);
        table.cursor = 7;
        table.sort_by(0);
        let (wanted, stands) = table.ask().expect("the worker is asked");
        let mut parts = Vec::new();
        let never = AtomicBool::new(false);
        let whole = arrange(wanted, &stands, &never, &mut |part| parts.push(part));
        let part = parts.pop().expect("there is a part");
        let mut moved = table.clone();
        moved.cursor = 9;
        moved.take(part.clone(), &[], false);
        assert!(moved.order.is_sorted(), "nothing has changed");
        table.take(part, &[], false);
        assert_eq!(table.selected().map(|row| row.first_num), Some(7));
        assert!(table.is_asking() && !table.order.is_sorted());
        table.take(whole.expect("it is not cancelled"), &[], true);
        assert_eq!(table.selected().map(|row| row.first_num), Some(7));
        assert!(!table.is_asking());
    }

    #[test]
    fn pressing_sort_again_before_it_is_done_asks_for_the_next_order() {
        let mut table = large(AT_ONCE + 1);
        table.sort_by(0);
        drop(answer(&mut table));
        table.sort_by(0);
        let arranged = answer(&mut table);
        assert_eq!(arranged.wanted.sort, Some((0, false)));
        table.sort_by(0);
        table.give_up(&[]);
        assert!(table.sort.is_none() && table.wanted.is_none() && table.ask().is_none());
    }

    #[test]
    fn rows_that_come_while_others_are_arranged_follow_them_and_keep_the_order() {
        let mut table = large(AT_ONCE + 1);
        table.sort_by(0);
        let first = answer(&mut table);
        table.take(first, &[], true);
        table.cursor = 40;
        let stands = table.selected().map(|row| row.filter.clone());
        for more in [AT_ONCE + 2, AT_ONCE + 3] {
            table.fill(Rows::clone(&large(more).rows), &[]);
        }
        let second = answer(&mut table);
        table.fill(Rows::clone(&large(AT_ONCE + 9).rows), &[]);
        assert!(table.ask().is_none(), "what is under way is let finish");
        table.take(second, &[], true);
        assert_eq!(table.order.len(), AT_ONCE + 3);
        assert_eq!(table.selected().map(|row| row.filter.clone()), stands);
        let last = answer(&mut table);
        table.take(last, &[], true);
        assert_eq!(
            (table.order.len(), table.sort),
            (AT_ONCE + 9, Some((0, true)))
        );
        assert_eq!(table.selected().map(|row| row.filter.clone()), stands);
        // Stopped, they are shown in their own order.
        table.fill(Rows::clone(&large(AT_ONCE + 5).rows), &[]);
        table.give_up(&[]);
        assert_eq!((table.order.len(), table.sort), (AT_ONCE + 5, None));
    }
}
