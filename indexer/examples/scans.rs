//! Prints how long filters take to go through a capture: processor time of this process, the least of several goes.
//!
//! usage: scans CAPTURE FILTER...
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

use afterimage_indexer::{Progress, Session};
use afterimage_query::Filter;
use std::path::Path;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

/// Times each is measured; the least counts.
const TIMES: usize = 3;

/// CPU seconds of this process.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [capture, filters @ ..] = args.as_slice() else {
        return Err("usage: scans CAPTURE FILTER...".into());
    };
    let (began, clock) = (cpu(), Instant::now());
    let session = Session::open(Path::new(capture))?;
    println!(
        "opened in {:.1} ms of CPU, {:.1} by the clock: {} events\n",
        (cpu() - began) * 1e3,
        clock.elapsed().as_secs_f64() * 1e3,
        session.events()
    );
    println!("| Filter | hits | ms of CPU | M events/s |\n|---|---:|---:|---:|");
    for text in filters {
        let filter = Filter::parse(text)?;
        let (mut least, mut hits) = (f64::MAX, 0_u64);
        let mut goes = 0;
        while goes < TIMES && (goes == 0 || least < 10.0) {
            let began = cpu();
            hits = session.count(Some(&filter), None, &Progress::default());
            least = least.min(cpu() - began);
            goes += 1;
        }
        println!(
            "| `{}` | {hits} | {:.1} | {:.1} |",
            text.replace('|', "\\|"),
            least * 1e3,
            session.events() as f64 / least / 1e6
        );
    }
    Ok(())
}
