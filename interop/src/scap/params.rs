//! Parameters of scap from our arguments: by name where the two agree, by a table of other names where they do not, and
//! what scap tells of a process from its row.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::types::{self, CODES, EventType, Param, Ty};
use super::write::{cgroups_of, split_argv};
use afterimage_model::fields::{self, Field, FieldValue};
use afterimage_model::{Abi, ArgKind, Ctx, FileKind, Flow, Process, Role, Value, render, syscalls};
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

/// What our arguments go by for a parameter of scap, in the order in which they are looked for.
#[rustfmt::skip]
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("addr", &["uaddr"]), ("argument", &["argp"]), ("cmd", &["op"]), ("data", &["buf", "iov", "msg"]),
    ("dev", &["source"]), ("dir", &["target"]), ("dirfd", &["dfd"]), ("fd", &["oldfd", "fildes", "epfd"]), ("fdin", &["fd_in"]),
    ("fdout", &["fd_out"]), ("fd1", &["pipefd", "sv"]), ("fd2", &["pipefd", "sv"]), ("filename", &["path"]),
    ("flags", &["mountflags", "cl_args", "how"]), ("interval", &["duration", "req"]), ("len", &["size", "count"]),
    ("length", &["len", "size"]), ("linkdirfd", &["newdirfd"]), ("linkpath", &["newpath"]), ("mask", &["sigmask"]),
    ("mode", &["how"]), ("name", &["path", "pathname", "target"]), ("newdir", &["newdirfd"]), ("offin", &["off_in"]),
    ("offout", &["off_out"]), ("olddir", &["olddirfd"]), ("op", &["futex_op"]), ("operation", &["op"]),
    ("option", &["op"]), ("pathname", &["path"]), ("path", &["pathname", "buf", "filename"]), ("pid", &["tgid"]),
    ("pos", &["offset", "pos_l"]), ("proto", &["protocol"]), ("request", &["op"]), ("resolve", &["how"]),
    ("sig", &["signal", "signum"]), ("size", &["count", "len", "bufsiz"]), ("spid", &["sender_pid"]),
    ("type", &["filesystemtype"]),
];

/// Bits of `poll` in the kernel and in scap.
const POLL: &[(u16, u16)] = &[
    (1, 1),
    (2, 2),
    (4, 4),
    (8, 0x10),
    (0x10, 0x20),
    (0x20, 0x40),
    (0x2000, 8),
];

/// Makes the parameters of an event.
#[derive(Clone, Copy)]
pub struct Maker<'c, 't> {
    /// The event.
    pub ctx: &'c Ctx<'t>,
}

/// What scap tells of a process.
#[derive(Clone, Copy)]
pub struct Told<'p> {
    row: &'p Process,
    tid: i64,
    parent: i64,
    result: i64,
    flags: u32,
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0]].concat()
}

fn strings(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() || bytes.ends_with(b"\0") {
        bytes.to_vec()
    } else {
        text(bytes)
    }
}

fn long(number: i64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

/// A number in so many bytes.
fn narrow(number: i64, width: usize) -> Vec<u8> {
    number
        .to_le_bytes()
        .get(..width)
        .unwrap_or_default()
        .to_vec()
}

/// The number that a call has for the kernel, on x86-64; 0 for others.
fn native(name: &str) -> u16 {
    let number = syscalls::by_name(name).and_then(|call| call.number(Abi::x86_64));
    number
        .and_then(|number| u16::try_from(number).ok())
        .unwrap_or(0)
}

fn id(number: u32) -> i64 {
    i64::from(number as i32)
}

/// One end as scap packs it.
pub fn packed_end(end: SocketAddr) -> Vec<u8> {
    let (family, mut bytes) = match end.ip() {
        IpAddr::V4(ip) => (2, ip.octets().to_vec()),
        IpAddr::V6(ip) => (10, ip.octets().to_vec()),
    };
    bytes.insert(0, family);
    bytes.extend_from_slice(&end.port().to_le_bytes());
    bytes
}

/// Both ends as scap packs them.
pub fn packed_tuple(source: SocketAddr, dest: SocketAddr) -> Vec<u8> {
    let mut bytes = packed_end(source);
    bytes.extend(packed_end(dest).split_off(1));
    bytes
}

impl Told<'_> {
    fn param(&self, param: &Param, maker: Maker<'_, '_>) -> Vec<u8> {
        let row = self.row;
        let (exe, args) = split_argv(row);
        let pid = id(row.key.pid);
        let vpid = if row.vpid == 0 { pid } else { id(row.vpid) };
        match param.name {
            "res" => long(self.result),
            "exe" => text(exe),
            "args" => strings(args),
            "tid" => long(self.tid),
            "pid" => long(pid),
            "ptid" => long(self.parent),
            "cwd" => text(&row.cwd),
            "fdlimit" => long(1024),
            "comm" => text(&row.comm),
            "cgroups" => cgroups_of(maker.ctx.tables, row),
            "env" => strings(&row.env),
            "flags" => self.flags.to_le_bytes().to_vec(),
            "uid" => row.euid.to_le_bytes().to_vec(),
            "gid" => row.egid.to_le_bytes().to_vec(),
            "vtid" => long(if self.tid == pid { vpid } else { self.tid }),
            "vpid" => long(vpid),
            "tty" => row.tty.to_le_bytes().to_vec(),
            "pgid" | "vpgid" => long(id(row.pgid)),
            "loginuid" => row.loginuid.to_le_bytes().to_vec(),
            "cap_inheritable" => row.cap_inheritable.to_le_bytes().to_vec(),
            "cap_permitted" => row.cap_permitted.to_le_bytes().to_vec(),
            "cap_effective" => row.cap_effective.to_le_bytes().to_vec(),
            "exe_ino" => row.exe_ino.to_le_bytes().to_vec(),
            "exe_ino_ctime" => row.exe_ctime_ns.to_le_bytes().to_vec(),
            "exe_ino_mtime" => row.exe_mtime_ns.to_le_bytes().to_vec(),
            "trusted_exepath" | "filename" => text(&row.exe_path),
            _ => vec![0; param.width],
        }
    }
}

impl Maker<'_, '_> {
    /// The descriptor that the event is about.
    pub fn fd(&self) -> Option<i64> {
        static FIELD: OnceLock<Option<&'static Field>> = OnceLock::new();
        let field = FIELD.get_or_init(|| fields::by_name("fd.num"));
        match (field.as_ref()?.get)(self.ctx, None)? {
            FieldValue::Int(number) => Some(number),
            _ => None,
        }
    }

    /// The descriptor that the event copies.
    pub fn copied(&self) -> Option<i64> {
        self.number("oldfd")
            .or_else(|| self.number("fildes"))
            .or_else(|| self.number("fd"))
    }

    /// What a process is told as when it comes into being.
    pub fn birth(&self, row: &Process, tid: i64, parent: i64, flags: u32) -> Vec<Vec<u8>> {
        let result = 0;
        self.told(
            223,
            Told {
                row,
                tid,
                parent,
                result,
                flags,
            },
        )
    }

    /// What a process is told as when it has executed a program.
    pub fn executed(&self, row: &Process, tid: i64) -> Vec<Vec<u8>> {
        let (parent, result, flags) = (id(row.ppid), 0, exec_flags(row));
        self.told(
            293,
            Told {
                row,
                tid,
                parent,
                result,
                flags,
            },
        )
    }

    fn told(&self, code: u16, told: Told<'_>) -> Vec<Vec<u8>> {
        let params = types::row(code).map_or(&[][..], |row| &row.params);
        params
            .iter()
            .map(|param| told.param(param, *self))
            .collect()
    }

    /// The end of a thread that came too early or too late.
    pub fn exit() -> Vec<Vec<u8>> {
        vec![long(0), long(0), vec![0], vec![0], long(-1)]
    }

    /// The parameters of one of our events under a code of scap.
    pub fn params(&self, code: u16) -> Vec<Vec<u8>> {
        let event = self.ctx.event;
        let name = self.ctx.ty().map_or("", |ty| ty.name.as_str());
        let Some(row) = types::row(code) else {
            return Vec::new();
        };
        if code < 2 {
            return vec![
                types::call(name).to_le_bytes().to_vec(),
                native(name).to_le_bytes().to_vec(),
            ];
        }
        let execs = matches!(code, 293 | 331);
        if let Some(process) = self
            .ctx
            .proc()
            .filter(|_| execs || row.place("ptid").is_some())
        {
            let tid = id(event.tid);
            let pid = id(process.key.pid);
            return self.told(
                code,
                Told {
                    row: process,
                    tid,
                    parent: if tid == pid || execs {
                        id(process.ppid)
                    } else {
                        pid
                    },
                    result: if name == "clone_child" {
                        0
                    } else {
                        event.result
                    },
                    flags: match execs {
                        true => exec_flags(process),
                        false => self.clone_flags(process, tid, name == "clone_child"),
                    },
                },
            );
        }
        if code == 186 {
            return self.ended();
        }
        if let (292, Some(process)) = (code, self.ctx.proc().filter(|_| event.result == 0)) {
            // Old readers take the program's path from here, and the one behind links is the one to know.
            return vec![text(&process.exe_path)];
        }
        let params = row.params.iter().enumerate();
        params
            .map(|(at, param)| self.param(row, at, param))
            .collect()
    }

    fn clone_flags(&self, process: &Process, tid: i64, is_child: bool) -> u32 {
        let known = ["flags", "cl_args"].iter().find_map(|name| {
            let text = match *name {
                "flags" => render::arg_text(self.ctx, self.place(name)?),
                name => render::arg_field_text(self.ctx, self.place(name)?, "flags"),
            };
            text.and_then(|text| flags_of("clone_flags", &text))
        });
        let mut flags = known.unwrap_or(0) as u32;
        if is_child && tid != id(process.key.pid) {
            flags |= super::threads::CLONE_THREAD | super::threads::CLONE_FILES;
        }
        if process.vpid != 0 && process.vpid != process.key.pid {
            flags |= super::threads::CHILD_IN_PIDNS;
        }
        flags
    }

    fn ended(&self) -> Vec<Vec<u8>> {
        let number = |name: &str| self.number(name).unwrap_or(0);
        let (status, signal, core) = (number("status"), number("signal"), number("core"));
        let whole = (status & 0xff) << 8 | signal & 0x7f | i64::from(core != 0) << 7;
        vec![
            long(whole),
            long(status),
            vec![signal as u8],
            vec![u8::from(core != 0)],
            long(-1),
        ]
    }

    /// The place of one of our arguments.
    fn place(&self, name: &str) -> Option<usize> {
        let mut args = self.ctx.ty()?.args.iter();
        args.position(|arg| arg.name == name)
    }

    fn number(&self, name: &str) -> Option<i64> {
        match self.ctx.event.args.get(self.place(name)?)? {
            Value::Num(number) => Some(*number),
            _ => None,
        }
    }

    /// The place of the argument that a parameter of scap is.
    fn ours(&self, name: &str) -> Option<usize> {
        let other = OTHER_NAMES.iter().find(|row| row.0 == name);
        let other = other.map_or(&[][..], |row| row.1);
        std::iter::once(&name)
            .chain(other)
            .filter_map(|name| self.place(name))
            .next()
    }

    fn param(&self, row: &EventType, at: usize, param: &Param) -> Vec<u8> {
        let event = self.ctx.event;
        if row.result == Some(at) && at == 0 && row.params.first().is_some_and(|_| !row.is_entry())
        {
            return long(event.result);
        }
        match param.kind {
            ArgKind::Tuple => return self.tuple(param.name, row.name),
            ArgKind::Address => return self.address(),
            _ => {}
        }
        let place = self.ours(param.name);
        let value = place
            .and_then(|place| event.args.get(place))
            .unwrap_or(&Value::Absent);
        let from = place.and_then(|place| self.ctx.ty()?.args.get(place)?.kind());
        match param.ty {
            Ty::Path => match value {
                Value::Bytes(blob) => text(&blob.bytes),
                _ => text(b""),
            },
            Ty::Fds => waits(value, row.is_entry()),
            Ty::Bytes => match value {
                Value::Bytes(blob) if param.kind == ArgKind::Str => text(&blob.bytes),
                Value::Bytes(blob) => blob.bytes.clone(),
                Value::Num(_) | Value::Absent if param.kind == ArgKind::Str => text(b""),
                _ => Vec::new(),
            },
            _ if matches!(param.name, "fd1" | "fd2") && from == Some(ArgKind::FdPair) => {
                long(pair(value, param.name == "fd2"))
            }
            Ty::Fd if place.is_none() && param.name == "fd" => {
                narrow(self.fd().unwrap_or(-1), param.width)
            }
            _ if !param.set.is_empty() && param.set != "32" => {
                let text = place.and_then(|place| match value {
                    Value::Bytes(_) => render::arg_field_text(self.ctx, place, param.name),
                    _ => render::arg_text(self.ctx, place),
                });
                let named = text.and_then(|text| flags_of(param.set, &text));
                let raw = match value {
                    Value::Num(number) => *number,
                    _ => 0,
                };
                narrow(named.map_or(raw, |flags| flags as i64), param.width)
            }
            _ => match value {
                Value::Num(number) => narrow(render::number(from, *number), param.width),
                Value::Bytes(blob) if matches!(param.name, "interval" | "timeout") => {
                    let mut cursor = super::bytes::Cursor::new(&blob.bytes);
                    let (seconds, rest) = (cursor.i64().unwrap_or(0), cursor.i64().unwrap_or(0));
                    long(seconds.saturating_mul(1_000_000_000).saturating_add(rest))
                }
                _ if param.name.starts_with("queue") => {
                    narrow(self.backlog(param.name).unwrap_or(0), param.width)
                }
                _ if param.name == "size" && place.is_none() => {
                    narrow(event.result.max(0), param.width)
                }
                _ if param.name == "ino" => narrow(
                    self.ctx.file().map_or(0, |file| file.ino as i64),
                    param.width,
                ),
                _ => vec![0; param.width],
            },
        }
    }

    /// What waits at a listening socket: how many, how many may, or the share of the one in the other, in percent.
    fn backlog(&self, name: &str) -> Option<i64> {
        let Value::Bytes(blob) = self.ctx.event.args.get(self.place("queue")?)? else {
            return None;
        };
        let mut cursor = super::bytes::Cursor::new(&blob.bytes);
        let (waiting, most) = (i64::from(cursor.u32()?), i64::from(cursor.u32()?));
        Some(match name {
            "queuelen" => waiting,
            "queuemax" => most,
            _ => (waiting * 100).checked_div(most).unwrap_or(0).min(100),
        })
    }

    /// Both ends of the connection, as the direction of the call tells them.
    fn tuple(&self, _name: &str, call: &str) -> Vec<u8> {
        let Some(file) = self.ctx.file() else {
            return Vec::new();
        };
        let connects = matches!(call, "accept" | "accept4" | "connect");
        if file.kind == FileKind::Unix {
            return match file.name() {
                // Readers would call the socket by both ends from there on, of which it has names for none.
                name if name.is_empty() || !connects => Vec::new(),
                name => [&[1][..], &[0; 16], &name, &[0]].concat(),
            };
        }
        let Some(flow) = file.flow.filter(Flow::is_connected) else {
            return Vec::new();
        };
        let incoming = match call {
            "accept" | "accept4" => true,
            "connect" => false,
            _ => flow.role == Role::Server,
        };
        if incoming {
            packed_tuple(flow.remote, flow.local)
        } else {
            packed_tuple(flow.local, flow.remote)
        }
    }

    /// The address that a call was given.
    fn address(&self) -> Vec<u8> {
        let place = ["addr", "dest_addr"]
            .iter()
            .find_map(|name| self.place(name));
        let value = place.and_then(|place| self.ctx.event.args.get(place));
        let Some(Value::Bytes(blob)) = value else {
            return Vec::new();
        };
        let mut cursor = super::bytes::Cursor::new(&blob.bytes);
        let family = cursor.u16();
        let port = |cursor: &mut super::bytes::Cursor<'_>| {
            cursor.take(2).map(|b| {
                [
                    b.last().copied().unwrap_or(0),
                    b.first().copied().unwrap_or(0),
                ]
            })
        };
        let packed = |family: u8, ip: &[u8], port: [u8; 2]| [&[family][..], ip, &port].concat();
        match family {
            Some(1) => {
                let path = super::bytes::until_nul(cursor.rest());
                [&[1][..], path, &[0]].concat()
            }
            Some(2) => match (port(&mut cursor), cursor.take(4)) {
                (Some(port), Some(ip)) => packed(2, ip, port),
                _ => Vec::new(),
            },
            Some(10) => match (port(&mut cursor), cursor.skip(4), cursor.take(16)) {
                (Some(port), Some(()), Some(ip)) => packed(10, ip, port),
                _ => Vec::new(),
            },
            Some(family) => vec![family as u8],
            None => Vec::new(),
        }
    }

    /// The parameters of an event that came from scap, as they were there.
    pub fn same(&self, code: u16) -> Vec<Vec<u8>> {
        let event = self.ctx.event;
        let calls = event.ty.0.checked_sub(CODES);
        if code < 2 {
            let number = calls.map_or(0, |calls| types::call_known(calls / 2));
            let name = self.ctx.ty().map_or("", |ty| ty.name.as_str());
            let native = match event.args.get(1) {
                Some(Value::Num(told)) if number != 0 => *told as u16,
                _ => native(name),
            };
            return vec![number.to_le_bytes().to_vec(), native.to_le_bytes().to_vec()];
        }
        let Some(row) = types::row(code) else {
            return Vec::new();
        };
        let held = row.params.iter().zip(&event.args);
        let mut params: Vec<Option<Vec<u8>>> =
            held.map(|(param, value)| kept(param, value)).collect();
        let more = self.place("evt.surplus").and_then(|at| event.args.get(at));
        if let Some(Value::Bytes(more)) = more {
            let mut cursor = super::bytes::Cursor::new(&more.bytes);
            while let Some(len) = cursor.u32() {
                params.push(cursor.take(len as usize).map(<[u8]>::to_vec));
            }
        }
        while params.last().is_some_and(Option::is_none) {
            params.pop();
        }
        params.into_iter().map(Option::unwrap_or_default).collect()
    }
}

/// A parameter as it was in scap; `None` where it was not there.
fn kept(param: &Param, value: &Value) -> Option<Vec<u8>> {
    Some(match (value, param.ty) {
        (Value::Absent, _) => return None,
        (Value::Num(number), _) => narrow(*number, param.width),
        // Behind the number stands what it was called.
        (Value::Bytes(blob), Ty::Fd | Ty::Pid | Ty::Uid | Ty::Gid) => {
            blob.bytes.get(..param.width)?.to_vec()
        }
        (Value::Bytes(blob), Ty::Fds) => {
            let mut cursor = super::bytes::Cursor::new(&blob.bytes);
            let (mut count, mut list) = (0_u16, Vec::new());
            while let Some(entry) = cursor.take(10) {
                list.extend_from_slice(entry);
                count += 1;
                let _ = cursor.skip(1);
                let name = cursor.u16().unwrap_or(0);
                let _ = cursor.skip(usize::from(name));
            }
            [&count.to_le_bytes()[..], &list].concat()
        }
        (Value::Bytes(blob), Ty::Path) => text(&blob.bytes),
        (Value::Bytes(blob), _) if param.kind == ArgKind::Str => text(&blob.bytes),
        (Value::Bytes(blob), _) => blob.bytes.to_vec(),
    })
}

fn exec_flags(row: &Process) -> u32 {
    let marks = [
        (Process::EXE_WRITABLE, "EXE_WRITABLE"),
        (Process::EXE_UPPER, "EXE_UPPER_LAYER"),
        (Process::EXE_MEMFD, "EXE_FROM_MEMFD"),
        (Process::EXE_LOWER, "EXE_LOWER_LAYER"),
    ];
    let held = marks.iter().filter(|mark| row.exe_flags & mark.0 != 0);
    let bits = held.filter_map(|mark| types::flag("execve_flags", mark.1));
    bits.fold(0, |all, bit| all | bit) as u32
}

/// What names are in scap's numbering; `None` where it knows none of them.
fn flags_of(set: &str, names: &[u8]) -> Option<u64> {
    let names = std::str::from_utf8(names).ok()?;
    let names = names.split('(').next().unwrap_or(names);
    let known = names.split('|').filter_map(|name| {
        let name = name.trim();
        let bare = name.split_once('_').map_or(name, |parts| parts.1);
        types::flag(set, name).or_else(|| types::flag(set, bare))
    });
    known.fold(None, |all, bit| Some(all.unwrap_or(0) | bit))
}

/// One of two descriptors.
fn pair(value: &Value, second: bool) -> i64 {
    match value {
        Value::Num(both) => i64::from(if second { *both >> 32 } else { *both } as i32),
        Value::Bytes(blob) => {
            let from = if second { 4 } else { 0 };
            let bytes = blob.bytes.get(from..from + 4);
            bytes.and_then(super::bytes::signed).unwrap_or(-1)
        }
        Value::Absent => -1,
    }
}

/// Structures of `poll` as scap lists them.
fn waits(value: &Value, is_entry: bool) -> Vec<u8> {
    let (mut count, mut list) = (0_u16, Vec::new());
    if let Value::Bytes(blob) = value {
        for entry in blob.bytes.chunks_exact(8) {
            let mut cursor = super::bytes::Cursor::new(entry);
            let (Some(fd), Some(asked), Some(got)) = (cursor.take(4), cursor.u16(), cursor.u16())
            else {
                break;
            };
            let bits = if is_entry { asked } else { got };
            let bits = POLL.iter().filter(|row| bits & row.0 != 0);
            let bits = bits.fold(0, |all, row| all | row.1);
            list.extend_from_slice(&long(super::bytes::signed(fd).unwrap_or(-1)));
            list.extend_from_slice(&bits.to_le_bytes());
            count = count.saturating_add(1);
        }
    }
    [&count.to_le_bytes()[..], &list].concat()
}
