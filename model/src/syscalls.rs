//! The two tables of what can happen: `SYSCALLS`, and `HAPPENINGS` for what the kernel does without being called.
//!
//! A new call is one row: name, its number per architecture, class, arguments with their kinds, a sentence. The kernel
//! program's argument plans, the decoder, the file's schema, filter fields, screens and documents all read it here.
//! Numbers are from `arch/*/entry/syscalls/*.tbl` and `include/uapi/asm-generic/unistd.h`; arguments from the man pages.

use crate::args::{Abi, ArgKind, ArgSpec, Class};

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
    /// Arguments in order; at most six.
    pub args: &'static [ArgSpec],
    /// When it is recorded.
    pub when: When,
    /// One sentence.
    pub doc: &'static str,
}

impl Syscall {
    /// Its number in one call convention.
    pub fn number(&self, abi: Abi) -> Option<u32> {
        self.numbers.iter().find(|row| row.0 == abi).map(|row| row.1)
    }
}

macro_rules! syscalls {
    (@set $set:literal) => { $set };
    (@set) => { "" };
    (@when $when:ident) => { When::$when };
    (@when) => { When::Exit };
    ($(
        $name:ident { $($abi:ident : $number:literal),* $(,)? } $class:ident
        ( $($arg:ident : $kind:ident $(($set:literal))?),* $(,)? ) $(@ $when:ident)? $doc:literal;
    )*) => {
        &[$(Syscall {
            name: stringify!($name),
            numbers: &[$((Abi::$abi, $number)),*],
            class: Class::$class,
            args: &[$(ArgSpec { name: stringify!($arg), kind: ArgKind::$kind, set: syscalls!(@set $($set)?) }),*],
            when: syscalls!(@when $($when)?),
            doc: $doc,
        }),*]
    };
}

/// Every call that is recorded with named arguments; any other number becomes the happening `unknown`.
pub const SYSCALLS: &[Syscall] = syscalls! {
    read       { x86_64: 0,   aarch64: 63,  i386: 3   } File (fd: Fd, buf: BufOut, count: Size) "Read from a descriptor.";
    write      { x86_64: 1,   aarch64: 64,  i386: 4   } File (fd: Fd, buf: BufIn, count: Size) "Write to a descriptor.";
    open       { x86_64: 2,                 i386: 5   } File (path: Path, flags: Flags("open"), mode: Mode) "Open or create a file.";
    close      { x86_64: 3,   aarch64: 57,  i386: 6   } File (fd: Fd) "Close a descriptor.";
    pipe       { x86_64: 22,                i386: 42  } Ipc (pipefd: FdPair) "Create a pipe.";
    socket     { x86_64: 41,  aarch64: 198, i386: 359 } Net (domain: Enum("domain"), type: Hex, protocol: Int) "Create a socket.";
    connect    { x86_64: 42,  aarch64: 203, i386: 362 } Net (fd: Fd, addr: SockAddrIn, addrlen: SockAddrLen) "Connect a socket.";
    execve     { x86_64: 59,  aarch64: 221, i386: 11  } Process (path: Path, argv: Argv, envp: Ptr) "Execute a program.";
    exit       { x86_64: 60,  aarch64: 93,  i386: 1   } Process (status: Int) @Enter "End the calling thread.";
    getppid    { x86_64: 110, aarch64: 173, i386: 64  } Process () "Ask for the parent's pid.";
    exit_group { x86_64: 231, aarch64: 94,  i386: 252 } Process (status: Int) @Enter "End all threads of the process.";
    openat     { x86_64: 257, aarch64: 56,  i386: 295 } File (dirfd: DirFd, path: Path, flags: Flags("open"), mode: Mode) "Open or create a file relative to a directory.";
};

/// What the kernel does without being called, and calls without a row.
pub const HAPPENINGS: &[Syscall] = syscalls! {
    unknown {} Other (nr: Uint, arg0: Hex, arg1: Hex, arg2: Hex, arg3: Hex, arg4: Hex) "A call whose number has no row; its raw arguments.";
    procexit {} Process (status: Int, signal: Signal, core: Uint) "A thread ended; when it was the last of its process, so did the process.";
    clone_child {} Process (parent_tid: Pid, flags: Flags("clone")) "A new process or thread, as the scheduler announced it.";
    container_start {} Process (id: Str, cgroup: Path) "A container's control group was created.";
    container_stop {} Process (id: Str, cgroup: Path) "A container's control group was removed.";
    cgroup_attach {} Process (cgroup: Path, pid: Pid) "A process was moved to another control group.";
    oom_kill {} Memory (pid: Pid) "The kernel chose a process to kill for lack of memory.";
};

/// The row with this name, call or happening.
pub fn by_name(name: &str) -> Option<&'static Syscall> {
    SYSCALLS.iter().chain(HAPPENINGS).find(|row| row.name == name)
}
