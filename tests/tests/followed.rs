//! A capture that is followed while it is written, piece by piece, whole and with damage in it: what is printed and told in the end is
//! what a plain read prints and tells.

use afterimage_format::Reader;
use afterimage_tests::{chunked, harness};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn read(capture: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(harness::afterimage(env!("CARGO_BIN_EXE_workload")));
    command.args(["read", "-r"]).arg(capture).args(more);
    command
}

/// What is printed and told of a capture that is written up to each of these bytes, one after the other, and of it as a whole. Where it is
/// said so, a line is waited for before the next piece is written.
fn followed(bytes: &[u8], ends: &[(usize, bool)], more: &[&str]) -> (Output, Output) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("live.aft");
    let mut out = File::create(&path).expect("a file");
    let mut child = read(&path, &[&["--follow"], more].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the reader");
    let mut printed = BufReader::new(child.stdout.take().expect("its output"));
    let (mut at, mut stdout) = (0, Vec::new());
    for (end, prints) in ends {
        out.write_all(&bytes[at..*end]).expect("room");
        at = *end;
        if *prints {
            printed.read_until(b'\n', &mut stdout).expect("a line");
        }
    }
    out.write_all(&bytes[at..]).expect("room");
    printed.read_to_end(&mut stdout).expect("the rest");
    let mut output = child.wait_with_output().expect("it ends");
    output.stdout = stdout;
    (output, read(&path, more).output().expect("the reader"))
}

fn told(output: &Output) -> String {
    let lines = String::from_utf8_lossy(&output.stderr);
    let lines = lines
        .lines()
        .filter(|line| !line.ends_with("waiting for more"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_printed_of_a_capture_that_grows_is_what_is_printed_of_it_as_a_whole() {
    let whole = chunked::capture();
    let reader = Reader::from_bytes(whole.clone()).expect("it opens");
    let ends: Vec<usize> = reader
        .chunks()
        .iter()
        .map(|info| (info.offset + info.len) as usize)
        .collect();
    assert!(ends.len() > 4, "{} chunks", ends.len());
    // Up to the middle of each chunk and to its end; an event of each is printed, but of the damaged.
    for damaged in [None, Some(1), Some(ends.len() - 1)] {
        let mut bytes = whole.clone();
        let mut steps = Vec::new();
        for (at, info) in reader.chunks().iter().enumerate() {
            let (start, len) = (info.offset as usize, info.len as usize);
            steps.push((start + len / 2, false));
            steps.push((start + len, damaged != Some(at)));
            if damaged == Some(at) {
                bytes[start + len / 2] ^= 0x55;
            }
        }
        for more in [
            &["-t", "d"][..],
            &["--json", "evt.num > 3"],
            &["-t", "r", "-X"],
        ] {
            let (live, plain) = followed(&bytes, &steps, more);
            let code = if damaged.is_some() { 3 } else { 0 };
            assert_eq!(plain.status.code(), Some(code), "{}", told(&plain));
            assert_eq!(live.status.code(), Some(code), "{}", told(&live));
            assert!(live.stdout == plain.stdout, "{damaged:?} {more:?}");
            assert_eq!(told(&live), told(&plain), "{damaged:?} {more:?}");
        }
    }
}

#[test]
fn what_cannot_be_followed_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("live.aft");
    let missing = read(&path, &["--follow"]).output().expect("the reader");
    assert_eq!(missing.status.code(), Some(1));
    let other = folder.path().join("notes.txt");
    std::fs::write(&other, "this is a text, and not a capture").expect("a file");
    let text = read(&other, &["--follow"]).output().expect("the reader");
    assert_eq!(text.status.code(), Some(1));
    assert!(told(&text).contains("not a capture"), "{}", told(&text));
    let pipe = read(Path::new("-"), &["--follow"])
        .stdin(Stdio::null())
        .output()
        .expect("the reader");
    assert_eq!(pipe.status.code(), Some(2), "{}", told(&pipe));

    // Cut while it is followed.
    let bytes = chunked::capture();
    let reader = Reader::from_bytes(bytes.clone()).expect("it opens");
    let end = reader
        .chunks()
        .iter()
        .map(|info| info.offset + info.len)
        .next();
    let end = end.expect("a chunk");
    std::fs::write(&path, &bytes[..end as usize]).expect("a file");
    let mut child = read(&path, &["--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the reader");
    let mut printed = BufReader::new(child.stdout.take().expect("its output"));
    printed.read_line(&mut String::new()).expect("a line");
    let file = File::options()
        .write(true)
        .open(&path)
        .expect("it is there");
    file.set_len(end - 10).expect("it is cut");
    let mut rest = Vec::new();
    printed.read_to_end(&mut rest).expect("the rest");
    let cut = child.wait_with_output().expect("it ends");
    assert_eq!(cut.status.code(), Some(1));
    assert!(told(&cut).contains("it was cut"), "{}", told(&cut));
}
