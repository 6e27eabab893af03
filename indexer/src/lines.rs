//! What was said in talks: line by line, byte by byte, message by message; and the same as a file of bytes.

use crate::cell::Cell;
use crate::made::{self, Asked, Columns, instant, number, one, row, text};
use crate::rows::{Row, Rows};
use crate::session::Session;
use crate::speak;
use crate::talks::{Piece, Talk, WHOLE, collect};
use crate::typed::joined;
use std::borrow::Cow;

/// Longest line; what is longer is broken.
const MOST_LINE: usize = 4096;

/// The head of a talk where several are shown: who talked to whom over what.
fn heading(talk: &Talk) -> Vec<u8> {
    let language = speak::language(talk).map_or("", |language| language.name);
    let arrow = " -> ";
    let comma = if language.is_empty() { "" } else { ", " };
    let mut out = [
        talk.kind.name().as_bytes(),
        b"  ",
        &talk.ends[0].name()[..],
        arrow.as_bytes(),
        &talk.ends[1].name(),
        comma.as_bytes(),
        language.as_bytes(),
    ]
    .concat();
    if talk.cut {
        out.extend_from_slice(b"  (not all of it is shown)");
    }
    out
}

fn who(talk: &Talk, from: usize) -> Vec<u8> {
    match talk.ends.get(from) {
        Some(end) if !end.who.is_empty() => end.who.clone(),
        Some(end) => end.name(),
        None => Vec::new(),
    }
}

fn way(from: usize) -> &'static str {
    if from == 0 { ">" } else { "<" }
}

/// Whether bytes are for people: text in UTF-8, with few control characters.
fn is_text(bytes: &[u8]) -> bool {
    let odd = bytes
        .iter()
        .filter(|b| **b < 0x20 && !matches!(b, b'\n' | b'\r' | b'\t' | 0x1b | 0x08 | 0x07));
    odd.count() * 10 <= bytes.len() + 9
}

/// What was said, as lines; of what is no text, what it means where that is known, and how much it was.
pub(crate) fn said_lines(talk: &Talk, piece: &Piece) -> Vec<Vec<u8>> {
    let language = speak::language(talk);
    let meaning = language.and_then(|row| (row.say)(&piece.bytes, piece.from == 0));
    // What it means is cut: of more than that the text itself is told.
    let framed = language.is_some_and(|row| row.frames) && piece.bytes.len() <= speak::MOST_TEXT;
    let mut out: Vec<Vec<u8>> = Vec::new();
    if piece.bytes.is_empty() {
    } else if let Some(meaning) = meaning.as_ref().filter(|_| framed && is_text(&piece.bytes)) {
        out.push(meaning.clone());
    } else if is_text(&piece.bytes) {
        let mut lines: Vec<&[u8]> = piece.bytes.split(|b| *b == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        for line in lines {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                out.push(Vec::new());
            }
            out.extend(line.chunks(MOST_LINE).map(<[u8]>::to_vec));
        }
    } else {
        let bytes = format!("({} bytes that are no text)", piece.bytes.len());
        out.push(match meaning {
            Some(meaning) => [&meaning[..], b"  ", bytes.as_bytes()].concat(),
            None => bytes.into_bytes(),
        });
    }
    let missing = piece.len.saturating_sub(piece.bytes.len() as u64);
    if missing > 0 {
        out.push(format!("({missing} more bytes were not kept)").into_bytes());
    }
    out
}

/// Makes rows of every piece of every talk.
fn each(
    session: &Session,
    asked: &Asked<'_>,
    said_in: impl Fn(&Talk) -> Cow<'_, [Piece]>,
    pieces: impl Fn(&Talk, &Piece, &mut dyn FnMut(&dyn Fn(&str) -> Cell)),
) -> Rows {
    let (talks, complete) = collect(session, asked, WHOLE);
    let columns = Columns::of(asked.view);
    let said: Vec<&Talk> = talks
        .iter()
        .filter(|talk| !talk.pieces.is_empty())
        .collect();
    let several = said.len() > 1;
    let mut rows: Vec<Row> = Vec::new();
    for talk in said {
        if several {
            let head = columns.cells(None, |name| match name {
                "first" => instant(session, talk.first),
                "num" => number(talk.first_num),
                "text" => text(heading(talk)),
                _ => Cell::Missing,
            });
            rows.push(row(head, talk.first_num, talk.events, talk.filter()));
        }
        for piece in said_in(talk).iter() {
            pieces(talk, piece, &mut |own| {
                let cells = columns.cells(None, |name| match name {
                    "first" => instant(session, piece.time),
                    "num" => number(piece.num),
                    "who" => text(who(talk, piece.from)),
                    "to" => text(who(talk, 1 - piece.from.min(1))),
                    "way" => text(way(piece.from)),
                    other => own(other),
                });
                rows.push(row(cells, piece.num, 1, one(piece.num)));
            });
            if rows.len() > made::MOST_ROWS {
                break;
            }
        }
    }
    let matched = talks.iter().map(|talk| talk.events).sum();
    made::answer(rows, matched, complete)
}

fn as_it_was(talk: &Talk) -> Cow<'_, [Piece]> {
    Cow::Borrowed(&talk.pieces)
}

/// The rows of `conversation`.
pub(crate) fn lines(session: &Session, asked: &Asked<'_>) -> Rows {
    each(session, asked, joined, |talk, piece, add| {
        for line in said_lines(talk, piece) {
            add(&|name| match name {
                // An empty line is a line.
                "text" => Cell::Text(line.clone()),
                _ => Cell::Missing,
            });
        }
    })
}

/// The rows of `conversation_bytes`.
pub(crate) fn bytes(session: &Session, asked: &Asked<'_>) -> Rows {
    let offsets = std::cell::RefCell::new((u64::MAX, [0u64; 2]));
    each(session, asked, as_it_was, |talk, piece, add| {
        let mut offsets = offsets.borrow_mut();
        if offsets.0 != talk.first_num {
            *offsets = (talk.first_num, [0; 2]);
        }
        let Some(before) = offsets.1.get_mut(piece.from) else {
            return;
        };
        for (at, sixteen) in piece.bytes.chunks(16).enumerate() {
            let hex: Vec<String> = sixteen.iter().map(|b| format!("{b:02x}")).collect();
            let shown = |b: &u8| if (0x20..0x7f).contains(b) { *b } else { b'.' };
            let plain: Vec<u8> = sixteen.iter().map(shown).collect();
            let offset = *before + at as u64 * 16;
            add(&|name| match name {
                "offset" => number(offset),
                "hex" => text(hex.join(" ")),
                "text" => text(&plain),
                _ => Cell::Missing,
            });
        }
        *before += piece.len;
    })
}

/// The rows of `messages`.
pub(crate) fn messages(session: &Session, asked: &Asked<'_>) -> Rows {
    let (talks, complete) = collect(session, asked, WHOLE);
    let columns = Columns::of(asked.view);
    let spoken = (talks.iter()).filter_map(|talk| Some((speak::language(talk)?, talk)));
    let mut pieces: Vec<_> = spoken
        .flat_map(|(language, talk)| talk.pieces.iter().map(move |piece| (language, talk, piece)))
        .collect();
    pieces.sort_by_key(|(.., piece)| piece.num);
    // What is more than that is not shown, and may be very much.
    let rows = pieces
        .into_iter()
        .filter_map(|(language, talk, piece)| {
            let said = (language.say)(&piece.bytes, piece.from == 0)?;
            let cells = columns.cells(None, |name| match name {
                "first" => instant(session, piece.time),
                "num" => number(piece.num),
                "protocol" => text(language.name),
                "who" => text(who(talk, piece.from)),
                "to" => text(who(talk, 1 - piece.from.min(1))),
                "text" => text(&said),
                _ => Cell::Missing,
            });
            Some(row(cells, piece.num, 1, one(piece.num)))
        })
        .take(made::MOST_ROWS + 1)
        .collect();
    let matched = talks.iter().map(|talk| talk.events).sum();
    made::answer(rows, matched, complete)
}

/// Everything that was said in the selected talks, byte by byte, in the order of time: for other programs.
pub(crate) fn raw(session: &Session, asked: &Asked<'_>) -> Vec<u8> {
    let (talks, _) = collect(session, asked, WHOLE);
    let mut pieces: Vec<&Piece> = talks.iter().flat_map(|talk| &talk.pieces).collect();
    pieces.sort_by_key(|piece| piece.num);
    pieces
        .into_iter()
        .flat_map(|piece| &piece.bytes)
        .copied()
        .collect()
}
