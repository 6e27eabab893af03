//! `afterimage recover`: what a torn or damaged capture still holds, as a new file. Never overwrites.

use crate::derived::{self, Target};
use crate::failure::{Exit, Outcome, shown};
use crate::identity;
use crate::output::say;
use crate::source::not_a_capture;
use crate::units::plural;
use afterimage_format::{ErrorKind, Place};
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  afterimage recover torn.aft -o rescued.aft

The new capture names the damaged one by its hash, and what could not be saved
is in it as gaps. Exits with 3 when something was missing.";

/// Save what a torn or damaged capture still holds into a new one
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Recover {
    /// The damaged capture; it is only read
    file: PathBuf,
    #[command(flatten)]
    target: Target,
}

impl Recover {
    /// Saves.
    pub fn run(self) -> Outcome {
        self.target.check()?;
        let output = &self.target.output;
        let key = self.target.key()?;
        let deed = self.target.signer.deed("recovered", String::new(), None);
        let secret = key.as_ref().map(|pair| &pair.secret);
        let identities = identity::identities()?;
        let recipients = self.target.named();
        let saved = afterimage_format::recover(
            &self.file,
            output,
            &deed,
            secret,
            &identities,
            recipients.as_deref(),
        );
        let saved = saved.map_err(|error| {
            if error.place == Place::Output {
                return derived::failed(output, &error);
            }
            let mut failure = not_a_capture(&self.file, &error);
            if matches!(error.kind, ErrorKind::Missing { .. }) {
                failure
                    .what
                    .push_str("; nothing had been recorded yet, so there is nothing to save");
                failure.remedy.clear();
            }
            failure
        })?;
        say(format_args!(
            "{}: {} in {} saved from {} (BLAKE3 {})",
            shown(output),
            plural(saved.events, "event"),
            plural(saved.chunks, "chunk"),
            shown(&self.file),
            saved.parent
        ));
        self.target
            .log(std::slice::from_ref(&self.file), "recovered")?;
        match crate::source::loss(&saved.gaps, None) {
            None => Ok(Exit::Done),
            Some(loss) => {
                say(format_args!("what could not be saved is marked: {loss}"));
                Ok(Exit::Loss)
            }
        }
    }
}
