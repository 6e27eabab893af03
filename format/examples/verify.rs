//! Measures what verifying costs: `verify FILE [TIMES]` prints bytes a second of one core, chunks looked into or not.

use afterimage_format::{Checks, check};
use std::path::Path;
use std::time::Instant;

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: verify FILE [TIMES]")?;
    let times: u32 = args.next().map_or(Ok(5), |times| times.parse())?;
    for deep in [false, true] {
        let checks = Checks {
            deep,
            ..Checks::default()
        };
        let mut best = f64::MAX;
        let mut bytes = 0;
        for _ in 0..times {
            let began = Instant::now();
            bytes = check(Path::new(&path), &checks)?.good_bytes;
            best = best.min(began.elapsed().as_secs_f64());
        }
        println!(
            "deep {deep}: {bytes} bytes in {best:.3} s, {:.2} GB/s",
            bytes as f64 / best / 1e9
        );
    }
    Ok(())
}
