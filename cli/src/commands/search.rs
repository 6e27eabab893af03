//! `afterimage search`: finds words in everything of a capture, or of many, that has text.

mod follow;
mod many;

use super::When;
use super::index::watched;
use crate::failure::{Exit, Failure, Outcome, escape_lines, shown};
use crate::found;
use crate::layout::Layout;
use crate::moment::{Look, Zone};
use crate::output::{Output, say};
use crate::sidecar;
use crate::source::{Source, explain, loss_known, report_loss, unreadable};
use crate::units::{parse_size, plural};
use afterimage_indexer::{Ask, Hits, Indicators, Progress};
use afterimage_model::{Ctx, Manifest, Schema};
use clap::{Args, ValueEnum};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  afterimage search web.aft shadow                   # any word, path or name
  afterimage search web.aft 'curl~1 AND proc.name=sh AND evt.time>-5m'
  afterimage search web.aft '/usr/bin/* OR *.sh' --by process
  afterimage search web.aft hunter2 --events         # the events themselves
  afterimage search web.aft shadow --follow          # while it is recorded
  afterimage search evidence 127.0.0.0/8 --json      # in a folder of captures
  afterimage search evidence --ioc list.txt          # when was what seen where
  afterimage search evidence                         # which captures there are

Words are found where they begin and end as words: curl in /usr/bin/curl, hash in
getPasswordHash. Also: cur* *.sh *pass* c?rl, \"a phrase\", curl~1 (one letter may
differ), re:PATTERN, [a TO b], 10.0.0.0/8, proc.exepath:curl (only in this text).
AND, OR, NOT and brackets join them; words that stand together are joined by AND.
Conditions of the filter language stand beside them, joined by AND; evt.time>-5m
is the last five minutes. Without an index the answer is the same, and slower.";

/// What hits are shown under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The processes that had to do with them.
    Process,
    /// Their containers.
    Container,
}

/// Find words in processes, files, addresses, payload and everything else that has text
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Search {
    /// A capture, or a folder of captures
    #[arg(value_name = "FILE|DIR")]
    place: PathBuf,
    /// What to find
    #[arg(allow_negative_numbers = true)]
    query: Vec<String>,
    /// A list of indicators, one a line: hashes, addresses, domains, paths
    #[arg(long, value_name = "LIST", conflicts_with_all = ["query", "events", "by"])]
    ioc: Option<PathBuf>,
    /// Print the events of what is found
    #[arg(long, conflicts_with = "by")]
    events: bool,
    /// Format of the events, as of read
    #[arg(
        short = 'p',
        long = "print",
        value_name = "FORMAT",
        requires = "events"
    )]
    format: Option<String>,
    /// How times of events are shown
    #[arg(
        short = 't',
        value_name = "a|r|d|D|h",
        default_value = "h",
        hide_default_value = true
    )]
    look: Look,
    /// Show what is found under those who had to do with it
    #[arg(long, value_name = "WHO")]
    by: Option<By>,
    /// One JSON object a line
    #[arg(short, long)]
    json: bool,
    /// Only the best N, or with --events or --follow the first N [default: 50, with --follow all]
    #[arg(short = 'n', long = "number", value_name = "N")]
    number: Option<usize>,
    /// In a capture that is still being written: show what is found for the first time, and what is met again, as it comes, until it
    /// is sealed
    #[arg(long, conflicts_with = "ioc")]
    follow: bool,
    /// Print nothing; exit with 0 when something was found, 1 when not
    #[arg(short, long)]
    quiet: bool,
    /// Do not use an index
    #[arg(long)]
    no_index: bool,
    /// Memory for going through many captures
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = parse_size)]
    memory: u64,
    /// Also say on standard error what was passed over and what was read
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    when: When,
}

impl Search {
    /// Finds.
    pub fn run(self, out: &mut Output) -> Outcome {
        let many = self.place.is_dir();
        if let Some(list) = &self.ioc {
            return self.sweep(out, &indicators(list)?, many);
        }
        let text = self.query.join(" ");
        if text.trim().is_empty() {
            if !many {
                return Err(Failure::usage(
                    "nothing to search for",
                    "afterimage search FILE WORD, or a folder to see which captures there are",
                ));
            }
            return self.list(out);
        }
        let ask = Ask::parse(&text).map_err(|error| {
            Failure::usage(
                escape_lines(&error.to_string()),
                "afterimage search --help shows the language",
            )
        })?;
        match (many, self.follow) {
            (true, true) => Err(Failure::usage(
                format!(
                    "{} is a folder, and only a capture can be followed",
                    shown(&self.place)
                ),
                "leave --follow out",
            )),
            (true, false) => self.folder(out, &ask),
            (false, true) => self.followed(out, &ask),
            (false, false) => self.file(out, &ask),
        }
    }

    /// How many are shown where nobody says otherwise.
    fn number(&self) -> usize {
        self.number.unwrap_or(50)
    }

    fn file(&self, out: &mut Output, ask: &Ask) -> Outcome {
        let path = &self.place;
        let plain = self.events || ask.has_conditions() || self.no_index || self.explain;
        if !plain
            && self.when.tz != Zone::Host
            && self.when.from.is_none()
            && self.when.to.is_none()
            && let Some(index) = sidecar::alone(path)
            && let Ok(hits) = index.search(ask, self.number())
        {
            return self.print_hits(out, &hits, &found::manifest(index.about()), || {
                report_loss(loss_known(index.about()))
            });
        }
        let source = match self.no_index {
            true => Source::open_plain(path)?,
            false => Source::open(path)?,
        };
        let span = self.span(&source)?;
        let progress = Progress::default();
        let session = &source.session;
        let slow = session.index().is_none() && !self.no_index && path != Path::new("-");
        if slow {
            say(format_args!(
                "afterimage: note: there is no index, so all of the capture is gone through: afterimage index {}",
                shown(path)
            ));
        }
        if self.events {
            return self.print_events(out, &source, ask, span);
        }
        // A terminal is shown the best so far at once, or told how many there are; what stays there, and what a program reads,
        // is whole.
        let shows = out.sketches() && !self.json && !self.quiet;
        let found = watched(&progress, (session.events(), "events"), !shows, || {
            let mut so_far = |hits: Hits| {
                if shows {
                    let last = format!(
                        "counting… at least {} so far, with at least as many events as these",
                        plural(hits.found as u64, "thing")
                    );
                    let (manifest, tz) = (session.manifest(), self.when.tz);
                    // A terminal that is gone is noticed when the answer is printed.
                    let _ = out.sketch(&last, |out| {
                        found::write(out, &hits.hits, manifest, tz, self.by)
                    });
                } else if io::stderr().is_terminal() {
                    let _ = write!(
                        io::stderr(),
                        "\r  {} so far ",
                        plural(hits.found as u64, "hit")
                    );
                }
            };
            session.search_in_parts(ask, span, self.number(), &progress, Some(&mut so_far))
        });
        let hits = found.map_err(|error| unreadable(path, &error))?;
        if self.explain {
            explain(&progress.work);
        }
        self.print_hits(out, &hits, session.manifest(), || source.report_loss())
    }

    fn print_hits(
        &self,
        out: &mut Output,
        hits: &Hits,
        manifest: &Manifest,
        end: impl FnOnce() -> Exit,
    ) -> Outcome {
        if self.quiet {
            return Ok(if hits.found > 0 {
                Exit::Done
            } else {
                Exit::Failed
            });
        }
        if self.json {
            for hit in &hits.hits {
                writeln!(out, "{}", found::json(hit, manifest, None))?;
            }
        } else {
            self.say_more(hits);
            found::write(out, &hits.hits, manifest, self.when.tz, self.by)?;
        }
        out.flush()?;
        Ok(end())
    }

    fn say_more(&self, hits: &Hits) {
        if hits.found > hits.hits.len() || hits.truncated {
            let least = if hits.truncated { "at least " } else { "" };
            say(format_args!(
                "afterimage: the best {} of {least}{}",
                hits.hits.len(),
                plural(hits.found as u64, "thing")
            ));
        }
    }

    fn span(&self, source: &Source) -> Result<afterimage_indexer::Span, Failure> {
        source.span(
            self.when.from.as_deref(),
            self.when.to.as_deref(),
            self.when.tz,
        )
    }

    fn print_events(
        &self,
        out: &mut Output,
        source: &Source,
        ask: &Ask,
        span: afterimage_indexer::Span,
    ) -> Outcome {
        let mut printing = Printing::new(self, source.session.schema(), self.number())?;
        let progress = Progress::default();
        let session = &source.session;
        session
            .search_events(ask, span, &progress, &mut |ctx| printing.event(out, ctx))
            .map_err(|error| unreadable(&self.place, &error))?;
        if self.explain {
            explain(&progress.work);
        }
        let matched = printing.done()?;
        if self.quiet {
            return Ok(if matched > 0 {
                Exit::Done
            } else {
                Exit::Failed
            });
        }
        out.flush()?;
        Ok(source.report_loss())
    }
}

/// Prints the events of what is found.
struct Printing<'s> {
    search: &'s Search,
    layout: Layout,
    fields: Vec<afterimage_query::Shown>,
    limit: usize,
    matched: usize,
    failed: Option<io::Error>,
}

impl<'s> Printing<'s> {
    fn new(search: &'s Search, schema: &Schema, limit: usize) -> Result<Printing<'s>, Failure> {
        let (format, look, zone) = (search.format.as_deref(), search.look, search.when.tz);
        Ok(Printing {
            search,
            layout: match schema.has_entries() {
                true => Layout::with_directions(format, look, zone)?,
                false => Layout::parse(format, look, zone)?,
            },
            fields: super::read::json_fields(schema),
            limit,
            matched: 0,
            failed: None,
        })
    }

    /// An event; false when there is to be no other.
    fn event(&mut self, out: &mut Output, ctx: &Ctx<'_>) -> bool {
        self.matched += 1;
        if self.search.quiet {
            return false;
        }
        let mut line = String::new();
        let printed = match self.search.json {
            true => {
                line = super::read::json_line(ctx, &self.fields);
                true
            }
            false => self.layout.line(ctx, &mut line),
        };
        let said = match printed {
            true => writeln!(out, "{line}"),
            false => Ok(()),
        };
        match said {
            Ok(()) => self.matched < self.limit,
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }

    /// How many there were.
    fn done(&mut self) -> Result<usize, Failure> {
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None => Ok(self.matched),
        }
    }
}

/// Longest list of indicators, bytes.
const MOST_LIST: u64 = 64 << 20;

/// Reads a list of indicators.
///
/// # Errors
/// When it cannot be read, is none or is empty.
pub fn indicators(path: &Path) -> Result<Indicators, Failure> {
    let long = std::fs::metadata(path).is_ok_and(|meta| meta.len() > MOST_LIST);
    let text = match long {
        true => Err(io::Error::from(io::ErrorKind::FileTooLarge)),
        false => std::fs::read_to_string(path),
    };
    let text = text.map_err(|error| {
        Failure::path(
            "reading",
            path,
            error,
            "name a text file with one indicator a line",
        )
    })?;
    let list = Indicators::parse(&text).map_err(|(line, why)| {
        Failure::usage(
            format!("{} line {line}: {why}", shown(path)),
            "put a # before what is no indicator",
        )
    })?;
    if list.is_empty() {
        return Err(Failure::usage(
            format!("{} has no indicator", shown(path)),
            "write one a line: a hash, an address, a domain or a path",
        ));
    }
    Ok(list)
}
