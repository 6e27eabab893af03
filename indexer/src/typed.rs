//! What was typed at a terminal, as lines: shells that edit their line read it letter by letter, and echo each letter.

use crate::talks::{Kind, Piece, Talk};
use std::borrow::Cow;

/// Longest piece that is a letter: a character, or what a key like an arrow sends.
const LETTER: usize = 8;

/// Longest line that is put together.
const MOST_LINE: usize = 4096;

/// What was said in a talk, with the letters that were typed at a terminal joined to lines, and their echoes left out. The line stands
/// where its first letter was typed.
pub(crate) fn joined(talk: &Talk) -> Cow<'_, [Piece]> {
    if talk.kind != Kind::Tty {
        return Cow::Borrowed(&talk.pieces);
    }
    let mut line = Line::default();
    let mut out = Vec::with_capacity(talk.pieces.len());
    for piece in &talk.pieces {
        let typed = piece.from == 0;
        let whole = piece.len == piece.bytes.len() as u64;
        let ends = piece.bytes.iter().any(|b| matches!(b, b'\n' | b'\r'));
        match (typed, &mut line.first) {
            (true, None) if !whole || ends || piece.bytes.len() > LETTER => {
                out.push(piece.clone());
            }
            (true, _) if !whole || piece.bytes.len() > LETTER => {
                line.end(&mut out);
                out.push(piece.clone());
            }
            (true, _) => {
                line.type_in(piece);
                if ends || line.text.len() >= MOST_LINE {
                    line.end(&mut out);
                }
            }
            // The echo of what was typed says nothing new.
            (false, Some(_)) if line.echo == piece.bytes => line.echo.clear(),
            (false, Some(_)) => line.shown.push(piece.clone()),
            (false, None) => out.push(piece.clone()),
        }
    }
    line.end(&mut out);
    Cow::Owned(out)
}

/// A line that is being typed.
#[derive(Default)]
struct Line {
    /// Its first letter.
    first: Option<Piece>,
    /// What it says, as edited so far.
    text: Vec<u8>,
    /// What the terminal is to show of the last letter.
    echo: Vec<u8>,
    /// What else was shown meanwhile.
    shown: Vec<Piece>,
}

impl Line {
    fn type_in(&mut self, piece: &Piece) {
        self.first.get_or_insert_with(|| piece.clone());
        self.echo.clone_from(&piece.bytes);
        for byte in &piece.bytes {
            match byte {
                // Erase a character, a word, the line, as readline and the terminal's own editing do.
                0x7f | 0x08 => self.erase(),
                0x17 => {
                    while self.text.last() == Some(&b' ') {
                        self.text.pop();
                    }
                    while self.text.last().is_some_and(|last| *last != b' ') {
                        self.text.pop();
                    }
                }
                0x15 => self.text.clear(),
                other => self.text.push(*other),
            }
        }
    }

    /// Erases the last character, however many bytes of UTF-8 it has.
    fn erase(&mut self) {
        while self.text.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
    }

    /// The line is over: it stands before what was shown since it was begun.
    fn end(&mut self, out: &mut Vec<Piece>) {
        let Line {
            first, text, shown, ..
        } = std::mem::take(self);
        if let Some(mut piece) = first {
            piece.len = text.len() as u64;
            piece.bytes = text;
            out.push(piece);
        }
        out.extend(shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: Kind, pieces: &[(usize, &str)]) -> Vec<(u64, usize, String)> {
        let talk = Talk::for_tests(kind, pieces);
        let lines = joined(&talk);
        let line = |piece: &Piece| {
            let text = String::from_utf8(piece.bytes.clone()).expect("text");
            (piece.num, piece.from, text)
        };
        lines.iter().map(line).collect()
    }

    const LETTERS: &[(usize, &str)] = &[
        (1, "$ "),
        (0, "l"),
        (1, "l"),
        (0, "x"),
        (1, "x"),
        (0, "\x7f"),
        (1, "\x08 \x08"),
        (0, "s"),
        (1, "s"),
        (0, "\r"),
        (1, "\r\n"),
        (1, "file\r\n$ "),
        (0, "é"),
        (0, "\x7f"),
        (0, "a b"),
        (0, "\x17"),
        (0, "c"),
    ];

    #[test]
    fn letters_become_lines_as_they_were_edited_and_echoes_say_nothing() {
        let line = |num, from, text: &str| (num, from, text.to_owned());
        assert_eq!(
            told(Kind::Tty, LETTERS),
            [
                line(1, 1, "$ "),
                line(2, 0, "ls\r"),
                line(7, 1, "\x08 \x08"),
                line(11, 1, "\r\n"),
                line(12, 1, "file\r\n$ "),
                line(13, 0, "a c"),
            ]
        );
    }

    #[test]
    fn what_is_no_terminal_or_was_typed_as_lines_stays_as_it_was() {
        let plain = |kind, pieces| {
            let talk = Talk::for_tests(kind, pieces);
            let before: Vec<u64> = talk.pieces.iter().map(|piece| piece.num).collect();
            let after: Vec<u64> = joined(&talk).iter().map(|piece| piece.num).collect();
            assert_eq!(before, after);
        };
        plain(Kind::Pipe, LETTERS);
        let lines: &[(usize, &str)] = &[(0, "id\n"), (1, "uid=0\n"), (0, "a\nb\n"), (0, "exit\n")];
        plain(Kind::Tty, lines);
    }
}
