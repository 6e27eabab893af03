//! Who and what events are about: processes, containers, files and sockets, each a row with an id.
//!
//! A pid is never an identity: pids come round again within seconds. A process is its host pid, its start and its count
//! of execs, within one boot.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Row number of a [`Process`] within one capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcId(pub u32);

/// Row number of a [`Container`] within one capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub u32);

/// Row number of a [`File`] within one capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// What a process is, within the boot named by the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcKey {
    /// Thread-group id in the host's pid namespace.
    pub pid: u32,
    /// Start of the thread-group leader, ns since boot (`task_struct.start_boottime`).
    pub start_ns: u64,
    /// How many times it has executed a program since it was first seen.
    pub exec: u32,
}

/// How a row was learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Origin {
    /// From kernel events as they happened.
    #[default]
    Kernel = 0,
    /// Read from /proc, when the recording began or when an unknown process appeared.
    Procfs = 1,
    /// From a container runtime's API or files.
    Runtime = 2,
    /// From a capture of another program: what it did not know is empty or -1, as it was there.
    Told = 3,
}

/// A process as it was from one change to the next: an exec, a change of credentials, name, directory or container makes
/// a new row with the same `key.pid` and `key.start_ns`. Rows never change, so whatever is true of a row is true of all
/// its events. The one exception is `exe_sha256`, filled in when known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Row number.
    pub id: ProcId,
    /// Identity.
    pub key: ProcKey,
    /// The row of the parent as it was at fork; `None` when not recorded.
    pub parent: Option<ProcId>,
    /// Parent's pid, host numbering.
    pub ppid: u32,
    /// Pid inside its own pid namespace.
    pub vpid: u32,
    /// Session and process group, host numbering; 0 when not known.
    pub sid: u32,
    /// Process group, host numbering; 0 when not known.
    pub pgid: u32,
    /// Controlling terminal as `/proc/PID/stat` has it; 0 for none. [`crate::terminal::name`] names it.
    pub tty: u32,
    /// The kernel's name for the thread group leader, at most 15 bytes.
    pub comm: Vec<u8>,
    /// The executed file's path by the kernel's dentries, not by what the program passed.
    pub exe_path: Vec<u8>,
    /// Device of the executed file (kernel `dev_t`: major << 20 | minor).
    pub exe_dev: u64,
    /// Inode of the executed file.
    pub exe_ino: u64,
    /// [`Process::EXE_MEMFD`] and the other bits.
    pub exe_flags: u32,
    /// Arguments, NUL between them, as at exec.
    pub argv: Vec<u8>,
    /// Bytes of argv before any cut.
    pub argv_full_len: u64,
    /// Environment, NUL between entries, as at exec.
    pub env: Vec<u8>,
    /// Bytes of the environment before any cut.
    pub env_full_len: u64,
    /// Working directory.
    pub cwd: Vec<u8>,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Login user id; `u32::MAX` when never set.
    pub loginuid: u32,
    /// Effective, permitted and inheritable capability masks (capability 0 is bit 0).
    pub cap_effective: u64,
    /// Permitted capabilities.
    pub cap_permitted: u64,
    /// Inheritable capabilities.
    pub cap_inheritable: u64,
    /// The container it runs in; `None` on the host.
    pub container: Option<ContainerId>,
    /// Id of its cgroup in the default hierarchy.
    pub cgroup_id: u64,
    /// Path of that cgroup.
    pub cgroup: Vec<u8>,
    /// Inode number of the pid namespace. Recycled by the kernel: not an identity.
    pub ns_pid: u32,
    /// Inode number of the mount namespace.
    pub ns_mnt: u32,
    /// Inode number of the network namespace.
    pub ns_net: u32,
    /// Inode number of the user namespace.
    pub ns_user: u32,
    /// How this row was learnt.
    pub origin: Origin,
    /// Capabilities that can still be gained (bounding set).
    pub cap_bounding: u64,
    /// Capabilities kept over an exec (ambient set).
    pub cap_ambient: u64,
    /// Secure bits (`include/uapi/linux/securebits.h`).
    pub securebits: u32,
    /// Inode number of the UTS namespace; 0 when not known, as of the three below.
    pub ns_uts: u32,
    /// Inode number of the IPC namespace.
    pub ns_ipc: u32,
    /// Inode number of the control group namespace.
    pub ns_cgroup: u32,
    /// Inode number of the time namespace.
    pub ns_time: u32,
    /// Bytes of the executed file, as at exec.
    pub exe_size: u64,
    /// Last change of the executed file's contents, ns since 1970, as at exec; 0 when not known.
    pub exe_mtime_ns: u64,
    /// Last change of the executed file's inode, ns since 1970, as at exec; 0 when not known.
    pub exe_ctime_ns: u64,
    /// SHA-256 of the executed file; empty when it was not, or not yet, computed.
    pub exe_sha256: Vec<u8>,
    /// The script, as it was named, when the executed file is the interpreter of one.
    pub script: Vec<u8>,
    /// The interpreter as the last `#!` line or binfmt_misc named it; empty without one.
    pub interp: Vec<u8>,
    /// In a state: this is not how a process was at its instant. It had ended or executed another program by then, or the row is
    /// that of one thread.
    pub past: bool,
    /// In the row of a thread that is not the main one, which a capture of another program tells of: the main one's name.
    pub main_comm: Vec<u8>,
    /// As a capture of another program tells: the name of the session's leader, where it is alive and another process.
    pub session_comm: Vec<u8>,
}

impl Process {
    /// The program was executed from an anonymous memory file.
    pub const EXE_MEMFD: u32 = 1 << 0;
    /// The program's file had been unlinked.
    pub const EXE_DELETED: u32 = 1 << 1;
    /// The program lies in the upper layer of an overlay: written after the container was created.
    pub const EXE_UPPER: u32 = 1 << 2;
    /// The program lies in a lower layer of an overlay: part of the image.
    pub const EXE_LOWER: u32 = 1 << 3;
    /// The user who executed it could write the program.
    pub const EXE_WRITABLE: u32 = 1 << 4;
    /// It runs for a health check of its container, as far as a capture of another program tells.
    pub const HEALTH_CHECK: u32 = 1 << 5;
    /// It runs for a liveness probe of its container.
    pub const LIVENESS_PROBE: u32 = 1 << 6;
    /// It runs for a readiness probe of its container.
    pub const READINESS_PROBE: u32 = 1 << 7;

    /// Whether this row is what a capture of another program told: numbers that were not known are -1, texts empty.
    pub fn is_told(&self) -> bool {
        self.origin == Origin::Told
    }

    /// Whether this row only says which container an event belongs to: a runtime told of it, and no process is known.
    pub fn is_nobody(&self) -> bool {
        self.origin == Origin::Runtime && self.key.pid == 0
    }

    /// The arguments one by one, `argv[0]` first.
    pub fn args(&self) -> impl Iterator<Item = &[u8]> {
        let argv = self.argv.strip_suffix(b"\0").unwrap_or(&self.argv);
        argv.split(|b| *b == 0)
            .take(if self.argv.is_empty() { 0 } else { usize::MAX })
    }
}

/// A container as its runtime and the kernel describe it. Filled in as knowledge arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Row number.
    pub id: ContainerId,
    /// The runtime's whole id, or the cgroup's last path component where there is no runtime.
    pub full_id: String,
    /// `docker`, `containerd`, `podman`, `cri-o`, `lxc`, `nspawn`, `cgroup` …, as `container.type`.
    pub runtime: String,
    /// Name without a leading slash; empty when no runtime answered.
    pub name: String,
    /// Image reference as given to the runtime.
    pub image: String,
    /// Image id (`sha256:…`).
    pub image_id: String,
    /// Registry digest (`sha256:…`).
    pub image_digest: String,
    /// Labels in order.
    pub labels: BTreeMap<String, String>,
    /// Names of environment variables; values are never kept here.
    pub env_names: Vec<String>,
    /// `source:destination:mode:rw:propagation`, as `container.mounts` prints them.
    pub mounts: Vec<String>,
    /// Started with every privilege.
    pub privileged: Option<bool>,
    /// User it was told to run as.
    pub user: String,
    /// Creation, ns since 1970; 0 when not known.
    pub created_ns: i64,
    /// When it was first seen, ns since boot.
    pub first_seen_ns: u64,
    /// When its cgroup was removed, ns since boot; 0 while it lived.
    pub removed_ns: u64,
    /// Primary address, text; empty when not known.
    pub ip: String,
    /// Path of its cgroup.
    pub cgroup: String,
    /// Id of its cgroup in the default hierarchy.
    pub cgroup_id: u64,
    /// Kubernetes pod name, namespace and uid, from the runtime's labels; empty outside Kubernetes.
    pub pod_name: String,
    /// Kubernetes namespace.
    pub pod_namespace: String,
    /// Kubernetes pod uid.
    pub pod_uid: String,
    /// Why there is no name or image, our own words; empty when there is one.
    pub unresolved: String,
    /// Program and arguments it was told to run.
    pub command: Vec<String>,
    /// Its host name.
    pub hostname: String,
    /// Capabilities added to the runtime's own choice, as given.
    pub cap_add: Vec<String>,
    /// Capabilities taken from it, as given.
    pub cap_drop: Vec<String>,
    /// Effective capabilities of its first program (capability 0 is bit 0); `None` when not known.
    pub cap_effective: Option<u64>,
    /// `default`, `unconfined`, the name of a profile, or `filter` when there is one without a name.
    pub seccomp: String,
    /// AppArmor profile; empty when none or not known.
    pub apparmor: String,
    /// Whether its programs can gain no privileges by exec; `None` when not known.
    pub no_new_privileges: Option<bool>,
    /// Whether its root cannot be written; `None` when not known.
    pub read_only: Option<bool>,
    /// Published ports: `address:port->port/protocol`, or `port/protocol` when exposed only.
    pub ports: Vec<String>,
    /// Network: `none`, `host`, `bridge`, `container:…`, the name of a network.
    pub network_mode: String,
    /// Pid namespace: `private`, `host`, `container:…`.
    pub pid_mode: String,
    /// Ipc namespace: as for pids.
    pub ipc_mode: String,
    /// User namespace: `private`, `host`; empty when not known.
    pub userns_mode: String,
    /// Restart policy, with the count where it has one: `on-failure:3`.
    pub restart_policy: String,
    /// What it may use.
    pub limits: ContainerLimits,
    /// Annotations of the runtime or of Kubernetes.
    pub annotations: BTreeMap<String, String>,
    /// Labels of its pod, where the runtime keeps them apart from its own.
    pub pod_labels: BTreeMap<String, String>,
    /// Whole id of its pod's sandbox; empty outside Kubernetes.
    pub sandbox_id: String,
    /// When its first program last started, ns since 1970; 0 when not known.
    pub started_ns: i64,
    /// When it last ended, ns since 1970; 0 while it runs or when not known.
    pub finished_ns: i64,
    /// Exit code of its first program; `None` while it runs or when not known.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it for lack of memory; `None` when not known.
    pub oom_killed: Option<bool>,
    /// What a runtime said was too long and was cut.
    pub cut: bool,
    /// Commands that tell whether it is well: `healthcheck`, `liveness_probe`, `readiness_probe`.
    pub probes: BTreeMap<String, String>,
}

impl Container {
    /// Its texts. What says who it is comes first: where there is room for so many bytes alone, nothing else can push that out.
    pub fn texts_mut(&mut self) -> [&mut String; 23] {
        [
            &mut self.full_id,
            &mut self.runtime,
            &mut self.name,
            &mut self.image,
            &mut self.image_id,
            &mut self.image_digest,
            &mut self.user,
            &mut self.ip,
            &mut self.cgroup,
            &mut self.pod_name,
            &mut self.pod_namespace,
            &mut self.pod_uid,
            &mut self.unresolved,
            &mut self.hostname,
            &mut self.seccomp,
            &mut self.apparmor,
            &mut self.network_mode,
            &mut self.pid_mode,
            &mut self.ipc_mode,
            &mut self.userns_mode,
            &mut self.restart_policy,
            &mut self.limits.cpuset,
            &mut self.sandbox_id,
        ]
    }

    /// Its lists, the shorter ones first.
    pub fn lists_mut(&mut self) -> [&mut Vec<String>; 6] {
        [
            &mut self.cap_add,
            &mut self.cap_drop,
            &mut self.command,
            &mut self.mounts,
            &mut self.ports,
            &mut self.env_names,
        ]
    }

    /// What others have given it: names and values.
    pub fn pairs_mut(&mut self) -> [&mut BTreeMap<String, String>; 4] {
        [
            &mut self.probes,
            &mut self.labels,
            &mut self.annotations,
            &mut self.pod_labels,
        ]
    }
}

/// What a container may use. `None` when not known, 0 for no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerLimits {
    /// Memory, bytes.
    pub memory: Option<u64>,
    /// Memory and swap together, bytes; -1 for no limit.
    pub memory_swap: Option<i64>,
    /// Processor time, thousandths of a CPU.
    pub cpu_milli: Option<u64>,
    /// Weight against other containers, 1024 is usual.
    pub cpu_shares: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// CPUs it may run on, as a list; empty for all.
    pub cpuset: String,
}

impl Container {
    /// Repository and tag of its image as registries split a reference: a colon before the last slash belongs to the registry's
    /// port, what is behind `@` is a digest. Without a tag and without a digest `latest` is meant; an id has no tag.
    pub fn image_parts(&self) -> (&str, &str) {
        let image = self.image.as_str();
        if image.is_empty() || image.starts_with("sha256:") {
            return (image, "");
        }
        let (name, otherwise) = match image.split_once('@') {
            Some((name, _)) => (name, ""),
            None => (image, "latest"),
        };
        match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (name, otherwise),
        }
    }

    /// Its image's id without the name of the hash.
    pub fn bare_image_id(&self) -> &str {
        let id = self.image_id.as_str();
        id.strip_prefix("sha256:").unwrap_or(id)
    }

    /// The first twelve characters of the id, as `container.id` shows it.
    pub fn short_id(&self) -> &str {
        self.full_id.get(..12).unwrap_or(&self.full_id)
    }
}

/// What a descriptor points at. Names and letters are those of `fd.type` and `fd.typechar`; the numbers are part of the file format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum FileKind {
    /// Something this version has no word for.
    #[default]
    Other = 0,
    /// A regular file.
    File = 1,
    /// A directory.
    Directory = 2,
    /// An IPv4 socket.
    Ipv4 = 3,
    /// An IPv6 socket.
    Ipv6 = 4,
    /// A unix socket.
    Unix = 5,
    /// A pipe or FIFO.
    Pipe = 6,
    /// An eventfd.
    Event = 7,
    /// A signalfd.
    Signalfd = 8,
    /// An epoll instance.
    Eventpoll = 9,
    /// An inotify instance.
    Inotify = 10,
    /// A timerfd.
    Timerfd = 11,
    /// A memfd.
    Memfd = 12,
    /// A netlink socket.
    Netlink = 13,
    /// A packet socket.
    Packet = 14,
    /// A character device.
    Char = 15,
    /// A block device.
    Block = 16,
    /// A symbolic link (opened with `O_PATH`).
    Symlink = 17,
    /// A BPF object.
    Bpf = 18,
    /// A userfaultfd.
    Userfaultfd = 19,
    /// An io_uring instance.
    Iouring = 20,
    /// A pidfd.
    Pidfd = 21,
    /// A socket of another family.
    Socket = 22,
    /// A fanotify, perf or other anonymous inode.
    Anon = 23,
    /// A vsock socket: between a virtual machine and its host.
    Vsock = 24,
    /// What a call was to open or use, and nothing is known of: there is only a number, perhaps a name.
    Unseen = 25,
}

impl FileKind {
    /// Each kind with the name of `fd.type` and the letter of `fd.typechar`.
    pub const ALL: &'static [(FileKind, &'static str, char)] = &[
        (FileKind::Other, "unknown", 'o'),
        (FileKind::File, "file", 'f'),
        (FileKind::Directory, "directory", 'd'),
        (FileKind::Ipv4, "ipv4", '4'),
        (FileKind::Ipv6, "ipv6", '6'),
        (FileKind::Unix, "unix", 'u'),
        (FileKind::Pipe, "pipe", 'p'),
        (FileKind::Event, "event", 'e'),
        (FileKind::Signalfd, "signalfd", 's'),
        (FileKind::Eventpoll, "eventpoll", 'l'),
        (FileKind::Inotify, "inotify", 'i'),
        (FileKind::Timerfd, "timerfd", 't'),
        (FileKind::Memfd, "memfd", 'm'),
        (FileKind::Netlink, "netlink", 'n'),
        (FileKind::Packet, "packet", 'k'),
        (FileKind::Char, "char", 'c'),
        (FileKind::Block, "block", 'b'),
        (FileKind::Symlink, "symlink", 'y'),
        (FileKind::Bpf, "bpf", 'b'),
        (FileKind::Userfaultfd, "userfaultfd", 'u'),
        (FileKind::Iouring, "io_uring", 'r'),
        (FileKind::Pidfd, "pidfd", 'P'),
        (FileKind::Socket, "socket", 'o'),
        (FileKind::Anon, "anon", 'o'),
        (FileKind::Vsock, "vsock", 'v'),
        (FileKind::Unseen, "unseen", 'o'),
    ];

    /// The name `fd.type` shows.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|row| row.0 == self)
            .map_or("unknown", |row| row.1)
    }

    /// The letter `fd.typechar` shows.
    pub fn letter(self) -> char {
        Self::ALL
            .iter()
            .find(|row| row.0 == self)
            .map_or('o', |row| row.2)
    }

    /// The kind with this number; [`FileKind::Other`] when unknown.
    pub fn from_code(code: u8) -> FileKind {
        Self::ALL
            .iter()
            .map(|row| row.0)
            .find(|kind| *kind as u8 == code)
            .unwrap_or(FileKind::Other)
    }

    /// Whether it is an IPv4 or IPv6 socket.
    pub fn is_inet(self) -> bool {
        matches!(self, FileKind::Ipv4 | FileKind::Ipv6)
    }
}

/// Layer-four protocol of a socket, by its IANA number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u16);

impl Protocol {
    /// `tcp`, `udp`, `icmp`, `raw` as `fd.l4proto` shows it; `None` for others.
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 | 58 => "icmp",
            6 => "tcp",
            17 => "udp",
            132 => "sctp",
            262 => "mptcp",
            255 => "raw",
            _ => return None,
        })
    }
}

/// Which end of a connection the recorded process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Not known.
    #[default]
    Unknown = 0,
    /// It connected.
    Client = 1,
    /// It accepted, or listens.
    Server = 2,
}

/// The two ends of a socket, from the kernel's `struct sock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Protocol.
    pub protocol: Protocol,
    /// This end.
    pub local: SocketAddr,
    /// The other end; port 0 and an unspecified address when not connected.
    pub remote: SocketAddr,
    /// Which end this is.
    pub role: Role,
}

impl Flow {
    /// Whether the other end is set.
    pub fn is_connected(&self) -> bool {
        self.remote.port() != 0
    }

    /// Client and server address, where the role is known.
    pub fn client_server(&self) -> Option<(SocketAddr, SocketAddr)> {
        match self.role {
            Role::Client => Some((self.local, self.remote)),
            Role::Server => Some((self.remote, self.local)),
            Role::Unknown => None,
        }
    }

    /// The two ends as they were recorded: `client->server`, or the local end of a listener.
    pub fn name(&self) -> String {
        self.with_local(format!("{}:{}", self.local.ip(), self.local.port()))
    }

    /// As `fd.name` shows it: the same, with `?` for a port that is still to come.
    pub fn shown_name(&self) -> String {
        match self.has_port_to_come() {
            true => self.with_local(format!("{}:?", self.local.ip())),
            false => self.name(),
        }
    }

    fn with_local(&self, local: String) -> String {
        let show = |a: SocketAddr| format!("{}:{}", a.ip(), a.port());
        match (self.is_connected(), self.role) {
            (false, _) => local,
            (true, Role::Server) => format!("{}->{local}", show(self.remote)),
            (true, _) => format!("{local}->{}", show(self.remote)),
        }
    }

    /// The local end as addresses are written: `[::1]:80`; `?` for a port that is still to come.
    pub fn local_text(&self) -> String {
        match (self.has_port_to_come(), self.local) {
            (false, local) => local.to_string(),
            (true, SocketAddr::V4(local)) => format!("{}:?", local.ip()),
            (true, SocketAddr::V6(local)) => format!("[{}]:?", local.ip()),
        }
    }

    /// Whether it begins to connect and has no port yet: the kernel tells that a socket connects before it gives it one.
    pub fn has_port_to_come(&self) -> bool {
        self.protocol == Protocol(6) && self.is_connected() && self.local.port() == 0
    }
}

/// A file, socket, pipe or other object behind a descriptor. Rows never change: a socket that gets connected is a new row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct File {
    /// Row number.
    pub id: FileId,
    /// What it is.
    pub kind: FileKind,
    /// Path by the kernel's dentries; for unix sockets the bound name; empty when it has none.
    pub path: Vec<u8>,
    /// Device (kernel `dev_t`: major << 20 | minor).
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// The ends, for inet sockets.
    pub flow: Option<Flow>,
    /// How it was learnt.
    pub origin: Origin,
    /// Of a connected unix socket: who is at the other end, host numbering, as it was when they connected; 0 when not known.
    pub peer_pid: u32,
    /// Its effective user id then.
    pub peer_uid: u32,
    /// What the program that recorded knew of it beside: [`File::TOLD`] and the bits that follow. 0 in our own recordings.
    pub marks: u32,
}

impl File {
    /// The other marks mean something, and the path is what `fd.name` shows, even where it is empty.
    pub const TOLD: u32 = 1 << 0;
    /// The server's address is one of the recorded machine's.
    pub const SERVER: u32 = 1 << 1;
    /// The socket is connected.
    pub const CONNECTED: u32 = 1 << 2;
    /// It lies in the upper layer of an overlay.
    pub const UPPER: u32 = 1 << 3;
    /// It lies in a lower layer of an overlay.
    pub const LOWER: u32 = 1 << 4;
    /// The path is what it is called; without this bit nothing is called so, not even by an empty name.
    pub const NAMED: u32 = 1 << 5;
    /// The process has the end that is called the remote one: sysdig takes the first of two addresses for the local one where both
    /// are the recorded machine's, and where neither is the second.
    pub const TURNED: u32 = 1 << 6;
    /// From this bit on: the letter of `fd.typechar`, where it is not that of the kind.
    pub const LETTER: u32 = 8;

    /// What `fd.name` shows: the flow of a socket, else the path.
    pub fn name(&self) -> Vec<u8> {
        match &self.flow {
            Some(flow) if self.marks & File::TOLD == 0 => flow.name().into_bytes(),
            _ => self.path.clone(),
        }
    }

    /// The name as people are shown it; see [`Flow::shown_name`].
    pub fn shown_name(&self) -> Vec<u8> {
        match &self.flow {
            Some(flow) if self.marks & File::TOLD == 0 => flow.shown_name().into_bytes(),
            _ => self.path.clone(),
        }
    }

    /// The ends of an inet socket as its process has them. Fields call those local and remote that the recorder calls so.
    pub fn own_flow(&self) -> Option<Flow> {
        let flow = self.flow?;
        if self.marks & File::TOLD == 0 || self.marks & File::TURNED == 0 {
            return Some(flow);
        }
        Some(Flow {
            local: flow.remote,
            remote: flow.local,
            role: match flow.role {
                Role::Client => Role::Server,
                Role::Server => Role::Client,
                Role::Unknown => Role::Unknown,
            },
            ..flow
        })
    }

    /// The letter of `fd.typechar`.
    pub fn letter(&self) -> char {
        match char::from((self.marks >> File::LETTER) as u8) {
            '\0' => self.kind.letter(),
            letter => letter,
        }
    }
}

/// A row of the user list, as the recorded host or container names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Container whose list this is; `None` for the host's.
    pub container: Option<ContainerId>,
    /// Numeric id.
    pub uid: u32,
    /// Login name.
    pub name: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A row of the group list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Container whose list this is; `None` for the host's.
    pub container: Option<ContainerId>,
    /// Numeric id.
    pub gid: u32,
    /// Name.
    pub name: String,
}

/// A mount of a mount namespace, as /proc/<pid>/mountinfo told it (man 5 proc_pid_mountinfo).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// Inode number of the mount namespace.
    pub ns_mnt: u32,
    /// Container it was read for; `None` for the host.
    pub container: Option<ContainerId>,
    /// Mount id, unique in the kernel while the mount lives.
    pub id: u32,
    /// Id of the mount it hangs in.
    pub parent: u32,
    /// Device (kernel `dev_t`: major << 20 | minor).
    pub dev: u64,
    /// The folder within the file system that is mounted.
    pub root: Vec<u8>,
    /// Where it is mounted, as the process sees it.
    pub point: Vec<u8>,
    /// Options of the mount and of the file system, comma-separated.
    pub options: Vec<u8>,
    /// File system type.
    pub fs_type: Vec<u8>,
    /// What is mounted.
    pub source: Vec<u8>,
}

/// A descriptor that was open at the instant of a state block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Descriptor {
    /// The process that holds it.
    pub proc: ProcId,
    /// Its number.
    pub fd: u32,
    /// What is behind it.
    pub file: FileId,
}

/// The rows that events point at. A chunk carries the rows its own events need, so each chunk stands alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Processes by row number.
    pub procs: BTreeMap<ProcId, Arc<Process>>,
    /// Containers by row number.
    pub containers: BTreeMap<ContainerId, Arc<Container>>,
    /// Files by row number.
    pub files: BTreeMap<FileId, Arc<File>>,
    /// Users by container and id.
    pub users: BTreeMap<(Option<ContainerId>, u32), Arc<User>>,
    /// Groups by container and id.
    pub groups: BTreeMap<(Option<ContainerId>, u32), Arc<Group>>,
    /// Open descriptors by process and number; only in state blocks.
    pub descriptors: BTreeMap<(ProcId, u32), FileId>,
    /// Mounts by namespace and mount id; only in state blocks.
    pub mounts: BTreeMap<(u32, u32), Arc<Mount>>,
}

impl Tables {
    /// The process row with this number.
    pub fn proc(&self, id: ProcId) -> Option<&Process> {
        self.procs.get(&id).map(AsRef::as_ref)
    }

    /// The container row with this number.
    pub fn container(&self, id: ContainerId) -> Option<&Container> {
        self.containers.get(&id).map(AsRef::as_ref)
    }

    /// The file row with this number.
    pub fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(&id).map(AsRef::as_ref)
    }

    /// The user with this id in a container, else on the host when `container` is `None`.
    pub fn user(&self, container: Option<ContainerId>, uid: u32) -> Option<&User> {
        self.users.get(&(container, uid)).map(AsRef::as_ref)
    }

    /// The group with this id in a container, else on the host when `container` is `None`.
    pub fn group(&self, container: Option<ContainerId>, gid: u32) -> Option<&Group> {
        self.groups.get(&(container, gid)).map(AsRef::as_ref)
    }

    /// Ancestors of a process, nearest first; stops at a repeated row, which only a hostile file has.
    pub fn ancestors(&self, id: ProcId) -> impl Iterator<Item = &Process> {
        let mut seen = std::collections::BTreeSet::from([id]);
        let mut next = self.proc(id).and_then(|p| p.parent);
        std::iter::from_fn(move || {
            let row = self.proc(next?)?;
            if !seen.insert(row.id) {
                return None;
            }
            next = row.parent;
            Some(row)
        })
    }

    /// Adds all rows of `other`, which win over rows already here.
    pub fn absorb(&mut self, other: &Tables) {
        self.procs
            .extend(other.procs.iter().map(|(k, v)| (*k, v.clone())));
        self.containers
            .extend(other.containers.iter().map(|(k, v)| (*k, v.clone())));
        self.files
            .extend(other.files.iter().map(|(k, v)| (*k, v.clone())));
        self.users
            .extend(other.users.iter().map(|(k, v)| (*k, v.clone())));
        self.groups
            .extend(other.groups.iter().map(|(k, v)| (*k, v.clone())));
        self.descriptors.extend(&other.descriptors);
        self.mounts
            .extend(other.mounts.iter().map(|(k, v)| (*k, v.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_reference_is_split_as_registries_do() {
        let parts = |image: &str| {
            let row = Container {
                image: image.to_owned(),
                ..Container::default()
            };
            let (repository, tag) = row.image_parts();
            format!("{repository} {tag}")
        };
        assert_eq!(parts("nginx"), "nginx latest");
        assert_eq!(
            parts("docker.io/library/nginx:1.25"),
            "docker.io/library/nginx 1.25"
        );
        assert_eq!(parts("localhost:5000/app"), "localhost:5000/app latest");
        assert_eq!(
            parts("localhost:5000/app:v1@sha256:abc"),
            "localhost:5000/app v1"
        );
        assert_eq!(parts("app@sha256:abc"), "app ");
        assert_eq!(parts("sha256:abc"), "sha256:abc ");
        assert_eq!(parts(""), " ");
    }
}
