//! Clocks, timers, sleeping, and signals.

use crate::c;
use crate::call::{Outcome, interrupt_soon, mark, n, null, ptr, valued};
use libc::{CLOCK_MONOTONIC, CLOCK_REALTIME, ITIMER_VIRTUAL, SIGCHLD, SIGUSR1, SIGUSR2};

/// Room for any structure the kernel fills.
type Room = [u64; 64];

/// Bytes of the kernel's signal sets.
const SIGSET: i32 = 8;

/// A timer of the kernel that never fires.
fn timer() -> i32 {
    let mut id = -1;
    let mut event = [0u64; 8];
    // Signal number 0 behind the value, SIGEV_NONE behind it.
    event[1] = 1 << 32;
    assert_eq!(
        c!(syscall(
            libc::SYS_timer_create,
            CLOCK_MONOTONIC,
            &raw mut event,
            &raw mut id
        )),
        0
    );
    id
}

fn signal_set(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// `siginfo` of a queued signal: number, code SI_QUEUE, sender.
fn queued(signal: i32) -> [i32; 32] {
    let mut info = [0; 32];
    info[0] = signal;
    info[2] = -1;
    info[4] = c!(getpid());
    info
}

fn ignore(signal: i32) {
    c!(signal(signal, libc::SIG_IGN));
}

crate::cases! {
    nanosleep(call) {
        let time = [0i64, 1_234_567];
        call.make(&[valued(&raw const time, 1_234_567), null()]);
    }
    clock_nanosleep(call) {
        let time = [0i64, 2_345_678];
        let mut rest = [0i64; 2];
        call.make(&[n(CLOCK_MONOTONIC), n(0), valued(&raw const time, 2_345_678), ptr(&raw mut rest)]);
    }
    getitimer(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(ITIMER_VIRTUAL as i64), ptr(&raw mut room)]);
    }
    setitimer(call) {
        let timer = [0i64, 0, 100, 0];
        call.make(&[n(ITIMER_VIRTUAL as i64), ptr(&raw const timer).says("{interval=0s, value=100s}"), null()]);
    }
    alarm(call) {
        call.make(&[n(9)]);
    }
    gettimeofday(call) {
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw mut room), null()]);
    }
    settimeofday(call) {
        let never = [-1i64, 2_000_000];
        call.make(&[ptr(&raw const never), null()]);
    }
    time(call) {
        call.make(&[null()]);
    }
    times(call) {
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw mut room)]);
    }
    adjtimex(call) {
        // No bits in the mode: only asks.
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw mut room)]);
    }
    clock_adjtime(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(CLOCK_REALTIME), ptr(&raw mut room)]);
    }
    clock_settime(call) {
        let time = [12i64, 34];
        call.make(&[n(CLOCK_MONOTONIC), ptr(&raw const time).says("1970-01-01T00:00:12.000000034+0000")]);
    }
    clock_gettime(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(libc::CLOCK_BOOTTIME), ptr(&raw mut room)]);
    }
    clock_getres(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(CLOCK_REALTIME), ptr(&raw mut room)]);
    }
    timer_create(call) {
        let mut id = -1;
        let mut event = [0u64, 1 << 32, 0, 0, 0, 0, 0, 0];
        call.make(&[n(CLOCK_MONOTONIC), ptr(&raw mut event).says("notify=SIGEV_NONE"), ptr(&raw mut id)]);
    }
    timer_settime(call) {
        let value = [0i64, 0, 50, 0];
        call.make(&[n(timer()), n(0), ptr(&raw const value).says("{interval=0s, value=50s}"), null()]);
    }
    timer_gettime(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(timer()), ptr(&raw mut room)]);
    }
    timer_getoverrun(call) {
        call.make(&[n(timer())]);
    }
    timer_delete(call) {
        call.make(&[n(timer())]);
    }
    timerfd_create(call) {
        call.make(&[n(CLOCK_MONOTONIC), n(libc::TFD_NONBLOCK)]);
    }
    timerfd_settime(call) {
        let fd = c!(timerfd_create(CLOCK_MONOTONIC, 0));
        let value = [0i64, 0, 50, 0];
        call.make(&[n(fd), n(0), ptr(&raw const value), null()]);
    }
    timerfd_gettime(call) {
        let fd = c!(timerfd_create(CLOCK_MONOTONIC, 0));
        let mut room: Room = [0; 64];
        call.make(&[n(fd), ptr(&raw mut room)]);
    }
    rt_sigaction(call) {
        let mut room: Room = [0; 64];
        ignore(SIGUSR1);
        call.make(&[n(SIGUSR1), null(), ptr(&raw mut room).says("{handler=SIG_IGN, flags=SA_RESTORER|SA_RESTART, mask=[SIGUSR1]}"), n(SIGSET)]);
    }
    rt_sigprocmask(call) {
        let set = signal_set(SIGUSR2);
        call.make(&[n(libc::SIG_BLOCK), ptr(&raw const set).says("[SIGUSR2]"), null(), n(SIGSET)]);
    }
    rt_sigpending(call) {
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw mut room), n(SIGSET)]);
    }
    rt_sigtimedwait(call) {
        let set = signal_set(SIGUSR2);
        let time = [0i64, 1_000_001];
        call.make(&[ptr(&raw const set), null(), valued(&raw const time, 1_000_001), n(SIGSET)]);
    }
    rt_sigqueueinfo(call) {
        ignore(SIGUSR1);
        let info = queued(SIGUSR1);
        call.make(&[n(c!(getpid())), n(SIGUSR1), ptr(&raw const info).says("{signo=SIGUSR1, errno=0, code=SI_QUEUE, pid=")]);
    }
    rt_tgsigqueueinfo(call) {
        ignore(SIGUSR1);
        let info = queued(SIGUSR1);
        let pid = c!(getpid());
        call.make(&[n(pid), n(pid), n(SIGUSR1), ptr(&raw const info)]);
    }
    rt_sigsuspend(call) {
        let nothing_blocked = 0u64;
        interrupt_soon();
        call.make(&[ptr(&raw const nothing_blocked), n(SIGSET)]);
    }
    rt_sigreturn(call) {
        extern "C" fn handler(_: i32) {
            mark();
        }
        c!(signal(SIGUSR1, handler as extern "C" fn(i32) as usize));
        call.announce(&[], Outcome::Never);
        c!(raise(SIGUSR1));
    }
    pause(call) {
        interrupt_soon();
        call.make(&[]);
    }
    restart_syscall(call) {
        call.make(&[]);
    }
    sigaltstack(call) {
        let mut room: Room = [0; 64];
        call.make(&[null(), ptr(&raw mut room)]);
    }
    kill(call) {
        ignore(SIGUSR1);
        call.make(&[n(c!(getpid())), n(SIGUSR1)]);
    }
    tkill(call) {
        ignore(SIGUSR2);
        call.make(&[n(c!(gettid())), n(SIGUSR2)]);
    }
    tgkill(call) {
        call.make(&[n(c!(getpid())), n(c!(gettid())), n(0)]);
    }
    signalfd(call) {
        let set = signal_set(SIGCHLD);
        call.make(&[n(-1), ptr(&raw const set), n(SIGSET)]);
    }
    signalfd4(call) {
        let set = signal_set(SIGCHLD);
        call.make(&[n(-1), ptr(&raw const set), n(SIGSET), n(libc::SFD_NONBLOCK)]);
    }
}
