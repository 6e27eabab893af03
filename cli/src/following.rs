//! Following a capture that is still being written: what is whole in it is shown, then what is added to it, until it is sealed, or
//! until somebody has had enough of it.

use crate::failure::{Exit, Failure, shown as shown_path};
use crate::identity;
use crate::moment::Zone;
use crate::output::say;
use crate::recording::stop_on;
use crate::source::{loss, not_a_capture, piped, report_loss, span, unreadable};
use afterimage_format::layout::FILE_HEAD;
use afterimage_format::{Error, ErrorKind, Reader};
use afterimage_indexer::{Error as AskError, Place, Progress, Session, Shown, Span};
use afterimage_interop::open::foreign_file;
use afterimage_model::{Ctx, GapCause, Safe};
use afterimage_query::Filter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long it is waited between two looks at the file's length.
const PATIENCE: Duration = Duration::from_millis(200);

/// A capture that is followed.
pub struct Followed {
    path: PathBuf,
    /// As far as it is written.
    pub session: Session,
    shown: Shown,
    /// Somebody pressed Ctrl-C.
    stop: Arc<AtomicBool>,
    /// Why it is followed no further, where that is not its seal.
    left: Option<Left>,
}

/// Why a capture is followed no further.
enum Left {
    /// Nobody wants to.
    Stopped,
    /// Nothing more can come of it.
    Lost(String),
}

impl Followed {
    /// Opens a capture; of one that was only just begun, waits for what its events look like. From here on Ctrl-C ends the
    /// following, and only the second one the program.
    pub fn open(path: &Path) -> Result<Followed, Failure> {
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
        let stop = stop_on(&[SIGINT, SIGTERM])?;
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
            if stop.load(Ordering::Relaxed) {
                return Err(Failure {
                    exit: Exit::Done,
                    ..Failure::new(
                        format!("{}: left before it had begun", shown_path(path)),
                        "",
                    )
                });
            }
            if !std::mem::replace(&mut told, true) {
                say(format_args!(
                    "afterimage: {}: it has only just begun; waiting for more",
                    shown_path(path)
                ));
            }
            wait(PATIENCE)?;
        };
        Ok(Followed {
            path: path.to_owned(),
            session: Session::from_reader(reader),
            shown: Shown::default(),
            stop,
            left: None,
        })
    }

    /// Whether an event is there.
    pub fn has_begun(&self) -> bool {
        self.session.events() > 0 || !self.session.may_grow()
    }

    /// For work that ends when somebody has had enough.
    pub fn progress(&self) -> Progress {
        Progress {
            cancel: self.stop.clone(),
            ..Progress::default()
        }
    }

    /// Whether somebody has had enough, so that what was asked may not have come to its end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The span asked for with `--from` and `--to`. What is no instant is an error at once; which one it is may depend on the first
    /// event.
    pub fn span(&self, from: Option<&str>, to: Option<&str>, zone: Zone) -> Result<Span, Failure> {
        let first = self.session.span().map_or(0, |span| span.0);
        span(self.session.manifest(), first, from, to, zone)
    }

    /// What is asked, and how far it has been shown.
    pub fn asked(&mut self) -> (&Session, &mut Shown) {
        (&self.session, &mut self.shown)
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

    /// Waits until there is more; false when there will not be, or nobody wants it.
    pub fn goes_on(&mut self) -> Result<bool, Failure> {
        loop {
            if !self.session.may_grow() || self.left.is_some() {
                return Ok(false);
            }
            if self.is_stopped() {
                self.left = Some(Left::Stopped);
                return Ok(false);
            }
            if self.grow()? {
                return Ok(true);
            }
            let why = match self.session.place(&self.path) {
                Ok(Place::Here) => {
                    wait(PATIENCE)?;
                    continue;
                }
                Ok(place) => place.says().unwrap_or_default().to_owned(),
                Err(error) => error.to_string(),
            };
            // What was written to it before that counts.
            if self.grow()? {
                return Ok(true);
            }
            self.left.get_or_insert(Left::Lost(why));
        }
    }

    /// As [`Followed::goes_on`], and then lets more come until an instant: as much as is there then is told at once.
    pub fn goes_on_until(&mut self, instant: Instant) -> Result<bool, Failure> {
        let goes_on = self.goes_on()?;
        while goes_on && self.session.may_grow() && !self.is_stopped() {
            let left = instant.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.grow()?;
                break;
            }
            wait(left.min(PATIENCE))?;
        }
        Ok(goes_on)
    }

    fn grow(&mut self) -> Result<bool, Failure> {
        let grown = match self.session.grown() {
            Ok(grown) => grown,
            // What was read of it stays so.
            Err(AskError::Capture(error))
                if matches!(error.kind, ErrorKind::Cut { .. } | ErrorKind::Rewritten) =>
            {
                self.left = Some(Left::Lost(error.kind.to_string()));
                return Ok(false);
            }
            Err(error) => return Err(unreadable(&self.path, &error)),
        };
        let Some(grown) = grown else {
            return Ok(false);
        };
        let before = std::mem::replace(&mut self.session, grown);
        if !self.session.may_grow() {
            self.session.look_back(&before, self.shown.next());
        }
        Ok(true)
    }

    /// Tells on standard error how the following ended, where that was not the seal, and what is missing from the capture, and gives
    /// the exit code that says so. That it is not sealed yet is no loss, unless it is lost.
    pub fn report_loss(&self, progress: &Progress) -> Exit {
        self.shown.tell(&progress.work);
        let path = shown_path(&self.path);
        match &self.left {
            None => {}
            Some(Left::Stopped) => {
                say(format_args!(
                    "afterimage: {path}: left before it was sealed"
                ));
            }
            Some(Left::Lost(why)) => {
                say(format_args!(
                    "afterimage: {path} is followed no further: {}; what was printed is what there was of it",
                    Safe::new(why)
                ));
            }
        }
        let mut gaps = self.session.gaps().to_vec();
        if self.session.may_grow() && !matches!(self.left, Some(Left::Lost(_))) {
            gaps.retain(|gap| gap.cause != GapCause::Torn);
        }
        gaps.extend(self.session.unreadable());
        report_loss(loss(&gaps, self.session.totals()))
    }
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

/// Waits a while, unless a signal comes or nobody reads any more what is printed.
fn wait(patience: Duration) -> Result<(), Failure> {
    let out = io::stdout();
    let mut watched = [PollFd::new(&out, PollFlags::empty())];
    let patience = Timespec::try_from(patience).unwrap_or(Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    });
    match poll(&mut watched, Some(&patience)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(()),
        Ok(_) => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
        Err(error) => Err(io::Error::from(error).into()),
    }
}
