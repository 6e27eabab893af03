//! Captures of other programs.
//!
//! A capture that another program wrote becomes one of ours, of another schema: event types, arguments and their names are
//! that program's. So everything that reads a capture reads it too.
#![forbid(unsafe_code)]

pub mod error;
pub mod scap;

pub use error::Error;
