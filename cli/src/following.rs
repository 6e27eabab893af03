//! Following a capture that is still being written: what is whole in it is shown, then what is added to it, until it is sealed.

use crate::failure::{Exit, Failure, shown as shown_path};
use crate::identity;
use crate::output::say;
use crate::source::{loss, not_a_capture, piped, report_loss};
use afterimage_format::layout::FILE_HEAD;
use afterimage_format::{Error, ErrorKind, Reader};
use afterimage_indexer::{Progress, Session, Shown, Span};
use afterimage_interop::open::foreign_file;
use afterimage_model::{Ctx, Gap, GapCause};
use afterimage_query::Filter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How long it is waited between two looks at the file's length.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// A capture that is followed.
pub struct Followed {
    path: PathBuf,
    reader: Arc<Reader>,
    /// As far as it is written.
    pub session: Session,
    internal: bool,
    shown: Shown,
    /// Chunks that were there and turned out not to be readable.
    unreadable: Vec<Gap>,
}

impl Followed {
    /// Opens a capture; of one that was only just begun, waits for what its events look like. With `internal` also events of a
    /// recorder's own books are shown.
    pub fn open(path: &Path, internal: bool) -> Result<Followed, Failure> {
        if piped(path)?.is_some() {
            return Err(Failure::usage(
                "a pipe is read to its end, and cannot be followed",
                "leave --follow out",
            ));
        }
        if foreign_file(path).ok().flatten().is_some() {
            return Err(Failure::usage(
                format!(
                    "{}: not a capture of afterimage's own, which alone can be followed",
                    shown_path(path)
                ),
                "leave --follow out",
            ));
        }
        let identities = identity::identities()?;
        let mut told = false;
        let reader = loop {
            let opened = Reader::open_with(path, &identities);
            let begins = match &opened {
                Ok(reader) => {
                    reader.may_grow()
                        && reader.chunks().is_empty()
                        && reader.schema().types.is_empty()
                }
                Err(error) => is_begun(path, error),
            };
            if !begins {
                break opened.map_err(|error| not_a_capture(path, &error))?;
            }
            if !std::mem::replace(&mut told, true) {
                say(format_args!(
                    "afterimage: {}: it has only just begun; waiting for more",
                    shown_path(path)
                ));
            }
            wait()?;
        };
        let reader = Arc::new(reader);
        Ok(Followed {
            path: path.to_owned(),
            session: session(&reader, internal),
            reader,
            internal,
            shown: Shown::default(),
            unreadable: Vec::new(),
        })
    }

    /// Whether an event is there.
    pub fn has_begun(&self) -> bool {
        !self.reader.chunks().is_empty() || !self.reader.may_grow()
    }

    /// Calls `each` for every matching event that was not shown before, until it returns false.
    pub fn show(
        &mut self,
        filter: Option<&Filter>,
        span: Span,
        progress: &Progress,
        each: &mut dyn FnMut(&Ctx<'_>) -> bool,
    ) {
        let shown = &mut self.shown;
        self.session.scan_on((filter, span), shown, progress, each);
    }

    /// Waits until there is more; false when it is sealed, so that there will not be.
    pub fn goes_on(&mut self) -> Result<bool, Failure> {
        if !self.reader.may_grow() {
            return Ok(false);
        }
        loop {
            if self.grow()? {
                return Ok(true);
            }
            let why = match self.reader.is_at(&self.path) {
                Ok(true) => {
                    wait()?;
                    continue;
                }
                Ok(false) => "another file took its place".to_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    "it was removed".to_owned()
                }
                Err(error) => error.to_string(),
            };
            // What was written to it before that counts.
            if self.grow()? {
                return Ok(true);
            }
            return Err(Failure::new(
                format!("{}: {why} while it was followed", shown_path(&self.path)),
                "what was printed is what there was of it; follow it under the name that it has now",
            ));
        }
    }

    fn grow(&mut self) -> Result<bool, Failure> {
        let grown = self.reader.grown();
        let Some(grown) = grown.map_err(|error| not_a_capture(&self.path, &error))? else {
            return Ok(false);
        };
        let before = std::mem::replace(&mut self.reader, Arc::new(grown));
        self.unreadable.extend(self.session.unreadable());
        self.session = session(&self.reader, self.internal);
        if !self.reader.may_grow() {
            // Its index also lists those that were damaged when their turn came: asked for, they are told.
            let known: BTreeSet<u64> = before.chunks().iter().map(|info| info.offset).collect();
            let next = self.shown.next();
            for info in self.reader.chunks() {
                if info.first_num < next && !known.contains(&info.offset) {
                    let _ = self.session.event(info.first_num, |_| ());
                }
            }
        }
        Ok(true)
    }

    /// Tells on standard error what is missing from the capture, and gives the exit code that says so. That it is not sealed yet
    /// is no loss.
    pub fn report_loss(&self, progress: &Progress) -> Exit {
        self.shown.tell(&progress.work);
        let mut gaps = self.session.gaps().to_vec();
        if self.reader.may_grow() {
            gaps.retain(|gap| gap.cause != GapCause::Torn);
        }
        gaps.extend(self.unreadable.iter().cloned());
        gaps.extend(self.session.unreadable());
        report_loss(loss(&gaps, self.session.totals()))
    }
}

fn session(reader: &Arc<Reader>, internal: bool) -> Session {
    let mut session = Session::from_shared(reader.clone());
    session.show_internal(internal);
    session
}

/// Whether a file that cannot be opened is a capture whose first bytes are still to come.
fn is_begun(path: &Path, error: &Error) -> bool {
    let len = path.metadata().map_or(0, |meta| meta.len());
    match error.kind {
        ErrorKind::Missing { what: "header" } | ErrorKind::Short { .. } => true,
        ErrorKind::NotCapture { .. } => len < FILE_HEAD as u64 && path.is_file(),
        _ => false,
    }
}

/// Waits a while, unless nobody reads any more what is printed.
fn wait() -> Result<(), Failure> {
    let out = io::stdout();
    let mut watched = [PollFd::new(&out, PollFlags::empty())];
    match poll(&mut watched, Some(&PATIENCE)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(()),
        Ok(_) => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
        Err(error) => Err(io::Error::from(error).into()),
    }
}
