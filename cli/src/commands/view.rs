//! `afterimage view`: a view of the inspector as text, JSON lines or CSV.

use super::When;
use crate::cache::Caching;
use crate::failure::{Failure, Outcome};
use crate::habits;
use crate::json::Object;
use crate::moment::Zone;
use crate::output::{Output, say};
use crate::source::{Source, filter, strangers};
use crate::table::{Align, Table};
use afterimage_indexer::{
    Cell, Form as Document, Progress, Row, Span, TimeLook, TimeStyle, cell_text,
};
use afterimage_model::{FieldType, Safe, fields};
use afterimage_query::{Aggregate, Column, Filter, Made, Shape, Unit, VIEWS, View as ViewRow};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  afterimage view web.aft processes                    # processes as a tree
  afterimage view web.aft files container.name=web     # those of one container
  afterimage view web.aft connections --sort OUT -n 20 # the twenty busiest
  afterimage view web.aft files --csv > files.csv
  afterimage view web.aft lsof --at '#100' proc.name=sh # what it had open then
  afterimage view web.aft conversation fd.port=80      # what was said
  afterimage view web.aft map --as svg > map.svg
  afterimage view web.aft by --by proc.name            # by any field
  afterimage view --list                               # what views there are";

/// Show a view of the inspector as text
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct View {
    /// The capture; `-` reads a pipe
    #[arg(required_unless_present = "list")]
    file: Option<PathBuf>,
    /// The view, by its id
    #[arg(required_unless_present = "list")]
    view: Option<String>,
    /// Look only at events that match
    #[arg(allow_negative_numbers = true)]
    filter: Vec<String>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Comma-separated values with a header
    #[arg(long)]
    csv: bool,
    /// Column to sort by, largest first; -COLUMN for smallest first
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Only the first N rows
    #[arg(short = 'n', long = "rows", value_name = "N")]
    rows: Option<usize>,
    /// List the views
    #[arg(long)]
    list: bool,
    /// The state at this instant, for views of an instant (ps, lsof, netstat …): a time as --to takes it, or #N for that of event N
    #[arg(long, value_name = "TIME", conflicts_with = "to")]
    at: Option<String>,
    /// For the view `by`: the field that groups the events, such as proc.name or fd.type
    #[arg(long, value_name = "FIELD")]
    by: Option<String>,
    /// Write it in another form: raw (a conversation's bytes), cast (a session, asciicast 2), dot or svg (the map)
    #[arg(long = "as", value_name = "FORM", conflicts_with_all = ["json", "csv"])]
    form: Option<String>,
    /// Show what is hidden: values of variables whose names say that they are secrets
    #[arg(long)]
    reveal: bool,
    /// Falco rule file for the view `alerts`; may be given again
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    caching: Caching,
}

/// How the answer is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Csv,
}

impl View {
    /// Shows.
    pub fn run(self, out: &mut Output) -> Outcome {
        self.caching.apply();
        let (Some(file), Some(id), false) = (&self.file, &self.view, self.list) else {
            return super::views::list(out, super::Form::Text);
        };
        let (row, own, order) = match &self.by {
            Some(field) if id == "by" => (by(field)?, "", ""),
            None if id == "by" => {
                return Err(Failure::usage(
                    "the view `by` groups by a field, and none is named",
                    "--by proc.name; all of them: afterimage fields",
                ));
            }
            Some(_) => {
                return Err(Failure::usage(
                    "--by is for the view `by`",
                    format!(
                        "afterimage view FILE by --by {}",
                        Safe::new(self.by.as_deref().unwrap_or_default())
                    ),
                ));
            }
            None => named(id)?,
        };
        let mut filter = filter(&self.filter)?;
        if let Ok(own) = Filter::parse(own)
            && !own.is_all()
        {
            filter = Some(match filter {
                Some(filter) => own.and(filter),
                None => own,
            });
        }
        let mut source = Source::open(file)?;
        if !self.rules.is_empty() {
            source.session.set_rules(super::detect::rules(&self.rules)?);
        }
        if row.shape == Shape::Made(Made::Alerts) && source.session.rules().is_none() {
            return Err(Failure::usage(
                "alerts are made by rules, and no rule file is given",
                "--rules FILE",
            ));
        }
        strangers(filter.as_ref(), source.session.schema());
        let mut span = source.span(
            self.when.from.as_deref(),
            self.when.to.as_deref(),
            self.when.tz,
        )?;
        if let Some(at) = &self.at {
            let at = source.instant(at, self.when.tz)?;
            span = Some((span.map_or(0, |span| span.0), at));
        }
        if let Some(form) = &self.form {
            document(out, &source, row, form, filter.as_ref(), span)?;
            out.flush()?;
            return Ok(source.report_loss());
        }
        let form = match (self.json, self.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Text,
        };
        let limit = self.rows.unwrap_or(usize::MAX);
        let choice = Choice {
            form,
            limit,
            sort: self
                .sort
                .as_deref()
                .or(Some(order).filter(|order| !order.is_empty())),
            zone: self.when.tz,
            reveal: self.reveal,
            sparse: false,
        };
        rows(out, &source, row, filter.as_ref(), span, &choice)?;
        out.flush()?;
        Ok(source.report_loss())
    }
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
struct Choice<'a> {
    form: Form,
    limit: usize,
    sort: Option<&'a str>,
    zone: Zone,
    reveal: bool,
    /// Columns in which no row has anything are left out.
    sparse: bool,
}

/// Shows the first rows of a view as text: what `demo` prints where there is no terminal.
pub fn glance(
    out: &mut Output,
    source: &Source,
    id: &str,
    filter: Option<&Filter>,
    limit: usize,
) -> Result<(), Failure> {
    rows(
        out,
        source,
        find(id)?,
        filter,
        None,
        &Choice {
            form: Form::Text,
            limit,
            sort: None,
            zone: Zone::Utc,
            reveal: false,
            sparse: true,
        },
    )
}

/// The view with this id, or with the name csysdig has for it; a near miss is named.
pub fn find(id: &str) -> Result<&'static ViewRow, Failure> {
    named(id).map(|found| found.0)
}

/// The same, with the filter and the order that the name stands for at csysdig's or among sysdig's chisels.
fn named(id: &str) -> Result<(&'static ViewRow, &'static str, &'static str), Failure> {
    let by_id = |id: &str| VIEWS.iter().find(|view| view.id == id);
    let exact = || by_id(id).map(|view| (view, "", ""));
    let known = || {
        let (id, filter, order) = habits::view_for(id)?;
        Some((by_id(id)?, filter, order))
    };
    exact().or_else(known).ok_or_else(|| {
        let near = VIEWS.iter().find(|view| {
            view.id.starts_with(id)
                || id.starts_with(view.id)
                || view.title.eq_ignore_ascii_case(id)
        });
        Failure::usage(
            format!("there is no view {}", Safe::new(id)),
            match near {
                Some(view) => format!(
                    "{} ({}); all of them: afterimage views",
                    view.id, view.title
                ),
                None => "afterimage views lists them".to_owned(),
            },
        )
    })
}

/// The view that groups by a field.
fn by(field: &str) -> Result<&'static ViewRow, Failure> {
    afterimage_query::view_by(field).map_err(|error| {
        Failure::usage(
            format!("{}: {}", Safe::new(field), Safe::new(&error.message())),
            Safe::new(&error.remedy()).to_string(),
        )
    })
}

/// Writes a view in a form of its own.
fn document(
    out: &mut Output,
    source: &Source,
    view: &ViewRow,
    form: &str,
    filter: Option<&Filter>,
    span: Span,
) -> Result<(), Failure> {
    let Some(found) = Document::of(view, form) else {
        let of = |made| {
            let views = VIEWS
                .iter()
                .filter(move |row| row.shape == Shape::Made(made));
            views.map(|row| row.id)
        };
        let forms = Document::ALL.iter().map(|(_, end, views)| {
            let ids: Vec<&str> = views.iter().flat_map(|made| of(*made)).collect();
            format!("{end} of {}", ids.join(", "))
        });
        return Err(Failure::usage(
            format!("view {} cannot be written as {}", view.id, Safe::new(form)),
            forms.collect::<Vec<_>>().join("; "),
        ));
    };
    let written = source
        .session
        .document(view, found, filter, span, &Progress::default())
        .map_err(|error| Failure::new(Safe::new(&error.to_string()), ""))?;
    let Some(bytes) = written else {
        return Err(Failure::new(
            "there is no session at a terminal in what was selected",
            "afterimage view FILE sessions lists them",
        ));
    };
    out.write_all(&bytes)?;
    Ok(())
}

/// Why a view has no rows.
fn empty(view: &ViewRow, filter: Option<&Filter>) -> String {
    if view.shape == Shape::Gaps {
        return "no gaps: nothing is known to be missing".to_owned();
    }
    match (filter, view.filter) {
        (Some(filter), _) => format!("no rows: nothing matches {}", Safe::new(&filter.print())),
        (None, "") => "no rows: nothing of this was recorded".to_owned(),
        (None, own) => format!("no rows: nothing of this was recorded, no event matches {own}"),
    }
}

fn rows(
    out: &mut Output,
    source: &Source,
    view: &'static ViewRow,
    filter: Option<&Filter>,
    span: Span,
    choice: &Choice<'_>,
) -> Result<(), Failure> {
    let session = &source.session;
    let progress = Progress::default();
    let answer = match (choice.sort, choice.limit) {
        // Of a list in its own order no more is looked at than is shown.
        (None, limit) if limit < usize::MAX => {
            session.first_rows(view, filter, span, limit.max(1), &progress)
        }
        _ => session.view(view, filter, span, &progress),
    };
    let answer = answer.map_err(|error| {
        Failure::new(
            Safe::new(&format!("view {}: {error}", view.id)),
            "afterimage verify FILE says whether the capture is damaged",
        )
    })?;
    if answer.truncated {
        say(format_args!(
            "afterimage: there are more rows than the {} shown; a filter narrows them",
            answer.rows.len()
        ));
    }
    let mut rows = answer.rows;
    if rows.is_empty() {
        say(format_args!("afterimage: {}", empty(view, filter)));
    }
    if choice.reveal {
        for row in &mut rows {
            let cells = std::mem::take(&mut row.cells);
            row.cells = cells.into_iter().map(Cell::revealed).collect();
        }
    }
    if let Some(sort) = choice.sort {
        sort_rows(&mut rows, view, sort)?;
    }
    rows.truncate(choice.limit);
    let first_ns = session
        .manifest()
        .wall_ns(session.span().map_or(0, |span| span.0));
    let offset_s = choice.zone.east(session.manifest(), first_ns);
    let style = TimeStyle {
        look: TimeLook::Time,
        offset_s,
        first_ns,
    };
    match choice.form {
        Form::Text => {
            let mut table = Table::new(
                view.columns
                    .iter()
                    .map(|column| (column.title, align(column))),
            );
            // The column a tree is drawn in: the first text that is not part of the key.
            let tree = view.columns.iter().position(|column| {
                align(column) == Align::Left && column.aggregate != Aggregate::Key
            });
            for row in &rows {
                table.row(view.columns.iter().zip(&row.cells).enumerate().map(
                    |(at, (column, cell))| {
                        let text = cell_text(cell, column, &style);
                        if Some(at) == tree {
                            format!("{}{text}", "  ".repeat(usize::from(row.depth.min(40))))
                        } else {
                            text
                        }
                    },
                ));
            }
            // Whoever reads from a pipe counts columns.
            let empty = match choice.sparse || out.width.is_some() {
                true => table.leave_out_empty(),
                false => Vec::new(),
            };
            table.write(out)?;
            if !empty.is_empty() && !choice.sparse {
                out.flush()?;
                say(format_args!(
                    "columns in which nothing was recorded: {}",
                    empty.join(", ")
                ));
            }
        }
        Form::Json => {
            let names = view.names();
            for row in &rows {
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
                writeln!(out, "{}", object.end())?;
            }
        }
        Form::Csv => {
            csv_line(out, view.names())?;
            for row in &rows {
                let cells = view.columns.iter().zip(&row.cells);
                csv_line(out, cells.map(|(_, cell)| csv_cell(cell)))?;
            }
        }
    }
    Ok(())
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

/// A line of comma-separated values (RFC 4180 quoting, LF).
fn csv_line(out: &mut Output, cells: impl IntoIterator<Item = String>) -> std::io::Result<()> {
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
    writeln!(out, "{}", cells.join(","))
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

    #[test]
    fn a_mistyped_view_is_answered_with_the_nearest() {
        assert!(find("no such view").is_err_and(|f| f.remedy == "afterimage views lists them"));
        assert!(find("container").is_err_and(|f| f.remedy.starts_with("containers (Containers)")));
        assert!(find("procs").is_ok_and(|view| view.id == "processes"));
        let order = |id: &str| named(id).map(|found| (found.0.id, found.1, found.2)).ok();
        assert_eq!(order("topfiles_bytes"), Some(("files", "", "BYTES")));
        assert_eq!(
            order("topfiles_time"),
            Some(("files", "evt.is_io=true", "WAITED"))
        );
    }
}
