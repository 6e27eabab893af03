//! A control group of one's own: the smallest thing that a recorder can be pointed at.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where the cgroup2 hierarchy is mounted: alone, or beside version 1 as `unified`.
pub fn mount() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(point))
    })
}

/// A fresh group, removed with everything in it when dropped.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes a group that no runtime owns, named after this process and `tag`.
    pub fn fresh(tag: &str) -> io::Result<Cgroup> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "afterimage-{tag}-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        Cgroup::named(Path::new(&name))
    }

    /// Makes a group that looks like a container's: its name is a runtime's id of 64 hex digits, which is returned.
    pub fn like_a_container(tag: &str) -> io::Result<(Cgroup, String)> {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_nanos());
        let id = format!("{:016x}{nanos:048x}", std::process::id());
        Ok((
            Cgroup::named(&Path::new(&format!("afterimage-{tag}")).join(&id))?,
            id,
        ))
    }

    /// Makes the group with this path below the mount.
    pub fn named(name: &Path) -> io::Result<Cgroup> {
        let mount = mount().ok_or_else(|| io::Error::other("no cgroup2 file system is mounted"))?;
        let path = mount.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Cgroup { path })
    }

    /// Makes the group with this path in whatever hierarchy.
    pub fn at(path: PathBuf) -> io::Result<Cgroup> {
        std::fs::create_dir(&path)?;
        Ok(Cgroup { path })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The id the kernel gives it: the inode number of its directory.
    pub fn id(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |m| m.ino())
    }

    /// Moves the calling process into it.
    pub fn enter(&self) -> io::Result<()> {
        std::fs::write(self.path.join("cgroup.procs"), "0")
    }

    /// Moves a process into it.
    pub fn adopt(&self, pid: u32) -> io::Result<()> {
        std::fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // `cgroup.kill` is from Linux 5.14; without it the group's processes have to end by themselves.
        let _ = std::fs::write(self.path.join("cgroup.kill"), "1");
        for _ in 0..100 {
            if std::fs::remove_dir(&self.path).is_ok() || !self.path.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // A parent of our own goes too, when nothing else is in it.
        if let Some(parent) = self.path.parent().filter(|p| {
            p.file_name()
                .is_some_and(|n| n.as_encoded_bytes().starts_with(b"afterimage-"))
        }) {
            let _ = std::fs::remove_dir(parent);
        }
    }
}
