//! Numbers as text: flags by name, modes, devices, requests, durations.

use super::{errno_name, layout};
use crate::args::ArgKind;
use crate::event::errno_of;
use crate::schema::Schema;
use crate::signal;

/// `AT_FDCWD` of `include/uapi/linux/fcntl.h`.
const AT_FDCWD: i64 = -100;

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

/// Whether a byte may stand in what is shown of a number that has no name: digits in any base, signs, lengths of time and instants,
/// and what a pointer is called that leads nowhere.
pub fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || b"xX+-.:TZnumsNUL".contains(&byte)
}

/// The names that a number of this kind may be shown by; `None` where they are not all known. Else nothing is shown of it but
/// bytes of which [`is_of_number`] holds, with one of `|,=(){}[]"`, a blank or `…` around each name.
pub(super) fn words<'s>(
    schema: &'s Schema,
    kind: Option<ArgKind>,
    set: &str,
) -> Option<Vec<&'s str>> {
    use ArgKind::{
        BufIn, BufOut, Dev, DirFd, Enum, Fd, FileMode, Flags, Gid, Hex, Int, Mode, Offset, Path,
        Pid, Ptr, Size, SockAddrLen, Str, TimeSpec, Uid, Uint,
    };
    let of_set = || {
        let flags = schema.flag_set(set).map_or(&[][..], |set| &set.flags);
        flags.iter().map(|flag| &flag.name[..]).collect()
    };
    Some(match kind? {
        Flags | Enum | Int | Uint | Size => of_set(),
        FileMode => FILE_TYPES.iter().map(|(_, name)| *name).collect(),
        DirFd => vec!["AT_FDCWD"],
        BufIn | BufOut | Dev | Fd | Gid | Hex | Mode | Offset | Path | Pid | Ptr | SockAddrLen
        | Str | TimeSpec | Uid => Vec::new(),
        _ => return None,
    })
}

/// A number that [`number`] has narrowed to its type.
pub(super) fn number_text(schema: &Schema, kind: Option<ArgKind>, set: &str, seen: i64) -> String {
    match kind {
        Some(ArgKind::Flags | ArgKind::Enum) => flags_text(schema, set, seen as u64),
        Some(ArgKind::Ioctl) => ioctl_text(schema, set, seen as u32),
        Some(ArgKind::Mode) if seen == 0 => "0".to_owned(),
        Some(ArgKind::Mode) => format!("0{seen:o}"),
        Some(ArgKind::FileMode) => file_mode_text(seen as u32),
        Some(ArgKind::DirFd) if seen == AT_FDCWD => "AT_FDCWD".to_owned(),
        Some(ArgKind::Signal) => signal::name(seen),
        Some(ArgKind::Errno) => errno_of(seen).map_or_else(|| seen.to_string(), errno_name),
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
            | ArgKind::SockAddrLen,
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

/// Types of files in a mode (`include/uapi/linux/stat.h`).
const FILE_TYPES: [(u32, &str); 7] = [
    (0o010_000, "S_IFIFO"),
    (0o020_000, "S_IFCHR"),
    (0o040_000, "S_IFDIR"),
    (0o060_000, "S_IFBLK"),
    (0o100_000, "S_IFREG"),
    (0o120_000, "S_IFLNK"),
    (0o140_000, "S_IFSOCK"),
];

/// `S_IFREG|0644`: type and permissions.
fn file_mode_text(mode: u32) -> String {
    match FILE_TYPES
        .iter()
        .find(|(bits, _)| mode & 0o170_000 == *bits)
    {
        Some((_, kind)) => format!("{kind}|0{:o}", mode & 0o7777),
        None => format!("0{mode:o}"),
    }
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
