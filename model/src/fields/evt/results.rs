//! What came of a call: its result, the way its payload went, and how many bytes it moved.

use super::{category, on_socket, scap};
use crate::args::{ArgKind, Class};
use crate::entity::FileKind;
use crate::errno;
use crate::event::Value;
use crate::fields::{Ctx, FieldValue, Looks};
use crate::render;
use crate::schema::{ArgDesc, TypeDesc};
use crate::signal;
use std::borrow::Cow;

/// Calls that move bytes from a descriptor to the caller; sorted.
pub(super) const READS: &[&str] = &[
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
pub(super) const WRITES: &[&str] = &[
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

/// Calls whose result is a count of messages, not of bytes; sorted.
pub(super) const COUNT_MESSAGES: &[&str] = &["recvmmsg", "recvmmsg_time64", "sendmmsg"];

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

/// What the error means that [`res`] names.
pub fn res_meaning(c: &Ctx<'_>) -> Option<&'static str> {
    let number = c.event.errno().filter(|_| c.result().is_some())?;
    res(c).filter(|text| Some(text.as_str()) == errno::name(number))?;
    errno::meaning(number)
}

/// What the code of a signal says of where it came from.
pub fn cause(c: &Ctx<'_>) -> Option<&'static str> {
    match c.arg("code")? {
        Value::Bytes(name) => signal::code_meaning(&name.bytes),
        Value::Absent | Value::Num(_) => None,
    }
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

/// The arguments of events of a type that are payload, by number.
pub fn payloads(ty: &TypeDesc) -> impl Iterator<Item = usize> {
    let is_payload = |arg: &ArgDesc| arg.kind().is_some_and(ArgKind::is_payload);
    let args = ty.args.iter().enumerate();
    args.filter(move |(_, arg)| is_payload(arg))
        .map(|(at, _)| at)
}

/// What the payload of a read or write looks at of events of a type.
pub fn buffer_looks(ty: &TypeDesc) -> Looks {
    let name = ty.name.as_str();
    let moves = ty.is_syscall
        && (READS.binary_search(&name).is_ok() || WRITES.binary_search(&name).is_ok());
    let mut payloads = payloads(ty).filter(|_| moves || ty.is(TypeDesc::SCAP));
    match (payloads.next(), payloads.next()) {
        (None, _) => Looks::Nowhere,
        (Some(at), None) => Looks::At { at, bytes: true },
        (Some(_), Some(_)) => Looks::Beyond,
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
