//! Loss as data: what is known to be missing from a capture, and why.

use crate::time::BootNs;

/// Why events are missing. The numbers are part of the file format and never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum GapCause {
    /// The kernel found no room in the ring: the recorder was too slow or the ring too small.
    RingFull = 1,
    /// The file ends in the middle of a block: the recorder died or the tail was cut.
    Torn = 2,
    /// A block does not match its checksum or cannot be decoded.
    Unreadable = 3,
    /// Events the recorder could not write (disk full, I/O error).
    WriteFailed = 4,
    /// A raw kernel record the decoder did not understand.
    Undecodable = 5,
    /// A cause this version does not know; its number is in the gap's `detail`.
    Other = 255,
}

impl GapCause {
    /// Every cause with its name and a sentence, for help and documents.
    pub const ALL: &'static [(GapCause, &'static str, &'static str)] = &[
        (
            GapCause::RingFull,
            "ring-full",
            "The kernel ring was full: the events happened and were not kept.",
        ),
        (
            GapCause::Torn,
            "torn",
            "The file ends in the middle of a block: the recorder died or the tail was cut.",
        ),
        (
            GapCause::Unreadable,
            "unreadable",
            "A block of the file does not match its checksum or cannot be decoded.",
        ),
        (
            GapCause::WriteFailed,
            "write-failed",
            "The recorder could not write: disk full or an I/O error.",
        ),
        (
            GapCause::Undecodable,
            "undecodable",
            "A kernel record was not understood by the decoder.",
        ),
        (
            GapCause::Other,
            "other",
            "A cause named by a newer version.",
        ),
    ];

    /// The cause's short name.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|row| row.0 == self)
            .map_or("other", |row| row.1)
    }

    /// The cause with this number; [`GapCause::Other`] when unknown.
    pub fn from_code(code: u8) -> GapCause {
        Self::ALL
            .iter()
            .map(|row| row.0)
            .find(|cause| *cause as u8 == code)
            .unwrap_or(GapCause::Other)
    }
}

/// A stretch of time in which events are known to be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub cause: GapCause,
    /// The last instant known to be whole before the loss.
    pub start: BootNs,
    /// The first instant known to be whole after the loss.
    pub end: BootNs,
    /// The CPU whose events are missing; `None` when it concerns all.
    pub cpu: Option<u16>,
    /// How many events are missing; `None` when that cannot be known.
    pub count: Option<u64>,
    /// The sequence number (per CPU) of the first missing event, where known.
    pub first_seq: Option<u64>,
    /// Anything else worth saying, our own words.
    pub detail: String,
}
