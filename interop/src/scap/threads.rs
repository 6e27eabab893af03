//! What is known of a thread and of its descriptors at an instant, as the peers know it.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::event::Raw;
use super::lists::Addr;
use super::recent::Recent;
use afterimage_model::{FileId, ProcId};
use smallvec::SmallVec;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

// scap's own numbering of clone flags (driver/ppm_events_public.h, PPM_CL_*).
/// Shares descriptors.
pub const CLONE_FILES: u32 = 1 << 0;
/// Is a thread of its parent's process.
pub const CLONE_THREAD: u32 = 1 << 13;
/// Was learnt from the child's side of a clone.
pub const CLONE_INVERTED: u32 = 1 << 16;
/// The child is in another pid namespace.
pub const CHILD_IN_PIDNS: u32 = 1 << 29;
/// Is the main thread whatever its ids say.
pub const IS_MAIN_THREAD: u32 = 1 << 30;

/// A category of threads: the first process of a container, or below it.
pub const IN_CONTAINER: u32 = 1;

/// scap's numbers for what a descriptor is (userspace/libscap/scap.h, scap_fd_type).
pub mod ty {
    #![allow(missing_docs)]
    pub const UNKNOWN: u8 = 0;
    pub const FILE: u8 = 1;
    pub const DIRECTORY: u8 = 2;
    pub const IPV4: u8 = 3;
    pub const IPV6: u8 = 4;
    pub const IPV4_SERVER: u8 = 5;
    pub const IPV6_SERVER: u8 = 6;
    pub const FIFO: u8 = 7;
    pub const UNIX: u8 = 8;
    pub const EVENT: u8 = 9;
    pub const UNSUPPORTED: u8 = 10;
    pub const SIGNALFD: u8 = 11;
    pub const EVENTPOLL: u8 = 12;
    pub const INOTIFY: u8 = 13;
    pub const TIMERFD: u8 = 14;
    pub const NETLINK: u8 = 15;
    pub const FILE_V2: u8 = 16;
    pub const BPF: u8 = 17;
    pub const USERFAULTFD: u8 = 18;
    pub const IOURING: u8 = 19;
    pub const MEMFD: u8 = 20;
    pub const PIDFD: u8 = 21;
}

/// Layer-four protocols as scap numbers them.
pub mod l4 {
    #![allow(missing_docs)]
    pub const UNKNOWN: u8 = 0;
    pub const TCP: u8 = 2;
    pub const UDP: u8 = 3;
    pub const ICMP: u8 = 4;
    pub const RAW: u8 = 5;
}

/// A descriptor.
#[derive(Clone, Debug)]
pub struct Fd {
    /// One of [`ty`].
    pub ty: u8,
    /// What it is called.
    pub name: Arc<[u8]>,
    /// The end that connected, or has no name yet.
    pub source: (IpAddr, u16),
    /// The other end; of a listener its own.
    pub dest: (IpAddr, u16),
    /// One of [`l4`].
    pub l4: u8,
    /// Known to be a client's.
    pub client: bool,
    /// Known to be a server's.
    pub server: bool,
    /// A connected socket.
    pub connected: bool,
    /// How it was opened, scap's numbering.
    pub flags: u32,
    /// Device, as the kernel encodes it for user space.
    pub dev: u32,
    /// Inode.
    pub ino: u64,
    /// Layers of an overlay: upper, lower.
    pub layers: [bool; 2],
    /// The row that tells it, until something changes.
    pub row: Option<FileId>,
}

impl Fd {
    /// Something of this type and name.
    pub fn new(ty: u8, name: &[u8]) -> Fd {
        let nowhere = if matches!(ty, ty::IPV6 | ty::IPV6_SERVER) {
            (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)
        } else {
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)
        };
        Fd {
            ty,
            name: name.into(),
            source: nowhere,
            dest: nowhere,
            l4: l4::UNKNOWN,
            client: false,
            server: false,
            connected: false,
            flags: 0,
            dev: 0,
            ino: 0,
            layers: [false; 2],
            row: None,
        }
    }

    /// Whether it has two ends.
    pub fn is_pair(&self) -> bool {
        matches!(self.ty, ty::IPV4 | ty::IPV6)
    }

    /// Whether it has a single address.
    pub fn is_server_socket(&self) -> bool {
        matches!(self.ty, ty::IPV4_SERVER | ty::IPV6_SERVER)
    }

    /// Whether nobody knows which end it is.
    pub fn has_no_role(&self) -> bool {
        !self.client && !self.server
    }

    /// The protocol as far as it may be told: of a socket with two ends only when its role is known.
    pub fn protocol(&self) -> u8 {
        match self.ty {
            ty::IPV4 | ty::IPV6 if self.l4 == l4::RAW => l4::RAW,
            ty::IPV4 | ty::IPV6 if self.has_no_role() => 1,
            ty::IPV4 | ty::IPV6 | ty::IPV4_SERVER | ty::IPV6_SERVER => self.l4,
            _ => 1,
        }
    }

    /// The letter of its type.
    pub fn letter(&self) -> char {
        match self.ty {
            ty::FILE | ty::FILE_V2 => 'f',
            ty::IPV4 => '4',
            ty::IPV6 => '6',
            ty::DIRECTORY => 'd',
            ty::IPV4_SERVER => '2',
            ty::IPV6_SERVER => '3',
            ty::FIFO => 'p',
            ty::UNIX => 'u',
            ty::EVENT => 'e',
            ty::UNKNOWN => 'o',
            ty::UNSUPPORTED => 'X',
            ty::SIGNALFD => 's',
            ty::EVENTPOLL => 'l',
            ty::INOTIFY => 'i',
            ty::TIMERFD => 't',
            ty::NETLINK => 'n',
            ty::BPF => 'b',
            ty::USERFAULTFD => 'u',
            ty::IOURING => 'r',
            ty::MEMFD => 'm',
            ty::PIDFD => 'P',
            _ => '?',
        }
    }

    /// The letter as it is shown: sysdig tells listening sockets from others by the name only.
    pub fn shown_letter(&self) -> u8 {
        match self.ty {
            ty::IPV4_SERVER => b'4',
            ty::IPV6_SERVER => b'6',
            _ => self.letter() as u8,
        }
    }

    /// The name that both ends give it.
    pub fn ends_text(&self) -> String {
        let (a, p) = self.source;
        let (b, q) = self.dest;
        match self.l4 {
            l4::TCP | l4::UDP => format!("{a}:{p}->{b}:{q}"),
            l4::ICMP | l4::RAW => format!("{a}->{b}"),
            _ => "<unknown>".to_owned(),
        }
    }

    /// As it stands in an argument: `<4t>10.0.0.2:5->10.0.0.1:80`.
    pub fn shown(&self, out: &mut Vec<u8>) {
        out.push(b'<');
        out.push(self.shown_letter());
        if self.is_pair() || self.is_server_socket() {
            out.extend_from_slice(match self.protocol() {
                l4::TCP => b"t",
                l4::UDP => b"u",
                l4::ICMP => b"i",
                l4::RAW => b"r",
                _ => b"",
            });
        }
        out.push(b'>');
        let prints = |byte: &u8| matches!(byte, 0x20..=0x7e);
        // Nearly every name does, and none is looked at up to a byte that does not.
        match self.name.iter().fold(true, |all, byte| all & prints(byte)) {
            true => out.extend_from_slice(&self.name),
            false => out.extend(self.name.iter().copied().filter(prints)),
        }
    }

    /// Sets the name.
    pub fn call(&mut self, name: &[u8]) {
        if *self.name != *name {
            self.name = name.into();
        }
        self.row = None;
    }
}

/// An address of a list.
pub fn ip(addr: Addr) -> IpAddr {
    match addr {
        Addr::V4(ip) => IpAddr::V4(ip),
        Addr::V6(ip) => IpAddr::V6(ip),
    }
}

/// The entry to a call, kept until it returns.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its code.
    pub code: u16,
    bytes: Vec<u8>,
    ends: SmallVec<[u32; 8]>,
}

impl Entry {
    /// Keeps an event.
    pub fn keep(raw: &Raw<'_>) -> Entry {
        let size = raw.params.iter().map(|param| param.len()).sum();
        let mut entry = Entry {
            code: raw.code,
            bytes: Vec::with_capacity(size),
            ..Entry::default()
        };
        for param in &raw.params {
            entry.bytes.extend_from_slice(param);
            entry.ends.push(entry.bytes.len() as u32);
        }
        entry
    }

    /// The event again.
    pub fn raw(&self) -> Raw<'_> {
        let mut raw = Raw {
            code: self.code,
            ..Raw::default()
        };
        let mut from = 0;
        for end in &self.ends {
            let end = *end as usize;
            raw.params
                .push(self.bytes.get(from..end).unwrap_or_default());
            from = end;
        }
        raw
    }
}

/// A thread.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Thread id.
    pub tid: i64,
    /// It has ended; what is kept of it is for others of its process.
    pub ended: bool,
    /// Process id.
    pub pid: i64,
    /// Parent's thread id.
    pub ptid: i64,
    /// Session.
    pub sid: i64,
    /// Process group in its own namespace.
    pub vpgid: i64,
    /// Process group.
    pub pgid: i64,
    /// Thread id in its own namespace; -1 when not known.
    pub vtid: i64,
    /// Process id in its own namespace; -1 when not known.
    pub vpid: i64,
    /// Name.
    pub comm: Arc<[u8]>,
    /// First argument.
    pub exe: Arc<[u8]>,
    /// Path of the program.
    pub exepath: Arc<[u8]>,
    /// The other arguments, NUL behind each.
    pub args: Arc<[u8]>,
    /// Environment, NUL behind each.
    pub env: Arc<[u8]>,
    /// Control groups, NUL behind each.
    pub cgroups: Arc<[u8]>,
    /// Working directory, with a slash at the end.
    pub cwd: Arc<[u8]>,
    /// Root directory.
    pub root: Arc<[u8]>,
    /// scap's flags.
    pub flags: u32,
    /// Most descriptors.
    pub fdlimit: i64,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Login user.
    pub loginuid: u32,
    /// Terminal.
    pub tty: u32,
    /// Inheritable, permitted, effective capabilities.
    pub caps: [u64; 3],
    /// Bits of `Process::exe_flags`.
    pub exe_flags: u32,
    /// Inode of the program, its ctime and mtime.
    pub exe_file: [u64; 3],
    /// Memory, KiB: size, resident, swapped.
    pub memory: [u32; 3],
    /// Page faults: major, minor.
    pub faults: [u64; 2],
    /// When it was cloned, ns since 1970; 0 when it was there before.
    pub clone_ts: u64,
    /// Start of the first process of its pid namespace.
    pub pidns_start: u64,
    /// Other threads of the process.
    pub children: u64,
    /// Programs executed since it was first seen.
    pub execs: u32,
    /// Its descriptors, if it does not share another's.
    pub fds: Recent<Fd>,
    /// Id of its container.
    pub container: Option<Arc<str>>,
    /// Code of the last entry; -1 for none.
    pub last_code: i32,
    /// Descriptor the last event was about.
    pub last_fd: i64,
    /// The last entry, where it is needed when the call returns.
    pub entry: Option<Entry>,
    /// The event at hand returns from that entry.
    pub paired: bool,
    /// When the last call was entered.
    pub entered: u64,
    /// How long the last call took.
    pub latency: u64,
    /// Processor time seen so far.
    pub exec_time: u64,
    /// Processor time at the last sample of it: in the program, in the kernel; hundredths of a second.
    pub sampled: [u64; 2],
    /// [`IN_CONTAINER`], or the bit of `Process::exe_flags` that says which probe of its container it runs for.
    pub category: u32,
    /// The row that tells it, and for which state of the world.
    pub row: Option<(u64, ProcId)>,
}

impl Thread {
    /// A thread of which nothing is known but its id.
    pub fn unknown(tid: i64) -> Thread {
        let empty: Arc<[u8]> = Arc::from(&b""[..]);
        let unknown: Arc<[u8]> = Arc::from(&b"<NA>"[..]);
        Thread {
            tid,
            ended: false,
            pid: tid,
            ptid: -1,
            sid: -1,
            vpgid: -1,
            pgid: -1,
            vtid: -1,
            vpid: -1,
            comm: unknown.clone(),
            exe: unknown,
            exepath: empty.clone(),
            args: empty.clone(),
            env: empty.clone(),
            cgroups: empty.clone(),
            cwd: empty.clone(),
            root: empty,
            flags: 0,
            fdlimit: -1,
            uid: u32::MAX,
            gid: u32::MAX,
            loginuid: u32::MAX,
            tty: 0,
            caps: [0; 3],
            exe_flags: 0,
            exe_file: [0; 3],
            memory: [0; 3],
            faults: [0; 2],
            clone_ts: 0,
            pidns_start: 0,
            children: 0,
            execs: 0,
            fds: Recent::default(),
            container: None,
            last_code: -1,
            last_fd: 0,
            entry: None,
            paired: false,
            entered: 0,
            latency: 0,
            exec_time: 0,
            sampled: [0; 2],
            category: 0,
            row: None,
        }
    }

    /// Whether it is the main thread of its process.
    pub fn is_main(&self) -> bool {
        self.tid == self.pid || self.flags & IS_MAIN_THREAD != 0
    }

    /// Whether nothing is known of it.
    pub fn is_unknown(&self) -> bool {
        *self.comm == *b"<NA>" && self.uid == u32::MAX
    }
}
