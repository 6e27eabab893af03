//! The kernel contract: what the eBPF programs write and user space reads, defined once.
//!
//! Each `wire!` row becomes a `#[repr(C)]` Rust struct and, printed by `build.rs`, the C struct of the same layout. All
//! fields are naturally aligned and little-endian, so both compilers agree; a static check refuses implicit padding.

use afterimage_model::Class;

/// Bytes of one ring segment: one element of the `ring` map.
pub const SEGMENT_BYTES: u32 = 65_536;
/// Bytes of one record at the most. A record may start anywhere in the first `SEGMENT_BYTES - RECORD_MAX` bytes of a segment.
pub const RECORD_MAX: u32 = 16_384;
/// Bytes of one path, string or argument vector at the most.
pub const PATH_MAX: u32 = 4_096;
/// Bytes of an argument vector at the most.
pub const ARGV_MAX: u32 = 8_192;
/// Bytes of one structure, of several in a row, or of control messages at the most.
pub const STRUCT_MAX: u32 = 512;
/// Rows of the `choices` map.
pub const CHOICES_MAX: u32 = 256;
/// Rows of the `cases` map.
pub const CASES_MAX: u32 = 8_192;
/// Bytes kept of all arguments, and of the whole environment, of a program: what Linux takes with the usual limit of the
/// stack.
pub const WHOLE_MAX: u32 = 2 << 20;
/// Rows of one call convention in the `plans` map.
pub const PLAN_STRIDE: u32 = 1_024;
/// Open files that each CPU remembers having told in full: elements of `told` per CPU, a power of two.
pub const TOLD: u32 = 1_024;
/// Stamps of files opened, shared by all CPUs: elements of `opened`, a power of two.
pub const OPENED: u32 = 4_096;
/// Bytes of a dentry that a step of a path carries: parent, name, inode and the name itself when it is short.
pub const DENTRY_BYTES: u32 = 72;
/// Threads whose waiting calls are timed at once.
pub const WAITING_MAX: u32 = 32_768;
/// Runs of programs that are remembered for a moment where a program is there twice.
pub const RUNS_MAX: u32 = 16_384;
/// Classes that losses are counted by: one more than there may be in `afterimage_model::Class`.
pub const CLASSES: u32 = 16;

/// No argument counts.
pub const NOT_COUNTED: u8 = 7;

/// Names of constants the C side needs, with their values.
pub const CONSTANTS: &[(&str, u32)] = &[
    ("SEGMENT_BYTES", SEGMENT_BYTES),
    ("RECORD_MAX", RECORD_MAX),
    ("PATH_BYTES", PATH_MAX),
    ("ARGV_BYTES", ARGV_MAX),
    ("STRUCT_BYTES", STRUCT_MAX),
    ("CHOICES_MAX", CHOICES_MAX),
    ("CASES_MAX", CASES_MAX),
    ("WHOLE_BYTES", WHOLE_MAX),
    ("PLAN_STRIDE", PLAN_STRIDE),
    ("TOLD", TOLD),
    ("OPENED", OPENED),
    ("DENTRY_BYTES", DENTRY_BYTES),
    ("WAITING_MAX", WAITING_MAX),
    ("RUNS_MAX", RUNS_MAX),
    ("CLASSES", CLASSES),
    ("CLASS_PROCESS", Class::Process as u32),
    ("SYSCALL", Kind::SYSCALL),
    ("SYSCALL_ENTER", Kind::SYSCALL_ENTER),
    ("EXEC", Kind::EXEC),
    ("FORK", Kind::FORK),
    ("EXIT", Kind::EXIT),
    ("CGROUP_MKDIR", Kind::CGROUP_MKDIR),
    ("CGROUP_RMDIR", Kind::CGROUP_RMDIR),
    ("CGROUP_ATTACH", Kind::CGROUP_ATTACH),
    ("OOM", Kind::OOM),
    ("CONTEXT", Kind::CONTEXT),
    ("LOSS", Kind::LOSS),
    ("URING_SUBMIT", Kind::URING_SUBMIT),
    ("URING_COMPLETE", Kind::URING_COMPLETE),
    ("EXEC_MORE", Kind::EXEC_MORE),
    ("SIGNAL_GENERATE", Kind::SIGNAL_GENERATE),
    ("SIGNAL_DELIVER", Kind::SIGNAL_DELIVER),
    ("SOCK_STATE", Kind::SOCK_STATE),
    ("TCP_RETRANSMIT", Kind::TCP_RETRANSMIT),
    ("TCP_RECEIVE_RESET", Kind::TCP_RECEIVE_RESET),
    ("TCP_SEND_RESET", Kind::TCP_SEND_RESET),
    ("TASK_RENAME", Kind::TASK_RENAME),
    ("CRASH", Kind::CRASH),
    ("MODULE_REQUEST", Kind::MODULE_REQUEST),
    ("MODULE_LOAD", Kind::MODULE_LOAD),
    ("MODULE_FREE", Kind::MODULE_FREE),
    ("CAPABLE", Kind::CAPABLE),
    ("PART_ARG", Tag::ARG),
    ("PART_FILE", Tag::FILE),
    ("PART_PATH", Tag::PATH),
    ("PART_TOLD", Tag::TOLD),
    ("PART_SOCKET", Tag::SOCKET),
    ("PART_UNIX", Tag::UNIX),
    ("PART_TASK", Tag::TASK),
    ("PART_ARGV", Tag::ARGV),
    ("PART_ENV", Tag::ENV),
    ("PART_CLAIM", Tag::CLAIM),
    ("PART_ADDR", Tag::ADDR),
    ("PART_TEXT", Tag::TEXT),
    ("PART_CONTROL", Tag::CONTROL),
    ("PART_MESSAGE_NAME", Tag::MESSAGE_NAME),
    ("PART_MESSAGE", Tag::MESSAGE),
    ("PART_EXE", Tag::EXE),
    ("PART_INTERP", Tag::INTERP),
    ("PART_USAGE", Tag::USAGE),
    ("PART_LATENCY", Tag::LATENCY),
    ("PART_REGISTERS", Tag::REGISTERS),
    ("PART_FRAME", Tag::FRAME),
    ("SLOT_RESULT", Slot::RESULT),
    ("SLOT_CWD", Slot::CWD),
    ("SLOT_EXE", Slot::EXE),
    ("PATH_WHOLE", PathMark::WHOLE),
    ("PATH_UNLINKED", PathMark::UNLINKED),
    ("PATH_CUT", PathMark::CUT),
    ("PATH_PSEUDO", PathMark::PSEUDO),
    ("SCOPE_HOST", ScopeMode::HOST),
    ("SCOPE_CGROUPS", ScopeMode::CGROUPS),
    ("SCOPE_TREE", ScopeMode::TREE),
    ("GROUP_PIDS", Controller::PIDS),
    ("GROUP_MEMORY", Controller::MEMORY),
    ("GROUP_CPU", Controller::CPU),
    ("GROUP_DEVICES", Controller::DEVICES),
    ("GROUP_FREEZER", Controller::FREEZER),
    ("HOLD_CPU", Hold::HOLD),
    ("YIELD_CPU", Hold::YIELD),
    ("PLAN_ENTER", PlanMark::ENTER),
    ("PLAN_RETURNS_FD", PlanMark::RETURNS_FD),
    ("PLAN_CHANGES_TASK", PlanMark::CHANGES_TASK),
    ("PLAN_EXECS", PlanMark::EXECS),
    ("PLAN_CRITICAL", PlanMark::CRITICAL),
    ("PLAN_BULK", PlanMark::BULK),
    ("PLAN_NAMES_SOCKET", PlanMark::NAMES_SOCKET),
    ("KEEP", Verdict::KEEP),
    ("SPARE_SELF", Verdict::SELF),
    ("SPARE_SCOPE", Verdict::SCOPE),
    ("MARK_CUT", RecordMark::CUT),
    ("FULL", Pressure::FULL),
    ("HEADS", Pressure::HEADS),
    ("COUNTS", Pressure::COUNTS),
    ("OPEN_NAMED", Open::NAMED),
    ("OPEN_SOCKET", Open::SOCKET),
    ("OPEN_PEER", Open::PEER),
    ("AWAKE", Sleep::AWAKE),
    ("AT_REST", Sleep::AT_REST),
];

macro_rules! numbers {
    ($(#[$doc:meta])* $name:ident { $($(#[$cdoc:meta])* $constant:ident = $value:literal),* $(,)? }) => {
        $(#[$doc])*
        pub struct $name;
        impl $name { $($(#[$cdoc])* pub const $constant: u32 = $value;)* }
    };
}

numbers! {
    /// What a record is.
    Kind {
        /// A call returned.
        SYSCALL = 1,
        /// A call that will not return was entered.
        SYSCALL_ENTER = 2,
        /// A program was executed.
        EXEC = 3,
        /// A thread or process was created; the record is the child's.
        FORK = 4,
        /// A thread ended.
        EXIT = 5,
        /// A control group was made.
        CGROUP_MKDIR = 6,
        /// A control group was removed.
        CGROUP_RMDIR = 7,
        /// A task was moved to another control group.
        CGROUP_ATTACH = 8,
        /// The kernel chose a victim for lack of memory.
        OOM = 9,
        /// An io_uring operation was submitted.
        URING_SUBMIT = 32,
        /// An io_uring operation completed.
        URING_COMPLETE = 33,
        /// A further piece of the arguments or the environment of the program just executed.
        EXEC_MORE = 34,
        /// A signal was sent.
        SIGNAL_GENERATE = 35,
        /// A signal reached its thread.
        SIGNAL_DELIVER = 36,
        /// A TCP socket changed its state.
        SOCK_STATE = 37,
        /// A TCP segment was sent again.
        TCP_RETRANSMIT = 38,
        /// A TCP reset came in.
        TCP_RECEIVE_RESET = 39,
        /// A TCP reset was sent.
        TCP_SEND_RESET = 40,
        /// A thread's name changed.
        TASK_RENAME = 41,
        /// A signal that nothing handles ends a process in the middle of what it did.
        CRASH = 42,
        /// The kernel asks for a module, because of what a task does.
        MODULE_REQUEST = 43,
        /// A module is loaded.
        MODULE_LOAD = 44,
        /// A module is removed.
        MODULE_FREE = 45,
        /// The kernel asks whether a task has a capability.
        CAPABLE = 46,
        /// Whose records follow on this CPU: a [`Context`], no event of its own.
        CONTEXT = 128,
        /// What was not recorded on this CPU since the record before: a [`LossCounts`], no event of its own.
        LOSS = 129,
    }
}
numbers! {
    /// What a part of a record holds.
    Tag {
        /// Bytes of an argument: string, payload, address, descriptor pair.
        ARG = 1,
        /// [`FilePart`].
        FILE = 2,
        /// Steps of a path from leaf to root, [`DENTRY_BYTES`] of the kernel's dentry each, and behind it the name when it is
        /// too long to lie in the dentry; `extra` holds [`PathMark`] bits.
        PATH = 3,
        /// [`SocketPart`].
        SOCKET = 4,
        /// Bound name of a unix socket (`extra` 0) or of its peer (`extra` 1), without the family.
        UNIX = 5,
        /// [`TaskPart`].
        TASK = 6,
        /// The new program's arguments.
        ARGV = 7,
        /// The new program's environment.
        ENV = 8,
        /// The path the caller passed to exec.
        CLAIM = 9,
        /// The socket address inside a msghdr.
        ADDR = 10,
        /// Any other text: a control group's path.
        TEXT = 11,
        /// The control messages inside a msghdr.
        CONTROL = 20,
        /// The socket address of the message that follows, one of several.
        MESSAGE_NAME = 21,
        /// The payload of one of several messages; `full_len` is what was sent or received.
        MESSAGE = 22,
        /// An open file that this CPU has told in full before: `extra` is the place where.
        TOLD = 32,
        /// [`ExePart`].
        EXE = 40,
        /// The interpreter that `#!` or binfmt_misc named.
        INTERP = 41,
        /// [`UsagePart`].
        USAGE = 42,
        /// How long the call took from where it first gave up the CPU, ns: `full_len` the low half, `extra` the high one.
        LATENCY = 43,
        /// [`RegistersPart`].
        REGISTERS = 44,
        /// [`FramePart`].
        FRAME = 45,
    }
}
numbers! {
    /// Which thing a part belongs to, when it is not an argument (0 to 5).
    Slot {
        /// The descriptor the call returned.
        RESULT = 6,
        /// The working directory.
        CWD = 7,
        /// The executed file.
        EXE = 8,
    }
}
numbers! {
    /// What is known of a path.
    PathMark {
        /// It reaches the root of the mount namespace.
        WHOLE = 1,
        /// The leaf had been unlinked.
        UNLINKED = 2,
        /// It was longer than the record could take: the upper part is missing.
        CUT = 4,
        /// It is the name of an anonymous object, not a path.
        PSEUDO = 8,
    }
}
numbers! {
    /// What the kernel programs keep.
    ScopeMode {
        /// Everything.
        HOST = 0,
        /// Tasks whose control group is in `cgroup_scope`.
        CGROUPS = 1,
        /// Processes in `pid_scope` and their descendants.
        TREE = 2,
    }
}
numbers! {
    /// Controllers whose hierarchy of version 1 the kernel programs may follow.
    Controller {
        /// Numbers of processes (Linux 4.3).
        PIDS = 1,
        /// Memory.
        MEMORY = 2,
        /// Shares of processors.
        CPU = 3,
        /// Access to devices.
        DEVICES = 4,
        /// Standing still.
        FREEZER = 5,
    }
}
numbers! {
    /// Calls that stand in the programs until they are loaded: no helper has such numbers.
    Hold {
        /// From here on no other task gets the CPU.
        HOLD = 0x7000_0001,
        /// From here on it may.
        YIELD = 0x7000_0002,
    }
}
numbers! {
    /// Marks of a [`Plan`].
    PlanMark {
        /// Recorded when entered.
        ENTER = 1,
        /// Returns a descriptor: the file behind it is recorded with its path.
        RETURNS_FD = 2,
        /// May change who the task is: its identity is recorded again.
        CHANGES_TASK = 4,
        /// Executes a program: on success the exec has a record of its own.
        EXECS = 8,
        /// Never yields to other records: may use the last part of the ring.
        CRITICAL = 16,
        /// Yields first: under pressure only counted.
        BULK = 32,
        /// May change the ends of a socket: they are told again.
        NAMES_SOCKET = 64,
    }
}
numbers! {
    /// What becomes of the records of a task.
    Verdict {
        /// Recorded.
        KEEP = 0,
        /// The recorder's own.
        SELF = 1,
        /// Not in the scope.
        SCOPE = 2,
    }
}
numbers! {
    /// Marks of a record.
    RecordMark {
        /// A part did not fit.
        CUT = 1,
    }
}
numbers! {
    /// How much is recorded, by how full the rings are.
    Pressure {
        /// Everything.
        FULL = 0,
        /// No payload: what was read and written is recorded by length.
        HEADS = 1,
        /// Calls that yield first are only counted.
        COUNTS = 2,
    }
}
numbers! {
    /// What follows an [`OpenFile`].
    Open {
        /// What the link in /proc would say, with a NUL.
        NAMED = 0,
        /// A [`SocketPart`], and behind it the name that a unix socket is bound to.
        SOCKET = 1,
        /// The same with the name that the other end is bound to.
        PEER = 2,
    }
}
numbers! {
    /// Whether user space sleeps for longer, and what is to wake it.
    Sleep {
        /// It looks by itself.
        AWAKE = 0,
        /// What should not wait.
        NAPS = 1,
        /// Any record.
        AT_REST = 2,
    }
}

macro_rules! wire {
    (@c u8) => { "__u8" }; (@c u16) => { "__u16" }; (@c u32) => { "__u32" }; (@c u64) => { "__u64" };
    ($($(#[$doc:meta])* $name:ident $cname:literal { $($(#[$fdoc:meta])* $field:ident : $ty:ident $([$n:literal])?),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug)]
            pub struct $name { $($(#[$fdoc])* pub $field: wire!(@t $ty $([$n])?)),* }
            impl $name {
                /// Bytes of the struct, which has no padding.
                pub const BYTES: usize = size_of::<$name>();
                const _NO_PADDING: () = assert!(Self::BYTES == 0 $(+ size_of::<wire!(@t $ty $([$n])?)>())*);

                /// Reads the struct from the front of `bytes`; `None` when there are too few.
                pub fn read(bytes: &[u8]) -> Option<$name> {
                    let () = Self::_NO_PADDING;
                    let mut rest = bytes;
                    Some($name { $($field: <wire!(@t $ty $([$n])?) as FromWire>::take(&mut rest)?),* })
                }
            }
        )*
        /// The structs as C declarations.
        pub const C_STRUCTS: &[&str] = &[$(concat!("struct ", $cname, " {\n", $("    ", wire!(@c $ty), " ", stringify!($field), $("[", $n, "]",)? ";\n",)* "};\n")),*];
    };
    (@t $ty:ident [$n:literal]) => { [$ty; $n] };
    (@t $ty:ident) => { $ty };
}

/// A little-endian value at the front of a byte slice.
pub trait FromWire: Sized {
    /// Takes it off.
    fn take(rest: &mut &[u8]) -> Option<Self>;
}

macro_rules! from_wire {
    ($($ty:ident),*) => { $(
        impl FromWire for $ty {
            fn take(rest: &mut &[u8]) -> Option<$ty> {
                let (front, tail) = rest.split_first_chunk()?;
                *rest = tail;
                Some($ty::from_le_bytes(*front))
            }
        }
    )* };
}
from_wire!(u8, u16, u32, u64);

impl<T: FromWire + Copy + Default, const N: usize> FromWire for [T; N] {
    fn take(rest: &mut &[u8]) -> Option<[T; N]> {
        let mut all = [T::default(); N];
        for one in &mut all {
            *one = T::take(rest)?;
        }
        Some(all)
    }
}

wire! {
    /// In front of every record; `argc` arguments of 64 bits follow.
    RecordHead "record_front" {
        /// Bytes of the record, this head included; a multiple of 8.
        len: u32,
        /// A [`Kind`].
        kind: u8,
        /// The [`afterimage_model::Abi`] as a number.
        abi: u8,
        /// [`RecordMark`] bits.
        marks: u8,
        /// Arguments that follow.
        argc: u8,
        /// `CLOCK_BOOTTIME`, ns.
        time_ns: u64,
        /// Call number; for others see the record's kind.
        nr: u32,
        /// Number among the records offered on this CPU, low half.
        seq: u32,
        /// Result.
        result: u64,
    }
    /// The task whose records follow on a CPU.
    Context "task_context" {
        /// Thread-group id, host numbering.
        pid: u32,
        /// Thread id, host numbering.
        tid: u32,
        /// Start of the thread-group leader, ns since boot.
        start_ns: u64,
        /// Id of the task's control group in the default hierarchy.
        cgroup: u64,
        /// `task_struct.self_exec_id`, low half.
        exec_id: u32,
        /// Unused.
        pad: u32,
    }
    /// What was not recorded on a CPU since the record before, by class.
    LossCounts "loss_counts" {
        /// For lack of room.
        full: u32[16],
        /// Because what yields first was only counted.
        counted: u32[16],
        /// Id of the control group that all of it was of; 0 where it was of several.
        of: u64,
    }
    /// In front of every part.
    PartHead "part_head" {
        /// A [`Tag`].
        tag: u16,
        /// Argument index, or a [`Slot`].
        slot: u16,
        /// Bytes that follow, before padding to 8.
        len: u32,
        /// Bytes there were; more than `len` when cut; `u32::MAX` when they could not be read.
        full_len: u32,
        /// Depends on the tag.
        extra: u32,
    }
    /// The kernel's own file behind a descriptor. The part's `extra` is 1 + the place where this CPU remembers it, 0 for nowhere.
    FilePart "file_part" {
        /// Address of the `struct file`: says whether two descriptors are the same open file. Never leaves the recorder.
        file: u64,
        /// Inode number.
        ino: u64,
        /// Device, kernel `dev_t`.
        dev: u64,
        /// Device of a device node, kernel `dev_t`.
        rdev: u64,
        /// `i_mode`.
        mode: u32,
        /// `f_flags`.
        flags: u32,
        /// Magic of the file system.
        magic: u32,
        /// 1 in the upper, 2 in a lower layer of an overlay; 0 elsewhere.
        layer: u32,
    }
    /// Both ends of a socket, from `struct sock`.
    SocketPart "socket_part" {
        /// Address family.
        family: u16,
        /// Socket type.
        type_: u16,
        /// Protocol.
        protocol: u16,
        /// TCP state (`include/net/tcp_states.h`).
        state: u16,
        /// Local port, host order.
        local_port: u16,
        /// Remote port, host order.
        remote_port: u16,
        /// Network namespace.
        netns: u32,
        /// Peer of a unix socket, as it connected: pid in the initial namespace.
        peer_pid: u32,
        /// Its effective user id.
        peer_uid: u32,
        /// Local address; IPv4 in the first four bytes.
        local: u8[16],
        /// Remote address.
        remote: u8[16],
    }
    /// Where a thread was when it crashed (`struct pt_regs` of x86-64).
    RegistersPart "registers_part" {
        /// The address that it could not touch, or of the instruction that went wrong.
        address: u64,
        /// Instruction pointer.
        ip: u64,
        /// Stack pointer.
        sp: u64,
        /// Frame pointer.
        bp: u64,
        /// Flags.
        flags: u64,
        /// ax, bx, cx, dx, si, di, r8 to r15.
        others: u64[14],
    }
    /// A frame of a user stack, and what its address is mapped from.
    FramePart "frame_part" {
        /// The instruction, or the one a call returns to.
        address: u64,
        /// Where the mapping begins; 0 when none is known.
        start: u64,
        /// Where it ends.
        end: u64,
        /// Where in the file it begins, bytes.
        offset: u64,
        /// Inode number of the file; 0 for memory without one.
        ino: u64,
        /// Its device, kernel `dev_t`.
        dev: u64,
        /// The last name of its path, ended by 0.
        name: u8[40],
    }
    /// Who a task is.
    TaskPart "task_part" {
        /// Start of the parent's thread-group leader, ns since boot.
        parent_start_ns: u64,
        /// Effective capabilities.
        cap_effective: u64,
        /// Permitted capabilities.
        cap_permitted: u64,
        /// Inheritable capabilities.
        cap_inheritable: u64,
        /// Capabilities that can still be gained.
        cap_bounding: u64,
        /// Capabilities kept over an exec.
        cap_ambient: u64,
        /// Parent's thread-group id.
        ppid: u32,
        /// Thread-group id in the innermost pid namespace.
        vpid: u32,
        /// Session.
        sid: u32,
        /// Process group.
        pgid: u32,
        /// Controlling terminal, kernel `dev_t`; 0 for none.
        tty: u32,
        /// Real user id.
        uid: u32,
        /// Real group id.
        gid: u32,
        /// Effective user id.
        euid: u32,
        /// Effective group id.
        egid: u32,
        /// Login user id.
        loginuid: u32,
        /// Pid namespace.
        ns_pid: u32,
        /// Mount namespace.
        ns_mnt: u32,
        /// Network namespace.
        ns_net: u32,
        /// User namespace.
        ns_user: u32,
        /// UTS namespace.
        ns_uts: u32,
        /// IPC namespace.
        ns_ipc: u32,
        /// Control group namespace.
        ns_cgroup: u32,
        /// Time namespace.
        ns_time: u32,
        /// `cred.securebits`.
        securebits: u32,
        /// Unused.
        pad: u32,
        /// Name, NUL-padded.
        comm: u8[16],
    }
    /// What the executed file was when it was executed.
    ExePart "exe_part" {
        /// Bytes of the file.
        size: u64,
        /// Last change of its contents, ns since 1970.
        mtime_ns: u64,
        /// Last change of its inode, ns since 1970.
        ctime_ns: u64,
    }
    /// What a thread, or with its last thread a process, has used.
    UsagePart "usage_part" {
        /// CPU time in user mode, ns.
        utime_ns: u64,
        /// CPU time in the kernel, ns.
        stime_ns: u64,
        /// Page faults without I/O.
        minflt: u64,
        /// Page faults with I/O.
        majflt: u64,
        /// Times it gave up the processor.
        nvcsw: u64,
        /// Times the processor was taken from it.
        nivcsw: u64,
        /// Largest resident set, pages; 0 while the process lives.
        maxrss: u64,
        /// Threads left.
        threads: u64,
    }
    /// The books of the sources that may interrupt another record.
    SideBooks "side_books" {
        /// Records offered.
        offered: u64,
        /// Records that found no room.
        dropped: u64,
    }
    /// How a call's arguments are read: a row of `SYSCALLS` as the kernel programs see it.
    Plan "plan" {
        /// 1 when there is a row.
        present: u8,
        /// Number of arguments.
        count: u8,
        /// [`PlanMark`] bits.
        marks: u8,
        /// Bit n: argument n points at something that is read.
        reads: u8,
        /// The [`afterimage_model::Class`] as a number.
        class: u32,
        /// How each argument is read: [`afterimage_model::ArgKind`], the argument that counts it << 8 ([`NOT_COUNTED`]
        /// when none does), << 16 the bytes of the structure it points at in this call convention, or the row of
        /// `choices` where another argument decides what it holds.
        readings: u32[6],
    }
    /// What user space tells the programs of a CPU.
    CpuControl "cpu_control" {
        /// Segments that user space is done with.
        tail: u64,
        /// Grows when the scope changes.
        generation: u32,
        /// A [`Pressure`].
        pressure: u32,
        /// A [`Sleep`].
        asleep: u32,
        /// Nothing.
        pad: u32,
    }
    /// An open file that a CPU has told in full.
    Told "told_file" {
        /// Address of the `struct file`.
        file: u64,
        /// Address of its dentry.
        dentry: u64,
        /// Address of its inode.
        inode: u64,
        /// The stamp of its place in `opened` then.
        stamp: u64,
        /// Its inode's number: a pipe or socket that is made anew may lie where the last one lay, in all three places.
        ino: u64,
    }
    /// The last signal that was sent to the recorder by somebody else.
    SelfSignal "self_signal" {
        /// `CLOCK_BOOTTIME`, ns; 0 when there was none.
        time_ns: u64,
        /// The signal.
        sig: u32,
        /// Thread-group id of who sent it, host numbering.
        pid: u32,
        /// The name of the thread that did.
        comm: u8[16],
    }
    /// A descriptor that is open when a recording begins. What it is follows: see [`Open`].
    OpenFile "open_file" {
        /// Start of the process, ns since boot.
        start_ns: u64,
        /// Inode.
        ino: u64,
        /// Device, kernel `dev_t`.
        dev: u64,
        /// Thread-group id, host numbering.
        tgid: u32,
        /// The descriptor.
        fd: u32,
        /// `i_mode`.
        mode: u32,
        /// Bytes that follow; 0 when a name is longer than [`PATH_MAX`].
        len: u32,
        /// An [`Open`].
        what: u32,
        /// Nothing.
        pad: u32,
    }
    /// What an argument holds, decided by another one: a choice as the kernel programs see it.
    ChoiceHead "choice_head" {
        /// The bits that decide.
        mask: u32,
        /// The argument that does.
        selector: u32,
        /// How it is read in no case; see [`Plan`].
        otherwise: u32,
    }
    /// A thread that gave up the CPU within a call.
    WaitBegun "wait_begun" {
        /// When it first did, ns since boot.
        since_ns: u64,
        /// Its own start, ns since boot: an id is used again.
        task_start: u64,
    }
    /// One CPU's books and scratch, in shared memory.
    CpuState "cpu_state" {
        /// Segment number << 32 | bytes written in it. Written last, read by user space.
        head: u64,
        /// Records offered.
        seq: u64,
        /// Records that found no room.
        dropped: u64,
        /// Records that were only counted, because they yield first.
        counted: u64,
        /// Records refused because another was being written on this CPU.
        nested: u64,
        /// Calls that were spared, by [`Verdict`].
        spared: u64[4],
        /// Not zero while a record is being written.
        busy: u64,
        /// Address of the task that was looked at last.
        task: u64,
        /// Its own start, ns since boot: an address is used again.
        task_start: u64,
        /// Address of its control group.
        group: u64,
        /// Its `self_exec_id`.
        exec_id: u32,
        /// The generation of the scope then.
        generation: u32,
        /// A [`Verdict`].
        verdict: u32,
        /// Whether the task's [`Context`] is in the ring and nothing was lost since.
        told: u32,
        /// Since when the call of the task that runs has waited, ns since boot; 0 when it has not.
        since: u64,
        /// The same of the call that is being recorded.
        waited: u64,
        /// Address of the task whose last call ended with ENOSYS, which looks like a call that is still running; 0 for none.
        left: u64,
        /// Waits that were not timed because too many threads waited.
        untimed: u64,
        /// Address of the task that runs, as far as switches were told; 0 before the first.
        runs: u64,
        /// Where the next part goes; kept in memory so that the verifier sees one state.
        off: u64,
        /// Element of the `ring` map that is being written.
        slot: u32,
        /// Where the record starts in it.
        pos: u32,
        /// Bytes kept of a payload in this record.
        snaplen: u32,
        /// Whether one of the two lists below is not all zeros.
        losses: u32,
        /// Call convention of the call that is being recorded, and the record's kind << 8.
        abi: u32,
        /// Unused.
        pad: u32,
        /// Where fields of a structure of the kernel lie while they are looked at: the stack is small before Linux 6.
        scratch: u64[12],
        /// Stands for the control group of what was not recorded since the last record: an address, or 1 for several groups.
        lost_group: u64,
        /// Its id; 0 for several.
        lost_of: u64,
        /// What was not recorded since the last record.
        lost: u32[16],
        /// What was only counted since the last record.
        yielded: u32[16],
    }
}
