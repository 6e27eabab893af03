//! `afterimage verify`: every checksum and the hash chain of a capture, with one of three verdicts.

use crate::failure::{Exit, Failure, Outcome, shown};
use crate::json::Object;
use crate::output::Output;
use crate::source::{each, not_a_capture, piped};
use crate::units::{plural, show_count};
use afterimage_format::{Report, Verdict};
use afterimage_model::Safe;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  afterimage verify web.aft
  afterimage verify --digest web.aft > web.aft.digest   # keep it elsewhere
  afterimage verify --expect \"$(cat web.aft.digest)\" web.aft

A digest kept where nobody who could change the capture can change it is what
makes the chain evidence.

Verdicts: sealed and intact (exit code 0); intact, not sealed: the recorder
died, is still at work, or the tail was removed (3); broken, with the place (4).";

/// Check every checksum and the hash chain of a capture
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Verify {
    /// Captures; `-` reads a pipe
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// One JSON object a capture
    #[arg(long, conflicts_with = "digest")]
    json: bool,
    /// Print only the digest: the last value of the hash chain, which stands for every byte before it
    #[arg(long)]
    digest: bool,
    /// The digest the capture must have
    #[arg(long, value_name = "DIGEST")]
    expect: Option<String>,
}

impl Verify {
    /// Checks.
    pub fn run(self, out: &mut Output) -> Outcome {
        if self.expect.is_some() && self.files.len() > 1 {
            return Err(Failure::usage(
                "--expect is the digest of one capture",
                "verify the captures one by one",
            ));
        }
        each(&self.files, |file| self.one(out, file))
    }

    fn one(&self, out: &mut Output, file: &Path) -> Outcome {
        let report = match piped(file)? {
            Some(input) => afterimage_format::check_stream(input, &Default::default()),
            None => afterimage_format::verify(file),
        }
        .map_err(|error| not_a_capture(file, &error))?;
        let digest = report.digest.to_string();
        let expected = self
            .expect
            .as_deref()
            .is_none_or(|expect| expect.trim().eq_ignore_ascii_case(&digest));
        if self.digest {
            writeln!(out, "{digest}")?;
        } else if self.json {
            writeln!(out, "{}", json(file, &report, expected))?;
        } else {
            print(out, file, &report, expected)?;
        }
        Ok(if expected {
            exit(&report.verdict)
        } else {
            Exit::Broken
        })
    }
}

fn exit(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::SealedIntact => Exit::Done,
        Verdict::IntactUnsealed => Exit::Loss,
        Verdict::Broken { .. } => Exit::Broken,
    }
}

fn print(out: &mut Output, file: &Path, report: &Report, expected: bool) -> std::io::Result<()> {
    let text = Safe::new(&report.verdict.to_string()).to_string();
    let verdict = match (&report.verdict, expected) {
        (Verdict::SealedIntact, true) => out.good(&text),
        _ => out.warning(&text),
    };
    writeln!(out, "{}: {verdict}", shown(file))?;
    if !expected {
        let text = out.warning(
            "the digest is not the expected one: this is another capture, or it was rewritten",
        );
        writeln!(out, "  {text}")?;
    }
    writeln!(
        out,
        "  {} good bytes of {}: {}, {}, {}, {} recorded",
        show_count(report.good_bytes),
        show_count(report.bytes),
        plural(report.blocks, "block"),
        plural(report.chunks, "chunk"),
        plural(report.events, "event"),
        plural(report.gaps, "gap")
    )?;
    writeln!(out, "  digest {}", report.digest)?;
    writeln!(out, "  {}", Report::NOT_SIGNED)?;
    match report.verdict {
        Verdict::SealedIntact => Ok(()),
        // A pipe is over by now.
        _ if file == Path::new("-") => Ok(()),
        _ => writeln!(
            out,
            "  try: afterimage recover {} -o rescued.aft",
            shown(file)
        ),
    }
}

fn json(file: &Path, report: &Report, expected: bool) -> String {
    let (verdict, why) = match &report.verdict {
        Verdict::SealedIntact => ("sealed-intact", String::new()),
        Verdict::IntactUnsealed => ("intact-unsealed", String::new()),
        Verdict::Broken { error } => ("broken", error.to_string()),
    };
    let mut o = Object::new();
    o.text("capture.file", file.as_os_str().as_encoded_bytes())
        .text("verify.verdict", verdict);
    if !why.is_empty() {
        o.text("verify.error", why);
    }
    o.text("verify.digest", report.digest.to_string())
        .truth("verify.expected", expected)
        .truth("verify.signed", false);
    for (name, n) in [
        ("blocks", report.blocks),
        ("chunks", report.chunks),
        ("events", report.events),
        ("gaps", report.gaps),
        ("bytes", report.bytes),
        ("good_bytes", report.good_bytes),
        ("torn_bytes", report.torn_bytes),
    ] {
        o.number(&format!("verify.{name}"), n);
    }
    o.end()
}
