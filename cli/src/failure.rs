//! How a command ends: the exit codes, and failures as a line that says what is wrong and a line that says what to do.

use crate::output::say;
use afterimage_model::Safe;
use std::fmt::Display;
use std::io;
use std::path::Path;

/// How a command that did its work ended; the number is the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// It could not be done; also `-q` without a match.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Done, and events are known to be missing.
    Loss = 3,
    /// The evidence does not verify.
    Broken = 4,
}

impl Exit {
    /// The worse of two: what does not verify outweighs what could not be read, and that outweighs loss.
    pub fn worse(self, other: Exit) -> Exit {
        let weight = |exit: Exit| match exit {
            Exit::Done => 0,
            Exit::Loss => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
            Exit::Broken => 4,
        };
        if weight(other) > weight(self) {
            other
        } else {
            self
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong and where; printable, may have several lines (a filter with a caret).
    pub what: String,
    /// What the user can do about it; printable, empty when there is nothing to say.
    pub remedy: String,
    /// The exit code.
    pub exit: Exit,
}

/// What commands return.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure of the work itself. `what` and `remedy` must be printable already.
    pub fn new(what: impl Display, remedy: impl Display) -> Failure {
        Failure {
            what: what.to_string(),
            remedy: remedy.to_string(),
            exit: Exit::Failed,
        }
    }

    /// Tells on standard error what went wrong, and what can be done.
    pub fn report(&self) {
        if !self.what.is_empty() {
            say(format_args!("afterimage: {}", self.what));
        }
        if !self.remedy.is_empty() {
            say(format_args!("  try: {}", self.remedy));
        }
    }

    /// A misuse of the command line.
    pub fn usage(what: impl Display, remedy: impl Display) -> Failure {
        Failure {
            exit: Exit::Usage,
            ..Failure::new(what, remedy)
        }
    }

    /// A failed system call on a path.
    pub fn path(doing: &str, path: &Path, error: impl Display, remedy: impl Display) -> Failure {
        Failure::new(format!("{doing} {}: {error}", shown(path)), remedy)
    }
}

/// A closed pipe is the reader's way of saying "enough", not a failure: it ends the command quietly.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure {
                what: String::new(),
                remedy: String::new(),
                exit: Exit::Done,
            },
            _ => Failure::new(
                format!("writing the output: {error}"),
                "check the space on the output's file system",
            ),
        }
    }
}

/// A path as it may be printed.
pub fn shown(path: &Path) -> String {
    Safe::new(path.as_os_str().as_encoded_bytes()).to_string()
}

/// Text of several lines with every line escaped, so that the line breaks are ours and nothing else is.
pub fn escape_lines(text: &str) -> String {
    text.split('\n')
        .map(|line| Safe::new(line).to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_ends_the_command_without_a_word() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.what.as_str(), failure.exit), ("", Exit::Done));
        assert_eq!(
            Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit,
            Exit::Failed
        );
    }

    #[test]
    fn a_path_with_escape_sequences_is_printed_without_them() {
        assert_eq!(
            shown(Path::new("/tmp/\u{1b}]0;x\u{7}")),
            "/tmp/\\x1b]0;x\\x07"
        );
        assert_eq!(escape_lines("a\u{1b}[2J\nb"), "a\\x1b[2J\nb");
    }
}
