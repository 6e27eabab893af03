//! What takes its time, and what happens on several processors at once: what was asked for counts, and causes come before
//! what they cause.

use crate::inside;
use afterimage_model::EventFlags;
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{End, Shared};
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::{fuse, needs_recording};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Stores a name over the last bytes of a path and its NUL.
fn rename(path: &[AtomicU8], name: &str) {
    let from = path.len() - 1 - name.len();
    for (slot, byte) in path.iter().skip(from).zip(name.bytes()) {
        slot.store(byte, Ordering::SeqCst);
    }
}

/// The kernel has the path and waits for the file system, which changes it before it answers.
#[test]
fn what_a_slow_file_system_opens_is_what_was_asked_for_before_the_wait() {
    needs_recording!();
    let rounds = harness::form(20, 2_000);
    if !std::fs::exists("/dev/fuse").unwrap_or_default() {
        return harness::skip("there is no /dev/fuse");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let [truth, lie] = fuse::NAMES.map(|name| folder.path().join(name));
    let cgroup = Cgroup::fresh("slow").expect("a control group");
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            // Of its own: the stacks of the threads that are gone in the child are given to new ones.
            let folder = folder.path().to_owned();
            let bytes = truth.as_os_str().as_bytes().iter().chain(&[0]);
            let path: Arc<[AtomicU8]> = bytes.map(|byte| AtomicU8::new(*byte)).collect();
            // SAFETY: this process has one thread; the strings are constants.
            unsafe {
                assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0, "a mount namespace");
                let private = libc::MS_REC | libc::MS_PRIVATE;
                let none = std::ptr::null();
                let made = libc::mount(none, c"/".as_ptr(), none, private, none.cast());
                assert_eq!(made, 0, "mounts of its own");
            }
            let device = fuse::mount(&folder).expect("it is mounted");
            let flipped = path.clone();
            let server = std::thread::spawn(move || {
                // Whoever opens waits for the answer, which comes when this has been done.
                fuse::serve(device, || rename(&flipped, fuse::NAMES[1]))
            });
            for _ in 0..rounds {
                rename(&path, fuse::NAMES[0]);
                // SAFETY: the path ends with a NUL and lives as long as this function.
                unsafe {
                    let fd = libc::open(path.as_ptr().cast(), libc::O_RDONLY);
                    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
                    libc::close(fd);
                }
            }
            let at = std::ffi::CString::new(folder.as_os_str().as_bytes()).expect("no NUL");
            // SAFETY: a string that lives through the call.
            assert_eq!(unsafe { libc::umount2(at.as_ptr(), libc::MNT_DETACH) }, 0);
            server.join().expect("no panic").expect("it was unmounted");
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    let opened: Vec<_> = (capture.of_thread(pid).into_iter())
        .filter(|ctx| ctx.name() == "openat" && ctx.event.result >= 0)
        .filter(|ctx| ctx.bytes("path") == Some(lie.as_os_str().as_bytes()))
        .collect();
    assert_eq!(opened.len(), rounds, "what lay there in the end");
    for ctx in opened {
        let file = ctx.file().expect("an open file");
        assert_eq!(file.path, truth.as_os_str().as_bytes(), "{}", ctx.line());
        let marked = ctx.event.flags.has(EventFlags::CLAIM_DIFFERS);
        assert!(marked, "{}", ctx.line());
    }
}

/// Keeps this thread on one processor.
fn stay_on(cpu: usize) {
    // SAFETY: a set of the size that is told.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        let done = libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
        assert_eq!(done, 0, "processor {cpu}");
    }
}

/// Each reads before it writes to the other, and each read returns only when the other has written.
#[test]
fn what_one_processor_causes_on_another_comes_behind_it() {
    needs_recording!();
    let rounds = harness::form(20_000, 1_000_000);
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return harness::skip("there is one processor");
    }
    let cgroup = Cgroup::fresh("ping-pong").expect("a control group");
    let told = Shared::new(4096).expect("shared memory");
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            let (mut to_there, from_here) = {
                let (read, write) = std::io::pipe().expect("a pipe");
                (write, read)
            };
            let (mut from_there, mut to_here) = std::io::pipe().expect("a pipe");
            let other = std::thread::spawn(move || {
                stay_on(1);
                let mut from_here = from_here;
                let mut byte = [0];
                for _ in 0..rounds {
                    from_here.read_exact(&mut byte).expect("a byte");
                    to_here.write_all(&byte).expect("a byte");
                }
                // SAFETY: asks for a number.
                unsafe { libc::gettid() }.unsigned_abs()
            });
            stay_on(0);
            let mut byte = [1];
            for _ in 0..rounds {
                to_there.write_all(&byte).expect("a byte");
                from_there.read_exact(&mut byte).expect("a byte");
            }
            let other = other.join().expect("no panic");
            told.put(&other.to_ne_bytes());
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    assert_eq!(capture.totals.dropped, 0);
    let other = told.take();
    let other = u32::from_ne_bytes(other.try_into().expect("a number"));
    let (mut seen, mut inversions) = (0, 0);
    let mut cpus = std::collections::BTreeSet::new();
    for ctx in capture.events() {
        let turn = [other, pid]
            .into_iter()
            .position(|tid| tid == ctx.event.tid);
        let (Some(turn), "read", 1) = (turn, ctx.name(), ctx.event.result) else {
            continue;
        };
        inversions += usize::from(turn != seen % 2);
        seen += 1;
        cpus.insert(ctx.event.cpu);
    }
    assert_eq!((seen, inversions), (2 * rounds, 0));
    assert_eq!(cpus.len(), 2);
}
