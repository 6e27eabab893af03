//! A capture that is followed while it is written, piece by piece, whole and with damage in it: what is printed and told in the end is
//! what a plain read prints and tells.

use afterimage_format::Reader;
use afterimage_tests::{chunked, harness};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

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
    assert_eq!(cut.status.code(), Some(3));
    assert!(told(&cut).contains("it was cut"), "{}", told(&cut));
    assert!(told(&cut).contains(UNFINISHED), "{}", told(&cut));
}

/// What is missing of a capture that will not be ended.
const UNFINISHED: &str =
    "this capture is not whole: 1 gap (torn), an unknown number of events lost";

/// A capture that is followed, and of which so much is there that a line was printed.
struct Live {
    folder: tempfile::TempDir,
    out: File,
    child: Child,
    printed: BufReader<ChildStdout>,
    first: String,
}

impl Live {
    /// What there is at first, and what it is asked with.
    fn new(bytes: &[u8], args: &[&str]) -> Live {
        let folder = tempfile::tempdir().expect("a folder");
        let mut out = File::create(folder.path().join("live.aft")).expect("a file");
        out.write_all(bytes).expect("room");
        let mut command = Command::new(harness::afterimage(env!("CARGO_BIN_EXE_workload")));
        let mut child = command
            .args(args)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the reader");
        let mut printed = BufReader::new(child.stdout.take().expect("its output"));
        let mut first = String::new();
        printed.read_line(&mut first).expect("a line");
        Live {
            folder,
            out,
            child,
            printed,
            first,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("live.aft")
    }

    /// As Ctrl-C does.
    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    }

    /// What was printed in all, what was told, and the exit code.
    fn ended(mut self) -> (String, String, Option<i32>) {
        self.printed
            .read_to_string(&mut self.first)
            .expect("the rest");
        let output = self.child.wait_with_output().expect("it ends");
        (self.first, told(&output), output.status.code())
    }
}

/// The bytes of a capture, and where its chunks end.
fn chunks() -> (Vec<u8>, Vec<usize>) {
    let bytes = chunked::capture();
    let reader = Reader::from_bytes(bytes.clone()).expect("it opens");
    let ends = reader.chunks().iter();
    let ends = ends.map(|info| (info.offset + info.len) as usize).collect();
    (bytes, ends)
}

#[test]
fn ctrl_c_ends_the_following_as_the_end_of_the_capture_does() {
    let (mut bytes, ends) = chunks();
    let follow: &[&str] = &["read", "--follow", "live.aft"];
    // What is still to come is no loss.
    let live = Live::new(&bytes[..ends[1]], follow);
    live.interrupt();
    let (printed, told, code) = live.ended();
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(told, "afterimage: live.aft: left before it was sealed");
    assert!(printed.lines().count() > 1, "{printed}");
    // What could not be read is one.
    bytes[(ends[0] + ends[1]) / 2] ^= 0x55;
    let live = Live::new(&bytes[..ends[2]], follow);
    live.interrupt();
    let (_, told, code) = live.ended();
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("left before it was sealed"), "{told}");
    assert!(told.contains("is not whole: 1 gap (unreadable)"), "{told}");
}

#[test]
fn ctrl_c_ends_the_waiting_for_a_capture_that_has_just_begun() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("live.aft");
    File::create(&path).expect("a file");
    let mut child = read(&path, &["--follow"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the reader");
    let mut told = BufReader::new(child.stderr.take().expect("what it says"));
    let mut line = String::new();
    told.read_line(&mut line).expect("a line");
    assert!(line.ends_with("waiting for more\n"), "{line}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    line.clear();
    told.read_to_string(&mut line).expect("the rest");
    assert!(line.ends_with("left before it had begun\n"), "{line}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_file_that_is_removed_or_replaced_while_it_is_followed_is_told_as_cut() {
    let (bytes, ends) = chunks();
    for (replaced, why) in [
        (false, "the file was removed"),
        (true, "another file has its name now"),
    ] {
        let live = Live::new(&bytes[..ends[1]], &["read", "--follow", "live.aft"]);
        if replaced {
            let other = live.folder.path().join("other.aft");
            std::fs::write(&other, &bytes).expect("a file");
            std::fs::rename(&other, live.path()).expect("it is moved");
        } else {
            std::fs::remove_file(live.path()).expect("it is removed");
        }
        let (_, told, code) = live.ended();
        assert_eq!(code, Some(3), "{told}");
        assert!(told.contains(why), "{told}");
        assert!(told.contains(UNFINISHED), "{told}");
    }
    // What was written before it was removed is printed.
    let mut live = Live::new(&bytes[..ends[0]], &["read", "--follow", "live.aft"]);
    live.out.write_all(&bytes[ends[0]..]).expect("room");
    std::fs::remove_file(live.path()).expect("it is removed");
    let (printed, told, code) = live.ended();
    assert_eq!((told.as_str(), code), ("", Some(0)));
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("whole.aft");
    std::fs::write(&whole, &bytes).expect("a file");
    let plain = read(&whole, &[]).output().expect("the reader");
    assert_eq!(printed.as_bytes(), plain.stdout);
}

/// What a program prints and tells of a capture, run in its folder.
fn plain(live: &Live, args: &[&str]) -> (String, String, Option<i32>) {
    let output = Command::new(harness::afterimage(env!("CARGO_BIN_EXE_workload")))
        .args(args)
        .current_dir(live.folder.path())
        .output()
        .expect("the program");
    let printed = String::from_utf8(output.stdout.clone()).expect("text");
    (printed, told(&output), output.status.code())
}

/// A capture that is followed from its first chunk to its end, with `--follow` behind the arguments; and what is printed of it then
/// without.
fn to_the_end(bytes: &[u8], first: usize, args: &[&str]) -> [(String, String, Option<i32>); 2] {
    let mut live = Live::new(&bytes[..first], &[args, &["--follow"]].concat());
    live.out.write_all(&bytes[first..]).expect("room");
    let whole = plain(&live, args);
    [live.ended(), whole]
}

#[test]
fn a_view_is_shown_anew_while_the_capture_grows_and_is_in_the_end_that_of_the_whole() {
    let (bytes, ends) = chunks();
    let mut anew = 0;
    for view in [
        &["by", "--by", "proc.name"][..],
        &["processes"],
        &["files", "evt.type=openat", "--sort", "BYTES"],
        &["ps"],
    ] {
        let args = [&["view", "live.aft"], view].concat();
        let [live, whole] = to_the_end(&bytes, ends[0], &args);
        assert_eq!((&live.1, live.2), (&whole.1, whole.2), "{view:?}");
        assert_eq!(live.2, Some(0), "{view:?} {}", live.1);
        assert!(live.0.starts_with("up to "), "{}", live.0);
        let (before, last) = live.0.rsplit_once("up to ").expect("a block");
        anew += usize::from(!before.is_empty());
        let (_, table) = last.split_once('\n').expect("a table");
        assert_eq!(table.trim_end(), whole.0.trim_end(), "{view:?}");
        for form in ["--json", "--csv"] {
            let args = [&["view", "live.aft", form], view].concat();
            let [live, whole] = to_the_end(&bytes, ends[0], &args);
            assert_eq!((&live.1, live.2), (&whole.1, whole.2), "{args:?}");
            let printed: Vec<&str> = live.0.lines().collect();
            let rows: Vec<&str> = whole.0.lines().collect();
            assert!(rows.iter().all(|row| printed.contains(row)), "{args:?}");
            // Nothing is shown twice in a row, and what did not change is not shown again.
            let again = printed.iter().filter(|line| rows.contains(line)).count();
            assert_eq!(again, rows.len(), "{args:?}");
        }
    }
    assert!(anew > 2, "{anew}");
}

#[test]
fn what_is_found_is_shown_while_the_capture_grows_and_with_the_counts_of_the_whole() {
    let (bytes, ends) = chunks();
    let asked = |query: &str, form: &str| {
        let all = ["search", "live.aft", query, "--no-index", "-n", "100000"];
        to_the_end(&bytes, ends[0], &[&all[..], &[form]].concat())
    };
    let mut grew = false;
    for query in ["sh", "sh AND evt.failed=false", "/bin/*", "evt.type=openat"] {
        let [live, whole] = asked(query, "--json");
        assert_eq!((&live.1, live.2), (&whole.1, whole.2), "{query}");
        let printed: Vec<&str> = live.0.lines().collect();
        let hits: Vec<&str> = whole.0.lines().collect();
        assert!(
            !hits.is_empty() && hits.iter().all(|hit| printed.contains(hit)),
            "{query}"
        );
        grew |= printed.len() > hits.len();
        let [live, whole] = asked(query, "--events");
        assert_eq!(live, whole, "{query}");
    }
    assert!(grew, "no count rose");
}

#[test]
fn views_and_searches_that_are_followed_end_with_ctrl_c_and_without_their_file() {
    let (mut bytes, ends) = chunks();
    bytes[(ends[0] + ends[1]) / 2] ^= 0x55;
    for args in [
        &["view", "live.aft", "processes", "--follow"][..],
        &["view", "live.aft", "processes", "--json", "--follow"],
        &["search", "live.aft", "sh", "--follow"],
        &[
            "search",
            "live.aft",
            "sh AND evt.failed=false",
            "--events",
            "--follow",
        ],
    ] {
        let live = Live::new(&bytes[..ends[2]], args);
        live.interrupt();
        let (_, told, code) = live.ended();
        assert_eq!(code, Some(3), "{args:?} {told}");
        assert!(told.contains("left before it was sealed"), "{told}");
        assert!(told.contains("is not whole: 1 gap (unreadable)"), "{told}");
        let live = Live::new(&bytes[..ends[0]], args);
        std::fs::remove_file(live.path()).expect("it is removed");
        let (_, told, code) = live.ended();
        assert_eq!(code, Some(3), "{args:?} {told}");
        assert!(
            told.contains("the file was removed") && told.contains(UNFINISHED),
            "{told}"
        );
    }
}

#[test]
fn what_cannot_be_followed_is_refused_by_views_and_searches() {
    let (bytes, ends) = chunks();
    let live = Live::new(&bytes[..ends[0]], &["read", "-n", "1", "live.aft"]);
    for (args, code, why) in [
        (
            &["view", "live.aft", "ps", "--at", "+1s", "--follow"][..],
            2,
            "--at",
        ),
        (
            &["view", "live.aft", "map", "--as", "svg", "--follow"],
            2,
            "--as",
        ),
        (&["view", "none.aft", "ps", "--follow"], 1, "none.aft"),
        (
            &["view", "live.aft", "ps", "--follow", "--from", "sometime"],
            2,
            "not an instant",
        ),
        (
            &["view", "live.aft", "ps", "--follow", "--sort", "NONE"],
            2,
            "no column",
        ),
        (
            &["view", "live.aft", "alerts", "--follow"],
            2,
            "no rule file",
        ),
        (&["search", ".", "sh", "--follow"], 2, "is a folder"),
        (&["search", "none.aft", "sh", "--follow"], 1, "none.aft"),
        (
            &["search", "live.aft", "sh", "--ioc", "list", "--follow"],
            2,
            "--ioc",
        ),
        (&["search", "live.aft", "[", "--follow"], 2, "["),
    ] {
        let (printed, told, exit) = plain(&live, args);
        assert_eq!(
            (printed.as_str(), exit),
            ("", Some(code)),
            "{args:?} {told}"
        );
        assert!(told.contains(why), "{args:?} {told}");
    }
    live.ended();
}
