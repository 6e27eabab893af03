//! `afterimage verify`: checksums, hash chain, signatures and anchors of a capture, with one of three verdicts.

use crate::custody::{self, Signer};
use crate::failure::{Exit, Failure, Outcome, shown};
use crate::identity;
use crate::json::Object;
use crate::keyring;
use crate::output::Output;
use crate::source::{each, not_a_capture, piped};
use crate::units::{instant, plural, show_count};
use afterimage_format::{Anchor, Card, Checks, MAX_ANCHOR_FILE, Report, Verdict};
use afterimage_model::Safe;
use clap::Args;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  afterimage verify web.aft
  afterimage verify --deep --json web.aft
  afterimage verify --digest web.aft > web.aft.digest   # keep it elsewhere
  afterimage verify --expect \"$(cat web.aft.digest)\" web.aft
  afterimage anchor web.aft > web.anchor                # or an anchor
  afterimage verify --anchor web.anchor web.aft

Whoever has all bytes of a capture can roll it back, and whoever has the key can
make another one. A digest or an anchor kept where they cannot change it, and a
public key from a source of its own (--key lab.pub), make a capture evidence.

Verdicts: sealed and intact (exit code 0); intact, not sealed: the recorder
died, is still at work, or the tail was removed (3); broken, with the place (4).
A key, digest or anchor that was named and does not fit is broken, too.";

/// Check every checksum, the hash chain, the signatures and the anchors of a capture
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Verify {
    /// Captures; `-` reads a pipe
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Who must have signed it: a public key file, a key known here by name, or 64 hex digits; may be repeated
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// A file of anchors that the capture must hold; may be repeated
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// Also decode every event
    #[arg(long)]
    deep: bool,
    /// One JSON object a capture
    #[arg(long, conflicts_with = "digest")]
    json: bool,
    /// Print only the digest: the value of the hash chain at the footer, which stands for every byte before it
    #[arg(long)]
    digest: bool,
    /// The digest the capture must have
    #[arg(long, value_name = "DIGEST")]
    expect: Option<String>,
    /// When it is sealed and intact, append to its custody log that it was verified, signed
    #[arg(long, help_heading = "Custody")]
    sign: bool,
    #[command(flatten)]
    signer: Signer,
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
        let mut checks = Checks {
            deep: self.deep,
            identities: match self.deep {
                true => identity::identities()?,
                false => Default::default(),
            },
            ..Checks::default()
        };
        for key in &self.key {
            checks.keys.extend(keyring::meant(key)?);
        }
        for file in &self.anchor {
            checks.anchors.extend(anchors(file)?);
        }
        let known = keyring::known();
        each(&self.files, |file| self.one(out, file, &checks, &known))
    }

    fn one(
        &self,
        out: &mut Output,
        file: &Path,
        checks: &Checks,
        known: &[(PathBuf, Card)],
    ) -> Outcome {
        let report = match piped(file)? {
            Some(input) => afterimage_format::check_stream(input, checks),
            None => afterimage_format::check(file, checks),
        }
        .map_err(|error| not_a_capture(file, &error))?;
        if let (Some(failure), Some(recipients)) = (identity::refused(), &report.recipients)
            && self.deep
            && !report.looked_into
        {
            let names = Safe::new(&recipients.join(", ")).to_string();
            let what = format!("{}: encrypted to {names}; {}", shown(file), failure.what);
            return Err(Failure::new(what, &failure.remedy));
        }
        let digest = report.digest.to_string();
        let expected = self
            .expect
            .as_deref()
            .is_none_or(|expect| expect.trim().eq_ignore_ascii_case(&digest));
        let told = Told {
            file,
            report: &report,
            expected,
            named: !checks.keys.is_empty(),
            elsewhere: self.expect.is_some() || !checks.anchors.is_empty(),
            known,
        };
        if self.digest {
            writeln!(out, "{digest}")?;
        } else if self.json {
            writeln!(out, "{}", told.json())?;
        } else {
            told.print(out)?;
        }
        let exit = if expected {
            exit(&report)
        } else {
            Exit::Broken
        };
        if self.sign {
            self.sign(file, &report, exit, checks)?;
        }
        Ok(exit)
    }

    /// Appends to the custody log that it was verified.
    fn sign(
        &self,
        file: &Path,
        report: &Report,
        exit: Exit,
        checks: &Checks,
    ) -> Result<(), Failure> {
        if exit != Exit::Done || file == Path::new("-") {
            return Err(Failure {
                exit: exit.worse(Exit::Failed),
                ..Failure::new(
                    format!("{}: not sealed and intact, or no file", shown(file)),
                    "only a capture that verifies gets an entry in its custody log",
                )
            });
        }
        let mut text = format!("digest {}", report.digest);
        if report.anchors > 0 {
            text += &format!(", {} held", plural(report.anchors, "anchor"));
        }
        let deed = self.signer.deed("verified", text, None);
        self.signer.append(file, &deed, checks).map(|_| ())
    }
}

/// The anchors of a file.
fn anchors(path: &Path) -> Result<Vec<Anchor>, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::path(
            "reading the anchor",
            path,
            why,
            "name a file that record --anchor or afterimage anchor made",
        )
    };
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let mut text = String::new();
    file.take(MAX_ANCHOR_FILE)
        .read_to_string(&mut text)
        .map_err(|error| failed(&error))?;
    Anchor::parse(&text).map_err(|error| failed(&error))
}

fn exit(report: &Report) -> Exit {
    match report.verdict {
        Verdict::Broken { .. } => Exit::Broken,
        _ if report.custody_error.is_some() => Exit::Broken,
        Verdict::SealedIntact => Exit::Done,
        Verdict::IntactUnsealed => Exit::Loss,
    }
}

/// What was found, and what it is compared with.
struct Told<'a> {
    file: &'a Path,
    report: &'a Report,
    /// Whether the digest is the expected one.
    expected: bool,
    /// Whether a key was named.
    named: bool,
    /// Whether anything was given that was kept elsewhere.
    elsewhere: bool,
    known: &'a [(PathBuf, Card)],
}

impl Told<'_> {
    fn print(&self, out: &mut Output) -> std::io::Result<()> {
        let report = self.report;
        let text = Safe::new(&report.verdict.to_string()).to_string();
        let good = matches!(report.verdict, Verdict::SealedIntact) && self.expected;
        let verdict = if good {
            out.good(&text)
        } else {
            out.warning(&text)
        };
        out.told(&format!("{}: {verdict}", shown(self.file)))?;
        if !self.expected {
            let text = out.warning(
                "the digest is not the expected one: this is another capture, or it was rewritten",
            );
            out.told(&format!("  {text}"))?;
        }
        out.told(&format!(
            "  {} good bytes of {}: {}, {}, {}, {} recorded",
            show_count(report.good_bytes),
            show_count(report.bytes),
            plural(report.blocks, "block"),
            plural(report.chunks, "chunk"),
            plural(report.events, "event"),
            plural(report.gaps, "gap")
        ))?;
        out.told(&format!("  digest {}", report.digest))?;
        self.print_signing(out)?;
        if let Some(recipients) = &report.recipients {
            let inside = match report.looked_into {
                true => "opened and checked inside, too",
                false => "not looked into: that takes --deep and an identity",
            };
            let names = Safe::new(&recipients.join(", ")).to_string();
            out.told(&format!("  encrypted to {names}; {inside}"))?;
        }
        if report.anchors > 0 {
            out.told(&format!("  holds {}", plural(report.anchors, "anchor")))?;
        } else if !self.elsewhere {
            out.told(
                "  no anchor or digest from elsewhere was given: a roll-back to an earlier state would not be seen",
            )?;
        }
        for entry in &report.custody {
            out.told(&format!("  {}", custody::line(entry, self.known)))?;
        }
        if let Some(error) = &report.custody_error {
            let text = format!(
                "the custody log is broken: {}",
                Safe::new(&error.to_string())
            );
            out.told(&format!("  {}", out.warning(&text)))?;
        }
        match report.verdict {
            Verdict::SealedIntact => Ok(()),
            // A pipe is over by now.
            _ if self.file == Path::new("-") => Ok(()),
            _ => writeln!(
                out,
                "  try: afterimage recover {} -o rescued.aft",
                shown(self.file)
            ),
        }
    }

    fn print_signing(&self, out: &mut Output) -> std::io::Result<()> {
        let Some(signing) = &self.report.signing else {
            return out.told(&format!("  {}", Report::NOT_SIGNED));
        };
        let name = keyring::name_of(&signing.signer, self.known);
        let who = match name {
            Some(name) => format!("signed by {name}, a key known here: {}", signing.signer),
            None if self.named => format!("signed by {}", signing.signer),
            None => {
                out.warning("signed by an unknown key")
                    + &format!(
                        ": {} (anybody can make one; name the key it must be with --key)",
                        signing.signer
                    )
            }
        };
        out.told(&format!("  {who}"))?;
        let (first, last) = (
            instant(signing.first.real_ns),
            instant(signing.last.real_ns),
        );
        let when = match signing.checkpoints {
            1 => format!("of {first}"),
            _ => format!("from {first} to {last}"),
        };
        out.told(&format!(
            "  {} {when}{}",
            plural(signing.checkpoints, "signed checkpoint"),
            if signing.sealed { ", signed seal" } else { "" }
        ))?;
        let unsigned = self.report.unsigned_blocks();
        if unsigned > 0 {
            let events = self.report.events.saturating_sub(signing.events);
            let text = format!(
                "{} at the end with {} not signed: anybody can have written them",
                plural(unsigned, "block"),
                match events {
                    1 => "1 event are".to_owned(),
                    n => format!("{} events are", show_count(n)),
                }
            );
            out.told(&format!("  {}", out.warning(&text)))?;
        }
        Ok(())
    }

    fn json(&self) -> String {
        let report = self.report;
        let (verdict, why) = match &report.verdict {
            Verdict::SealedIntact => ("sealed-intact", String::new()),
            Verdict::IntactUnsealed => ("intact-unsealed", String::new()),
            Verdict::Broken { error } => ("broken", error.to_string()),
        };
        let mut o = Object::new();
        o.text("capture.file", self.file.as_os_str().as_encoded_bytes())
            .text("capture.id", &report.capture_id)
            .text("verify.verdict", verdict);
        if let Verdict::Broken { error } = &report.verdict {
            o.text("verify.error", why);
            if let Some(offset) = error.offset {
                o.number("verify.error_offset", offset);
            }
        }
        o.text("verify.digest", report.digest.to_string())
            .truth("verify.expected", self.expected)
            .truth("verify.signed", report.signing.is_some());
        if let Some(recipients) = &report.recipients {
            o.texts("verify.encrypted_to", recipients)
                .truth("verify.looked_into", report.looked_into);
        }
        if let Some(signing) = &report.signing {
            o.text("verify.signer", signing.signer.to_string());
            if let Some(name) = keyring::name_of(&signing.signer, self.known) {
                o.text("verify.signer_name", name);
            }
            o.truth("verify.seal_signed", signing.sealed)
                .number("verify.checkpoints", signing.checkpoints)
                .number("verify.signed_events", signing.events)
                .number("verify.unsigned_blocks", report.unsigned_blocks())
                .number("verify.first_signed_ns", signing.first.real_ns)
                .number("verify.last_signed_ns", signing.last.real_ns);
        }
        for (name, n) in [
            ("anchors", report.anchors),
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
        let custody: Vec<String> = (report.custody.iter())
            .map(|entry| custody::json(entry, self.known))
            .collect();
        o.raw("verify.custody", &format!("[{}]", custody.join(",")));
        if let Some(error) = &report.custody_error {
            o.text("verify.custody_error", error.to_string());
        }
        o.end()
    }
}
