//! What an argument is: the kinds that the kernel program, the decoder, the file's schema and the screens share.

/// How a call reached the kernel. Numbers are part of the file format; names are those of the columns of `SYSCALLS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(non_camel_case_types)]
pub enum Abi {
    /// 64-bit x86 calls.
    #[default]
    x86_64 = 0,
    /// 32-bit x86 calls (`int 0x80`, `sysenter`), also those of a 64-bit process.
    i386 = 1,
    /// 64-bit ARM calls.
    aarch64 = 2,
    /// x86 calls with the x32 bit.
    x32 = 3,
}

impl Abi {
    /// Every convention with its name, as `evt.abi` shows it.
    pub const ALL: &'static [(Abi, &'static str)] = &[
        (Abi::x86_64, "x86_64"),
        (Abi::i386, "i386"),
        (Abi::aarch64, "aarch64"),
        (Abi::x32, "x32"),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|row| row.0 == self)
            .map_or("unknown", |row| row.1)
    }

    /// The convention with this number.
    pub fn from_code(code: u8) -> Option<Abi> {
        Self::ALL
            .iter()
            .map(|row| row.0)
            .find(|abi| *abi as u8 == code)
    }
}

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal, $text:literal, $sentence:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $sentence] $variant = $code),* }
        impl $name {
            /// Every member with its name and a sentence.
            pub const ALL: &'static [($name, &'static str, &'static str)] = &[$(($name::$variant, $text, $sentence)),*];

            /// The member's name, as the file's schema and the documents write it.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            /// The member with this number.
            pub fn from_code(code: u8) -> Option<$name> {
                match code { $($code => Some($name::$variant),)* _ => None }
            }
        }
    };
}

coded! {
    /// What an argument holds. The kernel program reads user memory by kind, never by call; the decoder and the screens
    /// understand values by kind. Numbers are part of the file format and of the kernel contract.
    ArgKind {
        Int = 0, "int", "A signed number.";
        Uint = 1, "uint", "An unsigned number.";
        Hex = 2, "hex", "A bit pattern without names.";
        Ptr = 3, "ptr", "An address in the caller's memory; what it points at is not read.";
        Fd = 4, "fd", "A descriptor; the event's file says what is behind it.";
        DirFd = 5, "dirfd", "A directory descriptor that relative paths start from, or AT_FDCWD.";
        Path = 6, "path", "A path as the caller passed it.";
        Str = 7, "str", "A NUL-terminated string.";
        BufIn = 8, "buf-in", "Bytes the caller gives (write); its length is the result, or the next argument when the call failed.";
        BufOut = 9, "buf-out", "Bytes the kernel returns (read); its length is the result, at most the next argument.";
        SockAddrIn = 10, "sockaddr-in", "A socket address the caller gives; the next argument is its length.";
        SockAddrOut = 11, "sockaddr-out", "A socket address the kernel returns; the next argument points at its length.";
        IoVecIn = 12, "iovec-in", "A vector of buffers the caller gives; the next argument counts them.";
        IoVecOut = 13, "iovec-out", "A vector of buffers the kernel fills; the next argument counts them.";
        MsgIn = 14, "msg-in", "A struct msghdr the caller gives.";
        MsgOut = 15, "msg-out", "A struct msghdr the kernel fills.";
        Flags = 16, "flags", "Bits with names.";
        Enum = 17, "enum", "A number with a name.";
        Mode = 18, "mode", "File permission bits, octal.";
        Pid = 19, "pid", "A process or thread id as the caller numbers it.";
        Uid = 20, "uid", "A user id as the caller numbers it; -1 leaves it unchanged.";
        Gid = 21, "gid", "A group id as the caller numbers it; -1 leaves it unchanged.";
        Signal = 22, "signal", "A signal number.";
        Size = 23, "size", "A number of bytes.";
        Offset = 24, "offset", "A position in a file.";
        FdPair = 25, "fd-pair", "Two descriptors the kernel returns in an array.";
        Argv = 26, "argv", "An array of strings, NUL between them.";
        TimeSpec = 27, "timespec", "Seconds and nanoseconds the caller gives; kept as nanoseconds.";
        Dev = 28, "dev", "A device number as user space writes it.";
        SockAddrLen = 29, "socklen", "The length of a socket address.";
        StructIn = 30, "struct-in", "A structure or text the caller gives; the counting argument is its size in bytes, whatever the result.";
        Given = 31, "given", "A structure the caller gives, as it is when the call returns; in a structure, one inside it.";
        Filled = 32, "filled", "A structure the kernel fills when the call succeeds.";
        FilledAbove = 33, "filled-above", "A structure the kernel fills when the result is above 0.";
        FilledRest = 34, "filled-rest", "The time that is left, which the kernel writes when a signal ends the call.";
        GivenArray = 35, "given-array", "Structures the caller gives, as they are when the call returns, one after another; the counting argument is their number.";
        FilledArray = 36, "filled-array", "Structures the kernel fills, one after another; the result is their number.";
        StructOut = 37, "struct-out", "A structure the kernel fills when the call succeeds; the counting argument is its size in bytes.";
        StructOutLen = 38, "struct-out-len", "A structure the kernel fills when the call succeeds; the counting argument points at its size in bytes.";
        BitSet = 39, "bit-set", "A set of numbers, one bit each, as it is when the call returns; the counting argument is one more than the largest.";
        Choice = 40, "choice", "What it holds is decided by another argument.";
        MsgName = 41, "msg-name", "The socket address inside the struct msghdr; no argument of the call's own.";
        MsgControl = 42, "msg-control", "The control messages inside the struct msghdr; no argument of the call's own.";
        MsgVecIn = 43, "msg-vec-in", "Messages (struct mmsghdr) the caller gives; the result is the number of those sent.";
        MsgVecOut = 44, "msg-vec-out", "Messages (struct mmsghdr) the kernel fills; the result is their number.";
        TimeVal = 45, "timeval", "Seconds and microseconds; a length of time.";
        Stamp = 46, "stamp", "Seconds since 1970 and nanoseconds.";
        StampUs = 47, "stamp-us", "Seconds since 1970 and microseconds.";
        Epoch = 48, "epoch", "Seconds since 1970.";
        SigSet = 49, "sigset", "A set of signals, signal 1 is bit 0.";
        Caps = 50, "caps", "A set of capabilities, capability 0 is bit 0; in 16 bytes the lower half is the first word and the upper the last.";
        WaitStatus = 51, "wait-status", "How a child ended or stopped.";
        Bytes = 52, "bytes", "Bytes without a meaning here.";
        Ioctl = 53, "ioctl", "A request of ioctl: its name, else direction, type, number and size.";
        BitList = 54, "bit-list", "A set of numbers, one bit each.";
        FileMode = 55, "file-mode", "File type and permission bits.";
        OtherFile = 56, "other-file", "The full name of the file or socket behind the call's last descriptor; no argument of the call's own.";
        Errno = 57, "errno", "A count or another result, or a negated errno.";
        Data = 58, "data", "Bytes that were read or written, in a capture of another program.";
        Tuple = 59, "tuple", "Both ends of a socket as scap packs them: family, then address and port of each end, or two pointers and a path.";
        Address = 60, "address", "A socket address as scap packs it: family, then address and port, or a path.";
        FdWaits = 61, "fd-waits", "Descriptors that are waited for: each 8 bytes of number, 2 of events, the letter of its type, 2 of length, its name.";
        Variant = 62, "variant", "A value behind a byte that says which of the kinds of its set it has.";
        Ip = 63, "ip", "An address of 4 or 16 bytes.";
        Backlog = 64, "backlog", "Connections that wait at the listening socket behind the call's first argument, and how many may, when the call returns; no argument of the call's own.";
    }
}

impl ArgKind {
    /// Whether the recorder looks behind the value: at memory, or at the file of a descriptor.
    pub fn is_read(self) -> bool {
        use ArgKind::{
            Caps, Dev, Enum, Epoch, Errno, FileMode, Flags, Gid, Hex, Int, Ioctl, Mode, Offset,
            Pid, Ptr, SigSet, Signal, Size, SockAddrLen, Uid, Uint, WaitStatus,
        };
        self == ArgKind::Backlog
            || !self.is_part()
                && !matches!(
                    self,
                    Int | Uint
                        | Hex
                        | Ptr
                        | Flags
                        | Enum
                        | Ioctl
                        | Mode
                        | FileMode
                        | Pid
                        | Uid
                        | Gid
                        | Signal
                        | SigSet
                        | Caps
                        | WaitStatus
                        | Epoch
                        | Size
                        | Offset
                        | Dev
                        | SockAddrLen
                        | Errno
                )
    }

    /// Whether it is what a call read, wrote, sent or received.
    pub fn is_payload(self) -> bool {
        matches!(
            self,
            ArgKind::BufIn
                | ArgKind::BufOut
                | ArgKind::IoVecIn
                | ArgKind::IoVecOut
                | ArgKind::MsgIn
                | ArgKind::MsgOut
                | ArgKind::MsgVecIn
                | ArgKind::MsgVecOut
                | ArgKind::Data
        )
    }

    /// Whether the argument is none of the call's own but a part of one: it has no register.
    pub fn is_part(self) -> bool {
        matches!(
            self,
            ArgKind::MsgName | ArgKind::MsgControl | ArgKind::OtherFile | ArgKind::Backlog
        )
    }

    /// Whether it holds one structure or several, laid out as the set says.
    pub fn is_struct(self) -> bool {
        matches!(
            self,
            ArgKind::StructIn
                | ArgKind::Given
                | ArgKind::Filled
                | ArgKind::FilledAbove
                | ArgKind::FilledRest
                | ArgKind::GivenArray
                | ArgKind::FilledArray
                | ArgKind::StructOut
                | ArgKind::StructOutLen
                | ArgKind::Backlog
        )
    }

    /// Whether another argument says how much there is; the next one where the row names none.
    pub fn is_counted(self) -> bool {
        matches!(
            self,
            ArgKind::BufIn
                | ArgKind::BufOut
                | ArgKind::SockAddrIn
                | ArgKind::SockAddrOut
                | ArgKind::IoVecIn
                | ArgKind::IoVecOut
                | ArgKind::StructIn
                | ArgKind::GivenArray
                | ArgKind::StructOut
                | ArgKind::StructOutLen
                | ArgKind::BitSet
        )
    }
}

coded! {
    /// What a call is about. Also decides what yields first when a ring fills up.
    Class {
        File = 0, "file", "Files and directories.";
        Net = 1, "net", "Sockets.";
        Process = 2, "process", "Processes, threads and programs.";
        Cred = 3, "user", "User and group ids, capabilities.";
        Namespace = 4, "namespace", "Namespaces, roots and hostnames.";
        Mount = 5, "mount", "File system mounts.";
        Memory = 6, "memory", "Mappings and their protection.";
        Ipc = 7, "IPC", "Pipes, queues, shared memory, event descriptors.";
        Signal = 8, "signal", "Signals.";
        Wait = 9, "wait", "Waiting for descriptors or events.";
        Time = 10, "time", "Clocks, timers and sleeping.";
        System = 11, "system", "Modules, BPF, tracing, keys and the machine itself.";
        Sched = 12, "scheduler", "Scheduling.";
        Other = 13, "other", "Anything else.";
        Unknown = 14, "unknown", "What the program that recorded had no class for.";
        Sleep = 15, "sleep", "Sleeping.";
        Processing = 16, "processing", "Programs' own marks.";
        Io = 17, "io", "Reading, writing and the rest of what is done to a descriptor, whose file says what it is about.";
        IoIpc = 18, "ipc", "Reading and writing pipes, unix sockets and event descriptors, in a capture of another program.";
    }
}

/// One argument of a row of `SYSCALLS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgSpec {
    /// Name, as in the man page.
    pub name: &'static str,
    /// What it holds.
    pub kind: ArgKind,
    /// Name of the flag set, of the structure or of the choice; else empty.
    pub set: &'static str,
    /// Name of the argument that counts it, where that is not the next one; else empty.
    pub by: &'static str,
}
