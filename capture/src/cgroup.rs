//! Control groups: where they are mounted, what ids they have, and which of them are containers.

use crate::wire::Controller;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A container as its control group's path tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `docker`, `containerd`, `cri-o`, `podman`, `lxc`, `nspawn`.
    pub runtime: &'static str,
    /// The runtime's id, or the name where the runtime has no id.
    pub id: String,
    /// Kubernetes pod uid, when the path holds one.
    pub pod_uid: String,
}

/// Prefixes and suffixes of the last component, and the runtime they speak of; what is between must be an id.
const SHAPES: &[(&str, &str, &str)] = &[
    ("docker-", ".scope", "docker"),
    ("cri-containerd-", ".scope", "containerd"),
    ("crio-", ".scope", "cri-o"),
    ("libpod-", ".scope", "podman"),
    ("libpod-", "", "podman"),
    ("crio-", "", "cri-o"),
];

fn is_id(text: &str) -> bool {
    (text.len() == 64 || text.len() == 32) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The container whose control group, or whose descendant, has this path; the innermost when they are nested.
pub fn container_of(path: &str) -> Option<Named> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let pod_uid = || {
        let uids = parts
            .iter()
            .rev()
            .filter_map(|part| part.trim_end_matches(".slice").rsplit("pod").next());
        let mut uids = uids.map(|uid| uid.replace('_', "-"));
        uids.find(|uid| uid.len() == 36 && uid.matches('-').count() == 4)
            .unwrap_or_default()
    };
    for (at, part) in parts.iter().enumerate().rev() {
        for (prefix, suffix, runtime) in SHAPES {
            if let Some(id) = part
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_suffix(suffix))
                && is_id(id)
            {
                return Some(Named {
                    runtime,
                    id: id.to_owned(),
                    pod_uid: pod_uid(),
                });
            }
        }
        if is_id(part) {
            let parent = at
                .checked_sub(1)
                .and_then(|up| parts.get(up))
                .copied()
                .unwrap_or_default();
            let runtime = match parent {
                "docker" => "docker",
                "libpod_parent" => "podman",
                _ if path.contains("kubepods") => "containerd",
                _ if path.contains("/actions_job/") => "docker",
                _ => "containerd",
            };
            return Some(Named {
                runtime,
                id: (*part).to_owned(),
                pod_uid: pod_uid(),
            });
        }
        let name = part
            .strip_prefix("lxc.payload.")
            .or_else(|| (at > 0 && parts.get(at - 1) == Some(&"lxc")).then_some(*part));
        if let Some(name) = name {
            return Some(Named {
                runtime: "lxc",
                id: name.to_owned(),
                pod_uid: String::new(),
            });
        }
        let machine = [("machine-", ".scope"), ("systemd-nspawn@", ".service")]
            .into_iter()
            .find_map(|(before, after)| part.strip_prefix(before)?.strip_suffix(after));
        if let Some(name) = machine {
            return Some(Named {
                runtime: "nspawn",
                // systemd writes a hyphen in a name as an escape (man 5 systemd.unit).
                id: name.replace("\\x2d", "-"),
                pod_uid: String::new(),
            });
        }
    }
    None
}

/// The user whose session, or whose own systemd, a control group with this path is part of (man 7 systemd.special: user-UID.slice);
/// `None` when it is no user's, or root's.
pub fn user_of(path: &str) -> Option<u32> {
    let of = |part: &str| {
        part.strip_prefix("user-")?
            .strip_suffix(".slice")?
            .parse()
            .ok()
    };
    path.split('/').find_map(of).filter(|uid| *uid != 0)
}

/// Where containerd keeps the bundles of running containers, by namespace and id.
pub const BUNDLES: &[&str] = &[
    "/run/containerd/io.containerd.runtime.v2.task",
    "/run/docker/containerd/daemon/io.containerd.runtime.v2.task",
    "/run/k3s/containerd/io.containerd.runtime.v2.task",
    "/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
];

/// The container whose control group is `/<namespace>/<id>`, containerd's own default, where the id is any name: told by
/// its bundle. Groups beneath it are its own too.
pub fn bundled(path: &str) -> Option<Named> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let (namespace, id) = (parts.next()?, parts.next()?);
    let exists = |state: &str| {
        let bundle = Path::new(state).join(namespace).join(id);
        bundle.join("config.json").exists()
    };
    let plain = |part: &str| part != "." && part != "..";
    (plain(namespace) && plain(id)).then_some(())?;
    BUNDLES.iter().find(|state| exists(state))?;
    Some(Named {
        runtime: "containerd",
        id: id.to_owned(),
        pod_uid: String::new(),
    })
}

/// Where the default hierarchy (cgroup v2) is mounted: alone, or beside v1 on a hybrid host.
pub fn mount_point() -> Option<PathBuf> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.join("cgroup.controllers").exists())
}

/// A hierarchy of control groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted, from its root on.
    pub mount: PathBuf,
    /// The controller of version 1 it belongs to, and its number in [`Controller`]; `None` for the default hierarchy.
    pub controller: Option<(&'static str, u32)>,
    /// The kernel's number of it; 0 for the default one.
    pub number: u32,
}

/// Controllers whose hierarchy of version 1 may tell of containers: runtimes put every container into each of them.
const FOLLOWED: &[(&str, u32)] = &[
    ("pids", Controller::PIDS),
    ("memory", Controller::MEMORY),
    ("cpu", Controller::CPU),
    ("devices", Controller::DEVICES),
    ("freezer", Controller::FREEZER),
];

/// The hierarchy that containers are told by: the default one where it is mounted, else the first of version 1 that is.
/// It is looked for once.
pub fn followed() -> Option<&'static Hierarchy> {
    static FOUND: OnceLock<Option<Hierarchy>> = OnceLock::new();
    let find = || {
        if let Some(mount) = mount_point() {
            return Some(Hierarchy {
                mount,
                controller: None,
                number: 0,
            });
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        let found = legacy(&mounts, &std::fs::read_to_string("/proc/cgroups").ok()?);
        // Something else may be mounted over it.
        found.filter(|found| found.mount.join("cgroup.procs").exists())
    };
    FOUND.get_or_init(find).as_ref()
}

/// The hierarchy of version 1 to follow, by what `/proc/self/mountinfo` (proc_pid_mountinfo(5)) and `/proc/cgroups`
/// (cgroups(7)) say.
fn legacy(mounts: &str, groups: &str) -> Option<Hierarchy> {
    FOLLOWED.iter().find_map(|(name, code)| {
        let mount = mounts.lines().find_map(|line| {
            let (of_mount, of_system) = line.split_once(" - ")?;
            let mut words = of_mount.split(' ').skip(3);
            let (root, point) = (words.next()?, words.next()?);
            let mut words = of_system.split(' ');
            let (kind, options) = (words.next()?, words.nth(1)?);
            let whole = kind == "cgroup" && root == "/";
            (whole && options.split(',').any(|option| option == *name)).then(|| point.into())
        })?;
        let number = groups.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == *name).then(|| words.next()?.parse().ok())?
        })?;
        (number > 0).then_some(Hierarchy {
            mount,
            controller: Some((name, *code)),
            number,
        })
    })
}

impl std::fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.mount.display();
        match self.controller {
            None => write!(f, "version 2 at {at}"),
            Some((name, _)) => write!(f, "version 1 at {at}, by the controller {name}"),
        }
    }
}

impl Hierarchy {
    /// A process's path in it, by what its `/proc/PID/cgroup` says.
    pub fn path_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        let wanted = self.controller.map_or("", |row| row.0);
        text.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            controllers
                .split(',')
                .any(|name| name == wanted)
                .then_some(path)
        })
    }
}

/// The kernel's id of a control group: the inode number of its folder (Linux 5.5).
pub fn id_of(folder: &Path) -> std::io::Result<u64> {
    Ok(std::fs::metadata(folder)?.ino())
}

/// Every control group: its id to its path from the mount point. Bounded; a tree that changes meanwhile is read as far as it goes.
pub fn scan(mount: &Path) -> HashMap<u64, String> {
    const MOST: usize = 200_000;
    let mut found = HashMap::new();
    let mut folders = vec![mount.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(id) = id_of(&folder) else { continue };
        let relative = folder.strip_prefix(mount).unwrap_or(Path::new(""));
        let path = format!(
            "/{}",
            String::from_utf8_lossy(relative.as_os_str().as_bytes())
        );
        found.insert(id, path);
        if found.len() >= MOST {
            break;
        }
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        folders.extend(
            entries
                .flatten()
                .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
                .map(|e| e.path()),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f1a2b3c4d5e6f708192a3b4c5d6e7f84f1a2b3c4d5e6f708192a3b4c5d6e7f8";

    #[test]
    fn paths_of_every_runtime_name_their_container() {
        let cases = [
            (format!("/docker/{ID}"), "docker"),
            (format!("/system.slice/docker-{ID}.scope"), "docker"),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b2c3d_0a1b_0a1b_0a1b_0a1b2c3d4e5f.slice/cri-containerd-{ID}.scope"
                ),
                "containerd",
            ),
            (
                format!("/kubepods/besteffort/pod0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f/{ID}"),
                "containerd",
            ),
            (
                format!("/machine.slice/libpod-{ID}.scope/container"),
                "podman",
            ),
            (format!("/libpod_parent/libpod-{ID}"), "podman"),
            (format!("/kubepods.slice/crio-{ID}.scope"), "cri-o"),
        ];
        for (path, runtime) in cases {
            let named = container_of(&path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((named.runtime, named.id.as_str()), (runtime, ID), "{path}");
            assert_eq!(
                named.pod_uid.is_empty(),
                !path.contains("pod0a1b"),
                "{path}"
            );
        }
        assert_eq!(
            container_of("/lxc/web/init.scope").map(|n| n.id),
            Some("web".to_owned())
        );
        assert_eq!(
            container_of("/lxc.payload.db").map(|n| n.id),
            Some("db".to_owned())
        );
        for path in [
            "/machine.slice/machine-my\\x2dbox.scope",
            "/machine.slice/systemd-nspawn@my\\x2dbox.service/payload",
        ] {
            let named = container_of(path).map(|n| (n.runtime, n.id));
            assert_eq!(named, Some(("nspawn", "my-box".to_owned())), "{path}");
        }
    }

    #[test]
    fn a_hierarchy_of_version_1_is_found_by_its_controller_and_a_process_in_it_by_its_line() {
        let groups = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t8\t1\nmemory\t4\t50\t1\npids\t8\t8\t1\n";
        let line = |root: &str, point: &str, controllers: &str| {
            format!(
                "31 25 0:27 {root} {point} rw,relatime shared:9 - cgroup cgroup rw,{controllers}\n"
            )
        };
        let memory = line("/", "/sys/fs/cgroup/memory", "memory");
        let inner = line("/docker/4f", "/sys/fs/cgroup/pids", "pids");
        let named = "30 25 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=pids\n";
        let found = legacy(&format!("{named}{inner}{memory}"), groups).expect("memory");
        assert_eq!(found.mount, Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(
            (found.controller, found.number),
            (Some(("memory", Controller::MEMORY)), 4)
        );
        let pids = line("/", "/sys/fs/cgroup/pids", "pids");
        let found = legacy(&format!("{memory}{pids}"), groups).expect("pids");
        assert_eq!(
            (found.mount.as_path(), found.number),
            (Path::new("/sys/fs/cgroup/pids"), 8)
        );
        // A controller that version 2 has is in no hierarchy of version 1.
        assert_eq!(legacy(&pids, "pids\t0\t8\t1\n"), None);
        assert_eq!(legacy("", groups), None);
        let text = "9:cpu,cpuacct:/c\n8:pids:/docker/a:b\n1:name=systemd:/s\n0::/unified\n";
        assert_eq!(found.path_in(text), Some("/docker/a:b"));
        let default = Hierarchy {
            controller: None,
            number: 0,
            ..found
        };
        assert_eq!(default.path_in(text), Some("/unified"));
    }

    #[test]
    fn host_groups_are_no_containers() {
        for path in [
            "/",
            "/system.slice/cron.service",
            "/user.slice/user-0.slice/session-1.scope",
            "/docker",
            "/docker/short",
        ] {
            assert_eq!(container_of(path), None, "{path}");
        }
    }
}
