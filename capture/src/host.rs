//! The host: its clocks, its description, and what it allows.

use crate::error::Error;
use crate::load::Settings;
use crate::procfs;
use crate::session::{Options, Scope};
use crate::user::{USUAL, User};
use afterimage_model::{ClockPair, Manifest};
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;

fn clock(id: ClockId) -> i64 {
    let t = clock_gettime(id);
    t.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(t.tv_nsec)
}

/// `CLOCK_BOOTTIME` now, ns.
pub fn boot_ns() -> u64 {
    clock(ClockId::Boottime).unsigned_abs()
}

/// `CLOCK_REALTIME` now, ns since 1970.
pub fn real_ns() -> i64 {
    clock(ClockId::Realtime)
}

/// The three clocks at one instant: the tightest of a few readings.
pub fn clock_pair() -> ClockPair {
    let read = || {
        let before = boot_ns();
        let (mono, real) = (clock(ClockId::Monotonic), clock(ClockId::Realtime));
        let after = boot_ns();
        (
            after - before,
            ClockPair {
                boot_ns: before + (after - before) / 2,
                mono_ns: mono.unsigned_abs(),
                real_ns: real,
            },
        )
    };
    (0..8)
        .map(|_| read())
        .min_by_key(|(width, _)| *width)
        .map(|(_, pair)| pair)
        .unwrap_or_default()
}

/// CPUs that may come online: records are kept per CPU number.
pub fn possible_cpus() -> u16 {
    // "0-1" or "0-3,8-11": the last number decides.
    let text = procfs::line("/sys/devices/system/cpu/possible");
    let last = text
        .rsplit([',', '-'])
        .next()
        .and_then(|n| n.parse::<u16>().ok());
    last.map_or(1, |n| n.saturating_add(1))
}

/// Capabilities by number (include/uapi/linux/capability.h) that recording needs.
const NEEDED: &[(u32, &str)] = &[(39, "CAP_BPF"), (38, "CAP_PERFMON"), (19, "CAP_SYS_PTRACE")];
const SYS_ADMIN: u32 = 21;

fn missing_rights() -> Vec<&'static str> {
    let effective = procfs::process(std::process::id()).map_or(0, |me| me.caps.0);
    let has = |bit: u32| effective & (1 << bit) != 0;
    let granted = |bit: u32| has(bit) || (matches!(bit, 38 | 39) && has(SYS_ADMIN));
    NEEDED
        .iter()
        .filter(|(bit, _)| !granted(*bit))
        .map(|(_, name)| *name)
        .collect()
}

/// Whether pids are the kernel's own: the first pid namespace has a fixed inode (`PROC_PID_INIT_INO`,
/// include/linux/proc_ns.h).
fn sees_host_pids() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/ns/pid").is_ok_and(|m| m.ino() == 0xEFFF_FFFC)
}

/// The kernel's lockdown mode; empty where it is not reported.
fn lockdown() -> String {
    let modes = procfs::line("/sys/kernel/security/lockdown");
    let chosen = modes
        .split('[')
        .nth(1)
        .and_then(|rest| rest.split(']').next());
    chosen.unwrap_or_default().to_owned()
}
const UNLOCK: &str =
    "lockdown=confidentiality forbids eBPF to read kernel memory: boot with lockdown=integrity";

/// Descriptors that maps, programs, their links and the look at /proc take at the same time.
const DESCRIPTORS: u64 = 128;
const MORE_DESCRIPTORS: &str = "raise the limit: ulimit -n 1024, or LimitNOFILE=1024 in a unit";

/// Raises the soft limit of open files as far as recording needs, and no further; what it then is.
fn descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let all = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    if all(limit.current) < DESCRIPTORS {
        let raised = Rlimit {
            current: Some(DESCRIPTORS.min(all(limit.maximum))),
            ..limit
        };
        // Refused, the limit stays what it is, and is reported.
        let _ = setrlimit(Resource::Nofile, raised);
    }
    all(getrlimit(Resource::Nofile).current)
}

/// Lifts the limit of locked memory, which maps count against before Linux 5.11. Gives it in bytes where it stays.
pub fn locked_memory() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    // Without CAP_SYS_RESOURCE the hard limit is the most.
    if setrlimit(Resource::Memlock, unlimited).is_err() {
        let limit = getrlimit(Resource::Memlock);
        let most = Rlimit {
            current: limit.maximum,
            ..limit
        };
        let _ = setrlimit(Resource::Memlock, most);
    }
    getrlimit(Resource::Memlock).current
}

/// Bytes of memory that this process has, and those of them that are its own: no file's, and shared with nobody, as the rings
/// are with the kernel (`/proc/self/statm`, man 5 proc).
fn memory() -> Option<(u64, u64)> {
    let line = procfs::line("/proc/self/statm");
    let mut pages = line.split(' ').skip(1).map(str::parse::<u64>);
    let resident = pages.next()?.ok()?;
    let shared = pages.next()?.ok()?;
    let bytes = |pages: u64| pages.checked_mul(rustix::param::page_size() as u64);
    Some((bytes(resident)?, bytes(resident.saturating_sub(shared))?))
}

/// Bytes of memory that this process has.
pub fn resident() -> Option<u64> {
    memory().map(|(resident, _)| resident)
}

/// Bytes of memory that this process has of its own, beside files and rings.
pub fn own_memory() -> Option<usize> {
    usize::try_from(memory()?.1).ok()
}

/// Whether there is a bpf system call: an impossible command is refused as such where there is.
fn knows_bpf() -> std::io::Result<()> {
    // SAFETY: no pointer is followed: command -1 is none, with no attributes.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, -1, std::ptr::null::<u8>(), 0) };
    let why = std::io::Error::last_os_error();
    match why.raw_os_error() {
        _ if answer != -1 => Ok(()),
        Some(libc::ENOSYS | libc::EPERM) => Err(why),
        _ => Ok(()),
    }
}

/// Why the bpf system call is refused to who has every right, and the remedy.
fn no_bpf(why: &std::io::Error) -> (String, &'static str) {
    if why.raw_os_error() == Some(libc::ENOSYS) {
        (
            "the kernel has no bpf system call".to_owned(),
            "use a kernel built with CONFIG_BPF_SYSCALL",
        )
    } else {
        (
            format!("the bpf system call is refused: {why}"),
            "a seccomp filter or security module forbids it: run on the host, or in a container with --privileged",
        )
    }
}

/// Refuses, in one line, what cannot work.
pub fn check_rights() -> Result<(), Error> {
    if !cfg!(target_arch = "x86_64") {
        return Err(Error::Kernel(
            "the kernel programs are built for x86_64 only".to_owned(),
        ));
    }
    if !sees_host_pids() {
        return Err(Error::PidNamespace);
    }
    if !missing_rights().is_empty() {
        return Err(Error::Privilege(
            "loading eBPF programs needs root or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE",
        ));
    }
    if let Err(why) = knows_bpf() {
        let (what, remedy) = no_bpf(&why);
        return Err(Error::Forbidden(what, remedy));
    }
    if lockdown() == "confidentiality" {
        return Err(Error::Forbidden(
            "the kernel is locked down (lockdown=confidentiality)".to_owned(),
            UNLOCK,
        ));
    }
    let open = descriptors();
    if open < DESCRIPTORS {
        return Err(Error::Forbidden(
            format!("only {open} files may be open at once, and it takes {DESCRIPTORS}"),
            MORE_DESCRIPTORS,
        ));
    }
    Ok(())
}

const MOUNT_GROUPS: &str =
    "mount -t cgroup2 none /sys/fs/cgroup (beside version 1: /sys/fs/cgroup/unified)";

/// Refuses where containers cannot be told apart.
pub fn check_groups() -> Result<(), Error> {
    match crate::cgroup::followed() {
        Some(_) => Ok(()),
        None => Err(Error::Forbidden(
            "containers are told by their control groups, and none are mounted".to_owned(),
            MOUNT_GROUPS,
        )),
    }
}

/// The kernel's release, as `uname -r` prints it.
pub fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

fn uname() -> (String, String, String) {
    let u = rustix::system::uname();
    let text = |s: &std::ffi::CStr| s.to_string_lossy().into_owned();
    (
        text(u.nodename()),
        format!("{} {}", text(u.release()), text(u.version())),
        text(u.machine()),
    )
}

fn scope_text(scope: &Scope) -> String {
    match scope {
        Scope::AllContainers => "all containers".to_owned(),
        Scope::Host => "host".to_owned(),
        Scope::Containers(names) => format!("containers {}", names.join(", ")),
        Scope::Matching(filter) => format!("containers where {filter}"),
        Scope::Cgroup(path) => format!("control group {}", path.display()),
        Scope::PidTree(pids) => format!(
            "process tree {}",
            pids.iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// A name for a capture: 16 random bytes, hex.
pub fn capture_id() -> String {
    let mut random = [0u8; 16];
    let got =
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).unwrap_or(0);
    debug_assert_eq!(
        got,
        random.len(),
        "getrandom gives 16 bytes at once (man 2 getrandom)"
    );
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a file that begins now says of itself, by what one before it said: a recording goes on for weeks, in which the clock is
/// set and the host gets another name.
pub fn renewed(before: &Manifest) -> Manifest {
    let (host, kernel, machine) = uname();
    Manifest {
        capture_id: capture_id(),
        clock: clock_pair(),
        host,
        kernel,
        machine,
        boot_id: procfs::line("/proc/sys/kernel/random/boot_id"),
        machine_id: machine_id(),
        clock_sync: clock_sync(),
        time_zone: time_zone(),
        ..before.clone()
    }
}

/// What a recording that begins now says of itself.
pub fn manifest(options: &Options, settings: &Settings) -> Manifest {
    let tool_hash = std::fs::File::open("/proc/self/exe").ok().and_then(|file| {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).ok()?;
        Some(hasher.finalize().to_hex().to_string())
    });
    let ring = u64::from(settings.segments()) * u64::from(crate::wire::SEGMENT_BYTES);
    let limits = [
        ("snaplen", settings.snaplen.to_string()),
        ("ring_bytes_per_cpu", ring.to_string()),
        ("path_bytes", crate::wire::PATH_MAX.to_string()),
        ("argv_bytes", crate::wire::ARGV_MAX.to_string()),
        ("record_bytes", crate::wire::RECORD_MAX.to_string()),
    ];
    let usage = options.usage_interval.map(|interval| {
        [
            ("usage_interval", format!("{interval:?}")),
            ("usage_containers", crate::usage::MOST.to_string()),
        ]
    });
    let unit =
        (options.clock_unit_ns > 1).then(|| ("clock_unit_ns", options.clock_unit_ns.to_string()));
    renewed(&Manifest {
        tool: format!("afterimage {}", env!("CARGO_PKG_VERSION")),
        tool_hash: tool_hash.unwrap_or_default(),
        cpus: u32::from(settings.cpus),
        scope: scope_text(&options.scope),
        filter: options.filter_text.clone(),
        limits: limits
            .into_iter()
            .chain(usage.into_iter().flatten())
            .chain(unit)
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        trigger: "by command".to_owned(),
        reason: options.reason.clone(),
        operator: options.operator.clone(),
        case_id: options.case_id.clone(),
        command: options.command.clone(),
        ..Manifest::default()
    })
}

/// A name of this installation that is the same in all its captures and does not give the machine id away, which is
/// confidential (man 5 machine-id).
fn machine_id() -> String {
    let id = procfs::line("/etc/machine-id");
    if id.is_empty() {
        return id;
    }
    let hash = blake3::derive_key(
        "afterimage 2026-11-26 name of an installation",
        id.as_bytes(),
    );
    hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What the kernel knows of how right the wall clock is (man 2 adjtimex).
fn clock_sync() -> String {
    // The call by its own number: that of the C library is clock_adjtime, which can set other clocks and is refused to a watch.
    // SAFETY: `timex` is plain numbers, for which zeros are valid; no bit of `modes` is set, so nothing is changed.
    let (state, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        let state = libc::syscall(libc::SYS_adjtimex, &raw mut timex);
        (state as i32, timex)
    };
    if state < 0 {
        return "not known: adjtimex is refused".to_owned();
    }
    if state == libc::TIME_ERROR || timex.status & libc::STA_UNSYNC != 0 {
        return "not synchronised".to_owned();
    }
    format!(
        "synchronised, at most {} us off, estimated {} us",
        timex.maxerror, timex.esterror
    )
}

/// The host's zone by name, as its configuration says; UTC where it says nothing.
fn time_zone() -> String {
    let named = std::fs::read_link("/etc/localtime").ok().and_then(|to| {
        let to = to.to_string_lossy().into_owned();
        to.split_once("zoneinfo/").map(|(_, zone)| zone.to_owned())
    });
    named
        .or_else(|| Some(procfs::line("/etc/timezone")).filter(|z| !z.is_empty()))
        .unwrap_or_else(|| "UTC".to_owned())
}

/// Returns when every program that ran at the call has ended: what they record is in the rings then. Programs at tracepoints
/// run inside of what the kernel waits for here (`synchronize_rcu`, man 2 membarrier).
pub fn quiesce() {
    // SAFETY: takes no memory.
    let done = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if done != 0 {
        // Refused with nohz_full: programs take microseconds, this is long for them.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// One thing that recording needs or uses.
#[derive(Clone, Debug)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// Whether recording is impossible without it.
    pub needed: bool,
    /// What was found.
    pub found: String,
    /// What to do when it is not.
    pub remedy: String,
}

/// Looks at everything recording needs and uses. Loads the kernel programs once, attaches nothing.
pub fn doctor() -> Vec<Check> {
    let check = |name, ok, needed, found: String, remedy: &str| Check {
        name,
        ok,
        needed,
        found,
        remedy: if ok { String::new() } else { remedy.to_owned() },
    };
    let (_, kernel, machine) = uname();
    let missing = missing_rights();
    let btf = std::fs::metadata("/sys/kernel/btf/vmlinux");
    let mode = lockdown();
    let bpf = knows_bpf().map_err(|why| no_bpf(&why));
    let open = descriptors();
    let groups = crate::cgroup::followed();
    let endpoints = crate::runtime::endpoints();
    let sockets = endpoints.iter().filter(|one| one.socket.exists());
    let runtimes: Vec<String> = sockets
        .map(|one| one.socket.display().to_string())
        .collect();
    let kept: Vec<&str> = crate::confine::KEPT.iter().map(|row| row.1).collect();
    let seccomp = Path::new("/proc/sys/kernel/seccomp/actions_avail").exists();
    // A list that cannot be read names nobody.
    let usual = User::named(USUAL, &endpoints).ok().flatten();
    let mut checks = vec![
        check(
            "architecture",
            cfg!(target_arch = "x86_64"),
            true,
            machine,
            "recording needs x86_64; reading captures works anywhere",
        ),
        check("kernel", true, true, kernel, ""),
        check(
            "rights",
            missing.is_empty(),
            true,
            if missing.is_empty() {
                "CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE".to_owned()
            } else {
                format!("missing {}", missing.join(", "))
            },
            "run as root, or give the program these capabilities",
        ),
        check(
            "pids",
            sees_host_pids(),
            true,
            if sees_host_pids() {
                "the host's own"
            } else {
                "those of a pid namespace"
            }
            .to_owned(),
            "run on the host, or in a container with --pid=host",
        ),
        check(
            "confinement",
            seccomp,
            false,
            match seccomp {
                true => format!(
                    "watch keeps {} once it has attached, is refused {} calls, and goes on as {}",
                    kept.join(", "),
                    crate::confine::refused_calls(),
                    match &usual {
                        Some(user) => format!("user {}", user.name),
                        None => format!("who starts it: there is no user {USUAL}"),
                    }
                ),
                false => "no seccomp filters".to_owned(),
            },
            "watch with --no-confine, or a kernel with CONFIG_SECCOMP_FILTER",
        ),
        check(
            "bpf",
            bpf.is_ok(),
            true,
            bpf.as_ref()
                .map_or_else(|(what, _)| what.clone(), |()| "allowed".to_owned()),
            bpf.as_ref().err().map_or("", |(_, remedy)| remedy),
        ),
        check(
            "type information",
            btf.is_ok(),
            true,
            btf.map_or_else(
                |why| format!("/sys/kernel/btf/vmlinux: {why}"),
                |m| format!("/sys/kernel/btf/vmlinux, {} KiB", m.len() / 1024),
            ),
            "use a kernel built with CONFIG_DEBUG_INFO_BTF",
        ),
        check(
            "lockdown",
            mode != "confidentiality",
            true,
            if mode.is_empty() {
                "not reported".to_owned()
            } else {
                mode
            },
            UNLOCK,
        ),
        check(
            "open files",
            open >= DESCRIPTORS,
            true,
            format!("{open} at once"),
            MORE_DESCRIPTORS,
        ),
        check(
            "control groups",
            groups.is_some(),
            false,
            groups.map_or_else(|| "none are mounted".to_owned(), ToString::to_string),
            "without it containers cannot be told apart: mount -t cgroup2 none /sys/fs/cgroup (beside version 1: /sys/fs/cgroup/unified)",
        ),
        check(
            "runtimes",
            !runtimes.is_empty(),
            false,
            if runtimes.is_empty() {
                "no socket found".to_owned()
            } else {
                runtimes.join(", ")
            },
            "containers are recorded by id; names and images need the socket of Docker, Podman or containerd",
        ),
    ];
    if checks.iter().all(|c| c.ok || !c.needed) {
        let settings = Settings {
            self_tgid: std::process::id(),
            scope_mode: 0,
            scope_unknown: 0,
            snaplen: 256,
            ring_bytes: 64 << 10,
            cpus: possible_cpus(),
            latency: true,
        };
        let loaded = crate::load::Kernel::load(&settings);
        let found = match &loaded {
            Ok(_) => "all needed programs load".to_owned(),
            Err(why) => why.to_string(),
        };
        let remedy = match &loaded {
            Err(Error::Kernel(_) | Error::Program(..)) | Ok(_) => {
                "see the reason; Linux 5.10 or later without restrictions on tp_btf programs is needed"
                    .to_owned()
            }
            Err(why) => why.remedy(),
        };
        checks.push(check("eBPF programs", loaded.is_ok(), true, found, &remedy));
    }
    checks
}
