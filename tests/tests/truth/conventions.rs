//! 32-bit calls from 64-bit code, x32, and numbers that mean nothing: each is kept as what it was.

use afterimage_model::Abi;
use afterimage_tests::child::{End, Shared};
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;

/// Makes a 32-bit call from 64-bit code.
#[cfg(target_arch = "x86_64")]
fn int80(number: u32, args: [u32; 3]) -> i32 {
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
            in("rsi") 0u64,
            in("rdi") 0u64,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result as u32 as i32
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
        // SAFETY: a fresh page below 4 GiB.
        let low = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0,
            )
        };
        assert_ne!(low, libc::MAP_FAILED);
        // SAFETY: the page has room for both.
        unsafe { std::ptr::copy_nonoverlapping(c"f".as_ptr().cast(), low.cast::<u8>(), 2) };
        let low = u32::try_from(low as u64).expect("below 4 GiB");
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
    let numbers = [999i64, 0x3fff_ffff];
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
