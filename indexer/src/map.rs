//! Who talked to whom: programs and containers, and the lines between them; also as a drawing (DOT, SVG).

use crate::cell::Cell;
use crate::made::{self, Asked, Columns, instant, number, row, text};
use crate::rows::Rows;
use crate::session::Session;
use crate::speak;
use crate::talks::{BEGINNING, End, Kind, Talk, collect, or_unknown};
use afterimage_model::Safe;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What stands at the ends of a line, and how they talked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    client: Vec<u8>,
    server: Vec<u8>,
    kind: Kind,
    port: u16,
}

#[derive(Default)]
struct Sum {
    talks: u64,
    sent: u64,
    received: u64,
    errors: u64,
    events: u64,
    first: u64,
    last: u64,
    first_num: u64,
    speaks: &'static str,
    filters: Vec<String>,
}

/// A program and its container; for an end that was not recorded its address.
fn place(end: &End) -> Vec<u8> {
    match (end.program.is_empty(), end.address) {
        (false, _) if end.container.is_empty() || end.container == b"host" => end.program.clone(),
        // The program first: names of containers are often long and alike.
        (false, _) => [&end.program[..], b" in ", &end.container].concat(),
        (true, Some(address)) => address.ip().to_string().into_bytes(),
        (true, None) => end.path.clone(),
    }
}

fn lines(session: &Session, asked: &Asked<'_>) -> (BTreeMap<Line, Sum>, bool) {
    let (talks, complete) = collect(session, asked, BEGINNING);
    let mut out: BTreeMap<Line, Sum> = BTreeMap::new();
    let between = |talk: &&Talk| matches!(talk.kind, Kind::Inet(_) | Kind::Unix);
    for talk in talks.iter().filter(between) {
        let line = Line {
            client: or_unknown(place(&talk.ends[0])),
            server: match talk.path_of_server() {
                Some(path) => path.to_vec(),
                None => or_unknown(place(&talk.ends[1])),
            },
            kind: talk.kind,
            port: talk.ends[1].address.map_or(0, |address| address.port()),
        };
        let sum = out.entry(line).or_insert_with(|| Sum {
            first: talk.first,
            first_num: talk.first_num,
            ..Sum::default()
        });
        sum.talks += 1;
        sum.sent += talk.said(0);
        sum.received += talk.said(1);
        sum.errors += talk.errors;
        sum.events += talk.events;
        sum.last = sum.last.max(talk.last);
        if let Some(language) = speak::language(talk) {
            sum.speaks = language.name;
        }
        // As many as a filter can hold and a reader still read.
        if sum.filters.len() < 64 {
            sum.filters.push(format!("({})", talk.filter()));
        }
    }
    (out, complete)
}

/// The rows of `map`, the busiest first.
pub(crate) fn rows(session: &Session, asked: &Asked<'_>) -> Rows {
    let (lines, complete) = lines(session, asked);
    let columns = Columns::of(asked.view);
    let mut rows: Vec<_> = lines
        .iter()
        .map(|(line, sum)| {
            let cells = columns.cells(None, |name| match name {
                "client" => text(&line.client),
                "server" => text(&line.server),
                "kind" => text(line.kind.name()),
                "port" if line.port > 0 => number(line.port),
                "count" => number(sum.talks),
                "sent" => number(sum.sent),
                "received" => number(sum.received),
                "errors" => number(sum.errors),
                "first" => instant(session, sum.first),
                "last" => instant(session, sum.last),
                "protocol" => text(sum.speaks),
                _ => Cell::Missing,
            });
            row(cells, sum.first_num, sum.events, sum.filters.join(" or "))
        })
        .collect();
    let bytes = |row: &crate::rows::Row| match (row.cells.get(5), row.cells.get(6)) {
        (Some(Cell::Number(a)), Some(Cell::Number(b))) => a + b,
        _ => 0,
    };
    rows.sort_by_key(|row| (std::cmp::Reverse(bytes(row)), row.first_num));
    let matched = rows.iter().map(|row| row.events).sum();
    made::answer(rows, matched, complete)
}

/// What is written on a line.
fn label(line: &Line, sum: &Sum) -> String {
    let port = if line.port > 0 {
        format!("/{}", line.port)
    } else {
        String::new()
    };
    let speaks = if sum.speaks.is_empty() {
        String::new()
    } else {
        format!(" {}", sum.speaks)
    };
    let errors = match sum.errors {
        0 => String::new(),
        1 => ", 1 error".to_owned(),
        many => format!(", {many} errors"),
    };
    format!(
        "{}{port}{speaks}, {} out, {} back{errors}",
        line.kind.name(),
        crate::cell::bytes_text(i128::from(sum.sent)),
        crate::cell::bytes_text(i128::from(sum.received)),
    )
}

/// The map in the language of Graphviz.
pub(crate) fn dot(session: &Session, asked: &Asked<'_>) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut out = String::from("digraph talks {\n  rankdir=LR;\n  node [shape=box];\n");
    for (line, sum) in lines(session, asked).0 {
        let (client, server) = (
            Safe::new(&line.client).to_string(),
            Safe::new(&line.server).to_string(),
        );
        let colour = if sum.errors > 0 { ", color=red" } else { "" };
        let _ = writeln!(
            out,
            "  {} -> {} [label={}{colour}];",
            quoted(&client),
            quoted(&server),
            quoted(&label(&line, &sum))
        );
    }
    out + "}\n"
}

/// A box of the drawing: a program, with a slot for each line that begins or ends there.
struct Frame<'m> {
    name: &'m [u8],
    /// Its lines, by their place among all.
    lines: Vec<usize>,
    top: usize,
}

impl Frame<'_> {
    /// Height of a slot.
    const SLOT: usize = 22;
    /// What is above and below the slots.
    const EDGE: usize = 6;

    fn height(&self) -> usize {
        self.lines.len() * Frame::SLOT + 2 * Frame::EDGE
    }

    /// The middle of the slot of a line.
    fn slot(&self, line: usize) -> usize {
        let at = self.lines.iter().position(|one| *one == line).unwrap_or(0);
        self.top + Frame::EDGE + at * Frame::SLOT + Frame::SLOT / 2
    }
}

/// The boxes of one side from top to bottom, those first whose lines come first.
fn boxes<'m>(names: impl Iterator<Item = (usize, &'m [u8])>) -> Vec<Frame<'m>> {
    /// Space between two boxes.
    const SPACE: usize = 14;
    let mut out: Vec<Frame<'m>> = Vec::new();
    for (line, name) in names {
        match out.iter_mut().find(|one| one.name == name) {
            Some(one) => one.lines.push(line),
            None => out.push(Frame {
                name,
                lines: vec![line],
                top: 0,
            }),
        }
    }
    let mut top = 10;
    for one in &mut out {
        one.top = top;
        top += one.height() + SPACE;
    }
    out
}

/// The map as a drawing: clients at the left, servers at the right, an arrow for each pair with what went over it.
pub(crate) fn svg(session: &Session, asked: &Asked<'_>) -> String {
    drawing(&lines(session, asked).0)
}

fn drawing(lines: &BTreeMap<Line, Sum>) -> String {
    /// Width of a box, and the edges of those at the right and of the whole.
    const WIDE: usize = 340;
    const RIGHT: usize = 850;
    const WHOLE: usize = RIGHT + WIDE + 10;
    /// Up to where a line goes straight on, below what is written on it.
    const BEND: usize = 660;
    /// Characters that a box has room for.
    const ROOM: usize = 46;
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    };
    let clients = boxes(lines.keys().map(|line| &line.client[..]).enumerate());
    // Servers stand in the order of those who called them, so that few lines cross.
    let called: Vec<usize> = clients.iter().flat_map(|one| one.lines.clone()).collect();
    let all: Vec<(&Line, &Sum)> = lines.iter().collect();
    let server = |at: &usize| Some((*at, &all.get(*at)?.0.server[..]));
    let servers = boxes(called.iter().filter_map(server));
    let end = |side: &[Frame<'_>]| side.last().map_or(0, |last| last.top + last.height());
    let height = end(&clients).max(end(&servers)) + 40;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WHOLE}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WHOLE}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    let slot = |side: &[Frame<'_>], line: usize| {
        let found = side.iter().find(|one| one.lines.contains(&line));
        found.map_or(0, |one| one.slot(line))
    };
    for (at, (line, sum)) in all.iter().enumerate() {
        let (y1, y2) = (slot(&clients, at), slot(&servers, at));
        let colour = if sum.errors > 0 { "#b00020" } else { "#555555" };
        let _ = writeln!(
            out,
            "<path d=\"M{from} {y1} H{BEND} L{to} {y2}\" fill=\"none\" stroke=\"{colour}\"/>\
             <path d=\"M{to} {above} L{RIGHT} {y2} L{to} {below} Z\" fill=\"{colour}\"/>\
             <text x=\"{text}\" y=\"{over}\" font-size=\"11\">{label}</text>",
            from = WIDE + 10,
            to = RIGHT - 8,
            above = y2.saturating_sub(4),
            below = y2 + 4,
            text = WIDE + 18,
            over = y1.saturating_sub(4),
            label = escaped(&label(line, sum))
        );
    }
    for (side, x) in [(&clients, 10), (&servers, RIGHT)] {
        for one in side {
            let name = Safe::new(one.name).to_string();
            let mut short: String = name.chars().take(ROOM).collect();
            if short.len() < name.len() {
                short.pop();
                short.push('…');
            }
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{}\" width=\"{WIDE}\" height=\"{}\" fill=\"#eef3ff\" stroke=\"#224488\"/>\
                 <text x=\"{}\" y=\"{}\">{}<title>{}</title></text>",
                one.top,
                one.height(),
                x + 8,
                one.top + one.height() / 2 + 4,
                escaped(&short),
                escaped(&name)
            );
        }
    }
    let _ = writeln!(
        out,
        "<text x=\"10\" y=\"{}\" fill=\"#555555\">Who began stands at the left; red where calls failed.</text>",
        height - 14
    );
    out + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_over_another_in_the_drawing() {
        let mut lines = BTreeMap::new();
        for (client, server, port, errors) in [
            ("nc in a", "nc in a", 9001, 0),
            ("sh in a", "nc in a", 4444, 2),
            (
                "sh in a",
                "httpd <&> in a container whose name has no room at all",
                80,
                0,
            ),
            (
                "wget in a",
                "httpd <&> in a container whose name has no room at all",
                80,
                0,
            ),
        ] {
            let line = Line {
                client: client.as_bytes().to_vec(),
                server: server.as_bytes().to_vec(),
                kind: Kind::Inet(6),
                port,
            };
            let sum = Sum {
                errors,
                ..Sum::default()
            };
            lines.insert(line, sum);
        }
        let drawing = drawing(&lines);
        let places = |part: &str| -> Vec<String> {
            let found = drawing.match_indices(part);
            let place = |(at, _): (usize, &str)| {
                let rest = drawing[at..].split("y=\"").nth(1)?;
                rest.split('"').next().map(str::to_owned)
            };
            found.filter_map(place).collect()
        };
        let mut labels = places("<text x=\"358\"");
        assert_eq!(labels.len(), 4, "{drawing}");
        labels.sort();
        labels.dedup();
        assert_eq!(
            labels.len(),
            4,
            "each label has a line of its own: {drawing}"
        );
        assert_eq!(drawing.matches("#eef3ff").count(), 5, "{drawing}");
        assert!(
            drawing.contains("2 errors") && drawing.contains("#b00020"),
            "{drawing}"
        );
        assert!(drawing.contains("httpd &lt;&amp;&gt; in a container") && drawing.contains('…'));
    }
}
