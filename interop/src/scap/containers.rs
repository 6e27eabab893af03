//! Containers: which one a thread is in, by its control groups, and what events told of each.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::threads::Thread;
use afterimage_model::{Container, ContainerId, Process};
use hashbrown::HashMap;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// Containers that are known at once at the most.
const MAX_CONTAINERS: usize = 1 << 16;

/// Types of containers as libsinsp numbers them (userspace/libsinsp/container_engine/sinsp_container_type.h), and how
/// `container.type` shows them.
#[rustfmt::skip]
const TYPES: &[(u64, &str)] = &[
    (0, "docker"), (1, "lxc"), (2, "libvirt-lxc"), (3, "mesos"), (4, "rkt"), (5, "custom"), (6, "cri"),
    (7, "containerd"), (8, "cri-o"), (9, "bpm"), (10, "static"), (11, "podman"),
];

fn type_name(number: u64) -> &'static str {
    TYPES
        .iter()
        .find(|row| row.0 == number)
        .map_or("unknown", |row| row.1)
}

/// What stands before and behind the id of 64 hex digits in the path of a control group, and the runtime that makes it so.
#[rustfmt::skip]
const LAYOUTS: &[(&str, &str, &str)] = &[
    ("/libpod-", ".scope", "podman"),
    ("/libpod-", ".scope/container", "podman"),
    ("/libpod-", "", "podman"),
    ("/docker-", ".scope", "docker"),
    ("/crio-", ".scope", "cri-o"),
    ("/crio-", "", "cri-o"),
    ("/cri-containerd-", ".scope", "containerd"),
    (":cri-containerd:", "", "containerd"),
    ("/", "", "docker"),
];

/// What stands before a name in the path of a control group, and the runtime that makes it so.
const NAMED: &[(&str, &str)] = &[
    ("/lxc/", "lxc"),
    ("/lxc.payload/", "lxc"),
    ("/lxc.payload.", "lxc"),
    ("/libvirt/lxc/", "libvirt-lxc"),
];

/// Commands that tell whether a container is well, as libsinsp calls them in JSON (userspace/libsinsp/container_info.cpp), how the
/// fields are called, and the bit of `Process::exe_flags` of what runs for one.
const PROBES: &[(&str, &str, u32)] = &[
    ("Healthcheck", "healthcheck", Process::HEALTH_CHECK),
    ("LivenessProbe", "liveness_probe", Process::LIVENESS_PROBE),
    (
        "ReadinessProbe",
        "readiness_probe",
        Process::READINESS_PROBE,
    ),
];

/// Such a command: its bit, the program, and the arguments with NUL behind each.
#[derive(Clone, Debug)]
struct Probe {
    bit: u32,
    exe: String,
    args: Vec<u8>,
}

/// A container, with the row that tells it.
#[derive(Clone, Debug)]
struct Known {
    row: Container,
    address: Option<IpAddr>,
    probes: Vec<Probe>,
    /// The row is in the tables.
    told: bool,
}

/// Containers by the id that is shown.
#[derive(Clone, Debug, Default)]
pub struct Containers {
    known: HashMap<Arc<str>, Known>,
    next: u32,
}

/// Control groups as `subsystem=path`, NUL behind each, by the subsystems' usual names.
pub fn normal(cgroups: &[u8]) -> Arc<[u8]> {
    let mut out = Vec::with_capacity(cgroups.len() + 8);
    for entry in cgroups.split(|b| *b == 0).filter(|entry| !entry.is_empty()) {
        let Some(at) = entry.iter().rposition(|b| *b == b'=') else {
            break;
        };
        let (name, path) = entry.split_at(at);
        let name = match name.windows(7).position(|part| part == b"_cgroup") {
            Some(at) => [
                name.get(..at).unwrap_or_default(),
                name.get(at + 7..).unwrap_or_default(),
            ]
            .concat(),
            None => name.to_vec(),
        };
        out.extend_from_slice(match name.as_slice() {
            b"perf" => b"perf_event",
            b"mem" => b"memory",
            b"io" => b"blkio",
            other => other,
        });
        out.extend_from_slice(path);
        out.push(0);
    }
    Arc::from(out)
}

/// The id of a container in the path of a control group, and its runtime.
fn in_path(path: &str) -> Option<(String, &'static str)> {
    for (before, behind, runtime) in LAYOUTS {
        let Some(rest) = path.strip_suffix(behind) else {
            continue;
        };
        let id = rest
            .rfind(before)
            .and_then(|at| rest.get(at + before.len()..));
        if let Some(id) =
            id.filter(|id| id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Some((id.to_owned(), runtime));
        }
    }
    for (before, runtime) in NAMED {
        if let Some(at) = path.find(before) {
            let rest = path.get(at + before.len()..)?;
            let id = rest.split('/').next().unwrap_or(rest);
            return (!id.is_empty()).then(|| (id.to_owned(), *runtime));
        }
    }
    if let Some(rest) = path.strip_suffix(".libvirt-lxc") {
        return Some((rest.rsplit('/').next()?.to_owned(), "libvirt-lxc"));
    }
    if let Some(at) = path.find("/mesos/") {
        let id = path.get(at + 7..)?;
        if id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            return Some((id.to_owned(), "mesos"));
        }
    }
    if let Some(at) = path.find("bpm-") {
        let rest = path.get(at + 4..)?;
        let id = rest.split(".scope").next().unwrap_or(rest);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !id.is_empty() && id.bytes().all(plain) {
            return Some((id.to_owned(), "bpm"));
        }
    }
    None
}

impl Containers {
    /// The container of a thread with these control groups.
    pub fn of(&mut self, cgroups: &[u8]) -> Option<Arc<str>> {
        let paths = || {
            let entries = cgroups.split(|b| *b == 0);
            entries.filter_map(|entry| {
                let at = entry.iter().rposition(|b| *b == b'=')?;
                std::str::from_utf8(entry.get(at + 1..)?).ok()
            })
        };
        let (full_id, runtime) = paths().find_map(in_path)?;
        let is_hash = full_id.len() == 64;
        let id: Arc<str> = Arc::from(if is_hash {
            full_id.get(..12).unwrap_or(&full_id)
        } else {
            &full_id
        });
        if self.known.len() < MAX_CONTAINERS && !self.known.contains_key(&id) {
            let row = Container {
                // Runtimes without ids of their own are known by the name.
                name: if is_hash {
                    String::new()
                } else {
                    full_id.clone()
                },
                full_id,
                runtime: runtime.to_owned(),
                unresolved: if is_hash {
                    "the capture does not tell of it".to_owned()
                } else {
                    String::new()
                },
                ..Container::default()
            };
            self.put(&id, row, None, Vec::new());
        }
        Some(id)
    }

    fn put(
        &mut self,
        id: &Arc<str>,
        mut row: Container,
        address: Option<IpAddr>,
        probes: Vec<Probe>,
    ) {
        if self.known.len() >= MAX_CONTAINERS && !self.known.contains_key(id) {
            return;
        }
        self.next += 1;
        row.id = ContainerId(self.next);
        self.known.insert(
            id.clone(),
            Known {
                row,
                address,
                probes,
                told: false,
            },
        );
    }

    /// The row of a container that is to be put into the tables now, or only its number when it is there already.
    pub fn row(&mut self, id: &str) -> Option<(ContainerId, Option<Container>)> {
        let known = self.known.get_mut(id)?;
        let fresh = !std::mem::replace(&mut known.told, true);
        Some((known.row.id, fresh.then(|| known.row.clone())))
    }

    /// Which of its container's probes a thread runs for, by what it executes; 0 for none.
    pub fn probe_of(&self, thread: &Thread) -> u32 {
        let known = thread.container.as_ref().and_then(|id| self.known.get(id));
        let probes = known.map_or(&[][..], |known| &known.probes);
        let runs = probes
            .iter()
            .find(|probe| *probe.exe.as_bytes() == *thread.exe && *probe.args == *thread.args);
        runs.map_or(0, |probe| probe.bit)
    }

    /// Whether an address is that of a container, or of one of its pod if it has none of its own.
    pub fn has_address(&self, id: &str, addr: IpAddr) -> bool {
        let known = self.known.get(id);
        known.is_some_and(|known| match known.address {
            Some(own) => own == addr,
            None => (self.known.values()).any(|other| other.address == Some(addr)),
        })
    }

    /// An event of the first kind: four plain fields.
    pub fn told_plain(&mut self, id: &str, kind: u32, name: &str, image: &str) {
        let row = Container {
            full_id: id.to_owned(),
            runtime: type_name(u64::from(kind)).to_owned(),
            name: name.to_owned(),
            image: image.to_owned(),
            ..Container::default()
        };
        self.put(&Arc::from(id), row, None, Vec::new());
    }

    /// An event with JSON: `{"container": {…}}`. What is not as it should be is left out.
    pub fn told(&mut self, json: &[u8]) {
        let Ok(root) = serde_json::from_slice::<Value>(json) else {
            return;
        };
        let Some(told) = root.get("container").and_then(Value::as_object) else {
            return;
        };
        let text = |name: &str| {
            told.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let number = |name: &str| told.get(name).and_then(Value::as_i64);
        let id: Arc<str> = Arc::from(text("id"));
        if id.is_empty() {
            return;
        }
        let pairs = |name: &str| -> std::collections::BTreeMap<String, String> {
            let pairs = told.get(name).and_then(Value::as_object);
            let texts = pairs.into_iter().flatten();
            texts
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect()
        };
        let labels = pairs("labels");
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        let full_id = Some(text("full_id")).filter(|full| !full.is_empty());
        let before = self.known.get(&id).map(|known| known.row.full_id.clone());
        let ip = text("ip")
            .parse::<IpAddr>()
            .ok()
            .filter(|ip| !ip.is_unspecified());
        let mounts = told.get("Mounts").and_then(Value::as_array);
        let env = told.get("env").and_then(Value::as_array);
        let mut row = Container {
            full_id: full_id.or(before).unwrap_or_else(|| id.to_string()),
            runtime: told
                .get("type")
                .and_then(Value::as_u64)
                .map_or("unknown", type_name)
                .to_owned(),
            name: text("name").trim_start_matches('/').to_owned(),
            image: text("image"),
            image_id: text("imageid"),
            image_digest: text("imagedigest"),
            privileged: told.get("privileged").and_then(Value::as_bool),
            created_ns: number("created_time")
                .unwrap_or(0)
                .saturating_mul(1_000_000_000),
            ip: ip.map_or_else(String::new, |ip| ip.to_string()),
            mounts: mounts.into_iter().flatten().map(mount).collect(),
            env_names: (env.into_iter().flatten())
                .filter_map(|entry| Some(entry.as_str()?.split('=').next()?.to_owned()))
                .collect(),
            pod_name: label("io.kubernetes.pod.name"),
            pod_namespace: label("io.kubernetes.pod.namespace"),
            pod_uid: label("io.kubernetes.pod.uid"),
            sandbox_id: text("pod_sandbox_id"),
            user: text("User"),
            pod_labels: pairs("pod_sandbox_labels"),
            labels,
            ..Container::default()
        };
        let mut probes = Vec::new();
        for (key, name, bit) in PROBES {
            let Some(exe) = (told.get(*key)).and_then(|probe| probe.get("exe")?.as_str()) else {
                continue;
            };
            let args = told.get(*key).and_then(|probe| probe.get("args"));
            let args = args.and_then(Value::as_array).into_iter().flatten();
            let args: Vec<&str> = args.filter_map(Value::as_str).collect();
            let line: Vec<&str> = [exe].into_iter().chain(args.iter().copied()).collect();
            row.probes.insert((*name).to_owned(), line.join(" "));
            probes.push(Probe {
                bit: *bit,
                exe: exe.to_owned(),
                args: args
                    .iter()
                    .flat_map(|arg| [arg.as_bytes(), b"\0"].concat())
                    .collect(),
            });
        }
        row.limits.memory = number("memory_limit").and_then(|n| u64::try_from(n).ok());
        row.limits.memory_swap = number("swap_limit");
        row.limits.cpu_shares = number("cpu_shares").and_then(|n| u64::try_from(n).ok());
        if let (Some(quota), Some(period)) = (number("cpu_quota"), number("cpu_period"))
            && period > 0
        {
            row.limits.cpu_milli =
                Some(u64::try_from(quota.saturating_mul(1000) / period).unwrap_or(0));
        }
        if row.image.is_empty() && !text("imagerepo").is_empty() {
            let tag = text("imagetag");
            row.image = if tag.is_empty() {
                text("imagerepo")
            } else {
                format!("{}:{tag}", text("imagerepo"))
            };
        }
        if row.name.is_empty() && row.image.is_empty() {
            "the runtime did not answer when the capture was made".clone_into(&mut row.unresolved);
        }
        self.put(&id, row, ip, probes);
    }
}

/// What a container is, as readers of scap want to be told.
pub fn json(row: &Container) -> String {
    let number = TYPES.iter().find(|ty| ty.1 == row.runtime);
    let (repo, tag) = row.image_parts();
    let mounts: Vec<Value> = row
        .mounts
        .iter()
        .map(|mount| {
            let mut parts = mount.split(':');
            let mut part = || parts.next().unwrap_or_default();
            json!({
                "Source": part(), "Destination": part(), "Mode": part(), "RW": part() == "true", "Propagation": part(),
            })
        })
        .collect();
    let told = json!({
        "id": row.short_id(),
        "full_id": row.full_id,
        "type": number.map_or(0, |ty| ty.0),
        "name": row.name,
        "image": row.image,
        "imageid": row.bare_image_id(),
        "imagedigest": row.image_digest,
        "imagerepo": repo,
        "imagetag": tag,
        "privileged": row.privileged.unwrap_or(false),
        "is_pod_sandbox": false,
        "pod_sandbox_id": row.sandbox_id,
        "pod_sandbox_labels": row.pod_labels,
        "ip": if row.ip.is_empty() { "0.0.0.0" } else { &row.ip },
        "labels": row.labels,
        "env": [],
        "Mounts": mounts,
        "port_mappings": [],
        "created_time": row.created_ns / 1_000_000_000,
        "memory_limit": 0, "swap_limit": 0, "cpu_shares": 1024, "cpu_quota": 0, "cpu_period": 100_000,
        "User": row.user,
    });
    let mut told = told.as_object().cloned().unwrap_or_default();
    for (key, name, _) in PROBES {
        if let Some(line) = row.probes.get(*name) {
            let mut words = line.split(' ');
            let exe = words.next().unwrap_or_default();
            let args: Vec<&str> = words.collect();
            let probe = json!({"exe": exe, "args": args});
            told.extend([((*key).to_owned(), probe)]);
        }
    }
    json!({"container": told}).to_string()
}

/// `source:destination:mode:rw:propagation`.
fn mount(mount: &Value) -> String {
    let text = |name: &str| mount.get(name).and_then(Value::as_str).unwrap_or_default();
    let writes = mount.get("RW").and_then(Value::as_bool).unwrap_or(false);
    format!(
        "{}:{}:{}:{writes}:{}",
        text("Source"),
        text("Destination"),
        text("Mode"),
        text("Propagation")
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_of_each_runtime_give_the_id() {
        let hash = "c010f5a08549441fb384b5e9ede5a4e4122381543d5213298164215f9a257300";
        let of = |path: &str| {
            let mut containers = Containers::default();
            let id = containers.of(&normal(format!("cpuset=/\0cpu={path}\0").as_bytes()))?;
            let row = containers.row(&id)?.1?;
            Some((id.to_string(), row.runtime, row.name))
        };
        let some = |id: &str, runtime: &str, name: &str| {
            Some((id.to_owned(), runtime.to_owned(), name.to_owned()))
        };
        let short = &hash[..12];
        assert_eq!(of(&format!("/docker/{hash}")), some(short, "docker", ""));
        assert_eq!(
            of(&format!("/system.slice/docker-{hash}.scope")),
            some(short, "docker", "")
        );
        assert_eq!(
            of(&format!("/machine.slice/libpod-{hash}.scope/container")),
            some(short, "podman", "")
        );
        assert_eq!(
            of(&format!("/kubepods/pod1/crio-{hash}")),
            some(short, "cri-o", "")
        );
        assert_eq!(
            of(&format!("/x.slice:cri-containerd:{hash}")),
            some(short, "containerd", "")
        );
        assert_eq!(of("/lxc/web/a"), some("web", "lxc", "web"));
        assert_eq!(of("/user.slice"), None);
        assert_eq!(of(&format!("/docker/{hash}x")), None);
    }

    #[test]
    fn what_json_tells_of_a_container_is_kept() {
        let mut containers = Containers::default();
        containers.told(br#"{"container":{"id":"c010f5a08549","type":0,"name":"web","image":"nginx:1","privileged":true,"ip":"172.17.0.2","labels":{"io.kubernetes.pod.name":"p"},"Mounts":[{"Source":"/a","Destination":"/b","Mode":"ro","RW":false,"Propagation":"rprivate"}]}}"#);
        let row = containers.row("c010f5a08549").unwrap().1.unwrap();
        assert_eq!(
            (
                row.name.as_str(),
                row.image.as_str(),
                row.privileged,
                row.pod_name.as_str()
            ),
            ("web", "nginx:1", Some(true), "p")
        );
        assert_eq!(row.mounts, ["/a:/b:ro:false:rprivate"]);
        let has = |id: &str, ip: &str| containers.has_address(id, ip.parse().unwrap());
        assert!(has("c010f5a08549", "172.17.0.2"));
        assert!(!has("c010f5a08549", "172.17.0.1") && !has("ad8301db070e", "172.17.0.2"));
        containers.told(br#"{"container":{"id":"c010f5a08549","name":"web","pod_sandbox_id":"ab","pod_sandbox_labels":{"app":"shop","n":7}}}"#);
        let row = containers.row("c010f5a08549").unwrap().1.unwrap();
        assert_eq!(
            row.pod_labels.iter().next(),
            Some((&"app".to_owned(), &"shop".to_owned()))
        );
        assert_eq!((row.pod_labels.len(), row.sandbox_id.as_str()), (1, "ab"));
        let mut again = Containers::default();
        again.told(json(&row).as_bytes());
        let again = again.row(row.short_id()).unwrap().1.unwrap();
        assert_eq!(
            (&again.pod_labels, &again.name),
            (&row.pod_labels, &row.name)
        );
        containers.told(b"{");
        containers.told(br#"{"container":{"id":7}}"#);
    }
}
