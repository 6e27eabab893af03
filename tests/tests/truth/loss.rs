//! Rings that are too small: what is lost is counted, to the last event, and the count has its place.

use crate::inside;
use afterimage_capture::Options;
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, End};
use afterimage_tests::harness::{self, Consumer, Seen};
use afterimage_tests::needs_recording;
use std::collections::{BTreeMap, BTreeSet};

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
    let in_rings = capture.events().filter(|e| e.name() != "signal_generate");
    for event in in_rings {
        let fresh = seen
            .entry(event.event.cpu)
            .or_default()
            .insert(event.event.seq);
        assert!(fresh, "twice: {}", event.line());
    }
    for gap in &capture.gaps {
        let (Some(cpu), Some(first), Some(count)) = (gap.cpu, gap.first_seq, gap.count) else {
            panic!("a gap without bounds: {gap:?}")
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
