//! Measures what recording costs, by hand: `cargo run --release -p afterimage-tests --bin overhead` as root on a quiet
//! machine. CPU time of the calling thread, paired runs, least and middle of them; nothing is asserted.

use afterimage_capture::{Floor, Options, Recorder, Scope};
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

/// CPU ns of this process so far, without its children.
fn own_cpu_ns() -> u64 {
    // SAFETY: the structure is filled by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let ns = |time: libc::timeval| {
        time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_usec.unsigned_abs() * 1_000
    };
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

/// One thing that is done again and again: its name, how often, and what does it once.
struct Work {
    name: &'static str,
    rounds: u32,
    once: fn(fd: i32),
}

const WORKS: [Work; 3] = [
    Work {
        name: "getppid",
        rounds: 1_000_000,
        // SAFETY: asks for a number.
        once: |_| unsafe {
            libc::syscall(libc::SYS_getppid);
        },
    },
    Work {
        name: "read of 1 byte",
        rounds: 500_000,
        // SAFETY: the buffer outlives the call.
        once: |fd| unsafe {
            let mut byte = 0_u8;
            libc::read(fd, (&raw mut byte).cast(), 1);
        },
    },
    Work {
        name: "open + close",
        rounds: 200_000,
        // SAFETY: a constant path; the descriptor is closed at once.
        once: |_| unsafe {
            libc::close(libc::open(c"/etc/passwd".as_ptr(), libc::O_RDONLY));
        },
    },
];

/// Does the work in a child, inside a group when there is one; CPU ns a round.
fn loop_ns(work: &Work, cgroup: Option<&Cgroup>) -> f64 {
    let told = Shared::new(4096).expect("shared memory");
    let child = child::fork(|| {
        if let Some(cgroup) = cgroup {
            cgroup.enter().expect("the group takes the child");
        }
        // SAFETY: a constant path.
        let fd = unsafe { libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY) };
        let start = cpu_ns();
        for _ in 0..work.rounds {
            (work.once)(fd);
        }
        told.put(&(cpu_ns() - start).to_ne_bytes());
        0
    });
    child.expect("fork").wait();
    let spent = told
        .take()
        .first_chunk()
        .map_or(0, |ns| u64::from_ne_bytes(*ns));
    spent as f64 / f64::from(work.rounds)
}

struct Run {
    ns: f64,
    seconds: f64,
    bytes: u64,
    own_ns: f64,
    totals: Totals,
}

fn recorded(path: &Path, work: &Work, cgroup: &Cgroup, run_in: Option<&Cgroup>) -> Run {
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
    let (start, own) = (Instant::now(), own_cpu_ns());
    let ns = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let ns = loop_ns(work, run_in);
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
        own_ns: (own_cpu_ns() - own) as f64 / totals.written.max(1) as f64,
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
    println!("{PAIRS} runs{:<30} {:>12} {:>12}", "", "least", "middle");
    for work in &WORKS {
        let mut rows: Vec<(&str, Vec<f64>, &str)> = [
            ("no recording", "ns"),
            ("added by a program that does nothing", "ns"),
            ("added, out of scope", "ns"),
            ("added, in scope", "ns"),
            ("in scope / does nothing", "×"),
            ("recorder's own CPU, an event", "ns"),
            ("events per s, call to sealed", "1/s"),
            ("bytes per event", "B"),
            ("open", "ms"),
        ]
        .map(|(name, unit)| (name, Vec::new(), unit))
        .into();
        let mut dropped = 0;
        for _ in 0..PAIRS {
            let base = loop_ns(work, Some(&cgroup));
            let floor = {
                let _floor = Floor::attach().expect("the empty program attaches");
                loop_ns(work, Some(&cgroup)) - base
            };
            let outside = recorded(&path, work, &cgroup, None).ns - base;
            let run = recorded(&path, work, &cgroup, Some(&cgroup));
            let start = Instant::now();
            let reader = Reader::open(&path).expect("it opens");
            let open = start.elapsed().as_secs_f64() * 1e3;
            assert_eq!(reader.events(), run.totals.written);
            dropped += run.totals.dropped;
            let figures = [
                base,
                floor,
                outside,
                run.ns - base,
                (run.ns - base) / floor,
                run.own_ns,
                run.totals.written as f64 / run.seconds,
                run.bytes as f64 / run.totals.written.max(1) as f64,
                open,
            ];
            for ((_, values, _), figure) in rows.iter_mut().zip(figures) {
                values.push(figure);
            }
        }
        println!(
            "\n{}, {} rounds a run; {dropped} events dropped",
            work.name, work.rounds
        );
        for (name, values, unit) in rows {
            let (least, middle) = least_and_middle(values);
            println!("{name:<36} {least:>12.2} {middle:>12.2} {unit}");
        }
    }
    ExitCode::SUCCESS
}
