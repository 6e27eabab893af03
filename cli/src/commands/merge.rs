//! `afterimage merge`: several captures of one boot as one, in the order of time. Those of another program are converted first.

use crate::derived::{self, Target};
use crate::failure::{Failure, Outcome};
use crate::units::plural;
use afterimage_format::KEYFRAME_EVERY;
use afterimage_format::derive::{Keyframes, Origin, Recipe};
use afterimage_indexer::{Joined, Progress};
use clap::Args;
use std::path::PathBuf;
use std::sync::OnceLock;

const EXAMPLES: &str = "\
Examples:
  afterimage merge first.aft second.aft -o whole.aft
  afterimage merge trace.scap.gz later.scap -o whole.aft

Captures can be merged when one boot of one host made them: they then share a
clock. Those of sysdig (.scap) must be of one host, and can be merged with each
other and with what convert made of such. Each is named in the new one by its
hash. What was there is told anew each ten seconds, as in a recording.";

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
        let origins = derived::open_any(&self.files)?;
        let text = plural(origins.len() as u64, "capture");
        // Nothing is looked at where the captures turn out not to belong together.
        let all = OnceLock::new();
        let joined = || {
            let readers = origins.iter().map(Origin::shared).collect();
            Joined::new(readers, &Progress::default()).ok()
        };
        let state = |at| all.get_or_init(joined).as_ref()?.at(at);
        let recipe = Recipe {
            keyframes: Some(Keyframes {
                every_ns: u64::try_from(KEYFRAME_EVERY.as_nanos()).unwrap_or(u64::MAX),
                state: &state,
            }),
            ..derived::plain(&self.target, "merged", text)
        };
        let mut keep = |_: u64, _: &_, _: &_| true;
        derived::make(&self.target, &self.files, &origins, recipe, &mut keep)
    }
}
