//! Captures of sysdig, Falco and Stratoshark (`.scap`): reading them as captures of ours.
//!
//! [`block`] finds blocks in whatever [`input`] unpacks, [`lists`] and [`event`] take them apart, [`state`] follows what is
//! known from event to event, [`rows`] makes rows of that, and [`convert`] writes it all down.

mod block;
mod bytes;
mod calls;
mod containers;
mod convert;
mod event;
mod flags;
mod input;
mod lists;
mod rows;
mod state;
mod threads;
mod types;

pub use convert::{Report, convert};
pub use types::schema;
