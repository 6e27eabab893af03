//! A capture that is read while it is recorded: each event is printed soon after it happened, and in the end all that a plain read
//! prints was printed.

use afterimage_tests::{harness, needs_recording};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far more than a recorder or a reader takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn program() -> PathBuf {
    harness::afterimage(env!("CARGO_BIN_EXE_workload"))
}

/// Reads the files that it is told the names of.
const WORK: &str = "while read name; do cat \"$name\" >/dev/null; done";

fn record(capture: &Path) -> Child {
    let child = Command::new(program())
        .args(["record", "-o"])
        .arg(capture)
        .args(["--", "sh", "-c", WORK])
        .env("AFTERIMAGE_KEYS", capture.with_extension("keys"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the recorder");
    let begin = Instant::now();
    while !capture.exists() {
        assert!(begin.elapsed() < PATIENCE, "no capture");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn reading(capture: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(["read", "-r"]).arg(capture).args(more);
    command
}

/// The lines that a program prints, as they come.
fn lines(child: &mut Child) -> Receiver<String> {
    let (tell, told) = channel();
    let out = BufReader::new(child.stdout.take().expect("its output"));
    std::thread::spawn(move || {
        for line in out.lines() {
            let _ = tell.send(line.expect("a line"));
        }
    });
    told
}

fn until(told: &Receiver<String>, seen: &mut Vec<String>, what: &str) {
    loop {
        let line = told.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|why| panic!("{what}: {why} after {} lines", seen.len()));
        let found = line.contains(what);
        seen.push(line);
        if found {
            return;
        }
    }
}

#[test]
fn a_capture_that_is_followed_is_printed_while_it_is_recorded_and_as_a_whole() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("live.aft");
    let mut names = Vec::new();
    for at in 0..3 {
        let name = folder.path().join(format!("file-{at}"));
        std::fs::write(&name, "read me").expect("a file");
        names.push(name);
    }
    let mut recorder = record(&capture);
    let mut follower = reading(&capture, &["--follow", "-t", "d"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the reader");
    let told = lines(&mut follower);
    let mut seen = Vec::new();
    let mut work = recorder.stdin.take().expect("its input");
    for (at, name) in names.iter().enumerate() {
        writeln!(work, "{}", name.display()).expect("it reads");
        // It is printed before the next is begun with, and long before the end.
        until(&told, &mut seen, &format!("file-{at}"));
        assert!(recorder.try_wait().expect("its state").is_none());
        assert!(follower.try_wait().expect("its state").is_none());
    }
    drop(work);
    recorder.wait().expect("it ends");
    seen.extend(told.iter());
    let ended = follower.wait().expect("it ends");
    let mut said = String::new();
    let mut errors = follower.stderr.take().expect("what it said");
    errors.read_to_string(&mut said).expect("text");
    let said: Vec<&str> = said
        .lines()
        .filter(|line| !line.ends_with("waiting for more"))
        .collect();

    let plain = reading(&capture, &["-t", "d"])
        .output()
        .expect("the reader");
    let whole = String::from_utf8(plain.stdout).expect("text");
    assert!(whole.lines().eq(seen.iter().map(String::as_str)));
    assert!(seen.len() > 100, "{} lines", seen.len());
    assert_eq!(ended.code(), plain.status.code());
    let plainly = String::from_utf8(plain.stderr).expect("text");
    assert!(plainly.lines().eq(said.iter().copied()), "{said:?}");
}

#[test]
fn who_follows_a_capture_is_told_when_it_is_taken_away_and_leaves_when_nobody_listens() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("live.aft");
    let mut recorder = record(&capture);
    let follow = || {
        let mut child = reading(&capture, &["--follow"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the reader");
        let told = lines(&mut child);
        (child, told)
    };
    let mut work = recorder.stdin.take().expect("its input");
    let (mut unheard, mut gone) = (
        reading(&capture, &["--follow", "evt.type=reboot"]),
        follow(),
    );
    writeln!(work, "/etc/hostname").expect("it reads");
    until(&gone.1, &mut Vec::new(), "/etc/hostname");

    // Nothing matches, so that nothing is written: it finds out all the same.
    let mut unheard = unheard.stdout(Stdio::piped()).spawn().expect("the reader");
    drop(unheard.stdout.take());
    assert_eq!(unheard.wait().expect("it ends").code(), Some(0));

    std::fs::remove_file(&capture).expect("it is there");
    let mut said = String::new();
    let mut errors = gone.0.stderr.take().expect("what it said");
    errors.read_to_string(&mut said).expect("text");
    assert_eq!(gone.0.wait().expect("it ends").code(), Some(3), "{said}");
    assert!(said.contains("the file was removed"), "{said}");
    drop(work);
    recorder.wait().expect("it ends");
}
