//! What the flight recorder is held to, in a short form; `make soak` runs the long ones (`AFTERIMAGE_SOAK=1`).

use crate::busy::{Busy, has};
use crate::firing::Limited;
use crate::service::{BASE, Service};
use afterimage_format::Reader;
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child;
use afterimage_tests::harness::{self, Capture, Seen};
use afterimage_tests::needs_recording;
use std::ffi::CString;
use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Ends a process that this test made.
fn kill(pid: u32) {
    // SAFETY: a signal to a child of our own.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
}

#[test]
fn the_quiet_seconds_before_one_bad_deed_are_in_the_file_with_names() {
    needs_recording!();
    let (runs, quiet) = harness::form((2, 3_u64), (200, 30));
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("honey");
    std::fs::write(&secret, "nothing").expect("a file");
    let path = secret.to_str().expect("text");
    let config = format!(
        "{BASE}\nfiles_per_hour = 1000\nconcurrent = 64\n[[trigger]]\nkind = \"canary\"\npaths = [\"{path}\"]\n"
    );
    let mut service = Service::start(&config, &["--no-sign"]);
    // Some at a time: each is a container of its own.
    let mut left: usize = runs;
    let mut complete: usize = 0;
    while left > 0 {
        let batch = left.min(10);
        left -= batch;
        let made: Vec<_> = (0..batch)
            .map(|_| {
                let (cgroup, id) = Cgroup::like_a_container("quiet").expect("a control group");
                let child = child::fork(|| {
                    cgroup.enter().expect("the group takes the child");
                    for _ in 0..quiet * 10 {
                        drop(File::open("/etc/hostname"));
                        std::thread::sleep(Duration::from_millis(100));
                    }
                    drop(File::open(&secret));
                    std::thread::sleep(Duration::from_secs(60));
                    0
                });
                (cgroup, id, child.expect("fork"))
            })
            .collect();
        std::thread::sleep(Duration::from_secs(quiet));
        let fired = complete + made.len();
        service.until("all have fired", |service| {
            service.said().matches("; recording into ").count() >= fired
        });
        std::thread::sleep(Duration::from_millis(100));
        let ended: Vec<(String, u32)> = made
            .into_iter()
            .map(|(cgroup, id, child)| {
                let pid = child.pid();
                kill(pid);
                child.wait();
                drop(cgroup);
                (id, pid)
            })
            .collect();
        service.until("all are sealed", |service| {
            service.are_sealed("canary", ended.len())
        });
        let mut captures = Vec::new();
        for path in service.files("canary") {
            captures.push(Capture::open(&path));
            std::fs::remove_file(path).expect("it was there");
        }
        for (id, pid) in ended {
            let of = |capture: &&Capture| capture.events().any(|ctx| ctx.pid() == pid);
            let capture = captures.iter().find(of);
            let capture = capture.unwrap_or_else(|| panic!("no file of {id}: {}", service.said()));
            let events = capture.of_thread(pid);
            let opens = events
                .iter()
                .filter(|ctx| ctx.bytes("path") == Some(b"/etc/hostname"));
            let named = events
                .iter()
                .all(|ctx| ctx.container().is_some_and(|c| c.full_id == id) && ctx.pid() == pid);
            let end = events.iter().any(|ctx| ctx.name() == "procexit");
            let losses: u64 = capture.gaps.iter().filter_map(|gap| gap.count).sum();
            assert_eq!(
                (opens.count() as u64, named, end, losses),
                (quiet * 10, true, true, 0)
            );
            complete += 1;
        }
    }
    assert_eq!(complete, runs);
    assert_eq!(service.end(), Some(0));
}

#[test]
fn a_flood_in_one_container_costs_another_none_of_what_matters() {
    needs_recording!();
    let (times, pause) = harness::form((20_u32, 100), (300, 1_000));
    let config = format!("{BASE}[window]\nspan = \"6m\"\n[[trigger]]\nkind = \"command\"\n");
    let mut service = Service::start(&config, &["--no-sign"]);
    let (noisy, _) = Cgroup::like_a_container("flood").expect("a control group");
    let flood = child::fork(|| {
        noisy.enter().expect("the group takes the child");
        loop {
            // SAFETY: asks for a number.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
    })
    .expect("fork");
    let (quiet, id) = Cgroup::like_a_container("victim").expect("a control group");
    let program = CString::new("/bin/true").expect("text");
    for _ in 0..times {
        harness::run_in(&quiet, || {
            // Nobody listens: that it was tried is what counts.
            drop(TcpStream::connect((Ipv4Addr::new(127, 77, 0, 1), 9)));
            let arguments = [program.as_ptr(), std::ptr::null()];
            // SAFETY: the arguments live until the program has replaced this one.
            unsafe { libc::execv(program.as_ptr(), arguments.as_ptr()) };
            1
        });
        std::thread::sleep(Duration::from_millis(pause));
    }
    service.until("the victim is in the window", |service| {
        has(&service.status(), &id)
    });
    let question = format!(r#"{{"fire":{{"container":"{id}","reason":"x"}}}}"#);
    let answer = service.ask(&question).expect("an answer");
    kill(flood.pid());
    flood.wait();
    let path = answer["path"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    let capture = Capture::open(Path::new(path));
    let count = |name: &str| {
        let of = capture.of_type(name);
        of.iter()
            .filter(|ctx| ctx.container().is_some_and(|c| c.full_id == id))
            .count() as u32
    };
    assert_eq!((count("execve"), count("connect")), (times, times));
    // Loss is an answer: of the flood some may be counted only.
    assert!(matches!(service.end(), Some(0 | 3)));
}

#[test]
fn a_watch_that_is_killed_leaves_files_that_open() {
    needs_recording!();
    let runs: u64 = harness::form(3, 200);
    for run in 0..runs {
        let config = format!(
            "{}\n[[trigger]]\nkind = \"command\"\n[[trigger]]\nkind = \"schedule\"\nevery = \"100ms\"\nreach = \"host\"\n",
            BASE.replace("200ms", "60s")
        );
        let mut service = Service::start(&config, &["--no-sign"]);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (cgroup, _) = Cgroup::like_a_container("busy").expect("a control group");
            let child = child::fork(|| {
                cgroup.enter().expect("the group takes the child");
                loop {
                    drop(File::open("/etc/hostname"));
                    std::thread::yield_now();
                }
            })
            .expect("fork");
            service.until("a file is begun", |service| {
                !service.files("schedule").is_empty()
            });
            // A few more moments, another number of them each time.
            let moments = Duration::from_millis(50 + run * 37 % 1_900);
            let since = Instant::now();
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
            });
            std::thread::sleep(moments.saturating_sub(since.elapsed()));
            kill(service.process.id());
            let _ = service.process.wait();
            stop.store(true, Ordering::Release);
            kill(child.pid());
            child.wait();
        });
        let files = service.files("schedule");
        assert!(!files.is_empty());
        files.iter().for_each(|path| opens(path));
    }
}

/// That a file whose recorder died opens, and every chunk of it.
fn opens(path: &Path) {
    let reader = Reader::open(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    for at in 0..reader.chunks().len() {
        reader
            .chunk(at)
            .unwrap_or_else(|why| panic!("{}, chunk {at}: {why}", path.display()));
    }
    assert!(reader.totals().is_none(), "it was not sealed");
}

#[test]
fn a_watch_that_the_kernel_kills_for_lack_of_memory_leaves_files_that_open() {
    needs_recording!();
    let limited = match Limited::group("starved", 24 << 20) {
        Ok(limited) => limited,
        Err(why) => return harness::skip(&format!("no memory controller: {why}")),
    };
    let config = format!(
        "{}\n[[trigger]]\nkind = \"signal\"\nreach = \"host\"\n",
        BASE.replace("200ms", "60s")
    );
    let busy = Busy::filling("starving", Duration::ZERO);
    let mut service = Service::start(&config, &["--no-sign"]);
    service.signal(libc::SIGUSR1);
    service.until("a file is begun", |service| {
        !service.files("signal").is_empty()
    });
    // What it has by now is not counted, what its window takes from now on is.
    limited
        .adopt(service.process.id())
        .expect("the group takes it");
    let status = service.process.wait().expect("its end");
    assert_eq!(status.signal(), Some(libc::SIGKILL), "{}", service.said());
    drop(busy);
    let files = service.files("signal");
    assert_eq!(files.len(), 1, "{files:?}");
    opens(&files[0]);
}

/// A file system of so many bytes, until it is dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn of(bytes: u64) -> Option<Small> {
        let folder = tempfile::tempdir().ok()?;
        let path = CString::new(folder.path().to_str()?).ok()?;
        let data = CString::new(format!("size={bytes}")).ok()?;
        // SAFETY: the texts live as long as the call.
        let done = unsafe {
            libc::mount(
                c"tmpfs".as_ptr(),
                path.as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                data.as_ptr().cast(),
            )
        };
        (done == 0).then_some(Small(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if let Some(path) = self
            .0
            .path()
            .to_str()
            .and_then(|path| CString::new(path).ok())
        {
            // SAFETY: the text lives as long as the call.
            unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
        }
    }
}

#[test]
fn on_a_full_disk_files_are_sealed_and_say_so() {
    needs_recording!();
    // From no room for anything to some for a little: a megabyte is kept for the end.
    let step: u64 = harness::form(700 << 10, 4 << 10);
    let mut size: u64 = (1 << 20) + (256 << 10);
    let mut sealed = 0;
    while size < 3 << 20 {
        let Some(small) = Small::of(size) else {
            return harness::skip("no file system can be mounted here");
        };
        let folder = small.0.path().to_str().expect("text");
        let config = format!(
            "[evidence]\nfolder = \"{folder}/evidence\"\nafter = \"60s\"\nfree = \"0\"\n[[trigger]]\nkind = \"command\"\n[[trigger]]\nkind = \"signal\"\n"
        );
        let mut service = Service::start(&config, &["--no-sign"]);
        let busy = Busy::filling("full", Duration::ZERO);
        service.signal(libc::SIGUSR1);
        service.until("the disk is full", |service| {
            let said = service.said();
            said.contains("THE DISK IS FULL") || said.contains("no file was made")
        });
        drop(busy);
        let evidence = Path::new(folder).join("evidence");
        let entries = std::fs::read_dir(&evidence).expect("the folder");
        let mut again = false;
        for entry in entries {
            let path = entry.expect("an entry").path();
            let capture = Capture::open(&path);
            assert!(capture.manifest.trigger.starts_with("signal"));
            assert!(capture.totals.dropped > 0 || capture.gaps.is_empty());
            sealed += 1;
            // Somebody makes room.
            std::fs::remove_file(path).expect("it was there");
            again = true;
        }
        if again {
            let begun = |service: &Service| service.said().matches("recording into").count();
            let before = begun(&service);
            service.signal(libc::SIGUSR1);
            service.until("with room there is a file again", |service| {
                begun(service) > before
            });
        }
        assert!(matches!(service.end(), Some(0 | 3)));
        size += step;
    }
    assert!(sealed > 0, "some had room for a beginning");
}
