//! Processes, threads and programs.

use crate::c;
use crate::call::{Outcome, bytes_of, errno, file, folder, given, list, n, null, ptr, text, wide};
use std::os::fd::RawFd;

/// Room for any structure the kernel fills.
type Room = [u64; 64];

/// A child that ends at once and is not waited for.
fn ended_child() -> i32 {
    match c!(fork()) {
        0 => c!(_exit(7)),
        pid => pid,
    }
}

fn own_pidfd() -> RawFd {
    let pid = c!(getpid());
    i32::try_from(c!(syscall(libc::SYS_pidfd_open, pid, 0))).expect("a descriptor")
}

/// `vfork` runs the child on the caller's stack, so the child's only call is made before anything returns.
#[cfg(target_arch = "x86_64")]
fn vfork_and_exit(number: i64) -> i64 {
    let result;
    // SAFETY: the child touches no memory before it ends; the parent continues behind it.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor edi, edi",
            "mov eax, 60",
            "syscall",
            "2:",
            inlateout("rax") number => result,
            out("rcx") _, out("r11") _, out("rdi") _,
        );
    }
    result
}

#[cfg(not(target_arch = "x86_64"))]
fn vfork_and_exit(_number: i64) -> i64 {
    unreachable!("vfork has a number on x86 only")
}

crate::cases! {
    clone(call) {
        call.make_child(&[n(libc::SIGCHLD), null(), null()]);
    }
    clone3(call) {
        // flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls: version 0 of the structure.
        let args = [0u64, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
        call.make_child(&[given(bytes_of(&args)).says("{flags=0, pidfd=NULL, child_tid=NULL, parent_tid=NULL, exit_signal=SIGCHLD, stack=NULL"), n(64)]);
    }
    fork(call) {
        call.make_child(&[]);
    }
    vfork(call) {
        call.make_by(&[], |number, _| vfork_and_exit(number));
        c!(wait(std::ptr::null_mut()));
    }
    execve(call) {
        let argv = [c"/bin/true".as_ptr(), c"two words".as_ptr(), c"\x1b[31m".as_ptr(), std::ptr::null()];
        let envp = [c"COLOUR=blue".as_ptr(), std::ptr::null()];
        let (strings, environment) = ([c"/bin/true", c"two words", c"\x1b[31m"], [c"COLOUR=blue"]);
        call.make_last(&[text(c"/bin/true"), list(&argv, &strings), list(&envp, &environment)], Outcome::Returned(0));
    }
    execveat(call) {
        let argv = [c"truth".as_ptr(), std::ptr::null()];
        let envp = [c"A=1".as_ptr(), c"B=2".as_ptr(), std::ptr::null()];
        // The descriptor is closed by the exec itself; only the event still knows its number.
        let bin = folder("/bin");
        let args =
            [n(bin), text(c"true"), list(&argv, &[c"truth"]), list(&envp, &[c"A=1", c"B=2"]), n(0)];
        call.make_last(&args, Outcome::Returned(0));
    }
    exit(call) {
        call.make_last(&[n(0)], Outcome::Never);
    }
    exit_group(call) {
        call.make_last(&[n(0)], Outcome::Never);
    }
    wait4(call) {
        let child = ended_child();
        let mut status = 0;
        call.make(&[n(child), ptr(&raw mut status).says("exited(7)"), n(0), null()]);
    }
    waitid(call) {
        let child = ended_child();
        let mut room: Room = [0; 64];
        // 1: P_PID.
        call.make(&[n(1), n(child), ptr(&raw mut room).says("code=CLD_EXITED"), n(libc::WEXITED), null()]);
    }
    uretprobe(call) {
        // Whoever is not the kernel's own trampoline is answered with SIGILL.
        extern "C" fn nothing(_: i32) {}
        c!(signal(libc::SIGILL, nothing as extern "C" fn(i32) as usize));
        call.make(&[]);
    }
    uprobe(call) {
        call.make(&[]);
    }
    getpid(call) {
        call.make(&[]);
    }
    getppid(call) {
        call.make(&[]);
    }
    gettid(call) {
        call.make(&[]);
    }
    getpgrp(call) {
        call.make(&[]);
    }
    getpgid(call) {
        call.make(&[n(0)]);
    }
    setpgid(call) {
        call.make(&[n(0), n(0)]);
    }
    getsid(call) {
        call.make(&[n(c!(getppid()))]);
    }
    setsid(call) {
        call.make(&[]);
    }
    getrlimit(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(libc::RLIMIT_NOFILE as i64), ptr(&raw mut room)]);
    }
    setrlimit(call) {
        let limit = [64u64, 64];
        call.make(&[n(libc::RLIMIT_NOFILE as i64), ptr(&raw const limit).says("{cur=64, max=64}")]);
    }
    prlimit64(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(0), n(libc::RLIMIT_CORE as i64), null(), ptr(&raw mut room)]);
    }
    getrusage(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(libc::RUSAGE_SELF), ptr(&raw mut room)]);
    }
    personality(call) {
        call.make(&[wide(0xffff_ffff)]);
    }
    prctl(call) {
        call.make(&[n(libc::PR_SET_DUMPABLE), n(0).says("SUID_DUMP_DISABLE"), n(0), n(0), n(0)]);
    }
    arch_prctl(call) {
        // ARCH_GET_FS.
        let mut base = 0u64;
        call.make(&[n(0x1003), wide(&raw mut base as u64)]);
    }
    modify_ldt(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(0), ptr(&raw mut room), n(512)]);
    }
    set_thread_area(call) {
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw mut room)]);
    }
    get_thread_area(call) {
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw mut room)]);
    }
    set_tid_address(call) {
        let word = Box::leak(Box::new(0u64));
        call.make(&[ptr(&raw mut *word)]);
    }
    set_robust_list(call) {
        let head = Box::leak(Box::new([0u64; 3]));
        head[0] = (&raw const *head) as u64;
        call.make(&[ptr(&raw mut *head), n(24)]);
    }
    get_robust_list(call) {
        let (mut head, mut bytes) = (0u64, 0u64);
        call.make(&[n(0), ptr(&raw mut head), ptr(&raw mut bytes)]);
    }
    kcmp(call) {
        let pid = c!(getpid());
        // 2: KCMP_FILES, of one process with itself.
        call.make(&[n(pid), n(pid), n(2), n(0), n(0)]);
    }
    seccomp(call) {
        // 2: SECCOMP_GET_ACTION_AVAIL of SECCOMP_RET_LOG.
        let action = 0x7ffc_0000u32;
        call.make(&[n(2), n(0), ptr(&raw const action).says("SECCOMP_RET_LOG")]);
    }
    pidfd_open(call) {
        call.make(&[n(c!(getppid())), n(0)]);
    }
    pidfd_getfd(call) {
        let fd = file("f", b"");
        call.make(&[n(own_pidfd()), n(fd), n(0)]);
    }
    pidfd_send_signal(call) {
        call.make(&[n(own_pidfd()), n(0), null(), n(0)]);
    }
    process_mrelease(call) {
        call.make(&[n(own_pidfd()), n(0)]);
    }
    process_madvise(call) {
        let none = [0u64; 2];
        call.make(&[n(own_pidfd()), ptr(&raw const none), n(0), n(libc::MADV_COLD), n(0)]);
    }
    landlock_create_ruleset(call) {
        // LANDLOCK_ACCESS_FS_EXECUTE.
        let attr = [1u64];
        call.make(&[given(bytes_of(&attr)).says("{handled_access_fs=LANDLOCK_ACCESS_FS_EXECUTE}"), n(8), n(0)]);
    }
    landlock_add_rule(call) {
        let rule = [0u64; 2];
        call.make(&[n(-1), n(1), ptr(&raw const rule), n(0)]);
    }
    landlock_restrict_self(call) {
        call.make(&[n(-1), n(0)]);
    }
    sched_yield(call) {
        call.make(&[]);
    }
    sched_setaffinity(call) {
        let mut mask = [0u64; 16];
        assert!(c!(syscall(libc::SYS_sched_getaffinity, 0, 128, &raw mut mask)) > 0, "errno {}", errno());
        call.make(&[n(0), n(128), ptr(&raw const mask)]);
    }
    sched_getaffinity(call) {
        let mut mask = [0u64; 16];
        call.make(&[n(0), n(128), ptr(&raw mut mask).says("[0")]);
    }
    sched_setparam(call) {
        let priority = 0;
        call.make(&[n(0), ptr(&raw const priority)]);
    }
    sched_getparam(call) {
        let mut priority = 0;
        call.make(&[n(0), ptr(&raw mut priority)]);
    }
    sched_setscheduler(call) {
        let priority = 0;
        call.make(&[n(0), n(libc::SCHED_BATCH), ptr(&raw const priority)]);
    }
    sched_getscheduler(call) {
        call.make(&[n(0)]);
    }
    sched_setattr(call) {
        let attr = [48u64, 0, 0, 0, 0, 0];
        call.make(&[n(0), ptr(&raw const attr).says("{size=48, policy=SCHED_OTHER, flags=0, nice=0"), n(0)]);
    }
    sched_getattr(call) {
        let mut attr = [0u64; 16];
        call.make(&[n(0), ptr(&raw mut attr), n(56), n(0)]);
    }
    sched_get_priority_max(call) {
        call.make(&[n(libc::SCHED_FIFO)]);
    }
    sched_get_priority_min(call) {
        call.make(&[n(libc::SCHED_RR)]);
    }
    sched_rr_get_interval(call) {
        let mut time = [0i64; 2];
        call.make(&[n(0), ptr(&raw mut time)]);
    }
    getpriority(call) {
        call.make(&[n(libc::PRIO_PROCESS as i64), n(0)]);
    }
    setpriority(call) {
        call.make(&[n(libc::PRIO_PROCESS as i64), n(0), n(5)]);
    }
    ioprio_set(call) {
        // Best effort, level 4, for the caller.
        call.make(&[n(1), n(0), n(2 << 13 | 4)]);
    }
    ioprio_get(call) {
        call.make(&[n(1), n(0)]);
    }
    getcpu(call) {
        let (mut cpu, mut node) = (0u32, 0u32);
        call.make(&[ptr(&raw mut cpu), ptr(&raw mut node)]);
    }
    rseq(call) {
        // The C library has registered one: EINVAL or EBUSY.
        let area = Box::leak(Box::new([0u64; 8]));
        call.make(&[ptr(&raw mut *area), n(32), n(0), n(0x5305_3053)]);
    }
    membarrier(call) {
        call.make(&[n(0), n(0), n(0)]);
    }
}
