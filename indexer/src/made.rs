//! Views whose rows are put together from many events: which module makes them, and what those share.

use crate::cell::{Cell, Key};
use crate::error::Error;
use crate::rows::{Row, Rows};
use crate::session::{Progress, Session, Span};
use afterimage_model::{Ctx, Process};
use afterimage_query::{FieldRef, Filter, Made, View, print_value};

/// Most rows that such a view is answered with.
pub(crate) const MOST_ROWS: usize = 200_000;

/// A question for such a view.
pub(crate) struct Asked<'a> {
    pub view: &'a View,
    /// The view's filter and the reader's together.
    pub filter: Option<&'a Filter>,
    pub span: Span,
    pub progress: &'a Progress,
}

impl Asked<'_> {
    /// What is asked for, of these types alone: no event of another has to be put together.
    pub(crate) fn of_types(&self, types: &[&str]) -> Result<Filter, Error> {
        let types = Filter::parse(&format!("evt.type in ({})", types.join(", ")));
        let types = types.map_err(|source| Error::View {
            view: self.view.id,
            source,
        })?;
        Ok(match self.filter {
            Some(filter) => filter.clone().and(types),
            None => types,
        })
    }
}

impl Session {
    pub(crate) fn made(&self, made: Made, asked: &Asked<'_>) -> Result<Rows, Error> {
        Ok(match made {
            Made::Processes
            | Made::Descriptors
            | Made::Sockets
            | Made::Mounts
            | Made::Environment
            | Made::Containers => crate::instant::rows(self, made, asked),
            Made::Talks => crate::talks::rows(self, asked),
            Made::Lines => crate::lines::lines(self, asked),
            Made::Bytes => crate::lines::bytes(self, asked),
            Made::Messages => crate::lines::messages(self, asked),
            Made::Http => crate::http::rows(self, asked),
            Made::HttpTop => crate::http::top(self, asked),
            Made::Sessions => crate::sessions::rows(self, asked),
            Made::Terminal => crate::sessions::terminal(self, asked),
            Made::Map => crate::map::rows(self, asked),
            Made::Story => crate::chain::rows(self, asked)?,
            Made::Lives => crate::lives::rows(self, asked)?,
            Made::Findings => crate::findings::rows(self, asked)?,
            Made::Latencies | Made::Subsecond | Made::Course => {
                crate::heat::rows(self, made, asked)?
            }
            Made::Alerts => crate::alerts::rows(self, asked),
        })
    }
}

/// The columns of a view: fields, and those of its own by name.
pub(crate) struct Columns(Vec<(&'static str, Option<FieldRef>)>);

impl Columns {
    pub fn of(view: &View) -> Columns {
        let column = |name: &'static str| {
            let own = name.starts_with("of.");
            (name, (!own).then(|| FieldRef::parse(name).ok()).flatten())
        };
        Columns(view.columns.iter().map(|one| column(one.field)).collect())
    }

    /// The cells of a row: fields of the event, `own` for the rest and for what the event does not have.
    pub fn cells(&self, ctx: Option<&Ctx<'_>>, own: impl Fn(&str) -> Cell) -> Vec<Cell> {
        let cell = |(name, field): &(&'static str, Option<FieldRef>)| {
            let known = match (field, ctx) {
                (Some(field), Some(ctx)) => Cell::from(&Key::of(field.value(ctx))),
                _ => Cell::Missing,
            };
            match known {
                Cell::Missing => own(name.strip_prefix("of.").unwrap_or(name)),
                known => known,
            }
        };
        self.0.iter().map(cell).collect()
    }
}

/// A number as a cell.
pub(crate) fn number(n: impl Into<i128>) -> Cell {
    Cell::Number(n.into())
}

/// Text as a cell; none when there is none.
pub(crate) fn text(text: impl AsRef<[u8]>) -> Cell {
    match text.as_ref() {
        b"" => Cell::Missing,
        text => Cell::Text(text.to_vec()),
    }
}

/// An instant on the boot clock as a cell.
pub(crate) fn instant(session: &Session, boot_ns: u64) -> Cell {
    number(session.manifest().wall_ns(boot_ns))
}

/// The filter of one event.
pub(crate) fn one(num: u64) -> String {
    format!("evt.num={num}")
}

/// The filter of a process.
pub(crate) fn of_process(session: &Session, process: &Process) -> String {
    let started = session.manifest().wall_ns(process.key.start_ns);
    format!("proc.pid={} and proc.pid.ts={started}", process.key.pid)
}

/// The filter of a container.
pub(crate) fn of_container(short_id: &str) -> String {
    format!("container.id={}", print_value(short_id.as_bytes()))
}

/// `name[pid]` of a process, raw.
pub(crate) fn called(process: &Process) -> Vec<u8> {
    [
        &process.comm[..],
        b"[",
        process.key.pid.to_string().as_bytes(),
        b"]",
    ]
    .concat()
}

/// A row of a view that is put together.
pub(crate) fn row(cells: Vec<Cell>, first_num: u64, events: u64, filter: String) -> Row {
    Row {
        cells,
        depth: 0,
        events,
        first_num,
        filter,
    }
}

/// Rows, cut where there are too many.
pub(crate) fn answer(mut rows: Vec<Row>, matched: u64, complete: bool) -> Rows {
    let truncated = rows.len() > MOST_ROWS;
    rows.truncate(MOST_ROWS);
    Rows {
        rows,
        matched,
        complete,
        truncated,
    }
}
