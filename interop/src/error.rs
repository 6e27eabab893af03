//! Why a capture of another program could not be read or written.

use std::io;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input could not be read.
    #[error("reading: {0}")]
    Read(io::Error),
    /// The output could not be written.
    #[error("{0}")]
    Write(io::Error),
    /// The capture that is made could not be written or opened.
    #[error("{0}")]
    Capture(#[from] afterimage_format::Error),
    /// The input is not what it should be.
    #[error("{0}")]
    Not(String),
}
