//! Measures what recording costs, by hand: `cargo run --release -p afterimage-tests --bin overhead` as root on a quiet
//! machine. CPU time of the calling thread, paired runs, least and middle of them; nothing is asserted.

use afterimage_capture::{Options, Recorder, Scope};
use afterimage_format::{Reader, Writer, WriterOptions};
use afterimage_model::{Schema, Totals};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, Shared};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const CALLS: u32 = 1_000_000;
const PAIRS: usize = 7;

/// CPU ns of the calling thread.
fn cpu_ns() -> u64 {
    // SAFETY: the structure is filled by the call.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
        time
    };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Runs a tight loop in a child, inside a group when there is one; CPU ns per call.
fn loop_ns(cgroup: Option<&Cgroup>) -> f64 {
    let told = Shared::new(4096).expect("shared memory");
    let child = child::fork(|| {
        if let Some(cgroup) = cgroup {
            cgroup.enter().expect("the group takes the child");
        }
        let start = cpu_ns();
        for _ in 0..CALLS {
            // SAFETY: asks for a number.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
        told.put(&(cpu_ns() - start).to_ne_bytes());
        0
    });
    child.expect("fork").wait();
    let spent = told
        .take()
        .first_chunk()
        .map_or(0, |ns| u64::from_ne_bytes(*ns));
    spent as f64 / f64::from(CALLS)
}

struct Run {
    ns: f64,
    seconds: f64,
    bytes: u64,
    totals: Totals,
}

fn recorded(path: &Path, cgroup: &Cgroup, run_in: Option<&Cgroup>) -> Run {
    let options = Options {
        scope: Scope::Cgroup(cgroup.path().to_owned()),
        // Room for all events of a run: what is measured is the cost of recording, not of dropping.
        ring_bytes: 256 << 20,
        ..Options::default()
    };
    let mut recorder = Recorder::arm(options).expect("the recorder arms");
    let out = BufWriter::new(File::create(path).expect("a file"));
    let mut writer = Writer::new(
        out,
        recorder.manifest(),
        Schema::current(),
        WriterOptions::default(),
    )
    .expect("header");
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    let ns = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let ns = loop_ns(run_in);
            stop.store(true, Ordering::Release);
            ns
        });
        recorder.run(&mut writer, &stop).expect("the recorder runs");
        worker.join().expect("the loop ends")
    });
    let (_, totals) = recorder.finish(writer).expect("the capture finishes");
    Run {
        ns,
        seconds: start.elapsed().as_secs_f64(),
        bytes: std::fs::metadata(path).map_or(0, |m| m.len()),
        totals,
    }
}

fn least_and_middle(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (
        values.first().copied().unwrap_or(0.0),
        values.get(values.len() / 2).copied().unwrap_or(0.0),
    )
}

#[expect(clippy::print_stdout, reason = "the figures are the program's output")]
fn main() -> ExitCode {
    if let Some(why) = afterimage_tests::harness::obstacle() {
        println!("nothing can be measured here: {why}");
        return ExitCode::FAILURE;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("overhead.aft");
    let cgroup = Cgroup::fresh("overhead").expect("a control group");
    let (mut bases, mut inside, mut outside) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rates, mut sizes, mut opens, mut dropped) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..PAIRS {
        let base = loop_ns(Some(&cgroup));
        bases.push(base);
        outside.push(recorded(&path, &cgroup, None).ns - base);
        let run = recorded(&path, &cgroup, Some(&cgroup));
        inside.push(run.ns - base);
        dropped += run.totals.dropped;
        rates.push(run.totals.written as f64 / run.seconds);
        sizes.push(run.bytes as f64 / run.totals.written.max(1) as f64);
        let start = Instant::now();
        let reader = Reader::open(&path).expect("it opens");
        opens.push(start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(reader.events(), run.totals.written);
    }
    let rows = [
        ("getppid, no recording", bases, "ns"),
        ("added, in scope", inside, "ns"),
        ("added, out of scope", outside, "ns"),
        ("events per s, call to sealed", rates, "1/s"),
        ("bytes per event", sizes, "B"),
        ("open", opens, "ms"),
    ];
    println!(
        "{CALLS} calls a run, {PAIRS} runs; {dropped} events dropped\n{:<30} {:>14} {:>14}",
        "", "least", "middle"
    );
    for (name, values, unit) in rows {
        let (least, middle) = least_and_middle(values);
        println!("{name:<30} {least:>14.2} {middle:>14.2} {unit}");
    }
    ExitCode::SUCCESS
}
