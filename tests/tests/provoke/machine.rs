//! Calls that concern the whole machine. Every one is made so that it can only fail, or only ask.

use crate::c;
use crate::call::{bytes_of, given, n, null, ptr, text, wide};

/// Room for any structure the kernel fills.
type Room = [u64; 64];

crate::cases! {
    uname(call) {
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw mut room)]);
    }
    sysinfo(call) {
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw mut room)]);
    }
    syslog(call) {
        // SYSLOG_ACTION_SIZE_BUFFER: only asks.
        call.make(&[n(10), null(), n(0)]);
    }
    sysfs(call) {
        // How many file systems there are.
        call.make(&[n(3), n(0), n(0)]);
    }
    _sysctl(call) {
        call.make(&[null()]);
    }
    create_module(call) {
        call.make(&[text(c"no_such_module"), n(16)]);
    }
    get_kernel_syms(call) {
        call.make(&[null()]);
    }
    query_module(call) {
        call.make(&[text(c"no_such_module"), n(1), null(), n(0), null()]);
    }
    nfsservctl(call) {
        call.make(&[n(0), null(), null()]);
    }
    getpmsg(call) {
        call.make(&[wide(1), wide(2), wide(3), wide(4), wide(5)]);
    }
    putpmsg(call) {
        call.make(&[wide(1), wide(2), wide(3), wide(4), wide(5)]);
    }
    afs_syscall(call) {
        call.make(&[wide(1), wide(2), wide(3), wide(4), wide(5)]);
    }
    tuxcall(call) {
        call.make(&[wide(1), wide(2), wide(3), wide(4), wide(5)]);
    }
    security(call) {
        call.make(&[wide(1), wide(2), wide(3), wide(4), wide(5)]);
    }
    epoll_ctl_old(call) {
        call.make(&[wide(1), wide(2), wide(3), wide(4), wide(5)]);
    }
    epoll_wait_old(call) {
        call.make(&[wide(1), wide(2), wide(3), wide(4), wide(5)]);
    }
    vserver(call) {
        call.make(&[wide(1), wide(2), wide(3), wide(4), wide(5)]);
    }
    getrandom(call) {
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw mut room), n(16), n(1)]);
    }
    ptrace(call) {
        // PTRACE_PEEKDATA of a process nobody traces.
        call.make(&[n(2), n(c!(getppid())), wide(0x1000), wide(0x2000)]);
    }
    bpf(call) {
        // A command no kernel has.
        let attr = [0x1122_3344_5566_7788u64, 0];
        call.make(&[n(0x7fff), given(bytes_of(&attr)).says("8877665544332211"), n(16)]);
    }
    perf_event_open(call) {
        // A structure of size 0 is version 0; type 77 does not exist.
        let attr = [77u32; 32];
        call.make(&[ptr(&raw const attr), n(0), n(-1), n(-1), n(8)]);
    }
    init_module(call) {
        let image = *b"no module at all";
        call.make(&[ptr(&raw const image), n(16), text(c"parameter=1")]);
    }
    finit_module(call) {
        call.make(&[n(-1), text(c"parameter=2"), n(1)]);
    }
    delete_module(call) {
        call.make(&[text(c"no_such_module"), n(libc::O_NONBLOCK)]);
    }
    kexec_load(call) {
        // A flag that does not exist.
        call.make(&[wide(0x1000), n(0), null(), n(0x80)]);
    }
    kexec_file_load(call) {
        call.make(&[n(-1), n(-1), n(6), text(c"quiet"), n(0x40)]);
    }
    reboot(call) {
        // Wrong magic: EINVAL.
        call.make(&[wide(0x1111_1111), wide(0x2222_2222), n(0), null()]);
    }
    swapon(call) {
        call.make(&[text(c"no such swap"), n(0)]);
    }
    swapoff(call) {
        call.make(&[text(c"no such swap")]);
    }
    acct(call) {
        call.make(&[text(c"no such file")]);
    }
    quotactl(call) {
        call.make(&[wide(0x8000_0701).says("Q_GETQUOTA|GRPQUOTA"), text(c"no such device"), n(0), null()]);
    }
    quotactl_fd(call) {
        call.make(&[n(-1), wide(0x0080_0001), n(0), null()]);
    }
    iopl(call) {
        call.make(&[n(9)]);
    }
    ioperm(call) {
        call.make(&[wide(0x10_0000), n(1), n(1)]);
    }
    vhangup(call) {
        // Without any capability: EPERM.
        assert_eq!(c!(setuid(65_534)), 0);
        call.make(&[]);
    }
    lsm_list_modules(call) {
        let mut room: Room = [0; 64];
        let mut bytes = 512u32;
        call.make(&[ptr(&raw mut room), ptr(&raw mut bytes), n(0)]);
    }
}
