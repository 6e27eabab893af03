//! Captures of sysdig, Falco and Stratoshark (`.scap`): reading them as captures of ours.
//!
//! [`block`] finds blocks in whatever [`input`] unpacks, [`lists`] and [`event`] take them apart, [`state`] follows what is
//! known from event to event, [`rows`] makes rows of that, and [`convert`] writes it all down. The other way, [`write`] follows
//! with the same [`state`] what a reader would believe, and [`params`] turns our arguments into scap's.

mod block;
mod bytes;
mod calls;
mod containers;
mod convert;
mod event;
mod flags;
mod input;
mod lists;
mod params;
mod rows;
mod state;
mod threads;
mod types;
mod write;

pub use convert::{Report, convert};
pub use types::schema;
pub use write::{Written, write};
