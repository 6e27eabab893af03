//! The two tables of what can happen: `SYSCALLS`, and `HAPPENINGS` for what the kernel does without being called.
//!
//! A new call is one row: name, its number per architecture, class, arguments with their kinds, a sentence. The kernel
//! program's argument plans, the decoder, the file's schema, filter fields, screens and documents all read it here.
//! Numbers are from `arch/*/entry/syscalls/*.tbl` and `include/uapi/asm-generic/unistd.h`; arguments from the man pages.
//! Rows are sorted by x86_64 number; those that only 32-bit x86 has follow, by theirs.

use crate::args::{Abi, ArgKind, ArgSpec, Class};
use std::collections::HashMap;
use std::sync::OnceLock;

/// When a call is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When it returns: the normal case, one event with the result.
    Exit,
    /// When it is entered, because it never returns or its arguments are gone by then.
    Enter,
}

/// A row of [`SYSCALLS`] or [`HAPPENINGS`].
#[derive(Clone, Copy, Debug)]
pub struct Syscall {
    /// Name, as in the man page; what `evt.type` shows.
    pub name: &'static str,
    /// Its number in each call convention that has it; empty for happenings.
    pub numbers: &'static [(Abi, u32)],
    /// What it is about.
    pub class: Class,
    /// Arguments in order; at most six, of happenings at most 32.
    pub args: &'static [ArgSpec],
    /// When it is recorded.
    pub when: When,
    /// Its result is a new descriptor (`-> Fd`): the file behind it is recorded with its path.
    pub returns_fd: bool,
    /// It may change who or where the task is, ids, name, directory, namespaces (`@Task`): these are recorded again.
    pub changes_task: bool,
    /// One sentence.
    pub doc: &'static str,
}

impl Syscall {
    /// Its number in one call convention.
    pub fn number(&self, abi: Abi) -> Option<u32> {
        self.numbers
            .iter()
            .find(|row| row.0 == abi)
            .map(|row| row.1)
    }
}

/// Which records give way to which when a ring fills up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precedence {
    /// Under pressure only counted: reads, writes, waiting, clocks, scheduling.
    First,
    /// In between.
    Middle,
    /// May use the last part of the ring: what an incident is made of.
    Never,
}

/// Calls that never yield, beside those about credentials, namespaces and mounts.
pub const CRITICAL: &[&str] = &[
    "accept",
    "accept4",
    "bind",
    "bpf",
    "chmod",
    "chown",
    "clone",
    "clone3",
    "connect",
    "creat",
    "delete_module",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "fchown",
    "fchownat",
    "finit_module",
    "fork",
    "init_module",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kexec_file_load",
    "kexec_load",
    "kill",
    "lchown",
    "link",
    "linkat",
    "listen",
    "memfd_create",
    "mknod",
    "mknodat",
    "open_by_handle_at",
    "perf_event_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "reboot",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "rt_sigqueueinfo",
    "seccomp",
    "symlink",
    "symlinkat",
    "tgkill",
    "tkill",
    "truncate",
    "unlink",
    "unlinkat",
    "userfaultfd",
    "vfork",
];

impl Syscall {
    /// What gives way when there is no room for all.
    pub fn precedence(&self) -> Precedence {
        match self.class {
            Class::Cred | Class::Namespace | Class::Mount => Precedence::Never,
            _ if CRITICAL.binary_search(&self.name).is_ok() => Precedence::Never,
            Class::Wait | Class::Time | Class::Sched => Precedence::First,
            _ if self.args.iter().any(|arg| arg.kind.is_payload()) => Precedence::First,
            _ => Precedence::Middle,
        }
    }
}

macro_rules! syscalls {
    (@set $set:literal) => { $set };
    (@set) => { "" };
    (@by $by:ident) => { stringify!($by) };
    (@by) => { "" };
    (@when Enter) => { When::Enter };
    (@when $($other:ident)?) => { When::Exit };
    (@fd Fd) => { true };
    (@fd) => { false };
    (@task Task) => { true };
    (@task $($other:ident)?) => { false };
    ($(
        $name:ident { $($abi:ident : $number:literal),* $(,)? } $class:ident
        ( $($arg:ident : $kind:ident $(($($set:literal)? $(by $by:ident)?))?),* $(,)? ) $(-> $returns:ident)? $(@ $mark:ident)? $doc:literal;
    )*) => {
        &[$(Syscall {
            name: stringify!($name),
            numbers: &[$((Abi::$abi, $number)),*],
            class: Class::$class,
            args: &[$(ArgSpec { name: stringify!($arg), kind: ArgKind::$kind, set: syscalls!(@set $($($set)?)?), by: syscalls!(@by $($($by)?)?) }),*],
            when: syscalls!(@when $($mark)?),
            returns_fd: syscalls!(@fd $($returns)?),
            changes_task: syscalls!(@task $($mark)?),
            doc: $doc,
        }),*]
    };
}

/// Every call that is recorded with named arguments; any other number becomes the happening `unknown`.
///
/// A row holds for every convention it has a number in. Where 32-bit x86 passes the same call's arguments otherwise (a
/// 64-bit one in two registers, or all in memory) it has a row of its own, named as the kernel's entry point is:
/// `ia32_pread64`, `old_mmap`. `clone` lists the arguments before the point where the architectures' orders part. A
/// `TimeSpec` is two words of the convention's own size. A structure is named and laid out in
/// [`STRUCTS`](crate::structs::STRUCTS); where another argument decides what one holds, see
/// [`CHOICES`](crate::structs::CHOICES). Secrets (key payloads, random bytes) are `Ptr` so that they are never read.
pub const SYSCALLS: &[Syscall] = syscalls! {
    read { x86_64: 0, aarch64: 63, i386: 3 } File (fd: Fd, buf: BufOut, count: Size) "Read from a descriptor.";
    write { x86_64: 1, aarch64: 64, i386: 4 } File (fd: Fd, buf: BufIn, count: Size) "Write to a descriptor.";
    open { x86_64: 2, i386: 5 } File (path: Path, flags: Flags("open"), mode: Mode) -> Fd "Open or create a file.";
    close { x86_64: 3, aarch64: 57, i386: 6 } File (fd: Fd) "Close a descriptor.";
    stat { x86_64: 4, i386: 106 } File (path: Path, statbuf: Filled("stat")) "Ask for a file's attributes.";
    fstat { x86_64: 5, aarch64: 80, i386: 108 } File (fd: Fd, statbuf: Filled("stat")) "Ask for an open file's attributes.";
    lstat { x86_64: 6, i386: 107 } File (path: Path, statbuf: Filled("stat")) "Ask for a file's attributes without following a symbolic link.";
    poll { x86_64: 7, i386: 168 } Wait (fds: GivenArray("pollfd"), nfds: Uint, timeout: Int) "Wait for events on descriptors.";
    lseek { x86_64: 8, aarch64: 62, i386: 19 } File (fd: Fd, offset: Offset, whence: Enum("whence")) "Move a file's position.";
    mmap { x86_64: 9, aarch64: 222 } Memory (addr: Ptr, length: Size, prot: Flags("prot"), flags: Flags("mmap"), fd: Fd, offset: Offset) "Map a file or memory.";
    mprotect { x86_64: 10, aarch64: 226, i386: 125 } Memory (addr: Ptr, len: Size, prot: Flags("prot")) "Change the protection of memory.";
    munmap { x86_64: 11, aarch64: 215, i386: 91 } Memory (addr: Ptr, length: Size) "Remove a mapping.";
    brk { x86_64: 12, aarch64: 214, i386: 45 } Memory (addr: Ptr) "Move the end of the data segment.";
    rt_sigaction { x86_64: 13, aarch64: 134, i386: 174 } Signal (signum: Signal, act: Given("sigaction"), oldact: Filled("sigaction"), sigsetsize: Size) "Set what a signal does.";
    rt_sigprocmask { x86_64: 14, aarch64: 135, i386: 175 } Signal (how: Enum("sigprocmask"), set: Given("sigset"), oldset: Filled("sigset"), sigsetsize: Size) "Change the set of blocked signals.";
    rt_sigreturn { x86_64: 15, aarch64: 139, i386: 173 } Signal () @Enter "Return from a signal handler.";
    ioctl { x86_64: 16, aarch64: 29, i386: 54 } File (fd: Fd, request: Ioctl("ioctl"), argp: Choice("ioctl_arg")) "Control a device.";
    pread64 { x86_64: 17, aarch64: 67 } File (fd: Fd, buf: BufOut, count: Size, offset: Offset) "Read from a descriptor at a position.";
    pwrite64 { x86_64: 18, aarch64: 68 } File (fd: Fd, buf: BufIn, count: Size, offset: Offset) "Write to a descriptor at a position.";
    readv { x86_64: 19, aarch64: 65, i386: 145 } File (fd: Fd, iov: IoVecOut, iovcnt: Int) "Read from a descriptor into several buffers.";
    writev { x86_64: 20, aarch64: 66, i386: 146 } File (fd: Fd, iov: IoVecIn, iovcnt: Int) "Write several buffers to a descriptor.";
    access { x86_64: 21, i386: 33 } File (path: Path, mode: Flags("access")) "Check the caller's rights to a file.";
    pipe { x86_64: 22, i386: 42 } Ipc (pipefd: FdPair) "Create a pipe.";
    select { x86_64: 23 } Wait (nfds: Int, readfds: BitSet(by nfds), writefds: BitSet(by nfds), exceptfds: BitSet(by nfds), timeout: Given("timeval")) "Wait for events on sets of descriptors.";
    sched_yield { x86_64: 24, aarch64: 124, i386: 158 } Sched () "Give up the processor.";
    mremap { x86_64: 25, aarch64: 216, i386: 163 } Memory (old_address: Ptr, old_size: Size, new_size: Size, flags: Flags("mremap"), new_address: Ptr) "Resize or move a mapping.";
    msync { x86_64: 26, aarch64: 227, i386: 144 } Memory (addr: Ptr, length: Size, flags: Flags("msync")) "Write a mapping back to its file.";
    mincore { x86_64: 27, aarch64: 232, i386: 218 } Memory (addr: Ptr, length: Size, vec: Ptr) "Ask which pages are in memory.";
    madvise { x86_64: 28, aarch64: 233, i386: 219 } Memory (addr: Ptr, length: Size, advice: Enum("madvise")) "Say how memory will be used.";
    shmget { x86_64: 29, aarch64: 194, i386: 395 } Ipc (key: Hex, size: Size, shmflg: Flags("ipc_get")) "Open or create a shared memory segment.";
    shmat { x86_64: 30, aarch64: 196, i386: 397 } Ipc (shmid: Int, shmaddr: Ptr, shmflg: Flags("shmat")) "Attach a shared memory segment.";
    shmctl { x86_64: 31, aarch64: 195, i386: 396 } Ipc (shmid: Int, op: Enum("shmctl"), buf: Choice("shm_buf")) "Control a shared memory segment.";
    dup { x86_64: 32, aarch64: 23, i386: 41 } File (oldfd: Fd) -> Fd "Duplicate a descriptor.";
    dup2 { x86_64: 33, i386: 63 } File (oldfd: Fd, newfd: Fd) -> Fd "Duplicate a descriptor onto a given number.";
    pause { x86_64: 34, i386: 29 } Signal () "Wait for a signal.";
    nanosleep { x86_64: 35, aarch64: 101, i386: 162 } Time (duration: TimeSpec, rem: FilledRest("timespec")) "Sleep.";
    getitimer { x86_64: 36, aarch64: 102, i386: 105 } Time (which: Enum("itimer"), curr_value: Filled("itimerval")) "Read an interval timer.";
    alarm { x86_64: 37, i386: 27 } Time (seconds: Uint) "Ask for a SIGALRM later.";
    setitimer { x86_64: 38, aarch64: 103, i386: 104 } Time (which: Enum("itimer"), new_value: Given("itimerval"), old_value: Filled("itimerval")) "Set an interval timer.";
    getpid { x86_64: 39, aarch64: 172, i386: 20 } Process () "Ask for the caller's pid.";
    sendfile { x86_64: 40, aarch64: 71, i386: 187 } File (out_fd: Fd, in_fd: Fd, offset: Given("off_t"), count: Size, in_file: OtherFile) "Copy from one descriptor to another.";
    socket { x86_64: 41, aarch64: 198, i386: 359 } Net (domain: Enum("domain"), type: Flags("socket_type"), protocol: Choice("socket_protocol")) -> Fd "Create a socket.";
    connect { x86_64: 42, aarch64: 203, i386: 362 } Net (fd: Fd, addr: SockAddrIn, addrlen: SockAddrLen) "Connect a socket.";
    accept { x86_64: 43, aarch64: 202 } Net (fd: Fd, addr: SockAddrOut, addrlen: Filled("u32"), queue: Backlog("accept_queue")) -> Fd "Accept a connection.";
    sendto { x86_64: 44, aarch64: 206, i386: 369 } Net (fd: Fd, buf: BufIn, size: Size, flags: Flags("msg"), dest_addr: SockAddrIn, addrlen: SockAddrLen) "Send on a socket.";
    recvfrom { x86_64: 45, aarch64: 207, i386: 371 } Net (fd: Fd, buf: BufOut, size: Size, flags: Flags("msg"), src_addr: SockAddrOut, addrlen: Filled("u32")) "Receive from a socket.";
    sendmsg { x86_64: 46, aarch64: 211, i386: 370 } Net (fd: Fd, msg: MsgIn, flags: Flags("msg"), msg_name: MsgName, msg_control: MsgControl) "Send a message on a socket.";
    recvmsg { x86_64: 47, aarch64: 212, i386: 372 } Net (fd: Fd, msg: MsgOut, flags: Flags("msg"), msg_name: MsgName, msg_control: MsgControl) "Receive a message from a socket.";
    shutdown { x86_64: 48, aarch64: 210, i386: 373 } Net (fd: Fd, how: Enum("shutdown")) "Shut down part of a connection.";
    bind { x86_64: 49, aarch64: 200, i386: 361 } Net (fd: Fd, addr: SockAddrIn, addrlen: SockAddrLen) "Give a socket an address.";
    listen { x86_64: 50, aarch64: 201, i386: 363 } Net (fd: Fd, backlog: Int) "Wait for connections on a socket.";
    getsockname { x86_64: 51, aarch64: 204, i386: 367 } Net (fd: Fd, addr: SockAddrOut, addrlen: Filled("u32")) "Ask for a socket's own address.";
    getpeername { x86_64: 52, aarch64: 205, i386: 368 } Net (fd: Fd, addr: SockAddrOut, addrlen: Filled("u32")) "Ask for the address of a socket's peer.";
    socketpair { x86_64: 53, aarch64: 199, i386: 360 } Net (domain: Enum("domain"), type: Flags("socket_type"), protocol: Choice("socket_protocol"), sv: FdPair) "Create two connected sockets.";
    setsockopt { x86_64: 54, aarch64: 208, i386: 366 } Net (fd: Fd, level: Enum("sockopt_level"), optname: Choice("sockopt_name"), optval: Choice("setsockopt_value"), optlen: Size) "Set an option of a socket.";
    getsockopt { x86_64: 55, aarch64: 209, i386: 365 } Net (fd: Fd, level: Enum("sockopt_level"), optname: Choice("sockopt_name"), optval: Choice("getsockopt_value"), optlen: Filled("u32")) "Read an option of a socket.";
    clone { x86_64: 56, aarch64: 220, i386: 120 } Process (flags: Flags("clone"), stack: Ptr, parent_tid: Ptr) "Create a process or thread.";
    fork { x86_64: 57, i386: 2 } Process () "Create a process.";
    vfork { x86_64: 58, i386: 190 } Process () "Create a process that borrows the caller's memory.";
    execve { x86_64: 59, aarch64: 221, i386: 11 } Process (path: Path, argv: Argv, envp: Argv) "Execute a program.";
    exit { x86_64: 60, aarch64: 93, i386: 1 } Process (status: Int) @Enter "End the calling thread.";
    wait4 { x86_64: 61, aarch64: 260, i386: 114 } Process (pid: Pid, wstatus: FilledAbove("wait_status"), options: Flags("wait"), rusage: FilledAbove("rusage")) "Wait for a child.";
    kill { x86_64: 62, aarch64: 129, i386: 37 } Signal (pid: Pid, sig: Signal) "Send a signal to a process.";
    uname { x86_64: 63, aarch64: 160, i386: 122 } System (buf: Ptr) "Ask for the kernel's name and version.";
    semget { x86_64: 64, aarch64: 190, i386: 393 } Ipc (key: Hex, nsems: Int, semflg: Flags("ipc_get")) "Open or create a set of semaphores.";
    semop { x86_64: 65, aarch64: 193 } Ipc (semid: Int, sops: GivenArray("sembuf"), nsops: Size) "Operate on semaphores.";
    semctl { x86_64: 66, aarch64: 191, i386: 394 } Ipc (semid: Int, semnum: Int, op: Enum("semctl"), arg: Choice("sem_arg")) "Control a set of semaphores.";
    shmdt { x86_64: 67, aarch64: 197, i386: 398 } Ipc (shmaddr: Ptr) "Detach a shared memory segment.";
    msgget { x86_64: 68, aarch64: 186, i386: 399 } Ipc (key: Hex, msgflg: Flags("ipc_get")) "Open or create a message queue.";
    msgsnd { x86_64: 69, aarch64: 189, i386: 400 } Ipc (msqid: Int, msgp: Given("msg_type"), msgsz: Size, msgflg: Flags("ipc_msg")) "Send a message to a queue.";
    msgrcv { x86_64: 70, aarch64: 188, i386: 401 } Ipc (msqid: Int, msgp: Filled("msg_type"), msgsz: Size, msgtyp: Int, msgflg: Flags("ipc_msg")) "Receive a message from a queue.";
    msgctl { x86_64: 71, aarch64: 187, i386: 402 } Ipc (msqid: Int, op: Enum("msgctl"), buf: Choice("msg_buf")) "Control a message queue.";
    fcntl { x86_64: 72, aarch64: 25, i386: 55 } File (fd: Fd, op: Enum("fcntl"), arg: Choice("fcntl_arg")) "Control a descriptor.";
    flock { x86_64: 73, aarch64: 32, i386: 143 } File (fd: Fd, op: Flags("flock")) "Lock a file.";
    fsync { x86_64: 74, aarch64: 82, i386: 118 } File (fd: Fd) "Write a file through to disk.";
    fdatasync { x86_64: 75, aarch64: 83, i386: 148 } File (fd: Fd) "Write a file's data through to disk.";
    truncate { x86_64: 76, aarch64: 45, i386: 92 } File (path: Path, length: Offset) "Cut or extend a file.";
    ftruncate { x86_64: 77, aarch64: 46, i386: 93 } File (fd: Fd, length: Offset) "Cut or extend an open file.";
    getdents { x86_64: 78, i386: 141 } File (fd: Fd, dirp: Ptr, count: Size) "Read a directory.";
    getcwd { x86_64: 79, aarch64: 17, i386: 183 } File (buf: BufOut, size: Size) "Ask for the working directory.";
    chdir { x86_64: 80, aarch64: 49, i386: 12 } File (path: Path) @Task "Change the working directory.";
    fchdir { x86_64: 81, aarch64: 50, i386: 133 } File (fd: Fd) @Task "Change the working directory to an open one.";
    rename { x86_64: 82, i386: 38 } File (oldpath: Path, newpath: Path) "Rename a file.";
    mkdir { x86_64: 83, i386: 39 } File (path: Path, mode: Mode) "Create a directory.";
    rmdir { x86_64: 84, i386: 40 } File (path: Path) "Remove a directory.";
    creat { x86_64: 85, i386: 8 } File (path: Path, mode: Mode) -> Fd "Create or truncate a file.";
    link { x86_64: 86, i386: 9 } File (oldpath: Path, newpath: Path) "Give a file another name.";
    unlink { x86_64: 87, i386: 10 } File (path: Path) "Remove a file's name.";
    symlink { x86_64: 88, i386: 83 } File (target: Path, linkpath: Path) "Create a symbolic link.";
    readlink { x86_64: 89, i386: 85 } File (path: Path, buf: BufOut, bufsiz: Size) "Read a symbolic link.";
    chmod { x86_64: 90, i386: 15 } File (path: Path, mode: Mode) "Change a file's permissions.";
    fchmod { x86_64: 91, aarch64: 52, i386: 94 } File (fd: Fd, mode: Mode) "Change an open file's permissions.";
    chown { x86_64: 92, i386: 182 } File (path: Path, owner: Uid, group: Gid) "Change a file's owner.";
    fchown { x86_64: 93, aarch64: 55, i386: 95 } File (fd: Fd, owner: Uid, group: Gid) "Change an open file's owner.";
    lchown { x86_64: 94, i386: 16 } File (path: Path, owner: Uid, group: Gid) "Change a file's owner without following a symbolic link.";
    umask { x86_64: 95, aarch64: 166, i386: 60 } File (mask: Mode) "Set which permissions new files do not get.";
    gettimeofday { x86_64: 96, aarch64: 169, i386: 78 } Time (tv: Filled("stamp_us"), tz: Filled("timezone")) "Read the wall clock.";
    getrlimit { x86_64: 97, aarch64: 163, i386: 76 } Process (resource: Enum("rlimit"), rlim: Filled("rlimit")) "Read a resource limit.";
    getrusage { x86_64: 98, aarch64: 165, i386: 77 } Process (who: Enum("rusage"), usage: Filled("rusage")) "Ask for resources used.";
    sysinfo { x86_64: 99, aarch64: 179, i386: 116 } System (info: Filled("sysinfo")) "Ask for memory, load and uptime.";
    times { x86_64: 100, aarch64: 153, i386: 43 } Time (buf: Filled("tms")) "Ask for processor time used.";
    ptrace { x86_64: 101, aarch64: 117, i386: 26 } System (op: Enum("ptrace"), pid: Pid, addr: Choice("ptrace_addr"), data: Choice("ptrace_data")) "Trace or change another process.";
    getuid { x86_64: 102, aarch64: 174, i386: 24 } Cred () "Ask for the real user id.";
    syslog { x86_64: 103, aarch64: 116, i386: 103 } System (type: Enum("syslog"), bufp: Ptr, len: Int) "Read or control the kernel's log.";
    getgid { x86_64: 104, aarch64: 176, i386: 47 } Cred () "Ask for the real group id.";
    setuid { x86_64: 105, aarch64: 146, i386: 23 } Cred (uid: Uid) @Task "Set the user id.";
    setgid { x86_64: 106, aarch64: 144, i386: 46 } Cred (gid: Gid) @Task "Set the group id.";
    geteuid { x86_64: 107, aarch64: 175, i386: 49 } Cred () "Ask for the effective user id.";
    getegid { x86_64: 108, aarch64: 177, i386: 50 } Cred () "Ask for the effective group id.";
    setpgid { x86_64: 109, aarch64: 154, i386: 57 } Process (pid: Pid, pgid: Pid) @Task "Move a process to a process group.";
    getppid { x86_64: 110, aarch64: 173, i386: 64 } Process () "Ask for the parent's pid.";
    getpgrp { x86_64: 111, i386: 65 } Process () "Ask for the caller's process group.";
    setsid { x86_64: 112, aarch64: 157, i386: 66 } Process () @Task "Start a session.";
    setreuid { x86_64: 113, aarch64: 145, i386: 70 } Cred (ruid: Uid, euid: Uid) @Task "Set real and effective user ids.";
    setregid { x86_64: 114, aarch64: 143, i386: 71 } Cred (rgid: Gid, egid: Gid) @Task "Set real and effective group ids.";
    getgroups { x86_64: 115, aarch64: 158, i386: 80 } Cred (size: Int, list: FilledArray("gid" by size)) "Ask for the supplementary groups.";
    setgroups { x86_64: 116, aarch64: 159, i386: 81 } Cred (size: Size, list: GivenArray("gid" by size)) @Task "Set the supplementary groups.";
    setresuid { x86_64: 117, aarch64: 147, i386: 164 } Cred (ruid: Uid, euid: Uid, suid: Uid) @Task "Set real, effective and saved user ids.";
    getresuid { x86_64: 118, aarch64: 148, i386: 165 } Cred (ruid: Filled("uid"), euid: Filled("uid"), suid: Filled("uid")) "Ask for real, effective and saved user ids.";
    setresgid { x86_64: 119, aarch64: 149, i386: 170 } Cred (rgid: Gid, egid: Gid, sgid: Gid) @Task "Set real, effective and saved group ids.";
    getresgid { x86_64: 120, aarch64: 150, i386: 171 } Cred (rgid: Filled("gid"), egid: Filled("gid"), sgid: Filled("gid")) "Ask for real, effective and saved group ids.";
    getpgid { x86_64: 121, aarch64: 155, i386: 132 } Process (pid: Pid) "Ask for a process's group.";
    setfsuid { x86_64: 122, aarch64: 151, i386: 138 } Cred (fsuid: Uid) @Task "Set the user id used for file access.";
    setfsgid { x86_64: 123, aarch64: 152, i386: 139 } Cred (fsgid: Gid) @Task "Set the group id used for file access.";
    getsid { x86_64: 124, aarch64: 156, i386: 147 } Process (pid: Pid) "Ask for a process's session.";
    capget { x86_64: 125, aarch64: 90, i386: 184 } Cred (hdrp: Given("cap_header"), datap: Filled("cap_data")) "Read capabilities.";
    capset { x86_64: 126, aarch64: 91, i386: 185 } Cred (hdrp: Given("cap_header"), datap: Given("cap_data")) @Task "Set capabilities.";
    rt_sigpending { x86_64: 127, aarch64: 136, i386: 176 } Signal (set: Filled("sigset"), sigsetsize: Size) "Ask for pending signals.";
    rt_sigtimedwait { x86_64: 128, aarch64: 137, i386: 177 } Signal (set: Given("sigset"), info: FilledAbove("siginfo"), timeout: TimeSpec, sigsetsize: Size) "Wait for one of a set of signals.";
    rt_sigqueueinfo { x86_64: 129, aarch64: 138, i386: 178 } Signal (tgid: Pid, sig: Signal, info: Given("siginfo")) "Send a signal with data to a process.";
    rt_sigsuspend { x86_64: 130, aarch64: 133, i386: 179 } Signal (mask: Given("sigset"), sigsetsize: Size) "Wait for a signal with another set blocked.";
    sigaltstack { x86_64: 131, aarch64: 132, i386: 186 } Signal (ss: Given("stack_t"), old_ss: Filled("stack_t")) "Set the stack of signal handlers.";
    utime { x86_64: 132, i386: 30 } File (path: Path, times: Given("utimbuf")) "Change a file's times.";
    mknod { x86_64: 133, i386: 14 } File (path: Path, mode: FileMode, dev: Dev) "Create a device, FIFO or file.";
    uselib { x86_64: 134, i386: 86 } Process (library: Path) "Load a shared library.";
    personality { x86_64: 135, aarch64: 92, i386: 136 } Process (persona: Flags("personality")) "Set the execution domain.";
    ustat { x86_64: 136, i386: 62 } File (dev: Dev, ubuf: Ptr) "Ask for a file system's free space.";
    statfs { x86_64: 137, aarch64: 43, i386: 99 } File (path: Path, buf: Filled("statfs")) "Ask for a file system's attributes.";
    fstatfs { x86_64: 138, aarch64: 44, i386: 100 } File (fd: Fd, buf: Filled("statfs")) "Ask for the attributes of an open file's file system.";
    sysfs { x86_64: 139, i386: 135 } System (option: Int, arg1: Hex, arg2: Hex) "Ask for the kernel's file system types.";
    getpriority { x86_64: 140, aarch64: 141, i386: 96 } Sched (which: Enum("priority"), who: Int) "Ask for a scheduling priority.";
    setpriority { x86_64: 141, aarch64: 140, i386: 97 } Sched (which: Enum("priority"), who: Int, prio: Int) "Set a scheduling priority.";
    sched_setparam { x86_64: 142, aarch64: 118, i386: 154 } Sched (pid: Pid, param: Given("sched_param")) "Set scheduling parameters.";
    sched_getparam { x86_64: 143, aarch64: 121, i386: 155 } Sched (pid: Pid, param: Filled("sched_param")) "Ask for scheduling parameters.";
    sched_setscheduler { x86_64: 144, aarch64: 119, i386: 156 } Sched (pid: Pid, policy: Flags("sched_policy"), param: Given("sched_param")) "Set the scheduling policy.";
    sched_getscheduler { x86_64: 145, aarch64: 120, i386: 157 } Sched (pid: Pid) "Ask for the scheduling policy.";
    sched_get_priority_max { x86_64: 146, aarch64: 125, i386: 159 } Sched (policy: Flags("sched_policy")) "Ask for a policy's highest priority.";
    sched_get_priority_min { x86_64: 147, aarch64: 126, i386: 160 } Sched (policy: Flags("sched_policy")) "Ask for a policy's lowest priority.";
    sched_rr_get_interval { x86_64: 148, aarch64: 127, i386: 161 } Sched (pid: Pid, tp: Filled("timespec")) "Ask for the round-robin time slice.";
    mlock { x86_64: 149, aarch64: 228, i386: 150 } Memory (addr: Ptr, len: Size) "Keep memory from being swapped out.";
    munlock { x86_64: 150, aarch64: 229, i386: 151 } Memory (addr: Ptr, len: Size) "Let memory be swapped out again.";
    mlockall { x86_64: 151, aarch64: 230, i386: 152 } Memory (flags: Flags("mlockall")) "Keep all memory from being swapped out.";
    munlockall { x86_64: 152, aarch64: 231, i386: 153 } Memory () "Let all memory be swapped out again.";
    vhangup { x86_64: 153, aarch64: 58, i386: 111 } System () "Hang up the controlling terminal.";
    modify_ldt { x86_64: 154, i386: 123 } Process (func: Int, ptr: Ptr, bytecount: Size) "Read or write the local descriptor table.";
    pivot_root { x86_64: 155, aarch64: 41, i386: 217 } Mount (new_root: Path, put_old: Path) @Task "Change the root of the mount namespace.";
    _sysctl { x86_64: 156, i386: 149 } System (args: Ptr) "Read or set a kernel parameter; not in Linux since 5.5.";
    prctl { x86_64: 157, aarch64: 167, i386: 172 } Process (op: Enum("prctl"), arg2: Choice("prctl_arg2"), arg3: Choice("prctl_arg3"), arg4: Hex, arg5: Choice("prctl_arg5")) @Task "Control the calling process or thread.";
    arch_prctl { x86_64: 158, i386: 384 } Process (op: Enum("arch_prctl"), addr: Choice("arch_prctl_addr")) "Set architecture-specific thread state.";
    adjtimex { x86_64: 159, aarch64: 171, i386: 124 } Time (buf: Given("timex")) "Read or tune the kernel clock.";
    setrlimit { x86_64: 160, aarch64: 164, i386: 75 } Process (resource: Enum("rlimit"), rlim: Given("rlimit")) "Set a resource limit.";
    chroot { x86_64: 161, aarch64: 51, i386: 61 } Mount (path: Path) @Task "Change the root directory.";
    sync { x86_64: 162, aarch64: 81, i386: 36 } File () "Write all file systems through to disk.";
    acct { x86_64: 163, aarch64: 89, i386: 51 } System (path: Path) "Switch process accounting on or off.";
    settimeofday { x86_64: 164, aarch64: 170, i386: 79 } Time (tv: Given("stamp_us"), tz: Given("timezone")) "Set the wall clock.";
    mount { x86_64: 165, aarch64: 40, i386: 21 } Mount (source: Str, target: Path, filesystemtype: Str, mountflags: Flags("mount"), data: Str) "Mount a file system.";
    umount2 { x86_64: 166, aarch64: 39, i386: 52 } Mount (target: Path, flags: Flags("umount")) "Unmount a file system.";
    swapon { x86_64: 167, aarch64: 224, i386: 87 } System (path: Path, swapflags: Flags("swapon")) "Start swapping to a file or device.";
    swapoff { x86_64: 168, aarch64: 225, i386: 115 } System (path: Path) "Stop swapping to a file or device.";
    reboot { x86_64: 169, aarch64: 142, i386: 88 } System (magic: Hex, magic2: Hex, op: Enum("reboot"), arg: Ptr) "Reboot, power off or control Ctrl-Alt-Del.";
    sethostname { x86_64: 170, aarch64: 161, i386: 74 } Namespace (name: StructIn, len: Size) "Set the host name.";
    setdomainname { x86_64: 171, aarch64: 162, i386: 121 } Namespace (name: StructIn, len: Size) "Set the NIS domain name.";
    iopl { x86_64: 172, i386: 110 } System (level: Int) "Set the I/O privilege level.";
    ioperm { x86_64: 173, i386: 101 } System (from: Hex, num: Uint, turn_on: Int) "Allow or forbid I/O ports.";
    create_module { x86_64: 174, i386: 127 } System (name: Str, size: Size) "Make room for a kernel module; not in Linux since 2.6.";
    init_module { x86_64: 175, aarch64: 105, i386: 128 } System (module_image: Ptr, size: Size, param_values: Str) "Load a kernel module from memory.";
    delete_module { x86_64: 176, aarch64: 106, i386: 129 } System (name: Str, flags: Flags("delete_module")) "Unload a kernel module.";
    get_kernel_syms { x86_64: 177, i386: 130 } System (table: Ptr) "Ask for the kernel's symbols; not in Linux since 2.6.";
    query_module { x86_64: 178, i386: 167 } System (name: Str, which: Int, buf: Ptr, bufsize: Size, ret: Ptr) "Ask about a kernel module; not in Linux since 2.6.";
    quotactl { x86_64: 179, aarch64: 60, i386: 131 } System (op: Flags("quotactl"), special: Path, id: Int, addr: Choice("quota_addr")) "Control disk quotas.";
    nfsservctl { x86_64: 180, aarch64: 42, i386: 169 } System (cmd: Int, argp: Ptr, resp: Ptr) "Control the NFS server; not in Linux since 3.1.";
    getpmsg { x86_64: 181, i386: 188 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "A number kept for STREAMS; Linux never had it.";
    putpmsg { x86_64: 182, i386: 189 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "A number kept for STREAMS; Linux never had it.";
    afs_syscall { x86_64: 183, i386: 137 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "A number kept for AFS; Linux never had it.";
    tuxcall { x86_64: 184 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "A number kept for a web server in the kernel; Linux never had it.";
    security { x86_64: 185 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "A number kept for security modules; Linux never had it.";
    gettid { x86_64: 186, aarch64: 178, i386: 224 } Process () "Ask for the caller's thread id.";
    readahead { x86_64: 187, aarch64: 213 } File (fd: Fd, offset: Offset, count: Size) "Read a file into the page cache.";
    setxattr { x86_64: 188, aarch64: 5, i386: 226 } File (path: Path, name: Str, value: StructIn, size: Size, flags: Flags("xattr")) "Set an extended attribute.";
    lsetxattr { x86_64: 189, aarch64: 6, i386: 227 } File (path: Path, name: Str, value: StructIn, size: Size, flags: Flags("xattr")) "Set an extended attribute without following a symbolic link.";
    fsetxattr { x86_64: 190, aarch64: 7, i386: 228 } File (fd: Fd, name: Str, value: StructIn, size: Size, flags: Flags("xattr")) "Set an extended attribute of an open file.";
    getxattr { x86_64: 191, aarch64: 8, i386: 229 } File (path: Path, name: Str, value: BufOut, size: Size) "Read an extended attribute.";
    lgetxattr { x86_64: 192, aarch64: 9, i386: 230 } File (path: Path, name: Str, value: BufOut, size: Size) "Read an extended attribute without following a symbolic link.";
    fgetxattr { x86_64: 193, aarch64: 10, i386: 231 } File (fd: Fd, name: Str, value: BufOut, size: Size) "Read an extended attribute of an open file.";
    listxattr { x86_64: 194, aarch64: 11, i386: 232 } File (path: Path, list: BufOut, size: Size) "List extended attributes.";
    llistxattr { x86_64: 195, aarch64: 12, i386: 233 } File (path: Path, list: BufOut, size: Size) "List extended attributes without following a symbolic link.";
    flistxattr { x86_64: 196, aarch64: 13, i386: 234 } File (fd: Fd, list: BufOut, size: Size) "List extended attributes of an open file.";
    removexattr { x86_64: 197, aarch64: 14, i386: 235 } File (path: Path, name: Str) "Remove an extended attribute.";
    lremovexattr { x86_64: 198, aarch64: 15, i386: 236 } File (path: Path, name: Str) "Remove an extended attribute without following a symbolic link.";
    fremovexattr { x86_64: 199, aarch64: 16, i386: 237 } File (fd: Fd, name: Str) "Remove an extended attribute of an open file.";
    tkill { x86_64: 200, aarch64: 130, i386: 238 } Signal (tid: Pid, sig: Signal) "Send a signal to a thread.";
    time { x86_64: 201, i386: 13 } Time (tloc: Filled("time_t")) "Read the wall clock in seconds.";
    futex { x86_64: 202, aarch64: 98, i386: 240 } Wait (uaddr: Ptr, futex_op: Flags("futex"), val: Uint, timeout: Choice("futex_timeout"), uaddr2: Ptr, val3: Uint) "Wait or wake on a memory word.";
    sched_setaffinity { x86_64: 203, aarch64: 122, i386: 241 } Sched (pid: Pid, cpusetsize: Size, mask: StructIn("cpu_set" by cpusetsize)) "Set which processors may run a thread.";
    sched_getaffinity { x86_64: 204, aarch64: 123, i386: 242 } Sched (pid: Pid, cpusetsize: Size, mask: StructOut("cpu_set" by cpusetsize)) "Ask which processors may run a thread.";
    set_thread_area { x86_64: 205, i386: 243 } Process (u_info: Given("user_desc")) "Set a thread-local storage area.";
    io_setup { x86_64: 206, aarch64: 0, i386: 245 } File (nr_events: Uint, ctx_idp: Filled("pointer")) "Create an asynchronous I/O context.";
    io_destroy { x86_64: 207, aarch64: 1, i386: 246 } File (ctx_id: Hex) "Destroy an asynchronous I/O context.";
    io_getevents { x86_64: 208, aarch64: 4, i386: 247 } File (ctx_id: Hex, min_nr: Int, nr: Int, events: FilledArray("io_event"), timeout: TimeSpec) "Collect finished asynchronous I/O.";
    io_submit { x86_64: 209, aarch64: 2, i386: 248 } File (ctx_id: Hex, nr: Int, iocbpp: GivenArray("pointer" by nr)) "Submit asynchronous I/O.";
    io_cancel { x86_64: 210, aarch64: 3, i386: 249 } File (ctx_id: Hex, iocb: Given("iocb"), result: Filled("io_event")) "Cancel asynchronous I/O.";
    get_thread_area { x86_64: 211, i386: 244 } Process (u_info: Given("user_desc")) "Read a thread-local storage area.";
    lookup_dcookie { x86_64: 212, aarch64: 18 } File (cookie: Hex, buffer: BufOut, size: Size) "Ask for the path of a directory cookie.";
    epoll_create { x86_64: 213, i386: 254 } Wait (size: Int) -> Fd "Create an epoll instance.";
    epoll_ctl_old { x86_64: 214 } Wait (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "A number of epoll_ctl before Linux 2.6; not in Linux since.";
    epoll_wait_old { x86_64: 215 } Wait (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "A number of epoll_wait before Linux 2.6; not in Linux since.";
    remap_file_pages { x86_64: 216, aarch64: 234, i386: 257 } Memory (addr: Ptr, size: Size, prot: Flags("prot"), pgoff: Uint, flags: Flags("mmap")) "Rearrange the pages of a mapping.";
    getdents64 { x86_64: 217, aarch64: 61, i386: 220 } File (fd: Fd, dirp: Ptr, count: Size) "Read a directory.";
    set_tid_address { x86_64: 218, aarch64: 96, i386: 258 } Process (tidptr: Ptr) "Set the word cleared when the thread ends.";
    restart_syscall { x86_64: 219, aarch64: 128, i386: 0 } Signal () "Resume a call that a signal interrupted.";
    semtimedop { x86_64: 220, aarch64: 192 } Ipc (semid: Int, sops: GivenArray("sembuf"), nsops: Size, timeout: TimeSpec) "Operate on semaphores, with a time limit.";
    fadvise64 { x86_64: 221, aarch64: 223 } File (fd: Fd, offset: Offset, size: Size, advice: Enum("fadvise")) "Say how a file will be read.";
    timer_create { x86_64: 222, aarch64: 107, i386: 259 } Time (clockid: Enum("clockid"), sevp: Given("sigevent"), timerid: Filled("int")) "Create a timer.";
    timer_settime { x86_64: 223, aarch64: 110, i386: 260 } Time (timerid: Int, flags: Flags("timer"), new_value: Given("itimerspec"), old_value: Filled("itimerspec")) "Start or stop a timer.";
    timer_gettime { x86_64: 224, aarch64: 108, i386: 261 } Time (timerid: Int, curr_value: Filled("itimerspec")) "Read a timer.";
    timer_getoverrun { x86_64: 225, aarch64: 109, i386: 262 } Time (timerid: Int) "Ask how often a timer ran over.";
    timer_delete { x86_64: 226, aarch64: 111, i386: 263 } Time (timerid: Int) "Delete a timer.";
    clock_settime { x86_64: 227, aarch64: 112, i386: 264 } Time (clockid: Enum("clockid"), tp: Given("stamp")) "Set a clock.";
    clock_gettime { x86_64: 228, aarch64: 113, i386: 265 } Time (clockid: Enum("clockid"), tp: Choice("clock_value")) "Read a clock.";
    clock_getres { x86_64: 229, aarch64: 114, i386: 266 } Time (clockid: Enum("clockid"), res: Filled("timespec")) "Ask for a clock's resolution.";
    clock_nanosleep { x86_64: 230, aarch64: 115, i386: 267 } Time (clockid: Enum("clockid"), flags: Flags("timer"), t: TimeSpec, remain: FilledRest("timespec")) "Sleep on a clock.";
    exit_group { x86_64: 231, aarch64: 94, i386: 252 } Process (status: Int) @Enter "End all threads of the process.";
    epoll_wait { x86_64: 232, i386: 256 } Wait (epfd: Fd, events: FilledArray("epoll_event"), maxevents: Int, timeout: Int) "Wait for events on an epoll instance.";
    epoll_ctl { x86_64: 233, aarch64: 21, i386: 255 } Wait (epfd: Fd, op: Enum("epoll_ctl"), fd: Fd, event: Given("epoll_event"), file: OtherFile) "Change what an epoll instance watches.";
    tgkill { x86_64: 234, aarch64: 131, i386: 270 } Signal (tgid: Pid, tid: Pid, sig: Signal) "Send a signal to a thread of a process.";
    utimes { x86_64: 235, i386: 271 } File (path: Path, times: Given("stamp_us_pair")) "Change a file's times.";
    vserver { x86_64: 236, i386: 273 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "A number kept for Linux-VServer; Linux never had it.";
    mbind { x86_64: 237, aarch64: 235, i386: 274 } Memory (addr: Ptr, len: Size, mode: Flags("mempolicy"), nodemask: BitSet(by maxnode), maxnode: Uint, flags: Flags("mbind")) "Set the memory policy of a range.";
    set_mempolicy { x86_64: 238, aarch64: 237, i386: 276 } Memory (mode: Flags("mempolicy"), nodemask: BitSet(by maxnode), maxnode: Uint) "Set the thread's memory policy.";
    get_mempolicy { x86_64: 239, aarch64: 236, i386: 275 } Memory (mode: Filled("int"), nodemask: BitSet(by maxnode), maxnode: Uint, addr: Ptr, flags: Flags("get_mempolicy")) "Ask for a memory policy.";
    mq_open { x86_64: 240, aarch64: 180, i386: 277 } Ipc (name: Str, oflag: Flags("open"), mode: Mode, attr: Given("mq_attr")) -> Fd "Open or create a message queue.";
    mq_unlink { x86_64: 241, aarch64: 181, i386: 278 } Ipc (name: Str) "Remove a message queue.";
    mq_timedsend { x86_64: 242, aarch64: 182, i386: 279 } Ipc (mqdes: Fd, msg_ptr: StructIn, msg_len: Size, msg_prio: Uint, abs_timeout: TimeSpec) "Send a message to a queue.";
    mq_timedreceive { x86_64: 243, aarch64: 183, i386: 280 } Ipc (mqdes: Fd, msg_ptr: BufOut, msg_len: Size, msg_prio: Filled("u32"), abs_timeout: TimeSpec) "Receive a message from a queue.";
    mq_notify { x86_64: 244, aarch64: 184, i386: 281 } Ipc (mqdes: Fd, sevp: Given("sigevent")) "Ask to be told of messages.";
    mq_getsetattr { x86_64: 245, aarch64: 185, i386: 282 } Ipc (mqdes: Fd, newattr: Given("mq_attr"), oldattr: Filled("mq_attr")) "Read or set a queue's attributes.";
    kexec_load { x86_64: 246, aarch64: 104, i386: 283 } System (entry: Ptr, nr_segments: Uint, segments: GivenArray("kexec_segment" by nr_segments), flags: Flags("kexec_load")) "Load another kernel.";
    waitid { x86_64: 247, aarch64: 95, i386: 284 } Process (idtype: Enum("idtype"), id: Choice("waitid_id"), infop: Filled("siginfo_child"), options: Flags("wait"), rusage: Filled("rusage")) "Wait for a child to change state.";
    add_key { x86_64: 248, aarch64: 217, i386: 286 } System (type: Str, description: Str, payload: Ptr, plen: Size, keyring: Enum("key_spec")) "Add a key to the kernel's keyrings.";
    request_key { x86_64: 249, aarch64: 218, i386: 287 } System (type: Str, description: Str, callout_info: Str, dest_keyring: Enum("key_spec")) "Ask for a key.";
    keyctl { x86_64: 250, aarch64: 219, i386: 288 } System (op: Enum("keyctl"), arg2: Choice("keyctl_arg2"), arg3: Choice("keyctl_arg3"), arg4: Choice("keyctl_arg4"), arg5: Choice("keyctl_arg5")) "Control the kernel's keys.";
    ioprio_set { x86_64: 251, aarch64: 30, i386: 289 } Sched (which: Enum("ioprio_which"), who: Int, ioprio: Flags("ioprio")) "Set an I/O priority.";
    ioprio_get { x86_64: 252, aarch64: 31, i386: 290 } Sched (which: Enum("ioprio_which"), who: Int) "Ask for an I/O priority.";
    inotify_init { x86_64: 253, i386: 291 } File () -> Fd "Create an inotify instance.";
    inotify_add_watch { x86_64: 254, aarch64: 27, i386: 292 } File (fd: Fd, path: Path, mask: Flags("inotify")) "Watch a file or directory.";
    inotify_rm_watch { x86_64: 255, aarch64: 28, i386: 293 } File (fd: Fd, wd: Int) "Stop a watch.";
    migrate_pages { x86_64: 256, aarch64: 238, i386: 294 } Memory (pid: Pid, maxnode: Uint, old_nodes: BitSet(by maxnode), new_nodes: BitSet(by maxnode)) "Move a process's pages to other memory nodes.";
    openat { x86_64: 257, aarch64: 56, i386: 295 } File (dirfd: DirFd, path: Path, flags: Flags("open"), mode: Mode) -> Fd "Open or create a file relative to a directory.";
    mkdirat { x86_64: 258, aarch64: 34, i386: 296 } File (dirfd: DirFd, path: Path, mode: Mode) "Create a directory relative to a directory.";
    mknodat { x86_64: 259, aarch64: 33, i386: 297 } File (dirfd: DirFd, path: Path, mode: FileMode, dev: Dev) "Create a device, FIFO or file relative to a directory.";
    fchownat { x86_64: 260, aarch64: 54, i386: 298 } File (dirfd: DirFd, path: Path, owner: Uid, group: Gid, flags: Flags("at")) "Change a file's owner relative to a directory.";
    futimesat { x86_64: 261, i386: 299 } File (dirfd: DirFd, path: Path, times: Given("stamp_us_pair")) "Change a file's times relative to a directory.";
    newfstatat { x86_64: 262, aarch64: 79 } File (dirfd: DirFd, path: Path, statbuf: Filled("stat"), flags: Flags("at")) "Ask for a file's attributes relative to a directory.";
    unlinkat { x86_64: 263, aarch64: 35, i386: 301 } File (dirfd: DirFd, path: Path, flags: Flags("unlinkat")) "Remove a name relative to a directory.";
    renameat { x86_64: 264, aarch64: 38, i386: 302 } File (olddirfd: DirFd, oldpath: Path, newdirfd: DirFd, newpath: Path) "Rename a file relative to directories.";
    linkat { x86_64: 265, aarch64: 37, i386: 303 } File (olddirfd: DirFd, oldpath: Path, newdirfd: DirFd, newpath: Path, flags: Flags("at")) "Give a file another name relative to directories.";
    symlinkat { x86_64: 266, aarch64: 36, i386: 304 } File (target: Path, newdirfd: DirFd, linkpath: Path) "Create a symbolic link relative to a directory.";
    readlinkat { x86_64: 267, aarch64: 78, i386: 305 } File (dirfd: DirFd, path: Path, buf: BufOut, bufsiz: Size) "Read a symbolic link relative to a directory.";
    fchmodat { x86_64: 268, aarch64: 53, i386: 306 } File (dirfd: DirFd, path: Path, mode: Mode) "Change a file's permissions relative to a directory.";
    faccessat { x86_64: 269, aarch64: 48, i386: 307 } File (dirfd: DirFd, path: Path, mode: Flags("access")) "Check the caller's rights to a file relative to a directory.";
    pselect6 { x86_64: 270, aarch64: 72, i386: 308 } Wait (nfds: Int, readfds: BitSet(by nfds), writefds: BitSet(by nfds), exceptfds: BitSet(by nfds), timeout: Given("timespec"), sigmask: Given("sigset_argpack")) "Wait for events on sets of descriptors with another set of signals blocked.";
    ppoll { x86_64: 271, aarch64: 73, i386: 309 } Wait (fds: GivenArray("pollfd"), nfds: Uint, timeout: Given("timespec"), sigmask: Given("sigset"), sigsetsize: Size) "Wait for events on descriptors with another set of signals blocked.";
    unshare { x86_64: 272, aarch64: 97, i386: 310 } Namespace (flags: Flags("unshare")) @Task "Leave shared namespaces or resources.";
    set_robust_list { x86_64: 273, aarch64: 99, i386: 311 } Process (head: Ptr, len: Size) "Set the list of robust futexes.";
    get_robust_list { x86_64: 274, aarch64: 100, i386: 312 } Process (pid: Pid, head_ptr: Filled("pointer"), sizep: Filled("size")) "Ask for a thread's list of robust futexes.";
    splice { x86_64: 275, aarch64: 76, i386: 313 } File (fd_in: Fd, off_in: Given("loff_t"), fd_out: Fd, off_out: Given("loff_t"), size: Size, flags: Flags("splice"), out_file: OtherFile) "Move data between a pipe and a descriptor.";
    tee { x86_64: 276, aarch64: 77, i386: 315 } Ipc (fd_in: Fd, fd_out: Fd, size: Size, flags: Flags("splice"), out_file: OtherFile) "Copy data between pipes.";
    sync_file_range { x86_64: 277, aarch64: 84 } File (fd: Fd, offset: Offset, nbytes: Offset, flags: Flags("sync_file_range")) "Write part of a file through to disk.";
    vmsplice { x86_64: 278, aarch64: 75, i386: 316 } Ipc (fd: Fd, iov: IoVecIn, nr_segs: Size, flags: Flags("splice")) "Move memory into a pipe.";
    move_pages { x86_64: 279, aarch64: 239, i386: 317 } Memory (pid: Pid, count: Uint, pages: GivenArray("pointer" by count), nodes: GivenArray("int" by count), status: GivenArray("int" by count), flags: Flags("mbind")) "Move pages of a process to other memory nodes.";
    utimensat { x86_64: 280, aarch64: 88, i386: 320 } File (dirfd: DirFd, path: Path, times: Given("stamp_pair"), flags: Flags("at")) "Change a file's times relative to a directory.";
    epoll_pwait { x86_64: 281, aarch64: 22, i386: 319 } Wait (epfd: Fd, events: FilledArray("epoll_event"), maxevents: Int, timeout: Int, sigmask: Given("sigset"), sigsetsize: Size) "Wait for events on an epoll instance with another set of signals blocked.";
    signalfd { x86_64: 282, i386: 321 } Signal (fd: Fd, mask: Given("sigset"), sizemask: Size) -> Fd "Create or change a signal descriptor.";
    timerfd_create { x86_64: 283, aarch64: 85, i386: 322 } Time (clockid: Enum("clockid"), flags: Flags("timerfd_create")) -> Fd "Create a timer descriptor.";
    eventfd { x86_64: 284, i386: 323 } Ipc (initval: Uint) -> Fd "Create an event descriptor.";
    fallocate { x86_64: 285, aarch64: 47 } File (fd: Fd, mode: Flags("fallocate"), offset: Offset, size: Offset) "Allocate or punch out part of a file.";
    timerfd_settime { x86_64: 286, aarch64: 86, i386: 325 } Time (fd: Fd, flags: Flags("timerfd_settime"), new_value: Given("itimerspec"), old_value: Filled("itimerspec")) "Start or stop a timer descriptor.";
    timerfd_gettime { x86_64: 287, aarch64: 87, i386: 326 } Time (fd: Fd, curr_value: Filled("itimerspec")) "Read a timer descriptor.";
    accept4 { x86_64: 288, aarch64: 242, i386: 364 } Net (fd: Fd, addr: SockAddrOut, addrlen: Filled("u32"), flags: Flags("sock_flags"), queue: Backlog("accept_queue")) -> Fd "Accept a connection, with flags.";
    signalfd4 { x86_64: 289, aarch64: 74, i386: 327 } Signal (fd: Fd, mask: Given("sigset"), sizemask: Size, flags: Flags("sfd")) -> Fd "Create or change a signal descriptor, with flags.";
    eventfd2 { x86_64: 290, aarch64: 19, i386: 328 } Ipc (initval: Uint, flags: Flags("eventfd")) -> Fd "Create an event descriptor, with flags.";
    epoll_create1 { x86_64: 291, aarch64: 20, i386: 329 } Wait (flags: Flags("epoll_create")) -> Fd "Create an epoll instance, with flags.";
    dup3 { x86_64: 292, aarch64: 24, i386: 330 } File (oldfd: Fd, newfd: Fd, flags: Flags("descriptor")) -> Fd "Duplicate a descriptor onto a given number, with flags.";
    pipe2 { x86_64: 293, aarch64: 59, i386: 331 } Ipc (pipefd: FdPair, flags: Flags("descriptor")) "Create a pipe, with flags.";
    inotify_init1 { x86_64: 294, aarch64: 26, i386: 332 } File (flags: Flags("inotify_init")) -> Fd "Create an inotify instance, with flags.";
    preadv { x86_64: 295, aarch64: 69, i386: 333 } File (fd: Fd, iov: IoVecOut, iovcnt: Int, pos_l: Hex, pos_h: Hex) "Read at a position into several buffers.";
    pwritev { x86_64: 296, aarch64: 70, i386: 334 } File (fd: Fd, iov: IoVecIn, iovcnt: Int, pos_l: Hex, pos_h: Hex) "Write several buffers at a position.";
    rt_tgsigqueueinfo { x86_64: 297, aarch64: 240, i386: 335 } Signal (tgid: Pid, tid: Pid, sig: Signal, info: Given("siginfo")) "Send a signal with data to a thread.";
    perf_event_open { x86_64: 298, aarch64: 241, i386: 336 } System (attr: Given("perf_event_attr"), pid: Pid, cpu: Int, group_fd: Fd, flags: Flags("perf")) -> Fd "Open a performance counter.";
    recvmmsg { x86_64: 299, aarch64: 243, i386: 337 } Net (fd: Fd, msgvec: MsgVecOut, vlen: Uint, flags: Flags("msg"), timeout: Given("timespec")) "Receive several messages from a socket.";
    fanotify_init { x86_64: 300, aarch64: 262, i386: 338 } File (flags: Flags("fanotify_init"), event_f_flags: Flags("open")) -> Fd "Create a fanotify group.";
    fanotify_mark { x86_64: 301, aarch64: 263 } File (fanotify_fd: Fd, flags: Flags("fanotify_mark"), mask: Flags("fanotify"), dirfd: DirFd, path: Path) "Watch a file, mount or file system.";
    prlimit64 { x86_64: 302, aarch64: 261, i386: 340 } Process (pid: Pid, resource: Enum("rlimit"), new_limit: Given("rlimit64"), old_limit: Filled("rlimit64")) "Read or set a process's resource limit.";
    name_to_handle_at { x86_64: 303, aarch64: 264, i386: 341 } File (dirfd: DirFd, path: Path, handle: Given("file_handle_head"), mount_id: Filled("int"), flags: Flags("at")) "Ask for a file's handle.";
    open_by_handle_at { x86_64: 304, aarch64: 265, i386: 342 } File (mount_fd: DirFd, handle: Given("file_handle"), flags: Flags("open")) -> Fd "Open a file by its handle.";
    clock_adjtime { x86_64: 305, aarch64: 266, i386: 343 } Time (clk_id: Enum("clockid"), buf: Given("timex")) "Read or tune a clock.";
    syncfs { x86_64: 306, aarch64: 267, i386: 344 } File (fd: Fd) "Write a file system through to disk.";
    sendmmsg { x86_64: 307, aarch64: 269, i386: 345 } Net (fd: Fd, msgvec: MsgVecIn, vlen: Uint, flags: Flags("msg")) "Send several messages on a socket.";
    setns { x86_64: 308, aarch64: 268, i386: 346 } Namespace (fd: Fd, nstype: Flags("unshare")) @Task "Join a namespace.";
    getcpu { x86_64: 309, aarch64: 168, i386: 318 } Sched (cpu: Filled("u32"), node: Filled("u32")) "Ask which processor runs the caller.";
    process_vm_readv { x86_64: 310, aarch64: 270, i386: 347 } System (pid: Pid, local_iov: IoVecOut, liovcnt: Uint, remote_iov: GivenArray("iovec"), riovcnt: Uint, flags: Hex) "Read another process's memory.";
    process_vm_writev { x86_64: 311, aarch64: 271, i386: 348 } System (pid: Pid, local_iov: IoVecIn, liovcnt: Uint, remote_iov: GivenArray("iovec"), riovcnt: Uint, flags: Hex) "Write to another process's memory.";
    kcmp { x86_64: 312, aarch64: 272, i386: 349 } Process (pid1: Pid, pid2: Pid, type: Enum("kcmp"), idx1: Uint, idx2: Uint) "Compare the kernel objects of two processes.";
    finit_module { x86_64: 313, aarch64: 273, i386: 350 } System (fd: Fd, param_values: Str, flags: Flags("finit_module")) "Load a kernel module from a file.";
    sched_setattr { x86_64: 314, aarch64: 274, i386: 351 } Sched (pid: Pid, attr: Given("sched_attr"), flags: Hex) "Set scheduling policy and attributes.";
    sched_getattr { x86_64: 315, aarch64: 275, i386: 352 } Sched (pid: Pid, attr: StructOut("sched_attr"), size: Size, flags: Hex) "Ask for scheduling policy and attributes.";
    renameat2 { x86_64: 316, aarch64: 276, i386: 353 } File (olddirfd: DirFd, oldpath: Path, newdirfd: DirFd, newpath: Path, flags: Flags("rename")) "Rename a file relative to directories, with flags.";
    seccomp { x86_64: 317, aarch64: 277, i386: 354 } Process (op: Enum("seccomp_op"), flags: Flags("seccomp"), args: Choice("seccomp_args")) "Restrict the calls a process may make.";
    getrandom { x86_64: 318, aarch64: 278, i386: 355 } System (buf: Ptr, size: Size, flags: Flags("getrandom")) "Get random bytes.";
    memfd_create { x86_64: 319, aarch64: 279, i386: 356 } File (name: Str, flags: Flags("memfd")) -> Fd "Create a file in memory.";
    kexec_file_load { x86_64: 320, aarch64: 294 } System (kernel_fd: Fd, initrd_fd: Fd, cmdline_len: Size, cmdline: Str, flags: Flags("kexec_file")) "Load another kernel from files.";
    bpf { x86_64: 321, aarch64: 280, i386: 357 } System (cmd: Enum("bpf"), attr: Choice("bpf_attr"), size: Size) "Load or control BPF programs and maps.";
    execveat { x86_64: 322, aarch64: 281, i386: 358 } Process (dirfd: DirFd, path: Path, argv: Argv, envp: Argv, flags: Flags("at")) "Execute a program relative to a directory.";
    userfaultfd { x86_64: 323, aarch64: 282, i386: 374 } Memory (flags: Flags("userfaultfd")) -> Fd "Create a descriptor that handles page faults.";
    membarrier { x86_64: 324, aarch64: 283, i386: 375 } Sched (cmd: Enum("membarrier"), flags: Flags("membarrier_flags"), cpu_id: Int) "Order memory accesses between threads.";
    mlock2 { x86_64: 325, aarch64: 284, i386: 376 } Memory (addr: Ptr, len: Size, flags: Flags("mlock2")) "Keep memory from being swapped out, with flags.";
    copy_file_range { x86_64: 326, aarch64: 285, i386: 377 } File (fd_in: Fd, off_in: Given("loff_t"), fd_out: Fd, off_out: Given("loff_t"), size: Size, flags: Hex, out_file: OtherFile) "Copy from one file to another.";
    preadv2 { x86_64: 327, aarch64: 286, i386: 378 } File (fd: Fd, iov: IoVecOut, iovcnt: Int, pos_l: Hex, pos_h: Hex, flags: Flags("rwf")) "Read at a position into several buffers, with flags.";
    pwritev2 { x86_64: 328, aarch64: 287, i386: 379 } File (fd: Fd, iov: IoVecIn, iovcnt: Int, pos_l: Hex, pos_h: Hex, flags: Flags("rwf")) "Write several buffers at a position, with flags.";
    pkey_mprotect { x86_64: 329, aarch64: 288, i386: 380 } Memory (addr: Ptr, len: Size, prot: Flags("prot"), pkey: Int) "Change protection and protection key of memory.";
    pkey_alloc { x86_64: 330, aarch64: 289, i386: 381 } Memory (flags: Hex, access_rights: Flags("pkey")) "Allocate a protection key.";
    pkey_free { x86_64: 331, aarch64: 290, i386: 382 } Memory (pkey: Int) "Free a protection key.";
    statx { x86_64: 332, aarch64: 291, i386: 383 } File (dirfd: DirFd, path: Path, flags: Flags("at"), mask: Flags("statx"), statxbuf: Filled("statx")) "Ask for a file's extended attributes.";
    io_pgetevents { x86_64: 333, aarch64: 292, i386: 385 } File (ctx_id: Hex, min_nr: Int, nr: Int, events: FilledArray("io_event"), timeout: Given("timespec"), sig: Given("aio_sigset")) "Collect finished asynchronous I/O with another set of signals blocked.";
    rseq { x86_64: 334, aarch64: 293, i386: 386 } Sched (rseq: Ptr, rseq_len: Size, flags: Flags("rseq"), sig: Hex) "Register a restartable sequence area.";
    uretprobe { x86_64: 335 } System () "Return from a function that a return probe watches; only the kernel's own trampoline makes it.";
    uprobe { x86_64: 336 } System () "Enter a probe on a function; only the kernel's own trampoline makes it.";
    pidfd_send_signal { x86_64: 424, aarch64: 424, i386: 424 } Signal (pidfd: Fd, sig: Signal, info: Given("siginfo"), flags: Flags("pidfd_signal")) "Send a signal through a process descriptor.";
    io_uring_setup { x86_64: 425, aarch64: 425, i386: 425 } File (entries: Uint, p: Given("io_uring_params")) -> Fd "Create an io_uring instance.";
    io_uring_enter { x86_64: 426, aarch64: 426, i386: 426 } File (fd: Fd, to_submit: Uint, min_complete: Uint, flags: Flags("io_uring_enter"), arg: Choice("io_uring_enter_arg"), argsz: Size) "Submit to and wait for an io_uring instance.";
    io_uring_register { x86_64: 427, aarch64: 427, i386: 427 } File (fd: Fd, opcode: Enum("io_uring_register"), arg: Choice("io_uring_register_arg"), nr_args: Uint) "Register resources with an io_uring instance.";
    open_tree { x86_64: 428, aarch64: 428, i386: 428 } Mount (dirfd: DirFd, path: Path, flags: Flags("open_tree")) -> Fd "Pick or copy a mount.";
    move_mount { x86_64: 429, aarch64: 429, i386: 429 } Mount (from_dirfd: DirFd, from_path: Path, to_dirfd: DirFd, to_path: Path, flags: Flags("move_mount")) "Move or attach a mount.";
    fsopen { x86_64: 430, aarch64: 430, i386: 430 } Mount (fsname: Str, flags: Flags("fsopen")) -> Fd "Start configuring a file system.";
    fsconfig { x86_64: 431, aarch64: 431, i386: 431 } Mount (fd: Fd, cmd: Enum("fsconfig"), key: Str, value: Choice("fsconfig_value"), aux: Int) "Set a parameter of a file system being configured.";
    fsmount { x86_64: 432, aarch64: 432, i386: 432 } Mount (fd: Fd, flags: Flags("fsmount"), attr_flags: Flags("mount_attr")) -> Fd "Create a mount of a configured file system.";
    fspick { x86_64: 433, aarch64: 433, i386: 433 } Mount (dirfd: DirFd, path: Path, flags: Flags("fspick")) -> Fd "Pick a mounted file system to reconfigure.";
    pidfd_open { x86_64: 434, aarch64: 434, i386: 434 } Process (pid: Pid, flags: Flags("pidfd")) -> Fd "Open a process descriptor.";
    clone3 { x86_64: 435, aarch64: 435, i386: 435 } Process (cl_args: StructIn("clone_args"), size: Size) "Create a process or thread, with a structure of arguments.";
    close_range { x86_64: 436, aarch64: 436, i386: 436 } File (first: Uint, last: Uint, flags: Flags("close_range")) "Close a range of descriptors.";
    openat2 { x86_64: 437, aarch64: 437, i386: 437 } File (dirfd: DirFd, path: Path, how: StructIn("open_how"), size: Size) -> Fd "Open or create a file with restrictions on resolving its path.";
    pidfd_getfd { x86_64: 438, aarch64: 438, i386: 438 } Process (pidfd: Fd, targetfd: Int, flags: Hex) -> Fd "Take a descriptor from another process.";
    faccessat2 { x86_64: 439, aarch64: 439, i386: 439 } File (dirfd: DirFd, path: Path, mode: Flags("access"), flags: Flags("faccessat")) "Check the caller's rights to a file, with flags.";
    process_madvise { x86_64: 440, aarch64: 440, i386: 440 } Memory (pidfd: Fd, iovec: GivenArray("iovec"), vlen: Size, advice: Enum("madvise"), flags: Hex) "Say how another process's memory will be used.";
    epoll_pwait2 { x86_64: 441, aarch64: 441, i386: 441 } Wait (epfd: Fd, events: FilledArray("epoll_event"), maxevents: Int, timeout: Given("timespec64"), sigmask: Given("sigset"), sigsetsize: Size) "Wait for events on an epoll instance, in nanoseconds.";
    mount_setattr { x86_64: 442, aarch64: 442, i386: 442 } Mount (dirfd: DirFd, path: Path, flags: Flags("open_tree"), attr: StructIn("mount_attr"), size: Size) "Change the attributes of a mount.";
    quotactl_fd { x86_64: 443, aarch64: 443, i386: 443 } System (fd: Fd, op: Flags("quotactl"), id: Int, addr: Choice("quota_addr")) "Control disk quotas of an open file's file system.";
    landlock_create_ruleset { x86_64: 444, aarch64: 444, i386: 444 } Process (attr: StructIn("landlock_ruleset_attr"), size: Size, flags: Flags("landlock_create")) -> Fd "Create a Landlock ruleset.";
    landlock_add_rule { x86_64: 445, aarch64: 445, i386: 445 } Process (ruleset_fd: Fd, rule_type: Enum("landlock_rule"), rule_attr: Choice("landlock_rule_attr"), flags: Hex) "Add a rule to a Landlock ruleset.";
    landlock_restrict_self { x86_64: 446, aarch64: 446, i386: 446 } Process (ruleset_fd: Fd, flags: Flags("landlock_restrict")) "Restrict the caller by a Landlock ruleset.";
    memfd_secret { x86_64: 447, aarch64: 447, i386: 447 } Memory (flags: Flags("memfd_secret")) -> Fd "Create a file in memory that the kernel cannot read.";
    process_mrelease { x86_64: 448, aarch64: 448, i386: 448 } Memory (pidfd: Fd, flags: Hex) "Free the memory of a dying process.";
    futex_waitv { x86_64: 449, aarch64: 449, i386: 449 } Wait (waiters: GivenArray("futex_waitv"), nr_futexes: Uint, flags: Hex, timeout: Given("timespec64"), clockid: Enum("clockid")) "Wait on several memory words.";
    set_mempolicy_home_node { x86_64: 450, aarch64: 450, i386: 450 } Memory (start: Ptr, len: Size, home_node: Uint, flags: Hex) "Set the home node of a memory policy.";
    cachestat { x86_64: 451, aarch64: 451, i386: 451 } Memory (fd: Fd, cstat_range: Given("cachestat_range"), cstat: Filled("cachestat"), flags: Hex) "Ask how much of a file is in the page cache.";
    fchmodat2 { x86_64: 452, aarch64: 452, i386: 452 } File (dirfd: DirFd, path: Path, mode: Mode, flags: Flags("at")) "Change a file's permissions relative to a directory, with flags.";
    map_shadow_stack { x86_64: 453, aarch64: 453, i386: 453 } Memory (addr: Ptr, size: Size, flags: Flags("shadow_stack")) "Map a shadow stack.";
    futex_wake { x86_64: 454, aarch64: 454, i386: 454 } Wait (uaddr: Ptr, mask: Hex, nr: Int, flags: Flags("futex2")) "Wake waiters on a memory word.";
    futex_wait { x86_64: 455, aarch64: 455, i386: 455 } Wait (uaddr: Ptr, val: Uint, mask: Hex, flags: Flags("futex2"), timeout: Given("timespec64"), clockid: Enum("clockid")) "Wait on a memory word.";
    futex_requeue { x86_64: 456, aarch64: 456, i386: 456 } Wait (waiters: Given("futex_requeue"), flags: Hex, nr_wake: Int, nr_requeue: Int) "Move waiters from one memory word to another.";
    statmount { x86_64: 457, aarch64: 457, i386: 457 } Mount (req: Given("mnt_id_req"), buf: StructOut("statmount"), bufsize: Size, flags: Hex) "Ask for a mount's attributes.";
    listmount { x86_64: 458, aarch64: 458, i386: 458 } Mount (req: Given("mnt_id_req"), mnt_ids: FilledArray("u64"), nr_mnt_ids: Size, flags: Hex) "List mounts.";
    lsm_get_self_attr { x86_64: 459, aarch64: 459, i386: 459 } Cred (attr: Enum("lsm_attr"), ctx: StructOutLen("lsm_ctx"), size: Filled("u32"), flags: Hex) "Ask for a security module's attribute of the caller.";
    lsm_set_self_attr { x86_64: 460, aarch64: 460, i386: 460 } Cred (attr: Enum("lsm_attr"), ctx: StructIn("lsm_ctx"), size: Size, flags: Hex) "Set a security module's attribute of the caller.";
    lsm_list_modules { x86_64: 461, aarch64: 461, i386: 461 } System (ids: StructOutLen("lsm_id"), size: Filled("u32"), flags: Hex) "List the active security modules.";
    mseal { x86_64: 462, aarch64: 462, i386: 462 } Memory (addr: Ptr, len: Size, flags: Hex) "Forbid later changes to mappings.";
    setxattrat { x86_64: 463, aarch64: 463, i386: 463 } File (dirfd: DirFd, path: Path, at_flags: Flags("at"), name: Str, args: StructIn("xattr_args"), size: Size) "Set an extended attribute relative to a directory.";
    getxattrat { x86_64: 464, aarch64: 464, i386: 464 } File (dirfd: DirFd, path: Path, at_flags: Flags("at"), name: Str, args: StructIn("xattr_args"), size: Size) "Read an extended attribute relative to a directory.";
    listxattrat { x86_64: 465, aarch64: 465, i386: 465 } File (dirfd: DirFd, path: Path, at_flags: Flags("at"), list: BufOut, size: Size) "List extended attributes relative to a directory.";
    removexattrat { x86_64: 466, aarch64: 466, i386: 466 } File (dirfd: DirFd, path: Path, at_flags: Flags("at"), name: Str) "Remove an extended attribute relative to a directory.";
    open_tree_attr { x86_64: 467, aarch64: 467, i386: 467 } Mount (dirfd: DirFd, path: Path, flags: Flags("open_tree"), attr: StructIn("mount_attr"), size: Size) -> Fd "Pick or copy a mount and change its attributes.";
    file_getattr { x86_64: 468, aarch64: 468, i386: 468 } File (dirfd: DirFd, path: Path, attr: StructOut("file_attr"), size: Size, at_flags: Flags("at")) "Ask for a file's inode flags.";
    file_setattr { x86_64: 469, aarch64: 469, i386: 469 } File (dirfd: DirFd, path: Path, attr: StructIn("file_attr"), size: Size, at_flags: Flags("at")) "Set a file's inode flags.";
    waitpid { i386: 7 } Process (pid: Pid, wstatus: FilledAbove("wait_status"), options: Flags("wait")) "Wait for a child.";
    break { i386: 17 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "End of the data segment; a number that has no call in Linux any more.";
    oldstat { i386: 18 } File (path: Path, statbuf: Filled("old_stat")) "Ask for a file's attributes, in the first layout.";
    umount { i386: 22 } Mount (target: Path) "Unmount a file system.";
    stime { i386: 25 } Time (t: Given("time_t")) "Set the wall clock in seconds.";
    oldfstat { i386: 28 } File (fd: Fd, statbuf: Filled("old_stat")) "Ask for an open file's attributes, in the first layout.";
    stty { i386: 31 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "Terminal settings; a number that has no call in Linux any more.";
    gtty { i386: 32 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "Terminal settings; a number that has no call in Linux any more.";
    nice { i386: 34 } Sched (inc: Int) "Change the scheduling priority.";
    ftime { i386: 35 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "The wall clock; a number that has no call in Linux any more.";
    prof { i386: 44 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "Profiling; a number that has no call in Linux any more.";
    signal { i386: 48 } Signal (signum: Signal, handler: Enum("sig_handler")) "Set what a signal does, in the first form.";
    lock { i386: 53 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "Locks; a number that has no call in Linux any more.";
    mpx { i386: 56 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "Multiplexed files; a number that has no call in Linux any more.";
    ulimit { i386: 58 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "Limits; a number that has no call in Linux any more.";
    oldolduname { i386: 59 } System (buf: Ptr) "Ask for the kernel's name and version, in the first layout.";
    sigaction { i386: 67 } Signal (signum: Signal, act: Given("old_sigaction"), oldact: Filled("old_sigaction")) "Set what a signal does, in the old layout.";
    sgetmask { i386: 68 } Signal () "Ask for the blocked signals, in the first form.";
    ssetmask { i386: 69 } Signal (newmask: SigSet) "Set the blocked signals, in the first form.";
    sigsuspend { i386: 72 } Signal (unused1: Hex, unused2: Hex, mask: SigSet) "Wait for a signal, in the old form.";
    sigpending { i386: 73 } Signal (set: Filled("old_sigset")) "Ask for pending signals, in the old form.";
    old_select { i386: 82 } Wait (arg: Given("sel_arg")) "Wait for events on sets of descriptors; the arguments are in memory.";
    oldlstat { i386: 84 } File (path: Path, statbuf: Filled("old_stat")) "Ask for a file's attributes without following a symbolic link, in the first layout.";
    readdir { i386: 89 } File (fd: Fd, dirp: Ptr, count: Uint) "Read one directory entry.";
    old_mmap { i386: 90 } Memory (arg: Given("mmap_arg")) "Map a file or memory; the arguments are in memory.";
    profil { i386: 98 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "Profiling; a number that has no call in Linux any more.";
    socketcall { i386: 102 } Net (call: Enum("socketcall"), args: Choice("socketcall_args")) "Make a socket call; its arguments are in memory.";
    olduname { i386: 109 } System (buf: Ptr) "Ask for the kernel's name and version, in the second layout.";
    idle { i386: 112 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "The idle task; a number that has no call in Linux any more.";
    vm86old { i386: 113 } Process (v86: Ptr) "Enter virtual 8086 mode, in the first form.";
    ipc { i386: 117 } Ipc (call: Enum("ipc"), first: Int, second: Hex, third: Hex, ptr: Ptr, fifth: Hex) "Make a System V IPC call.";
    sigreturn { i386: 119 } Signal () @Enter "Return from a signal handler, in the old form.";
    sigprocmask { i386: 126 } Signal (how: Enum("sigprocmask"), set: Given("old_sigset"), oldset: Filled("old_sigset")) "Change the set of blocked signals, in the old form.";
    bdflush { i386: 134 } Other (arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "The buffer flusher; a number that has no call in Linux any more.";
    _llseek { i386: 140 } File (fd: Fd, offset_high: Hex, offset_low: Hex, result: Filled("loff_t"), whence: Enum("whence")) "Move a file's position, in two halves.";
    _newselect { i386: 142 } Wait (nfds: Int, readfds: BitSet(by nfds), writefds: BitSet(by nfds), exceptfds: BitSet(by nfds), timeout: Given("timeval")) "Wait for events on sets of descriptors.";
    vm86 { i386: 166 } Process (fn: Uint, v86: Ptr) "Enter virtual 8086 mode.";
    ia32_pread64 { i386: 180 } File (fd: Fd, buf: BufOut, count: Size, pos_lo: Hex, pos_hi: Hex) "Read at a position given in two halves: pread64 of 32-bit programs.";
    ia32_pwrite64 { i386: 181 } File (fd: Fd, buf: BufIn, count: Size, pos_lo: Hex, pos_hi: Hex) "Write at a position given in two halves: pwrite64 of 32-bit programs.";
    ugetrlimit { i386: 191 } Process (resource: Enum("rlimit"), rlim: Filled("rlimit")) "Read a resource limit.";
    mmap2 { i386: 192 } Memory (addr: Ptr, length: Size, prot: Flags("prot"), flags: Flags("mmap"), fd: Fd, pgoffset: Uint) "Map a file or memory; the offset is in pages.";
    truncate64 { i386: 193 } File (path: Path, length_lo: Hex, length_hi: Hex) "Cut or extend a file to a length given in two halves.";
    ftruncate64 { i386: 194 } File (fd: Fd, length_lo: Hex, length_hi: Hex) "Cut or extend an open file to a length given in two halves.";
    stat64 { i386: 195 } File (path: Path, statbuf: Filled("stat64")) "Ask for a file's attributes.";
    lstat64 { i386: 196 } File (path: Path, statbuf: Filled("stat64")) "Ask for a file's attributes without following a symbolic link.";
    fstat64 { i386: 197 } File (fd: Fd, statbuf: Filled("stat64")) "Ask for an open file's attributes.";
    lchown32 { i386: 198 } File (path: Path, owner: Uid, group: Gid) "Change a file's owner without following a symbolic link.";
    getuid32 { i386: 199 } Cred () "Ask for the real user id.";
    getgid32 { i386: 200 } Cred () "Ask for the real group id.";
    geteuid32 { i386: 201 } Cred () "Ask for the effective user id.";
    getegid32 { i386: 202 } Cred () "Ask for the effective group id.";
    setreuid32 { i386: 203 } Cred (ruid: Uid, euid: Uid) @Task "Set real and effective user ids.";
    setregid32 { i386: 204 } Cred (rgid: Gid, egid: Gid) @Task "Set real and effective group ids.";
    getgroups32 { i386: 205 } Cred (size: Int, list: FilledArray("gid32" by size)) "Ask for the supplementary groups.";
    setgroups32 { i386: 206 } Cred (size: Size, list: GivenArray("gid32" by size)) @Task "Set the supplementary groups.";
    fchown32 { i386: 207 } File (fd: Fd, owner: Uid, group: Gid) "Change an open file's owner.";
    setresuid32 { i386: 208 } Cred (ruid: Uid, euid: Uid, suid: Uid) @Task "Set real, effective and saved user ids.";
    getresuid32 { i386: 209 } Cred (ruid: Filled("uid32"), euid: Filled("uid32"), suid: Filled("uid32")) "Ask for real, effective and saved user ids.";
    setresgid32 { i386: 210 } Cred (rgid: Gid, egid: Gid, sgid: Gid) @Task "Set real, effective and saved group ids.";
    getresgid32 { i386: 211 } Cred (rgid: Filled("gid32"), egid: Filled("gid32"), sgid: Filled("gid32")) "Ask for real, effective and saved group ids.";
    chown32 { i386: 212 } File (path: Path, owner: Uid, group: Gid) "Change a file's owner.";
    setuid32 { i386: 213 } Cred (uid: Uid) @Task "Set the user id.";
    setgid32 { i386: 214 } Cred (gid: Gid) @Task "Set the group id.";
    setfsuid32 { i386: 215 } Cred (fsuid: Uid) @Task "Set the user id used for file access.";
    setfsgid32 { i386: 216 } Cred (fsgid: Gid) @Task "Set the group id used for file access.";
    fcntl64 { i386: 221 } File (fd: Fd, op: Enum("fcntl"), arg: Choice("fcntl_arg")) "Control a descriptor.";
    ia32_readahead { i386: 225 } File (fd: Fd, off_lo: Hex, off_hi: Hex, count: Size) "Read a file into the page cache: readahead of 32-bit programs.";
    sendfile64 { i386: 239 } File (out_fd: Fd, in_fd: Fd, offset: Given("loff_t"), count: Size, in_file: OtherFile) "Copy from one descriptor to another.";
    ia32_fadvise64 { i386: 250 } File (fd: Fd, offset_lo: Hex, offset_hi: Hex, size: Size, advice: Enum("fadvise")) "Say how a file will be read: fadvise64 of 32-bit programs.";
    ia32_lookup_dcookie { i386: 253 } File (cookie_lo: Hex, cookie_hi: Hex, buffer: BufOut, size: Size) "Ask for the path of a directory cookie: lookup_dcookie of 32-bit programs.";
    statfs64 { i386: 268 } File (path: Path, size: Size, buf: Filled("statfs64")) "Ask for a file system's attributes.";
    fstatfs64 { i386: 269 } File (fd: Fd, size: Size, buf: Filled("statfs64")) "Ask for the attributes of an open file's file system.";
    fadvise64_64 { i386: 272 } File (fd: Fd, offset_lo: Hex, offset_hi: Hex, len_lo: Hex, len_hi: Hex, advice: Enum("fadvise")) "Say how a file will be read, position and length in two halves.";
    fstatat64 { i386: 300 } File (dirfd: DirFd, path: Path, statbuf: Filled("stat64"), flags: Flags("at")) "Ask for a file's attributes relative to a directory.";
    ia32_sync_file_range { i386: 314 } File (fd: Fd, off_lo: Hex, off_hi: Hex, n_lo: Hex, n_hi: Hex, flags: Flags("sync_file_range")) "Write part of a file through to disk: sync_file_range of 32-bit programs.";
    ia32_fallocate { i386: 324 } File (fd: Fd, mode: Flags("fallocate"), offset_lo: Hex, offset_hi: Hex, len_lo: Hex, len_hi: Hex) "Allocate or punch out part of a file: fallocate of 32-bit programs.";
    ia32_fanotify_mark { i386: 339 } File (fanotify_fd: Fd, flags: Flags("fanotify_mark"), mask_lo: Flags("fanotify"), mask_hi: Hex, dirfd: DirFd, path: Path) "Watch a file, mount or file system: fanotify_mark of 32-bit programs.";
    clock_gettime64 { i386: 403 } Time (clockid: Enum("clockid"), tp: Choice("clock_value64")) "Read a clock.";
    clock_settime64 { i386: 404 } Time (clockid: Enum("clockid"), tp: Given("stamp64")) "Set a clock.";
    clock_adjtime64 { i386: 405 } Time (clk_id: Enum("clockid"), buf: Given("timex64")) "Read or tune a clock.";
    clock_getres_time64 { i386: 406 } Time (clockid: Enum("clockid"), res: Filled("timespec64")) "Ask for a clock's resolution.";
    clock_nanosleep_time64 { i386: 407 } Time (clockid: Enum("clockid"), flags: Flags("timer"), t: Given("timespec64"), remain: FilledRest("timespec64")) "Sleep on a clock.";
    timer_gettime64 { i386: 408 } Time (timerid: Int, curr_value: Filled("itimerspec64")) "Read a timer.";
    timer_settime64 { i386: 409 } Time (timerid: Int, flags: Flags("timer"), new_value: Given("itimerspec64"), old_value: Filled("itimerspec64")) "Start or stop a timer.";
    timerfd_gettime64 { i386: 410 } Time (fd: Fd, curr_value: Filled("itimerspec64")) "Read a timer descriptor.";
    timerfd_settime64 { i386: 411 } Time (fd: Fd, flags: Flags("timerfd_settime"), new_value: Given("itimerspec64"), old_value: Filled("itimerspec64")) "Start or stop a timer descriptor.";
    utimensat_time64 { i386: 412 } File (dirfd: DirFd, path: Path, times: Given("stamp_pair64"), flags: Flags("at")) "Change a file's times relative to a directory.";
    pselect6_time64 { i386: 413 } Wait (nfds: Int, readfds: BitSet(by nfds), writefds: BitSet(by nfds), exceptfds: BitSet(by nfds), timeout: Given("timespec64"), sigmask: Given("sigset_argpack")) "Wait for events on sets of descriptors with another set of signals blocked.";
    ppoll_time64 { i386: 414 } Wait (fds: GivenArray("pollfd"), nfds: Uint, timeout: Given("timespec64"), sigmask: Given("sigset"), sigsetsize: Size) "Wait for events on descriptors with another set of signals blocked.";
    io_pgetevents_time64 { i386: 416 } File (ctx_id: Hex, min_nr: Int, nr: Int, events: FilledArray("io_event"), timeout: Given("timespec64"), sig: Given("aio_sigset")) "Collect finished asynchronous I/O with another set of signals blocked.";
    recvmmsg_time64 { i386: 417 } Net (fd: Fd, msgvec: MsgVecOut, vlen: Uint, flags: Flags("msg"), timeout: Given("timespec64")) "Receive several messages from a socket.";
    mq_timedsend_time64 { i386: 418 } Ipc (mqdes: Fd, msg_ptr: StructIn, msg_len: Size, msg_prio: Uint, abs_timeout: Given("stamp64")) "Send a message to a queue.";
    mq_timedreceive_time64 { i386: 419 } Ipc (mqdes: Fd, msg_ptr: BufOut, msg_len: Size, msg_prio: Filled("u32"), abs_timeout: Given("stamp64")) "Receive a message from a queue.";
    semtimedop_time64 { i386: 420 } Ipc (semid: Int, sops: GivenArray("sembuf"), nsops: Size, timeout: Given("timespec64")) "Operate on semaphores, with a time limit.";
    rt_sigtimedwait_time64 { i386: 421 } Signal (set: Given("sigset"), info: FilledAbove("siginfo"), timeout: Given("timespec64"), sigsetsize: Size) "Wait for one of a set of signals.";
    futex_time64 { i386: 422 } Wait (uaddr: Ptr, futex_op: Flags("futex"), val: Uint, timeout: Choice("futex_timeout64"), uaddr2: Ptr, val3: Uint) "Wait or wake on a memory word.";
    sched_rr_get_interval_time64 { i386: 423 } Sched (pid: Pid, tp: Filled("timespec64")) "Ask for the round-robin time slice.";
};

/// What the kernel does without being called, calls without a row, what container runtimes tell, and samples of use. New
/// rows go at the end.
pub const HAPPENINGS: &[Syscall] = syscalls! {
    unknown {} Other (nr: Uint, arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "A call whose number has no row; its raw arguments.";
    procexit {} Process (status: Int, signal: Signal, core: Uint, utime_ns: Uint, stime_ns: Uint, maxrss_kb: Uint, minflt: Uint, majflt: Uint, nvcsw: Uint, nivcsw: Uint, threads: Uint) "A thread ended; when it was the last of its process, so did the process.";
    clone_child {} Process (parent_tid: Pid, pid: Pid) "A new process or thread, as the scheduler announced it.";
    container_start {} Process (id: Str, cgroup: Path) "A container's control group was created.";
    container_stop {} Process (id: Str, cgroup: Path) "A container's control group was removed.";
    cgroup_attach {} Process (cgroup: Path, pid: Pid) "A process was moved to another control group.";
    oom_kill {} Memory (pid: Pid) "The kernel chose a process to kill for lack of memory.";
    container_usage {} System (cpu_ns: Uint, cpu_user_ns: Uint, cpu_system_ns: Uint, cpu_percent: Uint, throttled: Uint, throttled_ns: Uint, memory: Size, memory_peak: Size, memory_limit: Size, swap: Size, oom_kills: Uint, pids: Uint, pids_limit: Uint, io_read: Size, io_write: Size, cpu_some: Uint, memory_some: Uint, memory_full: Uint, io_some: Uint, io_full: Uint) "What a container had used, read from its control groups; the last five are shares of ten seconds, in hundredths of a percent.";
    runtime_connect {} System (runtime: Str, socket: Path) "A container runtime began to tell of its events.";
    runtime_disconnect {} System (runtime: Str, socket: Path, reason: Str) "A container runtime no longer tells of its events.";
    runtime_create {} Process (name: Str, image: Str) "A runtime made a container.";
    runtime_start {} Process (name: Str, image: Str) "A runtime started a container.";
    runtime_exec_create {} Process (exec_id: Str, command: Str) "A runtime prepared a further program in a container.";
    runtime_exec_start {} Process (exec_id: Str, command: Str) "A runtime started a further program in a container.";
    runtime_exec_die {} Process (exec_id: Str, status: Int) "A program that a runtime had started in a container ended.";
    runtime_die {} Process (status: Int) "A container's first program ended.";
    runtime_oom {} Memory () "A runtime noticed that a container ran out of memory.";
    runtime_kill {} Signal (signal: Signal) "A runtime sent a signal to a container.";
    runtime_stop {} Process () "A runtime stopped a container.";
    runtime_restart {} Process () "A runtime restarted a container.";
    runtime_pause {} Process () "A runtime froze a container.";
    runtime_unpause {} Process () "A runtime let a frozen container go on.";
    runtime_rename {} Process (name: Str, old_name: Str) "A container got another name.";
    runtime_update {} Process () "A container's limits were changed.";
    runtime_destroy {} Process (name: Str, image: Str) "A runtime removed a container.";
    runtime_pull {} System (image: Str) "A runtime fetched an image.";
    runtime_event {} System (object: Str, action: Str, name: Str) "A runtime told of something without a row of its own: health checks, copies, networks, volumes, other images.";
    io_uring_op {} File (opcode: Enum("io_uring_op"), flags: Flags("io_uring_sqe"), fd: Fd, path: Path, newpath: Path, op_flags: Hex, addr: SockAddrIn, data: BufOut, size: Size, offset: Offset, user_data: Hex, cqe_flags: Flags("io_uring_cqe"), latency_ns: Uint) "An operation that was submitted through an io_uring; its result is that of its completion.";
    signal_generate {} Signal (sig: Signal, spid: Pid, dpid: Pid, code: Str, result: Enum("signal_result")) "A signal was sent by the process spid, or by the kernel (0), to the process dpid.";
    signaldeliver {} Signal (spid: Pid, dpid: Pid, sig: Signal, code: Str, handler: Enum("signal_handler"), flags: Flags("sa_flags")) "A signal reached a thread of the process dpid, which handles it in this way.";
    inet_sock_set_state {} Net (oldstate: Enum("tcp_state"), newstate: Enum("tcp_state"), latency_ns: Uint) "A TCP socket changed its state; latency_ns is the time it took to connect.";
    tcp_retransmit_skb {} Net (state: Enum("tcp_state")) "A TCP segment was sent again.";
    tcp_receive_reset {} Net (state: Enum("tcp_state")) "The other end reset a TCP connection.";
    tcp_send_reset {} Net (state: Enum("tcp_state")) "This end reset a TCP connection.";
    task_rename {} Process (tid: Pid, comm: Str) "A thread's name was changed by another way than exec or prctl.";
    cap_capable {} Cred (cap: Flags("capability"), result: Flags("cap_result")) "The kernel asked whether a process has a capability: told once of each program and answer. That CAP_SYS_ADMIN is lacking is not told.";
    module_request {} System (name: Str) "The kernel asked for a module by itself, because of what this thread does: a kind of socket, a file system, a program's format.";
    module_load {} System (name: Str, taints: Flags("module_taint")) "A kernel module was loaded.";
    module_free {} System (name: Str, taints: Flags("module_taint")) "A kernel module was removed.";
    crash {} Signal (sig: Signal, code: Str, addr: Hex, ip: Hex, sp: Hex, registers: Str, stack: Str, maps: Str) "A signal that nothing handles ends a process in the middle of what it did: where that was, frame by frame as far as programs keep frame pointers, and what was mapped there.";
};

/// The row with this name, call or happening.
pub fn by_name(name: &str) -> Option<&'static Syscall> {
    static BY_NAME: OnceLock<HashMap<&'static str, &'static Syscall>> = OnceLock::new();
    BY_NAME
        .get_or_init(|| {
            SYSCALLS
                .iter()
                .chain(HAPPENINGS)
                .map(|row| (row.name, row))
                .collect()
        })
        .get(name)
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structs;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    /// Names the kernel's headers use for rows that have a name of their own here.
    fn header_name(row: &str) -> &str {
        match row {
            "old_mmap" => "mmap",
            "old_select" => "select",
            _ => row.strip_prefix("ia32_").unwrap_or(row),
        }
    }

    /// `#define __NR_name number`, and on the generic header one step of `__NR_a __NR3264_a`.
    fn header_numbers(path: &Path) -> Option<BTreeMap<String, u32>> {
        let text = std::fs::read_to_string(path).ok()?;
        let mut numbers = BTreeMap::new();
        let mut same_as = Vec::new();
        for line in text.lines() {
            let words = line.split_whitespace().collect::<Vec<_>>();
            let ["#define", name, value, ..] = words[..] else {
                continue;
            };
            let Some(name) = name.strip_prefix("__NR") else {
                continue;
            };
            let name = name.trim_start_matches('_').to_owned();
            if let Ok(number) = value.parse() {
                numbers.insert(name, number);
            } else {
                same_as.push((name, value.trim_start_matches("__NR").to_owned()));
            }
        }
        for (name, other) in same_as {
            if let Some(number) = numbers.get(&other).copied() {
                // A 3264 pair: the 64-bit convention has the first, unsuffixed, of its two names.
                numbers.entry(name).or_insert(number);
            }
        }
        Some(numbers)
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped comparison must be seen")]
    fn every_number_is_the_one_in_the_kernel_headers() {
        let headers = [
            (Abi::x86_64, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
            (Abi::i386, "/usr/include/x86_64-linux-gnu/asm/unistd_32.h"),
            (Abi::aarch64, "/usr/include/asm-generic/unistd.h"),
        ];
        for (abi, path) in headers {
            let Some(numbers) = header_numbers(Path::new(path)) else {
                eprintln!(
                    "SKIPPED {} numbers: {path} is not on this machine (package linux-libc-dev)",
                    abi.name()
                );
                continue;
            };
            let newest = numbers
                .iter()
                .filter(|row| row.0 != "syscalls")
                .map(|row| *row.1)
                .max()
                .unwrap_or(0);
            let mut compared = 0;
            for row in SYSCALLS {
                let Some(number) = row.number(abi) else {
                    continue;
                };
                match numbers.get(header_name(row.name).trim_start_matches('_')) {
                    Some(expected) => {
                        assert_eq!(number, *expected, "{} on {}", row.name, abi.name())
                    }
                    // Later kernels also use the numbers that 64-bit x86 has left below 424.
                    None => assert!(
                        number > newest || (335..424).contains(&number),
                        "{} on {} is not in {path}",
                        row.name,
                        abi.name()
                    ),
                }
                compared += 1;
            }
            assert!(
                compared > 200,
                "only {compared} numbers compared with {path}"
            );
        }
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped comparison must be seen")]
    fn every_number_in_this_machines_headers_is_a_row() {
        for (abi, file) in [(Abi::x86_64, "unistd_64.h"), (Abi::i386, "unistd_32.h")] {
            let path = Path::new("/usr/include/x86_64-linux-gnu/asm").join(file);
            let Some(numbers) = header_numbers(&path) else {
                eprintln!(
                    "SKIPPED: {} is not on this machine (package linux-libc-dev)",
                    path.display()
                );
                continue;
            };
            for (name, number) in numbers {
                assert!(
                    SYSCALLS.iter().any(|row| row.number(abi) == Some(number)),
                    "{name} ({number}) of {} has no row",
                    abi.name()
                );
            }
        }
    }

    #[test]
    fn rows_are_sorted_by_x86_64_number_and_then_by_i386_number() {
        let key = |row: &Syscall| {
            (
                row.number(Abi::x86_64).unwrap_or(u32::MAX),
                row.number(Abi::i386).unwrap_or(0),
            )
        };
        for pair in SYSCALLS.windows(2) {
            assert!(
                key(&pair[0]) < key(&pair[1]),
                "{} must not come before {}",
                pair[0].name,
                pair[1].name
            );
        }
    }

    #[test]
    fn no_number_and_no_name_is_given_twice() {
        let mut names = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for row in SYSCALLS.iter().chain(HAPPENINGS) {
            assert!(names.insert(row.name), "{} is there twice", row.name);
            for number in row.numbers {
                assert!(
                    numbers.insert(*number),
                    "{} shares a number with another row",
                    row.name
                );
            }
        }
    }

    #[test]
    fn a_call_has_at_most_six_arguments_and_every_row_different_names_and_a_sentence() {
        for row in SYSCALLS.iter().chain(HAPPENINGS) {
            // Six registers; what user space makes may say more, within what the file format takes.
            let most = if row.numbers.is_empty() { 32 } else { 6 };
            let own = row.args.iter().filter(|arg| !arg.kind.is_part());
            assert!(own.count() <= most, "{}", row.name);
            let names = row.args.iter().map(|arg| arg.name).collect::<BTreeSet<_>>();
            assert_eq!(
                names.len(),
                row.args.len(),
                "{} names two arguments alike",
                row.name
            );
            assert!(
                row.doc.ends_with('.') && row.doc.starts_with(char::is_uppercase),
                "{}: {}",
                row.name,
                row.doc
            );
        }
    }

    #[test]
    fn what_is_counted_or_decided_by_another_argument_has_one_of_the_right_kind() {
        for row in SYSCALLS {
            for (at, arg) in row.args.iter().enumerate() {
                let holds = structs::choice(arg.set).filter(|_| arg.kind == ArgKind::Choice);
                let cases = holds.map_or_else(Vec::new, |choice| {
                    assert!(
                        row.args.iter().any(|other| other.name == choice.by),
                        "{}: {} is decided by {}",
                        row.name,
                        arg.name,
                        choice.by
                    );
                    structs::all_cases(choice)
                });
                for spec in cases
                    .iter()
                    .chain([arg])
                    .filter(|arg| arg.kind.is_counted())
                {
                    let count = match spec.by {
                        "" => row.args.get(at + 1),
                        by => row.args.iter().find(|other| other.name == by),
                    };
                    let next = count.map(|next| next.kind);
                    let fits = match spec.kind {
                        ArgKind::SockAddrIn => next == Some(ArgKind::SockAddrLen),
                        ArgKind::SockAddrOut | ArgKind::StructOutLen => {
                            next == Some(ArgKind::Filled)
                        }
                        _ => matches!(next, Some(ArgKind::Int | ArgKind::Uint | ArgKind::Size)),
                    };
                    assert!(fits, "{}: {} is counted by {next:?}", row.name, arg.name);
                }
            }
        }
    }

    #[test]
    fn calls_recorded_at_entry_are_those_that_never_return() {
        let at_entry = SYSCALLS
            .iter()
            .filter(|row| row.when == When::Enter)
            .map(|row| row.name)
            .collect::<Vec<_>>();
        assert_eq!(
            at_entry,
            ["rt_sigreturn", "exit", "exit_group", "sigreturn"]
        );
    }

    #[test]
    fn calls_that_return_a_descriptor_say_so_in_their_row() {
        assert!(by_name("openat2").is_some_and(|row| row.returns_fd));
        assert!(by_name("read").is_some_and(|row| !row.returns_fd));
        assert!(by_name("setuid").is_some_and(|row| row.changes_task));
    }
}
