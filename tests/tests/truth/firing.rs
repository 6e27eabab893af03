//! Each kind of trigger, fired for real: something happens in a container, and there is a file that says which trigger it was.

use crate::runtimes::{event, inspection, now_ns};
use crate::watching::{wanted, watch, watch_by};
use afterimage_capture::trigger::{Reach, TRIGGERS, Wanted};
use afterimage_capture::watch::Sealed;
use afterimage_capture::{Endpoint, Options};
use afterimage_tests::cgroup::{self, Cgroup};
use afterimage_tests::child;
use afterimage_tests::daemon::{self, Daemon};
use afterimage_tests::harness::{self, Capture, Seen};
use afterimage_tests::needs_recording;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

/// A rule that starts a capture, and how long.
const RULES: &str = "
- macro: never_true
  condition: (evt.num=0)
- rule: Name asked for
  desc: somebody asks what the host is called
  condition: evt.type = sethostname and not never_true
  output: asked (command=%proc.name container=%container.id)
  priority: WARNING
  capture: true
  capture_duration: 2500
";

/// Kinds that fire by what a process in a container does, with their parameters and what it does.
fn by_deed(canary: String) -> Vec<(Wanted, Box<dyn Fn()>)> {
    let mut falco = wanted("falco", Reach::Container, &[("rules", "a.yaml")]);
    falco.texts.push(("a.yaml".to_owned(), RULES.to_owned()));
    let kind = |name: &str, params: &[(&str, &str)]| wanted(name, Reach::Container, params);
    let secret = kind("secret", &[]);
    vec![
        (
            kind("canary", &[("paths", &format!("{canary}*"))]),
            Box::new(move || drop(std::fs::remove_file(&canary))),
        ),
        (
            kind("connect", &[("addresses", "127.66.0.0/16")]),
            // Nobody listens there: the attempt is what counts.
            Box::new(|| drop(TcpStream::connect((Ipv4Addr::new(127, 66, 1, 2), 9)))),
        ),
        (
            kind("crash", &[]),
            // SAFETY: reads where nothing is; what this ends is this process.
            Box::new(|| unsafe {
                std::hint::black_box(std::ptr::with_exposed_provenance::<u64>(8).read_volatile());
            }),
        ),
        (
            kind("dns", &[("names", "*.evil.example")]),
            Box::new(|| {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
                let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
                for part in ["c2", "evil", "example"] {
                    packet.push(part.len() as u8);
                    packet.extend_from_slice(part.as_bytes());
                }
                packet.extend_from_slice(&[0, 0, 1, 0, 1]);
                let _ = socket.send_to(&packet, (Ipv4Addr::LOCALHOST, 53));
            }),
        ),
        (
            falco,
            // SAFETY: refused for its length, so nothing changes.
            Box::new(|| unsafe {
                libc::sethostname(c"x".as_ptr(), usize::MAX);
            }),
        ),
        (
            kind("filter", &[("filter", "evt.type = getpriority")]),
            // SAFETY: asks for a number.
            Box::new(|| unsafe {
                libc::getpriority(0, 0);
            }),
        ),
        (
            kind("listen", &[]),
            Box::new(|| drop(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))),
        ),
        (
            kind(
                "rate",
                &[
                    ("filter", "evt.type = getsid"),
                    ("above", "20"),
                    ("within", "5s"),
                ],
            ),
            Box::new(|| {
                for _ in 0..25 {
                    // SAFETY: asks for a number.
                    unsafe { libc::getsid(0) };
                }
            }),
        ),
        (secret, Box::new(|| drop(File::open("/etc/shadow")))),
    ]
}

/// What the note at the beginning of a file says.
fn note(capture: &Capture) -> String {
    capture.manifest.trigger.clone()
}

#[test]
fn what_a_process_does_fires_the_trigger_that_is_meant_and_no_other() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let canary = folder.path().join("canary");
    std::fs::write(&canary, "nothing").expect("a file");
    let rows = by_deed(canary.to_str().expect("text").to_owned());
    let triggers: Vec<Wanted> = rows.iter().map(|row| row.0.clone()).collect();
    let (pids, files) = watch(&triggers, |_, next| {
        let mut pids = Vec::new();
        for (wanted, deed) in &rows {
            let (cgroup, _) = Cgroup::like_a_container(&wanted.kind).expect("a control group");
            let (pid, _) = harness::run_in(&cgroup, || {
                drop(File::open("/etc/hostname"));
                deed();
                0
            });
            pids.push(pid);
        }
        for _ in &rows {
            next();
        }
        pids
    });
    for ((wanted, _), pid) in rows.iter().zip(pids) {
        let of: Vec<&(Sealed, Capture)> = (files.iter())
            .filter(|(sealed, _)| sealed.trigger == wanted.name)
            .collect();
        let [(sealed, capture)] = of.as_slice() else {
            panic!("{}: {} files", wanted.name, of.len());
        };
        assert_eq!(sealed.missing, 0, "{}", wanted.name);
        let events = capture.of_thread(pid);
        assert!(
            events
                .iter()
                .any(|ctx| ctx.bytes("path") == Some(b"/etc/hostname")),
            "{}: what came before is there",
            wanted.name
        );
        assert!(events.iter().any(|ctx| ctx.name() == "procexit"));
        assert!(note(capture).starts_with(&wanted.name), "{}", note(capture));
        // A rule says itself how long is recorded: longer than the recorder's own second.
        let after = Duration::from_nanos((sealed.until_ns - sealed.fired_ns) as u64);
        let long = after >= Duration::from_millis(2_500);
        assert_eq!(
            long,
            wanted.kind == "falco" || after > Duration::from_secs(3),
            "{after:?}"
        );
    }
}

/// A container that may have so much memory, by version 2 of control groups, or by version 1.
pub struct Limited {
    /// Goes first, and what is in it with it.
    pub cgroup: Cgroup,
    old: Option<Cgroup>,
}

impl Limited {
    pub fn group(tag: &str, bytes: usize) -> std::io::Result<Limited> {
        let (cgroup, id) = Cgroup::like_a_container(tag)?;
        let root = cgroup::mount().unwrap_or_default();
        for folder in [root.clone(), root.join(format!("afterimage-{tag}"))] {
            let _ = std::fs::write(folder.join("cgroup.subtree_control"), "+memory");
        }
        let bytes = bytes.to_string();
        if std::fs::write(cgroup.path().join("memory.max"), &bytes).is_ok() {
            // Where there is no swap there is no such file.
            let _ = std::fs::write(cgroup.path().join("memory.swap.max"), "0");
            return Ok(Limited { cgroup, old: None });
        }
        let old =
            Path::new("/sys/fs/cgroup/memory").join(format!("afterimage-{tag}-{}", &id[..24]));
        let old = Cgroup::at(old)?;
        std::fs::write(old.path().join("memory.limit_in_bytes"), &bytes)?;
        Ok(Limited {
            cgroup,
            old: Some(old),
        })
    }

    /// A process is counted in it from now on.
    pub fn adopt(&self, pid: u32) -> std::io::Result<()> {
        self.old.as_ref().unwrap_or(&self.cgroup).adopt(pid)
    }

    /// The calling process is counted in it.
    fn enter(&self) {
        if let Some(old) = &self.old {
            old.enter().expect("the group takes the child");
        }
    }
}

#[test]
fn lack_of_memory_limits_and_waiting_fire_theirs() {
    needs_recording!();
    let made = Limited::group("oom", 16 << 20).and_then(|oom| {
        let limit = Limited::group("limit", 64 << 20)?;
        Ok((oom, limit))
    });
    let (oom, limit) = match made {
        Ok(made) => made,
        Err(why) => return harness::skip(&format!("no memory controller: {why}")),
    };
    let (slow, _) = Cgroup::like_a_container("pressure").expect("a control group");
    if !slow.path().join("cpu.pressure").exists() {
        return harness::skip("this kernel does not account for waiting");
    }
    let kind = |name: &str, params: &[(&str, &str)]| wanted(name, Reach::Container, params);
    let triggers = [
        kind("oom", &[]),
        kind("limit", &[("percent", "50")]),
        kind("pressure", &[("percent", "5")]),
    ];
    let options = Options {
        usage_interval: Some(Duration::from_millis(200)),
        ..Options::default()
    };
    let (kinds, files) = watch_by(options, &triggers, |_, next| {
        harness::run_in(&oom.cgroup, || {
            oom.enter();
            // Every page is touched: memory that nobody writes to is not there.
            let hoard = vec![1u8; 64 << 20];
            i32::from(std::hint::black_box(hoard).is_empty())
        });
        let held = child::fork(|| {
            // Where its memory is counted is looked up when its group is first seen.
            limit.enter();
            limit.cgroup.enter().expect("the group takes the child");
            let hoard = vec![1u8; 48 << 20];
            std::thread::sleep(Duration::from_secs(600));
            drop(std::hint::black_box(hoard));
            0
        });
        // More of them than there are processors, so that some wait.
        let waiters = 2 + std::thread::available_parallelism().map_or(8, usize::from);
        let waits = (0..waiters).map(|_| {
            child::fork(|| {
                slow.enter().expect("the group takes the child");
                loop {
                    std::hint::spin_loop();
                }
            })
        });
        let children: Vec<_> = [held]
            .into_iter()
            .chain(waits)
            .map(|one| one.expect("fork"))
            .collect();
        let mut kinds = BTreeSet::new();
        // What goes on fires again, and again: what has not fired by then does not.
        let until = Instant::now() + Duration::from_secs(60);
        while kinds.len() < triggers.len() && Instant::now() < until {
            kinds.insert(next().trigger);
        }
        for child in children {
            // SAFETY: ends the children that were made here.
            unsafe { libc::kill(child.pid() as i32, libc::SIGKILL) };
            child.wait();
        }
        kinds
    });
    let expected: BTreeSet<String> = ["limit", "oom", "pressure"].map(str::to_owned).into();
    assert_eq!(kinds, expected);
    assert_eq!(files.iter().map(|file| file.0.missing).sum::<u64>(), 0);
}

#[test]
fn what_runtimes_tell_fires_theirs() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("daemon.sock");
    let told = [
        ("container_created", "create", json!({"name": "a"})),
        ("container_exec", "exec_start: sh", json!({"execID": "e"})),
        ("container_died", "die", json!({"exitCode": "137"})),
        ("container_removed", "destroy", json!({})),
    ];
    let lines: Vec<(String, &str, serde_json::Value)> = (told.iter().zip(0..))
        .map(|((_, action, about), n)| (format!("{n:064x}"), *action, about.clone()))
        .collect();
    let _daemon = Daemon::start(&socket, move |target, stream| {
        if target.starts_with("/events") {
            daemon::begin(stream);
            for (id, action, about) in &lines {
                use std::io::Write;
                let _ = stream.write_all(event(action, id, now_ns(), about.clone()).as_bytes());
            }
            return daemon::hang(stream);
        }
        let asked = target.strip_prefix("/containers/");
        match asked.and_then(|rest| rest.strip_suffix("/json")) {
            Some(id) => daemon::json(stream, &inspection(id, "told")),
            None => daemon::unknown(stream),
        }
    });
    let triggers = told
        .each_ref()
        .map(|row| wanted(row.0, Reach::Container, &[]));
    let options = Options {
        runtimes: vec![Endpoint {
            runtime: "docker",
            socket: socket.clone(),
        }],
        ..Options::default()
    };
    let (kinds, files) = watch_by(options, &triggers, |_, next| {
        let kinds: BTreeSet<String> = (0..told.len()).map(|_| next().trigger).collect();
        kinds
    });
    let expected: BTreeSet<String> = told.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(kinds, expected);
    assert_eq!(files.len(), told.len());
}

#[test]
fn time_alone_fires_a_schedule() {
    needs_recording!();
    let triggers = [wanted("schedule", Reach::Host, &[("every", "1s")])];
    let ((), files) = watch(&triggers, |_, next| {
        assert_eq!(next().trigger, "schedule");
    });
    assert!(!files.is_empty());
}

/// Kinds that somebody tells are fired where the command runs as a service.
#[test]
fn no_kind_is_left_out() {
    let here = by_deed(String::new()).into_iter().map(|row| row.0.kind);
    let others = [
        "oom",
        "limit",
        "pressure",
        "container_created",
        "container_died",
        "container_exec",
        "container_removed",
        "schedule",
    ];
    let tried: BTreeSet<String> = here.chain(others.map(str::to_owned)).collect();
    let told = TRIGGERS.iter().filter(|kind| !kind.is_told());
    let all: BTreeSet<String> = told.map(|kind| kind.name.to_owned()).collect();
    assert_eq!(tried, all);
}
