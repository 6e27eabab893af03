//! `afterimage convert`: a capture in another format, or fewer events of it. Never overwrites.

use super::read::{json_fields, json_line};
use crate::custody::Signer;
use crate::failure::{Exit, Failure, Outcome, shown};
use crate::keyring::Pair;
use crate::output::{Output, say};
use crate::source::{self, filter, loss, not_a_capture, strangers};
use crate::units::plural;
use afterimage_format::{Lineage, Parent, Reader};
use afterimage_interop::open::{foreign, manifest};
use afterimage_interop::{Error, FORMATS, Format, FormatRow, Provenance, copy, scap};
use afterimage_model::{Ctx, EventFlags, Safe, TypeDesc};
use afterimage_query::Filter;
use clap::Args;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  afterimage convert web.aft web.jsonl                       # events as JSON
  afterimage convert web.aft programs.aft evt.type=execve    # only those
  afterimage convert web.aft - --to jsonl | wc -l            # into a pipe
  afterimage convert trace.scap.gz trace.aft                 # from sysdig
  afterimage convert web.aft web.scap.gz                     # and for it

The end of a file's name says its format, or --from and --to do. Events of a
new capture are numbered anew. Exits with 3 when the capture is not whole.";

/// Write a capture in another format, or fewer events of it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Convert {
    /// The capture; it is only read (`-` reads a pipe)
    input: PathBuf,
    /// The new file; it must not exist (`-` writes to standard output)
    output: PathBuf,
    /// Only events that match
    #[arg(value_name = "FILTER", allow_negative_numbers = true)]
    words: Vec<String>,
    /// Format of the capture, instead of what it looks like
    #[arg(long, value_name = "FORMAT", value_parser = named)]
    from: Option<Format>,
    /// Format of the new file, instead of what its name says
    #[arg(long, value_name = "FORMAT", value_parser = named)]
    to: Option<Format>,
    /// Do not sign the new capture
    #[arg(long, help_heading = "Custody", conflicts_with = "sign_with")]
    no_sign: bool,
    #[command(flatten)]
    signer: Signer,
}

/// The formats that have something, as a list.
fn list(has: impl Fn(&FormatRow) -> bool) -> String {
    let names: Vec<&str> = FORMATS
        .iter()
        .filter(|row| has(row))
        .map(|row| row.name)
        .collect();
    names.join(", ")
}

fn named(name: &str) -> Result<Format, String> {
    Format::by_name(name)
        .map(|row| row.format)
        .ok_or_else(|| format!("there are {}", list(|_| true)))
}

impl Convert {
    /// Converts.
    pub fn run(self, out: &mut Output) -> Outcome {
        let to = self.target()?;
        if let Some(from) = self.from.map(Format::row).filter(|row| !row.reads) {
            return Err(Failure::usage(
                format!("{} can be written, not read", from.name),
                format!("what can be read: {}", list(|row| row.reads)),
            ));
        }
        let filter = filter(&self.words)?;
        let is_stdout = self.output == Path::new("-");
        if is_stdout && out.terminal && to.is_binary() {
            return Err(Failure::usage(
                format!(
                    "{} is binary and standard output is a terminal",
                    to.row().name
                ),
                "name a file, or pipe the output",
            ));
        }
        if !is_stdout && self.output.symlink_metadata().is_ok() {
            return Err(exists(&self.output));
        }
        if to == Format::Aft && filter.is_none() && !is_stdout && self.from != Some(Format::Aft) {
            let stream = foreign(&self.input);
            if let Some(stream) = stream.map_err(|error| self.failed(Error::Read(error)))? {
                return self.stream(stream);
            }
        }
        let reader = source::reader(&self.input)?;
        if let Some(from) = self.from.filter(|from| *from != Format::of(&reader)) {
            return Err(Failure::new(
                format!("{} is no {}", shown(&self.input), from.row().name),
                format!("leave out --from: it is {}", Format::of(&reader).row().name),
            ));
        }
        strangers(filter.as_ref(), reader.schema());
        if is_stdout {
            self.write(&reader, to, filter.as_ref(), out)?;
            out.flush()?;
        } else {
            let file = create(&self.output)?;
            let written = self.write(&reader, to, filter.as_ref(), &mut BufWriter::new(file));
            // Half a capture would pass for all of it.
            let events = written.inspect_err(|_| {
                let _ = std::fs::remove_file(&self.output);
            })?;
            self.done(events);
        }
        Ok(self.report(loss(&copy::gaps(&reader), reader.totals())))
    }

    /// Says what is missing.
    fn report(&self, loss: Option<String>) -> Exit {
        match loss {
            None => Exit::Done,
            Some(text) => {
                let name = shown(&self.input);
                say(format_args!("afterimage: {name} is not whole: {text}"));
                Exit::Loss
            }
        }
    }

    /// Writes a capture of another program as one of ours as it is read.
    fn stream(&self, stream: Box<dyn BufRead + Send>) -> Outcome {
        let pair = self.key()?;
        let provenance = self.provenance(pair.as_ref())?;
        let out = BufWriter::new(create(&self.output)?);
        let written = scap::convert(stream, out, manifest(), &provenance);
        let written = written.and_then(|(mut out, report)| {
            out.flush().map_err(Error::Write)?;
            Ok(report)
        });
        let report = written.map_err(|error| {
            let _ = std::fs::remove_file(&self.output);
            self.failed(error)
        })?;
        self.done(report.events);
        Ok(self.report(loss(&report.gaps, None)))
    }

    /// Says that the new file is there.
    fn done(&self, events: u64) {
        let (to, from) = (shown(&self.output), shown(&self.input));
        say(format_args!(
            "{to}: {} from {from}",
            plural(events, "event")
        ));
    }

    /// What went wrong, and where.
    fn failed(&self, error: Error) -> Failure {
        match error {
            Error::Capture(error) if error.place != afterimage_format::Place::Output => {
                not_a_capture(&self.input, &error)
            }
            Error::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => error.into(),
            Error::Write(_) | Error::Capture(_) => Failure::path(
                "writing",
                &self.output,
                Safe::new(&error.to_string()),
                "name a place you may write to",
            ),
            error => Failure::new(
                format!("{}: {}", shown(&self.input), Safe::new(&error.to_string())),
                "name a capture",
            ),
        }
    }

    /// What is to be written.
    fn target(&self) -> Result<Format, Failure> {
        let row = match self.to {
            Some(format) => Some(format.row()),
            None => Format::by_path(&self.output),
        };
        let there = format!("what can be written: {}", list(|row| row.writes));
        match row {
            Some(row) if row.writes => Ok(row.format),
            Some(row) => Err(Failure::usage(
                format!("{} can be read, not written", row.name),
                there,
            )),
            None => Err(Failure::usage(
                format!("the name {} says no format", shown(&self.output)),
                format!("say it with --to FORMAT; {there}"),
            )),
        }
    }

    /// Writes it, and says how many events there are.
    fn write(
        &self,
        reader: &Reader,
        to: Format,
        filter: Option<&Filter>,
        mut out: &mut dyn Write,
    ) -> Result<u64, Failure> {
        let mut asked = filter.map(Filter::evaluator);
        let mut keep = |ctx: &Ctx<'_>| match &mut asked {
            Some(asked) => asked.matches_anew(ctx),
            None => true,
        };
        let failed = |error| self.failed(error);
        let events = match to {
            Format::Aft => {
                let pair = self.key()?;
                let provenance = self.provenance(pair.as_ref())?;
                let copied = copy::copy(reader, &mut out, &provenance, &mut keep);
                copied.map_err(failed)?.1
            }
            Format::Scap => {
                let packed = self.output.extension().is_some_and(|end| end == "gz");
                let written = scap::write(reader, &mut out, packed, &mut keep);
                let (_, written) = written.map_err(failed)?;
                if !written.left_out.is_empty() {
                    say(format_args!("afterimage: {}", left_out(&written)));
                }
                written.events
            }
            Format::Jsonl => {
                let fields = json_fields(reader.schema());
                let mut events = 0;
                let mut look = |out: &mut &mut dyn Write, ctx: &Ctx<'_>| {
                    // As read prints them: without what another program kept for its own books.
                    let internal = ctx.event.flags.has(EventFlags::INTERNAL)
                        || ctx.ty().is_some_and(|ty| ty.is(TypeDesc::INTERNAL));
                    if internal || !keep(ctx) {
                        return Ok(());
                    }
                    events += 1;
                    writeln!(out, "{}", json_line(ctx, &fields)).map_err(Error::Write)
                };

                copy::each(reader, &mut out, &mut look, &mut |_, _| Ok(())).map_err(failed)?;
                events
            }
        };
        out.flush().map_err(|error| failed(Error::Write(error)))?;
        Ok(events)
    }

    /// The key that signs it.
    fn key(&self) -> Result<Option<Pair>, Failure> {
        (!self.no_sign).then(|| self.signer.key()).transpose()
    }

    /// What a capture of ours says of where it comes from.
    fn provenance<'p>(&self, pair: Option<&'p Pair>) -> Result<Provenance<'p>, Failure> {
        let parents = if self.input == Path::new("-") {
            Vec::new()
        } else {
            let hash = afterimage_interop::open::hash(&self.input).map_err(|error| {
                Failure::path("reading", &self.input, error, "check the disk it is on")
            })?;
            let name = self.input.file_name().unwrap_or_default();
            vec![Parent {
                hash: hash.to_vec(),
                name: Safe::new(name.as_encoded_bytes()).to_string(),
                verdict: "not verified".to_owned(),
                ..Parent::default()
            }]
        };
        let derived_by = match self.words.join(" ") {
            words if words.trim().is_empty() => "convert".to_owned(),
            words => format!("convert {words}"),
        };
        let text = match parents.first() {
            Some(parent) => format!("from {}", parent.name),
            None => "from standard input".to_owned(),
        };
        Ok(Provenance {
            deed: Some(self.signer.deed("converted", text, None)),
            lineage: Lineage {
                parent: parents.first().map_or_else(Vec::new, |p| p.hash.clone()),
                derived_by,
                parents,
                ..Lineage::default()
            },
            key: pair.map(|pair| &pair.secret),
        })
    }
}

/// What the other format has no words for.
fn left_out(written: &scap::Written) -> String {
    let events: u64 = written.left_out.values().sum();
    let types: Vec<String> = written
        .left_out
        .iter()
        .map(|(name, count)| format!("{} ({count})", Safe::new(name)))
        .collect();
    format!(
        "{} left out, for which scap has no words: {}",
        plural(events, "event"),
        types.join(", ")
    )
}

/// A new file, private, and never through a symbolic link.
fn create(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW);
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::path("creating", path, error, "name a place you may write to"),
    })
}

fn exists(path: &Path) -> Failure {
    Failure::new(
        format!(
            "{} exists already, and nothing is ever overwritten",
            shown(path)
        ),
        "name another file",
    )
}
