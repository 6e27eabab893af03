//! Getters of `evt.*` and `fs.path.*`: the event itself, its arguments, result, times and the paths it is about.

mod arguments;
mod opens;
mod paths;
mod results;
mod times;

pub use self::arguments::{arg, arg_looks, raw_arg};
pub use self::opens::{is_open_create, is_open_exec, is_open_read, is_open_write, open_looks};
pub use self::paths::{
    abspath, acted_path, acted_raw_path, acted_raw_side, acted_side, claimed_address, path_looks,
    raw_path,
};
pub use self::results::{
    Direction, buffer, buffer_looks, bytes, cause, direction, failed, is_io_read, moved, payloads,
    res, res_meaning,
};
pub use self::times::{
    SECOND, date_and_second, distance, human, latency, local, quantized, second_of_day,
    wait_latency, waits, wall_ns,
};

use super::{Ctx, FieldValue};
use crate::args::Class;
use crate::entity::{File, FileKind};
use crate::event::{EventFlags, TypeId};
use crate::schema::TypeDesc;
use crate::syscalls;

/// The event's type, where it is one of scap's: then what is known of it is in its marks.
fn scap<'a>(c: &Ctx<'a>) -> Option<&'a TypeDesc> {
    c.ty().filter(|ty| ty.is(TypeDesc::SCAP))
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

/// What calls of a name are about; those that read and write go through anything. Another recorder may not know what a call is
/// about that is younger than it is.
pub fn named_class(ty: &TypeDesc) -> Class {
    let moves = |calls: &[&str]| calls.binary_search(&ty.name.as_str()).is_ok();
    if ty.is_syscall && (moves(results::READS) || moves(results::WRITES)) {
        return Class::Io;
    }
    let known = syscalls::by_name(&ty.name).map(|row| row.class);
    match (ty.class(), known) {
        (Class::Io | Class::Unknown | Class::Other, Some(known)) => known,
        (class, _) => class,
    }
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

#[cfg(test)]
mod tests {
    use super::opens::OPENS;
    use super::results::{COUNT_MESSAGES, READS, WRITES};
    use super::times::WAITS;

    #[test]
    fn the_lists_of_calls_are_sorted_and_name_rows() {
        for list in [READS, WRITES, OPENS, COUNT_MESSAGES, WAITS] {
            assert!(list.is_sorted());
            for name in list {
                assert!(crate::syscalls::by_name(name).is_some(), "{name}");
            }
        }
    }
}
