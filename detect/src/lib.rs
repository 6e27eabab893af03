//! Falco rule files: read, compiled, run over events.
//!
//! [`load`] takes the texts of rule files in order and gives the [`Rules`] with a [`Report`] for each file, in Falco's words
//! and codes. [`Rules::select`] leaves those that are asked for; a [`Detector`] asks them about events, one capture each;
//! [`Alerts`] writes what they say. The same compiled rules can be asked about events as they are recorded.
//!
//! Invariants: no I/O; no text makes loading panic, or take more than a bounded amount of memory (aliases, lists in lists
//! and macros in macros are counted before they are put in); the order of rules and alerts depends on nothing but the
//! files and the events.
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

mod alert;
mod collect;
mod compile;
mod encoding;
mod priority;
mod read;
mod report;
mod rules;
mod yaml;

pub use alert::{Alerts, JsonParts};
pub use encoding::text;
pub use priority::Priority;
pub use read::ENGINE_VERSION;
pub use report::{Code, Item, Problem, Report, results_json};
pub use rules::{Detector, Matching, Rule, Rules, Selection, fits, load};
