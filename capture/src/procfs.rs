//! /proc: what was there before the recording began, and a second look at processes the kernel programs did not see start.
//!
//! Everything read here is a claim by a moment that may be over: rows made from it say so by their origin.

use crate::decode::KernelFile;
use afterimage_model::{Abi, Blob, Mount};
use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, ResolveFlags, Stat, open, openat, openat2, readlinkat, statat,
};
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;

/// Most bytes read of one /proc file.
const MOST: u64 = 64 << 10;

/// A process as /proc tells it.
#[derive(Clone, Debug, Default)]
pub struct ProcStat {
    /// Pid.
    pub pid: u32,
    /// Parent's pid.
    pub ppid: u32,
    /// Process group.
    pub pgid: u32,
    /// Session.
    pub sid: u32,
    /// Controlling terminal as `stat` prints it (`tty_nr`).
    pub tty: u32,
    /// Start, ns since boot, in steps of a clock tick.
    pub start_ns: u64,
    /// Name.
    pub comm: Vec<u8>,
    /// Real and effective user id.
    pub uids: (u32, u32),
    /// Real and effective group id.
    pub gids: (u32, u32),
    /// Login user id.
    pub loginuid: u32,
    /// Effective, permitted, inheritable capabilities.
    pub caps: (u64, u64, u64),
    /// Pid in the innermost pid namespace.
    pub vpid: u32,
    /// Arguments, NUL between them.
    pub argv: Vec<u8>,
    /// Environment, NUL between entries.
    pub env: Vec<u8>,
    /// Executed file; a trailing ` (deleted)` is taken off and noted.
    pub exe: Vec<u8>,
    /// The executed file was unlinked.
    pub exe_deleted: bool,
    /// Device and inode of the executed file, kernel `dev_t`.
    pub exe_id: (u64, u64),
    /// Working directory.
    pub cwd: Vec<u8>,
    /// Path in the default hierarchy of control groups.
    pub cgroup: String,
    /// Namespaces: pid, mnt, net, user.
    pub namespaces: [u32; 4],
}

/// One life of a process: its directory in /proc, held open. Whatever is read through it is of that life; once that is over
/// nothing can be read any more, though its pid be that of another process by then (the inodes of /proc/PID hold on to the
/// task's `struct pid`, and not to its number).
pub struct Life {
    pid: u32,
    dir: OwnedFd,
}

impl Life {
    /// That of whatever has the pid now.
    pub fn now(pid: u32) -> Option<Life> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = open(format!("/proc/{pid}"), flags, Mode::empty()).ok()?;
        Some(Life { pid, dir })
    }

    /// That of a process which began at this instant, ns since boot; `None` when the pid is another's by now.
    pub fn of(pid: u32, start_ns: u64) -> Option<Life> {
        Life::now(pid).filter(|life| {
            life.stat()
                .is_some_and(|stat| is_start(stat.start_ns, start_ns))
        })
    }

    fn read_most(&self, name: &str, most: u64) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.dir, name, flags, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        fs::File::from(file)
            .take(most)
            .read_to_end(&mut bytes)
            .ok()?;
        Some(bytes)
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.read_most(name, MOST)
    }

    fn link(&self, name: &str) -> Vec<u8> {
        readlinkat(&self.dir, name, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .unwrap_or_default()
    }

    /// Of what a link leads to.
    fn facts(&self, name: &str) -> Option<Stat> {
        statat(&self.dir, name, AtFlags::empty()).ok()
    }

    fn list(&self, name: &str) -> Vec<String> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(&self.dir, name, flags, Mode::empty());
        let entries = opened.and_then(|dir| Dir::read_from(&dir));
        let entries = entries.into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned))
            .collect()
    }

    /// Everything that [`ProcStat`] has; `None` when it ends meanwhile.
    fn whole(&self) -> Option<ProcStat> {
        let mut p = self.stat()?;
        for line in self.read("status")?.split(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(line);
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let mut numbers = value
                .split_whitespace()
                .map(|word| word.parse::<u32>().unwrap_or(0));
            let hex = || u64::from_str_radix(value.trim(), 16).unwrap_or(0);
            match name {
                "Uid" => p.uids = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
                "Gid" => p.gids = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
                "NSpid" => p.vpid = numbers.next_back().unwrap_or(self.pid),
                "CapEff" => p.caps.0 = hex(),
                "CapPrm" => p.caps.1 = hex(),
                "CapInh" => p.caps.2 = hex(),
                _ => {}
            }
        }
        p.loginuid = (self.read("loginuid"))
            .and_then(|t| String::from_utf8_lossy(&t).trim().parse().ok())
            .unwrap_or(u32::MAX);
        p.argv = self.read("cmdline").unwrap_or_default();
        p.env = self.read("environ").unwrap_or_default();
        p.exe = self.link("exe");
        if let Some(path) = p.exe.strip_suffix(b" (deleted)") {
            p.exe = path.to_vec();
            p.exe_deleted = true;
        }
        p.exe_id = self.facts("exe").map_or((0, 0), |facts| identity(&facts));
        p.cwd = self.link("cwd");
        p.cgroup = self.cgroup().unwrap_or_default();
        for (slot, name) in p.namespaces.iter_mut().zip(["pid", "mnt", "net", "user"]) {
            let facts = self.facts(&format!("ns/{name}"));
            *slot = facts.map_or(0, |facts| facts.st_ino as u32);
        }
        // Nothing of one that ended while it was read: half of it would be missing.
        self.stat().is_some().then_some(p)
    }

    fn stat(&self) -> Option<ProcStat> {
        let text = self.read("stat")?;
        // The name is in brackets and may hold any byte, brackets and blanks too: the last bracket ends it.
        let open = text.iter().position(|b| *b == b'(')?;
        let close = text.iter().rposition(|b| *b == b')')?;
        let comm = text.get(open + 1..close)?.to_vec();
        let rest = String::from_utf8_lossy(text.get(close + 2..)?).into_owned();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| {
            fields
                .get(at)
                .and_then(|f| f.parse::<i64>().ok())
                .unwrap_or(0)
        };
        let ticks = fields.get(19)?.parse::<u64>().ok()?;
        Some(ProcStat {
            pid: self.pid,
            ppid: number(1) as u32,
            pgid: number(2) as u32,
            sid: number(3) as u32,
            tty: number(4) as u32,
            start_ns: ticks.saturating_mul(tick_ns()),
            comm,
            vpid: self.pid,
            ..ProcStat::default()
        })
    }

    fn cgroup(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.read("cgroup")?).into_owned();
        crate::cgroup::followed()?.path_in(&text).map(str::to_owned)
    }

    /// The calls that its threads are waiting in.
    pub fn calls(&self) -> Vec<Calling> {
        // e_ident[EI_CLASS] of the program says how its threads call: ELFCLASS32 is 1 (include/uapi/linux/elf.h).
        let mut ident = [0; 5];
        let exe = open_quietly(|flags| openat(&self.dir, "exe", flags, Mode::empty()));
        let narrow = exe
            .is_some_and(|mut exe| exe.read_exact(&mut ident).is_ok() && ident == *b"\x7fELF\x01");
        let abi = if narrow { Abi::i386 } else { Abi::x86_64 };
        let tids = self.list("task").into_iter();
        tids.filter_map(|tid| {
            let text = self.read(&format!("task/{tid}/syscall"))?;
            calling(&String::from_utf8_lossy(&text), tid.parse().ok()?, abi)
        })
        .collect()
    }

    /// A table of its network namespace: `tcp`, `udp6`, `unix` … Empty when it cannot be read.
    pub fn net_table(&self, name: &str) -> Vec<u8> {
        self.read_most(&format!("net/{name}"), 8 << 20)
            .unwrap_or_default()
    }

    /// The mounts it sees.
    pub fn mounts(&self) -> Vec<Mount> {
        parse_mounts(&self.read_most("mountinfo", 1 << 20).unwrap_or_default())
    }

    /// Its open descriptors.
    pub fn descriptors(&self) -> Vec<OpenFd> {
        let fds = self.list("fd").into_iter();
        fds.filter_map(|fd| self.descriptor(fd.parse().ok()?))
            .collect()
    }

    fn descriptor(&self, fd: i32) -> Option<OpenFd> {
        let name = format!("fd/{fd}");
        let facts = self.facts(&name)?;
        Some(OpenFd {
            fd,
            target: self.link(&name),
            id: identity(&facts),
            mode: facts.st_mode,
            socket: None,
        })
    }

    /// What it has mapped; no more than `most` bytes of it.
    pub fn maps(&self, most: usize) -> Option<Blob> {
        let mut bytes = self.read("maps").filter(|bytes| !bytes.is_empty())?;
        let full_len = bytes.len() as u64;
        bytes.truncate(most);
        Some(Blob { bytes, full_len })
    }

    /// Opens a file as it sees it, for reading, never leaving its root.
    pub fn open_in_root(&self, path: &[u8]) -> Option<fs::File> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(&self.dir, "root", flags, Mode::empty()).ok()?;
        let file = open_quietly(|flags| {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            openat2(&root, path, flags, Mode::empty(), resolve)
        })?;
        file.metadata().ok()?.is_file().then_some(file)
    }

    /// Reads a file beneath its own root, as it would see it: no link leads out of it, nothing but a regular file is read, and
    /// no more than a mebibyte.
    pub fn read_in_root(&self, path: &str) -> Option<Vec<u8>> {
        let file = self.open_in_root(path.as_bytes())?;
        let mut bytes = Vec::new();
        file.take(1 << 20).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Whether it has a root of its own, other than this program's: false until a container's start has changed it, and when
    /// it is gone.
    pub fn has_own_root(&self) -> bool {
        let id = |facts: Stat| (facts.st_dev, facts.st_ino);
        let own = self.facts("root/").map(id);
        own.is_some() && own != statat(rustix::fs::CWD, "/", AtFlags::empty()).ok().map(id)
    }
}

/// Device, as the kernel has it, and inode.
fn identity(facts: &Stat) -> (u64, u64) {
    (kernel_dev(facts.st_dev), facts.st_ino)
}

/// The kernel's `dev_t` (major << 20 | minor) from the form user space has.
pub fn kernel_dev(dev: u64) -> u64 {
    let major = ((dev >> 8) & 0xfff) | ((dev >> 32) & !0xfff);
    let minor = (dev & 0xff) | ((dev >> 12) & !0xff);
    (major << 20) | (minor & 0xf_ffff)
}

/// Nanoseconds of a clock tick of `/proc/<pid>/stat`.
pub fn tick_ns() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

/// Whether two instants, of which /proc has told one, are the same start of a process.
pub fn is_start(found_ns: u64, meant_ns: u64) -> bool {
    found_ns.abs_diff(meant_ns) <= 2 * tick_ns()
}

/// Reads a process; `None` when it is gone or went while it was read.
pub fn process(pid: u32) -> Option<ProcStat> {
    Life::now(pid)?.whole()
}

/// Reads a process that began at this instant, ns since boot.
pub fn process_of(pid: u32, start_ns: u64) -> Option<ProcStat> {
    process(pid).filter(|p| is_start(p.start_ns, start_ns))
}

/// A call that a thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calling {
    /// The thread.
    pub tid: u32,
    /// The convention it was made by.
    pub abi: Abi,
    /// Its number.
    pub nr: u32,
    /// Its argument registers.
    pub args: [u64; 6],
}

/// A line of /proc/PID/syscall (man 5 proc_pid_syscall): number, six registers, stack and instruction pointer; -1 outside
/// of calls, `running` when it cannot be told.
fn calling(text: &str, tid: u32, abi: Abi) -> Option<Calling> {
    let mut words = text.split_whitespace();
    let nr = words.next()?.parse().ok()?;
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    }
    Some(Calling { tid, abi, nr, args })
}

/// Rows of mountinfo (man 5 proc_pid_mountinfo): id, parent, major:minor, root, mount point, options, optional fields up
/// to a hyphen, file system type, source, options of the file system.
fn parse_mounts(text: &[u8]) -> Vec<Mount> {
    let rows = text.split(|b| *b == b'\n').filter_map(|line| {
        let mut fields = line.split(|b| *b == b' ');
        let number = |field: Option<&[u8]>| std::str::from_utf8(field?).ok()?.parse().ok();
        let (id, parent) = (number(fields.next())?, number(fields.next())?);
        let (major, minor) = std::str::from_utf8(fields.next()?).ok()?.split_once(':')?;
        let (major, minor): (u64, u64) = (major.parse().ok()?, minor.parse().ok()?);
        let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
        let options = fields.next()?;
        let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
        let (fs_type, source) = (unescaped(fields.next()?), unescaped(fields.next()?));
        let options = [options, fields.next().unwrap_or_default()].join(&b',');
        Some(Mount {
            id,
            parent,
            dev: (major << 20) | minor,
            root,
            point,
            options,
            fs_type,
            source,
            ..Mount::default()
        })
    });
    rows.collect()
}

/// Blank, tab, newline and backslash come as three octal digits behind a backslash.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        let octal =
            |digits: &[u8; 3]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok();
        match tail
            .first_chunk()
            .filter(|_| *byte == b'\\')
            .and_then(octal)
        {
            Some(value) => {
                plain.push(value);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(*byte);
                rest = tail;
            }
        }
    }
    plain
}

/// Every pid there is now.
pub fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect()
}

/// An open descriptor of a process.
#[derive(Clone, Debug)]
pub struct OpenFd {
    /// Its number.
    pub fd: i32,
    /// What the link says: a path, `socket:[n]`, `pipe:[n]`, `anon_inode:[eventfd]` …
    pub target: Vec<u8>,
    /// Device and inode, kernel `dev_t`.
    pub id: (u64, u64),
    /// `st_mode`.
    pub mode: u32,
    /// The socket, where the kernel said what it is.
    pub socket: Option<Box<KernelFile>>,
}

impl OpenFd {
    /// Whether it is a socket of which nothing more is known.
    pub fn is_untold_socket(&self) -> bool {
        self.socket.is_none() && self.target.starts_with(b"socket:[")
    }
}

/// One open descriptor of whatever has the pid now: to be compared with what the kernel said of it.
pub fn descriptor(pid: u32, fd: i32) -> Option<OpenFd> {
    Life::now(pid)?.descriptor(fd)
}

/// Opens a file as whatever has the pid now sees it: to be compared with what the kernel said of it.
pub fn open_in_root(pid: u32, path: &[u8]) -> Option<fs::File> {
    Life::now(pid)?.open_in_root(path)
}

/// Opens for reading without a trace in the file's time of access, where the kernel allows that.
pub fn open_quietly(open: impl Fn(OFlags) -> rustix::io::Result<OwnedFd>) -> Option<fs::File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(flags | OFlags::NOATIME).or_else(|_| open(flags));
    file.ok().map(fs::File::from)
}

/// The lines of a passwd or group file, split at colons.
pub fn records(text: &[u8]) -> Vec<Vec<String>> {
    String::from_utf8_lossy(text)
        .lines()
        .map(|line| line.split(':').map(str::to_owned).collect())
        .collect()
}

/// The first line of a file, without its end; empty when it cannot be read.
pub fn line(path: &str) -> String {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let first = text.lines().next().filter(|_| read.is_ok());
    first.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn a_call_that_waits_is_a_number_and_six_registers() {
        let line = "7 0x7ffd 0x1 0xffffffffffffffff 0x0 0x0 0x0 0x7ffc 0x7f00\n";
        let call = calling(line, 5, Abi::x86_64).unwrap();
        assert_eq!((call.tid, call.nr), (5, 7));
        assert_eq!(call.args, [0x7ffd, 1, u64::MAX, 0, 0, 0]);
        for none in ["running\n", "-1 0x7ffc 0x7f00\n", "", "7 0x1 z"] {
            assert_eq!(calling(none, 5, Abi::x86_64), None, "{none}");
        }
    }

    #[test]
    fn this_process_is_read_as_it_is() {
        let me = process(std::process::id()).unwrap();
        assert_eq!(me.pid, std::process::id());
        assert_eq!(
            me.exe,
            std::env::current_exe().unwrap().into_os_string().into_vec()
        );
        assert_eq!(
            me.cwd,
            std::env::current_dir().unwrap().into_os_string().into_vec()
        );
        assert!(me.start_ns > 0 && !me.argv.is_empty());
    }

    /// A child that waits, with the pid that is asked for, if that may be.
    fn child(pid: libc::pid_t) -> Option<libc::pid_t> {
        // SAFETY: zeros are valid; clone3 reads the structure, whose set_tid points to a number that outlives the call. No memory
        // is shared, and the child makes no call but pause.
        let made = unsafe {
            let mut args: libc::clone_args = std::mem::zeroed();
            args.exit_signal = libc::SIGCHLD as u64;
            if pid > 0 {
                args.set_tid = (&raw const pid) as u64;
                args.set_tid_size = 1;
            }
            let made = libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args));
            if made == 0 {
                loop {
                    libc::pause();
                }
            }
            made
        };
        libc::pid_t::try_from(made).ok().filter(|pid| *pid > 0)
    }

    fn end(pid: libc::pid_t) {
        // SAFETY: both take numbers, and a null pointer where nothing is to be told.
        unsafe {
            assert_eq!(libc::kill(pid, libc::SIGKILL), 0);
            assert_eq!(libc::waitpid(pid, std::ptr::null_mut(), 0), pid);
        }
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "a test says what it skipped")]
    fn nothing_is_read_of_another_process_with_the_same_pid() {
        for _ in 0..20 {
            let first = child(0).expect("a process");
            let pid = first as u32;
            let life = Life::now(pid).expect("its life");
            let start_ns = life.stat().expect("its start").start_ns;
            assert!(life.whole().is_some() && !life.mounts().is_empty());
            while crate::host::boot_ns() < start_ns + 4 * tick_ns() {
                std::thread::yield_now();
            }
            end(first);
            let Some(second) = child(first) else {
                eprintln!("skipped: this user may not choose a pid");
                return;
            };
            let now = Life::now(pid).expect("the other's life");
            assert!(now.whole().is_some() && !now.descriptors().is_empty());
            assert!(life.stat().is_none() && life.whole().is_none() && life.maps(10).is_none());
            assert!(life.descriptors().is_empty() && life.calls().is_empty());
            assert!(life.mounts().is_empty() && life.net_table("tcp").is_empty());
            assert!(life.read_in_root("etc/passwd").is_none() && !life.has_own_root());
            assert!(Life::of(pid, start_ns).is_none() && process_of(pid, start_ns).is_none());
            end(second);
        }
    }

    #[test]
    fn device_numbers_turn_into_the_kernels_form() {
        assert_eq!(kernel_dev(0xfe00), 0xfe << 20);
        assert_eq!(kernel_dev(0x801), (8 << 20) | 1);
    }

    #[test]
    fn mounts_are_read_with_blanks_and_optional_fields() {
        let text = b"36 35 98:0 /mnt1 /a\\040b rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n\
37 36 0:5 / /proc rw - proc proc rw\nnonsense\n";
        let mounts = parse_mounts(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(
            (mounts[0].point.as_slice(), mounts[0].dev),
            (b"/a b".as_slice(), 98 << 20)
        );
        assert_eq!(mounts[0].options, b"rw,noatime,rw,errors=continue");
        assert_eq!(
            (mounts[1].fs_type.as_slice(), mounts[1].parent),
            (b"proc".as_slice(), 36)
        );
        assert!(mounts_of_this_process_hold_the_root());
    }

    fn mounts_of_this_process_hold_the_root() -> bool {
        Life::now(std::process::id())
            .unwrap()
            .mounts()
            .iter()
            .any(|m| m.point == b"/")
    }

    #[test]
    fn a_process_that_is_gone_is_none() {
        assert!(process(u32::MAX).is_none());
    }
}
