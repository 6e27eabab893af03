//! Who a process is: user and group ids, capabilities, security labels, namespaces and the host's names.

use crate::c;
use crate::call::{folder, given, n, null, ptr, text, wide};

crate::cases! {
    getuid(call) {
        call.make(&[]);
    }
    geteuid(call) {
        call.make(&[]);
    }
    getgid(call) {
        call.make(&[]);
    }
    getegid(call) {
        call.make(&[]);
    }
    setuid(call) {
        call.make(&[n(1001)]);
    }
    setgid(call) {
        call.make(&[n(1002)]);
    }
    setreuid(call) {
        call.make(&[n(1003), n(1004)]);
    }
    setregid(call) {
        call.make(&[n(1005), n(1006)]);
    }
    setresuid(call) {
        call.make(&[n(1007), n(1008), n(1009)]);
    }
    setresgid(call) {
        call.make(&[n(1010), n(1011), n(1012)]);
    }
    getresuid(call) {
        let mut ids = [0u32; 3];
        let [real, effective, saved] = &mut ids;
        call.make(&[ptr(&raw mut *real), ptr(&raw mut *effective), ptr(&raw mut *saved)]);
    }
    getresgid(call) {
        let mut ids = [0u32; 3];
        let [real, effective, saved] = &mut ids;
        call.make(&[ptr(&raw mut *real), ptr(&raw mut *effective), ptr(&raw mut *saved)]);
    }
    setfsuid(call) {
        call.make(&[n(1013)]);
    }
    setfsgid(call) {
        call.make(&[n(1014)]);
    }
    getgroups(call) {
        let mut ids = [0u32; 64];
        call.make(&[n(64), ptr(&raw mut ids)]);
    }
    setgroups(call) {
        let ids = [10u32, 20, 30];
        call.make(&[n(3), ptr(&raw const ids).says("[10, 20, 30]")]);
    }
    capget(call) {
        let mut head = [0x2008_0522u32, 0];
        let mut data = [0u32; 6];
        call.make(&[ptr(&raw mut head), ptr(&raw mut data)]);
    }
    capset(call) {
        let mut head = [0x2008_0522u32, 0];
        let data = [1u32 << 5, 1 << 5 | 1 << 21, 0, 1 << 8, 1 << 8, 0];
        call.make(&[ptr(&raw mut head).says("_LINUX_CAPABILITY_VERSION_3"), ptr(&raw const data).says("{effective=CAP_KILL|CAP_CHECKPOINT_RESTORE, permitted=CAP_KILL|CAP_SYS_ADMIN|CAP_CHECKPOINT_RESTORE, inheritable=0}")]);
    }
    lsm_get_self_attr(call) {
        let mut room = [0u8; 256];
        let mut bytes = 256u32;
        call.make(&[n(100), ptr(&raw mut room), ptr(&raw mut bytes), n(0)]);
    }
    lsm_set_self_attr(call) {
        call.make(&[n(100), given(&[0; 32]), n(32), n(0)]);
    }
    unshare(call) {
        call.make(&[n(libc::CLONE_NEWUTS)]);
    }
    setns(call) {
        call.make(&[n(folder("/proc/self/ns/uts")), n(libc::CLONE_NEWUTS)]);
    }
    sethostname(call) {
        assert_eq!(c!(unshare(libc::CLONE_NEWUTS)), 0);
        call.make(&[given(b"elsewhere"), n(9)]);
    }
    setdomainname(call) {
        assert_eq!(c!(unshare(libc::CLONE_NEWUTS)), 0);
        call.make(&[given(b"nowhere.example"), n(15)]);
    }
    add_key(call) {
        // The payload is a secret: the event shows its address alone.
        let payload = *b"secret";
        call.make(&[text(c"no such type"), text(c"a description"), ptr(&raw const payload), n(6), n(-1)]);
    }
    request_key(call) {
        call.make(&[text(c"user"), text(c"no such key"), null(), n(-1)]);
    }
    keyctl(call) {
        // KEYCTL_GET_KEYRING_ID of the process keyring, not to be created.
        call.make(&[n(0), wide(-2i64 as u64).says("KEY_SPEC_PROCESS_KEYRING"), n(0), n(0), n(0)]);
    }
}
