//! Structures that calls pass by address, and what arguments hold that another argument decides. A structure is one row:
//! its size, its fields with offset and width; where 32-bit x86 lays it out otherwise, its own behind `|`.
//!
//! Offsets, widths and names are those of the uapi headers named in each row, and of the kernel's `compat_` structures for
//! 32-bit calls. A row need not describe all of a structure: only its size in bytes is copied from the caller's memory,
//! and what holds secrets (keys, passwords) is in no row.

use crate::args::{Abi, ArgKind, ArgSpec};
use crate::flags::flag_set;

/// A field of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructField {
    /// Name; empty for the only field of what is no structure but a number in memory.
    pub name: &'static str,
    /// What it holds.
    pub kind: ArgKind,
    /// Name of its flag set or structure; else empty.
    pub set: &'static str,
    /// Where it starts and how many bytes it takes.
    pub wide: (u16, u16),
    /// The same for 32-bit x86; a width of 0 when it is not there.
    pub narrow: (u16, u16),
}

/// A structure.
#[derive(Clone, Copy, Debug)]
pub struct Struct {
    /// Name, as arguments refer to it.
    pub name: &'static str,
    /// Bytes that are read.
    pub size: u16,
    /// Bytes that are read of a 32-bit x86 call's.
    pub narrow_size: u16,
    /// The header it is from.
    pub source: &'static str,
    /// Fields, in order.
    pub fields: &'static [StructField],
}

impl Struct {
    /// Bytes that are read where a call of this convention passes it.
    pub fn bytes(&self, abi: Abi) -> u16 {
        if abi == Abi::i386 {
            self.narrow_size
        } else {
            self.size
        }
    }

    /// Whether 32-bit x86 lays it out otherwise.
    pub fn has_narrow(&self) -> bool {
        self.size != self.narrow_size || self.fields.iter().any(|f| f.wide != f.narrow)
    }
}

/// What an argument holds when the deciding argument has a value.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Name of the value in the choice's flag set.
    pub value: &'static str,
    /// What the argument holds; its name is empty.
    pub holds: ArgSpec,
}

/// What an argument holds, decided by another one.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Name, as arguments refer to it.
    pub name: &'static str,
    /// The argument that decides.
    pub by: &'static str,
    /// The bits of it that do.
    pub mask: u64,
    /// The flag set that names its values.
    pub set: &'static str,
    /// Values.
    pub cases: &'static [Case],
    /// What it holds for all others.
    pub otherwise: ArgSpec,
}

impl Choice {
    /// The number of a case's value.
    pub fn number(&self, case: &Case) -> Option<u64> {
        let entries = flag_set(self.set)?.entries.iter();
        entries
            .filter(|entry| entry.0 == case.value)
            .map(|entry| entry.1 & self.mask)
            .next()
    }
}

/// The structure with this name.
pub fn structure(name: &str) -> Option<&'static Struct> {
    STRUCTS.iter().find(|row| row.name == name)
}

/// The choice with this name.
pub fn choice(name: &str) -> Option<&'static Choice> {
    CHOICES.iter().find(|row| row.name == name)
}

/// Everything an argument of this choice may hold, choices inside it followed.
pub fn all_cases(choice: &Choice) -> Vec<ArgSpec> {
    let mut all = vec![choice.otherwise];
    all.extend(choice.cases.iter().map(|case| case.holds));
    let inner = all.iter().filter(|spec| spec.kind == ArgKind::Choice);
    let inner: Vec<ArgSpec> = inner
        .filter_map(|spec| self::choice(spec.set))
        .flat_map(|inner| {
            inner
                .cases
                .iter()
                .map(|case| case.holds)
                .chain([inner.otherwise])
        })
        .collect();
    all.extend(inner);
    all
}

macro_rules! structs {
    (@name _) => { "" };
    (@name $name:ident) => { stringify!($name) };
    (@set $set:literal) => { $set };
    (@set) => { "" };
    (@narrow [$($wide:tt)*]) => { ($($wide)*) };
    (@narrow [$($wide:tt)*] $off:literal $width:literal) => { ($off, $width) };
    (@size $size:tt) => { $size };
    (@size $size:tt $narrow:literal) => { $narrow };
    ($(
        $struct:ident $size:tt $(| $nsize:literal)? $source:literal {
            $($field:tt $kind:ident $(($set:literal))? @ $off:tt + $width:tt $(| $noff:literal + $nwidth:literal)?;)*
        }
    )*) => {
        &[$(Struct {
            name: stringify!($struct),
            size: $size,
            narrow_size: structs!(@size $size $($nsize)?),
            source: $source,
            fields: &[$(StructField {
                name: structs!(@name $field),
                kind: ArgKind::$kind,
                set: structs!(@set $($set)?),
                wide: ($off, $width),
                narrow: structs!(@narrow [$off, $width] $($noff $nwidth)?),
            }),*],
        }),*]
    };
}

macro_rules! choices {
    (@set $set:literal) => { $set };
    (@set) => { "" };
    (@by $by:ident) => { stringify!($by) };
    (@by) => { "" };
    (@holds $kind:ident $(($($set:literal)? $(by $by:ident)?))?) => {
        ArgSpec {
            name: "",
            kind: ArgKind::$kind,
            set: choices!(@set $($($set)?)?),
            by: choices!(@by $($($by)?)?),
        }
    };
    (@mask $mask:literal) => { $mask };
    (@mask) => { u64::MAX };
    ($(
        $name:ident by $by:ident $(& $mask:literal)? in $set:literal {
            $($value:ident => $kind:ident $(($($case:tt)*))?,)*
            _ => $other:ident $(($($rest:tt)*))?,
        }
    )*) => {
        &[$(Choice {
            name: stringify!($name),
            by: stringify!($by),
            mask: choices!(@mask $($mask)?),
            set: $set,
            cases: &[$(Case { value: stringify!($value), holds: choices!(@holds $kind $(($($case)*))?) }),*],
            otherwise: choices!(@holds $other $(($($rest)*))?),
        }),*]
    };
}

// Where 64-bit ARM lays a structure out otherwise than x86-64. A capture carries the layouts of the machine it was made on.
const ARM: bool = cfg!(target_arch = "aarch64");
const EPOLL_BYTES: u16 = if ARM { 16 } else { 12 };
const EPOLL_DATA: u16 = if ARM { 8 } else { 4 };
const STAT_NLINK: u16 = if ARM { 20 } else { 16 };
const STAT_NLINK_BYTES: u16 = if ARM { 4 } else { 8 };
const STAT_MODE: u16 = if ARM { 16 } else { 24 };
const STAT_UID: u16 = if ARM { 24 } else { 28 };
const STAT_GID: u16 = if ARM { 28 } else { 32 };
const STAT_RDEV: u16 = if ARM { 32 } else { 40 };

/// Every structure, sorted by name. Field: name, kind, offset + width, and behind `|` those of 32-bit x86.
#[rustfmt::skip]
pub const STRUCTS: &[Struct] = structs! {
    accept_queue 8 "what waits at a listening socket" { length Uint @ 0+4; max Uint @ 4+4; }
    aio_sigset 16 | 8 "linux/aio_abi.h, fs/aio.c" { sigmask Ptr @ 0+8 | 0+4; sigsetsize Size @ 8+8 | 4+4; }
    bpf_btf_load 28 "linux/bpf.h" { btf Ptr @ 0+8; btf_log_buf Ptr @ 8+8; btf_size Uint @ 16+4; btf_log_size Uint @ 20+4; btf_log_level Uint @ 24+4; }
    bpf_fd 4 "linux/bpf.h" { fd Fd @ 0+4; }
    bpf_id 12 "linux/bpf.h" { start_id Uint @ 0+4; next_id Uint @ 4+4; open_flags Flags("bpf_map_flags") @ 8+4; }
    bpf_info 16 "linux/bpf.h" { bpf_fd Fd @ 0+4; info_len Uint @ 4+4; info Ptr @ 8+8; }
    bpf_link_create 16 "linux/bpf.h" { prog_fd Fd @ 0+4; target_fd Fd @ 4+4; attach_type Enum("bpf_attach_type") @ 8+4; flags Hex @ 12+4; }
    bpf_map_create 48 "linux/bpf.h" {
        map_type Enum("bpf_map_type") @ 0+4; key_size Uint @ 4+4; value_size Uint @ 8+4; max_entries Uint @ 12+4;
        map_flags Flags("bpf_map_flags") @ 16+4; inner_map_fd Fd @ 20+4; numa_node Uint @ 24+4; map_name Str @ 28+16;
    }
    bpf_map_elem 32 "linux/bpf.h" { map_fd Fd @ 0+4; key Ptr @ 8+8; value Ptr @ 16+8; flags Flags("bpf_elem") @ 24+8; }
    bpf_obj 20 "linux/bpf.h" { pathname Ptr @ 0+8; bpf_fd Fd @ 8+4; file_flags Flags("bpf_map_flags") @ 12+4; path_fd Fd @ 16+4; }
    bpf_prog_attach 20 "linux/bpf.h" {
        target_fd Fd @ 0+4; attach_bpf_fd Fd @ 4+4; attach_type Enum("bpf_attach_type") @ 8+4; attach_flags Hex @ 12+4; replace_bpf_fd Fd @ 16+4;
    }
    bpf_prog_load 72 "linux/bpf.h" {
        prog_type Enum("bpf_prog_type") @ 0+4; insn_cnt Uint @ 4+4; insns Ptr @ 8+8; license Ptr @ 16+8; log_level Uint @ 24+4;
        prog_flags Flags("bpf_prog_flags") @ 44+4; prog_name Str @ 48+16; prog_ifindex Uint @ 64+4; expected_attach_type Enum("bpf_attach_type") @ 68+4;
    }
    bpf_raw_tracepoint 24 "linux/bpf.h" { name Ptr @ 0+8; prog_fd Fd @ 8+4; cookie Hex @ 16+8; }
    bpf_test_run 16 "linux/bpf.h" { prog_fd Fd @ 0+4; retval Uint @ 4+4; data_size_in Uint @ 8+4; data_size_out Uint @ 12+4; }
    cachestat 40 "linux/mman.h" { nr_cache Uint @ 0+8; nr_dirty Uint @ 8+8; nr_writeback Uint @ 16+8; nr_evicted Uint @ 24+8; nr_recently_evicted Uint @ 32+8; }
    cachestat_range 16 "linux/mman.h" { off Uint @ 0+8; len Size @ 8+8; }
    cap_data 24 "linux/capability.h" { effective Caps @ 0+16; permitted Caps @ 4+16; inheritable Caps @ 8+16; }
    cap_header 8 "linux/capability.h" { version Enum("cap_version") @ 0+4; pid Pid @ 4+4; }
    char 1 "a character" { _ Str @ 0+1; }
    clone_args 88 "linux/sched.h" {
        flags Flags("clone3") @ 0+8; pidfd Ptr @ 8+8; child_tid Ptr @ 16+8; parent_tid Ptr @ 24+8; exit_signal Signal @ 32+8; stack Ptr @ 40+8;
        stack_size Size @ 48+8; tls Ptr @ 56+8; set_tid Ptr @ 64+8; set_tid_size Uint @ 72+8; cgroup Fd @ 80+8;
    }
    comm 16 "linux/sched.h" { _ Str @ 0+16; }
    cpu_set 128 "a set of processors" { _ BitList @ 0+128; }
    dqblk 72 | 68 "linux/quota.h" {
        bhardlimit Uint @ 0+8; bsoftlimit Uint @ 8+8; curspace Uint @ 16+8; ihardlimit Uint @ 24+8; isoftlimit Uint @ 32+8; curinodes Uint @ 40+8;
        btime Epoch @ 48+8; itime Epoch @ 56+8; valid Hex @ 64+4;
    }
    epoll_event EPOLL_BYTES | 12 "linux/eventpoll.h" { events Flags("epoll") @ 0+4; data Hex @ EPOLL_DATA+8 | 4+8; }
    f_owner_ex 8 "asm-generic/fcntl.h" { type Enum("f_owner") @ 0+4; pid Pid @ 4+4; }
    fd 4 "a descriptor" { _ Fd @ 0+4; }
    file_attr 24 "linux/fs.h" { xflags Flags("fs_xflags") @ 0+8; extsize Uint @ 8+4; nextents Uint @ 12+4; projid Uint @ 16+4; cowextsize Uint @ 20+4; }
    file_clone_range 32 "linux/fs.h" { src_fd Fd @ 0+8; src_offset Uint @ 8+8; src_length Uint @ 16+8; dest_offset Uint @ 24+8; }
    file_handle 16 "linux/fcntl.h, include/linux/fs.h" { handle_bytes Uint @ 0+4; handle_type Hex @ 4+4; f_handle Bytes @ 8+8; }
    file_handle_head 8 "include/linux/fs.h" { handle_bytes Uint @ 0+4; handle_type Hex @ 4+4; }
    flock 32 | 16 "asm-generic/fcntl.h" {
        type Enum("lock_type") @ 0+2; whence Enum("whence") @ 2+2; start Offset @ 8+8 | 4+4; len Offset @ 16+8 | 8+4; pid Pid @ 24+4 | 12+4;
    }
    flock64 32 | 24 "asm-generic/fcntl.h, arch/x86/include/asm/compat.h" {
        type Enum("lock_type") @ 0+2; whence Enum("whence") @ 2+2; start Offset @ 8+8 | 4+8; len Offset @ 16+8 | 12+8; pid Pid @ 24+4 | 20+4;
    }
    fsxattr 28 "linux/fs.h" { xflags Flags("fs_xflags") @ 0+4; extsize Uint @ 4+4; nextents Uint @ 8+4; projid Uint @ 12+4; cowextsize Uint @ 16+4; }
    futex_requeue 48 "linux/futex.h" { from Given("futex_waitv") @ 0+24; to Given("futex_waitv") @ 24+24; }
    futex_waitv 24 "linux/futex.h" { val Uint @ 0+8; uaddr Ptr @ 8+8; flags Flags("futex2") @ 16+4; }
    gid 4 | 2 "asm/posix_types.h" { _ Gid @ 0+4 | 0+2; }
    gid32 4 "asm/posix_types.h" { _ Gid @ 0+4; }
    ifreq 24 "linux/if.h" { name Str @ 0+16; data Bytes @ 16+8; }
    ifreq_addr 32 "linux/if.h" { name Str @ 0+16; addr SockAddrIn @ 16+16; }
    ifreq_flags 18 "linux/if.h" { name Str @ 0+16; flags Flags("iff") @ 16+2; }
    ifreq_int 20 "linux/if.h" { name Str @ 0+16; value Int @ 16+4; }
    inode_flags 4 "linux/fs.h" { _ Flags("inode_flags") @ 0+4; }
    int 4 "an int" { _ Int @ 0+4; }
    io_event 32 "linux/aio_abi.h" { data Hex @ 0+8; obj Ptr @ 8+8; res Errno @ 16+8; res2 Int @ 24+8; }
    io_uring_getevents_arg 24 "linux/io_uring.h" { sigmask Ptr @ 0+8; sigmask_sz Uint @ 8+4; min_wait_usec Uint @ 12+4; ts Ptr @ 16+8; }
    io_uring_params 40 "linux/io_uring.h" {
        sq_entries Uint @ 0+4; cq_entries Uint @ 4+4; flags Flags("io_uring_setup") @ 8+4; sq_thread_cpu Uint @ 12+4; sq_thread_idle Uint @ 16+4;
        features Flags("io_uring_features") @ 20+4; wq_fd Fd @ 24+4;
    }
    io_uring_restriction 16 "linux/io_uring.h" { opcode Enum("io_uring_restriction") @ 0+2; op Uint @ 2+1; }
    iocb 64 "linux/aio_abi.h" {
        data Hex @ 0+8; opcode Enum("iocb_cmd") @ 16+2; fildes Fd @ 20+4; buf Ptr @ 24+8; nbytes Size @ 32+8; offset Offset @ 40+8; flags Hex @ 56+4; resfd Fd @ 60+4;
    }
    iovec 16 | 8 "linux/uio.h" { base Ptr @ 0+8 | 0+4; len Size @ 8+8 | 4+4; }
    ipc_perm 24 "asm-generic/ipcbuf.h" { key Hex @ 0+4; uid Uid @ 4+4; gid Gid @ 8+4; cuid Uid @ 12+4; cgid Gid @ 16+4; mode Mode @ 20+4 | 20+2; }
    itimerspec 32 | 16 "linux/time.h" { interval TimeSpec @ 0+16 | 0+8; value TimeSpec @ 16+16 | 8+8; }
    itimerspec64 32 "linux/time_types.h" { interval TimeSpec @ 0+16; value TimeSpec @ 16+16; }
    itimerval 32 | 16 "linux/time.h" { interval TimeVal @ 0+16 | 0+8; value TimeVal @ 16+16 | 8+8; }
    kexec_segment 32 | 16 "linux/kexec.h" { buf Ptr @ 0+8 | 0+4; bufsz Size @ 8+8 | 4+4; mem Ptr @ 16+8 | 8+4; memsz Size @ 24+8 | 12+4; }
    landlock_net_port_attr 16 "linux/landlock.h" { allowed_access Flags("landlock_net") @ 0+8; port Uint @ 8+8; }
    landlock_path_beneath_attr 12 "linux/landlock.h" { allowed_access Flags("landlock_fs") @ 0+8; parent_fd Fd @ 8+4; }
    landlock_ruleset_attr 24 "linux/landlock.h" {
        handled_access_fs Flags("landlock_fs") @ 0+8; handled_access_net Flags("landlock_net") @ 8+8; scoped Flags("landlock_scope") @ 16+8;
    }
    linger 8 "linux/socket.h" { onoff Int @ 0+4; linger Int @ 4+4; }
    loff_t 8 "linux/types.h" { _ Offset @ 0+8; }
    lsm_ctx 512 "linux/lsm.h" { id Enum("lsm_id") @ 0+8; flags Hex @ 8+8; len Size @ 16+8; ctx_len Size @ 24+8; ctx Str @ 32+480; }
    lsm_id 8 "linux/lsm.h" { _ Enum("lsm_id") @ 0+8; }
    mmap_arg 24 "arch/x86/kernel/sys_ia32.c" {
        addr Ptr @ 0+4; len Size @ 4+4; prot Flags("prot") @ 8+4; flags Flags("mmap") @ 12+4; fd Fd @ 16+4; offset Hex @ 20+4;
    }
    mnt_id_req 24 "linux/mount.h" { size Uint @ 0+4; mnt_ns_fd Int @ 4+4; mnt_id Hex @ 8+8; param Flags("statmount") @ 16+8; }
    mount_attr 32 "linux/mount.h" {
        attr_set Flags("mount_setattr") @ 0+8; attr_clr Flags("mount_setattr") @ 8+8; propagation Flags("propagation") @ 16+8; userns_fd Fd @ 24+8;
    }
    mq_attr 32 | 16 "linux/mqueue.h" { flags Flags("descriptor") @ 0+8 | 0+4; maxmsg Int @ 8+8 | 4+4; msgsize Int @ 16+8 | 8+4; curmsgs Int @ 24+8 | 12+4; }
    msg_type 8 | 4 "linux/msg.h" { mtype Int @ 0+8 | 0+4; }
    off_t 8 | 4 "asm/posix_types.h" { _ Offset @ 0+8 | 0+4; }
    old_sigaction 16 "linux/compat.h" { handler Enum("sig_handler") @ 0+4; mask SigSet @ 4+4; flags Flags("sa_flags") @ 8+4; }
    old_sigset 4 "asm/signal.h" { _ SigSet @ 0+4; }
    old_stat 32 "asm/stat.h" {
        st_dev Dev @ 0+2; st_ino Uint @ 2+2; st_mode FileMode @ 4+2; st_nlink Uint @ 6+2; st_uid Uid @ 8+2; st_gid Gid @ 10+2; st_rdev Dev @ 12+2;
        st_size Uint @ 16+4; st_atime Epoch @ 20+4; st_mtime Epoch @ 24+4;
    }
    open_how 24 "linux/openat2.h" { flags Flags("open") @ 0+8; mode Mode @ 8+8; resolve Flags("resolve") @ 16+8; }
    perf_event_attr 64 "linux/perf_event.h" {
        type Enum("perf_type") @ 0+4; size Uint @ 4+4; config Hex @ 8+8; sample_period Uint @ 16+8; sample_type Flags("perf_sample") @ 24+8;
        read_format Hex @ 32+8; flags Flags("perf_attr") @ 40+8; bp_addr Ptr @ 56+8;
    }
    pid 4 "a process id" { _ Pid @ 0+4; }
    pointer 8 | 4 "an address" { _ Ptr @ 0+8 | 0+4; }
    pollfd 8 "asm-generic/poll.h" { fd Fd @ 0+4; events Flags("poll") @ 4+2; revents Flags("poll") @ 6+2; }
    rlimit 16 | 8 "linux/resource.h" { cur Int("rlim") @ 0+8 | 0+4; max Int("rlim") @ 8+8 | 4+4; }
    rlimit64 16 "linux/resource.h" { cur Int("rlim") @ 0+8; max Int("rlim") @ 8+8; }
    rusage 40 | 20 "linux/resource.h" { utime TimeVal @ 0+16 | 0+8; stime TimeVal @ 16+16 | 8+8; maxrss Uint @ 32+8 | 16+4; }
    rw_hint 8 "linux/fcntl.h" { _ Enum("rw_hint") @ 0+8; }
    sched_attr 48 "linux/sched/types.h" {
        size Uint @ 0+4; policy Flags("sched_policy") @ 4+4; flags Flags("sched_flags") @ 8+8; nice Int @ 16+4; priority Uint @ 20+4;
        runtime Uint @ 24+8; deadline Uint @ 32+8; period Uint @ 40+8;
    }
    sched_param 4 "linux/sched/types.h" { priority Int @ 0+4; }
    seccomp_action 4 "linux/seccomp.h" { _ Flags("seccomp_ret") @ 0+4; }
    seccomp_notif_sizes 6 "linux/seccomp.h" { notif Uint @ 0+2; notif_resp Uint @ 2+2; data Uint @ 4+2; }
    sel_arg 20 "fs/select.c" { n Uint @ 0+4; inp Ptr @ 4+4; outp Ptr @ 8+4; exp Ptr @ 12+4; tvp Ptr @ 16+4; }
    sembuf 6 "linux/sem.h" { num Uint @ 0+2; op Int @ 2+2; flg Flags("sem_flags") @ 4+2; }
    sigaction 32 | 20 "asm/signal.h" { handler Enum("sig_handler") @ 0+8 | 0+4; flags Flags("sa_flags") @ 8+8 | 4+4; mask SigSet @ 24+8 | 12+8; }
    sigevent 20 | 16 "asm-generic/siginfo.h" { value Hex @ 0+8 | 0+4; signo Signal @ 8+4 | 4+4; notify Flags("sigev") @ 12+4 | 8+4; tid Pid @ 16+4 | 12+4; }
    siginfo 28 | 24 "asm-generic/siginfo.h" { signo Signal @ 0+4; errno Int @ 4+4; code Int("si_code") @ 8+4; pid Pid @ 16+4 | 12+4; uid Uid @ 20+4 | 16+4; }
    siginfo_child 28 | 24 "asm-generic/siginfo.h" {
        signo Signal @ 0+4; code Enum("cld_code") @ 8+4; pid Pid @ 16+4 | 12+4; uid Uid @ 20+4 | 16+4; status Int @ 24+4 | 20+4;
    }
    sigset 8 "asm/signal.h" { _ SigSet @ 0+8; }
    sigset_argpack 16 | 8 "fs/select.c" { ss Ptr @ 0+8 | 0+4; ss_len Size @ 8+8 | 4+4; }
    size 8 | 4 "asm/posix_types.h" { _ Size @ 0+8 | 0+4; }
    sock_fprog 16 | 8 "linux/filter.h" { len Uint @ 0+2; filter Ptr @ 8+8 | 4+4; }
    socket_args2 16 | 8 "net/socket.c" { a0 Hex @ 0+8 | 0+4; a1 Hex @ 8+8 | 4+4; }
    socket_args3 24 | 12 "net/socket.c" { a0 Hex @ 0+8 | 0+4; a1 Hex @ 8+8 | 4+4; a2 Hex @ 16+8 | 8+4; }
    socket_args4 32 | 16 "net/socket.c" { a0 Hex @ 0+8 | 0+4; a1 Hex @ 8+8 | 4+4; a2 Hex @ 16+8 | 8+4; a3 Hex @ 24+8 | 12+4; }
    socket_args5 40 | 20 "net/socket.c" { a0 Hex @ 0+8 | 0+4; a1 Hex @ 8+8 | 4+4; a2 Hex @ 16+8 | 8+4; a3 Hex @ 24+8 | 12+4; a4 Hex @ 32+8 | 16+4; }
    socket_args6 48 | 24 "net/socket.c" {
        a0 Hex @ 0+8 | 0+4; a1 Hex @ 8+8 | 4+4; a2 Hex @ 16+8 | 8+4; a3 Hex @ 24+8 | 12+4; a4 Hex @ 32+8 | 16+4; a5 Hex @ 40+8 | 20+4;
    }
    stack_t 24 | 12 "asm/signal.h" { sp Ptr @ 0+8 | 0+4; flags Flags("ss") @ 8+4 | 4+4; size Size @ 16+8 | 8+4; }
    stamp 16 | 8 "linux/time.h" { _ Stamp @ 0+16 | 0+8; }
    stamp64 16 "linux/time_types.h" { _ Stamp @ 0+16; }
    stamp_pair 32 | 16 "linux/time.h" { atime Stamp @ 0+16 | 0+8; mtime Stamp @ 16+16 | 8+8; }
    stamp_pair64 32 "linux/time_types.h" { atime Stamp @ 0+16; mtime Stamp @ 16+16; }
    stamp_us 16 | 8 "linux/time.h" { _ StampUs @ 0+16 | 0+8; }
    stamp_us_pair 32 | 16 "linux/time.h" { atime StampUs @ 0+16 | 0+8; mtime StampUs @ 16+16 | 8+8; }
    stat 104 | 48 "asm/stat.h, arch/x86/include/asm/compat.h" {
        st_dev Dev @ 0+8 | 0+4; st_ino Uint @ 8+8 | 4+4; st_mode FileMode @ STAT_MODE+4 | 8+2; st_nlink Uint @ STAT_NLINK+STAT_NLINK_BYTES | 10+2;
        st_uid Uid @ STAT_UID+4 | 12+2; st_gid Gid @ STAT_GID+4 | 14+2; st_rdev Dev @ STAT_RDEV+8 | 16+4; st_size Offset @ 48+8 | 20+4;
        st_atime Stamp @ 72+16 | 32+8; st_mtime Stamp @ 88+16 | 40+8;
    }
    stat64 80 "asm/stat.h" {
        st_dev Dev @ 0+8; st_ino Uint @ 12+4; st_mode FileMode @ 16+4; st_nlink Uint @ 20+4; st_uid Uid @ 24+4; st_gid Gid @ 28+4; st_rdev Dev @ 32+8;
        st_size Offset @ 44+8; st_atime Stamp @ 64+8; st_mtime Stamp @ 72+8;
    }
    statfs 88 | 48 "asm-generic/statfs.h, arch/x86/include/asm/compat.h" {
        type Enum("fs_magic") @ 0+8 | 0+4; bsize Uint @ 8+8 | 4+4; blocks Uint @ 16+8 | 8+4; bfree Uint @ 24+8 | 12+4; bavail Uint @ 32+8 | 16+4;
        files Uint @ 40+8 | 20+4; ffree Uint @ 48+8 | 24+4; namelen Uint @ 64+8 | 36+4; flags Flags("st_flags") @ 80+8 | 44+4;
    }
    statfs64 68 "asm-generic/statfs.h" {
        type Enum("fs_magic") @ 0+4; bsize Uint @ 4+4; blocks Uint @ 8+8; bfree Uint @ 16+8; bavail Uint @ 24+8; files Uint @ 32+8; ffree Uint @ 40+8;
        namelen Uint @ 56+4; flags Flags("st_flags") @ 64+4;
    }
    statmount 96 "linux/mount.h" {
        size Uint @ 0+4; mask Flags("statmount") @ 8+8; sb_dev_major Uint @ 16+4; sb_dev_minor Uint @ 20+4; sb_magic Enum("fs_magic") @ 24+8;
        mnt_id Hex @ 40+8; mnt_parent_id Hex @ 48+8; mnt_attr Flags("mount_attr") @ 64+8; mnt_propagation Flags("propagation") @ 72+8;
    }
    statx 144 "linux/stat.h" {
        mask Flags("statx") @ 0+4; attributes Flags("statx_attr") @ 8+8; nlink Uint @ 16+4; uid Uid @ 20+4; gid Gid @ 24+4; mode FileMode @ 28+2;
        ino Uint @ 32+8; size Uint @ 40+8; btime Stamp @ 80+16; mtime Stamp @ 112+16; dev_major Uint @ 136+4; dev_minor Uint @ 140+4;
    }
    sysinfo 88 | 44 "linux/sysinfo.h" {
        uptime Uint @ 0+8 | 0+4; totalram Uint @ 32+8 | 16+4; freeram Uint @ 40+8 | 20+4; totalswap Uint @ 64+8 | 32+4; freeswap Uint @ 72+8 | 36+4;
        procs Uint @ 80+2 | 40+2;
    }
    tcp_info 8 "linux/tcp.h" { state Uint @ 0+1; ca_state Uint @ 1+1; retransmits Uint @ 2+1; probes Uint @ 3+1; backoff Uint @ 4+1; options Hex @ 5+1; }
    termios 36 "asm-generic/termbits.h" { iflag Hex @ 0+4; oflag Hex @ 4+4; cflag Hex @ 8+4; lflag Flags("lflag") @ 12+4; line Uint @ 16+1; }
    text 512 "text" { _ Str @ 0+512; }
    time_t 8 | 4 "asm/posix_types.h" { _ Epoch @ 0+8 | 0+4; }
    timespec 16 | 8 "linux/time.h" { _ TimeSpec @ 0+16 | 0+8; }
    timespec64 16 "linux/time_types.h" { _ TimeSpec @ 0+16; }
    timeval 16 | 8 "linux/time.h" { _ TimeVal @ 0+16 | 0+8; }
    timex 48 | 24 "linux/timex.h" {
        modes Flags("adjtimex") @ 0+4; offset Int @ 8+8 | 4+4; freq Int @ 16+8 | 8+4; maxerror Int @ 24+8 | 12+4; esterror Int @ 32+8 | 16+4;
        status Flags("timex_status") @ 40+4 | 20+4;
    }
    timex64 48 "linux/timex.h" {
        modes Flags("adjtimex") @ 0+4; offset Int @ 8+8; freq Int @ 16+8; maxerror Int @ 24+8; esterror Int @ 32+8; status Flags("timex_status") @ 40+4;
    }
    timezone 8 "linux/time.h" { minuteswest Int @ 0+4; dsttime Int @ 4+4; }
    tms 32 | 16 "linux/times.h" { utime Uint @ 0+8 | 0+4; stime Uint @ 8+8 | 4+4; cutime Uint @ 16+8 | 8+4; cstime Uint @ 24+8 | 12+4; }
    u32 4 "a number" { _ Uint @ 0+4; }
    u64 8 "a number" { _ Uint @ 0+8; }
    ucred 12 "linux/socket.h" { pid Pid @ 0+4; uid Uid @ 4+4; gid Gid @ 8+4; }
    uid 4 | 2 "asm/posix_types.h" { _ Uid @ 0+4 | 0+2; }
    uid32 4 "asm/posix_types.h" { _ Uid @ 0+4; }
    unnamed 512 "bytes" { _ Bytes @ 0+512; }
    user_desc 16 "asm/ldt.h" { entry_number Int @ 0+4; base_addr Hex @ 4+4; limit Hex @ 8+4; flags Hex @ 12+4; }
    utimbuf 16 | 8 "linux/utime.h" { actime Epoch @ 0+8 | 0+4; modtime Epoch @ 8+8 | 4+4; }
    wait_status 4 "linux/wait.h" { _ WaitStatus @ 0+4; }
    winsize 8 "asm-generic/termios.h" { row Uint @ 0+2; col Uint @ 2+2; xpixel Uint @ 4+2; ypixel Uint @ 6+2; }
    xattr_args 16 "linux/xattr.h" { value Ptr @ 0+8; size Uint @ 8+4; flags Flags("xattr") @ 12+4; }
};

/// Every choice, sorted by name: the deciding argument (and which of its bits), the set that names its values, then what
/// the argument holds for each.
#[rustfmt::skip]
pub const CHOICES: &[Choice] = choices! {
    arch_prctl_addr by op in "arch_prctl" {
        ARCH_GET_FS => Filled("pointer"), ARCH_GET_GS => Filled("pointer"),
        _ => Hex,
    }
    bpf_attr by cmd in "bpf" {
        BPF_MAP_CREATE => StructIn("bpf_map_create" by size),
        BPF_MAP_LOOKUP_ELEM => StructIn("bpf_map_elem" by size),
        BPF_MAP_UPDATE_ELEM => StructIn("bpf_map_elem" by size),
        BPF_MAP_DELETE_ELEM => StructIn("bpf_map_elem" by size),
        BPF_MAP_GET_NEXT_KEY => StructIn("bpf_map_elem" by size),
        BPF_MAP_LOOKUP_AND_DELETE_ELEM => StructIn("bpf_map_elem" by size),
        BPF_PROG_LOAD => StructIn("bpf_prog_load" by size),
        BPF_OBJ_PIN => StructIn("bpf_obj" by size),
        BPF_OBJ_GET => StructIn("bpf_obj" by size),
        BPF_PROG_ATTACH => StructIn("bpf_prog_attach" by size),
        BPF_PROG_DETACH => StructIn("bpf_prog_attach" by size),
        BPF_PROG_TEST_RUN => StructIn("bpf_test_run" by size),
        BPF_PROG_GET_NEXT_ID => StructIn("bpf_id" by size),
        BPF_MAP_GET_NEXT_ID => StructIn("bpf_id" by size),
        BPF_BTF_GET_NEXT_ID => StructIn("bpf_id" by size),
        BPF_LINK_GET_NEXT_ID => StructIn("bpf_id" by size),
        BPF_PROG_GET_FD_BY_ID => StructIn("bpf_id" by size),
        BPF_MAP_GET_FD_BY_ID => StructIn("bpf_id" by size),
        BPF_BTF_GET_FD_BY_ID => StructIn("bpf_id" by size),
        BPF_LINK_GET_FD_BY_ID => StructIn("bpf_id" by size),
        BPF_OBJ_GET_INFO_BY_FD => StructIn("bpf_info" by size),
        BPF_RAW_TRACEPOINT_OPEN => StructIn("bpf_raw_tracepoint" by size),
        BPF_BTF_LOAD => StructIn("bpf_btf_load" by size),
        BPF_LINK_CREATE => StructIn("bpf_link_create" by size),
        BPF_LINK_DETACH => StructIn("bpf_fd" by size),
        BPF_ITER_CREATE => StructIn("bpf_fd" by size),
        BPF_MAP_FREEZE => StructIn("bpf_fd" by size),
        _ => StructIn("unnamed" by size),
    }
    clock_value by clockid in "clockid" {
        CLOCK_REALTIME => Filled("stamp"), CLOCK_REALTIME_COARSE => Filled("stamp"), CLOCK_TAI => Filled("stamp"),
        _ => Filled("timespec"),
    }
    clock_value64 by clockid in "clockid" {
        CLOCK_REALTIME => Filled("stamp64"), CLOCK_REALTIME_COARSE => Filled("stamp64"), CLOCK_TAI => Filled("stamp64"),
        _ => Filled("timespec64"),
    }
    fcntl_arg by op in "fcntl" {
        F_DUPFD => Int, F_DUPFD_CLOEXEC => Int, F_SETFD => Flags("fd_flags"), F_SETFL => Flags("open"),
        F_GETLK => Given("flock"), F_SETLK => Given("flock"), F_SETLKW => Given("flock"),
        F_GETLK64 => Given("flock64"), F_SETLK64 => Given("flock64"), F_SETLKW64 => Given("flock64"),
        F_OFD_GETLK => Given("flock64"), F_OFD_SETLK => Given("flock64"), F_OFD_SETLKW => Given("flock64"),
        F_SETOWN => Pid, F_SETSIG => Signal, F_SETOWN_EX => Given("f_owner_ex"), F_GETOWN_EX => Filled("f_owner_ex"),
        F_SETLEASE => Enum("lock_type"), F_NOTIFY => Flags("dnotify"), F_SETPIPE_SZ => Size, F_ADD_SEALS => Flags("seals"),
        F_GET_RW_HINT => Filled("rw_hint"), F_SET_RW_HINT => Given("rw_hint"),
        F_GET_FILE_RW_HINT => Filled("rw_hint"), F_SET_FILE_RW_HINT => Given("rw_hint"),
        _ => Hex,
    }
    fsconfig_value by cmd in "fsconfig" {
        FSCONFIG_SET_STRING => Str, FSCONFIG_SET_PATH => Path, FSCONFIG_SET_PATH_EMPTY => Path,
        _ => Ptr,
    }
    futex_timeout by futex_op & 0x7f in "futex" {
        FUTEX_WAIT => Given("timespec"), FUTEX_WAIT_BITSET => Given("timespec"), FUTEX_WAIT_REQUEUE_PI => Given("timespec"),
        FUTEX_LOCK_PI => Given("timespec"), FUTEX_LOCK_PI2 => Given("timespec"),
        FUTEX_REQUEUE => Uint, FUTEX_CMP_REQUEUE => Uint, FUTEX_CMP_REQUEUE_PI => Uint, FUTEX_WAKE_OP => Uint,
        _ => Ptr,
    }
    futex_timeout64 by futex_op & 0x7f in "futex" {
        FUTEX_WAIT => Given("timespec64"), FUTEX_WAIT_BITSET => Given("timespec64"), FUTEX_WAIT_REQUEUE_PI => Given("timespec64"),
        FUTEX_LOCK_PI => Given("timespec64"), FUTEX_LOCK_PI2 => Given("timespec64"),
        FUTEX_REQUEUE => Uint, FUTEX_CMP_REQUEUE => Uint, FUTEX_CMP_REQUEUE_PI => Uint, FUTEX_WAKE_OP => Uint,
        _ => Ptr,
    }
    getsockopt_value by level in "sockopt_level" {
        SOL_SOCKET => Choice("so_value_out"), SOL_IP => StructOutLen("int"), SOL_IPV6 => StructOutLen("int"), SOL_UDP => StructOutLen("int"),
        SOL_TCP => Choice("tcp_value_out"), SOL_NETLINK => StructOutLen("int"), SOL_PACKET => StructOutLen("int"),
        _ => Ptr,
    }
    io_uring_enter_arg by flags & 8 in "io_uring_enter" {
        IORING_ENTER_EXT_ARG => StructIn("io_uring_getevents_arg" by argsz),
        _ => StructIn("sigset" by argsz),
    }
    io_uring_register_arg by opcode in "io_uring_register" {
        IORING_REGISTER_BUFFERS => GivenArray("iovec" by nr_args), IORING_REGISTER_FILES => GivenArray("fd" by nr_args),
        IORING_REGISTER_EVENTFD => Given("fd"), IORING_REGISTER_EVENTFD_ASYNC => Given("fd"),
        IORING_REGISTER_RESTRICTIONS => GivenArray("io_uring_restriction" by nr_args),
        _ => Ptr,
    }
    ioctl_arg by request in "ioctl" {
        TCGETS => Filled("termios"), TCSETS => Given("termios"), TCSETSW => Given("termios"), TCSETSF => Given("termios"),
        TIOCSTI => Given("char"), TIOCGWINSZ => Filled("winsize"), TIOCSWINSZ => Given("winsize"),
        TIOCGPGRP => Filled("pid"), TIOCSPGRP => Given("pid"), TIOCGSID => Filled("pid"), TIOCOUTQ => Filled("int"),
        TIOCGPTN => Filled("int"), TIOCSPTLCK => Given("int"), TIOCSCTTY => Int, TIOCSETD => Given("int"), TIOCGETD => Filled("int"),
        TIOCGPTPEER => Flags("open"), TCSBRK => Int, TCXONC => Int, TCFLSH => Int,
        FIONREAD => Filled("int"), FIONBIO => Given("int"), FIOASYNC => Given("int"), FIOQSIZE => Filled("loff_t"),
        SIOCGIFNAME => Given("ifreq_int"), SIOCGIFINDEX => Given("ifreq_int"), SIOCGIFMTU => Given("ifreq_int"), SIOCSIFMTU => Given("ifreq_int"),
        SIOCGIFFLAGS => Given("ifreq_flags"), SIOCSIFFLAGS => Given("ifreq_flags"), TUNSETIFF => Given("ifreq_flags"),
        SIOCGIFADDR => Given("ifreq_addr"), SIOCSIFADDR => Given("ifreq_addr"), SIOCGIFNETMASK => Given("ifreq_addr"),
        SIOCSIFNETMASK => Given("ifreq_addr"), SIOCGIFBRDADDR => Given("ifreq_addr"), SIOCGIFHWADDR => Given("ifreq"), SIOCETHTOOL => Given("ifreq"),
        FICLONE => Fd, FICLONERANGE => Given("file_clone_range"), FS_IOC_GETFLAGS => Filled("inode_flags"), FS_IOC_SETFLAGS => Given("inode_flags"),
        FS_IOC_FSGETXATTR => Filled("fsxattr"), FS_IOC_FSSETXATTR => Given("fsxattr"), NS_GET_OWNER_UID => Filled("uid32"),
        PERF_EVENT_IOC_SET_BPF => Fd, LOOP_SET_FD => Fd, BLKGETSIZE64 => Filled("u64"),
        _ => Ptr,
    }
    keyctl_arg2 by op in "keyctl" {
        KEYCTL_JOIN_SESSION_KEYRING => Str, KEYCTL_SET_REQKEY_KEYRING => Int,
        _ => Int("key_spec"),
    }
    keyctl_arg3 by op in "keyctl" {
        KEYCTL_CHOWN => Uid, KEYCTL_SETPERM => Flags("key_perm"), KEYCTL_LINK => Int("key_spec"), KEYCTL_UNLINK => Int("key_spec"),
        KEYCTL_SEARCH => Str, KEYCTL_GET_KEYRING_ID => Int, KEYCTL_SET_TIMEOUT => Uint, KEYCTL_MOVE => Int("key_spec"), KEYCTL_RESTRICT_KEYRING => Str,
        _ => Hex,
    }
    keyctl_arg4 by op in "keyctl" {
        KEYCTL_CHOWN => Gid, KEYCTL_SEARCH => Str, KEYCTL_DESCRIBE => Size, KEYCTL_READ => Size, KEYCTL_MOVE => Int("key_spec"),
        KEYCTL_INSTANTIATE => Size, KEYCTL_RESTRICT_KEYRING => Str,
        _ => Hex,
    }
    keyctl_arg5 by op in "keyctl" {
        KEYCTL_SEARCH => Int("key_spec"), KEYCTL_INSTANTIATE => Int("key_spec"),
        _ => Hex,
    }
    landlock_rule_attr by rule_type in "landlock_rule" {
        LANDLOCK_RULE_PATH_BENEATH => Given("landlock_path_beneath_attr"), LANDLOCK_RULE_NET_PORT => Given("landlock_net_port_attr"),
        _ => Ptr,
    }
    msg_buf by op in "msgctl" {
        IPC_SET => Given("ipc_perm"), IPC_STAT => Filled("ipc_perm"), MSG_STAT => Filled("ipc_perm"),
        _ => Ptr,
    }
    prctl_arg2 by op in "prctl" {
        PR_SET_PDEATHSIG => Signal, PR_GET_PDEATHSIG => Filled("int"), PR_SET_DUMPABLE => Enum("dumpable"), PR_SET_KEEPCAPS => Int,
        PR_SET_NAME => Str, PR_GET_NAME => Filled("comm"), PR_SET_SECCOMP => Enum("seccomp_mode"), PR_CAPBSET_READ => Enum("capability"),
        PR_CAPBSET_DROP => Enum("capability"), PR_SET_SECUREBITS => Flags("securebits"), PR_SET_TIMERSLACK => Uint,
        PR_GET_TSC => Filled("int"), PR_SET_TSC => Enum("tsc"), PR_SET_MM => Enum("prctl_mm"), PR_SET_CHILD_SUBREAPER => Int,
        PR_GET_CHILD_SUBREAPER => Filled("int"), PR_SET_NO_NEW_PRIVS => Int, PR_GET_TID_ADDRESS => Filled("pointer"), PR_SET_THP_DISABLE => Int,
        PR_CAP_AMBIENT => Enum("cap_ambient"), PR_GET_SPECULATION_CTRL => Enum("speculation"), PR_SET_SPECULATION_CTRL => Enum("speculation"),
        PR_SET_IO_FLUSHER => Int, PR_SET_SYSCALL_USER_DISPATCH => Int, PR_SCHED_CORE => Enum("sched_core"), PR_SET_MDWE => Flags("mdwe"),
        PR_SET_MEMORY_MERGE => Int, PR_SET_PTRACER => Int, PR_SET_VMA => Enum("prctl_vma"),
        _ => Hex,
    }
    prctl_arg3 by op in "prctl" {
        PR_CAP_AMBIENT => Enum("capability"), PR_SET_SECCOMP => Given("sock_fprog"), PR_SET_SPECULATION_CTRL => Flags("speculation_state"),
        PR_SCHED_CORE => Pid, PR_SET_VMA => Ptr, PR_SET_MM => Ptr,
        _ => Hex,
    }
    prctl_arg5 by op in "prctl" {
        PR_SET_VMA => Str,
        _ => Hex,
    }
    ptrace_addr by op in "ptrace" {
        PTRACE_GETREGSET => Enum("regset"), PTRACE_SETREGSET => Enum("regset"), PTRACE_GETSIGMASK => Size, PTRACE_SETSIGMASK => Size,
        _ => Ptr,
    }
    ptrace_data by op in "ptrace" {
        PTRACE_SETOPTIONS => Flags("ptrace_options"), PTRACE_SEIZE => Flags("ptrace_options"), PTRACE_CONT => Signal, PTRACE_DETACH => Signal,
        PTRACE_SYSCALL => Signal, PTRACE_SINGLESTEP => Signal, PTRACE_LISTEN => Signal, PTRACE_GETREGSET => Given("iovec"),
        PTRACE_SETREGSET => Given("iovec"), PTRACE_GETSIGINFO => Filled("siginfo"), PTRACE_SETSIGINFO => Given("siginfo"),
        PTRACE_GETSIGMASK => Filled("sigset"), PTRACE_SETSIGMASK => Given("sigset"), PTRACE_GETEVENTMSG => Filled("size"),
        _ => Hex,
    }
    quota_addr by op & 0xffffff00 in "quotactl" {
        Q_QUOTAON => Path, Q_GETQUOTA => Filled("dqblk"), Q_SETQUOTA => Given("dqblk"),
        _ => Ptr,
    }
    seccomp_args by op in "seccomp_op" {
        SECCOMP_SET_MODE_FILTER => Given("sock_fprog"), SECCOMP_GET_ACTION_AVAIL => Given("seccomp_action"),
        SECCOMP_GET_NOTIF_SIZES => Filled("seccomp_notif_sizes"),
        _ => Ptr,
    }
    sem_arg by op in "semctl" {
        IPC_SET => Given("ipc_perm"), IPC_STAT => Filled("ipc_perm"), SEM_STAT => Filled("ipc_perm"), SETVAL => Int,
        _ => Hex,
    }
    setsockopt_value by level in "sockopt_level" {
        SOL_SOCKET => Choice("so_value"), SOL_IP => StructIn("int" by optlen), SOL_IPV6 => StructIn("int" by optlen), SOL_UDP => StructIn("int" by optlen),
        SOL_TCP => Choice("tcp_value"), SOL_NETLINK => StructIn("int" by optlen), SOL_PACKET => StructIn("int" by optlen),
        _ => Ptr,
    }
    shm_buf by op in "shmctl" {
        IPC_SET => Given("ipc_perm"), IPC_STAT => Filled("ipc_perm"), SHM_STAT => Filled("ipc_perm"),
        _ => Ptr,
    }
    so_value by optname in "so" {
        SO_LINGER => StructIn("linger" by optlen), SO_RCVTIMEO => StructIn("timeval" by optlen), SO_SNDTIMEO => StructIn("timeval" by optlen),
        SO_BINDTODEVICE => StructIn("text" by optlen), SO_ATTACH_FILTER => StructIn("sock_fprog" by optlen), SO_ATTACH_BPF => StructIn("fd" by optlen),
        _ => StructIn("int" by optlen),
    }
    so_value_out by optname in "so" {
        SO_LINGER => StructOutLen("linger" by optlen), SO_RCVTIMEO => StructOutLen("timeval" by optlen), SO_SNDTIMEO => StructOutLen("timeval" by optlen),
        SO_BINDTODEVICE => StructOutLen("text" by optlen), SO_PEERCRED => StructOutLen("ucred" by optlen), SO_PEERSEC => StructOutLen("text" by optlen),
        _ => StructOutLen("int" by optlen),
    }
    socket_protocol by domain in "domain" {
        AF_INET => Enum("ipproto"), AF_INET6 => Enum("ipproto"), AF_NETLINK => Enum("netlink_family"),
        _ => Int,
    }
    socketcall_args by call in "socketcall" {
        SYS_SOCKET => Given("socket_args3"), SYS_BIND => Given("socket_args3"), SYS_CONNECT => Given("socket_args3"), SYS_LISTEN => Given("socket_args2"),
        SYS_ACCEPT => Given("socket_args3"), SYS_GETSOCKNAME => Given("socket_args3"), SYS_GETPEERNAME => Given("socket_args3"),
        SYS_SOCKETPAIR => Given("socket_args4"), SYS_SEND => Given("socket_args4"), SYS_RECV => Given("socket_args4"),
        SYS_SENDTO => Given("socket_args6"), SYS_RECVFROM => Given("socket_args6"), SYS_SHUTDOWN => Given("socket_args2"),
        SYS_SETSOCKOPT => Given("socket_args5"), SYS_GETSOCKOPT => Given("socket_args5"), SYS_SENDMSG => Given("socket_args3"),
        SYS_RECVMSG => Given("socket_args3"), SYS_ACCEPT4 => Given("socket_args4"), SYS_RECVMMSG => Given("socket_args5"), SYS_SENDMMSG => Given("socket_args4"),
        _ => Ptr,
    }
    sockopt_name by level in "sockopt_level" {
        SOL_SOCKET => Enum("so"), SOL_IP => Enum("ip_opt"), SOL_IPV6 => Enum("ipv6_opt"), SOL_TCP => Enum("tcp_opt"),
        SOL_UDP => Enum("udp_opt"), SOL_NETLINK => Enum("netlink_opt"), SOL_PACKET => Enum("packet_opt"),
        _ => Int,
    }
    tcp_value by optname in "tcp_opt" {
        TCP_MD5SIG => Ptr, TCP_MD5SIG_EXT => Ptr, TCP_FASTOPEN_KEY => Ptr, TCP_AO_ADD_KEY => Ptr, TCP_AO_DEL_KEY => Ptr, TCP_AO_INFO => Ptr,
        TCP_CONGESTION => StructIn("text" by optlen), TCP_ULP => StructIn("text" by optlen),
        _ => StructIn("int" by optlen),
    }
    tcp_value_out by optname in "tcp_opt" {
        TCP_FASTOPEN_KEY => Ptr, TCP_AO_INFO => Ptr, TCP_AO_GET_KEYS => Ptr,
        TCP_CONGESTION => StructOutLen("text" by optlen), TCP_ULP => StructOutLen("text" by optlen), TCP_INFO => StructOutLen("tcp_info" by optlen),
        _ => StructOutLen("int" by optlen),
    }
    waitid_id by idtype in "idtype" {
        P_PID => Pid, P_PGID => Pid, P_PIDFD => Fd,
        _ => Int,
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_are_sorted_and_no_field_lies_outside_its_structure() {
        assert!(STRUCTS.windows(2).all(|two| two[0].name < two[1].name));
        assert!(CHOICES.windows(2).all(|two| two[0].name < two[1].name));
        for row in STRUCTS {
            let mut names = BTreeSet::new();
            for field in row.fields {
                assert!(
                    names.insert(field.name),
                    "{}: {} twice",
                    row.name,
                    field.name
                );
                for ((at, width), size) in [(field.wide, row.size), (field.narrow, row.narrow_size)]
                {
                    assert!(at + width <= size, "{}: {}", row.name, field.name);
                }
            }
            let single = row.fields.iter().any(|field| field.name.is_empty());
            assert!(!single || row.fields.len() == 1, "{}", row.name);
        }
    }

    #[test]
    fn every_case_is_a_value_with_a_name_and_none_is_there_twice() {
        for row in CHOICES {
            let mut numbers = BTreeSet::new();
            for case in row.cases {
                let number = row.number(case);
                assert!(number.is_some(), "{}: no {}", row.name, case.value);
                assert!(numbers.insert(number), "{}: {} twice", row.name, case.value);
            }
            for inner in all_cases(row) {
                assert!(
                    inner.kind != ArgKind::Choice
                        || all_cases(choice(inner.set).expect("a choice"))
                            .iter()
                            .all(|spec| spec.kind != ArgKind::Choice),
                    "{} leads too deep",
                    row.name
                );
            }
        }
    }
}
