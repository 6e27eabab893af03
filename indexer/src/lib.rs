//! Session: the one door through which every reader sees a capture.
//!
//! The inspector, `view`, `read` and exports stand on it; none of them opens a file.

use afterimage_model::{Ctx, Gap, Manifest, Schema, Tables, Totals};
use afterimage_query::{Filter, View};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[error("placeholder")]
pub struct Error;

/// Lets another thread watch and stop a piece of work.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Set to stop: the work ends soon with what it has.
    pub cancel: Arc<AtomicBool>,
    /// Events looked at so far.
    pub done: Arc<AtomicU64>,
}

/// Which part of a capture: boot-clock ns, both ends included; `None` for all.
pub type Span = Option<(u64, u64)>;

/// A cell of a row: what is shown, and what it is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Missing,
    /// Captured text, raw.
    Text(Vec<u8>),
    /// A number with a sign.
    Number(i128),
    /// A fraction (means and rates).
    Float(f64),
}

/// A row of a view.
#[derive(Clone, Debug)]
pub struct Row {
    /// Cells, one per column of the view.
    pub cells: Vec<Cell>,
    /// Depth in a tree; 0 elsewhere.
    pub depth: u16,
    /// Events behind it.
    pub events: u64,
    /// Number of its first event.
    pub first_num: u64,
    /// The filter that narrows to this row's events, in our own language.
    pub filter: String,
}

/// The answer for a view.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Rows, sorted as the view says.
    pub rows: Vec<Row>,
    /// Events that matched.
    pub matched: u64,
    /// Whether all of the capture was looked at (not cancelled).
    pub complete: bool,
}

/// Counts per lane over equal steps of a span, for the timeline.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// First and last instant.
    pub span: (u64, u64),
    /// `lanes[lane][step]`; lanes in the order of [`LANES`].
    pub lanes: Vec<Vec<u64>>,
}

/// Lanes of the timeline.
pub const LANES: &[&str] = &["all", "exec", "file", "net", "errors"];

/// An open capture, with or without an index.
pub struct Session {}

impl Session {
    /// Opens a capture.
    pub fn open(_path: &Path) -> Result<Session, Error> {
        todo!()
    }
    /// The capture's header.
    pub fn manifest(&self) -> &Manifest {
        todo!()
    }
    /// The capture's schema.
    pub fn schema(&self) -> &Schema {
        todo!()
    }
    /// Containers, users, initial state.
    pub fn state(&self) -> &Tables {
        todo!()
    }
    /// Gaps, in order of time.
    pub fn gaps(&self) -> &[Gap] {
        todo!()
    }
    /// Totals of a sealed capture.
    pub fn totals(&self) -> Option<&Totals> {
        todo!()
    }
    /// Number of events.
    pub fn events(&self) -> u64 {
        todo!()
    }
    /// First and last instant.
    pub fn span(&self) -> Option<(u64, u64)> {
        todo!()
    }
    /// Calls `each` for every matching event in order from event number `from`, until it returns false. Returns the number of events looked at.
    pub fn scan(&self, _filter: Option<&Filter>, _span: Span, _from: u64, _progress: &Progress, _each: &mut dyn FnMut(&Ctx<'_>) -> bool) -> Result<u64, Error> {
        todo!()
    }
    /// One event by number.
    pub fn event<R>(&self, _num: u64, _look: impl FnOnce(&Ctx<'_>) -> R) -> Result<Option<R>, Error> {
        todo!()
    }
    /// The rows of a view, with a further filter.
    pub fn view(&self, _view: &View, _filter: Option<&Filter>, _span: Span, _progress: &Progress) -> Result<Rows, Error> {
        todo!()
    }
    /// Counts per lane in `steps` equal steps.
    pub fn histogram(&self, _filter: Option<&Filter>, _span: Span, _steps: usize, _progress: &Progress) -> Result<Histogram, Error> {
        todo!()
    }
}
