//! What a capture says against what is known to have happened: by another tracer, by the workload's own account, or by
//! arithmetic. Every recording here also has its books checked by the harness.
#![allow(clippy::print_stderr, reason = "tests say what they counted")]

use afterimage_capture::{Options, Scope};
use afterimage_model::{Abi, Ctx, EventFlags, Process, errno};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, End, Shared};
use afterimage_tests::harness::{self, Consumer, Seen};
use afterimage_tests::needs_recording;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Everything in a group, with rings that take all a test makes while an unoptimised consumer falls behind.
fn inside(cgroup: &Cgroup) -> Options {
    Options {
        scope: Scope::Cgroup(cgroup.path().to_owned()),
        ring_bytes: 128 << 20,
        ..Options::default()
    }
}

fn answers(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

// ---- another tracer ----

/// One call as strace prints it; no result for calls that never return.
#[derive(Debug, PartialEq, Eq)]
struct Traced {
    name: String,
    result: Option<i64>,
}

fn traced_result(text: &str) -> Option<i64> {
    let mut words = text.split_whitespace();
    let first = words.next()?;
    if first == "?" {
        // `? ERESTARTSYS (To be restarted …)`: what the kernel returns inside, before the signal is handled.
        return words
            .next()
            .and_then(errno::number)
            .map(|number| -i64::from(number));
    }
    if first == "-1" {
        return words
            .next()
            .and_then(errno::number)
            .map(|number| -i64::from(number));
    }
    match first.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(|n| n as i64),
        None => first.parse().ok(),
    }
}

/// The calls of each thread in order, out of what `strace -f -o` wrote.
fn parse_strace(text: &str) -> BTreeMap<u32, Vec<Traced>> {
    let mut threads: BTreeMap<u32, Vec<Traced>> = BTreeMap::new();
    for line in text.lines() {
        let (pid, rest) = line
            .trim_start()
            .split_once(' ')
            .expect("a pid in front of each line");
        let calls = threads.entry(pid.parse().expect("a pid")).or_default();
        let rest = rest.trim_start();
        if rest.starts_with("---") || rest.starts_with("+++") {
            continue;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let name = resumed.split(' ').next().unwrap_or_default();
            let open = calls
                .last_mut()
                .filter(|call| call.name == name && call.result.is_none());
            let open = open.unwrap_or_else(|| panic!("resumes nothing: {line}"));
            open.result = rest
                .rsplit_once(" = ")
                .and_then(|(_, result)| traced_result(result));
            continue;
        }
        let name = rest.split('(').next().unwrap_or_default().to_owned();
        let result = match rest.ends_with("<unfinished ...>") {
            true => None,
            false => rest
                .rsplit_once(" = ")
                .and_then(|(_, result)| traced_result(result)),
        };
        calls.push(Traced { name, result });
    }
    threads
}

/// The calls of one thread as recorded, from the program's start on. A new thread's own return from clone is left out:
/// strace begins behind it.
fn recorded_calls(events: &[Ctx<'_>]) -> Vec<Traced> {
    let mut calls: Vec<_> = events
        .iter()
        .filter(|event| event.ty().is_some_and(|ty| ty.is_syscall))
        .map(|event| Traced {
            name: event.name().to_owned(),
            result: (!event.event.flags.has(EventFlags::NO_RESULT)).then_some(event.event.result),
        })
        .collect();
    if let Some(start) = calls
        .iter()
        .rposition(|call| call.name == "execve" && call.result == Some(0))
    {
        calls.drain(..start);
    }
    if calls
        .first()
        .is_some_and(|call| call.name.starts_with("clone") && call.result == Some(0))
    {
        calls.remove(0);
    }
    calls
}

#[test]
fn strace_and_the_recorder_saw_the_same_calls_in_the_same_order_with_the_same_results() {
    needs_recording!();
    if !answers("strace") {
        harness::skip("strace is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("strace.log");
    let cgroup = Cgroup::fresh("strace").expect("a control group");
    let (capture, (_, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            let mut strace = Command::new("strace");
            strace
                .args(["-f", "-qq", "-o"])
                .arg(&log)
                .arg(env!("CARGO_BIN_EXE_workload"))
                .arg(folder.path().join("story"));
            strace.status().expect("strace runs").code().unwrap_or(1)
        })
    });
    assert_eq!(
        end,
        End::Exited(42),
        "the workload tells its story to the end"
    );
    assert_eq!(capture.totals.dropped, 0);

    let traced = parse_strace(&std::fs::read_to_string(&log).expect("strace wrote its log"));
    assert!(traced.len() >= 4, "the workload has four threads");
    let mut compared = 0;
    for (tid, calls) in &traced {
        let recorded = recorded_calls(&capture.of_thread(*tid));
        for (at, (theirs, ours)) in calls.iter().zip(&recorded).enumerate() {
            assert_eq!(
                theirs.name, ours.name,
                "call {at} of thread {tid}: strace has {theirs:?}, the capture {ours:?}"
            );
            // Both say nothing of calls that never return; strace gives a result where the capture, recording at entry, has none.
            let same = theirs.result == ours.result || ours.result.is_none();
            assert!(
                same,
                "call {at} of thread {tid}: strace has {theirs:?}, the capture {ours:?}"
            );
        }
        assert_eq!(calls.len(), recorded.len(), "calls of thread {tid}");
        compared += calls.len();
    }
    eprintln!("{compared} calls of {} threads agree", traced.len());
}

// ---- a path that changes under the kernel's hands ----

#[test]
fn twenty_thousand_opens_of_a_path_that_flips_are_recorded_as_what_was_opened() {
    needs_recording!();
    const OPENS: usize = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a", "b"] {
        std::fs::write(folder.path().join(name), name).expect("a file");
    }
    let told = Shared::new(OPENS * 8 + 4096).expect("shared memory");
    let cgroup = Cgroup::fresh("flip").expect("a control group");
    // The consumer waits, so that the thread that opens and the one that flips each have a CPU.
    let (capture, (pid, end)) = harness::record_with(inside(&cgroup), Consumer::Stalled, || {
        harness::run_in(&cgroup, || open_while_flipping(folder.path(), OPENS, &told))
    });
    assert_eq!(end, End::Exited(0));
    assert_eq!(capture.totals.dropped, 0);

    let told = told.take();
    let inodes: Vec<_> = told
        .chunks_exact(8)
        .map(|n| u64::from_ne_bytes(n.try_into().expect("eight bytes")))
        .collect();
    let folder_path = folder.path().as_os_str().as_encoded_bytes();
    let opened: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.name() == "openat" && e.event.result >= 0)
        .filter(|e| e.file().is_some_and(|f| f.path.starts_with(folder_path)))
        .collect();
    assert_eq!(opened.len(), OPENS);
    let names: BTreeMap<u64, &str> = ["a", "b"]
        .map(|name| {
            (
                std::fs::metadata(folder.path().join(name))
                    .expect("still there")
                    .ino(),
                name,
            )
        })
        .into();
    let mut claims_wrong = 0;
    let (mut wrong_inode, mut wrong_path, mut wrong_mark) = (0, 0, 0);
    for (event, inode) in opened.iter().zip(&inodes) {
        let file = event.file().expect("filtered above");
        let name = names.get(inode).expect("one of the two files");
        wrong_inode += usize::from(file.ino != *inode);
        wrong_path += usize::from(!file.path.ends_with(format!("/{name}").as_bytes()));
        let claimed = event.bytes("path").unwrap_or_default();
        let differs = !claimed.ends_with(format!("/{name}").as_bytes());
        claims_wrong += usize::from(differs);
        wrong_mark += usize::from(differs != event.event.flags.has(EventFlags::CLAIM_DIFFERS));
    }
    let of_b = inodes
        .iter()
        .filter(|inode| names.get(inode) == Some(&"b"))
        .count();
    eprintln!(
        "{OPENS} opens, {of_b} of b; the caller's string was another by the end of {claims_wrong} of them"
    );
    assert!(
        (100..OPENS - 100).contains(&of_b),
        "the path did flip: {of_b} opens of b"
    );
    assert_eq!(
        (wrong_inode, wrong_path, wrong_mark),
        (0, 0, 0),
        "wrong inodes, wrong paths, wrong marks"
    );
}

/// Opens a path again and again while another thread flips its last byte between `a` and `b`; tells which file it got.
fn open_while_flipping(folder: &Path, opens: usize, told: &Shared) -> i32 {
    use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
    let mut path = folder.as_os_str().as_encoded_bytes().to_vec();
    path.extend(b"/a\0");
    let last = path.len() - 2;
    // Atomic bytes have the layout of bytes, and the kernel reads them whenever it likes.
    let path: Vec<AtomicU8> = path.into_iter().map(AtomicU8::new).collect();
    let done = AtomicBool::new(false);
    let mut inodes = Vec::with_capacity(opens * 8);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for name in *b"ba" {
                    path[last].store(name, Ordering::SeqCst);
                    for _ in 0..64 {
                        std::hint::spin_loop();
                    }
                }
            }
        });
        for _ in 0..opens {
            // SAFETY: a NUL-terminated string that outlives the call; `stat` is filled by fstat.
            unsafe {
                let fd = libc::openat(libc::AT_FDCWD, path.as_ptr().cast(), libc::O_RDONLY);
                let mut stat: libc::stat = std::mem::zeroed();
                assert_eq!(libc::fstat(fd, &raw mut stat), 0);
                inodes.extend(stat.st_ino.to_ne_bytes());
                libc::close(fd);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    told.put(&inodes);
    0
}

// ---- programs and containers ----

#[test]
fn two_thousand_short_programs_all_have_their_arguments_parent_exit_code_and_container() {
    needs_recording!();
    const PROGRAMS: usize = 2_000;
    let (cgroup, id) = Cgroup::like_a_container("programs").expect("a control group");
    let told = Shared::new(PROGRAMS * 8 + 4096).expect("shared memory");
    let (capture, (parent, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            let mut pids = Vec::new();
            for at in 0..PROGRAMS {
                let program = if at % 10 == 9 {
                    "/bin/false"
                } else {
                    "/bin/true"
                };
                let mut child = Command::new(program)
                    .arg(format!("run {at}"))
                    .spawn()
                    .expect("it starts");
                pids.extend(child.id().to_ne_bytes());
                child.wait().expect("it ends");
            }
            told.put(&pids);
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    assert_eq!(capture.totals.dropped, 0);

    let told = told.take();
    let pids: Vec<_> = told
        .chunks_exact(4)
        .map(|n| u32::from_ne_bytes(n.try_into().expect("four bytes")))
        .collect();
    let mut execs: BTreeMap<u32, Vec<Ctx<'_>>> = BTreeMap::new();
    for event in capture
        .of_type("execve")
        .into_iter()
        .filter(|e| e.event.result == 0)
    {
        execs.entry(event.event.tid).or_default().push(event);
    }
    let mut exits: BTreeMap<u32, Vec<Ctx<'_>>> = BTreeMap::new();
    for event in capture.of_type("procexit") {
        exits.entry(event.event.tid).or_default().push(event);
    }
    let mut wrong = Vec::new();
    for (at, pid) in pids.iter().enumerate() {
        let (program, code) = if at % 10 == 9 {
            ("/bin/false", 1)
        } else {
            ("/bin/true", 0)
        };
        let (exec, exit) = match (
            execs.get(pid).map(Vec::as_slice),
            exits.get(pid).map(Vec::as_slice),
        ) {
            (Some([exec]), Some([exit])) => (exec, exit),
            (exec, exit) => {
                wrong.push(format!(
                    "{pid}: {} exec events, {} exit events",
                    exec.map_or(0, <[_]>::len),
                    exit.map_or(0, <[_]>::len)
                ));
                continue;
            }
        };
        let Some(process) = exec.proc() else {
            wrong.push(format!("{pid}: no process"));
            continue;
        };
        let args: Vec<_> = process.args().collect();
        let run = format!("run {at}");
        if args != [program.as_bytes(), run.as_bytes()]
            || exec.bytes("path") != Some(program.as_bytes())
        {
            wrong.push(format!("{pid}: {}", exec.line()));
        }
        if process.ppid != parent {
            wrong.push(format!("{pid}: parent {} is not {parent}", process.ppid));
        }
        if exit.number("status") != Some(code) || exit.number("signal") != Some(0) {
            wrong.push(format!("{pid}: ended with {code}: {}", exit.line()));
        }
        if exec.container().map(|c| c.full_id.as_str()) != Some(id.as_str()) {
            wrong.push(format!("{pid}: container {:?}", exec.container()));
        }
        if exit.pid() != *pid || exit.proc().map(|p| p.key) != Some(process.key) {
            wrong.push(format!(
                "{pid}: the exit belongs to {:?}",
                exit.proc().map(|p| p.key)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {PROGRAMS}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_container_of_fifty_milliseconds_has_its_id_on_every_event() {
    needs_recording!();
    let (capture, (id, pid)) = harness::record(
        Options {
            scope: Scope::AllContainers,
            ..Options::default()
        },
        || {
            let (cgroup, id) = Cgroup::like_a_container("brief").expect("a control group");
            let (pid, end) = harness::run_in(&cgroup, || {
                for _ in 0..10 {
                    // SAFETY: asks for a number.
                    unsafe { libc::syscall(libc::SYS_getppid) };
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
                0
            });
            assert_eq!(end, End::Exited(0));
            (id, pid)
        },
    );
    let events: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.name() == "getppid")
        .collect();
    assert_eq!(events.len(), 10);
    for event in events {
        assert_eq!(
            event.container().map(|c| c.full_id.as_str()),
            Some(id.as_str()),
            "{}",
            event.line()
        );
    }
}

#[test]
fn a_brief_docker_container_is_recorded_with_id_name_and_image() {
    needs_recording!();
    let docker = |args: &[&str]| Command::new("docker").args(args).output();
    if !docker(&["info"]).is_ok_and(|o| o.status.success()) {
        harness::skip("no docker daemon answers");
        return;
    }
    let Some(image) = docker_image() else {
        harness::skip("no image could be made");
        return;
    };
    let name = format!("afterimage-brief-{}", std::process::id());
    let (capture, id) = harness::record(
        Options {
            scope: Scope::AllContainers,
            ..Options::default()
        },
        || {
            let run = docker(&[
                "run",
                "--detach",
                "--name",
                &name,
                "--network",
                "none",
                &image,
                "/truth",
            ])
            .expect("docker runs");
            assert!(
                run.status.success(),
                "{}",
                String::from_utf8_lossy(&run.stderr)
            );
            let id = String::from_utf8(run.stdout)
                .expect("an id")
                .trim()
                .to_owned();
            docker(&["wait", &name]).expect("docker waits");
            docker(&["rm", "-f", &name]).expect("docker removes");
            id
        },
    );
    let execs: Vec<_> = capture
        .of_type("execve")
        .into_iter()
        .filter(|e| e.container().is_some_and(|c| c.full_id == id))
        .collect();
    assert!(
        execs
            .iter()
            .any(|e| e.proc().is_some_and(|p| p.args().next() == Some(b"/truth"))),
        "the container's program"
    );
    let container = capture
        .state
        .containers
        .values()
        .find(|c| c.full_id == id)
        .expect("the container is in the state");
    assert_eq!(
        (container.name.as_str(), container.image.as_str()),
        (name.as_str(), image.as_str()),
        "{container:?}"
    );
    assert_eq!(container.runtime, "docker");
    // The digest takes a further question, which may come too late for a container this brief.
    assert!(
        container.image_id.is_empty() || container.image_id.starts_with("sha256:"),
        "{}",
        container.image_id
    );
}

/// An image with one program that ends at once, built from what is on this machine.
fn docker_image() -> Option<String> {
    let folder = tempfile::tempdir().ok()?;
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|p| Path::new(p).exists());
    match busybox {
        Some(busybox) => std::fs::copy(busybox, folder.path().join("truth"))
            .map(|_| ())
            .ok()?,
        None => {
            let source = folder.path().join("truth.c");
            std::fs::write(&source, "int main(void) { return 0; }\n").ok()?;
            let cc = Command::new("cc")
                .args(["-static", "-o"])
                .arg(folder.path().join("truth"))
                .arg(&source)
                .status()
                .ok()?;
            std::fs::remove_file(&source).ok()?;
            cc.success().then_some(())?;
        }
    }
    let tar = Command::new("tar")
        .arg("-C")
        .arg(folder.path())
        .args(["-c", "."])
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let image = "afterimage-tests/truth:latest";
    let import = Command::new("docker")
        .args(["import", "-", image])
        .stdin(tar.stdout?)
        .stdout(Stdio::null())
        .status()
        .ok()?;
    import.success().then(|| image.to_owned())
}

// ---- loss ----

#[test]
fn what_a_stalled_consumer_loses_is_counted_to_the_last_call() {
    needs_recording!();
    const CALLS: u64 = 20_000;
    let cgroup = Cgroup::fresh("stalled").expect("a control group");
    let options = Options {
        ring_bytes: 64 << 10,
        ..inside(&cgroup)
    };
    let (capture, (pid, end)) = harness::record_with(options, Consumer::Stalled, || {
        let child = child::fork(|| {
            stay_on_one_cpu();
            cgroup.enter().expect("the group takes the child");
            for _ in 0..CALLS {
                // SAFETY: asks for a number.
                unsafe { libc::syscall(libc::SYS_getppid) };
            }
            0
        })
        .expect("fork");
        (child.pid(), child.wait())
    });
    assert_eq!(end, End::Exited(0));
    let events = capture.of_thread(pid);
    let asked = events.iter().filter(|e| e.name() == "getppid").count() as u64;
    // The ring keeps what came first, so of the child's other events those before the calls are recorded, and its end is not.
    let ending = ["exit_group", "procexit"];
    let lost_ending = ending
        .iter()
        .filter(|name| !events.iter().any(|e| e.name() == **name))
        .count() as u64;
    assert!(
        capture.totals.dropped > 0,
        "a ring of 64 KiB does not hold {CALLS} calls"
    );
    assert!(asked > 0, "the ring holds the first calls");
    assert_eq!(
        asked + capture.totals.dropped - lost_ending,
        CALLS,
        "{:?}",
        capture.totals
    );
}

#[test]
fn a_small_ring_with_a_running_consumer_loses_nothing_uncounted() {
    needs_recording!();
    const CALLS: u64 = 300_000;
    let cgroup = Cgroup::fresh("small").expect("a control group");
    let options = Options {
        ring_bytes: 64 << 10,
        ..inside(&cgroup)
    };
    let (capture, (pid, end)) = harness::record(options, || {
        harness::run_in(&cgroup, || {
            for _ in 0..CALLS {
                // SAFETY: asks for a number.
                unsafe { libc::syscall(libc::SYS_getppid) };
            }
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    let asked = capture
        .of_thread(pid)
        .iter()
        .filter(|e| e.name() == "getppid")
        .count() as u64;
    // Sequence numbers per CPU: the recorded ones and the lost ones together leave no hole.
    let mut seen: BTreeMap<u16, BTreeSet<u64>> = BTreeMap::new();
    for event in capture.events() {
        assert!(
            seen.entry(event.event.cpu)
                .or_default()
                .insert(event.event.seq),
            "twice: {}",
            event.line()
        );
    }
    let holes: u64 = seen
        .values()
        .filter_map(|seqs| Some(seqs.last()? + 1 - seqs.len() as u64))
        .sum();
    assert!(
        holes <= capture.totals.dropped + capture.totals.filtered,
        "{holes} holes, {:?}",
        capture.totals
    );
    assert!(
        asked + capture.totals.dropped >= CALLS,
        "{asked} recorded, {:?}",
        capture.totals
    );
    eprintln!(
        "{asked} of {CALLS} recorded, {} dropped",
        capture.totals.dropped
    );
}

fn stay_on_one_cpu() {
    // SAFETY: the set is filled by the first call and read by the last.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(usize::try_from(libc::sched_getcpu()).unwrap_or(0), &mut set);
        assert_eq!(
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set),
            0
        );
    }
}

// ---- conventions and numbers ----

/// Makes a 32-bit call from 64-bit code.
#[cfg(target_arch = "x86_64")]
fn int80(number: u32, args: [u32; 3]) -> i32 {
    let result: u64;
    // SAFETY: addresses passed lie below 4 GiB; the compiler keeps rbx for itself, so it is swapped in and out.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) u64::from(args[0]) => _,
            inlateout("rax") u64::from(number) => result,
            in("rcx") u64::from(args[1]),
            in("rdx") u64::from(args[2]),
            in("rsi") 0u64,
            in("rdi") 0u64,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result as u32 as i32
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_by_int_0x80_from_a_64_bit_process_are_decoded_as_i386() {
    needs_recording!();
    // Number and expected row: numbers that mean something quite different in the 64-bit table.
    const PLAIN: &[(u32, &str)] = &[
        (20, "getpid"),
        (64, "getppid"),
        (65, "getpgrp"),
        (24, "getuid"),
        (47, "getgid"),
        (49, "geteuid"),
        (50, "getegid"),
        (199, "getuid32"),
        (200, "getgid32"),
        (201, "geteuid32"),
        (202, "getegid32"),
        (224, "gettid"),
        (158, "sched_yield"),
        (36, "sync"),
        (153, "munlockall"),
    ];
    let told = Shared::new(4096).expect("shared memory");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("f"), "contents").expect("a file");
    let (capture, pid, end) = harness::record_child("int80", || {
        std::env::set_current_dir(folder.path()).expect("the folder");
        // SAFETY: a fresh page below 4 GiB.
        let low = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0,
            )
        };
        assert_ne!(low, libc::MAP_FAILED);
        // SAFETY: the page has room for both.
        unsafe { std::ptr::copy_nonoverlapping(c"f".as_ptr().cast(), low.cast::<u8>(), 2) };
        let low = u32::try_from(low as u64).expect("below 4 GiB");
        let mut results = Vec::new();
        for (number, _) in PLAIN {
            results.push(int80(*number, [0; 3]));
        }
        let fd = int80(5, [low, 0, 0]);
        results.push(fd);
        results.push(int80(3, [fd.cast_unsigned(), low + 64, 100]));
        results.push(int80(6, [fd.cast_unsigned(), 0, 0]));
        results.push(int80(295, [libc::AT_FDCWD.cast_unsigned(), low, 0]));
        results.push(int80(6, [999, 0, 0]));
        told.put(
            &results
                .iter()
                .flat_map(|r| r.to_ne_bytes())
                .collect::<Vec<_>>(),
        );
        0
    });
    assert_eq!(end, End::Exited(0));
    let told = told.take();
    let results: Vec<_> = told
        .chunks_exact(4)
        .map(|n| i64::from(i32::from_ne_bytes(n.try_into().expect("four bytes"))))
        .collect();
    let names: Vec<_> = PLAIN
        .iter()
        .map(|row| row.1)
        .chain(["open", "read", "close", "openat", "close"])
        .collect();
    let events: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.event.abi == Abi::i386)
        .collect();
    let recorded: Vec<_> = events
        .iter()
        .map(|e| (e.name().to_owned(), e.event.result))
        .collect();
    let made: Vec<_> = names.into_iter().map(str::to_owned).zip(results).collect();
    assert_eq!(recorded, made);
    let [open, read, close, openat, bad] = events.last_chunk().expect("the last five");
    assert_eq!(open.bytes("path"), Some(&b"f"[..]));
    assert_eq!(read.bytes("buf"), Some(&b"contents"[..]));
    assert_eq!(close.number("fd"), Some(open.event.result));
    assert_eq!(
        (openat.number("dirfd"), openat.bytes("path")),
        (Some(-100), Some(&b"f"[..]))
    );
    assert_eq!(bad.event.errno(), Some(libc::EBADF.unsigned_abs()));
    assert!(
        open.file().is_some_and(|f| f.path.ends_with(b"/f")),
        "the kernel's own file is known here too"
    );
}

#[test]
fn numbers_without_a_call_are_kept_with_their_arguments() {
    needs_recording!();
    let numbers = [999i64, 0x3fff_ffff];
    let (capture, pid, end) = harness::record_child("unknown", || {
        for number in numbers {
            // SAFETY: the kernel knows no such calls.
            unsafe { libc::syscall(number, 11, 22, 33) };
        }
        0
    });
    assert_eq!(end, End::Exited(0));
    let events: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.name() == "unknown")
        .collect();
    assert_eq!(
        events.len(),
        numbers.len(),
        "{:?}",
        events.iter().map(Seen::line).collect::<Vec<_>>()
    );
    for (event, number) in events.iter().zip(numbers) {
        assert_eq!(
            event.number("nr").map(|n| n as u32),
            Some(number as u32),
            "{}",
            event.line()
        );
        assert_eq!(
            (
                event.number("arg0"),
                event.number("arg1"),
                event.number("arg2")
            ),
            (Some(11), Some(22), Some(33))
        );
        assert_eq!(event.event.result, -i64::from(libc::ENOSYS));
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_number_with_the_x32_bit_is_never_taken_for_the_64_bit_call() {
    needs_recording!();
    const X32: i64 = 0x4000_0000;
    let (capture, pid, end) = harness::record_child("x32", || {
        // SAFETY: getpid by its x32 number: an answer or ENOSYS.
        let result = unsafe { libc::syscall(X32 | libc::SYS_getpid) };
        i32::from(result != -1)
    });
    let result = if end == End::Exited(0) {
        -i64::from(libc::ENOSYS)
    } else {
        i64::from(pid)
    };
    let events: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.event.abi == Abi::x32)
        .collect();
    let [event] = events.as_slice() else {
        panic!("{} events by x32", events.len())
    };
    assert_eq!(event.event.result, result);
    assert!(
        event.name() == "getpid"
            || event
                .number("nr")
                .is_some_and(|nr| nr & 0xffff == libc::SYS_getpid),
        "{}",
        event.line()
    );
}

// ---- identity ----

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
