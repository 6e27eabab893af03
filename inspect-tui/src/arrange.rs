//! The order in which the rows of a table are shown, and the search through them. A million rows take seconds to sort, so large
//! tables are arranged by a thread of the worker: first what is on screen, then the rest.

use crate::show;
use crate::worker::holds;
use afterimage_indexer::{Cell, Row, Rows, TimeStyle};
use afterimage_query::Column;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicBool};

/// Rows and how they are to be shown.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Rows as they came.
    pub rows: Arc<Rows>,
    /// The column sorted by and whether the largest comes first; `None` for the view's own order.
    pub sort: Option<(usize, bool)>,
    /// Places in `rows` whose children are hidden.
    pub folded: BTreeSet<usize>,
}

impl Wanted {
    /// Whether both mean the same of the same rows.
    pub fn is(&self, other: &Wanted) -> bool {
        Arc::ptr_eq(&self.rows, &other.rows)
            && self.sort == other.sort
            && self.folded == other.folded
    }
}

/// Where the user stands: what is around it is arranged first.
#[derive(Clone, Debug)]
pub enum Stands {
    /// On the row at this place in `rows`.
    Place(usize),
    /// On the row with this filter, where there is one, else on this line.
    Filter(String, usize),
    /// On this line, whatever comes there.
    Line(usize),
}

/// Rows in the order asked for.
#[derive(Clone, Debug)]
pub struct Arranged {
    /// What was asked for.
    pub wanted: Wanted,
    /// Places in its rows in the order shown.
    pub order: Arc<Vec<usize>>,
    /// The place of the row on which the user stood.
    pub place: Option<usize>,
}

/// Arranges rows; `part` is given the same with only the lines around the user in order, as soon as those are known. `None` when it
/// was cancelled.
pub fn arrange(
    wanted: Wanted,
    stands: &Stands,
    cancel: &AtomicBool,
    part: &mut dyn FnMut(Arranged),
) -> Option<Arranged> {
    let rows = wanted.rows.rows.as_slice();
    let place = match stands {
        Stands::Place(place) => Some(*place),
        Stands::Filter(filter, _) => rows.iter().position(|row| row.filter == *filter),
        Stands::Line(_) => None,
    };
    let line = match stands {
        Stands::Place(place) => *place,
        Stands::Filter(_, line) | Stands::Line(line) => *line,
    };
    let shown = unfolded(rows, &wanted.folded);
    let Some(sort) = wanted.sort else {
        let order = Arc::new(shown);
        return Some(Arranged {
            wanted,
            order,
            place,
        });
    };
    let give = |keys: &[Key]| Arranged {
        order: Arc::new(keys.iter().map(|key| key.place).collect()),
        wanted: wanted.clone(),
        place,
    };
    let by = By { rows, sort };
    let mut keys: Vec<Key> = shown.into_iter().map(|at| by.key(at)).collect();
    let around = page_around(&keys, &by, place, line);
    let (before, rest) = split(&mut keys, around.start, &by);
    let (page, after) = split(rest, around.len(), &by);
    page.sort_unstable_by(|a, b| by.order(a, b));
    if !(before.is_empty() && after.is_empty()) {
        if cancel.load(atomic::Ordering::Relaxed) {
            return None;
        }
        part(give(&keys));
    }
    let (before, rest) = keys.split_at_mut(around.start);
    let (_, after) = rest.split_at_mut(around.len());
    for slice in [before, after] {
        sort_in_slices(slice, &by, cancel)?;
    }
    Some(give(&keys))
}

/// The places of rows that are not below a folded one.
fn unfolded(rows: &[Row], folded: &BTreeSet<usize>) -> Vec<usize> {
    if folded.is_empty() {
        return (0..rows.len()).collect();
    }
    let mut hidden_below = None;
    let is_shown = |(at, row): (usize, &Row)| {
        if hidden_below.is_some_and(|limit| row.depth > limit) {
            return None;
        }
        hidden_below = folded.contains(&at).then_some(row.depth);
        Some(at)
    };
    rows.iter().enumerate().filter_map(is_shown).collect()
}

/// A row to be sorted: its cell in short, so that most rows are told apart without going to where their cells lie.
#[derive(Clone, Copy)]
struct Key {
    short: (u8, u64),
    place: usize,
}

/// By what rows are sorted.
struct By<'a> {
    rows: &'a [Row],
    sort: (usize, bool),
}

impl By<'_> {
    fn cell(&self, place: usize) -> &Cell {
        let row = self.rows.get(place);
        row.and_then(|row| row.cells.get(self.sort.0))
            .unwrap_or(&Cell::Missing)
    }

    fn key(&self, place: usize) -> Key {
        Key {
            short: short(self.cell(place)),
            place,
        }
    }

    /// The order of two rows; those that are equal keep the order of the view.
    fn order(&self, a: &Key, b: &Key) -> Ordering {
        let (missing, descending) = (short(&Cell::Missing), self.sort.1);
        let cells = || compare(self.cell(a.place), self.cell(b.place), descending);
        let values = match (a.short == missing, b.short == missing, descending) {
            (false, false, true) => b.short.cmp(&a.short).then_with(cells),
            (false, false, false) => a.short.cmp(&b.short).then_with(cells),
            (a, b, _) => a.cmp(&b),
        };
        values.then(a.place.cmp(&b.place))
    }
}

/// A number for a cell that is never larger than that of a larger cell: what it is, and what it begins with.
fn short(cell: &Cell) -> (u8, u64) {
    /// Bits in the order of [`f64::total_cmp`].
    fn ordered(x: f64) -> u64 {
        let bits = x.to_bits();
        match bits >> 63 {
            0 => bits | 1 << 63,
            _ => !bits,
        }
    }
    match cell {
        Cell::Missing => (0, 0),
        Cell::Number(n) => (1, ordered(*n as f64)),
        Cell::Float(x) => (1, ordered(*x)),
        Cell::Text(text) => {
            let mut first = [0; 8];
            for (to, from) in first.iter_mut().zip(text) {
                *to = *from;
            }
            (2, u64::from_be_bytes(first))
        }
        // All of them are equal, whatever they hold.
        Cell::Secret(_) => (3, 0),
    }
}

/// Compares cells; those without a value come last whichever way the others are sorted.
pub fn compare(a: &Cell, b: &Cell, descending: bool) -> Ordering {
    match (a, b) {
        (Cell::Missing, Cell::Missing) => Ordering::Equal,
        (Cell::Missing, _) => Ordering::Greater,
        (_, Cell::Missing) => Ordering::Less,
        _ if descending => b.order(a),
        _ => a.order(b),
    }
}

/// The lines that are arranged first: those around a row, or around a line.
fn page_around(
    keys: &[Key],
    by: &By<'_>,
    place: Option<usize>,
    line: usize,
) -> std::ops::Range<usize> {
    /// Lines each way; no screen has so many.
    const PAGE: usize = 1024;
    let line = match place.map(|place| by.key(place)) {
        Some(stands) => {
            let before = |key: &&Key| by.order(key, &stands) == Ordering::Less;
            keys.iter().filter(before).count()
        }
        None => line,
    };
    let from = line.saturating_sub(PAGE).min(keys.len());
    from..line.saturating_add(PAGE).min(keys.len()).max(from)
}

/// Brings what belongs before a line there, and divides at it.
fn split<'k>(keys: &'k mut [Key], at: usize, by: &By<'_>) -> (&'k mut [Key], &'k mut [Key]) {
    if at > 0 && at < keys.len() {
        keys.select_nth_unstable_by(at, |a, b| by.order(a, b));
    }
    keys.split_at_mut(at.min(keys.len()))
}

/// Sorts in slices, between which it can be cancelled; `None` when it was.
fn sort_in_slices(keys: &mut [Key], by: &By<'_>, cancel: &AtomicBool) -> Option<()> {
    /// Rows that are sorted at once: a few milliseconds.
    const SLICE: usize = 1 << 13;
    let go_on = || (!cancel.load(atomic::Ordering::Relaxed)).then_some(());
    for slice in keys.chunks_mut(SLICE) {
        go_on()?;
        slice.sort_unstable_by(|a, b| by.order(a, b));
    }
    let (mut sorted, mut from) = (SLICE, keys.to_vec());
    let mut to = Vec::with_capacity(from.len());
    while sorted < from.len() {
        for pair in from.chunks(sorted.saturating_mul(2)) {
            let (mut a, mut b) = pair.split_at(sorted.min(pair.len()));
            while let ([first, more @ ..], [second, others @ ..]) = (a, b) {
                if to.len() % SLICE == 0 {
                    go_on()?;
                }
                if by.order(first, second) == Ordering::Greater {
                    to.push(*second);
                    b = others;
                } else {
                    to.push(*first);
                    a = more;
                }
            }
            to.extend_from_slice(a);
            to.extend_from_slice(b);
        }
        std::mem::swap(&mut from, &mut to);
        to.clear();
        sorted = sorted.saturating_mul(2);
    }
    keys.copy_from_slice(&from);
    Some(())
}

/// A search through the rows of a table.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// Rows.
    pub rows: Arc<Rows>,
    /// Places in them in the order shown.
    pub order: Arc<Vec<usize>>,
    /// Their columns.
    pub columns: &'static [Column],
    /// How instants are shown.
    pub style: TimeStyle,
    /// The line to start from.
    pub from: usize,
    /// Lower-case text, as shown.
    pub needle: String,
    /// Towards the beginning.
    pub backwards: bool,
}

impl Hunt {
    /// The place of the next row that shows the text, before or after the line and round the end; `None` too when it was cancelled.
    pub fn next(&self, cancel: &AtomicBool) -> Option<usize> {
        /// Rows between which it can be cancelled.
        const SLICE: usize = 1 << 12;
        let lines = self.order.len();
        for step in 1..=lines {
            if step % SLICE == 0 && cancel.load(atomic::Ordering::Relaxed) {
                return None;
            }
            let line = match self.backwards {
                true => (self.from % lines + lines - step) % lines,
                false => (self.from % lines + step) % lines,
            };
            let place = self.order.get(line).copied()?;
            if self.rows.rows.get(place).is_some_and(|row| self.hits(row)) {
                return Some(place);
            }
        }
        None
    }

    fn hits(&self, row: &Row) -> bool {
        let mut cells = row.cells.iter().zip(self.columns);
        cells.any(|(cell, column)| holds(&show::cell(cell, column, &self.style), &self.needle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cell: Cell) -> Row {
        Row {
            cells: vec![cell],
            depth: 0,
            events: 1,
            first_num: 0,
            filter: String::new(),
        }
    }

    /// Cells of all kinds, many of them equal, in no order.
    fn cells(count: u64) -> Vec<Cell> {
        let mut seed = 7u64;
        let mut draw = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        let mut cell = || match draw(8) {
            0 => Cell::Missing,
            1 => Cell::Number(i128::from(draw(50)) - 25),
            2 => Cell::Number(i128::MAX - i128::from(draw(3))),
            3 => Cell::Float(draw(100) as f64 / 4.0 - 12.0),
            4 => Cell::Secret(vec![draw(255) as u8]),
            5 => Cell::Text(Vec::new()),
            6 => Cell::Text(format!("/usr/lib/x{}", draw(40)).into_bytes()),
            _ => Cell::Text(vec![draw(3) as u8; draw(12) as usize]),
        };
        (0..count).map(|_| cell()).collect()
    }

    fn wanted(count: u64, sort: Option<(usize, bool)>) -> Wanted {
        let rows = Rows {
            rows: cells(count).into_iter().map(row).collect(),
            ..Rows::default()
        };
        Wanted {
            rows: Arc::new(rows),
            sort,
            ..Wanted::default()
        }
    }

    #[test]
    fn the_order_is_that_of_a_stable_sort_and_what_is_on_screen_has_it_first() {
        for count in [0, 1, 900, 40_000] {
            for descending in [true, false] {
                let wanted = wanted(count, Some((0, descending)));
                let rows = wanted.rows.clone();
                let mut stable: Vec<usize> = (0..rows.rows.len()).collect();
                let cell = |at: &usize| &rows.rows[*at].cells[0];
                stable.sort_by(|a, b| compare(cell(a), cell(b), descending));
                for place in [0, 1, count as usize / 2, count as usize] {
                    let mut parts = Vec::new();
                    let stands = match place < count as usize {
                        true => Stands::Place(place),
                        false => Stands::Line(place),
                    };
                    let never = AtomicBool::new(false);
                    let whole = arrange(wanted.clone(), &stands, &never, &mut |part| {
                        parts.push(part);
                    });
                    assert!(
                        *whole.expect("it was not cancelled").order == stable,
                        "{count} {descending}"
                    );
                    assert_eq!(parts.len(), usize::from(count > 900));
                    for part in parts {
                        let line = stable.iter().position(|at| *at == place);
                        let line = line.unwrap_or(count as usize);
                        let screen = line.saturating_sub(500)..(line + 500).min(stable.len());
                        assert_eq!(part.order[screen.clone()], stable[screen]);
                        let mut all = part.order.to_vec();
                        all.sort_unstable();
                        assert!(all.into_iter().eq(0..rows.rows.len()), "each row once");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_cancelled_gives_nothing() {
        let gone = AtomicBool::new(true);
        let wanted = wanted(40_000, Some((0, true)));
        let given = arrange(wanted.clone(), &Stands::Line(0), &gone, &mut |_| {
            panic!("nobody waits for a part")
        });
        assert!(given.is_none());
        // Between two slices, too.
        let cancel = AtomicBool::new(false);
        let given = arrange(wanted, &Stands::Line(0), &cancel, &mut |_| {
            cancel.store(true, atomic::Ordering::Relaxed);
        });
        assert!(given.is_none());
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
    fn a_search_goes_round_and_can_be_cancelled() {
        const COLUMNS: &[Column] = &[Column {
            title: "",
            field: "",
            width: 0,
            aggregate: afterimage_query::Aggregate::Key,
            unit: afterimage_query::Unit::Plain,
            doc: "",
        }];
        let text = |at| row(Cell::Text(format!("row {at}!").into_bytes()));
        let rows = Rows {
            rows: (0..10_000).map(text).collect(),
            ..Rows::default()
        };
        let order = Arc::new((0..rows.rows.len()).rev().collect::<Vec<_>>());
        let hunt = |needle: &str, from, backwards| Hunt {
            rows: Arc::new(rows.clone()),
            order: order.clone(),
            columns: COLUMNS,
            style: TimeStyle::default(),
            from,
            needle: needle.to_owned(),
            backwards,
        };
        let never = AtomicBool::new(false);
        // Line 0 shows row 9999.
        assert_eq!(hunt("row 77!", 0, false).next(&never), Some(77));
        assert_eq!(hunt("row 77!", 9990, false).next(&never), Some(77));
        assert_eq!(hunt("99!", 0, true).next(&never), Some(99));
        assert_eq!(hunt("nowhere", 3, true).next(&never), None);
        assert_eq!(hunt("row 1!", 0, false).next(&AtomicBool::new(true)), None);
        let empty = Hunt {
            order: Arc::default(),
            ..hunt("x", 5, true)
        };
        assert_eq!(empty.next(&never), None);
    }
}
