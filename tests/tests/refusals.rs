//! Where recording cannot be, `record` and `doctor` say so: one sentence and one remedy, exit code 1, soon, without a panic
//! and without a file. Each row takes away one thing that recording needs, from a child only.

use afterimage_tests::harness;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A program that has not ended by then hangs. A second is the promise; a busy machine is given more.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is taken away, what `record` is asked for, and a word of the sentence that names it.
type Row = (
    &'static str,
    fn() -> io::Result<()>,
    &'static [&'static str],
    &'static str,
);

const TREE: &[&str] = &["--", "true"];
const ROWS: &[Row] = &[
    ("no rights", become_nobody, TREE, "CAP_BPF"),
    ("no type information", hide_btf, TREE, "type information"),
    (
        "no control groups",
        hide_groups,
        &["--all-containers"],
        "control groups",
    ),
    (
        "no such container",
        hide_groups,
        &["--container", "web"],
        "control groups",
    ),
    (
        "no bpf call",
        || refuse_bpf(libc::ENOSYS),
        TREE,
        "no bpf system call",
    ),
    (
        "a filter forbids bpf",
        || refuse_bpf(libc::EPERM),
        TREE,
        "refused",
    ),
    (
        "16 open files",
        || limit(libc::RLIMIT_NOFILE, 16),
        TREE,
        "16 files",
    ),
];

fn check(answer: i64) -> io::Result<()> {
    if answer == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn become_nobody() -> io::Result<()> {
    // SAFETY: numbers only; the child alone changes.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()).into())?;
        check(libc::setgid(65_534).into())?;
        check(libc::setuid(65_534).into())
    }
}

/// Mounts an empty file system over a folder, for the child alone.
fn hide(folder: &std::ffi::CStr) -> io::Result<()> {
    let (none, nothing) = (c"none".as_ptr(), std::ptr::null());
    // SAFETY: constant strings and numbers; the child has left the machine's mounts before it changes them.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS).into())?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        check(libc::mount(none, c"/".as_ptr(), std::ptr::null(), private, nothing).into())?;
        check(libc::mount(none, folder.as_ptr(), c"tmpfs".as_ptr(), 0, nothing).into())
    }
}

fn hide_btf() -> io::Result<()> {
    hide(c"/sys/kernel/btf")
}

fn hide_groups() -> io::Result<()> {
    hide(c"/sys/fs/cgroup")
}

fn limit(what: libc::__rlimit_resource_t, most: u64) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: the structure outlives the call.
    check(unsafe { libc::setrlimit(what, &raw const limit) }.into())
}

/// A system call filter as container runtimes have it: bpf fails with this error, everything else goes on.
fn refuse_bpf(errno: i32) -> io::Result<()> {
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let filter = [
        // The number is the first word of struct seccomp_data (include/uapi/linux/seccomp.h).
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_bpf as u32,
        ),
        op(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | errno as u32,
        ),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the program and its instructions outlive the call, which copies them.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
        let mode = libc::SECCOMP_MODE_FILTER;
        check(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program).into())
    }
}

/// How a command ended that something was taken from: exit code, standard output, standard error, and the time.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
    took: Duration,
}

/// The command where everybody may execute it.
fn command_for_all(folder: &Path) -> PathBuf {
    let copy = folder.join("afterimage");
    let own = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
    std::fs::copy(own, &copy).expect("a copy of the command");
    copy
}

fn run(program: &Path, args: &[&str], folder: &Path, take_away: fn() -> io::Result<()>) -> Ended {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(folder)
        .env("AFTERIMAGE_KEYS", folder.join(".keys"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: raw calls with constant arguments; nothing of them allocates or locks.
    unsafe { command.pre_exec(take_away) };
    let begun = Instant::now();
    let output = command.output().expect("the command runs");
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).expect("UTF-8").to_owned();
    Ended {
        code: output.status.code(),
        out: text(&output.stdout),
        err: text(&output.stderr),
        took: begun.elapsed(),
    }
}

/// A folder that everybody may enter and write to.
fn open_folder() -> (tempfile::TempDir, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("its mode");
    let path = folder.path().to_owned();
    (folder, path)
}

fn left_behind(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder reads");
    entries.flatten().map(|entry| entry.path()).collect()
}

#[test]
fn what_forbids_recording_is_named_with_its_remedy() {
    if let Some(why) = harness::obstacle() {
        harness::skip(&why);
        return;
    }
    let (_keep, bin) = open_folder();
    let program = command_for_all(&bin);
    let mut wrong = Vec::new();
    for (what, take_away, args, word) in ROWS {
        let (_keep, folder) = open_folder();
        let record = [&["record", "-o", "never.aft"], *args].concat();
        let ended = run(&program, &record, &folder, *take_away);
        let lines: Vec<_> = ended.err.lines().collect();
        let told = match lines.as_slice() {
            [sentence, remedy] => sentence.contains(word) && remedy.starts_with("  try: "),
            _ => false,
        };
        if ended.code != Some(1) || !told || !ended.out.is_empty() || ended.took > PATIENCE {
            wrong.push(format!(
                "{what}: exit code {:?} after {:?}: {}{}",
                ended.code, ended.took, ended.out, ended.err
            ));
        }
        let left = left_behind(&folder);
        if !left.is_empty() {
            wrong.push(format!("{what}: left behind {left:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_doctor_finds_what_is_missing() {
    if let Some(why) = harness::obstacle() {
        harness::skip(&why);
        return;
    }
    let (_keep, bin) = open_folder();
    let program = command_for_all(&bin);
    let mut wrong = Vec::new();
    for (what, take_away, args, _) in ROWS {
        let (_keep, folder) = open_folder();
        let ended = run(&program, &["doctor"], &folder, *take_away);
        // Processes can be recorded where containers cannot be told apart.
        let (code, mark) = match *args == TREE {
            true => (1, "missing"),
            false => (0, "absent"),
        };
        let remedied = ended.out.contains("  try: ");
        if ended.code != Some(code) || !ended.out.contains(mark) || !remedied {
            wrong.push(format!(
                "{what}: exit code {:?} after {:?}: {}{}",
                ended.code, ended.took, ended.out, ended.err
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_small_limit_of_locked_memory_and_of_open_files_hinders_nothing_that_can_be_lifted() {
    afterimage_tests::needs_recording!();
    let (_keep, folder) = open_folder();
    let take_away = || {
        let limit = libc::rlimit {
            rlim_cur: 16,
            rlim_max: 1024,
        };
        // SAFETY: the structure outlives the call.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }.into())?;
        self::limit(libc::RLIMIT_MEMLOCK, 65_536)
    };
    let ended = run(
        &harness::afterimage(env!("CARGO_BIN_EXE_workload")),
        &["record", "-o", "small.aft", "--", "true"],
        &folder,
        take_away,
    );
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
}

#[test]
fn a_pid_namespace_is_named_with_its_remedy() {
    if let Some(why) = harness::obstacle() {
        harness::skip(&why);
        return;
    }
    let (_keep, folder) = open_folder();
    let output = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc"])
        .arg(harness::afterimage(env!("CARGO_BIN_EXE_workload")))
        .args(["record", "-o", "never.aft", "--", "true"])
        .current_dir(&folder)
        .output()
        .expect("unshare runs");
    let err = std::str::from_utf8(&output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("the host's pids") && err.contains("  try: "),
        "{err}"
    );
    assert_eq!(left_behind(&folder), Vec::<PathBuf>::new());
}
