//! The flight recorder's far end: the window of the past, the triggers that look at what comes, and the files that are made
//! when one fires: the past, and what comes after it.

mod allowance;
mod door;
mod incident;
mod quota;
mod spill;
mod states;
mod words;

use crate::error::Error;
use crate::host;
use crate::sink::{CHECKPOINT, Encoder, Message};
use crate::trigger::{Alert, Fired, Heard, Trigger};
use crate::window::{TrailId, Whose, Window, trail_id};
use afterimage_format::{Batch, WriterOptions};
use afterimage_model::{
    BootNs, ClockPair, Container, Ctx, EventFlags, Gap, GapCause, Manifest, ProcId, Schema, Tables,
};
use allowance::Allowance;
pub use door::{Command, Opening, Options, Sealed, Segment, Status, Store};
use incident::Incident;
use quota::Quota;
pub use quota::Room;
use spill::Spill;
use states::States;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How long the watcher waits for something before it looks at the clock.
const LOOK: Duration = Duration::from_millis(250);
/// How long after its last instant an incident waits for events of that time: they are handed over a little later.
const SETTLE: Duration = Duration::from_millis(1_000);
/// How long it waits for them at most, when the recorder falls behind what happens.
const MOST_BEHIND: Duration = Duration::from_secs(60);
/// Notes in one file of triggers that fired again.
const MOST_NOTES: u64 = 1_000;

/// Something fired a trigger.
struct Firing {
    /// Which one.
    at: usize,
    /// What it is about; everything when `None`.
    trail: Option<TrailId>,
    time: BootNs,
    /// In words.
    why: String,
    /// How long is to be recorded, where that is known better than by the trigger.
    after: Option<Duration>,
    reply: Option<Sender<Result<Sealed, String>>>,
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
    /// What a file that begins now says of itself.
    manifest: Manifest,
    began: ClockPair,
    commands: Receiver<Command>,
    incidents: Vec<Incident<S::Out>>,
    spill: Spill<S::Out>,
    /// Everything before has come.
    reached: BootNs,
    /// Everything known at instants of the window.
    states: States,
    events: u64,
    lost: u64,
    last: BootNs,
    made: u64,
    refused: u64,
    checkpoint: Instant,
    allowance: Allowance,
    quota: Quota,
    /// How many events there were when, for the last seconds.
    paces: VecDeque<(Instant, u64)>,
}

/// Over how long the rate of events is told.
const PACE: Duration = Duration::from_secs(10);

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
            // It is the window that closes them sooner, by how much happens.
            chunk_span_ns: (options.bounds.span.as_nanos() as u64).max(1_000_000_000),
            ..WriterOptions::default()
        };
        let due = (options.triggers.iter()).map(first_due).collect();
        Ok(Watcher {
            window: Window::new(options.bounds, writing)?,
            after: options.after,
            most: options.most,
            concurrent: options.concurrent,
            triggers: options.triggers,
            due,
            store,
            manifest: manifest.clone(),
            began: manifest.clock,
            commands,
            incidents: Vec::new(),
            spill: Spill::default(),
            reached: BootNs(0),
            states: States::default(),
            events: 0,
            lost: 0,
            last: BootNs(0),
            made: 0,
            refused: 0,
            checkpoint: Instant::now(),
            allowance: Allowance::default(),
            quota: Quota::default(),
            paces: VecDeque::new(),
        })
    }

    /// When the recorder is to close its chunks.
    pub(crate) fn options(&self) -> WriterOptions {
        WriterOptions::default()
    }

    /// How often it wants to be told everything: a file begins with such a state, and so that much earlier than the window.
    pub(crate) fn state_every(&self) -> Duration {
        (self.window.span() / states::PARTS as u32).max(Duration::from_secs(1))
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
                Ok(Message::Gap(gap, whose)) => self.gap(gap, whose),
                Ok(Message::State(at, tables) | Message::Keyframe(at, tables)) => {
                    self.state(at, tables)
                }
                Ok(Message::Reached(at)) => self.reached = self.reached.max(at),
                // The window has no place for files.
                Ok(Message::Artifact(_)) => {}
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.look()?;
        }
        self.end();
        self.end_spill();
        Ok(())
    }

    /// What the clock and those outside ask for.
    fn look(&mut self) -> Result<(), Error> {
        let now = BootNs(host::boot_ns());
        self.age(now)?;
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
            let _said_already = self.fire(Firing {
                at,
                trail: None,
                time: now,
                why: String::new(),
                after: None,
                reply: None,
            })?;
        }
        if self
            .paces
            .back()
            .is_none_or(|(at, _)| clock.duration_since(*at) >= PACE / 10)
        {
            self.paces.push_back((clock, self.events));
            while self.paces.len() > 11 {
                self.paces.pop_front();
            }
        }
        if self.allowance.is_due(clock, self.events) {
            self.allow();
        }
        if self.checkpoint.elapsed() >= CHECKPOINT {
            self.checkpoint = clock;
            if !self.incidents.is_empty() {
                self.ask_room();
            }
            let clocks = host::clock_pair();
            let mut failed = Vec::new();
            for (at, incident) in self.incidents.iter_mut().enumerate() {
                if let Err(why) = incident.writer.checkpoint(clocks) {
                    failed.push((at, why.to_string()));
                }
            }
            self.give_up(failed);
        }
        self.keep_quotas();
        let settle = SETTLE.as_nanos() as u64;
        let behind = MOST_BEHIND.as_nanos() as u64;
        let reached = self.reached;
        let (ended, open) = std::mem::take(&mut self.incidents)
            .into_iter()
            .partition(|incident| {
                // There is nothing to wait for on a full disk, nor past a quota.
                let over = incident.until.0.saturating_add(settle) <= now.0
                    && (reached >= incident.until
                        || incident.until.0.saturating_add(behind) <= now.0);
                over || incident.over.is_some() || incident.writer.refused().is_some()
            });
        self.incidents = open;
        for incident in ended {
            self.seal(incident);
        }
        Ok(())
    }

    /// Lets the window have what the rest of the process leaves.
    fn allow(&mut self) {
        let held = self.window.held().bytes;
        let (bytes, say) = self.allowance.look(self.window.bounds(), held);
        self.window.allow(bytes);
        if let Some(say) = say {
            self.store.say(&say);
        }
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
                let _replied = self.fire(Firing {
                    at,
                    trail,
                    time: now,
                    why: reason,
                    after: None,
                    reply: Some(reply),
                })?;
                Ok(())
            }
            Command::Alerts {
                kind,
                alerts,
                reply,
            } => {
                let mut heard = Heard::default();
                for alert in alerts {
                    self.alert(kind, &alert.bounded(), now, &mut heard)?;
                }
                reply(heard);
                Ok(())
            }
            Command::Reload(options, reply) => {
                self.reload(*options);
                let _ = reply.send(());
                Ok(())
            }
            Command::Status(reply) => {
                reply(self.status());
                Ok(())
            }
        }
    }

    /// An alert of another program fires every trigger that it is meant for.
    fn alert(
        &mut self,
        kind: &str,
        alert: &Alert,
        now: BootNs,
        heard: &mut Heard,
    ) -> Result<(), Error> {
        let takers: Vec<usize> = (self.triggers.iter().enumerate())
            .filter(|(_, trigger)| trigger.kind.name == kind && trigger.takes(alert))
            .map(|(at, _)| at)
            .collect();
        if takers.is_empty() {
            return Ok(());
        }
        let trail = match alert
            .container
            .as_deref()
            .map(|name| self.named(name))
            .transpose()
        {
            Ok(trail) => trail,
            Err(why) => {
                self.refused += 1;
                let why = format!("an alert came in by {kind}, and no file was made: {why}");
                self.store.say(&why);
                heard.refused.push(why);
                return Ok(());
            }
        };
        for at in takers {
            let fired = self.fire(Firing {
                at,
                trail: trail.clone(),
                time: now,
                why: alert.words(),
                after: None,
                reply: None,
            })?;
            match fired {
                Ok(()) => heard.fired += 1,
                Err(why) => heard.refused.push(why),
            }
        }
        Ok(())
    }

    /// Goes on with other options. What is open stays open as it was begun.
    fn reload(&mut self, options: Options) {
        let Options {
            bounds,
            after,
            most,
            concurrent,
            mut triggers,
        } = options;
        for trigger in &mut triggers {
            let old = self.triggers.iter().find(|old| old.name == trigger.name);
            trigger.fired = old.map_or(0, |old| old.fired);
        }
        self.due = triggers.iter().map(first_due).collect();
        self.window.rebound(bounds);
        (self.after, self.most, self.concurrent) = (after, most, concurrent);
        self.triggers = triggers;
    }

    /// Events a second, over the last seconds.
    fn pace(&self) -> f64 {
        let Some((since, before)) = self.paces.front() else {
            return 0.0;
        };
        let seconds = since.elapsed().as_secs_f64();
        self.events.saturating_sub(*before) as f64 / seconds.max(0.001)
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

    fn status(&mut self) -> Status {
        let left = self.store.left();
        let wall = |at: BootNs| self.manifest.wall_ns(at.0);
        Status {
            since_ns: self.began.real_ns,
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
            heartbeat_ns: wall(BootNs(host::boot_ns())),
            bound: self.window.allowed(),
            memory: self.allowance.own as u64,
            memory_bound: self.window.bounds().memory as u64,
            resident: host::resident().unwrap_or(0),
            rate: self.pace(),
            left,
            concurrent_left: self.concurrent.saturating_sub(self.incidents.len()),
        }
    }

    fn gap(&mut self, gap: Gap, whose: Whose) {
        if matches!(
            gap.cause,
            GapCause::RingFull | GapCause::Counted | GapCause::Undecodable
        ) {
            self.lost += gap.count.unwrap_or(0);
        }
        if gap.cause == GapCause::ClockStep {
            self.manifest = host::renewed(&self.manifest);
        }
        for incident in &mut self.incidents {
            let window = &self.window;
            let concerns = |trail: &TrailId| {
                incident
                    .extent
                    .has(trail, window.container(trail).map(|c| &**c))
            };
            if !whose.as_ref().is_none_or(concerns) {
                continue;
            }
            incident.missing += gap.count.unwrap_or(0);
            // What cannot be written is noticed with the next chunk.
            let _ = incident.writer.gap(&gap);
        }
        self.spill_gap(&gap);
        self.window.gap(gap, whose);
    }

    fn state(&mut self, at: BootNs, tables: Tables) {
        let rows = states::rows(&tables);
        for incident in &mut self.incidents {
            // What cannot be written is noticed with the next chunk.
            let _ = incident.writer.state(at, &rows);
        }
        self.spill_state(at, &rows);
        let span = self.window.span().as_nanos() as u64;
        self.states.take(at, tables, span);
    }

    /// What the past may have to begin with, and everything since, is kept.
    fn age(&mut self, now: BootNs) -> Result<(), Error> {
        let span = self.window.span().as_nanos() as u64;
        let oldest = BootNs(now.0.saturating_sub(span));
        self.states.age(oldest);
        let state = self.states.before(oldest).map_or(oldest, |(at, _)| at);
        self.window.age(now, state.min(oldest))
    }

    fn chunk(&mut self, batch: &Batch, needs: &Tables) -> Result<(), Error> {
        let now = BootNs(host::boot_ns());
        self.events += batch.len() as u64;
        self.last = now;
        self.window.take(batch, needs)?;
        self.age(now)?;
        self.spill(batch, needs);
        self.append(batch, needs)?;
        self.watch(batch, needs)
    }

    /// Shows every event that may be meant to the triggers.
    fn watch(&mut self, batch: &Batch, needs: &Tables) -> Result<(), Error> {
        let mut firings: Vec<Firing> = Vec::new();
        self.triggers.iter_mut().for_each(Trigger::forget);
        // Numbers begin with 1, as everywhere: rules use `evt.num = 0` for never.
        let first = self.events.saturating_sub(batch.len() as u64) + 1;
        for ((row, args), num) in batch.rows().zip(first..) {
            // Rings are emptied in the order of time; what is told beside them comes whenever it does.
            if !row.flags.has(EventFlags::TOLD) {
                self.reached = self.reached.max(row.time);
            }
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
                    num,
                    first_ns: self.began.boot_ns,
                    previous_ns: row.time.0,
                };
                if let Some(Fired { mut why, after }) = trigger.fires(&ctx) {
                    if why.is_empty() {
                        why = words::of(&ctx);
                    }
                    firings.push(Firing {
                        at,
                        trail: Some(trail_id(needs, row.proc)),
                        time: row.time,
                        why,
                        after,
                        reply: None,
                    });
                }
            }
        }
        for firing in firings {
            let _said_already = self.fire(firing)?;
        }
        Ok(())
    }
}

/// When a trigger fires by itself first.
fn first_due(trigger: &Trigger) -> Option<Instant> {
    trigger.every().map(|every| Instant::now() + every)
}

fn container_of(tables: &Tables, proc: ProcId) -> Option<&Container> {
    let container = tables.proc(proc)?.container?;
    tables.container(container)
}
