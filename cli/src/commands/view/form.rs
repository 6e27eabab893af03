//! How the rows of a view are written: as a table, as JSON lines, or as comma-separated values.

use crate::failure::Failure;
use crate::json::Object;
use crate::moment::Zone;
use crate::output::Output;
use crate::table::{Align, Table};
use afterimage_indexer::{Cell, Row, Session, TimeLook, TimeStyle, cell_text};
use afterimage_model::{FieldType, Safe, fields};
use afterimage_query::{Aggregate, Column, Shape, Unit, View as ViewRow};
use std::io::Write;

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table.
    Text,
    /// One object a line.
    Json,
    /// With a header.
    Csv,
}

/// A column that shows its cells as they are.
const PLAIN: Column = Column {
    title: "",
    field: "",
    width: 0,
    aggregate: Aggregate::First,
    unit: Unit::Plain,
    doc: "",
};

/// How much of a view is shown, in which order and form.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    /// How it is written.
    pub form: Form,
    /// Most rows.
    pub limit: usize,
    /// By which column they are sorted, if not as they come.
    pub sort: Option<&'a str>,
    /// Zone of the times.
    pub zone: Zone,
    /// Secrets, too.
    pub reveal: bool,
    /// Columns in which no row has anything are left out, wherever it is written, and tiles of which nothing was recorded.
    pub sparse: bool,
}

impl Choice<'_> {
    /// The rows that are shown, in their order.
    pub fn of(&self, view: &ViewRow, mut rows: Vec<Row>) -> Result<Vec<Row>, Failure> {
        if self.reveal {
            for row in &mut rows {
                let cells = std::mem::take(&mut row.cells);
                row.cells = cells.into_iter().map(Cell::revealed).collect();
            }
        }
        if let Some(sort) = self.sort {
            sort_rows(&mut rows, view, sort)?;
        }
        if self.sparse && view.shape == Shape::Overview {
            rows.retain(|row| row.events > 0);
        }
        rows.truncate(self.limit);
        Ok(rows)
    }

    /// Writes rows. Gives the titles of the columns that were left out, as no row has anything there.
    pub fn write(
        &self,
        out: &mut Output,
        session: &Session,
        view: &ViewRow,
        rows: &[Row],
    ) -> std::io::Result<Vec<String>> {
        match self.form {
            Form::Text => {
                let mut table = table(session, view, rows, self.zone);
                // Whoever reads from a pipe counts columns.
                let empty = match self.sparse || out.width.is_some() {
                    true => table.leave_out_empty(),
                    false => Vec::new(),
                };
                table.write(out)?;
                Ok(empty)
            }
            _ => {
                if let Some(head) = self.head(view) {
                    writeln!(out, "{head}")?;
                }
                let mut lines = rows.iter().map(|row| self.line(view, row));
                lines.try_for_each(|line| writeln!(out, "{line}"))?;
                Ok(Vec::new())
            }
        }
    }

    /// The line above the lines of rows, where there is one.
    pub fn head(&self, view: &ViewRow) -> Option<String> {
        (self.form == Form::Csv).then(|| csv_line(view.names()))
    }

    /// A row as a line by itself.
    pub fn line(&self, view: &ViewRow, row: &Row) -> String {
        match self.form {
            Form::Csv => csv_line((view.columns.iter().zip(&row.cells)).map(|c| csv_cell(c.1))),
            _ => json_line(view, row),
        }
    }
}

/// Rows as a table.
fn table(session: &Session, view: &ViewRow, rows: &[Row], zone: Zone) -> Table {
    let first_ns = session
        .manifest()
        .wall_ns(session.span().map_or(0, |span| span.0));
    let style = TimeStyle {
        look: TimeLook::Time,
        offset_s: zone.east(session.manifest(), first_ns),
        first_ns,
    };
    let mut table = Table::new(
        view.columns
            .iter()
            .map(|column| (column.title, align(column))),
    );
    // The column a tree is drawn in: the first text that is not part of the key.
    let tree = view
        .columns
        .iter()
        .position(|column| align(column) == Align::Left && column.aggregate != Aggregate::Key);
    for row in rows {
        table.row(
            view.columns
                .iter()
                .zip(&row.cells)
                .enumerate()
                .map(|(at, (column, cell))| {
                    let text = cell_text(cell, column, &style);
                    if Some(at) == tree {
                        format!("{}{text}", "  ".repeat(usize::from(row.depth.min(40))))
                    } else {
                        text
                    }
                }),
        );
    }
    table
}

/// A row as a JSON object.
fn json_line(view: &ViewRow, row: &Row) -> String {
    let names = view.names();
    let mut object = Object::new();
    for (name, cell) in names.iter().zip(&row.cells) {
        cell_json(&mut object, name, cell);
    }
    // What every row has, where no column says it.
    let of_events = !matches!(view.shape, Shape::Made(made) if made.is_of_an_instant());
    for (name, value) in [("events", row.events), ("first_num", row.first_num)] {
        if of_events && names.iter().all(|taken| taken != name) {
            object.number(name, value);
        }
    }
    if view.shape == Shape::Tree {
        object.number("depth", row.depth);
    }
    object.end()
}

/// Numbers stand right, text left.
fn align(column: &Column) -> Align {
    use Aggregate as A;
    let counted = matches!(
        column.aggregate,
        A::Sum | A::Avg | A::Rate | A::Count | A::Distinct
    );
    let ty = fields::split_name(column.field).map(|(field, _)| field.ty);
    let number = matches!(
        ty,
        Some(
            FieldType::Int
                | FieldType::Uint
                | FieldType::Double
                | FieldType::RelTime
                | FieldType::Port
        )
    );
    if column.unit != Unit::Time && (counted || number) {
        Align::Right
    } else {
        Align::Left
    }
}

fn cell_json(object: &mut Object, name: &str, cell: &Cell) {
    match cell {
        Cell::Missing => object.raw(name, "null"),
        Cell::Text(bytes) => object.text(name, bytes),
        hidden @ Cell::Secret(_) => {
            object.text(name, cell_text(hidden, &PLAIN, &TimeStyle::default()))
        }
        Cell::Number(n) => object.number(name, *n),
        Cell::Float(x) if x.is_finite() => object.raw(name, &format!("{x}")),
        Cell::Float(_) => object.raw(name, "null"),
    };
}

/// A cell for a spreadsheet. Captured text that a spreadsheet would run as a formula is kept from it by an apostrophe.
fn csv_cell(cell: &Cell) -> String {
    match cell {
        Cell::Missing => String::new(),
        Cell::Number(n) => n.to_string(),
        Cell::Float(x) => x.to_string(),
        hidden @ Cell::Secret(_) => cell_text(hidden, &PLAIN, &TimeStyle::default()),
        Cell::Text(bytes) => {
            let text = Safe::new(bytes).to_string();
            if text.starts_with(['=', '+', '-', '@']) {
                format!("'{text}")
            } else {
                text
            }
        }
    }
}

/// A line of comma-separated values (RFC 4180 quoting).
fn csv_line(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells
        .into_iter()
        .map(|cell| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell
            }
        })
        .collect();
    cells.join(",")
}

fn sort_rows(rows: &mut [Row], view: &ViewRow, sort: &str) -> Result<(), Failure> {
    let (name, smallest_first) = match sort.strip_prefix('-') {
        Some(name) => (name, true),
        None => (sort, false),
    };
    let columns = || view.columns.iter();
    let named = |column: &Column| column.title.eq_ignore_ascii_case(name) || column.field == name;
    let in_json = || view.names().iter().position(|known| known == name);
    let at = columns().position(named).or_else(in_json).ok_or_else(|| {
        let titles: Vec<&str> = view.columns.iter().map(|column| column.title).collect();
        Failure::usage(
            format!("view {} has no column {}", view.id, Safe::new(name)),
            titles.join(", "),
        )
    })?;
    rows.sort_by(|a, b| {
        let order = a
            .cells
            .get(at)
            .unwrap_or(&Cell::Missing)
            .order(b.cells.get(at).unwrap_or(&Cell::Missing));
        if smallest_first {
            order
        } else {
            order.reverse()
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_gets_no_formula_and_no_control_character() {
        assert_eq!(
            csv_cell(&Cell::Text(b"=HYPERLINK(1)".to_vec())),
            "'=HYPERLINK(1)"
        );
        assert_eq!(csv_cell(&Cell::Text(b"a\x1b\nb".to_vec())), "a\\x1b\\nb");
        assert_eq!(csv_cell(&Cell::Number(-3)), "-3");
    }
}
