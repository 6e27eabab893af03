//! What stands before the events: the machine, its interfaces, users, processes and their descriptors.
//!
//! Layouts only ever grew. From minor version 2 on every entry says how long it is; what is behind what is known is passed
//! over. A list that ends in the middle gives what was read before.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::bytes::{Cursor, until_nul};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// CPUs.
    pub cpus: u32,
    /// Host name.
    pub host: Vec<u8>,
    /// When it was started, ns since 1970; 0 when the writer did not know.
    pub boot_ns: u64,
    /// The capture was written by us.
    pub ours: bool,
}

/// What we write into the last word of a machine, which is reserved: sysdig takes no section with options.
pub const OURS: [u8; 8] = *b"afterimg";

/// Reads the machine.
pub fn machine(body: &[u8]) -> Option<Machine> {
    let mut cursor = Cursor::new(body);
    let cpus = cursor.u32()?;
    cursor.skip(16)?;
    let host = until_nul(cursor.take(128)?).to_vec();
    let boot_ns = cursor.u64().unwrap_or(0);
    let ours = cursor.skip(16).is_some() && cursor.rest() == OURS;
    Some(Machine {
        cpus,
        host,
        boot_ns,
        ours,
    })
}

/// A thread of the process list.
#[derive(Clone, Debug, Default)]
pub struct Listed<'b> {
    /// Thread id.
    pub tid: i64,
    /// Process id.
    pub pid: i64,
    /// Parent's id.
    pub ptid: i64,
    /// Session.
    pub sid: i64,
    /// Process group in its own namespace.
    pub vpgid: i64,
    /// Process group.
    pub pgid: i64,
    /// Name.
    pub comm: &'b [u8],
    /// First argument.
    pub exe: &'b [u8],
    /// Path of the program.
    pub exepath: &'b [u8],
    /// The other arguments, NUL behind each.
    pub args: &'b [u8],
    /// Working directory.
    pub cwd: &'b [u8],
    /// Most descriptors.
    pub fdlimit: i64,
    /// scap's flags of clone and its own.
    pub flags: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Memory, KiB: size, resident, swapped.
    pub memory: [u32; 3],
    /// Page faults: major, minor.
    pub faults: [u64; 2],
    /// Environment, NUL behind each.
    pub env: &'b [u8],
    /// Thread id in its own namespace.
    pub vtid: i64,
    /// Process id in its own namespace.
    pub vpid: i64,
    /// Control groups as `subsystem=path`, NUL behind each.
    pub cgroups: &'b [u8],
    /// Root directory.
    pub root: &'b [u8],
    /// Start of the first process of its pid namespace, ns since 1970.
    pub pidns_start: u64,
    /// Terminal.
    pub tty: u32,
    /// Login user.
    pub loginuid: u32,
    /// Whether its user could write the program.
    pub exe_writable: bool,
    /// Inheritable, permitted, effective capabilities.
    pub caps: [u64; 3],
    /// Layers and memory of the program: upper, memfd, lower.
    pub exe_marks: [bool; 3],
    /// Inode of the program, its ctime and mtime.
    pub exe_file: [u64; 3],
}

/// Reads the process list; each entry goes to `each`. False when it ends in the middle.
pub fn processes<'b>(body: &'b [u8], version: u8, mut each: impl FnMut(Listed<'b>)) -> bool {
    let mut cursor = Cursor::new(body);
    // Up to three bytes of padding.
    while cursor.len() > 3 {
        let entry = if version >= 9 {
            let Some(len) = cursor.u32().map(|len| len as usize) else {
                return false;
            };
            match len.checked_sub(4).and_then(|len| cursor.take(len)) {
                Some(bytes) => process(&mut Cursor::new(bytes), version),
                None => None,
            }
        } else {
            process(&mut cursor, version)
        };
        match entry {
            Some(entry) => each(entry),
            None => return false,
        }
    }
    true
}

fn process<'b>(cursor: &mut Cursor<'b>, version: u8) -> Option<Listed<'b>> {
    let mut entry = Listed {
        tid: cursor.i64()?,
        pid: cursor.i64()?,
        ptid: cursor.i64()?,
        sid: -1,
        vpgid: -1,
        pgid: -1,
        vtid: -1,
        vpid: -1,
        loginuid: u32::MAX,
        ..Listed::default()
    };
    if version >= 6 {
        entry.sid = cursor.i64()?;
    }
    if version >= 8 {
        entry.vpgid = cursor.i64()?;
    }
    entry.comm = cursor.text()?;
    entry.exe = cursor.text()?;
    if version >= 7 {
        entry.exepath = cursor.text()?;
    }
    entry.args = cursor.text()?;
    entry.cwd = cursor.text()?;
    entry.fdlimit = cursor.i64()?;
    entry.flags = cursor.u32()?;
    entry.uid = cursor.u32()?;
    entry.gid = cursor.u32()?;
    if version >= 2 {
        entry.memory = [cursor.u32()?, cursor.u32()?, cursor.u32()?];
        entry.faults = [cursor.u64()?, cursor.u64()?];
    }
    if version >= 3 {
        entry.env = cursor.text()?;
    }
    if version >= 4 {
        entry.vtid = cursor.i64()?;
        entry.vpid = cursor.i64()?;
        entry.cgroups = cursor.text()?;
    }
    if version >= 5 {
        entry.root = cursor.text()?;
    }
    if version >= 9 {
        // What follows is there as far as the writer knew it.
        let _ = process_tail(cursor, &mut entry);
    }
    Some(entry)
}

fn process_tail(cursor: &mut Cursor<'_>, entry: &mut Listed<'_>) -> Option<()> {
    // Two fields were once put in the middle; shorter tails come from before that.
    if cursor.len() > 29 {
        entry.pidns_start = cursor.u64()?;
        entry.tty = cursor.u32()?;
    }
    entry.loginuid = cursor.u32()?;
    entry.exe_writable = cursor.u8()? != 0;
    for caps in &mut entry.caps {
        *caps = cursor.u64()?;
    }
    let [upper, memfd, lower] = &mut entry.exe_marks;
    *upper = cursor.u8()? != 0;
    for number in &mut entry.exe_file {
        *number = cursor.u64()?;
    }
    *memfd = cursor.u8()? != 0;
    *lower = cursor.u8()? != 0;
    entry.pgid = cursor.i64()?;
    Some(())
}

/// One end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Addr {
    /// IPv4.
    V4(Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr),
}

/// What a descriptor of the list is.
#[derive(Clone, Debug)]
pub enum Behind<'b> {
    /// A connection: both ends.
    Pair(Addr, u16, Addr, u16, u8),
    /// A socket with one address.
    Bound(Addr, u16, u8),
    /// A unix socket: its path.
    Unix(&'b [u8]),
    /// A file: how it was opened, its path, its device.
    File(u32, &'b [u8], u32),
    /// Anything else: its name.
    Named(&'b [u8]),
}

/// A descriptor of the list.
#[derive(Clone, Debug)]
pub struct Open<'b> {
    /// Its number.
    pub fd: i64,
    /// Inode.
    pub ino: u64,
    /// scap's number for what it is.
    pub ty: u8,
    /// What is behind it.
    pub behind: Behind<'b>,
}

fn v4(cursor: &mut Cursor<'_>) -> Option<Addr> {
    cursor
        .take(4)?
        .first_chunk::<4>()
        .map(|ip| Addr::V4(Ipv4Addr::from(*ip)))
}

fn v6(cursor: &mut Cursor<'_>) -> Option<Addr> {
    cursor
        .take(16)?
        .first_chunk::<16>()
        .map(|ip| Addr::V6(Ipv6Addr::from(*ip)))
}

/// Reads a list of descriptors; each goes to `each`. Gives the thread they belong to, and whether the list was whole.
pub fn descriptors<'b>(
    body: &'b [u8],
    version: u8,
    mut each: impl FnMut(Open<'b>),
) -> (Option<i64>, bool) {
    let mut cursor = Cursor::new(body);
    let Some(tid) = cursor.i64() else {
        return (None, false);
    };
    while cursor.len() > 3 {
        let entry = if version >= 2 {
            let len = cursor.u32().unwrap_or(0) as usize;
            match len.checked_sub(4).and_then(|len| cursor.take(len)) {
                Some(bytes) => descriptor(&mut Cursor::new(bytes), true),
                None => return (Some(tid), false),
            }
        } else {
            match descriptor(&mut cursor, false) {
                Some(open) => Some(open),
                None => return (Some(tid), false),
            }
        };
        if let Some(open) = entry {
            each(open);
        }
    }
    (Some(tid), true)
}

fn descriptor<'b>(cursor: &mut Cursor<'b>, has_length: bool) -> Option<Open<'b>> {
    let fd = cursor.i64()?;
    let ino = cursor.u64()?;
    let ty = cursor.u8()?;
    let behind = match ty {
        3 => {
            let (a, b) = (v4(cursor)?, v4(cursor)?);
            Behind::Pair(a, cursor.u16()?, b, cursor.u16()?, cursor.u8()?)
        }
        4 => {
            let (a, b) = (v6(cursor)?, v6(cursor)?);
            Behind::Pair(a, cursor.u16()?, b, cursor.u16()?, cursor.u8()?)
        }
        5 => Behind::Bound(v4(cursor)?, cursor.u16()?, cursor.u8()?),
        6 => Behind::Bound(v6(cursor)?, cursor.u16()?, cursor.u8()?),
        8 => {
            // Addresses of both ends in the kernel.
            cursor.skip(16)?;
            Behind::Unix(cursor.text()?)
        }
        16 => {
            let flags = cursor.u32()?;
            let path = cursor.text()?;
            let dev = if has_length { cursor.u32() } else { None };
            Behind::File(flags, path, dev.unwrap_or(0))
        }
        0 => Behind::Named(b""),
        _ => Behind::Named(cursor.text()?),
    };
    Some(Open {
        fd,
        ino,
        ty,
        behind,
    })
}

/// An address of the machine, and the mask of its network.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// Address.
    pub addr: Addr,
    /// Mask; of IPv4 only.
    pub mask: u32,
}

/// Reads the list of interfaces.
pub fn interfaces(body: &[u8], version: u8) -> Vec<Interface> {
    let mut found = Vec::new();
    let mut cursor = Cursor::new(body);
    while cursor.len() > 3 {
        let entry = if version >= 2 {
            // Here the length does not count itself.
            let Some(bytes) = cursor.u32().and_then(|len| cursor.take(len as usize)) else {
                break;
            };
            interface(&mut Cursor::new(bytes))
        } else {
            match interface(&mut cursor) {
                Some(entry) => Some(entry),
                None => break,
            }
        };
        found.extend(entry);
    }
    found
}

fn interface(cursor: &mut Cursor<'_>) -> Option<Interface> {
    let kind = cursor.u16()?;
    let name = usize::from(cursor.u16()?);
    let entry = match kind {
        1 | 3 => {
            let addr = v4(cursor)?;
            let mask = cursor
                .take(4)?
                .first_chunk::<4>()
                .map(|mask| u32::from_be_bytes(*mask))?;
            cursor.skip(4)?;
            Interface { addr, mask }
        }
        2 | 4 => {
            let addr = v6(cursor)?;
            cursor.skip(32)?;
            Interface { addr, mask: 0 }
        }
        _ => return None,
    };
    if kind < 3 {
        cursor.skip(8)?;
    }
    cursor.skip(name)?;
    Some(entry)
}

/// An entry of the user list.
#[derive(Clone, Debug)]
pub enum Account<'b> {
    /// A user: id, name, home, shell.
    User(u32, &'b [u8], &'b [u8], &'b [u8]),
    /// A group: id, name.
    Group(u32, &'b [u8]),
}

/// Reads the list of users and groups; each goes to `each`. False when it ends in the middle.
pub fn accounts<'b>(body: &'b [u8], version: u8, mut each: impl FnMut(Account<'b>)) -> bool {
    let mut cursor = Cursor::new(body);
    while cursor.len() > 3 {
        let entry = if version >= 2 {
            let len = cursor.u32().unwrap_or(0) as usize;
            match len.checked_sub(4).and_then(|len| cursor.take(len)) {
                Some(bytes) => account(&mut Cursor::new(bytes)),
                None => return false,
            }
        } else {
            account(&mut cursor)
        };
        match entry {
            Some(entry) => each(entry),
            None if version >= 2 => {}
            None => return false,
        }
    }
    true
}

fn account<'b>(cursor: &mut Cursor<'b>) -> Option<Account<'b>> {
    match cursor.u8()? {
        0 => {
            let uid = cursor.u32()?;
            cursor.skip(4)?;
            Some(Account::User(
                uid,
                cursor.text()?,
                cursor.text()?,
                cursor.text()?,
            ))
        }
        1 => Some(Account::Group(cursor.u32()?, cursor.text()?)),
        _ => None,
    }
}

/// Texts of pcapng options: of those with code 1, comments.
pub fn comments(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut cursor = Cursor::new(bytes);
    while let (Some(code), Some(len)) = (cursor.u16(), cursor.u16()) {
        let Some(value) = cursor.take(usize::from(len)).filter(|_| code != 0) else {
            break;
        };
        let padding = usize::from(len).next_multiple_of(4) - usize::from(len);
        let _ = cursor.skip(padding);
        if code == 1 {
            found.push(value.to_vec());
        }
    }
    found
}
