//! Standard output and error: data on one, everything else on the other; colour only where a person looks.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use unicode_width::UnicodeWidthStr;

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

    /// Writes a line; on a terminal that is too narrow for it, as several, those that follow a little further in.
    pub fn told(&mut self, text: &str) -> io::Result<()> {
        let text = folded(text, self.width, 0);
        writeln!(self, "{text}")
    }

    /// A text that begins this far in on its line, in lines that a terminal is wide enough for, each beginning there.
    pub fn within(&self, text: &str, begins: usize) -> String {
        folded(text, self.width, begins)
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

/// Puts a line in the place of the one before on a terminal that is standard error; an empty one takes it away.
pub fn redraw(line: impl std::fmt::Display) {
    // CSI K (ECMA-48) erases what was longer.
    let _ = write!(io::stderr(), "\r{line}\x1b[K");
}

/// Says something to the user on standard error. A closed standard error is nobody's problem.
pub fn say(text: impl std::fmt::Display) {
    let text = text.to_string();
    let width = io::stderr().is_terminal().then(|| {
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
        Some(usize::from(size.ws_col)).filter(|width| *width > 0)
    });
    let lines = text.split('\n').map(|line| match line.starts_with(' ') {
        // What is further in is to be copied as it is.
        true => line.to_owned(),
        false => folded(line, width.flatten(), 0),
    });
    let _ = writeln!(io::stderr(), "{}", lines.collect::<Vec<_>>().join("\n"));
}

/// A text that begins `begins` cells in, in lines of at most `width` cells, broken at blanks. Lines that follow begin there, too, or
/// two cells further in than the text itself. A word that is longer than a line stays whole: it is a name or a digest.
fn folded(text: &str, width: Option<usize>, begins: usize) -> String {
    let Some(width) = width.filter(|width| begins + cells(text) > *width) else {
        return text.to_owned();
    };
    let own = text.len() - text.trim_start_matches(' ').len();
    let hang = match begins {
        0 => own + 2,
        begins => begins,
    };
    let mut out = " ".repeat(own);
    let mut at = begins + own;
    for (place, word) in text.trim_start_matches(' ').split(' ').enumerate() {
        let wide = cells(word);
        match place {
            0 => {}
            _ if at + 1 + wide > width && at > hang => {
                out.push('\n');
                out.push_str(&" ".repeat(hang));
                at = hang;
            }
            _ => {
                out.push(' ');
                at += 1;
            }
        }
        out.push_str(word);
        at += wide;
    }
    out
}

/// Cells that a text fills, without the sequences that colour it.
fn cells(text: &str) -> usize {
    let mut parts = text.split('\x1b');
    let first = parts.next().map_or(0, UnicodeWidthStr::width);
    let after = |part: &str| part.split_once('m').map_or(0, |(_, rest)| rest.width());
    first + parts.map(after).sum::<usize>()
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

    #[test]
    fn lines_are_broken_at_blanks_and_a_digest_stays_whole() {
        let digest = "5b".repeat(32);
        let text = format!("signed by an unknown key; digest {digest} (keep it elsewhere)");
        assert_eq!(folded(&text, None, 0), text, "no terminal");
        let lines = folded(&text, Some(80), 0);
        assert!(lines.lines().all(|line| line.len() <= 80), "{lines}");
        assert!(lines.lines().any(|line| line.contains(&digest)), "{lines}");
        assert_eq!(lines.replace("\n  ", " "), text, "nothing is lost");
        // A value behind its name goes on below itself.
        let value = format!("by an unknown key: {digest}");
        let lines = folded(&value, Some(80), 13);
        assert_eq!(
            lines,
            format!("by an unknown key:\n{}{digest}", " ".repeat(13))
        );
        // Narrower than the digest is, it still is one word.
        let lines = folded(&value, Some(40), 13);
        assert!(lines.lines().any(|line| line.trim() == digest), "{lines}");
        // Colours take no room, and further in stays further in.
        let coloured = "  \x1b[1;31mred words\x1b[0m and more";
        assert_eq!(folded(coloured, Some(20), 0), coloured);
        assert_eq!(
            folded("  one two three", Some(9), 0),
            "  one two\n    three"
        );
    }
}
