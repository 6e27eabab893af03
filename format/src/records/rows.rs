//! The rows of tables: processes, containers, files and what else events point at, and how they travel in states and chunks.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::ErrorKind;
use crate::layout::{self, MAX_ROWS};
use crate::wire::{Cursor, Field, Record, put_field, record};
use afterimage_model::{
    BootNs, Container, Descriptor, File, Flow, Group, Mount, Process, Protocol, Role, Tables, User,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

record! { Process, Process::default();
    1 id "Row number.";
    2 key.pid "Thread-group id, host numbering.";
    3 key.start_ns "Start of the leader, ns since boot.";
    4 key.exec "Programs executed since first seen.";
    5 parent "Row of the parent; not there when it was not recorded.";
    6 ppid "Parent's pid, host numbering.";
    7 vpid "Pid in its own pid namespace.";
    8 sid "Session, host numbering.";
    9 pgid "Process group, host numbering.";
    10 tty "Controlling terminal, major << 8 | minor.";
    11 comm "The kernel's name for the leader.";
    12 exe_path "Path of the executed file.";
    13 exe_dev "Device of the executed file, major << 20 | minor.";
    14 exe_ino "Inode of the executed file.";
    15 exe_flags "1 memfd, 2 deleted, 4 overlay upper, 8 overlay lower, 16 writable by who executed it; run for 32 a health check, 64 a liveness probe, 128 a readiness probe of its container.";
    16 argv "Arguments, NUL between them.";
    17 argv_full_len "Bytes of the arguments before any cut.";
    18 env "Environment, NUL between entries.";
    19 env_full_len "Bytes of the environment before any cut.";
    20 cwd "Working directory.";
    21 uid "Real user id.";
    22 gid "Real group id.";
    23 euid "Effective user id.";
    24 egid "Effective group id.";
    25 loginuid "Login user id; 4294967295 when never set.";
    26 cap_effective "Effective capabilities, capability 0 is bit 0.";
    27 cap_permitted "Permitted capabilities.";
    28 cap_inheritable "Inheritable capabilities.";
    29 container "Row of its container; not there on the host.";
    30 cgroup_id "Id of its control group.";
    31 cgroup "Path of its control group.";
    32 ns_pid "Inode of the pid namespace.";
    33 ns_mnt "Inode of the mount namespace.";
    34 ns_net "Inode of the network namespace.";
    35 ns_user "Inode of the user namespace.";
    36 origin "0 kernel events, 1 /proc, 2 a container runtime, 3 a capture of another program, whose numbers are -1 where it did not know.";
    37 cap_bounding "Capabilities that can still be gained.";
    38 cap_ambient "Capabilities kept over an exec.";
    39 securebits "Secure bits.";
    40 ns_uts "Inode of the UTS namespace.";
    41 ns_ipc "Inode of the IPC namespace.";
    42 ns_cgroup "Inode of the control group namespace.";
    43 ns_time "Inode of the time namespace.";
    44 exe_size "Bytes of the executed file.";
    45 exe_mtime_ns "Last change of the executed file's contents, ns since 1970.";
    46 exe_ctime_ns "Last change of the executed file's inode, ns since 1970.";
    47 exe_sha256 "SHA-256 of the executed file, 32 bytes; may come in a later state.";
    48 script "The script as it was named, when the executed file is its interpreter.";
    49 interp "The interpreter as the script named it.";
    50 past "In a state: 1 where this is not how a process was at its instant: it had ended or executed another program by then, or the row is that of one thread.";
    51 main_comm "Of a thread that is not the main one, of which a capture of another program tells: the main one's name.";
    52 session_comm "As a capture of another program tells: the name of the session's leader, where it is alive and another process.";
}

record! { Container, Container::default();
    1 id "Row number.";
    2 full_id "The runtime's whole id.";
    3 runtime "Name of the runtime.";
    4 name "Name without a leading slash.";
    5 image "Image reference.";
    6 image_id "Image id.";
    7 image_digest "Registry digest.";
    8 labels "Labels.";
    9 env_names "Names of environment variables.";
    10 mounts "source:destination:mode:rw:propagation.";
    11 privileged "Started with every privilege; not there when not known.";
    12 user "User it was told to run as.";
    13 created_ns "Creation, ns since 1970.";
    14 first_seen_ns "First seen, ns since boot.";
    15 removed_ns "Control group removed, ns since boot; 0 while it lived.";
    16 ip "Primary address.";
    17 cgroup "Path of its control group.";
    18 cgroup_id "Id of its control group.";
    19 pod_name "Kubernetes pod name.";
    20 pod_namespace "Kubernetes namespace.";
    21 pod_uid "Kubernetes pod uid.";
    22 unresolved "Why name or image are not known.";
    23 command "Program and arguments it was told to run.";
    24 hostname "Its host name.";
    25 cap_add "Capabilities added to the runtime's own choice.";
    26 cap_drop "Capabilities taken from it.";
    27 cap_effective "Effective capabilities of its first program, capability 0 is bit 0; not there when not known.";
    28 seccomp "default, unconfined, a profile's name, or filter.";
    29 apparmor "AppArmor profile.";
    30 no_new_privileges "1 when exec gains no privileges; not there when not known.";
    31 read_only "1 when its root cannot be written; not there when not known.";
    32 ports "address:port->port/protocol, or port/protocol.";
    33 network_mode "none, host, bridge, container:… or a network's name.";
    34 pid_mode "private, host or container:….";
    35 ipc_mode "As of pids.";
    36 userns_mode "private or host.";
    37 restart_policy "Restart policy.";
    38 limits.memory "Bytes; 0 for no limit, not there when not known.";
    39 limits.memory_swap "Bytes of memory and swap; -1 for no limit, not there when not known.";
    40 limits.cpu_milli "Thousandths of a CPU; 0 for no limit, not there when not known.";
    41 limits.cpu_shares "Weight; not there when not known.";
    42 limits.pids "Processes and threads; 0 for no limit, not there when not known.";
    43 limits.cpuset "CPUs it may run on.";
    44 annotations "Annotations.";
    45 sandbox_id "Whole id of its pod's sandbox.";
    46 started_ns "Last start, ns since 1970.";
    47 finished_ns "Last end, ns since 1970.";
    48 exit_code "Exit code of its first program; not there when not known.";
    49 oom_killed "1 when killed for lack of memory; not there when not known.";
    50 cut "1 when something was too long and was cut.";
    51 pod_labels "Labels of its pod, where the runtime keeps them apart from its own.";
    52 probes "Commands that tell whether it is well, by kind: healthcheck, liveness_probe, readiness_probe.";
}

fn blank_flow() -> Flow {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Flow {
        protocol: Protocol(0),
        local: nowhere,
        remote: nowhere,
        role: Role::Unknown,
    }
}

record! { Flow, blank_flow();
    1 protocol "IANA protocol number; 262 is MPTCP.";
    2 local "This end.";
    3 remote "The other end.";
    4 role "1 client, 2 server, 0 not known.";
}

impl Field for Option<Flow> {
    const WIRE: &'static str = "record";
    fn put(&self, tag: u64, out: &mut Vec<u8>) {
        if let Some(flow) = self {
            put_field(out, tag, &flow.encode());
        }
    }
    fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        *self = Some(Flow::decode(value)?);
        Ok(())
    }
}

record! { File, File::default();
    1 id "Row number.";
    2 kind "What it is; the names are in the schema block.";
    3 path "Path by the kernel's dentries, or the bound name of a unix socket.";
    4 dev "Device, major << 20 | minor.";
    5 ino "Inode number.";
    6 flow "The ends of an inet socket.";
    7 origin "As of a process.";
    8 peer_pid "Pid at the other end of a unix socket, as it connected.";
    9 peer_uid "Effective user id at the other end of a unix socket.";
    10 marks "1 the other bits mean something and the path is the name, 2 server, 4 connected, 8 overlay upper, 16 overlay lower, 32 it has a name; bits 8 to 15 the letter of its type.";
}

record! { User, User::default();
    1 container "Container whose list this is; not there for the host's.";
    2 uid "Numeric id.";
    3 name "Login name.";
    4 home "Home directory.";
    5 shell "Login shell.";
}

record! { Group, Group::default();
    1 container "Container whose list this is; not there for the host's.";
    2 gid "Numeric id.";
    3 name "Name.";
}

record! { Descriptor, Descriptor::default();
    1 proc "Row number of the process that holds it.";
    2 fd "Its number.";
    3 file "Row number of what is behind it.";
}

record! { Mount, Mount::default();
    1 ns_mnt "Mount namespace.";
    2 container "Container it was read for; not there for the host.";
    3 id "Mount id.";
    4 parent "Mount id of the mount it hangs in.";
    5 dev "Device, major << 20 | minor.";
    6 root "The folder within the file system that is mounted.";
    7 point "Where it is mounted, as the process sees it.";
    8 options "Options of the mount and of the file system.";
    9 fs_type "File system type.";
    10 source "What is mounted.";
}

/// Appends a table row as a field of a state block or row column.
pub(crate) fn put_row<R: Record>(out: &mut Vec<u8>, tag: u16, row: &R) {
    put_field(out, u64::from(tag), &row.encode());
}

/// Takes rows from a state block or a row column into `tables`; gives the instant of a state block.
pub(crate) fn take_rows(bytes: &[u8], tables: &mut Tables) -> Result<BootNs, ErrorKind> {
    use layout::row;
    let mut at = BootNs(0);
    let mut cursor = Cursor::new(bytes);
    while let Some((tag, value)) = cursor.field()? {
        let rows = match u16::try_from(tag) {
            Ok(row::AT) => {
                at.take(value)?;
                continue;
            }
            Ok(row::PROCESS) => {
                let row = Process::decode(value)?;
                tables.procs.insert(row.id, Arc::new(row));
                tables.procs.len()
            }
            Ok(row::CONTAINER) => {
                let row = Container::decode(value)?;
                tables.containers.insert(row.id, Arc::new(row));
                tables.containers.len()
            }
            Ok(row::FILE) => {
                let row = File::decode(value)?;
                tables.files.insert(row.id, Arc::new(row));
                tables.files.len()
            }
            Ok(row::USER) => {
                let row = User::decode(value)?;
                tables.users.insert((row.container, row.uid), Arc::new(row));
                tables.users.len()
            }
            Ok(row::GROUP) => {
                let row = Group::decode(value)?;
                tables
                    .groups
                    .insert((row.container, row.gid), Arc::new(row));
                tables.groups.len()
            }
            Ok(row::DESCRIPTOR) => {
                let row = Descriptor::decode(value)?;
                tables.descriptors.insert((row.proc, row.fd), row.file);
                tables.descriptors.len()
            }
            Ok(row::MOUNT) => {
                let row = Mount::decode(value)?;
                tables.mounts.insert((row.ns_mnt, row.id), Arc::new(row));
                tables.mounts.len()
            }
            _ => continue,
        };
        crate::error::limit("rows of one kind", rows as u64, MAX_ROWS)?;
    }
    Ok(at)
}

/// The rows of tables as records, each with the tag of its kind, in the order in which states hold them.
pub(crate) fn each_row(tables: &Tables, each: &mut dyn FnMut(Vec<u8>)) {
    use layout::row;
    fn one<R: Record>(tag: u16, item: &R, each: &mut dyn FnMut(Vec<u8>)) {
        let mut bytes = Vec::new();
        put_row(&mut bytes, tag, item);
        each(bytes);
    }
    let Tables {
        procs,
        containers,
        files,
        users,
        groups,
        descriptors,
        mounts,
    } = tables;
    for item in procs.values() {
        one(row::PROCESS, item.as_ref(), each);
    }
    for item in containers.values() {
        one(row::CONTAINER, item.as_ref(), each);
    }
    for item in files.values() {
        one(row::FILE, item.as_ref(), each);
    }
    for item in users.values() {
        one(row::USER, item.as_ref(), each);
    }
    for item in groups.values() {
        one(row::GROUP, item.as_ref(), each);
    }
    for ((proc, fd), file) in descriptors {
        let (proc, fd, file) = (*proc, *fd, *file);
        one(row::DESCRIPTOR, &Descriptor { proc, fd, file }, each);
    }
    for item in mounts.values() {
        one(row::MOUNT, item.as_ref(), each);
    }
}

/// The rows of tables as the record of a state block, for who keeps them elsewhere than in a capture.
pub fn pack_rows(tables: &Tables) -> Vec<u8> {
    let mut out = Vec::new();
    each_row(tables, &mut |row| out.extend_from_slice(&row));
    out
}

/// The rows that [`pack_rows`] has packed.
///
/// # Errors
/// When these are not the bytes of rows, or there are more than a state block may have.
pub fn unpack_rows(bytes: &[u8]) -> Result<Tables, ErrorKind> {
    let mut tables = Tables::default();
    take_rows(bytes, &mut tables)?;
    Ok(tables)
}
