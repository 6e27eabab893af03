//! The short way of a call that changes nothing: its record becomes a row without being copied. Whatever is not plain
//! (a process not met before, a file told in full, a call that opens, connects or closes ranges) takes the long way.

use super::World;
use super::calls::{held, value};
use crate::decode::{self, Head};
use crate::wire::{Kind, PartHead, Tag};
use afterimage_format::{Arg, Row};
use afterimage_model::syscalls::Syscall;
use afterimage_model::{Abi, ArgKind, BootNs, EventFlags, FileId, ProcId};
use smallvec::SmallVec;

/// Arguments of a row.
pub type Args<'a> = SmallVec<[Arg<'a>; 8]>;

/// Room for the name of a file, which an argument then borrows.
pub type Name = SmallVec<[u8; 128]>;

/// Tasks that are remembered, by the low bits of their id.
const TASKS: usize = 1 << 10;

/// Whether a call may take the short way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It may.
    Short,
    /// When it failed: else it opens something.
    ShortIfFailed,
    /// It may; it names the file behind its last descriptor too.
    Named,
    /// It may; on success the descriptor is forgotten.
    Close,
    /// Never.
    Long,
}

impl Way {
    /// The way of a call by its row.
    pub fn of(row: &Syscall) -> Way {
        match row.name {
            "close" => Way::Close,
            // A password is left out there.
            "fsconfig" => Way::Long,
            // What these do to the descriptor table, or to who is server and who client, is looked at.
            "fcntl" | "fcntl64" | "close_range" | "pipe" | "pipe2" | "socketpair" | "connect"
            | "listen" => Way::Long,
            _ if row.changes_task => Way::Long,
            _ if row.returns_fd => Way::ShortIfFailed,
            _ if row.args.iter().any(|arg| arg.kind == ArgKind::OtherFile) => Way::Named,
            _ => Way::Short,
        }
    }
}

/// What is known of a task that records are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pid: u32,
    tid: u32,
    start_ns: u64,
    cgroup: u64,
    exec_id: u32,
    /// The world's `changes` then.
    changes: u64,
    proc: ProcId,
    known: bool,
    wanted: bool,
}

/// What became of a record on the short way.
pub enum Quick {
    /// A row; its arguments are in the list that was handed over.
    Row(Row),
    /// Not in the scope.
    OutOfScope,
    /// The long way has to be taken.
    Long,
}

impl World {
    /// Remembers the task of a record that has gone the long way.
    pub(super) fn note_task(&mut self, head: &Head) {
        let Some(live) = self.live.get(&head.pid) else {
            return;
        };
        let proc = live.threads.get(&head.tid).copied().unwrap_or(live.row);
        // Events that are held back are whole events.
        if self.is_pending(proc) {
            return;
        }
        let task = Task {
            pid: head.pid,
            tid: head.tid,
            start_ns: head.start_ns,
            cgroup: head.cgroup,
            exec_id: head.exec_id,
            changes: self.changes,
            proc,
            known: live.known,
            wanted: self.in_scope(proc),
        };
        self.tasks.resize(TASKS, None);
        if let Some(slot) = self.tasks.get_mut(head.tid as usize % TASKS) {
            *slot = Some(task);
        }
    }

    /// Takes a record in, if it is plain. `parts` is what follows its head; `name` is empty and holds what an argument names.
    pub fn quick<'a>(
        &mut self,
        cpu: u16,
        head: &Head,
        parts: &'a [u8],
        args: &mut Args<'a>,
        name: &'a mut Name,
    ) -> Quick {
        // A program whose arguments are still coming in comes before its thread's next call.
        if u32::from(head.kind) != Kind::SYSCALL || !self.starting.is_empty() {
            return Quick::Long;
        }
        let Some(Some(task)) = self.tasks.get(head.tid as usize % TASKS).copied() else {
            return Quick::Long;
        };
        let same = task.pid == head.pid
            && task.tid == head.tid
            && task.start_ns == head.start_ns
            && task.cgroup == head.cgroup
            && task.exec_id == head.exec_id
            && task.changes == self.changes;
        if !same {
            return Quick::Long;
        }
        if !task.wanted {
            return Quick::OutOfScope;
        }
        let Some(abi) = Abi::from_code(head.abi) else {
            return Quick::Long;
        };
        let Some((ty, row, way)) = self.call_row(abi, head.nr) else {
            return Quick::Long;
        };
        let result = head.result as i64;
        match way {
            Way::Long => return Quick::Long,
            Way::ShortIfFailed if result >= 0 => return Quick::Long,
            _ => {}
        }
        let mut bytes: [Option<(&[u8], u64)>; 6] = [None; 6];
        let mut touched: Option<(u32, u32)> = None;
        let last = (way == Way::Named).then(|| last_descriptor(row)).flatten();
        let mut other: Option<u32> = None;
        let mut latency_ns = 0;
        let mut at = 0;
        while let Some(part) = parts.get(at..).and_then(PartHead::read) {
            let from = at + PartHead::BYTES;
            let Some(data) = parts.get(from..from.saturating_add(part.len as usize)) else {
                return Quick::Long;
            };
            let slot = u32::from(part.slot);
            match u32::from(part.tag) {
                Tag::ARG => {
                    if let Some(arg) = bytes.get_mut(slot as usize)
                        && part.full_len != u32::MAX
                    {
                        *arg = Some((data, u64::from(part.full_len.max(part.len))));
                    }
                }
                Tag::TOLD => {
                    if touched.is_none_or(|(before, _)| slot < before) {
                        touched = Some((slot, part.extra));
                    }
                    if last.is_some_and(|last| last as u32 == slot) {
                        other = Some(part.extra);
                    }
                }
                Tag::LATENCY => latency_ns = decode::latency_ns(&part),
                _ => return Quick::Long,
            }
            at = from + (part.len as usize).next_multiple_of(8);
        }
        let mut flags = EventFlags::default();
        if !task.known {
            flags.set(EventFlags::PROCESS_UNKNOWN);
        }
        let file = if way == Way::Close {
            let fd = head.args.first().map_or(-1, |raw| *raw as i32);
            match self.live.get_mut(&head.pid) {
                Some(live) if result == 0 => live.fds.remove(fd),
                _ => None,
            }
        } else if let Some((slot, place)) = touched {
            let told = self.told.get(usize::from(cpu));
            let Some(id) = told.and_then(|told| told.get(place as usize)?.as_ref()?.id) else {
                return Quick::Long;
            };
            let fd = head.args.get(slot as usize).map_or(-1, |raw| *raw as i32);
            if let Some(live) = self.live.get_mut(&head.pid) {
                live.fds.insert(fd, id);
            }
            is_touched(row, |at| {
                bytes.get(at).copied().flatten().map(|(path, _)| path)
            })
            .then_some(id)
        } else {
            None
        };
        if let Some(place) = other {
            let told = self.told.get(usize::from(cpu));
            let known = told.and_then(|told| told.get(place as usize)?.as_ref()?.name.as_deref());
            let Some(known) = known else {
                return Quick::Long;
            };
            name.extend_from_slice(known);
        }
        let name: &'a [u8] = name;
        for (at, spec) in row.args.iter().enumerate() {
            if spec.kind == ArgKind::OtherFile && other.is_some() {
                args.push(Arg::Bytes(name, name.len() as u64));
                continue;
            }
            let raw = head.args.get(at).copied().unwrap_or(0);
            let kind = held(ty, spec.kind, at, head);
            let arg = value(kind, raw, abi, bytes.get(at).copied().flatten());
            if let Arg::Bytes(kept, full_len) = arg
                && full_len > kept.len() as u64
            {
                flags.set(EventFlags::CUT);
            }
            args.push(arg);
        }
        if head.cut {
            flags.set(EventFlags::CUT);
        }
        Quick::Row(Row {
            time: BootNs(head.time_ns),
            cpu,
            seq: head.seq,
            ty,
            abi,
            flags,
            tid: head.tid,
            proc: task.proc,
            file,
            result,
            latency_ns,
        })
    }
}

/// The place of a call's last argument that is a descriptor.
pub(super) fn last_descriptor(row: &Syscall) -> Option<usize> {
    row.args.iter().rposition(|arg| arg.kind == ArgKind::Fd)
}

/// Whether the file behind a call's first descriptor is what the call touched. A directory descriptor is where a path starts
/// from, unless the call has nothing else.
pub(super) fn is_touched<'p>(row: &Syscall, path: impl FnOnce(usize) -> Option<&'p [u8]>) -> bool {
    if row.args.iter().any(|arg| arg.kind == ArgKind::Fd) {
        return true;
    }
    let at = row.args.iter().position(|arg| arg.kind == ArgKind::Path);
    at.and_then(path).is_none_or(<[u8]>::is_empty)
}

/// The descriptors of a process as last seen. Small numbers, which nearly all are, lie in a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Fds {
    /// By number; 0, which no file has, for none.
    low: Vec<FileId>,
    high: std::collections::BTreeMap<i32, FileId>,
}

/// Descriptors below this lie in the list.
const LOW: usize = 1 << 10;

impl Fds {
    /// Notes what a descriptor is.
    pub fn insert(&mut self, fd: i32, file: FileId) {
        let Ok(at) = usize::try_from(fd) else { return };
        if at >= LOW {
            self.high.insert(fd, file);
            return;
        }
        if self.low.len() <= at {
            self.low.resize(at + 1, FileId(0));
        }
        if let Some(slot) = self.low.get_mut(at) {
            *slot = file;
        }
    }

    /// What a descriptor is.
    pub fn get(&self, fd: i32) -> Option<FileId> {
        match usize::try_from(fd).ok().and_then(|at| self.low.get(at)) {
            Some(id) => Some(*id).filter(|id| id.0 != 0),
            None => self.high.get(&fd).copied(),
        }
    }

    /// Forgets a descriptor; gives what it was.
    pub fn remove(&mut self, fd: i32) -> Option<FileId> {
        match usize::try_from(fd).ok().and_then(|at| self.low.get_mut(at)) {
            Some(slot) => Some(std::mem::take(slot)).filter(|id| id.0 != 0),
            None => self.high.remove(&fd),
        }
    }

    /// Forgets those that `keep` does not want.
    pub fn retain(&mut self, keep: impl Fn(i32) -> bool) {
        for (fd, slot) in self.low.iter_mut().enumerate() {
            if !keep(fd as i32) {
                *slot = FileId(0);
            }
        }
        self.high.retain(|fd, _| keep(*fd));
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.low.clear();
        self.high.clear();
    }

    /// Every descriptor and what it is.
    pub fn iter(&self) -> impl Iterator<Item = (i32, FileId)> {
        let low = self.low.iter().enumerate().filter(|(_, id)| id.0 != 0);
        let high = self.high.iter().map(|(fd, id)| (*fd, *id));
        low.map(|(fd, id)| (fd as i32, *id)).chain(high)
    }
}
