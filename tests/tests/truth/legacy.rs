//! A host that has control groups of version 1 only, as systems had for a decade: containers are told by the hierarchy of a
//! controller. Made by taking version 2 away from the recorder's own mounts.

use crate::strain::{said_to_record, sealed};
use afterimage_tests::cgroup;
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the controller `pids` of version 1 is mounted.
fn pids() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, point, "cgroup", options, ..] = words.as_slice() else {
            return None;
        };
        let is_it = options.split(',').any(|option| option == "pids");
        is_it.then(|| PathBuf::from(point))
    })
}

/// A group of version 1 that looks like a container's, removed when dropped.
struct Group(PathBuf);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Runs a program, in a group or outside of any.
fn run(group: Option<&Path>, script: &str) -> u32 {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdout(Stdio::null());
    if let Some(group) = group {
        let procs = group.join("cgroup.procs");
        // SAFETY: writes a file between fork and exec, in a process of its own.
        unsafe { command.pre_exec(move || std::fs::write(&procs, "0")) };
    }
    let mut child = command.spawn().expect("it starts");
    child.wait().expect("it ends");
    child.id()
}

#[test]
fn containers_are_told_by_control_groups_of_version_1_where_there_are_no_others() {
    needs_recording!();
    let (Some(pids), Some(default)) = (pids(), cgroup::mount()) else {
        return harness::skip("the controller pids is not in a hierarchy of version 1");
    };
    let program = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
    let folder = tempfile::tempdir().expect("a folder");
    let id = |digit: u32| format!("{:08x}{digit:056x}", std::process::id());
    let group = |digit: u32| {
        let path = pids.join("docker").join(id(digit));
        std::fs::create_dir_all(&path).expect("a control group");
        Group(path)
    };
    let recording = |name: &str, scope: &[&str]| {
        let out = folder.path().join(name);
        let mut command = Command::new("unshare");
        command
            .args(["-m", "sh", "-c", "umount -l \"$0\" && exec \"$@\""])
            .arg(&default)
            .arg(&program)
            .args(["record", "--ring", "8MiB"])
            .args(scope)
            .arg("-o")
            .arg(&out);
        (said_to_record(command), out)
    };
    let before = group(1);
    let ((command, said), out) = recording("all.aft", &[]);
    let later = group(2);
    let inside = [before.0.as_path(), later.0.as_path()]
        .map(|group| run(Some(group), "cat /etc/passwd; exec cat /etc/passwd"));
    let outside = run(None, "cat /etc/passwd");
    drop(later);
    let capture = sealed(command, said, &out, 0);
    capture.check_books(&capture.totals);
    for (pid, digit) in inside.into_iter().zip(1..) {
        let events = capture.of_thread(pid);
        let programs = events.iter().filter(|ctx| ctx.name() == "execve");
        assert!(programs.count() >= 2, "of container {digit}");
        let other = (events.iter()).find(|ctx| {
            let container = ctx.container().map(|container| container.full_id.as_str());
            container != Some(id(digit).as_str())
        });
        assert!(other.is_none(), "{:?}", other.map(Seen::line));
    }
    assert!(capture.of_thread(outside).is_empty());
    let told = |name: &str, digit: u32| {
        let told = capture.of_type(name);
        let id = id(digit);
        told.iter()
            .filter(|ctx| ctx.bytes("id") == Some(id.as_bytes()))
            .count()
    };
    assert_eq!(
        (told("container_start", 2), told("container_stop", 2)),
        (1, 1)
    );
    let coverage = &capture.manifest.coverage;
    let names = |text: &String| text.contains("version 1") && text.contains("pids");
    assert!(coverage.iter().any(names), "{coverage:?}");

    // By its path, nothing else.
    let path = before.0.display().to_string();
    let ((command, said), out) = recording("one.aft", &["--cgroup", &path]);
    let third = group(3);
    let pid = run(Some(&before.0), "cat /etc/passwd");
    let other = run(Some(&third.0), "cat /etc/passwd");
    let capture = sealed(command, said, &out, 0);
    assert!(!capture.of_thread(pid).is_empty());
    assert!(capture.of_thread(other).is_empty());
}
