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
    format!(
        "{}{port}{speaks}, {} out, {} back",
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

/// The map as a drawing: clients at the left, servers at the right, a line for each pair.
pub(crate) fn svg(session: &Session, asked: &Asked<'_>) -> String {
    /// Height of a box with the space below it.
    const STEP: usize = 44;
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    };
    let (lines, _) = lines(session, asked);
    let mut clients: Vec<&[u8]> = lines.keys().map(|line| &line.client[..]).collect();
    let mut servers: Vec<&[u8]> = lines.keys().map(|line| &line.server[..]).collect();
    for side in [&mut clients, &mut servers] {
        side.sort_unstable();
        side.dedup();
    }
    let height = clients.len().max(servers.len()).max(1) * STEP + 20;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1000\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"1000\" height=\"{height}\" fill=\"white\"/>\n"
    );
    let middle = |side: &[&[u8]], name: &[u8]| {
        side.iter().position(|one| *one == name).unwrap_or(0) * STEP + 25
    };
    for (line, sum) in &lines {
        let (y1, y2) = (
            middle(&clients, &line.client),
            middle(&servers, &line.server),
        );
        let colour = if sum.errors > 0 { "#b00020" } else { "#555555" };
        let _ = writeln!(
            out,
            "<line x1=\"270\" y1=\"{y1}\" x2=\"730\" y2=\"{y2}\" stroke=\"{colour}\"/>\
             <text x=\"500\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\">{}</text>",
            (y1 + y2) / 2 - 3,
            escaped(&label(line, sum))
        );
    }
    for (side, x) in [(&clients, 10), (&servers, 730)] {
        for (at, name) in side.iter().enumerate() {
            let y = at * STEP + 10;
            let name = Safe::new(name).to_string();
            let short: String = name.chars().take(38).collect();
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"260\" height=\"30\" fill=\"#eef3ff\" stroke=\"#224488\"/>\
                 <text x=\"{}\" y=\"{}\">{}</text>",
                x + 8,
                y + 20,
                escaped(&short)
            );
        }
    }
    out + "</svg>\n"
}
