//! A view written to a file of its own, for a spreadsheet (`.csv`), a program (`.json`) or a report (`.md`); some views in
//! forms of their own, such as a session as asciicast.
//!
//! Text is written as it is shown, with everything dangerous spelled out; numbers are written in full, durations and
//! instants in nanoseconds.

use crate::worker::Which;
use afterimage_indexer::{Cell, Progress, Session, TimeStyle, cell_text};
use afterimage_model::Safe;
use afterimage_query::{Shape, View};
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name says no format.
    #[error(
        "{0}: the name must end in .csv, .json or .md; some views have .raw, .cast, .dot or .svg, too"
    )]
    Format(String),
    /// The view has nothing to write in this form.
    #[error("{0}: there is nothing of that in this view")]
    Nothing(String),
    /// There is such a file.
    #[error("{0}: there is such a file, and it stays as it is: choose another name")]
    Exists(String),
    /// The file could not be made or written.
    #[error("{0}: {1}")]
    Io(String, #[source] std::io::Error),
    /// The capture could not be read.
    #[error(transparent)]
    Session(#[from] afterimage_indexer::Error),
}

/// Writes the rows of a view to a new file and returns how many there were; `None` for a form that has no rows.
pub fn write(
    session: &Session,
    view: &'static View,
    which: &Which,
    path: &Path,
    progress: &Progress,
) -> Result<Option<u64>, Error> {
    let shown = || Safe::new(path.as_os_str().as_encoded_bytes()).to_string();
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(shown()),
        _ => Error::Io(shown(), error),
    };
    let form = match path.extension().and_then(|ext| ext.to_str()) {
        Some("csv") => Form::Csv,
        Some("json") => Form::Json,
        Some("md") => Form::Markdown,
        Some(ending) => {
            let Some(form) = afterimage_indexer::Form::of(view, ending) else {
                return Err(Error::Format(shown()));
            };
            let written =
                session.document(view, form, which.filter.as_ref(), which.span, progress)?;
            let Some(bytes) = written else {
                return Err(Error::Nothing(shown()));
            };
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(path)
                .map_err(io)?;
            file.write_all(&bytes).map_err(io)?;
            return Ok(None);
        }
        None => return Err(Error::Format(shown())),
    };
    // Only a new file: an export must never take the place of evidence.
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(io)?;
    let mut out = Sheet {
        out: BufWriter::new(file),
        form,
        rows: 0,
        view,
        names: view.names(),
    };
    out.begin().map_err(io)?;
    if view.shape == Shape::Events {
        let fields = crate::worker::fields(view.columns);
        let mut failed = None;
        session.scan(which.filter.as_ref(), which.span, 1, progress, &mut |ctx| {
            let cells: Vec<Cell> = fields
                .iter()
                .map(|field| crate::worker::cell(ctx, field.as_ref()))
                .collect();
            failed = out.row(&cells).err();
            failed.is_none()
        })?;
        if let Some(error) = failed {
            return Err(io(error));
        }
    } else {
        for row in session
            .view(view, which.filter.as_ref(), which.span, progress)?
            .rows
        {
            out.row(&row.cells).map_err(io)?;
        }
    }
    out.end().map(Some).map_err(io)
}

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    Json,
    Markdown,
}

struct Sheet<W: Write> {
    out: W,
    form: Form,
    rows: u64,
    view: &'static View,
    /// What its columns are called.
    names: Vec<String>,
}

impl<W: Write> Sheet<W> {
    fn begin(&mut self) -> std::io::Result<()> {
        if self.form == Form::Json {
            return self.out.write_all(b"[");
        }
        if self.form == Form::Markdown {
            let titles: Vec<&str> = self.view.columns.iter().map(|one| one.title).collect();
            let rule = "|---".repeat(titles.len());
            return writeln!(self.out, "| {} |\n{rule}|", titles.join(" | "));
        }
        let names: Vec<String> = self.names.iter().map(|name| csv(name)).collect();
        writeln!(self.out, "{}", names.join(","))
    }

    fn row(&mut self, cells: &[Cell]) -> std::io::Result<()> {
        self.rows += 1;
        if self.form == Form::Markdown {
            let style = TimeStyle::default();
            let columns = self.view.columns.iter().zip(cells);
            // What a cell holds is no markup.
            let cells: Vec<String> = columns
                .map(|(column, cell)| {
                    let text = cell_text(cell, column, &style);
                    text.replace('\\', "\\\\")
                        .replace('|', "\\|")
                        .replace('<', "&lt;")
                        .replace('`', "\\`")
                })
                .collect();
            return writeln!(self.out, "| {} |", cells.join(" | "));
        }
        if self.form == Form::Csv {
            let cells: Vec<String> = cells
                .iter()
                .map(|cell| csv(&text(cell).unwrap_or_default()))
                .collect();
            return writeln!(self.out, "{}", cells.join(","));
        }
        let cells: Vec<String> = self
            .names
            .iter()
            .zip(cells)
            .map(|(name, cell)| {
                let value = match cell {
                    Cell::Missing => "null".to_owned(),
                    Cell::Number(n) => n.to_string(),
                    Cell::Float(x) if x.is_finite() => x.to_string(),
                    other => quoted(&text(other).unwrap_or_default()),
                };
                format!("{}: {value}", quoted(name))
            })
            .collect();
        let comma = if self.rows > 1 { "," } else { "" };
        write!(self.out, "{comma}\n  {{{}}}", cells.join(", "))
    }

    fn end(mut self) -> std::io::Result<u64> {
        if self.form == Form::Json {
            self.out.write_all(b"\n]\n")?;
        }
        self.out.flush()?;
        Ok(self.rows)
    }
}

fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Missing => None,
        Cell::Text(text) => Some(Safe::new(text).to_string()),
        Cell::Secret(text) => Some(format!("(hidden, {} bytes)", text.len())),
        Cell::Number(n) => Some(n.to_string()),
        Cell::Float(x) => Some(x.to_string()),
    }
}

/// Printable text as a CSV field. A spreadsheet takes a field that begins with one of `=+-@` for a formula: text gets an
/// apostrophe in front, numbers do not need it.
fn csv(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@']) && text.parse::<f64>().is_err();
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// Printable text (it holds no control character) as a JSON string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_formula_is_no_formula_in_a_spreadsheet() {
        assert_eq!(
            csv("=HYPERLINK(\"http://x\")"),
            "\"'=HYPERLINK(\"\"http://x\"\")\""
        );
        assert_eq!(csv("-12"), "-12");
        assert_eq!(csv("-x"), "'-x");
    }

    #[test]
    fn json_strings_are_quoted_once() {
        assert_eq!(quoted("a\\x1b\"b"), "\"a\\\\x1b\\\"b\"");
    }
}
