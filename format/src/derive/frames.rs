//! Where the keyframes of a capture stand that is made of several. All events that one takes account of are before it and all
//! others behind it, of every origin.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::stream::Stream;
use super::{Keyframes, Origin, Recipe};
use afterimage_model::{BootNs, Tables};

/// Events that pass before it is looked again whether a place is one for a keyframe.
const PATIENCE: u32 = 256;

/// Where the next keyframe stands.
pub(super) struct Frames<'a> {
    keyframes: Keyframes<'a>,
    /// When origins begin of which nothing was told yet, the next one last.
    begins: Vec<u64>,
    /// The instant of the last one, or of the beginning.
    last: u64,
    /// The latest instant of what was taken.
    latest: u64,
    /// Whether there are events that the last keyframe takes no account of.
    is_more: bool,
    /// Events to let pass.
    wait: u32,
    /// Of each origin, for each chunk: the earliest instant of it and of all that follow.
    earliest: Vec<Vec<u64>>,
}

impl<'a> Frames<'a> {
    /// Where there are several origins, and it can be said what they hold. In a capture of another program each begins a
    /// section: all there was then is told.
    pub(super) fn of(origins: &[Origin], recipe: &Recipe<'a>) -> Option<Frames<'a>> {
        let keyframes = recipe.keyframes.filter(|_| origins.len() > 1)?;
        let begins = origins.iter().map(|origin| origin.reader.begins().0);
        let mut begins: Vec<u64> = begins.collect();
        for origin in origins.iter().filter(|origin| origin.reader.has_sections()) {
            let sections = origin.reader.sections();
            let later = sections.iter().skip(1);
            // What cannot be read is told as damage.
            let read = later.filter_map(|section| origin.reader.section(section).ok());
            begins.extend(read.map(|(at, _)| at.0));
        }
        begins.sort_unstable_by(|a, b| b.cmp(a));
        let earliest = origins.iter().map(|origin| {
            let (mut least, mut all) = (u64::MAX, Vec::new());
            for info in origin.reader.chunks().iter().rev() {
                least = least.min(info.span.0.0);
                all.push(least);
            }
            all.reverse();
            all
        });
        Some(Frames {
            keyframes,
            last: begins.last().copied().unwrap_or(0),
            begins,
            latest: 0,
            is_more: false,
            wait: 0,
            earliest: earliest.collect(),
        })
    }

    /// The instant of a keyframe that is due before the event of this instant, which was taken out of a stream.
    pub(super) fn due(&mut self, next: BootNs, streams: &[Stream<'_>]) -> Option<BootNs> {
        if !self.is_more {
            // What has begun by now is in what was told at the beginning.
            self.begins.retain(|begin| *begin > next.0);
            return None;
        }
        if self.wait > 0 {
            self.wait = self.wait.saturating_sub(1);
            return None;
        }
        let begun = self.begins.last().copied().filter(|begin| *begin <= next.0);
        let is_due = self.latest.saturating_sub(self.last) >= self.keyframes.every_ns;
        if begun.is_none() && !is_due {
            return None;
        }
        // When all that have begun by then have done so, and nothing that comes is of before.
        let all_begun = self.begins.iter().copied().filter(|begin| *begin <= next.0);
        let at = all_begun.fold(self.latest, u64::max);
        let to_come = streams.iter().zip(&self.earliest).map(|(stream, chunks)| {
            let later = chunks.get(stream.next_chunk).copied();
            stream.earliest().min(later.unwrap_or(u64::MAX))
        });
        let to_come = to_come.fold(next.0, u64::min);
        if to_come <= at {
            self.wait = PATIENCE;
            return None;
        }
        Some(BootNs(at))
    }

    /// What is told at an instant that is due.
    pub(super) fn state(&mut self, at: BootNs) -> Option<Vec<Tables>> {
        self.last = at.0;
        self.begins.retain(|begin| *begin > at.0);
        self.is_more = false;
        (self.keyframes.state)(at)
    }

    /// An event was taken.
    pub(super) fn took(&mut self, time: BootNs) {
        self.latest = self.latest.max(time.0);
        self.is_more = true;
    }
}
