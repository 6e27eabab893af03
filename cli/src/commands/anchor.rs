//! `afterimage anchor`: how far a capture goes, in a few lines to be kept elsewhere.

use crate::failure::{Exit, Failure, Outcome, shown};
use crate::output::Output;
use crate::source::{each, not_a_capture, piped};
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
anchors while it records: --anchor FILE.";

/// Print an anchor of a capture: what is kept elsewhere, so that verify --anchor finds roll-back
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Anchor {
    /// Captures; `-` reads a pipe
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Anchor {
    /// Prints.
    pub fn run(self, out: &mut Output) -> Outcome {
        each(&self.files, |file| one(out, file))
    }
}

fn one(out: &mut Output, file: &Path) -> Outcome {
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
    write!(out, "{}", report.anchor)?;
    Ok(Exit::Done)
}
