//! The inspector on a real terminal: what it writes there when it starts, and how it leaves it behind. The terminal is a
//! pseudo-terminal made by `script` (bsdutils, part of every Debian).

use crate::story;
use afterimage_tests::harness;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Enters and leaves the alternate screen (DECSET 1049), hides and shows the cursor (DECTCEM).
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const SHOW: &str = "\x1b[?25h";

fn start(capture: &Path, more: &str) -> Child {
    let inspector = env!("CARGO_BIN_EXE_inspector");
    start_with(&format!("'{inspector}' '{}' {more}", capture.display()))
}

/// Runs a command of a shell on a terminal.
fn start_with(command: &str) -> Child {
    let command = format!("stty cols 120 rows 36; {command}; stty -a | grep -ow -e '-*icanon'");
    Command::new("script")
        .args(["--quiet", "--flush", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script of bsdutils runs")
}

/// Everything a child writes, as it comes.
struct Output {
    written: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Output {
    fn of(child: &mut Child) -> Output {
        let mut out = child.stdout.take().expect("its output");
        let written = Arc::new(Mutex::new(Vec::new()));
        let all = written.clone();
        let reader = std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(n @ 1..) = out.read(&mut part) {
                all.lock().expect("the output").extend(&part[..n]);
            }
        });
        Output { written, reader }
    }

    /// Waits until the first view and its numbers are on the screen.
    fn wait_for_the_screen(&self) {
        self.wait_for("What was recorde");
    }

    /// Waits until a text was written.
    fn wait_for(&self, text: &str) {
        self.wait(text, text.len(), |part| part == text.as_bytes());
    }

    /// Whether a text was written by now.
    fn has(&self, text: &str) -> bool {
        let written = self.written.lock().expect("the output");
        written
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    }

    /// Waits until a byte was written by its number. Which one is open: of a cell that stays as it was nothing is written, so that
    /// what is read on the screen need not stand together in the output.
    fn wait_for_an_escaped_byte(&self) {
        self.wait("an escaped byte", 4, |part| {
            matches!(part, [b'\\', b'x', number @ ..] if number.iter().all(u8::is_ascii_hexdigit))
        });
    }

    fn wait(&self, what: &str, len: usize, is: impl Fn(&[u8]) -> bool) {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let written = self.written.lock().expect("the output").clone();
            if written.windows(len).any(&is) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{what} was not drawn");
    }

    /// Waits for the end.
    fn finish(self, child: &mut Child) -> String {
        end_of(child);
        self.reader.join().expect("the reader");
        let written = self.written.lock().expect("the output").clone();
        String::from_utf8(written).expect("only text reaches the terminal")
    }
}

/// Waits for the end of a child.
fn end_of(child: &mut Child) -> ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("its state") {
            return status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill().expect("it ends");
            panic!("the inspector did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Does something to the inspector once it has drawn, and gives all that it wrote.
fn watch(more: &str, act: impl FnOnce(&mut Child)) -> String {
    let told = story::hostile();
    let mut child = start(told.file.path(), more);
    let output = Output::of(&mut child);
    output.wait_for_the_screen();
    act(&mut child);
    output.finish(&mut child)
}

fn press(child: &mut Child, keys: &[u8]) {
    let input = child.stdin.as_mut().expect("its input");
    for key in keys {
        input.write_all(&[*key]).expect("a key");
        input.flush().expect("a key");
        std::thread::sleep(Duration::from_millis(150));
    }
}

/// The terminal is as it was: main screen, cursor shown, lines edited by the terminal.
fn was_given_back(written: &str) {
    let leave = written.rfind(LEAVE).expect("the alternate screen is left");
    assert!(written.rfind(ENTER).expect("it was entered") < leave);
    assert!(written.rfind(SHOW).is_some(), "the cursor is shown");
    let after = &written[leave..];
    assert!(
        after.contains("icanon") && !after.contains("-icanon"),
        "{after:?}"
    );
}

#[test]
fn the_terminal_is_given_back_when_the_user_leaves() {
    let written = watch("", |child| press(child, b"37\t\t?\x1bq"));
    was_given_back(&written);
    assert!(!written.contains("ended:"), "{written}");
}

/// The inspector that shows this temporary file: nothing else has it on its command line.
/// Sections of a capture that is worth a copy.
const SECTIONS: usize = 40;

/// A capture of another program that is the same section again and again, 2,600 events each.
fn many_sections(folder: &Path, program: &Path) -> Vec<u8> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    let one = folder.join("one.scap");
    let converted = Command::new(program)
        .args(["convert", "--no-sign"])
        .args([&sample, &one])
        .output()
        .expect("it runs");
    assert!(converted.status.success(), "{converted:?}");
    std::fs::read(one).expect("its bytes").repeat(SECTIONS)
}

#[test]
fn a_capture_of_another_program_is_looked_at_while_it_is_read() {
    let program = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
    let folder = tempfile::tempdir().expect("a folder");
    let (path, pipe) = (folder.path().join("many.scap"), folder.path().join("pipe"));
    let bytes = many_sections(folder.path(), &program);
    std::fs::write(&path, &bytes).expect("a file");
    let cache = folder.path().join("cache");
    let inspect = |what: &str| {
        let line = format!(
            "AFTERIMAGE_CACHE='{}' '{}' inspect {what}",
            cache.display(),
            program.display()
        );
        let mut child = start_with(&line);
        let output = Output::of(&mut child);
        (child, output)
    };
    let kept = |end: &str| {
        let names = std::fs::read_dir(&cache).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().into_string().expect("text"));
        names.filter(|name| name.contains(end)).count()
    };
    // As it comes from elsewhere: what has come is on the screen before the rest is there.
    let fifo = rustix::fs::FileType::Fifo;
    let owner = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, owner, 0).expect("a pipe");
    let (mut child, output) = inspect(&format!("- < '{}'", pipe.display()));
    let mut end = File::options().write(true).open(&pipe).expect("the pipe");
    // Little by little: nobody waits for a chunk to become full, nor for the next section.
    let (one, rest) = bytes.split_at(bytes.len() / SECTIONS);
    let mut pieces = one.chunks(512);
    let mut put = |end: &mut File| {
        let piece = pieces
            .next()
            .expect("events are shown before the section ends");
        end.write_all(piece).expect("it is read");
    };
    // When it was is known of events alone.
    while !output.has("UTC,") {
        put(&mut end);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(output.has("being") && !output.has("seal"));
    for piece in pieces {
        end.write_all(piece).expect("it is read");
    }
    end.write_all(rest).expect("it is read");
    drop(end);
    output.wait_for("seal");
    press(&mut child, b"q");
    was_given_back(&output.finish(&mut child));
    assert_eq!(kept(""), 0, "of a stream nothing is kept");
    // Who leaves before all of it is read leaves nothing behind.
    let (mut child, output) = inspect(&format!("'{}'", path.display()));
    output.wait_for("Processes");
    press(&mut child, b"q");
    was_given_back(&output.finish(&mut child));
    assert_eq!(kept(".begun"), 0);
    // Who does not has a copy for the next time.
    let (mut child, output) = inspect(&format!("'{}'", path.display()));
    output.wait_for("seal");
    press(&mut child, b"q");
    was_given_back(&output.finish(&mut child));
    assert_eq!((kept(".begun"), kept(".aft")), (0, 1));
}

fn inspector_of(path: &Path) -> rustix::process::Pid {
    let name = path.display().to_string();
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let found = entries.into_iter().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let mut args = line.split(|b| *b == 0);
        let program = args.next()?;
        (program.ends_with(b"inspector") && args.next()? == name.as_bytes()).then_some(pid)
    });
    rustix::process::Pid::from_raw(found.expect("the inspector runs")).expect("a pid")
}

#[test]
fn the_inspector_ends_when_its_terminal_is_gone() {
    let told = story::break_in();
    let mut child = start(told.file.path(), "");
    let output = Output::of(&mut child);
    output.wait_for_the_screen();
    let pid = inspector_of(told.file.path());
    // The pseudo-terminal goes with the program that holds its other end.
    child.kill().expect("script ends");
    child.wait().expect("script ended");
    let begin = Instant::now();
    while rustix::process::test_kill_process(pid).is_ok() {
        if begin.elapsed() > PATIENCE {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it ends");
            panic!("the inspector outlives its terminal");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_terminal_is_given_back_after_a_signal() {
    let told = story::break_in();
    let path = told.file.path().to_owned();
    let mut child = start(&path, "");
    let output = Output::of(&mut child);
    output.wait_for_the_screen();
    let pid = inspector_of(&path);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
    let written = output.finish(&mut child);
    was_given_back(&written);
    assert!(written.contains("ended by signal 15"), "{written:?}");
}

#[test]
fn the_terminal_is_given_back_before_a_panic_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = folder.path().join("now");
    let written = watch(&format!("panic '{}'", now.display()), |_| {
        std::fs::write(&now, "").expect("a file");
    });
    was_given_back(&written);
    let leave = written.find(LEAVE).expect("the alternate screen is left");
    let told = written
        .find("a panic on purpose")
        .expect("the panic is told");
    assert!(leave < told, "the message is on the screen that stays");
}

#[test]
fn what_is_captured_writes_no_escape_sequence_of_its_own() {
    let told = story::hostile();
    let mut child = start(told.file.path(), "");
    let output = Output::of(&mut child);
    output.wait_for_the_screen();
    press(&mut child, b"2347\t\x1b[B\x1b[B\t");
    output.wait_for_an_escaped_byte();
    press(&mut child, b"q");
    let written = output.finish(&mut child);
    // The story's names hold OSC, C1 and bidirectional controls; the inspector itself uses none of them.
    for odd in [
        "\x1b]", "\x1bP", "\u{9b}", "\u{9d}", "\u{85}", "\u{202e}", "\u{2066}", "\x07",
    ] {
        assert!(!written.contains(odd), "{odd:?} reached the terminal");
    }
}

/// A pseudo-terminal whose size can be changed, with the inspector on it.
fn start_on_a_terminal(capture: &Path) -> (Child, File) {
    use std::os::fd::FromRawFd;
    use std::os::unix::process::CommandExt;
    let (mut master, mut slave) = (0, 0);
    let size = libc::winsize {
        ws_row: 36,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: all pointers are to live variables, or null where openpty(3) allows it.
    let made = unsafe {
        libc::openpty(
            &mut master,
            &mut slave,
            std::ptr::null_mut(),
            std::ptr::null(),
            &size,
        )
    };
    assert_eq!(made, 0, "a pseudo-terminal");
    // The inspector's own copy of this end would keep its terminal there.
    // SAFETY: the descriptor is open.
    let kept = unsafe { libc::fcntl(master, libc::F_SETFD, libc::FD_CLOEXEC) };
    assert_eq!(kept, 0, "a descriptor that is not inherited");
    // SAFETY: openpty gave both descriptors to us and nobody else has them.
    let (master, slave) = unsafe { (File::from_raw_fd(master), File::from_raw_fd(slave)) };
    let mut command = Command::new(env!("CARGO_BIN_EXE_inspector"));
    command
        .arg(capture)
        .env("TERM", "xterm")
        .stdin(slave.try_clone().expect("its input"))
        .stdout(slave.try_clone().expect("its output"))
        .stderr(slave);
    // SAFETY: only async-signal-safe calls are made between fork and exec.
    unsafe {
        command.pre_exec(|| {
            if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    (command.spawn().expect("the inspector runs"), master)
}

#[test]
fn a_storm_of_a_thousand_sizes_is_weathered() {
    use std::os::fd::AsRawFd;
    let told = story::break_in();
    let (mut child, master) = start_on_a_terminal(told.file.path());
    let written = Arc::new(Mutex::new(Vec::new()));
    let all = written.clone();
    let mut from = master.try_clone().expect("its output");
    let reader = std::thread::spawn(move || {
        let mut part = [0; 65536];
        while let Ok(n @ 1..) = from.read(&mut part) {
            let mut all = all.lock().expect("the output");
            all.extend(&part[..n]);
            // Only the end matters, and that there was a beginning.
            let len = all.len();
            if len > 1 << 20 {
                all.drain(4096..len - 65536);
            }
        }
    });
    let begin = Instant::now();
    while written.lock().expect("the output").len() < 1000 {
        assert!(begin.elapsed() < PATIENCE, "nothing was drawn");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut keys = master.try_clone().expect("its input");
    for step in 0u32..1000 {
        let size = libc::winsize {
            ws_row: (step * 7 % 90) as u16,
            ws_col: (step * 13 % 260) as u16,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: the descriptor is open and the pointer is to a live variable.
        unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
        if step % 50 == 0 {
            let key = *b"3457KWJ@1?".get(step as usize / 50 % 10).expect("a key");
            keys.write_all(&[key]).expect("a key");
        }
    }
    keys.write_all(b"\x1b").expect("a key");
    std::thread::sleep(Duration::from_millis(150));
    keys.write_all(b"q").expect("a key");
    let status = end_of(&mut child);
    drop((keys, master));
    reader.join().expect("the reader");
    let written = String::from_utf8_lossy(&written.lock().expect("the output")).into_owned();
    assert!(status.success(), "{status}");
    let leave = written.rfind(LEAVE).expect("the alternate screen is left");
    assert!(written.rfind(SHOW).is_some_and(|show| show + 64 > leave));
}

/// Whatever it is doing then: reading a key that came last, drawing, waiting.
#[test]
fn it_ends_when_its_terminal_goes_away() {
    let told = story::break_in();
    for round in 0..24_u32 {
        let (mut child, mut master) = start_on_a_terminal(told.file.path());
        let begin = Instant::now();
        let mut part = [0; 65536];
        let drawn = master.read(&mut part).expect("its output");
        assert!(drawn > 0);
        // Keys are on their way when it goes, a little later each time.
        while begin.elapsed() < Duration::from_millis(u64::from(round) * 20) {
            master.write_all(b"2jk").expect("keys");
            let _ = master.read(&mut part);
        }
        master.write_all(b"2jk").expect("keys");
        drop(master);
        end_of(&mut child);
    }
}

#[test]
fn without_a_terminal_it_says_so_and_writes_nothing() {
    let told = story::break_in();
    let output = Command::new(env!("CARGO_BIN_EXE_inspector"))
        .arg(told.file.path())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("standard output is not a terminal"), "{said}");
}
