//! A throw-away container made of nothing but the kernel and a static busybox: own namespaces, own control group, own
//! root file system in a temporary folder. `demo` breaks into it; nothing of it is left when it is dropped.

use crate::failure::{Failure, shown};
use crate::gate::ending;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The environment of everything inside; the password is what the break-in steals.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/bin"),
    ("HOME", "/root"),
    ("DB_PASSWORD", "correct-horse-battery-staple"),
];

/// Where Debian's busybox-static and other distributions put the program.
const BUSYBOX: &[&str] = &[
    "/bin/busybox",
    "/usr/bin/busybox",
    "/bin/busybox.static",
    "/usr/local/bin/busybox",
];

/// What runs between `unshare` and the container's first program, by the host's busybox, in the new namespaces but not
/// yet in the control group: `$1` is the root, `$2` the control group, `$3` the hostname.
///
/// Writing 0 to cgroup.procs moves the writer whatever pid namespace it is in. The old root is detached after
/// pivot_root, so that no host file can be reached from inside.
const SETUP: &str = r#"
set -e
bb=$0; root=$1; group=$2
$bb mount --make-rprivate / 2>/dev/null || $bb mount -o rprivate none /
$bb mount -o bind "$root" "$root"
$bb mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
$bb mount -t tmpfs -o nosuid,mode=755 tmpfs "$root/dev"
for node in null zero; do : > "$root/dev/$node"; $bb mount -o bind "/dev/$node" "$root/dev/$node"; done
$bb hostname "$3"
$bb ifconfig lo 127.0.0.1 up
cd "$root"
exec 3> "$group/cgroup.procs"
$bb pivot_root . .old
cd /
echo 0 >&3
exec 3>&-
/bin/umount -l /.old
exec /bin/sh /scenario
"#;

/// A container that exists but may not have started.
#[derive(Debug)]
pub struct Container {
    /// Its name, also that of its control group.
    pub name: String,
    /// Its control group.
    pub cgroup: PathBuf,
    /// Its root file system.
    pub root: PathBuf,
    /// The temporary folder around it.
    folder: PathBuf,
}

impl Container {
    /// Makes the control group and the root file system; `script` is what it will run.
    pub fn create(script: &str) -> Result<Container, Failure> {
        let hierarchy = cgroup2(&fs::read_to_string("/proc/self/mounts").unwrap_or_default())
            .ok_or_else(|| {
                Failure::new(
                    "no control group hierarchy of version 2 is mounted",
                    "mount -t cgroup2 none /sys/fs/cgroup/unified",
                )
            })?;
        let name = format!("afterimage-demo-{:012x}", crate::token() & 0xffff_ffff_ffff);
        let folder = std::env::temp_dir().join(&name);
        // From here on, dropping it removes what was made.
        let container = Container {
            cgroup: hierarchy.join(&name),
            root: folder.join("rootfs"),
            folder,
            name,
        };
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&container.folder)
            .map_err(|error| {
                Failure::path(
                    "creating",
                    &container.folder,
                    error,
                    "set TMPDIR to a place you may write to",
                )
            })?;
        fill(&container.root, script)?;
        fs::create_dir(&container.cgroup).map_err(|error| {
            Failure::path(
                "creating the control group",
                &container.cgroup,
                error,
                "run as root: sudo afterimage demo",
            )
        })?;
        Ok(container)
    }

    /// Runs the script inside and returns when it has ended.
    pub fn run(&self) -> Result<ExitStatus, Failure> {
        let failed = |error: io::Error| {
            Failure::new(
                format!("starting the container: {error}"),
                "apt-get install util-linux busybox-static",
            )
        };
        let mut child = Command::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--uts",
                "--ipc",
                "--net",
                "--fork",
                "--kill-child",
                "--",
            ])
            .arg(busybox()?)
            .args(["sh", "-c", SETUP])
            .arg(busybox()?)
            .arg(&self.root)
            .arg(&self.cgroup)
            .arg("web")
            .env_clear()
            .envs(ENVIRONMENT.iter().copied())
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut said = String::new();
        if let Some(stderr) = child.stderr.take() {
            let _ = io::Read::read_to_string(&mut io::Read::take(stderr, 4096), &mut said);
        }
        let status = child.wait().map_err(failed)?;
        if status.code() == Some(1)
            && !said.is_empty()
            && fs::read_dir(self.root.join("var/log")).is_err()
        {
            return Err(Failure::new(
                format!(
                    "the container did not start ({}): {}",
                    ending(status),
                    afterimage_model::Safe::new(said.trim())
                ),
                "run as root on a host, not inside a container",
            ));
        }
        Ok(status)
    }

    /// Ends what still runs inside and removes every trace: processes, control group, mounts, files.
    pub fn remove(&self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            // cgroup.kill exists since Linux 5.14; the list of pids always.
            if fs::write(self.cgroup.join("cgroup.kill"), "1").is_err() {
                let pids = fs::read_to_string(self.cgroup.join("cgroup.procs")).unwrap_or_default();
                for pid in pids
                    .lines()
                    .filter_map(|line| line.parse().ok())
                    .filter_map(rustix::process::Pid::from_raw)
                {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
            match fs::remove_dir(&self.cgroup) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                // Busy until the last killed process has been reaped.
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        // The mounts went with the mount namespace, so this crosses none.
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

/// Fills a root file system: busybox under all its names, the files a break-in looks for, and the script.
pub fn fill(root: &Path, script: &str) -> Result<(), Failure> {
    let source = busybox()?;
    let write = || -> io::Result<()> {
        for folder in [
            "bin",
            "dev",
            "etc/cron.d",
            "proc",
            "root",
            "run",
            "tmp",
            "var/log",
            "var/www",
            ".old",
        ] {
            fs::create_dir_all(root.join(folder))?;
        }
        let program = root.join("bin/busybox");
        fs::copy(&source, &program)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let list = Command::new(&source).arg("--list").output()?;
        for applet in list
            .stdout
            .split(|b| *b == b'\n')
            .filter(|name| !name.is_empty() && *name != b"busybox" && !name.contains(&b'/'))
        {
            symlink("busybox", root.join("bin").join(OsStr::from_bytes(applet)))?;
        }
        let files: [(&str, &str, u32); 5] = [
            (
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:web:/var/www:/bin/false\n",
                0o644,
            ),
            ("etc/group", "root:x:0:\nwww:x:33:\n", 0o644),
            (
                "etc/shadow",
                "root:$6$demo$notarealhashnotarealhash:20000:0:99999:7:::\nwww:*:20000:0:99999:7:::\n",
                0o600,
            ),
            ("etc/hostname", "web\n", 0o644),
            ("scenario", script, 0o755),
        ];
        for (path, text, mode) in files {
            fs::write(root.join(path), text)?;
            fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    };
    write().map_err(|error| {
        Failure::path(
            "filling",
            root,
            error,
            "set TMPDIR to a file system with 10 MB of room that allows programs to run",
        )
    })
}

/// The host's busybox, which must need no libraries.
pub fn busybox() -> Result<PathBuf, Failure> {
    let found = BUSYBOX
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file());
    let path = found
        .ok_or_else(|| Failure::new("no busybox on this host", "apt-get install busybox-static"))?;
    let bytes = fs::read(&path).map_err(|error| {
        Failure::path("reading", &path, error, "apt-get install busybox-static")
    })?;
    if is_static(&bytes) {
        Ok(path)
    } else {
        Err(Failure::new(
            format!(
                "{} needs shared libraries, which an empty container has not",
                shown(&path)
            ),
            "apt-get install busybox-static",
        ))
    }
}

/// Whether a 64-bit ELF program has no interpreter: no program header of type PT_INTERP (3).
fn is_static(elf: &[u8]) -> bool {
    let number = |at: usize, len: usize| -> Option<usize> {
        let bytes = elf.get(at..at.checked_add(len)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |n, byte| (n << 8) | usize::from(*byte)),
        )
    };
    // Elf64_Ehdr: e_phoff at 32, e_phentsize at 54, e_phnum at 56.
    let headers = || -> Option<bool> {
        let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let mut interpreted = false;
        for at in 0..count {
            interpreted |= number(start.checked_add(at * size)?, 4)? == 3;
        }
        Some(!interpreted)
    };
    elf.starts_with(b"\x7fELF\x02\x01") && headers().unwrap_or(false)
}

/// Where the control group hierarchy of version 2 is mounted, from the text of /proc/self/mounts.
fn cgroup2(mounts: &str) -> Option<PathBuf> {
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    fields
        .into_iter()
        .find(|fields| fields.get(2) == Some(&"cgroup2"))
        .and_then(|fields| fields.get(1).map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_groups_are_found_on_unified_and_on_hybrid_hosts() {
        let hybrid = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(
            cgroup2(hybrid),
            Some(PathBuf::from("/sys/fs/cgroup/unified"))
        );
        assert_eq!(
            cgroup2("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"),
            Some(PathBuf::from("/sys/fs/cgroup"))
        );
        assert_eq!(cgroup2("proc /proc proc rw 0 0\n"), None);
    }

    #[test]
    fn a_program_with_an_interpreter_is_not_static() {
        let this = fs::read("/proc/self/exe").expect("this program");
        assert!(!is_static(&this), "test programs are linked dynamically");
        let mut elf = vec![0; 120];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = 1;
        assert!(is_static(&elf));
        elf[64] = 3;
        assert!(!is_static(&elf));
        assert!(!is_static(&elf[..100]) || elf[64] != 3);
        assert!(!is_static(b"#!/bin/sh"));
    }
}
