//! The views as data: which events, which columns, where Enter leads. Columns are fields, filters are our own language.

use crate::error::FilterError;
use crate::field::FieldRef;
use afterimage_model::{FieldType, fields};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How a column's values of one group become one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The group's key: rows are grouped by it.
    Key,
    /// Sum; a yes counts as one.
    Sum,
    /// Largest.
    Max,
    /// Smallest.
    Min,
    /// Mean.
    Avg,
    /// Sum of what was told; nothing where nothing was.
    Told,
    /// Mean of each thread, and those of all threads together.
    Threads,
    /// Largest of each thread, and those of all threads together.
    Peaks,
    /// Sum per second of the span shown.
    Rate,
    /// Number of events that have the field.
    Count,
    /// Number of distinct values.
    Distinct,
    /// First value in time.
    First,
    /// Last value in time.
    Last,
}

/// How a cell is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Plain,
    /// Bytes: 1.5K, 3M.
    Bytes,
    /// Nanoseconds as a duration: 1.2ms.
    Duration,
    /// Nanoseconds of processor time as a duration; `?` where nobody told how much it was.
    Processor,
    /// An instant, in the reader's time format.
    Time,
    /// A count that is shown against the largest in the table: as a shade or a bar where there is a screen.
    Heat,
}

/// A column of a view.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Header text.
    pub title: &'static str,
    /// A field name of `FIELDS`, with argument where it takes one. The columns of the overview and of the gaps are not
    /// about events; their names begin with `tile.` and `gap.`. Views that are put together have columns of their own, whose
    /// names begin with `of.`.
    pub field: &'static str,
    /// Width in cells; 0 takes what is left.
    pub width: u16,
    /// How values of a group are joined.
    pub aggregate: Aggregate,
    /// How it is shown.
    pub unit: Unit,
    /// One sentence.
    pub doc: &'static str,
}

/// What the body of a view looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One row per group.
    Table,
    /// One row per event.
    List,
    /// One row per process, indented under its parent.
    Tree,
    /// Tiles of totals.
    Overview,
    /// The gaps of the capture.
    Gaps,
    /// Event list with arguments and bytes.
    Events,
    /// Rows that stand for no group of events: what was open, said, seen or found, put together from many.
    Made(Made),
}

/// What is put together from many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Processes that lived at an instant.
    Processes,
    /// Descriptors that were open at an instant.
    Descriptors,
    /// Sockets that were open at an instant.
    Sockets,
    /// What was mounted at an instant.
    Mounts,
    /// The environment of processes that lived at an instant.
    Environment,
    /// Containers that lived at an instant.
    Containers,
    /// Talks: the two ends of sockets and pipes joined, terminals.
    Talks,
    /// What was said in a talk, line by line.
    Lines,
    /// What was said in a talk, byte by byte.
    Bytes,
    /// Messages of protocols that are recognised.
    Messages,
    /// Requests of HTTP/1 with their answers.
    Http,
    /// The same by host and path.
    HttpTop,
    /// Sessions at terminals, and shells whose terminal is a socket or a pipe.
    Sessions,
    /// What a terminal showed at an instant.
    Terminal,
    /// Who talked to whom.
    Map,
    /// What led to an event, and what came of it.
    Story,
    /// The lives of containers.
    Lives,
    /// What deserves a look about how containers are run.
    Findings,
    /// How long calls took, over time.
    Latencies,
    /// When within a second things happened, over time.
    Subsecond,
    /// How much went in and out, over time.
    Course,
    /// Rules that fired.
    Alerts,
}

impl Made {
    /// Whether the rows are those of one instant: the end of the span.
    pub fn is_of_an_instant(self) -> bool {
        matches!(
            self,
            Made::Processes
                | Made::Descriptors
                | Made::Sockets
                | Made::Mounts
                | Made::Environment
                | Made::Containers
                | Made::Terminal
        )
    }

    /// What a row is, in a sentence.
    pub fn doc(self) -> &'static str {
        match self {
            Made::Processes => "One row per process that lived at the instant.",
            Made::Descriptors => "One row per descriptor that was open at the instant.",
            Made::Sockets => "One row per socket that was open at the instant.",
            Made::Mounts => "One row per mount that was there at the instant.",
            Made::Environment => "One row per variable of a process that lived at the instant.",
            Made::Containers => "One row per container that lived at the instant.",
            Made::Talks => "One row per pair of ends.",
            Made::Lines => "One row per line that was said.",
            Made::Bytes => "One row per sixteen bytes that were said.",
            Made::Messages => "One row per message.",
            Made::Http => "One row per request.",
            Made::HttpTop => "One row per method, host and path.",
            Made::Sessions => "One row per terminal.",
            Made::Terminal => "One row per line of the terminal at the instant.",
            Made::Map => "One row per client, server and port.",
            Made::Story => "One row per step.",
            Made::Lives => "One row per turn in the life of a container.",
            Made::Findings => "One row per finding.",
            Made::Latencies | Made::Subsecond | Made::Course => "One row per step of time.",
            Made::Alerts => "One row per alert.",
        }
    }
}

/// A view: which events, which columns, where Enter leads.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Short name, as `afterimage view FILE <id>` takes it.
    pub id: &'static str,
    /// The key that opens it; `'\0'` for none.
    pub key: char,
    /// Title.
    pub title: &'static str,
    /// Shape.
    pub shape: Shape,
    /// Which events it looks at; empty for all.
    pub filter: &'static str,
    /// Columns.
    pub columns: &'static [Column],
    /// Column it is sorted by, descending, by default. Lists, trees and gaps keep the order of time.
    pub sort: usize,
    /// Titles of the columns that stay on a screen where not all fit, the one that answers the view's question first: the others give
    /// way, the last of these before the first.
    pub keeps: &'static [&'static str],
    /// Which view Enter leads to.
    pub drill: Option<&'static str>,
    /// The filter that Enter adds, with `{}` for the quoted value of each key column in turn. A row's own filter is this
    /// with its values, and `not … exists` where it has none.
    pub drill_filter: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

impl View {
    /// The fields that make the key of a row, in order.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.columns
            .iter()
            .filter(|column| column.aggregate == Aggregate::Key)
            .map(|column| column.field)
    }

    /// What the columns are called in JSON and CSV, in order. A name with a dot is a field, which a filter takes as it is: of a column
    /// that holds a value of an event, where no other column is of that field. What was counted, summed or put together is
    /// called by the column's title, as a word.
    pub fn names(&self) -> Vec<String> {
        let alone = |column: &Column| {
            let of_field = self.columns.iter().filter(|one| one.field == column.field);
            of_field.count() == 1
        };
        let name = |column: &Column| {
            let value = matches!(
                column.aggregate,
                Aggregate::Key | Aggregate::First | Aggregate::Last
            );
            match value && fields::split_name(column.field).is_some() && alone(column) {
                true => column.field.to_owned(),
                false => word(column.title),
            }
        };
        self.columns.iter().map(name).collect()
    }
}

/// A title as a word: `IN/S` is `in_per_s`, `CPU%` is `cpu_percent`.
fn word(title: &str) -> String {
    let title = match (title.strip_prefix('<'), title.strip_prefix('.')) {
        (Some(most), _) => format!("under {most}"),
        (_, Some(tenth)) => format!("tenth {tenth}"),
        _ => title.replace("/S", " per s").replace('%', " percent"),
    };
    title.to_ascii_lowercase().replace([' ', '-'], "_")
}

/// The view with this id.
pub fn view(id: &str) -> Option<&'static View> {
    VIEWS.iter().find(|view| view.id == id)
}

/// The view that groups every event by one field. It is made once for each field that is asked for, and kept.
pub fn view_by(field: &str) -> Result<&'static View, FilterError> {
    static MADE: Mutex<BTreeMap<String, &'static View>> = Mutex::new(BTreeMap::new());
    let parsed = FieldRef::parse(field)?;
    let name = parsed.to_string();
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(view) = made.get(&name) {
        return Ok(view);
    }
    // There are as many as fields with arguments that a user thought of.
    let leaked = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let field = leaked(name.clone());
    let time = parsed.field().ty == FieldType::AbsTime;
    let key = Column {
        title: "VALUE",
        field,
        width: 32,
        aggregate: Aggregate::Key,
        unit: if time { Unit::Time } else { Unit::Plain },
        doc: "Value of the field.",
    };
    let columns = std::iter::once(key).chain(BY.iter().copied());
    let view: &'static View = Box::leak(Box::new(View {
        id: "by",
        key: '\0',
        title: leaked(format!("By {name}")),
        shape: Shape::Table,
        filter: leaked(format!("{name} exists")),
        columns: Box::leak(columns.collect::<Vec<_>>().into_boxed_slice()),
        sort: 1,
        keeps: &["VALUE", "EVENTS", "IN", "OUT", "ERRORS"],
        drill: Some("events"),
        drill_filter: leaked(format!("{name}={{}}")),
        doc: "Events by one field.",
    }));
    made.insert(name, view);
    Ok(view)
}

macro_rules! columns {
    ($($title:literal $field:literal $width:literal $aggregate:ident $unit:ident $doc:literal;)*) => {
        &[$(Column { title: $title, field: $field, width: $width, aggregate: Aggregate::$aggregate, unit: Unit::$unit, doc: $doc }),*]
    };
}

macro_rules! views {
    ($(
        $id:literal $key:literal $title:literal $shape:ident $(($made:ident))? $filter:literal => $drill:expr, $drill_filter:literal
        sorted by $sort:literal keeps [$($keep:literal)*] { $($columns:tt)* } $doc:literal;
    )*) => {
        &[$(View {
            id: $id, key: $key, title: $title, shape: Shape::$shape $((Made::$made))?, filter: $filter, columns: columns! { $($columns)* },
            sort: $sort, keeps: &[$($keep),*], drill: $drill, drill_filter: $drill_filter, doc: $doc,
        }),*]
    };
}

/// What is said of every value of the field that events are grouped by.
const BY: &[Column] = columns! {
    "EVENTS" "evt.count" 9 Sum Plain "Events.";
    "IN" "evt.buflen.in" 8 Sum Bytes "Bytes read.";
    "OUT" "evt.buflen.out" 8 Sum Bytes "Bytes written.";
    "WAITED" "evt.latency" 8 Told Duration "How long calls waited, together; empty where none is known to have.";
    "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
    "FILES" "fd.name" 8 Distinct Plain "Distinct files and connections.";
    "PROCS" "proc.pid" 6 Distinct Plain "Process ids.";
    "CONTAINERS" "container.id" 11 Distinct Plain "Containers.";
    "FIRST" "evt.rawtime" 19 First Time "First event.";
    "LAST" "evt.rawtime" 19 Last Time "Last event.";
};

mod basic;
mod made;
mod peers;

/// Every view.
pub const VIEWS: &[View] =
    &join::<{ basic::BASIC.len() + peers::PEERS.len() + made::MADE.len() }>(&[
        basic::BASIC,
        peers::PEERS,
        made::MADE,
    ]);

/// Tables one after the other.
#[allow(
    clippy::indexing_slicing,
    reason = "only the compiler runs it: a wrong index is an error of the build"
)]
const fn join<const N: usize>(parts: &[&[View]]) -> [View; N] {
    let mut out = [basic::BASIC[0]; N];
    let (mut part, mut place, mut at) = (0, 0, 0);
    while at < N {
        if place == parts[part].len() {
            (part, place) = (part + 1, 0);
            continue;
        }
        out[at] = parts[part][place];
        (place, at) = (place + 1, at + 1);
    }
    out
}
