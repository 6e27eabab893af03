//! What events do to what is known: threads come and go, descriptors are opened, named and closed, ids and directories
//! change. The rules are those of the peers, so that the same question gets the same answer.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod files;
mod listed;
mod net;
mod tasks;

pub use self::net::tuple_name;

use super::containers::{self, Containers};
use super::event::Raw;
use super::lists::{self, Account, Addr, Behind, Interface, Listed, Machine};
use super::threads::*;
use super::types::{self, EventType};
use afterimage_model::Process;
use afterimage_model::render::scap::{join_path, mapped, printable};
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
    /// The machine.
    pub machine: Option<Machine>,
    /// Its addresses.
    pub interfaces: Vec<Interface>,
    /// Threads by id.
    pub threads: HashMap<i64, Box<Thread>>,
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
            machine: None,
            interfaces: Vec::new(),
            threads: HashMap::new(),
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
    fn catch_up(&mut self) {
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
        let Some(row) = types::row(raw.code) else {
            return Seen::default();
        };
        let mut at = At {
            raw,
            row,
            tid: raw.tid,
            has_thread: false,
            file: None,
            name_before: None,
            entry: None,
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
        Seen {
            has_thread,
            had_thread,
            file: at.file.filter(|_| is_about_fd(row)),
            renamed,
            slice: self.slice(raw),
        }
    }

    /// Time since the last switch on the same CPU, for a switch.
    fn slice(&mut self, raw: &Raw<'_>) -> u64 {
        if !matches!(raw.code, 146 | 152) || raw.cpu >= 8192 {
            return 0;
        }
        let cpu = usize::from(raw.cpu);
        if self.switched.len() <= cpu {
            self.switched.resize(cpu + 1, 0);
        }
        let Some(last) = self.switched.get_mut(cpu) else {
            return 0;
        };
        let before = std::mem::replace(last, raw.ts);
        let slice = if before == 0 {
            0
        } else {
            raw.ts.saturating_sub(before)
        };
        if let Some(thread) = self.threads.get_mut(&raw.tid) {
            thread.exec_time = thread.exec_time.saturating_add(slice);
        }
        slice
    }

    /// Finds thread and descriptor of an event, and pairs entries with returns.
    fn reset(&mut self, at: &mut At<'_, '_>) {
        let (raw, row) = (at.raw, at.row);
        at.file = None;
        if row.skips || matches!(raw.code, 272 | 324) {
            at.has_thread = raw.code == 234 && self.threads.contains_key(&raw.tid);
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
        at.name_before = at
            .file
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

    /// What the event changes.
    fn change(&mut self, at: &mut At<'_, '_>) {
        let raw = at.raw;
        match raw.code {
            // Entries that are needed again when the call returns.
            30 => {
                if at.file.is_none() && at.has_thread {
                    self.infer_datagram(at);
                }
                self.keep(at);
            }
            2 | 18 | 36 | 48 | 58 | 62 | 94 | 96 | 102 | 140 | 142 | 144 | 188 | 192 | 194
            | 198 | 200 | 288 | 292 | 294 | 306 | 326 | 330 => self.keep(at),
            // fcntl, as far as it duplicates.
            150 if matches!(raw.uint(1), Some(1 | 26)) => self.keep(at),
            7 | 9 | 29 | 31 | 33 | 35 | 49 | 53 | 113 | 115 | 117 | 119 | 121 | 123 => {
                self.moved(at)
            }
            3 | 59 | 103 | 307 | 327 => self.opened(at),
            337 => self.opened_by_handle(at),
            15 | 157 | 183 | 185 | 217 | 219 | 221 | 223 | 225 | 227 | 335 => self.cloned(at),
            13 | 155 | 173 | 215 | 231 | 283 | 289 | 293 | 331 => self.executed(at),
            16 | 186 if at.has_thread => {
                self.leaving = Some(at.tid);
            }
            61 | 393 => self.piped(at),
            19 => self.socketed(at),
            21 => self.bound(at),
            22 => self.connecting(at),
            23 => self.connected(at),
            27 | 57 | 247 | 249 | 389 => self.accepted(at),
            5 => self.closed(at),
            151 => self.fcntled(at),
            63 | 397 => self.made(at, ty::EVENT, b""),
            127 | 399 => self.made(at, ty::SIGNALFD, b""),
            137 => self.made(at, ty::TIMERFD, b""),
            139 | 395 => self.made(at, ty::INOTIFY, b""),
            375 | 377 => self.made(at, ty::EVENTPOLL, b""),
            321 => self.made(at, ty::USERFAULTFD, b""),
            339 => self.made(at, ty::IOURING, b""),
            405 => {
                let name = at.raw.text(1).unwrap_or_default().to_vec();
                self.made(at, ty::MEMFD, &name);
            }
            409 => {
                let name = at
                    .int("pid")
                    .map_or_else(String::new, |pid| format!("pid:{pid}"));
                self.made(at, ty::PIDFD, name.as_bytes());
            }
            369 if at.result() >= 0 && matches!(at.word("cmd"), Some(0 | 5)) => {
                self.made(at, ty::BPF, b"bpf")
            }
            95 | 93 if at.has_thread && at.result() >= 0 => {
                let path = raw.text(1).unwrap_or_default().to_vec();
                self.set_cwd(at.tid, &path);
            }
            97 if at.has_thread && at.result() >= 0 => {
                if let Some(fd) = at.file.and_then(|place| self.fd(place)) {
                    let path = fd.name.clone();
                    self.set_cwd(at.tid, &path);
                }
            }
            125 | 363 | 365 | 367 => self.duplicated(at),
            141 | 143 => self.limited(at),
            145 => self.limited_other(at),
            43 => self.paired(at),
            152 => self.switched_off(at),
            159 | 161 | 163 | 165 => {
                let memory = [1, 2, 3].map(|place| raw.word(place));
                if let (Some(thread), [Some(a), Some(b), Some(c)]) = (self.thread(at), memory) {
                    thread.memory = [a, b, c];
                }
            }
            193 => self.user_changed(at, "euid", 1, true),
            195 => self.user_changed(at, "egid", 1, false),
            199 => self.user_changed(at, "uid", 0, true),
            201 => self.user_changed(at, "gid", 0, false),
            427 => self.user_changed(at, "euid", 1, true),
            429 => self.user_changed(at, "egid", 1, false),
            228 => {
                let text = |place| {
                    String::from_utf8_lossy(raw.text(place).unwrap_or_default()).into_owned()
                };
                self.containers
                    .told_plain(&text(0), raw.word(1).unwrap_or(0), &text(2), &text(3));
                self.generation += 1;
            }
            272 | 324 => {
                self.containers.told(raw.text(0).unwrap_or_default());
                self.generation += 1;
            }
            402 if raw.text(1) == Some(b"container") => {
                self.containers.told(raw.text(2).unwrap_or_default());
                self.generation += 1;
            }
            267 if raw.int(0) == Some(0) => {
                let cwd = self.cwd(at.tid);
                let root = bytes(&join_path(&cwd, raw.text(1).unwrap_or_default()));
                if let Some(thread) = self.thread(at) {
                    thread.root = root;
                }
            }
            275 if at.result() >= 0 => {
                let sid = at.result();
                if let Some(thread) = self.thread(at) {
                    thread.sid = sid;
                    self.generation += 1;
                }
            }
            47 if !raw.params.is_empty() => {
                let fd = raw.int(1).unwrap_or(-1);
                if at.has_thread {
                    let main = self.main_of(at.tid);
                    at.file = main
                        .filter(|main| self.fd((*main, fd)).is_some())
                        .map(|main| (main, fd));
                    if let Some(thread) = self.thread(at) {
                        thread.last_fd = fd;
                    }
                }
            }
            353 if at.result() >= 0 => {
                let caps =
                    ["cap_inheritable", "cap_permitted", "cap_effective"].map(|name| at.int(name));
                if let (Some(thread), [Some(a), Some(b), Some(c)]) = (self.thread(at), caps) {
                    thread.caps = [a as u64, b as u64, c as u64];
                    self.generation += 1;
                }
            }
            401 if at.result() >= 0 && at.word("option") == Some(15) => {
                // PR_SET_NAME.
                let name = bytes(
                    at.row
                        .place("arg2_str")
                        .and_then(|place| raw.text(place))
                        .unwrap_or_default(),
                );
                if let Some(thread) = self.thread(at) {
                    thread.comm = name;
                    self.generation += 1;
                }
            }
            407 if at.result() >= 0 => self.made(at, ty::UNKNOWN, b""),
            451 if at.result() >= 0 => self.closed_range(at),
            354 | 358 => self.account_added(at),
            356 | 360 => {
                let key = (self.account_owner(at), raw.word(0).unwrap_or(0));
                let table = if raw.code == 356 {
                    &mut self.users
                } else {
                    &mut self.groups
                };
                table.remove(&key);
                self.generation += 1;
                self.accounts_changed = self.generation;
            }
            _ => {}
        }
    }

    fn keep(&mut self, at: &At<'_, '_>) {
        let entry = Entry::keep(at.raw);
        if let Some(thread) = self.thread(at) {
            thread.entry = Some(entry);
        }
    }

    fn account_owner(&self, at: &At<'_, '_>) -> Arc<str> {
        let id = at
            .row
            .place("container_id")
            .and_then(|place| at.raw.text(place))
            .unwrap_or_default();
        match id {
            b"" | b"host" => self.host.clone(),
            id => Arc::from(String::from_utf8_lossy(id)),
        }
    }

    fn account_added(&mut self, at: &At<'_, '_>) {
        let owner = self.account_owner(at);
        let text = |name: &str| {
            let bytes = at
                .row
                .place(name)
                .and_then(|place| at.raw.text(place))
                .unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let row = AccountRow {
            name: text("name"),
            home: text("home"),
            shell: text("shell"),
        };
        let id = at.raw.word(0).unwrap_or(u32::MAX);
        let table = if at.raw.code == 354 {
            &mut self.users
        } else {
            &mut self.groups
        };
        // A capture with so many accounts is none.
        if table.len() < 1 << 20 {
            table.insert((owner, id), row);
        }
        self.generation += 1;
        self.accounts_changed = self.generation;
    }
}

/// Whether the event type has to do with descriptors.
pub fn is_about_fd(row: &EventType) -> bool {
    row.marks & afterimage_model::TypeDesc::ABOUT_FD != 0
}

fn is_clone_return(code: u16) -> bool {
    matches!(
        code,
        15 | 157 | 183 | 185 | 217 | 219 | 221 | 223 | 225 | 227 | 335
    )
}

fn with_slash(mut path: Vec<u8>) -> Arc<[u8]> {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    Arc::from(path)
}
