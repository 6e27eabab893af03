//! Getters of `evt.*` and `fs.path.*`: the event itself, its arguments, result, times and the paths it is about.

use super::{Ctx, FieldValue, Looks};
use crate::args::{ArgKind, Class};
use crate::entity::{File, FileKind, Process};
use crate::event::{EventFlags, TypeId, Value};
use crate::manifest::Manifest;
use crate::render;
use crate::schema::{ArgDesc, TypeDesc};
use crate::time::Civil;
use std::borrow::Cow;

/// How long the event's call took, if it waited.
pub fn latency(c: &Ctx<'_>) -> Option<u64> {
    if let Some(ty) = scap(c) {
        return Some(c.event.latency_ns).filter(|_| !ty.is(TypeDesc::INTERNAL));
    }
    Some(c.event.latency_ns).filter(|ns| *ns > 0)
}

/// How long a call took that waits.
pub fn wait_latency(c: &Ctx<'_>) -> Option<u64> {
    match scap(c) {
        Some(ty) => Some(c.event.latency_ns).filter(|_| ty.is(TypeDesc::WAITS | TypeDesc::EXIT)),
        None => latency(c),
    }
}

/// The event's type, where it is one of scap's: then what is known of it is in its marks.
fn scap<'a>(c: &Ctx<'a>) -> Option<&'a TypeDesc> {
    c.ty().filter(|ty| ty.is(TypeDesc::SCAP))
}

/// A duration with the unit that suits it, below ten of them with two decimals, as sysdig shows it.
pub fn human(ns: u64) -> String {
    let units = [(SECOND, "s"), (1_000_000, "ms"), (1_000, "us")];
    match units.iter().find(|(unit, _)| ns >= *unit) {
        Some((unit, name)) if ns >= unit * 10 => format!("{}{name}", ns / unit),
        Some((unit, name)) => format!("{}.{:02}{name}", ns / unit, ns % unit * 100 / unit),
        None => format!("{ns}ns"),
    }
}

/// Ten times the decimal logarithm of a duration in nanoseconds.
pub fn quantized(ns: u64) -> u64 {
    (10.0 * (ns.max(1) as f64).log10()) as u64
}

/// Seconds in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// Calls that move bytes from a descriptor to the caller; sorted.
const READS: &[&str] = &[
    "ia32_pread64",
    "pread64",
    "preadv",
    "preadv2",
    "read",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmmsg_time64",
    "recvmsg",
];

/// Calls that move bytes from the caller, or from another descriptor, to one; sorted.
const WRITES: &[&str] = &[
    "copy_file_range",
    "ia32_pwrite64",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "sendfile",
    "sendfile64",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "splice",
    "vmsplice",
    "write",
    "writev",
];

/// Calls that open a file by path or handle; sorted.
const OPENS: &[&str] = &["creat", "open", "open_by_handle_at", "openat", "openat2"];

/// Calls whose result is a count of messages, not of bytes; sorted.
const COUNT_MESSAGES: &[&str] = &["recvmmsg", "recvmmsg_time64", "sendmmsg"];

/// Calls that wait, as the peers mark them, with their later forms; sorted.
const WAITS: &[&str] = &[
    "clock_nanosleep",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "nanosleep",
    "poll",
    "ppoll",
    "pselect6",
    "select",
];

/// Which way a call moves payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the descriptor.
    In,
    /// To the descriptor.
    Out,
}

/// Which way the event moves payload; `None` for calls that move none.
pub fn direction(c: &Ctx<'_>) -> Option<Direction> {
    if let Some(ty) = scap(c) {
        return match (ty.is(TypeDesc::WRITES), ty.is(TypeDesc::READS)) {
            (true, _) => Some(Direction::Out),
            (_, true) => Some(Direction::In),
            _ => None,
        };
    }
    let name = c.ty().filter(|ty| ty.is_syscall)?.name.as_str();
    if READS.binary_search(&name).is_ok() {
        Some(Direction::In)
    } else if WRITES.binary_search(&name).is_ok() {
        Some(Direction::Out)
    } else {
        None
    }
}

/// Whether the call reads a descriptor; for sysdig, some read one and write another.
pub fn is_io_read(c: &Ctx<'_>) -> bool {
    match scap(c) {
        Some(ty) => ty.is(TypeDesc::READS),
        None => direction(c) == Some(Direction::In),
    }
}

/// The result as text: `SUCCESS`, the name of an error, or the number where sysdig takes it for none: a pid or an address.
pub fn res(c: &Ctx<'_>) -> Option<String> {
    let number = c.result().filter(|number| *number < 0);
    if let (Some(ty), Some(number)) = (scap(c), number) {
        let told = ty.args.iter().find(|arg| arg.name == "res");
        match told.and_then(ArgDesc::kind) {
            Some(ArgKind::Pid) => return Some(number.to_string()),
            Some(ArgKind::Hex) => return Some(format!("{number:X}")),
            _ => {}
        }
    }
    render::result_text(c.event)
}

/// Whether the call failed; of an entry in a capture of another program, that it did not.
pub fn failed(c: &Ctx<'_>) -> Option<bool> {
    match c.result() {
        Some(result) if scap(c).is_some() => Some(result < 0),
        Some(_) => Some(c.event.errno().is_some()),
        None => scap(c).map(|_| false),
    }
}

/// Bytes moved by a successful read or write.
pub fn moved_bytes(c: &Ctx<'_>) -> Option<u64> {
    direction(c)?;
    if COUNT_MESSAGES.binary_search(&c.ty()?.name.as_str()).is_ok() {
        return None;
    }
    c.result().and_then(|result| u64::try_from(result).ok())
}

/// Whether the call is one that waits.
pub fn waits(c: &Ctx<'_>) -> bool {
    if let Some(ty) = scap(c) {
        return ty.is(TypeDesc::WAITS);
    }
    c.ty()
        .is_some_and(|ty| ty.is_syscall && WAITS.binary_search(&ty.name.as_str()).is_ok())
}

/// How far the event is from an instant in ns since 1970.
pub fn distance(c: &Ctx<'_>, instant: &str) -> Option<u64> {
    Some(instant.parse::<i64>().ok()?.abs_diff(wall_ns(c)))
}

/// The name of what no thread did: what a runtime told, and samples.
pub fn async_type<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let name = c.ty().filter(|ty| !ty.is_syscall)?.name.as_str();
    let injected = ["async", "container"];
    (name.starts_with("container_") || injected.contains(&name)).then(|| FieldValue::str(name))
}

/// 1 for a sample of a thread, as another recorder takes them.
pub fn procinfo(c: &Ctx<'_>) -> Option<u64> {
    (c.ty()?.name == "procinfo").then_some(1)
}

/// Whether the event's file is a socket.
fn on_socket(c: &Ctx<'_>) -> bool {
    c.file().is_some_and(is_socket)
}

/// Whether a file is a socket of any family.
pub fn is_socket(file: &File) -> bool {
    matches!(
        file.kind,
        FileKind::Ipv4
            | FileKind::Ipv6
            | FileKind::Unix
            | FileKind::Netlink
            | FileKind::Packet
            | FileKind::Vsock
            | FileKind::Socket
    )
}

/// `evt.category`: the class of the call; of reads and writes, what they went through.
pub fn category(c: &Ctx<'_>) -> Option<Class> {
    let class = c.ty()?.class();
    if scap(c).is_some() {
        return Some(match (class, c.file().map(|file| file.kind)) {
            (Class::Io, Some(FileKind::File | FileKind::Directory)) => Class::File,
            (Class::Io, Some(FileKind::Ipv4 | FileKind::Ipv6)) => Class::Net,
            (
                Class::Io,
                Some(
                    FileKind::Pipe
                    | FileKind::Unix
                    | FileKind::Event
                    | FileKind::Signalfd
                    | FileKind::Inotify,
                ),
            ) => Class::IoIpc,
            (Class::Io, _) => Class::Unknown,
            (class, _) => class,
        });
    }
    if direction(c).is_none() {
        return Some(class);
    }
    Some(match c.file().map(|file| file.kind) {
        _ if on_socket(c) => Class::Net,
        Some(FileKind::Pipe | FileKind::Event) => Class::Ipc,
        Some(_) => Class::File,
        None => class,
    })
}

/// 1 when the call failed and `fits` its category.
pub fn error_count(c: &Ctx<'_>, fits: fn(Class) -> bool) -> Option<FieldValue<'static>> {
    if let Some(ty) = scap(c) {
        let failed = c.result().is_some_and(|result| result < 0);
        return (failed && fits(failed_class(c, ty))).then_some(FieldValue::Uint(1));
    }
    c.event.errno()?;
    category(c)
        .filter(|class| fits(*class))
        .map(|_| FieldValue::Uint(1))
}

/// What an error is counted as: by the descriptor, else by the call.
fn failed_class(c: &Ctx<'_>, ty: &TypeDesc) -> Class {
    match c.file().map(|file| file.kind) {
        Some(FileKind::File | FileKind::Directory) => Class::File,
        Some(FileKind::Ipv4 | FileKind::Ipv6 | FileKind::Unix) => Class::Net,
        None | Some(FileKind::Unseen) => match ty.name.as_str() {
            "open" | "openat" | "openat2" | "creat" => Class::File,
            "accept" | "accept4" | "connect" => Class::Net,
            _ if ty.class() == Class::Memory => Class::Memory,
            _ => Class::Other,
        },
        Some(_) if ty.class() == Class::Memory => Class::Memory,
        Some(_) => Class::Other,
    }
}

/// Bytes that an event of scap's moved: of anything that counts as I/O, as its result says.
fn moved_by(
    c: &Ctx<'_>,
    ty: &TypeDesc,
    way: Option<Direction>,
    socket: Option<bool>,
) -> Option<FieldValue<'static>> {
    let marks = match way {
        None => TypeDesc::IO | TypeDesc::EXIT,
        Some(Direction::In) => TypeDesc::INPUT | TypeDesc::EXIT,
        Some(Direction::Out) => TypeDesc::OUTPUT | TypeDesc::EXIT,
    };
    let kind = c.file().map(|file| file.kind)?;
    let fits = match socket {
        None => kind != FileKind::Unseen,
        Some(true) => kind.is_inet(),
        Some(false) => kind == FileKind::File,
    };
    if !ty.is(marks) || !fits {
        return None;
    }
    let moved = c.result().and_then(|result| u64::try_from(result).ok());
    moved.map(FieldValue::Uint)
}

/// Moved bytes of one direction (`None` for both) through files or through sockets (`None` for either).
pub fn moved(
    c: &Ctx<'_>,
    way: Option<Direction>,
    socket: Option<bool>,
) -> Option<FieldValue<'static>> {
    if let Some(ty) = scap(c) {
        return moved_by(c, ty, way, socket);
    }
    let here = direction(c)?;
    let fits = way.is_none_or(|way| way == here)
        && socket.is_none_or(|socket| {
            if socket {
                on_socket(c)
            } else {
                category(c) == Some(Class::File)
            }
        });
    if fits {
        moved_bytes(c).map(FieldValue::Uint)
    } else {
        None
    }
}

/// Bytes that a read or write moved through files or through sockets (`None` for either), and nothing else.
pub fn bytes(c: &Ctx<'_>, socket: Option<bool>) -> Option<FieldValue<'static>> {
    match scap(c) {
        Some(ty) => moved_by(c, ty, Some(Direction::In), socket)
            .or_else(|| moved_by(c, ty, Some(Direction::Out), socket)),
        None => moved(c, None, socket),
    }
}

/// The captured payload.
pub fn buffer<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    if scap(c).is_none() {
        direction(c)?;
    }
    c.ty()?
        .args
        .iter()
        .zip(&c.event.args)
        .find_map(|(arg, value)| match (arg.kind()?, value) {
            (kind, Value::Bytes(blob)) if kind.is_payload() => {
                Some(match render::payload(kind, &blob.bytes) {
                    Cow::Borrowed(bytes) => FieldValue::str(bytes),
                    Cow::Owned(bytes) => FieldValue::owned(bytes),
                })
            }
            _ => None,
        })
}

/// What `evt.arg` finds under a name or an index.
enum Found<'a> {
    /// An argument of the call, by its place.
    Arg(usize),
    /// A field of the structure an argument points at.
    Field(usize, String),
    /// The result.
    Result,
    /// The file's name.
    Tuple(&'a File),
}

/// Falco's names of arguments that are called otherwise here, with the kinds they stand for.
const PATH_NAMES: &[&str] = &["dev", "dir", "filename", "name", "path", "pathname"];

/// The argument that is called so, or has this number.
fn own_arg(ty: &TypeDesc, name: &str) -> Option<usize> {
    let number = name.parse().ok();
    number
        .filter(|at| *at < ty.shown_args().len())
        .or_else(|| ty.arg_index(name))
}

/// The argument that a name of Falco's stands for, where none is called so.
fn other_arg(ty: &TypeDesc, name: &str) -> Option<usize> {
    let by_kind = |fits: &dyn Fn(ArgKind) -> bool| {
        let mut args = ty.args.iter();
        args.position(|arg| arg.kind().is_some_and(fits))
    };
    match name {
        "fd" => by_kind(&|kind| kind == ArgKind::Fd),
        "data" => by_kind(&ArgKind::is_payload),
        "size" => by_kind(&|kind| kind == ArgKind::Size),
        "request" | "cmd" => ty.arg_index("op"),
        "dev" => ty.arg_index("source"),
        "dir" => ty.arg_index("target"),
        _ if PATH_NAMES.contains(&name) => by_kind(&|kind| kind == ArgKind::Path),
        _ => None,
    }
}

/// What `evt.arg`, with `raw` `evt.rawarg`, looks at of events of a type.
pub fn arg_looks(ty: &TypeDesc, name: &str, raw: bool) -> Looks {
    if ty.is(TypeDesc::SCAP) {
        return Looks::Beyond;
    }
    let own = own_arg(ty, name);
    let beyond = match name {
        "res" | "tuple" => true,
        "fd" => render::gives_fd(ty),
        "flags" => !raw && ty.name == "execve",
        name => name.contains('.'),
    };
    if own.is_none() && beyond {
        return Looks::Beyond;
    }
    let Some(at) = own.or_else(|| other_arg(ty, name)) else {
        return Looks::Nowhere;
    };
    match ty.args.get(at).and_then(|arg| arg.kind()) {
        // What it holds is decided by another argument.
        Some(ArgKind::Choice) if !raw => Looks::Beyond,
        Some(ArgKind::Path) => Looks::At { at, bytes: true },
        _ => Looks::At { at, bytes: false },
    }
}

fn find_arg<'a>(c: &Ctx<'a>, name: &str) -> Option<Found<'a>> {
    let ty = c.ty()?;
    if let Some(at) = own_arg(ty, name) {
        return Some(Found::Arg(at));
    }
    if ty.is(TypeDesc::SCAP) {
        return None;
    }
    match name {
        "res" if c.result().is_some() => Some(Found::Result),
        "fd" if render::new_fd(ty, c.event) => Some(Found::Result),
        "tuple" => c
            .file()
            .filter(|file| file.kind.is_inet() || file.kind == FileKind::Unix)
            .map(Found::Tuple),
        name => other_arg(ty, name).map(Found::Arg).or_else(|| {
            let (arg, field) = name.split_once('.')?;
            Some(Found::Field(ty.arg_index(arg)?, field.to_owned()))
        }),
    }
}

/// `evt.arg`: one argument as text.
pub fn arg<'a>(c: &Ctx<'a>, name: Option<&str>) -> Option<FieldValue<'a>> {
    let name = name?;
    // What Falco calls the flags of an exec is what is known of the executed file.
    let ty = c.ty()?;
    let by_row = name == "flags" && ty.name == "execve" && scap(c).is_none();
    if by_row && ty.arg_index(name).is_none() {
        return exe_flags(c).map(FieldValue::owned);
    }
    match find_arg(c, name)? {
        Found::Arg(at) => render::arg_text(c, at).map(FieldValue::owned),
        Found::Field(at, field) => render::arg_field_text(c, at, &field).map(FieldValue::owned),
        Found::Result => match c.event.errno() {
            Some(_) => render::result_text(c.event).map(FieldValue::owned),
            None => Some(FieldValue::owned(c.event.result.to_string())),
        },
        Found::Tuple(file) => Some(FieldValue::owned(file.name())),
    }
}

/// What is known of the file a process executes, in Falco's words: `EXE_UPPER_LAYER|EXE_FROM_MEMFD`, `0` for nothing.
fn exe_flags(c: &Ctx<'_>) -> Option<String> {
    let flags = c.known_proc()?.exe_flags;
    let names = [
        (Process::EXE_UPPER, "EXE_UPPER_LAYER"),
        (Process::EXE_MEMFD, "EXE_FROM_MEMFD"),
        (Process::EXE_LOWER, "EXE_LOWER_LAYER"),
    ];
    let set = names.into_iter().filter(|row| flags & row.0 == row.0);
    let text = set.map(|row| row.1).collect::<Vec<_>>().join("|");
    Some(if text.is_empty() {
        "0".to_owned()
    } else {
        text
    })
}

/// `evt.rawarg`: one argument as the number it was.
pub fn raw_arg<'a>(c: &Ctx<'a>, name: Option<&str>) -> Option<FieldValue<'a>> {
    let found = find_arg(c, name?)?;
    if let (Found::Arg(at), Some(ty)) = (&found, scap(c)) {
        // A number may have behind it what it stands for.
        let named = matches!(
            ty.args.get(*at)?.kind()?,
            ArgKind::Fd | ArgKind::Pid | ArgKind::Uid | ArgKind::Gid
        );
        return match c.event.args.get(*at)? {
            value if named => render::scap::number_of(value).map(FieldValue::Int),
            Value::Num(n) => Some(FieldValue::Int(*n)),
            Value::Absent | Value::Bytes(_) => None,
        };
    }
    match found {
        Found::Arg(at) => match c.event.args.get(at)? {
            Value::Num(n) => Some(FieldValue::Int(render::number(
                c.ty()?.args.get(at)?.kind(),
                *n,
            ))),
            Value::Bytes(blob) => Some(FieldValue::str(&blob.bytes)),
            Value::Absent => None,
        },
        Found::Result => Some(FieldValue::Int(c.event.result)),
        Found::Tuple(_) | Found::Field(..) => None,
    }
}

/// Flags and mode of an open call, from its arguments or from the first words of `struct open_how`.
fn opened(c: &Ctx<'_>) -> Option<(u64, u64)> {
    if let Some(ty) = scap(c) {
        return Some(opened_by(c, ty));
    }
    let name = c.ty().filter(|ty| ty.is_syscall)?.name.as_str();
    OPENS.binary_search(&name).ok()?;
    let number = |name: &str| match c.arg(name) {
        Some(Value::Num(n)) => Some(*n as u64),
        _ => None,
    };
    if name == "creat" {
        return Some((O_CREAT | O_WRONLY | O_TRUNC, number("mode").unwrap_or(0)));
    }
    if let Some(Value::Bytes(how)) = c.arg("how") {
        let word = |at: usize| {
            how.bytes
                .get(at..)
                .and_then(|tail| tail.first_chunk::<8>())
                .map(|word| u64::from_le_bytes(*word))
        };
        return Some((word(0)?, word(8).unwrap_or(0)));
    }
    Some((number("flags")?, number("mode").unwrap_or(0)))
}

// Flags of an open call as scap numbers them (driver/ppm_events_public.h, PPM_O_*).
const SCAP_READ: u64 = 1;
const SCAP_WRITE: u64 = 2;
const SCAP_CREAT: u64 = 4;
const SCAP_TMPFILE: u64 = 1 << 13;
const SCAP_CREATED: u64 = 1 << 14;

/// Flags and mode of an open call of scap's, in Linux's numbering; for all other events such that nothing is asked for.
fn opened_by(c: &Ctx<'_>, ty: &TypeDesc) -> (u64, u64) {
    let number = |name: &str| match c.arg(name) {
        Some(Value::Num(n)) => Some(*n as u64),
        _ => None,
    };
    let returned = ty.is(TypeDesc::EXIT);
    // The first kind of openat has its arguments in the entry, and only there.
    let returns = || c.schema.ty(TypeId(c.event.ty.0.checked_add(1)?));
    let entered = ty.name == "openat"
        && ty.is(TypeDesc::ENTRY)
        && returns().is_some_and(|ty| ty.arg_index("flags").is_none());
    let mode = number("mode").unwrap_or(0);
    let flags = match ty.name.as_str() {
        "open" | "openat2" if returned => number("flags"),
        "openat" if returned || entered => number("flags"),
        "creat" if returned => return (O_CREAT | O_PATH, mode),
        _ => None,
    };
    let Some(flags) = flags else {
        return (O_PATH, 0);
    };
    let access = match flags & (SCAP_READ | SCAP_WRITE) {
        0 => O_PATH,
        SCAP_READ => 0,
        SCAP_WRITE => O_WRONLY,
        _ => 2,
    };
    let bits = [
        (SCAP_CREAT, O_CREAT),
        (SCAP_TMPFILE, O_TMPFILE),
        (SCAP_CREATED, O_CREAT),
    ];
    let held = bits.iter().filter(|bit| flags & bit.0 != 0);
    (held.fold(access, |all, bit| all | bit.1), mode)
}

// The same on x86 and ARM: include/uapi/asm-generic/fcntl.h.
const O_WRONLY: u64 = 1;
const O_ACCMODE: u64 = 3;
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;
const O_PATH: u64 = 0o10000000;
/// The bit of its own; `O_TMPFILE` also sets `O_DIRECTORY`, whose value depends on the machine.
const O_TMPFILE: u64 = 0o20000000;

/// Whether an open call asks to read.
pub fn is_open_read(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let (flags, _) = opened(c)?;
    Some(FieldValue::Bool(
        flags & O_PATH == 0 && flags & O_ACCMODE != O_WRONLY,
    ))
}

/// Whether an open call asks to write.
pub fn is_open_write(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let (flags, _) = opened(c)?;
    Some(FieldValue::Bool(
        flags & O_PATH == 0 && flags & O_ACCMODE != 0,
    ))
}

/// Whether an open call asks to create the file when it is not there.
pub fn is_open_create(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let (flags, _) = opened(c)?;
    Some(FieldValue::Bool(flags & (O_CREAT | O_TMPFILE) != 0))
}

/// Whether an open call may create the file with an execute bit.
pub fn is_open_exec(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let (flags, mode) = opened(c)?;
    Some(FieldValue::Bool(
        (c.event.errno().is_none() || scap(c).is_some())
            && flags & (O_CREAT | O_TMPFILE) != 0
            && mode & 0o111 != 0,
    ))
}

/// The event's instant, ns since 1970.
pub fn wall_ns(c: &Ctx<'_>) -> i64 {
    c.manifest.wall_ns(c.event.time.0)
}

/// The event's instant on the recorded host's own clock face.
pub fn local(c: &Ctx<'_>) -> Civil {
    Civil::from_unix_ns(wall_ns(c).saturating_add(zone_ns(c.manifest)))
}

/// How far the host's clock face is ahead of UTC, from `+0200`; 0 when not known.
fn zone_ns(manifest: &Manifest) -> i64 {
    let zone = manifest.time_zone.as_str();
    let (sign, digits) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return 0,
    };
    let part = |range| {
        digits
            .get(range)
            .and_then(|text: &str| text.parse::<i64>().ok())
            .filter(|n| (0..60).contains(n))
    };
    match (digits.len(), part(0..2), part(2..4)) {
        (4, Some(hours), Some(minutes)) => sign * (hours * 3600 + minutes * 60) * SECOND as i64,
        _ => 0,
    }
}

/// `YYYY-MM-DD HH:MM:SS`.
pub fn date_and_second(civil: Civil) -> String {
    format!(
        "{:04}-{:02}-{:02} {}",
        civil.year,
        civil.month,
        civil.day,
        second_of_day(civil)
    )
}

/// `HH:MM:SS`.
pub fn second_of_day(civil: Civil) -> String {
    format!("{:02}:{:02}:{:02}", civil.hour, civil.minute, civil.second)
}

/// `>` for a call recorded as it was entered, else `<`.
pub fn dir(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    if let Some(ty) = scap(c) {
        return Some(FieldValue::str(if ty.is(TypeDesc::ENTRY) {
            ">"
        } else {
            "<"
        }));
    }
    let entered = c.ty()?.is_syscall && c.event.flags.has(EventFlags::NO_RESULT);
    Some(FieldValue::str(if entered { ">" } else { "<" }))
}

/// 1 for each call and each happening once: not for the entry to a call whose return is an event of its own.
pub fn call_count(c: &Ctx<'_>) -> Option<u64> {
    let Some(ty) = scap(c).filter(|ty| ty.is(TypeDesc::ENTRY)) else {
        return Some(1);
    };
    let next = c.event.ty.0.checked_add(1).map(TypeId);
    let twin = next.and_then(|next| c.schema.ty(next));
    let returns = twin.is_some_and(|twin| twin.is(TypeDesc::EXIT) && twin.name == ty.name);
    (!returns).then_some(1)
}

/// Bytes of the argument at this place.
fn bytes_at<'a>(c: &Ctx<'a>, at: usize) -> Option<&'a [u8]> {
    match c.event.args.get(at)? {
        Value::Bytes(blob) => Some(&blob.bytes),
        Value::Absent | Value::Num(_) => None,
    }
}

fn path_places(ty: &TypeDesc) -> impl Iterator<Item = usize> {
    ty.args
        .iter()
        .enumerate()
        .filter(|(_, arg)| arg.kind() == Some(ArgKind::Path))
        .map(|(at, _)| at)
}

/// Places of the source and the target path of a call that has both, as Falco tells them apart.
fn two_paths(ty: &TypeDesc) -> Option<(usize, usize)> {
    if !ty.is_syscall {
        return None;
    }
    if ty.name == "mount" {
        return Some((ty.arg_index("source")?, ty.arg_index("target")?));
    }
    let mut places = path_places(ty);
    let (first, second) = (places.next()?, places.next()?);
    // A link is the new name of what it points at: the new name is the source.
    let is_link = matches!(
        ty.name.as_str(),
        "link" | "linkat" | "symlink" | "symlinkat"
    );
    Some(if is_link {
        (second, first)
    } else {
        (first, second)
    })
}

/// The place of the path of a call that has one.
fn one_path(ty: &TypeDesc) -> Option<usize> {
    if two_paths(ty).is_some() {
        None
    } else {
        path_places(ty).next()
    }
}

/// The path the caller passed.
pub fn raw_path<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    bytes_at(c, one_path(c.ty()?)?).map(FieldValue::str)
}

/// The address the caller passed, where it is not the one that was reached.
pub fn claimed_address<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let mut args = c.ty()?.args.iter();
    let at = args.position(|arg| arg.kind() == Some(ArgKind::SockAddrIn))?;
    let claimed = bytes_at(c, at).filter(|_| c.event.flags.has(EventFlags::CLAIM_DIFFERS))?;
    Some(FieldValue::owned(render::sockaddr_text(claimed)))
}

/// The path a call that did not fail acted on, as the caller passed it.
pub fn acted_raw_path<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    if c.event.errno().is_some() {
        None
    } else {
        raw_path(c)
    }
}

/// The path a call that did not fail acted on: the kernel's own where it is known, else the caller's made absolute.
pub fn acted_path<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let ty = c.ty()?;
    let at = one_path(ty)?;
    if c.event.errno().is_some() {
        return None;
    }
    // Where a descriptor was given beside the path, the event's file is what that descriptor is.
    if scap(c).is_some() {
        return absolute(c, at).map(FieldValue::owned);
    }
    let given_fd = ty.args.iter().any(|arg| arg.kind() == Some(ArgKind::Fd));
    match c.file() {
        Some(file)
            if (!given_fd || render::new_fd(ty, c.event))
                && file.flow.is_none()
                && file.path.starts_with(b"/") =>
        {
            Some(FieldValue::str(&file.path))
        }
        _ => absolute(c, at).map(FieldValue::owned),
    }
}

/// One side of a call with two paths that did not fail, as passed.
pub fn acted_raw_side<'a>(c: &Ctx<'a>, source: bool) -> Option<FieldValue<'a>> {
    bytes_at(c, acted_side_place(c, source)?).map(FieldValue::str)
}

/// One side of a call with two paths that did not fail, made absolute.
pub fn acted_side<'a>(c: &Ctx<'a>, source: bool) -> Option<FieldValue<'a>> {
    absolute(c, acted_side_place(c, source)?).map(FieldValue::owned)
}

fn acted_side_place(c: &Ctx<'_>, source: bool) -> Option<usize> {
    let (from, to) = two_paths(c.ty()?)?;
    match c.event.errno() {
        Some(_) => None,
        None => Some(if source { from } else { to }),
    }
}

/// `evt.abspath`: the first path made absolute, or with `src` or `dst` the first or second of two.
pub fn abspath<'a>(c: &Ctx<'a>, which: Option<&str>) -> Option<FieldValue<'a>> {
    let ty = c.ty()?;
    // For sysdig, only a path that starts at a descriptor is made absolute, when the call returns or where the entry alone has it.
    if scap(c).is_some() {
        let starts = |ty: &TypeDesc| ty.args.iter().any(|arg| !arg.by.is_empty());
        let returns = || c.schema.ty(TypeId(c.event.ty.0.checked_add(1)?));
        if !starts(ty) || (ty.is(TypeDesc::ENTRY) && returns().is_none_or(starts)) {
            return None;
        }
    }
    // Old entries have paths that start at a descriptor and are texts for the peers.
    let starting = ty.args.iter().enumerate();
    let starting = starting.filter(|(_, arg)| !arg.by.is_empty());
    let mut places = path_places(ty).chain(
        starting
            .map(|(at, _)| at)
            .filter(|_| path_places(ty).next().is_none()),
    );
    let at = match which {
        None | Some("src") => places.next(),
        // For sysdig the only path is both.
        Some("dst") if scap(c).is_some() => {
            let first = places.next();
            places.next().or(first)
        }
        Some("dst") => places.nth(1),
        Some(_) => None,
    }?;
    absolute(c, at).map(FieldValue::owned)
}

/// An argument's path made absolute and normal, without regard to symbolic links. `None` when it is relative to a
/// directory that is not known.
fn absolute(c: &Ctx<'_>, at: usize) -> Option<Vec<u8>> {
    if scap(c).is_some() {
        return render::scap::absolute(c, at);
    }
    let path = bytes_at(c, at)?;
    if path.starts_with(b"/") {
        return Some(normal(path));
    }
    // The directory descriptor of a path, where it has one, is the argument before it.
    let before = at
        .checked_sub(1)
        .and_then(|at| Some((c.ty()?.args.get(at)?.kind()?, c.event.args.get(at)?)));
    match before {
        Some((ArgKind::DirFd, Value::Num(fd)))
            if render::number(Some(ArgKind::DirFd), *fd) != AT_FDCWD =>
        {
            return None;
        }
        _ => {}
    }
    let cwd = c
        .proc()
        .map(|proc| proc.cwd.as_slice())
        .filter(|cwd| cwd.starts_with(b"/"))?;
    Some(normal(&[cwd, b"/", path].concat()))
}

const AT_FDCWD: i64 = -100;

/// An absolute path without empty parts, `.` and `..`.
fn normal(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let mut normal = Vec::with_capacity(path.len());
    for part in &parts {
        normal.push(b'/');
        normal.extend_from_slice(part);
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lists_of_calls_are_sorted_and_name_rows() {
        for list in [READS, WRITES, OPENS, COUNT_MESSAGES, WAITS] {
            assert!(list.is_sorted());
            for name in list {
                assert!(crate::syscalls::by_name(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn paths_are_made_normal_without_leaving_the_root() {
        let say = |path: &str| String::from_utf8(normal(path.as_bytes())).unwrap();
        assert_eq!(say("/etc//./ssh/../passwd"), "/etc/passwd");
        assert_eq!(say("/../../x"), "/x");
        assert_eq!(say("/.."), "/");
    }

    #[test]
    fn a_time_zone_moves_the_clock_face_and_nonsense_does_not() {
        let zone = |text: &str| {
            zone_ns(&Manifest {
                time_zone: text.to_owned(),
                ..Manifest::default()
            }) / SECOND as i64
        };
        assert_eq!(zone("+0200"), 7200);
        assert_eq!(zone("-0330"), -12_600);
        for text in ["", "Z", "+", "+2", "+020x", "+99999", "-é000"] {
            assert_eq!(zone(text), 0, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_path_is_absolute_and_stays_as_it_is(path in proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), any::<u8>()], 0..40)) {
            let once = normal(&path);
            prop_assert!(once.starts_with(b"/"));
            prop_assert_eq!(normal(&once), once);
        }
    }
}
