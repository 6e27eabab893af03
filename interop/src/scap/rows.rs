//! What is known as rows of a capture: each thread, descriptor, container and account as long as nothing of it changes.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::state::State;
use super::threads::{Fd, IN_CONTAINER, Thread, l4, ty};
use afterimage_format::Row;
use afterimage_model::{
    ContainerId, File, FileId, FileKind, Flow, Group, Origin, ProcId, ProcKey, Process, Protocol,
    Role, Tables, User,
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
    /// Rows of containers that were made so far.
    pub told: u64,
    next_proc: u32,
    next_file: u32,
    nobody: Option<ProcId>,
    unseen: HashMap<(u8, Option<Vec<u8>>), FileId>,
    /// The rows of files and directories: whoever opens one again opens the same.
    files: HashMap<Opened, FileId>,
    spare: usize,
}

/// All that the row of an opened file or directory says.
#[derive(PartialEq, Eq, Hash)]
struct Opened {
    ty: u8,
    dev: u32,
    ino: u64,
    layers: [bool; 2],
    name: Arc<[u8]>,
}

impl Opened {
    /// What there is to say of a descriptor; none of others, of which each is one of its own.
    fn of(fd: &Fd) -> Option<Opened> {
        matches!(fd.ty, ty::FILE | ty::FILE_V2 | ty::DIRECTORY).then(|| Opened {
            ty: fd.ty,
            dev: fd.dev,
            ino: fd.ino,
            layers: fd.layers,
            name: fd.name.clone(),
        })
    }
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
        let cwd = state.known_cwd(tid);
        let main = if is_main { tid } else { pid };
        let nothing = || Arc::from(&b""[..]);
        let (ppid, start, execs, env) = match state.threads.get(&main) {
            Some(main) => (main.ptid, main.clone_ts, main.execs, main.env.clone()),
            None => (-1, 0, 0, nothing()),
        };
        let thread = state.threads.get(&tid)?;
        let name_of = |other: i64| match state.threads.get(&other) {
            Some(named) if other != tid => named.comm.clone(),
            _ => nothing(),
        };
        let (main_comm, session_comm) = (name_of(main), name_of(thread.sid));
        let container = match thread.container.clone() {
            Some(id) => self.container(state, &id),
            None => None,
        };
        let around = Around {
            parent,
            ppid,
            start,
            execs,
            env: &env,
            cwd: &cwd,
            container,
            main_comm: &main_comm,
            session_comm: &session_comm,
        };
        let thread = state.threads.get(&tid)?;
        let known = before.and_then(|(seen, id)| Some((seen, self.tables.procs.get(&id)?)));
        let same = known.filter(|(_, row)| around.is_told(row, thread));
        let same = same.map(|(seen, row)| (seen, row.id));
        // Most changes are of other threads: then no row is made to be compared.
        if same.is_none_or(|(seen, _)| seen < state.accounts_changed) {
            self.accounts(state, tid, container);
        }
        let id = match same {
            Some((_, id)) => id,
            None => {
                self.next_proc += 1;
                let id = ProcId(self.next_proc);
                let row = around.row(id, state.threads.get(&tid)?);
                self.tables.procs.insert(id, Arc::new(row));
                id
            }
        };
        state.threads.get_mut(&tid)?.row = Some((generation, id));
        Some(id)
    }

    fn container(&mut self, state: &mut State, id: &str) -> Option<ContainerId> {
        let (number, fresh) = state.containers.row(id)?;
        if let Some(row) = fresh {
            self.told += 1;
            self.tables.containers.insert(number, Arc::new(row));
        }
        Some(number)
    }

    /// The accounts of a thread: of its container where that has a list, else the host's.
    fn accounts(&mut self, state: &State, tid: i64, container: Option<ContainerId>) {
        let Some(thread) = state.threads.get(&tid) else {
            return;
        };
        let owner = thread.container.as_ref();
        for uid in [thread.uid, thread.loginuid] {
            match state.account(&state.users, owner, uid) {
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
        match state.account(&state.groups, owner, gid) {
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

    /// The row of a descriptor that a thread uses.
    pub fn file(&mut self, state: &mut State, place: (i64, i64), tid: i64) -> Option<FileId> {
        let fd = state.fd(place)?;
        if let Some(id) = fd.row {
            return Some(id);
        }
        let opened = Opened::of(fd);
        let known = opened.as_ref().and_then(|opened| self.files.get(opened));
        let id = match known {
            Some(id) => *id,
            None => {
                let thread = state.threads.get(&tid);
                let container = thread.and_then(|thread| thread.container.as_ref());
                let row = describe(state, fd, container);
                self.next_file += 1;
                let id = FileId(self.next_file);
                self.tables.files.insert(id, Arc::new(File { id, ..row }));
                self.files.extend(opened.map(|opened| (opened, id)));
                id
            }
        };
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
        self.told = before.told + 1;
    }

    /// Drops rows that nobody points at any more, nor the event that comes `next`. Called when the chunk is written that needed
    /// them.
    pub fn prune(&mut self, state: &State, next: Option<&Row>) {
        let held = self.tables.procs.len() + self.tables.files.len();
        if held < self.spare.max(SPARE_ROWS) {
            return;
        }
        self.unseen.clear();
        self.files.clear();
        let mut procs = std::collections::BTreeSet::new();
        let mut files = std::collections::BTreeSet::new();
        procs.extend(self.nobody);
        files.extend(next.and_then(|event| event.file));
        let known = state.threads.values().filter_map(|thread| thread.row);
        for id in known.map(|row| row.1).chain(next.map(|event| event.proc)) {
            let mut above = Some(id);
            while let Some(id) = above.filter(|id| procs.insert(*id)) {
                above = self.tables.proc(id).and_then(|row| row.parent);
            }
        }
        for thread in state.threads.values() {
            files.extend(thread.fds.values().filter_map(|fd| fd.row));
        }
        self.tables.procs.retain(|id, _| procs.contains(id));
        self.tables.files.retain(|id, _| files.contains(id));
        self.spare = (self.tables.procs.len() + self.tables.files.len()) * 2;
    }
}

/// What a row says of a thread that the thread does not know itself.
struct Around<'a> {
    parent: Option<ProcId>,
    ppid: i64,
    start: u64,
    execs: u32,
    env: &'a [u8],
    cwd: &'a [u8],
    container: Option<ContainerId>,
    main_comm: &'a [u8],
    session_comm: &'a [u8],
}

/// The bits of a row that say what file a thread executes, and which probe of its container it runs for.
fn flags(thread: &Thread) -> u32 {
    thread.exe_flags | thread.category & !IN_CONTAINER
}

impl Around<'_> {
    /// The row.
    fn row(&self, id: ProcId, thread: &Thread) -> Process {
        let [cap_inheritable, cap_permitted, cap_effective] = thread.caps;
        let [exe_ino, exe_ctime_ns, exe_mtime_ns] = thread.exe_file;
        let argv = [&*thread.exe, b"\0", &thread.args].concat();
        Process {
            id,
            key: ProcKey {
                pid: id32(thread.pid),
                start_ns: self.start,
                exec: self.execs,
            },
            parent: self.parent,
            ppid: id32(self.ppid),
            vpid: id32(thread.vpid),
            sid: id32(thread.sid),
            pgid: id32(thread.pgid),
            tty: thread.tty,
            comm: thread.comm.to_vec(),
            exe_path: thread.exepath.to_vec(),
            exe_ino,
            exe_ctime_ns,
            exe_mtime_ns,
            exe_flags: flags(thread),
            argv_full_len: argv.len() as u64,
            argv,
            env: self.env.to_vec(),
            env_full_len: self.env.len() as u64,
            cwd: self.cwd.to_vec(),
            uid: thread.uid,
            gid: thread.gid,
            euid: thread.uid,
            egid: thread.gid,
            loginuid: thread.loginuid,
            cap_effective,
            cap_permitted,
            cap_inheritable,
            container: self.container,
            cgroup: thread.cgroups.to_vec(),
            origin: Origin::Told,
            main_comm: self.main_comm.to_vec(),
            session_comm: self.session_comm.to_vec(),
            ..Process::default()
        }
    }

    /// Whether a row that was made of the same thread still says what [`Around::row`] would say.
    fn is_told(&self, row: &Process, thread: &Thread) -> bool {
        let key = ProcKey {
            pid: id32(thread.pid),
            start_ns: self.start,
            exec: self.execs,
        };
        let [inheritable, permitted, effective] = thread.caps;
        let ids = [
            (row.ppid, id32(self.ppid)),
            (row.vpid, id32(thread.vpid)),
            (row.sid, id32(thread.sid)),
            (row.pgid, id32(thread.pgid)),
            (row.tty, thread.tty),
            (row.exe_flags, flags(thread)),
            (row.uid, thread.uid),
            (row.gid, thread.gid),
            (row.loginuid, thread.loginuid),
        ];
        let argv = |argv: &[u8]| {
            argv.strip_prefix(&*thread.exe)
                .and_then(|rest| rest.strip_prefix(b"\0"))
                .is_some_and(|rest| *rest == *thread.args)
        };
        row.key == key
            && row.parent == self.parent
            && row.container == self.container
            && ids.iter().all(|(told, known)| told == known)
            && [row.cap_inheritable, row.cap_permitted, row.cap_effective]
                == [inheritable, permitted, effective]
            && [row.exe_ino, row.exe_ctime_ns, row.exe_mtime_ns] == thread.exe_file
            && *row.comm == *thread.comm
            && *row.exe_path == *thread.exepath
            && argv(&row.argv)
            && *row.cwd == *self.cwd
            && *row.cgroup == *thread.cgroups
            && *row.env == *self.env
            && *row.main_comm == *self.main_comm
            && *row.session_comm == *self.session_comm
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
        // The first address is the client's: where a process that serves seems to have it, it has the other.
        let turned = match source_is_local {
            true => fd.server && !fd.client,
            false => fd.client && !fd.server,
        };
        marks |= if turned { File::TURNED } else { 0 };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_told_until_anything_it_says_changes() {
        let around = Around {
            parent: Some(ProcId(3)),
            ppid: 4,
            start: 5,
            execs: 6,
            env: b"A=b",
            cwd: b"/tmp/",
            container: None,
            main_comm: b"",
            session_comm: b"",
        };
        let thread = Thread::unknown(7);
        let row = around.row(ProcId(1), &thread);
        assert!(around.is_told(&row, &thread));
        let text = || Arc::from(&b"other"[..]);
        type Change = fn(&mut Thread, Arc<[u8]>);
        let changes: [Change; 17] = [
            |t, _| t.pid += 1,
            |t, _| t.vpid += 1,
            |t, _| t.sid += 1,
            |t, _| t.pgid += 1,
            |t, _| t.tty += 1,
            |t, _| t.uid = t.uid.wrapping_add(1),
            |t, _| t.gid = t.gid.wrapping_add(1),
            |t, _| t.loginuid = t.loginuid.wrapping_add(1),
            |t, _| t.exe_flags += 1,
            |t, _| t.category = Process::HEALTH_CHECK,
            |t, _| t.exe_file = [1, 2, 3],
            |t, _| t.caps = [1, 2, 3],
            |t, text| t.comm = text,
            |t, text| t.exe = text,
            |t, text| t.args = text,
            |t, text| t.exepath = text,
            |t, text| t.cgroups = text,
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut changed = thread.clone();
            change(&mut changed, text());
            assert!(!around.is_told(&row, &changed), "change {at}");
            let row = around.row(ProcId(1), &changed);
            assert!(around.is_told(&row, &changed), "change {at}");
        }
        for other in [
            Around {
                parent: None,
                ..around
            },
            Around { ppid: 1, ..around },
            Around { start: 1, ..around },
            Around { execs: 1, ..around },
            Around { env: b"", ..around },
            Around {
                cwd: b"/",
                ..around
            },
            Around {
                container: Some(ContainerId(1)),
                ..around
            },
            Around {
                main_comm: b"httpd",
                ..around
            },
            Around {
                session_comm: b"bash",
                ..around
            },
        ] {
            assert!(!other.is_told(&row, &thread));
        }
    }
}
