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
    /// Lines of that terminal, if it can go back to lines that it shows.
    height: Option<usize>,
    /// What is written goes here first.
    aside: Option<Vec<u8>>,
    /// Lines of a page that what is written next takes the place of.
    sketched: usize,
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
            height: (width.map(|size| usize::from(size.ws_row)))
                .filter(|lines| *lines > 2)
                .filter(|_| std::env::var_os("TERM").is_some_and(|term| term != "dumb")),
            aside: None,
            sketched: 0,
        }
    }

    /// Whether pages can be shown that others take the place of.
    pub fn sketches(&self) -> bool {
        self.height.is_some()
    }

    /// Shows as much of what `write` writes as the terminal has lines for, with a last line below it, until something else is
    /// written. Does nothing where that cannot be done.
    pub fn sketch(
        &mut self,
        last: &str,
        write: impl FnOnce(&mut Output) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.height.is_none() {
            return Ok(());
        }
        let text = self.aside(write)?;
        self.sketch_text(last, &text)
    }

    /// As [`Output::sketch`], of text that is there already.
    pub fn sketch_text(&mut self, last: &str, text: &[u8]) -> io::Result<()> {
        let Some(height) = self.height else {
            return Ok(());
        };
        self.erase()?;
        let (page, lines) = page(text, last, height);
        self.out.write_all(&page)?;
        self.sketched = lines;
        self.out.flush()
    }

    /// What `write` writes, which is shown nowhere yet.
    pub fn aside(
        &mut self,
        write: impl FnOnce(&mut Output) -> io::Result<()>,
    ) -> io::Result<Vec<u8>> {
        self.aside = Some(Vec::new());
        let written = write(self);
        let text = self.aside.take().unwrap_or_default();
        written.map(|()| text)
    }

    /// Whether what is written now is shown nowhere yet.
    pub fn is_aside(&self) -> bool {
        self.aside.is_some()
    }

    /// Takes away a page that was shown meanwhile.
    fn erase(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.sketched) {
            0 => Ok(()),
            lines => write!(self.out, "\x1b[{lines}A\r\x1b[J"),
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
        if let Some(aside) = &mut self.aside {
            return aside.write(bytes);
        }
        self.erase()?;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// As many lines of a text as fit on a terminal above a last one, none of them longer than it is wide, and how many there are.
fn page(text: &[u8], last: &str, height: usize) -> (Vec<u8>, usize) {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let shown = lines.len().min(height.saturating_sub(2));
    // Long lines are cut by the terminal, which is told so.
    let mut page = b"\x1b[?7l".to_vec();
    page.extend(lines.iter().take(shown).copied().flatten());
    page.extend(last.as_bytes());
    page.extend(b"\n\x1b[?7h");
    (page, shown + 1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_as_many_lines_as_fit_and_says_how_many() {
        let text = b"one\ntwo\nthree\nfour\n";
        let (all, lines) = page(text, "counting", 24);
        assert_eq!(all, b"\x1b[?7lone\ntwo\nthree\nfour\ncounting\n\x1b[?7h");
        assert_eq!(lines, 5);
        let (cut, lines) = page(text, "counting", 4);
        assert_eq!(cut, b"\x1b[?7lone\ntwo\ncounting\n\x1b[?7h");
        assert_eq!(lines, 3);
        assert_eq!(page(b"", "counting", 3).1, 1);
    }
}
