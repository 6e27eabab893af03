//! What is known as rows of a capture: each thread, descriptor, container and account as long as nothing of it changes.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::state::State;
use super::threads::{Fd, Thread, l4, ty};
use afterimage_model::{
    BootNs, ContainerId, File, FileId, FileKind, Flow, Group, Origin, ProcId, ProcKey, Process,
    Protocol, Role, Tables, User,
};
use hashbrown::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Rows that are kept before those that nobody needs any more are dropped.
const SPARE_ROWS: usize = 8192;

/// Ancestors that are looked at, at the most.
const MAX_DEPTH: usize = 64;

/// The rows so far.
#[derive(Default)]
pub struct Rows {
    /// All that may be needed again.
    pub tables: Tables,
    next_proc: u32,
    next_file: u32,
    nobody: Option<ProcId>,
    unseen: HashMap<(u8, Option<Vec<u8>>), FileId>,
    spare: usize,
}

/// A number that may be -1, as a row has it.
fn id32(n: i64) -> u32 {
    n as u32
}

/// A device as user space writes it, as the kernel has it (major << 20 | minor).
fn kernel_dev(dev: u32) -> u64 {
    let major = u64::from(dev >> 8 & 0xfff);
    let minor = u64::from(dev & 0xff | dev >> 12 & 0xf_ff00);
    major << 20 | minor
}

impl Rows {
    /// The row of nobody: events that no thread is known to have made.
    pub fn nobody(&mut self) -> ProcId {
        if let Some(id) = self.nobody {
            return id;
        }
        self.next_proc += 1;
        let id = ProcId(self.next_proc);
        let row = Process {
            id,
            origin: Origin::Runtime,
            ..Process::default()
        };
        self.tables.procs.insert(id, Arc::new(row));
        self.nobody = Some(id);
        id
    }

    /// The row of a thread.
    pub fn process(&mut self, state: &mut State, tid: i64) -> ProcId {
        let generation = state.generation;
        match state.threads.get(&tid).map(|thread| thread.row) {
            Some(Some((seen, id))) if seen == generation => id,
            Some(_) => self.refresh(state, tid, 0).unwrap_or_else(|| self.nobody()),
            None => self.nobody(),
        }
    }

    /// The row of a thread as it is now; the one before when it says the same.
    fn refresh(&mut self, state: &mut State, tid: i64, depth: usize) -> Option<ProcId> {
        let generation = state.generation;
        let thread = state.threads.get(&tid)?;
        if let Some((seen, id)) = thread.row
            && seen == generation
        {
            return Some(id);
        }
        let (ptid, before, pid, is_main) = (thread.ptid, thread.row, thread.pid, thread.is_main());
        // A thread that is its own ancestor has none.
        let parent = if ptid == tid || depth >= MAX_DEPTH {
            None
        } else {
            self.refresh(state, ptid, depth + 1)
        };
        let cwd = state.cwd(tid);
        let main = if is_main { tid } else { pid };
        let (ppid, start, execs, env) = match state.threads.get(&main) {
            Some(main) => (main.ptid, main.clone_ts, main.execs, main.env.clone()),
            None => (-1, 0, 0, Arc::from(&b""[..])),
        };
        let thread = state.threads.get(&tid)?;
        let container = match thread.container.clone() {
            Some(id) => self.container(state, &id),
            None => None,
        };
        let thread = state.threads.get(&tid)?;
        let row = make(thread, parent, &cwd, ppid, start, execs, &env, container);
        self.accounts(state, tid, container);
        let id = match before.and_then(|(_, id)| self.tables.procs.get(&id)) {
            Some(before) if same(before, &row) => before.id,
            _ => {
                self.next_proc += 1;
                let id = ProcId(self.next_proc);
                self.tables
                    .procs
                    .insert(id, Arc::new(Process { id, ..row }));
                id
            }
        };
        state.threads.get_mut(&tid)?.row = Some((generation, id));
        Some(id)
    }

    fn container(&mut self, state: &mut State, id: &str) -> Option<ContainerId> {
        let (number, fresh) = state.containers.row(id)?;
        if let Some(row) = fresh {
            self.tables.containers.insert(number, Arc::new(row));
        }
        Some(number)
    }

    /// The accounts of a thread: of its container where that has a list, else the host's.
    fn accounts(&mut self, state: &State, tid: i64, container: Option<ContainerId>) {
        let Some(thread) = state.threads.get(&tid) else {
            return;
        };
        let list: Arc<str> = thread.container.clone().unwrap_or_else(|| Arc::from(""));
        let host: Arc<str> = Arc::from("");
        for uid in [thread.uid, thread.loginuid] {
            let found = state
                .users
                .get(&(list.clone(), uid))
                .or_else(|| state.users.get(&(host.clone(), uid)));
            match found {
                Some(found) => {
                    let row = User {
                        container,
                        uid,
                        name: found.name.clone(),
                        home: found.home.clone(),
                        shell: found.shell.clone(),
                    };
                    self.tables.users.insert((container, uid), Arc::new(row));
                }
                None => {
                    self.tables.users.remove(&(container, uid));
                }
            }
        }
        let gid = thread.gid;
        let found = state
            .groups
            .get(&(list, gid))
            .or_else(|| state.groups.get(&(host, gid)));
        match found {
            Some(found) => {
                let row = Group {
                    container,
                    gid,
                    name: found.name.clone(),
                };
                self.tables.groups.insert((container, gid), Arc::new(row));
            }
            None => {
                self.tables.groups.remove(&(container, gid));
            }
        }
    }

    /// The row of a descriptor.
    pub fn file(
        &mut self,
        state: &mut State,
        place: (i64, i64),
        container: Option<&Arc<str>>,
    ) -> Option<FileId> {
        let fd = state.fd(place)?;
        if let Some(id) = fd.row {
            return Some(id);
        }
        let row = describe(state, fd, container);
        self.next_file += 1;
        let id = FileId(self.next_file);
        self.tables.files.insert(id, Arc::new(File { id, ..row }));
        state.fd_mut(place)?.row = Some(id);
        Some(id)
    }

    /// The row of a descriptor that nobody knows, of which there may be a name.
    pub fn unseen(&mut self, letter: char, name: Option<Vec<u8>>) -> FileId {
        let key = (letter as u8, name);
        if let Some(id) = self.unseen.get(&key) {
            return *id;
        }
        self.next_file += 1;
        let id = FileId(self.next_file);
        let named = if key.1.is_some() { File::NAMED } else { 0 };
        let row = File {
            id,
            kind: FileKind::Unseen,
            path: key.1.clone().unwrap_or_default(),
            origin: Origin::Told,
            marks: File::TOLD | named | (letter as u32) << File::LETTER,
            ..File::default()
        };
        self.tables.files.insert(id, Arc::new(row));
        self.unseen.insert(key, id);
        id
    }

    /// A descriptor's row under another name.
    pub fn renamed(&mut self, id: FileId, name: Vec<u8>) -> FileId {
        let Some(before) = self.tables.files.get(&id) else {
            return id;
        };
        let mut row = File::clone(before);
        self.next_file += 1;
        row.id = FileId(self.next_file);
        row.path = name;
        let id = row.id;
        self.tables.files.insert(id, Arc::new(row));
        id
    }

    /// Goes on with the numbers of rows that are no longer true; those that are not written yet stay.
    pub fn go_on(&mut self, before: Rows) {
        self.next_proc = before.next_proc;
        self.next_file = before.next_file;
        self.tables = before.tables;
    }

    /// Drops rows that nobody points at any more. Called when the chunk is written that needed them.
    pub fn prune(&mut self, state: &State) {
        let held = self.tables.procs.len() + self.tables.files.len();
        if held < self.spare.max(SPARE_ROWS) {
            return;
        }
        self.unseen.clear();
        let mut procs = std::collections::BTreeSet::new();
        let mut files = std::collections::BTreeSet::new();
        procs.extend(self.nobody);
        for thread in state.threads.values() {
            let mut next = thread.row.map(|row| row.1);
            while let Some(id) = next.filter(|id| procs.insert(*id)) {
                next = self.tables.proc(id).and_then(|row| row.parent);
            }
            files.extend(thread.fds.values().filter_map(|fd| fd.row));
        }
        self.tables.procs.retain(|id, _| procs.contains(id));
        self.tables.files.retain(|id, _| files.contains(id));
        self.spare = (self.tables.procs.len() + self.tables.files.len()) * 2;
    }

    /// Everything that is known, for a block of state.
    pub fn everything(&mut self, state: &mut State) -> Tables {
        let tids: Vec<i64> = state.threads.keys().copied().collect();
        for tid in tids {
            self.process(state, tid);
        }
        self.tables.clone()
    }
}

/// Whether two rows say the same, but for their numbers.
fn same(before: &Process, row: &Process) -> bool {
    before.key == row.key
        && Process {
            id: before.id,
            ..row.clone()
        } == *before
}

#[allow(clippy::too_many_arguments)]
fn make(
    thread: &Thread,
    parent: Option<ProcId>,
    cwd: &[u8],
    ppid: i64,
    start: u64,
    execs: u32,
    env: &[u8],
    container: Option<ContainerId>,
) -> Process {
    let [cap_inheritable, cap_permitted, cap_effective] = thread.caps;
    let [exe_ino, exe_ctime_ns, exe_mtime_ns] = thread.exe_file;
    let argv = [&*thread.exe, b"\0", &thread.args].concat();
    Process {
        id: ProcId(0),
        key: ProcKey {
            pid: id32(thread.pid),
            start_ns: BootNs(start).0,
            exec: execs,
        },
        parent,
        ppid: id32(ppid),
        vpid: id32(thread.vpid),
        sid: id32(thread.sid),
        pgid: id32(thread.pgid),
        tty: thread.tty,
        comm: thread.comm.to_vec(),
        exe_path: thread.exepath.to_vec(),
        exe_ino,
        exe_ctime_ns,
        exe_mtime_ns,
        exe_flags: thread.exe_flags,
        argv_full_len: argv.len() as u64,
        argv,
        env: env.to_vec(),
        env_full_len: env.len() as u64,
        cwd: cwd.to_vec(),
        uid: thread.uid,
        gid: thread.gid,
        euid: thread.uid,
        egid: thread.gid,
        loginuid: thread.loginuid,
        cap_effective,
        cap_permitted,
        cap_inheritable,
        container,
        cgroup: thread.cgroups.to_vec(),
        origin: Origin::Told,
        ..Process::default()
    }
}

fn describe(state: &State, fd: &Fd, container: Option<&Arc<str>>) -> File {
    let kind = match fd.ty {
        ty::FILE | ty::FILE_V2 => FileKind::File,
        ty::DIRECTORY => FileKind::Directory,
        ty::IPV4 | ty::IPV4_SERVER => FileKind::Ipv4,
        ty::IPV6 | ty::IPV6_SERVER => FileKind::Ipv6,
        ty::FIFO => FileKind::Pipe,
        ty::UNIX => FileKind::Unix,
        ty::EVENT => FileKind::Event,
        ty::SIGNALFD => FileKind::Signalfd,
        ty::EVENTPOLL => FileKind::Eventpoll,
        ty::INOTIFY => FileKind::Inotify,
        ty::TIMERFD => FileKind::Timerfd,
        ty::NETLINK => FileKind::Netlink,
        ty::BPF => FileKind::Bpf,
        ty::USERFAULTFD => FileKind::Userfaultfd,
        ty::IOURING => FileKind::Iouring,
        ty::MEMFD => FileKind::Memfd,
        ty::PIDFD => FileKind::Pidfd,
        _ => FileKind::Other,
    };
    let mut marks = File::TOLD | File::NAMED | (fd.letter() as u32) << File::LETTER;
    if fd.connected {
        marks |= File::CONNECTED;
    }
    let [upper, lower] = fd.layers;
    marks |= if upper { File::UPPER } else { 0 };
    marks |= if lower { File::LOWER } else { 0 };
    let local = |ip: IpAddr| state.is_local(ip, container);
    let flow = if fd.is_server_socket() {
        marks |= File::SERVER;
        let own = SocketAddr::from(fd.dest);
        Some(Flow {
            protocol: protocol(fd.protocol()),
            local: own,
            remote: SocketAddr::new(nowhere(own.ip()), 0),
            role: if fd.has_no_role() {
                Role::Unknown
            } else {
                Role::Server
            },
        })
    } else if fd.is_pair() {
        if local(fd.dest.0) {
            marks |= File::SERVER;
        }
        let (source, dest) = (SocketAddr::from(fd.source), SocketAddr::from(fd.dest));
        let source_is_local = local(fd.source.0);
        let (near, far) = if source_is_local {
            (source, dest)
        } else {
            (dest, source)
        };
        Some(Flow {
            protocol: protocol(fd.protocol()),
            local: near,
            remote: far,
            role: match (fd.has_no_role(), source_is_local) {
                (true, _) => Role::Unknown,
                (_, true) => Role::Client,
                (_, false) => Role::Server,
            },
        })
    } else {
        None
    };
    File {
        id: FileId(0),
        kind,
        path: fd.name.to_vec(),
        dev: kernel_dev(fd.dev),
        ino: fd.ino,
        flow,
        origin: Origin::Told,
        marks,
        ..File::default()
    }
}

fn nowhere(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    }
}

fn protocol(proto: u8) -> Protocol {
    Protocol(match proto {
        l4::TCP => 6,
        l4::UDP => 17,
        l4::ICMP => 1,
        l4::RAW => 255,
        _ => 0,
    })
}
