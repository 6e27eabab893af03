//! A pid is not an identity: it comes round again.

use crate::inside;
use afterimage_model::Process;
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use std::path::Path;

#[test]
fn two_lives_of_one_pid_are_two_processes() {
    needs_recording!();
    let last_pid = "/proc/sys/kernel/ns_last_pid";
    if !Path::new(last_pid).exists() {
        harness::skip("this kernel does not let anybody choose the next pid");
        return;
    }
    let cgroup = Cgroup::fresh("lives").expect("a control group");
    // The first life changes its umask to 1, the second to 2.
    let live = |mask: u32| {
        harness::run_in(&cgroup, || {
            // SAFETY: sets a number.
            unsafe { libc::syscall(libc::SYS_umask, mask) };
            0
        })
        .0
    };
    let (capture, pid) = harness::record(inside(&cgroup), || {
        for _ in 0..200 {
            let first = live(1);
            std::fs::write(last_pid, (first - 1).to_string())
                .expect("root may choose the next pid");
            if live(2) == first {
                return Some(first);
            }
        }
        None
    });
    let Some(pid) = pid else {
        harness::skip("somebody else took the pid each time");
        return;
    };
    let lives: Vec<(i64, Process)> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.name() == "umask")
        .map(|e| {
            (
                e.number("mask").expect("a number"),
                e.proc().expect("a process").clone(),
            )
        })
        .collect();
    let [(1, first), (2, second)] = lives.as_slice() else {
        panic!("one call in each life: {lives:?}")
    };
    assert_eq!((first.key.pid, second.key.pid), (pid, pid));
    assert!(
        first.key.start_ns < second.key.start_ns,
        "{:?} and {:?}",
        first.key,
        second.key
    );
    assert_ne!(first.id, second.id);
}

#[test]
fn a_program_tells_each_capability_once_that_it_has_and_once_that_it_lacks() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let mine = folder.path().join("mine");
    std::fs::write(&mine, "nothing").expect("a file");
    let cgroup = Cgroup::fresh("able").expect("a control group");
    let (capture, (pid, _)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            for owner in [1, 2, 0] {
                std::os::unix::fs::chown(&mine, Some(owner), None).expect("root may");
            }
            // SAFETY: changes who this process is.
            unsafe { libc::setuid(65_534) };
            for _ in 0..3 {
                std::fs::read("/etc/shadow").expect_err("it is root's alone");
            }
            0
        })
    });
    let sees = |sentence: &String| sentence.starts_with("on_capable: ");
    if !capture.manifest.coverage.iter().any(sees) {
        assert!(
            capture.manifest.not_covered.iter().any(sees),
            "{:?}",
            capture.manifest
        );
        harness::skip("this kernel does not tell what it asks capabilities for");
        return;
    }
    let all = capture.of_thread(pid);
    // include/uapi/linux/capability.h
    const CHOWN: i64 = 0;
    const DAC_READ_SEARCH: i64 = 2;
    const SETUID: i64 = 7;
    const SYS_ADMIN: i64 = 21;
    let asked = |cap: i64, had: bool| {
        let told = all.iter().filter(|e| {
            let result = Some(i64::from(had));
            e.name() == "cap_capable"
                && e.number("cap") == Some(cap)
                && e.number("result") == result
        });
        told.count()
    };
    assert_eq!(asked(CHOWN, true), 1);
    assert_eq!(asked(SETUID, true), 1);
    assert_eq!(asked(DAC_READ_SEARCH, false), 1);
    assert_eq!(asked(SYS_ADMIN, false), 0);
}
