//! Captures of sysdig, Falco and Stratoshark (`.scap`): reading them as captures of ours.
//!
//! [`block`] finds blocks in whatever [`input`] unpacks, [`lists`] and [`event`] take them apart, [`state`] follows what is known, [`rows`]
//! makes rows of it, [`opening`] says what was there before, [`convert`] makes events, [`output`] and [`stream`] hand them over; [`scout`] looks ahead by
//! the [`ties`] of threads. The other way, [`write`] follows what a reader would believe, and [`params`] turns our arguments into scap's.

mod block;
mod bytes;
mod calls;
mod containers;
mod convert;
mod event;
mod flags;
mod input;
mod lists;
mod opening;
mod output;
mod params;
mod recent;
mod rows;
mod scout;
mod state;
mod stream;
mod threads;
mod ties;
mod types;
mod values;
mod write;

pub use stream::{Ended, Report, Sieve, Stream, Stretch, convert};
pub use types::schema;
pub use write::{Written, write};

/// How a capture of version 1.2 begins: its first block, whole.
pub const SECTION_HEAD: [u8; 28] = [
    0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 2, 0, 255, 255, 255, 255,
    255, 255, 255, 255, 28, 0, 0, 0,
];
