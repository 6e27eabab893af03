//! How long calls waited, by the clock of whoever made them.

use crate::inside;
use afterimage_capture::Options;
use afterimage_model::Ctx;
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, Child, End, Shared};
use afterimage_tests::harness::{self, Capture, Seen};
use afterimage_tests::needs_recording;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const SLEEPS: usize = 20;
const SLEEP: Duration = Duration::from_millis(10);

/// Sleeps, reads what comes late, and makes calls that do not wait; gives what its own clock said of each sleep, ns.
fn waits() -> Vec<u64> {
    let slept = (0..SLEEPS).map(|_| {
        let began = Instant::now();
        std::thread::sleep(SLEEP);
        began.elapsed().as_nanos() as u64
    });
    let slept: Vec<u64> = slept.collect();
    let (mut from, mut to) = std::io::pipe().expect("a pipe");
    let feeder = child::fork(move || {
        std::thread::sleep(SLEEP);
        i32::from(to.write_all(b"late").is_err())
    });
    let mut late = [0; 4];
    from.read_exact(&mut late).expect("what the child writes");
    assert_eq!(feeder.expect("fork").wait(), End::Exited(0));
    slept
}

fn record_waits(latency: bool) -> (Capture, u32, Vec<u64>) {
    let cgroup = Cgroup::fresh("waits").expect("a control group");
    let shared = Shared::new(4096).expect("memory");
    let options = Options {
        latency,
        ..inside(&cgroup)
    };
    let (capture, (pid, end)) = harness::record(options, || {
        harness::run_in(&cgroup, || {
            let all: Vec<u8> = waits().iter().flat_map(|ns| ns.to_le_bytes()).collect();
            shared.put(&all);
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    let own = shared.take();
    let own = own.as_chunks().0.iter().map(|ns| u64::from_le_bytes(*ns));
    (capture, pid, own.collect())
}

#[test]
fn a_call_that_waits_says_how_long() {
    needs_recording!();
    let (capture, pid, own) = record_waits(true);
    let events = capture.of_thread(pid);
    let named =
        |name: &str| -> Vec<&Ctx<'_>> { events.iter().filter(|ctx| ctx.name() == name).collect() };
    let sleeps = named("clock_nanosleep");
    assert_eq!((sleeps.len(), own.len()), (SLEEPS, SLEEPS));
    for (ctx, own) in sleeps.iter().zip(own) {
        let ns = ctx.event.latency_ns;
        assert!(
            ns <= own && ns >= SLEEP.as_nanos() as u64 * 9 / 10,
            "{ns} ns, {own} ns by its own clock: {}",
            ctx.line()
        );
    }
    let late = named("read")
        .into_iter()
        .find(|ctx| ctx.bytes("buf") == Some(b"late"))
        .expect("the read of the pipe");
    assert!(
        late.event.latency_ns > 1_000_000,
        "{} ns: {}",
        late.event.latency_ns,
        late.line()
    );
}

#[test]
fn calls_are_not_timed_where_that_is_switched_off() {
    needs_recording!();
    let (capture, _, _) = record_waits(false);
    let timed = capture.events().filter(|ctx| ctx.event.latency_ns != 0);
    assert_eq!(timed.count(), 0);
    let said = |line: &String| line.ends_with("how long calls take that wait: switched off");
    assert!(
        capture.manifest.not_covered.iter().any(said),
        "{:?}",
        capture.manifest.not_covered
    );
}

/// More processes than processors, which are interrupted wherever they are: in calls, behind them, between them. Their calls end
/// with ENOSYS, which is also what a call that has not ended looks like.
#[test]
fn a_wait_is_never_taken_for_another_call() {
    needs_recording!();
    const CALLS: usize = 40_000;
    let cgroup = Cgroup::fresh("hogs").expect("a control group");
    let hogs: Vec<Shared> = (0..6)
        .map(|_| Shared::new(CALLS * 8 + 8).expect("memory"))
        .collect();
    let (capture, pids) = harness::record(inside(&cgroup), || {
        let hog = |own: &Shared| {
            cgroup.enter().expect("the group takes the child");
            let mut spans = Vec::with_capacity(CALLS * 8);
            for _ in 0..CALLS {
                let began = Instant::now();
                // SAFETY: a number that no call has.
                unsafe { libc::syscall(1_000_000) };
                spans.extend((began.elapsed().as_nanos() as u64).to_le_bytes());
                let work: u64 = (0..200_u64).map(std::hint::black_box).sum();
                std::hint::black_box(work);
            }
            own.put(&spans);
            0
        };
        let children: Vec<_> = (hogs.iter())
            .map(|own| child::fork(|| hog(own)).expect("fork"))
            .collect();
        let pids: Vec<u32> = children.iter().map(Child::pid).collect();
        for child in children {
            assert_eq!(child.wait(), End::Exited(0));
        }
        pids
    });
    for (pid, own) in pids.into_iter().zip(&hogs) {
        let events = capture.of_thread(pid);
        let refused = events
            .iter()
            .filter(|ctx| ctx.event.errno() == Some(libc::ENOSYS as u32));
        let own = own.take();
        let spans = own.as_chunks().0.iter().map(|ns| u64::from_le_bytes(*ns));
        assert_eq!(refused.clone().count(), spans.len());
        for (ctx, span) in refused.zip(spans) {
            let ns = ctx.event.latency_ns;
            assert!(
                ns <= span,
                "{ns} ns, {span} ns by its own clock: {}",
                ctx.line()
            );
        }
    }
}
