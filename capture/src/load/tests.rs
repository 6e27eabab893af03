//! Who wakes whoever sleeps.

use super::*;
use crate::wire::{ScopeMode, Sleep};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Programs that record, and their rings; says so where it cannot be tried.
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn armed() -> Option<(Kernel, Rings)> {
    if let Err(why) = host::check_rights() {
        eprintln!("skipped: {why}");
        return None;
    }
    let settings = Settings {
        self_tgid: std::process::id(),
        scope_mode: ScopeMode::TREE,
        scope_unknown: 0,
        snaplen: 256,
        ring_bytes: 1 << 20,
        cpus: host::possible_cpus(),
        latency: false,
    };
    let (mut kernel, rings) = Kernel::load(&settings).expect("it loads");
    kernel.attach().expect("it attaches");
    Some((kernel, rings))
}

/// A child that is in the scope, and waits for its input.
fn child(kernel: &mut Kernel, script: &str) -> Child {
    // On one CPU, so that all it does is in one ring.
    let mut child = Command::new("taskset");
    child.args(["1", "sh", "-c", script]).stdin(Stdio::piped());
    let child = child.spawn().expect("a child");
    kernel.scope_pid(child.id()).expect("it is known");
    child
}

#[test]
fn what_never_yields_wakes_whoever_sleeps_and_nobody_else() {
    let Some((mut kernel, mut rings)) = armed() else {
        return;
    };
    // A child executes a program, and ends.
    let run = |kernel: &mut Kernel| {
        let mut child = child(kernel, "read go; exec true");
        drop(child.stdin.take());
        child.wait().expect("its end");
    };
    run(&mut kernel);
    assert!(!kernel.wait(Duration::from_millis(1)), "nobody sleeps");
    rings.sleep(Sleep::NAPS);
    run(&mut kernel);
    assert!(kernel.wait(Duration::from_secs(30)), "it sleeps");
    // Nothing came with it.
    assert_eq!(kernel.side_record(), None);
    rings.sleep(Sleep::AWAKE);
    run(&mut kernel);
    assert!(
        !kernel.wait(Duration::from_millis(1)),
        "it does not sleep any more"
    );
}

/// Waits for something to come about, for half a minute at the most.
fn until(rings: &mut Rings, is_so: impl Fn(&mut Rings) -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so(rings) {
        assert!(Instant::now() < end, "it does not come about");
        std::thread::yield_now();
    }
}

/// Waits until a process waits for its input: it is a shell that sleeps in `read` from descriptor 0.
fn until_it_reads(pid: u32) {
    let end = Instant::now() + Duration::from_secs(30);
    let reads = format!("{} 0x0 ", libc::SYS_read);
    loop {
        let call = std::fs::read_to_string(format!("/proc/{pid}/syscall"));
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        let is_shell = name.is_ok_and(|name| name.trim() == "sh");
        if is_shell && call.is_ok_and(|call| call.starts_with(&reads)) {
            return;
        }
        assert!(Instant::now() < end, "it does not read");
        std::thread::yield_now();
    }
}

#[test]
fn at_rest_any_record_wakes() {
    let Some((mut kernel, mut rings)) = armed() else {
        return;
    };
    let mut child = child(&mut kernel, "read a; read b; read c; read d");
    let mut input = child.stdin.take().expect("its input");
    let settle = |rings: &mut Rings| {
        until_it_reads(child.id());
        rings.refresh();
        let drained = rings.drain(u64::MAX, u64::MAX, |_| Ok::<(), Error>(()));
        drained.expect("they are read");
        assert!(rings.are_empty(), "nothing happens");
    };
    // The first record of a ring wakes in any case.
    settle(&mut rings);
    input.write_all(b"x\n").expect("it reads");
    until(&mut rings, |rings| !rings.are_empty());
    for (how, wakes) in [(Sleep::NAPS, false), (Sleep::AT_REST, true)] {
        settle(&mut rings);
        rings.sleep(how);
        input.write_all(b"x\n").expect("it reads");
        assert_eq!(kernel.wait(Duration::from_millis(500)), wakes, "{how}");
        until(&mut rings, |rings| !rings.are_empty());
        rings.sleep(Sleep::AWAKE);
    }
    drop(input);
    child.wait().expect("its end");
}
