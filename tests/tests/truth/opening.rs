//! What was there before the recording began: open files, sockets, mounts, and calls on them afterwards.

use crate::inside;
use afterimage_model::{FileKind, Origin, Role, Safe};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::harness;
use afterimage_tests::needs_recording;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Waits until a process has stopped itself.
fn wait_until_stopped(pid: u32) {
    let begin = Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
        if stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" T"))
        {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{stat}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_was_open_and_mounted_before_is_known() {
    needs_recording!();
    let cgroup = Cgroup::fresh("opening").expect("a control group");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let mut child = Command::new("/bin/sh")
        .args(["-c", "exec 7</etc/passwd; kill -STOP $$; read line <&7"])
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .spawn()
        .expect("a shell");
    let pid = child.id();
    wait_until_stopped(pid);
    cgroup.adopt(pid).expect("the group takes the shell");
    let (capture, ()) = harness::record(inside(&cgroup), || {
        let shell = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
        rustix::process::kill_process(shell, rustix::process::Signal::CONT).expect("it goes on");
        child.wait().expect("it ends");
    });

    let state = &capture.state;
    let open = |number: u32| {
        let held = state.descriptors.iter().find(|((proc, fd), _)| {
            *fd == number && state.proc(*proc).is_some_and(|p| p.key.pid == pid)
        });
        let (_, file) = held.unwrap_or_else(|| panic!("descriptor {number} is in the state"));
        state.file(*file).expect("its file")
    };
    assert_eq!(Safe::new(&open(7).path).to_string(), "/etc/passwd");
    assert_eq!(open(7).origin, Origin::Procfs);
    let socket = open(0);
    assert_eq!(socket.kind, FileKind::Ipv4);
    let flow = socket.flow.expect("its ends");
    assert_eq!((flow.local, flow.role), (address, Role::Server));
    assert!(state.mounts.values().any(|mount| mount.point == b"/"));

    let reads = capture.of_type("read");
    let files: Vec<_> = reads
        .iter()
        .filter_map(|ctx| Some(Safe::new(&ctx.file()?.path).to_string()))
        .collect();
    assert!(files.contains(&"/etc/passwd".to_owned()), "{files:?}");
}
