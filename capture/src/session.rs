//! A recording from arming to seal: options, the drain loop, the books.

use crate::artifacts::Kept;
use crate::clock::Clock;
use crate::decode;
use crate::enrich::{Wish, World};
use crate::error::Error;
use crate::hash::{Done, Hasher};
use crate::host;
use crate::intake::{Beside, Intake, Taken, bytes_of, hand_over, unwritable};
use crate::load::Kernel;
use crate::losses::Losses;
use crate::pressure::Ladder;
use crate::ring::Rings;
use crate::runtime::Runtimes;
use crate::segment::{self, Before};
use crate::sink::{self, Sink};
use crate::usage::Usage;
use crate::wire::Sleep;
use afterimage_format::{Arg, Artifact, Batch, Row, Writer, WriterOptions};
use afterimage_model::schema::current_type;
use afterimage_model::{BootNs, Ctx, Event, EventFlags, Gap, Manifest, Schema, Tables};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

mod arming;
mod itself;
mod options;
mod scope;
mod winding;

pub use options::{Limits, Options, Scope, Status, StopReason};

/// How long the loop sleeps between looks at the rings.
const NAP: Duration = Duration::from_millis(5);
/// And at most, when there was little again and again: it is woken by what should not wait, and when a ring fills up.
const LONG_NAP: Duration = Duration::from_millis(50);
/// The same in a watch, where nobody waits for its end.
const WATCHING_NAP: Duration = FLUSH_WATCHED;
/// A watch in which nothing has come for so long is at rest: any record wakes it then, so it may sleep for longer.
const RESTS_AFTER: Duration = Duration::from_secs(2);
const RESTING_NAP: Duration = Duration::from_secs(1);
/// Records in a look that are little.
const LITTLE: u64 = 512;
/// How long what is watched for triggers may be in no chunk.
const FLUSH_WATCHED: Duration = Duration::from_millis(250);
/// How often it is looked at whether the kernel programs still go by the scope that they were given.
const SCOPE_NS: u64 = 1_000_000_000;
/// How often the kernel is asked what it did not run, program by program; and how often while nothing happens.
const MISSED_NS: u64 = 1_000_000_000;
const MISSED_IDLE_NS: u64 = 5 * MISSED_NS;
/// Records younger than this wait for the next look: a CPU may still be writing one with an earlier stamp.
const SETTLE_NS: u64 = 2_000_000;
/// Records taken in one look: how full the rings are is asked again behind them.
const ONE_LOOK: u64 = 16_384;
/// Events held back, and their bytes, while it is open whether their containers are meant.
const MOST_HELD: (usize, usize) = (65_536, 64 << 20);
/// What runtimes told that is taken in between two looks at the rings.
const TOLD_A_LOOK: usize = 512;
/// How often an ended recording takes in what runtimes have told, at most.
const LAST_LISTENS: usize = 64;
/// How long an ended recording waits for container runtimes that still owe an answer.
const LAST_ANSWERS: Duration = Duration::from_millis(1_500);

/// An armed recording.
pub struct Recorder {
    kernel: Kernel,
    rings: Rings,
    world: World,
    runtimes: Runtimes,
    hasher: Hasher,
    beside: Beside,
    /// Records beside the rings: counted as lost, since when, and taken.
    beside_dropped: u64,
    beside_looked_ns: u64,
    beside_taken: u64,
    /// What the kernel had not run, and when that was asked.
    missed: BTreeMap<&'static str, u64>,
    missed_looked_ns: u64,
    /// Records handed over until then.
    missed_handed: u64,
    /// When it was looked last at whether the programs go by the scope that they were given, `CLOCK_BOOTTIME`.
    scope_looked_ns: u64,
    manifest: Manifest,
    options: Options,
    started: Instant,
    first_ns: u64,
    books: Taken,
    told: u64,
    sampled: u64,
    usage: Option<Usage>,
    clock: Option<Clock>,
    /// Events of containers of which it is open whether they are meant, and their bytes.
    held: Vec<Event>,
    held_bytes: usize,
    losses: Losses,
    awaited: Vec<String>,
    batch: Batch,
    format: WriterOptions,
    ladder: Ladder,
    /// Files that are kept, and those on their way into the capture.
    kept: Kept,
    artifacts: Vec<Artifact>,
    /// What earlier files of this recording account for, and what is missing between them and this one.
    before: Before,
    between: Option<Gap>,
    /// Time after which what is in no chunk yet becomes one: the most that a crash may take.
    flush_every: Duration,
    /// Time between two states of everything.
    keyframe_every: Duration,
    status: Option<Box<dyn FnMut(Status) + Send>>,
}

impl Recorder {
    /// What the capture says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What is known so far of processes, files and containers.
    pub fn tables(&self) -> &Tables {
        &self.world.tables
    }

    /// Names of [`Scope::Containers`] that no container has now: they are recorded when they come.
    pub fn awaited(&self) -> &[String] {
        &self.awaited
    }

    /// Adds a process and its descendants to come to a [`Scope::PidTree`].
    pub fn add_pid_tree(&mut self, pid: u32) -> Result<(), Error> {
        self.world.root(pid);
        self.kernel.scope_pid(pid)?;
        self.rings.scope_changed();
        Ok(())
    }

    /// Has `each` called now and then with how far the recording is.
    pub fn on_status(&mut self, each: impl FnMut(Status) + Send + 'static) {
        self.status = Some(Box::new(each));
    }

    /// Acts on what the world wishes.
    fn grant(&mut self) -> Result<(), Error> {
        let mut scope_changed = false;
        for wish in std::mem::take(&mut self.world.wishes) {
            match wish {
                Wish::Scope(id, keep) => {
                    self.kernel.scope_cgroup(id, keep, host::boot_ns())?;
                    scope_changed = true;
                }
                Wish::Forget(id) => self.kernel.forget_cgroup(id),
                Wish::Ask(question) => self.runtimes.ask(question),
                Wish::Hash(job) => self.hasher.ask(job),
            }
        }
        if scope_changed {
            self.rings.scope_changed();
        }
        for done in self.hasher.answers() {
            self.hashed(done);
        }
        for (id, json) in self.runtimes.inspections() {
            if self.world.wants_container(&id) {
                let kept = self.kept.inspection(&self.options.keep, id, json);
                self.artifacts.extend(kept);
            }
        }
        for answer in self.runtimes.answers() {
            self.world.answered(answer);
        }
        self.world.sockets_told(false);
        if let Some(usage) = &self.usage
            && let Some(containers) = self.world.measured()
        {
            usage.look_at(containers);
        }
        Ok(())
    }

    /// Takes a hash in, and the program where it is kept.
    fn hashed(&mut self, done: Done) {
        self.world.hashed(&done);
        if let Some(program) = done.program {
            let kept = self.kept.program(&self.options.keep, program, done.hash);
            self.artifacts.extend(kept);
        }
    }

    /// Whether the user's filter keeps an event.
    fn keeps(&self, event: &Event) -> bool {
        self.options.filter.as_ref().is_none_or(|filter| {
            filter.matches(&Ctx {
                manifest: &self.manifest,
                schema: Schema::current(),
                tables: &self.world.tables,
                event,
                num: self.books.written + 1,
                first_ns: self.first_ns,
                previous_ns: event.time.0,
            })
        })
    }

    /// Takes in what runtimes told and what was measured. It is heard of after it happened, and put where it belongs.
    /// Gives whether there was anything.
    fn listen(&mut self, sink: &mut impl Sink) -> Result<bool, Error> {
        let mut heard = false;
        for told in self.runtimes.told(TOLD_A_LOOK) {
            heard = true;
            if let Some(event) = self.world.told(&told) {
                self.beside(sink, event)?;
            }
        }
        for step in self.clock.iter().flat_map(Clock::steps) {
            sink.gap(step.gap())?;
        }
        let samples = self.usage.as_ref().map(Usage::samples);
        for sample in samples.into_iter().flatten() {
            if let Some(event) = self.world.sampled(sample) {
                self.beside(sink, event)?;
            }
        }
        if self.held.len() >= MOST_HELD.0 || self.held_bytes >= MOST_HELD.1 {
            self.world.judge_all();
        }
        if std::mem::take(&mut self.world.judged) {
            self.release(sink)?;
        }
        Ok(heard)
    }

    /// Writes an event that the kernel programs did not offer, or holds it back.
    fn beside(&mut self, sink: &mut impl Sink, event: Event) -> Result<(), Error> {
        if self.world.is_pending(event.proc) {
            self.held_bytes += bytes_of(&event);
            self.held.push(event);
            return Ok(());
        }
        if !self.keeps(&event) {
            return Ok(());
        }
        let sample = current_type("container_usage") == Some(event.ty);
        self.place(sink, &event)?;
        match sample {
            true => self.sampled += 1,
            false => self.told += 1,
        }
        Ok(())
    }

    /// Writes what was held back and is meant, and counts what is not.
    fn release(&mut self, sink: &mut impl Sink) -> Result<(), Error> {
        self.held_bytes = 0;
        for event in std::mem::take(&mut self.held) {
            if self.world.is_pending(event.proc) {
                self.held_bytes += bytes_of(&event);
                self.held.push(event);
                continue;
            }
            let meant = self.world.wants_of(event.proc);
            if event.flags.has(EventFlags::TOLD) {
                if meant {
                    self.beside(sink, event)?;
                }
                continue;
            }
            let most = self.options.limits.events;
            if meant && most.is_none_or(|most| self.books.written < most) && self.keeps(&event) {
                self.place(sink, &event)?;
                self.books.written += 1;
            } else {
                self.books.filtered += 1;
            }
        }
        Ok(())
    }

    /// Puts an event at its place in time; a full batch goes on its way first.
    fn place(&mut self, sink: &mut impl Sink, event: &Event) -> Result<(), Error> {
        let args: Vec<Arg<'_>> = event.args.iter().map(Arg::from).collect();
        let row = Row::from(event);
        if self.format.is_full(&self.batch, &row, &args) {
            self.flush(sink)?;
        }
        let placed = self.batch.place(row, &args, &self.world.tables);
        placed.map_err(unwritable)
    }

    /// What records pass on their way into the batch, and where they come from.
    fn way_in(&mut self, until_ns: u64) -> (Intake<'_>, &mut Rings, &mut Beside) {
        let left = (self.options.limits.events).map(|most| most.saturating_sub(self.books.written));
        let intake = Intake {
            world: &mut self.world,
            batch: &mut self.batch,
            format: &self.format,
            filter: self.options.filter.as_ref(),
            manifest: &self.manifest,
            left,
            until_ns,
            first_ns: &mut self.first_ns,
            books: &mut self.books,
            held: &mut self.held,
            held_bytes: &mut self.held_bytes,
            losses: &mut self.losses,
        };
        (intake, &mut self.rings, &mut self.beside)
    }

    /// Takes everything stamped before `until_ns` out of the rings and hands it on.
    fn drain(&mut self, sink: &mut impl Sink, until_ns: u64) -> Result<u64, Error> {
        let full = self.rings.refresh();
        if let Some(step) = self.ladder.look(full, host::boot_ns()) {
            self.rings.press(step.pressure);
            if let Some(gap) = step.ended {
                sink.gap(gap)?;
            }
        }
        while let Some(bytes) = self.kernel.side_record() {
            let time_ns = decode::beside(&bytes).map_or(0, |(_, front, _)| front.time_ns);
            self.beside
                .push(Reverse((time_ns, self.beside_taken, bytes)));
            self.beside_taken += 1;
        }
        let (mut intake, rings, beside) = self.way_in(until_ns);
        let handed = rings.drain(until_ns, ONE_LOOK, |item| intake.take(item, beside, sink))?;
        if handed < ONE_LOOK {
            // Nothing that came before is left in the rings.
            intake.beside(beside, until_ns, sink)?;
        }
        Ok(handed)
    }

    /// Closes the chunk, so that its events are on their way into the file, behind what is missing between them.
    fn flush(&mut self, sink: &mut impl Sink) -> Result<(), Error> {
        let mut lost = self.losses.rest();
        lost.try_for_each(|lost| lost.tell(&mut self.world, sink))?;
        drop(lost);
        hand_over(&mut self.batch, &self.world.tables, sink)
    }

    /// Records until `stop` is set or a limit is reached. A thread of its own encodes and writes meanwhile.
    pub fn run<W: Write + Send>(
        &mut self,
        writer: &mut Writer<W>,
        stop: &AtomicBool,
    ) -> Result<StopReason, Error> {
        let opening = self.world.opening();
        writer.state(BootNs(self.manifest.clock.boot_ns), &opening)?;
        drop(opening);
        if let Some(gap) = self.between.take() {
            writer.gap(&gap)?;
        }
        self.format = writer.options().clone();
        let bytes = AtomicU64::new(writer.bytes());
        let full = AtomicBool::new(false);
        let (mut sink, encoder) = sink::pair();
        std::thread::scope(|scope| {
            let encoding = std::thread::Builder::new()
                .name("encoder".to_owned())
                .spawn_scoped(scope, || {
                    let written = encoder.run(writer, &bytes, &full);
                    // Nothing more is taken in either case; where it has failed, why is what it returns.
                    full.store(true, Ordering::Relaxed);
                    written
                })
                .map_err(|why| Error::System(PathBuf::from("a thread"), why))?;
            let reason = self
                .record(&mut sink, (&bytes, &full), stop)
                .and_then(|reason| self.flush(&mut sink).map(|()| reason));
            drop(sink);
            let written = encoding
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            // Why the thread stopped says more than that it did.
            written.and(reason)
        })
    }

    /// Has what is recorded from here on go into another file, because the one that held so many events has failed: its
    /// manifest and its books are its own. What was on its way is lost; the new file says so.
    pub fn next_file(&mut self, held: u64, why: &str) {
        self.batch = Batch::new(Schema::current());
        self.artifacts.clear();
        let taken = self.books.written + self.told + self.sampled;
        let earlier = self.before.written + self.before.told + self.before.sampled;
        let lost = taken.saturating_sub(earlier).saturating_sub(held);
        self.between = Some(segment::gap(BootNs(self.manifest.clock.boot_ns), lost, why));
        self.before = Before {
            written: self.books.written,
            filtered: self.books.filtered,
            told: self.told,
            sampled: self.sampled,
            lost: self.before.lost + lost,
        };
        self.manifest = segment::next(&self.manifest, why);
    }

    fn record(
        &mut self,
        sink: &mut impl Sink,
        (bytes, full): (&AtomicU64, &AtomicBool),
        stop: &AtomicBool,
    ) -> Result<StopReason, Error> {
        let mut flushed = Instant::now();
        let mut told = Instant::now();
        let (mut keyframe, mut counted) = (Instant::now(), 0);
        let mut itself = itself::Itself::default();
        let watched = self.flush_every == FLUSH_WATCHED;
        let (mut nap, mut came) = (NAP, Instant::now());
        loop {
            let until_ns = host::boot_ns().saturating_sub(SETTLE_NS);
            let handed = self.drain(sink, until_ns)?;
            if watched {
                let spared = self.rings.books().spared_self;
                if let Some(mut gap) = itself.look(host::boot_ns(), spared) {
                    itself::Itself::name_stopper(&mut gap, self.kernel.self_signal());
                    sink.gap(gap)?;
                }
            }
            self.grant()?;
            let heard = self.listen(sink)?;
            if flushed.elapsed() >= self.flush_every {
                if handed < ONE_LOOK {
                    self.standing(sink, host::boot_ns(), false)?;
                }
                self.flush(sink)?;
                self.late_hashes(sink)?;
                self.hand_over_artifacts(sink)?;
                self.side_gap(sink, host::boot_ns(), false)?;
                let now_ns = host::boot_ns();
                let due = match self.missed_handed == self.books.handed {
                    true => MISSED_IDLE_NS,
                    false => MISSED_NS,
                };
                if now_ns.saturating_sub(self.missed_looked_ns) >= due {
                    self.missed_gap(sink, now_ns)?;
                }
                self.altered_gap(sink, now_ns)?;
                self.world.trim(&self.held);
                // Of a full look it is not known how much more there is.
                if watched && handed < ONE_LOOK {
                    sink.reached(BootNs(until_ns))?;
                }
                flushed = Instant::now();
            }
            // What is known is that of an instant when nothing older waits in the rings; that may take a while.
            let due = keyframe.elapsed();
            if due >= self.keyframe_every && (handed < ONE_LOOK || due >= 2 * self.keyframe_every) {
                let count = self.books.written + self.told + self.sampled;
                if std::mem::replace(&mut counted, count) != count {
                    self.flush(sink)?;
                    sink.keyframe(BootNs(until_ns), self.world.keyframe())?;
                }
                keyframe = Instant::now();
            }
            let written_bytes = bytes.load(Ordering::Relaxed);
            if told.elapsed() >= Duration::from_millis(200)
                && let Some(tell) = &mut self.status
            {
                told = Instant::now();
                let books = self.rings.books();
                tell(Status {
                    written: self.books.written,
                    dropped: books.dropped + books.counted,
                    bytes: written_bytes,
                });
            }
            let limits = &self.options.limits;
            if stop.load(Ordering::Relaxed) {
                if let Some(gap) = itself.end(host::boot_ns()) {
                    sink.gap(gap)?;
                }
                return Ok(StopReason::Asked);
            }
            if full.load(Ordering::Relaxed) {
                return Ok(StopReason::Full);
            }
            if limits
                .duration
                .is_some_and(|most| self.started.elapsed() >= most)
            {
                return Ok(StopReason::Duration);
            }
            if limits.bytes.is_some_and(|most| written_bytes >= most) {
                return Ok(StopReason::Bytes);
            }
            if limits.events.is_some_and(|most| self.books.written >= most) {
                return Ok(StopReason::Events);
            }
            // A full look was handed over: there is more, so no nap.
            if handed < ONE_LOOK {
                if handed > 0 || heard {
                    came = Instant::now();
                }
                let (how, most) = match (watched, watched && came.elapsed() >= RESTS_AFTER) {
                    (_, true) => (Sleep::AT_REST, RESTING_NAP),
                    (true, _) => (Sleep::NAPS, WATCHING_NAP),
                    (false, _) => (Sleep::NAPS, LONG_NAP),
                };
                nap = match handed <= LITTLE && !heard {
                    true => (2 * nap).clamp(NAP, most),
                    false => NAP,
                };
                if nap > NAP {
                    self.rings.sleep(how);
                    // What came before they knew, or is too young to be taken yet, wakes nobody.
                    let wakes = how == Sleep::AT_REST && !self.rings.are_empty();
                    if wakes || self.kernel.wait(nap) {
                        (nap, came) = (Duration::ZERO, Instant::now());
                    }
                    self.rings.sleep(Sleep::AWAKE);
                } else {
                    std::thread::sleep(nap);
                }
            }
        }
    }

    /// Hands over the files that are kept.
    fn hand_over_artifacts(&mut self, sink: &mut impl Sink) -> Result<(), Error> {
        self.artifacts
            .drain(..)
            .try_for_each(|artifact| sink.artifact(artifact))
    }

    /// Writes rows again whose hash came after they were written.
    fn late_hashes(&mut self, sink: &mut impl Sink) -> Result<(), Error> {
        let late = self.world.late();
        if !late.procs.is_empty() {
            sink.state(BootNs(host::boot_ns()), late)?;
        }
        Ok(())
    }
}
