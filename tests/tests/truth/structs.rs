//! What calls pass by address is read with the layout of the caller's convention, and shown by name.

use afterimage_model::{Ctx, render};
use afterimage_tests::child::End;
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use libc::c_void;

/// Makes a call by number.
macro_rules! call {
    ($number:ident $(, $arg:expr)*) => {
        // SAFETY: each call gets what it expects; the child is all there is to break.
        unsafe { libc::syscall(libc::$number $(, $arg)*) }
    };
}

/// The text of an argument, or of a field of it behind a dot.
pub fn text(event: &Ctx<'_>, arg: &str) -> String {
    let (arg, field) = arg
        .split_once('.')
        .map_or((arg, None), |(arg, field)| (arg, Some(field)));
    let Some(at) = event.ty().and_then(|ty| ty.arg_index(arg)) else {
        return format!("no argument {arg}");
    };
    let text = match field {
        Some(field) => render::arg_field_text(event, at, field),
        None => render::arg_text(event, at),
    };
    String::from_utf8_lossy(&text.unwrap_or_else(|| b"not captured".to_vec())).into_owned()
}

/// Asserts that some call of each name has an argument whose text holds what it must.
pub fn check(events: &[Ctx<'_>], expected: &[(&str, &str, &str)]) {
    let mut wrong = Vec::new();
    for (name, arg, says) in expected {
        let texts: Vec<_> = events
            .iter()
            .filter(|event| event.name() == *name)
            .map(|event| text(event, arg))
            .collect();
        if !texts.iter().any(|text| text.contains(says)) {
            wrong.push(format!("{name}: no {arg} says {says}: {texts:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What every case of the kernel's structures is shown as.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("clone3", "cl_args", "{flags=CLONE_VM|CLONE_THREAD, "),
    ("clone3", "cl_args.exit_signal", "SIGUSR1"),
    (
        "openat2",
        "how",
        "{flags=O_WRONLY|O_CREAT|O_CLOEXEC, mode=0640, resolve=RESOLVE_NO_SYMLINKS|RESOLVE_BENEATH}",
    ),
    ("openat2", "how.mode", "0640"),
    (
        "bpf",
        "attr",
        "{prog_type=BPF_PROG_TYPE_SOCKET_FILTER, insn_cnt=1, insns=0x",
    ),
    ("bpf", "attr.prog_name", "intruder"),
    (
        "bpf",
        "attr",
        "{map_type=BPF_MAP_TYPE_HASH, key_size=0, value_size=8, max_entries=64, map_flags=BPF_F_NO_PREALLOC",
    ),
    (
        "rt_sigaction",
        "act",
        "handler=SIG_IGN, flags=SA_NODEFER, mask=[SIGHUP|SIGTERM]}",
    ),
    ("prlimit64", "old_limit", "{cur="),
    ("prlimit64", "new_limit", "{cur=0, max=RLIM_INFINITY}"),
    ("setsockopt", "optname", "TCP_CONGESTION"),
    ("setsockopt", "optval", "no-such-algorithm"),
    ("setsockopt", "optname", "SO_RCVTIMEO"),
    ("setsockopt", "optval", "1.5s"),
    ("setsockopt", "optname", "IPV6_V6ONLY"),
    ("getsockopt", "optval", "{pid="),
    ("prctl", "arg2", "quiet name"),
    ("prctl", "arg2", "CAP_SYS_BOOT"),
    ("prctl", "arg3", "CAP_NET_RAW"),
    ("seccomp", "args", "{len=1, filter=0x"),
    (
        "fcntl",
        "arg",
        "{type=F_WRLCK, whence=SEEK_SET, start=10, len=20, pid=0}",
    ),
    ("fcntl", "arg", "O_WRONLY|O_APPEND|O_NONBLOCK"),
    ("ioctl", "request", "TIOCSTI"),
    ("ioctl", "argp", "x"),
    (
        "ioctl",
        "request",
        "_IOC(_IOC_READ|_IOC_WRITE, 0x7e, 0x11, 40)",
    ),
    (
        "sendmsg",
        "msg_control",
        "[{level=SOL_SOCKET, type=SCM_RIGHTS, fds=[1, 2]}]",
    ),
    (
        "recvmsg",
        "msg_control",
        "type=SCM_CREDENTIALS, ucred={pid=",
    ),
    ("recvmsg", "msg", "with descriptors"),
    ("sendmmsg", "msgvec", "[{name=127.0.0.1:"),
    (
        "sendmmsg",
        "msgvec",
        "len=5, data=\"first\"}, {name=127.0.0.1:",
    ),
    ("sendmmsg", "msgvec", "len=6, data=\"second\"}]"),
    ("utimensat", "times", "{atime=UTIME_OMIT, mtime=UTIME_NOW}"),
    ("nanosleep", "rem", "s"),
    ("wait4", "wstatus", "signaled(SIGKILL)"),
    ("wait4", "rusage", "{utime="),
    ("futex", "timeout", "1ms"),
    ("ptrace", "data", "PTRACE_O_TRACEEXEC|PTRACE_O_EXITKILL"),
    ("keyctl", "arg4", "a description"),
    (
        "landlock_add_rule",
        "rule_attr",
        "{allowed_access=LANDLOCK_ACCESS_FS_READ_FILE, parent_fd=7}",
    ),
    ("io_uring_setup", "p", "flags=IORING_SETUP_CLAMP, "),
    (
        "perf_event_open",
        "attr",
        "{type=PERF_TYPE_SOFTWARE, size=64, config=0x0",
    ),
    ("socket", "protocol", "NETLINK_AUDIT"),
    ("epoll_pwait", "events", "[{events=EPOLLOUT, data=0x77}]"),
    (
        "poll",
        "fds",
        "[{fd=-1, events=0, revents=0}, {fd=1, events=POLLOUT, revents=",
    ),
    ("personality", "persona", "ADDR_NO_RANDOMIZE"),
    ("waitid", "id", "-1"),
    ("futex_waitv", "waiters", "flags=FUTEX2_SIZE_U32"),
];

#[test]
fn what_calls_pass_by_address_is_shown_by_name() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let (capture, pid, end) = harness::record_child("structs", || {
        std::env::set_current_dir(folder.path()).expect("the folder");
        programs_and_limits();
        files();
        sockets();
        waiting();
        0
    });
    assert_eq!(end, End::Exited(0));
    check(&capture.of_thread(pid), EXPECTED);
}

/// Every one of these fails or changes the child alone.
fn programs_and_limits() {
    // CLONE_VM and CLONE_THREAD without CLONE_SIGHAND: EINVAL.
    let clone = [0x10100u64, 0, 0, 0, libc::SIGUSR1 as u64, 0, 0, 0, 0, 0, 0];
    call!(SYS_clone3, &raw const clone, 88);
    let instruction = 0u64;
    let mut load = [0u8; 72];
    load[..4].copy_from_slice(&1u32.to_ne_bytes());
    load[4..8].copy_from_slice(&1u32.to_ne_bytes());
    load[8..16].copy_from_slice(&(&raw const instruction as u64).to_ne_bytes());
    load[48..56].copy_from_slice(b"intruder");
    call!(SYS_bpf, 5, load.as_ptr(), 72);
    // A hash table of empty keys: EINVAL.
    let map = [1u32, 0, 8, 64, 1, 0, 0];
    call!(SYS_bpf, 0, map.as_ptr(), 28);
    // Handler, flags, restorer, mask of signals 1 and 15.
    let action = [1u64, 0x4000_0000, 0, 0x4001];
    call!(SYS_rt_sigaction, libc::SIGUSR2, &raw const action, 0, 8);
    let limit = [0u64, u64::MAX];
    let mut old = [0u64; 2];
    call!(SYS_prlimit64, 0, libc::RLIMIT_CORE, 0, &raw mut old);
    call!(SYS_prlimit64, 0, libc::RLIMIT_CORE, &raw const limit, 0);
    call!(
        SYS_prctl,
        libc::PR_SET_NAME,
        c"quiet name".as_ptr(),
        0,
        0,
        0
    );
    call!(SYS_prctl, libc::PR_CAPBSET_DROP, 22, 0, 0, 0);
    call!(
        SYS_prctl,
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_IS_SET,
        13,
        0,
        0
    );
    // SECCOMP_RET_ALLOW; a flag that does not exist: EINVAL.
    let filter = [0x7fff_0000_0000_0006u64];
    let program = [1u64, (&raw const filter) as u64];
    call!(SYS_seccomp, 1, 0x8000, &raw const program);
    call!(SYS_ptrace, 0x4200, i32::MAX, 0, 0x0010_0010);
    call!(
        SYS_keyctl,
        10,
        -3,
        c"user".as_ptr(),
        c"a description".as_ptr(),
        0
    );
    let rule = [4u64, 7];
    call!(SYS_landlock_add_rule, -1, 1, &raw const rule, 0);
    let event = [1u32, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    call!(SYS_perf_event_open, &raw const event, i32::MAX, -1, -1, 0);
    call!(SYS_personality, 0x0004_0000);
}

fn files() {
    let how = [0o2000101u64, 0o640, 0x0c];
    let fd = call!(
        SYS_openat2,
        libc::AT_FDCWD,
        c"file".as_ptr(),
        &raw const how,
        24
    );
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // F_WRLCK from 10, 20 bytes.
    let lock = [1u64, 10, 20, 0];
    call!(SYS_fcntl, fd, libc::F_SETLK, &raw const lock);
    call!(SYS_fcntl, fd, libc::F_SETFL, 0o6001);
    call!(SYS_ioctl, fd, libc::TIOCSTI, c"x".as_ptr());
    call!(SYS_ioctl, fd, 0xc028_7e11u32, 0);
    // Nanoseconds that mean "leave" and "now".
    let times = [[0i64, 0x3fff_fffe], [0, 0x3fff_ffff]];
    call!(
        SYS_utimensat,
        libc::AT_FDCWD,
        c"file".as_ptr(),
        &raw const times,
        0
    );
    let mut ring = [0u32; 30];
    ring[2] = 16;
    call!(SYS_io_uring_setup, 1, &raw mut ring);
}

/// One message with its parts.
fn message(name: &[u8], iov: &libc::iovec, control: &mut [u8]) -> libc::msghdr {
    // SAFETY: all zero is an empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    if !name.is_empty() {
        message.msg_name = name.as_ptr().cast_mut().cast();
        message.msg_namelen = name.len() as u32;
    }
    message.msg_iov = std::ptr::from_ref(iov).cast_mut();
    message.msg_iovlen = 1;
    if !control.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len();
    }
    message
}

fn iovec(bytes: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast::<c_void>(),
        iov_len: bytes.len(),
    }
}

fn sockets() {
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = receiver.local_addr().expect("bound").port();
    let tcp = call!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0);
    let algorithm = c"no-such-algorithm";
    call!(
        SYS_setsockopt,
        tcp,
        libc::IPPROTO_TCP,
        libc::TCP_CONGESTION,
        algorithm.as_ptr(),
        17
    );
    let time = [1i64, 500_000];
    call!(
        SYS_setsockopt,
        tcp,
        libc::SOL_SOCKET,
        libc::SO_RCVTIMEO,
        &raw const time,
        16
    );
    let one = 1i32;
    call!(
        SYS_setsockopt,
        tcp,
        libc::IPPROTO_IPV6,
        libc::IPV6_V6ONLY,
        &raw const one,
        4
    );
    // NETLINK_AUDIT of a type that it does not have.
    call!(SYS_socket, libc::AF_NETLINK, libc::SOCK_STREAM, 9);
    let mut ends = [0i32; 2];
    call!(
        SYS_socketpair,
        libc::AF_UNIX,
        libc::SOCK_STREAM,
        0,
        &raw mut ends
    );
    let (mut ids, mut len) = ([0u32; 3], 12u32);
    call!(
        SYS_getsockopt,
        ends[0],
        libc::SOL_SOCKET,
        libc::SO_PEERCRED,
        &raw mut ids,
        &raw mut len
    );
    call!(
        SYS_setsockopt,
        ends[1],
        libc::SOL_SOCKET,
        libc::SO_PASSCRED,
        &raw const one,
        4
    );
    let mut rights = [0u8; 24];
    for (at, n) in [(0, 24u32), (8, 1), (12, 1), (16, 1), (20, 2)] {
        rights[at..at + 4].copy_from_slice(&n.to_ne_bytes());
    }
    let text = iovec(b"with descriptors");
    let sent = message(&[], &text, &mut rights);
    assert_eq!(call!(SYS_sendmsg, ends[0], &raw const sent, 0), 16);
    let (mut room, mut control) = ([0u8; 64], [0u8; 128]);
    let into = libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    };
    let mut received = message(&[], &into, &mut control);
    assert_eq!(call!(SYS_recvmsg, ends[1], &raw mut received, 0), 16);
    let mut to = vec![2, 0];
    to.extend(port.to_be_bytes());
    to.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let parts = [iovec(b"first"), iovec(b"second")];
    let mut messages = parts.each_ref().map(|part| libc::mmsghdr {
        msg_hdr: message(&to, part, &mut []),
        msg_len: 0,
    });
    let udp = call!(SYS_socket, libc::AF_INET, libc::SOCK_DGRAM, 0);
    assert_eq!(call!(SYS_sendmmsg, udp, &raw mut messages, 2, 0), 2);
}

fn waiting() {
    let mut ends = [0i32; 2];
    call!(SYS_pipe2, &raw mut ends, 0);
    let epoll = call!(SYS_epoll_create1, 0);
    let mut event = libc::epoll_event {
        events: libc::EPOLLOUT as u32,
        u64: 0x77,
    };
    call!(
        SYS_epoll_ctl,
        epoll,
        libc::EPOLL_CTL_ADD,
        ends[1],
        &raw mut event
    );
    let mut ready = [0u64; 8];
    call!(SYS_epoll_pwait, epoll, &raw mut ready, 5, 100, 0, 8);
    let mut fds = [
        libc::pollfd {
            fd: -1,
            events: 0,
            revents: 0,
        },
        libc::pollfd {
            fd: 1,
            events: libc::POLLOUT,
            revents: 0,
        },
    ];
    call!(SYS_poll, &raw mut fds, 2, 0);
    let word = 5u32;
    let short = [0i64, 1_000_000];
    call!(SYS_futex, &raw const word, 128, 5, &raw const short, 0, 0);
    let waiter = [6u64, (&raw const word) as u64, 2];
    call!(SYS_futex_waitv, &raw const waiter, 1, 0, 0, 1);
    interrupted_sleep();
    // SAFETY: the child waits for its end.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: a child of its own.
        unsafe { libc::pause() };
    }
    call!(SYS_kill, child, libc::SIGKILL);
    let (mut status, mut usage) = (0i32, [0u64; 18]);
    assert_eq!(
        call!(SYS_wait4, child, &raw mut status, 0, &raw mut usage),
        i64::from(child)
    );
    call!(SYS_waitid, 0, -1, 0, libc::WEXITED, 0);
}

/// A sleep that a timer ends early; the signal's handler does nothing.
fn interrupted_sleep() {
    extern "C" fn nothing(_: i32) {}
    // SAFETY: a handler that does nothing and a timer that fires once.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(i32) as usize;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
        let timer = [0i64, 0, 0, 30_000];
        libc::setitimer(
            libc::ITIMER_REAL,
            (&raw const timer).cast(),
            std::ptr::null_mut(),
        );
    }
    let (long, mut rest) = ([20i64, 0], [0i64; 2]);
    call!(SYS_nanosleep, &raw const long, &raw mut rest);
}

#[test]
fn what_waits_at_a_listening_socket_is_told_with_each_connection_that_is_accepted() {
    needs_recording!();
    let (capture, pid, end) = harness::record_child("queue", || {
        use std::os::fd::AsRawFd;
        let Ok(listener) = std::net::TcpListener::bind("127.0.0.1:0") else {
            return 1;
        };
        let fd = listener.as_raw_fd();
        // The last listen counts.
        if call!(SYS_listen, fd, 5) != 0 {
            return 2;
        }
        let Ok(address) = listener.local_addr() else {
            return 3;
        };
        let clients: Vec<_> = (0..3)
            .filter_map(|_| std::net::TcpStream::connect(address).ok())
            .collect();
        let null = std::ptr::null_mut::<c_void>();
        for _ in 0..2 {
            call!(SYS_accept, fd, null, null);
        }
        call!(SYS_accept4, fd, null, null, 0);
        // Nothing waits any more: it fails, and says so as well.
        call!(SYS_fcntl, fd, libc::F_SETFL, libc::O_NONBLOCK);
        call!(SYS_accept, fd, null, null);
        i32::from(clients.len() != 3)
    });
    assert_eq!(end, End::Exited(0));
    let events = capture.of_thread(pid);
    let told = |name: &str| -> Vec<String> {
        let calls = events.iter().filter(|event| event.name() == name);
        calls.map(|event| text(event, "queue")).collect()
    };
    assert_eq!(
        told("accept"),
        [
            "{length=2, max=5}",
            "{length=1, max=5}",
            "{length=0, max=5}"
        ]
    );
    assert_eq!(told("accept4"), ["{length=0, max=5}"]);
    let call = events.iter().find(|event| event.name() == "accept");
    assert_eq!(
        call.map(|call| text(call, "queue.length")).as_deref(),
        Some("2")
    );
}
