//! The state at an instant: which processes lived, what they had open, what was mounted. What was there when the recording
//! began comes from the capture's state blocks; what changed is replayed event by event up to the instant. Where only processes
//! are asked for, the last keyframe before the instant stands for all that was before it; of descriptors keyframes tell only those
//! that calls have shown, and nothing of who would close with an exec. Captures of sysdig are replayed by `told`.

mod halted;
mod joined;
mod kept;
mod making;
mod needed;
mod rows;
mod told;

pub use joined::Joined;
pub(crate) use kept::{Common, Kept, MOST_RAW, Part};
pub use making::Spacing;
pub(crate) use making::{Made as States, Pressed, Resuming, make};

pub(crate) use rows::rows;

use crate::made::Asked;
use crate::session::{Progress, Session, Visitor};
use afterimage_format::{ErrorKind, Heads, Keyframe};
use afterimage_model::{
    BootNs, ContainerId, Ctx, EventFlags, FileId, Mount, Origin, ProcId, Process, Tables, Value,
    render,
};
use afterimage_query::{Among, Made};
use needed::{Change, Does};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A process: its pid and its start, ns since boot.
type Identity = (u32, u64);

/// Most descriptors that are kept; an answer that would need more says that it is not complete.
const MOST_OPEN: usize = 1 << 20;

/// `O_CLOEXEC`, as sockets, pipes and epoll instances spell it too (asm-generic/fcntl.h).
const CLOSE_ON_EXEC: i64 = 0o2000000;

/// Events up to which no keyframe is looked for: so many are read in a moment.
const AT_ONCE: u64 = 200_000;

/// A descriptor that is open.
#[derive(Clone, Copy)]
struct Open {
    file: Option<FileId>,
    /// Number of the event that opened it; `None` when it was open before.
    since: Option<u64>,
    closes_on_exec: bool,
}

/// Everything that was at an instant.
pub(crate) struct Instant {
    /// The instant, ns since boot.
    at: u64,
    /// From when on events are replayed, ns since boot.
    from: u64,
    /// By type, what events do.
    does: Vec<Does>,
    /// Whether events that change nothing are passed over.
    sifts: bool,
    tables: Tables,
    /// The row of each process as of its last event.
    lived: BTreeMap<Identity, ProcId>,
    ended: HashSet<Identity>,
    open: BTreeMap<Identity, BTreeMap<u32, Open>>,
    opened: usize,
    /// Descriptors that were opened or closed before the instant, whatever became of them; of processes that were not over.
    touched: HashMap<Identity, HashSet<u32>>,
    /// Files that descriptors were opened on in the capture, so that a state block of later is not taken for the beginning.
    made: HashSet<(Identity, u32, u64)>,
    /// Processes with events, of before or after the instant.
    seen: HashSet<Identity>,
    listening: HashSet<FileId>,
    /// Of a capture of sysdig: what a clone left to a process of which nothing was heard yet.
    born: Option<told::Born>,
    mounted: BTreeMap<(u32, Vec<u8>), (u64, Arc<Mount>)>,
    unmounted: HashSet<(u32, Vec<u8>)>,
    /// Rows of ancestors, whether anything was heard of them or not.
    above: BTreeMap<ProcId, Arc<Process>>,
    /// Where events are gone through on behalf of states to be kept, what those need besides.
    noting: Option<Box<kept::Noting>>,
    /// Where a kept state is gone on from, processes that the chunks since then were the first to speak of, each with its row.
    news: Option<BTreeMap<Identity, ProcId>>,
}

fn identity(process: &Process) -> Identity {
    (process.key.pid, process.key.start_ns)
}

impl Instant {
    /// Replays a capture up to an instant, for a view. Gives whether it was not stopped.
    fn replay(session: &Session, made: Made, asked: &Asked<'_>) -> (Instant, bool) {
        let at = asked.span.map_or(u64::MAX, |span| span.1);
        let spared = match made {
            Made::Environment | Made::Containers => AT_ONCE,
            // Of a capture of another program keyframes tell every descriptor, but not which event opened it.
            Made::Processes if session.is_scap() => AT_ONCE,
            _ => u64::MAX,
        };
        Instant::of(session, at, spared, asked.progress)
    }

    /// Everything at an instant, ns since boot; where a keyframe spares more events than `spared`, only its processes.
    fn of(session: &Session, at: u64, spared: u64, progress: &Progress) -> (Instant, bool) {
        Instant::replayed(session, at, spared, true, progress)
    }

    /// As [`Instant::of`], by all events or only by those that change something.
    fn replayed(
        session: &Session,
        at: u64,
        spared: u64,
        sifts: bool,
        progress: &Progress,
    ) -> (Instant, bool) {
        let mut state = Instant::before(session, at);
        state.sifts = sifts;
        let kept = session.kept_states().filter(|_| sifts);
        let complete = if session.is_scap() {
            state.replay_told(session, kept.as_ref(), spared, progress)
        } else if let Some(complete) =
            kept.and_then(|kept| state.replay_from(session, &kept, progress))
        {
            complete
        } else if let Some(frame) = session.resume(BootNs(at), spared) {
            state.go_on(session, &frame, progress)
        } else {
            let walked = session.walk(None, None, 1, progress, &mut state);
            state.add_what_was_before();
            walked.complete
        };
        let all = state.opened < MOST_OPEN;
        state.trim(session);
        (state, complete && all)
    }

    /// What is known before any event.
    fn before(session: &Session, at: u64) -> Instant {
        Instant {
            at,
            from: 0,
            does: Does::of_all(session.schema()),
            sifts: true,
            tables: session.state().clone(),
            lived: BTreeMap::new(),
            ended: HashSet::new(),
            open: BTreeMap::new(),
            opened: 0,
            touched: HashMap::new(),
            made: HashSet::new(),
            seen: HashSet::new(),
            listening: HashSet::new(),
            born: session.is_scap().then(told::Born::default),
            mounted: BTreeMap::new(),
            unmounted: HashSet::new(),
            above: BTreeMap::new(),
            noting: None,
            news: None,
        }
    }

    /// Lets go of the rows of processes that were over, or not yet there: what is known of the capture as a whole, of those that
    /// lived and of their ancestors stays.
    fn trim(&mut self, session: &Session) {
        let roots = self.living().map(|(_, process)| process.id);
        let roots: Vec<ProcId> = roots.chain(session.state().procs.keys().copied()).collect();
        self.keep_procs(roots);
    }

    /// Keeps the rows of these processes and of their ancestors alone.
    fn keep_procs(&mut self, roots: Vec<ProcId>) {
        let mut procs = BTreeMap::new();
        for root in roots {
            let mut next = Some(root);
            while let Some(id) = next
                && !procs.contains_key(&id)
                && let Some(row) = self.tables.procs.get(&id).or_else(|| self.above.get(&id))
            {
                next = row.parent;
                procs.insert(id, row.clone());
            }
        }
        self.tables.procs = procs;
    }

    /// From a keyframe on. Says whether it was not stopped.
    fn go_on(&mut self, session: &Session, frame: &Keyframe, progress: &Progress) -> bool {
        self.tables.absorb(&frame.tables);
        for process in frame.tables.procs.values() {
            if !process.past && !process.is_nobody() && process.key.pid != 0 {
                self.lived.insert(identity(process), process.id);
            }
        }
        // Instants of events may be cut to microseconds; what was done before is done again, which changes nothing.
        self.from = frame.at.0.saturating_sub(1_000);
        let went_on = session.walk(None, Some((self.from, self.at)), 1, progress, self);
        // Of one that began since then there may be no event yet.
        for process in session.state().procs.values() {
            if (frame.at.0..=self.at).contains(&process.key.start_ns) && !process.is_nobody() {
                self.lived.entry(identity(process)).or_insert(process.id);
            }
        }
        went_on.complete
    }

    /// Everything at an instant as the tables of a state: rows say which of them no process had any more, descriptors and mounts
    /// are those that there were. Gives whether it was not stopped.
    pub(crate) fn tables(session: &Session, at: BootNs, progress: &Progress) -> (Tables, bool) {
        Instant::tables_by(session, at, true, progress)
    }

    /// As [`Instant::tables`], by all events or only by those that change something.
    pub(crate) fn tables_by(
        session: &Session,
        at: BootNs,
        sifts: bool,
        progress: &Progress,
    ) -> (Tables, bool) {
        let spared = match session.is_scap() {
            true => AT_ONCE,
            false => u64::MAX,
        };
        let (state, complete) = Instant::replayed(session, at.0, spared, sifts, progress);
        (state.into_tables(), complete)
    }

    fn into_tables(mut self) -> Tables {
        let living: HashSet<ProcId> = self.living().map(|(_, process)| process.id).collect();
        for (id, row) in &mut self.tables.procs {
            let past = !living.contains(id);
            if row.past != past {
                Arc::make_mut(row).past = past;
            }
        }
        let open = self.living().flat_map(|(who, process)| {
            let open = self.open.get(&who).into_iter().flatten();
            open.filter_map(move |(fd, open)| Some(((process.id, *fd), open.file?)))
        });
        let descriptors: BTreeMap<(ProcId, u32), FileId> = open.collect();
        let Instant {
            mut tables,
            mounted,
            unmounted,
            ..
        } = self;
        let files: HashSet<FileId> = descriptors.values().copied().collect();
        tables.files.retain(|id, _| files.contains(id));
        tables.descriptors = descriptors;
        tables.mounts.retain(|_, mount| {
            let key = (mount.ns_mnt, mount.point.clone());
            !unmounted.contains(&key) && !mounted.contains_key(&key)
        });
        // Their ids are not known: from the end, where the kernel's do not get to.
        for (id, (_, mount)) in (0..=u32::MAX).rev().zip(mounted.values()) {
            let mount = Mount {
                id,
                ..mount.as_ref().clone()
            };
            tables.mounts.insert((mount.ns_mnt, id), Arc::new(mount));
        }
        tables
    }

    fn keep_rows(&mut self, ctx: &Ctx<'_>) {
        let Tables { procs, files, .. } = &mut self.tables;
        if let Some(row) = ctx.tables.procs.get(&ctx.event.proc) {
            procs.entry(row.id).or_insert_with(|| row.clone());
            let mut next = row.parent;
            while let Some(id) = next
                && !self.above.contains_key(&id)
                && let Some(row) = ctx.tables.procs.get(&id)
            {
                self.above.insert(id, row.clone());
                next = row.parent;
            }
        }
        if let Some(id) = ctx.event.file
            && let Some(row) = ctx.tables.files.get(&id)
        {
            files.entry(id).or_insert_with(|| row.clone());
        }
    }

    /// Rows of state blocks: processes without events, and descriptors nothing happened to.
    fn add_what_was_before(&mut self) {
        let rows: Vec<Arc<Process>> = self.tables.procs.values().cloned().collect();
        let (past, present): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.past);
        for process in present.into_iter().chain(past) {
            let who = identity(&process);
            // Of one that was over when that was written, and of which there is no event, only the name is of use.
            let over = process.past && !self.seen.contains(&who);
            let begun = process.key.start_ns <= self.at;
            if begun && !over && !process.is_nobody() && process.key.pid != 0 {
                self.lived.entry(who).or_insert(process.id);
            }
        }
        self.add_descriptors();
    }

    /// Descriptors of state blocks that nothing happened to.
    fn add_descriptors(&mut self) {
        let known: Vec<((ProcId, u32), FileId)> = self
            .tables
            .descriptors
            .iter()
            .map(|(key, file)| (*key, *file))
            .collect();
        for ((proc, fd), file) in known {
            let Some(who) = self.tables.proc(proc).map(identity) else {
                continue;
            };
            let ino = self.tables.file(file).map_or(0, |file| file.ino);
            if !self.has_touched(who, fd) && !self.made.contains(&(who, fd, ino)) {
                self.put(who, fd, Some(file), None, false);
            }
        }
    }

    fn has_touched(&self, who: Identity, fd: u32) -> bool {
        (self.touched.get(&who)).is_some_and(|touched| touched.contains(&fd))
    }

    fn touch(&mut self, who: Identity, fd: u32) {
        self.touched.entry(who).or_default().insert(fd);
    }

    /// Of a process that is over nothing is open, whatever a thread of it still does.
    fn put(&mut self, who: Identity, fd: u32, file: Option<FileId>, since: Option<u64>, x: bool) {
        if self.opened < MOST_OPEN && !self.ended.contains(&who) {
            let open = Open {
                file,
                since,
                closes_on_exec: x,
            };
            if self.open.entry(who).or_default().insert(fd, open).is_none() {
                self.opened += 1;
            }
        }
    }

    fn close(&mut self, who: Identity, fd: u32) {
        self.touch(who, fd);
        if let Some(open) = self.open.get_mut(&who)
            && open.remove(&fd).is_some()
        {
            self.opened = self.opened.saturating_sub(1);
        }
    }

    fn end(&mut self, who: Identity, at: BootNs) {
        self.ended.insert(who);
        if let Some(noting) = &mut self.noting {
            noting.end(who, at);
        }
        self.touched.remove(&who);
        let gone = self.open.remove(&who).map_or(0, |open| open.len());
        self.opened = self.opened.saturating_sub(gone);
    }

    /// The first event of a process: it has what its parent had.
    fn inherit(&mut self, ctx: &Ctx<'_>, process: &Process, who: Identity) {
        if self.lived.contains_key(&who) {
            return;
        }
        let parent = process.parent.and_then(|id| ctx.tables.proc(id));
        let Some(inherited) = parent
            .map(identity)
            .filter(|parent| *parent != who)
            .and_then(|parent| self.open.get(&parent))
            .cloned()
        else {
            return;
        };
        for (fd, open) in inherited {
            self.put(who, fd, open.file, open.since, open.closes_on_exec);
        }
    }

    fn change(&mut self, ctx: &Ctx<'_>, who: Identity, later: bool) {
        let event = ctx.event;
        let Some(ty) = ctx.ty() else { return };
        let ino = event
            .file
            .and_then(|id| self.tables.file(id))
            .map_or(0, |file| file.ino);
        let argument = |name: &str| match ty.arg_index(name).and_then(|at| event.args.get(at)) {
            Some(Value::Num(n)) => Some(*n),
            _ => None,
        };
        let failed = event.errno().is_some();
        let does = self.does.get(usize::from(event.ty.0)).copied();
        let does = does.unwrap_or_default();
        let gives = match does.change {
            Some(Change::Duplicate) => true,
            Some(Change::Control) if matches!(argument("op"), Some(0 | 1030)) => true,
            _ => does.opens && !event.flags.has(EventFlags::NO_RESULT),
        };
        if gives && !failed && event.result >= 0 {
            let fd = u32::try_from(event.result).unwrap_or(u32::MAX);
            if later {
                self.made.insert((who, fd, ino));
                return;
            }
            if (self.noting.as_ref()).is_some_and(|noting| noting.is_told(who, fd, ino)) {
                self.made.insert((who, fd, ino));
            }
            self.touch(who, fd);
            let flags = argument("flags")
                .or_else(|| argument("type"))
                .unwrap_or_default();
            let x = flags & CLOSE_ON_EXEC != 0 || argument("op") == Some(1030);
            return self.put(who, fd, event.file, Some(ctx.num), x);
        }
        if later {
            return;
        }
        match does.change {
            Some(Change::Close) if !failed => {
                if let Some(fd) = argument("fd").and_then(|fd| u32::try_from(fd).ok()) {
                    self.close(who, fd);
                }
            }
            Some(Change::CloseRange) if !failed => {
                let (first, last) = (argument("first"), argument("last"));
                let first = first.and_then(|n| u32::try_from(n & 0xffff_ffff).ok());
                let last = last.and_then(|n| u32::try_from(n & 0xffff_ffff).ok());
                let (first, last) = (first.unwrap_or(0), last.unwrap_or(u32::MAX));
                let fds = self.open.get(&who).into_iter().flatten().map(|(fd, _)| *fd);
                for fd in fds
                    .filter(|fd| (first..=last).contains(fd))
                    .collect::<Vec<_>>()
                {
                    self.close(who, fd);
                }
            }
            Some(Change::Control) if !failed && argument("op") == Some(2) => {
                let fd = argument("fd").and_then(|fd| u32::try_from(fd).ok());
                let open = self.open.get_mut(&who);
                if let Some(open) = open.and_then(|open| open.get_mut(&fd.unwrap_or(u32::MAX))) {
                    open.closes_on_exec = argument("arg").is_some_and(|arg| arg & 1 != 0);
                }
            }
            Some(Change::Pair) if !failed => {
                let pair = event.args.iter().find_map(|value| match value {
                    Value::Bytes(blob) => render::fd_pair(&blob.bytes),
                    _ => None,
                });
                let x = argument("flags").or_else(|| argument("type")).unwrap_or(0);
                for fd in pair.into_iter().flatten() {
                    if let Ok(fd) = u32::try_from(fd) {
                        self.touch(who, fd);
                        let x = x & CLOSE_ON_EXEC != 0;
                        self.put(who, fd, event.file, Some(ctx.num), x);
                    }
                }
            }
            Some(Change::Exec) if !failed => {
                if let Some(open) = self.open.get_mut(&who) {
                    open.retain(|_, open| !open.closes_on_exec);
                }
            }
            Some(Change::Listen) if !failed => self.listening.extend(event.file),
            Some(Change::End) if ctx.proc().is_some_and(|row| row.key.pid == event.tid) => {
                self.end(who, event.time);
            }
            Some(Change::Mount) if !failed => self.mount(ctx),
            Some(Change::Unmount) if !failed => {
                let point = render::arg_text(ctx, ty.arg_index("target").unwrap_or(0));
                let namespace = ctx.proc().map_or(0, |row| row.ns_mnt);
                let key = (namespace, point.unwrap_or_default());
                self.mounted.remove(&key);
                self.unmounted.insert(key);
            }
            _ => {}
        }
        // Whatever a descriptor was used for says what it is, also one that was open before.
        if does.uses
            && !failed
            && let (Some(file), Some(Value::Num(fd))) = (event.file, event.args.first())
            && let Ok(fd) = u32::try_from(*fd)
        {
            let touched = self.has_touched(who, fd);
            match self.open.get_mut(&who).and_then(|open| open.get_mut(&fd)) {
                Some(open) => open.file = Some(file),
                None if !touched => self.put(who, fd, Some(file), None, false),
                None => {}
            }
        }
    }

    fn mount(&mut self, ctx: &Ctx<'_>) {
        /// More mounts than a machine has.
        const MOST: usize = 100_000;
        let Some((ty, process)) = ctx.ty().zip(ctx.proc()) else {
            return;
        };
        let of = |name: &str| {
            ty.arg_index(name)
                .and_then(|at| render::arg_text(ctx, at))
                .unwrap_or_default()
        };
        let mount = Mount {
            ns_mnt: process.ns_mnt,
            container: process.container,
            point: of("target"),
            options: of("mountflags"),
            fs_type: of("filesystemtype"),
            source: of("source"),
            ..Mount::default()
        };
        if self.mounted.len() < MOST {
            let key = (mount.ns_mnt, mount.point.clone());
            self.unmounted.remove(&key);
            self.mounted.insert(key, (ctx.num, Arc::new(mount)));
        }
    }

    /// A row of nobody in each container, so that fields can be asked of one none of whose processes is known.
    fn add_somebody(&mut self) -> HashMap<ContainerId, ProcId> {
        let containers: Vec<ContainerId> = self.tables.containers.keys().copied().collect();
        // From the end: captures number rows from the beginning.
        let free = (0..=u32::MAX).rev().map(ProcId);
        let mut free = free
            .filter(|id| !self.tables.procs.contains_key(id))
            .take(containers.len());
        let ids: Vec<ProcId> = free.by_ref().collect();
        drop(free);
        let mut out = HashMap::new();
        for (container, id) in containers.into_iter().zip(ids) {
            let row = Process {
                id,
                container: Some(container),
                origin: Origin::Runtime,
                ..Process::default()
            };
            self.tables.procs.insert(id, Arc::new(row));
            out.insert(container, id);
        }
        out
    }

    /// Processes that lived, each with its row.
    fn living(&self) -> impl Iterator<Item = (Identity, &Process)> {
        self.lived
            .iter()
            .filter(|(who, _)| who.1 <= self.at && !self.ended.contains(*who))
            .filter_map(|(who, id)| Some((*who, self.tables.proc(*id)?)))
    }
}

impl Visitor for Instant {
    fn sifts(&self) -> bool {
        self.sifts
    }

    fn by_lists(&self) -> bool {
        self.sifts
    }

    fn rows(
        &mut self,
        chunk: usize,
        heads: &Heads<'_>,
        among: &Among<'_>,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        if let Some(noting) = &mut self.noting {
            noting.chunk = u32::try_from(chunk).unwrap_or(u32::MAX);
            let zone = heads.zone();
            noting.begins = zone.start.0.min(zone.end.0);
            let latest = heads.times()?.iter().copied().max();
            noting.latest = noting.latest.max(latest.unwrap_or(0));
        }
        Ok(Some(match self.born {
            Some(_) => self.needed_told(heads, among)?,
            None => self.needed(heads, among)?,
        }))
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        self.keep_rows(ctx);
        let Some(process) = ctx.proc() else {
            return true;
        };
        if self.born.is_some() {
            self.event_told(ctx, process);
            return true;
        }
        let who = identity(process);
        let later = ctx.event.time.0 > self.at;
        match &mut self.noting {
            Some(noting) => noting.show(who, ctx.event.time.0),
            None => drop(self.seen.insert(who)),
        }
        if !later {
            self.inherit(ctx, process, who);
            self.lived.insert(who, process.id);
        }
        self.change(ctx, who, later);
        true
    }
}

#[cfg(test)]
mod tests;
