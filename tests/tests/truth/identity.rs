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
