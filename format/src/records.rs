//! The records of the format: the fields of every row, and of every block that is not a chunk, each declared once.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::ErrorKind;
use crate::layout::{self, MAX_ROWS};
use crate::wire::{Cursor, Field, FieldRow, Record, put_field, record, repeated};
use afterimage_model::{
    Abi, ArgDesc, ArgKind, BootNs, CaseDesc, ChoiceDesc, Class, Container, Descriptor, File,
    FileKind, FlagDesc, FlagSetDesc, Flow, Gap, GapCause, Group, Manifest, Mount, Process,
    Protocol, Role, Schema, StructDesc, StructFieldDesc, Tables, Totals, TypeDesc, User,
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
    15 exe_flags "1 memfd, 2 deleted, 4 overlay upper, 8 overlay lower.";
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

record! { Manifest, Manifest::default();
    1 capture_id "Random, names this capture.";
    2 tool "Program and version that recorded.";
    3 tool_hash "BLAKE3 of that program's file, hex.";
    4 host "Host name.";
    5 kernel "Kernel release and version.";
    6 machine "Machine, as uname prints it.";
    7 boot_id "Boot id of the kernel.";
    8 cpus "CPUs that could record.";
    9 clock.boot_ns "CLOCK_BOOTTIME at the start.";
    10 clock.mono_ns "CLOCK_MONOTONIC at the same instant.";
    11 clock.real_ns "CLOCK_REALTIME at the same instant, ns since 1970.";
    12 time_zone "Time zone of the host, as +0200.";
    13 scope "The scope as given.";
    14 filter "The filter as given.";
    15 coverage "What is seen, one sentence each.";
    16 not_covered "What is not seen, one sentence each.";
    17 limits "Limits in force.";
    18 trigger "What started the recording.";
    19 reason "Why.";
    20 operator "Who.";
    21 case_id "Case id.";
    22 command "Command line of the recorder.";
    23 machine_id "A hash of the host's machine id, hex: the same for captures of one installation.";
    24 clock_sync "Whether CLOCK_REALTIME was set by another clock, and how far it may be off.";
}

/// Where a derived capture comes from; fields of the header beside the manifest's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// BLAKE3 of the whole file it was made from; empty for an original.
    pub parent: Vec<u8>,
    /// What was done to it, such as `recover`.
    pub derived_by: String,
    /// The key that signed the first checkpoint; empty when the capture is not signed. Writers fill it in.
    pub signer: Vec<u8>,
    /// Every file it was made from, with more about each.
    pub parents: Vec<Parent>,
    /// Whom it is encrypted to, as age writes them; empty when it is not encrypted. Writers fill it in.
    pub recipients: Vec<String>,
    /// An age file with the key it is encrypted with. Writers fill it in.
    pub key: Vec<u8>,
}

record! { Lineage, Lineage::default();
    64 parent "BLAKE3 of the whole file this one was derived from; of the first, where there are several.";
    65 derived_by "How it was derived.";
    66 signer "Ed25519 public key that signs the first checkpoint; not there when the capture is not signed.";
    67 parents "Every file it was derived from.";
    68 recipients "Whom it is encrypted to, as age writes them.";
    69 key "An age file with the 32 bytes of the key it is encrypted with; not there when it is not encrypted.";
}

/// A file that a capture was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// BLAKE3 of the whole file.
    pub hash: Vec<u8>,
    /// Its capture id.
    pub capture_id: String,
    /// Its digest: the hash chain value of its last block that is no custody entry.
    pub digest: Vec<u8>,
    /// What it was called.
    pub name: String,
    /// What was found when it was checked before it was read.
    pub verdict: String,
    /// The key that signed it; empty when none did.
    pub signer: Vec<u8>,
}

record! { Parent, Parent::default();
    1 hash "BLAKE3 of the whole file.";
    2 capture_id "Its capture id.";
    3 digest "Its digest: the chain value of its footer, or of its last block where it has none.";
    4 name "Its file name.";
    5 verdict "What was found when it was verified, before it was read.";
    6 signer "Its signer; not there when it is not signed.";
}

record! { ArgDesc, ArgDesc::default();
    1 name "Name.";
    2 kind "What it holds; the names are in the same block.";
    3 set "Name of its flag set, structure or choice.";
    4 by "Name of the argument that counts it; not there when it is the next one, or none.";
}

record! { TypeDesc, TypeDesc { name: String::new(), class: 0, is_syscall: false, args: Vec::new(), doc: String::new(), marks: 0 };
    1 name "Name.";
    2 class "What it is about.";
    3 is_syscall "1 for a system call.";
    4 args "Arguments in order.";
    5 doc "One sentence.";
    6 marks "1 reads a descriptor, 2 writes one, 4 waits, 8 is about a descriptor, 16 counts as I/O, 32 as input, 64 as output, 128 an entry, 256 an exit, 512 told as scap does, 1024 kept by the recorder for its own books.";
}

record! { FlagDesc, FlagDesc { name: String::new(), value: 0, mask: 0 };
    1 name "Name.";
    2 value "Applies when argument & mask is this.";
    3 mask "See value.";
}

record! { FlagSetDesc, FlagSetDesc { name: String::new(), flags: Vec::new() };
    1 name "Name.";
    2 flags "Its names.";
}

record! { StructFieldDesc, StructFieldDesc::default();
    1 name "Name; not there when the structure is one value.";
    2 offset "Its first byte.";
    3 width "Its bytes.";
    4 kind "What it holds, as of an argument.";
    5 set "Name of its flag set or structure.";
}

record! { StructDesc, StructDesc::default();
    1 name "Name.";
    2 narrow "1 for the layout of 32-bit x86 calls (abi 1); another of the same name holds for the others.";
    3 size "Its bytes, and the step where several follow one another.";
    4 fields "Its fields.";
}

record! { CaseDesc, CaseDesc::default();
    1 value "The deciding argument & mask is this.";
    2 holds "What the argument then holds: an argument without a name.";
}

record! { ChoiceDesc, ChoiceDesc::default();
    1 name "Name.";
    2 by "Name of the deciding argument.";
    3 mask "See the cases.";
    4 cases "Its cases.";
    5 otherwise "What the argument holds in no case: an argument without a name.";
}

/// The name of a number of the format, as the file itself gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// Which table: `arg-kind`, `class`, `abi`, `file-kind`, `gap-cause`, `block`, `column`, or `fields:<record>`.
    pub table: String,
    /// The number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// A sentence; may be empty.
    pub doc: String,
}

record! { Name, Name::default();
    1 table "Which table of numbers.";
    2 number "The number.";
    3 name "Its name.";
    4 doc "A sentence.";
}

repeated!(
    ArgDesc,
    TypeDesc,
    FlagDesc,
    FlagSetDesc,
    StructFieldDesc,
    StructDesc,
    CaseDesc,
    ChoiceDesc,
    Name,
    Parent
);

impl Field for ArgDesc {
    const WIRE: &'static str = "record";
    fn put(&self, tag: u64, out: &mut Vec<u8>) {
        put_field(out, tag, &self.encode());
    }
    fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        *self = ArgDesc::decode(value)?;
        Ok(())
    }
}

record! { Schema, Schema::default();
    1 types "Event types; an event's type is a place in this list.";
    2 flag_sets "Flag sets.";
    4 structs "Structures.";
    5 choices "What another argument decides.";
}

/// The names in a schema block, read only when asked for: fields of the schema's record beside the schema's own.
#[derive(Default)]
pub(crate) struct Names {
    pub names: Vec<Name>,
}

record! { Names, Names::default();
    3 names "Names of all numbers the file uses.";
}

record! { Gap, Gap { cause: GapCause::Other, start: BootNs(0), end: BootNs(0), cpu: None, count: None, first_seq: None, detail: String::new() };
    1 cause "Why.";
    2 start "Last whole instant before the loss.";
    3 end "First whole instant after the loss.";
    4 cpu "The CPU; not there for all.";
    5 count "Events missing; not there when not known.";
    6 first_seq "Number on its CPU of the first missing event.";
    7 detail "Anything else.";
}

/// Decodes a gap; the number of a cause this version does not know is kept in the detail.
pub(crate) fn decode_gap(bytes: &[u8]) -> Result<Gap, ErrorKind> {
    let mut gap = Gap::decode(bytes)?;
    let mut cursor = Cursor::new(bytes);
    while let Some((tag, value)) = cursor.field()? {
        let mut number = 0_u64;
        if tag == 1 {
            number.take(value)?;
            if gap.cause == GapCause::Other && number != GapCause::Other as u64 {
                let space = if gap.detail.is_empty() { "" } else { " " };
                gap.detail = format!("cause {number}{space}{}", gap.detail);
            }
        }
    }
    Ok(gap)
}

/// A remark kept with a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// When it was made, ns since 1970; 0 when not known.
    pub made_ns: i64,
    /// The instant it is about, ns since boot; `None` when it is about the whole.
    pub about: Option<BootNs>,
    /// Who made it.
    pub author: String,
    /// The remark.
    pub text: String,
    /// What was done with the capture; empty when the note is a remark and no entry of the custody log.
    pub action: String,
    /// Program that did it.
    pub tool: String,
    /// Host on which it was done.
    pub host: String,
    /// BLAKE3 of the file that was made, where one was.
    pub subject: Vec<u8>,
    /// Hash chain value of the block before this one.
    pub previous: Vec<u8>,
    /// The key that signed it; empty when none did.
    pub signer: Vec<u8>,
    /// Signature over everything before it.
    pub signature: Vec<u8>,
}

record! { Note, Note::default();
    1 made_ns "When it was made, ns since 1970.";
    2 about "The instant it is about, ns since boot.";
    3 author "Who made it.";
    4 text "The remark.";
    5 action "What was done with the capture; not there in a mere remark.";
    6 tool "Program and version that did it.";
    7 host "Host name.";
    8 subject "BLAKE3 of the file that was made.";
    9 previous "Hash chain value of the block before this one.";
    10 signer "Ed25519 public key that signed it.";
    63 signature "Ed25519 signature of purpose custody.";
}

/// A file kept with a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifact {
    /// Name or path it had.
    pub name: Vec<u8>,
    /// Media type.
    pub media_type: String,
    /// BLAKE3 of its bytes; the writer fills it in, the reader checks it.
    pub hash: Vec<u8>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of its bytes, by which process rows name it; empty when not known.
    pub sha256: Vec<u8>,
    /// Whole id of the container that it is about; empty for none.
    pub container: String,
}

record! { Artifact, Artifact::default();
    1 name "Name or path it had.";
    2 media_type "Media type.";
    3 hash "BLAKE3 of its bytes.";
    4 bytes "Its bytes.";
    5 sha256 "SHA-256 of its bytes, the exe_sha256 of processes that executed it.";
    6 container "Whole id of the container that it is about.";
}

/// How far a capture had come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// When, ns since boot.
    pub at: BootNs,
    /// Blocks before this one.
    pub blocks: u64,
    /// Events in the chunks before this one.
    pub events: u64,
    /// Hash chain value of the block before this one.
    pub chain: Vec<u8>,
    /// Signed checkpoints before this one.
    pub number: u64,
    /// `CLOCK_MONOTONIC` at the same instant as `at`.
    pub mono_ns: u64,
    /// `CLOCK_REALTIME` at the same instant as `at`, since 1970.
    pub real_ns: i64,
    /// The key that signs the next checkpoint, or the seal; empty when not signed.
    pub next: Vec<u8>,
    /// Signature over everything before it; empty when not signed.
    pub signature: Vec<u8>,
}

record! { Checkpoint, Checkpoint::default();
    1 at "When, ns since boot.";
    2 blocks "Blocks before this one.";
    3 events "Events in the chunks before this one.";
    4 chain "Hash chain value of the block before this one.";
    5 number "Signed checkpoints before this one.";
    6 mono_ns "CLOCK_MONOTONIC at the same instant.";
    7 real_ns "CLOCK_REALTIME at the same instant, ns since 1970.";
    8 next "Ed25519 public key that signs the next checkpoint or the footer.";
    63 signature "Ed25519 signature of purpose checkpoint.";
}

/// The body of a footer block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    pub totals: Totals,
    pub blocks: u64,
    pub chunks: u64,
    pub events: u64,
    pub gaps: u64,
    pub index: u64,
    pub chain: Vec<u8>,
    pub at: u64,
    pub real_ns: i64,
    pub ended: String,
    pub signature: Vec<u8>,
}

record! { Footer, Footer::default();
    1 totals.offered "Records the kernel programs tried to hand over, less those that continue another, and calls found in flight.";
    2 totals.written "Events written.";
    3 totals.dropped "Events lost in the ring.";
    4 totals.filtered "Events filtered out in user space.";
    5 totals.unsealed "Events handed over and left when recording ended.";
    6 totals.spared_self "Events of the recorder itself, spared in the kernel.";
    7 totals.spared_scope "Events out of scope, spared in the kernel.";
    8 totals.told "Events written that container runtimes told, beside those offered.";
    9 totals.sampled "Samples of use written, beside those offered.";
    16 blocks "Blocks before the footer.";
    17 chunks "Chunks.";
    18 events "Events in all chunks.";
    19 gaps "Gap blocks.";
    20 index "Byte at which the index block starts.";
    21 chain "Hash chain value of the block before the footer.";
    22 at "When the file was sealed, ns since boot.";
    23 real_ns "CLOCK_REALTIME at the same instant, ns since 1970.";
    24 ended "Why the recording ended.";
    63 signature "Ed25519 signature of purpose seal.";
}

/// The zone map as it travels; [`crate::Zone`] is the checked form.
#[derive(Clone, Debug, Default)]
pub(crate) struct ZoneRecord {
    pub events: u64,
    pub first_num: u64,
    pub start: BootNs,
    pub end: BootNs,
    pub failed: u64,
    pub types: Vec<u8>,
    pub procs: Vec<u8>,
    pub containers: Vec<u8>,
}

record! { ZoneRecord, ZoneRecord::default();
    1 events "Events in the chunk.";
    2 first_num "Number of its first event in the capture, from 1.";
    3 start "Earliest instant, ns since boot.";
    4 end "Latest instant, ns since boot.";
    5 failed "Events whose result is an error.";
    6 types "Types used: per type a varint step from the one before and a varint count.";
    7 procs "Process rows used by events: varint steps.";
    8 containers "Containers of those processes, 0 for none else 1 + row: varint steps.";
}

/// Every record by name, for the schema block and the documents.
pub fn records() -> Vec<(&'static str, Vec<FieldRow>)> {
    let mut schema = [Schema::rows(), Names::rows()].concat();
    schema.sort_by_key(|row| row.tag);
    vec![
        ("header", [Manifest::rows(), Lineage::rows()].concat()),
        ("parent", Parent::rows()),
        ("schema", schema),
        ("type", TypeDesc::rows()),
        ("arg", ArgDesc::rows()),
        ("flag-set", FlagSetDesc::rows()),
        ("flag", FlagDesc::rows()),
        ("struct", StructDesc::rows()),
        ("struct-field", StructFieldDesc::rows()),
        ("choice", ChoiceDesc::rows()),
        ("case", CaseDesc::rows()),
        ("name", Name::rows()),
        ("process", Process::rows()),
        ("container", Container::rows()),
        ("file", File::rows()),
        ("flow", Flow::rows()),
        ("user", User::rows()),
        ("group", Group::rows()),
        ("zone", ZoneRecord::rows()),
        ("descriptor", Descriptor::rows()),
        ("mount", Mount::rows()),
        ("gap", Gap::rows()),
        ("note", Note::rows()),
        ("artifact", Artifact::rows()),
        ("checkpoint", Checkpoint::rows()),
        ("footer", Footer::rows()),
    ]
}

/// The names of all numbers a file of this version uses.
pub(crate) fn names() -> Vec<Name> {
    let mut names = Vec::new();
    let mut add = |table: &str, number: u64, name: &str, doc: &str| {
        names.push(Name {
            table: table.to_owned(),
            number,
            name: name.to_owned(),
            doc: doc.to_owned(),
        });
    };
    for (kind, name, doc) in ArgKind::ALL {
        add("arg-kind", *kind as u64, name, doc);
    }
    for (class, name, doc) in Class::ALL {
        add("class", *class as u64, name, doc);
    }
    for (abi, name) in Abi::ALL {
        add("abi", *abi as u64, name, "");
    }
    for (kind, name, _) in FileKind::ALL {
        add("file-kind", *kind as u64, name, "");
    }
    for (cause, name, doc) in GapCause::ALL {
        add("gap-cause", *cause as u64, name, doc);
    }
    for (table, rows) in [
        ("block", layout::block::ALL),
        ("column", layout::column::ALL),
        ("row", layout::row::ALL),
    ] {
        for (number, name, doc) in rows {
            add(table, u64::from(*number), name, doc);
        }
    }
    for (record, rows) in records() {
        for row in rows {
            add(&format!("fields:{record}"), row.tag, row.name, row.wire);
        }
    }
    names
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
