//! Session: the one door through which every reader sees a capture.
//!
//! The inspector, `view`, `read` and exports stand on [`Session`]; none of them opens a file. It scans events with a
//! [`Filter`](afterimage_query::Filter), makes the [`Rows`] of a [`View`](afterimage_query::View), the totals of the
//! overview's tiles and the [`Histogram`] of the timeline. [`cell_text`] is how a [`Cell`] is shown everywhere. Views that
//! are put together from many events, such as the state at an instant, talks and stories, have a module each (`made` says
//! which).
//!
//! Invariants: a capture is only read; a part of it that cannot be decoded is skipped and becomes a gap
//! ([`Session::unreadable`]), never an end of the answer; a row's filter selects exactly the events behind it; no table
//! in a capture, however hostile, makes an answer take endless time.
//!
//! ```
//! use afterimage_format::{Reader, Writer, WriterOptions};
//! use afterimage_indexer::{Progress, Session};
//! use afterimage_model::{Manifest, Schema, Tables, Totals};
//! use afterimage_query::{Filter, view};
//!
//! let writer = Writer::new(Vec::new(), &Manifest::default(), Schema::current(), WriterOptions::default())?;
//! let bytes = writer.seal(&Totals::default(), &Tables::default())?;
//! let session = Session::from_reader(Reader::from_bytes(bytes)?);
//! let filter = Filter::parse("evt.failed=true")?;
//! let files = view("files").unwrap();
//! assert!(session.view(files, Some(&filter), None, &Progress::default())?.rows.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod aggregate;
mod alerts;
mod alike;
mod cell;
mod chain;
mod choosing;
mod document;
mod error;
mod findings;
mod heat;
mod http;
mod index;
mod instant;
mod ioc;
mod likely;
mod lines;
mod lives;
mod made;
mod map;
mod overview;
mod parts;
mod reading;
mod resp;
mod rows;
mod ruled;
mod runs;
mod screen;
mod search;
mod secrets;
mod session;
mod sessions;
mod source;
mod speak;
mod spread;
mod statsd;
#[cfg(test)]
mod story;
mod talks;
#[cfg(test)]
mod tests;
mod timeline;
mod tree;
mod typed;

/// A remark in a capture, by a person or a program.
pub use afterimage_format::Note;
pub use alike::Summing;
pub use cell::{Cell, TimeLook, TimeStyle, bytes_text, cell_text, duration_text};
pub use document::Form;
pub use error::Error;
pub use heat::latencies_of;
pub use index::{
    About, Answered, Ask, AskError, Built, Counting, Folder, Identity, Index, Indexing, KINDS,
    Keeper, Kind, KindRow, Missing, Reach, Refused, Sifted, Stamp, build, keep_answers, questions,
};
pub use instant::{Joined, Spacing};
pub use ioc::{Indicators, MOST_INDICATORS, Sighting, Sort};
pub use overview::{Overview, TILE_STEPS, TileTotal};
pub use parts::Taker;
pub use rows::{MOST_GROUPS, MOST_LIST_ROWS, Row, Rows};
pub use ruled::Ruled;
pub use search::{Finding, Hit, Hits, MOST_HITS};
pub use session::{Place, Progress, Session, Shown, Span, TextFilters, Visitor, Work};
pub use spread::Percentiles;
pub use talks::stream_of;
pub use timeline::{Histogram, LANES};
