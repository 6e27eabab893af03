//! The table of kernel programs: what each hangs on, and what is seen by it.

/// A row of [`PROGRAMS`].
pub(crate) type Row = (&'static str, &'static str, bool, &'static str);

/// Every program: its name, the BTF tracepoint it hangs on, whether recording is possible without it, and what it sees.
/// Rows that see the same are for different kernels, and of these one is enough. Of several on one tracepoint the first that the kernel takes is used: the others are for kernels that hand over less.
pub(crate) const PROGRAMS: &[Row] = &[
    (BY_PERF, "sys_exit", true, RETURNED),
    ("on_sys_exit", "sys_exit", true, RETURNED),
    (
        "on_exec",
        "sched_process_exec",
        true,
        "every program that is executed",
    ),
    (
        "on_fork",
        "sched_process_fork",
        true,
        "every process and thread that is created",
    ),
    (
        "on_exit",
        "sched_process_exit",
        true,
        "every process and thread that ends",
    ),
    (
        "on_cgroup_mkdir",
        "cgroup_mkdir",
        true,
        "control groups that are made",
    ),
    (
        "on_cgroup_rmdir",
        "cgroup_rmdir",
        false,
        "control groups that are removed",
    ),
    (
        "on_cgroup_attach",
        "cgroup_attach_task",
        false,
        "processes that are moved between control groups",
    ),
    (
        "on_oom",
        "mark_victim",
        false,
        "processes killed for lack of memory",
    ),
    (
        "on_oom_by_id",
        "mark_victim",
        false,
        "processes killed for lack of memory, named by their id alone (Linux before 6.10)",
    ),
    (
        "on_uring_submit",
        "io_uring_submit_req",
        false,
        URING_SUBMITTED,
    ),
    (
        "on_uring_submit_old",
        "io_uring_submit_sqe",
        false,
        URING_SUBMITTED,
    ),
    (
        "on_uring_refused",
        "io_uring_req_failed",
        false,
        "operations of an io_uring that are refused before they begin",
    ),
    (
        "on_uring_complete",
        "io_uring_complete",
        false,
        URING_COMPLETED,
    ),
    (
        "on_uring_complete_old",
        "io_uring_complete",
        false,
        URING_COMPLETED,
    ),
    (
        "on_signal_generate",
        "signal_generate",
        false,
        "signals that are sent",
    ),
    (
        "on_signal_deliver",
        "signal_deliver",
        false,
        "signals that reach a thread",
    ),
    ("on_crash", "signal_deliver", false, CRASHES),
    ("on_crash_old", "signal_deliver", false, CRASHES),
    (
        "on_sock_state",
        "inet_sock_set_state",
        false,
        "changes of state of TCP sockets",
    ),
    (
        "on_tcp_retransmit",
        "tcp_retransmit_skb",
        false,
        "TCP segments that are sent again",
    ),
    (
        "on_tcp_receive_reset",
        "tcp_receive_reset",
        false,
        "TCP connections that the other end resets",
    ),
    (
        "on_tcp_send_reset",
        "tcp_send_reset",
        false,
        "TCP connections that this end resets",
    ),
    (
        "on_task_rename",
        "task_rename",
        false,
        "threads that are given a name from outside",
    ),
    (
        "on_module_request",
        "module_request",
        false,
        "modules that the kernel asks for by itself",
    ),
    (
        "on_module_load",
        "module_load",
        false,
        "modules of the kernel that are loaded",
    ),
    (
        "on_module_free",
        "module_free",
        false,
        "modules of the kernel that are removed",
    ),
    (
        "on_capable",
        "cap_capable",
        false,
        "capabilities that programs have or lack when the kernel asks (Linux 6.14 and later)",
    ),
    ("on_switch", "sched_switch", false, TIMED),
];

/// Tracepoints that an interrupt may pass while a program runs on them, because they are passed in interrupts and outside of them.
pub(crate) const INTERRUPTED: [&str; 5] = [
    "signal_generate",
    "inet_sock_set_state",
    "tcp_retransmit_skb",
    "tcp_receive_reset",
    "tcp_send_reset",
];

/// The program behind another that takes what the kernel did not run that for, where there is one (`HOOK` on the kernel side).
pub(crate) fn again(name: &str) -> String {
    format!("{name}_again")
}

/// The program at the return of every call where others may come between otherwise (`alone`).
pub(crate) const BY_PERF: &str = "on_sys_exit_by_perf";
const RETURNED: &str = "the return of every system call, 64-bit and 32-bit";
/// Tracepoints that only kernels with modules have.
pub(crate) const MODULES: [&str; 3] = ["module_request", "module_load", "module_free"];
pub(crate) const TIMED: &str = "how long calls take that wait";

pub(crate) const CRASHES: &str = "where processes were that crashed";
pub(crate) const URING_SUBMITTED: &str = "operations submitted through an io_uring";
const URING_COMPLETED: &str = "completions of operations submitted through an io_uring";
