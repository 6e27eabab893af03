//! The units of `packaging/` under a real service manager, with everything that they take away. The manager is systemd's for a
//! user, started as root in a mount namespace of its own: there the folders of a service are those of a system's.

use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::harness::{self, Capture, Seen};
use afterimage_tests::needs_recording;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const SYSTEMD: &str = "/lib/systemd/systemd";

/// Longer than anything here takes on a host that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where systemd keeps its groups, whichever of them there are. A manager clears away empty groups beside its own when it ends: so
/// it gets one of its own.
const HIERARCHIES: [&str; 3] = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/unified",
    "/sys/fs/cgroup/systemd",
];

/// What the manager finds: the command, units and configuration in their places, folders for evidence that are empty.
const PLACES: &str = r#"
for at in $MANAGED; do
    if [ -e "$at/cgroup.procs" ]; then mkdir "$at/$OWN"; echo $$ > "$at/$OWN/cgroup.procs"; fi
done
mount --make-rprivate /
mount -t tmpfs none /run
mount -t overlay none -o "lowerdir=$1/bin:/usr/bin" /usr/bin
mkdir -p /run/systemd/system /run/systemd/user /etc/afterimage /var/lib/afterimage
mount -t tmpfs none /var/lib/afterimage
mount --bind "$1/etc" /etc/afterimage
mount --bind "$1/passwd" /etc/passwd
cp "$2"/afterimage-watch.service "$2"/afterimage-watch.socket /run/systemd/user
export XDG_RUNTIME_DIR=/run XDG_CONFIG_HOME=/var/lib SYSTEMD_LOG_TARGET=console
exec "$3" --user
"#;

/// The user of `packaging/afterimage.sysusers`, for as long as the manager runs.
const USER: &str = "afterimage:x:61234:61234:Afterimage flight recorder:/:/usr/sbin/nologin\n";
const UID: u32 = 61_234;

/// The name of a manager's own group.
fn group() -> String {
    format!("afterimage-manager-{}", std::process::id())
}

/// Removes a group with those in it.
fn clear(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|ty| ty.is_dir()) {
            clear(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

/// A service manager, until it is dropped.
struct Manager {
    process: Child,
    folder: tempfile::TempDir,
}

impl Manager {
    fn start(config: &str) -> Manager {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["bin", "etc"] {
            std::fs::create_dir(path(name)).expect("a folder");
        }
        let program = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
        // Not a link: the unit sees no homes, and a temporary folder of its own.
        std::fs::copy(program, path("bin/afterimage")).expect("a copy");
        std::fs::write(path("etc/watch.toml"), config).expect("a file");
        let users = std::fs::read_to_string("/etc/passwd").expect("a list of users");
        std::fs::write(path("passwd"), format!("{users}{USER}")).expect("a file");
        let said = std::fs::File::create(path("said")).expect("a file");
        let process = Command::new("unshare")
            .args(["-m", "sh", "-ec", PLACES, "sh"])
            .arg(folder.path())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging"))
            .arg(SYSTEMD)
            .env("MANAGED", HIERARCHIES.join(" "))
            .env("OWN", group())
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("a file"))
            .stderr(said)
            .spawn()
            .expect("unshare");
        let mut manager = Manager { process, folder };
        manager.until("it runs", |manager| {
            let state = manager.inside(&["systemctl", "--user", "is-system-running"]);
            matches!(
                String::from_utf8_lossy(&state.stdout).trim(),
                "running" | "degraded"
            )
        });
        manager
    }

    /// Runs a program where the manager is.
    fn inside(&self, command: &[&str]) -> Output {
        Command::new("nsenter")
            .args(["-m", "-t", &self.process.id().to_string(), "env"])
            .args(["XDG_RUNTIME_DIR=/run", "XDG_CONFIG_HOME=/var/lib"])
            .args(command)
            .output()
            .expect("nsenter")
    }

    /// The same; it has to go well.
    fn run(&self, command: &[&str]) -> String {
        let output = self.inside(command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{command:?}: {errors}\n{}",
            self.said()
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn systemctl(&self, verb: &str) -> String {
        self.run(&["systemctl", "--user", verb, "afterimage-watch.service"])
    }

    fn main_pid(&self) -> u32 {
        let of = ["show", "-p", "MainPID", "--value", "afterimage-watch"];
        let told = self.run(&[&["systemctl", "--user"][..], &of[..]].concat());
        told.parse().expect("a number")
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    fn until(&mut self, what: &str, mut is: impl FnMut(&Manager) -> bool) {
        let started = Instant::now();
        while !is(self) {
            let ended = self.process.try_wait();
            assert!(
                !matches!(ended, Ok(Some(_))),
                "it has ended before {what}: {}",
                self.said()
            );
            assert!(started.elapsed() < PATIENCE, "{what}: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A file as seen from outside.
    fn outside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.process.id()))
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.inside(&["systemctl", "--user", "stop", "afterimage-watch.socket"]);
        self.inside(&["systemctl", "--user", "stop", "afterimage-watch.service"]);
        self.inside(&["systemctl", "--user", "--no-block", "exit"]);
        let started = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if started.elapsed() > PATIENCE {
                let _ = self.process.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for at in HIERARCHIES {
            clear(&Path::new(at).join(group()));
        }
    }
}

#[test]
fn under_systemd_the_unit_records_says_how_good_the_clock_is_and_comes_back_when_it_is_killed() {
    needs_recording!();
    if !Path::new(SYSTEMD).exists() {
        return harness::skip("systemd is not installed");
    }
    let config = "[evidence]\nafter = \"200ms\"\nfree = \"0\"\n[[trigger]]\nkind = \"command\"\n";
    let mut manager = Manager::start(config);
    manager.run(&["systemctl", "--user", "start", "afterimage-watch.socket"]);
    manager.systemctl("start");
    let (cgroup, id) = Cgroup::like_a_container("unit").expect("a control group");
    let pid = harness::run_in(&cgroup, || {
        i32::from(std::fs::read("/etc/hostname").is_err())
    });
    let command = [
        "afterimage",
        "trigger",
        "--container",
        &id,
        "--reason",
        "why",
    ];
    let mut path = String::new();
    // Refused until the container is in the window.
    manager.until("the file is sealed", |manager| {
        let fired = manager.inside(&command);
        String::from_utf8_lossy(&fired.stdout)
            .trim()
            .clone_into(&mut path);
        // Others may record at the same time, so much that something is lost.
        matches!(fired.status.code(), Some(0 | 3))
    });
    assert!(path.starts_with("/var/lib/afterimage/"), "{path}");
    let meta = std::fs::metadata(manager.outside(&path)).expect("it is there");
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (UID, 0o600));
    let capture = Capture::open(&manager.outside(&path));
    let manifest = &capture.manifest;
    // That it is not synchronised is an answer.
    assert!(
        manifest.clock_sync.contains("synchronised"),
        "{}",
        manifest.clock_sync
    );
    assert_eq!(manifest.reason, "why");
    let opened = capture.events().any(|ctx| {
        ctx.bytes("path") == Some(b"/etc/hostname")
            && ctx.container().is_some_and(|c| c.full_id == id)
    });
    assert!(opened, "what {pid:?} did is in it");
    // A new configuration is taken by the same process.
    let first = manager.main_pid();
    manager.systemctl("reload");
    assert_eq!(manager.main_pid(), first);
    // SAFETY: a signal to a process that this test had made.
    unsafe { libc::kill(first as i32, libc::SIGKILL) };
    manager.until("it is back", |manager| {
        manager.main_pid() != first
            && manager
                .inside(&["afterimage", "watch", "status"])
                .status
                .success()
    });
    manager.systemctl("stop");
    let result = ["show", "-p", "Result", "--value", "afterimage-watch"];
    let result = manager.run(&[&["systemctl", "--user"][..], &result[..]].concat());
    assert_eq!(result, "success");
}
