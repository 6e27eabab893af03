//! The filter language, output templates, and views as data.
//!
//! [`Filter`] is a parsed and checked filter in sysdig's language; [`Template`] is an output format; [`VIEWS`] says what
//! each view of the inspector shows, in both.

use afterimage_model::Ctx;

/// A parsed and checked filter.
#[derive(Clone, Debug)]
pub struct Filter {}

/// Why a text is not a filter: where, what, and the nearest thing that would be one. `Display` prints the text with a caret under the place.
#[derive(Debug, Clone)]
pub struct FilterError {}

impl Filter {
    /// Parses and checks.
    pub fn parse(_text: &str) -> Result<Filter, FilterError> {
        todo!()
    }
    /// Whether an event matches.
    pub fn matches(&self, _ctx: &Ctx<'_>) -> bool {
        todo!()
    }
    /// Both must match.
    pub fn and(self, _other: Filter) -> Filter {
        todo!()
    }
    /// The canonical text; parsing it gives the same filter.
    pub fn print(&self) -> String {
        todo!()
    }
}

/// An output format like `%evt.num %proc.name`.
#[derive(Clone, Debug)]
pub struct Template {}

impl Template {
    /// Parses and checks; `*` first prints even where a field is missing (as `<NA>`).
    pub fn parse(_text: &str) -> Result<Template, FilterError> {
        todo!()
    }
    /// The line for an event, captured bytes escaped; `None` when a field is missing and the template has no `*`.
    pub fn print(&self, _ctx: &Ctx<'_>) -> Option<String> {
        todo!()
    }
}

/// How a column's values of one group become one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The group's key: rows are grouped by it.
    Key,
    /// Sum.
    Sum,
    /// Largest.
    Max,
    /// Smallest.
    Min,
    /// Mean.
    Avg,
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
    /// An instant, in the reader's time format.
    Time,
}

/// A column of a view.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Header text.
    pub title: &'static str,
    /// A field name of `FIELDS`, with argument where it takes one.
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
    /// Column it is sorted by, descending, by default.
    pub sort: usize,
    /// Which view Enter leads to.
    pub drill: Option<&'static str>,
    /// The filter that Enter adds, with `{}` for the quoted value of each key column in turn.
    pub drill_filter: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

/// Every view.
pub const VIEWS: &[View] = &[];
