//! Text tables: columns as wide as what is in them, cut only to fit a terminal.

use crate::output::{Output, say};
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Where the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Cells between two columns.
const BETWEEN: usize = 2;
/// Cells to which a column of text may shrink.
const LEAST_TEXT: usize = 18;

/// A table of printable text.
#[derive(Debug)]
pub struct Table {
    heads: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<'a>(heads: impl IntoIterator<Item = (&'a str, Align)>) -> Table {
        Table {
            heads: heads
                .into_iter()
                .map(|(head, align)| (head.to_owned(), align))
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells must be printable already.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Leaves columns out in which no row has anything; their heads.
    pub fn leave_out_empty(&mut self) -> Vec<String> {
        let empty: Vec<bool> = (0..self.heads.len())
            .map(|at| {
                let mut cells = self.rows.iter().map(|row| row.get(at));
                !self.rows.is_empty() && cells.all(|cell| cell.is_none_or(String::is_empty))
            })
            .collect();
        let is_empty = |at: usize| empty.get(at).copied().unwrap_or(false);
        let heads = std::mem::take(&mut self.heads).into_iter().enumerate();
        let (out, kept): (Vec<_>, Vec<_>) = heads.partition(|(at, _)| is_empty(*at));
        self.heads = kept.into_iter().map(|(_, head)| head).collect();
        for row in &mut self.rows {
            let mut at = 0..;
            row.retain(|_| !at.next().is_some_and(is_empty));
        }
        out.into_iter().map(|(_, (head, _))| head).collect()
    }

    /// Writes heads and rows. On a terminal the widest columns give way until a line fits, and the last ones stay away
    /// when that is not enough, which standard error says; elsewhere nothing is cut.
    pub fn write(&self, out: &mut Output) -> io::Result<()> {
        let widths = self.widths(out.width);
        let heads: Vec<String> = self.heads.iter().map(|(head, _)| head.clone()).collect();
        let line = self.line(&heads, &widths);
        let line = out.bold(&line);
        writeln!(out, "{line}")?;
        for row in &self.rows {
            writeln!(out, "{}", self.line(row, &widths))?;
        }
        let away = heads.get(widths.len()..).unwrap_or_default();
        if !away.is_empty() && !out.is_aside() {
            out.flush()?;
            say(format_args!(
                "columns that do not fit: {} (a wider terminal or a pipe shows them)",
                away.join(", ")
            ));
        }
        Ok(())
    }

    /// Widths of the columns that are shown: all, unless a limit keeps the last ones away.
    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|(head, _)| head.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let Some(limit) = limit else { return widths };
        // A number cut short is another number; text says less, but still something, down to a few words.
        let least: Vec<usize> = (widths.iter().zip(&self.heads))
            .map(|(width, (_, align))| match align {
                Align::Right => *width,
                Align::Left => (*width).min(LEAST_TEXT),
            })
            .collect();
        let taken = |widths: &[usize]| {
            widths.iter().sum::<usize>() + widths.len().saturating_sub(1) * BETWEEN
        };
        while widths.len() > 1 && taken(least.get(..widths.len()).unwrap_or_default()) > limit {
            widths.pop();
        }
        while taken(&widths) > limit {
            let widest = (widths.iter_mut().zip(&least))
                .filter(|(width, least)| **width > **least)
                .max_by_key(|(width, _)| **width);
            match widest {
                Some((width, _)) => *width -= 1,
                None => break,
            }
        }
        widths
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (at, ((cell, width), (_, align))) in
            cells.iter().zip(widths).zip(&self.heads).enumerate()
        {
            if at > 0 {
                line.push_str(&" ".repeat(BETWEEN));
            }
            let cell = cut(cell, *width);
            let pad = " ".repeat(width.saturating_sub(cell.width()));
            match align {
                Align::Left => line.extend([cell.as_str(), pad.as_str()]),
                Align::Right => line.extend([pad.as_str(), cell.as_str()]),
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Text cut to a width in terminal cells, with `…` where something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if out.width() + 1 > width {
            out.pop();
            break;
        }
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([("Name", Align::Left), ("Count", Align::Right)]);
        table.row(["sh".into(), "1".into()]);
        table.row(["a rather long name of a process".into(), "1234".into()]);
        table
    }

    #[test]
    fn nothing_is_cut_where_no_terminal_reads() {
        let table = table();
        let widths = table.widths(None);
        assert_eq!(
            table.line(&table.rows[0], &widths),
            "sh                                   1"
        );
        assert!(
            table
                .line(&table.rows[1], &widths)
                .starts_with("a rather long name of a process   1234")
        );
    }

    #[test]
    fn the_widest_column_gives_way_on_a_terminal() {
        let table = table();
        let widths = table.widths(Some(26));
        let line = table.line(&table.rows[1], &widths);
        assert_eq!(
            (line.width(), line.as_str()),
            (26, "a rather long name…   1234")
        );
    }

    #[test]
    fn columns_in_which_nothing_stands_are_left_out_and_named() {
        let heads = [("A", Align::Left), ("B", Align::Right), ("C", Align::Left)];
        let mut table = Table::new(heads);
        assert_eq!(table.leave_out_empty(), [""; 0], "without rows all stay");
        table.row(["x", "", ""].map(str::to_owned));
        table.row(["", "", "z"].map(str::to_owned));
        assert_eq!(table.leave_out_empty(), ["B"]);
        assert_eq!(table.heads.len(), 2);
        assert_eq!(table.rows, [["x", ""], ["", "z"]]);
    }

    #[test]
    fn columns_that_cannot_be_read_any_more_stay_away() {
        let table = table();
        let widths = table.widths(Some(20));
        let line = table.line(&table.rows[1], &widths);
        assert_eq!((widths.len(), line.as_str()), (1, "a rather long name …"));
    }

    #[test]
    fn wide_characters_are_cut_by_cells_not_by_letters() {
        assert_eq!(cut("日本語の名前", 7), "日本語…");
        assert!(cut("日本語の名前", 6).width() <= 6);
    }
}
