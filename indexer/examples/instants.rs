//! Prints how much of a processor the state at an instant takes: processes, descriptors and mounts as they were.
//!
//! usage: instants CAPTURE [NUMBER]
//!
//! NUMBER is how many instants there are, evenly over the capture; 3 unless it is said.
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

use afterimage_indexer::{Progress, Session};
use afterimage_model::BootNs;
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;

type Failure = Box<dyn std::error::Error>;

/// Processor time of this thread so far, s.
fn spent() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [capture, rest @ ..] = args.as_slice() else {
        return Err("usage: instants CAPTURE [NUMBER]".into());
    };
    let number = rest.first().map_or(Ok(3), |text| text.parse::<u64>())?;
    let session = Session::open(Path::new(capture))?;
    let (first, last) = session.span().ok_or("the capture has no events")?;
    println!(
        "| Instant, s | CPU, s | processes | descriptors | mounts |\n|---:|---:|---:|---:|---:|"
    );
    for step in 1..=number {
        let after = (last - first) / number.max(1) * step;
        let began = spent();
        let (state, complete) = session.state_at(BootNs(first + after), &Progress::default());
        let took = spent() - began;
        let living = state.procs.values().filter(|row| !row.past).count();
        let (open, mounts) = (state.descriptors.len(), state.mounts.len());
        let cut = if complete { "" } else { " (not complete)" };
        let at = after as f64 / 1e9;
        println!("| {at:.1} | {took:.2} | {living} | {open}{cut} | {mounts} |");
    }
    Ok(())
}
