//! How recordings end, and that nothing stays behind.

use crate::bounds::fire;
use crate::inside;
use crate::service::{BASE, Service};
use crate::strain::{recording, sealed, sealed_by, signal};
use afterimage_format::Reader;
use afterimage_model::GapCause;
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::End;
use afterimage_tests::harness::{self, Capture, Seen};
use afterimage_tests::needs_recording;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes a call that is known again.
fn call_in(cgroup: &Cgroup) {
    let work = || {
        // SAFETY: asks for a number.
        unsafe { libc::syscall(libc::SYS_getppid) };
        0
    };
    assert_eq!(harness::run_in(cgroup, work).1, End::Exited(0));
}

/// That a file is sealed, and has so many of these calls.
fn check(out: &Path, capture: &Capture, calls: usize) {
    assert_eq!(capture.of_type("getppid").len(), calls);
    let reader = Reader::open(out).expect("it opens");
    assert!(reader.totals().is_some(), "it is sealed");
}

#[test]
fn whatever_signal_asks_a_recorder_to_end_its_file_is_sealed() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    for by in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        let cgroup = Cgroup::fresh("signals").expect("a control group");
        let out = folder.path().join(format!("{by}.aft"));
        let (command, said) = recording(&cgroup, &out, "1MiB");
        call_in(&cgroup);
        check(&out, &sealed_by(by, command, said, &out, 0), 1);
    }
}

#[test]
fn who_listens_no_longer_to_a_recorder_does_not_end_it() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let cgroup = Cgroup::fresh("deaf").expect("a control group");
    let out = folder.path().join("deaf.aft");
    let (mut command, said) = recording(&cgroup, &out, "1MiB");
    // What it says next has no reader, which would kill others (SIGPIPE).
    drop(said);
    call_in(&cgroup);
    signal(&command, libc::SIGPIPE);
    call_in(&cgroup);
    assert!(command.try_wait().expect("its state").is_none());
    check(&out, &sealed(command, std::io::empty(), &out, 0), 2);
}

#[test]
fn a_file_of_a_watch_that_somebody_removes_or_cuts_is_not_called_evidence() {
    needs_recording!();
    let config = format!("{BASE}[[trigger]]\nkind = \"command\"\n").replace("200ms", "2s");
    let mut service = Service::start(&config, &["--no-sign"]);
    for how in ["removed", "cut"] {
        let why = std::thread::scope(|scope| {
            let fired = scope.spawn(|| fire(&service));
            let file = loop {
                if let Some(file) = service.files("command").pop() {
                    break file;
                }
                assert!(!fired.is_finished(), "it answered before there was a file");
                std::thread::yield_now();
            };
            match how {
                "removed" => std::fs::remove_file(&file).expect("it was there"),
                _ => drop(std::fs::File::create(&file).expect("it was there")),
            }
            let why = fired
                .join()
                .expect("it answers")
                .expect_err("there is no file");
            assert!(
                why.contains(file.to_str().expect("text")) && why.contains(how),
                "{why}"
            );
            // What is left of it would be found once more.
            let _ = std::fs::remove_file(file);
            why
        });
        service.until("it is said", |service| service.said().contains(&why));
    }
    // The next one is made as ever.
    let file = fire(&service).expect("a file");
    assert!(Reader::open(Path::new(&file)).is_ok_and(|reader| reader.totals().is_some()));
    assert_eq!(service.end(), Some(0));
}

/// Records a shell's lines into a file of this name in a folder, under a limit on the size of files, if any; gives the exit code and
/// what was said.
fn recorded(folder: &Path, limit: Option<u64>, lines: &str) -> (Option<i32>, String) {
    let program = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
    let limit = limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    let output = Command::new("prlimit")
        .arg(format!("--fsize={limit}"))
        .arg(program)
        .args(["record", "-o", "a.aft", "--", "sh", "-c", lines])
        .env("AFTERIMAGE_KEYS", folder.join("keys"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("prlimit of util-linux runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn a_recording_whose_file_somebody_cuts_goes_on_in_another_one() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let lines = "sleep 2; : > a.aft; sleep 3; true < /etc/hostname";
    let (code, said) = recorded(folder.path(), None, lines);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("cut or overwritten") && said.contains("goes on in"),
        "{said}"
    );
    // Nothing of it is on disk any more, and nothing is said to be.
    assert!(said.contains("only the first 0 bytes"), "{said}");
    let capture = Capture::open(&folder.path().join("a-part2.aft"));
    let opened = capture.of_type("openat");
    let last = opened
        .iter()
        .any(|ctx| ctx.bytes("path") == Some(b"/etc/hostname"));
    assert!(last, "what came later is in it");
}

#[test]
fn a_limit_on_the_size_of_files_seals_a_recording_with_its_reason() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    const LIMIT: u64 = 2 << 20;
    // More than that, which cannot be pressed.
    let lines = "for i in 1 2 3 4 5 6; do head -c 400000 /dev/urandom | dd bs=200 of=/dev/null; sleep 1; done";
    let (code, said) = recorded(folder.path(), Some(LIMIT), lines);
    assert_eq!(code, Some(3), "{said}");
    let file = folder.path().join("a.aft");
    assert!(std::fs::metadata(&file).expect("a file").len() <= LIMIT);
    let reader = Reader::open(&file).unwrap_or_else(|why| panic!("{why}: {said}"));
    assert!(reader.totals().is_some(), "{said}");
    let full = |gap: &afterimage_model::Gap| gap.cause == GapCause::WriteFailed;
    assert!(reader.gaps().iter().any(full), "{:?}", reader.gaps());
}

/// What this process has that could stay behind: descriptors, threads, mappings; and what is pinned on the host.
fn belongings() -> (usize, usize, usize, BTreeSet<String>) {
    let count = |path: &str| std::fs::read_dir(path).expect("a folder").count();
    let mut maps = String::new();
    let file = std::fs::File::open("/proc/self/maps");
    file.and_then(|mut file| file.read_to_string(&mut maps))
        .expect("its mappings");
    let shared = maps
        .lines()
        .filter(|line| line.contains("anon_inode:"))
        .count();
    let pins = std::fs::read_dir("/sys/fs/bpf").into_iter().flatten();
    let pins = pins.filter_map(|pin| Some(pin.ok()?.file_name().to_string_lossy().into_owned()));
    (
        count("/proc/self/fd"),
        count("/proc/self/task"),
        shared,
        pins.collect(),
    )
}

#[test]
fn a_recording_that_has_ended_leaves_nothing_behind() {
    needs_recording!();
    let times = harness::form(8, 500);
    let cgroup = Cgroup::fresh("cycles").expect("a control group");
    let once = || {
        let (capture, ()) = harness::record(inside(&cgroup), || call_in(&cgroup));
        assert_eq!(capture.of_type("getppid").len(), 1);
    };
    // What is made once for all stays.
    once();
    let before = belongings();
    for _ in 0..times {
        once();
    }
    assert_eq!(belongings(), before);
}
