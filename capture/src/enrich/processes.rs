//! Processes: met, forked, executed, changed; always by start and exec, never by pid alone.

use super::calls::{differs, mark};
use super::quick::Fds;
use super::{Live, MOST_BULK, Outcome, SHORT, Wanted, Wish, World, blank, bulk_of};
use crate::decode::{Head, KernelPath, Record};
use crate::hash::{Done, Identity, Job};
use crate::procfs::{self, Life};
use crate::wire::{Kind, PathMark, Slot, TaskPart, WHOLE_MAX};
use afterimage_model::schema::current_type;
use afterimage_model::syscalls::by_name;
use afterimage_model::{
    Abi, ArgKind, Blob, EventFlags, Origin, ProcId, ProcKey, Process, Tables, Value,
};
use std::collections::HashMap;
use std::sync::Arc;

impl World {
    /// Makes a row of a process read from /proc, with its descriptors when its control group is recorded.
    pub(super) fn admit(&mut self, p: procfs::ProcStat) -> ProcId {
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
        let wanted = match &self.wanted {
            Wanted::Tree(roots) => {
                roots.contains(&p.pid) || parent.is_some_and(|parent| self.in_tree(roots, parent))
            }
            _ => self.wants(container),
        };
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
            env: kept(p.env, wanted),
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
        let fds = if wanted {
            self.opened_before(id, p.pid, p.start_ns, p.namespaces[2])
        } else {
            Fds::default()
        };
        let live = Live {
            start_ns: p.start_ns,
            exact_ns: None,
            exec_id: None,
            row: id,
            threads: HashMap::new(),
            fds,
            ended: false,
            known: true,
        };
        self.live.insert(p.pid, live);
        if let Some(container) = container {
            self.read_users(Some(container), || Life::of(p.pid, p.start_ns));
        }
        id
    }

    pub(super) fn add(&mut self, mut row: Process) -> ProcId {
        let id = ProcId(self.next_proc);
        self.next_proc += 1;
        row.id = id;
        let bulk = bulk_of(&row);
        if self.bulk + bulk > MOST_BULK {
            // The full lengths still say how much there was.
            row.argv.truncate(SHORT);
            row.env.truncate(SHORT);
        }
        self.bulk += bulk_of(&row);
        self.tables.procs.insert(id, Arc::new(row));
        id
    }

    pub(super) fn row(&self, id: ProcId) -> Process {
        self.tables.proc(id).cloned().unwrap_or_default()
    }

    /// The row of the task a record is about, brought up to date with what the head says.
    pub(super) fn who(&mut self, record: &Record) -> (ProcId, bool) {
        let head = &record.head;
        let same = self.live.get(&head.pid).is_some_and(|l| match l.exact_ns {
            Some(exact) => exact == head.start_ns,
            None => procfs::is_start(l.start_ns, head.start_ns),
        });
        if !same {
            self.meet(record);
        }
        let Some(live) = self.live.get_mut(&head.pid) else {
            return (ProcId(0), false);
        };
        let known = live.known;
        live.exact_ns = Some(head.start_ns);
        let missed_exec =
            live.exec_id.is_some_and(|id| id != head.exec_id) && u32::from(head.kind) != Kind::EXEC;
        live.exec_id = Some(head.exec_id);
        let mut id = live.threads.get(&head.tid).copied().unwrap_or(live.row);
        if missed_exec {
            // An exec was lost: what /proc says now is the best there is.
            let old = self.row(id);
            if let Some(now) = procfs::process_of(head.pid, head.start_ns) {
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
    pub(super) fn replace(&mut self, pid: u32, row: Process) -> ProcId {
        let id = self.add(row);
        self.changes += 1;
        if let Some(live) = self.live.get_mut(&pid) {
            live.row = id;
            live.threads.clear();
        }
        id
    }

    /// A process whose start was not seen.
    pub(super) fn meet(&mut self, record: &Record) {
        let head = &record.head;
        if let Some(p) = procfs::process_of(head.pid, head.start_ns) {
            let id = self.admit(p);
            if let Some(task) = &record.task {
                // What the kernel said then is truer than what /proc says now.
                let mut row = self.row(id);
                apply_task(&mut row, task);
                self.tables.procs.insert(id, Arc::new(row));
            }
            return;
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
            fds: Fds::default(),
            ended: false,
            known: record.task.is_some(),
        };
        self.live.insert(head.pid, live);
    }

    pub(super) fn parent_of(&mut self, task: &TaskPart) -> Option<ProcId> {
        let fits =
            |l: &Live| procfs::is_start(l.exact_ns.unwrap_or(l.start_ns), task.parent_start_ns);
        if let Some(live) = self.live.get(&task.ppid).filter(|l| fits(l)) {
            return Some(live.row);
        }
        let p = procfs::process_of(task.ppid, task.parent_start_ns)?;
        Some(self.admit(p))
    }

    /// A program was executed. When its arguments did not fit into one record the rest follows, before the thread does anything.
    pub(super) fn starts(&mut self, cpu: u16, record: &Record) -> Outcome {
        if !lacks(record.argv.as_ref()) && !lacks(record.env.as_ref()) {
            return self.exec(cpu, record);
        }
        if self.starting.len() >= MOST_STARTING {
            for (_, (cpu, exec)) in std::mem::take(&mut self.starting) {
                self.whole(cpu, &exec);
            }
        }
        self.starting.insert(record.head.tid, (cpu, record.clone()));
        Outcome::Part
    }

    /// A further piece of the arguments or the environment of a new program.
    pub(super) fn goes_on(&mut self, record: &Record) -> Outcome {
        let Some((_, exec)) = self.starting.get_mut(&record.head.tid) else {
            return Outcome::Part;
        };
        let at = record.head.args[1] as usize;
        for (whole, piece) in [(&mut exec.argv, &record.argv), (&mut exec.env, &record.env)] {
            // Pieces come in order; behind one that is missing nothing can be joined.
            if let (Some(whole), Some(piece)) = (whole, piece)
                && whole.bytes.len() == at
                && at + piece.bytes.len() <= WHOLE_MAX as usize + SHORT
            {
                whole.bytes.extend_from_slice(&piece.bytes);
            }
        }
        if lacks(exec.argv.as_ref()) || lacks(exec.env.as_ref()) {
            return Outcome::Part;
        }
        match self.starting.remove(&record.head.tid) {
            Some((cpu, exec)) => self.exec(cpu, &exec),
            None => Outcome::Part,
        }
    }

    pub(super) fn exec(&mut self, cpu: u16, record: &Record) -> Outcome {
        let head = &record.head;
        let (old, _) = self.who(record);
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
            let stamps = record.exe.as_ref();
            row.exe_size = stamps.map_or(0, |exe| exe.size);
            row.exe_mtime_ns = stamps.map_or(0, |exe| exe.mtime_ns);
            row.exe_ctime_ns = stamps.map_or(0, |exe| exe.ctime_ns);
            row.exe_sha256.clear();
        }
        row.interp = record.interp.clone().unwrap_or_default();
        row.script = match &record.claim {
            Some(claim) if record.interp.is_some() => claim.bytes.clone(),
            _ => Vec::new(),
        };
        if exe.is_some() && self.in_scope(old) {
            self.hash(&mut row);
        }
        let file = exe.map(|exe| self.objects.of(&mut self.tables, exe, None));
        let id = self.replace(head.pid, row);
        if let Some(live) = self.live.get_mut(&head.pid) {
            // Descriptors marked close-on-exec are gone; the rest shows itself with its next use.
            live.fds.clear();
            live.ended = false;
            live.known = true;
        }
        if !self.in_scope(id) {
            return Outcome::OutOfScope;
        }
        if let Some(container) = self.tables.proc(id).and_then(|p| p.container) {
            self.read_users(Some(container), || Life::of(head.pid, head.start_ns));
        }
        let abi = Abi::from_code(head.abi).unwrap_or_default();
        let by_descriptor = head.args[0] == 1;
        let name = if by_descriptor { "execveat" } else { "execve" };
        let mut event = blank(cpu, head, id, true, current_type(name).unwrap_or_default());
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

    /// Gives a row the hash of its executed file, or asks for it.
    fn hash(&mut self, row: &mut Process) {
        let Some(identity) = Identity::of(row) else {
            return;
        };
        if let Some(hash) = self.hashes.get(&identity) {
            row.exe_sha256 = hash.to_vec();
        }
        let keep = self.keep.wants(row);
        if self.hashes.ask(&identity, keep) {
            let mut holders = vec![row.key.pid];
            let line = row.parent.into_iter().flat_map(|parent| {
                let parents = self.tables.ancestors(parent);
                self.tables.proc(parent).into_iter().chain(parents)
            });
            holders.extend(
                line.filter(|above| above.ns_mnt == row.ns_mnt)
                    .map(|above| above.key.pid)
                    .take(8),
            );
            let path = row.exe_path.clone();
            self.wishes.push(Wish::Hash(Job {
                identity,
                path,
                holders,
                keep,
            }));
        }
    }

    /// A hash has been computed: every row of that file gets it.
    pub fn hashed(&mut self, done: &Done) {
        let Done { identity, hash, .. } = *done;
        self.hashes.learn(identity, hash);
        for (id, row) in &mut self.tables.procs {
            if row.exe_sha256.is_empty() && Identity::of(row) == Some(identity) {
                Arc::make_mut(row).exe_sha256 = hash.to_vec();
                self.hashes.late.insert(*id);
            }
        }
    }

    /// Rows that got their hash since this was last asked; the file may have them without it.
    pub fn late(&mut self) -> Tables {
        let mut tables = Tables::default();
        for id in std::mem::take(&mut self.hashes.late) {
            if self.in_scope(id)
                && let Some(row) = self.tables.procs.get(&id)
            {
                tables.procs.insert(id, Arc::clone(row));
            }
        }
        tables
    }

    pub(super) fn fork(&mut self, cpu: u16, record: &Record) -> Outcome {
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
        let fits = |l: &&Live| procfs::is_start(l.exact_ns.unwrap_or(l.start_ns), parent_start);
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
            known: true,
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

    /// The task's ids, name, directory or namespaces changed.
    pub(super) fn changed(
        &mut self,
        id: ProcId,
        task: &TaskPart,
        cwd: Option<&KernelPath>,
        head: &Head,
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
            self.changes += 1;
        }
        id
    }
}

/// Programs whose arguments are coming in at once: each holds its processor until they are in.
const MOST_STARTING: usize = 64;

/// Whether a further piece will follow.
fn lacks(area: Option<&Blob>) -> bool {
    area.is_some_and(|area| (area.bytes.len() as u64) < area.full_len.min(u64::from(WHOLE_MAX)))
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

fn apply_task(row: &mut Process, task: &TaskPart) {
    row.ppid = task.ppid;
    row.vpid = task.vpid;
    row.sid = task.sid;
    row.pgid = task.pgid;
    row.tty = afterimage_model::terminal::from_kernel(task.tty);
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
    row.ns_uts = task.ns_uts;
    row.ns_ipc = task.ns_ipc;
    row.ns_cgroup = task.ns_cgroup;
    row.ns_time = task.ns_time;
    row.cap_bounding = task.cap_bounding;
    row.cap_ambient = task.cap_ambient;
    row.securebits = task.securebits;
    row.comm = task
        .comm
        .split(|b| *b == 0)
        .next()
        .unwrap_or_default()
        .to_vec();
}
