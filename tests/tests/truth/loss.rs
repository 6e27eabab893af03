//! Rings that are too small: what is lost is counted, to the last event, and the count has its place.

use crate::inside;
use afterimage_capture::{Options, Recorder};
use afterimage_format::{Writer, WriterOptions};
use afterimage_model::{Gap, GapCause, Schema};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, End};
use afterimage_tests::harness::{self, Consumer, Seen};
use afterimage_tests::needs_recording;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn what_a_stalled_consumer_loses_is_counted_to_the_last_call() {
    needs_recording!();
    const CALLS: u64 = 20_000;
    let cgroup = Cgroup::fresh("stalled").expect("a control group");
    let options = Options {
        ring_bytes: 64 << 10,
        ..inside(&cgroup)
    };
    let (capture, (pid, end)) = harness::record_with(options, Consumer::Stalled, || {
        let child = child::fork(|| {
            stay_on_one_cpu();
            cgroup.enter().expect("the group takes the child");
            for _ in 0..CALLS {
                // SAFETY: asks for a number.
                unsafe { libc::syscall(libc::SYS_getppid) };
            }
            0
        })
        .expect("fork");
        (child.pid(), child.wait())
    });
    assert_eq!(end, End::Exited(0));
    let events = capture.of_thread(pid);
    let asked = events.iter().filter(|e| e.name() == "getppid").count() as u64;
    // The ring keeps what came first, so of the child's other events those before the calls are recorded, and its end is not.
    let ending = ["exit_group", "procexit"];
    let lost_ending = ending
        .iter()
        .filter(|name| !events.iter().any(|e| e.name() == **name))
        .count() as u64;
    assert!(
        capture.totals.dropped > 0,
        "a ring of 64 KiB does not hold {CALLS} calls"
    );
    assert!(asked > 0, "the ring holds the first calls");
    assert_eq!(
        asked + capture.totals.dropped - lost_ending,
        CALLS,
        "{:?}",
        capture.totals
    );
}

#[test]
fn a_small_ring_with_a_running_consumer_loses_nothing_uncounted() {
    needs_recording!();
    const CALLS: u64 = 300_000;
    let cgroup = Cgroup::fresh("small").expect("a control group");
    let options = Options {
        ring_bytes: 64 << 10,
        ..inside(&cgroup)
    };
    let (capture, (pid, end)) = harness::record(options, || {
        harness::run_in(&cgroup, || {
            for _ in 0..CALLS {
                // SAFETY: asks for a number.
                unsafe { libc::syscall(libc::SYS_getppid) };
            }
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    let asked = capture
        .of_thread(pid)
        .iter()
        .filter(|e| e.name() == "getppid")
        .count() as u64;
    // On each CPU the recorded numbers and the ranges of the gaps lie side by side; only what user space filtered is missing.
    let mut seen: BTreeMap<u16, BTreeSet<u64>> = BTreeMap::new();
    // Signals have a buffer of their own, and so numbers of their own.
    let in_rings = || (capture.events()).filter(|e| e.name() != "signal_generate");
    for event in in_rings() {
        let fresh = seen
            .entry(event.event.cpu)
            .or_default()
            .insert(event.event.seq);
        assert!(fresh, "twice: {}", event.line());
    }
    let kept = seen.clone();
    // Of losses that are told as one, the numbers that are missing between the events around them are as many as it says.
    let mut together = 0;
    for gap in &capture.gaps {
        let (Some(cpu), Some(count)) = (gap.cpu, gap.count) else {
            panic!("a gap without bounds: {gap:?}")
        };
        let Some(first) = gap.first_seq else {
            let of_cpu = || in_rings().map(|e| e.event).filter(|e| e.cpu == cpu);
            let before = of_cpu()
                .filter(|e| e.time <= gap.start)
                .map(|e| e.seq)
                .max();
            let behind = of_cpu().filter(|e| e.time >= gap.end).map(|e| e.seq).min();
            let from = before.map_or(0, |seq| seq + 1);
            let until = behind.or(kept[&cpu].last().map(|seq| seq + 1)).unwrap_or(0);
            let missing = until - from - kept[&cpu].range(from..until).count() as u64;
            if behind.is_some() {
                assert!(missing >= count, "{missing} of {from}..{until}: {gap:?}");
            }
            // Behind the last event there are no numbers to count by.
            let tail = count.saturating_sub(missing);
            seen.entry(cpu).or_default().extend(until..until + tail);
            together += count - tail;
            continue;
        };
        for seq in first..first + count {
            assert!(
                seen.entry(cpu).or_default().insert(seq),
                "recorded and lost: {seq} of CPU {cpu}, {gap:?}"
            );
        }
    }
    let holes: u64 = seen
        .values()
        .filter_map(|seqs| Some(seqs.last()? + 1 - seqs.len() as u64))
        .sum();
    let holes = holes.checked_sub(together);
    let holes = holes.expect("losses told as one have their numbers");
    assert!(
        holes <= capture.totals.filtered,
        "{holes} numbers are neither recorded nor lost: {:?}",
        capture.totals
    );
    assert!(
        asked + capture.totals.dropped >= CALLS,
        "{asked} recorded, {:?}",
        capture.totals
    );
    eprintln!(
        "{asked} of {CALLS} recorded, {} dropped",
        capture.totals.dropped
    );
}

/// Reads a byte again and again, and now and then unlinks a file that is not there: what an intruder would flood with, and
/// what must not be lost in the flood.
fn flood(reads: u32, between: u32) -> u32 {
    // SAFETY: constant paths; the buffer outlives the call.
    unsafe {
        let zero = libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY);
        let mut byte = 0_u8;
        let mut unlinks = 0;
        for at in 0..reads {
            libc::read(zero, (&raw mut byte).cast(), 1);
            if at % between == 0 {
                libc::unlink(c"/no/such/file".as_ptr());
                unlinks += 1;
            }
        }
        unlinks
    }
}

#[test]
fn a_flood_of_reads_never_displaces_what_must_not_yield() {
    needs_recording!();
    let cgroup = Cgroup::fresh("flood").expect("a control group");
    let options = Options {
        ring_bytes: 1 << 20,
        ..inside(&cgroup)
    };
    let (capture, (pid, end)) = harness::record_with(options, Consumer::Stalled, || {
        harness::run_in(&cgroup, || {
            stay_on_one_cpu();
            flood(100_000, 1_000) as i32
        })
    });
    assert_eq!(end, End::Exited(100));
    let events = capture.of_thread(pid);
    let count = |name: &str| events.iter().filter(|e| e.name() == name).count();
    assert_eq!(count("unlink"), 100, "{:?}", capture.totals);
    assert_eq!((count("exit_group"), count("procexit")), (1, 1));
    assert!(
        count("read") < 100_000 && capture.totals.dropped > 0,
        "a ring of 1 MiB does not hold 100,000 reads"
    );
    // The gaps say what was lost: reads, which are about files; and that nobody else lost anything.
    let full = |gap: &&Gap| gap.cause == GapCause::RingFull;
    for gap in capture.gaps.iter().filter(full) {
        let count = gap.count.unwrap_or_default();
        let detail = format!("file {count}; of container afterimage-f");
        assert_eq!(gap.detail, detail, "{gap:?}");
    }
    let lost: u64 = capture.gaps.iter().filter_map(|gap| gap.count).sum();
    assert_eq!(count("read") as u64 + lost, 100_000);
}

/// Takes its time for every write, as a disk that is far too slow.
struct Slow(std::fs::File);

impl std::io::Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::thread::sleep(std::time::Duration::from_millis(40));
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn a_slow_disk_makes_the_recorder_give_way_in_steps_that_are_written_down() {
    needs_recording!();
    let cgroup = Cgroup::fresh("slow").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slow.aft");
    let options = Options {
        ring_bytes: 4 << 20,
        ..inside(&cgroup)
    };
    let mut recorder = Recorder::arm(options).expect("the recorder arms");
    let small = WriterOptions {
        chunk_events: 2_000,
        ..WriterOptions::default()
    };
    let out = Slow(std::fs::File::create_new(&path).expect("a new file"));
    let manifest = recorder.manifest();
    let mut writer = Writer::new(out, manifest, Schema::current(), small).expect("a header");
    let stop = AtomicBool::new(false);
    let (pid, end) = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let ended = harness::run_in(&cgroup, || {
                stay_on_one_cpu();
                flood(1_000_000, 10_000) as i32
            });
            stop.store(true, Ordering::Release);
            ended
        });
        recorder.run(&mut writer, &stop).expect("the recorder runs");
        worker.join().expect("the flood ends")
    });
    let (out, totals) = recorder.finish(writer).expect("the capture finishes");
    drop(out);
    assert_eq!(end, End::Exited(100));
    let capture = harness::Capture::open(&path);
    capture.check_books(&totals);
    let causes: BTreeSet<_> = capture.gaps.iter().map(|gap| gap.cause).collect();
    assert!(causes.contains(&GapCause::Degraded), "{causes:?}");
    assert!(causes.contains(&GapCause::Counted), "{causes:?}");
    let events = capture.of_thread(pid);
    let count = |name: &str| events.iter().filter(|e| e.name() == name).count();
    assert_eq!(count("unlink"), 100, "{totals:?}");
    let lost: u64 = capture.gaps.iter().filter_map(|gap| gap.count).sum();
    assert_eq!(count("read") as u64 + lost, 1_000_000);
}

fn stay_on_one_cpu() {
    // SAFETY: the set is filled by the first call and read by the last.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(usize::try_from(libc::sched_getcpu()).unwrap_or(0), &mut set);
        assert_eq!(
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set),
            0
        );
    }
}
