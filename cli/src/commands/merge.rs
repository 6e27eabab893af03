//! `afterimage merge`: several captures of one boot as one, in the order of time.

use crate::derived::{self, Target};
use crate::failure::{Failure, Outcome};
use crate::units::plural;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  afterimage merge first.aft second.aft -o whole.aft

Captures can be merged when one boot of one host made them: they then share a
clock. Each is named in the new one by its hash.";

/// Join captures of one boot into one, in the order of time
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Merge {
    /// The captures; they are only read
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    target: Target,
}

impl Merge {
    /// Joins.
    pub fn run(self) -> Outcome {
        self.target.check()?;
        if self.files.len() > 256 {
            return Err(Failure::usage(
                "more than 256 captures",
                "merge some of them first",
            ));
        }
        let origins = derived::open(&self.files)?;
        let text = plural(origins.len() as u64, "capture");
        let recipe = derived::plain(&self.target, "merged", text);
        let mut all = |_: u64, _: &_, _: &_| true;
        derived::make(&self.target, &self.files, &origins, recipe, &mut all)
    }
}
