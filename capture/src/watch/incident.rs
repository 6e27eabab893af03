//! Incidents: what goes into a file, how it begins with the past, what is put into it while it is open, and its seal.

use super::quota::{Fits, Room, fit};
use super::states::rows;
use super::{Firing, MOST_NOTES, Opening, Sealed, Store, Watcher, container_of};
use crate::error::Error;
use crate::host;
use crate::intake::unwritable;
use crate::trigger::Reach;
use crate::window::{TrailId, trail_id};
use afterimage_format::{Batch, Chunk, Note, Writer, WriterOptions};
use afterimage_model::{BootNs, Container, Event, ProcId, Schema, Tables, Totals};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::Sender;

/// What goes into the file of an incident.
pub(super) enum Extent {
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

    pub(super) fn has(&self, id: &TrailId, container: Option<&Container>) -> bool {
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
pub(super) struct Incident<W: Write> {
    pub(super) writer: Writer<W>,
    pub(super) path: PathBuf,
    pub(super) extent: Extent,
    trigger: String,
    container: String,
    from: BootNs,
    fired: BootNs,
    pub(super) until: BootNs,
    latest: BootNs,
    pub(super) missing: u64,
    /// Why it ends before its time.
    pub(super) over: Option<String>,
    notes: u64,
    replies: Vec<Sender<Result<Sealed, String>>>,
}

impl<S: Store> Watcher<S> {
    /// Puts what belongs to open incidents into their files.
    pub(super) fn append(&mut self, batch: &Batch, needs: &Tables) -> Result<(), Error> {
        let mut failed = Vec::new();
        let mut left = self.quota.left(self.growing());
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
            let before = incident.writer.bytes();
            let needs = part.needs(needs);
            let written = match self.quota.takes(&part, &needs, left)? {
                Fits::Surely => incident.writer.chunk(&part, &needs),
                Fits::Pressed(chunk) => incident.writer.pressed(&chunk),
                Fits::Not => incident.leave_out(&part, self.quota.why()),
            };
            left = left.saturating_sub(incident.writer.bytes().saturating_sub(before));
            if let Err(why) = written {
                failed.push((at, why.to_string()));
            }
        }
        self.give_up(failed);
        Ok(())
    }

    /// Gives up the files at these places, which could not be written, and says why.
    pub(super) fn give_up(&mut self, failed: Vec<(usize, String)>) {
        for (at, why) in failed.into_iter().rev() {
            let incident = self.incidents.swap_remove(at);
            self.abandon(incident, &why);
        }
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

    /// A trigger has fired, about a trail or about everything. Says whether there is a file of it, or why there is none.
    pub(super) fn fire(&mut self, firing: Firing) -> Result<Result<(), String>, Error> {
        let Firing {
            at,
            trail,
            time,
            why,
            after,
            reply,
        } = firing;
        let Some(trigger) = self.triggers.get_mut(at) else {
            return Ok(Err("there is no such trigger".to_owned()));
        };
        trigger.fired += 1;
        let after = after.or(trigger.after).unwrap_or(self.after).as_nanos() as u64;
        let (name, kind, reach) = (trigger.name.clone(), trigger.kind, trigger.reach);
        let filter = trigger.text.clone();
        let container = trail
            .as_ref()
            .and_then(|id| self.window.container(id))
            .cloned();
        let note = Note {
            made_ns: self.manifest.wall_ns(time.0),
            about: Some(time),
            author: self.manifest.tool.clone(),
            text: format!("trigger {name} ({}): {why}", kind.name),
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
            return Ok(Ok(()));
        }
        let opening = Opening {
            trigger: name.clone(),
            container: container.clone(),
            wall_ns: self.manifest.wall_ns(time.0),
        };
        let room = self.ask_room();
        let opened = if self.incidents.len() >= self.concurrent {
            Err(format!(
                "{} incidents are open already",
                self.incidents.len()
            ))
        } else {
            self.manifest = host::renewed(&self.manifest);
            let mut manifest = self.manifest.clone();
            manifest.trigger = match filter.is_empty() {
                true => format!("{name} ({})", kind.name),
                false => format!("{name} ({}): {filter}", kind.name),
            };
            if kind.is_told() && !why.is_empty() {
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
                    let _ = reply.send(Err(why.clone()));
                }
                return Ok(Err(why));
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
            over: None,
            notes: 1,
            replies: reply.into_iter().collect(),
        };
        match self.begin(&mut incident, &note, room) {
            Ok(()) => {
                let path = incident.path.display();
                self.store.say(&format!(
                    "trigger {}: {why}; recording into {path}",
                    incident.trigger
                ));
                self.incidents.push(incident);
                Ok(Ok(()))
            }
            Err(why) => {
                self.abandon(incident, &why.to_string());
                Ok(Err(why.to_string()))
            }
        }
    }

    /// Writes the past: what is known at its beginning, what is missing of it, and its events in the order of time.
    fn begin(
        &mut self,
        incident: &mut Incident<S::Out>,
        note: &Note,
        room: Room,
    ) -> Result<(), Error> {
        let Incident {
            writer,
            extent,
            from,
            missing,
            ..
        } = incident;
        // The past begins where everything was known: then what follows tells the rest.
        if let Some((at, tables)) = self.states.before(*from) {
            *from = at;
            writer.state(at, tables)?;
        }
        writer.note(note)?;
        let trails = self
            .window
            .trails_where(|id, container| extent.has(id, container));
        let mut past = self.window.past(&trails, *from)?;
        fit(&mut past, room);
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

    pub(super) fn seal(&mut self, mut incident: Incident<S::Out>) {
        let end = BootNs(host::boot_ns());
        let over = incident.over.take();
        let Incident {
            writer, missing, ..
        } = &mut incident;
        let refused = writer.refused();
        writer.ended(match (refused, &over) {
            (Some(_), _) => "the disk is full",
            (None, Some(why)) => why,
            (None, None) => "the time after the trigger is over",
        });
        let last = writer
            .state(end, &rows(self.states.newest()))
            .and_then(|()| writer.checkpoint(host::clock_pair()));
        if let Err(why) = last {
            return self.abandon(incident, &why.to_string());
        }
        // What a full disk did not take is in a gap of the file.
        *missing += refused.unwrap_or(0);
        let events = writer.events().saturating_sub(refused.unwrap_or(0));
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
            .seal(&totals, self.states.newest())
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
                let full = match (refused, over) {
                    (Some(_), _) => "; THE DISK IS FULL".to_owned(),
                    (None, Some(why)) => format!("; ended before its time: {why}"),
                    (None, None) => String::new(),
                };
                self.store.say(&format!(
                    "sealed {}: {} events, {} missing{full}",
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
    pub(super) fn end(&mut self) {
        for incident in std::mem::take(&mut self.incidents) {
            self.seal(incident);
        }
    }
}
