//! What events do to what is known: threads come and go, descriptors are opened, named and closed, ids and directories
//! change. The rules are those of the peers, so that the same question gets the same answer.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

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

    // ---- the lists ----

    /// Adds an account of the list.
    pub fn add_account(&mut self, account: &Account<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match account {
            Account::User(uid, name, home, shell) => {
                let row = AccountRow {
                    name: text(name),
                    home: text(home),
                    shell: text(shell),
                };
                self.users.insert((self.host.clone(), *uid), row);
            }
            Account::Group(gid, name) => {
                let row = AccountRow {
                    name: text(name),
                    ..AccountRow::default()
                };
                self.groups.insert((self.host.clone(), *gid), row);
            }
        }
    }

    /// Adds a thread of the list.
    pub fn add_listed(&mut self, listed: &Listed<'_>) {
        let mut thread = Thread::unknown(listed.tid);
        thread.pid = listed.pid;
        thread.ptid = listed.ptid;
        thread.sid = listed.sid;
        thread.vpgid = listed.vpgid;
        thread.pgid = listed.pgid;
        thread.vtid = listed.vtid;
        thread.vpid = listed.vpid;
        thread.comm = bytes(listed.comm);
        thread.exe = bytes(listed.exe);
        thread.exepath = bytes(listed.exepath);
        thread.args = bytes(listed.args);
        thread.flags = listed.flags;
        thread.fdlimit = listed.fdlimit;
        thread.uid = listed.uid;
        thread.gid = listed.gid;
        thread.loginuid = listed.loginuid;
        thread.tty = listed.tty;
        thread.caps = listed.caps;
        thread.memory = listed.memory;
        thread.faults = listed.faults;
        thread.pidns_start = listed.pidns_start;
        thread.exe_file = listed.exe_file;
        let [upper, memfd, lower] = listed.exe_marks;
        thread.exe_flags = exe_flags(listed.exe_writable, upper, memfd, lower);
        thread.root = bytes(listed.root);
        if thread.is_main() {
            thread.env = trimmed_env(listed.env);
            thread.cwd = with_slash(join_path(b"", listed.cwd));
        }
        self.set_cgroups(&mut thread, listed.cgroups);
        if self.threads.len() < MAX_THREADS || self.threads.contains_key(&thread.tid) {
            self.threads.insert(thread.tid, Box::new(thread));
        } else {
            self.refused_threads += 1;
        }
    }

    /// Adds descriptors of the list; false when the list ended in the middle.
    pub fn add_descriptors(&mut self, body: &[u8], version: u8) -> bool {
        let mut found = Vec::new();
        let (tid, whole) = lists::descriptors(body, version, |open| found.push(open));
        for open in found {
            let fd = self.listed_fd(&open);
            if let (Some(fd), Some(thread)) = (fd, tid.and_then(|tid| self.threads.get_mut(&tid)))
                && (thread.fds.len() < MAX_FDS || thread.fds.contains_key(&open.fd))
            {
                thread.fds.insert(open.fd, fd);
            }
        }
        whole
    }

    fn listed_fd(&mut self, open: &lists::Open<'_>) -> Option<Fd> {
        let mut fd = Fd::new(open.ty, b"");
        fd.ino = open.ino;
        match &open.behind {
            Behind::Pair(a, p, b, q, proto) => {
                fd.source = (ip(*a), *p);
                fd.dest = (ip(*b), *q);
                fd.l4 = *proto;
                fd.connected = *proto == l4::TCP;
                unmap(&mut fd);
                self.infer_address(&mut fd);
                let (a, p) = fd.source;
                let (b, q) = fd.dest;
                fd.name = bytes(format!("{a}:{p}->{b}:{q}").as_bytes());
            }
            Behind::Bound(addr, port, proto) => {
                fd.dest = (ip(*addr), *port);
                fd.source = fd.dest;
                fd.l4 = *proto;
                fd.name = bytes(format!("{}:{port}", ip(*addr)).as_bytes());
                self.server_ports.insert(*port);
            }
            Behind::Unix(path) => {
                fd.name = bytes(path);
                fd.server = !path.is_empty();
                fd.client = path.is_empty();
            }
            Behind::File(flags, path, dev) => {
                fd.flags = *flags;
                fd.name = bytes(path);
                fd.dev = *dev;
            }
            Behind::Named(name) => fd.name = bytes(name),
        }
        (open.ty != ty::UNKNOWN).then_some(fd)
    }

    /// The lists are over: which end a socket is becomes known by the ports that are listened on.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.ready, true) {
            return;
        }
        for thread in self.threads.values_mut() {
            for fd in thread.fds.values_mut().filter(|fd| fd.ty == ty::IPV4) {
                if self.server_ports.contains(&fd.source.1) {
                    std::mem::swap(&mut fd.source, &mut fd.dest);
                    let (a, p) = fd.source;
                    let (b, q) = fd.dest;
                    fd.name = bytes(format!("{a}:{p}->{b}:{q}").as_bytes());
                    fd.server = true;
                } else {
                    fd.client = true;
                }
            }
        }
        let shared: Vec<i64> = (self.threads.values())
            .filter(|thread| thread.flags & CLONE_THREAD != 0)
            .map(|thread| thread.pid)
            .collect();
        for pid in shared {
            if let Some(main) = self.threads.get_mut(&pid) {
                main.children += 1;
            }
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

    /// Whether an address is one of the machine's, or of the thread's container.
    pub fn is_local(&self, addr: IpAddr, container: Option<&Arc<str>>) -> bool {
        if let Some(id) = container {
            if addr.is_ipv6() {
                return false;
            }
            if let Some(answer) = self.containers.has_address(id, addr) {
                return answer;
            }
        }
        self.interfaces
            .iter()
            .any(|interface| match (interface.addr, addr) {
                (Addr::V4(own), IpAddr::V4(ip)) => own == ip,
                // The first 48 bits are the network, the next 16 the subnet.
                (Addr::V6(own), IpAddr::V6(ip)) => own.octets().get(..8) == ip.octets().get(..8),
                _ => false,
            })
    }

    /// An end without an address has that of the interface towards the other end.
    fn infer_address(&self, fd: &mut Fd) {
        if !fd.is_pair() || (!fd.source.0.is_unspecified() && !fd.dest.0.is_unspecified()) {
            return;
        }
        let of_source = fd.source.0.is_unspecified();
        let other = if of_source { fd.dest.0 } else { fd.source.0 };
        let inferred = self.interface_towards(other);
        if inferred == other && fd.source.1 == fd.dest.1 {
            return;
        }
        if of_source {
            fd.source.0 = inferred;
        } else {
            fd.dest.0 = inferred;
        }
    }

    fn interface_towards(&self, other: IpAddr) -> IpAddr {
        match other {
            IpAddr::V4(other) => {
                let own = || {
                    self.interfaces
                        .iter()
                        .filter_map(|interface| match interface.addr {
                            Addr::V4(ip) => Some((ip, interface.mask)),
                            Addr::V6(_) => None,
                        })
                };
                let found = own()
                    .find(|(ip, _)| *ip == other)
                    .or_else(|| {
                        own().find(|(ip, mask)| u32::from(*ip) & mask == u32::from(other) & mask)
                    })
                    .or_else(|| own().find(|(ip, _)| *ip != Ipv4Addr::LOCALHOST));
                IpAddr::V4(found.map_or(Ipv4Addr::UNSPECIFIED, |found| found.0))
            }
            IpAddr::V6(other) => {
                let own = || {
                    self.interfaces
                        .iter()
                        .filter_map(|interface| match interface.addr {
                            Addr::V6(ip) => Some(ip),
                            Addr::V4(_) => None,
                        })
                };
                let found = own()
                    .find(|ip| *ip == other)
                    .or_else(|| own().find(|ip| ip.octets().get(..8) == other.octets().get(..8)))
                    .or_else(|| own().find(|ip| *ip != Ipv6Addr::LOCALHOST));
                IpAddr::V6(found.unwrap_or(Ipv6Addr::UNSPECIFIED))
            }
        }
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

    // ---- threads ----

    fn cloned(&mut self, at: &mut At<'_, '_>) {
        let raw = at.raw;
        let Some(child) = raw.int(0) else { return };
        if child < 0 {
            return;
        }
        let mut tid = raw.tid;
        let mut child = child;
        let flags = at.word("flags").unwrap_or(0);
        let vtid = at.int("vtid").unwrap_or(tid);
        let vpid = at.int("vpid").unwrap_or(-1);
        let in_container = flags & CHILD_IN_PIDNS != 0 || tid != vtid;
        let mut inverted = false;
        if child == 0 {
            let stale = self.threads.get(&tid).is_some_and(|thread| {
                at.has_thread
                    && thread.clone_ts != 0
                    && raw.ts.saturating_sub(thread.clone_ts) > STALE_CLONE
            });
            if stale {
                self.remove_thread(tid, true);
                at.has_thread = false;
            }
            let parent = at
                .int(if flags & CLONE_THREAD != 0 {
                    "pid"
                } else {
                    "ptid"
                })
                .unwrap_or(-1);
            if at.has_thread {
                if in_container && let Some(thread) = self.thread(at) {
                    thread.vtid = vtid;
                    thread.vpid = vpid;
                    self.generation += 1;
                }
                return;
            }
            inverted = true;
            child = tid;
            tid = parent;
        } else if in_container {
            return;
        }
        self.birth(
            at,
            tid,
            child,
            flags,
            inverted,
            in_container.then_some((vtid, vpid)),
        );
    }

    fn birth(
        &mut self,
        at: &mut At<'_, '_>,
        parent: i64,
        child: i64,
        flags: u32,
        inverted: bool,
        inner: Option<(i64, i64)>,
    ) {
        let raw = at.raw;
        if !self.ensure(parent) {
            return;
        }
        let mut collision = false;
        if let Some(existing) = self.threads.get(&child) {
            if existing.flags & CLONE_INVERTED != 0 {
                return;
            }
            self.remove_thread(child, true);
            collision = true;
            self.ensure(parent);
        }
        let text = |name: &str| at.row.place(name).and_then(|place| raw.text(place));
        let list = |name: &str| at.row.place(name).and_then(|place| raw.param(place));
        let exe = bytes(text("exe").unwrap_or_default());
        let comm = text("comm").map_or_else(|| exe.clone(), bytes);
        let args = bytes(list("args").unwrap_or_default());
        let Some(known) = self.threads.get(&parent) else {
            return;
        };
        let mut thread = Thread::unknown(child);
        thread.ptid = parent;
        if known.is_unknown() {
            collision = true;
            self.remove_thread(parent, true);
            self.ensure(parent);
            if let Some(known) = self.threads.get_mut(&parent) {
                known.comm = comm.clone();
                known.exe = exe.clone();
                known.args = args.clone();
            }
        } else {
            thread.exepath = known.exepath.clone();
            thread.exe_flags = known.exe_flags;
            thread.exe_file = known.exe_file;
            thread.caps = known.caps;
            thread.root = known.root.clone();
            thread.sid = known.sid;
            thread.vpgid = known.vpgid;
            thread.pgid = known.pgid;
            thread.tty = known.tty;
            thread.loginuid = known.loginuid;
            thread.cgroups = known.cgroups.clone();
            thread.container = None;
            if flags & CLONE_THREAD == 0 {
                thread.env = known.env.clone();
            }
        }
        thread.flags = flags;
        thread.pid = if flags & CLONE_THREAD != 0 {
            at.int("pid").unwrap_or(child)
        } else {
            child
        };
        if flags & CLONE_THREAD == 0 {
            thread.fds = self
                .owner(parent)
                .and_then(|owner| self.threads.get(&owner))
                .map(|owner| owner.fds.clone())
                .unwrap_or_default();
            thread.cwd = self.cwd(parent);
            thread.execs = self.threads.get(&parent).map_or(0, |parent| parent.execs);
        }
        if inverted {
            thread.flags |= CLONE_INVERTED;
        }
        thread.exe = exe;
        thread.comm = comm;
        thread.args = args;
        thread.fdlimit = at.int("fdlimit").unwrap_or(-1);
        fill_usage(&mut thread, at);
        thread.uid = at.word("uid").unwrap_or(u32::MAX);
        thread.gid = at.word("gid").unwrap_or(u32::MAX);
        (thread.vtid, thread.vpid) = inner.unwrap_or((thread.tid, thread.pid));
        thread.pidns_start = at.int("pidns_init_start_ts").unwrap_or(0) as u64;
        match list("cgroups") {
            Some(cgroups) => self.set_cgroups(&mut thread, cgroups),
            None => thread.cgroups = bytes(b""),
        }
        thread.clone_ts = raw.ts;
        if self.threads.len() < MAX_THREADS {
            if flags & CLONE_THREAD != 0
                && self.ensure(thread.pid)
                && let Some(main) = self.threads.get_mut(&thread.pid)
            {
                main.children += 1;
            }
            self.threads.insert(child, Box::new(thread));
        } else {
            self.refused_threads += 1;
        }
        self.generation += 1;
        if collision {
            self.reset(at);
        }
    }

    fn executed(&mut self, at: &mut At<'_, '_>) {
        let raw = at.raw;
        if at.result() < 0 || !at.has_thread {
            return;
        }
        let program = self.executed_path(at);
        let text = |name: &str| at.row.place(name).and_then(|place| raw.text(place));
        let list = |name: &str| at.row.place(name).and_then(|place| raw.param(place));
        let cgroups = list("cgroups").map(containers::normal);
        let container = cgroups.as_ref().map(|cgroups| self.containers.of(cgroups));
        let Some(thread) = self.threads.get_mut(&at.tid) else {
            return;
        };
        thread.exe = bytes(text("exe").unwrap_or_default());
        thread.comm = text("comm").map_or_else(|| thread.exe.clone(), bytes);
        thread.args = bytes(list("args").unwrap_or_default());
        if let Some(pid) = at.int("pid") {
            thread.pid = pid;
        }
        if thread.ptid == -1 {
            thread.ptid = at.int("ptid").unwrap_or(-1);
        }
        thread.fdlimit = at.int("fdlimit").unwrap_or(-1);
        fill_usage(thread, at);
        if let Some(env) = list("env") {
            thread.env = trimmed_env(env);
        }
        if let (Some(cgroups), Some(container)) = (cgroups, container) {
            thread.cgroups = cgroups;
            thread.container = container;
        }
        if let Some(tty) = at.word("tty") {
            thread.tty = tty;
        }
        if let Some(path) = program {
            thread.exepath = bytes(&path);
        }
        if let Some(vpgid) = at.int("vpgid") {
            thread.vpgid = vpgid;
        }
        if let Some(pgid) = at.int("pgid") {
            thread.pgid = pgid;
        }
        if let Some(loginuid) = at.word("loginuid") {
            thread.loginuid = loginuid;
        }
        let is_exec_flags = matches!(raw.code, 293 | 331);
        if let Some(flags) = at.word("flags").filter(|_| is_exec_flags) {
            thread.exe_flags = exe_flags(
                flags & 1 != 0,
                flags & 2 != 0,
                flags & 4 != 0,
                flags & 8 != 0,
            );
        }
        let caps = ["cap_inheritable", "cap_permitted", "cap_effective"].map(|name| at.int(name));
        if let [Some(a), Some(b), Some(c)] = caps {
            thread.caps = [a as u64, b as u64, c as u64];
        }
        let file = ["exe_ino", "exe_ino_ctime", "exe_ino_mtime"].map(|name| at.int(name));
        if let [Some(a), Some(b), Some(c)] = file {
            thread.exe_file = [a as u64, b as u64, c as u64];
        }
        for (name, id) in [("uid", &mut thread.uid), ("gid", &mut thread.gid)] {
            if let Some(told) = at.word(name) {
                *id = told;
            }
        }
        thread.flags &= IS_MAIN_THREAD | CLONE_INVERTED;
        thread.execs = thread.execs.saturating_add(1);
        self.generation += 1;
    }

    /// The path of the program, from the return where it is told, else from the entry.
    fn executed_path(&mut self, at: &At<'_, '_>) -> Option<Vec<u8>> {
        let trusted = at
            .row
            .place("trusted_exepath")
            .and_then(|place| at.raw.text(place));
        if let Some(path) = trusted.filter(|path| !path.is_empty()) {
            return Some(path.to_vec());
        }
        let (dirfd, path) = match at.raw.code {
            289 | 293 => (AT_FDCWD, at.entry_raw()?.text(0)?.to_vec()),
            331 => {
                let entry = at.entry_raw()?;
                (entry.int(0).unwrap_or(AT_FDCWD), entry.text(1)?.to_vec())
            }
            _ => return None,
        };
        if path.starts_with(b"<NA>") {
            return Some(path);
        }
        let base = if dirfd == AT_FDCWD {
            self.threads
                .get(&at.tid)
                .map_or_else(Vec::new, |thread| thread.cwd.to_vec())
        } else {
            self.directory(at.tid, dirfd, &path)
        };
        Some(join_path(&base, &path))
    }

    fn user_changed(&mut self, at: &mut At<'_, '_>, name: &str, place: usize, is_user: bool) {
        if at.result() < 0 || !at.has_thread {
            return;
        }
        let own = at.row.place(name).and_then(|own| at.raw.word(own));
        let Some(id) = at.entry_raw().and_then(|entry| entry.word(place)).or(own) else {
            return;
        };
        // -1 leaves it as it is, but for the calls that only take one.
        if id == u32::MAX && place == 1 {
            return;
        }
        if let Some(thread) = self.thread(at) {
            let held = if is_user {
                &mut thread.uid
            } else {
                &mut thread.gid
            };
            *held = id;
            self.generation += 1;
        }
    }

    fn switched_off(&mut self, at: &mut At<'_, '_>) {
        let raw = at.raw;
        let (Some(major), Some(minor)) = (raw.uint(1), raw.uint(2)) else {
            return;
        };
        if let Some(thread) = self.thread(at) {
            thread.faults = [major, minor];
        }
        let memory = [3, 4, 5].map(|place| raw.word(place));
        let main = if at.has_thread {
            self.main_of(at.tid)
        } else {
            None
        };
        if let (Some(main), [Some(a), Some(b), Some(c)]) =
            (main.and_then(|main| self.threads.get_mut(&main)), memory)
        {
            main.memory = [a, b, c];
        }
    }

    fn limited(&mut self, at: &mut At<'_, '_>) {
        let resource = at
            .entry_raw()
            .and_then(|entry| entry.uint(0))
            .or(at.int("resource").map(|n| n as u64));
        self.limit(at, at.tid, resource, at.int("cur"));
    }

    fn limited_other(&mut self, at: &mut At<'_, '_>) {
        let entry = at.entry_raw();
        let resource = entry
            .as_ref()
            .and_then(|entry| entry.uint(1))
            .or(at.int("resource").map(|n| n as u64));
        let tid = entry
            .as_ref()
            .and_then(|entry| entry.int(0))
            .or(at.int("pid"))
            .unwrap_or(0);
        let tid = if tid == 0 { at.tid } else { tid };
        drop(entry);
        self.limit(at, tid, resource, at.int("newcur"));
    }

    /// RLIMIT_NOFILE of a process, as scap numbers it.
    fn limit(&mut self, at: &At<'_, '_>, tid: i64, resource: Option<u64>, limit: Option<i64>) {
        if at.result() < 0 || resource != Some(7) || !at.has_thread {
            return;
        }
        if let Some(limit) = limit.filter(|limit| *limit != -1)
            && self.ensure(tid)
            && let Some(main) = self
                .main_of(tid)
                .and_then(|main| self.threads.get_mut(&main))
        {
            main.fdlimit = limit;
            self.generation += 1;
        }
    }

    // ---- descriptors ----

    /// Where a relative path of an open starts.
    fn directory(&mut self, tid: i64, dirfd: i64, path: &[u8]) -> Vec<u8> {
        if path.starts_with(b"/") {
            return b".".to_vec();
        }
        if dirfd == AT_FDCWD {
            return self.cwd(tid).to_vec();
        }
        match self.fd_of(tid, dirfd) {
            Some(fd) => [&*fd.name, b"/"].concat(),
            None => b"<UNKNOWN>".to_vec(),
        }
    }

    fn opened(&mut self, at: &mut At<'_, '_>) {
        let Some((number, path, flags, dev)) = self.opening(at).filter(|_| at.has_thread) else {
            return;
        };
        if number < 0 {
            return;
        }
        let ty = if flags & O_DIRECTORY != 0 {
            ty::DIRECTORY
        } else {
            ty::FILE_V2
        };
        let mut fd = Fd::new(ty, &path);
        fd.flags = flags;
        fd.dev = dev;
        fd.ino = at.int("ino").unwrap_or(0) as u64;
        // What the return says of overlays is in its own flags.
        let own = at.word("creat_flags").map(|flags| (flags & 1, flags & 2));
        let own = own.or(at
            .word("flags")
            .map(|flags| (flags & UPPER_LAYER, flags & LOWER_LAYER)));
        fd.layers = own.map_or([false; 2], |(upper, lower)| [upper != 0, lower != 0]);
        at.name_before = None;
        self.add_fd(at, number, fd);
    }

    /// Descriptor, path, flags and device of an open that returned.
    fn opening(&mut self, at: &At<'_, '_>) -> Option<(i64, Vec<u8>, u32, u32)> {
        let raw = at.raw;
        let entry = at.entry_raw();
        let number = raw.int(0)?;
        let (place_name, place_flags, place_dirfd) = match raw.code {
            3 => (1, Some(2), None),
            59 => (1, None, None),
            103 => (1, Some(2), Some(0)),
            _ => (2, Some(3), Some(1)),
        };
        let from = |raw: &Raw<'_>, back: usize| {
            let at = |place: usize| place.checked_sub(back);
            let path = at(place_name).and_then(|place| raw.text(place))?.to_vec();
            let flags = place_flags
                .and_then(at)
                .and_then(|place| raw.word(place))
                .unwrap_or(0);
            let dirfd = place_dirfd
                .and_then(at)
                .and_then(|place| raw.int(place))
                .unwrap_or(AT_FDCWD);
            Some((path, flags, dirfd))
        };
        let of_entry = entry
            .as_ref()
            .and_then(|entry| from(entry, usize::from(raw.code != 103)))
            .filter(|(path, ..)| !path.is_empty() && path != b"(NULL)" && path != b"<NA>");
        let of_return = if raw.code == 103 { None } else { from(raw, 0) };
        let (path, flags, dirfd) = of_entry.or(of_return)?;
        let base = self.directory(at.tid, dirfd, &path);
        Some((
            number,
            join_path(&base, &path),
            flags,
            at.word("dev").unwrap_or(0),
        ))
    }

    /// The path of an open that returned, also of one that failed.
    pub fn opened_path(&mut self, raw: &Raw<'_>) -> Option<Vec<u8>> {
        let row = types::row(raw.code)?;
        let at = At {
            raw,
            row,
            tid: raw.tid,
            has_thread: true,
            file: None,
            name_before: None,
            entry: None,
        };
        let path = self.opening(&at)?.1;
        Some(path)
    }

    fn opened_by_handle(&mut self, at: &mut At<'_, '_>) {
        let number = at.result();
        if number < 0 {
            return;
        }
        let path = at
            .row
            .place("path")
            .and_then(|place| at.raw.text(place))
            .unwrap_or_default()
            .to_vec();
        let flags = at.word("flags").unwrap_or(0);
        let mut fd = Fd::new(
            if flags & O_DIRECTORY != 0 {
                ty::DIRECTORY
            } else {
                ty::FILE_V2
            },
            &path,
        );
        fd.flags = flags;
        fd.dev = at.word("dev").unwrap_or(0);
        fd.ino = at.int("ino").unwrap_or(0) as u64;
        at.name_before = None;
        self.add_fd(at, number, fd);
    }

    fn made(&mut self, at: &mut At<'_, '_>, ty: u8, name: &[u8]) {
        let number = at.result();
        if number >= 0 {
            at.name_before = None;
            self.add_fd(at, number, Fd::new(ty, name));
        }
    }

    fn piped(&mut self, at: &mut At<'_, '_>) {
        if at.result() < 0 {
            return;
        }
        for name in ["fd1", "fd2"] {
            if let Some(number) = at.int(name) {
                let mut fd = Fd::new(ty::FIFO, b"");
                fd.ino = at.int("ino").unwrap_or(0) as u64;
                at.name_before = None;
                self.add_fd(at, number, fd);
            }
        }
    }

    fn paired(&mut self, at: &mut At<'_, '_>) {
        if at.result() < 0 {
            return;
        }
        for name in ["fd2", "fd1"] {
            if let Some(number) = at.int(name) {
                at.name_before = None;
                self.add_fd(at, number, Fd::new(ty::UNIX, b""));
            }
        }
        // The peers ask for the one that was added last, and name the first.
        if let (Some(second), Some(thread)) = (at.int("fd2"), self.thread(at)) {
            thread.last_fd = second;
        }
    }

    /// A socket of this family, type and protocol (Linux numbers).
    fn socket(family: u32, kind: u32, protocol: u32) -> Option<Fd> {
        let (stream, datagram, raw) = (1, 2, 3);
        Some(match family {
            1 => Fd::new(ty::UNIX, b""),
            2 | 10 => {
                let mut fd = Fd::new(if family == 2 { ty::IPV4 } else { ty::IPV6 }, b"");
                fd.l4 = match protocol {
                    6 | 17 | 1 if kind == raw => l4::RAW,
                    6 => l4::TCP,
                    17 => l4::UDP,
                    0 if kind & 0xff == stream => l4::TCP,
                    0 if kind & 0xff == datagram => l4::UDP,
                    1 => l4::ICMP,
                    255 => l4::RAW,
                    _ => l4::UNKNOWN,
                };
                fd
            }
            16 => Fd::new(ty::NETLINK, b""),
            _ => return None,
        })
    }

    fn socketed(&mut self, at: &mut At<'_, '_>) {
        let number = at.result();
        if number < 0 || !at.has_thread {
            return;
        }
        let numbers = |raw: &Raw<'_>, from: usize| {
            Some((raw.word(from)?, raw.word(from + 1)?, raw.word(from + 2)?))
        };
        let Some((family, kind, protocol)) = at
            .entry_raw()
            .and_then(|entry| numbers(&entry, 0))
            .or_else(|| numbers(at.raw, 1))
        else {
            return;
        };
        if let Some(fd) = State::socket(family, kind, protocol) {
            at.name_before = None;
            self.add_fd(at, number, fd);
        }
    }

    /// A datagram through a socket that nobody saw being made.
    fn infer_datagram(&mut self, at: &mut At<'_, '_>) {
        let number = at.raw.int(0).unwrap_or(-1);
        let family = at.raw.param(2).and_then(|tuple| tuple.first()).copied();
        if number >= 0
            && let Some(fd) = family
                .filter(|family| matches!(family, 2 | 10))
                .and_then(|family| State::socket(u32::from(family), 2, 17))
        {
            at.name_before = None;
            self.add_fd(at, number, fd);
        }
    }

    fn bound(&mut self, at: &mut At<'_, '_>) {
        let Some(place) = at.file.filter(|_| at.result() >= 0) else {
            return;
        };
        let Some(address) = at.raw.param(1).filter(|address| !address.is_empty()) else {
            return;
        };
        let name = address_text(address);
        let end = one_end(address);
        if let Some(fd) = self.fd_mut(place) {
            if let Some((ip, port)) = end.filter(|end| end.1 > 0) {
                fd.ty = if ip.is_ipv4() {
                    ty::IPV4_SERVER
                } else {
                    ty::IPV6_SERVER
                };
                fd.dest = (ip, port);
                fd.source = fd.dest;
                fd.server = true;
            }
            fd.call(&name);
        }
    }

    fn connecting(&mut self, at: &mut At<'_, '_>) {
        let (Some(place), Some(address)) = (
            at.file,
            at.raw.param(1).filter(|address| !address.is_empty()),
        ) else {
            return;
        };
        let end = one_end(address);
        let name = address_text(address);
        if let Some(fd) = self.fd_mut(place) {
            match end {
                Some(end) => {
                    let was_pair = fd.is_pair();
                    fd.ty = if end.0.is_ipv4() { ty::IPV4 } else { ty::IPV6 };
                    if !was_pair || fd.source.0.is_ipv4() != end.0.is_ipv4() {
                        fd.source = Fd::new(fd.ty, b"").source;
                    }
                    fd.dest = end;
                    fd.row = None;
                }
                None => fd.call(&name),
            }
        }
    }

    fn connected(&mut self, at: &mut At<'_, '_>) {
        let Some(place) = at.file else { return };
        let result = at.result();
        if result < 0 && result != -115 {
            return;
        }
        if let Some(fd) = self.fd_mut(place) {
            fd.connected = true;
            fd.row = None;
        }
        let Some(tuple) = at.raw.param(1).filter(|tuple| !tuple.is_empty()) else {
            return;
        };
        let name = tuple_text(tuple);
        let ends = both_ends(tuple);
        if let Some(fd) = self.fd_mut(place) {
            match ends {
                Some((source, dest)) => {
                    let changed = set_ends(fd, source, dest);
                    if changed && fd.server && fd.l4 == l4::UDP {
                        std::mem::swap(&mut fd.source, &mut fd.dest);
                    }
                    let text = fd.ends_text();
                    fd.call(text.as_bytes());
                }
                None => fd.call(&name),
            }
            if fd.has_no_role() {
                fd.client = true;
            }
            fd.row = None;
        }
    }

    fn accepted(&mut self, at: &mut At<'_, '_>) {
        let number = at.result();
        if number < 0 || !at.has_thread {
            return;
        }
        if let Some(thread) = self.thread(at) {
            thread.last_fd = number;
        }
        let Some(tuple) = at.raw.param(1).filter(|tuple| !tuple.is_empty()) else {
            return;
        };
        let name = tuple_text(tuple);
        let mut fd = match (both_ends(tuple), tuple.first()) {
            (Some((source, dest)), _) => {
                let mut fd = Fd::new(
                    if source.0.is_ipv4() {
                        ty::IPV4
                    } else {
                        ty::IPV6
                    },
                    &name,
                );
                (fd.source, fd.dest, fd.l4) = (source, dest, l4::TCP);
                fd
            }
            (None, Some(1)) => Fd::new(ty::UNIX, &name),
            _ => return,
        };
        fd.server = true;
        fd.connected = true;
        at.name_before = None;
        self.add_fd(at, number, fd);
    }

    fn closed(&mut self, at: &mut At<'_, '_>) {
        if at.result() < 0 || !at.has_thread || at.file.is_none() {
            return;
        }
        let last = self
            .threads
            .get(&at.tid)
            .map_or(-1, |thread| thread.last_fd);
        self.closing = Some((at.tid, last));
    }

    fn closed_range(&mut self, at: &mut At<'_, '_>) {
        let (first, last) = (
            at.word("first").unwrap_or(u32::MAX),
            at.word("last").unwrap_or(0),
        );
        // CLOSE_RANGE_CLOEXEC only marks them.
        if at.word("flags").unwrap_or(0) & 4 != 0 {
            return;
        }
        if let Some(owner) = self
            .owner(at.tid)
            .and_then(|owner| self.threads.get_mut(&owner))
        {
            owner
                .fds
                .retain(|fd, _| *fd < i64::from(first) || *fd > i64::from(last));
        }
    }

    fn duplicated(&mut self, at: &mut At<'_, '_>) {
        let number = at.result();
        if number < 0 || !at.has_thread {
            return;
        }
        if at.file.is_none()
            && let Some(old) = at.int("oldfd")
        {
            self.point(at, old);
        }
        let Some(fd) = at.file.and_then(|place| self.fd(place)).cloned() else {
            return;
        };
        self.add_fd(at, number, fd);
    }

    fn fcntled(&mut self, at: &mut At<'_, '_>) {
        let number = at.result();
        let duplicates = at.entry_raw().is_some()
            || matches!(at.word("cmd"), Some(1 | 26)) && at.raw.params.len() > 2;
        if !duplicates || number < 0 {
            return;
        }
        if let Some(fd) = at.file.and_then(|place| self.fd(place)).cloned() {
            self.add_fd(at, number, fd);
        }
    }

    /// What was read or written may tell who is at the other end.
    fn moved(&mut self, at: &mut At<'_, '_>) {
        let Some(place) = at.file else { return };
        if at.result() < 0 {
            return;
        }
        let reads = matches!(at.raw.code, 7 | 33 | 35 | 53 | 113 | 117 | 121);
        let Some(fd) = self.fd_mut(place) else { return };
        if fd.is_pair() && !fd.connected {
            fd.connected = true;
            fd.row = None;
        }
        let tells = matches!(at.raw.code, 31 | 35 | 49 | 53)
            && (fd.name.is_empty() || !(fd.is_pair() && fd.l4 == l4::TCP));
        if !tells {
            return;
        }
        let own = at
            .row
            .place("tuple")
            .and_then(|place| at.raw.param(place))
            .map(<[u8]>::to_vec);
        let tuple = if reads {
            own
        } else {
            at.entry_raw()
                .and_then(|entry| entry.param(2).map(<[u8]>::to_vec))
                .or(own)
        };
        let Some(tuple) = tuple.filter(|tuple| !tuple.is_empty()) else {
            return;
        };
        self.retarget(at.tid, place, &tuple, reads);
    }

    fn retarget(&mut self, tid: i64, place: (i64, i64), tuple: &[u8], incoming: bool) {
        let name = tuple_text(tuple);
        match (both_ends(tuple), tuple.first()) {
            (Some((source, dest)), _) => {
                let Some(fd) = self.fd_mut(place) else { return };
                if fd.is_server_socket() {
                    fd.source.0 = Fd::new(
                        if source.0.is_ipv4() {
                            ty::IPV4
                        } else {
                            ty::IPV6
                        },
                        b"",
                    )
                    .source
                    .0;
                    fd.source.1 = 0;
                    fd.dest = fd.source;
                }
                if !set_ends(fd, source, dest) {
                    return;
                }
                if fd.l4 == l4::UNKNOWN {
                    fd.l4 = l4::UDP;
                }
                let mut copy = fd.clone();
                self.infer_address(&mut copy);
                if copy.has_no_role() {
                    self.guess_role(tid, &mut copy, incoming);
                }
                if (incoming && copy.client) || (!incoming && copy.server) {
                    std::mem::swap(&mut copy.source, &mut copy.dest);
                }
                let text = copy.ends_text();
                copy.call(text.as_bytes());
                if let Some(fd) = self.fd_mut(place) {
                    *fd = copy;
                }
            }
            (None, Some(1)) => {
                if let Some(fd) = self.fd_mut(place) {
                    fd.ty = ty::UNIX;
                    fd.call(&name);
                }
            }
            _ => {}
        }
    }

    /// A process that is bound to the destination's port is the server.
    fn guess_role(&mut self, tid: i64, fd: &mut Fd, incoming: bool) {
        let Some(owner) = self.owner(tid).and_then(|owner| self.threads.get(&owner)) else {
            return;
        };
        let bound = owner.fds.values().any(|other| match other.ty {
            ty::IPV4 | ty::IPV4_SERVER => other.dest.1 == fd.dest.1,
            _ => false,
        });
        if !bound {
            fd.client = true;
            return;
        }
        let uses = owner
            .fds
            .values()
            .any(|other| other.ty == ty::IPV4 && other.source.1 == fd.source.1);
        if !uses || incoming {
            fd.server = true;
        } else {
            fd.client = true;
        }
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

fn exe_flags(writable: bool, upper: bool, memfd: bool, lower: bool) -> u32 {
    let bits = [
        (writable, Process::EXE_WRITABLE),
        (upper, Process::EXE_UPPER),
        (memfd, Process::EXE_MEMFD),
        (lower, Process::EXE_LOWER),
    ];
    bits.iter()
        .filter(|bit| bit.0)
        .fold(0, |all, bit| all | bit.1)
}

fn with_slash(mut path: Vec<u8>) -> Arc<[u8]> {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    Arc::from(path)
}

/// An environment without the zeros behind it.
fn trimmed_env(env: &[u8]) -> Arc<[u8]> {
    let end = env.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    bytes(env.get(..end).unwrap_or_default())
}

fn fill_usage(thread: &mut Thread, at: &At<'_, '_>) {
    if let (Some(major), Some(minor)) = (at.int("pgft_maj"), at.int("pgft_min")) {
        thread.faults = [major as u64, minor as u64];
    }
    let memory = ["vm_size", "vm_rss", "vm_swap"].map(|name| at.word(name));
    if let [Some(a), Some(b), Some(c)] = memory {
        thread.memory = [a, b, c];
    }
}

type End = (IpAddr, u16);

/// The address in scap's packing of one end.
fn one_end(bytes: &[u8]) -> Option<End> {
    let (family, rest) = bytes.split_first()?;
    match family {
        2 => end4(rest).map(|(end, _)| end),
        10 => end6(rest).map(|(end, _)| end),
        _ => None,
    }
}

fn end4(bytes: &[u8]) -> Option<(End, &[u8])> {
    let (ip, rest) = bytes.split_first_chunk::<4>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((
        (IpAddr::V4(Ipv4Addr::from(*ip)), u16::from_le_bytes(*port)),
        rest,
    ))
}

fn end6(bytes: &[u8]) -> Option<(End, &[u8])> {
    let (ip, rest) = bytes.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let ip = Ipv6Addr::from(*ip);
    let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
    Some(((ip, u16::from_le_bytes(*port)), rest))
}

/// Both addresses in scap's packing of a connection; IPv4 when both can be that.
fn both_ends(bytes: &[u8]) -> Option<(End, End)> {
    let (family, rest) = bytes.split_first()?;
    match family {
        2 => {
            let (source, rest) = end4(rest)?;
            Some((source, end4(rest)?.0))
        }
        10 => {
            let raw6 = |bytes: &[u8]| -> Option<(Ipv6Addr, u16)> {
                let ip = bytes.first_chunk::<16>()?;
                let port = bytes.get(16..)?.first_chunk::<2>()?;
                Some((Ipv6Addr::from(*ip), u16::from_le_bytes(*port)))
            };
            let (a, p) = raw6(rest)?;
            let (b, q) = raw6(rest.get(18..)?)?;
            Some(match (mapped(a), mapped(b)) {
                (Some(a), Some(b)) => ((IpAddr::V4(a), p), (IpAddr::V4(b), q)),
                _ => ((IpAddr::V6(a), p), (IpAddr::V6(b), q)),
            })
        }
        _ => None,
    }
}

/// Gives a socket its ends; false when it has them already, either way round. A destination that is known stays.
fn set_ends(fd: &mut Fd, source: End, dest: End) -> bool {
    let ty = if source.0.is_ipv4() {
        ty::IPV4
    } else {
        ty::IPV6
    };
    if fd.ty == ty
        && ((fd.source, fd.dest) == (source, dest) || (fd.source, fd.dest) == (dest, source))
    {
        return false;
    }
    fd.row = None;
    if fd.ty != ty && fd.dest.0.is_ipv4() != dest.0.is_ipv4() {
        fd.dest = (Fd::new(ty, b"").dest.0, fd.dest.1);
    }
    fd.ty = ty;
    let mut changed = fd.source != source;
    fd.source = source;
    if fd.dest.0.is_unspecified() {
        fd.dest.0 = dest.0;
        changed = true;
    }
    if fd.dest.1 == 0 {
        fd.dest.1 = dest.1;
        changed = true;
    }
    changed
}

/// An IPv6 connection between addresses that are IPv4's is one of IPv4.
fn unmap(fd: &mut Fd) {
    if let (IpAddr::V6(a), IpAddr::V6(b)) = (fd.source.0, fd.dest.0)
        && let (Some(a), Some(b)) = (mapped(a), mapped(b))
    {
        fd.ty = ty::IPV4;
        fd.source.0 = IpAddr::V4(a);
        fd.dest.0 = IpAddr::V4(b);
    }
}

/// One end as text.
fn address_text(bytes: &[u8]) -> Vec<u8> {
    match (bytes.split_first(), one_end(bytes)) {
        (Some((1, path)), _) => printable(super::bytes::until_nul(path)),
        (Some((10, rest)), _) => match rest.first_chunk::<16>() {
            Some(ip) => {
                let port = rest
                    .get(16..)
                    .and_then(|rest| rest.first_chunk::<2>())
                    .map_or(0, |port| u16::from_le_bytes(*port));
                format!("{}:{port}", Ipv6Addr::from(*ip)).into_bytes()
            }
            None => Vec::new(),
        },
        (_, Some((ip, port))) => format!("{ip}:{port}").into_bytes(),
        (Some((family, _)), None) => format!("family {family}").into_bytes(),
        (None, None) => Vec::new(),
    }
}

/// What scap's packing of a connection is called.
pub fn tuple_name(bytes: &[u8]) -> Vec<u8> {
    tuple_text(bytes)
}

/// Both ends as text.
fn tuple_text(bytes: &[u8]) -> Vec<u8> {
    if let Some(((a, p), (b, q))) = both_ends(bytes) {
        return format!("{a}:{p}->{b}:{q}").into_bytes();
    }
    let ends = |rest: &[u8]| -> Option<Vec<u8>> {
        let (source, rest) = rest.split_first_chunk::<8>()?;
        let (dest, path) = rest.split_first_chunk::<8>()?;
        let ends = format!(
            "{:x}->{:x} ",
            u64::from_le_bytes(*source),
            u64::from_le_bytes(*dest)
        );
        Some([ends.as_bytes(), &printable(super::bytes::until_nul(path))].concat())
    };
    match bytes.split_first() {
        Some((1, rest)) => ends(rest).unwrap_or_default(),
        Some((family, _)) => format!("family {family}").into_bytes(),
        None => Vec::new(),
    }
}
