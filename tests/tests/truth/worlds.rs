//! Namespaces within namespaces, clocks of their own, addresses that change under the kernel's hands: whoever looks from within sees
//! something else than the host does.

use crate::inside;
use afterimage_model::{Ctx, EventFlags, Process, Value};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, End, Shared};
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

const KINDS: [&str; 7] = ["pid", "mnt", "net", "user", "uts", "ipc", "cgroup"];

fn inodes_of(row: &Process) -> [u32; 7] {
    [
        row.ns_pid,
        row.ns_mnt,
        row.ns_net,
        row.ns_user,
        row.ns_uts,
        row.ns_ipc,
        row.ns_cgroup,
    ]
}

/// The inode of a namespace of this thread.
fn inode(kind: &str) -> u32 {
    let link = std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap_or_default();
    let link = link.display().to_string();
    let digits = link
        .split(['[', ']'])
        .nth(1)
        .and_then(|digits| digits.parse().ok());
    digits.unwrap_or(0)
}

/// Makes new namespaces of every kind and a child in them that does the same, so often; each says by its umask how deep it is, and
/// writes down what it sees of itself.
fn deeper(level: u32, most: u32, told: &[Shared]) -> i32 {
    // SAFETY: sets a number, and asks for one.
    let own = unsafe {
        libc::syscall(libc::SYS_umask, level);
        libc::getpid()
    };
    let mut seen = own.to_ne_bytes().to_vec();
    for kind in KINDS {
        seen.extend(inode(kind).to_ne_bytes());
    }
    let Some(room) = told.get(level as usize) else {
        return 1;
    };
    room.put(&seen);
    if level == most {
        return 0;
    }
    let all = libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUSER;
    // SAFETY: changes this process alone.
    if unsafe { libc::unshare(all) } != 0 {
        return 2;
    }
    if child::be_root_of_own_users().is_err() {
        return 3;
    }
    let child = child::fork(|| deeper(level + 1, most, told)).expect("fork");
    i32::from(child.wait() != End::Exited(0))
}

#[test]
fn a_process_deep_in_namespaces_is_known_by_its_numbers_in_all_of_them() {
    needs_recording!();
    const DEEP: u32 = 5;
    let cgroup = Cgroup::fresh("deep").expect("a control group");
    let told: Vec<Shared> = (0..=DEEP)
        .map(|_| Shared::new(4096).expect("memory"))
        .collect();
    let (capture, (_, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || deeper(0, DEEP, &told))
    });
    if end == End::Exited(2) {
        harness::skip("namespaces of users are not allowed here");
        return;
    }
    assert_eq!(end, End::Exited(0));
    let calls = capture.of_type("umask");
    let mut hosts = Vec::new();
    for level in 0..=DEEP {
        let call = calls
            .iter()
            .find(|ctx| ctx.number("mask") == Some(i64::from(level)));
        let call = call.unwrap_or_else(|| panic!("no call of level {level}"));
        let row = call.proc().expect("its process");
        let seen = told[level as usize].take();
        let numbers: Vec<u32> = (seen.as_chunks::<4>().0.iter())
            .map(|raw| u32::from_ne_bytes(*raw))
            .collect();
        let (vpid, namespaces) = numbers.split_first().expect("its own number");
        assert_eq!(row.vpid, *vpid, "level {level}");
        assert_eq!(inodes_of(row), namespaces, "{KINDS:?} of level {level}");
        assert_eq!(row.key.pid, call.event.tid);
        hosts.push(row.key.pid);
    }
    hosts.sort_unstable();
    hosts.dedup();
    assert_eq!(
        hosts.len() as u32,
        DEEP + 1,
        "a number of the host for each"
    );
}

#[test]
fn a_container_with_a_clock_of_its_own_is_recorded_by_the_clock_of_the_host() {
    needs_recording!();
    let cgroup = Cgroup::fresh("clock").expect("a control group");
    let boot_ns = || {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        now.tv_sec * 1_000_000_000 + now.tv_nsec
    };
    let told = Shared::new(4096).expect("memory");
    let began = boot_ns();
    let (capture, (_, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            // man 7 time_namespaces: offsets are set before the first process is in it; a million seconds.
            // SAFETY: changes this process's children alone.
            if unsafe { libc::unshare(libc::CLONE_NEWTIME) } != 0 {
                return 2;
            }
            if std::fs::write(
                "/proc/self/timens_offsets",
                "boottime 1000000 0\nmonotonic 1000000 0\n",
            )
            .is_err()
            {
                return 2;
            }
            let child = child::fork(|| {
                told.put(&boot_ns().to_ne_bytes());
                // SAFETY: sets a number.
                unsafe { libc::syscall(libc::SYS_umask, 0o123) };
                0
            });
            i32::from(child.expect("fork").wait() != End::Exited(0))
        })
    });
    let ended = boot_ns();
    if end == End::Exited(2) {
        harness::skip("this kernel has no namespaces of time");
        return;
    }
    assert_eq!(end, End::Exited(0));
    let own = told
        .take()
        .first_chunk()
        .map_or(0, |raw| i64::from_ne_bytes(*raw));
    assert!(
        own - began >= 1_000_000_000_000_000,
        "its own clock is ahead: {own}"
    );
    let call = capture
        .of_type("umask")
        .into_iter()
        .find(|ctx| ctx.number("mask") == Some(0o123));
    let call = call.expect("the call");
    let row = call.proc().expect("its process");
    let host = began.unsigned_abs()..ended.unsigned_abs();
    assert!(
        host.contains(&call.event.time.0),
        "{:?} is not in {host:?}",
        call.event.time
    );
    assert!(
        host.contains(&row.key.start_ns),
        "{:?} is not in {host:?}",
        row.key
    );
}

/// Connections at once, each to a listener of its own.
const CONNECTIONS: usize = 8;

#[test]
fn an_address_that_changes_while_the_kernel_connects_is_recorded_as_whom_it_reached() {
    needs_recording!();
    let cgroup = Cgroup::fresh("claims").expect("a control group");
    let told = Shared::new(4096).expect("memory");
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            // SAFETY: changes this process alone.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                return 2;
            }
            let up = Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status();
            if !up.is_ok_and(|status| status.success()) {
                return 2;
            }
            let ports: Vec<u16> = std::thread::scope(|scope| {
                let all: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(deceive)).collect();
                all.into_iter()
                    .map(|one| one.join().ok().flatten().unwrap_or(0))
                    .collect()
            });
            told.put(
                &ports
                    .iter()
                    .flat_map(|port| port.to_ne_bytes())
                    .collect::<Vec<u8>>(),
            );
            i32::from(ports.contains(&0))
        })
    });
    if end == End::Exited(2) {
        harness::skip("no network of its own can be made here (the command `ip` is needed)");
        return;
    }
    assert_eq!(end, End::Exited(0));
    let ports = ports(&told);
    // What was passed says port 9 when the call returns.
    let nine = [2, 0, 0, 9, 127, 0, 0, 1];
    let deceived: Vec<_> = (capture.of_type("connect").into_iter())
        .filter(|ctx| {
            ctx.pid() == pid
                && ctx
                    .bytes("addr")
                    .is_some_and(|addr| addr.starts_with(&nine))
        })
        .collect();
    assert_eq!(deceived.len(), CONNECTIONS);
    for ctx in deceived {
        let flow = ctx
            .file()
            .and_then(|file| file.flow)
            .unwrap_or_else(|| panic!("no ends: {}", ctx.line()));
        assert!(ports.contains(&flow.remote.port()), "{flow:?}");
        assert!(
            ctx.event.flags.has(EventFlags::CLAIM_DIFFERS),
            "{}",
            ctx.line()
        );
    }
}

/// Whether somebody waits for an answer of a port: SYN_SENT is 02 in /proc/net/tcp (man 5 proc_pid_net).
fn asks_for(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap_or_default();
    table.contains(&format!(":{port:04X} 02 "))
}

/// Ports that were told.
fn ports(told: &Shared) -> Vec<u16> {
    let told = told.take();
    let raw = told.as_chunks::<2>().0.iter();
    raw.map(|raw| u16::from_ne_bytes(*raw)).collect()
}

/// Connects to a listener whose queue is full, so that the kernel asks again after a second, and changes the address meanwhile;
/// gives the port that was reached.
fn deceive() -> Option<u16> {
    // SAFETY: sockets of this function's own, structures that outlive the calls.
    unsafe {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").ok()?;
        if libc::listen(listener.as_raw_fd(), 0) != 0 {
            return None;
        }
        let port = listener.local_addr().ok()?.port();
        let _first = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
        let mut address = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr {
                s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
            },
            sin_zero: [0; 8],
        };
        let shared = AtomicPtr::new(&raw mut address);
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        let reached = std::thread::scope(|scope| {
            scope.spawn(|| {
                // The first question of the kernel is on its way then; the second comes a second after it.
                while !asks_for(port) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                let at = shared.load(Ordering::Acquire);
                (&raw mut (*at).sin_port).write_volatile(9_u16.to_be());
                listener.accept().map(drop)
            });
            let at = shared.load(Ordering::Acquire);
            libc::connect(socket, at.cast(), size_of::<libc::sockaddr_in>() as u32)
        });
        libc::close(socket);
        (reached == 0).then_some(port)
    }
}

/// include/net/tcp_states.h
const TCP_CLOSE: i64 = 7;

#[test]
fn a_connection_that_was_reset_before_it_was_accepted_has_both_its_ports() {
    needs_recording!();
    let cgroup = Cgroup::fresh("reset").expect("a control group");
    let told = Shared::new(4096).expect("memory");
    let (capture, (_, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            let Ok(listener) = std::net::TcpListener::bind("127.0.0.1:0") else {
                return 1;
            };
            let Ok(address) = listener.local_addr() else {
                return 2;
            };
            let Ok(client) = std::net::TcpStream::connect(address) else {
                return 3;
            };
            let theirs = client.local_addr().map_or(0, |end| end.port());
            let linger = libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            // SAFETY: the structure outlives the call. Closed so, the connection is reset (man 7 socket).
            let set = unsafe {
                libc::setsockopt(
                    client.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_LINGER,
                    (&raw const linger).cast(),
                    size_of::<libc::linger>() as u32,
                )
            };
            drop(client);
            told.put(&[address.port().to_ne_bytes(), theirs.to_ne_bytes()].concat());
            i32::from(set != 0 || listener.accept().is_err())
        })
    });
    assert_eq!(end, End::Exited(0));
    let accepts = capture.of_type("accept4");
    let accepted = accepts.iter().find(|ctx| ctx.event.result >= 0);
    let flow = accepted.and_then(|ctx| ctx.file()?.flow).expect("its ends");
    let told = ports(&told);
    assert_eq!(vec![flow.local.port(), flow.remote.port()], told);
    // Also where the kernel tells that an end closes, which has given its port back by then.
    let states = capture.of_type("inet_sock_set_state");
    let closes = |ctx: &&Ctx<'_>| matches!(ctx.arg("newstate"), Some(Value::Num(TCP_CLOSE)));
    let flows = states
        .iter()
        .filter(closes)
        .filter_map(|ctx| ctx.file()?.flow);
    let mut ends: Vec<Vec<u16>> = flows
        .filter(|flow| flow.remote.port() != 0)
        .map(|flow| vec![flow.local.port(), flow.remote.port()])
        .collect();
    ends.sort_unstable();
    let mut both = vec![told.iter().copied().rev().collect(), told];
    both.sort_unstable();
    assert_eq!(ends, both);
}
