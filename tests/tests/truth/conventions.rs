//! 32-bit calls from 64-bit code, x32, and numbers that mean nothing: each is kept as what it was.

use afterimage_model::Abi;
use afterimage_tests::child::{End, Shared};
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;

/// Makes a 32-bit call from 64-bit code.
#[cfg(target_arch = "x86_64")]
fn int80(number: u32, args: [u32; 3]) -> i32 {
    let [a, b, c] = args;
    int80_with_five(number, [a, b, c, 0, 0])
}

/// The same with five arguments.
#[cfg(target_arch = "x86_64")]
fn int80_with_five(number: u32, args: [u32; 5]) -> i32 {
    let result: u64;
    // SAFETY: addresses passed lie below 4 GiB; the compiler keeps rbx for itself, so it is swapped in and out.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) u64::from(args[0]) => _,
            inlateout("rax") u64::from(number) => result,
            in("rcx") u64::from(args[1]),
            in("rdx") u64::from(args[2]),
            in("rsi") u64::from(args[3]),
            in("rdi") u64::from(args[4]),
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result as u32 as i32
}

/// A fresh page below 4 GiB.
#[cfg(target_arch = "x86_64")]
fn low_page() -> u32 {
    // SAFETY: memory of its own.
    let low = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        libc::mmap(std::ptr::null_mut(), 4096, prot, flags, -1, 0)
    };
    assert_ne!(low, libc::MAP_FAILED);
    u32::try_from(low as u64).expect("below 4 GiB")
}

/// Puts bytes into such a page.
#[cfg(target_arch = "x86_64")]
fn put(at: u32, bytes: &[u8]) {
    // SAFETY: callers stay inside their page.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as usize as *mut u8, bytes.len()) };
}

/// Puts 32-bit words into such a page.
#[cfg(target_arch = "x86_64")]
fn put_words(at: u32, words: &[u32]) -> u32 {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    put(at, &bytes);
    at
}

#[cfg(target_arch = "x86_64")]
#[test]
fn structures_of_32_bit_calls_have_their_own_layout() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("f"), "0123456789").expect("a file");
    let (capture, pid, end) = harness::record_child("structs32", || {
        std::env::set_current_dir(folder.path()).expect("the folder");
        let page = low_page();
        let (name, room) = (page, page + 2048);
        put(name, b"f\0");
        let at = page + 64;
        let fd = int80(5, [name, 2, 0]).cast_unsigned();
        // writev: two buffers of 32-bit iovecs.
        put(page + 16, b"first second");
        int80(146, [fd, put_words(at, &[page + 16, 6, page + 22, 6]), 2]);
        // nanosleep, with the 32-bit timespec.
        int80(162, [put_words(at, &[0, 1_234_567]), 0, 0]);
        // rt_sigaction: handler, flags, restorer, mask.
        int80_with_five(
            174,
            [12, put_words(at, &[1, 0x4000_0000, 0, 0x4001, 0]), 0, 8, 0],
        );
        // sigaction: handler, mask, flags.
        int80(67, [12, put_words(at, &[1, 1, 0x1000_0000, 0]), 0]);
        // stat, stat64, statfs64 fill their own structures.
        int80(106, [name, room, 0]);
        int80(195, [name, room, 0]);
        put(page + 32, b"/proc\0");
        int80(268, [page + 32, 84, room]);
        // fcntl64 with the 32-bit flock, and with flock64.
        int80(221, [fd, 6, put_words(at, &[1, 10, 20, 0])]);
        int80(221, [fd, 13, put_words(at, &[1, 10, 0, 20, 0, 0])]);
        // setrlimit: two words; prlimit64: two double words.
        int80(75, [4, put_words(at, &[0, u32::MAX]), 0]);
        int80_with_five(340, [0, 4, 0, room, 0]);
        // clock_gettime of both sizes.
        int80(265, [0, room, 0]);
        int80(403, [0, room, 0]);
        // socketpair, then sendmsg and recvmsg with the 32-bit msghdr, iovec and cmsghdr.
        int80_with_five(360, [1, 1, 0, room, 0]);
        // SAFETY: the call has written two descriptors there.
        let ends = unsafe { *(room as usize as *const [u32; 2]) };
        put_words(page + 256, &[page + 16, 12]);
        put_words(page + 300, &[16, 1, 1, fd]);
        put_words(at, &[0, 0, page + 256, 1, page + 300, 16, 0]);
        int80(370, [ends[0], at, 0]);
        put_words(page + 256, &[room, 64]);
        put_words(at, &[0, 0, page + 256, 1, page + 300, 128, 0]);
        int80(372, [ends[1], at, 0]);
        // socketcall: a socket.
        int80(102, [1, put_words(at, &[2, 2, 0]), 0]);
        // _llseek and getresuid with 16-bit ids.
        int80_with_five(140, [fd, 0, 3, room, 0]);
        int80(165, [room, room + 4, room + 8]);
        0
    });
    assert_eq!(end, End::Exited(0));
    let events: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.event.abi == Abi::i386)
        .collect();
    super::structs::check(
        &events,
        &[
            ("writev", "iov", "first second"),
            ("nanosleep", "duration", "1.234567ms"),
            (
                "rt_sigaction",
                "act",
                "{handler=SIG_IGN, flags=SA_NODEFER, mask=[SIGHUP|SIGTERM]}",
            ),
            (
                "sigaction",
                "act",
                "{handler=SIG_IGN, mask=[SIGHUP], flags=SA_RESTART}",
            ),
            (
                "stat",
                "statbuf",
                "st_mode=S_IFREG|0644, st_nlink=1, st_uid=0, st_gid=0, st_rdev=0:0, st_size=12, ",
            ),
            (
                "stat64",
                "statbuf",
                "st_mode=S_IFREG|0644, st_nlink=1, st_uid=0, st_gid=0, st_rdev=0:0, st_size=12, ",
            ),
            ("stat64", "statbuf.st_mtime", "20"),
            ("statfs64", "buf", "{type=PROC_SUPER_MAGIC, bsize=4096, "),
            (
                "fcntl64",
                "arg",
                "{type=F_WRLCK, whence=SEEK_SET, start=10, len=20, pid=0}",
            ),
            ("setrlimit", "rlim", "{cur=0, max=RLIM_INFINITY}"),
            ("prlimit64", "old_limit", "{cur=0, max="),
            ("clock_gettime", "tp", "20"),
            ("clock_gettime64", "tp", "20"),
            ("sendmsg", "msg", "first second"),
            (
                "sendmsg",
                "msg_control",
                "[{level=SOL_SOCKET, type=SCM_RIGHTS, fds=[",
            ),
            ("recvmsg", "msg", "first second"),
            ("recvmsg", "msg_control", "type=SCM_RIGHTS, fds=["),
            ("socketcall", "args", "{a0=0x2, a1=0x2, a2=0x0}"),
            ("_llseek", "result", "3"),
            ("getresuid", "suid", "0"),
        ],
    );
    let locks = events.iter().filter(|event| {
        event.name() == "fcntl64" && super::structs::text(event, "arg.len") == "20"
    });
    assert_eq!(locks.count(), 2, "both forms of a lock are read");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_by_int_0x80_from_a_64_bit_process_are_decoded_as_i386() {
    needs_recording!();
    // Number and expected row: numbers that mean something quite different in the 64-bit table. All arguments are 0.
    const PLAIN: &[(u32, &str)] = &[
        (20, "getpid"),
        (64, "getppid"),
        (65, "getpgrp"),
        (24, "getuid"),
        (47, "getgid"),
        (49, "geteuid"),
        (50, "getegid"),
        (199, "getuid32"),
        (200, "getgid32"),
        (201, "geteuid32"),
        (202, "getegid32"),
        (224, "gettid"),
        (158, "sched_yield"),
        (36, "sync"),
        (153, "munlockall"),
        (8, "creat"),
        (10, "unlink"),
        (12, "chdir"),
        (13, "time"),
        (34, "nice"),
        (39, "mkdir"),
        (43, "times"),
        (57, "setpgid"),
        (60, "umask"),
        (68, "sgetmask"),
        (76, "getrlimit"),
        (125, "mprotect"),
        (132, "getpgid"),
        (138, "setfsuid"),
        (147, "getsid"),
        (155, "sched_getparam"),
        (157, "sched_getscheduler"),
        (159, "sched_get_priority_max"),
        (160, "sched_get_priority_min"),
        (215, "setfsuid32"),
        (216, "setfsgid32"),
        (331, "pipe2"),
        (355, "getrandom"),
        (359, "socket"),
        (373, "shutdown"),
    ];
    let told = Shared::new(4096).expect("shared memory");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("f"), "contents").expect("a file");
    let (capture, pid, end) = harness::record_child("int80", || {
        std::env::set_current_dir(folder.path()).expect("the folder");
        let low = low_page();
        put(low, b"f\0");
        let mut results = Vec::new();
        for (number, _) in PLAIN {
            results.push(int80(*number, [0; 3]));
        }
        let fd = int80(5, [low, 0, 0]);
        results.push(fd);
        results.push(int80(3, [fd.cast_unsigned(), low + 64, 100]));
        results.push(int80(6, [fd.cast_unsigned(), 0, 0]));
        results.push(int80(295, [libc::AT_FDCWD.cast_unsigned(), low, 0]));
        results.push(int80(6, [999, 0, 0]));
        told.put(
            &results
                .iter()
                .flat_map(|r| r.to_ne_bytes())
                .collect::<Vec<_>>(),
        );
        0
    });
    assert_eq!(end, End::Exited(0));
    let told = told.take();
    let results: Vec<_> = told
        .chunks_exact(4)
        .map(|n| i64::from(i32::from_ne_bytes(n.try_into().expect("four bytes"))))
        .collect();
    let names: Vec<_> = PLAIN
        .iter()
        .map(|row| row.1)
        .chain(["open", "read", "close", "openat", "close"])
        .collect();
    let events: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.event.abi == Abi::i386)
        .collect();
    let recorded: Vec<_> = events
        .iter()
        .map(|e| (e.name().to_owned(), e.event.result))
        .collect();
    let made: Vec<_> = names.into_iter().map(str::to_owned).zip(results).collect();
    assert_eq!(recorded, made);
    let [open, read, close, openat, bad] = events.last_chunk().expect("the last five");
    assert_eq!(open.bytes("path"), Some(&b"f"[..]));
    assert_eq!(read.bytes("buf"), Some(&b"contents"[..]));
    assert_eq!(close.number("fd"), Some(open.event.result));
    assert_eq!(
        (openat.number("dirfd"), openat.bytes("path")),
        (Some(-100), Some(&b"f"[..]))
    );
    assert_eq!(bad.event.errno(), Some(libc::EBADF.unsigned_abs()));
    assert!(
        open.file().is_some_and(|f| f.path.ends_with(b"/f")),
        "the kernel's own file is known here too"
    );
}

#[test]
fn numbers_without_a_call_are_kept_with_their_arguments() {
    needs_recording!();
    let numbers = [999i64, 0x3fff_ffff, -1, 0x7fff_ffff];
    let (capture, pid, end) = harness::record_child("unknown", || {
        for number in numbers {
            // SAFETY: the kernel knows no such calls.
            unsafe { libc::syscall(number, 11, 22, 33) };
        }
        0
    });
    assert_eq!(end, End::Exited(0));
    let events: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.name() == "unknown")
        .collect();
    assert_eq!(
        events.len(),
        numbers.len(),
        "{:?}",
        events.iter().map(Seen::line).collect::<Vec<_>>()
    );
    for (event, number) in events.iter().zip(numbers) {
        assert_eq!(
            event.number("nr").map(|n| n as u32),
            Some(number as u32),
            "{}",
            event.line()
        );
        assert_eq!(
            (
                event.number("arg0"),
                event.number("arg1"),
                event.number("arg2")
            ),
            (Some(11), Some(22), Some(33))
        );
        assert_eq!(event.event.result, -i64::from(libc::ENOSYS));
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_number_with_the_x32_bit_is_never_taken_for_the_64_bit_call() {
    needs_recording!();
    const X32: i64 = 0x4000_0000;
    let (capture, pid, end) = harness::record_child("x32", || {
        // SAFETY: getpid by its x32 number: an answer or ENOSYS.
        let result = unsafe { libc::syscall(X32 | libc::SYS_getpid) };
        i32::from(result != -1)
    });
    let result = if end == End::Exited(0) {
        -i64::from(libc::ENOSYS)
    } else {
        i64::from(pid)
    };
    let events: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.event.abi == Abi::x32)
        .collect();
    let [event] = events.as_slice() else {
        panic!("{} events by x32", events.len())
    };
    assert_eq!(event.event.result, result);
    assert!(
        event.name() == "getpid"
            || event
                .number("nr")
                .is_some_and(|nr| nr & 0xffff == libc::SYS_getpid),
        "{}",
        event.line()
    );
}

/// Lets a tracer (this process) see getppid and getpgrp of a fresh child by a seccomp filter; the child makes both and ends.
#[cfg(target_arch = "x86_64")]
fn traced_child() -> i32 {
    // SAFETY: the child leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child != 0 {
        return child;
    }
    // Load the number; getppid is refused with EXDEV, getpgrp goes to the tracer, everything else passes.
    let code = |code: u16, jt: u8, jf: u8, k: u32| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        code(0x20, 0, 0, 0),
        code(0x15, 0, 1, libc::SYS_getppid as u32),
        code(0x06, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EXDEV as u32),
        code(0x15, 0, 1, libc::SYS_getpgrp as u32),
        code(0x06, 0, 0, libc::SECCOMP_RET_TRACE),
        code(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: constants and a program that outlives the call.
    unsafe {
        libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
        libc::raise(libc::SIGSTOP);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        );
        libc::syscall(libc::SYS_getppid);
        libc::syscall(libc::SYS_getpgrp);
        libc::_exit(0)
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn what_seccomp_refuses_is_named_and_what_a_tracer_rewrites_is_the_rewritten_number() {
    needs_recording!();
    /// Where `orig_rax` lies in `struct user_regs_struct`.
    const ORIG_RAX: usize = 15 * 8;
    let told = Shared::new(4096).expect("shared memory");
    let (capture, _, end) = harness::record_child("seccomp", || {
        let child = traced_child();
        told.put(&child.to_ne_bytes());
        let mut status = 0;
        // SAFETY: the child stops itself, then at getpgrp, then ends.
        unsafe {
            libc::waitpid(child, &raw mut status, 0);
            libc::ptrace(
                libc::PTRACE_SETOPTIONS,
                child,
                0,
                libc::PTRACE_O_TRACESECCOMP,
            );
            libc::ptrace(libc::PTRACE_CONT, child, 0, 0);
            libc::waitpid(child, &raw mut status, 0);
            libc::ptrace(libc::PTRACE_POKEUSER, child, ORIG_RAX, 999);
            libc::ptrace(libc::PTRACE_CONT, child, 0, 0);
            libc::waitpid(child, &raw mut status, 0);
        }
        i32::from(status != 0)
    });
    assert_eq!(end, End::Exited(0));
    let child = i32::from_ne_bytes(told.take().try_into().expect("a pid")).unsigned_abs();
    let events = capture.of_thread(child);
    let of = |name: &str| events.iter().find(|event| event.name() == name);
    let refused = of("getppid").expect("a refused call is recorded");
    assert_eq!(refused.event.result, -i64::from(libc::EXDEV));
    assert!(
        of("getpgrp").is_none(),
        "the tracer put another number there"
    );
    let rewritten = of("unknown").expect("the rewritten call is recorded");
    assert_eq!(rewritten.number("nr"), Some(999), "{}", rewritten.line());
    assert_eq!(rewritten.event.result, -i64::from(libc::ENOSYS));
}
