//! `afterimage watch` as it runs on a host: configured by a file, asked at its socket, told by others, signalled.

use crate::busy::{Busy, has};
use crate::doors::http;
use afterimage_capture::confine::{Role, confine};
use afterimage_format::Reader;
use afterimage_model::GapCause;
use afterimage_tests::child::{self, End};
use afterimage_tests::harness::{self, Capture};
use afterimage_tests::needs_recording;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a host that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running watch.
pub struct Service {
    pub process: Process,
    folder: tempfile::TempDir,
}

impl Service {
    /// Starts one with this configuration, in which `FOLDER` is a folder of its own; waits until it answers.
    pub fn start(config: &str, arguments: &[&str]) -> Service {
        let folder = tempfile::tempdir().expect("a folder");
        let program = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
        let mut service = Service {
            process: Command::new("true").spawn().expect("a process"),
            folder,
        };
        service.process.wait().expect("its end");
        service.configure(config);
        let errors = std::fs::File::create(service.path("stderr")).expect("a file");
        service.process = Command::new(program)
            .args(["watch", "--socket"])
            .arg(service.path("socket"))
            .arg("--config")
            .arg(service.path("watch.toml"))
            .args(arguments)
            .env("AFTERIMAGE_KEYS", service.path("keys"))
            .stdin(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("watch starts");
        service.until("it answers", |service| service.try_status().is_some());
        service
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, config: &str) {
        let here = self.folder.path().to_str().expect("text");
        let text = config.replace("FOLDER", here);
        std::fs::write(self.path("watch.toml"), text).expect("a file");
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    pub fn until(&mut self, what: &str, mut is: impl FnMut(&Service) -> bool) {
        let started = Instant::now();
        while !is(self) {
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("watch has ended ({status}) before {what}: {}", self.said());
            }
            assert!(started.elapsed() < PATIENCE, "{what}: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn ask(&self, question: &str) -> std::io::Result<Value> {
        let mut stream = UnixStream::connect(self.path("socket"))?;
        let sent = writeln!(stream, "{question}");
        let mut line = String::new();
        let read = BufReader::new(stream).read_line(&mut line);
        // Who is refused unheard is answered all the same.
        if line.is_empty() {
            sent?;
            read?;
        }
        Ok(serde_json::from_str(&line)?)
    }

    fn try_status(&self) -> Option<Value> {
        self.ask(r#"{"status":{}}"#).ok()
    }

    pub fn status(&self) -> Value {
        self.try_status().expect("it answers")
    }

    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.process.id()).expect("a pid");
        // SAFETY: a signal to a process of our own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    pub fn fired(&self, name: &str) -> u64 {
        let status = self.status();
        let triggers = status["triggers"].as_array().cloned().unwrap_or_default();
        let one = triggers.iter().find(|one| one["name"] == *name);
        one.and_then(|one| one["fired"].as_u64()).unwrap_or(0)
    }

    /// Files that are there, by the trigger that is in their name.
    pub fn files(&self, trigger: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path("evidence")) else {
            return Vec::new();
        };
        let named = format!("Z-{trigger}");
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .filter(|path| {
                path.file_name().is_some_and(|name| {
                    let name = name.to_string_lossy();
                    name.contains(&named) && name.ends_with(".aft")
                })
            })
            .collect()
    }

    /// Whether a trigger has so many files, all of them sealed. The files say so themselves: what the watch says of itself may be of
    /// an instant before.
    pub fn are_sealed(&self, trigger: &str, count: usize) -> bool {
        let files = self.files(trigger);
        let sealed = |path| Reader::open(path).is_ok_and(|reader| reader.totals().is_some());
        files.len() == count && files.iter().all(|path| sealed(path))
    }

    /// Waits for the only file of a trigger to be sealed.
    pub fn sealed(&mut self, trigger: &str) -> Capture {
        self.until(&format!("a file of {trigger} is sealed"), |service| {
            service.are_sealed(trigger, 1)
        });
        let files = self.files(trigger);
        assert_eq!(files.len(), 1, "{files:?}");
        Capture::open(&files[0])
    }

    /// Asks it to end; gives its exit code.
    pub fn end(mut self) -> Option<i32> {
        self.signal(libc::SIGTERM);
        self.process.wait().expect("its end").code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A configuration without triggers.
pub const BASE: &str = r#"
[evidence]
folder = "FOLDER/evidence"
after = "200ms"
free = "0"
"#;

/// A file for its owner alone, with a line in it.
pub fn secret(path: &Path, text: &str) {
    let mut options = std::fs::File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .expect("a file");
    writeln!(file, "{text}").expect("written");
}

/// What stands behind the first mark of a text, up to the end of that line.
pub fn line_after<'t>(text: &'t str, mark: &str) -> &'t str {
    let (_, rest) = text
        .split_once(mark)
        .unwrap_or_else(|| panic!("no {mark}: {text}"));
    rest.lines().next().unwrap_or_default()
}

/// Checks that every thread of a process is this user's and has at most these capabilities, no new privileges, and a filter over
/// its calls; gives how many there are.
fn check_rights(pid: u32, uid: u32, kept: u64) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let mut threads = 0;
    for task in tasks {
        let path = task.expect("a thread").path().join("status");
        let status = match std::fs::read_to_string(path) {
            Ok(status) => status,
            // A thread that answered somebody and is over (ENOENT before it is opened, ESRCH after) has no rights any more.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                continue;
            }
            Err(error) => panic!("a thread's status: {error}"),
        };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(|rest| rest.trim_start_matches(':').trim().to_owned())
                .unwrap_or_default()
        };
        let thread = field("Name");
        let ids: Vec<String> = field("Uid").split_whitespace().map(str::to_owned).collect();
        assert_eq!(ids, vec![uid.to_string(); 4], "{thread}");
        for set in ["CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"] {
            let caps = u64::from_str_radix(&field(set), 16).expect("a set");
            assert_eq!(caps & !kept, 0, "{thread}: {set}");
        }
        assert_eq!(field("NoNewPrivs"), "1", "{thread}");
        assert_eq!(field("Seccomp"), "2", "{thread}");
        threads += 1;
    }
    threads
}

/// Checks that a watch works with the rights it has: a container that comes later is known, and a file is made.
fn check_work(service: &mut Service, tag: &str) {
    let busy = Busy::start(tag);
    service.until("the container is in the window", |service| {
        has(&service.status(), &busy.id)
    });
    let answer = service
        .ask(r#"{"fire":{"container":null,"reason":"x"}}"#)
        .expect("an answer");
    assert!(answer["path"].is_string(), "{answer}");
    assert!(!service.sealed("command").of_type("getppid").is_empty());
}

/// What a recorder keeps: CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_BPF.
const RECORDER: u64 = 1 << 2 | 1 << 19 | 1 << 39;

#[test]
fn a_watch_keeps_no_more_rights_than_it_needs() {
    needs_recording!();
    let mut service = Service::start(
        &format!("{BASE}[[trigger]]\nkind = \"command\"\n"),
        &["--no-sign"],
    );
    let pid = service.process.id();
    let threads = check_rights(pid, 0, RECORDER);
    assert!(threads > 3, "{threads} threads");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    assert!(core.is_some_and(|line| line.contains(" 0 ")), "{limits}");
    check_work(&mut service, "confined");
    assert_eq!(service.end(), Some(0));
}

#[test]
fn a_watch_goes_on_as_another_user_and_its_files_are_that_users() {
    needs_recording!();
    let config = format!("{BASE}index = true\n[[trigger]]\nkind = \"command\"\n");
    let mut service = Service::start(&config, &["--user", "nobody"]);
    let uid = std::fs::metadata(service.path("evidence"))
        .expect("a folder")
        .uid();
    assert_ne!(uid, 0);
    let pid = service.process.id();
    assert!(check_rights(pid, uid, RECORDER) > 3);
    let children = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(children).expect("its children");
    let child = children.trim().parse().expect("one child, which indexes");
    service.until("the child has given up its rights", |_| {
        let status = std::fs::read_to_string(format!("/proc/{child}/status"));
        status.is_ok_and(|status| status.contains("Seccomp:\t2"))
    });
    assert!(check_rights(child, uid, 0) > 0);
    check_work(&mut service, "given");
    let files = service.files("command");
    let [file] = files.as_slice() else {
        panic!("{files:?}")
    };
    let meta = std::fs::metadata(file).expect("it is there");
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (uid, 0o600));
    // Root's key has signed it, and it is whole.
    let program = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
    let verified = Command::new(program)
        .args(["verify", "--json"])
        .arg(file)
        .env("AFTERIMAGE_KEYS", service.path("keys"))
        .output()
        .expect("it runs");
    let said: Value = serde_json::from_slice(&verified.stdout).expect("a report");
    assert!(verified.status.success(), "{said}");
    let index = PathBuf::from(format!("{}.idx", file.display()));
    service.until("the index is made", |_| index.exists());
    assert_eq!(std::fs::metadata(&index).expect("it is there").uid(), uid);
    assert_eq!(service.end(), Some(0));
}

#[test]
fn a_stranger_who_reaches_the_socket_of_a_watch_is_not_answered() {
    needs_recording!();
    let mut service = Service::start(
        &format!("{BASE}[[trigger]]\nkind = \"command\"\n"),
        &["--no-sign"],
    );
    let socket = service.path("socket");
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    // Whoever opens the way to it opens nothing else.
    for (path, mode) in [(service.folder.path(), 0o755), (socket.as_path(), 0o666)] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("it is this test's own");
    }
    let stranger = child::fork(|| {
        // SAFETY: gives this child's rights away.
        let given = unsafe { libc::setgid(65534) | libc::setuid(65534) };
        let asked = [
            r#"{"status":{}}"#,
            r#"{"fire":{"container":null,"reason":"x"}}"#,
        ]
        .map(|question| service.ask(question).ok());
        let refused = asked.iter().all(|answer| {
            let answer = answer.as_ref().expect("an answer");
            let why = answer["error"].as_str().unwrap_or_default();
            why.contains("only root") && answer.as_object().is_some_and(|all| all.len() == 1)
        });
        i32::from(given != 0 || !refused)
    });
    assert_eq!(stranger.expect("fork").wait(), End::Exited(0));
    assert_eq!(service.fired("command"), 0);
    service.until("it goes on", |service| service.try_status().is_some());
    assert_eq!(service.end(), Some(0));
}

#[test]
fn a_watch_does_not_give_away_a_folder_with_files_of_others() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("evidence")).expect("a folder");
    std::fs::write(path("evidence/report.txt"), b"mine").expect("a file");
    let config = BASE.replace("FOLDER", folder.path().to_str().expect("text"));
    std::fs::write(path("watch.toml"), config).expect("a file");
    let program = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
    let watch = |user: &str| {
        let output = Command::new(&program)
            .args(["watch", "--no-sign", "--user", user, "--socket"])
            .arg(path("socket"))
            .arg("--config")
            .arg(path("watch.toml"))
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = watch("nobody");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("user nobody may not write there") && said.contains("chown nobody "),
        "{said}"
    );
    let (code, said) = watch("no-such-user");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("no user no-such-user") && said.contains("useradd"),
        "{said}"
    );
    assert!(!path("socket").exists());
}

#[test]
fn a_watch_that_was_stopped_says_from_when_to_when() {
    needs_recording!();
    let mut service = Service::start(
        &format!("{BASE}[[trigger]]\nkind = \"command\"\n"),
        &["--no-sign"],
    );
    let _busy = Busy::start("stopped");
    service.signal(libc::SIGSTOP);
    std::thread::sleep(Duration::from_secs(6));
    service.signal(libc::SIGCONT);
    let answer = service
        .ask(r#"{"fire":{"container":null,"reason":"x"}}"#)
        .expect("an answer");
    assert!(answer["path"].is_string(), "{answer}");
    let capture = service.sealed("command");
    let blind: Vec<_> = capture
        .gaps
        .iter()
        .filter(|gap| gap.cause == GapCause::Blind)
        .collect();
    let [gap] = blind.as_slice() else {
        panic!("{:?}", capture.gaps)
    };
    let took = Duration::from_nanos(gap.end.0 - gap.start.0);
    assert!(took >= Duration::from_millis(5_900), "{took:?}");
    let who = format!("sent by pid {} (", std::process::id());
    assert!(gap.detail.contains(&who), "{}", gap.detail);
    assert_eq!(service.end(), Some(0));
}

#[test]
fn what_a_killed_watch_has_spilled_becomes_evidence_of_the_next() {
    needs_recording!();
    let config =
        format!("{BASE}[window]\nspill = \"FOLDER/spill\"\n[[trigger]]\nkind = \"command\"\n");
    let mut service = Service::start(&config, &["--no-sign"]);
    let busy = Busy::start("spilled");
    service.until("the container is in the window", |service| {
        has(&service.status(), &busy.id)
    });
    let folder = service.folder.path().to_owned();
    service.process.kill().expect("it was there");
    service.process.wait().expect("its end");
    // A new one over the same folders.
    let again = config.replace("FOLDER", folder.to_str().expect("text"));
    let next = Service::start(&again, &["--no-sign"]);
    let said = next.said();
    assert!(said.contains("did not end by itself"), "{said}");
    let files = service.files("spill");
    assert_eq!(files.len(), 1, "{files:?}");
    let reader = Reader::open(&files[0]).unwrap_or_else(|why| panic!("{why}"));
    let ids: Vec<_> = (0..reader.chunks().len())
        .flat_map(|at| {
            reader
                .chunk(at)
                .expect("a chunk")
                .tables
                .containers
                .into_values()
        })
        .map(|container| container.full_id.clone())
        .collect();
    assert!(ids.contains(&busy.id), "{ids:?}");
    assert_eq!(next.end(), Some(0));
    assert!(
        std::fs::read_dir(folder.join("spill"))
            .expect("a folder")
            .next()
            .is_none()
    );
}

#[test]
fn calls_that_a_recorder_has_no_business_to_make_are_refused() {
    let child = child::fork(|| {
        if confine(Role::Recorder, None).is_err() {
            return 100;
        }
        let errno = || std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        // SAFETY: each is refused before it looks at its arguments.
        let refused = unsafe {
            [
                libc::syscall(libc::SYS_execve, 0, 0, 0) == -1 && errno() == libc::EPERM,
                libc::syscall(libc::SYS_ptrace, 0, 0, 0, 0) == -1 && errno() == libc::EPERM,
                libc::syscall(libc::SYS_mount, 0, 0, 0, 0, 0) == -1 && errno() == libc::EPERM,
                libc::syscall(libc::SYS_setns, -1, 0) == -1 && errno() == libc::EPERM,
                libc::syscall(libc::SYS_bpf, 5, 0, 0) == -1 && errno() == libc::EPERM,
                libc::syscall(libc::SYS_init_module, 0, 0, 0) == -1 && errno() == libc::EPERM,
                libc::syscall(libc::SYS_setuid, 0) == -1 && errno() == libc::EPERM,
                libc::syscall(libc::SYS_fork) == -1 && errno() == libc::EPERM,
                libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) == -1
                    && errno() == libc::EPERM,
                libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0) == -1
                    && errno() == libc::EAFNOSUPPORT,
                libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) == -1
                    && errno() == libc::EAFNOSUPPORT,
            ]
        };
        // Threads, files and sockets of the families that are needed still work.
        let thread = std::thread::spawn(|| 7).join().is_ok_and(|n| n == 7);
        let file = std::fs::File::open("/etc/hostname").is_ok();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").is_ok();
        match refused.iter().position(|is| !is) {
            Some(at) => at as i32 + 1,
            None if thread && file && socket => 0,
            None => 101,
        }
    });
    let end = child.expect("fork").wait();
    // As a user there are no capabilities to give up, and everything else is the same.
    assert_eq!(end, End::Exited(0));
}

#[test]
fn a_hang_up_reads_the_configuration_anew_and_a_wrong_one_changes_nothing() {
    needs_recording!();
    let first = format!(
        "{BASE}[metrics]\nlisten = \"127.0.0.1:0\"\n[[trigger]]\nkind = \"command\"\n[[trigger]]\nname = \"old\"\nkind = \"crash\"\n"
    );
    let mut service = Service::start(&first, &["--no-sign"]);
    let names = |service: &Service| -> BTreeSet<String> {
        let status = service.status();
        let triggers = status["triggers"].as_array().cloned().unwrap_or_default();
        let name = |one: &Value| one["name"].as_str().unwrap_or("").to_owned();
        triggers.iter().map(name).collect()
    };
    let answer = service
        .ask(r#"{"fire":{"container":null,"reason":"x"}}"#)
        .expect("an answer");
    assert!(answer["path"].is_string(), "{answer}");
    service.configure(&first.replace("\"old\"", "\"new\""));
    service.signal(libc::SIGHUP);
    service.until("the new trigger is armed", |service| {
        names(service).contains("new")
    });
    assert!(!names(&service).contains("old"));
    assert_eq!(service.fired("command"), 1, "how often it fired is kept");
    for (wrong, why) in [
        (
            first.replace("kind = \"crash\"", "kind = \"crush\""),
            "there is no kind of trigger",
        ),
        (
            format!("{first}\n[record]\nsnaplen = \"1KiB\"\n"),
            "takes a new start",
        ),
        ("[window".to_owned(), "line 1"),
    ] {
        service.configure(&wrong);
        service.signal(libc::SIGHUP);
        service.until(why, |service| service.said().contains(why));
        assert!(names(&service).contains("new"), "{why}");
    }
    assert_eq!(
        service
            .said()
            .matches("THE NEW CONFIGURATION IS REFUSED")
            .count(),
        3
    );
    // The numbers are those of the status.
    let said = service.said();
    let address = line_after(&said, "numbers are told at http://");
    let address = address.trim_end_matches("/metrics");
    let (code, text) = http(address, "GET /metrics", "", "");
    assert_eq!(code, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("afterimage_files_sealed_total 1\n"), "{text}");
    let status = service.status();
    for (name, metric) in [
        ("memory.bound", "own_memory_bound_bytes"),
        ("refused", "files_refused_total"),
    ] {
        let line = format!("\nafterimage_{metric} {}\n", status[name]);
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert!(text.contains("afterimage_trigger_fired_total{name=\"command\",kind=\"command\"} 1\n"));
    assert_eq!(http(address, "GET /", "", "").0, 404);
    assert_eq!(http(address, "POST /metrics", "", "").0, 405);
    assert_eq!(service.end(), Some(0));
}
