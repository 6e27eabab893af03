//! Files and sockets by the kernel's own objects: which row a `struct file` has, whoever holds a descriptor of it.

use crate::decode::{KernelFile, sockaddr, socket_ends};
use crate::procfs::OpenFd;
use crate::recent::Recent;
use crate::sockets::Found;
use crate::wire::{PathMark, SocketPart};
use afterimage_model::{File, FileId, FileKind, Flow, Origin, Protocol, Role, Tables};
use smallvec::SmallVec;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::Arc;

/// An open file is remembered until so many others were used since. What the kernel side has told is remembered beside them, and
/// so is what a living process has open.
const MOST: usize = 1 << 13;
/// Likewise which end a socket is, which nothing else remembers.
const MOST_ROLES: usize = 1 << 15;

/// include/uapi/linux/magic.h
const ANON_INODE: u32 = 0x0904_1934;
const PIDFS: u32 = 0x5049_4446;
const TCP_LISTEN: u16 = 10;

/// include/linux/socket.h
const NETLINK: u16 = 16;
const VSOCK: u16 = 40;

/// include/uapi/linux/netlink.h
const NETLINK_PROTOCOLS: &[(u16, &str)] = &[
    (0, "NETLINK_ROUTE"),
    (2, "NETLINK_USERSOCK"),
    (3, "NETLINK_FIREWALL"),
    (4, "NETLINK_SOCK_DIAG"),
    (5, "NETLINK_NFLOG"),
    (6, "NETLINK_XFRM"),
    (7, "NETLINK_SELINUX"),
    (8, "NETLINK_ISCSI"),
    (9, "NETLINK_AUDIT"),
    (10, "NETLINK_FIB_LOOKUP"),
    (11, "NETLINK_CONNECTOR"),
    (12, "NETLINK_NETFILTER"),
    (13, "NETLINK_IP6_FW"),
    (15, "NETLINK_KOBJECT_UEVENT"),
    (16, "NETLINK_GENERIC"),
    (18, "NETLINK_SCSITRANSPORT"),
    (19, "NETLINK_ECRYPTFS"),
    (20, "NETLINK_RDMA"),
    (21, "NETLINK_CRYPTO"),
    (22, "NETLINK_SMC"),
];

/// Rows of files, found again by object, by inode and by content.
pub struct Objects {
    /// Open file, inode, device to row. The inode guards against a reused address.
    by_object: Recent<(u64, u64, u64), FileId>,
    /// Paths of inodes as /proc told them at the start.
    by_inode: HashMap<(u64, u64), FileId>,
    /// Hash of a row without its number, and the rows that have it.
    by_content: HashMap<u64, SmallVec<[FileId; 1]>>,
    /// Which end a socket (by inode) is.
    roles: Recent<u64, Role>,
    /// Network namespace and port of listening sockets.
    listening: HashSet<(u32, u16)>,
    next: u32,
}

fn key(file: &KernelFile) -> (u64, u64, u64) {
    (file.part.file, file.part.ino, file.part.dev)
}

impl Default for Objects {
    fn default() -> Objects {
        Objects {
            by_object: Recent::new(MOST),
            by_inode: HashMap::new(),
            by_content: HashMap::new(),
            roles: Recent::new(MOST_ROLES),
            listening: HashSet::new(),
            next: 0,
        }
    }
}

impl Objects {
    fn add(&mut self, tables: &mut Tables, mut row: File) -> FileId {
        let hash = self.by_content.hasher().hash_one(&row);
        let same = self.by_content.entry(hash).or_default();
        for id in same.iter() {
            row.id = *id;
            if tables.file(*id) == Some(&row) {
                return *id;
            }
        }
        self.next += 1;
        row.id = FileId(self.next);
        let id = row.id;
        same.push(id);
        tables.files.insert(id, Arc::new(row));
        id
    }

    /// The row of an open file that was met before. Sockets change, so they are always looked at anew.
    pub fn known(&mut self, file: &KernelFile) -> Option<FileId> {
        if file.socket.is_some() {
            return None;
        }
        self.by_object.get(&key(file))
    }

    /// The row of an open file. `end` is the raw address a call named for an unconnected socket.
    pub fn of(&mut self, tables: &mut Tables, file: &KernelFile, end: Option<&[u8]>) -> FileId {
        let mut row = File {
            kind: kind_of(file),
            dev: file.part.dev,
            ino: file.part.ino,
            ..File::default()
        };
        if let Some(path) = &file.path {
            row.path = path.bytes.clone();
        } else if file.socket.is_none()
            && let Some(known) = self
                .by_inode
                .get(&(file.part.dev, file.part.ino))
                .and_then(|id| tables.file(*id))
        {
            row.path = known.path.clone();
            row.origin = Origin::Procfs;
        }
        if let Some((name, _)) = &file.unix {
            row.path = name.clone();
        }
        row.flow = self.flow(file, end);
        if let Some(socket) = &file.socket {
            (row.peer_pid, row.peer_uid) = (socket.peer_pid, socket.peer_uid);
            if row.path.is_empty() {
                row.path = socket_name(socket);
            }
        }
        let id = self.add(tables, row);
        if file.socket.is_none() {
            self.by_object.insert(key(file), id);
        }
        id
    }

    /// The row of an open file the kernel gave no path of, with the path /proc has.
    pub fn learn(&mut self, tables: &mut Tables, file: &KernelFile, open: &OpenFd) -> FileId {
        let row = File {
            kind: kind_of(file),
            path: shown_target(&open.target),
            dev: file.part.dev,
            ino: file.part.ino,
            origin: Origin::Procfs,
            ..File::default()
        };
        let id = self.add(tables, row);
        self.by_object.insert(key(file), id);
        id
    }

    /// Notes where something listens, so that what was accepted there is known as such, whichever is told of first.
    pub fn listens(&mut self, open: &OpenFd) {
        let socket = open.socket.as_ref().and_then(|file| file.socket.as_ref());
        if let Some(socket) = socket.filter(|socket| socket.state == TCP_LISTEN) {
            self.listening.insert((socket.netns, socket.local_port));
        }
    }

    /// The row of a descriptor that was there before; `socket` is what /proc/net says of it, where the kernel did not.
    pub fn found(
        &mut self,
        tables: &mut Tables,
        open: &OpenFd,
        socket: Option<&Found>,
        netns: u32,
    ) -> FileId {
        if let Some(file) = &open.socket {
            let id = self.of(tables, file, None);
            let flow = tables.file(id).and_then(|row| row.flow);
            if flow.is_some_and(|flow| flow.role == Role::Server) {
                self.roles.insert(open.id.1, Role::Server);
            }
            return id;
        }
        let mut row = File {
            kind: kind_of_mode(open.mode, &open.target),
            path: shown_target(&open.target),
            dev: open.id.0,
            ino: open.id.1,
            origin: Origin::Procfs,
            ..File::default()
        };
        if let Some(socket) = socket {
            row.kind = socket.kind;
            row.path = socket.name.clone();
            row.flow = socket.flow;
            if let Some(flow) = socket.flow.filter(|flow| flow.role == Role::Server) {
                self.roles.insert(open.id.1, Role::Server);
                if !flow.is_connected() {
                    self.listening.insert((netns, flow.local.port()));
                }
            }
        }
        let id = self.add(tables, row);
        self.by_inode.insert(open.id, id);
        id
    }

    /// Remembers which end a socket is.
    pub fn role(&mut self, file: &KernelFile, role: Role) {
        if let Some(socket) = &file.socket {
            if role == Role::Server && socket.state == TCP_LISTEN {
                self.listening.insert((socket.netns, socket.local_port));
            }
            // A socket that no descriptor leads to yet has no inode.
            if file.part.ino != 0 {
                self.roles.insert(file.part.ino, role);
            }
        }
    }

    fn flow(&mut self, file: &KernelFile, end: Option<&[u8]>) -> Option<Flow> {
        let socket = file.socket.as_ref()?;
        let (local, mut remote) = socket_ends(socket)?;
        let mut role = self.roles.get(&file.part.ino).unwrap_or_default();
        if socket.state == TCP_LISTEN {
            role = Role::Server;
            self.listening.insert((socket.netns, socket.local_port));
        } else if role == Role::Unknown
            && self.listening.contains(&(socket.netns, socket.local_port))
        {
            role = Role::Server;
        }
        if remote.port() == 0
            && let Some(named) = end.and_then(sockaddr)
        {
            remote = named;
        }
        Some(Flow {
            protocol: Protocol(socket.protocol),
            local: plain(local),
            remote: plain(remote),
            role,
        })
    }

    /// Forgets rows that nothing holds.
    pub fn trim(&mut self, tables: &mut Tables, held: &BTreeSet<FileId>) {
        let objects: BTreeSet<FileId> = self
            .by_object
            .values()
            .chain(self.by_inode.values())
            .copied()
            .collect();
        let keep = |id: &FileId| held.contains(id) || objects.contains(id);
        tables.files.retain(|id, _| keep(id));
        self.by_content.retain(|_, ids| {
            ids.retain(|id| keep(id));
            !ids.is_empty()
        });
    }
}

/// An IPv4 address that came through an IPv6 socket is shown as IPv4.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What a socket without a path or ends is called: the protocol of netlink, the ends of vsock as `cid:port->cid:port`.
fn socket_name(socket: &SocketPart) -> Vec<u8> {
    match socket.family {
        NETLINK => NETLINK_PROTOCOLS
            .iter()
            .find(|row| row.0 == socket.protocol)
            .map_or_else(
                || format!("netlink {}", socket.protocol),
                |row| row.1.to_owned(),
            ),
        VSOCK => {
            let word = |raw: &[u8; 16], at: usize| {
                let bytes = raw.get(at..).and_then(|rest| rest.first_chunk());
                bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
            };
            // VMADDR_CID_ANY and VMADDR_PORT_ANY are -1.
            let end = |raw| format!("{}:{}", word(raw, 0) as i32, word(raw, 4) as i32);
            format!("{}->{}", end(&socket.local), end(&socket.remote))
        }
        _ => String::new(),
    }
    .into_bytes()
}

/// A /proc link as a path: the marks of /proc taken off.
fn shown_target(target: &[u8]) -> Vec<u8> {
    if let Some(name) = target.strip_prefix(b"anon_inode:") {
        return name.to_vec();
    }
    if target.starts_with(b"socket:[") || target.starts_with(b"pipe:[") {
        return Vec::new();
    }
    target
        .strip_suffix(b" (deleted)")
        .unwrap_or(target)
        .to_vec()
}

/// The kind of an anonymous inode by its name.
fn anonymous(name: &[u8]) -> FileKind {
    match name {
        b"[eventfd]" => FileKind::Event,
        b"[eventpoll]" => FileKind::Eventpoll,
        b"[signalfd]" => FileKind::Signalfd,
        b"[timerfd]" => FileKind::Timerfd,
        b"[userfaultfd]" => FileKind::Userfaultfd,
        b"[io_uring]" => FileKind::Iouring,
        b"[pidfd]" => FileKind::Pidfd,
        b"inotify" | b"[inotify]" => FileKind::Inotify,
        name if name.starts_with(b"bpf") || name.starts_with(b"[bpf") => FileKind::Bpf,
        _ => FileKind::Anon,
    }
}

fn kind_of(file: &KernelFile) -> FileKind {
    if let Some(socket) = &file.socket {
        return match socket.family {
            1 => FileKind::Unix,
            2 => FileKind::Ipv4,
            10 => match socket_ends(socket) {
                Some((local, remote))
                    if plain(local).is_ipv4()
                        && (plain(remote).is_ipv4() || remote.port() == 0) =>
                {
                    FileKind::Ipv4
                }
                _ => FileKind::Ipv6,
            },
            NETLINK => FileKind::Netlink,
            17 => FileKind::Packet,
            VSOCK => FileKind::Vsock,
            _ => FileKind::Socket,
        };
    }
    let name = file
        .path
        .as_ref()
        .filter(|path| path.has(PathMark::PSEUDO))
        .map(|path| path.bytes.as_slice());
    match (file.part.magic, name) {
        (ANON_INODE, name) => anonymous(name.unwrap_or_default()),
        (PIDFS, _) => FileKind::Pidfd,
        (_, Some(name)) if name.starts_with(b"memfd:") => FileKind::Memfd,
        _ => kind_of_mode(file.part.mode, b""),
    }
}

fn kind_of_mode(mode: u32, target: &[u8]) -> FileKind {
    if let Some(name) = target.strip_prefix(b"anon_inode:") {
        return anonymous(name);
    }
    if target.starts_with(b"/memfd:") {
        return FileKind::Memfd;
    }
    // include/uapi/linux/stat.h
    match mode & 0o170_000 {
        0o100_000 => FileKind::File,
        0o040_000 => FileKind::Directory,
        0o020_000 => FileKind::Char,
        0o060_000 => FileKind::Block,
        0o010_000 => FileKind::Pipe,
        0o120_000 => FileKind::Symlink,
        0o140_000 => FileKind::Socket,
        _ => FileKind::Anon,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::KernelPath;
    use crate::wire::FilePart;

    fn regular(object: u64, ino: u64, path: Option<&[u8]>) -> KernelFile {
        let part = FilePart {
            file: object,
            ino,
            dev: 5,
            rdev: 0,
            mode: 0o100_644,
            flags: 0,
            magic: 0xef53,
            layer: 0,
        };
        let path = path.map(|bytes| KernelPath {
            bytes: bytes.to_vec(),
            marks: PathMark::WHOLE,
        });
        KernelFile {
            part,
            place: None,
            path,
            socket: None,
            unix: None,
        }
    }

    #[test]
    fn a_descriptor_that_travels_keeps_its_file() {
        let (mut objects, mut tables) = (Objects::default(), Tables::default());
        let opened = objects.of(&mut tables, &regular(0xdead, 7, Some(b"/etc/shadow")), None);
        assert_eq!(objects.known(&regular(0xdead, 7, None)), Some(opened));
        assert_eq!(
            objects.known(&regular(0xdead, 8, None)),
            None,
            "the address was used again for another inode"
        );
    }

    #[test]
    fn sockets_without_a_path_are_called_by_what_they_speak() {
        let mut socket = SocketPart::read(&[0; SocketPart::BYTES]).unwrap();
        (socket.family, socket.protocol) = (NETLINK, 9);
        assert_eq!(socket_name(&socket), b"NETLINK_AUDIT");
        socket.protocol = 77;
        assert_eq!(socket_name(&socket), b"netlink 77");
        (socket.family, socket.protocol) = (VSOCK, 0);
        socket.local[..8].copy_from_slice(&[3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        socket.remote[..8].copy_from_slice(&[2, 0, 0, 0, 0xd2, 4, 0, 0]);
        assert_eq!(socket_name(&socket), b"3:-1->2:1234");
    }

    #[test]
    fn the_accepting_end_is_the_server() {
        let (mut objects, mut tables) = (Objects::default(), Tables::default());
        let mut raw = vec![0u8; SocketPart::BYTES];
        raw[..2].copy_from_slice(&2u16.to_le_bytes());
        let mut socket = SocketPart::read(&raw).unwrap();
        (
            socket.protocol,
            socket.state,
            socket.local_port,
            socket.remote_port,
        ) = (6, 1, 80, 40_000);
        socket.local[..4].copy_from_slice(&[127, 0, 0, 1]);
        socket.remote[..4].copy_from_slice(&[127, 0, 0, 1]);
        let mut file = regular(1, 2, None);
        file.part.mode = 0o140_777;
        file.socket = Some(socket);
        objects.role(&file, Role::Server);
        let id = objects.of(&mut tables, &file, None);
        assert_eq!(
            tables.file(id).unwrap().name(),
            b"127.0.0.1:40000->127.0.0.1:80"
        );
    }
}
