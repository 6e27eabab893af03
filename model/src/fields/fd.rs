//! Getters of `fd.*`: the file or socket behind the descriptor an event is about.

use super::evt::is_socket;
use super::{Ctx, FieldValue, Looks, told};
use crate::args::ArgKind;
use crate::entity::{File, FileKind, Flow, Role};
use crate::errno;
use crate::event::Value;
use crate::render;
use crate::schema::TypeDesc;
use crate::services;
use std::net::SocketAddr;

/// The descriptor: a new one that the call returned, else the first it was given.
pub fn num(c: &Ctx<'_>) -> Option<i64> {
    let ty = c.ty()?;
    if ty.is(TypeDesc::SCAP) {
        return told::kept(c, "fd.num");
    }
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

/// What `fd.num` looks at of events of a type.
pub fn num_looks(ty: &TypeDesc) -> Looks {
    if ty.is(TypeDesc::SCAP) {
        return Looks::Beyond;
    }
    let args = ty.args.iter().enumerate();
    let mut all = args.filter(|(_, arg)| arg.kind() == Some(ArgKind::Fd));
    match (render::gives_fd(ty), all.next(), all.next()) {
        (_, Some(_), Some(_)) => Looks::Beyond,
        (true, at, _) => Looks::ResultOr(at.map(|(at, _)| at)),
        (false, None, _) => Looks::Nowhere,
        (false, Some((at, _)), None) => Looks::At { at, bytes: false },
    }
}

/// The full name; `None` for what has none.
pub fn name(file: &File) -> Option<Vec<u8>> {
    if is_told(file) {
        return Some(file.path.clone()).filter(|_| file.marks & File::NAMED != 0);
    }
    Some(file.shown_name()).filter(|name| !name.is_empty())
}

/// Whether the file is what a capture of another program told.
fn is_told(file: &File) -> bool {
    file.marks & File::TOLD != 0
}

/// Type of what is known; none of a mere number.
pub fn type_name(file: &File) -> Option<&'static str> {
    Some(file.kind.name()).filter(|_| {
        file.kind != FileKind::Unseen && (file.kind != FileKind::Other || !is_told(file))
    })
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
    if is_told(file) {
        return told_directory(file);
    }
    let path = path(file)?;
    match path.iter().rposition(|b| *b == b'/')? {
        0 => Some(b"/"),
        at => path.get(..at),
    }
}

/// As the peers have it: a directory is its own, and what has no slash lies in the root.
fn told_directory(file: &File) -> Option<&[u8]> {
    let path = file.path.as_slice();
    match file.kind {
        FileKind::Directory => Some(path),
        FileKind::File | FileKind::Unseen if file.marks & File::NAMED != 0 => {
            match path.iter().rposition(|b| *b == b'/') {
                Some(at) if at > 0 && at + 1 == path.len() => Some(path),
                Some(at) if at > 0 => path.get(..at),
                _ => Some(b"/"),
            }
        }
        _ => None,
    }
}

/// The last part of its path.
pub fn filename(file: &File) -> Option<&[u8]> {
    if is_told(file) {
        let path = Some(file.path.as_slice()).filter(|_| file.kind == FileKind::File)?;
        return match path.iter().rposition(|b| *b == b'/') {
            Some(at) if at + 1 < path.len() => path.get(at + 1..),
            Some(_) => Some(path),
            None => Some(b"/"),
        };
    }
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
    let file = c.file()?;
    let flow = file.flow?;
    if is_told(file) && flow.role == Role::Unknown {
        return None;
    }
    let remote = Some(flow.remote).filter(|_| flow.is_connected());
    match (end, flow.role) {
        (End::Local, _) | (End::Client, Role::Client) | (End::Server, Role::Server) => {
            Some(flow.local)
        }
        (End::Remote, _) | (End::Client, Role::Server) | (End::Server, Role::Client) => remote,
        (End::Client | End::Server, Role::Unknown) => None,
    }
}

/// The protocol of a socket. Of whatever was told, sysdig says it in so many words when there is none.
pub fn protocol(file: &File) -> Option<&'static str> {
    let known = file.flow.and_then(|flow| flow.protocol.name());
    known.or_else(|| is_told(file).then_some("<NA>"))
}

/// Where a socket listens that was told of as one; sysdig says its port, and not that it is a server's.
pub fn listens(c: &Ctx<'_>) -> Option<SocketAddr> {
    let file = c.file().filter(|file| is_told(file))?;
    (matches!(file.letter(), '2' | '3')).then_some(file.flow?.local)
}

/// Both ends, of which any may match.
pub fn ends<'a>(c: &Ctx<'_>, value: fn(SocketAddr) -> FieldValue<'a>) -> Option<FieldValue<'a>> {
    let flow = c.file()?.flow?;
    let remote = Some(flow.remote).filter(|_| flow.is_connected() || is_pair(c.file()));
    let all = std::iter::once(flow.local)
        .chain(remote)
        .map(value)
        .collect::<Vec<_>>();
    if all.is_empty() {
        None
    } else {
        Some(FieldValue::Any(all))
    }
}

/// Whether a socket that was told has two ends, whatever they are.
fn is_pair(file: Option<&File>) -> bool {
    file.is_some_and(|file| is_told(file) && matches!(file.letter(), '4' | '6'))
}

/// An address as a value.
pub fn ip(address: SocketAddr) -> FieldValue<'static> {
    FieldValue::Ip(address.ip())
}

/// A port as a value.
pub fn port(address: SocketAddr) -> FieldValue<'static> {
    FieldValue::Uint(u64::from(address.port()))
}

/// The port of an end; none where the kernel has not given one yet.
pub fn port_of(c: &Ctx<'_>, which: End) -> Option<FieldValue<'static>> {
    with_port(c, which).map(port)
}

/// The service of the port of an end.
pub fn service_of(c: &Ctx<'_>, which: End) -> Option<FieldValue<'static>> {
    with_port(c, which).map(service_in(c))
}

fn with_port(c: &Ctx<'_>, which: End) -> Option<SocketAddr> {
    end(c, which).filter(|address| address.port() != 0 || !has_port_to_come(c))
}

/// The ports of both ends, of which any may match.
pub fn ports(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    match has_port_to_come(c) {
        true => Some(FieldValue::Any(vec![port(c.file()?.flow?.remote)])),
        false => ends(c, port),
    }
}

fn has_port_to_come(c: &Ctx<'_>) -> bool {
    let file = c.file().filter(|file| !is_told(file));
    file.and_then(|file| file.flow)
        .is_some_and(|flow| flow.has_port_to_come())
}

/// A port by its service's name, else by number.
fn service(address: SocketAddr) -> FieldValue<'static> {
    match services::name(address.port()) {
        Some(name) => FieldValue::str(name),
        None => FieldValue::owned(address.port().to_string()),
    }
}

/// A port as a capture tells it: by its service's name, or as sysdig shows it unless it is asked for names, by number.
fn service_in(c: &Ctx<'_>) -> fn(SocketAddr) -> FieldValue<'static> {
    match c.file().is_some_and(is_told) {
        true => |address| FieldValue::owned(address.port().to_string()),
        false => service,
    }
}

/// The letter of what is behind a descriptor; for sysdig, a listening socket has that of its family.
pub fn letter(file: &File) -> char {
    match (is_told(file), file.letter()) {
        (true, '2') => '4',
        (true, '3') => '6',
        (_, letter) => letter,
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

/// A mark of a file that another program told.
pub fn marked(c: &Ctx<'_>, mark: u32) -> Option<FieldValue<'static>> {
    let file = c
        .file()
        .filter(|file| is_told(file) && file.kind != FileKind::Unseen)?;
    Some(FieldValue::Bool(file.marks & mark != 0))
}

/// What is asked of the descriptors that poll waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// Numbers.
    Nums,
    /// Names.
    Names,
    /// Addresses of clients.
    Cips,
    /// Addresses of servers.
    Sips,
    /// Ports of clients.
    Cports,
    /// Ports of servers.
    Sports,
}

/// The descriptors that poll and ppoll wait for, in a capture of another program.
pub fn waited(c: &Ctx<'_>, what: Waited) -> Option<FieldValue<'static>> {
    let ty = c.ty()?;
    let at = ty
        .args
        .iter()
        .position(|arg| arg.kind() == Some(ArgKind::FdWaits))?;
    let Value::Bytes(blob) = c.event.args.get(at)? else {
        return None;
    };
    let part = |wait: &render::scap::Wait<'_>| -> Option<Vec<u8>> {
        // A connection is called by its ends: `10.0.0.1:5->10.0.0.2:80`.
        let ends = || {
            let name = String::from_utf8_lossy(wait.name).into_owned();
            let (client, server) = name.split_once("->")?;
            let (cip, cport) = client.rsplit_once(':')?;
            let (sip, sport) = server.rsplit_once(':')?;
            Some([cip, cport, sip, sport].map(|part| part.as_bytes().to_vec()))
        };
        match what {
            Waited::Nums => Some(wait.fd.to_string().into_bytes()),
            Waited::Names if wait.name.is_empty() => Some(b"<NA>".to_vec()),
            Waited::Names => Some(wait.name.to_vec()),
            _ if !matches!(wait.letter, b'4' | b'6') => None,
            Waited::Cips => ends().map(|[cip, ..]| cip),
            Waited::Cports => ends().map(|[_, cport, ..]| cport),
            Waited::Sips => ends().map(|[_, _, sip, _]| sip),
            Waited::Sports => ends().map(|[.., sport]| sport),
        }
    };
    let parts: Vec<Vec<u8>> = render::scap::waits(&blob.bytes)
        .filter_map(|wait| part(&wait))
        .collect();
    Some(FieldValue::owned(parts.join(&b','))).filter(|_| !parts.is_empty())
}

/// Whether an inet socket has a peer.
pub fn connected(file: &File) -> Option<bool> {
    if is_told(file) {
        return Some(file.marks & File::CONNECTED != 0).filter(|_| file.kind != FileKind::Unseen);
    }
    file.flow.as_ref().map(Flow::is_connected)
}

/// Whether the recorded process is the server, where that is known.
pub fn is_server(file: &File) -> Option<bool> {
    if is_told(file) {
        return Some(file.marks & File::SERVER != 0).filter(|_| file.kind != FileKind::Unseen);
    }
    match file.flow?.role {
        Role::Unknown => None,
        role => Some(role == Role::Server),
    }
}

/// Whether the call gave its socket an address or a peer.
pub fn name_changed(c: &Ctx<'_>) -> Option<bool> {
    if c.ty()?.is(TypeDesc::SCAP) {
        c.file().filter(|file| file.kind != FileKind::Unseen)?;
        return told::kept(c, "fd.name_changed").map(|n| n != 0);
    }
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
