//! The inspector on a folder of captures: its catalogue, what is found in all of them, their events as one timeline, and where
//! indicators were seen. `Enter` opens a capture, and coming back from it stands here again.
//!
//! Whoever opens files is a [`Shelf`]; this only asks it, shows what it says and never waits for it.

mod draw;
mod run;
mod span;
mod state;
#[cfg(test)]
mod tests;

pub use run::{FolderPlayer, run};
pub use state::{FolderState, Want};

use afterimage_indexer::{Cell, Progress, Session};
use afterimage_query::{Aggregate, Column, Unit};
use std::path::PathBuf;

/// A page of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The captures.
    Captures,
    /// What is found in them.
    Found,
    /// Their events.
    Events,
    /// Indicators.
    Indicators,
}

/// A row of [`PAGES`].
#[derive(Clone, Copy, Debug)]
pub struct PageRow {
    /// Which.
    pub page: Page,
    /// The key that opens it.
    pub key: char,
    /// Its title.
    pub title: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// Titles of the columns that stay where not all fit, the first of them longest.
    pub keeps: &'static [&'static str],
    /// One sentence.
    pub doc: &'static str,
}

const fn column(title: &'static str, field: &'static str, width: u16, unit: Unit) -> Column {
    let number = width > 0 && matches!(unit, Plain) && is_count(field);
    Column {
        title,
        field,
        width,
        aggregate: if number {
            Aggregate::Sum
        } else {
            Aggregate::Key
        },
        unit,
        doc: "",
    }
}

/// Whether a column of this name counts something, so that it stands to the right.
const fn is_count(field: &str) -> bool {
    let bytes = field.as_bytes();
    matches!(bytes, [b'n', b'.', ..])
}

use Unit::{Plain, Time};

/// Every page, in the order of their keys. What is asked for narrows all of them but the last.
pub const PAGES: &[PageRow] = &[
    PageRow {
        page: Page::Captures,
        key: '1',
        title: "captures",
        columns: &[
            column("CAPTURE", "of.capture", 0, Plain),
            column("HOST", "of.host", 16, Plain),
            column("FROM", "of.from", 19, Plain),
            column("TO", "of.to", 19, Plain),
            column("EVENTS", "n.events", 12, Plain),
            column("INTEGRITY", "of.state", 20, Plain),
            column("LOST", "n.lost", 9, Plain),
            column("CONTAINERS", "of.containers", 24, Plain),
            column("TRIGGER", "of.trigger", 20, Plain),
            column("ALERT", "of.reason", 0, Plain),
        ],
        keeps: &["CAPTURE", "EVENTS", "LOST", "INTEGRITY", "FROM"],
        doc: "Every capture in the folder: where it is from, whether it is whole, why it was made.",
    },
    PageRow {
        page: Page::Found,
        key: '2',
        title: "found",
        columns: &[
            column("KIND", "of.kind", 10, Plain),
            column("WHAT", "of.text", 0, Plain),
            column("EVENTS", "n.events", 10, Plain),
            column("FIRST", "of.first", 23, Plain),
            column("LAST", "of.last", 23, Plain),
            column("BY", "of.by", 24, Plain),
            column("HOST", "of.host", 16, Plain),
            column("CAPTURE", "of.capture", 0, Plain),
        ],
        keeps: &["WHAT", "KIND", "EVENTS", "CAPTURE", "HOST"],
        doc: "What has the words that were searched for, in all captures, best first.",
    },
    PageRow {
        page: Page::Events,
        key: '3',
        title: "timeline",
        columns: &[
            column("TIME", "of.time", 29, Time),
            column("HOST", "of.host", 16, Plain),
            column("CONTAINER", "of.container", 16, Plain),
            column("PROCESS", "of.process", 16, Plain),
            column("TYPE", "of.type", 14, Plain),
            column("WHAT", "of.text", 0, Plain),
            column("CAPTURE", "of.capture", 24, Plain),
        ],
        keeps: &["WHAT", "TYPE", "PROCESS", "HOST", "TIME"],
        doc: "The events of all captures by the clock, those that were searched for.",
    },
    PageRow {
        page: Page::Indicators,
        key: '4',
        title: "indicators",
        columns: &[
            column("INDICATOR", "of.indicator", 0, Plain),
            column("KIND", "of.kind", 8, Plain),
            column("HOST", "of.host", 16, Plain),
            column("FIRST", "of.first", 23, Plain),
            column("LAST", "of.last", 23, Plain),
            column("EVENTS", "n.events", 10, Plain),
            column("CAPTURES", "n.captures", 9, Plain),
            column("IN", "of.text", 0, Plain),
            column("FIRST CAPTURE", "of.capture", 24, Plain),
        ],
        keeps: &["INDICATOR", "EVENTS", "HOST", "CAPTURES", "FIRST"],
        doc: "Where the indicators of a list were seen on each host, when first and when last.",
    },
];

/// Where a row leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The capture.
    pub path: PathBuf,
    /// The instant to stand at, ns since boot.
    pub at: Option<u64>,
    /// The event to stand on.
    pub event: Option<u64>,
}

/// A row of a page.
#[derive(Clone, Debug, Default)]
pub struct SheetRow {
    /// One cell per column; instants are ns since 1970.
    pub cells: Vec<Cell>,
    /// What `Enter` opens.
    pub place: Option<Place>,
    /// It is bad news.
    pub bad: bool,
}

/// How much happened in a capture, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// First and last instant, ns since 1970.
    pub span: (i64, i64),
    /// Events in equal steps of it.
    pub counts: Vec<u64>,
    /// A trigger started it.
    pub triggered: bool,
    /// Events are known to be missing from it.
    pub lossy: bool,
}

/// Where an event stands among those of all captures: ns since 1970, its capture, its number there.
pub type Spot = (i64, String, u64);

/// What is asked of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// What is searched for; nothing, and everything is meant.
    pub words: String,
    /// From when to when, ns since 1970; `None` for all.
    pub span: Option<(i64, i64)>,
    /// Only events after this one: those up to it are at hand.
    pub after: Option<Spot>,
}

/// What a page shows.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// Rows in their own order.
    pub rows: Vec<SheetRow>,
    /// Of the catalogue: when what happened.
    pub activity: Vec<Activity>,
    /// What else is to be known, in a sentence; empty when all is said.
    pub note: String,
    /// What is shown instead of rows when there are none.
    pub empty: String,
    /// The last of these events, where there are more after it.
    pub more: Option<Spot>,
}

/// A folder of captures, as whoever opens files sees it. Asked from a thread of its own.
pub trait Shelf: Send + Sync {
    /// The rows of a page.
    ///
    /// # Errors
    /// Why there are none, in lines; the first says it, the others show where.
    fn sheet(&self, page: Page, query: &Query, progress: &Progress) -> Result<Sheet, String>;

    /// A number that is another one when captures have come, gone or changed. Nothing is opened for it; `None` when the folder
    /// cannot be looked at.
    fn look(&self) -> Option<u64>;

    /// Opens a capture.
    ///
    /// # Errors
    /// Why it cannot be opened.
    fn open(&self, place: &Place) -> Result<Session, String>;
}
