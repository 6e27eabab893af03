//! Calls: the values of their arguments, the file or socket they touched, what they did to the descriptor table.

use super::quick::{Way, is_touched, last_descriptor};
use super::{Outcome, World, blank};
use crate::decode::{Head, Message, Record, sockaddr};
use crate::procfs;
use crate::wire::{Kind, PathMark, Slot};
use afterimage_format::Arg;
use afterimage_model::schema::current_type;
use afterimage_model::syscalls::Syscall;
use afterimage_model::{
    Abi, ArgDesc, ArgKind, Blob, Event, EventFlags, FileId, FileKind, ProcId, Role, SYSCALLS,
    Schema, TypeId, Value,
};
use std::net::SocketAddr;

const CALL_STRIDE: usize = 1024;

/// `__X32_SYSCALL_BIT` of `arch/x86/include/uapi/asm/unistd.h`.
const X32_BIT: u32 = 0x4000_0000;

pub(super) fn call_table() -> Vec<Option<(TypeId, &'static Syscall, Way)>> {
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
                    *slot = Some((ty, row, Way::of(row)));
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
    pub(super) fn call_row(&self, abi: Abi, nr: u32) -> Option<(TypeId, &'static Syscall, Way)> {
        let nr = usize::try_from(nr).ok().filter(|nr| *nr < CALL_STRIDE)?;
        *self.calls.get(abi as usize * CALL_STRIDE + nr)?
    }

    pub(super) fn call(&mut self, cpu: u16, record: &Record) -> Outcome {
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
        let Some((ty, row, _)) = self.call_row(abi, head.nr) else {
            let mut event = blank(
                cpu,
                head,
                id,
                known,
                current_type("unknown").unwrap_or_default(),
            );
            event.abi = abi;
            event.result = result;
            // The kernel program takes the bit off that makes a number one of x32.
            let nr = match abi {
                Abi::x32 => head.nr | X32_BIT,
                _ => head.nr,
            };
            event.args.push(Value::Num(i64::from(nr as i32)));
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
            let blob = record.args.get(at).and_then(Option::as_ref);
            let bytes = blob.map(|blob| (blob.bytes.as_slice(), blob.full_len));
            let parts = match spec.kind {
                ArgKind::MsgName => record.addr.as_deref().map(Blob::whole),
                ArgKind::MsgControl => record.control.clone(),
                ArgKind::OtherFile => self.other_file(cpu, record, row),
                ArgKind::MsgVecIn | ArgKind::MsgVecOut if !record.messages.is_empty() => {
                    Some(joined(&record.messages, result))
                }
                _ => None,
            };
            if let Some(parts) = parts {
                event.args.push(Value::Bytes(parts));
                continue;
            }
            let kind = held(ty, spec.kind, at, head);
            event.args.push(value(kind, raw, abi, bytes).into());
        }
        without_password(row, &mut event);
        mark(&mut event, record);
        event.file = self.touched(cpu, record, row, result, id, &mut event.flags);
        Outcome::Event(Box::new(event))
    }

    /// The name of the file behind the last of several descriptors.
    fn other_file(&mut self, cpu: u16, record: &Record, row: &Syscall) -> Option<Blob> {
        let part = record.file(last_descriptor(row)? as u32)?;
        let id = self.objects.known(part);
        let id = id.unwrap_or_else(|| self.objects.of(&mut self.tables, part, None));
        let file = self.tables.file(id)?;
        let mut name = file.name();
        if name.is_empty() {
            // Pipes have none: as /proc shows them.
            name = format!("{}:[{}]", file.kind.name(), file.ino).into_bytes();
        }
        if let Some(told) = self.tell(cpu, part, id) {
            told.name = Some(name.as_slice().into());
        }
        Some(Blob::whole(name))
    }

    /// The file or socket a call touched, and what the call did to the descriptor table.
    pub(super) fn touched(
        &mut self,
        cpu: u16,
        record: &Record,
        row: &Syscall,
        result: i64,
        id: ProcId,
        flags: &mut EventFlags,
    ) -> Option<FileId> {
        let head = &record.head;
        let pid = head.pid;
        let fd_number = |at: usize| head.args.get(at).map(|raw| *raw as i32);
        match row.name {
            "close" => {
                let live = self.live.get_mut(&pid)?;
                let fd = fd_number(0)?;
                return if result == 0 {
                    live.fds.remove(fd)
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
                    live.fds.retain(|fd| !(from..=to).contains(&(fd as u32)));
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
                        .retain(|fd| !numbers.as_ref().is_some_and(|made| made.contains(&fd)));
                }
            }
            _ => {}
        }
        let named = record.messages.first().map(|m| m.name.as_slice());
        let named = record
            .addr
            .as_deref()
            .or(named.filter(|name| !name.is_empty()));
        let claimed_end = named.or_else(|| {
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
            self.tell(cpu, file, made);
            self.tcp.owned(file, id);
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
            "listen" if result == 0 => {
                self.objects.role(file, Role::Server);
                self.tcp.owned(file, id);
            }
            _ => {}
        }
        let sends = row.args.iter().any(|arg| {
            matches!(
                arg.kind,
                ArgKind::SockAddrIn | ArgKind::MsgIn | ArgKind::MsgVecIn
            )
        }) && row.name != "bind";
        let receives = row.args.iter().any(|arg| {
            matches!(
                arg.kind,
                ArgKind::SockAddrOut | ArgKind::MsgOut | ArgKind::MsgVecOut
            )
        }) && row.name.starts_with("recv");
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
        self.tell(cpu, file, made);
        // A connect that did not fail, whatever the address says by now that was passed.
        if row.name == "connect"
            && (result == 0 || result == -i64::from(libc::EINPROGRESS))
            && let Some(claim) = claimed_end.and_then(sockaddr)
            && let Some(flow) = self.tables.file(made).and_then(|file| file.flow)
            && other_end(claim, flow.remote)
        {
            flags.set(EventFlags::CLAIM_DIFFERS);
        }
        if let Some(live) = self.live.get_mut(&pid) {
            live.fds.insert(fd, made);
        }
        let path = |at: usize| {
            record
                .args
                .get(at)?
                .as_ref()
                .map(|blob| blob.bytes.as_slice())
        };
        is_touched(row, path).then_some(made)
    }

    /// The directory a relative path starts from.
    pub(super) fn base_of(&mut self, record: &Record, row: &Syscall, id: ProcId) -> Vec<u8> {
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
}

/// The kind of what an argument holds, also where another one decides it.
pub(super) fn held(ty: TypeId, kind: ArgKind, at: usize, head: &Head) -> ArgKind {
    if kind != ArgKind::Choice {
        return kind;
    }
    let schema = Schema::current();
    let register = |at: usize| head.args.get(at).map(|raw| *raw as i64);
    let holds = schema.ty(ty).and_then(|ty| schema.held(ty, at, register));
    holds.and_then(ArgDesc::kind).unwrap_or(ArgKind::Hex)
}

/// Several messages as one value: for each its length, the bytes of address and payload kept, then these.
fn joined(messages: &[Message], result: i64) -> Blob {
    let mut bytes = Vec::new();
    let mut lost = 0;
    for message in messages {
        let kept = &message.payload.bytes;
        for n in [
            message.payload.full_len,
            message.name.len() as u64,
            kept.len() as u64,
        ] {
            bytes.extend((n as u32).to_le_bytes());
        }
        bytes.extend(&message.name);
        bytes.extend(kept);
        lost += message.payload.full_len.saturating_sub(kept.len() as u64);
    }
    // A message that was not kept at all is missing by one byte at least.
    let missing = usize::try_from(result)
        .unwrap_or(0)
        .saturating_sub(messages.len());
    let full_len = bytes.len() as u64 + lost + missing as u64;
    Blob { bytes, full_len }
}

/// The value of a file system's parameter whose name says that it is a password is not kept.
fn without_password(row: &Syscall, event: &mut Event) {
    if row.name != "fsconfig" {
        return;
    }
    let secret = match event.args.get(2) {
        Some(Value::Bytes(key)) => key.bytes.windows(4).any(|four| four == b"pass"),
        _ => true,
    };
    if let Some(value @ Value::Bytes(_)) = event.args.get_mut(3)
        && secret
    {
        *value = Value::Absent;
    }
}

fn claimed_path<'a>(record: &'a Record, row: &Syscall) -> Option<&'a [u8]> {
    let at = row.args.iter().position(|arg| arg.kind == ArgKind::Path)?;
    record
        .args
        .get(at)?
        .as_ref()
        .map(|blob| blob.bytes.as_slice())
}

/// Whether an address as passed is another than the one that was reached. Without an address it is this host's (man 7 ip).
fn other_end(claimed: SocketAddr, reached: SocketAddr) -> bool {
    let address = claimed.ip().to_canonical();
    reached.port() != 0
        && (claimed.port() != reached.port()
            || (address != reached.ip().to_canonical() && !address.is_unspecified()))
}

/// Whether a path as passed, taken from `base`, is another than the one the kernel acted on.
pub(super) fn differs(claimed: &[u8], base: &[u8], actual: &[u8]) -> bool {
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

pub(super) fn mark(event: &mut Event, record: &Record) {
    let cut = event
        .args
        .iter()
        .any(|arg| matches!(arg, Value::Bytes(blob) if blob.is_cut()));
    if cut || record.head.cut {
        event.flags.set(EventFlags::CUT);
    }
}

/// An argument's value: the register narrowed to its C type, or the bytes it pointed at.
pub(super) fn value<'a>(
    kind: ArgKind,
    raw: u64,
    abi: Abi,
    bytes: Option<(&'a [u8], u64)>,
) -> Arg<'a> {
    let narrow = abi == Abi::i386;
    match kind {
        ArgKind::Path
        | ArgKind::Str
        | ArgKind::BufIn
        | ArgKind::BufOut
        | ArgKind::SockAddrIn
        | ArgKind::SockAddrOut
        | ArgKind::IoVecIn
        | ArgKind::IoVecOut
        | ArgKind::MsgIn
        | ArgKind::MsgOut
        | ArgKind::FdPair
        | ArgKind::Argv
        | ArgKind::MsgName
        | ArgKind::MsgControl
        | ArgKind::OtherFile
        | ArgKind::Backlog => {
            bytes.map_or(Arg::Absent, |(kept, full_len)| Arg::Bytes(kept, full_len))
        }
        // What was not read is known by its address.
        ArgKind::StructIn
        | ArgKind::Given
        | ArgKind::Filled
        | ArgKind::FilledAbove
        | ArgKind::FilledRest
        | ArgKind::GivenArray
        | ArgKind::FilledArray
        | ArgKind::StructOut
        | ArgKind::StructOutLen
        | ArgKind::BitSet
        | ArgKind::MsgVecIn
        | ArgKind::MsgVecOut => match bytes {
            Some((kept, full_len)) => Arg::Bytes(kept, full_len),
            None => value(ArgKind::Ptr, raw, abi, None),
        },
        ArgKind::TimeSpec => bytes
            .and_then(|(kept, _)| timespec_ns(kept))
            .map_or(Arg::Absent, Arg::Num),
        ArgKind::Int
        | ArgKind::Fd
        | ArgKind::DirFd
        | ArgKind::Pid
        | ArgKind::Signal
        | ArgKind::Enum
        | ArgKind::Ioctl
        | ArgKind::SockAddrLen => Arg::Num(i64::from(raw as i32)),
        // -1 means "leave as it is" and stays -1; every other id is unsigned.
        ArgKind::Uid | ArgKind::Gid => Arg::Num(if raw as u32 == u32::MAX {
            -1
        } else {
            i64::from(raw as u32)
        }),
        ArgKind::Mode | ArgKind::FileMode => Arg::Num(i64::from(raw as u32)),
        // Most flags are C ints: a set top bit must not smear over the upper half.
        ArgKind::Flags => Arg::Num(if raw >> 32 == 0xffff_ffff {
            i64::from(raw as u32)
        } else {
            raw as i64
        }),
        ArgKind::Uint
        | ArgKind::Hex
        | ArgKind::Ptr
        | ArgKind::Size
        | ArgKind::Offset
        | ArgKind::Dev
        | ArgKind::Choice
        | ArgKind::TimeVal
        | ArgKind::Stamp
        | ArgKind::StampUs
        | ArgKind::Epoch
        | ArgKind::SigSet
        | ArgKind::Caps
        | ArgKind::WaitStatus
        | ArgKind::Bytes
        | ArgKind::BitList
        | ArgKind::Errno
        | ArgKind::Data
        | ArgKind::Tuple
        | ArgKind::Address
        | ArgKind::FdWaits
        | ArgKind::Variant
        | ArgKind::Ip => Arg::Num(if narrow {
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
            Arg::Num(-100)
        );
        assert_eq!(
            value(ArgKind::Uid, 0xffff_ffff, Abi::x86_64, None),
            Arg::Num(-1)
        );
        assert_eq!(
            value(ArgKind::Uid, 0x8000_0000, Abi::x86_64, None),
            Arg::Num(0x8000_0000)
        );
        assert_eq!(
            value(ArgKind::Size, u64::MAX, Abi::i386, None),
            Arg::Num(0xffff_ffff)
        );
        assert_eq!(value(ArgKind::Path, 77, Abi::x86_64, None), Arg::Absent);
        assert_eq!(timespec_ns(&[1, 0, 0, 0, 5, 0, 0, 0]), Some(1_000_000_005));
    }
}
