//! The flight recorder's far end: the window of the past, the triggers that look at what comes, and the files that are made
//! when one fires: the past, and what comes after it.

use crate::error::Error;
use crate::host;
use crate::intake::unwritable;
use crate::sink::{CHECKPOINT, Encoder, Message};
use crate::trigger::{Reach, Trigger};
use crate::window::{Bounds, Held, TrailHeld, TrailId, Window, trail_id};
use afterimage_format::{Batch, Chunk, Note, Row, Writer, WriterOptions};
use afterimage_model::{
    BootNs, Container, Ctx, Event, Gap, GapCause, Manifest, ProcId, Schema, Tables, Totals,
};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How long the watcher waits for something before it looks at the clock.
const LOOK: Duration = Duration::from_millis(100);
/// How long after its last instant an incident waits for events of that time: they are handed over a little later.
const SETTLE: Duration = Duration::from_millis(1_000);
/// Notes in one file of triggers that fired again.
const MOST_NOTES: u64 = 1_000;

/// What is watched for, and what becomes of it.
pub struct Options {
    /// How much of the past is kept.
    pub bounds: Bounds,
    /// How long is recorded after a trigger.
    pub after: Duration,
    /// How long after its first trigger an incident ends at the latest, however many follow.
    pub most: Duration,
    /// Incidents at a time; further ones are refused, and counted.
    pub concurrent: usize,
    /// What starts one.
    pub triggers: Vec<Trigger>,
}

/// An incident as it begins.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Name of the trigger.
    pub trigger: String,
    /// The container it is about, where it is about one.
    pub container: Option<Arc<Container>>,
    /// When it fired, ns since 1970.
    pub wall_ns: i64,
}

/// A file that is made.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Where it is.
    pub path: PathBuf,
    /// Name of the trigger.
    pub trigger: String,
    /// Name or id of the container it is about; empty when it is about none.
    pub container: String,
    /// Events in it.
    pub events: u64,
    /// Events known to be missing from it.
    pub missing: u64,
    /// Its first instant, ns since 1970.
    pub from_ns: i64,
    /// When the trigger fired, ns since 1970.
    pub fired_ns: i64,
    /// Its end, ns since 1970.
    pub until_ns: i64,
}

/// Where the files of incidents go.
pub trait Store: Send {
    /// What a file is written to.
    type Out: Write + Send;

    /// Opens a file for an incident.
    ///
    /// # Errors
    /// A sentence, when none may be made: by a quota, for lack of room, or because it failed.
    fn open(
        &mut self,
        opening: &Opening,
        manifest: &Manifest,
        options: WriterOptions,
    ) -> Result<(PathBuf, Writer<Self::Out>), String>;

    /// Takes back what a sealed file was written to, and makes it durable.
    ///
    /// # Errors
    /// When that fails: the file is then not called durable.
    fn sealed(&mut self, out: Self::Out, sealed: &Sealed) -> std::io::Result<()>;

    /// Something went on that the operator should know.
    fn say(&mut self, what: &str);
}

/// What the watcher is asked from outside.
pub enum Command {
    /// To make a file now.
    Fire {
        /// Which trigger it counts as: `command` or `signal`.
        trigger: &'static str,
        /// The container, by name, id or the beginning of its id; everything that is watched when `None`.
        container: Option<String>,
        /// Why, as it was said.
        reason: String,
        /// Gets the file when it is sealed, or why there is none.
        reply: Sender<Result<Sealed, String>>,
    },
    /// How it stands.
    Status(Sender<Status>),
}

/// How a watcher stands.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Since when it watches, ns since 1970.
    pub since_ns: i64,
    /// The window.
    pub held: Held,
    /// Its trails, the largest first.
    pub trails: Vec<TrailHeld>,
    /// Events taken in.
    pub events: u64,
    /// Events known to be lost.
    pub lost: u64,
    /// Name, kind, and how often it fired, of each trigger.
    pub triggers: Vec<(String, &'static str, u64)>,
    /// Files that are being made: path, and until when.
    pub open: Vec<(PathBuf, i64)>,
    /// Files that were made.
    pub sealed: u64,
    /// Incidents that were refused.
    pub refused: u64,
    /// When the last events came, ns since 1970; 0 when none did.
    pub last_ns: i64,
}

/// What goes into the file of an incident.
enum Extent {
    Trail(TrailId),
    Pod(String, String),
    All,
}

impl Extent {
    fn of(reach: Reach, id: &TrailId, container: Option<&Container>) -> Extent {
        match (reach, container) {
            (Reach::Host, _) => Extent::All,
            (Reach::Pod, Some(c)) if !c.pod_name.is_empty() => {
                Extent::Pod(c.pod_namespace.clone(), c.pod_name.clone())
            }
            _ => Extent::Trail(id.clone()),
        }
    }

    fn has(&self, id: &TrailId, container: Option<&Container>) -> bool {
        match self {
            Extent::All => true,
            Extent::Trail(trail) => trail == id,
            Extent::Pod(namespace, name) => {
                container.is_some_and(|c| c.pod_namespace == *namespace && c.pod_name == *name)
            }
        }
    }
}

/// A file that is being made.
struct Incident<W: Write> {
    writer: Writer<W>,
    path: PathBuf,
    extent: Extent,
    trigger: String,
    container: String,
    from: BootNs,
    fired: BootNs,
    until: BootNs,
    latest: BootNs,
    missing: u64,
    notes: u64,
    replies: Vec<Sender<Result<Sealed, String>>>,
}

/// The far end of a flight recorder.
pub struct Watcher<S: Store> {
    window: Window,
    after: Duration,
    most: Duration,
    concurrent: usize,
    triggers: Vec<Trigger>,
    due: Vec<Option<Instant>>,
    store: S,
    manifest: Manifest,
    commands: Receiver<Command>,
    incidents: Vec<Incident<S::Out>>,
    /// Everything known at the last keyframe.
    state: Tables,
    events: u64,
    lost: u64,
    last: BootNs,
    made: u64,
    refused: u64,
    checkpoint: Instant,
}

impl<S: Store> Watcher<S> {
    /// A watcher for a recorder with this manifest.
    ///
    /// # Errors
    /// When there is no memory to compress with.
    pub fn new(
        options: Options,
        manifest: &Manifest,
        store: S,
        commands: Receiver<Command>,
    ) -> Result<Watcher<S>, Error> {
        let writing = WriterOptions {
            chunk_span_ns: (options.bounds.span.as_nanos() as u64 / 8).max(1_000_000_000),
            ..WriterOptions::default()
        };
        let due = (options.triggers.iter())
            .map(|trigger| trigger.every().map(|every| Instant::now() + every))
            .collect();
        Ok(Watcher {
            window: Window::new(options.bounds, writing)?,
            after: options.after,
            most: options.most,
            concurrent: options.concurrent,
            triggers: options.triggers,
            due,
            store,
            manifest: manifest.clone(),
            commands,
            incidents: Vec::new(),
            state: Tables::default(),
            events: 0,
            lost: 0,
            last: BootNs(0),
            made: 0,
            refused: 0,
            checkpoint: Instant::now(),
        })
    }

    /// When the recorder is to close its chunks.
    pub(crate) fn options(&self) -> WriterOptions {
        WriterOptions::default()
    }

    /// Takes what the recorder has, until it ends; then every file is sealed.
    pub(crate) fn run(&mut self, from: &Encoder) -> Result<(), Error> {
        loop {
            match from.messages.recv_timeout(LOOK) {
                Ok(Message::Chunk(batch, needs)) => {
                    self.chunk(&batch, &needs)?;
                    let mut batch = *batch;
                    batch.clear();
                    // Nobody has to want it back.
                    let _ = from.empty.send(batch);
                }
                Ok(Message::Gap(gap)) => self.gap(gap),
                Ok(Message::State(at, tables) | Message::Keyframe(at, tables)) => {
                    self.state(at, tables)
                }
                // The window has no place for files.
                Ok(Message::Artifact(_)) => {}
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.look()?;
        }
        self.end();
        Ok(())
    }

    /// What the clock and those outside ask for.
    fn look(&mut self) -> Result<(), Error> {
        let now = BootNs(host::boot_ns());
        self.window.age(now)?;
        while let Ok(command) = self.commands.try_recv() {
            self.command(command, now)?;
        }
        let clock = Instant::now();
        for at in 0..self.triggers.len() {
            let Some(Some(due)) = self.due.get(at).copied() else {
                continue;
            };
            if clock < due {
                continue;
            }
            let every = self.triggers.get(at).and_then(Trigger::every);
            if let Some(slot) = self.due.get_mut(at) {
                *slot = every.map(|every| clock + every);
            }
            self.fire(at, None, now, String::new(), None)?;
        }
        if self.checkpoint.elapsed() >= CHECKPOINT {
            self.checkpoint = clock;
            let clocks = host::clock_pair();
            for incident in &mut self.incidents {
                // What cannot be written is noticed with the next chunk, and at the end.
                let _ = incident.writer.checkpoint(clocks);
            }
        }
        let settle = SETTLE.as_nanos() as u64;
        let (ended, open) = std::mem::take(&mut self.incidents)
            .into_iter()
            .partition(|incident| incident.until.0.saturating_add(settle) <= now.0);
        self.incidents = open;
        for incident in ended {
            self.seal(incident);
        }
        Ok(())
    }

    fn command(&mut self, command: Command, now: BootNs) -> Result<(), Error> {
        match command {
            Command::Fire {
                trigger,
                container,
                reason,
                reply,
            } => {
                let Some(at) = (self.triggers.iter()).position(|armed| armed.kind.name == trigger)
                else {
                    let _ = reply.send(Err(format!("no {trigger} trigger is armed")));
                    return Ok(());
                };
                let trail = match container {
                    None => None,
                    Some(name) => match self.named(&name) {
                        Ok(trail) => Some(trail),
                        Err(why) => {
                            let _ = reply.send(Err(why));
                            return Ok(());
                        }
                    },
                };
                self.fire(at, trail, now, reason, Some(reply))
            }
            Command::Status(reply) => {
                let _ = reply.send(self.status());
                Ok(())
            }
        }
    }

    /// The trail of the container that somebody names.
    fn named(&self, name: &str) -> Result<TrailId, String> {
        let fits =
            |c: &Container| c.name == name || (name.len() >= 3 && c.full_id.starts_with(name));
        let found = self
            .window
            .trails_where(|_, container| container.is_some_and(fits));
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(format!("nothing of a container {name:?} is in the window")),
            several => Err(format!("{} containers are called {name:?}", several.len())),
        }
    }

    fn status(&self) -> Status {
        let wall = |at: BootNs| self.manifest.wall_ns(at.0);
        Status {
            since_ns: self.manifest.clock.real_ns,
            held: self.window.held(),
            trails: self.window.trails(),
            events: self.events,
            lost: self.lost,
            triggers: (self.triggers.iter())
                .map(|trigger| (trigger.name.clone(), trigger.kind.name, trigger.fired))
                .collect(),
            open: (self.incidents.iter())
                .map(|incident| (incident.path.clone(), wall(incident.until)))
                .collect(),
            sealed: self.made,
            refused: self.refused,
            last_ns: if self.last.0 == 0 { 0 } else { wall(self.last) },
        }
    }

    fn gap(&mut self, gap: Gap) {
        if matches!(
            gap.cause,
            GapCause::RingFull | GapCause::Counted | GapCause::Undecodable
        ) {
            self.lost += gap.count.unwrap_or(0);
        }
        for incident in &mut self.incidents {
            incident.missing += gap.count.unwrap_or(0);
            // What cannot be written is noticed with the next chunk.
            let _ = incident.writer.gap(&gap);
        }
        self.window.gap(gap);
    }

    /// Keyframes are whole, but for mounts, which are told once. What comes in between are rows of processes alone, told
    /// anew: it adds to what is known.
    fn state(&mut self, at: BootNs, tables: Tables) {
        for incident in &mut self.incidents {
            // What cannot be written is noticed with the next chunk.
            let _ = incident.writer.state(at, &tables);
        }
        if tables.files.is_empty() && tables.descriptors.is_empty() {
            self.state.absorb(&tables);
            return;
        }
        let mounts = std::mem::take(&mut self.state.mounts);
        self.state = tables;
        if self.state.mounts.is_empty() {
            self.state.mounts = mounts;
        }
    }

    fn chunk(&mut self, batch: &Batch, needs: &Tables) -> Result<(), Error> {
        let now = BootNs(host::boot_ns());
        self.events += batch.len() as u64;
        self.last = now;
        self.window.take(batch, needs, now)?;
        self.append(batch, needs)?;
        self.watch(batch, needs)
    }

    /// Puts what belongs to open incidents into their files.
    fn append(&mut self, batch: &Batch, needs: &Tables) -> Result<(), Error> {
        let mut failed = Vec::new();
        for (at, incident) in self.incidents.iter_mut().enumerate() {
            let mut part = Batch::new(Schema::current());
            let mut has: HashMap<ProcId, bool> = HashMap::new();
            for (row, args) in batch.rows() {
                let has = *has.entry(row.proc).or_insert_with(|| {
                    incident
                        .extent
                        .has(&trail_id(needs, row.proc), container_of(needs, row.proc))
                });
                if has {
                    part.push(row, &args, needs).map_err(unwritable)?;
                }
            }
            if let Err(why) = incident.writer.chunk(&part, &part.needs(needs)) {
                failed.push((at, why.to_string()));
            }
        }
        for (at, why) in failed.into_iter().rev() {
            let incident = self.incidents.swap_remove(at);
            self.abandon(incident, &why);
        }
        Ok(())
    }

    /// A file that cannot be written any further is left as it is: readable, and not sealed.
    fn abandon(&mut self, incident: Incident<S::Out>, why: &str) {
        let path = incident.path.display();
        let why =
            format!("{path} could not be finished: {why}; what was written of it can be read");
        self.store.say(&why);
        for reply in &incident.replies {
            let _ = reply.send(Err(why.clone()));
        }
    }

    /// Shows every event that may be meant to the triggers.
    fn watch(&mut self, batch: &Batch, needs: &Tables) -> Result<(), Error> {
        let mut fired: Vec<(usize, Row, TrailId, String)> = Vec::new();
        self.triggers.iter_mut().for_each(Trigger::forget);
        for (row, args) in batch.rows() {
            let mut event = None;
            for (at, trigger) in self.triggers.iter_mut().enumerate() {
                if !trigger.looks_at(row.ty) {
                    continue;
                }
                let event = event.get_or_insert_with(|| row.event(&args));
                let ctx = Ctx {
                    manifest: &self.manifest,
                    schema: Schema::current(),
                    tables: needs,
                    event,
                    num: 0,
                    first_ns: self.manifest.clock.boot_ns,
                    previous_ns: row.time.0,
                };
                if trigger.fires(&ctx) {
                    let name = ctx.ty().map_or("?", |ty| ty.name.as_str());
                    let process = needs.proc(row.proc);
                    let comm = process.map_or_else(Default::default, |p| {
                        String::from_utf8_lossy(&p.comm).into_owned()
                    });
                    let pid = process.map_or(0, |p| p.key.pid);
                    let what = format!("{name} by {comm} ({pid})");
                    fired.push((at, row, trail_id(needs, row.proc), what));
                }
            }
        }
        for (at, row, trail, what) in fired {
            self.fire(at, Some(trail), row.time, what, None)?;
        }
        Ok(())
    }

    /// A trigger has fired, about a trail or about everything.
    fn fire(
        &mut self,
        at: usize,
        trail: Option<TrailId>,
        time: BootNs,
        why: String,
        reply: Option<Sender<Result<Sealed, String>>>,
    ) -> Result<(), Error> {
        let Some(trigger) = self.triggers.get_mut(at) else {
            return Ok(());
        };
        trigger.fired += 1;
        let after = trigger.after.unwrap_or(self.after).as_nanos() as u64;
        let (name, kind, reach) = (trigger.name.clone(), trigger.kind.name, trigger.reach);
        let filter = trigger.text.clone();
        let container = trail
            .as_ref()
            .and_then(|id| self.window.container(id))
            .cloned();
        let note = Note {
            made_ns: self.manifest.wall_ns(time.0),
            about: Some(time),
            author: self.manifest.tool.clone(),
            text: format!("trigger {name} ({kind}): {why}"),
            ..Note::default()
        };
        // Something that goes on is one incident.
        let covering = self.incidents.iter_mut().find(|incident| match &trail {
            None => matches!(incident.extent, Extent::All),
            Some(id) => incident.extent.has(id, container.as_deref()),
        });
        if let Some(incident) = covering {
            let until = time.0.saturating_add(after).min(incident.latest.0);
            incident.until = BootNs(incident.until.0.max(until));
            incident.notes += 1;
            if incident.notes <= MOST_NOTES {
                let _ = incident.writer.note(&note);
            }
            incident.replies.extend(reply);
            return Ok(());
        }
        let opening = Opening {
            trigger: name.clone(),
            container: container.clone(),
            wall_ns: self.manifest.wall_ns(time.0),
        };
        let opened = if self.incidents.len() >= self.concurrent {
            Err(format!(
                "{} incidents are open already",
                self.incidents.len()
            ))
        } else {
            let mut manifest = self.manifest.clone();
            manifest.capture_id = host::capture_id();
            manifest.trigger = match filter.is_empty() {
                true => format!("{name} ({kind})"),
                false => format!("{name} ({kind}): {filter}"),
            };
            if kind == "command" && !why.is_empty() {
                manifest.reason = why.clone();
            }
            self.store
                .open(&opening, &manifest, WriterOptions::default())
        };
        let (path, writer) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                self.refused += 1;
                let why = format!("trigger {name} fired, and no file was made: {why}");
                self.store.say(&why);
                if let Some(reply) = reply {
                    let _ = reply.send(Err(why));
                }
                return Ok(());
            }
        };
        let span = self.window.span().as_nanos() as u64;
        let extent = match &trail {
            None => Extent::All,
            Some(id) => Extent::of(reach, id, container.as_deref()),
        };
        let latest = time.0.saturating_add(self.most.as_nanos() as u64);
        let mut incident = Incident {
            writer,
            path,
            trigger: name,
            container: container.map_or_else(String::new, |c| match c.name.is_empty() {
                true => c.short_id().to_owned(),
                false => c.name.clone(),
            }),
            extent,
            from: BootNs(time.0.saturating_sub(span)),
            fired: time,
            until: BootNs(time.0.saturating_add(after).min(latest)),
            latest: BootNs(latest),
            missing: 0,
            notes: 1,
            replies: reply.into_iter().collect(),
        };
        match self.begin(&mut incident, &note) {
            Ok(()) => {
                let path = incident.path.display();
                self.store.say(&format!(
                    "trigger {}: {why}; recording into {path}",
                    incident.trigger
                ));
                self.incidents.push(incident);
            }
            Err(why) => self.abandon(incident, &why.to_string()),
        }
        Ok(())
    }

    /// Writes the past: what is known at its beginning, what is missing of it, and its events in the order of time.
    fn begin(&mut self, incident: &mut Incident<S::Out>, note: &Note) -> Result<(), Error> {
        let Incident {
            writer,
            extent,
            from,
            missing,
            ..
        } = incident;
        writer.state(*from, &self.state)?;
        writer.note(note)?;
        let trails = self
            .window
            .trails_where(|id, container| extent.has(id, container));
        let past = self.window.past(&trails, *from)?;
        for gap in &past.gaps {
            *missing += gap.count.unwrap_or(0);
            writer.gap(gap)?;
        }
        if trails.len() < 2 {
            for chunk in past.chunks {
                writer.pressed(chunk)?;
            }
            return Ok(());
        }
        // Of several containers: each one's chunks are in order, and are opened one at a time.
        let mut waiting: VecDeque<_> = past.chunks.into();
        let mut open: BinaryHeap<Reverse<(BootNs, usize)>> = BinaryHeap::new();
        let mut chunks: Vec<std::iter::Peekable<std::vec::IntoIter<Event>>> = Vec::new();
        let mut tables = Tables::default();
        loop {
            let next = open.peek().map(|Reverse((time, _))| *time);
            // Whatever may begin before the next event has to be open.
            if let Some(chunk) = waiting.front()
                && next.is_none_or(|next| chunk.span().0 <= next)
            {
                let Chunk {
                    events,
                    tables: rows,
                    ..
                } = chunk.open().map_err(unwritable)?;
                waiting.pop_front();
                tables.absorb(&rows);
                let mut events = events.into_iter().peekable();
                if let Some(first) = events.peek() {
                    open.push(Reverse((first.time, chunks.len())));
                }
                chunks.push(events);
                continue;
            }
            let Some(Reverse((_, at))) = open.pop() else {
                break;
            };
            let Some(events) = chunks.get_mut(at) else {
                break;
            };
            if let Some(event) = events.next() {
                writer.push(event, &tables)?;
            }
            match events.peek() {
                Some(event) => open.push(Reverse((event.time, at))),
                // Its memory goes.
                None => *events = Vec::new().into_iter().peekable(),
            }
        }
        writer.flush(&tables)?;
        Ok(())
    }

    fn seal(&mut self, mut incident: Incident<S::Out>) {
        let end = BootNs(host::boot_ns());
        let Incident {
            writer, missing, ..
        } = &mut incident;
        writer.ended("the time after the trigger is over");
        let last = writer
            .state(end, &self.state)
            .and_then(|()| writer.checkpoint(host::clock_pair()));
        if let Err(why) = last {
            return self.abandon(incident, &why.to_string());
        }
        let events = writer.events();
        let totals = Totals {
            offered: events + *missing,
            written: events,
            dropped: *missing,
            ..Totals::default()
        };
        let wall = |at: BootNs| self.manifest.wall_ns(at.0);
        let sealed = Sealed {
            path: incident.path,
            trigger: incident.trigger,
            container: incident.container,
            events,
            missing: incident.missing,
            from_ns: wall(incident.from),
            fired_ns: wall(incident.fired),
            until_ns: wall(end),
        };
        let answer = incident
            .writer
            .seal(&totals, &self.state)
            .map_err(|why| why.to_string())
            .and_then(|out| {
                self.store
                    .sealed(out, &sealed)
                    .map_err(|why| format!("{}: {why}", sealed.path.display()))
            })
            .map(|()| sealed);
        match &answer {
            Ok(sealed) => {
                self.made += 1;
                self.store.say(&format!(
                    "sealed {}: {} events, {} missing",
                    sealed.path.display(),
                    sealed.events,
                    sealed.missing
                ));
            }
            Err(why) => self.store.say(why),
        }
        for reply in incident.replies {
            let _ = reply.send(answer.clone());
        }
    }

    /// The recorder ends: what is open is sealed as it is.
    fn end(&mut self) {
        for incident in std::mem::take(&mut self.incidents) {
            self.seal(incident);
        }
    }
}

fn container_of(tables: &Tables, proc: ProcId) -> Option<&Container> {
    let container = tables.proc(proc)?.container?;
    tables.container(container)
}
