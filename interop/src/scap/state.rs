//! What events do to what is known: threads come and go, descriptors are opened, named and closed, ids and directories
//! change. The rules are those of the peers, so that the same question gets the same answer.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

pub(super) mod effects;
mod files;
mod listed;
mod net;
mod quiet;
mod tasks;

pub use self::net::tuple_name;

use super::containers::{self, Containers};
use super::event::Raw;
use super::lists::{self, Account, Addr, Behind, Interface, Listed, Machine};
use super::recent::Recent;
use super::threads::*;
use super::types::{self, CODES, EventType};
use afterimage_model::Process;
use afterimage_model::render::scap::{join_path, mapped, printable};
use effects::is_clone_return;
use hashbrown::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Threads that are known at once at the most, as of the peers.
const MAX_THREADS: usize = 131_072;

/// Descriptors of a process at the most, as of the peers.
const MAX_FDS: usize = 4096;

/// A child's return from clone that comes later than this after its parent's belongs to another thread, ns.
const STALE_CLONE: u64 = 2_000_000_000;

/// `AT_FDCWD` as scap numbers it.
const AT_FDCWD: i64 = -100;

/// `O_DIRECTORY` as scap numbers it.
const O_DIRECTORY: u32 = 1 << 10;

/// The file lies in the upper layer of an overlay, in the flags of an open that returned.
const UPPER_LAYER: u32 = 1 << 15;

/// The file lies in a lower layer of an overlay.
const LOWER_LAYER: u32 = 1 << 16;

/// An account of the user list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountRow {
    /// Name.
    pub name: String,
    /// Home directory.
    pub home: String,
    /// Shell.
    pub shell: String,
}

/// Users or groups, by container (empty for the host) and id.
pub type Accounts = HashMap<(Arc<str>, u32), AccountRow>;

/// Everything known at an instant.
pub struct State {
    /// The entry that the event followed last returned from, where it was kept.
    pub asked: Option<Entry>,
    /// The machine.
    pub machine: Option<Machine>,
    /// Its addresses.
    pub interfaces: Vec<Interface>,
    /// Threads by id.
    pub threads: Recent<Box<Thread>>,
    /// Users.
    pub users: Accounts,
    /// Groups.
    pub groups: Accounts,
    /// Containers.
    pub containers: Containers,
    /// Grows with every change that a process row shows.
    pub generation: u64,
    /// What that was when an account changed last.
    pub accounts_changed: u64,
    /// Threads that found no room.
    pub refused_threads: u64,
    server_ports: HashSet<u16>,
    closing: Option<(i64, i64)>,
    leaving: Option<i64>,
    switched: Vec<u64>,
    host: Arc<str>,
    ready: bool,
    /// Threads of the lists whose category is still to be found out.
    listed: Vec<i64>,
}

/// What is known of an event once it is over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// The thread it is about is known.
    pub has_thread: bool,
    /// Its thread was known before it.
    pub had_thread: bool,
    /// The descriptor it is about: owner and number.
    pub file: Option<(i64, i64)>,
    /// The descriptor was called otherwise before.
    pub renamed: bool,
    /// Processor time of the slice that a switch ends.
    pub slice: u64,
    /// Of a sample, processor time of the thread.
    pub used: Option<Used>,
}

/// What a thread has used of processors since the sample before: in the program, in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// Nanoseconds; none of the first sample.
    pub time: Option<[u64; 2]>,
    /// Percent of a second, as the peers count it: all, in the program, in the kernel.
    pub shares: [f64; 3],
}

/// A working copy of what an event is about.
struct At<'r, 'b> {
    raw: &'r Raw<'b>,
    row: &'static EventType,
    tid: i64,
    has_thread: bool,
    file: Option<(i64, i64)>,
    name_before: Option<Arc<[u8]>>,
    entry: Option<Entry>,
    used: Option<Used>,
}

impl At<'_, '_> {
    fn int(&self, name: &str) -> Option<i64> {
        self.raw.int(self.row.place(name)?)
    }

    fn word(&self, name: &str) -> Option<u32> {
        self.raw.word(self.row.place(name)?)
    }

    fn result(&self) -> i64 {
        self.raw.int(0).unwrap_or(0)
    }

    /// A parameter of the entry, by its place.
    fn entry_raw(&self) -> Option<Raw<'_>> {
        self.entry
            .as_ref()
            .filter(|entry| entry.code.checked_add(1) == Some(self.raw.code))
            .map(Entry::raw)
    }
}

fn bytes(text: &[u8]) -> Arc<[u8]> {
    Arc::from(text)
}

impl Default for State {
    fn default() -> Self {
        State::new()
    }
}

impl State {
    /// Nothing is known.
    pub fn new() -> State {
        State {
            asked: None,
            machine: None,
            interfaces: Vec::new(),
            threads: Recent::default(),
            users: HashMap::new(),
            groups: HashMap::new(),
            containers: Containers::default(),
            generation: 1,
            accounts_changed: 1,
            refused_threads: 0,
            server_ports: HashSet::new(),
            closing: None,
            leaving: None,
            switched: Vec::new(),
            host: Arc::from(""),
            ready: false,
            listed: Vec::new(),
        }
    }

    // ---- looking up ----

    /// The thread, made up when it is not known.
    fn ensure(&mut self, tid: i64) -> bool {
        if self.threads.contains_key(&tid) {
            return true;
        }
        if self.threads.len() >= MAX_THREADS {
            self.refused_threads += 1;
            return false;
        }
        let mut thread = Thread::unknown(tid);
        thread.children = self
            .threads
            .values()
            .filter(|other| other.pid == tid)
            .count() as u64;
        self.threads.insert(tid, Box::new(thread));
        self.generation += 1;
        true
    }

    /// The main thread of a thread's process, made up when it is not known.
    fn main_of(&mut self, tid: i64) -> Option<i64> {
        let thread = self.threads.get(&tid)?;
        if thread.is_main() {
            return Some(tid);
        }
        let pid = thread.pid;
        self.ensure(pid).then_some(pid)
    }

    /// Whose descriptors a thread uses.
    fn owner(&mut self, tid: i64) -> Option<i64> {
        if self.threads.get(&tid)?.flags & CLONE_FILES == 0 {
            Some(tid)
        } else {
            self.main_of(tid)
        }
    }

    /// A descriptor of a thread.
    fn find(&mut self, tid: i64, fd: i64) -> Option<(i64, i64)> {
        if fd < 0 {
            return None;
        }
        let owner = self.owner(tid)?;
        self.threads
            .get(&owner)?
            .fds
            .contains_key(&fd)
            .then_some((owner, fd))
    }

    /// What is behind a descriptor.
    pub fn fd(&self, place: (i64, i64)) -> Option<&Fd> {
        self.threads.get(&place.0)?.fds.get(&place.1)
    }

    /// What is behind a descriptor, to be changed.
    pub fn fd_mut(&mut self, place: (i64, i64)) -> Option<&mut Fd> {
        self.threads.get_mut(&place.0)?.fds.get_mut(&place.1)
    }

    /// What is behind a descriptor of a thread.
    pub fn fd_of(&mut self, tid: i64, fd: i64) -> Option<&Fd> {
        let place = self.find(tid, fd)?;
        self.fd(place)
    }

    /// An account by its id: of the list of a container where that has one, else of the host's.
    pub fn account<'s>(
        &self,
        list: &'s Accounts,
        owner: Option<&Arc<str>>,
        id: u32,
    ) -> Option<&'s AccountRow> {
        let own = owner.and_then(|owner| list.get(&(owner.clone(), id)));
        own.or_else(|| list.get(&(self.host.clone(), id)))
    }

    /// The working directory of a thread.
    pub fn cwd(&mut self, tid: i64) -> Arc<[u8]> {
        let main = self.main_of(tid).and_then(|main| self.threads.get(&main));
        main.map_or_else(|| bytes(b"./"), |main| main.cwd.clone())
    }

    /// As [`State::cwd`], of which nothing is made up.
    pub fn known_cwd(&self, tid: i64) -> Arc<[u8]> {
        let Some(thread) = self.threads.get(&tid) else {
            return bytes(b"./");
        };
        let main = match thread.is_main() {
            true => Some(thread),
            false => self.threads.get(&thread.pid),
        };
        main.map_or_else(|| bytes(b""), |main| main.cwd.clone())
    }

    fn set_cwd(&mut self, tid: i64, path: &[u8]) {
        let Some(main) = self
            .main_of(tid)
            .and_then(|main| self.threads.get_mut(&main))
        else {
            return;
        };
        let cwd = with_slash(join_path(&main.cwd, path));
        if main.cwd != cwd {
            main.cwd = cwd;
            self.generation += 1;
        }
    }

    fn set_cgroups(&mut self, thread: &mut Thread, cgroups: &[u8]) {
        thread.cgroups = containers::normal(cgroups);
        thread.container = self.containers.of(&thread.cgroups);
    }

    // ---- events ----

    /// What the event before left to do: descriptors that were closed and threads that ended are forgotten only now, so
    /// that the event itself could still be asked for them.
    pub(super) fn catch_up(&mut self) {
        if let Some(tid) = self.leaving.take() {
            self.remove_thread(tid, false);
        }
        if let Some((tid, fd)) = self.closing.take() {
            self.ensure(tid);
            if let Some(owner) = self
                .owner(tid)
                .and_then(|owner| self.threads.get_mut(&owner))
            {
                owner.fds.remove(&fd);
            }
        }
    }

    fn remove_thread(&mut self, tid: i64, force: bool) {
        let Some(thread) = self.threads.get(&tid) else {
            return;
        };
        let children = thread.children;
        if children > 0 && !force {
            return;
        }
        let (is_thread, pid) = (thread.flags & CLONE_THREAD != 0, thread.pid);
        if is_thread && let Some(main) = self.threads.get_mut(&pid) {
            main.children = main.children.saturating_sub(1);
        }
        self.threads.remove(&tid);
        self.generation += 1;
        if children > 0 {
            self.recount();
        }
    }

    /// Counts the other threads of every process anew.
    fn recount(&mut self) {
        let mut counts: HashMap<i64, u64> = HashMap::new();
        for thread in self
            .threads
            .values()
            .filter(|thread| thread.flags & CLONE_THREAD != 0)
        {
            *counts.entry(thread.pid).or_default() += 1;
        }
        for thread in self.threads.values_mut() {
            thread.children = counts.get(&thread.tid).copied().unwrap_or(0);
        }
    }

    /// Follows one event.
    pub fn follow(&mut self, raw: &Raw<'_>) -> Seen {
        self.settle();
        self.catch_up();
        // Containers that are told of in front of everything else are known to the peers before the lists are.
        if !self.listed.is_empty() && !effects::tells_of_a_container(raw.code) {
            for tid in std::mem::take(&mut self.listed) {
                self.categorize(tid);
            }
            self.generation += 1;
        }
        let Some(row) = types::row(raw.code) else {
            // Whose it is can be told of any event.
            return Seen {
                has_thread: self.threads.contains_key(&raw.tid),
                ..Seen::default()
            };
        };
        let mut at = At {
            raw,
            row,
            tid: raw.tid,
            has_thread: false,
            file: None,
            name_before: None,
            entry: None,
            used: None,
        };
        self.reset(&mut at);
        let had_thread = at.has_thread;
        self.change(&mut at);
        self.finish(at, had_thread)
    }

    fn finish(&mut self, mut at: At<'_, '_>, had_thread: bool) -> Seen {
        let (raw, row) = (at.raw, at.row);
        if !raw.is_entry()
            && at.has_thread
            && let Some(thread) = self.threads.get_mut(&raw.tid)
        {
            thread.entry = None;
        }
        self.asked = at.entry.take();
        let has_thread = self.threads.contains_key(&raw.tid);
        if is_about_fd(row) && has_thread && at.file.is_none() {
            let last = self
                .threads
                .get(&raw.tid)
                .map_or(-1, |thread| thread.last_fd);
            at.file = self.find(raw.tid, last);
            at.name_before = None;
        }
        let renamed = match (at.file.and_then(|place| self.fd(place)), at.name_before) {
            (Some(fd), Some(before)) => fd.name != before,
            _ => false,
        };
        let slice = self.slice(raw.cpu, raw.ts, raw.code);
        if let Some(thread) = self.threads.get_mut(&raw.tid).filter(|_| slice > 0) {
            thread.exec_time = thread.exec_time.saturating_add(slice);
        }
        Seen {
            has_thread,
            had_thread,
            file: at.file.filter(|_| is_about_fd(row)),
            renamed,
            slice,
            used: at.used,
        }
    }

    /// Whether the lists have been taken in.
    pub fn is_settled(&self) -> bool {
        self.ready && self.listed.is_empty()
    }

    /// An event of a thread that is not followed: of a switch, the CPU it is on goes on.
    pub fn switched_elsewhere(&mut self, cpu: u16, ts: u64, code: u16) {
        self.slice(cpu, ts, code);
    }

    /// Time since the last switch on the same CPU, for a switch.
    fn slice(&mut self, cpu: u16, ts: u64, code: u16) -> u64 {
        if !matches!(code, 146 | 152) || cpu >= 8192 {
            return 0;
        }
        let cpu = usize::from(cpu);
        if self.switched.len() <= cpu {
            self.switched.resize(cpu + 1, 0);
        }
        let Some(last) = self.switched.get_mut(cpu) else {
            return 0;
        };
        match std::mem::replace(last, ts) {
            0 => 0,
            before => ts.saturating_sub(before),
        }
    }

    /// Finds thread and descriptor of an event, and pairs entries with returns.
    fn reset(&mut self, at: &mut At<'_, '_>) {
        let (raw, row) = (at.raw, at.row);
        at.file = None;
        if row.skips || effects::tells_of_a_container(raw.code) {
            at.has_thread = raw.code == types::SAMPLE && self.threads.contains_key(&raw.tid);
            return;
        }
        at.has_thread = if is_clone_return(raw.code) || raw.code == 152 {
            self.threads.contains_key(&raw.tid)
        } else {
            self.ensure(raw.tid)
        };
        if raw.code == 152 || !at.has_thread {
            return;
        }
        let tid = raw.tid;
        if raw.is_entry() {
            let fd = if row.uses {
                raw.int(0).unwrap_or(-1)
            } else {
                -1
            };
            if let Some(thread) = self.threads.get_mut(&tid) {
                thread.last_fd = fd;
                thread.last_code = i32::from(raw.code);
                thread.latency = 0;
                thread.entered = raw.ts;
            }
            if row.uses {
                self.point(at, fd);
            }
            return;
        }
        let Some(thread) = self.threads.get_mut(&tid) else {
            return;
        };
        if thread.entered != 0 {
            thread.latency = raw.ts.saturating_sub(thread.entered);
        }
        thread.paired = thread.last_code + 1 == i32::from(raw.code);
        let (paired, last) = (thread.paired, thread.last_fd);
        at.entry = if paired { thread.entry.take() } else { None };
        // Later writers put the descriptor into the return as well, and may leave the entry out.
        let own = row.fd.and_then(|place| raw.int(place));
        let fd = match raw.code {
            333 => raw.int(1).unwrap_or(-1),
            _ if paired => last,
            _ => match own {
                Some(fd) => fd,
                None => return,
            },
        };
        if row.uses {
            if let Some(thread) = self.threads.get_mut(&tid) {
                thread.last_fd = fd;
            }
            self.point(at, fd);
        }
    }

    /// Makes a descriptor the one the event is about.
    fn point(&mut self, at: &mut At<'_, '_>, fd: i64) {
        at.file = self.find(at.tid, fd);
        let changes = effects::changes_more(at.raw.code);
        let place = at.file.filter(|_| changes);
        at.name_before = place
            .and_then(|place| self.fd(place))
            .map(|fd| fd.name.clone());
    }

    fn thread(&mut self, at: &At<'_, '_>) -> Option<&mut Thread> {
        if at.has_thread {
            self.threads.get_mut(&at.tid).map(AsMut::as_mut)
        } else {
            None
        }
    }

    /// Puts something behind a descriptor of the event's thread, and makes it the one the event is about.
    fn add_fd(&mut self, at: &mut At<'_, '_>, number: i64, fd: Fd) {
        let was = at.name_before.take();
        let Some(owner) = self.owner(at.tid).filter(|_| at.has_thread) else {
            return;
        };
        if let Some(thread) = self.threads.get_mut(&owner)
            && (thread.fds.len() < MAX_FDS || thread.fds.contains_key(&number))
        {
            let from_other = was.is_some_and(|was| was == fd.name);
            at.name_before = Some(if from_other {
                fd.name.clone()
            } else {
                bytes(b"")
            });
            thread.fds.insert(number, fd);
            at.file = Some((owner, number));
        }
        if let Some(thread) = self.threads.get_mut(&at.tid) {
            thread.last_fd = number;
        }
    }
}

/// Whether the event type has to do with descriptors.
pub fn is_about_fd(row: &EventType) -> bool {
    row.marks & afterimage_model::TypeDesc::ABOUT_FD != 0
}

fn with_slash(mut path: Vec<u8>) -> Arc<[u8]> {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    Arc::from(path)
}
