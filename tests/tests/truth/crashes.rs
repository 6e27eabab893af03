//! Where a process was that crashed: its registers, its frames, and what they lie in.

use afterimage_tests::child::End;
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;

/// Three calls deep, with a frame pointer in each, then a read where nothing is: `inner` loads from 0xdead0.
/// What the compiler makes of functions may have no frame pointers, so these are written out.
#[cfg(target_arch = "x86_64")]
fn fall() {
    // SAFETY: ends this process, as it is meant to; until then the stack is in order.
    unsafe {
        std::arch::asm!(
            "call 2f",
            "jmp 9f",
            "2: push rbp",
            "mov rbp, rsp",
            "call 3f",
            "pop rbp",
            "ret",
            "3: push rbp",
            "mov rbp, rsp",
            "mov rax, 0xdead0",
            "mov r12, 0x1234",
            "mov rax, [rax]",
            "pop rbp",
            "ret",
            "9:",
            out("rax") _,
            out("r12") _,
        );
    }
}

#[test]
fn a_crash_tells_signal_address_registers_and_frames() {
    needs_recording!();
    let (capture, pid, end) = harness::record_child("crash", || {
        // The runtime's own handler would be there first.
        // SAFETY: puts back what the system does by itself.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        // SAFETY: asks for a number; it is the last call before.
        unsafe { libc::syscall(libc::SYS_getppid) };
        fall();
        0
    });
    assert_eq!(end, End::Killed(libc::SIGSEGV));
    let events = capture.of_thread(pid);
    let at = events.iter().position(|ctx| ctx.name() == "crash");
    let crash = &events[at.expect("a crash is recorded")];
    let last = events[..at.unwrap_or(0)]
        .iter()
        .rev()
        .find(|ctx| ctx.name() == "getppid");
    assert!(last.is_some(), "its last call is before it");
    assert_eq!(crash.number("sig"), Some(i64::from(libc::SIGSEGV)));
    assert_eq!(crash.number("addr"), Some(0xdead0));
    let text =
        |name: &str| String::from_utf8_lossy(crash.bytes(name).unwrap_or_default()).into_owned();
    let registers = text("registers");
    assert!(registers.contains(" r12=0x1234 "), "{registers}");
    assert!(registers.contains(" ax=0xdead0 "), "{registers}");
    let stack = text("stack");
    let program = std::env::current_exe().expect("this program");
    let name = program
        .file_name()
        .and_then(|name| name.to_str())
        .expect("text");
    // Names are cut to what the kernel program keeps.
    let name = &name[..name.len().min(39)];
    let own: Vec<&str> = stack
        .split(' ')
        .filter(|frame| frame.starts_with(name))
        .collect();
    assert!(own.len() >= 3, "{stack}");
    // The innermost frames are a few bytes apart: one routine, written in one piece.
    let place = |frame: &str| {
        let digits = frame.rsplit_once("+0x").map_or("", |parts| parts.1);
        u64::from_str_radix(digits, 16).expect("a place in the file")
    };
    assert!(place(own[0]).abs_diff(place(own[1])) < 128, "{stack}");
    let maps = text("maps");
    assert!(maps.contains(name), "{maps}");
    assert!(events.iter().any(|ctx| ctx.name() == "procexit"));
}

#[test]
fn a_signal_that_is_handled_is_no_crash() {
    needs_recording!();
    let (capture, pid, _) = harness::record_child("handled", || {
        extern "C" fn ignore(_: libc::c_int) {}
        // SAFETY: the handler does nothing, and the signal is sent to this process.
        unsafe {
            libc::signal(libc::SIGABRT, ignore as *const () as usize);
            libc::raise(libc::SIGABRT);
        }
        0
    });
    let events = capture.of_thread(pid);
    assert!(events.iter().any(|ctx| ctx.name() == "signaldeliver"));
    assert!(events.iter().all(|ctx| ctx.name() != "crash"));
}
