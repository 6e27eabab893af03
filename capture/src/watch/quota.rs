//! What the quotas leave for the files that are being made.

use super::incident::Incident;
use super::{Store, Watcher};
use crate::error::Error;
use crate::window::{Past, pressing};
use afterimage_format::{Batch, Press, Pressed, WriterOptions};
use afterimage_model::{BootNs, Gap, GapCause, Tables};
use std::io::Write;

/// What is left of the quota that leaves the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes by which all open files together may grow.
    pub bytes: u64,
    /// The quota, by its key in the configuration; empty where there is none.
    pub quota: &'static str,
}

impl Default for Room {
    fn default() -> Room {
        Room {
            bytes: u64::MAX,
            quota: "",
        }
    }
}

/// Up to where open files may grow.
pub(super) struct Quota {
    /// Bytes that they may have together.
    most: u64,
    /// Why no more.
    why: String,
    /// What tells how large a chunk will be, once that matters.
    press: Option<Press>,
}

/// Whether events have room in a file.
pub(super) enum Fits {
    /// They have, pressed or not.
    Surely,
    /// As this chunk.
    Pressed(Pressed),
    /// They have not.
    Not,
}

impl Default for Quota {
    fn default() -> Quota {
        Quota {
            most: u64::MAX,
            why: String::new(),
            press: None,
        }
    }
}

impl Quota {
    /// Bytes by which open files may grow when they have so many.
    pub(super) fn left(&self, growing: u64) -> u64 {
        self.most.saturating_sub(growing)
    }

    /// Why they may not grow further.
    pub(super) fn why(&self) -> &str {
        &self.why
    }

    /// Whether events have room where so many bytes are left.
    ///
    /// # Errors
    /// When compressing fails.
    pub(super) fn takes(&mut self, part: &Batch, needs: &Tables, left: u64) -> Result<Fits, Error> {
        if part.memory() as u64 <= left {
            return Ok(Fits::Surely);
        }
        let press = match &mut self.press {
            Some(press) => press,
            none => none.insert(Press::new(WriterOptions::default().level).map_err(pressing)?),
        };
        let chunk = press.press(part, needs).map_err(pressing)?;
        Ok(match chunk.bytes() as u64 <= left {
            true => Fits::Pressed(chunk),
            false => Fits::Not,
        })
    }
}

impl<W: Write> Incident<W> {
    /// Has the file end before these events, and say so.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn leave_out(
        &mut self,
        part: &Batch,
        why: &str,
    ) -> Result<(), afterimage_format::Error> {
        let times = || part.rows().map(|(row, _)| row.time);
        let (Some(start), Some(end)) = (times().min(), times().max()) else {
            return Ok(());
        };
        let count = part.len() as u64;
        self.missing += count;
        self.over.get_or_insert_with(|| why.to_owned());
        self.writer.gap(&Gap {
            cause: GapCause::WriteFailed,
            start,
            end,
            cpu: None,
            count: Some(count),
            first_seq: None,
            detail: why.to_owned(),
        })
    }
}

/// Leaves out the oldest chunks of a past, until the rest has so many bytes at the most; what was left out is a gap.
pub(super) fn fit(past: &mut Past<'_>, room: Room) {
    let mut bytes: u64 = (past.chunks.iter()).map(|chunk| chunk.bytes() as u64).sum();
    let mut out: Vec<&Pressed> = Vec::new();
    let mut kept = std::mem::take(&mut past.chunks).into_iter().peekable();
    while bytes > room.bytes
        && let Some(chunk) = kept.next()
    {
        bytes = bytes.saturating_sub(chunk.bytes() as u64);
        out.push(chunk);
    }
    past.chunks = kept.collect();
    let (Some(start), Some(end)) = (
        out.iter().map(|chunk| chunk.span().0).min(),
        out.iter().map(|chunk| chunk.span().1).max(),
    ) else {
        return;
    };
    past.gaps.push(Gap {
        cause: GapCause::WriteFailed,
        start,
        end,
        cpu: None,
        count: Some(out.iter().map(|chunk| chunk.events()).sum()),
        first_seq: None,
        detail: format!("of the past no more than {} left room for", room.quota),
    });
    past.gaps.sort_by_key(|gap: &Gap| -> BootNs { gap.start });
}

impl<S: Store> Watcher<S> {
    /// Bytes that open files have.
    pub(super) fn growing(&self) -> u64 {
        (self.incidents.iter())
            .map(|incident| incident.writer.bytes())
            .sum()
    }

    /// Asks what the quotas leave, besides what open files have.
    pub(super) fn ask_room(&mut self) -> Room {
        let open = self.growing();
        let (room, why) = match self.store.room(open) {
            Ok(room) => (room, format!("{} is used up", room.quota)),
            Err(why) => (
                Room {
                    bytes: 0,
                    quota: "a quota",
                },
                why,
            ),
        };
        self.quota.most = open.saturating_add(room.bytes);
        self.quota.why = why;
        room
    }

    /// Has open files end when they have what the quotas leave.
    pub(super) fn keep_quotas(&mut self) {
        if !self.incidents.is_empty() && self.quota.left(self.growing()) == 0 {
            for incident in &mut self.incidents {
                incident.over.get_or_insert_with(|| self.quota.why.clone());
            }
        }
    }
}
