//! `afterimage read`: prints events, as `sysdig -r` would.

use super::When;
use crate::cache::Caching;
use crate::failure::{Exit, Failure, Outcome};
use crate::following::Followed;
use crate::json::Object;
use crate::layout::{self, Layout};
use crate::moment::Look;
use crate::output::{Output, say};
use crate::payload::{Bytes, print_bytes};
use crate::source::{
    Input, explain, filter, loss, not_a_capture, not_opened, reader, report_loss, strangers,
    unreadable,
};
use crate::streaming::{Question, may_be_kept, scan};
use crate::units::show_count;
use afterimage_indexer::Progress;
use afterimage_model::{Ctx, Schema, render};
use afterimage_query::{FieldRef, Filter, PRESETS, Shown, Template};
use clap::Args;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  afterimage read web.aft                                    # every event
  afterimage read web.aft evt.type=execve and proc.name=sh   # those that match
  afterimage read -pc -t r web.aft fd.name contains shadow   # with containers
  afterimage read web.aft -p '%proc.cmdline %fd.name' fd.type=ipv4
  afterimage read web.aft --json -n 10 | jq .                # JSON lines
  afterimage read -X web.aft evt.type=write                  # hex and ASCII
  afterimage read --follow web.aft proc.name=sh   # while it is recorded
  ssh host afterimage record -o - --duration 10s | afterimage read -

Quote a filter with brackets, < or >, which the shell would take for its own.
With -q nothing is printed and the exit code says whether an event matched (0)
or not (1).";

/// What `--json` gives when no format names fields.
const JSON_FIELDS: &[&str] = &[
    "evt.num",
    "evt.rawtime",
    "evt.time.iso8601",
    "evt.cpu",
    "evt.dir",
    "evt.type",
    "evt.category",
    "evt.res",
    "evt.rawres",
    "evt.info",
    "container.id",
    "container.name",
    "container.image",
    "proc.pid",
    "proc.ppid",
    "thread.tid",
    "proc.name",
    "proc.exepath",
    "proc.cmdline",
    "user.uid",
    "fd.num",
    "fd.type",
    "fd.name",
];

/// Print the events of a capture
#[derive(Args, Debug)]
#[command(
    after_help = EXAMPLES,
    override_usage = "afterimage read [OPTIONS] FILE [FILTER]...\n       afterimage read [OPTIONS] -r FILE [FILTER]..."
)]
pub struct Read {
    /// The capture, as sysdig takes it; then all free words are the filter
    #[arg(short = 'r', long = "read", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The capture (unless -r names it; `-` reads a pipe), then a filter
    #[arg(value_name = "FILE and FILTER", allow_negative_numbers = true)]
    words: Vec<String>,
    /// Output format: a text with %fields, or c (with container), k (with Kubernetes pod), m (with Mesos task), p (print the
    /// usual format and end)
    #[arg(short = 'p', long = "print", value_name = "FORMAT")]
    format: Option<String>,
    /// One JSON object a line; with -p only the fields of the format
    #[arg(short, long)]
    json: bool,
    /// Stop after N events that match
    #[arg(short = 'n', long = "numevents", value_name = "N")]
    count: Option<u64>,
    /// How times are shown
    #[arg(
        short = 't',
        value_name = "a|r|d|D|h",
        default_value = "h",
        hide_default_value = true
    )]
    look: Look,
    /// Also the bytes that were read or written, as text
    #[arg(short = 'A', long = "print-ascii", conflicts_with_all = ["hex", "hex_ascii", "base64", "json"])]
    ascii: bool,
    /// Also the bytes, in hex
    #[arg(short = 'x', long = "print-hex", conflicts_with_all = ["hex_ascii", "base64", "json"])]
    hex: bool,
    /// Also the bytes, in hex and ASCII
    #[arg(short = 'X', long = "print-hex-ascii", conflicts_with_all = ["base64", "json"])]
    hex_ascii: bool,
    /// Also the bytes, in base64
    #[arg(short = 'b', long = "print-base64", conflicts_with = "json")]
    base64: bool,
    /// Print nothing; exit with 0 when an event matched, 1 when none did
    #[arg(short, long)]
    quiet: bool,
    /// Print only the number of events that match
    #[arg(long, conflicts_with_all = ["json", "format", "quiet"])]
    count_only: bool,
    /// Print the whole capture as JSON lines, header, events, gaps and totals, as docs/format.md defines its twin
    #[arg(long, conflicts_with_all = ["json", "format", "quiet", "count_only", "count", "from", "to"])]
    whole: bool,
    /// Print each line at once
    #[arg(long)]
    unbuffered: bool,
    /// Of a capture that is still being written: print what comes, too, until it is sealed
    #[arg(long, conflicts_with = "whole")]
    follow: bool,
    /// Also say on standard error what was passed over and what was read
    #[arg(long)]
    explain: bool,
    /// Also events that another program kept for its own books
    #[arg(long)]
    internal: bool,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    caching: Caching,
    /// sysdig's chisels are views here
    #[arg(short = 'c', long = "chisel", hide = true, value_name = "CHISEL")]
    chisel: Option<String>,
    /// sysdig's way to write a capture
    #[arg(short = 'w', long = "write", hide = true, value_name = "FILE")]
    write: Option<PathBuf>,
}

impl Read {
    /// Prints.
    pub fn run(self, out: &mut Output) -> Outcome {
        self.hints()?;
        if self.format.as_deref() == Some("p") {
            for usual in PRESETS.iter().filter(|preset| preset.name == "default") {
                writeln!(out, "{}", usual.text)?;
            }
            return Ok(Exit::Done);
        }
        self.caching.apply();
        let (path, words) = split(self.file.as_deref(), &self.words)?;
        if self.whole {
            return whole(out, &path, words);
        }
        let mut layout = Layout::parse(self.format.as_deref(), self.look, self.when.tz)?;
        let filter = filter(words)?;
        let mut names = if self.json {
            Some(self.json_fields()?)
        } else {
            None
        };
        if self.follow {
            let mut followed = Followed::open(&path)?;
            followed.session.show_internal(self.internal);
            self.directions(&mut layout, &mut names, followed.session.schema())?;
            strangers(filter.as_ref(), followed.session.schema());
            let mut printer = self.printer(out, layout, names);
            return self.followed(followed, &mut printer, filter.as_ref());
        }
        let narrow = filter.is_some() || self.when.from.is_some() || self.when.to.is_some();
        let input = Input::open(&path, narrow)?;
        self.directions(&mut layout, &mut names, input.schema())?;
        strangers(filter.as_ref(), input.schema());
        let (from, to) = (self.when.from.as_deref(), self.when.to.as_deref());
        let span = input.span(from, to, self.when.tz)?;
        let mut printer = self.printer(out, layout, names);
        let progress = Progress::default();
        let exit = match input {
            _ if printer.limit == 0 => Exit::Done,
            Input::Whole(mut source) => {
                source.session.show_internal(self.internal);
                let (session, filter) = (&source.session, filter.as_ref());
                if self.count_only && !self.quiet && self.count.is_none() {
                    printer.matched = session.count(filter, span, &progress);
                } else {
                    session
                        .scan(filter, span, 1, &progress, &mut |ctx| printer.event(ctx))
                        .map_err(|error| unreadable(&path, &error))?;
                }
                printer.ended()?;
                source.report_loss()
            }
            Input::Stream(stream, along) => {
                let question = Question {
                    filter: filter.as_ref(),
                    span,
                    internal: self.internal,
                    kept: printer.shown().any(|shown| shown.asks_any(&may_be_kept)),
                    patient: self.count.is_none() && !self.quiet,
                    work: &progress.work,
                };
                let report = scan(*stream, &question, along, &mut |ctx| printer.event(ctx))
                    .map_err(|error| not_opened(&path, &error))?;
                printer.ended()?;
                report_loss(report.and_then(|report| loss(&report.gaps, None)))
            }
        };
        Ok(self.exit(exit, printer.matched, &progress))
    }

    fn printer<'r>(
        &'r self,
        out: &'r mut Output,
        layout: Layout,
        names: Option<Names>,
    ) -> Printer<'r> {
        Printer {
            read: self,
            out,
            layout,
            names,
            bytes: self.bytes(),
            limit: self.count.unwrap_or(u64::MAX),
            matched: 0,
            left_out: 0,
            line: String::new(),
            failed: None,
        }
    }

    /// Where events are told at their beginning and at their end, so is which of both it is.
    fn directions(
        &self,
        layout: &mut Layout,
        names: &mut Option<Names>,
        schema: &Schema,
    ) -> Result<(), Failure> {
        if schema.has_entries() {
            *layout = Layout::with_directions(self.format.as_deref(), self.look, self.when.tz)?;
            if let Some((fields, None)) = names {
                fields.extend(FieldRef::parse("evt.dir").ok().map(Shown::from));
            }
        }
        Ok(())
    }

    /// Prints the events that there are and those that come, until the capture is sealed or enough is printed.
    fn followed(
        &self,
        mut followed: Followed,
        printer: &mut Printer<'_>,
        filter: Option<&Filter>,
    ) -> Outcome {
        let progress = followed.progress();
        let (from, to) = (self.when.from.as_deref(), self.when.to.as_deref());
        followed.span(from, to, self.when.tz)?;
        while printer.limit > 0 {
            if followed.has_begun() {
                let mut goes_on = true;
                let span = followed.span(from, to, self.when.tz)?;
                followed.show(filter, span, &progress, &mut |ctx| {
                    goes_on = printer.event(ctx);
                    goes_on
                });
                if !goes_on {
                    break;
                }
                printer.out.flush()?;
            }
            if !followed.goes_on()? {
                break;
            }
        }
        printer.ended()?;
        let exit = followed.report_loss(&progress);
        Ok(self.exit(exit, printer.matched, &progress))
    }

    /// The exit code, where so many events matched.
    fn exit(&self, exit: Exit, matched: u64, progress: &Progress) -> Exit {
        if self.explain {
            explain(&progress.work);
        }
        match (self.quiet, matched) {
            (false, _) => exit,
            (true, 0) => Exit::Failed,
            (true, _) => Exit::Done,
        }
    }

    /// What sysdig's options that mean something else here should have been.
    fn hints(&self) -> Result<(), Failure> {
        if let Some(chisel) = &self.chisel {
            return Err(crate::habits::chisel_hint(chisel));
        }
        if self.write.is_some() {
            return Err(Failure::usage(
                "read does not write captures",
                "record one with: afterimage record -w FILE",
            ));
        }
        Ok(())
    }

    fn bytes(&self) -> Option<Bytes> {
        let forms = [
            (self.ascii, Bytes::Ascii),
            (self.hex, Bytes::Hex),
            (self.hex_ascii, Bytes::HexAscii),
            (self.base64, Bytes::Base64),
        ];
        forms.into_iter().find(|form| form.0).map(|form| form.1)
    }

    /// The fields of JSON lines, and the format where the user chose them.
    fn json_fields(&self) -> Result<Names, Failure> {
        if let Some(format) = self
            .format
            .as_deref()
            .map(layout::named_fields)
            .transpose()?
            .flatten()
        {
            return Ok((format.shown().cloned().collect(), Some(format)));
        }
        Ok((usual_fields(), None))
    }
}

/// Fields of JSON lines, and the format that names them.
type Names = (Vec<Shown>, Option<Template>);

/// Prints events one after another, through one line's memory.
struct Printer<'r> {
    read: &'r Read,
    out: &'r mut Output,
    layout: Layout,
    names: Option<Names>,
    bytes: Option<Bytes>,
    limit: u64,
    matched: u64,
    /// Of these, the ones that a format does not print.
    left_out: u64,
    line: String,
    failed: Option<io::Error>,
}

impl Printer<'_> {
    /// The fields it may show.
    fn shown(&self) -> impl Iterator<Item = &Shown> {
        let named = self.names.iter().flat_map(|names| &names.0);
        named.chain(self.layout.shown())
    }

    /// An event that matches; false when there is to be no other.
    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        self.matched += 1;
        if self.read.quiet {
            return false;
        }
        if !self.read.count_only
            && let Err(error) = self.print(ctx)
        {
            self.failed = Some(error);
            return false;
        }
        self.matched < self.limit
    }

    fn print(&mut self, ctx: &Ctx<'_>) -> io::Result<()> {
        self.line.clear();
        let printed = match &self.names {
            Some((names, Some(format))) => {
                let prints = format.prints(ctx);
                if prints {
                    self.line.push_str(&afterimage_query::json_line(names, ctx));
                }
                prints
            }
            Some((names, None)) => {
                self.line.push_str(&json_line(ctx, names));
                true
            }
            None => self.layout.line(ctx, &mut self.line),
        };
        if printed {
            self.line.push('\n');
            self.out.write_all(self.line.as_bytes())?;
        } else {
            self.left_out += 1;
        }
        if let Some(form) = self.bytes {
            print_bytes(self.out, ctx, form)?;
        }
        if self.read.unbuffered {
            self.out.flush()?;
        }
        Ok(())
    }

    /// What there is to print at the end.
    fn ended(&mut self) -> Result<(), Failure> {
        if let Some(error) = self.failed.take() {
            return Err(error.into());
        }
        if self.read.count_only {
            writeln!(self.out, "{}", self.matched)?;
        }
        self.out.flush()?;
        // Some are what was asked for; none at all looks as if nothing had happened.
        if self.left_out > 0 && self.left_out == self.matched {
            say(format_args!(
                "note: {} and none of them has every field of the format: begin it with * to print them all the same",
                match self.matched {
                    1 => "1 event matches".to_owned(),
                    count => format!("{} events match", show_count(count)),
                }
            ));
        }
        Ok(())
    }
}

/// The fields of JSON lines where nobody names others.
fn usual_fields() -> Vec<Shown> {
    let fields = JSON_FIELDS.iter();
    let fields = fields.filter_map(|name| FieldRef::parse(name).ok());
    fields.map(Shown::from).collect()
}

/// The fields of JSON lines for the events of a capture.
pub fn json_fields(schema: &Schema) -> Vec<Shown> {
    let mut fields = usual_fields();
    if schema.has_entries() {
        fields.extend(FieldRef::parse("evt.dir").ok().map(Shown::from));
    }
    fields
}

/// The capture's twin: every block as text.
fn whole(out: &mut Output, path: &Path, words: &[String]) -> Outcome {
    if !words.is_empty() {
        return Err(Failure::usage(
            "--whole takes no filter",
            "leave the filter out, or --whole",
        ));
    }
    let failed = |error: afterimage_format::Error| not_a_capture(path, &error);
    let reader = reader(path)?;
    afterimage_format::twin::write(&reader, out).map_err(failed)?;
    out.flush()?;
    Ok(match loss(reader.gaps(), reader.totals()) {
        Some(_) => Exit::Loss,
        None => Exit::Done,
    })
}

/// The capture and the words of the filter.
fn split<'a>(file: Option<&Path>, words: &'a [String]) -> Result<(PathBuf, &'a [String]), Failure> {
    match (file, words.split_first()) {
        (Some(file), _) => Ok((file.to_owned(), words)),
        (None, Some((first, rest))) => Ok((PathBuf::from(first), rest)),
        (None, None) => Err(Failure::usage(
            "no capture named",
            "afterimage read FILE, or - for standard input",
        )),
    }
}

/// One event as a JSON object: the usual fields as far as it has them, and its arguments by name.
pub fn json_line(ctx: &Ctx<'_>, fields: &[Shown]) -> String {
    let mut object = Object::new();
    for field in fields {
        if let Some(value) = field.value(ctx) {
            object.field(&field.to_string(), &value);
        }
    }
    for (at, desc) in ctx.ty().iter().flat_map(|ty| ty.shown_args()).enumerate() {
        if let Some(text) = render::arg_text(ctx, at) {
            object.text(&format!("evt.arg.{}", desc.name), text);
        }
    }
    object.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_json_lines_all_exist() {
        let missing: Vec<_> = JSON_FIELDS
            .iter()
            .filter(|name| FieldRef::parse(name).is_err())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn with_r_every_free_word_is_the_filter() {
        let words = ["evt.type=open".to_owned()];
        let (path, rest) =
            split(Some(Path::new("a.aft")), &words).unwrap_or_else(|f| panic!("{}", f.what));
        assert_eq!((path.as_path(), rest.len()), (Path::new("a.aft"), 1));
        assert!(
            split(None, &words)
                .is_ok_and(|(path, rest)| path == Path::new("evt.type=open") && rest.is_empty())
        );
        assert!(split(None, &[]).is_err());
    }
}
