//! `afterimage repack`: the same capture in fewer bytes, for the archive.

use crate::derived::{self, Target};
use crate::failure::Outcome;
use crate::units::Clock;
use afterimage_format::derive::{Recipe, Stamps};
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  afterimage repack web.aft -o small.aft
  afterimage repack web.aft -o smaller.aft --clock us
  afterimage repack web.aft -o closed.aft --encrypt-to age1…

The events and everything known of them stay. The original is what was signed
while it was recorded: keep it where it matters, the new one names it.";

/// Pack a capture anew, as small as can be
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Repack {
    /// The capture; it is only read
    file: PathBuf,
    #[command(flatten)]
    target: Target,
    /// How exact the instants stay
    #[arg(long, value_name = "UNIT", default_value = "ns")]
    clock: Clock,
}

impl Repack {
    /// Packs.
    pub fn run(self) -> Outcome {
        self.target.check()?;
        let origins = derived::open(std::slice::from_ref(&self.file))?;
        let (stamps, text) = match self.clock {
            Clock::Ns => (Stamps::Nanoseconds, String::new()),
            Clock::Us => (Stamps::Microseconds, "instants in microseconds".to_owned()),
        };
        let recipe = Recipe {
            options: Recipe::archive(),
            stamps,
            ..derived::plain(&self.target, "repacked", text)
        };
        let mut all = |_: u64, _: &_, _: &_| true;
        let files = std::slice::from_ref(&self.file);
        derived::make(&self.target, files, &origins, recipe, &mut all)
    }
}
