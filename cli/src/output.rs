//! Standard output and error: data on one, everything else on the other; colour only where a person looks.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

/// Standard output, buffered, with what is known about who reads it.
pub struct Output {
    out: BufWriter<StdoutLock<'static>>,
    /// Whether a terminal reads it.
    pub terminal: bool,
    colour: bool,
    /// Columns of that terminal; `None` where none is known.
    pub width: Option<usize>,
}

impl Output {
    /// Standard output as it is now. Colour follows `NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb`.
    pub fn stdout() -> Output {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let width = terminal
            .then(|| rustix::termios::tcgetwinsize(&stdout).ok())
            .flatten();
        Output {
            out: BufWriter::with_capacity(64 << 10, stdout.lock()),
            terminal,
            colour: colour(terminal),
            width: width
                .map(|size| usize::from(size.ws_col))
                .filter(|w| *w > 0),
        }
    }

    /// Text in bold, where colour is wanted. The text must be printable already.
    pub fn bold(&self, text: &str) -> String {
        self.painted("1", text)
    }

    /// Text as a warning, where colour is wanted.
    pub fn warning(&self, text: &str) -> String {
        self.painted("1;31", text)
    }

    /// Text as good news, where colour is wanted.
    pub fn good(&self, text: &str) -> String {
        self.painted("32", text)
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether to colour, by the conventions of no-color.org and bixense.com/clicolors.
fn colour(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    if set("NO_COLOR") {
        return false;
    }
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| !v.is_empty() && v != "0");
    forced || (terminal && std::env::var_os("TERM").is_none_or(|t| t != "dumb"))
}

/// Says something to the user on standard error. A closed standard error is nobody's problem.
pub fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
