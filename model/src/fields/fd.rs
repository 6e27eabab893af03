//! Getters of `fd.*`: the file or socket behind the descriptor an event is about.

use super::evt::is_socket;
use super::{Ctx, FieldValue};
use crate::args::ArgKind;
use crate::entity::{File, FileKind, Flow, Role};
use crate::errno;
use crate::event::Value;
use crate::render;
use crate::services;
use std::net::SocketAddr;

/// The descriptor: a new one that the call returned, else the first it was given.
pub fn num(c: &Ctx<'_>) -> Option<i64> {
    let ty = c.ty()?;
    if render::new_fd(ty, c.event) {
        return Some(c.event.result);
    }
    ty.args
        .iter()
        .zip(&c.event.args)
        .find_map(|(arg, value)| match (arg.kind(), value) {
            (Some(ArgKind::Fd), Value::Num(n)) => Some(render::number(Some(ArgKind::Fd), *n)),
            _ => None,
        })
}

/// The full name; `None` for what has none.
pub fn name(file: &File) -> Option<Vec<u8>> {
    Some(file.name()).filter(|name| !name.is_empty())
}

/// The path of something that lies in a directory.
fn path(file: &File) -> Option<&[u8]> {
    let in_a_directory = matches!(
        file.kind,
        FileKind::File
            | FileKind::Directory
            | FileKind::Char
            | FileKind::Block
            | FileKind::Symlink
            | FileKind::Pipe
            | FileKind::Unix
    );
    Some(file.path.as_slice()).filter(|path| in_a_directory && path.starts_with(b"/"))
}

/// The directory that contains it.
pub fn directory(file: &File) -> Option<&[u8]> {
    let path = path(file)?;
    match path.iter().rposition(|b| *b == b'/')? {
        0 => Some(b"/"),
        at => path.get(..at),
    }
}

/// The last part of its path.
pub fn filename(file: &File) -> Option<&[u8]> {
    let path = path(file)?;
    path.get(path.iter().rposition(|b| *b == b'/')? + 1..)
}

/// `ip` or `unix`.
pub fn sock_family(file: &File) -> Option<&'static str> {
    match file.kind {
        FileKind::Ipv4 | FileKind::Ipv6 => Some("ip"),
        FileKind::Unix => Some("unix"),
        _ => None,
    }
}

/// One end of a socket.
#[derive(Clone, Copy)]
pub enum End {
    /// The end that connected.
    Client,
    /// The end that accepted, or listens.
    Server,
    /// The recorded process's end.
    Local,
    /// The other end.
    Remote,
}

/// The address of an end, where it is known which that is.
pub fn end(c: &Ctx<'_>, end: End) -> Option<SocketAddr> {
    let flow = c.file()?.flow?;
    let remote = Some(flow.remote).filter(|_| flow.is_connected());
    match (end, flow.role) {
        (End::Local, _) | (End::Client, Role::Client) | (End::Server, Role::Server) => {
            Some(flow.local)
        }
        (End::Remote, _) | (End::Client, Role::Server) | (End::Server, Role::Client) => remote,
        (End::Client | End::Server, Role::Unknown) => None,
    }
}

/// Both ends, of which any may match.
pub fn ends<'a>(c: &Ctx<'a>, value: fn(SocketAddr) -> FieldValue<'a>) -> Option<FieldValue<'a>> {
    let all = [End::Local, End::Remote]
        .into_iter()
        .filter_map(|which| end(c, which))
        .map(value)
        .collect::<Vec<_>>();
    if all.is_empty() {
        None
    } else {
        Some(FieldValue::Any(all))
    }
}

/// An address as a value.
pub fn ip(address: SocketAddr) -> FieldValue<'static> {
    FieldValue::Ip(address.ip())
}

/// A port as a value.
pub fn port(address: SocketAddr) -> FieldValue<'static> {
    FieldValue::Uint(u64::from(address.port()))
}

/// A port by its service's name, else by number.
pub fn service(address: SocketAddr) -> FieldValue<'static> {
    match services::name(address.port()) {
        Some(name) => FieldValue::str(name),
        None => FieldValue::owned(address.port().to_string()),
    }
}

/// Types of the descriptors the event is about, or of the one with this number.
pub fn types<'a>(c: &Ctx<'a>, number: Option<&str>) -> Option<FieldValue<'a>> {
    let file = match number {
        None => c.file()?,
        Some(number) => {
            let wanted: i64 = number.parse().ok()?;
            let listed = u32::try_from(wanted)
                .ok()
                .and_then(|fd| c.tables.descriptors.get(&(c.event.proc, fd)));
            match listed {
                Some(file) => c.tables.file(*file)?,
                None => c.file().filter(|_| num(c) == Some(wanted))?,
            }
        }
    };
    Some(FieldValue::Any(vec![FieldValue::str(file.kind.name())]))
}

/// Numbers of the descriptors in the array of poll and ppoll (`struct pollfd`: number, events asked for and found).
pub fn polled(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    if !matches!(c.ty()?.name.as_str(), "poll" | "ppoll") {
        return None;
    }
    let Value::Bytes(array) = c.event.args.first()? else {
        return None;
    };
    let numbers: Vec<_> = array
        .bytes
        .chunks_exact(8)
        .filter_map(|row| row.first_chunk())
        .map(|fd| i32::from_le_bytes(*fd).to_string())
        .collect();
    (!numbers.is_empty()).then(|| FieldValue::owned(numbers.join(" ")))
}

/// Whether an inet socket has a peer.
pub fn connected(file: &File) -> Option<bool> {
    file.flow.as_ref().map(Flow::is_connected)
}

/// Whether the recorded process is the server, where that is known.
pub fn is_server(file: &File) -> Option<bool> {
    match file.flow?.role {
        Role::Unknown => None,
        role => Some(role == Role::Server),
    }
}

/// Whether the call gave its socket an address or a peer.
pub fn name_changed(c: &Ctx<'_>) -> Option<bool> {
    let in_progress = c.event.errno().and_then(errno::name) == Some("EINPROGRESS");
    let done = c.event.errno().is_none() || in_progress;
    let file = c.file()?;
    let given = match c.ty()?.name.as_str() {
        "connect" | "bind" => true,
        // A datagram with an address of its own changes what an unconnected socket talks to.
        "sendto" | "sendmsg" => {
            file.flow.is_some_and(|flow| !flow.is_connected()) && address_given(c)
        }
        _ => false,
    };
    Some(done && given && is_socket(file))
}

fn address_given(c: &Ctx<'_>) -> bool {
    let Some(ty) = c.ty() else { return false };
    ty.args.iter().zip(&c.event.args).any(|(arg, value)| {
        arg.kind() == Some(ArgKind::SockAddrIn) && matches!(value, Value::Bytes(_))
    })
}

/// Major and minor number of a kernel `dev_t`.
pub fn major_minor(dev: u64) -> (u64, u64) {
    (dev >> 20, dev & 0xf_ffff)
}

/// The device number as `stat` shows it to user space (`new_encode_dev`).
pub fn user_dev(dev: u64) -> u64 {
    let (major, minor) = major_minor(dev);
    minor & 0xff | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12
}

/// Device and inode of what has them.
pub fn inode(file: &File) -> Option<u64> {
    Some(file.ino).filter(|ino| *ino != 0)
}

/// The container's short id (nothing on the host), a colon, and a name.
pub fn in_container(c: &Ctx<'_>, name: &[u8]) -> Option<FieldValue<'static>> {
    let id = c.container().map_or("", |container| container.short_id());
    c.proc()
        .map(|_| FieldValue::owned([id.as_bytes(), b":", name].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_at_its_last_slash() {
        let file = |path: &str| File {
            kind: FileKind::File,
            path: path.into(),
            ..File::default()
        };
        let parts = |path: &str| {
            let file = file(path);
            let text =
                |part: Option<&[u8]>| part.map(|part| String::from_utf8_lossy(part).into_owned());
            (text(directory(&file)), text(filename(&file)))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            parts("/etc/ssh/sshd_config"),
            (some("/etc/ssh"), some("sshd_config"))
        );
        assert_eq!(parts("/vmlinuz"), (some("/"), some("vmlinuz")));
        assert_eq!(parts("pipe:[7]"), (None, None));
        assert_eq!(parts(""), (None, None));
    }

    #[test]
    fn a_device_number_is_shown_as_stat_shows_it() {
        assert_eq!(major_minor(8 << 20 | 1), (8, 1));
        assert_eq!(user_dev(8 << 20 | 1), 0x801);
        assert_eq!(user_dev(259 << 20 | 0x1_2345), 0x1230_0345 | 259 << 8);
    }
}
