//! What scap's events are: the table `TYPES`, one row for each code, as falcosecurity/libs numbers them
//! (driver/ppm_events_public.h, driver/event_table.c). Even codes are entries, odd ones returns; codes that mean nothing
//! have no row. The schema of the captures that are made is these rows as data.

use super::calls::CALLS;
use super::event::MAX_UNKNOWN;
use super::flags::SETS;
use afterimage_model::Class::{
    self, Cred, File, Io, Ipc, Memory, Net, Other, Process, Sched, Signal, Sleep, System, Time,
    Unknown, Wait,
};
use afterimage_model::syscalls::SYSCALLS;
use afterimage_model::{
    Abi, ArgDesc, ArgKind, FlagDesc, FlagSetDesc, Schema, StructDesc, StructFieldDesc, TypeDesc,
    TypeId,
};
use std::collections::HashMap;
use std::sync::OnceLock;

/// Code, name, class, marks and parameters.
///
/// Marks: `c` makes a descriptor, `d` closes one, `u` uses one, `r` reads it, `w` writes it, `a` waits, `i` `o` `x` counts
/// as input, output or other I/O, `s` leaves the thread's last call alone, `l` has lengths of 32 bits, `h` is kept for the
/// recorder's own books, `k` is a system call.
///
/// Parameters are `name:type`, then `.x` for hex or `.o` for octal, `/set` for names, `@name` for the descriptor a path
/// starts at. They were only ever appended: a file has as many of them as its writer knew.
type Row = (u16, &'static str, Class, &'static str, &'static str);

#[rustfmt::skip]
const TYPES: &[Row] = &[
    (0, "syscall", Other, "k", "ID:u16 nativeID:u16"),
    (1, "syscall", Other, "k", "ID:u16 nativeID:u16"),
    (2, "open", File, "ck", "name:path flags:flags32.x/file_flags mode:u32.o"),
    (3, "open", File, "ck", "fd:fd name:path flags:flags32.x/file_flags mode:u32.o dev:u32.x ino:u64"),
    (4, "close", Io, "duxk", "fd:fd"),
    (5, "close", Io, "duxk", "res:errno fd:fd"),
    (6, "read", Io, "urik", "fd:fd size:u32"),
    (7, "read", Io, "urik", "res:errno data:bytes fd:fd size:u32"),
    (8, "write", Io, "uwok", "fd:fd size:u32"),
    (9, "write", Io, "uwok", "res:errno data:bytes fd:fd size:u32"),
    (10, "brk", Memory, "k", "size:u32"),
    (11, "brk", Memory, "k", "res:u64.x"),
    (12, "execve", Process, "k", ""),
    (13, "execve", Process, "k", "res:errno exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:u64"),
    (14, "clone", Process, "k", ""),
    (15, "clone", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 flags:flags32.x/clone_flags uid:u32 gid:u32"),
    (16, "procexit", Process, "", ""),
    (18, "socket", Net, "ck", "domain:enum32/socket_families type:u32 proto:u32"),
    (19, "socket", Net, "ck", "fd:fd domain:enum32/socket_families type:u32 proto:u32 flags:flags32.x/file_flags"),
    (20, "bind", Net, "uk", "fd:fd"),
    (21, "bind", Net, "uk", "res:errno addr:addr fd:fd"),
    (22, "connect", Net, "uk", "fd:fd addr:addr"),
    (23, "connect", Net, "uk", "res:errno tuple:tuple fd:fd addr:addr"),
    (24, "listen", Net, "uk", "fd:fd backlog:i32"),
    (25, "listen", Net, "uk", "res:errno fd:fd backlog:i32"),
    (26, "accept", Net, "ck", ""),
    (27, "accept", Net, "ck", "fd:fd tuple:tuple queuepct:u8"),
    (28, "send", Io, "uwok", "fd:fd size:u32"),
    (29, "send", Io, "uwok", "res:errno data:bytes fd:fd size:u32 tuple:tuple"),
    (30, "sendto", Io, "uwok", "fd:fd size:u32 tuple:tuple"),
    (31, "sendto", Io, "uwok", "res:errno data:bytes fd:fd size:u32 tuple:tuple"),
    (32, "recv", Io, "urik", "fd:fd size:u32"),
    (33, "recv", Io, "urik", "res:errno data:bytes fd:fd size:u32 tuple:tuple"),
    (34, "recvfrom", Io, "urik", "fd:fd size:u32"),
    (35, "recvfrom", Io, "urik", "res:errno data:bytes tuple:tuple fd:fd size:u32"),
    (36, "shutdown", Net, "uk", "fd:fd how:enum8.x/shutdown_how"),
    (37, "shutdown", Net, "uk", "res:errno fd:fd how:enum8.x/shutdown_how"),
    (38, "getsockname", Net, "k", ""),
    (39, "getsockname", Net, "k", ""),
    (40, "getpeername", Net, "k", ""),
    (41, "getpeername", Net, "k", ""),
    (42, "socketpair", Ipc, "ck", "domain:enum32/socket_families type:u32 proto:u32"),
    (43, "socketpair", Ipc, "ck", "res:errno fd1:fd fd2:fd source:u64.x peer:u64.x domain:enum32/socket_families type:u32 proto:u32"),
    (44, "setsockopt", Net, "k", ""),
    (45, "setsockopt", Net, "uk", "res:errno fd:fd level:enum8/sockopt_levels optname:enum8/sockopt_options val:variant/sockopt optlen:u32"),
    (46, "getsockopt", Net, "k", ""),
    (47, "getsockopt", Net, "uk", "res:errno fd:fd level:enum8/sockopt_levels optname:enum8/sockopt_options val:variant/sockopt optlen:u32"),
    (48, "sendmsg", Io, "uwok", "fd:fd size:u32 tuple:tuple"),
    (49, "sendmsg", Io, "uwok", "res:errno data:bytes fd:fd size:u32 tuple:tuple"),
    (50, "sendmmsg", Io, "ok", ""),
    (51, "sendmmsg", Io, "uwok", "res:errno fd:fd size:u32 data:bytes tuple:tuple"),
    (52, "recvmsg", Io, "urik", "fd:fd"),
    (53, "recvmsg", Io, "urik", "res:errno size:u32 data:bytes tuple:tuple msgcontrol:bytes fd:fd"),
    (54, "recvmmsg", Io, "ik", ""),
    (55, "recvmmsg", Io, "urik", "res:errno fd:fd size:u32 data:bytes tuple:tuple msgcontrol:bytes"),
    (56, "accept", Net, "ck", "flags:i32.x"),
    (57, "accept", Net, "ck", "fd:fd tuple:tuple queuepct:u8"),
    (58, "creat", File, "ck", "name:path mode:u32.o"),
    (59, "creat", File, "ck", "fd:fd name:path mode:u32.o dev:u32.x ino:u64 creat_flags:flags16.x/creat_flags"),
    (60, "pipe", Ipc, "ck", ""),
    (61, "pipe", Ipc, "ck", "res:errno fd1:fd fd2:fd ino:u64"),
    (62, "eventfd", Ipc, "ck", "initval:u64 flags:u32.x"),
    (63, "eventfd", Ipc, "ck", "res:fd initval:u64 flags:u32.x"),
    (64, "futex", Ipc, "k", "addr:u64.x op:flags16.x/futex_operations val:u64"),
    (65, "futex", Ipc, "k", "res:errno addr:u64.x op:flags16.x/futex_operations val:u64"),
    (66, "stat", File, "k", ""),
    (67, "stat", File, "k", "res:errno path:path"),
    (68, "lstat", File, "k", ""),
    (69, "lstat", File, "k", "res:errno path:path"),
    (70, "fstat", File, "uk", "fd:fd"),
    (71, "fstat", File, "uk", "res:errno fd:fd"),
    (72, "stat64", File, "k", ""),
    (73, "stat64", File, "k", "res:errno path:path"),
    (74, "lstat64", File, "k", ""),
    (75, "lstat64", File, "k", "res:errno path:path"),
    (76, "fstat64", File, "uk", "fd:fd"),
    (77, "fstat64", File, "uk", "res:errno"),
    (78, "epoll_wait", Wait, "ak", "maxevents:errno"),
    (79, "epoll_wait", Wait, "ak", "res:errno maxevents:errno"),
    (80, "poll", Wait, "ak", "fds:fds timeout:i64"),
    (81, "poll", Wait, "ak", "res:errno fds:fds timeout:i64"),
    (82, "select", Wait, "ak", ""),
    (83, "select", Wait, "ak", "res:errno"),
    (84, "select", Wait, "ak", ""),
    (85, "select", Wait, "ak", "res:errno"),
    (86, "lseek", File, "uk", "fd:fd offset:u64 whence:enum8/lseek_whence"),
    (87, "lseek", File, "uk", "res:errno fd:fd offset:u64 whence:enum8/lseek_whence"),
    (88, "llseek", File, "uk", "fd:fd offset:u64 whence:enum8/lseek_whence"),
    (89, "llseek", File, "uk", "res:errno fd:fd offset:u64 whence:enum8/lseek_whence"),
    (90, "ioctl", Io, "uxk", "fd:fd request:u64.x"),
    (91, "ioctl", Io, "uxk", "res:errno"),
    (92, "getcwd", File, "k", ""),
    (93, "getcwd", File, "k", "res:errno path:text"),
    (94, "chdir", File, "k", ""),
    (95, "chdir", File, "k", "res:errno path:text"),
    (96, "fchdir", File, "uk", "fd:fd"),
    (97, "fchdir", File, "uk", "res:errno fd:fd"),
    (98, "mkdir", File, "k", "path:path mode:u32.x"),
    (99, "mkdir", File, "k", "res:errno"),
    (100, "rmdir", File, "k", "path:path"),
    (101, "rmdir", File, "k", "res:errno"),
    (102, "openat", File, "ck", "dirfd:fd name:text@dirfd flags:flags32.x/file_flags mode:u32.o"),
    (103, "openat", File, "ck", "fd:fd"),
    (104, "link", File, "k", "oldpath:path newpath:path"),
    (105, "link", File, "k", "res:errno"),
    (106, "linkat", File, "k", "olddir:fd oldpath:text@olddir newdir:fd newpath:text@newdir"),
    (107, "linkat", File, "k", "res:errno"),
    (108, "unlink", File, "k", "path:path"),
    (109, "unlink", File, "k", "res:errno"),
    (110, "unlinkat", File, "k", "dirfd:fd name:text@dirfd"),
    (111, "unlinkat", File, "k", "res:errno"),
    (112, "pread", Io, "urik", "fd:fd size:u32 pos:u64"),
    (113, "pread", Io, "urik", "res:errno data:bytes fd:fd size:u32 pos:u64"),
    (114, "pwrite", Io, "uwok", "fd:fd size:u32 pos:u64"),
    (115, "pwrite", Io, "uwok", "res:errno data:bytes fd:fd size:u32 pos:u64"),
    (116, "readv", Io, "urik", "fd:fd"),
    (117, "readv", Io, "urik", "res:errno size:u32 data:bytes fd:fd"),
    (118, "writev", Io, "uwok", "fd:fd size:u32"),
    (119, "writev", Io, "uwok", "res:errno data:bytes fd:fd size:u32"),
    (120, "preadv", Io, "urik", "fd:fd pos:u64"),
    (121, "preadv", Io, "urik", "res:errno size:u32 data:bytes fd:fd pos:u64"),
    (122, "pwritev", Io, "uwok", "fd:fd size:u32 pos:u64"),
    (123, "pwritev", Io, "uwok", "res:errno data:bytes fd:fd size:u32 pos:u64"),
    (124, "dup", Io, "cuxk", "fd:fd"),
    (125, "dup", Io, "cuxk", "res:fd"),
    (126, "signalfd", Signal, "ck", "fd:fd mask:u32.x flags:u8.x"),
    (127, "signalfd", Signal, "ck", "res:fd fd:fd mask:u32.x flags:u8.x"),
    (128, "kill", Signal, "k", "pid:pid sig:signal"),
    (129, "kill", Signal, "k", "res:errno pid:pid sig:signal"),
    (130, "tkill", Signal, "k", "tid:pid sig:signal"),
    (131, "tkill", Signal, "k", "res:errno tid:pid sig:signal"),
    (132, "tgkill", Signal, "k", "pid:pid tid:pid sig:signal"),
    (133, "tgkill", Signal, "k", "res:errno pid:pid tid:pid sig:signal"),
    (134, "nanosleep", Sleep, "ak", "interval:span"),
    (135, "nanosleep", Sleep, "ak", "res:errno interval:span"),
    (136, "timerfd_create", Time, "ck", "clockid:u8 flags:u8.x"),
    (137, "timerfd_create", Time, "ck", "res:fd clockid:u8 flags:u8.x"),
    (138, "inotify_init", Ipc, "ck", "flags:u8.x"),
    (139, "inotify_init", Ipc, "ck", "res:fd flags:u8.x"),
    (140, "getrlimit", Process, "k", "resource:enum8/rlimit_resources"),
    (141, "getrlimit", Process, "k", "res:errno cur:i64 max:i64 resource:enum8/rlimit_resources"),
    (142, "setrlimit", Process, "k", "resource:enum8/rlimit_resources"),
    (143, "setrlimit", Process, "k", "res:errno cur:i64 max:i64 resource:enum8/rlimit_resources"),
    (144, "prlimit", Process, "k", "pid:pid resource:enum8/rlimit_resources"),
    (145, "prlimit", Process, "k", "res:errno newcur:i64 newmax:i64 oldcur:i64 oldmax:i64 pid:i64 resource:enum8/rlimit_resources"),
    (146, "switch", Sched, "s", "next:pid"),
    (148, "drop", Unknown, "sh", "ratio:u32"),
    (149, "drop", Unknown, "sh", "ratio:u32"),
    (150, "fcntl", Io, "uxk", "fd:fd cmd:enum8/fcntl_commands"),
    (151, "fcntl", Io, "uxk", "res:fd fd:fd cmd:enum8/fcntl_commands arg:u64.x"),
    (152, "switch", Sched, "", "next:pid pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32"),
    (154, "execve", Process, "k", ""),
    (155, "execve", Process, "k", "res:errno exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:u64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32"),
    (156, "clone", Process, "k", ""),
    (157, "clone", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 flags:flags32.x/clone_flags uid:u32 gid:u32"),
    (158, "brk", Memory, "k", "addr:u64.x"),
    (159, "brk", Memory, "k", "res:u64.x vm_size:u32 vm_rss:u32 vm_swap:u32 addr:u64.x"),
    (160, "mmap", Memory, "k", "addr:u64.x length:u64 prot:flags32.x/prot_flags flags:flags32.x/mmap_flags fd:fd offset:u64"),
    (161, "mmap", Memory, "k", "res:errno.x vm_size:u32 vm_rss:u32 vm_swap:u32 addr:u64.x length:u64 prot:flags32.x/prot_flags flags:flags32.x/mmap_flags fd:fd offset:u64"),
    (162, "mmap2", Memory, "k", "addr:u64.x length:u64 prot:flags32.x/prot_flags flags:flags32.x/mmap_flags fd:fd pgoffset:u64"),
    (163, "mmap2", Memory, "k", "res:errno.x vm_size:u32 vm_rss:u32 vm_swap:u32 addr:u64.x length:u64 prot:flags32.x/prot_flags flags:flags32.x/mmap_flags fd:fd pgoffset:u64"),
    (164, "munmap", Memory, "k", "addr:u64.x length:u64"),
    (165, "munmap", Memory, "k", "res:errno vm_size:u32 vm_rss:u32 vm_swap:u32 addr:u64.x length:u64"),
    (166, "splice", Io, "uxk", "fd_in:fd fd_out:fd size:u64 flags:flags32.x/splice_flags"),
    (167, "splice", Io, "uxk", "res:errno fd_in:fd fd_out:fd size:u64 flags:flags32.x/splice_flags"),
    (168, "ptrace", Process, "k", "request:enum16/ptrace_requests pid:pid"),
    (169, "ptrace", Process, "k", "res:errno addr:variant.x/ptrace data:variant.x/ptrace request:enum16/ptrace_requests pid:pid"),
    (170, "ioctl", Io, "uxk", "fd:fd request:u64.x argument:u64.x"),
    (171, "ioctl", Io, "uxk", "res:errno fd:fd request:u64.x argument:u64.x"),
    (172, "execve", Process, "k", ""),
    (173, "execve", Process, "k", "res:errno exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:u64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 env:bytes"),
    (174, "rename", File, "k", ""),
    (175, "rename", File, "k", "res:errno oldpath:path newpath:path"),
    (176, "renameat", File, "k", ""),
    (177, "renameat", File, "k", "res:errno olddirfd:fd oldpath:path@olddirfd newdirfd:fd newpath:path@newdirfd"),
    (178, "symlink", File, "k", ""),
    (179, "symlink", File, "k", "res:errno target:text linkpath:path"),
    (180, "symlinkat", File, "k", ""),
    (181, "symlinkat", File, "k", "res:errno target:text linkdirfd:fd linkpath:path@linkdirfd"),
    (182, "fork", Process, "k", ""),
    (183, "fork", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 flags:flags32.x/clone_flags uid:u32 gid:u32"),
    (184, "vfork", Process, "k", ""),
    (185, "vfork", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 flags:flags32.x/clone_flags uid:u32 gid:u32"),
    (186, "procexit", Process, "", "status:errno ret:errno sig:signal core:u8 reaper_tid:pid"),
    (188, "sendfile", Io, "uok", "out_fd:fd in_fd:fd offset:u64 size:u64"),
    (189, "sendfile", Io, "uok", "res:errno offset:u64 out_fd:fd in_fd:fd size:u64"),
    (190, "quotactl", Cred, "k", "cmd:flags16/quotactl_cmds type:flags8/quotactl_types id:u32 quota_fmt:flags8/quotactl_quota_fmts"),
    (191, "quotactl", Cred, "k", "res:errno special:text quotafilepath:text dqb_bhardlimit:u64 dqb_bsoftlimit:u64 dqb_curspace:u64 dqb_ihardlimit:u64 dqb_isoftlimit:u64 dqb_btime:span dqb_itime:span dqi_bgrace:span dqi_igrace:span dqi_flags:flags8/quotactl_dqi_flags quota_fmt_out:flags8/quotactl_quota_fmts cmd:flags16/quotactl_cmds type:flags8/quotactl_types id:u32 quota_fmt:flags8/quotactl_quota_fmts"),
    (192, "setresuid", Cred, "k", "ruid:uid euid:uid suid:uid"),
    (193, "setresuid", Cred, "k", "res:errno ruid:uid euid:uid suid:uid"),
    (194, "setresgid", Cred, "k", "rgid:gid egid:gid sgid:gid"),
    (195, "setresgid", Cred, "k", "res:errno rgid:gid egid:gid sgid:gid"),
    (196, "scapevent", Unknown, "sh", "event_type:u32 event_data:u64"),
    (198, "setuid", Cred, "k", "uid:uid"),
    (199, "setuid", Cred, "k", "res:errno uid:uid"),
    (200, "setgid", Cred, "k", "gid:gid"),
    (201, "setgid", Cred, "k", "res:errno gid:gid"),
    (202, "getuid", Cred, "k", ""),
    (203, "getuid", Cred, "k", "uid:uid"),
    (204, "geteuid", Cred, "k", ""),
    (205, "geteuid", Cred, "k", "euid:uid"),
    (206, "getgid", Cred, "k", ""),
    (207, "getgid", Cred, "k", "gid:gid"),
    (208, "getegid", Cred, "k", ""),
    (209, "getegid", Cred, "k", "egid:gid"),
    (210, "getresuid", Cred, "k", ""),
    (211, "getresuid", Cred, "k", "res:errno ruid:uid euid:uid suid:uid"),
    (212, "getresgid", Cred, "k", ""),
    (213, "getresgid", Cred, "k", "res:errno rgid:gid egid:gid sgid:gid"),
    (214, "execve", Process, "k", ""),
    (215, "execve", Process, "k", "res:errno exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:u64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text env:bytes"),
    (216, "clone", Process, "k", ""),
    (217, "clone", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text flags:flags32.x/clone_flags uid:u32 gid:u32"),
    (218, "fork", Process, "k", ""),
    (219, "fork", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text flags:flags32.x/clone_flags uid:u32 gid:u32"),
    (220, "vfork", Process, "k", ""),
    (221, "vfork", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text flags:flags32.x/clone_flags uid:u32 gid:u32"),
    (222, "clone", Process, "k", ""),
    (223, "clone", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text cgroups:bytes flags:flags32.x/clone_flags uid:u32 gid:u32 vtid:pid vpid:pid pidns_init_start_ts:u64"),
    (224, "fork", Process, "k", ""),
    (225, "fork", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text cgroups:bytes flags:flags32.x/clone_flags uid:u32 gid:u32 vtid:pid vpid:pid pidns_init_start_ts:u64"),
    (226, "vfork", Process, "k", ""),
    (227, "vfork", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text cgroups:bytes flags:flags32.x/clone_flags uid:u32 gid:u32 vtid:pid vpid:pid pidns_init_start_ts:u64"),
    (228, "container", Unknown, "sh", "id:text type:u32 name:text image:text"),
    (230, "execve", Process, "k", ""),
    (231, "execve", Process, "k", "res:errno exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:u64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text cgroups:bytes env:bytes"),
    (232, "signaldeliver", Signal, "", "spid:pid dpid:pid sig:signal"),
    (234, "procinfo", Unknown, "sh", "cpu_usr:u64 cpu_sys:u64"),
    (236, "getdents", File, "uk", "fd:fd"),
    (237, "getdents", File, "uk", "res:errno fd:fd"),
    (238, "getdents64", File, "uk", "fd:fd"),
    (239, "getdents64", File, "uk", "res:errno fd:fd"),
    (240, "setns", Process, "uk", "fd:fd nstype:flags32.x/clone_flags"),
    (241, "setns", Process, "uk", "res:errno fd:fd nstype:flags32.x/clone_flags"),
    (242, "flock", File, "uk", "fd:fd operation:flags32.x/flock_flags"),
    (243, "flock", File, "uk", "res:errno fd:fd operation:flags32.x/flock_flags"),
    (244, "cpu_hotplug", System, "s", "cpu:u32 action:u32"),
    (246, "accept", Net, "ck", ""),
    (247, "accept", Net, "ck", "fd:fd tuple:tuple queuepct:u8 queuelen:u32 queuemax:u32"),
    (248, "accept", Net, "ck", "flags:i32.x"),
    (249, "accept", Net, "ck", "fd:fd tuple:tuple queuepct:u8 queuelen:u32 queuemax:u32"),
    (250, "semop", Process, "k", "semid:i32"),
    (251, "semop", Process, "k", "res:errno nsops:u32 sem_num_0:u16 sem_op_0:i16 sem_flg_0:flags16.x/semop_flags sem_num_1:u16 sem_op_1:i16 sem_flg_1:flags16.x/semop_flags semid:i32"),
    (252, "semctl", Process, "k", "semid:i32 semnum:i32 cmd:flags16.x/semctl_commands val:i32"),
    (253, "semctl", Process, "k", "res:errno semid:i32 semnum:i32 cmd:flags16.x/semctl_commands val:i32"),
    (254, "ppoll", Wait, "ak", "fds:fds timeout:span sigmask:sigset"),
    (255, "ppoll", Wait, "ak", "res:errno fds:fds timeout:span sigmask:sigset"),
    (256, "mount", File, "k", "flags:flags32.x/mount_flags"),
    (257, "mount", File, "k", "res:errno dev:text dir:path type:text flags:flags32.x/mount_flags"),
    (258, "umount", File, "k", "flags:flags32.x/umount_flags"),
    (259, "umount", File, "k", "res:errno name:path"),
    (260, "k8s", Unknown, "sh", "json:text"),
    (262, "semget", Process, "k", "key:i32.x nsems:i32 semflg:flags32.x/semget_flags"),
    (263, "semget", Process, "k", "res:errno key:i32.x nsems:i32 semflg:flags32.x/semget_flags"),
    (264, "access", File, "k", "mode:flags32.x/access_flags"),
    (265, "access", File, "k", "res:errno name:path mode:flags32.x/access_flags"),
    (266, "chroot", Process, "k", ""),
    (267, "chroot", Process, "k", "res:errno path:path"),
    (268, "tracer", Other, "", "id:i64 tags:list args:pairs"),
    (270, "mesos", Unknown, "sh", "json:text"),
    (272, "container", Process, "h", "json:text"),
    (274, "setsid", Process, "k", ""),
    (275, "setsid", Process, "k", "res:pid"),
    (276, "mkdir", File, "k", "mode:u32.x"),
    (277, "mkdir", File, "k", "res:errno path:path mode:u32.x"),
    (278, "rmdir", File, "k", ""),
    (279, "rmdir", File, "k", "res:errno path:path"),
    (280, "notification", Other, "s", "id:text desc:text"),
    (282, "execve", Process, "k", ""),
    (283, "execve", Process, "k", "res:errno exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:u64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text cgroups:bytes env:bytes tty:i32"),
    (284, "unshare", Process, "k", "flags:flags32.x/clone_flags"),
    (285, "unshare", Process, "k", "res:errno flags:flags32.x/clone_flags"),
    (286, "infra", Unknown, "sh", "source:text name:text description:text scope:text"),
    (288, "execve", Process, "k", "filename:path"),
    (289, "execve", Process, "k", "res:errno exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:u64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text cgroups:bytes env:bytes tty:i32"),
    (290, "page_fault", Other, "s", "addr:u64.x ip:u64.x error:flags32.x/pf_flags"),
    (292, "execve", Process, "k", "filename:path"),
    (293, "execve", Process, "k", "res:errno exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:u64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text cgroups:bytes env:bytes tty:u32 vpgid:pid loginuid:uid flags:flags32.x/execve_flags cap_inheritable:u64.x cap_permitted:u64.x cap_effective:u64.x exe_ino:u64 exe_ino_ctime:time exe_ino_mtime:time uid:uid trusted_exepath:path pgid:pid gid:gid filename:path"),
    (294, "setpgid", Process, "k", "pid:pid pgid:pid"),
    (295, "setpgid", Process, "k", "res:errno pid:pid pgid:pid"),
    (296, "bpf", Other, "ck", "cmd:i64"),
    (297, "bpf", Other, "ck", "res_or_fd:variant/bpf"),
    (298, "seccomp", Other, "k", "op:u64 flags:u64.x"),
    (299, "seccomp", Other, "k", "res:errno op:u64 flags:u64.x"),
    (300, "unlink", File, "k", ""),
    (301, "unlink", File, "k", "res:errno path:path"),
    (302, "unlinkat", File, "k", ""),
    (303, "unlinkat", File, "k", "res:errno dirfd:fd name:path@dirfd flags:flags32.x/unlinkat_flags"),
    (304, "mkdirat", File, "k", ""),
    (305, "mkdirat", File, "k", "res:errno dirfd:fd path:path@dirfd mode:u32.x"),
    (306, "openat", File, "ck", "dirfd:fd name:path@dirfd flags:flags32.x/file_flags mode:u32.o"),
    (307, "openat", File, "ck", "fd:fd dirfd:fd name:path@dirfd flags:flags32.x/file_flags mode:u32.o dev:u32.x ino:u64"),
    (308, "link", File, "k", ""),
    (309, "link", File, "k", "res:errno oldpath:path newpath:path"),
    (310, "linkat", File, "k", ""),
    (311, "linkat", File, "k", "res:errno olddir:fd oldpath:path@olddir newdir:fd newpath:path@newdir flags:flags32.x/linkat_flags"),
    (312, "fchmodat", File, "k", ""),
    (313, "fchmodat", File, "k", "res:errno dirfd:fd filename:path@dirfd mode:mode.o/chmod_mode"),
    (314, "chmod", File, "k", ""),
    (315, "chmod", File, "k", "res:errno filename:path mode:mode.o/chmod_mode"),
    (316, "fchmod", File, "k", ""),
    (317, "fchmod", File, "k", "res:errno fd:fd mode:mode.o/chmod_mode"),
    (318, "renameat2", File, "k", ""),
    (319, "renameat2", File, "k", "res:errno olddirfd:fd oldpath:path@olddirfd newdirfd:fd newpath:path@newdirfd flags:flags32.x/renameat2_flags"),
    (320, "userfaultfd", File, "ck", ""),
    (321, "userfaultfd", File, "ck", "res:errno flags:flags32.x/file_flags"),
    (322, "pluginevent", Other, "l", "plugin_id:u32 event_data:bytes"),
    (324, "container", Process, "lh", "json:text"),
    (326, "openat2", File, "ck", "dirfd:fd name:path@dirfd flags:flags32.x/file_flags mode:u32.o resolve:flags32.x/openat2_flags"),
    (327, "openat2", File, "ck", "fd:fd dirfd:fd name:path@dirfd flags:flags32.x/file_flags mode:u32.o resolve:flags32.x/openat2_flags dev:u32.x ino:u64"),
    (328, "mprotect", Memory, "k", "addr:u64.x length:u64 prot:flags32.x/prot_flags"),
    (329, "mprotect", Memory, "k", "res:errno addr:u64.x length:u64 prot:flags32.x/prot_flags"),
    (330, "execveat", Process, "k", "dirfd:fd pathname:path@dirfd flags:flags32.x/execveat_flags"),
    (331, "execveat", Process, "k", "res:errno exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:u64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text cgroups:bytes env:bytes tty:u32 vpgid:pid loginuid:uid flags:flags32.x/execve_flags cap_inheritable:u64.x cap_permitted:u64.x cap_effective:u64.x exe_ino:u64 exe_ino_ctime:time exe_ino_mtime:time uid:uid trusted_exepath:path pgid:pid gid:gid"),
    (332, "copy_file_range", File, "urwk", "fdin:fd offin:u64 len:u64"),
    (333, "copy_file_range", File, "urwk", "res:errno fdout:fd offout:u64 fdin:fd offin:u64 len:u64"),
    (334, "clone3", Process, "k", ""),
    (335, "clone3", Process, "k", "res:pid exe:text args:bytes tid:pid pid:pid ptid:pid cwd:text fdlimit:i64 pgft_maj:u64 pgft_min:u64 vm_size:u32 vm_rss:u32 vm_swap:u32 comm:text cgroups:bytes flags:flags32.x/clone_flags uid:u32 gid:u32 vtid:pid vpid:pid pidns_init_start_ts:u64"),
    (336, "open_by_handle_at", File, "ck", ""),
    (337, "open_by_handle_at", File, "ck", "fd:fd mountfd:fd flags:flags32.x/file_flags path:path dev:u32.x ino:u64"),
    (338, "io_uring_setup", Io, "cxk", ""),
    (339, "io_uring_setup", Io, "cxk", "res:errno entries:u32 sq_entries:u32 cq_entries:u32 flags:flags32.x/io_uring_setup_flags sq_thread_cpu:u32 sq_thread_idle:u32 features:flags32.x/io_uring_setup_feats"),
    (340, "io_uring_enter", Io, "xk", ""),
    (341, "io_uring_enter", Io, "uxk", "res:errno fd:fd to_submit:u32 min_complete:u32 flags:flags32.x/io_uring_enter_flags sig:sigset"),
    (342, "io_uring_register", Io, "xk", ""),
    (343, "io_uring_register", Io, "uxk", "res:errno fd:fd opcode:enum16/io_uring_register_opcodes arg:u64.x nr_args:u32"),
    (344, "mlock", Memory, "k", ""),
    (345, "mlock", Memory, "k", "res:errno addr:u64.x len:u64"),
    (346, "munlock", Memory, "k", ""),
    (347, "munlock", Memory, "k", "res:errno addr:u64.x len:u64"),
    (348, "mlockall", Memory, "k", ""),
    (349, "mlockall", Memory, "k", "res:errno flags:flags32.x/mlockall_flags"),
    (350, "munlockall", Memory, "k", ""),
    (351, "munlockall", Memory, "k", "res:errno"),
    (352, "capset", Process, "k", ""),
    (353, "capset", Process, "k", "res:errno cap_inheritable:u64.x cap_permitted:u64.x cap_effective:u64.x"),
    (354, "useradded", Process, "h", "uid:u32 gid:u32 name:text home:text shell:text container_id:text"),
    (356, "userdeleted", Process, "h", "uid:u32 gid:u32 name:text home:text shell:text container_id:text"),
    (358, "groupadded", Process, "h", "gid:u32 name:text container_id:text"),
    (360, "groupdeleted", Process, "h", "gid:u32 name:text container_id:text"),
    (362, "dup2", Io, "cuxk", "fd:fd"),
    (363, "dup2", Io, "cuxk", "res:fd oldfd:fd newfd:fd"),
    (364, "dup3", Io, "cuxk", "fd:fd"),
    (365, "dup3", Io, "cuxk", "res:fd oldfd:fd newfd:fd flags:flags32.x/file_flags"),
    (366, "dup", Io, "cuxk", "fd:fd"),
    (367, "dup", Io, "cuxk", "res:fd oldfd:fd"),
    (368, "bpf", Other, "ck", "cmd:i64"),
    (369, "bpf", Other, "ck", "fd:fd cmd:enum32/bpf_commands"),
    (370, "mlock2", Memory, "k", ""),
    (371, "mlock2", Memory, "k", "res:errno addr:u64.x len:u64 flags:flags32.x/mlock2_flags"),
    (372, "fsconfig", System, "k", ""),
    (373, "fsconfig", System, "uk", "res:errno fd:fd cmd:enum32/fsconfig_cmds key:text value_bytebuf:bytes value_charbuf:text aux:i32"),
    (374, "epoll_create", Wait, "ck", "size:i32"),
    (375, "epoll_create", Wait, "ck", "res:errno size:i32"),
    (376, "epoll_create1", Wait, "ck", "flags:flags32.x/epoll_create1_flags"),
    (377, "epoll_create1", Wait, "ck", "res:errno flags:flags32.x/epoll_create1_flags"),
    (378, "chown", File, "k", ""),
    (379, "chown", File, "k", "res:errno path:path uid:u32 gid:u32"),
    (380, "lchown", File, "k", ""),
    (381, "lchown", File, "k", "res:errno path:path uid:u32 gid:u32"),
    (382, "fchown", File, "k", ""),
    (383, "fchown", File, "uk", "res:errno fd:fd uid:u32 gid:u32"),
    (384, "fchownat", File, "k", ""),
    (385, "fchownat", File, "uk", "res:errno dirfd:fd pathname:path@dirfd uid:u32 gid:u32 flags:flags32.x/fchownat_flags"),
    (386, "umount", File, "k", ""),
    (387, "umount", File, "k", "res:errno name:path"),
    (388, "accept4", Net, "ck", "flags:i32.x"),
    (389, "accept4", Net, "ck", "fd:fd tuple:tuple queuepct:u8 queuelen:u32 queuemax:u32 flags:i32.x"),
    (390, "umount2", File, "k", "flags:flags32.x/umount_flags"),
    (391, "umount2", File, "k", "res:errno name:path flags:flags32.x/umount_flags"),
    (392, "pipe2", Ipc, "ck", ""),
    (393, "pipe2", Ipc, "ck", "res:errno fd1:fd fd2:fd ino:u64 flags:flags32.x/file_flags"),
    (394, "inotify_init1", Ipc, "ck", ""),
    (395, "inotify_init1", Ipc, "ck", "res:fd flags:flags16.x/file_flags"),
    (396, "eventfd2", Ipc, "ck", "initval:u64"),
    (397, "eventfd2", Ipc, "ck", "res:fd flags:flags16.x/file_flags initval:u64"),
    (398, "signalfd4", Signal, "ck", "fd:fd mask:u32.x"),
    (399, "signalfd4", Signal, "ck", "res:fd flags:flags16.x/file_flags fd:fd mask:u32.x"),
    (400, "prctl", Process, "k", ""),
    (401, "prctl", Process, "k", "res:errno option:enum32/prctl_options arg2_str:text arg2_int:i64"),
    (402, "asyncevent", Other, "lh", "plugin_id:u32 name:text data:bytes"),
    (404, "memfd_create", Memory, "ck", ""),
    (405, "memfd_create", Memory, "ck", "fd:fd name:text flags:flags32.x/memfd_create_flags"),
    (406, "pidfd_getfd", Process, "ck", ""),
    (407, "pidfd_getfd", Process, "ck", "fd:fd pid_fd:fd target_fd:fd flags:u32.x"),
    (408, "pidfd_open", Process, "ck", ""),
    (409, "pidfd_open", Process, "ck", "fd:fd pid:pid flags:flags32.x/pidfd_open_flags"),
    (410, "init_module", Other, "k", ""),
    (411, "init_module", Other, "k", "res:errno img:bytes length:u64 uargs:text"),
    (412, "finit_module", Other, "k", ""),
    (413, "finit_module", Other, "urk", "res:errno fd:fd uargs:text flags:flags32.x/finit_module_flags"),
    (414, "mknod", Other, "k", ""),
    (415, "mknod", Other, "k", "res:errno path:path mode:mode.o/mknod_mode dev:u32"),
    (416, "mknodat", Other, "k", ""),
    (417, "mknodat", Other, "uk", "res:errno dirfd:fd path:path@dirfd mode:mode.o/mknod_mode dev:u32"),
    (418, "newfstatat", File, "k", ""),
    (419, "newfstatat", File, "uk", "res:errno dirfd:fd path:path@dirfd flags:flags32.x/newfstatat_flags"),
    (420, "process_vm_readv", Ipc, "k", ""),
    (421, "process_vm_readv", Ipc, "k", "res:i64 pid:pid data:bytes"),
    (422, "process_vm_writev", Ipc, "k", ""),
    (423, "process_vm_writev", Ipc, "k", "res:i64 pid:pid data:bytes"),
    (424, "delete_module", Other, "k", ""),
    (425, "delete_module", Other, "k", "res:errno name:text flags:flags32.x/delete_module_flags"),
    (426, "setreuid", Cred, "k", ""),
    (427, "setreuid", Cred, "k", "res:errno ruid:uid euid:uid"),
    (428, "setregid", Cred, "k", ""),
    (429, "setregid", Cred, "k", "res:errno rgid:uid egid:uid"),
    (430, "task", Process, "", "ppid:pid32 pgid:pid32 vpgid:pid32 sid:pid32 comm:text argv:list exepath:path flags:flags32.x/execve_flags env:list cwd:text fdlimit:u64 euid:uid egid:gid cap_permitted:u64.x cap_effective:u64.x cap_inheritable:u64.x exe_ino_num:u64 exe_ino_ctime:time exe_ino_mtime:time vm_size:u32 vm_rss:u32 vm_swap:u32 pgft_maj:u64 pgft_min:u64 vtgid:pid32 vpid:pid32 pidns_init_start_ts:u64 cgroups:list root:path start_time:time tty:u32 loginuid:uid"),
    (432, "task_file_pipe", File, "", "fd:fd32 path:path ino_num:u64"),
    (434, "task_file_memfd", File, "", "fd:fd32 path:path ino_num:u64"),
    (436, "task_file_regular", File, "", "fd:fd32 path:path flags:flags32.x/file_flags mnt_id:u32 ino_num:u64"),
    (438, "task_file_directory", File, "", "fd:fd32 path:path ino_num:u64"),
    (440, "task_file_socket_inet", File, "", "fd:fd32 sk_type:u16 sk_proto:u16 local_ip:ip.x local_port:port.x remote_ip:ip.x remote_port:port.x ino_num:u64"),
    (442, "task_file_socket_inet6", File, "", "fd:fd32 sk_type:u16 sk_proto:u16 local_ip:ip.x local_port:port.x remote_ip:ip.x remote_port:port.x ino_num:u64"),
    (444, "task_file_socket_unix", File, "", "fd:fd32 sk_type:u16 sk_proto:u16 sk_pointer:u64 sun_path:path ino_num:u64"),
    (446, "task_file_socket_netlink", File, "", "fd:fd32 sk_type:u16 sk_proto:u16 ino_num:u64"),
    (448, "task_file_anon_inode", File, "", "fd:fd32 fd_type:flags8/anon_inode_fd_types path:path ino_num:u64"),
    (451, "close_range", Io, "xk", "res:errno first:u32 last:u32 flags:flags32.x/close_range_flags"),
    (453, "keyctl", Other, "k", "res:errno operation:enum32/keyctl_operations arg2:variant/keyctl arg3:variant/keyctl arg4:variant/keyctl arg5:variant/keyctl"),
];

/// Codes from here on are unknown.
pub const CODES: u16 = 454;

/// How the bytes of a parameter are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ty {
    /// A number with a sign.
    Int,
    /// A number without one.
    Uint,
    /// A result: a count or a negated errno.
    Errno,
    /// A descriptor.
    Fd,
    /// A process or thread id.
    Pid,
    /// A user id.
    Uid,
    /// A group id.
    Gid,
    /// A path.
    Path,
    /// Descriptors that are waited for.
    Fds,
    /// Anything whose bytes stay as they are.
    Bytes,
}

/// One parameter of an event type.
#[derive(Clone, Debug)]
pub struct Param {
    /// Name.
    pub name: &'static str,
    /// How its bytes are read.
    pub ty: Ty,
    /// Bytes of a number.
    pub width: usize,
    /// What it holds, as the schema says it.
    pub kind: ArgKind,
    /// Its names.
    pub set: &'static str,
    by: &'static str,
}

/// A row of `TYPES`, taken apart.
#[derive(Clone, Debug)]
pub struct EventType {
    /// Name.
    pub name: &'static str,
    /// Class.
    pub class: Class,
    /// Parameters in order.
    pub params: Vec<Param>,
    /// Marks as the schema has them.
    pub marks: u32,
    /// Makes a descriptor.
    pub creates: bool,
    /// Uses a descriptor.
    pub uses: bool,
    /// Leaves the thread's last call alone.
    pub skips: bool,
    /// Lengths have 32 bits.
    pub large: bool,
    /// Place of the parameter `res`, or of the new descriptor of a call without one.
    pub result: Option<usize>,
    /// Place of the descriptor that a return repeats: not that of a new one.
    pub fd: Option<usize>,
}

impl EventType {
    /// Whether it is the entry to a call.
    pub fn is_entry(&self) -> bool {
        self.marks & TypeDesc::ENTRY != 0
    }

    /// The place of the parameter with this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|param| param.name == name)
    }
}

/// `name:type.format/set` or `name:type@name`.
fn parse_param(text: &'static str) -> Param {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let (rest, by) = rest.split_once('@').unwrap_or((rest, ""));
    let (rest, set) = rest.split_once('/').unwrap_or((rest, ""));
    let (ty, format) = rest.split_once('.').unwrap_or((rest, ""));
    let width = match ty {
        "i8" | "u8" | "flags8" | "enum8" | "signal" => 1,
        "i16" | "u16" | "flags16" | "enum16" | "port" => 2,
        "i32" | "u32" | "flags32" | "enum32" | "uid" | "gid" | "mode" | "sigset" | "fd32"
        | "pid32" => 4,
        _ => 8,
    };
    let shown = |kind| match format {
        "x" => ArgKind::Hex,
        "o" => ArgKind::Mode,
        _ => kind,
    };
    // Numbers of 32 bits without names say how wide they are.
    let set = if ty == "u32" && format.is_empty() && set.is_empty() {
        "32"
    } else {
        set
    };
    let (ty, kind) = match ty {
        "i8" | "i16" | "i32" | "i64" if format.is_empty() => (Ty::Int, ArgKind::Int),
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "time" => {
            (Ty::Uint, shown(ArgKind::Uint))
        }
        "port" => (Ty::Uint, ArgKind::Uint),
        "errno" => (Ty::Errno, shown(ArgKind::Errno)),
        "fd" | "fd32" => (Ty::Fd, ArgKind::Fd),
        "pid" | "pid32" => (Ty::Pid, ArgKind::Pid),
        "uid" => (Ty::Uid, ArgKind::Uid),
        "gid" => (Ty::Gid, ArgKind::Gid),
        "signal" => (Ty::Uint, ArgKind::Signal),
        "span" => (Ty::Int, ArgKind::TimeSpec),
        "sigset" => (Ty::Uint, ArgKind::SigSet),
        "mode" => (Ty::Uint, ArgKind::Mode),
        "flags8" | "flags16" | "flags32" => (Ty::Uint, ArgKind::Flags),
        "enum8" | "enum16" | "enum32" => (Ty::Uint, ArgKind::Enum),
        "path" => (Ty::Path, ArgKind::Path),
        "text" => (Ty::Bytes, ArgKind::Str),
        "bytes" if name == "data" => (Ty::Bytes, ArgKind::Data),
        "bytes" if matches!(name, "args" | "env" | "cgroups") => (Ty::Bytes, ArgKind::Argv),
        "list" | "pairs" => (Ty::Bytes, ArgKind::Argv),
        "addr" => (Ty::Bytes, ArgKind::Address),
        "tuple" => (Ty::Bytes, ArgKind::Tuple),
        "fds" => (Ty::Fds, ArgKind::FdWaits),
        "ip" => (Ty::Bytes, ArgKind::Ip),
        "variant" => (Ty::Bytes, ArgKind::Variant),
        _ => (Ty::Bytes, ArgKind::Bytes),
    };
    Param {
        name,
        ty,
        width,
        kind,
        set,
        by,
    }
}

fn parse_row(row: &Row) -> EventType {
    let (code, name, class, marks, params) = *row;
    let has = |mark: char| marks.contains(mark);
    let params: Vec<Param> = params.split_whitespace().map(parse_param).collect();
    let is_exit = code % 2 == 1;
    let bits = [
        (has('r'), TypeDesc::READS),
        (has('w'), TypeDesc::WRITES),
        (has('a'), TypeDesc::WAITS),
        (has('c') || has('d') || has('u'), TypeDesc::ABOUT_FD),
        (has('i') || has('o') || has('x'), TypeDesc::IO),
        (has('i'), TypeDesc::INPUT),
        (has('o'), TypeDesc::OUTPUT),
        (!is_exit, TypeDesc::ENTRY),
        (is_exit, TypeDesc::EXIT),
        (has('h'), TypeDesc::INTERNAL),
    ];
    let held = bits.iter().filter(|bit| bit.0).map(|bit| bit.1);
    let place = |name: &str| params.iter().position(|param| param.name == name);
    EventType {
        name,
        class,
        marks: held.fold(TypeDesc::SCAP, |all, bit| all | bit),
        creates: has('c'),
        uses: has('u'),
        skips: has('s'),
        large: has('l'),
        fd: place("fd").filter(|place| *place > 0 || !has('c')),
        result: place("res").or_else(|| place("fd").filter(|_| is_exit && has('c'))),
        params,
    }
}

/// The row of a code; `None` for codes that mean nothing.
pub fn row(code: u16) -> Option<&'static EventType> {
    static ROWS: OnceLock<Vec<Option<EventType>>> = OnceLock::new();
    let rows = ROWS.get_or_init(|| {
        let mut rows = Vec::new();
        rows.resize_with(usize::from(CODES), || None);
        for row in TYPES {
            if let Some(place) = rows.get_mut(usize::from(row.0)) {
                *place = Some(parse_row(row));
            }
        }
        rows
    });
    rows.get(usize::from(code))?.as_ref()
}

/// Codes up to this one are those that sysdig 0.29 knows; later ones it passes over.
const KNOWN_BY_ALL: u16 = 335;

/// Calls that go by another name there, or by the code of another version of theirs: name and code of the return.
#[rustfmt::skip]
const GOES_BY: &[(&str, u16)] = &[
    ("accept", 247), ("accept4", 249), ("clone", 223), ("clone3", 335), ("dup", 125), ("dup2", 125), ("dup3", 125),
    ("eventfd", 63), ("eventfd2", 63), ("execve", 293), ("execveat", 331), ("fork", 225), ("inotify_init", 139),
    ("inotify_init1", 139), ("linkat", 311), ("openat", 307), ("pipe", 61), ("pipe2", 61), ("pread64", 113),
    ("pwrite64", 115), ("signalfd", 127), ("signalfd4", 127), ("umount2", 259), ("vfork", 227), ("fcntl64", 151),
    ("chown", 1), ("fchown", 1), ("lchown", 1), ("fchownat", 1), ("getsockopt", 1), ("setsockopt", 1), ("sendmmsg", 1),
    ("recvmmsg", 1), ("mlock", 1), ("bpf", 1), ("prctl", 1), ("ptrace", 1), ("quotactl", 1), ("semop", 1),
];

/// The code under which the return of a call is written: one that every reader knows. 1 is that of calls that have only
/// a number.
pub fn written(name: &str) -> u16 {
    static CODES_OF: OnceLock<HashMap<&'static str, u16>> = OnceLock::new();
    let codes = CODES_OF.get_or_init(|| {
        let own = TYPES.iter().filter(|row| row.0 <= KNOWN_BY_ALL);
        let own = own.filter(|row| row.0 % 2 == 1 && row.3.contains('k'));
        // The last of a name counts, and what is said before all.
        let own = own.map(|row| (row.1, row.0));
        own.chain(GOES_BY.iter().copied()).collect()
    });
    codes.get(name).copied().unwrap_or(1)
}

/// Calls without events of their own that sysdig 0.29 knows: later ones make it fail.
const CALLS_KNOWN_BY_ALL: usize = 329;

/// The number of a call among those without events of their own; 0 where it has none that every reader knows.
pub fn call(name: &str) -> u16 {
    static PLACES: OnceLock<HashMap<&'static str, u16>> = OnceLock::new();
    let places = PLACES.get_or_init(|| {
        let mut places = HashMap::new();
        for (call, place) in CALLS.iter().take(CALLS_KNOWN_BY_ALL).zip(0..) {
            // The first of a name counts.
            places.entry(call.0).or_insert(place);
        }
        places
    });
    places.get(name).copied().unwrap_or(0)
}

/// A number of such a call, or 0 where not every reader knows it.
pub fn call_known(number: u16) -> u16 {
    if usize::from(number) < CALLS_KNOWN_BY_ALL {
        number
    } else {
        0
    }
}

/// The value of a name in a set.
pub fn flag(set: &str, name: &str) -> Option<u64> {
    let flags = SETS.iter().find(|row| row.0 == set)?.1;
    flags.iter().find(|flag| flag.0 == name).map(|flag| flag.1)
}

/// The event type of a code.
pub fn type_id(code: u16) -> TypeId {
    if row(code).is_some() {
        TypeId(code)
    } else {
        TypeId(UNRECOGNIZED.0 + code % 2)
    }
}

/// The event type of a call that has only a number.
pub fn call_type(number: u16, is_exit: bool) -> TypeId {
    if usize::from(number) < CALLS.len() {
        TypeId(CODES + number * 2 + u16::from(is_exit))
    } else {
        TypeId(u16::from(is_exit))
    }
}

/// The event type of a call that has only the number it has for the kernel, on x86-64.
pub fn native_type(number: u16, is_exit: bool) -> TypeId {
    let call = SYSCALLS
        .iter()
        .find(|call| call.number(Abi::x86_64) == Some(u32::from(number)));
    let place = call.and_then(|call| CALLS.iter().position(|known| known.0 == call.name));
    let place = place.and_then(|place| u16::try_from(place).ok());
    call_type(place.unwrap_or(0), is_exit)
}

/// The event type of even codes that mean nothing, of which the parameters are kept as they are; that of odd ones is the next.
pub const UNRECOGNIZED: TypeId = TypeId(CODES + 2 * CALLS.len() as u16);

/// What is kept behind the parameters: the descriptor the event is about, a structure of what was known of the thread, and
/// the parameters that its row does not know, each behind its length (u32).
pub const ASIDES: usize = 3;

/// What is kept of a sample of a thread, behind all that: processor time since the one before, as percent (doubles) and in ns.
const SAMPLED: [&str; 5] = [
    "thread.cpu",
    "thread.cpu.user",
    "thread.cpu.system",
    "thread.cputime.user",
    "thread.cputime.system",
];

/// The code of samples of threads.
pub const SAMPLE: u16 = 234;

/// The fields of the structure behind the parameters, eight bytes each.
pub const THREAD_FIELDS: &[&str] = &[
    "thread.vtid",
    "proc.vmsize",
    "proc.vmrss",
    "proc.vmswap",
    "thread.pfmajor",
    "thread.pfminor",
    "proc.nchilds",
    "proc.nthreads",
    "proc.fdopencount",
    "thread.exectime",
    "thread.totexectime",
    "fd.name_changed",
    "proc.fdlimit",
    "proc.fdusage",
    "proc.vpgid",
    "proc.is_exe_writable",
    "proc.is_vpgid_leader",
    "proc.pidns_init_start_ts",
    "thread.start_ts",
];

fn aside(name: &str, kind: ArgKind, set: &str) -> ArgDesc {
    ArgDesc {
        name: name.to_owned(),
        kind: kind as u8,
        set: set.to_owned(),
        by: String::new(),
    }
}

fn asides() -> [ArgDesc; ASIDES] {
    [
        aside("fd.num", ArgKind::Int, ""),
        aside("thread.state", ArgKind::Given, "thread"),
        aside("evt.surplus", ArgKind::Bytes, ""),
    ]
}

/// Returns of calls that say who somebody becomes, or whom or what a call was made on, which earlier versions of scap told with
/// the entry only.
const ASKED: &[u16] = &[129, 169, 193, 195, 199, 201, 241, 257, 285, 295];

/// The entry whose parameters are kept with a return of this code, behind its own.
pub fn asked_by(code: u16) -> Option<&'static EventType> {
    let is_kept = ASKED.binary_search(&code).is_ok();
    row(code.checked_sub(1)?).filter(|_| is_kept)
}

fn describe(row: &EventType) -> TypeDesc {
    let param = |param: &Param| ArgDesc {
        name: param.name.to_owned(),
        kind: param.kind as u8,
        set: param.set.to_owned(),
        by: param.by.to_owned(),
    };
    TypeDesc {
        name: row.name.to_owned(),
        class: row.class as u8,
        is_syscall: false,
        args: row.params.iter().map(param).chain(asides()).collect(),
        doc: String::new(),
        marks: row.marks,
    }
}

/// The schema of captures that scap wrote: a type for each code, for each call that has only a number, and one for codes
/// that mean nothing.
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let nothing = TypeDesc {
            name: "NA".to_owned(),
            class: Unknown as u8,
            is_syscall: false,
            args: asides().to_vec(),
            doc: String::new(),
            marks: TypeDesc::SCAP,
        };
        let mut types: Vec<TypeDesc> = (0..CODES)
            .map(|code| match row(code) {
                Some(known) => TypeDesc {
                    is_syscall: TYPES.iter().any(|row| row.0 == code && row.3.contains('k')),
                    ..describe(known)
                },
                None => nothing.clone(),
            })
            .collect();
        if let Some(sample) = types.get_mut(usize::from(SAMPLE)) {
            let shares = SAMPLED.map(|name| aside(name, ArgKind::Uint, ""));
            sample.args.extend(shares);
        }
        for code in ASKED {
            let (Some(ty), Some(entry)) = (types.get_mut(usize::from(*code)), asked_by(*code))
            else {
                continue;
            };
            let told = |param: &Param| {
                let name = format!("{}{}", TypeDesc::ASKED, param.name);
                aside(&name, param.kind, param.set)
            };
            ty.args.extend(entry.params.iter().map(told));
        }
        for (name, class) in CALLS {
            for code in [0, 1] {
                types.extend(row(code).map(|row| TypeDesc {
                    name: (*name).to_owned(),
                    class: *class as u8,
                    is_syscall: true,
                    ..describe(row)
                }));
            }
        }
        let raw = |name: &str, kind: ArgKind| ArgDesc {
            name: name.to_owned(),
            kind: kind as u8,
            ..ArgDesc::default()
        };
        let numbers = ["code", "count", "width"].map(|name| raw(name, ArgKind::Uint));
        let mut args = numbers.to_vec();
        args.push(raw("raw", ArgKind::Bytes));
        args.extend((1..=MAX_UNKNOWN).map(|at| raw(&format!("p{at}"), ArgKind::Bytes)));
        args.extend(asides());
        types.extend([TypeDesc::ENTRY, TypeDesc::EXIT].map(|side| TypeDesc {
            name: "unrecognized".to_owned(),
            args: args.clone(),
            marks: nothing.marks | side,
            ..nothing.clone()
        }));
        Schema {
            types,
            flag_sets: SETS.iter().map(|set| flag_set(set.0, set.1)).collect(),
            structs: vec![StructDesc {
                name: "thread".to_owned(),
                narrow: false,
                size: 8 * THREAD_FIELDS.len() as u32,
                fields: (0..)
                    .zip(THREAD_FIELDS)
                    .map(|(at, name)| StructFieldDesc {
                        name: (*name).to_owned(),
                        offset: 8 * at,
                        width: 8,
                        kind: ArgKind::Int as u8,
                        set: String::new(),
                    })
                    .collect(),
            }],
            choices: Vec::new(),
        }
    })
}

fn flag_set(name: &str, flags: &[(&str, u64)]) -> FlagSetDesc {
    FlagSetDesc {
        name: name.to_owned(),
        flags: flags
            .iter()
            .map(|(name, value)| FlagDesc {
                name: (*name).to_owned(),
                value: *value,
                mask: *value,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_every_set_and_directory_they_name_is_there() {
        assert!(TYPES.is_sorted_by(|a, b| a.0 < b.0));
        let variants = ["sockopt", "ptrace", "bpf", "keyctl"];
        for code in 0..CODES {
            let Some(row) = row(code) else { continue };
            for param in &row.params {
                let known = matches!(param.set, "" | "32")
                    || variants.contains(&param.set)
                    || SETS.iter().any(|set| set.0 == param.set);
                assert!(known, "{} {}", row.name, param.name);
                assert!(
                    param.by.is_empty() || row.place(param.by).is_some(),
                    "{}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn a_call_with_only_a_number_has_the_type_of_its_name() {
        let schema = schema();
        let name = |id: TypeId| schema.ty(id).map(|ty| ty.name.as_str());
        assert_eq!(name(call_type(3, true)), Some("read"));
        assert_eq!(name(UNRECOGNIZED), Some("unrecognized"));
        assert_eq!(name(type_id(6)), Some("read"));
        assert_eq!(schema.types.len(), usize::from(UNRECOGNIZED.0) + 2);
    }
}
