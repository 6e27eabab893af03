//! `trigger`: asks a running `watch` for an evidence file.

use crate::Outcome;
use crate::failure::Exit;
use crate::output::{Output, say};
use crate::watching::control::{self, Question, SOCKET};
use afterimage_model::Safe;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  sudo afterimage trigger                       # everything that is watched
  sudo afterimage trigger --container web --reason 'case 42'";

/// Have a running watch write an evidence file, and print its path when it is sealed
///
/// The file holds what the window has of the past, and what happens in the seconds after (evidence.after).
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Trigger {
    /// A container, by name, id or the beginning of its id; everything that is watched without one
    #[arg(long, value_name = "NAME|ID")]
    container: Option<String>,
    /// Why; kept in the file
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Where watch listens
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

impl Trigger {
    /// Does it.
    pub fn run(self, out: &mut Output) -> Outcome {
        let question = Question::Fire {
            container: self.container,
            reason: self.reason,
        };
        let sealed = control::ask(&self.socket, &question)?;
        if self.json {
            writeln!(out, "{}", Safe::new(&sealed.to_string()))?;
        } else {
            writeln!(out, "{}", Safe::new(sealed["path"].as_str().unwrap_or("")))?;
        }
        let missing = sealed["missing"].as_u64().unwrap_or(0);
        if missing > 0 {
            say(format_args!(
                "{missing} events are known to be missing from it"
            ));
            return Ok(Exit::Loss);
        }
        Ok(Exit::Done)
    }
}
