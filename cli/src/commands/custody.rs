//! `afterimage custody`: who did what with a capture, and adding to it.

use crate::custody::{self, Signer};
use crate::failure::{Exit, Outcome, shown};
use crate::json::Object;
use crate::keyring;
use crate::output::{Output, say};
use crate::source::{each, not_a_capture};
use crate::units::instant;
use afterimage_format::{Checks, Reader, Report, Verdict};
use afterimage_model::Safe;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  afterimage custody web.aft
  afterimage custody --json web.aft
  afterimage custody --add 'handed to the court' --operator 'k. ito' web.aft
  afterimage custody --hold 'case 2026-17' web.aft

Entries stand behind the seal, each signed and chained to the one before; they
change nothing of the capture and none of its digest. Without --add nothing is
written. What was removed from the end of the log shows an anchor of it. What is
held is never removed by a watch that makes room (evidence.full = \"oldest\").";

/// Show who did what with a capture, or add to it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Custody {
    /// Captures
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Append a signed entry with this text
    #[arg(long, value_name = "TEXT", group = "entry", conflicts_with = "json")]
    add: Option<String>,
    /// It must be kept, for this reason
    #[arg(long, value_name = "REASON", group = "entry", conflicts_with = "json")]
    hold: Option<String>,
    /// It need not be kept any more, for this reason
    #[arg(long, value_name = "REASON", group = "entry", conflicts_with = "json")]
    release: Option<String>,
    /// One JSON object a capture
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    signer: Signer,
}

impl Custody {
    /// Shows, or adds.
    pub fn run(self, out: &mut Output) -> Outcome {
        let [held, released] = custody::HELD;
        let entries = [
            ("noted", &self.add),
            (held, &self.hold),
            (released, &self.release),
        ];
        let entry = entries
            .into_iter()
            .find_map(|(action, text)| Some((action, text.as_ref()?)));
        each(&self.files, |file| match entry {
            Some((action, text)) => {
                let deed = self.signer.deed(action, text.clone(), None);
                self.signer.append(file, &deed, &Checks::default())?;
                say(format_args!("added to the custody log of {}", shown(file)));
                Ok(Exit::Done)
            }
            None => self.show(out, file),
        })
    }

    fn show(&self, out: &mut Output, file: &Path) -> Outcome {
        let failed = |error: &afterimage_format::Error| not_a_capture(file, error);
        let report =
            afterimage_format::check(file, &Checks::default()).map_err(|error| failed(&error))?;
        let reader = Reader::open_with(file, &crate::identity::identities()?)
            .map_err(|error| failed(&error))?;
        let known = keyring::known();
        if self.json {
            let entries = report.custody.iter();
            let entries: Vec<String> = entries.map(|e| custody::json(e, &known)).collect();
            let mut o = Object::new();
            o.text("capture.file", file.as_os_str().as_encoded_bytes())
                .raw("custody", &format!("[{}]", entries.join(",")))
                .truth("custody.held", custody::held(&report).is_some())
                .truth("custody.intact", is_intact(&report));
            writeln!(out, "{}", o.end())?;
            return Ok(exit(&report));
        }
        let signer = report.signing.as_ref().map(|signing| signing.signer);
        let by = match signer.map(|key| (key, keyring::name_of(&key, &known))) {
            None => "not signed".to_owned(),
            Some((_, Some(name))) => format!("signed by {name}"),
            Some((key, None)) => format!("signed by an unknown key, {key}"),
        };
        let verdict = Safe::new(&report.verdict.to_string()).to_string();
        writeln!(out, "{}: {verdict}; {by}", shown(file))?;
        let m = reader.manifest();
        out.told(&format!(
            "  {} recording begun by {} with {} on {}",
            instant(m.clock.real_ns),
            Safe::new(&m.operator),
            Safe::new(&m.tool),
            Safe::new(&m.host)
        ))?;
        let (before, after): (Vec<_>, Vec<_>) = report.custody.iter().partition(|e| !e.after_seal);
        for entry in before {
            out.told(&format!("  {}", custody::line(entry, &known)))?;
        }
        if let Some(seal) = reader.seal().filter(|seal| seal.real_ns != 0) {
            out.told(&format!(
                "  {} sealed: {}; digest {}",
                instant(seal.real_ns),
                Safe::new(&seal.ended),
                report.digest
            ))?;
        }
        for entry in after {
            out.told(&format!("  {}", custody::line(entry, &known)))?;
        }
        if let Some(entry) = custody::held(&report) {
            let since = instant(entry.note.made_ns);
            writeln!(out, "  held since {since}: {}", Safe::new(&entry.note.text))?;
        }
        if let Some(error) = &report.custody_error {
            let text = format!("the log is broken: {}", Safe::new(&error.to_string()));
            writeln!(out, "  {}", out.warning(&text))?;
        }
        Ok(exit(&report))
    }
}

fn is_intact(report: &Report) -> bool {
    report.custody_error.is_none() && !matches!(report.verdict, Verdict::Broken { .. })
}

fn exit(report: &Report) -> Exit {
    if is_intact(report) {
        Exit::Done
    } else {
        Exit::Broken
    }
}
