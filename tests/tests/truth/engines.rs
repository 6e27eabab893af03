//! Real container engines: what they say of their containers and what happens to these is in the capture, and containers
//! that share a name are never one.

use crate::watching::{wanted, watch};
use afterimage_capture::trigger::Reach;
use afterimage_capture::watch::Sealed;
use afterimage_capture::{Endpoint, Options, Scope};
use afterimage_model::{Container, EventFlags};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::End;
use afterimage_tests::harness::{self, Capture, Seen};
use afterimage_tests::kubelet::Kubelet;
use afterimage_tests::needs_recording;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const IMAGE: &str = "afterimage-tests/box:latest";

fn all_containers() -> Options {
    Options {
        scope: Scope::AllContainers,
        ..Options::default()
    }
}

/// Runs a program and gives what it printed; `None` when it cannot run or fails, which is said.
fn say(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    if !output.status.success() {
        eprintln!(
            "{program} {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// An archive of a root with nothing but busybox.
fn archive(folder: &Path) -> Option<PathBuf> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|p| Path::new(p).exists())?;
    let (root, archive) = (folder.join("root"), folder.join("root.tar"));
    std::fs::create_dir_all(root.join("bin")).ok()?;
    std::fs::copy(busybox, root.join("bin/busybox")).ok()?;
    say(
        "tar",
        &["-C", root.to_str()?, "-cf", archive.to_str()?, "."],
    )?;
    Some(archive)
}

/// Whether Docker answers and has the image; says why not.
fn docker_is_ready() -> bool {
    if say("docker", &["info"]).is_none() {
        harness::skip("no docker daemon answers");
        return false;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let ready = archive(folder.path())
        .and_then(|tar| say("docker", &["import", tar.to_str()?, IMAGE]))
        .is_some();
    if !ready {
        harness::skip("no image could be made");
    }
    ready
}

fn container<'a>(capture: &'a Capture, id: &str) -> &'a Container {
    capture
        .state
        .containers
        .values()
        .find(|c| c.full_id == id)
        .unwrap_or_else(|| panic!("{id} is in the state"))
}

#[test]
fn a_docker_container_is_told_with_its_rights_its_limits_and_its_life() {
    needs_recording!();
    if !docker_is_ready() {
        return;
    }
    let name = format!("afterimage-life-{}", std::process::id());
    let name = name.as_str();
    let (capture, id) = harness::record(all_containers(), || {
        let id = say(
            "docker",
            &[
                "run",
                "--detach",
                "--name",
                name,
                "--network",
                "none",
                "--memory",
                "64m",
                "--cpus",
                "0.5",
                "--pids-limit",
                "50",
                "--cap-add",
                "NET_ADMIN",
                "--cap-drop",
                "MKNOD",
                "--read-only",
                "--label",
                "team=blue",
                "--restart",
                "on-failure:3",
                IMAGE,
                "/bin/busybox",
                "sleep",
                "1000",
            ],
        )
        .expect("it runs");
        for args in [
            &["exec", name, "/bin/busybox", "true"][..],
            &["pause", name],
            &["unpause", name],
            &["rename", name, &format!("{name}-b")],
            &["stop", "--time", "0", &format!("{name}-b")],
            &["rm", "-f", &format!("{name}-b")],
        ] {
            say("docker", args).unwrap_or_else(|| panic!("{args:?}"));
        }
        id
    });
    let c = container(&capture, &id);
    assert_eq!(
        (c.name.as_str(), c.image.as_str(), c.runtime.as_str()),
        (format!("{name}-b").as_str(), IMAGE, "docker")
    );
    assert_eq!(
        (c.limits.memory, c.limits.cpu_milli, c.limits.pids),
        (Some(64 << 20), Some(500), Some(50))
    );
    assert_eq!(
        (c.cap_add.as_slice(), c.cap_drop.as_slice()),
        (
            &["CAP_NET_ADMIN".to_owned()][..],
            &["CAP_MKNOD".to_owned()][..]
        )
    );
    assert_eq!(
        (c.read_only, c.privileged, c.seccomp.as_str()),
        (Some(true), Some(false), "default")
    );
    assert_eq!(
        (c.network_mode.as_str(), c.restart_policy.as_str()),
        ("none", "on-failure:3")
    );
    assert_eq!(c.command, ["/bin/busybox", "sleep", "1000"]);
    assert_eq!(c.labels.get("team").map(String::as_str), Some("blue"));
    assert_eq!(c.exit_code, Some(137));
    let own: Vec<_> = capture
        .events()
        .filter(|e| e.container().is_some_and(|c| c.full_id == id))
        .collect();
    let at = |name: &str| {
        let found = own.iter().find(|e| e.name() == name);
        found.unwrap_or_else(|| panic!("{name}")).event.time.0
    };
    let life = [
        "runtime_create",
        "container_start",
        "runtime_start",
        "runtime_exec_create",
        "runtime_exec_start",
        "runtime_pause",
        "runtime_unpause",
        "runtime_rename",
        "runtime_kill",
        "runtime_die",
    ];
    let times: Vec<u64> = life.iter().map(|name| at(name)).collect();
    assert!(times.is_sorted(), "{life:?} {times:?}");
    let exec = own
        .iter()
        .find(|e| e.name() == "runtime_exec_start")
        .expect("an exec");
    assert_eq!(exec.bytes("command"), Some(&b"/bin/busybox true"[..]));
    let died = own
        .iter()
        .find(|e| e.name() == "runtime_die")
        .expect("an end");
    assert_eq!(died.number("status"), Some(137));
    assert!(died.event.flags.has(EventFlags::TOLD) && died.proc().is_none());
}

#[test]
fn containers_that_share_a_name_are_never_one() {
    needs_recording!();
    if !docker_is_ready() {
        return;
    }
    const LIVES: usize = 5;
    let name = format!("afterimage-again-{}", std::process::id());
    let name = name.as_str();
    let (capture, ids) = harness::record(all_containers(), || {
        let mut ids = Vec::new();
        for life in 0..LIVES {
            let word = format!("life {life}");
            let args = [
                "run",
                "--detach",
                "--name",
                name,
                "--network",
                "none",
                IMAGE,
                "/bin/busybox",
                "echo",
                &word,
            ];
            ids.push(say("docker", &args).expect("it runs"));
            say("docker", &["wait", name]).expect("it ends");
            say("docker", &["rm", "-f", name]).expect("it goes");
        }
        ids
    });
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), LIVES);
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for exec in capture.of_type("execve") {
        let Some(container) = exec.container() else {
            continue;
        };
        let words: Vec<_> = exec
            .proc()
            .map(|p| p.args().map(<[u8]>::to_vec).collect())
            .unwrap_or_default();
        if let [_, echo, word] = words.as_slice()
            && echo == b"echo"
        {
            let word = String::from_utf8_lossy(word).into_owned();
            said.entry(container.full_id.clone())
                .or_default()
                .push(word);
        }
    }
    for (life, id) in ids.iter().enumerate() {
        assert_eq!(
            said.get(id),
            Some(&vec![format!("life {life}")]),
            "{said:?}"
        );
        assert_eq!(container(&capture, id).name, name);
    }
}

/// Each thing is waited for until its file is there: a further trigger of the same container would only make that one longer.
#[test]
fn what_docker_does_to_a_container_fires_the_triggers_that_are_meant() {
    needs_recording!();
    if !docker_is_ready() {
        return;
    }
    let name = format!("afterimage-deeds-{}", std::process::id());
    let name = name.as_str();
    let run = |args: &[&str]| {
        let all = [&["run", "--name", name, "--network", "none"], args].concat();
        say("docker", &all).unwrap_or_else(|| panic!("{all:?}"))
    };
    let docker = |args: &[&str]| {
        say("docker", args).unwrap_or_else(|| panic!("{args:?}"));
    };
    let kinds = [
        "container_created",
        "container_exec",
        "container_died",
        "container_removed",
    ];
    let triggers = kinds.map(|kind| wanted(kind, Reach::Container, &[]));
    let ((), files) = watch(&triggers, |_, next| {
        let fires = |kind: &str| assert_eq!(next().trigger, kind);
        run(&[
            "--detach",
            IMAGE,
            "/bin/busybox",
            "sh",
            "-c",
            "while true; do /bin/busybox sleep 0.2; done",
        ]);
        fires("container_created");
        docker(&["exec", name, "/bin/busybox", "uname"]);
        fires("container_exec");
        docker(&["kill", name]);
        fires("container_died");
        docker(&["rm", name]);
        fires("container_removed");
        // One that ends well is no accident.
        run(&["--rm", IMAGE, "/bin/busybox", "true"]);
        fires("container_created");
    });
    for (sealed, capture) in &files {
        assert_eq!(sealed.missing, 0, "{}", sealed.trigger);
        assert_eq!(sealed.container, name, "{}", sealed.trigger);
        let about = |ty: &str| !capture.of_type(ty).is_empty();
        let told = match sealed.trigger.as_str() {
            "container_created" => about("runtime_create") && about("execve"),
            "container_exec" => {
                let execs = capture.of_type("execve");
                about("runtime_exec_start")
                    && execs.iter().any(|ctx| {
                        let process = ctx.tables.proc(ctx.event.proc);
                        process.is_some_and(|process| process.argv.ends_with(b"uname\0"))
                    })
            }
            "container_died" => {
                let died = capture.of_type("runtime_die");
                died.first()
                    .is_some_and(|ctx| ctx.number("status") == Some(137))
            }
            _ => about("runtime_destroy"),
        };
        assert!(told, "{}: {:?}", sealed.trigger, sealed.path);
    }
    let died = |file: &&(Sealed, Capture)| file.0.trigger == "container_died";
    assert_eq!(files.iter().filter(died).count(), 1);
}

#[test]
fn two_hundred_containers_of_fifty_milliseconds_are_all_told_apart() {
    needs_recording!();
    const CONTAINERS: usize = 200;
    const AT_A_TIME: usize = 20;
    const CALLS: usize = 5;
    let (capture, ids) = harness::record(
        Options {
            runtimes: Vec::new(),
            ..all_containers()
        },
        || {
            let mut ids = Vec::new();
            for _ in 0..CONTAINERS / AT_A_TIME {
                let groups: Vec<_> = (0..AT_A_TIME)
                    .map(|_| Cgroup::like_a_container("many").expect("a control group"))
                    .collect();
                let children: Vec<_> = groups
                    .iter()
                    .map(|(group, _)| {
                        afterimage_tests::child::fork(|| {
                            group.enter().expect("the group takes the child");
                            for _ in 0..CALLS {
                                // SAFETY: asks for a number.
                                unsafe { libc::syscall(libc::SYS_getppid) };
                            }
                            std::thread::sleep(std::time::Duration::from_millis(50));
                            0
                        })
                        .expect("fork")
                    })
                    .collect();
                for child in children {
                    assert_eq!(child.wait(), End::Exited(0));
                }
                ids.extend(groups.into_iter().map(|(_, id)| id));
            }
            ids
        },
    );
    let mut calls: BTreeMap<&str, usize> = BTreeMap::new();
    for call in capture.of_type("getppid") {
        if let Some(container) = call.container() {
            *calls.entry(container.full_id.as_str()).or_default() += 1;
        }
    }
    let wrong: Vec<_> = ids
        .iter()
        .filter(|id| calls.get(id.as_str()) != Some(&CALLS))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {CONTAINERS}: {wrong:?}",
        wrong.len()
    );
    let ended = capture.of_type("container_stop");
    let ended: BTreeSet<_> = ended
        .iter()
        .filter_map(|e| e.container())
        .map(|c| c.full_id.as_str())
        .collect();
    assert!(
        ids.iter().all(|id| ended.contains(id.as_str())),
        "{} ends",
        ended.len()
    );
}

#[test]
fn podman_without_its_daemon_is_told_by_what_it_leaves_on_disk() {
    needs_recording!();
    let podman = |args: &[&str]| {
        let common = [
            "--runtime",
            "runc",
            "--cgroup-manager",
            "cgroupfs",
            "--events-backend",
            "file",
        ];
        say("podman", &[&common, args].concat())
    };
    let folder = tempfile::tempdir().expect("a folder");
    let image = archive(folder.path()).and_then(|tar| podman(&["import", tar.to_str()?, IMAGE]));
    if image.is_none() {
        harness::skip("podman cannot make an image");
        return;
    }
    let name = format!("afterimage-podman-{}", std::process::id());
    let name = name.as_str();
    let (capture, id) = harness::record(
        Options {
            runtimes: Vec::new(),
            ..all_containers()
        },
        || {
            let id = podman(&[
                "run",
                "--detach",
                "--name",
                name,
                "--network",
                "none",
                "--memory",
                "64m",
                "--ulimit",
                "nofile=1024:1024",
                "--ulimit",
                "nproc=1000:1000",
                IMAGE,
                "/bin/busybox",
                "sleep",
                "1",
            ]);
            podman(&["wait", name]);
            podman(&["rm", "-f", name]);
            id
        },
    );
    let Some(id) = id else {
        harness::skip("podman cannot run a container here");
        return;
    };
    let c = container(&capture, &id);
    assert_eq!((c.name.as_str(), c.runtime.as_str()), (name, "podman"));
    assert!(
        c.image.contains("afterimage-tests/box") && c.image_digest.starts_with("sha256:"),
        "{c:?}"
    );
    assert_eq!(
        (c.limits.memory, c.seccomp.as_str()),
        (Some(64 << 20), "filter")
    );
    assert_eq!(c.command, ["/bin/busybox", "sleep", "1"]);
}

/// A containerd out of everybody's way; it ends when dropped.
struct Containerd {
    child: Child,
    folder: tempfile::TempDir,
}

impl Containerd {
    /// `beside` are the lines of its configuration that are not about places.
    fn start(beside: &str) -> Option<Containerd> {
        let folder = tempfile::tempdir().ok()?;
        let at = |name: &str| folder.path().join(name);
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n{beside}\n[grpc]\n  address = {:?}\n",
            at("root"),
            at("state"),
            at("sock")
        );
        std::fs::write(at("config.toml"), config).ok()?;
        let child = Command::new("containerd")
            .arg("--config")
            .arg(at("config.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let daemon = Containerd { child, folder };
        let ready = (0..100).any(|_| {
            let ready = daemon.ctr(&["version"]).is_some();
            if !ready {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            ready
        });
        ready.then_some(daemon)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    fn ctr(&self, args: &[&str]) -> Option<String> {
        say(
            "ctr",
            &[&["--address", self.socket().to_str()?], args].concat(),
        )
    }
}

const WITHOUT_KUBERNETES: &str = "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]";
/// Machines for tests may not set scores for the killer of the last resort, and have no profiles.
const WITH_KUBERNETES: &str = "[plugins.\"io.containerd.grpc.v1.cri\"]\n  restrict_oom_score_adj = true\n  disable_apparmor = true\n  \
     sandbox_image = \"afterimage.test/pause:1\"\n  stream_server_port = \"0\"";

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_container_of_containerd_is_told_by_its_bundle_wherever_that_is() {
    needs_recording!();
    let Some(containerd) = Containerd::start(WITHOUT_KUBERNETES) else {
        harness::skip("no containerd starts");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(_) = archive(folder.path()) else {
        harness::skip("no busybox");
        return;
    };
    let root = folder.path().join("root");
    for point in ["proc", "dev", "sys", "run"] {
        std::fs::create_dir_all(root.join(point)).expect("a folder");
    }
    let id = format!("{:064x}", std::process::id());
    let (capture, ran) = harness::record(
        Options {
            runtimes: Vec::new(),
            ..all_containers()
        },
        || {
            let root = root.to_str().expect("a path");
            let args = [
                "run",
                "--rootfs",
                "--label",
                "team=blue",
                "--memory-limit",
                "67108864",
                "--env",
                "KEY=secret",
                root,
                &id,
                "/bin/busybox",
                "sleep",
                "2",
            ];
            containerd.ctr(&args).is_some()
        },
    );
    if !ran {
        harness::skip("containerd cannot run a container here");
        return;
    }
    let c = container(&capture, &id);
    assert_eq!(c.command, ["/bin/busybox", "sleep", "2"]);
    assert_eq!(
        (c.limits.memory, c.privileged, c.no_new_privileges),
        (Some(64 << 20), Some(false), Some(true))
    );
    assert!(
        c.env_names.iter().any(|name| name == "KEY"),
        "{:?}",
        c.env_names
    );
    assert_eq!(c.annotations.get("team").map(String::as_str), Some("blue"));
    assert!(
        c.cap_effective
            .is_some_and(|caps| caps & 1 == 1 && caps >> 21 & 1 == 0)
    );
}

/// An image as `docker save` writes one, of one layer that sleeps when it is not told anything else.
fn image(layer: &Path, name: &str, folder: &Path) -> Option<PathBuf> {
    let hash = say("sha256sum", &[layer.to_str()?])?;
    let hash = hash.split(' ').next()?;
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Cmd": ["/bin/busybox", "sleep", "3600"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{hash}")]},
        "history": [],
    });
    let manifest =
        serde_json::json!([{"Config": "config.json", "RepoTags": [name], "Layers": ["root.tar"]}]);
    std::fs::write(folder.join("config.json"), config.to_string()).ok()?;
    std::fs::write(folder.join("manifest.json"), manifest.to_string()).ok()?;
    let archive = folder.join("image.tar");
    let (folder, path) = (folder.to_str()?, archive.to_str()?);
    let args = [
        "-C",
        folder,
        "-cf",
        path,
        "manifest.json",
        "config.json",
        "root.tar",
    ];
    say("tar", &args)?;
    Some(archive)
}

#[test]
fn a_pod_of_kubernetes_is_told_by_the_runtimes_own_interface_with_the_labels_of_the_pod() {
    needs_recording!();
    let Some(containerd) = Containerd::start(WITH_KUBERNETES) else {
        harness::skip("no containerd starts");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(layer) = archive(folder.path()) else {
        harness::skip("no busybox");
        return;
    };
    const NAME: &str = "afterimage.test/pause:1";
    let image = image(&layer, NAME, folder.path()).expect("an image");
    let image = image.to_str().expect("a path");
    let import = ["-n", "k8s.io", "images", "import", image];
    if containerd.ctr(&import).is_none() {
        harness::skip("containerd cannot take an image here");
        return;
    }
    let kubelet = Kubelet::of(&containerd.socket());
    let uid = "0f0e0d0c-0b0a-0908-0706-050403020100";
    let listening = Options {
        runtimes: vec![Endpoint {
            runtime: "containerd",
            socket: containerd.socket(),
        }],
        ..all_containers()
    };
    let (capture, ids) = harness::record(listening, || -> Result<(String, String), String> {
        let pod = kubelet.pod("web-0", "shop", uid, &[("tier", "front"), ("app", "web")])?;
        let script = ["/bin/busybox", "sh", "-c", "/bin/busybox sleep 2; exit 3"];
        let id = kubelet.start(&pod, "nginx", NAME, &script, &[("team", "blue")], 64 << 20);
        // Its end is waited for by what is seen of it: the runtime tells its task no more.
        if let Ok(id) = &id {
            let running = || {
                let tasks = containerd.ctr(&["-n", "k8s.io", "tasks", "ls"]);
                tasks.is_some_and(|t| {
                    t.lines()
                        .any(|l| l.contains(id.as_str()) && l.contains("RUNNING"))
                })
            };
            while running() {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        }
        kubelet.remove(&pod);
        Ok((pod.id.clone(), id?))
    });
    let (pod, id) = match ids {
        Ok(ids) => ids,
        Err(why) => {
            harness::skip(&format!("containerd cannot run a pod here: {why}"));
            return;
        }
    };
    let c = container(&capture, &id);
    assert_eq!(
        (c.name.as_str(), c.image.as_str(), c.runtime.as_str()),
        ("nginx", NAME, "containerd")
    );
    assert_eq!(
        (
            c.pod_name.as_str(),
            c.pod_namespace.as_str(),
            c.pod_uid.as_str(),
            c.sandbox_id.as_str()
        ),
        ("web-0", "shop", uid, pod.as_str())
    );
    assert_eq!(c.pod_labels.get("tier").map(String::as_str), Some("front"));
    assert_eq!(c.labels.get("team").map(String::as_str), Some("blue"));
    assert_eq!(
        (c.limits.memory, c.privileged),
        (Some(64 << 20), Some(false))
    );
    assert!(c.created_ns > 0 && c.exit_code == Some(3), "{c:?}");
    // What the runtime tells lies in the same stream as what the kernel saw.
    let told = |name: &str| -> Vec<_> {
        let all = capture.of_type(name).into_iter();
        all.filter(|e| e.container().is_some_and(|c| c.full_id == id))
            .collect()
    };
    for name in [
        "runtime_create",
        "runtime_start",
        "runtime_die",
        "runtime_destroy",
        "execve",
    ] {
        assert!(!told(name).is_empty(), "{name} is missing");
    }
    assert_eq!(told("runtime_die")[0].number("status"), Some(3));
    let front = afterimage_query::Filter::parse(
        "k8s.pod.label[tier]=front and k8s.pod.labels contains app:web",
    )
    .expect("a filter");
    let seen = told("execve");
    assert!(
        seen.iter().all(|e| front.matches(e)),
        "the labels can be asked for"
    );
    // The pod's own container is one too.
    assert_eq!(container(&capture, &pod).pod_name, "web-0");
}
