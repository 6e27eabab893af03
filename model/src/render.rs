//! Values as text: one place that knows how an argument of each kind is shown. Pure; the result may still hold captured
//! bytes and must go through [`Safe`](crate::Safe) before it reaches a terminal.

mod layout;
pub mod scap;

use crate::args::{Abi, ArgKind};
use crate::entity::File;
use crate::errno;
use crate::event::{Blob, Event, EventFlags, Value};
use crate::fields::Ctx;
use crate::flags::flag_set;
use crate::schema::{ArgDesc, Schema, TypeDesc};
use crate::signal;
use crate::syscalls;
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `AT_FDCWD` of `include/uapi/linux/fcntl.h`.
const AT_FDCWD: i64 = -100;

/// Bytes of a payload that the line of all arguments shows at the most, as sysdig's does.
const LINE_PAYLOAD_BYTES: usize = 80;

/// Bytes of any other text that the line of all arguments shows at the most.
const LINE_TEXT_BYTES: usize = 4096;

/// The number an argument register holds, as the kernel sees it: what is declared `int` or `unsigned` there is taken
/// from the lower half of the register, and the upper half is whatever the caller left in it.
pub fn number(kind: Option<ArgKind>, n: i64) -> i64 {
    match kind {
        Some(
            ArgKind::Int
            | ArgKind::Fd
            | ArgKind::DirFd
            | ArgKind::Pid
            | ArgKind::Signal
            | ArgKind::SockAddrLen,
        ) => i64::from(n as i32),
        Some(ArgKind::Enum | ArgKind::Mode | ArgKind::Dev | ArgKind::Ioctl | ArgKind::FileMode) => {
            i64::from(n as u32)
        }
        // All ones is -1, "leave it as it is"; other ids are unsigned.
        Some(ArgKind::Uid | ArgKind::Gid) if n as u32 == u32::MAX => -1,
        Some(ArgKind::Uid | ArgKind::Gid) => i64::from(n as u32),
        _ => n,
    }
}

/// What the argument at this place holds, and its value; `None` where the event's type has no such argument.
pub fn held<'a>(ctx: &Ctx<'a>, at: usize) -> Option<(&'a ArgDesc, &'a Value)> {
    let args = &ctx.event.args;
    let number = |at: usize| match args.get(at) {
        Some(Value::Num(n)) => Some(*n),
        _ => None,
    };
    Some((ctx.schema.held(ctx.ty()?, at, number)?, args.get(at)?))
}

/// The text of one argument, as `evt.arg.<name>` compares it: flags by name joined with `|`, octal modes, addresses as
/// `ip:port`, structures as `{field=value, …}`, paths and payload as the captured bytes. `None` when the argument was not
/// captured.
pub fn arg_text(ctx: &Ctx<'_>, at: usize) -> Option<Vec<u8>> {
    if ctx.ty()?.is(TypeDesc::SCAP) {
        return scap::arg_text(ctx, at);
    }
    let (holds, value) = held(ctx, at)?;
    held_text(ctx.schema, holds, value, ctx.event.abi)
}

/// The text of one field of a structure that an argument points at; `None` when it was not captured.
pub fn arg_field_text(ctx: &Ctx<'_>, at: usize, field: &str) -> Option<Vec<u8>> {
    let (holds, value) = held(ctx, at)?;
    let (Some(kind), Value::Bytes(blob)) = (holds.kind(), value) else {
        return None;
    };
    let fits = kind.is_struct() && !matches!(kind, ArgKind::GivenArray | ArgKind::FilledArray);
    let row = ctx
        .schema
        .structure(&holds.set, ctx.event.abi)
        .filter(|_| fits)?;
    let field = row.fields.iter().find(|row| row.name == field)?;
    layout::field_text(ctx.schema, field, &blob.bytes, ctx.event.abi, 0)
}

/// The payload in a captured value: the bytes themselves, or those of all messages one after another.
pub fn payload(kind: ArgKind, bytes: &[u8]) -> Cow<'_, [u8]> {
    match kind {
        ArgKind::MsgVecIn | ArgKind::MsgVecOut => Cow::Owned(
            layout::messages(bytes)
                .flat_map(|message| message.payload)
                .copied()
                .collect(),
        ),
        _ => Cow::Borrowed(bytes),
    }
}

/// The text of a value of this kind, in a call of this convention.
pub fn held_text(schema: &Schema, holds: &ArgDesc, value: &Value, abi: Abi) -> Option<Vec<u8>> {
    match value {
        Value::Absent => None,
        Value::Bytes(blob) => Some(bytes_text(schema, holds, &blob.bytes, abi)),
        Value::Num(n) => {
            let kind = holds.kind();
            Some(number_text(schema, kind, &holds.set, number(kind, *n)).into_bytes())
        }
    }
}

/// A number that [`number`] has narrowed to its type.
fn number_text(schema: &Schema, kind: Option<ArgKind>, set: &str, seen: i64) -> String {
    match kind {
        Some(ArgKind::Flags | ArgKind::Enum) => flags_text(schema, set, seen as u64),
        Some(ArgKind::Ioctl) => ioctl_text(schema, set, seen as u32),
        Some(ArgKind::Mode) if seen == 0 => "0".to_owned(),
        Some(ArgKind::Mode) => format!("0{seen:o}"),
        Some(ArgKind::FileMode) => file_mode_text(seen as u32),
        Some(ArgKind::DirFd) if seen == AT_FDCWD => "AT_FDCWD".to_owned(),
        Some(ArgKind::Signal) => signal::name(seen),
        Some(ArgKind::SigSet) => signal::set_text(seen as u64, 64),
        Some(ArgKind::Caps) => caps_text(schema, seen as u64),
        Some(ArgKind::WaitStatus) => signal::wait_status_text(seen as u32),
        Some(ArgKind::Dev) => device_text(seen as u32),
        Some(ArgKind::TimeSpec) => duration_text(seen),
        Some(ArgKind::Epoch) => layout::stamp_text(seen, 0),
        Some(ArgKind::Hex) => format!("{seen:#x}"),
        Some(ArgKind::Int | ArgKind::Uint | ArgKind::Size) => match name_of(schema, set, seen) {
            Some(name) => name.to_owned(),
            None if kind == Some(ArgKind::Int) => seen.to_string(),
            None => (seen as u64).to_string(),
        },
        Some(
            ArgKind::Fd
            | ArgKind::DirFd
            | ArgKind::Pid
            | ArgKind::Uid
            | ArgKind::Gid
            | ArgKind::Offset
            | ArgKind::SockAddrLen
            | ArgKind::Errno,
        )
        | None => seen.to_string(),
        // What these point at was not read.
        Some(
            ArgKind::Ptr
            | ArgKind::Path
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
            | ArgKind::StructIn
            | ArgKind::Given
            | ArgKind::Filled
            | ArgKind::FilledAbove
            | ArgKind::FilledRest
            | ArgKind::GivenArray
            | ArgKind::FilledArray
            | ArgKind::StructOut
            | ArgKind::StructOutLen
            | ArgKind::BitSet
            | ArgKind::Choice
            | ArgKind::MsgName
            | ArgKind::MsgControl
            | ArgKind::OtherFile
            | ArgKind::Backlog
            | ArgKind::MsgVecIn
            | ArgKind::MsgVecOut
            | ArgKind::TimeVal
            | ArgKind::Stamp
            | ArgKind::StampUs
            | ArgKind::Bytes
            | ArgKind::BitList
            | ArgKind::Data
            | ArgKind::Tuple
            | ArgKind::Address
            | ArgKind::FdWaits
            | ArgKind::Variant
            | ArgKind::Ip,
        ) => {
            if seen == 0 {
                "NULL".to_owned()
            } else {
                format!("{seen:#x}")
            }
        }
    }
}

fn bytes_text(schema: &Schema, holds: &ArgDesc, bytes: &[u8], abi: Abi) -> Vec<u8> {
    match holds.kind() {
        Some(ArgKind::SockAddrIn | ArgKind::SockAddrOut | ArgKind::MsgName) => sockaddr_text(bytes),
        Some(ArgKind::FdPair) => fd_pair(bytes)
            .map_or_else(|| hex(bytes), |[a, b]| format!("[{a}, {b}]"))
            .into_bytes(),
        Some(ArgKind::Argv) => list_text(bytes),
        Some(ArgKind::BitSet | ArgKind::BitList) => layout::bits_text(bytes).into_bytes(),
        Some(ArgKind::Bytes) => hex(bytes).into_bytes(),
        Some(ArgKind::MsgControl) => layout::control_text(schema, bytes, abi),
        Some(ArgKind::MsgVecIn | ArgKind::MsgVecOut) => layout::messages_text(bytes),
        // Without a set it is text or a layout nobody knows: the bytes as they are.
        Some(kind) if kind.is_struct() && !holds.set.is_empty() => {
            let several = matches!(kind, ArgKind::GivenArray | ArgKind::FilledArray);
            layout::struct_text(schema, &holds.set, bytes, abi, several)
        }
        _ => bytes.to_vec(),
    }
}

/// The name of a whole number in a set.
fn name_of<'a>(schema: &'a Schema, set: &str, n: i64) -> Option<&'a str> {
    if set.is_empty() {
        return None;
    }
    let mut flags = schema.flag_set(set)?.flags.iter();
    // Sets of 32-bit numbers have negative ones as the kernel's `unsigned` sees them.
    let short = i32::try_from(n).map(|n| u64::from(n as u32));
    let fits = |value: u64| value == n as u64 || short == Ok(value);
    let flag = flags.find(|flag| flag.mask == u64::MAX && fits(flag.value))?;
    Some(&flag.name)
}

/// A request of ioctl by name, else as `include/uapi/asm-generic/ioctl.h` takes it apart.
fn ioctl_text(schema: &Schema, set: &str, request: u32) -> String {
    if let Some(name) = name_of(schema, set, i64::from(request)) {
        return name.to_owned();
    }
    let direction = match request >> 30 {
        0 => "_IOC_NONE",
        1 => "_IOC_WRITE",
        2 => "_IOC_READ",
        _ => "_IOC_READ|_IOC_WRITE",
    };
    format!(
        "_IOC({direction}, {:#x}, {:#x}, {})",
        request >> 8 & 0xff,
        request & 0xff,
        request >> 16 & 0x3fff
    )
}

/// `S_IFREG|0644`: type (`include/uapi/linux/stat.h`) and permissions.
fn file_mode_text(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o010_000 => "S_IFIFO",
        0o020_000 => "S_IFCHR",
        0o040_000 => "S_IFDIR",
        0o060_000 => "S_IFBLK",
        0o100_000 => "S_IFREG",
        0o120_000 => "S_IFLNK",
        0o140_000 => "S_IFSOCK",
        _ => return format!("0{mode:o}"),
    };
    format!("{kind}|0{:o}", mode & 0o7777)
}

/// Capabilities by name, joined with `|`; `0` for none.
fn caps_text(schema: &Schema, mask: u64) -> String {
    if mask == 0 {
        return "0".to_owned();
    }
    let name = |bit: u32| {
        name_of(schema, "capability", i64::from(bit))
            .map_or_else(|| format!("CAP_{bit}"), str::to_owned)
    };
    let held = (0..u64::BITS).filter(|bit| mask >> bit & 1 == 1);
    held.map(name).collect::<Vec<_>>().join("|")
}

/// The two descriptors of a captured [`ArgKind::FdPair`]: two little-endian `int`s.
pub fn fd_pair(bytes: &[u8]) -> Option<[i32; 2]> {
    let (first, rest) = bytes.split_first_chunk::<4>()?;
    let second = rest.first_chunk::<4>()?;
    Some([i32::from_le_bytes(*first), i32::from_le_bytes(*second)])
}

/// A NUL-separated list with blanks between its entries.
pub fn list_text(bytes: &[u8]) -> Vec<u8> {
    let list = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    list.iter()
        .map(|b| if *b == 0 { b' ' } else { *b })
        .collect()
}

/// A `struct sockaddr` as it lies in memory: `127.0.0.1:80`, `::1:80`, a path, `@name` for an abstract name,
/// `netlink:<pid>:<groups>`, `vsock:<cid>:<port>`; the family's name and bytes in hex for any other.
pub fn sockaddr_text(bytes: &[u8]) -> Vec<u8> {
    let Some((family, rest)) = bytes.split_first_chunk::<2>() else {
        return hex(bytes).into_bytes();
    };
    let family = u16::from_le_bytes(*family);
    let port = rest
        .first_chunk::<2>()
        .map(|port| u16::from_be_bytes(*port));
    let word = |at: usize| {
        rest.get(at..)
            .and_then(|tail| tail.first_chunk::<4>())
            .map(|word| u32::from_le_bytes(*word))
    };
    let known = match family {
        1 => return unix_name_text(rest),
        2 => port
            .zip(rest.get(2..).and_then(|tail| tail.first_chunk::<4>()))
            .map(|(port, ip)| format!("{}:{port}", Ipv4Addr::from(*ip))),
        10 => port
            .zip(rest.get(6..).and_then(|tail| tail.first_chunk::<16>()))
            .map(|(port, ip)| format!("{}:{port}", Ipv6Addr::from(*ip))),
        16 => word(2)
            .zip(word(6))
            .map(|(pid, groups)| format!("netlink:{pid}:{groups:#x}")),
        17 => rest
            .first_chunk::<2>()
            .zip(word(2))
            .map(|(protocol, index)| {
                format!("packet:{:#06x}:{index}", u16::from_be_bytes(*protocol))
            }),
        40 => word(6)
            .zip(word(2))
            .map(|(cid, port)| format!("vsock:{cid}:{port}")),
        _ => None,
    };
    known
        .unwrap_or_else(|| format!("{}:{}", family_name(family), hex(rest)))
        .into_bytes()
}

/// The name of a unix socket, without its family: a path up to NUL, or `@` and an abstract name of any bytes.
fn unix_name_text(name: &[u8]) -> Vec<u8> {
    match name.split_first() {
        None => Vec::new(),
        Some((0, abstract_name)) => [b"@", abstract_name].concat(),
        Some(_) => name.split(|b| *b == 0).next().unwrap_or_default().to_vec(),
    }
}

fn family_name(family: u16) -> String {
    let entries = flag_set("domain").map_or(&[][..], |set| set.entries);
    entries
        .iter()
        .find(|entry| entry.1 == u64::from(family))
        .map_or_else(|| format!("AF_{family}"), |entry| entry.0.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A device as user space writes it (`makedev`: 12 bits of major above 8 of minor, the rest of minor on top) as `major:minor`.
fn device_text(dev: u32) -> String {
    format!("{}:{}", dev >> 8 & 0xfff, dev & 0xff | dev >> 12 & 0xf_ff00)
}

/// Nanoseconds in the largest unit that fits, exactly: `1.5s`, `20ms`, `7us`, `1ns`.
pub fn duration_text(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let n = ns.unsigned_abs();
    let (unit, name, digits) = match n {
        0 => return "0s".to_owned(),
        1..1_000 => (1, "ns", 0),
        1_000..1_000_000 => (1_000, "us", 3),
        1_000_000..1_000_000_000 => (1_000_000, "ms", 6),
        _ => (1_000_000_000, "s", 9),
    };
    let (whole, part) = (n / unit, n % unit);
    if part == 0 {
        return format!("{sign}{whole}{name}");
    }
    let part = format!("{part:0digits$}");
    format!("{sign}{whole}.{}{name}", part.trim_end_matches('0'))
}

/// Names of the bits of `n` joined with `|`; what has no name is added in hex.
pub fn flags_text(schema: &Schema, set: &str, n: u64) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut rest = n;
    for flag in schema.flag_set(set).map_or(&[][..], |set| &set.flags) {
        // A mask of nothing would match every number; only a hostile file has one.
        if flag.mask != 0 && n & flag.mask == flag.value {
            names.push(&flag.name);
            rest &= !flag.mask;
        }
    }
    match (names.is_empty(), rest) {
        (false, 0) => names.join("|"),
        (true, 0) => "0".to_owned(),
        (true, rest) => format!("{rest:#x}"),
        (false, rest) => format!("{}|{rest:#x}", names.join("|")),
    }
}

/// The result as `evt.res` shows it: `SUCCESS` or the error's name; `None` for events without a result.
pub fn result_text(event: &Event) -> Option<String> {
    if event.flags.has(EventFlags::NO_RESULT) {
        return None;
    }
    Some(match event.errno() {
        Some(number) => errno_name(number),
        None => "SUCCESS".to_owned(),
    })
}

fn errno_name(number: u32) -> String {
    errno::name(number).map_or_else(|| format!("E{number}"), str::to_owned)
}

/// Whether calls of a type may return a new descriptor.
pub fn gives_fd(ty: &TypeDesc) -> bool {
    ty.is_syscall && syscalls::by_name(&ty.name).is_some_and(|row| row.returns_fd)
}

/// Whether the event gave its process a new descriptor: its result is that descriptor.
pub fn new_fd(ty: &TypeDesc, event: &Event) -> bool {
    gives_fd(ty) && !event.flags.has(EventFlags::NO_RESULT) && event.result >= 0
}

/// All of an event on one line, as `evt.args` shows it: `res=18 fd=3(<f>/etc/passwd) buf=root:x:0:0… count=4096`. The
/// result comes first; where it is a descriptor it is called `fd`. What was cut, or is too long for a line, ends in
/// `…(+N)`, N being the bytes not shown. Arguments that were not captured are left out.
pub fn args_text(ctx: &Ctx<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    let Some(ty) = ctx.ty() else { return line };
    if ty.is(TypeDesc::SCAP) {
        return scap::args_text(ctx);
    }
    let event = ctx.event;
    let returned_fd = new_fd(ty, event);
    let mut behind = ctx.file();
    if !event.flags.has(EventFlags::NO_RESULT) && ty.is_syscall {
        let name = if returned_fd && ty.arg_index("fd").is_none() {
            "fd"
        } else {
            "res"
        };
        line.extend_from_slice(format!("{name}={}", event.result).as_bytes());
        match event.errno() {
            Some(number) => line.extend_from_slice(format!("({})", errno_name(number)).as_bytes()),
            None if returned_fd => append_file(&mut line, behind.take()),
            None => {}
        }
    }
    for (at, (arg, value)) in ty.args.iter().zip(&event.args).enumerate() {
        let Some(text) = arg_text(ctx, at) else {
            continue;
        };
        let kind = held(ctx, at).and_then(|(holds, _)| holds.kind());
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(arg.name.as_bytes());
        line.push(b'=');
        append_cut(&mut line, &text, kind, value);
        if arg.kind() == Some(ArgKind::Fd) {
            append_file(&mut line, behind.take());
        }
    }
    line
}

/// `(<4t>10.0.0.2:1234->10.0.0.1:80)`: the letter of `fd.typechar`, for sockets that of the protocol, and the name.
fn append_file(line: &mut Vec<u8>, file: Option<&File>) {
    let Some(file) = file else { return };
    line.extend_from_slice(b"(<");
    line.extend_from_slice(file.kind.letter().encode_utf8(&mut [0; 4]).as_bytes());
    line.extend(
        file.flow
            .and_then(|flow| flow.protocol.name())
            .and_then(|name| name.bytes().next()),
    );
    line.push(b'>');
    line.extend_from_slice(&file.name());
    line.push(b')');
}

fn append_cut(line: &mut Vec<u8>, text: &[u8], kind: Option<ArgKind>, value: &Value) {
    let bound = match kind {
        Some(ArgKind::MsgVecIn | ArgKind::MsgVecOut) => LINE_TEXT_BYTES,
        Some(ArgKind::StructIn) if text.first() != Some(&b'{') => LINE_PAYLOAD_BYTES,
        Some(kind) if kind.is_payload() => LINE_PAYLOAD_BYTES,
        _ => LINE_TEXT_BYTES,
    };
    let shown = text.get(..bound).unwrap_or(text);
    let lost = match value {
        Value::Bytes(Blob { bytes, full_len }) => full_len.saturating_sub(bytes.len() as u64),
        _ => 0,
    };
    let hidden = lost.saturating_add((text.len() - shown.len()) as u64);
    line.extend_from_slice(shown);
    if hidden > 0 {
        line.extend_from_slice(format!("…(+{hidden})").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{File, FileId, FileKind, Flow, ProcId, Protocol, Role, Tables};
    use crate::event::TypeId;
    use crate::manifest::Manifest;
    use crate::schema::current_type;
    use crate::time::BootNs;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn arg(kind: ArgKind, set: &str) -> ArgDesc {
        ArgDesc {
            name: "x".to_owned(),
            kind: kind as u8,
            set: set.to_owned(),
            by: String::new(),
        }
    }

    fn shown(kind: ArgKind, set: &str, n: i64) -> String {
        let (holds, value) = (arg(kind, set), Value::Num(n));
        let text = held_text(Schema::current(), &holds, &value, Abi::x86_64).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn event(name: &str, result: i64, args: Vec<Value>) -> Event {
        Event {
            time: BootNs(0),
            cpu: 0,
            seq: 0,
            ty: current_type(name).unwrap(),
            abi: Abi::x86_64,
            flags: EventFlags::default(),
            tid: 1,
            proc: ProcId(0),
            file: None,
            result,
            latency_ns: 0,
            args: args.into(),
        }
    }

    fn line(event: &Event, tables: &Tables) -> String {
        let manifest = Manifest::default();
        let ctx = Ctx {
            manifest: &manifest,
            schema: Schema::current(),
            tables,
            event,
            num: 1,
            first_ns: 0,
            previous_ns: 0,
        };
        String::from_utf8(args_text(&ctx)).unwrap()
    }

    fn text(bytes: &str) -> Value {
        Value::Bytes(Blob::whole(bytes))
    }

    #[test]
    fn each_kind_of_number_is_shown_as_its_trade_writes_it() {
        assert_eq!(
            shown(ArgKind::Flags, "open", 0o2000101),
            "O_WRONLY|O_CREAT|O_CLOEXEC"
        );
        assert_eq!(
            shown(ArgKind::Flags, "open", 1 << 40),
            "O_RDONLY|0x10000000000"
        );
        assert_eq!(shown(ArgKind::Flags, "rename", 0), "0");
        assert_eq!(
            shown(ArgKind::Flags, "socket_type", 0o2000002),
            "SOCK_DGRAM|SOCK_CLOEXEC"
        );
        assert_eq!(
            shown(ArgKind::Flags, "clone", 0x0100_0011),
            "CLONE_CHILD_SETTID|SIGCHLD"
        );
        assert_eq!(shown(ArgKind::Enum, "whence", 2), "SEEK_END");
        assert_eq!(shown(ArgKind::Enum, "whence", 77), "0x4d");
        assert_eq!(shown(ArgKind::Mode, "", 0o644), "0644");
        assert_eq!(shown(ArgKind::Mode, "", 0), "0");
        assert_eq!(shown(ArgKind::Signal, "", 9), "SIGKILL");
        assert_eq!(shown(ArgKind::Uid, "", 0xffff_ffff), "-1");
        assert_eq!(shown(ArgKind::Uid, "", 4_000_000_000), "4000000000");
        assert_eq!(shown(ArgKind::Dev, "", 0x0103), "1:3");
        assert_eq!(shown(ArgKind::Dev, "", 0x1050_0801), "8:66817");
        assert_eq!(shown(ArgKind::Ptr, "", 0), "NULL");
        assert_eq!(shown(ArgKind::Size, "", -1), "18446744073709551615");
        assert_eq!(shown(ArgKind::Offset, "", -1), "-1");
    }

    #[test]
    fn an_int_is_read_from_the_lower_half_of_its_register() {
        assert_eq!(shown(ArgKind::DirFd, "", 0xffff_ff9c), "AT_FDCWD");
        assert_eq!(shown(ArgKind::DirFd, "", -100), "AT_FDCWD");
        assert_eq!(shown(ArgKind::Fd, "", 0x7f00_0000_0003), "3");
        assert_eq!(
            shown(ArgKind::Enum, "key_spec", -3),
            "KEY_SPEC_SESSION_KEYRING"
        );
    }

    #[test]
    fn durations_are_exact_in_the_largest_unit_that_fits() {
        assert_eq!(
            [
                0,
                1,
                1_500,
                20_000_000,
                1_500_000_000,
                90_000_000_001,
                -2_000
            ]
            .map(duration_text),
            [
                "0s",
                "1ns",
                "1.5us",
                "20ms",
                "1.5s",
                "90.000000001s",
                "-2us"
            ]
        );
        assert_eq!(duration_text(i64::MIN), "-9223372036.854775808s");
    }

    #[test]
    fn socket_addresses_of_every_known_family_are_named() {
        let say = |bytes: &[u8]| String::from_utf8_lossy(&sockaddr_text(bytes)).into_owned();
        assert_eq!(
            say(&[2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            "127.0.0.1:80"
        );
        let mut v6 = vec![10, 0, 1, 187, 0, 0, 0, 0];
        v6.extend([0; 15]);
        v6.extend([1, 0, 0, 0, 0]);
        assert_eq!(say(&v6), "::1:443");
        assert_eq!(say(b"\x01\0/run/docker.sock\0junk"), "/run/docker.sock");
        assert_eq!(say(b"\x01\0\0bus"), "@bus");
        assert_eq!(say(b"\x01\0"), "");
        assert_eq!(say(&[16, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0]), "netlink:7:0x1");
        assert_eq!(
            say(&[40, 0, 0, 0, 0, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]),
            "vsock:2:1024"
        );
        assert_eq!(say(&[0, 0]), "AF_UNSPEC:");
        assert_eq!(say(&[2, 0, 0]), "AF_INET:00");
        assert_eq!(say(&[99, 0, 1]), "AF_99:01");
        assert_eq!(say(&[1]), "01");
    }

    #[test]
    fn lists_pairs_and_vectors_are_readable() {
        let say = |kind, bytes: &[u8]| {
            String::from_utf8(
                held_text(
                    Schema::current(),
                    &arg(kind, ""),
                    &Value::Bytes(Blob::whole(bytes)),
                    Abi::x86_64,
                )
                .unwrap(),
            )
            .unwrap()
        };
        assert_eq!(
            say(ArgKind::FdPair, &[3, 0, 0, 0, 255, 255, 255, 255]),
            "[3, -1]"
        );
        assert_eq!(say(ArgKind::FdPair, &[3, 0]), "0300");
        assert_eq!(say(ArgKind::Argv, b"sh\0-c\0id\0"), "sh -c id");
    }

    #[test]
    fn the_line_names_the_file_behind_a_returned_descriptor_and_behind_the_first_one_given() {
        let mut tables = Tables::default();
        tables.files.insert(
            FileId(1),
            Arc::new(File {
                id: FileId(1),
                kind: FileKind::File,
                path: b"/etc/passwd".to_vec(),
                ..File::default()
            }),
        );
        let flow = Flow {
            protocol: Protocol(6),
            local: "10.0.0.2:40000".parse().unwrap(),
            remote: "10.0.0.1:80".parse().unwrap(),
            role: Role::Client,
        };
        tables.files.insert(
            FileId(2),
            Arc::new(File {
                id: FileId(2),
                kind: FileKind::Ipv4,
                flow: Some(flow),
                ..File::default()
            }),
        );

        let mut open = event(
            "openat",
            3,
            vec![
                Value::Num(-100),
                text("/etc/passwd"),
                Value::Num(0o2000000),
                Value::Num(0),
            ],
        );
        open.file = Some(FileId(1));
        assert_eq!(
            line(&open, &tables),
            "fd=3(<f>/etc/passwd) dirfd=AT_FDCWD path=/etc/passwd flags=O_RDONLY|O_CLOEXEC mode=0"
        );
        open.result = -2;
        open.file = None;
        assert_eq!(
            line(&open, &tables),
            "res=-2(ENOENT) dirfd=AT_FDCWD path=/etc/passwd flags=O_RDONLY|O_CLOEXEC mode=0"
        );

        let mut write = event(
            "write",
            5,
            vec![Value::Num(4), text("GET /"), Value::Num(5)],
        );
        write.file = Some(FileId(2));
        assert_eq!(
            line(&write, &tables),
            "res=5 fd=4(<4t>10.0.0.2:40000->10.0.0.1:80) buf=GET / count=5"
        );
    }

    #[test]
    fn the_line_says_how_much_it_does_not_show() {
        let cut = Value::Bytes(Blob {
            bytes: b"abc".to_vec(),
            full_len: 10,
        });
        assert_eq!(
            line(
                &event("read", 10, vec![Value::Num(0), cut, Value::Num(10)]),
                &Tables::default()
            ),
            "res=10 fd=0 buf=abc…(+7) count=10"
        );
        let long = Value::Bytes(Blob {
            bytes: vec![b'x'; 100],
            full_len: 200,
        });
        let shown = line(
            &event("read", 200, vec![Value::Num(0), long, Value::Absent]),
            &Tables::default(),
        );
        assert_eq!(shown, format!("res=200 fd=0 buf={}…(+120)", "x".repeat(80)));
    }

    #[test]
    fn events_without_a_result_show_none() {
        let mut exit = event("exit_group", 0, vec![Value::Num(3)]);
        exit.flags.set(EventFlags::NO_RESULT);
        assert_eq!(result_text(&exit), None);
        assert_eq!(line(&exit, &Tables::default()), "status=3");
        assert_eq!(
            result_text(&event("read", -11, vec![])).as_deref(),
            Some("EAGAIN")
        );
        assert_eq!(
            result_text(&event("read", -4000, vec![])).as_deref(),
            Some("E4000")
        );
        assert_eq!(
            result_text(&event("mmap", -5000, vec![])).as_deref(),
            Some("SUCCESS")
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Absent),
            any::<i64>().prop_map(Value::Num),
            (proptest::collection::vec(any::<u8>(), 0..200), any::<u64>())
                .prop_map(|(bytes, full_len)| Value::Bytes(Blob { bytes, full_len })),
        ]
    }

    proptest! {
        #[test]
        fn any_value_of_any_kind_in_any_type_renders(ty in any::<u16>(), result in any::<i64>(), flags in any::<u16>(),
                                                     args in proptest::collection::vec(values(), 0..9)) {
            let types = Schema::current().types.len() as u16;
            let mut event = event("read", result, args);
            event.ty = TypeId(ty % (types + 2));
            event.flags = EventFlags(flags);
            let manifest = Manifest::default();
            let tables = Tables::default();
            let ctx = Ctx { manifest: &manifest, schema: Schema::current(), tables: &tables, event: &event, num: 1, first_ns: 0, previous_ns: 0 };
            let _ = args_text(&ctx);
            prop_assert_eq!(result_text(&event).is_none(), event.flags.has(EventFlags::NO_RESULT));
        }

        #[test]
        fn any_bytes_render_for_every_kind(bytes in proptest::collection::vec(any::<u8>(), 0..64), n in any::<i64>()) {
            for (kind, ..) in ArgKind::ALL {
                for value in [Value::Num(n), Value::Bytes(Blob::whole(bytes.clone()))] {
                    for abi in [Abi::x86_64, Abi::i386] {
                        for set in ["open", "stat", "unnamed", "futex_requeue"] {
                            prop_assert!(held_text(Schema::current(), &arg(*kind, set), &value, abi).is_some());
                        }
                    }
                }
            }
        }
    }
}
