//! io_uring: what a thread asked of the kernel through a ring, and what came of it, as one event of the ring's owner.

use super::calls::{differs, value};
use super::{Outcome, World, blank};
use crate::decode::Record;
use crate::procfs::{self, Life};
use crate::wire::{PathMark, Slot};
use afterimage_model::schema::current_type;
use afterimage_model::{ArgKind, Blob, BootNs, Event, EventFlags, FileId, ProcId, Role, Value};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Most operations that are waited for; past it they are handed over as they are.
const MOST: usize = 1 << 16;

/// Places of a record's numbers and parts: as `capture/bpf/sources.bpf.h` puts them.
const REQUEST: usize = 0;
const RING: usize = 1;
const USER_DATA: usize = 2;
const FLAGS: usize = 3;
const OFFSET: usize = 4;
const SIZE: usize = 5;
const PATH: usize = 1;
const NEW_PATH: usize = 2;
const DATA: usize = 3;

/// Operations by number (include/uapi/linux/io_uring.h).
mod op {
    pub const ACCEPT: u32 = 13;
    pub const CONNECT: u32 = 16;
    pub const OPENAT: u32 = 18;
    pub const CLOSE: u32 = 19;
    pub const OPENAT2: u32 = 28;
    pub const LISTEN: u32 = 57;
    /// Those whose `op_flags` are the operation's own bits, not a position.
    pub const WITH_PATH: &[u32] = &[18, 21, 28, 35, 36, 37, 38, 39, 42, 44];
}
const IOSQE_FIXED_FILE: u64 = 1;
const AT_FDCWD: i64 = -100;

/// An operation that was submitted.
#[derive(Clone)]
struct Asked {
    cpu: u16,
    record: Record,
    proc: ProcId,
    known: bool,
}

/// Operations that have not completed, by the address of their request.
#[derive(Default)]
pub(super) struct Operations {
    asked: HashMap<u64, Asked>,
    /// Ring and user data to request: completions of an operation that completes several times name no request.
    by_data: HashMap<(u64, u64), u64>,
}

impl World {
    /// An operation was submitted: its event comes when it completes.
    pub(super) fn submitted(&mut self, cpu: u16, record: &Record) -> Outcome {
        let (proc, known) = self.who(record);
        if !self.in_scope(proc) {
            return Outcome::OutOfScope;
        }
        if self.operations.asked.len() >= MOST {
            self.give_up(0);
        }
        let args = &record.head.args;
        let (request, data) = (args[REQUEST], (args[RING], args[USER_DATA]));
        let asked = Asked {
            cpu,
            record: record.clone(),
            proc,
            known,
        };
        self.operations.by_data.insert(data, request);
        if let Some(before) = self.operations.asked.insert(request, asked) {
            // The request was used again: the operation it was has ended and, as it was told to, said nothing.
            let event = self.operation(None, &before);
            self.ready.push(event);
        }
        Outcome::Part
    }

    /// An operation completed, or gave one of several results.
    pub(super) fn completed(&mut self, cpu: u16, record: &Record) -> Outcome {
        let args = &record.head.args;
        let data = (args[RING], args[USER_DATA]);
        let operations = &mut self.operations;
        let asked = if args[REQUEST] == 0 {
            let request = operations.by_data.get(&data);
            request.and_then(|request| operations.asked.get(request).cloned())
        } else {
            operations.by_data.remove(&data);
            operations.asked.remove(&args[REQUEST])
        };
        let asked = match asked {
            Some(asked) => asked,
            None => {
                // Submitted before the recording, or refused at once: what the completion says is all there is.
                // Whose it is, thread group and thread, is in the last argument: it may be a kernel thread that completes it.
                let mut record = record.clone();
                let owner = record.head.args[SIZE];
                let (pid, tid) = ((owner >> 32) as u32, owner as u32);
                if pid != record.head.pid
                    && let Some(live) = self.live.get(&pid)
                {
                    record.head.pid = pid;
                    record.head.start_ns = live.exact_ns.unwrap_or(live.start_ns);
                    record.head.exec_id = live.exec_id.unwrap_or(record.head.exec_id);
                    let group = self.tables.proc(live.row).map(|row| row.cgroup_id);
                    record.head.cgroup = group.unwrap_or(record.head.cgroup);
                }
                record.head.tid = tid;
                let (proc, known) = self.who(&record);
                record.args = Default::default();
                record.files.clear();
                record.head.args[OFFSET] = 0;
                record.head.args[SIZE] = 0;
                record.head.result = 0;
                Asked {
                    cpu,
                    record,
                    proc,
                    known,
                }
            }
        };
        if !self.in_scope(asked.proc) {
            return Outcome::OutOfScope;
        }
        Outcome::Event(Box::new(self.operation(Some((cpu, record)), &asked)))
    }

    /// The recording ends: what has not completed.
    pub(super) fn unfinished(&mut self) {
        self.give_up(EventFlags::IN_FLIGHT);
    }

    fn give_up(&mut self, mark: u16) {
        self.operations.by_data.clear();
        let mut rest: Vec<_> = std::mem::take(&mut self.operations.asked)
            .into_values()
            .collect();
        rest.sort_by_key(|asked| (asked.record.head.time_ns, asked.record.head.seq));
        for asked in rest {
            let mut event = self.operation(None, &asked);
            event.flags.set(mark);
            self.ready.push(event);
        }
    }

    fn operation(&mut self, done: Option<(u16, &Record)>, asked: &Asked) -> Event {
        let from = &asked.record;
        let head = done.map_or(&from.head, |(_, record)| &record.head);
        let mut event = blank(
            done.map_or(asked.cpu, |(cpu, _)| cpu),
            head,
            asked.proc,
            asked.known,
            current_type("io_uring_op").unwrap_or_default(),
        );
        event.tid = from.head.tid;
        let opcode = from.head.nr;
        let fd = i64::from(from.head.result as i32);
        let result = head.result as i64;
        let fixed = from.head.args[FLAGS] & IOSQE_FIXED_FILE != 0;
        match done {
            Some((_, record)) => {
                event.result = i64::from(result as i32);
                event.file = self.operated(asked, record, opcode, event.result, &mut event.flags);
            }
            None => event.flags.set(EventFlags::NO_RESULT),
        }
        event.args = self.operation_args(asked, done.map(|(_, record)| record), opcode, fd);
        let cut = |arg: &Value| matches!(arg, Value::Bytes(blob) if blob.is_cut());
        if event.args.iter().any(cut) || from.head.cut || head.cut {
            event.flags.set(EventFlags::CUT);
        }
        if opcode == op::CLOSE
            && event.result == 0
            && done.is_some()
            && !fixed
            && let Some(live) = self.live.get_mut(&from.head.pid)
        {
            live.fds.remove(fd as i32);
        }
        event
    }

    fn operation_args(
        &self,
        asked: &Asked,
        done: Option<&Record>,
        opcode: u32,
        fd: i64,
    ) -> SmallVec<[Value; 6]> {
        let from = &asked.record;
        let bytes = |record: &Record, at: usize| {
            let blob = record.args.get(at).and_then(Option::as_ref);
            blob.map(|blob| Value::Bytes(blob.clone()))
        };
        let number = |at: usize| from.head.args.get(at).map_or(0, |n| *n as i64);
        let path = op::WITH_PATH.contains(&opcode);
        let addr = done
            .and_then(|record| record.addr.as_ref())
            .or(from.addr.as_ref());
        let addr = addr.map(|raw| Value::Bytes(Blob::whole(raw.as_slice())));
        let data = done
            .and_then(|record| bytes(record, DATA))
            .or_else(|| bytes(from, DATA));
        let latency = done.map(|done| done.head.time_ns.saturating_sub(from.head.time_ns));
        let given = |kept: bool, value: i64| {
            if kept {
                Value::Num(value)
            } else {
                Value::Absent
            }
        };
        let size = number(SIZE);
        [
            Value::Num(i64::from(opcode)),
            Value::Num(number(FLAGS)),
            Value::Num(fd),
            bytes(from, PATH).unwrap_or_default(),
            bytes(from, NEW_PATH).unwrap_or_default(),
            given(path, number(OFFSET)),
            addr.unwrap_or_default(),
            data.unwrap_or_default(),
            given(size != 0, size),
            given(!path && size != 0, number(OFFSET)),
            Value::Num(number(USER_DATA)),
            done.map_or(Value::Absent, |done| {
                Value::Num(done.head.args.get(OFFSET).map_or(0, |n| *n as i64))
            }),
            latency.map_or(Value::Absent, |ns| Value::Num(ns as i64)),
        ]
        .into_iter()
        .collect()
    }

    /// The file or socket an operation touched, and what it did to the descriptor table.
    fn operated(
        &mut self,
        asked: &Asked,
        done: &Record,
        opcode: u32,
        result: i64,
        flags: &mut EventFlags,
    ) -> Option<FileId> {
        let from = &asked.record;
        let (pid, fd) = (from.head.pid, from.head.result as i32);
        let fixed = from.head.args[FLAGS] & IOSQE_FIXED_FILE != 0;
        if let Some(file) = done.file(Slot::RESULT) {
            if opcode == op::ACCEPT {
                self.objects.role(file, Role::Server);
            }
            let made = self.objects.of(&mut self.tables, file, None);
            self.tcp.owned(file, asked.proc);
            // A result of 0 may be a slot of the ring's own table; a descriptor 0 is then only not remembered.
            if result > 0
                && let Some(live) = self.live.get_mut(&pid)
            {
                live.fds.insert(result as i32, made);
            }
            if matches!(opcode, op::OPENAT | op::OPENAT2)
                && i64::from(fd) == AT_FDCWD
                && let (Some(path), Some(Some(claim))) = (&file.path, from.args.get(PATH))
                && !path.has(PathMark::PSEUDO)
            {
                let cwd = self.tables.proc(asked.proc).map(|p| p.cwd.as_slice());
                if differs(&claim.bytes, cwd.unwrap_or_default(), &path.bytes) {
                    flags.set(EventFlags::CLAIM_DIFFERS);
                }
            }
            return Some(made);
        }
        let file = done.file(0).or_else(|| from.file(Slot::RESULT))?;
        match opcode {
            op::CONNECT if result == 0 || result == -115 => self.objects.role(file, Role::Client),
            op::LISTEN if result == 0 => {
                self.objects.role(file, Role::Server);
                self.tcp.owned(file, asked.proc);
            }
            _ => {}
        }
        if let Some(known) = self.objects.known(file) {
            return Some(known);
        }
        let end = done.addr.as_deref().or(from.addr.as_deref());
        let look = (file.socket.is_none() && !fixed)
            .then(|| procfs::descriptor(pid, fd))
            .flatten()
            .filter(|open| open.id.1 == file.part.ino);
        Some(match look {
            Some(open) => self.objects.learn(&mut self.tables, file, &open),
            None => self.objects.of(&mut self.tables, file, end),
        })
    }

    /// What threads in scope are still doing, as /proc tells it: to be asked when nothing is recorded any more.
    pub fn in_flight(&self, at_ns: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for (pid, live) in self.live.iter().filter(|(_, live)| !live.ended) {
            if !self.in_scope(live.row) || events.len() >= MOST {
                continue;
            }
            let start = live.exact_ns.unwrap_or(live.start_ns);
            let life = Life::of(*pid, start);
            for call in life.map_or_else(Vec::new, |life| life.calls()) {
                let row = live.threads.get(&call.tid).copied().unwrap_or(live.row);
                let Some((ty, spec, _)) = self.call_row(call.abi, call.nr) else {
                    continue;
                };
                let args = spec.args.iter().zip(call.args);
                let args = args
                    .map(|(arg, raw)| value(arg.kind, raw, call.abi, None).into())
                    .collect();
                let fd = spec.args.iter().position(|arg| arg.kind == ArgKind::Fd);
                events.push(Event {
                    time: BootNs(at_ns),
                    cpu: 0,
                    seq: 0,
                    ty,
                    abi: call.abi,
                    flags: EventFlags(EventFlags::NO_RESULT | EventFlags::IN_FLIGHT),
                    tid: call.tid,
                    proc: row,
                    file: fd.and_then(|at| live.fds.get(*call.args.get(at)? as i32)),
                    result: 0,
                    latency_ns: 0,
                    args,
                });
            }
        }
        events
    }
}
