//! What runtimes leave on disk: known at once, and known when no daemon answers. Bundles of the Open Container Initiative
//! (containerd, CRI-O, Podman), LXC's files and nspawn's; see [`Kept`] for where the others are.

use super::facts::{
    bounded, capability_mask, cpu_milli, env_names, mount, pairs, text, texts, unix_ns,
};
use super::kept::Kept;
use crate::cgroup;
use crate::procfs::open_quietly;
use afterimage_model::{Container, ContainerLimits};
use rustix::fs::Mode;
use serde_json::Value as Json;
use std::io::Read;
use std::path::Path;

/// Longest file that is read.
const MOST: u64 = 8 << 20;

fn read(path: &Path) -> Option<Vec<u8>> {
    // Neither a pipe nor a device is waited for.
    let file = open_quietly(|flags| rustix::fs::open(path, flags, Mode::empty()))?;
    let kind = file.metadata().ok()?;
    (kind.is_file() && kind.len() <= MOST).then_some(())?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

pub(super) fn json(path: &Path) -> Option<Json> {
    serde_json::from_slice(&read(path)?).ok()
}

/// A single component of a path.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

/// What is on disk of a container whose control group has this path. `None` when nothing is.
pub fn find(id: &str, runtime: &str, group: &str) -> Option<Container> {
    find_below(Path::new("/"), id, runtime, group)
}

/// What the bundle says that a container's shim works in, wherever its runtime keeps bundles: told by a process of the group
/// with this path. `None` while there is no process.
pub fn find_by_member(group: &str, id: &str) -> Option<Container> {
    let members = cgroup::followed()?
        .mount
        .join(group.trim_start_matches('/'))
        .join("cgroup.procs");
    let members = std::fs::read_to_string(members).ok()?;
    let first: u32 = members.lines().next()?.parse().ok()?;
    let shim = crate::procfs::process(first)?.ppid;
    let bundle = std::fs::read_link(format!("/proc/{shim}/cwd")).ok()?;
    (bundle.file_name()?.to_str()? == id).then_some(())?;
    let config = json(&bundle.join("config.json"))?;
    Some(bounded(from_bundle(&config, id)))
}

/// As [`find`], below another root.
fn find_below(root: &Path, id: &str, runtime: &str, group: &str) -> Option<Container> {
    is_plain(id).then_some(())?;
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    let found = match runtime {
        "lxc" => lxc(&read(&at("/var/lib/lxc").join(id).join("config"))?, id),
        "nspawn" => nspawn(&read(&at("/run/systemd/machines").join(id))?, id),
        // What a user keeps is believed of that user's containers, and of no other.
        _ => (Kept::by_root(root).find(id)).or_else(|| Kept::by_user(root, group)?.find(id))?,
    };
    Some(bounded(Container {
        full_id: id.to_owned(),
        ..found
    }))
}

/// What a bundle's `config.json` says (OCI runtime specification), with the annotations of containerd's and CRI-O's
/// Kubernetes interface and of Podman.
pub(super) fn from_bundle(config: &Json, id: &str) -> Container {
    let annotations = pairs(&config["annotations"]);
    let note = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| annotations.get(*name).filter(|value| !value.is_empty()))
            .cloned()
            .unwrap_or_default()
    };
    let (process, linux) = (&config["process"], &config["linux"]);
    let caps = &process["capabilities"]["effective"];
    let caps = process.is_object().then(|| capability_mask(&texts(caps)));
    let seccomp = linux["seccomp"].is_object();
    let masked = linux["maskedPaths"]
        .as_array()
        .is_some_and(|m| !m.is_empty());
    let namespace = |kind: &str| {
        let all = linux["namespaces"].as_array()?;
        Some(match all.iter().find(|n| n["type"] == kind) {
            None => "host",
            Some(n) if n["path"].as_str().is_some_and(|p| !p.is_empty()) => "shared",
            Some(_) => "private",
        })
    };
    let mode = |kind: &str| namespace(kind).unwrap_or_default().to_owned();
    let user = &process["user"];
    let ids = user["uid"].as_u64().zip(user["gid"].as_u64());
    // CRI-O keeps the labels of Kubernetes as one text.
    let labels = serde_json::from_str(&note(&["io.kubernetes.cri-o.Labels"]))
        .map(|labels| pairs(&labels))
        .unwrap_or_default();
    Container {
        full_id: id.to_owned(),
        runtime: if annotations
            .keys()
            .any(|key| key == "io.kubernetes.cri-o.SandboxID")
        {
            "cri-o".to_owned()
        } else if note(&["io.container.manager"]) == "libpod" {
            "podman".to_owned()
        } else {
            String::new()
        },
        name: match note(&[
            "io.kubernetes.cri.container-name",
            "io.kubernetes.container.name",
            "io.kubernetes.cri-o.Name",
        ]) {
            // containerd alone has no names: the id is what it was called.
            name if name.is_empty() && id.len() < 32 => id.to_owned(),
            name => name,
        },
        image: note(&[
            "io.kubernetes.cri.image-name",
            "io.kubernetes.cri-o.ImageName",
        ]),
        image_id: note(&["io.kubernetes.cri-o.Image"]),
        pod_name: note(&["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"]),
        pod_namespace: note(&[
            "io.kubernetes.cri.sandbox-namespace",
            "io.kubernetes.pod.namespace",
        ]),
        pod_uid: note(&["io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"]),
        sandbox_id: note(&[
            "io.kubernetes.cri.sandbox-id",
            "io.kubernetes.cri-o.SandboxID",
        ]),
        created_ns: unix_ns(&note(&["io.kubernetes.cri-o.Created"])).unwrap_or(0),
        ip: note(&["io.kubernetes.cri-o.IP.0"]),
        env_names: env_names(&process["env"]),
        command: texts(&process["args"]),
        user: ids
            .map(|(uid, gid)| format!("{uid}:{gid}"))
            .unwrap_or_default(),
        hostname: text(config, "hostname"),
        mounts: mounts(config),
        // No runtime writes it down: it is what privileged means.
        privileged: caps.map(|caps| {
            let most = capability_mask(&["CAP_SYS_ADMIN".to_owned(), "CAP_SYS_MODULE".to_owned()]);
            caps & most == most && !seccomp && !masked
        }),
        cap_effective: caps,
        seccomp: match (linux.is_object(), seccomp) {
            (true, true) => "filter".to_owned(),
            (true, false) => "unconfined".to_owned(),
            (false, _) => String::new(),
        },
        apparmor: text(process, "apparmorProfile"),
        no_new_privileges: process
            .is_object()
            .then(|| process["noNewPrivileges"].as_bool().unwrap_or(false)),
        read_only: config["root"]
            .is_object()
            .then(|| config["root"]["readonly"].as_bool().unwrap_or(false)),
        network_mode: mode("network"),
        pid_mode: mode("pid"),
        ipc_mode: mode("ipc"),
        userns_mode: match namespace("user") {
            Some("host") | None => mode("user"),
            Some(_) => "private".to_owned(),
        },
        limits: limits(&linux["resources"]),
        labels,
        annotations,
        ..Container::default()
    }
}

fn limits(resources: &Json) -> ContainerLimits {
    let known = resources.is_object();
    let number = |json: &Json| known.then(|| json.as_u64().unwrap_or(0));
    let cpu = &resources["cpu"];
    ContainerLimits {
        memory: number(&resources["memory"]["limit"]),
        memory_swap: resources["memory"]["swap"].as_i64(),
        cpu_milli: cpu_milli(
            cpu["quota"].as_i64().filter(|quota| *quota > 0),
            cpu["period"].as_i64(),
        )
        .or(known.then_some(0)),
        cpu_shares: cpu["shares"].as_u64().filter(|shares| *shares > 0),
        pids: number(&resources["pids"]["limit"]),
        cpuset: text(cpu, "cpus"),
    }
}

/// The bind mounts; file systems that every container has are none.
fn mounts(config: &Json) -> Vec<String> {
    let all = config["mounts"].as_array().into_iter().flatten();
    all.filter_map(|m| {
        let options = texts(&m["options"]);
        let has = |name: &str| options.iter().any(|option| option == name);
        let bound = m["type"] == "bind" || has("bind") || has("rbind");
        let spread = ["shared", "slave", "private", "unbindable"];
        let spread = options
            .iter()
            .find(|o| spread.contains(&o.strip_prefix('r').unwrap_or(o)))
            .cloned()
            .unwrap_or_default();
        bound.then(|| {
            let (source, destination) = (text(m, "source"), text(m, "destination"));
            mount(&source, &destination, "", !has("ro"), &spread)
        })
    })
    .collect()
}

/// `key = value` lines of a container of LXC (man 5 lxc.container.conf), by version 1's and version 2's names.
fn lxc(config: &[u8], id: &str) -> Container {
    let config = String::from_utf8_lossy(config);
    let lines: Vec<(&str, &str)> = config
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    let all = |names: &[&str]| -> Vec<&str> {
        let found = lines.iter().filter(|(key, _)| names.contains(key));
        found.map(|(_, value)| *value).collect()
    };
    // The last line of a key counts.
    let one = |names: &[&str]| all(names).last().copied().unwrap_or_default();
    let words = |names: &[&str]| -> Vec<String> {
        let words = all(names).into_iter().flat_map(str::split_whitespace);
        words.map(super::facts::capability_name).collect()
    };
    let cpu = one(&["lxc.cgroup2.cpu.max"]);
    let (quota, period) = cpu.split_once(' ').unwrap_or((cpu, ""));
    let cpu = match quota {
        "" => cpu_milli(
            one(&["lxc.cgroup.cpu.cfs_quota_us"]).parse().ok(),
            one(&["lxc.cgroup.cpu.cfs_period_us"]).parse().ok(),
        ),
        quota => cpu_milli(quota.parse().ok(), period.parse().ok()),
    };
    let keep = words(&["lxc.cap.keep"]);
    Container {
        runtime: "lxc".to_owned(),
        name: id.to_owned(),
        image: one(&["lxc.rootfs.path", "lxc.rootfs"]).to_owned(),
        hostname: one(&["lxc.uts.name", "lxc.utsname"]).to_owned(),
        command: one(&["lxc.init.cmd", "lxc.execute.cmd"])
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        cap_drop: words(&["lxc.cap.drop"]),
        cap_effective: (!keep.is_empty()).then(|| capability_mask(&keep)),
        apparmor: one(&["lxc.apparmor.profile", "lxc.aa_profile"]).to_owned(),
        seccomp: one(&["lxc.seccomp.profile", "lxc.seccomp"]).to_owned(),
        no_new_privileges: Some(one(&["lxc.no_new_privs"]) == "1"),
        userns_mode: if all(&["lxc.idmap", "lxc.id_map"]).is_empty() {
            "host"
        } else {
            "private"
        }
        .to_owned(),
        network_mode: one(&["lxc.net.0.type", "lxc.network.type"]).to_owned(),
        ip: one(&["lxc.net.0.ipv4.address", "lxc.network.ipv4"])
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned(),
        env_names: all(&["lxc.environment"])
            .into_iter()
            .map(|entry| entry.split('=').next().unwrap_or_default().to_owned())
            .collect(),
        mounts: all(&["lxc.mount.entry"])
            .into_iter()
            .filter_map(|entry| {
                let mut words = entry.split_whitespace();
                let (source, point, _, options) =
                    (words.next()?, words.next()?, words.next()?, words.next()?);
                let writes = !options.split(',').any(|o| o == "ro");
                Some(mount(
                    source,
                    &format!("/{}", point.trim_start_matches('/')),
                    "",
                    writes,
                    "",
                ))
            })
            .collect(),
        limits: ContainerLimits {
            memory: bytes(one(&[
                "lxc.cgroup2.memory.max",
                "lxc.cgroup.memory.limit_in_bytes",
            ])),
            cpu_milli: cpu,
            cpu_shares: one(&["lxc.cgroup.cpu.shares"]).parse().ok(),
            pids: one(&["lxc.cgroup2.pids.max", "lxc.cgroup.pids.max"])
                .parse()
                .ok(),
            cpuset: one(&["lxc.cgroup2.cpuset.cpus", "lxc.cgroup.cpuset.cpus"]).to_owned(),
            ..ContainerLimits::default()
        },
        restart_policy: if one(&["lxc.start.auto"]) == "1" {
            "always"
        } else {
            "no"
        }
        .to_owned(),
        ..Container::default()
    }
}

/// `64M` as bytes; `max` is no limit.
fn bytes(text: &str) -> Option<u64> {
    if text == "max" {
        return Some(0);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)?.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1 << 10,
        "M" | "MB" => 1 << 20,
        "G" | "GB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// `KEY=value` lines that systemd-machined keeps of a machine.
fn nspawn(state: &[u8], id: &str) -> Container {
    let state = String::from_utf8_lossy(state);
    let value = |name: &str| {
        state
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_default()
            .trim_matches('"')
            .to_owned()
    };
    Container {
        runtime: "nspawn".to_owned(),
        name: match value("NAME") {
            name if name.is_empty() => id.to_owned(),
            name => name,
        },
        image: value("ROOT"),
        created_ns: value("REALTIME")
            .parse::<i64>()
            .ok()
            .and_then(|micros| micros.checked_mul(1_000))
            .unwrap_or(0),
        network_mode: if value("NETIF").is_empty() {
            String::new()
        } else {
            "private".to_owned()
        },
        annotations: ["SERVICE", "SCOPE", "CLASS"]
            .into_iter()
            .map(|name| (name.to_ascii_lowercase(), value(name)))
            .filter(|(_, value)| !value.is_empty())
            .collect(),
        ..Container::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::PathBuf;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(path, text).expect("a file");
    }

    fn folder(tag: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("afterimage-disk-{tag}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn a_pod_of_containerd_is_told_by_its_bundle() {
        let root = folder("cri");
        let config = json!({
            "process": {"args": ["nginx"], "env": ["KEY=secret"], "user": {"uid": 101, "gid": 101}, "noNewPrivileges": true,
                "apparmorProfile": "cri-containerd.apparmor.d", "capabilities": {"effective": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]}},
            "root": {"readonly": true}, "hostname": "web-0",
            "mounts": [{"type": "proc", "source": "proc", "destination": "/proc"},
                {"type": "bind", "source": "/var/lib/x", "destination": "/data", "options": ["rbind", "rprivate", "ro"]}],
            "annotations": {"io.kubernetes.cri.container-name": "web", "io.kubernetes.cri.image-name": "docker.io/library/nginx:1",
                "io.kubernetes.cri.sandbox-id": "5a", "io.kubernetes.cri.sandbox-name": "web-0",
                "io.kubernetes.cri.sandbox-namespace": "shop", "io.kubernetes.cri.sandbox-uid": "u-1"},
            "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}, "maskedPaths": ["/proc/kcore"],
                "namespaces": [{"type": "pid"}, {"type": "network", "path": "/var/run/netns/x"}, {"type": "mount"}],
                "resources": {"memory": {"limit": 67108864}, "cpu": {"quota": 50000, "period": 100000, "shares": 512}, "pids": {"limit": 99}}}
        });
        put(
            &root,
            "run/containerd/io.containerd.runtime.v2.task/k8s.io/abc/config.json",
            &config.to_string(),
        );
        let c = find_below(&root, "abc", "containerd", "").expect("it is there");
        assert_eq!(
            (c.name.as_str(), c.image.as_str()),
            ("web", "docker.io/library/nginx:1")
        );
        assert_eq!(
            (
                c.pod_name.as_str(),
                c.pod_namespace.as_str(),
                c.pod_uid.as_str(),
                c.sandbox_id.as_str()
            ),
            ("web-0", "shop", "u-1", "5a")
        );
        assert_eq!(
            (
                c.cap_effective,
                c.seccomp.as_str(),
                c.privileged,
                c.read_only
            ),
            (Some(1 << 10 | 1), "filter", Some(false), Some(true))
        );
        assert_eq!(
            (
                c.limits.memory,
                c.limits.cpu_milli,
                c.limits.cpu_shares,
                c.limits.pids
            ),
            (Some(64 << 20), Some(500), Some(512), Some(99))
        );
        assert_eq!(
            (
                c.pid_mode.as_str(),
                c.network_mode.as_str(),
                c.ipc_mode.as_str()
            ),
            ("private", "shared", "host")
        );
        assert_eq!(
            (c.mounts, c.env_names),
            (
                vec!["/var/lib/x:/data::false:rprivate".to_owned()],
                vec!["KEY".to_owned()]
            )
        );
        assert_eq!(find_below(&root, "../abc", "containerd", ""), None);
        std::fs::remove_dir_all(root).expect("it goes");
    }

    #[test]
    fn podman_is_known_by_name_image_and_digest_without_its_daemon() {
        let root = folder("podman");
        let store = "var/lib/containers/storage";
        put(
            &root,
            &format!("{store}/overlay-containers/containers.json"),
            r#"[{"id":"2f","names":["pbox"],"image":"69","metadata":"{\"image-name\":\"localhost/box:1\",\"name\":\"pbox\"}","created":"2026-11-26T14:08:01.5Z"}]"#,
        );
        put(
            &root,
            &format!("{store}/overlay-images/images.json"),
            r#"[{"id":"69","digest":"sha256:85"}]"#,
        );
        put(
            &root,
            &format!("{store}/overlay-containers/2f/userdata/config.json"),
            r#"{"annotations":{"io.container.manager":"libpod"},"process":{"capabilities":{"effective":["CAP_CHOWN"]}},"linux":{}}"#,
        );
        let c = find_below(&root, "2f", "podman", "").expect("it is there");
        assert_eq!(
            (
                c.name.as_str(),
                c.image.as_str(),
                c.image_id.as_str(),
                c.image_digest.as_str()
            ),
            ("pbox", "localhost/box:1", "sha256:69", "sha256:85")
        );
        assert_eq!(
            (c.cap_effective, c.seccomp.as_str(), c.runtime.as_str()),
            (Some(1), "unconfined", "podman")
        );
        std::fs::remove_dir_all(root).expect("it goes");
    }

    #[test]
    fn what_a_user_keeps_is_believed_of_that_users_containers_alone() {
        let root = folder("user");
        put(
            &root,
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\nann:x:1001:1001::/home/ann:/bin/sh\neve:x:1002:1002::../eve:/bin/sh\n",
        );
        let store = "home/ann/.local/share/containers/storage";
        put(
            &root,
            &format!("{store}/vfs-containers/containers.json"),
            r#"[{"id":"2f","names":["hers"],"image":"69","metadata":"{\"image-name\":\"localhost/box:1\"}"}]"#,
        );
        put(
            &root,
            &format!("{store}/vfs-containers/2f/userdata/config.json"),
            r#"{"annotations":{"io.container.manager":"libpod"},"linux":{}}"#,
        );
        let docker = "home/ann/.local/share/docker/containers/3f";
        put(
            &root,
            &format!("{docker}/config.v2.json"),
            r#"{"ID":"3f","Name":"/dock","Config":{"Image":"box:2"}}"#,
        );
        let of = |id, group: &str| Some(find_below(&root, id, "podman", group)?.name);
        let hers = "/user.slice/user-1001.slice/user@1001.service/user.slice/libpod-2f.scope";
        assert_eq!(of("2f", hers).as_deref(), Some("hers"));
        assert_eq!(of("3f", hers).as_deref(), Some("dock"));
        // Nobody else's, and nobody's: a home is a whole path.
        for other in [
            "",
            "/machine.slice/libpod-2f.scope",
            "/user.slice/user-1002.slice/user@1002.service/libpod-2f.scope",
            "/user.slice/user-0.slice/libpod-2f.scope",
            "/user.slice/user-x.slice/libpod-2f.scope",
        ] {
            assert_eq!(of("2f", other), None, "{other}");
        }
        std::fs::remove_dir_all(root).expect("it goes");
    }

    #[test]
    fn a_pipe_where_a_file_should_be_is_not_waited_for() {
        let root = folder("pipe");
        put(&root, "config.json", "{}");
        let pipe = root.join("pipe");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).expect("a pipe");
        assert_eq!(read(&pipe), None);
        std::fs::remove_dir_all(root).expect("it goes");
    }

    #[test]
    fn a_container_of_lxc_and_a_machine_of_nspawn_are_told_by_their_files() {
        let root = folder("lxc");
        put(
            &root,
            "var/lib/lxc/db/config",
            "# made by hand\nlxc.uts.name = db1\nlxc.rootfs.path = dir:/var/lib/lxc/db/rootfs\nlxc.cap.drop = sys_module mac_admin\nlxc.cgroup2.memory.max = 64M\n\
             lxc.cgroup2.cpu.max = 50000 100000\nlxc.idmap = u 0 100000 65536\nlxc.net.0.type = veth\nlxc.mount.entry = /srv srv none bind,ro 0 0\nlxc.environment = KEY=secret\n",
        );
        put(
            &root,
            "run/systemd/machines/box",
            "NAME=box\nCLASS=container\nSERVICE=systemd-nspawn\nROOT=/var/lib/machines/box\nREALTIME=1795702081000000\n",
        );
        let c = find_below(&root, "db", "lxc", "").expect("it is there");
        assert_eq!(
            (
                c.hostname.as_str(),
                c.image.as_str(),
                c.userns_mode.as_str()
            ),
            ("db1", "dir:/var/lib/lxc/db/rootfs", "private")
        );
        assert_eq!(
            (c.limits.memory, c.limits.cpu_milli),
            (Some(64 << 20), Some(500))
        );
        assert_eq!(
            (c.cap_drop, c.mounts, c.env_names),
            (
                vec!["CAP_SYS_MODULE".to_owned(), "CAP_MAC_ADMIN".to_owned()],
                vec!["/srv:/srv::false:".to_owned()],
                vec!["KEY".to_owned()]
            )
        );
        let m = find_below(&root, "box", "nspawn", "").expect("it is there");
        assert_eq!(
            (m.name.as_str(), m.image.as_str(), m.created_ns),
            ("box", "/var/lib/machines/box", 1_795_702_081_000_000_000)
        );
        std::fs::remove_dir_all(root).expect("it goes");
    }

    #[test]
    fn garbage_on_disk_says_nothing() {
        let root = folder("garbage");
        put(
            &root,
            "run/containerd/io.containerd.runtime.v2.task/x/abc/config.json",
            "{\"linux\": [",
        );
        put(
            &root,
            "run/containerd/io.containerd.runtime.v2.task/x/def/config.json",
            "[]",
        );
        assert_eq!(find_below(&root, "abc", "containerd", ""), None);
        let c = find_below(&root, "def", "containerd", "").expect("a description without a word");
        assert_eq!(
            (c.name.as_str(), c.cap_effective, c.privileged),
            ("def", None, None)
        );
        std::fs::remove_dir_all(root).expect("it goes");
    }
}
