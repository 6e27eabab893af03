//! What the kernel does by itself: signals from whom to whom, and the states of TCP connections.

use crate::inside;
use afterimage_model::{Gap, GapCause};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, End};
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

extern "C" fn handler(_: i32) {}

#[test]
fn what_the_kernel_did_not_run_is_what_it_says_of_the_program() {
    needs_recording!();
    let floor = afterimage_capture::Floor::attach().expect("a program");
    let (fd, missed) = floor.missed().expect("the kernel says");
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()));
    let text = text.expect("its text");
    let said = text
        .lines()
        .find_map(|l| l.strip_prefix("recursion_misses:"));
    // Kernels before 5.12 do not count.
    let said = said.map_or(0, |count| count.trim().parse().expect("a number"));
    assert_eq!(missed, said);
}

#[test]
fn a_signal_has_a_sender_a_receiver_and_what_became_of_it() {
    needs_recording!();
    let cgroup = Cgroup::fresh("signals").expect("a control group");
    let (capture, (sender, receiver, broken)) = harness::record(inside(&cgroup), || {
        let (ready, tell) = std::io::pipe().expect("a pipe");
        let receiver = child::fork(|| {
            cgroup.enter().expect("the group takes the child");
            // SAFETY: a handler that does nothing; a call that a signal ends.
            unsafe {
                libc::signal(libc::SIGUSR1, handler as *const () as libc::sighandler_t);
                let mut all = std::mem::zeroed();
                libc::sigemptyset(&mut all);
                libc::sigaddset(&mut all, libc::SIGUSR1);
                libc::sigprocmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
                libc::sigemptyset(&mut all);
                (&tell).write_all(b"x").expect("the parent hears");
                libc::sigsuspend(&all);
            }
            0
        })
        .expect("fork");
        (&ready).read_exact(&mut [0]).expect("it is ready");
        let to = receiver.pid() as i32;
        let (sender, end) = harness::run_in(&cgroup, || {
            // SAFETY: the receiver has not been waited for.
            unsafe { libc::kill(to, libc::SIGUSR1) }
        });
        assert_eq!(end, End::Exited(0));
        let pid = receiver.pid();
        assert_eq!(receiver.wait(), End::Exited(0));
        let (broken, end) = harness::run_in(&cgroup, || {
            // SAFETY: none, on purpose: page 0 is not there. No core file is wanted.
            unsafe {
                libc::setrlimit(
                    libc::RLIMIT_CORE,
                    &libc::rlimit {
                        rlim_cur: 0,
                        rlim_max: 0,
                    },
                );
                libc::signal(libc::SIGSEGV, libc::SIG_DFL);
                std::arch::asm!("mov {0}, [{0}]", inout(reg) 8u64 => _);
            }
            0
        });
        assert_eq!(end, End::Killed(libc::SIGSEGV));
        (sender, pid, broken)
    });
    let sent = capture.of_type("signal_generate");
    let sent = sent
        .iter()
        .find(|e| e.number("sig") == Some(10))
        .expect("the signal that was sent");
    assert_eq!(sent.pid(), sender);
    assert_eq!(sent.number("spid"), Some(i64::from(sender)));
    assert_eq!(sent.number("dpid"), Some(i64::from(receiver)));
    assert_eq!(sent.bytes("code"), Some(&b"SI_USER"[..]));
    assert_eq!(sent.number("result"), Some(0));
    let delivered = capture.of_type("signaldeliver");
    let of = |sig: i64| {
        let found = delivered.iter().find(|e| e.number("sig") == Some(sig));
        found.unwrap_or_else(|| panic!("signal {sig} was delivered"))
    };
    let handled = of(10);
    assert_eq!(handled.pid(), receiver);
    assert_eq!(handled.number("spid"), Some(i64::from(sender)));
    assert_eq!(handled.number("handler"), Some(2));
    let fault = of(11);
    assert_eq!((fault.pid(), fault.number("handler")), (broken, Some(0)));
    assert_eq!(fault.number("spid"), Some(0), "by the kernel");
    assert_eq!(fault.bytes("code"), Some(&b"SEGV_MAPERR"[..]));
}

#[test]
fn connections_go_through_their_states_in_the_hands_of_their_owners() {
    needs_recording!();
    const TIMES: usize = 200;
    let cgroup = Cgroup::fresh("states").expect("a control group");
    let (capture, (client, server)) = harness::record(inside(&cgroup), || {
        let (ready, tell) = std::io::pipe().expect("a pipe");
        let server = child::fork(|| {
            cgroup.enter().expect("the group takes the child");
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = listener.local_addr().expect("an address").port();
            (&tell)
                .write_all(&port.to_ne_bytes())
                .expect("the parent hears");
            for _ in 0..TIMES {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut text = Vec::new();
                stream.read_to_end(&mut text).expect("what it says");
                assert_eq!(text, b"hello");
            }
            0
        })
        .expect("fork");
        let mut port = [0; 2];
        (&ready).read_exact(&mut port).expect("it listens");
        let port = u16::from_ne_bytes(port);
        let (client, end) = harness::run_in(&cgroup, || {
            for _ in 0..TIMES {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
                stream.write_all(b"hello").expect("it takes it");
            }
            0
        });
        assert_eq!(end, End::Exited(0));
        let pid = server.pid();
        assert_eq!(server.wait(), End::Exited(0));
        (client, pid)
    });
    let states = capture.of_type("inet_sock_set_state");
    let count = |pid: u32, old: i64, new: i64| {
        states
            .iter()
            .filter(|e| {
                e.pid() == pid
                    && (e.number("oldstate"), e.number("newstate")) == (Some(old), Some(new))
            })
            .count()
    };
    // CLOSE to SYN_SENT to ESTABLISHED to FIN_WAIT1 on one side, SYN_RECV to ESTABLISHED on the other.
    assert_eq!(count(client, 7, 2), TIMES);
    assert_eq!(count(client, 2, 1), TIMES);
    assert_eq!(count(client, 1, 4), TIMES);
    assert_eq!(count(server, 3, 1), TIMES);
    assert_eq!(count(server, 7, 10), 1);
    for event in &states {
        let file = event.file().expect("a socket");
        assert!(file.flow.is_some(), "{}", event.line());
        let connected = (event.number("oldstate"), event.number("newstate")) == (Some(2), Some(1));
        assert_eq!(
            event.number("latency_ns").is_some(),
            connected,
            "{}",
            event.line()
        );
    }
}

/// What is told of signals and connections stands in one ring, where it is written over what stood there before.
#[test]
fn a_signal_is_told_by_nothing_that_stood_in_its_place_before() {
    needs_recording!();
    const TIMES: usize = 1_500;
    const EACH: usize = 4;
    let cgroup = Cgroup::fresh("places").expect("a control group");
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("an address");
            for _ in 0..TIMES {
                let stream = TcpStream::connect(address).expect("a connection");
                let (accepted, _) = listener.accept().expect("the other end");
                drop((stream, accepted));
                for _ in 0..EACH {
                    // SAFETY: nobody handles it, and it does nothing then.
                    unsafe { libc::kill(libc::getpid(), libc::SIGURG) };
                }
            }
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    let undecodable = |gap: &&Gap| gap.cause == GapCause::Undecodable;
    assert_eq!(capture.gaps.iter().find(undecodable), None);
    let all = capture.of_type("signal_generate");
    let sent = all
        .iter()
        .filter(|e| e.number("spid") == Some(i64::from(pid)));
    let sent = sent.filter(|e| e.number("sig") == Some(i64::from(libc::SIGURG)));
    // What had no room there is counted: a recorder that was built for tests is slow.
    let lost = capture.totals.dropped as usize;
    let sent = sent.count();
    assert!(sent + lost >= TIMES * EACH, "{sent}, and {lost} lost");
    for event in &all {
        assert!(event.file().is_none(), "{}", event.line());
    }
}
