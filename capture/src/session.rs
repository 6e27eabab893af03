//! A recording from arming to seal: options, the drain loop, the books.

use crate::cgroup;
use crate::decode::decode;
use crate::enrich::{Outcome, Wanted, Wish, World};
use crate::error::Error;
use crate::hash::Hasher;
use crate::host;
use crate::load::{Kernel, Settings};
use crate::pressure::Ladder;
use crate::ring::{Item, Loss, Missed, Rings};
use crate::runtime::{Runtimes, running};
use crate::wire::{Context, RecordHead, ScopeMode};
use afterimage_format::Writer;
use afterimage_model::{
    BootNs, Class, Ctx, Event, Gap, GapCause, Manifest, Schema, Tables, Totals,
};
use afterimage_query::Filter;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What is recorded.
#[derive(Clone, Debug, Default)]
pub enum Scope {
    /// Every container, also those that come later.
    #[default]
    AllContainers,
    /// Everything on the host.
    Host,
    /// Running containers by name, id or id prefix.
    Containers(Vec<String>),
    /// A control group by its folder or its path from the mount point, as one container.
    Cgroup(PathBuf),
    /// Processes and all their descendants.
    PidTree(Vec<u32>),
}

/// When a recording ends by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// After this long.
    pub duration: Option<Duration>,
    /// When the file has this many bytes.
    pub bytes: Option<u64>,
    /// After this many events.
    pub events: Option<u64>,
}

/// How to record.
#[derive(Clone, Debug)]
pub struct Options {
    /// What.
    pub scope: Scope,
    /// Only events that match.
    pub filter: Option<Filter>,
    /// The filter as the user gave it.
    pub filter_text: String,
    /// Bytes kept of a payload, at most 4096.
    pub snaplen: u32,
    /// Bytes of each CPU's ring; rounded up to a power of two of 64 KiB segments.
    pub ring_bytes: usize,
    /// When to end.
    pub limits: Limits,
    /// Who records.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// Case id.
    pub case_id: String,
    /// The command line.
    pub command: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            scope: Scope::default(),
            filter: None,
            filter_text: String::new(),
            snaplen: 256,
            ring_bytes: 16 << 20,
            limits: Limits::default(),
            operator: String::new(),
            reason: String::new(),
            case_id: String::new(),
            command: Vec::new(),
        }
    }
}

/// Why [`Recorder::run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The stop flag was set.
    Asked,
    /// The duration was over.
    Duration,
    /// The file had grown to its limit.
    Bytes,
    /// The events had reached their limit.
    Events,
}

/// How far a recording has got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// Events written.
    pub written: u64,
    /// Events dropped so far.
    pub dropped: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// How long the loop sleeps between looks at the rings.
const NAP: Duration = Duration::from_millis(5);
/// Records younger than this wait for the next look: a CPU may still be writing one with an earlier stamp.
const SETTLE_NS: u64 = 2_000_000;
/// How many milliseconds an ended recording waits for records that were begun before its end.
const LAST_RECORDS: u32 = 50;
/// How long an ended recording waits for container runtimes that still owe an answer.
const LAST_ANSWERS: Duration = Duration::from_millis(1_500);

/// An armed recording.
pub struct Recorder {
    kernel: Kernel,
    rings: Rings,
    world: World,
    runtimes: Runtimes,
    hasher: Hasher,
    /// Records that came beside the rings, the earliest first.
    beside: BinaryHeap<Reverse<(u64, Vec<u8>)>>,
    /// Of those, how many were lost when last asked, and when that was.
    beside_dropped: u64,
    beside_looked_ns: u64,
    /// Records taken from beside the rings.
    beside_taken: u64,
    manifest: Manifest,
    options: Options,
    started: Instant,
    intake: IntakeBooks,
    ladder: Ladder,
    status: Option<Box<dyn FnMut(Status) + Send>>,
}

impl Recorder {
    /// Loads and attaches the kernel programs and looks at what is there. When it returns, events are being recorded into
    /// the rings; nothing has been written anywhere.
    pub fn arm(options: Options) -> Result<Recorder, Error> {
        host::check_rights()?;
        let (wanted, scope_mode, scope_unknown) = match &options.scope {
            Scope::Host => (Wanted::All, ScopeMode::HOST, 1),
            Scope::PidTree(pids) => (
                Wanted::Tree(pids.iter().copied().collect()),
                ScopeMode::TREE,
                0,
            ),
            Scope::AllContainers => (Wanted::Containers, ScopeMode::CGROUPS, 1),
            Scope::Containers(names) => (Wanted::Ids(resolve(names)?), ScopeMode::CGROUPS, 0),
            Scope::Cgroup(path) => (Wanted::Group(group_path(path)?), ScopeMode::CGROUPS, 0),
        };
        let settings = Settings {
            self_tgid: std::process::id(),
            scope_mode,
            scope_unknown,
            snaplen: options.snaplen.min(crate::wire::PATH_MAX),
            ring_bytes: options.ring_bytes,
            cpus: host::possible_cpus(),
        };
        let (mut kernel, rings) = Kernel::load(&settings)?;
        if let Scope::PidTree(pids) = &options.scope {
            for pid in pids {
                kernel.scope_pid(*pid)?;
            }
        }
        let mut manifest = host::manifest(&options, &settings);
        kernel.attach()?;
        let mut world = World::new(wanted);
        world.snapshot(manifest.clock.boot_ns);
        manifest.coverage = kernel.coverage.clone();
        manifest.not_covered = kernel.not_covered.clone();
        let mut recorder = Recorder {
            kernel,
            rings,
            world,
            runtimes: Runtimes::start(),
            hasher: Hasher::start(),
            beside: BinaryHeap::new(),
            beside_dropped: 0,
            beside_looked_ns: host::boot_ns(),
            beside_taken: 0,
            manifest,
            options,
            started: Instant::now(),
            intake: IntakeBooks::default(),
            ladder: Ladder::default(),
            status: None,
        };
        recorder.grant()?;
        Ok(recorder)
    }

    /// What the capture says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What is known so far of processes, files and containers.
    pub fn tables(&self) -> &Tables {
        &self.world.tables
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
                    self.kernel.scope_cgroup(id, keep)?;
                    scope_changed = true;
                }
                Wish::Forget(id) => self.kernel.forget_cgroup(id),
                Wish::Ask(id) => self.runtimes.ask(&id),
                Wish::Hash(job) => self.hasher.ask(job),
            }
        }
        if scope_changed {
            self.rings.scope_changed();
        }
        for done in self.hasher.answers() {
            self.world.hashed(done);
        }
        for answer in self.runtimes.answers() {
            self.world.answered(answer);
        }
        Ok(())
    }

    /// Takes everything stamped before `until_ns` out of the rings and into the file.
    fn drain<W: Write>(&mut self, writer: &mut Writer<W>, until_ns: u64) -> Result<u64, Error> {
        let full = self.rings.refresh();
        if let Some(step) = self.ladder.look(full, host::boot_ns()) {
            self.rings.press(step.pressure);
            if let Some(gap) = step.ended {
                writer.gap(&gap)?;
            }
        }
        while let Some(bytes) = self.kernel.side_record() {
            let front = bytes.get(Context::BYTES..).and_then(RecordHead::read);
            let time_ns = front.map_or(0, |front| front.time_ns);
            self.beside.push(Reverse((time_ns, bytes)));
            self.beside_taken += 1;
        }
        let left = self.options.limits.events;
        let mut intake = Intake {
            world: &mut self.world,
            books: &mut self.intake,
            filter: &self.options.filter,
            manifest: &self.manifest,
            most: left.unwrap_or(u64::MAX),
            writer,
            until_ns,
        };
        let beside = &mut self.beside;
        let handed = self.rings.drain(until_ns, |item| -> Result<(), Error> {
            match item {
                Item::Loss(loss) => intake.lost(&loss),
                Item::Record {
                    cpu,
                    seq,
                    context,
                    bytes,
                } => {
                    if !beside.is_empty() {
                        let time_ns = RecordHead::read(bytes).map_or(0, |head| head.time_ns);
                        intake.beside(beside, time_ns)?;
                    }
                    intake.record(cpu, bytes, context, seq)
                }
            }
        })?;
        intake.beside(beside, until_ns)?;
        Ok(handed)
    }

    /// Records until `stop` is set or a limit is reached.
    pub fn run<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        stop: &AtomicBool,
    ) -> Result<StopReason, Error> {
        let opening = self.world.opening();
        writer.state(BootNs(self.manifest.clock.boot_ns), &opening)?;
        let mut flushed = Instant::now();
        let mut told = Instant::now();
        loop {
            let handed = self.drain(writer, host::boot_ns().saturating_sub(SETTLE_NS))?;
            self.grant()?;
            if flushed.elapsed() >= Duration::from_secs(1) {
                // A second is the most that a crash may take.
                writer.flush(&self.world.tables)?;
                self.late_hashes(writer)?;
                self.side_gap(writer, host::boot_ns(), false)?;
                self.world.trim();
                flushed = Instant::now();
            }
            if told.elapsed() >= Duration::from_millis(200)
                && let Some(tell) = &mut self.status
            {
                told = Instant::now();
                tell(Status {
                    written: self.intake.written,
                    dropped: {
                        let books = self.rings.books();
                        books.dropped + books.counted
                    },
                    bytes: writer.bytes(),
                });
            }
            let limits = &self.options.limits;
            if stop.load(Ordering::Relaxed) {
                return Ok(StopReason::Asked);
            }
            if limits
                .duration
                .is_some_and(|most| self.started.elapsed() >= most)
            {
                return Ok(StopReason::Duration);
            }
            if limits.bytes.is_some_and(|most| writer.bytes() >= most) {
                return Ok(StopReason::Bytes);
            }
            if limits
                .events
                .is_some_and(|most| self.intake.written >= most)
            {
                return Ok(StopReason::Events);
            }
            // A full look was handed over: there is more, so no nap.
            if handed < 10_000 {
                std::thread::sleep(NAP);
            }
        }
    }

    /// Writes rows again whose hash came after they were written.
    fn late_hashes<W: Write>(&mut self, writer: &mut Writer<W>) -> Result<(), Error> {
        let late = self.world.late();
        if !late.procs.is_empty() {
            writer.state(BootNs(host::boot_ns()), &late)?;
        }
        Ok(())
    }

    /// Says of records lost beside the rings that they are.
    fn side_gap<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
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
            let gap = Gap {
                cause: GapCause::RingFull,
                start: BootNs(self.beside_looked_ns),
                end: BootNs(end_ns),
                cpu: None,
                count: Some(count),
                first_seq: None,
                detail: "signals or changes of sockets, which have a buffer of their own"
                    .to_owned(),
            };
            writer.gap(&gap)?;
        }
        (self.beside_dropped, self.beside_looked_ns) = (dropped, end_ns);
        Ok(())
    }

    /// Detaches, takes what is left in the rings, looks at what is still going on, waits shortly for names still missing,
    /// and seals the file.
    pub fn finish<W: Write>(mut self, mut writer: Writer<W>) -> Result<(W, Totals), Error> {
        self.kernel.detach();
        let end_ns = host::boot_ns();
        self.drain(&mut writer, u64::MAX)?;
        // A program that was detached may still be running on another CPU: what it has begun to hand over is waited for.
        for _ in 0..LAST_RECORDS {
            let side = self.kernel.side_books()?;
            if self.beside_taken + side.dropped >= side.offered {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            self.drain(&mut writer, u64::MAX)?;
        }
        self.grant()?;
        if let Some(gap) = self.ladder.end(end_ns) {
            writer.gap(&gap)?;
        }
        for loss in self.rings.tail_losses() {
            writer.gap(&ring_gap(&loss, end_ns))?;
        }
        self.side_gap(&mut writer, end_ns, true)?;
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
            writer.gap(&gap)?;
        }
        let most = self.options.limits.events.unwrap_or(u64::MAX);
        let mut intake = Intake {
            world: &mut self.world,
            books: &mut self.intake,
            filter: &self.options.filter,
            manifest: &self.manifest,
            most,
            writer: &mut writer,
            until_ns: end_ns,
        };
        intake.end()?;
        for answer in self.runtimes.wait(LAST_ANSWERS) {
            self.world.answered(answer);
        }
        for done in self.hasher.wait(LAST_ANSWERS) {
            self.world.hashed(done);
        }
        let side = self.kernel.side_books()?;
        let mine = self.intake;
        // A record that only continues another is no event; a call found in flight is one without a record.
        let offered =
            (books.offered + books.nested + side.offered + mine.found).saturating_sub(mine.parts);
        let dropped =
            books.dropped + books.counted + books.nested + self.beside_dropped + mine.undecodable;
        let totals = Totals {
            offered,
            written: mine.written,
            dropped,
            filtered: mine.filtered,
            unsealed: (mine.handed + mine.found)
                .saturating_sub(mine.written + mine.filtered + mine.undecodable + mine.parts),
            spared_self: books.spared_self,
            spared_scope: books.spared_scope,
        };
        writer.flush(&self.world.tables)?;
        writer.state(BootNs(end_ns), &self.world.kept())?;
        let out = writer.seal(&totals, &self.world.tables)?;
        Ok((out, totals))
    }
}

/// What became of the records that were handed over.
#[derive(Clone, Copy, Debug, Default)]
struct IntakeBooks {
    /// Records out of the rings and from beside them.
    handed: u64,
    /// Events without a record: calls found in flight.
    found: u64,
    /// Events in the file.
    written: u64,
    /// Events out of scope, or not wanted by the filter.
    filtered: u64,
    /// Records that are none.
    undecodable: u64,
    /// Records that belong to the event of another.
    parts: u64,
    /// Instant of the first event.
    first_ns: u64,
}

/// The way of records into the file.
struct Intake<'a, W: Write> {
    world: &'a mut World,
    books: &'a mut IntakeBooks,
    filter: &'a Option<Filter>,
    manifest: &'a Manifest,
    /// Most events.
    most: u64,
    writer: &'a mut Writer<W>,
    until_ns: u64,
}

impl<W: Write> Intake<'_, W> {
    fn lost(&mut self, loss: &Loss) -> Result<(), Error> {
        self.world.lost();
        self.ready()?;
        Ok(self.writer.gap(&ring_gap(loss, self.until_ns))?)
    }

    /// Records beside the rings up to an instant.
    fn beside(
        &mut self,
        beside: &mut BinaryHeap<Reverse<(u64, Vec<u8>)>>,
        until_ns: u64,
    ) -> Result<(), Error> {
        while beside.peek().is_some_and(|Reverse((ns, _))| *ns < until_ns)
            && let Some(Reverse((_, bytes))) = beside.pop()
        {
            // Who it is about comes first, as nothing before it says so.
            let front = bytes.get(Context::BYTES..).and_then(RecordHead::read);
            if let (Some(context), Some(front)) = (Context::read(&bytes), front) {
                let bytes = bytes.get(Context::BYTES..).unwrap_or_default();
                self.record(front.nr as u16, bytes, &context, u64::from(front.seq))?;
            }
        }
        Ok(())
    }

    fn record(&mut self, cpu: u16, bytes: &[u8], context: &Context, seq: u64) -> Result<(), Error> {
        self.books.handed += 1;
        let mut record = match decode(bytes, context, seq) {
            Ok(record) => record,
            Err(why) => {
                self.books.undecodable += 1;
                let gap = Gap {
                    cause: GapCause::Undecodable,
                    start: BootNs(self.until_ns),
                    end: BootNs(self.until_ns),
                    cpu: Some(cpu),
                    count: Some(1),
                    first_seq: None,
                    detail: why.to_string(),
                };
                return Ok(self.writer.gap(&gap)?);
            }
        };
        let outcome = self.world.record(cpu, &mut record);
        self.ready()?;
        match outcome {
            Outcome::Event(event) => self.event(*event),
            Outcome::OutOfScope => {
                self.books.filtered += 1;
                Ok(())
            }
            Outcome::Part => {
                self.books.parts += 1;
                Ok(())
            }
        }
    }

    /// Events of earlier records, which were counted as parts until now.
    fn ready(&mut self) -> Result<(), Error> {
        if self.world.ready.is_empty() {
            return Ok(());
        }
        for event in std::mem::take(&mut self.world.ready) {
            self.books.parts = self.books.parts.saturating_sub(1);
            self.event(event)?;
        }
        Ok(())
    }

    /// What was waiting for more, and what is still going on.
    fn end(&mut self) -> Result<(), Error> {
        self.world.end();
        self.ready()?;
        for event in self.world.in_flight(self.until_ns) {
            self.books.found += 1;
            self.event(event)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), Error> {
        if self.books.first_ns == 0 {
            self.books.first_ns = event.time.0;
        }
        let wanted = self.filter.as_ref().is_none_or(|filter| {
            filter.matches(&Ctx {
                manifest: self.manifest,
                schema: Schema::current(),
                tables: &self.world.tables,
                event: &event,
                num: self.books.written + 1,
                first_ns: self.books.first_ns,
                previous_ns: event.time.0,
            })
        });
        if !wanted || self.books.written >= self.most {
            self.books.filtered += 1;
            return Ok(());
        }
        self.writer.push(event, &self.world.tables)?;
        self.books.written += 1;
        Ok(())
    }
}

fn ring_gap(loss: &Loss, now_ns: u64) -> Gap {
    let classes: Vec<String> = (loss.classes.iter().enumerate())
        .filter(|(_, count)| **count > 0)
        .map(|(class, count)| {
            let class = Class::from_code(class as u8).map_or("other", Class::name);
            format!("{class} {count}")
        })
        .collect();
    Gap {
        cause: match loss.why {
            Missed::Full => GapCause::RingFull,
            Missed::Counted => GapCause::Counted,
        },
        start: BootNs(loss.after_ns),
        end: BootNs(if loss.before_ns == 0 {
            now_ns
        } else {
            loss.before_ns
        }),
        cpu: Some(loss.cpu),
        count: Some(loss.count),
        first_seq: Some(loss.first_seq),
        detail: classes.join(", "),
    }
}

/// Names, ids and prefixes as whole container ids.
fn resolve(names: &[String]) -> Result<Vec<String>, Error> {
    let answered = running();
    let on_disk = cgroup::mount_point()
        .map(|mount| cgroup::scan(&mount))
        .unwrap_or_default();
    let mut known: Vec<(String, Vec<String>)> =
        answered.into_iter().map(|c| (c.full_id, c.names)).collect();
    for named in on_disk
        .values()
        .filter_map(|path| cgroup::container_of(path).or_else(|| cgroup::bundled(path)))
    {
        if !known.iter().any(|(id, _)| *id == named.id) {
            known.push((named.id, Vec::new()));
        }
    }
    let mut ids = Vec::new();
    for name in names {
        let exact = known
            .iter()
            .filter(|(id, names)| id == name || names.contains(name))
            .map(|(id, _)| id.clone())
            .collect::<Vec<_>>();
        let found = if exact.is_empty() && name.len() >= 3 {
            known
                .iter()
                .filter(|(id, _)| id.starts_with(name.as_str()))
                .map(|(id, _)| id.clone())
                .collect()
        } else {
            exact
        };
        if found.is_empty() {
            let shown = |(id, names): &(String, Vec<String>)| {
                names
                    .first()
                    .cloned()
                    .unwrap_or_else(|| id.get(..12).unwrap_or(id).to_owned())
            };
            return Err(Error::NoContainer(
                name.clone(),
                known.iter().map(shown).collect(),
            ));
        }
        ids.extend(found);
    }
    Ok(ids)
}

/// The path of a control group from the mount point, from either form.
fn group_path(given: &std::path::Path) -> Result<String, Error> {
    let mount = cgroup::mount_point().ok_or_else(|| {
        Error::System(
            PathBuf::from("/sys/fs/cgroup"),
            std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "no control groups version 2 are mounted",
            ),
        )
    })?;
    let relative = given
        .strip_prefix(&mount)
        .unwrap_or(given)
        .to_string_lossy()
        .trim_matches('/')
        .to_owned();
    let folder = mount.join(&relative);
    if !folder.is_dir() {
        return Err(Error::System(
            folder,
            std::io::Error::new(std::io::ErrorKind::NotFound, "no such control group"),
        ));
    }
    Ok(format!("/{relative}"))
}
