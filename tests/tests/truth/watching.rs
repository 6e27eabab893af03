//! The past turned into a file: what a container did before anybody had a reason to look.

use afterimage_capture::trigger::{Reach, Wanted};
use afterimage_capture::watch::{Command, Opening, Options as Watching, Sealed, Store, Watcher};
use afterimage_capture::{Bounds, Options, Recorder, Scope};
use afterimage_format::{Writer, WriterOptions};
use afterimage_model::{GapCause, Manifest, Schema};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::End;
use afterimage_tests::harness::{self, Capture, Seen};
use afterimage_tests::needs_recording;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Files in a folder, and word of those that are sealed.
struct Folder {
    path: PathBuf,
    made: usize,
    sealed: Sender<Sealed>,
}

impl Store for Folder {
    type Out = File;

    fn open(
        &mut self,
        _opening: &Opening,
        manifest: &Manifest,
        options: WriterOptions,
    ) -> Result<(PathBuf, Writer<File>), String> {
        self.made += 1;
        let path = self.path.join(format!("{}.aft", self.made));
        let file = File::create_new(&path).map_err(|why| why.to_string())?;
        let writer = Writer::new(file, manifest, Schema::current(), options);
        Ok((path, writer.map_err(|why| why.to_string())?))
    }

    fn sealed(&mut self, _out: File, sealed: &Sealed) -> std::io::Result<()> {
        self.sealed.send(sealed.clone()).expect("the test listens");
        Ok(())
    }

    fn say(&mut self, what: &str) {
        eprintln!("{what}");
    }
}

/// A trigger of a kind, called after it.
pub fn wanted(kind: &str, reach: Reach, params: &[(&str, &str)]) -> Wanted {
    Wanted {
        name: kind.to_owned(),
        kind: kind.to_owned(),
        params: (params.iter())
            .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
            .collect(),
        reach,
        ..Wanted::default()
    }
}

/// Watches all containers while `work` runs; gives the files in the order they were sealed.
pub fn watch<T>(
    triggers: &[Wanted],
    work: impl FnOnce(&Sender<Command>, &dyn Fn() -> Sealed) -> T,
) -> (T, Vec<(Sealed, Capture)>) {
    watch_by(Options::default(), triggers, work)
}

/// The same, with a recorder that is told or looks at other things.
pub fn watch_by<T>(
    recorder: Options,
    triggers: &[Wanted],
    work: impl FnOnce(&Sender<Command>, &dyn Fn() -> Sealed) -> T,
) -> (T, Vec<(Sealed, Capture)>) {
    let recorder = Options {
        ring_bytes: 64 << 20,
        ..recorder
    };
    watch_for(Duration::from_secs(30), recorder, triggers, work)
}

/// The same, with a window so long, and rings as they are said to be.
fn watch_for<T>(
    span: Duration,
    recorder: Options,
    triggers: &[Wanted],
    work: impl FnOnce(&Sender<Command>, &dyn Fn() -> Sealed) -> T,
) -> (T, Vec<(Sealed, Capture)>) {
    let folder = tempfile::tempdir().expect("a folder");
    let (sealed, seals) = channel();
    let (commands, asked) = channel();
    let recorder = Recorder::arm(Options {
        scope: Scope::AllContainers,
        ..recorder
    });
    let recorder = recorder.unwrap_or_else(|why| panic!("the recorder does not arm: {why}"));
    let options = Watching {
        bounds: Bounds {
            span,
            bytes: 64 << 20,
            ..Bounds::default()
        },
        after: Duration::from_secs(1),
        most: Duration::from_secs(10),
        concurrent: 32,
        triggers: (triggers.iter())
            .map(|wanted| wanted.arm().unwrap_or_else(|why| panic!("{why}")))
            .collect(),
    };
    let store = Folder {
        path: folder.path().to_owned(),
        made: 0,
        sealed,
    };
    let watcher = Watcher::new(options, recorder.manifest(), store, asked).expect("a watcher");
    let stop = AtomicBool::new(false);
    let seen = std::cell::RefCell::new(Vec::new());
    let answer = std::thread::scope(|scope| {
        let watching = scope.spawn(|| recorder.watch(watcher, &stop));
        let next = || {
            let one = seals.recv_timeout(Duration::from_secs(60));
            let one: Sealed = one.expect("a file is sealed");
            seen.borrow_mut().push(one.clone());
            one
        };
        let answer =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&commands, &next)));
        stop.store(true, Ordering::Release);
        let totals = watching
            .join()
            .expect("the recorder")
            .expect("it ends well");
        assert_eq!(
            totals.offered,
            totals.written + totals.dropped + totals.filtered
        );
        answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let mut all = seen.into_inner();
    all.extend(seals.try_iter());
    let files = all.into_iter().map(|sealed| {
        let capture = Capture::open(&sealed.path);
        (sealed, capture)
    });
    (answer, files.collect())
}

/// Forty quiet opens, one bad one, and death a moment later.
fn quiet_then_bad(cgroup: &Cgroup, secret: &std::path::Path) -> u32 {
    harness::run_in(cgroup, || {
        for _ in 0..40 {
            drop(File::open("/etc/hostname"));
            std::thread::sleep(Duration::from_millis(25));
        }
        drop(File::open(secret));
        std::thread::sleep(Duration::from_millis(100));
        // SAFETY: ends this process.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        1
    })
    .0
}

/// A container floods rings that are far too small, and another one does little: what is missing of the first is told in its file,
/// and in no other.
#[test]
fn what_one_container_lost_is_not_told_of_another() {
    needs_recording!();
    const READS: u64 = 300_000;
    let top = tempfile::tempdir().expect("a folder");
    let honey = |name: &str| {
        let path = top.path().join(name);
        std::fs::write(&path, "nothing").expect("a file");
        path
    };
    let (loud, quiet) = (honey("loud"), honey("quiet"));
    let pattern = top.path().join("*");
    let pattern = pattern.to_str().expect("text");
    let triggers = [wanted("canary", Reach::Container, &[("paths", pattern)])];
    let small = Options {
        ring_bytes: 256 << 10,
        ..Options::default()
    };
    let (pids, files) = watch_for(Duration::from_secs(30), small, &triggers, |_, next| {
        let (noisy, _) = Cgroup::like_a_container("loud").expect("a control group");
        let (still, _) = Cgroup::like_a_container("quiet").expect("a control group");
        let first = harness::run_in(&noisy, || {
            let mut zero = File::open("/dev/zero").expect("zeros");
            for _ in 0..READS {
                zero.read_exact(&mut [0]).expect("a byte");
            }
            // What never yields.
            drop(std::fs::remove_file(&loud));
            0
        });
        let second = harness::run_in(&still, || {
            drop(File::open("/etc/hostname"));
            drop(std::fs::remove_file(&quiet));
            0
        });
        next();
        next();
        [first.0, second.0]
    });
    let of = |pid: u32| {
        let one = files
            .iter()
            .find(|(_, capture)| !capture.of_thread(pid).is_empty());
        one.unwrap_or_else(|| panic!("no file has {pid}"))
    };
    let lost = |capture: &Capture| {
        let full = capture.gaps.iter();
        let full = full.filter(|gap| matches!(gap.cause, GapCause::RingFull | GapCause::Counted));
        full.filter_map(|gap| gap.count).sum::<u64>()
    };
    let [(_, loud), (sealed, quiet)] = pids.map(of);
    let events = loud.of_thread(pids[0]);
    let reads = events.iter().filter(|ctx| ctx.name() == "read").count() as u64;
    assert!(reads < READS, "rings of 256 KiB do not hold {READS} reads");
    assert!(
        reads + lost(loud) >= READS,
        "{reads} and {} lost of {READS}: {:?}",
        lost(loud),
        loud.gaps
    );
    let whose = format!("; of container {}", sealed_container(loud));
    assert!(
        loud.gaps.iter().any(|gap| gap.detail.ends_with(&whose)),
        "{whose}: {:?}",
        loud.gaps
    );
    // Of its own it may have lost a read, as long as only little is kept of whatever is read.
    let full = (quiet.gaps.iter()).filter(|gap| gap.cause == GapCause::RingFull);
    assert_eq!(full.count(), 0, "{:?}", quiet.gaps);
    assert!(
        sealed.missing < 20 && lost(quiet) == sealed.missing,
        "{:?}",
        quiet.gaps
    );
    let events = quiet.of_thread(pids[1]);
    let opened = |ctx: &&afterimage_model::Ctx<'_>| ctx.bytes("path") == Some(b"/etc/hostname");
    assert_eq!(events.iter().filter(opened).count(), 1);
}

/// The beginning of the id of the container that the events of a file are of.
fn sealed_container(capture: &Capture) -> String {
    let of = capture
        .events()
        .find_map(|ctx| ctx.container().map(|c| c.short_id().to_owned()));
    of.expect("an event of a container")
}

#[test]
fn what_came_before_the_trigger_and_what_came_after_are_in_the_file() {
    needs_recording!();
    let top = tempfile::tempdir().expect("a folder");
    let secret = top.path().join("honey");
    std::fs::write(&secret, "nothing").expect("a file");
    let secret_text = secret.to_str().expect("text").to_owned();
    let triggers = [wanted(
        "canary",
        Reach::Container,
        &[("paths", &secret_text)],
    )];
    let (pids, files) = watch(&triggers, |_, next| {
        let (bad, id) = Cgroup::like_a_container("bad").expect("a control group");
        let (good, _) = Cgroup::like_a_container("good").expect("a control group");
        let other = harness::run_in(&good, || {
            drop(File::open("/etc/hostname"));
            0
        });
        let pid = quiet_then_bad(&bad, &secret);
        drop(bad);
        let sealed = next();
        assert_eq!((sealed.trigger.as_str(), sealed.missing), ("canary", 0));
        assert!(id.starts_with(&sealed.container), "{}", sealed.container);
        (pid, other.0)
    });
    let [(sealed, capture)] = files.as_slice() else {
        panic!("{} files", files.len())
    };
    let events = capture.of_thread(pids.0);
    let opens = |path: &[u8]| {
        let opened = events
            .iter()
            .filter(|ctx| ctx.name() == "openat" && ctx.bytes("path") == Some(path));
        opened.count()
    };
    assert_eq!(opens(b"/etc/hostname"), 40, "what was quiet is there");
    assert_eq!(opens(secret_text.as_bytes()), 1);
    // Which deed it was, and whose, is noted, once: that the file is closed again is no further one.
    let deed = format!("openat {secret_text} by ");
    let noted = |text: &str| text.contains(&deed) && text.ends_with(&format!("({})", pids.0));
    let notes: Vec<&str> = (capture.notes.iter().map(|note| note.text.as_str())).collect();
    assert!(
        matches!(notes.as_slice(), [only] if noted(only)),
        "{notes:?}"
    );
    let end = events.iter().find(|ctx| ctx.name() == "procexit");
    let end = end.expect("its end");
    assert_eq!(end.number("signal"), Some(i64::from(libc::SIGKILL)));
    // Every name resolves, and nothing of another container is there.
    assert!(
        events
            .iter()
            .all(|ctx| ctx.container().is_some() && ctx.pid() == pids.0)
    );
    assert!(capture.of_thread(pids.1).is_empty());
    assert!(
        capture.manifest.trigger.contains(&secret_text),
        "{}",
        capture.manifest.trigger
    );
    assert_eq!(capture.events().count() as u64, sealed.events);
    assert!(sealed.from_ns < sealed.fired_ns && sealed.fired_ns < sealed.until_ns);
    let times: Vec<_> = capture.events().map(|ctx| ctx.event.time).collect();
    assert!(times.is_sorted(), "a container's events are in order");
}

#[test]
fn the_past_begins_with_what_was_open_then_and_not_with_what_was_opened_later() {
    needs_recording!();
    let span = Duration::from_secs(3);
    let triggers = [wanted("command", Reach::Container, &[])];
    let top = tempfile::tempdir().expect("a folder");
    let [early, late] = ["early", "late"].map(|name| top.path().join(name));
    for path in [&early, &late] {
        std::fs::write(path, "something").expect("a file");
    }
    let (pid, files) = watch_for(span, Options::default(), &triggers, |commands, _| {
        let (group, _) = Cgroup::like_a_container("past").expect("a control group");
        let busy = |for_so_long: Duration| {
            let until = std::time::Instant::now() + for_so_long;
            while std::time::Instant::now() < until {
                // SAFETY: asks for a number.
                unsafe { libc::syscall(libc::SYS_getppid) };
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        let (pid, end) = harness::run_in(&group, || {
            let _early = File::open(&early);
            busy(span + span);
            // States follow in which both are open, before anybody asks.
            let _late = File::open(&late);
            busy(Duration::from_millis(2_500));
            0
        });
        assert_eq!(end, End::Exited(0));
        let (reply, answer) = channel();
        let fire = Command::Fire {
            trigger: "command",
            container: None,
            reason: String::new(),
            reply,
        };
        commands.send(fire).expect("it listens");
        answer.recv().expect("an answer").expect("a file");
        pid
    });
    let [(sealed, capture)] = files.as_slice() else {
        panic!("{} files", files.len())
    };
    let open: Vec<_> = (capture.state.descriptors.values())
        .filter_map(|id| capture.state.file(*id))
        .map(|file| PathBuf::from(String::from_utf8_lossy(&file.path).into_owned()))
        .collect();
    let own = capture.of_thread(pid);
    let opens = own.iter().filter(|ctx| ctx.name() == "openat");
    let opens = opens.filter_map(|ctx| ctx.bytes("path"));
    let opened: Vec<_> = opens
        .map(|path| PathBuf::from(String::from_utf8_lossy(path).into_owned()))
        .collect();
    assert!(open.contains(&early), "{open:?}");
    // On a machine so busy that all this took far longer, it is the other way round: never both, never neither.
    match opened.as_slice() {
        [] => assert!(open.contains(&late), "{open:?}"),
        all => assert!(*all == [late.clone()] && !open.contains(&late), "{open:?}"),
    }
    let past = Duration::from_nanos(sealed.fired_ns.abs_diff(sealed.from_ns));
    assert!(past >= span && past < span + span, "{past:?}");
}

#[test]
fn a_command_makes_a_file_of_all_containers_in_the_order_of_time() {
    needs_recording!();
    let triggers = [wanted("command", Reach::Container, &[])];
    let (pids, files) = watch(&triggers, |commands, _| {
        let made: Vec<_> = ["one", "two"]
            .map(|tag| Cgroup::like_a_container(tag).expect("a control group"))
            .into();
        let children: Vec<_> = (made.iter())
            .map(|(cgroup, _)| {
                let work = || {
                    cgroup.enter().expect("the group takes the child");
                    for _ in 0..50 {
                        // SAFETY: asks for a number.
                        unsafe { libc::syscall(libc::SYS_getppid) };
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    0
                };
                afterimage_tests::child::fork(work).expect("fork")
            })
            .collect();
        let pids: Vec<u32> = children.iter().map(|child| child.pid()).collect();
        for child in children {
            assert_eq!(child.wait(), End::Exited(0));
        }
        // What the rings and chunks still hold is on its way for a moment.
        let ask = |container: Option<String>| {
            let (reply, answer) = channel();
            let fire = Command::Fire {
                trigger: "command",
                container,
                reason: "case 42".to_owned(),
                reply,
            };
            commands.send(fire).expect("it listens");
            answer.recv().expect("an answer")
        };
        let why = ask(Some("nobody".to_owned())).expect_err("there is no such container");
        assert!(why.contains("nobody"), "{why}");
        let sealed = ask(None).expect("a file");
        assert_eq!(sealed.container, "");
        let one = ask(Some(made[0].1.clone())).expect("a file of one");
        assert!(made[0].1.starts_with(&one.container));
        pids
    });
    let [(_, all), (_, one)] = files.as_slice() else {
        panic!("{} files", files.len())
    };
    for pid in &pids {
        let calls = all.of_thread(*pid);
        assert_eq!(
            calls.iter().filter(|ctx| ctx.name() == "getppid").count(),
            50
        );
    }
    let times: Vec<_> = all.events().map(|ctx| ctx.event.time).collect();
    assert!(
        times.is_sorted(),
        "events of several containers are in order"
    );
    assert_eq!(all.manifest.reason, "case 42");
    assert!(!one.of_thread(pids[0]).is_empty() && one.of_thread(pids[1]).is_empty());
}
