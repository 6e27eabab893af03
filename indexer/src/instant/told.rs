//! The state at an instant of a capture of sysdig. Its lists say what was there when a section began. From then on each event says
//! which descriptor it is about and what is behind it, so that a replay comes to what sysdig itself would know.

use super::kept::Kept;
use super::making::opening_of;
use super::needed::{Change, Does, numbered};
use super::{Identity, Instant, Open, identity};
use crate::session::{Progress, Session};
use afterimage_format::{ErrorKind, Heads, Section};
use afterimage_model::{
    BootNs, Ctx, Event, EventFlags, FileKind, ProcId, Process, Protocol, Tables, Value,
};
use afterimage_query::Among;
use hashbrown::HashMap as Map;
use std::collections::{BTreeMap, HashMap};

/// `CLONE_THREAD` as scap numbers it (falcosecurity/libs, driver/ppm_events_public.h).
const CLONE_THREAD: i64 = 1 << 13;

/// `CLOSE_RANGE_CLOEXEC` as scap numbers it.
const ONLY_MARKS: i64 = 1 << 2;

/// `F_DUPFD` and `F_DUPFD_CLOEXEC` as scap numbers them.
const DUPLICATES: [i64; 2] = [1, 26];

/// `-EINPROGRESS`: a connection is on its way.
const ON_ITS_WAY: i64 = -115;

/// Processes that are waited for, at the most.
const MOST_BORN: usize = 1 << 16;

/// By the id of a process: when it was cloned, and what it was left.
pub(super) type Born = HashMap<u32, (u64, BTreeMap<u32, Open>)>;

/// The instants from the first to the last event of a section that has a time.
fn span(session: &Session, section: &Section) -> Option<(u64, u64)> {
    let of = |at: usize| {
        let info = session.chunks().get(at)?;
        let (start, end) = (info.span.0.0, info.span.1.0);
        let start = match (start, end) {
            (_, 0) => return None,
            // Some have none: the others are looked at.
            (0, _) => session.first_timed_of(at)?,
            _ => start,
        };
        Some((start, end))
    };
    let chunks = section.chunks.clone().filter_map(of);
    chunks.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// The section that an instant lies in, else the one that was over last before it, else the first.
fn section_at(session: &Session, at: u64) -> Option<Section> {
    let sections = session.sections();
    if at == u64::MAX {
        return sections.into_iter().next_back();
    }
    let mut last: Option<(u64, &Section)> = None;
    for section in sections.iter().rev() {
        let Some((start, end)) = span(session, section) else {
            continue;
        };
        if (start..=end).contains(&at) {
            return Some(section.clone());
        }
        if end < at && last.is_none_or(|(other, _)| end > other) {
            last = Some((end, section));
        }
    }
    last.map(|(_, section)| section)
        .or(sections.first())
        .cloned()
}

/// What is told of a descriptor beside an event: whose number it is, where it has a row that is known.
fn about(does: Does, event: &Event) -> Option<u32> {
    match event.args.get(does.fd?) {
        Some(Value::Num(fd)) => u32::try_from(*fd).ok(),
        _ => None,
    }
}

/// Whether a result of a call about a descriptor leaves what is behind it.
fn is_kept(does: Does, has_result: bool, result: i64) -> bool {
    !has_result || result >= 0 || !does.opens && result == ON_ITS_WAY
}

impl Instant {
    /// Replays the section of the instant, from the last state in it that is kept, or from the last keyframe where one spares more than
    /// so many events. Says whether it was not stopped.
    pub(super) fn replay_told(
        &mut self,
        session: &Session,
        kept: Option<&Kept<'_>>,
        spared: u64,
        progress: &Progress,
    ) -> bool {
        let Some(section) = section_at(session, self.at) else {
            return true;
        };
        let Some((start, opening)) = session.section(&section) else {
            return false;
        };
        let opening = opening_of(session, opening);
        let (end, chunks) = (span(session, &section), section.chunks.clone());
        let mut later = Instant::before(session, self.at);
        later.tables.absorb(&opening);
        let left = kept.and_then(|kept| kept.begin(&mut later, chunks.clone()));
        let left = left.filter(|left| left.start > chunks.start);
        let first_num = |at: usize| {
            session
                .chunks()
                .get(at)
                .map_or(u64::MAX, |info| info.first_num)
        };
        let from = left.as_ref().map_or(chunks.start, |left| left.start);
        let frame = match spared < u64::MAX && self.sifts {
            true => session.within(&section, BootNs(self.at)),
            false => None,
        };
        let frame = frame.filter(|frame| {
            let spares = first_num(frame.chunks.start).saturating_sub(first_num(from));
            frame.chunks.start > from && spares > spared
        });
        let mut start = start;
        let chunks = match (frame, left) {
            (Some(frame), _) => {
                self.open_with(&frame.tables);
                self.end_all_but(&frame.tables);
                // Who came into being before is in it.
                start = frame.at;
                frame.chunks
            }
            (None, Some(left)) => {
                *self = later;
                left
            }
            (None, None) => {
                self.open_with(&opening);
                chunks
            }
        };
        let until = Some((0, self.at));
        let walked = session.walk_range(chunks, until, progress, self);
        // Who came into being and did nothing.
        let end = end.map_or(self.at, |(_, end)| end.min(self.at));
        for process in session.state().procs.values() {
            let began = process.key.start_ns;
            if began >= start.0.max(1) && began <= end && !process.past {
                self.tables
                    .procs
                    .entry(process.id)
                    .or_insert_with(|| process.clone());
                self.live(process);
            }
        }
        walked.complete
    }

    /// Those of which a keyframe only tells that they were over: threads of them may still do something.
    fn end_all_but(&mut self, known: &Tables) {
        let over = known.procs.values().map(|process| identity(process));
        let over: Vec<Identity> = over.filter(|who| !self.lived.contains_key(who)).collect();
        self.ended.extend(over);
    }

    /// What the lists say.
    pub(super) fn open_with(&mut self, opening: &Tables) {
        self.tables.absorb(opening);
        for process in opening.procs.values() {
            if !process.past && !process.is_nobody() && process.key.pid != 0 {
                self.lived.insert(identity(process), process.id);
            }
        }
        // What a thread has of its own stands behind what its process has.
        let is_of_thread = |id: &ProcId| opening.proc(*id).is_none_or(|row| row.past);
        let listed = opening.descriptors.iter();
        let (of_threads, of_processes): (Vec<_>, Vec<_>) =
            listed.partition(|((proc, _), _)| is_of_thread(proc));
        for ((proc, fd), file) in of_processes.into_iter().chain(of_threads) {
            let Some(who) = opening.proc(*proc).map(identity) else {
                continue;
            };
            let open = self.open.get(&who);
            if open.is_none_or(|open| !open.contains_key(fd)) {
                self.put(who, *fd, Some(*file), None, false);
            }
            // The list has the sockets of TCP that are listened on apart from others.
            let flow = opening.file(*file).and_then(|file| file.flow);
            if flow.is_some_and(|flow| flow.protocol == Protocol(6) && !flow.is_connected()) {
                self.listening.insert(*file);
            }
        }
    }

    /// A process of which something is heard. What was there under its id before is no more.
    fn live(&mut self, process: &Process) -> bool {
        let who = identity(process);
        if self.lived.contains_key(&who) || process.is_nobody() || process.key.pid == 0 {
            return false;
        }
        let before = self.lived.range((who.0, 0)..(who.0, who.1));
        let before: Vec<Identity> = before.map(|(who, _)| *who).collect();
        let at = BootNs(process.key.start_ns);
        before.into_iter().for_each(|who| self.end(who, at));
        self.lived.insert(who, process.id);
        let born = self.born.as_mut().and_then(|born| born.remove(&who.0));
        if let Some((_, left)) = born.filter(|(since, _)| *since == who.1) {
            for (fd, open) in left {
                self.put(who, fd, open.file, open.since, false);
            }
            return false;
        }
        true
    }

    /// Takes an event into account.
    pub(super) fn event_told(&mut self, ctx: &Ctx<'_>, process: &Process) {
        let event = ctx.event;
        if event.time.0 > self.at {
            return;
        }
        let who = identity(process);
        self.seen.insert(who);
        if self.live(process) {
            let parent = process.parent.and_then(|id| ctx.tables.proc(id));
            let parent = parent.map(identity).filter(|parent| *parent != who);
            let left = parent.and_then(|parent| self.open.get(&parent)).cloned();
            // What was there all along has what the lists say.
            for (fd, open) in left.filter(|_| who.1 != 0).into_iter().flatten() {
                self.put(who, fd, open.file, open.since, false);
            }
        } else if event.tid == process.key.pid
            && let Some(row) = self.lived.get_mut(&who)
        {
            *row = process.id;
        }
        self.change_told(ctx, who);
    }

    fn change_told(&mut self, ctx: &Ctx<'_>, who: Identity) {
        let event = ctx.event;
        let Some(ty) = ctx.ty() else { return };
        let does = self.does.get(usize::from(event.ty.0)).copied();
        let does = does.unwrap_or_default();
        let number = |name: &str| match ty.arg_index(name).and_then(|at| event.args.get(at)) {
            Some(Value::Num(n)) => Some(*n),
            // A descriptor or a process with what it is called.
            Some(Value::Bytes(blob)) => {
                let number = blob.bytes.first_chunk::<8>();
                number.map(|number| i64::from_le_bytes(*number))
            }
            _ => None,
        };
        let has_result = !event.flags.has(EventFlags::NO_RESULT);
        let succeeded = has_result && event.result >= 0;
        let known = event.file.filter(|id| {
            let row = ctx.tables.file(*id);
            row.is_some_and(|row| row.kind != FileKind::Unseen)
        });
        let fd = about(does, event);
        match does.change {
            Some(Change::Close) if succeeded => {
                if let Some(fd) = fd.filter(|_| known.is_some()) {
                    self.close(who, fd);
                }
                return;
            }
            Some(Change::CloseRange) if succeeded => {
                let bound = |name: &str, or: u32| {
                    let told = number(name);
                    told.map_or(or, |n| (n & 0xffff_ffff) as u32)
                };
                let (first, last) = (bound("first", 0), bound("last", 0));
                if number("flags").unwrap_or(0) & ONLY_MARKS == 0 && first <= last {
                    let open = self.open.get(&who).into_iter();
                    let fds = open.flat_map(|open| open.range(first..=last));
                    let fds: Vec<u32> = fds.map(|(fd, _)| *fd).collect();
                    fds.into_iter().for_each(|fd| self.close(who, fd));
                }
                return;
            }
            Some(Change::Pair) if succeeded => {
                for name in ["fd1", "fd2"] {
                    let fd = number(name).and_then(|fd| u32::try_from(fd).ok());
                    if let Some((fd, file)) = fd.zip(known) {
                        self.put(who, fd, Some(file), Some(ctx.num), false);
                    }
                }
                return;
            }
            Some(Change::Clone) if succeeded && event.result > 0 => {
                let thread = number("flags").unwrap_or(0) & CLONE_THREAD != 0;
                let child = u32::try_from(event.result).ok().filter(|_| !thread);
                let left = self.open.get(&who).cloned().unwrap_or_default();
                if let Some((child, born)) = child.zip(self.born.as_mut())
                    && born.len() < MOST_BORN
                {
                    born.insert(child, (event.time.0, left));
                }
                return;
            }
            Some(Change::Listen) if succeeded => self.listening.extend(known),
            Some(Change::End) if ctx.proc().is_some_and(|row| row.key.pid == event.tid) => {
                self.end(who, event.time);
                return;
            }
            _ => {}
        }
        if !does.uses || !is_kept(does, has_result, event.result) {
            return;
        }
        let Some((fd, file)) = fd.zip(known) else {
            return;
        };
        let duplicates = number("cmd").is_some_and(|cmd| DUPLICATES.contains(&cmd));
        let gives = does.opens || does.change == Some(Change::Control) && duplicates;
        let opened = gives && has_result && event.result == i64::from(fd);
        match self.open.get_mut(&who).and_then(|open| open.get_mut(&fd)) {
            Some(open) if !opened => open.file = Some(file),
            _ => self.put(who, fd, Some(file), opened.then_some(ctx.num), false),
        }
    }

    /// The rows of a chunk without which the state would be another.
    pub(super) fn needed_told(
        &mut self,
        heads: &Heads<'_>,
        among: &Among<'_>,
    ) -> Result<Vec<u64>, ErrorKind> {
        let of_type = |ty: &afterimage_model::TypeId| {
            let does = self.does.get(usize::from(ty.0)).copied();
            does.unwrap_or_default()
        };
        let types: Vec<Does> = among.types.iter().map(of_type).collect();
        let (types_of, times) = (heads.types()?, heads.times()?);
        let (procs, files, listed) = (heads.procs()?, heads.files()?, heads.file_list()?);
        let asked: Vec<bool> = types.iter().map(|does| does.uses).collect();
        let mut used = vec![None; types_of.len()];
        for (place, found) in heads.results(&asked)?.into_iter().enumerate() {
            let fd = types.get(place).and_then(|does| does.fd);
            let (Some((rows, _)), Some(fd)) = (found, fd) else {
                continue;
            };
            for (row, number) in rows.iter().zip(heads.numbers(place, fd)?) {
                if let Some(used) = used.get_mut(*row as usize) {
                    *used = number.and_then(|number| u32::try_from(number).ok());
                }
            }
        }
        self.keep_all(among, listed);
        let who = numbered(among);
        // By descriptor: the file behind it that a row tells which is shown.
        let mut behind: Map<(usize, u32), u32> = Map::new();
        let mut met: Vec<(bool, Option<usize>)> = vec![(false, None); among.procs.len()];
        let mut rows = vec![0_u64; types_of.len().div_ceil(64)];
        let mut put = |row: usize| {
            if let Some(word) = rows.get_mut(row / 64) {
                *word |= 1 << (row % 64);
            }
        };
        for row in heads.order()? {
            let row = *row as usize;
            if times.get(row).is_none_or(|time| *time > self.at) {
                continue;
            }
            let place = procs.get(row).map_or(usize::MAX, |proc| *proc as usize);
            let Some((met, who)) = met.get_mut(place).zip(who.get(place).copied().flatten()) else {
                continue;
            };
            if !std::mem::replace(&mut met.0, true) {
                put(row);
            }
            met.1 = Some(row);
            let ty = types_of.get(row).map_or(usize::MAX, |ty| usize::from(*ty));
            let does = types.get(ty).copied().unwrap_or_default();
            let fd = used.get(row).copied().flatten().map(|fd| (who, fd));
            if does.change.is_some() || does.opens {
                put(row);
                // It may have been closed, and something else may be there next.
                match fd {
                    Some(fd) => drop(behind.remove(&fd)),
                    None => behind.retain(|(of, _), _| *of != who),
                }
                continue;
            }
            let file = files.get(row).copied().unwrap_or(0);
            if let Some(fd) = fd.filter(|_| does.uses && file != 0)
                && behind.insert(fd, file) != Some(file)
            {
                put(row);
            }
        }
        met.iter().filter_map(|met| met.1).for_each(&mut put);
        Ok(rows)
    }
}
