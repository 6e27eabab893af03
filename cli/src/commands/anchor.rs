//! `afterimage anchor`: how far a capture goes, in a few lines to be kept elsewhere.

use crate::failure::{Exit, Failure, Outcome, shown};
use crate::output::Output;
use crate::source::{each, not_a_capture, piped};
use crate::webhook;
use afterimage_format::{Checks, Verdict};
use afterimage_model::Safe;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  afterimage anchor web.aft > web.anchor
  afterimage anchor web.aft | ssh lab 'cat >> anchors'
  afterimage verify --anchor web.anchor web.aft

An anchor that is kept where nobody who could change the capture can change it
shows later that the capture was neither rolled back nor rewritten. record makes
anchors while it records: --anchor FILE or URL. A witness behind https:// must
show a certificate for its name, of an authority that this machine or --ca FILE
trusts.";

/// Print an anchor of a capture: what is kept elsewhere, so that verify --anchor finds roll-back
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Anchor {
    /// Captures; `-` reads a pipe
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Post the anchors to a witness instead of printing them: https://HOST/PATH, http://HOST:PORT/PATH
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Trust only these authorities (PEM) for the witness's certificate, instead of the machine's
    #[arg(long, value_name = "FILE", requires = "to")]
    ca: Option<PathBuf>,
}

impl Anchor {
    /// Prints.
    pub fn run(self, out: &mut Output) -> Outcome {
        each(&self.files, |file| {
            let anchor = one(file)?;
            match &self.to {
                Some(address) => webhook::post(address, &anchor, self.ca.as_deref())?,
                None => write!(out, "{anchor}")?,
            }
            Ok(Exit::Done)
        })
    }
}

fn one(file: &Path) -> Result<String, Failure> {
    let report = match piped(file)? {
        Some(input) => afterimage_format::check_stream(input, &Checks::default()),
        None => afterimage_format::check(file, &Checks::default()),
    }
    .map_err(|error| not_a_capture(file, &error))?;
    if let Verdict::Broken { error } = &report.verdict {
        return Err(Failure {
            exit: Exit::Broken,
            ..Failure::new(
                format!("{}: broken: {}", shown(file), Safe::new(&error.to_string())),
                "what is broken is not worth an anchor",
            )
        });
    }
    Ok(report.anchor.to_string())
}
