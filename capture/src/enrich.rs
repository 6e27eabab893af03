//! The enricher: from decoded kernel records to events that know their process, file and container.
//!
//! [`World`] is what is known of the recorded system: live processes, their descriptors, control groups, containers. It
//! learns from the records in order, from /proc where the kernel programs could not see, and from container runtimes
//! when they answer. Rows of its [`Tables`] never change once an event points at them; containers are filled in.

mod calls;
mod crash;
mod groups;
mod kept;
mod modules;
mod opened;
mod operations;
mod processes;
mod quick;
mod scope;
mod signals;
mod tcp;
mod told;

pub use groups::matches;
pub use quick::{Args, Name, Quick};

use self::operations::Operations;
use self::quick::{Fds, Task, Way};
use self::signals::Signals;
use self::tcp::Tcp;
use crate::artifacts::Keep;
use crate::cgroup;
use crate::decode::{Head, KernelFile, Record};
use crate::hash::{Hashes, Job};
use crate::load::OpenFiles;
use crate::objects::Objects;
use crate::procfs::{self, Life};
use crate::runtime::Question;
use crate::sockets::Later;
use crate::wire::{Kind, TOLD};
use afterimage_model::schema::current_type;
use afterimage_model::syscalls::Syscall;
use afterimage_model::{
    Abi, BootNs, ContainerId, Event, EventFlags, FileId, Mount, ProcId, Process, Tables, TypeId,
    Value,
};
use afterimage_query::Filter;
use smallvec::SmallVec;
use std::borrow::Cow;
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
    fds: Fds,
    ended: bool,
    /// Whether more than its pid and start is known.
    known: bool,
}

/// An open file as a CPU told it.
struct Told {
    file: KernelFile,
    /// Its row, once a call has touched it.
    id: Option<FileId>,
    /// Its full name, once a call has named it beside another.
    name: Option<Box<[u8]>>,
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
    /// Processes with these pids and their descendants.
    Tree(BTreeSet<u32>),
    /// Every container.
    Containers,
    /// Containers that match, also those that come later. What is known of those that run now is in the map: whether they do,
    /// by whole id.
    Matching(Box<Filter>, HashMap<String, bool>),
    /// The control group with this path, and those beneath it, as one container.
    Group(String),
}

/// Whether a container is recorded, where that depends on what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Not known yet: its events are held back.
    Pending,
    In,
    Out,
}

/// Mount tables kept of a snapshot: one a container and mount namespace.
const MOST_MOUNT_TABLES: usize = 256;

/// What became of a record.
#[derive(Debug)]
pub enum Outcome {
    /// An event.
    Event(Box<Event>),
    /// Not in the scope.
    OutOfScope,
    /// No event of its own: it belongs to one that comes later, or to one in [`World::ready`].
    Part,
}

/// What the kernel programs and the runtimes are to be told.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Keep or spare a control group.
    Scope(u64, bool),
    /// Forget a control group.
    Forget(u64),
    /// Ask for a container.
    Ask(Question),
    /// Compute the hash of an executed file.
    Hash(Job),
}

/// The recorded system.
pub struct World {
    /// The rows.
    pub tables: Tables,
    /// To be taken and acted on after each batch.
    pub wishes: Vec<Wish>,
    /// Events of earlier records that have become whole: they come before that of the record just taken in.
    pub ready: Vec<Event>,
    /// Programs whose arguments are still coming in, by thread.
    starting: HashMap<u32, (u16, Record)>,
    operations: Operations,
    signals: Signals,
    tcp: Tcp,
    hashes: Hashes,
    /// Which programs are kept.
    pub keep: Keep,
    /// Bytes of arguments and environments in rows, as far as they are long.
    bulk: usize,
    wanted: Wanted,
    mount: Option<PathBuf>,
    live: hashbrown::HashMap<u32, Live>,
    objects: Objects,
    /// Files as each CPU has told them.
    told: Vec<Vec<Option<Box<Told>>>>,
    /// Tasks that records were about, by the low bits of their id.
    tasks: Vec<Option<Task>>,
    /// Grows with every change that may alter what a task is.
    changes: u64,
    /// Reads what sockets are that the kernel did not tell of.
    sockets: Later,
    /// What is open, as the kernel told it: kept while the snapshot is taken.
    open: Option<OpenFiles>,
    groups: HashMap<u64, Known>,
    by_full_id: HashMap<String, ContainerId>,
    users_read: BTreeSet<ContainerId>,
    next_proc: u32,
    calls: Vec<Option<(TypeId, &'static Syscall, Way)>>,
    rescans: u32,
    verdicts: HashMap<ContainerId, Verdict>,
    /// Rows of processes and files that were needed when it was last looked.
    living_rows: usize,
    /// Rows that stand for no process, one for each container that a runtime told of.
    nobodies: HashMap<Option<ContainerId>, ProcId>,
    /// Number of the next event that is told.
    next_told: u64,
    /// Whether a container came, went or was judged since [`World::measured`] was asked.
    pub changed: bool,
    /// Whether a verdict was passed since it was last looked at.
    pub judged: bool,
    /// Kilobytes of a page.
    page_kb: u64,
}

impl World {
    /// An empty world; [`World::snapshot`] fills it.
    pub fn new(wanted: Wanted) -> World {
        World {
            tables: Tables::default(),
            wishes: Vec::new(),
            ready: Vec::new(),
            starting: HashMap::new(),
            operations: Operations::default(),
            signals: Signals::default(),
            tcp: Tcp::default(),
            hashes: Hashes::default(),
            keep: Keep::default(),
            bulk: 0,
            wanted,
            mount: cgroup::followed().map(|hierarchy| hierarchy.mount.clone()),
            live: hashbrown::HashMap::new(),
            objects: Objects::default(),
            told: Vec::new(),
            tasks: Vec::new(),
            changes: 0,
            sockets: Later::default(),
            open: None,
            groups: HashMap::new(),
            by_full_id: HashMap::new(),
            users_read: BTreeSet::new(),
            next_proc: 1,
            calls: calls::call_table(),
            rescans: 0,
            verdicts: HashMap::new(),
            living_rows: 0,
            nobodies: HashMap::new(),
            next_told: 0,
            changed: true,
            judged: false,
            page_kb: (rustix::param::page_size() >> 10) as u64,
        }
    }

    /// Reads what is there now: control groups, processes with their ancestors, descriptors of those in scope, users.
    /// To be called with the programs attached, so that nothing falls between.
    /// `open` is what the kernel says is open, where it does.
    pub fn snapshot(&mut self, at_ns: u64, open: Option<OpenFiles>) {
        for (_, open) in open.iter().flat_map(HashMap::values) {
            open.iter().for_each(|open| self.objects.listens(open));
        }
        let listed = open.is_some();
        self.open = open;
        if let Some(mount) = self.mount.clone() {
            for (id, path) in cgroup::scan(&mount) {
                self.learn_group(id, &path, at_ns);
            }
        }
        self.read_users(None, || Life::now(1));
        let mut found: Vec<_> = procfs::pids()
            .into_iter()
            .filter_map(procfs::process)
            .collect();
        found.sort_by_key(|p| p.start_ns);
        let mut seen = BTreeSet::new();
        for p in found {
            let (pid, start_ns, namespace) = (p.pid, p.start_ns, p.namespaces[1]);
            let id = self.admit(p);
            let container = self.tables.proc(id).and_then(|p| p.container);
            if self.in_scope(id)
                && seen.insert((container, namespace))
                && seen.len() <= MOST_MOUNT_TABLES
                && let Some(life) = Life::of(pid, start_ns)
            {
                let rows = life.mounts().into_iter().map(|mount| Mount {
                    ns_mnt: namespace,
                    container,
                    ..mount
                });
                let rows = rows.map(|mount| ((namespace, mount.id), Arc::new(mount)));
                self.tables.mounts.extend(rows);
            }
        }
        self.open = None;
        // Where the kernel lists nothing the first state is told whole all the same.
        while !listed && self.sockets_told(true) {}
    }

    /// Takes a record in.
    pub fn record(&mut self, cpu: u16, record: &mut Record) -> Outcome {
        self.resolve(cpu, record);
        let record = &*record;
        let outcome = self.take(cpu, record);
        self.note_task(&record.head);
        outcome
    }

    fn take(&mut self, cpu: u16, record: &Record) -> Outcome {
        let kind = u32::from(record.head.kind);
        if !self.starting.is_empty() && kind != Kind::EXEC_MORE {
            // The thread goes on: what has not come of its arguments will not come.
            if let Some((cpu, exec)) = self.starting.remove(&record.head.tid) {
                self.whole(cpu, &exec);
            }
        }
        match kind {
            Kind::EXEC => self.starts(cpu, record),
            Kind::EXEC_MORE => self.goes_on(record),
            Kind::FORK => self.fork(cpu, record),
            Kind::CGROUP_MKDIR | Kind::CGROUP_RMDIR | Kind::CGROUP_ATTACH => {
                self.group_event(cpu, record)
            }
            Kind::EXIT => {
                let (id, known) = self.who(record);
                let code = record.head.args[0] as i64;
                let mut args: SmallVec<[Value; 6]> = SmallVec::new();
                args.push(Value::Num((code >> 8) & 0xff));
                args.push(Value::Num(code & 0x7f));
                args.push(Value::Num((code >> 7) & 1));
                if let Some(usage) = &record.usage {
                    let kilobytes = usage.maxrss.saturating_mul(self.page_kb);
                    args.extend(
                        [
                            usage.utime_ns,
                            usage.stime_ns,
                            kilobytes,
                            usage.minflt,
                            usage.majflt,
                            usage.nvcsw,
                            usage.nivcsw,
                            usage.threads,
                        ]
                        .map(|n| Value::Num(n as i64)),
                    );
                }
                if record.head.args[1] == 1
                    && let Some(live) = self.live.get_mut(&record.head.pid)
                {
                    live.ended = true;
                }
                self.finish(cpu, record, id, known, "procexit", args, None)
            }
            Kind::OOM => {
                let (id, known, record) = self.victim(record);
                self.finish(
                    cpu,
                    &record,
                    id,
                    known,
                    "oom_kill",
                    [Value::Num(record.head.args[0] as i64)]
                        .into_iter()
                        .collect(),
                    None,
                )
            }
            Kind::URING_SUBMIT => self.submitted(cpu, record),
            Kind::URING_COMPLETE => self.completed(cpu, record),
            Kind::SIGNAL_GENERATE => self.signal_generate(cpu, record),
            Kind::SIGNAL_DELIVER => self.signal_deliver(cpu, record),
            Kind::CRASH => self.crash(cpu, record),
            Kind::SOCK_STATE
            | Kind::TCP_RETRANSMIT
            | Kind::TCP_RECEIVE_RESET
            | Kind::TCP_SEND_RESET => self.tcp_event(cpu, record),
            Kind::TASK_RENAME => self.renamed(cpu, record),
            Kind::CAPABLE => self.capable(cpu, record),
            Kind::MODULE_REQUEST | Kind::MODULE_LOAD | Kind::MODULE_FREE => {
                self.module(cpu, record)
            }
            _ => self.call(cpu, record),
        }
    }

    /// Notes the row of a file that a CPU has told; gives what is kept of it.
    fn tell(&mut self, cpu: u16, file: &KernelFile, id: FileId) -> Option<&mut Told> {
        let told = self.told.get_mut(usize::from(cpu))?;
        let told = told.get_mut(file.place? as usize)?.as_deref_mut()?;
        told.id = Some(id);
        Some(told)
    }

    /// Takes in what an exec record, whole now, has to say.
    fn whole(&mut self, cpu: u16, exec: &Record) {
        if let Outcome::Event(event) = self.exec(cpu, exec) {
            self.ready.push(*event);
        }
    }

    /// The recording ends: what was waiting for more is handed over as it is, in [`World::ready`].
    pub fn end(&mut self) {
        for (_, (cpu, exec)) in std::mem::take(&mut self.starting) {
            self.whole(cpu, &exec);
        }
        self.unfinished();
    }

    /// Puts in the files that a CPU told before, and remembers those it tells now.
    fn resolve(&mut self, cpu: u16, record: &mut Record) {
        let cpu = usize::from(cpu);
        if self.told.len() <= cpu {
            self.told.resize_with(cpu + 1, Vec::new);
        }
        let Some(told) = self.told.get_mut(cpu) else {
            return;
        };
        if told.is_empty() {
            told.resize_with(TOLD as usize, || None);
        }
        for (_, file) in &record.files {
            if let Some(known) = file.place.and_then(|place| told.get_mut(place as usize)) {
                *known = Some(Box::new(Told {
                    file: file.clone(),
                    id: None,
                    name: None,
                }));
            }
        }
        let before = record.told.iter().filter_map(|(slot, place)| {
            let told = told.get(*place as usize)?.as_deref()?;
            let place = Some(*place);
            let file = KernelFile {
                place,
                ..told.file.clone()
            };
            Some((*slot, file))
        });
        record.files.extend(before);
        record.files.sort_by_key(|(slot, _)| *slot);
    }

    /// Whose end an out-of-memory record is about. Older kernels name the victim by its id alone (`args[1]` is 1), in a
    /// record of whoever asked for the memory.
    fn victim<'a>(&mut self, record: &'a Record) -> (ProcId, bool, Cow<'a, Record>) {
        if record.head.args[1] == 0 {
            let (id, known) = self.who(record);
            return (id, known, Cow::Borrowed(record));
        }
        let mut of_victim = record.clone();
        let head = &mut of_victim.head;
        (head.pid, head.tid) = (head.args[0] as u32, head.args[0] as u32);
        let live = self.live.get(&head.pid).filter(|live| !live.ended);
        let (id, known) = live.map_or((ProcId(0), false), |live| (live.row, live.known));
        (id, known, Cow::Owned(of_victim))
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

    /// Records were lost: descriptor tables may have changed unseen.
    pub fn lost(&mut self) {
        for (_, (cpu, exec)) in std::mem::take(&mut self.starting) {
            self.whole(cpu, &exec);
        }
        for live in self.live.values_mut() {
            live.fds.clear();
        }
    }
}

/// Most bytes of long arguments and environments in memory; past it, only their beginnings are kept.
const MOST_BULK: usize = 64 << 20;
/// Arguments and environments up to this length do not count as long.
const SHORT: usize = crate::wire::ARGV_MAX as usize;

fn bulk_of(row: &Process) -> usize {
    let long = |bytes: &[u8]| {
        if bytes.len() > SHORT { bytes.len() } else { 0 }
    };
    long(&row.argv) + long(&row.env)
}

fn blank(cpu: u16, head: &Head, proc: ProcId, known: bool, ty: TypeId) -> Event {
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
        latency_ns: head.latency_ns,
        args: SmallVec::new(),
    }
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
            "io_uring_op",
            "signal_generate",
            "signaldeliver",
            "crash",
            "inet_sock_set_state",
            "tcp_retransmit_skb",
            "tcp_receive_reset",
            "tcp_send_reset",
            "task_rename",
            "module_request",
            "module_load",
            "module_free",
            "cap_capable",
        ] {
            assert!(current_type(name).is_some(), "{name}");
        }
    }
}
