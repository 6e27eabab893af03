//! Opening a capture to read it, from a path or from a pipe, and saying what it lost.

use crate::failure::{Exit, Failure, shown};
use crate::moment::{self, Zone};
use crate::output::say;
use crate::units::{plural, show_count};
use afterimage_indexer::{Session, Span};
use afterimage_model::{Gap, Safe, Totals};
use afterimage_query::Filter;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// An open capture, and the temporary file behind it when it came through a pipe.
pub struct Source {
    /// The capture.
    pub session: Session,
    spool: Option<Spool>,
}

/// A private temporary file that goes away with its owner.
pub struct Spool(PathBuf);

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Source {
    /// Opens a capture; `-` reads standard input to its end first, because a capture is read by its footer.
    pub fn open(path: &Path) -> Result<Source, Failure> {
        let spool = if path == Path::new("-") {
            Some(spool(&mut io::stdin().lock())?)
        } else {
            None
        };
        let at = spool.as_ref().map_or(path, |spool| &spool.0);
        let session = Session::open(at).map_err(|error| not_a_capture(path, &error))?;
        Ok(Source { session, spool })
    }

    /// The capture, for a reader that wants to own it, and what must live as long.
    pub fn into_session(self) -> (Session, Option<Spool>) {
        (self.session, self.spool)
    }

    /// Tells on standard error what is missing from the capture, and gives the exit code that says so.
    pub fn report_loss(&self) -> Exit {
        match self.loss() {
            Some(text) => {
                say(format_args!(
                    "afterimage: this capture is not whole: {text}"
                ));
                Exit::Loss
            }
            None => Exit::Done,
        }
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
        let at = |text: &str| {
            moment::parse(text, self.session.manifest(), zone, first).ok_or_else(|| {
                Failure::usage(
                    format!("{} is not an instant", Safe::new(text)),
                    format!("write {}", moment::FORMS),
                )
            })
        };
        let from = from.map(at).transpose()?;
        let to = to.map(at).transpose()?;
        Ok((from.is_some() || to.is_some()).then(|| (from.unwrap_or(0), to.unwrap_or(u64::MAX))))
    }
}

/// A failure to open a capture, with the likely reason.
pub fn not_a_capture(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    let remedy = if path == Path::new("-") {
        "pipe a capture in: afterimage record -o - | afterimage read -".to_owned()
    } else if !path.exists() {
        "name a capture made by afterimage record -o FILE".to_owned()
    } else {
        format!(
            "see what is left of it: afterimage recover {} -o rescued.aft",
            shown(path)
        )
    };
    Failure::new(
        format!("{}: {}", shown(path), Safe::new(&error.to_string())),
        remedy,
    )
}

/// Copies a pipe to a new file that only this user can read.
fn spool(input: &mut impl io::Read) -> Result<Spool, Failure> {
    let path = std::env::temp_dir().join(format!(
        "afterimage-stdin-{}-{:016x}.aft",
        std::process::id(),
        crate::token()
    ));
    let failed = |error: io::Error| {
        Failure::path(
            "copying standard input to",
            &path,
            error,
            "set TMPDIR to a file system with space",
        )
    };
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(failed)?;
    let spool = Spool(path.clone());
    io::copy(input, &mut file).map_err(failed)?;
    Ok(spool)
}

/// What is missing from a capture in one line; `None` when nothing is known to be.
pub fn loss(gaps: &[Gap], totals: Option<&Totals>) -> Option<String> {
    if gaps.is_empty() && totals.is_none_or(|t| t.dropped == 0 && t.unsealed == 0) {
        return None;
    }
    let counted: u64 = gaps
        .iter()
        .filter_map(|gap| gap.count)
        .fold(0, u64::saturating_add);
    let lost = counted.max(totals.map_or(0, |t| t.dropped.saturating_add(t.unsealed)));
    let at_least = if gaps.iter().any(|gap| gap.count.is_none()) {
        "≥ "
    } else {
        ""
    };
    let mut causes: Vec<&str> = gaps.iter().map(|gap| gap.cause.name()).collect();
    causes.sort_unstable();
    causes.dedup();
    let why = if causes.is_empty() {
        String::new()
    } else {
        format!(" ({})", causes.join(", "))
    };
    Some(format!(
        "{}{why}, {at_least}{} events lost",
        plural(gaps.len() as u64, "gap"),
        show_count(lost)
    ))
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
            Some("2 gaps (ring-full), ≥ 3 events lost")
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

    #[test]
    fn a_pipe_is_copied_to_a_private_file_that_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let spool = spool(&mut &b"bytes"[..]).unwrap_or_else(|f| panic!("{}", f.what));
        let path = spool.0.clone();
        assert_eq!(std::fs::read(&path).ok().as_deref(), Some(&b"bytes"[..]));
        assert_eq!(
            std::fs::metadata(&path)
                .map(|m| m.permissions().mode() & 0o777)
                .ok(),
            Some(0o600)
        );
        drop(spool);
        assert!(!path.exists());
    }
}
