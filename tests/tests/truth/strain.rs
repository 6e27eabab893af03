//! Crowds, churn, a consumer that was held up, two recorders at once: what strains the recorder must neither mix up nor lose
//! anything. Short forms; `AFTERIMAGE_SOAK=1` makes them long.

use crate::inside;
use afterimage_capture::{Options, Scope};
use afterimage_model::GapCause;
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, End, Shared};
use afterimage_tests::harness::{self, Capture, Seen};
use afterimage_tests::needs_recording;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Memory of this process that is not of files, bytes.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is there");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.expect("a number") << 10
}

/// As [`anonymous`], once it has stopped falling: what has been handed over is in the file then, and no more in memory.
fn settled() -> u64 {
    let (mut least, mut looks) = (anonymous(), 0);
    while looks < 10 {
        std::thread::sleep(LOOK);
        let now = anonymous();
        looks = if now < least { 0 } else { looks + 1 };
        least = least.min(now);
    }
    least
}

/// Time between two looks at whether something has come about.
const LOOK: Duration = Duration::from_millis(20);

#[test]
fn a_crowd_of_processes_and_threads_has_every_parent_right() {
    needs_recording!();
    let (wide, deep, threads) = (harness::form(20_u32, 400), 10, harness::form(100, 2_000));
    let cgroup = Cgroup::fresh("crowd").expect("a control group");
    let told = Shared::new(1 << 20).expect("memory");
    let before = anonymous();
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            // Many families at once: each begets a child that begets a child, and says whose child it is.
            let families: Vec<_> = (0..wide)
                .map(|_| {
                    let (from, to) = std::io::pipe().expect("a pipe");
                    let child = child::fork(|| beget(deep, to.as_raw_fd())).expect("fork");
                    (from, child)
                })
                .collect();
            let mut all = Vec::new();
            for (mut from, child) in families {
                if child.wait() != End::Exited(0) {
                    return 1;
                }
                from.read_to_end(&mut all).expect("what they told");
            }
            told.put(&all);
            let threads: Vec<_> = (0..threads)
                .map(|_| std::thread::spawn(std::thread::yield_now))
                .collect();
            i32::from(threads.into_iter().any(|thread| thread.join().is_err()))
        })
    });
    assert_eq!(end, End::Exited(0));
    let told = told.take();
    let told: BTreeMap<u32, u32> = (told.as_chunks::<8>().0.iter())
        .map(|pair| {
            let [a, b, c, d, e, f, g, h] = *pair;
            (
                u32::from_ne_bytes([a, b, c, d]),
                u32::from_ne_bytes([e, f, g, h]),
            )
        })
        .collect();
    assert_eq!(told.len() as u32, wide * deep);
    let ends = capture.of_type("procexit");
    let mut right = 0;
    for ctx in &ends {
        if let Some(parent) = told.get(&ctx.event.tid) {
            let row = ctx.proc().expect("its process");
            assert_eq!(row.key.pid, ctx.event.tid, "{}", ctx.line());
            let known = row.parent.and_then(|id| ctx.tables.proc(id));
            let known = known.map(|parent| parent.key.pid);
            assert_eq!(known, Some(*parent), "{}", ctx.line());
            right += 1;
        }
    }
    assert_eq!(right, told.len(), "every end is there");
    let own = ends.iter().filter(|ctx| ctx.pid() == pid);
    assert_eq!(own.count() as u32, threads + 1, "threads end too");
    let grown = anonymous().saturating_sub(before);
    assert!(grown < 512 << 20, "{grown} bytes for a crowd");
}

/// Tells its own and its parent's id, and has a child that does the same.
fn beget(left: u32, to: i32) -> i32 {
    // SAFETY: asks for numbers, and writes eight bytes of its own.
    let told = unsafe {
        let pair = [libc::getpid(), libc::getppid()];
        libc::write(to, pair.as_ptr().cast(), 8)
    };
    if told != 8 {
        return 1;
    }
    if left == 1 {
        return 0;
    }
    let child = child::fork(|| beget(left - 1, to)).expect("fork");
    i32::from(child.wait() != End::Exited(0))
}

#[test]
fn thousands_of_names_are_never_mixed_up() {
    needs_recording!();
    let names = harness::form(3_000_u32, 300_000);
    let cgroup = Cgroup::fresh("names").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_owned();
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            // The same few numbers name one file after another; half are opened beneath a folder that is closed at once.
            for at in 0..names {
                let name = format!("{}/name-{at}", root.display());
                if std::fs::write(&name, at.to_string()).is_err() {
                    return 1;
                }
                let mut content = [0_u8; 16];
                // SAFETY: the paths are C strings of this frame, and the buffer outlives the call.
                let read = unsafe {
                    let name = std::ffi::CString::new(format!("name-{at}")).expect("no NUL");
                    let top = std::ffi::CString::new(root.display().to_string()).expect("no NUL");
                    let dir = libc::open(top.as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY);
                    let fd = libc::openat(dir, name.as_ptr(), libc::O_RDONLY);
                    if at % 2 == 0 {
                        libc::close(dir);
                    }
                    let read = libc::read(fd, content.as_mut_ptr().cast(), 16);
                    libc::close(fd);
                    if at % 2 == 1 {
                        libc::close(dir);
                    }
                    read
                };
                if read <= 0 || std::fs::remove_file(&name).is_err() {
                    return 2;
                }
            }
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    // A recorder that cannot follow keeps no contents for a while, and says so.
    let is_degraded = (capture.gaps.iter()).any(|gap| gap.cause == GapCause::Degraded);
    let mut compared = 0;
    for ctx in capture.of_thread(pid) {
        if ctx.name() == "read"
            && ctx.event.result > 0
            && let Some(content) = ctx.bytes("buf")
        {
            if content.is_empty() && is_degraded {
                compared += 1;
                continue;
            }
            let content = String::from_utf8_lossy(content);
            let file = ctx
                .file()
                .unwrap_or_else(|| panic!("no file: {}", ctx.line()));
            let path = String::from_utf8_lossy(&file.path).into_owned();
            assert!(
                path.ends_with(&format!("/name-{content}")),
                "{path} holds {content}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, names);
}

#[test]
fn containers_that_come_and_go_leave_little_behind() {
    needs_recording!();
    let half = harness::form(150_u32, 500);
    let cgroup = Cgroup::fresh("churn").expect("a control group");
    let options = Options {
        scope: Scope::AllContainers,
        ..inside(&cgroup)
    };
    let (capture, (ids, warm, after)) = harness::record(options, || {
        let mut ids = Vec::new();
        let mut churn = || {
            for _ in 0..half {
                let (one, id) = Cgroup::like_a_container("churn").expect("a control group");
                let (pid, end) = harness::run_in(&one, || 7);
                assert_eq!(end, End::Exited(7));
                ids.push((pid, id));
            }
            settled()
        };
        let (warm, after) = (churn(), churn());
        (ids, warm, after)
    });
    let ends: BTreeMap<u32, String> = (capture.of_type("procexit").into_iter())
        .filter_map(|ctx| Some((ctx.pid(), ctx.container()?.full_id.clone())))
        .collect();
    for (pid, id) in &ids {
        assert_eq!(ends.get(pid), Some(id));
    }
    let each = after.saturating_sub(warm) / u64::from(half);
    eprintln!("{each} bytes for each container that is gone");
    assert!(
        each < 64 << 10,
        "{each} bytes for each container that is gone"
    );
}

#[test]
fn two_recordings_at_once_both_see_everything() {
    needs_recording!();
    const CALLS: u32 = 5_000;
    let cgroup = Cgroup::fresh("both").expect("a control group");
    let (outer, (inner, (pid, end))) = harness::record(inside(&cgroup), || {
        harness::record(inside(&cgroup), || {
            harness::run_in(&cgroup, || {
                for _ in 0..CALLS {
                    // SAFETY: asks for a number.
                    unsafe { libc::syscall(libc::SYS_getppid) };
                }
                0
            })
        })
    });
    assert_eq!(end, End::Exited(0));
    let lines = |capture: &Capture| {
        let of = capture.of_thread(pid).into_iter();
        of.filter(|ctx| ctx.name() != "procexit")
            .map(|ctx| {
                (
                    ctx.name().to_owned(),
                    ctx.event.result,
                    ctx.event.args.clone(),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        outer
            .of_thread(pid)
            .iter()
            .filter(|ctx| ctx.name() == "getppid")
            .count() as u32,
        CALLS
    );
    assert_eq!(lines(&outer), lines(&inner));
}

/// Starts a recorder; gives it back once it says that it records.
pub fn said_to_record(mut command: Command) -> (std::process::Child, impl BufRead) {
    let mut command = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(command.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("ecording") {
        line.clear();
        let more = said.read_line(&mut line).expect("it says something");
        assert!(more > 0, "it ended before it recorded");
    }
    (command, said)
}

/// The recorder's own command, told to record a group into a file, once it says that it does.
pub fn recording(
    cgroup: &Cgroup,
    out: &std::path::Path,
    ring: &str,
) -> (std::process::Child, impl BufRead) {
    let program = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
    let mut command = Command::new(program);
    command
        .args(["record", "--ring", ring, "--cgroup"])
        .arg(cgroup.path())
        .arg("-o")
        .arg(out);
    said_to_record(command)
}

pub fn signal(command: &std::process::Child, signal: i32) {
    // SAFETY: a process of this test's own that was not waited for.
    assert_eq!(unsafe { libc::kill(command.id().cast_signed(), signal) }, 0);
}

/// Asks a recorder to end; gives what it sealed.
pub fn sealed(
    command: std::process::Child,
    said: impl BufRead,
    out: &std::path::Path,
    code: i32,
) -> Capture {
    sealed_by(libc::SIGINT, command, said, out, code)
}

/// Ends a recorder by a signal; gives what it sealed.
pub fn sealed_by(
    by: i32,
    mut command: std::process::Child,
    mut said: impl BufRead,
    out: &std::path::Path,
    code: i32,
) -> Capture {
    signal(&command, by);
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("what it says");
    let status = command.wait().expect("it ends");
    assert_eq!(status.code(), Some(code), "{rest}");
    Capture::open(out)
}

/// How often a recorder's first thread, which empties the rings, has gone to sleep.
fn naps(command: &std::process::Child) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", command.id()));
    let status = status.expect("it runs");
    let line = (status.lines()).find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|line| line.trim().parse().ok())
        .expect("a number")
}

/// Waits until it has gone to sleep so many times more.
fn wait_for_naps(command: &std::process::Child, more: u32) {
    let until = naps(command) + more;
    while naps(command) < until {
        std::thread::sleep(LOOK);
    }
}

fn boot_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

#[test]
fn a_recorder_that_was_held_up_says_from_when_to_when_and_how_much() {
    needs_recording!();
    const CALLS: u32 = 400_000;
    let cgroup = Cgroup::fresh("held-up").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("held.aft");
    let (command, said) = recording(&cgroup, &out, "1MiB");
    signal(&command, libc::SIGSTOP);
    let began = boot_ns();
    let ask = |calls: u32| {
        harness::run_in(&cgroup, || {
            for _ in 0..calls {
                // SAFETY: asks for a number.
                unsafe { libc::syscall(libc::SYS_getppid) };
            }
            0
        })
    };
    let (flood, _) = ask(CALLS);
    let ended = boot_ns();
    signal(&command, libc::SIGCONT);
    // It sleeps again once it has caught up: what comes then is there.
    wait_for_naps(&command, 5);
    let (behind, _) = ask(100);
    // Something is missing: 3.
    let capture = sealed(command, said, &out, 3);
    capture.check_books(&capture.totals);
    let asked = |pid: u32| {
        let of = capture.of_thread(pid);
        of.iter().filter(|ctx| ctx.name() == "getppid").count() as u32
    };
    assert_eq!(asked(behind), 100);
    let kept = asked(flood);
    assert!(kept < CALLS, "a ring of 1 MiB does not hold {CALLS} calls");
    let mut lost = 0;
    for gap in &capture.gaps {
        lost += gap.count.unwrap_or(0);
        if gap.cause == GapCause::RingFull {
            // From the last record that was kept of that processor to the next: both are of the flood, or the first behind it.
            assert!((began..=ended).contains(&gap.start.0), "{gap:?}");
            assert!(gap.end >= gap.start, "{gap:?}");
        }
    }
    assert_eq!(lost, capture.totals.dropped);
    assert!(lost >= u64::from(CALLS - kept), "{lost} lost, {kept} kept");
}

#[test]
fn a_recorder_with_nothing_to_do_sleeps() {
    needs_recording!();
    let cgroup = Cgroup::fresh("idle").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("idle.aft");
    let (command, said) = recording(&cgroup, &out, "8MiB");
    wait_for_naps(&command, 20);
    let (before, began) = (naps(&command), Instant::now());
    wait_for_naps(&command, 40);
    let a_second = f64::from(naps(&command) - before) / began.elapsed().as_secs_f64();
    let capture = sealed(command, said, &out, 0);
    assert_eq!(capture.totals.written, 0);
    assert!(
        a_second <= 40.0,
        "woken {a_second:.0} times a second by nothing"
    );
}

/// Ways to hand a file on.
const WAYS: [&str; 6] = ["dup", "dup3", "fcntl", "fork", "sent", "reopened"];

#[test]
fn a_file_stays_that_file_whoever_writes_through_whatever_number() {
    needs_recording!();
    let rounds = harness::form(20_u32, 200);
    let cgroup = Cgroup::fresh("travel").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_owned();
    let (capture, (_, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            for round in 0..rounds {
                for way in WAYS {
                    let name = format!("{way}-{round}");
                    let file = std::fs::File::create(root.join(&name)).expect("a file");
                    if hand_on(way, &file, name.as_bytes()).is_none() {
                        eprintln!("{name} was not written");
                        return 1;
                    }
                }
            }
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for ctx in capture.of_type("write") {
        let Some(content) = ctx.bytes("buf") else {
            continue;
        };
        let content = String::from_utf8_lossy(content).into_owned();
        let Some(way) = WAYS
            .iter()
            .find(|way| content.starts_with(&format!("{way}-")))
        else {
            continue;
        };
        let file = ctx
            .file()
            .unwrap_or_else(|| panic!("no file: {}", ctx.line()));
        let path = String::from_utf8_lossy(&file.path).into_owned();
        assert!(
            path.ends_with(&format!("/{content}")),
            "{content} went to {path}"
        );
        *seen.entry(way).or_default() += 1;
    }
    assert_eq!(seen.len(), WAYS.len(), "{seen:?}");
    assert!(seen.values().all(|count| *count == rounds), "{seen:?}");
}

/// Writes through a number that was come by in this way.
fn hand_on(way: &str, file: &std::fs::File, content: &[u8]) -> Option<()> {
    let fd = file.as_raw_fd();
    let write = |fd: i32| {
        // SAFETY: the bytes outlive the call.
        let wrote = unsafe { libc::write(fd, content.as_ptr().cast(), content.len()) };
        usize::try_from(wrote)
            .ok()
            .filter(|wrote| *wrote == content.len())
    };
    let write_and_close = |fd: i32| {
        let wrote = write(fd);
        // SAFETY: a number of this function's own.
        unsafe { libc::close(fd) };
        wrote.map(|_| ())
    };
    // SAFETY: numbers of open files; structures of this frame that outlive the calls.
    unsafe {
        match way {
            "dup" => write_and_close(libc::dup(fd)),
            "dup3" => write_and_close(libc::dup3(fd, 200, libc::O_CLOEXEC)),
            "fcntl" => write_and_close(libc::fcntl(fd, libc::F_DUPFD, 300)),
            "fork" => {
                let child = child::fork(|| i32::from(write(fd).is_none())).ok()?;
                (child.wait() == End::Exited(0)).then_some(())
            }
            "sent" => {
                let mut pair = [0; 2];
                if libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) != 0 {
                    return None;
                }
                let _ends = pair.map(|end| std::os::fd::OwnedFd::from_raw_fd(end));
                let child = child::fork(|| {
                    let got = receive(pair[1]);
                    i32::from(got.and_then(write).is_none())
                });
                send(pair[0], fd)?;
                (child.ok()?.wait() == End::Exited(0)).then_some(())
            }
            _ => {
                let path = std::ffi::CString::new(format!("/proc/self/fd/{fd}")).ok()?;
                write_and_close(libc::open(path.as_ptr(), libc::O_WRONLY))
            }
        }
    }
}

/// Room for one number in a control message.
const CONTROL: usize = 24;

fn message(
    byte: &mut [u8; 1],
    vec: &mut libc::iovec,
    control: &mut [u64; CONTROL / 8],
) -> libc::msghdr {
    *vec = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: zeroes are a value of it.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vec;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = CONTROL;
    message
}

fn send(socket: i32, fd: i32) -> Option<()> {
    let (mut byte, mut control) = ([0], [0; CONTROL / 8]);
    let mut vec = libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    };
    let message = message(&mut byte, &mut vec, &mut control);
    // SAFETY: the control buffer holds one header and one number (man 3 cmsg).
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(header).cast::<i32>().write_unaligned(fd);
        (libc::sendmsg(socket, &raw const message, 0) == 1).then_some(())
    }
}

fn receive(socket: i32) -> Option<i32> {
    let (mut byte, mut control) = ([0], [0; CONTROL / 8]);
    let mut vec = libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    };
    let mut message = message(&mut byte, &mut vec, &mut control);
    // SAFETY: the kernel fills buffers of this frame.
    unsafe {
        if libc::recvmsg(socket, &raw mut message, 0) != 1 {
            return None;
        }
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (!header.is_null()).then(|| libc::CMSG_DATA(header).cast::<i32>().read_unaligned())
    }
}
