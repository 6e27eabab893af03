//! The window once more, where a crash of the recorder leaves it: segments of everything that comes, each a capture of its own,
//! which go when they are older than the window, and when the recorder ends well.

use super::{Store, Watcher};
use crate::host;
use afterimage_format::{Batch, Writer, WriterOptions};
use afterimage_model::{BootNs, Gap, Tables, Totals};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;

/// What is kept beside the memory.
pub(super) struct Spill<W: Write> {
    segment: Option<Segment<W>>,
    /// Those that are whole: where, until when, and how many bytes.
    whole: VecDeque<(PathBuf, u64, u64)>,
    /// Why there is no more of it.
    failed: bool,
}

struct Segment<W: Write> {
    path: PathBuf,
    writer: Writer<W>,
    since_ns: u64,
}

impl<W: Write> Default for Spill<W> {
    fn default() -> Spill<W> {
        Spill {
            segment: None,
            whole: VecDeque::new(),
            failed: false,
        }
    }
}

impl<S: Store> Watcher<S> {
    /// Everything goes into the segment that is open; a full one makes room for the next.
    pub(super) fn spill(&mut self, batch: &Batch, needs: &Tables) {
        if self.spill.failed {
            return;
        }
        let now = host::boot_ns();
        let bounds = self.window.bounds();
        let span = bounds.span.as_nanos() as u64;
        let full = self.spill.segment.as_ref().is_some_and(|segment| {
            now.saturating_sub(segment.since_ns) >= span / 4
                || segment.writer.bytes() >= bounds.bytes as u64 / 4
        });
        if full {
            self.close_segment(now);
        }
        if self.spill.segment.is_none() && !self.open_segment(now) {
            return;
        }
        if let Some(segment) = &mut self.spill.segment
            && let Err(why) = segment.writer.chunk(batch, needs)
        {
            let why = why.to_string();
            self.no_spill(&why);
        }
    }

    pub(super) fn spill_gap(&mut self, gap: &Gap) {
        if let Some(segment) = &mut self.spill.segment {
            // What cannot be written is noticed with the next chunk.
            let _ = segment.writer.gap(gap);
        }
    }

    pub(super) fn spill_state(&mut self, at: BootNs, tables: &Tables) {
        if let Some(segment) = &mut self.spill.segment {
            // As above.
            let _ = segment.writer.state(at, tables);
        }
    }

    fn open_segment(&mut self, now: u64) -> bool {
        self.manifest = host::renewed(&self.manifest);
        let mut manifest = self.manifest.clone();
        manifest.trigger = "spill of the window".to_owned();
        let opened = self.store.segment(&manifest, WriterOptions::default());
        match opened {
            // None is wanted.
            None => self.spill.failed = true,
            Some(Err(why)) => self.no_spill(&why),
            Some(Ok((path, mut writer))) => match writer.state(BootNs(now), self.states.newest()) {
                Ok(()) => {
                    self.spill.segment = Some(Segment {
                        path,
                        writer,
                        since_ns: now,
                    });
                    return true;
                }
                Err(why) => self.no_spill(&why.to_string()),
            },
        }
        false
    }

    /// The watch goes on without.
    fn no_spill(&mut self, why: &str) {
        self.store
            .say(&format!("the window is no longer spilled: {why}"));
        self.spill.failed = true;
        self.spill.segment = None;
    }

    fn close_segment(&mut self, now: u64) {
        let Some(segment) = self.spill.segment.take() else {
            return;
        };
        let (events, bytes) = (segment.writer.events(), segment.writer.bytes());
        let totals = Totals {
            offered: events,
            written: events,
            ..Totals::default()
        };
        if let Err(why) = segment.writer.seal(&totals, self.states.newest()) {
            let why = why.to_string();
            return self.no_spill(&why);
        }
        self.spill.whole.push_back((segment.path, now, bytes));
        let bounds = self.window.bounds();
        let oldest = now.saturating_sub(bounds.span.as_nanos() as u64);
        loop {
            let bytes: u64 = self.spill.whole.iter().map(|whole| whole.2).sum();
            let goes = (self.spill.whole.front())
                .is_some_and(|(_, until, _)| *until < oldest || bytes > bounds.bytes as u64);
            if !goes {
                break;
            }
            if let Some((path, _, _)) = self.spill.whole.pop_front() {
                self.store.forget(&path);
            }
        }
    }

    /// The recorder ends well: what is in memory has been dealt with, so nothing is left behind.
    pub(super) fn end_spill(&mut self) {
        if let Some(segment) = self.spill.segment.take() {
            self.store.forget(&segment.path);
        }
        for (path, _, _) in std::mem::take(&mut self.spill.whole) {
            self.store.forget(&path);
        }
    }
}
