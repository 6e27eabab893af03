//! Opening a capture to read it, from a path or from a pipe, and saying what it lost.

use crate::cache;
use crate::converting::{self, Converting};
use crate::failure::{Exit, Failure, Outcome, shown};
use crate::identity;
use crate::moment::{self, Zone};
use crate::output::say;
use crate::sidecar;
use crate::units::plural;
use afterimage_format::{Error as CaptureError, ErrorKind, Lineage, Note, Reader, Seal};
use afterimage_indexer::{About, Session, Span, Work};
use afterimage_interop::open::{Sniffed, foreign_file, manifest, open_sniffed, sniff};
use afterimage_interop::{Error as InteropError, scap};
use afterimage_model::{Gap, Loss, Manifest, Safe, Schema, Totals};
use afterimage_query::Filter;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// An open capture.
pub struct Source {
    /// The capture.
    pub session: Session,
    /// Where it comes from, and who signed it.
    pub lineage: Lineage,
    /// How it ended; `None` when it is not sealed.
    pub seal: Option<Seal>,
    /// Remarks and custody entries.
    pub notes: Vec<Note>,
}

/// A capture that is asked once, from its start to its end.
pub enum Input {
    /// One that is there as a whole.
    Whole(Box<Source>),
    /// One of another program that is read as it comes.
    Stream(Box<scap::Stream>, cache::Along),
}

impl Input {
    /// Opens a capture. What is `narrow`, an answer that few events give, comes from a converted copy where there is one, and from the
    /// capture itself where there is none; one is made along once it has been asked often.
    pub fn open(path: &Path, narrow: bool) -> Result<Input, Failure> {
        let whole = |reader| Ok(Input::Whole(Box::new(Source::new(reader))));
        let failed = |error: InteropError| not_opened(path, &error);
        let read = |error| failed(InteropError::Read(error));
        if piped(path)?.is_some() {
            match sniff(io::stdin()).map_err(read)? {
                Sniffed::Foreign(stream) => {
                    let stream = scap::Stream::open(stream, manifest()).map_err(failed)?;
                    return Ok(Input::Stream(Box::new(stream), cache::Along::Nothing));
                }
                other => {
                    let identities = identity::identities()?;
                    return whole(open_sniffed(other, &identities).map_err(failed)?);
                }
            }
        }
        let Some(file) = foreign_file(path).map_err(read)? else {
            return Source::open(path).map(|source| Input::Whole(Box::new(source)));
        };
        let mut along = cache::Along::Nothing;
        if let Some(place) = cache::place(path).filter(|_| narrow) {
            if let Some(reader) = place.open() {
                return whole(reader);
            }
            along = match place.is_worth_a_copy() {
                true => place
                    .begin()
                    .map_or(cache::Along::Nothing, cache::Along::Made),
                false => cache::Along::Noted(place),
            };
        }
        let stream = scap::Stream::of_file(file, manifest()).map_err(failed)?;
        if let cache::Along::Made(_) = along {
            say(format_args!(
                "note: what this capture holds is kept in columns along with this answer, and the next questions are answered from them (--no-cache: not)"
            ));
        }
        Ok(Input::Stream(Box::new(stream), along))
    }

    /// What its events look like.
    pub fn schema(&self) -> &Schema {
        match self {
            Input::Whole(source) => source.session.schema(),
            Input::Stream(stream, _) => stream.schema(),
        }
    }

    /// The span asked for with `--from` and `--to`.
    pub fn span(&self, from: Option<&str>, to: Option<&str>, zone: Zone) -> Result<Span, Failure> {
        match self {
            Input::Whole(source) => source.span(from, to, zone),
            Input::Stream(stream, _) => span(stream.manifest(), stream.start(), from, to, zone),
        }
    }
}

impl Source {
    /// Opens a capture with its index, if it has one; `-` reads standard input to its end first, because a capture is read by
    /// its footer.
    pub fn open(path: &Path) -> Result<Source, Failure> {
        let mut source = Source::open_plain(path)?;
        sidecar::take(&mut source.session, path);
        Ok(source)
    }

    /// As [`Source::open`]; a large capture of another program is opened while it is still converted, and grows until that is over.
    pub fn open_at_once(path: &Path) -> Result<(Source, Option<Converting>), Failure> {
        let failed = |error: InteropError| not_opened(path, &error);
        let begun = if piped(path)?.is_some() {
            match sniff(io::stdin()).map_err(|error| failed(InteropError::Read(error)))? {
                Sniffed::Foreign(stream) => Some(Converting::of_stream(stream)),
                other => {
                    let opened = open_sniffed(other, &identity::identities()?);
                    return Ok((Source::new(opened.map_err(failed)?), None));
                }
            }
        } else {
            Converting::of(path)
        };
        match begun.transpose().map_err(failed)? {
            Some((reader, converting)) => Ok((Source::new(reader), Some(converting))),
            None => Ok((Source::open(path)?, None)),
        }
    }

    /// As [`Source::open`], without an index.
    pub fn open_plain(path: &Path) -> Result<Source, Failure> {
        reader(path).map(Source::new)
    }

    fn new(reader: Reader) -> Source {
        Source {
            lineage: reader.lineage().clone(),
            seal: reader.seal().cloned(),
            notes: reader.notes().to_vec(),
            session: Session::from_reader(reader),
        }
    }

    /// Tells on standard error what is missing from the capture, and gives the exit code that says so.
    pub fn report_loss(&self) -> Exit {
        report_loss(self.loss())
    }

    /// What is missing from it in one line: what the recorder lost, and what turned out not to be readable since.
    pub fn loss(&self) -> Option<String> {
        let mut gaps = self.session.gaps().to_vec();
        gaps.extend(self.session.unreadable());
        loss(&gaps, self.session.totals())
    }

    /// The span asked for with `--from` and `--to`.
    pub fn span(&self, from: Option<&str>, to: Option<&str>, zone: Zone) -> Result<Span, Failure> {
        let first = self.session.span().map_or(0, |span| span.0);
        span(self.session.manifest(), first, from, to, zone)
    }

    /// The instant asked for with `--at`: a time, or `#N` for that of event N. Ns since boot.
    pub fn instant(&self, text: &str, zone: Zone) -> Result<u64, Failure> {
        if let Some(num) = text.strip_prefix('#') {
            let refused = || {
                Failure::usage(
                    format!("there is no event {}", Safe::new(text)),
                    format!("events are numbered from 1 to {}", self.session.events()),
                )
            };
            let num: u64 = num.parse().map_err(|_| refused())?;
            let at = self.session.event(num, |ctx| ctx.event.time.0);
            return at.ok().flatten().ok_or_else(refused);
        }
        let span = self.span(Some(text), None, zone)?;
        Ok(span.map_or(0, |span| span.0))
    }
}

/// The span asked for with `--from` and `--to` in a capture whose first event has this instant.
pub fn span(
    manifest: &Manifest,
    first: u64,
    from: Option<&str>,
    to: Option<&str>,
    zone: Zone,
) -> Result<Span, Failure> {
    let at = |text: &str| {
        moment::parse(text, manifest, zone, first).ok_or_else(|| {
            Failure::usage(
                format!("{} is not an instant", Safe::new(text)),
                format!("write {}", moment::FORMS),
            )
        })
    };
    let from = from.map(at).transpose()?;
    let to = to.map(at).transpose()?;
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(Failure::usage(
            "--from is later than --to",
            "give the earlier instant to --from",
        ));
    }
    Ok((from.is_some() || to.is_some()).then(|| (from.unwrap_or(0), to.unwrap_or(u64::MAX))))
}

/// Warns of what a filter names and a schema does not know, and says what of the filter is old.
pub fn strangers(filter: Option<&Filter>, schema: &Schema) {
    let strangers = filter.map_or_else(Vec::new, |f| f.strangers(schema));
    for stranger in strangers {
        say(format_args!("afterimage: warning: {stranger}"));
    }
    for note in filter.map_or(&[][..], Filter::notes) {
        say(format_args!("afterimage: note: {}", note.message()));
    }
}

/// Opens a capture by its path, or from standard input.
pub fn reader(path: &Path) -> Result<Reader, Failure> {
    // The lock goes: the input is read from another place.
    let is_piped = piped(path)?.is_some();
    let identities = identity::identities()?;
    let opened = if is_piped {
        afterimage_interop::open_stream_with(io::stdin(), &identities)
    } else {
        converting::copied(path).unwrap_or_else(|| afterimage_interop::open_with(path, &identities))
    };
    opened.map_err(|error| not_opened(path, &error))
}

/// What is wrong with a capture that cannot be opened.
pub fn not_opened(path: &Path, error: &InteropError) -> Failure {
    match error {
        InteropError::Capture(error) => not_a_capture(path, error),
        error => Failure::new(
            format!("{}: {}", shown(path), Safe::new(&error.to_string())),
            NAME_ONE,
        ),
    }
}

/// Standard input, where `-` asks for it. A terminal has no capture to give, and would be waited for in silence.
pub fn piped(path: &Path) -> Result<Option<io::StdinLock<'static>>, Failure> {
    if path != Path::new("-") {
        return Ok(None);
    }
    let input = io::stdin();
    if input.is_terminal() {
        return Err(Failure::usage("standard input is a terminal", PIPE_ONE));
    }
    Ok(Some(input.lock()))
}

const PIPE_ONE: &str = "pipe a capture in: afterimage record -o - | afterimage read -";

/// A capture that cannot be opened or read, with what can be done about that.
pub fn not_a_capture(path: &Path, error: &CaptureError) -> Failure {
    let name = shown(path);
    let closed = matches!(error.kind, ErrorKind::Locked(_) | ErrorKind::Stranger(_));
    let remedy = if let Some(failure) = identity::refused().filter(|_| closed) {
        format!("{}; {}", failure.what, failure.remedy)
    } else if closed {
        "name the identity that opens it: --identity FILE, or AFTERIMAGE_IDENTITY=FILE".to_owned()
    } else if path == Path::new("-") {
        match &error.kind {
            ErrorKind::Io(_) => "set TMPDIR to a file system with space".to_owned(),
            _ => PIPE_ONE.to_owned(),
        }
    } else {
        match &error.kind {
            ErrorKind::NotRegular("a pipe") => {
                format!("pass it on standard input: afterimage read - < {name}")
            }
            ErrorKind::NotRegular(_) | ErrorKind::NotCapture { .. } => NAME_ONE.to_owned(),
            ErrorKind::Io(error) => match error.kind() {
                io::ErrorKind::NotFound => NAME_ONE.to_owned(),
                io::ErrorKind::PermissionDenied => {
                    "captures are readable only by who recorded them: sudo, or chown a copy"
                        .to_owned()
                }
                _ => "check the disk the capture is on".to_owned(),
            },
            ErrorKind::Version { .. } => "read it with a later afterimage".to_owned(),
            _ => format!("see what is left of it: afterimage recover {name} -o rescued.aft"),
        }
    };
    Failure::new(format!("{name}: {}", Safe::new(&error.to_string())), remedy)
}

const NAME_ONE: &str = "name a capture made by afterimage record -o FILE";

/// A capture that was open already and could not be searched.
pub fn unreadable(path: &Path, error: &afterimage_indexer::Error) -> Failure {
    match error {
        afterimage_indexer::Error::Capture(error) => not_a_capture(path, error),
        error => Failure::new(
            format!("{}: {}", shown(path), Safe::new(&error.to_string())),
            format!("afterimage verify {} says where it is damaged", shown(path)),
        ),
    }
}

/// Tells on standard error what is missing from a capture, and gives the exit code that says so.
pub fn report_loss(loss: Option<String>) -> Exit {
    match loss {
        Some(text) => {
            say(format_args!(
                "afterimage: this capture is not whole: {text}"
            ));
            Exit::Loss
        }
        None => Exit::Done,
    }
}

/// Does something with each of several captures. One that cannot be read does not keep the others from their turn; it is
/// reported, and the exit code is the worst of all.
pub fn each(files: &[PathBuf], mut one: impl FnMut(&Path) -> Outcome) -> Outcome {
    let mut worst = Exit::Done;
    for file in files {
        let exit = match one(file) {
            Ok(exit) => exit,
            // A closed pipe, or the last word anyway.
            Err(failure) if failure.what.is_empty() || files.len() == 1 => return Err(failure),
            Err(failure) => {
                failure.report();
                failure.exit
            }
        };
        worst = worst.worse(exit);
    }
    Ok(worst)
}

/// What is missing from a capture in one line; `None` when nothing is known to be.
pub fn loss(gaps: &[Gap], totals: Option<&Totals>) -> Option<String> {
    let loss = Loss::of(gaps, totals)?;
    Some(loss_words(
        loss.gaps,
        loss.events,
        loss.exact,
        &loss.causes.join(", "),
    ))
}

/// As [`loss`], of a capture of which an index knows this.
pub fn loss_known(about: &About) -> Option<String> {
    let missing = about.missing.as_ref()?;
    let causes = Safe::new(&missing.causes.join(", ")).to_string();
    Some(loss_words(
        missing.gaps,
        missing.events,
        missing.exact,
        &causes,
    ))
}

fn loss_words(gaps: u64, events: u64, exact: bool, causes: &str) -> String {
    let events = match (events, exact) {
        (0, true) => "no events".to_owned(),
        (n, true) => plural(n, "event"),
        (0, false) => "an unknown number of events".to_owned(),
        (n, false) => format!("at least {}", plural(n, "event")),
    };
    let why = if causes.is_empty() {
        String::new()
    } else {
        format!(" ({causes})")
    };
    format!("{}{why}, {events} lost", plural(gaps, "gap"))
}

/// Says on standard error what was passed over and what was read.
pub fn explain(work: &Work) {
    for (name, count) in work.counts() {
        say(format_args!("afterimage: explain: {name}: {count}"));
    }
}

/// The filter that free words on the command line make; `None` when there are none.
pub fn filter(words: &[String]) -> Result<Option<Filter>, Failure> {
    let text = words.join(" ");
    if text.trim().is_empty() {
        return Ok(None);
    }
    Filter::parse(&text)
        .map(Some)
        .map_err(|error| bad_filter(&error))
}

/// A filter or template that does not parse: the message already has a caret under the place.
pub fn bad_filter(error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(
        crate::failure::escape_lines(&error.to_string()),
        "list the fields with: afterimage fields",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_model::{BootNs, GapCause};

    fn gap(count: Option<u64>) -> Gap {
        Gap {
            cause: GapCause::RingFull,
            start: BootNs(1),
            end: BootNs(2),
            cpu: Some(0),
            count,
            first_seq: None,
            detail: String::new(),
        }
    }

    #[test]
    fn a_whole_capture_has_nothing_to_report() {
        assert_eq!(loss(&[], Some(&Totals::default())), None);
        assert_eq!(loss(&[], None), None);
    }

    #[test]
    fn a_count_that_may_be_too_low_says_so() {
        assert_eq!(
            loss(&[gap(Some(3))], None).as_deref(),
            Some("1 gap (ring-full), 3 events lost")
        );
        assert_eq!(
            loss(&[gap(Some(3)), gap(None)], None).as_deref(),
            Some("2 gaps (ring-full), at least 3 events lost")
        );
        assert_eq!(
            loss(&[gap(None)], None).as_deref(),
            Some("1 gap (ring-full), an unknown number of events lost")
        );
        assert_eq!(
            loss(&[gap(Some(0))], None).as_deref(),
            Some("1 gap (ring-full), no events lost")
        );
        assert_eq!(
            loss(
                &[],
                Some(&Totals {
                    dropped: 2,
                    unsealed: 1,
                    ..Totals::default()
                })
            )
            .as_deref(),
            Some("0 gaps, 3 events lost")
        );
    }
}
