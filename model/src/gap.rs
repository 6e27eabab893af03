//! Loss as data: what is known to be missing from a capture, and why.

use crate::manifest::Totals;
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
    /// Under pressure, calls that yield first were only counted.
    Counted = 6,
    /// Under pressure, less was kept of each event for a while; no event is missing.
    Degraded = 7,
    /// The bound of a window of the past was reached: the oldest events of the container with the most went first.
    Displaced = 8,
    /// The recorder did not run, or its programs saw nothing: what happened then may be missing.
    Blind = 9,
    /// The wall clock was set while it was recorded. Nothing is missing: a mark that clocks disagree from there on.
    ClockStep = 10,
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
            GapCause::Counted,
            "counted",
            "The rings were nearly full: reads, writes and other calls that yield first were counted, not kept.",
        ),
        (
            GapCause::Degraded,
            "degraded",
            "The rings were filling up: what was read and written was kept by length only; no event is missing.",
        ),
        (
            GapCause::Displaced,
            "displaced",
            "The window of the past was full: the oldest events of the container that had the most went.",
        ),
        (
            GapCause::Blind,
            "blind",
            "The recorder did not run, or its programs saw nothing: what happened then may be missing.",
        ),
        (
            GapCause::ClockStep,
            "clock-step",
            "The wall clock was set while it was recorded; no event is missing.",
        ),
        (
            GapCause::Other,
            "other",
            "A cause named by a newer version.",
        ),
    ];

    /// Whether something is missing where there is such a gap.
    pub fn is_loss(self) -> bool {
        self != GapCause::ClockStep
    }

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

/// What is missing from a capture, summed up: what every reader says of it at first sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Stretches of time with something missing.
    pub gaps: u64,
    /// Events that are known to be missing.
    pub events: u64,
    /// Whether that is all of them; else a gap does not say how many it stands for.
    pub exact: bool,
    /// Names of the causes, sorted, each once.
    pub causes: Vec<&'static str>,
}

impl Loss {
    /// Sums up gaps and the books of a sealed capture; `None` when nothing is known to be missing.
    pub fn of<'g>(
        gaps: impl IntoIterator<Item = &'g Gap>,
        totals: Option<&Totals>,
    ) -> Option<Loss> {
        let mut loss = Loss {
            gaps: 0,
            events: 0,
            exact: true,
            causes: Vec::new(),
        };
        for gap in gaps.into_iter().filter(|gap| gap.cause.is_loss()) {
            loss.gaps = loss.gaps.saturating_add(1);
            loss.events = loss.events.saturating_add(gap.count.unwrap_or(0));
            loss.exact &= gap.count.is_some();
            loss.causes.push(gap.cause.name());
        }
        loss.causes.sort_unstable();
        loss.causes.dedup();
        // The books know of losses that no gap tells of; what gaps tell of may have come later.
        let booked = totals.map_or(0, |t| t.dropped.saturating_add(t.unsealed));
        loss.events = loss.events.max(booked);
        (loss.gaps > 0 || booked > 0).then_some(loss)
    }
}
