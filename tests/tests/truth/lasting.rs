//! A watch that goes on and on: what it takes must not grow. A quarter of a minute; `make soak` runs an hour, `make soak-day` a day.

use crate::busy::Busy;
use crate::service::{BASE, Service};
use afterimage_format::Reader;
use afterimage_tests::child;
use afterimage_tests::harness;
use afterimage_tests::needs_recording;
use serde_json::Value;
use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// How often a round of the work begins, and how many calls it makes at the least: fifty thousand a second.
const ROUND: Duration = Duration::from_millis(10);
const CALLS: u32 = 500;

/// What a process takes at a moment.
#[derive(Debug, Clone, Copy)]
struct Taken {
    /// Memory of its own, bytes.
    memory: u64,
    files: usize,
    threads: usize,
}

impl Taken {
    fn by(pid: u32) -> Taken {
        let of = |name: &str| format!("/proc/{pid}/{name}");
        let status = std::fs::read_to_string(of("status")).expect("its status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        let entries = |name| std::fs::read_dir(of(name)).expect("its folder").count();
        Taken {
            memory: kilobytes.expect("a number") << 10,
            files: entries("fd"),
            threads: entries("task"),
        }
    }
}

/// What is normal on a host, at a steady rate: files by names that come again only after a while, calls that say nothing, a program
/// and a refused connection ten times a second.
fn normal() -> impl FnMut() {
    let (mut round, mut next) = (0_u32, Instant::now());
    let folder = std::env::temp_dir();
    move || {
        for call in 0..CALLS / 4 {
            // There is no such file: a name all the same.
            let name = folder.join(format!("not-there-{}", (round * 7 + call) % 20_000));
            drop(File::open(name));
            drop(File::open("/etc/hostname"));
            // SAFETY: asks for a number.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
        if round.is_multiple_of(10) {
            drop(TcpStream::connect((Ipv4Addr::new(127, 77, 0, 1), 9)));
            child::fork(|| 0).expect("fork").wait();
        }
        round += 1;
        next += ROUND;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// The middle of what was taken.
fn middle(taken: &[Taken], of: impl Fn(&Taken) -> u64) -> u64 {
    let mut values: Vec<u64> = taken.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[test]
fn a_watch_that_goes_on_takes_no_more_from_hour_to_hour() {
    needs_recording!();
    let seconds = std::env::var("AFTERIMAGE_SECONDS").ok();
    let seconds = seconds.map(|text| text.parse().expect("AFTERIMAGE_SECONDS is a number"));
    let seconds: u64 = seconds.unwrap_or_else(|| harness::form(15, 3_600));
    // Until the window is full for the first time, everything grows.
    let (span, every) = if seconds > 600 { (60, "5m") } else { (3, "2s") };
    let config = format!(
        "[window]\nspan = \"{span}s\"\n{BASE}files_per_hour = 10000\n[[trigger]]\nkind = \"schedule\"\nevery = \"{every}\"\n"
    );
    let mut service = Service::start(&config, &["--no-sign"]);
    let busy = Busy::doing("lasting", normal());
    let pid = service.process.id();
    let (began, mut taken, mut files, mut bytes) = (Instant::now(), Vec::new(), 0_u64, 0_u64);
    let number = |status: &Value, name: &str| status[name].as_u64().unwrap_or_default();
    while began.elapsed().as_secs() < seconds {
        std::thread::sleep(Duration::from_secs(1));
        if let Ok(Some(end)) = service.process.try_wait() {
            panic!("it ended ({end}): {}", service.said());
        }
        if began.elapsed().as_secs() > 2 * span {
            taken.push(Taken::by(pid));
        }
        let said = service.said();
        for path in service.files("schedule") {
            // Those that are being made are left alone.
            if said.contains(&format!("sealed {}", path.display())) {
                let reader = Reader::open(&path).expect("it opens");
                assert!(reader.totals().is_some());
                bytes += std::fs::metadata(&path).map_or(0, |about| about.len());
                std::fs::remove_file(&path).expect("it was there");
                files += 1;
            }
        }
        if taken.len() % 600 == 599 {
            let (status, last) = (service.status(), taken[taken.len() - 1]);
            let events = number(&status, "events");
            eprintln!("after {:?}: {last:?}, {events} events", began.elapsed());
        }
    }
    let status = service.status();
    drop(busy);
    let (events, lost) = (number(&status, "events"), number(&status, "lost"));
    let hours = began.elapsed().as_secs_f64() / 3_600.0;
    let (first, last) = taken.split_at(taken.len() / 2);
    let by = |taken: &[Taken]| middle(taken, |one| one.memory);
    let most = |taken: &[Taken], of: fn(&Taken) -> usize| taken.iter().map(of).max();
    let grown = by(last) as f64 - by(first) as f64;
    eprintln!(
        "{hours:.2} hours, {events} events ({:.0} a second), {lost} lost, {files} files of {bytes} bytes; memory {} and {} in the middle of each half: {:.0} bytes an hour; files {:?} and {:?}, threads {:?} and {:?} at the most",
        events as f64 / hours / 3_600.0,
        by(first),
        by(last),
        grown / (hours / 2.0),
        most(first, |one| one.files),
        most(last, |one| one.files),
        most(first, |one| one.threads),
        most(last, |one| one.threads),
    );
    assert!(files > 1, "{}", service.said());
    assert!(events > seconds * 1_000, "{status}");
    // A mebibyte an hour, and what batches that come and go differ by.
    let may = (hours / 2.0 + 8.0) * f64::from(1 << 20);
    assert!(grown < may, "{grown} of {may}");
    // One file that is being made is open, or none; and whoever asks.
    assert!(most(last, |one| one.files) <= most(first, |one| one.files).map(|most| most + 3));
    assert!(most(last, |one| one.threads) <= most(first, |one| one.threads).map(|most| most + 2));
    assert!(matches!(service.end(), Some(0 | 3)));
}
