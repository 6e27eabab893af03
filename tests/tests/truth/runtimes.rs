//! Daemons that hang, lie, flood, die and come back: no event may be missing or late for them, and what can be known of a
//! container is attached when it arrives.

use afterimage_capture::{Endpoint, Options, Scope};
use afterimage_model::{Container, EventFlags};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::End;
use afterimage_tests::daemon::{self, Daemon};
use afterimage_tests::harness::{self, Capture, Seen};
use afterimage_tests::needs_recording;
use serde_json::json;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls that each test's container makes, all of which must be recorded.
const CALLS: usize = 50;

/// All containers, with one daemon at this socket.
fn listening_to(socket: &Path) -> Options {
    Options {
        scope: Scope::AllContainers,
        runtimes: vec![Endpoint {
            runtime: "docker",
            socket: socket.to_owned(),
        }],
        ..Options::default()
    }
}

/// A process in a container's group that makes its calls; gives the container's id.
fn contained(tag: &str) -> (Cgroup, String) {
    let (cgroup, id) = Cgroup::like_a_container(tag).expect("a control group");
    let (_, end) = harness::run_in(&cgroup, || {
        for _ in 0..CALLS {
            // SAFETY: asks for a number.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
        0
    });
    assert_eq!(end, End::Exited(0));
    (cgroup, id)
}

fn container<'a>(capture: &'a Capture, id: &str) -> &'a Container {
    capture
        .state
        .containers
        .values()
        .find(|c| c.full_id == id)
        .unwrap_or_else(|| panic!("{id} is in the state"))
}

/// Every call of the container is there, with its id.
fn all_calls_are_there(capture: &Capture, id: &str) {
    let calls = capture.of_type("getppid");
    let own = calls
        .iter()
        .filter(|e| e.container().is_some_and(|c| c.full_id == id));
    assert_eq!(own.count(), CALLS);
}

/// Records a container while a daemon answers like this; `until` says what to wait for before the end.
fn record(
    tag: &str,
    answer: impl Fn(&str, &mut UnixStream) + Send + Sync + 'static,
    until: impl FnOnce(&Daemon, &str) + Send,
) -> (Capture, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("daemon.sock");
    let daemon = Daemon::start(&socket, answer);
    let (capture, id) = harness::record(listening_to(&socket), || {
        let (_cgroup, id) = contained(tag);
        until(&daemon, &id);
        id
    });
    all_calls_are_there(&capture, &id);
    (capture, id)
}

pub fn inspection(id: &str, name: &str) -> String {
    json!({"Id": id, "Name": format!("/{name}"), "Image": "sha256:00", "Config": {"Image": "box:1"}, "HostConfig": {"Memory": 4096}})
        .to_string()
}

/// The id in `/containers/ID/json`.
fn asked_for(target: &str) -> Option<&str> {
    target.strip_prefix("/containers/")?.strip_suffix("/json")
}

pub fn event(action: &str, id: &str, unix_ns: i64, attributes: serde_json::Value) -> String {
    let event = json!({"Type": "container", "Action": action, "Actor": {"ID": id, "Attributes": attributes}, "timeNano": unix_ns});
    format!("{event}\n")
}

pub fn now_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_nanos()).expect("before 2262")
}

#[test]
fn a_daemon_that_accepts_and_never_answers_delays_and_loses_nothing() {
    needs_recording!();
    let (capture, id) = record(
        "hung",
        |_, stream| daemon::hang(stream),
        |daemon, id| assert!(daemon.was_asked(id, 1)),
    );
    let row = container(&capture, &id);
    assert!(row.name.is_empty() && !row.unresolved.is_empty(), "{row:?}");
}

#[test]
fn no_daemon_at_all_is_said_in_the_containers_row() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let options = listening_to(&folder.path().join("nobody.sock"));
    let (capture, id) = harness::record(options, || contained("nobody").1);
    all_calls_are_there(&capture, &id);
    assert_eq!(
        container(&capture, &id).unresolved,
        "no container runtime answered"
    );
}

#[test]
fn answers_without_end_without_sense_and_without_their_rest_are_refused_and_said_so() {
    needs_recording!();
    type Manner = fn(&mut UnixStream);
    let manners: [(&str, &str, Manner); 4] = [
        ("endless", "longer than", |stream| {
            daemon::begin(stream);
            let blanks = vec![b' '; 1 << 20];
            for _ in 0..1024 {
                if stream.write_all(&blanks).is_err() {
                    return;
                }
            }
        }),
        ("garbage", "no JSON", |stream| {
            daemon::json(stream, "<html>")
        }),
        ("cut", "", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{\"Id\"");
        }),
        ("noise", "", |stream| {
            let _ = stream.write_all(&[0xff; 4096]);
        }),
    ];
    for (tag, says, manner) in manners {
        let (capture, id) = record(
            tag,
            move |target, stream| match asked_for(target) {
                Some(_) => manner(stream),
                None => daemon::unknown(stream),
            },
            // It is asked again when the first answer has been found useless.
            |daemon, id| assert!(daemon.was_asked(id, 2)),
        );
        let row = container(&capture, &id);
        assert!(row.name.is_empty(), "{tag}: {row:?}");
        assert!(
            row.unresolved.starts_with("the container runtime: ") && row.unresolved.contains(says),
            "{tag}: {}",
            row.unresolved
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("it reads");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok())
        .expect("a number");
    assert!(peak < 512 << 10, "a gigabyte was believed: {peak} KiB");
}

#[test]
fn a_name_that_comes_late_is_attached_when_it_comes() {
    needs_recording!();
    let (capture, id) = record(
        "late",
        |target, stream| match asked_for(target) {
            Some(id) => {
                std::thread::sleep(std::time::Duration::from_millis(700));
                daemon::json(stream, &inspection(id, "late"));
            }
            None => daemon::unknown(stream),
        },
        // The image is asked for when the container is known.
        |daemon, _| assert!(daemon.was_asked("/images/", 1)),
    );
    let row = container(&capture, &id);
    assert_eq!(
        (row.name.as_str(), row.image.as_str(), row.limits.memory),
        ("late", "box:1", Some(4096))
    );
    assert!(row.unresolved.is_empty(), "{}", row.unresolved);
}

#[test]
fn a_container_that_is_removed_before_the_answer_keeps_the_name_its_creation_told() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("daemon.sock");
    let (send, lines) = std::sync::mpsc::channel::<String>();
    let lines = std::sync::Mutex::new(lines);
    let daemon = Daemon::start(&socket, move |target, stream| {
        if !target.starts_with("/events") {
            return daemon::unknown(stream);
        }
        daemon::begin(stream);
        for line in lines.lock().expect("one stream at a time").iter() {
            if stream.write_all(line.as_bytes()).is_err() {
                return;
            }
        }
    });
    let (capture, id) = harness::record(listening_to(&socket), || {
        let (_cgroup, id) = contained("removed");
        let about = json!({"name": "gone", "image": "box:1", "team": "blue"});
        send.send(event("create", &id, now_ns(), about))
            .expect("it listens");
        assert!(daemon.was_asked(&id, 1));
        // A start makes the recorder ask again: then it has taken in what was said before.
        send.send(event("start", &id, now_ns(), json!({})))
            .expect("it listens");
        assert!(daemon.was_asked(&id, 2));
        id
    });
    drop(send);
    all_calls_are_there(&capture, &id);
    let row = container(&capture, &id);
    assert_eq!((row.name.as_str(), row.image.as_str()), ("gone", "box:1"));
    assert_eq!(row.labels.get("team").map(String::as_str), Some("blue"));
}

#[test]
fn a_renamed_container_has_its_new_name_and_the_renaming_is_an_event() {
    needs_recording!();
    let name = std::sync::Arc::new(std::sync::Mutex::new("old"));
    let answered = name.clone();
    let (send, lines) = std::sync::mpsc::channel::<String>();
    let lines = std::sync::Mutex::new(lines);
    let (capture, id) = record(
        "renamed",
        move |target, stream| match asked_for(target) {
            Some(id) => {
                let name = *answered.lock().expect("a name");
                daemon::json(stream, &inspection(id, name));
            }
            None if target.starts_with("/events") => {
                daemon::begin(stream);
                for line in lines.lock().expect("one stream at a time").iter() {
                    if stream.write_all(line.as_bytes()).is_err() {
                        return;
                    }
                }
            }
            None => daemon::unknown(stream),
        },
        move |daemon, id| {
            assert!(daemon.was_asked(id, 1));
            *name.lock().expect("a name") = "new";
            let about = json!({"name": "new", "oldName": "/old"});
            send.send(event("rename", id, now_ns(), about))
                .expect("it listens");
            assert!(daemon.was_asked(id, 2));
        },
    );
    assert_eq!(container(&capture, &id).name, "new");
    let renamings = capture.of_type("runtime_rename");
    let [renaming] = renamings.as_slice() else {
        panic!("{} renamings", renamings.len());
    };
    assert_eq!(renaming.bytes("old_name"), Some(&b"old"[..]));
    assert_eq!(
        renaming.container().map(|c| c.full_id.as_str()),
        Some(id.as_str())
    );
    assert!(renaming.event.flags.has(EventFlags::TOLD));
    assert!(renaming.proc().is_none(), "no process did it");
}

#[test]
fn a_daemon_that_is_restarted_is_heard_again_and_nothing_is_told_twice() {
    needs_recording!();
    let began = now_ns();
    let (streams, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let id = "5a".repeat(32);
    let told = id.clone();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("daemon.sock");
    let daemon = Daemon::start(&socket, move |target, stream| {
        if !target.starts_with("/events") {
            asked.fetch_add(usize::from(target.contains(&told)), Ordering::AcqRel);
            return daemon::unknown(stream);
        }
        daemon::begin(stream);
        let create = event("create", &told, began + 1, json!({"name": "web"}));
        let die = event("die", &told, began + 2, json!({"exitCode": "3"}));
        let start = event("start", &told, began + 3, json!({}));
        let lines = match streams.fetch_add(1, Ordering::AcqRel) {
            0 => create,
            // A daemon that comes back tells again what it remembers.
            1 => [create, die].concat(),
            _ => {
                // The recorder has heard of the container when it asks for it.
                while asked.load(Ordering::Acquire) == 0 {
                    std::thread::yield_now();
                }
                start
            }
        };
        let _ = stream.write_all(lines.as_bytes());
        if streams.load(Ordering::Acquire) > 2 {
            daemon::hang(stream);
        }
    });
    let (capture, ()) = harness::record(listening_to(&socket), || {
        assert!(daemon.was_asked("/events", 3));
        // After the start the container is asked for once more.
        assert!(daemon.was_asked(&id, 2));
    });
    let count = |name| {
        let all = capture.of_type(name);
        let own = all
            .iter()
            .filter(|e| e.container().is_some_and(|c| c.full_id == id));
        own.count()
    };
    assert_eq!(
        ["runtime_create", "runtime_die", "runtime_start"].map(count),
        [1, 1, 1]
    );
    assert_eq!(container(&capture, &id).exit_code, Some(3));
    assert_eq!(capture.of_type("runtime_connect").len(), 3);
    assert_eq!(capture.of_type("runtime_disconnect").len(), 2);
    assert_eq!(capture.totals.told, 8, "{:?}", capture.totals);
}

#[test]
fn a_daemon_that_lies_about_time_size_and_names_spoils_nothing() {
    needs_recording!();
    let (capture, id) = record(
        "liar",
        |target, stream| match asked_for(target) {
            Some(id) => {
                let labels: serde_json::Map<_, _> = (0..20_000)
                    .map(|n| (format!("label-{n}"), json!("x".repeat(400))))
                    .collect();
                let answer = json!({"Id": id, "Name": "/\u{1b}]0;owned\u{7}", "Image": "sha256:aa", "Config": {"Labels": labels, "Env": 7}, "HostConfig": "no"});
                daemon::json(stream, &answer.to_string());
            }
            None if target.starts_with("/events") => {
                daemon::begin(stream);
                let far = event("start", &"cc".repeat(32), i64::MAX, json!({}));
                let never = event("die", &"cc".repeat(32), -5, json!({"exitCode": "many"}));
                let odd = event("start", "../../etc/passwd", 1, json!({}));
                let _ = stream.write_all([far, never, odd].concat().as_bytes());
                daemon::hang(stream);
            }
            None => daemon::unknown(stream),
        },
        |daemon, id| {
            assert!(daemon.was_asked(id, 1));
            assert!(daemon.was_asked("/images/", 1));
            assert!(daemon.was_asked(&"cc".repeat(32), 1));
        },
    );
    let row = container(&capture, &id);
    assert!(
        row.cut && row.labels.len() <= 1_024 && !row.name.is_empty(),
        "{}",
        row.labels.len()
    );
    let (first, last) = capture.events().fold((u64::MAX, 0), |(first, last), e| {
        (first.min(e.event.time.0), last.max(e.event.time.0))
    });
    assert!(last - first < 600_000_000_000, "{} ns", last - first);
    assert!(
        capture
            .state
            .containers
            .values()
            .all(|c| !c.full_id.contains('/'))
    );
}

#[test]
fn a_flood_of_events_is_taken_in_whole() {
    needs_recording!();
    const FLOOD: usize = 5_000;
    let id = "fd".repeat(32);
    let asked = AtomicUsize::new(0);
    let told = id.clone();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("daemon.sock");
    let daemon = Daemon::start(&socket, move |target, stream| {
        if !target.starts_with("/events") {
            asked.fetch_add(usize::from(target.contains(&told)), Ordering::AcqRel);
            return daemon::unknown(stream);
        }
        daemon::begin(stream);
        for n in 0..FLOOD {
            let line = event(
                "exec_start: id",
                &told,
                now_ns(),
                json!({"execID": n.to_string()}),
            );
            if stream.write_all(line.as_bytes()).is_err() {
                return;
            }
        }
        while asked.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        let _ = stream.write_all(event("start", &told, now_ns(), json!({})).as_bytes());
        daemon::hang(stream);
    });
    let (capture, own) = harness::record(listening_to(&socket), || {
        let (_cgroup, own) = contained("flood");
        assert!(daemon.was_asked(&id, 2));
        own
    });
    all_calls_are_there(&capture, &own);
    assert_eq!(capture.of_type("runtime_exec_start").len(), FLOOD);
}

#[test]
fn only_containers_that_match_are_recorded_also_those_that_come_later() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("daemon.sock");
    let answered = AtomicUsize::new(0);
    // The first container that is asked for is an nginx, the second is not.
    let daemon = Daemon::start(&socket, move |target, stream| match asked_for(target) {
        Some(id) => {
            // Ids of this test begin with its own pid; whoever else runs containers here does not count.
            let own = id.starts_with(&format!("{:016x}", std::process::id()));
            let image = if own && answered.fetch_add(1, Ordering::AcqRel) == 0 {
                "nginx:1"
            } else {
                "redis:7"
            };
            std::thread::sleep(std::time::Duration::from_millis(300));
            let answer = json!({"Id": id, "Name": format!("/{image}"), "Config": {"Image": image}, "HostConfig": {}});
            daemon::json(stream, &answer.to_string());
        }
        None if target == "/containers/json" => daemon::json(stream, "[]"),
        None => daemon::unknown(stream),
    });
    let options = Options {
        scope: Scope::Matching("container.image glob \"nginx:*\"".to_owned()),
        ..listening_to(&socket)
    };
    let (capture, (meant, other)) = harness::record(options, || {
        let (first, meant) = contained("meant");
        assert!(daemon.was_asked(&meant, 1));
        let (second, other) = contained("other");
        assert!(daemon.was_asked(&other, 1));
        drop((first, second));
        (meant, other)
    });
    all_calls_are_there(&capture, &meant);
    assert!(
        capture.totals.filtered >= CALLS as u64,
        "{:?}",
        capture.totals
    );
    let foreign = capture
        .events()
        .find(|e| e.container().is_some_and(|c| c.full_id == other));
    assert!(foreign.is_none(), "{:?}", foreign.map(|e| e.line()));
    assert!(
        capture
            .state
            .containers
            .values()
            .all(|c| c.full_id != other)
    );
}

#[test]
fn what_a_container_uses_is_sampled_while_it_lives() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        usage_interval: Some(std::time::Duration::from_millis(100)),
        ..listening_to(&folder.path().join("nobody.sock"))
    };
    let (capture, id) = harness::record(options, || {
        let (cgroup, id) = Cgroup::like_a_container("usage").expect("a control group");
        let (_, end) = harness::run_in(&cgroup, || {
            let until = std::time::Instant::now() + std::time::Duration::from_millis(1_200);
            while std::time::Instant::now() < until {
                std::hint::black_box(0);
            }
            0
        });
        assert_eq!(end, End::Exited(0));
        id
    });
    let samples = capture.of_type("container_usage");
    let own: Vec<_> = samples
        .iter()
        .filter(|e| e.container().is_some_and(|c| c.full_id == id))
        .collect();
    assert!(own.len() >= 2, "{} samples", own.len());
    assert_eq!(capture.totals.sampled, samples.len() as u64);
    let used: Vec<i64> = own.iter().filter_map(|e| e.number("cpu_ns")).collect();
    assert!(used.is_sorted() && used.last() > used.first(), "{used:?}");
    assert!(own.iter().all(|e| e.event.flags.has(EventFlags::TOLD)));
    assert!(capture.manifest.limits.contains_key("usage_containers"));
}
