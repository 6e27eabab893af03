//! /proc: what was there before the recording began, and a second look at processes the kernel programs did not see start.
//!
//! Everything read here is a claim by a moment that may be over: rows made from it say so by their origin.

use afterimage_model::{Abi, Blob, Mount};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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

fn read(path: PathBuf) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .ok()?
        .take(MOST)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

fn link(path: PathBuf) -> Vec<u8> {
    fs::read_link(path)
        .map(|target| target.into_os_string().into_vec())
        .unwrap_or_default()
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

/// Reads a process; `None` when it is gone or went while it was read.
pub fn process(pid: u32) -> Option<ProcStat> {
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let mut p = stat(&dir, pid)?;
    for line in read(dir.join("status"))?.split(|b| *b == b'\n') {
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
            "NSpid" => p.vpid = numbers.next_back().unwrap_or(pid),
            "CapEff" => p.caps.0 = hex(),
            "CapPrm" => p.caps.1 = hex(),
            "CapInh" => p.caps.2 = hex(),
            _ => {}
        }
    }
    p.loginuid = read(dir.join("loginuid"))
        .and_then(|t| String::from_utf8_lossy(&t).trim().parse().ok())
        .unwrap_or(u32::MAX);
    p.argv = read(dir.join("cmdline")).unwrap_or_default();
    p.env = read(dir.join("environ")).unwrap_or_default();
    p.exe = link(dir.join("exe"));
    if let Some(path) = p.exe.strip_suffix(b" (deleted)") {
        p.exe = path.to_vec();
        p.exe_deleted = true;
    }
    p.exe_id = fs::metadata(dir.join("exe"))
        .map(|m| (kernel_dev(m.dev()), m.ino()))
        .unwrap_or_default();
    p.cwd = link(dir.join("cwd"));
    p.cgroup = cgroup(&dir).unwrap_or_default();
    for (slot, name) in p.namespaces.iter_mut().zip(["pid", "mnt", "net", "user"]) {
        *slot = fs::metadata(dir.join("ns").join(name))
            .map(|m| m.ino() as u32)
            .unwrap_or(0);
    }
    // The same pid may be another process by now: then nothing of this is true.
    let again = stat(&dir, pid)?;
    (again.start_ns == p.start_ns).then_some(p)
}

fn stat(dir: &Path, pid: u32) -> Option<ProcStat> {
    let text = read(dir.join("stat"))?;
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
        pid,
        ppid: number(1) as u32,
        pgid: number(2) as u32,
        sid: number(3) as u32,
        tty: number(4) as u32,
        start_ns: ticks.saturating_mul(tick_ns()),
        comm,
        vpid: pid,
        ..ProcStat::default()
    })
}

fn cgroup(dir: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&read(dir.join("cgroup"))?).into_owned();
    crate::cgroup::followed()?.path_in(&text).map(str::to_owned)
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

/// The calls that the threads of a process are waiting in, when its start is the one that is meant.
pub fn calls(pid: u32, is_it: impl Fn(u64) -> bool) -> Vec<Calling> {
    let dir = Path::new("/proc").join(pid.to_string());
    if !stat(&dir, pid).is_some_and(|p| is_it(p.start_ns)) {
        return Vec::new();
    }
    // e_ident[EI_CLASS] of the program says how its threads call: ELFCLASS32 is 1 (include/uapi/linux/elf.h).
    let mut ident = [0; 5];
    let narrow = fs::File::open(dir.join("exe"))
        .and_then(|mut exe| exe.read_exact(&mut ident))
        .is_ok_and(|()| ident == *b"\x7fELF\x01");
    let abi = if narrow { Abi::i386 } else { Abi::x86_64 };
    let Ok(threads) = fs::read_dir(dir.join("task")) else {
        return Vec::new();
    };
    let tids = threads.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    tids.filter_map(|tid| {
        let text = read(dir.join("task").join(tid.to_string()).join("syscall"))?;
        calling(&String::from_utf8_lossy(&text), tid, abi)
    })
    .collect()
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

/// A table of a process's network namespace: `tcp`, `udp6`, `unix` … Empty when it cannot be read.
pub fn net_table(pid: u32, name: &str) -> Vec<u8> {
    read_most(format!("/proc/{pid}/net/{name}"), 8 << 20)
}

/// The mounts a process sees.
pub fn mounts(pid: u32) -> Vec<Mount> {
    parse_mounts(&read_most(format!("/proc/{pid}/mountinfo"), 1 << 20))
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

fn read_most(path: String, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    if read.is_err() {
        bytes.clear();
    }
    bytes
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
}

/// The open descriptors of a process.
pub fn descriptors(pid: u32) -> Vec<OpenFd> {
    let dir = PathBuf::from(format!("/proc/{pid}/fd"));
    let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
    entries
        .filter_map(|e| descriptor(pid, e.file_name().to_str()?.parse().ok()?))
        .collect()
}

/// One open descriptor of a process.
pub fn descriptor(pid: u32, fd: i32) -> Option<OpenFd> {
    let path = PathBuf::from(format!("/proc/{pid}/fd/{fd}"));
    let meta = fs::metadata(&path).ok()?;
    Some(OpenFd {
        fd,
        target: link(path),
        id: (kernel_dev(meta.dev()), meta.ino()),
        mode: meta.mode(),
    })
}

/// Opens for reading without a trace in the file's time of access, where the kernel allows that.
pub fn open_quietly(
    open: impl Fn(rustix::fs::OFlags) -> rustix::io::Result<std::os::fd::OwnedFd>,
) -> Option<fs::File> {
    use rustix::fs::OFlags;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(flags | OFlags::NOATIME).or_else(|_| open(flags));
    file.ok().map(fs::File::from)
}

/// What a process has mapped, if it is still the one that began at this instant.
pub fn maps(pid: u32, start_ns: u64, most: usize) -> Option<Blob> {
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let bytes = read(dir.join("maps")).filter(|bytes| !bytes.is_empty())?;
    // Asked behind it: a pid that came round again would show here.
    let same = stat(&dir, pid)?.start_ns.abs_diff(start_ns) <= tick_ns();
    let full_len = bytes.len() as u64;
    let bytes = bytes.into_iter().take(most).collect();
    same.then_some(Blob { bytes, full_len })
}

/// Opens a file as a process sees it, for reading, never leaving its root.
pub fn open_in_root(pid: u32, path: &[u8]) -> Option<fs::File> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
    let root = open(
        format!("/proc/{pid}/root"),
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    let file = open_quietly(|flags| {
        openat2(
            &root,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    })?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// Opens a file beneath a process's own root, as that process would see it: no link leads out of it, nothing but a
/// regular file is read, and no more than a mebibyte.
pub fn read_in_root(pid: u32, path: &str) -> Option<Vec<u8>> {
    let file = open_in_root(pid, path.as_bytes())?;
    let mut bytes = Vec::new();
    file.take(1 << 20).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether a process has a root of its own, other than this program's: false until a container's start has changed it,
/// and when it is gone.
pub fn has_own_root(pid: u32) -> bool {
    let id = |path: String| fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    let own = id(format!("/proc/{pid}/root/"));
    own.is_some() && own != id("/".to_owned())
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
    read(PathBuf::from(path))
        .map(|t| {
            String::from_utf8_lossy(&t)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        mounts(std::process::id()).iter().any(|m| m.point == b"/")
    }

    #[test]
    fn a_process_that_is_gone_is_none() {
        assert!(process(u32::MAX).is_none());
    }
}
