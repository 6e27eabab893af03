//! Programs: what was executed, with which arguments, for how long, and how it ended, for every one of them.

use crate::inside;
use afterimage_model::{Ctx, Process};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, End};
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The last event of a process, which ends it.
fn end_of<'a>(events: &'a [Ctx<'a>], pid: u32) -> &'a Ctx<'a> {
    let mut ends = events.iter().filter(|e| e.event.tid == pid);
    ends.next().unwrap_or_else(|| panic!("no end of {pid}"))
}

#[test]
fn programs_that_live_for_a_moment_are_all_there() {
    needs_recording!();
    const WORKERS: usize = 4;
    const EACH: usize = 500;
    let cgroup = Cgroup::fresh("moments").expect("a control group");
    let (capture, ends) = harness::record(inside(&cgroup), || {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                child::fork(|| {
                    cgroup.enter().expect("the group takes the child");
                    for n in 0..EACH {
                        let done = Command::new("/bin/true")
                            .arg(format!("{worker}-{n}"))
                            .status();
                        assert!(done.is_ok_and(|status| status.success()));
                    }
                    0
                })
                .expect("fork")
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| (worker.pid(), worker.wait()))
            .collect::<Vec<_>>()
    });
    assert!(ends.iter().all(|(_, end)| *end == End::Exited(0)));
    let mut seen: BTreeMap<Vec<u8>, (u32, u32)> = BTreeMap::new();
    for event in capture.of_type("execve") {
        let p = event.proc().expect("a process");
        if event.event.result == 0 && p.exe_path.ends_with(b"/true") {
            let before = seen.insert(p.argv.clone(), (p.key.pid, p.ppid));
            assert!(before.is_none(), "{} twice", event.line());
        }
    }
    let exits = capture.of_type("procexit");
    let ended: BTreeMap<u32, i64> = exits
        .iter()
        .map(|e| (e.event.tid, e.number("status").unwrap_or(-1)))
        .collect();
    for (worker, (parent, _)) in ends.iter().enumerate() {
        for n in 0..EACH {
            let argv = format!("/bin/true\0{worker}-{n}\0").into_bytes();
            let (pid, ppid) = seen
                .get(&argv)
                .unwrap_or_else(|| panic!("{worker}-{n} is missing"));
            assert_eq!(ppid, parent);
            assert_eq!(ended.get(pid), Some(&0), "the end of {worker}-{n}");
        }
    }
    assert_eq!(seen.len(), WORKERS * EACH);
}

#[test]
fn arguments_and_environment_are_kept_whole_up_to_two_mebibytes() {
    needs_recording!();
    // The kernel takes 128 KiB for one string, its NUL included, and in all a quarter of the limit of the stack.
    let longest = "x".repeat(131_064) + "secret1";
    let many: Vec<String> = (0..12).map(|n| format!("{n:02}").repeat(60_000)).collect();
    let (capture, _, end) = harness::record_child("long", || {
        let done = Command::new("/bin/true")
            .arg(&longest)
            .args(&many)
            .arg("secret2")
            .env_clear()
            .env("LONG", "y".repeat(100_000) + "secret3")
            .status();
        i32::from(!done.is_ok_and(|status| status.success()))
    });
    assert_eq!(end, End::Exited(0));
    let execs = capture.of_type("execve");
    let event = execs
        .iter()
        .find(|e| e.proc().is_some_and(|p| p.exe_path.ends_with(b"/true")))
        .expect("the program");
    let p = event.proc().expect("a process");
    let mut argv = b"/bin/true\0".to_vec();
    for arg in [&longest].into_iter().chain(&many) {
        argv.extend(arg.bytes().chain([0]));
    }
    argv.extend(b"secret2\0");
    assert_eq!(p.argv.len() as u64, p.argv_full_len);
    assert!(p.argv == argv, "{} of {} bytes", p.argv.len(), argv.len());
    assert!(p.env.ends_with(b"secret3\0"), "{} bytes", p.env.len());
    assert_eq!(event.bytes("argv"), Some(&*argv));
}

/// Executes what is behind a descriptor.
fn fexec(fd: i32, name: &str) -> i32 {
    let name = CString::new(name).expect("a name");
    let argv = [name.as_ptr(), std::ptr::null()];
    let envp = [std::ptr::null::<libc::c_char>()];
    // SAFETY: both arrays end in a null pointer.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd,
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    111
}

#[test]
fn what_was_executed_is_told_from_what_it_pretends_to_be() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let script = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a script");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("its mode");
        path
    };
    let inner = script("inner", "#!/bin/sh\nexit 3\n");
    let middle = script("middle", &format!("#!{}\n", inner.display()));
    let outer = script("outer", &format!("#!{} -x\n", middle.display()));
    let plain = folder.path().join("plain");
    std::fs::copy("/bin/true", &plain).expect("a copy");
    let gone = folder.path().join("gone");
    std::fs::copy("/bin/true", &gone).expect("a copy");
    let cgroup = Cgroup::fresh("pretend").expect("a control group");
    let (capture, pids) = harness::record(inside(&cgroup), || {
        let anonymous = || {
            // SAFETY: a name that ends in NUL.
            let fd = unsafe { libc::memfd_create(c"kernel-helper".as_ptr(), 0) };
            // SAFETY: a fresh descriptor.
            let mut file: std::fs::File = unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) };
            file.write_all(&std::fs::read("/bin/true").expect("a program"))
                .expect("a copy");
            fexec(file.as_raw_fd(), "[kworker/0:1]")
        };
        let deleted = || {
            let file = std::fs::File::open(&gone).expect("the copy");
            std::fs::remove_file(&gone).expect("it is there");
            fexec(file.as_raw_fd(), "gone")
        };
        let by_path = |path: &std::path::Path| {
            let status = Command::new(path).status().expect("it starts");
            status.code().unwrap_or(99)
        };
        [
            harness::run_in(&cgroup, anonymous),
            harness::run_in(&cgroup, deleted),
            harness::run_in(&cgroup, || by_path(&outer)),
            harness::run_in(&cgroup, || by_path(&plain)),
        ]
    });
    assert_eq!(
        pids.map(|(_, end)| end),
        [
            End::Exited(0),
            End::Exited(0),
            End::Exited(3),
            End::Exited(0)
        ]
    );
    let programs: Vec<&Process> = capture
        .events()
        .filter(|e| e.name().starts_with("execve") && e.event.result == 0)
        .filter_map(|e| e.proc())
        .collect();
    let of = |what: &dyn Fn(&&Process) -> bool| {
        let found = programs.iter().copied().find(what);
        found.expect("a program")
    };
    let anonymous = of(&|p| p.key.pid == pids[0].0);
    assert_eq!(anonymous.exe_flags & Process::EXE_MEMFD, Process::EXE_MEMFD);
    let deleted = of(&|p| p.key.pid == pids[1].0);
    assert_eq!(
        deleted.exe_flags & Process::EXE_DELETED,
        Process::EXE_DELETED
    );
    let scripted = of(&|p| p.argv.windows(5).any(|w| w == b"outer"));
    assert_eq!(scripted.script, outer.as_os_str().as_encoded_bytes());
    assert_eq!(scripted.interp, b"/bin/sh");
    let shell = std::fs::canonicalize("/bin/sh").expect("a shell");
    assert_eq!(scripted.exe_path, shell.as_os_str().as_encoded_bytes());
    let direct = of(&|p| p.exe_path.ends_with(b"/plain"));
    assert!(direct.script.is_empty() && direct.interp.is_empty());
    let meta = std::fs::metadata(&plain).expect("the copy");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(direct.exe_size, meta.len());
    assert_eq!(
        direct.exe_mtime_ns,
        (meta.mtime() * 1_000_000_000 + meta.mtime_nsec()) as u64
    );
    assert!(direct.exe_ctime_ns != 0 && direct.ns_uts != 0 && direct.ns_cgroup != 0);
}

#[test]
fn code_that_is_mapped_without_an_exec_is_seen_with_its_file() {
    needs_recording!();
    let (capture, pid, end) = harness::record_child("mapped", || {
        // SAFETY: fresh mappings of a fresh file; nothing in them is run.
        unsafe {
            let fd = libc::memfd_create(c"payload".as_ptr(), 0);
            libc::ftruncate(fd, 4096);
            let read = libc::PROT_READ | libc::PROT_EXEC;
            let private = libc::MAP_PRIVATE;
            let code = libc::mmap(std::ptr::null_mut(), 4096, read, private, fd, 0);
            let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let data = libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                anonymous,
                -1,
                0,
            );
            libc::mprotect(data, 4096, read);
            i32::from(code == libc::MAP_FAILED || data == libc::MAP_FAILED)
        }
    });
    assert_eq!(end, End::Exited(0));
    const PROT_EXEC: i64 = libc::PROT_EXEC as i64;
    let executable = |name: &str| {
        let mut found = capture.of_type(name);
        found.retain(|e| e.pid() == pid && e.number("prot").is_some_and(|p| p & PROT_EXEC != 0));
        found
    };
    let maps = executable("mmap");
    let file = maps.last().and_then(|e| e.file()).expect("the file");
    assert!(
        file.path.ends_with(b"memfd:payload"),
        "{:?} {}",
        file.kind,
        afterimage_model::Safe::new(&file.path)
    );
    assert_eq!(executable("mprotect").len(), 1);
}

#[test]
fn a_program_that_stays_is_known_by_its_hash() {
    needs_recording!();
    let output = Command::new("sha256sum").arg("/bin/sleep").output();
    let Ok(output) = output else {
        harness::skip("there is no sha256sum");
        return;
    };
    let known = String::from_utf8_lossy(&output.stdout)
        .split(' ')
        .next()
        .map(str::to_owned);
    let exe = std::fs::canonicalize("/bin/sleep").expect("a path");
    let (capture, _, end) = harness::record_child("hashed", || {
        let mut sleep = Command::new("/bin/sleep")
            .arg("3600")
            .spawn()
            .expect("it starts");
        // Until the recorder has opened its file: then what the process does no longer matters.
        let opened = || {
            let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
            all.filter_map(|p| std::fs::read_dir(p.path().join("fd")).ok())
                .flatten()
                .flatten()
                .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == exe))
        };
        let begun = std::time::Instant::now();
        while !opened() && begun.elapsed().as_secs() < 2 {
            std::thread::yield_now();
        }
        sleep.kill().expect("it ends");
        sleep.wait().expect("it ended");
        0
    });
    assert_eq!(end, End::Exited(0));
    let hash = capture
        .events()
        .filter_map(|e| e.proc())
        .filter(|p| p.exe_path == exe.as_os_str().as_bytes())
        .map(|p| p.exe_sha256.iter().map(|b| format!("{b:02x}")).collect())
        .find(|hash: &String| !hash.is_empty());
    assert_eq!(hash, known);
}

#[test]
fn a_process_killed_in_a_call_ends_without_a_result_of_it() {
    needs_recording!();
    let cgroup = Cgroup::fresh("killed").expect("a control group");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let (capture, pids) = harness::record(inside(&cgroup), || {
        let mut pids = BTreeSet::new();
        for _ in 0..100 {
            let (ready, tell) = std::io::pipe().expect("a pipe");
            let victim = child::fork(|| {
                cgroup.enter().expect("the group takes the child");
                (&tell).write_all(b"x").expect("the parent hears");
                let mut byte = [0u8; 1];
                // SAFETY: one byte of room; the pipe stays empty.
                unsafe { libc::read(reader.as_raw_fd(), byte.as_mut_ptr().cast(), 1) };
                0
            })
            .expect("fork");
            std::io::Read::read_exact(&mut &ready, &mut [0; 1]).expect("the child is ready");
            // SAFETY: the child has not been waited for.
            unsafe { libc::kill(victim.pid() as i32, libc::SIGKILL) };
            pids.insert(victim.pid());
            assert_eq!(victim.wait(), End::Killed(libc::SIGKILL));
        }
        pids
    });
    let exits = capture.of_type("procexit");
    for pid in &pids {
        let end = end_of(&exits, *pid);
        assert_eq!(end.number("signal"), Some(9), "{}", end.line());
        assert_eq!(end.number("threads"), Some(0), "{}", end.line());
        assert!(end.number("maxrss_kb") > Some(0), "{}", end.line());
    }
    let results = capture
        .of_type("read")
        .iter()
        .filter(|e| e.event.result >= 0 && e.number("fd") == Some(i64::from(reader.as_raw_fd())))
        .count();
    assert_eq!(results, 0, "nothing was ever read");
}

#[test]
fn names_given_from_outside_and_ids_of_one_thread_are_seen() {
    needs_recording!();
    let (capture, pid, end) = harness::record_child("names", || {
        for n in 0..1_000 {
            std::fs::write("/proc/self/comm", format!("name{n}")).expect("a name");
        }
        let thread = std::thread::spawn(|| {
            // SAFETY: numbers only: this thread's ids, then a call that tells who it is.
            unsafe {
                libc::syscall(libc::SYS_setresuid, 1234, 1234, 1234);
                libc::syscall(libc::SYS_umask, 0o17);
            }
        });
        thread.join().expect("it ends");
        // SAFETY: a number.
        unsafe { libc::syscall(libc::SYS_umask, 0o16) };
        0
    });
    assert_eq!(end, End::Exited(0));
    let names: Vec<_> = capture
        .of_type("task_rename")
        .iter()
        .filter_map(|e| e.bytes("comm").map(<[u8]>::to_vec))
        .collect();
    let given: Vec<_> = (0..1_000)
        .map(|n| format!("name{n}").into_bytes())
        .collect();
    assert!(names == given, "{} names", names.len());
    let masks: BTreeMap<i64, u32> = capture
        .of_type("umask")
        .iter()
        .filter(|e| e.pid() == pid)
        .map(|e| {
            (
                e.number("mask").unwrap_or(-1),
                e.proc().map_or(0, |p| p.uid),
            )
        })
        .collect();
    assert_eq!(
        (masks.get(&0o17), masks.get(&0o16)),
        (Some(&1234), Some(&0))
    );
}

#[test]
fn a_file_that_a_registered_interpreter_runs_is_told_with_both() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("strange");
    std::fs::write(&file, "STRANGE=1\nexit 5\n").expect("a file");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).expect("its mode");
    let registry = folder.path().join("registry");
    std::fs::create_dir(&registry).expect("a folder");
    let cgroup = Cgroup::fresh("registered").expect("a control group");
    let (capture, (_, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            // A list of interpreters of its own, from Linux 6.7 on, so that nobody else's programs are touched.
            // SAFETY: changes this process alone.
            if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) } != 0 {
                return 2;
            }
            if child::be_root_of_own_users().is_err() {
                return 2;
            }
            let mounted = rustix::mount::mount(
                "none",
                &registry,
                "binfmt_misc",
                rustix::mount::MountFlags::empty(),
                None,
            );
            let entry = ":strange:M::STRANGE=::/bin/sh:";
            if mounted.is_err() || std::fs::write(registry.join("register"), entry).is_err() {
                return 2;
            }
            let status = Command::new(&file).status().expect("it starts");
            status.code().unwrap_or(99)
        })
    });
    if end == End::Exited(2) {
        harness::skip(
            "this kernel has no lists of interpreters for each namespace of users (Linux 6.7)",
        );
        return;
    }
    assert_eq!(end, End::Exited(5));
    let path = file.as_os_str().as_encoded_bytes();
    let executed = capture.of_type("execve").into_iter();
    let executed: Vec<&Process> = (executed.filter(|ctx| ctx.event.result == 0))
        .filter_map(|ctx| ctx.proc())
        .collect();
    let [row] = executed.as_slice() else {
        panic!("one program: {executed:?}")
    };
    assert_eq!(row.script, path);
    assert_eq!(row.interp, b"/bin/sh");
    let shell = std::fs::canonicalize("/bin/sh").expect("a shell");
    assert_eq!(row.exe_path, shell.as_os_str().as_encoded_bytes());
}
