//! The enricher: from decoded kernel records to events that know their process, file and container.
//!
//! [`World`] is what is known of the recorded system: live processes, their descriptors, control groups, containers. It
//! learns from the records in order, from /proc where the kernel programs could not see, and from container runtimes
//! when they answer. Rows of its [`Tables`] never change once an event points at them; containers are filled in.

use crate::cgroup;
use crate::decode::{KernelPath, Record};
use crate::objects::Objects;
use crate::procfs;
use crate::wire::{Kind, PathMark, RecordHead, Slot, TaskPart};
use afterimage_model::schema::current_type;
use afterimage_model::syscalls::{Syscall, by_name};
use afterimage_model::{
    Abi, ArgKind, Blob, BootNs, Container, ContainerId, Event, EventFlags, FileId, FileKind, Group,
    Origin, ProcId, ProcKey, Process, Role, SYSCALLS, Tables, TypeId, User, Value,
};
use smallvec::SmallVec;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// A living process.
struct Live {
    /// Start as the rows have it.
    start_ns: u64,
    /// Start as the kernel has it, once a record told it (/proc only knows clock ticks).
    exact_ns: Option<u64>,
    /// `self_exec_id` at the last record.
    exec_id: Option<u32>,
    row: ProcId,
    /// Threads that differ from the process: their own rows.
    threads: HashMap<u32, ProcId>,
    /// Descriptors as last seen: only asked for calls that leave none behind (close).
    fds: HashMap<i32, FileId>,
    ended: bool,
}

/// A control group.
#[derive(Clone, Debug)]
struct Known {
    path: String,
    container: Option<ContainerId>,
}

/// Which control groups are recorded.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Everything, containers or not.
    All,
    /// Every container.
    Containers,
    /// Containers with these whole ids.
    Ids(Vec<String>),
    /// The control group with this path, and those beneath it, as one container.
    Group(String),
}

/// What became of a record.
#[derive(Debug)]
pub enum Outcome {
    /// An event.
    Event(Box<Event>),
    /// Not in the scope.
    OutOfScope,
}

/// What the kernel programs and the runtimes are to be told.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Keep or spare a control group.
    Scope(u64, bool),
    /// Forget a control group.
    Forget(u64),
    /// Ask the runtimes for a container.
    Ask(String),
}

/// The recorded system.
pub struct World {
    /// The rows.
    pub tables: Tables,
    /// To be taken and acted on after each batch.
    pub wishes: Vec<Wish>,
    wanted: Wanted,
    mount: Option<PathBuf>,
    live: HashMap<u32, Live>,
    objects: Objects,
    groups: HashMap<u64, Known>,
    by_full_id: HashMap<String, ContainerId>,
    users_read: BTreeSet<ContainerId>,
    next_proc: u32,
    calls: Vec<Option<(TypeId, &'static Syscall)>>,
    rescans: u32,
}

const CALL_STRIDE: usize = 1024;

fn call_table() -> Vec<Option<(TypeId, &'static Syscall)>> {
    let mut table = vec![None; 4 * CALL_STRIDE];
    for row in SYSCALLS {
        let Some(ty) = current_type(row.name) else {
            continue;
        };
        for (abi, number) in row.numbers {
            let mut put = |abi: Abi| {
                if (*number as usize) < CALL_STRIDE
                    && let Some(slot) = table.get_mut(abi as usize * CALL_STRIDE + *number as usize)
                {
                    *slot = Some((ty, row));
                }
            };
            put(*abi);
            if *abi == Abi::x86_64 && *number < 512 {
                put(Abi::x32);
            }
        }
    }
    table
}

impl World {
    /// An empty world; [`World::snapshot`] fills it.
    pub fn new(wanted: Wanted) -> World {
        World {
            tables: Tables::default(),
            wishes: Vec::new(),
            wanted,
            mount: cgroup::mount_point(),
            live: HashMap::new(),
            objects: Objects::default(),
            groups: HashMap::new(),
            by_full_id: HashMap::new(),
            users_read: BTreeSet::new(),
            next_proc: 1,
            calls: call_table(),
            rescans: 0,
        }
    }

    /// Reads what is there now: control groups, processes with their ancestors, descriptors of those in scope, users.
    /// To be called with the programs attached, so that nothing falls between.
    pub fn snapshot(&mut self, at_ns: u64) {
        if let Some(mount) = self.mount.clone() {
            for (id, path) in cgroup::scan(&mount) {
                self.learn_group(id, &path, at_ns);
            }
        }
        self.read_users(None, 1);
        let mut found: Vec<_> = procfs::pids()
            .into_iter()
            .filter_map(procfs::process)
            .collect();
        found.sort_by_key(|p| p.start_ns);
        for p in found {
            self.admit(p);
        }
    }

    /// Makes a row of a process read from /proc, with its descriptors when its control group is recorded.
    fn admit(&mut self, p: procfs::ProcStat) -> ProcId {
        let parent = self
            .live
            .get(&p.ppid)
            .filter(|l| l.start_ns <= p.start_ns)
            .map(|l| l.row);
        let group = self
            .groups
            .iter()
            .find(|(_, known)| known.path == p.cgroup)
            .map(|(id, known)| (*id, known.container));
        let (cgroup_id, container) = group.unwrap_or_default();
        // What is out of scope is kept by name only: a recording of one container must not carry away the arguments,
        // folders and open files of everything else on the host. The full lengths still say that there was something.
        let wanted = self.wants(container);
        let kept = |bytes: Vec<u8>, keep: bool| if keep { bytes } else { Vec::new() };
        let row = Process {
            key: ProcKey {
                pid: p.pid,
                start_ns: p.start_ns,
                exec: 0,
            },
            parent,
            ppid: p.ppid,
            vpid: p.vpid,
            sid: p.sid,
            pgid: p.pgid,
            tty: p.tty,
            comm: p.comm,
            exe_path: p.exe,
            exe_dev: p.exe_id.0,
            exe_ino: p.exe_id.1,
            exe_flags: if p.exe_deleted {
                Process::EXE_DELETED
            } else {
                0
            },
            argv_full_len: p.argv.len() as u64,
            argv: kept(p.argv, wanted),
            env_full_len: p.env.len() as u64,
            env: kept(p.env, wanted && container.is_some()),
            cwd: kept(p.cwd, wanted),
            uid: p.uids.0,
            gid: p.gids.0,
            euid: p.uids.1,
            egid: p.gids.1,
            loginuid: p.loginuid,
            cap_effective: p.caps.0,
            cap_permitted: p.caps.1,
            cap_inheritable: p.caps.2,
            container,
            cgroup_id,
            cgroup: p.cgroup.into_bytes(),
            ns_pid: p.namespaces[0],
            ns_mnt: p.namespaces[1],
            ns_net: p.namespaces[2],
            ns_user: p.namespaces[3],
            origin: Origin::Procfs,
            ..Process::default()
        };
        let id = self.add(row);
        let mut fds = HashMap::new();
        if container.is_some() && wanted {
            for open in procfs::descriptors(p.pid) {
                fds.insert(open.fd, self.objects.found(&mut self.tables, &open));
            }
        }
        let live = Live {
            start_ns: p.start_ns,
            exact_ns: None,
            exec_id: None,
            row: id,
            threads: HashMap::new(),
            fds,
            ended: false,
        };
        self.live.insert(p.pid, live);
        if let Some(container) = container {
            self.read_users(Some(container), p.pid);
        }
        id
    }

    fn add(&mut self, mut row: Process) -> ProcId {
        let id = ProcId(self.next_proc);
        self.next_proc += 1;
        row.id = id;
        self.tables.procs.insert(id, Arc::new(row));
        id
    }

    fn row(&self, id: ProcId) -> Process {
        self.tables.proc(id).cloned().unwrap_or_default()
    }

    /// Reads the user and group list of the host (`None`) or of a container, through the root of one of its processes.
    fn read_users(&mut self, container: Option<ContainerId>, pid: u32) {
        // A container's first processes still live in the host's root: its list is read once one of them has left it.
        if let Some(id) = container {
            if self.users_read.contains(&id) || !procfs::has_own_root(pid) {
                return;
            }
            self.users_read.insert(id);
        }
        for line in procfs::read_in_root(pid, "etc/passwd")
            .map(|t| procfs::records(&t))
            .unwrap_or_default()
        {
            if let [name, _, uid, _, _, home, shell, ..] = line.as_slice()
                && let Ok(uid) = uid.parse()
            {
                let user = User {
                    container,
                    uid,
                    name: name.clone(),
                    home: home.clone(),
                    shell: shell.clone(),
                };
                self.tables
                    .users
                    .entry((container, uid))
                    .or_insert_with(|| Arc::new(user));
            }
        }
        for line in procfs::read_in_root(pid, "etc/group")
            .map(|t| procfs::records(&t))
            .unwrap_or_default()
        {
            if let [name, _, gid, ..] = line.as_slice()
                && let Ok(gid) = gid.parse()
            {
                let group = Group {
                    container,
                    gid,
                    name: name.clone(),
                };
                self.tables
                    .groups
                    .entry((container, gid))
                    .or_insert_with(|| Arc::new(group));
            }
        }
    }

    /// Learns of a control group; says whether it is recorded.
    fn learn_group(&mut self, id: u64, path: &str, at_ns: u64) -> bool {
        let named = match &self.wanted {
            Wanted::Group(top) => path
                .strip_prefix(top.as_str())
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                .map(|_| {
                    let name = top.rsplit('/').next().unwrap_or(top);
                    cgroup::Named {
                        runtime: "cgroup",
                        id: name.to_owned(),
                        pod_uid: String::new(),
                    }
                }),
            _ => cgroup::container_of(path),
        };
        let keep = match (&self.wanted, &named) {
            (Wanted::All, _) => true,
            (_, None) => false,
            (Wanted::Containers | Wanted::Group(_), Some(_)) => true,
            (Wanted::Ids(ids), Some(named)) => ids.contains(&named.id),
        };
        let container = named.map(|named| self.learn_container(named, id, path, at_ns));
        self.groups.insert(
            id,
            Known {
                path: path.to_owned(),
                container,
            },
        );
        if !matches!(self.wanted, Wanted::All) {
            self.wishes.push(Wish::Scope(id, keep));
        }
        keep
    }

    fn learn_container(
        &mut self,
        named: cgroup::Named,
        cgroup_id: u64,
        path: &str,
        at_ns: u64,
    ) -> ContainerId {
        if let Some(id) = self.by_full_id.get(&named.id) {
            return *id;
        }
        let id = ContainerId(self.by_full_id.len() as u32 + 1);
        let asked = named.runtime != "cgroup";
        let row = Container {
            id,
            full_id: named.id.clone(),
            runtime: named.runtime.to_owned(),
            name: if asked {
                String::new()
            } else {
                named.id.clone()
            },
            pod_uid: named.pod_uid,
            first_seen_ns: at_ns,
            cgroup: path.to_owned(),
            cgroup_id,
            unresolved: if asked {
                "no answer from a container runtime yet".to_owned()
            } else {
                String::new()
            },
            ..Container::default()
        };
        self.tables.containers.insert(id, Arc::new(row));
        self.by_full_id.insert(named.id.clone(), id);
        if asked {
            self.wishes.push(Wish::Ask(named.id));
        }
        id
    }

    /// Fills in what a runtime said of a container.
    pub fn answered(&mut self, answer: crate::runtime::Answer) {
        let Some(row) = self
            .by_full_id
            .get(&answer.id)
            .and_then(|id| self.tables.containers.get_mut(id))
        else {
            return;
        };
        let old = row.as_ref().clone();
        *row = Arc::new(match answer.container {
            Err(why) => Container {
                unresolved: why,
                ..old
            },
            Ok(told) => Container {
                id: old.id,
                full_id: old.full_id,
                runtime: if told.runtime.is_empty() {
                    old.runtime
                } else {
                    told.runtime.clone()
                },
                first_seen_ns: old.first_seen_ns,
                removed_ns: old.removed_ns,
                cgroup: old.cgroup,
                cgroup_id: old.cgroup_id,
                pod_uid: if told.pod_uid.is_empty() {
                    old.pod_uid
                } else {
                    told.pod_uid.clone()
                },
                unresolved: String::new(),
                ..told
            },
        });
    }

    /// The control group with this id, found on disk when its creation was not seen.
    fn group(&mut self, id: u64, at_ns: u64) -> Option<Known> {
        if !self.groups.contains_key(&id) && self.rescans < 1_000 {
            self.rescans += 1;
            let all = self
                .mount
                .clone()
                .map(|mount| cgroup::scan(&mount))
                .unwrap_or_default();
            match all.get(&id) {
                Some(path) => {
                    self.learn_group(id, path, at_ns);
                }
                // Gone already: remembered as such, so that it is looked for once.
                None => {
                    self.groups.insert(
                        id,
                        Known {
                            path: String::new(),
                            container: None,
                        },
                    );
                }
            }
        }
        self.groups.get(&id).cloned()
    }

    /// The row of the task a record is about, brought up to date with what the head says.
    fn who(&mut self, record: &Record) -> (ProcId, bool) {
        let head = &record.head;
        let tolerance = 2 * procfs::tick_ns();
        let same = self.live.get(&head.pid).is_some_and(|l| match l.exact_ns {
            Some(exact) => exact == head.start_ns,
            None => l.start_ns.abs_diff(head.start_ns) <= tolerance,
        });
        let mut known = true;
        if !same {
            known = self.meet(record);
        }
        let Some(live) = self.live.get_mut(&head.pid) else {
            return (ProcId(0), false);
        };
        live.exact_ns = Some(head.start_ns);
        let missed_exec =
            live.exec_id.is_some_and(|id| id != head.exec_id) && u32::from(head.kind) != Kind::EXEC;
        live.exec_id = Some(head.exec_id);
        let mut id = live.threads.get(&head.tid).copied().unwrap_or(live.row);
        if missed_exec {
            // An exec was lost: what /proc says now is the best there is.
            let old = self.row(id);
            if let Some(now) = procfs::process(head.pid)
                .filter(|p| p.start_ns.abs_diff(head.start_ns) <= tolerance)
            {
                let row = Process {
                    key: ProcKey {
                        exec: old.key.exec + 1,
                        ..old.key
                    },
                    comm: now.comm,
                    exe_path: now.exe,
                    exe_dev: now.exe_id.0,
                    exe_ino: now.exe_id.1,
                    argv_full_len: now.argv.len() as u64,
                    argv: now.argv,
                    origin: Origin::Procfs,
                    ..old
                };
                id = self.replace(head.pid, row);
            }
        }
        if head.cgroup != self.tables.proc(id).map_or(0, |p| p.cgroup_id)
            && let Some(group) = self.group(head.cgroup, head.time_ns)
        {
            let row = Process {
                cgroup_id: head.cgroup,
                cgroup: group.path.into_bytes(),
                container: group.container,
                ..self.row(id)
            };
            id = self.replace(head.pid, row);
        }
        (id, known)
    }

    /// Makes the row the process's own.
    fn replace(&mut self, pid: u32, row: Process) -> ProcId {
        let id = self.add(row);
        if let Some(live) = self.live.get_mut(&pid) {
            live.row = id;
            live.threads.clear();
        }
        id
    }

    /// A process whose start was not seen. Returns whether more than its pid is known.
    fn meet(&mut self, record: &Record) -> bool {
        let head = &record.head;
        let tolerance = 2 * procfs::tick_ns();
        if let Some(p) =
            procfs::process(head.pid).filter(|p| p.start_ns.abs_diff(head.start_ns) <= tolerance)
        {
            self.admit(p);
            return true;
        }
        let mut row = Process {
            key: ProcKey {
                pid: head.pid,
                start_ns: head.start_ns,
                exec: 0,
            },
            loginuid: u32::MAX,
            ..Process::default()
        };
        if let Some(task) = &record.task {
            row.parent = self.parent_of(task);
            apply_task(&mut row, task);
        }
        let id = self.add(row);
        let live = Live {
            start_ns: head.start_ns,
            exact_ns: Some(head.start_ns),
            exec_id: None,
            row: id,
            threads: HashMap::new(),
            fds: HashMap::new(),
            ended: false,
        };
        self.live.insert(head.pid, live);
        record.task.is_some()
    }

    fn parent_of(&mut self, task: &TaskPart) -> Option<ProcId> {
        let tolerance = 2 * procfs::tick_ns();
        let fits = |l: &Live| {
            l.exact_ns
                .unwrap_or(l.start_ns)
                .abs_diff(task.parent_start_ns)
                <= tolerance
        };
        if let Some(live) = self.live.get(&task.ppid).filter(|l| fits(l)) {
            return Some(live.row);
        }
        let p = procfs::process(task.ppid)
            .filter(|p| p.start_ns.abs_diff(task.parent_start_ns) <= tolerance)?;
        Some(self.admit(p))
    }

    /// Whether a process's events are wanted.
    fn in_scope(&self, id: ProcId) -> bool {
        self.wants(self.tables.proc(id).and_then(|p| p.container))
    }

    /// Whether events of a container are wanted, or those of the host for `None`.
    fn wants(&self, container: Option<ContainerId>) -> bool {
        match &self.wanted {
            Wanted::All => true,
            Wanted::Containers | Wanted::Group(_) => container.is_some(),
            Wanted::Ids(ids) => container
                .and_then(|c| self.tables.container(c))
                .is_some_and(|c| ids.contains(&c.full_id)),
        }
    }

    /// The tables without what is out of scope: its containers and its processes, except ancestors of processes in scope.
    pub fn kept(&self) -> Tables {
        let mut tables = self.tables.clone();
        if matches!(self.wanted, Wanted::All) {
            return tables;
        }
        let mut keep: BTreeSet<ProcId> = BTreeSet::new();
        for id in self
            .tables
            .procs
            .keys()
            .copied()
            .filter(|id| self.in_scope(*id))
        {
            keep.insert(id);
            keep.extend(self.tables.ancestors(id).map(|p| p.id));
        }
        tables.procs.retain(|id, _| keep.contains(id));
        tables.containers.retain(|id, _| self.wants(Some(*id)));
        tables
            .users
            .retain(|(container, _), _| container.is_none() || self.wants(*container));
        tables
            .groups
            .retain(|(container, _), _| container.is_none() || self.wants(*container));
        tables
    }

    /// Takes a record in.
    pub fn record(&mut self, cpu: u16, record: &Record) -> Outcome {
        match u32::from(record.head.kind) {
            Kind::EXEC => self.exec(cpu, record),
            Kind::FORK => self.fork(cpu, record),
            Kind::CGROUP_MKDIR | Kind::CGROUP_RMDIR | Kind::CGROUP_ATTACH => {
                self.group_event(cpu, record)
            }
            Kind::EXIT => {
                let (id, known) = self.who(record);
                let code = record.head.args[0] as i64;
                let args = [
                    Value::Num((code >> 8) & 0xff),
                    Value::Num(code & 0x7f),
                    Value::Num((code >> 7) & 1),
                ];
                if record.head.args[1] == 1
                    && let Some(live) = self.live.get_mut(&record.head.pid)
                {
                    live.ended = true;
                }
                self.finish(
                    cpu,
                    record,
                    id,
                    known,
                    "procexit",
                    args.into_iter().collect(),
                    None,
                )
            }
            Kind::OOM => {
                let (id, known) = self.who(record);
                self.finish(
                    cpu,
                    record,
                    id,
                    known,
                    "oom_kill",
                    [Value::Num(record.head.args[0] as i64)]
                        .into_iter()
                        .collect(),
                    None,
                )
            }
            _ => self.call(cpu, record),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn finish(
        &self,
        cpu: u16,
        record: &Record,
        id: ProcId,
        known: bool,
        ty: &str,
        args: SmallVec<[Value; 6]>,
        file: Option<FileId>,
    ) -> Outcome {
        if !self.in_scope(id) {
            return Outcome::OutOfScope;
        }
        let mut event = blank(
            cpu,
            &record.head,
            id,
            known,
            current_type(ty).unwrap_or_default(),
        );
        event.flags.set(EventFlags::NO_RESULT);
        event.args = args;
        event.file = file;
        Outcome::Event(Box::new(event))
    }

    fn exec(&mut self, cpu: u16, record: &Record) -> Outcome {
        let head = &record.head;
        let (old, known) = self.who(record);
        let mut row = self.row(old);
        row.key.exec += 1;
        row.origin = Origin::Kernel;
        if let Some(task) = &record.task {
            apply_task(&mut row, task);
            if row.parent.is_none() {
                row.parent = self.parent_of(task);
            }
        }
        let empty = Blob::default();
        let argv = record.argv.as_ref().unwrap_or(&empty);
        let env = record.env.as_ref().unwrap_or(&empty);
        (row.argv, row.argv_full_len) = (argv.bytes.clone(), argv.full_len);
        (row.env, row.env_full_len) = (env.bytes.clone(), env.full_len);
        if let Some(cwd) = &record.cwd {
            row.cwd = cwd.bytes.clone();
        }
        let exe = record.file(Slot::EXE);
        if let Some(exe) = exe {
            let path = exe.path.clone().unwrap_or_default();
            row.exe_dev = exe.part.dev;
            row.exe_ino = exe.part.ino;
            row.exe_flags = [
                (
                    path.bytes.starts_with(b"memfd:") || path.bytes.starts_with(b"/memfd:"),
                    Process::EXE_MEMFD,
                ),
                (path.has(PathMark::UNLINKED), Process::EXE_DELETED),
                (exe.part.layer == 1, Process::EXE_UPPER),
                (exe.part.layer == 2, Process::EXE_LOWER),
            ]
            .into_iter()
            .filter(|(set, _)| *set)
            .fold(0, |bits, (_, bit)| bits | bit);
            row.exe_path = path.bytes;
        }
        let file = exe.map(|exe| self.objects.of(&mut self.tables, exe, None));
        let id = self.replace(head.pid, row);
        if let Some(live) = self.live.get_mut(&head.pid) {
            // Descriptors marked close-on-exec are gone; the rest shows itself with its next use.
            live.fds.clear();
            live.ended = false;
        }
        if !self.in_scope(id) {
            return Outcome::OutOfScope;
        }
        if let Some(container) = self.tables.proc(id).and_then(|p| p.container) {
            self.read_users(Some(container), head.pid);
        }
        let abi = Abi::from_code(head.abi).unwrap_or_default();
        let by_descriptor = head.args[0] == 1;
        let name = if by_descriptor { "execveat" } else { "execve" };
        let mut event = blank(cpu, head, id, known, current_type(name).unwrap_or_default());
        event.abi = abi;
        event.file = file;
        let (dirfd, claim) = match record.claim.clone() {
            Some(claim) if by_descriptor => by_fd_path(claim),
            claim => (None, claim),
        };
        for spec in by_name(name).map_or(&[][..], |call| call.args) {
            event.args.push(match spec.kind {
                ArgKind::Path => claim.clone().map_or(Value::Absent, Value::Bytes),
                ArgKind::Argv if spec.name == "argv" => Value::Bytes(argv.clone()),
                ArgKind::DirFd => dirfd.map_or(Value::Absent, Value::Num),
                // AT_EMPTY_PATH is the only flag that can be told afterwards.
                ArgKind::Flags => {
                    let empty = claim.as_ref().is_some_and(|claim| claim.bytes.is_empty());
                    Value::Num(if empty { 0x1000 } else { 0 })
                }
                _ => Value::Absent,
            });
        }
        mark(&mut event, record);
        let cwd = self
            .tables
            .proc(id)
            .map(|p| p.cwd.clone())
            .unwrap_or_default();
        if let (Some(claim), Some(path)) = (&claim, exe.and_then(|exe| exe.path.as_ref()))
            && differs(&claim.bytes, &cwd, &path.bytes)
        {
            event.flags.set(EventFlags::CLAIM_DIFFERS);
        }
        Outcome::Event(Box::new(event))
    }

    fn fork(&mut self, cpu: u16, record: &Record) -> Outcome {
        let head = &record.head;
        let [parent_tid, parent_pid, parent_start, ..] = head.args;
        if head.tid != head.pid {
            let (id, known) = self.who(record);
            let args = [
                Value::Num(parent_tid as i64),
                Value::Num(i64::from(head.tid)),
            ];
            return self.finish(
                cpu,
                record,
                id,
                known,
                "clone_child",
                args.into_iter().collect(),
                None,
            );
        }
        let tolerance = 2 * procfs::tick_ns();
        let fits = |l: &&Live| l.exact_ns.unwrap_or(l.start_ns).abs_diff(parent_start) <= tolerance;
        let mut parent = self.live.get(&(parent_pid as u32)).filter(fits).map(|l| {
            l.threads
                .get(&(parent_tid as u32))
                .copied()
                .unwrap_or(l.row)
        });
        if parent.is_none()
            && let Some(task) = &record.task
        {
            parent = self.parent_of(&TaskPart {
                ppid: parent_pid as u32,
                parent_start_ns: parent_start,
                ..*task
            });
        }
        let mut row = parent.map(|p| self.row(p)).unwrap_or_default();
        row.key = ProcKey {
            pid: head.pid,
            start_ns: head.start_ns,
            exec: 0,
        };
        row.parent = parent;
        row.origin = Origin::Kernel;
        if let Some(task) = &record.task {
            apply_task(&mut row, task);
        }
        row.ppid = parent_pid as u32;
        if row.cgroup_id != head.cgroup
            && let Some(group) = self.group(head.cgroup, head.time_ns)
        {
            (row.cgroup_id, row.cgroup, row.container) =
                (head.cgroup, group.path.into_bytes(), group.container);
        }
        let id = self.add(row);
        let fds = self
            .live
            .get(&(parent_pid as u32))
            .map(|l| l.fds.clone())
            .unwrap_or_default();
        let live = Live {
            start_ns: head.start_ns,
            exact_ns: Some(head.start_ns),
            exec_id: Some(head.exec_id),
            row: id,
            threads: HashMap::new(),
            fds,
            ended: false,
        };
        self.live.insert(head.pid, live);
        let args = [
            Value::Num(parent_tid as i64),
            Value::Num(i64::from(head.pid)),
        ];
        self.finish(
            cpu,
            record,
            id,
            true,
            "clone_child",
            args.into_iter().collect(),
            None,
        )
    }

    fn group_event(&mut self, cpu: u16, record: &Record) -> Outcome {
        let head = &record.head;
        let group = head.args[0];
        let path = String::from_utf8_lossy(record.text.as_deref().unwrap_or_default()).into_owned();
        let kind = u32::from(head.kind);
        let keep = match kind {
            Kind::CGROUP_MKDIR => self.learn_group(group, &path, head.time_ns),
            _ => self
                .group(group, head.time_ns)
                .is_some_and(|known| known.container.is_some()),
        };
        let container = self.groups.get(&group).and_then(|known| known.container);
        if kind == Kind::CGROUP_RMDIR {
            self.groups.remove(&group);
            self.wishes.push(Wish::Forget(group));
        }
        let Some(container) = container.filter(|_| keep) else {
            return Outcome::OutOfScope;
        };
        if let Wanted::Ids(ids) = &self.wanted
            && self
                .tables
                .container(container)
                .is_none_or(|c| !ids.contains(&c.full_id))
        {
            return Outcome::OutOfScope;
        }
        let own = self
            .tables
            .container(container)
            .is_some_and(|c| c.cgroup_id == group);
        let (ty, args): (_, [Value; 2]) = match kind {
            Kind::CGROUP_ATTACH => (
                "cgroup_attach",
                [
                    Value::Bytes(Blob::whole(path)),
                    Value::Num(i64::from(head.pid)),
                ],
            ),
            // Groups beneath a container's own come and go without the container.
            _ if !own => return Outcome::OutOfScope,
            _ => {
                let started = kind == Kind::CGROUP_MKDIR;
                if !started && let Some(row) = self.tables.containers.get_mut(&container) {
                    *row = Arc::new(Container {
                        removed_ns: head.time_ns,
                        ..row.as_ref().clone()
                    });
                }
                let id = self
                    .tables
                    .container(container)
                    .map(|c| c.full_id.clone())
                    .unwrap_or_default();
                (
                    if started {
                        "container_start"
                    } else {
                        "container_stop"
                    },
                    [
                        Value::Bytes(Blob::whole(id)),
                        Value::Bytes(Blob::whole(path)),
                    ],
                )
            }
        };
        let (id, known) = self.who(record);
        // The event is the container's, whoever caused it: the row says both.
        let row = self.row(id);
        let id = match (kind, row.container) {
            (Kind::CGROUP_ATTACH, _) | (_, None) => {
                let row = Process {
                    container: Some(container),
                    cgroup_id: group,
                    cgroup: path_bytes(record),
                    ..row
                };
                match kind {
                    Kind::CGROUP_ATTACH => self.replace(head.pid, row),
                    _ => self.add(row),
                }
            }
            _ => id,
        };
        let mut event = blank(cpu, head, id, known, current_type(ty).unwrap_or_default());
        event.flags.set(EventFlags::NO_RESULT);
        event.args = args.into_iter().collect();
        Outcome::Event(Box::new(event))
    }

    fn call_row(&self, abi: Abi, nr: u32) -> Option<(TypeId, Option<&'static Syscall>)> {
        let at = (nr as usize) < CALL_STRIDE;
        let row = at
            .then(|| {
                self.calls
                    .get(abi as usize * CALL_STRIDE + nr as usize)
                    .copied()
                    .flatten()
            })
            .flatten()?;
        Some((row.0, Some(row.1)))
    }

    fn call(&mut self, cpu: u16, record: &Record) -> Outcome {
        let head = &record.head;
        let (mut id, known) = self.who(record);
        if let Some(task) = &record.task {
            id = self.changed(id, task, record.cwd.as_ref(), head);
        }
        if !self.in_scope(id) {
            return Outcome::OutOfScope;
        }
        let abi = Abi::from_code(head.abi).unwrap_or_default();
        let result = head.result as i64;
        let Some((ty, Some(row))) = self.call_row(abi, head.nr) else {
            let mut event = blank(
                cpu,
                head,
                id,
                known,
                current_type("unknown").unwrap_or_default(),
            );
            event.abi = abi;
            event.result = result;
            event.args.push(Value::Num(i64::from(head.nr as i32)));
            event
                .args
                .extend(head.args.iter().take(5).map(|raw| Value::Num(*raw as i64)));
            return Outcome::Event(Box::new(event));
        };
        let mut event = blank(cpu, head, id, known, ty);
        event.abi = abi;
        event.result = result;
        if u32::from(head.kind) == Kind::SYSCALL_ENTER {
            event.flags.set(EventFlags::NO_RESULT);
            event.result = 0;
        }
        for (at, spec) in row.args.iter().enumerate() {
            let raw = head.args.get(at).copied().unwrap_or(0);
            event.args.push(value(
                spec.kind,
                raw,
                abi,
                record.args.get(at).and_then(Option::as_ref),
            ));
        }
        mark(&mut event, record);
        event.file = self.touched(record, row, result, id, &mut event.flags);
        Outcome::Event(Box::new(event))
    }

    /// The task's ids, name, directory or namespaces changed.
    fn changed(
        &mut self,
        id: ProcId,
        task: &TaskPart,
        cwd: Option<&KernelPath>,
        head: &RecordHead,
    ) -> ProcId {
        let old = self.row(id);
        let mut row = old.clone();
        let ppid = row.ppid;
        apply_task(&mut row, task);
        row.ppid = ppid;
        if let Some(cwd) = cwd {
            row.cwd = cwd.bytes.clone();
        }
        if row == old {
            return id;
        }
        row.origin = Origin::Kernel;
        if head.tid == head.pid {
            let threads = self
                .live
                .get_mut(&head.pid)
                .map(|l| std::mem::take(&mut l.threads))
                .unwrap_or_default();
            let id = self.replace(head.pid, row);
            if let Some(live) = self.live.get_mut(&head.pid) {
                live.threads = threads;
            }
            return id;
        }
        let same = |id: ProcId, world: &World| {
            world.tables.proc(id).is_some_and(|p| {
                Process {
                    id: row.id,
                    origin: row.origin,
                    ..p.clone()
                } == row
            })
        };
        let main = self.live.get(&head.pid).map(|l| l.row);
        let id = match main.filter(|main| same(*main, self)) {
            Some(main) => main,
            None => self.add(row),
        };
        if let Some(live) = self.live.get_mut(&head.pid) {
            live.threads.insert(head.tid, id);
        }
        id
    }

    /// The file or socket a call touched, and what the call did to the descriptor table.
    fn touched(
        &mut self,
        record: &Record,
        row: &Syscall,
        result: i64,
        id: ProcId,
        flags: &mut EventFlags,
    ) -> Option<FileId> {
        let head = &record.head;
        let pid = head.pid;
        let first_fd = row.args.iter().position(|arg| arg.kind == ArgKind::Fd);
        let fd_number = |at: usize| head.args.get(at).map(|raw| *raw as i32);
        match row.name {
            "close" => {
                let live = self.live.get_mut(&pid)?;
                let fd = fd_number(0)?;
                return if result == 0 {
                    live.fds.remove(&fd)
                } else {
                    None
                };
            }
            // F_DUPFD and F_DUPFD_CLOEXEC (include/uapi/linux/fcntl.h): the copy has the same open file.
            "fcntl" | "fcntl64" if result >= 0 && matches!(head.args[1] as u32, 0 | 1030) => {
                let file = record.file(0)?.clone();
                let made = self.objects.of(&mut self.tables, &file, None);
                self.live.get_mut(&pid)?.fds.insert(result as i32, made);
            }
            "close_range" if result == 0 => {
                let (from, to) = (head.args[0] as u32, head.args[1] as u32);
                if let Some(live) = self.live.get_mut(&pid) {
                    live.fds
                        .retain(|fd, _| !(from..=to).contains(&(*fd as u32)));
                }
            }
            "pipe" | "pipe2" | "socketpair" if result == 0 => {
                let pair = record
                    .args
                    .iter()
                    .flatten()
                    .find(|blob| blob.bytes.len() == 8);
                let numbers = pair.map(|blob| {
                    blob.bytes
                        .chunks_exact(4)
                        .map(|raw| i32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]))
                        .collect::<Vec<_>>()
                });
                if let Some(live) = self.live.get_mut(&pid) {
                    live.fds
                        .retain(|fd, _| !numbers.as_ref().is_some_and(|made| made.contains(fd)));
                }
            }
            _ => {}
        }
        let claimed_end = record.addr.as_deref().or_else(|| {
            let at = row
                .args
                .iter()
                .position(|arg| matches!(arg.kind, ArgKind::SockAddrIn | ArgKind::SockAddrOut))?;
            record
                .args
                .get(at)?
                .as_ref()
                .map(|blob| blob.bytes.as_slice())
        });
        if let Some(file) = record.file(Slot::RESULT) {
            if matches!(row.name, "accept" | "accept4") {
                self.objects.role(file, Role::Server);
            }
            let made = self.objects.of(&mut self.tables, file, None);
            if let Some(live) = self.live.get_mut(&pid) {
                live.fds.insert(result as i32, made);
            }
            if let (Some(path), Some(claim)) = (&file.path, claimed_path(record, row))
                && !path.has(PathMark::PSEUDO)
            {
                let base = self.base_of(record, row, id);
                if differs(claim, &base, &path.bytes) {
                    flags.set(EventFlags::CLAIM_DIFFERS);
                }
            }
            return Some(made);
        }
        let (slot, file) = record.files.first()?;
        match row.name {
            // A connect that fails at once never made this end the client of anything.
            "connect" if result == 0 || result == -115 => self.objects.role(file, Role::Client),
            "listen" if result == 0 => self.objects.role(file, Role::Server),
            _ => {}
        }
        let sends = row
            .args
            .iter()
            .any(|arg| matches!(arg.kind, ArgKind::SockAddrIn | ArgKind::MsgIn))
            && row.name != "bind";
        let receives = row
            .args
            .iter()
            .any(|arg| matches!(arg.kind, ArgKind::SockAddrOut | ArgKind::MsgOut))
            && row.name.starts_with("recv");
        let end = claimed_end.filter(|_| sends || receives);
        let fd = fd_number(*slot as usize)?;
        let known = self.objects.known(file);
        let made = match known {
            Some(known) => known,
            None if file.path.is_none() && file.socket.is_none() => {
                let look = procfs::descriptor(pid, fd).filter(|open| open.id.1 == file.part.ino);
                match look {
                    Some(open) => self.objects.learn(&mut self.tables, file, &open),
                    None => self.objects.of(&mut self.tables, file, end),
                }
            }
            None => self.objects.of(&mut self.tables, file, end),
        };
        if let Some(live) = self.live.get_mut(&pid) {
            live.fds.insert(fd, made);
        }
        // A directory descriptor is where a path starts from, not what the call touched, unless it has nothing else.
        (first_fd.is_some() || claimed_path(record, row).is_none_or(<[u8]>::is_empty))
            .then_some(made)
    }

    /// The directory a relative path starts from.
    fn base_of(&self, record: &Record, row: &Syscall, id: ProcId) -> Vec<u8> {
        let dirfd = row.args.iter().position(|arg| arg.kind == ArgKind::DirFd);
        let dir = dirfd
            .and_then(|at| record.file(at as u32))
            .and_then(|file| self.objects.known(file))
            .and_then(|id| self.tables.file(id));
        match dir {
            Some(file) if file.kind == FileKind::Directory => file.path.clone(),
            _ => self
                .tables
                .proc(id)
                .map(|p| p.cwd.clone())
                .unwrap_or_default(),
        }
    }

    /// Records were lost: descriptor tables may have changed unseen.
    pub fn lost(&mut self) {
        for live in self.live.values_mut() {
            live.fds.clear();
        }
    }

    /// Forgets what nothing living needs. To be called when the file holds all that was handed out.
    pub fn trim(&mut self) {
        if self.tables.procs.len() + self.tables.files.len() < 65_536 {
            return;
        }
        self.live.retain(|_, live| !live.ended);
        let mut keep: BTreeSet<ProcId> = BTreeSet::new();
        for live in self.live.values() {
            for id in live.threads.values().chain([&live.row]) {
                keep.extend(self.tables.ancestors(*id).map(|p| p.id));
                keep.insert(*id);
            }
        }
        self.tables.procs.retain(|id, _| keep.contains(id));
        let held: BTreeSet<FileId> = self
            .live
            .values()
            .flat_map(|live| live.fds.values().copied())
            .collect();
        self.objects.trim(&mut self.tables, &held);
    }
}

/// What execveat was given, from the kernel's `/dev/fd/N` or `/dev/fd/N/path`.
fn by_fd_path(claim: Blob) -> (Option<i64>, Option<Blob>) {
    let Some(rest) = claim.bytes.strip_prefix(b"/dev/fd/") else {
        return (None, Some(claim));
    };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let number = rest
        .get(..digits)
        .and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
    let path = rest.get(digits..).unwrap_or_default();
    (
        number,
        Some(Blob::whole(path.strip_prefix(b"/").unwrap_or(path))),
    )
}

fn path_bytes(record: &Record) -> Vec<u8> {
    record.text.clone().unwrap_or_default()
}

fn claimed_path<'a>(record: &'a Record, row: &Syscall) -> Option<&'a [u8]> {
    let at = row.args.iter().position(|arg| arg.kind == ArgKind::Path)?;
    record
        .args
        .get(at)?
        .as_ref()
        .map(|blob| blob.bytes.as_slice())
}

/// Whether a path as passed, taken from `base`, is another than the one the kernel acted on.
fn differs(claimed: &[u8], base: &[u8], actual: &[u8]) -> bool {
    let whole = if claimed.starts_with(b"/") {
        claimed.to_vec()
    } else {
        [base, b"/", claimed].concat()
    };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in whole.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    [b"/".as_slice(), &parts.join(&b'/')].concat() != actual
}

fn apply_task(row: &mut Process, task: &TaskPart) {
    row.ppid = task.ppid;
    row.vpid = task.vpid;
    row.sid = task.sid;
    row.pgid = task.pgid;
    row.tty = task.tty;
    row.uid = task.uid;
    row.gid = task.gid;
    row.euid = task.euid;
    row.egid = task.egid;
    row.loginuid = task.loginuid;
    row.cap_effective = task.cap_effective;
    row.cap_permitted = task.cap_permitted;
    row.cap_inheritable = task.cap_inheritable;
    row.ns_pid = task.ns_pid;
    row.ns_mnt = task.ns_mnt;
    row.ns_net = task.ns_net;
    row.ns_user = task.ns_user;
    row.comm = task
        .comm
        .split(|b| *b == 0)
        .next()
        .unwrap_or_default()
        .to_vec();
}

fn blank(cpu: u16, head: &RecordHead, proc: ProcId, known: bool, ty: TypeId) -> Event {
    let mut flags = EventFlags::default();
    if !known {
        flags.set(EventFlags::PROCESS_UNKNOWN);
    }
    Event {
        time: BootNs(head.time_ns),
        cpu,
        seq: head.seq,
        ty,
        abi: Abi::x86_64,
        flags,
        tid: head.tid,
        proc,
        file: None,
        result: 0,
        args: SmallVec::new(),
    }
}

fn mark(event: &mut Event, record: &Record) {
    let cut = event
        .args
        .iter()
        .any(|arg| matches!(arg, Value::Bytes(blob) if blob.is_cut()));
    if cut || record.head.cut != 0 {
        event.flags.set(EventFlags::CUT);
    }
}

/// An argument's value: the register narrowed to its C type, or the bytes it pointed at.
fn value(kind: ArgKind, raw: u64, abi: Abi, bytes: Option<&Blob>) -> Value {
    let narrow = abi == Abi::i386;
    match kind {
        ArgKind::Path
        | ArgKind::Str
        | ArgKind::BufIn
        | ArgKind::BufOut
        | ArgKind::StructIn
        | ArgKind::SockAddrIn
        | ArgKind::SockAddrOut
        | ArgKind::IoVecIn
        | ArgKind::IoVecOut
        | ArgKind::MsgIn
        | ArgKind::MsgOut
        | ArgKind::FdPair
        | ArgKind::Argv => bytes.map_or(Value::Absent, |blob| Value::Bytes(blob.clone())),
        ArgKind::TimeSpec => bytes
            .and_then(|blob| timespec_ns(&blob.bytes))
            .map_or(Value::Absent, Value::Num),
        ArgKind::Int
        | ArgKind::Fd
        | ArgKind::DirFd
        | ArgKind::Pid
        | ArgKind::Signal
        | ArgKind::Enum
        | ArgKind::SockAddrLen => Value::Num(i64::from(raw as i32)),
        // -1 means "leave as it is" and stays -1; every other id is unsigned.
        ArgKind::Uid | ArgKind::Gid => Value::Num(if raw as u32 == u32::MAX {
            -1
        } else {
            i64::from(raw as u32)
        }),
        ArgKind::Mode => Value::Num(i64::from(raw as u32)),
        // Most flags are C ints: a set top bit must not smear over the upper half.
        ArgKind::Flags => Value::Num(if raw >> 32 == 0xffff_ffff {
            i64::from(raw as u32)
        } else {
            raw as i64
        }),
        ArgKind::Uint
        | ArgKind::Hex
        | ArgKind::Ptr
        | ArgKind::Size
        | ArgKind::Offset
        | ArgKind::Dev => Value::Num(if narrow {
            i64::from(raw as u32)
        } else {
            raw as i64
        }),
    }
}

/// A `struct timespec` (16 bytes) or its 32-bit form (8 bytes) as nanoseconds.
fn timespec_ns(bytes: &[u8]) -> Option<i64> {
    let (seconds, nanos) = match bytes.len() {
        16 => (
            i64::from_le_bytes(*bytes.first_chunk()?),
            i64::from_le_bytes(*bytes.get(8..)?.first_chunk()?),
        ),
        8 => (
            i64::from(i32::from_le_bytes(*bytes.first_chunk()?)),
            i64::from(i32::from_le_bytes(*bytes.get(4..)?.first_chunk()?)),
        ),
        _ => return None,
    };
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_happening_the_enricher_makes_is_a_row() {
        for name in [
            "unknown",
            "procexit",
            "clone_child",
            "container_start",
            "container_stop",
            "cgroup_attach",
            "oom_kill",
        ] {
            assert!(current_type(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_claim_differs_only_when_it_leads_elsewhere() {
        assert!(!differs(b"/etc/./passwd", b"/", b"/etc/passwd"));
        assert!(!differs(b"passwd", b"/etc", b"/etc/passwd"));
        assert!(!differs(b"../etc//passwd", b"/tmp", b"/etc/passwd"));
        assert!(differs(b"/tmp/link", b"/", b"/etc/shadow"));
        assert!(!differs(b"/", b"/", b"/"));
    }

    #[test]
    fn registers_are_narrowed_to_the_c_type() {
        assert_eq!(
            value(ArgKind::Fd, 0xffff_ff9c, Abi::x86_64, None),
            Value::Num(-100)
        );
        assert_eq!(
            value(ArgKind::Uid, 0xffff_ffff, Abi::x86_64, None),
            Value::Num(-1)
        );
        assert_eq!(
            value(ArgKind::Uid, 0x8000_0000, Abi::x86_64, None),
            Value::Num(0x8000_0000)
        );
        assert_eq!(
            value(ArgKind::Size, u64::MAX, Abi::i386, None),
            Value::Num(0xffff_ffff)
        );
        assert_eq!(value(ArgKind::Path, 77, Abi::x86_64, None), Value::Absent);
        assert_eq!(timespec_ns(&[1, 0, 0, 0, 5, 0, 0, 0]), Some(1_000_000_005));
    }
}
