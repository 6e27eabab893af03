//! What was there before the recording began: open files, sockets, mounts, and calls on them afterwards.

use crate::inside;
use afterimage_model::{File, FileKind, Origin, Role, Safe, Tables};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child;
use afterimage_tests::harness;
use afterimage_tests::needs_recording;
use rustix::process::{Pid, Signal, kill_process};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
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

/// Lets a process that has stopped itself go on.
fn let_go_on(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a pid");
    kill_process(pid, Signal::CONT).expect("it goes on");
}

/// Any socket, as a descriptor that a child may get.
fn socket(family: i32, kind: i32, protocol: i32) -> OwnedFd {
    // SAFETY: it gives a descriptor of its own, or -1.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: it is nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Whatever a socket speaks, it is known by the kernel's own word, also where nobody ever uses it.
#[test]
fn every_kind_of_socket_that_was_there_before_is_told_by_the_kernel() {
    needs_recording!();
    let cgroup = Cgroup::fresh("sockets").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let bound = folder.path().join("bound");
    let bound = bound.to_str().expect("text");
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let at = listener.local_addr().expect("its address");
    let client = TcpStream::connect(at).expect("a connection");
    let from = client.local_addr().expect("its address");
    let (accepted, _) = listener.accept().expect("the other end");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let udp_at = udp.local_addr().expect("its address");
    let unix = UnixListener::bind(bound).expect("a name");
    let to_unix = UnixStream::connect(bound).expect("a connection");
    let netlink = socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE);
    let packet = socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0);
    let held: Vec<OwnedFd> = vec![
        // The end that was accepted comes before the one that listens.
        accepted.into(),
        listener.into(),
        client.into(),
        udp.into(),
        unix.into(),
        to_unix.into(),
        netlink,
        packet,
    ];
    let child = child::fork(|| {
        for (number, fd) in held.iter().enumerate() {
            // SAFETY: both are descriptors of this process alone.
            unsafe { libc::dup2(fd.as_raw_fd(), 100 + number as i32) };
        }
        // SAFETY: it stops itself.
        unsafe { libc::raise(libc::SIGSTOP) };
        0
    })
    .expect("fork");
    let pid = child.pid();
    wait_until_stopped(pid);
    cgroup.adopt(pid).expect("the group takes it");
    let (capture, ()) = harness::record(inside(&cgroup), || {
        let_go_on(pid);
    });
    child.wait();
    let open = |at: u32| open(&capture.state, pid, 100 + at);
    for number in 0..held.len() as u32 {
        assert_eq!(open(number).origin, Origin::Kernel, "{number}");
        assert!(open(number).ino != 0, "{number}");
    }
    let flow = |number| open(number).flow.expect("its ends");
    let ends = |number| {
        let flow = flow(number);
        (flow.protocol.0, flow.local, flow.remote, flow.role)
    };
    let nowhere = |ip: &str| format!("{ip}:0").parse().expect("an address");
    assert_eq!(ends(0), (6, at, from, Role::Server));
    assert_eq!(ends(1), (6, at, nowhere("[::]"), Role::Server));
    assert_eq!((flow(2).local, flow(2).remote), (from, at));
    assert_eq!(ends(3), (17, udp_at, nowhere("0.0.0.0"), Role::Unknown));
    let said = |number| (open(number).kind, Safe::new(&open(number).path).to_string());
    assert_eq!(said(4), (FileKind::Unix, bound.to_owned()));
    assert_eq!(said(5), (FileKind::Unix, bound.to_owned()));
    assert_eq!(open(5).peer_pid, std::process::id());
    assert_eq!(said(6), (FileKind::Netlink, "NETLINK_ROUTE".to_owned()));
    assert_eq!(said(7).0, FileKind::Packet);
}

/// What a descriptor was as the recording began.
fn open(state: &Tables, pid: u32, number: u32) -> &File {
    let held = state.descriptors.iter().find(|((proc, fd), _)| {
        *fd == number && state.proc(*proc).is_some_and(|p| p.key.pid == pid)
    });
    let (_, file) = held.unwrap_or_else(|| panic!("descriptor {number} is in the state"));
    state.file(*file).expect("its file")
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
        let_go_on(pid);
        child.wait().expect("it ends");
    });

    let state = &capture.state;
    let open = |number| open(state, pid, number);
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
