//! What a process gives up before it goes on: the user it was started as, all capabilities but those that it goes on to need,
//! new privileges, core dumps, and the calls that it has no business to make.
//!
//! Users and capabilities belong to threads, so this is done before there are others.

use crate::error::Error;
use crate::user::User;
use std::io;
use std::path::PathBuf;

/// What a process goes on to do, which decides what it is left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes events out of the rings and writes files.
    Recorder,
    /// It reads files that are written, and puts others beside them.
    Indexer,
}

impl Role {
    fn capabilities(self) -> &'static [(u32, &'static str, &'static str)] {
        match self {
            Role::Recorder => KEPT,
            Role::Indexer => &[],
        }
    }

    /// What may be asked for, of calls that are refused by what they ask for, and what is told who asks for anything else.
    fn allowed(self) -> [(libc::c_long, Vec<u32>, i32); 2] {
        let (families, commands) = match self {
            Role::Recorder => (FAMILIES, BPF_COMMANDS),
            Role::Indexer => (&[][..], &[][..]),
        };
        let families = families.iter().map(|family| *family as u32).collect();
        [
            (libc::SYS_socket, families, libc::EAFNOSUPPORT),
            (libc::SYS_bpf, commands.to_vec(), libc::EPERM),
        ]
    }
}

/// Capabilities that stay with the recorder: number (include/uapi/linux/capability.h), name, what for.
pub const KEPT: &[(u32, &str, &str)] = &[
    (
        2,
        "CAP_DAC_READ_SEARCH",
        "programs to hash, files of runtimes",
    ),
    (19, "CAP_SYS_PTRACE", "what /proc says of processes"),
    (39, "CAP_BPF", "which control groups are meant"),
];

/// The highest capability there may be: the sets have 64 bits.
const MOST_CAPABILITY: u32 = 63;

/// Calls that are refused with EPERM, whoever asks. Others are refused by what they ask for: new processes, sockets of other
/// families than the local one and those of IP, and commands of bpf that load or attach. adjtimex stays: it says how right the
/// clock is, and sets nothing without a capability that is gone.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_personality,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];

/// Commands of bpf that stay (include/uapi/linux/bpf.h): looking up, changing and deleting entries of maps, and going through
/// them, which is how the scope is changed; and what the kernel says of a program that is open.
const BPF_COMMANDS: &[u32] = &[1, 2, 3, 4, 15];
/// Families of sockets that stay.
const FAMILIES: &[i32] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];

/// How many calls are refused, whatever they ask for.
pub fn refused_calls() -> usize {
    REFUSED.len()
}

fn failed(what: &str) -> Error {
    Error::System(PathBuf::from(what), io::Error::last_os_error())
}

/// Gives it all up; goes on as `user` where there is one.
///
/// # Errors
/// When the kernel refuses to take something, which is then named.
pub fn confine(role: Role, user: Option<&User>) -> Result<(), Error> {
    bounds(role);
    if let Some(user) = user {
        go_on_as(user)?;
    }
    capabilities(role)?;
    // After the user, which the kernel says anew whose memory it is.
    core_dumps()?;
    // SAFETY: changes a flag of the calling thread.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(failed("no_new_privs"));
    }
    calls(role)
}

/// No program that is started can have more than what is kept.
fn bounds(role: Role) {
    let kept = |number: u32| role.capabilities().iter().any(|row| row.0 == number);
    for number in (0..=MOST_CAPABILITY).filter(|number| !kept(*number)) {
        // SAFETY: takes numbers. Those the kernel does not know are not there to be dropped, and without CAP_SETPCAP nothing
        // can be; what is not permitted afterwards cannot come back all the same.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
    }
}

/// Becomes another user for good: real, effective, saved and that of files, and its groups. What is permitted stays so, for
/// [`capabilities`] to choose from (man 7 capabilities, "Effect of user ID changes").
fn go_on_as(user: &User) -> Result<(), Error> {
    let refused = |what: &str| {
        let why = io::Error::last_os_error();
        Error::Forbidden(
            format!("going on as user {} ({what}): {why}", user.name),
            "give it CAP_SETUID and CAP_SETGID, or stay root with --user root",
        )
    };
    // SAFETY: changes a flag of the calling thread.
    if unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) } != 0 {
        return Err(refused("keeping capabilities"));
    }
    // SAFETY: the list lives as long as the call.
    if unsafe { libc::setgroups(user.groups.len(), user.groups.as_ptr()) } != 0 {
        return Err(refused("setgroups"));
    }
    // SAFETY: takes numbers.
    if unsafe { libc::setresgid(user.gid, user.gid, user.gid) } != 0 {
        return Err(refused("setresgid"));
    }
    // SAFETY: takes numbers.
    if unsafe { libc::setresuid(user.uid, user.uid, user.uid) } != 0 {
        return Err(refused("setresuid"));
    }
    Ok(())
}

/// Neither a core dump nor anybody else's look into the memory.
fn core_dumps() -> Result<(), Error> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure lives as long as the call; the other changes a flag of the process.
    let done = unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none) == 0
            && libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
    };
    match done {
        true => Ok(()),
        false => Err(failed("core dumps")),
    }
}

/// `struct __user_cap_header_struct` and `struct __user_cap_data_struct`, version 3.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

fn capabilities(role: Role) -> Result<(), Error> {
    // _LINUX_CAPABILITY_VERSION_3; the calling thread.
    let mut header = CapHeader {
        version: 0x2008_0522,
        pid: 0,
    };
    let mut data = [CapData::default(); 2];
    // SAFETY: both live as long as the call, and have the layout of version 3.
    if unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) } != 0 {
        return Err(failed("capabilities"));
    }
    for (word, set) in data.iter_mut().enumerate() {
        let base = 32 * word as u32;
        let mask = role
            .capabilities()
            .iter()
            .filter_map(|row| row.0.checked_sub(base).filter(|bit| *bit < 32))
            .fold(0, |mask, bit| mask | 1 << bit);
        set.permitted &= mask;
        set.effective = set.permitted;
        set.inheritable = 0;
    }
    // SAFETY: as above.
    if unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) } != 0 {
        return Err(failed("capabilities"));
    }
    Ok(())
}

// include/uapi/linux/seccomp.h, include/uapi/linux/audit.h
const RET_ALLOW: u32 = 0x7fff_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const ARCH: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else {
    0xc000_00b7
};
/// Bit of the numbers of x32.
const X32: u32 = 0x4000_0000;

fn step(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

/// The filter over calls.
fn program(role: Role) -> Vec<libc::sock_filter> {
    let load = |at: u32| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let equal = |k: u32, jt, jf| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k);
    let answer = |k: u32| step(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    let refuse = |errno: i32| answer(RET_ERRNO | errno as u32);
    // Places in struct seccomp_data; arguments are 64 bits, low half first.
    let (nr, arch, first) = (0, 4, 16);
    let mut all = vec![
        load(arch),
        equal(ARCH, 1, 0),
        refuse(libc::EPERM),
        load(nr),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        refuse(libc::EPERM),
    ];
    for call in REFUSED {
        all.extend([equal(*call as u32, 0, 1), refuse(libc::EPERM)]);
    }
    // What it asks for is in memory, which a filter cannot see; without it libraries take the old call.
    all.extend([equal(libc::SYS_clone3 as u32, 0, 1), refuse(libc::ENOSYS)]);
    // Threads, and no processes.
    all.extend([
        equal(libc::SYS_clone as u32, 0, 4),
        load(first),
        step(
            libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K,
            0,
            1,
            libc::CLONE_THREAD as u32,
        ),
        answer(RET_ALLOW),
        refuse(libc::EPERM),
    ]);
    for (call, wanted, errno) in role.allowed() {
        let body = 2 + 2 * wanted.len();
        all.extend([equal(call as u32, 0, body as u8), load(first)]);
        for value in wanted {
            all.extend([equal(value, 0, 1), answer(RET_ALLOW)]);
        }
        all.push(refuse(errno));
    }
    all.push(answer(RET_ALLOW));
    all
}

fn calls(role: Role) -> Result<(), Error> {
    let mut filter = program(role);
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program lives as long as the call, which copies it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(failed("seccomp")),
    }
}
