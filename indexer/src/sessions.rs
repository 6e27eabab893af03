//! Sessions: what was typed at a terminal and what it showed; also of shells whose terminal is a socket or a pipe, as those
//! of intruders are. The screen at an instant, and the whole session as asciicast.

use crate::cell::Cell;
use crate::made::{self, Asked, Columns, instant, number, row, text};
use crate::rows::Rows;
use crate::screen::Screen;
use crate::session::Session;
use crate::talks::{BEGINNING, Kind, Piece, Size, Talk, WHOLE, collect};
use crate::typed;
use afterimage_query::json_text;

/// Columns and lines of a terminal whose size is not known.
const SIZE: Size = (80, 24);

/// What happened to a screen.
enum Step<'t> {
    Size(Size),
    Piece(&'t Piece),
}

/// What was said and how large the terminal was, in the order of time; the size it has at first comes first.
fn steps(talk: &Talk) -> Vec<(u64, Step<'_>)> {
    let first = talk.sizes.first().map_or(SIZE, |(_, size)| *size);
    let sizes = talk.sizes.iter().skip(1);
    let sizes = sizes.map(|(at, size)| (*at, Step::Size(*size)));
    let pieces = talk.pieces.iter();
    let pieces = pieces.map(|piece| (piece.time, Step::Piece(piece)));
    let mut steps: Vec<_> = sizes.chain(pieces).collect();
    steps.sort_by_key(|(at, _)| *at);
    steps.insert(0, (talk.first, Step::Size(first)));
    steps
}

/// How large the terminal was at last, and whether that is known.
fn says_size(talk: &Talk) -> String {
    match talk.sizes.last() {
        Some((_, (width, height))) => format!("{width} columns, {height} lines"),
        None => format!(
            "{} columns, {} lines: how large it was was not recorded",
            SIZE.0, SIZE.1
        ),
    }
}

/// Which end shows what is typed at the other: that of the program at a terminal, that of the shell elsewhere.
fn shell_end(talk: &Talk) -> Option<usize> {
    match talk.kind {
        Kind::Tty => Some(1),
        _ => talk.ends.iter().position(|end| end.shell),
    }
}

/// The sessions among talks, each with the end of its shell.
fn sessions(talks: &[Talk]) -> impl Iterator<Item = (&Talk, usize)> {
    // Of a terminal that was only asked how large it is there is nothing to show.
    let used = talks.iter().filter(|talk| talk.events > 0);
    used.filter_map(|talk| Some((talk, shell_end(talk)?)))
}

/// The first line that was typed, as it was edited.
fn first_typed(talk: &Talk, shell: usize) -> Option<Vec<u8>> {
    /// Bytes in which it is looked for.
    const BEGINS: usize = 4096;
    let first = |bytes: &[u8]| {
        let mut lines = bytes.split(|b| matches!(b, b'\n' | b'\r'));
        let line = lines.find(|line| !line.trim_ascii().is_empty());
        line.map(<[u8]>::to_vec)
    };
    // Shells at a terminal read letter by letter.
    if talk.kind == Kind::Tty {
        let pieces = typed::joined(talk);
        let mut typed = pieces.iter().filter(|piece| piece.from != shell);
        return typed.find_map(|piece| first(&piece.bytes));
    }
    let typed = talk.pieces.iter().filter(|piece| piece.from != shell);
    let typed = typed.flat_map(|piece| piece.bytes.iter().copied());
    first(&typed.take(BEGINS).collect::<Vec<u8>>())
}

/// The rows of `sessions`.
pub(crate) fn rows(session: &Session, asked: &Asked<'_>) -> Rows {
    let (talks, complete) = collect(session, asked, BEGINNING);
    let columns = Columns::of(asked.view);
    let rows: Vec<_> = sessions(&talks)
        .map(|(talk, shell)| {
            let end = talk.ends.get(shell);
            let about = first_typed(talk, shell);
            let cells = columns.cells(None, |name| match name {
                "first" => instant(session, talk.first),
                "kind" => text(talk.kind.name()),
                "on" => text(match talk.kind {
                    Kind::Tty | Kind::Pipe => talk.ends[0].path.clone(),
                    _ => [&talk.ends[0].name()[..], b" -> ", &talk.ends[1].name()].concat(),
                }),
                "lasted" => number(talk.last.saturating_sub(talk.first)),
                "who" => end.map_or(Cell::Missing, |end| text(&end.who)),
                "user" => end.map_or(Cell::Missing, |end| text(&end.user)),
                "container" => end.map_or(Cell::Missing, |end| text(&end.container)),
                "received" => number(talk.said(1 - shell.min(1))),
                "sent" => number(talk.said(shell)),
                "about" => about.as_ref().map_or(Cell::Missing, text),
                _ => Cell::Missing,
            });
            row(cells, talk.first_num, talk.events, talk.filter())
        })
        .collect();
    let matched = rows.iter().map(|row| row.events).sum();
    made::answer(rows, matched, complete)
}

/// What a piece puts on the screen. Terminals echo what is typed themselves, or the shell does; over sockets nobody does.
fn shows(talk: &Talk, shell: usize, piece: &Piece) -> Option<Vec<u8>> {
    let typed = piece.from != shell;
    (talk.kind != Kind::Tty || !typed).then(|| onlcr(&piece.bytes))
}

/// Ends lines as a terminal does that gets a line feed from a program (`ONLCR`).
fn onlcr(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut last = 0;
    for byte in bytes {
        if *byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        last = *byte;
    }
    out
}

/// The rows of `terminal`: the screen at the end of the span.
pub(crate) fn terminal(session: &Session, asked: &Asked<'_>) -> Rows {
    let until = asked.span.map_or(u64::MAX, |span| span.1);
    let from_start = Asked {
        span: Some((0, until)),
        ..*asked
    };
    let (talks, complete) = collect(session, &from_start, WHOLE);
    let columns = Columns::of(asked.view);
    let mut rows = Vec::new();
    let mut matched = 0;
    let line = |at: usize, what: &[u8], filter: String, num: u64| {
        let cells = columns.cells(None, |name| match name {
            "line" if at > 0 => number(at as i128),
            "text" => text(what),
            _ => Cell::Missing,
        });
        row(cells, num, 0, filter)
    };
    let count = sessions(&talks).count();
    if let Some((talk, shell)) = sessions(&talks).next() {
        matched = talk.events;
        let mut screen = Screen::new(SIZE.0, SIZE.1);
        for (_, step) in steps(talk) {
            let piece = match step {
                Step::Size((width, height)) => {
                    screen.resize(width, height);
                    continue;
                }
                Step::Piece(piece) => piece,
            };
            if let Some(shown) = shows(talk, shell, piece) {
                screen.feed(&shown);
            }
            if piece.len > piece.bytes.len() as u64 {
                let missing = piece.len - piece.bytes.len() as u64;
                screen.feed(format!("({missing} bytes not kept)").as_bytes());
            }
        }
        if count > 1 {
            let says = format!("the first of {count} sessions; open one of the view sessions");
            rows.push(line(0, says.as_bytes(), String::new(), talk.first_num));
        }
        if talk.kind == Kind::Tty {
            let says = says_size(talk);
            rows.push(line(0, says.as_bytes(), String::new(), talk.first_num));
        }
        for (at, shown) in screen.lines().iter().enumerate() {
            rows.push(line(
                at + 1,
                shown.as_bytes(),
                talk.filter(),
                talk.first_num,
            ));
        }
    }
    made::answer(rows, matched, complete)
}

/// The first of the selected sessions as asciicast, version 2 (docs.asciinema.org/manual/asciicast/v2).
pub(crate) fn asciicast(session: &Session, asked: &Asked<'_>) -> Option<Vec<u8>> {
    let (talks, _) = collect(session, asked, WHOLE);
    let (talk, shell) = sessions(&talks).next()?;
    let seconds = session
        .manifest()
        .wall_ns(talk.first)
        .div_euclid(1_000_000_000);
    let title = talk.ends.get(shell).map_or(&[][..], |end| &end.who);
    let first = talk.sizes.first().map_or(SIZE, |(_, size)| *size);
    let mut out = format!(
        "{{\"version\": 2, \"width\": {}, \"height\": {}, \"timestamp\": {seconds}, \"title\": {}}}\n",
        first.0,
        first.1,
        json_text(&whole(title))
    );
    for (time, step) in steps(talk).into_iter().skip(1) {
        let since = time.saturating_sub(talk.first);
        let at = format!(
            "{}.{:06}",
            since / 1_000_000_000,
            since % 1_000_000_000 / 1000
        );
        let piece = match step {
            Step::Size((width, height)) => {
                out += &format!("[{at}, \"r\", \"{width}x{height}\"]\n");
                continue;
            }
            Step::Piece(piece) => piece,
        };
        if piece.from != shell {
            out += &format!("[{at}, \"i\", {}]\n", json_text(&whole(&piece.bytes)));
        }
        if let Some(shown) = shows(talk, shell, piece) {
            out += &format!("[{at}, \"o\", {}]\n", json_text(&whole(&shown)));
        }
    }
    Some(out.into_bytes())
}

/// The bytes with U+FFFD in place of what is no UTF-8: asciicast has only text.
fn whole(bytes: &[u8]) -> Vec<u8> {
    let chunks = bytes.utf8_chunks().map(|chunk| {
        let odd = if chunk.invalid().is_empty() {
            ""
        } else {
            "\u{fffd}"
        };
        [chunk.valid().as_bytes(), odd.as_bytes()].concat()
    });
    chunks.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_about_its_first_line_as_it_was_edited() {
        let first = |kind, said| {
            let talk = Talk::for_tests(kind, said);
            first_typed(&talk, 1).map(|line| String::from_utf8(line).unwrap())
        };
        let letters: &[(usize, &str)] = &[
            (1, "$ "),
            (0, "\r"),
            (0, "l"),
            (0, "s"),
            (0, "s"),
            (0, "\x7f"),
            (0, "\r"),
            (0, "x"),
        ];
        assert_eq!(first(Kind::Tty, letters).as_deref(), Some("ls"));
        let lines: &[(usize, &str)] = &[(1, "$ "), (0, "\n/bin/"), (0, "id\nexit\n")];
        assert_eq!(first(Kind::Inet(6), lines).as_deref(), Some("/bin/id"));
        assert_eq!(first(Kind::Tty, &[(1, "$ ")]), None);
    }
}
