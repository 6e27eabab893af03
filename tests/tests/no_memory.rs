//! A process that is refused a block of memory, whichever: it says so and ends with an error, gives its terminal back, leaves files that
//! open, and never answers wrongly. One block in some hundreds; `AFTERIMAGE_LONG=1` takes thousands.
#![expect(clippy::print_stderr, reason = "tests say what they counted")]

use afterimage_tests::harness;
use afterimage_tests::needs_recording;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Builds what refuses memory; `None`, said so, where that cannot be.
fn refuser(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/failing.c"),
        folder.join("failing.so"),
    );
    let built = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .output();
    match built {
        Ok(output) if output.status.success() => Some(library),
        Ok(output) => {
            harness::skip(&String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(why) => {
            harness::skip(&format!("cc: {why}"));
            None
        }
    }
}

struct Refused {
    folder: tempfile::TempDir,
    library: PathBuf,
    program: PathBuf,
}

impl Refused {
    fn new() -> Option<Refused> {
        let folder = tempfile::tempdir().expect("a folder");
        Some(Refused {
            library: refuser(folder.path())?,
            program: harness::afterimage(env!("CARGO_BIN_EXE_workload")),
            folder,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", &self.library)
            .env("COUNT_TO", self.path("count"))
            .env("AFTERIMAGE_KEYS", self.path("keys"))
            .env("AFTERIMAGE_CACHE", self.path("cache"))
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str], refused: u64) -> Output {
        let mut command = self.command(&self.program);
        command
            .env("FAIL_AT", refused.to_string())
            .args(arguments)
            .output()
            .expect("it runs")
    }

    /// How many blocks a process that has just ended has asked for.
    fn count(&self) -> u64 {
        let text = std::fs::read_to_string(self.path("count")).expect("the number");
        text.parse().expect("a number")
    }
}

/// Numbers of blocks: the first ones, where most is begun, and others all over, no two rounds the same.
fn numbers(count: u64, many: u64) -> impl Iterator<Item = u64> {
    let step = (count / many).max(1);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::from(since.subsec_nanos()));
    (1..many / 8).chain((nanos % step + 1..=count).step_by(step as usize))
}

/// Short, or long where that is asked for.
fn many(short: u64, long: u64) -> u64 {
    match std::env::var_os("AFTERIMAGE_LONG") {
        Some(_) => long,
        None => short,
    }
}

/// That a process ended of itself, with an error that names what was missing.
fn says_so(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{what}: {}: {said}",
        output.status
    );
    let told = ["no memory is left", "allocat", "memory"];
    assert!(
        told.iter().any(|word| said.contains(word)),
        "{what}: {said}"
    );
}

#[test]
fn a_reader_that_is_refused_memory_says_so_or_answers_as_ever() {
    let Some(refused) = Refused::new() else {
        return;
    };
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    let sample = sample.to_str().expect("text");
    let (mut ended, mut answered) = (0, 0);
    for arguments in [
        &["verify", sample][..],
        &["info", sample],
        &["read", "--no-cache", sample, "proc.name=sh"],
        &["view", "--no-cache", sample, "processes"],
    ] {
        let whole = refused.run(arguments, 0);
        let wanted = whole.status.code();
        assert!(matches!(wanted, Some(0 | 3)), "{arguments:?}: {whole:?}");
        for number in numbers(refused.count(), many(16, 2_000)) {
            let output = refused.run(arguments, number);
            if output.status.code() == wanted {
                assert_eq!(output.stdout, whole.stdout, "{arguments:?}, block {number}");
                answered += 1;
            } else {
                says_so(&output, &format!("{arguments:?}, block {number}"));
                ended += 1;
            }
        }
    }
    eprintln!("{ended} said so, {answered} did without");
    assert!(ended > 20);
}

#[test]
fn a_recorder_that_is_refused_memory_leaves_a_file_that_opens_or_none() {
    needs_recording!();
    let Some(refused) = Refused::new() else {
        return;
    };
    let path = refused.path("a.aft");
    let file = path.to_str().expect("text");
    // That program is static: it is refused nothing.
    let arguments = [
        "record",
        "-q",
        "-o",
        file,
        "--",
        "busybox",
        "sh",
        "-c",
        "for i in 1 2 3 4 5 6 7 8 9; do busybox true; done",
    ];
    let whole = refused.run(&arguments, 0);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let count = refused.count();
    let (mut none, mut some) = (0, 0);
    // What comes before the kernel programs are there is most of it, and the same each time.
    let late = (count - count / 8..count).step_by((count / 8 / many(14, 700)).max(1) as usize);
    for number in numbers(count, many(8, 300)).chain(late) {
        // It may not be there.
        let _ = std::fs::remove_file(&path);
        let output = refused.run(&arguments, number);
        if output.status.code() != Some(0) && output.status.code() != Some(3) {
            says_so(&output, &format!("block {number}"));
        }
        // It was made, and nothing was written to it yet.
        if std::fs::metadata(&path).map_or(0, |about| about.len()) == 0 {
            none += 1;
            continue;
        }
        let verified = Command::new(&refused.program)
            .arg("verify")
            .arg(&path)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&verified.stdout);
        // What is refused behind the seal takes nothing from the file: then it was said, see above.
        let ended_well = matches!(output.status.code(), Some(0 | 1));
        let whole = verified.status.code() == Some(0) && ended_well;
        let cut = verified.status.code() == Some(3) && said.contains("intact");
        assert!(whole || cut, "block {number}: {said} {output:?}");
        some += 1;
    }
    eprintln!("{none} began no file, {some} left one that opens");
    assert!(none > 0 && some > 0);
}

#[test]
fn an_inspector_that_is_refused_memory_gives_its_terminal_back() {
    let Some(refused) = Refused::new() else {
        return;
    };
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    let inspect = |number: u64, how: &str| {
        let line = format!(
            "stty cols 120 rows 36; {how} FAIL_AT={number} LD_PRELOAD='{}' '{}' inspect '{}'; echo code $?; stty -a | grep -ow -e '-*icanon'",
            refused.library.display(),
            refused.program.display(),
            sample.display()
        );
        let mut script = refused
            .command(Path::new("script"))
            .env_remove("LD_PRELOAD")
            .env("TERM", "xterm")
            .args(["--quiet", "--flush", "--command", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script of bsdutils runs");
        let mut keys = script.stdin.take().expect("its keys");
        let begun = Instant::now();
        // The user looks here and there, then leaves, if it has not ended by then.
        while script.try_wait().expect("its end").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "block {number}");
            // Nobody reads any more once it has ended.
            let _ = keys.write_all(b"\tq");
            std::thread::sleep(Duration::from_millis(50));
        }
        let output = script.wait_with_output().expect("its output");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let written = inspect(0, "");
    assert!(written.contains("code 0"), "{written}");
    let (mut ended, mut aborted) = (0, 0);
    let refusals = numbers(refused.count(), many(16, 1_000)).map(|number| (number, ""));
    // As the C library ends a program whose threads may not keep what is their own.
    let aborts = numbers(refused.count(), many(8, 100));
    // The first few it asks for before anything of ours runs.
    let aborts = aborts.filter(|number| *number > 100);
    let aborts = aborts.map(|number| (number, "FAIL_BY_ABORT=1"));
    for (number, how) in refusals.chain(aborts) {
        let written = inspect(number, how);
        let left = written.rfind("\x1b[?1049l");
        let entered = written.rfind("\x1b[?1049h");
        assert!(left >= entered, "block {number}: {written}");
        assert!(
            written.contains("icanon") && !written.contains("-icanon"),
            "block {number}: {written}"
        );
        ended += u32::from(written.contains("code 1") && written.contains("memory"));
        aborted += u32::from(written.contains("code 1") && written.contains("cannot go on"));
        assert!(
            written.contains("code 0") || written.contains("code 1"),
            "block {number}: {written}"
        );
    }
    eprintln!("{ended} said so, {aborted} of them after an abort");
    assert!(ended > aborted && aborted > 0);
}
