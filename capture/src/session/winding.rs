//! The end of a recording: what is left in the rings, what is known to be lost, the books, the seal. A watched one ends the
//! same way, without a file.

use super::{FLUSH_WATCHED, LAST_ANSWERS, LAST_LISTENS, ONE_LOOK, Recorder, SCOPE_NS};
use crate::error::Error;
use crate::host;
use crate::sink::{self, Sink};
use crate::watch::{Store, Watcher};
use crate::wire::WAITING_MAX;
use afterimage_format::{Note, Writer};
use afterimage_model::{BootNs, Gap, GapCause, Totals};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};

impl Recorder {
    /// Keeps the past in a window, on a thread of its own, until `stop` is set; what happens then is the watcher's affair.
    pub fn watch<S: Store>(
        mut self,
        mut watcher: Watcher<S>,
        stop: &AtomicBool,
    ) -> Result<Totals, Error> {
        self.flush_every = FLUSH_WATCHED;
        self.keyframe_every = watcher.state_every().min(self.keyframe_every);
        self.format = watcher.options();
        let opening = self.world.opening();
        let (mut sink, encoder) = sink::pair();
        std::thread::scope(|scope| {
            let watching = std::thread::Builder::new()
                .name("watcher".to_owned())
                .spawn_scoped(scope, move || watcher.run(&encoder))
                .map_err(|why| Error::System(PathBuf::from("a thread"), why))?;
            let totals = sink
                .state(BootNs(self.manifest.clock.boot_ns), opening)
                .and_then(|()| {
                    self.record(
                        &mut sink,
                        (&AtomicU64::new(0), &AtomicBool::new(false)),
                        stop,
                    )
                })
                .and_then(|_| self.wind_up(&mut sink));
            drop(sink);
            let watched = watching
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            watched.and(totals)
        })
    }

    /// Says what CPUs have lost that have recorded nothing since.
    pub(super) fn standing(
        &mut self,
        sink: &mut impl Sink,
        now_ns: u64,
        ended: bool,
    ) -> Result<(), Error> {
        for loss in self.rings.standing_losses(now_ns, ended) {
            if !ended {
                self.world.lost();
            }
            if let Some(lost) = self.losses.take(loss, now_ns) {
                lost.tell(&mut self.world, sink)?;
            }
        }
        Ok(())
    }

    /// Says of records lost beside the rings that they are.
    pub(super) fn side_gap(
        &mut self,
        sink: &mut impl Sink,
        end_ns: u64,
        ended: bool,
    ) -> Result<(), Error> {
        let side = self.kernel.side_books()?;
        // What is neither taken nor counted as lost is on its way, until nothing is any more.
        let missing = if ended {
            side.offered
                .saturating_sub(side.dropped + self.beside_taken)
        } else {
            0
        };
        let dropped = side.dropped + missing;
        let count = dropped.saturating_sub(self.beside_dropped);
        if count > 0 {
            sink.gap(Gap {
                cause: GapCause::RingFull,
                start: BootNs(self.beside_looked_ns),
                end: BootNs(end_ns),
                cpu: None,
                count: Some(count),
                first_seq: None,
                detail: "signals or changes of sockets, which have a buffer of their own"
                    .to_owned(),
            })?;
        }
        (self.beside_dropped, self.beside_looked_ns) = (dropped, end_ns);
        Ok(())
    }

    /// Says what the kernel has not run since it was last asked.
    pub(super) fn missed_gap(&mut self, sink: &mut impl Sink, end_ns: u64) -> Result<(), Error> {
        let missed = self.kernel.missed();
        let more: Vec<String> = (missed.iter())
            .map(|(name, count)| {
                (
                    name,
                    count.saturating_sub(*self.missed.get(name).unwrap_or(&0)),
                )
            })
            .filter(|(_, more)| *more > 0)
            .map(|(name, more)| format!("{name} {more} times"))
            .collect();
        if !more.is_empty() {
            sink.gap(Gap {
                cause: GapCause::Blind,
                start: BootNs(self.missed_looked_ns),
                end: BootNs(end_ns),
                cpu: None,
                count: None,
                first_seq: None,
                detail: format!(
                    "the kernel did not run {}, in scope or not, because another such run was under way on that CPU",
                    more.join(", ")
                ),
            })?;
        }
        (self.missed, self.missed_looked_ns) = (missed, end_ns);
        self.missed_handed = self.books.handed;
        Ok(())
    }

    /// Says which control groups were left out, or taken in, because somebody changed what the kernel programs are told.
    pub(super) fn altered_gap(&mut self, sink: &mut impl Sink, now_ns: u64) -> Result<(), Error> {
        if now_ns.saturating_sub(self.scope_looked_ns) < SCOPE_NS {
            return Ok(());
        }
        self.scope_looked_ns = now_ns;
        let altered = self.kernel.altered(now_ns)?;
        for one in &altered {
            let group = self.world.group_path(one.id);
            let group = group.map_or_else(|| format!("number {}", one.id), str::to_owned);
            let found = match one.found {
                Some(true) => "recorded",
                Some(false) => "not recorded",
                None => "not known",
            };
            sink.gap(Gap {
                cause: GapCause::Blind,
                start: BootNs(one.right_ns),
                end: BootNs(now_ns),
                cpu: None,
                count: None,
                first_seq: None,
                detail: format!(
                    "somebody else changed whom the kernel programs record: control group {group} was {found}; it is {} again",
                    if one.keep { "recorded" } else { "not recorded" }
                ),
            })?;
        }
        if !altered.is_empty() {
            self.rings.scope_changed();
        }
        Ok(())
    }

    /// Detaches, takes what is left in the rings, looks at what is still going on, waits shortly for names still missing,
    /// and seals the file.
    pub fn finish<W: Write>(mut self, mut writer: Writer<W>) -> Result<(W, Totals), Error> {
        let mut totals = self.wind_up(&mut writer)?;
        if self.kept.left_out() > 0 {
            writer.note(&Note {
                author: concat!("afterimage ", env!("CARGO_PKG_VERSION")).to_owned(),
                text: format!(
                    "{} files were not kept: larger than {} bytes, or beyond {} bytes or {} files in all",
                    self.kept.left_out(),
                    self.options.keep.each,
                    self.options.keep.bytes,
                    self.options.keep.files
                ),
                ..Note::default()
            })?;
        }
        writer.checkpoint(host::clock_pair())?;
        // What a full disk did not take was counted as written when it was handed over.
        let refused = writer.refused().unwrap_or(0);
        let of_kernel = refused.min(totals.written);
        totals.written -= of_kernel;
        totals.dropped += of_kernel;
        totals.told = totals.told.saturating_sub(refused - of_kernel);
        let out = writer.seal(&totals, &self.world.tables)?;
        Ok((out, totals))
    }

    /// As [`Recorder::finish`], for what is no file.
    pub(crate) fn wind_up(&mut self, sink: &mut impl Sink) -> Result<Totals, Error> {
        self.missed_gap(sink, host::boot_ns())?;
        self.kernel.detach();
        host::quiesce();
        let end_ns = host::boot_ns();
        while self.drain(sink, u64::MAX)? == ONE_LOOK {}
        self.grant()?;
        if let Some(gap) = self.ladder.end(end_ns) {
            sink.gap(gap)?;
        }
        self.standing(sink, end_ns, true)?;
        let mut lost = self.losses.rest();
        lost.try_for_each(|lost| lost.tell(&mut self.world, sink))?;
        drop(lost);
        self.side_gap(sink, end_ns, true)?;
        let books = self.rings.books();
        if books.nested > 0 {
            let gap = Gap {
                cause: GapCause::RingFull,
                start: BootNs(self.manifest.clock.boot_ns),
                end: BootNs(end_ns),
                cpu: None,
                count: Some(books.nested),
                first_seq: None,
                detail: "refused because another record was being written on the same CPU"
                    .to_owned(),
            };
            sink.gap(gap)?;
        }
        if books.untimed > 0 {
            sink.gap(Gap {
                cause: GapCause::Degraded,
                start: BootNs(self.manifest.clock.boot_ns),
                end: BootNs(end_ns),
                cpu: None,
                count: None,
                first_seq: None,
                detail: format!(
                    "{} calls that waited were not timed: more than {WAITING_MAX} threads waited",
                    books.untimed
                ),
            })?;
        }
        let (mut intake, _, _) = self.way_in(end_ns);
        intake.end(sink)?;
        for answer in self.runtimes.wait(LAST_ANSWERS) {
            self.world.answered(answer);
        }
        // All that was told until now, but not for ever.
        for _ in 0..LAST_LISTENS {
            if !self.listen(sink)? {
                break;
            }
        }
        for done in self.hasher.wait(LAST_ANSWERS) {
            self.hashed(done);
        }
        // Who is meant was not said in time.
        self.world.judge_all();
        self.release(sink)?;
        let side = self.kernel.side_books()?;
        let taken = self.books;
        // A record that only continues another is no event; a call found in flight is one without a record.
        let offered =
            (books.offered + books.nested + side.offered + taken.found).saturating_sub(taken.parts);
        let dropped =
            books.dropped + books.counted + books.nested + self.beside_dropped + taken.undecodable;
        self.flush(sink)?;
        self.hand_over_artifacts(sink)?;
        sink.state(BootNs(end_ns), self.world.kept())?;
        Ok(self.before.apart(Totals {
            offered,
            written: taken.written,
            dropped,
            filtered: taken.filtered,
            unsealed: taken.unsealed(),
            spared_self: books.spared_self,
            spared_scope: books.spared_scope,
            told: self.told,
            sampled: self.sampled,
        }))
    }
}
