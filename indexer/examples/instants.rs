//! Prints how much of a processor the state at an instant takes: processes, descriptors and mounts as they were.
//!
//! usage: instants CAPTURE [NUMBER [SECRET]]
//!
//! NUMBER is how many instants there are, evenly over the capture; 3 unless it is said. With SECRET, the file that indexes are
//! sealed with (`index.secret` among the keys), the capture's index is used.
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

use afterimage_indexer::{Index, Keeper, Progress, Session};
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
        return Err("usage: instants CAPTURE [NUMBER [SECRET]]".into());
    };
    let number = rest.first().map_or(Ok(3), |text| text.parse::<u64>())?;
    let capture = Path::new(capture);
    let mut session = Session::open(capture)?;
    if let Some(secret) = rest.get(1) {
        let key = <[u8; 32]>::try_from(std::fs::read(secret)?.as_slice())?;
        let index = Index::open(capture, &Keeper { key, cache: None })?;
        if !session.use_index(index) {
            return Err("the index is of another capture".into());
        }
    }
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
        println!("| {at:.1} | {took:.3} | {living} | {open}{cut} | {mounts} |");
    }
    Ok(())
}
